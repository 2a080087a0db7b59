// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/search.c */
/* The search for a port: who does what, how fast, how much, how often. */
#include <stdlib.h>

#include "ntm_test.h"
#include "node/search.h"

#define HOUR 3600000u

static union ntm_addr at(const char *text)
{
	union ntm_addr addr;

	assert_int_equal(ntm_addr_parse(&addr, text, 4330), 0);
	return addr;
}

static struct ntm_search_facts facts(enum ntm_nat own, enum ntm_nat peer)
{
	return (struct ntm_search_facts){
		.own = own,
		.peer = peer,
		.seen = at("198.51.100.1:4330"),
		.named = at("203.0.113.1:4330"),
	};
}

/* Who does what */

static void test_opens(void **state)
{
	static const bool opens[4][4] = { [NTM_NAT_DEPENDENT] = { true, true, true, false } };
	struct ntm_search_facts f;

	(void)state;
	for (int own = 0; own < 4; own++) {
		for (int peer = 0; peer < 4; peer++) {
			f = facts(own, peer);
			assert_int_equal(ntm_search_opens(&f), opens[own][peer]);
		}
	}
}

/* Its DC alone sees it, and nobody can say whether others would see the same */
static void test_opens_unknown(void **state)
{
	struct ntm_search_facts f = facts(NTM_NAT_UNKNOWN, NTM_NAT_INDEPENDENT);

	(void)state;
	f.renumbered = true;
	assert_true(ntm_search_opens(&f));
	f.peer = NTM_NAT_UNKNOWN;
	assert_false(ntm_search_opens(&f));
	f = facts(NTM_NAT_INDEPENDENT, NTM_NAT_INDEPENDENT);
	f.renumbered = true;
	assert_false(ntm_search_opens(&f));
}

static void test_answers(void **state)
{
	struct ntm_search_facts f;

	(void)state;
	for (int own = 0; own < 4; own++) {
		for (int peer = 0; peer < 4; peer++) {
			f = facts(own, peer);
			assert_int_equal(ntm_search_answers(&f), own != NTM_NAT_DEPENDENT);
		}
	}
}

/* Only to where the DC sees the peer, and not to our own NAT */
static void test_no_place(void **state)
{
	struct ntm_search_facts f = facts(NTM_NAT_DEPENDENT, NTM_NAT_INDEPENDENT);

	(void)state;
	f.named.sa.sa_family = 0;
	assert_false(ntm_search_opens(&f));
	f.named = at("[2001:db8::1]:4330");
	assert_false(ntm_search_opens(&f));
	f.named = at("198.51.100.1:9999");
	assert_false(ntm_search_opens(&f));

	f = facts(NTM_NAT_INDEPENDENT, NTM_NAT_DEPENDENT);
	f.named = at("[2001:db8::1]:4330");
	assert_false(ntm_search_answers(&f));
	f.named = at("198.51.100.1:9999");
	assert_false(ntm_search_answers(&f));
	f.seen.sa.sa_family = 0;
	assert_true(ntm_search_answers(&f));
}

/* A search in virtual time */

/* struct run - what a search wanted */
struct run {
	struct ntm_search search;
	uint64_t now_ms;
	unsigned int open, again, calls, ends, most;
	uint64_t last_call_ms;
	unsigned int second[16]; /* probes in each second */
	uint16_t ports[NTM_SEARCH_PORTS + 8];
	unsigned int probes;
};

static void tick(struct run *r)
{
	struct ntm_search_acts acts;

	ntm_search_tick(&r->search, r->now_ms, &acts);
	assert_in_range(acts.count, 0, NTM_SEARCH_ACTS);
	r->most = acts.count > r->most ? acts.count : r->most;
	for (unsigned int i = 0; i < acts.count; i++) {
		const struct ntm_search_act *a = &acts.act[i];

		switch (a->type) {
		case NTM_SEARCH_OPEN:
			assert_int_equal(a->number, r->open++);
			break;
		case NTM_SEARCH_AGAIN:
			r->again++;
			break;
		case NTM_SEARCH_CALL:
			r->calls++;
			r->last_call_ms = r->now_ms;
			break;
		case NTM_SEARCH_PROBE:
			assert_int_equal(a->addr.v4.sin_addr.s_addr,
					 at("203.0.113.1").v4.sin_addr.s_addr);
			assert_in_range(r->probes, 0, NTM_SEARCH_PORTS - 1);
			r->ports[r->probes++] = ntohs(a->addr.v4.sin_port);
			r->second[(r->now_ms - 1000) / 1000]++;
			break;
		case NTM_SEARCH_END:
			r->ends++;
			break;
		}
	}
}

static void begin(struct run *r, enum ntm_search_side side, uint32_t random)
{
	const union ntm_addr to = at("203.0.113.1:4330");

	memset(r, 0, sizeof(*r));
	r->now_ms = 1000;
	ntm_search_start(&r->search, side, &to, random, r->now_ms);
}

