// SPDX-License-Identifier: GPL-2.0
/*
 * An outer UDP packet arrives. The hook stands in PRE_ROUTING, behind the raw
 * table (so that an administrator can still drop by address there) and behind
 * the reassembly of fragments (which is switched on with it: behind a narrow
 * link outer packets come in fragments), in front of connection tracking: data packets
 * make no conntrack entry and cost no lookup. It sees what GRO made, because
 * ntmd's socket has UDP GRO on.
 *
 * It stands in LOCAL_IN as well, last of all: where this machine is a NAT itself, only
 * conntrack knows what is for its own socket. In PRE_ROUTING a packet is ours if its
 * Path ID is, too; that of an unknown one may be known to somebody behind the NAT.
 *
 *   ours? (port and address of a device's socket, first byte, Path ID) -> stolen
 *   -> a relay entry's Path ID: forward.c
 *   -> struct ntm_rx: segment after segment: path, key, decrypt, replay window,
 *      inner source -> ntm_merge
 *   -> delivered as received on the ntm device, in the order the packets came
 *
 * The UDP checksum of a packet is not looked at for what is in it: the tag covers
 * that, and what selects path, key and nonce makes the tag fail if it is wrong.
 * Nothing but the checksum covers where it came from: before a peer is taken to
 * have moved, it is.
 *
 * A struct ntm_rx holds the path and key it is working with, and the device.
 */
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/gso.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/netfilter/ipv4/nf_defrag_ipv4.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netns/generic.h>
#include <net/route.h>
#include <net/udp.h>
#include "dev.h"
#include "event.h"
#include "forward.h"
#include "inner.h"
#include "key.h"
#include "merge.h"
#include "miss.h"
#include "port.h"
#include "recv.h"

#define NTM_RECV_BURST		100	/* forged packets in a second: an event */
#define NTM_RECV_SG		(MAX_SKB_FRAGS + 2)

/*
 * struct ntm_rx - one outer packet being decrypted
 * @job:	its place among the others of @order
 * @order:	key of the first segment that was let in, a reference; NULL while there is none
 * @ndev:	device, a reference
 * @tracker:	of that reference
 * @skb:	outer packet, network header at skb->data
 * @tos:	its TOS byte
 * @udp:	offset of the UDP header
 * @off, @end:	next segment, end of the UDP payload
 * @size:	bytes of a segment but the last
 * @len:	bytes of plaintext in the AEAD
 * @path, @key:	of the segment in work, references, or NULL
 * @ctr:	its counter
 * @newest:	@path's newest packet is among those of this outer packet; @when it was sent
 * @confirmed:	one of them confirmed a key
 * @packets, @bytes: received by @path
 * @merge:	where plaintext goes
 * @src, @dst, @nsg, @iv, @req: of the segment in the AEAD
 * @req_size:	bytes that @req has
 */
struct ntm_rx {
	struct ntm_job job;
	struct ntm_key *order;
	struct ntm_dev *ndev;
	netdevice_tracker tracker;
	struct sk_buff *skb;
	u8 tos;
	unsigned int udp;
	unsigned int off, end;
	unsigned int size;
	unsigned int len;
	struct ntm_path *path;
	struct ntm_key *key;
	u64 ctr;
	struct ntm_moment when;
	bool newest;
	bool confirmed;
	u32 packets;
	u64 bytes;
	struct ntm_merge merge;
	struct scatterlist src[NTM_RECV_SG];
	struct scatterlist dst;
	int nsg;
	u8 iv[NTM_WIRE_NONCE_LEN];
	struct aead_request *req;
	unsigned int req_size;
};

static void ntm_recv_completed(crypto_completion_data_t *data, int err);

static void ntm_recv_drop(struct ntm_rx *rx, enum ntm_drop why)
{
	ntm_stats_drop(rx->ndev->drops, why, 1);
}

/* ---- After the last segment ---- */

/* Gives one inner packet to the stack as received on the device. */
static void ntm_recv_deliver_one(struct ntm_rx *rx, struct sk_buff *skb)
{
	skb->protocol = *skb->data >> 4 == 6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_mac_len(skb);
	skb->dev = rx->ndev->dev;

	if (unlikely(!ntm_inner_ecn(skb, rx->tos))) {
		ntm_recv_drop(rx, NTM_DROP_INNER);
		kfree_skb(skb);
		return;
	}
	gro_cells_receive(&rx->ndev->gro, skb);
}

