// SPDX-License-Identifier: GPL-2.0
/*
 * A device's DNS zones.
 *
 * A name is compared from its first label on: what is left of it at each label is
 * looked for among the zones, first by its length, of which there is a bit map,
 * then by its hash. So a name that is none of ours costs one bit a label, however
 * many zones there are.
 */
#include <linux/bitmap.h>
#include <linux/ctype.h>
#include <linux/netlink.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <ntmobile/uapi.h>
#include "zone.h"

/**
 * struct ntm_zone - one of them
 * @hash:	of @wire
 * @len:	length of @wire
 * @wire:	the name as labels, lower case, with the final empty one
 */
struct ntm_zone {
	u32 hash;
	u8 len;
	u8 wire[NTM_DNS_NAME_MAX];
};

/**
 * struct ntm_zones - a set
 * @rcu:	for kfree_rcu()
 * @n:		their number
 * @max:	room for them
 * @lens:	a bit for the length of each
 * @zone:	the zones
 */
struct ntm_zones {
	struct rcu_head rcu;
	unsigned int n, max;
	DECLARE_BITMAP(lens, NTM_DNS_NAME_MAX + 1);
	struct ntm_zone zone[];
};

/* FNV-1a. Lengths of labels are below 'A', so tolower() leaves them alone. */
static u32 ntm_zone_hash(const u8 *name, size_t len)
{
	u32 hash = 2166136261u;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (u8)tolower(name[i])) * 16777619u;
	return hash;
}

static bool ntm_zone_char_ok(char c)
{
	return islower(c) || isdigit(c) || c == '-' || c == '_';
}

/* Writes @name as labels. Returns the length, or 0 if it is not a name. */
static size_t ntm_zone_to_wire(u8 *wire, const char *name)
{
	size_t len_at = 0, pos = 1, i;

	for (i = 0; name[i]; i++) {
		if (name[i] == '.') {
			if (pos - len_at - 1 == 0)
				return 0;
			wire[len_at] = pos - len_at - 1;
			len_at = pos++;
			continue;
		}
		if (!ntm_zone_char_ok(name[i]) || pos - len_at > NTM_DNS_LABEL_MAX)
			return 0;
		wire[pos++] = name[i];
	}
	if (pos - len_at - 1 == 0)
		return 0;
	wire[len_at] = pos - len_at - 1;
	wire[pos++] = 0;
	return pos;
}

struct ntm_zones *ntm_zones_new(unsigned int max)
{
	struct ntm_zones *zones;

	zones = kzalloc(struct_size(zones, zone, max), GFP_KERNEL);
	if (zones)
		zones->max = max;
	return zones;
}

int ntm_zones_add(struct ntm_zones *zones, const char *name, struct netlink_ext_ack *extack)
{
	struct ntm_zone *zone = &zones->zone[zones->n];

	if (!*name)
		return 0;
	if (zones->n == zones->max || strlen(name) > NTM_ZONE_MAX) {
		NL_SET_ERR_MSG(extack, "ZONE is too long, or one too many");
		return -EINVAL;
	}
	zone->len = ntm_zone_to_wire(zone->wire, name);
	if (!zone->len) {
		NL_SET_ERR_MSG(extack, "ZONE is not a lower-case DNS name without final dot");
		return -EINVAL;
	}
	zone->hash = ntm_zone_hash(zone->wire, zone->len);
	__set_bit(zone->len, zones->lens);
	zones->n++;
	return 0;
}

void ntm_zones_free(struct ntm_zones *zones)
{
	kfree(zones);
}

void ntm_zones_free_rcu(struct ntm_zones *zones)
{
	kfree_rcu(zones, rcu);
}

static bool ntm_zone_same(const struct ntm_zone *zone, const u8 *name)
{
	size_t i;

	for (i = 0; i < zone->len; i++)
		if (tolower(name[i]) != zone->wire[i])
			return false;
	return true;
}

/* Is what is left of a name one of the zones, of which some are as long? */
static bool ntm_zones_have(const struct ntm_zones *zones, const u8 *name, size_t len)
{
	u32 hash = ntm_zone_hash(name, len);
	unsigned int i;

	for (i = 0; i < zones->n; i++) {
		const struct ntm_zone *zone = &zones->zone[i];

		if (zone->hash == hash && zone->len == len && ntm_zone_same(zone, name))
			return true;
	}
	return false;
}

bool ntm_zones_match(const struct ntm_zones *zones, const u8 *name, size_t len)
{
	while (zones && len > 1) {
		if (test_bit(len, zones->lens) && ntm_zones_have(zones, name, len))
			return true;
		len -= 1 + *name;
		name += 1 + *name;
	}
	return false;
}

bool ntm_zones_name(const struct ntm_zones *zones, unsigned int i, char *text)
{
	const u8 *label;

	*text = 0;
	if (!zones || i >= zones->n)
		return false;
	for (label = zones->zone[i].wire; *label; label += 1 + *label) {
		memcpy(text, label + 1, *label);
		text += *label;
		*text++ = '.';
	}
	text[-1] = 0;
	return true;
}
