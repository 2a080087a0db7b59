// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/way.c ntmd/node/ways.c ntmd/node/bind.c */
/*
 * The ways of a tunnel: two ends against each other over a network of links that can be cut in each direction, and relay servers
 * that can be killed, in virtual time. What the tunnel does (handshake, seals, counters) is played in short.
 */
#include <errno.h>
#include <sodium.h>

#include "ntm_test.h"
#include "common/handshake.h"
#include "node/ways.h"

#define NET_MAX 1024
#define LINKS 8
#define PATH 0x12345678u

enum what {
	REQUEST,
	RESPONSE,
	PUNCH,
	KEEPALIVE,
	KEEPALIVE_RESPONSE,
	PROBE,
	PROBE_RESPONSE,
	DATA,
	BIND,
	BOUND
};

/** struct link - a way between the ends; @at_a: how b sees a there, @at_b: how a sees b */
struct link {
	union ntm_addr at_a, at_b;
	bool to_a, to_b; /* passes */
	uint32_t delay_us;
};

struct end {
	struct ntm_ways ways;
	uint8_t role;
	bool deaf; /* to how many packets the other one has had */
	bool started, asked, has_answer, stands;
	union ntm_addr answered_to;
	uint64_t asked_us, answered_us, request_us; /* first, first, next */
	uint64_t keepalive_us;			    /* next; 0: answered */
	uint64_t seq, newest_sealed, newest_data;
	union ntm_addr endpoint;
	union ntm_addr still[NTM_DP_RELAYS];
	uint64_t last_tx_us, last_rx_us;
	uint64_t got_ever, sent_ever;
	unsigned int jitter;		    /* of the clock that ages are measured with */
	uint64_t sent, got, got_us, gap_us; /* data: how long nothing came at most */
	uint64_t stands_us;
	unsigned int followed; /* how often the data path moved by itself */
	unsigned int moves, lost, punches, probes, binds, unknown;
};

/* @mute: binds, and forwards nothing; @eats: no data alone; @drains: forwards, and binds nobody; @silent: nor does it say so */
struct rs {
	union ntm_addr addr;
	bool alive, mute, eats, drains, silent;
	struct ntm_relay_secret secret;
	bool bound[2];
	uint32_t delay_us;
	uint8_t key[32];
	uint64_t forwarded;
};

struct packet {
	bool used;
	uint64_t at_us;
	struct end *to;
	struct rs *to_rs;
	union ntm_addr from;
	enum what what;
	uint64_t seq, timestamp, received;
	uint8_t bind[NTM_RELAY_BIND_LEN];
};

static struct {
	uint64_t now_us;
	struct end a, b;
	struct link link[LINKS];
	unsigned int links;
	struct rs rs[2];
	bool one_rs; /* these are its two addresses */
	struct packet net[NET_MAX];
	unsigned int to_nowhere; /* packets to addresses where nobody is */
	uint64_t every_a_us, every_b_us, next_a_us, next_b_us;
} w;

static const uint8_t psk[32] = { 3 };

static struct end *other(struct end *e)
{
	return e == &w.a ? &w.b : &w.a;
}

static struct rs *rs_at(const union ntm_addr *addr)
{
	for (int i = 0; i < 2; i++)
		if (w.rs[i].addr.sa.sa_family && ntm_addr_equal(&w.rs[i].addr, addr))
			return &w.rs[i];
	return NULL;
}

/* The network */

static struct packet *new_packet(uint32_t delay_us, enum what what)
{
	for (unsigned int i = 0; i < NET_MAX; i++) {
		struct packet *p = &w.net[i];

		if (p->used)
			continue;
		memset(p, 0, sizeof(*p));
		p->used = true;
		p->what = what;
		p->at_us = w.now_us + delay_us;
		return p;
	}
	fail_msg("the network is full");
	return NULL;
}

/* By way of an RS: only between ends that are bound */
static struct packet *relayed(struct end *e, struct rs *rs, enum what what)
{
	struct packet *p;

	if (!rs->alive || rs->mute || (rs->eats && what == DATA) || !rs->bound[e->role - 1] ||
	    !rs->bound[other(e)->role - 1])
		return NULL;
	rs->forwarded++;
	p = new_packet(2 * rs->delay_us, what);
	p->to = other(e);
	p->from = rs->addr;
	return p;
}

static struct packet *direct(struct end *e, const union ntm_addr *to, enum what what)
{
	const bool is_a = e == &w.a;
	struct packet *p;

	for (unsigned int i = 0; i < w.links; i++) {
		struct link *l = &w.link[i];

		if (!ntm_addr_equal(is_a ? &l->at_b : &l->at_a, to))
			continue;
		if (!(is_a ? l->to_b : l->to_a))
			return NULL;
		p = new_packet(l->delay_us, what);
		p->to = other(e);
		p->from = is_a ? l->at_a : l->at_b;
		return p;
	}
	w.to_nowhere++;
	return NULL;
}

static struct packet *transmit(struct end *e, const union ntm_addr *to, enum what what)
{
	struct rs *rs = rs_at(to);
	struct packet *p;

	assert_int_not_equal(to->sa.sa_family, 0);
	p = rs ? relayed(e, rs, what) : direct(e, to, what);
	e->seq++;
	if (p)
		p->seq = e->seq;
	return p;
}

/* The tunnel, played */

static void run(struct end *e, struct ntm_ways_acts *acts);

static void refresh_still(struct end *e)
{
	ntm_ways_still(&e->ways, w.now_us, e->still);
}

static void keepalive(struct end *e)
{
	const struct ntm_way *way = ntm_ways_current(&e->ways);

	(void)transmit(e, &way->addr, KEEPALIVE);
	e->keepalive_us = w.now_us + 250000;
}

static void request(struct end *e)
{
	const uint64_t since = w.now_us - e->asked_us;

	for (unsigned int i = 0; i < e->ways.count; i++)
		if (ntm_ways_open(&e->ways.way[i]))
			(void)transmit(e, &e->ways.way[i].addr, REQUEST);
	e->request_us = e->asked_us + (since < 250000 ? 250000 : 2 * since);
}

static void stand(struct end *e)
{
	struct ntm_ways_acts acts = { 0 };

	if (e->stands)
		return;
	e->stands = true;
	e->stands_us = w.now_us;
	ntm_ways_stands(&e->ways, w.now_us, &acts);
	run(e, &acts);
}

