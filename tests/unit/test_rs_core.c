// SPDX-License-Identifier: GPL-2.0
/* The relay server between two DCs of a few lines and ends that prove themselves, or do not. In virtual time. */
/* with: ntmd/rs/core.c ntmd/rs/bind.c ntmd/rs/probe.c ntmd/rs/dcs.c ntmd/rs/load.c ntmd/rs/paths.c */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/control.h"
#include "common/keyfile.h"
#include "common/log.h"
#include "ntmobile/wire.h"
#include "rs/core.h"

#define ID 0x11223344u
#define SENT_MAX 64

/** struct dc - a DC of a few lines; @response: the last Relay Response's status, -1: none */
struct dc {
	struct ntm_noise_keypair key;
	union ntm_addr addr;
	struct ntm_session session;
	bool has_session, deaf, not_a_relay;
	uint16_t refuse;
	unsigned int registrations, goodbyes;
	uint32_t load, direction_id, path_id; /* of the last direction */
	struct ntm_msg last;
	int response;
};

/** struct sent - a packet of the relay server's that is no DC's */
struct sent {
	union ntm_addr to;
	uint8_t packet[NTM_DATAGRAM_MAX];
	size_t len;
	bool other;
};

static struct {
	uint64_t now_ms;
	struct ntm_rs_core core;
	struct ntm_rs_config config;
	struct dc dcs[2];
	uint32_t next_id;
	struct sent sent[SENT_MAX];
	unsigned int sent_count, sent_all;
	uint8_t queue[16][NTM_DATAGRAM_MAX]; /* of DCs, to the relay server */
	size_t queue_len[16];
	const struct dc *queue_of[16];
	unsigned int queued;
	unsigned int plane_binds, plane_dels;
	int plane_fail;
	uint64_t plane_packets, plane_bytes;
	uint64_t plane_read_ms; /* when reading them began; 0: just now */
	uint32_t cpu;
	int joined; /* code, -1: not yet */
	char joined_text[256];
	char state[32];
	size_t question; /* bytes of the packet that is being answered; 0: none is */
} w;

/* The DC's side */

static void to_rs(const struct dc *dc, const uint8_t *packet, size_t len)
{
	assert_true(w.queued < 16);
	memcpy(w.queue[w.queued], packet, len);
	w.queue_of[w.queued] = dc;
	w.queue_len[w.queued++] = len;
}

static void dc_say(struct dc *dc, const struct ntm_msg *m)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(&dc->session, m, packet, sizeof(packet));

	assert_true(len > 0);
	to_rs(dc, packet, (size_t)len);
}

static void dc_lease(struct dc *dc, const struct ntm_msg *request)
{
	struct ntm_msg m = { .type = NTM_MSG_REGISTRATION_RESPONSE,
			     .request_id = request->request_id,
			     .status = dc->refuse,
			     .lifetime = 7200,
			     .keepalive = 25,
			     .role = NTM_ROLE_RELAY };

	NTM_SET(&m, STATUS);
	strcpy(m.name, dc == w.dcs ? "relay.one.example" : "relay.two.example");
	strcpy(m.zone, m.name + 6);
	m.observed.addr = test_addr("198.51.100.9");
	if (!dc->refuse) {
		NTM_SET(&m, NAME);
		NTM_SET(&m, ZONE);
		NTM_SET(&m, LIFETIME);
		NTM_SET(&m, KEEPALIVE);
		NTM_SET(&m, OBSERVED);
		NTM_SET(&m, ROLE);
	}
	if (dc->not_a_relay) {
		m.has &= ~(1u << NTM_TLV_ROLE);
		m.role = 0;
		m.prefix4 = 16;
		NTM_SET(&m, VIRTUAL4);
	}
	dc_say(dc, &m);
}

static void dc_alive(struct dc *dc, const struct ntm_msg *request)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE,
			     .request_id = request->request_id,
			     .timestamp = request->timestamp };

	m.observed.addr = test_addr("198.51.100.9");
	NTM_SET(&m, TIMESTAMP);
	NTM_SET(&m, OBSERVED);
	dc_say(dc, &m);
}

static void dc_message(struct dc *dc, const struct ntm_msg *m)
{
	dc->last = *m;
	if (m->type == NTM_MSG_RELAY_RESPONSE) {
		assert_int_equal(m->path_id, dc->path_id);
		dc->response = m->request_id == dc->direction_id ? m->status : -2;
	} else if (m->type == NTM_MSG_KEEP_ALIVE) {
		dc_alive(dc, m);
	} else if (m->type == NTM_MSG_REGISTRATION_REQUEST) {
		if (m->lifetime)
			dc->registrations++;
		else
			dc->goodbyes++;
		dc->load = m->load;
		dc_lease(dc, m);
	}
}

static void dc_handshake(struct dc *dc, const uint8_t *packet, size_t len)
{
	struct ntm_msg payload = { 0 };
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	uint8_t out[NTM_DATAGRAM_MAX];
	int n;

	assert_int_equal(ntm_hs_accept(&hs, &dc->key, packet, len), 0);
	n = ntm_hs_answer(&hs, NULL, ++w.next_id, &payload, &keys, out, sizeof(out));
	assert_true(n > 0);
	dc->session = keys.session;
	dc->has_session = true;
	to_rs(dc, out, (size_t)n);
}

static void dc_packet(struct dc *dc, const uint8_t *packet, size_t len)
{
	struct ntm_msg m;
	bool newest;

	if (dc->deaf)
		return;
	if (packet[0] == NTM_PKT_SESSION_REQUEST)
		dc_handshake(dc, packet, len);
	else if (dc->has_session && !ntm_session_open(&dc->session, packet, len, &m, &newest))
		dc_message(dc, &m);
}

