// SPDX-License-Identifier: GPL-2.0
/*
 * Relaying. A data packet whose Path ID is that of a relay entry, and which comes
 * from the exact address and port of one of its ends, goes to the other one: new
 * outer IP header (of either family), new addresses and ports, the same payload.
 *
 *   find: one entry for all segments? else the packet is cut, and each is seen to
 *   -> check: source, other end, hop limit, route, size, rate; each its own drop
 *   -> rewrite: UDP header and its checksum where it stands, IP header anew
 *   -> sent as by a socket of this host
 *
 * The UDP checksum is updated for what changes in it, not computed: a payload
 * that was damaged before stays so. Where the stack or the driver fills it in
 * (CHECKSUM_PARTIAL), or the sender left it out, which IPv6 does not allow, it
 * is left to them.
 *
 * A packet that goes in a circle (an end that is a relay's own address) ends with
 * its hop limit, which goes down here as in any router.
 */
#include <linux/icmpv6.h>
#include <linux/netdevice.h>
#include <linux/timekeeping.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>
#include "dev.h"
#include "forward.h"
#include "outer.h"
#include "recv.h"

/* An aggregate of another kind (by frag_list, inside another tunnel) is cut. */
#define NTM_FORWARD_GSO	(SKB_GSO_UDP_L4 | SKB_GSO_DODGY)

/*
 * struct ntm_fwd - one packet being relayed
 * @ndev, @relay: device and entry, good as long as RCU has them
 * @from, @to:	sides of the entry
 * @end:	@to's end; @rt: the way to it, once it is found
 * @skb:	the packet
 * @udp:	offset of the UDP header, until it is pulled
 * @len:	bytes of UDP payload
 * @size:	of each segment but the last
 * @segs:	segments
 * @v6:		came over IPv6
 * @tos, @ttl:	DSCP and ECN, and the hop limit that is left to it
 * @fragment:	it came without DF, or in fragments: so may it leave
 * @old:	what the UDP checksum covers and what changes, as it was
 */
struct ntm_fwd {
	struct ntm_dev *ndev;
	struct ntm_relay *relay;
	struct ntm_relay_side *from, *to;
	struct ntm_relay_end *end;
	struct ntm_route rt;
	struct sk_buff *skb;
	unsigned int udp;
	unsigned int len;
	unsigned int size;
	unsigned int segs;
	bool v6;
	u8 tos, ttl;
	bool fragment;
	__wsum old;
};

/* ---- Finding the entry ---- */

/* The Path ID of a data packet; 0, which no path has, if it is none. */
static __be32 ntm_fwd_id(const struct sk_buff *skb, unsigned int off, unsigned int len)
{
	const struct ntm_wire_hdr *hdr;
	struct ntm_wire_hdr buf;

	if (len < NTM_WIRE_OVERHEAD)
		return 0;
	hdr = skb_header_pointer(skb, off, sizeof(buf), &buf);
	return hdr && ntm_wire_is_data(*(const u8 *)hdr) ? hdr->path_id : 0;
}

static enum ntm_forward ntm_fwd_find(struct ntm_fwd *f, unsigned int off, unsigned int end)
{
	struct ntm_relay_table *relays = &f->ndev->relays;
	__be32 first = ntm_fwd_id(f->skb, off, min(f->size, end - off));
	__be32 id;

	f->relay = ntm_relay_by_id(relays, first);
	for (off += f->size; off < end; off += f->size) {
		id = ntm_fwd_id(f->skb, off, min(f->size, end - off));
		if (id != first && (f->relay || ntm_relay_by_id(relays, id)))
			return NTM_FORWARD_CUT;
	}
	return f->relay ? NTM_FORWARD_TAKEN : NTM_FORWARD_NOT;
}

/* ---- Checks: 0, or the enum ntm_drop plus one ---- */

static int ntm_fwd_ends(struct ntm_fwd *f)
{
	union ntm_addr from;
	int side;

	ntm_recv_from(f->skb, f->udp, &from);
	side = ntm_relay_side_of(f->relay, &from);
	if (side < 0)
		return NTM_DROP_RELAY_SOURCE + 1;
	f->from = &f->relay->sides[side];
	f->to = &f->relay->sides[!side];
	f->end = rcu_dereference(f->to->end);
	return f->end ? 0 : NTM_DROP_RELAY_UNBOUND + 1;
}

static int ntm_fwd_header(struct ntm_fwd *f)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(f->skb);
	const struct iphdr *iph = ip_hdr(f->skb);

	f->tos = f->v6 ? ipv6_get_dsfield(ip6h) : iph->tos;
	f->ttl = f->v6 ? ip6h->hop_limit : iph->ttl;
	f->fragment = f->v6 ? !!(IP6CB(f->skb)->flags & IP6SKB_FRAGMENTED) :
			      !(iph->frag_off & htons(IP_DF));
	if (f->ttl <= 1)
		return NTM_DROP_RELAY_HOPS + 1;
	f->ttl--;
	return 0;
}

