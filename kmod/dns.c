// SPDX-License-Identifier: GPL-2.0
/*
 * The DNS hook.
 *
 * It stands first on LOCAL_OUT, before connection tracking. A UDP query to port
 * 53 of a local socket, for a name that is or lies under one of a device's zones, is
 * held: the DNS message goes to ntmd (NTM_EV_DNS), the packet waits with its
 * route and its socket. It ends in one of two ways, each query in exactly one,
 * since who takes it off the list owns it:
 *  - answered: a UDP packet from the server's address and port is given to
 *    LOCAL_IN as received on the loopback device. Its route is looked up for
 *    output, where local destinations have an input function too; so neither
 *    rp_filter nor the martian checks nor any rule in PREROUTING see a packet
 *    from a distant server on "lo". It is untracked, since its query never
 *    met connection tracking;
 *  - passed: ntmd said so, 5 s went by, ntmd's netlink socket closed, or the
 *    device goes. The packet starts again at LOCAL_OUT, where the hook knows
 *    it by its address: all hooks behind this one see it as any other.
 *
 * Nothing of this is a trap: whatever is unusual is let through untouched.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/udp.h>
#include <ntmobile/uapi.h>
#include "dev.h"
#include "dns.h"
#include "event.h"
#include "zone.h"

#define NTM_DNS_PORT		53
#define NTM_DNS_HDR_LEN		12
#define NTM_DNS_QUESTION_MAX	(NTM_DNS_HDR_LEN + NTM_DNS_NAME_MAX + 4)
#define NTM_DNS_HELD_MAX	256
#define NTM_DNS_HELD_TIME	(5 * HZ)

/**
 * struct ntm_dns_query - a held query
 * @list:	in ntm_dns's list, oldest first
 * @tag:	what ntmd calls it
 * @since:	jiffies at which it was caught
 * @skb:	the packet at LOCAL_OUT: network header, route and socket are set
 */
struct ntm_dns_query {
	struct list_head list;
	u64 tag;
	unsigned long since;
	struct sk_buff *skb;
};

/**
 * struct ntm_dns - of one device
 * @zones:	RCU, NULL to catch nothing; changed under ndev->lock
 * @lock:	BH spinlock around the rest
 * @held:	list of struct ntm_dns_query
 * @n:		their number
 * @stopped:	the device is going, nothing is held any more
 * @expire:	armed while queries are held
 * @ndev:	the device
 */
struct ntm_dns {
	struct ntm_zones __rcu *zones;
	spinlock_t lock;
	struct list_head held;
	unsigned int n;
	bool stopped;
	struct delayed_work expire;
	struct ntm_dev *ndev;
};

/* The packet that this CPU is passing: the hook lets it through. BH disabled. */
static DEFINE_PER_CPU(const struct sk_buff *, ntm_dns_passing);

/* ---- Zones ---- */

void ntm_dns_set_zones(struct ntm_dev *ndev, struct ntm_zones *zones)
{
	struct ntm_zones *old;

	old = rcu_replace_pointer(ndev->dns->zones, zones, lockdep_is_held(&ndev->lock));
	if (old)
		ntm_zones_free_rcu(old);
}

bool ntm_dns_get_zone(struct ntm_dev *ndev, unsigned int i, char *name)
{
	bool found;

	rcu_read_lock();
	found = ntm_zones_name(rcu_dereference(ndev->dns->zones), i, name);
	rcu_read_unlock();
	return found;
}

/* ---- Messages ---- */

/*
 * Returns the length of the name at @msg + NTM_DNS_HDR_LEN, its final empty
 * label included, if @msg begins like a plain query with one question, else 0.
 * @len bytes may be read.
 */
static size_t ntm_dns_name_len(const u8 *msg, size_t len)
{
	size_t pos = NTM_DNS_HDR_LEN;

	if (len <= NTM_DNS_HDR_LEN)
		return 0;
	/* QR and opcode; QDCOUNT */
	if ((msg[2] & 0xf8) || msg[4] || msg[5] != 1)
		return 0;
	/* A label is longer than 63 only if it is a compression pointer. */
	while (pos < len && msg[pos]) {
		if (msg[pos] > NTM_DNS_LABEL_MAX)
			return 0;
		pos += 1 + msg[pos];
	}
	pos++;
	/* Behind the name stand type and class. */
	if (pos + 4 > len || pos - NTM_DNS_HDR_LEN > NTM_DNS_NAME_MAX)
		return 0;
	return pos - NTM_DNS_HDR_LEN;
}

