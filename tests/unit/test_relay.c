// SPDX-License-Identifier: GPL-2.0
/* Packets between a node and a relay server. */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>

#include "common/handshake.h"
#include "common/relay.h"

static const uint8_t key[NTM_RELAY_KEY] = { 1, 2, 3 };

static union ntm_addr at(const char *text)
{
	union ntm_addr addr;

	assert_int_equal(ntm_addr_parse(&addr, text, 4330), 0);
	return addr;
}

static struct ntm_relay_bind some_bind(void)
{
	return (struct ntm_relay_bind){ .path_id = 0x12345678,
					.role = NTM_ROLE_RESPONDER,
					.lifetime = 90,
					.cookie = "cookie",
					.nonce = "nonce" };
}

static void test_bind_round_trip(void **state)
{
	const struct ntm_relay_bind in = some_bind();
	struct ntm_relay_bind out;
	uint8_t packet[NTM_RELAY_BIND_LEN];

	(void)state;
	ntm_relay_put_bind(packet, &in, key);
	assert_int_equal(packet[0], NTM_PKT_RELAY_BIND);
	assert_true(ntm_relay_get(&out, packet, sizeof(packet)));
	assert_true(ntm_relay_authentic(packet, key));
	assert_int_equal(out.path_id, in.path_id);
	assert_int_equal(out.role, in.role);
	assert_int_equal(out.lifetime, in.lifetime);
	assert_memory_equal(out.cookie, in.cookie, sizeof(in.cookie));
	assert_memory_equal(out.nonce, in.nonce, sizeof(in.nonce));
	assert_int_equal(out.observed.sa.sa_family, 0);
}

static void test_bound_tells_where_the_bind_came_from(void **state)
{
	static const char *const addrs[] = { "192.0.2.7:1234", "[2001:db8::7]:4330" };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct ntm_relay_bind in = some_bind(), out;
		uint8_t packet[NTM_RELAY_BIND_LEN];

		in.observed = at(addrs[i]);
		ntm_relay_put_bound(packet, &in, key);
		assert_true(ntm_relay_get(&out, packet, sizeof(packet)));
		assert_true(ntm_addr_equal(&out.observed, &in.observed));
	}
}

/* One key for each end and each RS: none is of use elsewhere, and none tells the psk's owner's other keys */
static void test_end_keys_differ(void **state)
{
	const uint8_t psk[32] = { 1 }, other_psk[32] = { 2 }, rs[32] = { 3 }, other_rs[32] = { 4 };
	uint8_t keys[4][NTM_RELAY_KEY], again[NTM_RELAY_KEY];

	(void)state;
	ntm_relay_end_key(keys[0], psk, rs, NTM_ROLE_INITIATOR);
	ntm_relay_end_key(keys[1], psk, rs, NTM_ROLE_RESPONDER);
	ntm_relay_end_key(keys[2], psk, other_rs, NTM_ROLE_INITIATOR);
	ntm_relay_end_key(keys[3], other_psk, rs, NTM_ROLE_INITIATOR);
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int j = i + 1; j < 4; j++)
			assert_memory_not_equal(keys[i], keys[j], NTM_RELAY_KEY);
	ntm_relay_end_key(again, psk, rs, NTM_ROLE_INITIATOR);
	assert_memory_equal(keys[0], again, NTM_RELAY_KEY);
}

