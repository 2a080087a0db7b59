// SPDX-License-Identifier: GPL-2.0
#include "common/requests.h"

#include <sodium.h>
#include <stdlib.h>

#define FIRST_MS 250u
#define MAX_MS 4000u

/**
 * struct ntm_request
 * @sent_ms:	when it was first sent; 0: not yet
 */
struct ntm_request {
	struct ntm_request *next;
	struct ntm_msg msg;
	uint64_t sent_ms, next_ms, end_ms;
	uint32_t wait_ms;
	ntm_request_fn *done;
	void *ctx;
};

void ntm_requests_init(struct ntm_requests *list)
{
	list->first = NULL;
	list->count = 0;
	list->next_id = randombytes_random();
}

static uint32_t next_id(struct ntm_requests *list)
{
	if (!++list->next_id)
		list->next_id = 1;
	return list->next_id;
}

uint32_t ntm_requests_add(struct ntm_requests *list, const struct ntm_msg *m, uint64_t now_ms,
			  uint32_t for_ms, ntm_request_fn *done, void *ctx)
{
	struct ntm_request *r, **end = &list->first;

	if (list->count >= NTM_REQUESTS_MAX)
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return 0;
	r->msg = *m;
	r->msg.request_id = next_id(list);
	r->next_ms = now_ms;
	r->end_ms = now_ms + for_ms;
	r->wait_ms = FIRST_MS;
	r->done = done;
	r->ctx = ctx;
	while (*end)
		end = &(*end)->next;
	*end = r;
	list->count++;
	return r->msg.request_id;
}

/* Off the list first: @done may add or cancel requests */
static void finish(struct ntm_requests *list, struct ntm_request **at,
		   const struct ntm_msg *response)
{
	struct ntm_request *r = *at;

	*at = r->next;
	list->count--;
	if (r->done)
		r->done(r->ctx, r->msg.request_id, response);
	sodium_memzero(r, sizeof(*r)); /* it may hold a token */
	free(r);
}

static struct ntm_request **find(struct ntm_requests *list, uint32_t id)
{
	struct ntm_request **at = &list->first;

	while (*at && (*at)->msg.request_id != id)
		at = &(*at)->next;
	return at;
}

bool ntm_requests_answer(struct ntm_requests *list, const struct ntm_msg *response)
{
	struct ntm_request **at = find(list, response->request_id);

	if (!*at)
		return false;
	finish(list, at, response);
	return true;
}

void ntm_requests_cancel(struct ntm_requests *list, uint32_t id)
{
	struct ntm_request **at = find(list, id);

	if (*at)
		finish(list, at, NULL);
}

uint32_t ntm_requests_replace(struct ntm_requests *list, uint32_t old, const struct ntm_msg *m,
			      uint64_t now_ms, uint32_t for_ms, ntm_request_fn *done, void *ctx)
{
	struct ntm_request **at = find(list, old);
	uint64_t sent_ms = 0;
	uint32_t id;

	if (*at) {
		sent_ms = (*at)->sent_ms;
		finish(list, at, NULL);
	}
	id = ntm_requests_add(list, m, now_ms, for_ms, done, ctx);
	if (id)
		(*find(list, id))->sent_ms = sent_ms;
	return id;
}

static struct ntm_request **find_ended(struct ntm_requests *list, uint64_t now_ms)
{
	struct ntm_request **at = &list->first;

	while (*at && now_ms < (*at)->end_ms)
		at = &(*at)->next;
	return at;
}

void ntm_requests_expire(struct ntm_requests *list, uint64_t now_ms)
{
	struct ntm_request **at;

	/* From the start each time: the callback may have changed the list */
	while (*(at = find_ended(list, now_ms)))
		finish(list, at, NULL);
}

static uint32_t jitter(uint32_t ms)
{
	return ms - ms / 10 + randombytes_uniform(ms / 5 + 1);
}

void ntm_requests_send(struct ntm_requests *list, uint64_t now_ms, uint8_t type,
		       ntm_request_send_fn *send, void *ctx)
{
	for (struct ntm_request *r = list->first; r; r = r->next) {
		if (now_ms < r->next_ms || (type && r->msg.type != type))
			continue;
		if (!r->sent_ms)
			r->sent_ms = now_ms;
		r->next_ms = now_ms + jitter(r->wait_ms);
		r->wait_ms = r->wait_ms * 2 < MAX_MS ? r->wait_ms * 2 : MAX_MS;
		send(ctx, &r->msg);
	}
}

void ntm_requests_due(struct ntm_requests *list, uint64_t now_ms)
{
	for (struct ntm_request *r = list->first; r; r = r->next) {
		r->next_ms = now_ms;
		r->wait_ms = FIRST_MS;
		r->sent_ms = 0;
	}
}

uint64_t ntm_requests_sent_since(const struct ntm_requests *list)
{
	uint64_t since = UINT64_MAX;

	for (const struct ntm_request *r = list->first; r; r = r->next)
		if (r->sent_ms && r->sent_ms < since)
			since = r->sent_ms;
	return since;
}

uint64_t ntm_requests_deadline(const struct ntm_requests *list, bool sending, uint8_t type)
{
	uint64_t at = UINT64_MAX;

	for (const struct ntm_request *r = list->first; r; r = r->next) {
		if (r->end_ms < at)
			at = r->end_ms;
		if (sending && (!type || r->msg.type == type) && r->next_ms < at)
			at = r->next_ms;
	}
	return at;
}

void ntm_requests_cancel_all(struct ntm_requests *list)
{
	while (list->first)
		finish(list, &list->first, NULL);
}