static void ntm_recv_free(struct ntm_rx *rx)
{
	consume_skb(rx->skb);
	if (rx->order)
		ntm_key_put(rx->order);
	netdev_put(rx->ndev->dev, &rx->tracker);
	kfree(rx->req);
	kfree(rx);
}

static void ntm_recv_deliver(struct ntm_job *job)
{
	struct ntm_rx *rx = container_of(job, struct ntm_rx, job);
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&rx->merge.done)))
		ntm_recv_deliver_one(rx, skb);
	ntm_recv_free(rx);
}

void ntm_recv_from(const struct sk_buff *skb, unsigned int udp, union ntm_addr *from)
{
	const struct udphdr *uh = (const struct udphdr *)(skb->data + udp);

	memset(from, 0, sizeof(*from));
	if (skb->protocol == htons(ETH_P_IPV6)) {
		from->v6.sin6_family = AF_INET6;
		from->v6.sin6_port = uh->source;
		from->v6.sin6_addr = ipv6_hdr(skb)->saddr;
		from->v6.sin6_scope_id = ipv6_iface_scope_id(&ipv6_hdr(skb)->saddr,
							     skb->skb_iif);
	} else {
		from->v4.sin_family = AF_INET;
		from->v4.sin_port = uh->source;
		from->v4.sin_addr.s_addr = ip_hdr(skb)->saddr;
	}
}

static void ntm_recv_to(const struct sk_buff *skb, union ntm_addr *to)
{
	memset(to, 0, sizeof(*to));
	if (skb->protocol == htons(ETH_P_IPV6)) {
		to->v6.sin6_family = AF_INET6;
		to->v6.sin6_addr = ipv6_hdr(skb)->daddr;
	} else {
		to->v4.sin_family = AF_INET;
		to->v4.sin_addr.s_addr = ip_hdr(skb)->daddr;
	}
}

/* Did it arrive at the path's own port? Then that is what its sender can reach. */
static bool ntm_recv_own_port(const struct ntm_rx *rx, const struct ntm_port *port)
{
	const struct udphdr *uh = (const struct udphdr *)(rx->skb->data + rx->udp);

	return port && port->num == uh->dest;
}

static bool ntm_recv_same_local(const struct ntm_endpoint *ep, const union ntm_addr *to)
{
	if (to->sa.sa_family == AF_INET)
		return ep->src4.s_addr == to->v4.sin_addr.s_addr;
	return ipv6_addr_equal(&ep->src6, &to->v6.sin6_addr);
}

/* It came through the tunnel: its source is a virtual address, and no way to the peer. */
static bool ntm_recv_inside(const struct ntm_rx *rx)
{
	return rx->skb->skb_iif == rx->ndev->dev->ifindex;
}

/*
 * Is where it came from what its sender wrote, or were bits of that spoilt on the
 * way? A device or GRO may have looked already, and what never left this machine
 * has no checksum yet. IPv6 requires one (RFC 8200, section 8.1).
 */
static bool ntm_recv_from_intact(const struct ntm_rx *rx)
{
	const struct udphdr *uh = (const struct udphdr *)(rx->skb->data + rx->udp);
	const struct sk_buff *skb = rx->skb;
	int len = rx->end - rx->udp;
	__wsum sum;

	if (skb->ip_summed == CHECKSUM_PARTIAL || skb_csum_unnecessary(skb))
		return true;
	if (skb->protocol == htons(ETH_P_IPV6)) {
		sum = skb_checksum(skb, rx->udp, len, 0);
		return uh->check && !csum_ipv6_magic(&ipv6_hdr(skb)->saddr,
						     &ipv6_hdr(skb)->daddr, len,
						     IPPROTO_UDP, sum);
	}
	if (!uh->check)
		return true;
	sum = skb_checksum(skb, rx->udp, len, 0);
	return !csum_tcpudp_magic(ip_hdr(skb)->saddr, ip_hdr(skb)->daddr, len,
				  IPPROTO_UDP, sum);
}

/*
 * The newest packet of a path says where its peer is, and which of our addresses
 * and ports it knows. One by way of a relay says nothing of the first: whether
 * the path goes by a relay is ntmd's to decide.
 */
