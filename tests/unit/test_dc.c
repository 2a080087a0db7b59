// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/*.c
/* A whole coordinator without a network: nodes made of common/ talk to it, and time is a number. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/relay.h"
#include "dc/admin.h"
#include "dc_files.h"
#include "log_lines.h"

#define INBOX 16

/* One packet that the coordinator sent. */
struct sent {
	union ntm_addr to;
	size_t len;
	uint8_t bytes[NTM_DATAGRAM_MAX];
};

struct world {
	char directory[64];
	struct ntm_dc_config config;
	struct ntm_core core;
	uint64_t now;
	struct sent inbox[INBOX];
	unsigned int sent;
};

struct client {
	struct world *w;
	struct ntm_noise_keypair key;
	struct ntm_hs_cookie_jar jar;
	struct ntm_session session;
	union ntm_addr addr;
	uint32_t next_id;
	uint8_t last_request[NTM_DATAGRAM_MAX];
	size_t last_request_len;
	char name[NTM_NAME_MAX + 1];
	struct ntm_msg check; /* the last Keep Alive that the coordinator sent it */
};

static int64_t wall = 1700000000;

static int64_t test_wall(void)
{
	return wall;
}

static int deliver(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct world *w = ctx;

	assert_true(w->sent < INBOX);
	w->inbox[w->sent].to = *to;
	w->inbox[w->sent].len = len;
	memcpy(w->inbox[w->sent++].bytes, packet, len);
	return 0;
}

static void start(struct world *w)
{
	char error[256] = "";

	if (ntm_core_open(&w->core, &w->config, w->now, error, sizeof(error)))
		fail_msg("%s", error);
	w->core.send = deliver;
	w->core.send_ctx = w;
	w->core.wall = test_wall;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->directory, "/tmp/ntm-dc-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	w->now = 1000000;
	strcpy(w->config.zone, "example.net");
	strcpy(w->config.state, w->directory);
	assert_null(ntm_pool_parse(&w->config.pool4, AF_INET, "100.64.0.0/29"));
	assert_null(ntm_pool_parse(&w->config.pool6, AF_INET6, "fd00:4e54::/64"));
	w->config.lease = 7200;
	w->config.keepalive = 25;
	w->config.handshake_rate = 100;
	w->config.invite_lifetime = 86400;
	assert_int_equal(ntm_addr_parse(&w->config.advertise[0], "192.0.2.1", 4330), 0);
	w->config.advertise_count = 1;
	ntm_log_init("test", NTM_LOG_ERROR);
	start(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ntm_core_close(&w->core, w->now);
	assert_int_equal(remove_dc_files(w->directory), 0);
	free(w);
	return 0;
}

static void restart(struct world *w)
{
	ntm_core_close(&w->core, w->now);
	start(w);
}

static struct client client(struct world *w, const char *name, const char *addr)
{
	struct client c = { .w = w, .next_id = 100 };

	ntm_noise_generate(&c.key);
	snprintf(c.name, sizeof(c.name), "%s", name);
	assert_int_equal(ntm_addr_parse(&c.addr, addr, 4330), 0);
	return c;
}

static void give(struct client *c, const uint8_t *packet, size_t len)
{
	c->w->sent = 0;
	ntm_core_packet(&c->w->core, packet, len, &c->addr, c->w->now);
}

/* The last packet for this client, which there must be. */
static struct sent *packet_for(const struct client *c)
{
	unsigned int i;

	for (i = c->w->sent; i-- > 0;) {
		if (ntm_addr_equal(&c->w->inbox[i].to, &c->addr))
			return &c->w->inbox[i];
	}
	return NULL;
}

static int shake_hands(struct client *c, struct ntm_session *session)
{
	struct ntm_msg payload;
	struct ntm_hs_init hs;
	struct ntm_hs_keys keys;
	struct sent *answer;
	int len;

	len = ntm_hs_request(&hs, NTM_PKT_SESSION_REQUEST, &c->key, c->w->core.self.public, NULL,
			     c->next_id++, 0, NULL, &c->jar, c->w->now, c->last_request,
			     sizeof(c->last_request));
	assert_true(len > 0);
	c->last_request_len = len;
	give(c, c->last_request, len);
	answer = packet_for(c);
	if (!answer)
		return -ETIMEDOUT;
	assert_true(answer->len <= (size_t)len);
	if (answer->bytes[0] == NTM_PKT_COOKIE_REPLY) {
		assert_int_equal(ntm_hs_cookie_reply(&c->jar, c->w->core.self.public, answer->bytes,
						     answer->len, c->w->now),
				 0);
		return -EAGAIN;
	}
	assert_int_equal(ntm_hs_response(&hs, answer->bytes, answer->len, &keys, &payload), 0);
	*session = keys.session;
	return 0;
}

static void connect_node(struct client *c)
{
	assert_int_equal(shake_hands(c, &c->session), 0);
}

/* The last message to where this client is that is no Keep Alive; those are kept apart. */
static bool hear(struct client *c, struct ntm_session *session, struct ntm_msg *msg)
{
	bool newest;

	for (unsigned int i = c->w->sent; i-- > 0;) {
		const struct sent *got = &c->w->inbox[i];

		if (!ntm_addr_equal(&got->to, &c->addr))
			continue;
		if (ntm_session_open(session, got->bytes, got->len, msg, &newest))
			return false;
		if (msg->type != NTM_MSG_KEEP_ALIVE)
			return true;
		c->check = *msg;
	}
	return false;
}

/* Send a message; true and @answer, if there is one. */
static bool say_on(struct client *c, struct ntm_session *session, const struct ntm_msg *msg,
		   struct ntm_msg *answer)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(session, msg, packet, sizeof(packet));

	assert_true(len > 0);
	give(c, packet, len);
	return hear(c, session, answer);
}

static bool say(struct client *c, const struct ntm_msg *msg, struct ntm_msg *answer)
{
	return say_on(c, &c->session, msg, answer);
}

static struct ntm_msg registration(uint32_t lifetime)
{
	struct ntm_msg msg = { .type = NTM_MSG_REGISTRATION_REQUEST,
			       .lifetime = lifetime,
			       .suites = 6 };

	msg.request_id = 4711;
	NTM_SET(&msg, LIFETIME);
	NTM_SET(&msg, SUITES);
	return msg;
}

static struct ntm_msg with_token(const struct ntm_join *join)
{
	struct ntm_msg msg = registration(7200);

	memcpy(msg.token, join->token, sizeof(msg.token));
	NTM_SET(&msg, TOKEN);
	return msg;
}

static uint16_t register_on(struct client *c, const struct ntm_msg *request, struct ntm_msg *lease)
{
	assert_true(say(c, request, lease));
	assert_int_equal(lease->type, NTM_MSG_REGISTRATION_RESPONSE);
	assert_int_equal(lease->request_id, request->request_id);
	return lease->status;
}

static json_t *admin(struct world *w, json_t *request)
{
	json_t *response = ntm_admin_run(&w->core, request, true, w->now);

	json_decref(request);
	return response;
}

static bool try_invite_as(struct world *w, const char *name, bool relay, struct ntm_join *join)
{
	json_t *response = admin(w, json_pack("{s:s,s:[s],s:b}", "command", "invite", "names", name,
					      "relay", (int)relay));
	const char *text = json_string_value(json_array_get(json_object_get(response, "joins"), 0));
	bool ok = json_is_true(json_object_get(response, "ok"));

	assert_int_equal(ok, text != NULL);
	if (ok)
		assert_null(ntm_join_parse(join, text));
	json_decref(response);
	return ok;
}

static bool try_invite(struct world *w, const char *name, struct ntm_join *join)
{
	return try_invite_as(w, name, false, join);
}

static struct ntm_join invite(struct world *w, const char *name)
{
	struct ntm_join join;

	assert_true(try_invite(w, name, &join));
	return join;
}

static bool try_revoke(struct world *w, const char *name)
{
	json_t *response = admin(w, json_pack("{s:s,s:s}", "command", "revoke", "name", name));
	bool ok = json_is_true(json_object_get(response, "ok"));

	json_decref(response);
	return ok;
}

static struct client joined(struct world *w, const char *name, const char *addr)
{
	struct client c = client(w, name, addr);
	struct ntm_join join = invite(w, name);
	struct ntm_msg request = with_token(&join), lease;

