// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/merge.c ntmd/pipe/cut.c ntmd/pipe/csum.c */
/* Merging segments on their way to the TUN device: what may be, what may not, and that cutting gives back what came. */
#include "pipe_test.h"

#include "pipe/cut.h"
#include "pipe/merge.h"

#define MANY 70

static struct ntm_merge merge;
static struct ntm_seg segs[MANY];
static uint8_t bytes[MANY][4096], before[MANY][4096], whole[1 << 17];
static const struct test_packet tcp = { .proto = IPPROTO_TCP,
					.flags = TEST_ACK,
					.frag = 0x4000,
					.ttl = 64,
					.id = 77,
					.seq = 0xffffff00,
					.tcp_options = 12,
					.payload = 1000 };
static const struct test_packet udp = { .proto = IPPROTO_UDP,
					.frag = 0x4000,
					.ttl = 64,
					.id = 77,
					.payload = 1000 };

static struct ntm_seg *parse(size_t i, size_t len)
{
	memcpy(before[i], bytes[i], len);
	segs[i] = (struct ntm_seg){ .p = bytes[i], .len = (uint16_t)len };
	ntm_seg_parse(&segs[i], true);
	return &segs[i];
}

static struct ntm_seg *seg(size_t i, const struct test_packet *t)
{
	return parse(i, test_build(t, bytes[i]));
}

/* The packet after @t */
static struct test_packet next(const struct test_packet *t)
{
	struct test_packet n = *t;

	n.seq += (uint32_t)t->payload;
	n.fill = (uint8_t)(t->fill + t->payload);
	n.id++;
	return n;
}

static size_t gather(void)
{
	size_t len = 0;

	for (unsigned int i = 1; i < merge.iov_count; i++) {
		memcpy(whole + len, merge.iov[i].iov_base, merge.iov[i].iov_len);
		len += merge.iov[i].iov_len;
	}
	assert_ptr_equal(merge.iov[0].iov_base, &merge.vnet);
	assert_int_equal(merge.iov[0].iov_len, sizeof(merge.vnet));
	return len;
}

/* Cut again as the kernel would: the same packets, byte by byte */
static void give_back(size_t first, unsigned int count)
{
	struct ntm_cut cut;
	size_t len, got;
	uint8_t *p;

	assert_int_equal(merge.count, count);
	ntm_merge_finish(&merge);
	len = gather();
	assert_int_equal(!!merge.vnet.gso_type, count > 1);
	if (count > 1)
		assert_int_equal(merge.vnet.hdr_len, segs[first].hdr_len);
	assert_true(ntm_cut_begin(&cut, &merge.vnet, whole, len));
	for (unsigned int i = 0; i < count; i++) {
		p = ntm_cut_next(&cut, &got);
		assert_non_null(p);
		assert_int_equal(got, segs[first + i].len);
		assert_memory_equal(p, before[first + i], got);
	}
	assert_null(ntm_cut_next(&cut, &got));
}

static void test_stream(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct test_packet t = kind & 1 ? udp : tcp;

		t.v6 = kind & 2;
		ntm_merge_begin(&merge, seg(0, &t));
		for (unsigned int i = 1; i < 40; i++) {
			t = next(&t);
			if (i == 39)
				t.payload = 1; /* the last may be shorter */
			assert_true(ntm_merge_add(&merge, seg(i, &t)));
		}
		t = next(&t);
		assert_false(ntm_merge_add(&merge, seg(40, &t)));
		give_back(0, 40);
	}
}

static void test_most(void **state)
{
	struct test_packet t = tcp;

	(void)state;
	ntm_merge_begin(&merge, seg(0, &t));
	for (unsigned int i = 1; i < NTM_MERGE_MAX; i++) {
		t = next(&t);
		assert_true(ntm_merge_add(&merge, seg(i, &t)));
	}
	t = next(&t);
	assert_false(ntm_merge_add(&merge, seg(NTM_MERGE_MAX, &t)));
	give_back(0, NTM_MERGE_MAX);
}

