// SPDX-License-Identifier: GPL-2.0
/*
 * Packets to a virtual address without a path.
 *
 * An entry stands for one address. It is made by the first packet, tells ntmd
 * by NTM_EV_MISS (again with a later packet, at most once a second), and ends
 *  - released: the path came, its packets leave by it (ntm_miss_release());
 *  - failed: ntmd found no path, nobody listens, or NTM_MISS_HOLD passed. The
 *    senders get ICMP, and so do packets of the following second, at once;
 *  - evicted, when there are too many addresses: the oldest goes, silently.
 *
 * Between a sender that finds no path and one that inserts it there is no
 * race: the path is published before ntm_miss_release() takes the lock, and
 * ntm_miss_hold() looks once more while it holds it.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include "dev.h"
#include "event.h"
#include "miss.h"
#include "path.h"
#include "send.h"
#include "stats.h"

#define NTM_MISS_ADDRS		64		/* addresses waited for */
#define NTM_MISS_PACKETS	16		/* held for each */
#define NTM_MISS_HOLD		(10 * HZ)	/* how long they are held */
#define NTM_MISS_QUIET		HZ		/* between two events of an address */
#define NTM_MISS_EVENTS		256		/* a second, all addresses together */

/**
 * struct ntm_miss_addr - an address that packets wait for
 * @list:	in ntm_miss's list, oldest first
 * @addr:	the address; IPv4 in the first word
 * @family:	AF_INET or AF_INET6
 * @failed:	told that there is no path, at @since; @queue is empty
 * @since:	jiffies of the first packet, or of the failure
 * @told:	jiffies of the last event
 * @queue:	held packets, with their routes; ntm_miss's lock guards it
 */
struct ntm_miss_addr {
	struct list_head list;
	struct in6_addr addr;
	sa_family_t family;
	bool failed;
	unsigned long since;
	unsigned long told;
	struct sk_buff_head queue;
};

/**
 * struct ntm_miss - what a device holds
 * @lock:	BH spinlock around all of it
 * @addrs:	list of struct ntm_miss_addr
 * @n:		their number
 * @stopped:	the device is going, nothing is held any more
 * @window:	jiffies at which the current second of @events began
 * @events:	events sent in it
 * @expire:	armed while there are entries
 * @ndev:	the device
 */
struct ntm_miss {
	spinlock_t lock;
	struct list_head addrs;
	unsigned int n;
	bool stopped;
	unsigned long window;
	unsigned int events;
	struct delayed_work expire;
	struct ntm_dev *ndev;
};

static void ntm_miss_key(struct in6_addr *key, sa_family_t family, const void *virt)
{
	memset(key, 0, sizeof(*key));
	memcpy(key, virt, family == AF_INET ? sizeof(struct in_addr) : sizeof(*key));
}

static struct ntm_miss_addr *ntm_miss_find(struct ntm_miss *m, sa_family_t family,
					   const struct in6_addr *key)
{
	struct ntm_miss_addr *a;

	lockdep_assert_held(&m->lock);
	list_for_each_entry(a, &m->addrs, list)
		if (a->family == family && ipv6_addr_equal(&a->addr, key))
			return a;
	return NULL;
}

/* Takes an entry out of the list; its packets go to @queue. */
static void ntm_miss_unlink(struct ntm_miss *m, struct ntm_miss_addr *a,
			    struct sk_buff_head *queue)
{
	list_del(&a->list);
	m->n--;
	skb_queue_splice_tail_init(&a->queue, queue);
	kfree(a);
}

static void ntm_miss_count(struct ntm_dev *ndev, unsigned int n)
{
	local_bh_disable();
	ntm_stats_drop(ndev->drops, NTM_DROP_NO_PATH, n);
	local_bh_enable();
}

static void ntm_miss_drop(struct ntm_dev *ndev, struct sk_buff_head *queue)
{
	if (skb_queue_empty(queue))
		return;
	ntm_miss_count(ndev, skb_queue_len(queue));
	__skb_queue_purge(queue);
}

/* Tells the senders that the address cannot be reached. */
static void ntm_miss_refuse(struct ntm_dev *ndev, struct sk_buff_head *queue)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(queue))) {
		skb->dev = ndev->dev;
		if (skb->protocol == htons(ETH_P_IP))
			icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		else
			icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
		ntm_miss_count(ndev, 1);
		kfree_skb(skb);
	}
}

/* A new entry; where there are too many, the oldest gives way, to @dropped. */
static struct ntm_miss_addr *ntm_miss_add(struct ntm_miss *m, sa_family_t family,
					  const struct in6_addr *key,
					  struct sk_buff_head *dropped)
{
	struct ntm_miss_addr *a = kzalloc(sizeof(*a), GFP_ATOMIC);

