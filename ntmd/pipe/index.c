// SPDX-License-Identifier: GPL-2.0
#include "pipe/index.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 16u

/** struct ntm_index_slots - @used: slots that are not free, gravestones included */
struct ntm_index_slots {
	struct ntm_garbage garbage;
	size_t size, used, live;
	void *_Atomic slot[];
};

static char gravestone;

static uint64_t hash(const struct ntm_index *index, const void *key)
{
	uint64_t h;

	_Static_assert(crypto_shorthash_BYTES == sizeof(h), "one word");
	_Static_assert(crypto_shorthash_KEYBYTES == sizeof(index->hash_key), "its key");
	crypto_shorthash((uint8_t *)&h, key, index->ops->len, index->hash_key);
	return h;
}

static bool is_object(const void *object)
{
	return object && object != &gravestone;
}

static void put(const struct ntm_index *index, struct ntm_index_slots *slots, void *object)
{
	size_t at = hash(index, index->ops->key(object)) & (slots->size - 1);

	while (atomic_load_explicit(&slots->slot[at], memory_order_relaxed))
		at = (at + 1) & (slots->size - 1);
	atomic_store(&slots->slot[at], object);
	slots->used++;
	slots->live++;
}

int ntm_index_reserve(struct ntm_index *index)
{
	struct ntm_index_slots *old = atomic_load(&index->slots), *slots;
	size_t size = SIZE_MIN;

	if (old && (old->used + 1) * 2 <= old->size)
		return 0;
	while (old && size < (old->live + 1) * 4)
		size *= 2;
	slots = calloc(1, sizeof(*slots) + size * sizeof(slots->slot[0]));
	if (!slots)
		return -ENOMEM;
	slots->size = size;
	for (size_t i = 0; old && i < old->size; i++) {
		void *object = atomic_load(&old->slot[i]);

		if (is_object(object))
			put(index, slots, object);
	}
	atomic_store(&index->slots, slots);
	if (old)
		ntm_garbage_discard(index->bin, &old->garbage, ntm_garbage_free);
	return 0;
}

void ntm_index_add(struct ntm_index *index, void *object)
{
	put(index, atomic_load(&index->slots), object);
}

void ntm_index_remove(struct ntm_index *index, void *object)
{
	struct ntm_index_slots *slots = atomic_load(&index->slots);
	size_t at = hash(index, index->ops->key(object)) & (slots->size - 1);

	while (atomic_load(&slots->slot[at]) != object)
		at = (at + 1) & (slots->size - 1);
	atomic_store(&slots->slot[at], &gravestone);
	slots->live--;
}

void *ntm_index_find(struct ntm_index *index, const void *key)
{
	const struct ntm_index_slots *slots = atomic_load(&index->slots);
	size_t at = hash(index, key) & (slots->size - 1);
	void *object;

	while ((object = atomic_load(&slots->slot[at]))) {
		if (object != &gravestone && !memcmp(index->ops->key(object), key, index->ops->len))
			return object;
		at = (at + 1) & (slots->size - 1);
	}
	return NULL;
}

void ntm_index_each(struct ntm_index *index, void (*fn)(void *ctx, void *object), void *ctx)
{
	struct ntm_index_slots *slots = atomic_load(&index->slots);

	for (size_t i = 0; i < slots->size; i++) {
		void *object = atomic_load(&slots->slot[i]);

		if (is_object(object))
			fn(ctx, object);
	}
}

size_t ntm_index_count(const struct ntm_index *index)
{
	return atomic_load(&index->slots)->live;
}

int ntm_index_init(struct ntm_index *index, const struct ntm_index_ops *ops,
		   struct ntm_garbage_bin *bin)
{
	memset(index, 0, sizeof(*index));
	index->ops = ops;
	index->bin = bin;
	randombytes_buf(index->hash_key, sizeof(index->hash_key));
	return ntm_index_reserve(index);
}

void ntm_index_done(struct ntm_index *index)
{
	free(atomic_load(&index->slots));
	atomic_store(&index->slots, NULL);
}
