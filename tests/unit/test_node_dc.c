// SPDX-License-Identifier: GPL-2.0
/* The node's session with its DC, against a DC of a few lines, in virtual time. */
#include "ntm_test.h"

#include <errno.h>
#include <sodium.h>

#include "common/dc.h"

static struct {
	uint64_t now_ms;
	struct ntm_noise_keypair node, dc_key;
	struct ntm_dc dc;
	uint32_t next_id;
	bool deaf;	/* the DC does not hear */
	bool forgetful; /* it has lost its sessions */
	bool mute;	/* it makes sessions, and takes nothing by them */
	bool slow;	/* it takes its time for directions */
	bool no_route4;
	bool news; /* the DC has something to tell */
	uint16_t refuse;
	unsigned int requests4, requests6; /* Session Requests by family */
	unsigned int sealed, registrations, keepalives, goodbyes, directions, returned;
	uint64_t last_returned;
	uint32_t last_direction;
	bool had_token;
	unsigned int tokens;			 /* registrations with one */
	union ntm_addr candidate, registered_at; /* the node's, now and as the DC was told last */
	unsigned int leases, refusals, told;
	struct ntm_session session;
	bool has_session;
	uint8_t queue[8][NTM_DATAGRAM_MAX]; /* to the node */
	size_t queue_len[8];
	unsigned int queued;
} w;

static union ntm_addr dc_addr;

static void to_node(const uint8_t *packet, size_t len)
{
	assert_true(w.queued < 8);
	memcpy(w.queue[w.queued], packet, len);
	w.queue_len[w.queued++] = len;
}

static void answer(const struct ntm_msg *m)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(&w.session, m, packet, sizeof(packet));

	assert_true(len > 0);
	to_node(packet, (size_t)len);
}

static void register_node(const struct ntm_msg *request)
{
	struct ntm_msg m = { .type = NTM_MSG_REGISTRATION_RESPONSE,
			     .request_id = request->request_id,
			     .status = w.refuse };

	w.had_token = NTM_HAS(request, TOKEN);
	w.tokens += w.had_token;
	w.registered_at = request->candidates[0].addr;
	if (request->lifetime)
		w.registrations++;
	else
		w.goodbyes++;
	NTM_SET(&m, STATUS);
	if (!w.refuse) {
		strcpy(m.name, "mn.example.net");
		strcpy(m.zone, "example.net");
		m.lifetime = 200;
		m.keepalive = 25;
		m.observed.addr = test_addr("192.0.2.10:4330");
		m.virtual4.s_addr = htonl(0x64400002);
		m.prefix4 = 16;
		NTM_SET(&m, NAME);
		NTM_SET(&m, ZONE);
		NTM_SET(&m, LIFETIME);
		NTM_SET(&m, KEEPALIVE);
		NTM_SET(&m, OBSERVED);
		NTM_SET(&m, VIRTUAL4);
	}
	answer(&m);
}

static void dc_message(const struct ntm_msg *request)
{
	struct ntm_msg m = { .request_id = request->request_id };

	switch (request->type) {
	case NTM_MSG_REGISTRATION_REQUEST:
		register_node(request);
		break;
	case NTM_MSG_KEEP_ALIVE:
		w.keepalives++;
		m.type = NTM_MSG_KEEP_ALIVE_RESPONSE;
		m.timestamp = request->timestamp;
		m.observed.addr = test_addr("192.0.2.10:4330");
		NTM_SET(&m, TIMESTAMP);
		NTM_SET(&m, OBSERVED);
		if (w.news)
			NTM_SET(&m, LIFETIME);
		answer(&m);
		break;
	case NTM_MSG_KEEP_ALIVE_RESPONSE:
		w.returned++;
		w.last_returned = request->timestamp;
		break;
	case NTM_MSG_DIRECTION_REQUEST:
		w.directions++;
		w.last_direction = request->request_id;
		if (w.slow)
			break;
		m.type = NTM_MSG_REFUSAL;
		m.status = NTM_ST_UNKNOWN_NAME;
		NTM_SET(&m, STATUS);
		answer(&m);
		break;
	}
}

static void dc_handshake(const uint8_t *packet, size_t len)
{
	struct ntm_msg payload = { 0 };
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	uint8_t out[NTM_DATAGRAM_MAX];
	int n;

	assert_int_equal(ntm_hs_accept(&hs, &w.dc_key, packet, len), 0);
	n = ntm_hs_answer(&hs, NULL, ++w.next_id, &payload, &keys, out, sizeof(out));
	assert_true(n > 0);
	w.session = keys.session;
	w.has_session = true;
	w.forgetful = false;
	to_node(out, (size_t)n);
}

