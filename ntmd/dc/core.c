// SPDX-License-Identifier: GPL-2.0
#include "dc/core.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/keyfile.h"
#include "dc/direct.h"
#include "dc/dispatch.h"
#include "dc/inform.h"
#include "dc/link.h"

#define SWEEP_MS 1000
#define SWEEP_PARTS 10 /* so many sweeps see every node */
#define SEEN_BATCH 4096u

const char *const ntm_counter_names[NTM_COUNTERS] = {
	[NTM_COUNT_RECEIVED] = "packets_received",
	[NTM_COUNT_HANDSHAKES] = "handshakes",
	[NTM_COUNT_COOKIES] = "cookie_replies",
	[NTM_COUNT_REGISTRATIONS] = "registrations",
	[NTM_COUNT_KEEP_ALIVES] = "keep_alives",
	[NTM_COUNT_PROOFS] = "return_checks",
	[NTM_COUNT_DIRECTIONS] = "directions",
	[NTM_COUNT_REFUSALS] = "refusals",
	[NTM_COUNT_RESENT] = "route_directions_resent",
	[NTM_COUNT_UNCONFIRMED] = "route_directions_unconfirmed",
	[NTM_COUNT_RELAY_DIRECTIONS] = "relay_directions",
	[NTM_COUNT_RELAY_RESENT] = "relay_directions_resent",
	[NTM_COUNT_RELAY_RESPONSES] = "relay_responses",
	[NTM_COUNT_RELAY_REFUSED] = "relay_refusals",
	[NTM_COUNT_RELAY_SILENT] = "relay_directions_unanswered",
	[NTM_DROP_TYPE] = "drop_type",
	[NTM_DROP_HANDSHAKE] = "drop_handshake",
	[NTM_DROP_RATE] = "drop_rate",
	[NTM_DROP_SESSION] = "drop_unknown_session",
	[NTM_DROP_FORGED] = "drop_not_authentic",
	[NTM_DROP_REPLAY] = "drop_replay",
	[NTM_DROP_MALFORMED] = "drop_malformed",
	[NTM_DROP_CANDIDATE] = "drop_candidate",
	[NTM_DROP_UNEXPECTED] = "drop_unexpected",
	[NTM_DROP_SEND] = "drop_send_failed",
	[NTM_DROP_MEMORY] = "drop_out_of_memory",
};

static int64_t wall_clock(void)
{
	return time(NULL);
}

static int claim(struct ntm_pool *pool, const void *addr)
{
	int err = ntm_pool_claim(pool, addr);

	/* Taken by nobody else, as the registry is unique: one that is reserved now, and was not when it was given. */
	return err == -EEXIST ? 0 : err;
}

struct loading {
	struct ntm_core *core;
	char *error;
	size_t size;
};

static int outside(const char *name, const char *pool, char *error, size_t size)
{
	snprintf(error, size, "%s has a virtual address outside of %s: pools may only be enlarged",
		 name, pool);
	return -ERANGE;
}

static int load_node(void *ctx, const struct ntm_store_node *row)
{
	struct loading *l = ctx;
	struct ntm_registry *r = &l->core->registry;
	char *name = strdup(row->name);
	struct ntm_node *node;

	if (!name || ntm_registry_reserve(r)) {
		free(name);
		snprintf(l->error, l->size, "out of memory");
		return -ENOMEM;
	}
	node = ntm_registry_add(r, name);
	node->kind = row->kind;
	node->state = row->state == NTM_STORE_ACTIVE ? NTM_NODE_ACTIVE : NTM_NODE_REVOKED;
	node->seen = row->seen;
	if (row->has_key)
		ntm_registry_set_key(r, node, row->key);
	if (row->has4) {
		ntm_registry_set_v4(r, node, row->v4);
		if (claim(&l->core->pool4, &row->v4))
			return outside(name, "pool4", l->error, l->size);
	}
	if (row->has6) {
		ntm_registry_set_v6(r, node, &row->v6);
		if (claim(&l->core->pool6, &row->v6))
			return outside(name, "pool6", l->error, l->size);
	}
	return 0;
}

static int load_nodes(struct ntm_core *core, char *error, size_t size)
{
	struct loading l = { core, error, size };
	int err;

	snprintf(error, size, "cannot read the store");
	err = core->store->ops->load(core->store, load_node, &l);
	if (!err)
		error[0] = '\0';
	return err;
}

static int lock_state(struct ntm_core *core, char *error, size_t size)
{
	core->lock_fd = ntm_store_lock(core->config.state);
	if (core->lock_fd >= 0)
		return 0;
	if (core->lock_fd == -EWOULDBLOCK)
		snprintf(error, size, "%s: in use by another ntm-dc", core->config.state);
	else
		snprintf(error, size, "%s: %s", core->config.state, strerror(-core->lock_fd));
	return core->lock_fd;
}

