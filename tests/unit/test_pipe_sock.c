// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/sock.c */
/* The pipe's sockets, on loopback: aggregates both ways, IPv4 on an IPv6 socket, TOS, own addresses, packets too large. */
#include "ntm_test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipe/sock.h"

static struct ntm_sock a, b;
static union ntm_addr addr_a4, addr_a6, addr_b4, addr_b6;
static uint8_t data[70000];
static uint8_t bufs[NTM_SOCK_BATCH * (size_t)NTM_SOCK_SIZE];
static struct ntm_sock_in in;
static struct ntm_sock_meta meta;

static int bound(const char *text, bool mapped, union ntm_addr *addr)
{
	socklen_t len = sizeof(*addr);
	int fd, only = !mapped;

	*addr = test_addr(text);
	fd = socket(addr->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (addr->sa.sa_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	assert_int_equal(bind(fd, &addr->sa, ntm_addr_len(addr)), 0);
	assert_int_equal(getsockname(fd, &addr->sa, &len), 0);
	return fd;
}

static int setup(void **state)
{
	int fd4, fd6;

	(void)state;
	fd4 = bound("0.0.0.0:0", false, &addr_a4);
	fd6 = bound("[::]:0", false, &addr_a6);
	ntm_sock_init(&a, fd4, fd6);
	fd4 = bound("0.0.0.0:0", false, &addr_b4);
	fd6 = bound("[::]:0", false, &addr_b6);
	ntm_sock_init(&b, fd4, fd6);
	assert_false(a.mapped);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 / 5);
	addr_a4 = test_addr("127.0.0.1");
	addr_b4.v4.sin_addr = addr_a4.v4.sin_addr;
	addr_b6.v6.sin6_addr = in6addr_loopback;
	return 0;
}

static void close_sock(const struct ntm_sock *sock)
{
	if (sock->fd4 >= 0)
		close(sock->fd4);
	if (sock->fd6 >= 0)
		close(sock->fd6);
}

static int teardown(void **state)
{
	(void)state;
	close_sock(&a);
	close_sock(&b);
	return 0;
}

static int send_to(const union ntm_addr *to, const union ntm_addr *local, unsigned int len,
		   unsigned int size, uint8_t tos)
{
	const struct ntm_sock_out out = {
		.to = to, .local = local, .data = data, .len = len, .size = size, .tos = tos
	};

	return ntm_sock_send(&a, &out);
}

/* All that comes is @len bytes of @data in datagrams of @size */
static void comes(int fd, unsigned int len, unsigned int size)
{
	unsigned int got = 0;

	while (got < len) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&pfd, 1, 3000), 1);
		assert_true(ntm_sock_read(fd, &in, bufs) > 0);
		for (unsigned int i = 0; i < in.count; i++) {
			assert_true(ntm_sock_meta(&in, i, &meta));
			assert_memory_equal(bufs + i * (size_t)NTM_SOCK_SIZE, data + got,
					    in.msgs[i].msg_len);
			got += in.msgs[i].msg_len;
			assert_int_equal(meta.size,
					 in.msgs[i].msg_len < size ? in.msgs[i].msg_len : size);
		}
	}
	assert_int_equal(got, len);
	assert_int_equal(ntm_sock_read(fd, &in, bufs), -EAGAIN);
	assert_int_equal(in.count, 0);
}

static void test_aggregates(void **state)
{
	(void)state;
	for (int gso = 1; gso >= 0; gso--) {
		atomic_store(&a.gso, gso);
		atomic_store(&a.gso_again_ms, gso);
		for (int v6 = 0; v6 < 2; v6++) {
			const union ntm_addr *to = v6 ? &addr_b6 : &addr_b4;
			const int fd = v6 ? b.fd6 : b.fd4;

			assert_int_equal(send_to(to, NULL, 1, 1, 0), 0);
			comes(fd, 1, 1);
			assert_int_equal(send_to(to, NULL, 1000, 1000, 0), 0);
			comes(fd, 1000, 1000);
			assert_int_equal(send_to(to, NULL, 64 * 1000, 1000, 0), 0);
			comes(fd, 64 * 1000, 1000);
			assert_int_equal(send_to(to, NULL, NTM_SOCK_LEN, 1400, 0), 0);
			comes(fd, NTM_SOCK_LEN, 1400);
			assert_int_equal(send_to(to, NULL, 1401, 1400, 0), 0);
			comes(fd, 1401, 1400);
			assert_int_equal(atomic_load(&a.gso), gso);
		}
	}
}

