/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who sends what to whom when a node asks for another one: a pure function, without I/O, clock or randomness. The
 * caller looks the nodes up, supplies what is random, and sends what comes out.
 */
#ifndef NTM_DC_DIRECTOR_H
#define NTM_DC_DIRECTOR_H

#include "common/msg.h"

/**
 * struct ntm_director_node - what the director may know of a node
 * @observed:	where the DC hears it
 * @candidates:	its own addresses, as it registered them, best first
 */
struct ntm_director_node {
	const char *name;
	const uint8_t *key;
	bool has4, has6;
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t prefix4, prefix6;
	uint32_t suites;
	bool registered;
	bool revoked;
	bool online;
	union ntm_addr observed;
	const struct ntm_candidate *candidates;
	unsigned int candidate_count;
};

/** struct ntm_director_path - what makes a direction */
struct ntm_director_path {
	uint32_t path_id;
	uint8_t psk[32];
};

/**
 * struct ntm_director_ask - a Direction Request and all that bears on it
 * @peer:	NULL: no such node
 * @self:	asker and peer are the same node
 * @allowed:	the asker's rate limit lets it ask now
 * @fresh:	path to use if a new one is needed
 * @recent:	the direction that was made for this very request or a crossing one, or NULL
 * @recent_role: the asker's role in it
 */
struct ntm_director_ask {
	const struct ntm_director_node *asker;
	const struct ntm_director_node *peer;
	bool self;
	bool allowed;
	const struct ntm_director_path *fresh;
	const struct ntm_director_path *recent;
	uint8_t recent_role;
};

enum ntm_director_to { NTM_DIRECTOR_TO_ASKER, NTM_DIRECTOR_TO_PEER };

/**
 * struct ntm_director_action - send this, in the order of the actions
 * @msg:	without request ID: to the asker it is the request's, to the peer one of the DC's
 * @until_confirmed: send it again until a Route Direction Confirmation comes
 */
struct ntm_director_action {
	enum ntm_director_to to;
	bool until_confirmed;
	struct ntm_msg msg;
};

#define NTM_DIRECTOR_ACTIONS 2

/**
 * struct ntm_director_plan - the answer
 * @new_path:	@fresh was used: remember it as the pair's recent direction, the asker being its initiator
 */
struct ntm_director_plan {
	unsigned int count;
	bool new_path;
	struct ntm_director_action actions[NTM_DIRECTOR_ACTIONS];
};

void ntm_director_decide(const struct ntm_director_ask *ask, struct ntm_director_plan *plan);
/** ntm_director_route() - one Route Direction: @peer as its receiver, who has @role, shall see it */
void ntm_director_route(struct ntm_msg *msg, const struct ntm_director_node *peer,
			const struct ntm_director_path *path, uint8_t role);
/** ntm_director_candidates() - where others may reach a node: observed first unless it is among its own; returns how many */
unsigned int ntm_director_candidates(const struct ntm_director_node *node,
				     struct ntm_candidate out[NTM_CANDIDATES_MAX]);

#endif
