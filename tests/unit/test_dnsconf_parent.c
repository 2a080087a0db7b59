// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/dnsconf.c ntmd/node/dnsconf_text.c */
/* ntmd's side of the guard of this host's DNS, beside a guard that does nothing, when it is told to. */
#include "ntm_test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/dnsconf.h"
#include "node/dnsconf_method.h"

static unsigned int report_ms;
static bool hold_report, hold_end; /* until tell_guard() */
static bool die;		   /* having reported */
static int told[2];
static int report_err;
static char why[100];
static bool no_wait;
static unsigned int later_count;
static int later_err;
static char later_why[100];
static uv_loop_t loop;

int ntm_dnsconf_read(const char *path, char *text, size_t size)
{
	(void)path;
	(void)size;
	text[0] = '\0';
	return 0;
}

static void tell_guard(void)
{
	assert_int_equal(write(told[1], "", 1), 1);
}

static void await_word(bool hold)
{
	char byte;

	if (hold && read(told[0], &byte, 1) != 1)
		_exit(1);
}

/* Reports, waits for the end of the socket, and ends; with a pause, or held, before each */
void ntm_dnsconf_guard(int sock, const struct ntm_dnsconf_job *job)
{
	const struct ntm_dnsconf_report report = { .err = report_err, .why = "a test" };
	struct pollfd fd = { .fd = sock, .events = POLLIN };

	(void)job;
	usleep(report_ms * 1000);
	await_word(hold_report);
	if (send(sock, &report, sizeof(report), 0) != sizeof(report))
		_exit(1);
	if (die)
		raise(SIGKILL);
	if (!report_err)
		(void)poll(&fd, 1, -1);
	await_word(hold_end);
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

static void on_later(void *ctx, int err, const char *what)
{
	assert_ptr_equal(ctx, &loop);
	later_count++;
	later_err = err;
	snprintf(later_why, sizeof(later_why), "%s", what);
}

static struct ntm_dnsconf *set(const char *how)
{
	const struct ntm_dnsconf_later later = { !no_wait, on_later, &loop };
	const char *zone = "example.net";
	const union ntm_addr stub = test_addr("100.64.0.1:53");
	struct ntm_dnsconf *conf;

	later_count = 0;
	assert_int_equal(ntm_dnsconf_set(&conf, &loop, how, "lo", 1, &zone, 1, &stub, NULL, true,
					 &later, why, sizeof(why)),
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
	undo(set("file"));
	assert_false(has_children());
}

/* A guard that takes longer than anybody waits for it is no zombie for ever */
static void test_slow(void **state)
{
	siginfo_t info;

	(void)state;
	hold_end = true;
	undo(set("file"));
	hold_end = false;
	assert_true(has_children());
	tell_guard();
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	undo(set("off"));
	assert_false(has_children());
}

static void on_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

/* A guard does not keep the loop alive */
static void turn(unsigned int ms)
{
	uv_timer_t timer;

	uv_update_time(&loop);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void await_later(void)
{
	for (int i = 0; i < 50 && !later_count; i++)
		turn(100);
	turn(100);
	assert_int_equal(later_count, 1);
}

static struct ntm_dnsconf *set_held(void)
{
	struct ntm_dnsconf *conf;

	hold_report = true;
	conf = set("file");
	hold_report = false;
	assert_string_equal(why, "a manager that is still being told");
	turn(100);
	assert_int_equal(later_count, 0);
	return conf;
}

static unsigned int servers_of(const struct ntm_dnsconf *conf)
{
	union ntm_addr servers[NTM_DNSCONF_SERVERS];

	return ntm_dnsconf_upstream(conf, servers, NTM_DNSCONF_SERVERS);
}

/* Where the guard's word is not in, the file's counts; ours names none, which makes one. The guard's word is none. */
static void test_late(void **state)
{
	struct ntm_dnsconf *conf = set_held();

	(void)state;
	assert_int_equal(servers_of(conf), 1);
	tell_guard();
	await_later();
	assert_int_equal(later_err, 0);
	assert_string_equal(later_why, "a test");
	assert_int_equal(servers_of(conf), 0);
	undo(conf);
}

static void test_late_failure(void **state)
{
	struct ntm_dnsconf *conf;

	(void)state;
	report_err = -EIO;
	conf = set_held();
	tell_guard();
	await_later();
	assert_int_equal(later_err, -EIO);
	assert_string_equal(later_why, "a test");
	assert_int_equal(servers_of(conf), 1);
	undo(conf);
	report_err = 0;
	conf = set("file");
	turn(100);
	assert_int_equal(later_count, 0);
	undo(conf);
}

static void test_guard_killed(void **state)
{
	struct ntm_dnsconf *conf;

	(void)state;
	die = true;
	conf = set("file");
	die = false;
	await_later();
	assert_int_not_equal(later_err, 0);
	assert_string_equal(later_why, "the guard of its settings has ended");
	undo(conf);
}

/* Well below the 2 s of one that waits, and above what a busy machine takes for a fork() */
static void test_no_wait(void **state)
{
	const uint64_t began = uv_hrtime();
	struct ntm_dnsconf *conf;

	(void)state;
	no_wait = true;
	hold_report = true;
	conf = set("file");
	assert_in_range((uv_hrtime() - began) / 1000000, 0, 1900);
	hold_report = false;
	no_wait = false;
	assert_string_equal(why, "a manager that is still being told");
	tell_guard();
	await_later();
	assert_int_equal(later_err, 0);
	undo(conf);
}

static void on_alarm(int number)
{
	(void)number;
}

static void alarm_each(suseconds_t us)
{
	const struct itimerval timer = { .it_interval = { .tv_usec = us },
					 .it_value = { .tv_usec = us } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Signals neither end the wait for a report nor draw it out */
static void test_signals(void **state)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	struct ntm_dnsconf *conf;
	uint64_t began, ms;

	(void)state;
	sigaction(SIGALRM, &action, NULL);
	report_ms = 700;
	alarm_each(100000);
	undo(set("file"));
	assert_string_equal(why, "a test");
	report_ms = 0;
	hold_report = true;
	began = uv_hrtime();
	conf = set("file");
	ms = (uv_hrtime() - began) / 1000000;
	alarm_each(0);
	hold_report = false;
	tell_guard();
	undo(conf);
	assert_string_equal(why, "a manager that is still being told");
	assert_in_range(ms, 1990, 4500);
}

static int setup(void **state)
{
	(void)state;
	return pipe(told) ? -1 : uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quick),	     cmocka_unit_test(test_slow),
		cmocka_unit_test(test_late),	     cmocka_unit_test(test_late_failure),
		cmocka_unit_test(test_guard_killed), cmocka_unit_test(test_no_wait),
		cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
