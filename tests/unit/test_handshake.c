// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and responses with their macs and cookies: whole exchanges, every
 * damaged byte, replays, the cookie flow under load, psks, hole punching.
 */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "common/handshake.h"

#define INIT_ID 0x01020304u
#define RESP_ID 0x0a0b0c0du
#define PATH 0x11223344u

static struct ntm_noise_keypair alice, bob;
static struct ntm_hs_guard guard;
static struct ntm_hs_cookie_jar jar;
static union ntm_addr here, elsewhere;
static const uint8_t psk[32] = { 7 };
static uint8_t reply[64];
static size_t reply_len;

static int setup(void **state)
{
	(void)state;
	ntm_noise_generate(&alice);
	ntm_noise_generate(&bob);
	ntm_hs_guard_init(&guard, bob.public, 100, 1000);
	memset(&jar, 0, sizeof(jar));
	here = test_addr("192.0.2.1:4330");
	elsewhere = test_addr("192.0.2.1:4331");
	return 0;
}

static struct ntm_msg epoch_and_suites(void)
{
	struct ntm_msg m = { .epoch = 3, .suites = 6 };

	NTM_SET(&m, EPOCH);
	NTM_SET(&m, SUITES);
	return m;
}

static size_t request(struct ntm_hs_init *hs, uint8_t type, uint64_t now, uint8_t *out)
{
	struct ntm_msg m = epoch_and_suites();
	bool tunnel = type == NTM_PKT_TUNNEL_REQUEST;
	int len = ntm_hs_request(hs, type, &alice, bob.public, tunnel ? psk : NULL, INIT_ID,
				 tunnel ? PATH : 0, &m, &jar, now, out, NTM_DATAGRAM_MAX);

	assert_int_equal(len, 140 + 16);
	return (size_t)len;
}

static size_t answer(struct ntm_hs_resp *hs, const uint8_t *with, struct ntm_hs_keys *keys,
		     uint8_t *out)
{
	struct ntm_msg m = { .suite = 2 };
	int len;

	NTM_SET(&m, SUITE);
	len = ntm_hs_answer(hs, with, RESP_ID, &m, keys, out, NTM_DATAGRAM_MAX);
	assert_int_equal(len, 56 + 16);
	assert_true(sodium_is_zero((uint8_t *)hs, sizeof(*hs)));
	return (size_t)len;
}

static enum ntm_hs_verdict check(const uint8_t *packet, size_t len, const union ntm_addr *from,
				 uint64_t now)
{
	return ntm_hs_check(&guard, packet, len, from, now, reply, &reply_len);
}

static void check_keys(const struct ntm_hs_keys *i, const struct ntm_hs_keys *r)
{
	assert_memory_equal(i->data_tx, r->data_rx, 32);
	assert_memory_equal(i->data_rx, r->data_tx, 32);
	assert_memory_equal(i->session.tx_key, r->session.rx_key, 32);
	assert_memory_equal(i->session.rx_key, r->session.tx_key, 32);
	assert_memory_not_equal(i->data_tx, i->data_rx, 32);
	assert_memory_not_equal(i->data_tx, i->session.tx_key, 32);
	assert_int_equal(i->session.local_id, INIT_ID);
	assert_int_equal(i->session.remote_id, RESP_ID);
	assert_int_equal(r->session.local_id, RESP_ID);
	assert_int_equal(r->session.remote_id, INIT_ID);
}

