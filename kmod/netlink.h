/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands of the netlink family share: requests read, devices found, refusals. */
#ifndef NTM_NETLINK_H
#define NTM_NETLINK_H

#include <net/genetlink.h>
#include "path.h"

struct ntm_dev;

/* Points at what is wrong, if it is there, and says why. */
#define ntm_refuse(info, nla, msg) \
	({ NL_SET_ERR_MSG_ATTR((info)->extack, nla, msg); -EINVAL; })

int ntm_no_memory(struct genl_info *info);

/* The attribute, or NULL with the extack saying that it is needed. */
struct nlattr *ntm_need(struct genl_info *info, int attr, const char *msg);
int ntm_get_path_id(struct genl_info *info, __be32 *id);
/* A peer's real address, checked; @addr is zeroed behind it. */
int ntm_get_addr(struct genl_info *info, struct nlattr *nla, union ntm_addr *addr);

/* The device of this index, locked and with a reference, or an ERR_PTR(). */
struct ntm_dev *ntm_lock_dev(struct net *net, int ifindex, struct netlink_ext_ack *extack);
struct ntm_dev *ntm_lock_dev_of(struct genl_info *info);
void ntm_unlock_dev(struct ntm_dev *ndev);

/* What has passed since this time of CLOCK_BOOTTIME, in ns: sleep of the machine counts. */
u64 ntm_age_ms(u64 when);

/*
 * The state of a dump of what has Path IDs, in their order: kept in cb->ctx from
 * one call to the next.
 */
struct ntm_id_dump {
	u64 next;	/* smallest ID (host order) not shown yet */
	int ifindex;	/* 0 before the first call */
};

int ntm_id_dump_begin(struct netlink_callback *cb, struct ntm_id_dump *ctx);

/* netlink_relay.c */
int ntm_relay_set_doit(struct sk_buff *skb, struct genl_info *info);
int ntm_relay_del_doit(struct sk_buff *skb, struct genl_info *info);
int ntm_relay_get_doit(struct sk_buff *skb, struct genl_info *info);
int ntm_relay_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);

#endif
