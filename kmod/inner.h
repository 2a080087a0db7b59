/* SPDX-License-Identifier: GPL-2.0 */
/* Checks on a decrypted packet, before anything of the stack sees it. */
#ifndef NTM_INNER_H
#define NTM_INNER_H

#include <linux/types.h>

struct ntm_path;
struct sk_buff;

/**
 * ntm_inner_check() - is this a packet that the peer may send?
 * @path:	the path it came by
 * @p:		the whole plaintext, not empty
 * @len:	its bytes; out: bytes of the packet, without padding
 *
 * Returns 0, or the (positive) enum ntm_drop plus one that says why not.
 */
int ntm_inner_check(const struct ntm_path *path, const u8 *p, unsigned int *len);

/**
 * ntm_inner_ecn() - carry the outer packet's ECN over (RFC 6040, 4.2)
 * @skb:	inner packet, network header set and pulled
 * @tos:	outer TOS or traffic class byte
 *
 * False: the combination means that the packet must be dropped. The inner DSCP
 * stays what it was.
 */
bool ntm_inner_ecn(struct sk_buff *skb, u8 tos);

#endif
