// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/director.c
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/relay.h"
#include "dc/director.h"

static const uint8_t key_a[32] = { 0xa }, key_b[32] = { 0xb };
static const struct ntm_director_path fresh = { 0x1111, { 1 } }, recent = { 0x2222, { 2 } };

static union ntm_addr addr(const char *text)
{
	union ntm_addr a;

	assert_int_equal(ntm_addr_parse(&a, text, 4330), 0);
	return a;
}

static struct ntm_director_node node(const char *name, const uint8_t *key, const char *observed)
{
	return (struct ntm_director_node){
		.name = name,
		.key = key,
		.has4 = true,
		.prefix4 = 16,
		.suites = 6,
		.registered = true,
		.online = true,
		.proven = true,
		.observed = addr(observed),
	};
}

struct scene {
	struct ntm_director_node a, b;
	struct ntm_director_ask ask;
	struct ntm_director_plan plan;
};

static void set_up(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->a = node("a.example.net", key_a, "192.0.2.1");
	s->b = node("b.example.net", key_b, "[2001:db8::2]:9");
	s->ask = (struct ntm_director_ask){
		.asker = &s->a, .peer = &s->b, .allowed = true, .fresh = &fresh
	};
}

static void decide(struct scene *s)
{
	ntm_director_decide(&s->ask, &s->plan);
}

static void expect_refusal(struct scene *s, uint16_t status)
{
	decide(s);
	assert_int_equal(s->plan.count, 1);
	assert_false(s->plan.new_path);
	assert_int_equal(s->plan.actions[0].to, NTM_DIRECTOR_TO_ASKER);
	assert_int_equal(s->plan.actions[0].msg.type, NTM_MSG_REFUSAL);
	assert_int_equal(s->plan.actions[0].msg.status, status);
}

static void responder_is_told_first(void **state)
{
	const struct ntm_director_action *action;
	struct scene s;

	(void)state;
	set_up(&s);
	decide(&s);
	assert_true(s.plan.new_path);
	assert_int_equal(s.plan.count, 2);
	action = &s.plan.actions[0];
	assert_int_equal(action->to, NTM_DIRECTOR_TO_PEER);
	assert_true(action->until_confirmed);
	assert_int_equal(action->msg.role, NTM_ROLE_RESPONDER);
	assert_string_equal(action->msg.name, "a.example.net");
	assert_memory_equal(action->msg.peer_key, key_a, 32);
	action = &s.plan.actions[1];
	assert_int_equal(action->to, NTM_DIRECTOR_TO_ASKER);
	assert_false(action->until_confirmed);
	assert_int_equal(action->msg.role, NTM_ROLE_INITIATOR);
	assert_string_equal(action->msg.name, "b.example.net");
	assert_memory_equal(action->msg.peer_key, key_b, 32);
	assert_int_equal(action->msg.path_id, fresh.path_id);
	assert_memory_equal(action->msg.path_psk, fresh.psk, 32);
	assert_memory_equal(s.plan.actions[0].msg.path_psk, fresh.psk, 32);
}

static struct ntm_director_relays two_relays(void)
{
	struct ntm_director_relays r = { .count = 2 };

	memset(r.info[0].key, 1, 32);
	memset(r.info[1].key, 2, 32);
	strcpy(r.info[0].name, "r1.example.net");
	strcpy(r.info[1].name, "r2.example.net");
	r.info[0].addrs[0] = addr("203.0.113.1");
	r.info[1].addrs[0] = addr("203.0.113.2");
	return r;
}

