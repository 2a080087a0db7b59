// SPDX-License-Identifier: GPL-2.0
/* Addresses: text both ways, mapped ones, what may be sent to. */
#include "ntm_test.h"

#include <errno.h>

static void test_round_trip(void **state)
{
	static const char *const pairs[][2] = {
		{ "192.0.2.1:9", "192.0.2.1:9" },
		{ "192.0.2.1", "192.0.2.1:4330" },
		{ "192.0.2.1:0", "192.0.2.1:0" },
		{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
		{ "[2001:db8::1]", "[2001:db8::1]:4330" },
		{ "2001:db8::1", "[2001:db8::1]:4330" },
		{ "::", "[::]:4330" },
		{ "::ffff:192.0.2.1", "192.0.2.1:4330" },
		{ "[::ffff:192.0.2.1]:7", "192.0.2.1:7" },
		{ "fe80::1%lo", "[fe80::1%1]:4330" },
		{ "[fe80::1%4294]:5", "[fe80::1%4294]:5" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:4330" },
	};
	char text[NTM_ADDR_STR];
	union ntm_addr addr, again;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		addr = test_addr(pairs[i][0]);
		assert_string_equal(ntm_addr_str(&addr, text), pairs[i][1]);
		again = test_addr(text);
		assert_true(ntm_addr_equal(&addr, &again));
	}
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		":",
		":80",
		"192.0.2.1:",
		"192.0.2.1:65536",
		"192.0.2",
		"192.0.2.1.1",
		"192.0.2.256",
		"192.0.2.1:8x",
		"192.0.2.1: 8",
		"[::1",
		"[::1]x",
		"[::1]:",
		"[::1]:123456",
		"[]:1",
		"[]",
		"::1]:1",
		"[192.0.2.1]:1",
		"host.example:1",
		"fe80::1%",
		"fe80::1%nosuchif",
		"fe80::1%0",
		":::",
		"1:2:3:4:5:6:7:8:9",
		"192.0.2.1:+5",
		"192.0.2.1:-5",
		"[[::1]]:1",
		"192.0.2.1%lo",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	union ntm_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (ntm_addr_parse(&addr, texts[i], 4330) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(addr.sa.sa_family, 0);
	}
}

static void test_equal(void **state)
{
	union ntm_addr a = test_addr("192.0.2.1:1"), b = test_addr("192.0.2.1:2");
	union ntm_addr c = test_addr("192.0.2.2:1"), v6 = test_addr("2001:db8::1");
	union ntm_addr local1 = test_addr("fe80::1%1"), local2 = test_addr("fe80::1%2");
	union ntm_addr scoped = v6;

	(void)state;
	assert_true(ntm_addr_equal(&a, &a));
	assert_false(ntm_addr_equal(&a, &b));
	assert_false(ntm_addr_equal(&a, &c));
	assert_false(ntm_addr_equal(&a, &v6));
	assert_false(ntm_addr_equal(&local1, &local2));
	scoped.v6.sin6_scope_id = 9;
	scoped.v6.sin6_flowinfo = 9;
	assert_true(ntm_addr_equal(&v6, &scoped));
}

static void test_map(void **state)
{
	static const uint8_t v4[18] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1, 1, 2
	};
	static const uint8_t v6[18] = { 0x20, 1, 0xd, 0xb8, [15] = 1, [16] = 1, [17] = 2 };
	union ntm_addr a = test_addr("192.0.2.1:258"), b = test_addr("[2001:db8::1]:258");
	uint8_t out[18];

	(void)state;
	ntm_addr_map(&a, out);
	assert_memory_equal(out, v4, 18);
	ntm_addr_map(&b, out);
	assert_memory_equal(out, v6, 18);
}

static void test_from_sockaddr(void **state)
{
	union ntm_addr mapped = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(5) } };
	union ntm_addr none = { .sa = { .sa_family = AF_UNIX } };
	union ntm_addr expected = test_addr("192.0.2.1:5"), out;

	(void)state;
	mapped.v6.sin6_addr.s6_addr[10] = 0xff;
	mapped.v6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(mapped.v6.sin6_addr.s6_addr + 12, &expected.v4.sin_addr, 4);
	assert_int_equal(ntm_addr_from_sockaddr(&out, &mapped.sa), 0);
	assert_true(ntm_addr_equal(&out, &expected));
	assert_int_equal(ntm_addr_from_sockaddr(&out, &none.sa), -EAFNOSUPPORT);
	assert_int_equal(ntm_addr_len(&expected), sizeof(struct sockaddr_in));
	assert_int_equal(ntm_addr_len(&mapped), sizeof(struct sockaddr_in6));
}

static void test_usable(void **state)
{
	static const char *const bad[] = {
		"0.0.0.0",   "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1",
		"1.2.3.4:0", "::",	"ff02::1",   "[2001:db8::1]:0"
	};
	static const char *const good[] = { "1.2.3.4",	"127.0.0.1", "223.255.255.255",
					    "10.0.0.1", "::1",	     "2001:db8::1" };
	union ntm_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		addr = test_addr(bad[i]);
		assert_false(ntm_addr_usable(&addr));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		addr = test_addr(good[i]);
		assert_true(ntm_addr_usable(&addr));
	}
	memset(&addr, 0, sizeof(addr));
	assert_false(ntm_addr_usable(&addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_equal),	      cmocka_unit_test(test_map),
		cmocka_unit_test(test_from_sockaddr), cmocka_unit_test(test_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
