// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/upstream*.c */
/* Queries passed on, with name servers of our own on loopback: who is believed, who is asked next, when it is given up. */
#include "ntm_test.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/upstream.h"

#define MANY 300
#define LONG 20000 /* bytes of an answer */
#define STILL_NS 20000000ULL

/* ID 0x1234, RD, "wWw.example.org" A IN */
static const uint8_t question[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				  "\3wWw\7example\3org\0\0\1\0\1";
#define QUESTION_LEN (sizeof(question) - 1)
#define FRAME_LEN (2 + QUESTION_LEN)

struct server {
	int fd, listener;
	union ntm_addr addr;
};

static uv_loop_t loop;
static struct ntm_upstream *up;
static struct server servers[3];
static unsigned int answers;
static uint64_t last_tag;
static uint8_t last[LONG];
static size_t last_len;
static bool close_in_callback;
static uint64_t stood_still_ns;

static void on_answer(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	assert_ptr_equal(ctx, &loop);
	answers++;
	last_tag = tag;
	last_len = len;
	assert_true(len <= sizeof(last));
	if (len)
		memcpy(last, msg, len);
	if (close_in_callback) {
		ntm_upstream_close(up);
		up = NULL;
	}
}

static void open_server(struct server *s, const char *address)
{
	socklen_t len = sizeof(s->addr);

	s->addr = test_addr(address);
	s->fd = socket(s->addr.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, &s->addr.sa, ntm_addr_len(&s->addr)), 0);
	assert_int_equal(getsockname(s->fd, &s->addr.sa, &len), 0);
}

static void use(unsigned int count)
{
	union ntm_addr list[3];

	for (unsigned int i = 0; i < count; i++)
		list[i] = servers[i].addr;
	ntm_upstream_servers(up, list, count);
}

static int setup(void **state)
{
	(void)state;
	if (uv_loop_init(&loop) || ntm_upstream_open(&up, &loop))
		return -1;
	open_server(&servers[0], "127.0.0.1:0");
	open_server(&servers[1], "127.0.0.1:0");
	open_server(&servers[2], "[::1]:0");
	for (int i = 0; i < 3; i++)
		servers[i].listener = -1;
	answers = 0;
	last_len = 0;
	close_in_callback = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		if (servers[i].fd >= 0)
			close(servers[i].fd);
		if (servers[i].listener >= 0)
			close(servers[i].listener);
	}
	ntm_upstream_close(up);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static int ask(uint64_t tag)
{
	uv_update_time(&loop);
	return ntm_upstream_ask(up, tag, false, question, QUESTION_LEN, on_answer, &loop);
}

/* A pause between two turns of the loop. What of it the machine adds is no time that a query took. */
static void pause_turns(void)
{
	const uint64_t began = uv_hrtime();
	uint64_t took;

	usleep(1000);
	took = uv_hrtime() - began;
	if (took > STILL_NS)
		stood_still_ns += took;
}

/* How long it has been since @began, without what the machine stood still */
static uint64_t ran_ms(uint64_t began, uint64_t still_ns)
{
	return (uv_hrtime() - began - (stood_still_ns - still_ns)) / 1000000;
}

/* Turns the loop for @ms, or until there are @count answers */
static void turn(unsigned int count, unsigned int ms)
{
	uint64_t until = uv_hrtime() + ms * 1000000ULL;

	while (uv_hrtime() < until && answers < count) {
		uv_run(&loop, UV_RUN_NOWAIT);
		pause_turns();
	}
}

static bool has_query(const struct server *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return poll(&p, 1, 200) == 1;
}

/* Turns the loop until a query is there, for @ms at most */
static void turn_until_query(const struct server *s, unsigned int ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	const uint64_t until = uv_hrtime() + ms * 1000000ULL;

	while (uv_hrtime() < until && poll(&p, 1, 0) == 0) {
		uv_run(&loop, UV_RUN_NOWAIT);
		pause_turns();
	}
}

static size_t receive(const struct server *s, uint8_t msg[512], union ntm_addr *from)
{
	socklen_t size = sizeof(*from);
	ssize_t len;

	assert_true(has_query(s));
	len = recvfrom(s->fd, msg, 512, 0, &from->sa, &size);
	assert_true(len > 0);
	return (size_t)len;
}

