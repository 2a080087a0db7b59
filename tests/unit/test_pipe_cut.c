// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/cut.c ntmd/pipe/csum.c */
/* Cutting packets of the TUN device: each segment against one built from nothing; and what a header may lie about. */
#include "pipe_test.h"

#include <stdlib.h>

#include "pipe/csum.h"
#include "pipe/cut.h"

#define BIG 65536

static uint8_t packet[BIG], segment[BIG], original[BIG];

static void test_csum(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		const size_t at = test_random() % 64, len = test_random() % (i % 100 ? 200 : 60000);
		uint8_t sum[2];
		uint16_t got;

		if (i % 50 == 0)
			for (size_t j = 0; j < sizeof(packet); j++)
				packet[j] = i % 100 ? 0xff : (uint8_t)test_random();
		got = ntm_csum_fold(ntm_csum_add(0, packet + at, len));
		memcpy(sum, &got, sizeof(sum));
		assert_int_equal(test_get16(sum) % 0xffff, test_sum(0, packet + at, len) % 0xffff);
	}
	assert_int_equal(ntm_csum_fold(0xffffffffffffffffull), 0xffff);
	assert_int_equal(ntm_csum_fold(0), 0);
}

static void test_csum_pseudo(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .payload = 7 };

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint8_t sum[2];
		uint16_t got;

		t.v6 = v6;
		test_build(&t, packet);
		got = ntm_csum_fold(ntm_csum_pseudo(packet, IPPROTO_TCP, 60001));
		memcpy(sum, &got, sizeof(sum));
		assert_int_equal(test_get16(sum), test_pseudo(packet, IPPROTO_TCP, 60001));
	}
}

/* Segment @n of @t, as it must come out */
static size_t expected(const struct test_packet *t, size_t size, size_t n, uint8_t *out)
{
	struct test_packet s = *t;
	const size_t at = n * size;

	s.payload = t->payload - at < size ? t->payload - at : size;
	s.fill = (uint8_t)(t->fill + at);
	s.seq = t->seq + (uint32_t)at;
	s.id = (uint16_t)(t->id + n);
	if (n)
		s.flags &= (uint8_t)~TEST_CWR;
	if (at + s.payload < t->payload)
		s.flags &= (uint8_t) ~(TEST_FIN | TEST_PSH);
	return test_build(&s, out);
}

static void cut_and_compare(const struct test_packet *t, size_t size)
{
	const size_t len = test_build(t, packet);
	struct virtio_net_hdr vnet = test_gso(packet, len, size);
	struct ntm_cut cut;
	size_t n = 0, largest = 0, got, want;
	uint8_t *p;

	if (t->flags & TEST_CWR)
		vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	assert_int_equal(ntm_cut_segments(&cut), (t->payload + size - 1) / size);
	for (; (p = ntm_cut_next(&cut, &got)); n++) {
		want = expected(t, size, n, segment);
		assert_int_equal(got, want);
		assert_memory_equal(p, segment, want);
		test_verify(p, got);
		largest = got > largest ? got : largest;
	}
	assert_int_equal(n, (t->payload + size - 1) / size);
	assert_null(ntm_cut_next(&cut, &got));
	assert_int_equal(ntm_cut_largest(&cut), largest);
}

static void test_tso(void **state)
{
	static const size_t sizes[] = { 1, 7, 536, 1396, 1448 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (unsigned int payload = 1; payload < 6000;
		     payload += 1 + test_random() % 1500) {
			struct test_packet t = { .v6 = i & 1,
						 .proto = IPPROTO_TCP,
						 .flags = TEST_ACK,
						 .tos = 0x6a,
						 .ttl = 64,
						 .frag = 0x4000,
						 .id = 65530,
						 .seq = 0xfffffff0,
						 .fill = (uint8_t)i,
						 .tcp_options = i % 3 * 12,
						 .payload = payload };

			cut_and_compare(&t, sizes[i]);
			t.v6 = !t.v6;
			cut_and_compare(&t, sizes[i]);
		}
	}
}

/* Every flag that belongs to one segment only, alone and together; in packets of one segment, too */
static void test_tcp_flags(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		struct test_packet t = {
			.proto = IPPROTO_TCP, .flags = (uint8_t)flags, .seq = flags, .payload = 2500
		};

		cut_and_compare(&t, 1000);
		cut_and_compare(&t, 2500);
		cut_and_compare(&t, 3000);
		t.v6 = true;
		cut_and_compare(&t, 1000);
	}
}

