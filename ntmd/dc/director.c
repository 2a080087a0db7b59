// SPDX-License-Identifier: GPL-2.0
#include "dc/director.h"

#include <stdio.h>
#include <string.h>

static struct ntm_msg *add_action(struct ntm_director_plan *plan, enum ntm_director_to to)
{
	struct ntm_director_action *action = &plan->actions[plan->count++];

	memset(action, 0, sizeof(*action));
	action->to = to;
	return &action->msg;
}

static void refuse(struct ntm_director_plan *plan, uint16_t status, const char *text)
{
	struct ntm_msg *msg = add_action(plan, NTM_DIRECTOR_TO_ASKER);

	msg->type = NTM_MSG_REFUSAL;
	msg->status = status;
	snprintf(msg->text, sizeof(msg->text), "%s", text);
	NTM_SET(msg, STATUS);
}

unsigned int ntm_director_candidates(const struct ntm_director_node *node,
				     struct ntm_candidate out[NTM_CANDIDATES_MAX])
{
	unsigned int count = 0, i;
	bool among = false;

	for (i = 0; i < node->candidate_count; i++)
		among |= ntm_addr_equal(&node->candidates[i].addr, &node->observed);
	if (!among) {
		out[count].kind = NTM_CAND_REFLEXIVE;
		out[count++].addr = node->observed;
	}
	for (i = 0; i < node->candidate_count && count < NTM_CANDIDATES_MAX; i++)
		out[count++] = node->candidates[i];
	return count;
}

void ntm_director_route(struct ntm_msg *msg, const struct ntm_director_node *peer,
			const struct ntm_director_path *path, uint8_t role)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = NTM_MSG_ROUTE_DIRECTION;
	msg->path_id = path->path_id;
	msg->role = role;
	memcpy(msg->path_psk, path->psk, sizeof(msg->path_psk));
	snprintf(msg->name, sizeof(msg->name), "%s", peer->name);
	memcpy(msg->peer_key, peer->key, sizeof(msg->peer_key));
	msg->suites = peer->suites;
	msg->candidate_count = ntm_director_candidates(peer, msg->candidates);
	NTM_SET(msg, PATH_ID);
	NTM_SET(msg, ROLE);
	NTM_SET(msg, PATH_PSK);
	NTM_SET(msg, NAME);
	NTM_SET(msg, PEER_KEY);
	NTM_SET(msg, SUITES);
	NTM_SET(msg, CANDIDATE);
	if (peer->has4) {
		msg->virtual4 = peer->v4;
		msg->prefix4 = peer->prefix4;
		NTM_SET(msg, VIRTUAL4);
	}
	if (peer->has6) {
		msg->virtual6 = peer->v6;
		msg->prefix6 = peer->prefix6;
		NTM_SET(msg, VIRTUAL6);
	}
}

/* The reason not to direct, or NTM_ST_OK. */
static uint16_t objection(const struct ntm_director_ask *ask, const char **text)
{
	const struct ntm_director_node *peer = ask->peer;

	*text = "";
	if (ask->asker->revoked)
		return NTM_ST_REVOKED;
	if (!ask->allowed) {
		*text = "too many Direction Requests";
		return NTM_ST_BUSY;
	}
	if (!ask->asker->registered) {
		*text = "register first";
		return NTM_ST_BUSY;
	}
	if (!peer || peer->revoked)
		return NTM_ST_UNKNOWN_NAME;
	if (ask->self) {
		*text = "that is your own name";
		return NTM_ST_REFUSED;
	}
	if (!peer->online)
		return NTM_ST_OFFLINE;
	if (!(ask->asker->suites & peer->suites)) {
		*text = "no cipher suite in common";
		return NTM_ST_UNSUPPORTED;
	}
	return NTM_ST_OK;
}

void ntm_director_decide(const struct ntm_director_ask *ask, struct ntm_director_plan *plan)
{
	const char *text;
	uint16_t status = objection(ask, &text);

	plan->count = 0;
	plan->new_path = false;
	if (status != NTM_ST_OK) {
		refuse(plan, status, text);
		return;
	}
	if (ask->recent) {
		/* The peer has its half already, or it is on its way. */
		ntm_director_route(add_action(plan, NTM_DIRECTOR_TO_ASKER), ask->peer, ask->recent,
				   ask->recent_role);
		return;
	}
	/* The responder first: its NAT should be open, and its memory made up, before the Tunnel Request comes. */
	ntm_director_route(add_action(plan, NTM_DIRECTOR_TO_PEER), ask->asker, ask->fresh,
			   NTM_ROLE_RESPONDER);
	plan->actions[0].until_confirmed = true;
	ntm_director_route(add_action(plan, NTM_DIRECTOR_TO_ASKER), ask->peer, ask->fresh,
			   NTM_ROLE_INITIATOR);
	plan->new_path = true;
}
