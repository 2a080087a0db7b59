/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The DNS zones whose queries a device catches: a set that never changes once it
 * is published (RCU); NULL is the empty one.
 */
#ifndef NTM_ZONE_H
#define NTM_ZONE_H

#include <linux/types.h>

struct netlink_ext_ack;
struct ntm_zones;

#define NTM_DNS_NAME_MAX	255	/* on the wire, RFC 1035 2.3.4 */
#define NTM_DNS_LABEL_MAX	63

/*
 * An empty set with room for @max zones, or NULL for want of memory. add: a name
 * in lower case, without final dot; 0, or -EINVAL with extack. The empty name
 * adds nothing. Process context.
 */
struct ntm_zones *ntm_zones_new(unsigned int max);
int ntm_zones_add(struct ntm_zones *zones, const char *name, struct netlink_ext_ack *extack);
/* One that was never published; NULL does nothing. */
void ntm_zones_free(struct ntm_zones *zones);
void ntm_zones_free_rcu(struct ntm_zones *zones);

/*
 * Is the name one of the zones, or does it lie under one? @name: @len bytes of
 * labels in any case, with the final empty one, already checked. Costs a look at
 * each label, and more only where a zone is as long as the rest of the name.
 */
bool ntm_zones_match(const struct ntm_zones *zones, const u8 *name, size_t len);

/* The name of zone @i as text (NTM_ZONE_MAX + 1 bytes). False: there are no more. */
bool ntm_zones_name(const struct ntm_zones *zones, unsigned int i, char *text);

#endif
