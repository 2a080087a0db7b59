// SPDX-License-Identifier: GPL-2.0
// with: ntmd/rs/core.c ntmd/rs/bind.c ntmd/rs/probe.c ntmd/rs/dcs.c ntmd/rs/load.c ntmd/rs/paths.c
/*
 * All that comes to a relay server's ports: from strangers, from ends that have a key, and from two DCs with sessions. The input is a
 * list: a byte that says who sends what, a byte for its length in units of 5, and its bytes; of what is sealed or has a mac they are
 * what is inside; a request ID of 0xffffffff from a DC stands for that of the newest request to it. What leaves is watched: nothing goes to anybody but who asked and the other end, and no answer is longer than its
 * question; and the data plane holds what the table says.
 */
#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/log.h"
#include "ntmobile/wire.h"
#include "rs/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAW, OTHER_PORT, DC_SAYS, DIRECTED, BIND, RELAYED, PROBE, LATER }; /* kind & 7 */
/* Of the other DC, or other keys; from which of the addresses; the second end */
#define SECOND 8
#define REGISTERS 0x10 /* of a DC: after the relay server has asked for its lease once more */
#define NEW_SESSION \
	0x20 /* of a DC: the relay server connects anew, and this is the payload of the response, */
#define COOKIE 0x40 /* after a Cookie Reply */
#define WHERE(kind) (((kind) >> 4) & 3)
#define ROLE(kind) (1 + ((kind) >> 6 & 1))
#define WRONG 0x80
#define UNIT 5
#define IDS 4

static struct ntm_rs_core core;
static struct ntm_rs_config config;
static uint64_t now = 1000000;
static struct ntm_rs_dc *dcs[2];
static struct ntm_session dc_side[2];
static struct ntm_noise_keypair dc_key[2];
static uint8_t hello[NTM_DATAGRAM_MAX]; /* the last Session Request */
static size_t hello_len;
static union ntm_addr dc_addr[2], addrs[4];
static char directory[] = "/tmp/ntm-fuzz-XXXXXX";
static uint8_t cookie[16];
static const union ntm_addr *asker;
static size_t question;
static bool relayed;
static unsigned int carried[IDS + 1];

/* What leaves */

static bool is_dc(const union ntm_addr *to)
{
	return ntm_addr_equal(to, &dc_addr[0]) || ntm_addr_equal(to, &dc_addr[1]);
}

static bool same_host(const union ntm_addr *a, const union ntm_addr *b)
{
	union ntm_addr c = *a;

	c.v4.sin_port = b->v4.sin_port; /* at the same place in both families */
	return ntm_addr_equal(&c, b);
}

static int io_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len,
		   bool other)
{
	(void)ctx;
	(void)other;
	if (!len || !to->sa.sa_family)
		abort();
	if (packet[0] != NTM_PKT_RELAY_BOUND && packet[0] != NTM_PKT_RELAY_PROBE_RESPONSE &&
	    packet[0] != NTM_PKT_RELAYED) {
		if (!is_dc(to))
			abort(); /* a session, with whom nobody joined us to */
		if (packet[0] == NTM_PKT_SESSION_REQUEST) {
			memcpy(hello, packet, len);
			hello_len = len;
		}
		return 0;
	}
	if (!asker || len > question)
		abort();
	if (packet[0] == NTM_PKT_RELAYED ? !relayed : !same_host(to, asker))
		abort();
	if (packet[0] == NTM_PKT_RELAY_BOUND)
		memcpy(cookie, packet + 16, sizeof(cookie));
	return 0;
}

static unsigned int io_candidates(void *ctx, struct ntm_candidate *out, unsigned int max)
{
	(void)ctx;
	(void)max;
	out[0] = (struct ntm_candidate){ .addr = addrs[3] };
	return 1;
}

static uint32_t io_cpu(void *ctx, uint64_t now_ms)
{
	(void)ctx;
	(void)now_ms;
	return 0;
}

static const struct ntm_rs_io io = { .send = io_send, .candidates = io_candidates, .cpu = io_cpu };

/* A data plane that knows of each path how many ends are bound */

static unsigned int *ends_of(const struct ntm_rs_path *path)
{
	static unsigned int others[1];

	others[0] = 2; /* IDs that the input made up */
	return path->id <= IDS ? &carried[path->id] : others;
}

