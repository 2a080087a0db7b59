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
#include "dc/abroad.h"
#include "dc/advertise.h"
#include "dc/link.h"
#include "dc/listing.h"

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
	char full[NTM_NAME_MAX + 1];

	if (name && full_name(core->config.zone, name, full))
		return failure(NTM_EXIT_USAGE,
			       "%s is too long for a relay's name: at most %d bytes in full", full,
			       NTM_RELAY_NAME_MAX);
	return failure(NTM_EXIT_USAGE, "%s is no name in the zone %s", name ? name : "nothing",
		       core->config.zone);
}

/* One invitation, and the join string that goes with it. */
static const char *prepare(const struct ntm_core *core, struct ntm_join *join, const char *given,
			   struct ntm_store_invite *invite, char string[NTM_JOIN_STR])
{
	if (!given || !full_name(core->config.zone, given, invite->name))
		return "name";
	if (invite->kind == NTM_KIND_RELAY && strlen(invite->name) > NTM_RELAY_NAME_MAX)
		return "name";
	randombytes_buf(join->token, sizeof(join->token));
	ntm_store_hash_token(join->token, invite->token);
	invite->expires = core->wall() + (int64_t)core->config.invite_lifetime;
	return ntm_join_format(join, string, NTM_JOIN_STR) ? "join string" : NULL;
}

/* Why a name cannot be invited */
static json_t *taken(const struct ntm_core *core, const struct ntm_store_invite *invite)
{
	struct ntm_store_node row;
	int err = core->store->ops->get(core->store, invite->name, &row);

	if (!err && row.kind != invite->kind)
		return failure(NTM_EXIT_ERROR, "%s is a %s's name; take another", invite->name,
			       row.kind == NTM_KIND_RELAY ? "relay" : "node");
	return failure(NTM_EXIT_ERROR, "%s is a %s or invited already; revoke it first",
		       invite->name, invite->kind == NTM_KIND_RELAY ? "relay" : "node");
}

static json_t *invite_all(struct ntm_core *core, json_t *names, struct ntm_join *join,
			  enum ntm_kind kind, struct ntm_store_invite *invites,
			  char (*strings)[NTM_JOIN_STR])
{
	size_t count = json_array_size(names), failed, i;
	json_t *joins;
	int err;

	for (i = 0; i < count; i++) {
		const char *given = json_string_value(json_array_get(names, i));

		invites[i].kind = kind;
		if (prepare(core, join, given, &invites[i], strings[i]))
			return bad_name(core, given);
	}
	err = core->store->ops->invite(core->store, invites, count, core->wall(), &failed);
	if (err == -EEXIST)
		return taken(core, &invites[failed]);
	if (err)
		return failure(NTM_EXIT_ERROR, "cannot store the invitation: %s", strerror(-err));
	joins = json_array();
	for (i = 0; i < count; i++)
		json_array_append_new(joins, json_string(strings[i]));
	return json_pack("{s:b,s:o}", "ok", 1, "joins", joins);
}

static json_t *invite(struct ntm_core *core, json_t *request)
{
	enum ntm_kind kind = json_is_true(json_object_get(request, "relay")) ? NTM_KIND_RELAY :
									       NTM_KIND_NODE;
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
		response = invite_all(core, names, &join, kind, invites, strings);
	if (strings)
		sodium_memzero(strings, count * sizeof(*strings));
	free(strings);
	free(invites);
	sodium_memzero(&join, sizeof(join));
	return response;
}

static json_t *list(struct ntm_core *core, json_t *request, enum ntm_kind kind, bool live,
		    uint64_t now_ms)
{
	const char *after = json_string_value(json_object_get(request, "after"));
	int err;
	json_t *rows =
		ntm_listing(core, kind, after ? after : "", NTM_ADMIN_BATCH, live, now_ms, &err);

	if (!rows)
		return failure(NTM_EXIT_ERROR, "cannot read the store: %s", strerror(-err));
	return json_pack("{s:b,s:o,s:b}", "ok", 1, kind == NTM_KIND_RELAY ? "relays" : "nodes",
			 rows, "more", (int)(json_array_size(rows) == NTM_ADMIN_BATCH));
}