static void ntm_recv_moved(struct ntm_rx *rx)
{
	const struct ntm_endpoint *ep = rcu_dereference(rx->path->endpoint);
	const struct ntm_port *port;
	union ntm_addr from, to;
	bool same, own_port;

	ntm_recv_from(rx->skb, rx->udp, &from);
	ntm_recv_to(rx->skb, &to);
	port = ntm_path_port(rx->path, from.sa.sa_family);
	own_port = ntm_recv_own_port(rx, port);
	same = ep && ntm_addr_equal(&ep->addr, &from);
	if (likely(same && ntm_recv_same_local(ep, &to) &&
		   (!port || READ_ONCE(ep->own_port) == own_port)))
		return;
	if (ntm_recv_inside(rx) || (!same && ntm_path_is_relay(rx->path, &from)) ||
	    !ntm_recv_from_intact(rx))
		return;
	if (!ntm_path_move(rx->path, &from, &to, own_port, &rx->when) && !same)
		ntm_event_peer_moved(rx->path, &from);
}

static void ntm_recv_dev_stats(struct net_device *dev, u32 packets, u64 bytes)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(dev->tstats);

	u64_stats_update_begin(&tstats->syncp);
	u64_stats_add(&tstats->rx_packets, packets);
	u64_stats_add(&tstats->rx_bytes, bytes);
	u64_stats_update_end(&tstats->syncp);
}

/* Done with a run of segments of one path. */
static void ntm_recv_leave_path(struct ntm_rx *rx)
{
	if (!rx->path)
		return;
	if (rx->newest)
		ntm_recv_moved(rx);
	if (rx->packets) {
		ntm_stats_rx(rx->path->stats, rx->packets, rx->bytes);
		ntm_recv_dev_stats(rx->ndev->dev, rx->packets, rx->bytes);
	}
	/* Only now: the endpoint may have been learnt with this packet. */
	if (rx->confirmed)
		ntm_miss_release(rx->path);
	rx->confirmed = false;
	rx->newest = false;
	rx->packets = 0;
	rx->bytes = 0;
	ntm_path_put(rx->path);
	rx->path = NULL;
}

static void ntm_recv_leave_key(struct ntm_rx *rx)
{
	if (rx->key)
		ntm_key_put(rx->key);
	rx->key = NULL;
}

static void ntm_recv_finish(struct ntm_rx *rx)
{
	ntm_recv_leave_key(rx);
	ntm_recv_leave_path(rx);
	ntm_merge_end(&rx->merge);
	if (rx->order)
		ntm_order_done(&rx->order->rx_order, &rx->job);
	else
		ntm_recv_deliver(&rx->job);
}

/* ---- One segment ---- */

static bool ntm_recv_find_path(struct ntm_rx *rx, __be32 id)
{
	struct ntm_path *path;

	if (rx->path && rx->path->id == id)
		return true;
	ntm_recv_leave_key(rx);
	ntm_recv_leave_path(rx);
	path = ntm_path_by_id(&rx->ndev->paths, id);
	if (!path || !kref_get_unless_zero(&path->ref))
		return false;
	rx->path = path;
	return true;
}

static bool ntm_recv_find_key(struct ntm_rx *rx, u8 epoch)
{
	struct ntm_key *key = rcu_dereference(rx->path->rx[epoch]);

	if (key && key == rx->key)
		return true;
	ntm_recv_leave_key(rx);
	if (!key || !kref_get_unless_zero(&key->ref))
		return false;
	rx->key = key;
	return true;
}

/* Its place among the others of the key in work, if it has none yet. False: too many wait. */
static bool ntm_recv_line_up(struct ntm_rx *rx)
{
	if (rx->order)
		return true;
	if (!ntm_order_enter(&rx->key->rx_order, &rx->job))
		return false;
	kref_get(&rx->key->ref);
	rx->order = rx->key;
	return true;
}

/* The request of the key in work; one allocation serves all segments. */
static bool ntm_recv_request(struct ntm_rx *rx)
{
	unsigned int size = sizeof(*rx->req) + crypto_aead_reqsize(rx->key->rx);

	if (size > rx->req_size) {
		kfree(rx->req);
		rx->req = kmalloc(size, GFP_ATOMIC | __GFP_NOWARN);
		rx->req_size = rx->req ? size : 0;
		if (!rx->req)
			return false;
	}
	/* Each time: a driver may have put its own into a request that it had. */
	aead_request_set_callback(rx->req, 0, ntm_recv_completed, rx);
	aead_request_set_tfm(rx->req, rx->key->rx);
	aead_request_set_ad(rx->req, 0);
	return true;
}