static int plane_bind(struct ntm_rs_plane *plane, const struct ntm_rs_path *path, unsigned int end,
		      const union ntm_addr *addr)
{
	unsigned int *ends = ends_of(path);

	(void)plane;
	if (end > 1 || (addr && !addr->sa.sa_family))
		abort();
	if (addr)
		*ends |= 1u << end;
	else
		*ends &= ~(1u << end);
	return 0;
}

static int plane_rate(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	(void)plane;
	if (!path->carried || !path->rate)
		abort();
	return 0;
}

static int plane_del(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	(void)plane;
	if (!*ends_of(path))
		abort();
	*ends_of(path) = 0;
	return 0;
}

static void plane_totals(struct ntm_rs_plane *plane, struct ntm_rs_totals *totals)
{
	(void)plane;
	*totals = (struct ntm_rs_totals){ .age_ms = 0 };
}

static const struct ntm_rs_plane_ops plane_ops = { .name = "fuzz",
						   .bind = plane_bind,
						   .rate = plane_rate,
						   .del = plane_del,
						   .totals = plane_totals };

static void check_plane(void)
{
	for (uint32_t id = 1; id <= IDS; id++) {
		const struct ntm_rs_path *path = ntm_rs_paths_find(&core.paths, id);
		unsigned int ends = 0;

		for (unsigned int i = 0; path && i < 2; i++)
			ends |= path->ends[i].addr.sa.sa_family ? 1u << i : 0;
		if (ends != carried[id] || (path && path->carried != !!ends))
			abort();
	}
}

/* A relay server that is registered with two DCs whose sessions are known here */

static void clean_up(void)
{
	for (unsigned int i = 0; i < 2; i++)
		dcs[i]->forget = true; /* with its file */
	ntm_rs_core_tick(&core, now);
	ntm_rs_core_done(&core);
	rmdir(directory);
}

static void on_joined(void *who, const struct ntm_rs_dc *d, int code, const char *text)
{
	(void)who;
	(void)d;
	(void)code;
	(void)text;
}

static void add_dc(unsigned int i)
{
	struct ntm_join where = { .addr_count = 1, .addrs = { dc_addr[i] } };

	ntm_noise_generate(&dc_key[i]);
	memcpy(where.dc_key, dc_key[i].public, sizeof(where.dc_key));
	if (ntm_rs_dcs_join(&core, &where, on_joined, NULL))
		abort();
	dcs[i] = core.dcs.first;
	dcs[i]->known = true; /* a refusal does not make it forgotten */
	dcs[i]->registered = true;
}

static void share_session(unsigned int i)
{
	struct ntm_session *s = &dcs[i]->dc.cur;

	memset(s, 0, sizeof(*s));
	s->local_id = 0x01010101 + i;
	s->remote_id = 0x02020202;
	s->tx_key[0] = 1;
	s->rx_key[0] = 2;
	ntm_requests_cancel_all(&dcs[i]->dc.requests);
	dcs[i]->dc.has_cur = true;
	dcs[i]->dc.has_prev = false;
	memset(&dcs[i]->dc.hs, 0, sizeof(dcs[i]->dc.hs));
	dcs[i]->dc.state = NTM_DC_REGISTERED;
	dcs[i]->dc.addr = dc_addr[i];
	dcs[i]->dc.session_ms = now;
	memset(&dc_side[i], 0, sizeof(dc_side[i]));
	dc_side[i].remote_id = s->local_id;
	dc_side[i].tx_key[0] = 2;
}

static void start(void)
{
	static const char *const texts[] = { "203.0.113.1", "203.0.113.2:5000", "[2001:db8::7]",
					     "198.51.100.9" };

	ntm_log_init("fuzz", NTM_LOG_ERROR);
	if (!mkdtemp(directory))
		abort();
	strcpy(config.state, directory);
	config.limits = (struct ntm_rs_limits){
		.paths = 8, .node_paths = 4, .path_rate = 1000, .node_rate = 1500
	};
	for (unsigned int i = 0; i < 4; i++)
		if (ntm_addr_parse(&addrs[i], texts[i], NTM_WIRE_PORT))
			abort();
	if (ntm_addr_parse(&dc_addr[0], "192.0.2.1", NTM_WIRE_PORT) ||
	    ntm_addr_parse(&dc_addr[1], "192.0.2.2", NTM_WIRE_PORT))
		abort();
	ntm_noise_generate(&core.self);
	ntm_rs_core_init(&core, &config, &io, NULL, now);
	if (ntm_rs_core_plane(&core, &plane_ops, (struct ntm_rs_plane *)&core))
		abort();
	for (unsigned int i = 0; i < 2; i++)
		add_dc(i);
	atexit(clean_up);
}

