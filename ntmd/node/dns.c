// SPDX-License-Identifier: GPL-2.0
#include "dns.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "dnsconf.h"
#include "lookup.h"
#include "common/netif.h"
#include "node.h"
#include "stub.h"
#include "upstream.h"

#define SERVERS 4
#define RETRY ((struct ntm_backoff){ 5000, 600000 })
#define STAYS_MS 60000 /* what was told for so long is not undone by what undid it before */

static bool is(const struct ntm_node *node, const char *how)
{
	return !strcmp(node->config.dns, how);
}

bool ntm_dns_hooked(const struct ntm_node *node)
{
	return node->dp_ops == &ntm_datapath_kernel && (is(node, "auto") || is(node, "hook"));
}

/* Answers */

static void send_reply(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len)
{
	if (node->stub)
		(void)ntm_stub_reply(node->stub, tag, msg, len);
	else if (node->dp && len)
		(void)node->dp_ops->dns_reply(node->dp, tag, msg, len);
}

void ntm_dns_reply(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len)
{
	send_reply(node, tag, msg, len);
}

static void answered(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	send_reply(ctx, tag, msg, len);
}

static void fail(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len)
{
	uint8_t answer[NTM_STUB_QUERY_MAX];

	send_reply(node, tag, answer, ntm_upstream_servfail(msg, len, answer, sizeof(answer)));
}

static unsigned int servers_besides_us(const struct ntm_node *node, union ntm_addr *out,
				       unsigned int max)
{
	const unsigned int count = node->config.upstream_count;

	if (!count)
		return ntm_dnsconf_upstream(node->dnsconf, out, max);
	memcpy(out, node->config.upstream, (count < max ? count : max) * sizeof(*out));
	return count < max ? count : max;
}

unsigned int ntm_dns_servers(struct ntm_node *node, union ntm_addr *out, unsigned int max)
{
	if (node->config.upstream_count || node->dnsconf)
		return servers_besides_us(node, out, max);
	return ntm_dnsconf_host_servers(out, max);
}

static void use_servers(struct ntm_node *node)
{
	union ntm_addr servers[SERVERS];

	ntm_upstream_servers(node->upstream, servers, servers_besides_us(node, servers, SERVERS));
}

void ntm_dns_pass(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len)
{
	if (!node->dp)
		return;
	if (!node->stub && node->dp_ops->dns_pass) {
		(void)node->dp_ops->dns_pass(node->dp, tag);
		return;
	}
	use_servers(node);
	if (ntm_upstream_ask(node->upstream, tag, node->stub && ntm_stub_is_stream(tag), msg, len,
			     answered, node))
		fail(node, tag, msg, len);
}

/* The stub on the interface */

static void stub_query(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	ntm_lookup_dns(ctx, tag, msg, len);
}

static int stub_addresses(const struct ntm_dp_lease *lease, union ntm_addr addrs[2])
{
	int count = 0;

	memset(addrs, 0, 2 * sizeof(addrs[0]));
	if (lease->has4) {
		addrs[count].v4 = (struct sockaddr_in){ .sin_family = AF_INET,
							.sin_port = htons(NTM_DNS_PORT) };
		addrs[count++].v4.sin_addr = ntm_dp_stub4(lease);
	}
	if (lease->has6) {
		addrs[count].v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
							 .sin6_port = htons(NTM_DNS_PORT) };
		addrs[count++].v6.sin6_addr = ntm_dp_stub6(lease);
	}
	return count;
}

static const void *ip_of(const union ntm_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? (const void *)&addr->v4.sin_addr :
					       (const void *)&addr->v6.sin6_addr;
}

static int open_stub(struct ntm_node *node, const union ntm_addr *addrs, int count,
		     unsigned int ifindex, char *why, size_t size)
{
	int err = 0;

	for (int i = 0; !err && i < count; i++)
		err = ntm_netif_serve_addr(ifindex, addrs[i].sa.sa_family, ip_of(&addrs[i]));
	if (!err)
		err = ntm_stub_open(&node->stub, &node->loop, addrs, (unsigned int)count,
				    stub_query, node);
	if (err)
		snprintf(why, size, "no name server on %s: %s", node->config.interface,
			 strerror(-err));
	return err;
}

/* This host's resolver */

_Static_assert(1 + NTM_PEER_ZONES_MAX <= NTM_DNSCONF_ZONES, "room for all zones");

static const union ntm_addr *of_family(const union ntm_addr *addrs, int count, int family)
{
	for (int i = 0; i < count; i++)
		if (addrs[i].sa.sa_family == family)
			return &addrs[i];
	return NULL;
}

static void retry_tick(uv_timer_t *timer);

