// SPDX-License-Identifier: GPL-2.0
#include "rs/cli.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include "common/control.h"

#define CALL_MS 20000

static int complain(int code, const char *text)
{
	fprintf(stderr, "ntm-rs: %s\n", text);
	return code;
}

/* The answer, or NULL after the reason was told; @code: what to end with then. @request is stolen. */
static json_t *ask(const struct ntm_rs_config *config, json_t *request, int *code)
{
	json_t *response = request ? ntm_control_call(config->control, request, CALL_MS) : NULL;
	const int err = errno;
	const char *text;

	if (!request) {
		*code = complain(NTM_EXIT_USAGE, "the argument is not UTF-8");
		return NULL;
	}
	json_decref(request);
	if (!response && err != ECONNREFUSED && err != ENOENT) {
		fprintf(stderr, "ntm-rs: %s: %s\n", config->control, strerror(err));
		*code = NTM_EXIT_ERROR;
		return NULL;
	}
	if (!response) {
		fprintf(stderr, "ntm-rs: %s: ntm-rs is not running\n", config->control);
		*code = NTM_EXIT_NOT_RUNNING;
		return NULL;
	}
	*code = NTM_EXIT_OK;
	if (json_is_true(json_object_get(response, "ok")))
		return response;
	text = json_string_value(json_object_get(response, "error"));
	*code = (int)json_integer_value(json_object_get(response, "code"));
	*code = complain(*code ? *code : NTM_EXIT_ERROR, text ? text : "refused");
	json_decref(response);
	return NULL;
}

int ntm_rs_cli_finish(int code)
{
	if (fflush(stdout) || ferror(stdout))
		return complain(NTM_EXIT_ERROR, "cannot write to standard output");
	return code;
}

int ntm_rs_cli_join(const struct ntm_rs_config *config, const char *string)
{
	int code;
	json_t *response =
		ask(config, json_pack("{s:s,s:s}", "command", "join", "string", string), &code);

	if (response)
		printf("%s\n", json_string_value(json_object_get(response, "name")));
	json_decref(response);
	return ntm_rs_cli_finish(code);
}

int ntm_rs_cli_leave(const struct ntm_rs_config *config, const char *zone)
{
	int code;

	json_decref(ask(config, json_pack("{s:s,s:s}", "command", "leave", "zone", zone), &code));
	return code;
}

int ntm_rs_cli_drain(const struct ntm_rs_config *config)
{
	int code;

	json_decref(ask(config, json_pack("{s:s}", "command", "drain"), &code));
	return code;
}

/* status */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

enum column { ZONE, NAME, STATE, ADDRESS, OBSERVED, DIRECTIONS, COLUMNS };

static int add_dc(struct libscols_table *table, const json_t *dc)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char state[256], number[32];
	int err = 0;

	if (!line)
		return -1;
	snprintf(state, sizeof(state), "%s%s%s", text_of(dc, "state"),
		 json_object_get(dc, "refusal") ? ": " : "",
		 json_object_get(dc, "refusal") ? text_of(dc, "refusal") : "");
	snprintf(number, sizeof(number), "%lld", number_of(dc, "directions"));
	err |= scols_line_set_data(line, ZONE, text_of(dc, "zone"));
	err |= scols_line_set_data(line, NAME, text_of(dc, "name"));
	err |= scols_line_set_data(line, STATE, state);
	err |= scols_line_set_data(line, ADDRESS, text_of(dc, "address"));
	err |= scols_line_set_data(line, OBSERVED, text_of(dc, "observed"));
	err |= scols_line_set_data(line, DIRECTIONS, number);
	return err;
}

static int print_dcs(const json_t *dcs)
{
	static const char *const heads[COLUMNS] = { "ZONE",    "NAME",	   "STATE",
						    "ADDRESS", "OBSERVED", "DIRECTIONS" };
	struct libscols_table *table = scols_new_table();
	const json_t *dc;
	size_t i;
	int err = table ? 0 : -1;

	for (i = 0; !err && i < COLUMNS; i++)
		if (!scols_table_new_column(table, heads[i], 0,
					    i == DIRECTIONS ? SCOLS_FL_RIGHT : 0))
			err = -1;
	json_array_foreach(dcs, i, dc)
		if (!err)
			err = add_dc(table, dc);
	if (!err)
		err = scols_print_table(table);
	scols_unref_table(table);
	return err ? complain(NTM_EXIT_ERROR, "cannot print the table") : NTM_EXIT_OK;
}

static void print_counters(const char *what, json_t *counters)
{
	const char *cause;
	json_t *value;

	json_object_foreach(counters, cause, value)
		printf("%s %s %lld\n", what, cause, (long long)json_integer_value(value));
}

static int print_drops(const json_t *status)
{
	const json_t *drops = json_object_get(status, "drops");

	print_counters("data", json_object_get(drops, "data"));
	print_counters("signalling", json_object_get(drops, "signalling"));
	return NTM_EXIT_OK;
}

static int print_status(const json_t *status)
{
	const json_t *dcs = json_object_get(status, "dcs");

	printf("%s, data plane: %s, load %lld of 1000\n", text_of(status, "state"),
	       text_of(status, "datapath"), number_of(status, "load"));
	printf("paths: %lld, bound %lld, of %lld nodes\n", number_of(status, "paths"),
	       number_of(status, "bound"), number_of(status, "nodes"));
	printf("relayed: %lld packets, %lld bytes\n", number_of(status, "packets"),
	       number_of(status, "bytes"));
	if (json_array_size(dcs))
		return print_dcs(dcs);
	puts("not joined");
	return NTM_EXIT_OK;
}

static int print_json(const json_t *value)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2) | JSON_SORT_KEYS))
		return complain(NTM_EXIT_ERROR, "cannot write to standard output");
	putchar('\n');
	return NTM_EXIT_OK;
}

int ntm_rs_cli_status(const struct ntm_rs_config *config, bool json, bool drops)
{
	int code;
	json_t *response = ask(config, json_pack("{s:s}", "command", "status"), &code);

	if (!response)
		return code;
	if (json)
		code = print_json(response);
	else
		code = drops ? print_drops(response) : print_status(response);
	json_decref(response);
	return ntm_rs_cli_finish(code);
}