static void run(struct end *e, struct ntm_ways_acts *acts)
{
	struct packet *p;

	for (unsigned int i = 0; i < acts->count; i++) {
		const struct ntm_ways_act *act = &acts->act[i];

		switch (act->type) {
		case NTM_WAYS_PUNCH:
			e->punches++;
			(void)transmit(e, &act->addr, PUNCH);
			break;
		case NTM_WAYS_REQUEST:
			assert_non_null(rs_at(&act->addr));
			(void)transmit(e, &act->addr, REQUEST);
			break;
		case NTM_WAYS_PROBE:
			assert_true(e->stands);
			e->probes++;
			p = transmit(e, &act->addr, PROBE);
			if (p)
				p->timestamp = act->timestamp;
			break;
		case NTM_WAYS_BIND:
			e->binds++;
			if (!rs_at(&act->addr) || !rs_at(&act->addr)->alive)
				break;
			p = new_packet(rs_at(&act->addr)->delay_us, BIND);
			p->to_rs = rs_at(&act->addr);
			p->from = e == &w.a ? test_addr("198.51.100.1") : test_addr("198.51.100.2");
			memcpy(p->bind, act->packet, sizeof(p->bind));
			break;
		case NTM_WAYS_MOVE:
			e->moves++;
			e->endpoint = act->addr;
			refresh_still(e);
			if (act->say)
				keepalive(e);
			break;
		case NTM_WAYS_LOST:
			e->lost++;
			break;
		}
	}
	assert_true(acts->count < NTM_WAYS_ACTS);
	acts->count = 0;
	refresh_still(e);
}

static void take_data(struct end *e, const struct packet *p)
{
	struct ntm_ways_acts acts = { 0 };

	if (!e->has_answer && e->role == NTM_ROLE_RESPONDER)
		return;
	if (w.now_us - e->got_us > e->gap_us)
		e->gap_us = w.now_us - e->got_us;
	e->got_us = e->last_rx_us = w.now_us;
	e->got++;
	e->got_ever++;
	if (e->role == NTM_ROLE_RESPONDER)
		stand(e);
	if (p->seq <= e->newest_data)
		return;
	e->newest_data = p->seq;
	if (ntm_addr_equal(&p->from, &e->endpoint))
		return;
	for (int i = 0; i < NTM_DP_RELAYS; i++)
		if (e->still[i].sa.sa_family && ntm_addr_equal(&p->from, &e->still[i]))
			return;
	e->endpoint = p->from;
	e->followed++;
	ntm_ways_moved(&e->ways, w.now_us, &p->from, &acts);
	run(e, &acts);
}

static void take_request(struct end *e, const struct packet *p)
{
	if (e->role != NTM_ROLE_RESPONDER || !e->started || e->stands)
		return;
	if (e->has_answer && !ntm_addr_equal(&p->from, &e->answered_to) &&
	    w.now_us - e->answered_us < 200000)
		return;
	if (!e->has_answer) {
		e->has_answer = true;
		e->answered_to = p->from;
		e->answered_us = w.now_us;
		ntm_ways_at(&e->ways, w.now_us, &p->from);
		e->endpoint = p->from;
		refresh_still(e);
	}
	(void)transmit(e, &p->from, RESPONSE);
}

static void take_response(struct end *e, const struct packet *p)
{
	if (e->role != NTM_ROLE_INITIATOR || e->stands)
		return;
	ntm_ways_at(&e->ways, w.now_us, &p->from);
	e->endpoint = p->from;
	stand(e);
	keepalive(e);
}

static void take_sealed(struct end *e, const struct packet *p)
{
	const bool is_probe = p->what == PROBE || p->what == PROBE_RESPONSE;
	struct ntm_ways_acts acts = { 0 };
	struct packet *answer;

	if (e->role == NTM_ROLE_RESPONDER && e->has_answer)
		stand(e);
	if (!e->stands)
		return;
	ntm_ways_heard(&e->ways, w.now_us, &p->from, &acts);
	run(e, &acts);
	if (p->seq > e->newest_sealed) {
		e->newest_sealed = p->seq;
		if (!is_probe)
			ntm_ways_follow(&e->ways, w.now_us, &p->from, &acts);
		run(e, &acts);
	}
	switch (p->what) {
	case PROBE:
		ntm_ways_probed(&e->ways, w.now_us, &p->from, &acts);
		run(e, &acts);
		answer = transmit(e, &p->from, PROBE_RESPONSE);
		if (answer) {
			answer->timestamp = p->timestamp;
			answer->received = e->got_ever;
		}
		break;
	case PROBE_RESPONSE:
		e->unknown += !ntm_ways_answered(&e->ways, w.now_us, p->timestamp,
						 e->deaf ? NULL : &p->received, &acts);
		run(e, &acts);
		break;
	case KEEPALIVE:
		(void)transmit(e, &p->from, KEEPALIVE_RESPONSE);
		break;
	default:
		e->keepalive_us = 0;
	}
}

static void take_bind(struct rs *rs, const struct packet *p)
{
	struct ntm_relay_bind bind;
	uint8_t key[NTM_RELAY_KEY];
	struct packet *answer;

	if (!rs->alive || rs->silent)
		return;
	assert_true(ntm_relay_get(&bind, p->bind, sizeof(p->bind)));
	ntm_relay_end_key(key, psk, rs->key, bind.role);
	assert_true(ntm_relay_authentic(p->bind, key));
	if (!ntm_relay_cookie_good(&rs->secret, &bind, &p->from, 0)) {
		bind.status = NTM_RELAY_COOKIE;
		ntm_relay_cookie(&rs->secret, &bind, &p->from, 0, bind.cookie);
	} else if (rs->drains) {
		bind.status = NTM_RELAY_BUSY;
	} else {
		bind.status = NTM_RELAY_BOUND;
		bind.lifetime = 30;
		rs->bound[bind.role - 1] = true;
	}
	answer = new_packet(rs->delay_us, BOUND);
	answer->to = bind.role == NTM_ROLE_INITIATOR ? &w.a : &w.b;
	answer->from = rs->addr;
	ntm_relay_put_bound(answer->bind, &bind, key);
}

static void deliver(struct packet *slot)
{
	struct packet p = *slot;
	struct ntm_ways_acts acts = { 0 };

	slot->used = false;
	switch (p.what) {
	case BIND:
		take_bind(p.to_rs, &p);
		break;
	case BOUND:
		(void)ntm_ways_bound(&p.to->ways, w.now_us, p.bind, sizeof(p.bind), &p.from, &acts);
		run(p.to, &acts);
		break;
	case REQUEST:
		take_request(p.to, &p);
		break;
	case RESPONSE:
		take_response(p.to, &p);
		break;
	case PUNCH:
		break;
	case DATA:
		take_data(p.to, &p);
		break;
	default:
		take_sealed(p.to, &p);
	}
}

/* Time */

