// SPDX-License-Identifier: GPL-2.0
#include "width.h"

#include <errno.h>
#include <string.h>

#include "carry.h"
#include "common/log.h"
#include "common/netif.h"
#include "common/relay.h"
#include "ntmobile/wire.h"
#include "reach.h"

#define ROUTE_MTU 1500u /* where the route does not tell */
#define STAMP_SHIFT \
	5 /* of the timestamp: below it stands the number of a way, or NTM_WAYS_NOBODY */

static unsigned int headers(const union ntm_addr *where)
{
	return (where->sa.sa_family == AF_INET ? 20u : 40u) + 8u;
}

/* Where packets for the way go, and so what stands in front of them */
static bool where_of(const struct ntm_node *node, const struct ntm_slot *slot,
		     union ntm_addr *where)
{
	return !ntm_reach_out(node, &slot->width.addr, where);
}

/* Probes */

static void send_probe(struct ntm_node *node, struct ntm_slot *slot, unsigned int size);
static void send_small(struct ntm_node *node, struct ntm_slot *slot);

static void tell_datapath(struct ntm_node *node, struct ntm_slot *slot, const union ntm_addr *where)
{
	const struct ntm_pmtu *search = &slot->width.search;
	const unsigned int inner = search->size - headers(where) - NTM_WIRE_OVERHEAD;
	const bool limited = ntm_pmtu_limited(search);

	if (!node->dp || !slot->in_datapath)
		return;
	ntm_debug("%s: path MTU %u%s", slot->peer->name, search->size,
		  limited ? "" : ", the link's");
	(void)ntm_reach_path_set(node, &(struct ntm_dp_path){ .path_id = slot->tunnel.path_id,
							      .mtu = !limited ? NTM_DP_MTU_ANY :
								     inner > NTM_PMTU_LEAST ?
										inner :
										NTM_PMTU_LEAST });
}

static void carry_out(struct ntm_node *node, struct ntm_slot *slot, struct ntm_pmtu_act act)
{
	union ntm_addr where;

	if (act.changed && where_of(node, slot, &where))
		tell_datapath(node, slot, &where);
	if (act.probe)
		send_probe(node, slot, act.probe);
	if (act.small)
		send_small(node, slot);
}

/* A packet of @size, with the relay's header in it if there is one. 0 or a negative errno */
static int make_and_send(struct ntm_node *node, struct ntm_slot *slot, const union ntm_addr *where,
			 unsigned int size)
{
	static uint8_t packet[NTM_PMTU_MOST]; /* one thread */
	const bool relayed = ntm_ways_relay(&slot->ways, &slot->width.addr);
	const size_t front = relayed ? NTM_RELAY_HDR_LEN : 0;
	const size_t len = size - headers(where);
	int sealed;

	sealed = ntm_tunnel_pad(&slot->tunnel, slot->width.timestamp, packet + front, len - front);
	if (sealed < 0)
		return sealed;
	if (relayed)
		ntm_relay_front(slot->tunnel.path_id, packet);
	return ntm_node_send_df(node, ntm_ports_by(slot, &slot->width.addr), &slot->width.addr,
				packet, front + (size_t)sealed);
}

static void send_probe(struct ntm_node *node, struct ntm_slot *slot, unsigned int size)
{
	struct ntm_width *width = &slot->width;
	union ntm_addr where;
	int err;

	if (!width->timestamp || width->asked != size)
		width->timestamp = ntm_node_now_us() << STAMP_SHIFT | NTM_WAYS_NOBODY;
	width->asked = size;
	if (size == width->search.ceiling)
		width->ceiling = width->timestamp;
	if (!where_of(node, slot, &where))
		return;
	err = make_and_send(node, slot, &where, size);
	/* Our own link has become narrower */
	if (err == -EMSGSIZE)
		carry_out(node, slot, ntm_pmtu_too_big(&width->search, size, ntm_node_now_ms()));
}

/* A probe as those of ways are, and none of theirs: what it measures is whether anything passes now */
static void send_small(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_ways_acts acts = { .count = 1 };

	slot->width.small = ntm_ways_stray(ntm_node_now_us());
	acts.act[0] = (struct ntm_ways_act){ .type = NTM_WAYS_PROBE,
					     .addr = slot->width.addr,
					     .timestamp = slot->width.small };
	ntm_carry_run(node, slot, &acts);
}

