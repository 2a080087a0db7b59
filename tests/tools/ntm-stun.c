// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/common/addr.c */
/*
 * ntm-stun: tells a UDP socket how others see it, for tests of NATs.
 *
 *   ntm-stun serve ADDRESS...
 *       answers on these sockets ("192.0.2.1:4330"; "0.0.0.0:PORT" for all addresses), until it is
 *       ended. Prints a line "ADDRESS at N" for each question: who asked, and which socket
 *   ntm-stun ask PORT ADDRESS [FROM [SECONDS]]
 *       asks there from the local PORT, and prints the address that the other side saw. The answer
 *       is to come from socket FROM of the server (0 is the first), else from the one that was
 *       asked. Asks every 300 ms, for 1 s if not said otherwise
 *   ntm-stun send PORT ADDRESS
 *       one question, of which no answer is awaited
 *   ntm-stun hear PORT SECONDS ADDRESS DELAY
 *       asks ADDRESS once to answer DELAY seconds later, and prints what it saw
 *
 * Exit: 0, 1 if no answer came, 2 on wrong usage.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/addr.h"

#define SOCKETS_MAX 8
#define WAITING_MAX 16
#define SAME 255 /* the socket that was asked */
#define REPEAT_MS 300

struct question {
	char magic[4];
	uint8_t from;
	uint8_t delay; /* seconds */
};

struct waiting {
	bool used;
	int64_t due;
	int fd;
	union ntm_addr to;
};

static struct pollfd sockets[SOCKETS_MAX];
static unsigned int socket_count;
static struct waiting waiting[WAITING_MAX];

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void usage(void)
{
	fprintf(stderr, "usage: ntm-stun serve ADDRESS... | ask PORT ADDRESS [FROM [SECONDS]]\n"
			"       | send PORT ADDRESS | hear PORT SECONDS ADDRESS DELAY\n");
	exit(2);
}

static void address(union ntm_addr *addr, const char *text)
{
	if (ntm_addr_parse(addr, text, 0)) {
		fprintf(stderr, "ntm-stun: '%s' is no address\n", text);
		exit(2);
	}
}

