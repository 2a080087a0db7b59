/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an operator asks for, in JSON: over the control socket of a running coordinator, or on a core that the
 * command line opened itself.
 *
 *   {"command": "invite", "names": [NAME...], "relay": BOOL}  {"ok": true, "joins": [STRING...]}: all or none
 *   {"command": "nodes", "after": NAME}               {"ok": true, "nodes": [...], "more": BOOL}
 *   {"command": "relays", "after": NAME}              {"ok": true, "relays": [...], "more": BOOL}
 *   {"command": "revoke", "name": NAME}               {"ok": true, "name": FULL NAME}
 *   {"command": "zones"}                              {"ok": true, "zones": [...]}
 *   {"command": "key"}                                {"ok": true, "zone": NAME, "key": KEY, "port": N, "addresses": [...]}
 *   {"command": "forget", "zone": NAME}               {"ok": true}
 *   {"command": "status"}                             {"ok": true, ...}
 */
#ifndef NTM_DC_ADMIN_H
#define NTM_DC_ADMIN_H

#include <jansson.h>
#include "dc/core.h"

#define NTM_ADMIN_BATCH \
	128 /* names in one invite, nodes in one page: keeps a line, and the wait of others, short */

/** ntm_admin_run() - the response (caller's reference); NULL only without memory. @live: packets are served, now_ms means something */
json_t *ntm_admin_run(struct ntm_core *core, json_t *request, bool live, uint64_t now_ms);

#endif
