// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/registry.c ntmd/dc/hash.c ntmd/dc/directions.c
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dc/directions.h"
#include "dc/registry.h"

#define MANY 20000u

static void key_of(uint32_t i, uint8_t key[32])
{
	memset(key, 0xaa, 32);
	memcpy(key, &i, sizeof(i));
}

static struct ntm_node *add(struct ntm_registry *r, uint32_t i)
{
	struct in6_addr v6 = { { { 0xfd } } };
	struct in_addr v4 = { htonl(0x64400000 + i) };
	struct ntm_node *node;
	char name[32];
	uint8_t key[32];

	snprintf(name, sizeof(name), "n%u.example.net", i);
	key_of(i, key);
	memcpy(&v6.s6_addr[12], &i, sizeof(i));
	assert_int_equal(ntm_registry_reserve(r), 0);
	node = ntm_registry_add(r, strdup(name));
	assert_non_null(node);
	assert_int_equal(ntm_registry_set_key(r, node, key), 0);
	assert_int_equal(ntm_registry_set_v4(r, node, v4), 0);
	assert_int_equal(ntm_registry_set_v6(r, node, &v6), 0);
	return node;
}

static void finds_every_node_by_everything(void **state)
{
	struct ntm_registry r;
	uint32_t i;

	(void)state;
	assert_int_equal(ntm_registry_init(&r), 0);
	for (i = 0; i < MANY; i++)
		assert_int_equal(add(&r, i)->id, i);
	for (i = 0; i < MANY; i++) {
		struct ntm_node *node = ntm_registry_get(&r, i);

		assert_ptr_equal(ntm_registry_by_key(&r, node->key), node);
		assert_ptr_equal(ntm_registry_by_name(&r, node->name), node);
		assert_ptr_equal(ntm_registry_by_v4(&r, &node->v4), node);
		assert_ptr_equal(ntm_registry_by_v6(&r, &node->v6), node);
	}
	assert_null(ntm_registry_by_name(&r, "nobody.example.net"));
	assert_null(ntm_registry_get(&r, MANY));
	ntm_registry_free(&r);
}

static void a_changed_key_is_found_and_the_old_one_is_not(void **state)
{
	uint8_t old[32], new[32];
	struct ntm_registry r;
	struct ntm_node *node;

	(void)state;
	assert_int_equal(ntm_registry_init(&r), 0);
	node = add(&r, 1);
	add(&r, 2);
	key_of(1, old);
	key_of(77, new);
	assert_int_equal(ntm_registry_set_key(&r, node, new), 0);
	assert_null(ntm_registry_by_key(&r, old));
	assert_ptr_equal(ntm_registry_by_key(&r, new), node);
	ntm_registry_clear_key(&r, node);
	ntm_registry_clear_key(&r, node);
	assert_null(ntm_registry_by_key(&r, new));
	ntm_registry_free(&r);
}

static bool number_eq(const void *ctx, uint32_t value, const void *key)
{
	(void)ctx;
	return value == *(const uint32_t *)key;
}

/* Against a plain array, with many removals, as these move what others find. */
static void hash_agrees_with_an_array(void **state)
{
	static bool there[1000];
	struct ntm_hash h;
	unsigned int round, count = 0;
	uint32_t i;

	(void)state;
	assert_int_equal(ntm_hash_init(&h, 0), 0);
	srand(7);
	for (round = 0; round < 100000; round++) {
		i = rand() % 1000;
		assert_int_equal(ntm_hash_find(&h, &i, sizeof(i), number_eq, NULL),
				 there[i] ? i : NTM_HASH_NONE);
		if (there[i])
			assert_true(ntm_hash_remove(&h, &i, sizeof(i), i));
		else
			assert_int_equal(ntm_hash_insert(&h, &i, sizeof(i), i), 0);
		count += there[i] ? -1 : 1;
		there[i] = !there[i];
		assert_int_equal(h.count, count);
	}
	for (i = 0; i < 1000; i++)
		assert_int_equal(ntm_hash_remove(&h, &i, sizeof(i), i), there[i]);
	assert_int_equal(h.count, 0);
	ntm_hash_free(&h);
}

