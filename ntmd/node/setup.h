/* SPDX-License-Identifier: GPL-2.0 */
/* How tunnels come and go: Direction Requests, Route Directions, and carrying out what tunnels want. */
#ifndef NTM_SETUP_H
#define NTM_SETUP_H

#include "node.h"

/** ntm_setup_want() - see to it that this peer gets a tunnel; the outcome goes to ntm_lookup_finish() */
void ntm_setup_want(struct ntm_node *node, struct ntm_peer *peer);
/** ntm_setup_again() - the tunnel has no way to its peer any more: another one, by a new direction; the old one serves until then */
void ntm_setup_again(struct ntm_node *node, struct ntm_peer *peer);
/** ntm_setup_direction() - a Route Direction; false: it was refused, and no peer was freed. Else a peer may have been. */
bool ntm_setup_direction(struct ntm_node *node, const struct ntm_msg *direction);

/* Packets of tunnels. */
uint32_t ntm_setup_request_path(const uint8_t *packet); /* of one that ntm_hs_check() let pass */
void ntm_setup_request(struct ntm_node *node, const uint8_t *packet, size_t len,
		       const union ntm_addr *from);
void ntm_setup_response(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
			size_t len, const union ntm_addr *from);
void ntm_setup_cookie(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
		      size_t len);
void ntm_setup_sealed(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
		      size_t len, const union ntm_addr *from);
/** ntm_setup_bound() - a Relay Bound */
void ntm_setup_bound(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
		     size_t len, const union ntm_addr *from);

/* Events of the data path. */
void ntm_setup_confirmed(struct ntm_node *node, uint32_t path_id, uint32_t epoch);
void ntm_setup_rekey(struct ntm_node *node, uint32_t path_id, uint32_t epoch);
void ntm_setup_moved(struct ntm_node *node, uint32_t path_id, const union ntm_addr *addr);

void ntm_setup_ping(struct ntm_node *node, struct ntm_peer *peer);
/** ntm_setup_shake_all() - our addresses changed: show every peer and relay where we are now, and try all ways anew */
void ntm_setup_shake_all(struct ntm_node *node);
/** ntm_setup_close_peer() / _close_all() - end tunnels; the peers are told */
void ntm_setup_close_peer(struct ntm_node *node, struct ntm_peer *peer, const char *why);
void ntm_setup_close_all(struct ntm_node *node, const char *why);
/** ntm_setup_close_strays() - peers whose virtual addresses are in no network of the lease any more */
void ntm_setup_close_strays(struct ntm_node *node);

#endif
