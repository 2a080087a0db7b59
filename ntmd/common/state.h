/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the node keeps across restarts, below the directory "state" of its configuration: small JSON files,
 * written whole or not at all. (The static key is common/keyfile.h's, the known keys of peers are pins.h's.)
 */
#ifndef NTM_STATE_H
#define NTM_STATE_H

#include <jansson.h>
#include "common/join.h"
#include "common/msg.h"

/* Any JSON object in a file: 0, -ENOENT, -EINVAL if it is damaged, or another negative errno. */
int ntm_state_read(const char *path, json_t **object);
int ntm_state_write(const char *path, const json_t *object);

/* The DC, as a join string gave it. The token is kept until it was used. */
int ntm_state_read_dc(const char *path, struct ntm_join *dc, bool *has_token);
int ntm_state_write_dc(const char *path, const struct ntm_join *dc, bool has_token);

/* The last lease: NAME, ZONE, VIRTUAL4 and VIRTUAL6 of a Registration Response. */
int ntm_state_read_lease(const char *path, struct ntm_msg *lease);
int ntm_state_write_lease(const char *path, const struct ntm_msg *lease);

#endif
