// SPDX-License-Identifier: GPL-2.0
#include "dc/foreigners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE NTM_HASH_NONE

static bool id_eq(const void *ctx, uint32_t value, const void *key)
{
	const struct ntm_foreigners *f = ctx;

	return !memcmp(&f->all[value].id, key, sizeof(f->all[value].id));
}

static bool name_eq(const void *ctx, uint32_t value, const void *key)
{
	const struct ntm_foreigners *f = ctx;

	return !strcmp(f->all[value].name, key);
}

int ntm_foreigners_init(struct ntm_foreigners *f)
{
	memset(f, 0, sizeof(*f));
	f->free = f->oldest = f->newest = NONE;
	f->all = calloc(NTM_FOREIGNERS_MAX, sizeof(*f->all));
	if (!f->all || ntm_hash_init(&f->by_id, 0) || ntm_hash_init(&f->by_name, 0)) {
		ntm_foreigners_free(f);
		return -ENOMEM;
	}
	return 0;
}

void ntm_foreigners_free(struct ntm_foreigners *f)
{
	free(f->all);
	ntm_hash_free(&f->by_name);
	ntm_hash_free(&f->by_id);
	memset(f, 0, sizeof(*f));
}

static void unlink_node(struct ntm_foreigners *f, uint32_t i)
{
	struct ntm_foreigner *node = &f->all[i];

	if (node->prev == NONE)
		f->oldest = node->next;
	else
		f->all[node->prev].next = node->next;
	if (node->next == NONE)
		f->newest = node->prev;
	else
		f->all[node->next].prev = node->prev;
}

static void link_newest(struct ntm_foreigners *f, uint32_t i, uint64_t now_ms)
{
	struct ntm_foreigner *node = &f->all[i];

	node->used_ms = now_ms;
	node->next = NONE;
	node->prev = f->newest;
	if (f->newest == NONE)
		f->oldest = i;
	else
		f->all[f->newest].next = i;
	f->newest = i;
}

static uint32_t take_slot(struct ntm_foreigners *f)
{
	uint32_t i = f->free;

	if (i == NONE)
		return f->used < NTM_FOREIGNERS_MAX ? f->used++ : NONE;
	f->free = f->all[i].next;
	return i;
}

static uint32_t find_name(const struct ntm_foreigners *f, const char *name)
{
	return ntm_hash_find(&f->by_name, name, strlen(name), name_eq, f);
}

static uint32_t add(struct ntm_foreigners *f, const char *name)
{
	uint32_t i;

	if (ntm_hash_reserve(&f->by_id, 1) || ntm_hash_reserve(&f->by_name, 1))
		return NONE;
	i = take_slot(f);
	if (i == NONE)
		return NONE;
	f->all[i].id = NTM_FOREIGN | (f->next_id++ & ~NTM_FOREIGN);
	ntm_hash_insert(&f->by_id, &f->all[i].id, sizeof(f->all[i].id), i);
	ntm_hash_insert(&f->by_name, name, strlen(name), i);
	f->count++;
	return i;
}

struct ntm_foreigner *ntm_foreigners_put(struct ntm_foreigners *f, const struct ntm_foreigner *node,
					 uint64_t now_ms)
{
	uint32_t i = find_name(f, node->name), id;

	if (i != NONE)
		unlink_node(f, i);
	else
		i = add(f, node->name);
	if (i == NONE)
		return NULL;
	id = f->all[i].id;
	f->all[i] = *node;
	f->all[i].id = id;
	link_newest(f, i, now_ms);
	return &f->all[i];
}

static struct ntm_foreigner *at(const struct ntm_foreigners *f, uint32_t i)
{
	return i == NONE ? NULL : &f->all[i];
}

struct ntm_foreigner *ntm_foreigners_get(const struct ntm_foreigners *f, uint32_t id)
{
	return at(f, ntm_hash_find(&f->by_id, &id, sizeof(id), id_eq, f));
}

struct ntm_foreigner *ntm_foreigners_by_name(const struct ntm_foreigners *f, const char *name)
{
	return at(f, find_name(f, name));
}

static bool has_address(const struct ntm_foreigner *node, const uint8_t *addr, size_t len)
{
	if (len == sizeof(node->v4))
		return node->has4 && !memcmp(&node->v4, addr, len);
	return node->has6 && !memcmp(&node->v6, addr, sizeof(node->v6));
}

struct ntm_foreigner *ntm_foreigners_by_address(const struct ntm_foreigners *f, const uint8_t *addr,
						size_t len, uint64_t since_ms)
{
	uint32_t i = f->newest;

	while (i != NONE && f->all[i].used_ms >= since_ms && !has_address(&f->all[i], addr, len))
		i = f->all[i].prev;
	return i != NONE && f->all[i].used_ms >= since_ms ? &f->all[i] : NULL;
}

void ntm_foreigners_expire(struct ntm_foreigners *f, uint64_t now_ms)
{
	uint32_t i;

	while ((i = f->oldest) != NONE && now_ms - f->all[i].used_ms >= NTM_FOREIGNER_MS) {
		struct ntm_foreigner *node = &f->all[i];

		unlink_node(f, i);
		ntm_hash_remove(&f->by_id, &node->id, sizeof(node->id), i);
		ntm_hash_remove(&f->by_name, node->name, strlen(node->name), i);
		node->next = f->free;
		f->free = i;
		f->count--;
	}
}

void ntm_foreigner_view(const struct ntm_foreigner *node, struct ntm_director_node *out)
{
	memset(out, 0, sizeof(*out));
	out->name = node->name;
	out->key = node->key;
	out->has4 = node->has4;
	out->has6 = node->has6;
	out->v4 = node->v4;
	out->v6 = node->v6;
	out->prefix4 = node->prefix4;
	out->prefix6 = node->prefix6;
	out->suites = node->suites;
	out->nat = node->nat;
	out->registered = true;
	out->online = true;
	/* Its own DC has put the address that it sees among them, first if it is none of the node's own */
	out->observed = node->candidates[0].addr;
	out->candidates = node->candidates;
	out->candidate_count = node->candidate_count;
}
