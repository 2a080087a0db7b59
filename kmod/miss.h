/* SPDX-License-Identifier: GPL-2.0 */
/* Packets to a virtual address without a path, held while ntmd sets one up. */
#ifndef NTM_MISS_H
#define NTM_MISS_H

struct ntm_dev;
struct ntm_path;
struct sk_buff;

int ntm_miss_init(struct ntm_dev *ndev);
void ntm_miss_destroy(struct ntm_dev *ndev);	/* may sleep; frees held packets */

/**
 * ntm_miss_hold() - hold a packet and tell ntmd
 * @ndev:	device
 * @skb:	inner packet, consumed
 *
 * Softirq. At most 64 addresses, 16 packets each, 10 s long; past that the oldest goes. If nobody
 * listens (no ntmd) the sender gets ICMP host unreachable at once.
 */
void ntm_miss_hold(struct ntm_dev *ndev, struct sk_buff *skb);

/* The path of these addresses can send now: its held packets leave by it. Any context. */
void ntm_miss_release(struct ntm_path *path);

/* ntmd found no path: senders get ICMP, packets are dropped. Process context. */
void ntm_miss_fail(struct ntm_dev *ndev, sa_family_t family, const void *virt, int err);

#endif
