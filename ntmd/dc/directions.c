// SPDX-License-Identifier: GPL-2.0
#include "dc/directions.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONE NTM_HASH_NONE
#define AGEING NTM_DIRECTION_RETRIES /* the queue of those that are sent no more */
#define FIRST_SIZE 64u

static const unsigned int retry_ms[NTM_DIRECTION_RETRIES] = { 200, 400, 800 };

/* The key of a pair is the same whoever asks. */
static void pair_key(uint32_t key[2], uint32_t a, uint32_t b)
{
	key[0] = a < b ? a : b;
	key[1] = a < b ? b : a;
}

static bool pair_eq(const void *ctx, uint32_t value, const void *key)
{
	const struct ntm_directions *d = ctx;
	uint32_t own[2];

	pair_key(own, d->all[value].initiator, d->all[value].responder);
	return !memcmp(own, key, sizeof(own));
}

static bool path_eq(const void *ctx, uint32_t value, const void *key)
{
	const struct ntm_directions *d = ctx;

	return !memcmp(&d->all[value].path.path_id, key, sizeof(uint32_t));
}

int ntm_directions_init(struct ntm_directions *d)
{
	unsigned int i;

	memset(d, 0, sizeof(*d));
	d->free = NONE;
	for (i = 0; i <= AGEING; i++)
		d->queues[i].head = d->queues[i].tail = NONE;
	if (ntm_hash_init(&d->by_pair, 0) || ntm_hash_init(&d->by_path, 0)) {
		ntm_directions_free(d);
		return -ENOMEM;
	}
	return 0;
}

void ntm_directions_free(struct ntm_directions *d)
{
	uint32_t i;

	for (i = 0; i < d->size; i++)
		free(d->all[i].told);
	if (d->all)
		sodium_memzero(d->all, d->size * sizeof(*d->all));
	free(d->all);
	ntm_hash_free(&d->by_path);
	ntm_hash_free(&d->by_pair);
	memset(d, 0, sizeof(*d));
}

static int grow(struct ntm_directions *d)
{
	uint32_t size = d->size ? d->size * 2 : FIRST_SIZE;
	struct ntm_direction *all;
	uint32_t i;

	if (size > NTM_DIRECTIONS_MAX)
		return -ENOSPC;
	all = calloc(size, sizeof(*all));
	if (!all)
		return -ENOMEM;
	if (d->all) {
		memcpy(all, d->all, d->size * sizeof(*all));
		sodium_memzero(d->all,
			       d->size * sizeof(*all)); /* which realloc() would leave behind */
		free(d->all);
	}
	for (i = size; i-- > d->size;) {
		all[i].next = d->free;
		d->free = i;
	}
	d->all = all;
	d->size = size;
	return 0;
}

static void enqueue(struct ntm_directions *d, uint32_t i, unsigned int queue, uint64_t due_ms)
{
	struct ntm_direction_queue *q = &d->queues[queue];
	struct ntm_direction *dir = &d->all[i];

	dir->queue = queue;
	dir->due_ms = due_ms;
	dir->next = NONE;
	dir->prev = q->tail;
	if (q->tail == NONE)
		q->head = i;
	else
		d->all[q->tail].next = i;
	q->tail = i;
}

static void dequeue(struct ntm_directions *d, uint32_t i)
{
	struct ntm_direction *dir = &d->all[i];
	struct ntm_direction_queue *q = &d->queues[dir->queue];

	if (dir->prev == NONE)
		q->head = dir->next;
	else
		d->all[dir->prev].next = dir->next;
	if (dir->next == NONE)
		q->tail = dir->prev;
	else
		d->all[dir->next].prev = dir->prev;
}

static void forget(struct ntm_directions *d, uint32_t i)
{
	struct ntm_direction *dir = &d->all[i];
	uint32_t key[2];

	dequeue(d, i);
	pair_key(key, dir->initiator, dir->responder);
	ntm_hash_remove(&d->by_pair, key, sizeof(key), i);
	ntm_hash_remove(&d->by_path, &dir->path.path_id, sizeof(dir->path.path_id), i);
	free(dir->told);
	sodium_memzero(dir, sizeof(*dir));
	dir->next = d->free;
	d->free = i;
	d->count--;
}

static uint32_t find_pair(const struct ntm_directions *d, uint32_t a, uint32_t b)
{
	uint32_t key[2];

	pair_key(key, a, b);
	return ntm_hash_find(&d->by_pair, key, sizeof(key), pair_eq, d);
}

