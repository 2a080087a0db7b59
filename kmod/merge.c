// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>
#include "merge.h"
#include "pack.h"

#define NTM_MERGE_COPY		256	/* up to here a packet has no fragments */
#define NTM_MERGE_HEAD		128	/* bytes in the head of one that has */

/*
 * struct ntm_seg - a TCP segment, as far as merging goes
 * @p:		IP header
 * @th:		TCP header
 * @ip_len:	bytes of IP header
 * @hdr_len:	bytes of both
 * @payload:	bytes behind them
 */
struct ntm_seg {
	const u8 *p;
	const struct tcphdr *th;
	unsigned int ip_len;
	unsigned int hdr_len;
	unsigned int payload;
};

static bool ntm_seg_is_v6(const struct ntm_seg *seg)
{
	return *seg->p >> 4 == 6;
}

static bool ntm_seg_csum_ok(const struct ntm_seg *seg)
{
	unsigned int len = seg->hdr_len - seg->ip_len + seg->payload;
	__wsum sum = csum_partial(seg->th, len, 0);

	if (ntm_seg_is_v6(seg)) {
		const struct ipv6hdr *ip6h = (const struct ipv6hdr *)seg->p;

		return !csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len,
					IPPROTO_TCP, sum);
	} else {
		const struct iphdr *iph = (const struct iphdr *)seg->p;

		return !csum_tcpudp_magic(iph->saddr, iph->daddr, len,
					  IPPROTO_TCP, sum) &&
		       !ip_fast_csum(iph, iph->ihl);
	}
}

/* Reads a checked IP packet. True if it is a TCP segment that can be merged. */
static bool ntm_seg_parse(struct ntm_seg *seg, const u8 *p, unsigned int len)
{
	seg->p = p;
	if (ntm_seg_is_v6(seg)) {
		if (((const struct ipv6hdr *)p)->nexthdr != IPPROTO_TCP)
			return false;
		seg->ip_len = sizeof(struct ipv6hdr);
	} else {
		const struct iphdr *iph = (const struct iphdr *)p;

		if (iph->protocol != IPPROTO_TCP || iph->ihl != 5 || ip_is_fragment(iph))
			return false;
		seg->ip_len = sizeof(*iph);
	}
	if (len < seg->ip_len + sizeof(struct tcphdr))
		return false;
	seg->th = (const struct tcphdr *)(p + seg->ip_len);
	seg->hdr_len = seg->ip_len + seg->th->doff * 4;
	if (seg->th->doff < 5 || len <= seg->hdr_len)
		return false;
	seg->payload = len - seg->hdr_len;
	if (tcp_flag_byte(seg->th) & (TCPHDR_SYN | TCPHDR_RST | TCPHDR_URG))
		return false;
	return ntm_seg_csum_ok(seg);
}

static bool ntm_merge_same_ip4(const struct ntm_merge *m, const struct ntm_seg *seg)
{
	const struct iphdr *a = (const struct iphdr *)m->skb->data;
	const struct iphdr *b = (const struct iphdr *)seg->p;
	u16 step = ntohs(b->id) - ntohs(a->id);

	if (a->saddr != b->saddr || a->daddr != b->daddr || a->tos != b->tos ||
	    a->ttl != b->ttl || a->frag_off != b->frag_off)
		return false;
	if (m->segs == 1 && !step)
		return a->frag_off & htons(IP_DF);
	return step == (m->fixed_id ? 0 : m->segs);
}

static bool ntm_merge_same_ip6(const struct ntm_merge *m, const struct ntm_seg *seg)
{
	const struct ipv6hdr *a = (const struct ipv6hdr *)m->skb->data;
	const struct ipv6hdr *b = (const struct ipv6hdr *)seg->p;

	return ipv6_addr_equal(&a->saddr, &b->saddr) &&
	       ipv6_addr_equal(&a->daddr, &b->daddr) &&
	       *(const __be32 *)a == *(const __be32 *)b &&
	       a->hop_limit == b->hop_limit;
}

/* The rules of tcp_gro_receive(). */
static bool ntm_merge_same_tcp(const struct ntm_merge *m, const struct ntm_seg *seg)
{
	const struct tcphdr *a = (const struct tcphdr *)(m->skb->data + seg->ip_len);
	const struct tcphdr *b = seg->th;
	const __be32 loose = TCP_FLAG_CWR | TCP_FLAG_FIN | TCP_FLAG_PSH;

	return a->source == b->source && a->dest == b->dest &&
	       ntohl(b->seq) == ntohl(a->seq) + m->len &&
	       a->ack_seq == b->ack_seq && !b->cwr &&
	       !((tcp_flag_word(a) ^ tcp_flag_word(b)) & ~loose) &&
	       !memcmp(a + 1, b + 1, seg->hdr_len - seg->ip_len - sizeof(*a));
}