static int op_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct ntm_msg m;
	bool newest;

	(void)ctx;
	if (to->sa.sa_family == AF_INET && w.no_route4)
		return -ENETUNREACH;
	if (packet[0] == NTM_PKT_SESSION_REQUEST)
		(*(to->sa.sa_family == AF_INET ? &w.requests4 : &w.requests6))++;
	else
		w.sealed++;
	if (w.deaf)
		return 0;
	if (packet[0] == NTM_PKT_SESSION_REQUEST)
		dc_handshake(packet, len);
	else if (w.has_session && !w.forgetful && !w.mute &&
		 !ntm_session_open(&w.session, packet, len, &m, &newest))
		dc_message(&m);
	return 0;
}

static void op_registration(void *ctx, struct ntm_msg *m)
{
	(void)ctx;
	m->suites = 2;
	m->candidates[0] = (struct ntm_candidate){ .addr = w.candidate };
	m->candidate_count = 1;
	NTM_SET(m, SUITES);
	NTM_SET(m, CANDIDATE);
}

static uint32_t op_session_id(void *ctx)
{
	(void)ctx;
	return ++w.next_id;
}

static void op_lease(void *ctx, const struct ntm_msg *lease)
{
	(void)ctx;
	assert_string_equal(lease->name, "mn.example.net");
	w.leases++;
}

static void op_refused(void *ctx, uint16_t status, const char *text)
{
	(void)ctx;
	(void)text;
	assert_int_equal(status, w.refuse ? w.refuse : NTM_ST_REVOKED);
	w.refusals++;
}

static int op_message(void *ctx, const struct ntm_msg *m)
{
	(void)ctx;
	(void)m;
	w.told++;
	return 0;
}

static const struct ntm_dc_ops ops = {
	.send = op_send,
	.session_id = op_session_id,
	.registration = op_registration,
	.lease = op_lease,
	.refused = op_refused,
	.message = op_message,
};

/* What the DC sent arrives */
static void arrive(void)
{
	while (w.queued) {
		uint8_t packet[NTM_DATAGRAM_MAX];
		size_t len = w.queue_len[0];

		memcpy(packet, w.queue[0], len);
		w.queued--;
		memmove(w.queue[0], w.queue[1], sizeof(w.queue[0]) * w.queued);
		memmove(w.queue_len, w.queue_len + 1, sizeof(w.queue_len[0]) * w.queued);
		if (packet[0] == NTM_PKT_SESSION_RESPONSE)
			assert_int_equal(ntm_dc_response(&w.dc, packet, len, &dc_addr, w.now_ms),
					 0);
		else
			assert_int_equal(ntm_dc_sealed(&w.dc, packet, len, &dc_addr, w.now_ms), 0);
	}
}

static void live(uint64_t for_ms)
{
	const uint64_t end = w.now_ms + for_ms;

	for (;;) {
		uint64_t at;

		arrive();
		at = ntm_dc_deadline(&w.dc);
		if (at > end)
			break;
		if (at > w.now_ms)
			w.now_ms = at;
		ntm_dc_tick(&w.dc, w.now_ms);
		arrive();
		assert_true(ntm_dc_deadline(&w.dc) > w.now_ms); /* or the daemon would spin */
	}
	w.now_ms = end;
}

static int world(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now_ms = 1000000;
	dc_addr = test_addr("192.0.2.1:4330");
	w.candidate = test_addr("192.0.2.10:4330");
	ntm_noise_generate(&w.node);
	ntm_noise_generate(&w.dc_key);
	ntm_dc_init(&w.dc, &ops, NULL, &w.node);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ntm_dc_done(&w.dc);
	return 0;
}

static void join(bool token)
{
	struct ntm_join where = { .addr_count = 2,
				  .addrs = { dc_addr, test_addr("[2001:db8::1]:4330") } };

	memcpy(where.dc_key, w.dc_key.public, sizeof(where.dc_key));
	memset(where.token, 7, sizeof(where.token));
	ntm_dc_set(&w.dc, &where, token, w.now_ms);
}

static void on_answer(void *ctx, uint32_t id, const struct ntm_msg *response)
{
	(void)id;
	*(int *)ctx = response ? response->status : -1;
}

