// SPDX-License-Identifier: GPL-2.0
#include "dc/inform.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dc/candidates.h"
#include "dc/direct.h"
#include "dc/link.h"
#include "dc/proof.h"
#include "dc/relaying.h"
#include "dc/send.h"

/* What another DC says of one of its nodes */

static const char *take_addresses(const struct ntm_zone *zone, const struct ntm_msg *m,
				  struct ntm_foreigner *out)
{
	out->has4 = NTM_HAS(m, VIRTUAL4) && zone->use4;
	out->has6 = NTM_HAS(m, VIRTUAL6) && zone->use6;
	out->v4 = m->virtual4;
	out->v6 = m->virtual6;
	out->prefix4 = zone->networks.prefix4;
	out->prefix6 = zone->networks.prefix6;
	if ((out->has4 && !ntm_zone_contains(zone, AF_INET, &out->v4)) ||
	    (out->has6 && !ntm_zone_contains(zone, AF_INET6, &out->v6)))
		return "a virtual address that is not of its zone";
	return NULL;
}

static struct ntm_candidates_rule rule_for(const struct ntm_core *core, const struct ntm_zone *zone)
{
	return (struct ntm_candidates_rule){ &core->pool4.spec, &core->pool6.spec,
					     zone->has_in ? &zone->in_addr : &zone->link.addr };
}

/* Where our node may send to: not into a tunnel, nor to its own host */
static const char *take_candidates(struct ntm_core *core, const struct ntm_zone *zone,
				   const struct ntm_msg *m, struct ntm_foreigner *out)
{
	const struct ntm_candidates_rule rule = rule_for(core, zone);
	unsigned int bad;

	out->candidate_count = ntm_candidates_keep(&rule, m->candidates, m->candidate_count,
						   out->candidates, &bad);
	core->counters[NTM_DROP_CANDIDATE] += bad;
	return out->candidate_count ? NULL : "no address that a node could be reached at";
}

/* The relays that another DC chose: the addresses that a node may send to, as of a node */
static void take_relays(const struct ntm_core *core, const struct ntm_zone *zone,
			const struct ntm_msg *m, struct ntm_director_relays *out)
{
	const struct ntm_candidates_rule rule = rule_for(core, zone);

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < m->relay_count && out->count < NTM_DIRECTOR_RELAYS; i++) {
		struct ntm_relay_info *info = &out->info[out->count];
		struct ntm_candidate given[2];
		unsigned int count = 0;

		*info = m->relays[i];
		for (; count < 2 && info->addrs[count].sa.sa_family; count++)
			given[count] = (struct ntm_candidate){ .addr = info->addrs[count] };
		out->count += ntm_candidates_relay(&rule, given, count, info->addrs) > 0;
	}
}

/* NULL, or what is wrong: a DC speaks for the names, addresses and keys of its own zone alone. */
static const char *describe(struct ntm_core *core, const struct ntm_zone *zone, const char *name,
			    const struct ntm_msg *m, struct ntm_foreigner *out)
{
	const char *wrong;

	memset(out, 0, sizeof(*out));
	if (!ntm_name_below(name, zone->name))
		return "a name that is not of its zone";
	if (ntm_registry_by_key(&core->registry, m->peer_key) ||
	    !sodium_memcmp(m->peer_key, core->self.public, sizeof(m->peer_key)))
		return "a key that is one of ours";
	snprintf(out->name, sizeof(out->name), "%s", name);
	memcpy(out->key, m->peer_key, sizeof(out->key));
	out->suites = m->suites;
	out->nat = m->nat;
	wrong = take_addresses(zone, m, out);
	return wrong ? wrong : take_candidates(core, zone, m, out);
}

static void complain(struct ntm_zone *zone, const char *wrong, uint64_t now_ms)
{
	if (ntm_log_allowed(&zone->log, now_ms))
		ntm_warn("zone %s: its coordinator tells of %s", zone->name, wrong);
}

/* Asking: the answers to our nodes */

