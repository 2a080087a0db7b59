// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/[a-m]*.c ntmd/node/n[a-np-z]*.c ntmd/node/[o-z]*.c ntmd/pipe/*.c
/* What a node does with what its DC says, as a whole: a DC may be wrong, and may lie. */
#include "ntm_test.h"
#include "node_test.h"
#include "log_lines.h"

#define SENT_MAX 64

/** struct sent - what the node sent, newest last; @wrapped: for a relay, and @packet is what is inside */
struct sent {
	union ntm_addr to;
	bool wrapped;
	uint32_t path_id;
	uint8_t packet[NTM_SEALED_MAX];
	size_t len;
};

static struct sent sent[SENT_MAX];
static unsigned int sent_count;
static uint32_t asked;	       /* request ID of the last Direction Request */
static unsigned int confirmed; /* Route Direction Confirmations */

static void test_node_sent(const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct sent *s = &sent[sent_count < SENT_MAX - 1 ? sent_count++ : sent_count];
	struct ntm_msg m;
	bool newest;

	s->to = *to;
	s->wrapped = packet[0] == NTM_PKT_RELAYED;
	s->len = len;
	if (s->wrapped)
		packet = ntm_relay_unwrap(packet, &s->len, &s->path_id);
	assert_non_null(packet);
	assert_true(s->len <= sizeof(s->packet));
	memcpy(s->packet, packet, s->len);
	len = s->len;
	if (packet[0] != NTM_PKT_SEALED || ntm_session_open(&dc_side, packet, len, &m, &newest))
		return;
	if (m.type == NTM_MSG_DIRECTION_REQUEST)
		asked = m.request_id;
	confirmed += m.type == NTM_MSG_ROUTE_DIRECTION_CONFIRMATION;
}

static int begin(void **state)
{
	(void)state;
	give_lease();
	share_session();
	asked = 0;
	confirmed = 0;
	sent_count = 0;
	memset(sent, 0, sizeof(sent));
	memset(node.drops, 0, sizeof(node.drops));
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

/* How many packets of this type went there */
static unsigned int sent_to(const union ntm_addr *to, uint8_t type)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < sent_count; i++)
		count += ntm_addr_equal(&sent[i].to, to) && sent[i].packet[0] == type;
	return count;
}

static const struct sent *last_to(const union ntm_addr *to, uint8_t type)
{
	for (unsigned int i = sent_count; i-- > 0;)
		if (ntm_addr_equal(&sent[i].to, to) && sent[i].packet[0] == type)
			return &sent[i];
	fail_msg("nothing of type %u was sent there", type);
	return NULL;
}

/* Whatever a DC, or a peer by way of it, gives as somebody's address */
static void test_addresses_that_get_nothing(void **state)
{
	static const char *const bad[] = { "127.0.0.1",	      "127.5.5.5",  "[::1]:4330",
					   "169.254.169.254", "100.64.0.9", "[fe80::1]:4330" };
	struct ntm_msg bob = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);
	struct ntm_relay_info *relay = &bob.relays[1];

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		bob.candidates[bob.candidate_count++].addr = test_addr(bad[i]);
	add_relay(&bob, true);
	add_relay(&bob, true);
	relay->addrs[0] = test_addr("127.0.0.1:53");
	relay->addrs[1] = test_addr("[::1]:53");
	assert_true(ntm_setup_direction(&node, &bob));
	assert_int_equal(sent_to(&from, NTM_PKT_TUNNEL_REQUEST), 1);
	assert_int_equal(sent_to(&rs_addr, NTM_PKT_RELAY_BIND), 1);
	assert_int_equal(sent_count, 2);
}

/* A NAT64 prefix is what a DNS answer says: whoever forged it names no address that a DC or a peer may not name */
static void test_a_prefix_that_leads_to_nowhere(void **state)
{
	static const char *const bad[] = { "fd00:4e54::", "fe80::", "ff02::" };
	const union ntm_addr good = test_addr("[2001:db8:64::192.0.2.1]:4330");
	union ntm_addr to;

	(void)state;
	inet_pton(AF_INET6, "fd00:4e54::9", &node.lease.virtual6);
	node.lease.prefix6 = 64;
	NTM_SET(&node.lease, VIRTUAL6);
	node.nat64.len = 96;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		inet_pton(AF_INET6, bad[i], &node.nat64.addr);
		assert_int_equal(ntm_reach_out(&node, &from, &to), -ENETUNREACH);
	}
	inet_pton(AF_INET6, "2001:db8:64::", &node.nat64.addr);
	assert_int_equal(ntm_reach_out(&node, &from, &to), 0);
	assert_true(ntm_addr_equal(&to, &good));
	memset(&node.nat64, 0, sizeof(node.nat64));
}