static uint32_t ask(int *result, uint32_t for_ms)
{
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST, .name = "cn.example.net" };

	NTM_SET(&m, NAME);
	return ntm_dc_request(&w.dc, &m, w.now_ms, for_ms, on_answer, result);
}

static void test_registers(void **state)
{
	(void)state;
	assert_true(ntm_dc_deadline(&w.dc) == UINT64_MAX);
	assert_int_equal(ask(NULL, 100), 0);
	join(true);
	live(100);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
	assert_int_equal(w.leases, 1);
	assert_true(w.had_token);
	assert_string_equal(ntm_dc_state_name(&w.dc, w.now_ms), "registered");
	live(101000); /* half of the lease */
	assert_int_equal(w.registrations, 2);
	assert_false(w.had_token);
}

static void test_keep_alive(void **state)
{
	(void)state;
	join(false);
	live(100);
	live(24000);
	assert_int_equal(w.keepalives, 0);
	live(1000);
	assert_int_equal(w.keepalives, 1);
	live(50000);
	assert_int_equal(w.keepalives, 3);
}

static void test_the_dc_asks(void **state)
{
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE, .timestamp = 0xfeedfacecafebeef };

	(void)state;
	join(false);
	live(100);
	NTM_SET(&m, TIMESTAMP);
	answer(&m);
	live(1);
	assert_int_equal(w.returned, 1);
	assert_true(w.last_returned == m.timestamp);
	assert_int_equal(w.told, 0);
	live(30000);
	assert_int_equal(w.returned, 1);
}

static void test_news_of_the_dc(void **state)
{
	(void)state;
	join(false);
	live(24000);
	w.news = true;
	assert_int_equal(w.registrations, 1);
	live(2000);
	assert_int_equal(w.keepalives, 1);
	assert_int_equal(w.registrations, 2);
	w.news = false;
	live(30000);
	assert_int_equal(w.registrations, 2);
	assert_int_equal(w.leases, 2);
	/* Not after goodbye */
	w.news = true;
	ntm_dc_goodbye(&w.dc, w.now_ms);
	live(30000);
	assert_int_equal(w.registrations, 2);
}

static void test_back_off_over_all_addresses(void **state)
{
	(void)state;
	w.deaf = true;
	join(false);
	assert_int_equal(w.requests4, 1);
	live(499);
	assert_int_equal(w.requests4 + w.requests6, 1);
	live(1);
	assert_int_equal(w.requests6, 1);
	live(1000 + 2000 + 4000 + 8000 + 16000);
	assert_int_equal(w.requests4 + w.requests6, 7);
	live(300000);
	assert_int_equal(w.requests4 + w.requests6, 17); /* every 30 s */
	assert_int_equal(w.requests4, 9);
	assert_string_equal(ntm_dc_state_name(&w.dc, w.now_ms), "unreachable");
	assert_true(ntm_dc_down(&w.dc, w.now_ms));
	w.deaf = false;
	live(30000);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
}

static void test_no_route_costs_no_time(void **state)
{
	(void)state;
	w.no_route4 = true;
	join(false);
	live(1);
	assert_int_equal(w.requests6, 1);
	assert_int_equal(w.dc.has_cur, true);
}

static void test_by_ipv4(void **state)
{
	const union ntm_addr four = dc_addr, six = test_addr("[2001:db8::1]:4330");

	(void)state;
	w.no_route4 = true;
	join(false);
	dc_addr = six;
	assert_false(ntm_dc_by_ipv4(&w.dc, w.now_ms)); /* no session yet */
	live(10);
	assert_int_equal(w.dc.addr.sa.sa_family, AF_INET6);
	w.no_route4 = false;
	w.deaf = true;
	assert_true(ntm_dc_by_ipv4(&w.dc, w.now_ms));
	assert_false(ntm_dc_by_ipv4(&w.dc, w.now_ms)); /* it is under way */
	assert_int_equal(w.requests4, 1);
	w.deaf = false;
	live(1000); /* no answer: IPv6 again */
	assert_int_equal(w.requests6, 2);
	assert_int_equal(w.dc.addr.sa.sa_family, AF_INET6);
	dc_addr = four;
	assert_true(ntm_dc_by_ipv4(&w.dc, w.now_ms));
	live(10);
	assert_int_equal(w.requests4, 2);
	assert_int_equal(w.dc.addr.sa.sa_family, AF_INET);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
	assert_false(ntm_dc_by_ipv4(&w.dc, w.now_ms));
}

