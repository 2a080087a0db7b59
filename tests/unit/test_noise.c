// SPDX-License-Identifier: GPL-2.0
/*
 * Noise between two ends of ours: what must work, and that every flipped byte,
 * every truncation, a wrong key or psk and points of small order are refused.
 * That the bytes are Noise's is what tests/noise.c proves with the public vectors.
 */
#include "ntm_test.h"

#include <errno.h>
#include <sodium.h>

#include "common/noise.h"

#define PAYLOAD 7

static struct ntm_noise_keypair alice, bob;
static const uint8_t prologue[3] = { 1, 2, 3 };
static const uint8_t psk[32] = { 9, 9 };
static const uint8_t payload[PAYLOAD] = "payload";

static int setup(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	ntm_noise_generate(&alice);
	ntm_noise_generate(&bob);
	return 0;
}

static void begin(struct ntm_noise *i, struct ntm_noise *r, enum ntm_noise_pattern pattern)
{
	const uint8_t *with = pattern == NTM_NOISE_IKPSK2 ? psk : NULL;

	ntm_noise_init(i, pattern, true, prologue, sizeof(prologue), &alice, bob.public, with);
	ntm_noise_init(r, pattern, false, prologue, sizeof(prologue), &bob, NULL, NULL);
}

/* A whole handshake; the responder learns the psk only after message 1. */
static void exchange(enum ntm_noise_pattern pattern)
{
	struct ntm_noise i, r;
	uint8_t msg[256], out[256], ki[2][32], kr[2][32];
	int len;

	begin(&i, &r, pattern);
	len = ntm_noise_write1(&i, payload, PAYLOAD, msg);
	assert_int_equal(len, NTM_NOISE_MSG1 + PAYLOAD);
	assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), PAYLOAD);
	assert_memory_equal(out, payload, PAYLOAD);
	assert_memory_equal(r.rs, alice.public, 32);
	ntm_noise_set_psk(&r, psk);
	len = ntm_noise_write2(&r, NULL, 0, msg);
	assert_int_equal(len, NTM_NOISE_MSG2);
	assert_int_equal(ntm_noise_read2(&i, msg, (size_t)len, out), 0);
	assert_memory_equal(i.h, r.h, sizeof(i.h));
	ntm_noise_split(&i, ki[0], ki[1]);
	ntm_noise_split(&r, kr[0], kr[1]);
	assert_memory_equal(ki, kr, sizeof(ki));
	assert_memory_not_equal(ki[0], ki[1], 32);
	assert_true(sodium_is_zero((uint8_t *)&i, sizeof(i)));
	assert_true(sodium_is_zero((uint8_t *)&r, sizeof(r)));
}

static void test_exchange(void **state)
{
	(void)state;
	exchange(NTM_NOISE_IK);
	exchange(NTM_NOISE_IKPSK2);
}

static void test_message1_damaged(void **state)
{
	struct ntm_noise i, fresh, r;
	uint8_t msg[256], out[256];
	int len;

	(void)state;
	begin(&i, &fresh, NTM_NOISE_IKPSK2);
	len = ntm_noise_write1(&i, payload, PAYLOAD, msg);
	for (int at = 0; at < len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			/* X25519 passes over the top bit of a point; the transcript does not. */
			msg[at] ^= (uint8_t)(1 << bit);
			r = fresh;
			assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), -EBADMSG);
			assert_true(sodium_is_zero((uint8_t *)&r, sizeof(r)));
			msg[at] ^= (uint8_t)(1 << bit);
		}
	}
	for (int cut = 0; cut < len; cut++) {
		r = fresh;
		assert_int_equal(ntm_noise_read1(&r, msg, (size_t)cut, out), -EBADMSG);
	}
	r = fresh;
	assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), PAYLOAD);
}

