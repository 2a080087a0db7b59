/* SPDX-License-Identifier: GPL-2.0 */
/* Finds the network's NAT64 prefix by asking the host's name servers for ipv4only.arpa (RFC 7050), and asks again from time to time. */
#ifndef NTM_NAT64_FIND_H
#define NTM_NAT64_FIND_H

#include <uv.h>
#include "nat64.h"

struct ntm_nat64_find;

/** typedef ntm_nat64_servers_fn - the name servers to ask: how many of at most @max */
typedef unsigned int ntm_nat64_servers_fn(void *ctx, union ntm_addr *out, unsigned int max);
/** typedef ntm_nat64_found_fn - another prefix than before, or none any more */
typedef void ntm_nat64_found_fn(void *ctx, const struct ntm_nat64 *nat64);

/** ntm_nat64_find_open() - does nothing yet; 0 or a negative errno */
int ntm_nat64_find_open(struct ntm_nat64_find **find, uv_loop_t *loop,
			ntm_nat64_servers_fn *servers, ntm_nat64_found_fn *found, void *ctx);
/** ntm_nat64_find_ask() - ask now: the network may be another one. @found is never called from here. */
void ntm_nat64_find_ask(struct ntm_nat64_find *find);
/** ntm_nat64_find_stop() - ask no more until ntm_nat64_find_ask(), and there is no prefix; @found is not called */
void ntm_nat64_find_stop(struct ntm_nat64_find *find);
/** ntm_nat64_find_close() - the loop must run on to free memory; NULL: nothing */
void ntm_nat64_find_close(struct ntm_nat64_find *find);

#endif
