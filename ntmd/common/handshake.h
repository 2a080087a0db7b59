/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Session and Tunnel Requests and Responses with their macs and cookies (docs/PROTOCOL.md
 * section 3), over noise.h. No I/O; time comes in as a parameter (monotonic ms).
 */
#ifndef NTM_HANDSHAKE_H
#define NTM_HANDSHAKE_H

#include "common/msg.h"
#include "common/noise.h"
#include "common/session.h"

enum ntm_packet_type {
	NTM_PKT_SESSION_REQUEST = 1,
	NTM_PKT_SESSION_RESPONSE,
	NTM_PKT_COOKIE_REPLY,
	NTM_PKT_SEALED,
	NTM_PKT_TUNNEL_REQUEST,
	NTM_PKT_TUNNEL_RESPONSE,
	NTM_PKT_HOLE_PUNCHING,
	NTM_PKT_RELAY_BIND,
	NTM_PKT_RELAY_BOUND,
	NTM_PKT_RELAYED,
	NTM_PKT_RELAY_PROBE,
	NTM_PKT_RELAY_PROBE_RESPONSE,
};
#define NTM_PROTOCOL_VERSION 1

/** struct ntm_hs_keys - what a finished handshake gives: a session, and data keys; caller wipes */
struct ntm_hs_keys {
	struct ntm_session session;
	uint8_t data_tx[32];
	uint8_t data_rx[32];
};

/**
 * struct ntm_hs_cookie_jar - what an initiator keeps per responder
 */
struct ntm_hs_cookie_jar {
	uint8_t cookie[16];
	uint64_t got_ms; /* 0: none */
	uint8_t last_mac1[16];
};

/** struct ntm_hs_init - initiator's side of one handshake, from request to response */
struct ntm_hs_init {
	struct ntm_noise noise;
	uint8_t packet_type;
	uint32_t local_id;
	uint32_t path_id;
	uint8_t responder[32];
};

/**
 * ntm_hs_request() - build a request
 * @type:	NTM_PKT_SESSION_REQUEST or NTM_PKT_TUNNEL_REQUEST
 * @psk:	path psk for a tunnel, else NULL
 * @payload:	TLVs, may be NULL for none
 * @local_id:	our session ID, not 0, unique among ours
 *
 * Returns the length or a negative errno. A retransmission sends the same bytes but for mac2: see
 * ntm_hs_refresh_mac2().
 */
int ntm_hs_request(struct ntm_hs_init *hs, uint8_t type, const struct ntm_noise_keypair *self,
		   const uint8_t responder[32], const uint8_t *psk, uint32_t local_id,
		   uint32_t path_id, const struct ntm_msg *payload, struct ntm_hs_cookie_jar *jar,
		   uint64_t now_ms, uint8_t *out, size_t size);
void ntm_hs_refresh_mac2(uint8_t *request, size_t len, const struct ntm_hs_cookie_jar *jar,
			 uint64_t now_ms);
/** ntm_hs_response() - read the response to @hs; 0 (then @keys and @payload are good, @hs is wiped) or -EBADMSG (@hs goes on waiting) */
int ntm_hs_response(struct ntm_hs_init *hs, const uint8_t *packet, size_t len,
		    struct ntm_hs_keys *keys, struct ntm_msg *payload);
/** ntm_hs_cookie_reply() - take a cookie out of a Cookie Reply; 0 or -EBADMSG */
int ntm_hs_cookie_reply(struct ntm_hs_cookie_jar *jar, const uint8_t responder[32],
			const uint8_t *packet, size_t len, uint64_t now_ms);
/** ntm_hs_reply_id() - initiator's session ID in a Session/Tunnel Response or Cookie Reply; 0 if malformed */
uint32_t ntm_hs_reply_id(const uint8_t *packet, size_t len);

#define NTM_HS_SOURCES 4096u
#define NTM_HS_LOAD_MS 1000u

/**
 * struct ntm_hs_guard - a responder's cookie secrets and load; initialise by ntm_hs_guard_init()
 * @came:	requests of each of the last NTM_HS_LOAD_MS, up to @came_ms; @lately: all of them
 * @source_key:	of the hash that finds a source's bucket; as old as @secret[0]
 * @paid_ns:	buckets: what came through until now is paid for at this time
 */
struct ntm_hs_guard {
	uint8_t mac1_key[32];
	uint8_t cookie_key[32];
	uint8_t secret[2][32];
	uint64_t secret_ms;
	uint64_t came_ms;
	uint32_t came[NTM_HS_LOAD_MS], lately;
	unsigned int rate; /* more requests than these within a second are a load */
	uint64_t loaded_until_ms;
	uint8_t source_key[16];
	uint64_t paid_ns[NTM_HS_SOURCES];
};
void ntm_hs_guard_init(struct ntm_hs_guard *g, const uint8_t self_public[32], unsigned int rate,
		       uint64_t now_ms);

enum ntm_hs_verdict { NTM_HS_DROP, NTM_HS_COOKIE, NTM_HS_BUSY, NTM_HS_GO };
/**
 * ntm_hs_check() - all that can be said of a request before any Diffie-Hellman
 * @reply, @reply_len: for NTM_HS_COOKIE: the Cookie Reply to send (64 bytes of room)
 *
 * NTM_HS_BUSY: nothing is wrong with it, but its source sends too many.
 */
enum ntm_hs_verdict ntm_hs_check(struct ntm_hs_guard *g, const uint8_t *packet, size_t len,
				 const union ntm_addr *from, uint64_t now_ms, uint8_t *reply,
				 size_t *reply_len);

/** struct ntm_hs_resp - responder's side, between reading the request and writing the response */
struct ntm_hs_resp {
	struct ntm_noise noise;
	uint8_t packet_type;
	uint32_t remote_id;
	uint32_t path_id;
	size_t request_len;    /* no answer is longer than what caused it */
	uint8_t initiator[32]; /* authenticated static public key */
	uint8_t ephemeral[32]; /* to recognise a repeated request */
	struct ntm_msg payload;
};
/** ntm_hs_accept() - read a request that ntm_hs_check() let pass; 0 or -EBADMSG */
int ntm_hs_accept(struct ntm_hs_resp *hs, const struct ntm_noise_keypair *self,
		  const uint8_t *packet, size_t len);
/**
 * ntm_hs_answer() - write the response
 * @psk:	for a tunnel
 * @payload:	TLVs; SESSION_ID is set by this function to @local_id
 *
 * Wipes @hs. Returns the length or a negative errno.
 */
int ntm_hs_answer(struct ntm_hs_resp *hs, const uint8_t *psk, uint32_t local_id,
		  struct ntm_msg *payload, struct ntm_hs_keys *keys, uint8_t *out, size_t size);

/** ntm_hs_punch() / ntm_hs_punch_check() - Hole Punching: 24 bytes; @role is the sender's */
#define NTM_HS_PUNCH_LEN 24
void ntm_hs_punch(uint8_t out[NTM_HS_PUNCH_LEN], uint32_t path_id, const uint8_t psk[32],
		  uint8_t role);
bool ntm_hs_punch_check(const uint8_t *packet, size_t len, uint32_t path_id, const uint8_t psk[32],
			uint8_t role);

#endif
