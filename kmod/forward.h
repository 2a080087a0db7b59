/* SPDX-License-Identifier: GPL-2.0 */
/* From an outer UDP packet of one end of a relay entry to the same packet for the other. */
#ifndef NTM_FORWARD_H
#define NTM_FORWARD_H

#include <linux/types.h>

struct ntm_dev;
struct sk_buff;

enum ntm_forward {
	NTM_FORWARD_NOT,	/* no relay entry's: it is as it was */
	NTM_FORWARD_TAKEN,	/* sent on or dropped */
	NTM_FORWARD_CUT,	/* only part of it is, or it cannot leave whole: cut it first */
};

/**
 * ntm_forward() - send a received packet on, if there is a relay entry for it
 * @skb:	outer packet, network header at skb->data, headers up to the UDP
 *		header linear
 * @udp:	offset of the UDP header
 * @end:	offset of the end of the UDP payload
 *
 * Softirq. An aggregate leaves as one.
 */
enum ntm_forward ntm_forward(struct ntm_dev *ndev, struct sk_buff *skb,
			     unsigned int udp, unsigned int end);

#endif
