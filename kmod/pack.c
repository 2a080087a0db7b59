// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/udp.h>
#include "pack.h"

#define NTM_PACK_ORDER	3	/* the largest that the per-CPU page lists keep */
#define NTM_PACK_RING	16	/* pages that a CPU keeps */

void ntm_pack_begin(struct ntm_pack *pack, unsigned int headroom,
		    unsigned int hdr_len)
{
	memset(pack, 0, sizeof(*pack));
	__skb_queue_head_init(&pack->done);
	pack->headroom = headroom;
	pack->max_len = 65535 - hdr_len;
	pack->max_segs = UDP_MAX_SEGMENTS;
}

/*
 * Pages come back: a ring of each CPU holds a reference to the pages it gave
 * out, and gives the oldest again once nobody else has one. That saves the
 * allocator's work, clearing above all, and the pages are warm in the cache.
 */
struct ntm_pack_ring {
	struct page *pages[NTM_PACK_RING];
	unsigned int next;
};

static DEFINE_PER_CPU(struct ntm_pack_ring, ntm_pack_rings);

static struct page *ntm_pack_alloc(int order)
{
	gfp_t gfp = GFP_ATOMIC | __GFP_COMP | __GFP_NOWARN;

	if (order)
		gfp |= __GFP_NORETRY | __GFP_NOMEMALLOC;
	return alloc_pages(gfp, order);
}

static struct page *ntm_pack_recycled(void)
{
	struct ntm_pack_ring *ring = this_cpu_ptr(&ntm_pack_rings);
	struct page **slot = &ring->pages[ring->next];
	struct page *page = *slot;

	ring->next = (ring->next + 1) % NTM_PACK_RING;
	if (page && page_ref_count(page) == 1)
		goto out;

	if (page)
		put_page(page);
	page = ntm_pack_alloc(NTM_PACK_ORDER);
	if (page && page_is_pfmemalloc(page)) {
		*slot = NULL;
		return page;
	}
	*slot = page;
	if (!page)
		return NULL;
out:
	get_page(page);
	return page;
}

static void ntm_pack_empty(struct ntm_pack_ring *ring)
{
	int i;

	for (i = 0; i < NTM_PACK_RING; i++) {
		if (ring->pages[i])
			put_page(ring->pages[i]);
		ring->pages[i] = NULL;
	}
}

/* Who has a device; the rings are filled only while there is one. */
static DEFINE_MUTEX(ntm_pack_mutex);
static unsigned int ntm_pack_users;

void ntm_pack_get(void)
{
	mutex_lock(&ntm_pack_mutex);
	ntm_pack_users++;
	mutex_unlock(&ntm_pack_mutex);
}

void ntm_pack_put(void)
{
	int cpu;

	mutex_lock(&ntm_pack_mutex);
	if (!--ntm_pack_users)
		for_each_possible_cpu(cpu)
			ntm_pack_empty(per_cpu_ptr(&ntm_pack_rings, cpu));
	mutex_unlock(&ntm_pack_mutex);
}

struct page *ntm_pack_page(unsigned int need, unsigned int want,
			   unsigned int *len)
{
	int least = get_order(need);
	int order = clamp(get_order(max(need, want)), least, max(least, NTM_PACK_ORDER));
	struct page *page;

	*len = PAGE_SIZE << order;
	page = order == NTM_PACK_ORDER ? ntm_pack_recycled() : ntm_pack_alloc(order);
	if (page || order == least)
		return page;
	*len = PAGE_SIZE << least;
	return ntm_pack_alloc(least);
}

static void ntm_pack_finish(struct ntm_pack *pack)
{
	struct sk_buff *skb = pack->skb;

	if (!skb)
		return;
	if (pack->segs > 1) {
		skb_shinfo(skb)->gso_size = pack->size;
		skb_shinfo(skb)->gso_segs = pack->segs;
		skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
	}
	__skb_queue_tail(&pack->done, skb);
	pack->skb = NULL;
}

static struct sk_buff *ntm_pack_start(struct ntm_pack *pack, unsigned int len)
{
	struct sk_buff *skb;

	skb = alloc_skb(pack->headroom + (pack->single ? len : 0),
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, pack->headroom);
	pack->skb = skb;
	pack->size = len;
	pack->segs = 0;
	pack->closed = false;
	return skb;
}

static bool ntm_pack_fits(const struct ntm_pack *pack, unsigned int len)
{
	const struct sk_buff *skb = pack->skb;

	return !pack->closed && len <= pack->size &&
	       pack->segs < pack->max_segs && skb->len + len <= pack->max_len &&
	       (pack->page_len - pack->page_used >= len ||
		skb_shinfo(skb)->nr_frags < MAX_SKB_FRAGS);
}

static u8 *ntm_pack_room(struct ntm_pack *pack, unsigned int len)
{
	struct sk_buff *skb = pack->skb;
	int last = skb_shinfo(skb)->nr_frags - 1;
	unsigned int at;

	if (pack->page_len - pack->page_used < len) {
		if (pack->page)
			put_page(pack->page);
		pack->page_used = 0;
		pack->page_len = 0;
		pack->page = ntm_pack_page(len, pack->want, &pack->page_len);
		if (!pack->page) {
			pack->page_len = 0;
			return NULL;
		}
	}

	at = pack->page_used;
	pack->page_used += len;
	if (last >= 0 && at && skb_frag_page(&skb_shinfo(skb)->frags[last]) == pack->page) {
		skb_frag_size_add(&skb_shinfo(skb)->frags[last], len);
		skb->len += len;
		skb->data_len += len;
		skb->truesize += len;
	} else {
		get_page(pack->page);
		skb_add_rx_frag(skb, last + 1, pack->page, at, len, len);
	}
	pack->want -= min(pack->want, len);
	return page_address(pack->page) + at;
}

u8 *ntm_pack_add(struct ntm_pack *pack, unsigned int len)
{
	len = ntm_pack_len(len);
	if (pack->skb && !ntm_pack_fits(pack, len))
		ntm_pack_finish(pack);
	if (!pack->skb && !ntm_pack_start(pack, len))
		return NULL;

	pack->segs++;
	pack->closed = len < pack->size;
	if (pack->single)
		return skb_put(pack->skb, len);
	return ntm_pack_room(pack, len);
}

void ntm_pack_end(struct ntm_pack *pack)
{
	ntm_pack_finish(pack);
	if (pack->page)
		put_page(pack->page);
	pack->page = NULL;
}

void ntm_pack_abort(struct ntm_pack *pack)
{
	ntm_pack_end(pack);
	__skb_queue_purge(&pack->done);
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/pack_test.c"
#endif
