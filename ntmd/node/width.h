/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How wide the way is that a tunnel's path takes: pmtu.h's search, carried out. Its probes are Path Probes with padding (docs/PROTOCOL.md
 * 7.3b), as long as a data packet would be, through a relay too; what it finds goes to the data path.
 */
#ifndef NTM_WIDTH_H
#define NTM_WIDTH_H

#include <stdbool.h>
#include <stdint.h>
#include "common/addr.h"
#include "pmtu.h"

struct ntm_node;
struct ntm_slot;

/**
 * struct ntm_width
 * @addr:	the way that is looked at, family 0: none yet
 * @timestamp, @asked: of the last probe: the same for all tries with one size, so that each of their answers counts; 0: answered
 * @shaken:	our own link may be another: the way is to be looked at anew
 * @ceiling:	timestamp of the last probes of the largest size, whose answer counts even when it was given up; 0: answered
 * @small:	timestamp of the last small probe
 */
struct ntm_width {
	struct ntm_pmtu search;
	union ntm_addr addr;
	uint64_t timestamp, ceiling, small;
	unsigned int asked;
	bool shaken;
};

/** ntm_width_follow() - something happened to the tunnel: it may be on another way now */
void ntm_width_follow(struct ntm_node *node, struct ntm_slot *slot);
/** ntm_width_shaken() - our addresses changed; to be followed by ntm_width_follow() */
void ntm_width_shaken(struct ntm_slot *slot);
/** ntm_width_answered() - a Path Probe Response; false: to none of these probes */
bool ntm_width_answered(struct ntm_node *node, struct ntm_slot *slot, uint64_t timestamp);
void ntm_width_tick(struct ntm_node *node, struct ntm_slot *slot);
uint64_t ntm_width_deadline(const struct ntm_slot *slot);

#endif