	connect_node(&c);
	assert_int_equal(register_on(&c, &request, &lease), NTM_ST_OK);
	return c;
}

static bool ask_as(struct client *c, const char *name, uint32_t request_id, struct ntm_msg *answer)
{
	struct ntm_msg msg = { .type = NTM_MSG_DIRECTION_REQUEST, .request_id = request_id };

	snprintf(msg.name, sizeof(msg.name), "%s.example.net", name);
	NTM_SET(&msg, NAME);
	return say(c, &msg, answer);
}

static bool ask(struct client *c, const char *name, struct ntm_msg *answer)
{
	return ask_as(c, name, 99, answer);
}

static void expect_refusal(struct client *c, const char *name, uint16_t status)
{
	struct ntm_msg answer;

	assert_true(ask(c, name, &answer));
	assert_int_equal(answer.type, NTM_MSG_REFUSAL);
	assert_int_equal(answer.request_id, 99);
	assert_int_equal(answer.status, status);
}

/* A Route Direction that came to a node which had not asked. */
static bool told(struct client *c, struct ntm_msg *msg)
{
	return hear(c, &c->session, msg);
}

static void confirm(struct client *c, const struct ntm_msg *route)
{
	struct ntm_msg msg = { .type = NTM_MSG_ROUTE_DIRECTION_CONFIRMATION }, answer;

	msg.request_id = route->request_id;
	msg.path_id = route->path_id;
	NTM_SET(&msg, PATH_ID);
	NTM_SET(&msg, STATUS);
	assert_false(say(c, &msg, &answer));
}

static bool keep_alive(struct client *c, struct ntm_msg *answer)
{
	struct ntm_msg msg = { .type = NTM_MSG_KEEP_ALIVE, .timestamp = 42 };

	NTM_SET(&msg, TIMESTAMP);
	return say(c, &msg, answer);
}

/* What a relay server at @addr says of itself */
static struct ntm_msg relay_registration(uint32_t load, const char *addr)
{
	struct ntm_msg msg = registration(7200);

	msg.role = NTM_ROLE_RELAY;
	msg.load = load;
	assert_int_equal(ntm_addr_parse(&msg.candidates[0].addr, addr, 4330), 0);
	msg.candidate_count = 1;
	NTM_SET(&msg, ROLE);
	NTM_SET(&msg, LOAD);
	NTM_SET(&msg, CANDIDATE);
	return msg;
}

static struct client relay_joined(struct world *w, const char *name, const char *addr)
{
	struct client c = client(w, name, addr);
	struct ntm_msg request = relay_registration(0, addr), lease;
	struct ntm_join join;

	assert_true(try_invite_as(w, name, true, &join));
	memcpy(request.token, join.token, sizeof(request.token));
	NTM_SET(&request, TOKEN);
	connect_node(&c);
	assert_int_equal(register_on(&c, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.role, NTM_ROLE_RELAY);
	return c;
}

static void answer_relay_direction(struct client *c, const struct ntm_msg *direction,
				   uint16_t status)
{
	struct ntm_msg msg = { .type = NTM_MSG_RELAY_RESPONSE, .status = status }, answer;

	msg.request_id = direction->request_id;
	msg.path_id = direction->path_id;
	NTM_SET(&msg, PATH_ID);
	NTM_SET(&msg, STATUS);
	assert_false(say(c, &msg, &answer));
}

static void pass(struct world *w, uint64_t ms)
{
	uint64_t end = w->now + ms;

	w->sent = 0;
	while (w->now < end) {
		uint64_t next = ntm_core_next_ms(&w->core);

		w->now = next < end ? next : end;
		ntm_core_tick(&w->core, w->now);
	}
}

static uint64_t count(const struct world *w, enum ntm_counter counter)
{
	return w->core.counters[counter];
}

static void a_node_gets_its_lease_and_keeps_its_addresses(void **state)
{
	struct world *w = *state;
	struct client c = client(w, "a", "198.51.100.7:5000");
	struct ntm_join join = invite(w, "A.example.NET.");
	struct ntm_msg request = with_token(&join), lease, again;
	int i;

	connect_node(&c);
	assert_int_equal(register_on(&c, &request, &lease), NTM_ST_OK);
	assert_string_equal(lease.name, "a.example.net");
	assert_string_equal(lease.zone, "example.net");
	assert_int_equal(lease.lifetime, 7200);
	assert_int_equal(lease.keepalive, 25);
	assert_true(ntm_addr_equal(&lease.observed.addr, &c.addr));
	assert_int_equal(lease.virtual4.s_addr, inet_addr("100.64.0.2"));
	assert_int_equal(lease.prefix4, 29);
	assert_int_equal(lease.prefix6, 64);
	/* Repeated, with and without the token, after a new session, and after a restart: the same. */
	for (i = 0; i < 4; i++) {
		if (i == 2)
			connect_node(&c);
		if (i == 3) {
			restart(w);
			connect_node(&c);
		}
		if (i)
			request = registration(100000);
		assert_int_equal(register_on(&c, &request, &again), NTM_ST_OK);
		assert_int_equal(again.virtual4.s_addr, lease.virtual4.s_addr);
		assert_memory_equal(&again.virtual6, &lease.virtual6, 16);
		assert_int_equal(again.lifetime, 7200);
	}
}

static void tokens_names_and_strangers(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = client(w, "b", "198.51.100.8");
	struct ntm_join join = invite(w, "b"), unused;
	struct ntm_msg request = registration(7200), lease;

	connect_node(&b);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_UNKNOWN_NODE);
	request = with_token(&join);
	request.token[0] ^= 1;
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_TOKEN);
	request.token[0] ^= 1;
	strcpy(request.name, "a.example.net");
	NTM_SET(&request, NAME);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_NAME_TAKEN);
	strcpy(request.name, "b.example.net");
	/* a, with its key bound, may not take a second name. */
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_NAME_TAKEN);
	request.has &= ~(1u << NTM_TLV_NAME);
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_REFUSED);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_OK);
	/* A second node with the used token. */
	a = client(w, "c", "198.51.100.9");
	connect_node(&a);
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_TOKEN);
	expect_refusal(&a, "b", NTM_ST_UNKNOWN_NODE);
	assert_false(try_invite(w, "b", &unused));
	assert_false(try_invite(w, "b.example.org", &unused));
	assert_false(try_invite(w, "b..c", &unused));
	assert_false(try_invite(w, "", &unused));
	assert_false(try_invite(w, "example.net", &unused));
	/* An invitation that is too old. */
	join = invite(w, "d");
	wall += 86400;
	request = with_token(&join);
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_TOKEN);
	assert_true(try_invite(w, "d", &unused));
}

static void two_nodes_are_directed(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "[2001:db8::8]:77");
	struct ntm_msg route, peers, again;

	assert_true(ask(&a, "b", &route));
	assert_int_equal(route.type, NTM_MSG_ROUTE_DIRECTION);
	assert_int_equal(route.request_id, 99);
	assert_int_equal(route.role, NTM_ROLE_INITIATOR);
	assert_memory_equal(route.peer_key, b.key.public, 32);
	assert_int_equal(route.candidate_count, 1);
	assert_true(ntm_addr_equal(&route.candidates[0].addr, &b.addr));
	assert_true(told(&b, &peers));
	assert_int_equal(peers.role, NTM_ROLE_RESPONDER);
	assert_int_equal(peers.path_id, route.path_id);
	assert_memory_equal(peers.path_psk, route.path_psk, 32);
	assert_memory_equal(peers.peer_key, a.key.public, 32);
	/* Repeated by a within 5 s, and asked by b within 1 s: the same path, the same roles. */
	assert_true(ask(&a, "b", &again));
	assert_int_equal(again.path_id, route.path_id);
	assert_int_equal(again.role, NTM_ROLE_INITIATOR);
	assert_false(told(&b, &peers));
	assert_true(ask(&b, "a", &again));
	assert_int_equal(again.path_id, route.path_id);
	assert_int_equal(again.role, NTM_ROLE_RESPONDER);
	confirm(&b, &route);
	pass(w, 5000);
	assert_int_equal(count(w, NTM_COUNT_RESENT), 0);
	assert_true(ask(&b, "a", &again));
	assert_int_not_equal(again.path_id, route.path_id);
	assert_int_equal(again.role, NTM_ROLE_INITIATOR);
	assert_true(told(&a, &peers));
	assert_int_equal(peers.role, NTM_ROLE_RESPONDER);
}

