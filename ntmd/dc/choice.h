/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which relay servers two nodes shall use, and which a node shall measure. Relays are offered one after the other, in any order;
 * the result depends on nothing else than what was offered. Pure: no I/O, no clock, no randomness but the caller's seed.
 *
 * The best have the least RTT to both ends together plus a tenth of a millisecond for each LOAD, in whole milliseconds; among
 * equals a hash of seed and key decides, so that different seeds (paths) spread over them.
 */
#ifndef NTM_DC_CHOICE_H
#define NTM_DC_CHOICE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/msg.h"

#define NTM_CHOICE_UNKNOWN_US 100000u /* what an RTT that nobody told counts */

enum ntm_families { NTM_FAMILY_4 = 1, NTM_FAMILY_6 = 2 };

/** struct ntm_node_rtt - what a node told of its way to a relay; @relay: the id of that one's node */
struct ntm_node_rtt {
	uint32_t relay;
	uint32_t us;
};

/**
 * struct ntm_choice_relay - a relay that is online
 * @id:		what the caller knows it by
 * @key:	its static public key
 * @families:	of its addresses, enum ntm_families
 */
struct ntm_choice_relay {
	uint32_t id;
	const uint8_t *key;
	uint8_t families;
	uint16_t load;
};

/** struct ntm_choice_end - a node as this relay concerns it; @rtt_us: NTM_CHOICE_UNKNOWN_US if it has not told */
struct ntm_choice_end {
	uint8_t families;
	uint32_t rtt_us;
};

/** struct ntm_choice - the @count best so far of the @want that are to be had */
struct ntm_choice {
	uint32_t seed;
	unsigned int want, count;
	struct ntm_choice_rank {
		uint32_t id;
		uint64_t score, tie;
	} best[NTM_RELAYS_MAX];
};

/** ntm_choice_init() - @want: at most NTM_RELAYS_MAX */
void ntm_choice_init(struct ntm_choice *c, unsigned int want, uint32_t seed);
/** ntm_choice_offer() - for the path between @a and @b: does nothing if the relay is full, or cannot be reached by one of them */
void ntm_choice_offer(struct ntm_choice *c, const struct ntm_choice_relay *relay,
		      const struct ntm_choice_end *a, const struct ntm_choice_end *b);

#endif
