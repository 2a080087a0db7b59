/* SPDX-License-Identifier: GPL-2.0 */
/* One way to a peer, and how good it is: the last probes, their round-trip time and loss (docs/PROTOCOL.md 7.3a). Pure. */
#ifndef NTM_WAY_H
#define NTM_WAY_H

#include <stdbool.h>
#include <stdint.h>
#include "common/addr.h"

#define NTM_WAY_SAMPLES 8u
#define NTM_WAY_DEAD 4u	  /* so many probes in a row without an answer */
#define NTM_WAY_BETTER 3u /* so many in a row that were better */

enum ntm_way_kind {
	NTM_WAY_HOST,
	NTM_WAY_REFLEXIVE,
	NTM_WAY_PEER, /* no candidate, but an authentic packet came from there */
	NTM_WAY_RELAY,
};

/**
 * struct ntm_way
 * @addr:	of a relay: the RS's, family 0 until it is bound
 * @sent_us:	when the last probes were sent, the newest at @head; bit n of @missing: the one n before it was not answered
 * @samples:	how many there are
 * @burst:	how many of the burst were sent; of a relay: Tunnel Requests
 * @unanswered:	probes in a row without an answer
 * @better:	probes in a row in which it was better than the way that the path is on
 * @srtt_us:	0: not measured
 * @last_ms:	when something was sent by it to measure it; 0: never, as the others
 * @heard_ms:	the last authentic packet of signalling from there
 * @sent:	data packets that had left, by any way, when the last probe was sent
 * @eats:	it answers probes, and no data gets through
 */
struct ntm_way {
	enum ntm_way_kind kind;
	union ntm_addr addr;
	uint64_t sent_us[NTM_WAY_SAMPLES];
	unsigned int head, samples;
	uint8_t missing;
	bool dead, eats;
	unsigned int burst, unanswered, better;
	uint32_t srtt_us;
	uint64_t last_ms, answered_ms, died_ms, heard_ms;
	uint64_t sent;
};

/** ntm_way_probed() - a probe leaves now */
void ntm_way_probed(struct ntm_way *way, uint64_t now_us);
/** ntm_way_answered() - the probe of then is answered; false: there is none that waits */
bool ntm_way_answered(struct ntm_way *way, uint64_t now_us, uint64_t sent_us);
/** ntm_way_alive() - the peer came or answered by it, and no death since */
void ntm_way_alive(struct ntm_way *way);
/** ntm_way_gap_ms() - how long to wait for the answer to a probe before the next one */
uint32_t ntm_way_gap_ms(const struct ntm_way *way);
/** ntm_way_lost() - how many of the last 8 probes were not answered in time */
unsigned int ntm_way_lost(const struct ntm_way *way, uint64_t now_us);
/** ntm_way_is_better() - is @way clearly better than @than? Not: "a bit, today" */
bool ntm_way_is_better(const struct ntm_way *way, const struct ntm_way *than, uint64_t now_us);

#endif