/* Somebody who asks anew within 5 s may have closed the tunnel in between, and the peer with it. */
static void asking_anew_gets_a_new_path(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg first, second, third;

	assert_true(ask_as(&a, "b", 1, &first));
	assert_true(ask_as(&a, "b", 2, &second));
	assert_int_not_equal(first.path_id, second.path_id);
	assert_int_equal(second.role, NTM_ROLE_INITIATOR);
	pass(w, 1000);
	assert_true(ask_as(&b, "a", 1, &third));
	assert_int_not_equal(second.path_id, third.path_id);
	assert_int_equal(third.role, NTM_ROLE_INITIATOR);
}

static void a_node_that_started_again_gets_a_new_path(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg request = registration(7200), lease, first, second;

	assert_true(ask(&a, "b", &first));
	connect_node(&b);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_OK);
	assert_true(ask(&b, "a", &second));
	assert_int_not_equal(first.path_id, second.path_id);
	assert_int_equal(second.role, NTM_ROLE_INITIATOR);
	assert_true(ask(&a, "b", &first));
	assert_int_equal(first.path_id, second.path_id);
	assert_int_equal(first.role, NTM_ROLE_RESPONDER);
}

static void a_peer_is_found_by_its_virtual_addresses(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7");
	struct ntm_msg msg = { .type = NTM_MSG_DIRECTION_REQUEST, .target_len = 4 }, answer;
	struct ntm_node *node;

	joined(w, "b", "198.51.100.8");
	node = ntm_registry_by_name(&w->core.registry, "b.example.net");
	NTM_SET(&msg, TARGET);
	memcpy(msg.target, &node->v4, 4);
	assert_true(say(&a, &msg, &answer));
	assert_string_equal(answer.name, "b.example.net");
	msg.target_len = 16;
	memcpy(msg.target, &node->v6, 16);
	assert_true(say(&a, &msg, &answer));
	assert_string_equal(answer.name, "b.example.net");
	msg.target[15] = 99;
	assert_true(say(&a, &msg, &answer));
	assert_int_equal(answer.status, NTM_ST_UNKNOWN_NAME);
	expect_refusal(&a, "nobody", NTM_ST_UNKNOWN_NAME);
	expect_refusal(&a, "a", NTM_ST_REFUSED);
}

static void the_responder_is_told_until_it_confirms(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg route, first, next;

	assert_true(ask(&a, "b", &route));
	assert_true(told(&b, &first));
	pass(w, 199);
	assert_false(told(&b, &next));
	pass(w, 1);
	assert_true(told(&b, &next));
	assert_int_equal(next.request_id, first.request_id);
	assert_int_equal(next.path_id, first.path_id);
	pass(w, 400);
	assert_true(told(&b, &next));
	confirm(&a, &route); /* not for it to confirm */
	pass(w, 800);
	assert_true(told(&b, &next));
	pass(w, 20000);
	assert_false(told(&b, &next));
	assert_int_equal(count(w, NTM_COUNT_RESENT), 3);
	assert_int_equal(count(w, NTM_COUNT_UNCONFIRMED), 1);
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 1);
}

static void candidates_are_looked_at(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	static const char *const texts[] = { "10.0.0.1:9",  "127.0.0.1:9",  "0.0.0.0:9",
					     "224.0.0.1:9", "10.0.0.1:0",   "100.64.0.3:9",
					     "10.0.0.1:9",  "198.51.100.8", "[::1]:9",
					     "[ff02::1]:9" };
	struct ntm_msg request = registration(7200), answer;
	unsigned int i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(ntm_addr_parse(&request.candidates[i].addr, texts[i], 4330), 0);
	request.candidate_count = i;
	request.candidates[0].kind = NTM_CAND_REFLEXIVE;
	NTM_SET(&request, CANDIDATE);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	assert_true(ask(&a, "b", &answer));
	assert_int_equal(answer.candidate_count, 2);
	/* That others see it there is not for itself to say */
	assert_int_equal(answer.candidates[0].kind, NTM_CAND_HOST);
	assert_true(ntm_addr_equal(&answer.candidates[0].addr, &request.candidates[0].addr));
	assert_true(ntm_addr_equal(&answer.candidates[1].addr, &b.addr));
	assert_int_equal(count(w, NTM_DROP_CANDIDATE), 7);
}

