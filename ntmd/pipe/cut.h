/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cutting a packet from the TUN device, GSO or not, into packets that fit the path.
 *
 * Nothing is copied: the headers of a segment, and of a fragment, are written over the end of the payload before it, which has been
 * sealed by then. So each must be done with before the next one is asked for.
 */
#ifndef NTM_PIPE_CUT_H
#define NTM_PIPE_CUT_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTM_CUT_HDR_MAX 256 /* of IP and transport header, extension headers included */
#define NTM_CUT_IP4_MAX 60

/**
 * struct ntm_cut_frag - a segment on its way out as fragments of IPv4
 * @mtu:	bytes of the largest; 0: segments leave whole
 * @hdr:	header of the next fragment
 * @at:		next byte of the segment
 */
struct ntm_cut_frag {
	uint8_t *packet;
	size_t mtu, len, at, hdr_len;
	uint8_t hdr[NTM_CUT_IP4_MAX];
};

/**
 * struct ntm_cut - a packet being cut
 * @size:	bytes of payload in a segment; 0: there is one, the packet as it is
 * @hdr:	headers of the next segment
 * @hdr_len:	bytes of them; @l4: where the transport header begins
 * @proto:	IPPROTO_TCP, IPPROTO_UDP
 * @at:		next byte of payload; @first: nothing was given out yet
 */
struct ntm_cut {
	uint8_t *packet;
	size_t len, at, size, hdr_len, l4;
	uint8_t proto;
	bool v6, first;
	uint8_t hdr[NTM_CUT_HDR_MAX];
	struct ntm_cut_frag frag;
};

/**
 * ntm_cut_begin() - read a packet's headers
 * @vnet:	what the device said of it; bounds are checked, not believed
 *
 * Also completes the checksum of a packet that is no GSO packet, and says so in @vnet: one that must wait for its path begins
 * again. False: malformed.
 */
bool ntm_cut_begin(struct ntm_cut *cut, struct virtio_net_hdr *vnet, uint8_t *packet, size_t len);
/** ntm_cut_largest() - bytes of the largest packet that it becomes; in fragments, that they may have */
size_t ntm_cut_largest(const struct ntm_cut *cut);
/** ntm_cut_segments() - how many packets it becomes */
size_t ntm_cut_segments(const struct ntm_cut *cut);
/** ntm_cut_fragment() - cut segments longer than @mtu bytes into IPv4 fragments. False: it is IPv6, or has DF set */
bool ntm_cut_fragment(struct ntm_cut *cut, size_t mtu);
/** ntm_cut_next() - the next packet; NULL: that was all */
uint8_t *ntm_cut_next(struct ntm_cut *cut, size_t *len);

#endif
