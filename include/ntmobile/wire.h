/* SPDX-License-Identifier: GPL-2.0 */
/*
 * NTMobile: the data packet, as the kernel and the user-space path share it.
 *
 * Everything on the NTMobile UDP port starts with one byte that tells data
 * from signalling: bit 7 set is data, clear is signalling (docs/PROTOCOL.md).
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-+---+---------------------------------------------------------+
 *  |1| E |                Counter, low 29 bits                     |
 *  +-+---+---------------------------------------------------------+
 *  |                          Path ID                              |
 *  +---------------------------------------------------------------+
 *  |        inner IP packet, encrypted        |  tag, 16 bytes     |
 *
 * E is the epoch modulo 4. Counter and nonce are 64 bits at both ends; the
 * receiver rebuilds the upper 35 bits from the highest counter it has
 * accepted. No field of the header is additional data: each selects the path,
 * the key or the nonce, so a changed bit makes the tag fail.
 * An empty inner packet is a keep-alive and confirms a key.
 */
#ifndef NTMOBILE_WIRE_H
#define NTMOBILE_WIRE_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <asm/byteorder.h>
#else
#include <stdint.h>
#include <stdbool.h>
#include <arpa/inet.h>
#include <linux/types.h>
#endif

#define NTM_WIRE_PORT		4330	/* default UDP port, host order */
#define NTM_WIRE_HDR_LEN	8	/* bytes before the ciphertext */
#define NTM_WIRE_TAG_LEN	16	/* bytes after it */
#define NTM_WIRE_OVERHEAD	(NTM_WIRE_HDR_LEN + NTM_WIRE_TAG_LEN)
#define NTM_WIRE_KEY_LEN	32	/* ChaCha20-Poly1305 and AES-256-GCM */
#define NTM_WIRE_NONCE_LEN	12
#define NTM_WIRE_EPOCHS		4	/* epochs that the header can tell */

#define NTM_WIRE_DATA		0x80000000u
#define NTM_WIRE_EPOCH_SHIFT	29
#define NTM_WIRE_CTR_MASK	0x1fffffffu

/*
 * Limits of one key, in packets. A sender asks for a new key after
 * NTM_WIRE_REKEY_AFTER and stops at NTM_WIRE_REJECT_AFTER.
 */
#define NTM_WIRE_REKEY_AFTER	(1ULL << 31)
#define NTM_WIRE_REJECT_AFTER	(1ULL << 60)
#define NTM_WIRE_REJECT_AFTER_S	180	/* no sending key is used longer */

/* Cipher suites, as in the Tunnel Request (a bit mask of 1 << suite). */
enum ntm_suite {
	NTM_SUITE_CHACHA20_POLY1305 = 1,	/* RFC 8439 */
	NTM_SUITE_AES_256_GCM = 2,		/* RFC 5288's construction */
};

/**
 * struct ntm_wire_hdr - the header in front of the ciphertext
 * @word:	big-endian: data bit, epoch modulo 4, counter's low 29 bits
 * @path_id:	big-endian Path ID, chosen at random by the DC, never zero
 */
struct ntm_wire_hdr {
	__be32 word;
	__be32 path_id;
};

#ifdef __KERNEL__
#define ntm_wire_hton32(x)	cpu_to_be32(x)
#define ntm_wire_ntoh32(x)	be32_to_cpu(x)
#else
#define ntm_wire_hton32(x)	htonl(x)
#define ntm_wire_ntoh32(x)	ntohl(x)
#endif

/** ntm_wire_is_data() - is a datagram with this first byte a data packet? */
static inline bool ntm_wire_is_data(__u8 first)
{
	return first & 0x80;
}

/**
 * ntm_wire_build() - fill in a header
 * @h:		8 writable bytes, 4-byte aligned
 * @epoch:	epoch of the key, any value; sent modulo 4
 * @ctr:	64-bit counter of this packet
 * @path_id:	Path ID in network order
 */
static inline void ntm_wire_build(struct ntm_wire_hdr *h, __u32 epoch,
				  __u64 ctr, __be32 path_id)
{
	h->word = ntm_wire_hton32(NTM_WIRE_DATA |
				  (epoch % NTM_WIRE_EPOCHS) << NTM_WIRE_EPOCH_SHIFT |
				  ((__u32)ctr & NTM_WIRE_CTR_MASK));
	h->path_id = path_id;
}

/** ntm_wire_epoch() - the epoch modulo 4 that a header names */
static inline __u8 ntm_wire_epoch(const struct ntm_wire_hdr *h)
{
	return ntm_wire_ntoh32(h->word) >> NTM_WIRE_EPOCH_SHIFT & (NTM_WIRE_EPOCHS - 1);
}

/**
 * ntm_wire_ctr() - the 64-bit counter of a header
 * @h:		the header
 * @highest:	highest counter accepted so far under the same key, 0 at first
 *
 * Returns the value that ends in the header's 29 bits and is nearest to
 * @highest (RFC 3711 3.3.1 does this for SRTP). A wrong guess cannot do harm:
 * the nonce differs and the tag fails.
 */
static inline __u64 ntm_wire_ctr(const struct ntm_wire_hdr *h, __u64 highest)
{
	const __u64 span = (__u64)NTM_WIRE_CTR_MASK + 1;
	__u64 ctr = (highest & ~(span - 1)) | (ntm_wire_ntoh32(h->word) & NTM_WIRE_CTR_MASK);

	if (ctr + span / 2 < highest)
		ctr += span;
	else if (ctr > highest + span / 2 && ctr >= span)
		ctr -= span;
	return ctr;
}

/**
 * ntm_wire_nonce() - the AEAD nonce of a packet
 * @nonce:	12 bytes out: four of zero, then the counter, big-endian
 * @ctr:	64-bit counter
 */
static inline void ntm_wire_nonce(__u8 nonce[NTM_WIRE_NONCE_LEN], __u64 ctr)
{
	int i;

	for (i = 0; i < 4; i++)
		nonce[i] = 0;
	for (i = 0; i < 8; i++)
		nonce[4 + i] = ctr >> (56 - 8 * i);
}

#endif /* NTMOBILE_WIRE_H */
