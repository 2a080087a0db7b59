// SPDX-License-Identifier: GPL-2.0
/*
 * Hints of a path to its owner, who has some system calls to do for each. A peer decides how many there are, by moving with each
 * packet or by what it sends; so they are few, and the last one of a burst is told when its time comes.
 */
#include "common/clock.h"
#include "pipe/pipe.h"

static bool post(struct ntm_pipe *pipe, struct ntm_path *path, enum ntm_hint_type what)
{
	static const enum ntm_pipe_event_type types[NTM_HINTS] = {
		[NTM_HINT_MOVED] = NTM_PIPE_MOVED,
		[NTM_HINT_MTU] = NTM_PIPE_MTU,
	};
	const struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);
	struct ntm_pipe_event *event =
		ntm_pipe_event(&pipe->events, types[what], path->id, NULL, 0);

	if (!event)
		return false;
	if (endpoint)
		event->addr = endpoint->peer;
	ntm_pipe_post(&pipe->events, event);
	return true;
}

/* Another thread may have told since this one has looked at the clock: then less than nothing has passed */
static bool is_due(struct ntm_hint *hint)
{
	const uint64_t now = ntm_clock_ms();
	uint64_t told = atomic_load(&hint->told_ms);

	return (int64_t)(now - told) >= NTM_HINT_MS &&
	       atomic_compare_exchange_strong(&hint->told_ms, &told, now);
}

void ntm_pipe_hint(struct ntm_pipe *pipe, struct ntm_path *path, enum ntm_hint_type what)
{
	struct ntm_hint *hint = &path->hints[what];

	if (is_due(hint) && post(pipe, path, what))
		return;
	/* First the path's mark, then the pipe's: who takes away the second looks at the first afterwards */
	atomic_store(&hint->later, true);
	if (!atomic_exchange(&pipe->hints_later, true))
		pipe->events.wake(pipe->events.ctx);
}

static void hint_again(void *ctx, struct ntm_path *path)
{
	struct ntm_pipe *pipe = ctx;

	for (unsigned int what = 0; what < NTM_HINTS; what++) {
		struct ntm_hint *hint = &path->hints[what];

		if (!atomic_load(&hint->later))
			continue;
		if (is_due(hint)) {
			atomic_store(&hint->later, false);
			if (post(pipe, path, what))
				continue;
			atomic_store(&hint->later, true);
		}
		atomic_store(&pipe->hints_later, true);
	}
}

bool ntm_pipe_hints(struct ntm_pipe *pipe)
{
	if (!atomic_exchange(&pipe->hints_later, false))
		return false;
	ntm_paths_each(&pipe->paths, hint_again, pipe);
	return atomic_load(&pipe->hints_later);
}
