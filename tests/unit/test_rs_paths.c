// SPDX-License-Identifier: GPL-2.0
/* The table of directed paths: who may do what to them, limits, shares, and how they end. In virtual time. */
/* with: ntmd/rs/paths.c */
#include "ntm_test.h"

#include <errno.h>
#include <sodium.h>

#include "rs/paths.h"

enum { DC = 1, OTHER_DC = 2, THIRD_DC = 3 };

/* A data plane that remembers */
static struct {
	uint64_t now_ms;
	struct ntm_rs_paths paths;
	int fail;
	unsigned int binds, unbinds, dels, rates;
	uint64_t last_rate;
	unsigned int last_end;
	struct ntm_rs_owner one, other, third;
} w;

static int op_bind(void *ctx, const struct ntm_rs_path *path, unsigned int end,
		   const union ntm_addr *addr)
{
	(void)ctx;
	if (w.fail)
		return w.fail;
	w.last_end = end;
	w.last_rate = path->rate;
	if (addr)
		w.binds++;
	else
		w.unbinds++;
	return 0;
}

static int op_rate(void *ctx, const struct ntm_rs_path *path)
{
	(void)ctx;
	if (w.fail)
		return w.fail;
	w.rates++;
	w.last_rate = path->rate;
	return 0;
}

static int op_del(void *ctx, const struct ntm_rs_path *path)
{
	(void)ctx;
	(void)path;
	if (w.fail)
		return w.fail;
	w.dels++;
	return 0;
}

static const struct ntm_rs_paths_ops ops = { .bind = op_bind, .rate = op_rate, .del = op_del };

static void begin_with(struct ntm_rs_limits limits)
{
	memset(&w, 0, sizeof(w));
	w.now_ms = 5000000;
	ntm_rs_paths_init(&w.paths, &limits, &ops, NULL, w.now_ms);
}

static int begin(void **state)
{
	(void)state;
	begin_with((struct ntm_rs_limits){ .paths = 100000, .node_paths = 100000 });
	return 0;
}

static int end(void **state)
{
	(void)state;
	ntm_rs_paths_done(&w.paths);
	return 0;
}

/* Ends of the path: the keys follow from its number, the nodes are @a and @b */
static struct ntm_msg direction(uint32_t id, uint8_t a, uint8_t b)
{
	struct ntm_msg m = {
		.type = NTM_MSG_RELAY_DIRECTION, .path_id = id, .lifetime = 60, .end_count = 2
	};

	m.ends[0] = (struct ntm_end_info){ .role = NTM_ROLE_INITIATOR, .node = { a } };
	m.ends[1] = (struct ntm_end_info){ .role = NTM_ROLE_RESPONDER, .node = { b } };
	memcpy(m.ends[0].key, &id, sizeof(id));
	memcpy(m.ends[1].key + 4, &id, sizeof(id));
	return m;
}

static enum ntm_status direct(uint32_t dc, uint32_t id, uint8_t a, uint8_t b)
{
	const struct ntm_msg m = direction(id, a, b);

	return ntm_rs_paths_direct(&w.paths, dc, &m, w.now_ms);
}

static int bind_at(uint32_t id, unsigned int side, const char *addr)
{
	const union ntm_addr at = test_addr(addr);

	return ntm_rs_paths_bind(&w.paths, ntm_rs_paths_find(&w.paths, id), side, &at, w.now_ms);
}

/* Second by second, as the daemon does */
static void pass(unsigned int seconds)
{
	while (seconds--) {
		w.now_ms += 1000;
		ntm_rs_paths_expire(&w.paths, w.now_ms);
		ntm_rs_paths_share(&w.paths);
	}
}

