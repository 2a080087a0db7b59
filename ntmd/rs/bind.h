/* SPDX-License-Identifier: GPL-2.0 */
/* Relay Binds, and signalling that passes through (docs/PROTOCOL.md 8.1, 8.2). */
#ifndef NTM_RS_BIND_H
#define NTM_RS_BIND_H

#include "rs/core.h"

/** ntm_rs_bind() - a Relay Bind: the cookie, or Bound, or nothing */
void ntm_rs_bind(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		 const union ntm_addr *from);
/** ntm_rs_forward() - a Relayed packet: to the other end of its path, or nowhere */
void ntm_rs_forward(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		    const union ntm_addr *from);

#endif
