// SPDX-License-Identifier: GPL-2.0
/* The data packet's header: every field, and the counter rebuilt on both sides of every wrap. */
#include "ntm_test.h"

#include <ntmobile/wire.h>

#define SPAN (1ULL << 29)
#define HALF (SPAN / 2)
#define NEAR 40

static void test_first_byte(void **state)
{
	(void)state;
	for (unsigned int b = 0; b < 256; b++)
		assert_int_equal(ntm_wire_is_data((__u8)b), b >= 128);
}

static void test_layout(void **state)
{
	static const uint8_t expected[8] = { 0xe1, 0x23, 0x45, 0x67, 0xde, 0xad, 0xbe, 0xef };
	struct ntm_wire_hdr h;

	(void)state;
	assert_int_equal(sizeof(h), NTM_WIRE_HDR_LEN);
	ntm_wire_build(&h, 7, 0xabcdef0001234567ULL, htonl(0xdeadbeef));
	assert_memory_equal(&h, expected, sizeof(expected));
	assert_int_equal(ntm_wire_epoch(&h), 3);
	for (uint32_t epoch = 0; epoch < 16; epoch++) {
		ntm_wire_build(&h, epoch, ~0ULL, 0);
		assert_int_equal(ntm_wire_epoch(&h), epoch % 4);
		assert_true(ntm_wire_is_data(*(uint8_t *)&h));
	}
}

static void check(uint64_t highest, uint64_t sent)
{
	struct ntm_wire_hdr h;

	ntm_wire_build(&h, 0, sent, 0);
	if (ntm_wire_ctr(&h, highest) != sent)
		fail_msg("highest %llu, sent %llu, got %llu", (unsigned long long)highest,
			 (unsigned long long)sent, (unsigned long long)ntm_wire_ctr(&h, highest));
}

/* All counters less than half a span away must come out, the farthest above all. */
static void check_around(uint64_t highest)
{
	for (uint64_t d = 0; d < NEAR; d++) {
		check(highest, highest + d);
		check(highest, highest + HALF - 1 - d);
		check(highest, highest + SPAN / 4 + d);
		if (highest >= d)
			check(highest, highest - d);
		if (highest >= HALF - 1 - d)
			check(highest, highest - (HALF - 1 - d));
	}
}

static void test_counter(void **state)
{
	static const uint64_t points[] = {
		0, HALF, SPAN, SPAN + HALF, 2 * SPAN, 1ULL << 32, (1ULL << 32) + HALF, 1ULL << 60
	};

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		for (uint64_t d = 0; d < NEAR; d++) {
			check_around(points[i] + d);
			if (points[i] >= d)
				check_around(points[i] - d);
		}
	}
}

/* Every value of the 29 bits, near a wrap: what comes out ends in them and is the nearest. */
static void test_counter_exhaustive(void **state)
{
	static const uint64_t highests[] = { 5, SPAN - 3, 3 * SPAN + 1, 7 * SPAN + HALF };
	struct ntm_wire_hdr h;

	(void)state;
	for (size_t i = 0; i < sizeof(highests) / sizeof(highests[0]); i++) {
		uint64_t highest = highests[i];

		for (uint64_t low = 0; low < SPAN; low += 61) {
			uint64_t ctr, away;

			ntm_wire_build(&h, 0, low, 0);
			ctr = ntm_wire_ctr(&h, highest);
			away = ctr > highest ? ctr - highest : highest - ctr;
			assert_true(ctr % SPAN == low);
			/* Below half a span there is nothing smaller to choose. */
			assert_true(away <= HALF || (ctr == low && ctr < SPAN));
		}
	}
}

static void test_nonce(void **state)
{
	static const uint8_t expected[12] = { 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t nonce[NTM_WIRE_NONCE_LEN];

	(void)state;
	ntm_wire_nonce(nonce, 0x0102030405060708ULL);
	assert_memory_equal(nonce, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_byte), cmocka_unit_test(test_layout),
		cmocka_unit_test(test_counter),	   cmocka_unit_test(test_counter_exhaustive),
		cmocka_unit_test(test_nonce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