static void test_options(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .flags = TEST_ACK, .payload = 5000 };

	(void)state;
	for (t.ip_options = 0; t.ip_options <= 40; t.ip_options += 4)
		for (t.tcp_options = 0; t.tcp_options <= 40; t.tcp_options += 8)
			cut_and_compare(&t, 1200);
	t.v6 = true;
	t.ip_options = t.tcp_options = 0;
	for (t.ext = 8; t.ext <= 128; t.ext += 24)
		cut_and_compare(&t, 1200);
}

static void test_uso(void **state)
{
	struct test_packet t = { .proto = IPPROTO_UDP, .frag = 0x4000, .id = 9 };

	(void)state;
	for (t.payload = 1; t.payload < 9000; t.payload += 311) {
		t.v6 = !t.v6;
		cut_and_compare(&t, 1000);
		cut_and_compare(&t, 33);
	}
}

/* A UDP checksum of 0 means that there is none: it must not come out by chance */
static void test_uso_zero_checksum(void **state)
{
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = 4 };
	unsigned int hits = 0;

	(void)state;
	for (unsigned int i = 0; i < 65536; i++) {
		const size_t len = test_build(&t, packet);
		struct virtio_net_hdr vnet;
		struct ntm_cut cut;
		size_t got;
		uint8_t *p;

		test_put16(packet + 28, i);
		vnet = i & 1 ? test_gso(packet, len, 4) : test_partial(packet, len);
		assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
		p = ntm_cut_next(&cut, &got);
		assert_int_not_equal(test_get16(p + 26), 0);
		hits += test_get16(p + 26) == 0xffff;
		test_verify(p, got);
	}
	assert_true(hits >= 1);
}

static void test_whole(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .flags = TEST_SYN, .payload = 11 };
	struct virtio_net_hdr vnet = { 0 };
	struct ntm_cut cut;
	size_t len, got;

	(void)state;
	for (int i = 0; i < 4; i++) {
		t.v6 = i & 1;
		t.proto = i & 2 ? IPPROTO_UDP : IPPROTO_TCP;
		len = test_build(&t, packet);
		memcpy(original, packet, len);
		vnet = test_partial(packet, len);
		assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
		assert_int_equal(ntm_cut_segments(&cut), 1);
		assert_int_equal(ntm_cut_largest(&cut), len);
		assert_ptr_equal(ntm_cut_next(&cut, &got), packet);
		assert_int_equal(got, len);
		assert_memory_equal(packet, original, len);
		assert_null(ntm_cut_next(&cut, &got));
	}
}

/* A packet that waited for its path is begun twice */
static void test_twice(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .flags = TEST_SYN };
	const size_t len = test_build(&t, packet);
	struct virtio_net_hdr vnet = test_partial(packet, len);
	struct ntm_cut cut;

	(void)state;
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	test_verify(packet, len);
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	test_verify(packet, len);
	/* but nothing is taken from a GSO packet, whose checksums come later */
	t.payload = 5000;
	test_build(&t, packet);
	vnet = test_gso(packet, 5040, 1000);
	for (int i = 0; i < 2; i++) {
		assert_true(ntm_cut_begin(&cut, &vnet, packet, 5040));
		assert_int_equal(ntm_cut_segments(&cut), 5);
	}
}

static bool refused(const struct virtio_net_hdr *vnet, size_t len)
{
	struct virtio_net_hdr copy = *vnet;
	uint8_t *exact = malloc(len ? len : 1); /* so that ASan sees what is read beyond */
	struct ntm_cut cut;
	bool ok;

	memcpy(exact, packet, len);
	ok = ntm_cut_begin(&cut, &copy, exact, len);
	free(exact);
	return !ok;
}

static void test_malformed_ip(void **state)
{
	const struct virtio_net_hdr plain = { 0 };
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = 100 };

	(void)state;
	test_build(&t, packet);
	assert_true(refused(&plain, 0));
	assert_true(refused(&plain, 1));
	assert_true(refused(&plain, 19));
	assert_false(refused(&plain, 20));
	packet[0] = 0x44; /* shorter than a header is */
	assert_true(refused(&plain, 128));
	packet[0] = 0x4f; /* longer than the packet */
	assert_true(refused(&plain, 59));
	assert_false(refused(&plain, 60));
	packet[0] = 0x60;
	assert_true(refused(&plain, 39));
	assert_false(refused(&plain, 40));
	for (unsigned int version = 0; version < 16; version++) {
		packet[0] = (uint8_t)(version << 4 | 5);
		assert_int_equal(!refused(&plain, 128), version == 4 || version == 6);
	}
}

