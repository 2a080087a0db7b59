// SPDX-License-Identifier: GPL-2.0
#include "common/dc.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/log.h"

#define HS_FIRST_MS 500u
#define HS_MAX_MS 30000u
#define SESSION_MS 3600000u
#define UNANSWERED_MS 1000u
#define PROBE_MS \
	500u /* a request that waits so long may be one that takes its time: does the DC know us still? */
#define REGISTER_FOR_MS 15000u
#define KEEPALIVE_FOR_MS 10000u
#define REFUSED_RETRY_MS 30000u
#define BUSY_RETRY_MS 2000u
#define LIFETIME_S 7200u
#define KEEPALIVE_S 25u
#define DOWN_MS 3000u
#define RTT_SURE_MS 225u /* sooner than a request is ever sent again */
#define OWN_REQUESTS 8u	 /* that have room however many others wait: registrations, Keep Alives */
#define INTRODUCE_AGAIN_MS 60000u /* networks may change */

void ntm_dc_init(struct ntm_dc *dc, const struct ntm_dc_ops *ops, void *ctx,
		 const struct ntm_noise_keypair *self)
{
	memset(dc, 0, sizeof(*dc));
	dc->ops = ops;
	dc->ctx = ctx;
	dc->self = self;
	dc->keepalive_s = KEEPALIVE_S;
	dc->renew_ms = UINT64_MAX;
	dc->rtt_ms = UINT64_MAX;
	ntm_requests_init(&dc->requests);
}

static uint8_t introduction(const struct ntm_dc *dc)
{
	return dc->ops->introduction ? dc->ops->introduction : NTM_MSG_REGISTRATION_REQUEST;
}

static void drop_sessions(struct ntm_dc *dc)
{
	ntm_session_wipe(&dc->cur);
	ntm_session_wipe(&dc->prev);
	dc->has_cur = false;
	dc->has_prev = false;
	sodium_memzero(&dc->hs, sizeof(dc->hs));
}

void ntm_dc_done(struct ntm_dc *dc)
{
	dc->leaving = true;
	ntm_requests_cancel_all(&dc->requests);
	drop_sessions(dc);
	sodium_memzero(&dc->where, sizeof(dc->where));
	dc->state = NTM_DC_OFF;
}

/* Handshake */

/* To the next address that can be sent to at all: a family without a route costs no time */
static void hs_send(struct ntm_dc *dc, uint64_t now_ms)
{
	struct ntm_dc_hs *hs = &dc->hs;

	hs->sent_ms = now_ms;
	ntm_hs_refresh_mac2(hs->packet, hs->len, &dc->jar, now_ms);
	for (unsigned int tries = 0; tries < dc->where.addr_count; tries++) {
		const union ntm_addr *to = &dc->where.addrs[dc->turn++ % dc->where.addr_count];

		if (!dc->ops->send(dc->ctx, to, hs->packet, hs->len))
			return;
	}
}

static void hs_start(struct ntm_dc *dc, uint64_t now_ms)
{
	struct ntm_dc_hs *hs = &dc->hs;
	int len;

	if (hs->active || !dc->where.addr_count || dc->leaving)
		return;
	len = ntm_hs_request(&hs->init, NTM_PKT_SESSION_REQUEST, dc->self, dc->where.dc_key, NULL,
			     dc->ops->session_id(dc->ctx), 0, NULL, &dc->jar, now_ms, hs->packet,
			     sizeof(hs->packet));
	if (len < 0) {
		ntm_err("Session Request: %s", strerror(-len));
		return;
	}
	hs->active = true;
	hs->len = (size_t)len;
	hs->since_ms = now_ms;
	hs->wait_ms = HS_FIRST_MS;
	hs->next_ms = now_ms + hs->wait_ms;
	hs_send(dc, now_ms);
}

static void hs_tick(struct ntm_dc *dc, uint64_t now_ms)
{
	struct ntm_dc_hs *hs = &dc->hs;

	if (!hs->active || now_ms < hs->next_ms)
		return;
	hs->cookie = false;
	hs_send(dc, now_ms);
	hs->wait_ms = hs->wait_ms * 2 < HS_MAX_MS ? hs->wait_ms * 2 : HS_MAX_MS;
	hs->next_ms = now_ms + hs->wait_ms;
}

void ntm_dc_hurry(struct ntm_dc *dc, uint64_t now_ms)
{
	struct ntm_dc_hs *hs = &dc->hs;
	const uint64_t soonest_ms = hs->sent_ms + HS_FIRST_MS;

	if (!hs->active || hs->next_ms <= soonest_ms)
		return;
	hs->wait_ms = HS_FIRST_MS;
	hs->next_ms = soonest_ms > now_ms ? soonest_ms : now_ms;
}

