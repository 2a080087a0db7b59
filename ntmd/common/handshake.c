// SPDX-License-Identifier: GPL-2.0
#include "common/handshake.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/bytes.h"

#define PROLOGUE_LABEL 18 /* "NTMobile 1 session" and "NTMobile 1 tunnel" */
#define REQ_FIXED 12	  /* bytes before Noise: what the prologue takes in */
#define REQ_MACS 32
#define REQ_MIN (REQ_FIXED + NTM_NOISE_MSG1 + REQ_MACS)
#define RESP_FIXED 8
#define RESP_MIN (RESP_FIXED + NTM_NOISE_MSG2)
#define COOKIE_LEN 16
#define COOKIE_REPLY_LEN 64
#define COOKIE_MS 120000
/* Of one source under load: so many a second, or as many as make the load if that is more; and what ten seconds allow at once */
#define SOURCE_RATE 100u
#define SOURCE_OWED_NS 10000000000u

static void put_first(uint8_t *out, uint8_t type)
{
	out[0] = type;
	out[1] = NTM_PROTOCOL_VERSION;
	out[2] = 0;
	out[3] = 0;
}

static bool first_is(const uint8_t *packet, uint8_t type)
{
	const uint8_t first[4] = { type, NTM_PROTOCOL_VERSION, 0, 0 };

	return memcmp(packet, first, sizeof(first)) == 0;
}

static void mac(uint8_t out[16], const uint8_t *key, size_t key_len, const uint8_t *data,
		size_t len)
{
	crypto_generichash_blake2b(out, 16, data, len, key, key_len);
}

/* BLAKE2b-256(label || public key): the keys of mac1 and of Cookie Replies. */
static void label_key(uint8_t out[32], const char *label, const uint8_t public[32])
{
	crypto_generichash_blake2b_state st;

	crypto_generichash_blake2b_init(&st, NULL, 0, 32);
	crypto_generichash_blake2b_update(&st, (const uint8_t *)label, strlen(label));
	crypto_generichash_blake2b_update(&st, public, 32);
	crypto_generichash_blake2b_final(&st, out, 32);
}

static bool is_tunnel(uint8_t packet_type)
{
	return packet_type == NTM_PKT_TUNNEL_REQUEST;
}

static enum ntm_noise_pattern pattern_of(uint8_t packet_type)
{
	return is_tunnel(packet_type) ? NTM_NOISE_IKPSK2 : NTM_NOISE_IK;
}

/* The label, then the request's bytes before Noise; returns the length. */
static size_t prologue(uint8_t out[PROLOGUE_LABEL + REQ_FIXED], const uint8_t *request)
{
	const char *label = is_tunnel(request[0]) ? "NTMobile 1 tunnel" : "NTMobile 1 session";
	size_t len = strlen(label);

	memcpy(out, label, len);
	memcpy(out + len, request, REQ_FIXED);
	return len + REQ_FIXED;
}

/* --- initiator */

static bool cookie_good(const struct ntm_hs_cookie_jar *jar, uint64_t now_ms)
{
	return jar->got_ms && now_ms - jar->got_ms < COOKIE_MS;
}

void ntm_hs_refresh_mac2(uint8_t *request, size_t len, const struct ntm_hs_cookie_jar *jar,
			 uint64_t now_ms)
{
	uint8_t *mac2 = request + len - 16;

	if (cookie_good(jar, now_ms))
		mac(mac2, jar->cookie, COOKIE_LEN, request, len - 16);
	else
		memset(mac2, 0, 16);
}

static void put_macs(uint8_t *request, size_t len, const uint8_t responder[32],
		     struct ntm_hs_cookie_jar *jar, uint64_t now_ms)
{
	uint8_t key[32];
	uint8_t *mac1 = request + len - REQ_MACS;

	label_key(key, "ntm mac1", responder);
	mac(mac1, key, sizeof(key), request, len - REQ_MACS);
	memcpy(jar->last_mac1, mac1, 16);
	ntm_hs_refresh_mac2(request, len, jar, now_ms);
}

