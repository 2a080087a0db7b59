// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/path.c ntmd/pipe/index.c ntmd/pipe/garbage.c ntmd/pipe/lane.c ntmd/pipe/aead*.c */
/* tsan: yes */
/* The table of paths: keys by epoch as in kmod/path.c, growth and removal, and that nothing is freed under a reader. */
#include "ntm_test.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ntmobile/wire.h"
#include "pipe/path.h"

#define MANY 100000u

static struct ntm_paths paths;
static struct ntm_lane lanes[2];

/* Lanes without threads: the tests move their counters */
static int setup(void **state)
{
	(void)state;
	memset(lanes, 0, sizeof(lanes));
	assert_int_equal(ntm_paths_init(&paths), 0);
	paths.bin.lanes[0] = &lanes[0];
	paths.bin.lanes[1] = &lanes[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ntm_paths_done(&paths);
	ntm_paths_done(&paths); /* does no harm: a start that failed ends twice */
	return 0;
}

static struct ntm_inner_peer peer_of(uint32_t n)
{
	struct ntm_inner_peer peer = { .has_v4 = n % 3 != 1, .has_v6 = n % 3 != 2 };

	peer.v6[0] = 0xfd;
	memcpy(peer.v4, &n, sizeof(n));
	memcpy(peer.v6 + 8, &n, sizeof(n));
	return peer;
}

static struct ntm_path *add(uint32_t id)
{
	const struct ntm_inner_peer peer = peer_of(id);
	struct ntm_path *path = NULL;

	assert_int_equal(ntm_paths_add(&paths, id, &peer, 1400, &path), 0);
	return path;
}

static struct ntm_pipe_key *new_key(uint32_t epoch)
{
	static const uint8_t tx[NTM_WIRE_KEY_LEN] = { 1 }, rx[NTM_WIRE_KEY_LEN] = { 2 };
	struct ntm_pipe_key *key = ntm_pipe_key_new(NTM_SUITE_CHACHA20_POLY1305, epoch, tx, rx, 1);

	assert_non_null(key);
	return key;
}

static struct ntm_pipe_key *give(struct ntm_path *path, uint32_t epoch, bool confirmed)
{
	struct ntm_pipe_key *key = new_key(epoch);

	assert_int_equal(ntm_path_key(&paths, path, key, confirmed), 0);
	assert_ptr_equal(path->rx[epoch % NTM_WIRE_EPOCHS], key);
	return key;
}

static void refused(struct ntm_path *path, uint32_t epoch, bool confirmed)
{
	struct ntm_pipe_key *key = new_key(epoch);

	assert_int_equal(ntm_path_key(&paths, path, key, confirmed), -EEXIST);
	ntm_pipe_key_free(key);
}

static unsigned int keys(const struct ntm_path *path)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < NTM_WIRE_EPOCHS; i++)
		n += path->rx[i] != NULL;
	return n;
}

static void test_first_key(void **state)
{
	struct ntm_path *path = add(1);
	struct ntm_pipe_key *key = give(path, 7, false);

	(void)state;
	assert_null(path->tx);
	assert_true(ntm_path_confirm(&paths, path, key));
	assert_ptr_equal(path->tx, key);
	assert_false(ntm_path_confirm(&paths, path, key));
	assert_int_equal(keys(path), 1);

	path = add(2);
	key = give(path, 3, true);
	assert_ptr_equal(path->tx, key);
	assert_false(ntm_path_confirm(&paths, path, key));
}

/* Pending keys that nobody confirms give way, to one of the same epoch or, while there is no sending key, of any */
static void test_pending_replaced(void **state)
{
	struct ntm_path *path = add(1);
	struct ntm_pipe_key *old = give(path, 7, false), *key = give(path, 9, false), *again;

	(void)state;
	assert_int_equal(keys(path), 1);
	assert_false(ntm_path_confirm(&paths, path, old)); /* one that was in flight */
	assert_null(path->tx);
	again = give(path, 9, false);
	assert_false(ntm_path_confirm(&paths, path, key));
	assert_true(ntm_path_confirm(&paths, path, again));
	key = give(path, 10, false);
	old = give(path, 10, false);
	assert_false(ntm_path_confirm(&paths, path, key));
	assert_ptr_equal(path->tx, again);
	assert_true(ntm_path_confirm(&paths, path, old));
	assert_int_equal(keys(path), 2);
}

