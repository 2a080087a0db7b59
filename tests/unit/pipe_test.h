/* SPDX-License-Identifier: GPL-2.0 */
/* Packets for the tests of ntmd/pipe: made, and checked, byte by byte and without its code. */
#ifndef NTM_PIPE_TEST_H
#define NTM_PIPE_TEST_H

#include "ntm_test.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define TEST_FIN 0x01
#define TEST_SYN 0x02
#define TEST_RST 0x04
#define TEST_PSH 0x08
#define TEST_ACK 0x10
#define TEST_URG 0x20
#define TEST_ECE 0x40
#define TEST_CWR 0x80

/** struct test_packet - what test_build() makes: a TCP or UDP packet whose payload counts up from @fill */
struct test_packet {
	bool v6;
	uint8_t proto, flags, tos, ttl, fill;
	uint16_t id, frag; /* IPv4: the fragment field, in host order */
	uint32_t seq;
	size_t ip_options, tcp_options, ext,
		payload; /* bytes of each; ext: an IPv6 destination options header */
};

static inline uint32_t test_random(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

static inline unsigned int test_get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static inline uint32_t test_get32(const uint8_t *p)
{
	return (uint32_t)test_get16(p) << 16 | test_get16(p + 2);
}

static inline void test_put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* RFC 1071, word by word, carry by carry */
static inline unsigned int test_sum(unsigned int sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (unsigned int)p[i] << 8;
		sum = sum > 0xffff ? sum - 0xffff : sum;
	}
	return sum;
}

/* Where the transport header is; IPv6: behind a destination options header, if there is one */
static inline size_t test_l4(const uint8_t *p, uint8_t *proto)
{
	if (*p >> 4 == 4) {
		*proto = p[9];
		return (*p & 15u) * 4;
	}
	*proto = p[6];
	if (p[6] != 60)
		return 40;
	*proto = p[40];
	return 40 + (p[41] + 1u) * 8;
}

static inline unsigned int test_pseudo(const uint8_t *p, uint8_t proto, size_t l4_len)
{
	uint8_t tail[8] = { 0, 0, (uint8_t)(l4_len >> 8), (uint8_t)l4_len, 0, 0, 0, proto };
	const unsigned int sum = test_sum(0, tail, sizeof(tail));

	return *p >> 4 == 4 ? test_sum(sum, p + 12, 8) : test_sum(sum, p + 8, 32);
}

/** test_build() - a whole packet with right checksums; its length */
static inline size_t test_build(const struct test_packet *t, uint8_t *p)
{
	const size_t ip = t->v6 ? 40 + t->ext : 20 + t->ip_options;
	const size_t l4 = t->proto == IPPROTO_TCP ? 20 + t->tcp_options : 8;
	const size_t len = ip + l4 + t->payload;
	uint8_t *h = p + ip;

	memset(p, 0, ip + l4);
	if (t->v6) {
		p[0] = (uint8_t)(0x60 | t->tos >> 4);
		p[1] = (uint8_t)(t->tos << 4);
		test_put16(p + 4, len - 40);
		p[6] = t->ext ? 60 : t->proto;
		p[7] = t->ttl;
		p[8] = p[24] = 0xfd;
		p[23] = 1;
		p[39] = 2;
		if (t->ext) {
			p[40] = t->proto;
			p[41] = (uint8_t)(t->ext / 8 - 1);
			p[42] = 1; /* PadN */
			p[43] = (uint8_t)(t->ext - 4);
		}
	} else {
		p[0] = (uint8_t)(0x45 + t->ip_options / 4);
		p[1] = t->tos;
		test_put16(p + 2, len);
		test_put16(p + 4, t->id);
		test_put16(p + 6, t->frag);
		p[8] = t->ttl;
		p[9] = t->proto;
		memcpy(p + 12, "\x64\x40\x00\x01\x64\x40\x00\x02", 8);
		memset(p + 20, 1, t->ip_options);
		test_put16(p + 10, ~test_sum(0, p, ip));
	}
	test_put16(h, 1000);
	test_put16(h + 2, 2000);
	for (size_t i = 0; i < t->payload; i++)
		h[l4 + i] = (uint8_t)(t->fill + i);
	if (t->proto == IPPROTO_TCP) {
		test_put16(h + 4, t->seq >> 16);
		test_put16(h + 6, t->seq);
		test_put16(h + 8, 0x1234);
		h[12] = (uint8_t)(l4 / 4 << 4);
		h[13] = t->flags;
		test_put16(h + 14, 501);
		memset(h + 20, 1, t->tcp_options);
		test_put16(h + 16, ~test_sum(test_pseudo(p, t->proto, len - ip), h, len - ip));
	} else {
		test_put16(h + 4, len - ip);
		test_put16(h + 6, ~test_sum(test_pseudo(p, t->proto, len - ip), h, len - ip));
		if (!test_get16(h + 6))
			test_put16(h + 6, 0xffff);
	}
	return len;
}

/** test_verify() - lengths and checksums of a packet that is no fragment are right */
static inline void test_verify(const uint8_t *p, size_t len)
{
	uint8_t proto;
	const size_t l4 = test_l4(p, &proto);

	if (*p >> 4 == 4) {
		assert_int_equal(test_get16(p + 2), len);
		assert_int_equal(test_sum(0, p, l4), 0xffff);
	} else {
		assert_int_equal(test_get16(p + 4) + 40, len);
	}
	if (proto == IPPROTO_UDP) {
		assert_int_equal(test_get16(p + l4 + 4), len - l4);
		assert_int_not_equal(test_get16(p + l4 + 6), 0);
	}
	assert_int_equal(test_sum(test_pseudo(p, proto, len - l4), p + l4, len - l4), 0xffff);
}

/** test_partial() - put the pseudo-header's sum where the checksum goes, as the kernel leaves it to a device; returns vnet */
static inline struct virtio_net_hdr test_partial(uint8_t *p, size_t len)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	uint8_t proto;
	const size_t l4 = test_l4(p, &proto);

	vnet.csum_start = (uint16_t)l4;
	vnet.csum_offset = proto == IPPROTO_TCP ? 16 : 6;
	test_put16(p + l4 + vnet.csum_offset, test_pseudo(p, proto, len - l4));
	return vnet;
}

/** test_gso() - the same for a packet to be cut into segments of @size */
static inline struct virtio_net_hdr test_gso(uint8_t *p, size_t len, size_t size)
{
	struct virtio_net_hdr vnet = test_partial(p, len);
	uint8_t proto;

	(void)test_l4(p, &proto);
	vnet.gso_size = (uint16_t)size;
	vnet.gso_type = proto == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4 :
			*p >> 4 == 6	     ? VIRTIO_NET_HDR_GSO_TCPV6 :
					       VIRTIO_NET_HDR_GSO_TCPV4;
	return vnet;
}

#endif