int ntm_hs_request(struct ntm_hs_init *hs, uint8_t type, const struct ntm_noise_keypair *self,
		   const uint8_t responder[32], const uint8_t *psk, uint32_t local_id,
		   uint32_t path_id, const struct ntm_msg *payload, struct ntm_hs_cookie_jar *jar,
		   uint64_t now_ms, uint8_t *out, size_t size)
{
	uint8_t pro[PROLOGUE_LABEL + REQ_FIXED];
	uint8_t tlvs[NTM_DATAGRAM_MAX - REQ_MIN];
	int n = 0;

	if (!local_id || is_tunnel(type) != (path_id != 0) || is_tunnel(type) != (psk != NULL))
		return -EINVAL;
	if (payload)
		n = ntm_msg_encode_payload(payload, tlvs, sizeof(tlvs));
	if (n < 0)
		return n;
	if (size < REQ_MIN + (size_t)n)
		return -EMSGSIZE;

	put_first(out, type);
	ntm_put32(out + 4, local_id);
	ntm_put32(out + 8, path_id);
	hs->packet_type = type;
	hs->local_id = local_id;
	hs->path_id = path_id;
	memcpy(hs->responder, responder, 32);
	ntm_noise_init(&hs->noise, pattern_of(type), true, pro, prologue(pro, out), self, responder,
		       psk);
	n = ntm_noise_write1(&hs->noise, tlvs, (size_t)n, out + REQ_FIXED);
	if (n < 0) /* the responder's public key is no good point */
		return -EINVAL;
	n += REQ_FIXED + REQ_MACS;
	put_macs(out, (size_t)n, responder, jar, now_ms);
	return n;
}

uint32_t ntm_hs_reply_id(const uint8_t *packet, size_t len)
{
	if (len < RESP_MIN || len > NTM_DATAGRAM_MAX)
		return 0;
	if (first_is(packet, NTM_PKT_COOKIE_REPLY) && len != COOKIE_REPLY_LEN)
		return 0;
	if (first_is(packet, NTM_PKT_SESSION_RESPONSE) ||
	    first_is(packet, NTM_PKT_TUNNEL_RESPONSE) || first_is(packet, NTM_PKT_COOKIE_REPLY))
		return ntm_get32(packet + 4);
	return 0;
}

/* Keys of one direction: what Noise gave is used for nothing itself. */
static void derive(const uint8_t k[32], uint8_t signalling[32], uint8_t data[32])
{
	crypto_generichash_blake2b(signalling, 32, (const uint8_t *)"ntm session", 11, k, 32);
	crypto_generichash_blake2b(data, 32, (const uint8_t *)"ntm data", 8, k, 32);
}

static void make_keys(struct ntm_noise *noise, struct ntm_hs_keys *keys, uint32_t local_id,
		      uint32_t remote_id)
{
	bool initiator = noise->initiator;
	uint8_t i2r[32], r2i[32];

	ntm_noise_split(noise, i2r, r2i);
	memset(keys, 0, sizeof(*keys));
	keys->session.local_id = local_id;
	keys->session.remote_id = remote_id;
	derive(initiator ? i2r : r2i, keys->session.tx_key, keys->data_tx);
	derive(initiator ? r2i : i2r, keys->session.rx_key, keys->data_rx);
	sodium_memzero(i2r, sizeof(i2r));
	sodium_memzero(r2i, sizeof(r2i));
}

int ntm_hs_response(struct ntm_hs_init *hs, const uint8_t *packet, size_t len,
		    struct ntm_hs_keys *keys, struct ntm_msg *payload)
{
	uint8_t tlvs[NTM_DATAGRAM_MAX];
	/* A forged response must not end the handshake: it is tried on a copy. */
	struct ntm_noise attempt = hs->noise;
	int err = -EBADMSG;
	int n;

