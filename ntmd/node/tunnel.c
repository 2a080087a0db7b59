// SPDX-License-Identifier: GPL-2.0
#include "tunnel.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "ntmobile/wire.h"

#define SETUP_MS 5000u
#define AWAIT_MS 6000u
#define PENDING_MS 10000u
#define RETRY_FIRST_MS 250u
#define RETRY_MAX_MS 2000u
#define RETRY_FOR_MS 5000u
#define RETRY_LATE_MS 5000u
#define REPEAT_MS 200u /* between answers to one request that comes by several ways */
#define POLL_MS 5000u
#define PROBE_AFTER_MS 5000u
#define DEAD_MS 15000u
#define RTT_EVERY_MS 25000u
#define PROBE_LEN 20u /* header of the message, TIMESTAMP */
#define PAD_HDR_LEN 4u

static uint64_t now_ms(const struct ntm_tunnel_env *env)
{
	return env->now_us / 1000;
}

static uint32_t doubled(uint32_t wait_ms)
{
	return wait_ms * 2 < RETRY_MAX_MS ? wait_ms * 2 : RETRY_MAX_MS;
}

/* Actions */

static struct ntm_tunnel_act *act(struct ntm_tunnel_acts *acts, enum ntm_tunnel_act_type type)
{
	/* Too many for one event would be a bug; the last is then lost, as a packet may be */
	struct ntm_tunnel_act *a =
		&acts->act[acts->count < NTM_TUNNEL_ACTS ? acts->count++ : NTM_TUNNEL_ACTS - 1];

	memset(a, 0, sizeof(*a));
	a->type = type;
	return a;
}

/* @addr only for NTM_TO_ADDR */
static void act_send(struct ntm_tunnel_acts *acts, enum ntm_tunnel_to to,
		     const union ntm_addr *addr, const uint8_t *packet, size_t len)
{
	struct ntm_tunnel_act *a = act(acts, NTM_TUNNEL_SEND);

	a->to = to;
	if (addr)
		a->addr = *addr;
	memcpy(a->packet, packet, len);
	a->len = len;
}

static void act_keys(struct ntm_tunnel_acts *acts, const union ntm_addr *peer,
		     const struct ntm_dp_keys *keys)
{
	struct ntm_tunnel_act *a = act(acts, NTM_TUNNEL_KEYS);

	if (peer)
		a->addr = *peer;
	a->keys = *keys;
}

void ntm_tunnel_acts_wipe(struct ntm_tunnel_acts *acts)
{
	sodium_memzero(acts, sizeof(*acts));
}

static void over(struct ntm_tunnel *t, const char *why, struct ntm_tunnel_acts *acts)
{
	t->state = NTM_TUNNEL_GONE;
	act(acts, NTM_TUNNEL_OVER)->why = why;
}

/* Sealed messages */

static void seal(struct ntm_tunnel *t, const struct ntm_msg *m, enum ntm_tunnel_to to,
		 const union ntm_addr *addr, struct ntm_tunnel_acts *acts)
{
	uint8_t packet[NTM_TUNNEL_PACKET];
	int len;

	if (!t->cur.valid)
		return;
	len = ntm_session_seal(&t->cur.session, m, packet, sizeof(packet));
	if (len > 0)
		act_send(acts, to, addr, packet, (size_t)len);
}

static void send_keepalive(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			   struct ntm_tunnel_acts *acts)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE,
			     .request_id = t->request_id++,
			     .timestamp = env->now_us };

	NTM_SET(&m, TIMESTAMP);
	seal(t, &m, NTM_TO_PATH, NULL, acts);
}

static void probe_start(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			struct ntm_tunnel_acts *acts)
{
	send_keepalive(t, env, acts);
	t->probe = (struct ntm_tunnel_probe){
		.active = true,
		.since_ms = now_ms(env),
		.next_ms = now_ms(env) + RETRY_FIRST_MS,
		.wait_ms = RETRY_FIRST_MS,
	};
}

static void probe_tick(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		       struct ntm_tunnel_acts *acts)
{
	struct ntm_tunnel_probe *p = &t->probe;

	if (!p->active || now_ms(env) < p->next_ms)
		return;
	if (now_ms(env) - p->since_ms >= RETRY_FOR_MS) {
		p->active = false;
		return;
	}
	send_keepalive(t, env, acts);
	p->wait_ms = doubled(p->wait_ms);
	p->next_ms = now_ms(env) + p->wait_ms;
}

