// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/inet_ecn.h>
#include "inner.h"
#include "path.h"

static int ntm_inner_check4(const struct ntm_path *path, const struct iphdr *iph,
			    unsigned int *len)
{
	unsigned int total;

	if (*len < sizeof(*iph) || iph->ihl < 5)
		return NTM_DROP_INNER + 1;
	total = ntohs(iph->tot_len);
	if (total > *len || total < iph->ihl * 4)
		return NTM_DROP_INNER + 1;
	if (!path->has_v4 || iph->saddr != path->v4.s_addr)
		return NTM_DROP_SOURCE + 1;
	*len = total;
	return 0;
}

static int ntm_inner_check6(const struct ntm_path *path, const struct ipv6hdr *ip6h,
			    unsigned int *len)
{
	unsigned int total;

	if (*len < sizeof(*ip6h))
		return NTM_DROP_INNER + 1;
	total = sizeof(*ip6h) + ntohs(ip6h->payload_len);
	if (total > *len)
		return NTM_DROP_INNER + 1;
	if (!path->has_v6 || !ipv6_addr_equal(&ip6h->saddr, &path->v6))
		return NTM_DROP_SOURCE + 1;
	*len = total;
	return 0;
}

int ntm_inner_check(const struct ntm_path *path, const u8 *p, unsigned int *len)
{
	switch (*p >> 4) {
	case 4:
		return ntm_inner_check4(path, (const struct iphdr *)p, len);
	case 6:
		return ntm_inner_check6(path, (const struct ipv6hdr *)p, len);
	default:
		return NTM_DROP_INNER + 1;
	}
}

bool ntm_inner_ecn(struct sk_buff *skb, u8 tos)
{
	u8 inner = skb->protocol == htons(ETH_P_IPV6) ?
		   ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;

	return INET_ECN_decapsulate(skb, tos, inner) <= 1;
}
