// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/*.c
/*
 * All that comes to a coordinator's port, from a stranger, and from two nodes and a relay server with sessions. The input is a list: a byte
 * that says who sends what, a byte for its length in units of 5, and its bytes; of what is sealed they are the plaintext, in which four bytes
 * of 0xff stand for the Path ID that the coordinator named last, and of 0xfe, two times, for the number by which it asked last whether a node is
 * where it hears it. A sender may feign the address of a bystander: it does not hear what goes there, and nobody must be told that it was seen there.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ntmobile/wire.h>
#include "common/bytes.h"
#include "common/log.h"
#include "dc/admin.h"
#include "dc_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAW, OTHER_KEY, SEALED, SEALED_AGAIN }; /* kind & 3 */
#define SECOND 4			       /* of the two nodes */
#define LATER 8
#define RELAY 16     /* neither of them */
#define ELSEWHERE 32 /* unless LATER, of which it is a part */
#define SENDERS 3
#define UNIT 5

struct node {
	struct ntm_noise_keypair key;
	struct ntm_hs_cookie_jar jar;
	struct ntm_session session;
	union ntm_addr addr;
};

static char directory[] = "/tmp/ntm-fuzz-XXXXXX";
static struct ntm_core core;
static struct ntm_dc_config config;
static uint64_t now = 1000000;
static struct node nodes[SENDERS];
static uint8_t last[NTM_DATAGRAM_MAX]; /* sent by the coordinator */
static size_t last_len;
static uint32_t path_id; /* named last */
static uint64_t proof;
static union ntm_addr bystander;

static void check_candidates(const struct ntm_msg *msg)
{
	for (unsigned int i = 0; i < msg->candidate_count; i++) {
		if (msg->candidates[i].kind != NTM_CAND_HOST &&
		    ntm_addr_equal(&msg->candidates[i].addr, &bystander))
			abort();
	}
}

/* What a sender would learn of a packet to it */
static void look(const uint8_t *packet, size_t len)
{
	struct ntm_msg msg;
	bool newest;

	for (int i = 0; i < SENDERS; i++) {
		if (ntm_session_id_of(packet, len) != nodes[i].session.local_id ||
		    !nodes[i].session.local_id)
			continue;
		if (ntm_session_open(&nodes[i].session, packet, len, &msg, &newest))
			abort(); /* what it sends can be read */
		if (NTM_HAS(&msg, PATH_ID))
			path_id = msg.path_id;
		if (msg.type == NTM_MSG_KEEP_ALIVE)
			proof = msg.timestamp;
		check_candidates(&msg);
		if (msg.type == NTM_MSG_RELAY_DIRECTION && i != 2)
			abort();
		if (msg.type == NTM_MSG_ROUTE_DIRECTION && i == 2)
			abort();
	}
}

static int keep(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	(void)ctx;
	if (!len || len > sizeof(last) || !to->sa.sa_family)
		abort();
	memcpy(last, packet, len);
	last_len = len;
	if (!ntm_addr_equal(to, &bystander))
		look(packet, len);
	return 0;
}

static int64_t wall(void)
{
	return 1700000000 + (int64_t)(now / 1000);
}

static void give_from(const union ntm_addr *from, const uint8_t *packet, size_t len)
{
	last_len = 0;
	ntm_core_packet(&core, packet, len, from, now);
}

static void give(const struct node *node, const uint8_t *packet, size_t len)
{
	give_from(&node->addr, packet, len);
}

static void shake_hands(struct node *node)
{
	uint8_t request[NTM_DATAGRAM_MAX];
	struct ntm_msg payload;
	struct ntm_hs_keys keys;
	struct ntm_hs_init hs;
	int len = ntm_hs_request(&hs, NTM_PKT_SESSION_REQUEST, &node->key, core.self.public, NULL,
				 1 + randombytes_uniform(1000000), 0, NULL, &node->jar, now,
				 request, sizeof(request));

	if (len < 0)
		abort();
	give(node, request, (size_t)len);
	if (!last_len || ntm_hs_response(&hs, last, last_len, &keys, &payload))
		abort();
	node->session = keys.session;
}

/* @token: NULL from the second time on */
static void enrol(struct node *node, const uint8_t *token)
{
	struct ntm_msg msg = { .type = NTM_MSG_REGISTRATION_REQUEST,
			       .lifetime = 7200,
			       .suites = 6 };
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len;

	NTM_SET(&msg, LIFETIME);
	NTM_SET(&msg, SUITES);
	if (token) {
		memcpy(msg.token, token, sizeof(msg.token));
		NTM_SET(&msg, TOKEN);
	}
	if (node == &nodes[2]) {
		msg.role = NTM_ROLE_RELAY;
		if (ntm_addr_parse(&msg.candidates[0].addr, "192.0.2.9", 4330) ||
		    ntm_addr_parse(&msg.candidates[1].addr, "[2001:db8::9]", 4330))
			abort();
		msg.candidate_count = 2;
		NTM_SET(&msg, ROLE);
		NTM_SET(&msg, LOAD);
		NTM_SET(&msg, CANDIDATE);
	}
	shake_hands(node);
	len = ntm_session_seal(&node->session, &msg, packet, sizeof(packet));
	give(node, packet, (size_t)len);
	if (!last_len)
		abort();
}

static void take_part(struct node *node, const char *name)
{
	json_t *request = json_pack("{s:s,s:[s],s:b}", "command", "invite", "names", name, "relay",
				    node == &nodes[2]);
	json_t *response = ntm_admin_run(&core, request, true, now);
	struct ntm_join join;

	if (ntm_join_parse(&join, json_string_value(
					  json_array_get(json_object_get(response, "joins"), 0))))
		abort();
	json_decref(request);
	json_decref(response);
	ntm_noise_generate(&node->key);
	enrol(node, join.token);
}

