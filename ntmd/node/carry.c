// SPDX-License-Identifier: GPL-2.0
#include "carry.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/relay.h"
#include "lease.h"
#include "reach.h"
#include "setup.h"

/* Where nothing may be sent to, whoever names it */

/* Of this host, or of this link alone: where services listen that trust whoever reaches them */
static bool is_local(const union ntm_addr *addr)
{
	uint32_t v4;

	if (addr->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&addr->v6.sin6_addr) ||
		       IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr);
	v4 = ntohl(addr->v4.sin_addr.s_addr);
	return v4 >> 24 == IN_LOOPBACKNET || v4 >> 16 == 0xa9fe; /* 169.254.0.0/16 */
}

bool ntm_carry_allowed(const struct ntm_node *node, const union ntm_addr *addr)
{
	/* One inside the virtual networks would be a tunnel in itself */
	return ntm_addr_usable(addr) && !is_local(addr) &&
	       !(node->has_lease && ntm_lease_virtual(&node->lease, addr));
}

static void choose_relays(const struct ntm_node *node, struct ntm_msg *direction)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < direction->relay_count; i++) {
		struct ntm_relay_info relay = direction->relays[i];

		for (int n = 0; n < 2; n++)
			if (!ntm_carry_allowed(node, &relay.addrs[n]))
				memset(&relay.addrs[n], 0, sizeof(relay.addrs[n]));
		if (relay.addrs[0].sa.sa_family || relay.addrs[1].sa.sa_family)
			direction->relays[kept++] = relay;
	}
	direction->relay_count = kept;
}

void ntm_carry_choose(const struct ntm_node *node, struct ntm_msg *direction)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < direction->candidate_count; i++)
		if (ntm_carry_allowed(node, &direction->candidates[i].addr))
			direction->candidates[kept++] = direction->candidates[i];
	direction->candidate_count = kept;
	choose_relays(node, direction);
}

/* Sending */

void ntm_carry_send(struct ntm_node *node, const struct ntm_slot *slot, const union ntm_addr *to,
		    const uint8_t *packet, size_t len)
{
	uint8_t wrapped[NTM_TUNNEL_PACKET + NTM_RELAY_HDR_LEN];

	if (ntm_ways_relay(&slot->ways, to)) {
		len = ntm_relay_wrap(slot->tunnel.path_id, packet, len, wrapped, sizeof(wrapped));
		packet = wrapped;
	}
	if (len)
		(void)ntm_node_send_by(node, ntm_ports_by(slot, to), to, packet, len);
}

static void send_all(struct ntm_node *node, const struct ntm_slot *slot, const uint8_t *packet,
		     size_t len)
{
	const struct ntm_ways *w = &slot->ways;

	for (unsigned int i = 0; i < w->count; i++)
		if (ntm_ways_open(&w->way[i]))
			ntm_carry_send(node, slot, &w->way[i].addr, packet, len);
}

void ntm_carry_act(struct ntm_node *node, const struct ntm_slot *slot,
		   const struct ntm_tunnel_act *act)
{
	const struct ntm_way *way = ntm_ways_current(&slot->ways);

	switch (act->to) {
	case NTM_TO_ADDR:
		ntm_carry_send(node, slot, &act->addr, act->packet, act->len);
		break;
	case NTM_TO_PATH:
		if (way && ntm_ways_open(way))
			ntm_carry_send(node, slot, &way->addr, act->packet, act->len);
		break;
	case NTM_TO_ALL:
		send_all(node, slot, act->packet, act->len);
		break;
	}
}

/* What ways want done */

static struct ntm_tunnel_env env_now(struct ntm_node *node)
{
	return (struct ntm_tunnel_env){ .now_us = ntm_node_now_us(), .self = &node->self };
}

/* These have but packets to send */
static void carry_all(struct ntm_node *node, struct ntm_slot *slot, struct ntm_tunnel_acts *acts)
{
	for (unsigned int i = 0; i < acts->count; i++)
		ntm_carry_act(node, slot, &acts->act[i]);
	ntm_tunnel_acts_wipe(acts);
}