static void the_largest_messages_can_be_encoded(void **state)
{
	struct ntm_director_relays relays = two_relays();
	struct ntm_candidate candidates[NTM_CANDIDATES_MAX];
	uint8_t out[NTM_DATAGRAM_MAX];
	struct ntm_msg back;
	struct scene s;
	unsigned int i;
	char name[NTM_NAME_MAX + 1];
	int len;

	(void)state;
	set_up(&s);
	memset(name, 'a', NTM_NAME_MAX);
	for (i = 50; i < NTM_NAME_MAX; i += 50)
		name[i] = '.';
	name[NTM_NAME_MAX] = '\0';
	for (i = 0; i < NTM_CANDIDATES_MAX; i++)
		candidates[i] = (struct ntm_candidate){ NTM_CAND_HOST, addr("[2001:db8::99]:1") };
	s.b.name = name;
	s.b.has6 = true;
	s.b.prefix6 = 64;
	s.b.candidates = candidates;
	s.b.candidate_count = NTM_CANDIDATES_MAX;
	s.b.nat = NTM_NAT_DEPENDENT;
	s.ask.relays = &relays;
	for (i = 0; i < 2; i++) {
		memset(relays.info[i].name, 'r', NTM_RELAY_NAME_MAX);
		relays.info[i].addrs[1] = addr("[2001:db8::99]:1");
	}
	decide(&s);
	assert_int_equal(s.plan.count, 4);
	for (i = 0; i < s.plan.count; i++) {
		len = ntm_msg_encode(&s.plan.actions[i].msg, out, sizeof(out) - 32);
		assert_true(len > 0);
		assert_int_equal(ntm_msg_decode(&back, out, len), 0);
	}
}

static void recent_path_is_told_again_to_the_asker_alone(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	s.ask.recent = &recent;
	s.ask.recent_role = NTM_ROLE_INITIATOR;
	decide(&s);
	assert_false(s.plan.new_path);
	assert_int_equal(s.plan.count, 1);
	assert_int_equal(s.plan.actions[0].to, NTM_DIRECTOR_TO_ASKER);
	assert_int_equal(s.plan.actions[0].msg.path_id, recent.path_id);
	assert_int_equal(s.plan.actions[0].msg.role, NTM_ROLE_INITIATOR);
	s.ask.recent_role = NTM_ROLE_RESPONDER;
	decide(&s);
	assert_int_equal(s.plan.count, 1);
	assert_int_equal(s.plan.actions[0].msg.role, NTM_ROLE_RESPONDER);
	assert_memory_equal(s.plan.actions[0].msg.path_psk, recent.psk, 32);
}

/* The upper rows of the director's table (docs/PROTOCOL.md section 6): all reasons at once, taken away one after the other. */
static void the_refusals_in_their_order(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	s.a.revoked = true;
	s.ask.allowed = false;
	s.a.registered = false;
	s.ask.peer = NULL;
	s.ask.recent = &recent; /* no reason is forgotten because it was not there before */
	expect_refusal(&s, NTM_ST_REVOKED);
	s.a.revoked = false;
	expect_refusal(&s, NTM_ST_BUSY);
	assert_string_equal(s.plan.actions[0].msg.text, "too many Direction Requests");
	s.ask.allowed = true;
	expect_refusal(&s, NTM_ST_BUSY);
	assert_string_equal(s.plan.actions[0].msg.text, "register first");
	s.a.registered = true;
	expect_refusal(&s, NTM_ST_UNKNOWN_NAME);
	s.ask.peer = &s.b;
	s.b.revoked = true;
	s.ask.self = true;
	s.b.online = false;
	s.b.suites = 8;
	expect_refusal(&s, NTM_ST_UNKNOWN_NAME);
	s.b.revoked = false;
	expect_refusal(&s, NTM_ST_REFUSED);
	s.ask.self = false;
	expect_refusal(&s, NTM_ST_OFFLINE);
	s.b.online = true;
	expect_refusal(&s, NTM_ST_UNSUPPORTED);
	s.b.suites = 4;
	decide(&s);
	assert_int_equal(s.plan.count, 1);
	assert_int_equal(s.plan.actions[0].msg.type, NTM_MSG_ROUTE_DIRECTION);
	assert_int_equal(s.plan.actions[0].msg.path_id, recent.path_id);
	s.ask.recent = NULL;
	decide(&s);
	assert_int_equal(s.plan.count, 2);
	assert_int_equal(s.plan.actions[0].msg.path_id, fresh.path_id);
}

/* The lower rows: what the two are, and when they bind to the relays that there are. */
struct situation {
	const char *observed, *own[2];
	enum ntm_nat nat;
};

#define PUBLIC4                                               \
	{                                                     \
		"192.0.2.1", { "192.0.2.1" }, NTM_NAT_UNKNOWN \
	}
#define PUBLIC6                                                           \
	{                                                                 \
		"[2001:db8::1]:9", { "[2001:db8::1]:9" }, NTM_NAT_UNKNOWN \
	}
