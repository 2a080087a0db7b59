/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The anti-replay window of RFC 6479, over 64-bit counters.
 *
 * The window is a ring of words, always one word longer than what may be
 * accepted, so that moving it on clears whole words and shifts nothing.
 */
#ifndef NTMOBILE_REPLAY_H
#define NTMOBILE_REPLAY_H

#include <ntmobile/compat.h>

#define NTM_REPLAY_WORD_BITS	64
#define NTM_REPLAY_BITS		8192
#define NTM_REPLAY_WORDS	(NTM_REPLAY_BITS / NTM_REPLAY_WORD_BITS)
#define NTM_REPLAY_WINDOW	(NTM_REPLAY_BITS - NTM_REPLAY_WORD_BITS)

/**
 * struct ntm_replay_window - which counters of one key were accepted
 * @highest:	highest counter accepted; read without the writer's lock it is a
 *		hint good enough to rebuild a counter from the wire
 * @any:	at least one packet was accepted (0 is a valid counter)
 * @seen:	a ring of bits, one a counter
 *
 * One writer at a time: the caller's lock, or the caller's single thread.
 */
struct ntm_replay_window {
	__u64 highest;
	bool any;
	__u64 seen[NTM_REPLAY_WORDS];
};

enum ntm_replay_verdict {
	NTM_REPLAY_REFUSED,	/* seen before, or older than the window */
	NTM_REPLAY_OLD,		/* accepted, not the newest */
	NTM_REPLAY_NEWEST,	/* accepted, newer than any before */
};

static inline void ntm_replay_window_advance(struct ntm_replay_window *w, __u64 ctr)
{
	__u64 word = w->highest / NTM_REPLAY_WORD_BITS;
	__u64 steps = ctr / NTM_REPLAY_WORD_BITS - word;

	if (steps > NTM_REPLAY_WORDS)
		steps = NTM_REPLAY_WORDS;
	while (steps--)
		w->seen[++word % NTM_REPLAY_WORDS] = 0;
	NTM_WRITE_ONCE(w->highest, ctr);
}

/**
 * ntm_replay_window_accept() - mark a counter, once its packet is authenticated
 * @w:		window of the key the packet was under
 * @ctr:	64-bit counter of the packet
 *
 * Never call it before the tag was found right: a forged packet would close
 * the window for genuine ones.
 */
static inline enum ntm_replay_verdict
ntm_replay_window_accept(struct ntm_replay_window *w, __u64 ctr)
{
	__u64 *word = &w->seen[ctr / NTM_REPLAY_WORD_BITS % NTM_REPLAY_WORDS];
	__u64 bit = 1ULL << ctr % NTM_REPLAY_WORD_BITS;

	if (!w->any || ctr > w->highest) {
		ntm_replay_window_advance(w, ctr);
		w->any = true;
		*word |= bit;
		return NTM_REPLAY_NEWEST;
	}
	if (w->highest - ctr >= NTM_REPLAY_WINDOW || *word & bit)
		return NTM_REPLAY_REFUSED;
	*word |= bit;
	return NTM_REPLAY_OLD;
}

#endif /* NTMOBILE_REPLAY_H */