static int io_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len,
		   bool other)
{
	struct sent *sent = &w.sent[w.sent_count % SENT_MAX];

	(void)ctx;
	for (unsigned int i = 0; i < 2; i++) {
		if (!ntm_addr_equal(to, &w.dcs[i].addr))
			continue;
		assert_false(other);
		dc_packet(&w.dcs[i], packet, len);
		return 0;
	}
	if (w.question) /* no amplification, whatever it is */
		assert_true(len <= w.question);
	w.sent_count++;
	w.sent_all++;
	sent->to = *to;
	sent->len = len;
	sent->other = other;
	memcpy(sent->packet, packet, len);
	return 0;
}

static unsigned int io_candidates(void *ctx, struct ntm_candidate *out, unsigned int max)
{
	(void)ctx;
	assert_true(max >= 2);
	out[0] = (struct ntm_candidate){ .addr = test_addr("198.51.100.9") };
	out[1] = (struct ntm_candidate){ .addr = test_addr("[2001:db8::9]") };
	return 2;
}

static uint32_t io_cpu(void *ctx, uint64_t now_ms)
{
	(void)ctx;
	(void)now_ms;
	return w.cpu;
}

static const struct ntm_rs_io io = { .send = io_send, .candidates = io_candidates, .cpu = io_cpu };

/* A data plane that counts */

static int plane_bind(struct ntm_rs_plane *plane, const struct ntm_rs_path *path, unsigned int end,
		      const union ntm_addr *addr)
{
	(void)plane;
	(void)path;
	assert_true(end < 2);
	if (w.plane_fail)
		return w.plane_fail;
	w.plane_binds += addr != NULL;
	return 0;
}

static int plane_rate(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	(void)plane;
	(void)path;
	return 0;
}

static int plane_del(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	(void)plane;
	(void)path;
	w.plane_dels++;
	return 0;
}

static void plane_totals(struct ntm_rs_plane *plane, struct ntm_rs_totals *totals)
{
	(void)plane;
	totals->packets = totals->mark = w.plane_packets;
	totals->bytes = w.plane_bytes;
	totals->age_ms = w.plane_read_ms ? w.now_ms - w.plane_read_ms : 0;
}

static const struct ntm_rs_plane_ops plane_ops = { .name = "test",
						   .bind = plane_bind,
						   .rate = plane_rate,
						   .del = plane_del,
						   .totals = plane_totals };

/* The world */

static void arrive(void)
{
	while (w.queued) {
		uint8_t packet[NTM_DATAGRAM_MAX];
		const union ntm_addr *from = &w.queue_of[0]->addr;
		const size_t len = w.queue_len[0];

		memcpy(packet, w.queue[0], len);
		w.queued--;
		memmove(w.queue[0], w.queue[1], sizeof(w.queue[0]) * w.queued);
		memmove(w.queue_len, w.queue_len + 1, sizeof(w.queue_len[0]) * w.queued);
		memmove(w.queue_of, w.queue_of + 1, sizeof(w.queue_of[0]) * w.queued);
		ntm_rs_core_packet(&w.core, packet, len, from, false, w.now_ms);
	}
}

static void live(uint64_t for_ms)
{
	const uint64_t end = w.now_ms + for_ms;

	for (;;) {
		uint64_t at;

		arrive();
		at = ntm_rs_core_deadline(&w.core);
		if (at > end)
			break;
		if (at > w.now_ms)
			w.now_ms = at;
		ntm_rs_core_tick(&w.core, w.now_ms);
		arrive();
		assert_true(ntm_rs_core_deadline(&w.core) >
			    w.now_ms); /* or the daemon would spin */
	}
	w.now_ms = end;
	w.core.now_ms = end;
}

static void start(void)
{
	ntm_noise_generate(&w.core.self);
	ntm_rs_core_init(&w.core, &w.config, &io, NULL, w.now_ms);
	assert_int_equal(ntm_rs_core_plane(&w.core, &plane_ops, (struct ntm_rs_plane *)&w), 0);
	assert_int_equal(ntm_rs_dcs_open(&w.core), 0);
}

static int begin(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	strcpy(w.state, "/tmp/ntm-rs-test-XXXXXX");
	assert_non_null(mkdtemp(w.state));
	ntm_log_init("test", NTM_LOG_ERROR);
	w.now_ms = 10000000;
	strcpy(w.config.state, w.state);
	w.config.limits = (struct ntm_rs_limits){ .paths = 100, .node_paths = 50 };
	w.dcs[0].addr = test_addr("192.0.2.1");
	w.dcs[1].addr = test_addr("192.0.2.2");
	w.dcs[0].response = w.dcs[1].response = -1;
	w.dcs[0].path_id = w.dcs[1].path_id = ID;
	for (unsigned int i = 0; i < 2; i++)
		ntm_noise_generate(&w.dcs[i].key);
	start();
	return 0;
}

static void file_of(const struct dc *dc, char path[128])
{
	char key[NTM_KEY_STR];

	ntm_key_str(dc->key.public, key);
	snprintf(path, 128, "%s/dc-%s", w.state, key);
}

static int end(void **state)
{
	char path[128];

	(void)state;
	ntm_rs_core_done(&w.core);
	for (unsigned int i = 0; i < 2; i++) {
		file_of(&w.dcs[i], path);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(w.state), 0);
	return 0;
}

static void on_joined(void *who, const struct ntm_rs_dc *d, int code, const char *text)
{
	(void)d;
	assert_ptr_equal(who, &w);
	assert_int_equal(w.joined, -1);
	w.joined = code;
	snprintf(w.joined_text, sizeof(w.joined_text), "%s", text);
}

static void join_only(const struct dc *dc)
{
	struct ntm_join where = { .addr_count = 1, .addrs = { dc->addr } };

	memcpy(where.dc_key, dc->key.public, sizeof(where.dc_key));
	memset(where.token, 7, sizeof(where.token));
	w.joined = -1;
	assert_int_equal(ntm_rs_dcs_join(&w.core, &where, on_joined, &w), 0);
	arrive();
	live(10);
}

static void join(const struct dc *dc)
{
	join_only(dc);
	assert_int_equal(w.joined, NTM_EXIT_OK);
}

static const uint8_t psk[32] = { 9 };