/* The ciphertext as a scatterlist, or a negative errno if that is not possible. */
static int ntm_recv_src(struct ntm_rx *rx, unsigned int off, unsigned int len)
{
	if (rx->nsg > 0 && rx->nsg < NTM_RECV_SG)
		sg_unmark_end(&rx->src[rx->nsg - 1]);
	rx->nsg = skb_to_sgvec(rx->skb, rx->src, off, len);
	return rx->nsg;
}

/*
 * Out of place, straight to where the plaintext belongs. Ciphertext in too many
 * pieces is copied there and decrypted in place.
 */
static int ntm_recv_decrypt(struct ntm_rx *rx, unsigned int off, unsigned int len)
{
	struct scatterlist *src = rx->src;
	u8 *p;

	if (!ntm_recv_request(rx))
		return -ENOMEM;
	if (unlikely(ntm_recv_src(rx, off, len) < 0)) {
		p = ntm_merge_room(&rx->merge, len);
		if (!p)
			return -ENOMEM;
		if (skb_copy_bits(rx->skb, off, p, len))
			return -EFAULT;
		sg_init_one(&rx->dst, p, len);
		src = &rx->dst;
	} else {
		p = ntm_merge_room(&rx->merge, rx->len);
		if (!p)
			return -ENOMEM;
		sg_init_one(&rx->dst, p, rx->len);
	}
	ntm_wire_nonce(rx->iv, rx->ctr);
	aead_request_set_crypt(rx->req, src, &rx->dst, len, rx->iv);
	return crypto_aead_decrypt(rx->req);
}

/*
 * The second begins anew when it is told, with its number past the bound: no two are
 * told within one second.
 */
static void ntm_recv_forged(struct ntm_rx *rx)
{
	struct ntm_dev *ndev = rx->ndev;
	unsigned long since = READ_ONCE(ndev->auth_since);
	int n;

	ntm_recv_drop(rx, NTM_DROP_AUTH);
	/* Also when that was so long ago that 32 bits have come around. */
	if (!time_in_range(jiffies, since, since + HZ)) {
		WRITE_ONCE(ndev->auth_since, jiffies);
		atomic_set(&ndev->auth_drops, 1);
		return;
	}
	n = atomic_inc_return(&ndev->auth_drops);
	if (n == NTM_RECV_BURST) {
		WRITE_ONCE(ndev->auth_since, jiffies);
		ntm_event_auth_burst(ndev, rx->path, n);
	}
}

/* The tag was right. */
static void ntm_recv_authentic(struct ntm_rx *rx)
{
	enum ntm_replay_verdict verdict;
	unsigned int len = rx->len;
	int why = 0;

	verdict = ntm_replay_accept(&rx->key->replay, rx->ctr);
	if (unlikely(verdict == NTM_REPLAY_REFUSED)) {
		ntm_merge_drop(&rx->merge);
		ntm_recv_drop(rx, NTM_DROP_REPLAY);
		return;
	}
	WRITE_ONCE(rx->path->last_rx, ktime_get_coarse_boottime_ns());
	if (ntm_path_heard(rx->path, rx->key->epoch) && verdict == NTM_REPLAY_NEWEST) {
		rx->when = (struct ntm_moment){ rx->key->epoch, rx->ctr };
		rx->newest = true;
	}
	if (unlikely(rcu_access_pointer(rx->path->tx) != rx->key) &&
	    ntm_path_confirm(rx->path, rx->key)) {
		ntm_event_key_confirmed(rx->path, rx->key->epoch);
		rx->confirmed = true;
	}

	if (len)
		why = ntm_inner_check(rx->path, rx->merge.buf, &len);
	if (!len || why) {
		ntm_merge_drop(&rx->merge);
		if (why)
			ntm_recv_drop(rx, why - 1);
		return;
	}
	if (!ntm_merge_add(&rx->merge, len)) {
		ntm_recv_drop(rx, NTM_DROP_NO_MEM);
		return;
	}
	rx->packets++;
	rx->bytes += len;
}

static void ntm_recv_decrypted(struct ntm_rx *rx, int err)
{
	if (likely(!err)) {
		ntm_recv_authentic(rx);
		return;
	}
	if (rx->merge.buf)
		ntm_merge_drop(&rx->merge);
	if (err == -EBADMSG)
		ntm_recv_forged(rx);
	else
		ntm_recv_drop(rx, NTM_DROP_NO_MEM);
}

/*
 * A segment of an aggregate that is signalling, among data: it goes back to
 * where the aggregate came from as a datagram of its own.
 */