/* An opener, of whose sockets after so many one failed */
static void begin_with_sockets(struct run *r, unsigned int sockets)
{
	struct ntm_search_acts acts;

	begin(r, NTM_SEARCH_OPENS, 0);
	ntm_search_tick(&r->search, r->now_ms, &acts);
	ntm_search_full(&r->search, sockets);
}

static void run_all(struct run *r, enum ntm_search_side side, uint32_t random)
{
	begin(r, side, random);
	while (ntm_search_deadline(&r->search) != UINT64_MAX && r->now_ms < 60000) {
		if (ntm_search_deadline(&r->search) > r->now_ms)
			r->now_ms = ntm_search_deadline(&r->search);
		tick(r);
	}
}

static void test_many_sockets(void **state)
{
	struct run r;

	(void)state;
	run_all(&r, NTM_SEARCH_OPENS, 0);
	assert_int_equal(r.open, NTM_SEARCH_SOCKETS);
	assert_int_equal(r.again, 2 * NTM_SEARCH_SOCKETS);
	assert_int_equal(r.calls, 3);
	assert_int_equal(r.probes, 0);
	assert_int_equal(r.ends, 1);
	assert_int_equal(r.search.side, NTM_SEARCH_NONE);
	assert_in_range(r.now_ms, 12000, 16000);
}

/* They are there when the peer is called, and no longer than its probes may come */
static void test_call_after_sockets(void **state)
{
	struct run r;

	(void)state;
	begin(&r, NTM_SEARCH_OPENS, 0);
	while (!r.calls) {
		r.now_ms = ntm_search_deadline(&r.search);
		tick(&r);
	}
	assert_int_equal(r.open, NTM_SEARCH_SOCKETS);
	assert_in_range(r.now_ms, 1000, 1500);
}

static void test_few_sockets(void **state)
{
	struct run r;

	(void)state;
	begin_with_sockets(&r, 10);
	while (r.search.side != NTM_SEARCH_NONE) {
		r.now_ms = ntm_search_deadline(&r.search);
		tick(&r);
	}
	assert_int_equal(r.open, 0);
	assert_int_equal(r.again, 20);
	assert_int_equal(r.ends, 1);
}

static void test_no_socket(void **state)
{
	struct run r;

	(void)state;
	begin_with_sockets(&r, 0);
	while (r.search.side != NTM_SEARCH_NONE && r.now_ms < 60000) {
		r.now_ms = ntm_search_deadline(&r.search);
		tick(&r);
	}
	assert_int_equal(r.again, 0);
	assert_int_equal(r.calls, 0); /* the peer would look for what is not there */
	assert_int_equal(r.ends, 1);
}

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void test_many_ports(void **state)
{
	static const uint32_t randoms[] = { 0, 1, 64511, 64512, UINT32_MAX };

	(void)state;
	for (size_t n = 0; n < sizeof(randoms) / sizeof(randoms[0]); n++) {
		struct run r;

		run_all(&r, NTM_SEARCH_SENDS, randoms[n]);
		assert_int_equal(r.probes, NTM_SEARCH_PORTS);
		assert_int_equal(r.ends, 1);
		assert_int_equal(r.open + r.again + r.calls, 0);
		for (int i = 0; i < 16; i++)
			assert_in_range(r.second[i], 0, 200);
		qsort(r.ports, r.probes, sizeof(r.ports[0]), compare);
		assert_in_range(r.ports[0], 1024, 65535);
		for (unsigned int i = 1; i < r.probes; i++)
			assert_int_not_equal(r.ports[i], r.ports[i - 1]);
	}
}

/* Ports that were given out one after the other are found at an early time, wherever they are */
static void test_neighbours(void **state)
{
	struct run r;

	(void)state;
	run_all(&r, NTM_SEARCH_SENDS, 4711);
	for (unsigned int first = 1024; first <= 65536 - 256; first += 97) {
		unsigned int n = 0;

		while (n < r.probes && (r.ports[n] < first || r.ports[n] >= first + 256))
			n++;
		assert_in_range(n, 0, 700);
	}
}

/* A loop that was busy does not make up for it */
static void test_late(void **state)
{
	struct run r;

	(void)state;
	begin(&r, NTM_SEARCH_SENDS, 0);
	tick(&r);
	r.now_ms += 5000;
	tick(&r);
	tick(&r);
	assert_int_equal(r.probes, 8);
}

static void test_stop(void **state)
{
	struct run r;

	(void)state;
	begin(&r, NTM_SEARCH_SENDS, 0);
	ntm_search_stop(&r.search);
	assert_true(ntm_search_deadline(&r.search) == UINT64_MAX);
	r.now_ms += 1000;
	tick(&r);
	assert_int_equal(r.probes + r.ends, 0);
}