struct ntm_direction *ntm_directions_add(struct ntm_directions *d,
					 const struct ntm_director_path *path, uint32_t initiator,
					 uint32_t responder, uint32_t request_id, uint64_t now_ms)
{
	uint32_t old = find_pair(d, initiator, responder);
	struct ntm_direction *dir;
	uint32_t key[2], i;

	if (old != NONE)
		forget(d, old);
	if ((d->free == NONE && grow(d)) || ntm_hash_reserve(&d->by_pair, 1) ||
	    ntm_hash_reserve(&d->by_path, 1))
		return NULL;
	i = d->free;
	dir = &d->all[i];
	d->free = dir->next;
	d->count++;
	dir->path = *path;
	dir->initiator = initiator;
	dir->responder = responder;
	dir->request_id = request_id;
	dir->relay_count = 0;
	dir->at_once = false;
	dir->waiting = NTM_WAIT_RESPONDER;
	dir->last = false;
	dir->told = NULL;
	dir->made_ms = now_ms;
	pair_key(key, initiator, responder);
	ntm_hash_insert(&d->by_pair, key, sizeof(key), i);
	ntm_hash_insert(&d->by_path, &dir->path.path_id, sizeof(dir->path.path_id), i);
	enqueue(d, i, 0, now_ms + retry_ms[0]);
	return dir;
}

struct ntm_direction *ntm_directions_recent(const struct ntm_directions *d, uint32_t a, uint32_t b,
					    uint64_t now_ms)
{
	uint32_t i = find_pair(d, a, b);

	return i != NONE && now_ms - d->all[i].made_ms < NTM_DIRECTION_RECENT_MS ? &d->all[i] :
										   NULL;
}

static uint32_t find_path(const struct ntm_directions *d, uint32_t path_id)
{
	return ntm_hash_find(&d->by_path, &path_id, sizeof(path_id), path_eq, d);
}

bool ntm_directions_path_used(const struct ntm_directions *d, uint32_t path_id)
{
	return find_path(d, path_id) != NONE;
}

void ntm_directions_relay(struct ntm_direction *dir, uint32_t node)
{
	dir->waiting |= NTM_WAIT_RELAY(dir->relay_count);
	dir->relays[dir->relay_count++] = node;
}

/* The NTM_WAIT_* of a node that takes part in a direction; 0: it has nothing to confirm. */
static uint8_t part_of(const struct ntm_direction *dir, uint32_t node)
{
	unsigned int i;

	if (dir->responder == node)
		return NTM_WAIT_RESPONDER;
	for (i = 0; i < dir->relay_count; i++) {
		if (dir->relays[i] == node)
			return NTM_WAIT_RELAY(i);
	}
	return 0;
}

struct ntm_direction *ntm_directions_confirm(struct ntm_directions *d, uint32_t path_id,
					     uint32_t node)
{
	uint32_t i = find_path(d, path_id);
	uint8_t part = i == NONE ? 0 : part_of(&d->all[i], node);

	if (!part)
		return NULL;
	/* It stays in its queue, and moves on from there without being sent: so each queue stays in order. */
	d->all[i].waiting &= ~part;
	return &d->all[i];
}

struct ntm_direction *ntm_directions_due(struct ntm_directions *d, uint64_t now_ms)
{
	unsigned int queue;

	for (queue = 0; queue < AGEING; queue++) {
		uint32_t i;

		while ((i = d->queues[queue].head) != NONE && d->all[i].due_ms <= now_ms) {
			struct ntm_direction *dir = &d->all[i];

			/*
			 * Counted from now, not from when it was due: a late timer must not make queues
			 * unordered, nor send two at once.
			 */
			dequeue(d, i);
			enqueue(d, i, queue + 1,
				now_ms + (queue + 1 < AGEING ? retry_ms[queue + 1] :
							       NTM_DIRECTION_RECENT_MS));
			dir->last = queue + 1 == AGEING;
			if (dir->waiting)
				return dir;
		}
	}
	while (d->queues[AGEING].head != NONE && d->all[d->queues[AGEING].head].due_ms <= now_ms) {
		d->unconfirmed += !!(d->all[d->queues[AGEING].head].waiting & NTM_WAIT_RESPONDER);
		forget(d, d->queues[AGEING].head);
	}
	return NULL;
}

uint64_t ntm_directions_next_ms(const struct ntm_directions *d)
{
	uint64_t next = UINT64_MAX;
	unsigned int queue;

	for (queue = 0; queue <= AGEING; queue++) {
		uint32_t head = d->queues[queue].head;

		if (head != NONE && d->all[head].due_ms < next)
			next = d->all[head].due_ms;
	}
	return next;
}
