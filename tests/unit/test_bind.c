// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/bind.c */
/* Relay Binds, against an RS made of what common/relay.h gives it. */
#include <errno.h>
#include <sodium.h>

#include "ntm_test.h"
#include "common/handshake.h"
#include "node/bind.h"

#define NOW 1000000u
#define PATH 0x12345678u

static const uint8_t psk[32] = { 7 };
static struct ntm_relay_info info;
static struct ntm_relay_secret secret;
static struct ntm_bind b;
static union ntm_addr self;
static uint8_t packet[NTM_RELAY_BIND_LEN];

static int begin(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	info.key[0] = 9;
	info.addrs[0] = test_addr("192.0.2.9");
	info.addrs[1] = test_addr("[2001:db8::9]");
	self = test_addr("198.51.100.7");
	ntm_relay_secret_init(&secret, NOW);
	ntm_bind_init(&b, PATH, NTM_ROLE_INITIATOR, psk, &info);
	return 0;
}

/* What the RS says to the last Bind; @status: what it would say to one with a good cookie */
static void answer(uint8_t out[NTM_RELAY_BIND_LEN], uint8_t status)
{
	struct ntm_relay_bind bind;
	uint8_t key[NTM_RELAY_KEY];

	ntm_relay_end_key(key, psk, info.key, NTM_ROLE_INITIATOR);
	assert_int_equal(packet[0], NTM_PKT_RELAY_BIND);
	assert_true(ntm_relay_get(&bind, packet, sizeof(packet)));
	assert_true(ntm_relay_authentic(packet, key));
	bind.status = ntm_relay_cookie_good(&secret, &bind, &self, 0) ? status : NTM_RELAY_COOKIE;
	if (bind.status == NTM_RELAY_COOKIE)
		ntm_relay_cookie(&secret, &bind, &self, 0, bind.cookie);
	bind.lifetime = 30;
	bind.observed = self;
	ntm_relay_put_bound(out, &bind, key);
}

static int give(const uint8_t *bound, uint64_t now)
{
	return ntm_bind_take(&b, bound, NTM_RELAY_BIND_LEN, &info.addrs[0], now);
}

static void bind_at(uint64_t now)
{
	uint8_t bound[NTM_RELAY_BIND_LEN];

	ntm_bind_start(&b, now);
	assert_true(ntm_bind_tick(&b, now, packet));
	answer(bound, NTM_RELAY_BOUND);
	assert_int_equal(give(bound, now), 0);
	if (b.state == NTM_BIND_BOUND)
		return;
	assert_true(ntm_bind_tick(&b, now, packet)); /* with the cookie, at once */
	assert_false(ntm_bind_tick(&b, now, packet));
	answer(bound, NTM_RELAY_BOUND);
	assert_int_equal(give(bound, now), 0);
	assert_int_equal(b.state, NTM_BIND_BOUND);
}

static void test_two_round_trips_and_then_one(void **state)
{
	(void)state;
	assert_true(ntm_bind_deadline(&b) == UINT64_MAX);
	ntm_bind_start(&b, NOW);
	assert_int_equal(b.state, NTM_BIND_ASKING);
	assert_int_equal(b.addr.sa.sa_family, 0); /* to both addresses */
	ntm_bind_stop(&b);
	bind_at(NOW);
	assert_true(ntm_addr_equal(&b.addr, &info.addrs[0]));
	assert_int_equal(b.until_ms, NOW + 30000);
	ntm_bind_stop(&b);
	assert_true(ntm_bind_deadline(&b) == UINT64_MAX);
	ntm_bind_start(&b, NOW + 5000);
	assert_true(ntm_bind_tick(&b, NOW + 5000, packet));
	{
		uint8_t bound[NTM_RELAY_BIND_LEN];

		answer(bound, NTM_RELAY_BOUND); /* the cookie is still good */
		assert_int_equal(give(bound, NOW + 5000), 0);
	}
	assert_int_equal(b.state, NTM_BIND_BOUND);
}

static unsigned int sent_until(uint64_t *now, uint64_t end)
{
	unsigned int sent = 0;

	for (; *now < end; ++*now)
		while (ntm_bind_tick(&b, *now, packet))
			sent++;
	return sent;
}

