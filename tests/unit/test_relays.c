// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/relays.c ntmd/dc/choice.c ntmd/dc/candidates.c ntmd/dc/pool.c
/* Relay servers as the coordinator knows them: the table, the choice, and what addresses may be told to others. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dc/candidates.h"
#include "dc/choice.h"
#include "dc/relays.h"

#define BOTH (NTM_FAMILY_4 | NTM_FAMILY_6)

static union ntm_addr addr(const char *text)
{
	union ntm_addr a;

	assert_int_equal(ntm_addr_parse(&a, text, 4330), 0);
	return a;
}

/* --- the table */

static void a_relay_is_found_and_renewed(void **state)
{
	const union ntm_addr addrs[2] = { addr("192.0.2.1"), addr("[2001:db8::1]:9") };
	const union ntm_addr others[2] = { addr("192.0.2.2") };
	struct ntm_relays r = { .count = 0 };
	uint32_t i;

	(void)state;
	assert_null(ntm_relays_find(&r, 7));
	for (i = 0; i < 100; i++)
		assert_int_equal(ntm_relays_set(&r, 3 * i, i, addrs), 0);
	assert_int_equal(r.count, 100);
	for (i = 0; i < 100; i++) {
		const struct ntm_relay *relay = ntm_relays_find(&r, 3 * i);

		assert_non_null(relay);
		assert_int_equal(relay->load, i);
		assert_int_equal(relay->rtt_ms, -1);
		assert_true(ntm_addr_equal(&relay->addrs[1], &addrs[1]));
	}
	assert_null(ntm_relays_find(&r, 1));
	ntm_relay_answered(ntm_relays_find(&r, 9), 12);
	assert_int_equal(ntm_relays_set(&r, 9, 70000, others), 0);
	assert_int_equal(r.count, 100);
	assert_int_equal(ntm_relays_find(&r, 9)->load, 1000);
	assert_int_equal(ntm_relays_find(&r, 9)->rtt_ms, 12);
	assert_true(ntm_addr_equal(&ntm_relays_find(&r, 9)->addrs[0], &others[0]));
	assert_int_equal(ntm_relays_find(&r, 9)->addrs[1].sa.sa_family, 0);
	ntm_relays_free(&r);
}

static void silence_lasts_until_an_answer(void **state)
{
	struct ntm_relay relay = { .rtt_ms = -1 };

	(void)state;
	ntm_relay_silent(&relay, 5000);
	assert_int_equal(relay.silent_ms, 15000);
	ntm_relay_answered(&relay, 7);
	assert_int_equal(relay.silent_ms, 0);
	assert_int_equal(relay.rtt_ms, 7);
	ntm_relay_answered(&relay, -1); /* it cannot be told what it took */
	assert_int_equal(relay.rtt_ms, 7);
}

static void paths_are_counted_for_a_minute(void **state)
{
	struct ntm_relay relay = { .rtt_ms = -1 };
	const uint64_t start = 123456789;
	uint64_t t;

	(void)state;
	assert_int_equal(ntm_relay_last_minute(&relay, start), 0);
	for (t = 0; t < 300000; t += 100) {
		uint32_t got;

		ntm_relay_directed(&relay, start + t);
		got = ntm_relay_last_minute(&relay, start + t);
		assert_in_range(got, t < 50000 ? t / 100 + 1 : 500, t < 60000 ? t / 100 + 1 : 600);
	}
	assert_true(ntm_relay_last_minute(&relay, start + t + 30000) > 150);
	assert_int_equal(ntm_relay_last_minute(&relay, start + t + 60000), 0);
	assert_int_equal(ntm_relay_last_minute(&relay, start + t + 6000000), 0);
}

/* --- the choice */

struct offer {
	uint8_t key;
	uint8_t families;
	uint16_t load;
	uint32_t a, b; /* RTT in us */
};

#define UNKNOWN NTM_CHOICE_UNKNOWN_US