static void reply(const struct server *s, const uint8_t *msg, size_t len, const union ntm_addr *to)
{
	assert_int_equal(sendto(s->fd, msg, len, 0, &to->sa, ntm_addr_len(to)), len);
}

static void serve(const struct server *s)
{
	union ntm_addr from = { 0 };
	uint8_t msg[512];
	size_t len = receive(s, msg, &from);

	msg[2] |= 0x80;
	reply(s, msg, len, &from);
}

static void expect_answer(uint64_t tag)
{
	turn(1, 1000);
	assert_int_equal(answers, 1);
	assert_int_equal(last_tag, tag);
	assert_int_equal(last_len, QUESTION_LEN);
	assert_int_equal(last[2] & 0x80, 0x80);
	assert_memory_equal(last, question, 2);
	assert_memory_equal(last + 12, question + 12, QUESTION_LEN - 12);
}

static void test_pass_on(void **state)
{
	union ntm_addr from = { 0 };
	uint8_t msg[512];
	size_t len;

	(void)state;
	use(1);
	assert_int_equal(ask(77), 0);
	assert_int_equal(answers, 0);
	len = receive(&servers[0], msg, &from);
	assert_int_equal(len, QUESTION_LEN);
	assert_memory_equal(msg + 2, question + 2, QUESTION_LEN - 2);
	msg[2] |= 0x80;
	msg[13] = 'W'; /* letters may come back in another case; ours are put back */
	msg[14] = 'w';
	reply(&servers[0], msg, len, &from);
	expect_answer(77);
}

static void test_ipv6(void **state)
{
	(void)state;
	ntm_upstream_servers(up, &servers[2].addr, 1);
	assert_int_equal(ask(1), 0);
	serve(&servers[2]);
	expect_answer(1);
}

/* Every query has a port and an ID of its own; one in 2^16 may repeat the ID before it */
static void test_random(void **state)
{
	union ntm_addr from = { 0 };
	unsigned int same_port = 0, same_id = 0;
	uint16_t ports[32], ids[32];
	uint8_t msg[512];

	(void)state;
	use(1);
	for (unsigned int i = 0; i < 32; i++) {
		assert_int_equal(ask(i), 0);
		receive(&servers[0], msg, &from);
		ports[i] = from.v4.sin_port;
		memcpy(&ids[i], msg, 2);
		for (unsigned int k = 0; k < i; k++) {
			same_port += ports[k] == ports[i];
			same_id += ids[k] == ids[i];
		}
	}
	assert_int_equal(same_port, 0); /* all are open at once */
	assert_true(same_id <= 2);
}

static void test_forgeries(void **state)
{
	union ntm_addr from = { 0 };
	uint8_t msg[512], bad[512];
	size_t len;

	(void)state;
	use(1);
	assert_int_equal(ask(5), 0);
	len = receive(&servers[0], msg, &from);
	msg[2] |= 0x80;
	reply(&servers[1], msg, len, &from); /* another server */
	memcpy(bad, msg, len);
	bad[0] ^= 1; /* another ID */
	reply(&servers[0], bad, len, &from);
	memcpy(bad, msg, len);
	bad[2] &= 0x7f; /* a query */
	reply(&servers[0], bad, len, &from);
	memcpy(bad, msg, len);
	bad[len - 3] = 28; /* another type */
	reply(&servers[0], bad, len, &from);
	memcpy(bad, msg, len);
	bad[14] = 'x'; /* another name */
	reply(&servers[0], bad, len, &from);
	memcpy(bad, msg, len);
	bad[5] = 0; /* no question, and no error */
	reply(&servers[0], bad, len, &from);
	reply(&servers[0], msg, 11, &from);
	reply(&servers[0], msg, len - 1, &from);
	reply(&servers[0], msg, 0, &from);
	turn(1, 100);
	assert_int_equal(answers, 0);
	reply(&servers[0], msg, len, &from);
	expect_answer(5);
}