/* Does the query ask for a name that is one of @zones or lies under one? */
static bool ntm_dns_in_zones(const struct ntm_zones *zones, const u8 *msg, size_t len)
{
	return ntm_zones_match(zones, msg + NTM_DNS_HDR_LEN, ntm_dns_name_len(msg, len));
}

/* ---- Held queries ---- */

/* Sends a held query on its way; frees it. Any context but hard interrupts. */
static void ntm_dns_let_pass(struct ntm_dev *ndev, struct ntm_dns_query *q)
{
	struct sk_buff *skb = q->skb;

	local_bh_disable();
	rcu_read_lock();
	this_cpu_write(ntm_dns_passing, skb);
	if (skb->protocol == htons(ETH_P_IP))
		ip_local_out(ndev->net, skb->sk, skb);
	else
		ip6_local_out(ndev->net, skb->sk, skb);
	this_cpu_write(ntm_dns_passing, NULL);
	rcu_read_unlock();
	local_bh_enable();
	kfree(q);
}

static void ntm_dns_let_all_pass(struct ntm_dev *ndev, struct list_head *list)
{
	struct ntm_dns_query *q, *next;

	list_for_each_entry_safe(q, next, list, list)
		ntm_dns_let_pass(ndev, q);
}

/* Takes a query off the list: it is the caller's then. NULL if it is not there. */
static struct ntm_dns_query *ntm_dns_take(struct ntm_dns *dns, u64 tag)
{
	struct ntm_dns_query *q, *found = NULL;

	spin_lock_bh(&dns->lock);
	list_for_each_entry(q, &dns->held, list) {
		if (q->tag == tag) {
			list_del(&q->list);
			dns->n--;
			found = q;
			break;
		}
	}
	spin_unlock_bh(&dns->lock);
	return found;
}

static void ntm_dns_take_all(struct ntm_dns *dns, struct list_head *list)
{
	spin_lock_bh(&dns->lock);
	list_splice_init(&dns->held, list);
	dns->n = 0;
	spin_unlock_bh(&dns->lock);
}

/* Runs when the oldest query has been held for long enough. */
static void ntm_dns_expire(struct work_struct *work)
{
	struct ntm_dns *dns = container_of(to_delayed_work(work), struct ntm_dns, expire);
	struct ntm_dns_query *q, *next;
	LIST_HEAD(old);

	spin_lock_bh(&dns->lock);
	list_for_each_entry_safe(q, next, &dns->held, list) {
		unsigned long end = q->since + NTM_DNS_HELD_TIME;

		if (time_before(jiffies, end)) {
			schedule_delayed_work(&dns->expire, end - jiffies);
			break;
		}
		list_move_tail(&q->list, &old);
		dns->n--;
	}
	spin_unlock_bh(&dns->lock);
	ntm_dns_let_all_pass(dns->ndev, &old);
}

/* Returns false if no more can be held. */
static bool ntm_dns_keep(struct ntm_dns *dns, struct ntm_dns_query *q)
{
	bool ok;

	spin_lock_bh(&dns->lock);
	ok = !dns->stopped && dns->n < NTM_DNS_HELD_MAX;
	if (ok) {
		if (!dns->n++)
			mod_delayed_work(system_wq, &dns->expire, NTM_DNS_HELD_TIME);
		list_add_tail(&q->list, &dns->held);
	}
	spin_unlock_bh(&dns->lock);
	return ok;
}

/* ---- The hook ---- */

/* The address that a query at LOCAL_OUT comes from. */
static void ntm_dns_source(const struct sk_buff *skb, const struct udphdr *udp,
			   union ntm_addr *src)
{
	memset(src, 0, sizeof(*src));
	if (skb->protocol == htons(ETH_P_IP)) {
		src->v4.sin_family = AF_INET;
		src->v4.sin_port = udp->source;
		src->v4.sin_addr.s_addr = ip_hdr(skb)->saddr;
		return;
	}
	src->v6.sin6_family = AF_INET6;
	src->v6.sin6_port = udp->source;
	src->v6.sin6_addr = ipv6_hdr(skb)->saddr;
	if (ipv6_addr_type(&src->v6.sin6_addr) & IPV6_ADDR_LINKLOCAL)
		src->v6.sin6_scope_id = skb_dst(skb)->dev->ifindex;
}

/*
 * Holds a query and tells ntmd. It is kept before ntmd hears of it, since the
 * answer may come at once. False: it was not held, and goes its way.
 */
