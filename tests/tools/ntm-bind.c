// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-bind: what a relay server meets, each by itself, for tests.
 *
 * with: ntmd/common/relay.c
 *
 *   ntm-bind dc ADDRESS:PORT FIFO         a DC of a few lines: prints a join string, registers who comes, and takes commands from
 *                                         the FIFO: "direct ID PSK [LIFETIME [NODE NODE]]"; prints what it is answered
 *   ntm-bind bind RS KEY ID ROLE PSK PORT [FILE]
 *                                         one end binds: prints each answer; the last Bind goes into FILE
 *   ntm-bind echo RS KEY ID ROLE PSK PORT stays bound, and sends back what comes, until it is killed
 *   ntm-bind ping RS KEY ID ROLE PSK PORT COUNT
 *                                         binds, sends COUNT data packets and COUNT of signalling, counts what comes back;
 *                                         one that is bound does not mind that the RS drains
 *   ntm-bind send RS PORT FILE            the datagram in FILE, once; prints the answer
 *   ntm-bind flood RS ID PORT COUNT       data packets, as fast as can be, without binding
 *   ntm-bind probe RS KEY PORT [other] [TO-PORT]
 *
 * RS: ADDRESS:PORT; KEY: its public key; ROLE: 1 or 2; PSK: a number, of which all bytes of the path's psk are.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/handshake.h"
#include "common/join.h"
#include "common/keyfile.h"
#include "common/relay.h"
#include "ntmobile/wire.h"

#define ANSWER_MS 500
#define TURN_MS 10
#define ECHO_MS 3000
#define DATA_LEN 200
#define PACKET_MAX 2048

