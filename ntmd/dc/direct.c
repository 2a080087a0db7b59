// SPDX-License-Identifier: GPL-2.0
#include "dc/direct.h"

#include <sodium.h>
#include <string.h>
#include "dc/inform.h"
#include "dc/proof.h"
#include "dc/relaying.h"
#include "dc/send.h"

/* Requests of one node, for directions and leases: a bucket of 100, refilled with 50 a second. */
#define ASK_COST 1000u
#define ASK_BURST (100 * ASK_COST)
#define ASK_PER_MS 50u

bool ntm_direct_may_ask(struct ntm_node *node, uint64_t now_ms)
{
	uint64_t tokens = node->tokens_ms ? node->tokens + (now_ms - node->tokens_ms) * ASK_PER_MS :
					    ASK_BURST;

	node->tokens = tokens < ASK_BURST ? tokens : ASK_BURST;
	node->tokens_ms = now_ms;
	if (node->tokens < ASK_COST)
		return false;
	node->tokens -= ASK_COST;
	return true;
}

struct ntm_node *ntm_direct_find(const struct ntm_core *core, const struct ntm_msg *request)
{
	struct ntm_node *node;

	if (NTM_HAS(request, NAME)) {
		node = ntm_registry_by_name(&core->registry, request->name);
		return node && node->kind == NTM_KIND_NODE ? node : NULL;
	}
	if (request->target_len == 4)
		return ntm_registry_by_v4(&core->registry, request->target);
	return ntm_registry_by_v6(&core->registry, request->target);
}

void ntm_direct_view(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms,
		     struct ntm_director_node *out)
{
	memset(out, 0, sizeof(*out));
	out->name = node->name;
	out->key = node->key;
	ntm_relaying_end(core, node->key, out->end);
	out->nat = node->nat;
	out->has4 = node->has4;
	out->has6 = node->has6;
	out->v4 = node->v4;
	out->v6 = node->v6;
	out->prefix4 = core->pool4.spec.prefix;
	out->prefix6 = core->pool6.spec.prefix;
	out->suites = node->suites;
	out->registered = node->registered;
	out->revoked = node->state != NTM_NODE_ACTIVE;
	out->online = ntm_registry_online(node, now_ms);
	if (node->session) {
		out->observed = node->session->addr;
		out->proven = node->session->proven;
	}
	out->candidates = node->candidates;
	out->candidate_count = node->candidate_count;
	out->rtts = node->rtts;
	out->rtt_count = node->rtt_count;
}

void ntm_direct_make_path(const struct ntm_core *core, struct ntm_director_path *path)
{
	do {
		path->path_id = randombytes_random();
	} while (!path->path_id || ntm_directions_path_used(&core->directions, path->path_id));
	randombytes_buf(path->psk, sizeof(path->psk));
}

/* An action's receiver, but for the asker. The director sends to nobody who is offline. */
static const struct ntm_node *receiver(const struct ntm_core *core, const struct ntm_node *target,
				       const struct ntm_director_ask *ask,
				       const struct ntm_director_action *action)
{
	if (action->to == NTM_DIRECTOR_TO_RELAY)
		return ntm_registry_get(&core->registry, ask->relays->id[action->relay]);
	return target;
}

/* The plan's actions, in their order. */
static void carry_out(struct ntm_core *core, const struct ntm_peer *asker,
		      const struct ntm_node *target, const struct ntm_msg *request,
		      const struct ntm_director_ask *ask, struct ntm_director_plan *plan,
		      uint32_t request_id)
{
	unsigned int i;

	for (i = 0; i < plan->count; i++) {
		struct ntm_director_action *action = &plan->actions[i];

		if (action->msg.type == NTM_MSG_REFUSAL)
			core->counters[NTM_COUNT_REFUSALS]++;
		if (action->to == NTM_DIRECTOR_TO_ASKER) {
			ntm_send_answer(core, asker, request, &action->msg);
			continue;
		}
		action->msg.request_id = request_id;
		ntm_send_message(core, receiver(core, target, ask, action), &action->msg);
	}
}

/* Has the direction been made for this request, or for one of the peer that crossed it? */
static bool is_answer_to(const struct ntm_direction *d, const struct ntm_node *asker,
			 uint32_t asked_id, uint64_t now_ms)
{
	if (d->initiator == asker->id)
		return d->asked_id == asked_id;
	return now_ms - d->made_ms < NTM_DIRECTION_CROSSED_MS;
}

/*
 * The direction that answers a request once more. Not if one end has a new session: a node that started again knows
 * nothing of it.
 */