static void test_tos(void **state)
{
	(void)state;
	for (unsigned int tos = 0; tos < 256; tos += 17) {
		assert_int_equal(send_to(&addr_b4, NULL, 3000, 1000, (uint8_t)tos), 0);
		comes(b.fd4, 3000, 1000);
		assert_int_equal(meta.tos, tos);
		assert_int_equal(send_to(&addr_b6, NULL, 3000, 1000, (uint8_t)tos), 0);
		comes(b.fd6, 3000, 1000);
		assert_int_equal(meta.tos, tos);
	}
}

/* The address that a packet was sent to is told, and may be sent from; one that is not ours is left out */
static void test_local(void **state)
{
	union ntm_addr local = test_addr("127.0.0.77:0"), to = addr_b4;
	const union ntm_addr gone = test_addr("192.0.2.77:0"), gone6 = test_addr("[2001:db8::7]:0");

	(void)state;
	to.v4.sin_addr = test_addr("127.0.0.99").v4.sin_addr;
	assert_int_equal(send_to(&to, &local, 2000, 1000, 0), 0);
	comes(b.fd4, 2000, 1000);
	assert_int_equal(meta.from.v4.sin_addr.s_addr, local.v4.sin_addr.s_addr);
	assert_int_equal(meta.local.v4.sin_addr.s_addr, to.v4.sin_addr.s_addr);
	assert_int_equal(meta.local.v4.sin_port, 0);
	assert_int_equal(send_to(&addr_b6, NULL, 10, 10, 0), 0);
	comes(b.fd6, 10, 10);
	assert_true(IN6_IS_ADDR_LOOPBACK(&meta.local.v6.sin6_addr));
	assert_int_equal(send_to(&addr_b4, &gone, 2000, 1000, 0), 0);
	comes(b.fd4, 2000, 1000);
	assert_int_equal(send_to(&addr_b6, &gone6, 20, 20, 0), 0);
	comes(b.fd6, 20, 20);
	local.sa.sa_family = 0;
	assert_int_equal(send_to(&addr_b4, &local, 5, 5, 0), 0);
	comes(b.fd4, 5, 5);
}

/* One socket for both: IPv4 by mapped addresses, and told as IPv4 */
static void test_mapped(void **state)
{
	union ntm_addr from = test_addr("127.0.0.5:0"), any;
	const struct ntm_sock two = a;

	(void)state;
	ntm_sock_init(&a, -1, bound("[::]:0", true, &any));
	assert_true(a.mapped);
	assert_int_equal(send_to(&addr_b4, &from, 5000, 1000, 0x2e), 0);
	comes(b.fd4, 5000, 1000);
	assert_int_equal(meta.tos, 0x2e);
	assert_int_equal(meta.from.v4.sin_addr.s_addr, from.v4.sin_addr.s_addr);
	assert_int_equal(send_to(&addr_b6, NULL, 5000, 1000, 3), 0);
	comes(b.fd6, 5000, 1000);
	any.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
				       .sin_port = any.v6.sin6_port,
				       .sin_addr = from.v4.sin_addr };
	{
		const struct ntm_sock sender = b, receiver = a;

		a = sender;
		assert_int_equal(send_to(&any, NULL, 4000, 1000, 1), 0);
		a = receiver;
	}
	comes(a.fd6, 4000, 1000);
	assert_int_equal(meta.from.sa.sa_family, AF_INET);
	assert_int_equal(meta.local.sa.sa_family, AF_INET);
	assert_int_equal(meta.local.v4.sin_addr.s_addr, from.v4.sin_addr.s_addr);
	assert_int_equal(meta.tos, 1);
	close_sock(&a);
	a = two;
}

static void test_no_family(void **state)
{
	const struct ntm_sock two = a;
	union ntm_addr none = { 0 };

	(void)state;
	a.fd6 = -1;
	assert_int_equal(send_to(&addr_b6, NULL, 5, 5, 0), -EAFNOSUPPORT);
	a = two;
	a.fd4 = -1; /* and the other serves IPv6 alone */
	assert_int_equal(send_to(&addr_b4, NULL, 5, 5, 0), -EAFNOSUPPORT);
	a = two;
	none.sa.sa_family = AF_INET;
	assert_true(send_to(&none, NULL, 5, 5, 0) < 0);
}

/* Loopback carries 65536 at most; a datagram larger than that is EMSGSIZE in every way of sending */
static void test_too_large(void **state)
{
	int pmtu = 0;
	socklen_t len = sizeof(pmtu);

	(void)state;
	assert_int_equal(send_to(&addr_b4, NULL, 65520, 65520, 0), -EMSGSIZE);
	assert_int_equal(send_to(&addr_b6, NULL, 65530, 65530, 0), -EMSGSIZE);
	assert_true(atomic_load(&a.gso));
	assert_int_equal(getsockopt(a.fd4, IPPROTO_IP, IP_MTU_DISCOVER, &pmtu, &len), 0);
	assert_int_equal(pmtu, IP_PMTUDISC_DO);
	assert_int_equal(getsockopt(a.fd6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &pmtu, &len), 0);
	assert_int_equal(pmtu, IPV6_PMTUDISC_DO);
}