static void fail(const char *what)
{
	fprintf(stderr, "ntm-bind: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sockets */

static union ntm_addr address(const char *text)
{
	union ntm_addr addr;

	errno = EINVAL;
	if (ntm_addr_parse(&addr, text, NTM_WIRE_PORT))
		fail(text);
	return addr;
}

static int open_socket(int family, const char *port)
{
	union ntm_addr addr = { 0 };
	int fd = socket(family, SOCK_DGRAM, 0);

	addr.sa.sa_family = (sa_family_t)family;
	addr.v4.sin_port = htons((uint16_t)atoi(port)); /* at the same place in both families */
	if (fd < 0 || bind(fd, &addr.sa, ntm_addr_len(&addr)))
		fail("bind");
	return fd;
}

static void send_to(int fd, const union ntm_addr *to, const void *packet, size_t len)
{
	if (sendto(fd, packet, len, 0, &to->sa, ntm_addr_len(to)) < 0)
		fprintf(stderr, "ntm-bind: send: %s\n", strerror(errno));
}

/* Waits in turns: a machine that stands still takes away one of them, and not all of the time that whoever answers has */
static bool is_readable(int fd, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	for (; wait_ms > TURN_MS; wait_ms -= TURN_MS)
		if (poll(&pfd, 1, TURN_MS) == 1)
			return true;
	return poll(&pfd, 1, wait_ms) == 1;
}

/* Bytes of the next datagram; 0: none came in time */
static size_t receive(int fd, uint8_t packet[PACKET_MAX], union ntm_addr *from, int wait_ms)
{
	socklen_t len = sizeof(*from);
	ssize_t n;

	if (!is_readable(fd, wait_ms))
		return 0;
	n = recvfrom(fd, packet, PACKET_MAX, 0, &from->sa, &len);
	return n > 0 ? (size_t)n : 0;
}

/* An end */

struct end {
	union ntm_addr rs;
	uint32_t id;
	uint8_t role, key[NTM_RELAY_KEY], cookie[16];
	uint8_t bind[NTM_RELAY_BIND_LEN];
	int fd;
};

static void open_end(struct end *end, char **argv)
{
	uint8_t rs_key[32], psk[32];

	memset(end, 0, sizeof(*end));
	end->rs = address(argv[0]);
	errno = EINVAL;
	if (ntm_key_parse(argv[1], rs_key))
		fail("the relay server's key");
	end->id = (uint32_t)strtoul(argv[2], NULL, 0);
	end->role = (uint8_t)atoi(argv[3]);
	memset(psk, atoi(argv[4]), sizeof(psk));
	ntm_relay_end_key(end->key, psk, rs_key, end->role);
	end->fd = open_socket(end->rs.sa.sa_family, argv[5]);
}

static void say_bind(struct end *end)
{
	struct ntm_relay_bind bind = { .path_id = end->id, .role = end->role };

	memcpy(bind.cookie, end->cookie, sizeof(bind.cookie));
	randombytes_buf(bind.nonce, sizeof(bind.nonce));
	ntm_relay_put_bind(end->bind, &bind, end->key);
	send_to(end->fd, &end->rs, end->bind, sizeof(end->bind));
}

/* Is it the answer to the last Bind? */
static bool read_bound(struct end *end, const uint8_t *packet, size_t len,
		       struct ntm_relay_bind *bound)
{
	if (packet[0] != NTM_PKT_RELAY_BOUND || !ntm_relay_get(bound, packet, len) ||
	    !ntm_relay_authentic(packet, end->key) || memcmp(bound->nonce, end->bind + 32, 16) != 0)
		return false;
	memcpy(end->cookie, bound->cookie, sizeof(end->cookie));
	return true;
}

/* One Bind and its answer; -1: none */
static int bind_once(struct end *end, struct ntm_relay_bind *bound)
{
	uint8_t packet[PACKET_MAX];
	union ntm_addr from;
	size_t len;

	say_bind(end);
	while ((len = receive(end->fd, packet, &from, ANSWER_MS)))
		if (read_bound(end, packet, len, bound))
			return bound->status;
	return -1;
}

/* As a node does, and says each answer; the last one is returned, -1: none came */
static int bind_end(struct end *end)
{
	static const char *const names[] = { "bound", "cookie", "busy" };
	struct ntm_relay_bind bound;
	char addr[NTM_ADDR_STR];
	int status = -1;

	for (int i = 0; i < 2; i++) {
		status = bind_once(end, &bound);
		if (status < 0 || status > NTM_RELAY_BUSY)
			printf("silent\n");
		else
			printf("%s %u %s\n", names[status], bound.lifetime,
			       ntm_addr_str(&bound.observed, addr));
		if (status != NTM_RELAY_COOKIE)
			break;
	}
	fflush(stdout);
	return status;
}

static int run_bind(int argc, char **argv)
{
	struct end end;
	bool bound;
	FILE *file;

	open_end(&end, argv);
	bound = bind_end(&end) == NTM_RELAY_BOUND;
	if (argc > 6) {
		file = fopen(argv[6], "we");
		if (!file || fwrite(end.bind, sizeof(end.bind), 1, file) != 1 || fclose(file))
			fail(argv[6]);
	}
	return !bound;
}

static bool is_echoed(const uint8_t *packet)
{
	return ntm_wire_is_data(packet[0]) || packet[0] == NTM_PKT_RELAYED;
}

static _Noreturn void run_echo(char **argv)
{
	struct end end;
	uint64_t next = 0;

	open_end(&end, argv);
	(void)bind_end(&end);
	for (;;) {
		struct ntm_relay_bind bound;
		uint8_t packet[PACKET_MAX];
		union ntm_addr from;
		size_t len;

		if (now_ms() >= next) {
			say_bind(&end);
			next = now_ms() + 1000;
		}
		len = receive(end.fd, packet, &from, 100);
		if (!len)
			continue;
		if (is_echoed(packet))
			send_to(end.fd, &end.rs, packet, len);
		else if (read_bound(&end, packet, len, &bound) && bound.status == NTM_RELAY_COOKIE)
			next = 0;
	}
}

static size_t make_data(uint8_t packet[PACKET_MAX], uint32_t id, unsigned int i)
{
	struct ntm_wire_hdr header;

	memset(packet, (int)i, DATA_LEN);
	ntm_wire_build(&header, 0, i, htonl(id));
	memcpy(packet, &header, sizeof(header));
	return DATA_LEN;
}

static size_t make_signal(uint8_t packet[PACKET_MAX], uint32_t id)
{
	const uint8_t inner[64] = { NTM_PKT_SEALED, NTM_PROTOCOL_VERSION };

	return ntm_relay_wrap(id, inner, sizeof(inner), packet, PACKET_MAX);
}

static int run_ping(char **argv)
{
	const unsigned int count = (unsigned int)atoi(argv[6]);
	const struct timespec pause = { .tv_nsec = 2000000 };
	unsigned int data = 0, relayed = 0;
	uint8_t packet[PACKET_MAX];
	union ntm_addr from;
	struct end end;
	uint64_t until;

	open_end(&end, argv);
	if (bind_end(&end) < 0)
		return 1;
	for (unsigned int i = 0; i < count; i++) {
		send_to(end.fd, &end.rs, packet, make_data(packet, end.id, i));
		send_to(end.fd, &end.rs, packet, make_signal(packet, end.id));
		nanosleep(&pause, NULL);
	}
	until = now_ms() + ECHO_MS;
	while (now_ms() < until && (data < count || relayed < count)) {
		if (!receive(end.fd, packet, &from, 100))
			continue;
		data += ntm_wire_is_data(packet[0]);
		relayed += packet[0] == NTM_PKT_RELAYED;
	}
	printf("data %u/%u relayed %u/%u\n", data, count, relayed, count);
	return data != count || relayed != count;
}

static int run_send(char **argv)
{
	const union ntm_addr to = address(argv[0]);
	int fd = open_socket(to.sa.sa_family, argv[1]);
	FILE *file = fopen(argv[2], "re");
	uint8_t packet[PACKET_MAX];
	struct ntm_relay_bind bound;
	union ntm_addr from;
	size_t len;

	if (!file)
		fail(argv[2]);
	len = fread(packet, 1, sizeof(packet), file);
	fclose(file);
	send_to(fd, &to, packet, len);
	len = receive(fd, packet, &from, ANSWER_MS);
	if (!len)
		printf("silent\n");
	else if (packet[0] == NTM_PKT_RELAY_BOUND && ntm_relay_get(&bound, packet, len))
		printf("%zu bytes, status %u\n", len, bound.status);
	else
		printf("%zu bytes of type %u\n", len, packet[0]);
	return 0;
}

static int run_flood(char **argv)
{
	const union ntm_addr to = address(argv[0]);
	const uint32_t id = (uint32_t)strtoul(argv[1], NULL, 0);
	int fd = open_socket(to.sa.sa_family, argv[2]);
	uint8_t packet[PACKET_MAX];

	for (int i = 0; i < atoi(argv[3]); i++)
		send_to(fd, &to, packet, make_data(packet, id, (unsigned int)i));
	return 0;
}

/* The answer may be asked to another port of ours */
static int run_probe(int argc, char **argv)
{
	struct ntm_relay_probe probe = { 0 };
	const union ntm_addr to = address(argv[0]);
	int fd = open_socket(to.sa.sa_family, argv[2]), answer = fd;
	char text[NTM_ADDR_STR], observed[NTM_ADDR_STR];
	uint8_t key[32], packet[PACKET_MAX];
	union ntm_addr from;
	size_t len;

	errno = EINVAL;
	if (ntm_key_parse(argv[1], key))
		fail("the relay server's key");
	for (int i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "other")) {
			probe.other_port = true;
		} else {
			probe.to_port = (uint16_t)atoi(argv[i]);
			answer = open_socket(to.sa.sa_family, argv[i]);
		}
	}
	randombytes_buf(probe.nonce, sizeof(probe.nonce));
	ntm_relay_put_probe(packet, &probe, false, key);
	send_to(fd, &to, packet, NTM_RELAY_PROBE_LEN);
	len = receive(answer, packet, &from, ANSWER_MS);
	if (!len || !ntm_relay_get_probe(&probe, packet, len, key)) {
		printf("silent\n");
		return 1;
	}
	printf("%s sees %s\n", ntm_addr_str(&from, text), ntm_addr_str(&probe.observed, observed));
	return 0;
}