static void test_a_path_is_its_dcs_and_its_keys(void **state)
{
	struct ntm_msg m = direction(7, 1, 2), swapped = m;

	(void)state;
	assert_int_equal(direct(DC, 7, 1, 2), NTM_ST_OK);
	assert_int_equal(direct(DC, 7, 1, 2), NTM_ST_OK);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 1);
	assert_int_equal(direct(OTHER_DC, 7, 1, 2), NTM_ST_REFUSED);
	assert_int_equal(direct(DC, 7, 1, 3), NTM_ST_REFUSED);
	for (unsigned int i = 0; i < 2; i++) {
		m.ends[i].key[31] ^= 1;
		assert_int_equal(ntm_rs_paths_direct(&w.paths, DC, &m, w.now_ms), NTM_ST_REFUSED);
		m.ends[i].key[31] ^= 1;
	}
	/* ENDs in the other order are the same ends */
	swapped.ends[0] = m.ends[1];
	swapped.ends[1] = m.ends[0];
	assert_int_equal(ntm_rs_paths_direct(&w.paths, DC, &swapped, w.now_ms), NTM_ST_OK);
	assert_memory_equal(ntm_rs_paths_find(&w.paths, 7)->ends[0].key, m.ends[0].key, 32);
	assert_null(ntm_rs_paths_find(&w.paths, 8));
}

static void test_ends_are_bound_and_move(void **state)
{
	const union ntm_addr a = test_addr("192.0.2.1"), b = test_addr("[2001:db8::1]"),
			     c = test_addr("192.0.2.1:4331");
	struct ntm_rs_path *path;

	(void)state;
	direct(DC, 7, 1, 2);
	path = ntm_rs_paths_find(&w.paths, 7);
	assert_int_equal(ntm_rs_path_side(path, &a), -1);
	assert_int_equal(bind_at(7, 0, "192.0.2.1"), 0);
	assert_int_equal(w.binds, 1);
	assert_int_equal(w.paths.carried, 1);
	assert_int_equal(bind_at(7, 0, "192.0.2.1"), 0);
	assert_int_equal(w.binds, 1); /* nothing new */
	assert_int_equal(bind_at(7, 1, "[2001:db8::1]"), 0);
	assert_int_equal(w.last_end, 1);
	assert_int_equal(ntm_rs_path_side(path, &a), 0);
	assert_int_equal(ntm_rs_path_side(path, &b), 1);
	assert_int_equal(ntm_rs_path_side(path, &c), -1);
	assert_int_equal(bind_at(7, 0, "192.0.2.1:4331"), 0);
	assert_int_equal(path->ends[0].moves, 2);
	assert_int_equal(ntm_rs_path_side(path, &a), -1);
	assert_int_equal(ntm_rs_path_side(path, &c), 0);
	assert_int_equal(w.paths.carried, 1);
}

static void test_what_the_plane_refuses_changes_nothing(void **state)
{
	const union ntm_addr a = test_addr("192.0.2.1");

	(void)state;
	direct(DC, 7, 1, 2);
	w.fail = -ENOMEM;
	assert_int_equal(bind_at(7, 0, "192.0.2.1"), -ENOMEM);
	assert_int_equal(w.paths.carried, 0);
	assert_int_equal(ntm_rs_paths_find(&w.paths, 7)->ends[0].moves, 0);
	w.fail = 0;
	assert_int_equal(bind_at(7, 0, "192.0.2.1"), 0);
	w.fail = -ENOMEM;
	assert_int_equal(bind_at(7, 0, "192.0.2.2"), -ENOMEM);
	assert_int_equal(ntm_rs_path_side(ntm_rs_paths_find(&w.paths, 7), &a), 0);
}

static void test_forgotten_without_a_bind(void **state)
{
	(void)state;
	direct(DC, 7, 1, 2);
	pass(59);
	assert_non_null(ntm_rs_paths_find(&w.paths, 7));
	pass(2);
	assert_null(ntm_rs_paths_find(&w.paths, 7));
	assert_int_equal(w.paths.nodes.count, 0);
	assert_int_equal(w.dels, 0);
	/* Directed again it lives on */
	direct(DC, 8, 1, 2);
	pass(40);
	direct(DC, 8, 1, 2);
	pass(40);
	assert_non_null(ntm_rs_paths_find(&w.paths, 8));
	pass(25);
	assert_null(ntm_rs_paths_find(&w.paths, 8));
}

