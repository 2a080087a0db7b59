// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/pmtu.c */
/* The search for a path MTU, against ways of every width that drop without a word, in virtual time. */
#include "ntm_test.h"

#include "node/pmtu.h"

static struct {
	struct ntm_pmtu p;
	uint64_t now_ms;
	unsigned int width; /* of the way */
	bool dead;
	unsigned int probes, small, too_big, changes;
	unsigned int least; /* that packets were allowed to have */
} w;

static void take(struct ntm_pmtu_act act)
{
	while (act.probe || act.changed) {
		const unsigned int size = act.probe;

		w.changes += act.changed;
		w.small += act.small;
		if (act.small && !w.dead)
			ntm_pmtu_heard(&w.p, w.now_ms);
		if (w.p.size < w.least)
			w.least = w.p.size;
		act = (struct ntm_pmtu_act){ .probe = 0 };
		if (!size)
			break;
		w.probes++;
		if (size > w.width)
			w.too_big++;
		else if (!w.dead)
			act = ntm_pmtu_answered(&w.p, size, w.now_ms);
	}
}

static void start(unsigned int ceiling, unsigned int width)
{
	memset(&w, 0, sizeof(w));
	w.width = width;
	w.now_ms = 1000;
	w.least = UINT32_MAX;
	take(ntm_pmtu_start(&w.p, ceiling, 20, w.now_ms));
}

static void run(uint64_t ms, bool active)
{
	const uint64_t end = w.now_ms + ms;

	while (w.now_ms < end) {
		const uint64_t at = ntm_pmtu_deadline(&w.p);

		w.now_ms = at < end && at > w.now_ms ? at :
						       w.now_ms + (at == UINT64_MAX ? 1000 : 1);
		take(ntm_pmtu_tick(&w.p, active, w.now_ms));
	}
}

static void test_a_way_as_wide_as_its_link(void **state)
{
	(void)state;
	start(1500, 1500);
	assert_int_equal(w.p.state, NTM_PMTU_SETTLED);
	assert_int_equal(w.p.size, 1500);
	assert_false(ntm_pmtu_limited(&w.p));
	assert_int_equal(w.probes, 1);
}

/* Every width comes out as the largest usual size that passes; and meanwhile nothing above BASE is sent but probes */
static void test_every_width(void **state)
{
	(void)state;
	for (unsigned int width = NTM_PMTU_LEAST; width <= 9000; width++) {
		start(9000, width);
		run(20000, true);
		assert_int_equal(w.p.state, NTM_PMTU_SETTLED);
		assert_true(w.p.size <= width);
		if (width >= 1500 && width < 4352)
			assert_int_equal(w.p.size, 1500);
		if (width == 1420 || width == 1492 || width == 1280 || width == 1024)
			assert_int_equal(w.p.size, width);
		assert_true(w.probes <= 20);
	}
}

static void test_small_until_known(void **state)
{
	(void)state;
	start(1500, 1400);
	assert_int_equal(w.p.size, 1500); /* no doubt yet */
	run(3 * 340 + 1, true);
	assert_in_range(w.p.size, NTM_PMTU_BASE, 1400);
	run(10000, true);
	assert_int_equal(w.p.size, 1400);
	assert_true(ntm_pmtu_limited(&w.p));
}

static void test_a_narrow_link(void **state)
{
	(void)state;
	start(1280, 1280);
	assert_int_equal(w.p.state, NTM_PMTU_SETTLED);
	assert_int_equal(w.probes, 0);
	run(100000, true);
	assert_int_equal(w.probes, 0);
	assert_false(ntm_pmtu_limited(&w.p));
}

static void test_becomes_narrower(void **state)
{
	(void)state;
	start(1500, 1500);
	run(100000, false);
	assert_int_equal(w.probes, 1); /* nobody uses it */
	w.width = 1300;
	run(40000, true);
	assert_int_equal(w.p.size, 1280);
}

/* A sender that has given up all but one packet in many seconds is heard at once */
static void test_seldom_active(void **state)
{
	(void)state;
	start(1500, 1500);
	run(60000, false);
	w.width = 1300;
	take(ntm_pmtu_tick(&w.p, true, w.now_ms));
	assert_int_equal(w.probes, 2);
	run(5000, false);
	assert_int_equal(w.p.size, 1280);
}