/* A DC of one session at a time */

static struct {
	struct ntm_noise_keypair key;
	struct ntm_session session;
	uint8_t rs_key[32];
	bool has_session;
	uint32_t ids;
	int fd;
	union ntm_addr rs;
} dc;

static void dc_say(const struct ntm_msg *m)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(&dc.session, m, packet, sizeof(packet));

	if (len > 0)
		send_to(dc.fd, &dc.rs, packet, (size_t)len);
}

static void dc_register(const struct ntm_msg *request)
{
	struct ntm_msg m = { .type = NTM_MSG_REGISTRATION_RESPONSE,
			     .request_id = request->request_id,
			     .lifetime = request->lifetime,
			     .keepalive = 25,
			     .role = NTM_ROLE_RELAY,
			     .observed.addr = dc.rs };

	strcpy(m.name, "relay.fake.example");
	strcpy(m.zone, "fake.example");
	NTM_SET(&m, STATUS);
	NTM_SET(&m, NAME);
	NTM_SET(&m, ZONE);
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, KEEPALIVE);
	NTM_SET(&m, OBSERVED);
	NTM_SET(&m, ROLE);
	if (request->role != NTM_ROLE_RELAY)
		printf("not a relay server\n");
	else if (request->lifetime)
		printf("registered, load %u, %u candidates%s\n", request->load,
		       request->candidate_count, NTM_HAS(request, TOKEN) ? ", with a token" : "");
	else
		printf("goodbye\n");
	dc_say(&m);
}

static void dc_alive(const struct ntm_msg *request)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE,
			     .request_id = request->request_id,
			     .timestamp = request->timestamp,
			     .observed.addr = dc.rs };

	NTM_SET(&m, TIMESTAMP);
	NTM_SET(&m, OBSERVED);
	dc_say(&m);
}

