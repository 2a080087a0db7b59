/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Consecutive segments of a TCP flow, or datagrams of a UDP flow, on their way into the TUN device become one GSO packet: the
 * headers of the first, and the payload of each where it lies (an iovec each).
 */
#ifndef NTM_PIPE_MERGE_H
#define NTM_PIPE_MERGE_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define NTM_MERGE_MAX 64 /* segments in a packet */

/**
 * struct ntm_seg - a decrypted, checked inner packet
 * @proto:	IPPROTO_TCP or IPPROTO_UDP if it may be merged (its checksums are right), else 0
 * @l4:		bytes of IP header; @hdr_len: bytes of both headers; only with @proto
 */
struct ntm_seg {
	uint8_t *p;
	uint16_t len;
	uint16_t l4, hdr_len;
	uint8_t proto;
};

/** ntm_seg_parse() - @p and @len are set; finds out the rest */
void ntm_seg_parse(struct ntm_seg *seg, bool udp);

/**
 * struct ntm_merge - the packet being built
 * @head:	its first segment; @count: segments; 0: there is none
 * @payload:	bytes behind the headers; @size: of the first segment's
 * @open:	another segment may follow
 * @fixed_id:	its segments carry the same IPv4 identification
 * @iov:	[0] is left for the vnet header
 */
struct ntm_merge {
	struct ntm_seg head;
	unsigned int count, iov_count;
	size_t payload, size;
	bool open, fixed_id;
	struct virtio_net_hdr vnet;
	struct iovec iov[NTM_MERGE_MAX + 2];
};

/** ntm_merge_add() - false: it does not follow, finish and begin with it */
bool ntm_merge_add(struct ntm_merge *merge, const struct ntm_seg *seg);
void ntm_merge_begin(struct ntm_merge *merge, const struct ntm_seg *seg);
/** ntm_merge_finish() - headers, @vnet and @iov are complete; write @iov_count iovecs, begin anew afterwards */
void ntm_merge_finish(struct ntm_merge *merge);
/** ntm_merge_undo() - after that: the segments are again as they came */
void ntm_merge_undo(struct ntm_merge *merge);
/** ntm_merge_segment() - segment @i below @count, as one packet */
struct iovec ntm_merge_segment(const struct ntm_merge *merge, unsigned int i);

#endif
