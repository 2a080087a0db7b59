// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/survey.c */
/* What a node finds out about relays and its NAT, against relays of a few lines, in virtual time. */
#include "ntm_test.h"

#include <errno.h>
#include <sodium.h>

#include "common/handshake.h"
#include "node/survey.h"

static struct {
	uint64_t now_us;
	struct ntm_survey s;
	struct ntm_relay_info relays[2];
	uint32_t rtt_us[2];
	uint32_t late_us[2][NTM_SURVEY_TRIES]; /* how much longer the answer to each try takes */
	bool lost[NTM_SURVEY_TRIES];
	bool deaf[2];
	bool no_v6, lost_v6;
	union ntm_addr seen[2]; /* as each relay sees us */
	unsigned int sent, done;
	struct {
		uint64_t at_us;
		union ntm_addr from;
		uint8_t packet[NTM_RELAY_PROBE_LEN];
	} queue[16];
	unsigned int queued;
} w;

static int relay_of(const union ntm_addr *to)
{
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			if (ntm_addr_equal(&w.relays[i].addrs[j], to))
				return i;
	return -1;
}

static int op_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	const int i = relay_of(to);
	struct ntm_relay_probe probe;
	unsigned int try;

	(void)ctx;
	assert_true(i >= 0);
	assert_true(ntm_relay_get_probe(&probe, packet, len, w.relays[i].key));
	if (to->sa.sa_family == AF_INET6 && w.no_v6)
		return -ENETUNREACH;
	w.sent++;
	try = probe.nonce[sizeof(probe.nonce) - 1];
	assert_true(try < NTM_SURVEY_TRIES);
	if (w.deaf[i] || w.lost[try] || (to->sa.sa_family == AF_INET6 && w.lost_v6))
		return 0;
	assert_true(w.queued < 16);
	probe.observed = to->sa.sa_family == AF_INET ? w.seen[i] : test_addr("[2001:db8::7]:4330");
	w.queue[w.queued].at_us = w.now_us + w.rtt_us[i] + w.late_us[i][try];
	w.queue[w.queued].from = *to;
	ntm_relay_put_probe(w.queue[w.queued++].packet, &probe, true, w.relays[i].key);
	return 0;
}

static void op_done(void *ctx)
{
	(void)ctx;
	w.done++;
}

static const struct ntm_survey_ops ops = { .send = op_send, .done = op_done };

static void deliver(void)
{
	for (unsigned int i = 0; i < w.queued; i++) {
		if (!w.queue[i].at_us || w.queue[i].at_us > w.now_us)
			continue;
		w.queue[i].at_us = 0;
		ntm_survey_response(&w.s, w.queue[i].packet, sizeof(w.queue[i].packet),
				    &w.queue[i].from, w.now_us);
	}
}

static void run(unsigned int ms)
{
	for (; ms; ms--) {
		w.now_us += 1000;
		deliver();
		if (w.now_us / 1000 >= ntm_survey_deadline(&w.s))
			ntm_survey_tick(&w.s, w.now_us);
	}
}

static int begin(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now_us = 5000000;
	w.no_v6 = true;
	for (unsigned int i = 0; i < 2; i++) {
		memset(w.relays[i].key, (int)i + 1, 32);
		w.rtt_us[i] = 20000 * (i + 1);
	}
	w.relays[0].addrs[0] = test_addr("192.0.2.1:4330");
	w.relays[0].addrs[1] = test_addr("[2001:db8::1]:4330");
	w.relays[1].addrs[0] = test_addr("198.51.100.1:4330");
	w.seen[0] = w.seen[1] = test_addr("203.0.113.5:4330");
	ntm_survey_init(&w.s, &ops, NULL);
	return 0;
}

static struct ntm_msg told(void)
{
	struct ntm_msg m = { 0 };

	ntm_survey_fill(&w.s, &m);
	return m;
}

static void test_rtts_are_told(void **state)
{
	struct ntm_msg m;

	(void)state;
	m = told();
	assert_false(NTM_HAS(&m, NAT)); /* no relay, nothing known */
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	run(2 * 40);
	assert_int_equal(w.done, 0);
	run(40);
	assert_int_equal(w.done, 1);
	m = told();
	assert_true(NTM_HAS(&m, RELAY_RTT));
	assert_int_equal(m.rtt_count, 2);
	assert_memory_equal(m.rtts[0].relay, w.relays[0].key, 8);
	assert_int_equal(m.rtts[0].rtt_us, 20000);
	assert_int_equal(m.rtts[1].rtt_us, 40000);
	assert_int_equal(m.nat, NTM_NAT_INDEPENDENT);
	/* The same once more is no news; another lease with the same relays asks nobody */
	w.sent = 0;
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	assert_int_equal(w.sent, 0);
	w.queued = 0;
	ntm_survey_start(&w.s, w.now_us);
	run(200);
	assert_int_equal(w.done, 1);
	/* Much further away is */
	w.rtt_us[1] = 90000;
	w.queued = 0;
	ntm_survey_start(&w.s, w.now_us);
	run(300);
	assert_int_equal(w.done, 2);
}

