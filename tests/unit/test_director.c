// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/director.c
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

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

static void both_messages_can_be_encoded(void **state)
{
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
	decide(&s);
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

static void every_objection_has_its_status(void **state)
{
	struct scene s;

	(void)state;
	set_up(&s);
	s.a.revoked = true;
	s.ask.peer = NULL;
	expect_refusal(&s, NTM_ST_REVOKED); /* before anything is said of others */
	set_up(&s);
	s.ask.allowed = false;
	expect_refusal(&s, NTM_ST_BUSY);
	set_up(&s);
	s.a.registered = false;
	expect_refusal(&s, NTM_ST_BUSY);
	set_up(&s);
	s.ask.peer = NULL;
	expect_refusal(&s, NTM_ST_UNKNOWN_NAME);
	set_up(&s);
	s.b.revoked = true;
	expect_refusal(&s, NTM_ST_UNKNOWN_NAME);
	set_up(&s);
	s.b.online = false;
	expect_refusal(&s, NTM_ST_OFFLINE);
	s.ask.recent = &recent; /* gone since */
	expect_refusal(&s, NTM_ST_OFFLINE);
	set_up(&s);
	s.ask.self = true;
	s.ask.peer = &s.a;
	expect_refusal(&s, NTM_ST_REFUSED);
	set_up(&s);
	s.b.suites = 8;
	expect_refusal(&s, NTM_ST_UNSUPPORTED);
}

static void observed_address_leads_unless_it_is_known(void **state)
{
	struct ntm_candidate own[NTM_CANDIDATES_MAX], out[NTM_CANDIDATES_MAX];
	struct ntm_director_node n = node("a.example.net", key_a, "192.0.2.1");
	unsigned int i;

	(void)state;
	assert_int_equal(ntm_director_candidates(&n, out), 1);
	assert_int_equal(out[0].kind, NTM_CAND_REFLEXIVE);
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
		cmocka_unit_test(both_messages_can_be_encoded),
		cmocka_unit_test(recent_path_is_told_again_to_the_asker_alone),
		cmocka_unit_test(every_objection_has_its_status),
		cmocka_unit_test(observed_address_leads_unless_it_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
