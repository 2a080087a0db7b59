// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-stream: bytes that tell where they belong, for tests of what a path does to them.
 *
 *   ntm-stream send tcp ADDRESS PORT BYTES
 *   ntm-stream send udp ADDRESS PORT BYTES SIZE    datagrams of SIZE bytes, up to 40 in a message (UDP_SEGMENT);
 *                                                  the next one once these have been acknowledged, or a second has passed
 *   ntm-stream send paced ADDRESS PORT BYTES SIZE RATE
 *                                                  datagrams of SIZE bytes, RATE of them a second, which nobody acknowledges
 *   ntm-stream receive tcp|udp|paced PORT          one stream, and looks at each byte; UDP with UDP_GRO
 *   ntm-stream talk PATH                           what stands in stdin to a UNIX socket, and what it answers to stdout, until
 *                                                  it closes the connection or says nothing for 5 s
 *
 * The receiver prints "bytes N wrong N datagrams N lost N late N merged N": what came, how many bytes of it are not
 * what was sent, and of datagrams how many did not come, came behind a later one (or twice), and came in messages of
 * several. A UDP stream ends 0.3 s after an empty datagram (GRO lets that one pass those that it holds), or 5 s after the last one.
 *
 * Exit: 0, or 1 if something of the system failed or a byte was wrong.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define CHUNK 65536u
#define SEGMENTS 40u
#define ACK_MS 1000
#define END_MS 5000
#define LINGER_MS 300
#define NUMBER sizeof(uint64_t)
#define NS 1000000000ll
#define HURRY (NS / 20) /* what a sender that was late makes up for: no burst that fills a queue */

struct result {
	uint64_t bytes, wrong;
	uint64_t datagrams, last, late, merged;
};

static uint8_t chunk[CHUNK];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/** byte_at() - byte OFFSET of stream NUMBER: a hash (splitmix64) of both */
static uint8_t byte_at(uint64_t number, uint64_t offset)
{
	uint64_t x = (number << 40) + offset / NUMBER + 1;

	x *= 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	x ^= x >> 31;
	return (uint8_t)(x >> offset % NUMBER * 8);
}

static void fill(uint8_t *to, size_t len, uint64_t number, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		to[i] = byte_at(number, offset + i);
}

static void look(struct result *r, const uint8_t *at, size_t len, uint64_t number, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		r->wrong += at[i] != byte_at(number, offset + i);
	r->bytes += len;
}

static int open_socket(int type, const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = type,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *to;
	int fd;

	if (getaddrinfo(address, port, &hints, &to)) {
		fprintf(stderr, "%s: not an address\n", address);
		exit(1);
	}
	fd = socket(to->ai_family, type, 0);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen))
		die(address);
	freeaddrinfo(to);
	return fd;
}

static int listen_socket(int type, const char *port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET6, type, 0);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)))
		die(port);
	return fd;
}

/* ---- TCP ---- */

static void send_tcp(const char *address, const char *port, uint64_t bytes)
{
	int fd = open_socket(SOCK_STREAM, address, port);
	uint64_t done = 0;

	while (done < bytes) {
		size_t len = bytes - done < CHUNK ? (size_t)(bytes - done) : CHUNK;
		ssize_t sent;

		fill(chunk, len, 0, done);
		for (size_t off = 0; off < len; off += (size_t)sent) {
			sent = send(fd, chunk + off, len - off, 0);
			if (sent <= 0)
				die("send");
		}
		done += len;
	}
	/* Until all of it is there */
	shutdown(fd, SHUT_WR);
	if (recv(fd, chunk, 1, 0) < 0)
		die("recv");
}

static void receive_tcp(struct result *r, const char *port)
{
	int fd = listen_socket(SOCK_STREAM, port);
	ssize_t got;

	if (listen(fd, 1))
		die("listen");
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		die("accept");
	while ((got = recv(fd, chunk, CHUNK, 0)) > 0)
		look(r, chunk, (size_t)got, 0, r->bytes);
	if (got < 0)
		die("recv");
}

/* ---- UDP ---- */

/** wait_ack() - until the other end has seen datagram UP_TO */
static void wait_ack(int fd, uint64_t up_to)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t ack = 0;

	while (poll(&pfd, 1, ACK_MS) > 0)
		if (recv(fd, &ack, sizeof(ack), 0) == sizeof(ack) && be64toh(ack) >= up_to)
			return;
}

/* Datagrams count from 1: their number, and bytes of the stream of that number. */
static void put(uint8_t *p, size_t size, uint64_t number)
{
	uint64_t wire = htobe64(number);

	memcpy(p, &wire, NUMBER);
	fill(p + NUMBER, size - NUMBER, number, 0);
}

static void check_size(size_t size)
{
	if (size <= NUMBER || size * 2 > CHUNK) {
		fprintf(stderr, "SIZE: %zu bytes cannot be\n", size);
		exit(1);
	}
}