/* The sending key, the one before, the one after: through a wrap of the epoch */
static void test_rekey(void **state)
{
	struct ntm_path *path = add(1);
	struct ntm_pipe_key *tx = give(path, UINT32_MAX - 5, true), *before = NULL, *key;

	(void)state;
	for (uint32_t epoch = UINT32_MAX - 4; epoch != 6; epoch++) {
		const bool confirmed = epoch & 1;

		refused(path, epoch - 1, confirmed);
		refused(path, epoch - 2, confirmed);
		refused(path, epoch + 1, confirmed);
		refused(path, epoch + 3, confirmed);
		key = give(path, epoch, confirmed);
		assert_int_equal(keys(path), confirmed || !before ? 2 : 3);
		assert_ptr_equal(path->tx, confirmed ? key : tx);
		if (before && !confirmed)
			assert_ptr_equal(path->rx[before->epoch % NTM_WIRE_EPOCHS], before);
		assert_false(ntm_path_confirm(&paths, path, tx)); /* packets under the old key */
		assert_int_equal(ntm_path_confirm(&paths, path, key), !confirmed);
		assert_int_equal(keys(path), 2);
		assert_ptr_equal(path->rx[tx->epoch % NTM_WIRE_EPOCHS], tx);
		assert_false(ntm_path_confirm(&paths, path, tx));
		before = tx;
		tx = key;
		ntm_paths_collect(&paths);
	}
}

/* What comes under the key before the sending one, late or for as long as the peer likes, waits for nobody */
static void test_old_key(void **state)
{
	struct ntm_path *path = add(1);
	struct ntm_pipe_key *old = give(path, UINT32_MAX, true), *key = give(path, 0, false);

	(void)state;
	assert_true(ntm_path_confirm(&paths, path, key));
	pthread_mutex_lock(&path->lock);
	alarm(5);
	assert_false(ntm_path_confirm(&paths, path, old));
	alarm(0);
	pthread_mutex_unlock(&path->lock);
}

static void test_key_suites(void **state)
{
	static const uint8_t zero[NTM_WIRE_KEY_LEN];

	(void)state;
	assert_null(ntm_pipe_key_new(0, 1, zero, zero, 1));
	assert_null(ntm_pipe_key_new(3, 1, zero, zero, 1));
	ntm_pipe_key_free(NULL);
}

static void test_exists(void **state)
{
	struct ntm_inner_peer peer = peer_of(3);
	struct ntm_path *path;

	(void)state;
	add(3);
	assert_int_equal(ntm_paths_add(&paths, 3, &peer, 1400, &path), -EEXIST);
	assert_int_equal(ntm_paths_add(&paths, 4, &peer, 1400, &path), -EEXIST);
	peer.has_v4 = false;
	assert_int_equal(ntm_paths_add(&paths, 4, &peer, 1400, &path), -EEXIST);
	peer.has_v4 = true;
	peer.has_v6 = false;
	assert_int_equal(ntm_paths_add(&paths, 4, &peer, 1400, &path), -EEXIST);
	peer.has_v4 = false;
	assert_int_equal(ntm_paths_add(&paths, 4, &peer, 1400, &path), 0);
	ntm_paths_remove(&paths, ntm_paths_by_id(&paths, 3));
	peer = peer_of(3);
	assert_int_equal(ntm_paths_add(&paths, 3, &peer, 1400, &path), 0);
}