static bool ntm_dns_hold(struct ntm_dev *ndev, struct sk_buff *skb, unsigned int off,
			 unsigned int len, const struct udphdr *udp)
{
	struct ntm_dns_query *q;
	union ntm_addr src;
	u64 tag;
	u8 *msg;
	int err;

	if (!skb_dst_force(skb))
		return false;
	q = kzalloc(sizeof(*q), GFP_ATOMIC);
	if (!q)
		return false;
	msg = kmalloc(len, GFP_ATOMIC);
	if (!msg || skb_copy_bits(skb, off, msg, len))
		goto err_free;
	ntm_dns_source(skb, udp, &src);
	tag = get_random_u64();
	q->tag = tag;
	q->since = jiffies;
	q->skb = skb;
	if (!ntm_dns_keep(ndev->dns, q))
		goto err_free;

	/* From here on @q and @skb may be gone, unless they can be taken back. */
	err = ntm_event_dns(ndev, tag, msg, len, &src);
	kfree(msg);
	if (err < 0) {
		q = ntm_dns_take(ndev->dns, tag);
		kfree(q);
		return !q;
	}
	return true;

err_free:
	kfree(msg);
	kfree(q);
	return false;
}

/* Holds a query for the device in one of whose zones it is, if any. */
static bool ntm_dns_catch(struct net *net, struct sk_buff *skb, unsigned int thoff)
{
	unsigned int off = thoff + sizeof(struct udphdr), len;
	u8 question[NTM_DNS_QUESTION_MAX];
	const struct ntm_zones *zones;
	const struct udphdr *udp;
	struct udphdr _udp;
	struct ntm_dev *ndev;

	udp = skb_header_pointer(skb, thoff, sizeof(_udp), &_udp);
	if (!udp || udp->dest != htons(NTM_DNS_PORT) || skb_is_gso(skb))
		return false;
	len = ntohs(udp->len);
	if (len <= sizeof(*udp) || len != skb->len - thoff)
		return false;
	len -= sizeof(*udp);
	if (len > NTM_DNS_MAX ||
	    skb_copy_bits(skb, off, question, min_t(size_t, len, sizeof(question))))
		return false;

	list_for_each_entry_rcu(ndev, &ntm_net(net)->devs, list) {
		zones = rcu_dereference(ndev->dns->zones);
		if (zones && READ_ONCE(ndev->portid) &&
		    ntm_dns_in_zones(zones, question, min_t(size_t, len, sizeof(question))))
			return ntm_dns_hold(ndev, skb, off, len, udp);
	}
	return false;
}

/* Is it from a UDP socket of this machine that wants its queries caught? */
static bool ntm_dns_socket_ok(const struct sock *sk)
{
	return sk && sk_fullsock(sk) && sk->sk_type == SOCK_DGRAM &&
	       sk->sk_protocol == IPPROTO_UDP && READ_ONCE(sk->sk_mark) != NTM_DNS_MARK;
}

static unsigned int ntm_dns_hook(const struct nf_hook_state *state, struct sk_buff *skb,
				 unsigned int thoff)
{
	if (unlikely(this_cpu_read(ntm_dns_passing) == skb)) {
		this_cpu_write(ntm_dns_passing, NULL);
		return NF_ACCEPT;
	}
	if (!ntm_dns_socket_ok(skb->sk))
		return NF_ACCEPT;
	return ntm_dns_catch(state->net, skb, thoff) ? NF_STOLEN : NF_ACCEPT;
}

/*
 * What leaves by a device of a VRF comes here as the VRF's, and was let pass when it
 * comes again as the device's; but for what goes to the link itself (IPv6: link-local),
 * which the VRF has no part in. It is the VRF that comes before the stack writes down
 * the protocol.
 */
static unsigned int ntm_dns_hook4(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	if (ip_hdr(skb)->protocol != IPPROTO_UDP || netif_is_l3_slave(state->out))
		return NF_ACCEPT;
	skb->protocol = htons(ETH_P_IP);
	return ntm_dns_hook(state, skb, ip_hdrlen(skb));
}

static unsigned int ntm_dns_hook6(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	if (ipv6_hdr(skb)->nexthdr != IPPROTO_UDP)
		return NF_ACCEPT;
	if (netif_is_l3_slave(state->out) && !rt6_need_strict(&ipv6_hdr(skb)->daddr))
		return NF_ACCEPT;
	skb->protocol = htons(ETH_P_IPV6);
	return ntm_dns_hook(state, skb, sizeof(struct ipv6hdr));
}

static const struct nf_hook_ops ntm_dns_hooks[] = {
	{
		.hook		= ntm_dns_hook4,
		.pf		= NFPROTO_IPV4,
		.hooknum	= NF_INET_LOCAL_OUT,
		.priority	= NF_IP_PRI_FIRST,
	},
	{
		.hook		= ntm_dns_hook6,
		.pf		= NFPROTO_IPV6,
		.hooknum	= NF_INET_LOCAL_OUT,
		.priority	= NF_IP6_PRI_FIRST,
	},
};