	if (len < RESP_MIN || len > NTM_DATAGRAM_MAX || !first_is(packet, hs->packet_type + 1) ||
	    ntm_get32(packet + 4) != hs->local_id)
		goto out;
	n = ntm_noise_read2(&attempt, packet + RESP_FIXED, len - RESP_FIXED, tlvs);
	if (n < 0 || ntm_msg_decode_payload(payload, tlvs, (size_t)n) ||
	    !NTM_HAS(payload, SESSION_ID))
		goto out;
	make_keys(&attempt, keys, hs->local_id, payload->session_id);
	sodium_memzero(hs, sizeof(*hs));
	err = 0;
out:
	ntm_noise_wipe(&attempt);
	return err;
}

int ntm_hs_cookie_reply(struct ntm_hs_cookie_jar *jar, const uint8_t responder[32],
			const uint8_t *packet, size_t len, uint64_t now_ms)
{
	uint8_t key[32], cookie[COOKIE_LEN];

	if (len != COOKIE_REPLY_LEN || !first_is(packet, NTM_PKT_COOKIE_REPLY))
		return -EBADMSG;
	label_key(key, "ntm cookie", responder);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, packet + 32,
						       COOKIE_LEN + 16, jar->last_mac1,
						       sizeof(jar->last_mac1), packet + 8, key))
		return -EBADMSG;
	memcpy(jar->cookie, cookie, sizeof(cookie));
	jar->got_ms = now_ms ? now_ms : 1; /* 0 says none */
	return 0;
}

/* --- responder, before Diffie-Hellman */

void ntm_hs_guard_init(struct ntm_hs_guard *g, const uint8_t self_public[32], unsigned int rate,
		       uint64_t now_ms)
{
	memset(g, 0, sizeof(*g));
	label_key(g->mac1_key, "ntm mac1", self_public);
	label_key(g->cookie_key, "ntm cookie", self_public);
	randombytes_buf(g->secret, sizeof(g->secret));
	randombytes_buf(g->source_key, sizeof(g->source_key));
	g->secret_ms = now_ms;
	g->came_ms = now_ms;
	g->rate = rate;
}

static bool request_shaped(const uint8_t *packet, size_t len)
{
	if (len < REQ_MIN || len > NTM_DATAGRAM_MAX)
		return false;
	if (!first_is(packet, NTM_PKT_SESSION_REQUEST) && !first_is(packet, NTM_PKT_TUNNEL_REQUEST))
		return false;
	return ntm_get32(packet + 4) && is_tunnel(packet[0]) == (ntm_get32(packet + 8) != 0);
}

/* secret[0] is the one in use, secret[1] the one before it. */
static void rotate_secret(struct ntm_hs_guard *g, uint64_t now_ms)
{
	if (now_ms - g->secret_ms < COOKIE_MS)
		return;
	if (now_ms - g->secret_ms < 2 * COOKIE_MS)
		memcpy(g->secret[1], g->secret[0], sizeof(g->secret[1]));
	else
		randombytes_buf(g->secret[1], sizeof(g->secret[1]));
	randombytes_buf(g->secret[0], sizeof(g->secret[0]));
	randombytes_buf(g->source_key, sizeof(g->source_key));
	g->secret_ms = now_ms;
}

/* The last second is that before @now_ms, to the ms: it has no turn that cuts a burst in two. A step for each ms that passed. */
static void forget_old(struct ntm_hs_guard *g, uint64_t now_ms)
{
	if (now_ms - g->came_ms >= NTM_HS_LOAD_MS) {
		memset(g->came, 0, sizeof(g->came));
		g->lately = 0;
		g->came_ms = now_ms;
	}
	while (g->came_ms < now_ms) {
		uint32_t *oldest = &g->came[++g->came_ms % NTM_HS_LOAD_MS];

		g->lately -= *oldest;
		*oldest = 0;
	}
}

