// SPDX-License-Identifier: GPL-2.0
#include "dc/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Nodes live in chunks: growing copies no node, and a pointer to one stays good. */
#define CHUNK 1024u

int ntm_registry_init(struct ntm_registry *r)
{
	memset(r, 0, sizeof(*r));
	if (ntm_hash_init(&r->by_key, 0) || ntm_hash_init(&r->by_name, 0) ||
	    ntm_hash_init(&r->by_v4, 0) || ntm_hash_init(&r->by_v6, 0)) {
		ntm_registry_free(r);
		return -ENOMEM;
	}
	return 0;
}

static void free_node(struct ntm_node *node)
{
	if (node->session) {
		ntm_session_wipe(&node->session->keys);
		free(node->session);
	}
	free(node->candidates);
	free(node->name);
}

void ntm_registry_free(struct ntm_registry *r)
{
	uint32_t i;

	for (i = 0; i < r->count; i++)
		free_node(ntm_registry_get(r, i));
	for (i = 0; i < r->chunk_count; i++)
		free(r->chunks[i]);
	free(r->chunks);
	ntm_hash_free(&r->by_v6);
	ntm_hash_free(&r->by_v4);
	ntm_hash_free(&r->by_name);
	ntm_hash_free(&r->by_key);
	memset(r, 0, sizeof(*r));
}

static int add_chunk(struct ntm_registry *r)
{
	struct ntm_node **chunks = realloc(r->chunks, (r->chunk_count + 1) * sizeof(void *));

	if (!chunks)
		return -ENOMEM;
	r->chunks = chunks;
	chunks[r->chunk_count] = calloc(CHUNK, sizeof(struct ntm_node));
	if (!chunks[r->chunk_count])
		return -ENOMEM;
	r->chunk_count++;
	return 0;
}

int ntm_registry_reserve(struct ntm_registry *r)
{
	if (r->count == r->chunk_count * CHUNK && add_chunk(r))
		return -ENOMEM;
	if (ntm_hash_reserve(&r->by_key, 1) || ntm_hash_reserve(&r->by_name, 1) ||
	    ntm_hash_reserve(&r->by_v4, 1) || ntm_hash_reserve(&r->by_v6, 1))
		return -ENOMEM;
	return 0;
}

struct ntm_node *ntm_registry_add(struct ntm_registry *r, char *name)
{
	struct ntm_node *node;

	if (ntm_registry_reserve(r))
		return NULL;
	node = &r->chunks[r->count / CHUNK][r->count % CHUNK];
	node->id = r->count++;
	node->name = name;
	ntm_hash_insert(&r->by_name, name, strlen(name), node->id);
	return node;
}

void ntm_registry_clear_key(struct ntm_registry *r, struct ntm_node *node)
{
	if (!node->has_key)
		return;
	ntm_hash_remove(&r->by_key, node->key, sizeof(node->key), node->id);
	node->has_key = false;
}

int ntm_registry_set_key(struct ntm_registry *r, struct ntm_node *node, const uint8_t key[32])
{
	int err = ntm_hash_reserve(&r->by_key, 1);

	if (err)
		return err;
	ntm_registry_clear_key(r, node);
	memcpy(node->key, key, sizeof(node->key));
	node->has_key = true;
	return ntm_hash_insert(&r->by_key, node->key, sizeof(node->key), node->id);
}

int ntm_registry_set_v4(struct ntm_registry *r, struct ntm_node *node, struct in_addr v4)
{
	int err = ntm_hash_reserve(&r->by_v4, 1);

	if (err)
		return err;
	if (node->has4)
		ntm_hash_remove(&r->by_v4, &node->v4, sizeof(node->v4), node->id);
	node->v4 = v4;
	node->has4 = true;
	return ntm_hash_insert(&r->by_v4, &node->v4, sizeof(node->v4), node->id);
}

int ntm_registry_set_v6(struct ntm_registry *r, struct ntm_node *node, const struct in6_addr *v6)
{
	int err = ntm_hash_reserve(&r->by_v6, 1);

	if (err)
		return err;
	if (node->has6)
		ntm_hash_remove(&r->by_v6, &node->v6, sizeof(node->v6), node->id);
	node->v6 = *v6;
	node->has6 = true;
	return ntm_hash_insert(&r->by_v6, &node->v6, sizeof(node->v6), node->id);
}

int ntm_registry_set_candidates(struct ntm_node *node, const struct ntm_candidate *candidates,
				unsigned int count)
{
	struct ntm_candidate *copy = NULL;

	if (count == node->candidate_count &&
	    (!count || !memcmp(node->candidates, candidates, count * sizeof(*candidates))))
		return 0;
	if (count) {
		copy = malloc(count * sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, candidates, count * sizeof(*copy));
	}
	free(node->candidates);
	node->candidates = copy;
	node->candidate_count = count;
	return 0;
}

struct ntm_node *ntm_registry_get(const struct ntm_registry *r, uint32_t id)
{
	return id < r->count ? &r->chunks[id / CHUNK][id % CHUNK] : NULL;
}

/* For what a hash table holds: always a node. */
static const struct ntm_node *at(const struct ntm_registry *r, uint32_t id)
{
	return &r->chunks[id / CHUNK][id % CHUNK];
}

static bool key_eq(const void *ctx, uint32_t id, const void *key)
{
	return !memcmp(at(ctx, id)->key, key, 32);
}

static bool name_eq(const void *ctx, uint32_t id, const void *key)
{
	return !strcmp(at(ctx, id)->name, key);
}

static bool v4_eq(const void *ctx, uint32_t id, const void *key)
{
	return !memcmp(&at(ctx, id)->v4, key, 4);
}

static bool v6_eq(const void *ctx, uint32_t id, const void *key)
{
	return !memcmp(&at(ctx, id)->v6, key, 16);
}

struct ntm_node *ntm_registry_by_key(const struct ntm_registry *r, const uint8_t key[32])
{
	return ntm_registry_get(r, ntm_hash_find(&r->by_key, key, 32, key_eq, r));
}

struct ntm_node *ntm_registry_by_name(const struct ntm_registry *r, const char *name)
{
	return ntm_registry_get(r, ntm_hash_find(&r->by_name, name, strlen(name), name_eq, r));
}

struct ntm_node *ntm_registry_by_v4(const struct ntm_registry *r, const void *v4)
{
	return ntm_registry_get(r, ntm_hash_find(&r->by_v4, v4, 4, v4_eq, r));
}

struct ntm_node *ntm_registry_by_v6(const struct ntm_registry *r, const void *v6)
{
	return ntm_registry_get(r, ntm_hash_find(&r->by_v6, v6, 16, v6_eq, r));
}

bool ntm_registry_online(const struct ntm_node *node, uint64_t now_ms)
{
	uint64_t patience = (3 * (uint64_t)node->keepalive + 5) * 1000;

	return node->state == NTM_NODE_ACTIVE && node->registered && node->session &&
	       now_ms < node->lease_ms && now_ms - node->heard_ms <= patience;
}
