/* SPDX-License-Identifier: GPL-2.0 */
/* The anti-replay window of one key, shared by the processors that decrypt under it. */
#ifndef NTM_REPLAY_H
#define NTM_REPLAY_H

#include <linux/spinlock.h>
#include <ntmobile/replay.h>

/**
 * struct ntm_replay - a window and the lock that makes its writers one
 * @lock:	taken with BH disabled, around @window
 * @window:	its @highest is read without the lock
 */
struct ntm_replay {
	spinlock_t lock;
	struct ntm_replay_window window;
};

static inline void ntm_replay_init(struct ntm_replay *replay)
{
	memset(replay, 0, sizeof(*replay));
	spin_lock_init(&replay->lock);
}

/* BH disabled, and the packet authenticated: ntm_replay_window_accept(). */
static inline enum ntm_replay_verdict ntm_replay_accept(struct ntm_replay *replay, u64 ctr)
{
	enum ntm_replay_verdict verdict;

	spin_lock(&replay->lock);
	verdict = ntm_replay_window_accept(&replay->window, ctr);
	spin_unlock(&replay->lock);
	return verdict;
}

#endif
