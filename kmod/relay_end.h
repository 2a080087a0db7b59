/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where one end of a relay entry is, and the route to it.
 *
 * An end never changes: it is replaced as a whole, also when its route is found
 * or has become stale. A route is kept once, and not for each CPU as dst_cache
 * does: a million entries have two million of them, and each packet of another
 * entry finds nothing of its own in the cache.
 */
#ifndef NTM_RELAY_END_H
#define NTM_RELAY_END_H

#include "path.h"

struct ntm_dev;
struct ntm_route;

/**
 * struct ntm_relay_end - immutable, RCU
 * @addr:	the end's real address and port
 * @src4, @src6: our address as the end knows it, or any
 * @dst:	route to @addr, referenced; NULL until it is found
 * @cookie:	for dst_check()
 * @from4, @from6: source address of @dst
 * @rcu:	for ntm_relay_end_free_rcu()
 */
struct ntm_relay_end {
	union ntm_addr addr;
	u32 cookie;
	union {
		struct in_addr src4;
		struct in6_addr src6;
	};
	union {
		struct in_addr from4;
		struct in6_addr from6;
	};
	struct dst_entry *dst;
	struct rcu_head rcu;
};

/* @local: our address, or NULL; of @addr's family. NULL if there is no memory. */
struct ntm_relay_end *ntm_relay_end_new(const union ntm_addr *addr,
					const union ntm_addr *local, gfp_t gfp);
/* One that no reader has seen. */
void ntm_relay_end_free(struct ntm_relay_end *end);
void ntm_relay_end_free_rcu(struct ntm_relay_end *end);

/**
 * ntm_relay_end_set() - put an end, or NULL, into a slot; the old one is freed
 *
 * Any context; several may do so at once.
 */
void ntm_relay_end_set(struct ntm_relay_end __rcu **slot, struct ntm_relay_end *end);

/**
 * ntm_relay_end_route() - find the way to an end
 * @slot:	where @end was found; gets the end with its route
 *
 * Softirq, under RCU. Returns 0, or the (positive) enum ntm_drop plus one that
 * says why not. The route is the end's: good until rcu_read_unlock(), not to be
 * put.
 */
int ntm_relay_end_route(struct ntm_dev *ndev, struct ntm_relay_end __rcu **slot,
			struct ntm_relay_end *end, struct ntm_route *rt);

#endif
