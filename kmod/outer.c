// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/dst_cache.h>
#include <net/inet_ecn.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include <net/l3mdev.h>
#include <net/route.h>
#include <net/udp_tunnel.h>
#include "dev.h"
#include "outer.h"
#include "port.h"

/*
 * Packets of the module go the way of those that ntmd sends by the same socket: by its
 * device or VRF (ip vrf exec), and by the rules for its mark and its user.
 */
static struct rtable *ntm_outer_lookup4(struct ntm_dev *ndev,
					struct ntm_route *rt, struct sock *sk)
{
	struct flowi4 fl4 = {
		.daddr = rt->dst4,
		.saddr = rt->src4,
		.fl4_sport = rt->sport,
		.fl4_dport = rt->dport,
		.flowi4_proto = IPPROTO_UDP,
		.flowi4_oif = READ_ONCE(sk->sk_bound_dev_if),
		.flowi4_mark = READ_ONCE(sk->sk_mark),
		.flowi4_uid = sock_net_uid(ndev->net, sk),
	};
	struct rtable *res;

	res = ip_route_output_flow(ndev->net, &fl4, sk);
	if (IS_ERR(res) && fl4.saddr) {
		/* The address the peer knew may have gone with a link. */
		fl4.saddr = 0;
		res = ip_route_output_flow(ndev->net, &fl4, sk);
	}
	if (!IS_ERR(res))
		rt->src4 = fl4.saddr;
	return res;
}

/* The address is there, and not in another VRF than that of @oif; 0 is in none. */
static bool ntm_outer_is_ours6(struct net *net, const struct in6_addr *addr, int oif)
{
	struct net_device *dev = oif ? dev_get_by_index_rcu(net, oif) : NULL;

	return ipv6_chk_addr_and_flags(net, addr, dev, true, 0, IFA_F_TENTATIVE);
}

/* @scope: of the destination */
static struct dst_entry *ntm_outer_lookup6(struct ntm_dev *ndev, u32 scope,
					   struct ntm_route *rt, struct sock *sk)
{
	struct flowi6 fl6 = {
		.daddr = rt->dst6,
		.saddr = rt->src6,
		.fl6_sport = rt->sport,
		.fl6_dport = rt->dport,
		.flowi6_proto = IPPROTO_UDP,
		.flowi6_oif = scope ?: READ_ONCE(sk->sk_bound_dev_if),
		.flowi6_mark = READ_ONCE(sk->sk_mark),
		.flowi6_uid = sock_net_uid(ndev->net, sk),
	};
	struct dst_entry *res;

	if (!ipv6_addr_any(&fl6.saddr) &&
	    !ntm_outer_is_ours6(ndev->net, &fl6.saddr, fl6.flowi6_oif))
		fl6.saddr = in6addr_any;
	res = ipv6_stub->ipv6_dst_lookup_flow(ndev->net, sk, &fl6, NULL);
	if (!IS_ERR(res))
		rt->src6 = fl6.saddr;
	return res;
}

/* Is the address one of @dev, or of its VRF's device or lo, whose addresses are the whole host's? */
static bool ntm_outer_has4(const struct net_device *dev, __be32 addr)
{
	const struct net_device *devs[] = {
		dev, l3mdev_master_dev_rcu(dev), dev_net(dev)->loopback_dev
	};
	const struct in_device *in_dev;
	const struct in_ifaddr *ifa;
	int i;

	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		in_dev = devs[i] ? __in_dev_get_rcu(devs[i]) : NULL;
		if (!in_dev)
			continue;
		in_dev_for_each_ifa_rcu(ifa, in_dev)
			if (ifa->ifa_local == addr)
				return true;
	}
	return false;
}

static bool ntm_outer_has6(const struct net_device *dev, const struct in6_addr *addr)
{
	const struct net_device *vrf = l3mdev_master_dev_rcu(dev);
	struct net *net = dev_net(dev);

	return ipv6_chk_addr(net, addr, dev, 1) ||
	       (vrf && ipv6_chk_addr(net, addr, vrf, 1)) ||
	       ipv6_chk_addr(net, addr, net->loopback_dev, 1);
}

/*
 * Where the peer found us last may be on a link that the route has left since. From
 * the new link such a packet would be dropped by a provider that looks at sources,
 * or get from a NAT a mapping that leads nowhere. So the address is given up, but
 * where a rule for it leads by another link than that of others.
 */
static struct rtable *ntm_outer_lookup_path4(struct ntm_dev *ndev,
					     struct ntm_route *rt, struct sock *sk)
{
	struct rtable *res, *any;
	__be32 src = rt->src4;

	res = ntm_outer_lookup4(ndev, rt, sk);
	if (IS_ERR(res) || !src || rt->src4 != src || ntm_outer_has4(res->dst.dev, src))
		return res;
	rt->src4 = 0;
	any = ntm_outer_lookup4(ndev, rt, sk);
	if (!IS_ERR(any) && any->dst.dev == res->dst.dev) {
		ip_rt_put(res);
		return any;
	}
	if (!IS_ERR(any))
		ip_rt_put(any);
	rt->src4 = src;
	return res;
}

