// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include "dev.h"
#include "outer.h"
#include "relay_end.h"

struct ntm_relay_end *ntm_relay_end_new(const union ntm_addr *addr,
					const union ntm_addr *local, gfp_t gfp)
{
	struct ntm_relay_end *end = kzalloc(sizeof(*end), gfp);

	if (!end)
		return NULL;
	if (addr->sa.sa_family == AF_INET) {
		end->addr.v4 = addr->v4;
		if (local)
			end->src4 = local->v4.sin_addr;
	} else {
		end->addr.v6 = addr->v6;
		if (local)
			end->src6 = local->v6.sin6_addr;
	}
	return end;
}

void ntm_relay_end_free(struct ntm_relay_end *end)
{
	dst_release(end->dst);
	kfree(end);
}

static void ntm_relay_end_reclaim(struct rcu_head *rcu)
{
	ntm_relay_end_free(container_of(rcu, struct ntm_relay_end, rcu));
}

void ntm_relay_end_free_rcu(struct ntm_relay_end *end)
{
	call_rcu(&end->rcu, ntm_relay_end_reclaim);
}

void ntm_relay_end_set(struct ntm_relay_end __rcu **slot, struct ntm_relay_end *end)
{
	end = unrcu_pointer(xchg(slot, RCU_INITIALIZER(end)));
	if (end)
		ntm_relay_end_free_rcu(end);
}

static bool ntm_relay_end_fresh(const struct ntm_relay_end *end)
{
	struct dst_entry *dst = end->dst;

	return dst && (!READ_ONCE(dst->obsolete) || dst->ops->check(dst, end->cookie));
}

static void ntm_relay_end_remember(struct ntm_relay_end *end, const struct ntm_route *rt)
{
	end->dst = rt->dst;
	if (rt->family == AF_INET) {
		end->from4.s_addr = rt->src4;
		end->cookie = 0;
	} else {
		end->from6 = rt->src6;
		end->cookie = rt6_get_cookie((struct rt6_info *)rt->dst);
	}
}

/*
 * The end with its route takes the place of the one without. If another CPU, or an
 * end that moved, was faster, it is good for this packet alone.
 */
static int ntm_relay_end_find(struct ntm_dev *ndev, struct ntm_relay_end __rcu **slot,
			      struct ntm_relay_end *end, struct ntm_route *rt)
{
	struct ntm_relay_end *found;
	int why;

	if (rt->family == AF_INET)
		rt->src4 = end->src4.s_addr;
	else
		rt->src6 = end->src6;
	why = ntm_outer_find(ndev, &end->addr, rt);
	if (why)
		return why;
	found = kmemdup(end, sizeof(*end), GFP_ATOMIC);
	if (!found) {
		dst_release(rt->dst);
		return NTM_DROP_NO_MEM + 1;
	}
	ntm_relay_end_remember(found, rt);
	if (unrcu_pointer(cmpxchg(slot, RCU_INITIALIZER(end), RCU_INITIALIZER(found))) == end)
		ntm_relay_end_free_rcu(end);
	else
		ntm_relay_end_free_rcu(found);
	return 0;
}

int ntm_relay_end_route(struct ntm_dev *ndev, struct ntm_relay_end __rcu **slot,
			struct ntm_relay_end *end, struct ntm_route *rt)
{
	int why = ntm_outer_begin(ndev, &end->addr, rt);

	if (why)
		return why;
	if (!ntm_relay_end_fresh(end))
		return ntm_relay_end_find(ndev, slot, end, rt);
	rt->dst = end->dst;
	if (rt->family == AF_INET)
		rt->src4 = end->from4.s_addr;
	else
		rt->src6 = end->from6;
	return 0;
}
