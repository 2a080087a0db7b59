// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/[a-m]*.c ntmd/node/n[a-np-z]*.c ntmd/node/[o-z]*.c ntmd/pipe/*.c
/* What a node does with what its DC says, as a whole: a DC may be wrong, and may lie. */
#include "ntm_test.h"
#include "node_test.h"

static uint32_t asked; /* request ID of the last Direction Request */

static void test_node_sent(const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct ntm_msg m;
	bool newest;

	(void)to;
	if (packet[0] == NTM_PKT_SEALED && !ntm_session_open(&dc_side, packet, len, &m, &newest) &&
	    m.type == NTM_MSG_DIRECTION_REQUEST)
		asked = m.request_id;
}

static int begin(void **state)
{
	(void)state;
	give_lease();
	share_session();
	asked = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	ntm_lookup_fail_all(&node);
	ntm_setup_close_all(&node, "the test ends");
	for (int i = 0; i < 3; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
	return 0;
}

static void direct_bob(void)
{
	const struct ntm_msg bob = test_direction("bob.example.net", 1, NTM_ROLE_RESPONDER);

	give_message(&bob);
	assert_non_null(ntm_peers_by_path(&node.peers, 1));
}

/* The answer names bob's path for carol */
static void answer_for_carol(void)
{
	struct ntm_msg carol = test_direction("carol.example.net", 1, NTM_ROLE_INITIATOR);

	assert_int_not_equal(asked, 0);
	carol.request_id = asked;
	give_message(&carol);
	assert_null(ntm_peers_by_name(&node.peers, "carol.example.net"));
	assert_string_equal(ntm_peers_by_path(&node.peers, 1)->peer->name, "bob.example.net");
}

/* Nobody waits any more for the one that is asked for: nothing but the request keeps it */
static void test_path_of_another_peer_by_name(void **state)
{
	struct ntm_peer *carol;

	(void)state;
	direct_bob();
	carol = ntm_peers_get(&node.peers, "carol.example.net");
	ntm_setup_want(&node, carol);
	answer_for_carol();
}

static void test_path_of_another_peer_by_address(void **state)
{
	const struct in_addr virt = { .s_addr = htonl(0x64400009) };

	(void)state;
	direct_bob();
	ntm_lookup_miss(&node, AF_INET, &virt);
	ntm_lookup_fail_all(&node);
	answer_for_carol();
	assert_null(node.targets);
}

static void test_path_of_another_peer_unasked(void **state)
{
	const struct ntm_msg carol = test_direction("carol.example.net", 1, NTM_ROLE_RESPONDER);

	(void)state;
	direct_bob();
	give_message(&carol);
	assert_null(ntm_peers_by_name(&node.peers, "carol.example.net"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_path_of_another_peer_by_name, begin, end),
		cmocka_unit_test_setup_teardown(test_path_of_another_peer_by_address, begin, end),
		cmocka_unit_test_setup_teardown(test_path_of_another_peer_unasked, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	start_node();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
