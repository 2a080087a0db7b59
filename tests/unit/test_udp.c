// SPDX-License-Identifier: GPL-2.0
/* The UDP port, on loopback: both families on one port, batches, GRO, errors that must not spin, closing. */
#include "ntm_test.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/relay.h"
#include "common/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static uv_loop_t loop;
static struct ntm_udp *udp;
static union ntm_addr any4, any6, none;
static unsigned int received;
static size_t bytes, last_len, close_after;
static union ntm_addr last_from;

static void on_packet(void *ctx, const uint8_t *packet, size_t len, const union ntm_addr *from)
{
	assert_ptr_equal(ctx, &loop);
	assert_int_equal(packet[0], packet[len - 1]); /* touches both ends */
	received++;
	bytes += len;
	last_len = len;
	last_from = *from;
	if (close_after && received == close_after)
		ntm_udp_close(udp);
}

static int setup(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	any4 = test_addr("127.0.0.1:0");
	any6 = test_addr("[::1]:0");
	received = 0;
	bytes = close_after = 0;
	udp = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!close_after)
		ntm_udp_close(udp);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static bool open_port(const union ntm_addr *v4, const union ntm_addr *v6, bool gro)
{
	return ntm_udp_open(&udp, &loop, v4, v6, gro, on_packet, &loop) == 0;
}

/* Turns the loop until @count packets are there, for a second at most. */
static void wait_for(unsigned int count)
{
	for (int i = 0; i < 1000 && received < count; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		if (received < count)
			usleep(1000);
	}
	assert_int_equal(received, count);
}

static union ntm_addr self(int family)
{
	union ntm_addr to = family == AF_INET ? any4 : any6;

	to.v4.sin_port = htons(ntm_udp_port(udp));
	return to;
}

static bool have_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool have = fd >= 0 && !bind(fd, &any6.sa, sizeof(any6.v6));

	if (fd >= 0)
		close(fd);
	return have;
}

static void test_one_port(void **state)
{
	union ntm_addr to;

	(void)state;
	assert_true(open_port(&any4, have_ipv6() ? &any6 : &none, false));
	assert_true(ntm_udp_port(udp) > 0);
	assert_true(ntm_udp_fd(udp, AF_INET) >= 0);
	to = self(AF_INET);
	assert_int_equal(ntm_udp_send(udp, &to, (const uint8_t *)"xx", 2), 0);
	wait_for(1);
	assert_true(ntm_addr_equal(&last_from, &to));
	if (!have_ipv6())
		return;
	to = self(AF_INET6);
	assert_int_equal(ntm_udp_send(udp, &to, (const uint8_t *)"yyy", 3), 0);
	wait_for(2);
	assert_int_equal(last_len, 3);
	assert_true(ntm_addr_equal(&last_from, &to));
}

static void test_one_family(void **state)
{
	union ntm_addr to = test_addr("[::1]:9");

	(void)state;
	assert_true(open_port(&any4, &none, false));
	assert_int_equal(ntm_udp_fd(udp, AF_INET6), -1);
	assert_int_equal(ntm_udp_send(udp, &to, (const uint8_t *)"x", 1), -EAFNOSUPPORT);
	to.sa.sa_family = 0;
	assert_int_equal(ntm_udp_send(udp, &to, (const uint8_t *)"x", 1), -EAFNOSUPPORT);
}

static void test_cannot_open(void **state)
{
	union ntm_addr taken, far = test_addr("192.0.2.1:0");
	struct ntm_udp *second = (void *)1;

	(void)state;
	assert_true(open_port(&any4, &none, false));
	taken = self(AF_INET);
	assert_int_equal(ntm_udp_open(&second, &loop, &taken, &none, false, on_packet, NULL),
			 -EADDRINUSE);
	assert_null(second);
	assert_int_equal(ntm_udp_open(&second, &loop, &far, &none, false, on_packet, NULL),
			 -EADDRNOTAVAIL);
	assert_int_equal(ntm_udp_open(&second, &loop, &none, &none, false, on_packet, NULL),
			 -EAFNOSUPPORT);
	assert_null(second);
}

