/* SPDX-License-Identifier: GPL-2.0 */
/* zones, forget, key: the command line's part of other zones. Exit codes come back. */
#ifndef NTM_DC_CLI_ZONES_H
#define NTM_DC_CLI_ZONES_H

#include <stdbool.h>
#include "dc/config.h"

int ntm_cli_zones(const struct ntm_dc_config *config, bool json);
int ntm_cli_forget(const struct ntm_dc_config *config, const char *zone);
/** ntm_cli_key() - the DNS records by which others find this coordinator, as a zone file has them */
int ntm_cli_key(const struct ntm_dc_config *config);

#endif
