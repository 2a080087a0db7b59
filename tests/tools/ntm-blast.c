// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-blast: how many datagrams a second a relay takes.
 *
 *   ntm-blast NETNS TO LISTEN KIND SIZE SEGMENTS WINDOW SECONDS [FIRST COUNT]
 *
 * Sends datagrams of SIZE bytes from port 5000 of this network namespace to the address TO, and takes them at the address LISTEN in
 * the network namespace of the process NETNS (a path below /run/netns). KIND is what they are:
 *
 *   plain	anything: TO is LISTEN
 *   path	data packets of NTMobile, of a path drawn from COUNT ones from FIRST on for each datagram (for each message, if it holds several)
 *   turn	ChannelData (RFC 8656 12.4) of a channel that is bound first, at a TURN server that asks for no credentials
 *
 * SEGMENTS datagrams leave in one message (UDP_SEGMENT), or with 1 many messages in one system call. At most WINDOW datagrams are on
 * their way: so the sender takes no time from the relay but what it needs, on one processor too, and nothing is sent to be dropped.
 *
 * Prints "seconds S packets N pps P mbyte_per_s M lost L" for what arrived after a first second that is not counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define NS 1000000000ull
#define SEND_PORT 5000
#define WINDOW_MAX 4096u
#define BATCH 32u
#define SIZE_MAX_BYTES 1472u
#define SEGMENTS_MAX 44u
#define READ_SIZE 65536u
#define LOST_NS (20 * NS / 1000) /* nothing came for so long: what was on its way is lost */
#define CHANNEL 0x4001u

enum kind { PLAIN, PATH, TURN };

struct blast {
	enum kind kind;
	unsigned int size, segments, window;
	uint32_t first, count;
	int out, in;
	uint64_t random;
	uint64_t sent, got, lost;
	uint8_t *payload; /* BATCH messages of segments * size */
	uint8_t *reads;
};

static void die(const char *what)
{
	fprintf(stderr, "ntm-blast: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	char host[64];
	const char *colon = strchr(text, ':');

	snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - text) : 0, text);
	if (!colon || inet_pton(AF_INET, host, &addr.sin_addr) != 1) {
		errno = EINVAL;
		die(text);
	}
	addr.sin_port = htons((uint16_t)atoi(colon + 1));
	return addr;
}

/* Sockets */

static int open_socket(const struct sockaddr_in *addr)
{
	const int one = 1, room = 4 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one));
	return fd;
}

/* Its namespace is the thread's when it is made, whatever the thread's is later */
static int open_elsewhere(const char *netns, const struct sockaddr_in *addr)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(netns, O_RDONLY | O_CLOEXEC);
	int fd;

	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET))
		die(netns);
	fd = open_socket(addr);
	if (setns(here, CLONE_NEWNET))
		die("back from there");
	close(here);
	close(there);
	return fd;
}

/* TURN: one allocation, one channel (RFC 8489, RFC 8656) */

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void stun_begin(uint8_t *m, unsigned int type, uint8_t id)
{
	static const uint8_t magic[4] = { 0x21, 0x12, 0xa4, 0x42 };

	memset(m, 0, 64);
	put16(m, type);
	memcpy(m + 4, magic, sizeof(magic));
	memset(m + 8, id, 12);
}

static void stun_ask(const struct blast *b, uint8_t *m, unsigned int len, unsigned int success)
{
	uint8_t answer[512];
	struct pollfd p = { .fd = b->out, .events = POLLIN };

	put16(m + 2, len - 20);
	for (int tries = 0; tries < 5; tries++) {
		if (send(b->out, m, len, 0) < 0)
			die("TURN server");
		if (poll(&p, 1, 1000) == 1 && recv(b->out, answer, sizeof(answer), 0) >= 20) {
			if (((unsigned int)answer[0] << 8 | answer[1]) == success)
				return;
			errno = EPROTO;
			die("the TURN server refuses");
		}
	}
	errno = ETIMEDOUT;
	die("TURN server");
}

static void turn_begin(const struct blast *b, const struct sockaddr_in *peer)
{
	uint8_t m[64];

	stun_begin(m, 0x0003, 1); /* Allocate */
	put16(m + 20, 0x0019);	  /* REQUESTED-TRANSPORT: UDP */
	put16(m + 22, 4);
	m[24] = IPPROTO_UDP;
	stun_ask(b, m, 28, 0x0103);

	stun_begin(m, 0x0009, 2); /* ChannelBind */
	put16(m + 20, 0x000c);	  /* CHANNEL-NUMBER */
	put16(m + 22, 4);
	put16(m + 24, CHANNEL);
	put16(m + 28, 0x0012); /* XOR-PEER-ADDRESS */
	put16(m + 30, 8);
	m[33] = 1;
	put16(m + 34, ntohs(peer->sin_port) ^ 0x2112u);
	memcpy(m + 36, &peer->sin_addr, 4);
	for (int i = 0; i < 4; i++)
		m[36 + i] ^= m[4 + i];
	stun_ask(b, m, 40, 0x0109);
}

/* Datagrams */

static uint32_t draw(struct blast *b)
{
	/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" */
	b->random ^= b->random >> 12;
	b->random ^= b->random << 25;
	b->random ^= b->random >> 27;
	return (uint32_t)((b->random * 0x2545f4914f6cdd1dull) >> 32);
}

static void head(struct blast *b, uint8_t *p, uint32_t path)
{
	if (b->kind == PATH) {
		put16(p, 0x8000);
		path = htonl(path);
		memcpy(p + 4, &path, 4);
	} else if (b->kind == TURN) {
		put16(p, CHANNEL);
		put16(p + 2, b->size - 4);
	}
}

