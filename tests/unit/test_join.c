// SPDX-License-Identifier: GPL-2.0
/* Join strings: there and back, and a reason for everything else. */
#include "ntm_test.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "common/join.h"

#define KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define TOKEN "AgICAgICAgICAgICAgICAg"
#define GOOD "ntm://192.0.2.1:4330,[2001:db8::1]:9/" KEY "/" TOKEN

static struct ntm_join example(void)
{
	struct ntm_join join = { .addr_count = 2 };

	join.addrs[0] = test_addr("192.0.2.1");
	join.addrs[1] = test_addr("[2001:db8::1]:9");
	memset(join.dc_key, 1, 32);
	memset(join.token, 2, 16);
	return join;
}

static void test_round_trip(void **state)
{
	struct ntm_join in = example(), out;
	char text[NTM_JOIN_STR];

	(void)state;
	assert_int_equal(ntm_join_format(&in, text, sizeof(text)), 0);
	assert_string_equal(text, GOOD);
	assert_null(ntm_join_parse(&out, text));
	assert_int_equal(out.addr_count, 2);
	assert_true(ntm_addr_equal(&in.addrs[0], &out.addrs[0]));
	assert_true(ntm_addr_equal(&in.addrs[1], &out.addrs[1]));
	assert_memory_equal(in.dc_key, out.dc_key, 32);
	assert_memory_equal(in.token, out.token, 16);
	assert_null(ntm_join_parse(&out, " \t" GOOD "\r\n"));
	assert_null(ntm_join_parse(&out, "ntm://192.0.2.1/" KEY "/" TOKEN));
	assert_int_equal(ntohs(out.addrs[0].v4.sin_port), 4330);
}

static void test_largest(void **state)
{
	struct ntm_join in = example(), out;
	char text[NTM_JOIN_STR];

	(void)state;
	in.addr_count = NTM_JOIN_ADDRS;
	for (int i = 0; i < NTM_JOIN_ADDRS; i++)
		in.addrs[i] = test_addr("[fedc:ba98:7654:3210:fedc:ba98:7654:3210]:65535");
	assert_int_equal(ntm_join_format(&in, text, sizeof(text)), 0);
	assert_null(ntm_join_parse(&out, text));
	for (size_t size = 0; size <= strlen(text); size++)
		assert_int_equal(ntm_join_format(&in, text, size), -EMSGSIZE);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"ntm://",
		"http://192.0.2.1/" KEY "/" TOKEN,
		"ntm:/192.0.2.1/" KEY "/" TOKEN,
		"ntm:///" KEY "/" TOKEN,
		"ntm://192.0.2.1/" KEY,
		"ntm://192.0.2.1/" KEY "/",
		"ntm://192.0.2.1/" KEY "/" TOKEN "/",
		"ntm://192.0.2.1/" KEY "/" TOKEN "x",
		"ntm://192.0.2.1/" KEY "x/" TOKEN,
		"ntm://192.0.2.1/" TOKEN "/" KEY,
		"ntm://dc.example/" KEY "/" TOKEN,
		"ntm://0.0.0.0/" KEY "/" TOKEN,
		"ntm://192.0.2.1:0/" KEY "/" TOKEN,
		"ntm://1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1/" KEY
		"/" TOKEN,
		"ntm://192.0.2.1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/" TOKEN,
	};
	struct ntm_join join;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!ntm_join_parse(&join, bad[i]))
			fail_msg("taken: %s", bad[i]);
		assert_true(sodium_is_zero((uint8_t *)&join, sizeof(join)));
	}
}

static void test_damaged(void **state)
{
	struct ntm_join join;
	char text[2000];

	(void)state;
	for (size_t cut = 0; cut < strlen(GOOD); cut++) {
		snprintf(text, sizeof(text), "%.*s", (int)cut, GOOD);
		assert_non_null(ntm_join_parse(&join, text));
	}
	for (size_t at = 0; at < strlen(GOOD); at++) {
		for (int v = 1; v < 256; v++) { /* no crash; some are good again */
			strcpy(text, GOOD);
			text[at] = (char)v;
			ntm_join_parse(&join, text);
		}
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_string_equal(ntm_join_parse(&join, text), "too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
