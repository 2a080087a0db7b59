// SPDX-License-Identifier: GPL-2.0
/*
 * A query has a timer as long as it lives, and one try after the other
 * (upstream_try.h).
 *
 * Lifetime: libuv gives handles back some time after uv_close(). A query is
 * freed when its timer is, and not touched by anyone else from its closing
 * on. It does not point to the struct ntm_upstream then, so that this may be
 * freed at once.
 */
#include "upstream.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "upstream_try.h"

#define HEADER 12
#define QUERY_MAX 4096 /* bytes */
#define ANSWER_MAX 65535
#define SERVFAIL 2

/* By TCP there are more round trips than one, and the name server may have to ask by TCP in its turn */
static const struct patience {
	unsigned int next_ms, give_up_ms;
} patience[] = { [false] = { 1500, 4000 }, [true] = { 3000, 8000 } };

struct query {
	uv_timer_t timer;
	struct ntm_upstream *up;
	struct query *next, **link;
	struct ntm_try *try;
	bool stream;
	ntm_upstream_fn *fn;
	void *ctx;
	uint64_t tag;
	uint64_t deadline_ms;
	unsigned int server, next_server;
	unsigned int refused; /* since one did not */
	size_t question_end;
	size_t len;
	uint8_t msg[];
};

struct ntm_upstream {
	uv_loop_t *loop;
	struct query *queries;
	unsigned int active, streams; /* streams are among the active */
	union ntm_addr servers[NTM_UPSTREAM_SERVERS];
	unsigned int count;
	unsigned int first; /* the server that answered last */
	uint8_t answer[ANSWER_MAX];
};

/* Messages */

/* The end of the one question, whose name a query never compresses; 0: not so */
static size_t question_end(const uint8_t *msg, size_t len)
{
	size_t at = HEADER;

	if (len < HEADER || msg[4] || msg[5] != 1)
		return 0;
	while (at < len && msg[at]) {
		if (msg[at] > 63)
			return 0;
		at += msg[at] + 1U;
	}
	return at + 5 <= len ? at + 5 : 0;
}

/* The question alone comes back */
static size_t error_answer(const uint8_t *query, size_t len, uint8_t rcode, uint8_t *out,
			   size_t size)
{
	const size_t end = question_end(query, len);

	if (!end || end > size)
		return 0;
	memcpy(out, query, end);
	out[2] = (uint8_t)((out[2] & 0x79) | 0x80);	    /* a response: opcode and RD stay */
	out[3] = (uint8_t)((out[3] & 0x10) | 0x80 | rcode); /* CD stays; RA */
	memset(out + 6, 0, HEADER - 6);
	return end;
}

/* Whoever asks has other servers to try */
size_t ntm_upstream_servfail(const uint8_t *query, size_t len, uint8_t *out, size_t size)
{
	return error_answer(query, len, SERVFAIL, out, size);
}

static bool is_response(const uint8_t *msg)
{
	return msg[2] & 0x80;
}

/* Names are compared without their case, which some servers do not keep; type and class follow the name */
static bool same_question(const struct query *q, const uint8_t *answer)
{
	size_t name_end = q->question_end - 4;

	for (size_t i = HEADER; i < name_end; i++) {
		if (tolower(q->msg[i]) != tolower(answer[i]))
			return false;
	}
	return !memcmp(q->msg + name_end, answer + name_end, 4);
}

static uint8_t rcode_of(const uint8_t *msg)
{
	return msg[3] & 0xf;
}

/* A server that cannot read a query, with EDNS in it perhaps, sends no question back */
static bool is_bare_error(const uint8_t *msg)
{
	return !msg[4] && !msg[5] && rcode_of(msg);
}

static bool is_answer(const struct query *q, const uint8_t *msg, size_t len)
{
	if (len < HEADER || !is_response(msg))
		return false;
	return is_bare_error(msg) ||
	       (question_end(msg, len) == q->question_end && same_question(q, msg));
}

/* Tries */

static bool on_message(void *ctx, uint8_t *msg, ssize_t len);

static int start_try(struct query *q)
{
	struct ntm_upstream *up = q->up;
	const struct ntm_try_how how = { .loop = up->loop,
					 .server = &up->servers[q->server],
					 .stream = q->stream,
					 .msg = q->msg,
					 .len = q->len,
					 .buf = up->answer,
					 .size = sizeof(up->answer),
					 .fn = on_message,
					 .ctx = q };

	return ntm_try_start(&q->try, &how);
}

static void end_try(struct query *q)
{
	ntm_try_end(q->try);
	q->try = NULL;
}

/* The next server that can be sent to. One that cannot be is as good as one that refuses. */
static int try_next(struct query *q)
{
	const struct ntm_upstream *up = q->up;

	end_try(q);
	while (q->refused < up->count) {
		q->server = q->next_server++ % up->count;
		if (!start_try(q))
			return 0;
		q->refused++;
	}
	return -EHOSTUNREACH;
}

/* Queries */

static void free_query(uv_handle_t *handle)
{
	free(handle->data);
}

