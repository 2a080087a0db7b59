// SPDX-License-Identifier: GPL-2.0
/*
 * dc-load: many nodes in one process, against a running ntm-dc.
 *
 *   ntm-dc -c FILE invite --batch NAMES >joins
 *   dc-load --joins joins --pid PID [--window N] [--ask N] [--save FILE | --compare FILE] [--timeout S]
 *
 * Node i has a key made from --seed and i, so that a second run is the same nodes again. Each handshakes, registers with
 * the token of line i of the file and repeats itself until it has a lease, whatever becomes of the coordinator meanwhile.
 * --save writes the leases (name and virtual addresses), --compare fails if they are others than those.
 * --ask: then N nodes ask for N others, and both ends must be told of the same path.
 * With --pid, the growth of that process's resident memory is shown, by node.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/handshake.h"
#include "common/join.h"

#define SLOTS_MAX 4096u
#define RETRY_MS 400

struct node {
	struct ntm_session session;
	char name[64];
	struct in_addr v4;
	struct in6_addr v6;
	bool registered;
	bool told; /* --ask: a Route Direction came */
	uint32_t path_id;
	uint8_t token[16];
};

enum stage { IDLE, HANDSHAKE, REGISTER };

struct slot {
	enum stage stage;
	uint32_t node;
	uint32_t id; /* session ID: slot + 1 in the low bits, a number that grows above */
	struct ntm_hs_init hs;
	struct ntm_hs_cookie_jar jar;
	uint8_t packet[NTM_DATAGRAM_MAX];
	size_t len;
	uint64_t again_ms;
	unsigned int tries;
};

static struct load {
	int fd;
	union ntm_addr dc;
	uint8_t dc_key[32];
	const char *seed;
	struct node *nodes;
	uint32_t count, started, registered, retries;
	struct slot slots[SLOTS_MAX];
	uint32_t window, generation;
	struct ntm_hs_cookie_jar cookie;
	uint32_t asked, answered;
} load;

