/* SPDX-License-Identifier: GPL-2.0 */
/* The DNS hook: queries of local applications under the zone go to ntmd. */
#ifndef NTM_DNS_H
#define NTM_DNS_H

struct ntm_dev;
struct net;

struct netlink_ext_ack;
struct ntm_zone;

int ntm_dns_init(struct ntm_dev *ndev);
/* May sleep: held queries pass, none is caught any more. */
void ntm_dns_stop(struct ntm_dev *ndev);
/* After a grace period behind ntm_dns_stop(). */
void ntm_dns_free(struct ntm_dev *ndev);

/*
 * Makes a zone of its name ("" gives NULL: catch nothing) or an ERR_PTR().
 * ntm_dns_set_zone() takes it over: two halves, so that a request fails
 * before it has changed anything. The latter needs ndev->lock.
 */
struct ntm_zone *ntm_zone_new(const char *name, struct netlink_ext_ack *extack);
void ntm_zone_free(struct ntm_zone *zone);
void ntm_dns_set_zone(struct ntm_dev *ndev, struct ntm_zone *zone);
/* The zone's name, "" for none. @name: NTM_ZONE_MAX + 1 bytes. */
void ntm_dns_get_zone(struct ntm_dev *ndev, char *name);
/* Answers the held query @tag with a DNS message; -ENOENT if it is gone. */
int ntm_dns_reply(struct ntm_dev *ndev, u64 tag, const void *msg, size_t len);
int ntm_dns_pass(struct ntm_dev *ndev, u64 tag);
/* The netlink port of ntmd went away: held queries pass, none are caught. */
void ntm_dns_owner_gone(struct ntm_dev *ndev);

/* Netfilter hooks (LOCAL_OUT, both families) of one namespace; RTNL held. */
int ntm_dns_hooks_get(struct net *net);
void ntm_dns_hooks_put(struct net *net);

#endif
