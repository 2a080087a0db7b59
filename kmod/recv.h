/* SPDX-License-Identifier: GPL-2.0 */
/* From an outer UDP packet (GRO aggregate or not) to inner packets on an ntm device. */
#ifndef NTM_RECV_H
#define NTM_RECV_H

struct net;

/* Netfilter hooks (PRE_ROUTING before connection tracking, both families); RTNL held. */
int ntm_recv_hooks_get(struct net *net);
void ntm_recv_hooks_put(struct net *net);

#endif