int ntm_dns_hooks_get(struct net *net)
{
	return nf_register_net_hooks(net, ntm_dns_hooks, ARRAY_SIZE(ntm_dns_hooks));
}

void ntm_dns_hooks_put(struct net *net)
{
	nf_unregister_net_hooks(net, ntm_dns_hooks, ARRAY_SIZE(ntm_dns_hooks));
}

/* ---- Answers ---- */

/* The interface that the asker believes the answer to come from. */
static int ntm_dns_iif(const struct sk_buff *query)
{
	int bound = query->sk ? READ_ONCE(query->sk->sk_bound_dev_if) : 0;

	return bound ?: skb_dst(query)->dev->ifindex;
}

/* The VRF that the asker is bound to, by itself or by one of its devices; 0 for none. */
static int ntm_dns_vrf(struct net *net, const struct sk_buff *query)
{
	if (!query->sk)
		return 0;
	return l3mdev_master_ifindex_by_index(net, READ_ONCE(query->sk->sk_bound_dev_if));
}

/* A route to an address of this machine, whose input function delivers locally. */
static struct dst_entry *ntm_dns_route4(struct net *net, const struct sk_buff *query)
{
	struct flowi4 fl4 = {
		.daddr = ip_hdr(query)->saddr,
		.flowi4_oif = query->sk ? READ_ONCE(query->sk->sk_bound_dev_if) : 0,
		.flowi4_proto = IPPROTO_UDP,
	};
	struct rtable *rt = ip_route_output_key(net, &fl4);

	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->rt_flags & RTCF_LOCAL)
		return &rt->dst;
	ip_rt_put(rt);
	return ERR_PTR(-EADDRNOTAVAIL);
}

static struct dst_entry *ntm_dns_route6(struct net *net, const struct sk_buff *query)
{
	struct flowi6 fl6 = {
		.daddr = ipv6_hdr(query)->saddr,
		.flowi6_oif = ntm_dns_vrf(net, query),
		.flowi6_proto = IPPROTO_UDP,
	};
	struct dst_entry *dst;

	if (ipv6_addr_type(&fl6.daddr) & IPV6_ADDR_LINKLOCAL)
		fl6.flowi6_oif = ntm_dns_iif(query);
	dst = ip6_route_output(net, NULL, &fl6);
	if (!dst->error && (container_of(dst, struct rt6_info, dst)->rt6i_flags & RTF_LOCAL))
		return dst;
	dst_release(dst);
	return ERR_PTR(-EADDRNOTAVAIL);
}

static void ntm_dns_push_udp(struct sk_buff *skb, const struct udphdr *asked)
{
	struct udphdr *udp = skb_push(skb, sizeof(*udp));

	skb_reset_transport_header(skb);
	udp->source = asked->dest;
	udp->dest = asked->source;
	udp->len = htons(skb->len);
	udp->check = 0;
	skb->csum = csum_partial(udp, skb->len, 0);
}

static void ntm_dns_push_ip4(struct sk_buff *skb, const struct iphdr *asked, int iif)
{
	struct udphdr *udp = udp_hdr(skb);
	struct iphdr *iph;

	udp->check = csum_tcpudp_magic(asked->daddr, asked->saddr, skb->len,
				       IPPROTO_UDP, skb->csum) ?: CSUM_MANGLED_0;
	iph = skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);
	memset(iph, 0, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tot_len = htons(skb->len);
	iph->frag_off = htons(IP_DF);
	iph->ttl = IPDEFTTL;
	iph->protocol = IPPROTO_UDP;
	iph->saddr = asked->daddr;
	iph->daddr = asked->saddr;
	ip_send_check(iph);
	skb->protocol = htons(ETH_P_IP);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->iif = iif;
}

static void ntm_dns_push_ip6(struct sk_buff *skb, const struct ipv6hdr *asked, int iif)
{
	struct udphdr *udp = udp_hdr(skb);
	struct ipv6hdr *ip6;

	udp->check = csum_ipv6_magic(&asked->daddr, &asked->saddr, skb->len,
				     IPPROTO_UDP, skb->csum) ?: CSUM_MANGLED_0;
	ip6 = skb_push(skb, sizeof(*ip6));
	skb_reset_network_header(skb);
	memset(ip6, 0, sizeof(*ip6));
	ip6->version = 6;
	ip6->payload_len = htons(skb->len - sizeof(*ip6));
	ip6->nexthdr = IPPROTO_UDP;
	ip6->hop_limit = IPDEFTTL;
	ip6->saddr = asked->daddr;
	ip6->daddr = asked->saddr;
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->iif = iif;
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
}

