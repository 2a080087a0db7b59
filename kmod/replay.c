// SPDX-License-Identifier: GPL-2.0
/*
 * RFC 6479: the window is a ring of words, always one word longer than what
 * may be accepted, so that moving it on clears whole words and shifts nothing.
 */
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "replay.h"

#define NTM_REPLAY_WORDS (NTM_REPLAY_BITS / BITS_PER_LONG)

void ntm_replay_init(struct ntm_replay *replay)
{
	memset(replay, 0, sizeof(*replay));
	spin_lock_init(&replay->lock);
}

static void ntm_replay_advance(struct ntm_replay *replay, u64 ctr)
{
	u64 word = replay->highest / BITS_PER_LONG;
	u64 steps = min_t(u64, ctr / BITS_PER_LONG - word, NTM_REPLAY_WORDS);

	while (steps--)
		replay->seen[++word % NTM_REPLAY_WORDS] = 0;
	WRITE_ONCE(replay->highest, ctr);
}

enum ntm_replay_verdict ntm_replay_accept(struct ntm_replay *replay, u64 ctr)
{
	enum ntm_replay_verdict verdict = NTM_REPLAY_REFUSED;

	spin_lock(&replay->lock);
	if (!replay->any || ctr > replay->highest) {
		ntm_replay_advance(replay, ctr);
		replay->any = true;
		verdict = NTM_REPLAY_NEWEST;
	} else if (replay->highest - ctr >= NTM_REPLAY_WINDOW) {
		goto out;
	}

	if (__test_and_set_bit(ctr % NTM_REPLAY_BITS, replay->seen))
		verdict = NTM_REPLAY_REFUSED;
	else if (verdict == NTM_REPLAY_REFUSED)
		verdict = NTM_REPLAY_OLD;
out:
	spin_unlock(&replay->lock);
	return verdict;
}
