/* SPDX-License-Identifier: GPL-2.0 */
/* What leaves the coordinator: sealed, counted where it cannot be sent, never waited for. */
#ifndef NTM_DC_SEND_H
#define NTM_DC_SEND_H

#include "dc/core.h"

void ntm_send_packet(struct ntm_core *core, const union ntm_addr *to, const uint8_t *packet,
		     size_t len);
/** ntm_send_message() - to a node or relay server that has a session; @msg with its request ID */
void ntm_send_message(struct ntm_core *core, const struct ntm_node *to, const struct ntm_msg *msg);
/** ntm_send_answer() - to whoever sent @request; @msg gets its request ID */
void ntm_send_answer(struct ntm_core *core, const struct ntm_peer *peer,
		     const struct ntm_msg *request, struct ntm_msg *msg);
/** ntm_send_refusal() - the same, a Refusal; counted */
void ntm_send_refusal(struct ntm_core *core, const struct ntm_peer *peer,
		      const struct ntm_msg *request, uint16_t status);

#endif
