/* SPDX-License-Identifier: GPL-2.0 */
/* invite, nodes, relays, revoke, status: through a running coordinator, or on its store if none runs. Exit codes come back. */
#ifndef NTM_DC_CLI_H
#define NTM_DC_CLI_H

#include <stdbool.h>
#include "dc/config.h"

/** ntm_cli_invite() - @relay: not a node but a relay server */
int ntm_cli_invite(const struct ntm_dc_config *config, const char *name, bool relay);
int ntm_cli_invite_batch(const struct ntm_dc_config *config, const char *file,
			 bool relay); /* a name on each line; "-": stdin */
int ntm_cli_nodes(const struct ntm_dc_config *config, bool json);
int ntm_cli_relays(const struct ntm_dc_config *config, bool json);
int ntm_cli_revoke(const struct ntm_dc_config *config, const char *name);
int ntm_cli_status(const struct ntm_dc_config *config, bool json);

#endif