static void test_asking_is_repeated_and_given_up(void **state)
{
	uint64_t now = NOW;

	(void)state;
	ntm_bind_start(&b, now);
	assert_int_equal(sent_until(&now, NOW + 100), 1);
	assert_int_equal(sent_until(&now, NOW + 101), 1);
	assert_int_equal(sent_until(&now, NOW + 700), 1);  /* at 300 */
	assert_int_equal(sent_until(&now, NOW + 1501), 2); /* 700, 1500 */
	assert_int_equal(sent_until(&now, NOW + 4501), 3); /* every second */
	assert_int_equal(b.state, NTM_BIND_ASKING);
	assert_int_equal(sent_until(&now, NOW + 20000), 0);
	assert_int_equal(b.state, NTM_BIND_DEAD);
	assert_true(ntm_bind_deadline(&b) == UINT64_MAX);
	ntm_bind_start(&b, now);
	assert_int_equal(b.state, NTM_BIND_ASKING);
}

static void test_kept_while_packets_pass(void **state)
{
	uint8_t bound[NTM_RELAY_BIND_LEN];

	(void)state;
	bind_at(NOW);
	ntm_bind_keep(&b, true);
	assert_int_equal(ntm_bind_deadline(&b), NOW + 1000);
	assert_false(ntm_bind_tick(&b, NOW + 999, packet));
	assert_true(ntm_bind_tick(&b, NOW + 1000, packet));
	answer(bound, NTM_RELAY_BOUND);
	assert_int_equal(give(bound, NOW + 1010), 0);
	assert_int_equal(ntm_bind_deadline(&b), NOW + 2010);
	/* Nothing passes: it is left to end */
	ntm_bind_keep(&b, false);
	assert_int_equal(ntm_bind_deadline(&b), NOW + 1010 + 30000);
	assert_false(ntm_bind_tick(&b, NOW + 1010 + 30000, packet));
	assert_int_equal(b.state, NTM_BIND_IDLE);
}

static void test_three_unanswered_are_death(void **state)
{
	uint64_t now = NOW;

	(void)state;
	bind_at(NOW);
	ntm_bind_keep(&b, true);
	assert_int_equal(sent_until(&now, NOW + 1000), 0);
	assert_int_equal(sent_until(&now, NOW + 1301), 3); /* 1000, 1100, 1300 */
	assert_int_equal(sent_until(&now, NOW + 1700), 0);
	assert_int_equal(b.state, NTM_BIND_BOUND);
	assert_int_equal(sent_until(&now, NOW + 1701), 0);
	assert_int_equal(b.state, NTM_BIND_DEAD);
}

static void test_again_at_once(void **state)
{
	(void)state;
	ntm_bind_again(&b, NOW);
	assert_false(ntm_bind_tick(&b, NOW, packet));
	bind_at(NOW);
	ntm_bind_again(&b, NOW + 10);
	assert_true(ntm_bind_tick(&b, NOW + 10, packet));
	ntm_bind_again(&b, NOW + 20); /* under way */
	assert_false(ntm_bind_tick(&b, NOW + 20, packet));
}

/* The node has moved, or the RS has a new secret: its cookie is no good any more */
static void test_new_cookie(void **state)
{
	uint8_t bound[NTM_RELAY_BIND_LEN];

	(void)state;
	bind_at(NOW);
	self = test_addr("203.0.113.5");
	ntm_bind_again(&b, NOW + 10);
	assert_true(ntm_bind_tick(&b, NOW + 10, packet));
	answer(bound, NTM_RELAY_BOUND);
	assert_int_equal(give(bound, NOW + 20), 0);
	assert_int_equal(b.state, NTM_BIND_BOUND);
	assert_true(ntm_bind_tick(&b, NOW + 20, packet));
	answer(bound, NTM_RELAY_BOUND);
	assert_int_equal(give(bound, NOW + 30), 0);
	assert_false(b.trying);
	assert_int_equal(b.bound_ms, NOW + 30);
}

/* A Bound has the cookie for the next Bind: it is the one that is shown then */
static void test_cookie_in_bound(void **state)
{
	uint8_t bound[NTM_RELAY_BIND_LEN], key[NTM_RELAY_KEY];
	struct ntm_relay_bind bind;

	(void)state;
	bind_at(NOW);
	ntm_bind_again(&b, NOW + 10);
	assert_true(ntm_bind_tick(&b, NOW + 10, packet));
	assert_true(ntm_relay_get(&bind, packet, sizeof(packet)));
	bind.lifetime = 30;
	memset(bind.cookie, 0x77, sizeof(bind.cookie));
	ntm_relay_end_key(key, psk, info.key, NTM_ROLE_INITIATOR);
	ntm_relay_put_bound(bound, &bind, key);
	assert_int_equal(give(bound, NOW + 20), 0);
	ntm_bind_again(&b, NOW + 30);
	assert_true(ntm_bind_tick(&b, NOW + 30, packet));
	assert_memory_equal(packet + 16, bind.cookie, sizeof(bind.cookie));
}

