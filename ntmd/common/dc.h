/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The session with a DC of whoever registers there, node or relay server (docs/PROTOCOL.md section 6): handshake,
 * registration, renewal, Keep Alives, requests. I/O by the callbacks, time as a parameter. To the DC of another zone a DC has the
 * same (section 9): it introduces itself by a Zone Request where others register.
 *
 *	OFF --ntm_dc_set()--> CONNECTING --Session Response--> REGISTERING --lease--> REGISTERED
 *	                          ^  Session Requests, back-off to 30 s     |             |
 *	                          |  all addresses in turn                  +--refused--> REFUSED, tried again after 30 s
 *
 * A request that waits for 1 s while nothing at all comes by the session, and a session that is 3600 s old, start a new handshake; the
 * old session serves until then, so these do not change the state. After 500 ms of such a wait a Keep Alive leaves: a DC that takes its
 * time for an answer, as it does when it asks another zone's DC, answers that.
 */
#ifndef NTM_DC_H
#define NTM_DC_H

#include "common/handshake.h"
#include "common/join.h"
#include "common/requests.h"

enum ntm_dc_state {
	NTM_DC_OFF,
	NTM_DC_CONNECTING,
	NTM_DC_REGISTERING,
	NTM_DC_REGISTERED,
	NTM_DC_REFUSED,
};

/**
 * struct ntm_dc_ops - what this needs of the rest
 * @introduction: what is said first: NTM_MSG_ZONE_REQUEST, or 0 for NTM_MSG_REGISTRATION_REQUEST
 * @registration: complete that request: type, and of a registration LIFETIME and TOKEN, are set
 * @lease:	its response, with status 0
 * @refused:	the DC does not want us: dc->status, dc->text
 * @message:	one that is neither an answer nor about the session; 0, or -EPROTO if it is none for us
 */
struct ntm_dc_ops {
	uint8_t introduction;
	int (*send)(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len);
	uint32_t (*session_id)(void *ctx);
	void (*registration)(void *ctx, struct ntm_msg *m);
	void (*lease)(void *ctx, const struct ntm_msg *lease);
	void (*refused)(void *ctx, uint16_t status, const char *text);
	int (*message)(void *ctx, const struct ntm_msg *m);
};

/**
 * struct ntm_dc_hs - the handshake that is under way
 * @cookie:	a Cookie Reply was taken since the clock last sent the request
 * @for_silence: only because the DC said nothing: what it says by the session it has ends this
 */
struct ntm_dc_hs {
	bool active;
	bool cookie;
	bool for_silence;
	struct ntm_hs_init init;
	uint8_t packet[NTM_DATAGRAM_MAX];
	size_t len;
	uint64_t since_ms, sent_ms, next_ms;
	uint32_t wait_ms;
};

/**
 * struct ntm_dc
 * @where:	addresses and key of the DC; the token until it was used
 * @cur, @prev:	sessions; @prev only receives
 * @asked_ms:	when the last Registration Request was made
 * @renew_ms:	when to register again
 * @unanswered_ms: since when the DC does not answer; 0: it does
 * @heard_ms:	when something last came by @cur
 * @probed_ms:	when the last Keep Alive was made
 * @rtt_ms:	of the last Keep Alive or introduction; UINT64_MAX: not known
 */
struct ntm_dc {
	const struct ntm_dc_ops *ops;
	void *ctx;
	const struct ntm_noise_keypair *self;
	enum ntm_dc_state state;
	struct ntm_join where;
	bool has_token;
	unsigned int turn;
	struct ntm_dc_hs hs;
	struct ntm_hs_cookie_jar jar;
	struct ntm_session cur, prev;
	bool has_cur, has_prev;
	union ntm_addr addr;
	uint64_t session_ms;
	struct ntm_requests requests;
	uint32_t registration, keepalive;
	uint32_t keepalive_s;
	uint64_t asked_ms, renew_ms, sent_ms;
	uint64_t unanswered_ms, heard_ms, probed_ms;
	uint64_t rtt_ms;
	union ntm_addr observed;
	uint16_t status;
	char text[NTM_TEXT_MAX + 1];
	bool leaving;
};

void ntm_dc_init(struct ntm_dc *dc, const struct ntm_dc_ops *ops, void *ctx,
		 const struct ntm_noise_keypair *self);
void ntm_dc_done(struct ntm_dc *dc);
/** ntm_dc_set() - this is the DC from now on; connects at once. If it is another one, requests that wait are cancelled */
void ntm_dc_set(struct ntm_dc *dc, const struct ntm_join *where, bool has_token, uint64_t now_ms);
/** ntm_dc_register() - register again now: the node's addresses changed */
void ntm_dc_register(struct ntm_dc *dc, uint64_t now_ms);
/** ntm_dc_hurry() - somebody waits for the DC: do not sit out a long back-off */
void ntm_dc_hurry(struct ntm_dc *dc, uint64_t now_ms);
/** ntm_dc_reconnect() - it seems to have started again: a new session now; the old one serves until then */
void ntm_dc_reconnect(struct ntm_dc *dc, uint64_t now_ms);
/**
 * ntm_dc_by_ipv4() - if the session is by IPv6 and the DC has an IPv4 address, make a new one by that
 *
 * What a NAT makes of a node's IPv4 a DC knows only if it hears the node by IPv4, and what it hears keeps the mapping; a NAT does
 * nothing to IPv6. If nothing comes of it, the other addresses follow as ever. False: there is nothing to do.
 */
bool ntm_dc_by_ipv4(struct ntm_dc *dc, uint64_t now_ms);
/** ntm_dc_request() - as ntm_requests_add(), but for a few; sent once the node is registered */
uint32_t ntm_dc_request(struct ntm_dc *dc, const struct ntm_msg *m, uint64_t now_ms,
			uint32_t for_ms, ntm_request_fn *done, void *ctx);
/** ntm_dc_cancel() - as ntm_requests_cancel() */
void ntm_dc_cancel(struct ntm_dc *dc, uint32_t id);
/** ntm_dc_send() - a message that has no response */
void ntm_dc_send(struct ntm_dc *dc, const struct ntm_msg *m, uint64_t now_ms);
/** ntm_dc_goodbye() - once more, LIFETIME 0; true: nothing (more) to wait for */
bool ntm_dc_goodbye(struct ntm_dc *dc, uint64_t now_ms);

/* Packets: 0, or why it was dropped (see ntm_tunnel_request()). */
int ntm_dc_response(struct ntm_dc *dc, const uint8_t *packet, size_t len,
		    const union ntm_addr *from, uint64_t now_ms);
int ntm_dc_cookie(struct ntm_dc *dc, const uint8_t *packet, size_t len, uint64_t now_ms);
int ntm_dc_sealed(struct ntm_dc *dc, const uint8_t *packet, size_t len, const union ntm_addr *from,
		  uint64_t now_ms);
/** ntm_dc_owns_id() - does a packet with this session ID belong here? */
bool ntm_dc_owns_id(const struct ntm_dc *dc, uint32_t session_id);

void ntm_dc_tick(struct ntm_dc *dc, uint64_t now_ms);
uint64_t ntm_dc_deadline(const struct ntm_dc *dc);
/** ntm_dc_down() - it did not answer for a while */
bool ntm_dc_down(const struct ntm_dc *dc, uint64_t now_ms);
const char *ntm_dc_state_name(const struct ntm_dc *dc, uint64_t now_ms);

#endif
