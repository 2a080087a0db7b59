/* SPDX-License-Identifier: GPL-2.0 */
/* Registration: who may be which node, and what its lease says. */
#ifndef NTM_DC_REGISTER_H
#define NTM_DC_REGISTER_H

#include "dc/core.h"

/**
 * ntm_register() - a Registration Request
 * @peer:	its sender; @peer->node is set when a token has made it a node
 * @response:	out: the Registration Response, without request ID
 *
 * Repeating a request changes nothing more than the first did.
 */
void ntm_register(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *request,
		  struct ntm_msg *response, uint64_t now_ms);
/** ntm_register_news() - has this node's lease run out, or would one tell it more now than the last one did: relays, or other zones? */
bool ntm_register_news(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms);

#endif