static void clean_up(void)
{
	ntm_core_close(&core, now);
	(void)remove_dc_files(directory);
}

static void start(void)
{
	char error[256];

	ntm_log_init("fuzz", NTM_LOG_ERROR);
	if (!mkdtemp(directory))
		abort();
	strcpy(config.zone, "example.net");
	strcpy(config.state, directory);
	if (ntm_pool_parse(&config.pool4, AF_INET, "100.64.0.0/24") ||
	    ntm_pool_parse(&config.pool6, AF_INET6, "fd00:4e54::/64") ||
	    ntm_addr_parse(&config.advertise[0], "192.0.2.1", 4330) ||
	    ntm_addr_parse(&nodes[0].addr, "198.51.100.1", 4330) ||
	    ntm_addr_parse(&nodes[1].addr, "[2001:db8::1]", 4330) ||
	    ntm_addr_parse(&nodes[2].addr, "192.0.2.9", 4330) ||
	    ntm_addr_parse(&bystander, "203.0.113.66", 4330))
		abort();
	config.advertise_count = 1;
	config.lease = 7200;
	config.keepalive = 25;
	config.handshake_rate = 100;
	config.invite_lifetime = 86400;
	if (ntm_core_open(&core, &config, now, error, sizeof(error)))
		abort();
	core.send = keep;
	core.wall = wall;
	take_part(&nodes[0], "alice");
	take_part(&nodes[1], "bob");
	take_part(&nodes[2], "relay");
	if (core.relays.count != 1)
		abort();
	atexit(clean_up);
}

/* A Sealed packet of any plaintext, as ntm_session_seal() makes it of a message */
static size_t seal(struct node *node, bool again, const uint8_t *data, size_t len, uint8_t *out)
{
	const uint32_t id = htonl(node->session.remote_id);
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	unsigned long long sealed;
	uint64_t ctr;

	if (len > NTM_DATAGRAM_MAX - NTM_SEALED_OVERHEAD)
		len = NTM_DATAGRAM_MAX - NTM_SEALED_OVERHEAD;
	ctr = again && node->session.tx_ctr ? node->session.tx_ctr - 1 : node->session.tx_ctr++;
	ntm_wire_nonce(nonce, ctr);
	memcpy(out, (uint8_t[]){ NTM_PKT_SEALED, NTM_PROTOCOL_VERSION, 0, 0 }, 4);
	memcpy(out + 4, &id, sizeof(id));
	memcpy(out + 8, nonce + 4, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(out + 16, &sealed, data, len, out, 16, NULL,
						  nonce, node->session.tx_key);
	return 16 + sealed;
}

/* The plaintext, with the numbers put in */
static size_t fill_in(const uint8_t *data, size_t len, uint8_t out[NTM_DATAGRAM_MAX])
{
	const uint32_t id = htonl(path_id);

	len = len < NTM_DATAGRAM_MAX ? len : NTM_DATAGRAM_MAX;
	memcpy(out, data, len);
	for (size_t i = 0; i + 4 <= len; i += 4) {
		if (!memcmp(out + i, "\xff\xff\xff\xff", 4))
			memcpy(out + i, &id, sizeof(id));
	}
	for (size_t i = 0; i + 8 <= len; i += 4) {
		if (!memcmp(out + i, "\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe", 8))
			ntm_put64(out + i, proof);
	}
	return len;
}

static void one(uint8_t kind, const uint8_t *data, size_t len)
{
	struct node *node = &nodes[kind & RELAY ? 2 : !!(kind & SECOND)];
	const union ntm_addr *from = (kind & (LATER | ELSEWHERE)) == ELSEWHERE ? &bystander :
										 &node->addr;
	uint8_t plain[NTM_DATAGRAM_MAX];
	uint8_t packet[NTM_DATAGRAM_MAX];
	uint64_t malformed = core.counters[NTM_DROP_MALFORMED];
	uint64_t forged = core.counters[NTM_DROP_FORGED];
	uint64_t unknown = core.counters[NTM_DROP_SESSION]; /* it has ended meanwhile */

	if (kind & LATER) {
		now += (uint64_t)(kind >> 5) * 700;
		ntm_core_tick(&core, now);
	}
	switch (kind & 3) {
	case RAW:
		give(node, data, len);
		return;
	case OTHER_KEY:
		len = seal(node, true, data, len, packet);
		packet[len - 1] ^= 1;
		give(node, packet, len);
		if (core.counters[NTM_DROP_FORGED] + core.counters[NTM_DROP_SESSION] !=
			    forged + unknown + 1 ||
		    last_len)
			abort();
		return;
	default:
		len = fill_in(data, len, plain);
		give_from(from, packet, seal(node, (kind & 3) == SEALED_AGAIN, plain, len, packet));
		if (core.counters[NTM_DROP_FORGED] != forged)
			abort(); /* it was authentic */
		if (core.counters[NTM_DROP_MALFORMED] != malformed && last_len)
			abort(); /* and is not answered when malformed */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	size_t len;

	if (!started)
		start();
	started = true;
	now += 1000;
	ntm_core_tick(&core, now);
	for (int i = 0; i < SENDERS; i++)
		enrol(&nodes[i], NULL);
	for (; size >= 2; data += 2 + len, size -= 2 + len) {
		len = data[1] * (size_t)UNIT;
		len = len < size - 2 ? len : size - 2;
		one(data[0], data + 2, len);
	}
	return 0;
}
