/* SPDX-License-Identifier: GPL-2.0 */
/* The commands of ntmctl: join, status, ping, forget. Schema in docs/ntmctl.1. */
#ifndef NTM_ADMIN_H
#define NTM_ADMIN_H

#include "node.h"

#define NTM_ADMIN_SCHEMA 2

int ntm_admin_open(struct ntm_node *node); /* 0 or a negative errno */
void ntm_admin_close(struct ntm_node *node);

/* What the rest has to tell commands that wait. */
void ntm_admin_registered(struct ntm_node *node);
void ntm_admin_refused(struct ntm_node *node, uint16_t status, const char *text);
/** ntm_admin_pong() - a ping's end: a Keep Alive Response, or why there is none */
void ntm_admin_pong(struct ntm_node *node, void *ping, const struct ntm_peer *peer,
		    enum ntm_outcome outcome);

#endif