/* How often */

static void test_gate_backs_off(void **state)
{
	const union ntm_addr to = at("203.0.113.1:4330"), other_port = at("203.0.113.1:9");
	struct ntm_search_gate gate = { 0 };
	unsigned int searches = 0;
	uint64_t gap, last = 0;

	(void)state;
	for (uint64_t now = 1000; now < 1000 + HOUR; now += 1000) {
		if (!ntm_gate_enter(&gate, now % 2000 ? &to : &other_port, -1, now))
			continue;
		searches++;
		ntm_gate_leave(&gate, &to, false);
	}
	assert_int_equal(searches, 7); /* after 0, 30, 90, 210, 450, 930, 1890 s */
	for (uint64_t now = 1000 + HOUR; now < 1000 + 20 * (uint64_t)HOUR; now += 1000) {
		if (!ntm_gate_enter(&gate, &to, -1, now))
			continue;
		ntm_gate_leave(&gate, &to, false);
		gap = last ? now - last : HOUR;
		last = now;
		assert_true(gap >= HOUR);
	}
}

static void test_gate_found(void **state)
{
	const union ntm_addr to = at("203.0.113.1:4330");
	struct ntm_search_gate gate = { 0 };

	(void)state;
	assert_true(ntm_gate_enter(&gate, &to, -1, 1000));
	ntm_gate_leave(&gate, &to, false);
	assert_true(ntm_gate_enter(&gate, &to, -1, 31000));
	ntm_gate_leave(&gate, &to, true);
	assert_false(ntm_gate_enter(&gate, &to, -1, 60999));
	assert_true(ntm_gate_enter(&gate, &to, -1, 61000));
	ntm_gate_leave(&gate, &to, false);
}

/* What failed once is forgotten when it was left alone for an hour */
static void test_gate_forgets(void **state)
{
	const union ntm_addr to = at("203.0.113.1:4330");
	struct ntm_search_gate gate = { 0 };

	(void)state;
	assert_true(ntm_gate_enter(&gate, &to, -1, 1000));
	ntm_gate_leave(&gate, &to, false);
	assert_true(ntm_gate_enter(&gate, &to, -1, 1000 + 2 * (uint64_t)HOUR));
	ntm_gate_leave(&gate, &to, false);
	assert_true(ntm_gate_enter(&gate, &to, -1, 1000 + 2 * (uint64_t)HOUR + 30000));
	ntm_gate_leave(&gate, &to, false);
}

static union ntm_addr network(unsigned int n)
{
	union ntm_addr to = at("203.0.113.1:4330");

	to.v4.sin_addr.s_addr = htonl(0x0a000000 + n);
	return to;
}

static bool search(struct ntm_search_gate *gate, unsigned int n, int zone, bool found,
		   uint64_t now_ms)
{
	const union ntm_addr to = network(n);

	if (!ntm_gate_enter(gate, &to, zone, now_ms))
		return false;
	ntm_gate_leave(gate, &to, found);
	return true;
}

static void test_gate_at_once(void **state)
{
	struct ntm_search_gate gate = { 0 };
	union ntm_addr to;

	(void)state;
	for (unsigned int n = 0; n < 10; n++) {
		to = network(n);
		assert_int_equal(ntm_gate_enter(&gate, &to, -1, 1000), n < NTM_GATE_RUNNING);
	}
	to = network(0);
	ntm_gate_leave(&gate, &to, false);
	to = network(10);
	assert_true(ntm_gate_enter(&gate, &to, -1, 1000));
}

/* As many networks as it can remember, within the time for which it has to */
static void test_gate_is_full(void **state)
{
	const uint64_t over = 1000 + 30000 + HOUR;
	struct ntm_search_gate gate = { 0 };

	(void)state;
	for (unsigned int n = 0; n < 2 * NTM_GATE_PLACES; n++)
		assert_int_equal(search(&gate, n, -1, false, 1000 + n / NTM_GATE_PLACES),
				 n < NTM_GATE_PLACES);
	assert_false(search(&gate, NTM_GATE_PLACES, -1, false, over - 1));
	assert_true(search(&gate, 1, -1, false, over - 1));
	for (unsigned int n = 1; n < 2 * NTM_GATE_PLACES; n++)
		assert_int_equal(search(&gate, NTM_GATE_PLACES + n, -1, false, over),
				 n < NTM_GATE_PLACES);
}

/* Where something was found nothing is to be remembered */
static void test_gate_found_makes_room(void **state)
{
	struct ntm_search_gate gate = { 0 };

	(void)state;
	for (unsigned int n = 0; n < NTM_GATE_PLACES; n++)
		assert_true(search(&gate, n, -1, n == 7, 1000));
	assert_false(search(&gate, NTM_GATE_PLACES, -1, false, 30999));
	assert_true(search(&gate, NTM_GATE_PLACES, -1, false, 31000));
	assert_false(search(&gate, NTM_GATE_PLACES + 1, -1, false, 31000));
	assert_false(search(&gate, 7, -1, false, 31000));
}

