// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/netcheck_report.c ntmd/node/survey.c */
/* What a check of the network concludes from what it has seen. */
#include "ntm_test.h"

#include <stdio.h>

#include "node/netcheck.h"

static struct ntm_survey survey;
static struct ntm_netcheck_results results;

static int begin(void **state)
{
	(void)state;
	memset(&survey, 0, sizeof(survey));
	memset(&results, 0, sizeof(results));
	return 0;
}

static const char *text(json_t *report, const char *key)
{
	static char buf[64];

	snprintf(buf, sizeof(buf), "%s",
		 json_string_value(json_object_get(json_object_get(report, "nat"), key)));
	json_decref(report);
	return buf;
}

static json_t *report(void)
{
	return ntm_netcheck_report(&survey, &results);
}

static void test_nothing_known(void **state)
{
	json_t *r = report(), *nat = json_object_get(r, "nat");

	(void)state;
	assert_false(json_is_true(json_object_get(json_object_get(r, "ipv4"), "works")));
	assert_true(json_is_null(json_object_get(nat, "hairpin")));
	assert_true(json_is_null(json_object_get(nat, "lifetime_s")));
	assert_true(json_is_null(json_object_get(json_object_get(r, "path_mtu"), "ipv4")));
	assert_int_equal(json_array_size(json_object_get(r, "relays")), 0);
	json_decref(r);
	assert_string_equal(text(report(), "mapping"), "unknown");
	assert_string_equal(text(report(), "filtering"), "unknown");
}

static void test_mapping(void **state)
{
	(void)state;
	results.mapping[0] = test_addr("203.0.113.5:40000");
	assert_string_equal(text(report(), "mapping"), "unknown");
	results.mapping[1] = test_addr("203.0.113.5:40000");
	assert_string_equal(text(report(), "mapping"), "endpoint-independent");
	results.mapping[1] = test_addr("203.0.113.5:40001");
	assert_string_equal(text(report(), "mapping"), "endpoint-dependent");
	/* Seen with an address of our own: no NAT */
	results.mapping[1] = results.mapping[0];
	survey.own[0].addr = survey.dc = test_addr("203.0.113.5:4330");
	survey.own_count = 1;
	assert_string_equal(text(report(), "mapping"), "none");
}

static void test_filtering(void **state)
{
	(void)state;
	results.filter_asked = true;
	results.relays4 = 2;
	assert_string_equal(text(report(), "filtering"), "address-and-port-dependent");
	results.from_port = true;
	assert_string_equal(text(report(), "filtering"), "address-dependent");
	results.relays4 = 1;
	assert_string_equal(text(report(), "filtering"), "address-dependent or less");
	results.relays4 = 2;
	results.from_address = true;
	assert_string_equal(text(report(), "filtering"), "endpoint-independent");
}

static void check_lifetime(unsigned int alive, unsigned int asked, int least, int most)
{
	json_t *r, *range;

	memset(&results, 0, sizeof(results));
	for (unsigned int i = 0; i < asked; i++) {
		results.life_asked[i] = true;
		results.life[i] = alive >> i & 1;
	}
	r = report();
	range = json_object_get(json_object_get(r, "nat"), "lifetime_s");
	assert_int_equal(json_integer_value(json_array_get(range, 0)), least);
	assert_int_equal(json_integer_value(json_array_get(range, 1)), most);
	assert_int_equal(json_is_null(json_array_get(range, 1)), !most);
	json_decref(r);
}

static void test_lifetime(void **state)
{
	(void)state;
	check_lifetime(0x03, NTM_NETCHECK_LIVES, 30, 45);
	check_lifetime(0x00, NTM_NETCHECK_LIVES, 0, 15);
	check_lifetime(0x7f, NTM_NETCHECK_LIVES, 180, 0);
	check_lifetime(0x0b, NTM_NETCHECK_LIVES, 60,
		       0); /* one was lost, and then it lived longer */
}

static void test_mtu(void **state)
{
	json_t *r;

	(void)state;
	results.mtu[0][0] = results.mtu[0][4] = true;
	r = report();
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(r, "path_mtu"), "ipv4")),
		ntm_netcheck_mtus[4]);
	json_decref(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_known, begin),
		cmocka_unit_test_setup(test_mapping, begin),
		cmocka_unit_test_setup(test_filtering, begin),
		cmocka_unit_test_setup(test_lifetime, begin),
		cmocka_unit_test_setup(test_mtu, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
