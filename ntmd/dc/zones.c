// SPDX-License-Identifier: GPL-2.0
#include "dc/zones.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was found is looked up again when it is that old and there is no session. */
#define STALE_MIN_S 30u
#define STALE_MAX_S 300u
/* After failures: doubled from the first to the last; whoever waits for an answer shortens it to the first. */
#define AGAIN_FIRST_MS 5000u
#define AGAIN_MAX_MS 300000u

/* Information Requests of one zone: a bucket of 400, refilled with 200 a second. */
#define ASK_COST 1000u
#define ASK_BURST (400 * ASK_COST)
#define ASK_PER_MS 200u

/* As for our own pools (dc/pool.h): no network is larger */
#define NETWORK_MIN_PREFIX 8u

/* The table */

struct ntm_zone *ntm_zones_add(struct ntm_zones *zones, const char *name)
{
	struct ntm_zone *zone;

	if (zones->count == NTM_PEER_ZONES_MAX || ntm_zones_get(zones, name))
		return NULL;
	zone = calloc(1, sizeof(*zone));
	if (!zone)
		return NULL;
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	zone->networks.prefix4 = NTM_NO_PREFIX;
	zone->networks.prefix6 = NTM_NO_PREFIX;
	zones->all[zones->count++] = zone;
	return zone;
}

void ntm_zones_remove(struct ntm_zones *zones, struct ntm_zone *zone)
{
	unsigned int i = 0;

	while (zones->all[i] != zone)
		i++;
	memmove(&zones->all[i], &zones->all[i + 1], (zones->count - i - 1) * sizeof(zones->all[0]));
	zones->count--;
	sodium_memzero(zone, sizeof(*zone));
	free(zone);
}

struct ntm_zone *ntm_zones_get(const struct ntm_zones *zones, const char *name)
{
	for (unsigned int i = 0; i < zones->count; i++) {
		if (!strcmp(zones->all[i]->name, name))
			return zones->all[i];
	}
	return NULL;
}

struct ntm_zone *ntm_zones_of_name(const struct ntm_zones *zones, const char *name)
{
	for (unsigned int i = 0; i < zones->count; i++) {
		if (ntm_name_below(name, zones->all[i]->name))
			return zones->all[i];
	}
	return NULL;
}

struct ntm_zone *ntm_zones_of_address(const struct ntm_zones *zones, int family, const void *addr)
{
	for (unsigned int i = 0; i < zones->count; i++) {
		if (ntm_zone_contains(zones->all[i], family, addr))
			return zones->all[i];
	}
	return NULL;
}

struct ntm_zone *ntm_zones_by_id(const struct ntm_zones *zones, uint32_t id, bool *in)
{
	for (unsigned int i = 0; i < zones->count; i++) {
		struct ntm_zone *zone = zones->all[i];

		*in = zone->has_in && id && zone->in.local_id == id;
		if (*in || ntm_dc_owns_id(&zone->link, id))
			return zone;
	}
	return NULL;
}

/* Look-ups */

static bool connected(const struct ntm_zone *zone)
{
	return zone->link.state == NTM_DC_REGISTERED && !zone->link.hs.active;
}

uint64_t ntm_zone_look_ms(const struct ntm_zone *zone)
{
	if (zone->look == NTM_LOOK_ASKED || connected(zone))
		return UINT64_MAX;
	return zone->look == NTM_LOOK_FAILED ? zone->again_ms : zone->stale_ms;
}

bool ntm_zone_wants_look(const struct ntm_zone *zone, bool hurry, uint64_t now_ms)
{
	uint64_t at = ntm_zone_look_ms(zone);

	if (hurry && zone->look == NTM_LOOK_FAILED && at > zone->asked_ms + AGAIN_FIRST_MS)
		at = zone->asked_ms + AGAIN_FIRST_MS;
	return now_ms >= at;
}

bool ntm_zone_may_check(const struct ntm_zone *zone, uint64_t now_ms)
{
	return zone->look != NTM_LOOK_ASKED && now_ms >= zone->asked_ms + AGAIN_FIRST_MS;
}

void ntm_zone_asked(struct ntm_zone *zone, uint64_t now_ms)
{
	zone->look = NTM_LOOK_ASKED;
	zone->asked_ms = now_ms;
}

