/* SPDX-License-Identifier: GPL-2.0 */
/* From an inner packet on an ntm device to an outer UDP (GSO) packet. */
#ifndef NTM_SEND_H
#define NTM_SEND_H

struct ntm_dev;
struct ntm_path;
struct sk_buff;

/**
 * ntm_send() - encapsulate and send an inner packet, GSO or not
 * @ndev:	device the packet leaves by
 * @skb:	whole IP packet at skb->data (network header); consumed in every case
 *
 * Softirq or BH disabled, under RCU. Finds the path by destination; without one the packet
 * goes to ntm_miss_hold(). Both the netfilter hook and ndo_start_xmit call it.
 */
void ntm_send(struct ntm_dev *ndev, struct sk_buff *skb);

/* ntm_send_on() - the same on a known path: held packets, when their path has come. */
void ntm_send_on(struct ntm_path *path, struct sk_buff *skb);

/* ntm_send_keepalive() - send an empty data packet under the sending key. Any context. */
void ntm_send_keepalive(struct ntm_path *path);

/* Netfilter hooks (POST_ROUTING, both families) of one namespace; RTNL held. */
int ntm_send_hooks_get(struct net *net);
void ntm_send_hooks_put(struct net *net);

#endif