/* Whoever is late once makes no relay far: what is told stands for ten minutes */
static void test_the_least_of_three(void **state)
{
	struct ntm_msg m;

	(void)state;
	w.late_us[0][0] = 25000;
	w.late_us[1][1] = w.late_us[1][2] = 25000;
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	run(200);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.sent, 2 * NTM_SURVEY_TRIES);
	m = told();
	assert_int_equal(m.rtts[0].rtt_us, 20000);
	assert_int_equal(m.rtts[1].rtt_us, 40000);
	/* Of one round: a way that became longer is not as short as it was */
	w.rtt_us[0] = 60000;
	w.queued = 0;
	ntm_survey_start(&w.s, w.now_us);
	run(300);
	assert_int_equal(w.done, 2);
	assert_int_equal(told().rtts[0].rtt_us, 60000);
}

/* One answer is enough, and the round does not wait long for more */
static void test_lost_probes(void **state)
{
	(void)state;
	w.lost[1] = w.lost[2] = true;
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	run(1100);
	assert_int_equal(w.done, 1);
	assert_int_equal(told().rtt_count, 2);
	assert_int_equal(told().nat, NTM_NAT_INDEPENDENT);
	w.queued = w.sent = 0;
	run(500000);
	assert_int_equal(w.sent, 0);
}

static void test_a_relay_that_is_silent(void **state)
{
	struct ntm_msg m;

	(void)state;
	w.deaf[0] = true;
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	run(5000);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.sent, 2 * NTM_SURVEY_TRIES);
	m = told();
	assert_int_equal(m.rtt_count, 1);
	assert_memory_equal(m.rtts[0].relay, w.relays[1].key, 8);
	assert_int_equal(m.nat, NTM_NAT_UNKNOWN); /* one view is none */
	/* It is asked again soon, and again */
	w.queued = w.sent = 0;
	run(60000);
	assert_in_range(w.sent, 2 * NTM_SURVEY_TRIES, 4 * NTM_SURVEY_TRIES);
	assert_int_equal(w.done, 1);
	w.deaf[0] = false;
	w.queued = 0;
	run(35000);
	assert_int_equal(w.done, 2);
	m = told();
	assert_int_equal(m.rtt_count, 2);
	/* And then every ten minutes */
	w.queued = w.sent = 0;
	run(540000);
	assert_int_equal(w.sent, 0);
	run(60000);
	assert_int_equal(w.sent, 2 * NTM_SURVEY_TRIES);
}

/* A network that swallows IPv6 does not have all of them asked twice a minute: nothing of the NAT is missed */
static void test_no_answer_by_ipv6(void **state)
{
	(void)state;
	w.no_v6 = false;
	w.lost_v6 = true;
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	run(5000);
	assert_int_equal(w.done, 1);
	assert_int_equal(told().rtt_count, 2);
	w.queued = w.sent = 0;
	run(500000);
	assert_int_equal(w.sent, 0);
}

/* The DC names the nearest first, and two that are as near change places from one lease to the next */
static void test_other_relays(void **state)
{
	struct ntm_relay_info turned[2];
	struct ntm_msg m;

	(void)state;
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	run(200);
	(void)told();
	w.sent = w.queued = 0;
	turned[0] = w.relays[1];
	turned[1] = w.relays[0];
	ntm_survey_relays(&w.s, turned, 2, w.now_us);
	assert_int_equal(w.sent, 0);
	run(200);
	assert_int_equal(w.done, 1);
	/* One that is named again is not unknown while it is measured again */
	ntm_survey_relays(&w.s, turned, 1, w.now_us);
	assert_int_equal(w.sent, 1);
	m = told();
	assert_int_equal(m.rtt_count, 1);
	assert_memory_equal(m.rtts[0].relay, w.relays[1].key, 8);
	assert_int_equal(m.rtts[0].rtt_us, 40000);
}

