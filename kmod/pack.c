// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/udp.h>
#include "pack.h"

#define NTM_PACK_ORDER	3	/* the largest that the per-CPU page lists keep */

void ntm_pack_begin(struct ntm_pack *pack, unsigned int headroom,
		    unsigned int hdr_len)
{
	memset(pack, 0, sizeof(*pack));
	__skb_queue_head_init(&pack->done);
	pack->headroom = headroom;
	pack->max_len = 65535 - hdr_len;
	pack->max_segs = UDP_MAX_SEGMENTS;
}

struct page *ntm_pack_page(unsigned int need, unsigned int want,
			   unsigned int *len)
{
	int order = min(get_order(max(need, want)), NTM_PACK_ORDER);
	struct page *page;

	order = max(order, get_order(need));
	*len = PAGE_SIZE << order;
	page = alloc_pages(GFP_ATOMIC | __GFP_COMP | __GFP_NOWARN |
			   (order ? __GFP_NORETRY | __GFP_NOMEMALLOC : 0), order);
	if (page || get_order(need) == order)
		return page;

	order = get_order(need);
	*len = PAGE_SIZE << order;
	return alloc_pages(GFP_ATOMIC | __GFP_COMP | __GFP_NOWARN, order);
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
