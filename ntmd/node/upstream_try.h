/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A DNS query to one name server, by UDP or TCP: a socket connected to it, with a random port, and a random ID (RFC 5452).
 * Closing it closes the port, so that what comes late reaches nobody.
 */
#ifndef NTM_UPSTREAM_TRY_H
#define NTM_UPSTREAM_TRY_H

#include <stdbool.h>
#include <uv.h>
#include "common/addr.h"

struct ntm_try;

/**
 * typedef ntm_try_fn - a message under our ID came; it is good, and may be written to, during the call
 * @len:	or a negative errno: nothing more will come
 *
 * Returns true to wait for another message. Else, and after an error, the try has to be ended, in here or later.
 */
typedef bool ntm_try_fn(void *ctx, uint8_t *msg, ssize_t len);

/**
 * struct ntm_try_how - what is asked, and how
 * @msg:	under any ID
 * @buf:	for answers by UDP; shared by all tries
 */
struct ntm_try_how {
	uv_loop_t *loop;
	const union ntm_addr *server;
	bool stream;
	const uint8_t *msg;
	size_t len;
	uint8_t *buf;
	size_t size;
	ntm_try_fn *fn;
	void *ctx;
};

/** ntm_try_start() - send it; @fn is never called from here. 0 or a negative errno, with *@try NULL */
int ntm_try_start(struct ntm_try **try, const struct ntm_try_how *how);
/** ntm_try_end() - forget it (the loop must run on to free memory); NULL: nothing */
void ntm_try_end(struct ntm_try *try);

#endif
