// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/pool.c
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "dc/pool.h"

static struct ntm_pool make(int family, const char *prefix)
{
	struct ntm_pool_spec spec;
	struct ntm_pool pool;

	assert_null(ntm_pool_parse(&spec, family, prefix));
	assert_int_equal(ntm_pool_init(&pool, &spec), 0);
	return pool;
}

static void expect_take(struct ntm_pool *pool, const char *text)
{
	uint8_t got[16] = { 0 }, want[16] = { 0 };

	assert_int_equal(ntm_pool_take(pool, got), 0);
	assert_int_equal(inet_pton(pool->spec.family, text, want), 1);
	assert_memory_equal(got, want, 16);
}

static int claim(struct ntm_pool *pool, const char *text)
{
	uint8_t addr[16];

	assert_int_equal(inet_pton(pool->spec.family, text, addr), 1);
	return ntm_pool_claim(pool, addr);
}

static void skips_network_first_and_broadcast(void **state)
{
	struct ntm_pool pool = make(AF_INET, "192.0.2.8/29");
	uint8_t addr[4];

	(void)state;
	assert_int_equal(ntm_pool_room(&pool), 5);
	expect_take(&pool, "192.0.2.10");
	expect_take(&pool, "192.0.2.11");
	expect_take(&pool, "192.0.2.12");
	expect_take(&pool, "192.0.2.13");
	expect_take(&pool, "192.0.2.14");
	assert_int_equal(ntm_pool_take(&pool, addr), -ENOSPC);
	assert_int_equal(ntm_pool_take(&pool, addr), -ENOSPC);
	assert_int_equal(inet_pton(AF_INET, "192.0.2.12", addr), 1);
	ntm_pool_release(&pool, addr);
	expect_take(&pool, "192.0.2.12");
	ntm_pool_free(&pool);
}

static void ipv6_has_no_broadcast(void **state)
{
	struct ntm_pool pool = make(AF_INET6, "fd00:4e54::/126");
	uint8_t addr[16];

	(void)state;
	expect_take(&pool, "fd00:4e54::2");
	expect_take(&pool, "fd00:4e54::3");
	assert_int_equal(ntm_pool_take(&pool, addr), -ENOSPC);
	ntm_pool_free(&pool);
}

static void claims_are_not_given_out(void **state)
{
	struct ntm_pool pool = make(AF_INET, "100.64.0.0/16");

	(void)state;
	assert_int_equal(claim(&pool, "100.64.0.2"), 0);
	assert_int_equal(claim(&pool, "100.64.0.2"), -EEXIST);
	assert_int_equal(claim(&pool, "100.64.0.0"), -EEXIST);
	assert_int_equal(claim(&pool, "100.64.255.255"), -EEXIST);
	assert_int_equal(claim(&pool, "100.65.0.0"), -ERANGE);
	assert_int_equal(claim(&pool, "99.64.0.9"), -ERANGE);
	expect_take(&pool, "100.64.0.3");
	assert_int_equal(claim(&pool, "100.64.0.4"), 0);
	expect_take(&pool, "100.64.0.5");
	assert_int_equal(pool.used, 4);
	ntm_pool_free(&pool);
}

static void far_ipv6_addresses_can_be_claimed(void **state)
{
	struct ntm_pool pool = make(AF_INET6, "fd00::/16");

	(void)state;
	assert_int_equal(claim(&pool, "fd00:1::5"), 0);
	assert_int_equal(claim(&pool, "fd01::5"), -ERANGE);
	expect_take(&pool, "fd00::2");
	ntm_pool_free(&pool);
}

static void a_big_pool_gives_everything_once(void **state)
{
	struct ntm_pool pool = make(AF_INET, "100.64.0.0/14");
	uint32_t last = 0, got, count = 0;

	(void)state;
	while (!ntm_pool_take(&pool, &got)) {
		assert_true(ntohl(got) > last);
		last = ntohl(got);
		count++;
	}
	assert_int_equal(count, (1 << 18) - 3);
	assert_int_equal(count, ntm_pool_room(&pool));
	ntm_pool_free(&pool);
}

static void no_pool_is_empty(void **state)
{
	struct ntm_pool_spec none = { .family = 0 };
	struct ntm_pool pool;
	uint8_t addr[16] = { 0 };

	(void)state;
	assert_int_equal(ntm_pool_init(&pool, &none), 0);
	assert_int_equal(ntm_pool_take(&pool, addr), -ENOSPC);
	assert_int_equal(ntm_pool_claim(&pool, addr), -ERANGE);
	ntm_pool_free(&pool);
}

static void bad_prefixes_are_refused(void **state)
{
	static const char *const bad4[] = { "",
					    "100.64.0.0",
					    "100.64.0.0/",
					    "100.64.0.0/x",
					    "100.64.0.0/7",
					    "100.64.0.0/31",
					    "100.64.0.1/16",
					    "100.64.0/16",
					    "fd00::/64",
					    "100.64.0.0/16x",
					    "100.64.0.0/-1" };
	static const char *const bad6[] = { "fd00::", "fd00::/127", "fd00::1/64", "100.64.0.0/16",
					    "fd00::/7" };
	struct ntm_pool_spec spec;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(bad4) / sizeof(bad4[0]); i++) {
		assert_non_null(ntm_pool_parse(&spec, AF_INET, bad4[i]));
		assert_int_equal(spec.family, 0);
	}
	for (i = 0; i < sizeof(bad6) / sizeof(bad6[0]); i++)
		assert_non_null(ntm_pool_parse(&spec, AF_INET6, bad6[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(skips_network_first_and_broadcast),
		cmocka_unit_test(ipv6_has_no_broadcast),
		cmocka_unit_test(claims_are_not_given_out),
		cmocka_unit_test(far_ipv6_addresses_can_be_claimed),
		cmocka_unit_test(a_big_pool_gives_everything_once),
		cmocka_unit_test(no_pool_is_empty),
		cmocka_unit_test(bad_prefixes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
