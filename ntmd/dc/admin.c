// SPDX-License-Identifier: GPL-2.0
#include "dc/admin.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/control.h"
#include "common/keyfile.h"
#include "dc/advertise.h"

__attribute__((format(printf, 2, 3))) static json_t *failure(int code, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", text, "code", code);
}

/* A label, or a name in the zone, becomes the full name; false: it is neither. */
static bool full_name(const char *zone, const char *given, char out[NTM_NAME_MAX + 1])
{
	size_t zone_len = strlen(zone), len;
	int got;
	char *c;

	if (strchr(given, '.'))
		got = snprintf(out, NTM_NAME_MAX + 1, "%s", given);
	else
		got = snprintf(out, NTM_NAME_MAX + 1, "%s.%s", given, zone);
	if (got < 1 || got > NTM_NAME_MAX)
		return false;
	for (c = out; *c; c++)
		*c = tolower((unsigned char)*c);
	len = strlen(out);
	if (out[len - 1] == '.')
		out[--len] = '\0';
	return ntm_name_valid(out) && len > zone_len + 1 && out[len - zone_len - 1] == '.' &&
	       !strcmp(out + len - zone_len, zone);
}

static json_t *bad_name(const struct ntm_core *core, const char *name)
{
	return failure(NTM_EXIT_USAGE, "%s is no name in the zone %s", name ? name : "nothing",
		       core->config.zone);
}

/* One invitation, and the join string that goes with it. */
static const char *prepare(const struct ntm_core *core, struct ntm_join *join, const char *given,
			   struct ntm_store_invite *invite, char string[NTM_JOIN_STR])
{
	if (!given || !full_name(core->config.zone, given, invite->name))
		return "name";
	randombytes_buf(join->token, sizeof(join->token));
	ntm_store_hash_token(join->token, invite->token);
	invite->expires = core->wall() + (int64_t)core->config.invite_lifetime;
	return ntm_join_format(join, string, NTM_JOIN_STR) ? "join string" : NULL;
}

static json_t *invite_all(struct ntm_core *core, json_t *names, struct ntm_join *join,
			  struct ntm_store_invite *invites, char (*strings)[NTM_JOIN_STR])
{
	size_t count = json_array_size(names), failed, i;
	json_t *joins;
	int err;

	for (i = 0; i < count; i++) {
		const char *given = json_string_value(json_array_get(names, i));

		if (prepare(core, join, given, &invites[i], strings[i]))
			return bad_name(core, given);
	}
	err = core->store->ops->invite(core->store, invites, count, core->wall(), &failed);
	if (err == -EEXIST)
		return failure(NTM_EXIT_ERROR, "%s is a node or invited already; revoke it first",
			       invites[failed].name);
	if (err)
		return failure(NTM_EXIT_ERROR, "cannot store the invitation: %s", strerror(-err));
	joins = json_array();
	for (i = 0; i < count; i++)
		json_array_append_new(joins, json_string(strings[i]));
	return json_pack("{s:b,s:o}", "ok", 1, "joins", joins);
}

static json_t *invite_nodes(struct ntm_core *core, json_t *request)
{
	json_t *names = json_object_get(request, "names"), *response = NULL;
	size_t count = json_array_size(names);
	struct ntm_store_invite *invites;
	char(*strings)[NTM_JOIN_STR];
	struct ntm_join join;

	if (!count || count > NTM_ADMIN_BATCH)
		return failure(NTM_EXIT_USAGE, "\"names\" must be an array of 1 to %d",
			       NTM_ADMIN_BATCH);
	if (ntm_advertise(&core->config, &join))
		return failure(
			NTM_EXIT_ERROR,
			"this host has no global address for the join string; set advertise=");
	memcpy(join.dc_key, core->self.public, sizeof(join.dc_key));
	invites = calloc(count, sizeof(*invites));
	strings = calloc(count, sizeof(*strings));
	if (invites && strings)
		response = invite_all(core, names, &join, invites, strings);
	if (strings)
		sodium_memzero(strings, count * sizeof(*strings));
	free(strings);
	free(invites);
	sodium_memzero(&join, sizeof(join));
	return response;
}

struct listing {
	const struct ntm_core *core;
	json_t *nodes;
	bool live;
	uint64_t now_ms;
};

static void set_address(json_t *object, const char *key, int family, const void *addr, bool has)
{
	char text[INET6_ADDRSTRLEN];

	json_object_set_new(object, key,
			    has ? json_string(inet_ntop(family, addr, text, sizeof(text))) :
				  json_null());
}

static const char *state_of(const struct ntm_store_node *row, bool online)
{
	if (row->state == NTM_STORE_INVITED || row->has_token)
		return "invited";
	if (row->state == NTM_STORE_REVOKED)
		return "revoked";
	return online ? "online" : "offline";
}

