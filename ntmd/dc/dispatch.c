// SPDX-License-Identifier: GPL-2.0
#include "dc/dispatch.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "dc/register.h"

/* Direction Requests of one node: a bucket of 100, refilled with 50 a second. */
#define ASK_COST 1000u
#define ASK_BURST (100 * ASK_COST)
#define ASK_PER_MS 50u

static void send_packet(struct ntm_core *core, const union ntm_addr *to, const uint8_t *packet,
			size_t len)
{
	if (core->send(core->send_ctx, to, packet, len))
		core->counters[NTM_DROP_SEND]++;
}

static void send_message(struct ntm_core *core, struct ntm_session *keys, const union ntm_addr *to,
			 const struct ntm_msg *msg)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(keys, msg, packet, sizeof(packet));

	if (len < 0)
		core->counters[NTM_DROP_SEND]++;
	else
		send_packet(core, to, packet, len);
}

static void answer(struct ntm_core *core, const struct ntm_peer *peer,
		   const struct ntm_msg *request, struct ntm_msg *msg)
{
	msg->request_id = request->request_id;
	send_message(core, peer->keys, peer->addr, msg);
}

static void refuse(struct ntm_core *core, const struct ntm_peer *peer,
		   const struct ntm_msg *request, uint16_t status)
{
	struct ntm_msg msg = { .type = NTM_MSG_REFUSAL, .status = status };

	NTM_SET(&msg, STATUS);
	core->counters[NTM_COUNT_REFUSALS]++;
	answer(core, peer, request, &msg);
}

void ntm_dispatch_handshake(struct ntm_core *core, const uint8_t *packet, size_t len,
			    const union ntm_addr *from, uint64_t now_ms)
{
	uint8_t reply[NTM_DATAGRAM_MAX];
	size_t reply_len;

	switch (ntm_sessions_request(&core->sessions, packet, len, from, now_ms, reply,
				     &reply_len)) {
	case NTM_SESSIONS_REPLY:
		core->counters[NTM_COUNT_HANDSHAKES]++;
		send_packet(core, from, reply, reply_len);
		break;
	case NTM_SESSIONS_COOKIE:
		core->counters[NTM_COUNT_COOKIES]++;
		send_packet(core, from, reply, reply_len);
		break;
	case NTM_SESSIONS_NO_MEMORY:
		core->counters[NTM_DROP_MEMORY]++;
		break;
	case NTM_SESSIONS_BAD:
		core->counters[NTM_DROP_HANDSHAKE]++;
		break;
	}
}

static void on_registration(struct ntm_core *core, struct ntm_peer *peer,
			    const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_msg response;

	ntm_register(core, peer, request, &response, now_ms);
	answer(core, peer, request, &response);
}

static void on_keep_alive(struct ntm_core *core, const struct ntm_peer *peer,
			  const struct ntm_msg *request)
{
	struct ntm_msg msg = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE,
			       .timestamp = request->timestamp };

	msg.observed.kind = NTM_CAND_REFLEXIVE;
	msg.observed.addr = *peer->addr;
	NTM_SET(&msg, TIMESTAMP);
	NTM_SET(&msg, OBSERVED);
	core->counters[NTM_COUNT_KEEP_ALIVES]++;
	answer(core, peer, request, &msg);
}

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
			answer(core, asker, request, msg);
		} else if (target) {
			msg->request_id = request_id;
			send_message(core, &target->session->keys, &target->session->addr, msg);
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

static void on_direction(struct ntm_core *core, const struct ntm_peer *peer,
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
		refuse(core, peer, request, NTM_ST_BUSY);
		goto wipe;
	}
	carry_out(core, peer, target, request, &plan, request_id);
wipe:
	sodium_memzero(&fresh, sizeof(fresh));
	sodium_memzero(&recent_path, sizeof(recent_path));
	sodium_memzero(&plan, sizeof(plan));
}

static void on_confirmation(struct ntm_core *core, const struct ntm_peer *peer,
			    const struct ntm_msg *msg)
{
	if (!ntm_directions_confirm(&core->directions, msg->path_id, peer->node->id))
		core->counters[NTM_DROP_UNEXPECTED]++;
	else if (msg->status != NTM_ST_OK)
		ntm_debug("%s refuses path %08x: %s", peer->node->name, msg->path_id,
			  ntm_status_name(msg->status));
}

/* The sender is no active node. It may try to become one; whatever else it says, it is told. */
static void from_outsider(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *msg,
			  uint64_t now_ms)
{
	if (msg->type == NTM_MSG_REGISTRATION_REQUEST)
		on_registration(core, peer, msg, now_ms);
	else
		refuse(core, peer, msg, peer->node ? NTM_ST_REVOKED : NTM_ST_UNKNOWN_NODE);
}

static void from_node(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *msg,
		      uint64_t now_ms)
{
	switch (msg->type) {
	case NTM_MSG_REGISTRATION_REQUEST:
		on_registration(core, peer, msg, now_ms);
		break;
	case NTM_MSG_KEEP_ALIVE:
		on_keep_alive(core, peer, msg);
		break;
	case NTM_MSG_DIRECTION_REQUEST:
		on_direction(core, peer, msg, now_ms);
		break;
	case NTM_MSG_ROUTE_DIRECTION_CONFIRMATION:
		on_confirmation(core, peer, msg);
		break;
	default: /* a DC's own messages, or a node's to another node */
		core->counters[NTM_DROP_UNEXPECTED]++;
	}
}

void ntm_dispatch_sealed(struct ntm_core *core, const uint8_t *packet, size_t len,
			 const union ntm_addr *from, uint64_t now_ms)
{
	struct ntm_peer peer;
	struct ntm_msg msg;

	switch (ntm_sessions_open(&core->sessions, packet, len, from, now_ms, &msg, &peer)) {
	case 0:
		break;
	case -ENOENT:
		core->counters[NTM_DROP_SESSION]++;
		return;
	case -EALREADY:
		core->counters[NTM_DROP_REPLAY]++;
		return;
	case -EPROTO:
		core->counters[NTM_DROP_MALFORMED]++;
		return;
	case -ENOMEM:
		core->counters[NTM_DROP_MEMORY]++;
		return;
	default:
		core->counters[NTM_DROP_FORGED]++;
		return;
	}
	if (peer.node && peer.node->state == NTM_NODE_ACTIVE)
		from_node(core, &peer, &msg, now_ms);
	else
		from_outsider(core, &peer, &msg, now_ms);
	sodium_memzero(msg.token, sizeof(msg.token));
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
	send_message(core, &responder->session->keys, &responder->session->addr, &msg);
	sodium_memzero(&msg, sizeof(msg));
}

void ntm_dispatch_resend(struct ntm_core *core, uint64_t now_ms)
{
	const struct ntm_direction *direction;

	while ((direction = ntm_directions_due(&core->directions, now_ms)) != NULL)
		resend(core, direction, now_ms);
	core->counters[NTM_COUNT_UNCONFIRMED] = core->directions.unconfirmed;
}