/* A router's answer, to the end that has just shown it is one. */
static void ntm_fwd_tell(struct ntm_fwd *f, unsigned int mtu)
{
	const struct iphdr *iph = ip_hdr(f->skb);
	struct sk_buff *skb = f->skb;

	if (f->v6)
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, max_t(u32, mtu, IPV6_MIN_MTU));
	else if (!ip_route_input_noref(skb, iph->daddr, iph->saddr, 0, skb->dev))
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	skb_dst_drop(skb);
}

static unsigned int ntm_fwd_hdr_len(bool v6)
{
	return sizeof(struct udphdr) + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
}

static int ntm_fwd_fits(struct ntm_fwd *f)
{
	unsigned int mtu = dst_mtu(f->rt.dst), out = ntm_outer_hdr_len(&f->rt);

	if (f->size + out > IP_MAX_MTU)
		return NTM_DROP_TOO_BIG + 1;
	if (f->size + out <= mtu || f->fragment)
		return 0;
	ntm_fwd_tell(f, mtu - out + ntm_fwd_hdr_len(f->v6));
	return NTM_DROP_TOO_BIG + 1;
}

/* ---- Rewriting ---- */

static __wsum ntm_fwd_sum_in(const struct ntm_fwd *f)
{
	const struct sk_buff *skb = f->skb;
	__wsum sum = csum_partial(skb->data + f->udp, 2 * sizeof(__be16), 0);

	if (f->v6)
		return csum_partial(&ipv6_hdr(skb)->saddr, 2 * sizeof(struct in6_addr), sum);
	return csum_partial(&ip_hdr(skb)->saddr, 2 * sizeof(__be32), sum);
}

static __wsum ntm_fwd_sum_out(const struct ntm_route *rt)
{
	__wsum sum = csum_add((__force __wsum)rt->sport, (__force __wsum)rt->dport);

	if (rt->family == AF_INET6)
		return csum_partial(&rt->src6, sizeof(rt->src6),
				    csum_partial(&rt->dst6, sizeof(rt->dst6), sum));
	return csum_add(csum_add(sum, (__force __wsum)rt->src4), (__force __wsum)rt->dst4);
}

/* The sum of the pseudo header, from which the rest is summed up later. */
static __sum16 ntm_fwd_pseudo(const struct ntm_route *rt, unsigned int len)
{
	if (rt->family == AF_INET6)
		return ~udp_v6_check(len, &rt->src6, &rt->dst6, 0);
	return ~udp_v4_check(len, rt->src4, rt->dst4, 0);
}

static void ntm_fwd_csum(const struct ntm_fwd *f, struct udphdr *uh)
{
	struct sk_buff *skb = f->skb;

	if (skb_is_gso(skb) || skb->ip_summed == CHECKSUM_PARTIAL || !uh->check) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_headroom(skb);
		skb->csum_offset = offsetof(struct udphdr, check);
		uh->check = ntm_fwd_pseudo(&f->rt, f->len + sizeof(*uh));
		return;
	}
	skb->ip_summed = CHECKSUM_NONE;
	uh->check = csum_fold(csum_add(csum_sub(~csum_unfold(uh->check), f->old),
				       ntm_fwd_sum_out(&f->rt)));
	if (!uh->check)
		uh->check = CSUM_MANGLED_0;
}

/* From here on the UDP header stands at skb->data. Headers are copied where they are shared. */
static int ntm_fwd_rewrite(struct ntm_fwd *f)
{
	struct sk_buff *skb = f->skb;
	struct udphdr *uh;

	f->old = ntm_fwd_sum_in(f);
	if (pskb_trim(skb, f->udp + sizeof(*uh) + f->len))
		return NTM_DROP_NO_MEM + 1;
	__skb_pull(skb, f->udp);
	if (skb_cow_head(skb, ntm_outer_headroom(&f->rt)))
		return NTM_DROP_NO_MEM + 1;
	skb_reset_transport_header(skb);
	uh = udp_hdr(skb);
	uh->source = f->rt.sport;
	uh->dest = f->rt.dport;
	uh->len = htons(f->len + sizeof(*uh));
	ntm_fwd_csum(f, uh);
	return 0;
}

/* ---- Sending ---- */

