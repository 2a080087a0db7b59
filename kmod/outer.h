/* SPDX-License-Identifier: GPL-2.0 */
/* The outer side of sending: route, outer headers, UDP (GSO) transmit. */
#ifndef NTM_OUTER_H
#define NTM_OUTER_H

#include <linux/in.h>
#include <linux/in6.h>
#include "stats.h"

struct dst_entry;
struct ntm_dev;
struct ntm_endpoint;
struct ntm_path;
struct sk_buff;
union ntm_addr;

/**
 * struct ntm_route - where and how an outer packet goes; good until put
 * @dst:	route, referenced
 * @family:	AF_INET or AF_INET6
 * @src4, @dst4, @src6, @dst6: addresses
 * @sport, @dport: ports
 * @cut:	over IPv6, bytes of a fragment of what has ignore_df set; 0: those of
 *		the route
 */
struct ntm_route {
	struct dst_entry *dst;
	sa_family_t family;
	__be16 sport, dport;
	u16 cut;
	union {
		struct {
			__be32 src4, dst4;
		};
		struct {
			struct in6_addr src6, dst6;
		};
	};
};

/**
 * ntm_outer_route() - find the way to a path's endpoint
 *
 * Softirq, under RCU. Returns 0, or the (positive) enum ntm_drop plus one that
 * says why not.
 */
int ntm_outer_route(struct ntm_path *path, struct ntm_route *rt);

/**
 * ntm_outer_begin() - what of a route to @to needs no looking up
 *
 * Softirq, under RCU. All of @rt but @dst and the source address. Returns as
 * ntm_outer_route(): not 0 if the device has no socket of the family.
 */
int ntm_outer_begin(struct ntm_dev *ndev, const union ntm_addr *to, struct ntm_route *rt);
/**
 * ntm_outer_find() - look up the rest
 * @rt:		from ntm_outer_begin(); its source address is the one that is wanted,
 *		or any
 *
 * As ntm_outer_route(), but nothing is remembered.
 */
int ntm_outer_find(struct ntm_dev *ndev, const union ntm_addr *to, struct ntm_route *rt);
void ntm_outer_route_put(struct ntm_route *rt);
void ntm_outer_route_get(struct ntm_route *rt);

/* Bytes of room to leave in front of the UDP payload. */
unsigned int ntm_outer_headroom(const struct ntm_route *rt);
/* Bytes of outer IP and UDP header. */
unsigned int ntm_outer_hdr_len(const struct ntm_route *rt);
/* The largest inner packet that fits the route. */
unsigned int ntm_outer_mtu(const struct ntm_route *rt);

/**
 * ntm_outer_xmit() - put the outer headers on and send
 * @path:	only for the socket and the namespace
 * @rt:		route; the reference is taken over
 * @skb:	UDP payload, GSO fields set where it is more than one datagram. With
 *		ignore_df it may be fragmented: here if the route is too narrow
 *		for it (RFC 2473 7.1), over IPv4 also on the way
 * @tos:	inner TOS or traffic class byte
 *
 * DSCP is copied to the outer header (RFC 2983: the network may treat the
 * packet as its sender asked for; on the way out the inner one is kept). ECN is
 * copied too, the normal mode of RFC 6040.
 */
void ntm_outer_xmit(struct ntm_path *path, struct ntm_route *rt,
		    struct sk_buff *skb, u8 tos);

#endif
