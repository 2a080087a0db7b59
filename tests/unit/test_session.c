// SPDX-License-Identifier: GPL-2.0
/* Sealed packets: every damaged byte refused, replays refused against a plain model of the window. */
#include "ntm_test.h"

#include <errno.h>
#include <sodium.h>

#include "common/session.h"

#define WINDOW 1024

static struct ntm_session a, b;

static int setup(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	randombytes_buf(a.tx_key, 32);
	randombytes_buf(a.rx_key, 32);
	a.local_id = 0x0a0a0a0a;
	a.remote_id = 0x0b0b0b0b;
	b = a;
	memcpy(b.tx_key, a.rx_key, 32);
	memcpy(b.rx_key, a.tx_key, 32);
	b.local_id = a.remote_id;
	b.remote_id = a.local_id;
	return 0;
}

static struct ntm_msg keep_alive(uint64_t stamp)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE, .timestamp = stamp };

	NTM_SET(&m, TIMESTAMP);
	return m;
}

static size_t seal(uint8_t *out, uint64_t ctr)
{
	struct ntm_msg m = keep_alive(ctr);
	int len;

	a.tx_ctr = ctr;
	len = ntm_session_seal(&a, &m, out, NTM_DATAGRAM_MAX);
	assert_true(len > 0);
	assert_true(a.tx_ctr == ctr + 1);
	return (size_t)len;
}

static int open_at(uint64_t ctr, bool *newest)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	struct ntm_msg m;
	size_t len = seal(packet, ctr);
	int err = ntm_session_open(&b, packet, len, &m, newest);

	if (!err)
		assert_true(m.timestamp == ctr);
	return err;
}

static void test_layout(void **state)
{
	uint8_t packet[NTM_SEALED_MAX + 1];
	static const uint8_t header[16] = { 4, 1, 0, 0, 11, 11, 11, 11, 1, 2, 3, 4, 5, 6, 7, 8 };
	size_t len = seal(packet, 0x0102030405060708ULL);

	(void)state;
	assert_int_equal(len, 16 + 8 + 12 + 16);
	assert_memory_equal(packet, header, sizeof(header));
	assert_true(ntm_session_id_of(packet, len) == 0x0b0b0b0b);
	assert_int_equal(ntm_session_id_of(packet, 31), 0);
	assert_int_equal(ntm_session_id_of(packet, NTM_SEALED_MAX + 1), 0);
	for (int i = 0; i < 4; i++) {
		packet[i] ^= 1;
		assert_int_equal(ntm_session_id_of(packet, len), 0);
		packet[i] ^= 1;
	}
}

static void test_round_trip(void **state)
{
	bool newest = false;

	(void)state;
	for (uint64_t i = 0; i < 3000; i++) {
		assert_int_equal(open_at(i, &newest), 0);
		assert_true(newest);
	}
}

static void test_damaged(void **state)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	struct ntm_session before;
	size_t len = seal(packet, 5);
	struct ntm_msg m;
	bool newest;

	(void)state;
	before = b;
	for (size_t at = 0; at < len; at++) {
		packet[at] ^= 0x10;
		assert_int_equal(ntm_session_open(&b, packet, len, &m, &newest), -EBADMSG);
		assert_false(newest);
		packet[at] ^= 0x10;
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(ntm_session_open(&b, packet, cut, &m, &newest), -EBADMSG);
	assert_memory_equal(&before, &b, sizeof(b)); /* nothing was believed */
	assert_int_equal(ntm_session_open(&a, packet, len, &m, &newest), -EBADMSG);
	assert_int_equal(ntm_session_open(&b, packet, len, &m, &newest), 0);
	assert_int_equal(ntm_session_open(&b, packet, len, &m, &newest), -EALREADY);
	assert_false(newest);
}

/* Authentic, but no message: told apart from a forgery, and not a second time. */
static void test_malformed(void **state)
{
	uint8_t packet[64] = { 4, 1, 0, 0, 11, 11, 11, 11 };
	static const uint8_t plain[8] = { 99 };
	uint8_t nonce[12] = { 0 };
	struct ntm_msg m;
	bool newest;

	(void)state;
	crypto_aead_chacha20poly1305_ietf_encrypt(packet + 16, NULL, plain, 8, packet, 16, NULL,
						  nonce, a.tx_key);
	assert_int_equal(ntm_session_open(&b, packet, 40, &m, &newest), -EPROTO);
	assert_int_equal(ntm_session_open(&b, packet, 40, &m, &newest), -EALREADY);
}

static void test_edges(void **state)
{
	bool newest;

	(void)state;
	assert_int_equal(open_at(5000, &newest), 0);
	assert_int_equal(open_at(5000 - WINDOW, &newest), -EALREADY);
	assert_int_equal(open_at(5000 - WINDOW + 1, &newest), 0);
	assert_false(newest);
	assert_int_equal(open_at(5000 - WINDOW + 1, &newest), -EALREADY);
	assert_int_equal(open_at(5000 + WINDOW, &newest), 0);
	assert_true(newest);
	assert_int_equal(open_at(5000, &newest), -EALREADY);
	assert_int_equal(open_at(5001, &newest), 0);
	assert_int_equal(open_at(UINT64_MAX - 1, &newest), 0);
	assert_int_equal(open_at(UINT64_MAX - 2, &newest), 0);
	assert_int_equal(open_at(0, &newest), -EALREADY);
}

/* The window against a model that remembers every counter. */
static void test_model(void **state)
{
	enum { RANGE = 20000 };
	static bool seen[RANGE];
	uint64_t highest = 0, ctr;
	bool any = false, newest, fresh;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < 12000; i++) {
		uint64_t base = (uint64_t)i * RANGE / 16000;

		ctr = base + randombytes_uniform(2 * WINDOW);
		if (i % 500 == 0)
			ctr += 1500; /* a jump past the whole window */
		fresh = !any || ctr > highest || (highest - ctr < WINDOW && !seen[ctr]);
		assert_int_equal(open_at(ctr, &newest), fresh ? 0 : -EALREADY);
		assert_int_equal(newest, fresh && (!any || ctr > highest));
		if (fresh) {
			seen[ctr] = true;
			if (!any || ctr > highest)
				highest = ctr;
			any = true;
		}
	}
}

static void test_limits(void **state)
{
	struct ntm_msg m = keep_alive(1), none = { 0 };
	uint8_t packet[NTM_DATAGRAM_MAX];

	(void)state;
	for (size_t size = 0; size < 52; size++)
		assert_int_equal(ntm_session_seal(&a, &m, packet, size), -EMSGSIZE);
	assert_int_equal(ntm_session_seal(&a, &none, packet, sizeof(packet)), -EINVAL);
	assert_true(a.tx_ctr == 0);
	assert_int_equal(ntm_session_seal(&a, &m, packet, 52), 52);
	a.tx_ctr = UINT64_MAX;
	assert_int_equal(ntm_session_seal(&a, &m, packet, sizeof(packet)), -EOVERFLOW);
	ntm_session_wipe(&a);
	assert_true(sodium_is_zero((uint8_t *)&a, sizeof(a)));
	assert_true(sizeof(struct ntm_session) <= 232);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_layout, setup),
		cmocka_unit_test_setup(test_round_trip, setup),
		cmocka_unit_test_setup(test_damaged, setup),
		cmocka_unit_test_setup(test_malformed, setup),
		cmocka_unit_test_setup(test_edges, setup),
		cmocka_unit_test_setup(test_model, setup),
		cmocka_unit_test_setup(test_limits, setup),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
