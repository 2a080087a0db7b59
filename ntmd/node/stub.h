/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Name server on addresses of our own interface: takes queries by UDP and TCP, for somebody else to answer. Only sockets of
 * this host are heard.
 */
#ifndef NTM_STUB_H
#define NTM_STUB_H

#include <uv.h>
#include "common/addr.h"

#define NTM_STUB_ADDRS 2
#define NTM_STUB_QUERIES 512	/* unanswered at once */
#define NTM_STUB_STREAMS 32	/* TCP connections at once */
#define NTM_STUB_QUERY_MAX 4096 /* bytes */

struct ntm_stub;

/** typedef ntm_stub_query_fn - a query, of at least 12 bytes; good during the call. ntm_stub_reply() may be called at once. */
typedef void ntm_stub_query_fn(void *ctx, uint64_t tag, const uint8_t *msg, size_t len);

/**
 * ntm_stub_open() - listen
 * @addrs:	with their port, which is 53 but in tests; at most NTM_STUB_ADDRS. They need not be there yet.
 *
 * Returns 0 or a negative errno; on failure *@stub is NULL.
 */
int ntm_stub_open(struct ntm_stub **stub, uv_loop_t *loop, const union ntm_addr *addrs,
		  unsigned int count, ntm_stub_query_fn *query, void *ctx);
/**
 * ntm_stub_reply() - answer a query
 * @len: 0: there is no answer; a TCP connection is closed
 *
 * A tag is good for one reply, within 10 s. Returns 0, -ENOENT for a tag that is not good, -EMSGSIZE for more than 65535 bytes.
 */
int ntm_stub_reply(struct ntm_stub *stub, uint64_t tag, const uint8_t *msg, size_t len);
/** ntm_stub_is_stream() - did this query come by TCP, so that its answer may be long */
bool ntm_stub_is_stream(uint64_t tag);
/** ntm_stub_close() - at once (the loop must run on to free memory); NULL: nothing. Also from the callback. */
void ntm_stub_close(struct ntm_stub *stub);

#endif