static void send_data(struct end *e)
{
	if (!e->stands)
		return;
	e->last_tx_us = w.now_us;
	e->sent++;
	e->sent_ever++;
	(void)transmit(e, &e->endpoint, DATA);
}

static uint64_t age_ms(uint64_t at_us)
{
	return at_us ? (w.now_us - at_us) / 1000 : UINT64_MAX;
}

static uint64_t deadline_us(const struct end *e)
{
	uint64_t at = UINT64_MAX, ways;

	if (!e->started)
		return at;
	ways = ntm_ways_deadline(&e->ways);
	at = ways == UINT64_MAX ? at : ways * 1000;
	if (e->role == NTM_ROLE_INITIATOR && !e->stands && e->request_us < at)
		at = e->request_us;
	if (e->keepalive_us && e->keepalive_us < at)
		at = e->keepalive_us;
	return at;
}

static void tick(struct end *e)
{
	const struct ntm_dp_stats stats = {
		.last_tx_ms = age_ms(e->last_tx_us),
		.last_rx_ms = age_ms(e->last_rx_us) + (e->last_rx_us ? e->jitter++ % 8 : 0),
		.rx_packets = e->got_ever,
		.tx_packets = e->sent_ever,
	};
	struct ntm_ways_acts acts = { 0 };

	if (e->role == NTM_ROLE_INITIATOR && !e->stands && w.now_us >= e->request_us)
		request(e);
	if (e->keepalive_us && w.now_us >= e->keepalive_us)
		keepalive(e);
	if (w.now_us / 1000 >= ntm_ways_deadline(&e->ways)) {
		ntm_ways_tick(&e->ways, w.now_us, e->stands ? &stats : NULL, &acts);
		run(e, &acts);
		assert_true(ntm_ways_deadline(&e->ways) > w.now_us / 1000);
	}
}

static struct packet *first_packet(void)
{
	struct packet *first = NULL;

	for (unsigned int i = 0; i < NET_MAX; i++)
		if (w.net[i].used && (!first || w.net[i].at_us < first->at_us))
			first = &w.net[i];
	return first;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void live(uint64_t for_ms)
{
	const uint64_t end = w.now_us + for_ms * 1000;

	for (;;) {
		struct packet *p = first_packet();
		uint64_t at = earliest(deadline_us(&w.a), deadline_us(&w.b));

		at = earliest(at, p ? p->at_us : UINT64_MAX);
		at = earliest(at, earliest(w.every_a_us ? w.next_a_us : UINT64_MAX,
					   w.every_b_us ? w.next_b_us : UINT64_MAX));
		if (at > end)
			break;
		if (at > w.now_us)
			w.now_us = at;
		if (p && p->at_us <= w.now_us) {
			deliver(p);
		} else if (w.every_a_us && w.next_a_us <= w.now_us) {
			send_data(&w.a);
			w.next_a_us += w.every_a_us;
		} else if (w.every_b_us && w.next_b_us <= w.now_us) {
			send_data(&w.b);
			w.next_b_us += w.every_b_us;
		} else if (deadline_us(&w.a) <= w.now_us) {
			tick(&w.a);
		} else {
			tick(&w.b);
		}
	}
	w.now_us = end;
}

/* Both send a data packet that often from now on, 0: not */
static void traffic(uint64_t a_us, uint64_t b_us)
{
	w.every_a_us = a_us;
	w.every_b_us = b_us;
	w.next_a_us = w.next_b_us = w.now_us;
}

/* Beginnings */

static int world(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now_us = 1000000000;
	w.a.role = NTM_ROLE_INITIATOR;
	w.b.role = NTM_ROLE_RESPONDER;
	w.a.ways.current = w.b.ways.current = -1;
	return 0;
}

static void cut(struct link *l)
{
	l->to_a = l->to_b = false;
}

static void mend(struct link *l)
{
	l->to_a = l->to_b = true;
}

static struct link *add_link(const char *at_a, const char *at_b, uint32_t delay_us)
{
	struct link *l = &w.link[w.links++];

	l->at_a = test_addr(at_a);
	l->at_b = test_addr(at_b);
	l->delay_us = delay_us;
	mend(l);
	return l;
}

static struct rs *add_rs(int i, uint32_t delay_us)
{
	struct rs *rs = &w.rs[i];

	rs->addr = test_addr(i ? "192.0.2.202" : "192.0.2.201");
	rs->alive = true;
	rs->delay_us = delay_us;
	rs->key[0] = (uint8_t)(i + 1);
	ntm_relay_secret_init(&rs->secret, 1);
	return rs;
}

static struct ntm_msg direction(const struct end *e, bool at_once, unsigned int named)
{
	struct ntm_msg m = { .path_id = PATH, .role = e->role };

	memcpy(m.path_psk, psk, sizeof(psk));
	for (unsigned int i = 0; i < named; i++)
		m.candidates[m.candidate_count++] = (struct ntm_candidate){
			.kind = i ? NTM_CAND_REFLEXIVE : NTM_CAND_HOST,
			.addr = e == &w.a ? w.link[i].at_b : w.link[i].at_a,
		};
	for (unsigned int i = 0; i < 2 && w.rs[i].addr.sa.sa_family; i++) {
		struct ntm_relay_info *relay = &m.relays[m.relay_count++];

		if (i && w.one_rs) {
			m.relays[0].addrs[1] = w.rs[1].addr;
			m.relay_count--;
			break;
		}

		memcpy(relay->key, w.rs[i].key, sizeof(relay->key));
		relay->addrs[0] = w.rs[i].addr;
		relay->at_once = at_once;
		strcpy(relay->name, i ? "two" : "one");
	}
	return m;
}

static void start_with(struct end *e, const struct ntm_msg *m)
{
	struct ntm_ways_acts acts = { 0 };

	e->started = true;
	e->asked_us = w.now_us;
	ntm_ways_start(&e->ways, w.now_us, m, &acts);
	if (e->role == NTM_ROLE_INITIATOR)
		request(e);
	run(e, &acts);
}

static void start(bool at_once)
{
	const struct ntm_msg a = direction(&w.a, at_once, w.links),
			     b = direction(&w.b, at_once, w.links);

	start_with(&w.b, &b);
	start_with(&w.a, &a);
}

static void fresh_counts(void)
{
	struct end *const ends[] = { &w.a, &w.b };

	for (int i = 0; i < 2; i++) {
		struct end *e = ends[i];

		e->moves = e->lost = e->probes = e->binds = 0;
		e->sent = e->got = e->gap_us = 0;
		e->got_us = w.now_us;
	}
}

static bool is_on(const struct end *e, const union ntm_addr *addr)
{
	const struct ntm_way *way = ntm_ways_current(&e->ways);

	return way && ntm_addr_equal(&way->addr, addr) && ntm_addr_equal(&e->endpoint, addr);
}

#define both_on_link(l)                               \
	do {                                          \
		assert_true(is_on(&w.a, &(l)->at_b)); \
		assert_true(is_on(&w.b, &(l)->at_a)); \
	} while (0)
#define both_on_rs(rs)                                 \
	do {                                           \
		assert_true(is_on(&w.a, &(rs)->addr)); \
		assert_true(is_on(&w.b, &(rs)->addr)); \
	} while (0)

/* Two relay servers and no other way: packets have passed by the first one for so long */
static void relayed_for(uint64_t for_ms, uint64_t a_us, uint64_t b_us)
{
	add_rs(0, 10000);
	add_rs(1, 15000);
	start(true);
	traffic(a_us, b_us);
	live(for_ms);
	both_on_rs(&w.rs[0]);
	fresh_counts();
}

/* A direct way and a relay server: packets have passed directly for so long */
static struct link *direct_for(uint64_t for_ms)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);

	add_rs(0, 10000);
	start(false);
	traffic(10000, 10000);
	live(for_ms);
	both_on_link(l);
	fresh_counts();
	return l;
}

