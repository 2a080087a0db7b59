// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/dsfield.h>
#include <ntmobile/ecn.h>
#include "inner.h"
#include "path.h"

int ntm_inner_check(const struct ntm_path *path, const u8 *p, unsigned int *len)
{
	switch (ntm_inner_verify(&path->peer, p, len)) {
	case NTM_INNER_OK:
		return 0;
	case NTM_INNER_SOURCE:
		return NTM_DROP_SOURCE + 1;
	default:
		return NTM_DROP_INNER + 1;
	}
}

bool ntm_inner_ecn(struct sk_buff *skb, u8 tos)
{
	bool v6 = skb->protocol == htons(ETH_P_IPV6);
	u8 inner = v6 ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;
	int ecn = ntm_ecn_decap(tos, inner);

	if (ecn < 0)
		return false;
	if (likely(ecn == (inner & NTM_ECN_MASK)))
		return true;
	if (v6)
		ipv6_change_dsfield(ipv6_hdr(skb), (u8)~NTM_ECN_MASK, ecn);
	else
		ipv4_change_dsfield(ip_hdr(skb), (u8)~NTM_ECN_MASK, ecn);
	return true;
}