static void test_becomes_wider(void **state)
{
	(void)state;
	start(1500, 1400);
	run(20000, true);
	assert_int_equal(w.p.size, 1400);
	w.width = 1500;
	run(700000, true);
	assert_int_equal(w.p.size, 1500);
	assert_false(ntm_pmtu_limited(&w.p));
}

/* The ceiling that still fails when it is tried again takes nothing away */
static void test_still_narrow(void **state)
{
	(void)state;
	start(1500, 1400);
	run(20000, true);
	w.changes = 0;
	run(2000000, true);
	assert_int_equal(w.p.size, 1400);
	assert_int_equal(w.changes, 0);
}

/* What is lost because all is says nothing of sizes */
static void test_a_way_that_is_dead(void **state)
{
	(void)state;
	start(1500, 1500);
	w.dead = true;
	run(600000, true);
	assert_true(w.probes < 200);
	assert_true(w.small < 200);
	w.dead = false;
	run(30000, true);
	assert_int_equal(w.p.size, 1500);
	assert_int_equal(w.p.state, NTM_PMTU_SETTLED);
	assert_int_equal(w.least, 1500);
}

/* An outage of any length, at any time within the confirmation of a size, or of the first doubt */
static void test_an_outage(void **state)
{
	(void)state;
	for (unsigned int begin = 9000; begin <= 11200; begin += 50) {
		for (unsigned int length = 20; length <= 4000; length += length < 1500 ? 40 : 500) {
			start(1500, begin % 100 ? 1400 : 1500);
			run(20000, true);
			w.least = UINT32_MAX;
			run(begin, true);
			w.dead = true;
			run(length, true);
			w.dead = false;
			run(20000, true);
			assert_int_equal(w.p.size, w.width);
			assert_int_equal(w.least, w.width);
		}
	}
}

/* The way is there again, and what it carries is less: that is found in the same time, counted from then */
static void test_narrower_after_an_outage(void **state)
{
	(void)state;
	for (unsigned int length = 1000; length <= 60000; length += 1000) {
		start(1500, 1500);
		w.dead = true;
		run(10000 + length, true);
		w.dead = false;
		w.width = 1400;
		run(5000 + 3 * 340 + 1, true);
		assert_in_range(w.p.size, NTM_PMTU_BASE, 1400);
		run(10000, true);
		assert_int_equal(w.p.size, 1400);
	}
}

/* No small one is sent where large ones pass */
static void test_small_ones_only_in_doubt(void **state)
{
	(void)state;
	start(1500, 1500);
	run(100000, true);
	assert_in_range(w.probes, 10, 12);
	assert_int_equal(w.small, 0);
	start(1500, 1400);
	run(1020, true);
	assert_int_equal(w.small,
			 1); /* two within 400 ms would tell the peer that we doubt the way */
}

/* The peer is where it was, and we are not: what passed may still, more has to show that it does */
static void test_another_link(void **state)
{
	(void)state;
	start(1400, 1400);
	assert_false(ntm_pmtu_limited(&w.p));
	w.width = 1492;
	take(ntm_pmtu_again(&w.p, 1500, 20, w.now_ms));
	assert_int_equal(w.p.size, 1400);
	assert_true(ntm_pmtu_limited(&w.p));
	for (unsigned int ms = 0; ms < 10000; ms++) {
		run(1, true);
		assert_true(w.p.size <= 1492);
	}
	assert_int_equal(w.p.size, 1492);

	/* Whatever becomes of the ceiling: what passed before goes on */
	w.least = UINT32_MAX;
	take(ntm_pmtu_again(&w.p, 1500, 20, w.now_ms));
	run(10000, true);
	assert_int_equal(w.p.size, 1492);
	assert_int_equal(w.least, 1492);
	assert_int_equal(w.p.state, NTM_PMTU_SETTLED);

	/* Or it does not, which is known as soon as of a way that is new */
	w.width = 1300;
	take(ntm_pmtu_again(&w.p, 1500, 20, w.now_ms));
	assert_int_equal(w.p.size, 1492);
	run(3 * 340 + 1, true);
	assert_int_equal(w.p.size, NTM_PMTU_BASE);
	w.width = 1492;
	take(ntm_pmtu_again(&w.p, 1500, 20, w.now_ms));
	run(10000, true);
	assert_int_equal(w.p.size, 1492);

	w.width = 1500;
	take(ntm_pmtu_again(&w.p, 1500, 20, w.now_ms));
	assert_int_equal(w.p.size, 1500);
	assert_int_equal(w.p.state, NTM_PMTU_SETTLED);

	/* A size that is none of the usual ones */
	w.width = 1476;
	take(ntm_pmtu_again(&w.p, 1476, 20, w.now_ms));
	take(ntm_pmtu_again(&w.p, 1500, 20, w.now_ms));
	run(10000, true);
	assert_int_equal(w.p.size, 1476);
	assert_int_equal(w.p.state, NTM_PMTU_SETTLED);

	w.width = 1400;
	take(ntm_pmtu_again(&w.p, 1400, 20, w.now_ms));
	assert_int_equal(w.p.size, 1400);
	assert_false(ntm_pmtu_limited(&w.p));
	take(ntm_pmtu_again(&w.p, 1280, 20, w.now_ms));
	assert_int_equal(w.p.size, 1280);
	assert_false(ntm_pmtu_limited(&w.p));
}