/* Set-up */

static void test_direct(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);

	(void)state;
	add_rs(0, 5000);
	start(false);
	live(100);
	both_on_link(l);
	assert_in_range(w.a.stands_us - w.a.asked_us, 20000, 20000);
	traffic(10000, 10000);
	live(30000);
	assert_int_equal(w.a.binds + w.b.binds, 0); /* no relay was needed */
	assert_int_equal(w.a.lost + w.b.lost + w.a.moves + w.b.moves, 0);
	assert_true(w.a.got + 2 >= w.b.sent && w.b.got + 2 >= w.a.sent);
	assert_in_range(w.a.probes, 1, 4);
}

static void test_nothing_is_sent_when_nothing_passes(void **state)
{
	(void)state;
	add_link("192.0.2.1", "192.0.2.2", 10000);
	add_link("198.51.100.1", "198.51.100.2", 10000);
	add_rs(0, 5000);
	start(false);
	live(5000);
	fresh_counts();
	live(200000);
	assert_int_equal(w.a.probes + w.b.probes + w.a.binds + w.b.binds, 0);
}

static void test_relay_at_once(void **state)
{
	struct rs *rs = add_rs(0, 10000);

	(void)state;
	start(true);
	live(1000);
	both_on_rs(rs);
	/* Two round trips to bind (20 ms each), and one by the relay (40 ms) */
	assert_in_range(w.a.stands_us - w.a.asked_us, 80000, 81000);
	traffic(10000, 10000);
	live(10000);
	both_on_rs(rs);
	assert_true(w.a.got + 5 >= w.b.sent && w.b.got + 5 >= w.a.sent);
	assert_in_range(w.a.binds, 9, 14); /* every second */
}

static void test_relay_after_300_ms(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);
	struct rs *rs = add_rs(0, 10000);

	(void)state;
	cut(l);
	start(false);
	live(299);
	assert_int_equal(w.a.binds + w.b.binds, 0);
	live(200);
	both_on_rs(rs);
	assert_in_range(w.a.stands_us - w.a.asked_us, 380000, 390000);
}

/* The direct way does not let a packet through, and they pass by a relay server */
static struct link *hidden_for_a_minute(void)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);
	struct rs *rs = add_rs(0, 10000);

	cut(l);
	start(true);
	traffic(10000, 10000);
	live(60000);
	both_on_rs(rs);
	fresh_counts();
	return l;
}

/* A search finds a way: at one end a named address is reached after all, at the other it is a new one */
static void found(struct end *e, struct link *l)
{
	struct ntm_ways_acts acts = { 0 };

	mend(l);
	ntm_ways_found(&e->ways, w.now_us, e == &w.a ? &l->at_b : &l->at_a, &acts);
	run(e, &acts);
}

static void test_stuck(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);

	(void)state;
	add_rs(0, 10000);
	cut(l);
	start(true);
	live(2400);
	assert_false(ntm_ways_stuck(&w.a.ways, w.now_us)); /* the burst may yet be answered */
	traffic(10000, 10000);
	live(1500);
	assert_true(ntm_ways_stuck(&w.a.ways, w.now_us));
	assert_true(ntm_ways_stuck(&w.b.ways, w.now_us));
	traffic(0, 0);
	live(5000);
	assert_false(ntm_ways_stuck(&w.a.ways, w.now_us)); /* nothing passes */
	traffic(10000, 10000);
	live(2000);
	assert_true(ntm_ways_stuck(&w.a.ways, w.now_us));
	mend(l);
	live(20000);
	both_on_link(l);
	assert_false(ntm_ways_stuck(&w.a.ways, w.now_us));
}

static void test_found_by_initiator(void **state)
{
	struct link *l = hidden_for_a_minute();

	(void)state;
	l->at_a = test_addr("192.0.2.1:40001");
	found(&w.a, l);
	live(1000);
	both_on_link(l);
	live(1000);
	assert_int_equal(w.a.moves, 1);
	assert_true(w.a.got + 5 >= w.b.sent && w.b.got + 5 >= w.a.sent);
}

/* The responder has opened, and is answered; its peer has heard it, and decides */
static void test_found_by_responder(void **state)
{
	struct link *l = hidden_for_a_minute();

	(void)state;
	l->at_b = test_addr("192.0.2.2:40001");
	found(&w.b, l);
	live(1000);
	both_on_link(l);
	live(1000);
	assert_true(w.a.got + 5 >= w.b.sent && w.b.got + 5 >= w.a.sent);
}

/* The request gets through directly, its answer does not */
static void test_half_open_at_set_up(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);
	struct rs *rs = add_rs(0, 10000);

	(void)state;
	l->to_a = false;
	start(false);
	live(200);
	assert_false(w.a.stands);
	live(800);
	both_on_rs(rs);
}

static void test_responder_binds_later(void **state)
{
	struct rs *rs = add_rs(0, 10000);
	const struct ntm_msg a = direction(&w.a, true, 0), b = direction(&w.b, true, 0);

	(void)state;
	start_with(&w.a, &a);
	live(60);
	start_with(&w.b, &b); /* the first request by the relay found nobody there */
	live(500);
	both_on_rs(rs);
	assert_true(w.a.stands_us - w.a.asked_us <= 300000);
}

static void test_first_relay_is_dead_from_the_start(void **state)
{
	(void)state;
	add_rs(0, 1000)->alive = false;
	add_rs(1, 30000);
	start(true);
	live(1000);
	both_on_rs(&w.rs[1]);
}

