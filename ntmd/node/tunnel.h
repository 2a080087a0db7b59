/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One tunnel: docs/PROTOCOL.md section 7 as a state machine. An event and the state go in, actions and
 * the new state come out. No I/O, and no clock: the time is part of the event. Whoever owns the tunnel
 * carries the actions out, in their order, and calls ntm_tunnel_tick() when ntm_tunnel_deadline() is reached.
 *
 *	start, initiator ---> REQUESTING --response-----------------> STANDING
 *	start, responder ---> AWAITING --request--> PENDING --confirmed--^  |
 *	                          |                    |                   | close, idle, keys expired
 *	                          +-----given up-------+----------------> GONE
 *
 * A rekey happens within STANDING: a Tunnel Request of ours (ask) or of the peer's (answer, next).
 *
 * Timers, all of them found by ntm_tunnel_deadline():
 *	set-up		5 s after start (responder: 6 s, 10 s once it has answered): GONE
 *	ask		set-up: 250, 500, 1000, 2000, 4000 ms after the start; rekey: 250 ms doubling to 2 s, after 5 s every 5 s: request again
 *	rekey		120 s after the keys (path's responder: 130 s): ask
 *	expiry		180 s after the keys: GONE
 *	probe		250 ms doubling to 2 s, for 5 s: Keep Alive again
 *	poll		5 s: look at the data path's counters, for idle tunnels and dead peers
 *
 * Where the peer is, and by which way packets get there, is not known here but in ways.h.
 */
#ifndef NTM_TUNNEL_H
#define NTM_TUNNEL_H

#include "common/handshake.h"
#include "datapath.h"

#define NTM_TUNNEL_PACKET 256
#define NTM_TUNNEL_ACTS 8
#define NTM_TUNNEL_IDS 4

#define NTM_TUNNEL_REKEY_MS 120000u
#define NTM_TUNNEL_REKEY_LATE_MS 10000u /* how much later the path's responder asks */
#define NTM_TUNNEL_EXPIRE_MS 180000u
#define NTM_TUNNEL_IDLE_MS 300000u

enum ntm_tunnel_state {
	NTM_TUNNEL_REQUESTING,
	NTM_TUNNEL_AWAITING,
	NTM_TUNNEL_PENDING,
	NTM_TUNNEL_STANDING,
	NTM_TUNNEL_GONE,
};

/**
 * struct ntm_tunnel_env - what an event brings along
 * @now_us:	monotonic; RTTs are measured with it
 * @session_id:	a session ID that is not in use
 * @received:	how many packets the data path has taken of the path's peer; false: not known. May be NULL
 */
struct ntm_tunnel_env {
	uint64_t now_us;
	const struct ntm_noise_keypair *self;
	uint32_t suites;
	uint32_t idle_ms, rekey_ms;
	uint32_t (*session_id)(void *ctx);
	bool (*received)(void *ctx, uint32_t path_id, uint64_t *packets);
	void *ctx;
};

enum ntm_tunnel_act_type {
	NTM_TUNNEL_SEND, /* @packet, where @to says */
	NTM_TUNNEL_KEYS, /* @keys into the data path; the first time @addr is where the handshake went, else its family is 0 */
	NTM_TUNNEL_HEARD, /* an authentic Sealed packet came from @addr; @moves, @is_probe */
	NTM_TUNNEL_ANSWERED, /* a Path Probe Response, with @timestamp, and @received if @has_received */
	NTM_TUNNEL_SEARCHED, /* Port Search: the peer has opened many sockets */
	NTM_TUNNEL_STANDS,   /* the tunnel carries packets from now on */
	NTM_TUNNEL_RTT,	     /* a Keep Alive came back: tunnel->rtt_us */
	NTM_TUNNEL_REDIRECT, /* ask the DC for a new direction: nothing comes back */
	NTM_TUNNEL_OVER,     /* forget it; @why for people */
};

enum ntm_tunnel_to {
	NTM_TO_ADDR, /* @addr, as an answer to what came from there */
	NTM_TO_PATH, /* the way that the path is on */
	NTM_TO_ALL,  /* all ways */
};

/** struct ntm_tunnel_act - @moves: newest of all, and no probe: the peer wants the path to be there */
struct ntm_tunnel_act {
	enum ntm_tunnel_act_type type;
	enum ntm_tunnel_to to;
	union ntm_addr addr;
	bool moves, is_probe;
	uint64_t timestamp, received;
	bool has_received;
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;
	struct ntm_dp_keys keys;
	const char *why;
};

/** struct ntm_tunnel_acts - filled by an event; holds keys: ntm_tunnel_acts_wipe() */
struct ntm_tunnel_acts {
	unsigned int count;
	struct ntm_tunnel_act act[NTM_TUNNEL_ACTS];
};

/** struct ntm_tunnel_session - one epoch's session with the peer */
struct ntm_tunnel_session {
	bool valid;
	uint32_t epoch;
	struct ntm_session session;
};

/**
 * struct ntm_tunnel_ask - our Tunnel Request that waits for its Response
 * @cookie:	a Cookie Reply was taken since the clock last sent it
 */
struct ntm_tunnel_ask {
	bool active;
	bool cookie;
	uint32_t epoch;
	struct ntm_hs_init hs;
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;
	uint64_t since_ms, next_ms;
	uint32_t wait_ms;
};

/** struct ntm_tunnel_answer - our answer to the peer's last Tunnel Request, to give it again */
struct ntm_tunnel_answer {
	bool valid;
	uint32_t epoch;
	uint8_t ephemeral[32];
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;
	union ntm_addr to;
	uint64_t at_ms;
};

/** struct ntm_tunnel_probe - Keep Alives until one is answered */
struct ntm_tunnel_probe {
	bool active;
	uint64_t since_ms, next_ms;
	uint32_t wait_ms;
};

/**
 * struct ntm_tunnel
 * @cur, @prev:	sessions; packets are sent by @cur
 * @next:	answered and not confirmed; @pending are its data keys
 * @keys_ms:	when the keys of @cur were made
 * @inner_ms:	last time an inner packet was seen, either way
 * @silent_ms:	since when inner packets go out and nothing comes in; 0: they are answered
 */
struct ntm_tunnel {
	enum ntm_tunnel_state state;
	uint32_t path_id;
	uint8_t role;
	uint8_t psk[32];
	uint8_t peer_key[32];

	uint64_t start_ms;
	uint64_t keys_ms;
	uint64_t rekey_ms;
	uint64_t expire_ms;
	uint64_t poll_ms;
	struct ntm_tunnel_session cur, prev, next;
	struct ntm_dp_keys pending;
	struct ntm_tunnel_ask ask;
	struct ntm_tunnel_answer answer;
	struct ntm_hs_cookie_jar jar;
	struct ntm_tunnel_probe probe;
	uint32_t request_id;
	uint8_t suite;

	uint64_t rtt_us;
	uint64_t rtt_ms;
	uint64_t heard_ms;
	uint64_t polled_ms;
	uint64_t inner_ms, sent_ms, silent_ms;
	uint64_t seen_tx, seen_rx;
};

/** ntm_tunnel_start() - begin by a Route Direction */
void ntm_tunnel_start(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		      const struct ntm_msg *direction, struct ntm_tunnel_acts *acts);

/*
 * Packets. 0, or why it was dropped: -EBADMSG not authentic, -EALREADY a replay, -EPROTO malformed, -EPERM
 * authentic but not allowed now. A request is read (ntm_hs_accept()) before and wiped here.
 */
int ntm_tunnel_request(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		       struct ntm_hs_resp *hs, const union ntm_addr *from,
		       struct ntm_tunnel_acts *acts);
int ntm_tunnel_response(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			const uint8_t *packet, size_t len, const union ntm_addr *from,
			struct ntm_tunnel_acts *acts);
int ntm_tunnel_cookie(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, const uint8_t *packet,
		      size_t len, struct ntm_tunnel_acts *acts);
int ntm_tunnel_sealed(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, const uint8_t *packet,
		      size_t len, const union ntm_addr *from, struct ntm_tunnel_acts *acts);

/* What the data path tells. */
void ntm_tunnel_confirmed(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, uint32_t epoch,
			  struct ntm_tunnel_acts *acts);
void ntm_tunnel_rekey(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, uint32_t epoch,
		      struct ntm_tunnel_acts *acts);

/** ntm_tunnel_tick() - the deadline is reached; @stats: of the data path, or NULL if it has none */
void ntm_tunnel_tick(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		     const struct ntm_dp_stats *stats, struct ntm_tunnel_acts *acts);
/** ntm_tunnel_deadline() - in monotonic ms; UINT64_MAX: none */
uint64_t ntm_tunnel_deadline(const struct ntm_tunnel *t);

/** ntm_tunnel_ping() - send a Keep Alive now; NTM_TUNNEL_RTT follows if it comes back */
void ntm_tunnel_ping(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		     struct ntm_tunnel_acts *acts);
/* What ways.h wants sent to one address: a Path Probe, Hole Punching, the Tunnel Request that waits for its answer. */
void ntm_tunnel_probe(struct ntm_tunnel *t, const union ntm_addr *to, uint64_t timestamp,
		      struct ntm_tunnel_acts *acts);
/** ntm_tunnel_search() - Port Search, by the path */
void ntm_tunnel_search(struct ntm_tunnel *t, struct ntm_tunnel_acts *acts);
void ntm_tunnel_punch(const struct ntm_tunnel *t, const union ntm_addr *to,
		      struct ntm_tunnel_acts *acts);
void ntm_tunnel_ask_by(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		       const union ntm_addr *to, struct ntm_tunnel_acts *acts);
/**
 * ntm_tunnel_pad() - a Path Probe of exactly @len bytes, a multiple of four, sealed
 *
 * Returns @len; -EINVAL if it is too short for one, or there is no session yet; -EMSGSIZE above NTM_SEALED_MAX.
 */
int ntm_tunnel_pad(struct ntm_tunnel *t, uint64_t timestamp, uint8_t *out, size_t len);
/** ntm_tunnel_close() - tell the peer, if there is a session, and end */
void ntm_tunnel_close(struct ntm_tunnel *t, uint16_t status, const char *why,
		      struct ntm_tunnel_acts *acts);

/** ntm_tunnel_ids() - the session IDs that packets for this tunnel carry; 0: none */
void ntm_tunnel_ids(const struct ntm_tunnel *t, uint32_t ids[NTM_TUNNEL_IDS]);
const char *ntm_tunnel_state_name(enum ntm_tunnel_state state);
void ntm_tunnel_wipe(struct ntm_tunnel *t);
void ntm_tunnel_acts_wipe(struct ntm_tunnel_acts *acts);

#endif