void ntm_dc_reconnect(struct ntm_dc *dc, uint64_t now_ms)
{
	if (dc->state == NTM_DC_OFF)
		return;
	ntm_dc_hurry(dc, now_ms);
	hs_start(dc, now_ms);
}

bool ntm_dc_by_ipv4(struct ntm_dc *dc, uint64_t now_ms)
{
	if (!dc->has_cur || dc->hs.active || dc->leaving || dc->addr.sa.sa_family != AF_INET6)
		return false;
	for (unsigned int i = 0; i < dc->where.addr_count; i++) {
		if (dc->where.addrs[i].sa.sa_family != AF_INET)
			continue;
		dc->turn = i;
		hs_start(dc, now_ms);
		return true;
	}
	return false;
}

/* What one DC was asked is none of another's business, tokens least of all. The same at other addresses still answers. */
static void leave_dc(struct ntm_dc *dc, const struct ntm_join *next)
{
	drop_sessions(dc);
	dc->state = NTM_DC_OFF; /* who is told so asks nothing anew */
	if (memcmp(dc->where.dc_key, next->dc_key, sizeof(next->dc_key)) != 0)
		ntm_requests_cancel_all(&dc->requests);
}

void ntm_dc_set(struct ntm_dc *dc, const struct ntm_join *where, bool has_token, uint64_t now_ms)
{
	leave_dc(dc, where);
	memset(&dc->jar, 0, sizeof(dc->jar));
	dc->where = *where;
	dc->has_token = has_token;
	dc->turn = 0;
	dc->state = NTM_DC_CONNECTING;
	dc->renew_ms = UINT64_MAX;
	dc->unanswered_ms = now_ms;
	dc->status = NTM_ST_OK;
	dc->text[0] = '\0';
	hs_start(dc, now_ms);
}

/* Sealed messages out */

struct send_job {
	struct ntm_dc *dc;
	uint64_t now_ms;
};

void ntm_dc_send(struct ntm_dc *dc, const struct ntm_msg *m, uint64_t now_ms)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len;

	if (!dc->has_cur)
		return;
	len = ntm_session_seal(&dc->cur, m, packet, sizeof(packet));
	if (len < 0) {
		ntm_err("%s cannot be sent: %s", ntm_msg_name(m->type), strerror(-len));
		return;
	}
	dc->sent_ms = now_ms;
	dc->ops->send(dc->ctx, &dc->addr, packet, (size_t)len);
}

static void send_request(void *ctx, const struct ntm_msg *m)
{
	struct send_job *job = ctx;

	ntm_dc_send(job->dc, m, job->now_ms);
}

/* Before the node is registered only Registration Requests go out, the others wait */
static uint8_t sendable(const struct ntm_dc *dc)
{
	return dc->state == NTM_DC_REGISTERED ? 0 : introduction(dc);
}

static void send_due(struct ntm_dc *dc, uint64_t now_ms)
{
	struct send_job job = { dc, now_ms };

	if (dc->has_cur)
		ntm_requests_send(&dc->requests, now_ms, sendable(dc), send_request, &job);
}

uint32_t ntm_dc_request(struct ntm_dc *dc, const struct ntm_msg *m, uint64_t now_ms,
			uint32_t for_ms, ntm_request_fn *done, void *ctx)
{
	uint32_t id;

	if (dc->state == NTM_DC_OFF || dc->state == NTM_DC_REFUSED || dc->leaving ||
	    dc->requests.count >= NTM_REQUESTS_MAX - OWN_REQUESTS)
		return 0;
	ntm_dc_hurry(dc, now_ms);
	id = ntm_requests_add(&dc->requests, m, now_ms, for_ms, done, ctx);
	if (id)
		send_due(dc, now_ms);
	return id;
}

void ntm_dc_cancel(struct ntm_dc *dc, uint32_t id)
{
	ntm_requests_cancel(&dc->requests, id);
}

/* Registration */

static void registration_done(void *ctx, uint32_t id, const struct ntm_msg *response);

static struct ntm_msg registration(struct ntm_dc *dc, uint32_t lifetime)
{
	struct ntm_msg m = { .type = introduction(dc) };

	if (m.type == NTM_MSG_REGISTRATION_REQUEST) {
		m.lifetime = lifetime;
		NTM_SET(&m, LIFETIME);
	}
	if (dc->has_token) {
		memcpy(m.token, dc->where.token, sizeof(m.token));
		NTM_SET(&m, TOKEN);
	}
	dc->ops->registration(dc->ctx, &m);
	return m;
}

