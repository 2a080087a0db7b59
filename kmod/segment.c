// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/gso.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>
#include <net/udp.h>
#include "pack.h"
#include "segment.h"

#define NTM_SEGMENT_HDR_MAX	(sizeof(struct ipv6hdr) + 60)

/* GSO types that ntm_segment_fast() knows all about. */
#define NTM_SEGMENT_TCP		(SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | \
				 SKB_GSO_TCP_FIXEDID)
#define NTM_SEGMENT_UDP		SKB_GSO_UDP_L4

/*
 * struct ntm_cut - a GSO packet being cut
 * @hdr:	headers of the next segment, patched from one to the next
 * @ip_len:	bytes of IP header
 * @hdr_len:	bytes of IP and transport header
 * @v6, @tcp:	what they are
 * @fixed_id:	all segments carry the IPv4 identification of the first
 * @flags:	TCP flags of the whole packet
 */
struct ntm_cut {
	union {
		struct iphdr ip4;
		struct ipv6hdr ip6;
		u8 bytes[NTM_SEGMENT_HDR_MAX];
	} hdr;
	unsigned int ip_len;
	unsigned int hdr_len;
	bool v6, tcp, fixed_id;
	u8 flags;
};

static struct tcphdr *ntm_cut_tcp(struct ntm_cut *cut)
{
	return (struct tcphdr *)(cut->hdr.bytes + cut->ip_len);
}

static struct udphdr *ntm_cut_udp(struct ntm_cut *cut)
{
	return (struct udphdr *)(cut->hdr.bytes + cut->ip_len);
}

/* Reads the headers. False: let the stack's own segmentation do it. */
static bool ntm_cut_begin(struct ntm_cut *cut, struct sk_buff *skb)
{
	unsigned int type = skb_shinfo(skb)->gso_type;
	unsigned int proto;

	cut->tcp = type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6);
	if (type & ~(cut->tcp ? NTM_SEGMENT_TCP : NTM_SEGMENT_UDP) ||
	    skb->ip_summed != CHECKSUM_PARTIAL || skb->encapsulation)
		return false;

	cut->v6 = skb->protocol == htons(ETH_P_IPV6);
	cut->fixed_id = type & SKB_GSO_TCP_FIXEDID;
	cut->ip_len = cut->v6 ? sizeof(struct ipv6hdr) : ip_hdrlen(skb);
	proto = cut->v6 ? ipv6_hdr(skb)->nexthdr : ip_hdr(skb)->protocol;
	if (proto != (cut->tcp ? IPPROTO_TCP : IPPROTO_UDP))
		return false;

	cut->hdr_len = cut->ip_len + sizeof(struct udphdr);
	if (cut->tcp) {
		if (!pskb_may_pull(skb, cut->ip_len + sizeof(struct tcphdr)))
			return false;
		cut->hdr_len = cut->ip_len +
			((struct tcphdr *)(skb->data + cut->ip_len))->doff * 4;
	}
	if (!pskb_may_pull(skb, cut->hdr_len) || skb->len <= cut->hdr_len ||
	    cut->hdr_len > sizeof(cut->hdr))
		return false;

	memcpy(cut->hdr.bytes, skb->data, cut->hdr_len);
	if (cut->tcp)
		cut->flags = tcp_flag_byte(ntm_cut_tcp(cut));
	return true;
}

static void ntm_cut_ip(struct ntm_cut *cut, unsigned int len)
{
	if (cut->v6) {
		cut->hdr.ip6.payload_len = htons(len - sizeof(struct ipv6hdr));
		return;
	}
	cut->hdr.ip4.tot_len = htons(len);
	cut->hdr.ip4.check = 0;
	cut->hdr.ip4.check = ip_fast_csum(&cut->hdr.ip4, cut->hdr.ip4.ihl);
}

static __sum16 ntm_cut_csum(const struct ntm_cut *cut, unsigned int len, u8 proto,
			    __wsum payload)
{
	const u8 *l4 = cut->hdr.bytes + cut->ip_len;
	__wsum sum = csum_partial(l4, cut->hdr_len - cut->ip_len, payload);

	len -= cut->ip_len;
	if (cut->v6)
		return csum_ipv6_magic(&cut->hdr.ip6.saddr, &cut->hdr.ip6.daddr,
				       len, proto, sum);
	return csum_tcpudp_magic(cut->hdr.ip4.saddr, cut->hdr.ip4.daddr, len,
				 proto, sum);
}