static void end_query(struct query *q)
{
	end_try(q);
	*q->link = q->next;
	if (q->next)
		q->next->link = q->link;
	q->up->active--;
	q->up->streams -= q->stream;
	uv_close((uv_handle_t *)&q->timer, free_query);
}

/* The callback is last: it may ask again, or close everything */
static void finish(struct query *q, const uint8_t *msg, size_t len)
{
	ntm_upstream_fn *fn = q->fn;
	void *ctx = q->ctx;
	uint64_t tag = q->tag;

	end_query(q);
	fn(ctx, tag, msg, len);
}

static void on_timer(uv_timer_t *timer);

static void arm(struct query *q)
{
	const uint64_t next = patience[q->stream].next_ms;
	uint64_t now = uv_now(q->up->loop);
	uint64_t left = q->deadline_ms > now ? q->deadline_ms - now : 0;

	uv_timer_start(&q->timer, on_timer, left < next ? left : next, 0);
}

static void fail(struct query *q, uint8_t rcode)
{
	uint8_t *out = q->up->answer;

	finish(q, out, error_answer(q->msg, q->question_end, rcode, out, sizeof(q->up->answer)));
}

static void go_on(struct query *q)
{
	if (uv_now(q->up->loop) >= q->deadline_ms || try_next(q))
		fail(q, SERVFAIL);
	else
		arm(q);
}

static void on_timer(uv_timer_t *timer)
{
	struct query *q = timer->data;

	q->refused = 0; /* silence is no refusal */
	go_on(q);
}

static void answered(struct query *q, uint8_t *msg, size_t len)
{
	q->up->first = q->server;
	if (is_bare_error(msg)) {
		fail(q, rcode_of(msg));
		return;
	}
	/* With its ID the asker gets the case of its letters back, too */
	memcpy(msg, q->msg, 2);
	memcpy(msg + HEADER, q->msg + HEADER, q->question_end - HEADER);
	finish(q, msg, len);
}

static void refused(struct query *q)
{
	q->refused++;
	go_on(q);
}

/* What is no answer to this query is passed over, and the wait for one goes on */
static bool on_message(void *ctx, uint8_t *msg, ssize_t len)
{
	struct query *q = ctx;

	if (len < 0)
		refused(q);
	else if (is_answer(q, msg, (size_t)len))
		answered(q, msg, (size_t)len);
	else
		return true;
	return false;
}

static struct query *new_query(struct ntm_upstream *up, bool stream, const uint8_t *msg, size_t len)
{
	struct query *q = calloc(1, sizeof(*q) + len);

	if (!q)
		return NULL;
	q->up = up;
	q->next_server = up->first;
	q->stream = stream;
	q->deadline_ms = uv_now(up->loop) + patience[stream].give_up_ms;
	q->len = len;
	memcpy(q->msg, msg, len);
	uv_timer_init(up->loop, &q->timer);
	q->timer.data = q;
	q->next = up->queries;
	if (q->next)
		q->next->link = &q->next;
	q->link = &up->queries;
	up->queries = q;
	up->active++;
	up->streams += stream;
	return q;
}

/* Public functions */

int ntm_upstream_ask(struct ntm_upstream *up, uint64_t tag, bool stream, const uint8_t *msg,
		     size_t len, ntm_upstream_fn *fn, void *ctx)
{
	size_t end = question_end(msg, len);
	struct query *q;
	int err;

	if (!end || is_response(msg) || len > QUERY_MAX)
		return -EBADMSG;
	if (!up->count)
		return -EHOSTUNREACH;
	if (up->active >= NTM_UPSTREAM_MAX || (stream && up->streams >= NTM_UPSTREAM_STREAMS))
		return -EBUSY;
	q = new_query(up, stream, msg, len);
	if (!q)
		return -ENOMEM;
	q->question_end = end;
	q->tag = tag;
	q->fn = fn;
	q->ctx = ctx;
	err = try_next(q);
	if (err)
		end_query(q);
	else
		arm(q);
	return err;
}

static bool same_servers(const struct ntm_upstream *up, const union ntm_addr *servers,
			 unsigned int count)
{
	if (up->count != count)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		if (!ntm_addr_equal(&up->servers[i], &servers[i]))
			return false;
	}
	return true;
}

void ntm_upstream_servers(struct ntm_upstream *up, const union ntm_addr *servers,
			  unsigned int count)
{
	if (count > NTM_UPSTREAM_SERVERS)
		count = NTM_UPSTREAM_SERVERS;
	if (same_servers(up, servers, count))
		return;
	up->count = count;
	up->first = 0;
	for (unsigned int i = 0; i < count; i++)
		up->servers[i] = servers[i];
}

int ntm_upstream_open(struct ntm_upstream **up, uv_loop_t *loop)
{
	*up = calloc(1, sizeof(**up));
	if (!*up)
		return -ENOMEM;
	(*up)->loop = loop;
	return 0;
}

void ntm_upstream_close(struct ntm_upstream *up)
{
	if (!up)
		return;
	while (up->queries)
		end_query(up->queries);
	free(up);
}