/* It binds, and forwards nothing */
static void test_relay_that_lies(void **state)
{
	(void)state;
	add_rs(0, 1000)->mute = true;
	add_rs(1, 30000);
	start(true);
	live(1000);
	both_on_rs(&w.rs[1]);
	traffic(10000, 10000);
	live(1000);
	fresh_counts();
	/* And one that begins to lie: binds go on, and nothing comes */
	w.rs[0].mute = false;
	w.rs[1].mute = true;
	live(3000);
	both_on_rs(&w.rs[0]);
	assert_true(w.a.gap_us <= 2000000);
}

/* From relay to direct */

static void test_moves_to_direct_without_a_loss(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);
	struct rs *rs = add_rs(0, 30000);

	(void)state;
	cut(l);
	start(false);
	live(1000);
	both_on_rs(rs);
	traffic(1000, 1000);
	live(10000);
	both_on_rs(rs);
	mend(l);
	fresh_counts();
	live(7000);
	both_on_link(l);
	live(3000);
	both_on_link(l);
	traffic(0, 0);
	live(1000);
	assert_true(w.a.sent + 100 >=
		    w.b.got); /* those that were on their way when we began to count */
	assert_true(w.b.got >= w.a.sent);
	assert_true(w.a.got >= w.b.sent);
	assert_true(w.a.gap_us < 100000);
	assert_int_equal(w.a.moves, 1);
	assert_in_range(w.b.moves, 0, 1);
}

/* Nothing passes: nothing is looked for. Then it is. */
static void test_direct_is_looked_for_while_packets_pass(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);

	(void)state;
	add_rs(0, 10000);
	cut(l);
	start(false);
	live(3000);
	both_on_rs(&w.rs[0]);
	mend(l);
	fresh_counts();
	live(10000);
	both_on_rs(&w.rs[0]);
	assert_int_equal(w.a.probes, 0);
	traffic(100000, 100000);
	live(7000);
	both_on_link(l);
}

/* A false address, of a host that never answers: how much does it get? */
static void test_an_address_that_never_answers(void **state)
{
	unsigned int first;
	struct ntm_msg a, b;

	(void)state;
	add_rs(0, 10000);
	a = direction(&w.a, true, 0);
	b = direction(&w.b, true, 0);
	a.candidates[a.candidate_count++].addr = test_addr("203.0.113.66");
	start_with(&w.b, &b);
	start_with(&w.a, &a);
	traffic(20000, 20000);
	live(60000);
	both_on_rs(&w.rs[0]);
	first = w.to_nowhere;
	assert_in_range(first, 5, 16);
	live(3540000);
	assert_in_range(w.to_nowhere - first, 1, 10);
	first = w.to_nowhere;
	live(3600000);
	assert_in_range(w.to_nowhere - first, 1, 2);
}

/* Among direct ways */

static void test_the_same_lan(void **state)
{
	struct link *l = add_link("10.0.0.1", "10.0.0.2", 1000);
	struct link *hairpin = add_link("203.0.113.5:4001", "203.0.113.5:4002", 900);

	(void)state;
	start(false);
	live(100);
	both_on_link(hairpin); /* it was first */
	traffic(10000, 10000);
	live(3000);
	both_on_link(l);
	assert_int_equal(w.a.moves, 1);
	fresh_counts();
	live(100000);
	both_on_link(l);
	assert_int_equal(w.a.moves + w.b.moves, 0);
}

static void test_a_faster_way(void **state)
{
	struct link *slow = add_link("192.0.2.1", "192.0.2.2", 40000);
	struct link *fast = add_link("198.51.100.1", "198.51.100.2", 20000);

	(void)state;
	cut(fast);
	start(false);
	live(200);
	both_on_link(slow);
	mend(fast);
	traffic(1000, 1000);
	live(3000);
	both_on_link(fast);
	traffic(0, 0);
	live(500);
	assert_int_equal(w.a.sent, w.b.got);
	assert_int_equal(w.b.sent, w.a.got);
	assert_int_equal(w.a.moves, 1);
	assert_int_equal(w.a.followed, 0); /* what b sent before it knew did not take a back */
	assert_in_range(w.b.moves + w.b.followed, 1, 1);
}

static void test_not_for_a_little(void **state)
{
	struct link *host = add_link("192.0.2.1", "192.0.2.2", 20000);
	struct link *other_way = add_link("198.51.100.1", "198.51.100.2", 19000);

	(void)state;
	other_way->to_a = false;
	start(false);
	live(500);
	both_on_link(host);
	other_way->to_a = true;
	traffic(10000, 10000);
	live(100000);
	both_on_link(host);
	assert_int_equal(w.a.moves, 0);
}

/* Deaths */

static void die_in_mid_flow(struct link *l, bool to_a, bool to_b, uint64_t a_us, uint64_t b_us)
{
	struct rs *rs = add_rs(0, 10000);

	add_rs(1, 10000);
	start(false);
	traffic(a_us, b_us);
	live(10000);
	both_on_link(l);
	fresh_counts();
	l->to_a = to_a;
	l->to_b = to_b;
	live(2000);
	both_on_rs(rs);
	fresh_counts();
	live(1000);
	assert_true(!a_us || w.b.got >= 1000000 / a_us - 10);
	assert_true(!b_us || w.a.got >= 1000000 / b_us - 10);
	live(20000);
	both_on_rs(rs);
	assert_int_equal(w.a.lost + w.b.lost, 0);
	mend(l);
	live(70000);
	both_on_link(l);
	fresh_counts();
	live(60000);
	both_on_link(l);
	assert_int_equal(w.a.moves + w.b.moves + w.a.lost + w.b.lost, 0);
}

static void test_direct_dies(void **state)
{
	(void)state;
	die_in_mid_flow(add_link("192.0.2.1", "192.0.2.2", 10000), false, false, 10000, 10000);
}

static void test_direct_dies_towards_the_responder(void **state)
{
	(void)state;
	die_in_mid_flow(add_link("192.0.2.1", "192.0.2.2", 10000), true, false, 10000, 10000);
}

static void test_direct_dies_towards_the_initiator(void **state)
{
	(void)state;
	die_in_mid_flow(add_link("192.0.2.1", "192.0.2.2", 10000), false, true, 10000, 10000);
}

/* The receiver of a flow in one direction has nothing to send, and must be at the relay too */
static void test_direct_dies_under_a_one_way_flow(void **state)
{
	(void)state;
	die_in_mid_flow(add_link("192.0.2.1", "192.0.2.2", 10000), false, false, 10000, 0);
}

static void test_direct_dies_under_a_one_way_flow_to_the_initiator(void **state)
{
	(void)state;
	die_in_mid_flow(add_link("192.0.2.1", "192.0.2.2", 10000), false, false, 0, 10000);
}