/* As from servers that do not know EDNS: whoever asks does without, if he hears of it */
static void test_error_without_question(void **state)
{
	union ntm_addr from = { 0 };
	uint8_t msg[512];

	(void)state;
	use(1);
	assert_int_equal(ask(5), 0);
	receive(&servers[0], msg, &from);
	msg[2] |= 0x80;
	msg[3] = 1; /* FORMERR */
	msg[5] = 0;
	msg[0] ^= 1; /* of another query */
	reply(&servers[0], msg, 12, &from);
	turn(1, 100);
	assert_int_equal(answers, 0);
	msg[0] ^= 1;
	reply(&servers[0], msg, 12, &from);
	expect_answer(5);
	assert_int_equal(last[3] & 0xf, 1);
}

static void test_next_when_refused(void **state)
{
	(void)state;
	use(2);
	close(servers[0].fd);
	servers[0].fd = -1;
	assert_int_equal(ask(9), 0);
	turn(1, 100);
	serve(&servers[1]);
	expect_answer(9);
}

static void test_next_when_silent(void **state)
{
	const uint64_t began = uv_hrtime(), still = stood_still_ns;

	(void)state;
	use(2);
	assert_int_equal(ask(3), 0);
	assert_true(has_query(&servers[0]));
	turn(1, 1000);
	assert_false(has_query(&servers[1]));
	turn_until_query(&servers[1], 10000);
	serve(&servers[1]);
	expect_answer(3);
	assert_true(ran_ms(began, still) < 3000);
	/* And the one that answered is the first from then on */
	use(2);
	answers = 0;
	assert_int_equal(ask(4), 0);
	serve(&servers[1]);
	expect_answer(4);
}

static void test_nobody(void **state)
{
	(void)state;
	use(2);
	close(servers[0].fd);
	close(servers[1].fd);
	servers[0].fd = servers[1].fd = -1;
	assert_int_equal(ask(8), 0);
	turn(1, 500); /* both refuse: there is nothing to wait for */
	assert_int_equal(answers, 1);
	expect_answer(8);
	assert_int_equal(last[3] & 0xf, 2); /* SERVFAIL */
}

static void test_give_up(void **state)
{
	const uint64_t began = uv_hrtime(), still = stood_still_ns;
	int tries = 3; /* at 0, 1.5 and 3 s */

	(void)state;
	use(1);
	assert_int_equal(ask(8), 0);
	turn(1, 20000);
	/* The end is at 4 s whenever the tries were: with a second gone from between them there is one less */
	if (stood_still_ns - still >= 900000000ULL)
		tries = 2;
	assert_true(uv_hrtime() - began >= 3900000000ULL);
	assert_true(ran_ms(began, still) <= 5000);
	assert_int_equal(answers, 1);
	assert_int_equal(last[3] & 0xf, 2);
	for (int i = 0; i < tries; i++)
		serve(&servers[0]);
	assert_true(tries < 3 || !has_query(&servers[0]));
	turn(2, 50);
	assert_int_equal(answers, 1);
}

static void test_not_taken(void **state)
{
	uint8_t msg[5000] = { 0 };

	(void)state;
	assert_int_equal(ask(1), -EHOSTUNREACH);
	use(1);
	for (size_t len = 0; len < QUESTION_LEN; len++)
		assert_int_equal(ntm_upstream_ask(up, 1, false, question, len, on_answer, &loop),
				 -EBADMSG);
	memcpy(msg, question, QUESTION_LEN);
	msg[2] |= 0x80;
	assert_int_equal(ntm_upstream_ask(up, 1, false, msg, QUESTION_LEN, on_answer, &loop),
			 -EBADMSG);
	msg[2] &= 0x7f;
	msg[5] = 2;
	assert_int_equal(ntm_upstream_ask(up, 1, false, msg, QUESTION_LEN, on_answer, &loop),
			 -EBADMSG);
	msg[5] = 1;
	assert_int_equal(ntm_upstream_ask(up, 1, false, msg, sizeof(msg), on_answer, &loop),
			 -EBADMSG);
	msg[12] = 0xc0;
	assert_int_equal(ntm_upstream_ask(up, 1, false, msg, QUESTION_LEN, on_answer, &loop),
			 -EBADMSG);
	assert_false(has_query(&servers[0]));
}