static bool ntm_merge_follows(const struct ntm_merge *m, const struct ntm_seg *seg)
{
	if (!m->mergeable || m->guess != seg->hdr_len ||
	    seg->payload > m->size ||
	    m->hdr_len + m->len + seg->payload > 65535 ||
	    (*m->skb->data ^ *seg->p) >> 4)
		return false;
	if (!(ntm_seg_is_v6(seg) ? ntm_merge_same_ip6(m, seg) : ntm_merge_same_ip4(m, seg)))
		return false;
	return ntm_merge_same_tcp(m, seg);
}

/* ---- Packets ---- */

void ntm_merge_begin(struct ntm_merge *m, struct net_device *dev, bool merge,
		     unsigned int want)
{
	memset(m, 0, offsetof(struct ntm_merge, saved));
	__skb_queue_head_init(&m->done);
	m->dev = dev;
	m->merge = merge;
	m->want = want;
}

/* A merged packet looks like one that GRO made. */
static void ntm_merge_gso(struct ntm_merge *m)
{
	struct sk_buff *skb = m->skb;
	bool v6 = *skb->data >> 4 == 6;
	unsigned int ip_len = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct tcphdr *th = (struct tcphdr *)(skb->data + ip_len);
	unsigned int tcp_len = skb->len - ip_len;

	skb_shinfo(skb)->gso_size = m->size;
	skb_shinfo(skb)->gso_segs = m->segs;
	skb_shinfo(skb)->gso_type = v6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4;
	if (m->fixed_id)
		skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_FIXEDID;
	if (th->cwr)
		skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_ECN;

	if (v6) {
		struct ipv6hdr *ip6h = (struct ipv6hdr *)skb->data;

		ip6h->payload_len = htons(tcp_len);
		th->check = ~tcp_v6_check(tcp_len, &ip6h->saddr, &ip6h->daddr, 0);
	} else {
		struct iphdr *iph = (struct iphdr *)skb->data;

		iph->tot_len = htons(skb->len);
		ip_send_check(iph);
		th->check = ~tcp_v4_check(tcp_len, iph->saddr, iph->daddr, 0);
	}
	skb->csum_start = (u8 *)th - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	skb->ip_summed = CHECKSUM_PARTIAL;
}

/*
 * A packet is charged for whole pages, since as long as it waits somewhere
 * nobody else can have them. One that fills little of its pages is copied out.
 */
static void ntm_merge_settle(struct sk_buff *skb)
{
	unsigned int charged = 0;
	int i;

	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++)
		charged += page_size(skb_frag_page(&skb_shinfo(skb)->frags[i]));
	if (skb->data_len >= charged / 4)
		return;
	skb->truesize -= charged;
	if (skb_linearize(skb))
		skb->truesize += charged;
}

static void ntm_merge_flush(struct ntm_merge *m)
{
	if (!m->skb)
		return;
	ntm_merge_settle(m->skb);
	if (m->segs > 1)
		ntm_merge_gso(m);
	__skb_queue_tail(&m->done, m->skb);
	m->skb = NULL;
	m->mergeable = false;
}

static bool ntm_merge_new_page(struct ntm_merge *m, unsigned int len)
{
	if (m->page)
		put_page(m->page);
	m->page_used = 0;
	m->page_len = 0;
	m->page = ntm_pack_page(len, m->want, &m->page_len);
	if (!m->page)
		m->page_len = 0;
	return m->page;
}

/*
 * A segment that may follow lies so that its payload is contiguous with the
 * payload before it. In a new page there is nothing to overwrite. What has no
 * payload does not follow, and gets a head: an empty one, which fits behind the
 * last byte of any page, would else lie in none.
 */
u8 *ntm_merge_room(struct ntm_merge *m, unsigned int len)
{
	bool follows = m->mergeable && len > m->hdr_len;
	u8 *base;

	m->hole = 0;
	m->guess = 0;
	m->lin = NULL;
	m->buf = NULL;
	if (!m->merge || (!follows && (m->alone || len <= NTM_MERGE_COPY))) {
		m->lin = netdev_alloc_skb(m->dev, len);
		if (m->lin)
			m->buf = m->lin->data;
		return m->buf;
	}

	m->guess = follows ? m->hdr_len : 0;
	m->hole = m->page_used >= m->guess ? m->guess : 0;
	if (m->page_len - m->page_used + m->hole < len) {
		m->hole = 0;
		if (!ntm_merge_new_page(m, len))
			return NULL;
	}
	base = page_address(m->page);
	m->buf = base + m->page_used - m->hole;
	memcpy(m->saved, m->buf, m->hole);
	return m->buf;
}