/* Bob's side of the handshake, as it came to this address */
static struct ntm_session bob_answers_at(const union ntm_addr *where,
					 uint8_t answer[NTM_TUNNEL_PACKET], size_t *len)
{
	const struct sent *request = last_to(where, NTM_PKT_TUNNEL_REQUEST);
	struct ntm_msg payload = { .suite = NTM_SUITE_CHACHA20_POLY1305 };
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	int n;

	assert_int_equal(ntm_hs_accept(&hs, &peer_key, request->packet, request->len), 0);
	NTM_SET(&payload, EPOCH);
	NTM_SET(&payload, SUITE);
	n = ntm_hs_answer(&hs, psk, 77, &payload, &keys, answer, NTM_TUNNEL_PACKET);
	assert_true(n > 0);
	*len = (size_t)n;
	return keys.session;
}

static struct ntm_session bob_answers(uint8_t answer[NTM_TUNNEL_PACKET], size_t *len)
{
	const struct sent *request = last_to(&rs_addr, NTM_PKT_TUNNEL_REQUEST);

	assert_true(request->wrapped);
	assert_int_equal(request->path_id, 1);
	return bob_answers_at(&rs_addr, answer, len);
}

static const struct ntm_slot *direct_by_relay(void)
{
	struct ntm_msg bob = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);

	add_relay(&bob, true);
	assert_true(ntm_setup_direction(&node, &bob));
	assert_int_equal(sent_to(&rs_addr, NTM_PKT_TUNNEL_REQUEST), 0); /* not bound yet */
	give_bound(1, NTM_RELAY_BOUND, true);
	assert_int_equal(sent_to(&rs_addr, NTM_PKT_TUNNEL_REQUEST), 1);
	return ntm_peers_by_path(&node.peers, 1);
}

static void test_tunnel_by_a_relay(void **state)
{
	const struct ntm_slot *slot = direct_by_relay();
	struct ntm_msg keepalive = { .type = NTM_MSG_KEEP_ALIVE, .timestamp = 5 };
	uint8_t packet[NTM_TUNNEL_PACKET];
	char text[NTM_CARRY_TEXT];
	struct ntm_session bob;
	size_t len;
	int n;

	(void)state;
	bob = bob_answers(packet, &len);
	give_relayed(1, packet, len, &rs_addr);
	assert_int_equal(slot->tunnel.state, NTM_TUNNEL_STANDING);
	assert_string_equal(ntm_carry_text(&slot->ways, text), "relay one");
	assert_true(last_to(&rs_addr, NTM_PKT_SEALED)->wrapped);
	/* What comes by the relay is answered by it */
	sent_count = 0;
	NTM_SET(&keepalive, TIMESTAMP);
	n = ntm_session_seal(&bob, &keepalive, packet, sizeof(packet));
	assert_true(n > 0);
	give_relayed(1, packet, (size_t)n, &rs_addr);
	assert_int_equal(sent_to(&rs_addr, NTM_PKT_SEALED), 1);
	assert_int_equal(sent_to(&from, NTM_PKT_SEALED), 0);
}

static void test_relayed_by_a_stranger(void **state)
{
	const struct ntm_slot *slot = direct_by_relay();
	const union ntm_addr stranger = test_addr("203.0.113.66");
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;

	(void)state;
	(void)bob_answers(packet, &len);
	give_relayed(1, packet, len, &stranger);
	give_relayed(1, packet, len, &from);
	give_relayed(2, packet, len, &rs_addr);
	assert_int_equal(node.drops[NTM_NODE_DROP_PATH], 3);
	assert_int_equal(slot->tunnel.state, NTM_TUNNEL_REQUESTING);
}

/* The RS of one path brings what is for another one, or for the session with the DC */
static void test_relayed_for_another(void **state)
{
	struct ntm_msg carol = test_direction("carol.example.net", 2, NTM_ROLE_INITIATOR);
	struct ntm_msg news = { .type = NTM_MSG_REFUSAL, .status = NTM_ST_BUSY };
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;
	int n;

	(void)state;
	(void)direct_by_relay();
	carol.virtual4.s_addr = htonl(0x64400003);
	assert_true(ntm_setup_direction(&node, &carol));
	(void)bob_answers(packet, &len);
	add_relay(&carol, true);
	give_relayed(2, packet, len, &rs_addr); /* carol's path has no relay at all */
	assert_int_equal(node.drops[NTM_NODE_DROP_PATH], 1);
	NTM_SET(&news, STATUS);
	n = ntm_session_seal(&dc_side, &news, packet, sizeof(packet));
	assert_true(n > 0);
	give_relayed(1, packet, (size_t)n, &rs_addr);
	assert_int_equal(node.drops[NTM_NODE_DROP_SESSION], 1);
}

/* A relay inside a relay, a Bind, a Session Response: an RS has no business to bring these */
static void test_what_is_never_relayed(void **state)
{
	static const uint8_t types[] = { NTM_PKT_SESSION_REQUEST, NTM_PKT_SESSION_RESPONSE,
					 NTM_PKT_HOLE_PUNCHING,	  NTM_PKT_RELAY_BIND,
					 NTM_PKT_RELAY_BOUND,	  NTM_PKT_RELAYED };
	uint8_t packet[NTM_RELAY_BIND_LEN] = { 0, NTM_PROTOCOL_VERSION };

	(void)state;
	(void)direct_by_relay();
	for (unsigned int i = 0; i < sizeof(types); i++) {
		packet[0] = types[i];
		give_relayed(1, packet, sizeof(packet), &rs_addr);
		assert_int_equal(node.drops[NTM_NODE_DROP_MALFORMED], i + 1);
	}
}