static void exchange(uint8_t type)
{
	bool tunnel = type == NTM_PKT_TUNNEL_REQUEST;
	uint8_t req[NTM_DATAGRAM_MAX], resp[NTM_DATAGRAM_MAX];
	struct ntm_hs_keys ki, kr;
	struct ntm_hs_init init;
	struct ntm_hs_resp hs;
	struct ntm_msg got;
	size_t len = request(&init, type, 1000, req);

	assert_int_equal(check(req, len, &here, 1000), NTM_HS_GO);
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), 0);
	assert_memory_equal(hs.initiator, alice.public, 32);
	assert_memory_equal(hs.ephemeral, req + 12, 32);
	assert_int_equal(hs.remote_id, INIT_ID);
	assert_int_equal(hs.path_id, tunnel ? PATH : 0);
	assert_int_equal(hs.payload.epoch, 3);
	len = answer(&hs, tunnel ? psk : NULL, &kr, resp);
	assert_int_equal(resp[0], type + 1);
	assert_int_equal(ntm_hs_reply_id(resp, len), INIT_ID);
	assert_int_equal(ntm_hs_response(&init, resp, len, &ki, &got), 0);
	assert_int_equal(got.suite, 2);
	check_keys(&ki, &kr);
	assert_true(sodium_is_zero((uint8_t *)&init, sizeof(init)));
}

static void test_exchange(void **state)
{
	(void)state;
	exchange(NTM_PKT_SESSION_REQUEST);
	exchange(NTM_PKT_TUNNEL_REQUEST);
}

/* PROTOCOL.md 3.1 and 3.3 recomputed from their words. */
static void test_macs_and_derivation(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX], expected[32], key[32], text[8 + 32];
	struct ntm_hs_init init;
	size_t len = request(&init, NTM_PKT_SESSION_REQUEST, 1000, req);

	(void)state;
	memcpy(text, "ntm mac1", 8);
	memcpy(text + 8, bob.public, 32);
	crypto_generichash(key, 32, text, sizeof(text), NULL, 0);
	crypto_generichash(expected, 16, req, len - 32, key, 32);
	assert_memory_equal(req + len - 32, expected, 16);
	assert_true(sodium_is_zero(req + len - 16, 16));
	assert_memory_equal(req, ((const uint8_t[]){ 1, 1, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0 }), 12);
}

static void test_request_damaged(void **state)
{
	static const uint8_t kinds[] = { NTM_PKT_SESSION_REQUEST, NTM_PKT_TUNNEL_REQUEST };
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	struct ntm_hs_resp hs;
	size_t len;

	(void)state;
	for (size_t k = 0; k < sizeof(kinds); k++) {
		len = request(&init, kinds[k], 1000, req);
		for (size_t at = 0; at < len; at++) {
			req[at] ^= 1;
			/* mac2 is looked at under load alone; the guard stops all the rest. */
			assert_int_equal(check(req, len, &here, 1000),
					 at < len - 16 ? NTM_HS_DROP : NTM_HS_GO);
			/* And behind the guard Noise does: all but the macs. */
			assert_int_equal(ntm_hs_accept(&hs, &bob, req, len),
					 at < len - 32 ? -EBADMSG : 0);
			req[at] ^= 1;
		}
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1);

			memcpy(copy, req, cut);
			assert_int_equal(check(copy, cut, &here, 1000), NTM_HS_DROP);
			assert_int_equal(ntm_hs_accept(&hs, &bob, copy, cut), -EBADMSG);
			free(copy);
		}
		assert_int_equal(check(req, NTM_DATAGRAM_MAX + 1, &here, 1000), NTM_HS_DROP);
	}
}

/* A valid mac1 over whatever a stranger likes: the key to it is public. */
static void forge_mac1(uint8_t *req, size_t len)
{
	crypto_generichash(req + len - 32, 16, req, len - 32, guard.mac1_key, 32);
}