static void test_largest(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct test_packet t = tcp;
		unsigned int n = 1;

		(void)state;
		t.payload = 3000;
		t.v6 = v6;
		ntm_merge_begin(&merge, seg(0, &t));
		for (t = next(&t); ntm_merge_add(&merge, seg(n, &t)); t = next(&t))
			n++;
		assert_int_equal(n, 21); /* 63,000 bytes; one more does not fit 65,535 */
		give_back(0, n);
	}
}

/* The flags of the end, in the last one; CWR in the first */
static void test_flags(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		const bool ends = flags & (TEST_FIN | TEST_PSH);
		const bool never = flags & (TEST_SYN | TEST_RST | TEST_URG);
		struct test_packet t = tcp, last;

		t.flags = flags & (TEST_ECE | TEST_ACK);
		last = next(&t);
		last.flags = (uint8_t)flags;
		ntm_merge_begin(&merge, seg(0, &t));
		seg(1, &last);
		assert_int_equal(!segs[1].proto, never);
		assert_int_equal(ntm_merge_add(&merge, &segs[1]), !never && !(flags & TEST_CWR));
		if (never || flags & TEST_CWR)
			continue;
		last = next(&last);
		last.flags = t.flags;
		assert_int_equal(ntm_merge_add(&merge, seg(2, &last)), !ends);
		give_back(0, ends ? 2 : 3);
	}
}

