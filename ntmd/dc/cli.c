// SPDX-License-Identifier: GPL-2.0
#include "dc/cli.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/control.h"
#include "dc/admin.h"
#include "dc/cli_line.h"

static int invite_names(struct ntm_cli_line *l, json_t *names, bool relay)
{
	json_t *request = json_pack("{s:s,s:O,s:b}", "command", "invite", "names", names, "relay",
				    (int)relay);
	json_t *response = ntm_cli_ask(l, request);
	json_t *joins = json_object_get(response, "joins");
	int code = ntm_cli_check(response);
	size_t i;

	for (i = 0; i < json_array_size(joins); i++)
		puts(json_string_value(json_array_get(joins, i)));
	json_decref(response);
	json_decref(request);
	return code;
}

int ntm_cli_invite(const struct ntm_dc_config *config, const char *name, bool relay)
{
	struct ntm_cli_line l = { .config = config };
	json_t *names = json_pack("[s]", name);
	int code = names ? invite_names(&l, names, relay) :
			   ntm_cli_complain(NTM_EXIT_USAGE, "the name is not UTF-8");

	json_decref(names);
	ntm_cli_hang_up(&l);
	return ntm_cli_finish(code);
}

static int invite_lines(struct ntm_cli_line *l, FILE *in, bool relay)
{
	json_t *names = json_array();
	char *text = NULL;
	size_t size = 0;
	int code = NTM_EXIT_OK;

	while (code == NTM_EXIT_OK && getline(&text, &size, in) >= 0) {
		text[strcspn(text, " \t\r\n")] = '\0';
		if (!text[0])
			continue;
		if (json_array_append_new(names, json_string(text)))
			code = ntm_cli_complain(NTM_EXIT_USAGE, "a name is not UTF-8");
		else if (json_array_size(names) == NTM_ADMIN_BATCH) {
			code = invite_names(l, names, relay);
			json_array_clear(names);
		}
	}
	if (code == NTM_EXIT_OK && json_array_size(names))
		code = invite_names(l, names, relay);
	free(text);
	json_decref(names);
	return code;
}

int ntm_cli_invite_batch(const struct ntm_dc_config *config, const char *file, bool relay)
{
	struct ntm_cli_line l = { .config = config };
	FILE *in = strcmp(file, "-") ? fopen(file, "re") : stdin;
	int code;

	if (!in) {
		fprintf(stderr, "ntm-dc: %s: %s\n", file, strerror(errno));
		return NTM_EXIT_ERROR;
	}
	code = invite_lines(&l, in, relay);
	if (in != stdin)
		fclose(in);
	ntm_cli_hang_up(&l);
	return ntm_cli_finish(code);
}

/* @what: "nodes" or "relays" */
static int fetch_all(const struct ntm_dc_config *config, const char *what, json_t *rows)
{
	struct ntm_cli_line l = { .config = config };
	bool more = true;
	int code = NTM_EXIT_OK;

	while (more && code == NTM_EXIT_OK) {
		size_t count = json_array_size(rows);
		json_t *last = count ? json_object_get(json_array_get(rows, count - 1), "name") :
				       NULL;
		json_t *request = json_pack("{s:s,s:s}", "command", what, "after",
					    last ? json_string_value(last) : "");
		json_t *response = ntm_cli_ask(&l, request);

		code = ntm_cli_check(response);
		json_array_extend(rows, json_object_get(response, what));
		more = json_is_true(json_object_get(response, "more")) &&
		       json_array_size(rows) > count;
		json_decref(response);
		json_decref(request);
	}
	ntm_cli_hang_up(&l);
	return code;
}

struct column {
	const char *heading, *field;
};

static const struct column node_columns[] = {
	{ "NAME", "name" },   { "VIRTUAL4", "virtual4" }, { "VIRTUAL6", "virtual6" },
	{ "STATE", "state" }, { "OBSERVED", "observed" }, { "LAST SEEN", "last_seen" },
	{ NULL, NULL },
};

static const struct column relay_columns[] = {
	{ "NAME", "name" },
	{ "STATE", "state" },
	{ "ADDRESSES", "addresses" },
	{ "LOAD", "load" },
	{ "PATHS/MIN", "paths_last_minute" },
	{ "RTT MS", "rtt_ms" },
	{ "LAST SEEN", "last_seen" },
	{ NULL, NULL },
};

