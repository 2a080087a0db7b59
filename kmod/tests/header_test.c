// SPDX-License-Identifier: GPL-2.0
/* The data packet's header: what is built is read, and counters come back whole. */
#include <kunit/test.h>
#include <linux/random.h>
#include <ntmobile/wire.h>

#define SPAN ((u64)NTM_WIRE_CTR_MASK + 1)

static void ntm_header_fields(struct kunit *test)
{
	static const u8 want[] = { 0xc0, 0x12, 0x34, 0x56, 0xde, 0xad, 0xbe, 0xef };
	struct ntm_wire_hdr h;
	u32 epoch;

	ntm_wire_build(&h, 2, 0x123456, cpu_to_be32(0xdeadbeef));
	KUNIT_EXPECT_EQ(test, memcmp(&h, want, sizeof(want)), 0);
	KUNIT_EXPECT_EQ(test, sizeof(h), (size_t)NTM_WIRE_HDR_LEN);
	for (epoch = 0; epoch < 9; epoch++) {
		ntm_wire_build(&h, epoch, U64_MAX, 0);
		KUNIT_EXPECT_EQ(test, ntm_wire_epoch(&h), epoch % NTM_WIRE_EPOCHS);
		KUNIT_EXPECT_TRUE(test, ntm_wire_is_data(*(u8 *)&h));
	}
	KUNIT_EXPECT_FALSE(test, ntm_wire_is_data(0x7f));
}

static u64 ntm_header_round(u64 ctr, u64 highest)
{
	struct ntm_wire_hdr h;

	ntm_wire_build(&h, 1, ctr, 0);
	return ntm_wire_ctr(&h, highest);
}

static void ntm_header_counter(struct kunit *test)
{
	static const u64 edges[] = { 0, 1, SPAN / 2, SPAN - 1, SPAN, SPAN + 1, 3 * SPAN,
				     1ULL << 59, (1ULL << 60) - 1 };
	s64 by;
	int i;

	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		for (by = -9000; by <= 9000; by += 7) {
			u64 ctr = edges[i] + by;

			if ((by < 0 && edges[i] < (u64)-by))
				continue;
			KUNIT_ASSERT_EQ(test, ntm_header_round(ctr, edges[i]), ctr);
		}
		/* As far apart as a guess may reach. */
		KUNIT_EXPECT_EQ(test, ntm_header_round(edges[i] + SPAN / 2 - 1, edges[i]),
				edges[i] + SPAN / 2 - 1);
	}
	KUNIT_EXPECT_EQ(test, ntm_header_round(SPAN - 1, 0), SPAN - 1);
}

static void ntm_header_random(struct kunit *test)
{
	int i;

	for (i = 0; i < 100000; i++) {
		u64 highest = get_random_u64() >> (4 + get_random_u32() % 60);
		u64 by = get_random_u32() & (SPAN / 2 - 1);
		u64 ctr = (by & 1) || highest < by ? highest + by : highest - by;

		KUNIT_ASSERT_EQ(test, ntm_header_round(ctr, highest), ctr);
	}
}

static void ntm_header_nonce(struct kunit *test)
{
	static const u8 want[] = { 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	u8 nonce[NTM_WIRE_NONCE_LEN];

	ntm_wire_nonce(nonce, 0x0102030405060708ULL);
	KUNIT_EXPECT_EQ(test, memcmp(nonce, want, sizeof(want)), 0);
}

static struct kunit_case ntm_header_cases[] = {
	KUNIT_CASE(ntm_header_fields),
	KUNIT_CASE(ntm_header_counter),
	KUNIT_CASE(ntm_header_random),
	KUNIT_CASE(ntm_header_nonce),
	{}
};

static struct kunit_suite ntm_header_suite = {
	.name = "ntmobile-header",
	.test_cases = ntm_header_cases,
};

kunit_test_suite(ntm_header_suite);
