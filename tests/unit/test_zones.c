// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/*.c
/* Two coordinators of two zones that know each other by name, without a network. */
#include <arpa/inet.h>
#include <errno.h>

#include "two_dcs.h"
#include "log_lines.h"

#include "common/relay.h"

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	make_world(w);
	*state = w;
	return 0;
}

static int set_up_running(void **state)
{
	set_up(state);
	start_world(*state);
	return 0;
}

static int tear_down(void **state)
{
	end_world(*state);
	free(*state);
	return 0;
}

static struct ntm_zone *zone_of(struct dc *dc)
{
	return dc->core.zones.all[0];
}

static const char *state_of(struct dc *dc)
{
	return ntm_zone_state(zone_of(dc), dc->w->now);
}

static void assert_refused(struct node *n, uint16_t status)
{
	assert_int_equal(n->count[NTM_MSG_ROUTE_DIRECTION], 0);
	assert_true(n->count[NTM_MSG_REFUSAL] > 0);
	assert_int_equal(n->got[NTM_MSG_REFUSAL].status, status);
}

/* a of one zone and b of the other have the halves of one path */
static void assert_directed(struct node *a, struct node *b)
{
	const struct ntm_msg *x = &a->got[NTM_MSG_ROUTE_DIRECTION],
			     *y = &b->got[NTM_MSG_ROUTE_DIRECTION];

	assert_true(a->count[NTM_MSG_ROUTE_DIRECTION] > 0);
	assert_true(b->count[NTM_MSG_ROUTE_DIRECTION] > 0);
	assert_int_equal(x->role, NTM_ROLE_INITIATOR);
	assert_int_equal(y->role, NTM_ROLE_RESPONDER);
	assert_int_equal(x->path_id, y->path_id);
	assert_memory_equal(x->path_psk, y->path_psk, 32);
	assert_memory_equal(x->peer_key, b->key.public, 32);
	assert_memory_equal(y->peer_key, a->key.public, 32);
	assert_true(ntm_addr_equal(&x->candidates[0].addr, &b->addr));
	assert_true(ntm_addr_equal(&y->candidates[0].addr, &a->addr));
}

static void node_keep_alive(struct node *n)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE, .request_id = 2 };

	NTM_SET(&m, TIMESTAMP);
	node_say(n, &m);
	settle(n->w);
}

