// SPDX-License-Identifier: GPL-2.0
#include "pipe/path.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MIN 16u

/**
 * struct ntm_index - a hash table with open addressing
 * @used:	slots that are not free, gravestones included
 *
 * It is replaced as a whole when it is half full; readers of the old one still find all that was there.
 */
struct ntm_index {
	struct ntm_garbage garbage;
	size_t size, used, live;
	struct ntm_path *_Atomic slot[];
};

static struct ntm_path gravestone;

/* Garbage */

void ntm_paths_discard(struct ntm_paths *paths, struct ntm_garbage *garbage,
		       void (*destroy)(struct ntm_garbage *))
{
	garbage->destroy = destroy;
	garbage->next = atomic_load(&paths->fresh);
	while (!atomic_compare_exchange_weak(&paths->fresh, &garbage->next, garbage))
		;
}

static void destroy_plain(struct ntm_garbage *garbage)
{
	free(garbage);
}

static void destroy_key(struct ntm_garbage *garbage)
{
	ntm_pipe_key_free((struct ntm_pipe_key *)garbage);
}

static void destroy_path(struct ntm_garbage *garbage)
{
	struct ntm_path *path = (struct ntm_path *)garbage;

	free(atomic_load(&path->endpoint));
	for (unsigned int i = 0; i < NTM_WIRE_EPOCHS; i++)
		ntm_pipe_key_free(atomic_load(&path->rx[i]));
	pthread_mutex_destroy(&path->lock);
	free(path);
}

static bool passed(const struct ntm_paths *paths, const struct ntm_garbage *garbage)
{
	for (unsigned int i = 0; i < NTM_PATHS_LANES; i++)
		if (paths->lanes[i] && !ntm_lane_passed(paths->lanes[i], garbage->marks[i]))
			return false;
	return true;
}

static void mark_fresh(struct ntm_paths *paths)
{
	struct ntm_garbage *garbage = atomic_exchange(&paths->fresh, NULL), *next;

	for (; garbage; garbage = next) {
		next = garbage->next;
		for (unsigned int i = 0; i < NTM_PATHS_LANES; i++)
			garbage->marks[i] = paths->lanes[i] ? ntm_lane_mark(paths->lanes[i]) : 0;
		garbage->next = paths->waiting;
		paths->waiting = garbage;
	}
}

bool ntm_paths_collect(struct ntm_paths *paths)
{
	struct ntm_garbage **at = &paths->waiting, *garbage;

	mark_fresh(paths);
	while ((garbage = *at)) {
		if (passed(paths, garbage)) {
			*at = garbage->next;
			garbage->destroy(garbage);
		} else {
			at = &garbage->next;
		}
	}
	return paths->waiting;
}

/* Indexes */

static uint64_t hash(const struct ntm_paths *paths, const void *key, size_t len)
{
	uint64_t h;

	_Static_assert(crypto_shorthash_BYTES == sizeof(h), "one word");
	_Static_assert(crypto_shorthash_KEYBYTES == sizeof(paths->hash_key), "its key");
	crypto_shorthash((uint8_t *)&h, key, len, paths->hash_key);
	return h;
}

static struct ntm_index *index_new(size_t size)
{
	struct ntm_index *index = calloc(1, sizeof(*index) + size * sizeof(index->slot[0]));

	if (index)
		index->size = size;
	return index;
}

static void index_put(struct ntm_index *index, uint64_t h, struct ntm_path *path)
{
	size_t at = h & (index->size - 1);

	while (atomic_load_explicit(&index->slot[at], memory_order_relaxed))
		at = (at + 1) & (index->size - 1);
	atomic_store(&index->slot[at], path);
	index->used++;
	index->live++;
}

/* Which of a path's keys an index is about */
enum by { BY_ID, BY_V4, BY_V6 };

static uint64_t hash_of(const struct ntm_paths *paths, const struct ntm_path *path, enum by by)
{
	switch (by) {
	case BY_ID:
		return hash(paths, &path->id, sizeof(path->id));
	case BY_V4:
		return hash(paths, path->peer.v4, sizeof(path->peer.v4));
	default:
		return hash(paths, path->peer.v6, sizeof(path->peer.v6));
	}
}

static struct ntm_index *_Atomic *index_by(struct ntm_paths *paths, enum by by)
{
	return by == BY_ID ? &paths->by_id : by == BY_V4 ? &paths->by_v4 : &paths->by_v6;
}

static bool path_has(const struct ntm_path *path, enum by by)
{
	return by == BY_ID || (by == BY_V4 ? path->peer.has_v4 : path->peer.has_v6);
}

