/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DNS queries that are not for the zone, passed on to the name servers that the host has besides us.
 * Each goes out under an ID and from a port of its own, both random (RFC 5452), and by TCP if it came so.
 */
#ifndef NTM_UPSTREAM_H
#define NTM_UPSTREAM_H

#include <stdbool.h>
#include <uv.h>
#include "common/addr.h"

#define NTM_UPSTREAM_SERVERS 4
#define NTM_UPSTREAM_MAX 256	/* queries at once */
#define NTM_UPSTREAM_STREAMS 32 /* of these by TCP */

struct ntm_upstream;

/**
 * typedef ntm_upstream_fn - the answer, under the ID of the query; SERVFAIL if nobody gave one
 *
 * Called once for each query that ntm_upstream_ask() took, unless ntm_upstream_close() came first. @msg is good during
 * the call. May ask again.
 */
typedef void ntm_upstream_fn(void *ctx, uint64_t tag, const uint8_t *msg, size_t len);

/** ntm_upstream_open() - with no server yet; 0 or a negative errno */
int ntm_upstream_open(struct ntm_upstream **up, uv_loop_t *loop);
/** ntm_upstream_servers() - use these (the first NTM_UPSTREAM_SERVERS of them) from now on; cheap if they are the same as before */
void ntm_upstream_servers(struct ntm_upstream *up, const union ntm_addr *servers,
			  unsigned int count);
/**
 * ntm_upstream_ask() - pass a query on
 *
 * @stream: by TCP, for an answer that need not fit into a datagram
 *
 * The next server is tried after 1.5 s (@stream: 3 s), or at once if one refuses; after 4 s (8 s), or once all have refused, the answer is
 * SERVFAIL. @fn is never called from here. Returns 0; -EBADMSG if @msg is no query with one question, -EHOSTUNREACH without a server that can be
 * sent to, -EBUSY with too many queries under way, or another negative errno.
 */
int ntm_upstream_ask(struct ntm_upstream *up, uint64_t tag, bool stream, const uint8_t *msg,
		     size_t len, ntm_upstream_fn *fn, void *ctx);
/** ntm_upstream_servfail() - the answer that there is none (RFC 1035 4.1.1); its length, 0 if @query has not one question */
size_t ntm_upstream_servfail(const uint8_t *query, size_t len, uint8_t *out, size_t size);
/** ntm_upstream_close() - forget all queries (the loop must run on to free memory); NULL: nothing. Also from a callback. */
void ntm_upstream_close(struct ntm_upstream *up);

#endif
