/* SPDX-License-Identifier: GPL-2.0 */
/* Directions as they happen: from a Direction Request to what is sent, sent again, and answered. What to send is the director's. */
#ifndef NTM_DC_DIRECT_H
#define NTM_DC_DIRECT_H

#include "dc/core.h"

/** ntm_direct_request() - a node's Direction Request */
void ntm_direct_request(struct ntm_core *core, const struct ntm_peer *peer,
			const struct ntm_msg *request, uint64_t now_ms);
/** ntm_direct_confirmed() - a node's Route Direction Confirmation */
void ntm_direct_confirmed(struct ntm_core *core, const struct ntm_peer *peer,
			  const struct ntm_msg *msg);
/** ntm_direct_relay_response() - a relay server's Relay Response */
void ntm_direct_relay_response(struct ntm_core *core, const struct ntm_peer *peer,
			       const struct ntm_msg *msg, uint64_t now_ms);
/** ntm_direct_resend() - what was not confirmed in time */
void ntm_direct_resend(struct ntm_core *core, uint64_t now_ms);

#endif