/* Completes the headers of a segment of @len bytes in all. */
static void ntm_cut_seal(struct ntm_cut *cut, unsigned int len, bool first,
			 bool last, __wsum payload)
{
	ntm_cut_ip(cut, len);
	if (cut->tcp) {
		struct tcphdr *th = ntm_cut_tcp(cut);
		u8 flags = cut->flags;

		if (!first)
			flags &= ~TCPHDR_CWR;
		if (!last)
			flags &= ~(TCPHDR_FIN | TCPHDR_PSH);
		tcp_flag_byte(th) = flags;
		th->check = 0;
		th->check = ntm_cut_csum(cut, len, IPPROTO_TCP, payload);
	} else {
		struct udphdr *uh = ntm_cut_udp(cut);

		uh->len = htons(len - cut->ip_len);
		uh->check = 0;
		uh->check = ntm_cut_csum(cut, len, IPPROTO_UDP, payload) ?:
			    CSUM_MANGLED_0;
	}
}

static void ntm_cut_next(struct ntm_cut *cut, unsigned int payload)
{
	if (!cut->v6 && !cut->fixed_id)
		be16_add_cpu(&cut->hdr.ip4.id, 1);
	if (cut->tcp)
		be32_add_cpu(&ntm_cut_tcp(cut)->seq, payload);
}

/* Where one outer packet is not enough, several alike rather than a full one and a rest. */
static void ntm_segment_share(struct ntm_pack *pack, unsigned int segs, unsigned int len)
{
	unsigned int most = clamp(pack->max_len / ntm_pack_len(len), 1, pack->max_segs);

	pack->max_segs = DIV_ROUND_UP(segs, DIV_ROUND_UP(segs, most));
}

static int ntm_segment_fast(struct ntm_cut *cut, struct sk_buff *skb,
			    struct ntm_pack *pack, u32 *packets, u64 *bytes)
{
	unsigned int size = skb_shinfo(skb)->gso_size;
	unsigned int at = cut->hdr_len;
	unsigned int segs = DIV_ROUND_UP(skb->len - at, size);

	pack->want = skb->len + segs * ntm_pack_len(cut->hdr_len);
	ntm_segment_share(pack, segs, cut->hdr_len + size);
	while (at < skb->len) {
		unsigned int payload = min(size, skb->len - at);
		unsigned int len = cut->hdr_len + payload;
		u8 *p = ntm_pack_add(pack, len);
		__wsum sum;

		if (!p)
			return -ENOMEM;
		p += NTM_WIRE_HDR_LEN;
		sum = skb_copy_and_csum_bits(skb, at, p + cut->hdr_len, payload);
		ntm_cut_seal(cut, len, at == cut->hdr_len,
			     at + payload == skb->len, sum);
		memcpy(p, cut->hdr.bytes, cut->hdr_len);
		ntm_cut_next(cut, payload);
		at += payload;
		++*packets;
		*bytes += len;
	}
	return 0;
}

static int ntm_segment_copy(struct sk_buff *skb, struct ntm_pack *pack,
			    u32 *packets, u64 *bytes)
{
	u8 *p = ntm_pack_add(pack, skb->len);

	if (!p)
		return -ENOMEM;
	++*packets;
	*bytes += skb->len;
	return skb_copy_bits(skb, 0, p + NTM_WIRE_HDR_LEN, skb->len);
}

static int ntm_segment_slow(struct sk_buff *skb, struct ntm_pack *pack,
			    u32 *packets, u64 *bytes)
{
	struct sk_buff *segs, *seg, *next;
	int err = 0;

	segs = skb_gso_segment(skb, NETIF_F_SG | NETIF_F_HIGHDMA);
	if (IS_ERR_OR_NULL(segs))
		return -EINVAL;

	pack->want = skb->len;
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		if (!err)
			err = ntm_segment_copy(seg, pack, packets, bytes);
		consume_skb(seg);
	}
	return err;
}

int ntm_segment(struct sk_buff *skb, struct ntm_pack *pack, u32 *packets,
		u64 *bytes)
{
	struct ntm_cut cut;

	*packets = 0;
	*bytes = 0;
	if (skb_is_gso(skb)) {
		if (ntm_cut_begin(&cut, skb))
			return ntm_segment_fast(&cut, skb, pack, packets, bytes);
		return ntm_segment_slow(skb, pack, packets, bytes);
	}

	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		return -EINVAL;
	pack->single = true;
	return ntm_segment_copy(skb, pack, packets, bytes);
}