static void test_probes(void **state)
{
	const uint8_t rs[32] = { 3 }, other_rs[32] = { 4 };
	struct ntm_relay_probe in = { .nonce = "nonce", .other_port = true, .to_port = 4331 }, out;
	static uint8_t padded[NTM_RELAY_PROBE_MAX + 1];
	uint8_t packet[NTM_RELAY_PROBE_LEN];

	(void)state;
	ntm_relay_put_probe(packet, &in, false, rs);
	assert_int_equal(packet[0], NTM_PKT_RELAY_PROBE);
	assert_true(ntm_relay_get_probe(&out, packet, sizeof(packet), rs));
	assert_memory_equal(out.nonce, in.nonce, sizeof(in.nonce));
	assert_true(out.other_port);
	assert_int_equal(out.to_port, 4331);
	assert_int_equal(out.observed.sa.sa_family, 0);
	assert_false(ntm_relay_get_probe(&out, packet, sizeof(packet), other_rs));
	assert_false(ntm_relay_get_probe(&out, packet, sizeof(packet) - 1, rs));
	/* A probe may be padded, up to a limit; a response may not */
	memcpy(padded, packet, sizeof(packet));
	assert_true(ntm_relay_get_probe(&out, padded, sizeof(padded) - 1, rs));
	assert_false(ntm_relay_get_probe(&out, padded, sizeof(padded), rs));
	ntm_relay_put_probe(padded, &in, true, rs);
	assert_false(ntm_relay_get_probe(&out, padded, sizeof(packet) + 1, rs));
	for (unsigned int bit = 0; bit < sizeof(packet) * 8; bit++) {
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(ntm_relay_get_probe(&out, packet, sizeof(packet), rs));
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	in.observed = at("[2001:db8::7]:4330");
	ntm_relay_put_probe(packet, &in, true, rs);
	assert_int_equal(packet[0], NTM_PKT_RELAY_PROBE_RESPONSE);
	assert_true(ntm_relay_get_probe(&out, packet, sizeof(packet), rs));
	assert_true(ntm_addr_equal(&out.observed, &in.observed));
}

static void test_every_flipped_bit_is_noticed(void **state)
{
	const struct ntm_relay_bind in = some_bind();
	uint8_t packet[NTM_RELAY_BIND_LEN], other[NTM_RELAY_KEY] = { 1, 2, 4 };

	(void)state;
	ntm_relay_put_bind(packet, &in, key);
	for (unsigned int bit = 0; bit < sizeof(packet) * 8; bit++) {
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(ntm_relay_authentic(packet, key));
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(ntm_relay_authentic(packet, key));
	assert_false(ntm_relay_authentic(packet, other));
}

static void test_malformed_binds(void **state)
{
	struct ntm_relay_bind bind = some_bind(), out;
	uint8_t packet[NTM_RELAY_BIND_LEN + 1] = { 0 };

	(void)state;
	ntm_relay_put_bind(packet, &bind, key);
	assert_false(ntm_relay_get(&out, packet, NTM_RELAY_BIND_LEN - 1));
	assert_false(ntm_relay_get(&out, packet, NTM_RELAY_BIND_LEN + 1));
	bind.role = 3;
	ntm_relay_put_bind(packet, &bind, key);
	assert_false(ntm_relay_get(&out, packet, NTM_RELAY_BIND_LEN));
	bind = some_bind();
	bind.path_id = 0;
	ntm_relay_put_bind(packet, &bind, key);
	assert_false(ntm_relay_get(&out, packet, NTM_RELAY_BIND_LEN));
	bind = some_bind();
	ntm_relay_put_bind(packet, &bind, key);
	packet[13] = 1;
	assert_false(ntm_relay_get(&out, packet, NTM_RELAY_BIND_LEN));
}

static void test_cookie_is_good_for_one_address_path_and_end(void **state)
{
	const union ntm_addr a = at("192.0.2.1:4330"), port = at("192.0.2.1:4331"),
			     host = at("192.0.2.2:4330");
	struct ntm_relay_bind bind = some_bind();
	struct ntm_relay_secret secret;

	(void)state;
	ntm_relay_secret_init(&secret, 0);
	assert_false(ntm_relay_cookie_good(&secret, &bind, &a, 3));
	ntm_relay_cookie(&secret, &bind, &a, 3, bind.cookie);
	assert_true(ntm_relay_cookie_good(&secret, &bind, &a, 3));
	assert_false(ntm_relay_cookie_good(&secret, &bind, &a, 4));
	assert_false(ntm_relay_cookie_good(&secret, &bind, &port, 3));
	assert_false(ntm_relay_cookie_good(&secret, &bind, &host, 3));
	bind.role = NTM_ROLE_INITIATOR;
	assert_false(ntm_relay_cookie_good(&secret, &bind, &a, 3));
	bind.role = NTM_ROLE_RESPONDER;
	bind.path_id++;
	assert_false(ntm_relay_cookie_good(&secret, &bind, &a, 3));
}

static void test_cookie_lives_for_two_secrets(void **state)
{
	const union ntm_addr a = at("[2001:db8::1]:4330");
	struct ntm_relay_bind bind = some_bind();
	struct ntm_relay_secret secret;

	(void)state;
	ntm_relay_secret_init(&secret, 0);
	ntm_relay_cookie(&secret, &bind, &a, 3, bind.cookie);
	ntm_relay_secret_tick(&secret, 119999);
	ntm_relay_secret_tick(&secret, 120000);
	assert_true(ntm_relay_cookie_good(&secret, &bind, &a, 3));
	ntm_relay_secret_tick(&secret, 240000);
	assert_false(ntm_relay_cookie_good(&secret, &bind, &a, 3));
}

static void test_relayed_signalling(void **state)
{
	const uint8_t inner[] = { NTM_PKT_SEALED, NTM_PROTOCOL_VERSION, 0, 0, 9, 9 };
	uint8_t packet[32];
	const uint8_t *out;
	uint32_t path_id = 0;
	size_t len;

	(void)state;
	len = ntm_relay_wrap(7, inner, sizeof(inner), packet, sizeof(packet));
	assert_int_equal(len, sizeof(inner) + NTM_RELAY_HDR_LEN);
	out = ntm_relay_unwrap(packet, &len, &path_id);
	assert_non_null(out);
	assert_int_equal(path_id, 7);
	assert_int_equal(len, sizeof(inner));
	assert_memory_equal(out, inner, len);
	assert_int_equal(ntm_relay_wrap(7, inner, sizeof(inner), packet, sizeof(inner) + 7), 0);
}

static void test_only_what_nodes_say_is_relayed(void **state)
{
	uint8_t inner[8] = { 0 }, packet[32];
	uint32_t path_id;
	size_t len;

	(void)state;
	for (unsigned int type = 0; type < 256; type++) {
		const bool wanted = type == NTM_PKT_TUNNEL_REQUEST ||
				    type == NTM_PKT_TUNNEL_RESPONSE ||
				    type == NTM_PKT_COOKIE_REPLY || type == NTM_PKT_SEALED;

		inner[0] = (uint8_t)type;
		len = ntm_relay_wrap(7, inner, sizeof(inner), packet, sizeof(packet));
		assert_int_equal(ntm_relay_unwrap(packet, &len, &path_id) != NULL, wanted);
	}
	len = NTM_RELAY_HDR_LEN + 3;
	assert_null(ntm_relay_unwrap(packet, &len, &path_id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_tells_where_the_bind_came_from),
		cmocka_unit_test(test_end_keys_differ),
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_bind_round_trip),
		cmocka_unit_test(test_every_flipped_bit_is_noticed),
		cmocka_unit_test(test_malformed_binds),
		cmocka_unit_test(test_cookie_is_good_for_one_address_path_and_end),
		cmocka_unit_test(test_cookie_lives_for_two_secrets),
		cmocka_unit_test(test_relayed_signalling),
		cmocka_unit_test(test_only_what_nodes_say_is_relayed),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