static void answer_ask(struct ntm_core *core, struct ntm_ask *ask, struct ntm_msg *m,
		       uint64_t now_ms)
{
	struct ntm_node *node = ntm_registry_get(&core->registry, ask->asker);

	if (node)
		node->asking--;
	m->request_id = ask->request_id;
	/* With a session that is newer it has forgotten what it asked */
	if (node && node->session && node->session->keys.local_id == ask->session)
		ntm_send_message(core, node, m);
	if (m->type == NTM_MSG_REFUSAL)
		core->counters[NTM_COUNT_REFUSALS]++;
	else
		core->counters[NTM_COUNT_DIRECTIONS]++;
	ntm_asks_answered(&core->asks, ask, m, now_ms);
}

static void refuse_ask(struct ntm_core *core, struct ntm_ask *ask, uint16_t status,
		       const char *text, uint64_t now_ms)
{
	struct ntm_msg m = { .type = NTM_MSG_REFUSAL, .status = status };

	NTM_SET(&m, STATUS);
	snprintf(m.text, sizeof(m.text), "%s", text);
	answer_ask(core, ask, &m, now_ms);
}

/* A node believes its own DC what a Refusal says of the node itself; another zone's DC has no say in that. */
static uint16_t status_for_node(uint16_t status)
{
	switch (status) {
	case NTM_ST_UNKNOWN_NAME:
	case NTM_ST_OFFLINE:
	case NTM_ST_BUSY:
	case NTM_ST_UNSUPPORTED:
		return status;
	default:
		return NTM_ST_REFUSED;
	}
}

static bool is_target(const struct ntm_ask *ask, const struct ntm_foreigner *node)
{
	if (!ask->target_len)
		return !strcmp(ask->name, node->name);
	if (ask->target_len == 4)
		return node->has4 && !memcmp(ask->target, &node->v4, 4);
	return node->has6 && !memcmp(ask->target, &node->v6, 16);
}

/* The relays are ours: they learn of the path from here, before the ends bind. False: too much is going on. */
static bool direct_relays(struct ntm_core *core, struct ntm_ask *ask,
			  const struct ntm_foreigner *described, const uint8_t asker_key[32],
			  uint64_t now_ms)
{
	const struct ntm_foreigner *other =
		ntm_foreigners_put(&core->foreigners, described, now_ms);
	struct ntm_direction *d = other ? ntm_directions_add(&core->directions, &ask->path,
							     ask->asker, other->id,
							     core->request_id, now_ms) :
					  NULL;
	uint8_t ends[2][8];
	struct ntm_msg m;

	if (!d)
		return false;
	d->at_once = ask->relays.at_once;
	d->waiting = 0; /* its own DC looks after the responder */
	ntm_direct_remember_relays(core, d, &ask->relays, now_ms);
	ntm_relaying_end(core, asker_key, ends[0]);
	ntm_relaying_end(core, other->key, ends[1]);
	for (unsigned int i = 0; i < ask->relays.count; i++) {
		ntm_director_relay(&m, &ask->path, &ask->relays.info[i], ends[0], ends[1]);
		m.request_id = core->request_id;
		ntm_send_message(core, ntm_registry_get(&core->registry, ask->relays.id[i]), &m);
	}
	core->request_id++;
	sodium_memzero(&m, sizeof(m));
	return true;
}

/* Those of the relays that may still be used: one may have been revoked, and be another one, since it was chosen */
static void check_relays(const struct ntm_core *core, struct ntm_director_relays *relays,
			 uint64_t now_ms)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < relays->count; i++) {
		const struct ntm_node *node = ntm_registry_get(&core->registry, relays->id[i]);

		if (!ntm_registry_online(node, now_ms) ||
		    memcmp(node->key, relays->info[i].key, sizeof(node->key)) != 0)
			continue;
		relays->id[kept] = relays->id[i];
		relays->info[kept++] = relays->info[i];
	}
	relays->count = kept;
}