static void two_coordinators_meet(void **state)
{
	struct world *w = *state;
	const struct ntm_msg *lease;
	struct node a;

	pass(w, 1000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_string_equal(state_of(&w->dc[1]), "ready");
	assert_true(zone_of(&w->dc[0])->has_in && zone_of(&w->dc[1])->has_in);
	assert_memory_equal(zone_of(&w->dc[0])->pin, w->dc[1].core.self.public, 32);
	assert_memory_equal(zone_of(&w->dc[1])->pin, w->dc[0].core.self.public, 32);

	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	lease = &a.got[NTM_MSG_REGISTRATION_RESPONSE];
	assert_int_equal(lease->peer_zone_count, 1);
	assert_string_equal(lease->peer_zones[0].name, "b.example");
	assert_int_equal(lease->peer_zones[0].virtual4.s_addr, inet_addr("100.65.0.0"));
	assert_int_equal(lease->peer_zones[0].prefix4, 16);
	assert_int_equal(lease->peer_zones[0].prefix6, 64);
}

static void they_stay_met_for_a_day(void **state)
{
	struct world *w = *state;
	uint64_t before;

	for (int hour = 0; hour < 24; hour++)
		pass(w, 3600 * 1000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_string_equal(state_of(&w->dc[1]), "ready");
	/* New sessions do not call forth new sessions for ever */
	assert_true(w->dc[0].core.counters[NTM_COUNT_HANDSHAKES] < 60);
	before = w->dc[0].core.counters[NTM_COUNT_RECEIVED];
	pass(w, 60 * 1000);
	assert_true(w->dc[0].core.counters[NTM_COUNT_RECEIVED] - before < 20);
	assert_true(w->dc[0].looked_up < 100);
}

static void a_lease_names_a_zone_whose_networks_nobody_knows_yet(void **state)
{
	struct world *w = *state;
	struct node a;

	dc_start(&w->dc[0]); /* alone */
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	assert_int_equal(a.got[NTM_MSG_REGISTRATION_RESPONSE].peer_zone_count, 1);
	assert_int_equal(a.got[NTM_MSG_REGISTRATION_RESPONSE].peer_zones[0].prefix4, NTM_NO_PREFIX);
	assert_int_equal(a.got[NTM_MSG_REGISTRATION_RESPONSE].peer_zones[0].prefix6, NTM_NO_PREFIX);
	/* Once they are known, it is told to register anew. */
	node_keep_alive(&a);
	assert_false(NTM_HAS(&a.got[NTM_MSG_KEEP_ALIVE_RESPONSE], LIFETIME));
	dc_start(&w->dc[1]);
	publish(&w->dc[0]);
	publish(&w->dc[1]);
	pass(w, 300 * 1000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	node_keep_alive(&a);
	assert_true(NTM_HAS(&a.got[NTM_MSG_KEEP_ALIVE_RESPONSE], LIFETIME));
	assert_int_equal(a.got[NTM_MSG_KEEP_ALIVE_RESPONSE].lifetime, 0);
	node_register(&a, NULL);
	assert_int_equal(a.got[NTM_MSG_REGISTRATION_RESPONSE].peer_zones[0].prefix4, 16);
	node_keep_alive(&a);
	assert_false(NTM_HAS(&a.got[NTM_MSG_KEEP_ALIVE_RESPONSE], LIFETIME));
}

static void other_networks_of_a_zone_are_told(void **state)
{
	struct world *w = *state;
	struct node a;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_keep_alive(&a);
	assert_false(NTM_HAS(&a.got[NTM_MSG_KEEP_ALIVE_RESPONSE], LIFETIME));
	dc_stop(&w->dc[1]);
	assert_null(ntm_pool_parse(&w->dc[1].config.pool4, AF_INET, "100.66.0.0/16"));
	dc_start(&w->dc[1]);
	pass(w, 300 * 1000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	node_keep_alive(&a);
	assert_true(NTM_HAS(&a.got[NTM_MSG_KEEP_ALIVE_RESPONSE], LIFETIME));
	node_register(&a, NULL);
	assert_int_equal(a.got[NTM_MSG_REGISTRATION_RESPONSE].peer_zones[0].virtual4.s_addr,
			 inet_addr("100.66.0.0"));
	node_keep_alive(&a);
	assert_false(NTM_HAS(&a.got[NTM_MSG_KEEP_ALIVE_RESPONSE], LIFETIME));
}

static void nodes_of_two_zones_are_directed(void **state)
{
	struct world *w = *state;
	const struct ntm_msg *x, *y;
	struct node a, b;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	node_ask(&a, "b.b.example", 7);
	assert_directed(&a, &b);
	x = &a.got[NTM_MSG_ROUTE_DIRECTION];
	y = &b.got[NTM_MSG_ROUTE_DIRECTION];
	assert_int_equal(x->request_id, 7);
	assert_string_equal(x->name, "b.b.example");
	assert_string_equal(y->name, "a.a.example");
	assert_int_equal(x->virtual4.s_addr, b.got[NTM_MSG_REGISTRATION_RESPONSE].virtual4.s_addr);
	assert_int_equal(y->virtual4.s_addr, a.got[NTM_MSG_REGISTRATION_RESPONSE].virtual4.s_addr);
	assert_true(NTM_HAS(x, VIRTUAL6) && NTM_HAS(y, VIRTUAL6));
	assert_int_equal(x->prefix4, 16);
	assert_int_equal(x->suites, 6);
	assert_int_equal(w->dc[0].core.counters[NTM_COUNT_DIRECTIONS], 1);
}

static void node_confirm(struct node *n)
{
	const struct ntm_msg *direction = &n->got[NTM_MSG_ROUTE_DIRECTION];
	struct ntm_msg m = { .type = NTM_MSG_ROUTE_DIRECTION_CONFIRMATION,
			     .request_id = direction->request_id,
			     .path_id = direction->path_id };

	NTM_SET(&m, PATH_ID);
	NTM_SET(&m, STATUS);
	node_say(n, &m);
	settle(n->w);
}

static void the_responder_is_told_until_it_confirms(void **state)
{
	struct world *w = *state;
	struct node a, b;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	memset(b.count, 0, sizeof(b.count));
	node_ask(&a, "b.b.example", 7);
	assert_int_equal(b.count[NTM_MSG_ROUTE_DIRECTION], 1);
	pass(w, 300);
	assert_int_equal(b.count[NTM_MSG_ROUTE_DIRECTION], 2);
	assert_directed(&a, &b);
	node_confirm(&b);
	pass(w, 3000);
	assert_int_equal(b.count[NTM_MSG_ROUTE_DIRECTION], 2);
	assert_int_equal(w->dc[1].core.counters[NTM_DROP_UNEXPECTED], 0);
}

static void a_repeated_request_gets_the_same_path(void **state)
{
	struct world *w = *state;
	struct node a, b;
	uint32_t path;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	node_ask(&a, "b.b.example", 7);
	path = a.got[NTM_MSG_ROUTE_DIRECTION].path_id;
	pass(w, 500);
	node_ask(&a, "b.b.example", 7);
	assert_int_equal(a.got[NTM_MSG_ROUTE_DIRECTION].path_id, path);
	assert_directed(&a, &b);
	node_ask(&a, "b.b.example", 8);
	assert_int_not_equal(a.got[NTM_MSG_ROUTE_DIRECTION].path_id, path);
	assert_directed(&a, &b);
	/* Under a new session the node is one that may have forgotten */
	path = a.got[NTM_MSG_ROUTE_DIRECTION].path_id;
	node_connect(&a);
	node_register(&a, NULL);
	node_ask(&a, "b.b.example", 8);
	assert_int_not_equal(a.got[NTM_MSG_ROUTE_DIRECTION].path_id, path);
	assert_directed(&a, &b);
}

static void a_virtual_address_will_do(void **state)
{
	struct world *w = *state;
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST, .target_len = 4 };
	struct node a, b;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	memcpy(m.target, &b.got[NTM_MSG_REGISTRATION_RESPONSE].virtual4, 4);
	NTM_SET(&m, TARGET);
	node_say(&a, &m);
	settle(w);
	assert_directed(&a, &b);
	assert_string_equal(a.got[NTM_MSG_ROUTE_DIRECTION].name, "b.b.example");
	inet_pton(AF_INET, "100.65.9.9", m.target);
	m.request_id = 2;
	memset(a.count, 0, sizeof(a.count));
	node_say(&a, &m);
	settle(w);
	assert_refused(&a, NTM_ST_UNKNOWN_NAME);
}

static void unknown_offline_and_revoked_nodes(void **state)
{
	struct world *w = *state;
	struct node a, b;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	node_ask(&a, "c.b.example", 1);
	assert_refused(&a, NTM_ST_UNKNOWN_NAME);
	node_ask(&a, "b.example", 2); /* no node can have the zone's own name */
	assert_refused(&a, NTM_ST_UNKNOWN_NAME);
	pass(w, 60 * 1000);
	node_ask(&a, "b.b.example", 3); /* not heard meanwhile */
	assert_directed(&a, &b);
	pass(w, 60 * 1000);
	node_connect(&a);
	node_register(&a, NULL);
	node_ask(&a, "b.b.example", 4);
	assert_refused(&a, NTM_ST_OFFLINE);
	node_connect(&b);
	node_register(&b, NULL);
	json_decref(admin(&w->dc[1], json_pack("{s:s,s:s}", "command", "revoke", "name", "b")));
	node_ask(&a, "b.b.example", 5);
	assert_refused(&a, NTM_ST_UNKNOWN_NAME);
	json_decref(admin(&w->dc[0], json_pack("{s:s,s:s}", "command", "revoke", "name", "a")));
	node_ask(&a, "b.b.example", 6);
	assert_refused(&a, NTM_ST_REVOKED);
}

/* Nobody is directed anew some time later */
static void assert_still_directed(struct node *initiator, struct node *responder)
{
	assert_directed(initiator, responder);
	assert_int_equal(initiator->count[NTM_MSG_ROUTE_DIRECTION], 1);
}

/* Each asks for the other in the same moment: both get one path, whichever. */
static void crossing_requests_make_one_path(void **state)
{
	struct world *w = *state;
	struct node a, b, *initiator;
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST, .request_id = 1 };

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	for (int i = 0; i < 8; i++) {
		memset(a.count, 0, sizeof(a.count));
		memset(b.count, 0, sizeof(b.count));
		m.request_id++;
		NTM_SET(&m, NAME);
		strcpy(m.name, "b.b.example");
		node_say(&a, &m);
		strcpy(m.name, "a.a.example");
		node_say(&b, &m);
		pass(w, 100);
		initiator = a.got[NTM_MSG_ROUTE_DIRECTION].role == NTM_ROLE_INITIATOR ? &a : &b;
		assert_directed(initiator, initiator == &a ? &b : &a);
		pass(w, 7000);
		assert_still_directed(initiator, initiator == &a ? &b : &a);
	}
}

/* The virtual address of @whom, of either family, which @n had a tunnel to */
static void ask_by_address(struct node *n, const struct node *whom, bool v6, uint32_t request_id)
{
	const struct ntm_msg *lease = &whom->got[NTM_MSG_REGISTRATION_RESPONSE];
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST, .request_id = request_id };

	m.target_len = v6 ? 16 : 4;
	memcpy(m.target, v6 ? (const void *)&lease->virtual6 : &lease->virtual4, m.target_len);
	NTM_SET(&m, TARGET);
	node_say(n, &m);
}

/* As applications do that kept the address while the tunnel was closed */
static void crossing_requests_by_address_make_one_path(void **state)
{
	struct world *w = *state;
	struct node a, b, *initiator;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	for (unsigned int i = 0; i < 4; i++) {
		memset(a.count, 0, sizeof(a.count));
		memset(b.count, 0, sizeof(b.count));
		ask_by_address(&a, &b, i & 1, 10 + i);
		ask_by_address(&b, &a, i & 2, 10 + i);
		pass(w, 100);
		initiator = a.got[NTM_MSG_ROUTE_DIRECTION].role == NTM_ROLE_INITIATOR ? &a : &b;
		assert_directed(initiator, initiator == &a ? &b : &a);
		pass(w, 7000);
		assert_still_directed(initiator, initiator == &a ? &b : &a);
	}
	/* And right after */
	ask_by_address(&a, &b, false, 20);
	pass(w, 100);
	ask_by_address(&b, &a, true, 21);
	settle(w);
	assert_directed(&a, &b);
	assert_int_equal(b.got[NTM_MSG_ROUTE_DIRECTION].request_id, 21);
}

/* One in each zone: if their requests cross, that of @first counts, whose DC has the lesser key */
static void join_two(struct world *w, struct node *first, struct node *second)
{
	const int greater = memcmp(w->dc[0].core.self.public, w->dc[1].core.self.public, 32) < 0;

	node_join(first, &w->dc[!greater], "x", "198.51.100.1");
	node_join(second, &w->dc[greater], "x", "203.0.113.1");
}

static void ask_other(struct node *n, uint32_t request_id)
{
	node_ask(n, n->dc == &n->w->dc[0] ? "x.b.example" : "x.a.example", request_id);
}

/* Where packets overtake each other: the one that does not count comes after the other one's answer */
static void a_late_crossing_request_makes_no_other_path(void **state)
{
	struct packet late = { .len = 0 };
	struct world *w = *state;
	struct node a, b;

	pass(w, 1000);
	join_two(w, &a, &b);
	b.dc->late = &late;
	ask_other(&b, 1);
	assert_true(late.len > 0);
	ask_other(&a, 1);
	assert_directed(&a, &b);
	enqueue(w, &late.from, &late.to, late.bytes, late.len);
	pass(w, 7000);
	assert_still_directed(&a, &b);
	/* Not where both have forgotten the path */
	ask_other(&a, 2);
	node_connect(&a);
	node_register(&a, NULL);
	node_connect(&b);
	node_register(&b, NULL);
	ask_other(&b, 2);
	assert_directed(&b, &a);
}

/* Of an end that has started again nobody can tell whether its request is a late one: the first copies are dropped */
static void who_asks_anew_right_after_is_heard(void **state)
{
	struct world *w = *state;
	struct node a, b;

	pass(w, 1000);
	join_two(w, &a, &b);
	ask_other(&a, 1);
	node_confirm(&b);
	pass(w, 500);
	node_connect(&b);
	node_register(&b, NULL);
	ask_other(&b, 1);
	pass(w, 1000);
	assert_directed(&b, &a);
}

static void who_asks_right_after_being_asked_for_is_the_responder(void **state)
{
	struct world *w = *state;
	struct node a, b;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	node_ask(&a, "b.b.example", 1);
	pass(w, 100);
	node_ask(&b, "a.a.example", 9);
	assert_directed(&a, &b);
	assert_int_equal(b.got[NTM_MSG_ROUTE_DIRECTION].request_id, 9);
	pass(w, 1500);
	node_ask(&b, "a.a.example", 10);
	assert_directed(&b, &a);
}

/* It has a session already */
static void relay_registers(struct node *n, const char *name)
{
	json_t *response = admin(n->dc, json_pack("{s:s,s:[s],s:b}", "command", "invite", "names",
						  name, "relay", 1));
	struct ntm_msg m = { .type = NTM_MSG_REGISTRATION_REQUEST, .lifetime = 7200, .suites = 6 };
	struct ntm_join join;

	assert_null(ntm_join_parse(
		&join, json_string_value(json_array_get(json_object_get(response, "joins"), 0))));
	json_decref(response);
	memcpy(m.token, join.token, sizeof(m.token));
	m.role = NTM_ROLE_RELAY;
	m.candidates[0].addr = n->addr;
	m.candidates[1].addr = test_addr("[2001:db8::99]:4330");
	m.candidate_count = 2;
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, SUITES);
	NTM_SET(&m, TOKEN);
	NTM_SET(&m, ROLE);
	NTM_SET(&m, LOAD);
	NTM_SET(&m, CANDIDATE);
	node_say(n, &m);
	settle(n->w);
	assert_int_equal(n->got[NTM_MSG_REGISTRATION_RESPONSE].status, NTM_ST_OK);
}

