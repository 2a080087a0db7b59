// SPDX-License-Identifier: GPL-2.0
/*
 * libinih reads lines through read_line(), which counts them and takes away
 * what libinih would be too generous about: continuation lines, over-long
 * lines, sections without options.
 */
#include "common/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "ntmobile/wire.h"

struct reader {
	FILE *file;
	const struct ntm_conf_option *options;
	void *target;
	bool *seen; /* one for each option */
	char *line;
	size_t line_size;
	int number;
	int bad_line; /* first line that is wrong, 0: none */
	char reason[160];
};

static void complain(struct reader *r, const char *what, const char *reason)
{
	if (r->bad_line)
		return;
	r->bad_line = r->number;
	if (what)
		snprintf(r->reason, sizeof(r->reason), "%.60s: %.90s", what, reason);
	else
		snprintf(r->reason, sizeof(r->reason), "%.150s", reason);
}

static bool section_known(const struct reader *r, const char *name, size_t len)
{
	for (const struct ntm_conf_option *o = r->options; o->section; o++) {
		if (strlen(o->section) == len && !strncmp(o->section, name, len))
			return true;
	}
	return false;
}

/* Even one without options is worth an error: its options may be misspelt too. */
static void check_section(struct reader *r, const char *line)
{
	size_t len = strcspn(line + 1, "]");
	char name[64];

	if (!line[1 + len] || section_known(r, line + 1, len))
		return;
	snprintf(name, sizeof(name), "[%.*s]", (int)(len < 60 ? len : 60), line + 1);
	complain(r, name, "unknown section");
}

static char *blank(char *out)
{
	memcpy(out, "\n", 2);
	return out;
}

/* fgets() for libinih. */
static char *read_line(char *out, int size, void *stream)
{
	struct reader *r = stream;
	ssize_t len = getline(&r->line, &r->line_size, r->file);
	char *start;

	if (len < 0)
		return NULL;
	r->number++;
	if (strlen(r->line) != (size_t)len) {
		complain(r, NULL, "a NUL byte");
		return blank(out);
	}
	/* An indented line is an option like any other, no continuation. */
	start = r->line + strspn(r->line, " \t");
	if (*start == '#' || *start == ';')
		return blank(out);
	if (*start == '[')
		check_section(r, start);
	len = (ssize_t)strlen(start);
	if (len >= size) {
		complain(r, NULL, "line too long");
		return blank(out);
	}
	memcpy(out, start, (size_t)len + 1);
	return out;
}

static int on_option(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	const char *reason;
	size_t i;

	for (i = 0; r->options[i].section; i++) {
		if (!strcmp(r->options[i].section, section) && !strcmp(r->options[i].name, name))
			break;
	}
	if (!r->options[i].section) {
		complain(r, name, "unknown option");
		return 0;
	}
	if (r->seen[i]) {
		complain(r, name, "given twice");
		return 0;
	}
	r->seen[i] = true;
	reason = r->options[i].parse(r->target, value);
	if (reason)
		complain(r, name, reason);
	return !reason;
}

static size_t count_options(const struct ntm_conf_option *options)
{
	size_t n = 0;

	while (options[n].section)
		n++;
	return n;
}