#define DUAL                                                                  \
	{                                                                     \
		"192.0.2.2", { "192.0.2.2", "[2001:db8::2]:9" }, NTM_NAT_NONE \
	}
#define NAT_OF(kind)                                    \
	{                                               \
		"198.51.100.1:77", { "10.0.0.1" }, kind \
	}
#define OTHER_NAT_OF(kind)                              \
	{                                               \
		"198.51.100.2:77", { "10.0.0.1" }, kind \
	}
#define NAT_WITH_6(n, kind)                                                           \
	{                                                                             \
		"198.51.100.1" #n ":77", { "10.0.0.1", "[2001:db8::" #n "]:9" }, kind \
	}

static const struct row {
	const char *what;
	struct situation a, b;
	bool at_once;
} rows[] = {
	/* No family in common */
	{ "IPv4 alone and IPv6 alone", PUBLIC4, PUBLIC6, true },
	{ "the same, behind a NAT", NAT_OF(NTM_NAT_INDEPENDENT), PUBLIC6, true },
	{ "IPv6 of the site alone is none",
	  { "192.0.2.1", { "192.0.2.1", "[fd00::1]:9" }, NTM_NAT_NONE },
	  PUBLIC6,
	  true },
	{ "behind NAT64 it has IPv4, as the DC sees",
	  PUBLIC4,
	  { "192.0.2.64:77", { "[2001:db8::1]:9" }, NTM_NAT_UNKNOWN },
	  false },
	/* IPv6 in common */
	{ "IPv6 alone, both", PUBLIC6, PUBLIC6, false },
	{ "IPv6 in common, two symmetric NATs for IPv4", NAT_WITH_6(1, NTM_NAT_DEPENDENT),
	  NAT_WITH_6(2, NTM_NAT_DEPENDENT), false },
	{ "dual stack and IPv6 alone", DUAL, PUBLIC6, false },
	{ "seen by IPv6, two unknown NATs for IPv4",
	  { "[2001:db8::1]:9", { "10.0.0.1" }, NTM_NAT_UNKNOWN },
	  { "198.51.100.2:77", { "10.0.0.1", "[2001:db8::2]:9" }, NTM_NAT_UNKNOWN },
	  false },
	/* One site */
	{ "two behind one symmetric NAT", NAT_OF(NTM_NAT_DEPENDENT), NAT_OF(NTM_NAT_DEPENDENT),
	  false },
	{ "two behind one unknown NAT", NAT_OF(NTM_NAT_UNKNOWN), NAT_OF(NTM_NAT_UNKNOWN), false },
	/* Two NATs, and not enough is known to hope */
	{ "symmetric and symmetric", NAT_OF(NTM_NAT_DEPENDENT), OTHER_NAT_OF(NTM_NAT_DEPENDENT),
	  true },
	{ "symmetric and cone", NAT_OF(NTM_NAT_DEPENDENT), OTHER_NAT_OF(NTM_NAT_INDEPENDENT),
	  true },
	{ "symmetric and unknown", NAT_OF(NTM_NAT_DEPENDENT), OTHER_NAT_OF(NTM_NAT_UNKNOWN), true },
	{ "cone and unknown", NAT_OF(NTM_NAT_INDEPENDENT), OTHER_NAT_OF(NTM_NAT_UNKNOWN), true },
	{ "unknown and unknown", NAT_OF(NTM_NAT_UNKNOWN), OTHER_NAT_OF(NTM_NAT_UNKNOWN), true },
	{ "one has IPv6, the other not, two symmetric NATs", NAT_WITH_6(1, NTM_NAT_DEPENDENT),
	  OTHER_NAT_OF(NTM_NAT_DEPENDENT), true },
	{ "only the site has IPv6, two symmetric NATs",
	  { "198.51.100.1:77", { "10.0.0.1", "[fd00::1]:9" }, NTM_NAT_DEPENDENT },
	  { "198.51.100.2:77", { "10.0.0.1", "[fd00::2]:9" }, NTM_NAT_DEPENDENT },
	  true },
	{ "seen by IPv6, what is in front of its IPv4 is unknown",
	  { "[2001:db8::1]:9", { "10.0.0.1" }, NTM_NAT_UNKNOWN },
	  OTHER_NAT_OF(NTM_NAT_DEPENDENT),
	  true },
	/* Any other */
	{ "cone and cone", NAT_OF(NTM_NAT_INDEPENDENT), OTHER_NAT_OF(NTM_NAT_INDEPENDENT), false },
	{ "public and symmetric", PUBLIC4, NAT_OF(NTM_NAT_DEPENDENT), false },
	{ "public and unknown", PUBLIC4, NAT_OF(NTM_NAT_UNKNOWN), false },
	{ "no NAT, it says, and symmetric", DUAL, NAT_OF(NTM_NAT_DEPENDENT), false },
	{ "no NAT, it says, though the DC sees another address", NAT_OF(NTM_NAT_NONE),
	  OTHER_NAT_OF(NTM_NAT_DEPENDENT), false },
	{ "public and public", PUBLIC4, DUAL, false },
};