static struct dst_entry *ntm_outer_lookup_path6(struct ntm_dev *ndev, u32 scope,
						struct ntm_route *rt, struct sock *sk)
{
	struct in6_addr src = rt->src6;
	struct dst_entry *res, *any;

	res = ntm_outer_lookup6(ndev, scope, rt, sk);
	if (IS_ERR(res) || ipv6_addr_any(&src) || !ipv6_addr_equal(&rt->src6, &src) ||
	    ntm_outer_has6(res->dev, &src))
		return res;
	rt->src6 = in6addr_any;
	any = ntm_outer_lookup6(ndev, scope, rt, sk);
	if (!IS_ERR(any) && any->dev == res->dev) {
		dst_release(res);
		return any;
	}
	if (!IS_ERR(any))
		dst_release(any);
	rt->src6 = src;
	return res;
}

static int ntm_outer_route4(struct ntm_dev *ndev, struct ntm_endpoint *ep,
			    struct sock *sk, struct ntm_route *rt)
{
	struct rtable *res;

	res = dst_cache_get_ip4(&ep->cache, &rt->src4);
	if (!res) {
		rt->src4 = ep->src4.s_addr;
		res = ntm_outer_lookup_path4(ndev, rt, sk);
		if (IS_ERR(res))
			return PTR_ERR(res);
		dst_cache_set_ip4(&ep->cache, &res->dst, rt->src4);
	}
	rt->dst = &res->dst;
	return 0;
}

static int ntm_outer_route6(struct ntm_dev *ndev, struct ntm_endpoint *ep,
			    struct sock *sk, struct ntm_route *rt)
{
	rt->dst = dst_cache_get_ip6(&ep->cache, &rt->src6);
	if (!rt->dst) {
		rt->src6 = ep->src6;
		rt->dst = ntm_outer_lookup_path6(ndev, ep->addr.v6.sin6_scope_id,
						 rt, sk);
		if (IS_ERR(rt->dst))
			return PTR_ERR(rt->dst);
		dst_cache_set_ip6(&ep->cache, rt->dst, &rt->src6);
	}
	return 0;
}

/* The device's socket of the route's family, or NULL. */
static struct sock *ntm_outer_socket(struct ntm_dev *ndev, const struct ntm_route *rt,
				     __be16 *num)
{
	const struct ntm_sockets *socks = rcu_dereference(ndev->sockets);
	bool v4 = rt->family == AF_INET;

	if (!socks)
		return NULL;
	*num = v4 ? socks->port4 : socks->port6;
	return v4 ? socks->sk4 : socks->sk6;
}

static void ntm_outer_to(struct ntm_route *rt, const union ntm_addr *to)
{
	rt->cut = 0;
	rt->family = to->sa.sa_family;
	if (rt->family == AF_INET) {
		rt->dport = to->v4.sin_port;
		rt->dst4 = to->v4.sin_addr.s_addr;
	} else {
		rt->dport = to->v6.sin6_port;
		rt->dst6 = to->v6.sin6_addr;
	}
}

static int ntm_outer_not_here(struct ntm_dev *ndev, struct ntm_route *rt)
{
	if (rt->dst->dev != ndev->dev)
		return 0;
	ntm_outer_route_put(rt);
	return NTM_DROP_LOOP + 1;
}

int ntm_outer_begin(struct ntm_dev *ndev, const union ntm_addr *to, struct ntm_route *rt)
{
	ntm_outer_to(rt, to);
	return ntm_outer_socket(ndev, rt, &rt->sport) ? 0 : NTM_DROP_NO_ROUTE + 1;
}

int ntm_outer_find(struct ntm_dev *ndev, const union ntm_addr *to, struct ntm_route *rt)
{
	struct sock *sk = ntm_outer_socket(ndev, rt, &rt->sport);

	if (!sk)
		return NTM_DROP_NO_ROUTE + 1;
	if (rt->family == AF_INET) {
		struct rtable *res = ntm_outer_lookup4(ndev, rt, sk);

		rt->dst = IS_ERR(res) ? ERR_CAST(res) : &res->dst;
	} else {
		rt->dst = ntm_outer_lookup6(ndev, to->v6.sin6_scope_id, rt, sk);
	}
	if (IS_ERR(rt->dst))
		return NTM_DROP_NO_ROUTE + 1;
	return ntm_outer_not_here(ndev, rt);
}