static void test_message2_damaged(void **state)
{
	struct ntm_noise i, r, waiting;
	uint8_t msg[256], out[256];
	int len;

	(void)state;
	begin(&i, &r, NTM_NOISE_IKPSK2);
	len = ntm_noise_write1(&i, NULL, 0, msg);
	assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), 0);
	ntm_noise_set_psk(&r, psk);
	len = ntm_noise_write2(&r, payload, PAYLOAD, msg);
	waiting = i;
	for (int at = 0; at < len; at++) {
		msg[at] ^= 0x80;
		i = waiting;
		assert_int_equal(ntm_noise_read2(&i, msg, (size_t)len, out), -EBADMSG);
		msg[at] ^= 0x80;
	}
	for (int cut = 0; cut < len; cut++) {
		i = waiting;
		assert_int_equal(ntm_noise_read2(&i, msg, (size_t)cut, out), -EBADMSG);
	}
	i = waiting;
	assert_int_equal(ntm_noise_read2(&i, msg, (size_t)len, out), PAYLOAD);
}

static void test_wrong_psk(void **state)
{
	static const uint8_t other[32] = { 9, 8 };
	struct ntm_noise i, r;
	uint8_t msg[256], out[256];
	int len;

	(void)state;
	begin(&i, &r, NTM_NOISE_IKPSK2);
	len = ntm_noise_write1(&i, NULL, 0, msg);
	assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), 0);
	ntm_noise_set_psk(&r, other);
	len = ntm_noise_write2(&r, NULL, 0, msg);
	assert_int_equal(ntm_noise_read2(&i, msg, (size_t)len, out), -EBADMSG);
}

static void test_other_end(void **state)
{
	struct ntm_noise_keypair carol;
	struct ntm_noise i, r;
	uint8_t msg[256], out[256];
	int len;

	(void)state;
	ntm_noise_generate(&carol);
	begin(&i, &r, NTM_NOISE_IK);
	len = ntm_noise_write1(&i, NULL, 0, msg);
	ntm_noise_init(&r, NTM_NOISE_IK, false, prologue, sizeof(prologue), &carol, NULL, NULL);
	assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), -EBADMSG);
	ntm_noise_init(&r, NTM_NOISE_IK, false, prologue, 2, &bob, NULL, NULL);
	assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), -EBADMSG);
	ntm_noise_init(&r, NTM_NOISE_IKPSK2, false, prologue, 3, &bob, NULL, psk);
	assert_int_equal(ntm_noise_read1(&r, msg, (size_t)len, out), -EBADMSG);
}

/* Points whose product is zero whatever the secret. */
static const uint8_t small_order[][32] = {
	{ 0 },
	{ 1 },
	{ 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	  0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	  0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

static void test_small_order(void **state)
{
	struct ntm_noise i, r;
	uint8_t msg[256], out[256];

	(void)state;
	for (size_t n = 0; n < sizeof(small_order) / 32; n++) {
		/* as the responder's static key */
		ntm_noise_init(&i, NTM_NOISE_IK, true, prologue, 3, &alice, small_order[n], NULL);
		assert_int_equal(ntm_noise_write1(&i, NULL, 0, msg), -EBADMSG);
		/* as the ephemeral keys */
		begin(&i, &r, NTM_NOISE_IK);
		ntm_noise_write1(&i, NULL, 0, msg);
		memcpy(msg, small_order[n], 32);
		assert_int_equal(ntm_noise_read1(&r, msg, NTM_NOISE_MSG1, out), -EBADMSG);
		memset(msg, 0, sizeof(msg));
		memcpy(msg, small_order[n], 32);
		assert_int_equal(ntm_noise_read2(&i, msg, NTM_NOISE_MSG2, out), -EBADMSG);
	}
}

/* A well-made message 1 whose static key is a point of small order: only ss finds out. */
static void test_small_order_static(void **state)
{
	struct ntm_noise i, r;
	uint8_t msg[256], out[256];

	(void)state;
	begin(&i, &r, NTM_NOISE_IK);
	memset(i.s.public, 0, 32);
	ntm_noise_write1(&i, NULL, 0, msg);
	assert_int_equal(ntm_noise_read1(&r, msg, NTM_NOISE_MSG1, out), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),	   cmocka_unit_test(test_message1_damaged),
		cmocka_unit_test(test_message2_damaged),   cmocka_unit_test(test_wrong_psk),
		cmocka_unit_test(test_other_end),	   cmocka_unit_test(test_small_order),
		cmocka_unit_test(test_small_order_static),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
