// SPDX-License-Identifier: GPL-2.0
#include "dc/director.h"

#include <stdio.h>
#include <string.h>
#include "common/relay.h"

#define RELAY_LIFETIME_S 60 /* that an RS keeps a path of which no end is bound */

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
		/* Peers search for ports at one of kind 1: it has to be the node's own */
		out[count].kind = node->proven ? NTM_CAND_REFLEXIVE : NTM_CAND_HOST;
		out[count++].addr = node->observed;
	}
	for (i = 0; i < node->candidate_count && count < NTM_CANDIDATES_MAX; i++)
		out[count++] = node->candidates[i];
	return count;
}

static void put_relays(struct ntm_msg *msg, const struct ntm_director_relays *relays)
{
	unsigned int i;

	if (!relays || !relays->count)
		return;
	for (i = 0; i < relays->count; i++) {
		msg->relays[i] = relays->info[i];
		msg->relays[i].at_once = relays->at_once;
	}
	msg->relay_count = relays->count;
	NTM_SET(msg, RELAY);
}

void ntm_director_route(struct ntm_msg *msg, const struct ntm_director_node *peer,
			const struct ntm_director_path *path,
			const struct ntm_director_relays *relays, uint8_t role)
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
	if (peer->nat != NTM_NAT_UNKNOWN) {
		msg->nat = peer->nat;
		NTM_SET(msg, NAT);
	}
	put_relays(msg, relays);
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

static void put_end(struct ntm_end_info *end, const struct ntm_director_path *path,
		    const struct ntm_relay_info *relay, uint8_t role, const uint8_t node[8])
{
	end->role = role;
	ntm_relay_end_key(end->key, path->psk, relay->key, role);
	memcpy(end->node, node, sizeof(end->node));
}

void ntm_director_relay(struct ntm_msg *msg, const struct ntm_director_path *path,
			const struct ntm_relay_info *relay, const uint8_t initiator[8],
			const uint8_t responder[8])
{
	memset(msg, 0, sizeof(*msg));
	msg->type = NTM_MSG_RELAY_DIRECTION;
	msg->path_id = path->path_id;
	msg->lifetime = RELAY_LIFETIME_S;
	put_end(&msg->ends[0], path, relay, NTM_ROLE_INITIATOR, initiator);
	put_end(&msg->ends[1], path, relay, NTM_ROLE_RESPONDER, responder);
	msg->end_count = 2;
	NTM_SET(msg, PATH_ID);
	NTM_SET(msg, LIFETIME);
	NTM_SET(msg, END);
}

/* A unique local address says nothing of the world outside: most home routers give them out. */
static uint8_t family(const union ntm_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return NTM_FAMILY_4;
	return (addr->v6.sin6_addr.s6_addr[0] & 0xfe) == 0xfc ? 0 : NTM_FAMILY_6;
}

uint8_t ntm_director_families(const struct ntm_director_node *node)
{
	/* Where the DC hears it counts, whatever it is: the relays are reached as the DC is. */
	uint8_t all = node->observed.sa.sa_family == AF_INET ? NTM_FAMILY_4 : NTM_FAMILY_6;
	unsigned int i;

	for (i = 0; i < node->candidate_count; i++)
		all |= family(&node->candidates[i].addr);
	return all;
}

/* Of IPv4. What the node found out counts for more than what is to be guessed from here. */
static bool behind_nat(const struct ntm_director_node *node)
{
	unsigned int i;

	if (node->nat != NTM_NAT_UNKNOWN)
		return node->nat != NTM_NAT_NONE;
	for (i = 0; i < node->candidate_count; i++) {
		if (node->candidates[i].kind == NTM_CAND_HOST &&
		    node->observed.sa.sa_family == AF_INET &&
		    ntm_addr_equal(&node->candidates[i].addr, &node->observed))
			return false;
	}
	return true;
}

static bool same_site(const struct ntm_director_node *a, const struct ntm_director_node *b)
{
	return a->observed.sa.sa_family == AF_INET && b->observed.sa.sa_family == AF_INET &&
	       a->observed.v4.sin_addr.s_addr == b->observed.v4.sin_addr.s_addr;
}

/* Its mapping is another one for each peer, or may be. */
static bool unpredictable(const struct ntm_director_node *node)
{
	return node->nat == NTM_NAT_DEPENDENT || node->nat == NTM_NAT_UNKNOWN;
}

bool ntm_director_at_once(const struct ntm_director_node *a, const struct ntm_director_node *b)
{
	uint8_t common = ntm_director_families(a) & ntm_director_families(b);

	if (!common)
		return true;
	if (common & NTM_FAMILY_6 || same_site(a, b))
		return false;
	return behind_nat(a) && behind_nat(b) && (unpredictable(a) || unpredictable(b));
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

static void direct_relay(const struct ntm_director_ask *ask, struct ntm_director_plan *plan,
			 unsigned int relay)
{
	struct ntm_msg *msg = add_action(plan, NTM_DIRECTOR_TO_RELAY);

	plan->actions[plan->count - 1].relay = relay;
	plan->actions[plan->count - 1].until_confirmed = true;
	ntm_director_relay(msg, ask->fresh, &ask->relays->info[relay], ask->asker->end,
			   ask->peer->end);
}

/* The asker is the initiator. */
static void direct_anew(const struct ntm_director_ask *ask, struct ntm_director_plan *plan)
{
	struct ntm_director_relays relays = { .count = 0 };
	unsigned int i;

	if (ask->relays)
		relays = *ask->relays;
	relays.at_once = relays.count && ntm_director_at_once(ask->asker, ask->peer);
	plan->new_path = true;
	plan->at_once = relays.at_once;
	/* Relays should know the path before the ends bind. */
	for (i = 0; i < relays.count; i++)
		direct_relay(ask, plan, i);
	/* Then the responder: its NAT should be open, and its memory made up, before the Tunnel Request comes. */
	ntm_director_route(add_action(plan, NTM_DIRECTOR_TO_PEER), ask->asker, ask->fresh, &relays,
			   NTM_ROLE_RESPONDER);
	plan->actions[plan->count - 1].until_confirmed = true;
	ntm_director_route(add_action(plan, NTM_DIRECTOR_TO_ASKER), ask->peer, ask->fresh, &relays,
			   NTM_ROLE_INITIATOR);
}

void ntm_director_decide(const struct ntm_director_ask *ask, struct ntm_director_plan *plan)
{
	const char *text;
	uint16_t status = objection(ask, &text);

	plan->count = 0;
	plan->new_path = plan->at_once = false;
	if (status != NTM_ST_OK)
		refuse(plan, status, text);
	else if (ask->recent) /* The others have their halves already, or they are on the way. */
		ntm_director_route(add_action(plan, NTM_DIRECTOR_TO_ASKER), ask->peer, ask->recent,
				   ask->relays, ask->recent_role);
	else
		direct_anew(ask, plan);
}