static void test_who_waits_hurries(void **state)
{
	int result = 0;

	(void)state;
	w.deaf = true;
	join(false);
	live(100000);
	w.deaf = false;
	assert_int_not_equal(ask(&result, 5000), 0);
	live(100);
	assert_int_equal(result, NTM_ST_UNKNOWN_NAME);
}

/* The last try was a moment ago, in vain: the next one is not half a minute away */
static void test_who_waits_hurries_after_a_try(void **state)
{
	unsigned int before;

	(void)state;
	w.deaf = true;
	join(false);
	live(70000);
	before = w.requests4 + w.requests6;
	while (w.requests4 + w.requests6 == before)
		live(100);
	w.deaf = false;
	ntm_dc_hurry(&w.dc, w.now_ms);
	assert_int_equal(w.requests4 + w.requests6, before + 1);
	live(500);
	assert_int_equal(w.requests4 + w.requests6, before + 2);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
	/* However many wait */
	w.deaf = true;
	join(false);
	before = w.requests4 + w.requests6;
	for (unsigned int i = 0; i < 100; i++) {
		ntm_dc_hurry(&w.dc, w.now_ms);
		live(50);
	}
	assert_in_range(w.requests4 + w.requests6 - before, 8, 11);
}

static void test_request(void **state)
{
	int result = 0;

	(void)state;
	join(false);
	live(100);
	assert_int_not_equal(ask(&result, 5000), 0);
	live(10);
	assert_int_equal(result, NTM_ST_UNKNOWN_NAME);
	w.deaf = true;
	result = 0;
	assert_int_not_equal(ask(&result, 5000), 0);
	live(4999);
	assert_int_equal(result, 0);
	live(1);
	assert_int_equal(result, -1);
}

/* A DC that restarted has no session: after 1 s there is a new one, and the request is asked again under its own ID */
/* However many wait for a DC that is silent: what the session itself needs has room */
static void test_many_requests(void **state)
{
	unsigned int count = 0;
	int result = -2;

	(void)state;
	join(false);
	live(100);
	w.deaf = true;
	while (ask(&result, 5000))
		count++;
	assert_in_range(count, NTM_REQUESTS_MAX / 2, NTM_REQUESTS_MAX - 1);
	ntm_dc_register(&w.dc, w.now_ms);
	assert_int_not_equal(w.dc.registration, 0);
	live(6000);
	assert_int_equal(result, -1);
}

static void test_dc_restarts(void **state)
{
	int result = 0;
	uint32_t id;

	(void)state;
	join(false);
	live(100);
	w.forgetful = true;
	id = ask(&result, 5000);
	live(999);
	assert_int_equal(result, 0);
	live(10);
	assert_int_equal(result, NTM_ST_UNKNOWN_NAME);
	assert_int_equal(w.last_direction, id);
	assert_int_equal(w.requests4 + w.requests6, 2);
	assert_int_equal(w.registrations, 2);
}

/* It asks another zone's for up to 1.8 s. Whoever took that for a restart would ask in vain: answers go to the session asked by */
static void test_a_slow_answer_is_no_silence(void **state)
{
	unsigned int handshakes;
	int result = 0;

	(void)state;
	join(false);
	live(10000);
	handshakes = w.requests4 + w.requests6;
	w.slow = true;
	assert_true(ask(&result, 5000) != 0);
	live(499);
	assert_int_equal(w.keepalives, 0);
	live(1301);
	assert_int_equal(w.keepalives, 3); /* once in 500 ms */
	assert_int_equal(w.requests4 + w.requests6, handshakes);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
	answer(&(struct ntm_msg){ .type = NTM_MSG_REFUSAL,
				  .request_id = w.last_direction,
				  .status = NTM_ST_OFFLINE,
				  .has = 1u << NTM_TLV_STATUS });
	live(1);
	assert_int_equal(result, NTM_ST_OFFLINE);
	live(20000); /* nothing waits */
	assert_int_equal(w.keepalives, 3);
}

