/* SPDX-License-Identifier: GPL-2.0 */
/* Generic netlink: the family, and its events. Events: any context, GFP_ATOMIC. */
#ifndef NTM_EVENT_H
#define NTM_EVENT_H

#include <net/genetlink.h>
#include "path.h"

struct ntm_dev;

extern struct genl_family ntm_genl_family;

int ntm_netlink_register(void);
void ntm_netlink_unregister(void);

/* Fills in a PEER_ADDR or DNS_SRC of the right length. */
int ntm_event_put_addr(struct sk_buff *msg, int attr, const union ntm_addr *addr);

/* Returns -ESRCH if nobody listens. */
int ntm_event_miss(struct ntm_dev *ndev, sa_family_t family, const void *virt);
void ntm_event_peer_moved(struct ntm_path *path, const union ntm_addr *addr);
void ntm_event_rekey(struct ntm_path *path, u32 epoch);
void ntm_event_key_confirmed(struct ntm_path *path, u32 epoch);
void ntm_event_auth_burst(struct ntm_dev *ndev, struct ntm_path *path, u32 drops);
void ntm_event_mtu(struct ntm_path *path, u32 mtu);
/* Unicast to ndev->portid; an errno if it cannot be delivered. */
int ntm_event_dns(struct ntm_dev *ndev, u64 tag, const void *msg, size_t len,
		  const union ntm_addr *src);

#endif
