/* SPDX-License-Identifier: GPL-2.0 */
/*
 * search.h's search, carried out: its sockets, its probes, and the one socket that the peer has found, which is the path's own from then
 * on. What is sent to the peer's address leaves by it, signalling as well as data, and it goes when no way leads through it any more.
 */
#ifndef NTM_PORTS_H
#define NTM_PORTS_H

#include "search.h"

struct ntm_node;
struct ntm_slot;
struct ntm_port_set;
struct ntm_udp;

/**
 * struct ntm_ports - the node's
 * @gate:	what bounds searches
 * @open:	sockets of searches; @own: paths that have one of their own
 */
struct ntm_ports {
	struct ntm_search_gate gate;
	unsigned int open, own;
	bool told_full;
};

/**
 * struct ntm_slot_ports - a tunnel's
 * @peer_nat, @named: what the Route Direction says of the peer; family 0: the DC does not see it by IPv4
 * @search:	runs if its side is not NONE; @set: its sockets, else NULL
 * @own:	the path's own socket, NULL: none; @own_to: the peer's address that it leads to
 * @heard_ms:	when the peer was last heard there
 */
struct ntm_slot_ports {
	enum ntm_nat peer_nat;
	union ntm_addr named;
	struct ntm_search search;
	struct ntm_port_set *set;
	struct ntm_udp *own;
	union ntm_addr own_to;
	uint64_t heard_ms;
};

/** ntm_ports_start() - by a Route Direction, from which is taken out what nothing may be sent to */
void ntm_ports_start(struct ntm_slot *slot, const struct ntm_msg *direction);
/** ntm_ports_done() - the tunnel ends: closes all */
void ntm_ports_done(struct ntm_node *node, struct ntm_slot *slot);

/** ntm_ports_called() - the peer has sent Port Search */
void ntm_ports_called(struct ntm_node *node, struct ntm_slot *slot);
/** ntm_ports_heard() - an authentic packet of signalling came from there: is that what was searched for? To be told before it is answered */
void ntm_ports_heard(struct ntm_node *node, struct ntm_slot *slot, const union ntm_addr *from);
/** ntm_ports_tick() - something happened, or the deadline is reached. Frees no tunnel. */
void ntm_ports_tick(struct ntm_node *node, struct ntm_slot *slot);
uint64_t ntm_ports_deadline(const struct ntm_slot *slot); /* monotonic ms */

/** ntm_ports_by() - the socket by which packets reach the peer at this address; NULL: the node's */
struct ntm_udp *ntm_ports_by(const struct ntm_slot *slot, const union ntm_addr *to);

#endif