static void online_needs_lease_session_and_recent_words(void **state)
{
	struct ntm_dc_session session = { .addr.v4.sin_family = AF_INET };
	struct ntm_node node = {
		.state = NTM_NODE_ACTIVE, .registered = true, .keepalive = 25, .session = &session
	};

	(void)state;
	node.heard_ms = 1000;
	node.lease_ms = 1000 + 7200000;
	assert_true(ntm_registry_online(&node, 1000));
	assert_true(ntm_registry_online(&node, 1000 + 80000));
	assert_false(ntm_registry_online(&node, 1001 + 80000));
	node.heard_ms = node.lease_ms;
	assert_false(ntm_registry_online(&node, node.lease_ms));
	node.heard_ms = 1000;
	node.registered = false;
	assert_false(ntm_registry_online(&node, 1000));
	node.registered = true;
	node.state = NTM_NODE_REVOKED;
	assert_false(ntm_registry_online(&node, 1000));
	node.state = NTM_NODE_ACTIVE;
	node.session = NULL;
	assert_false(ntm_registry_online(&node, 1000));
}

static void directions_are_sent_four_times_and_forgotten(void **state)
{
	struct ntm_director_path path = { .path_id = 9 };
	struct ntm_directions d;
	uint64_t t = 1000;

	(void)state;
	assert_int_equal(ntm_directions_init(&d), 0);
	assert_int_equal(ntm_directions_next_ms(&d), UINT64_MAX);
	assert_non_null(ntm_directions_add(&d, &path, 1, 2, 77, t));
	assert_int_equal(ntm_directions_next_ms(&d), t + 200);
	assert_null(ntm_directions_due(&d, t + 199));
	assert_non_null(ntm_directions_due(&d, t + 200));
	assert_null(ntm_directions_due(&d, t + 599));
	assert_non_null(ntm_directions_due(&d, t + 600));
	assert_null(ntm_directions_due(&d, t + 1399));
	assert_non_null(ntm_directions_due(&d, t + 1400));
	assert_null(ntm_directions_due(&d, t + 4999));
	assert_non_null(ntm_directions_recent(&d, 2, 1, t + 4999));
	assert_non_null(ntm_directions_recent(&d, 1, 2, t + 4999));
	assert_null(ntm_directions_recent(&d, 1, 2, t + 5000));
	assert_true(ntm_directions_path_used(&d, 9));
	assert_null(ntm_directions_due(&d, t + 1400 + 5000));
	assert_false(ntm_directions_path_used(&d, 9));
	assert_int_equal(d.count, 0);
	assert_int_equal(d.unconfirmed, 1);
	ntm_directions_free(&d);
}

static void confirmed_directions_are_not_sent_again(void **state)
{
	struct ntm_director_path path = { .path_id = 9 };
	struct ntm_directions d;

	(void)state;
	assert_int_equal(ntm_directions_init(&d), 0);
	assert_non_null(ntm_directions_add(&d, &path, 1, 2, 77, 0));
	assert_null(ntm_directions_confirm(&d, 9, 1)); /* the initiator cannot */
	assert_null(ntm_directions_confirm(&d, 8, 2));
	assert_non_null(ntm_directions_confirm(&d, 9, 2));
	assert_non_null(ntm_directions_confirm(&d, 9, 2));
	assert_null(ntm_directions_due(&d, 200));
	assert_null(ntm_directions_due(&d, 600));
	assert_null(ntm_directions_due(&d, 1400));
	assert_null(ntm_directions_due(&d, 100000));
	assert_int_equal(d.unconfirmed, 0);
	ntm_directions_free(&d);
}

