/* SPDX-License-Identifier: GPL-2.0 */
/* How packets reach a peer: what ways.h and tunnel.h want sent is sent here, directly or wrapped for a relay. */
#ifndef NTM_CARRY_H
#define NTM_CARRY_H

#include "node.h"

/** ntm_carry_allowed() - may a peer, or a relay, be at this address? Not in a virtual network, of this host or this link alone, or nobody's */
bool ntm_carry_allowed(const struct ntm_node *node, const union ntm_addr *addr);
/** ntm_carry_choose() - take out of a Route Direction what is not */
void ntm_carry_choose(const struct ntm_node *node, struct ntm_msg *direction);
/** ntm_carry_send() - signalling to this address; through the relay, if it is that of one */
void ntm_carry_send(struct ntm_node *node, const struct ntm_slot *slot, const union ntm_addr *to,
		    const uint8_t *packet, size_t len);
/** ntm_carry_act() - carry out a NTM_TUNNEL_SEND */
void ntm_carry_act(struct ntm_node *node, const struct ntm_slot *slot,
		   const struct ntm_tunnel_act *act);
/** ntm_carry_run() - carry out what the ways want. Frees no tunnel. */
void ntm_carry_run(struct ntm_node *node, struct ntm_slot *slot, struct ntm_ways_acts *acts);
/** ntm_carry_still() - the addresses that must not move the path, as the data path has to know them now */
void ntm_carry_still(struct ntm_node *node, struct ntm_slot *slot);
/** ntm_carry_unwrap() - what a relay brought, and for which tunnel; NULL: dropped, and counted */
const uint8_t *ntm_carry_unwrap(struct ntm_node *node, const uint8_t *packet, size_t *len,
				const union ntm_addr *from, struct ntm_slot **slot);
/** ntm_carry_text() - for people: "direct 192.0.2.1:4330", "relay rs1" */
#define NTM_CARRY_TEXT 80
const char *ntm_carry_text(const struct ntm_ways *ways, char buf[NTM_CARRY_TEXT]);

#endif
