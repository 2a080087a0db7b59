// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/dnsconf.c ntmd/node/dnsconf_text.c */
/* ntmd's side of the guard of this host's DNS, beside a guard that does nothing, slowly. */
#include "ntm_test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/dnsconf.h"
#include "node/dnsconf_method.h"

static unsigned int slow_ms;
static uv_loop_t loop;

int ntm_dnsconf_read(const char *path, char *text, size_t size)
{
	(void)path;
	(void)size;
	text[0] = '\0';
	return 0;
}

/* Reports, waits for the end of the socket, and takes its time */
void ntm_dnsconf_guard(int sock, const struct ntm_dnsconf_job *job)
{
	const struct ntm_dnsconf_report report = { .why = "a test" };
	struct pollfd fd = { .fd = sock, .events = POLLIN };

	(void)job;
	if (send(sock, &report, sizeof(report), 0) != sizeof(report))
		_exit(1);
	(void)poll(&fd, 1, -1);
	usleep(slow_ms * 1000);
	_exit(0);
}

void ntm_dnsconf_guard_stale(void)
{
	_exit(0);
}

static bool has_children(void)
{
	siginfo_t info;

	return !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
}

static struct ntm_dnsconf *set(const char *how)
{
	const char *zone = "example.net";
	const union ntm_addr stub = test_addr("100.64.0.1:53");
	struct ntm_dnsconf *conf;
	char why[100];

	assert_int_equal(ntm_dnsconf_set(&conf, &loop, how, "lo", 1, &zone, 1, &stub, NULL, why,
					 sizeof(why)),
			 0);
	return conf;
}

static void undo(struct ntm_dnsconf *conf)
{
	ntm_dnsconf_undo(conf);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void test_quick(void **state)
{
	(void)state;
	slow_ms = 0;
	undo(set("file"));
	assert_false(has_children());
}

/* A guard that takes longer than anybody waits for it is no zombie for ever */
static void test_slow(void **state)
{
	(void)state;
	slow_ms = 3000;
	undo(set("file"));
	assert_true(has_children());
	usleep(1300000);
	undo(set("off"));
	assert_false(has_children());
}

static int setup(void **state)
{
	(void)state;
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quick),
		cmocka_unit_test(test_slow),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