static void take_information(struct ntm_core *core, struct ntm_ask *ask, const struct ntm_msg *m,
			     uint64_t now_ms)
{
	const struct ntm_node *asker = ntm_registry_get(&core->registry, ask->asker);
	struct ntm_director_node view, asker_view;
	struct ntm_foreigner node;
	const char *wrong = describe(core, ask->zone, m->name, m, &node);
	struct ntm_msg route;

	if (!wrong && !is_target(ask, &node))
		wrong = "another node than the one asked for";
	if (wrong) {
		complain(ask->zone, wrong, now_ms);
		refuse_ask(core, ask, NTM_ST_REFUSED, "", now_ms);
		return;
	}
	if (!node.has4 && !node.has6) {
		refuse_ask(core, ask, NTM_ST_UNSUPPORTED,
			   "no family of virtual addresses in common", now_ms);
		return;
	}
	if (!(asker->suites & node.suites)) {
		refuse_ask(core, ask, NTM_ST_UNSUPPORTED, "no cipher suite in common", now_ms);
		return;
	}
	ntm_foreigner_view(&node, &view);
	ntm_direct_view(core, asker, now_ms, &asker_view);
	check_relays(core, &ask->relays, now_ms);
	ask->relays.at_once = ask->relays.count && ntm_director_at_once(&asker_view, &view);
	if (ask->relays.count && !direct_relays(core, ask, &node, asker->key, now_ms)) {
		refuse_ask(core, ask, NTM_ST_BUSY, "", now_ms);
		return;
	}
	ntm_director_route(&route, &view, &ask->path, &ask->relays, NTM_ROLE_INITIATOR);
	answer_ask(core, ask, &route, now_ms);
	sodium_memzero(&route, sizeof(route));
}

static void informed(void *ctx, uint32_t id, const struct ntm_msg *m)
{
	struct ntm_ask *ask = ctx;
	struct ntm_core *core;

	if (ask->link_id != id)
		return; /* answered another way meanwhile */
	core = ask->zone->owner;
	if (!m)
		refuse_ask(core, ask,
			   ask->zone->link.state == NTM_DC_REFUSED ? NTM_ST_REFUSED :
								     NTM_ST_OFFLINE,
			   "the coordinator of that zone does not answer", core->now_ms);
	else if (m->type == NTM_MSG_INFORMATION_RESPONSE && m->status == NTM_ST_OK)
		take_information(core, ask, m, core->now_ms);
	else if (m->type == NTM_MSG_INFORMATION_RESPONSE || m->type == NTM_MSG_REFUSAL)
		refuse_ask(core, ask, status_for_node(m->status), m->text, core->now_ms);
	else
		refuse_ask(core, ask, NTM_ST_REFUSED, "", core->now_ms);
}

/* Asking: the requests */

/* Two names of 200 bytes leave no room for all: the last addresses are left out, as those the node thought least of */
static void shorten(struct ntm_msg *m)
{
	uint8_t room[NTM_DATAGRAM_MAX - NTM_SEALED_OVERHEAD];

	while (m->candidate_count > 1 && ntm_msg_encode(m, room, sizeof(room)) < 0)
		m->candidate_count--;
	sodium_memzero(room, sizeof(room));
}

static bool make_request(const struct ntm_core *core, const struct ntm_ask *ask, struct ntm_msg *m,
			 uint64_t now_ms)
{
	const struct ntm_node *node = ntm_registry_get(&core->registry, ask->asker);
	struct ntm_director_node view;

	ntm_direct_view(core, node, now_ms, &view);
	view.has4 &= ask->zone->use4;
	view.has6 &= ask->zone->use6;
	ntm_director_route(m, &view, &ask->path, &ask->relays, NTM_ROLE_RESPONDER);
	m->type = NTM_MSG_INFORMATION_REQUEST;
	m->has &= ~(1u << NTM_TLV_ROLE | 1u << NTM_TLV_NAME);
	memcpy(m->peer_name, m->name, sizeof(m->peer_name));
	NTM_SET(m, PEER_NAME);
	if (ask->target_len) {
		memcpy(m->target, ask->target, sizeof(m->target));
		m->target_len = ask->target_len;
		NTM_SET(m, TARGET);
	} else {
		memcpy(m->name, ask->name, sizeof(m->name));
		NTM_SET(m, NAME);
	}
	shorten(m);
	return view.has4 || view.has6;
}