/* The word that the path is on the relay overtakes the packets that were sent directly before */
static void test_half_dead_and_slower_than_the_relay(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 40000);

	(void)state;
	add_rs(0, 5000);
	start(false);
	traffic(5000, 5000);
	live(10000);
	both_on_link(l);
	fresh_counts();
	l->to_a = false;
	live(1900);
	both_on_rs(&w.rs[0]);
	live(5000);
	both_on_rs(&w.rs[0]);
	assert_in_range(w.a.moves, 1, 1);
}

static void test_another_direct_way_is_taken(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);
	struct link *spare = add_link("198.51.100.1", "198.51.100.2", 11000);

	(void)state;
	add_rs(0, 10000);
	start(false);
	traffic(10000, 10000);
	live(10000);
	both_on_link(l);
	fresh_counts();
	cut(l);
	live(2000);
	both_on_link(spare);
	assert_true(w.a.gap_us <= 1800000);
	live(10000);
	both_on_link(spare);
}

/* Nor by one that is not bound any more, or that the data path was not told of: it has room for two addresses */
static void test_data_by_a_relay_moves_nothing(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);
	struct link *spare = add_link("198.51.100.1", "198.51.100.2", 11000);
	struct ntm_ways_acts acts = { 0 };

	(void)state;
	add_rs(0, 10000);
	add_rs(1, 10000);
	start(false);
	traffic(10000, 10000);
	live(10000);
	both_on_link(l);
	cut(l);
	for (int i = 0; i < 2000 && w.a.moves + w.a.followed == 0; i++)
		live(1);
	both_on_link(spare);
	for (int i = 0; i < 2; i++) {
		ntm_ways_moved(&w.a.ways, w.now_us, &w.rs[i].addr, &acts);
		assert_int_equal(acts.count, 1);
		assert_int_equal(acts.act[0].type, NTM_WAYS_MOVE);
		assert_true(ntm_addr_equal(&acts.act[0].addr, &spare->at_b));
		acts.count = 0;
	}
	assert_true(is_on(&w.a, &spare->at_b));
}

static void test_rs_dies(void **state)
{
	for (int phase = 0; phase < 10; phase++) {
		world(state);
		relayed_for(5000 + (uint64_t)phase * 100, 10000, 10000);
		w.rs[0].alive = false;
		live(2000);
		both_on_rs(&w.rs[1]);
		assert_true(w.a.gap_us <= 1500000);
		assert_true(w.b.gap_us <= 1500000);
		assert_int_equal(w.a.lost + w.b.lost, 0);
	}
}

/* One of its two addresses: the ends bind by the other one, and the path goes there */
static void test_an_address_of_the_rs_dies(void **state)
{
	for (int phase = 0; phase < 10; phase++) {
		struct rs *one, *two;

		world(state);
		one = add_rs(0, 10000);
		two = add_rs(1, 10000);
		w.one_rs = true;
		memcpy(two->key, one->key, sizeof(two->key));
		two->alive = false;
		start(true);
		traffic(10000, phase % 2 ? 10000 : 0);
		live(5000 + (uint64_t)phase * 100);
		both_on_rs(one);
		fresh_counts();
		one->alive = false;
		two->alive = true;
		live(4000);
		both_on_rs(two);
		assert_non_null(ntm_ways_relay(&w.a.ways, &w.a.endpoint));
		assert_non_null(ntm_ways_relay(&w.b.ways, &w.b.endpoint));
		assert_true(w.b.gap_us <= 2500000);
		fresh_counts();
		live(10000);
		both_on_rs(two);
		assert_true(w.b.got >= 990);
		assert_int_equal(w.a.moves + w.b.moves + w.a.lost + w.b.lost, 0);
	}
}

/* It passes on all that is signalling, and no data */
static void test_rs_eats_data(void **state)
{
	static const uint64_t flows[][2] = {
		{ 10000, 10000 }, { 10000, 0 }, { 0, 10000 }, { 50000, 50000 }
	};

	for (unsigned int i = 0; i < 4; i++) {
		for (uint64_t phase = 0; phase < 10; phase++) {
			world(state);
			relayed_for(5000 + phase * 100, flows[i][0], flows[i][1]);
			w.rs[0].eats = true;
			live(2500);
			both_on_rs(&w.rs[1]);
			if (flows[i][0])
				assert_true(w.b.gap_us <= 2400000 && w.b.got > 0);
			if (flows[i][1])
				assert_true(w.a.gap_us <= 2400000 && w.a.got > 0);
			live(5000);
			both_on_rs(&w.rs[1]);
		}
	}
}

/* From the beginning, and with nobody else: the DC is asked, not too often */
static void test_only_rs_eats_data(void **state)
{
	(void)state;
	add_rs(0, 10000)->eats = true;
	start(true);
	live(1000);
	traffic(10000, 10000);
	live(30000);
	assert_in_range(w.a.lost, 1, 8);
	traffic(0, 0); /* and when nothing passes any more, there is peace */
	live(10000);
	fresh_counts();
	w.a.probes = w.b.probes = w.a.binds = w.b.binds = 0;
	live(20000);
	assert_true(w.a.probes + w.b.probes < 10);
	assert_true(w.a.binds + w.b.binds < 10);
}

/* Nothing comes back, and all arrives: a flow in one direction, a peer that does not answer, a few packets now and then */
static void test_one_way_is_not_eaten(void **state)
{
	static const uint64_t every_us[] = { 5000, 100000, 1000000, 3000000 };

	for (unsigned int i = 0; i < 4; i++) {
		world(state);
		relayed_for(5000, every_us[i], 0);
		live(60000);
		both_on_rs(&w.rs[0]);
		assert_int_equal(w.a.moves + w.b.moves + w.a.lost, 0);
		assert_true(w.b.got >= w.a.sent - 1);
		assert_true(w.a.probes < 150);
	}
}

/* A peer that does not say what it has had is as it was before */
static void test_not_told_what_arrives(void **state)
{
	(void)state;
	relayed_for(5000, 10000, 10000);
	w.a.deaf = w.b.deaf = true;
	w.rs[0].eats = true;
	live(5000);
	both_on_rs(&w.rs[0]);
}

/* Both ends are told by their next Bind, within 1 s, and meet at the other one: not a packet is lost */
static void test_rs_drains(void **state)
{
	for (int phase = 0; phase < 10; phase++) {
		world(state);
		relayed_for(5000 + (uint64_t)phase * 100, 10000, phase % 2 ? 10000 : 0);
		w.rs[0].drains = true;
		live(2500);
		both_on_rs(&w.rs[1]);
		assert_true(w.b.gap_us <= 30000);
		assert_in_range(w.b.got, 245, 250);
		assert_int_equal(w.a.lost + w.b.lost, 0);
		live(3000);
		both_on_rs(&w.rs[1]);
	}
}

