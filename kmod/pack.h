/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Outer packets being filled with segments. A UDP-GSO packet has equal
 * segments but the last, which may be shorter; this keeps that rule and starts
 * another packet where it, or the size of a packet, ends.
 */
#ifndef NTM_PACK_H
#define NTM_PACK_H

#include <linux/skbuff.h>
#include <ntmobile/wire.h>

/**
 * struct ntm_pack - packets being filled
 * @done:	full packets; the last one is in @skb until ntm_pack_end()
 * @skb:	being filled, or NULL
 * @headroom:	bytes in front of the UDP payload
 * @max_len:	bytes of UDP payload in one packet
 * @max_segs:	segments in one packet
 * @single:	there will be one segment: no pages
 * @size:	length of the first segment of @skb
 * @segs:	segments in @skb
 * @closed:	the last segment of @skb was shorter
 * @page, @page_len, @page_used: where payload goes
 * @want:	bytes of payload yet to come, a hint
 */
struct ntm_pack {
	struct sk_buff_head done;
	struct sk_buff *skb;
	unsigned int headroom;
	unsigned int max_len;
	unsigned int max_segs;
	bool single;
	unsigned int size;
	unsigned int segs;
	bool closed;
	struct page *page;
	unsigned int page_len;
	unsigned int page_used;
	unsigned int want;
};

void ntm_pack_begin(struct ntm_pack *pack, unsigned int headroom,
		    unsigned int hdr_len);

/**
 * ntm_pack_add() - room for one more segment
 * @len:	bytes of inner packet
 *
 * Returns where the data header goes; the inner packet follows it. NULL if
 * there is no memory.
 */
u8 *ntm_pack_add(struct ntm_pack *pack, unsigned int len);

/* Sets the GSO fields of the last packet; @done is complete. */
void ntm_pack_end(struct ntm_pack *pack);
void ntm_pack_abort(struct ntm_pack *pack);

/* Bytes that a segment of @len bytes of inner packet takes. */
static inline unsigned int ntm_pack_len(unsigned int len)
{
	return len + NTM_WIRE_OVERHEAD;
}

/**
 * ntm_pack_page() - a page for payload, in or out; BH disabled
 * @need:	bytes it must have
 * @want:	bytes that would be of use
 * @len:	out: bytes it has
 *
 * The contents are undefined.
 */
struct page *ntm_pack_page(unsigned int need, unsigned int want,
			   unsigned int *len);

/*
 * Process context. Whoever takes pages holds a reference: with the last one the pages
 * kept for the next packets are freed. Nobody may be taking any by then.
 */
void ntm_pack_get(void);
void ntm_pack_put(void);

#endif
