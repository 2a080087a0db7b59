/* SPDX-License-Identifier: GPL-2.0 */
/* How the command line's commands reach the coordinator, and what they have in common. */
#ifndef NTM_DC_CLI_LINE_H
#define NTM_DC_CLI_LINE_H

#include <jansson.h>
#include "dc/core.h"

#define NTM_CLI_CALL_MS 30000

/** struct ntm_cli_line - how to reach the coordinator during one command; a core of our own stays open for all calls */
struct ntm_cli_line {
	const struct ntm_dc_config *config;
	struct ntm_core core;
	bool own_core;
};

/** ntm_cli_ask() - a running coordinator, or else its store; the response (caller's reference), or NULL after the reason was told */
json_t *ntm_cli_ask(struct ntm_cli_line *l, json_t *request);
void ntm_cli_hang_up(struct ntm_cli_line *l);
/** ntm_cli_check() - NTM_EXIT_OK, or an exit code after the reason was told */
int ntm_cli_check(json_t *response);
/** ntm_cli_complain() - on standard error; returns @code */
int ntm_cli_complain(int code, const char *text);
/** ntm_cli_nobody() - does this errno of ntm_control_call() mean that no coordinator runs? */
bool ntm_cli_nobody(int err);
int ntm_cli_print_json(json_t *value); /* an exit code */
/** ntm_cli_finish() - did standard output take it all? @code, or NTM_EXIT_ERROR */
int ntm_cli_finish(int code);

#endif
