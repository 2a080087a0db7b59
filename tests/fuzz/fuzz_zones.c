// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/*.c
/*
 * All that another zone's coordinator can say, on both of its sessions, while a node of ours asks for one of its; and what its DNS can say.
 * The input is a list: a byte that says what happens, a byte for its length in units of 5, and its bytes. Of what is sealed they are the
 * plaintext, in which four bytes of 0xff stand for the request ID that was used last towards it.
 *
 * Whatever it says: our node hears only of nodes of that zone, with its addresses, and never that it is itself unwelcome here.
 */
#include <arpa/inet.h>
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
#include "dc/link.h"
#include "dc_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ON_IN, ON_LINK, STRANGER, NODE_ASKS, NODE_ASKS_ADDRESS, DNS, KINDS };
#define LATER 0x80
#define UNIT 5

struct party {
	struct ntm_noise_keypair key;
	struct ntm_hs_init hs;
	struct ntm_hs_cookie_jar jar;
	struct ntm_session session;
	union ntm_addr addr;
};

static char directory[] = "/tmp/ntm-fuzz-XXXXXX";
static struct ntm_core core;
static struct ntm_dc_config config;
static uint64_t now = 1000000;
static struct party alice, other,
	stranger;		  /* other: the coordinator, with @session as its own initiator's */
static struct ntm_hs_guard guard; /* its responder's side */
static struct ntm_session link_session;
static struct ntm_found dns;
static uint32_t last_id, asked_id;

static void check_node(const struct ntm_msg *m)
{
	struct in_addr net;

	inet_pton(AF_INET, "100.65.0.0", &net);
	if (m->type == NTM_MSG_REFUSAL &&
	    (m->status == NTM_ST_REVOKED || m->status == NTM_ST_UNKNOWN_NODE || !m->status))
		abort();
	if (m->type != NTM_MSG_ROUTE_DIRECTION)
		return;
	if (!ntm_name_below(m->name, "b.example") || !memcmp(m->peer_key, alice.key.public, 32))
		abort();
	if (NTM_HAS(m, VIRTUAL4) && (ntohl(m->virtual4.s_addr) ^ ntohl(net.s_addr)) >> 16)
		abort();
	if (NTM_HAS(m, VIRTUAL6) && memcmp(&m->virtual6, "\xfd\0\0\x0b\0\0\0\0", 8) != 0)
		abort();
}

static void answer_handshake(const uint8_t *packet, size_t len)
{
	struct ntm_msg payload = { .has = 0 };
	uint8_t reply[NTM_DATAGRAM_MAX];
	struct ntm_hs_resp resp;
	struct ntm_hs_keys keys;
	size_t reply_len;
	int got;

	if (ntm_hs_check(&guard, packet, len, &core.config.advertise[0], now, reply, &reply_len) !=
		    NTM_HS_GO ||
	    ntm_hs_accept(&resp, &other.key, packet, len))
		return; /* for another key: the DNS said so */
	got = ntm_hs_answer(&resp, NULL, 1 + randombytes_uniform(1000000), &payload, &keys, reply,
			    sizeof(reply));
	if (got < 0)
		abort();
	link_session = keys.session;
	ntm_core_packet(&core, reply, (size_t)got, &other.addr, now);
}

static int deliver(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct party *parties[] = { &alice, &other, &stranger };
	struct ntm_hs_keys keys;
	struct ntm_msg m;
	bool newest;

	(void)ctx;
	(void)to;
	if (!len || len > NTM_DATAGRAM_MAX)
		abort();
	if (packet[0] == NTM_PKT_SESSION_REQUEST) {
		answer_handshake(packet, len);
		return 0;
	}
	for (int i = 0; i < 3; i++) {
		struct party *p = parties[i];

		if (packet[0] == NTM_PKT_SESSION_RESPONSE &&
		    !ntm_hs_response(&p->hs, packet, len, &keys, &m))
			p->session = keys.session;
		else if (ntm_session_id_of(packet, len) == p->session.local_id &&
			 !ntm_session_open(&p->session, packet, len, &m, &newest) && p == &alice)
			check_node(&m);
	}
	if (link_session.local_id && ntm_session_id_of(packet, len) == link_session.local_id &&
	    !ntm_session_open(&link_session, packet, len, &m, &newest))
		last_id = m.request_id;
	return 0;
}