/* It goes on forwarding, and the DC is asked for another one, and not too often */
static void test_only_rs_drains(void **state)
{
	(void)state;
	add_rs(0, 10000);
	add_rs(1, 15000)->alive = false;
	start(true);
	traffic(10000, 10000);
	live(5000);
	fresh_counts();
	w.rs[0].drains = true;
	live(3500);
	assert_int_equal(w.a.lost, 1);
	live(20000);
	both_on_rs(&w.rs[0]);
	assert_in_range(w.a.lost, 4, 6);
	assert_true(w.b.gap_us <= 30000);
	assert_true(w.b.got >= 2300);
	assert_true(w.a.binds < 400); /* to the dead one */
}

/* It goes on forwarding, and answers no Bind. When it counts as dead the other one is bound, whatever passed meanwhile. */
static void test_rs_binds_no_more(void **state)
{
	static const uint32_t delay_us[] = { 10000, 60000, 120000 };

	for (unsigned int i = 0; i < 3; i++) {
		for (uint64_t phase = 0; phase < 20; phase++) {
			world(state);
			relayed_for(5000 + phase * 50, 10000, 10000);
			w.rs[0].silent = true;
			w.rs[1].delay_us = delay_us[i];
			live(3000);
			both_on_rs(&w.rs[1]);
			assert_int_equal(w.a.lost + w.b.lost, 0);
			assert_true(w.a.gap_us <= 2000000 && w.b.gap_us <= 2000000);
		}
	}
}

/* And one that says so falsely, now and then, to both or one of them */
static void test_rs_says_that_it_drains(void **state)
{
	(void)state;
	relayed_for(5000, 10000, 10000);
	for (int i = 0; i < 20; i++) {
		w.rs[i % 2].drains = true;
		w.rs[!(i % 2)].drains = i % 3 == 0;
		live(500 + (uint64_t)i * 100);
	}
	assert_true(w.b.gap_us <= 100000);
	assert_true(w.a.binds + w.b.binds < 1500);
	assert_true(w.a.lost + w.b.lost < 30);
}

static void test_all_is_dead(void **state)
{
	struct link *l = direct_for(5000);

	(void)state;
	cut(l);
	w.rs[0].alive = false;
	live(2000);
	assert_int_equal(w.a.lost, 1);
	assert_int_equal(w.b.lost, 1);
	live(60000);
	assert_in_range(w.a.lost, 3, 6);
	mend(l);
	live(3000);
	both_on_link(l);
	fresh_counts();
	live(1000);
	assert_true(w.a.got >= 95);
}

/* What was idle for long: the NAT has forgotten it, and the peer does not notice */
static void test_dead_after_a_rest(void **state)
{
	struct link *l = direct_for(5000);

	(void)state;
	traffic(0, 0);
	live(100000);
	both_on_link(l);
	fresh_counts();
	l->to_b = false;
	traffic(100000, 0);
	live(1600);
	assert_int_equal(w.a.lost, 1); /* the DC is asked before the way is given up */
	assert_int_equal(w.b.lost, 0);
}

/* A short break is none: nobody moves */
static void test_a_short_break(void **state)
{
	struct link *l = direct_for(5000);

	(void)state;
	cut(l);
	live(800);
	mend(l);
	live(5000);
	both_on_link(l);
	assert_int_equal(w.a.moves + w.b.moves, 0);
}

/* The peer comes from elsewhere */
static void test_peer_moves(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);

	(void)state;
	start(false);
	traffic(10000, 10000);
	live(3000);
	fresh_counts();
	l->at_a = test_addr("203.0.113.77"); /* a's NAT gave it another address */
	live(3000);
	both_on_link(l);
	assert_true(w.a.gap_us < 100000);
	assert_int_equal(w.a.lost + w.b.lost, 0);
}

static void test_shaken(void **state)
{
	struct ntm_ways_acts acts = { 0 };

	(void)state;
	add_link("192.0.2.1", "192.0.2.2", 10000);
	add_link("198.51.100.1", "198.51.100.2", 30000);
	start(false);
	live(10000);
	fresh_counts();
	ntm_ways_shaken(&w.a.ways, w.now_us, &acts);
	assert_int_equal(acts.count, 2);
	run(&w.a, &acts);
	live(3000);
	assert_in_range(w.a.probes, 9, 11);
	both_on_link(&w.link[0]);
}

/* Hostile and odd */

static void test_answers_to_nothing(void **state)
{
	struct ntm_ways_acts acts = { 0 };

	(void)state;
	add_link("192.0.2.1", "192.0.2.2", 10000);
	start(false);
	live(3000);
	for (uint64_t timestamp = 0; timestamp < 64; timestamp++) {
		assert_false(ntm_ways_answered(&w.a.ways, w.now_us, timestamp, NULL, &acts));
		assert_false(ntm_ways_answered(&w.a.ways, w.now_us, ~timestamp, NULL, &acts));
	}
	assert_int_equal(acts.count, 0);
}

/* A peer that comes from ever new addresses has no more than its share of the table, and the candidates stay */
static void test_many_addresses(void **state)
{
	struct link *l = add_link("192.0.2.1", "192.0.2.2", 10000);
	struct ntm_ways_acts acts = { 0 };
	union ntm_addr addr = test_addr("203.0.113.1");

	(void)state;
	add_rs(0, 10000);
	start(false);
	live(1000);
	for (unsigned int i = 0; i < 1000; i++) {
		addr.v4.sin_port = htons((uint16_t)(10000 + i));
		ntm_ways_heard(&w.a.ways, w.now_us, &addr, &acts);
		acts.count = 0;
		ntm_ways_follow(&w.a.ways, w.now_us, &addr, &acts);
		assert_true(ntm_addr_equal(&ntm_ways_current(&w.a.ways)->addr, &addr));
		acts.count = 0;
	}
	assert_int_equal(w.a.ways.count, NTM_WAYS_MAX);
	ntm_ways_follow(&w.a.ways, w.now_us, &l->at_b, &acts);
	assert_int_equal(ntm_ways_current(&w.a.ways)->kind, NTM_WAY_HOST);
	assert_string_equal(ntm_ways_relay(&w.a.ways, &w.rs[0].addr), "one");
}

/* An RS's address as a candidate is the RS's all the same */
static void test_relay_as_candidate(void **state)
{
	struct ntm_msg a;

	(void)state;
	add_rs(0, 10000);
	a = direction(&w.a, true, 0);
	a.candidates[a.candidate_count++].addr = w.rs[0].addr;
	start_with(&w.a, &a);
	assert_int_equal(w.a.ways.count, 1);
}