static int read_all(struct reader *r, const char *path, char *error, size_t size)
{
	int first_bad;

	errno = 0;
	first_bad = ini_parse_stream(read_line, r, on_option, r);
	if (ferror(r->file)) {
		int err = errno ? -errno : -EIO;

		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	/* What libinih cannot read does not reach on_option(). */
	if (first_bad > 0 && (!r->bad_line || first_bad < r->bad_line)) {
		snprintf(error, size, "%s:%d: neither [section] nor option = value", path,
			 first_bad);
		return -EINVAL;
	}
	if (r->bad_line) {
		snprintf(error, size, "%s:%d: %s", path, r->bad_line, r->reason);
		return -EINVAL;
	}
	if (first_bad < 0) {
		snprintf(error, size, "%s: cannot be parsed", path);
		return -EINVAL;
	}
	return 0;
}

int ntm_conf_load(const char *path, const struct ntm_conf_option *options, void *target,
		  char *error, size_t size)
{
	struct reader r = { .options = options, .target = target };
	int err;

	r.file = fopen(path, "re");
	if (!r.file) {
		err = -errno;
		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	r.seen = calloc(count_options(options) + 1, sizeof(*r.seen));
	if (!r.seen) {
		snprintf(error, size, "%s: out of memory", path);
		err = -ENOMEM;
	} else {
		err = read_all(&r, path, error, size);
	}
	free(r.seen);
	free(r.line);
	fclose(r.file);
	return err;
}

static bool is_option(const char *line, const char *name)
{
	const size_t len = strlen(name);

	line += strspn(line, " \t");
	if (strncmp(line, name, len) != 0)
		return false;
	line += len;
	line += strspn(line, " \t");
	return *line == '=' || *line == ':';
}

/* The line that gives it, 0: none does */
static int line_of(const char *path, const char *name)
{
	FILE *file = name ? fopen(path, "re") : NULL;
	int number = 0, found = 0;
	char *line = NULL;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) >= 0) {
		number++;
		if (is_option(line, name))
			found = number;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

int ntm_conf_blame(const char *path, const char *option, const char *reason, char *error,
		   size_t size)
{
	const int line = line_of(path, option);

	if (line)
		snprintf(error, size, "%s:%d: %s: %s", path, line, option, reason);
	else
		snprintf(error, size, "%s: %s", path, reason);
	return -EINVAL;
}

const char *ntm_conf_uint(const char *value, unsigned long min, unsigned long max,
			  unsigned long *out)
{
	char *end;
	unsigned long v;

	if (value[0] < '0' || value[0] > '9')
		return "not a number";
	errno = 0;
	v = strtoul(value, &end, 10);
	if (*end)
		return "not a number";
	if (errno || v < min || v > max)
		return "out of range";
	*out = v;
	return NULL;
}

const char *ntm_conf_bool(const char *value, int *out)
{
	static const char *const words[][2] = {
		{ "no", "yes" }, { "false", "true" }, { "off", "on" }, { "0", "1" }
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int v = 0; v < 2; v++) {
			if (!strcasecmp(value, words[i][v])) {
				*out = v;
				return NULL;
			}
		}
	}
	return "neither yes nor no";
}

const char *ntm_conf_string(const char *value, char *out, size_t size)
{
	size_t len = strlen(value);

	if (!len)
		return "empty";
	if (len >= size)
		return "too long";
	memcpy(out, value, len + 1);
	return NULL;
}

const char *ntm_conf_path(const char *value, char *out, size_t size)
{
	return value[0] == '/' ? ntm_conf_string(value, out, size) : "not an absolute path";
}

const char *ntm_conf_listen(const char *value, int family, union ntm_addr *out)
{
	if (!strcmp(value, "none")) {
		memset(out, 0, sizeof(*out));
		return NULL;
	}
	if (ntm_addr_parse(out, value, NTM_WIRE_PORT) || out->sa.sa_family != family)
		return family == AF_INET ? "not an IPv4 address (ADDRESS[:PORT], or none)" :
					   "not an IPv6 address ([ADDRESS][:PORT], or none)";
	return NULL;
}

const char *ntm_conf_addresses(const char *value, union ntm_addr *out, unsigned int *count)
{
	char list[1024], *item, *rest = list;

	if (snprintf(list, sizeof(list), "%s", value) >= (int)sizeof(list))
		return "too long";
	*count = 0;
	while ((item = strsep(&rest, ",")) != NULL) {
		item += strspn(item, " \t");
		item[strcspn(item, " \t")] = '\0';
		if (*count == NTM_CONF_ADDRESSES)
			return "more than 8 addresses";
		if (ntm_addr_parse(&out[*count], item, NTM_WIRE_PORT) ||
		    !ntm_addr_usable(&out[*count]))
			return "not a list of addresses (ADDRESS[:PORT],...)";
		++*count;
	}
	return NULL;
}

const char *ntm_conf_log_level(const char *value, enum ntm_log_level *out)
{
	const int level = ntm_log_parse_level(value);

	if (level < 0)
		return "not one of error, warning, info, debug";
	*out = (enum ntm_log_level)level;
	return NULL;
}
