// SPDX-License-Identifier: GPL-2.0
/*
 * A packet leaves by an ntm device. It gets here in one of two ways: whole,
 * from the POST_ROUTING hook, or from the device's own transmit function where
 * the hook left it alone (ntm_hook_leaves()). Then:
 *
 *   path by destination, key, route to the endpoint, MTU
 *   -> ntm_segment(): copied into outer packets, cut if GSO
 *   -> one struct ntm_tx for each outer packet: encrypt segment after segment,
 *      at once or in completions of the AEAD
 *   -> ntm_outer_xmit(), in the order the packets came
 *
 * A struct ntm_tx holds its path and its key; the path holds the device.
 */
#include <linux/bpf-cgroup.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/gso.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/lwtunnel.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_extend.h>
#include <net/route.h>
#include <net/sch_generic.h>
#include <net/tcp.h>
#include "dev.h"
#include "event.h"
#include "key.h"
#include "miss.h"
#include "outer.h"
#include "pack.h"
#include "segment.h"
#include "send.h"

#define NTM_SEND_DEPTH		3	/* tunnels inside tunnels */

static DEFINE_PER_CPU(unsigned int, ntm_send_depth);

static void ntm_tx_completed(crypto_completion_data_t *data, int err);

/*
 * struct ntm_tx - one outer packet being encrypted
 * @job:	its place among the others of its key
 * @path, @key:	references
 * @route:	reference
 * @skb:	UDP payload
 * @ctr:	counter of the next segment
 * @left:	bytes not yet encrypted
 * @size:	bytes of each segment but the last
 * @frag, @off:	where the next segment is
 * @tos:	inner TOS byte
 * @err:	of the AEAD
 * @sg, @iv, @req: of the segment in the AEAD
 */
struct ntm_tx {
	struct ntm_job job;
	struct ntm_path *path;
	struct ntm_key *key;
	struct ntm_route route;
	struct sk_buff *skb;
	u64 ctr;
	unsigned int left;
	unsigned int size;
	unsigned int frag, off;
	u8 tos;
	int err;
	struct scatterlist sg;
	u8 iv[NTM_WIRE_NONCE_LEN];
	struct aead_request req;
};

static void ntm_send_drop(struct ntm_path *path, struct sk_buff *skb, enum ntm_drop why)
{
	ntm_stats_drop(path->ndev->drops, why,
		       max_t(u32, skb_shinfo(skb)->gso_segs, 1));
	kfree_skb(skb);
}

static void ntm_tx_deliver(struct ntm_job *job)
{
	struct ntm_tx *tx = container_of(job, struct ntm_tx, job);

	if (unlikely(tx->err)) {
		ntm_outer_route_put(&tx->route);
		ntm_send_drop(tx->path, tx->skb, tx->err == -EKEYEXPIRED ?
			      NTM_DROP_NO_KEY : NTM_DROP_NO_MEM);
	} else {
		ntm_outer_xmit(tx->path, &tx->route, tx->skb, tx->tos);
	}
	ntm_key_put(tx->key);
	ntm_path_put(tx->path);
	kfree(tx);
}

/* The segments lie one behind the other, none across two fragments. */
static u8 *ntm_tx_segment(struct ntm_tx *tx, unsigned int *len)
{
	const skb_frag_t *frag;
	u8 *p;

	*len = min(tx->size, tx->left);
	tx->left -= *len;
	if (!skb_is_nonlinear(tx->skb))
		return tx->skb->data;

	frag = &skb_shinfo(tx->skb)->frags[tx->frag];
	p = skb_frag_address(frag) + tx->off;
	tx->off += *len;
	if (tx->off >= skb_frag_size(frag)) {
		tx->frag++;
		tx->off = 0;
	}
	return p;
}

static int ntm_tx_encrypt(struct ntm_tx *tx)
{
	unsigned int len;
	u8 *p = ntm_tx_segment(tx, &len);

	ntm_wire_build((struct ntm_wire_hdr *)p, tx->key->epoch, tx->ctr, tx->path->id);
	ntm_wire_nonce(tx->iv, tx->ctr++);
	len -= NTM_WIRE_HDR_LEN;
	sg_init_one(&tx->sg, p + NTM_WIRE_HDR_LEN, len);
	/* Each time: a driver may have put its own into a request that it had. */
	aead_request_set_tfm(&tx->req, tx->key->tx);
	aead_request_set_callback(&tx->req, 0, ntm_tx_completed, tx);
	aead_request_set_ad(&tx->req, 0);
	aead_request_set_crypt(&tx->req, &tx->sg, &tx->sg, len - NTM_WIRE_TAG_LEN, tx->iv);
	return crypto_aead_encrypt(&tx->req);
}