static void prepare(struct blast *b, uint8_t *message)
{
	const uint32_t path =
		b->first + (uint32_t)(((uint64_t)draw(b) * (b->count ? b->count : 1)) >> 32);

	for (unsigned int i = 0; i < b->segments; i++)
		head(b, message + (size_t)i * b->size, path);
}

union segment_size {
	char bytes[CMSG_SPACE(sizeof(uint16_t))];
	struct cmsghdr align;
};

static void send_batch(struct blast *b, unsigned int messages)
{
	const size_t len = (size_t)b->segments * b->size;
	union segment_size control[BATCH];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int n;

	memset(msgs, 0, sizeof(msgs));
	memset(control, 0, sizeof(control));
	for (unsigned int i = 0; i < messages; i++) {
		struct msghdr *m = &msgs[i].msg_hdr;
		struct cmsghdr *c = &control[i].align;
		const uint16_t size = (uint16_t)b->size;

		iov[i].iov_base = b->payload + i * len;
		iov[i].iov_len = len;
		prepare(b, iov[i].iov_base);
		m->msg_iov = &iov[i];
		m->msg_iovlen = 1;
		if (b->segments == 1)
			continue;
		m->msg_control = &control[i];
		m->msg_controllen = sizeof(control[i].bytes);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	n = sendmmsg(b->out, msgs, messages, 0);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
		die("send");
	if (n > 0)
		b->sent += (unsigned int)n * b->segments;
}

static unsigned int datagrams(struct msghdr *m, unsigned int len)
{
	struct cmsghdr *c;
	int size = 0;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(c), sizeof(size));
	return size > 0 ? (len + (unsigned int)size - 1) / (unsigned int)size : 1;
}

static unsigned int take(struct blast *b)
{
	char control[BATCH][CMSG_SPACE(sizeof(int))];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	unsigned int got = 0;
	int n;

	memset(msgs, 0, sizeof(msgs));
	for (unsigned int i = 0; i < BATCH; i++) {
		iov[i].iov_base = b->reads + (size_t)i * READ_SIZE;
		iov[i].iov_len = READ_SIZE;
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_control = control[i];
		msgs[i].msg_hdr.msg_controllen = sizeof(control[i]);
	}
	n = recvmmsg(b->in, msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		got += datagrams(&msgs[i].msg_hdr, msgs[i].msg_len);
	b->got += got;
	return got;
}

static void run_until(struct blast *b, uint64_t end)
{
	const unsigned int half = b->window / b->segments / 2;
	const unsigned int room = half < 1 ? 1 : half < BATCH ? half : BATCH;
	struct pollfd p = { .fd = b->in, .events = POLLIN };
	uint64_t heard = now(), t;

	while ((t = now()) < end) {
		if (b->sent - b->got - b->lost + (uint64_t)room * b->segments <= b->window)
			send_batch(b, room);
		else if (poll(&p, 1, 1) < 0)
			die("poll");
		if (take(b)) {
			heard = t;
		} else if (t - heard > LOST_NS) {
			b->lost = b->sent - b->got;
			heard = t;
		}
	}
}

static void report(struct blast *b, double seconds)
{
	uint64_t got, lost, begun;
	double took;

	run_until(b, now() + NS);
	got = b->got;
	lost = b->lost;
	begun = now();
	run_until(b, begun + (uint64_t)(seconds * (double)NS));
	took = (double)(now() - begun) / (double)NS;
	got = b->got - got;
	lost = b->lost - lost;
	printf("seconds %.2f packets %" PRIu64 " pps %.0f mbyte_per_s %.2f lost %" PRIu64 "\n",
	       took, got, (double)got / took, (double)got * b->size / took / 1e6, lost);
}

static bool parse(struct blast *b, int argc, char **argv)
{
	static const char *const kinds[] = { "plain", "path", "turn" };

	if (argc != 9 && argc != 11)
		return false;
	for (b->kind = PLAIN; b->kind <= TURN && strcmp(argv[4], kinds[b->kind]) != 0; b->kind++)
		;
	b->size = (unsigned int)atoi(argv[5]);
	b->segments = (unsigned int)atoi(argv[6]);
	b->window = (unsigned int)atoi(argv[7]);
	if (argc == 11) {
		b->first = (uint32_t)strtoul(argv[9], NULL, 0);
		b->count = (uint32_t)strtoul(argv[10], NULL, 0);
	}
	b->random = 0x4e544d6f62696c65;
	return b->kind <= TURN && b->size >= 24 && b->size <= SIZE_MAX_BYTES && b->segments >= 1 &&
	       b->segments <= SEGMENTS_MAX && b->window >= b->segments && b->window <= WINDOW_MAX &&
	       (b->kind != PATH || b->count);
}

int main(int argc, char **argv)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(SEND_PORT) };
	struct sockaddr_in to, listen;
	struct blast b = { 0 };

	if (!parse(&b, argc, argv)) {
		fprintf(stderr,
			"usage: ntm-blast NETNS TO LISTEN plain|path|turn SIZE SEGMENTS WINDOW SECONDS [FIRST COUNT]\n");
		return 2;
	}
	to = address(argv[2]);
	listen = address(argv[3]);
	b.in = open_elsewhere(argv[1], &listen);
	b.out = open_socket(&own);
	if (connect(b.out, (struct sockaddr *)&to, sizeof(to)))
		die(argv[2]);
	b.payload = calloc(BATCH, (size_t)b.segments * b.size);
	b.reads = calloc(BATCH, READ_SIZE);
	if (!b.payload || !b.reads)
		die("memory");
	if (b.kind == TURN)
		turn_begin(&b, &listen);
	report(&b, atof(argv[8]));
	free(b.reads);
	free(b.payload);
	return 0;
}
