// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-stranger: signalling from somebody whom no DC named, for tests.
 *
 * with: ntmd/common/handshake.c
 *
 *   ntm-stranger request TO KEY ID PORT COUNT
 *                         Tunnel Requests as a node makes them, to the node with the public key KEY, for the path ID, each
 *                         with a static key of its own and the psk of no path; ID 0: Session Requests, to a coordinator.
 *                         One each millisecond. Prints how many answers came, and their bytes
 *   ntm-stranger insist TO KEY COUNT
 *                         Session Requests, each with a key of its own, with the cookie that it is given. One each millisecond.
 *                         Prints how many were answered otherwise
 *   ntm-stranger keep IF FILE TYPE TO MIN
 *                         the first UDP datagram over IPv4 that leaves by IF, to TO, of MIN bytes or more, whose first byte
 *                         is TYPE: into FILE, from its IP header on. Exit status 1: none within 15 s
 *   ntm-stranger again FILE COUNT [FROM[#PORT]]
 *                         what stands in FILE, so many times, its source feigned if one is given. Prints how many
 *   ntm-stranger spoilt FILE
 *                         the same, with one bit changed in each byte of its payload but the first four, in turn
 *   ntm-stranger made FROM#PORT TO TYPE ID LEN COUNT
 *                         packets of LEN bytes, random but for type, version and the ID that follows (8 hexadecimal digits)
 *
 * Feigned sources are a raw socket's; all is for port 4330.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/handshake.h"
#include "common/keyfile.h"
#include "ntmobile/wire.h"

#define WAIT_MS 15000
#define ANSWERS_MS 1500
#define SUITES (1u << 1 | 1u << 2)
#define CHECKED \
	4u /* bytes that are looked at before anything else: others are left to more telling checks */

struct datagram {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t payload[NTM_DATAGRAM_MAX];
} __attribute__((packed));

static void fail(const char *what)
{
	fprintf(stderr, "ntm-stranger: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* Requests */

static int send_request(int fd, const union ntm_addr *to, const uint8_t key[32], uint32_t id,
			struct ntm_hs_cookie_jar *jar)
{
	struct ntm_msg payload = { .epoch = 0, .suites = SUITES };
	uint8_t packet[NTM_DATAGRAM_MAX], psk[32];
	struct ntm_noise_keypair self;
	struct ntm_hs_init hs;
	int len;

	ntm_noise_generate(&self);
	randombytes_buf(psk, sizeof(psk));
	NTM_SET(&payload, EPOCH);
	NTM_SET(&payload, SUITES);
	len = ntm_hs_request(&hs, id ? NTM_PKT_TUNNEL_REQUEST : NTM_PKT_SESSION_REQUEST, &self, key,
			     id ? psk : NULL, randombytes_random() | 1, id, id ? &payload : NULL,
			     jar, now_ms(), packet, sizeof(packet));
	if (len <= 0 || sendto(fd, packet, (size_t)len, 0, &to->sa, ntm_addr_len(to)) != len)
		fail("request");
	return len;
}

static int run_request(char **argv)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)atoi(argv[3])) };
	struct pollfd pfd = { .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN };
	struct ntm_hs_cookie_jar jar = { 0 };
	uint64_t bytes = 0, until;
	unsigned int answers = 0;
	union ntm_addr to;
	uint8_t key[32], packet[2048];

	errno = EINVAL;
	if (ntm_addr_parse(&to, argv[0], NTM_WIRE_PORT) || ntm_key_parse(argv[1], key))
		fail("address or key");
	if (pfd.fd < 0 || bind(pfd.fd, (struct sockaddr *)&from, sizeof(from)))
		fail("bind");
	for (int i = atoi(argv[4]); i > 0; i--) {
		(void)send_request(pfd.fd, &to, key, (uint32_t)strtoul(argv[2], NULL, 16), &jar);
		pause_ms(1);
	}
	for (until = now_ms() + ANSWERS_MS; now_ms() < until;) {
		ssize_t n = poll(&pfd, 1, 100) == 1 ? recv(pfd.fd, packet, sizeof(packet), 0) : 0;

		answers += n > 0;
		bytes += n > 0 ? (uint64_t)n : 0;
	}
	printf("%u answers, %llu bytes\n", answers, (unsigned long long)bytes);
	return 0;
}

/* Until the next one is due; a cookie is for the newest request alone */
static unsigned int take_answers(int fd, struct ntm_hs_cookie_jar *jar, const uint8_t key[32])
{
	const uint64_t until = now_ms() + 1;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t packet[2048];
	unsigned int answers = 0;

	while (now_ms() < until) {
		ssize_t n = poll(&pfd, 1, 1) == 1 ? recv(fd, packet, sizeof(packet), 0) : 0;

		answers += n > 0 && packet[0] != NTM_PKT_COOKIE_REPLY;
		if (n > 0 && packet[0] == NTM_PKT_COOKIE_REPLY)
			(void)ntm_hs_cookie_reply(jar, key, packet, (size_t)n, now_ms());
	}
	return answers;
}

static int run_insist(char **argv)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ntm_hs_cookie_jar jar = { 0 };
	unsigned int answers = 0;
	union ntm_addr to;
	uint8_t key[32];

	errno = EINVAL;
	if (ntm_addr_parse(&to, argv[0], NTM_WIRE_PORT) || ntm_key_parse(argv[1], key))
		fail("address or key");
	if (fd < 0)
		fail("socket");
	for (int i = atoi(argv[2]); i > 0; i--) {
		(void)send_request(fd, &to, key, 0, &jar);
		answers += take_answers(fd, &jar, key);
	}
	printf("%u\n", answers);
	return 0;
}

