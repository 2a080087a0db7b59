/* SPDX-License-Identifier: GPL-2.0 */
/* What each packet and message leads to. */
#ifndef NTM_DC_DISPATCH_H
#define NTM_DC_DISPATCH_H

#include "dc/core.h"

void ntm_dispatch_handshake(struct ntm_core *core, const uint8_t *packet, size_t len,
			    const union ntm_addr *from, uint64_t now_ms);
void ntm_dispatch_sealed(struct ntm_core *core, const uint8_t *packet, size_t len,
			 const union ntm_addr *from, uint64_t now_ms);

#endif
