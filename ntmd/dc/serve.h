/* SPDX-License-Identifier: GPL-2.0 */
/* The daemon: the core on a libuv loop, with its socket, control socket, timer and signals. */
#ifndef NTM_DC_SERVE_H
#define NTM_DC_SERVE_H

#include <stdbool.h>
#include "dc/config.h"

/** ntm_serve() - until SIGTERM or SIGINT; returns an exit code. @verbose: log-level debug, whatever the file says */
int ntm_serve(const char *config_file, const struct ntm_dc_config *config, bool verbose);

#endif
