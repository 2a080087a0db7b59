// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/datapath.c */
/* Which networks of other zones a lease's data path uses. */
#include "ntm_test.h"

#include <arpa/inet.h>

#include "node/datapath.h"

static struct ntm_dp_lease lease;
static struct ntm_dp_nets nets;

static int setup(void **state)
{
	(void)state;
	lease = (struct ntm_dp_lease){ .has4 = true, .has6 = true, .prefix4 = 16, .prefix6 = 64 };
	inet_pton(AF_INET, "100.64.0.9", &lease.virtual4);
	inet_pton(AF_INET6, "fd00:4e54::9", &lease.virtual6);
	return 0;
}

static void zone(const char *net4, uint8_t prefix4, const char *net6, uint8_t prefix6)
{
	struct ntm_zone_info *z = &lease.zones[lease.zone_count++];

	*z = (struct ntm_zone_info){ .prefix4 = prefix4, .prefix6 = prefix6 };
	if (net4)
		assert_int_equal(inet_pton(AF_INET, net4, &z->virtual4), 1);
	if (net6)
		assert_int_equal(inet_pton(AF_INET6, net6, &z->virtual6), 1);
}

/* The networks that are used, as text, each with a blank behind it */
static const char *used(void)
{
	static char text[1024];
	char addr[INET6_ADDRSTRLEN];
	size_t len = 0;

	ntm_dp_networks(&lease, &nets);
	text[0] = 0;
	for (unsigned int i = 0; i < nets.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s/%u ",
					inet_ntop(nets.net[i].family, nets.net[i].addr, addr,
						  sizeof(addr)),
					nets.net[i].prefix);
	return text;
}

static void test_all(void **state)
{
	(void)state;
	assert_string_equal(used(), "");
	zone("100.65.0.0", 16, "fd00:1::", 64);
	zone("100.66.1.2", 15, NULL, NTM_NO_PREFIX);
	zone(NULL, NTM_NO_PREFIX, "fd00:2::ffff", 127);
	assert_string_equal(used(), "100.65.0.0/16 fd00:1::/64 100.66.0.0/15 fd00:2::fffe/127 ");
	lease.has4 = false;
	assert_string_equal(used(), "fd00:1::/64 fd00:2::fffe/127 ");
	lease.has4 = true;
	lease.has6 = false;
	assert_string_equal(used(), "100.65.0.0/16 100.66.0.0/15 ");
}

/* Inside ours, around it, the same; and so with one that came before. The other family stays. */
static void test_overlap(void **state)
{
	(void)state;
	zone("100.64.128.0", 17, "fd00:1::", 64);
	zone("100.64.0.0", 10, "fd00:4e54::", 64);
	zone("100.64.0.0", 16, "fd00:4e54::", 32);
	zone("100.65.0.0", 16, "fd00:1::", 65);
	zone("100.65.7.0", 24, "fd00::", 16);
	zone("100.0.0.0", 8, "fd00:4e54::8", 128);
	zone("100.66.0.0", 16, NULL, NTM_NO_PREFIX);
	assert_string_equal(used(), "fd00:1::/64 100.65.0.0/16 100.66.0.0/16 ");
}

/* What would take the host's own networks away, or is none */
static void test_bounds(void **state)
{
	(void)state;
	zone("0.0.0.0", 0, "::", 0);
	zone("0.0.0.0", 1, "::", 7);
	zone("10.0.0.0", 33, "fe00::", 129);
	assert_string_equal(used(), "");
	zone("10.0.0.0", 8, "fe00::", 8);
	zone("192.0.2.1", 32, "2001:db8::1", 128);
	assert_string_equal(used(), "10.0.0.0/8 fe00::/8 192.0.2.1/32 2001:db8::1/128 ");
}

static void test_most(void **state)
{
	char net4[32], net6[32];

	(void)state;
	for (int i = 0; i < NTM_PEER_ZONES_MAX; i++) {
		snprintf(net4, sizeof(net4), "10.%d.0.0", i);
		snprintf(net6, sizeof(net6), "fd00:%d::", i);
		zone(net4, 16, net6, 64);
	}
	used();
	assert_int_equal(nets.count, 2 * NTM_PEER_ZONES_MAX);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = { TEST(test_all), TEST(test_overlap), TEST(test_bounds),
					    TEST(test_most) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