static struct ntm_msg direction(uint32_t lifetime, uint8_t key_change)
{
	struct ntm_msg m = {
		.type = NTM_MSG_RELAY_DIRECTION, .path_id = ID, .lifetime = lifetime, .end_count = 2
	};

	for (uint8_t i = 0; i < 2; i++) {
		m.ends[i].role = i + 1;
		m.ends[i].node[0] = i + 1;
		ntm_relay_end_key(m.ends[i].key, psk, w.core.self.public, i + 1);
	}
	m.ends[1].key[0] ^= key_change;
	NTM_SET(&m, PATH_ID);
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, END);
	return m;
}

static int give_direction(struct dc *dc, struct ntm_msg *m)
{
	m->request_id = ++dc->direction_id;
	dc->path_id = m->path_id;
	dc->response = -1;
	dc_say(dc, m);
	arrive();
	return dc->response;
}

static int direct_with(struct dc *dc, uint8_t key_change)
{
	struct ntm_msg m = direction(60, key_change);

	return give_direction(dc, &m);
}

static int direct(struct dc *dc)
{
	return direct_with(dc, 0);
}

/* Packets of ends */

static void give_to(const uint8_t *packet, size_t len, const char *from, bool other)
{
	const union ntm_addr addr = test_addr(from);

	w.sent_count = 0;
	w.question = len;
	ntm_rs_core_packet(&w.core, packet, len, &addr, other, w.now_ms);
	w.question = 0;
}

static void give(const uint8_t *packet, size_t len, const char *from)
{
	give_to(packet, len, from, false);
}

static void make_bind(uint8_t out[NTM_RELAY_BIND_LEN], uint8_t role, const uint8_t cookie[16])
{
	struct ntm_relay_bind bind = { .path_id = ID, .role = role };
	uint8_t key[NTM_RELAY_KEY];

	if (cookie)
		memcpy(bind.cookie, cookie, sizeof(bind.cookie));
	randombytes_buf(bind.nonce, sizeof(bind.nonce));
	ntm_relay_end_key(key, psk, w.core.self.public, role);
	ntm_relay_put_bind(out, &bind, key);
}

/* The answer to the Bind that was given last: an enum ntm_relay_status, -1: none */
static int answered(const uint8_t bind[NTM_RELAY_BIND_LEN], const char *from,
		    struct ntm_relay_bind *bound)
{
	const union ntm_addr addr = test_addr(from);
	const struct sent *sent = &w.sent[0];
	uint8_t key[NTM_RELAY_KEY];

	memset(bound, 0, sizeof(*bound));
	if (!w.sent_count)
		return -1;
	assert_int_equal(w.sent_count, 1);
	assert_true(ntm_addr_equal(&sent->to, &addr));
	assert_false(sent->other);
	assert_int_equal(sent->packet[0], NTM_PKT_RELAY_BOUND);
	assert_true(ntm_relay_get(bound, sent->packet, sent->len));
	ntm_relay_end_key(key, psk, w.core.self.public, bind[8]);
	assert_true(ntm_relay_authentic(sent->packet, key));
	assert_memory_equal(bound->nonce, bind + 32, 16);
	assert_true(ntm_addr_equal(&bound->observed, &addr));
	return bound->status;
}

static int try_bind(const uint8_t bind[NTM_RELAY_BIND_LEN], const char *from,
		    struct ntm_relay_bind *bound)
{
	give(bind, NTM_RELAY_BIND_LEN, from);
	return answered(bind, from, bound);
}

/* As a node does; the Bind that worked is in @out */
static void bind_end(uint8_t role, const char *from, uint8_t out[NTM_RELAY_BIND_LEN])
{
	struct ntm_relay_bind bound;

	make_bind(out, role, NULL);
	assert_int_equal(try_bind(out, from, &bound), NTM_RELAY_COOKIE);
	make_bind(out, role, bound.cookie);
	assert_int_equal(try_bind(out, from, &bound), NTM_RELAY_BOUND);
	assert_int_equal(bound.lifetime, 60);
}

static size_t make_relayed(uint8_t *out, uint32_t id, uint8_t type, size_t len)
{
	uint8_t inner[NTM_DATAGRAM_MAX] = { type, NTM_PROTOCOL_VERSION };

	return ntm_relay_wrap(id, inner, len, out, NTM_DATAGRAM_MAX);
}

static void drops(enum ntm_rs_drop why, uint64_t n)
{
	uint64_t all = 0;

	assert_int_equal(w.core.drops[why], n);
	for (unsigned int i = 0; i < NTM_RS_DROPS; i++)
		all += w.core.drops[i];
	assert_int_equal(all, n); /* and for no other reason */
	w.core.drops[why] = 0;
}

/* --- tests */