/* Each end by itself; the path goes with the last one */
static void test_bindings_end(void **state)
{
	(void)state;
	direct(DC, 7, 1, 2);
	bind_at(7, 0, "192.0.2.1");
	bind_at(7, 1, "192.0.2.2");
	for (unsigned int i = 0; i < 100; i++) {
		bind_at(7, 1, "192.0.2.2");
		pass(1);
	}
	assert_int_equal(w.unbinds, 1);
	assert_int_equal(w.last_end, 0);
	assert_int_equal(ntm_rs_paths_find(&w.paths, 7)->ends[0].addr.sa.sa_family, 0);
	assert_int_equal(w.dels, 0);
	pass(62);
	assert_int_equal(w.dels, 1);
	assert_int_equal(w.unbinds, 1);
	assert_int_equal(w.paths.carried, 0);
	assert_null(ntm_rs_paths_find(&w.paths, 7));
}

/* What it goes on forwarding is not called unbound, nor forgotten */
static void test_what_the_plane_fails_to_let_go_of(void **state)
{
	const union ntm_addr a = test_addr("192.0.2.1");
	struct ntm_rs_path *path;

	(void)state;
	direct(DC, 7, 1, 2);
	path = ntm_rs_paths_find(&w.paths, 7);
	bind_at(7, 0, "192.0.2.1");
	pass(10);
	bind_at(7, 1, "192.0.2.2");
	w.fail = -ENOBUFS;
	pass(55);
	assert_int_equal(ntm_rs_path_side(path, &a), 0);
	w.fail = 0;
	pass(1);
	assert_int_equal(w.unbinds, 1);
	assert_int_equal(ntm_rs_path_side(path, &a), -1);
	w.fail = -ENOBUFS;
	pass(300);
	assert_non_null(ntm_rs_paths_find(&w.paths, 7));
	assert_int_equal(w.paths.carried, 1);
	w.fail = 0;
	pass(1);
	assert_int_equal(w.dels, 1);
	assert_int_equal(w.unbinds, 1);
	assert_int_equal(w.paths.carried, 0);
	assert_null(ntm_rs_paths_find(&w.paths, 7));
}

static void test_a_rate_that_could_not_be_set(void **state)
{
	const struct ntm_rs_limits lower = { .paths = 100, .node_paths = 100, .path_rate = 77 };

	(void)state;
	direct(DC, 1, 1, 2);
	bind_at(1, 0, "192.0.2.1");
	w.fail = -ENOBUFS;
	ntm_rs_paths_limit(&w.paths, &lower);
	pass(3);
	assert_int_equal(w.rates, 0);
	w.fail = 0;
	pass(1);
	assert_int_equal(w.rates, 1);
	assert_int_equal(w.last_rate, 77);
	pass(3);
	assert_int_equal(w.rates, 1);
}

static void test_lifetimes_other_than_60(void **state)
{
	struct ntm_msg m = direction(7, 1, 2);

	(void)state;
	m.lifetime = 10;
	ntm_rs_paths_direct(&w.paths, DC, &m, w.now_ms);
	bind_at(7, 0, "192.0.2.1");
	assert_int_equal(ntm_rs_path_bound_s(ntm_rs_paths_find(&w.paths, 7)), 10);
	pass(12);
	assert_int_equal(w.dels, 1);
	assert_null(ntm_rs_paths_find(&w.paths, 7));
	/* Longer than the wheel is: the binding ends, the path stays and may be bound again */
	m.lifetime = 1000;
	ntm_rs_paths_direct(&w.paths, DC, &m, w.now_ms);
	bind_at(7, 0, "192.0.2.1");
	assert_int_equal(ntm_rs_path_bound_s(ntm_rs_paths_find(&w.paths, 7)), 60);
	pass(62);
	assert_int_equal(w.dels, 2);
	pass(900);
	assert_non_null(ntm_rs_paths_find(&w.paths, 7));
	bind_at(7, 1, "192.0.2.1");
	pass(990);
	assert_non_null(ntm_rs_paths_find(&w.paths, 7));
	pass(12);
	assert_null(ntm_rs_paths_find(&w.paths, 7));
	m.lifetime = 0; /* no promise at all, and more than anybody needs: both are bounded */
	ntm_rs_paths_direct(&w.paths, DC, &m, w.now_ms);
	pass(3);
	assert_null(ntm_rs_paths_find(&w.paths, 7));
	m.lifetime = UINT32_MAX;
	ntm_rs_paths_direct(&w.paths, DC, &m, w.now_ms);
	pass(3602);
	assert_null(ntm_rs_paths_find(&w.paths, 7));
}