static void test_idle_time(void **state)
{
	(void)state;
	add_rs(0, 10000);
	start(true);
	live(1000);
	both_on_rs(&w.rs[0]);
	assert_int_equal(ntm_ways_idle_ms(&w.a.ways, 300000), 25000);
	assert_int_equal(ntm_ways_idle_ms(&w.a.ways, 3000), 3000);
	w.a.ways.current = -1;
	assert_int_equal(ntm_ways_idle_ms(&w.a.ways, 300000), 300000);
}

static uint32_t dice(uint32_t *rng, uint32_t below)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 17;
	*rng ^= *rng << 5;
	return *rng % below;
}

/*
 * A direct way may be looked at 60 s late, and one that lost packets in the storm has to lose none of 8 probes before it is taken for what
 * it is, of which there is one in 25 s
 */
#define SEEDS 25
#define SETTLED_MS (60000 + NTM_WAY_SAMPLES * 25000 + 1000)

/* Links and relays come and go; when they all stay, packets pass both ways, and nobody moves any more */
static void test_storms(void **state)
{
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t rng = seed * 2654435761u + 1;

		world(state);
		add_link("192.0.2.1", "192.0.2.2", 10000);
		add_link("10.0.0.1", "10.0.0.2", 1000);
		add_link("198.51.100.1", "198.51.100.2", 60000);
		add_rs(0, 10000);
		add_rs(1, 40000);
		start(dice(&rng, 2));
		traffic(20000, dice(&rng, 3) ? 20000 : 0);
		for (int i = 0; i < 60; i++) {
			struct link *l = &w.link[dice(&rng, 3)];

			if (dice(&rng, 2))
				l->to_a = !l->to_a;
			if (dice(&rng, 2))
				l->to_b = !l->to_b;
			if (!dice(&rng, 4))
				w.rs[dice(&rng, 2)].mute ^= true;
			if (!dice(&rng, 4))
				w.rs[dice(&rng, 2)].alive ^= true;
			if (!dice(&rng, 4))
				w.rs[dice(&rng, 2)].eats ^= true;
			if (!dice(&rng, 4))
				w.rs[dice(&rng, 2)].drains ^= true;
			if (!dice(&rng, 4))
				w.rs[dice(&rng, 2)].silent ^= true;
			live(dice(&rng, 3000));
		}
		for (int i = 0; i < 3; i++)
			w.link[i].to_a = w.link[i].to_b = true;
		for (int i = 0; i < 2; i++) {
			w.rs[i].alive = true;
			w.rs[i].mute = w.rs[i].eats = w.rs[i].drains = w.rs[i].silent = false;
		}
		if (!w.a.stands) /* it may be that nothing was open for long enough */
			continue;
		live(SETTLED_MS);
		fresh_counts();
		live(20000);
		if (w.b.got < 990 || w.b.gap_us > 200000)
			fail_msg("seed %u: b got %llu, longest gap %llu us", seed,
				 (unsigned long long)w.b.got, (unsigned long long)w.b.gap_us);
		if (w.every_b_us && (w.a.got < 990 || w.a.gap_us > 200000))
			fail_msg("seed %u: a got %llu", seed, (unsigned long long)w.a.got);
		if (w.a.moves + w.b.moves + w.a.lost + w.b.lost)
			fail_msg("seed %u: no peace", seed);
		assert_int_not_equal(ntm_ways_current(&w.a.ways)->kind, NTM_WAY_RELAY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_direct, world),
		cmocka_unit_test_setup(test_nothing_is_sent_when_nothing_passes, world),
		cmocka_unit_test_setup(test_relay_at_once, world),
		cmocka_unit_test_setup(test_relay_after_300_ms, world),
		cmocka_unit_test_setup(test_stuck, world),
		cmocka_unit_test_setup(test_found_by_initiator, world),
		cmocka_unit_test_setup(test_found_by_responder, world),
		cmocka_unit_test_setup(test_half_open_at_set_up, world),
		cmocka_unit_test_setup(test_responder_binds_later, world),
		cmocka_unit_test_setup(test_first_relay_is_dead_from_the_start, world),
		cmocka_unit_test_setup(test_relay_that_lies, world),
		cmocka_unit_test_setup(test_moves_to_direct_without_a_loss, world),
		cmocka_unit_test_setup(test_direct_is_looked_for_while_packets_pass, world),
		cmocka_unit_test_setup(test_an_address_that_never_answers, world),
		cmocka_unit_test_setup(test_the_same_lan, world),
		cmocka_unit_test_setup(test_a_faster_way, world),
		cmocka_unit_test_setup(test_not_for_a_little, world),
		cmocka_unit_test_setup(test_direct_dies, world),
		cmocka_unit_test_setup(test_direct_dies_towards_the_responder, world),
		cmocka_unit_test_setup(test_direct_dies_towards_the_initiator, world),
		cmocka_unit_test_setup(test_direct_dies_under_a_one_way_flow, world),
		cmocka_unit_test_setup(test_direct_dies_under_a_one_way_flow_to_the_initiator,
				       world),
		cmocka_unit_test_setup(test_half_dead_and_slower_than_the_relay, world),
		cmocka_unit_test_setup(test_another_direct_way_is_taken, world),
		cmocka_unit_test_setup(test_data_by_a_relay_moves_nothing, world),
		cmocka_unit_test_setup(test_rs_dies, world),
		cmocka_unit_test_setup(test_an_address_of_the_rs_dies, world),
		cmocka_unit_test_setup(test_rs_eats_data, world),
		cmocka_unit_test_setup(test_only_rs_eats_data, world),
		cmocka_unit_test_setup(test_one_way_is_not_eaten, world),
		cmocka_unit_test_setup(test_not_told_what_arrives, world),
		cmocka_unit_test_setup(test_rs_drains, world),
		cmocka_unit_test_setup(test_only_rs_drains, world),
		cmocka_unit_test_setup(test_rs_binds_no_more, world),
		cmocka_unit_test_setup(test_rs_says_that_it_drains, world),
		cmocka_unit_test_setup(test_all_is_dead, world),
		cmocka_unit_test_setup(test_dead_after_a_rest, world),
		cmocka_unit_test_setup(test_a_short_break, world),
		cmocka_unit_test_setup(test_peer_moves, world),
		cmocka_unit_test_setup(test_shaken, world),
		cmocka_unit_test_setup(test_answers_to_nothing, world),
		cmocka_unit_test_setup(test_many_addresses, world),
		cmocka_unit_test_setup(test_relay_as_candidate, world),
		cmocka_unit_test_setup(test_idle_time, world),
		cmocka_unit_test_setup(test_storms, world),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
