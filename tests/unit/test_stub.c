// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/stub.c */
/* The name server on our own address: UDP and TCP, on loopback; bounds, and clients that misbehave. */
#include "ntm_test.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/stub.h"

static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\1a\0\0\1\0\1";
#define QUERY_LEN (sizeof(query) - 1)

static uv_loop_t loop;
static struct ntm_stub *stub;
static union ntm_addr addr4, addr6;
static unsigned int queries;
static uint64_t tags[NTM_STUB_QUERIES + 8];
static enum { HOLD, ANSWER, DROP, CLOSE } how;

static void on_query(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	assert_ptr_equal(ctx, &loop);
	assert_true(len >= 12 && msg[0] == 0x12);
	assert_true(queries < sizeof(tags) / sizeof(tags[0]));
	tags[queries++] = tag;
	if (how == ANSWER)
		assert_int_equal(ntm_stub_reply(stub, tag, msg, len), 0);
	else if (how == DROP)
		assert_int_equal(ntm_stub_reply(stub, tag, NULL, 0), 0);
	else if (how == CLOSE) {
		ntm_stub_close(stub);
		stub = NULL;
	}
}

/* A port that is free on 127.0.0.1 now; ephemeral ports are not given out twice in a row */
static uint16_t free_port(void)
{
	union ntm_addr addr = test_addr("127.0.0.1:0");
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &addr.sa, ntm_addr_len(&addr)), 0);
	assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
	close(fd);
	return addr.v4.sin_port;
}

static int setup(void **state)
{
	union ntm_addr addrs[2];
	int err = -1;

	(void)state;
	queries = 0;
	how = ANSWER;
	uv_loop_init(&loop);
	addr4 = test_addr("127.0.0.1:0");
	addr6 = test_addr("[::1]:0");
	for (int i = 0; err && i < 20; i++) {
		addr4.v4.sin_port = addr6.v6.sin6_port = free_port();
		addrs[0] = addr4;
		addrs[1] = addr6;
		err = ntm_stub_open(&stub, &loop, addrs, 2, on_query, &loop);
	}
	return err;
}

static int teardown(void **state)
{
	(void)state;
	ntm_stub_close(stub);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void turn(int ms)
{
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	do {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(500);
	} while (uv_hrtime() < until);
}

static void turn_until(unsigned int count)
{
	for (int i = 0; i < 1000 && queries < count; i++)
		turn(1);
	assert_int_equal(queries, count);
}

static int dial(const union ntm_addr *to, int type)
{
	int fd = socket(to->sa.sa_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &to->sa, ntm_addr_len(to)), 0);
	return fd;
}

/* Turns the loop until @fd has something to read; the length, 0 at the end of a stream, -1 for nothing */
static ssize_t receive(int fd, uint8_t *buf, size_t size, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t until = uv_hrtime() + (uint64_t)ms * 1000000;

	while (poll(&p, 1, 0) == 0) {
		if (uv_hrtime() > until)
			return -1;
		turn(1);
	}
	return recv(fd, buf, size, 0);
}