static size_t bob_says(struct ntm_session *bob, uint8_t type, uint8_t packet[NTM_TUNNEL_PACKET])
{
	struct ntm_msg m = { .type = type, .timestamp = 5 };
	int n;

	NTM_SET(&m, TIMESTAMP);
	n = ntm_session_seal(bob, &m, packet, NTM_TUNNEL_PACKET);
	assert_true(n > 0);
	return (size_t)n;
}

/* A tunnel in itself, or into this host: what a peer sends from there is no word on where it is */
static const char *const no_places[] = { "100.64.0.2:4330", "127.0.0.1:4330", "169.254.1.1:4330",
					 "[::1]:4330", "[fe80::1]:4330" };

static void test_sealed_from_no_place(void **state)
{
	const struct ntm_msg bob = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);
	const struct ntm_slot *slot;
	uint8_t packet[NTM_TUNNEL_PACKET];
	struct ntm_session session;
	size_t len;

	(void)state;
	assert_true(ntm_setup_direction(&node, &bob));
	slot = ntm_peers_by_path(&node.peers, 1);
	session = bob_answers_at(&from, packet, &len);
	for (unsigned int i = 0; i < sizeof(no_places) / sizeof(no_places[0]); i++) {
		const union ntm_addr where = test_addr(no_places[i]);

		ntm_node_received(&node, packet, len, &where);
		assert_int_equal(slot->tunnel.state, NTM_TUNNEL_REQUESTING);
	}
	give(packet, len);
	assert_int_equal(slot->tunnel.state, NTM_TUNNEL_STANDING);
	for (unsigned int i = 0; i < sizeof(no_places) / sizeof(no_places[0]); i++) {
		const union ntm_addr where = test_addr(no_places[i]);

		sent_count = 0;
		len = bob_says(&session, NTM_MSG_KEEP_ALIVE, packet);
		ntm_node_received(&node, packet, len, &where);
		ntm_setup_moved(&node, 1, &where);
		assert_int_equal(sent_to(&where, NTM_PKT_SEALED), 0);
		assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &from));
		assert_true(ntm_addr_equal(&dp_peer, &from));
	}
	assert_int_equal(node.drops[NTM_NODE_DROP_STATE],
			 3 * sizeof(no_places) / sizeof(no_places[0]));
}

static void test_request_from_no_place(void **state)
{
	const union ntm_addr where = test_addr(no_places[0]);
	struct ntm_msg payload = { .epoch = 0, .suites = 1u << NTM_SUITE_CHACHA20_POLY1305 };
	struct ntm_hs_cookie_jar jar = { 0 };
	uint8_t packet[NTM_TUNNEL_PACKET];
	struct ntm_hs_init hs;
	int n;

	(void)state;
	direct_bob();
	NTM_SET(&payload, EPOCH);
	NTM_SET(&payload, SUITES);
	n = ntm_hs_request(&hs, NTM_PKT_TUNNEL_REQUEST, &peer_key, node.self.public, psk, 77, 1,
			   &payload, &jar, ntm_node_now_ms(), packet, sizeof(packet));
	assert_true(n > 0);
	ntm_node_received(&node, packet, (size_t)n, &where);
	assert_int_equal(sent_to(&where, NTM_PKT_TUNNEL_RESPONSE), 0);
	assert_int_equal(ntm_peers_by_path(&node.peers, 1)->tunnel.state, NTM_TUNNEL_AWAITING);
	give(packet, (size_t)n);
	assert_int_equal(sent_to(&from, NTM_PKT_TUNNEL_RESPONSE), 1);
}

/* The timestamp of the last of the probes that are as large as a packet may be, and how many there were */
static uint64_t last_large(struct ntm_session *bob, unsigned int *count)
{
	uint64_t timestamp = 0;
	struct ntm_msg m;
	bool newest;

	*count = 0;
	for (unsigned int i = 0; i < sent_count; i++) {
		if (sent[i].len < 1000)
			continue;
		(*count)++;
		if (!ntm_session_open(bob, sent[i].packet, sent[i].len, &m, &newest))
			timestamp = m.timestamp;
	}
	return timestamp;
}

/* A tunnel with @bob stands, and the probe of its width is on the way */
static const struct ntm_slot *width_begins(struct ntm_session *bob)
{
	const struct ntm_msg direction = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);
	uint8_t packet[NTM_TUNNEL_PACKET];
	const struct ntm_slot *slot;
	size_t len;

	assert_true(ntm_setup_direction(&node, &direction));
	*bob = bob_answers_at(&from, packet, &len);
	give(packet, len);
	slot = ntm_peers_by_path(&node.peers, 1);
	assert_int_equal(slot->width.search.state, NTM_PMTU_VERIFYING);
	return slot;
}

