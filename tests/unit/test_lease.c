// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/lease.c
#include <arpa/inet.h>

#include "ntm_test.h"

#include "node/lease.h"

static struct ntm_msg lease_of_two_zones(void)
{
	struct ntm_msg m = { .name = "a.a.example",
			     .zone = "a.example",
			     .prefix4 = 16,
			     .prefix6 = 64,
			     .peer_zone_count = 2 };

	inet_pton(AF_INET, "100.64.0.2", &m.virtual4);
	inet_pton(AF_INET6, "fd00:a::2", &m.virtual6);
	NTM_SET(&m, VIRTUAL4);
	NTM_SET(&m, VIRTUAL6);
	NTM_SET(&m, PEER_ZONE);
	strcpy(m.peer_zones[0].name, "b.example");
	inet_pton(AF_INET, "100.65.0.0", &m.peer_zones[0].virtual4);
	inet_pton(AF_INET6, "fd00:b::", &m.peer_zones[0].virtual6);
	m.peer_zones[0].prefix4 = 16;
	m.peer_zones[0].prefix6 = 64;
	strcpy(m.peer_zones[1].name, "c.example");
	m.peer_zones[1].prefix4 = m.peer_zones[1].prefix6 = NTM_NO_PREFIX;
	return m;
}

static struct ntm_msg direction(const char *name, const char *v4, uint8_t prefix4)
{
	struct ntm_msg m = { .type = NTM_MSG_ROUTE_DIRECTION, .prefix4 = prefix4 };

	strcpy(m.name, name);
	inet_pton(AF_INET, v4, &m.virtual4);
	NTM_SET(&m, VIRTUAL4);
	return m;
}

static void names_are_in_zones(void **state)
{
	const struct ntm_msg lease = lease_of_two_zones();

	(void)state;
	assert_string_equal(ntm_lease_zone(&lease, "x.a.example"), "a.example");
	assert_string_equal(ntm_lease_zone(&lease, "x.b.example"), "b.example");
	assert_string_equal(ntm_lease_zone(&lease, "c.example"), "c.example");
	assert_null(ntm_lease_zone(&lease, "x.d.example"));
	assert_null(ntm_lease_zone(&lease, "xc.example"));
	assert_null(ntm_lease_zone(&lease, ""));
}

static void addresses_are_virtual(void **state)
{
	static const char *const virtual[] = { "100.64.9.9:1", "[fd00:a::9]:1", "100.65.9.9:1",
					       "[fd00:b::9]:1" };
	static const char *const real[] = { "100.66.9.9:1", "[fd00:c::9]:1", "192.0.2.1:1",
					    "[2001:db8::1]:1" };
	const struct ntm_msg lease = lease_of_two_zones();

	(void)state;
	for (int i = 0; i < 4; i++) {
		const union ntm_addr in = test_addr(virtual[i]), out = test_addr(real[i]);

		assert_true(ntm_lease_virtual(&lease, &in));
		assert_false(ntm_lease_virtual(&lease, &out));
	}
}

static void the_data_path_gets_networks_that_are_some(void **state)
{
	struct ntm_msg lease = lease_of_two_zones();
	struct ntm_dp_lease dp;

	(void)state;
	inet_pton(AF_INET, "100.65.3.4", &lease.peer_zones[0].virtual4); /* an address in it */
	lease.peer_zones[1].prefix4 = 0;				 /* all of the internet */
	lease.peer_zones[1].prefix6 = 7;
	dp = ntm_lease_datapath(&lease);
	assert_int_equal(dp.zone_count, 2);
	assert_string_equal(dp.zone, "a.example");
	assert_int_equal(dp.zones[0].virtual4.s_addr, inet_addr("100.65.0.0"));
	assert_int_equal(dp.zones[0].prefix4, 16);
	assert_int_equal(dp.zones[0].prefix6, 64);
	assert_int_equal(dp.zones[1].prefix4, NTM_NO_PREFIX);
	assert_int_equal(dp.zones[1].prefix6, NTM_NO_PREFIX);
	assert_string_equal(dp.zones[1].name, "c.example");
}