static void offline_after_silence_goodbye_and_the_leases_end(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg answer, request = registration(0);
	int i;

	pass(w, 80000);
	assert_true(keep_alive(&a, &answer));
	assert_int_equal(answer.timestamp, 42);
	assert_true(ntm_addr_equal(&answer.observed.addr, &a.addr));
	assert_true(ask(&a, "b", &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
	pass(w, 1);
	expect_refusal(&a, "b", NTM_ST_OFFLINE);
	assert_true(keep_alive(&b, &answer));
	assert_true(ask(&a, "b", &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
	/* Out of reach for long, and there again as if nothing had been. */
	pass(w, 300000);
	assert_true(keep_alive(&a, &answer));
	expect_refusal(&a, "b", NTM_ST_OFFLINE);
	assert_true(keep_alive(&b, &answer));
	assert_true(ask(&a, "b", &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
	for (i = 0; i < 2; i++) {
		assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
		assert_int_equal(answer.lifetime, 0);
		expect_refusal(&a, "b", NTM_ST_OFFLINE);
	}
	request = registration(7200);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	assert_true(ask(&a, "b", &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
	for (i = 0; i < 7200 / 50; i++) {
		pass(w, 50000);
		assert_true(keep_alive(&b, &answer));
	}
	assert_true(keep_alive(&a, &answer));
	request = registration(7200);
	assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
	expect_refusal(&a, "b", NTM_ST_OFFLINE);
}

/* As of a machine that slept: what has gone by it does not know, and its Keep Alives go on */
static void a_node_whose_lease_ran_out_is_told(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg answer, request = registration(7200);

	pass(w, 7199999);
	assert_true(keep_alive(&b, &answer));
	assert_false(NTM_HAS(&answer, LIFETIME));
	pass(w, 1);
	assert_true(keep_alive(&b, &answer));
	assert_true(NTM_HAS(&answer, LIFETIME));
	assert_int_equal(answer.lifetime, 0);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	assert_true(keep_alive(&b, &answer));
	assert_false(NTM_HAS(&answer, LIFETIME));
	assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
	assert_true(ask(&a, "b", &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
}

static void a_revoked_node_is_told_and_may_come_back(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct client other = client(w, "b", "198.51.100.9");
	struct ntm_msg answer, request = registration(7200);
	struct ntm_join join;
	int i;

	assert_true(try_revoke(w, "b"));
	assert_false(try_revoke(w, "b"));
	for (i = 0; i < 3; i++) {
		if (i == 1)
			connect_node(&b);
		if (i == 2) {
			restart(w);
			connect_node(&a);
			connect_node(&b);
			assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
		}
		assert_true(keep_alive(&b, &answer));
		assert_int_equal(answer.type, NTM_MSG_REFUSAL);
		assert_int_equal(answer.status, NTM_ST_REVOKED);
		expect_refusal(&b, "a", NTM_ST_REVOKED);
		assert_int_equal(register_on(&b, &request, &answer), NTM_ST_REVOKED);
		expect_refusal(&a, "b", NTM_ST_UNKNOWN_NAME);
	}
	join = invite(w, "b");
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_REVOKED);
	connect_node(&other);
	request = with_token(&join);
	assert_int_equal(register_on(&other, &request, &answer), NTM_ST_OK);
	assert_int_equal(answer.virtual4.s_addr, inet_addr("100.64.0.3"));
	assert_false(keep_alive(&b, &answer)); /* its session went with its key */
	connect_node(&b);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_REVOKED);
	/* The same key may be invited again, under another name too. */
	join = invite(w, "c");
	request = with_token(&join);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	assert_string_equal(answer.name, "c.example.net");
	assert_true(try_revoke(w, "c"));
	join = invite(w, "d");
	request = with_token(&join);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	assert_string_equal(answer.name, "d.example.net");
	assert_true(ask(&b, "b", &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
}

static void the_old_session_serves_until_the_new_one_speaks(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7");
	struct ntm_session fresh;
	struct ntm_msg answer, msg = { .type = NTM_MSG_KEEP_ALIVE };
	uint8_t first[NTM_DATAGRAM_MAX];
	size_t first_len;

	NTM_SET(&msg, TIMESTAMP);
	assert_int_equal(shake_hands(&a, &fresh), 0);
	/* The same request again: the same response, and no second session. */
	first_len = packet_for(&a)->len;
	memcpy(first, packet_for(&a)->bytes, first_len);
	give(&a, a.last_request, a.last_request_len);
	assert_int_equal(packet_for(&a)->len, first_len);
	assert_memory_equal(packet_for(&a)->bytes, first, first_len);
	assert_int_equal(w->core.sessions.guest_count, 1);
	assert_true(keep_alive(&a, &answer));
	assert_true(say_on(&a, &fresh, &msg, &answer));
	assert_int_equal(w->core.sessions.guest_count, 0);
	assert_false(keep_alive(&a, &answer));
	assert_int_equal(count(w, NTM_DROP_SESSION), 1);
	/* A replayed request makes a guest that nobody confirms. */
	give(&a, a.last_request, a.last_request_len);
	assert_true(say_on(&a, &fresh, &msg, &answer));
	pass(w, 12000);
	assert_int_equal(w->core.sessions.guest_count, 0);
	assert_true(say_on(&a, &fresh, &msg, &answer));
}

static void a_node_is_followed_where_it_goes(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	uint8_t old[NTM_DATAGRAM_MAX];
	struct ntm_msg answer, msg = { .type = NTM_MSG_KEEP_ALIVE };
	int len;

	NTM_SET(&msg, TIMESTAMP);
	len = ntm_session_seal(&a.session, &msg, old, sizeof(old));
	assert_int_equal(ntm_addr_parse(&a.addr, "[2001:db8::7]:1", 4330), 0);
	assert_true(keep_alive(&a, &answer));
	assert_true(ntm_addr_equal(&answer.observed.addr, &a.addr));
	/* A late packet from the old place moves nothing; a replayed one is dropped. */
	assert_int_equal(ntm_addr_parse(&b.addr, "198.51.100.7", 4330), 0);
	give(&b, old, len);
	assert_non_null(packet_for(&a));
	give(&b, old, len);
	assert_int_equal(w->sent, 0);
	assert_int_equal(count(w, NTM_DROP_REPLAY), 1);
}

static void go_to(struct client *c, const char *addr)
{
	assert_int_equal(ntm_addr_parse(&c->addr, addr, 4330), 0);
}

static void return_check(struct client *c, uint64_t timestamp)
{
	struct ntm_msg msg = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE,
			       .observed.addr = c->w->config.advertise[0],
			       .timestamp = timestamp },
		       answer;

	NTM_SET(&msg, TIMESTAMP);
	NTM_SET(&msg, OBSERVED);
	assert_false(say(c, &msg, &answer));
}

/* As what @asker is told where @c is; the request has not been made before. */
static int told_kind(struct client *asker, const struct client *c)
{
	struct ntm_msg route;

	assert_true(ask_as(asker, c->name, asker->next_id++, &route));
	assert_int_equal(route.type, NTM_MSG_ROUTE_DIRECTION);
	for (unsigned int i = 0; i < route.candidate_count; i++) {
		if (ntm_addr_equal(&route.candidates[i].addr, &c->addr))
			return route.candidates[i].kind;
	}
	return -1;
}

/* Whoever can feign its source is heard anywhere: only who answers from there is observed there. */
static void an_address_is_observed_once_it_was_answered_from(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg answer, first;

	/* The registration has shown it */
	assert_int_equal(told_kind(&a, &b), NTM_CAND_REFLEXIVE);
	assert_int_equal(b.check.type, 0);
	/* What goes to the stranger b does not hear */
	go_to(&b, "203.0.113.66");
	assert_true(keep_alive(&b, &answer));
	first = b.check;
	assert_int_equal(first.type, NTM_MSG_KEEP_ALIVE);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
	return_check(&b, first.timestamp + 1);
	return_check(&b, 0);
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 2);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
	pass(w, 1000);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
	/* What was sent elsewhere shows nothing here */
	go_to(&b, "198.51.100.8:9");
	return_check(&b, first.timestamp);
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 3);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
	assert_true(b.check.timestamp != first.timestamp);
	return_check(&b, b.check.timestamp);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_REFLEXIVE);
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 3);
	/* And is nothing to go back by */
	go_to(&b, "203.0.113.66");
	return_check(&b, first.timestamp);
	return_check(&b, b.check.timestamp + 1);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
}

/* A node is where its newest packet came from, and that one has to bring the answer from there. */
static void a_late_answer_shows_nothing(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg answer, late = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE };
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len;

	go_to(&b, "203.0.113.66");
	assert_true(keep_alive(&b, &answer));
	late.timestamp = b.check.timestamp;
	late.observed.addr = w->config.advertise[0];
	NTM_SET(&late, TIMESTAMP);
	NTM_SET(&late, OBSERVED);
	len = ntm_session_seal(&b.session, &late, packet, sizeof(packet));
	assert_true(keep_alive(&b, &answer));
	go_to(&b, "198.51.100.8");
	give(&b, packet, len);
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 1);
	go_to(&b, "203.0.113.66");
	assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
}

/* The answer that b needs for its keys went to both: it shows that b is at one of them. */
static void a_handshake_that_went_two_ways_shows_nothing(void **state)
{
	static const char *const places[] = { "203.0.113.66", "198.51.100.8" };
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg request = registration(7200), lease;

	for (unsigned int i = 0; i < 4; i++) {
		go_to(&b, places[i % 2]);
		connect_node(&b);
		go_to(&b, places[1 - i % 2]);
		give(&b, b.last_request, b.last_request_len);
		assert_non_null(packet_for(&b));
		go_to(&b, places[i / 2]);
		assert_int_equal(register_on(&b, &request, &lease), NTM_ST_OK);
		assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
		return_check(&b, b.check.timestamp);
		assert_int_equal(told_kind(&a, &b), NTM_CAND_REFLEXIVE);
	}
	/* To one that comes twice from one place it went once */
	connect_node(&b);
	give(&b, b.last_request, b.last_request_len);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_OK);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_REFLEXIVE);
	/* Nor does it show anything of the next place */
	connect_node(&b);
	go_to(&b, "203.0.113.67");
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_OK);
	assert_int_equal(told_kind(&a, &b), NTM_CAND_HOST);
}