static int find(void *ctx, const char *zone)
{
	(void)ctx;
	(void)zone;
	return 0; /* answered by the loop below */
}

static int64_t wall(void)
{
	return 1700000000 + (int64_t)(now / 1000);
}

static void shake_hands(struct party *p)
{
	uint8_t request[NTM_DATAGRAM_MAX];
	int len = ntm_hs_request(&p->hs, NTM_PKT_SESSION_REQUEST, &p->key, core.self.public, NULL,
				 1 + randombytes_uniform(1000000), 0, NULL, &p->jar, now, request,
				 sizeof(request));

	if (len < 0)
		abort();
	ntm_core_packet(&core, request, (size_t)len, &p->addr, now);
}

static void say(struct party *p, struct ntm_session *session, const struct ntm_msg *m)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(session, m, packet, sizeof(packet));

	if (len > 0)
		ntm_core_packet(&core, packet, (size_t)len, &p->addr, now);
}

static void join_alice(void)
{
	json_t *request = json_pack("{s:s,s:[s]}", "command", "invite", "names", "alice");
	json_t *response = ntm_admin_run(&core, request, true, now);
	struct ntm_msg m = { .type = NTM_MSG_REGISTRATION_REQUEST, .lifetime = 7200, .suites = 6 };
	struct ntm_join join;

	if (ntm_join_parse(&join, json_string_value(
					  json_array_get(json_object_get(response, "joins"), 0))))
		abort();
	json_decref(request);
	json_decref(response);
	memcpy(m.token, join.token, sizeof(m.token));
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, SUITES);
	NTM_SET(&m, TOKEN);
	shake_hands(&alice);
	say(&alice, &alice.session, &m);
}

static struct ntm_msg introduction(uint8_t type)
{
	struct ntm_msg m = { .type = type, .prefix4 = 16, .prefix6 = 64 };

	strcpy(m.zone, "b.example");
	inet_pton(AF_INET, "100.65.0.0", &m.virtual4);
	inet_pton(AF_INET6, "fd00:b::", &m.virtual6);
	NTM_SET(&m, ZONE);
	NTM_SET(&m, VIRTUAL4);
	NTM_SET(&m, VIRTUAL6);
	return m;
}

/* Both sessions stand, and the zone is ready, whatever came before */
static void meet(void)
{
	const struct ntm_zone *zone = core.zones.all[0];
	struct ntm_msg m;

	if (zone->has_in && zone->has_pin && zone->link.state == NTM_DC_REGISTERED &&
	    !zone->link.hs.active && zone->use4 && zone->use6)
		return;
	ntm_link_forget(&core, "b.example", now);
	now += 10000;
	ntm_core_tick(&core, now);
	ntm_link_found(&core, "b.example", &dns, NULL, now);
	m = introduction(NTM_MSG_ZONE_RESPONSE);
	NTM_SET(&m, STATUS);
	m.request_id = last_id;
	say(&other, &link_session, &m);
	shake_hands(&other);
	m = introduction(NTM_MSG_ZONE_REQUEST);
	say(&other, &other.session, &m);
	if (!core.zones.all[0]->has_in || core.zones.all[0]->link.state != NTM_DC_REGISTERED)
		abort();
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
	strcpy(config.zone, "a.example");
	strcpy(config.peer_zones[0], "b.example");
	config.peer_zone_count = 1;
	strcpy(config.state, directory);
	if (ntm_pool_parse(&config.pool4, AF_INET, "100.64.0.0/24") ||
	    ntm_pool_parse(&config.pool6, AF_INET6, "fd00:a::/64") ||
	    ntm_addr_parse(&config.advertise[0], "192.0.2.1", 4330) ||
	    ntm_addr_parse(&alice.addr, "198.51.100.1", 4330) ||
	    ntm_addr_parse(&stranger.addr, "198.51.100.2", 4330) ||
	    ntm_addr_parse(&other.addr, "[2001:db8::1]", 4330))
		abort();
	config.advertise_count = 1;
	config.lease = 604800;
	config.keepalive = 3600;
	config.handshake_rate = 1000000;
	config.invite_lifetime = 86400;
	if (ntm_core_open(&core, &config, now, error, sizeof(error)))
		abort();
	core.send = deliver;
	core.find = find;
	core.wall = wall;
	ntm_noise_generate(&alice.key);
	ntm_noise_generate(&other.key);
	ntm_noise_generate(&stranger.key);
	ntm_hs_guard_init(&guard, other.key.public, 1000000, now);
	memcpy(dns.key, other.key.public, 32);
	dns.addrs[0] = other.addr;
	dns.addr_count = 1;
	dns.ttl = 60;
	join_alice();
	atexit(clean_up);
}