static void what_changes_a_lease(void **state)
{
	const struct ntm_msg lease = lease_of_two_zones();
	struct ntm_msg other = lease;

	(void)state;
	inet_pton(AF_INET, "100.65.3.4", &other.peer_zones[0].virtual4);
	other.lifetime = 5;
	assert_true(ntm_lease_same(&lease, &other));
	other.peer_zones[0].prefix4 = 17;
	assert_false(ntm_lease_same(&lease, &other));
	other = lease;
	other.peer_zone_count = 1;
	assert_false(ntm_lease_same(&lease, &other));
	other = lease;
	strcpy(other.peer_zones[1].name, "d.example");
	assert_false(ntm_lease_same(&lease, &other));
	other = lease;
	strcpy(other.name, "b.a.example");
	assert_false(ntm_lease_same(&lease, &other));
	other = lease;
	other.virtual4.s_addr ^= htonl(7);
	assert_false(ntm_lease_same(&lease, &other));
}

/* A coordinator that started again names zones whose networks it does not know yet */
static void known_networks_are_kept_until_others_come(void **state)
{
	const struct ntm_msg old = lease_of_two_zones();
	struct ntm_msg lease = old;

	(void)state;
	lease.peer_zones[0].prefix4 = lease.peer_zones[0].prefix6 = NTM_NO_PREFIX;
	ntm_lease_keep(&lease, &old);
	assert_true(ntm_lease_same(&lease, &old));
	/* One family alone is news: the other one is not used any more */
	lease = old;
	lease.peer_zones[0].prefix6 = NTM_NO_PREFIX;
	ntm_lease_keep(&lease, &old);
	assert_int_equal(lease.peer_zones[0].prefix6, NTM_NO_PREFIX);
	/* A zone that is not named any more is gone */
	lease = old;
	lease.peer_zone_count = 0;
	ntm_lease_keep(&lease, &old);
	assert_int_equal(lease.peer_zone_count, 0);
}

static void a_direction_tells_of_a_network(void **state)
{
	struct ntm_msg lease = lease_of_two_zones();
	struct ntm_msg m = direction("x.a.example", "100.64.0.9", 16);

	(void)state;
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_KNOWN);
	m = direction("x.a.example", "100.127.0.9", 12); /* a network that we are not in */
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_STALE);
	m = direction("x.a.example", "100.127.0.9", 7); /* too large a part of the internet */
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_STALE);
	assert_int_equal(ntm_lease_datapath(&lease).prefix4, 16);
	m = direction("x.a.example", "100.127.0.9", 10); /* ours was enlarged */
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_LEARNT);
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_KNOWN);
	assert_int_equal(ntm_lease_datapath(&lease).prefix4, 10);
	lease = lease_of_two_zones();
	lease.has &= ~(
		1u << NTM_TLV_VIRTUAL4); /* in a family that we have not there is nothing to know */
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_KNOWN);
	lease = lease_of_two_zones();
	m = direction("x.b.example", "100.65.0.9", 16);
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_KNOWN);
	m = direction("x.b.example", "100.75.0.9", 16); /* not where it was */
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_STALE);
	m = direction("x.d.example", "100.66.0.9", 16); /* a zone that our lease does not have */
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_STALE);
	m = direction("x.c.example", "100.66.0.9", 4); /* too large a part of the internet */
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_STALE);
	m = direction("x.c.example", "100.66.0.9", 16);
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_LEARNT);
	assert_int_equal(ntm_lease_learn(&lease, &m), NTM_LEASE_KNOWN);
	assert_int_equal(ntm_lease_datapath(&lease).zones[1].virtual4.s_addr,
			 inet_addr("100.66.0.0"));
	assert_int_equal(ntm_lease_datapath(&lease).zones[1].prefix4, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_in_zones),
		cmocka_unit_test(addresses_are_virtual),
		cmocka_unit_test(the_data_path_gets_networks_that_are_some),
		cmocka_unit_test(what_changes_a_lease),
		cmocka_unit_test(known_networks_are_kept_until_others_come),
		cmocka_unit_test(a_direction_tells_of_a_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