/* Room for one more: afterwards index_put() cannot fail */
static int index_reserve(struct ntm_paths *paths, enum by by)
{
	struct ntm_index *old = atomic_load(index_by(paths, by)), *index;
	size_t size = INDEX_MIN;

	if (old && (old->used + 1) * 2 <= old->size)
		return 0;
	while (old && size < (old->live + 1) * 4)
		size *= 2;
	index = index_new(size);
	if (!index)
		return -ENOMEM;
	for (size_t i = 0; old && i < old->size; i++) {
		struct ntm_path *path = atomic_load(&old->slot[i]);

		if (path && path != &gravestone)
			index_put(index, hash_of(paths, path, by), path);
	}
	atomic_store(index_by(paths, by), index);
	if (old)
		ntm_paths_discard(paths, &old->garbage, destroy_plain);
	return 0;
}

static void index_remove(struct ntm_paths *paths, enum by by, struct ntm_path *path)
{
	struct ntm_index *index = atomic_load(index_by(paths, by));
	size_t at = hash_of(paths, path, by) & (index->size - 1);

	while (atomic_load(&index->slot[at]) != path)
		at = (at + 1) & (index->size - 1);
	atomic_store(&index->slot[at], &gravestone);
	index->live--;
}

/* Lookups */

#define FIND(index_ptr, h, match)                                  \
	({                                                         \
		struct ntm_index *index_ = atomic_load(index_ptr); \
		struct ntm_path *path, *found_ = NULL;             \
		size_t at_ = (h) & (index_->size - 1);             \
		while ((path = atomic_load(&index_->slot[at_]))) { \
			if (path != &gravestone && (match)) {      \
				found_ = path;                     \
				break;                             \
			}                                          \
			at_ = (at_ + 1) & (index_->size - 1);      \
		}                                                  \
		found_;                                            \
	})

struct ntm_path *ntm_paths_by_id(struct ntm_paths *paths, uint32_t id)
{
	return FIND(&paths->by_id, hash(paths, &id, sizeof(id)), path->id == id);
}

struct ntm_path *ntm_paths_by_virtual(struct ntm_paths *paths, int family, const uint8_t *virt)
{
	if (family == AF_INET)
		return FIND(&paths->by_v4, hash(paths, virt, 4), !memcmp(path->peer.v4, virt, 4));
	return FIND(&paths->by_v6, hash(paths, virt, 16), !memcmp(path->peer.v6, virt, 16));
}

/* Keys */

struct ntm_pipe_key *ntm_pipe_key_new(uint8_t suite, uint32_t epoch, const uint8_t *tx,
				      const uint8_t *rx, unsigned int threads)
{
	struct ntm_pipe_key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	key->epoch = epoch;
	key->suite = suite;
	key->tx = ntm_aead_new(suite, true, tx, threads);
	key->rx = ntm_aead_new(suite, false, rx, threads);
	if (key->tx && key->rx)
		return key;
	ntm_pipe_key_free(key);
	return NULL;
}

void ntm_pipe_key_free(struct ntm_pipe_key *key)
{
	if (!key)
		return;
	ntm_aead_free(key->tx);
	ntm_aead_free(key->rx);
	free(key);
}

/* Valid beside the sending key are the one before it and the one after it, which is pending; without one, none */
static void prune(struct ntm_paths *paths, struct ntm_path *path, const struct ntm_pipe_key *tx)
{
	for (unsigned int i = 0; i < NTM_WIRE_EPOCHS; i++) {
		struct ntm_pipe_key *key = atomic_load(&path->rx[i]);

		if (!key || (tx && key->epoch - tx->epoch + 1 <= 2))
			continue;
		atomic_store(&path->rx[i], NULL);
		ntm_paths_discard(paths, &key->garbage, destroy_key);
	}
}

int ntm_path_key(struct ntm_paths *paths, struct ntm_path *path, struct ntm_pipe_key *key,
		 bool confirmed)
{
	const struct ntm_pipe_key *tx;
	struct ntm_pipe_key *pending;

	pthread_mutex_lock(&path->lock);
	tx = atomic_load(&path->tx);
	if (tx && key->epoch != tx->epoch + 1) {
		pthread_mutex_unlock(&path->lock);
		return -EEXIST;
	}
	prune(paths, path, tx && confirmed ? key : tx);
	pending = atomic_exchange(&path->rx[key->epoch % NTM_WIRE_EPOCHS], key);
	if (pending)
		ntm_paths_discard(paths, &pending->garbage, destroy_key);
	if (confirmed)
		atomic_store(&path->tx, key);
	pthread_mutex_unlock(&path->lock);
	return 0;
}