static void bob_answers_probe(struct ntm_session *bob, uint64_t timestamp)
{
	struct ntm_msg answer = { .type = NTM_MSG_PATH_PROBE_RESPONSE,
				  .timestamp = timestamp,
				  .observed.addr = from };
	uint8_t packet[NTM_TUNNEL_PACKET];

	NTM_SET(&answer, TIMESTAMP);
	NTM_SET(&answer, OBSERVED);
	give(packet, (size_t)ntm_session_seal(bob, &answer, packet, sizeof(packet)));
}

/* Nothing is known of how long a way is when it is measured first: an answer that comes after the next try is one */
static void test_width_of_a_long_way(void **state)
{
	const struct ntm_slot *slot;
	struct ntm_session bob;
	uint64_t timestamp;
	unsigned int count;

	(void)state;
	slot = width_begins(&bob);
	timestamp = last_large(&bob, &count);
	assert_int_equal(count, 1);
	usleep(350000);
	uv_run(&node.loop, UV_RUN_NOWAIT);
	(void)last_large(&bob, &count);
	assert_int_equal(count, 2);
	bob_answers_probe(&bob, timestamp);
	assert_int_equal(slot->width.search.state, NTM_PMTU_SETTLED);
	assert_int_equal(slot->width.search.size, slot->width.search.ceiling);
	assert_in_range(slot->width.search.wait_ms, 300 + 2 * 350, 2000);
}

/* Our own link may be another after a move, and the peer's address is not */
static void test_width_by_another_link(void **state)
{
	const struct ntm_slot *slot;
	struct ntm_session bob;
	unsigned int count;

	(void)state;
	slot = width_begins(&bob);
	bob_answers_probe(&bob, last_large(&bob, &count));
	assert_int_equal(slot->width.search.state, NTM_PMTU_SETTLED);
	sent_count = 0;
	ntm_setup_shake_all(&node);
	assert_int_equal(slot->width.search.state, NTM_PMTU_VERIFYING);
	(void)last_large(&bob, &count);
	assert_int_equal(count, 1);
}

/* So much is known of the way: a little less than what the link carries */
static unsigned int settle_narrow(struct ntm_pmtu *search)
{
	search->state = NTM_PMTU_SETTLED;
	search->size = search->ceiling - 100;
	search->probe = 0;
	return search->size;
}

static void bob_comes_from(struct ntm_session *bob, const union ntm_addr *where)
{
	uint8_t packet[NTM_TUNNEL_PACKET];
	const size_t len = bob_says(bob, NTM_MSG_KEEP_ALIVE, packet);

	sent_count = 0;
	ntm_node_received(&node, packet, len, where);
}

/* A NAT that gives the peer another port makes no other way, and not a wider one */
static void test_width_by_another_port(void **state)
{
	const union ntm_addr port = test_addr("192.0.2.1:5555"), host = test_addr("192.0.2.2");
	struct ntm_session bob;
	struct ntm_slot *slot;
	unsigned int size;

	(void)state;
	(void)width_begins(&bob);
	slot = ntm_peers_by_path(&node.peers, 1);
	size = settle_narrow(&slot->width.search);
	bob_comes_from(&bob, &port);
	assert_true(ntm_addr_equal(&slot->width.addr, &port));
	assert_int_equal(slot->width.search.size, size);
	assert_int_equal(last_to(&port, NTM_PKT_SEALED)->len, size - 28); /* that is asked first */
	/* Another host is another way */
	(void)settle_narrow(&slot->width.search);
	bob_comes_from(&bob, &host);
	assert_int_equal(slot->width.search.size, slot->width.search.ceiling);
}

/* A relay, and a peer at the same address: ports are all that tells their ways apart */
static void test_width_beside_a_relay(void **state)
{
	const union ntm_addr elsewhere = rs_addr;
	uint8_t packet[NTM_TUNNEL_PACKET];
	struct ntm_session bob;
	struct ntm_slot *slot;
	size_t len;

	(void)state;
	rs_addr = test_addr("192.0.2.1:9999");
	(void)direct_by_relay();
	bob = bob_answers(packet, &len);
	give_relayed(1, packet, len, &rs_addr);
	slot = ntm_peers_by_path(&node.peers, 1);
	assert_true(ntm_addr_equal(&slot->width.addr, &rs_addr));
	(void)settle_narrow(&slot->width.search);
	bob_comes_from(&bob, &from);
	assert_true(ntm_addr_equal(&slot->width.addr, &from));
	assert_int_equal(slot->width.search.size, slot->width.search.ceiling);
	rs_addr = elsewhere;
}

/* The next try of the probe that is on its way is due, or what comes after the last */
static void width_waits(struct ntm_slot *slot)
{
	slot->width.search.next_ms = 0;
	ntm_width_tick(&node, slot);
}

