// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket: answers now and later, hostile clients, bounds, and the
 * client's own errors. The server runs on a loop that the test turns.
 */
#include "ntm_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/control.h"

#define LATER_MAX 32
#define BIG 2000000

static char dir[] = "/tmp/ntm-test-control-XXXXXX";
static char path[64];
static uv_loop_t loop;
static struct ntm_control *control;
static struct ntm_control_reply *later[LATER_MAX];
static unsigned int later_count;
static unsigned int requests;

static json_t *big_text(void)
{
	char *text = malloc(BIG);
	json_t *json;

	memset(text, 'x', BIG);
	json = json_stringn(text, BIG);
	free(text);
	return json;
}

static void on_request(void *ctx, json_t *request, struct ntm_control_reply *reply)
{
	const char *command = json_string_value(json_object_get(request, "command"));

	assert_ptr_equal(ctx, &loop);
	requests++;
	if (command && !strcmp(command, "later"))
		later[later_count++] = reply;
	else if (command && !strcmp(command, "fail"))
		ntm_control_fail(reply, NTM_EXIT_UNREACHABLE, "no way to %s", "there");
	else if (command && !strcmp(command, "bytes"))
		ntm_control_fail(reply, NTM_EXIT_ERROR, "\xff");
	else if (command && !strcmp(command, "big"))
		ntm_control_answer(reply, json_pack("{s:b,s:o}", "ok", 1, "text", big_text()));
	else
		ntm_control_answer(reply, json_pack("{s:b,s:O}", "ok", 1, "request", request));
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	uv_loop_init(&loop);
	return ntm_control_open(&control, &loop, path, on_request, &loop);
}

static int teardown(void **state)
{
	(void)state;
	ntm_control_close(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(access(path, F_OK), -1);
	rmdir(dir);
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	later_count = requests = 0;
	return 0;
}

static void turn(void)
{
	for (int i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn();
}

/* What is there to read, "" for none; -1 as *@len: the other end closed. */
static const char *hear(int fd, ssize_t *len)
{
	static char buf[100000];

	turn();
	*len = read(fd, buf, sizeof(buf) - 1);
	if (*len == 0)
		*len = -1;
	else if (*len < 0)
		*len = 0;
	buf[*len < 0 ? 0 : *len] = '\0';
	return buf;
}

static void expect(int fd, const char *text)
{
	ssize_t len;

	assert_string_equal(hear(fd, &len), text);
}

static void expect_closed(int fd)
{
	ssize_t len;

	hear(fd, &len);
	assert_int_equal(len, -1);
	close(fd);
}

static void test_answers(void **state)
{
	struct stat st;
	int fd = dial();

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	say(fd, "{\"command\":\"x\"}\n");
	expect(fd, "{\"ok\":true,\"request\":{\"command\":\"x\"}}\n");
	/* in pieces, and two at once, with CRLF */
	say(fd, "{\"comm");
	expect(fd, "");
	say(fd, "and\":\"y\"}\r\n{}\n");
	expect(fd, "{\"ok\":true,\"request\":{\"command\":\"y\"}}\n{\"ok\":true,\"request\":{}}\n");
	say(fd, "{\"command\":\"fail\"}\n");
	expect(fd, "{\"ok\":false,\"error\":\"no way to there\",\"code\":5}\n");
	say(fd, "{\"command\":\"bytes\"}\n");
	expect(fd, "{\"ok\":false,\"error\":\"failed\",\"code\":1}\n");
	close(fd);
	turn();
}

static void test_malformed(void **state)
{
	static const char *const bad[] = { "\n",     "x\n",   "[]\n",
					   "1\n",    "{\n",   "{\"a\":1,\"a\":2}\n",
					   "\xff\n", "{}{}\n" };
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(fd, bad[i]);
		expect(fd, "{\"ok\":false,\"error\":\"not a JSON object\",\"code\":2}\n");
	}
	assert_int_equal(requests, 0);
	say(fd, "{}\n");
	expect(fd, "{\"ok\":true,\"request\":{}}\n");
	close(fd);
}

static void test_later(void **state)
{
	int fd = dial();

	(void)state;
	/* The second waits for the first: one thing at a time. */
	say(fd, "{\"command\":\"later\"}\n{}\n");
	assert_int_equal(later_count, 1);
	assert_int_equal(requests, 1);
	expect(fd, "");
	ntm_control_answer(later[0], json_pack("{s:b}", "ok", 1));
	expect(fd, "{\"ok\":true}\n{\"ok\":true,\"request\":{}}\n");
	close(fd);
}

static void test_client_gone(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"command\":\"later\"}\n");
	close(fd);
	turn();
	ntm_control_answer(later[0], json_object());
	turn();
	/* and the other way: the answer comes after the end of all */
	fd = dial();
	say(fd, "{\"command\":\"later\"}\n");
	ntm_control_close(control);
	turn();
	expect_closed(fd);
	ntm_control_answer(later[1], json_object());
	control = NULL;
}

static void test_half_closed(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"command\":\"later\"}\n{}\n");
	shutdown(fd, SHUT_WR);
	turn();
	ntm_control_answer(later[0], json_pack("{s:b}", "ok", 1));
	expect(fd, "{\"ok\":true}\n{\"ok\":true,\"request\":{}}\n");
	expect_closed(fd);
}