static void ntm_recv_signal(struct ntm_rx *rx, unsigned int off, unsigned int len)
{
	unsigned int hdr_len = rx->udp + sizeof(struct udphdr);
	struct net_device *dev;
	struct sk_buff *skb;
	struct udphdr *uh;

	dev = dev_get_by_index_rcu(rx->ndev->net, rx->skb->skb_iif);
	skb = dev ? netdev_alloc_skb(dev, hdr_len + len) : NULL;
	if (!skb) {
		ntm_recv_drop(rx, NTM_DROP_NO_MEM);
		return;
	}
	skb_put_data(skb, rx->skb->data, hdr_len);
	skb_copy_bits(rx->skb, off, skb_put(skb, len), len);
	skb->protocol = rx->skb->protocol;
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, rx->udp);
	/* As the aggregate was seen: its addresses may not be those that it came with. */
	nf_copy(skb, rx->skb);

	len += sizeof(*uh);
	uh = udp_hdr(skb);
	uh->len = htons(len);
	if (skb->protocol == htons(ETH_P_IPV6)) {
		ipv6_hdr(skb)->payload_len = htons(len);
		uh->check = ~udp_v6_check(len, &ipv6_hdr(skb)->saddr,
					  &ipv6_hdr(skb)->daddr, 0);
	} else {
		ip_hdr(skb)->tot_len = htons(skb->len);
		ip_send_check(ip_hdr(skb));
		uh->check = ~udp_v4_check(len, ip_hdr(skb)->saddr,
					  ip_hdr(skb)->daddr, 0);
	}
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = (u8 *)uh - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	netif_rx(skb);
}

/* Takes the next segment. -EINPROGRESS: its completion goes on with the rest. */
static int ntm_recv_next(struct ntm_rx *rx)
{
	unsigned int off = rx->off;
	unsigned int len = min(rx->size, rx->end - off);
	struct ntm_wire_hdr *hdr, buf;
	int err;

	rx->off += len;
	hdr = skb_header_pointer(rx->skb, off, min_t(unsigned int, len, sizeof(buf)), &buf);
	if (!hdr || !len)
		return 0;
	if (unlikely(!ntm_wire_is_data(*(u8 *)hdr))) {
		ntm_recv_signal(rx, off, len);
		return 0;
	}
	if (len < NTM_WIRE_OVERHEAD) {
		ntm_recv_drop(rx, NTM_DROP_SHORT);
		return 0;
	}
	if (!ntm_recv_find_path(rx, hdr->path_id)) {
		ntm_recv_drop(rx, NTM_DROP_PATH);
		return 0;
	}
	if (!ntm_recv_find_key(rx, ntm_wire_epoch(hdr))) {
		ntm_recv_drop(rx, NTM_DROP_KEY);
		return 0;
	}
	if (unlikely(!ntm_recv_line_up(rx))) {
		ntm_recv_drop(rx, NTM_DROP_NO_MEM);
		return 0;
	}
	rx->ctr = ntm_wire_ctr(hdr, READ_ONCE(rx->key->replay.window.highest));
	rx->len = len - NTM_WIRE_OVERHEAD;
	err = ntm_recv_decrypt(rx, off + NTM_WIRE_HDR_LEN, len - NTM_WIRE_HDR_LEN);
	if (err != -EINPROGRESS)
		ntm_recv_decrypted(rx, err);
	return err == -EINPROGRESS ? err : 0;
}

/* While a segment is with the AEAD, its completion owns the ntm_rx. */
static void ntm_recv_run(struct ntm_rx *rx)
{
	while (rx->off < rx->end)
		if (ntm_recv_next(rx) == -EINPROGRESS)
			return;
	ntm_recv_finish(rx);
}

static void ntm_recv_completed(crypto_completion_data_t *data, int err)
{
	struct ntm_rx *rx = crypto_get_completion_data(data);

	rcu_read_lock();
	local_bh_disable();
	ntm_recv_decrypted(rx, err);
	ntm_recv_run(rx);
	local_bh_enable();
	rcu_read_unlock();
}

/* ---- Entry ---- */

bool ntm_recv_aggregated(const struct sk_buff *skb)
{
	return skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4;
}

