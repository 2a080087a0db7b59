// SPDX-License-Identifier: GPL-2.0
#include "survey.h"

#include <sodium.h>
#include <string.h>

#define RETRY_MS 500u
#define AGAIN_MS 600000u
#define MISSED_MS 30000u   /* one did not answer by IPv4: what is not known of the NAT is missed */
#define NONCE_LEN 15	   /* of a nonce's bytes; the last one numbers the tries */
#define RTT_SLACK_US 5000u /* a change that a DC need not hear of, besides a quarter */

void ntm_survey_init(struct ntm_survey *s, const struct ntm_survey_ops *ops, void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->ctx = ctx;
	s->again_ms = UINT64_MAX;
}

/* A round */

static void probe(struct ntm_survey *s, const struct ntm_survey_relay *relay,
		  struct ntm_survey_way *way, uint64_t now_us)
{
	struct ntm_relay_probe probe = { .to_port = 0 };
	uint8_t packet[NTM_RELAY_PROBE_LEN];

	if (!way->tries)
		randombytes_buf(way->nonce, sizeof(way->nonce));
	way->nonce[NONCE_LEN] = (uint8_t)way->tries;
	memcpy(probe.nonce, way->nonce, sizeof(probe.nonce));
	ntm_relay_put_probe(packet, &probe, false, relay->info.key);
	way->sent_us[way->tries] = now_us;
	way->next_ms = now_us / 1000 + ((uint64_t)RETRY_MS << (way->answered ? 0 : way->tries));
	way->tries++;
	/* Of a family that this host has no way out by: nothing will come */
	if (s->ops->send(s->ctx, &way->addr, packet, sizeof(packet)))
		way->waiting = false;
}

void ntm_survey_start(struct ntm_survey *s, uint64_t now_us)
{
	s->running = s->count > 0;
	s->again_ms = s->count ? now_us / 1000 + AGAIN_MS : UINT64_MAX;
	for (unsigned int i = 0; i < s->count; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			struct ntm_survey_way *way = &s->relays[i].ways[j];

			if (!way->addr.sa.sa_family)
				continue;
			way->tries = 0;
			way->waiting = true;
			way->answered = false;
			probe(s, &s->relays[i], way, now_us);
		}
	}
}

/* What a DC was told, and what it would be told now */

static uint32_t best_rtt(const struct ntm_survey_relay *relay)
{
	const uint32_t a = relay->ways[0].rtt_us, b = relay->ways[1].rtt_us;

	return !a ? b : !b || a < b ? a : b;
}

static unsigned int rtts(const struct ntm_survey *s, struct ntm_relay_rtt out[NTM_RELAYS_MAX])
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < s->count; i++) {
		const uint32_t rtt = best_rtt(&s->relays[i]);

		if (!rtt)
			continue;
		memcpy(out[count].relay, s->relays[i].info.key, sizeof(out[count].relay));
		out[count++].rtt_us = rtt;
	}
	return count;
}

static bool differs(uint32_t a, uint32_t b)
{
	const uint32_t gap = a > b ? a - b : b - a;

	return gap > RTT_SLACK_US && gap > a / 4;
}

static bool news(const struct ntm_survey *s)
{
	struct ntm_relay_rtt now[NTM_RELAYS_MAX];
	const unsigned int count = rtts(s, now);

	if (!s->told.any || s->told.nat != ntm_survey_nat(s) || s->told.count != count)
		return true;
	for (unsigned int i = 0; i < count; i++)
		if (memcmp(now[i].relay, s->told.rtts[i].relay, sizeof(now[i].relay)) != 0 ||
		    differs(s->told.rtts[i].rtt_us, now[i].rtt_us))
			return true;
	return false;
}

void ntm_survey_fill(struct ntm_survey *s, struct ntm_msg *m)
{
	if (!s->count)
		return;
	m->nat = ntm_survey_nat(s);
	m->rtt_count = rtts(s, m->rtts);
	NTM_SET(m, NAT);
	if (m->rtt_count)
		NTM_SET(m, RELAY_RTT);
	s->told.any = true;
	s->told.nat = m->nat;
	s->told.count = m->rtt_count;
	memcpy(s->told.rtts, m->rtts, sizeof(m->rtts));
}

