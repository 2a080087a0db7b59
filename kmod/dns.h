/* SPDX-License-Identifier: GPL-2.0 */
/* The DNS hook: queries of local applications under its zones go to ntmd. */
#ifndef NTM_DNS_H
#define NTM_DNS_H

struct ntm_dev;
struct net;

struct ntm_zones;

int ntm_dns_init(struct ntm_dev *ndev);
/* May sleep: held queries pass, none is caught any more. */
void ntm_dns_stop(struct ntm_dev *ndev);
/* After a grace period behind ntm_dns_stop(). */
void ntm_dns_free(struct ntm_dev *ndev);

/* The zones to catch queries for, which it owns from now on; NULL for none. ndev->lock held. */
void ntm_dns_set_zones(struct ntm_dev *ndev, struct ntm_zones *zones);
/* The name of zone @i, NTM_ZONE_MAX + 1 bytes. False, and "": there are no more. */
bool ntm_dns_get_zone(struct ntm_dev *ndev, unsigned int i, char *name);
/* Answers the held query @tag with a DNS message; -ENOENT if it is gone. */
int ntm_dns_reply(struct ntm_dev *ndev, u64 tag, const void *msg, size_t len);
int ntm_dns_pass(struct ntm_dev *ndev, u64 tag);
/* The netlink port of ntmd went away: held queries pass, none are caught. */
void ntm_dns_owner_gone(struct ntm_dev *ndev);

/* Netfilter hooks (LOCAL_OUT, both families) of one namespace; RTNL held. */
int ntm_dns_hooks_get(struct net *net);
void ntm_dns_hooks_put(struct net *net);

#endif
