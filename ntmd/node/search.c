// SPDX-License-Identifier: GPL-2.0
#include "search.h"

#include <string.h>

#define EVERY_MS 20u
#define SOCKETS_AT_ONCE 16u
#define PORTS_AT_ONCE 4u /* 200 a second */
#define ROUNDS 3u
#define ROUND_MS \
	4000u /* NATs keep a port that nobody has answered at for 20 s and more; packets may be lost */
#define CALLS 3u
#define CALL_FIRST_MS 340u /* when all sockets have sent */
#define CALL_EVERY_MS 1000u
#define LISTEN_MS 13000u /* the call, 2048 probes and some round trips */
#define FIRST_PORT 1024u
#define PORTS (65536u - FIRST_PORT)
/*
 * From one port to the next. It has no divisor in common with the number of ports, so none comes twice; and it is the golden section of
 * them, so that those tried lie evenly among all from the first few on: a NAT that gives out ports one after the other is found for sure.
 */
#define STRIDE 39871u
#define WAIT_MS 30000u
#define WAIT_MAX_MS 3600000u
#define FORGET_MS 3600000u

/* Who does what */

static bool same_site(const struct ntm_search_facts *facts)
{
	return facts->seen.sa.sa_family == AF_INET &&
	       facts->seen.v4.sin_addr.s_addr == facts->named.v4.sin_addr.s_addr;
}

static bool has_place(const struct ntm_search_facts *facts)
{
	return facts->named.sa.sa_family == AF_INET && !same_site(facts);
}

bool ntm_search_opens(const struct ntm_search_facts *facts)
{
	if (!has_place(facts) || facts->peer == NTM_NAT_DEPENDENT)
		return false;
	if (facts->own == NTM_NAT_UNKNOWN) /* for one who is seen by nobody but its DC */
		return facts->renumbered && facts->peer == NTM_NAT_INDEPENDENT;
	return facts->own == NTM_NAT_DEPENDENT;
}

bool ntm_search_answers(const struct ntm_search_facts *facts)
{
	return has_place(facts) && facts->own != NTM_NAT_DEPENDENT;
}

/* A search */

void ntm_search_start(struct ntm_search *s, enum ntm_search_side side, const union ntm_addr *to,
		      uint32_t random, uint64_t now_ms)
{
	memset(s, 0, sizeof(*s));
	s->side = side;
	s->to = *to;
	s->sockets = NTM_SEARCH_SOCKETS;
	s->start_ms = s->next_ms = now_ms;
	s->call_ms = now_ms + CALL_FIRST_MS;
	s->port = random % PORTS;
}

void ntm_search_stop(struct ntm_search *s)
{
	s->side = NTM_SEARCH_NONE;
}

void ntm_search_full(struct ntm_search *s, unsigned int open)
{
	s->sockets = open;
	if (s->done > open)
		s->done = open;
}

static struct ntm_search_act *act(struct ntm_search_acts *acts, enum ntm_search_act_type type)
{
	struct ntm_search_act *a = &acts->act[acts->count++];

	memset(a, 0, sizeof(*a));
	a->type = type;
	return a;
}

static void end(struct ntm_search *s, struct ntm_search_acts *acts)
{
	ntm_search_stop(s);
	act(acts, NTM_SEARCH_END);
}

static void next_sockets(struct ntm_search *s, struct ntm_search_acts *acts)
{
	for (unsigned int i = 0; i < SOCKETS_AT_ONCE && s->done < s->sockets; i++)
		act(acts, s->round ? NTM_SEARCH_AGAIN : NTM_SEARCH_OPEN)->number = s->done++;
}

static void tick_opens(struct ntm_search *s, uint64_t now_ms, struct ntm_search_acts *acts)
{
	if (!s->sockets || now_ms >= s->start_ms + LISTEN_MS) {
		end(s, acts);
		return;
	}
	if (s->calls < CALLS && now_ms >= s->call_ms) {
		act(acts, NTM_SEARCH_CALL);
		s->calls++;
		s->call_ms = now_ms + CALL_EVERY_MS;
	}
	if (s->round >= ROUNDS || now_ms < s->next_ms)
		return;
	next_sockets(s, acts);
	s->next_ms = now_ms + EVERY_MS;
	if (s->done < s->sockets)
		return;
	s->done = 0;
	s->round++;
	s->next_ms = s->start_ms + s->round * (uint64_t)ROUND_MS;
}

static void tick_sends(struct ntm_search *s, uint64_t now_ms, struct ntm_search_acts *acts)
{
	if (now_ms < s->next_ms)
		return;
	if (s->done >= NTM_SEARCH_PORTS) {
		end(s, acts);
		return;
	}
	for (unsigned int i = 0; i < PORTS_AT_ONCE && s->done < NTM_SEARCH_PORTS; i++, s->done++) {
		s->to.v4.sin_port = htons((uint16_t)(FIRST_PORT + s->port));
		s->port = (s->port + STRIDE) % PORTS;
		act(acts, NTM_SEARCH_PROBE)->addr = s->to;
	}
	s->next_ms = now_ms + EVERY_MS; /* what was late is not made up for */
}

