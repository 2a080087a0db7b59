// SPDX-License-Identifier: GPL-2.0
#include "pmtu.h"

#include <string.h>

#define TRIES 3u
#define WAIT_MS 300u
#define WAIT_MAX_MS 2000u
#define AGAIN_MS 10000u
#define RAISE_MS 600000u
#define SILENT_MS 5000u
#define SILENT_MOST 8u

/* What links have: tunnels in tunnels, PPPoE, Ethernet, FDDI, jumbo frames. The first is what any IPv4 host takes (RFC 791). */
static const unsigned int sizes[] = {
	NTM_PMTU_LEAST, 800,  1024, 1200, NTM_PMTU_BASE, 1320, 1360, 1380, 1400, 1420,
	1440,		1460, 1472, 1480, 1492,		 1500, 4352, 8192, 9000,
};
#define SIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))

static int place_of(unsigned int size)
{
	int i = 0;

	while (i < SIZES && sizes[i] < size)
		i++;
	return i;
}

/* Of the largest that is not more; -1: all are */
static int place_below(unsigned int size)
{
	int i = 0;

	while (i < SIZES && sizes[i] <= size)
		i++;
	return i - 1;
}

static struct ntm_pmtu_act nothing(void)
{
	return (struct ntm_pmtu_act){ .probe = 0 };
}

static uint32_t wait_ms(const struct ntm_pmtu *p)
{
	const uint32_t wait = p->wait_ms << p->silent;

	return p->silent && wait > SILENT_MS ? SILENT_MS : wait;
}

static struct ntm_pmtu_act try_again(struct ntm_pmtu *p, uint64_t now_ms)
{
	p->tries++;
	p->small = p->silent || p->tries == TRIES;
	p->next_ms = now_ms + wait_ms(p);
	return (struct ntm_pmtu_act){ .probe = p->probe, .small = p->small };
}

static struct ntm_pmtu_act ask(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms)
{
	p->probe = size;
	p->tries = 0;
	p->silent = 0;
	return try_again(p, now_ms);
}

/* What was lost was lost whatever its size */
static struct ntm_pmtu_act hold(struct ntm_pmtu *p, uint64_t now_ms)
{
	p->tries = 0;
	if (p->silent < SILENT_MOST)
		p->silent++;
	return try_again(p, now_ms);
}

static struct ntm_pmtu_act settle(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms)
{
	const bool changed = p->size != size;

	p->state = NTM_PMTU_SETTLED;
	p->size = size;
	p->probe = 0;
	p->small = false;
	p->settled_ms = now_ms;
	if (!ntm_pmtu_limited(p) || p->raise_ms <= now_ms)
		p->raise_ms = now_ms + RAISE_MS;
	return (struct ntm_pmtu_act){ .changed = changed };
}

/* The least of all does not pass, and what is smaller yet does: as at first, but a little later */
static struct ntm_pmtu_act begin_anew(struct ntm_pmtu *p, uint64_t now_ms)
{
	const bool changed = p->size != p->ceiling;

	p->state = NTM_PMTU_VERIFYING;
	p->size = p->ceiling;
	p->probe = p->ceiling;
	p->tries = 0;
	p->next_ms = now_ms + SILENT_MS;
	return (struct ntm_pmtu_act){ .changed = changed };
}

/* The next size between what passes and what does not; or that was the last */
static struct ntm_pmtu_act bisect(struct ntm_pmtu *p, uint64_t now_ms)
{
	const int low = place_below(p->passes);

	if (p->high == 0)
		return begin_anew(p, now_ms);
	if (p->high - low <= 1)
		return settle(p, p->passes, now_ms);
	return ask(p, sizes[(low + p->high) / 2], now_ms);
}

/* Packets are small until it is known how large they may be */
static struct ntm_pmtu_act search(struct ntm_pmtu *p, unsigned int failed, uint64_t now_ms)
{
	struct ntm_pmtu_act act;
	bool changed;

	p->state = NTM_PMTU_SEARCHING;
	p->passes = 0;
	p->high = place_of(failed);
	changed = p->size != NTM_PMTU_BASE;
	p->size = NTM_PMTU_BASE;
	act = p->high > place_of(NTM_PMTU_BASE) ? ask(p, NTM_PMTU_BASE, now_ms) : bisect(p, now_ms);
	act.changed |= changed;
	return act;
}

/* What passed before still does. So much may leave, while it is found out whether more may */
static struct ntm_pmtu_act search_above(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms)
{
	p->state = NTM_PMTU_SEARCHING;
	p->passes = size;
	p->high = place_of(p->ceiling);
	return ask(p, p->ceiling, now_ms);
}

void ntm_pmtu_rtt(struct ntm_pmtu *p, uint32_t rtt_ms)
{
	p->wait_ms = rtt_ms < (WAIT_MAX_MS - WAIT_MS) / 2 ? rtt_ms * 2 + WAIT_MS : WAIT_MAX_MS;
}