void ntm_dc_register(struct ntm_dc *dc, uint64_t now_ms)
{
	struct ntm_msg m;

	if (!dc->has_cur || dc->leaving)
		return;
	m = registration(dc, LIFETIME_S);
	/* The DC takes what comes last for the newest: an older one must not be sent again after this one */
	dc->registration = ntm_requests_replace(&dc->requests, dc->registration, &m, now_ms,
						REGISTER_FOR_MS, registration_done, dc);
	dc->asked_ms = now_ms;
	dc->renew_ms = now_ms + REGISTER_FOR_MS;
	sodium_memzero(&m, sizeof(m));
	send_due(dc, now_ms);
}

static void take_refusal(struct ntm_dc *dc, uint16_t status, const char *text)
{
	dc->state = NTM_DC_REFUSED;
	dc->status = status;
	memcpy(dc->text, text, sizeof(dc->text));
	dc->ops->refused(dc->ctx, status, dc->text);
	/* Those who wait need not wait longer */
	ntm_requests_cancel_all(&dc->requests);
}

static void take_lease(struct ntm_dc *dc, const struct ntm_msg *lease)
{
	dc->state = NTM_DC_REGISTERED;
	dc->status = NTM_ST_OK;
	dc->text[0] = '\0';
	dc->has_token = false;
	sodium_memzero(dc->where.token, sizeof(dc->where.token));
	dc->keepalive_s = lease->keepalive ? lease->keepalive : KEEPALIVE_S;
	dc->observed = lease->observed.addr;
	dc->ops->lease(dc->ctx, lease);
}

static uint64_t again_ms(const struct ntm_msg *lease)
{
	const uint64_t half_ms = (uint64_t)lease->lifetime * 500;

	if (!NTM_HAS(lease, LIFETIME))
		return INTRODUCE_AGAIN_MS;
	return half_ms < 1000 ? 1000 : half_ms;
}

/* The time is not in the callback's hands: it counts from when the request was made */
static void registration_done(void *ctx, uint32_t id, const struct ntm_msg *response)
{
	struct ntm_dc *dc = ctx;

	if (id != dc->registration)
		return; /* a newer one is out */
	dc->registration = 0;
	if (!response || dc->leaving)
		return; /* the tick tries again */
	if (response->type != introduction(dc) + 1 && response->type != NTM_MSG_REFUSAL)
		return;
	if (response->status == NTM_ST_OK && response->type == introduction(dc) + 1) {
		dc->renew_ms = dc->asked_ms + again_ms(response);
		take_lease(dc, response);
	} else if (response->status == NTM_ST_BUSY) {
		dc->renew_ms = dc->asked_ms + BUSY_RETRY_MS;
	} else {
		dc->renew_ms = dc->asked_ms + REFUSED_RETRY_MS;
		take_refusal(dc, response->status, response->text);
	}
}

bool ntm_dc_goodbye(struct ntm_dc *dc, uint64_t now_ms)
{
	struct ntm_msg m;

	if (!dc->leaving) {
		ntm_requests_cancel_all(&dc->requests);
		dc->leaving = true;
		if (dc->state != NTM_DC_REGISTERED || !dc->has_cur)
			return true;
		m = registration(dc, 0);
		dc->registration = ntm_requests_add(&dc->requests, &m, now_ms, REGISTER_FOR_MS,
						    registration_done, dc);
	} else if (!dc->registration) {
		return true;
	}
	ntm_requests_due(&dc->requests, now_ms);
	send_due(dc, now_ms);
	return false;
}

/* Packets in */

static void new_session(struct ntm_dc *dc, const struct ntm_session *session,
			const union ntm_addr *from, uint64_t now_ms)
{
	ntm_session_wipe(&dc->prev);
	dc->prev = dc->cur;
	dc->has_prev = dc->has_cur;
	dc->cur = *session;
	dc->has_cur = true;
	dc->addr = *from;
	dc->session_ms = now_ms;
	dc->unanswered_ms = 0;
	if (dc->state != NTM_DC_REFUSED)
		dc->state = NTM_DC_REGISTERING;
	sodium_memzero(&dc->hs, sizeof(dc->hs));
	ntm_requests_due(&dc->requests, now_ms);
	ntm_dc_register(dc, now_ms);
}

int ntm_dc_response(struct ntm_dc *dc, const uint8_t *packet, size_t len,
		    const union ntm_addr *from, uint64_t now_ms)
{
	struct ntm_hs_keys keys;
	struct ntm_msg payload;
	int err;

	if (!dc->hs.active)
		return -EPERM;
	err = ntm_hs_response(&dc->hs.init, packet, len, &keys, &payload);
	if (err)
		return err;
	new_session(dc, &keys.session, from, now_ms);
	sodium_memzero(&keys, sizeof(keys));
	return 0;
}

