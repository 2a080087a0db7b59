/* SPDX-License-Identifier: GPL-2.0 */
/* Packets to a virtual address without a path, held while ntmd sets one up. */
#ifndef NTM_MISS_H
#define NTM_MISS_H

struct ntm_dev;
struct ntm_path;
struct sk_buff;

int ntm_miss_init(struct ntm_dev *ndev);
/* May sleep: held packets are freed, none is held any more. */
void ntm_miss_stop(struct ntm_dev *ndev);
/* After a grace period behind ntm_miss_stop(). */
void ntm_miss_free(struct ntm_dev *ndev);

/**
 * ntm_miss_hold() - hold a packet and tell ntmd
 * @ndev:	device
 * @skb:	inner packet, consumed
 *
 * Softirq. At most 64 addresses, 16 packets each, 10 s long; past that the oldest goes. If nobody
 * listens (no ntmd) the sender gets ICMP host unreachable at once.
 *
 * Call it for a packet without a path, or with a path that has no sending key
 * or no endpoint yet; not for one that a usable path failed to send.
 */
void ntm_miss_hold(struct ntm_dev *ndev, struct sk_buff *skb);

/*
 * The path of these addresses can send now: its held packets leave by it. Any
 * context but hard interrupts. Returns their number.
 */
unsigned int ntm_miss_release(struct ntm_path *path);

/* ntmd found no path: senders get ICMP, packets are dropped. Process context. */
void ntm_miss_fail(struct ntm_dev *ndev, sa_family_t family, const void *virt);

#endif
