// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/nat64.c ntmd/node/nat64_find.c ntmd/node/upstream*.c */
/* NAT64: addresses in addresses (the table of RFC 6052 2.4), the prefix found in answers, and by asking a name server. */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/nat64.h"
#include "node/nat64_find.h"

static struct in6_addr six(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static struct in_addr four(const char *text)
{
	struct in_addr addr;

	assert_int_equal(inet_pton(AF_INET, text, &addr), 1);
	return addr;
}

static struct ntm_nat64 prefix(const char *text, uint8_t len)
{
	return (struct ntm_nat64){ six(text), len };
}

static const struct {
	const char *prefix;
	uint8_t len;
	const char *with_192_0_2_33;
} table[] = {
	{ "2001:db8::", 32, "2001:db8:c000:221::" },
	{ "2001:db8:100::", 40, "2001:db8:1c0:2:21::" },
	{ "2001:db8:122::", 48, "2001:db8:122:c000:2:2100::" },
	{ "2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::" },
	{ "2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::" },
	{ "2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33" },
	{ "64:ff9b::", 96, "64:ff9b::192.0.2.33" },
};
#define TABLE (sizeof(table) / sizeof(table[0]))

static void test_table(void **state)
{
	const struct in_addr v4 = four("192.0.2.33");

	(void)state;
	for (size_t i = 0; i < TABLE; i++) {
		const struct ntm_nat64 p = prefix(table[i].prefix, table[i].len);
		const struct in6_addr want = six(table[i].with_192_0_2_33);
		struct in6_addr got;
		struct in_addr back;

		assert_int_equal(ntm_nat64_embed(&p, &v4, &got), 0);
		assert_memory_equal(&got, &want, sizeof(got));
		assert_true(ntm_nat64_extract(&p, &want, &back));
		assert_int_equal(back.s_addr, v4.s_addr);
	}
}

static void test_not_below_it(void **state)
{
	const struct ntm_nat64 p48 = prefix("2001:db8:122::", 48), none = { 0 };
	const struct in6_addr other = six("2001:db8:123:c000:2:2100::");
	const struct in6_addr full = six("2001:db8:122:c000:100:2100::"); /* bits 64 to 71 */
	const struct in6_addr suffix = six("2001:db8:122:c000:2:21ff:ffff:ffff");
	struct in_addr v4;

	(void)state;
	assert_false(ntm_nat64_extract(&p48, &other, &v4));
	assert_false(ntm_nat64_extract(&p48, &full, &v4));
	assert_false(ntm_nat64_extract(&none, &other, &v4));
	assert_true(ntm_nat64_extract(&p48, &suffix, &v4)); /* a suffix is nobody's business */
	assert_int_equal(v4.s_addr, four("192.0.2.33").s_addr);
}

static void test_unreachable(void **state)
{
	const struct ntm_nat64 own = prefix("2001:db8:64::", 96), known = prefix("64:ff9b::", 96),
			       none = { 0 };
	static const char *const local[] = { "0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1",
					     "255.255.255.255" };
	static const char *const private[] = { "10.0.0.1",    "172.16.0.1", "172.31.255.255",
					       "192.168.0.1", "100.64.0.1", "100.127.255.255" };
	static const char *const global[] = { "172.32.0.1", "100.128.0.1", "100.63.0.1",
					      "192.0.2.1" };
	struct in6_addr out;
	struct in_addr v4;

	(void)state;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		v4 = four(local[i]);
		assert_int_equal(ntm_nat64_embed(&own, &v4, &out), -ENETUNREACH);
	}
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
		v4 = four(private[i]);
		assert_int_equal(ntm_nat64_embed(&known, &v4, &out), -ENETUNREACH);
		assert_int_equal(ntm_nat64_embed(&own, &v4, &out), 0);
	}
	for (size_t i = 0; i < sizeof(global) / sizeof(global[0]); i++) {
		v4 = four(global[i]);
		assert_int_equal(ntm_nat64_embed(&known, &v4, &out), 0);
	}
	assert_int_equal(ntm_nat64_embed(&none, &v4, &out), -ENOENT);
}

static void test_learn(void **state)
{
	static const char *const known[] = { "192.0.0.170", "192.0.0.171" };
	struct ntm_nat64 got;
	struct in6_addr addrs[2];

	(void)state;
	for (size_t i = 0; i < TABLE * 2; i++) {
		const struct ntm_nat64 want = prefix(table[i / 2].prefix, table[i / 2].len);
		const struct in_addr v4 = four(known[i % 2]);

		assert_int_equal(ntm_nat64_embed(&want, &v4, &addrs[0]), 0);
		assert_true(ntm_nat64_learn(addrs, 1, &got));
		assert_true(ntm_nat64_equal(&got, &want));
	}
	/* One that shows nothing does not hide one that does */
	addrs[1] = addrs[0];
	addrs[0] = six("2001:db8::1");
	assert_true(ntm_nat64_learn(addrs, 2, &got));
	addrs[0] = six("fe80::192.0.0.170");
	addrs[1] = six("64:ff9b:1:fffe::192.0.0.170");
	assert_true(ntm_nat64_learn(addrs, 2, &got));
	assert_int_equal(got.addr.s6_addr[3], 0x9b);
}