static void test_shape(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	struct ntm_hs_resp hs;
	size_t len;

	(void)state;
	/* A session request with a Path ID, a tunnel request without, no session ID. */
	len = request(&init, NTM_PKT_SESSION_REQUEST, 1000, req);
	req[11] = 1;
	forge_mac1(req, len);
	assert_int_equal(check(req, len, &here, 1000), NTM_HS_DROP);
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), -EBADMSG);
	len = request(&init, NTM_PKT_TUNNEL_REQUEST, 1000, req);
	memset(req + 8, 0, 4);
	forge_mac1(req, len);
	assert_int_equal(check(req, len, &here, 1000), NTM_HS_DROP);
	len = request(&init, NTM_PKT_SESSION_REQUEST, 1000, req);
	memset(req + 4, 0, 4);
	forge_mac1(req, len);
	assert_int_equal(check(req, len, &here, 1000), NTM_HS_DROP);
	/* An all-zero ephemeral key with a good mac1 reaches Noise, and ends there. */
	len = request(&init, NTM_PKT_SESSION_REQUEST, 1000, req);
	memset(req + 12, 0, 32);
	forge_mac1(req, len);
	assert_int_equal(check(req, len, &here, 1000), NTM_HS_GO);
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), -EBADMSG);
	assert_true(sodium_is_zero((uint8_t *)&hs, sizeof(hs)));
	/* One kind of request does not pass as the other: the prologue differs. */
	len = request(&init, NTM_PKT_TUNNEL_REQUEST, 1000, req);
	req[0] = NTM_PKT_SESSION_REQUEST;
	memset(req + 8, 0, 4);
	forge_mac1(req, len);
	assert_int_equal(check(req, len, &here, 1000), NTM_HS_GO);
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), -EBADMSG);
}

static void test_response_damaged(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX], resp[NTM_DATAGRAM_MAX];
	struct ntm_hs_keys ki, kr;
	struct ntm_hs_init init, before;
	struct ntm_hs_resp hs;
	struct ntm_msg got;
	size_t len = request(&init, NTM_PKT_TUNNEL_REQUEST, 1000, req);

	(void)state;
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), 0);
	len = answer(&hs, psk, &kr, resp);
	before = init;
	for (size_t at = 0; at < len; at++) {
		resp[at] ^= 0x80;
		assert_int_equal(ntm_hs_response(&init, resp, len, &ki, &got), -EBADMSG);
		resp[at] ^= 0x80;
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(ntm_hs_response(&init, resp, cut, &ki, &got), -EBADMSG);
	memset(resp + len, 0, 16);
	assert_int_equal(ntm_hs_response(&init, resp, len + 16, &ki, &got), -EBADMSG);
	/* All of that must have left the handshake waiting. */
	assert_memory_equal(&before, &init, sizeof(init));
	assert_int_equal(ntm_hs_response(&init, resp, len, &ki, &got), 0);
	check_keys(&ki, &kr);
}

static void test_wrong_psk(void **state)
{
	static const uint8_t other[32] = { 8 };
	uint8_t req[NTM_DATAGRAM_MAX], resp[NTM_DATAGRAM_MAX];
	struct ntm_hs_keys ki, kr;
	struct ntm_hs_init init;
	struct ntm_hs_resp hs;
	struct ntm_msg got;
	size_t len = request(&init, NTM_PKT_TUNNEL_REQUEST, 1000, req);

	(void)state;
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), 0);
	len = answer(&hs, other, &kr, resp);
	assert_int_equal(ntm_hs_response(&init, resp, len, &ki, &got), -EBADMSG);
}

/* The same request twice: the same initiator and ephemeral key are seen, the keys are not the same. */
static void test_replayed_request(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX], resp[NTM_DATAGRAM_MAX];
	struct ntm_hs_keys first, second;
	struct ntm_hs_init init;
	struct ntm_hs_resp hs, again;
	size_t len = request(&init, NTM_PKT_SESSION_REQUEST, 1000, req);

	(void)state;
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), 0);
	assert_int_equal(ntm_hs_accept(&again, &bob, req, len), 0);
	assert_memory_equal(hs.ephemeral, again.ephemeral, 32);
	answer(&hs, NULL, &first, resp);
	answer(&again, NULL, &second, resp);
	assert_memory_not_equal(first.session.tx_key, second.session.tx_key, 32);
	assert_memory_not_equal(first.data_tx, second.data_tx, 32);
}

/* --- load and cookies */

