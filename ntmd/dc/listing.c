// SPDX-License-Identifier: GPL-2.0
#include "dc/listing.h"

#include <arpa/inet.h>
#include <errno.h>
#include "common/keyfile.h"

struct listing {
	const struct ntm_core *core;
	json_t *rows;
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

static void set_number(json_t *object, const char *key, int64_t value, bool has)
{
	json_object_set_new(object, key, has ? json_integer(value) : json_null());
}

static const char *state_of(const struct ntm_store_node *row, bool online)
{
	if (row->state == NTM_STORE_INVITED || row->has_token)
		return "invited";
	if (row->state == NTM_STORE_REVOKED)
		return "revoked";
	return online ? "online" : "offline";
}

static json_t *addresses(const struct ntm_relay *relay)
{
	json_t *array = json_array();
	char text[NTM_ADDR_STR];
	unsigned int i;

	for (i = 0; relay && i < 2; i++) {
		if (relay->addrs[i].sa.sa_family)
			json_array_append_new(array,
					      json_string(ntm_addr_str(&relay->addrs[i], text)));
	}
	return array;
}

static void add_relay(const struct listing *l, json_t *o, const struct ntm_node *node, bool online)
{
	const struct ntm_relay *relay =
		node && l->live ? ntm_relays_find(&l->core->relays, node->id) : NULL;

	json_object_set_new(o, "addresses", addresses(relay));
	set_number(o, "load", relay ? relay->load : 0, relay && online);
	set_number(o, "paths_last_minute", relay ? ntm_relay_last_minute(relay, l->now_ms) : 0,
		   relay != NULL);
	set_number(o, "rtt_ms", relay ? relay->rtt_ms : 0, relay && relay->rtt_ms >= 0);
}

static int add_row(void *ctx, const struct ntm_store_node *row)
{
	const struct listing *l = ctx;
	const struct ntm_node *node = ntm_registry_by_name(&l->core->registry, row->name);
	bool online = l->live && node && ntm_registry_online(node, l->now_ms);
	int64_t seen = l->live && node ? ntm_core_seen(l->core, node, l->now_ms) : row->seen;
	char addr[NTM_ADDR_STR], key[NTM_KEY_STR];
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(row->name));
	json_object_set_new(o, "state", json_string(state_of(row, online)));
	if (row->kind == NTM_KIND_RELAY) {
		add_relay(l, o, node, online);
	} else {
		set_address(o, "virtual4", AF_INET, &row->v4, row->has4);
		set_address(o, "virtual6", AF_INET6, &row->v6, row->has6);
	}
	json_object_set_new(o, "observed",
			    online ? json_string(ntm_addr_str(&node->session->addr, addr)) :
				     json_null());
	set_number(o, "last_seen", seen, seen != 0);
	set_number(o, "invite_expires", row->expires, row->has_token);
	if (row->has_key)
		ntm_key_str(row->key, key);
	json_object_set_new(o, "key", row->has_key ? json_string(key) : json_null());
	return json_array_append_new(l->rows, o) ? -ENOMEM : 0;
}

json_t *ntm_listing(const struct ntm_core *core, enum ntm_kind kind, const char *after,
		    unsigned int limit, bool live, uint64_t now_ms, int *err)
{
	struct listing l = { core, json_array(), live, now_ms };

	*err = core->store->ops->list(core->store, kind, after, limit, add_row, &l);
	if (!*err)
		return l.rows;
	json_decref(l.rows);
	return NULL;
}