static void test_malformed_checksum(void **state)
{
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = 100 };
	const size_t len = test_build(&t, packet);
	struct virtio_net_hdr vnet = test_partial(packet, len);

	(void)state;
	assert_false(refused(&vnet, len));
	vnet.csum_offset = (uint16_t)(len - 20 - 2);
	assert_false(refused(&vnet, len));
	vnet.csum_offset++;
	assert_true(refused(&vnet, len));
	vnet.csum_offset = 6;
	vnet.csum_start = 19; /* within the IP header */
	assert_true(refused(&vnet, len));
	vnet.csum_start = vnet.csum_offset = 65535;
	assert_true(refused(&vnet, len));
}

static void test_malformed_gso(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .tcp_options = 12, .payload = 100 };
	const size_t len = test_build(&t, packet);
	const struct virtio_net_hdr good = test_gso(packet, len, 50);
	struct virtio_net_hdr vnet = good;

	(void)state;
	assert_false(refused(&vnet, len));
	assert_true(refused(&vnet, 20 + 19)); /* no TCP header */
	assert_true(refused(&vnet, 20 + 32)); /* no payload */
	assert_false(refused(&vnet, 20 + 33));
	vnet.gso_size = 0;
	assert_true(refused(&vnet, len));
	vnet = good;
	vnet.flags = 0;
	assert_true(refused(&vnet, len));
	vnet = good;
	vnet.csum_start = 16;
	assert_true(refused(&vnet, len));
	vnet.csum_start = 65535;
	assert_true(refused(&vnet, len));
	vnet = good;
	packet[20 + 12] = 0x40; /* a TCP header of 16 bytes */
	assert_true(refused(&vnet, len));
	packet[20 + 12] = 0x80;
	for (unsigned int type = 0; type < 128; type++) {
		vnet.gso_type = (uint8_t)type;
		assert_int_equal(!refused(&vnet, len),
				 type == 0 || type == 1 || type == 4 || type == 5);
	}
	vnet = good;
	vnet.csum_start = 230; /* headers longer than there is room for */
	assert_true(refused(&vnet, len));
	vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	vnet.csum_start = 130;
	assert_true(refused(&vnet, 138));
	assert_false(refused(&vnet, 139));
}

static size_t longest(size_t payload)
{
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = payload };

	return test_build(&t, packet);
}

static void test_header_room(void **state)
{
	const size_t len = longest(1000);
	struct virtio_net_hdr vnet = test_gso(packet, len, 100);

	(void)state;
	vnet.csum_start = NTM_CUT_HDR_MAX - 8;
	assert_false(refused(&vnet, len));
	vnet.csum_start++;
	assert_true(refused(&vnet, len));
}

/* Fragments: put together again they are the packet */
struct whole {
	uint8_t bytes[BIG];
	size_t len, got;
	unsigned int count;
	bool last;
};

static void put_together(struct whole *w, const uint8_t *p, size_t len, size_t mtu)
{
	const size_t header = (*p & 15u) * 4, at = (test_get16(p + 6) & 0x1fff) * 8u;
	const bool more = test_get16(p + 6) & 0x2000;

	assert_true(len <= mtu);
	assert_int_equal(test_get16(p + 2), len);
	assert_int_equal(test_sum(0, p, header), 0xffff);
	assert_false(w->last);
	assert_int_equal(at, w->got); /* in order, without holes */
	if (more)
		assert_int_equal((len - header) % 8, 0);
	memcpy(w->bytes + at, p + header, len - header);
	w->got += len - header;
	w->last = !more;
	w->count++;
}

static void test_fragments(void **state)
{
	static struct whole w;
	struct virtio_net_hdr vnet;
	struct ntm_cut cut;
	uint8_t *p;
	size_t len, got, segments;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		struct test_packet t = { .proto = IPPROTO_UDP,
					 .id = (uint16_t)i,
					 .ip_options = test_random() % 11 * 4,
					 .payload = test_random() % (i % 50 ? 4000 : 65000) };
		const size_t mtu = 68 + test_random() % 1432;

		len = test_build(&t, packet);
		memcpy(original, packet, len);
		vnet = test_partial(packet, len);
		assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
		assert_true(ntm_cut_fragment(&cut, mtu));
		assert_true(ntm_cut_largest(&cut) <= mtu);
		segments = ntm_cut_segments(&cut);
		memset(&w, 0, sizeof(w));
		while ((p = ntm_cut_next(&cut, &got))) {
			assert_int_equal(test_get16(p + 4), t.id);
			put_together(&w, p, got, mtu);
		}
		assert_true(w.last);
		assert_int_equal(w.count, segments);
		assert_int_equal(w.got, len - 20 - t.ip_options);
		assert_memory_equal(w.bytes, original + 20 + t.ip_options, w.got);
	}
}