static bool found(uint32_t id)
{
	const struct ntm_inner_peer peer = peer_of(id);
	struct ntm_path *path = ntm_paths_by_id(&paths, id);

	assert_ptr_equal(ntm_paths_by_virtual(&paths, AF_INET, peer.v4), peer.has_v4 ? path : NULL);
	assert_ptr_equal(ntm_paths_by_virtual(&paths, AF_INET6, peer.v6),
			 peer.has_v6 ? path : NULL);
	return path;
}

static void test_many(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= MANY; id++)
		add(id);
	for (uint32_t id = 1; id <= MANY; id++)
		assert_true(found(id));
	assert_false(found(MANY + 1));
	for (uint32_t id = 1; id <= MANY; id += 2)
		ntm_paths_remove(&paths, ntm_paths_by_id(&paths, id));
	assert_false(ntm_paths_collect(&paths));
	for (uint32_t id = 1; id <= MANY; id++)
		assert_int_equal(found(id), !(id & 1));
	for (uint32_t id = 1; id <= MANY; id += 2)
		add(id);
	for (uint32_t id = 1; id <= MANY; id++)
		assert_true(found(id));
}

/* Coming and going for ever: gravestones do not pile up until a search finds no end */
static void test_churn(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= MANY; id++) {
		add(id);
		if (id > 5)
			ntm_paths_remove(&paths, ntm_paths_by_id(&paths, id - 5));
		ntm_paths_collect(&paths);
		assert_true(found(id));
		assert_int_equal(found(id - 5), false);
	}
}

/* Garbage */

static unsigned int destroyed;

static void destroy(struct ntm_garbage *garbage)
{
	destroyed++;
	free(garbage);
}

static void discard(void)
{
	ntm_garbage_discard(&paths.bin, calloc(1, sizeof(struct ntm_garbage)), destroy);
}

static void test_garbage(void **state)
{
	(void)state;
	destroyed = 0;
	discard();
	assert_int_equal(destroyed, 0);
	assert_false(ntm_paths_collect(&paths));
	assert_int_equal(destroyed, 1);

	atomic_store(&lanes[0].head, 5);
	atomic_store(&lanes[0].tail, 3);
	atomic_store(&lanes[1].head, 2);
	atomic_store(&lanes[1].tail, 1);
	discard();
	discard();
	assert_true(ntm_paths_collect(&paths)); /* marked now: 5 and 2 */
	atomic_store(&lanes[0].head, 9);
	atomic_store(&lanes[0].tail, 5);
	assert_true(ntm_paths_collect(&paths));
	discard(); /* 9 and 2 */
	assert_true(ntm_paths_collect(&paths));
	assert_int_equal(destroyed, 1);
	atomic_store(&lanes[1].tail, 2);
	assert_true(ntm_paths_collect(&paths));
	assert_int_equal(destroyed, 3);
	atomic_store(&lanes[0].tail, 9);
	assert_false(ntm_paths_collect(&paths));
	assert_int_equal(destroyed, 4);
	atomic_store(&lanes[0].head, 10);
	discard(); /* what still waits goes at the end */
	assert_true(ntm_paths_collect(&paths));
}

static void test_move(void **state)
{
	const union ntm_addr a = test_addr("192.0.2.1"), b = test_addr("[2001:db8::1]");
	struct ntm_path *path = add(1);

	(void)state;
	assert_null(path->endpoint);
	assert_int_equal(ntm_path_move(&paths, path, &a, NULL, true), 0);
	assert_true(ntm_addr_equal(&path->endpoint->peer, &a));
	assert_int_equal(path->endpoint->local.sa.sa_family, 0);
	assert_int_equal(ntm_path_move(&paths, path, &b, &b, true), 0);
	assert_true(ntm_addr_equal(&path->endpoint->local, &b));
}