static void ntm_fwd_push4(struct ntm_fwd *f)
{
	struct iphdr *iph = skb_push(f->skb, sizeof(*iph));

	memset(IPCB(f->skb), 0, sizeof(*IPCB(f->skb)));
	skb_reset_network_header(f->skb);
	*iph = (struct iphdr) {
		.version	= 4,
		.ihl		= sizeof(*iph) / 4,
		.tos		= f->tos,
		.frag_off	= f->fragment ? 0 : htons(IP_DF),
		.ttl		= f->ttl,
		.protocol	= IPPROTO_UDP,
		.saddr		= f->rt.src4,
		.daddr		= f->rt.dst4,
	};
	__ip_select_ident(f->ndev->net, iph, f->segs);
}

static void ntm_fwd_push6(struct ntm_fwd *f)
{
	struct ipv6hdr *ip6h = skb_push(f->skb, sizeof(*ip6h));

	memset(IP6CB(f->skb), 0, sizeof(*IP6CB(f->skb)));
	skb_reset_network_header(f->skb);
	ip6_flow_hdr(ip6h, f->tos, 0);
	ip6h->payload_len = htons(f->len + sizeof(struct udphdr));
	ip6h->nexthdr = IPPROTO_UDP;
	ip6h->hop_limit = f->ttl;
	ip6h->saddr = f->rt.src6;
	ip6h->daddr = f->rt.dst6;
}

/*
 * The route is the end's, which lives as long as the packet is in our hands; who
 * keeps the packet takes a reference.
 */
static void ntm_fwd_xmit(struct ntm_fwd *f)
{
	const struct ntm_sockets *socks = rcu_dereference(f->ndev->sockets);
	bool v4 = f->rt.family == AF_INET;
	struct sock *sk = !socks ? NULL : v4 ? socks->sk4 : socks->sk6;
	struct net *net = f->ndev->net;
	struct sk_buff *skb = f->skb;

	skb_scrub_packet(skb, true);
	skb->mark = sk ? READ_ONCE(sk->sk_mark) : 0;
	skb->dev = NULL;
	skb->encapsulation = 0;
	skb_dst_set_noref(skb, f->rt.dst);
	if (v4) {
		ntm_fwd_push4(f);
		skb->ignore_df = f->fragment;
		ip_local_out(net, sk, skb);
	} else {
		ntm_fwd_push6(f);
		skb->ignore_df = f->fragment;
		ip6_local_out(net, sk, skb);
	}
}

/* ---- One packet ---- */

static int ntm_fwd_pass(struct ntm_fwd *f)
{
	int why;

	why = ntm_fwd_fits(f);
	if (why)
		return why;
	if (READ_ONCE(f->relay->rate) &&
	    !ntm_relay_admit(f->relay, f->len, ktime_get_ns()))
		return NTM_DROP_RELAY_RATE + 1;
	why = ntm_fwd_rewrite(f);
	if (why)
		return why;
	ntm_relay_count(f->from, f->segs, f->len);
	ntm_fwd_xmit(f);
	return 0;
}

static int ntm_fwd_take(struct ntm_fwd *f)
{
	int why;

	why = ntm_fwd_ends(f);
	if (!why)
		why = ntm_fwd_header(f);
	if (!why)
		why = ntm_relay_end_route(f->ndev, &f->to->end, f->end, &f->rt);
	return why ?: ntm_fwd_pass(f);
}

/* What is too long behind a longer header, or an aggregate that GRO did not make. */
static bool ntm_fwd_whole(const struct ntm_fwd *f)
{
	return !skb_is_gso(f->skb) ||
	       (!(skb_shinfo(f->skb)->gso_type & ~NTM_FORWARD_GSO) &&
		f->len + ntm_fwd_hdr_len(false) <= IP_MAX_MTU);
}

enum ntm_forward ntm_forward(struct ntm_dev *ndev, struct sk_buff *skb,
			     unsigned int udp, unsigned int end)
{
	unsigned int off = udp + sizeof(struct udphdr);
	struct ntm_fwd f = {
		.ndev	= ndev,
		.skb	= skb,
		.udp	= udp,
		.len	= end - off,
		.size	= end - off,
		.v6	= skb->protocol == htons(ETH_P_IPV6),
	};
	enum ntm_forward found;
	int why;

	if (!READ_ONCE(ndev->relays.count))
		return NTM_FORWARD_NOT;
	if (ntm_recv_aggregated(skb))
		f.size = min_t(unsigned int, skb_shinfo(skb)->gso_size, f.len);
	else if (skb_is_gso(skb))
		skb_gso_reset(skb);
	f.segs = DIV_ROUND_UP(f.len, f.size);
	found = ntm_fwd_find(&f, off, end);
	if (found == NTM_FORWARD_TAKEN && !ntm_fwd_whole(&f))
		return NTM_FORWARD_CUT;
	if (found != NTM_FORWARD_TAKEN)
		return found;

	why = ntm_fwd_take(&f);
	if (why) {
		ntm_stats_drop(ndev->drops, why - 1, f.segs);
		kfree_skb(skb);
	}
	return NTM_FORWARD_TAKEN;
}