/* Nobody asks a zone that refuses us, or whose key is not what it was */
static bool hopeless(const struct ntm_zone *zone)
{
	return zone->link.state == NTM_DC_REFUSED || ntm_zone_other_key(zone) ||
	       (zone->link.state == NTM_DC_OFF && zone->look == NTM_LOOK_FOUND && zone->why[0]);
}

static void send_ask(struct ntm_core *core, struct ntm_ask *ask, uint64_t now_ms)
{
	struct ntm_zone *zone = ask->zone;
	struct ntm_msg m;

	if (hopeless(zone)) {
		refuse_ask(core, ask, NTM_ST_REFUSED, zone->why, now_ms);
		return;
	}
	if (!zone->introduced || zone->link.state == NTM_DC_OFF)
		return; /* ntm_inform_flush() comes back to it */
	if (!make_request(core, ask, &m, now_ms)) {
		refuse_ask(core, ask, NTM_ST_UNSUPPORTED,
			   "the virtual networks of the two zones overlap", now_ms);
		return;
	}
	ask->link_id = ntm_dc_request(&zone->link, &m, now_ms, (uint32_t)(ask->due_ms - now_ms),
				      informed, ask);
	sodium_memzero(&m, sizeof(m));
	if (!ask->link_id)
		refuse_ask(core, ask, NTM_ST_BUSY, "", now_ms);
	else
		zone->asked++;
}

void ntm_inform_flush(struct ntm_core *core, struct ntm_zone *zone, uint64_t now_ms)
{
	struct ntm_ask *ask, *next;

	for (ask = ntm_asks_waiting(&core->asks, NULL); ask; ask = next) {
		next = ntm_asks_waiting(&core->asks, ask);
		if (ask->zone == zone && !ask->link_id && now_ms < ask->due_ms)
			send_ask(core, ask, now_ms);
	}
}

void ntm_inform_abandon(struct ntm_core *core, const struct ntm_zone *zone, uint64_t now_ms)
{
	struct ntm_ask *ask, *next;

	for (ask = ntm_asks_waiting(&core->asks, NULL); ask; ask = next) {
		next = ntm_asks_waiting(&core->asks, ask);
		if (ask->zone == zone)
			refuse_ask(core, ask, NTM_ST_UNKNOWN_NAME, "", now_ms);
	}
}

void ntm_inform_tick(struct ntm_core *core, uint64_t now_ms)
{
	struct ntm_ask *ask;

	while ((ask = ntm_asks_late(&core->asks, now_ms)) != NULL)
		refuse_ask(core, ask, NTM_ST_OFFLINE,
			   "the coordinator of that zone does not answer", now_ms);
	ntm_foreigners_expire(&core->foreigners, now_ms);
}

/* The other one asked for this node less than 1 s ago, and it has its half of that path: it is the responder of it. */
static bool answer_crossed(struct ntm_core *core, const struct ntm_peer *peer,
			   const struct ntm_msg *request, uint64_t now_ms)
{
	const struct ntm_foreigner *other =
		NTM_HAS(request, NAME) ?
			ntm_foreigners_by_name(&core->foreigners, request->name) :
			ntm_foreigners_by_address(&core->foreigners, request->target,
						  request->target_len,
						  now_ms - NTM_DIRECTION_CROSSED_MS);
	const struct ntm_direction *d = other ? ntm_directions_recent(&core->directions, other->id,
								      peer->node->id, now_ms) :
						NULL;
	struct ntm_director_node view;
	struct ntm_msg m;

	if (!d || d->initiator != other->id || now_ms - d->made_ms >= NTM_DIRECTION_CROSSED_MS ||
	    d->sessions[1] != peer->keys->local_id)
		return false;
	ntm_foreigner_view(other, &view);
	ntm_director_route(&m, &view, &d->path, d->told, NTM_ROLE_RESPONDER);
	ntm_send_answer(core, peer, request, &m);
	sodium_memzero(&m, sizeof(m));
	return true;
}

