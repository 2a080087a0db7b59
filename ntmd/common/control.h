/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control socket: a UNIX stream socket, one JSON object a line each way.
 * Request {"command": NAME, ...}; response {"ok": true, ...} or {"ok": false, "error": TEXT, "code": N}
 * where code is an exit code of ntmctl.
 */
#ifndef NTM_CONTROL_H
#define NTM_CONTROL_H

#include <jansson.h>
#include <uv.h>

struct ntm_control;
struct ntm_control_reply; /* one request that waits for its answer; may be answered later */

/** typedef ntm_control_fn - a request came. Answer by ntm_control_answer(), now or later, exactly once. @request is borrowed. */
typedef void ntm_control_fn(void *ctx, json_t *request, struct ntm_control_reply *reply);

/* Mode 0660; an old socket nobody listens at is replaced, a live one is -EADDRINUSE. */
int ntm_control_open(struct ntm_control **control, uv_loop_t *loop, const char *path,
		     ntm_control_fn *fn, void *ctx);
/* @response is stolen. The connection may be gone by then; that is no error. */
void ntm_control_answer(struct ntm_control_reply *reply, json_t *response);
/* {"ok": false, ...} */
void ntm_control_fail(struct ntm_control_reply *reply, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Removes the socket; the loop must run on to free memory. NULL: nothing. */
void ntm_control_close(struct ntm_control *control);

/**
 * ntm_control_call() - client side, blocking
 * @request:	borrowed: the caller goes on owning it
 *
 * Returns the response (caller's reference), or NULL with errno: ECONNREFUSED/ENOENT nobody listens, ETIMEDOUT, EPROTO.
 */
json_t *ntm_control_call(const char *path, json_t *request, int timeout_ms);

/* Exit codes of ntmctl, and codes of failures. */
enum ntm_exit {
	NTM_EXIT_OK,
	NTM_EXIT_ERROR,
	NTM_EXIT_USAGE,
	NTM_EXIT_NOT_RUNNING,
	NTM_EXIT_RELAYED,
	NTM_EXIT_UNREACHABLE,
};

#endif
