// SPDX-License-Identifier: GPL-2.0
#include "pipe/garbage.h"

#include <stdlib.h>
#include <string.h>

void ntm_garbage_free(struct ntm_garbage *garbage)
{
	free(garbage);
}

void ntm_garbage_discard(struct ntm_garbage_bin *bin, struct ntm_garbage *garbage,
			 void (*destroy)(struct ntm_garbage *))
{
	struct ntm_garbage *next = atomic_load(&bin->fresh);

	garbage->destroy = destroy;
	do
		garbage->next = next;
	while (!atomic_compare_exchange_weak(&bin->fresh, &next, garbage));
	if (!next && bin->wake) /* @garbage may be gone by now */
		bin->wake(bin->ctx);
}

static bool passed(const struct ntm_garbage_bin *bin, const struct ntm_garbage *garbage)
{
	for (unsigned int i = 0; i < NTM_GARBAGE_LANES; i++)
		if (bin->lanes[i] && !ntm_lane_passed(bin->lanes[i], garbage->marks[i]))
			return false;
	return true;
}

static void mark_fresh(struct ntm_garbage_bin *bin)
{
	struct ntm_garbage *garbage = atomic_exchange(&bin->fresh, NULL), *next;

	for (; garbage; garbage = next) {
		next = garbage->next;
		for (unsigned int i = 0; i < NTM_GARBAGE_LANES; i++)
			garbage->marks[i] = bin->lanes[i] ? ntm_lane_mark(bin->lanes[i]) : 0;
		garbage->next = bin->waiting;
		bin->waiting = garbage;
	}
}

bool ntm_garbage_collect(struct ntm_garbage_bin *bin)
{
	struct ntm_garbage **at = &bin->waiting, *garbage;

	mark_fresh(bin);
	while ((garbage = *at)) {
		if (passed(bin, garbage)) {
			*at = garbage->next;
			garbage->destroy(garbage);
		} else {
			at = &garbage->next;
		}
	}
	return bin->waiting;
}

void ntm_garbage_empty(struct ntm_garbage_bin *bin)
{
	memset(bin->lanes, 0, sizeof(bin->lanes));
	ntm_garbage_collect(bin);
}