static void test_cwr(void **state)
{
	struct test_packet t = tcp;

	(void)state;
	t.flags |= TEST_CWR;
	ntm_merge_begin(&merge, seg(0, &t));
	t = next(&t);
	t.flags = TEST_ACK;
	assert_true(ntm_merge_add(&merge, seg(1, &t)));
	ntm_merge_finish(&merge);
	assert_int_equal(merge.vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	give_back(0, 2);
}

static void test_ends_at_once(void **state)
{
	struct test_packet t = tcp;

	(void)state;
	t.flags |= TEST_PSH;
	ntm_merge_begin(&merge, seg(0, &t));
	t = next(&t);
	assert_false(ntm_merge_add(&merge, seg(1, &t)));
	give_back(0, 1);
}

/* One byte that differs: nothing may be merged, whichever it is. Checksums are made right again. */
static void repair(uint8_t *p, size_t len)
{
	uint8_t proto;
	const size_t l4 = test_l4(p, &proto), field = l4 + (proto == IPPROTO_TCP ? 16 : 6);

	if (*p >> 4 == 4) {
		test_put16(p + 10, 0);
		test_put16(p + 10, ~test_sum(0, p, l4));
	}
	test_put16(p + field, 0);
	test_put16(p + field, ~test_sum(test_pseudo(p, proto, len - l4), p + l4, len - l4));
	if (!test_get16(p + field))
		test_put16(p + field, 0xffff);
}

/* Checksums; and the IP length, which was found to be that of the packet before (ntm_inner_verify()) */
static bool may_differ(const struct test_packet *t, size_t at)
{
	const size_t l4 = t->v6 ? 40 : 20, length = t->v6 ? 4 : 2;

	if (at == length || at == length + 1)
		return true;
	if (!t->v6 && (at == 10 || at == 11))
		return true;
	if (t->proto == IPPROTO_TCP)
		return at == l4 + 16 || at == l4 + 17;
	return at == l4 + 6 || at == l4 + 7;
}

static void test_one_byte(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct test_packet t = kind & 1 ? udp : tcp, n;
		size_t len, headers;

		t.v6 = kind & 2;
		n = next(&t);
		headers = (t.v6 ? 40 : 20) + (kind & 1 ? 8 : 32);
		for (size_t bit = 0; bit < headers * 8; bit++) {
			const bool psh_fin = !(kind & 1) && bit / 8 == headers - 32 + 13 &&
					     (bit % 8 == 0 || bit % 8 == 3);

			if (may_differ(&t, bit / 8) || psh_fin)
				continue;
			ntm_merge_begin(&merge, seg(0, &t));
			len = test_build(&n, bytes[1]);
			bytes[1][bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (bytes[1][0] >> 4 == (t.v6 ? 6 : 4) && (t.v6 || bytes[1][0] == 0x45) &&
			    bytes[1][t.v6 ? 6 : 9] == t.proto)
				repair(bytes[1], len);
			parse(1, len);
			if (ntm_merge_add(&merge, &segs[1]))
				fail_msg("kind %d: bit %zu of byte %zu differs", kind, bit % 8,
					 bit / 8);
		}
		ntm_merge_begin(&merge, seg(0, &t));
		assert_true(ntm_merge_add(&merge, seg(1, &n)));
	}
}

static void test_not_next(void **state)
{
	struct test_packet t = tcp, n;

	(void)state;
	ntm_merge_begin(&merge, seg(0, &t));
	n = next(&t);
	n.payload++; /* larger than the first */
	assert_false(ntm_merge_add(&merge, seg(1, &n)));
	n = next(&t);
	n.payload = 0;
	assert_false(ntm_merge_add(&merge, seg(1, &n)));
	n = next(&t);
	n.tcp_options = 0;
	assert_false(ntm_merge_add(&merge, seg(1, &n)));
	n = next(&t);
	n.v6 = true;
	assert_false(ntm_merge_add(&merge, seg(1, &n)));
	n = next(&t);
	n.proto = IPPROTO_UDP;
	assert_false(ntm_merge_add(&merge, seg(1, &n)));
	n = next(&t);
	assert_true(ntm_merge_add(&merge, seg(1, &n)));
	give_back(0, 2);
}

/* Identification: all the same with DF, or counting; the first two decide */
static void test_ip_id(void **state)
{
	struct test_packet t = tcp, n;

	(void)state;
	for (int df = 0; df < 2; df++) {
		t.frag = df ? 0x4000 : 0;
		t.id = 65535;
		n = next(&t);
		n.id = t.id;
		ntm_merge_begin(&merge, seg(0, &t));
		assert_int_equal(ntm_merge_add(&merge, seg(1, &n)), df);
		n = next(&n);
		if (df) {
			assert_false(ntm_merge_add(&merge, seg(2, &n)));
			n.id = t.id;
			assert_true(ntm_merge_add(&merge, seg(2, &n)));
		}
		n = next(&t); /* 65535, 0, 1 */
		ntm_merge_begin(&merge, seg(0, &t));
		assert_true(ntm_merge_add(&merge, seg(1, &n)));
		n = next(&n);
		n.id--;
		assert_false(ntm_merge_add(&merge, seg(2, &n)));
		n.id++;
		assert_true(ntm_merge_add(&merge, seg(2, &n)));
		give_back(0, 3);
	}
}

static void test_alone(void **state)
{
	struct test_packet t;

	(void)state;
	t = tcp;
	t.payload = 0;
	assert_int_equal(seg(0, &t)->proto, 0);
	t = tcp;
	t.ip_options = 4;
	assert_int_equal(seg(0, &t)->proto, 0);
	t = tcp;
	t.frag = 0x2000;
	assert_int_equal(seg(0, &t)->proto, 0);
	t.frag = 1;
	assert_int_equal(seg(0, &t)->proto, 0);
	t = tcp;
	t.v6 = true;
	t.ext = 8;
	assert_int_equal(seg(0, &t)->proto, 0);
	t = udp;
	t.payload = 0;
	assert_int_equal(seg(0, &t)->proto, 0);
	t = udp;
	segs[0] = (struct ntm_seg){ .p = bytes[0], .len = (uint16_t)test_build(&t, bytes[0]) };
	ntm_seg_parse(&segs[0], false);
	assert_int_equal(segs[0].proto, 0);
}

/* A wrong checksum must not become right by merging; one of UDP that is left out must not be put in */
static void test_wrong_checksums(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct test_packet t = kind & 1 ? udp : tcp;
		size_t len, l4;

		t.v6 = kind & 2;
		l4 = t.v6 ? 40 : 20;
		for (size_t at = 0; at < 1000; at += 37) {
			len = test_build(&t, bytes[0]);
			bytes[0][len - 1 - at] ^= 0x10;
			assert_int_equal(parse(0, len)->proto, 0);
		}
		len = test_build(&t, bytes[0]);
		if (!t.v6) {
			bytes[0][10] ^= 1;
			assert_int_equal(parse(0, len)->proto, 0);
			bytes[0][10] ^= 1;
		}
		assert_int_equal(parse(0, len)->proto, t.proto);
		if (kind & 1) {
			bytes[0][l4 + 6] = bytes[0][l4 + 7] = 0;
			assert_int_equal(parse(0, len)->proto, 0);
			len = test_build(&t, bytes[0]);
			bytes[0][l4 + 5]--; /* its length says less than there is */
			assert_int_equal(parse(0, len)->proto, 0);
		}
	}
}