/* The usual case, without the lock: the key is the sending key */
bool ntm_path_confirm(struct ntm_paths *paths, struct ntm_path *path, struct ntm_pipe_key *key)
{
	const struct ntm_pipe_key *tx = atomic_load(&path->tx);
	bool was_pending;

	if (tx == key)
		return false;
	pthread_mutex_lock(&path->lock);
	tx = atomic_load(&path->tx);
	was_pending = atomic_load(&path->rx[key->epoch % NTM_WIRE_EPOCHS]) == key &&
		      (!tx || (int32_t)(key->epoch - tx->epoch) > 0);
	if (was_pending) {
		atomic_store(&path->tx, key);
		prune(paths, path, key);
	}
	pthread_mutex_unlock(&path->lock);
	return was_pending;
}

/* Paths */

int ntm_paths_add(struct ntm_paths *paths, uint32_t id, const struct ntm_inner_peer *peer,
		  unsigned int mtu, struct ntm_path **out)
{
	struct ntm_path *path;

	if (ntm_paths_by_id(paths, id) ||
	    (peer->has_v4 && ntm_paths_by_virtual(paths, AF_INET, peer->v4)) ||
	    (peer->has_v6 && ntm_paths_by_virtual(paths, AF_INET6, peer->v6)))
		return -EEXIST;
	path = calloc(1, sizeof(*path));
	if (!path || index_reserve(paths, BY_ID) || index_reserve(paths, BY_V4) ||
	    index_reserve(paths, BY_V6)) {
		free(path);
		return -ENOMEM;
	}
	pthread_mutex_init(&path->lock, NULL);
	path->id = id;
	path->peer = *peer;
	atomic_store(&path->mtu, mtu);
	for (enum by by = BY_ID; by <= BY_V6; by++)
		if (path_has(path, by))
			index_put(atomic_load(index_by(paths, by)), hash_of(paths, path, by), path);
	*out = path;
	return 0;
}

void ntm_paths_remove(struct ntm_paths *paths, struct ntm_path *path)
{
	for (enum by by = BY_ID; by <= BY_V6; by++)
		if (path_has(path, by))
			index_remove(paths, by, path);
	ntm_paths_discard(paths, &path->garbage, destroy_path);
}

int ntm_path_move(struct ntm_paths *paths, struct ntm_path *path, const union ntm_addr *peer,
		  const union ntm_addr *local)
{
	struct ntm_endpoint *endpoint = calloc(1, sizeof(*endpoint)), *old;

	if (!endpoint)
		return -ENOMEM;
	endpoint->peer = *peer;
	if (local)
		endpoint->local = *local;
	old = atomic_exchange(&path->endpoint, endpoint);
	if (old)
		ntm_paths_discard(paths, &old->garbage, destroy_plain);
	return 0;
}

int ntm_paths_init(struct ntm_paths *paths)
{
	memset(paths, 0, sizeof(*paths));
	randombytes_buf(paths->hash_key, sizeof(paths->hash_key));
	if (!index_reserve(paths, BY_ID) && !index_reserve(paths, BY_V4) &&
	    !index_reserve(paths, BY_V6))
		return 0;
	ntm_paths_done(paths);
	return -ENOMEM;
}

void ntm_paths_each(struct ntm_paths *paths, void (*fn)(void *ctx, struct ntm_path *path),
		    void *ctx)
{
	struct ntm_index *index = atomic_load(&paths->by_id);

	for (size_t i = 0; i < index->size; i++) {
		struct ntm_path *path = atomic_load(&index->slot[i]);

		if (path && path != &gravestone)
			fn(ctx, path);
	}
}

/* A start that failed here ends once more with all the rest: nothing is left behind that could be freed again */
void ntm_paths_done(struct ntm_paths *paths)
{
	struct ntm_index *by_id = atomic_exchange(&paths->by_id, NULL);

	for (size_t i = 0; by_id && i < by_id->size; i++) {
		struct ntm_path *path = atomic_load(&by_id->slot[i]);

		if (path && path != &gravestone)
			destroy_path(&path->garbage);
	}
	memset(paths->lanes, 0, sizeof(paths->lanes));
	ntm_paths_collect(paths);
	free(by_id);
	free(atomic_exchange(&paths->by_v4, NULL));
	free(atomic_exchange(&paths->by_v6, NULL));
}
