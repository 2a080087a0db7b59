/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does a node receive at the address where it is heard? Who can feign a source is heard wherever it likes. So the address is told to
 * others as an observed one only once something was answered from there that had been sent there and nowhere else:
 *  - of a new session its Session Response, without which nobody has the keys (struct ntm_guest);
 *  - after a move a Keep Alive of ours, whose TIMESTAMP is random, and another one for each address.
 */
#ifndef NTM_DC_PROOF_H
#define NTM_DC_PROOF_H

#include "dc/core.h"

/** ntm_proof_ask() - send that Keep Alive, unless the address is proven or one has just left */
void ntm_proof_ask(struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms);
/** ntm_proof_answer() - a Keep Alive Response of a node that is known */
void ntm_proof_answer(struct ntm_core *core, const struct ntm_peer *peer,
		      const struct ntm_msg *answer);

#endif
