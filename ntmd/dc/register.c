// SPDX-License-Identifier: GPL-2.0
#include "dc/register.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dc/candidates.h"
#include "dc/relaying.h"

/* Every refusal has a status and a sentence; this holds them until the response is made. */
struct verdict {
	uint16_t status;
	char text[NTM_TEXT_MAX + 1];
};

static bool refuse(struct verdict *v, uint16_t status, const char *text)
{
	v->status = status;
	snprintf(v->text, sizeof(v->text), "%s", text);
	return false;
}

static bool storage_failed(struct ntm_core *core, struct verdict *v, const char *what, int err,
			   uint64_t now_ms)
{
	return refuse(v, NTM_ST_STORAGE, ntm_core_storage_failed(core, what, err, now_ms));
}

/* Without a token that helps: say what is known of this key. */
static bool refuse_stranger(struct ntm_core *core, struct verdict *v, const struct ntm_peer *peer,
			    uint16_t status, const char *text, uint64_t now_ms)
{
	int revoked = peer->node ? 1 : core->store->ops->key_revoked(core->store, peer->key);

	if (revoked < 0)
		return storage_failed(core, v, "look up a key", revoked, now_ms);
	return revoked ? refuse(v, NTM_ST_REVOKED, "") : refuse(v, status, text);
}

static bool take_from(struct ntm_core *core, struct ntm_pool *pool, void *addr, bool *has,
		      bool *taken, struct verdict *v, uint64_t now_ms)
{
	if (*has || !pool->spec.family)
		return true;
	if (ntm_pool_take(pool, addr)) {
		if (ntm_log_allowed(&core->pool_log, now_ms))
			ntm_err("%s is used up: %llu addresses given out",
				pool->spec.family == AF_INET ? "pool4" : "pool6",
				(unsigned long long)pool->used);
		return refuse(v, NTM_ST_POOL_EMPTY,
			      pool->spec.family == AF_INET ? "no virtual IPv4 address left" :
							     "no virtual IPv6 address left");
	}
	*has = *taken = true;
	return true;
}

/* What a row got from the pools, to give it back if the row cannot be stored. */
struct taken {
	bool v4, v6;
};

static void give_back(struct ntm_core *core, const struct ntm_store_node *row,
		      const struct taken *taken)
{
	if (taken->v6)
		ntm_pool_release(&core->pool6, &row->v6);
	if (taken->v4)
		ntm_pool_release(&core->pool4, &row->v4);
}

static enum ntm_kind claimed(const struct ntm_msg *request)
{
	return request->role == NTM_ROLE_RELAY ? NTM_KIND_RELAY : NTM_KIND_NODE;
}

/* A key and a name are a node's or a relay's for good: neither may speak as the other. */
static bool check_kind(struct verdict *v, const char *what, enum ntm_kind kind,
		       const struct ntm_msg *request)
{
	char text[NTM_TEXT_MAX + 1];

	if (claimed(request) == kind)
		return true;
	snprintf(text, sizeof(text), "this %s is a %s, not a %s", what,
		 kind == NTM_KIND_RELAY ? "relay's" : "node's",
		 kind == NTM_KIND_RELAY ? "node's" : "relay's");
	return refuse(v, NTM_ST_REFUSED, text);
}

static bool take_addresses(struct ntm_core *core, struct ntm_store_node *row, struct taken *taken,
			   struct verdict *v, uint64_t now_ms)
{
	memset(taken, 0, sizeof(*taken));
	if (row->kind == NTM_KIND_RELAY)
		return true;
	if (take_from(core, &core->pool4, &row->v4, &row->has4, &taken->v4, v, now_ms) &&
	    take_from(core, &core->pool6, &row->v6, &row->has6, &taken->v6, v, now_ms))
		return true;
	give_back(core, row, taken);
	return false;
}

static void copy_addresses(struct ntm_core *core, struct ntm_node *node,
			   const struct ntm_store_node *row, const struct taken *taken)
{
	if (taken->v4)
		ntm_registry_set_v4(&core->registry, node, row->v4);
	if (taken->v6)
		ntm_registry_set_v6(&core->registry, node, &row->v6);
}

/*
 * Bind the key to the token's name. Memory is made sure of first, then the store commits, and what follows cannot
 * fail: the two never disagree.
 */
