// SPDX-License-Identifier: GPL-2.0
#include "dc/relays.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART_MS 10000
#define FIRST_SIZE 8u

void ntm_relays_free(struct ntm_relays *r)
{
	free(r->all);
	memset(r, 0, sizeof(*r));
}

struct ntm_relay *ntm_relays_find(const struct ntm_relays *r, uint32_t node)
{
	uint32_t i;

	for (i = 0; i < r->count; i++) {
		if (r->all[i].node == node)
			return &r->all[i];
	}
	return NULL;
}

static struct ntm_relay *add(struct ntm_relays *r, uint32_t node)
{
	uint32_t size = r->size ? r->size * 2 : FIRST_SIZE;
	struct ntm_relay *relay;

	if (r->count == r->size) {
		relay = realloc(r->all, size * sizeof(*relay));
		if (!relay)
			return NULL;
		r->all = relay;
		r->size = size;
	}
	relay = &r->all[r->count++];
	memset(relay, 0, sizeof(*relay));
	relay->node = node;
	relay->rtt_ms = -1;
	return relay;
}

int ntm_relays_set(struct ntm_relays *r, uint32_t node, uint32_t load,
		   const union ntm_addr addrs[2])
{
	struct ntm_relay *relay = ntm_relays_find(r, node);

	if (!relay)
		relay = add(r, node);
	if (!relay)
		return -ENOMEM;
	relay->load = load < NTM_RELAY_LOAD_MAX ? load : NTM_RELAY_LOAD_MAX;
	memcpy(relay->addrs, addrs, sizeof(relay->addrs));
	return 0;
}

/* Make the ten seconds of @now_ms the newest, and forget what is older than a minute. */
static void advance(struct ntm_relay *relay, uint64_t now_ms)
{
	uint64_t part = now_ms / PART_MS;

	if (part - relay->part >= NTM_RELAY_PARTS)
		memset(relay->directed, 0, sizeof(relay->directed));
	else
		while (relay->part < part)
			relay->directed[++relay->part % NTM_RELAY_PARTS] = 0;
	relay->part = part;
}

void ntm_relay_directed(struct ntm_relay *relay, uint64_t now_ms)
{
	advance(relay, now_ms);
	relay->directed[relay->part % NTM_RELAY_PARTS]++;
}

uint32_t ntm_relay_last_minute(const struct ntm_relay *relay, uint64_t now_ms)
{
	struct ntm_relay copy = *relay;
	uint32_t sum = 0;
	unsigned int i;

	advance(&copy, now_ms);
	for (i = 0; i < NTM_RELAY_PARTS; i++)
		sum += copy.directed[i];
	return sum;
}

void ntm_relay_silent(struct ntm_relay *relay, uint64_t now_ms)
{
	relay->silent_ms = now_ms + NTM_RELAY_SILENT_MS;
}

void ntm_relay_answered(struct ntm_relay *relay, int32_t rtt_ms)
{
	relay->silent_ms = 0;
	if (rtt_ms >= 0)
		relay->rtt_ms = rtt_ms;
}
