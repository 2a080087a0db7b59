/* SPDX-License-Identifier: GPL-2.0 */
/* Directions between zones: Information Requests for our nodes that ask, and by other DCs for theirs (docs/PROTOCOL.md section 9). */
#ifndef NTM_DC_INFORM_H
#define NTM_DC_INFORM_H

#include "dc/core.h"

/** ntm_inform_ask() - a node's Direction Request, if it is for a node of another zone; false: it is not */
bool ntm_inform_ask(struct ntm_core *core, const struct ntm_peer *peer,
		    const struct ntm_msg *request, uint64_t now_ms);
/** ntm_inform_request() - an Information Request of @zone, whose DC @peer is */
void ntm_inform_request(struct ntm_core *core, struct ntm_zone *zone, const struct ntm_peer *peer,
			const struct ntm_msg *request, uint64_t now_ms);
/** ntm_inform_flush() - the zone can be asked now, or will not be: what waits for that goes out, or is answered */
void ntm_inform_flush(struct ntm_core *core, struct ntm_zone *zone, uint64_t now_ms);
/** ntm_inform_abandon() - the zone is going: nothing waits for it any more */
void ntm_inform_abandon(struct ntm_core *core, const struct ntm_zone *zone, uint64_t now_ms);
void ntm_inform_tick(struct ntm_core *core, uint64_t now_ms);

#endif
