// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/aead*.c */
/* The data packet's AEAD: known answers, libsodium as the other side, and everything that must fail. */
#include "ntm_test.h"

#include <sodium.h>
#include <stdlib.h>

#include "pipe/aead.h"
#include "pipe/aead_backend.h"

#define SUITES 2

static const uint8_t suites[SUITES] = { NTM_SUITE_CHACHA20_POLY1305, NTM_SUITE_AES_256_GCM };
static const struct ntm_aead_backend *backend; /* all tests run with each */
static uint8_t in[70000], out[70000], back[70000];

/* All zero: key, nonce, 16 bytes. AES-256-GCM: the GCM specification's test case 14. ChaCha20-Poly1305: by libsodium. */
static void test_zero(void **state)
{
	static const uint8_t key[32], gcm[32] = {
		0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5,
		0xd3, 0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99,
		0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19,
	};
	/* keystream of RFC 8439 A.1, test vector 2 */
	static const uint8_t chacha[16] = { 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
					    0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d };
	struct ntm_aead *aead = ntm_aead_new_by(backend, NTM_SUITE_AES_256_GCM, true, key, 1);

	(void)state;
	memset(in, 0, 16);
	assert_true(ntm_aead_seal(aead, 0, 0, in, 16, out));
	assert_memory_equal(out, gcm, sizeof(gcm));
	ntm_aead_free(aead);
	aead = ntm_aead_new_by(backend, NTM_SUITE_CHACHA20_POLY1305, true, key, 1);
	assert_true(ntm_aead_seal(aead, 0, 0, in, 16, out));
	assert_memory_equal(out, chacha, sizeof(chacha));
	ntm_aead_free(aead);
}

static void reference(uint8_t suite, const uint8_t *key, uint64_t ctr, size_t len)
{
	unsigned long long n;
	uint8_t nonce[12] = { 0 };

	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(ctr >> (56 - 8 * i));
	if (suite == NTM_SUITE_CHACHA20_POLY1305)
		crypto_aead_chacha20poly1305_ietf_encrypt(back, &n, in, len, NULL, 0, NULL, nonce,
							  key);
	else
		crypto_aead_aes256gcm_encrypt(back, &n, in, len, NULL, 0, NULL, nonce, key);
	assert_int_equal(n, len + NTM_WIRE_TAG_LEN);
}

static void test_reference(void **state)
{
	static const uint64_t ctrs[] = { 0, 1, 0x0102030405060708ull, 1ull << 31, UINT64_MAX };
	uint8_t key[32];

	(void)state;
	for (unsigned int s = 0; s < SUITES; s++) {
		if (suites[s] == NTM_SUITE_AES_256_GCM && !crypto_aead_aes256gcm_is_available())
			continue; /* libsodium has it with AES-NI only; test_zero() is there */
		for (size_t len = 0; len < 66000; len += 1 + len / 7) {
			const uint64_t ctr = ctrs[len % 5];
			struct ntm_aead *seal, *open;

			randombytes_buf(key, sizeof(key));
			randombytes_buf(in, len);
			seal = ntm_aead_new_by(backend, suites[s], true, key, 1);
			open = ntm_aead_new_by(backend, suites[s], false, key, 1);
			reference(suites[s], key, ctr, len);
			assert_true(ntm_aead_seal(seal, 0, ctr, in, len, out));
			assert_memory_equal(out, back, len + NTM_WIRE_TAG_LEN);
			assert_true(ntm_aead_open(open, 0, ctr, out, len, back));
			assert_memory_equal(back, in, len);
			memcpy(back, in, len); /* in place */
			assert_true(ntm_aead_seal(seal, 0, ctr, back, len, back));
			assert_memory_equal(back, out, len + NTM_WIRE_TAG_LEN);
			assert_true(ntm_aead_open(open, 0, ctr, back, len, back));
			assert_memory_equal(back, in, len);
			ntm_aead_free(seal);
			ntm_aead_free(open);
		}
	}
}

/* Every bit of a packet, every other counter, every other key; and that a failure leaves the context usable */
static void test_forged(void **state)
{
	const size_t len = 40;
	uint8_t key[32] = { 7 };

	(void)state;
	for (unsigned int s = 0; s < SUITES; s++) {
		struct ntm_aead *seal = ntm_aead_new_by(backend, suites[s], true, key, 1);
		struct ntm_aead *open = ntm_aead_new_by(backend, suites[s], false, key, 1), *other;

		assert_true(ntm_aead_seal(seal, 0, 5, in, len, out));
		for (size_t bit = 0; bit < (len + NTM_WIRE_TAG_LEN) * 8; bit++) {
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(ntm_aead_open(open, 0, 5, out, len, back));
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(ntm_aead_open(open, 0, 5, out, len, back));
		}
		for (unsigned int bit = 0; bit < 64; bit++)
			assert_false(ntm_aead_open(open, 0, 5 ^ 1ull << bit, out, len, back));
		assert_false(ntm_aead_open(open, 0, 5, out + 1, len - 1, back));
		assert_false(ntm_aead_open(open, 0, 5, out, 0, back));
		for (unsigned int bit = 0; bit < 256; bit++) {
			key[bit / 8] ^= (uint8_t)(1 << bit % 8);
			other = ntm_aead_new_by(backend, suites[s], false, key, 1);
			assert_false(ntm_aead_open(other, 0, 5, out, len, back));
			ntm_aead_free(other);
			key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		ntm_aead_free(seal);
		ntm_aead_free(open);
	}
}

static void test_threads(void **state)
{
	static const uint8_t key[32] = { 3 };

	(void)state;
	for (unsigned int s = 0; s < SUITES; s++) {
		struct ntm_aead *seal = ntm_aead_new_by(backend, suites[s], true, key, 3);
		struct ntm_aead *open = ntm_aead_new_by(backend, suites[s], false, key, 5);

		for (unsigned int i = 0; i < 3; i++) {
			assert_true(ntm_aead_seal(seal, i, i, in, 100, out));
			for (unsigned int j = 0; j < 5; j++)
				assert_true(ntm_aead_open(open, j, i, out, 100, back));
		}
		ntm_aead_free(seal);
		ntm_aead_free(open);
	}
	assert_null(ntm_aead_new_by(backend, 0, true, key, 1));
	assert_null(ntm_aead_new_by(backend, 255, true, key, 1));
	ntm_aead_free(NULL);
	assert_true(ntm_aead_suites() & 1u << NTM_SUITE_CHACHA20_POLY1305);
	assert_int_equal(ntm_aead_suites() &
				 ~(1u << NTM_SUITE_CHACHA20_POLY1305 | 1u << NTM_SUITE_AES_256_GCM),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_threads),
	};

	int failed = sodium_init() < 0;

	for (unsigned int i = 0; !failed && ntm_aead_backends[i]; i++) {
		backend = ntm_aead_backends[i];
		if (backend->fits())
			failed = cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
	}
	return failed;
}