static void raise_load(uint64_t now)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_cookie_jar other = { 0 };
	struct ntm_hs_init init;
	int len = ntm_hs_request(&init, NTM_PKT_SESSION_REQUEST, &alice, bob.public, NULL, 1, 0,
				 NULL, &other, now, req, sizeof(req));

	for (int i = 0; i < 100; i++)
		assert_int_equal(check(req, (size_t)len, &elsewhere, now), NTM_HS_GO);
	for (int i = 0; i < 5; i++)
		assert_int_equal(check(req, (size_t)len, &elsewhere, now), NTM_HS_COOKIE);
}

static void test_cookie(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	struct ntm_hs_resp hs;
	size_t len;

	(void)state;
	raise_load(2000);
	len = request(&init, NTM_PKT_SESSION_REQUEST, 2000, req);
	assert_int_equal(check(req, len, &here, 2000), NTM_HS_COOKIE);
	assert_int_equal(reply_len, 64);
	assert_true(reply_len < len);
	assert_int_equal(ntm_hs_reply_id(reply, reply_len), INIT_ID);
	/* Damaged in any byte but the session ID, which only helps to find the handshake */
	for (size_t at = 0; at < reply_len; at++) {
		reply[at] ^= 1;
		assert_int_equal(ntm_hs_cookie_reply(&jar, bob.public, reply, reply_len, 2000),
				 at >= 4 && at < 8 ? 0 : -EBADMSG);
		reply[at] ^= 1;
	}
	jar.got_ms = 0;
	assert_int_equal(ntm_hs_cookie_reply(&jar, alice.public, reply, reply_len, 2000), -EBADMSG);
	assert_int_equal(ntm_hs_cookie_reply(&jar, bob.public, reply, reply_len - 1, 2000),
			 -EBADMSG);
	assert_int_equal(ntm_hs_cookie_reply(&jar, bob.public, reply, reply_len, 2000), 0);
	/* The same request with mac2 passes, but from nowhere else, and not with mac2 damaged. */
	ntm_hs_refresh_mac2(req, len, &jar, 2000);
	assert_false(sodium_is_zero(req + len - 16, 16));
	assert_int_equal(check(req, len, &here, 2000), NTM_HS_GO);
	assert_int_equal(check(req, len, &elsewhere, 2000), NTM_HS_COOKIE);
	req[len - 1] ^= 1;
	assert_int_equal(check(req, len, &here, 2000), NTM_HS_COOKIE);
	req[len - 1] ^= 1;
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), 0);
	/* A new request has it from the start. */
	len = request(&init, NTM_PKT_SESSION_REQUEST, 2500, req);
	assert_int_equal(check(req, len, &here, 2500), NTM_HS_GO);
}

/* A cookie bought with one request is no use to whoever did not send it. */
static void test_cookie_reply_of_other_request(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	size_t len;

	(void)state;
	raise_load(2000);
	len = request(&init, NTM_PKT_SESSION_REQUEST, 2000, req);
	assert_int_equal(check(req, len, &here, 2000), NTM_HS_COOKIE);
	request(&init, NTM_PKT_SESSION_REQUEST, 2000, req); /* another mac1 in the jar */
	assert_int_equal(ntm_hs_cookie_reply(&jar, bob.public, reply, reply_len, 2000), -EBADMSG);
	assert_int_equal(jar.got_ms, 0);
}

static void get_cookie(uint64_t now)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	size_t len;

	raise_load(now);
	len = request(&init, NTM_PKT_SESSION_REQUEST, now, req);
	assert_int_equal(check(req, len, &here, now), NTM_HS_COOKIE);
	assert_int_equal(ntm_hs_cookie_reply(&jar, bob.public, reply, reply_len, now), 0);
}

