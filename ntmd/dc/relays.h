/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The relay servers that registered since the coordinator started: what they are besides a struct ntm_node, which has their
 * name, key and session. A small table: relays are tens, not thousands, and none is ever taken out of it (whether one
 * is online, its node says). No I/O, no clock.
 */
#ifndef NTM_DC_RELAYS_H
#define NTM_DC_RELAYS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/addr.h"

#define NTM_RELAY_LOAD_MAX 1000u
#define NTM_RELAY_LOAD_FULL 950u /* from here on no new paths */
#define NTM_RELAY_SILENT_MS 10000
#define NTM_RELAY_PARTS 6u /* of a minute */

/**
 * struct ntm_relay - one of them
 * @node:	id of its struct ntm_node
 * @addrs:	where nodes reach it, best first, one of a family; family 0: none
 * @load:	0 idle to NTM_RELAY_LOAD_MAX
 * @silent_ms:	it did not answer a Relay Direction: not to be chosen until then
 * @rtt_ms:	from a Relay Direction to its answer, the last one that was answered at once; -1: unknown
 * @directed:	paths directed in each ten seconds of the last minute, @part: which of them the newest is
 */
struct ntm_relay {
	uint32_t node;
	union ntm_addr addrs[2];
	uint16_t load;
	uint64_t silent_ms;
	int32_t rtt_ms;
	uint64_t part;
	uint32_t directed[NTM_RELAY_PARTS];
};

struct ntm_relays {
	struct ntm_relay *all;
	uint32_t count, size;
};

void ntm_relays_free(struct ntm_relays *r);
/** ntm_relays_find() - NULL: did not register since the coordinator started. Good until the next ntm_relays_set() */
struct ntm_relay *ntm_relays_find(const struct ntm_relays *r, uint32_t node);
/** ntm_relays_set() - what a registration says; 0 or -ENOMEM */
int ntm_relays_set(struct ntm_relays *r, uint32_t node, uint32_t load,
		   const union ntm_addr addrs[2]);

/* What happened to one */
void ntm_relay_directed(struct ntm_relay *relay, uint64_t now_ms);
void ntm_relay_silent(struct ntm_relay *relay, uint64_t now_ms);
/** ntm_relay_answered() - @rtt_ms: -1 if it cannot be told which copy it answers */
void ntm_relay_answered(struct ntm_relay *relay, int32_t rtt_ms);
/** ntm_relay_last_minute() - paths directed to it within the last 50 to 60 s */
uint32_t ntm_relay_last_minute(const struct ntm_relay *relay, uint64_t now_ms);

#endif