static void join_relay(struct node *n, struct dc *dc, const char *addr)
{
	node_init(n, dc, addr);
	node_connect(n);
	relay_registers(n, "rs");
}

static bool names_relay(const struct node *n, const struct node *rs, bool at_once)
{
	const struct ntm_msg *m = &n->got[NTM_MSG_ROUTE_DIRECTION];

	return m->relay_count == 1 && !memcmp(m->relays[0].key, rs->key.public, 32) &&
	       ntm_addr_equal(&m->relays[0].addrs[0], &rs->addr) && m->relays[0].at_once == at_once;
}

/* The asker's zone has a relay server: both nodes hear of it, and it of them, from its own coordinator */
static void the_askers_relays_serve_both(void **state)
{
	struct world *w = *state;
	const struct ntm_msg *direction;
	struct node a, b, six, rs;
	uint8_t key[32];

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	node_join(&six, &w->dc[1], "six", "[2001:db8::6]");
	join_relay(&rs, &w->dc[0], "192.0.2.200");
	node_ask(&a, "b.b.example", 1);
	assert_directed(&a, &b);
	direction = &rs.got[NTM_MSG_RELAY_DIRECTION];
	assert_int_equal(rs.count[NTM_MSG_RELAY_DIRECTION], 1);
	assert_int_equal(direction->path_id, a.got[NTM_MSG_ROUTE_DIRECTION].path_id);
	ntm_relay_end_key(key, a.got[NTM_MSG_ROUTE_DIRECTION].path_psk, rs.key.public,
			  NTM_ROLE_INITIATOR);
	assert_memory_equal(direction->ends[0].key, key, 32);
	ntm_relay_end_key(key, b.got[NTM_MSG_ROUTE_DIRECTION].path_psk, rs.key.public,
			  NTM_ROLE_RESPONDER);
	assert_memory_equal(direction->ends[1].key, key, 32);
	/* Both coordinators find alike whether to bind at once; also when it is said again */
	assert_true(names_relay(&a, &rs, a.got[NTM_MSG_ROUTE_DIRECTION].relays[0].at_once));
	assert_true(names_relay(&b, &rs, a.got[NTM_MSG_ROUTE_DIRECTION].relays[0].at_once));
	memset(&b.got, 0, sizeof(b.got));
	pass(w, 300);
	assert_true(names_relay(&b, &rs, a.got[NTM_MSG_ROUTE_DIRECTION].relays[0].at_once));
	assert_true(rs.count[NTM_MSG_RELAY_DIRECTION] > 1); /* it has not confirmed */
	/* No family in common: at once */
	node_ask(&a, "six.b.example", 2);
	assert_true(names_relay(&a, &rs, true));
	assert_true(names_relay(&six, &rs, true));
}

/* Nearly as long as a name may be: labels of 63 bytes */
static void long_name(char out[NTM_NAME_MAX + 1], char c, const char *zone)
{
	for (unsigned int i = 0; i < 232; i++)
		out[i] = (i + 1) % 64 ? c : '.';
	snprintf(out + 232, NTM_NAME_MAX + 1 - 232, ".%s", zone);
}

/* Names, addresses and relays as long and as many as can be do not fit into one packet: the last addresses are left out */
static void the_longest_request_fits(void **state)
{
	struct ntm_msg m = { .type = NTM_MSG_REGISTRATION_REQUEST,
			     .request_id = 7,
			     .lifetime = 7200,
			     .suites = 6,
			     .candidate_count = NTM_CANDIDATES_MAX };
	char mine[NTM_NAME_MAX + 1], theirs[NTM_NAME_MAX + 1], text[32];
	struct world *w = *state;
	struct node a, b, rs[2];

	long_name(mine, 'm', "a.example");
	long_name(theirs, 't', "b.example");
	pass(w, 1000);
	node_join(&a, &w->dc[0], mine, "198.51.100.1");
	node_join(&b, &w->dc[1], theirs, "203.0.113.1");
	for (unsigned int i = 0; i < 2; i++) {
		node_init(&rs[i], &w->dc[0], i ? "192.0.2.201" : "192.0.2.200");
		node_connect(&rs[i]);
		relay_registers(&rs[i], i ? "one-of-the-relays-of-an-operator-who-likes-names" :
					    "another-one-of-those-of-this-very-operator");
	}
	for (unsigned int i = 0; i < NTM_CANDIDATES_MAX; i++) {
		snprintf(text, sizeof(text), "[2001:db8::%x]:4330", i + 1);
		m.candidates[i].addr = test_addr(text);
	}
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, SUITES);
	NTM_SET(&m, CANDIDATE);
	node_say(&a, &m);
	settle(w);
	node_ask(&a, theirs, 1);
	assert_directed(&a, &b);
	assert_in_range(b.got[NTM_MSG_ROUTE_DIRECTION].candidate_count, 8, NTM_CANDIDATES_MAX - 1);
}