/* While a segment is with the AEAD, its completion owns the ntm_tx. */
static void ntm_tx_run(struct ntm_tx *tx, int err)
{
	while (!err && tx->left)
		err = ntm_tx_encrypt(tx);
	if (err == -EINPROGRESS)
		return;
	tx->err = err;
	ntm_order_done(&tx->key->tx_order, &tx->job);
}

static void ntm_tx_completed(crypto_completion_data_t *data, int err)
{
	struct ntm_tx *tx = crypto_get_completion_data(data);

	rcu_read_lock();
	local_bh_disable();
	ntm_tx_run(tx, err);
	local_bh_enable();
	rcu_read_unlock();
}

/*
 * There is no key to send with, or soon will be none: ntmd is told, at most once a
 * second, and as long as that is so, since events may be lost.
 */
static void ntm_send_ask_key(struct ntm_path *path, u32 epoch)
{
	unsigned long asked = READ_ONCE(path->key_asked), now = jiffies | 1;

	/* Not time_before(): this may be long after, and 32 bits come around. */
	if (asked && time_in_range_open(now, asked, asked + HZ))
		return;
	WRITE_ONCE(path->key_asked, now);
	ntm_event_rekey(path, epoch);
}

/* Takes the counters of @n packets. False: the key is used up, or too old. */
static bool ntm_tx_counters(struct ntm_path *path, struct ntm_key *key,
			    unsigned int n, u64 *first)
{
	u64 ctr = atomic64_fetch_add(n, &key->tx_ctr);
	bool expired = ntm_key_expired(key);

	if (unlikely(expired || ctr + n >= NTM_WIRE_REKEY_AFTER)) {
		ntm_send_ask_key(path, key->epoch);
		if (expired || ctr + n >= NTM_WIRE_REJECT_AFTER)
			return false;
	}
	*first = ctr;
	return true;
}

static struct ntm_tx *ntm_tx_new(struct ntm_path *path, struct ntm_key *key)
{
	struct ntm_tx *tx;

	tx = kmalloc(sizeof(*tx) + crypto_aead_reqsize(key->tx), GFP_ATOMIC | __GFP_NOWARN);
	if (!tx)
		return NULL;
	if (!kref_get_unless_zero(&path->ref))
		goto err_free;
	if (!kref_get_unless_zero(&key->ref))
		goto err_path;
	tx->path = path;
	tx->key = key;
	tx->job.deliver = ntm_tx_deliver;
	tx->frag = 0;
	tx->off = 0;
	tx->err = 0;
	return tx;

err_path:
	ntm_path_put(path);
err_free:
	kfree(tx);
	return NULL;
}

/* Encrypts and sends one outer packet; @skb is consumed, @rt is not. */
static void ntm_tx_start(struct ntm_path *path, struct ntm_key *key,
			 struct ntm_route *rt, struct sk_buff *skb, u8 tos)
{
	unsigned int segs = max_t(unsigned int, skb_shinfo(skb)->gso_segs, 1);
	struct ntm_tx *tx;

	tx = ntm_tx_new(path, key);
	if (!tx) {
		ntm_send_drop(path, skb, NTM_DROP_NO_MEM);
		return;
	}
	tx->route = *rt;
	ntm_outer_route_get(&tx->route);
	tx->skb = skb;
	tx->left = skb->len;
	tx->size = skb_shinfo(skb)->gso_size ?: skb->len;
	tx->tos = tos;
	if (!ntm_order_enter(&key->tx_order, &tx->job)) {
		tx->err = -ENOBUFS;
		ntm_tx_deliver(&tx->job);
		return;
	}
	if (!ntm_tx_counters(path, key, segs, &tx->ctr)) {
		tx->err = -EKEYEXPIRED;
		ntm_order_done(&key->tx_order, &tx->job);
		return;
	}
	ntm_tx_run(tx, 0);
}