void ntm_merge_drop(struct ntm_merge *m)
{
	kfree_skb(m->lin);
	m->lin = NULL;
	memcpy(m->buf, m->saved, m->hole);
}

static void ntm_merge_frag(struct ntm_merge *m, struct sk_buff *skb,
			   const u8 *p, unsigned int len)
{
	unsigned int at = p - (const u8 *)page_address(m->page);
	int last = skb_shinfo(skb)->nr_frags - 1;
	skb_frag_t *frag = last < 0 ? NULL : &skb_shinfo(skb)->frags[last];

	if (frag && skb_frag_page(frag) == m->page &&
	    skb_frag_off(frag) + skb_frag_size(frag) == at) {
		skb_frag_size_add(frag, len);
		skb->len += len;
		skb->data_len += len;
	} else {
		get_page(m->page);
		skb_add_rx_frag(skb, last + 1, m->page, at, len, m->page_len);
	}
	m->page_used = at + len;
	m->want -= min(m->want, len);
}

static void ntm_merge_more(struct ntm_merge *m, const struct ntm_seg *seg)
{
	struct tcphdr *th = (struct tcphdr *)(m->skb->data + seg->ip_len);
	u8 ends = tcp_flag_byte(seg->th) & (TCPHDR_FIN | TCPHDR_PSH);

	tcp_flag_byte(th) |= ends;
	if (m->segs++ == 1 && !ntm_seg_is_v6(seg))
		m->fixed_id = ((const struct iphdr *)seg->p)->id ==
			      ((const struct iphdr *)m->skb->data)->id;
	m->len += seg->payload;
	m->mergeable = !ends && seg->payload == m->size;
	memcpy(m->buf, m->saved, m->hole);
	ntm_merge_frag(m, m->skb, m->buf + seg->hdr_len, seg->payload);
}

/*
 * A packet of its own, out of @m->buf: small ones whole in the head, others
 * with their headers there, and in any case what overwrote earlier payload.
 */
static struct sk_buff *ntm_merge_skb(struct ntm_merge *m, unsigned int len,
				     unsigned int hdr_len)
{
	unsigned int head = max(hdr_len ?: min(len, NTM_MERGE_HEAD), m->hole);
	struct sk_buff *skb;

	if (m->lin) {
		skb = m->lin;
		m->lin = NULL;
		skb_put(skb, len);
		return skb;
	}

	head = len <= NTM_MERGE_COPY ? len : head;
	skb = netdev_alloc_skb(m->dev, head);
	if (!skb) {
		ntm_merge_drop(m);
		return NULL;
	}
	skb_put_data(skb, m->buf, head);
	memcpy(m->buf, m->saved, m->hole);
	if (head < len)
		ntm_merge_frag(m, skb, m->buf + head, len - head);
	return skb;
}

bool ntm_merge_add(struct ntm_merge *m, unsigned int len)
{
	struct ntm_seg seg;
	bool tcp = m->merge && ntm_seg_parse(&seg, m->buf, len);
	struct sk_buff *skb;

	if (tcp && ntm_merge_follows(m, &seg) &&
	    skb_shinfo(m->skb)->nr_frags < MAX_SKB_FRAGS) {
		ntm_merge_more(m, &seg);
		return true;
	}

	skb = ntm_merge_skb(m, len, tcp ? seg.hdr_len : 0);
	if (!skb)
		return false;
	ntm_merge_flush(m);
	m->skb = skb;
	m->alone = !tcp;
	m->segs = 1;
	m->fixed_id = false;
	if (tcp) {
		const struct tcphdr *th = (const struct tcphdr *)(skb->data + seg.ip_len);

		skb->ip_summed = CHECKSUM_UNNECESSARY;
		m->hdr_len = seg.hdr_len;
		m->size = seg.payload;
		m->len = seg.payload;
		m->mergeable = !(tcp_flag_byte(th) & (TCPHDR_FIN | TCPHDR_PSH));
	}
	return true;
}

void ntm_merge_end(struct ntm_merge *m)
{
	ntm_merge_flush(m);
	if (m->page)
		put_page(m->page);
	m->page = NULL;
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/merge_test.c"
#endif
