// SPDX-License-Identifier: GPL-2.0
#include "rs/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "rs/core.h"

#define DELAY_MAX_S 180u
#define SECOND_MS 1000u

int ntm_rs_probes_init(struct ntm_rs_probes *probes)
{
	memset(probes, 0, sizeof(*probes));
	probes->heap = calloc(NTM_RS_PROBES_WAITING, sizeof(*probes->heap));
	return probes->heap ? 0 : -ENOMEM;
}

void ntm_rs_probes_done(struct ntm_rs_probes *probes)
{
	free(probes->heap);
	memset(probes, 0, sizeof(*probes));
}

/* The heap */

static void swap(struct ntm_rs_waiting *a, struct ntm_rs_waiting *b)
{
	const struct ntm_rs_waiting t = *a;

	*a = *b;
	*b = t;
}

static void push(struct ntm_rs_probes *probes, const struct ntm_rs_waiting *waiting)
{
	struct ntm_rs_waiting *heap = probes->heap;
	unsigned int i = probes->count++;

	heap[i] = *waiting;
	for (; i && heap[i].at_ms < heap[(i - 1) / 2].at_ms; i = (i - 1) / 2)
		swap(&heap[i], &heap[(i - 1) / 2]);
}

static void pop(struct ntm_rs_probes *probes, struct ntm_rs_waiting *first)
{
	struct ntm_rs_waiting *heap = probes->heap;
	unsigned int i = 0, child;

	*first = heap[0];
	heap[0] = heap[--probes->count];
	while ((child = 2 * i + 1) < probes->count) {
		if (child + 1 < probes->count && heap[child + 1].at_ms < heap[child].at_ms)
			child++;
		if (heap[i].at_ms <= heap[child].at_ms)
			break;
		swap(&heap[i], &heap[child]);
		i = child;
	}
}

/* Answers */

static bool admit(struct ntm_rs_probes *probes, uint64_t now_ms)
{
	if (now_ms - probes->since_ms >= SECOND_MS) {
		probes->since_ms = now_ms;
		probes->sent = 0;
	}
	if (probes->sent >= NTM_RS_PROBES_RATE)
		return false;
	probes->sent++;
	return true;
}

static void answer(struct ntm_rs_core *core, const struct ntm_rs_waiting *waiting)
{
	struct ntm_relay_probe probe = { .other_port = waiting->other_asked,
					 .delay_s = waiting->delay_s,
					 .observed = waiting->to };
	uint8_t packet[NTM_RELAY_PROBE_LEN];

	memcpy(probe.nonce, waiting->nonce, sizeof(probe.nonce));
	ntm_relay_put_probe(packet, &probe, true, core->self.public);
	core->counters[NTM_RS_PROBES]++;
	ntm_rs_send(core, &waiting->to, packet, sizeof(packet), waiting->from_other);
}

void ntm_rs_probe(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		  const union ntm_addr *from, bool other)
{
	struct ntm_rs_probes *probes = &core->probes;
	struct ntm_rs_waiting waiting = { .to = *from };
	struct ntm_relay_probe probe;

	if (len != NTM_RELAY_PROBE_LEN) {
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		return;
	}
	if (!ntm_relay_get_probe(&probe, packet, len, core->self.public)) {
		ntm_rs_drop(core, NTM_RS_DROP_MAC);
		return;
	}
	if (probe.observed.sa.sa_family || probe.delay_s > DELAY_MAX_S) {
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		return;
	}
	memcpy(waiting.nonce, probe.nonce, sizeof(waiting.nonce));
	waiting.delay_s = probe.delay_s;
	waiting.other_asked = probe.other_port;
	waiting.from_other = probe.other_port != other;
	waiting.at_ms = core->now_ms + SECOND_MS * probe.delay_s;
	if (probe.delay_s && probes->count < NTM_RS_PROBES_WAITING)
		push(probes, &waiting);
	else if (!probe.delay_s && admit(probes, core->now_ms))
		answer(core, &waiting);
	else
		ntm_rs_drop(core, NTM_RS_DROP_RATE);
}

/* What is too much for this second waits for the next one */
void ntm_rs_probes_tick(struct ntm_rs_core *core)
{
	struct ntm_rs_probes *probes = &core->probes;
	struct ntm_rs_waiting first;

	while (probes->count && probes->heap[0].at_ms <= core->now_ms &&
	       admit(probes, core->now_ms)) {
		pop(probes, &first);
		answer(core, &first);
	}
}

uint64_t ntm_rs_probes_deadline(const struct ntm_rs_probes *probes)
{
	const uint64_t next_second = probes->since_ms + SECOND_MS;

	if (!probes->count)
		return UINT64_MAX;
	if (probes->sent >= NTM_RS_PROBES_RATE && probes->heap[0].at_ms < next_second)
		return next_second;
	return probes->heap[0].at_ms;
}