/*
 * Outer packets are charged to the sender's socket, so that what waits below
 * the tunnel counts for its send buffer and for TCP small queues. By sock_wfree
 * also for TCP: it is the destructor that UDP segmentation hands on to the
 * segments, and a shaper that cuts packets must not end the charge. TCP is not
 * woken by it, its ACKs do that.
 */
static void ntm_send_own(struct ntm_pack *pack, const struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	struct sk_buff *outer;

	if (!sk || !skb->destructor || !sk_fullsock(sk) || skb_is_tcp_pure_ack(skb) ||
	    (skb->destructor != sock_wfree && !sk_is_tcp(sk)) ||
	    skb->destructor == sock_edemux || skb->destructor == sock_efree ||
	    skb->destructor == sock_rfree)
		return;
	skb_queue_walk(&pack->done, outer)
		skb_set_owner_w(outer, sk);
}

static u8 ntm_send_tos(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return ipv6_get_dsfield(ipv6_hdr(skb));
	return ip_hdr(skb)->tos;
}

static void ntm_send_packed(struct ntm_path *path, struct ntm_key *key,
			    struct ntm_route *rt, struct ntm_pack *pack,
			    struct sk_buff *skb, bool fragment)
{
	u8 tos = ntm_send_tos(skb);
	struct sk_buff *outer;

	ntm_send_own(pack, skb);
	skb_queue_walk(&pack->done, outer) {
		skb_copy_hash(outer, skb);
		outer->priority = skb->priority;
		outer->ignore_df = fragment;
	}
	while ((outer = __skb_dequeue(&pack->done)))
		ntm_tx_start(path, key, rt, outer, tos);
}

/* @fragment: its outer packets may be fragmented. */
static void ntm_send_sealed(struct ntm_path *path, struct ntm_key *key,
			    struct ntm_route *rt, struct sk_buff *skb, bool fragment)
{
	struct ntm_pack pack;
	u32 packets;
	u64 bytes;
	int err;

	ntm_pack_begin(&pack, ntm_outer_headroom(rt), ntm_outer_hdr_len(rt));
	if (rt->cut)
		pack.max_segs = 1;
	err = ntm_segment(skb, &pack, &packets, &bytes);
	if (unlikely(err)) {
		ntm_pack_abort(&pack);
		ntm_send_drop(path, skb, err == -ENOMEM ? NTM_DROP_NO_MEM :
							  NTM_DROP_INNER);
		return;
	}
	ntm_pack_end(&pack);

	WRITE_ONCE(path->last_tx, ktime_get_coarse_boottime_ns());
	ntm_stats_tx(path->stats, packets, bytes);
	dev_sw_netstats_tx_add(path->ndev->dev, packets, bytes);
	ntm_send_packed(path, key, rt, &pack, skb, fragment);
	consume_skb(skb);
}

/* ---- MTU ---- */

static unsigned int ntm_send_mtu(struct ntm_path *path, const struct ntm_route *rt)
{
	unsigned int mtu = ntm_path_mtu(path);
	unsigned int outer = ntm_outer_mtu(rt);

	mtu = min(mtu, outer);
	if (unlikely(READ_ONCE(path->mtu_told) != mtu) && xchg(&path->mtu_told, mtu) != mtu)
		ntm_event_mtu(path, mtu);
	return mtu;
}

static bool ntm_send_fits(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu;
}

/*
 * Fragments are cut by the packet's route and find the device by it. One that tc
 * redirected to us has that of another device, or none.
 */
static bool ntm_send_own_route(const struct ntm_path *path, const struct sk_buff *skb)
{
	return skb_valid_dst(skb) && skb_dst(skb)->dev == path->ndev->dev;
}

static int ntm_send_fragment(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct ntm_dev *ndev = ntm_dev_from(skb_dst(skb)->dev);

	if (ndev)
		ntm_send(ndev, skb);
	else
		kfree_skb(skb);
	return 0;
}