static void situate(struct ntm_director_node *n, struct ntm_candidate own[2],
		    const struct situation *what)
{
	n->observed = addr(what->observed);
	n->nat = what->nat;
	n->candidates = own;
	for (n->candidate_count = 0; n->candidate_count < 2 && what->own[n->candidate_count];
	     n->candidate_count++)
		own[n->candidate_count] =
			(struct ntm_candidate){ NTM_CAND_HOST,
						addr(what->own[n->candidate_count]) };
}

/* Both ends are told the same relays, of the same path, in the same way. */
static void check_routes(const struct scene *s, unsigned int relays, bool at_once)
{
	unsigned int i, j;

	for (i = relays; i < relays + 2; i++) {
		const struct ntm_msg *msg = &s->plan.actions[i].msg;

		assert_int_equal(msg->type, NTM_MSG_ROUTE_DIRECTION);
		assert_int_equal(msg->relay_count, relays);
		assert_int_equal(NTM_HAS(msg, RELAY), relays > 0);
		for (j = 0; j < relays; j++) {
			assert_int_equal(msg->relays[j].at_once, at_once);
			assert_memory_equal(msg->relays[j].key, s->ask.relays->info[j].key, 32);
		}
	}
	assert_int_equal(s->plan.actions[relays].to, NTM_DIRECTOR_TO_PEER);
	assert_int_equal(s->plan.actions[relays + 1].to, NTM_DIRECTOR_TO_ASKER);
}

static void every_row_of_the_table(void **state)
{
	struct ntm_director_relays relays = two_relays(), none = { .count = 0 };
	struct ntm_candidate own[2][2];
	unsigned int i, way;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (way = 0; way < 2; way++) {
			struct scene s;

			set_up(&s);
			situate(&s.a, own[0], way ? &rows[i].b : &rows[i].a);
			situate(&s.b, own[1], way ? &rows[i].a : &rows[i].b);
			s.ask.relays = &relays;
			decide(&s);
			if (s.plan.at_once != rows[i].at_once)
				fail_msg("%s", rows[i].what);
			assert_int_equal(s.plan.count, 4);
			assert_true(s.plan.new_path);
			check_routes(&s, 2, rows[i].at_once);
			/* No RS is of use to both: they are directed all the same. */
			s.ask.relays = &none;
			decide(&s);
			assert_int_equal(s.plan.count, 2);
			assert_false(s.plan.at_once);
			check_routes(&s, 0, false);
		}
	}
}

static void relays_are_told_before_the_ends(void **state)
{
	struct ntm_director_relays relays = two_relays();
	uint8_t key[32];
	struct scene s;
	unsigned int i, j;

	(void)state;
	set_up(&s);
	memset(s.a.end, 0xaa, 8);
	memset(s.b.end, 0xbb, 8);
	s.a.nat = NTM_NAT_INDEPENDENT;
	s.ask.relays = &relays;
	decide(&s);
	for (i = 0; i < 2; i++) {
		const struct ntm_director_action *action = &s.plan.actions[i];
		uint8_t out[NTM_DATAGRAM_MAX];

		assert_int_equal(action->to, NTM_DIRECTOR_TO_RELAY);
		assert_int_equal(action->relay, i);
		assert_true(action->until_confirmed);
		assert_int_equal(action->msg.type, NTM_MSG_RELAY_DIRECTION);
		assert_int_equal(action->msg.path_id, fresh.path_id);
		assert_int_equal(action->msg.lifetime, 60);
		assert_int_equal(action->msg.ends[0].role, NTM_ROLE_INITIATOR);
		assert_memory_equal(action->msg.ends[0].node, s.a.end, 8);
		assert_int_equal(action->msg.ends[1].role, NTM_ROLE_RESPONDER);
		assert_memory_equal(action->msg.ends[1].node, s.b.end, 8);
		for (j = 0; j < 2; j++) {
			ntm_relay_end_key(key, fresh.psk, relays.info[i].key,
					  action->msg.ends[j].role);
			assert_memory_equal(action->msg.ends[j].key, key, 32);
		}
		/* Nothing of what the ends alone may know. */
		assert_false(NTM_HAS(&action->msg, PATH_PSK));
		assert_true(ntm_msg_encode(&action->msg, out, sizeof(out)) > 0);
	}
	/* The peer's NAT goes with its addresses; an unknown one is not said. */
	assert_int_equal(s.plan.actions[2].msg.nat, NTM_NAT_INDEPENDENT);
	assert_false(NTM_HAS(&s.plan.actions[3].msg, NAT));
}