/* By way of two satellites nothing is there within 1 s */
static void test_a_late_answer_ends_the_handshake(void **state)
{
	unsigned int registrations, handshakes;
	int result = 0;
	uint32_t id;

	(void)state;
	join(false);
	live(1000);
	registrations = w.registrations;
	handshakes = w.requests4 + w.requests6;
	w.deaf = true;
	id = ask(&result, 5000);
	live(1050);
	assert_int_equal(w.requests4 + w.requests6, handshakes + 1);
	answer(&(struct ntm_msg){ .type = NTM_MSG_REFUSAL,
				  .request_id = id,
				  .status = NTM_ST_UNKNOWN_NAME,
				  .has = 1u << NTM_TLV_STATUS });
	w.deaf = false;
	live(5000);
	assert_int_equal(result, NTM_ST_UNKNOWN_NAME);
	assert_false(w.dc.hs.active);
	assert_int_equal(w.registrations, registrations);
	/* But the one that was wanted for another reason goes on */
	w.deaf = true;
	ntm_dc_reconnect(&w.dc, w.now_ms);
	answer(&(struct ntm_msg){ .type = NTM_MSG_KEEP_ALIVE, .has = 1u << NTM_TLV_TIMESTAMP });
	live(1);
	assert_true(w.dc.hs.active);
}

/* It says where the node was, and the DC takes what comes last for the newest */
static void test_an_old_registration_is_not_sent_again(void **state)
{
	(void)state;
	join(false);
	live(100);
	w.no_route4 = true;
	ntm_dc_register(&w.dc, w.now_ms);
	live(200);
	w.no_route4 = false;
	w.candidate = test_addr("203.0.113.5:4330");
	ntm_dc_register(&w.dc, w.now_ms);
	live(20000);
	assert_true(ntm_addr_equal(&w.registered_at, &w.candidate));
	assert_int_equal(w.registrations, 2);
	assert_int_equal(w.leases, 2);
}

/* However often the node has something new to say: the DC does not hear it */
static void test_a_newer_registration_is_no_answer(void **state)
{
	(void)state;
	join(false);
	live(100);
	w.forgetful = true;
	for (unsigned int i = 0; i < 4; i++) {
		ntm_dc_register(&w.dc, w.now_ms);
		live(400);
	}
	assert_int_equal(w.requests4 + w.requests6, 2);
	assert_int_equal(w.leases, 2 + 1); /* the last one of these is answered, too */
}

static void test_another_dc_is_not_asked_the_same(void **state)
{
	int result = 0;

	(void)state;
	w.mute = true;
	join(true);
	live(100);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERING);
	assert_int_not_equal(ask(&result, 5000), 0);
	w.mute = false;
	ntm_noise_generate(&w.dc_key);
	join(false);
	assert_int_equal(result, -1);
	live(10000);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
	assert_int_equal(w.tokens, 0);
	assert_int_equal(w.directions, 0);
}

static void test_the_same_dc_elsewhere_is(void **state)
{
	int result = 0;

	(void)state;
	join(false);
	live(100);
	w.deaf = true;
	assert_int_not_equal(ask(&result, 5000), 0);
	live(100);
	w.deaf = false;
	join(false);
	live(100);
	assert_int_equal(result, NTM_ST_UNKNOWN_NAME);
}

static void test_session_is_renewed(void **state)
{
	(void)state;
	join(false);
	live(3599000);
	assert_int_equal(w.requests4 + w.requests6, 1);
	live(2000);
	assert_int_equal(w.requests4 + w.requests6, 2);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
}

static void test_refused(void **state)
{
	int result = 0;

	(void)state;
	w.refuse = NTM_ST_REVOKED;
	join(false);
	live(100);
	assert_int_equal(w.dc.state, NTM_DC_REFUSED);
	assert_int_equal(w.refusals, 1);
	assert_int_equal(ask(&result, 5000), 0);
	live(29000);
	assert_int_equal(w.registrations, 1);
	w.refuse = 0;
	live(2000);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
}

static void test_busy(void **state)
{
	(void)state;
	w.refuse = NTM_ST_BUSY;
	join(false);
	live(100);
	assert_int_equal(w.refusals, 0);
	w.refuse = 0;
	live(2000);
	assert_int_equal(w.dc.state, NTM_DC_REGISTERED);
}

static void test_goodbye(void **state)
{
	(void)state;
	join(false);
	live(100);
	assert_false(ntm_dc_goodbye(&w.dc, w.now_ms));
	assert_int_equal(w.goodbyes, 1);
	arrive();
	assert_true(ntm_dc_goodbye(&w.dc, w.now_ms + 100));
	assert_int_equal(w.goodbyes, 1);
	assert_true(ntm_dc_deadline(&w.dc) == UINT64_MAX);
}

static void test_goodbye_is_repeated(void **state)
{
	(void)state;
	join(false);
	live(100);
	w.deaf = true;
	w.sealed = 0;
	for (unsigned int i = 0; i < 3; i++) {
		assert_false(ntm_dc_goodbye(&w.dc, w.now_ms + 100 * i));
		assert_int_equal(w.sealed, i + 1);
	}
}

