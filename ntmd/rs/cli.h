/* SPDX-License-Identifier: GPL-2.0 */
/* The commands that talk to a running relay server; each returns an exit code. */
#ifndef NTM_RS_CLI_H
#define NTM_RS_CLI_H

#include <stdbool.h>
#include "rs/config.h"

int ntm_rs_cli_join(const struct ntm_rs_config *config, const char *string);
int ntm_rs_cli_leave(const struct ntm_rs_config *config, const char *zone);
int ntm_rs_cli_status(const struct ntm_rs_config *config, bool json, bool drops);
int ntm_rs_cli_drain(const struct ntm_rs_config *config);
/** ntm_rs_cli_finish() - did standard output take it all? @code, or NTM_EXIT_ERROR */
int ntm_rs_cli_finish(int code);

#endif