/* Makes the answer to @query, ready for its route's input function. */
static struct sk_buff *ntm_dns_answer(struct net *net, const struct sk_buff *query,
				      const void *msg, size_t len)
{
	bool v4 = query->protocol == htons(ETH_P_IP);
	unsigned int thoff = skb_network_offset(query) +
			     (v4 ? ip_hdrlen(query) : sizeof(struct ipv6hdr));
	const struct udphdr *asked;
	struct udphdr _asked;
	struct dst_entry *dst;
	struct sk_buff *skb;

	asked = skb_header_pointer(query, thoff, sizeof(_asked), &_asked);
	if (!asked)
		return ERR_PTR(-EINVAL);
	dst = v4 ? ntm_dns_route4(net, query) : ntm_dns_route6(net, query);
	if (IS_ERR(dst))
		return ERR_CAST(dst);
	skb = alloc_skb(LL_MAX_HEADER + sizeof(struct ipv6hdr) + sizeof(struct udphdr) + len,
			GFP_ATOMIC);
	if (!skb) {
		dst_release(dst);
		return ERR_PTR(-ENOMEM);
	}
	skb_reserve(skb, LL_MAX_HEADER + sizeof(struct ipv6hdr) + sizeof(struct udphdr));
	skb_put_data(skb, msg, len);
	ntm_dns_push_udp(skb, asked);
	if (v4)
		ntm_dns_push_ip4(skb, ip_hdr(query), ntm_dns_iif(query));
	else
		ntm_dns_push_ip6(skb, ipv6_hdr(query), ntm_dns_iif(query));
	/* IPv4 looks for a socket by the route, which is of one of the VRF's devices; now by @iif, too. */
	if (v4 && ntm_dns_vrf(net, query))
		IPCB(skb)->flags |= IPSKB_L3SLAVE;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->dev = net->loopback_dev;
	skb->skb_iif = skb->dev->ifindex;
	skb->pkt_type = PACKET_HOST;
	skb_dst_set(skb, dst);
	nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
	return skb;
}

int ntm_dns_reply(struct ntm_dev *ndev, u64 tag, const void *msg, size_t len)
{
	struct ntm_dns_query *q = ntm_dns_take(ndev->dns, tag);
	struct sk_buff *skb;

	if (!q)
		return -ENOENT;
	rcu_read_lock();
	skb = ntm_dns_answer(ndev->net, q->skb, msg, len);
	if (IS_ERR(skb)) {
		rcu_read_unlock();
		ntm_dns_let_pass(ndev, q);
		return PTR_ERR(skb);
	}
	local_bh_disable();
	dst_input(skb);
	local_bh_enable();
	rcu_read_unlock();
	consume_skb(q->skb);
	kfree(q);
	return 0;
}

int ntm_dns_pass(struct ntm_dev *ndev, u64 tag)
{
	struct ntm_dns_query *q = ntm_dns_take(ndev->dns, tag);

	if (!q)
		return -ENOENT;
	ntm_dns_let_pass(ndev, q);
	return 0;
}

void ntm_dns_owner_gone(struct ntm_dev *ndev)
{
	LIST_HEAD(held);

	ntm_dns_take_all(ndev->dns, &held);
	ntm_dns_let_all_pass(ndev, &held);
}

/* ---- Life ---- */

int ntm_dns_init(struct ntm_dev *ndev)
{
	struct ntm_dns *dns = kzalloc(sizeof(*dns), GFP_KERNEL);

	if (!dns)
		return -ENOMEM;
	spin_lock_init(&dns->lock);
	INIT_LIST_HEAD(&dns->held);
	INIT_DELAYED_WORK(&dns->expire, ntm_dns_expire);
	dns->ndev = ndev;
	ndev->dns = dns;
	return 0;
}

void ntm_dns_stop(struct ntm_dev *ndev)
{
	struct ntm_dns *dns = ndev->dns;

	spin_lock_bh(&dns->lock);
	dns->stopped = true;
	spin_unlock_bh(&dns->lock);
	cancel_delayed_work_sync(&dns->expire);
	ntm_dns_owner_gone(ndev);
}

void ntm_dns_free(struct ntm_dev *ndev)
{
	ntm_zones_free(rcu_dereference_protected(ndev->dns->zones, true));
	kfree(ndev->dns);
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/dns_test.c"
#endif
