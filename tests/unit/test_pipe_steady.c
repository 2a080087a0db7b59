// SPDX-License-Identifier: GPL-2.0
// with: ntmd/pipe/*.c
/* wrap: pthread_mutex_lock */
/*
 * Once a path stands, nothing is allocated, freed or locked for a packet, on its way out or in, alone or in an aggregate. What is
 * allocated is told by the address sanitizer, so that libraries count.
 */
#include "pipe_world.h"

#define ROUNDS 64u
#define SEGS 20u

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

static atomic_bool counting;
static atomic_uint allocated, freed, locked;
static uint64_t ctr; /* the peer's */

static void count(atomic_uint *what)
{
	if (atomic_load(&counting))
		atomic_fetch_add(what, 1);
}

static void on_malloc(const volatile void *p, size_t size)
{
	(void)p;
	(void)size;
	count(&allocated);
}

static void on_free(const volatile void *p)
{
	(void)p;
	count(&freed);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	count(&locked);
	return __real_pthread_mutex_lock(mutex);
}

/* One out and one in, IPv4 and IPv6, UDP and TCP */
static void singles(unsigned int i)
{
	const struct virtio_net_hdr plain = { 0 };
	struct test_packet t = to_peer;
	struct ntm_wire_hdr header = { 0 };
	struct virtio_net_hdr vnet;
	size_t len;

	t.v6 = i & 1;
	t.proto = i & 2 ? IPPROTO_TCP : IPPROTO_UDP;
	t.flags = TEST_ACK;
	len = test_build(&t, buf);
	host_send(&plain, buf, len);
	assert_int_equal(peer_read(w.far4, &header, 3000), len);
	peer_send(w.far4, ctr++, inner, from_peer(&t, inner));
	assert_int_equal(host_read(&vnet, 3000), len);
}

/* A GSO packet out, cut into SEGS datagrams, and as many in, merged into one */
static void aggregates(unsigned int i)
{
	struct test_packet t = to_peer;
	struct ntm_wire_hdr header = { 0 };
	struct virtio_net_hdr vnet;
	size_t len, at = 0;

	t.proto = IPPROTO_TCP;
	t.flags = TEST_ACK;
	t.seq = i * SEGS * 1000u;
	t.payload = SEGS * 1000u;
	len = test_build(&t, buf);
	vnet = test_gso(buf, len, 1000);
	host_send(&vnet, buf, len);
	for (unsigned int n = 0; n < SEGS; n++)
		assert_int_equal(peer_read(w.far4, &header, 3000), 1040);
	t.payload = 1000;
	for (unsigned int n = 0; n < SEGS; n++) {
		len = seal_to(outer + at, 0, ctr++, inner, from_peer(&t, inner));
		at += len;
		t.seq += 1000;
		t.id++;
	}
	peer_gso((uint16_t)len, outer, at);
	assert_int_equal(host_read(&vnet, 3000), 40 + SEGS * 1000u);
}

static void some_of_each(void)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		singles(i);
		aggregates(i);
	}
}

/* All threads have begun, which takes memory, and the path knows which address of ours the peer writes to */
static void settle(void)
{
	ctr = 0;
	some_of_each();
	for (unsigned int ms = 0; ms < 3000 && ntm_paths_collect(&w.pipe.paths); ms++)
		usleep(1000);
}

static void test_steady(void **state)
{
	(void)state;
	settle();
	atomic_store(&counting, true);
	some_of_each();
	atomic_store(&counting, false);
	assert_int_equal(atomic_load(&allocated), 0);
	assert_int_equal(atomic_load(&freed), 0);
	assert_int_equal(atomic_load(&locked), 0);
	received(2 * ROUNDS * (1 + SEGS));
	assert_int_equal(atomic_load(&w.path->tx_packets), 2 * ROUNDS * (1 + SEGS));
}

/* That the counters count */
static void test_counters(void **state)
{
	(void)state;
	settle();
	atomic_store(&counting, true);
	ntm_pipe_tell(&w.pipe.events, NTM_PIPE_CONFIRMED, PATH, 0);
	free(ntm_pipe_take(&w.pipe.events));
	atomic_store(&counting, false);
	assert_int_equal(atomic_exchange(&allocated, 0), 1);
	assert_int_equal(atomic_exchange(&freed, 0), 1);
	assert_int_not_equal(atomic_exchange(&locked, 0), 0);
}

int main(void)
{
	static unsigned int alone;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate_setup_teardown(test_counters, setup, teardown, &alone),
		cmocka_unit_test_prestate_setup_teardown(test_steady, setup, teardown, &alone),
	};

	__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
