// SPDX-License-Identifier: GPL-2.0
#include "nat64_find.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "upstream.h"

#define RETRY_FIRST_MS 1000u
#define RETRY_MAX_MS 60000u
#define AGAIN_MS 600000u /* after an answer, whatever it was */

/* @turn: number of the question that counts; an answer to an older one does not */
struct ntm_nat64_find {
	uv_timer_t timer;
	struct ntm_upstream *upstream;
	ntm_nat64_servers_fn *servers;
	ntm_nat64_found_fn *found;
	void *ctx;
	uint64_t turn;
	uint32_t retry_ms;
	struct ntm_nat64 known;
};

static void tick(uv_timer_t *timer);

static void again_in(struct ntm_nat64_find *find, uint64_t ms)
{
	uv_timer_start(&find->timer, tick, ms, 0);
}

static void failed(struct ntm_nat64_find *find)
{
	again_in(find, find->retry_ms);
	find->retry_ms = find->retry_ms * 2 < RETRY_MAX_MS ? find->retry_ms * 2 : RETRY_MAX_MS;
}

static void answered(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	struct ntm_nat64_find *find = ctx;
	struct ntm_nat64 now;
	int err;

	if (tag != find->turn)
		return;
	err = ntm_nat64_answer(msg, len, &now);
	if (err && err != -ENOENT) {
		failed(find); /* what was known stays */
		return;
	}
	find->retry_ms = RETRY_FIRST_MS;
	again_in(find, AGAIN_MS);
	if (ntm_nat64_equal(&now, &find->known))
		return;
	find->known = now;
	find->found(find->ctx, &now);
}

static void tick(uv_timer_t *timer)
{
	struct ntm_nat64_find *find = timer->data;
	union ntm_addr servers[NTM_UPSTREAM_SERVERS];
	uint8_t query[NTM_NAT64_QUERY];
	unsigned int count = find->servers(find->ctx, servers, NTM_UPSTREAM_SERVERS);

	ntm_nat64_query((uint16_t)randombytes_random(), query);
	ntm_upstream_servers(find->upstream, servers, count);
	find->turn++;
	if (ntm_upstream_ask(find->upstream, find->turn, false, query, sizeof(query), answered,
			     find))
		failed(find);
}

int ntm_nat64_find_open(struct ntm_nat64_find **out, uv_loop_t *loop, ntm_nat64_servers_fn *servers,
			ntm_nat64_found_fn *found, void *ctx)
{
	struct ntm_nat64_find *find = calloc(1, sizeof(*find));
	int err;

	if (!find)
		return -ENOMEM;
	err = ntm_upstream_open(&find->upstream, loop);
	if (err) {
		free(find);
		return err;
	}
	find->servers = servers;
	find->found = found;
	find->ctx = ctx;
	find->retry_ms = RETRY_FIRST_MS;
	uv_timer_init(loop, &find->timer);
	find->timer.data = find;
	*out = find;
	return 0;
}

void ntm_nat64_find_ask(struct ntm_nat64_find *find)
{
	find->retry_ms = RETRY_FIRST_MS;
	again_in(find, 0);
}

void ntm_nat64_find_stop(struct ntm_nat64_find *find)
{
	uv_timer_stop(&find->timer);
	find->turn++;
	memset(&find->known, 0, sizeof(find->known));
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void ntm_nat64_find_close(struct ntm_nat64_find *find)
{
	if (!find)
		return;
	ntm_upstream_close(find->upstream);
	uv_close((uv_handle_t *)&find->timer, closed);
}