static void test_cookie_age(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	uint64_t got = 100000;
	size_t len;

	(void)state;
	get_cookie(got); /* secret made at 1000 */
	/* The secret changes at 121000; the one before stays good. */
	raise_load(got + 119000);
	len = request(&init, NTM_PKT_SESSION_REQUEST, got + 119999, req);
	assert_false(sodium_is_zero(req + len - 16, 16));
	assert_int_equal(check(req, len, &here, got + 119000), NTM_HS_GO);
	/* The initiator does not use one of 120 s. */
	len = request(&init, NTM_PKT_SESSION_REQUEST, got + 120000, req);
	assert_true(sodium_is_zero(req + len - 16, 16));
	/* Nor does the responder take it after the second change. */
	len = request(&init, NTM_PKT_SESSION_REQUEST, got, req);
	assert_false(sodium_is_zero(req + len - 16, 16));
	raise_load(got + 260000);
	assert_int_equal(check(req, len, &here, got + 260000), NTM_HS_COOKIE);
}

static void test_cookie_after_silence(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	size_t len;

	(void)state;
	get_cookie(2000);
	len = request(&init, NTM_PKT_SESSION_REQUEST, 2000, req);
	/* Nobody asked for long: both secrets are old, neither may live on. */
	raise_load(500000);
	assert_int_equal(check(req, len, &here, 500000), NTM_HS_COOKIE);
}

static void test_load_ends(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	size_t len;

	(void)state;
	raise_load(2000);
	len = request(&init, NTM_PKT_SESSION_REQUEST, 2000, req);
	assert_int_equal(check(req, len, &here, 2999), NTM_HS_COOKIE);
	assert_int_equal(check(req, len, &here, 4000), NTM_HS_GO);
	/* What is no request does not count: a flood of it hurts nobody else. */
	req[20] ^= 1;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(check(req, len, &here, 9000), NTM_HS_DROP);
	req[20] ^= 1;
	assert_int_equal(check(req, len, &here, 9000), NTM_HS_GO);
}

/* How many requests of @n come through without a cookie at @now */
static unsigned int pass(unsigned int n, uint64_t now)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	const size_t len = request(&init, NTM_PKT_SESSION_REQUEST, now, req);
	unsigned int passed = 0;

	for (unsigned int i = 0; i < n; i++)
		passed += check(req, len, &elsewhere, now) == NTM_HS_GO;
	return passed;
}

/* The last second is that before each request, wherever a clock's or the last load's second begins */
static void test_load_of_last_second(void **state)
{
	(void)state;
	assert_int_equal(pass(1, 2000), 1);
	assert_int_equal(pass(99, 2990), 99);
	assert_int_equal(pass(100, 3005), 1);
	/* As many as may be are no load, however long */
	for (uint64_t now = 10000; now < 15000; now += 10)
		assert_int_equal(pass(1, now), 1);
	for (uint64_t now = 20000; now < 25000; now += 500)
		assert_int_equal(pass(50, now), 50);
	assert_int_equal(pass(1, 24999), 0);
	/* What came a whole second ago counts no longer */
	assert_int_equal(pass(100, 30500), 100);
	assert_int_equal(pass(100, 31500), 100);
	assert_int_equal(pass(1, 32499), 0);
}

/* --- sources */

