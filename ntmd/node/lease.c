// SPDX-License-Identifier: GPL-2.0
#include "lease.h"

#include <string.h>

/* As coordinators have it: no virtual network is larger, and none has less than two nodes in it */
#define MIN_PREFIX 8u
#define MAX_PREFIX4 30u
#define MAX_PREFIX6 126u

static bool in_prefix(const void *addr, const void *net, unsigned int prefix)
{
	const uint8_t *a = addr, *b = net;
	const uint8_t mask = (uint8_t)(0xff00 >> prefix % 8);

	if (memcmp(a, b, prefix / 8) != 0)
		return false;
	return prefix % 8 == 0 || (a[prefix / 8] & mask) == (b[prefix / 8] & mask);
}

static bool named(const char *zone, const char *name)
{
	return !strcmp(name, zone) || ntm_name_below(name, zone);
}

int ntm_lease_other(const struct ntm_msg *lease, const char *name)
{
	if (named(lease->zone, name))
		return -1;
	for (unsigned int i = 0; i < lease->peer_zone_count; i++) {
		if (named(lease->peer_zones[i].name, name))
			return (int)i;
	}
	return -1;
}

const char *ntm_lease_zone(const struct ntm_msg *lease, const char *name)
{
	const int other = ntm_lease_other(lease, name);

	if (other >= 0)
		return lease->peer_zones[other].name;
	return named(lease->zone, name) ? lease->zone : NULL;
}

static bool has4(const struct ntm_zone_info *zone)
{
	return zone->prefix4 >= MIN_PREFIX && zone->prefix4 <= MAX_PREFIX4;
}

static bool has6(const struct ntm_zone_info *zone)
{
	return zone->prefix6 >= MIN_PREFIX && zone->prefix6 <= MAX_PREFIX6;
}

static bool virtual4(const struct ntm_msg *lease, const struct in_addr *addr)
{
	if (NTM_HAS(lease, VIRTUAL4) && in_prefix(addr, &lease->virtual4, lease->prefix4))
		return true;
	for (unsigned int i = 0; i < lease->peer_zone_count; i++) {
		const struct ntm_zone_info *zone = &lease->peer_zones[i];

		if (has4(zone) && in_prefix(addr, &zone->virtual4, zone->prefix4))
			return true;
	}
	return false;
}

static bool virtual6(const struct ntm_msg *lease, const struct in6_addr *addr)
{
	if (NTM_HAS(lease, VIRTUAL6) && in_prefix(addr, &lease->virtual6, lease->prefix6))
		return true;
	for (unsigned int i = 0; i < lease->peer_zone_count; i++) {
		const struct ntm_zone_info *zone = &lease->peer_zones[i];

		if (has6(zone) && in_prefix(addr, &zone->virtual6, zone->prefix6))
			return true;
	}
	return false;
}

bool ntm_lease_virtual(const struct ntm_msg *lease, const union ntm_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? virtual4(lease, &addr->v4.sin_addr) :
					       virtual6(lease, &addr->v6.sin6_addr);
}

/* The address of the network, whatever address in it was named */
static void mask(void *addr, size_t len, unsigned int prefix)
{
	uint8_t *bytes = addr;

	for (size_t i = 0; i<len; i++, prefix = prefix> 8 ? prefix - 8 : 0)
		bytes[i] &= prefix >= 8 ? 0xff : (uint8_t)(0xff00 >> prefix);
}

/* Only what is a network: a zone whose networks are not known is only a name */
static void put_zone(struct ntm_dp_lease *out, const struct ntm_zone_info *zone)
{
	struct ntm_zone_info *z = &out->zones[out->zone_count++];

	memset(z, 0, sizeof(*z));
	memcpy(z->name, zone->name, sizeof(z->name));
	z->prefix4 = z->prefix6 = NTM_NO_PREFIX;
	if (has4(zone)) {
		z->virtual4 = zone->virtual4;
		z->prefix4 = zone->prefix4;
		mask(&z->virtual4, sizeof(z->virtual4), z->prefix4);
	}
	if (has6(zone)) {
		z->virtual6 = zone->virtual6;
		z->prefix6 = zone->prefix6;
		mask(&z->virtual6, sizeof(z->virtual6), z->prefix6);
	}
}

struct ntm_dp_lease ntm_lease_datapath(const struct ntm_msg *lease)
{
	struct ntm_dp_lease out;

	memset(&out, 0, sizeof(out));
	out.has4 = NTM_HAS(lease, VIRTUAL4);
	out.has6 = NTM_HAS(lease, VIRTUAL6);
	if (out.has4) {
		out.virtual4 = lease->virtual4;
		out.prefix4 = lease->prefix4;
	}
	if (out.has6) {
		out.virtual6 = lease->virtual6;
		out.prefix6 = lease->prefix6;
	}
	memcpy(out.zone, lease->zone, sizeof(out.zone));
	for (unsigned int i = 0; i < lease->peer_zone_count; i++)
		put_zone(&out, &lease->peer_zones[i]);
	return out;
}

