/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to the DC that wait for their responses, with retransmission (docs/PROTOCOL.md section 6): after
 * 250 ms, then at doubled times up to 4 s, each -10 % to +10 %. No I/O.
 */
#ifndef NTM_REQUESTS_H
#define NTM_REQUESTS_H

#include "common/msg.h"

#define NTM_REQUESTS_MAX 1024

/** typedef ntm_request_fn - the response, or NULL: none came in time, or the request was cancelled */
typedef void ntm_request_fn(void *ctx, uint32_t id, const struct ntm_msg *response);
/** typedef ntm_request_send_fn - send this message now */
typedef void ntm_request_send_fn(void *ctx, const struct ntm_msg *m);

struct ntm_request;

struct ntm_requests {
	struct ntm_request *first;
	unsigned int count;
	uint32_t next_id;
};

void ntm_requests_init(struct ntm_requests *list);
/**
 * ntm_requests_add() - a new request; it is due at once
 * @m:		its request ID is set here
 * @for_ms:	how long it is worth sending
 *
 * Returns its ID, or 0: too many, or no memory (@done is not called then).
 */
uint32_t ntm_requests_add(struct ntm_requests *list, const struct ntm_msg *m, uint64_t now_ms,
			  uint32_t for_ms, ntm_request_fn *done, void *ctx);
/**
 * ntm_requests_replace() - the same for what takes the place of request @old, which is sent no more, if it waits still
 *
 * The wait goes on: for ntm_requests_sent_since() the new one was sent when @old was.
 */
uint32_t ntm_requests_replace(struct ntm_requests *list, uint32_t old, const struct ntm_msg *m,
			      uint64_t now_ms, uint32_t for_ms, ntm_request_fn *done, void *ctx);
/** ntm_requests_answer() - hand a response over; false: nobody waits for it */
bool ntm_requests_answer(struct ntm_requests *list, const struct ntm_msg *response);
/** ntm_requests_cancel() - this one is not worth waiting for any more, if it waits still */
void ntm_requests_cancel(struct ntm_requests *list, uint32_t id);
/** ntm_requests_expire() - end those whose time is over */
void ntm_requests_expire(struct ntm_requests *list, uint64_t now_ms);
/** ntm_requests_send() - send what is due; only messages of @type if that is not 0 */
void ntm_requests_send(struct ntm_requests *list, uint64_t now_ms, uint8_t type,
		       ntm_request_send_fn *send, void *ctx);
/** ntm_requests_due() - all are due now: there is a new session */
void ntm_requests_due(struct ntm_requests *list, uint64_t now_ms);
/** ntm_requests_sent_since() - since when the oldest request that was sent waits; UINT64_MAX: none does */
uint64_t ntm_requests_sent_since(const struct ntm_requests *list);
/** ntm_requests_deadline() - @sending: requests can be sent; else only their ends count */
uint64_t ntm_requests_deadline(const struct ntm_requests *list, bool sending, uint8_t type);
void ntm_requests_cancel_all(struct ntm_requests *list);

#endif
