/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The search for a port (docs/PROTOCOL.md 7.3c): a way between an end whose NAT gives a port to each destination, so that nobody can
 * know the one towards the peer, and an end whose NAT lets in only whom it has written to, at the exact port.
 *
 *	the first end opens many sockets and sends to the one address of the peer:  many ports of its NAT lead to it
 *	its peer sends to many ports of that NAT from its one socket:               until it has found one of them
 *
 * With 256 sockets a probe finds one with a chance of 256 in 64512: half of all searches need 175 probes or fewer, 3 in 10,000 more than
 * 2048. Pure: the time goes in, what is to be done comes out. Sockets and packets are ports.h's.
 */
#ifndef NTM_SEARCH_H
#define NTM_SEARCH_H

#include "common/msg.h"

#define NTM_SEARCH_SOCKETS 256u
#define NTM_SEARCH_PORTS 2048u
#define NTM_SEARCH_ACTS 17
#define NTM_GATE_RUNNING 4u
#define NTM_GATE_RUNNING_OF_ZONE 2u /* for peers of another one than ours */
#define NTM_GATE_OF_ZONE 128u
#define NTM_GATE_PLACES (512u + NTM_PEER_ZONES_MAX * NTM_GATE_OF_ZONE)

/**
 * struct ntm_search_facts - what is known of both ends, of IPv4
 * @own, @peer:	how their NATs map
 * @renumbered:	others see us at another port than ours
 * @seen:	where others see us; family 0: nobody told
 * @named:	where the DC sees the peer; family 0: nowhere, or where the peer itself says it is
 */
struct ntm_search_facts {
	enum ntm_nat own, peer;
	bool renumbered;
	union ntm_addr seen, named;
};

/** ntm_search_opens() - is it for us to open many sockets, and to call the peer? */
bool ntm_search_opens(const struct ntm_search_facts *facts);
/** ntm_search_answers() - the peer has called: is it for us to send to many ports? */
bool ntm_search_answers(const struct ntm_search_facts *facts);

enum ntm_search_side { NTM_SEARCH_NONE, NTM_SEARCH_OPENS, NTM_SEARCH_SENDS };

enum ntm_search_act_type {
	NTM_SEARCH_OPEN,  /* the next socket, and a Path Probe by it */
	NTM_SEARCH_AGAIN, /* a Path Probe by the open socket @number */
	NTM_SEARCH_CALL,  /* Port Search to the peer */
	NTM_SEARCH_PROBE, /* a Path Probe to @addr */
	NTM_SEARCH_END,	  /* nothing was found */
};

struct ntm_search_act {
	enum ntm_search_act_type type;
	unsigned int number;
	union ntm_addr addr;
};

struct ntm_search_acts {
	unsigned int count;
	struct ntm_search_act act[NTM_SEARCH_ACTS];
};

/**
 * struct ntm_search - one that runs, if @side is not NONE
 * @to:		the peer's address, as the DC named it; of NTM_SEARCH_SENDS the port changes
 * @sockets:	as many are to be open, or are
 * @done:	sockets of this round, or ports
 * @round, @calls: how many there were
 * @next_ms:	when the next few are due; @call_ms: when the peer is called
 * @port:	the next one, counted from NTM_SEARCH_FIRST_PORT
 */
struct ntm_search {
	enum ntm_search_side side;
	union ntm_addr to;
	unsigned int sockets, done, round, calls;
	uint64_t start_ms, next_ms, call_ms;
	uint32_t port;
};

/** ntm_search_start() - @random: any number, which decides where among the ports it begins */
void ntm_search_start(struct ntm_search *s, enum ntm_search_side side, const union ntm_addr *to,
		      uint32_t random, uint64_t now_ms);
void ntm_search_stop(struct ntm_search *s);
/** ntm_search_full() - there can be no more sockets than @open */
void ntm_search_full(struct ntm_search *s, unsigned int open);
/** ntm_search_tick() - the deadline is reached; after NTM_SEARCH_END it is stopped */
void ntm_search_tick(struct ntm_search *s, uint64_t now_ms, struct ntm_search_acts *acts);
uint64_t ntm_search_deadline(const struct ntm_search *s); /* monotonic ms; UINT64_MAX: none */

/**
 * struct ntm_search_gate - how often a node searches: all that it sends to a network by way of searches is bounded here, whoever the
 * peers are that are said to be there
 * @addr:	of a network that was searched; the port is nothing
 * @since_ms:	when the last search began, and for how long there is no other; @wait_ms 0: the place is free
 * @found:	by that search: there is nothing to remember beyond its time
 * @running:	that search has not ended
 * @runs_for:	zone of the peer that it is for, as @zone. Each other zone has no more than NTM_GATE_RUNNING_OF_ZONE at once
 * @zone:	of the peer that the first search was for, as the lease had it then; -1: our own. Each other zone has no more than NTM_GATE_OF_ZONE
 *		places, and our own at least what is left, whoever runs those zones
 */
struct ntm_search_gate {
	unsigned int running;
	struct {
		struct in_addr addr;
		uint32_t wait_ms;
		uint64_t since_ms;
		bool found, running;
		int8_t zone, runs_for;
	} place[NTM_GATE_PLACES];
};

/** ntm_gate_enter() - may a search of an IPv4 address begin now? Then it has; @zone: the other one that the peer is of; -1: it is ours */
bool ntm_gate_enter(struct ntm_search_gate *gate, const union ntm_addr *addr, int zone,
		    uint64_t now_ms);
/** ntm_gate_leave() - it has ended; @found: such a network is worth the next one */
void ntm_gate_leave(struct ntm_search_gate *gate, const union ntm_addr *addr, bool found);

#endif
