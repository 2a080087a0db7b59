// SPDX-License-Identifier: GPL-2.0
#include "dc/direct.h"

#include <sodium.h>
#include <string.h>
#include "dc/send.h"

/* Direction Requests of one node: a bucket of 100, refilled with 50 a second. */
#define ASK_COST 1000u
#define ASK_BURST (100 * ASK_COST)
#define ASK_PER_MS 50u

static bool may_ask(struct ntm_node *node, uint64_t now_ms)
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

static struct ntm_node *find_target(const struct ntm_core *core, const struct ntm_msg *request)
{
	if (NTM_HAS(request, NAME))
		return ntm_registry_by_name(&core->registry, request->name);
	if (request->target_len == 4)
		return ntm_registry_by_v4(&core->registry, request->target);
	return ntm_registry_by_v6(&core->registry, request->target);
}

static void view(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms,
		 struct ntm_director_node *out)
{
	memset(out, 0, sizeof(*out));
	out->name = node->name;
	out->key = node->key;
	out->has4 = node->has4;
	out->has6 = node->has6;
	out->v4 = node->v4;
	out->v6 = node->v6;
	out->prefix4 = core->pool4.spec.prefix;
	out->prefix6 = core->pool6.spec.prefix;
	out->suites = node->suites;
	out->registered = node->registered;
	out->revoked = node->state != NTM_NODE_ACTIVE;
	out->online = ntm_core_online(core, node, now_ms);
	if (node->session)
		out->observed = node->session->addr;
	out->candidates = node->candidates;
	out->candidate_count = node->candidate_count;
}

static void make_path(const struct ntm_core *core, struct ntm_director_path *path)
{
	do {
		path->path_id = randombytes_random();
	} while (!path->path_id || ntm_directions_path_used(&core->directions, path->path_id));
	randombytes_buf(path->psk, sizeof(path->psk));
}

/* The plan's actions, in their order. */
static void carry_out(struct ntm_core *core, const struct ntm_peer *asker, struct ntm_node *target,
		      const struct ntm_msg *request, struct ntm_director_plan *plan,
		      uint32_t request_id)
{
	unsigned int i;

	for (i = 0; i < plan->count; i++) {
		struct ntm_msg *msg = &plan->actions[i].msg;

		if (msg->type == NTM_MSG_REFUSAL)
			core->counters[NTM_COUNT_REFUSALS]++;
		if (plan->actions[i].to == NTM_DIRECTOR_TO_ASKER) {
			ntm_send_answer(core, asker, request, msg);
		} else if (target) {
			msg->request_id = request_id;
			ntm_send_message(core, target, msg);
		}
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

static bool remember(struct ntm_core *core, const struct ntm_director_path *path,
		     const struct ntm_node *initiator, const struct ntm_node *responder,
		     uint32_t asked_id, uint64_t now_ms)
{
	struct ntm_direction *d = ntm_directions_add(&core->directions, path, initiator->id,
						     responder->id, core->request_id, now_ms);

	if (!d)
		return false;
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
	struct ntm_node *target = find_target(core, request);
	struct ntm_director_node asker_view, target_view;
	struct ntm_director_path fresh, recent_path = { .path_id = 0 };
	const struct ntm_direction *recent = NULL;
	struct ntm_director_plan plan;
	struct ntm_director_ask ask = { .asker = &asker_view, .fresh = &fresh };
	uint32_t request_id = core->request_id;

	view(core, peer->node, now_ms, &asker_view);
	ask.allowed = may_ask(peer->node, now_ms);
	ask.self = target == peer->node;
	if (target) {
		view(core, target, now_ms, &target_view);
		ask.peer = &target_view;
		recent = recent_direction(core, peer->node, target, request->request_id, now_ms);
	}
	if (recent) {
		recent_path = recent->path;
		ask.recent = &recent_path;
		ask.recent_role = recent->initiator == peer->node->id ? NTM_ROLE_INITIATOR :
									NTM_ROLE_RESPONDER;
	}
	make_path(core, &fresh);
	ntm_director_decide(&ask, &plan);
	if (plan.new_path && target &&
	    !remember(core, &fresh, peer->node, target, request->request_id, now_ms)) {
		ntm_send_refusal(core, peer, request, NTM_ST_BUSY);
		goto wipe;
	}
	carry_out(core, peer, target, request, &plan, request_id);
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

static void resend(struct ntm_core *core, const struct ntm_direction *direction, uint64_t now_ms)
{
	struct ntm_node *responder = ntm_registry_get(&core->registry, direction->responder);
	struct ntm_node *initiator = ntm_registry_get(&core->registry, direction->initiator);
	struct ntm_director_node initiator_view;
	struct ntm_msg msg;

	if (!ntm_core_online(core, responder, now_ms) || !ntm_core_online(core, initiator, now_ms))
		return;
	view(core, initiator, now_ms, &initiator_view);
	ntm_director_route(&msg, &initiator_view, &direction->path, NTM_ROLE_RESPONDER);
	msg.request_id = direction->request_id;
	core->counters[NTM_COUNT_RESENT]++;
	ntm_send_message(core, responder, &msg);
	sodium_memzero(&msg, sizeof(msg));
}

void ntm_direct_resend(struct ntm_core *core, uint64_t now_ms)
{
	const struct ntm_direction *direction;

	while ((direction = ntm_directions_due(&core->directions, now_ms)) != NULL)
		resend(core, direction, now_ms);
	core->counters[NTM_COUNT_UNCONFIRMED] = core->directions.unconfirmed;
}