/* Packets */

static void give(const uint8_t *packet, size_t len, const union ntm_addr *from, bool other)
{
	asker = from;
	question = len;
	relayed = len && packet[0] == NTM_PKT_RELAYED;
	ntm_rs_core_packet(&core, packet, len, from, other, now);
	asker = NULL;
	check_plane();
}

/* A Sealed packet of any plaintext, as ntm_session_seal() makes it of a message */
static void dc_says(unsigned int i, const uint8_t *data, size_t len)
{
	const uint32_t id = htonl(dc_side[i].remote_id);
	uint8_t packet[NTM_DATAGRAM_MAX] = { NTM_PKT_SEALED, NTM_PROTOCOL_VERSION };
	const uint64_t forged = core.drops[NTM_RS_DROP_AUTH];
	uint8_t plain[NTM_DATAGRAM_MAX];
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	unsigned long long n;

	if (len > sizeof(packet) - NTM_SEALED_OVERHEAD)
		len = sizeof(packet) - NTM_SEALED_OVERHEAD;
	memcpy(plain, data, len);
	if (len >= 8 && ntm_get32(plain + 4) == UINT32_MAX)
		ntm_put32(plain + 4, dcs[i]->dc.requests.next_id);
	ntm_wire_nonce(nonce, dc_side[i].tx_ctr++);
	memcpy(packet + 4, &id, sizeof(id));
	memcpy(packet + 8, nonce + 4, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(packet + 16, &n, plain, len, packet, 16, NULL,
						  nonce, dc_side[i].tx_key);
	give(packet, 16 + n, &dc_addr[i], false);
	if (core.drops[NTM_RS_DROP_AUTH] != forged)
		abort(); /* it was authentic */
}

static void dc_wants_a_cookie(unsigned int i)
{
	uint8_t reply[64];
	struct ntm_hs_guard guard;
	size_t reply_len = 0;

	ntm_hs_guard_init(&guard, dc_key[i].public, 0, now);
	if (ntm_hs_check(&guard, hello, hello_len, &dc_addr[i], now, reply, &reply_len) ==
	    NTM_HS_COOKIE)
		give(reply, reply_len, &dc_addr[i], false);
}

static void new_session(unsigned int i, bool under_load, const uint8_t *data, size_t len)
{
	struct ntm_msg payload = { .has = 0 };
	uint8_t out[NTM_DATAGRAM_MAX];
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	int n;

	hello_len = 0;
	ntm_dc_reconnect(&dcs[i]->dc, now);
	if (under_load)
		dc_wants_a_cookie(i);
	if (!hello_len || ntm_hs_accept(&hs, &dc_key[i], hello, hello_len))
		return;
	if (len && ntm_msg_decode_payload(&payload, data, len))
		memset(&payload, 0, sizeof(payload));
	n = ntm_hs_answer(&hs, NULL, 77, &payload, &keys, out, sizeof(out));
	if (n < 0)
		return; /* longer than the request */
	dc_side[i] = keys.session;
	give(out, (size_t)n, &dc_addr[i], false);
}

static uint32_t id_of(const uint8_t *data, size_t len)
{
	return 1 + (len ? data[0] % IDS : 0);
}

static void end_key(uint8_t key[32], uint32_t id, uint8_t role, bool wrong)
{
	memset(key, 0, 32);
	key[0] = (uint8_t)id;
	key[1] = role;
	key[2] = wrong;
}

/* Bytes: ID, LIFETIME, the two nodes */
static void directed(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ntm_msg m = { .type = NTM_MSG_RELAY_DIRECTION,
			     .path_id = id_of(data, len),
			     .lifetime = len > 1 ? data[1] : 60,
			     .end_count = 2 };
	uint8_t out[NTM_DATAGRAM_MAX];
	int n;

	for (uint8_t i = 0; i < 2; i++) {
		m.ends[i].role = i + 1;
		m.ends[i].node[0] = len > 2u + i ? data[2 + i] : i;
		end_key(m.ends[i].key, m.path_id, i + 1, kind & WRONG);
	}
	NTM_SET(&m, PATH_ID);
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, END);
	n = ntm_msg_encode(&m, out, sizeof(out));
	if (n < 0)
		abort();
	dc_says(!!(kind & SECOND), out, (size_t)n);
}