/* A suspended machine wakes up: all is looked at at once */
static void test_a_long_sleep(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= 100; id++) {
		direct(DC, id, 1, 2);
		if (id % 2)
			bind_at(id, 0, "192.0.2.1");
		pass(1);
	}
	w.now_ms += 86400000;
	ntm_rs_paths_expire(&w.paths, w.now_ms);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 0);
	assert_int_equal(w.paths.carried, 0);
	assert_int_equal(w.paths.nodes.count, 0);
}

static void test_limits(void **state)
{
	(void)state;
	begin_with((struct ntm_rs_limits){ .paths = 10, .node_paths = 3 });
	assert_int_equal(direct(DC, 1, 1, 2), NTM_ST_OK);
	assert_int_equal(direct(DC, 2, 1, 3), NTM_ST_OK);
	assert_int_equal(direct(DC, 3, 4, 1), NTM_ST_OK);
	assert_int_equal(direct(DC, 4, 1, 5), NTM_ST_BUSY);
	assert_int_equal(direct(DC, 4, 5, 1), NTM_ST_BUSY);
	assert_int_equal(w.paths.nodes.count, 4);	  /* node 5 is not remembered */
	assert_int_equal(direct(DC, 2, 1, 3), NTM_ST_OK); /* it is there */
	assert_int_equal(direct(OTHER_DC, 4, 1, 5),
			 NTM_ST_OK); /* another DC's node 1 is another node */
	for (uint8_t i = 5; i <= 10; i++)
		assert_int_equal(direct(DC, i, (uint8_t)(10 * i), (uint8_t)(10 * i + 1)),
				 NTM_ST_OK);
	assert_int_equal(direct(DC, 11, 200, 201), NTM_ST_BUSY);
	pass(62);
	assert_int_equal(direct(DC, 11, 1, 201), NTM_ST_OK);
}

/* How many paths this DC can direct, from @id on; each of nodes of its own */
static uint32_t direct_all(uint32_t dc, uint32_t id)
{
	uint32_t n = 0;

	while (direct(dc, id + n, (uint8_t)(2 * n), (uint8_t)(2 * n + 1)) == NTM_ST_OK)
		n++;
	return n;
}

/* Half is shared out, the rest is for whoever comes first */
static void test_no_dc_uses_up_all(void **state)
{
	(void)state;
	begin_with((struct ntm_rs_limits){ .paths = 100, .node_paths = 100 });
	ntm_rs_paths_join(&w.paths, &w.one, DC);
	assert_int_equal(ntm_rs_paths_room(&w.paths, DC), 100); /* alone */
	ntm_rs_paths_join(&w.paths, &w.other, OTHER_DC);
	assert_int_equal(direct_all(DC, 1000), 75);
	assert_int_equal(w.one.paths, 75);
	assert_int_equal(direct_all(OTHER_DC, 2000), 25);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 100);
	/* A third one comes: what becomes free is its own first, as far as its share goes */
	ntm_rs_paths_join(&w.paths, &w.third, THIRD_DC);
	assert_int_equal(direct_all(THIRD_DC, 3000), 0);
	pass(40);
	for (uint32_t id = 1010; id < 1075; id++)
		direct(DC, id, (uint8_t)(2 * (id - 1000)), (uint8_t)(2 * (id - 1000) + 1));
	for (uint32_t id = 2000; id < 2025; id++)
		direct(OTHER_DC, id, (uint8_t)(2 * (id - 2000)), (uint8_t)(2 * (id - 2000) + 1));
	pass(25);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 90);
	assert_int_equal(w.one.paths, 65);
	assert_int_equal(direct_all(DC, 4000), 0);
	assert_int_equal(direct_all(OTHER_DC, 4000), 0);
	assert_int_equal(direct_all(THIRD_DC, 3000), 10);
	/* One goes: its paths stay until they end, and its share is the others' */
	ntm_rs_paths_leave(&w.paths, &w.one);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 100);
	pass(62);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 0);
	assert_int_equal(w.other.paths + w.third.paths, 0);
	assert_int_equal(direct_all(OTHER_DC, 5000), 75);
}