/* Three probes without an answer say that the way is narrow if a small one is answered, and that it is dead if not */
static void test_width_of_a_dead_way(void **state)
{
	struct ntm_session bob;
	struct ntm_slot *slot;
	unsigned int count;

	(void)state;
	(void)width_begins(&bob);
	slot = ntm_peers_by_path(&node.peers, 1);
	for (int i = 0; i < 10; i++)
		width_waits(slot);
	(void)last_large(&bob, &count);
	assert_int_equal(count, 11);
	assert_int_equal(slot->width.search.size, slot->width.search.ceiling);
	assert_int_not_equal(slot->width.small, 0);
	bob_answers_probe(&bob, slot->width.small);
	assert_int_equal(node.drops[NTM_NODE_DROP_STATE], 0);
	for (int i = 0; i < 2; i++)
		width_waits(slot);
	assert_int_equal(slot->width.search.size, slot->width.search.ceiling);
	bob_answers_probe(&bob, slot->width.small);
	width_waits(slot);
	assert_int_equal(slot->width.search.state, NTM_PMTU_SEARCHING);
	assert_int_equal(slot->width.search.size, NTM_PMTU_BASE);
}

/*
 * What a name leads to has to go into the tunnel: a DC that names an address of somebody else's, or our own, for a peer would read
 * what is meant for it. Nor may a peer send with such a source.
 */
static void test_virtual_addresses_of_no_network(void **state)
{
	static const char *const bad[] = { "203.0.113.66", "100.65.0.2", "100.64.0.1",
					   "127.0.0.1" };
	struct ntm_msg bob = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(inet_pton(AF_INET, bad[i], &bob.virtual4), 1);
		assert_false(ntm_setup_direction(&node, &bob));
		bob.role = NTM_ROLE_RESPONDER;
		give_message(&bob);
		bob.role = NTM_ROLE_INITIATOR;
		assert_null(ntm_peers_by_path(&node.peers, 1));
		assert_null(ntm_peers_by_virtual(&node.peers, AF_INET, &bob.virtual4));
	}
	/* One that is good is taken, and the other one is not */
	bob = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::66", &bob.virtual6), 1);
	bob.prefix6 = 64;
	NTM_SET(&bob, VIRTUAL6);
	assert_true(ntm_setup_direction(&node, &bob));
	assert_true(ntm_peers_by_path(&node.peers, 1)->peer->has4);
	assert_false(ntm_peers_by_path(&node.peers, 1)->peer->has6);
}

/* The same by another lease: a peer in a network that is gone would be answered for, and no route would lead into its tunnel */
static void test_network_that_goes(void **state)
{
	struct ntm_msg lease, carol = test_direction("carol.example.net", 2, NTM_ROLE_RESPONDER);

	(void)state;
	direct_bob();
	carol.virtual4.s_addr = htonl(0x64404003);
	assert_true(ntm_setup_direction(&node, &carol));
	lease = node.lease;
	lease.prefix4 = 10;
	dc_lease(&node, &lease);
	assert_non_null(ntm_peers_by_path(&node.peers, 1));
	assert_non_null(ntm_peers_by_path(&node.peers, 2));
	lease.prefix4 = 24;
	dc_lease(&node, &lease);
	assert_non_null(ntm_peers_by_path(&node.peers, 1));
	assert_null(ntm_peers_by_path(&node.peers, 2));
	assert_null(ntm_peers_by_name(&node.peers, "carol.example.net"));
}

/* A zone that our lease does not name yet: a copy of the direction comes after the new lease */
static void test_direction_from_a_zone_to_come(void **state)
{
	struct ntm_zone_info *zone = &node.lease.peer_zones[0];
	struct ntm_msg dan = test_direction("dan.other.example", 1, NTM_ROLE_RESPONDER);

	(void)state;
	dan.virtual4.s_addr = htonl(0x0a090002);
	assert_false(ntm_setup_direction(&node, &dan));
	assert_null(ntm_peers_by_path(&node.peers, 1));
	assert_int_equal(confirmed, 0);
	node.lease.peer_zone_count = 1;
	strcpy(zone->name, "other.example");
	zone->virtual4.s_addr = htonl(0x0a090000);
	zone->prefix4 = 16;
	zone->prefix6 = NTM_NO_PREFIX;
	assert_true(ntm_setup_direction(&node, &dan));
	assert_non_null(ntm_peers_by_path(&node.peers, 1));
	assert_int_equal(confirmed, 1);
}

/*
 * The first peer of another zone brings that zone's network, which the data path does not take: its interface has just gone, say. Its
 * end takes all peers along, and must not come before the direction is done with.
 */
static void test_a_network_that_the_data_path_refuses(void **state)
{
	struct ntm_zone_info *zone = &node.lease.peer_zones[node.lease.peer_zone_count++];
	struct ntm_msg dan = test_direction("dan.other.example", 1, NTM_ROLE_RESPONDER);
	const struct in_addr virt = dan.virtual4 = (struct in_addr){ htonl(0x0a090002) };

	(void)state;
	strcpy(zone->name, "other.example");
	zone->prefix4 = zone->prefix6 = NTM_NO_PREFIX;
	dp_refuses = -ENODEV;
	give_message(&dan);
	assert_true(
		uv_is_active((uv_handle_t *)&node.dp_timer)); /* it is looked after from the loop */
	uv_timer_stop(&node.dp_timer);
	/* The same in answer to a question, by name and by address */
	ntm_setup_close_all(&node, "once more");
	zone->prefix4 = NTM_NO_PREFIX;
	dan.role = NTM_ROLE_INITIATOR;
	dan.path_id = 2;
	asked = 0;
	ntm_lookup_miss(&node, AF_INET, &virt);
	assert_int_not_equal(asked, 0);
	dan.request_id = asked;
	give_message(&dan);
	ntm_setup_close_all(&node, "once more");
	zone->prefix4 = NTM_NO_PREFIX;
	dan.path_id = 3;
	asked = 0;
	ntm_setup_want(&node, ntm_peers_get(&node.peers, "dan.other.example"));
	assert_int_not_equal(asked, 0);
	dan.request_id = asked;
	give_message(&dan);
	uv_timer_stop(&node.dp_timer);
	dp_refuses = 0;
}

