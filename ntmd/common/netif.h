/* SPDX-License-Identifier: GPL-2.0 */
/* rtnetlink (libmnl): the interface, its addresses, and the node's own real addresses as they come and go. */
#ifndef NTM_NETIF_H
#define NTM_NETIF_H

#include <uv.h>
#include "common/addr.h"

/* All: 0 or a negative errno. The interface is of kind NTM_LINK_KIND. */
int ntm_netif_create(
	const char *name,
	unsigned int *ifindex); /* an old one of the same kind and name is deleted first */
int ntm_netif_delete(unsigned int ifindex);
/** ntm_netif_delete_old() - what another run has left under this name; 0 if nothing is there, -EEXIST if it is not of our kind */
int ntm_netif_delete_old(const char *name);
int ntm_netif_up(unsigned int ifindex, unsigned int mtu);
int ntm_netif_queue(
	unsigned int ifindex, unsigned int gso,
	unsigned int packets); /* bytes of its largest GSO packet; packets that may wait */
/** ntm_netif_route_mtu() - what the route to a real address carries now, bytes of the IP packet, as the kernel has learnt it; 0 if it does not tell */
unsigned int ntm_netif_route_mtu(const union ntm_addr *to);
/** ntm_netif_tx_dropped() - packets that found the queue of the interface full, as the kernel counts them (32 bits); 0 if it does not tell */
uint64_t ntm_netif_tx_dropped(const char *name);
int ntm_netif_addr(unsigned int ifindex, int family, const void *addr, uint8_t prefix,
		   bool add); /* the prefix route comes with it */
/** ntm_netif_lacks() - is the interface up, and without this address? */
bool ntm_netif_lacks(unsigned int ifindex, int family, const void *addr);
/** ntm_netif_is_local() - does a packet to this address stay on this host? (That one can bind to it says nothing: ip_nonlocal_bind) */
bool ntm_netif_is_local(const union ntm_addr *addr);
/**
 * ntm_netif_may_send() - may packets to @to leave with the source @from?
 *
 * Not if they leave by a link that has not got it, for there a provider may drop them, or a NAT give them a mapping that leads nowhere;
 * but with one of lo they may, and where a rule for this source leads by another link than that of others. Any thread. True if the kernel does not tell.
 */
bool ntm_netif_may_send(const union ntm_addr *from, const union ntm_addr *to);
/* An address to serve on, which no packet of others leaves from: IPv6 would prefer the newest for them */
int ntm_netif_serve_addr(unsigned int ifindex, int family, const void *addr);
/* A route to a network that lies behind the interface, IPv4 with @src as its source. -EEXIST: there is one already, of anybody's */
int ntm_netif_route(unsigned int ifindex, int family, const void *net, uint8_t prefix,
		    const struct in_addr *src, bool add);

struct ntm_netif_watch;
/** typedef ntm_netif_changed_fn - what is watched may have changed (at once, no debounce) */
typedef void ntm_netif_changed_fn(void *ctx);
/** ntm_netif_watch_open() - links, and the set of usable real addresses */
int ntm_netif_watch_open(struct ntm_netif_watch **watch, uv_loop_t *loop,
			 ntm_netif_changed_fn *changed, void *ctx);
/** ntm_netif_watch_routes() - the same for routes and their rules */
int ntm_netif_watch_routes(struct ntm_netif_watch **watch, uv_loop_t *loop,
			   ntm_netif_changed_fn *changed, void *ctx);
void ntm_netif_watch_close(struct ntm_netif_watch *watch);
/**
 * ntm_netif_addresses() - global real addresses of interfaces that are up, not those of @skip_ifindex, loopback,
 * link-local, deprecated or tentative; with @port. Returns how many (at most @max).
 */
unsigned int ntm_netif_addresses(union ntm_addr *out, unsigned int max, unsigned int skip_ifindex,
				 uint16_t port);

#endif