static void offer(struct ntm_choice *c, uint32_t id, const struct offer *o, uint8_t families_a,
		  uint8_t families_b)
{
	const uint8_t key[32] = { o->key, 1, 2, 3 };
	const struct ntm_choice_relay relay = { id, key, o->families, o->load };
	const struct ntm_choice_end a = { families_a, o->a }, b = { families_b, o->b };

	ntm_choice_offer(c, &relay, &a, &b);
}

struct choosing {
	const char *what;
	uint8_t families_a, families_b;
	struct offer offers[4];
	int best[2]; /* index, -1: none */
};

static const struct choosing choosings[] = {
	{ "none", BOTH, BOTH, { { 0 } }, { -1, -1 } },
	{ "the only one", BOTH, BOTH, { { 1, BOTH, 0, UNKNOWN, UNKNOWN } }, { 0, -1 } },
	{ "least RTT to both together",
	  BOTH,
	  BOTH,
	  { { 1, BOTH, 0, 5000, 50000 }, { 2, BOTH, 0, 20000, 20000 }, { 3, BOTH, 0, 60000, 1000 } },
	  { 1, 0 } },
	{ "an unknown RTT counts 100 ms",
	  BOTH,
	  BOTH,
	  { { 1, BOTH, 0, 2000, UNKNOWN },
	    { 2, BOTH, 0, 50000, 51000 },
	    { 3, BOTH, 0, UNKNOWN, UNKNOWN },
	    { 4, BOTH, 0, 51000, 53000 } },
	  { 1, 0 } },
	{ "a tenth of a millisecond for each load",
	  BOTH,
	  BOTH,
	  { { 1, BOTH, 400, 0, 0 }, { 2, BOTH, 0, 20000, 19000 }, { 3, BOTH, 100, 16000, 15000 } },
	  { 1, 0 } },
	{ "one that is full is none",
	  BOTH,
	  BOTH,
	  { { 1, BOTH, 950, 1, 1 }, { 2, BOTH, 949, UNKNOWN, UNKNOWN }, { 3, BOTH, 1000, 1, 1 } },
	  { 1, -1 } },
	{ "both must reach it, each by a family of its own",
	  NTM_FAMILY_4,
	  NTM_FAMILY_6,
	  { { 1, NTM_FAMILY_4, 0, 1, 1 },
	    { 2, NTM_FAMILY_6, 0, 1, 1 },
	    { 3, BOTH, 500, UNKNOWN, UNKNOWN } },
	  { 2, -1 } },
	{ "one family is enough for two of it",
	  NTM_FAMILY_4,
	  BOTH,
	  { { 1, NTM_FAMILY_6, 0, 1, 1 }, { 2, NTM_FAMILY_4, 0, 1000, 1000 } },
	  { 1, -1 } },
};

static void choose(struct ntm_choice *c, const struct choosing *row, uint32_t seed, bool backwards)
{
	unsigned int i;

	ntm_choice_init(c, 2, seed);
	for (i = 0; i < 4; i++) {
		const unsigned int k = backwards ? 3 - i : i;

		if (row->offers[k].families)
			offer(c, k, &row->offers[k], row->families_a, row->families_b);
	}
}

static void the_best_two_whatever_their_order(void **state)
{
	struct ntm_choice c;
	unsigned int i, k, way;

	(void)state;
	for (i = 0; i < sizeof(choosings) / sizeof(choosings[0]); i++) {
		for (way = 0; way < 2; way++) {
			choose(&c, &choosings[i], 1, way);
			for (k = 0; k < 2; k++) {
				int got = k < c.count ? (int)c.best[k].id : -1;

				if (got != choosings[i].best[k])
					fail_msg("%s: %d", choosings[i].what, got);
			}
		}
	}
}