void ntm_zone_looked(struct ntm_zone *zone, const struct ntm_found *found, const char *why,
		     uint64_t now_ms)
{
	uint32_t ttl;
	uint64_t wait;

	if (found) {
		ttl = found->ttl < STALE_MIN_S ? STALE_MIN_S : found->ttl;
		zone->stale_ms = now_ms + 1000 * (ttl < STALE_MAX_S ? ttl : STALE_MAX_S);
		zone->found = *found;
		zone->has_found = true;
		zone->look = NTM_LOOK_FOUND;
		zone->failures = 0;
		zone->why[0] = '\0';
		return;
	}
	wait = zone->failures < 6 ? (uint64_t)AGAIN_FIRST_MS << zone->failures : AGAIN_MAX_MS;
	zone->again_ms = now_ms + wait;
	zone->look = NTM_LOOK_FAILED;
	zone->failures++;
	snprintf(zone->why, sizeof(zone->why), "%s", why);
}

const char *ntm_zone_distrust(const struct ntm_zone *zone, const uint8_t self[32])
{
	const uint8_t *key = zone->found.key;

	if (!zone->has_found)
		return "not found";
	if (!sodium_memcmp(key, self, 32))
		return "its TXT record has our own key";
	if (zone->has_pin && sodium_memcmp(key, zone->pin, 32) != 0)
		return "its TXT record has another key than the one known; refused until `ntm-dc forget`";
	return NULL;
}

bool ntm_zone_other_key(const struct ntm_zone *zone)
{
	return zone->has_found && zone->has_pin && !connected(zone) &&
	       sodium_memcmp(zone->found.key, zone->pin, 32) != 0;
}

enum ntm_judgement ntm_zone_judge(const struct ntm_zone *zone, const uint8_t key[32],
				  uint64_t now_ms, const char **why)
{
	const bool pinned = zone->has_pin && !sodium_memcmp(key, zone->pin, 32);

	*why = "another key than the one known";
	if (zone->has_pin && !pinned)
		return NTM_JUDGE_NO;
	if (zone->look == NTM_LOOK_FAILED && now_ms < zone->asked_ms + AGAIN_FIRST_MS) {
		*why = "your zone cannot be looked up";
		/* The DNS may be down when it is needed least: who was met before is known. */
		return pinned ? NTM_JUDGE_YES : NTM_JUDGE_LATER;
	}
	if (zone->look == NTM_LOOK_FOUND && now_ms < zone->stale_ms &&
	    !sodium_memcmp(key, zone->found.key, 32))
		return NTM_JUDGE_YES;
	/* Not looked up yet, too long ago, or perhaps before the record was changed */
	if (zone->look != NTM_LOOK_FOUND || now_ms >= zone->asked_ms + AGAIN_FIRST_MS)
		return NTM_JUDGE_LOOK;
	*why = "not the key in your zone's TXT record";
	return NTM_JUDGE_NO;
}

/* Networks */

void ntm_zone_set_networks(struct ntm_zone *zone, const struct ntm_msg *msg)
{
	struct ntm_zone_info *n = &zone->networks;

	memset(n, 0, sizeof(*n));
	n->prefix4 = NTM_NO_PREFIX;
	n->prefix6 = NTM_NO_PREFIX;
	snprintf(n->name, sizeof(n->name), "%s", zone->name);
	if (NTM_HAS(msg, VIRTUAL4)) {
		n->virtual4 = msg->virtual4;
		n->prefix4 = msg->prefix4;
	}
	if (NTM_HAS(msg, VIRTUAL6)) {
		n->virtual6 = msg->virtual6;
		n->prefix6 = msg->prefix6;
	}
	zone->introduced = true;
}

static bool same_bits(const void *a, const void *b, unsigned int bits)
{
	const uint8_t *x = a, *y = b;
	const uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return !memcmp(x, y, bits / 8) &&
	       (bits % 8 == 0 || ((x[bits / 8] ^ y[bits / 8]) & mask) == 0);
}

static bool overlap(const void *a, unsigned int a_bits, const void *b, unsigned int b_bits)
{
	return same_bits(a, b, a_bits < b_bits ? a_bits : b_bits);
}

/* struct range - addresses that are nobody's in the internet */
struct range {
	uint8_t base[4];
	uint8_t bits;
};