/* The size that was asked about then; 0: it is no matter any more, or of another way */
static unsigned int take_answer(struct ntm_width *width, uint64_t timestamp)
{
	const unsigned int size = timestamp == width->timestamp ? width->asked :
				  timestamp == width->ceiling	? width->search.ceiling :
								  0;

	if (timestamp == width->timestamp)
		width->timestamp = 0;
	if (timestamp == width->ceiling)
		width->ceiling = 0;
	return size;
}

bool ntm_width_answered(struct ntm_node *node, struct ntm_slot *slot, uint64_t timestamp)
{
	struct ntm_width *width = &slot->width;
	const uint64_t now_us = ntm_node_now_us(), sent_us = timestamp >> STAMP_SHIFT;
	unsigned int size;

	if ((timestamp & ((1u << STAMP_SHIFT) - 1)) != NTM_WAYS_NOBODY)
		return false;
	size = take_answer(width, timestamp);
	/* How long the way is, any answer says; the peer's to lie about, within what is waited at most */
	ntm_pmtu_rtt(&width->search, sent_us < now_us ? (uint32_t)((now_us - sent_us) / 1000) : 0);
	if (timestamp == width->small)
		ntm_pmtu_heard(&width->search, now_us / 1000);
	if (size)
		carry_out(node, slot, ntm_pmtu_answered(&width->search, size, now_us / 1000));
	return true;
}

/* Ways */

/* What the link carries, @before: what it did, where no route tells; padding comes in fours */
static unsigned int ceiling(const union ntm_addr *where, unsigned int before)
{
	const unsigned int mtu = ntm_netif_route_mtu(where);

	return (mtu ? mtu : before ? before : ROUTE_MTU) & ~3u;
}

static bool is_same_but_port(const union ntm_addr *a, const union ntm_addr *b)
{
	union ntm_addr same = *b;

	if (a->sa.sa_family == AF_INET)
		same.v4.sin_port = a->v4.sin_port;
	else
		same.v6.sin6_port = a->v6.sin6_port;
	return ntm_addr_equal(a, &same);
}

/* NATs renumber ports. Relays have theirs, and what else is at such an address is another way. */
static bool is_known(const struct ntm_slot *slot, const union ntm_addr *addr)
{
	const union ntm_addr *known = &slot->width.addr;

	if (ntm_addr_equal(addr, known))
		return true;
	return is_same_but_port(addr, known) && !ntm_ways_relay(&slot->ways, addr) &&
	       !ntm_ways_relay(&slot->ways, known);
}

static void start(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_way *way)
{
	struct ntm_width *width = &slot->width;
	const bool again = is_known(slot, &way->addr);
	union ntm_addr where;
	unsigned int most;

	width->addr = way->addr;
	width->timestamp = width->ceiling = width->small = 0;
	width->shaken = false;
	if (!where_of(node, slot, &where)) {
		ntm_pmtu_stop(&width->search);
		return;
	}
	most = ceiling(&where, again ? width->search.ceiling : 0);
	carry_out(node, slot,
		  (again ? ntm_pmtu_again : ntm_pmtu_start)(
			  &width->search, most, way->srtt_us / 1000, ntm_node_now_ms()));
}

void ntm_width_shaken(struct ntm_slot *slot)
{
	slot->width.shaken = true;
}

void ntm_width_follow(struct ntm_node *node, struct ntm_slot *slot)
{
	const struct ntm_way *way = ntm_ways_current(&slot->ways);

	if (!slot->ways.stands || !slot->in_datapath || !way || !ntm_ways_open(way))
		return;
	if (slot->width.shaken || !ntm_addr_equal(&way->addr, &slot->width.addr))
		start(node, slot, way);
}

void ntm_width_tick(struct ntm_node *node, struct ntm_slot *slot)
{
	carry_out(node, slot,
		  ntm_pmtu_tick(&slot->width.search, slot->ways.active, ntm_node_now_ms()));
}

uint64_t ntm_width_deadline(const struct ntm_slot *slot)
{
	return ntm_pmtu_deadline(&slot->width.search);
}