static bool bind_key(struct ntm_core *core, struct ntm_peer *peer, struct ntm_store_node *row,
		     const uint8_t token[NTM_STORE_TOKEN], struct verdict *v, uint64_t now_ms)
{
	struct ntm_node *node = ntm_registry_by_name(&core->registry, row->name);
	char *name = node ? NULL : strdup(row->name);
	struct taken taken;
	int err;

	if ((!node && !name) || ntm_registry_reserve(&core->registry)) {
		free(name);
		return refuse(v, NTM_ST_BUSY, "out of memory");
	}
	if (!take_addresses(core, row, &taken, v, now_ms)) {
		free(name);
		return false;
	}
	memcpy(row->key, peer->key, sizeof(row->key));
	err = core->store->ops->bind(core->store, row, token, core->wall());
	if (err) {
		give_back(core, row, &taken);
		free(name);
		if (err == -ENOENT)
			return refuse(v, NTM_ST_TOKEN, "");
		return storage_failed(core, v, "bind a key", err, now_ms);
	}
	if (!node)
		node = ntm_registry_add(&core->registry, name);
	node->kind = row->kind;
	copy_addresses(core, node, row, &taken);
	if (peer->node && peer->node != node)
		ntm_registry_clear_key(&core->registry, peer->node);
	ntm_registry_set_key(&core->registry, node, row->key);
	node->state = NTM_NODE_ACTIVE;
	node->registered = false;
	ntm_info("%s is bound to a new %s", node->name,
		 node->kind == NTM_KIND_RELAY ? "relay" : "node");
	if (peer->node !=
	    node) /* the session of the key that was revoked must not speak for the new one */
		ntm_sessions_drop(&core->sessions, node);
	if (ntm_sessions_adopt(&core->sessions, peer, node))
		return refuse(v, NTM_ST_BUSY,
			      "out of memory"); /* the node is known; its next session will do */
	node->heard_ms = now_ms;
	return true;
}

/* The sender is no active node: its token may make it one. */
static bool admit(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *request,
		  struct verdict *v, uint64_t now_ms)
{
	uint8_t token[NTM_STORE_TOKEN];
	struct ntm_store_node row;
	int err;

	if (!request->lifetime || !NTM_HAS(request, TOKEN))
		return refuse_stranger(core, v, peer, NTM_ST_UNKNOWN_NODE, "", now_ms);
	ntm_store_hash_token(request->token, token);
	err = core->store->ops->find_token(core->store, token, core->wall(), &row);
	if (err == -ENOENT)
		return refuse_stranger(core, v, peer, NTM_ST_TOKEN, "", now_ms);
	if (err)
		return storage_failed(core, v, "look up a token", err, now_ms);
	if (NTM_HAS(request, NAME) && strcmp(request->name, row.name) != 0)
		return refuse(v, NTM_ST_NAME_TAKEN, "the token is for another name");
	if (!check_kind(v, "invitation", row.kind, request) ||
	    (peer->node && !check_kind(v, "key", peer->node->kind, request)))
		return false;
	return bind_key(core, peer, &row, token, v, now_ms);
}

/* An active node sends a token: of its own registration, used by now, or of another name. */
static bool check_token(struct ntm_core *core, const struct ntm_node *node,
			const struct ntm_msg *request, struct verdict *v, uint64_t now_ms)
{
	uint8_t token[NTM_STORE_TOKEN];
	struct ntm_store_node row;
	char text[NTM_TEXT_MAX + 1];
	int err;

	ntm_store_hash_token(request->token, token);
	err = core->store->ops->find_token(core->store, token, core->wall(), &row);
	if (err == -ENOENT)
		return true;
	if (err)
		return storage_failed(core, v, "look up a token", err, now_ms);
	snprintf(text, sizeof(text), "this key is bound to %.80s; revoke that first", node->name);
	return refuse(v, NTM_ST_REFUSED, text);
}

/* A pool was added or enlarged since the node was bound. */
static bool complete_addresses(struct ntm_core *core, struct ntm_node *node, struct verdict *v,
			       uint64_t now_ms)
{
	struct ntm_store_node row = {
		.has4 = node->has4, .has6 = node->has6, .v4 = node->v4, .v6 = node->v6
	};
	struct taken taken;
	int err;

	if (node->kind == NTM_KIND_RELAY)
		return true;
	if ((node->has4 || !core->pool4.spec.family) && (node->has6 || !core->pool6.spec.family))
		return true;
	if (ntm_registry_reserve(&core->registry))
		return refuse(v, NTM_ST_BUSY, "out of memory");
	/* What it has is enough to work with, if there is no more. */
	if (!take_addresses(core, &row, &taken, v, now_ms))
		return node->has4 || node->has6;
	snprintf(row.name, sizeof(row.name), "%s", node->name);
	err = core->store->ops->set_addresses(core->store, &row);
	if (err) {
		give_back(core, &row, &taken);
		storage_failed(core, v, "store a virtual address", err, now_ms);
		return node->has4 || node->has6;
	}
	copy_addresses(core, node, &row, &taken);
	return true;
}

static struct ntm_candidates_rule rule_for(const struct ntm_core *core, const struct ntm_node *node)
{
	return (struct ntm_candidates_rule){ &core->pool4.spec, &core->pool6.spec,
					     &node->session->addr };
}