static int list_row(void *ctx, const struct ntm_store_node *row)
{
	const struct listing *l = ctx;
	const struct ntm_node *node = ntm_registry_by_name(&l->core->registry, row->name);
	bool online = l->live && node && ntm_core_online(l->core, node, l->now_ms);
	int64_t seen = l->live && node ? ntm_core_seen(l->core, node, l->now_ms) : row->seen;
	char addr[NTM_ADDR_STR], key[NTM_KEY_STR];
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(row->name));
	json_object_set_new(o, "state", json_string(state_of(row, online)));
	set_address(o, "virtual4", AF_INET, &row->v4, row->has4);
	set_address(o, "virtual6", AF_INET6, &row->v6, row->has6);
	json_object_set_new(o, "observed",
			    online ? json_string(ntm_addr_str(&node->session->addr, addr)) :
				     json_null());
	json_object_set_new(o, "last_seen", seen ? json_integer(seen) : json_null());
	json_object_set_new(o, "invite_expires",
			    row->has_token ? json_integer(row->expires) : json_null());
	if (row->has_key)
		ntm_key_str(row->key, key);
	json_object_set_new(o, "key", row->has_key ? json_string(key) : json_null());
	return json_array_append_new(l->nodes, o) ? -ENOMEM : 0;
}

static json_t *list_nodes(struct ntm_core *core, json_t *request, bool live, uint64_t now_ms)
{
	const char *after = json_string_value(json_object_get(request, "after"));
	struct listing l = { core, json_array(), live, now_ms };
	int err = core->store->ops->list(core->store, after ? after : "", NTM_ADMIN_BATCH, list_row,
					 &l);

	if (err) {
		json_decref(l.nodes);
		return failure(NTM_EXIT_ERROR, "cannot read the store: %s", strerror(-err));
	}
	return json_pack("{s:b,s:o,s:b}", "ok", 1, "nodes", l.nodes, "more",
			 (int)(json_array_size(l.nodes) == NTM_ADMIN_BATCH));
}

static json_t *revoke_node(struct ntm_core *core, json_t *request)
{
	const char *given = json_string_value(json_object_get(request, "name"));
	char name[NTM_NAME_MAX + 1];
	struct ntm_node *node;
	int err;

	if (!given || !full_name(core->config.zone, given, name))
		return bad_name(core, given);
	err = core->store->ops->revoke(core->store, name);
	if (err == -ENOENT)
		return failure(NTM_EXIT_ERROR, "%s is no node", name);
	if (err == -EALREADY)
		return failure(NTM_EXIT_ERROR, "%s is revoked already", name);
	if (err)
		return failure(NTM_EXIT_ERROR, "cannot store the revocation: %s", strerror(-err));
	node = ntm_registry_by_name(&core->registry, name);
	if (node) {
		/* Its session stays, so that it can be told. */
		node->state = NTM_NODE_REVOKED;
		node->registered = false;
	}
	ntm_info("%s is revoked", name);
	return json_pack("{s:b,s:s}", "ok", 1, "name", name);
}

static json_t *pool_status(const struct ntm_pool *pool)
{
	char text[INET6_ADDRSTRLEN], prefix[INET6_ADDRSTRLEN + 4];

	if (!pool->spec.family)
		return json_null();
	inet_ntop(pool->spec.family, pool->spec.base, text, sizeof(text));
	snprintf(prefix, sizeof(prefix), "%s/%u", text, pool->spec.prefix);
	return json_pack("{s:s,s:I,s:I}", "prefix", prefix, "used", (json_int_t)pool->used, "size",
			 (json_int_t)ntm_pool_room(pool));
}

static json_t *status(struct ntm_core *core, uint64_t now_ms)
{
	json_t *counters = json_object();
	char key[NTM_KEY_STR];
	uint32_t online = 0, i;

	for (i = 0; i < core->registry.count; i++)
		online += ntm_core_online(core, ntm_registry_get(&core->registry, i), now_ms);
	for (i = 0; i < NTM_COUNTERS; i++)
		json_object_set_new(counters, ntm_counter_names[i],
				    json_integer((json_int_t)core->counters[i]));
	ntm_key_str(core->self.public, key);
	return json_pack("{s:b,s:i,s:s,s:s,s:I,s:i,s:i,s:i,s:i,s:o,s:o,s:o}", "ok", 1, "version", 1,
			 "zone", core->config.zone, "key", key, "uptime",
			 (json_int_t)((now_ms - core->started_ms) / 1000), "nodes",
			 (int)core->registry.count, "online", (int)online, "unconfirmed_sessions",
			 (int)core->sessions.guest_count, "open_directions",
			 (int)core->directions.count, "pool4", pool_status(&core->pool4), "pool6",
			 pool_status(&core->pool6), "counters", counters);
}

json_t *ntm_admin_run(struct ntm_core *core, json_t *request, bool live, uint64_t now_ms)
{
	const char *command = json_string_value(json_object_get(request, "command"));

	if (command && !strcmp(command, "invite"))
		return invite_nodes(core, request);
	if (command && !strcmp(command, "nodes"))
		return list_nodes(core, request, live, now_ms);
	if (command && !strcmp(command, "revoke"))
		return revoke_node(core, request);
	if (command && !strcmp(command, "status"))
		return status(core, now_ms);
	return failure(NTM_EXIT_USAGE, "unknown command %s", command ? command : "");
}
