// SPDX-License-Identifier: GPL-2.0
#include "pipe/path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "common/clock.h"
#include "pipe/port.h"

static void destroy_key(struct ntm_garbage *garbage)
{
	ntm_pipe_key_free((struct ntm_pipe_key *)garbage);
}

static void destroy_path(struct ntm_garbage *garbage)
{
	struct ntm_path *path = (struct ntm_path *)garbage;

	free(atomic_load(&path->endpoint));
	free(atomic_load(&path->relays));
	for (unsigned int i = 0; i < NTM_WIRE_EPOCHS; i++)
		ntm_pipe_key_free(atomic_load(&path->rx[i]));
	pthread_mutex_destroy(&path->lock);
	free(path);
}

bool ntm_paths_collect(struct ntm_paths *paths)
{
	return ntm_garbage_collect(&paths->bin);
}

/* Lookups */

static const void *id_of(const void *object)
{
	return &((const struct ntm_path *)object)->id;
}

static const void *v4_of(const void *object)
{
	return ((const struct ntm_path *)object)->peer.v4;
}

static const void *v6_of(const void *object)
{
	return ((const struct ntm_path *)object)->peer.v6;
}

static const struct ntm_index_ops id_ops = { id_of, 4 };
static const struct ntm_index_ops v4_ops = { v4_of, 4 };
static const struct ntm_index_ops v6_ops = { v6_of, 16 };

struct ntm_path *ntm_paths_by_id(struct ntm_paths *paths, uint32_t id)
{
	return ntm_index_find(&paths->by_id, &id);
}

struct ntm_path *ntm_paths_by_virtual(struct ntm_paths *paths, int family, const uint8_t *virt)
{
	return ntm_index_find(family == AF_INET ? &paths->by_v4 : &paths->by_v6, virt);
}

/* Keys */

bool ntm_pipe_key_expired(const struct ntm_pipe_key *key, uint64_t now_ms)
{
	return (int64_t)(now_ms / 1000) - key->born >= NTM_WIRE_REJECT_AFTER_S;
}

struct ntm_pipe_key *ntm_pipe_key_new(uint8_t suite, uint32_t epoch, const uint8_t *tx,
				      const uint8_t *rx, unsigned int threads)
{
	struct ntm_pipe_key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	key->epoch = epoch;
	key->suite = suite;
	key->born = (int64_t)(ntm_clock_ms() / 1000);
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
		ntm_garbage_discard(&paths->bin, &key->garbage, destroy_key);
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
	if (!tx)
		atomic_store(&path->heard, key->epoch - 1);
	prune(paths, path, tx && confirmed ? key : tx);
	pending = atomic_exchange(&path->rx[key->epoch % NTM_WIRE_EPOCHS], key);
	if (pending)
		ntm_garbage_discard(&paths->bin, &pending->garbage, destroy_key);
	if (confirmed)
		atomic_store(&path->tx, key);
	pthread_mutex_unlock(&path->lock);
	return 0;
}

/* Without a sending key, every key is newer */
static bool is_newer(const struct ntm_pipe_key *key, const struct ntm_pipe_key *tx)
{
	return !tx || (int32_t)(key->epoch - tx->epoch) > 0;
}

/* The usual case, without the lock: the key is the sending key, or the one before it. The sending key only gets newer. */
bool ntm_path_confirm(struct ntm_paths *paths, struct ntm_path *path, struct ntm_pipe_key *key)
{
	bool was_pending;

	if (!is_newer(key, atomic_load(&path->tx)))
		return false;
	pthread_mutex_lock(&path->lock);
	was_pending = atomic_load(&path->rx[key->epoch % NTM_WIRE_EPOCHS]) == key &&
		      is_newer(key, atomic_load(&path->tx));
	if (was_pending) {
		atomic_store(&path->tx, key);
		prune(paths, path, key);
	}
	pthread_mutex_unlock(&path->lock);
	return was_pending;
}