static json_t *revoke_name(struct ntm_core *core, json_t *request)
{
	const char *given = json_string_value(json_object_get(request, "name"));
	char name[NTM_NAME_MAX + 1];
	struct ntm_node *node;
	int err;

	if (!given || !full_name(core->config.zone, given, name))
		return bad_name(core, given);
	err = core->store->ops->revoke(core->store, name);
	if (err == -ENOENT)
		return failure(NTM_EXIT_ERROR, "%s is no node or relay", name);
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
	uint32_t known[2] = { 0, 0 }, online[2] = { 0, 0 }, i;
	char key[NTM_KEY_STR];

	for (i = 0; i < core->registry.count; i++) {
		const struct ntm_node *node = ntm_registry_get(&core->registry, i);

		known[node->kind == NTM_KIND_RELAY]++;
		online[node->kind == NTM_KIND_RELAY] += ntm_registry_online(node, now_ms);
	}
	for (i = 0; i < NTM_COUNTERS; i++)
		json_object_set_new(counters, ntm_counter_names[i],
				    json_integer((json_int_t)core->counters[i]));
	ntm_key_str(core->self.public, key);
	return json_pack("{s:b,s:i,s:s,s:s,s:I,s:i,s:i,s:i,s:i,s:i,s:i,s:o,s:o,s:o}", "ok", 1,
			 "version", 1, "zone", core->config.zone, "key", key, "uptime",
			 (json_int_t)((now_ms - core->started_ms) / 1000), "nodes", (int)known[0],
			 "online", (int)online[0], "relays", (int)known[1], "relays_online",
			 (int)online[1], "unconfirmed_sessions", (int)core->sessions.guest_count,
			 "open_directions", (int)core->directions.count, "pool4",
			 pool_status(&core->pool4), "pool6", pool_status(&core->pool6), "counters",
			 counters);
}

static json_t *list_zones(const struct ntm_core *core, bool live, uint64_t now_ms)
{
	json_t *zones = ntm_abroad_zones(core, live, now_ms);

	return zones ? json_pack("{s:b,s:o}", "ok", 1, "zones", zones) : NULL;
}

static json_t *tell_key(const struct ntm_core *core)
{
	json_t *key = ntm_abroad_key(core);

	if (key)
		json_object_set_new(key, "ok", json_true());
	return key;
}

static json_t *forget_zone(struct ntm_core *core, json_t *request, uint64_t now_ms)
{
	const char *zone = json_string_value(json_object_get(request, "zone"));
	int err;

	if (!zone || !ntm_name_valid(zone))
		return failure(NTM_EXIT_USAGE, "%s is no zone", zone ? zone : "nothing");
	err = ntm_link_forget(core, zone, now_ms);
	if (err == -ENOENT)
		return failure(NTM_EXIT_ERROR, "the coordinator of %s was never met", zone);
	if (err)
		return failure(NTM_EXIT_ERROR, "cannot forget it: %s", strerror(-err));
	return json_pack("{s:b}", "ok", 1);
}

json_t *ntm_admin_run(struct ntm_core *core, json_t *request, bool live, uint64_t now_ms)
{
	const char *command = json_string_value(json_object_get(request, "command"));

	if (command && !strcmp(command, "invite"))
		return invite(core, request);
	if (command && !strcmp(command, "nodes"))
		return list(core, request, NTM_KIND_NODE, live, now_ms);
	if (command && !strcmp(command, "relays"))
		return list(core, request, NTM_KIND_RELAY, live, now_ms);
	if (command && !strcmp(command, "revoke"))
		return revoke_name(core, request);
	if (command && !strcmp(command, "zones"))
		return list_zones(core, live, now_ms);
	if (command && !strcmp(command, "key"))
		return tell_key(core);
	if (command && !strcmp(command, "forget"))
		return forget_zone(core, request, now_ms);
	if (command && !strcmp(command, "status"))
		return status(core, now_ms);
	return failure(NTM_EXIT_USAGE, "unknown command %s", command ? command : "");
}
