/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IPv4 from an IPv6-only network: while the node has no IPv4 address, and its network has NAT64 (RFC 6146), what is for an IPv4
 * address goes to the one that stands for it. This is done where packets and endpoints leave ntmd, and undone where they come in, so
 * that all the rest knows a DC, a relay or a peer by the address that everybody else knows it by.
 */
#ifndef NTM_REACH_H
#define NTM_REACH_H

#include "datapath.h"

struct ntm_node;
struct ntm_slot;

/** ntm_reach_open() - 0 or a negative errno */
int ntm_reach_open(struct ntm_node *node);
void ntm_reach_close(struct ntm_node *node);

/** ntm_reach_addresses() - these are our real addresses: starts or ends the search for NAT64 */
void ntm_reach_addresses(struct ntm_node *node, const struct ntm_candidate *own,
			 unsigned int count);

/** ntm_reach_dc() - there is a session with the DC: once, if it is by IPv6, try to have it by IPv4 (ntm_dc_by_ipv4()) */
void ntm_reach_dc(struct ntm_node *node);

/** ntm_reach_out() - where to send what is for @to; 0 or -ENETUNREACH */
int ntm_reach_out(const struct ntm_node *node, const union ntm_addr *to, union ntm_addr *out);
/** ntm_reach_in() - who it was that it came from */
void ntm_reach_in(const struct ntm_node *node, const union ntm_addr *from, union ntm_addr *out);
/** ntm_reach_path_set() - the data path's path_set(), with endpoints as they are to be sent to */
int ntm_reach_path_set(struct ntm_node *node, const struct ntm_dp_path *path);
/** ntm_reach_again() - tell the data path once more which way a tunnel takes */
void ntm_reach_again(struct ntm_node *node, const struct ntm_slot *slot);

#endif