static struct ntm_zone *zone_of(const struct ntm_core *core, const struct ntm_msg *request)
{
	if (NTM_HAS(request, NAME))
		return ntm_zones_of_name(&core->zones, request->name);
	return ntm_zones_of_address(&core->zones, request->target_len == 4 ? AF_INET : AF_INET6,
				    request->target);
}

/* NULL: it may not, or there are too many */
static struct ntm_ask *admit(struct ntm_core *core, const struct ntm_peer *peer,
			     const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_node *node = peer->node;
	struct ntm_ask *ask;

	if (!node->registered || node->asking >= NTM_ASKS_EACH || !ntm_direct_may_ask(node, now_ms))
		return NULL;
	ask = ntm_asks_add(&core->asks, node->id, peer->keys->local_id, request->request_id,
			   now_ms);
	if (ask)
		node->asking++;
	return ask;
}

static void new_ask(struct ntm_core *core, struct ntm_zone *zone, const struct ntm_peer *peer,
		    const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_ask *ask = admit(core, peer, request, now_ms);
	struct ntm_director_node view;

	if (!ask) {
		ntm_send_refusal(core, peer, request, NTM_ST_BUSY);
		return;
	}
	ask->zone = zone;
	if (NTM_HAS(request, NAME)) {
		memcpy(ask->name, request->name, sizeof(ask->name));
	} else {
		memcpy(ask->target, request->target, sizeof(ask->target));
		ask->target_len = request->target_len;
	}
	ntm_direct_make_path(core, &ask->path);
	/* By its own end alone: nothing is known of the other one before it is asked for */
	ntm_direct_view(core, peer->node, now_ms, &view);
	ntm_relaying_choose(core, &view, &view, ask->path.path_id, now_ms, &ask->relays);
	ntm_link_hurry(core, zone, now_ms);
	send_ask(core, ask, now_ms);
}

bool ntm_inform_ask(struct ntm_core *core, const struct ntm_peer *peer,
		    const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_zone *zone = zone_of(core, request);
	struct ntm_ask *ask;

	if (!zone)
		return false;
	core->now_ms = now_ms;
	ask = ntm_asks_find(&core->asks, peer->node->id, peer->keys->local_id, request->request_id);
	if (ask && ask->answer)
		ntm_send_answer(core, peer, request, ask->answer);
	else if (!ask && !answer_crossed(core, peer, request, now_ms))
		new_ask(core, zone, peer, request, now_ms);
	return true;
}

/* Being asked */

static void respond(struct ntm_core *core, const struct ntm_peer *peer,
		    const struct ntm_msg *request, uint16_t status, const char *text)
{
	struct ntm_msg m = { .type = NTM_MSG_INFORMATION_RESPONSE, .status = status };

	NTM_SET(&m, STATUS);
	snprintf(m.text, sizeof(m.text), "%s", text);
	core->counters[NTM_COUNT_REFUSALS]++;
	ntm_send_answer(core, peer, request, &m);
}

/* Our node asks for the other one at this moment, and waits. */
static struct ntm_ask *crossing(const struct ntm_core *core, const struct ntm_node *node,
				const struct ntm_foreigner *other)
{
	struct ntm_ask *ask = NULL;

	while ((ask = ntm_asks_waiting(&core->asks, ask)) != NULL) {
		if (ask->asker == node->id && is_target(ask, other))
			return ask;
	}
	return NULL;
}

/* Our node asked for the other one less than 1 s ago, and has its half of that path: it is the initiator of it. */
static bool crossed_lately(const struct ntm_core *core, const struct ntm_node *node,
			   const struct ntm_foreigner *other, uint64_t now_ms)
{
	const struct ntm_ask *ask = NULL;

	while ((ask = ntm_asks_recent(&core->asks, ask, NTM_DIRECTION_CROSSED_MS, now_ms)) !=
	       NULL) {
		if (ask->asker == node->id && is_target(ask, other) &&
		    ask->answer->type == NTM_MSG_ROUTE_DIRECTION)
			return ask->answer->role == NTM_ROLE_INITIATOR && node->session &&
			       node->session->keys.local_id == ask->session;
	}
	return false;
}