static bool waiting(const struct ntm_survey *s)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (s->relays[i].ways[0].waiting || s->relays[i].ways[1].waiting)
			return true;
	return false;
}

static void end_round(struct ntm_survey *s)
{
	if (!s->running || waiting(s))
		return;
	s->running = false;
	if (news(s))
		s->ops->done(s->ctx);
}

/* What it is told */

static bool same_relay(const struct ntm_relay_info *a, const struct ntm_relay_info *b)
{
	return !memcmp(a->key, b->key, sizeof(a->key)) && !strcmp(a->name, b->name) &&
	       ntm_addr_equal(&a->addrs[0], &b->addrs[0]) &&
	       ntm_addr_equal(&a->addrs[1], &b->addrs[1]);
}

static const struct ntm_survey_relay *find(const struct ntm_survey *s,
					   const struct ntm_relay_info *relay)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (same_relay(&s->relays[i].info, relay))
			return &s->relays[i];
	return NULL;
}

/* A DC names the nearest first, and which these are changes from one to the next: their order is no news */
static bool same_relays(const struct ntm_survey *s, const struct ntm_relay_info *relays,
			unsigned int count)
{
	if (s->count != count)
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (!find(s, &relays[i]))
			return false;
	return true;
}

void ntm_survey_relays(struct ntm_survey *s, const struct ntm_relay_info *relays,
		       unsigned int count, uint64_t now_us)
{
	struct ntm_survey_relay next[NTM_RELAYS_MAX] = { 0 };

	if (same_relays(s, relays, count))
		return;
	for (unsigned int i = 0; i < count; i++) {
		const struct ntm_survey_relay *known = find(s, &relays[i]);

		if (known) {
			next[i] = *known;
			continue;
		}
		next[i].info = relays[i];
		next[i].ways[0].addr = relays[i].addrs[0];
		next[i].ways[1].addr = relays[i].addrs[1];
	}
	memcpy(s->relays, next, sizeof(s->relays));
	s->count = count;
	ntm_survey_start(s, now_us);
}

void ntm_survey_dc(struct ntm_survey *s, const union ntm_addr *at, const union ntm_addr *observed)
{
	s->dc_at = *at;
	s->dc = *observed;
}

void ntm_survey_own(struct ntm_survey *s, const struct ntm_candidate *own, unsigned int count,
		    uint64_t now_us)
{
	if (count == s->own_count && !memcmp(own, s->own, count * sizeof(*own)))
		return;
	memcpy(s->own, own, count * sizeof(*own));
	s->own_count = count;
	for (unsigned int i = 0; i < s->count; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			s->relays[i].ways[j].rtt_us = 0;
			s->relays[i].ways[j].observed.sa.sa_family = 0;
		}
	}
	ntm_survey_start(s, now_us);
}

/* Each brings on the next probe: who was late once has run by then. The least of a round counts, since what a DC is told stands for long */
static void answered(struct ntm_survey *s, const struct ntm_survey_relay *relay,
		     struct ntm_survey_way *way, const struct ntm_relay_probe *got, uint64_t now_us)
{
	const unsigned int try = got->nonce[NONCE_LEN];
	const uint64_t rtt = now_us - way->sent_us[try];
	const uint32_t rtt_us = rtt < UINT32_MAX ? (uint32_t)rtt | !rtt : UINT32_MAX;

	if (!way->answered || rtt_us < way->rtt_us)
		way->rtt_us = rtt_us;
	way->sent_us[try] = 0;
	way->answered = true;
	way->observed = got->observed;
	if (way->tries < NTM_SURVEY_TRIES)
		probe(s, relay, way, now_us);
	else if (try == NTM_SURVEY_TRIES - 1)
		way->waiting = false;
}