/* At boot its manager may not be there yet, and after a restart the guard of before may still be at work */
static void on_told(void *ctx, int err, const char *why)
{
	struct ntm_node *node = ctx;
	const uint64_t now = ntm_node_now_ms();
	bool first;

	if (!err) {
		node->dns_told_ms = now;
		ntm_info("names of %s are resolved by %s", node->dns_lease.zone, why);
		return;
	}
	if (node->dns_told_ms && now - node->dns_told_ms >= STAYS_MS)
		node->dns_backoff = RETRY;
	node->dns_told_ms = 0;
	first = node->dns_backoff.next_ms == RETRY.next_ms;
	ntm_log(first ? NTM_LOG_ERROR : NTM_LOG_DEBUG, "this host's resolver is not told of %s: %s",
		node->dns_lease.zone, why);
	ntm_node_arm(node, &node->dns_timer, retry_tick,
		     now + ntm_backoff_next(&node->dns_backoff));
}

static int tell_resolver(struct ntm_node *node, const struct ntm_dp_lease *lease,
			 unsigned int ifindex, bool wait, char *why, size_t size)
{
	const struct ntm_dnsconf_later later = { .wait = wait, .done = on_told, .ctx = node };
	const char *zones[1 + NTM_PEER_ZONES_MAX] = { lease->zone };
	union ntm_addr addrs[2];
	int count = stub_addresses(lease, addrs);

	if (node->dp_ops == &ntm_datapath_kernel) {
		int err = open_stub(node, addrs, count, ifindex, why, size);

		if (err)
			return err;
	}
	for (unsigned int i = 0; i < lease->zone_count; i++)
		zones[1 + i] = lease->zones[i].name;
	return ntm_dnsconf_set(&node->dnsconf, &node->loop, node->config.dns,
			       node->config.interface, ifindex, zones, 1 + lease->zone_count,
			       of_family(addrs, count, AF_INET), of_family(addrs, count, AF_INET6),
			       node->stub != NULL, &later, why, size);
}

/* Is all of this told, or tried again? A lease that only got to know another zone's network interrupts no query. */
static bool is_told(const struct ntm_node *node, const struct ntm_dp_lease *lease)
{
	const struct ntm_dp_lease *told = &node->dns_lease;
	union ntm_addr now[2], then[2];
	int count;

	if ((!node->dnsconf && !uv_is_active((const uv_handle_t *)&node->dns_timer)) ||
	    strcmp(told->zone, lease->zone) != 0 || told->zone_count != lease->zone_count)
		return false;
	for (unsigned int i = 0; i < lease->zone_count; i++)
		if (strcmp(told->zones[i].name, lease->zones[i].name) != 0)
			return false;
	count = stub_addresses(lease, now);
	if (stub_addresses(told, then) != count)
		return false;
	while (count && ntm_addr_equal(&now[count - 1], &then[count - 1]))
		count--;
	return count == 0;
}

static void tell(struct ntm_node *node, unsigned int ifindex, bool wait)
{
	char why[256] = "";
	int err = tell_resolver(node, &node->dns_lease, ifindex, wait, why, sizeof(why));

	if (err || wait)
		on_told(node, err, why[0] ? why : strerror(-err));
}

static void up(struct ntm_node *node, const struct ntm_dp_lease *lease, bool wait)
{
	const unsigned int ifindex = if_nametoindex(node->config.interface);

	ntm_dns_down(node);
	node->dns_lease = *lease;
	/* Whoever handed a TUN device in sees to this, too */
	if (ntm_dns_hooked(node) || is(node, "off") || is(node, "hook") || node->fds.tun >= 0)
		return;
	if (ifindex)
		tell(node, ifindex, wait);
	else
		on_told(node, -ENODEV, strerror(ENODEV));
}

static void retry_tick(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;
	const struct ntm_dp_lease lease = node->dns_lease;

	if (!node->leaving)
		up(node, &lease, false);
}

void ntm_dns_up(struct ntm_node *node, const struct ntm_dp_lease *lease)
{
	if (is_told(node, lease))
		return;
	node->dns_backoff = RETRY;
	up(node, lease, true);
}

void ntm_dns_down(struct ntm_node *node)
{
	uv_timer_stop(&node->dns_timer);
	ntm_dnsconf_undo(node->dnsconf);
	node->dnsconf = NULL;
	ntm_stub_close(node->stub);
	node->stub = NULL;
}

/* The kernel takes IPv6 addresses away with an interface that is set down; the socket stays */
void ntm_dns_again(struct ntm_node *node, const struct ntm_dp_lease *lease)
{
	const unsigned int ifindex = if_nametoindex(node->config.interface);
	union ntm_addr addrs[2];
	int count;

	if (!node->stub || !ifindex)
		return;
	count = stub_addresses(lease, addrs);
	for (int i = 0; i < count; i++)
		if (ntm_netif_lacks(ifindex, addrs[i].sa.sa_family, ip_of(&addrs[i])))
			(void)ntm_netif_serve_addr(ifindex, addrs[i].sa.sa_family,
						   ip_of(&addrs[i]));
}

int ntm_dns_open(struct ntm_node *node)
{
	ntm_dnsconf_undo_stale();
	return ntm_upstream_open(&node->upstream, &node->loop);
}

void ntm_dns_close(struct ntm_node *node)
{
	ntm_dns_down(node);
	ntm_upstream_close(node->upstream);
	node->upstream = NULL;
}