/* A batch is what was there, and no more */
static void test_batch(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NTM_SOCK_BATCH + 3; i++)
		assert_int_equal(send_to(&addr_b4, NULL, 10 + i, 10 + i, 0), 0);
	assert_int_equal(ntm_sock_read(b.fd4, &in, bufs), NTM_SOCK_BATCH);
	for (unsigned int i = 0; i < NTM_SOCK_BATCH; i++) {
		assert_true(ntm_sock_meta(&in, i, &meta));
		assert_int_equal(meta.size, 10 + i);
	}
	assert_int_equal(ntm_sock_read(b.fd4, &in, bufs), 3);
	assert_int_equal(ntm_sock_read(-1, &in, bufs), -EBADF);
	assert_int_equal(in.count, 0);
}

/* An ICMP error on @fd: nobody listens where it sends to */
static void provoke_error(int fd)
{
	union ntm_addr dead;
	const int listener = bound("127.0.0.1:0", false, &dead);
	struct pollfd pfd = { .fd = fd };

	close(listener);
	while (sendto(fd, "x", 1, 0, &dead.sa, ntm_addr_len(&dead)) < 0) /* the one before */
		assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(poll(&pfd, 1, 3000), 1);
	assert_int_equal(pfd.revents, POLLERR);
}

static void set_recverr(int fd)
{
	const int on = 1;

	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
}

/* A socket handed in that keeps a queue of errors, and has one in it: both are taken away */
static void test_error_queue_of_before(void **state)
{
	union ntm_addr any;
	const int fd = bound("0.0.0.0:0", false, &any);
	struct pollfd pfd = { .fd = fd };
	struct ntm_sock sock;
	int on = -1;
	socklen_t len = sizeof(on);

	(void)state;
	set_recverr(fd);
	provoke_error(fd);
	ntm_sock_init(&sock, fd, -1);
	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, &len), 0);
	assert_int_equal(on, 0);
	(void)ntm_sock_read(fd, &in, bufs); /* the error itself may still be told, once */
	assert_int_equal(poll(&pfd, 1, 0), 0);
	close(fd);
}

/* Whoever shares the socket may ask for that queue again: it is emptied, so that waiting is waiting */
static void test_error_queue(void **state)
{
	const int kick = eventfd(1, 0);
	struct ntm_sock_ready ready = { .v4 = true, .v6 = true };
	struct pollfd pfd = { .fd = b.fd4 };
	int told = 0;

	(void)state;
	set_recverr(b.fd4);
	for (int i = 0; i < 3; i++)
		provoke_error(b.fd4);
	for (int i = 0; i < 5; i++) {
		if (ntm_sock_read_ready(&b, &ready, &in, bufs) < 0)
			told++;
		ntm_sock_wait(&b, &ready, kick);
	}
	assert_in_range(told, 1, 4);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(send_to(&addr_b4, NULL, 10, 10, 0), 0);
	ntm_sock_wait(&b, &ready, -1);
	assert_int_equal(ntm_sock_read_ready(&b, &ready, &in, bufs), 1);
	close(kick);
}

/* A socket that says it can be read, and cannot, is an error: who reads it rests, and does not ask on and on */
static void test_false_alarm(void **state)
{
	const int kick = eventfd(1, 0);
	struct ntm_sock_ready ready = { .v4 = true, .v6 = true };

	(void)state;
	assert_int_equal(ntm_sock_read_ready(&b, &ready, &in, bufs), 0); /* it did not say so */
	ntm_sock_wait(&b, &ready, kick);
	assert_int_equal(ntm_sock_read_ready(&b, &ready, &in, bufs), 0);
	assert_int_equal(connect(b.fd4, &addr_b4.sa, ntm_addr_len(&addr_b4)), 0);
	assert_int_equal(shutdown(b.fd4, SHUT_RD), 0);
	ntm_sock_wait(&b, &ready, -1);
	assert_int_equal(ntm_sock_read_ready(&b, &ready, &in, bufs), -EAGAIN);
	close(kick);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_aggregates),	TEST(test_tos),
		TEST(test_local),	TEST(test_mapped),
		TEST(test_no_family),	TEST(test_too_large),
		TEST(test_batch),	TEST(test_error_queue_of_before),
		TEST(test_error_queue), TEST(test_false_alarm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