static void test_a_nodes_rate_is_shared(void **state)
{
	struct ntm_rs_path *path;

	(void)state;
	begin_with((struct ntm_rs_limits){
		.paths = 100, .node_paths = 100, .path_rate = 600, .node_rate = 1000 });
	direct(DC, 1, 1, 2);
	direct(DC, 2, 1, 3);
	direct(DC, 3, 4, 3);
	path = ntm_rs_paths_find(&w.paths, 1);
	bind_at(1, 0, "192.0.2.1");
	assert_int_equal(w.last_rate, 600);
	bind_at(1, 1, "192.0.2.2"); /* no path more */
	pass(1);
	assert_int_equal(w.rates, 0);
	bind_at(2, 0, "192.0.2.1");
	pass(1);
	assert_int_equal(path->rate, 500);
	assert_int_equal(ntm_rs_paths_find(&w.paths, 2)->rate, 500);
	bind_at(3, 1, "192.0.2.3"); /* of node 3 and one that has no other */
	pass(1);
	assert_int_equal(ntm_rs_paths_find(&w.paths, 3)->rate, 500);
	assert_int_equal(path->rate, 500);
	for (unsigned int i = 0; i < 62; i++) { /* only the first one goes on */
		bind_at(1, 0, "192.0.2.1");
		pass(1);
	}
	assert_int_equal(ntm_rs_paths_count(&w.paths), 1);
	assert_int_equal(path->rate, 600);
}

/* One path more of a hundred is no reason to set the rates of all */
static void test_rates_are_set_to_within_an_eighth(void **state)
{
	(void)state;
	begin_with(
		(struct ntm_rs_limits){ .paths = 1000, .node_paths = 1000, .node_rate = 1000000 });
	for (uint32_t id = 1; id <= 100; id++) {
		direct(DC, id, 1, (uint8_t)(id + 1));
		bind_at(id, 0, "192.0.2.1");
	}
	pass(1);
	assert_in_range(ntm_rs_paths_find(&w.paths, 1)->rate, 8750, 11250);
	w.rates = 0;
	direct(DC, 101, 1, 200);
	bind_at(101, 0, "192.0.2.1");
	pass(1);
	assert_in_range(w.rates, 0, 5); /* those that were near the eighth before */
}

/* The eighth is for shares: what the configuration says of a path is what it gets, less or more by however little */
static void test_a_paths_own_rate_is_exact(void **state)
{
	struct ntm_rs_limits limits = {
		.paths = 100, .node_paths = 100, .path_rate = 1000, .node_rate = 2050
	};
	struct ntm_rs_path *path;

	(void)state;
	begin_with(limits);
	direct(DC, 1, 1, 2);
	bind_at(1, 0, "192.0.2.1");
	direct(DC, 2, 1, 3);
	bind_at(2, 0, "192.0.2.1");
	pass(1);
	path = ntm_rs_paths_find(&w.paths, 1);
	assert_int_equal(path->rate, 1000);
	limits.path_rate = 990;
	ntm_rs_paths_limit(&w.paths, &limits);
	assert_int_equal(path->rate, 990);
	limits.path_rate = 995;
	ntm_rs_paths_limit(&w.paths, &limits);
	assert_int_equal(path->rate, 995);
	limits.node_rate = 1980; /* near the 990 of before */
	ntm_rs_paths_limit(&w.paths, &limits);
	assert_int_equal(path->rate, 995);
	limits.path_rate = 992; /* above its share, and yet no path may carry more */
	ntm_rs_paths_limit(&w.paths, &limits);
	assert_int_equal(path->rate, 990);
}

static void test_new_limits(void **state)
{
	const struct ntm_rs_limits lower = { .paths = 1, .node_paths = 1, .path_rate = 77 };

	(void)state;
	direct(DC, 1, 1, 2);
	direct(DC, 2, 1, 2);
	bind_at(1, 0, "192.0.2.1");
	ntm_rs_paths_limit(&w.paths, &lower);
	assert_int_equal(w.last_rate, 77);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 2);
	assert_int_equal(direct(DC, 3, 8, 9), NTM_ST_BUSY);
}

