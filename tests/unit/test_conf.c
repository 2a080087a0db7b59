// SPDX-License-Identifier: GPL-2.0
/* Configuration files: what is taken, and that every error names file, line and reason. */
#include "ntm_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf.h"

struct target {
	unsigned long port;
	int flag;
	char name[16];
};

static char path[] = "/tmp/ntm-test-conf-XXXXXX";
static char error[512];
static struct target got;

static const char *parse_port(void *t, const char *value)
{
	return ntm_conf_uint(value, 1, 65535, &((struct target *)t)->port);
}

static const char *parse_flag(void *t, const char *value)
{
	return ntm_conf_bool(value, &((struct target *)t)->flag);
}

static const char *parse_name(void *t, const char *value)
{
	struct target *out = t;

	return ntm_conf_string(value, out->name, sizeof(out->name));
}

static const struct ntm_conf_option options[] = {
	{ "net", "port", parse_port },
	{ "net", "flag", parse_flag },
	{ "who", "name", parse_name },
	{ NULL, NULL, NULL },
};

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static int load_bytes(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	memset(&got, 0, sizeof(got));
	memset(error, 0, sizeof(error));
	return ntm_conf_load(path, options, &got, error, sizeof(error));
}

static int load(const char *text)
{
	return load_bytes(text, strlen(text));
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(load(""), 0);
	assert_int_equal(load("\n# nothing\n; at all\n"), 0);
	assert_int_equal(load("[net]\nport = 9\nflag=yes\n\n[who]\nname = a b\n"), 0);
	assert_int_equal(got.port, 9);
	assert_int_equal(got.flag, 1);
	assert_string_equal(got.name, "a b");
	/* indented, no final newline, CRLF, section split in two */
	assert_int_equal(load("[net]\r\n  port = 9\r\n\tflag = off\r\n[who]\r\nname=x\r\n[net]"),
			 0);
	assert_int_equal(got.port, 9);
	assert_int_equal(got.flag, 0);
	assert_string_equal(got.name, "x");
}

static void test_long_comment(void **state)
{
	char text[2000];

	(void)state;
	memset(text, '#', sizeof(text));
	memcpy(text + sizeof(text) - 15, "\n[net]\nport=7\n", 15);
	assert_int_equal(load(text), 0);
	assert_int_equal(got.port, 7);
}

static void check_error(const char *text, int line, const char *reason)
{
	char expected[512];

	assert_int_equal(load(text), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:%d: %s", path, line, reason);
	assert_string_equal(error, expected);
}

static void test_errors(void **state)
{
	(void)state;
	check_error("[net]\nport = x\n", 2, "port: not a number");
	check_error("[net]\nport = 0\n", 2, "port: out of range");
	check_error("[net]\nport = 65536\n", 2, "port: out of range");
	check_error("[net]\nport = 99999999999999999999999\n", 2, "port: out of range");
	check_error("[net]\nport = -1\n", 2, "port: not a number");
	check_error("[net]\nport = 1x\n", 2, "port: not a number");
	check_error("[net]\nport =\n", 2, "port: not a number");
	check_error("[net]\nflag = perhaps\n", 2, "flag: neither yes nor no");
	check_error("[net]\n\nprot = 1\n", 3, "prot: unknown option");
	check_error("[who]\nport = 1\n", 2, "port: unknown option");
	check_error("port = 1\n", 1, "port: unknown option");
	check_error("[net]\nport = 1\nport = 2\n", 3, "port: given twice");
	check_error("[net]\nport = 1\n[net]\n  port = 2\n", 4, "port: given twice");
	check_error("[none]\n", 1, "[none]: unknown section");
	check_error("[net]\n[ne]\n", 2, "[ne]: unknown section");
	check_error("[who]\nname = 1234567890123456\n", 2, "name: too long");
	check_error("[who]\nname =\n", 2, "name: empty");
	check_error("[net]\njust words\n", 2, "neither [section] nor option = value");
	check_error("[net\nport = 1\n", 1, "neither [section] nor option = value");
	/* The first error is the one that is told. */
	check_error("[net]\nport = x\nwords\nflag = y\n", 2, "port: not a number");
	check_error("words\n[net]\nport = x\n", 1, "neither [section] nor option = value");
}

static void test_long_line(void **state)
{
	char text[3000] = "[who]\nname = ";

	(void)state;
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	check_error(text, 2, "line too long");
}

static void test_nul(void **state)
{
	static const char text[] = "[net]\npo\0rt = 1\n";

	(void)state;
	assert_int_equal(load_bytes(text, sizeof(text) - 1), -EINVAL);
	assert_non_null(strstr(error, ":2: a NUL byte"));
}

static void test_unreadable(void **state)
{
	(void)state;
	assert_int_equal(ntm_conf_load("/nonexistent/x", options, &got, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "/nonexistent/x: No such file or directory");
	assert_int_equal(ntm_conf_load("/tmp", options, &got, error, sizeof(error)), -EISDIR);
	assert_string_equal(error, "/tmp: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_long_comment),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_nul),    cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