	lockdep_assert_held(&m->lock);
	if (!a)
		return NULL;
	if (m->n == NTM_MISS_ADDRS)
		ntm_miss_unlink(m, list_first_entry(&m->addrs, struct ntm_miss_addr, list),
				dropped);
	a->addr = *key;
	a->family = family;
	a->since = jiffies;
	a->told = jiffies - NTM_MISS_QUIET;
	__skb_queue_head_init(&a->queue);
	list_add_tail(&a->list, &m->addrs);
	m->n++;
	schedule_delayed_work(&m->expire, NTM_MISS_QUIET);
	return a;
}

/* May an event of this address be sent now? If so, it counts as sent. */
static bool ntm_miss_may_tell(struct ntm_miss *m, struct ntm_miss_addr *a)
{
	lockdep_assert_held(&m->lock);
	if (time_before(jiffies, a->told + NTM_MISS_QUIET))
		return false;
	/* Also when the last one was so long ago that 32 bits have come around. */
	if (!time_in_range_open(jiffies, m->window, m->window + HZ)) {
		m->window = jiffies;
		m->events = 0;
	}
	if (m->events == NTM_MISS_EVENTS)
		return false;
	m->events++;
	a->told = jiffies;
	return true;
}

/* A path to this address that can send, or NULL. */
static struct ntm_path *ntm_miss_path(struct ntm_dev *ndev, sa_family_t family,
				      const struct in6_addr *key)
{
	struct ntm_path *path;

	if (family == AF_INET)
		path = ntm_path_by_v4(&ndev->paths, key->s6_addr32[0]);
	else
		path = ntm_path_by_v6(&ndev->paths, key);
	if (path && rcu_access_pointer(path->tx) && rcu_access_pointer(path->endpoint))
		return path;
	return NULL;
}

/* A network's own broadcast address is known by the packet's route alone. */
static bool ntm_miss_broadcast(const struct sk_buff *skb)
{
	return skb_valid_dst(skb) && skb_rtable(skb)->rt_flags & RTCF_BROADCAST;
}

/* No peer has another address, so nothing would ever come of waiting. */
static bool ntm_miss_unicast(const struct sk_buff *skb, sa_family_t family,
			     const struct in6_addr *key)
{
	__be32 v4 = key->s6_addr32[0];

	if (family == AF_INET)
		return !ipv4_is_multicast(v4) && !ipv4_is_lbcast(v4) &&
		       !ntm_miss_broadcast(skb);
	return !ipv6_addr_is_multicast(key);
}

enum ntm_miss_verdict { NTM_MISS_HELD, NTM_MISS_TELL, NTM_MISS_REFUSE, NTM_MISS_DROP };

static enum ntm_miss_verdict ntm_miss_enqueue(struct ntm_miss *m, struct sk_buff *skb,
					      sa_family_t family, const struct in6_addr *key,
					      struct sk_buff_head *dropped)
{
	struct ntm_miss_addr *a;

	lockdep_assert_held(&m->lock);
	a = ntm_miss_find(m, family, key);
	if (!a)
		a = ntm_miss_add(m, family, key, dropped);
	if (!a)
		return NTM_MISS_DROP;
	if (a->failed) {
		if (time_before(jiffies, a->since + NTM_MISS_QUIET))
			return NTM_MISS_REFUSE;
		a->failed = false;
		a->since = jiffies;
	}
	if (skb_queue_len(&a->queue) == NTM_MISS_PACKETS)
		__skb_queue_tail(dropped, __skb_dequeue(&a->queue));
	__skb_queue_tail(&a->queue, skb);
	return ntm_miss_may_tell(m, a) ? NTM_MISS_TELL : NTM_MISS_HELD;
}

void ntm_miss_hold(struct ntm_dev *ndev, struct sk_buff *skb)
{
	bool v4 = skb->protocol == htons(ETH_P_IP);
	sa_family_t family = v4 ? AF_INET : AF_INET6;
	enum ntm_miss_verdict verdict = NTM_MISS_DROP;
	struct ntm_miss *m = ndev->miss;
	struct sk_buff_head dropped;
	struct ntm_path *path;
	struct in6_addr key;

	ntm_miss_key(&key, family, v4 ? (void *)&ip_hdr(skb)->daddr :
					(void *)&ipv6_hdr(skb)->daddr);
	skb_dst_force(skb);
	__skb_queue_head_init(&dropped);

	rcu_read_lock();
	spin_lock_bh(&m->lock);
	path = ntm_miss_path(ndev, family, &key);
	if (!path && !m->stopped && ntm_miss_unicast(skb, family, &key))
		verdict = ntm_miss_enqueue(m, skb, family, &key, &dropped);
	spin_unlock_bh(&m->lock);
	if (path) {
		local_bh_disable();
		ntm_send_on(path, skb);
		local_bh_enable();
		rcu_read_unlock();
		return;
	}
	rcu_read_unlock();

	ntm_miss_drop(ndev, &dropped);
	switch (verdict) {
	case NTM_MISS_HELD:
		break;
	case NTM_MISS_TELL:
		if (ntm_event_miss(ndev, family, &key) == -ESRCH)
			ntm_miss_fail(ndev, family, &key);
		break;
	case NTM_MISS_REFUSE:
		__skb_queue_tail(&dropped, skb);
		ntm_miss_refuse(ndev, &dropped);
		break;
	case NTM_MISS_DROP:
		__skb_queue_tail(&dropped, skb);
		ntm_miss_drop(ndev, &dropped);
		break;
	}
}

