// SPDX-License-Identifier: GPL-2.0
#include "dc/hash.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MIN_SLOTS 64u

static uint32_t hash_of(const struct ntm_hash *h, const void *key, size_t len)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint32_t hash;

	crypto_shorthash(out, key, len, h->key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

static struct ntm_hash_slot *new_slots(uint32_t count)
{
	struct ntm_hash_slot *slots = malloc((size_t)count * sizeof(*slots));

	if (slots)
		memset(slots, 0xff, (size_t)count * sizeof(*slots));
	return slots;
}

static void place(struct ntm_hash *h, uint32_t hash, uint32_t value)
{
	uint32_t i = hash & h->mask;

	while (h->slots[i].value != NTM_HASH_NONE)
		i = (i + 1) & h->mask;
	h->slots[i].hash = hash;
	h->slots[i].value = value;
}

/* Three quarters full at most: linear probing stays short. */
static bool fits(uint64_t count, uint64_t slots)
{
	return count * 4 <= slots * 3;
}

int ntm_hash_init(struct ntm_hash *h, uint32_t expected)
{
	uint32_t slots = MIN_SLOTS;

	while (!fits(expected, slots))
		slots *= 2;
	h->slots = new_slots(slots);
	if (!h->slots)
		return -ENOMEM;
	h->mask = slots - 1;
	h->count = 0;
	randombytes_buf(h->key, sizeof(h->key));
	return 0;
}

void ntm_hash_free(struct ntm_hash *h)
{
	free(h->slots);
	h->slots = NULL;
	h->count = 0;
}

static int resize(struct ntm_hash *h, uint32_t slots)
{
	struct ntm_hash_slot *old = h->slots;
	uint32_t old_slots = h->mask + 1;
	uint32_t i;

	h->slots = new_slots(slots);
	if (!h->slots) {
		h->slots = old;
		return -ENOMEM;
	}
	h->mask = slots - 1;
	for (i = 0; i < old_slots; i++) {
		if (old[i].value != NTM_HASH_NONE)
			place(h, old[i].hash, old[i].value);
	}
	free(old);
	return 0;
}

int ntm_hash_reserve(struct ntm_hash *h, uint32_t more)
{
	uint64_t slots = (uint64_t)h->mask + 1;

	while (!fits((uint64_t)h->count + more, slots))
		slots *= 2;
	if (slots == (uint64_t)h->mask + 1)
		return 0;
	if (slots > UINT32_MAX)
		return -ENOMEM;
	return resize(h, slots);
}

int ntm_hash_insert(struct ntm_hash *h, const void *key, size_t len, uint32_t value)
{
	int err = ntm_hash_reserve(h, 1);

	if (err)
		return err;
	place(h, hash_of(h, key, len), value);
	h->count++;
	return 0;
}

uint32_t ntm_hash_find(const struct ntm_hash *h, const void *key, size_t len, ntm_hash_eq_fn *eq,
		       const void *ctx)
{
	uint32_t hash = hash_of(h, key, len);
	uint32_t i;

	for (i = hash & h->mask; h->slots[i].value != NTM_HASH_NONE; i = (i + 1) & h->mask) {
		if (h->slots[i].hash == hash && eq(ctx, h->slots[i].value, key))
			return h->slots[i].value;
	}
	return NTM_HASH_NONE;
}

/*
 * No tombstones: the slots behind a hole move up, unless that would put one in front of its home slot, where a
 * search would not find it.
 */
static void close_hole(struct ntm_hash *h, uint32_t hole)
{
	uint32_t i = hole;

	for (;;) {
		uint32_t home;

		i = (i + 1) & h->mask;
		if (h->slots[i].value == NTM_HASH_NONE)
			break;
		home = h->slots[i].hash & h->mask;
		if (((i - home) & h->mask) < ((i - hole) & h->mask))
			continue;
		h->slots[hole] = h->slots[i];
		hole = i;
	}
	h->slots[hole].value = NTM_HASH_NONE;
}

bool ntm_hash_remove(struct ntm_hash *h, const void *key, size_t len, uint32_t value)
{
	uint32_t i = hash_of(h, key, len) & h->mask;

	for (; h->slots[i].value != NTM_HASH_NONE; i = (i + 1) & h->mask) {
		if (h->slots[i].value == value) {
			close_hole(h, i);
			h->count--;
			return true;
		}
	}
	return false;
}