static void set_cell(struct libscols_line *row, size_t column, const char *field,
		     const json_t *value)
{
	char text[2 * NTM_ADDR_STR + 2] = "";
	size_t i, used = 0;
	struct tm tm;
	time_t t;

	if (json_is_integer(value) && strcmp(field, "last_seen") != 0) {
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	} else if (json_is_integer(value)) {
		t = json_integer_value(value);
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
	}
	for (i = 0; i < json_array_size(value) && used < sizeof(text); i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "",
				 json_string_value(json_array_get(value, i)));
	if (json_is_string(value))
		scols_line_set_data(row, column, json_string_value(value));
	else
		scols_line_set_data(row, column, text[0] ? text : "-");
}

static int print_table(const json_t *rows, const struct column *columns)
{
	struct libscols_table *table = scols_new_table();
	size_t i, column;
	int code;

	for (column = 0; table && columns[column].field; column++)
		scols_table_new_column(table, columns[column].heading, 0, 0);
	for (i = 0; i < json_array_size(rows); i++) {
		struct libscols_line *row = table ? scols_table_new_line(table, NULL) : NULL;

		for (column = 0; row && columns[column].field; column++)
			set_cell(row, column, columns[column].field,
				 json_object_get(json_array_get(rows, i), columns[column].field));
	}
	code = table && !scols_print_table(table) ?
		       NTM_EXIT_OK :
		       ntm_cli_complain(NTM_EXIT_ERROR, "cannot print the table");
	scols_unref_table(table);
	return code;
}

static int show_all(const struct ntm_dc_config *config, const char *what,
		    const struct column *columns, bool json)
{
	json_t *rows = json_array();
	int code = fetch_all(config, what, rows);

	if (code == NTM_EXIT_OK && json) {
		json_t *all = json_pack("{s:i,s:O}", "version", 1, what, rows);

		code = ntm_cli_print_json(all);
		json_decref(all);
	} else if (code == NTM_EXIT_OK) {
		code = print_table(rows, columns);
	}
	json_decref(rows);
	return ntm_cli_finish(code);
}

int ntm_cli_nodes(const struct ntm_dc_config *config, bool json)
{
	return show_all(config, "nodes", node_columns, json);
}

int ntm_cli_relays(const struct ntm_dc_config *config, bool json)
{
	return show_all(config, "relays", relay_columns, json);
}

int ntm_cli_revoke(const struct ntm_dc_config *config, const char *name)
{
	struct ntm_cli_line l = { .config = config };
	json_t *request = json_pack("{s:s,s:s}", "command", "revoke", "name", name);
	json_t *response;
	int code;

	if (!request)
		return ntm_cli_complain(NTM_EXIT_USAGE, "the name is not UTF-8");
	response = ntm_cli_ask(&l, request);
	code = ntm_cli_check(response);
	json_decref(response);
	json_decref(request);
	ntm_cli_hang_up(&l);
	return code;
}

static void print_pool(const char *name, const json_t *pool)
{
	if (json_is_object(pool))
		printf("%s: %s, %lld of %lld given out\n", name,
		       json_string_value(json_object_get(pool, "prefix")),
		       (long long)json_integer_value(json_object_get(pool, "used")),
		       (long long)json_integer_value(json_object_get(pool, "size")));
}

static void print_numbers(json_t *object)
{
	void *i;

	for (i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		const char *key = json_object_iter_key(i);

		if (json_is_integer(json_object_iter_value(i)) && strcmp(key, "version") != 0)
			printf("%s: %lld\n", key,
			       (long long)json_integer_value(json_object_iter_value(i)));
	}
}

static void print_status(json_t *status)
{
	printf("zone: %s\nkey: %s\n", json_string_value(json_object_get(status, "zone")),
	       json_string_value(json_object_get(status, "key")));
	print_pool("pool4", json_object_get(status, "pool4"));
	print_pool("pool6", json_object_get(status, "pool6"));
	print_numbers(status);
	print_numbers(json_object_get(status, "counters"));
}

int ntm_cli_status(const struct ntm_dc_config *config, bool json)
{
	json_t *request = json_pack("{s:s}", "command", "status");
	json_t *response = ntm_control_call(config->control, request, NTM_CLI_CALL_MS);
	int err = errno, code;

	json_decref(request);
	if (!response) {
		fprintf(stderr, "ntm-dc: %s: %s\n", config->control,
			ntm_cli_nobody(err) ? "ntm-dc is not running" : strerror(err));
		return ntm_cli_nobody(err) ? NTM_EXIT_NOT_RUNNING : NTM_EXIT_ERROR;
	}
	code = ntm_cli_check(response);
	if (code == NTM_EXIT_OK && json)
		code = ntm_cli_print_json(response);
	else if (code == NTM_EXIT_OK)
		print_status(response);
	json_decref(response);
	return ntm_cli_finish(code);
}