void ntm_tunnel_ping(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		     struct ntm_tunnel_acts *acts)
{
	if (t->state == NTM_TUNNEL_STANDING)
		probe_start(t, env, acts);
}

void ntm_tunnel_probe(struct ntm_tunnel *t, const union ntm_addr *to, uint64_t timestamp,
		      struct ntm_tunnel_acts *acts)
{
	struct ntm_msg m = { .type = NTM_MSG_PATH_PROBE,
			     .request_id = t->request_id++,
			     .timestamp = timestamp };

	NTM_SET(&m, TIMESTAMP);
	seal(t, &m, NTM_TO_ADDR, to, acts);
}

void ntm_tunnel_search(struct ntm_tunnel *t, struct ntm_tunnel_acts *acts)
{
	const struct ntm_msg m = { .type = NTM_MSG_PORT_SEARCH, .request_id = t->request_id++ };

	seal(t, &m, NTM_TO_PATH, NULL, acts);
}

int ntm_tunnel_pad(struct ntm_tunnel *t, uint64_t timestamp, uint8_t *out, size_t len)
{
	const size_t bare = NTM_SEALED_OVERHEAD + PROBE_LEN + PAD_HDR_LEN;
	struct ntm_msg m = { .type = NTM_MSG_PATH_PROBE,
			     .request_id = t->request_id++,
			     .timestamp = timestamp };

	if (!t->cur.valid || len < bare || len % 4)
		return -EINVAL;
	m.padding = (uint16_t)(len - bare);
	NTM_SET(&m, TIMESTAMP);
	NTM_SET(&m, PADDING);
	return ntm_session_seal(&t->cur.session, &m, out, len);
}

/* Our Tunnel Request */

static void ask_start(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, uint32_t epoch,
		      struct ntm_tunnel_acts *acts)
{
	struct ntm_tunnel_ask *ask = &t->ask;
	struct ntm_msg payload = { .epoch = epoch, .suites = env->suites };
	int len;

	NTM_SET(&payload, EPOCH);
	NTM_SET(&payload, SUITES);
	len = ntm_hs_request(&ask->hs, NTM_PKT_TUNNEL_REQUEST, env->self, t->peer_key, t->psk,
			     env->session_id(env->ctx), t->path_id, &payload, &t->jar, now_ms(env),
			     ask->packet, sizeof(ask->packet));
	if (len < 0)
		return;
	ask->active = true;
	ask->epoch = epoch;
	ask->len = (size_t)len;
	ask->since_ms = now_ms(env);
	ask->wait_ms = RETRY_FIRST_MS;
	ask->next_ms = now_ms(env) + ask->wait_ms;
	act_send(acts, t->cur.valid ? NTM_TO_PATH : NTM_TO_ALL, NULL, ask->packet, ask->len);
}

static void ask_stop(struct ntm_tunnel *t)
{
	sodium_memzero(&t->ask, sizeof(t->ask));
}

/*
 * The same request again, with the same e: a responder that took it gives the same answer again. So one
 * epoch has one handshake, and an old request replayed cannot supplant it.
 */
static void ask_again(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		      struct ntm_tunnel_acts *acts)
{
	struct ntm_tunnel_ask *ask = &t->ask;

	ntm_hs_refresh_mac2(ask->packet, ask->len, &t->jar, now_ms(env));
	act_send(acts, t->cur.valid ? NTM_TO_PATH : NTM_TO_ALL, NULL, ask->packet, ask->len);
}

void ntm_tunnel_ask_by(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		       const union ntm_addr *to, struct ntm_tunnel_acts *acts)
{
	if (!t->ask.active)
		return;
	ntm_hs_refresh_mac2(t->ask.packet, t->ask.len, &t->jar, now_ms(env));
	act_send(acts, NTM_TO_ADDR, to, t->ask.packet, t->ask.len);
}

/* During the set-up when the ways' punches go, too: 250, 500, 1000, 2000 ms after the first */
static uint32_t ask_wait(const struct ntm_tunnel *t, uint64_t since_ms)
{
	if (!t->cur.valid)
		return since_ms < RETRY_MAX_MS ? (uint32_t)since_ms : RETRY_MAX_MS;
	return since_ms >= RETRY_FOR_MS ? RETRY_LATE_MS : doubled(t->ask.wait_ms);
}

