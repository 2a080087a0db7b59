/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions with the DCs of other zones, and how two DCs get to know each other (docs/PROTOCOL.md section 9): look-ups (whose I/O is
 * finder.c's), Zone Requests both ways, pinned keys.
 */
#ifndef NTM_DC_LINK_H
#define NTM_DC_LINK_H

#include "dc/core.h"

/** ntm_link_open() - the zones of the configuration, with their pins; 0 or a negative errno with a sentence */
int ntm_link_open(struct ntm_core *core, char *error, size_t size);
void ntm_link_close(struct ntm_core *core);
/** ntm_link_reload() - zones may have come or gone, or our own networks changed; 0 or -ENOMEM */
int ntm_link_reload(struct ntm_core *core, const struct ntm_dc_config *config);

/** ntm_link_found() - a look-up that core->find started is over; @found NULL: nothing, for the reason @why */
void ntm_link_found(struct ntm_core *core, const char *name, const struct ntm_found *found,
		    const char *why, uint64_t now_ms);
/** ntm_link_hurry() - somebody waits for this zone */
void ntm_link_hurry(struct ntm_core *core, struct ntm_zone *zone, uint64_t now_ms);
/** ntm_link_packet() - a packet of a session with another DC; false: it is none */
bool ntm_link_packet(struct ntm_core *core, const uint8_t *packet, size_t len,
		     const union ntm_addr *from, uint64_t now_ms);
/** ntm_link_introduced() - a Zone Request by somebody whom nobody here knows */
void ntm_link_introduced(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *msg,
			 uint64_t now_ms);
/** ntm_link_forget() - the pinned key of a zone, and all that came of it; 0, -ENOENT, or as the store has it */
int ntm_link_forget(struct ntm_core *core, const char *name, uint64_t now_ms);

void ntm_link_tick(struct ntm_core *core, uint64_t now_ms);
uint64_t ntm_link_next_ms(const struct ntm_core *core);

#endif