static void ntm_recv(struct ntm_dev *ndev, struct sk_buff *skb, unsigned int udp,
		     unsigned int end, u8 tos)
{
	struct ntm_rx *rx;
	bool merge;

	rx = kmalloc(sizeof(*rx), GFP_ATOMIC | __GFP_NOWARN);
	if (!rx) {
		ntm_stats_drop(ndev->drops, NTM_DROP_NO_MEM,
			       max_t(u32, skb_shinfo(skb)->gso_segs, 1));
		kfree_skb(skb);
		return;
	}
	memset(rx, 0, offsetof(struct ntm_rx, merge));
	rx->job.deliver = ntm_recv_deliver;
	rx->ndev = ndev;
	netdev_hold(ndev->dev, &rx->tracker, GFP_ATOMIC);
	rx->skb = skb;
	rx->tos = tos;
	rx->udp = udp;
	rx->off = udp + sizeof(struct udphdr);
	rx->end = end;
	rx->size = ntm_recv_aggregated(skb) ? skb_shinfo(skb)->gso_size : end - rx->off;
	merge = rx->size < end - rx->off && (ndev->dev->features & NETIF_F_GRO);
	ntm_merge_begin(&rx->merge, ndev->dev, merge, end - rx->off);
	sg_init_table(rx->src, NTM_RECV_SG);
	rx->nsg = 0;
	rx->req = NULL;
	rx->req_size = 0;
	ntm_recv_run(rx);
}

/* Signalling from an aggregate that was cut goes back to where that came from. */
static void ntm_recv_segment(struct ntm_dev *ndev, struct sk_buff *skb, unsigned int udp,
			     u8 tos)
{
	unsigned int off = udp + sizeof(struct udphdr);
	u8 *first, buf;

	first = skb_header_pointer(skb, off, 1, &buf);
	if (!first || !pskb_may_pull(skb, off))
		kfree_skb(skb);
	else if (!ntm_wire_is_data(*first))
		netif_rx(skb);
	else if (ntm_forward(ndev, skb, udp, skb->len) == NTM_FORWARD_NOT)
		ntm_recv(ndev, skb, udp, skb->len, tos);
}

/* The slow way of an aggregate that only part of is to be relayed, or that is too long for it. */
static void ntm_recv_cut(struct ntm_dev *ndev, struct sk_buff *skb, unsigned int udp, u8 tos)
{
	struct sk_buff *segs, *seg, *next;

	segs = skb_gso_segment(skb, NETIF_F_SG | NETIF_F_HW_CSUM);
	if (IS_ERR_OR_NULL(segs)) {
		ntm_stats_drop(ndev->drops, NTM_DROP_NO_MEM,
			       max_t(u32, skb_shinfo(skb)->gso_segs, 1));
		kfree_skb(skb);
		return;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, seg, next) {
		skb_mark_not_on_list(seg);
		ntm_recv_segment(ndev, seg, udp, tos);
	}
}

/* The packet is ours: to a relay's other end, or through the AEAD. */
static void ntm_recv_take(struct ntm_dev *ndev, struct sk_buff *skb, unsigned int udp,
			  unsigned int end, u8 tos)
{
	switch (ntm_forward(ndev, skb, udp, end)) {
	case NTM_FORWARD_NOT:
		ntm_recv(ndev, skb, udp, end, tos);
		break;
	case NTM_FORWARD_CUT:
		ntm_recv_cut(ndev, skb, udp, tos);
		break;
	case NTM_FORWARD_TAKEN:
		break;
	}
}

/* ---- Netfilter hook ---- */

/*
 * Does it come by the socket's device? As the stack looks for a socket: what comes by
 * a device of a VRF comes by the VRF, and conntrack and LOCAL_IN see it as the VRF's.
 */
static bool ntm_recv_bound_dev(const struct sock *sk, const struct sk_buff *skb,
			       const struct net_device *in)
{
	int dif = l3mdev_master_ifindex_rcu(in) ?: in->ifindex;
	int sdif;

	if (dif != in->ifindex)
		sdif = in->ifindex;
	else if (skb->protocol == htons(ETH_P_IPV6))
		sdif = inet6_sdif(skb);
	else
		sdif = inet_sdif(skb);
	return udp_sk_bound_dev_eq(sock_net(sk), READ_ONCE(sk->sk_bound_dev_if), dif, sdif);
}

static bool ntm_recv_bound(const struct sock *sk, const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return ipv6_addr_any(&sk->sk_v6_rcv_saddr) ||
		       ipv6_addr_equal(&sk->sk_v6_rcv_saddr, &ipv6_hdr(skb)->daddr);
	return !sk->sk_rcv_saddr || sk->sk_rcv_saddr == ip_hdr(skb)->daddr;
}

