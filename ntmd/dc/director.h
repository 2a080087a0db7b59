/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who sends what to whom when a node asks for another one: a pure function, without I/O, clock or randomness. The
 * caller looks the nodes up, supplies what is random, and sends what comes out.
 */
#ifndef NTM_DC_DIRECTOR_H
#define NTM_DC_DIRECTOR_H

#include "common/msg.h"
#include "dc/choice.h"

#define NTM_DIRECTOR_RELAYS 2

/**
 * struct ntm_director_node - what the director may know of a node
 * @end:	what relays count it by
 * @nat:	enum ntm_nat, as it reported
 * @observed:	where the DC hears it
 * @proven:	what is sent to @observed reaches it
 * @candidates:	its own addresses, as it registered them, best first
 * @rtts:	to relays, @rtt_count of them
 */
struct ntm_director_node {
	const char *name;
	const uint8_t *key;
	uint8_t end[8];
	uint8_t nat;
	bool has4, has6;
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t prefix4, prefix6;
	uint32_t suites;
	bool registered;
	bool revoked;
	bool online;
	bool proven;
	union ntm_addr observed;
	const struct ntm_candidate *candidates;
	unsigned int candidate_count;
	const struct ntm_node_rtt *rtts;
	unsigned int rtt_count;
};

/** struct ntm_director_path - what makes a direction */
struct ntm_director_path {
	uint32_t path_id;
	uint8_t psk[32];
};

/**
 * struct ntm_director_relays - the relays of a path, best first
 * @id:		of their nodes: the caller's, the director does not look
 * @at_once:	bind without waiting: no direct way is to be hoped for
 */
struct ntm_director_relays {
	unsigned int count;
	bool at_once;
	uint32_t id[NTM_DIRECTOR_RELAYS];
	struct ntm_relay_info info[NTM_DIRECTOR_RELAYS];
};

/**
 * struct ntm_director_ask - a Direction Request and all that bears on it
 * @peer:	NULL: no such node
 * @self:	asker and peer are the same node
 * @allowed:	the asker's rate limit lets it ask now
 * @fresh:	path to use if a new one is needed
 * @recent:	the direction that was made for this very request or a crossing one, or NULL
 * @recent_role: the asker's role in it
 * @relays:	that the path can have, chosen for @fresh, or those that @recent has, with its @at_once
 */
struct ntm_director_ask {
	const struct ntm_director_node *asker;
	const struct ntm_director_node *peer;
	bool self;
	bool allowed;
	const struct ntm_director_path *fresh;
	const struct ntm_director_path *recent;
	uint8_t recent_role;
	const struct ntm_director_relays *relays;
};

enum ntm_director_to { NTM_DIRECTOR_TO_ASKER, NTM_DIRECTOR_TO_PEER, NTM_DIRECTOR_TO_RELAY };

/**
 * struct ntm_director_action - send this, in the order of the actions
 * @relay:	to which of the ask's relays
 * @msg:	without request ID: to the asker it is the request's, else one of the DC's
 * @until_confirmed: send it again until a Route Direction Confirmation or Relay Response comes
 */
struct ntm_director_action {
	enum ntm_director_to to;
	unsigned int relay;
	bool until_confirmed;
	struct ntm_msg msg;
};

#define NTM_DIRECTOR_ACTIONS (2 + NTM_DIRECTOR_RELAYS)

/**
 * struct ntm_director_plan - the answer
 * @new_path:	@fresh was used: remember it as the pair's recent direction, the asker being its initiator
 * @at_once:	of a new path: its relays are to be bound at once
 */
struct ntm_director_plan {
	unsigned int count;
	bool new_path;
	bool at_once;
	struct ntm_director_action actions[NTM_DIRECTOR_ACTIONS];
};

void ntm_director_decide(const struct ntm_director_ask *ask, struct ntm_director_plan *plan);
/** ntm_director_route() - one Route Direction: @peer as its receiver, who has @role, shall see it; @relays: NULL for none */
void ntm_director_route(struct ntm_msg *msg, const struct ntm_director_node *peer,
			const struct ntm_director_path *path,
			const struct ntm_director_relays *relays, uint8_t role);
/** ntm_director_relay() - one Relay Direction, to @relay */
void ntm_director_relay(struct ntm_msg *msg, const struct ntm_director_path *path,
			const struct ntm_relay_info *relay, const uint8_t initiator[8],
			const uint8_t responder[8]);
/** ntm_director_at_once() - the rows of the director's table that ask for a relay at once */
bool ntm_director_at_once(const struct ntm_director_node *a, const struct ntm_director_node *b);
/** ntm_director_families() - in which of enum ntm_families a node can be reached, and reach others, beyond its own site */
uint8_t ntm_director_families(const struct ntm_director_node *node);
/** ntm_director_candidates() - where others may reach a node: observed first unless it is among its own; returns how many */
unsigned int ntm_director_candidates(const struct ntm_director_node *node,
				     struct ntm_candidate out[NTM_CANDIDATES_MAX]);

#endif