bool ntm_survey_response(struct ntm_survey *s, const uint8_t *packet, size_t len,
			 const union ntm_addr *from, uint64_t now_us)
{
	for (unsigned int i = 0; i < s->count; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			struct ntm_survey_way *way = &s->relays[i].ways[j];
			struct ntm_relay_probe got;

			if (!way->waiting || !ntm_addr_equal(&way->addr, from) ||
			    !ntm_relay_get_probe(&got, packet, len, s->relays[i].info.key) ||
			    sodium_memcmp(got.nonce, way->nonce, NONCE_LEN) != 0 ||
			    got.nonce[NONCE_LEN] >= way->tries ||
			    !way->sent_us[got.nonce[NONCE_LEN]] ||
			    got.observed.sa.sa_family != from->sa.sa_family)
				continue;
			answered(s, &s->relays[i], way, &got, now_us);
			end_round(s);
			return true;
		}
	}
	return false;
}

/* Time */

static void tick_way(struct ntm_survey *s, const struct ntm_survey_relay *relay,
		     struct ntm_survey_way *way, uint64_t now_us)
{
	if (!way->waiting || now_us / 1000 < way->next_ms)
		return;
	if (way->tries < NTM_SURVEY_TRIES) {
		probe(s, relay, way, now_us);
		return;
	}
	way->waiting = false;
	if (way->answered)
		return;
	way->rtt_us = 0;
	way->observed.sa.sa_family = 0;
	if (way->addr.sa.sa_family == AF_INET && s->again_ms > now_us / 1000 + MISSED_MS)
		s->again_ms = now_us / 1000 + MISSED_MS;
}

void ntm_survey_tick(struct ntm_survey *s, uint64_t now_us)
{
	if (now_us / 1000 >= s->again_ms)
		ntm_survey_start(s, now_us);
	for (unsigned int i = 0; i < s->count; i++)
		for (unsigned int j = 0; j < 2; j++)
			tick_way(s, &s->relays[i], &s->relays[i].ways[j], now_us);
	end_round(s);
}

uint64_t ntm_survey_deadline(const struct ntm_survey *s)
{
	uint64_t at = s->again_ms;

	for (unsigned int i = 0; i < s->count; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			const struct ntm_survey_way *way = &s->relays[i].ways[j];

			if (way->waiting && way->next_ms < at)
				at = way->next_ms;
		}
	}
	return at;
}

/* The NAT */

static bool is_own(const struct ntm_survey *s, const union ntm_addr *addr)
{
	for (unsigned int i = 0; i < s->own_count; i++)
		if (ntm_addr_equal(&s->own[i].addr, addr))
			return true;
	return false;
}

/* struct views - who sees us how, by IPv4 */
struct views {
	unsigned int count;
	bool own;     /* one sees an address of ours */
	bool differ;  /* two see different ones */
	bool several; /* from different addresses or ports */
	const union ntm_addr *first, *first_at;
};

static void view(const struct ntm_survey *s, struct views *v, const union ntm_addr *at,
		 const union ntm_addr *observed)
{
	if (observed->sa.sa_family != AF_INET)
		return;
	v->own |= is_own(s, observed);
	if (v->count++) {
		v->differ |= !ntm_addr_equal(v->first, observed);
		v->several |= !ntm_addr_equal(v->first_at, at);
	} else {
		v->first = observed;
		v->first_at = at;
	}
}

static struct views views(const struct ntm_survey *s)
{
	struct views v = { 0 };

	view(s, &v, &s->dc_at, &s->dc);
	for (unsigned int i = 0; i < s->count; i++)
		for (unsigned int j = 0; j < 2; j++)
			view(s, &v, &s->relays[i].ways[j].addr, &s->relays[i].ways[j].observed);
	return v;
}

enum ntm_nat ntm_survey_nat(const struct ntm_survey *s)
{
	const struct views v = views(s);

	if (v.differ)
		return NTM_NAT_DEPENDENT;
	if (v.own)
		return NTM_NAT_NONE;
	return v.several ? NTM_NAT_INDEPENDENT : NTM_NAT_UNKNOWN;
}

union ntm_addr ntm_survey_observed4(const struct ntm_survey *s)
{
	const struct views v = views(s);

	return v.count ? *v.first : (union ntm_addr){ .sa.sa_family = 0 };
}
