/* SPDX-License-Identifier: GPL-2.0 */
/* From an outer UDP packet (GRO aggregate or not) to inner packets on an ntm device. */
#ifndef NTM_RECV_H
#define NTM_RECV_H

#include "path.h"

struct net;
struct sk_buff;

/* Netfilter hooks (PRE_ROUTING before connection tracking, both families); RTNL held. */
int ntm_recv_hooks_get(struct net *net);
void ntm_recv_hooks_put(struct net *net);

/* Other GSO types than GRO's (UFO of a virtual machine) are one datagram. */
bool ntm_recv_aggregated(const struct sk_buff *skb);
/* Who sent an outer packet; its UDP header is at offset @udp. */
void ntm_recv_from(const struct sk_buff *skb, unsigned int udp, union ntm_addr *from);

#endif