struct ntm_pmtu_act ntm_pmtu_start(struct ntm_pmtu *p, unsigned int ceiling, uint32_t rtt_ms,
				   uint64_t now_ms)
{
	memset(p, 0, sizeof(*p));
	p->ceiling = ceiling < NTM_PMTU_MOST ? ceiling : NTM_PMTU_MOST;
	p->size = p->ceiling;
	ntm_pmtu_rtt(p, rtt_ms);
	p->raise_ms = now_ms + RAISE_MS;
	/* A link that narrow is the only narrow one, as a rule; and what passes it need not be split further */
	if (p->ceiling <= NTM_PMTU_BASE) {
		settle(p, p->ceiling, now_ms);
		return (struct ntm_pmtu_act){ .changed = true };
	}
	p->state = NTM_PMTU_VERIFYING;
	return (struct ntm_pmtu_act){ .probe = ask(p, p->ceiling, now_ms).probe, .changed = true };
}

struct ntm_pmtu_act ntm_pmtu_again(struct ntm_pmtu *p, unsigned int ceiling, uint32_t rtt_ms,
				   uint64_t now_ms)
{
	const unsigned int before = p->size;
	struct ntm_pmtu_act act = ntm_pmtu_start(p, ceiling, rtt_ms, now_ms);

	if (p->state != NTM_PMTU_VERIFYING || !before || before >= p->size)
		return act;
	p->size = before;
	act = ask(p, before, now_ms);
	act.changed = true;
	return act;
}

void ntm_pmtu_stop(struct ntm_pmtu *p)
{
	memset(p, 0, sizeof(*p));
}

bool ntm_pmtu_limited(const struct ntm_pmtu *p)
{
	return p->state != NTM_PMTU_OFF && p->size < p->ceiling;
}

static struct ntm_pmtu_act passed(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms)
{
	struct ntm_pmtu_act act;

	if (p->state == NTM_PMTU_VERIFYING && size < p->ceiling)
		return search_above(p, size, now_ms);
	if (p->state != NTM_PMTU_SEARCHING || size == p->ceiling)
		return settle(p, size > p->size ? size : p->size, now_ms);
	p->passes = size;
	if (size <= p->size)
		return bisect(p, now_ms);
	p->size = size;
	act = bisect(p, now_ms);
	act.changed = true;
	return act;
}

/* The ceiling, when it is only looked at again, may fail without harm: what is known to pass still does */
static struct ntm_pmtu_act failed(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms)
{
	if (p->state == NTM_PMTU_SETTLED && size > p->size) {
		p->probe = 0;
		p->settled_ms = now_ms;
		return nothing();
	}
	if (p->state != NTM_PMTU_SEARCHING)
		return search(p, size, now_ms);
	p->high = place_of(size);
	return bisect(p, now_ms);
}

void ntm_pmtu_heard(struct ntm_pmtu *p, uint64_t now_ms)
{
	p->small = false;
	p->silent = 0;
	if (p->next_ms > now_ms + p->wait_ms)
		p->next_ms = now_ms + p->wait_ms;
}

struct ntm_pmtu_act ntm_pmtu_answered(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms)
{
	if (p->state == NTM_PMTU_OFF)
		return nothing();
	if (p->probe && size == p->probe)
		return passed(p, size, now_ms);
	/* Later than it was waited for: nothing was too narrow, the way is long */
	if (size == p->ceiling && size > p->size)
		return settle(p, size, now_ms);
	return nothing();
}

struct ntm_pmtu_act ntm_pmtu_too_big(struct ntm_pmtu *p, unsigned int size, uint64_t now_ms)
{
	if (p->state == NTM_PMTU_OFF || !p->probe || size != p->probe)
		return nothing();
	return failed(p, size, now_ms);
}

static struct ntm_pmtu_act look_again(struct ntm_pmtu *p, uint64_t now_ms)
{
	if (ntm_pmtu_limited(p) && now_ms >= p->raise_ms) {
		p->raise_ms = now_ms + RAISE_MS;
		return ask(p, p->ceiling, now_ms);
	}
	return ask(p, p->size, now_ms);
}

struct ntm_pmtu_act ntm_pmtu_tick(struct ntm_pmtu *p, bool active, uint64_t now_ms)
{
	p->active = active;
	if (now_ms < ntm_pmtu_deadline(p))
		return nothing();
	if (!p->probe)
		return look_again(p, now_ms);
	if (p->small)
		return hold(p, now_ms);
	if (p->tries == TRIES)
		return failed(p, p->probe, now_ms);
	return try_again(p, now_ms);
}

uint64_t ntm_pmtu_deadline(const struct ntm_pmtu *p)
{
	if (p->state == NTM_PMTU_OFF)
		return UINT64_MAX;
	if (p->probe)
		return p->next_ms;
	/* What nobody uses, and what cannot be narrower than all take, is left alone */
	return p->active && p->ceiling > NTM_PMTU_BASE ? p->settled_ms + AGAIN_MS : UINT64_MAX;
}