static bool under_load(struct ntm_hs_guard *g, uint64_t now_ms)
{
	forget_old(g, now_ms);
	g->came[now_ms % NTM_HS_LOAD_MS]++;
	if (++g->lately > g->rate)
		g->loaded_until_ms = now_ms + NTM_HS_LOAD_MS;
	return now_ms < g->loaded_until_ms;
}

static void make_cookie(uint8_t out[COOKIE_LEN], const uint8_t secret[32],
			const union ntm_addr *from)
{
	uint8_t source[18];

	ntm_addr_map(from, source);
	mac(out, secret, 32, source, sizeof(source));
}

static bool mac2_good(const struct ntm_hs_guard *g, const uint8_t *packet, size_t len,
		      const union ntm_addr *from)
{
	uint8_t cookie[COOKIE_LEN], expected[16];

	for (int i = 0; i < 2; i++) {
		make_cookie(cookie, g->secret[i], from);
		mac(expected, cookie, sizeof(cookie), packet, len - 16);
		if (sodium_memcmp(expected, packet + len - 16, 16) == 0)
			return true;
	}
	return false;
}

/*
 * Sources share buckets where their hashes meet: the table needs no memory for a new one, and nobody can push another's out. Who
 * shares one with a flood does so until the secret changes.
 */
static uint64_t *bucket_of(struct ntm_hs_guard *g, const union ntm_addr *from)
{
	const size_t network = from->sa.sa_family == AF_INET6 ? 8 : 16;
	uint8_t source[18];
	uint64_t hash;

	_Static_assert(sizeof(g->source_key) == crypto_shorthash_KEYBYTES, "key");
	_Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "hash");
	ntm_addr_map(from, source);
	crypto_shorthash((uint8_t *)&hash, source, network, g->source_key);
	return &g->paid_ns[hash % NTM_HS_SOURCES];
}

/* A cookie proves a source; it does not buy as much work as that can ask for */
static bool source_may(struct ntm_hs_guard *g, const union ntm_addr *from, uint64_t now_ms)
{
	const uint64_t cost = 1000000000u / (g->rate > SOURCE_RATE ? g->rate : SOURCE_RATE);
	const uint64_t now = now_ms * 1000000;
	uint64_t *paid = bucket_of(g, from);

	if (*paid < now)
		*paid = now;
	if (*paid + cost - now > SOURCE_OWED_NS)
		return false;
	*paid += cost;
	return true;
}

static void put_cookie_reply(const struct ntm_hs_guard *g, const uint8_t *request, size_t len,
			     const union ntm_addr *from, uint8_t *reply)
{
	uint8_t cookie[COOKIE_LEN];

	make_cookie(cookie, g->secret[0], from);
	put_first(reply, NTM_PKT_COOKIE_REPLY);
	memcpy(reply + 4, request + 4, 4);
	randombytes_buf(reply + 8, 24);
	crypto_aead_xchacha20poly1305_ietf_encrypt(reply + 32, NULL, cookie, sizeof(cookie),
						   request + len - REQ_MACS, 16, NULL, reply + 8,
						   g->cookie_key);
}

enum ntm_hs_verdict ntm_hs_check(struct ntm_hs_guard *g, const uint8_t *packet, size_t len,
				 const union ntm_addr *from, uint64_t now_ms, uint8_t *reply,
				 size_t *reply_len)
{
	uint8_t expected[16];

	*reply_len = 0;
	if (!request_shaped(packet, len))
		return NTM_HS_DROP;
	mac(expected, g->mac1_key, sizeof(g->mac1_key), packet, len - REQ_MACS);
	if (sodium_memcmp(expected, packet + len - REQ_MACS, 16) != 0)
		return NTM_HS_DROP;
	rotate_secret(g, now_ms);
	if (!under_load(g, now_ms))
		return NTM_HS_GO;
	if (mac2_good(g, packet, len, from))
		return source_may(g, from, now_ms) ? NTM_HS_GO : NTM_HS_BUSY;
	put_cookie_reply(g, packet, len, from, reply);
	*reply_len = COOKIE_REPLY_LEN;
	return NTM_HS_COOKIE;
}