/* Packet @n of @t, cut into segments of @size and these into fragments: each segment put together again */
static size_t read_segment(struct ntm_cut *cut, const struct test_packet *t, size_t size, size_t n,
			   size_t mtu)
{
	const size_t header = 20 + t->ip_options, want = expected(t, size, n, segment);
	static struct whole w;
	uint8_t *p;
	size_t got;

	memset(&w, 0, sizeof(w));
	do {
		p = ntm_cut_next(cut, &got);
		assert_non_null(p);
		if (want <= mtu)
			assert_memory_equal(p, segment, want);
		assert_memory_equal(p + 4, segment + 4, 2); /* the identification of the segment */
		assert_memory_equal(p + 8, segment + 8, 2);
		assert_memory_equal(p + 12, segment + 12, header - 12);
		put_together(&w, p, got, mtu);
	} while (!w.last);
	assert_int_equal(w.got, want - header);
	assert_memory_equal(w.bytes, segment + header, w.got);
	return w.count;
}

static void test_fragments_of_segments(void **state)
{
	struct virtio_net_hdr vnet;
	struct ntm_cut cut;
	size_t len, count;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		struct test_packet t = { .proto = i & 1 ? IPPROTO_UDP : IPPROTO_TCP,
					 .flags = TEST_ACK | TEST_PSH | TEST_FIN | TEST_CWR,
					 .id = (uint16_t)(65530 + i),
					 .seq = i,
					 .fill = (uint8_t)i,
					 .ip_options = test_random() % 11 * 4,
					 .tcp_options = test_random() % 11 * 4,
					 .payload = 1 + test_random() % (i % 50 ? 4000 : 60000) };
		const size_t size = 1 + test_random() % 1500, mtu = 68 + test_random() % 1432;

		len = test_build(&t, packet);
		vnet = test_gso(packet, len, size);
		assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
		assert_true(ntm_cut_fragment(&cut, mtu));
		assert_true(ntm_cut_largest(&cut) <= mtu);
		count = ntm_cut_segments(&cut);
		for (size_t n = 0; n * size < t.payload; n++)
			count -= read_segment(&cut, &t, size, n, mtu);
		assert_int_equal(count, 0);
		assert_null(ntm_cut_next(&cut, &len));
	}
}

static void test_fragment_of_fragment(void **state)
{
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = 3000, .frag = 0x2000 | 100 };
	const struct virtio_net_hdr plain = { 0 };
	struct virtio_net_hdr vnet = plain;
	unsigned int at = 100;
	struct ntm_cut cut;
	size_t len, got;
	uint8_t *p;

	(void)state;
	for (int more = 1; more >= 0; more--) {
		t.frag = (uint16_t)((more ? 0x2000 : 0) | 100);
		len = test_build(&t, packet);
		at = 100;
		assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
		assert_true(ntm_cut_fragment(&cut, 1000));
		while ((p = ntm_cut_next(&cut, &got))) {
			const bool last = at + (got - 20) / 8 == 100 + (len - 20) / 8;

			assert_int_equal(test_get16(p + 6) & 0x1fff, at);
			assert_int_equal(!!(test_get16(p + 6) & 0x2000), !last || more);
			at += (unsigned int)(got - 20) / 8;
		}
		assert_int_equal(at, 100 + (len - 20) / 8);
	}
}

/* RFC 791: options with the copied flag in every fragment, the others in the first alone */
static void test_fragment_options(void **state)
{
	static const uint8_t options[12] = { 0x07, 3, 4, 1, 0x94, 4, 0, 0, 0x44, 3, 5, 0 };
	static const uint8_t later[12] = { 1, 1, 1, 1, 0x94, 4, 0, 0, 1, 1, 1, 0 };
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = 3000, .ip_options = 12 };
	const size_t len = test_build(&t, packet);
	struct virtio_net_hdr vnet = { 0 };
	struct ntm_cut cut;
	size_t got, n = 0;
	uint8_t *p;

	(void)state;
	memcpy(packet + 20, options, sizeof(options));
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	assert_true(ntm_cut_fragment(&cut, 1000));
	for (; (p = ntm_cut_next(&cut, &got)); n++) {
		assert_memory_equal(p + 20, n ? later : options, 12);
		assert_int_equal(test_sum(0, p, 32), 0xffff);
	}
	assert_int_equal(n, 4);
}