static void test_long_line(void **state)
{
	char line[65537];
	int fd = dial();

	(void)state;
	/* 64 KB with its newline pass */
	memset(line, ' ', sizeof(line));
	memcpy(line, "{}", 2);
	line[65535] = '\n';
	line[65536] = '\0';
	say(fd, line);
	expect(fd, "{\"ok\":true,\"request\":{}}\n");
	line[65535] = ' ';
	say(fd, line);
	expect(fd, "{\"ok\":false,\"error\":\"request too long\",\"code\":2}\n");
	expect_closed(fd);
}

/* A client that sends on and on while it waits: what does not fit stays in the socket. */
static void test_flood_while_waiting(void **state)
{
	static char many[3 * 30000 + 1];
	size_t sent = 0, heard = 0;
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < 30000; i++)
		memcpy(many + 3 * i, "{}\n", 3);
	say(fd, "{\"command\":\"later\"}\n");
	for (int i = 0; i < 100 && sent < 90000; i++) {
		ssize_t n = send(fd, many + sent, 90000 - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		turn();
	}
	assert_int_equal(requests, 1);
	ntm_control_answer(later[0], json_pack("{s:b}", "ok", 1));
	for (int i = 0; i < 20000 && requests < 30001; i++) {
		ssize_t len;

		hear(fd, &len);
		heard += len > 0 ? (size_t)len : 0;
		if (sent < 90000) {
			ssize_t n = send(fd, many + sent, 90000 - sent, MSG_NOSIGNAL);

			sent += n > 0 ? (size_t)n : 0;
		}
	}
	assert_int_equal(requests, 30001);
	assert_true(heard > 0);
	close(fd);
}

static void test_many_connections(void **state)
{
	int fds[16], extra;

	(void)state;
	for (int i = 0; i < 16; i++)
		fds[i] = dial();
	turn();
	extra = dial();
	expect(extra, "{\"ok\":false,\"error\":\"too many connections\",\"code\":1}\n");
	expect_closed(extra);
	close(fds[3]);
	turn();
	fds[3] = dial();
	say(fds[3], "{}\n");
	expect(fds[3], "{\"ok\":true,\"request\":{}}\n");
	for (int i = 0; i < 16; i++)
		close(fds[i]);
}

static void test_open_twice(void **state)
{
	struct ntm_control *second = (void *)1;
	char file[80], long_path[200];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	assert_int_equal(ntm_control_open(&second, &loop, path, on_request, NULL), -EADDRINUSE);
	assert_null(second);
	/* left behind by one that crashed */
	snprintf(file, sizeof(file), "%s/stale", dir);
	strcpy(addr.sun_path, file);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(ntm_control_open(&second, &loop, file, on_request, NULL), 0);
	ntm_control_close(second);
	turn();
	/* no socket at all: not ours to remove */
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(ntm_control_open(&second, &loop, file, on_request, NULL), -EEXIST);
	assert_int_equal(unlink(file), 0);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(ntm_control_open(&second, &loop, long_path, on_request, NULL),
			 -ENAMETOOLONG);
}

/* --- client */

struct call {
	const char *command;
	int timeout_ms;
	json_t *response;
	int err;
	uv_async_t done;
};

static void call_thread(void *arg)
{
	struct call *call = arg;
	json_t *request = json_pack("{s:s}", "command", call->command);

	call->response = ntm_control_call(path, request, call->timeout_ms);
	call->err = call->response ? 0 : errno;
	json_decref(request);
	uv_async_send(&call->done);
}

static void on_done(uv_async_t *async)
{
	uv_close((uv_handle_t *)async, NULL);
	uv_stop(async->loop);
}

static void call(struct call *c)
{
	uv_thread_t thread;

	uv_async_init(&loop, &c->done, on_done);
	assert_int_equal(uv_thread_create(&thread, call_thread, c), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_thread_join(&thread);
	turn();
}

static void test_call(void **state)
{
	struct call c = { .command = "x", .timeout_ms = 5000 };
	struct call big = { .command = "big", .timeout_ms = 20000 };
	struct call slow = { .command = "later", .timeout_ms = 50 };

	(void)state;
	call(&c);
	assert_true(json_is_true(json_object_get(c.response, "ok")));
	json_decref(c.response);
	call(&big);
	assert_int_equal(json_string_length(json_object_get(big.response, "text")), BIG);
	json_decref(big.response);
	call(&slow);
	assert_null(slow.response);
	assert_int_equal(slow.err, ETIMEDOUT);
	ntm_control_answer(later[0], json_object());
	turn();
}

static void test_call_errors(void **state)
{
	json_t *request = json_object();
	char file[80];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	snprintf(file, sizeof(file), "%s/stale", dir);
	assert_null(ntm_control_call(file, request, 100));
	assert_int_equal(errno, ENOENT);
	strcpy(addr.sun_path, file);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_null(ntm_control_call(file, request, 100));
	assert_int_equal(errno, ECONNREFUSED);
	/* one that listens and says nothing */
	assert_int_equal(listen(fd, 1), 0);
	assert_null(ntm_control_call(file, request, 50));
	assert_int_equal(errno, ETIMEDOUT);
	close(fd);
	unlink(file);
	json_decref(request);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_malformed),
		TEST(test_later),
		TEST(test_client_gone),
		TEST(test_half_closed),
		TEST(test_long_line),
		TEST(test_flood_while_waiting),
		TEST(test_many_connections),
		TEST(test_open_twice),
		TEST(test_call),
		TEST(test_call_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