static void test_malformed(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct test_packet t = kind & 1 ? udp : tcp;
		size_t len, l4;

		t.v6 = kind & 2;
		l4 = t.v6 ? 40 : 20;
		len = test_build(&t, bytes[0]);
		for (size_t cut = l4; cut < l4 + (kind & 1 ? 8 : 32); cut++)
			assert_int_equal(parse(0, cut)->proto, 0);
		if (kind & 1)
			continue;
		for (unsigned int offset = 0; offset < 5; offset++) {
			test_build(&t, bytes[0]);
			bytes[0][l4 + 12] = (uint8_t)(offset << 4);
			assert_int_equal(parse(0, len)->proto, 0);
		}
	}
}

static void test_plain_first(void **state)
{
	struct test_packet t = tcp, n = next(&tcp);

	(void)state;
	t.ip_options = 4;
	ntm_merge_begin(&merge, seg(0, &t));
	assert_false(ntm_merge_add(&merge, seg(1, &n)));
	ntm_merge_finish(&merge);
	assert_int_equal(gather(), segs[0].len);
	assert_memory_equal(whole, before[0], segs[0].len);
	assert_int_equal(merge.vnet.gso_type, 0);
	assert_int_equal(merge.vnet.flags, 0);
}

/* What is cut, and merged again, is what it was; and the other way round, for packets of any kind */
static void round_trip(const struct test_packet *t, size_t size)
{
	const size_t len = test_build(t, whole);
	struct virtio_net_hdr vnet = test_gso(whole, len, size);
	struct ntm_cut cut;
	unsigned int n = 0, i;
	size_t got;
	uint8_t *p;

	assert_true(ntm_cut_begin(&cut, &vnet, whole, len));
	for (; n < MANY && (p = ntm_cut_next(&cut, &got)); n++) {
		memcpy(bytes[n], p, got);
		parse(n, got);
	}
	ntm_merge_begin(&merge, &segs[0]);
	for (i = 1; i < n && ntm_merge_add(&merge, &segs[i]); i++)
		;
	assert_int_equal(i, n < NTM_MERGE_MAX ? n : NTM_MERGE_MAX);
	give_back(0, i);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		struct test_packet t = { .v6 = test_random() & 1,
					 .proto = test_random() & 1 ? IPPROTO_TCP : IPPROTO_UDP,
					 .flags = (uint8_t)(test_random() &
							    ~(TEST_SYN | TEST_RST | TEST_URG)),
					 .tos = (uint8_t)test_random(),
					 .ttl = (uint8_t)test_random(),
					 .fill = (uint8_t)test_random(),
					 .id = (uint16_t)test_random(),
					 .frag = test_random() & 1 ? 0x4000 : 0,
					 .seq = test_random(),
					 .tcp_options = test_random() % 11 * 4 };
		const size_t size = 1 + test_random() % 1400;

		t.payload = 1 + test_random() % (size * MANY < 60000 ? size * MANY : 60000);
		round_trip(&t, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_cwr),
		cmocka_unit_test(test_ends_at_once),
		cmocka_unit_test(test_one_byte),
		cmocka_unit_test(test_not_next),
		cmocka_unit_test(test_ip_id),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_wrong_checksums),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_plain_first),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