/* The answer to the first try comes after the second one */
static void test_a_relay_that_is_far(void **state)
{
	struct ntm_msg m;

	(void)state;
	w.rtt_us[0] = 700000;
	ntm_survey_relays(&w.s, w.relays, 1, w.now_us);
	run(800);
	m = told();
	assert_int_equal(m.rtt_count, 1);
	assert_int_equal(m.rtts[0].rtt_us, 700000);
	/* And the answer to the second one says nothing else */
	run(1000);
	m = told();
	assert_int_equal(m.rtts[0].rtt_us, 700000);
}

static void test_nat(void **state)
{
	const struct ntm_candidate own = { .addr = test_addr("203.0.113.5:4330") };
	const struct ntm_candidate inside = { .addr = test_addr("10.0.0.5:4330") };
	const union ntm_addr dc = test_addr("192.0.2.99:4330");
	union ntm_addr seen;

	(void)state;
	ntm_survey_own(&w.s, &inside, 1, w.now_us);
	ntm_survey_relays(&w.s, w.relays, 1, w.now_us);
	run(100);
	assert_int_equal(ntm_survey_nat(&w.s), NTM_NAT_UNKNOWN);
	/* The DC is the second view */
	ntm_survey_dc(&w.s, &dc, &w.seen[0]);
	assert_int_equal(ntm_survey_nat(&w.s), NTM_NAT_INDEPENDENT);
	ntm_survey_dc(&w.s, &dc,
		      &(union ntm_addr){ .v4 = { .sin_family = AF_INET, .sin_port = 7 } });
	assert_int_equal(ntm_survey_nat(&w.s), NTM_NAT_DEPENDENT);
	ntm_survey_dc(&w.s, &dc, &(union ntm_addr){ .sa.sa_family = 0 });
	/* Other addresses of our own: all that was seen is void, and looked at again */
	w.queued = 0;
	ntm_survey_own(&w.s, &own, 1, w.now_us);
	assert_int_equal(ntm_survey_nat(&w.s), NTM_NAT_UNKNOWN);
	run(100);
	assert_int_equal(ntm_survey_nat(&w.s), NTM_NAT_NONE);
	seen = ntm_survey_observed4(&w.s);
	assert_true(ntm_addr_equal(&seen, &w.seen[0]));
}

static void test_a_symmetric_nat(void **state)
{
	(void)state;
	w.seen[1] = test_addr("203.0.113.5:40001");
	ntm_survey_relays(&w.s, w.relays, 2, w.now_us);
	run(100);
	assert_int_equal(told().nat, NTM_NAT_DEPENDENT);
}

static void test_forged_responses(void **state)
{
	const union ntm_addr elsewhere = test_addr("192.0.2.66:4330");
	struct ntm_relay_probe probe = { .nonce = "guessed", .observed = elsewhere };
	uint8_t packet[NTM_RELAY_PROBE_LEN];

	(void)state;
	ntm_survey_relays(&w.s, w.relays, 1, w.now_us);
	ntm_relay_put_probe(packet, &probe, true, w.relays[0].key);
	assert_false(
		ntm_survey_response(&w.s, packet, sizeof(packet), &w.relays[0].addrs[0], w.now_us));
	/* The right one from elsewhere, with another key, cut short; then it counts, once */
	memcpy(packet, w.queue[0].packet, sizeof(packet));
	assert_false(ntm_survey_response(&w.s, packet, sizeof(packet), &elsewhere, w.now_us));
	packet[40] ^= 1;
	assert_false(
		ntm_survey_response(&w.s, packet, sizeof(packet), &w.relays[0].addrs[0], w.now_us));
	packet[40] ^= 1;
	assert_false(ntm_survey_response(&w.s, packet, sizeof(packet) - 1, &w.relays[0].addrs[0],
					 w.now_us));
	assert_true(
		ntm_survey_response(&w.s, packet, sizeof(packet), &w.relays[0].addrs[0], w.now_us));
	assert_false(
		ntm_survey_response(&w.s, packet, sizeof(packet), &w.relays[0].addrs[0], w.now_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rtts_are_told, begin),
		cmocka_unit_test_setup(test_the_least_of_three, begin),
		cmocka_unit_test_setup(test_lost_probes, begin),
		cmocka_unit_test_setup(test_a_relay_that_is_silent, begin),
		cmocka_unit_test_setup(test_no_answer_by_ipv6, begin),
		cmocka_unit_test_setup(test_other_relays, begin),
		cmocka_unit_test_setup(test_a_relay_that_is_far, begin),
		cmocka_unit_test_setup(test_nat, begin),
		cmocka_unit_test_setup(test_a_symmetric_nat, begin),
		cmocka_unit_test_setup(test_forged_responses, begin),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
