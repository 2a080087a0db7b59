// SPDX-License-Identifier: GPL-2.0
#include "dc/cli_zones.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include "common/control.h"
#include "dc/cli_line.h"
#include "dc/records.h"

static json_t *call(const struct ntm_dc_config *config, json_t *request, int *code)
{
	struct ntm_cli_line line = { .config = config };
	json_t *response = request ? ntm_cli_ask(&line, request) : NULL;

	*code = request ? ntm_cli_check(response) :
			  ntm_cli_complain(NTM_EXIT_USAGE, "the name is not UTF-8");
	json_decref(request);
	ntm_cli_hang_up(&line);
	return response;
}

enum column { ZONE, STATE, NETWORK4, NETWORK6, RTT, ADDRESS, KEY, COLUMNS };

static const char *const headings[COLUMNS] = { "ZONE", "STATE",	  "NETWORK4", "NETWORK6",
					       "RTT",  "ADDRESS", "KEY" };

static const char *text_of(const json_t *zone, const char *field)
{
	const char *text = json_string_value(json_object_get(zone, field));

	return text ? text : "-";
}

/* A network that is there and not used is in parentheses */
static void set_network(struct libscols_line *row, enum column column, const json_t *zone,
			const char *field, const char *use)
{
	const char *net = json_string_value(json_object_get(zone, field));
	char text[80];

	if (!net)
		snprintf(text, sizeof(text), "-");
	else if (json_is_true(json_object_get(zone, use)))
		snprintf(text, sizeof(text), "%s", net);
	else
		snprintf(text, sizeof(text), "(%s)", net);
	scols_line_set_data(row, column, text);
}

static void set_row(struct libscols_line *row, const json_t *zone)
{
	const json_t *rtt = json_object_get(zone, "rtt_ms");
	const char *first =
		json_string_value(json_array_get(json_object_get(zone, "addresses"), 0));
	char text[32] = "-";

	scols_line_set_data(row, ZONE, text_of(zone, "name"));
	scols_line_set_data(row, STATE, text_of(zone, "state"));
	set_network(row, NETWORK4, zone, "network4", "use4");
	set_network(row, NETWORK6, zone, "network6", "use6");
	if (json_is_integer(rtt))
		snprintf(text, sizeof(text), "%lld ms", (long long)json_integer_value(rtt));
	scols_line_set_data(row, RTT, text);
	scols_line_set_data(row, ADDRESS, first ? first : "-");
	scols_line_set_data(row, KEY, text_of(zone, "key"));
}

static void print_reasons(const json_t *zones)
{
	for (size_t i = 0; i < json_array_size(zones); i++) {
		const json_t *zone = json_array_get(zones, i);
		const char *why = json_string_value(json_object_get(zone, "why"));

		if (why)
			printf("%s: %s\n", text_of(zone, "name"), why);
	}
}

static int print_zones(const json_t *zones)
{
	struct libscols_table *table = scols_new_table();
	int code;

	for (size_t i = 0; table && i < COLUMNS; i++)
		scols_table_new_column(table, headings[i], 0, 0);
	for (size_t i = 0; table && i < json_array_size(zones); i++) {
		struct libscols_line *row = scols_table_new_line(table, NULL);

		if (row)
			set_row(row, json_array_get(zones, i));
	}
	code = table && !scols_print_table(table) ?
		       NTM_EXIT_OK :
		       ntm_cli_complain(NTM_EXIT_ERROR, "cannot print the table");
	scols_unref_table(table);
	print_reasons(zones);
	return code;
}

int ntm_cli_zones(const struct ntm_dc_config *config, bool json)
{
	int code;
	json_t *response = call(config, json_pack("{s:s}", "command", "zones"), &code);
	json_t *zones = json_object_get(response, "zones");

	if (code == NTM_EXIT_OK && json) {
		json_t *all = json_pack("{s:i,s:O}", "version", 1, "zones", zones);

		code = ntm_cli_print_json(all);
		json_decref(all);
	} else if (code == NTM_EXIT_OK) {
		code = print_zones(zones);
	}
	json_decref(response);
	return ntm_cli_finish(code);
}

int ntm_cli_forget(const struct ntm_dc_config *config, const char *zone)
{
	int code;

	json_decref(call(config, json_pack("{s:s,s:s}", "command", "forget", "zone", zone), &code));
	return code;
}

static void print_records(const json_t *key)
{
	const char *zone = text_of(key, "zone");
	const json_t *list = json_object_get(key, "addresses");

	printf("_ntmobile._udp.%s. 3600 IN TXT \"" NTM_TXT_TAG " k=%s\"\n", zone,
	       text_of(key, "key"));
	printf("_ntmobile._udp.%s. 3600 IN SRV 0 0 %lld dc.%s.\n", zone,
	       (long long)json_integer_value(json_object_get(key, "port")), zone);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *addr = json_string_value(json_array_get(list, i));

		printf("dc.%s. 3600 IN %s %s\n", zone, strchr(addr, ':') ? "AAAA" : "A", addr);
	}
}

int ntm_cli_key(const struct ntm_dc_config *config)
{
	int code;
	json_t *response = call(config, json_pack("{s:s}", "command", "key"), &code);

	if (code == NTM_EXIT_OK)
		print_records(response);
	json_decref(response);
	return ntm_cli_finish(code);
}
