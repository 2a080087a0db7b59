/* SPDX-License-Identifier: GPL-2.0 */
/* Cutting an inner packet, GSO or not, into segments inside outer packets. */
#ifndef NTM_SEGMENT_H
#define NTM_SEGMENT_H

#include <linux/types.h>

struct ntm_pack;
struct sk_buff;

/**
 * ntm_segment() - copy an inner packet into outer packets, ready to encrypt
 * @skb:	inner packet, network header at skb->data; not consumed, its
 *		headers may be pulled
 * @pack:	begun
 * @packets:	out: number of inner packets
 * @bytes:	out: their bytes
 *
 * Checksums are complete in the copies. Returns 0, -ENOMEM, or -EINVAL for a
 * packet that cannot be cut.
 */
int ntm_segment(struct sk_buff *skb, struct ntm_pack *pack, u32 *packets,
		u64 *bytes);

#endif