static void test_learn_nothing(void **state)
{
	const struct in6_addr addrs[] = {
		six("2001:db8::192.0.0.169"),
		six("2001:db8::192.0.0.172"),
		six("::ffff:192.0.0.170"), /* IPv4 in disguise */
		six("::192.0.0.170"),
		six("1::192.0.0.170"),
		six("fe80::192.0.0.170"), /* the hosts of this link */
		six("ff02::192.0.0.170"),
		six("2001:db8:122:344:1c0:0:aa00:0"), /* as /64, but for the zero byte */
	};
	const struct in6_addr twice = six("2001:db8:c000:aa::192.0.0.170"); /* as /32 and as /96 */
	struct ntm_nat64 got = prefix("2001:db8::", 32);

	(void)state;
	assert_false(ntm_nat64_learn(addrs, sizeof(addrs) / sizeof(addrs[0]), &got));
	assert_int_equal(got.len, 0);
	assert_false(ntm_nat64_learn(&twice, 1, &got));
	assert_false(ntm_nat64_learn(addrs, 0, &got));
}

static void test_ways(void **state)
{
	const struct ntm_nat64 p = prefix("2001:db8:64::", 96), none = { 0 };
	const union ntm_addr v4 = test_addr("192.0.2.1:4330"),
			     v6 = test_addr("[2001:db8:64::192.0.2.1]:4330"),
			     other = test_addr("[2001:db8::1]:4330");
	union ntm_addr got;

	(void)state;
	assert_int_equal(ntm_nat64_out(&p, &v4, &got), 0);
	assert_true(ntm_addr_equal(&got, &v6));
	ntm_nat64_in(&p, &got, &got);
	assert_true(ntm_addr_equal(&got, &v4));
	assert_int_equal(ntm_nat64_out(&p, &other, &got), 0);
	assert_true(ntm_addr_equal(&got, &other));
	ntm_nat64_in(&p, &other, &got);
	assert_true(ntm_addr_equal(&got, &other));
	assert_int_equal(ntm_nat64_out(&none, &v4, &got), -ENOENT);
	ntm_nat64_in(&none, &v6, &got);
	assert_true(ntm_addr_equal(&got, &v6));
	ntm_nat64_in(&p, &v4, &got);
	assert_true(ntm_addr_equal(&got, &v4));
}

/* An answer to @query: these addresses, one record each, or an rcode */
static size_t answer(const uint8_t *query, uint8_t rcode, const char *const *addrs, size_t count,
		     uint8_t out[512])
{
	static const uint8_t rr[] = { 0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16 };
	size_t len = NTM_NAT64_QUERY;

	memcpy(out, query, len);
	out[2] |= 0x80;
	out[3] = (uint8_t)(0x80 | rcode);
	out[7] = (uint8_t)count;
	for (size_t i = 0; i < count; i++) {
		const struct in6_addr addr = six(addrs[i]);

		memcpy(out + len, rr, sizeof(rr));
		memcpy(out + len + sizeof(rr), &addr, 16);
		len += sizeof(rr) + 16;
	}
	return len;
}

static const char *const both[] = { "2001:db8:64::192.0.0.170", "2001:db8:64::192.0.0.171" };
static const char *const useless[] = { "2001:db8::1" };

static void test_answer(void **state)
{
	const struct ntm_nat64 want = prefix("2001:db8:64::", 96);
	uint8_t query[NTM_NAT64_QUERY], msg[512];
	struct ntm_nat64 got;
	size_t len;

	(void)state;
	ntm_nat64_query(0x1234, query);
	assert_int_equal(query[0] << 8 | query[1], 0x1234);
	len = answer(query, 0, both, 2, msg);
	assert_int_equal(ntm_nat64_answer(msg, len, &got), 0);
	assert_true(ntm_nat64_equal(&got, &want));
	for (size_t cut = 1; cut < len; cut++)
		assert_int_not_equal(ntm_nat64_answer(msg, cut, &got), 0);
	len = answer(query, 0, useless, 1, msg);
	assert_int_equal(ntm_nat64_answer(msg, len, &got), -ENOENT);
	len = answer(query, 0, NULL, 0, msg);
	assert_int_equal(ntm_nat64_answer(msg, len, &got), -ENOENT);
	len = answer(query, 3, NULL, 0, msg);
	assert_int_equal(ntm_nat64_answer(msg, len, &got), -ENOENT);
	len = answer(query, 2, NULL, 0, msg);
	assert_int_equal(ntm_nat64_answer(msg, len, &got), -EAGAIN);
	assert_int_equal(got.len, 0);
}