static void ask_tick(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		     struct ntm_tunnel_acts *acts)
{
	struct ntm_tunnel_ask *ask = &t->ask;

	if (!ask->active || now_ms(env) < ask->next_ms)
		return;
	ask->cookie = false;
	ask_again(t, env, acts);
	ask->wait_ms = ask_wait(t, now_ms(env) - ask->since_ms);
	ask->next_ms = now_ms(env) + ask->wait_ms;
}

/* Start and end */

void ntm_tunnel_punch(const struct ntm_tunnel *t, const union ntm_addr *to,
		      struct ntm_tunnel_acts *acts)
{
	uint8_t punch[NTM_HS_PUNCH_LEN];

	ntm_hs_punch(punch, t->path_id, t->psk, t->role);
	act_send(acts, NTM_TO_ADDR, to, punch, sizeof(punch));
}

void ntm_tunnel_start(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		      const struct ntm_msg *direction, struct ntm_tunnel_acts *acts)
{
	memset(t, 0, sizeof(*t));
	t->path_id = direction->path_id;
	t->role = direction->role;
	memcpy(t->psk, direction->path_psk, sizeof(t->psk));
	memcpy(t->peer_key, direction->peer_key, sizeof(t->peer_key));
	t->start_ms = now_ms(env);
	t->request_id = randombytes_random();

	if (t->role == NTM_ROLE_INITIATOR) {
		t->state = NTM_TUNNEL_REQUESTING;
		ask_start(t, env, 0, acts);
	} else {
		t->state = NTM_TUNNEL_AWAITING;
	}
}

void ntm_tunnel_close(struct ntm_tunnel *t, uint16_t status, const char *why,
		      struct ntm_tunnel_acts *acts)
{
	struct ntm_msg m = { .type = NTM_MSG_TUNNEL_CLOSE,
			     .request_id = t->request_id++,
			     .status = status };

	if (t->state == NTM_TUNNEL_GONE)
		return;
	NTM_SET(&m, STATUS);
	if (t->state == NTM_TUNNEL_STANDING)
		seal(t, &m, NTM_TO_PATH, NULL, acts);
	over(t, why, acts);
}

/* Keys */

static void adopt_session(struct ntm_tunnel *t, uint32_t epoch, const struct ntm_session *session)
{
	sodium_memzero(&t->prev, sizeof(t->prev));
	t->prev = t->cur;
	t->cur.valid = true;
	t->cur.epoch = epoch;
	t->cur.session = *session;
}

static void stand(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		  struct ntm_tunnel_acts *acts)
{
	if (t->state == NTM_TUNNEL_STANDING)
		return;
	t->state = NTM_TUNNEL_STANDING;
	t->inner_ms = now_ms(env);
	t->heard_ms = now_ms(env);
	t->polled_ms = now_ms(env);
	t->poll_ms = now_ms(env) + POLL_MS;
	act(acts, NTM_TUNNEL_STANDS);
}

/* @made_ms: when the handshake was, for a responder before its confirmation */
static void set_key_timers(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, uint64_t made_ms)
{
	t->keys_ms = made_ms;
	t->rekey_ms = made_ms + env->rekey_ms +
		      (t->role == NTM_ROLE_RESPONDER ? NTM_TUNNEL_REKEY_LATE_MS : 0);
	t->expire_ms = made_ms + NTM_TUNNEL_EXPIRE_MS;
}

static void forget_next(struct ntm_tunnel *t)
{
	sodium_memzero(&t->next, sizeof(t->next));
	sodium_memzero(&t->pending, sizeof(t->pending));
}

/* The peer has shown that it has the keys of @next */
static void promote_next(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			 struct ntm_tunnel_acts *acts)
{
	adopt_session(t, t->next.epoch, &t->next.session);
	t->suite = t->pending.suite;
	set_key_timers(t, env, t->answer.at_ms);
	forget_next(t);
	if (t->ask.active && t->ask.epoch <= t->cur.epoch)
		ask_stop(t);
	stand(t, env, acts);
}

static uint8_t choose_suite(uint32_t ours, uint32_t theirs)
{
	uint32_t both = ours & theirs;

	if (both & 1u << NTM_SUITE_AES_256_GCM)
		return NTM_SUITE_AES_256_GCM;
	if (both & 1u << NTM_SUITE_CHACHA20_POLY1305)
		return NTM_SUITE_CHACHA20_POLY1305;
	return 0;
}