/* A bystander gets one Route Direction for each request, not four. */
static void an_address_that_nobody_answers_from_is_told_once(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg route, answer;
	uint64_t checks;

	go_to(&b, "203.0.113.66");
	assert_true(keep_alive(&b, &answer));
	assert_true(ask_as(&a, "b", 1, &route));
	assert_true(told(&b, &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
	checks = count(w, NTM_COUNT_PROOFS);
	pass(w, 1400);
	assert_false(told(&b, &answer));
	assert_int_equal(count(w, NTM_COUNT_RESENT), 0);
	assert_int_equal(count(w, NTM_COUNT_PROOFS), checks + 3);
	/* As soon as it answers it gets what it missed */
	assert_true(ask_as(&a, "b", 2, &route));
	pass(w, 200);
	assert_false(told(&b, &answer));
	return_check(&b, b.check.timestamp);
	pass(w, 400);
	assert_true(told(&b, &answer));
	assert_int_equal(answer.path_id, route.path_id);
	assert_int_equal(count(w, NTM_COUNT_RESENT), 1);
}

static void a_relay_registers_as_a_relay_and_as_nothing_else(void **state)
{
	struct world *w = *state;
	struct client r = relay_joined(w, "r", "198.51.100.1"), a = joined(w, "a", "198.51.100.7");
	struct client b = client(w, "b", "198.51.100.8");
	struct ntm_msg request = relay_registration(10, "198.51.100.1"), lease;
	struct ntm_join join;
	uint64_t used = w->core.pool4.used;

	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.role, NTM_ROLE_RELAY);
	assert_string_equal(lease.name, "r.example.net");
	assert_string_equal(lease.zone, "example.net");
	assert_int_equal(lease.lifetime, 7200);
	assert_false(NTM_HAS(&lease, VIRTUAL4) || NTM_HAS(&lease, VIRTUAL6));
	assert_int_equal(lease.relay_count, 0);
	assert_int_equal(w->core.pool4.used, used);
	/* Each key is of one kind. */
	request = registration(7200);
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_REFUSED);
	assert_string_equal(lease.text, "this key is a relay's, not a node's");
	request = relay_registration(10, "198.51.100.7");
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_REFUSED);
	assert_string_equal(lease.text, "this key is a node's, not a relay's");
	/* And so is each invitation. */
	connect_node(&b);
	assert_true(try_invite_as(w, "s", true, &join));
	request = with_token(&join);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_REFUSED);
	assert_string_equal(lease.text, "this invitation is a relay's, not a node's");
	join = invite(w, "b");
	request = relay_registration(10, "198.51.100.8");
	memcpy(request.token, join.token, sizeof(request.token));
	NTM_SET(&request, TOKEN);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_REFUSED);
	request = with_token(&join); /* it was not used up */
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_OK);
	/* A revoked key stays what it was. */
	assert_true(try_revoke(w, "b"));
	assert_true(try_invite_as(w, "t", true, &join));
	request = relay_registration(10, "198.51.100.8");
	memcpy(request.token, join.token, sizeof(request.token));
	NTM_SET(&request, TOKEN);
	assert_int_equal(register_on(&b, &request, &lease), NTM_ST_REFUSED);
	/* A relay is nobody's peer, and asks for none. */
	expect_refusal(&a, "r", NTM_ST_UNKNOWN_NAME);
	assert_false(ask(&r, "a", &lease));
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 1);
	/* Names */
	assert_false(try_invite_as(w, "r", true, &join));
	assert_false(try_invite_as(w, "b", true, &join));
	assert_true(try_revoke(w, "r"));
	assert_false(try_invite_as(w, "r", false, &join));
	assert_true(try_invite_as(w, "r", true, &join));
	assert_false(
		try_invite_as(w, "a123456789.b123456789.c123456789.d123456789.e1234567.example.net",
			      true, &join)); /* 64 bytes */
	assert_true(try_invite_as(
		w, "a123456789.b123456789.c123456789.d123456789.e123456.example.net", true, &join));
}

static void a_relay_must_be_complete_and_reachable(void **state)
{
	struct world *w = *state;
	struct client r = relay_joined(w, "r", "198.51.100.1");
	struct ntm_msg request, answer;
	static const char *const bad[] = { "127.0.0.1:9", "169.254.1.1:9", "[fe80::1]:9",
					   "224.0.0.1:9", "100.64.0.3:9",  "198.51.100.1:0" };
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request = relay_registration(10, bad[i]);
		assert_int_equal(register_on(&r, &request, &answer), NTM_ST_REFUSED);
	}
	request = relay_registration(10, "198.51.100.1");
	request.has &= ~(1u << NTM_TLV_LOAD);
	assert_int_equal(register_on(&r, &request, &answer), NTM_ST_REFUSED);
}

static void a_direction_has_relays_that_know_of_it(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "[2001:db8::8]:77");
	struct client r = relay_joined(w, "r", "198.51.100.1");
	struct ntm_msg request, route, peers, direction, again, lease;
	uint8_t key[32];
	unsigned int i;

	/* Of IPv4 alone, it is no use to b. */
	assert_true(ask(&a, "b", &route));
	assert_int_equal(route.relay_count, 0);
	assert_false(told(&r, &direction));
	request = relay_registration(10, "198.51.100.1");
	assert_int_equal(ntm_addr_parse(&request.candidates[1].addr, "[2001:db8::1]:9", 0), 0);
	assert_int_equal(ntm_addr_parse(&request.candidates[2].addr, "[2001:db8::2]:9", 0), 0);
	request.candidate_count = 3;
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_OK);
	assert_true(ask_as(&a, "b", 100, &route));
	assert_int_equal(route.relay_count, 1);
	assert_memory_equal(route.relays[0].key, r.key.public, 32);
	assert_string_equal(route.relays[0].name, "r.example.net");
	assert_true(ntm_addr_equal(&route.relays[0].addrs[0], &request.candidates[0].addr));
	assert_true(ntm_addr_equal(&route.relays[0].addrs[1], &request.candidates[1].addr));
	assert_true(route.relays[0].at_once); /* no family in common */
	assert_true(told(&b, &peers));
	assert_int_equal(peers.relay_count, 1);
	assert_memory_equal(&peers.relays[0], &route.relays[0], sizeof(peers.relays[0]));
	assert_true(told(&r, &direction));
	assert_int_equal(direction.type, NTM_MSG_RELAY_DIRECTION);
	assert_int_equal(direction.path_id, route.path_id);
	assert_int_equal(direction.lifetime, 60);
	for (i = 0; i < 2; i++) {
		ntm_relay_end_key(key, route.path_psk, r.key.public, direction.ends[i].role);
		assert_memory_equal(direction.ends[i].key, key, 32);
	}
	assert_memory_not_equal(direction.ends[0].node, direction.ends[1].node, 8);
	/* Repeated: the same relays, and the RS hears nothing of it. */
	assert_true(ask_as(&a, "b", 100, &again));
	assert_int_equal(again.relay_count, 1);
	assert_memory_equal(&again.relays[0], &route.relays[0], sizeof(again.relays[0]));
	assert_false(told(&r, &peers));
	assert_true(ask(&b, "a", &again));
	assert_int_equal(again.path_id, route.path_id);
	assert_memory_equal(&again.relays[0], &route.relays[0], sizeof(again.relays[0]));
	/* b, asking for another path, is the same node to the relay. */
	w->now += 1000;
	assert_true(ask_as(&b, "a", 101, &again));
	assert_true(told(&r, &peers));
	assert_int_equal(peers.ends[0].role, NTM_ROLE_INITIATOR);
	assert_memory_equal(peers.ends[0].node, direction.ends[1].node, 8);
	assert_memory_equal(peers.ends[1].node, direction.ends[0].node, 8);
	/* Goodbye: no new path has it. */
	w->now += 1000;
	request.lifetime = 0;
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_OK);
	assert_true(ask_as(&a, "b", 102, &route));
	assert_int_equal(route.relay_count, 0);
	request.lifetime = 7200;
	request.load = 950;
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_OK);
	assert_true(ask_as(&a, "b", 103, &route));
	assert_int_equal(route.relay_count, 0);
	request.load = 949;
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_OK);
	assert_true(ask_as(&a, "b", 104, &route));
	assert_int_equal(route.relay_count, 1);
	assert_true(try_revoke(w, "r"));
	assert_true(ask_as(&a, "b", 104, &again));
	assert_int_equal(again.path_id, route.path_id);
	assert_int_equal(again.relay_count, 0);
}

static void a_silent_relay_is_told_again_and_then_left_out(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct client r = relay_joined(w, "r", "198.51.100.1");
	struct ntm_msg route, first, next;

	assert_true(ask(&a, "b", &route));
	assert_true(told(&r, &first));
	answer_relay_direction(&b, &first, NTM_ST_OK); /* it may confirm, yet not so */
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 1);
	pass(w, 199);
	assert_false(told(&r, &next));
	pass(w, 1);
	assert_true(told(&r, &next));
	assert_int_equal(next.request_id, first.request_id);
	assert_memory_equal(next.ends, first.ends, sizeof(next.ends));
	assert_true(told(&b, &next));
	assert_int_equal(next.relay_count, 1);
	assert_memory_equal(&next.relays[0], &route.relays[0], sizeof(next.relays[0]));
	confirm(&b, &route);
	pass(w, 400);
	assert_false(told(&b, &next));
	assert_true(told(&r, &next));
	answer_relay_direction(&a, &first, NTM_ST_OK); /* not for it to answer */
	assert_true(ask_as(&a, "b", 1, &route));
	assert_int_equal(route.relay_count, 1);
	pass(w, 1400);
	assert_true(told(&r, &next));
	assert_int_equal(count(w, NTM_COUNT_RELAY_RESENT), 5);
	assert_int_equal(count(w, NTM_COUNT_RELAY_SILENT), 1);
	assert_true(ask_as(&a, "b", 2, &route));
	assert_int_equal(route.relay_count, 0);
	pass(w, 9999);
	assert_false(told(&r, &next));
	assert_true(ask_as(&a, "b", 3, &route));
	assert_int_equal(route.relay_count, 0);
	pass(w, 1);
	assert_true(ask_as(&a, "b", 4, &route));
	assert_int_equal(route.relay_count, 1);
	assert_true(told(&r, &first));
	/* It answers late: taken, and told no more. */
	pass(w, 1400);
	assert_int_equal(count(w, NTM_COUNT_RELAY_SILENT), 2);
	answer_relay_direction(&r, &first, NTM_ST_OK);
	assert_int_equal(count(w, NTM_COUNT_RELAY_RESPONSES), 1);
	assert_int_equal(w->core.relays.all[0].rtt_ms, -1); /* to which copy? */
	assert_true(ask_as(&a, "b", 5, &route));
	assert_int_equal(route.relay_count, 1);
	assert_true(told(&r, &first));
	answer_relay_direction(&r, &first, NTM_ST_BUSY);
	assert_int_equal(count(w, NTM_COUNT_RELAY_REFUSED), 1);
	pass(w, 5000);
	assert_false(told(&r, &next));
	answer_relay_direction(&r, &first, NTM_ST_OK);
	assert_int_equal(count(w, NTM_COUNT_RELAY_RESPONSES), 3);
}