/* @port: by which the packets are to leave; NULL: by the device's */
static int ntm_outer_route_by(struct ntm_dev *ndev, struct ntm_endpoint *ep,
			      const struct ntm_port *port, struct ntm_route *rt)
{
	struct sock *sk;
	int err;

	ntm_outer_to(rt, &ep->addr);
	if (port)
		rt->sport = port->num;
	sk = port ? port->sk : ntm_outer_socket(ndev, rt, &rt->sport);
	if (!sk)
		return NTM_DROP_NO_ROUTE + 1;
	if (rt->family == AF_INET)
		err = ntm_outer_route4(ndev, ep, sk, rt);
	else
		err = ntm_outer_route6(ndev, ep, sk, rt);
	if (err)
		return NTM_DROP_NO_ROUTE + 1;
	return ntm_outer_not_here(ndev, rt);
}

int ntm_outer_route(struct ntm_path *path, struct ntm_route *rt)
{
	struct ntm_endpoint *ep = rcu_dereference(path->endpoint);
	const struct ntm_port *port = NULL;

	if (!ep)
		return NTM_DROP_NO_ROUTE + 1;
	if (READ_ONCE(ep->own_port))
		port = ntm_path_port(path, ep->addr.sa.sa_family);
	return ntm_outer_route_by(path->ndev, ep, port, rt);
}

void ntm_outer_route_put(struct ntm_route *rt)
{
	dst_release(rt->dst);
}

void ntm_outer_route_get(struct ntm_route *rt)
{
	dst_hold(rt->dst);
}

unsigned int ntm_outer_hdr_len(const struct ntm_route *rt)
{
	return sizeof(struct udphdr) + (rt->family == AF_INET ?
		sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

unsigned int ntm_outer_headroom(const struct ntm_route *rt)
{
	return LL_RESERVED_SPACE(rt->dst->dev) + rt->dst->header_len +
	       ntm_outer_hdr_len(rt);
}

unsigned int ntm_outer_mtu(const struct ntm_route *rt)
{
	unsigned int overhead = ntm_outer_hdr_len(rt) + NTM_WIRE_OVERHEAD;
	unsigned int mtu = dst_mtu(rt->dst);

	return mtu > overhead ? mtu - overhead : 0;
}

/* What __udp_gso_segment() and a driver with UDP GSO want to find. */
static void ntm_outer_gso_csum(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) - sizeof(struct udphdr);
	skb->csum_offset = offsetof(struct udphdr, check);
}

/*
 * In fragments smaller than the route's, as udp_tunnel6_xmit_skb() cannot. (IPv4
 * needs none of this: whoever on the way finds a packet too big cuts it.)
 */
static void ntm_outer_cut6(struct net *net, struct ntm_route *rt, struct sock *sk,
			   struct sk_buff *skb, u8 tos)
{
	struct udphdr *uh = skb_push(skb, sizeof(*uh));
	struct ipv6hdr *ip6h;

	skb_reset_transport_header(skb);
	uh->source = rt->sport;
	uh->dest = rt->dport;
	uh->len = htons(skb->len);
	skb_dst_set(skb, rt->dst);
	udp6_set_csum(false, skb, &rt->src6, &rt->dst6, skb->len);

	ip6h = skb_push(skb, sizeof(*ip6h));
	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, tos, 0);
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->nexthdr = IPPROTO_UDP;
	ip6h->hop_limit = ip6_dst_hoplimit(rt->dst);
	ip6h->saddr = rt->src6;
	ip6h->daddr = rt->dst6;
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->frag_max_size = rt->cut;
	ip6_local_out(net, sk, skb);
}

/*
 * The socket as which a packet leaves: its mark, and its device if the packet is
 * routed again. (Matches of owners and cgroups look at the application's, which
 * skb->sk is.) It may have been let go of since the route was found: the port in the
 * packet stays what it was.
 */
static struct sock *ntm_outer_sender(struct ntm_path *path, const struct ntm_route *rt)
{
	const struct ntm_port *port = ntm_path_port(path, rt->family);
	__be16 num;

	if (port && port->num == rt->sport)
		return port->sk;
	return ntm_outer_socket(path->ndev, rt, &num);
}

void ntm_outer_xmit(struct ntm_path *path, struct ntm_route *rt,
		    struct sk_buff *skb, u8 tos)
{
	struct sock *sk = ntm_outer_sender(path, rt);

	if (sk)
		skb->mark = READ_ONCE(sk->sk_mark);
	if (skb_is_gso(skb))
		ntm_outer_gso_csum(skb);

	if (rt->family == AF_INET)
		udp_tunnel_xmit_skb(dst_rtable(rt->dst), sk, skb, rt->src4,
				    rt->dst4, tos, ip4_dst_hoplimit(rt->dst),
				    skb->ignore_df ? 0 : htons(IP_DF), rt->sport, rt->dport,
				    false, false);
	else if (rt->cut)
		ntm_outer_cut6(path->ndev->net, rt, sk, skb, tos);
	else
		udp_tunnel6_xmit_skb(rt->dst, sk, skb, NULL, &rt->src6,
				     &rt->dst6, tos, ip6_dst_hoplimit(rt->dst),
				     0, rt->sport, rt->dport, false);
}