static const struct ntm_direction *recent_direction(const struct ntm_core *core,
						    const struct ntm_node *a,
						    const struct ntm_node *b, uint32_t asked_id,
						    uint64_t now_ms)
{
	const struct ntm_direction *d =
		ntm_directions_recent(&core->directions, a->id, b->id, now_ms);
	const struct ntm_node *initiator = d && d->initiator == b->id ? b : a;
	const struct ntm_node *responder = initiator == a ? b : a;

	if (d && is_answer_to(d, a, asked_id, now_ms) && initiator->session && responder->session &&
	    initiator->session->keys.local_id == d->sessions[0] &&
	    responder->session->keys.local_id == d->sessions[1])
		return d;
	return NULL;
}

void ntm_direct_remember_relays(struct ntm_core *core, struct ntm_direction *d,
				const struct ntm_director_relays *relays, uint64_t now_ms)
{
	unsigned int i;

	for (i = 0; i < relays->count; i++) {
		ntm_directions_relay(d, relays->id[i]);
		ntm_relay_directed(ntm_relays_find(&core->relays, relays->id[i]), now_ms);
		core->counters[NTM_COUNT_RELAY_DIRECTIONS]++;
	}
}

static bool remember(struct ntm_core *core, const struct ntm_director_ask *ask, bool at_once,
		     const struct ntm_node *initiator, const struct ntm_node *responder,
		     uint32_t asked_id, uint64_t now_ms)
{
	struct ntm_direction *d = ntm_directions_add(&core->directions, ask->fresh, initiator->id,
						     responder->id, core->request_id, now_ms);

	if (!d)
		return false;
	d->at_once = at_once;
	ntm_direct_remember_relays(core, d, ask->relays, now_ms);
	d->asked_id = asked_id;
	d->sessions[0] = initiator->session->keys.local_id;
	d->sessions[1] = responder->session->keys.local_id;
	core->request_id++;
	core->counters[NTM_COUNT_DIRECTIONS]++;
	return true;
}

void ntm_direct_request(struct ntm_core *core, const struct ntm_peer *peer,
			const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_node *target = ntm_direct_find(core, request);
	struct ntm_director_node asker_view, target_view;
	struct ntm_director_path fresh, recent_path = { .path_id = 0 };
	const struct ntm_direction *recent = NULL;
	struct ntm_director_plan plan;
	struct ntm_director_relays relays = { .count = 0 };
	struct ntm_director_ask ask = { .asker = &asker_view, .fresh = &fresh, .relays = &relays };
	uint32_t request_id = core->request_id;

	if (!target && ntm_inform_ask(core, peer, request, now_ms))
		return;
	ntm_direct_make_path(core, &fresh);
	ntm_direct_view(core, peer->node, now_ms, &asker_view);
	ask.allowed = ntm_direct_may_ask(peer->node, now_ms);
	ask.self = target == peer->node;
	if (target) {
		ntm_direct_view(core, target, now_ms, &target_view);
		ask.peer = &target_view;
		recent = recent_direction(core, peer->node, target, request->request_id, now_ms);
	}
	if (recent) {
		recent_path = recent->path;
		ask.recent = &recent_path;
		ask.recent_role = recent->initiator == peer->node->id ? NTM_ROLE_INITIATOR :
									NTM_ROLE_RESPONDER;
		ntm_relaying_recall(core, recent, &relays);
	} else if (target) {
		ntm_relaying_choose(core, &asker_view, &target_view, fresh.path_id, now_ms,
				    &relays);
	}
	ntm_director_decide(&ask, &plan);
	if (plan.new_path && target &&
	    !remember(core, &ask, plan.at_once, peer->node, target, request->request_id, now_ms)) {
		ntm_send_refusal(core, peer, request, NTM_ST_BUSY);
		goto wipe;
	}
	carry_out(core, peer, target, request, &ask, &plan, request_id);
	if (plan.new_path && target)
		ntm_proof_ask(core, target, now_ms);
wipe:
	sodium_memzero(&fresh, sizeof(fresh));
	sodium_memzero(&recent_path, sizeof(recent_path));
	sodium_memzero(&plan, sizeof(plan));
}

void ntm_direct_confirmed(struct ntm_core *core, const struct ntm_peer *peer,
			  const struct ntm_msg *msg)
{
	if (!ntm_directions_confirm(&core->directions, msg->path_id, peer->node->id))
		core->counters[NTM_DROP_UNEXPECTED]++;
	else if (msg->status != NTM_ST_OK)
		ntm_debug("%s refuses path %08x: %s", peer->node->name, msg->path_id,
			  ntm_status_name(msg->status));
}