static bool private4(const struct in_addr *net, unsigned int bits)
{
	static const struct range ranges[] = {
		{ { 10, 0, 0, 0 }, 8 },	   { { 172, 16, 0, 0 }, 12 }, { { 192, 168, 0, 0 }, 16 },
		{ { 100, 64, 0, 0 }, 10 }, { { 198, 18, 0, 0 }, 15 },
	};

	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (bits >= ranges[i].bits && same_bits(net, ranges[i].base, ranges[i].bits))
			return true;
	}
	return false;
}

static bool private6(const struct in6_addr *net, unsigned int bits)
{
	static const uint8_t ula[1] = { 0xfc };

	return bits >= NETWORK_MIN_PREFIX && same_bits(net, ula, 7);
}

static bool usable4(const struct ntm_zones *zones, unsigned int i, const struct ntm_pool_spec *own)
{
	const struct ntm_zone_info *n = &zones->all[i]->networks;

	if (n->prefix4 > 30 || !own->family || !private4(&n->virtual4, n->prefix4) ||
	    overlap(&n->virtual4, n->prefix4, own->base, own->prefix))
		return false;
	while (i-- > 0) {
		const struct ntm_zone *other = zones->all[i];

		if (other->use4 && overlap(&n->virtual4, n->prefix4, &other->networks.virtual4,
					   other->networks.prefix4))
			return false;
	}
	return true;
}

static bool usable6(const struct ntm_zones *zones, unsigned int i, const struct ntm_pool_spec *own)
{
	const struct ntm_zone_info *n = &zones->all[i]->networks;

	if (n->prefix6 > 126 || !own->family || !private6(&n->virtual6, n->prefix6) ||
	    overlap(&n->virtual6, n->prefix6, own->base, own->prefix))
		return false;
	while (i-- > 0) {
		const struct ntm_zone *other = zones->all[i];

		if (other->use6 && overlap(&n->virtual6, n->prefix6, &other->networks.virtual6,
					   other->networks.prefix6))
			return false;
	}
	return true;
}

void ntm_zones_settle(struct ntm_zones *zones, const struct ntm_pool_spec *own4,
		      const struct ntm_pool_spec *own6)
{
	for (unsigned int i = 0; i < zones->count; i++) {
		struct ntm_zone *zone = zones->all[i];

		zone->use4 = zone->introduced && usable4(zones, i, own4);
		zone->use6 = zone->introduced && usable6(zones, i, own6);
	}
}

bool ntm_zone_contains(const struct ntm_zone *zone, int family, const void *addr)
{
	const struct ntm_zone_info *n = &zone->networks;

	if (family == AF_INET)
		return zone->use4 && same_bits(addr, &n->virtual4, n->prefix4);
	return zone->use6 && same_bits(addr, &n->virtual6, n->prefix6);
}

bool ntm_zone_may_ask(struct ntm_zone *zone, uint64_t now_ms)
{
	uint64_t tokens = zone->tokens_ms ? zone->tokens + (now_ms - zone->tokens_ms) * ASK_PER_MS :
					    ASK_BURST;

	zone->tokens = tokens < ASK_BURST ? (uint32_t)tokens : ASK_BURST;
	zone->tokens_ms = now_ms;
	if (zone->tokens < ASK_COST)
		return false;
	zone->tokens -= ASK_COST;
	return true;
}

const char *ntm_zone_state(const struct ntm_zone *zone, uint64_t now_ms)
{
	if (ntm_zone_other_key(zone))
		return "other key";
	switch (zone->link.state) {
	case NTM_DC_REGISTERED:
		return ntm_dc_down(&zone->link, now_ms) ? "unreachable" : "ready";
	case NTM_DC_REFUSED:
		return "refused";
	case NTM_DC_CONNECTING:
		return ntm_dc_down(&zone->link, now_ms) ? "unreachable" : "connecting";
	case NTM_DC_REGISTERING:
		return ntm_dc_down(&zone->link, now_ms) ? "unreachable" : "introducing";
	case NTM_DC_OFF:
		break;
	}
	return zone->look == NTM_LOOK_ASKED  ? "looking up" :
	       zone->look == NTM_LOOK_FAILED ? "not found" :
					       "unknown";
}
