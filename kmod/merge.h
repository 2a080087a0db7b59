/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where decrypted segments go, and how consecutive TCP segments become one GSO
 * packet on the way.
 *
 * A segment is decrypted straight to where its payload belongs in the merged
 * packet: its headers land on the last bytes of the payload before it, which
 * are set aside for that moment. If it turns out to be the next segment of the
 * same flow, the headers are forgotten and nothing has been copied; if not,
 * it starts a packet of its own.
 */
#ifndef NTM_MERGE_H
#define NTM_MERGE_H

#include <linux/skbuff.h>
#include <linux/tcp.h>

#define NTM_MERGE_HDR_MAX	(40 + 60)

/**
 * struct ntm_merge - a run of segments of one outer packet
 * @dev:	device the packets will be received on
 * @done:	finished packets, in order
 * @merge:	merging is on
 * @want:	bytes of payload yet to come, a hint
 * @page, @page_len, @page_used: where payload goes
 * @skb:	packet being built, or NULL
 * @mergeable:	another segment may follow
 * @alone:	the last packet was none that others follow
 * @hdr_len:	bytes of IP and TCP header of @skb
 * @size:	bytes of payload of its first segment
 * @segs:	segments in it
 * @len:	its bytes of payload
 * @fixed_id:	its segments carry the same IPv4 identification
 * @lin:	plaintext of the segment in work, if it goes to a head
 * @buf:	where it is decrypted to
 * @guess:	bytes of header expected in it, 0 if it cannot follow
 * @hole:	bytes of earlier payload that it overwrites meanwhile
 * @saved:	those bytes
 */
struct ntm_merge {
	struct net_device *dev;
	struct sk_buff_head done;
	bool merge;
	unsigned int want;
	struct page *page;
	unsigned int page_len, page_used;
	struct sk_buff *skb;
	bool mergeable;
	bool alone;
	unsigned int hdr_len;
	unsigned int size;
	unsigned int segs;
	unsigned int len;
	bool fixed_id;
	struct sk_buff *lin;
	u8 *buf;
	unsigned int guess;
	unsigned int hole;
	u8 saved[NTM_MERGE_HDR_MAX];
};

void ntm_merge_begin(struct ntm_merge *m, struct net_device *dev, bool merge,
		     unsigned int want);

/* Room for @len bytes of plaintext, NULL without memory. Then add or drop it. */
u8 *ntm_merge_room(struct ntm_merge *m, unsigned int len);

/* The plaintext is a good IP packet of @len bytes. False: no memory, it is lost. */
bool ntm_merge_add(struct ntm_merge *m, unsigned int len);
void ntm_merge_drop(struct ntm_merge *m);

/* Finishes the last packet; @done is complete. */
void ntm_merge_end(struct ntm_merge *m);

#endif