/*
 * The node gets the half that it would have had as responder of the other's direction. What was to be asked for it counts no more: the
 * other DC would take a copy that comes after its own answer for a new request, and direct another path.
 */
static void end_crossing(struct ntm_core *core, struct ntm_ask *ask,
			 const struct ntm_director_node *other,
			 const struct ntm_director_path *path,
			 const struct ntm_director_relays *relays, uint64_t now_ms)
{
	const uint32_t request = ask->link_id;
	struct ntm_zone *zone = ask->zone;
	struct ntm_msg m;

	ntm_director_route(&m, other, path, relays, NTM_ROLE_RESPONDER);
	answer_ask(core, ask, &m, now_ms);
	ntm_dc_cancel(&zone->link, request);
	sodium_memzero(&m, sizeof(m));
}

static bool remember(struct ntm_core *core, const struct ntm_director_path *path,
		     const struct ntm_foreigner *asker, const struct ntm_node *target,
		     const struct ntm_director_relays *relays, uint64_t now_ms)
{
	struct ntm_director_relays *told = relays->count ? malloc(sizeof(*told)) : NULL;
	struct ntm_direction *d;

	if (relays->count && !told)
		return false;
	d = ntm_directions_add(&core->directions, path, asker->id, target->id, core->request_id,
			       now_ms);

	if (!d) {
		free(told);
		return false;
	}
	if (told)
		*told = *relays;
	d->told = told;
	d->asked_id = 0;
	d->sessions[0] = 0;
	d->sessions[1] = target->session->keys.local_id;
	return true;
}

/* To the node its Route Direction, to the other DC what it needs for its own node's. The relays are that one's. */
static void carry_out(struct ntm_core *core, const struct ntm_peer *peer,
		      const struct ntm_msg *request, const struct ntm_node *target,
		      struct ntm_director_plan *plan)
{
	for (unsigned int i = 0; i < plan->count; i++) {
		struct ntm_msg *m = &plan->actions[i].msg;

		if (plan->actions[i].to == NTM_DIRECTOR_TO_PEER) {
			m->request_id = core->request_id++;
			ntm_send_message(core, target, m);
			continue;
		}
		if (plan->actions[i].to == NTM_DIRECTOR_TO_RELAY)
			continue;
		if (m->type == NTM_MSG_REFUSAL)
			core->counters[NTM_COUNT_REFUSALS]++;
		m->type = NTM_MSG_INFORMATION_RESPONSE;
		m->has &= ~(1u << NTM_TLV_PATH_ID | 1u << NTM_TLV_PATH_PSK | 1u << NTM_TLV_ROLE |
			    1u << NTM_TLV_RELAY);
		m->relay_count = 0;
		NTM_SET(m, STATUS);
		ntm_send_answer(core, peer, request, m);
	}
}

/* The same Information Request once more, or one that both sides know by now */
static bool known_path(const struct ntm_core *core, const struct ntm_foreigner *asker,
		       const struct ntm_node *target, const struct ntm_director_path *path,
		       uint64_t now_ms)
{
	const struct ntm_direction *d =
		ntm_directions_recent(&core->directions, asker->id, target->id, now_ms);

	return d && d->initiator == asker->id && d->path.path_id == path->path_id &&
	       target->session && d->sessions[1] == target->session->keys.local_id &&
	       !sodium_memcmp(d->path.psk, path->psk, sizeof(path->psk));
}

/* One Information Request on its way through direct() */
struct inquiry {
	struct ntm_foreigner asker;
	struct ntm_director_path path;
	struct ntm_director_relays relays;
	struct ntm_ask *crossed;
};