static bool keep_node(struct ntm_core *core, struct ntm_node *node, const struct ntm_msg *request,
		      struct verdict *v)
{
	const struct ntm_candidates_rule rule = rule_for(core, node);
	struct ntm_candidate kept[NTM_CANDIDATES_MAX];
	unsigned int bad, count = ntm_candidates_keep(&rule, request->candidates,
						      request->candidate_count, kept, &bad);

	/* Only of an address that we saw it at is it known that it is nobody else's */
	for (unsigned int i = 0; i < count; i++)
		kept[i].kind = NTM_CAND_HOST;
	if (ntm_registry_set_candidates(node, kept, count))
		return refuse(v, NTM_ST_BUSY, "out of memory");
	core->counters[NTM_DROP_CANDIDATE] += bad;
	ntm_relaying_measured(core, node, request);
	return true;
}

static bool keep_relay(struct ntm_core *core, const struct ntm_node *node,
		       const struct ntm_msg *request, struct verdict *v)
{
	const struct ntm_candidates_rule rule = rule_for(core, node);
	union ntm_addr addrs[2];

	if (!request->lifetime)
		return true;
	if (!NTM_HAS(request, LOAD))
		return refuse(v, NTM_ST_REFUSED, "a relay has to tell its load");
	if (!ntm_candidates_relay(&rule, request->candidates, request->candidate_count, addrs))
		return refuse(v, NTM_ST_REFUSED, "no address at which nodes could reach the relay");
	if (ntm_relays_set(&core->relays, node->id, request->load, addrs))
		return refuse(v, NTM_ST_BUSY, "out of memory");
	return true;
}

/* What the request tells of its sender */
static bool keep(struct ntm_core *core, struct ntm_node *node, const struct ntm_msg *request,
		 struct verdict *v)
{
	return node->kind == NTM_KIND_RELAY ? keep_relay(core, node, request, v) :
					      keep_node(core, node, request, v);
}

static void goodbye(struct ntm_core *core, struct ntm_node *node, uint64_t now_ms)
{
	if (!node->registered)
		return;
	ntm_info("%s says goodbye", node->name);
	node->seen = ntm_core_seen(core, node, now_ms);
	node->registered = false; /* was_online stays: the sweep stores when it was seen */
}

static void renew(struct ntm_core *core, struct ntm_node *node, const struct ntm_msg *request,
		  uint32_t lifetime, uint64_t now_ms)
{
	char addr[NTM_ADDR_STR];

	if (!ntm_registry_online(node, now_ms))
		ntm_info("%s is online at %s", node->name,
			 ntm_addr_str(&node->session->addr, addr));
	node->registered = true;
	node->was_online = true;
	node->suites = request->suites;
	node->lease_ms = now_ms + (uint64_t)lifetime * 1000;
	node->keepalive = (uint16_t)core->config.keepalive;
}

/* What leases say of another zone; bytes that say nothing are 0 */
static void describe(const struct ntm_zone *zone, struct ntm_zone_info *info)
{
	memset(info, 0, sizeof(*info));
	snprintf(info->name, sizeof(info->name), "%s", zone->name);
	info->prefix4 = NTM_NO_PREFIX;
	info->prefix6 = NTM_NO_PREFIX;
	if (zone->use4) {
		info->virtual4 = zone->networks.virtual4;
		info->prefix4 = zone->networks.prefix4;
	}
	if (zone->use6) {
		info->virtual6 = zone->networks.virtual6;
		info->prefix6 = zone->networks.prefix6;
	}
}

/* A hash of it all */
static uint64_t zones_now(const struct ntm_core *core)
{
	uint8_t key[crypto_shorthash_KEYBYTES] = { 0 }; /* begins with the hash of those before */
	uint64_t hash = 0;

	for (unsigned int i = 0; i < core->zones.count; i++) {
		struct ntm_zone_info info;

		describe(core->zones.all[i], &info);
		memcpy(key, &hash, sizeof(hash));
		crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&info,
				 offsetof(struct ntm_zone_info, name) + strlen(info.name), key);
	}
	return hash;
}

static uint8_t prefix_of(const struct ntm_pool *pool)
{
	return pool->spec.family ? pool->spec.prefix : 0;
}

bool ntm_register_news(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms)
{
	/* That there are less relays than there were is no news: a node sees that for itself when it uses one. */
	return node->registered &&
	       (now_ms >= node->lease_ms || node->keepalive != core->config.keepalive ||
		node->told_zones != zones_now(core) ||
		node->told_prefix4 != prefix_of(&core->pool4) ||
		node->told_prefix6 != prefix_of(&core->pool6) ||
		ntm_relaying_count(core, NTM_RELAYS_MAX, now_ms) > node->told_relays);
}