void ntm_direct_relay_response(struct ntm_core *core, const struct ntm_peer *peer,
			       const struct ntm_msg *msg, uint64_t now_ms)
{
	const struct ntm_direction *d =
		ntm_directions_confirm(&core->directions, msg->path_id, peer->node->id);
	struct ntm_relay *relay = ntm_relays_find(&core->relays, peer->node->id);

	if (!d || !relay) {
		core->counters[NTM_DROP_UNEXPECTED]++;
		return;
	}
	core->counters[NTM_COUNT_RELAY_RESPONSES]++;
	ntm_relay_answered(relay, d->queue ? -1 : (int32_t)(now_ms - d->made_ms));
	if (msg->status == NTM_ST_OK)
		return;
	core->counters[NTM_COUNT_RELAY_REFUSED]++;
	if (ntm_log_allowed(&core->relay_log, now_ms))
		ntm_warn("relay %s refuses path %08x: %s%s%s", peer->node->name, msg->path_id,
			 ntm_status_name(msg->status), msg->text[0] ? ": " : "", msg->text);
}

static void resend_route(struct ntm_core *core, const struct ntm_direction *d,
			 const struct ntm_node *responder,
			 const struct ntm_director_node *initiator, uint64_t now_ms)
{
	struct ntm_director_relays relays;
	struct ntm_msg msg;

	/* Nobody knows yet whose address it is: it gets no more of what is so much longer than what asked for it */
	if (!responder->session->proven) {
		ntm_proof_ask(core, responder, now_ms);
		return;
	}
	if (d->told)
		relays = *d->told;
	else
		ntm_relaying_recall(core, d, &relays);
	ntm_director_route(&msg, initiator, &d->path, &relays, NTM_ROLE_RESPONDER);
	msg.request_id = d->request_id;
	core->counters[NTM_COUNT_RESENT]++;
	ntm_send_message(core, responder, &msg);
	sodium_memzero(&msg, sizeof(msg));
}

static void resend_relay(struct ntm_core *core, const struct ntm_direction *d, unsigned int which,
			 const uint8_t initiator[8], const uint8_t responder[8], uint64_t now_ms)
{
	const struct ntm_node *node = ntm_registry_get(&core->registry, d->relays[which]);
	struct ntm_relay *relay = ntm_relays_find(&core->relays, node->id);
	struct ntm_relay_info info = { .at_once = d->at_once };
	struct ntm_msg msg;

	if (d->last) {
		ntm_relay_silent(relay, now_ms);
		core->counters[NTM_COUNT_RELAY_SILENT]++;
	}
	if (!ntm_registry_online(node, now_ms))
		return;
	memcpy(info.key, node->key, sizeof(info.key));
	ntm_director_relay(&msg, &d->path, &info, initiator, responder);
	msg.request_id = d->request_id;
	core->counters[NTM_COUNT_RELAY_RESENT]++;
	ntm_send_message(core, node, &msg);
	sodium_memzero(&msg, sizeof(msg));
}

/* Of either zone; false: it is not there any more */
static bool view_end(const struct ntm_core *core, uint32_t id, uint64_t now_ms,
		     struct ntm_director_node *out)
{
	const struct ntm_foreigner *foreigner =
		id & NTM_FOREIGN ? ntm_foreigners_get(&core->foreigners, id) : NULL;
	const struct ntm_node *node = ntm_registry_get(&core->registry, id);

	if (foreigner)
		ntm_foreigner_view(foreigner, out);
	else if (node && ntm_registry_online(node, now_ms))
		ntm_direct_view(core, node, now_ms, out);
	else
		return false;
	ntm_relaying_end(core, out->key, out->end);
	return true;
}

static void resend(struct ntm_core *core, const struct ntm_direction *d, uint64_t now_ms)
{
	const struct ntm_node *responder = ntm_registry_get(&core->registry, d->responder);
	struct ntm_director_node initiator_view, responder_view;
	unsigned int i;

	if (!view_end(core, d->responder, now_ms, &responder_view) ||
	    !view_end(core, d->initiator, now_ms, &initiator_view))
		return;
	for (i = 0; i < d->relay_count; i++) {
		if (d->waiting & NTM_WAIT_RELAY(i))
			resend_relay(core, d, i, initiator_view.end, responder_view.end, now_ms);
	}
	/* Another zone's responder is its own DC's to care for */
	if (responder && d->waiting & NTM_WAIT_RESPONDER)
		resend_route(core, d, responder, &initiator_view, now_ms);
}

void ntm_direct_resend(struct ntm_core *core, uint64_t now_ms)
{
	const struct ntm_direction *direction;

	while ((direction = ntm_directions_due(&core->directions, now_ms)) != NULL)
		resend(core, direction, now_ms);
	core->counters[NTM_COUNT_UNCONFIRMED] = core->directions.unconfirmed;
}
