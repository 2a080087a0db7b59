/* SPDX-License-Identifier: GPL-2.0 */
/* The anti-replay window of RFC 6479, over 64-bit counters. */
#ifndef NTM_REPLAY_H
#define NTM_REPLAY_H

#include <linux/spinlock.h>

#define NTM_REPLAY_BITS		8192
#define NTM_REPLAY_WINDOW	(NTM_REPLAY_BITS - BITS_PER_LONG)

/**
 * struct ntm_replay - which counters of one key were accepted
 * @lock:	taken with BH disabled, around @highest and @seen
 * @highest:	highest counter accepted; READ_ONCE outside the lock is a hint
 *		good enough to rebuild a counter from the wire
 * @any:	at least one packet was accepted (0 is a valid counter)
 * @seen:	a ring of bits, one a counter
 */
struct ntm_replay {
	spinlock_t lock;
	u64 highest;
	bool any;
	unsigned long seen[NTM_REPLAY_BITS / BITS_PER_LONG];
};

enum ntm_replay_verdict {
	NTM_REPLAY_REFUSED,	/* seen before, or older than the window */
	NTM_REPLAY_OLD,		/* accepted, not the newest */
	NTM_REPLAY_NEWEST,	/* accepted, newer than any before */
};

void ntm_replay_init(struct ntm_replay *replay);

/**
 * ntm_replay_accept() - mark a counter, once its packet has been authenticated
 * @replay:	window of the key the packet was under
 * @ctr:	64-bit counter of the packet
 *
 * BH disabled. Never call it before the tag was found right: a forged packet
 * would close the window for genuine ones.
 */
enum ntm_replay_verdict ntm_replay_accept(struct ntm_replay *replay, u64 ctr);

#endif