static void add_zone(const char *name, uint32_t network)
{
	struct ntm_zone_info *zone = &node.lease.peer_zones[node.lease.peer_zone_count++];

	strcpy(zone->name, name);
	zone->virtual4.s_addr = htonl(network);
	zone->prefix4 = 16;
	zone->prefix6 = NTM_NO_PREFIX;
	NTM_SET(&node.lease, PEER_ZONE);
}

/* Whoever runs another zone's DC can make up names without end: ours, and those of third ones, have room all the same */
static void test_a_zone_of_too_many(void **state)
{
	struct ntm_msg m = test_direction("x.b.example", 1, NTM_ROLE_RESPONDER);

	(void)state;
	add_zone("b.example", 0x64410000);
	add_zone("c.example", 0x64420000);
	ntm_peers_zones(&node.peers);
	for (uint32_t i = 0; i < NTM_PEERS_OF_ZONE; i++) {
		snprintf(m.name, sizeof(m.name), "x%u.b.example", i);
		m.virtual4.s_addr = htonl(0x64410002 + i);
		m.path_id = 10 + i;
		assert_true(ntm_setup_direction(&node, &m));
	}
	m.path_id = 1;
	strcpy(m.name, "y.b.example");
	assert_false(ntm_setup_direction(&node, &m));
	assert_null(ntm_peers_by_name(&node.peers, "y.b.example"));
	strcpy(m.name, "x1.b.example"); /* is there already */
	assert_true(ntm_setup_direction(&node, &m));
	strcpy(m.name, "c.c.example");
	m.virtual4.s_addr = htonl(0x64420002);
	m.path_id = 2;
	assert_true(ntm_setup_direction(&node, &m));
	m = test_direction("bob.example.net", 3, NTM_ROLE_RESPONDER);
	assert_true(ntm_setup_direction(&node, &m));

	ntm_setup_close_peer(&node, ntm_peers_by_name(&node.peers, "x7.b.example"), "test");
	strcpy(m.name, "y.b.example");
	m.virtual4.s_addr = htonl(0x6441fff0);
	m.path_id = 4;
	assert_true(ntm_setup_direction(&node, &m));
	/* A lease without that zone, and one that has it again */
	node.lease.peer_zone_count = 0;
	ntm_peers_zones(&node.peers);
	assert_int_equal(node.peers.of_zone[0], 0);
	node.lease.peer_zone_count = 2;
	ntm_peers_zones(&node.peers);
	assert_int_equal(node.peers.of_zone[0], NTM_PEERS_OF_ZONE);
	assert_int_equal(node.peers.of_zone[1], 1);
}

static void direct_to_nowhere(const char *name)
{
	struct ntm_msg m = test_direction(name, 1, NTM_ROLE_INITIATOR);

	m.virtual4.s_addr = htonl(0x0a000001);
	assert_false(ntm_setup_direction(&node, &m));
}

/* Whoever runs a zone's DC fills the log with nothing but lines of that zone, and whoever forges packets, with those */
static void test_nobody_silences_the_log(void **state)
{
	struct log_lines lines;

	(void)state;
	add_zone("b.example", 0x64410000);
	add_zone("c.example", 0x64420000);
	memset(&node.own_log, 0, sizeof(node.own_log));
	memset(&node.forged_log, 0, sizeof(node.forged_log));
	memset(node.zone_log, 0, sizeof(node.zone_log));
	log_lines_begin(&lines);
	for (unsigned int i = 0; i < 20; i++)
		direct_to_nowhere("x.b.example");
	for (unsigned int i = 0; i < 20; i++)
		ev_auth_burst(&node, 1, 7);
	direct_to_nowhere("x.c.example");
	direct_to_nowhere("bob.example.net");
	dc_refused(&node, NTM_ST_REVOKED, "");
	log_lines_end(&lines);
	assert_int_equal(log_lines_with(&lines, "x.b.example: the DC names"), 10);
	assert_int_equal(log_lines_with(&lines, "forged data packets"), 10);
	assert_int_equal(log_lines_with(&lines, "x.c.example: the DC names"), 1);
	assert_int_equal(log_lines_with(&lines, "bob.example.net: the DC names"), 1);
	assert_int_equal(log_lines_with(&lines, "the DC refuses this node"), 1);
}