static void send_all(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static void send_framed(int fd)
{
	uint8_t frame[2 + QUERY_LEN] = { 0, QUERY_LEN };

	memcpy(frame + 2, query, QUERY_LEN);
	send_all(fd, frame, sizeof(frame));
}

static void expect_framed(int fd)
{
	uint8_t buf[512] = { 0 };

	assert_int_equal(receive(fd, buf, 2 + QUERY_LEN, 1000), 2 + QUERY_LEN);
	assert_int_equal(buf[1], QUERY_LEN);
	assert_memory_equal(buf + 2, query, QUERY_LEN);
}

static void test_udp(void **state)
{
	const union ntm_addr *const to[] = { &addr4, &addr6 };
	uint8_t buf[512];

	(void)state;
	for (int i = 0; i < 2; i++) {
		int fd = dial(to[i], SOCK_DGRAM);

		send_all(fd, query, QUERY_LEN);
		assert_int_equal(receive(fd, buf, sizeof(buf), 1000), QUERY_LEN);
		assert_memory_equal(buf, query, QUERY_LEN);
		close(fd);
		assert_false(ntm_stub_is_stream(tags[i]));
	}
	assert_int_equal(ntm_stub_reply(stub, tags[0], query, QUERY_LEN), -ENOENT);
}

static void test_udp_bad(void **state)
{
	static uint8_t big[NTM_STUB_QUERY_MAX + 1] = { 0x12 };
	uint8_t buf[64];
	int fd;

	(void)state;
	fd = dial(&addr4, SOCK_DGRAM);
	send_all(fd, query, 11);
	send_all(fd, query, 0);
	send_all(fd, big, sizeof(big));
	assert_int_equal(receive(fd, buf, sizeof(buf), 50), -1);
	assert_int_equal(queries, 0);
	send_all(fd, big, sizeof(big) - 1);
	turn_until(1);
	how = DROP;
	send_all(fd, query, QUERY_LEN);
	turn_until(2);
	close(fd);
}

static void test_bound(void **state)
{
	uint8_t buf[512];
	int fd;

	(void)state;
	how = HOLD;
	fd = dial(&addr4, SOCK_DGRAM);
	for (int i = 0; i < NTM_STUB_QUERIES + 8; i++) {
		send_all(fd, query, QUERY_LEN);
		if (i % 16 == 0)
			turn(1);
	}
	turn(20);
	assert_int_equal(queries, NTM_STUB_QUERIES);
	assert_int_equal(ntm_stub_reply(stub, tags[3], query, QUERY_LEN), 0);
	assert_int_equal(receive(fd, buf, sizeof(buf), 1000), QUERY_LEN);
	assert_int_equal(ntm_stub_reply(stub, tags[3], query, QUERY_LEN), -ENOENT);
	send_all(fd, query, QUERY_LEN);
	turn_until(NTM_STUB_QUERIES + 1);
	/* The slot is the same, the tag is not */
	assert_int_not_equal(tags[NTM_STUB_QUERIES], tags[3]);
	assert_int_equal(ntm_stub_reply(stub, tags[3], query, QUERY_LEN), -ENOENT);
	assert_int_equal(ntm_stub_reply(stub, ~0ULL, query, QUERY_LEN), -ENOENT);
	close(fd);
}

static void test_tcp(void **state)
{
	const union ntm_addr *const to[] = { &addr4, &addr6 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		int fd = dial(to[i], SOCK_STREAM);

		send_framed(fd);
		expect_framed(fd);
		send_framed(fd); /* three at once are answered in their order */
		send_framed(fd);
		send_framed(fd);
		for (int k = 0; k < 3; k++)
			expect_framed(fd);
		close(fd);
	}
	assert_int_equal(queries, 8);
	assert_true(ntm_stub_is_stream(tags[0]));
}

static void test_tcp_in_pieces(void **state)
{
	int fd;

	(void)state;
	fd = dial(&addr4, SOCK_STREAM);
	send_all(fd, "\0", 1);
	turn(5);
	send_all(fd, &(uint8_t){ QUERY_LEN }, 1);
	turn(5);
	for (size_t i = 0; i < QUERY_LEN; i++) {
		assert_int_equal(queries, 0);
		send_all(fd, query + i, 1);
		turn(2);
	}
	expect_framed(fd);
	close(fd);
}

static void test_tcp_long_answer(void **state)
{
	static uint8_t answer[65535] = { 0x12 }, buf[65537];
	size_t have = 0;
	int fd;

	(void)state;
	how = HOLD;
	fd = dial(&addr4, SOCK_STREAM);
	send_framed(fd);
	turn_until(1);
	answer[65534] = 7;
	assert_int_equal(ntm_stub_reply(stub, tags[0], answer, 65536), -EMSGSIZE);
	assert_int_equal(ntm_stub_reply(stub, tags[0], answer, sizeof(answer)), 0);
	while (have < sizeof(buf)) {
		ssize_t len = receive(fd, buf + have, sizeof(buf) - have, 1000);

		assert_true(len > 0);
		have += (size_t)len;
	}
	assert_int_equal(buf[0] << 8 | buf[1], 65535);
	assert_memory_equal(buf + 2, answer, sizeof(answer));
	close(fd);
}

static void expect_end(int fd)
{
	uint8_t buf[16];
	ssize_t len = receive(fd, buf, sizeof(buf), 1000);

	assert_true(len == 0 || (len < 0 && errno == ECONNRESET));
	close(fd);
}

static void test_tcp_bad(void **state)
{
	int fd;

	(void)state;
	fd = dial(&addr4, SOCK_STREAM);
	send_all(fd, "\xff\xff", 2); /* longer than any query */
	expect_end(fd);
	fd = dial(&addr4, SOCK_STREAM);
	send_all(fd, "\0\0", 2);
	expect_end(fd);
	fd = dial(&addr4, SOCK_STREAM);
	send_all(fd, "\0\5abcde", 7);
	expect_end(fd);
	assert_int_equal(queries, 0);
	how = DROP;
	fd = dial(&addr4, SOCK_STREAM);
	send_framed(fd);
	expect_end(fd);
	how = HOLD;
	fd = dial(&addr4, SOCK_STREAM);
	send_framed(fd);
	turn_until(2);
	close(fd); /* the asker goes; libuv notices when it is written to */
	turn(20);
	(void)ntm_stub_reply(stub, tags[1], query, QUERY_LEN);
	turn(20);
	assert_int_equal(ntm_stub_reply(stub, tags[1], query, QUERY_LEN), -ENOENT);
}

static void test_tcp_bound(void **state)
{
	int fds[NTM_STUB_STREAMS], fd;

	(void)state;
	for (int i = 0; i < NTM_STUB_STREAMS; i++) {
		fds[i] = dial(&addr4, SOCK_STREAM);
		turn(1);
	}
	turn(20);
	fd = dial(&addr4, SOCK_STREAM);
	expect_end(fd);
	close(fds[0]);
	turn(20);
	fds[0] = dial(&addr4, SOCK_STREAM);
	send_framed(fds[0]);
	expect_framed(fds[0]);
	for (int i = 0; i < NTM_STUB_STREAMS; i++)
		close(fds[i]);
}

static void test_tcp_idle(void **state)
{
	uint64_t began = uv_hrtime(), ms;
	uint8_t buf[16];
	int fd;

	(void)state;
	fd = dial(&addr4, SOCK_STREAM);
	send_all(fd, "\0\x10.x", 4);
	assert_int_equal(receive(fd, buf, sizeof(buf), 15000), 0);
	ms = (uv_hrtime() - began) / 1000000;
	assert_in_range(ms, 9000, 12000);
	close(fd);
}

/* A query that comes after a while has as much time as any other */
static void test_tcp_idle_before(void **state)
{
	int fd;

	(void)state;
	how = HOLD;
	fd = dial(&addr4, SOCK_STREAM);
	turn(7000);
	send_framed(fd);
	turn_until(1);
	turn(5000);
	assert_int_equal(ntm_stub_reply(stub, tags[0], query, QUERY_LEN), 0);
	expect_framed(fd);
	close(fd);
}

static void test_close_in_callback(void **state)
{
	int udp, tcp;

	(void)state;
	udp = dial(&addr4, SOCK_DGRAM);
	tcp = dial(&addr4, SOCK_STREAM);
	how = CLOSE;
	send_all(udp, query, QUERY_LEN);
	send_all(udp, query, QUERY_LEN);
	send_framed(tcp);
	turn_until(1);
	turn(20);
	assert_int_equal(queries, 1);
	close(udp);
	close(tcp);
}

static void test_taken(void **state)
{
	struct ntm_stub *second = (struct ntm_stub *)1;

	(void)state;
	assert_int_equal(ntm_stub_open(&second, &loop, &addr4, 1, on_query, &loop), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(ntm_stub_open(&second, &loop, &addr4, 0, on_query, &loop), -EINVAL);
	assert_int_equal(ntm_stub_open(&second, &loop, &addr4, 3, on_query, &loop), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_udp),
		TEST(test_udp_bad),
		TEST(test_bound),
		TEST(test_tcp),
		TEST(test_tcp_in_pieces),
		TEST(test_tcp_long_answer),
		TEST(test_tcp_bad),
		TEST(test_tcp_bound),
		TEST(test_tcp_idle),
		TEST(test_tcp_idle_before),
		TEST(test_close_in_callback),
		TEST(test_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