/* Once closed, its port may belong to somebody else. */
static bool ntm_recv_open(const struct sock *sk, const struct sk_buff *skb,
			  const struct net_device *in)
{
	return sk && !sock_flag(sk, SOCK_DEAD) && ntm_recv_bound(sk, skb) &&
	       ntm_recv_bound_dev(sk, skb, in);
}

static bool ntm_recv_path_port(struct ntm_ports *ports, const struct sk_buff *skb,
			       const struct net_device *in, sa_family_t family, __be16 num)
{
	const struct ntm_port *port;

	hlist_for_each_entry_rcu(port, ntm_ports_bucket(ports, num), node)
		if (port->num == num && port->family == family &&
		    ntm_recv_open(port->sk, skb, in))
			return true;
	return false;
}

/*
 * The device whose socket this datagram is for. Every UDP packet that comes to
 * this namespace gets here: with no path's own port there is nothing to look up,
 * and else one bucket.
 */
static struct ntm_dev *ntm_recv_dev(struct net *net, const struct sk_buff *skb,
				    const struct net_device *in, __be16 port)
{
	bool v6 = skb->protocol == htons(ETH_P_IPV6);
	const struct ntm_sockets *socks;
	struct ntm_dev *ndev;

	list_for_each_entry_rcu(ndev, &ntm_net(net)->devs, list) {
		socks = rcu_dereference(ndev->sockets);
		if (socks && port == (v6 ? socks->port6 : socks->port4) &&
		    ntm_recv_open(v6 ? socks->sk6 : socks->sk4, skb, in))
			return ndev;
		if (READ_ONCE(ndev->ports.count) &&
		    ntm_recv_path_port(&ndev->ports, skb, in, v6 ? AF_INET6 : AF_INET, port))
			return ndev;
	}
	return NULL;
}

static bool ntm_recv_local(struct net *net, struct net_device *in, const struct sk_buff *skb)
{
	const struct in6_addr *daddr;

	if (skb->pkt_type != PACKET_HOST)
		return false;
	if (skb->protocol == htons(ETH_P_IP))
		return inet_addr_type_dev_table(net, in, ip_hdr(skb)->daddr) == RTN_LOCAL;
	daddr = &ipv6_hdr(skb)->daddr;
	return ipv6_chk_addr_and_flags(net, daddr, in,
				       !(ipv6_addr_type(daddr) & IPV6_ADDR_LINKLOCAL), 0,
				       IFA_F_TENTATIVE);
}

/* Is there a data packet in it? An aggregate may begin with signalling. */
static bool ntm_recv_has_data(const struct sk_buff *skb, unsigned int off, unsigned int end)
{
	unsigned int step = ntm_recv_aggregated(skb) ? skb_shinfo(skb)->gso_size : end - off;
	u8 *first, buf;

	for (; off < end; off += step) {
		first = skb_header_pointer(skb, off, 1, &buf);
		if (!first)
			return false;
		if (ntm_wire_is_data(*first))
			return true;
	}
	return false;
}

static bool ntm_recv_knows(struct ntm_dev *ndev, const struct ntm_wire_hdr *hdr)
{
	return ntm_wire_is_data(*(const u8 *)hdr) &&
	       (ntm_path_by_id(&ndev->paths, hdr->path_id) ||
		ntm_relay_by_id(&ndev->relays, hdr->path_id));
}

/* As above, of a path or a relay entry of the device. */
static bool ntm_recv_has_known(struct ntm_dev *ndev, const struct sk_buff *skb,
			       unsigned int off, unsigned int end)
{
	unsigned int step = ntm_recv_aggregated(skb) ? skb_shinfo(skb)->gso_size : end - off;
	struct ntm_wire_hdr *hdr, buf;

	for (; off + sizeof(buf) <= end; off += step) {
		hdr = skb_header_pointer(skb, off, sizeof(buf), &buf);
		if (!hdr)
			return false;
		if (ntm_recv_knows(ndev, hdr))
			return true;
	}
	return false;
}

/* Conntrack confirms a flow in its own hook, behind ours. */
static bool ntm_recv_unconfirmed(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	const struct nf_conn *ct = (const struct nf_conn *)skb_nfct(skb);

	return ct && !nf_ct_is_confirmed(ct);
#else
	return false;
#endif
}

/*
 * In LOCAL_IN a flow's first packet is given up, so that conntrack keeps the flow:
 * else the answer would leave unmapped. One that is nobody's ends here, and leaves
 * no flow.
 */