static void die(const char *what)
{
	fprintf(stderr, "dc-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void key_of(uint32_t index, struct ntm_noise_keypair *pair)
{
	crypto_generichash(pair->secret, 32, (const uint8_t *)&index, sizeof(index),
			   (const uint8_t *)load.seed, strlen(load.seed));
	ntm_noise_public(pair);
}

static void transmit(const uint8_t *packet, size_t len)
{
	if (send(load.fd, packet, len, 0) < 0 && errno != ECONNREFUSED && errno != EAGAIN)
		die("send");
}

static void begin_handshake(struct slot *s)
{
	struct ntm_noise_keypair self;
	int len;

	key_of(s->node, &self);
	s->stage = HANDSHAKE;
	s->id = (uint32_t)(s - load.slots + 1) | ++load.generation << 13;
	s->jar = load.cookie;
	len = ntm_hs_request(&s->hs, NTM_PKT_SESSION_REQUEST, &self, load.dc_key, NULL, s->id, 0,
			     NULL, &s->jar, now_ms(), s->packet, sizeof(s->packet));
	if (len < 0)
		die("handshake");
	s->len = len;
	s->again_ms = now_ms() + RETRY_MS;
	s->tries = 0;
	transmit(s->packet, s->len);
}

static void begin_registration(struct slot *s)
{
	struct node *n = &load.nodes[s->node];
	struct ntm_msg msg = { .type = NTM_MSG_REGISTRATION_REQUEST, .request_id = s->id };
	unsigned int i;
	int len;

	msg.lifetime = 7200;
	msg.suites = 6;
	memcpy(msg.token, n->token, sizeof(msg.token));
	NTM_SET(&msg, LIFETIME);
	NTM_SET(&msg, SUITES);
	NTM_SET(&msg, TOKEN);
	NTM_SET(&msg, CANDIDATE);
	/* What a node on a dual-stack network has: one IPv4 address, two of IPv6. */
	msg.candidate_count = 3;
	for (i = 0; i < 3; i++)
		ntm_addr_parse(&msg.candidates[i].addr,
			       i ? "[2001:db8::1]:4330" : "198.51.100.1:4330", 4330);
	msg.candidates[2].addr.v6.sin6_addr.s6_addr[15] = 2;
	len = ntm_session_seal(&n->session, &msg, s->packet, sizeof(s->packet));
	if (len < 0)
		die("seal");
	s->stage = REGISTER;
	s->len = len;
	s->again_ms = now_ms() + RETRY_MS;
	transmit(s->packet, s->len);
}

static void on_response(const uint8_t *packet, size_t len)
{
	uint32_t id = ntm_hs_reply_id(packet, len);
	struct slot *s = &load.slots[((id & 0x1fff) - 1) % SLOTS_MAX];
	struct ntm_hs_keys keys;
	struct ntm_msg payload;

	if (s->stage != HANDSHAKE || s->id != id)
		return;
	if (packet[0] == NTM_PKT_COOKIE_REPLY) {
		if (ntm_hs_cookie_reply(&s->jar, load.dc_key, packet, len, now_ms()))
			return;
		load.cookie = s->jar;
		ntm_hs_refresh_mac2(s->packet, s->len, &s->jar, now_ms());
		transmit(s->packet, s->len);
		return;
	}
	if (ntm_hs_response(&s->hs, packet, len, &keys, &payload))
		return;
	load.nodes[s->node].session = keys.session;
	begin_registration(s);
}

static void on_lease(struct slot *s, const struct ntm_msg *msg)
{
	struct node *n = &load.nodes[s->node];

	if (msg->status != NTM_ST_OK) {
		fprintf(stderr, "dc-load: node %u refused: %s %s\n", s->node,
			ntm_status_name(msg->status), msg->text);
		exit(1);
	}
	snprintf(n->name, sizeof(n->name), "%.63s", msg->name);
	n->v4 = msg->virtual4;
	n->v6 = msg->virtual6;
	n->registered = true;
	load.registered++;
	s->stage = IDLE;
}

static void send_from(struct node *n, const struct ntm_msg *msg)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(&n->session, msg, packet, sizeof(packet));

	if (len < 0)
		die("seal");
	transmit(packet, len);
}

static void on_route(struct node *n, const struct ntm_msg *msg)
{
	struct ntm_msg confirmation = { .type = NTM_MSG_ROUTE_DIRECTION_CONFIRMATION };

	if (!n->told)
		load.answered++;
	n->told = true;
	n->path_id = msg->path_id;
	if (msg->role != NTM_ROLE_RESPONDER)
		return;
	confirmation.request_id = msg->request_id;
	confirmation.path_id = msg->path_id;
	NTM_SET(&confirmation, PATH_ID);
	NTM_SET(&confirmation, STATUS);
	send_from(n, &confirmation);
}

static void on_sealed(const uint8_t *packet, size_t len)
{
	uint32_t id = ntm_session_id_of(packet, len), i;
	struct slot *s = &load.slots[((id & 0x1fff) - 1) % SLOTS_MAX];
	struct ntm_msg msg;
	bool newest;

	if (s->stage == REGISTER && s->id == id) {
		struct node *n = &load.nodes[s->node];

		if (!ntm_session_open(&n->session, packet, len, &msg, &newest) &&
		    msg.type == NTM_MSG_REGISTRATION_RESPONSE)
			on_lease(s, &msg);
		return;
	}
	for (i = 0; i < 2 * load.asked; i++) {
		struct node *n = &load.nodes[i];

		if (n->session.local_id == id &&
		    !ntm_session_open(&n->session, packet, len, &msg, &newest) &&
		    msg.type == NTM_MSG_ROUTE_DIRECTION)
			on_route(n, &msg);
	}
}

static void receive(void)
{
	uint8_t packet[2048];
	ssize_t len;

	while ((len = recv(load.fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		if (packet[0] == NTM_PKT_SESSION_RESPONSE || packet[0] == NTM_PKT_COOKIE_REPLY)
			on_response(packet, len);
		else if (packet[0] == NTM_PKT_SEALED)
			on_sealed(packet, len);
	}
}

static void work_on(struct slot *s, uint64_t now)
{
	if (s->stage == IDLE) {
		if (load.started == load.count)
			return;
		s->node = load.started++;
		begin_handshake(s);
	} else if (now >= s->again_ms) {
		load.retries++;
		/* From the start after a while: the coordinator may have forgotten the session. */
		if (s->stage == REGISTER && s->tries++ < 2)
			begin_registration(s);
		else
			begin_handshake(s);
	}
}

static void wait_for_packets(int timeout_ms)
{
	struct pollfd p = { .fd = load.fd, .events = POLLIN };

	poll(&p, 1, timeout_ms);
	receive();
}

static bool register_all(uint64_t deadline)
{
	uint32_t i;

	while (load.registered < load.count && now_ms() < deadline) {
		uint64_t now = now_ms();

		for (i = 0; i < load.window; i++)
			work_on(&load.slots[i], now);
		wait_for_packets(20);
	}
	return load.registered == load.count;
}

static void ask(struct node *from, const struct node *to, uint32_t request_id)
{
	struct ntm_msg msg = { .type = NTM_MSG_DIRECTION_REQUEST, .request_id = request_id };

	snprintf(msg.name, sizeof(msg.name), "%s", to->name);
	NTM_SET(&msg, NAME);
	send_from(from, &msg);
}

static bool ask_all(uint64_t deadline)
{
	uint32_t i;

	while (load.answered < 2 * load.asked && now_ms() < deadline) {
		for (i = 0; i < load.asked; i++) {
			if (!load.nodes[2 * i].told)
				ask(&load.nodes[2 * i], &load.nodes[2 * i + 1], i);
		}
		wait_for_packets(250);
	}
	for (i = 0; i < load.asked; i++) {
		if (!load.nodes[2 * i].told ||
		    load.nodes[2 * i].path_id != load.nodes[2 * i + 1].path_id) {
			fprintf(stderr, "dc-load: pair %u was not directed alike\n", i);
			return false;
		}
	}
	return true;
}

static void read_joins(const char *file)
{
	char line[NTM_JOIN_STR + 2];
	struct ntm_join join;
	size_t room = 0;
	FILE *in = fopen(file, "r");

	if (!in)
		die(file);
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		if (ntm_join_parse(&join, line)) {
			errno = EINVAL;
			die(file);
		}
		if (load.count == room) {
			room = room ? room * 2 : 1024;
			load.nodes = realloc(load.nodes, room * sizeof(*load.nodes));
			if (!load.nodes)
				die("memory");
		}
		memset(&load.nodes[load.count], 0, sizeof(*load.nodes));
		memcpy(load.nodes[load.count++].token, join.token, sizeof(join.token));
	}
	fclose(in);
	if (!load.count) {
		errno = ENODATA;
		die(file);
	}
	load.dc = join.addrs[0];
	memcpy(load.dc_key, join.dc_key, sizeof(load.dc_key));
}

static long resident_kb(const char *pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *in;

	if (!pid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	in = fopen(path, "r");
	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	if (in)
		fclose(in);
	return kb;
}

static void lease_line(const struct node *n, char *out, size_t size)
{
	char v4[INET_ADDRSTRLEN], v6[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET, &n->v4, v4, sizeof(v4));
	inet_ntop(AF_INET6, &n->v6, v6, sizeof(v6));
	snprintf(out, size, "%s %s %s\n", n->name, v4, v6);
}

static bool save(const char *file)
{
	FILE *out = fopen(file, "w");
	char line[256];
	uint32_t i;

	if (!out)
		die(file);
	for (i = 0; i < load.count; i++) {
		lease_line(&load.nodes[i], line, sizeof(line));
		fputs(line, out);
	}
	return !fclose(out);
}

static bool compare(const char *file)
{
	char want[256], got[256];
	FILE *in = fopen(file, "r");
	bool same = true;
	uint32_t i;

	if (!in)
		die(file);
	for (i = 0; i < load.count; i++) {
		lease_line(&load.nodes[i], got, sizeof(got));
		if (!fgets(want, sizeof(want), in) || strcmp(want, got) != 0) {
			fprintf(stderr, "dc-load: node %u has another lease: %s", i, got);
			same = false;
		}
	}
	fclose(in);
	return same;
}

static void open_socket(void)
{
	int size = 4 << 20;

	load.fd = socket(load.dc.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (load.fd < 0 || connect(load.fd, &load.dc.sa, ntm_addr_len(&load.dc)))
		die("socket");
	setsockopt(load.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "joins", 1, NULL, 'j' }, { "pid", 1, NULL, 'p' },	{ "window", 1, NULL, 'w' },
		{ "ask", 1, NULL, 'a' },   { "save", 1, NULL, 's' },	{ "compare", 1, NULL, 'c' },
		{ "seed", 1, NULL, 'S' },  { "timeout", 1, NULL, 't' }, { NULL, 0, NULL, 0 },
	};
	const char *joins = NULL, *pid = NULL, *save_file = NULL, *compare_file = NULL;
	unsigned long timeout = 600;
	uint64_t start, spent;
	long before, after;
	bool good;
	int opt;

	load.window = 64;
	load.seed = "dc-load";
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (opt) {
		case 'j':
			joins = optarg;
			break;
		case 'p':
			pid = optarg;
			break;
		case 'w':
			load.window = strtoul(optarg, NULL, 10);
			break;
		case 'a':
			load.asked = strtoul(optarg, NULL, 10);
			break;
		case 's':
			save_file = optarg;
			break;
		case 'c':
			compare_file = optarg;
			break;
		case 'S':
			load.seed = optarg;
			break;
		case 't':
			timeout = strtoul(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (!joins || !load.window || load.window > SLOTS_MAX || sodium_init() < 0) {
		fputs("usage: dc-load --joins FILE [--pid PID] [--window 1..4096] [--ask N] [--seed TEXT]\n"
		      "               [--save FILE | --compare FILE] [--timeout S]\n",
		      stderr);
		return 2;
	}
	read_joins(joins);
	if (2 * (uint64_t)load.asked > load.count)
		load.asked = load.count / 2;
	open_socket();
	before = resident_kb(pid);
	start = now_ms();
	good = register_all(start + timeout * 1000);
	spent = now_ms() - start;
	after = resident_kb(pid);
	printf("nodes: %u of %u registered in %.1f s, %.0f a second, %u retries\n", load.registered,
	       load.count, spent / 1000.0, load.registered * 1000.0 / (spent ? spent : 1),
	       load.retries);
	if (pid)
		printf("memory: %ld KiB before, %ld KiB after: %.0f bytes a node\n", before, after,
		       (after - before) * 1024.0 / load.count);
	if (good && load.asked) {
		start = now_ms();
		good = ask_all(start + 20000);
		printf("directions: %u pairs, %u ends told in %llu ms\n", load.asked, load.answered,
		       (unsigned long long)(now_ms() - start));
	}
	if (good && save_file)
		good = save(save_file);
	if (good && compare_file)
		good = compare(compare_file);
	return good ? 0 : 1;
}