/* Under load from @from, with cookies: how many of @tries requests come through; the others find it busy */
static unsigned int come_through(const union ntm_addr *from, uint64_t now, unsigned int tries)
{
	uint8_t req[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	const size_t len = request(&init, NTM_PKT_SESSION_REQUEST, now, req);
	enum ntm_hs_verdict verdict;
	unsigned int passed = 0;

	memset(req + len - 16, 0, 16);
	while ((verdict = check(req, len, from, now)) == NTM_HS_GO)
		;
	assert_int_equal(verdict, NTM_HS_COOKIE);
	assert_int_equal(ntm_hs_cookie_reply(&jar, bob.public, reply, reply_len, now), 0);
	ntm_hs_refresh_mac2(req, len, &jar, now);
	for (unsigned int i = 0; i < tries; i++) {
		verdict = check(req, len, from, now);
		assert_true(verdict == NTM_HS_GO || verdict == NTM_HS_BUSY);
		assert_int_equal(reply_len, 0);
		passed += verdict == NTM_HS_GO;
	}
	return passed;
}

/* Sources that share a bucket would be a matter of luck */
static void meet_nobody(void)
{
	memset(guard.source_key, 0, sizeof(guard.source_key));
}

/* A cookie is no licence: each address does 100 a second and 1000 at once, whatever its ports, and whatever others do */
static void test_sources(void **state)
{
	const union ntm_addr other = test_addr("198.51.100.1"), v6 = test_addr("[2001:db8::1]"),
			     near = test_addr("[2001:db8::2]"),
			     far = test_addr("[2001:db8:0:1::1]");

	(void)state;
	meet_nobody();
	assert_int_equal(come_through(&here, 2000, 5000), 1000);
	assert_int_equal(come_through(&elsewhere, 2000, 10), 0);
	assert_int_equal(come_through(&other, 2000, 10), 10);
	assert_int_equal(come_through(&here, 2500, 5000), 50);
	assert_int_equal(come_through(&here, 3500, 5000), 100);
	assert_int_equal(come_through(&here, 60000, 5000), 1000);
	assert_int_equal(come_through(&v6, 60000, 5000), 1000);
	assert_int_equal(come_through(&near, 60000, 10), 0);
	assert_int_equal(come_through(&far, 60000, 10), 10);
	/* Somebody shares a bucket at the worst: until the secrets change */
	assert_int_equal(come_through(&here, 60000, 10), 0);
	assert_true(come_through(&here, 122000, 1) == 1);
	assert_false(sodium_is_zero(guard.source_key, sizeof(guard.source_key)));
	meet_nobody();
	guard.rate = 500;
	assert_int_equal(come_through(&other, 122000, 9000), 5000);
}

/* All the nodes behind a NAT at once, as after a restart of their DC */
static void test_behind_one_nat(void **state)
{
	union ntm_addr from = here;

	(void)state;
	meet_nobody();
	for (unsigned int i = 0; i < 1000; i++) {
		from.v4.sin_port = htons((uint16_t)(1024 + i));
		assert_int_equal(come_through(&from, 2000, 1), 1);
	}
	for (unsigned int s = 1; s <= 10; s++)
		assert_int_equal(come_through(&from, 2000 + s * 1000, 100), 100);
}

/* --- the rest */

static void test_arguments(void **state)
{
	static const uint8_t zero[32];
	uint8_t out[NTM_DATAGRAM_MAX];
	struct ntm_hs_init init;
	struct ntm_msg m = epoch_and_suites();

	(void)state;
#define REQUEST(type, key, with, id, path, size) \
	ntm_hs_request(&init, type, &alice, key, with, id, path, &m, &jar, 0, out, size)
	assert_int_equal(REQUEST(1, bob.public, NULL, 0, 0, 1232), -EINVAL);
	assert_int_equal(REQUEST(1, bob.public, NULL, 1, 1, 1232), -EINVAL);
	assert_int_equal(REQUEST(1, bob.public, psk, 1, 0, 1232), -EINVAL);
	assert_int_equal(REQUEST(5, bob.public, NULL, 1, 1, 1232), -EINVAL);
	assert_int_equal(REQUEST(5, bob.public, psk, 1, 0, 1232), -EINVAL);
	assert_int_equal(REQUEST(1, zero, NULL, 1, 0, 1232), -EINVAL);
	assert_int_equal(REQUEST(1, bob.public, NULL, 1, 0, 155), -EMSGSIZE);
	assert_int_equal(REQUEST(1, bob.public, NULL, 1, 0, 156), 156);
}

/* No answer is longer than its question: nobody's amplifier. */
static void test_no_amplification(void **state)
{
	uint8_t req[NTM_DATAGRAM_MAX], resp[NTM_DATAGRAM_MAX];
	struct ntm_msg big = { .candidate_count = 16 };
	struct ntm_hs_keys keys;
	struct ntm_hs_init init;
	struct ntm_hs_resp hs;
	size_t len = request(&init, NTM_PKT_SESSION_REQUEST, 0, req);

	(void)state;
	assert_int_equal(ntm_hs_accept(&hs, &bob, req, len), 0);
	NTM_SET(&big, CANDIDATE);
	for (int i = 0; i < 16; i++)
		big.candidates[i].addr = here;
	assert_int_equal(ntm_hs_answer(&hs, NULL, 1, &big, &keys, resp, sizeof(resp)), -EMSGSIZE);
}

static void test_punch(void **state)
{
	uint8_t p[NTM_HS_PUNCH_LEN + 1] = { 0 };

	(void)state;
	ntm_hs_punch(p, PATH, psk, NTM_ROLE_RESPONDER);
	assert_memory_equal(p, ((const uint8_t[]){ 7, 1, 0, 0, 0x11, 0x22, 0x33, 0x44 }), 8);
	assert_true(ntm_hs_punch_check(p, 24, PATH, psk, NTM_ROLE_RESPONDER));
	assert_false(ntm_hs_punch_check(p, 24, PATH, psk, NTM_ROLE_INITIATOR));
	assert_false(ntm_hs_punch_check(p, 24, PATH + 1, psk, NTM_ROLE_RESPONDER));
	assert_false(ntm_hs_punch_check(p, 23, PATH, psk, NTM_ROLE_RESPONDER));
	assert_false(ntm_hs_punch_check(p, 25, PATH, psk, NTM_ROLE_RESPONDER));
	for (int at = 0; at < 24; at++) {
		p[at] ^= 4;
		assert_false(ntm_hs_punch_check(p, 24, PATH, psk, NTM_ROLE_RESPONDER));
		p[at] ^= 4;
	}
}

static void test_reply_id(void **state)
{
	uint8_t p[NTM_DATAGRAM_MAX + 1] = { 2, 1, 0, 0, 0, 0, 0, 9 };

	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		p[0] = (uint8_t)type;
		assert_int_equal(ntm_hs_reply_id(p, 64),
				 type == 2 || type == 3 || type == 6 ? 9 : 0);
	}
	p[0] = 2;
	assert_int_equal(ntm_hs_reply_id(p, 55), 0);
	assert_int_equal(ntm_hs_reply_id(p, NTM_DATAGRAM_MAX + 1), 0);
	p[0] = 3;
	assert_int_equal(ntm_hs_reply_id(p, 65), 0);
	p[2] = 1;
	assert_int_equal(ntm_hs_reply_id(p, 64), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_exchange, setup),
		cmocka_unit_test_setup(test_macs_and_derivation, setup),
		cmocka_unit_test_setup(test_request_damaged, setup),
		cmocka_unit_test_setup(test_shape, setup),
		cmocka_unit_test_setup(test_response_damaged, setup),
		cmocka_unit_test_setup(test_wrong_psk, setup),
		cmocka_unit_test_setup(test_replayed_request, setup),
		cmocka_unit_test_setup(test_cookie, setup),
		cmocka_unit_test_setup(test_cookie_reply_of_other_request, setup),
		cmocka_unit_test_setup(test_cookie_age, setup),
		cmocka_unit_test_setup(test_cookie_after_silence, setup),
		cmocka_unit_test_setup(test_load_ends, setup),
		cmocka_unit_test_setup(test_load_of_last_second, setup),
		cmocka_unit_test_setup(test_sources, setup),
		cmocka_unit_test_setup(test_behind_one_nat, setup),
		cmocka_unit_test_setup(test_arguments, setup),
		cmocka_unit_test_setup(test_no_amplification, setup),
		cmocka_unit_test_setup(test_punch, setup),
		cmocka_unit_test_setup(test_reply_id, setup),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