/* A new path: both sides' memory first. NTM_ST_OK, or why not. */
static uint16_t take_path(struct ntm_core *core, struct inquiry *q, const struct ntm_node *target,
			  bool at_once, uint64_t now_ms)
{
	const struct ntm_foreigner *asker;

	if (!q->asker.has4 && !q->asker.has6)
		return NTM_ST_UNSUPPORTED;
	if (ntm_directions_path_used(&core->directions, q->path.path_id))
		return NTM_ST_BUSY;
	asker = ntm_foreigners_put(&core->foreigners, &q->asker, now_ms);
	q->relays.at_once = at_once;
	return asker && remember(core, &q->path, asker, target, &q->relays, now_ms) ? NTM_ST_OK :
										      NTM_ST_BUSY;
}

static void direct(struct ntm_core *core, const struct ntm_peer *peer,
		   const struct ntm_msg *request, struct inquiry *q, const struct ntm_node *target,
		   uint64_t now_ms)
{
	const struct ntm_foreigner *known =
		ntm_foreigners_by_name(&core->foreigners, q->asker.name);
	struct ntm_director_node asker_view, target_view;
	struct ntm_director_ask ask = { .asker = &asker_view,
					.peer = &target_view,
					.allowed = true,
					.fresh = &q->path,
					.relays = &q->relays };
	struct ntm_director_plan plan;
	uint16_t status = NTM_ST_OK;

	ntm_direct_view(core, target, now_ms, &target_view);
	q->asker.has4 = target_view.has4 = q->asker.has4 && target_view.has4;
	q->asker.has6 = target_view.has6 = q->asker.has6 && target_view.has6;
	ntm_foreigner_view(&q->asker, &asker_view);
	if (known && known_path(core, known, target, &q->path, now_ms)) {
		ask.recent = &q->path;
		ask.recent_role = NTM_ROLE_INITIATOR;
	}
	ntm_director_decide(&ask, &plan);
	if (plan.new_path)
		status = take_path(core, q, target, plan.at_once, now_ms);
	if (status != NTM_ST_OK) {
		respond(core, peer, request, status,
			status == NTM_ST_UNSUPPORTED ? "no family of virtual addresses in common" :
						       "");
	} else {
		carry_out(core, peer, request, target, &plan);
		if (plan.new_path)
			ntm_proof_ask(core, target, now_ms);
		if (q->crossed && plan.new_path)
			end_crossing(core, q->crossed, &asker_view, &q->path, &q->relays, now_ms);
	}
	sodium_memzero(&plan, sizeof(plan));
}

void ntm_inform_request(struct ntm_core *core, struct ntm_zone *zone, const struct ntm_peer *peer,
			const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_node *target = ntm_direct_find(core, request);
	struct inquiry q = { .path.path_id = request->path_id };
	const char *wrong;

	if (!ntm_zone_may_ask(zone, now_ms)) {
		respond(core, peer, request, NTM_ST_BUSY, "too many Information Requests");
		return;
	}
	zone->answered++;
	wrong = describe(core, zone, request->peer_name, request, &q.asker);
	if (wrong) {
		complain(zone, wrong, now_ms);
		respond(core, peer, request, NTM_ST_REFUSED, wrong);
		return;
	}
	if (!target) {
		respond(core, peer, request, NTM_ST_UNKNOWN_NAME, "");
		return;
	}
	/*
	 * Our node asks for that one at this moment. Both DCs decide alike, by their keys, whose request counts. If ours does, theirs
	 * gets its answer by ours; a copy may have been overtaken by the answer that ours got.
	 */
	q.crossed = crossing(core, target, &q.asker);
	if (memcmp(core->self.public, peer->key, sizeof(core->self.public)) < 0 &&
	    (q.crossed || crossed_lately(core, target, &q.asker, now_ms)))
		return;
	memcpy(q.path.psk, request->path_psk, sizeof(q.path.psk));
	take_relays(core, zone, request, &q.relays);
	direct(core, peer, request, &q, target, now_ms);
	sodium_memzero(&q, sizeof(q));
}