static int bound(const union ntm_addr *addr)
{
	int fd = socket(addr->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd >= 0 && addr->sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (fd < 0 || bind(fd, &addr->sa, ntm_addr_len(addr))) {
		fprintf(stderr, "ntm-stun: bind: %s\n", strerror(errno));
		exit(1);
	}
	return fd;
}

/* A socket for talking to @peer, on the local port @port of its family */
static int local(const char *port, const union ntm_addr *peer)
{
	union ntm_addr addr = { .sa.sa_family = peer->sa.sa_family };
	uint16_t number = htons((uint16_t)atoi(port));

	if (addr.sa.sa_family == AF_INET)
		addr.v4.sin_port = number;
	else
		addr.v6.sin6_port = number;
	return bound(&addr);
}

/* --- the server */

static void answer(int fd, const union ntm_addr *to)
{
	char text[4 + NTM_ADDR_STR] = "SEEN";

	ntm_addr_str(to, text + 4);
	(void)sendto(fd, text, strlen(text), 0, &to->sa, ntm_addr_len(to));
}

static void answer_later(int fd, const union ntm_addr *to, unsigned int seconds)
{
	for (unsigned int i = 0; i < WAITING_MAX; i++) {
		if (waiting[i].used)
			continue;
		waiting[i] = (struct waiting){ true, now_ms() + seconds * 1000, fd, *to };
		return;
	}
}

static void answer_due(void)
{
	int64_t now = now_ms();

	for (unsigned int i = 0; i < WAITING_MAX; i++) {
		if (!waiting[i].used || waiting[i].due > now)
			continue;
		answer(waiting[i].fd, &waiting[i].to);
		waiting[i].used = false;
	}
}

static void take_question(unsigned int n)
{
	struct question q;
	union ntm_addr from = { 0 };
	socklen_t len = sizeof(from);
	char text[NTM_ADDR_STR];
	ssize_t got = recvfrom(sockets[n].fd, &q, sizeof(q), 0, &from.sa, &len);
	unsigned int out;

	if (got != sizeof(q) || memcmp(q.magic, "SEE?", 4) != 0)
		return;
	printf("%s at %u\n", ntm_addr_str(&from, text), n);
	fflush(stdout);
	out = q.from == SAME ? n : q.from;
	if (out >= socket_count)
		return;
	if (q.delay)
		answer_later(sockets[out].fd, &from, q.delay);
	else
		answer(sockets[out].fd, &from);
}

static int serve(char **addresses, int count)
{
	if (count < 1 || count > SOCKETS_MAX)
		usage();
	for (int i = 0; i < count; i++) {
		union ntm_addr addr;

		address(&addr, addresses[i]);
		sockets[i] = (struct pollfd){ .fd = bound(&addr), .events = POLLIN };
	}
	socket_count = (unsigned int)count;
	for (;;) {
		if (poll(sockets, socket_count, 100) < 0)
			return 1;
		for (unsigned int i = 0; i < socket_count; i++) {
			if (sockets[i].revents & POLLIN)
				take_question(i);
		}
		answer_due();
	}
}

/* --- the client */

static void put_question(int fd, const union ntm_addr *to, uint8_t from, uint8_t delay)
{
	struct question q = { .magic = "SEE?", .from = from, .delay = delay };

	(void)sendto(fd, &q, sizeof(q), 0, &to->sa, ntm_addr_len(to));
}

/* Prints the answer if it is there; packets of others do not count */
static bool read_answer(int fd)
{
	char text[256];
	ssize_t got;

	while ((got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) >= 0) {
		if (got < 4 || memcmp(text, "SEEN", 4) != 0)
			continue;
		text[got] = '\0';
		printf("%s\n", text + 4);
		return true;
	}
	return false;
}

/* Whether it comes within @ms. It has, if it is there when this program goes on after a stop. */
static bool take_answer(int fd, int64_t ms)
{
	int64_t end = now_ms() + ms, left;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while ((left = end - now_ms()) > 0 && poll(&pfd, 1, (int)left) >= 0) {
		if (read_answer(fd))
			return true;
	}
	return read_answer(fd);
}

static int ask(int argc, char **argv)
{
	union ntm_addr to;
	int fd;
	int64_t left;

	if (argc < 2 || argc > 4)
		usage();
	address(&to, argv[1]);
	fd = local(argv[0], &to);
	left = argc > 3 ? (int64_t)(atof(argv[3]) * 1000) : 1000;
	/* Questions are counted, and not the time: who stood still has not asked meanwhile */
	for (; left > 0; left -= REPEAT_MS) {
		put_question(fd, &to, argc > 2 ? (uint8_t)atoi(argv[2]) : SAME, 0);
		if (take_answer(fd, REPEAT_MS))
			return 0;
	}
	return 1;
}

static int send_once(int argc, char **argv)
{
	union ntm_addr to;

	if (argc != 2)
		usage();
	address(&to, argv[1]);
	put_question(local(argv[0], &to), &to, SAME, 0);
	return 0;
}

static int hear(int argc, char **argv)
{
	union ntm_addr to;
	int fd;

	if (argc != 4)
		usage();
	address(&to, argv[2]);
	fd = local(argv[0], &to);
	put_question(fd, &to, SAME, (uint8_t)atoi(argv[3]));
	return take_answer(fd, (int64_t)(atof(argv[1]) * 1000)) ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		usage();
	if (!strcmp(argv[1], "serve"))
		return serve(argv + 2, argc - 2);
	if (!strcmp(argv[1], "ask"))
		return ask(argc - 2, argv + 2);
	if (!strcmp(argv[1], "send"))
		return send_once(argc - 2, argv + 2);
	if (!strcmp(argv[1], "hear"))
		return hear(argc - 2, argv + 2);
	usage();
}