int ntm_dc_cookie(struct ntm_dc *dc, const uint8_t *packet, size_t len, uint64_t now_ms)
{
	int err;

	if (!dc->hs.active || dc->hs.cookie)
		return -EPERM;
	err = ntm_hs_cookie_reply(&dc->jar, dc->where.dc_key, packet, len, now_ms);
	if (err)
		return err;
	dc->hs.cookie = true;
	/* To the address that wants the cookie: the one asked last */
	dc->turn += dc->where.addr_count - 1;
	hs_send(dc, now_ms);
	return 0;
}

/* A refusal of the node itself, not of what it asked for */
static bool refuses_node(const struct ntm_msg *m)
{
	return m->type == NTM_MSG_REFUSAL &&
	       (m->status == NTM_ST_REVOKED || m->status == NTM_ST_UNKNOWN_NODE);
}

/* The DC asks whether we are where it hears us */
static void answer_keep_alive(struct ntm_dc *dc, const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE,
			     .request_id = request->request_id,
			     .timestamp = request->timestamp,
			     .observed = { .kind = NTM_CAND_HOST, .addr = dc->addr } };

	NTM_SET(&m, TIMESTAMP);
	NTM_SET(&m, OBSERVED);
	ntm_dc_send(dc, &m, now_ms);
}

static int take_message(struct ntm_dc *dc, const struct ntm_msg *m, uint64_t now_ms)
{
	bool expected;

	/* Not if it may be the answer to a second copy */
	if (m->request_id == dc->registration && dc->rtt_ms == UINT64_MAX &&
	    now_ms - dc->asked_ms < RTT_SURE_MS)
		dc->rtt_ms = now_ms - dc->asked_ms;
	switch (m->type) {
	case NTM_MSG_ROUTE_DIRECTION:
		if (!ntm_requests_answer(&dc->requests, m) && m->role == NTM_ROLE_RESPONDER)
			return dc->ops->message(dc->ctx, m);
		return 0;
	case NTM_MSG_KEEP_ALIVE:
		answer_keep_alive(dc, m, now_ms);
		return 0;
	case NTM_MSG_KEEP_ALIVE_RESPONSE:
		dc->observed = m->observed.addr;
		if (m->timestamp <= now_ms)
			dc->rtt_ms = now_ms - m->timestamp;
		/* The lease would tell more by now than it did: of relays, of other zones. */
		if (NTM_HAS(m, LIFETIME) && !m->lifetime && dc->state == NTM_DC_REGISTERED &&
		    !dc->registration)
			ntm_dc_register(dc, now_ms);
		/* fallthrough */
	case NTM_MSG_REGISTRATION_RESPONSE:
	case NTM_MSG_INFORMATION_RESPONSE:
	case NTM_MSG_ZONE_RESPONSE:
	case NTM_MSG_REFUSAL:
		expected = ntm_requests_answer(&dc->requests, m);
		if (refuses_node(m) && dc->state != NTM_DC_REFUSED) {
			dc->renew_ms = now_ms + REFUSED_RETRY_MS;
			take_refusal(dc, m->status, m->text);
		}
		(void)expected; /* a response may come twice */
		return 0;
	default:
		return dc->ops->message(dc->ctx, m);
	}
}

/* It knows the session: one that only its silence called for is not wanted, however late this came */
static void heard(struct ntm_dc *dc, uint64_t now_ms)
{
	dc->unanswered_ms = 0;
	dc->heard_ms = now_ms;
	if (dc->hs.for_silence)
		sodium_memzero(&dc->hs, sizeof(dc->hs));
}

int ntm_dc_sealed(struct ntm_dc *dc, const uint8_t *packet, size_t len, const union ntm_addr *from,
		  uint64_t now_ms)
{
	const uint32_t id = ntm_session_id_of(packet, len);
	const bool current = dc->has_cur && dc->cur.local_id == id;
	struct ntm_session *session = current ? &dc->cur : &dc->prev;
	bool newest = false;
	struct ntm_msg m;
	int err;

	if (!current && !(dc->has_prev && dc->prev.local_id == id))
		return -EPERM;
	err = ntm_session_open(session, packet, len, &m, &newest);
	if (err && err != -EPROTO)
		return err;
	if (current) {
		heard(dc, now_ms);
		if (newest)
			dc->addr = *from;
	}
	if (!err)
		err = take_message(dc, &m, now_ms);
	sodium_memzero(&m, sizeof(m)); /* a path's psk may be in it */
	send_due(dc, now_ms);	       /* what waited for the registration */
	return err;
}