/* A Sealed packet of any plaintext, as ntm_session_seal() makes it of a message */
static void say_raw(struct party *p, struct ntm_session *session, const uint8_t *data, size_t len)
{
	uint8_t plain[NTM_DATAGRAM_MAX], out[NTM_DATAGRAM_MAX], nonce[NTM_WIRE_NONCE_LEN];
	unsigned long long sealed;

	if (len > NTM_DATAGRAM_MAX - NTM_SEALED_OVERHEAD)
		len = NTM_DATAGRAM_MAX - NTM_SEALED_OVERHEAD;
	memcpy(plain, data, len);
	for (size_t i = 0; i + 4 <= len; i++) {
		if (ntm_get32(plain + i) == UINT32_MAX)
			ntm_put32(plain + i, last_id);
	}
	memcpy(out, (uint8_t[]){ NTM_PKT_SEALED, NTM_PROTOCOL_VERSION, 0, 0 }, 4);
	ntm_put32(out + 4, session->remote_id);
	ntm_put64(out + 8, session->tx_ctr);
	ntm_wire_nonce(nonce, session->tx_ctr++);
	crypto_aead_chacha20poly1305_ietf_encrypt(out + 16, &sealed, plain, len, out, 16, NULL,
						  nonce, session->tx_key);
	ntm_core_packet(&core, out, 16 + sealed, &p->addr, now);
}

static void ask(bool by_address)
{
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST, .request_id = ++asked_id };

	if (by_address) {
		inet_pton(AF_INET, "100.65.0.2", m.target);
		m.target_len = 4;
		NTM_SET(&m, TARGET);
	} else {
		strcpy(m.name, "bob.b.example");
		NTM_SET(&m, NAME);
	}
	say(&alice, &alice.session, &m);
}

/* One TXT, SRV and A record each of the same bytes */
static void records(const uint8_t *data, size_t len)
{
	const struct ntm_rdata r[2] = { { data, len }, { data, len / 2 } };
	struct ntm_found found = { .ttl = 1 };
	struct ntm_srv srv[NTM_SRV_MAX];
	const char *why = ntm_records_txt(r, 2, found.key);
	unsigned int count = ntm_records_srv(r, 2, srv);

	for (unsigned int i = 0; i < count; i++) {
		if (!ntm_name_valid(srv[i].target) || !srv[i].port)
			abort();
	}
	ntm_records_addresses(&found, AF_INET, r, 2, 4330);
	ntm_records_addresses(&found, AF_INET6, r, 2, 4330);
	ntm_link_found(&core, "b.example", why ? NULL : &found, why, now);
}

static void one(uint8_t kind, const uint8_t *data, size_t len)
{
	if (kind & LATER) {
		now += (uint64_t)(kind >> 4 & 7) * 400;
		ntm_core_tick(&core, now);
	}
	switch (kind % 16 % KINDS) {
	case ON_IN:
		say_raw(&other, &other.session, data, len);
		break;
	case ON_LINK:
		say_raw(&other, &link_session, data, len);
		break;
	case STRANGER:
		say_raw(&stranger, &stranger.session, data, len);
		break;
	case NODE_ASKS:
		ask(false);
		break;
	case NODE_ASKS_ADDRESS:
		ask(true);
		break;
	case DNS:
		records(data, len);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	size_t len;

	if (!started)
		start();
	started = true;
	meet();
	shake_hands(&alice);
	shake_hands(&stranger);
	for (; size >= 2; data += 2 + len, size -= 2 + len) {
		len = data[1] * (size_t)UNIT;
		len = len < size - 2 ? len : size - 2;
		one(data[0], data + 2, len);
	}
	return 0;
}