static void a_path_told_again_has_the_relays_it_had(void **state)
{
	struct ntm_director_relays relays = two_relays();
	struct scene s;
	int at_once;

	(void)state;
	for (at_once = 0; at_once < 2; at_once++) {
		set_up(&s); /* two who would have to bind at once today */
		relays.at_once = at_once;
		s.ask.relays = &relays;
		s.ask.recent = &recent;
		s.ask.recent_role = NTM_ROLE_INITIATOR;
		decide(&s);
		assert_int_equal(s.plan.count, 1);
		assert_int_equal(s.plan.actions[0].msg.relay_count, 2);
		assert_int_equal(s.plan.actions[0].msg.relays[1].at_once, at_once);
	}
}

static void observed_address_leads_unless_it_is_known(void **state)
{
	struct ntm_candidate own[NTM_CANDIDATES_MAX], out[NTM_CANDIDATES_MAX];
	struct ntm_director_node n = node("a.example.net", key_a, "192.0.2.1");
	unsigned int i;

	(void)state;
	assert_int_equal(ntm_director_candidates(&n, out), 1);
	assert_int_equal(out[0].kind, NTM_CAND_REFLEXIVE);
	/* Nobody has answered from there */
	n.proven = false;
	assert_int_equal(ntm_director_candidates(&n, out), 1);
	assert_int_equal(out[0].kind, NTM_CAND_HOST);
	assert_true(ntm_addr_equal(&out[0].addr, &n.observed));
	n.proven = true;
	own[0] = (struct ntm_candidate){ NTM_CAND_HOST, addr("10.0.0.1") };
	own[1] = (struct ntm_candidate){ NTM_CAND_HOST, addr("192.0.2.1") };
	n.candidates = own;
	n.candidate_count = 1;
	assert_int_equal(ntm_director_candidates(&n, out), 2);
	assert_true(ntm_addr_equal(&out[0].addr, &n.observed));
	assert_true(ntm_addr_equal(&out[1].addr, &own[0].addr));
	n.candidate_count = 2;
	assert_int_equal(ntm_director_candidates(&n, out), 2);
	assert_int_equal(out[0].kind, NTM_CAND_HOST);
	assert_true(ntm_addr_equal(&out[0].addr, &own[0].addr));
	for (i = 0; i < NTM_CANDIDATES_MAX; i++)
		own[i] = (struct ntm_candidate){ NTM_CAND_HOST, addr("10.0.0.1") };
	n.candidate_count = NTM_CANDIDATES_MAX;
	assert_int_equal(ntm_director_candidates(&n, out), NTM_CANDIDATES_MAX);
	assert_int_equal(out[0].kind, NTM_CAND_REFLEXIVE);
	assert_int_equal(out[15].kind, NTM_CAND_HOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responder_is_told_first),
		cmocka_unit_test(the_largest_messages_can_be_encoded),
		cmocka_unit_test(recent_path_is_told_again_to_the_asker_alone),
		cmocka_unit_test(the_refusals_in_their_order),
		cmocka_unit_test(every_row_of_the_table),
		cmocka_unit_test(relays_are_told_before_the_ends),
		cmocka_unit_test(a_path_told_again_has_the_relays_it_had),
		cmocka_unit_test(observed_address_leads_unless_it_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