static void news_are_told_to_those_who_keep_alive(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), r;
	struct ntm_msg request = registration(7200), answer;
	unsigned int i;
	char name[16], addr[32];

	for (i = 0; i < 5; i++) {
		assert_true(keep_alive(&a, &answer));
		assert_false(NTM_HAS(&answer, LIFETIME));
		snprintf(name, sizeof(name), "r%u", i);
		snprintf(addr, sizeof(addr), "192.0.2.%u", i + 1);
		r = relay_joined(w, name, addr);
		assert_true(keep_alive(&r, &answer));
		assert_false(NTM_HAS(&answer, LIFETIME));
		assert_true(keep_alive(&a, &answer));
		/* A fifth is none: no lease has room for it. */
		assert_int_equal(NTM_HAS(&answer, LIFETIME), i < 4);
		assert_int_equal(answer.lifetime, 0);
		assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
		assert_int_equal(answer.relay_count, i < 4 ? i + 1 : 4);
	}
	/* Less of them are none either. */
	assert_true(try_revoke(w, "r0"));
	assert_true(try_revoke(w, "r1"));
	assert_true(keep_alive(&a, &answer));
	assert_false(NTM_HAS(&answer, LIFETIME));
}

static void nodes_are_told_of_relays_and_tell_how_far_they_are(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg request = registration(7200), lease, route;
	struct client r[6];
	unsigned int i, round;
	char name[16], addr[32];

	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.relay_count, 0);
	for (i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		snprintf(addr, sizeof(addr), "192.0.2.%u", i + 1);
		r[i] = relay_joined(w, name, addr);
	}
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.relay_count, 4);
	assert_false(lease.relays[0].at_once);
	/* What it measured decides; what it says of a relay that nobody knows does not. */
	for (i = 0; i < 4; i++)
		memcpy(request.rtts[i].relay, r[i].key.public, 8);
	request.rtts[0].rtt_us = 60000;
	request.rtts[1].rtt_us = 5000;
	request.rtts[2].rtt_us = 4000;
	request.rtts[3].relay[0] ^= 1;
	request.rtts[3].rtt_us = 1;
	request.rtt_count = 4;
	request.nat = NTM_NAT_DEPENDENT;
	NTM_SET(&request, RELAY_RTT);
	NTM_SET(&request, NAT);
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.relay_count, 4);
	assert_memory_equal(lease.relays[0].key, r[2].key.public, 32);
	assert_memory_equal(lease.relays[1].key, r[1].key.public, 32);
	for (round = 0; round < 5; round++) {
		assert_true(ask_as(&b, "a", round, &route));
		assert_int_equal(route.nat, NTM_NAT_DEPENDENT);
		assert_int_equal(route.relay_count, 2);
		assert_memory_equal(route.relays[0].key, r[2].key.public, 32);
		assert_memory_equal(route.relays[1].key, r[1].key.public, 32);
		assert_true(route.relays[0].at_once); /* NATed both, as far as can be seen */
	}
	/* The next registration says nothing of all that. */
	request = registration(7200);
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_OK);
	assert_true(ask_as(&b, "a", 99, &route));
	assert_false(NTM_HAS(&route, NAT));
	assert_int_equal(ntm_registry_by_name(&w->core.registry, "a.example.net")->rtt_count, 0);
}

static void relays_are_listed_and_outlive_the_coordinator(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct client r = relay_joined(w, "r", "198.51.100.1");
	struct ntm_msg request = relay_registration(77, "198.51.100.1"), lease, route, direction;
	struct ntm_join join;
	json_t *response, *list, *row;

	assert_true(try_invite_as(w, "s", true, &join));
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_OK);
	assert_true(ask(&a, "b", &route));
	assert_true(told(&b, &direction));
	assert_true(told(&r, &direction));
	w->now += 3;
	answer_relay_direction(&r, &direction, NTM_ST_OK);
	response = admin(w, json_pack("{s:s}", "command", "nodes"));
	assert_int_equal(json_array_size(json_object_get(response, "nodes")), 2);
	json_decref(response);
	response = admin(w, json_pack("{s:s}", "command", "relays"));
	list = json_object_get(response, "relays");
	assert_int_equal(json_array_size(list), 2);
	row = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "r.example.net");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "online");
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "addresses"), 0)),
			    "198.51.100.1:4330");
	assert_int_equal(json_integer_value(json_object_get(row, "load")), 77);
	assert_int_equal(json_integer_value(json_object_get(row, "paths_last_minute")), 1);
	assert_int_equal(json_integer_value(json_object_get(row, "rtt_ms")), 3);
	row = json_array_get(list, 1);
	assert_string_equal(json_string_value(json_object_get(row, "state")), "invited");
	json_decref(response);
	response = admin(w, json_pack("{s:s}", "command", "status"));
	assert_int_equal(json_integer_value(json_object_get(response, "nodes")), 2);
	assert_int_equal(json_integer_value(json_object_get(response, "relays")), 1);
	assert_int_equal(json_integer_value(json_object_get(response, "relays_online")), 1);
	json_decref(response);
	restart(w);
	connect_node(&r);
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.role, NTM_ROLE_RELAY);
	request = registration(7200);
	assert_int_equal(register_on(&r, &request, &lease), NTM_ST_REFUSED);
}

static void hostile_bytes_are_dropped_and_counted(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7");
	uint8_t packet[NTM_DATAGRAM_MAX + 64], good[NTM_DATAGRAM_MAX];
	struct ntm_msg msg = { .type = NTM_MSG_KEEP_ALIVE }, answer;
	unsigned int i, bit;
	int len;

	NTM_SET(&msg, TIMESTAMP);
	len = ntm_session_seal(&a.session, &msg, good, sizeof(good));
	for (i = 0; i < (unsigned int)len; i++) {
		for (bit = 0; bit < 8; bit++) {
			memcpy(packet, good, len);
			packet[i] ^= 1 << bit;
			give(&a, packet, len);
			assert_int_equal(w->sent, 0);
		}
	}
	for (i = 0; i < (unsigned int)len; i++) {
		give(&a, good, i);
		assert_int_equal(w->sent, 0);
	}
	assert_int_equal(shake_hands(&a, &a.session), 0);
	for (i = 0; i < a.last_request_len - 16;
	     i++) { /* mac2 may be anything while there is no load */
		memcpy(packet, a.last_request, a.last_request_len);
		packet[i] ^= 0x40;
		give(&a, packet, a.last_request_len);
		assert_int_equal(w->sent, 0);
	}
	for (i = 0; i < 20000; i++) {
		size_t n = randombytes_uniform(sizeof(packet));

		randombytes_buf(packet, n);
		if (n)
			packet[0] = randombytes_uniform(9);
		if (n > 3 && i % 2)
			memcpy(packet + 1, "\x01\x00\x00", 3);
		give(&a, packet, n);
		assert_int_equal(w->sent, 0);
	}
	assert_true(count(w, NTM_DROP_FORGED) && count(w, NTM_DROP_HANDSHAKE) &&
		    count(w, NTM_DROP_TYPE) && count(w, NTM_DROP_SESSION));
	assert_true(keep_alive(&a, &answer));
	/* A DC's own message, from a node. */
	msg = (struct ntm_msg){ .type = NTM_MSG_KEEP_ALIVE_RESPONSE, .observed.addr = a.addr };
	NTM_SET(&msg, TIMESTAMP);
	NTM_SET(&msg, OBSERVED);
	assert_false(say(&a, &msg, &answer));
	assert_int_equal(count(w, NTM_DROP_UNEXPECTED), 1);
}