static void ntm_send_too_big4(struct ntm_path *path, struct sk_buff *skb,
			      unsigned int mtu)
{
	struct sk_buff *segs, *seg, *next;

	/* A packet socket may have written anything, and fragments copy the header. */
	if (ip_hdrlen(skb) < sizeof(struct iphdr) || !pskb_may_pull(skb, ip_hdrlen(skb)))
		goto drop;
	if ((ip_hdr(skb)->frag_off & htons(IP_DF)) && !skb->ignore_df) {
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
		goto drop;
	}
	if (!ntm_send_own_route(path, skb) || mtu < IPV4_MIN_MTU)
		goto drop;

	if (skb_is_gso(skb)) {
		segs = skb_gso_segment(skb, NETIF_F_SG | NETIF_F_HIGHDMA);
		if (IS_ERR_OR_NULL(segs))
			goto drop;
		skb_list_walk_safe(segs, seg, next) {
			skb_mark_not_on_list(seg);
			ntm_send_on(path, seg);
		}
		consume_skb(skb);
		return;
	}

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->frag_max_size = mtu;
	ip_do_fragment(path->ndev->net, skb->sk, skb, ntm_send_fragment);
	return;
drop:
	ntm_send_drop(path, skb, NTM_DROP_TOO_BIG);
}

static void ntm_send_too_big(struct ntm_path *path, struct sk_buff *skb,
			     unsigned int mtu)
{
	if (skb->protocol == htons(ETH_P_IP)) {
		skb_dst_update_pmtu_no_confirm(skb, mtu);
		ntm_send_too_big4(path, skb, mtu);
		return;
	}
	mtu = max_t(u32, mtu, IPV6_MIN_MTU);
	skb_dst_update_pmtu_no_confirm(skb, mtu);
	icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
	ntm_send_drop(path, skb, NTM_DROP_TOO_BIG);
}

/*
 * An IPv6 packet of 1280 bytes passes everywhere (RFC 8200 5). Where the way is
 * too narrow for it, its outer packets are fragmented.
 */
static bool ntm_send_must_fit(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IPV6) && ntm_send_fits(skb, IPV6_MIN_MTU);
}

/*
 * The stack would cut by the route alone, and without regard for what that has
 * learnt if the sender's socket takes no advice (IPV6_PMTUDISC_PROBE). And that
 * the way is too narrow may be known of the path only, as ntmd found out where no
 * ICMP comes through.
 */
static void ntm_send_cut(struct ntm_route *rt, unsigned int mtu)
{
	if (rt->family == AF_INET6)
		rt->cut = max_t(unsigned int, IPV6_MIN_MTU,
				mtu + ntm_outer_hdr_len(rt) + NTM_WIRE_OVERHEAD);
}

/* ---- Entry ---- */

/* No key or no endpoint yet: the packet waits. */
static void ntm_send_keyless(struct ntm_path *path, struct sk_buff *skb)
{
	ntm_send_ask_key(path, 0);
	ntm_miss_hold(path->ndev, skb);
}

void ntm_send_on(struct ntm_path *path, struct sk_buff *skb)
{
	struct ntm_key *key = rcu_dereference(path->tx);
	struct ntm_route rt;
	unsigned int mtu;
	int why;

	if (unlikely(!key || !rcu_access_pointer(path->endpoint))) {
		ntm_send_keyless(path, skb);
		return;
	}
	if (__this_cpu_read(ntm_send_depth) >= NTM_SEND_DEPTH) {
		ntm_send_drop(path, skb, NTM_DROP_LOOP);
		return;
	}
	why = ntm_outer_route(path, &rt);
	if (unlikely(why)) {
		ntm_send_drop(path, skb, why - 1);
		return;
	}

	mtu = ntm_send_mtu(path, &rt);
	__this_cpu_inc(ntm_send_depth);
	if (likely(ntm_send_fits(skb, mtu))) {
		ntm_send_sealed(path, key, &rt, skb, false);
	} else if (ntm_send_must_fit(skb)) {
		ntm_send_cut(&rt, mtu);
		ntm_send_sealed(path, key, &rt, skb, true);
	} else {
		ntm_send_too_big(path, skb, mtu);
	}
	__this_cpu_dec(ntm_send_depth);
	ntm_outer_route_put(&rt);
}

void ntm_send(struct ntm_dev *ndev, struct sk_buff *skb)
{
	struct ntm_path *path;

	if (skb->protocol == htons(ETH_P_IPV6))
		path = ntm_path_by_v6(&ndev->paths, &ipv6_hdr(skb)->daddr);
	else
		path = ntm_path_by_v4(&ndev->paths, ip_hdr(skb)->daddr);

	if (likely(path))
		ntm_send_on(path, skb);
	else
		ntm_miss_hold(ndev, skb);
}