static int open_files(struct ntm_core *core, char *error, size_t size)
{
	char path[256];
	int err = lock_state(core, error, size);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/key", core->config.state);
	err = ntm_keyfile_load(path, &core->self);
	if (err) {
		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	snprintf(path, sizeof(path), "%s/store.db", core->config.state);
	return ntm_store_sqlite.open(&core->store, path, error, size);
}

static int make_tables(struct ntm_core *core, uint64_t now_ms)
{
	int err = ntm_registry_init(&core->registry);

	if (!err)
		err = ntm_pool_init(&core->pool4, &core->config.pool4);
	if (!err)
		err = ntm_pool_init(&core->pool6, &core->config.pool6);
	if (!err)
		err = ntm_directions_init(&core->directions);
	if (!err)
		err = ntm_asks_init(&core->asks);
	if (!err)
		err = ntm_foreigners_init(&core->foreigners);
	if (!err)
		err = ntm_sessions_init(&core->sessions, &core->registry, &core->self,
					core->config.handshake_rate, now_ms);
	return err;
}

/* In reverse of the way up; works on a core that is open in part, as all of them start as zero bytes. */
static void tear_down(struct ntm_core *core)
{
	ntm_link_close(core);
	ntm_sessions_free(&core->sessions);
	ntm_foreigners_free(&core->foreigners);
	ntm_asks_free(&core->asks);
	ntm_directions_free(&core->directions);
	ntm_relays_free(&core->relays);
	ntm_pool_free(&core->pool6);
	ntm_pool_free(&core->pool4);
	ntm_registry_free(&core->registry);
	if (core->store)
		core->store->ops->close(core->store);
	if (core->lock_fd >= 0)
		close(core->lock_fd);
	sodium_memzero(core, sizeof(*core));
}

int ntm_core_open(struct ntm_core *core, const struct ntm_dc_config *config, uint64_t now_ms,
		  char *error, size_t size)
{
	int err;

	memset(core, 0, sizeof(*core));
	core->config = *config;
	core->wall = wall_clock;
	core->request_id = randombytes_random();
	randombytes_buf(core->end_key, sizeof(core->end_key));
	core->started_ms = now_ms;
	core->swept_ms = now_ms;
	err = open_files(core, error, size);
	if (!err) {
		err = make_tables(core, now_ms);
		snprintf(error, size, "out of memory");
	}
	if (!err)
		err = load_nodes(core, error, size);
	if (!err)
		err = ntm_link_open(core, error, size);
	if (err)
		tear_down(core);
	return err;
}

int64_t ntm_core_seen(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms)
{
	if (!node->registered || !node->heard_ms)
		return node->seen;
	return core->wall() - (int64_t)((now_ms - node->heard_ms) / 1000);
}

const char *ntm_core_storage_failed(struct ntm_core *core, const char *what, int err,
				    uint64_t now_ms)
{
	if (ntm_log_allowed(&core->storage_log, now_ms))
		ntm_err("cannot %s: %s", what, strerror(-err));
	return err == -ENOSPC ? "the coordinator's disk is full" :
				"the coordinator's store does not work";
}

static void store_seen(struct ntm_core *core, const struct ntm_store_seen *seen, size_t count,
		       uint64_t now_ms)
{
	int err = count ? core->store->ops->set_seen(core->store, seen, count) : 0;

	if (err)
		ntm_core_storage_failed(core, "store when nodes were seen last", err, now_ms);
}

/* What a look at one node says: it went offline and is to be noted. @all: so is everyone who is online, at the end. */
static bool went_offline(struct ntm_node *node, bool all, uint64_t now_ms)
{
	bool online = !all && ntm_registry_online(node, now_ms);

	if (online == node->was_online)
		return false;
	node->was_online = online;
	/* Registered all the time, it may just have been out of reach. */
	if (node->registered && !all)
		ntm_info("%s is %s", node->name, online ? "online again" : "offline");
	return !online;
}

static void sweep(struct ntm_core *core, uint32_t count, bool all, uint64_t now_ms)
{
	struct ntm_store_seen *seen = malloc(SEEN_BATCH * sizeof(*seen));
	size_t noted = 0;

	for (; seen && count; count--) {
		struct ntm_node *node = ntm_registry_get(&core->registry, core->sweep_next);

		core->sweep_next =
			core->sweep_next + 1 < core->registry.count ? core->sweep_next + 1 : 0;
		if (!went_offline(node, all, now_ms))
			continue;
		node->seen = ntm_core_seen(core, node, now_ms);
		seen[noted++] = (struct ntm_store_seen){ node->name, node->seen };
		if (noted == SEEN_BATCH) {
			store_seen(core, seen, noted, now_ms);
			noted = 0;
		}
	}
	store_seen(core, seen, noted, now_ms);
	free(seen);
}

void ntm_core_close(struct ntm_core *core, uint64_t now_ms)
{
	core->sweep_next = 0;
	sweep(core, core->registry.count, true, now_ms);
	tear_down(core);
}

void ntm_core_tick(struct ntm_core *core, uint64_t now_ms)
{
	ntm_direct_resend(core, now_ms);
	ntm_link_tick(core, now_ms);
	ntm_inform_tick(core, now_ms);
	if (now_ms - core->swept_ms < SWEEP_MS)
		return;
	core->swept_ms = now_ms;
	ntm_sessions_expire(&core->sessions, now_ms);
	if (core->registry.count)
		sweep(core, core->registry.count / SWEEP_PARTS + 1, false, now_ms);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ntm_core_next_ms(const struct ntm_core *core)
{
	uint64_t next = core->swept_ms + SWEEP_MS;

	next = earlier(next, ntm_directions_next_ms(&core->directions));
	next = earlier(next, ntm_asks_next_ms(&core->asks));
	return earlier(next, ntm_link_next_ms(core));
}

static int claim_all(const struct ntm_core *core, struct ntm_pool *pool4, struct ntm_pool *pool6,
		     char *error, size_t size)
{
	uint32_t i;

	for (i = 0; i < core->registry.count; i++) {
		const struct ntm_node *node = ntm_registry_get(&core->registry, i);

		if (node->has4 && claim(pool4, &node->v4))
			return outside(node->name, "pool4", error, size);
		if (node->has6 && claim(pool6, &node->v6))
			return outside(node->name, "pool6", error, size);
	}
	return 0;
}

static int replace_pools(struct ntm_core *core, const struct ntm_dc_config *config, char *error,
			 size_t size)
{
	struct ntm_pool pool4, pool6 = { .bits = NULL };
	int err = ntm_pool_init(&pool4, &config->pool4);

	if (!err)
		err = ntm_pool_init(&pool6, &config->pool6);
	if (err)
		snprintf(error, size, "out of memory");
	else
		err = claim_all(core, &pool4, &pool6, error, size);
	if (err) {
		ntm_pool_free(&pool6);
		ntm_pool_free(&pool4);
		return err;
	}
	ntm_pool_free(&core->pool6);
	ntm_pool_free(&core->pool4);
	core->pool4 = pool4;
	core->pool6 = pool6;
	return 0;
}

static bool same_pool(const struct ntm_pool_spec *a, const struct ntm_pool_spec *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       !memcmp(a->base, b->base, sizeof(a->base));
}

int ntm_core_reload(struct ntm_core *core, const struct ntm_dc_config *config, char *error,
		    size_t size)
{
	struct ntm_dc_config *c = &core->config;

	if (!same_pool(&c->pool4, &config->pool4) || !same_pool(&c->pool6, &config->pool6)) {
		int err = replace_pools(core, config, error, size);

		if (err)
			return err;
		c->pool4 = config->pool4;
		c->pool6 = config->pool6;
	}
	c->lease = config->lease;
	c->keepalive = config->keepalive;
	c->handshake_rate = config->handshake_rate;
	c->invite_lifetime = config->invite_lifetime;
	c->log_level = config->log_level;
	c->advertise_count = config->advertise_count;
	memcpy(c->advertise, config->advertise, sizeof(c->advertise));
	core->sessions.guard.rate = config->handshake_rate;
	c->peer_zone_count = config->peer_zone_count;
	memcpy(c->peer_zones, config->peer_zones, sizeof(c->peer_zones));
	if (ntm_link_reload(core, config)) {
		snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

void ntm_core_packet(struct ntm_core *core, const uint8_t *packet, size_t len,
		     const union ntm_addr *from, uint64_t now_ms)
{
	core->counters[NTM_COUNT_RECEIVED]++;
	if (len >= 4 && core->zones.count && ntm_link_packet(core, packet, len, from, now_ms))
		return;
	if (len >= 4 && packet[0] == NTM_PKT_SESSION_REQUEST)
		ntm_dispatch_handshake(core, packet, len, from, now_ms);
	else if (len >= 4 && packet[0] == NTM_PKT_SEALED)
		ntm_dispatch_sealed(core, packet, len, from, now_ms);
	else
		core->counters[NTM_DROP_TYPE]++;
}