static void stand_and_end(const char *name, uint32_t virtual4)
{
	struct ntm_msg m = test_direction(name, 1, NTM_ROLE_INITIATOR);
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;

	m.virtual4.s_addr = htonl(virtual4);
	sent_count = 0;
	assert_true(ntm_setup_direction(&node, &m));
	(void)bob_answers_at(&from, packet, &len);
	give(packet, len);
	assert_int_equal(ntm_peers_by_path(&node.peers, 1)->tunnel.state, NTM_TUNNEL_STANDING);
	ntm_setup_close_peer(&node, ntm_peers_by_name(&node.peers, name), "test");
}

/* Nor does a zone do it with tunnels that come and go, which takes no room from what is wrong with it, or from our own peers' */
static void test_tunnels_of_a_zone_in_the_log(void **state)
{
	struct log_lines lines;

	(void)state;
	add_zone("b.example", 0x64410000);
	add_zone("c.example", 0x64420000);
	ntm_peers_zones(&node.peers);
	memset(node.zone_log, 0, sizeof(node.zone_log));
	memset(node.tunnel_log, 0, sizeof(node.tunnel_log));
	log_lines_begin(&lines);
	ntm_log_set_level(NTM_LOG_INFO);
	for (unsigned int i = 0; i < 12; i++) {
		stand_and_end("x.b.example", 0x64410002);
		stand_and_end("bob.example.net", 0x64400002);
	}
	stand_and_end("x.c.example", 0x64420002);
	direct_to_nowhere("x.b.example");
	log_lines_end(&lines);
	assert_int_equal(log_lines_with(&lines, "x.b.example: tunnel"), 10);
	assert_int_equal(log_lines_with(&lines, "x.b.example: the DC names"), 1);
	assert_int_equal(log_lines_with(&lines, "x.c.example: tunnel"), 2);
	assert_int_equal(log_lines_with(&lines, "bob.example.net: tunnel"), 24);
}

/* Keys of many peers, all at once, are one file a second, and not one for each */
static void test_keys_are_written_together(void **state)
{
	const struct ntm_msg bob = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;

	(void)state;
	(void)ntm_pins_forget(&node.pins, &node.lease, bob.name);
	uv_timer_stop(&node.pins_timer);
	unlink(node.pins.path);
	assert_true(ntm_setup_direction(&node, &bob));
	(void)bob_answers_at(&from, packet, &len);
	give(packet, len);
	assert_int_equal(ntm_peers_by_path(&node.peers, 1)->tunnel.state, NTM_TUNNEL_STANDING);
	assert_int_not_equal(access(node.pins.path, F_OK), 0);
	usleep((PINS_MS + 10) * 1000);
	uv_run(&node.loop, UV_RUN_NOWAIT);
	assert_int_equal(access(node.pins.path, F_OK), 0);
	assert_false(node.pins.unwritten);
}

/*
 * A node that starts before its network does, and whose DC it has asked in vain for a while: what it has an address for now, it asks
 * now. Of a change that is none it thinks nothing.
 */
static void test_a_network_at_last(void **state)
{
	struct ntm_join where = { .addr_count = 1, .addrs = { from } };
	uint64_t now;

	(void)state;
	memcpy(where.dc_key, peer_key.public, sizeof(where.dc_key));
	assert_int_equal(ntm_reach_open(&node), 0);
	ntm_dc_set(&node.dc, &where, false, ntm_node_now_ms());
	node.candidate_count = own_candidates(&node, node.candidates, NTM_CANDIDATES_MAX);
	now = ntm_node_now_ms();
	node.dc.hs.sent_ms = now - 1000;
	node.dc.hs.next_ms = now + 20000;
	sent_count = 0;
	addresses_changed(&node);
	uv_run(&node.loop, UV_RUN_NOWAIT);
	assert_int_equal(sent_to(&from, NTM_PKT_SESSION_REQUEST), 0);
	/* Of all those addresses there was none */
	if (!node.candidate_count)
		node.candidates[node.candidate_count++].addr = from;
	else
		node.candidate_count = 0;
	addresses_changed(&node);
	for (int i = 0; i < 3; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
	assert_int_equal(sent_to(&from, NTM_PKT_SESSION_REQUEST), 1);
	ntm_reach_close(&node);
	ntm_dc_set(&node.dc, &(struct ntm_join){ .dc_key = { 9 } }, false, ntm_node_now_ms());
}

/* The data path is back, with other cipher suites perhaps. If the packet that tells the DC is lost, another one follows. */
static void test_a_data_path_again(void **state)
{
	(void)state;
	strcpy(node.config.datapath, "tun");
	node.dp = NULL;
	uv_timer_stop(&node.dc_timer);
	sent_count = 0;
	dp_tick(&node.dp_timer);
	assert_non_null(node.dp);
	assert_int_equal(sent_to(&from, NTM_PKT_SEALED), 1);
	assert_true(uv_is_active((uv_handle_t *)&node.dc_timer));
	assert_in_range(uv_timer_get_due_in(&node.dc_timer), 0, 1000);
	ntm_requests_cancel_all(&node.dc.requests);
}

/* The relays do not answer: they are asked again by the time that a check of the network ends */
static void test_a_check_without_answers(void **state)
{
	const struct ntm_relay_info relay = { .addrs[0] = test_addr("127.0.0.1:9") };
	void *gone = calloc(1, sizeof(gone)); /* whoever asked */

	(void)state;
	ntm_survey_init(&node.survey, &survey_ops, &node);
	ntm_survey_relays(&node.survey, &relay, 1, ntm_node_now_us());
	node.survey.relays[0].ways[0].waiting = false; /* they did, the last time */
	survey_arm(&node);
	assert_true(uv_timer_get_due_in(&node.survey_timer) > 10000);
	assert_true(ntm_netcheck_start(&node, false, gone));
	assert_in_range(uv_timer_get_due_in(&node.survey_timer), 0, 1000);
	ntm_netcheck_stop(&node);
	uv_timer_stop(&node.survey_timer);
	ntm_survey_init(&node.survey, &survey_ops, &node);
}

/* The next look at the data path */
static void look(void)
{
	usleep(300000);
	for (int i = 0; i < 2; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
}

/* The data path's word that it followed the peer gets lost, or comes when we have gone on: what it says when asked counts */
static void test_where_the_data_path_is(void **state)
{
	const union ntm_addr moved = test_addr("192.0.2.77:4330");
	const struct ntm_slot *slot;
	struct ntm_session bob;

	(void)state;
	slot = width_begins(&bob);
	dp_at = from;
	look();
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &from));
	dp_at = moved;
	look();
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &moved));
	assert_true(ntm_addr_equal(&slot->width.addr, &moved));
	dp_at = from;
	look();
	ntm_setup_moved(&node, 1, &moved);
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &moved));
	look();
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &from));
	/* At no place that it may be at: it is told where to go */
	dp_at = test_addr("127.0.0.1:4330");
	memset(&dp_peer, 0, sizeof(dp_peer));
	look();
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &from));
	assert_true(ntm_addr_equal(&dp_peer, &from));
	memset(&dp_at, 0, sizeof(dp_at));
}

