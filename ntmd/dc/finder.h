/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finds the DC of a zone in the DNS (docs/PROTOCOL.md section 9), by libunbound on a libuv loop: the TXT and SRV records of
 * _ntmobile._udp.ZONE, then the addresses of the SRV records' targets. It asks the servers of /etc/resolv.conf.
 *
 * With a trust anchor it validates DNSSEC, and what is bogus is no answer; if that is required, TXT and SRV must be signed (the
 * addresses need not: whoever is there has to prove the key). An address that cannot be had, or not within the time that there is,
 * matters only if there is no other. libunbound works in a thread of its own, which touches nothing of ours.
 */
#ifndef NTM_DC_FINDER_H
#define NTM_DC_FINDER_H

#include <uv.h>
#include "dc/records.h"

struct ntm_finder;

/** typedef ntm_finder_fn - a look-up is over; @found NULL: nothing, for the reason @why. Never from within ntm_finder_find() */
typedef void ntm_finder_fn(void *ctx, const char *zone, const struct ntm_found *found,
			   const char *why);

/** ntm_finder_open() - @trust_anchor: a file of DS or DNSKEY records, or empty; 0 or a negative errno */
int ntm_finder_open(struct ntm_finder **finder, uv_loop_t *loop, const char *trust_anchor,
		    bool required, ntm_finder_fn *fn, void *ctx);
/** ntm_finder_find() - 0; -EBUSY too many at once; or another negative errno */
int ntm_finder_find(struct ntm_finder *finder, const char *zone);
/** ntm_finder_refresh() - read /etc/resolv.conf anew, and believe nothing that is remembered, from the next look-up on */
void ntm_finder_refresh(struct ntm_finder *finder);
/** ntm_finder_close() - @fn is not called any more; the loop must run on to free memory. NULL: nothing */
void ntm_finder_close(struct ntm_finder *finder);

#endif