static void test_many(void **state)
{
	uint8_t packet[1232];
	union ntm_addr to;

	(void)state;
	assert_true(open_port(&any4, &none, false));
	to = self(AF_INET);
	for (int i = 0; i < 100; i++) {
		memset(packet, i, sizeof(packet));
		assert_int_equal(ntm_udp_send(udp, &to, packet, (size_t)(i + 1)), 0);
	}
	wait_for(100);
	assert_int_equal(bytes, 5050);
	assert_int_equal(ntm_udp_dropped(udp), 0);
	/* Empty and over-long datagrams reach nobody; the next one does. */
	assert_int_equal(ntm_udp_send(udp, &to, packet, 0), 0);
	{
		uint8_t *big = calloc(1, 9300);

		assert_int_equal(ntm_udp_send(udp, &to, big, 9300), 0);
		free(big);
	}
	assert_int_equal(ntm_udp_send(udp, &to, packet, 7), 0);
	wait_for(101);
	assert_int_equal(last_len, 7);
}

/* One send of ten segments, received whole by GRO, delivered one by one. */
static int discover(int family)
{
	const bool v4 = family == AF_INET;
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(ntm_udp_fd(udp, family), v4 ? IPPROTO_IP : IPPROTO_IPV6,
				    v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &value, &len),
			 0);
	return value;
}

/* The longest datagram that there is arrives, with or without DF; a longer one does not. The socket is as before. */
static void test_big(void **state)
{
	static uint8_t packet[NTM_RELAYED_MAX + 1];
	const int families[] = { AF_INET, AF_INET6 };
	union ntm_addr to;

	(void)state;
	assert_true(open_port(&any4, have_ipv6() ? &any6 : &none, false));
	for (int i = 0; i < (have_ipv6() ? 2 : 1); i++) {
		const int before = discover(families[i]);

		to = self(families[i]);
		received = 0;
		assert_int_equal(ntm_udp_send_df(udp, &to, packet, sizeof(packet)), 0);
		assert_int_equal(ntm_udp_send(udp, &to, packet, sizeof(packet) - 1), 0);
		assert_int_equal(ntm_udp_send_df(udp, &to, packet, sizeof(packet) - 1), 0);
		wait_for(2);
		assert_int_equal(last_len, 9216 + 8);
		assert_true(ntm_addr_equal(&last_from, &to));
		assert_int_equal(discover(families[i]), before);
	}
	to.sa.sa_family = 0;
	assert_int_equal(ntm_udp_send_df(udp, &to, packet, 1), -EAFNOSUPPORT);
}

static void test_gro(void **state)
{
	uint8_t packets[9 * 1000 + 300];
	union ntm_addr to;
	int size = 1000;
	int fd;

	(void)state;
	assert_true(open_port(&any4, &none, true));
	to = self(AF_INET);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(packets, 5, sizeof(packets));
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) ||
	    sendto(fd, packets, sizeof(packets), 0, &to.sa, ntm_addr_len(&to)) < 0) {
		close(fd);
		skip(); /* no UDP GSO in this kernel */
	}
	wait_for(10);
	assert_int_equal(bytes, sizeof(packets));
	assert_int_equal(last_len, 300);
	close(fd);
}

static void test_close_inside(void **state)
{
	union ntm_addr to;

	(void)state;
	assert_true(open_port(&any4, &none, false));
	to = self(AF_INET);
	for (int i = 0; i < 20; i++)
		ntm_udp_send(udp, &to, (const uint8_t *)"x", 1);
	close_after = 3;
	for (int i = 0; i < 50; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(received, 3);
}

static void on_timer(uv_timer_t *timer)
{
	uv_stop(timer->loop);
	uv_close((uv_handle_t *)timer, NULL);
}

/* Lets the loop run for a time as a daemon does; returns the processor time in ms that it took. */
static long run_for(unsigned int ms)
{
	clock_t start = clock();
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_run(&loop, UV_RUN_NOWAIT); /* the timer's end */
	return (clock() - start) * 1000 / CLOCKS_PER_SEC;
}

/* A socket from a parent, connected to a port where nobody is: each packet brings ECONNREFUSED, and it keeps a queue of them */
static int connected_to_nobody(struct sockaddr_in *peer)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), dead = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	socklen_t len = sizeof(*peer);

	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, &any4.sa, sizeof(any4.v4)), 0);
	assert_int_equal(bind(dead, &any4.sa, sizeof(any4.v4)), 0);
	assert_int_equal(getsockname(dead, (struct sockaddr *)peer, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)peer, sizeof(*peer)), 0);
	close(dead);
	return fd;
}