/* Responder and relays are waited for apart from each other. */
static void each_is_told_until_it_confirms(void **state)
{
	struct ntm_director_path path = { .path_id = 9 };
	struct ntm_direction *dir;
	struct ntm_directions d;

	(void)state;
	assert_int_equal(ntm_directions_init(&d), 0);
	dir = ntm_directions_add(&d, &path, 1, 2, 77, 0);
	assert_int_equal(dir->relay_count, 0);
	ntm_directions_relay(dir, 50);
	ntm_directions_relay(dir, 51);
	dir->at_once = true;
	assert_int_equal(dir->waiting, NTM_WAIT_RESPONDER | NTM_WAIT_RELAY(0) | NTM_WAIT_RELAY(1));
	assert_null(ntm_directions_confirm(&d, 9, 52));
	assert_ptr_equal(ntm_directions_confirm(&d, 9, 51), dir);
	assert_int_equal(dir->waiting, NTM_WAIT_RESPONDER | NTM_WAIT_RELAY(0));
	assert_ptr_equal(ntm_directions_due(&d, 200), dir);
	assert_false(dir->last);
	assert_ptr_equal(ntm_directions_confirm(&d, 9, 2), dir);
	assert_ptr_equal(ntm_directions_due(&d, 600), dir);
	assert_int_equal(dir->waiting, NTM_WAIT_RELAY(0));
	assert_false(dir->last);
	assert_ptr_equal(ntm_directions_due(&d, 1400), dir);
	assert_true(dir->last);
	assert_null(ntm_directions_due(&d, 100000));
	assert_int_equal(d.unconfirmed, 0); /* the responder did */
	/* What is made where this was knows nothing of it. */
	path.path_id = 10;
	dir = ntm_directions_add(&d, &path, 1, 3, 78, 100000);
	assert_int_equal(dir->relay_count, 0);
	assert_false(dir->at_once || dir->last);
	assert_int_equal(dir->waiting, NTM_WAIT_RESPONDER);
	assert_null(ntm_directions_confirm(&d, 10, 50));
	ntm_directions_free(&d);
}

static void many_directions_keep_their_order(void **state)
{
	struct ntm_directions d;
	unsigned int sent = 0;
	uint32_t i;
	uint64_t t;

	(void)state;
	assert_int_equal(ntm_directions_init(&d), 0);
	for (i = 0; i < 5000; i++) {
		struct ntm_director_path path = { .path_id = i + 1 };

		assert_non_null(ntm_directions_add(&d, &path, i, i + 10000, i, i / 10));
	}
	for (t = 0; t < 20000; t += 10) {
		const struct ntm_direction *dir;

		while ((dir = ntm_directions_due(&d, t)) != NULL) {
			assert_true(dir->made_ms + 200 <= t);
			sent++;
		}
	}
	assert_int_equal(sent, 3 * 5000);
	assert_int_equal(d.count, 0);
	assert_int_equal(ntm_directions_next_ms(&d), UINT64_MAX);
	ntm_directions_free(&d);
}

static void too_many_directions_are_refused(void **state)
{
	struct ntm_directions d;
	uint32_t i;

	(void)state;
	assert_int_equal(ntm_directions_init(&d), 0);
	for (i = 0; i < NTM_DIRECTIONS_MAX; i++) {
		struct ntm_director_path path = { .path_id = i + 1 };

		assert_non_null(ntm_directions_add(&d, &path, i, i + NTM_DIRECTIONS_MAX, i, 0));
	}
	assert_null(ntm_directions_add(&d, &(struct ntm_director_path){ .path_id = i + 1 }, 1, 2, 0,
				       0));
	ntm_directions_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_node_by_everything),
		cmocka_unit_test(a_changed_key_is_found_and_the_old_one_is_not),
		cmocka_unit_test(hash_agrees_with_an_array),
		cmocka_unit_test(online_needs_lease_session_and_recent_words),
		cmocka_unit_test(directions_are_sent_four_times_and_forgotten),
		cmocka_unit_test(confirmed_directions_are_not_sent_again),
		cmocka_unit_test(each_is_told_until_it_confirms),
		cmocka_unit_test(many_directions_keep_their_order),
		cmocka_unit_test(too_many_directions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
