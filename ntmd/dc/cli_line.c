// SPDX-License-Identifier: GPL-2.0
#include "dc/cli_line.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "common/control.h"
#include "dc/admin.h"

#define PATIENCE \
	100 /* times 100 ms: a coordinator that loads its nodes has its lock and not yet its socket */

int ntm_cli_complain(int code, const char *text)
{
	fprintf(stderr, "ntm-dc: %s\n", text);
	return code;
}

/* Files that root would leave in the state directory must stay usable for the daemon's user. */
static int become_owner(const char *state)
{
	struct stat st;

	if (geteuid() != 0 || stat(state, &st) || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) || setgid(st.st_gid) || setuid(st.st_uid))
		return -errno;
	return 0;
}

static int open_own_core(struct ntm_cli_line *l, char *error, size_t size)
{
	int err = become_owner(l->config->state);

	if (err) {
		snprintf(error, size, "cannot become the owner of %s: %s", l->config->state,
			 strerror(-err));
		return err;
	}
	err = ntm_core_open(&l->core, l->config, 0, error, size);
	l->own_core = !err;
	return err;
}

bool ntm_cli_nobody(int err)
{
	return err == ECONNREFUSED || err == ENOENT;
}

/* Ask a running coordinator, or else open the store; whoever holds its lock will listen soon or be gone. */
json_t *ntm_cli_ask(struct ntm_cli_line *l, json_t *request)
{
	const struct timespec pause = { 0, 100000000 };
	char error[512] = "";
	int tries;

	if (l->own_core)
		return ntm_admin_run(&l->core, request, false, 0);
	for (tries = 0; tries < PATIENCE; tries++) {
		json_t *response = ntm_control_call(l->config->control, request, NTM_CLI_CALL_MS);
		int err;

		if (response)
			return response;
		if (!ntm_cli_nobody(errno)) {
			fprintf(stderr, "ntm-dc: %s: %s\n", l->config->control, strerror(errno));
			return NULL;
		}
		err = open_own_core(l, error, sizeof(error));
		if (!err)
			return ntm_admin_run(&l->core, request, false, 0);
		if (err != -EWOULDBLOCK)
			break;
		nanosleep(&pause, NULL);
	}
	ntm_cli_complain(NTM_EXIT_ERROR, error);
	return NULL;
}

void ntm_cli_hang_up(struct ntm_cli_line *l)
{
	if (l->own_core)
		ntm_core_close(&l->core, 0);
}

/* NTM_EXIT_OK, or an exit code after the reason was told. */
int ntm_cli_check(json_t *response)
{
	const char *text = json_string_value(json_object_get(response, "error"));
	int code = (int)json_integer_value(json_object_get(response, "code"));

	if (!response)
		return NTM_EXIT_ERROR;
	if (json_is_true(json_object_get(response, "ok")))
		return NTM_EXIT_OK;
	return ntm_cli_complain(code ? code : NTM_EXIT_ERROR, text ? text : "refused");
}

int ntm_cli_print_json(json_t *value)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2) | JSON_SORT_KEYS))
		return ntm_cli_complain(NTM_EXIT_ERROR, "cannot write to standard output");
	putchar('\n');
	return NTM_EXIT_OK;
}

int ntm_cli_finish(int code)
{
	if (fflush(stdout) || ferror(stdout))
		return ntm_cli_complain(NTM_EXIT_ERROR, "cannot write to standard output");
	return code;
}