/* By NAT64 it sends to other addresses than those that we know peers by */
static void test_where_the_data_path_is_by_nat64(void **state)
{
	const union ntm_addr mapped = test_addr("[2001:db8:64::192.0.2.1]:4330"),
			     moved = test_addr("[2001:db8:64::192.0.2.77]:4330"),
			     known = test_addr("192.0.2.77:4330");
	const struct ntm_slot *slot;
	struct ntm_session bob;

	(void)state;
	slot = width_begins(&bob);
	node.nat64.len = 96;
	inet_pton(AF_INET6, "2001:db8:64::", &node.nat64.addr);
	dp_at = mapped;
	look();
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &from));
	dp_at = moved;
	look();
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &known));
	node.nat64.len = 0;
	memset(&dp_at, 0, sizeof(dp_at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_where_the_data_path_is, begin, end),
		cmocka_unit_test_setup_teardown(test_where_the_data_path_is_by_nat64, begin, end),
		cmocka_unit_test_setup_teardown(test_a_data_path_again, begin, end),
		cmocka_unit_test_setup_teardown(test_a_check_without_answers, begin, end),
		cmocka_unit_test_setup_teardown(test_a_network_at_last, begin, end),
		cmocka_unit_test_setup_teardown(test_path_of_another_peer_by_name, begin, end),
		cmocka_unit_test_setup_teardown(test_path_of_another_peer_by_address, begin, end),
		cmocka_unit_test_setup_teardown(test_path_of_another_peer_unasked, begin, end),
		cmocka_unit_test_setup_teardown(test_addresses_that_get_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_a_prefix_that_leads_to_nowhere, begin, end),
		cmocka_unit_test_setup_teardown(test_tunnel_by_a_relay, begin, end),
		cmocka_unit_test_setup_teardown(test_relayed_by_a_stranger, begin, end),
		cmocka_unit_test_setup_teardown(test_relayed_for_another, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_never_relayed, begin, end),
		cmocka_unit_test_setup_teardown(test_sealed_from_no_place, begin, end),
		cmocka_unit_test_setup_teardown(test_request_from_no_place, begin, end),
		cmocka_unit_test_setup_teardown(test_width_of_a_long_way, begin, end),
		cmocka_unit_test_setup_teardown(test_width_by_another_link, begin, end),
		cmocka_unit_test_setup_teardown(test_width_by_another_port, begin, end),
		cmocka_unit_test_setup_teardown(test_width_beside_a_relay, begin, end),
		cmocka_unit_test_setup_teardown(test_width_of_a_dead_way, begin, end),
		cmocka_unit_test_setup_teardown(test_virtual_addresses_of_no_network, begin, end),
		cmocka_unit_test_setup_teardown(test_direction_from_a_zone_to_come, begin, end),
		cmocka_unit_test_setup_teardown(test_network_that_goes, begin, end),
		cmocka_unit_test_setup_teardown(test_a_network_that_the_data_path_refuses, begin,
						end),
		cmocka_unit_test_setup_teardown(test_a_zone_of_too_many, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_silences_the_log, begin, end),
		cmocka_unit_test_setup_teardown(test_tunnels_of_a_zone_in_the_log, begin, end),
		cmocka_unit_test_setup_teardown(test_keys_are_written_together, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	start_node();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
