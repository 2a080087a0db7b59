// SPDX-License-Identifier: GPL-2.0
#include "dc/asks.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONE NTM_HASH_NONE

static void request_key(uint32_t key[3], const struct ntm_ask *ask)
{
	key[0] = ask->asker;
	key[1] = ask->session;
	key[2] = ask->request_id;
}

static bool request_eq(const void *ctx, uint32_t value, const void *key)
{
	const struct ntm_asks *a = ctx;
	uint32_t own[3];

	request_key(own, &a->all[value]);
	return !memcmp(own, key, sizeof(own));
}

int ntm_asks_init(struct ntm_asks *a)
{
	memset(a, 0, sizeof(*a));
	a->free = a->waiting.head = a->waiting.tail = a->answered.head = a->answered.tail = NONE;
	a->all = calloc(NTM_ASKS_MAX, sizeof(*a->all));
	if (!a->all || ntm_hash_init(&a->by_request, 0)) {
		ntm_asks_free(a);
		return -ENOMEM;
	}
	return 0;
}

static void wipe_answer(struct ntm_ask *ask)
{
	if (ask->answer)
		sodium_memzero(ask->answer, sizeof(*ask->answer));
	free(ask->answer);
	ask->answer = NULL;
}

void ntm_asks_free(struct ntm_asks *a)
{
	for (uint32_t i = 0; a->all && i < a->used; i++)
		wipe_answer(&a->all[i]);
	if (a->all)
		sodium_memzero(a->all, a->used * sizeof(*a->all));
	free(a->all);
	ntm_hash_free(&a->by_request);
	memset(a, 0, sizeof(*a));
}

static uint32_t index_of(const struct ntm_asks *a, const struct ntm_ask *ask)
{
	return (uint32_t)(ask - a->all);
}

static struct ntm_ask_queue *queue_of(struct ntm_asks *a, const struct ntm_ask *ask)
{
	return ask->answer ? &a->answered : &a->waiting;
}

static void enqueue(struct ntm_asks *a, struct ntm_ask *ask, uint64_t due_ms)
{
	struct ntm_ask_queue *q = queue_of(a, ask);

	ask->due_ms = due_ms;
	ask->next = NONE;
	ask->prev = q->tail;
	if (q->tail == NONE)
		q->head = index_of(a, ask);
	else
		a->all[q->tail].next = index_of(a, ask);
	q->tail = index_of(a, ask);
}

static void dequeue(struct ntm_asks *a, struct ntm_ask *ask)
{
	struct ntm_ask_queue *q = queue_of(a, ask);

	if (ask->prev == NONE)
		q->head = ask->next;
	else
		a->all[ask->prev].next = ask->next;
	if (ask->next == NONE)
		q->tail = ask->prev;
	else
		a->all[ask->next].prev = ask->prev;
}

/* Off its queue already */
static void forget(struct ntm_asks *a, struct ntm_ask *ask)
{
	const uint32_t i = index_of(a, ask);
	uint32_t key[3];

	request_key(key, ask);
	ntm_hash_remove(&a->by_request, key, sizeof(key), i);
	wipe_answer(ask);
	sodium_memzero(ask, sizeof(*ask));
	ask->next = a->free;
	a->free = i;
	a->count--;
}

struct ntm_ask *ntm_asks_find(const struct ntm_asks *a, uint32_t asker, uint32_t session,
			      uint32_t request_id)
{
	const uint32_t key[3] = { asker, session, request_id };
	const uint32_t i = ntm_hash_find(&a->by_request, key, sizeof(key), request_eq, a);

	return i == NONE ? NULL : &a->all[i];
}

static struct ntm_ask *take_slot(struct ntm_asks *a)
{
	struct ntm_ask *ask;

	if (a->free == NONE && a->used < NTM_ASKS_MAX)
		return &a->all[a->used++];
	if (a->free == NONE && a->answered.head != NONE) {
		ask = &a->all[a->answered.head];
		dequeue(a, ask);
		forget(a, ask);
	}
	if (a->free == NONE)
		return NULL;
	ask = &a->all[a->free];
	a->free = ask->next;
	return ask;
}

struct ntm_ask *ntm_asks_add(struct ntm_asks *a, uint32_t asker, uint32_t session,
			     uint32_t request_id, uint64_t now_ms)
{
	struct ntm_ask *ask = ntm_hash_reserve(&a->by_request, 1) ? NULL : take_slot(a);
	uint32_t key[3];

	if (!ask)
		return NULL;
	memset(ask, 0, sizeof(*ask));
	ask->asker = asker;
	ask->session = session;
	ask->request_id = request_id;
	request_key(key, ask);
	ntm_hash_insert(&a->by_request, key, sizeof(key), index_of(a, ask));
	enqueue(a, ask, now_ms + NTM_ASK_WAIT_MS);
	a->count++;
	return ask;
}

void ntm_asks_answered(struct ntm_asks *a, struct ntm_ask *ask, const struct ntm_msg *answer,
		       uint64_t now_ms)
{
	struct ntm_msg *copy = malloc(sizeof(*copy));

	dequeue(a, ask);
	ask->link_id = 0;
	if (!copy) {
		forget(a, ask);
		return;
	}
	*copy = *answer;
	ask->answer = copy;
	enqueue(a, ask, now_ms + NTM_ASK_KEEP_MS);
}

struct ntm_ask *ntm_asks_waiting(const struct ntm_asks *a, const struct ntm_ask *ask)
{
	const uint32_t i = ask ? ask->next : a->waiting.head;

	return i == NONE ? NULL : &a->all[i];
}

struct ntm_ask *ntm_asks_recent(const struct ntm_asks *a, const struct ntm_ask *ask,
				uint64_t within_ms, uint64_t now_ms)
{
	const uint32_t i = ask ? ask->prev : a->answered.tail;

	return i != NONE && now_ms + NTM_ASK_KEEP_MS - a->all[i].due_ms < within_ms ? &a->all[i] :
										      NULL;
}

struct ntm_ask *ntm_asks_late(struct ntm_asks *a, uint64_t now_ms)
{
	uint32_t i;

	while ((i = a->answered.head) != NONE && now_ms >= a->all[i].due_ms) {
		dequeue(a, &a->all[i]);
		forget(a, &a->all[i]);
	}
	i = a->waiting.head;
	return i != NONE && now_ms >= a->all[i].due_ms ? &a->all[i] : NULL;
}

uint64_t ntm_asks_next_ms(const struct ntm_asks *a)
{
	uint64_t next = UINT64_MAX;

	if (a->waiting.head != NONE)
		next = a->all[a->waiting.head].due_ms;
	if (a->answered.head != NONE && a->all[a->answered.head].due_ms < next)
		next = a->all[a->answered.head].due_ms;
	return next;
}