static void do_move(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_ways_act *act)
{
	struct ntm_tunnel_env env = env_now(node);
	struct ntm_tunnel_acts acts = { 0 };
	char text[NTM_CARRY_TEXT];

	if (ntm_node_tunnel_log(node, slot->peer))
		ntm_info("%s: now %s", slot->peer->name, ntm_carry_text(&slot->ways, text));
	/* First the addresses that do not move the path: else a packet under way might take it back at once */
	ntm_carry_still(node, slot);
	if (node->dp && slot->in_datapath)
		(void)ntm_reach_path_set(node, &(struct ntm_dp_path){
						       .path_id = slot->tunnel.path_id,
						       .peer = &act->addr,
						       .by_socket = ntm_ports_by(slot, &act->addr),
					       });
	if (!act->say)
		return;
	ntm_tunnel_ping(&slot->tunnel, &env, &acts);
	carry_all(node, slot, &acts);
}

static void run_act(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_ways_act *act)
{
	struct ntm_tunnel_env env = env_now(node);
	struct ntm_tunnel_acts acts = { 0 };

	switch (act->type) {
	case NTM_WAYS_PUNCH:
		ntm_tunnel_punch(&slot->tunnel, &act->addr, &acts);
		break;
	case NTM_WAYS_REQUEST:
		ntm_tunnel_ask_by(&slot->tunnel, &env, &act->addr, &acts);
		break;
	case NTM_WAYS_PROBE:
		ntm_tunnel_probe(&slot->tunnel, &act->addr, act->timestamp, &acts);
		break;
	case NTM_WAYS_BIND:
		(void)ntm_node_send(node, &act->addr, act->packet, sizeof(act->packet));
		break;
	case NTM_WAYS_MOVE:
		do_move(node, slot, act);
		break;
	case NTM_WAYS_LOST:
		if (ntm_node_tunnel_log(node, slot->peer))
			ntm_info("%s: no way is left, asking the DC", slot->peer->name);
		ntm_setup_again(node, slot->peer);
		break;
	}
	carry_all(node, slot, &acts);
}

void ntm_carry_run(struct ntm_node *node, struct ntm_slot *slot, struct ntm_ways_acts *acts)
{
	for (unsigned int i = 0; i < acts->count; i++)
		run_act(node, slot, &acts->act[i]);
	acts->count = 0;
	ntm_carry_still(node, slot);
}

static bool are_same(const union ntm_addr a[NTM_DP_RELAYS], const union ntm_addr b[NTM_DP_RELAYS])
{
	unsigned int i = 0;

	while (i < NTM_DP_RELAYS && ntm_addr_equal(&a[i], &b[i]))
		i++;
	return i == NTM_DP_RELAYS;
}

void ntm_carry_still(struct ntm_node *node, struct ntm_slot *slot)
{
	union ntm_addr still[NTM_DP_RELAYS];

	ntm_ways_still(&slot->ways, ntm_node_now_us(), still);
	if (!node->dp || !slot->in_datapath || are_same(still, slot->still))
		return;
	memcpy(slot->still, still, sizeof(still));
	(void)ntm_reach_path_set(node, &(struct ntm_dp_path){ .path_id = slot->tunnel.path_id,
							      .relays = still });
}

/* Receiving */

const uint8_t *ntm_carry_unwrap(struct ntm_node *node, const uint8_t *packet, size_t *len,
				const union ntm_addr *from, struct ntm_slot **slot)
{
	uint32_t path_id;
	const uint8_t *inner = ntm_relay_unwrap(packet, len, &path_id);

	if (!inner) {
		ntm_node_drop(node, NTM_NODE_DROP_MALFORMED);
		return NULL;
	}
	*slot = ntm_peers_by_path(&node->peers, path_id);
	/* Only from an RS that a DC named for this path */
	if (!*slot || !ntm_ways_relay(&(*slot)->ways, from)) {
		ntm_node_drop(node, NTM_NODE_DROP_PATH);
		return NULL;
	}
	return inner;
}

const char *ntm_carry_text(const struct ntm_ways *ways, char buf[NTM_CARRY_TEXT])
{
	const struct ntm_way *way = ntm_ways_current(ways);
	char addr[NTM_ADDR_STR];

	if (!way)
		snprintf(buf, NTM_CARRY_TEXT, "nowhere");
	else if (way->kind == NTM_WAY_RELAY)
		snprintf(buf, NTM_CARRY_TEXT, "relay %s", ntm_ways_relay(ways, &way->addr));
	else
		snprintf(buf, NTM_CARRY_TEXT, "direct %s", ntm_addr_str(&way->addr, addr));
	return buf;
}
