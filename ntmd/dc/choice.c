// SPDX-License-Identifier: GPL-2.0
#include "dc/choice.h"

#include <string.h>
#include "dc/relays.h"

#define US_PER_LOAD 100u
#define US_PER_MS 1000u

void ntm_choice_init(struct ntm_choice *c, unsigned int want, uint32_t seed)
{
	memset(c, 0, sizeof(*c));
	c->want = want < NTM_RELAYS_MAX ? want : NTM_RELAYS_MAX;
	c->seed = seed;
}

/* Spreads evenly, and is no secret: keys are random, and nobody gains by being chosen. (The finaliser of SplitMix64.) */
static uint64_t tie_break(uint32_t seed, const uint8_t *key)
{
	uint64_t x;

	memcpy(&x, key, sizeof(x));
	x ^= seed * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static bool better(const struct ntm_choice_rank *a, const struct ntm_choice_rank *b)
{
	return a->score != b->score ? a->score < b->score : a->tie < b->tie;
}

static void insert(struct ntm_choice *c, const struct ntm_choice_rank *rank)
{
	unsigned int at = c->count < c->want ? c->count++ : c->want;

	for (; at > 0 && better(rank, &c->best[at - 1]); at--) {
		if (at < c->want)
			c->best[at] = c->best[at - 1];
	}
	if (at < c->want)
		c->best[at] = *rank;
}

void ntm_choice_offer(struct ntm_choice *c, const struct ntm_choice_relay *relay,
		      const struct ntm_choice_end *a, const struct ntm_choice_end *b)
{
	struct ntm_choice_rank rank = { .id = relay->id, .tie = tie_break(c->seed, relay->key) };

	if (relay->load >= NTM_RELAY_LOAD_FULL || !(relay->families & a->families) ||
	    !(relay->families & b->families))
		return;
	rank.score = ((uint64_t)a->rtt_us + b->rtt_us + relay->load * US_PER_LOAD) / US_PER_MS;
	insert(c, &rank);
}