static struct ntm_dp_keys data_keys(const struct ntm_hs_keys *hs, uint32_t epoch, uint8_t suite,
				    bool confirmed)
{
	struct ntm_dp_keys keys = { .epoch = epoch, .suite = suite, .confirmed = confirmed };

	memcpy(keys.tx, hs->data_tx, sizeof(keys.tx));
	memcpy(keys.rx, hs->data_rx, sizeof(keys.rx));
	return keys;
}

/* The peer's Tunnel Request */

static bool is_answered(const struct ntm_tunnel *t, const struct ntm_hs_resp *hs)
{
	return t->answer.valid &&
	       !sodium_memcmp(hs->ephemeral, t->answer.ephemeral, sizeof(hs->ephemeral));
}

/* The same request came again: the answer was lost, or the request went several ways. Old ones get nothing. */
static int answer_again(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			const union ntm_addr *from, struct ntm_tunnel_acts *acts)
{
	struct ntm_tunnel_answer *answer = &t->answer;

	if (!t->next.valid)
		return -EALREADY;
	if (ntm_addr_equal(from, &answer->to) || now_ms(env) - answer->at_ms >= REPEAT_MS)
		act_send(acts, NTM_TO_ADDR, from, answer->packet, answer->len);
	return 0;
}

static int request_allowed(const struct ntm_tunnel *t, const struct ntm_hs_resp *hs)
{
	const uint32_t expected = t->cur.valid ? t->cur.epoch + 1 : 0;

	if (sodium_memcmp(hs->initiator, t->peer_key, sizeof(t->peer_key)))
		return -EPERM;
	if (!NTM_HAS(&hs->payload, EPOCH) || !NTM_HAS(&hs->payload, SUITES))
		return -EPROTO;
	if (t->state == NTM_TUNNEL_REQUESTING || t->state == NTM_TUNNEL_GONE)
		return -EPERM;
	if (hs->payload.epoch != expected)
		return -EPERM;
	/* One handshake an epoch; but an initiator that restarted during the set-up knows nothing of its first */
	if (t->next.valid && t->state != NTM_TUNNEL_PENDING)
		return -EPERM;
	if (t->ask.active && t->role == NTM_ROLE_INITIATOR) /* crossed: the path's initiator wins */
		return -EPERM;
	return 0;
}

static int answer_request(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			  struct ntm_hs_resp *hs, uint8_t suite, struct ntm_hs_keys *keys)
{
	struct ntm_tunnel_answer *answer = &t->answer;
	struct ntm_msg payload = { .epoch = hs->payload.epoch, .suite = suite };
	int len;

	NTM_SET(&payload, EPOCH);
	NTM_SET(&payload, SUITE);
	memcpy(answer->ephemeral, hs->ephemeral, sizeof(answer->ephemeral));
	answer->epoch = hs->payload.epoch;
	len = ntm_hs_answer(hs, t->psk, env->session_id(env->ctx), &payload, keys, answer->packet,
			    sizeof(answer->packet));
	answer->valid = len > 0;
	answer->len = len > 0 ? (size_t)len : 0;
	answer->at_ms = now_ms(env);
	return len > 0 ? 0 : len;
}

static int take_request(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			struct ntm_hs_resp *hs, const union ntm_addr *from,
			struct ntm_tunnel_acts *acts)
{
	const bool first = !t->cur.valid;
	struct ntm_hs_keys keys;
	uint8_t suite;
	int err;

	if (is_answered(t, hs))
		return answer_again(t, env, from, acts);
	err = request_allowed(t, hs);
	if (err)
		return err;
	suite = choose_suite(env->suites, hs->payload.suites);
	if (!suite)
		return -EPERM;
	err = answer_request(t, env, hs, suite, &keys);
	if (err)
		return err;
	ask_stop(t);
	t->answer.to = *from;
	t->next.valid = true;
	t->next.epoch = t->answer.epoch;
	t->next.session = keys.session;
	t->pending = data_keys(&keys, t->next.epoch, suite, false);
	if (first)
		t->state = NTM_TUNNEL_PENDING;
	/* Keys before the answer: the first data packet may be as fast as it */
	act_keys(acts, first ? from : NULL, &t->pending);
	act_send(acts, NTM_TO_ADDR, from, t->answer.packet, t->answer.len);
	sodium_memzero(&keys, sizeof(keys));
	return 0;
}