/*
 * The other zones, those with their networks that are known. There is room for a few long names in a packet: what does not fit is
 * left out, the last first, but more than two relays before that.
 */
static void put_zones(const struct ntm_core *core, struct ntm_msg *response)
{
	uint8_t room[NTM_DATAGRAM_MAX - NTM_SEALED_OVERHEAD];

	for (unsigned int i = 0; i < core->zones.count; i++) {
		describe(core->zones.all[i], &response->peer_zones[response->peer_zone_count++]);
		NTM_SET(response, PEER_ZONE);
	}
	while (response->peer_zone_count && ntm_msg_encode(response, room, sizeof(room)) < 0)
		(*(response->relay_count > 2 ? &response->relay_count :
					       &response->peer_zone_count))--;
}

static void grant(const struct ntm_core *core, struct ntm_node *node, uint32_t lifetime,
		  uint64_t now_ms, struct ntm_msg *response)
{
	snprintf(response->name, sizeof(response->name), "%s", node->name);
	snprintf(response->zone, sizeof(response->zone), "%s", core->config.zone);
	response->lifetime = lifetime;
	response->keepalive = core->config.keepalive;
	response->observed.kind = NTM_CAND_REFLEXIVE;
	response->observed.addr = node->session->addr;
	NTM_SET(response, NAME);
	NTM_SET(response, ZONE);
	NTM_SET(response, LIFETIME);
	NTM_SET(response, KEEPALIVE);
	NTM_SET(response, OBSERVED);
	if (node->kind == NTM_KIND_RELAY) {
		response->role = NTM_ROLE_RELAY;
		NTM_SET(response, ROLE);
		return;
	}
	ntm_relaying_tell(core, node, now_ms, response);
	node->told_relays = response->relay_count;
	node->told_zones = zones_now(core);
	node->told_prefix4 = prefix_of(&core->pool4);
	node->told_prefix6 = prefix_of(&core->pool6);
	if (node->has4) {
		response->virtual4 = node->v4;
		response->prefix4 = core->pool4.spec.prefix;
		NTM_SET(response, VIRTUAL4);
	}
	if (node->has6) {
		response->virtual6 = node->v6;
		response->prefix6 = core->pool6.spec.prefix;
		NTM_SET(response, VIRTUAL6);
	}
	put_zones(core, response);
}

static bool decide(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *request,
		   struct verdict *v, uint64_t now_ms)
{
	struct ntm_node *node = peer->node;

	if (!node || node->state != NTM_NODE_ACTIVE)
		return admit(core, peer, request, v, now_ms);
	if (!check_kind(v, "key", node->kind, request))
		return false;
	if (NTM_HAS(request, NAME) && strcmp(request->name, node->name) != 0)
		return refuse(v, NTM_ST_NAME_TAKEN, "this key is bound to another name");
	if (NTM_HAS(request, TOKEN) && !check_token(core, node, request, v, now_ms))
		return false;
	return complete_addresses(core, node, v, now_ms);
}

static void log_refusal(struct ntm_core *core, const struct ntm_peer *peer, const struct verdict *v,
			uint64_t now_ms)
{
	const struct ntm_node *node = peer->node;
	const bool ours = node && node->state == NTM_NODE_ACTIVE;
	char addr[NTM_ADDR_STR];

	if (ntm_log_allowed(ours ? &core->node_log : &core->stranger_log, now_ms))
		ntm_warn("registration of %s at %s refused: %s%s%s",
			 node ? node->name : "an unknown node", ntm_addr_str(peer->addr, addr),
			 ntm_status_name(v->status), v->text[0] ? ": " : "", v->text);
}

void ntm_register(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *request,
		  struct ntm_msg *response, uint64_t now_ms)
{
	uint32_t lifetime = request->lifetime < core->config.lease ? request->lifetime :
								     core->config.lease;
	struct verdict v = { .status = NTM_ST_OK };
	bool good;

	memset(response, 0, sizeof(*response));
	response->type = NTM_MSG_REGISTRATION_RESPONSE;
	NTM_SET(response, STATUS);
	good = decide(core, peer, request, &v, now_ms);
	if (good)
		good = keep(core, peer->node, request, &v);
	if (!good) {
		response->status = v.status;
		memcpy(response->text, v.text, sizeof(response->text));
		log_refusal(core, peer, &v, now_ms);
		core->counters[NTM_COUNT_REFUSALS]++;
		return;
	}
	if (lifetime)
		renew(core, peer->node, request, lifetime, now_ms);
	else
		goodbye(core, peer->node, now_ms);
	grant(core, peer->node, lifetime, now_ms, response);
	core->counters[NTM_COUNT_REGISTRATIONS]++;
}