/* While the other coordinator is asked, the relay that was chosen becomes another one; or the asker is no node any more */
static void who_is_revoked_meanwhile_has_no_part(void **state)
{
	struct world *w = *state;
	struct node a, b, rs;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	join_relay(&rs, &w->dc[0], "192.0.2.200");
	w->dc[1].alive = false;
	node_ask(&a, "b.b.example", 1);
	json_decref(admin(&w->dc[0],
			  json_pack("{s:s,s:s}", "command", "revoke", "name", "rs.a.example")));
	relay_registers(&rs, "other");
	w->dc[1].alive = true;
	pass(w, 500);
	assert_directed(&a, &b);
	assert_int_equal(rs.count[NTM_MSG_RELAY_DIRECTION], 0);

	pass(w, 6000);
	w->dc[1].alive = false;
	node_ask(&a, "b.b.example", 2);
	ntm_sessions_drop(&w->dc[0].core.sessions,
			  ntm_registry_by_name(&w->dc[0].core.registry, "a.a.example"));
	w->dc[1].alive = true;
	pass(w, 500);
	assert_int_equal(a.count[NTM_MSG_ROUTE_DIRECTION], 0);
}

static void a_dead_coordinator_is_told_within_two_seconds(void **state)
{
	struct world *w = *state;
	struct node a, b;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	w->dc[1].alive = false;
	node_ask(&a, "b.b.example", 1);
	assert_int_equal(a.count[NTM_MSG_REFUSAL], 0);
	pass(w, 2000);
	assert_refused(&a, NTM_ST_OFFLINE);
	pass(w, 5000);
	assert_string_equal(state_of(&w->dc[0]), "unreachable");
	node_ask(&a, "b.b.example", 2);
	pass(w, 2000);
	assert_refused(&a, NTM_ST_OFFLINE);
	/* It only was out of reach */
	w->dc[1].alive = true;
	node_ask(&a, "b.b.example", 3);
	pass(w, 2000);
	assert_directed(&a, &b);
	assert_string_equal(state_of(&w->dc[0]), "ready");
}