/* Options that make no sense go along as they are, and nothing is read beyond them */
static void test_fragment_bad_options(void **state)
{
	static const uint8_t bad[][4] = {
		{ 7, 0, 9, 9 }, { 7, 5, 9, 9 }, { 1, 1, 1, 7 }, { 7, 255, 9, 9 }, { 7, 1, 7, 1 }
	};
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = 2000, .ip_options = 4 };
	struct virtio_net_hdr vnet = { 0 };
	struct ntm_cut cut;
	size_t len, got, n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		len = test_build(&t, packet);
		memcpy(packet + 20, bad[i], 4);
		assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
		assert_true(ntm_cut_fragment(&cut, 1000));
		for (n = 0; ntm_cut_next(&cut, &got); n++)
			;
		assert_int_equal(n, 3);
	}
}

static void test_no_fragments(void **state)
{
	struct test_packet t = { .proto = IPPROTO_UDP, .payload = 2000, .frag = 0x4000 };
	struct virtio_net_hdr vnet = { 0 };
	struct ntm_cut cut;
	size_t len = test_build(&t, packet);

	(void)state;
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	assert_false(ntm_cut_fragment(&cut, 1000)); /* DF */
	t.frag = 0;
	test_build(&t, packet);
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	assert_false(ntm_cut_fragment(&cut, 27)); /* no room for 8 bytes */
	assert_true(ntm_cut_fragment(&cut, 28));
	assert_true(ntm_cut_begin(&cut, &vnet, packet, 20));
	assert_false(ntm_cut_fragment(&cut, 1000)); /* a header and nothing else */
	t.frag = 0x4000;
	test_build(&t, packet);
	vnet = test_gso(packet, len, 1000);
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	assert_false(ntm_cut_fragment(&cut, 500));
	t.v6 = true;
	len = test_build(&t, packet);
	vnet = (struct virtio_net_hdr){ 0 };
	assert_true(ntm_cut_begin(&cut, &vnet, packet, len));
	assert_false(ntm_cut_fragment(&cut, 1000));
}

/* A nonce for each: as many segments as were counted, whatever the headers say */
static void test_counted(void **state)
{
	unsigned int cuts = 0;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		const size_t len = 1 + test_random() % 3000;
		struct virtio_net_hdr vnet;
		struct ntm_cut cut;
		uint8_t *p = malloc(len), *next;
		size_t got, n = 0, counted, most;

		for (size_t j = 0; j < len && j < 80; j++)
			p[j] = (uint8_t)test_random();
		for (size_t j = 0; j < sizeof(vnet); j++)
			((uint8_t *)&vnet)[j] = test_random() % 3 ? 0 : (uint8_t)test_random();
		p[0] = (uint8_t)(test_random() & 1 ? 0x45 : 0x60);
		vnet.flags = 1;
		vnet.gso_type = (uint8_t[]){ 0, 1, 4, 5 }[i & 3];
		vnet.csum_start = (uint16_t)(20 + test_random() % 60);
		if (ntm_cut_begin(&cut, &vnet, p, len)) {
			if (i & 4)
				(void)ntm_cut_fragment(&cut, 28 + test_random() % 500);
			counted = ntm_cut_segments(&cut);
			most = ntm_cut_largest(&cut);
			while ((next = ntm_cut_next(&cut, &got))) {
				assert_true(next >= p && next + got <= p + len);
				assert_true(got <= most);
				n++;
			}
			assert_int_equal(n, counted);
			cuts += n > 1;
		}
		free(p);
	}
	assert_true(cuts > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csum),
		cmocka_unit_test(test_csum_pseudo),
		cmocka_unit_test(test_tso),
		cmocka_unit_test(test_tcp_flags),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_uso),
		cmocka_unit_test(test_uso_zero_checksum),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_malformed_ip),
		cmocka_unit_test(test_malformed_checksum),
		cmocka_unit_test(test_malformed_gso),
		cmocka_unit_test(test_header_room),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_fragments_of_segments),
		cmocka_unit_test(test_fragment_of_fragment),
		cmocka_unit_test(test_fragment_options),
		cmocka_unit_test(test_fragment_bad_options),
		cmocka_unit_test(test_no_fragments),
		cmocka_unit_test(test_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
