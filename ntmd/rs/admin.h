/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an operator asks of a running relay server, over the control socket.
 *
 *   {"command": "join", "string": STRING}	{"ok": true, "name": NAME, "zone": ZONE}, when the DC has answered
 *   {"command": "leave", "zone": ZONE}		{"ok": true}
 *   {"command": "status"}			{"ok": true, ...}
 *   {"command": "drain"}			{"ok": true}
 */
#ifndef NTM_RS_ADMIN_H
#define NTM_RS_ADMIN_H

#include "rs/serve.h"

#define NTM_RS_STATUS_VERSION 1

/** ntm_rs_admin() - a request came (common/control.h); @rs: struct ntm_rs */
void ntm_rs_admin(void *rs, json_t *request, struct ntm_control_reply *reply);

#endif
