// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/peers.c ntmd/node/queries.c ntmd/node/lease.c ntmd/node/tunnel.c ntmd/node/way.c ntmd/node/ways.c ntmd/node/bind.c */
/* The table of peers: found by name, virtual address, Path ID and session ID, and gone when nothing keeps them. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "node/peers.h"

#define MANY 3000

static struct ntm_peers peers;
static const struct ntm_msg lease = { .zone = "example.net" };

static int setup(void **state)
{
	(void)state;
	ntm_peers_init(&peers, &lease);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(peers.count, 0);
	assert_null(peers.newest);
	assert_int_equal(
		peers.names.count + peers.virtuals.count + peers.paths.count + peers.ids.count, 0);
	ntm_peers_done(&peers);
	return 0;
}

static struct ntm_msg addresses(uint32_t host)
{
	struct ntm_msg m = { .prefix4 = 16, .prefix6 = 64 };

	m.virtual4.s_addr = htonl(0x64400000 + host);
	m.virtual6.s6_addr[0] = 0xfd;
	memcpy(&m.virtual6.s6_addr[12], &host, sizeof(host));
	NTM_SET(&m, VIRTUAL4);
	NTM_SET(&m, VIRTUAL6);
	return m;
}

static void test_by_name(void **state)
{
	struct ntm_peer *a = ntm_peers_get(&peers, "a.example.net"),
			*b = ntm_peers_get(&peers, "b.example.net");

	(void)state;
	assert_non_null(a);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(ntm_peers_get(&peers, "a.example.net"), a);
	assert_ptr_equal(ntm_peers_by_name(&peers, "b.example.net"), b);
	assert_null(ntm_peers_by_name(&peers, "c.example.net"));
	assert_true(ntm_peers_tidy(&peers, a));
	assert_null(ntm_peers_by_name(&peers, "a.example.net"));
	assert_true(ntm_peers_tidy(&peers, b));
}

static void test_by_virtual(void **state)
{
	struct ntm_peer *a = ntm_peers_get(&peers, "a.example.net"),
			*b = ntm_peers_get(&peers, "b.example.net");
	struct ntm_msg one = addresses(1), two = addresses(2);

	(void)state;
	ntm_peers_address(&peers, a, &one);
	ntm_peers_address(&peers, a, &one);
	ntm_peers_address(&peers, b, &two);
	assert_ptr_equal(ntm_peers_by_virtual(&peers, AF_INET, &one.virtual4), a);
	assert_ptr_equal(ntm_peers_by_virtual(&peers, AF_INET6, &one.virtual6), a);
	assert_ptr_equal(ntm_peers_by_virtual(&peers, AF_INET6, &two.virtual6), b);
	/* An address has one owner: the last that the DC named */
	ntm_peers_address(&peers, b, &one);
	assert_ptr_equal(ntm_peers_by_virtual(&peers, AF_INET, &one.virtual4), b);
	assert_null(ntm_peers_by_virtual(&peers, AF_INET, &two.virtual4));
	assert_false(a->has4);
	assert_false(a->has6);
	/* Only one family */
	two.has &= ~(1u << NTM_TLV_VIRTUAL6);
	ntm_peers_address(&peers, b, &two);
	assert_false(b->has6);
	assert_true(b->has4);
	assert_null(ntm_peers_by_virtual(&peers, AF_INET6, &one.virtual6));
	ntm_peers_tidy(&peers, a);
	ntm_peers_tidy(&peers, b);
}

static void test_tunnels(void **state)
{
	struct ntm_peer *peer = ntm_peers_get(&peers, "a.example.net");
	struct ntm_slot *slot = ntm_peers_slot_new(&peers, peer, 0xabcd);

	(void)state;
	assert_ptr_equal(peer->next, slot);
	assert_ptr_equal(ntm_peers_by_path(&peers, 0xabcd), slot);
	assert_null(ntm_peers_by_path(&peers, 0xabce));
	assert_false(ntm_peers_tidy(&peers, peer));
	assert_false(ntm_peer_stands(peer));

	slot->tunnel.ask.active = true;
	slot->tunnel.ask.hs.local_id = 7;
	ntm_peers_reindex(&peers, slot);
	assert_ptr_equal(ntm_peers_by_id(&peers, 7), slot);
	assert_null(ntm_peers_by_id(&peers, 0));
	slot->tunnel.ask.active = false;
	slot->tunnel.cur.valid = true;
	slot->tunnel.cur.session.local_id = 8;
	slot->tunnel.next.valid = true;
	slot->tunnel.next.session.local_id = 9;
	ntm_peers_reindex(&peers, slot);
	assert_null(ntm_peers_by_id(&peers, 7));
	assert_ptr_equal(ntm_peers_by_id(&peers, 8), slot);
	assert_ptr_equal(ntm_peers_by_id(&peers, 9), slot);

	peer->next = NULL;
	peer->cur = slot;
	slot->tunnel.state = NTM_TUNNEL_STANDING;
	assert_true(ntm_peer_stands(peer));
	ntm_peers_slot_free(&peers, slot);
	assert_null(ntm_peers_by_id(&peers, 8));
	assert_null(ntm_peers_by_path(&peers, 0xabcd));
	assert_null(peer->cur);
	assert_true(ntm_peers_tidy(&peers, peer));
}

static void test_kept_by_what_waits(void **state)
{
	struct ntm_peer *peer = ntm_peers_get(&peers, "a.example.net");

	(void)state;
	assert_non_null(ntm_queries_ping(&peer->waiting, 0, 100, NULL));
	assert_false(ntm_peers_tidy(&peers, peer));
	ntm_query_free(ntm_queries_pop(&peer->waiting));
	assert_non_null(ntm_queries_ping(&peer->pings, 0, 100, NULL));
	assert_false(ntm_peers_tidy(&peers, peer));
	ntm_query_free(ntm_queries_pop(&peer->pings));
	peer->request = 1;
	assert_false(ntm_peers_tidy(&peers, peer));
	peer->request = 0;
	assert_true(ntm_peers_tidy(&peers, peer));
}

static void test_many(void **state)
{
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		struct ntm_msg m = addresses(i);
		struct ntm_slot *slot;

		snprintf(name, sizeof(name), "n%u.example.net", i);
		ntm_peers_address(&peers, ntm_peers_get(&peers, name), &m);
		slot = ntm_peers_slot_new(&peers, ntm_peers_by_name(&peers, name), i + 1);
		slot->tunnel.cur.valid = true;
		slot->tunnel.cur.session.local_id = i * 7919 + 1;
		ntm_peers_reindex(&peers, slot);
	}
	assert_int_equal(peers.count, MANY);
	for (uint32_t i = 0; i < MANY; i += 2) {
		struct ntm_msg m = addresses(i);
		struct ntm_peer *peer = ntm_peers_by_virtual(&peers, AF_INET, &m.virtual4);

		assert_ptr_equal(ntm_peers_by_path(&peers, i + 1)->peer, peer);
		assert_ptr_equal(ntm_peers_by_id(&peers, i * 7919 + 1)->peer, peer);
		ntm_peers_slot_free(&peers, peer->next);
		assert_true(ntm_peers_tidy(&peers, peer));
	}
	assert_int_equal(peers.count, MANY / 2);
	while (peers.newest) {
		ntm_peers_slot_free(&peers, peers.newest->next);
		ntm_peers_tidy(&peers, peers.newest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_virtual, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tunnels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_by_what_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