/* A relay is an address with its port; both are replaced together, and none is no address */
static void test_relays(void **state)
{
	const union ntm_addr a = test_addr("192.0.2.1:1"), b = test_addr("[2001:db8::1]:1"),
			     other = test_addr("192.0.2.1:2"), none = { 0 };
	struct ntm_path *path = add(1);

	(void)state;
	assert_false(ntm_path_is_relay(path, &a));
	assert_int_equal(ntm_path_relays(&paths, path, (union ntm_addr[]){ a, b }), 0);
	assert_true(ntm_path_is_relay(path, &a));
	assert_true(ntm_path_is_relay(path, &b));
	assert_false(ntm_path_is_relay(path, &other));
	assert_false(ntm_path_is_relay(path, &none));
	assert_int_equal(ntm_path_relays(&paths, path, (union ntm_addr[]){ none, other }), 0);
	assert_false(ntm_path_is_relay(path, &a));
	assert_false(ntm_path_is_relay(path, &b));
	assert_true(ntm_path_is_relay(path, &other));
	assert_false(ntm_path_is_relay(path, &none));
}

/* Threads that read as lanes do, while the owner adds, moves, rekeys, removes and collects */
#define IDS 64u

static atomic_bool ending;
static atomic_ulong lookups;

static void *reader(void *arg)
{
	struct ntm_lane *lane = arg;
	const union ntm_addr from = test_addr("192.0.2.9");
	unsigned long hits = 0;

	for (uint64_t n = 0; !atomic_load(&ending); n++) {
		const uint32_t id = 1 + (uint32_t)n * 7 % IDS;
		const struct ntm_inner_peer peer = peer_of(id);
		struct ntm_pipe_key *key;
		struct ntm_path *path;

		atomic_store(&lane->head, n + 1);
		path = n & 1 ? ntm_paths_by_id(&paths, id) :
			       ntm_paths_by_virtual(&paths, AF_INET6, peer.v6);
		if (path) {
			struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);

			if (path->id != id || (endpoint && endpoint->peer.sa.sa_family != AF_INET))
				abort();
			key = atomic_load(&path->rx[n % NTM_WIRE_EPOCHS]);
			if (key && key->suite != NTM_SUITE_CHACHA20_POLY1305)
				abort();
			if (key && n % 5 == 0)
				ntm_path_confirm(&paths, path, key);
			if (lane == &lanes[0] && n % 11 == 0 &&
			    ntm_path_move(&paths, path, &from, NULL, true))
				abort();
			if (ntm_path_is_relay(path, &from))
				abort();
			hits++;
		}
		atomic_store(&lane->tail, n + 1);
	}
	atomic_store(&lane->tail, atomic_load(&lane->head));
	atomic_fetch_add(&lookups, hits);
	return NULL;
}

static void owner_step(uint32_t n)
{
	const union ntm_addr to = test_addr("192.0.2.10");
	const uint32_t id = 1 + n % IDS;
	struct ntm_path *path = ntm_paths_by_id(&paths, id);
	struct ntm_pipe_key *key, *tx;

	if (!path) {
		path = add(id);
	} else if (n % 3 == 0) {
		ntm_paths_remove(&paths, path);
		path = NULL;
	}
	if (path) {
		assert_int_equal(ntm_path_move(&paths, path, &to, NULL, true), 0);
		assert_int_equal(ntm_path_relays(&paths, path, (union ntm_addr[]){ to, to }), 0);
		tx = atomic_load(&path->tx);
		key = new_key(tx ? tx->epoch + 1 : n);
		if (ntm_path_key(&paths, path, key, n % 2)) /* a reader has confirmed the next */
			ntm_pipe_key_free(key);
	}
	ntm_paths_collect(&paths);
}

static void test_readers(void **state)
{
	pthread_t threads[2];

	(void)state;
	atomic_store(&ending, false);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &lanes[i]), 0);
	for (uint32_t n = 0; n < 20000; n++)
		owner_step(n);
	atomic_store(&ending, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&lookups) > 100);
	assert_false(ntm_paths_collect(&paths));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_first_key),  TEST(test_pending_replaced),
		TEST(test_rekey),      TEST(test_old_key),
		TEST(test_key_suites), TEST(test_exists),
		TEST(test_many),       TEST(test_churn),
		TEST(test_garbage),    TEST(test_move),
		TEST(test_readers),    TEST(test_relays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