unsigned int ntm_miss_release(struct ntm_path *path)
{
	struct ntm_miss *m = path->ndev->miss;
	struct ntm_miss_addr *a, *next;
	struct sk_buff_head queue;
	unsigned int n = 0;
	struct sk_buff *skb;

	__skb_queue_head_init(&queue);
	spin_lock_bh(&m->lock);
	list_for_each_entry_safe(a, next, &m->addrs, list) {
		if (a->family == AF_INET ?
		    path->peer.has_v4 && a->addr.s6_addr32[0] == ntm_path_v4(path)->s_addr :
		    path->peer.has_v6 && ipv6_addr_equal(&a->addr, ntm_path_v6(path)))
			ntm_miss_unlink(m, a, &queue);
	}
	spin_unlock_bh(&m->lock);

	rcu_read_lock();
	local_bh_disable();
	while ((skb = __skb_dequeue(&queue))) {
		ntm_send_on(path, skb);
		n++;
	}
	local_bh_enable();
	rcu_read_unlock();
	return n;
}

static void ntm_miss_set_failed(struct ntm_miss_addr *a, struct sk_buff_head *queue)
{
	a->failed = true;
	a->since = jiffies;
	skb_queue_splice_tail_init(&a->queue, queue);
}

void ntm_miss_fail(struct ntm_dev *ndev, sa_family_t family, const void *virt)
{
	struct ntm_miss *m = ndev->miss;
	struct sk_buff_head queue;
	struct ntm_miss_addr *a;
	struct in6_addr key;

	ntm_miss_key(&key, family, virt);
	__skb_queue_head_init(&queue);
	spin_lock_bh(&m->lock);
	a = ntm_miss_find(m, family, &key);
	if (a)
		ntm_miss_set_failed(a, &queue);
	spin_unlock_bh(&m->lock);
	ntm_miss_refuse(ndev, &queue);
}

/* Once a second while there are entries. */
static void ntm_miss_expire(struct work_struct *work)
{
	struct ntm_miss *m = container_of(to_delayed_work(work), struct ntm_miss, expire);
	struct ntm_miss_addr *a, *next;
	struct sk_buff_head queue;

	__skb_queue_head_init(&queue);
	spin_lock_bh(&m->lock);
	list_for_each_entry_safe(a, next, &m->addrs, list) {
		if (a->failed && time_after_eq(jiffies, a->since + NTM_MISS_QUIET))
			ntm_miss_unlink(m, a, &queue);
		else if (!a->failed && time_after_eq(jiffies, a->since + NTM_MISS_HOLD))
			ntm_miss_set_failed(a, &queue);
	}
	if (m->n && !m->stopped)
		schedule_delayed_work(&m->expire, NTM_MISS_QUIET);
	spin_unlock_bh(&m->lock);
	ntm_miss_refuse(m->ndev, &queue);
}

int ntm_miss_init(struct ntm_dev *ndev)
{
	struct ntm_miss *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return -ENOMEM;
	spin_lock_init(&m->lock);
	INIT_LIST_HEAD(&m->addrs);
	INIT_DELAYED_WORK(&m->expire, ntm_miss_expire);
	m->window = jiffies;
	m->ndev = ndev;
	ndev->miss = m;
	return 0;
}

void ntm_miss_stop(struct ntm_dev *ndev)
{
	struct ntm_miss *m = ndev->miss;
	struct ntm_miss_addr *a, *next;
	struct sk_buff_head queue;

	__skb_queue_head_init(&queue);
	spin_lock_bh(&m->lock);
	m->stopped = true;
	list_for_each_entry_safe(a, next, &m->addrs, list)
		ntm_miss_unlink(m, a, &queue);
	spin_unlock_bh(&m->lock);
	cancel_delayed_work_sync(&m->expire);
	__skb_queue_purge(&queue);
}

void ntm_miss_free(struct ntm_dev *ndev)
{
	kfree(ndev->miss);
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/miss_test.c"
#endif
