// SPDX-License-Identifier: GPL-2.0
/* What both data paths need. */
#include "datapath.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/netif.h"

#define PREFIX_MIN 8u

const char *const ntm_dp_drop_names[NTM_DP_DROPS] = {
	"short",   "path",   "key",	"auth", "replay",    "source",	 "inner",
	"no-path", "no-key", "too-big", "loop", "no-memory", "no-route",
};

/* Take away what the old lease had and the new one has not, add what is new */
static int change_addr(unsigned int ifindex, int family, bool had, const void *old,
		       uint8_t old_prefix, bool has, const void *new, uint8_t new_prefix)
{
	size_t len = family == AF_INET ? 4 : 16;
	int err;

	if (had && has && old_prefix == new_prefix && !memcmp(old, new, len))
		return 0;
	if (had) {
		err = ntm_netif_addr(ifindex, family, old, old_prefix, false);
		if (err && err != -EADDRNOTAVAIL)
			return err;
	}
	return has ? ntm_netif_addr(ifindex, family, new, new_prefix, true) : 0;
}

/* Networks of other zones */

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	const uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return !memcmp(a, b, bits / 8) && (bits % 8 == 0 || !((a[bits / 8] ^ b[bits / 8]) & mask));
}

static bool overlap(const struct ntm_dp_net *a, const struct ntm_dp_net *b)
{
	return a->family == b->family &&
	       same_bits(a->addr, b->addr, a->prefix < b->prefix ? a->prefix : b->prefix);
}

static struct ntm_dp_net net_of(int family, const void *addr, uint8_t prefix)
{
	const unsigned int len = family == AF_INET ? 4 : 16;
	struct ntm_dp_net net = { .family = family, .prefix = prefix };

	memcpy(net.addr, addr, len);
	for (unsigned int bit = prefix; bit < len * 8; bit++)
		net.addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return net;
}

static void add_net(struct ntm_dp_nets *nets, const struct ntm_dp_net *own, int family,
		    const void *addr, uint8_t prefix)
{
	struct ntm_dp_net net;

	if (prefix < PREFIX_MIN || prefix > (family == AF_INET ? 32 : 128))
		return;
	net = net_of(family, addr, prefix);
	if (overlap(&net, own))
		return;
	for (unsigned int i = 0; i < nets->count; i++)
		if (overlap(&net, &nets->net[i]))
			return;
	nets->net[nets->count++] = net;
}

void ntm_dp_networks(const struct ntm_dp_lease *lease, struct ntm_dp_nets *nets)
{
	const struct ntm_dp_net own4 = net_of(AF_INET, &lease->virtual4, lease->prefix4);
	const struct ntm_dp_net own6 = net_of(AF_INET6, &lease->virtual6, lease->prefix6);

	nets->count = 0;
	for (unsigned int i = 0; i < lease->zone_count; i++) {
		const struct ntm_zone_info *zone = &lease->zones[i];

		if (lease->has4)
			add_net(nets, &own4, AF_INET, &zone->virtual4, zone->prefix4);
		if (lease->has6)
			add_net(nets, &own6, AF_INET6, &zone->virtual6, zone->prefix6);
	}
}

static bool has_net(const struct ntm_dp_nets *nets, const struct ntm_dp_net *net)
{
	for (unsigned int i = 0; i < nets->count; i++)
		if (nets->net[i].family == net->family && nets->net[i].prefix == net->prefix &&
		    overlap(&nets->net[i], net))
			return true;
	return false;
}

/* A route goes with the address that it leaves by; what is left of it is taken away before that changes */
static bool stays(const struct ntm_dp_lease *old, const struct ntm_dp_lease *lease, int family)
{
	if (family == AF_INET)
		return old->has4 && lease->has4 && old->virtual4.s_addr == lease->virtual4.s_addr &&
		       old->prefix4 == lease->prefix4;
	return old->has6 && lease->has6 && old->prefix6 == lease->prefix6 &&
	       !memcmp(&old->virtual6, &lease->virtual6, sizeof(old->virtual6));
}