/* What others send */

static bool is_wanted(const struct datagram *d, ssize_t got, uint8_t type, in_addr_t to, size_t min)
{
	return got >= (ssize_t)(sizeof(d->ip) + sizeof(d->udp) + min) && d->ip.version == 4 &&
	       d->ip.ihl == 5 && d->ip.protocol == IPPROTO_UDP && d->ip.daddr == to &&
	       d->udp.dest == htons(NTM_WIRE_PORT) && d->payload[0] == type;
}

static int run_keep(char **argv)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct pollfd pfd = { .fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)),
			      .events = POLLIN };
	const uint64_t until = now_ms() + WAIT_MS;
	struct datagram d = { 0 };
	FILE *file;

	at.sll_ifindex = (int)if_nametoindex(argv[0]);
	if (pfd.fd < 0 || bind(pfd.fd, (struct sockaddr *)&at, sizeof(at)))
		fail(argv[0]);
	printf("ready\n");
	while (now_ms() < until) {
		ssize_t got = poll(&pfd, 1, 100) == 1 ? recv(pfd.fd, &d, sizeof(d), 0) : 0;

		if (!is_wanted(&d, got, (uint8_t)strtoul(argv[2], NULL, 0), inet_addr(argv[3]),
			       strtoul(argv[4], NULL, 0)))
			continue;
		file = fopen(argv[1], "we");
		if (!file || fwrite(&d, (size_t)got, 1, file) != 1 || fclose(file))
			fail(argv[1]);
		return 0;
	}
	return 1;
}

/* Feigned sources */

static int raw_socket(void)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		fail("raw socket");
	return fd;
}

static void send_raw(int fd, struct datagram *d, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = d->ip.daddr };

	d->ip.check = 0; /* the kernel's work */
	d->ip.id = 0;
	d->udp.check = 0; /* need not be there in IPv4 */
	if (sendto(fd, d, len, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)len)
		fail("send");
	pause_ms(1);
}

/* ADDRESS or ADDRESS#PORT */
static void feign(struct datagram *d, const char *text)
{
	const char *port = strchr(text, '#');
	char addr[INET_ADDRSTRLEN];

	snprintf(addr, sizeof(addr), "%.*s", (int)strcspn(text, "#"), text);
	d->ip.saddr = inet_addr(addr);
	if (port)
		d->udp.source = htons((uint16_t)atoi(port + 1));
}

static size_t read_kept(const char *name, struct datagram *d)
{
	FILE *file = fopen(name, "re");
	size_t len;

	if (!file)
		fail(name);
	len = fread(d, 1, sizeof(*d), file);
	fclose(file);
	return len;
}

static int run_again(int argc, char **argv)
{
	const int count = atoi(argv[1]);
	struct datagram d;
	const size_t len = read_kept(argv[0], &d);
	int fd = raw_socket();

	if (argc > 2)
		feign(&d, argv[2]);
	for (int i = 0; i < count; i++)
		send_raw(fd, &d, len);
	printf("%d\n", count);
	return 0;
}

static int run_spoilt(char **argv)
{
	struct datagram d;
	const size_t len = read_kept(argv[0], &d), payload = len - sizeof(d.ip) - sizeof(d.udp);
	int fd = raw_socket();

	for (size_t i = CHECKED; i < payload; i++) {
		d.payload[i] ^= (uint8_t)(1u << i % 8);
		send_raw(fd, &d, len);
		d.payload[i] ^= (uint8_t)(1u << i % 8);
	}
	printf("%zu\n", payload - CHECKED);
	return 0;
}

static int run_made(char **argv)
{
	struct datagram d = { .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP },
			      .udp.dest = htons(NTM_WIRE_PORT) };
	const uint32_t id = htonl((uint32_t)strtoul(argv[3], NULL, 16));
	const size_t payload = strtoul(argv[4], NULL, 0);
	const int count = atoi(argv[5]);
	int fd = raw_socket();

	if (payload < 8 || payload > sizeof(d.payload))
		return 2;
	feign(&d, argv[0]);
	d.ip.daddr = inet_addr(argv[1]);
	d.udp.len = htons((uint16_t)(sizeof(d.udp) + payload));
	for (int i = 0; i < count; i++) {
		randombytes_buf(d.payload, payload);
		d.payload[0] = (uint8_t)strtoul(argv[2], NULL, 0);
		d.payload[1] = NTM_PROTOCOL_VERSION;
		d.payload[2] = d.payload[3] = 0;
		memcpy(d.payload + 4, &id, sizeof(id));
		send_raw(fd, &d, sizeof(d.ip) + sizeof(d.udp) + payload);
	}
	printf("%d\n", count);
	return 0;
}

static int run(int argc, char **argv)
{
	const char *what = argv[1];

	if (!strcmp(what, "request") && argc == 7)
		return run_request(argv + 2);
	if (!strcmp(what, "insist") && argc == 5)
		return run_insist(argv + 2);
	if (!strcmp(what, "keep") && argc == 7)
		return run_keep(argv + 2);
	if (!strcmp(what, "again") && (argc == 4 || argc == 5))
		return run_again(argc - 2, argv + 2);
	if (!strcmp(what, "spoilt") && argc == 3)
		return run_spoilt(argv + 2);
	if (!strcmp(what, "made") && argc == 8)
		return run_made(argv + 2);
	return 2;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return argc < 2 || sodium_init() < 0 ? 2 : run(argc, argv);
}