bool ntm_dc_owns_id(const struct ntm_dc *dc, uint32_t id)
{
	if (!id)
		return false;
	return (dc->has_cur && dc->cur.local_id == id) ||
	       (dc->has_prev && dc->prev.local_id == id) ||
	       (dc->hs.active && dc->hs.init.local_id == id);
}

/* Time */

static void keepalive_done(void *ctx, uint32_t id, const struct ntm_msg *response)
{
	struct ntm_dc *dc = ctx;

	(void)response;
	if (id == dc->keepalive)
		dc->keepalive = 0;
}

/* Since when requests wait, and nothing at all comes by the session; UINT64_MAX: none waits */
static uint64_t silent_since(const struct ntm_dc *dc)
{
	const uint64_t since = ntm_requests_sent_since(&dc->requests);

	return since > dc->heard_ms ? since : dc->heard_ms;
}

static uint64_t after(uint64_t since_ms, uint64_t ms)
{
	return since_ms == UINT64_MAX ? UINT64_MAX : since_ms + ms;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t keepalive_at(const struct ntm_dc *dc)
{
	const uint64_t since = silent_since(dc);

	if (dc->state != NTM_DC_REGISTERED || dc->keepalive)
		return UINT64_MAX;
	return earlier(dc->sent_ms + (uint64_t)dc->keepalive_s * 1000,
		       after(since > dc->probed_ms ? since : dc->probed_ms, PROBE_MS));
}

static void keepalive_tick(struct ntm_dc *dc, uint64_t now_ms)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE, .timestamp = now_ms };

	if (now_ms < keepalive_at(dc))
		return;
	NTM_SET(&m, TIMESTAMP);
	dc->keepalive =
		ntm_requests_add(&dc->requests, &m, now_ms, KEEPALIVE_FOR_MS, keepalive_done, dc);
	dc->probed_ms = now_ms;
	if (!dc->keepalive)
		dc->sent_ms = now_ms; /* no memory: not at once again */
}

/* A DC that says nothing at all may have forgotten the session. One that takes its time for an answer has not: it answers Keep Alives */
static uint64_t silent_at(const struct ntm_dc *dc)
{
	return after(silent_since(dc), UNANSWERED_MS);
}

/* When the session is to be made anew */
static uint64_t rehandshake_at(const struct ntm_dc *dc)
{
	if (!dc->has_cur || dc->hs.active || !dc->where.addr_count)
		return UINT64_MAX;
	return earlier(silent_at(dc), dc->session_ms + SESSION_MS);
}

static void rehandshake(struct ntm_dc *dc, uint64_t now_ms)
{
	const bool silent = now_ms >= silent_at(dc);

	if (now_ms < rehandshake_at(dc))
		return;
	if (!dc->unanswered_ms)
		dc->unanswered_ms = now_ms;
	hs_start(dc, now_ms);
	dc->hs.for_silence = silent && dc->hs.active;
}

void ntm_dc_tick(struct ntm_dc *dc, uint64_t now_ms)
{
	if (dc->state == NTM_DC_OFF || dc->leaving)
		return;
	ntm_requests_expire(&dc->requests, now_ms);
	rehandshake(dc, now_ms);
	hs_tick(dc, now_ms);
	keepalive_tick(dc, now_ms);
	if (dc->has_cur && now_ms >= dc->renew_ms)
		ntm_dc_register(dc, now_ms);
	send_due(dc, now_ms);
}

uint64_t ntm_dc_deadline(const struct ntm_dc *dc)
{
	uint64_t at;

	if (dc->state == NTM_DC_OFF || dc->leaving)
		return UINT64_MAX;
	at = ntm_requests_deadline(&dc->requests, dc->has_cur, sendable(dc));
	at = earlier(at, rehandshake_at(dc));
	at = earlier(at, keepalive_at(dc));
	if (dc->hs.active)
		at = earlier(at, dc->hs.next_ms);
	if (dc->has_cur)
		at = earlier(at, dc->renew_ms);
	return at;
}

bool ntm_dc_down(const struct ntm_dc *dc, uint64_t now_ms)
{
	return dc->unanswered_ms && dc->hs.active && now_ms - dc->hs.since_ms >= DOWN_MS;
}

const char *ntm_dc_state_name(const struct ntm_dc *dc, uint64_t now_ms)
{
	static const char *const names[] = { "not joined", "connecting", "registering",
					     "registered", "refused" };

	if (ntm_dc_down(dc, now_ms))
		return "unreachable";
	return names[dc->state];
}