int ntm_tunnel_request(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		       struct ntm_hs_resp *hs, const union ntm_addr *from,
		       struct ntm_tunnel_acts *acts)
{
	int err = take_request(t, env, hs, from, acts);

	sodium_memzero(hs, sizeof(*hs));
	return err;
}

/* The peer's Tunnel Response */

static int response_allowed(const struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			    const struct ntm_msg *payload)
{
	if (!NTM_HAS(payload, EPOCH) || !NTM_HAS(payload, SUITE))
		return -EPROTO;
	if (payload->epoch != t->ask.epoch || payload->suite > 31 ||
	    !(env->suites & 1u << payload->suite))
		return -EPROTO;
	return 0;
}

static void take_response(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			  const struct ntm_hs_keys *hs, uint8_t suite, const union ntm_addr *from,
			  struct ntm_tunnel_acts *acts)
{
	const uint32_t epoch = t->ask.epoch;
	const bool first = !t->cur.valid;
	struct ntm_dp_keys keys = data_keys(hs, epoch, suite, true);

	ask_stop(t);
	forget_next(t);
	adopt_session(t, epoch, &hs->session);
	t->suite = suite;
	set_key_timers(t, env, now_ms(env));
	t->heard_ms = now_ms(env);
	act_keys(acts, first ? from : NULL, &keys);
	sodium_memzero(&keys, sizeof(keys));
	stand(t, env, acts);
	/* Confirms the keys even if the data path's packet is lost, and measures the RTT */
	probe_start(t, env, acts);
}

int ntm_tunnel_response(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			const uint8_t *packet, size_t len, const union ntm_addr *from,
			struct ntm_tunnel_acts *acts)
{
	struct ntm_hs_keys keys;
	struct ntm_msg payload;
	int err;

	if (!t->ask.active)
		return -EPERM;
	err = ntm_hs_response(&t->ask.hs, packet, len, &keys, &payload);
	if (err)
		return err;
	err = response_allowed(t, env, &payload);
	if (!err)
		take_response(t, env, &keys, payload.suite, from, acts);
	else
		over(t, "the peer's Tunnel Response makes no sense", acts);
	sodium_memzero(&keys, sizeof(keys));
	return err;
}

int ntm_tunnel_cookie(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, const uint8_t *packet,
		      size_t len, struct ntm_tunnel_acts *acts)
{
	int err;

	/*
	 * One for each time that the clock sent the request: each candidate gives a cookie of its own, for the
	 * address it saw, and would be asked again for each of the others'.
	 */
	if (!t->ask.active || t->ask.cookie)
		return -EPERM;
	err = ntm_hs_cookie_reply(&t->jar, t->peer_key, packet, len, now_ms(env));
	if (err)
		return err;
	t->ask.cookie = true;
	ask_again(t, env, acts);
	return 0;
}

/* Sealed packets */

/* A Keep Alive or a Path Probe, answered by the way it came; the latter with what has come of the peer's data */
static void echo(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, const struct ntm_msg *m,
		 uint8_t type, const union ntm_addr *from, struct ntm_tunnel_acts *acts)
{
	struct ntm_msg answer = {
		.type = type,
		.request_id = m->request_id,
		.timestamp = m->timestamp,
		.observed = { .kind = NTM_CAND_HOST, .addr = *from },
	};

	NTM_SET(&answer, TIMESTAMP);
	NTM_SET(&answer, OBSERVED);
	if (type == NTM_MSG_PATH_PROBE_RESPONSE && env->received &&
	    env->received(env->ctx, t->path_id, &answer.received))
		NTM_SET(&answer, RECEIVED);
	seal(t, &answer, NTM_TO_ADDR, from, acts);
}

static void act_answered(struct ntm_tunnel_acts *acts, const struct ntm_msg *m)
{
	struct ntm_tunnel_act *a = act(acts, NTM_TUNNEL_ANSWERED);

	a->timestamp = m->timestamp;
	a->has_received = NTM_HAS(m, RECEIVED);
	a->received = m->received;
}

static void take_keepalive_response(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
				    const struct ntm_msg *m, struct ntm_tunnel_acts *acts)
{
	t->probe.active = false;
	if (m->timestamp > env->now_us)
		return;
	t->rtt_us = env->now_us - m->timestamp;
	t->rtt_ms = now_ms(env);
	act(acts, NTM_TUNNEL_RTT);
}