/* Among equals each gets its share, a path always the same ones, and another order of offers changes nothing. */
static void equals_share_the_paths(void **state)
{
	enum { RELAYS = 5, PATHS = 5000 };
	unsigned int first[RELAYS] = { 0 }, second[RELAYS] = { 0 };
	uint32_t seed, i;

	(void)state;
	for (seed = 0; seed < PATHS; seed++) {
		struct ntm_choice c, again;

		ntm_choice_init(&c, 2, seed);
		ntm_choice_init(&again, 2, seed);
		for (i = 0; i < RELAYS; i++) {
			/* Not quite equal, and less apart than a millisecond */
			const struct offer o = { i + 1, BOTH, 0, 10000 + i * 100, 10000 };
			const struct offer p = { RELAYS - i, BOTH, 0,
						 10000 + (RELAYS - 1 - i) * 100, 10000 };

			offer(&c, i, &o, BOTH, BOTH);
			offer(&again, RELAYS - 1 - i, &p, BOTH, BOTH);
		}
		assert_int_equal(c.count, 2);
		assert_int_not_equal(c.best[0].id, c.best[1].id);
		assert_int_equal(c.best[0].id, again.best[0].id);
		assert_int_equal(c.best[1].id, again.best[1].id);
		first[c.best[0].id]++;
		second[c.best[1].id]++;
	}
	for (i = 0; i < RELAYS; i++) {
		assert_in_range(first[i], PATHS / RELAYS * 8 / 10, PATHS / RELAYS * 12 / 10);
		assert_in_range(second[i], PATHS / RELAYS * 8 / 10, PATHS / RELAYS * 12 / 10);
	}
}

static void no_more_than_wanted(void **state)
{
	struct ntm_choice c;
	uint32_t i;

	(void)state;
	ntm_choice_init(&c, 99, 1);
	for (i = 0; i < 50; i++) {
		const struct offer o = { i + 1, BOTH, 0, (50 - i) * 1000, 0 };

		offer(&c, i, &o, BOTH, BOTH);
	}
	assert_int_equal(c.count, NTM_RELAYS_MAX);
	for (i = 0; i < c.count; i++)
		assert_int_equal(c.best[i].id, 49 - i);
	ntm_choice_init(&c, 0, 1);
	offer(&c, 1, &(struct offer){ 1, BOTH, 0, 1, 1 }, BOTH, BOTH);
	assert_int_equal(c.count, 0);
}

/* --- addresses */

struct claims {
	struct ntm_pool_spec pool4, pool6;
	union ntm_addr observed;
	struct ntm_candidates_rule rule;
};

static void set_up(struct claims *c, const char *observed)
{
	assert_null(ntm_pool_parse(&c->pool4, AF_INET, "100.64.0.0/16"));
	assert_null(ntm_pool_parse(&c->pool6, AF_INET6, "fd00:4e54::/64"));
	c->observed = addr(observed);
	c->rule = (struct ntm_candidates_rule){ &c->pool4, &c->pool6, &c->observed };
}

static struct ntm_candidate claim(const char *text)
{
	return (struct ntm_candidate){ NTM_CAND_HOST, addr(text) };
}

static const char *const false_claims[] = {
	"0.0.0.0:9",	     "127.0.0.1:9",	 "169.254.7.7:9", "224.0.0.1:9",     "239.1.2.3:9",
	"255.255.255.255:9", "240.0.0.1:9",	 "192.0.2.1:0",	  "[::]:9",	     "[::1]:9",
	"[fe80::1]:9",	     "[ff02::1]:9",	 "[ff0e::1]:9",	  "[2001:db8::1]:0", "100.64.0.2:9",
	"100.64.255.255:9",  "[fd00:4e54::2]:9",
};

