// SPDX-License-Identifier: GPL-2.0
/* The small helpers: back-off, log lines and their limit, readiness notification. */
#include "ntm_test.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/backoff.h"
#include "common/log.h"
#include "common/notify.h"

static void test_backoff(void **state)
{
	static const uint32_t expected[] = { 250, 500, 1000, 2000, 4000, 4000, 4000 };
	struct ntm_backoff b = NTM_BACKOFF_REQUEST;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		uint32_t ms = ntm_backoff_next(&b);

		assert_in_range(ms, expected[i] * 9 / 10, expected[i] * 11 / 10);
	}
	b = NTM_BACKOFF_SESSION; /* 500 ... 16000, then 30000 and not 32000 */
	for (int i = 0; i < 6; i++)
		ntm_backoff_next(&b);
	assert_int_equal(b.next_ms, 30000);
}

/* What a line looks like on stderr. */
static const char *logged(enum ntm_log_level level, const char *text)
{
	static char out[4096];
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t len;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	ntm_log(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	len = read(fds[0], out, sizeof(out) - 1);
	close(fds[0]);
	out[len < 0 ? 0 : len] = '\0';
	return out;
}

static void test_log(void **state)
{
	static char big[3000];
	const char *line;

	(void)state;
	ntm_log_init("prog", NTM_LOG_INFO);
	assert_string_equal(logged(NTM_LOG_ERROR, "oh"), "prog: error: oh\n");
	assert_string_equal(logged(NTM_LOG_INFO, "oh"), "prog: info: oh\n");
	assert_string_equal(logged(NTM_LOG_DEBUG, "oh"), "");
	ntm_log_set_level(NTM_LOG_DEBUG);
	assert_string_equal(logged(NTM_LOG_DEBUG, "oh"), "prog: debug: oh\n");
	assert_string_equal(logged(NTM_LOG_ERROR, "a\nb\x1b[2J\x7f"), "prog: error: a?b?[2J?\n");
	memset(big, 'x', sizeof(big) - 1);
	line = logged(NTM_LOG_ERROR, big);
	assert_in_range(strlen(line), 900, 1024);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_int_equal(ntm_log_parse_level("error"), NTM_LOG_ERROR);
	assert_int_equal(ntm_log_parse_level("debug"), NTM_LOG_DEBUG);
	assert_int_equal(ntm_log_parse_level("loud"), -EINVAL);
}

static void test_limit(void **state)
{
	struct ntm_log_limit limit = { 0 };
	int allowed = 0;

	(void)state;
	ntm_log_init("prog", NTM_LOG_ERROR);
	for (int i = 0; i < 1000; i++)
		allowed += ntm_log_allowed(&limit, 100000);
	assert_int_equal(allowed, 10);
	assert_int_equal(limit.suppressed, 990);
	assert_false(ntm_log_allowed(&limit, 109999));
	assert_true(ntm_log_allowed(&limit, 110000));
	assert_int_equal(limit.suppressed, 0);
}

/* A time that is a little older than the last one begins nothing anew */
static void test_limit_by_two_clocks(void **state)
{
	struct ntm_log_limit limit = { 0 };
	int allowed = 0;

	(void)state;
	ntm_log_init("prog", NTM_LOG_ERROR);
	for (int i = 0; i < 1000; i++)
		allowed += ntm_log_allowed(&limit, i % 2 ? 99000 : 100000);
	assert_int_equal(allowed, 10);
	assert_false(ntm_log_allowed(&limit, 109999));
	assert_true(ntm_log_allowed(&limit, 110000));
}

static void test_notify(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char name[64], buf[64] = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(ntm_notify("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(ntm_notify("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	assert_int_equal(ntm_notify("READY=1"), -ENOENT);
	snprintf(name, sizeof(name), "@ntm-test-notify-%d", (int)getpid());
	memcpy(addr.sun_path, name, strlen(name));
	addr.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(ntm_notify("READY=1"), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 7);
	assert_string_equal(buf, "READY=1");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff), cmocka_unit_test(test_log),
		cmocka_unit_test(test_limit),	cmocka_unit_test(test_limit_by_two_clocks),
		cmocka_unit_test(test_notify),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