static void add_route(unsigned int ifindex, const struct ntm_dp_net *net, const struct in_addr *src)
{
	const int err = ntm_netif_route(ifindex, net->family, net->addr, net->prefix, src, true);
	char text[INET6_ADDRSTRLEN];

	if (err)
		ntm_warn("no route to %s/%u, another zone's network: %s",
			 inet_ntop(net->family, net->addr, text, sizeof(text)), net->prefix,
			 err == -EEXIST ? "this host has one elsewhere" : strerror(-err));
}

/* Those of @before that are no more, or whose address changes. One may have gone by itself, or was never there. */
static void del_routes(unsigned int ifindex, const struct ntm_dp_lease *old,
		       const struct ntm_dp_lease *lease, const struct ntm_dp_nets *before,
		       const struct ntm_dp_nets *after)
{
	for (unsigned int i = 0; i < before->count; i++) {
		const struct ntm_dp_net *net = &before->net[i];

		if (!has_net(after, net) || !stays(old, lease, net->family))
			(void)ntm_netif_route(ifindex, net->family, net->addr, net->prefix, NULL,
					      false);
	}
}

static void add_routes(unsigned int ifindex, const struct ntm_dp_lease *old,
		       const struct ntm_dp_lease *lease, const struct ntm_dp_nets *before,
		       const struct ntm_dp_nets *after)
{
	for (unsigned int i = 0; i < after->count; i++) {
		const struct ntm_dp_net *net = &after->net[i];

		if (!has_net(before, net) || !stays(old, lease, net->family))
			add_route(ifindex, net, &lease->virtual4);
	}
}

static int change_addrs(unsigned int ifindex, const struct ntm_dp_lease *old,
			const struct ntm_dp_lease *lease)
{
	int err = change_addr(ifindex, AF_INET, old->has4, &old->virtual4, old->prefix4,
			      lease->has4, &lease->virtual4, lease->prefix4);

	if (!err)
		err = change_addr(ifindex, AF_INET6, old->has6, &old->virtual6, old->prefix6,
				  lease->has6, &lease->virtual6, lease->prefix6);
	return err;
}

int ntm_dp_addresses(unsigned int ifindex, const struct ntm_dp_lease *old,
		     const struct ntm_dp_lease *lease)
{
	struct ntm_dp_nets before, after;
	int err;

	ntm_dp_networks(old, &before);
	ntm_dp_networks(lease, &after);
	del_routes(ifindex, old, lease, &before, &after);
	err = change_addrs(ifindex, old, lease);
	if (!err)
		add_routes(ifindex, old, lease, &before, &after);
	return err;
}

/* Those that are there, of ours or of others, stay; while the interface is down none can be */
static void add_routes_again(unsigned int ifindex, const struct ntm_dp_lease *lease)
{
	struct ntm_dp_nets nets;

	ntm_dp_networks(lease, &nets);
	for (unsigned int i = 0; i < nets.count; i++)
		(void)ntm_netif_route(ifindex, nets.net[i].family, nets.net[i].addr,
				      nets.net[i].prefix, &lease->virtual4, true);
}

void ntm_dp_addresses_again(unsigned int ifindex, const struct ntm_dp_lease *lease)
{
	if (lease->has4 && ntm_netif_lacks(ifindex, AF_INET, &lease->virtual4))
		(void)ntm_netif_addr(ifindex, AF_INET, &lease->virtual4, lease->prefix4, true);
	if (lease->has6 && ntm_netif_lacks(ifindex, AF_INET6, &lease->virtual6))
		(void)ntm_netif_addr(ifindex, AF_INET6, &lease->virtual6, lease->prefix6, true);
	add_routes_again(ifindex, lease);
}

static void first_of(uint8_t *addr, size_t len, unsigned int prefix)
{
	for (unsigned int bit = prefix; bit < len * 8; bit++)
		addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	addr[len - 1] |= 1;
}

struct in_addr ntm_dp_stub4(const struct ntm_dp_lease *lease)
{
	struct in_addr stub = lease->virtual4;

	first_of((uint8_t *)&stub, sizeof(stub), lease->prefix4);
	return stub;
}

struct in6_addr ntm_dp_stub6(const struct ntm_dp_lease *lease)
{
	struct in6_addr stub = lease->virtual6;

	first_of(stub.s6_addr, sizeof(stub), lease->prefix6);
	return stub;
}
