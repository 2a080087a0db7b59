// SPDX-License-Identifier: GPL-2.0
#include "common/table.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 64

void ntm_table_init(struct ntm_table *table)
{
	memset(table, 0, sizeof(*table));
	table->buckets = table->few;
	table->size = 1;
}

void ntm_table_done(struct ntm_table *table)
{
	if (table->buckets != table->few)
		free(table->buckets);
	ntm_table_init(table);
}

uint64_t ntm_table_hash(const void *key, size_t len)
{
	static uint8_t secret[crypto_shorthash_KEYBYTES];
	static bool made;
	uint64_t hash;

	if (!made) {
		randombytes_buf(secret, sizeof(secret));
		made = true;
	}
	crypto_shorthash((uint8_t *)&hash, key, len, secret);
	return hash;
}

static struct ntm_link **bucket(const struct ntm_table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->size - 1)];
}

static void put(struct ntm_table *table, struct ntm_link *link)
{
	struct ntm_link **head = bucket(table, link->hash);

	link->next = *head;
	*head = link;
}

static void grow(struct ntm_table *table)
{
	const size_t old_size = table->size, size = old_size < SIZE_MIN ? SIZE_MIN : old_size * 2;
	struct ntm_link **old = table->buckets, **buckets = calloc(size, sizeof(struct ntm_link *));

	if (!buckets)
		return;
	table->buckets = buckets;
	table->size = size;
	for (size_t i = 0; i < old_size; i++) {
		struct ntm_link *link, *next;

		for (link = old[i]; link; link = next) {
			next = link->next;
			put(table, link);
		}
	}
	if (old != table->few)
		free(old);
}

void ntm_table_add(struct ntm_table *table, struct ntm_link *link, uint64_t hash, void *object)
{
	if (link->linked)
		return;
	if (table->count >= table->size)
		grow(table);
	link->hash = hash;
	link->object = object;
	link->linked = true;
	put(table, link);
	table->count++;
}

void ntm_table_remove(struct ntm_table *table, struct ntm_link *link)
{
	struct ntm_link **at;

	if (!link->linked)
		return;
	for (at = bucket(table, link->hash); *at != link; at = &(*at)->next)
		;
	*at = link->next;
	link->next = NULL;
	link->linked = false;
	table->count--;
}

static struct ntm_link *same_hash(struct ntm_link *link, uint64_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct ntm_link *ntm_table_first(const struct ntm_table *table, uint64_t hash)
{
	return same_hash(*bucket(table, hash), hash);
}

struct ntm_link *ntm_table_next(const struct ntm_link *link)
{
	return same_hash(link->next, link->hash);
}