static bool ntm_recv_wants(struct ntm_dev *ndev, const struct sk_buff *skb,
			   const struct nf_hook_state *state, unsigned int off,
			   unsigned int end)
{
	bool known = ntm_recv_has_known(ndev, skb, off, end);

	if (state->hook == NF_INET_PRE_ROUTING)
		return known;
	return known ? !ntm_recv_unconfirmed(skb) : ntm_recv_has_data(skb, off, end);
}

/* BH disabled. */
static unsigned int ntm_recv_for(struct ntm_dev *ndev, struct sk_buff *skb,
				 const struct nf_hook_state *state, unsigned int udp,
				 unsigned int end, u8 tos)
{
	unsigned int off = udp + sizeof(struct udphdr);

	if (end <= off || end > skb->len || !ntm_recv_wants(ndev, skb, state, off, end) ||
	    !ntm_recv_local(state->net, state->in, skb))
		return NF_ACCEPT;
	if (!pskb_may_pull(skb, off)) {
		ntm_stats_drop(ndev->drops, NTM_DROP_NO_MEM, 1);
		return NF_DROP;
	}

	skb_orphan(skb);
	skb_dst_drop(skb);
	/* A bridge whose packets netfilter sees shows it as its own while this is the port's. */
	skb->skb_iif = state->in->ifindex;
	ntm_recv_take(ndev, skb, udp, end, tos);
	return NF_STOLEN;
}

static unsigned int ntm_recv_udp(struct sk_buff *skb, const struct nf_hook_state *state,
				 unsigned int udp, u8 tos)
{
	unsigned int verdict, end;
	struct udphdr *uh, buf;
	struct ntm_dev *ndev;

	uh = skb_header_pointer(skb, udp, sizeof(buf), &buf);
	if (!uh)
		return NF_ACCEPT;
	ndev = ntm_recv_dev(state->net, skb, state->in, uh->dest);
	if (likely(!ndev))
		return NF_ACCEPT;

	end = ntm_recv_aggregated(skb) ? skb->len : udp + ntohs(uh->len);
	/* What the raw table queued to user space comes back in process context. */
	local_bh_disable();
	verdict = ntm_recv_for(ndev, skb, state, udp, end, tos);
	local_bh_enable();
	return verdict;
}

static unsigned int ntm_recv_hook4(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (iph->protocol != IPPROTO_UDP || ip_is_fragment(iph))
		return NF_ACCEPT;
	return ntm_recv_udp(skb, state, iph->ihl * 4, iph->tos);
}

static unsigned int ntm_recv_hook6(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	if (ip6h->nexthdr != IPPROTO_UDP)
		return NF_ACCEPT;
	return ntm_recv_udp(skb, state, sizeof(*ip6h), ipv6_get_dsfield(ip6h));
}

static const struct nf_hook_ops ntm_recv_ops[] = {
	{
		.hook		= ntm_recv_hook4,
		.pf		= NFPROTO_IPV4,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= NF_IP_PRI_CONNTRACK - 1,
	}, {
		.hook		= ntm_recv_hook6,
		.pf		= NFPROTO_IPV6,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= NF_IP6_PRI_CONNTRACK - 1,
	}, {
		.hook		= ntm_recv_hook4,
		.pf		= NFPROTO_IPV4,
		.hooknum	= NF_INET_LOCAL_IN,
		.priority	= NF_IP_PRI_LAST - 1,
	}, {
		.hook		= ntm_recv_hook6,
		.pf		= NFPROTO_IPV6,
		.hooknum	= NF_INET_LOCAL_IN,
		.priority	= NF_IP6_PRI_LAST - 1,
	},
};

int ntm_recv_hooks_get(struct net *net)
{
	int err;

	err = nf_defrag_ipv4_enable(net);
	if (err)
		return err;
	err = nf_defrag_ipv6_enable(net);
	if (err)
		goto err_defrag4;
	err = nf_register_net_hooks(net, ntm_recv_ops, ARRAY_SIZE(ntm_recv_ops));
	if (err)
		goto err_defrag6;
	return 0;

err_defrag6:
	nf_defrag_ipv6_disable(net);
err_defrag4:
	nf_defrag_ipv4_disable(net);
	return err;
}

void ntm_recv_hooks_put(struct net *net)
{
	nf_unregister_net_hooks(net, ntm_recv_ops, ARRAY_SIZE(ntm_recv_ops));
	nf_defrag_ipv6_disable(net);
	nf_defrag_ipv4_disable(net);
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/recv_test.c"
#endif
