/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The path MTU of one way of a tunnel, found by probes (RFC 8899), for networks that drop what is too big without a word (ICMP that does
 * come is the data path's matter). Pure: no I/O, no clock.
 *
 *	VERIFYING	is what the link carries (the ceiling) carried all the way? Until there is a doubt, packets of that size leave.
 *			If the way was known, and only the link or the peer's port is new: is what passed before?
 *	SEARCHING	no: BASE is what packets may have, while a bisection over usual sizes goes on; or it is, and there may be more
 *	SETTLED		the size is known. If it is the ceiling, or the ceiling is BASE or less, packets are not limited by us
 *
 * A size is confirmed by one answer, and given up after 3 probes without one. With the third a small one leaves: if that is not answered
 * either, nothing passes (or nothing has left), and that says nothing of sizes. Then all stays as it is, and both are sent again, at
 * doubled times, until either is answered.
 *
 * A settled size is looked at again every 10 s while packets pass (a way that became narrower), and the ceiling every 600 s (one that
 * became wider).
 *
 * Sizes are of the outer IP packet, in bytes.
 */
#ifndef NTM_PMTU_H
#define NTM_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#define NTM_PMTU_BASE 1280u
#define NTM_PMTU_LEAST 576u
#define NTM_PMTU_MOST 9216u /* of a probe; a wider link is looked at with probes of this size */

enum ntm_pmtu_state { NTM_PMTU_OFF, NTM_PMTU_VERIFYING, NTM_PMTU_SEARCHING, NTM_PMTU_SETTLED };

/**
 * struct ntm_pmtu
 * @ceiling:	of the link; @size: confirmed (or assumed: @ceiling, while VERIFYING); packets may have it
 * @passes:	while SEARCHING: known to pass, 0: nothing is; @high: the place in the table of what is known not to
 * @probe:	size that is asked about, 0: none
 * @small:	a small one has left with the last probe, and is not answered
 * @silent:	so often in a row nothing was answered at all
 * @wait_ms:	for an answer
 * @active:	packets pass
 */
struct ntm_pmtu {
	enum ntm_pmtu_state state;
	unsigned int ceiling, size;
	unsigned int passes;
	int high;
	unsigned int probe, tries, silent;
	bool small;
	uint32_t wait_ms;
	bool active;
	uint64_t next_ms, settled_ms, raise_ms;
};

/**
 * struct ntm_pmtu_act
 * @probe:	send a probe that makes a packet of so many bytes, 0: none; @small: and one that is as small as can be
 * @changed:	packets may have pmtu->size from now on
 */
struct ntm_pmtu_act {
	unsigned int probe;
	bool small, changed;
};

/** ntm_pmtu_start() - a new way, whose link carries @ceiling; @rtt_ms: of the way, 0: not known */
struct ntm_pmtu_act ntm_pmtu_start(struct ntm_pmtu *p, unsigned int ceiling, uint32_t rtt_ms,
				   uint64_t now_ms);
/** ntm_pmtu_again() - the same where the way was known, and our own link, or the peer's port, may be another */
struct ntm_pmtu_act ntm_pmtu_again(struct ntm_pmtu *p, unsigned int ceiling, uint32_t rtt_ms,
				   uint64_t now_ms);
void ntm_pmtu_stop(struct ntm_pmtu *p);
/** ntm_pmtu_rtt() - of the way, as it is known by now */
void ntm_pmtu_rtt(struct ntm_pmtu *p, uint32_t rtt_ms);
/** ntm_pmtu_heard() - the small probe came to the peer */
void ntm_pmtu_heard(struct ntm_pmtu *p, uint64_t now_ms);
/** ntm_pmtu_answered() - a probe that made a packet of @size came to the peer; of the ceiling's also one that was given up */
struct ntm_pmtu_act ntm_pmtu_answered(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms);
/** ntm_pmtu_too_big() - the own link or its route does not take a probe of this size */
struct ntm_pmtu_act ntm_pmtu_too_big(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms);
/** ntm_pmtu_tick() - at the deadline, or at any time; @active: packets pass by this way */
struct ntm_pmtu_act ntm_pmtu_tick(struct ntm_pmtu *p, bool active, uint64_t now_ms);
uint64_t ntm_pmtu_deadline(const struct ntm_pmtu *p);
/** ntm_pmtu_limited() - is pmtu->size less than what the link alone would allow? */
bool ntm_pmtu_limited(const struct ntm_pmtu *p);

#endif