static void test_registers_as_a_relay(void **state)
{
	const struct ntm_msg *m = &w.dcs[0].last;
	char path[128];
	struct stat st;

	(void)state;
	join(&w.dcs[0]);
	assert_int_equal(w.dcs[0].registrations, 1);
	assert_int_equal(m->role, NTM_ROLE_RELAY);
	assert_true(NTM_HAS(m, LOAD) && NTM_HAS(m, TOKEN));
	assert_int_equal(m->candidate_count, 2);
	assert_string_equal(w.core.dcs.first->name, "relay.one.example");
	file_of(&w.dcs[0], path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* From its files, without a token */
static void test_comes_back_after_a_restart(void **state)
{
	(void)state;
	join(&w.dcs[0]);
	join(&w.dcs[1]);
	ntm_rs_core_done(&w.core);
	memset(&w.core, 0, sizeof(w.core));
	for (unsigned int i = 0; i < 2; i++)
		w.dcs[i].has_session = false;
	start();
	assert_int_equal(w.core.dcs.count, 2);
	live(100);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(w.dcs[i].registrations, 2);
		assert_false(NTM_HAS(&w.dcs[i].last, TOKEN));
	}
}

static void test_a_refused_join_leaves_nothing(void **state)
{
	char path[128];

	(void)state;
	w.dcs[0].refuse = NTM_ST_TOKEN;
	join_only(&w.dcs[0]);
	assert_int_equal(w.joined, NTM_EXIT_ERROR);
	assert_non_null(strstr(w.joined_text, ntm_status_name(NTM_ST_TOKEN)));
	live(1000);
	assert_int_equal(w.core.dcs.count, 0);
	file_of(&w.dcs[0], path);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_a_node_s_name_is_not_a_relay_s(void **state)
{
	(void)state;
	w.dcs[0].not_a_relay = true;
	join_only(&w.dcs[0]);
	assert_int_equal(w.joined, NTM_EXIT_ERROR);
	assert_non_null(strstr(w.joined_text, "--relay"));
}

static void test_a_deaf_dc(void **state)
{
	(void)state;
	w.dcs[0].deaf = true;
	join_only(&w.dcs[0]);
	assert_int_equal(w.joined, -1);
	live(15000);
	assert_int_equal(w.joined, NTM_EXIT_UNREACHABLE);
	w.dcs[0].deaf = false;
	live(31000);
	assert_int_equal(w.dcs[0].registrations, 1);
}

static void test_leave(void **state)
{
	char path[128];

	(void)state;
	join(&w.dcs[0]);
	join(&w.dcs[1]);
	assert_int_equal(ntm_rs_dcs_leave(&w.core, "three.example"), -ENOENT);
	assert_int_equal(ntm_rs_dcs_leave(&w.core, "one.example"), 0);
	live(1000);
	assert_int_equal(w.dcs[0].goodbyes, 1);
	assert_int_equal(w.dcs[1].goodbyes, 0);
	assert_int_equal(w.core.dcs.count, 1);
	file_of(&w.dcs[0], path);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(direct(&w.dcs[1]), NTM_ST_OK);
}

static void test_directions(void **state)
{
	(void)state;
	join(&w.dcs[0]);
	join(&w.dcs[1]);
	assert_int_equal(direct(&w.dcs[0]), NTM_ST_OK);
	assert_int_equal(direct(&w.dcs[0]), NTM_ST_OK);
	assert_int_equal(direct_with(&w.dcs[0], 1), NTM_ST_REFUSED);
	assert_int_equal(direct(&w.dcs[1]), NTM_ST_REFUSED);
	assert_int_equal(w.core.counters[NTM_RS_DIRECTIONS], 2);
	assert_int_equal(w.core.counters[NTM_RS_DIRECTIONS_REFUSED], 2);
	w.core.paths.limits.paths = 1;
	live(62000); /* it is forgotten */
	w.core.paths.limits.paths = 0;
	assert_int_equal(direct(&w.dcs[0]), NTM_ST_BUSY);
}

/* What a DC may say, and no more; and nobody else at all */
static void test_forged_directions(void **state)
{
	struct ntm_msg m = { .type = NTM_MSG_ROUTE_DIRECTION, .request_id = 1 };
	struct ntm_session stranger = { .remote_id = 77, .tx_key = { 1 } };
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len;

	(void)state;
	join(&w.dcs[0]);
	m = direction(60, 0);
	len = ntm_session_seal(&stranger, &m, packet, sizeof(packet));
	give(packet, (size_t)len, "203.0.113.66");
	drops(NTM_RS_DROP_SESSION, 1);
	stranger.remote_id = w.dcs[0].session.remote_id;
	len = ntm_session_seal(&stranger, &m, packet, sizeof(packet));
	give(packet, (size_t)len, "192.0.2.1");
	drops(NTM_RS_DROP_AUTH, 1);
	len = ntm_session_seal(&w.dcs[0].session, &m, packet, sizeof(packet));
	give(packet, (size_t)len, "192.0.2.1");
	give(packet, (size_t)len, "192.0.2.1");
	drops(NTM_RS_DROP_REPLAY, 1);
	m = (struct ntm_msg){ .type = NTM_MSG_TUNNEL_CLOSE, .status = NTM_ST_GOING_AWAY };
	NTM_SET(&m, STATUS);
	dc_say(&w.dcs[0], &m);
	arrive();
	drops(NTM_RS_DROP_MALFORMED, 1);
	assert_int_equal(ntm_rs_paths_count(&w.core.paths), 1);
}

static void test_bind(void **state)
{
	uint8_t bind[NTM_RELAY_BIND_LEN];
	struct ntm_relay_bind bound;

	(void)state;
	join(&w.dcs[0]);
	make_bind(bind, 1, NULL);
	assert_int_equal(try_bind(bind, "203.0.113.1", &bound), -1);
	drops(NTM_RS_DROP_PATH, 1);
	direct(&w.dcs[0]);
	assert_int_equal(try_bind(bind, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
	assert_int_equal(w.plane_binds, 0);
	assert_int_equal(w.core.paths.carried, 0);
	bind_end(1, "203.0.113.1", bind);
	assert_int_equal(w.plane_binds, 1);
	bind_end(2, "[2001:db8::7]:999", bind);
	assert_int_equal(w.plane_binds, 2);
	/* The same again, as every second */
	assert_int_equal(try_bind(bind, "[2001:db8::7]:999", &bound), NTM_RELAY_BOUND);
	assert_int_equal(w.plane_binds, 2);
	live(62000);
	assert_int_equal(w.plane_dels, 1);
}

static void test_binds_that_are_not_good(void **state)
{
	uint8_t bind[NTM_RELAY_BIND_LEN], bad[NTM_RELAY_BIND_LEN];
	struct ntm_relay_bind bound;

	(void)state;
	join(&w.dcs[0]);
	direct(&w.dcs[0]);
	make_bind(bind, 1, NULL);
	for (unsigned int bit = 0; bit < sizeof(bind) * 8; bit++) {
		memcpy(bad, bind, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		give(bad, sizeof(bad), "203.0.113.1");
		assert_int_equal(w.sent_count, 0);
	}
	for (size_t len = 0; len < sizeof(bind); len++) {
		give(bind, len, "203.0.113.1");
		assert_int_equal(w.sent_count, 0);
	}
	/* A right mac over what no Bind has */
	for (unsigned int i = 0; i < 3; i++) {
		struct ntm_relay_bind odd = { .path_id = ID, .role = 1 };
		uint8_t key[NTM_RELAY_KEY];

		odd.status = i == 0;
		odd.lifetime = i == 1;
		if (i == 2)
			odd.observed = test_addr("203.0.113.1");
		ntm_relay_end_key(key, psk, w.core.self.public, 1);
		ntm_relay_put_bind(bad, &odd, key);
		give(bad, sizeof(bad), "203.0.113.1");
		assert_int_equal(w.sent_count, 0);
	}
	/* At the other port */
	give_to(bind, sizeof(bind), "203.0.113.1", true);
	assert_int_equal(w.sent_count, 0);
	/* The other end's key */
	make_bind(bad, 2, NULL);
	bad[8] = 1;
	give(bad, sizeof(bad), "203.0.113.1");
	assert_int_equal(w.sent_count, 0);
	assert_int_equal(w.core.paths.carried, 0);
	/* A cookie of the other end, or made up */
	make_bind(bad, 2, NULL);
	assert_int_equal(try_bind(bad, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
	make_bind(bad, 1, bound.cookie);
	assert_int_equal(try_bind(bad, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
	assert_int_equal(w.core.paths.carried, 0);
}

/* Somebody saw a Bind that worked, and sends it again from somewhere else */
static void test_a_replayed_bind_from_elsewhere(void **state)
{
	const union ntm_addr a = test_addr("203.0.113.1");
	uint8_t bind[NTM_RELAY_BIND_LEN];
	struct ntm_relay_bind bound;

	(void)state;
	join(&w.dcs[0]);
	direct(&w.dcs[0]);
	bind_end(1, "203.0.113.1", bind);
	assert_int_equal(try_bind(bind, "203.0.113.66", &bound), NTM_RELAY_COOKIE);
	assert_int_equal(try_bind(bind, "203.0.113.1:1", &bound), NTM_RELAY_COOKIE);
	assert_int_equal(ntm_rs_path_side(ntm_rs_paths_find(&w.core.paths, ID), &a), 0);
	assert_int_equal(w.plane_binds, 1);
	/* The cookie that it got is of no use without the key */
	memcpy(bind + 16, bound.cookie, 16);
	assert_int_equal(try_bind(bind, "203.0.113.66", &bound), -1);
	drops(NTM_RS_DROP_MAC, 1);
}

/* And somebody who can feign sources sends one of before a move: the end stays where it went */
static void test_a_replayed_bind_of_before_a_move(void **state)
{
	const union ntm_addr b = test_addr("203.0.113.2");
	uint8_t before[NTM_RELAY_BIND_LEN], after[NTM_RELAY_BIND_LEN], again[NTM_RELAY_BIND_LEN];
	struct ntm_relay_bind bound;
	struct ntm_rs_path *path;

	(void)state;
	join(&w.dcs[0]);
	direct(&w.dcs[0]);
	bind_end(1, "203.0.113.1", before);
	bind_end(1, "203.0.113.2", after);
	path = ntm_rs_paths_find(&w.core.paths, ID);
	assert_int_equal(ntm_rs_path_side(path, &b), 0);
	assert_int_equal(try_bind(before, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
	assert_int_equal(ntm_rs_path_side(path, &b), 0);
	assert_int_equal(try_bind(after, "203.0.113.2", &bound), NTM_RELAY_BOUND);
	/* The end itself may go back */
	bind_end(1, "203.0.113.1", again);
	assert_int_equal(try_bind(after, "203.0.113.2", &bound), NTM_RELAY_COOKIE);
	/* Nor does it help to wait until nothing is bound */
	live(40000);
	direct(&w.dcs[0]);
	live(22000);
	assert_int_equal(path->carried, false);
	assert_int_equal(try_bind(before, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
	assert_int_equal(try_bind(again, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
	bind_end(1, "203.0.113.1", again);
}

/* Bound brings the cookie for later: who binds every second is never asked for one again */
static void test_cookies_outlive_their_secret(void **state)
{
	uint8_t bind[NTM_RELAY_BIND_LEN], old[NTM_RELAY_BIND_LEN];
	struct ntm_relay_bind bound;

	(void)state;
	join(&w.dcs[0]);
	direct(&w.dcs[0]);
	bind_end(1, "203.0.113.1", old);
	assert_int_equal(try_bind(old, "203.0.113.1", &bound), NTM_RELAY_BOUND);
	for (unsigned int i = 0; i < 600; i++) {
		live(1000);
		make_bind(bind, 1, bound.cookie);
		assert_int_equal(try_bind(bind, "203.0.113.1", &bound), NTM_RELAY_BOUND);
	}
	assert_int_equal(w.core.counters[NTM_RS_COOKIES], 1);
	assert_int_equal(try_bind(old, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
}

static void test_no_room_in_the_plane(void **state)
{
	uint8_t bind[NTM_RELAY_BIND_LEN];
	struct ntm_relay_bind bound;

	(void)state;
	join(&w.dcs[0]);
	direct(&w.dcs[0]);
	w.plane_fail = -ENOMEM;
	make_bind(bind, 1, NULL);
	assert_int_equal(try_bind(bind, "203.0.113.1", &bound), NTM_RELAY_COOKIE);
	make_bind(bind, 1, bound.cookie);
	assert_int_equal(try_bind(bind, "203.0.113.1", &bound), NTM_RELAY_BUSY);
	w.plane_fail = 0;
	assert_int_equal(try_bind(bind, "203.0.113.1", &bound), NTM_RELAY_BOUND);
	/* Another plane gets what is bound */
	w.plane_binds = 0;
	assert_int_equal(ntm_rs_core_plane(&w.core, &plane_ops, (struct ntm_rs_plane *)&w), 0);
	assert_int_equal(w.plane_binds, 1);
	assert_int_equal(ntm_rs_core_plane(&w.core, NULL, NULL), 0);
	make_bind(bind, 2, NULL);
	assert_int_equal(try_bind(bind, "203.0.113.2", &bound), NTM_RELAY_COOKIE);
	make_bind(bind, 2, bound.cookie);
	assert_int_equal(try_bind(bind, "203.0.113.2", &bound), NTM_RELAY_BUSY);
}

static void test_signalling_passes_between_ends(void **state)
{
	static const uint8_t good[] = { NTM_PKT_TUNNEL_REQUEST, NTM_PKT_TUNNEL_RESPONSE,
					NTM_PKT_COOKIE_REPLY, NTM_PKT_SEALED };
	const union ntm_addr a = test_addr("203.0.113.1"), b = test_addr("[2001:db8::7]");
	uint8_t packet[NTM_DATAGRAM_MAX], bind[NTM_RELAY_BIND_LEN];
	size_t len;

	(void)state;
	join(&w.dcs[0]);
	len = make_relayed(packet, ID, NTM_PKT_SEALED, 100);
	give(packet, len, "203.0.113.1");
	drops(NTM_RS_DROP_PATH, 1);
	direct(&w.dcs[0]);
	give(packet, len, "203.0.113.1");
	drops(NTM_RS_DROP_SOURCE, 1);
	bind_end(1, "203.0.113.1", bind);
	give(packet, len, "203.0.113.1");
	drops(NTM_RS_DROP_UNBOUND, 1);
	bind_end(2, "[2001:db8::7]", bind);
	for (unsigned int i = 0; i < sizeof(good); i++) {
		len = make_relayed(packet, ID, good[i], 100 + i);
		give(packet, len, "203.0.113.1");
		assert_int_equal(w.sent_count, 1);
		assert_true(ntm_addr_equal(&w.sent[0].to, &b));
		assert_int_equal(w.sent[0].len, len);
		assert_memory_equal(w.sent[0].packet, packet, len);
		give(packet, len, "[2001:db8::7]");
		assert_true(ntm_addr_equal(&w.sent[0].to, &a));
	}
	assert_int_equal(w.core.counters[NTM_RS_RELAYED], 8);
	give(packet, len, "203.0.113.1:1");
	give(packet, len, "203.0.113.66");
	assert_int_equal(w.sent_count, 0);
	drops(NTM_RS_DROP_SOURCE, 2);
	for (unsigned int type = 0; type < 256; type++) {
		if (memchr(good, (int)type, sizeof(good)))
			continue;
		len = make_relayed(packet, ID, (uint8_t)type, 100);
		give(packet, len, "203.0.113.1");
		assert_int_equal(w.sent_count, 0);
	}
	drops(NTM_RS_DROP_MALFORMED, 256 - sizeof(good));
}

static void test_a_flood_of_signalling(void **state)
{
	uint8_t packet[NTM_DATAGRAM_MAX], bind[NTM_RELAY_BIND_LEN];
	size_t len;

	(void)state;
	join(&w.dcs[0]);
	direct(&w.dcs[0]);
	bind_end(1, "203.0.113.1", bind);
	bind_end(2, "203.0.113.2", bind);
	len = make_relayed(packet, ID, NTM_PKT_SEALED, 100);
	for (unsigned int i = 0; i < 1000; i++)
		give(packet, len, "203.0.113.1");
	assert_int_equal(w.core.counters[NTM_RS_RELAYED], 200);
	drops(NTM_RS_DROP_RATE, 800);
	live(1000);
	for (unsigned int i = 0; i < 1000; i++)
		give(packet, len, "203.0.113.2");
	assert_int_equal(w.core.counters[NTM_RS_RELAYED], 250);
}

static void test_foreign_packets(void **state)
{
	uint8_t packet[200] = { 0, NTM_PROTOCOL_VERSION };

	(void)state;
	join(&w.dcs[0]);
	for (unsigned int type = 0; type < 256; type++) {
		packet[0] = (uint8_t)type;
		give(packet, sizeof(packet), "203.0.113.1");
		give(packet, 3, "203.0.113.1");
		give_to(packet, sizeof(packet), "203.0.113.1", true);
	}
	packet[0] = NTM_PKT_RELAY_BIND;
	for (unsigned int i = 1; i < 4; i++) {
		packet[i] ^= 4;
		give(packet, NTM_RELAY_BIND_LEN, "203.0.113.1");
		packet[i] ^= 4;
	}
	assert_int_equal(w.sent_all, 0);
}

static void make_probe(uint8_t out[NTM_RELAY_PROBE_LEN], bool other, uint16_t port)
{
	struct ntm_relay_probe probe = { .nonce = "nonce", .other_port = other, .to_port = port };

	ntm_relay_put_probe(out, &probe, false, w.core.self.public);
}

static void check_probe(const struct sent *sent, const char *from, const char *to, bool other)
{
	const union ntm_addr seen = test_addr(from), addr = test_addr(to);
	struct ntm_relay_probe probe;

	assert_int_equal(sent->packet[0], NTM_PKT_RELAY_PROBE_RESPONSE);
	assert_true(ntm_relay_get_probe(&probe, sent->packet, sent->len, w.core.self.public));
	assert_string_equal((const char *)probe.nonce, "nonce");
	assert_true(ntm_addr_equal(&probe.observed, &seen));
	assert_true(ntm_addr_equal(&sent->to, &addr));
	assert_int_equal(sent->other, other);
}

static void test_probes(void **state)
{
	uint8_t probe[NTM_RELAY_PROBE_LEN];

	(void)state;
	for (unsigned int at = 0; at < 2; at++) {
		for (unsigned int asked = 0; asked < 2; asked++) {
			make_probe(probe, asked, 0);
			give_to(probe, sizeof(probe), "203.0.113.1:77", at);
			assert_int_equal(w.sent_count, 1);
			check_probe(&w.sent[0], "203.0.113.1:77", "203.0.113.1:77", at != asked);
		}
	}
	/* To another port, but never to another address */
	make_probe(probe, true, 4444);
	give(probe, sizeof(probe), "203.0.113.1:77");
	check_probe(&w.sent[0], "203.0.113.1:77", "203.0.113.1:4444", true);
	give(probe, sizeof(probe), "[2001:db8::7]:77");
	check_probe(&w.sent[0], "[2001:db8::7]:77", "[2001:db8::7]:4444", true);
	for (unsigned int bit = 0; bit < sizeof(probe) * 8; bit++) {
		probe[bit / 8] ^= (uint8_t)(1 << bit % 8);
		give(probe, sizeof(probe), "203.0.113.1");
		assert_int_equal(w.sent_count, 0);
		probe[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* A response is not answered */
	make_probe(probe, false, 0);
	give(probe, sizeof(probe), "203.0.113.1");
	memcpy(probe, w.sent[0].packet, sizeof(probe));
	give(probe, sizeof(probe), "203.0.113.1");
	assert_int_equal(w.sent_count, 0);
}

/* The answer to a long probe is a short one */
static void test_padded_probes(void **state)
{
	uint8_t probe[NTM_RELAY_PROBE_MAX + 1] = { 0 };

	(void)state;
	make_probe(probe, false, 0);
	give(probe, NTM_RELAY_PROBE_MAX, "203.0.113.1:77");
	check_probe(&w.sent[0], "203.0.113.1:77", "203.0.113.1:77", false);
	assert_int_equal(w.sent[0].len, NTM_RELAY_PROBE_LEN);
	give(probe, NTM_RELAY_PROBE_MAX + 1, "203.0.113.1:77");
	assert_int_equal(w.sent_count, 0);
	drops(NTM_RS_DROP_MALFORMED, 1);
}

static void test_probes_are_limited(void **state)
{
	uint8_t probe[NTM_RELAY_PROBE_LEN];

	(void)state;
	make_probe(probe, false, 0);
	for (unsigned int i = 0; i < 1500; i++)
		give(probe, sizeof(probe), "203.0.113.1");
	assert_int_equal(w.sent_all, 1000);
	drops(NTM_RS_DROP_RATE, 500);
	live(1000);
	give(probe, sizeof(probe), "203.0.113.1");
	assert_int_equal(w.sent_all, 1001);
}

static void test_load(void **state)
{
	struct ntm_rs_load load = { .cpu = 300 };

	(void)state;
	assert_int_equal(ntm_rs_load_of(&load, 0, 1000, 0), 300);
	assert_int_equal(ntm_rs_load_of(&load, 500, 1000, 0), 500);
	assert_int_equal(ntm_rs_load_of(&load, 2000, 1000, 0), 1000);
	load.rate = 900;
	assert_int_equal(ntm_rs_load_of(&load, 500, 1000, 0), 500);
	assert_int_equal(ntm_rs_load_of(&load, 500, 1000, 1000), 900);
	assert_int_equal(ntm_rs_load_of(&load, 500, 1000, 100), 1000);
}

/* A DC hears of a load that changed by 50 or more, and not of each second's */
static void test_load_is_told(void **state)
{
	unsigned int before;

	(void)state;
	join(&w.dcs[0]);
	w.cpu = 45;
	live(60000);
	assert_int_equal(w.dcs[0].registrations, 1);
	w.cpu = 400;
	live(60000);
	before = w.dcs[0].registrations;
	assert_in_range(before, 2, 9); /* on the way there, but not every second */
	assert_in_range(w.dcs[0].load, 350, 400);
	for (unsigned int i = 0; i < 60; i++) {
		w.cpu = i % 2 ? 410 : 390;
		live(1000);
	}
	assert_int_equal(w.dcs[0].registrations, before);
	for (unsigned int i = 0; i < 60; i++) { /* up and down */
		w.cpu = i % 2 ? 1000 : 0;
		live(1000);
	}
	assert_in_range(w.dcs[0].registrations, before, before + 30);
	w.cpu = 0;
	w.config.bandwidth = w.core.config.bandwidth = 1000;
	for (unsigned int i = 0; i < 60; i++) {
		w.plane_bytes += 900;
		live(1000);
	}
	assert_in_range(w.dcs[0].load, 850, 900);
}

/* With many paths the counters tell of 12 s at a time, and of nothing new in between */
static void test_load_of_counters_read_seldom(void **state)
{
	uint64_t read_ms = 0;

	(void)state;
	join(&w.dcs[0]);
	w.config.bandwidth = w.core.config.bandwidth = 100000;
	for (unsigned int i = 0; i < 120; i++) {
		const uint32_t load = ntm_rs_core_load(&w.core, 1000);

		if (i % 12 == 0) {
			w.plane_bytes += i ? 12 * 60000 : 0;
			read_ms = w.now_ms;
		}
		w.plane_read_ms = read_ms + i % 3; /* the same one, by two clocks */
		live(1000);
		assert_in_range(ntm_rs_core_load(&w.core, 1000), load, 600);
	}
	assert_in_range(w.dcs[0].load, 580, 600);
	for (unsigned int i = 0; i < 4; i++) {
		w.plane_read_ms += 12000;
		live(12000);
	}
	assert_in_range(ntm_rs_core_load(&w.core, 1000), 0, 10);
}

/* One that has used up what it may is told that we are full, and another one is not */
static void test_load_is_of_the_paths_that_a_dc_may_use(void **state)
{
	(void)state;
	join(&w.dcs[0]);
	join(&w.dcs[1]);
	for (uint8_t i = 0; i < 100; i++) {
		struct ntm_msg m = direction(60, 0);

		m.path_id = 1000u + i;
		m.ends[0].node[1] = m.ends[1].node[1] = i;
		assert_int_equal(give_direction(&w.dcs[0], &m), i < 75 ? NTM_ST_OK : NTM_ST_BUSY);
	}
	live(5000);
	assert_int_equal(w.dcs[0].load, 1000);
	assert_int_equal(w.dcs[1].load, 750);
	assert_int_equal(ntm_rs_dcs_leave(&w.core, "two.example"), 0);
	live(5000);
	assert_int_equal(w.dcs[0].load, 750);
}

/* The machine's own figures: nothing is above its bound */
static void test_cpu(void **state)
{
	struct ntm_rs_cpu cpu = { 0 };

	(void)state;
	assert_int_equal(ntm_rs_cpu_share(&cpu, 1000), 0);
	usleep(300000);
	assert_in_range(ntm_rs_cpu_share(&cpu, 1300), 0, 1000);
	assert_true(cpu.total[0] > 0);
}

static void test_drain(void **state)
{
	uint8_t bind[NTM_RELAY_BIND_LEN];
	struct ntm_relay_bind bound;

	(void)state;
	join(&w.dcs[0]);
	join(&w.dcs[1]);
	direct(&w.dcs[0]);
	bind_end(1, "203.0.113.1", bind);
	ntm_rs_core_drain(&w.core, w.now_ms);
	arrive();
	live(500);
	assert_int_equal(w.dcs[0].goodbyes, 1);
	assert_int_equal(w.dcs[1].goodbyes, 1);
	assert_int_equal(direct(&w.dcs[1]), NTM_ST_GOING_AWAY);
	for (unsigned int s = 0; s < 30; s++) { /* it is used */
		w.plane_packets++;
		live(1000);
		assert_false(ntm_rs_core_drained(&w.core, w.now_ms));
	}
	/* The end is told, and goes on being forwarded for: it binds elsewhere, and leaves */
	assert_int_equal(try_bind(bind, "203.0.113.1", &bound), NTM_RELAY_BUSY);
	assert_int_equal(w.core.counters[NTM_RS_BUSY], 1);
	assert_int_equal(w.plane_dels, 0);
	assert_int_equal(w.core.paths.carried, 1);
	live(4000);
	assert_false(ntm_rs_core_drained(&w.core, w.now_ms));
	live(2000);
	assert_true(ntm_rs_core_drained(&w.core, w.now_ms));
	assert_int_equal(w.dcs[0].registrations, 1);
}

/* With many paths they are read every 12 s, for a second */
static void test_drain_knows_how_old_the_counters_are(void **state)
{
	(void)state;
	join(&w.dcs[0]);
	w.plane_read_ms = w.now_ms - 1000;
	live(10500);
	ntm_rs_core_drain(&w.core, w.now_ms);
	arrive();
	for (unsigned int s = 0; s < 40; s++) { /* packets pass all the time */
		if (s % 12 == 4) {
			w.plane_packets += 12000;
			w.plane_read_ms = w.now_ms - 1000;
		}
		live(1000);
		assert_false(ntm_rs_core_drained(&w.core, w.now_ms));
	}
	w.plane_packets++; /* the last one */
	live(4000);
	w.plane_read_ms = w.now_ms;
	live(4000);
	assert_false(ntm_rs_core_drained(&w.core, w.now_ms)); /* it may have passed 4 s before */
	w.plane_read_ms = w.now_ms;
	live(1000);
	assert_true(ntm_rs_core_drained(&w.core, w.now_ms));
}

static void test_drain_ends(void **state)
{
	(void)state;
	w.dcs[0].deaf = false;
	join(&w.dcs[0]);
	w.dcs[0].deaf = true; /* nobody hears the goodbye */
	ntm_rs_core_drain(&w.core, w.now_ms);
	for (unsigned int s = 0; s < 59; s++) {
		w.plane_packets++;
		live(1000);
		assert_false(ntm_rs_core_drained(&w.core, w.now_ms));
	}
	w.plane_packets++;
	live(1100);
	assert_true(ntm_rs_core_drained(&w.core, w.now_ms));
}

static void test_drain_of_an_idle_one_is_quick(void **state)
{
	(void)state;
	join(&w.dcs[0]);
	live(10000);
	ntm_rs_core_drain(&w.core, w.now_ms);
	arrive();
	live(2100);
	assert_true(ntm_rs_core_drained(&w.core, w.now_ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_registers_as_a_relay, begin, end),
		cmocka_unit_test_setup_teardown(test_comes_back_after_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(test_a_refused_join_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_a_node_s_name_is_not_a_relay_s, begin, end),
		cmocka_unit_test_setup_teardown(test_a_deaf_dc, begin, end),
		cmocka_unit_test_setup_teardown(test_leave, begin, end),
		cmocka_unit_test_setup_teardown(test_directions, begin, end),
		cmocka_unit_test_setup_teardown(test_forged_directions, begin, end),
		cmocka_unit_test_setup_teardown(test_bind, begin, end),
		cmocka_unit_test_setup_teardown(test_binds_that_are_not_good, begin, end),
		cmocka_unit_test_setup_teardown(test_a_replayed_bind_from_elsewhere, begin, end),
		cmocka_unit_test_setup_teardown(test_a_replayed_bind_of_before_a_move, begin, end),
		cmocka_unit_test_setup_teardown(test_cookies_outlive_their_secret, begin, end),
		cmocka_unit_test_setup_teardown(test_no_room_in_the_plane, begin, end),
		cmocka_unit_test_setup_teardown(test_signalling_passes_between_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_a_flood_of_signalling, begin, end),
		cmocka_unit_test_setup_teardown(test_foreign_packets, begin, end),
		cmocka_unit_test_setup_teardown(test_probes, begin, end),
		cmocka_unit_test_setup_teardown(test_padded_probes, begin, end),
		cmocka_unit_test_setup_teardown(test_probes_are_limited, begin, end),
		cmocka_unit_test_setup_teardown(test_load, begin, end),
		cmocka_unit_test_setup_teardown(test_load_is_told, begin, end),
		cmocka_unit_test_setup_teardown(test_load_of_counters_read_seldom, begin, end),
		cmocka_unit_test_setup_teardown(test_load_is_of_the_paths_that_a_dc_may_use, begin,
						end),
		cmocka_unit_test_setup_teardown(test_cpu, begin, end),
		cmocka_unit_test_setup_teardown(test_drain, begin, end),
		cmocka_unit_test_setup_teardown(test_drain_knows_how_old_the_counters_are, begin,
						end),
		cmocka_unit_test_setup_teardown(test_drain_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_drain_of_an_idle_one_is_quick, begin, end),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
