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
/** ntm_direct_may_ask() - a node's rate of Direction and Registration Requests allows one more */
bool ntm_direct_may_ask(struct ntm_node *node, uint64_t now_ms);
/** ntm_direct_find() - our node that a Direction or Information Request is for, or NULL */
struct ntm_node *ntm_direct_find(const struct ntm_core *core, const struct ntm_msg *request);
/** ntm_direct_view() - a node as the director sees it; good as long as the node is not changed */
void ntm_direct_view(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms,
		     struct ntm_director_node *out);
/** ntm_direct_make_path() - a new Path ID and psk; wipe it */
void ntm_direct_make_path(const struct ntm_core *core, struct ntm_director_path *path);
/** ntm_direct_remember_relays() - a new direction has these, and they are told of it */
void ntm_direct_remember_relays(struct ntm_core *core, struct ntm_direction *d,
				const struct ntm_director_relays *relays, uint64_t now_ms);
/** ntm_direct_resend() - what was not confirmed in time */
void ntm_direct_resend(struct ntm_core *core, uint64_t now_ms);

#endif