/* An RS that answers every Bind with another cookie gets one more for each that the clock sends */
static void test_cookies_without_end(void **state)
{
	uint8_t bound[NTM_RELAY_BIND_LEN];
	unsigned int sent = 0;

	(void)state;
	ntm_bind_start(&b, NOW);
	for (uint64_t now = NOW; now < NOW + 6000; now++)
		while (ntm_bind_tick(&b, now, packet)) {
			sent++;
			ntm_relay_secret_init(&secret, now);
			answer(bound, NTM_RELAY_BOUND);
			(void)give(bound, now);
		}
	assert_in_range(sent, 8, 16);
	assert_int_equal(b.state, NTM_BIND_DEAD);
}

static void test_busy(void **state)
{
	uint8_t bound[NTM_RELAY_BIND_LEN];

	(void)state;
	bind_at(NOW);
	ntm_bind_again(&b, NOW + 10);
	assert_true(ntm_bind_tick(&b, NOW + 10, packet));
	answer(bound, NTM_RELAY_BUSY);
	assert_int_equal(give(bound, NOW + 20), 0);
	assert_int_equal(b.state, NTM_BIND_LEAVING);
	assert_true(ntm_bind_open(&b));
	ntm_bind_start(&b, NOW + 30); /* once told is enough */
	ntm_bind_again(&b, NOW + 30);
	assert_false(ntm_bind_tick(&b, NOW + 30, packet));
	assert_int_equal(ntm_bind_deadline(&b), b.until_ms);
	assert_false(ntm_bind_tick(&b, b.until_ms, packet));
	assert_int_equal(b.state, NTM_BIND_DEAD);
	assert_false(ntm_bind_open(&b));
}

static void test_busy_at_first(void **state)
{
	uint8_t bound[NTM_RELAY_BIND_LEN];

	(void)state;
	ntm_bind_start(&b, NOW);
	assert_true(ntm_bind_tick(&b, NOW, packet));
	answer(bound, NTM_RELAY_BUSY); /* the cookie first */
	assert_int_equal(give(bound, NOW + 20), 0);
	assert_true(ntm_bind_tick(&b, NOW + 20, packet));
	answer(bound, NTM_RELAY_BUSY);
	assert_int_equal(give(bound, NOW + 40), 0);
	assert_int_equal(b.state, NTM_BIND_DEAD);
}

static void test_what_is_not_taken(void **state)
{
	const union ntm_addr stranger = test_addr("203.0.113.66");
	uint8_t bound[NTM_RELAY_BIND_LEN], bad[NTM_RELAY_BIND_LEN];

	(void)state;
	ntm_bind_start(&b, NOW);
	assert_true(ntm_bind_tick(&b, NOW, packet));
	answer(bound, NTM_RELAY_BOUND);
	assert_int_equal(ntm_bind_take(&b, bound, sizeof(bound), &stranger, NOW), -EPERM);
	assert_int_equal(ntm_bind_take(&b, bound, sizeof(bound) - 1, &info.addrs[0], NOW), -EPROTO);
	for (size_t i = 4; i < sizeof(bound); i++) {
		memcpy(bad, bound, sizeof(bad));
		bad[i] ^= 0x40;
		assert_int_not_equal(give(bad, NOW), 0);
	}
	assert_false(b.answered);
	assert_int_equal(give(bound, NOW), 0);
	bind_at(NOW); /* goes on with what it has */
}

/* A Bound of before, sent again, must not make an RS look alive */
static void test_old_bound_again(void **state)
{
	uint8_t bound[NTM_RELAY_BIND_LEN];

	(void)state;
	bind_at(NOW);
	answer(bound, NTM_RELAY_BOUND);
	assert_int_equal(give(bound, NOW + 1), -EPERM); /* nothing is asked */
	ntm_bind_again(&b, NOW + 10);
	assert_true(ntm_bind_tick(&b, NOW + 10, packet));
	assert_int_equal(give(bound, NOW + 11), -EPERM); /* another nonce */
	assert_true(b.trying);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_two_round_trips_and_then_one, begin),
		cmocka_unit_test_setup(test_asking_is_repeated_and_given_up, begin),
		cmocka_unit_test_setup(test_kept_while_packets_pass, begin),
		cmocka_unit_test_setup(test_three_unanswered_are_death, begin),
		cmocka_unit_test_setup(test_again_at_once, begin),
		cmocka_unit_test_setup(test_new_cookie, begin),
		cmocka_unit_test_setup(test_cookie_in_bound, begin),
		cmocka_unit_test_setup(test_cookies_without_end, begin),
		cmocka_unit_test_setup(test_busy, begin),
		cmocka_unit_test_setup(test_busy_at_first, begin),
		cmocka_unit_test_setup(test_what_is_not_taken, begin),
		cmocka_unit_test_setup(test_old_bound_again, begin),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