/* One who names more networks than can be remembered gets none of them searched more often */
static void test_gate_rotation(void **state)
{
	static unsigned int count[NTM_GATE_PLACES + 1];
	const uint64_t step = 165000 / (NTM_GATE_PLACES + 1);
	struct ntm_search_gate gate = { 0 };
	unsigned int n = 0;
	uint64_t now;

	(void)state;
	memset(count, 0, sizeof(count));
	for (now = 1000; now < 1000 + HOUR; now += step) {
		count[n] += search(&gate, n, -1, false, now);
		assert_in_range(count[n], 0, 7);
		n = (n + 1) % (NTM_GATE_PLACES + 1);
	}
}

/* Another zone names as many as it likes: there is room for each other one, and for our own */
static void test_gate_of_other_zones(void **state)
{
	const unsigned int many = 2 * NTM_GATE_OF_ZONE;
	struct ntm_search_gate gate = { 0 };
	unsigned int ours;

	(void)state;
	for (int zone = 0; zone < NTM_PEER_ZONES_MAX; zone++)
		for (unsigned int n = 0; n < many; n++)
			assert_int_equal(search(&gate, zone * many + n, zone, false, 1000),
					 n < NTM_GATE_OF_ZONE);
	for (ours = 0; search(&gate, 100000 + ours, -1, false, 1000); ours++)
		;
	assert_int_equal(ours, NTM_GATE_PLACES - NTM_PEER_ZONES_MAX * NTM_GATE_OF_ZONE);
	assert_in_range(ours, 512, NTM_GATE_PLACES);
	assert_true(search(&gate, 0, 0, false, 31000));
}

/* Nor more, or fewer, by naming what ours searched before */
static void test_gate_of_known_networks(void **state)
{
	const unsigned int ours = 2 * NTM_GATE_OF_ZONE;
	struct ntm_search_gate gate = { 0 };

	(void)state;
	for (unsigned int n = 0; n < ours; n++)
		assert_true(search(&gate, n, -1, false, 1000));
	for (unsigned int n = 0; n < ours; n++)
		assert_true(search(&gate, n, 0, false, 31000));
	for (unsigned int n = 0; n < ours; n++)
		assert_int_equal(search(&gate, 1000 + n, 0, false, 31000), n < NTM_GATE_OF_ZONE);
}

static bool enter(struct ntm_search_gate *gate, unsigned int n, int zone)
{
	const union ntm_addr to = network(n);

	return ntm_gate_enter(gate, &to, zone, 1000);
}

/* Nor does it take all that may run at once */
static void test_gate_at_once_of_a_zone(void **state)
{
	const union ntm_addr first = network(0);
	struct ntm_search_gate gate = { 0 };

	(void)state;
	for (unsigned int n = 0; n < 10; n++)
		assert_int_equal(enter(&gate, n, 0), n < NTM_GATE_RUNNING_OF_ZONE);
	assert_true(enter(&gate, 10, 1));
	assert_true(enter(&gate, 11, -1));
	assert_false(enter(&gate, 12, -1));
	ntm_gate_leave(&gate, &first, false);
	assert_true(enter(&gate, 13, 0));
	assert_false(enter(&gate, 14, -1));
}

/* One that takes longer than it should is one */
static void test_gate_one_at_a_time(void **state)
{
	const union ntm_addr to = network(0);
	struct ntm_search_gate gate = { 0 };

	(void)state;
	assert_true(ntm_gate_enter(&gate, &to, -1, 1000));
	assert_false(ntm_gate_enter(&gate, &to, -1, 1000 + 3 * (uint64_t)HOUR));
	ntm_gate_leave(&gate, &to, false);
	assert_true(ntm_gate_enter(&gate, &to, -1, 1000 + 3 * (uint64_t)HOUR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens),
		cmocka_unit_test(test_opens_unknown),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_no_place),
		cmocka_unit_test(test_many_sockets),
		cmocka_unit_test(test_call_after_sockets),
		cmocka_unit_test(test_few_sockets),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_gate_backs_off),
		cmocka_unit_test(test_gate_found),
		cmocka_unit_test(test_gate_forgets),
		cmocka_unit_test(test_gate_at_once),
		cmocka_unit_test(test_gate_is_full),
		cmocka_unit_test(test_gate_found_makes_room),
		cmocka_unit_test(test_gate_rotation),
		cmocka_unit_test(test_gate_of_other_zones),
		cmocka_unit_test(test_gate_of_known_networks),
		cmocka_unit_test(test_gate_at_once_of_a_zone),
		cmocka_unit_test(test_gate_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
