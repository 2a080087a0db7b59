/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The directions of the last 5 s: for the pair that asks again, and for those that have not confirmed yet: the responder its
 * Route Direction, each relay its Relay Direction.
 *
 * All of them are sent at the same times, so an entry remembers who is still silent, and waits in one of four queues, each in the
 * order of time because all its entries wait equally long: for the second, third and fourth copy (200, 400, 800 ms after the
 * one before), and for being forgotten. The earliest event is the earliest of four heads, however many directions there
 * are. No I/O, no clock.
 */
#ifndef NTM_DC_DIRECTIONS_H
#define NTM_DC_DIRECTIONS_H

#include "dc/director.h"
#include "dc/hash.h"

#define NTM_DIRECTION_RECENT_MS 5000
#define NTM_DIRECTION_CROSSED_MS 1000
#define NTM_DIRECTIONS_MAX (1u << 17)
#define NTM_DIRECTION_RETRIES 3

/* Who has to confirm */
#define NTM_WAIT_RESPONDER 1u
#define NTM_WAIT_RELAY(i) (2u << (i))

/**
 * struct ntm_direction - one direction
 * @initiator, @responder: node ids
 * @sessions:	of the two, when it was made: a node that has another one since may have forgotten all
 * @asked_id:	request ID of the initiator's Direction Request
 * @request_id: that of the Route Direction to the responder, and of the Relay Directions
 * @relays:	node ids, @relay_count of them
 * @at_once:	the ends were told to bind at once
 * @told:	relays that another zone's DC chose and looks after, to tell the responder of; owned. NULL: none
 * @waiting:	NTM_WAIT_*: who has not confirmed
 * @last:	of what ntm_directions_due() returns: this is the last copy
 */
struct ntm_direction {
	struct ntm_director_path path;
	uint32_t initiator, responder;
	uint32_t sessions[2];
	uint32_t asked_id;
	uint32_t request_id;
	uint32_t relays[NTM_DIRECTOR_RELAYS];
	uint8_t relay_count;
	bool at_once;
	struct ntm_director_relays *told;
	uint8_t waiting;
	bool last;
	uint8_t queue;
	uint64_t made_ms;
	uint64_t due_ms;
	uint32_t prev, next;
};

struct ntm_direction_queue {
	uint32_t head, tail;
};

struct ntm_directions {
	struct ntm_direction *all; /* grows to NTM_DIRECTIONS_MAX */
	uint32_t size;
	uint32_t count;
	uint32_t free;	      /* list through next */
	uint64_t unconfirmed; /* forgotten without a Confirmation of the responder */
	struct ntm_direction_queue queues[NTM_DIRECTION_RETRIES + 1];
	struct ntm_hash by_pair, by_path;
};

int ntm_directions_init(struct ntm_directions *d);
void ntm_directions_free(struct ntm_directions *d);
/** ntm_directions_add() - remember; the responder has to confirm. NULL if there are too many. Good until the next call that adds or expires */
struct ntm_direction *ntm_directions_add(struct ntm_directions *d,
					 const struct ntm_director_path *path, uint32_t initiator,
					 uint32_t responder, uint32_t request_id, uint64_t now_ms);
/** ntm_directions_recent() - the newest of a pair, either way round; NULL if there is none younger than 5 s */
struct ntm_direction *ntm_directions_recent(const struct ntm_directions *d, uint32_t a, uint32_t b,
					    uint64_t now_ms);
bool ntm_directions_path_used(const struct ntm_directions *d, uint32_t path_id);
/** ntm_directions_relay() - @node is to be told of the path and to confirm that */
void ntm_directions_relay(struct ntm_direction *dir, uint32_t node);
/** ntm_directions_confirm() - the responder's or a relay's word; the direction it was for, NULL if there is none */
struct ntm_direction *ntm_directions_confirm(struct ntm_directions *d, uint32_t path_id,
					     uint32_t node);
/** ntm_directions_due() - the next entry that has to be sent again now to those it waits for, or NULL; forgets old ones on the way */
struct ntm_direction *ntm_directions_due(struct ntm_directions *d, uint64_t now_ms);
/** ntm_directions_next_ms() - when ntm_directions_due() should be called; UINT64_MAX: no need */
uint64_t ntm_directions_next_ms(const struct ntm_directions *d);

#endif