static void ntm_send_empty(struct ntm_path *path)
{
	struct ntm_key *key = rcu_dereference(path->tx);
	struct ntm_route rt;
	struct ntm_pack pack;

	if (!key || ntm_outer_route(path, &rt))
		return;
	ntm_pack_begin(&pack, ntm_outer_headroom(&rt), ntm_outer_hdr_len(&rt));
	pack.single = true;
	if (ntm_pack_add(&pack, 0)) {
		ntm_pack_end(&pack);
		ntm_tx_start(path, key, &rt, __skb_dequeue(&pack.done), 0);
	}
	ntm_outer_route_put(&rt);
}

void ntm_send_keepalive(struct ntm_path *path)
{
	rcu_read_lock();
	local_bh_disable();
	ntm_send_empty(path);
	local_bh_enable();
	rcu_read_unlock();
}

/* ---- Netfilter hook ---- */

/*
 * Conntrack confirms a flow in its own hook, which comes after ours: a flow's
 * first packet goes there, and so does every packet that a helper must see.
 */
static bool ntm_hook_conntrack(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	const struct nf_conn *ct = (const struct nf_conn *)skb_nfct(skb);

	return ct && (!nf_ct_is_confirmed(ct) ||
		      nf_ct_ext_exist(ct, NF_CT_EXT_HELPER) ||
		      test_bit(IPS_SEQ_ADJUST_BIT, &ct->status));
#else
	return false;
#endif
}

/* What the ordinary output does behind the hook with this packet itself. */
static bool ntm_hook_unfinished(struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (dst_xfrm(dst) || lwtunnel_xmit_redirect(dst->lwtstate))
		return true;
	/* Reassembled on its way: cut again as it was. */
	if (skb->protocol == htons(ETH_P_IPV6) ? IP6CB(skb)->frag_max_size :
						 IPCB(skb)->frag_max_size)
		return true;
	return skb->ip_summed == CHECKSUM_PARTIAL && skb_csum_is_sctp(skb);
}

/* Local listeners get a copy that comes by this hook too, or is made behind it. */
static bool ntm_hook_to_many(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr);
	return skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST);
}

/*
 * What keeps the hook from taking a packet: somebody who wants to see it on the
 * device, or work that the ordinary output still has to do on it.
 */
static bool ntm_hook_leaves(struct net_device *dev, struct sk_buff *skb)
{
	const struct Qdisc *q;

	if (dev_nit_active(dev) || ntm_netdev_has_egress(dev) ||
	    cgroup_bpf_enabled(CGROUP_INET_EGRESS) || ntm_hook_conntrack(skb))
		return true;
	q = rcu_dereference_bh(netdev_get_tx_queue(dev, 0)->qdisc);
	if (q->enqueue)
		return true;
	if (!(dev->flags & IFF_UP) || skb_dst(skb)->dev != dev ||
	    ntm_hook_to_many(skb) || ntm_hook_unfinished(skb))
		return true;
	if (skb_is_gso(skb))
		return !skb_gso_ok(skb, dev->features);
	return skb->len > READ_ONCE(dev->mtu);
}

static unsigned int ntm_hook_out(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	struct ntm_dev *ndev = ntm_dev_from(state->out);
	unsigned int verdict = NF_ACCEPT;

	if (likely(!ndev))
		return NF_ACCEPT;

	/* Locally made packets come from process context. */
	local_bh_disable();
	if (ntm_hook_leaves(ndev->dev, skb))
		goto out;
	skb->dev = ndev->dev;
	ntm_send(ndev, skb);
	verdict = NF_STOLEN;
out:
	local_bh_enable();
	return verdict;
}

static const struct nf_hook_ops ntm_send_ops[] = {
	{
		.hook		= ntm_hook_out,
		.pf		= NFPROTO_IPV4,
		.hooknum	= NF_INET_POST_ROUTING,
		.priority	= NF_IP_PRI_LAST - 1,
	}, {
		.hook		= ntm_hook_out,
		.pf		= NFPROTO_IPV6,
		.hooknum	= NF_INET_POST_ROUTING,
		.priority	= NF_IP6_PRI_LAST - 1,
	},
};

int ntm_send_hooks_get(struct net *net)
{
	return nf_register_net_hooks(net, ntm_send_ops, ARRAY_SIZE(ntm_send_ops));
}

void ntm_send_hooks_put(struct net *net)
{
	nf_unregister_net_hooks(net, ntm_send_ops, ARRAY_SIZE(ntm_send_ops));
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/send_test.c"
#endif