static void test_answers_that_were_not_asked_for(void **state)
{
	struct ntm_pmtu_act act;

	(void)state;
	start(1500, 1400);
	act = ntm_pmtu_answered(&w.p, 9000, w.now_ms);
	assert_false(act.changed || act.probe);
	act = ntm_pmtu_too_big(&w.p, 1280, w.now_ms);
	assert_false(act.changed || act.probe);
	assert_int_equal(w.p.size, 1500);
	/* The own link says it at once */
	act = ntm_pmtu_too_big(&w.p, 1500, w.now_ms);
	assert_true(act.changed && act.probe == NTM_PMTU_BASE);
	ntm_pmtu_stop(&w.p);
	assert_true(ntm_pmtu_deadline(&w.p) == UINT64_MAX);
	act = ntm_pmtu_answered(&w.p, 1280, w.now_ms);
	assert_false(act.changed || act.probe);
}

/* A way that takes longer than the first guess: what comes late is known to have passed all the same */
static void test_a_long_way(void **state)
{
	struct ntm_pmtu_act act;

	(void)state;
	memset(&w, 0, sizeof(w));
	act = ntm_pmtu_start(&w.p, 1500, 0, 0);
	assert_int_equal(act.probe, 1500);
	for (unsigned int ms = 1; ms <= 1000; ms++)
		(void)ntm_pmtu_tick(&w.p, true, ms);
	assert_int_equal(w.p.state, NTM_PMTU_VERIFYING);
	assert_int_equal(w.p.size, 1500);
	/* Slow rather than long: small ones come sooner */
	ntm_pmtu_heard(&w.p, 1000);
	for (unsigned int ms = 1001; ms <= 2000; ms++)
		if (ntm_pmtu_tick(&w.p, true, ms).small)
			ntm_pmtu_heard(&w.p, ms);
	assert_int_equal(w.p.state, NTM_PMTU_SEARCHING);
	assert_int_equal(w.p.size, NTM_PMTU_BASE);
	ntm_pmtu_rtt(&w.p, 1000);
	act = ntm_pmtu_answered(&w.p, 1500, 2000);
	assert_true(act.changed && !act.probe);
	assert_int_equal(w.p.size, 1500);
	assert_int_equal(w.p.state, NTM_PMTU_SETTLED);
	act = ntm_pmtu_answered(&w.p, NTM_PMTU_BASE, 2900);
	assert_false(act.changed || act.probe);
	/* From now on it is waited for long enough */
	for (unsigned int ms = 2900; ms < 40000; ms++) {
		act = ntm_pmtu_tick(&w.p, true, ms);
		assert_false(act.changed);
		if (act.probe)
			w.now_ms = ms + 1000;
		if (ms == w.now_ms)
			(void)ntm_pmtu_answered(&w.p, 1500, ms);
	}
	assert_int_equal(w.p.size, 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_way_as_wide_as_its_link),
		cmocka_unit_test(test_every_width),
		cmocka_unit_test(test_small_until_known),
		cmocka_unit_test(test_a_narrow_link),
		cmocka_unit_test(test_becomes_narrower),
		cmocka_unit_test(test_seldom_active),
		cmocka_unit_test(test_becomes_wider),
		cmocka_unit_test(test_still_narrow),
		cmocka_unit_test(test_a_way_that_is_dead),
		cmocka_unit_test(test_an_outage),
		cmocka_unit_test(test_narrower_after_an_outage),
		cmocka_unit_test(test_small_ones_only_in_doubt),
		cmocka_unit_test(test_another_link),
		cmocka_unit_test(test_answers_that_were_not_asked_for),
		cmocka_unit_test(test_a_long_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