static bool same_zone(const struct ntm_zone_info *a, const struct ntm_zone_info *b)
{
	return !strcmp(a->name, b->name) && a->prefix4 == b->prefix4 && a->prefix6 == b->prefix6 &&
	       !memcmp(&a->virtual4, &b->virtual4, sizeof(a->virtual4)) &&
	       !memcmp(&a->virtual6, &b->virtual6, sizeof(a->virtual6));
}

static bool same_own(const struct ntm_dp_lease *x, const struct ntm_dp_lease *y)
{
	return !strcmp(x->zone, y->zone) && x->has4 == y->has4 && x->has6 == y->has6 &&
	       x->prefix4 == y->prefix4 && x->prefix6 == y->prefix6 &&
	       !memcmp(&x->virtual4, &y->virtual4, sizeof(x->virtual4)) &&
	       !memcmp(&x->virtual6, &y->virtual6, sizeof(x->virtual6));
}

bool ntm_lease_same(const struct ntm_msg *a, const struct ntm_msg *b)
{
	const struct ntm_dp_lease x = ntm_lease_datapath(a), y = ntm_lease_datapath(b);

	if (strcmp(a->name, b->name) != 0 || !same_own(&x, &y) || x.zone_count != y.zone_count)
		return false;
	for (unsigned int i = 0; i < x.zone_count; i++) {
		if (!same_zone(&x.zones[i], &y.zones[i]))
			return false;
	}
	return true;
}

static struct ntm_zone_info *peer_zone(struct ntm_msg *lease, const char *name)
{
	for (unsigned int i = 0; i < lease->peer_zone_count; i++) {
		if (named(lease->peer_zones[i].name, name))
			return &lease->peer_zones[i];
	}
	return NULL;
}

void ntm_lease_keep(struct ntm_msg *lease, const struct ntm_msg *old)
{
	for (unsigned int i = 0; i < old->peer_zone_count; i++) {
		const struct ntm_zone_info *had = &old->peer_zones[i];
		struct ntm_zone_info *zone = peer_zone(lease, had->name);

		/* Known in one family, it is known: the other one is not used, then */
		if (!zone || has4(zone) || has6(zone))
			continue;
		zone->virtual4 = had->virtual4;
		zone->prefix4 = had->prefix4;
		zone->virtual6 = had->virtual6;
		zone->prefix6 = had->prefix6;
	}
}

/* The length that a network had to get so that both addresses are in it, as the DC says; 0: they are not */
static uint8_t enlarged(const void *own, uint8_t prefix, const void *addr, uint8_t said)
{
	return said >= MIN_PREFIX && said < prefix && in_prefix(addr, own, said) ? said : 0;
}

/* A node of our own zone: its network is ours, and can have been enlarged since we got our lease */
static enum ntm_lease_news learn_own(struct ntm_msg *lease, const struct ntm_msg *direction,
				     bool want4, bool want6)
{
	uint8_t prefix4 = lease->prefix4, prefix6 = lease->prefix6;

	if (!want4 && !want6)
		return NTM_LEASE_KNOWN;
	if (want4)
		prefix4 = enlarged(&lease->virtual4, prefix4, &direction->virtual4,
				   direction->prefix4);
	if (want6)
		prefix6 = enlarged(&lease->virtual6, prefix6, &direction->virtual6,
				   direction->prefix6);
	if ((want4 && !prefix4) || (want6 && !prefix6))
		return NTM_LEASE_STALE;
	lease->prefix4 = prefix4;
	lease->prefix6 = prefix6;
	return NTM_LEASE_LEARNT;
}

enum ntm_lease_news ntm_lease_learn(struct ntm_msg *lease, const struct ntm_msg *direction)
{
	const bool want4 = NTM_HAS(direction, VIRTUAL4) && !virtual4(lease, &direction->virtual4);
	const bool want6 = NTM_HAS(direction, VIRTUAL6) && !virtual6(lease, &direction->virtual6);
	struct ntm_zone_info *zone, next;

	if (ntm_name_below(direction->name, lease->zone))
		return learn_own(lease, direction, want4 && NTM_HAS(lease, VIRTUAL4),
				 want6 && NTM_HAS(lease, VIRTUAL6));
	zone = peer_zone(lease, direction->name);
	if (!zone)
		return NTM_LEASE_STALE;
	if (!want4 && !want6)
		return NTM_LEASE_KNOWN;
	/* Another network than the one that is known is not for a direction to say */
	if ((want4 && has4(zone)) || (want6 && has6(zone)))
		return NTM_LEASE_STALE;
	next = *zone;
	if (want4) {
		next.virtual4 = direction->virtual4;
		next.prefix4 = direction->prefix4;
	}
	if (want6) {
		next.virtual6 = direction->virtual6;
		next.prefix6 = direction->prefix6;
	}
	if ((want4 && !has4(&next)) || (want6 && !has6(&next)))
		return NTM_LEASE_STALE;
	*zone = next;
	return NTM_LEASE_LEARNT;
}