static void false_addresses_are_kept_from_others(void **state)
{
	struct ntm_candidate in, out[NTM_CANDIDATES_MAX];
	struct claims c;
	union ntm_addr relay[2];
	unsigned int i, bad;

	(void)state;
	set_up(&c, "198.51.100.1");
	for (i = 0; i < sizeof(false_claims) / sizeof(false_claims[0]); i++) {
		in = claim(false_claims[i]);
		if (ntm_candidates_keep(&c.rule, &in, 1, out, &bad) || bad != 1 ||
		    ntm_candidates_relay(&c.rule, &in, 1, relay))
			fail_msg("%s", false_claims[i]);
	}
	in = claim("192.0.2.1:9");
	in.kind = NTM_CAND_RELAYED; /* relays are the DC's to name */
	assert_int_equal(ntm_candidates_keep(&c.rule, &in, 1, out, &bad), 0);
	assert_int_equal(bad, 1);
}

static void good_addresses_are_kept_in_order_and_once(void **state)
{
	static const char *const texts[] = { "10.0.0.1:9",	"192.168.1.1:1", "100.65.0.1:9",
					     "10.0.0.1:9",	"127.0.0.1:9",	 "[2001:db8::1]:9",
					     "[fd00:4e55::1]:9" };
	struct ntm_candidate in[7], out[NTM_CANDIDATES_MAX];
	struct claims c;
	unsigned int i, bad;

	(void)state;
	set_up(&c, "198.51.100.1");
	for (i = 0; i < 7; i++)
		in[i] = claim(texts[i]);
	in[1].kind = NTM_CAND_REFLEXIVE;
	assert_int_equal(ntm_candidates_keep(&c.rule, in, 7, out, &bad), 5);
	assert_int_equal(bad, 1);
	assert_true(ntm_addr_equal(&out[0].addr, &in[0].addr));
	assert_int_equal(out[1].kind, NTM_CAND_REFLEXIVE);
	assert_true(ntm_addr_equal(&out[3].addr, &in[5].addr));
	assert_true(ntm_addr_equal(&out[4].addr, &in[6].addr));
}

static void loopback_is_for_nodes_of_one_host(void **state)
{
	struct ntm_candidate in = claim("127.0.0.2:9"), out[NTM_CANDIDATES_MAX];
	struct claims c;
	unsigned int bad;

	(void)state;
	set_up(&c, "127.0.0.1");
	assert_int_equal(ntm_candidates_keep(&c.rule, &in, 1, out, &bad), 1);
	set_up(&c, "[::1]:9");
	assert_int_equal(ntm_candidates_keep(&c.rule, &in, 1, out, &bad), 1);
	set_up(&c, "10.0.0.1");
	assert_int_equal(ntm_candidates_keep(&c.rule, &in, 1, out, &bad), 0);
}

static void a_relay_has_one_address_of_a_family(void **state)
{
	struct ntm_candidate in[5] = { claim("[fe80::1]:9"), claim("[2001:db8::1]:9"),
				       claim("[2001:db8::2]:9"), claim("192.0.2.1:9"),
				       claim("192.0.2.2:9") };
	union ntm_addr out[2];
	struct claims c;

	(void)state;
	set_up(&c, "198.51.100.1");
	assert_int_equal(ntm_candidates_relay(&c.rule, in, 5, out), 2);
	assert_true(ntm_addr_equal(&out[0], &in[1].addr));
	assert_true(ntm_addr_equal(&out[1], &in[3].addr));
	assert_int_equal(ntm_candidates_relay(&c.rule, in, 3, out), 1);
	assert_int_equal(out[1].sa.sa_family, 0);
	assert_int_equal(ntm_candidates_relay(&c.rule, in, 1, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_relay_is_found_and_renewed),
		cmocka_unit_test(silence_lasts_until_an_answer),
		cmocka_unit_test(paths_are_counted_for_a_minute),
		cmocka_unit_test(the_best_two_whatever_their_order),
		cmocka_unit_test(equals_share_the_paths),
		cmocka_unit_test(no_more_than_wanted),
		cmocka_unit_test(false_addresses_are_kept_from_others),
		cmocka_unit_test(good_addresses_are_kept_in_order_and_once),
		cmocka_unit_test(loopback_is_for_nodes_of_one_host),
		cmocka_unit_test(a_relay_has_one_address_of_a_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