/* --- responder */

int ntm_hs_accept(struct ntm_hs_resp *hs, const struct ntm_noise_keypair *self,
		  const uint8_t *packet, size_t len)
{
	uint8_t pro[PROLOGUE_LABEL + REQ_FIXED];
	uint8_t tlvs[NTM_DATAGRAM_MAX];
	int n;

	memset(hs, 0, sizeof(*hs));
	if (!request_shaped(packet, len))
		return -EBADMSG;
	hs->packet_type = packet[0];
	hs->remote_id = ntm_get32(packet + 4);
	hs->path_id = ntm_get32(packet + 8);
	hs->request_len = len;
	ntm_noise_init(&hs->noise, pattern_of(packet[0]), false, pro, prologue(pro, packet), self,
		       NULL, NULL);
	n = ntm_noise_read1(&hs->noise, packet + REQ_FIXED, len - REQ_FIXED - REQ_MACS, tlvs);
	if (n < 0 || ntm_msg_decode_payload(&hs->payload, tlvs, (size_t)n)) {
		sodium_memzero(hs, sizeof(*hs));
		return -EBADMSG;
	}
	memcpy(hs->initiator, hs->noise.rs, 32);
	memcpy(hs->ephemeral, hs->noise.re, 32);
	return 0;
}

static int answer(struct ntm_hs_resp *hs, const uint8_t *psk, uint32_t local_id,
		  struct ntm_msg *payload, struct ntm_hs_keys *keys, uint8_t *out, size_t size)
{
	uint8_t tlvs[NTM_DATAGRAM_MAX - RESP_MIN];
	int n;

	if (!local_id || is_tunnel(hs->packet_type) != (psk != NULL))
		return -EINVAL;
	payload->session_id = local_id;
	NTM_SET(payload, SESSION_ID);
	n = ntm_msg_encode_payload(payload, tlvs, sizeof(tlvs));
	if (n < 0)
		return n;
	if (RESP_MIN + (size_t)n > size || RESP_MIN + (size_t)n > hs->request_len)
		return -EMSGSIZE;
	put_first(out, hs->packet_type + 1);
	ntm_put32(out + 4, hs->remote_id);
	if (psk)
		ntm_noise_set_psk(&hs->noise, psk);
	n = ntm_noise_write2(&hs->noise, tlvs, (size_t)n, out + RESP_FIXED);
	if (n < 0)
		return n;
	make_keys(&hs->noise, keys, local_id, hs->remote_id);
	return RESP_FIXED + n;
}

int ntm_hs_answer(struct ntm_hs_resp *hs, const uint8_t *psk, uint32_t local_id,
		  struct ntm_msg *payload, struct ntm_hs_keys *keys, uint8_t *out, size_t size)
{
	int len = answer(hs, psk, local_id, payload, keys, out, size);

	sodium_memzero(hs, sizeof(*hs));
	return len;
}

/* --- hole punching */

void ntm_hs_punch(uint8_t out[NTM_HS_PUNCH_LEN], uint32_t path_id, const uint8_t psk[32],
		  uint8_t role)
{
	uint8_t covered[9];

	put_first(out, NTM_PKT_HOLE_PUNCHING);
	ntm_put32(out + 4, path_id);
	memcpy(covered, out, 8);
	covered[8] = role;
	mac(out + 8, psk, 32, covered, sizeof(covered));
}

bool ntm_hs_punch_check(const uint8_t *packet, size_t len, uint32_t path_id, const uint8_t psk[32],
			uint8_t role)
{
	uint8_t expected[NTM_HS_PUNCH_LEN];

	if (len != NTM_HS_PUNCH_LEN)
		return false;
	ntm_hs_punch(expected, path_id, psk, role);
	return sodium_memcmp(expected, packet, sizeof(expected)) == 0;
}