static void test_bound(void **state)
{
	unsigned int taken = 0;

	(void)state;
	use(1);
	for (unsigned int i = 0; i < MANY; i++)
		taken += !ask(i);
	assert_int_equal(taken, NTM_UPSTREAM_MAX);
	assert_int_equal(ask(1), -EBUSY);
	serve(&servers[0]);
	turn(1, 1000);
	assert_int_equal(answers, 1);
	assert_int_equal(ask(1), 0); /* there is room again */
}

static void test_servers_go(void **state)
{
	(void)state;
	use(2);
	assert_int_equal(ask(1), 0);
	ntm_upstream_servers(up, NULL, 0);
	turn(1, 2000);
	assert_int_equal(answers, 1);
	assert_int_equal(last[3] & 0xf, 2);
}

static void test_close_in_callback(void **state)
{
	(void)state;
	use(1);
	assert_int_equal(ask(1), 0);
	assert_int_equal(ask(2), 0);
	close_in_callback = true;
	serve(&servers[0]);
	turn(2, 300);
	assert_int_equal(answers, 1);
	assert_null(up);
}

/* TCP */

/* At the same address as by UDP; a port that has no room by TCP is left for another */
static void open_listener(struct server *s, const char *address)
{
	for (int i = 0; i < 20; i++) {
		s->listener = socket(s->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(s->listener >= 0);
		if (!bind(s->listener, &s->addr.sa, ntm_addr_len(&s->addr)))
			break;
		close(s->listener);
		close(s->fd);
		open_server(s, address);
	}
	assert_int_equal(listen(s->listener, NTM_UPSTREAM_STREAMS), 0);
}

static int ask_stream(uint64_t tag)
{
	uv_update_time(&loop);
	return ntm_upstream_ask(up, tag, true, question, QUESTION_LEN, on_answer, &loop);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < 200; i++) {
		if (poll(&p, 1, 1) == 1)
			return true;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	return false;
}

/* A connection, and the query that came by it */
static int take_stream(const struct server *s, uint8_t frame[FRAME_LEN])
{
	int fd;

	assert_true(is_readable(s->listener));
	fd = accept(s->listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_true(is_readable(fd));
	assert_int_equal(recv(fd, frame, FRAME_LEN, MSG_WAITALL), FRAME_LEN);
	assert_int_equal(frame[0] << 8 | frame[1], QUESTION_LEN);
	assert_memory_equal(frame + 4, question + 2, QUESTION_LEN - 2);
	frame[4] |= 0x80;
	return fd;
}

static void send_bytes(int fd, const uint8_t *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static void serve_stream(const struct server *s)
{
	uint8_t frame[FRAME_LEN];
	int fd = take_stream(s, frame);

	send_bytes(fd, frame, FRAME_LEN);
	expect_answer(5);
	close(fd);
}

/* An answer larger than any datagram, in pieces, of which the first is half a length */
static void test_stream(void **state)
{
	static uint8_t answer[2 + LONG];
	size_t at = 1;
	int fd;

	(void)state;
	open_listener(&servers[0], "127.0.0.1:0");
	use(1);
	assert_int_equal(ask_stream(5), 0);
	fd = take_stream(&servers[0], answer);
	assert_false(has_query(&servers[0])); /* by UDP */
	answer[0] = LONG >> 8;
	answer[1] = LONG & 0xff;
	answer[1 + LONG] = 7;
	send_bytes(fd, answer, at);
	for (size_t len = 1; at < sizeof(answer); at += len, len = 7000) {
		turn(1, 20);
		assert_int_equal(answers, 0);
		if (len > sizeof(answer) - at)
			len = sizeof(answer) - at;
		send_bytes(fd, answer + at, len);
	}
	turn(1, 1000);
	assert_int_equal(answers, 1);
	assert_int_equal(last_tag, 5);
	assert_int_equal(last_len, LONG);
	assert_memory_equal(last, question, 2);
	assert_memory_equal(last + 12, answer + 14, LONG - 12);
	close(fd);
}

static void test_stream_ipv6(void **state)
{
	(void)state;
	open_listener(&servers[2], "[::1]:0");
	ntm_upstream_servers(up, &servers[2].addr, 1);
	assert_int_equal(ask_stream(5), 0);
	serve_stream(&servers[2]);
}

static void test_stream_refused(void **state)
{
	(void)state;
	open_listener(&servers[1], "127.0.0.1:0");
	use(2);
	assert_int_equal(ask_stream(5), 0);
	serve_stream(&servers[1]);
}

/* Whoever ends too early, or talks nonsense, is as good as one that refuses */
static void test_stream_bad(void **state)
{
	static const struct {
		size_t sent, at;
		uint8_t flip;
	} cases[] = {
		{ 0, 0, 0 },
		{ 1, 0, 0 },
		{ FRAME_LEN - 1, 0, 0 },
		{ 2, 1, QUESTION_LEN }, /* of no length */
		{ FRAME_LEN, 2, 1 },	/* another ID */
		{ FRAME_LEN, 4, 0x80 }, /* a query */
		{ FRAME_LEN, 16, 1 },	/* another name */
	};
	uint8_t frame[FRAME_LEN];

	(void)state;
	open_listener(&servers[0], "127.0.0.1:0");
	open_listener(&servers[1], "127.0.0.1:0");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd;

		ntm_upstream_servers(up, NULL, 0); /* the first one is the first again */
		use(2);
		answers = 0;
		assert_int_equal(ask_stream(5), 0);
		fd = take_stream(&servers[0], frame);
		frame[cases[i].at] ^= cases[i].flip;
		send_bytes(fd, frame, cases[i].sent);
		if (cases[i].sent < FRAME_LEN && cases[i].at != 1)
			close(fd);
		serve_stream(&servers[1]);
		if (cases[i].sent == FRAME_LEN || cases[i].at == 1)
			close(fd);
	}
}

static void test_stream_error_without_question(void **state)
{
	uint8_t frame[FRAME_LEN];
	int fd;

	(void)state;
	open_listener(&servers[0], "127.0.0.1:0");
	use(1);
	assert_int_equal(ask_stream(5), 0);
	fd = take_stream(&servers[0], frame);
	frame[1] = 12;
	frame[5] = 1; /* FORMERR */
	frame[7] = 0;
	send_bytes(fd, frame, 2 + 12);
	expect_answer(5);
	assert_int_equal(last[3] & 0xf, 1);
	close(fd);
}

static void test_stream_nobody(void **state)
{
	(void)state;
	use(2);
	assert_int_equal(ask_stream(5), 0);
	turn(1, 500);
	expect_answer(5);
	assert_int_equal(last[3] & 0xf, 2); /* SERVFAIL */
}

static void test_stream_silent(void **state)
{
	const uint64_t began = uv_hrtime(), still = stood_still_ns;
	uint8_t frame[FRAME_LEN];
	int fds[3];

	(void)state;
	open_listener(&servers[0], "127.0.0.1:0");
	use(1);
	assert_int_equal(ask_stream(5), 0);
	for (int i = 0; i < 3; i++) { /* at 0, 3 and 6 s */
		fds[i] = take_stream(&servers[0], frame);
		turn(1, 2900);
	}
	assert_int_equal(answers, 1);
	assert_int_equal(last[3] & 0xf, 2);
	assert_true(uv_hrtime() - began >= 7900000000ULL);
	assert_true(ran_ms(began, still) <= 9000);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void test_stream_bound(void **state)
{
	unsigned int taken = 0;

	(void)state;
	open_listener(&servers[0], "127.0.0.1:0");
	use(1);
	for (unsigned int i = 0; i < 2 * NTM_UPSTREAM_STREAMS; i++)
		taken += !ask_stream(5);
	assert_int_equal(taken, NTM_UPSTREAM_STREAMS);
	assert_int_equal(ask_stream(5), -EBUSY);
	assert_int_equal(ask(6), 0);
	serve_stream(&servers[0]);
	assert_int_equal(ask_stream(5), 0); /* there is room again */
	assert_int_equal(ask_stream(5), -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pass_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgeries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_without_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next_when_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next_when_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_give_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_servers_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_in_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_error_without_question, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_stream_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_bound, setup, teardown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