static void dc_handshake(const uint8_t *packet, size_t len)
{
	struct ntm_msg payload = { 0 };
	uint8_t out[NTM_DATAGRAM_MAX];
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	int n;

	if (ntm_hs_accept(&hs, &dc.key, packet, len))
		return;
	memcpy(dc.rs_key, hs.initiator, sizeof(dc.rs_key));
	n = ntm_hs_answer(&hs, NULL, ++dc.ids, &payload, &keys, out, sizeof(out));
	if (n <= 0)
		return;
	dc.session = keys.session;
	dc.has_session = true;
	send_to(dc.fd, &dc.rs, out, (size_t)n);
}

static void dc_packet(void)
{
	uint8_t packet[PACKET_MAX];
	struct ntm_msg m;
	bool newest;
	size_t len = receive(dc.fd, packet, &dc.rs, 0);

	if (len && packet[0] == NTM_PKT_SESSION_REQUEST) {
		dc_handshake(packet, len);
		return;
	}
	if (!len || !dc.has_session || ntm_session_open(&dc.session, packet, len, &m, &newest))
		return;
	if (m.type == NTM_MSG_REGISTRATION_REQUEST)
		dc_register(&m);
	else if (m.type == NTM_MSG_KEEP_ALIVE)
		dc_alive(&m);
	else if (m.type == NTM_MSG_RELAY_RESPONSE)
		printf("path %u: status %u\n", m.path_id, m.status);
}

static void dc_direct(uint32_t id, unsigned int psk_byte, uint32_t lifetime, uint8_t node0,
		      uint8_t node1)
{
	struct ntm_msg m = { .type = NTM_MSG_RELAY_DIRECTION,
			     .request_id = randombytes_random(),
			     .path_id = id,
			     .lifetime = lifetime,
			     .end_count = 2 };
	uint8_t psk[32];

	memset(psk, (int)psk_byte, sizeof(psk));
	for (uint8_t i = 0; i < 2; i++) {
		m.ends[i].role = i + 1;
		m.ends[i].node[0] = i ? node1 : node0;
		ntm_relay_end_key(m.ends[i].key, psk, dc.rs_key, i + 1);
	}
	NTM_SET(&m, PATH_ID);
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, END);
	dc_say(&m);
}

static void dc_command(FILE *fifo)
{
	unsigned int id, psk, lifetime = 60, node0 = 1, node1 = 2;
	char line[256];

	if (!fgets(line, sizeof(line), fifo))
		return;
	if (sscanf(line, "direct %u %u %u %u %u", &id, &psk, &lifetime, &node0, &node1) >= 2)
		dc_direct(id, psk, lifetime, (uint8_t)node0, (uint8_t)node1);
	else
		printf("what? %s", line);
}

static int run_dc(char **argv)
{
	struct ntm_join join = { .addr_count = 1, .addrs = { address(argv[0]) } };
	char string[NTM_JOIN_STR];
	struct pollfd pfds[2];
	FILE *fifo;

	if (mkfifo(argv[1], 0600) && errno != EEXIST)
		fail(argv[1]);
	fifo = fdopen(open(argv[1], O_RDWR | O_CLOEXEC), "r");
	if (!fifo)
		fail(argv[1]);
	setvbuf(fifo, NULL, _IONBF, 0);
	ntm_noise_generate(&dc.key);
	memcpy(join.dc_key, dc.key.public, sizeof(join.dc_key));
	randombytes_buf(join.token, sizeof(join.token));
	dc.fd = socket(join.addrs[0].sa.sa_family, SOCK_DGRAM, 0);
	if (dc.fd < 0 || bind(dc.fd, &join.addrs[0].sa, ntm_addr_len(&join.addrs[0])))
		fail("bind");
	if (ntm_join_format(&join, string, sizeof(string)))
		fail("join string");
	puts(string);
	pfds[0] = (struct pollfd){ .fd = dc.fd, .events = POLLIN };
	pfds[1] = (struct pollfd){ .fd = fileno(fifo), .events = POLLIN };
	while (poll(pfds, 2, -1) > 0) {
		if (pfds[0].revents)
			dc_packet();
		if (pfds[1].revents)
			dc_command(fifo);
	}
	return 1;
}

static int run(int argc, char **argv)
{
	const char *what = argv[1];

	if (!strcmp(what, "dc") && argc == 4)
		return run_dc(argv + 2);
	if (!strcmp(what, "bind") && argc >= 8)
		return run_bind(argc - 2, argv + 2);
	if (!strcmp(what, "echo") && argc == 8)
		run_echo(argv + 2);
	if (!strcmp(what, "ping") && argc == 9)
		return run_ping(argv + 2);
	if (!strcmp(what, "send") && argc == 5)
		return run_send(argv + 2);
	if (!strcmp(what, "flood") && argc == 6)
		return run_flood(argv + 2);
	if (!strcmp(what, "probe") && argc >= 5)
		return run_probe(argc - 2, argv + 2);
	return 2;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return argc < 2 || sodium_init() < 0 ? 2 : run(argc, argv);
}