static void test_icmp_errors(void **state)
{
	struct sockaddr_in peer;
	union ntm_addr to;
	int fd = connected_to_nobody(&peer), back;
	struct msghdr msg = { 0 };

	(void)state;
	assert_int_equal(ntm_udp_adopt(&udp, &loop, fd, -1, false, on_packet, &loop), 0);
	for (int i = 0; i < 5; i++) {
		send(fd, "x", 1, 0);
		assert_in_range(run_for(60), 0, 40); /* no busy loop */
	}
	assert_int_equal(recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT), -1); /* nothing stays */
	/* The peer comes back, and is heard. */
	back = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(back, (struct sockaddr *)&peer, sizeof(peer)), 0);
	to = self(AF_INET);
	assert_int_equal(sendto(back, "xxxxx", 5, 0, &to.sa, ntm_addr_len(&to)), 5);
	wait_for(1);
	assert_int_equal(last_len, 5);
	close(back);
}

/* Somebody else reads the sockets, and gives us what is ours; afterwards we read again */
static void test_pause(void **state)
{
	union ntm_addr to;

	(void)state;
	assert_true(open_port(&any4, &none, true));
	to = self(AF_INET);
	ntm_udp_pause(udp);
	assert_int_equal(ntm_udp_send(udp, &to, (const uint8_t *)"xx", 2), 0);
	for (int i = 0; i < 30; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(received, 0);
	ntm_udp_deliver(udp, (const uint8_t *)"yyy", 3, &to);
	assert_int_equal(received, 1);
	assert_int_equal(last_len, 3);
	assert_true(ntm_addr_equal(&last_from, &to));
	ntm_udp_resume(udp);
	wait_for(2);
	assert_int_equal(last_len, 2);
	ntm_udp_resume(udp); /* twice does no harm */
	assert_int_equal(ntm_udp_send(udp, &to, (const uint8_t *)"z", 1), 0);
	wait_for(3);
}

/* Closed while it is paused, and within deliver(): nothing comes any more */
static void test_pause_close(void **state)
{
	union ntm_addr to;

	(void)state;
	assert_true(open_port(&any4, &none, true));
	to = self(AF_INET);
	ntm_udp_pause(udp);
	close_after = 1;
	ntm_udp_deliver(udp, (const uint8_t *)"x", 1, &to);
	ntm_udp_deliver(udp, (const uint8_t *)"x", 1, &to);
	ntm_udp_resume(udp);
	assert_int_equal(received, 1);
}

/* A parent's one socket for both families: IPv4 goes and comes by it as IPv4 */
static void test_mapped(void **state)
{
	union ntm_addr any = test_addr("[::]:0"), to = any4;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0), off = 0;

	(void)state;
	if (fd < 0)
		skip(); /* no IPv6 here */
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	assert_int_equal(bind(fd, &any.sa, sizeof(any.v6)), 0);
	assert_int_equal(ntm_udp_adopt(&udp, &loop, -1, fd, true, on_packet, &loop), 0);
	assert_int_equal(ntm_udp_fd(udp, AF_INET), -1);
	to.v4.sin_port = htons(ntm_udp_port(udp));
	assert_int_equal(ntm_udp_send(udp, &to, (const uint8_t *)"xx", 2), 0);
	wait_for(1);
	assert_int_equal(last_from.sa.sa_family, AF_INET);
	assert_true(ntm_addr_equal(&last_from, &to));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_port),	TEST(test_one_family), TEST(test_cannot_open),
		TEST(test_many),	TEST(test_gro),	       TEST(test_close_inside),
		TEST(test_icmp_errors), TEST(test_pause),      TEST(test_pause_close),
		TEST(test_mapped),	TEST(test_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