_Static_assert(SOCKETS_AT_ONCE + 1 <= NTM_SEARCH_ACTS && PORTS_AT_ONCE <= NTM_SEARCH_ACTS,
	       "room for all of a tick");

void ntm_search_tick(struct ntm_search *s, uint64_t now_ms, struct ntm_search_acts *acts)
{
	acts->count = 0;
	if (s->side == NTM_SEARCH_OPENS)
		tick_opens(s, now_ms, acts);
	else if (s->side == NTM_SEARCH_SENDS)
		tick_sends(s, now_ms, acts);
}

uint64_t ntm_search_deadline(const struct ntm_search *s)
{
	uint64_t at;

	if (s->side == NTM_SEARCH_NONE)
		return UINT64_MAX;
	if (s->side == NTM_SEARCH_SENDS)
		return s->next_ms;
	at = s->start_ms + LISTEN_MS;
	if (s->round < ROUNDS && s->next_ms < at)
		at = s->next_ms;
	if (s->calls < CALLS && s->call_ms < at)
		at = s->call_ms;
	return at;
}

/* How often */

static bool is_of(const struct ntm_search_gate *gate, unsigned int i, const union ntm_addr *addr)
{
	return gate->place[i].wait_ms && gate->place[i].addr.s_addr == addr->v4.sin_addr.s_addr;
}

static bool waits(const struct ntm_search_gate *gate, unsigned int i, uint64_t now_ms)
{
	return now_ms < gate->place[i].since_ms + gate->place[i].wait_ms;
}

static bool forgotten(const struct ntm_search_gate *gate, unsigned int i, uint64_t now_ms)
{
	if (!gate->place[i].wait_ms)
		return true;
	return !gate->place[i].running && !waits(gate, i, now_ms) &&
	       (gate->place[i].found ||
		now_ms >= gate->place[i].since_ms + gate->place[i].wait_ms + FORGET_MS);
}

/*
 * Its own, else one of which nothing is to be remembered, else NTM_GATE_PLACES. None is taken from another that failed within the hour:
 * whoever names one address more than there are places would have each of them searched as if it never had been.
 */
static unsigned int place_of(const struct ntm_search_gate *gate, const union ntm_addr *addr,
			     int zone, uint64_t now_ms)
{
	unsigned int best = NTM_GATE_PLACES, of_zone = 0;

	for (unsigned int i = 0; i < NTM_GATE_PLACES; i++) {
		if (is_of(gate, i, addr))
			return i;
		if (!forgotten(gate, i, now_ms))
			of_zone += gate->place[i].zone == zone;
		else if (best == NTM_GATE_PLACES)
			best = i;
	}
	return zone >= 0 && of_zone >= NTM_GATE_OF_ZONE ? NTM_GATE_PLACES : best;
}

static bool may_run(const struct ntm_search_gate *gate, int zone)
{
	unsigned int of_zone = 0;

	if (zone < 0 || gate->running >= NTM_GATE_RUNNING)
		return gate->running < NTM_GATE_RUNNING;
	for (unsigned int i = 0; i < NTM_GATE_PLACES; i++)
		of_zone += gate->place[i].running && gate->place[i].runs_for == zone;
	return of_zone < NTM_GATE_RUNNING_OF_ZONE;
}

bool ntm_gate_enter(struct ntm_search_gate *gate, const union ntm_addr *addr, int zone,
		    uint64_t now_ms)
{
	const unsigned int i = place_of(gate, addr, zone, now_ms);
	uint32_t wait = WAIT_MS;

	if (i == NTM_GATE_PLACES || gate->place[i].running || waits(gate, i, now_ms) ||
	    !may_run(gate, zone))
		return false;
	/* What is remembered is of whoever had it searched first: no zone has more by naming what another did */
	if (forgotten(gate, i, now_ms))
		gate->place[i].zone = (int8_t)zone;
	else
		wait = gate->place[i].wait_ms * 2;
	gate->running++;
	gate->place[i].addr = addr->v4.sin_addr;
	gate->place[i].since_ms = now_ms;
	gate->place[i].wait_ms = wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS;
	gate->place[i].found = false;
	gate->place[i].running = true;
	gate->place[i].runs_for = (int8_t)zone;
	return true;
}

void ntm_gate_leave(struct ntm_search_gate *gate, const union ntm_addr *addr, bool found)
{
	gate->running--;
	for (unsigned int i = 0; i < NTM_GATE_PLACES; i++) {
		if (!is_of(gate, i, addr))
			continue;
		gate->place[i].running = false;
		if (!found)
			return;
		gate->place[i].wait_ms = WAIT_MS;
		gate->place[i].found = true;
		return;
	}
}
