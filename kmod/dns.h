/* SPDX-License-Identifier: GPL-2.0 */
/* The DNS hook: queries of local applications under the zone go to ntmd. */
#ifndef NTM_DNS_H
#define NTM_DNS_H

struct ntm_dev;
struct net;

int ntm_dns_init(struct ntm_dev *ndev);
void ntm_dns_destroy(struct ntm_dev *ndev);	/* may sleep; lets held queries pass */

/* Process context, ndev->lock held. @zone: lower case, "" to catch nothing. */
int ntm_dns_set_zone(struct ntm_dev *ndev, const char *zone);
/* Answers the held query @tag with a DNS message; -ENOENT if it is gone. */
int ntm_dns_reply(struct ntm_dev *ndev, u64 tag, const void *msg, size_t len);
int ntm_dns_pass(struct ntm_dev *ndev, u64 tag);
/* The netlink port of ntmd went away: held queries pass, none are caught. */
void ntm_dns_owner_gone(struct ntm_dev *ndev);

/* Netfilter hooks (LOCAL_OUT, both families) of one namespace; RTNL held. */
int ntm_dns_hooks_get(struct net *net);
void ntm_dns_hooks_put(struct net *net);

#endif