/* A Cookie Reply can be made by whoever saw the request: one for each time it was sent by the clock */
static void test_cookie_once_a_repetition(void **state)
{
	struct ntm_hs_guard guard;
	uint8_t reply[64];
	size_t len;
	unsigned int sent;

	(void)state;
	w.deaf = true;
	join(false);
	ntm_hs_guard_init(&guard, w.dc_key.public, 0, w.now_ms);
	assert_int_equal(ntm_hs_check(&guard, w.dc.hs.packet, w.dc.hs.len, &dc_addr, w.now_ms,
				      reply, &len),
			 NTM_HS_COOKIE);
	sent = w.requests4 + w.requests6;
	assert_int_equal(ntm_dc_cookie(&w.dc, reply, len, w.now_ms), 0);
	assert_int_equal(ntm_dc_cookie(&w.dc, reply, len, w.now_ms), -EPERM);
	assert_int_equal(w.requests4 + w.requests6, sent + 1);
	live(600);
	sent = w.requests4 + w.requests6;
	assert_int_equal(ntm_dc_cookie(&w.dc, reply, len, w.now_ms), 0);
	assert_int_equal(w.requests4 + w.requests6, sent + 1);
}

static void test_foreign_packets(void **state)
{
	uint8_t junk[200] = { NTM_PKT_SEALED, 1 };

	(void)state;
	join(false);
	live(100);
	assert_int_equal(ntm_dc_sealed(&w.dc, junk, sizeof(junk), &dc_addr, w.now_ms), -EPERM);
	for (unsigned int i = 0; i < 4; i++)
		junk[4 + i] = (uint8_t)(w.dc.cur.local_id >> (24 - 8 * i));
	assert_int_equal(ntm_dc_sealed(&w.dc, junk, sizeof(junk), &dc_addr, w.now_ms), -EBADMSG);
	assert_int_equal(ntm_dc_response(&w.dc, junk, sizeof(junk), &dc_addr, w.now_ms), -EPERM);
	assert_int_equal(ntm_dc_cookie(&w.dc, junk, 64, w.now_ms), -EPERM);
	assert_true(ntm_dc_owns_id(&w.dc, w.dc.cur.local_id));
	assert_false(ntm_dc_owns_id(&w.dc, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_registers, world, end),
		cmocka_unit_test_setup_teardown(test_keep_alive, world, end),
		cmocka_unit_test_setup_teardown(test_the_dc_asks, world, end),
		cmocka_unit_test_setup_teardown(test_news_of_the_dc, world, end),
		cmocka_unit_test_setup_teardown(test_back_off_over_all_addresses, world, end),
		cmocka_unit_test_setup_teardown(test_no_route_costs_no_time, world, end),
		cmocka_unit_test_setup_teardown(test_by_ipv4, world, end),
		cmocka_unit_test_setup_teardown(test_who_waits_hurries, world, end),
		cmocka_unit_test_setup_teardown(test_who_waits_hurries_after_a_try, world, end),
		cmocka_unit_test_setup_teardown(test_request, world, end),
		cmocka_unit_test_setup_teardown(test_many_requests, world, end),
		cmocka_unit_test_setup_teardown(test_dc_restarts, world, end),
		cmocka_unit_test_setup_teardown(test_a_slow_answer_is_no_silence, world, end),
		cmocka_unit_test_setup_teardown(test_a_late_answer_ends_the_handshake, world, end),
		cmocka_unit_test_setup_teardown(test_an_old_registration_is_not_sent_again, world,
						end),
		cmocka_unit_test_setup_teardown(test_a_newer_registration_is_no_answer, world, end),
		cmocka_unit_test_setup_teardown(test_another_dc_is_not_asked_the_same, world, end),
		cmocka_unit_test_setup_teardown(test_the_same_dc_elsewhere_is, world, end),
		cmocka_unit_test_setup_teardown(test_session_is_renewed, world, end),
		cmocka_unit_test_setup_teardown(test_refused, world, end),
		cmocka_unit_test_setup_teardown(test_busy, world, end),
		cmocka_unit_test_setup_teardown(test_goodbye, world, end),
		cmocka_unit_test_setup_teardown(test_goodbye_is_repeated, world, end),
		cmocka_unit_test_setup_teardown(test_cookie_once_a_repetition, world, end),
		cmocka_unit_test_setup_teardown(test_foreign_packets, world, end),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