/* Bytes: ID, then the head of the Bind as it is to be; none: a good one, with the cookie of the last answer */
static void bind_end(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ntm_relay_bind bind = { .path_id = id_of(data, len), .role = ROLE(kind) };
	uint8_t packet[NTM_RELAY_BIND_LEN], key[32];

	if (!(kind & SECOND))
		memcpy(bind.cookie, cookie, sizeof(cookie));
	for (size_t i = 1; i < len && i < 16; i++)
		bind.nonce[i] = data[i];
	if (len > 16) {
		bind.status = data[16];
		bind.lifetime = len > 17 ? data[17] : 0;
		bind.observed = len > 18 ? addrs[data[18] % 4] : bind.observed;
	}
	end_key(key, bind.path_id, bind.role, kind & WRONG);
	ntm_relay_put_bind(packet, &bind, key);
	give(packet, sizeof(packet), &addrs[WHERE(kind)], false);
}

static void relay(uint8_t kind, const uint8_t *data, size_t len)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	const size_t n =
		len ? ntm_relay_wrap(id_of(data, len), data + 1, len - 1, packet, sizeof(packet)) :
		      0;

	if (n)
		give(packet, n, &addrs[WHERE(kind)], false);
}

static void probe(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ntm_relay_probe p = { .other_port = kind & SECOND };
	uint8_t packet[NTM_RELAY_PROBE_LEN + UNIT * 255] = { 0 };

	if (len > 1)
		p.to_port = ntm_get16(data);
	if (len > 2)
		p.observed = addrs[data[2] % 4];
	ntm_relay_put_probe(packet, &p, kind & WRONG, core.self.public);
	give(packet, NTM_RELAY_PROBE_LEN + len, &addrs[WHERE(kind)], ROLE(kind) == 2);
}

static void later(uint8_t kind)
{
	now += 250u * (1 + (kind >> 3)) * (kind & WRONG ? 10 : 1);
	ntm_rs_core_tick(&core, now);
	for (unsigned int i = 0; i < 2; i++)
		share_session(i); /* whatever it wanted to renew */
	check_plane();
}

static void one(uint8_t kind, const uint8_t *data, size_t len)
{
	switch (kind & 7) {
	case DC_SAYS:
		if (kind & NEW_SESSION) {
			new_session(!!(kind & SECOND), kind & COOKIE, data, len);
			break;
		}
		if (kind & REGISTERS)
			ntm_dc_register(&dcs[!!(kind & SECOND)]->dc, now);
		dc_says(!!(kind & SECOND), data, len);
		break;
	case DIRECTED:
		directed(kind, data, len);
		break;
	case BIND:
		bind_end(kind, data, len);
		break;
	case RELAYED:
		relay(kind, data, len);
		break;
	case PROBE:
		probe(kind, data, len);
		break;
	case LATER:
		later(kind);
		break;
	default:
		give(data, len, &addrs[WHERE(kind)], (kind & 7) == OTHER_PORT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	size_t len;

	if (!started)
		start();
	started = true;
	for (unsigned int i = 0; i < 2; i++)
		share_session(i);
	for (; size >= 2; data += 2 + len, size -= 2 + len) {
		len = data[1] * (size_t)UNIT;
		len = len < size - 2 ? len : size - 2;
		one(data[0], data + 2, len);
	}
	/* All is forgotten before the next one */
	for (unsigned int i = 0; i < 3; i++) {
		now += 3700000;
		ntm_rs_core_tick(&core, now);
	}
	if (ntm_rs_paths_count(&core.paths) || core.paths.nodes.count || core.paths.carried)
		abort();
	return 0;
}