static int take_message(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			const struct ntm_msg *m, const union ntm_addr *from,
			struct ntm_tunnel_acts *acts)
{
	switch (m->type) {
	case NTM_MSG_KEEP_ALIVE:
		echo(t, env, m, NTM_MSG_KEEP_ALIVE_RESPONSE, from, acts);
		return 0;
	case NTM_MSG_PATH_PROBE:
		echo(t, env, m, NTM_MSG_PATH_PROBE_RESPONSE, from, acts);
		return 0;
	case NTM_MSG_PATH_PROBE_RESPONSE:
		act_answered(acts, m);
		return 0;
	case NTM_MSG_PORT_SEARCH:
		act(acts, NTM_TUNNEL_SEARCHED);
		return 0;
	case NTM_MSG_KEEP_ALIVE_RESPONSE:
		take_keepalive_response(t, env, m, acts);
		return 0;
	case NTM_MSG_TUNNEL_CLOSE:
		over(t, "closed by the peer", acts);
		return 0;
	default:
		return -EPROTO;
	}
}

static struct ntm_tunnel_session *session_of(struct ntm_tunnel *t, uint32_t id)
{
	if (t->cur.valid && t->cur.session.local_id == id)
		return &t->cur;
	if (t->next.valid && t->next.session.local_id == id)
		return &t->next;
	if (t->prev.valid && t->prev.session.local_id == id)
		return &t->prev;
	return NULL;
}

/* Of ways other than the path's, or of one that it was on when they were sent: they move nothing */
static bool is_probe(const struct ntm_msg *m)
{
	return m->type == NTM_MSG_PATH_PROBE || m->type == NTM_MSG_PATH_PROBE_RESPONSE ||
	       m->type == NTM_MSG_PORT_SEARCH;
}

static void act_heard(struct ntm_tunnel_acts *acts, const union ntm_addr *from,
		      const struct ntm_msg *m, bool newest)
{
	struct ntm_tunnel_act *a = act(acts, NTM_TUNNEL_HEARD);

	a->addr = *from;
	a->is_probe = m && m->type == NTM_MSG_PATH_PROBE;
	a->moves = newest && !(m && is_probe(m));
}

int ntm_tunnel_sealed(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, const uint8_t *packet,
		      size_t len, const union ntm_addr *from, struct ntm_tunnel_acts *acts)
{
	struct ntm_tunnel_session *s = session_of(t, ntm_session_id_of(packet, len));
	bool newest = false, current;
	struct ntm_msg m;
	int err;

	if (!s)
		return -EPERM;
	err = ntm_session_open(&s->session, packet, len, &m, &newest);
	if (err && err != -EPROTO)
		return err;
	t->heard_ms = now_ms(env);
	current = s != &t->prev;
	if (s == &t->next) {
		t->pending.confirmed = true;
		act_keys(acts, NULL, &t->pending);
		promote_next(t, env, acts);
	}
	act_heard(acts, from, err ? NULL : &m, current && newest);
	return err ? err : take_message(t, env, &m, from, acts);
}

/* What the data path tells */

void ntm_tunnel_confirmed(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, uint32_t epoch,
			  struct ntm_tunnel_acts *acts)
{
	if (t->next.valid && t->next.epoch == epoch)
		promote_next(t, env, acts);
}

void ntm_tunnel_rekey(struct ntm_tunnel *t, const struct ntm_tunnel_env *env, uint32_t epoch,
		      struct ntm_tunnel_acts *acts)
{
	if (t->state == NTM_TUNNEL_STANDING && t->cur.epoch == epoch && !t->ask.active &&
	    !t->next.valid)
		ask_start(t, env, epoch + 1, acts);
}

/* Time */

/* Inner packets went out and nothing came back: first ask the peer, then the DC */
static void check_dead(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		       struct ntm_tunnel_acts *acts)
{
	const uint64_t now = now_ms(env);

	if (!t->silent_ms)
		return;
	if (now - t->silent_ms >= DEAD_MS && now - t->sent_ms < DEAD_MS) {
		t->silent_ms = now; /* and again so much later, should that one fail */
		act(acts, NTM_TUNNEL_REDIRECT);
	} else if (now - t->silent_ms >= PROBE_AFTER_MS && !t->probe.active) {
		probe_start(t, env, acts);
	}
}