static void a_coordinator_that_starts_again_is_found_again(void **state)
{
	struct world *w = *state;
	struct node a, b;

	pass(w, 20000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	dc_stop(&w->dc[1]);
	dc_start(&w->dc[1]);
	node_connect(&b);
	node_register(&b, NULL);
	node_ask(&a, "b.b.example", 1);
	pass(w, 2000);
	assert_directed(&a, &b);
	/* And the other way: what asks is what started again */
	dc_stop(&w->dc[0]);
	dc_start(&w->dc[0]);
	node_connect(&a);
	node_register(&a, NULL);
	node_ask(&a, "b.b.example", 2);
	pass(w, 1000);
	assert_directed(&a, &b);
}

static void a_zone_that_is_not_named_there_is_refused(void **state)
{
	struct world *w = *state;
	struct node a;

	w->dc[1].config.peer_zone_count = 0;
	start_world(w);
	pass(w, 1000);
	assert_string_equal(state_of(&w->dc[0]), "refused");
	assert_int_equal(w->dc[1].looked_up, 0);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_ask(&a, "b.b.example", 1);
	assert_refused(&a, NTM_ST_REFUSED);
	/* Its operator names it */
	w->dc[1].config.peer_zone_count = 1;
	assert_int_equal(ntm_core_reload(&w->dc[1].core, &w->dc[1].config, (char[200]){ 0 }, 200),
			 0);
	pass(w, 3000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_string_equal(state_of(&w->dc[1]), "ready");
	/* And takes that back */
	w->dc[1].config.peer_zone_count = 0;
	assert_int_equal(ntm_core_reload(&w->dc[1].core, &w->dc[1].config, (char[200]){ 0 }, 200),
			 0);
	node_ask(&a, "b.b.example", 2);
	pass(w, 2000);
	assert_int_equal(a.count[NTM_MSG_ROUTE_DIRECTION], 0);
	assert_int_equal(a.count[NTM_MSG_REFUSAL], 1);
}

/* The zone of whoever asks has another key in its TXT record: it is not that zone's coordinator */
static void a_key_that_is_not_in_the_dns_is_refused(void **state)
{
	struct world *w = *state;

	w->dc[0].dns.key[0] ^= 1;
	pass(w, 20000);
	assert_string_equal(state_of(&w->dc[0]), "refused");
	assert_false(zone_of(&w->dc[1])->has_in);
	assert_false(zone_of(&w->dc[1])->has_pin);
	assert_true(w->dc[1].core.counters[NTM_COUNT_REFUSALS] > 0);
	/* Nor is it connected to, by that key */
	assert_string_not_equal(state_of(&w->dc[1]), "ready");
	publish(&w->dc[0]);
	pass(w, 400 * 1000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_string_equal(state_of(&w->dc[1]), "ready");
}

static void another_key_after_the_first_is_refused_until_it_is_forgotten(void **state)
{
	struct world *w = *state;
	struct node a;
	json_t *response;

	pass(w, 1000);
	/* b starts again with a key of its own, and says so in the DNS: b, or whoever holds its zone */
	dc_stop(&w->dc[1]);
	pass(w, 1000);
	{
		char path[128];

		snprintf(path, sizeof(path), "%s/key", w->dc[1].directory);
		unlink(path);
	}
	dc_start(&w->dc[1]);
	publish(&w->dc[1]);
	pass(w, 400 * 1000);
	assert_string_equal(state_of(&w->dc[0]), "other key");
	assert_string_equal(state_of(&w->dc[1]), "refused");
	assert_false(zone_of(&w->dc[0])->has_in && w->now - zone_of(&w->dc[0])->in_ms < 300 * 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_ask(&a, "b.b.example", 1);
	assert_refused(&a, NTM_ST_REFUSED);
	/* Not by a restart either */
	dc_stop(&w->dc[0]);
	dc_start(&w->dc[0]);
	pass(w, 10000);
	assert_string_equal(state_of(&w->dc[0]), "other key");

	response =
		admin(&w->dc[0], json_pack("{s:s,s:s}", "command", "forget", "zone", "b.example"));
	assert_true(json_is_true(json_object_get(response, "ok")));
	json_decref(response);
	pass(w, 35000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_string_equal(state_of(&w->dc[1]), "ready");
	response =
		admin(&w->dc[0], json_pack("{s:s,s:s}", "command", "forget", "zone", "c.example"));
	assert_false(json_is_true(json_object_get(response, "ok")));
	json_decref(response);
}

/* Whoever holds the DNS now, the one whom we met goes on being the zone's coordinator */
static void a_lie_in_the_dns_parts_nobody(void **state)
{
	struct world *w = *state;
	struct ntm_msg m = { .type = NTM_MSG_ZONE_REQUEST, .request_id = 1 };
	struct node a, b, liar;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	node_init(&liar, &w->dc[0], "192.0.2.66");
	memcpy(w->dc[1].dns.key, liar.key.public, 32);
	w->dc[1].dns.addrs[0] = liar.addr;
	pass(w, 10000);
	strcpy(m.zone, "b.example");
	m.prefix4 = 16;
	NTM_SET(&m, ZONE);
	NTM_SET(&m, VIRTUAL4);
	node_connect(&liar);
	for (int i = 0; i < 4; i++) {
		m.request_id++;
		node_say(&liar, &m);
		pass(w, 2000);
		assert_int_equal(liar.got[NTM_MSG_ZONE_RESPONSE].status, NTM_ST_REFUSED);
	}
	assert_memory_equal(zone_of(&w->dc[0])->found.key, liar.key.public, 32); /* looked up */
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_non_null(strstr(zone_of(&w->dc[0])->why, "another key"));
	node_ask(&a, "b.b.example", 1);
	assert_directed(&a, &b);
	/* Also when it starts again */
	dc_stop(&w->dc[1]);
	dc_start(&w->dc[1]);
	node_connect(&b);
	node_register(&b, NULL);
	pass(w, 60000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	node_connect(&a);
	node_register(&a, NULL);
	node_connect(&b);
	node_register(&b, NULL);
	node_ask(&a, "b.b.example", 2);
	assert_directed(&a, &b);
}

static void without_dns_nobody_new_is_met_and_who_is_known_goes_on(void **state)
{
	struct world *w = *state;

	w->dc[0].dns_fails = true;
	start_world(w);
	pass(w, 10000);
	assert_string_equal(state_of(&w->dc[1]), "not found");
	assert_string_not_equal(state_of(&w->dc[0]), "ready");
	w->dc[0].dns_fails = false;
	pass(w, 30000);
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_string_equal(state_of(&w->dc[1]), "ready");
	w->dc[0].dns_fails = true;
	dc_stop(&w->dc[1]);
	dc_start(&w->dc[1]);
	pass(w, 30000);
	/* b cannot find a, and knows it when it comes */
	assert_string_equal(state_of(&w->dc[0]), "ready");
	assert_true(zone_of(&w->dc[1])->has_in);
}

static void a_resolver_that_says_nothing_holds_nobody_up(void **state)
{
	struct world *w = *state;
	struct node a;

	w->dc[1].dns_silent = true;
	start_world(w);
	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_ask(&a, "b.b.example", 1);
	assert_int_equal(a.count[NTM_MSG_REFUSAL], 0);
	pass(w, 2000);
	assert_refused(&a, NTM_ST_OFFLINE);
	assert_int_equal(w->dc[0].looked_up, 1); /* one at a time */
}

static void a_key_of_our_own_in_the_dns_is_no_other_coordinator(void **state)
{
	struct world *w = *state;

	memcpy(w->dc[1].dns.key, w->dc[0].core.self.public, 32);
	w->dc[1].dns.addrs[0] = w->dc[0].addr; /* a loop */
	pass(w, 1000);
	assert_int_equal(zone_of(&w->dc[0])->link.state, NTM_DC_OFF);
	assert_non_null(strstr(zone_of(&w->dc[0])->why, "our own key"));
}

static void a_coordinator_of_another_zone_is_not_this_one(void **state)
{
	struct world *w = *state;

	strcpy(w->dc[0].config.peer_zones[0], "c.example");
	start_world(w);
	pass(w, 100);
	/* The DNS of c.example leads to b's coordinator, which knows a */
	zone_of(&w->dc[0])->look = NTM_LOOK_ASKED;
	ntm_link_found(&w->dc[0].core, "c.example", &w->dc[1].dns, NULL, w->now);
	pass(w, 1000);
	assert_string_equal(state_of(&w->dc[0]), "refused");
	assert_false(zone_of(&w->dc[0])->has_pin);
}

static void networks_that_overlap_are_left_out(void **state)
{
	struct world *w = *state;
	struct node a, b;

	assert_null(ntm_pool_parse(&w->dc[1].config.pool4, AF_INET, "100.64.128.0/17"));
	start_world(w);
	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	assert_int_equal(a.got[NTM_MSG_REGISTRATION_RESPONSE].peer_zones[0].prefix4, NTM_NO_PREFIX);
	assert_int_equal(a.got[NTM_MSG_REGISTRATION_RESPONSE].peer_zones[0].prefix6, 64);
	node_ask(&a, "b.b.example", 1);
	assert_directed(&a, &b);
	assert_false(NTM_HAS(&a.got[NTM_MSG_ROUTE_DIRECTION], VIRTUAL4));
	assert_true(NTM_HAS(&a.got[NTM_MSG_ROUTE_DIRECTION], VIRTUAL6));
	assert_false(NTM_HAS(&b.got[NTM_MSG_ROUTE_DIRECTION], VIRTUAL4));
	assert_true(NTM_HAS(&b.got[NTM_MSG_ROUTE_DIRECTION], VIRTUAL6));
}

static void without_a_family_in_common_nobody_is_directed(void **state)
{
	struct world *w = *state;
	struct node a, b;

	assert_null(ntm_pool_parse(&w->dc[1].config.pool4, AF_INET, "100.64.0.0/16"));
	assert_null(ntm_pool_parse(&w->dc[1].config.pool6, AF_INET6, "fd00:a::/64"));
	start_world(w);
	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	node_ask(&a, "b.b.example", 1);
	assert_refused(&a, NTM_ST_UNSUPPORTED);
	assert_non_null(strstr(a.got[NTM_MSG_REFUSAL].text, "overlap"));
}

static void packets_that_come_again_change_nothing(void **state)
{
	struct world *w = *state;
	struct packet last = { .len = 0 };
	struct node a, b;
	uint64_t replays;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	w->recorded = &last;
	node_ask(&a, "b.b.example", 1);
	assert_directed(&a, &b);
	w->recorded = NULL;
	assert_true(last.len > 0);
	replays = w->dc[1].core.counters[NTM_DROP_REPLAY];
	memset(b.count, 0, sizeof(b.count));
	for (int i = 0; i < 3; i++)
		enqueue(w, &a.addr, &last.to, last.bytes, last.len); /* from elsewhere, too */
	settle(w);
	assert_int_equal(w->dc[1].core.counters[NTM_DROP_REPLAY], replays + 3);
	assert_int_equal(b.count[NTM_MSG_ROUTE_DIRECTION], 0);
	assert_true(ntm_addr_equal(&zone_of(&w->dc[1])->in_addr, &w->dc[0].addr));
	last.bytes[last.len - 1] ^= 1;
	enqueue(w, &last.from, &last.to, last.bytes, last.len);
	settle(w);
	assert_true(w->dc[1].core.counters[NTM_DROP_FORGED] > 0);
}

/* A coordinator that is what it says, and lies about the rest: made by hand, as c.example is of the test's own */

struct liar {
	struct node n;
	struct ntm_msg request;
};

static void meet_liar(struct world *w, struct liar *l)
{
	struct ntm_msg m = { .type = NTM_MSG_ZONE_REQUEST, .request_id = 1 };
	struct dc *dc = &w->dc[1];

	w->dc[0].alive = false; /* it is a.example's coordinator that lies */
	node_init(&l->n, dc, "192.0.2.66");
	memcpy(w->dc[0].dns.key, l->n.key.public, 32);
	w->dc[0].dns.addrs[0] = l->n.addr;
	strcpy(m.zone, "a.example");
	inet_pton(AF_INET, "100.64.0.0", &m.virtual4);
	m.prefix4 = 16;
	NTM_SET(&m, ZONE);
	NTM_SET(&m, VIRTUAL4);
	node_connect(&l->n);
	for (int i = 0; i < 3; i++) {
		m.request_id++;
		node_say(&l->n, &m);
		pass(w, 250);
	}
	assert_int_equal(l->n.got[NTM_MSG_ZONE_RESPONSE].status, NTM_ST_OK);
	l->request = (struct ntm_msg){ .type = NTM_MSG_INFORMATION_REQUEST, .request_id = 10 };
	strcpy(l->request.name, "b.b.example");
	strcpy(l->request.peer_name, "x.a.example");
	l->request.path_id = 77;
	l->request.suites = 6;
	memset(l->request.peer_key, 9, 32);
	inet_pton(AF_INET, "100.64.0.9", &l->request.virtual4);
	l->request.prefix4 = 16;
	l->request.candidates[0].addr = test_addr("198.51.100.9");
	l->request.candidate_count = 1;
	NTM_SET(&l->request, NAME);
	NTM_SET(&l->request, PEER_NAME);
	NTM_SET(&l->request, PATH_ID);
	NTM_SET(&l->request, PATH_PSK);
	NTM_SET(&l->request, PEER_KEY);
	NTM_SET(&l->request, SUITES);
	NTM_SET(&l->request, VIRTUAL4);
	NTM_SET(&l->request, CANDIDATE);
}

static uint16_t tell(struct liar *l, const struct ntm_msg *m)
{
	struct ntm_msg copy = *m;

	copy.request_id = l->request.request_id++;
	memset(l->n.count, 0, sizeof(l->n.count));
	node_say(&l->n, &copy);
	settle(l->n.w);
	assert_int_equal(l->n.count[NTM_MSG_INFORMATION_RESPONSE], 1);
	assert_int_equal(l->n.got[NTM_MSG_INFORMATION_RESPONSE].request_id, copy.request_id);
	return l->n.got[NTM_MSG_INFORMATION_RESPONSE].status;
}

static void another_coordinator_speaks_for_its_own_zone_alone(void **state)
{
	struct world *w = *state;
	struct liar l;
	struct ntm_msg m;
	struct node b;

	start_world(w);
	meet_liar(w, &l);
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	assert_int_equal(tell(&l, &l.request), NTM_ST_OK);
	assert_int_equal(b.count[NTM_MSG_ROUTE_DIRECTION], 1);
	assert_int_equal(b.got[NTM_MSG_ROUTE_DIRECTION].path_id, 77);
	memset(b.count, 0, sizeof(b.count));

	m = l.request;
	m.path_id = 78;
	strcpy(m.peer_name, "x.b.example"); /* a name of ours */
	assert_int_equal(tell(&l, &m), NTM_ST_REFUSED);
	strcpy(m.peer_name, "a.example");
	assert_int_equal(tell(&l, &m), NTM_ST_REFUSED);
	strcpy(m.peer_name, "x.c.example"); /* a third one's */
	assert_int_equal(tell(&l, &m), NTM_ST_REFUSED);
	m = l.request;
	m.path_id = 78;
	inet_pton(AF_INET, "100.65.0.9", &m.virtual4); /* an address of ours */
	assert_int_equal(tell(&l, &m), NTM_ST_REFUSED);
	m = l.request;
	m.path_id = 78;
	memcpy(m.peer_key, b.key.public, 32); /* a key of ours */
	assert_int_equal(tell(&l, &m), NTM_ST_REFUSED);
	m = l.request;
	m.path_id = 78;
	m.candidates[0].addr = test_addr("100.65.0.1"); /* into our tunnels */
	assert_int_equal(tell(&l, &m), NTM_ST_REFUSED);
	m.candidates[0].addr = test_addr("127.0.0.1");
	assert_int_equal(tell(&l, &m), NTM_ST_REFUSED);
	m = l.request;
	m.path_id = 78;
	strcpy(m.name, "nobody.b.example");
	assert_int_equal(tell(&l, &m), NTM_ST_UNKNOWN_NAME);
	strcpy(m.name, "b.c.example"); /* not our zone: nobody is asked in turn */
	assert_int_equal(tell(&l, &m), NTM_ST_UNKNOWN_NAME);
	assert_int_equal(b.count[NTM_MSG_ROUTE_DIRECTION], 0);
	/* Another path under an ID that is in use: 77 is x's, and stays */
	m = l.request;
	strcpy(m.peer_name, "y.a.example");
	assert_int_equal(tell(&l, &m), NTM_ST_BUSY);
}

/* Nor do strangers fill the log so that there is no room for what it does, nor it, for what strangers do, or the DNS */
static void nobody_silences_the_log(void **state)
{
	struct ntm_msg request = { .type = NTM_MSG_ZONE_REQUEST, .prefix4 = 16 };
	struct world *w = *state;
	struct log_lines lines;
	struct node stranger;
	struct ntm_msg m;
	struct liar l;

	start_world(w);
	meet_liar(w, &l);
	node_init(&stranger, &w->dc[1], "192.0.2.77");
	node_connect(&stranger);
	strcpy(request.zone, "x.example");
	NTM_SET(&request, ZONE);
	NTM_SET(&request, VIRTUAL4);
	m = l.request;
	strcpy(m.peer_name, "x.b.example");
	memset(&zone_of(&w->dc[1])->log, 0, sizeof(zone_of(&w->dc[1])->log));
	log_lines_begin(&lines);
	for (int i = 0; i < 20; i++) {
		request.request_id++;
		node_say(&stranger, &request);
		settle(w);
	}
	for (int i = 0; i < 20; i++)
		tell(&l, &m);
	memcpy(w->dc[0].dns.key, stranger.key.public, 32);
	ntm_zone_asked(zone_of(&w->dc[1]), w->now);
	ntm_link_found(&w->dc[1].core, "a.example", &w->dc[0].dns, NULL, w->now);
	log_lines_end(&lines);
	assert_int_equal(log_lines_with(&lines, "zone x.example is refused"), 10);
	assert_int_equal(log_lines_with(&lines, "its coordinator tells of"), 10);
	assert_int_equal(log_lines_with(&lines, "has another key than the one known"), 1);
}

/* What is no complaint fills it as well: other networks with each request */
static void nor_do_networks_that_change(void **state)
{
	struct ntm_msg m = { .type = NTM_MSG_ZONE_REQUEST, .request_id = 10, .prefix4 = 16 };
	struct world *w = *state;
	struct log_lines lines;
	struct liar l;

	start_world(w);
	meet_liar(w, &l);
	strcpy(m.zone, "a.example");
	inet_pton(AF_INET, "100.64.0.0", &m.virtual4);
	NTM_SET(&m, ZONE);
	NTM_SET(&m, VIRTUAL4);
	memset(&zone_of(&w->dc[1])->log, 0, sizeof(zone_of(&w->dc[1])->log));
	log_lines_begin(&lines);
	ntm_log_set_level(NTM_LOG_INFO);
	for (int i = 0; i < 20; i++) {
		m.prefix4 ^= 1; /* 17, 16, 17... */
		m.request_id++;
		node_say(&l.n, &m);
		settle(w);
	}
	log_lines_end(&lines);
	assert_int_equal(log_lines_with(&lines, "zone a.example: "), 10);
}

static void a_coordinator_that_asks_too_much_is_slowed_down(void **state)
{
	struct world *w = *state;
	unsigned int busy = 0, served = 0;
	struct liar l;
	struct ntm_msg m;

	start_world(w);
	meet_liar(w, &l);
	m = l.request;
	for (int i = 0; i < 1000; i++) {
		snprintf(m.name, sizeof(m.name), "n%d.b.example", i);
		if (tell(&l, &m) == NTM_ST_BUSY)
			busy++;
		else
			served++;
	}
	assert_int_equal(served, 400);
	assert_int_equal(busy, 600);
	pass(w, 1000);
	assert_int_equal(tell(&l, &m), NTM_ST_UNKNOWN_NAME);
}

static void what_it_refuses_does_not_make_our_nodes_doubt_themselves(void **state)
{
	struct world *w = *state;
	struct node a, b;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&b, &w->dc[1], "b", "203.0.113.1");
	/* b's coordinator forgets the session; a's would then say "unknown node", which a node takes as its own dismissal */
	ntm_session_wipe(&zone_of(&w->dc[1])->in);
	zone_of(&w->dc[1])->has_in = false;
	node_ask(&a, "b.b.example", 1);
	pass(w, 2000);
	assert_directed(&a, &b);
	for (uint16_t status = 1; status < 13; status++) {
		struct ntm_ask *ask;
		struct ntm_msg m = { .type = NTM_MSG_INFORMATION_RESPONSE, .status = status };

		w->dc[1].alive = false;
		node_ask(&a, "b.b.example", 100 + status);
		ask = ntm_asks_waiting(&w->dc[0].core.asks, NULL);
		assert_non_null(ask);
		m.request_id = ask->link_id;
		NTM_SET(&m, STATUS);
		ntm_requests_answer(&zone_of(&w->dc[0])->link.requests, &m);
		settle(w);
		assert_int_equal(a.count[NTM_MSG_REFUSAL], 1);
		assert_int_not_equal(a.got[NTM_MSG_REFUSAL].status, NTM_ST_UNKNOWN_NODE);
		assert_int_not_equal(a.got[NTM_MSG_REFUSAL].status, NTM_ST_REVOKED);
		assert_int_not_equal(a.got[NTM_MSG_REFUSAL].status, NTM_ST_OK);
	}
}

static void strangers_cause_no_more_than_a_look_up_in_five_seconds(void **state)
{
	struct world *w = *state;
	struct ntm_msg m = { .type = NTM_MSG_ZONE_REQUEST };
	unsigned int before;
	struct node n;

	pass(w, 1000);
	node_init(&n, &w->dc[1], "192.0.2.99");
	strcpy(m.zone, "a.example");
	inet_pton(AF_INET, "100.64.0.0", &m.virtual4);
	m.prefix4 = 16;
	NTM_SET(&m, ZONE);
	NTM_SET(&m, VIRTUAL4);
	before = w->dc[1].looked_up;
	for (int i = 0; i < 100; i++) {
		node_connect(&n);
		m.request_id++;
		strcpy(m.zone, i % 2 ? "a.example" : "nobody.example");
		node_say(&n, &m);
		pass(w, 100);
		assert_int_not_equal(n.got[NTM_MSG_ZONE_RESPONSE].status, NTM_ST_OK);
	}
	assert_true(w->dc[1].looked_up - before <= 3);
	assert_memory_equal(zone_of(&w->dc[1])->pin, w->dc[0].core.self.public, 32);
	/* A node is no coordinator, and a stranger's other messages are for nobody */
	m.type = NTM_MSG_INFORMATION_REQUEST;
}

/* The other coordinator does not answer: a node that asks on and on leaves room for others, and may ask again when it was answered */
static void a_node_has_its_share_of_the_asks_that_wait(void **state)
{
	struct world *w = *state;
	struct node a, c;

	pass(w, 1000);
	node_join(&a, &w->dc[0], "a", "198.51.100.1");
	node_join(&c, &w->dc[0], "c", "198.51.100.3");
	w->dc[1].alive = false;
	for (uint32_t i = 0; i < NTM_ASKS_EACH; i++) {
		node_ask(&a, "b.b.example", 100 + i);
		assert_int_equal(a.count[NTM_MSG_REFUSAL], 0);
	}
	node_ask(&a, "b.b.example", 100); /* repeated, it is none more */
	assert_int_equal(a.count[NTM_MSG_REFUSAL], 0);
	node_ask(&a, "b.b.example", 200);
	assert_refused(&a, NTM_ST_BUSY);
	node_ask(&c, "b.b.example", 1);
	assert_int_equal(c.count[NTM_MSG_REFUSAL], 0);
	pass(w, 2000);
	assert_refused(&c, NTM_ST_OFFLINE);
	assert_int_equal(a.count[NTM_MSG_REFUSAL], 1 + NTM_ASKS_EACH);
	node_ask(&a, "b.b.example", 201);
	assert_int_equal(a.count[NTM_MSG_REFUSAL], 0);
	pass(w, 2000);
	assert_refused(&a, NTM_ST_OFFLINE);
}

static void asks_are_bounded(void **state)
{
	struct world *w = *state;
	struct ntm_asks asks;

	(void)w;
	assert_int_equal(ntm_asks_init(&asks), 0);
	for (uint32_t i = 0; i < NTM_ASKS_MAX; i++)
		assert_non_null(ntm_asks_add(&asks, i, 1, 1, 1000));
	assert_null(ntm_asks_add(&asks, NTM_ASKS_MAX, 1, 1, 1000));
	assert_int_equal(ntm_asks_next_ms(&asks), 1000 + NTM_ASK_WAIT_MS);
	for (uint32_t i = 0; i < NTM_ASKS_MAX; i++) {
		struct ntm_msg m = { .type = NTM_MSG_REFUSAL };
		struct ntm_ask *ask = ntm_asks_late(&asks, 1000 + NTM_ASK_WAIT_MS);

		assert_non_null(ask);
		assert_int_equal(ask->asker, i);
		ntm_asks_answered(&asks, ask, &m, 3000);
	}
	assert_null(ntm_asks_late(&asks, 3000 + NTM_ASK_KEEP_MS - 1));
	assert_non_null(ntm_asks_find(&asks, 5, 1, 1));
	/* The oldest answer makes room for a request, and not for more than there are */
	assert_non_null(ntm_asks_add(&asks, NTM_ASKS_MAX, 1, 1, 3001));
	assert_null(ntm_asks_find(&asks, 0, 1, 1));
	assert_non_null(ntm_asks_find(&asks, 1, 1, 1));
	assert_int_equal(asks.count, NTM_ASKS_MAX);
	ntm_asks_answered(&asks, ntm_asks_find(&asks, NTM_ASKS_MAX, 1, 1),
			  &(struct ntm_msg){ .type = NTM_MSG_REFUSAL }, 3001);
	assert_null(ntm_asks_late(&asks, 3001 + NTM_ASK_KEEP_MS));
	assert_null(ntm_asks_find(&asks, 5, 1, 1));
	assert_int_equal(asks.count, 0);
	assert_non_null(ntm_asks_add(&asks, 1, 1, 1, 9000));
	ntm_asks_free(&asks);
}

static void foreigners_are_bounded_and_expire(void **state)
{
	struct ntm_foreigners f;
	struct ntm_foreigner node = { .suites = 6 };
	uint32_t first;

	(void)state;
	assert_int_equal(ntm_foreigners_init(&f), 0);
	for (unsigned int i = 0; i < NTM_FOREIGNERS_MAX; i++) {
		snprintf(node.name, sizeof(node.name), "n%u.a.example", i);
		assert_non_null(ntm_foreigners_put(&f, &node, i ? 1500 : 1000));
	}
	first = ntm_foreigners_by_name(&f, "n0.a.example")->id;
	assert_true(first & NTM_FOREIGN);
	assert_ptr_equal(ntm_foreigners_get(&f, first), ntm_foreigners_by_name(&f, "n0.a.example"));
	strcpy(node.name, "more.a.example");
	assert_null(ntm_foreigners_put(&f, &node, 6000));
	strcpy(node.name, "n1.a.example");
	assert_non_null(ntm_foreigners_put(&f, &node, 6000)); /* used again */
	ntm_foreigners_expire(&f, 1000 + NTM_FOREIGNER_MS);
	assert_null(ntm_foreigners_get(&f, first));
	strcpy(node.name, "n0.a.example");
	assert_non_null(ntm_foreigners_put(&f, &node, 12000));
	assert_int_not_equal(ntm_foreigners_by_name(&f, "n0.a.example")->id, first);
	ntm_foreigners_expire(&f, 6000 + NTM_FOREIGNER_MS);
	assert_non_null(ntm_foreigners_by_name(&f, "n0.a.example"));
	assert_int_equal(f.count, 1);
	ntm_foreigners_free(&f);
}

/* Networks, by themselves */

static void claim(struct ntm_zone *z, const char *net4, unsigned int prefix4, const char *net6,
		  unsigned int prefix6)
{
	struct ntm_msg m = { .prefix4 = (uint8_t)prefix4, .prefix6 = (uint8_t)prefix6 };

	if (net4) {
		inet_pton(AF_INET, net4, &m.virtual4);
		NTM_SET(&m, VIRTUAL4);
	}
	if (net6) {
		inet_pton(AF_INET6, net6, &m.virtual6);
		NTM_SET(&m, VIRTUAL6);
	}
	ntm_zone_set_networks(z, &m);
}

static void networks_are_believed_within_limits(void **state)
{
	static const struct {
		const char *net4;
		unsigned int prefix4;
		const char *net6;
		unsigned int prefix6;
		bool use4, use6;
	} cases[] = {
		{ "100.65.0.0", 16, "fd00:b::", 64, true, true },
		{ "10.0.0.0", 8, "fd00::", 9, true, false }, /* the IPv6 one has ours in it */
		{ "192.168.7.0", 24, "fc00::", 8, true, true },
		{ "100.64.0.0", 16, "fd00:a::", 64, false, false }, /* ours */
		{ "100.64.128.0", 17, "fd00:a::", 80, false, false },
		{ "100.64.0.0", 10, NULL, 0, false, false },
		{ "8.8.8.0", 24, "2001:db8::", 32, false, false }, /* somebody's */
		{ "0.0.0.0", 0, "::", 0, false, false },
		{ "192.0.0.0", 8, "fc00::", 7, false, false },
		{ "224.0.0.0", 8, "ff02::", 16, false, false },
		{ "127.0.0.0", 8, "fe80::", 64, false, false },
		{ "100.65.0.1", 32, "fd00:b::1", 128, false, false },
		{ NULL, 0, "fd00:b::", 64, false, true },
	};
	struct ntm_pool_spec own4, own6, none = { .family = 0 };
	struct ntm_zones zones = { .count = 0 };
	struct ntm_zone *b = ntm_zones_add(&zones, "b.example"), *c;
	struct in_addr addr;

	(void)state;
	assert_null(ntm_pool_parse(&own4, AF_INET, "100.64.0.0/16"));
	assert_null(ntm_pool_parse(&own6, AF_INET6, "fd00:a::/64"));
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		claim(b, cases[i].net4, cases[i].prefix4, cases[i].net6, cases[i].prefix6);
		ntm_zones_settle(&zones, &own4, &own6);
		if (b->use4 != cases[i].use4 || b->use6 != cases[i].use6)
			fail_msg("case %u: %d %d", i, b->use4, b->use6);
	}
	claim(b, "100.65.0.0", 16, "fd00:b::", 64);
	ntm_zones_settle(&zones, &none, &own6);
	assert_false(b->use4); /* we have none of the family */
	/* A third zone that wants what the second has */
	c = ntm_zones_add(&zones, "c.example");
	assert_non_null(c);
	assert_null(ntm_zones_add(&zones, "c.example"));
	claim(c, "100.65.3.0", 24, "fd00:c::", 64);
	ntm_zones_settle(&zones, &own4, &own6);
	assert_true(b->use4 && b->use6 && !c->use4 && c->use6);
	inet_pton(AF_INET, "100.65.3.3", &addr);
	assert_ptr_equal(ntm_zones_of_address(&zones, AF_INET, &addr), b);
	inet_pton(AF_INET, "100.66.3.3", &addr);
	assert_null(ntm_zones_of_address(&zones, AF_INET, &addr));
	assert_ptr_equal(ntm_zones_of_name(&zones, "x.y.c.example"), c);
	assert_null(ntm_zones_of_name(&zones, "c.example"));
	assert_null(ntm_zones_of_name(&zones, "xc.example"));
	ntm_zones_remove(&zones, b);
	assert_ptr_equal(zones.all[0], c);
	ntm_zones_remove(&zones, c);
	assert_int_equal(zones.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define RUNNING(f) cmocka_unit_test_setup_teardown(f, set_up_running, tear_down)
#define ALONE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		RUNNING(two_coordinators_meet),
		RUNNING(they_stay_met_for_a_day),
		ALONE(a_lease_names_a_zone_whose_networks_nobody_knows_yet),
		RUNNING(other_networks_of_a_zone_are_told),
		RUNNING(nodes_of_two_zones_are_directed),
		RUNNING(the_responder_is_told_until_it_confirms),
		RUNNING(a_repeated_request_gets_the_same_path),
		RUNNING(a_virtual_address_will_do),
		RUNNING(unknown_offline_and_revoked_nodes),
		RUNNING(crossing_requests_make_one_path),
		RUNNING(crossing_requests_by_address_make_one_path),
		RUNNING(a_late_crossing_request_makes_no_other_path),
		RUNNING(who_asks_anew_right_after_is_heard),
		RUNNING(who_asks_right_after_being_asked_for_is_the_responder),
		RUNNING(the_askers_relays_serve_both),
		RUNNING(the_longest_request_fits),
		RUNNING(who_is_revoked_meanwhile_has_no_part),
		RUNNING(a_dead_coordinator_is_told_within_two_seconds),
		RUNNING(a_coordinator_that_starts_again_is_found_again),
		ALONE(a_zone_that_is_not_named_there_is_refused),
		RUNNING(a_key_that_is_not_in_the_dns_is_refused),
		RUNNING(another_key_after_the_first_is_refused_until_it_is_forgotten),
		RUNNING(a_lie_in_the_dns_parts_nobody),
		ALONE(without_dns_nobody_new_is_met_and_who_is_known_goes_on),
		ALONE(a_resolver_that_says_nothing_holds_nobody_up),
		RUNNING(a_key_of_our_own_in_the_dns_is_no_other_coordinator),
		ALONE(a_coordinator_of_another_zone_is_not_this_one),
		ALONE(networks_that_overlap_are_left_out),
		ALONE(without_a_family_in_common_nobody_is_directed),
		RUNNING(packets_that_come_again_change_nothing),
		ALONE(another_coordinator_speaks_for_its_own_zone_alone),
		ALONE(nobody_silences_the_log),
		ALONE(nor_do_networks_that_change),
		ALONE(a_coordinator_that_asks_too_much_is_slowed_down),
		RUNNING(what_it_refuses_does_not_make_our_nodes_doubt_themselves),
		RUNNING(strangers_cause_no_more_than_a_look_up_in_five_seconds),
		RUNNING(a_node_has_its_share_of_the_asks_that_wait),
		ALONE(asks_are_bounded),
		cmocka_unit_test(foreigners_are_bounded_and_expire),
		cmocka_unit_test(networks_are_believed_within_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