static void test_refill(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= 10; id++)
		direct(DC, id, 1, 2);
	bind_at(1, 0, "192.0.2.1");
	bind_at(1, 1, "192.0.2.2");
	bind_at(2, 1, "192.0.2.2");
	w.binds = 0;
	assert_int_equal(ntm_rs_paths_refill(&w.paths), 0);
	assert_int_equal(w.binds, 3);
	w.fail = -ENODEV;
	assert_int_equal(ntm_rs_paths_refill(&w.paths), -ENODEV);
}

/* What the table says of itself is true after anything at all */
static void test_anything(void **state)
{
	static const char *const addrs[] = { "192.0.2.1", "192.0.2.2", "[2001:db8::1]" };

	(void)state;
	begin_with((struct ntm_rs_limits){ .paths = 200, .node_paths = 30, .node_rate = 100000 });
	for (unsigned int i = 0; i < 20000; i++) {
		const uint32_t id = 1 + randombytes_uniform(300);
		unsigned long carried = 0, nodes = 0, paths = 0;

		w.fail = randombytes_uniform(20) ? 0 : -ENOMEM;
		switch (randombytes_uniform(8)) {
		case 0:
			pass(1 + randombytes_uniform(3));
			break;
		case 1:
		case 2:
			direct(1 + randombytes_uniform(2), id, (uint8_t)(id % 5),
			       (uint8_t)(id % 7));
			break;
		default:
			if (ntm_rs_paths_find(&w.paths, id))
				bind_at(id, randombytes_uniform(2), addrs[randombytes_uniform(3)]);
		}
		w.fail = 0;
		if (i % 100)
			continue;
		for (unsigned int slot = 0; slot < NTM_RS_WHEEL; slot++) {
			for (struct ntm_rs_path *p = w.paths.wheel[slot]; p; p = p->next) {
				paths++;
				carried += p->carried;
				assert_int_equal(p->carried, p->ends[0].addr.sa.sa_family ||
								     p->ends[1].addr.sa.sa_family);
				nodes += p->ends[0].node->paths && p->ends[1].node->paths;
			}
		}
		assert_int_equal(paths, ntm_rs_paths_count(&w.paths));
		assert_int_equal(nodes, paths);
		assert_int_equal(carried, w.paths.carried);
		assert_true(paths <= 200);
	}
	pass(130);
	assert_int_equal(ntm_rs_paths_count(&w.paths), 0);
	assert_int_equal(w.paths.nodes.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_path_is_its_dcs_and_its_keys, begin, end),
		cmocka_unit_test_setup_teardown(test_ends_are_bound_and_move, begin, end),
		cmocka_unit_test_setup_teardown(test_what_the_plane_refuses_changes_nothing, begin,
						end),
		cmocka_unit_test_setup_teardown(test_forgotten_without_a_bind, begin, end),
		cmocka_unit_test_setup_teardown(test_bindings_end, begin, end),
		cmocka_unit_test_setup_teardown(test_what_the_plane_fails_to_let_go_of, begin, end),
		cmocka_unit_test_setup_teardown(test_a_rate_that_could_not_be_set, begin, end),
		cmocka_unit_test_setup_teardown(test_lifetimes_other_than_60, begin, end),
		cmocka_unit_test_setup_teardown(test_a_long_sleep, begin, end),
		cmocka_unit_test_setup_teardown(test_limits, begin, end),
		cmocka_unit_test_setup_teardown(test_no_dc_uses_up_all, begin, end),
		cmocka_unit_test_setup_teardown(test_a_nodes_rate_is_shared, begin, end),
		cmocka_unit_test_setup_teardown(test_rates_are_set_to_within_an_eighth, begin, end),
		cmocka_unit_test_setup_teardown(test_a_paths_own_rate_is_exact, begin, end),
		cmocka_unit_test_setup_teardown(test_new_limits, begin, end),
		cmocka_unit_test_setup_teardown(test_refill, begin, end),
		cmocka_unit_test_setup_teardown(test_anything, begin, end),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