static void look_at_stats(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			  const struct ntm_dp_stats *stats)
{
	const uint64_t now = now_ms(env), since = now - t->polled_ms;
	const bool sent = stats->tx_bytes != t->seen_tx, got = stats->rx_bytes != t->seen_rx;

	if (sent)
		t->sent_ms = now;
	if (sent || got)
		t->inner_ms = now;
	if (got || stats->last_rx_ms < since || t->heard_ms > t->polled_ms)
		t->silent_ms = 0;
	else if (sent && !t->silent_ms)
		t->silent_ms = now;
	t->seen_tx = stats->tx_bytes;
	t->seen_rx = stats->rx_bytes;
}

static uint32_t poll_interval(const struct ntm_tunnel_env *env)
{
	const uint32_t quarter = env->idle_ms / 4;

	return quarter < POLL_MS ? (quarter < 250 ? 250 : quarter) : POLL_MS;
}

static void poll_stats(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		       const struct ntm_dp_stats *stats, struct ntm_tunnel_acts *acts)
{
	const uint64_t now = now_ms(env);

	if (now < t->poll_ms)
		return;
	if (stats) {
		look_at_stats(t, env, stats);
		if (now - t->inner_ms >= env->idle_ms) {
			ntm_tunnel_close(t, NTM_ST_GOING_AWAY, "idle", acts);
			return;
		}
		check_dead(t, env, acts);
		if (t->inner_ms == now && now - t->rtt_ms >= RTT_EVERY_MS && !t->probe.active)
			probe_start(t, env, acts);
	}
	t->polled_ms = now;
	t->poll_ms = now + poll_interval(env);
}

static void tick_standing(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
			  const struct ntm_dp_stats *stats, struct ntm_tunnel_acts *acts)
{
	if (now_ms(env) >= t->expire_ms) {
		ntm_tunnel_close(t, NTM_ST_GOING_AWAY, "its keys expired", acts);
		return;
	}
	if (now_ms(env) >= t->rekey_ms) {
		t->rekey_ms = UINT64_MAX;
		ntm_tunnel_rekey(t, env, t->cur.epoch, acts);
	}
	ask_tick(t, env, acts);
	probe_tick(t, env, acts);
	poll_stats(t, env, stats, acts);
}

/* When a set-up is given up */
static uint64_t setup_ends(const struct ntm_tunnel *t)
{
	switch (t->state) {
	case NTM_TUNNEL_REQUESTING:
		return t->start_ms + SETUP_MS;
	case NTM_TUNNEL_AWAITING:
		return t->start_ms + AWAIT_MS;
	case NTM_TUNNEL_PENDING:
		return t->start_ms + PENDING_MS;
	default:
		return UINT64_MAX;
	}
}

void ntm_tunnel_tick(struct ntm_tunnel *t, const struct ntm_tunnel_env *env,
		     const struct ntm_dp_stats *stats, struct ntm_tunnel_acts *acts)
{
	if (t->state == NTM_TUNNEL_GONE)
		return;
	if (t->state == NTM_TUNNEL_STANDING)
		tick_standing(t, env, stats, acts);
	else if (now_ms(env) >= setup_ends(t))
		over(t, "the peer does not answer", acts);
	else
		ask_tick(t, env, acts);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ntm_tunnel_deadline(const struct ntm_tunnel *t)
{
	uint64_t at = setup_ends(t);

	if (t->state == NTM_TUNNEL_GONE)
		return UINT64_MAX;
	if (t->state == NTM_TUNNEL_STANDING)
		at = earlier(earlier(t->rekey_ms, t->expire_ms), t->poll_ms);
	if (t->ask.active)
		at = earlier(at, t->ask.next_ms);
	if (t->probe.active)
		at = earlier(at, t->probe.next_ms);
	return at;
}

/* Names of things */

void ntm_tunnel_ids(const struct ntm_tunnel *t, uint32_t ids[NTM_TUNNEL_IDS])
{
	ids[0] = t->cur.valid ? t->cur.session.local_id : 0;
	ids[1] = t->prev.valid ? t->prev.session.local_id : 0;
	ids[2] = t->next.valid ? t->next.session.local_id : 0;
	ids[3] = t->ask.active ? t->ask.hs.local_id : 0;
}

const char *ntm_tunnel_state_name(enum ntm_tunnel_state state)
{
	static const char *const names[] = { "requesting", "awaiting", "pending", "up", "gone" };

	return (unsigned int)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

void ntm_tunnel_wipe(struct ntm_tunnel *t)
{
	sodium_memzero(t, sizeof(*t));
	t->state = NTM_TUNNEL_GONE;
}