static void a_flood_gets_cookies_and_nodes_still_get_in(void **state)
{
	struct world *w = *state;
	struct client a = client(w, "a", "198.51.100.7"), b = client(w, "b", "198.51.100.8");
	int i, err = 0;

	for (i = 0; i < 300; i++) {
		err = shake_hands(&a, &a.session);
		memset(&a.jar, 0, sizeof(a.jar)); /* never heard */
	}
	assert_int_equal(err, -EAGAIN);
	assert_true(count(w, NTM_COUNT_COOKIES) >= 150);
	assert_int_equal(shake_hands(&b, &b.session), -EAGAIN);
	assert_int_equal(shake_hands(&b, &b.session), 0);
}

/* With cookies, from one address: so many are answered, and no more; others still get in */
static void a_flood_with_cookies_is_bounded(void **state)
{
	struct world *w = *state;
	struct client a = client(w, "a", "198.51.100.7"), b = client(w, "b", "198.51.100.8");
	unsigned int answered = 0;

	memset(w->core.sessions.guard.source_key, 0, 16); /* a and b do not meet by chance */
	for (int i = 0; i < 1500; i++)
		answered += !shake_hands(&a, &a.session);
	assert_int_equal(answered,
			 100 + 1000); /* without a cookie, before there was load, and with one */
	assert_int_equal(count(w, NTM_DROP_RATE), 1500 - 1100 - 1);
	assert_int_equal(shake_hands(&b, &b.session), -EAGAIN);
	assert_int_equal(shake_hands(&b, &b.session), 0);
}

/* Each Registration Request of a stranger means looking into the store */
static void strangers_try_seldom(void **state)
{
	struct world *w = *state;
	struct client a = client(w, "a", "198.51.100.7");
	struct ntm_join join = invite(w, "a");
	struct ntm_msg good = with_token(&join), bad = good, answer;

	bad.token[3] ^= 1;
	connect_node(&a);
	for (int second = 0; second < 3; second++) {
		for (int i = 0; i < (second ? 1 : 4); i++)
			assert_int_equal(register_on(&a, &bad, &answer), NTM_ST_TOKEN);
		for (int i = 0; i < 50; i++) {
			assert_true(say(&a, &bad, &answer));
			assert_int_equal(answer.type, NTM_MSG_REFUSAL);
			assert_int_equal(answer.status, NTM_ST_BUSY);
		}
		pass(w, 1000);
	}
	assert_int_equal(register_on(&a, &good, &answer), NTM_ST_OK);
	assert_int_equal(register_on(&a, &good, &answer), NTM_ST_OK);
}

static void guests_are_bounded(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = client(w, "b", "198.51.100.8");
	struct ntm_session first;
	struct ntm_msg answer, msg = { .type = NTM_MSG_KEEP_ALIVE };
	unsigned int i;

	NTM_SET(&msg, TIMESTAMP);
	w->core.sessions.guard.rate = 1000000;
	assert_int_equal(shake_hands(&b, &first), 0);
	for (i = 0; i < NTM_GUESTS; i++)
		assert_int_equal(shake_hands(&b, &b.session), 0);
	assert_int_equal(w->core.sessions.guest_count, NTM_GUESTS);
	assert_false(say_on(&b, &first, &msg, &answer));
	assert_true(say_on(&b, &b.session, &msg, &answer));
	assert_int_equal(answer.status, NTM_ST_UNKNOWN_NODE);
	assert_true(keep_alive(&a, &answer));
	assert_int_equal(answer.type, NTM_MSG_KEEP_ALIVE_RESPONSE);
	pass(w, 12000);
	assert_int_equal(w->core.sessions.guest_count, 0);
}

static void asking_too_often_is_refused(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7");
	struct ntm_msg answer;
	int i;

	for (i = 0; i < 100; i++)
		expect_refusal(&a, "nobody", NTM_ST_UNKNOWN_NAME);
	expect_refusal(&a, "nobody", NTM_ST_BUSY);
	pass(w, 40);
	expect_refusal(&a, "nobody", NTM_ST_UNKNOWN_NAME);
	expect_refusal(&a, "nobody", NTM_ST_UNKNOWN_NAME);
	expect_refusal(&a, "nobody", NTM_ST_BUSY);
	assert_true(keep_alive(&a, &answer));
}

/* A lease is many times as long as what asks for it: nobody gets more of them than of directions. */
static void registering_too_often_is_refused(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_msg request = registration(7200), answer;
	int i;

	for (i = 0; i < 100; i++)
		assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
	assert_true(say(&a, &request, &answer));
	assert_int_equal(answer.type, NTM_MSG_REFUSAL);
	assert_int_equal(answer.request_id, request.request_id);
	assert_int_equal(answer.status, NTM_ST_BUSY);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	pass(w, 20);
	assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
	expect_refusal(&a, "b", NTM_ST_BUSY);
}

/* A row of the director's table (docs/PROTOCOL.md section 6) that the director does not see: there is no room for what it decided. */
static void with_too_many_directions_another_one_is_refused(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = joined(w, "b", "198.51.100.8");
	struct ntm_director_path path = { .path_id = 0 };
	struct ntm_msg answer;

	/* Of nodes that are gone */
	for (uint32_t i = 0; i < NTM_DIRECTIONS_MAX; i++) {
		path.path_id++;
		assert_non_null(ntm_directions_add(&w->core.directions, &path, 1000 + i,
						   1000 + NTM_DIRECTIONS_MAX + i, 1, w->now));
	}
	expect_refusal(&a, "b", NTM_ST_BUSY);
	assert_false(told(&b, &answer));
	pass(w, 200 + 400 + 800 + 5000);
	assert_true(ask_as(&a, "b", 1, &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
}

static void refused_often(struct client *c, const struct ntm_msg *request, uint16_t status)
{
	struct ntm_msg answer;

	for (unsigned int i = 0; i < 20; i++) {
		connect_node(c); /* who is nobody's node has few tries by one session */
		assert_int_equal(register_on(c, request, &answer), status);
		c->w->now += 100;
	}
}

/* Neither who is nobody's node, nor who is one no more, fills the log so that there is no room for what our own are refused */
static void strangers_do_not_silence_the_log(void **state)
{
	struct world *w = *state;
	struct client stranger = client(w, "x", "198.51.100.66");
	struct client revoked = joined(w, "revoked", "198.51.100.67");
	struct client a = joined(w, "a", "198.51.100.7"), late = client(w, "late", "198.51.100.8");
	struct ntm_msg request = registration(7200);
	struct log_lines lines;
	struct ntm_join join;
	char name[16];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		joined(w, name, "198.51.100.9");
	}
	join = invite(w, "late");
	assert_true(try_revoke(w, "revoked"));
	log_lines_begin(&lines);
	refused_often(&stranger, &request, NTM_ST_UNKNOWN_NODE);
	refused_often(&revoked, &request, NTM_ST_REVOKED);
	strcpy(request.name, "b.example.net");
	NTM_SET(&request, NAME);
	refused_often(&a, &request, NTM_ST_NAME_TAKEN);
	request = with_token(&join);
	refused_often(&late, &request, NTM_ST_POOL_EMPTY);
	log_lines_end(&lines);
	assert_int_equal(log_lines_with(&lines, "an unknown node at 198.51.100.66"), 10);
	assert_int_equal(log_lines_with(&lines, "198.51.100.67"), 0);
	assert_int_equal(log_lines_with(&lines, "registration of a.example.net"), 10);
	assert_int_equal(log_lines_with(&lines, "pool4 is used up"), 10);
}

static void an_empty_pool_is_said_and_can_be_enlarged(void **state)
{
	struct world *w = *state;
	struct client a, c;
	struct ntm_dc_config config = w->config;
	struct ntm_join join;
	struct ntm_msg request, lease, answer;
	char error[256], name[16];
	int i;

	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		a = joined(w, name, "198.51.100.7");
	}
	join = invite(w, "late");
	c = client(w, "late", "198.51.100.8");
	connect_node(&c);
	request = with_token(&join);
	assert_int_equal(register_on(&c, &request, &lease), NTM_ST_POOL_EMPTY);
	assert_null(ntm_pool_parse(&config.pool4, AF_INET, "100.65.0.0/24"));
	assert_int_equal(ntm_core_reload(&w->core, &config, error, sizeof(error)), -ERANGE);
	assert_int_equal(register_on(&c, &request, &lease), NTM_ST_POOL_EMPTY);
	assert_true(keep_alive(&a, &answer));
	assert_false(NTM_HAS(&answer, LIFETIME));
	assert_null(ntm_pool_parse(&config.pool4, AF_INET, "100.64.0.0/24"));
	assert_int_equal(ntm_core_reload(&w->core, &config, error, sizeof(error)), 0);
	assert_int_equal(register_on(&c, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.prefix4, 24);
	assert_int_equal(lease.virtual4.s_addr, inet_addr("100.64.0.7"));
	/* Those that are there have to know where the others may be */
	assert_true(keep_alive(&a, &answer));
	assert_true(NTM_HAS(&answer, LIFETIME));
	request = registration(7200);
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_OK);
	assert_int_equal(lease.prefix4, 24);
	assert_true(keep_alive(&a, &answer));
	assert_false(NTM_HAS(&answer, LIFETIME));
}

