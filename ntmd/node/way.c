// SPDX-License-Identifier: GPL-2.0
#include "way.h"

#define GAP_MIN_MS 250u
#define GAP_MAX_MS 1000u
#define LOSS_BAD 3u
#define RTT_SHARE 5u	/* better by a fifth, */
#define RTT_LEAST 5000u /* and by 5 ms at least */
#define RTT_EQUAL 1000u

void ntm_way_probed(struct ntm_way *way, uint64_t now_us)
{
	way->head = (way->head + 1) % NTM_WAY_SAMPLES;
	way->sent_us[way->head] = now_us;
	way->missing = (uint8_t)(way->missing << 1 | 1);
	if (way->samples < NTM_WAY_SAMPLES)
		way->samples++;
	way->unanswered++;
	way->last_ms = now_us / 1000;
}

/* @n: 0 is the newest */
static uint64_t sample(const struct ntm_way *way, unsigned int n)
{
	return way->sent_us[(way->head + NTM_WAY_SAMPLES - n) % NTM_WAY_SAMPLES];
}

static void smooth(struct ntm_way *way, uint64_t rtt_us)
{
	const uint32_t rtt = rtt_us > UINT32_MAX / 8 ? UINT32_MAX / 8 : (uint32_t)rtt_us;

	way->srtt_us = way->srtt_us ? (way->srtt_us * 7 + rtt) / 8 : rtt;
	if (!way->srtt_us)
		way->srtt_us = 1;
}

void ntm_way_alive(struct ntm_way *way)
{
	way->unanswered = 0;
	way->dead = false;
}

bool ntm_way_answered(struct ntm_way *way, uint64_t now_us, uint64_t sent_us)
{
	for (unsigned int n = 0; n < way->samples; n++) {
		if (!(way->missing >> n & 1) || sample(way, n) != sent_us || sent_us > now_us)
			continue;
		way->missing &= (uint8_t) ~(1u << n);
		way->answered_ms = now_us / 1000;
		smooth(way, now_us - sent_us);
		ntm_way_alive(way);
		return true;
	}
	return false;
}

/* A way that is longer than a gap would be dead by definition */
uint32_t ntm_way_gap_ms(const struct ntm_way *way)
{
	const uint32_t gap = way->srtt_us / 1000 * 3 / 2;

	return gap < GAP_MIN_MS ? GAP_MIN_MS : gap > GAP_MAX_MS ? GAP_MAX_MS : gap;
}

unsigned int ntm_way_lost(const struct ntm_way *way, uint64_t now_us)
{
	const uint64_t gap_us = ntm_way_gap_ms(way) * UINT64_C(1000);
	unsigned int lost = 0;

	for (unsigned int n = 0; n < way->samples; n++)
		lost += (way->missing >> n & 1) && now_us - sample(way, n) >= gap_us;
	return lost;
}

static bool is_faster(const struct ntm_way *way, const struct ntm_way *than)
{
	const uint32_t share = than->srtt_us / RTT_SHARE;

	return way->srtt_us + (share > RTT_LEAST ? share : RTT_LEAST) <= than->srtt_us;
}

bool ntm_way_is_better(const struct ntm_way *way, const struct ntm_way *than, uint64_t now_us)
{
	const unsigned int lost = ntm_way_lost(way, now_us);

	if (way->dead || !way->srtt_us)
		return false;
	if (way->kind == NTM_WAY_RELAY || than->kind == NTM_WAY_RELAY)
		return way->kind != NTM_WAY_RELAY;
	if (!than->srtt_us || lost >= LOSS_BAD) /* the other is not measured yet */
		return false;
	if (ntm_way_lost(than, now_us) >= LOSS_BAD)
		return !lost;
	if (is_faster(way, than))
		return true;
	/* As good, and nobody's NAT in between */
	return way->kind == NTM_WAY_HOST && than->kind != NTM_WAY_HOST && !lost &&
	       way->srtt_us <= than->srtt_us + RTT_EQUAL;
}