/* --- asking */

static uv_loop_t loop;
static int server;
static union ntm_addr server_addr;
static struct ntm_nat64_find *find;
static unsigned int found_count;
static struct ntm_nat64 found;

static unsigned int servers(void *ctx, union ntm_addr *out, unsigned int max)
{
	assert_ptr_equal(ctx, &loop);
	assert_true(max > 0);
	out[0] = server_addr;
	return 1;
}

static void on_found(void *ctx, const struct ntm_nat64 *nat64)
{
	assert_ptr_equal(ctx, &loop);
	found_count++;
	found = *nat64;
}

static int setup(void **state)
{
	socklen_t len = sizeof(server_addr);

	(void)state;
	server_addr = (union ntm_addr){ .v4 = { .sin_family = AF_INET,
						.sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server < 0 || bind(server, &server_addr.sa, sizeof(server_addr.v4)) ||
	    getsockname(server, &server_addr.sa, &len))
		return -1;
	found_count = 0;
	return uv_loop_init(&loop) || ntm_nat64_find_open(&find, &loop, servers, on_found, &loop);
}

static int teardown(void **state)
{
	(void)state;
	close(server);
	ntm_nat64_find_close(find);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

/* One turn of the loop, of a ms. True: a question came, and is answered */
static bool turn_once(uint8_t rcode, const char *const *addrs, size_t count)
{
	union ntm_addr from = { 0 };
	socklen_t size = sizeof(from);
	uint8_t query[512], msg[512];

	uv_run(&loop, UV_RUN_NOWAIT);
	usleep(1000);
	if (recvfrom(server, query, sizeof(query), 0, &from.sa, &size) != NTM_NAT64_QUERY)
		return false;
	sendto(server, msg, answer(query, rcode, addrs, count, msg), 0, &from.sa, size);
	return true;
}

/*
 * Turns the loop for @ms at least; returns how many questions came and were answered. It is turns that count: a machine that stands
 * still takes away one.
 */
static unsigned int turn(unsigned int ms, uint8_t rcode, const char *const *addrs, size_t count)
{
	unsigned int questions = 0;

	for (unsigned int i = 0; i < ms; i++)
		questions += turn_once(rcode, addrs, count);
	return questions;
}

/* Turns the loop until a question came */
static void turn_until_asked(uint8_t rcode, const char *const *addrs, size_t count)
{
	for (unsigned int i = 0; i < 5000; i++)
		if (turn_once(rcode, addrs, count))
			return;
	fail_msg("no question came");
}

static void test_find(void **state)
{
	const struct ntm_nat64 want = prefix("2001:db8:64::", 96);

	(void)state;
	assert_int_equal(turn(50, 0, both, 2), 0); /* nothing is asked unasked */
	ntm_nat64_find_ask(find);
	assert_int_equal(turn(100, 0, both, 2), 1);
	assert_int_equal(found_count, 1);
	assert_true(ntm_nat64_equal(&found, &want));
	ntm_nat64_find_ask(find);
	assert_int_equal(turn(100, 0, both, 2), 1);
	assert_int_equal(found_count, 1); /* no news */
	ntm_nat64_find_ask(find);
	assert_int_equal(turn(100, 3, NULL, 0), 1);
	assert_int_equal(found_count, 2);
	assert_int_equal(found.len, 0);
}

static void test_find_again(void **state)
{
	uint64_t asked;

	(void)state;
	ntm_nat64_find_ask(find);
	turn_until_asked(2, NULL, 0);
	asked = uv_hrtime();
	/* A server that is in trouble is asked again, a second later */
	turn_until_asked(0, both, 2);
	assert_true(uv_hrtime() - asked >= 990000000ULL);
	assert_int_equal(found_count, 0);
	assert_int_equal(turn(200, 0, both, 2), 0);
	assert_int_equal(found_count, 1);
	ntm_nat64_find_ask(find);
	turn(200, 2, NULL, 0);
	assert_int_equal(found_count, 1); /* what was known stays */
}

static void test_find_stopped(void **state)
{
	(void)state;
	ntm_nat64_find_ask(find);
	uv_run(&loop, UV_RUN_NOWAIT);
	ntm_nat64_find_stop(find);
	turn(100, 0, both, 2);
	assert_int_equal(found_count, 0); /* the answer came too late */
	ntm_nat64_find_ask(find);
	turn(100, 0, both, 2);
	assert_int_equal(found_count, 1);
	ntm_nat64_find_stop(find);
	ntm_nat64_find_ask(find);
	turn(100, 0, both, 2);
	assert_int_equal(found_count, 2); /* in another network it is news again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_not_below_it),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_learn_nothing),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_answer),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_stopped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