/* A node is heard as often as its lease says, whatever the configuration says since; and it is told of that. */
static void another_keepalive_leaves_nodes_online(void **state)
{
	struct world *w = *state;
	struct ntm_dc_config config = w->core.config;
	struct ntm_msg answer, request = registration(7200);
	struct client a, b;
	char error[200];

	a = joined(w, "a", "198.51.100.7");
	b = joined(w, "b", "198.51.100.8");
	config.keepalive = 2;
	assert_int_equal(ntm_core_reload(&w->core, &config, error, sizeof(error)), 0);
	pass(w, 25000);
	assert_true(keep_alive(&a, &answer));
	assert_true(NTM_HAS(&answer, LIFETIME));
	assert_true(ask(&a, "b", &answer));
	assert_int_equal(answer.type, NTM_MSG_ROUTE_DIRECTION);
	assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
	assert_int_equal(answer.keepalive, 2);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	assert_true(keep_alive(&a, &answer));
	assert_false(NTM_HAS(&answer, LIFETIME));
	pass(w, 11001);
	assert_true(keep_alive(&a, &answer));
	expect_refusal(&a, "b", NTM_ST_OFFLINE);
}

static void a_family_that_comes_later_is_given_to_old_nodes(void **state)
{
	struct world *w = *state;
	struct client a;
	struct ntm_msg request = registration(7200), lease;
	struct ntm_pool_spec pool6 = w->config.pool6;

	w->config.pool6.family = 0;
	restart(w);
	a = joined(w, "a", "198.51.100.7");
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_OK);
	assert_false(NTM_HAS(&lease, VIRTUAL6));
	w->config.pool6 = pool6;
	restart(w);
	connect_node(&a);
	assert_int_equal(register_on(&a, &request, &lease), NTM_ST_OK);
	assert_true(NTM_HAS(&lease, VIRTUAL4) && NTM_HAS(&lease, VIRTUAL6));
	restart(w);
	assert_non_null(ntm_registry_by_v6(&w->core.registry, &lease.virtual6));
}

static void a_full_disk_is_said_and_others_are_served(void **state)
{
	struct world *w = *state;
	struct client a = joined(w, "a", "198.51.100.7"), b = client(w, "b", "198.51.100.8");
	struct ntm_join join = invite(w, "b");
	struct ntm_msg request = with_token(&join), answer;
	sqlite3 *db = ((sqlite3 **)(w->core.store + 1))[0];

	connect_node(&b);
	/* The nearest thing to ENOSPC that can be had without one's own file system. */
	assert_int_equal(sqlite3_exec(db,
				      "CREATE TRIGGER full BEFORE UPDATE ON node BEGIN"
				      " INSERT INTO filler VALUES (zeroblob(1000000)); END;"
				      "CREATE TABLE filler (x); PRAGMA max_page_count = 40",
				      NULL, NULL, NULL),
			 0);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_STORAGE);
	assert_string_equal(answer.text, "the coordinator's disk is full");
	request = registration(7200);
	assert_int_equal(register_on(&a, &request, &answer), NTM_ST_OK);
	assert_true(keep_alive(&a, &answer));
	assert_int_equal(sqlite3_exec(db, "DROP TRIGGER full; PRAGMA max_page_count = 4000", NULL,
				      NULL, NULL),
			 0);
	request = with_token(&join);
	assert_int_equal(register_on(&b, &request, &answer), NTM_ST_OK);
	assert_int_equal(answer.virtual4.s_addr, inet_addr("100.64.0.3"));
}

static void the_list_and_the_status_say_what_is(void **state)
{
	struct world *w = *state;
	struct ntm_join join;
	json_t *response, *list;

	joined(w, "a", "198.51.100.7");
	joined(w, "c", "198.51.100.7");
	assert_true(try_revoke(w, "c"));
	assert_true(try_invite(w, "b", &join));
	response = admin(w, json_pack("{s:s}", "command", "nodes"));
	list = json_object_get(response, "nodes");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")),
			    "online");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "observed")),
			    "198.51.100.7:4330");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "state")),
			    "invited");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 2), "state")),
			    "revoked");
	json_decref(response);
	response = admin(w, json_pack("{s:s}", "command", "status"));
	assert_int_equal(json_integer_value(json_object_get(response, "nodes")), 2);
	assert_int_equal(json_integer_value(json_object_get(response, "online")), 1);
	json_decref(response);
	response = admin(w, json_pack("{s:s}", "command", "nonsense"));
	assert_true(json_is_false(json_object_get(response, "ok")));
	json_decref(response);
	/* When it was seen last outlives the coordinator. */
	pass(w, 3600000);
	wall += 3600;
	restart(w);
	assert_true(ntm_registry_by_name(&w->core.registry, "a.example.net")->seen >= 1700000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_gets_its_lease_and_keeps_its_addresses),
		TEST(tokens_names_and_strangers),
		TEST(two_nodes_are_directed),
		TEST(asking_anew_gets_a_new_path),
		TEST(a_node_that_started_again_gets_a_new_path),
		TEST(a_peer_is_found_by_its_virtual_addresses),
		TEST(the_responder_is_told_until_it_confirms),
		TEST(candidates_are_looked_at),
		TEST(offline_after_silence_goodbye_and_the_leases_end),
		TEST(another_keepalive_leaves_nodes_online),
		TEST(a_node_whose_lease_ran_out_is_told),
		TEST(a_revoked_node_is_told_and_may_come_back),
		TEST(the_old_session_serves_until_the_new_one_speaks),
		TEST(a_node_is_followed_where_it_goes),
		TEST(an_address_is_observed_once_it_was_answered_from),
		TEST(a_late_answer_shows_nothing),
		TEST(a_handshake_that_went_two_ways_shows_nothing),
		TEST(an_address_that_nobody_answers_from_is_told_once),
		TEST(hostile_bytes_are_dropped_and_counted),
		TEST(a_flood_gets_cookies_and_nodes_still_get_in),
		TEST(a_flood_with_cookies_is_bounded),
		TEST(strangers_try_seldom),
		TEST(guests_are_bounded),
		TEST(asking_too_often_is_refused),
		TEST(registering_too_often_is_refused),
		TEST(with_too_many_directions_another_one_is_refused),
		TEST(strangers_do_not_silence_the_log),
		TEST(an_empty_pool_is_said_and_can_be_enlarged),
		TEST(a_family_that_comes_later_is_given_to_old_nodes),
		TEST(a_full_disk_is_said_and_others_are_served),
		TEST(the_list_and_the_status_say_what_is),
		TEST(a_relay_registers_as_a_relay_and_as_nothing_else),
		TEST(a_relay_must_be_complete_and_reachable),
		TEST(a_direction_has_relays_that_know_of_it),
		TEST(a_silent_relay_is_told_again_and_then_left_out),
		TEST(nodes_are_told_of_relays_and_tell_how_far_they_are),
		TEST(news_are_told_to_those_who_keep_alive),
		TEST(relays_are_listed_and_outlive_the_coordinator),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
