// SPDX-License-Identifier: GPL-2.0
#include "reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "carry.h"
#include "common/log.h"
#include "dns.h"
#include "nat64_find.h"
#include "node.h"

static unsigned int servers(void *ctx, union ntm_addr *out, unsigned int max)
{
	return ntm_dns_servers(ctx, out, max);
}

void ntm_reach_again(struct ntm_node *node, const struct ntm_slot *slot)
{
	const struct ntm_way *way = ntm_ways_current(&slot->ways);

	if (node->dp && slot->in_datapath && way && ntm_ways_open(way))
		(void)ntm_reach_path_set(
			node, &(struct ntm_dp_path){ .path_id = slot->tunnel.path_id,
						     .peer = &way->addr,
						     .by_socket = ntm_ports_by(slot, &way->addr),
						     .relays = slot->still });
}

/* The data path has endpoints as they are sent to, so these change with the way that IPv4 takes */
static void set_endpoints(struct ntm_node *node)
{
	for (struct ntm_peer *peer = node->peers.newest; peer; peer = peer->older)
		if (peer->cur)
			ntm_reach_again(node, peer->cur);
}

static void found(void *ctx, const struct ntm_nat64 *nat64)
{
	struct ntm_node *node = ctx;
	char text[INET6_ADDRSTRLEN];

	node->nat64 = *nat64;
	node->tried_dc_ipv4 = false;
	if (nat64->len)
		ntm_info("IPv4 by NAT64, prefix %s/%u",
			 inet_ntop(AF_INET6, &nat64->addr, text, sizeof(text)), nat64->len);
	else
		ntm_info("no NAT64 any more");
	set_endpoints(node);
	ntm_node_reachable(node);
}

int ntm_reach_open(struct ntm_node *node)
{
	return ntm_nat64_find_open(&node->nat64_find, &node->loop, servers, found, node);
}

void ntm_reach_close(struct ntm_node *node)
{
	ntm_nat64_find_close(node->nat64_find);
	node->nat64_find = NULL;
	node->nat64.len = 0;
}

static bool has_family(const struct ntm_candidate *own, unsigned int count, int family)
{
	for (unsigned int i = 0; i < count; i++)
		if (own[i].addr.sa.sa_family == family)
			return true;
	return false;
}

void ntm_reach_addresses(struct ntm_node *node, const struct ntm_candidate *own, unsigned int count)
{
	const bool had = node->nat64.len;

	node->has_ipv4 = has_family(own, count, AF_INET);
	node->tried_dc_ipv4 = false;
	if (!node->has_ipv4 && has_family(own, count, AF_INET6)) {
		ntm_nat64_find_ask(node->nat64_find);
		return;
	}
	ntm_nat64_find_stop(node->nat64_find);
	node->nat64.len = 0;
	if (had)
		set_endpoints(node);
}

void ntm_reach_dc(struct ntm_node *node)
{
	if (node->tried_dc_ipv4 || !(node->has_ipv4 || node->nat64.len))
		return;
	node->tried_dc_ipv4 = ntm_dc_by_ipv4(&node->dc, ntm_node_now_ms());
}

int ntm_reach_out(const struct ntm_node *node, const union ntm_addr *to, union ntm_addr *out)
{
	int err;

	*out = *to;
	if (to->sa.sa_family != AF_INET || !node->nat64.len)
		return 0;
	err = ntm_nat64_out(&node->nat64, to, out);
	if (err)
		return err;
	/* The prefix is what an answer of the DNS said: it names no address that others may not name */
	return ntm_carry_allowed(node, out) ? 0 : -ENETUNREACH;
}

void ntm_reach_in(const struct ntm_node *node, const union ntm_addr *from, union ntm_addr *out)
{
	ntm_nat64_in(&node->nat64, from, out);
}

int ntm_reach_path_set(struct ntm_node *node, const struct ntm_dp_path *path)
{
	union ntm_addr peer, relays[NTM_DP_RELAYS];
	struct ntm_dp_path out = *path;

	if (path->peer) {
		if (ntm_reach_out(node, path->peer, &peer))
			return -ENETUNREACH;
		out.peer = &peer;
	}
	for (unsigned int i = 0; path->relays && i < NTM_DP_RELAYS; i++)
		if (ntm_reach_out(node, &path->relays[i], &relays[i]))
			memset(&relays[i], 0, sizeof(relays[i]));
	if (path->relays)
		out.relays = relays;
	return node->dp_ops->path_set(node->dp, &out);
}