static void send_udp(const char *address, const char *port, uint64_t bytes, size_t size)
{
	int fd = open_socket(SOCK_DGRAM, address, port);
	uint64_t number = 0, count = (bytes + size - 1) / size;
	int segment = (int)size;

	check_size(size);
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		die("UDP_SEGMENT");
	while (number < count) {
		uint8_t *p = chunk;

		for (; (size_t)(p - chunk) + size <= CHUNK - 64 && number < count &&
		       (size_t)(p - chunk) < SEGMENTS * size;
		     p += size)
			put(p, size, ++number);
		if (send(fd, chunk, (size_t)(p - chunk), 0) < 0)
			die("send");
		wait_ack(fd, number);
	}
	send(fd, chunk, 0, 0);
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static void send_paced(const char *address, const char *port, uint64_t bytes, size_t size,
		       int64_t rate)
{
	int fd = open_socket(SOCK_DGRAM, address, port);
	uint64_t count = (bytes + size - 1) / size;
	int64_t due = now();

	check_size(size);
	for (uint64_t number = 1; number <= count; number++) {
		struct timespec until;

		due += NS / rate;
		if (due < now() - HURRY)
			due = now() - HURRY;
		until = (struct timespec){ .tv_sec = due / NS, .tv_nsec = due % NS };
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
		put(chunk, size, number);
		if (send(fd, chunk, size, 0) < 0)
			die("send");
	}
	send(fd, chunk, 0, 0);
}

static void take(struct result *r, const uint8_t *at, size_t len)
{
	uint64_t number;

	if (len < NUMBER) {
		r->wrong += len;
		return;
	}
	memcpy(&number, at, NUMBER);
	number = be64toh(number);
	r->bytes += NUMBER;
	look(r, at + NUMBER, len - NUMBER, number, 0);
	r->datagrams++;
	if (number > r->last)
		r->last = number;
	else
		r->late++;
}

/** segment_of() - what UDP_GRO says of a message, or its whole length */
static size_t segment_of(struct msghdr *msg, size_t len)
{
	int size;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			return (size_t)size;
		}
	return len;
}

/* The machine may be slow, which is no loss of the path's: room for seconds, where the limit of the system can be passed */
static void make_room(int fd)
{
	const int room = 4 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

static void receive_udp(struct result *r, const char *port, bool acknowledge)
{
	int fd = listen_socket(SOCK_DGRAM, port), on = 1;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int wait = -1;

	if (setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)))
		die("UDP_GRO");
	make_room(fd);
	while (poll(&pfd, 1, wait) > 0) {
		struct iovec iov = { .iov_base = chunk, .iov_len = CHUNK };
		char control[CMSG_SPACE(sizeof(int))];
		struct sockaddr_in6 from;
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t got = recvmsg(fd, &msg, 0);
		size_t len = got > 0 ? (size_t)got : 0, size = segment_of(&msg, len);
		uint64_t ack;

		if (got < 0)
			return;
		wait = !len || wait == LINGER_MS ? LINGER_MS : END_MS;
		if (!len)
			continue;
		if (size < len)
			r->merged += (len + size - 1) / size;
		for (size_t off = 0; off < len; off += size)
			take(r, chunk + off, len - off < size ? len - off : size);
		if (!acknowledge)
			continue;
		ack = htobe64(r->last);
		sendto(fd, &ack, sizeof(ack), 0, (struct sockaddr *)&from, msg.msg_namelen);
	}
}

/* ---- UNIX sockets ---- */

static void talk(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t got;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(path);
	while ((got = read(STDIN_FILENO, chunk, CHUNK)) > 0)
		if (send(fd, chunk, (size_t)got, MSG_NOSIGNAL) != got)
			break;
	shutdown(fd, SHUT_WR);
	while (poll(&pfd, 1, END_MS) > 0 && (got = recv(fd, chunk, CHUNK, 0)) > 0)
		if (write(STDOUT_FILENO, chunk, (size_t)got) != got)
			die("stdout");
}

static int report(const struct result *r)
{
	uint64_t lost = r->last > r->datagrams ? r->last - r->datagrams : 0;

	printf("bytes %" PRIu64 " wrong %" PRIu64 " datagrams %" PRIu64 " lost %" PRIu64
	       " late %" PRIu64 " merged %" PRIu64 "\n",
	       r->bytes, r->wrong, r->datagrams, lost, r->late, r->merged);
	return r->wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct result r = { 0 };

	if (argc == 6 && !strcmp(argv[1], "send") && !strcmp(argv[2], "tcp")) {
		send_tcp(argv[3], argv[4], strtoull(argv[5], NULL, 0));
		return 0;
	}
	if (argc == 7 && !strcmp(argv[1], "send") && !strcmp(argv[2], "udp")) {
		send_udp(argv[3], argv[4], strtoull(argv[5], NULL, 0), strtoul(argv[6], NULL, 0));
		return 0;
	}
	if (argc == 8 && !strcmp(argv[1], "send") && !strcmp(argv[2], "paced") &&
	    atoi(argv[7]) > 0) {
		send_paced(argv[3], argv[4], strtoull(argv[5], NULL, 0), strtoul(argv[6], NULL, 0),
			   atoi(argv[7]));
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "talk")) {
		talk(argv[2]);
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "receive") ||
	    (strcmp(argv[2], "tcp") != 0 && strcmp(argv[2], "udp") != 0 &&
	     strcmp(argv[2], "paced") != 0)) {
		fprintf(stderr,
			"usage: ntm-stream send tcp|udp|paced ADDRESS PORT BYTES [SIZE [RATE]], receive tcp|udp|paced PORT, talk PATH\n");
		return 2;
	}
	if (!strcmp(argv[2], "tcp"))
		receive_tcp(&r, argv[3]);
	else
		receive_udp(&r, argv[3], !strcmp(argv[2], "udp"));
	return report(&r);
}