bool ntm_path_heard(struct ntm_path *path, uint32_t epoch)
{
	uint32_t heard = atomic_load_explicit(&path->heard, memory_order_relaxed);

	while ((int32_t)(epoch - heard) > 0)
		if (atomic_compare_exchange_weak(&path->heard, &heard, epoch))
			return true;
	return epoch == heard;
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
	if (!path || ntm_index_reserve(&paths->by_id) || ntm_index_reserve(&paths->by_v4) ||
	    ntm_index_reserve(&paths->by_v6)) {
		free(path);
		return -ENOMEM;
	}
	pthread_mutex_init(&path->lock, NULL);
	path->id = id;
	path->peer = *peer;
	atomic_store(&path->mtu, mtu);
	path->mtu_max = UINT_MAX;
	path->mtu_told = mtu;
	ntm_index_add(&paths->by_id, path);
	if (peer->has_v4)
		ntm_index_add(&paths->by_v4, path);
	if (peer->has_v6)
		ntm_index_add(&paths->by_v6, path);
	*out = path;
	return 0;
}

void ntm_paths_remove(struct ntm_paths *paths, struct ntm_path *path)
{
	ntm_index_remove(&paths->by_id, path);
	if (path->peer.has_v4)
		ntm_index_remove(&paths->by_v4, path);
	if (path->peer.has_v6)
		ntm_index_remove(&paths->by_v6, path);
	ntm_garbage_discard(&paths->bin, &path->garbage, destroy_path);
}

int ntm_path_move(struct ntm_paths *paths, struct ntm_path *path, const union ntm_addr *peer,
		  const union ntm_addr *local, bool own_port)
{
	struct ntm_endpoint *endpoint = calloc(1, sizeof(*endpoint)), *old;

	if (!endpoint)
		return -ENOMEM;
	endpoint->peer = *peer;
	if (local)
		endpoint->local = *local;
	atomic_store_explicit(&endpoint->own_port, own_port, memory_order_relaxed);
	old = atomic_exchange(&path->endpoint, endpoint);
	if (old)
		ntm_garbage_discard(&paths->bin, &old->garbage, ntm_garbage_free);
	return 0;
}

const struct ntm_pipe_port *ntm_path_port(const struct ntm_path *path,
					  const struct ntm_endpoint *endpoint)
{
	const struct ntm_pipe_port *port = atomic_load(&path->port);

	return port && port->family == endpoint->peer.sa.sa_family &&
			       atomic_load_explicit(&endpoint->own_port, memory_order_relaxed) ?
		       port :
		       NULL;
}

int ntm_path_relays(struct ntm_paths *paths, struct ntm_path *path, const union ntm_addr *addr)
{
	struct ntm_relays *relays = calloc(1, sizeof(*relays)), *old;

	if (!relays)
		return -ENOMEM;
	memcpy(relays->addr, addr, sizeof(relays->addr));
	old = atomic_exchange(&path->relays, relays);
	if (old)
		ntm_garbage_discard(&paths->bin, &old->garbage, ntm_garbage_free);
	return 0;
}

bool ntm_path_is_relay(const struct ntm_path *path, const union ntm_addr *addr)
{
	const struct ntm_relays *relays = atomic_load(&path->relays);

	for (unsigned int i = 0; relays && i < NTM_PIPE_RELAYS; i++)
		if (relays->addr[i].sa.sa_family && ntm_addr_equal(&relays->addr[i], addr))
			return true;
	return false;
}

int ntm_paths_init(struct ntm_paths *paths)
{
	memset(paths, 0, sizeof(*paths));
	if (!ntm_index_init(&paths->by_id, &id_ops, &paths->bin) &&
	    !ntm_index_init(&paths->by_v4, &v4_ops, &paths->bin) &&
	    !ntm_index_init(&paths->by_v6, &v6_ops, &paths->bin))
		return 0;
	ntm_paths_done(paths);
	return -ENOMEM;
}

struct each {
	void (*fn)(void *ctx, struct ntm_path *path);
	void *ctx;
};

static void each_path(void *ctx, void *object)
{
	const struct each *each = ctx;

	each->fn(each->ctx, object);
}

void ntm_paths_each(struct ntm_paths *paths, void (*fn)(void *ctx, struct ntm_path *path),
		    void *ctx)
{
	ntm_index_each(&paths->by_id, each_path, &(struct each){ fn, ctx });
}

static void free_path(void *ctx, struct ntm_path *path)
{
	(void)ctx;
	destroy_path(&path->garbage);
}

void ntm_paths_done(struct ntm_paths *paths)
{
	if (atomic_load(&paths->by_id.slots))
		ntm_paths_each(paths, free_path, NULL);
	ntm_garbage_empty(&paths->bin);
	ntm_index_done(&paths->by_id);
	ntm_index_done(&paths->by_v4);
	ntm_index_done(&paths->by_v6);
}
