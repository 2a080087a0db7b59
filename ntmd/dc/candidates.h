/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which of the addresses that a node or relay server claims to have may be told to others. They are its word alone, and who is
 * told them sends there: so none that could be nobody's but the receiver's own, none of a whole network, none inside the
 * tunnels. Pure.
 */
#ifndef NTM_DC_CANDIDATES_H
#define NTM_DC_CANDIDATES_H

#include "common/msg.h"
#include "dc/pool.h"

/** struct ntm_candidates_rule - the virtual networks, and where the coordinator hears the sender: loopback is for nodes of one host */
struct ntm_candidates_rule {
	const struct ntm_pool_spec *pool4, *pool6;
	const union ntm_addr *observed;
};

/** ntm_candidates_keep() - those of @in that are good, each once, in their order; returns how many. @bad: how many are not */
unsigned int ntm_candidates_keep(const struct ntm_candidates_rule *rule,
				 const struct ntm_candidate *in, unsigned int count,
				 struct ntm_candidate out[NTM_CANDIDATES_MAX], unsigned int *bad);
/** ntm_candidates_relay() - of a relay server: the first good one of each family; returns how many */
unsigned int ntm_candidates_relay(const struct ntm_candidates_rule *rule,
				  const struct ntm_candidate *in, unsigned int count,
				  union ntm_addr out[2]);

#endif
