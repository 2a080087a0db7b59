/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Direction Requests for nodes of other zones: those that wait for the other DC, at most NTM_ASK_WAIT_MS, and the answers of those
 * that do not any more, for 5 s if there is room, so that a repeated request is answered as before. No I/O, no clock.
 */
#ifndef NTM_DC_ASKS_H
#define NTM_DC_ASKS_H

#include "dc/director.h"
#include "dc/hash.h"

#define NTM_ASKS_MAX 4096u
#define NTM_ASKS_EACH 32u    /* that wait, of one node: the others are there for others */
#define NTM_ASK_WAIT_MS 1800 /* a node hears within 2 s */
#define NTM_ASK_KEEP_MS 5000

struct ntm_zone;

/**
 * struct ntm_ask - one request
 * @asker, @session, @request_id: the node's number, the ID of the session it came by, and its own ID of the request
 * @target:	name, or address if @target_len is not 0
 * @relays:	chosen for the path by what is known of the asker
 * @link_id:	ID of the Information Request that is with the zone's link and will call back; 0: not yet, or no more
 * @answer:	what the asker was answered; owned. NULL: it waits
 */
struct ntm_ask {
	uint32_t asker, session, request_id;
	struct ntm_zone *zone;
	char name[NTM_NAME_MAX + 1];
	uint8_t target[16];
	uint8_t target_len;
	struct ntm_director_path path;
	struct ntm_director_relays relays;
	uint32_t link_id;
	struct ntm_msg *answer;
	uint64_t due_ms;
	uint32_t prev, next;
};

struct ntm_ask_queue {
	uint32_t head, tail;
};

struct ntm_asks {
	struct ntm_ask
		*all; /* NTM_ASKS_MAX, none of which moves; memory that was never used costs none */
	uint32_t used, count, free;
	struct ntm_ask_queue waiting, answered; /* in the order of time */
	struct ntm_hash by_request;
};

int ntm_asks_init(struct ntm_asks *a); /* 0 or -ENOMEM */
void ntm_asks_free(struct ntm_asks *a);
/** ntm_asks_find() - the same request, if it was made before; NULL: it is new */
struct ntm_ask *ntm_asks_find(const struct ntm_asks *a, uint32_t asker, uint32_t session,
			      uint32_t request_id);
/** ntm_asks_add() - one that waits from now on; NULL: too many */
struct ntm_ask *ntm_asks_add(struct ntm_asks *a, uint32_t asker, uint32_t session,
			     uint32_t request_id, uint64_t now_ms);
/** ntm_asks_answered() - @answer is copied; without memory the ask is forgotten */
void ntm_asks_answered(struct ntm_asks *a, struct ntm_ask *ask, const struct ntm_msg *answer,
		       uint64_t now_ms);
/** ntm_asks_waiting() - the first that waits, or the one after @ask; NULL: none */
struct ntm_ask *ntm_asks_waiting(const struct ntm_asks *a, const struct ntm_ask *ask);
/** ntm_asks_recent() - the last that was answered, or the one before @ask; NULL: none less than @within_ms ago that is remembered */
struct ntm_ask *ntm_asks_recent(const struct ntm_asks *a, const struct ntm_ask *ask,
				uint64_t within_ms, uint64_t now_ms);
/** ntm_asks_late() - one that has waited too long, or NULL; old answers are forgotten on the way */
struct ntm_ask *ntm_asks_late(struct ntm_asks *a, uint64_t now_ms);
uint64_t ntm_asks_next_ms(const struct ntm_asks *a); /* UINT64_MAX: no need */

#endif
