// SPDX-License-Identifier: GPL-2.0
/* What `ntmctl status` shows to people. */
#include "ctl.h"

#include <libsmartcols.h>
#include <stdio.h>

#include "common/control.h"

enum { COL_NAME, COL_ADDRESSES, COL_STATE, COL_PATH, COL_RTT, COL_KEYS, COL_TX, COL_RX, COLS };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

void ctl_ms(long long us, char *out, size_t size)
{
	snprintf(out, size, us < 10000 ? "%lld.%02lld ms" : "%lld.%lld ms", us / 1000,
		 us < 10000 ? us % 1000 / 10 : us % 1000 / 100);
}

static void bytes_text(long long bytes, char *out, size_t size)
{
	static const char units[] = "BKMGTPE";
	double value = (double)bytes;
	int unit = 0;

	for (; value >= 1024 && units[unit + 1]; unit++)
		value /= 1024;
	snprintf(out, size, unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

/* The number as text, "-" if there is none */
static const char *number_text(const json_t *peer, const char *key,
			       void (*format)(long long, char *, size_t), char *out, size_t size)
{
	const json_t *value = json_object_get(peer, key);

	if (!json_is_integer(value))
		return "-";
	format(json_integer_value(value), out, size);
	return out;
}

static void seconds_text(long long s, char *out, size_t size)
{
	snprintf(out, size, "%lld s", s);
}

static int add_peer(struct libscols_table *table, const json_t *peer)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	const char *v4 = text_of(peer, "virtual4"), *v6 = text_of(peer, "virtual6");
	char text[128], number[32];
	int err = 0;

	if (!line)
		return -1;
	snprintf(text, sizeof(text), "%s%s%s", v4, *v4 && *v6 ? " " : "", v6);
	err |= scols_line_set_data(line, COL_ADDRESSES, *text ? text : "-");
	snprintf(text, sizeof(text), "%s %s", text_of(peer, "path"),
		 text_of(peer, *text_of(peer, "relay") ? "relay" : "address"));
	err |= scols_line_set_data(line, COL_PATH, *text_of(peer, "path") ? text : "-");
	err |= scols_line_set_data(line, COL_NAME, text_of(peer, "name"));
	err |= scols_line_set_data(line, COL_STATE, text_of(peer, "state"));
	err |= scols_line_set_data(line, COL_RTT,
				   number_text(peer, "rtt_us", ctl_ms, number, sizeof(number)));
	err |= scols_line_set_data(line, COL_KEYS,
				   number_text(peer, "keys_age_s", seconds_text, number,
					       sizeof(number)));
	err |= scols_line_set_data(
		line, COL_TX, number_text(peer, "tx_bytes", bytes_text, number, sizeof(number)));
	err |= scols_line_set_data(
		line, COL_RX, number_text(peer, "rx_bytes", bytes_text, number, sizeof(number)));
	return err;
}

static struct libscols_table *peer_table(const json_t *peers)
{
	static const char *const heads[COLS] = { "NAME", "ADDRESSES", "STATE", "PATH",
						 "RTT",	 "KEYS",      "TX",    "RX" };
	struct libscols_table *table = scols_new_table();
	const json_t *peer;
	size_t i;
	int err = 0;

	if (!table)
		return NULL;
	for (i = 0; i < COLS; i++)
		if (!scols_table_new_column(table, heads[i], 0, i >= COL_RTT ? SCOLS_FL_RIGHT : 0))
			err = -1;
	json_array_foreach(peers, i, peer)
		err |= add_peer(table, peer);
	if (!err)
		return table;
	scols_unref_table(table);
	return NULL;
}

static int print_peers(const json_t *peers)
{
	struct libscols_table *table;

	if (!json_array_size(peers)) {
		puts("no peers");
		return NTM_EXIT_OK;
	}
	table = peer_table(peers);
	if (!table) {
		fputs("ntmctl: no memory\n", stderr);
		return NTM_EXIT_ERROR;
	}
	scols_print_table(table);
	scols_unref_table(table);
	return NTM_EXIT_OK;
}

static void print_own(const json_t *status)
{
	const json_t *dc = json_object_get(status, "dc");
	const char *refusal = text_of(dc, "refusal"), *text = text_of(dc, "text");

	if (*text_of(status, "name"))
		printf("%s %s %s\n", text_of(status, "name"), text_of(status, "virtual4"),
		       text_of(status, "virtual6"));
	else
		puts("this node has no name yet");
	printf("DC: %s", text_of(dc, "state"));
	if (*refusal)
		printf(": %s%s%s", refusal, *text ? ": " : "", text);
	if (*text_of(dc, "address"))
		printf(" (%s)", text_of(dc, "address"));
	putchar('\n');
	if (*text_of(status, "datapath"))
		printf("data path: %s\n", text_of(status, "datapath"));
	if (*text_of(status, "datapath_error"))
		printf("no data path: %s\n", text_of(status, "datapath_error"));
}

static void print_refused(json_t *refused)
{
	const char *name;
	json_t *key;

	json_object_foreach(refused, name, key)
		printf("%s: REFUSED, the DC names a key (%s) that is not the known one; "
		       "if you know why: ntmctl forget %s\n",
		       name, json_string_value(key), name);
}

static void print_counters(const char *what, json_t *counters)
{
	const char *cause;
	json_t *value;

	json_object_foreach(counters, cause, value)
		printf("%s %s %lld\n", what, cause, (long long)json_integer_value(value));
}

int ctl_status(const json_t *status, bool drops)
{
	json_t *counters = json_object_get(status, "drops");

	if (drops) {
		print_counters("data", json_object_get(counters, "data"));
		print_counters("signalling", json_object_get(counters, "signalling"));
		return NTM_EXIT_OK;
	}
	print_own(status);
	print_refused(json_object_get(status, "refused_keys"));
	return print_peers(json_object_get(status, "peers"));
}
