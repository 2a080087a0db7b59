// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/held.c */
/* Packets that wait for their path: kept in order, bounded, told of once a second, refused when there is none. */
#include "ntm_test.h"

#include <sys/socket.h>

#include "node/held.h"

#define ADDRS 64u
#define PACKETS 16u

static struct ntm_held *held;
static uint64_t now;
static unsigned int sent, refused;
static uint8_t first_sent, last_sent;
static struct virtio_net_hdr last_vnet;
static size_t expected_len;

static void on_send(void *ctx, const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t len)
{
	assert_ptr_equal(ctx, &now);
	assert_int_equal(len, expected_len);
	if (!sent++)
		first_sent = packet[99];
	last_sent = packet[99];
	last_vnet = *vnet;
}

static void on_refuse(void *ctx, const uint8_t *packet, size_t len)
{
	assert_ptr_equal(ctx, &now);
	assert_int_equal(len, expected_len);
	last_sent = packet[99];
	refused++;
}

static int setup(void **state)
{
	static const struct ntm_held_ops ops = { .send = on_send, .refuse = on_refuse };

	(void)state;
	now = 1000000;
	sent = refused = 0;
	expected_len = 100;
	held = ntm_held_new(&ops, &now);
	return held ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	ntm_held_free(held);
	ntm_held_free(NULL);
	return 0;
}

static const uint8_t *virt(uint32_t n)
{
	static uint8_t addr[16];

	memcpy(addr, &n, sizeof(n));
	return addr;
}

static bool add_as(int family, uint32_t n, uint8_t mark)
{
	const struct virtio_net_hdr vnet = { .gso_size = mark };
	uint8_t packet[100] = { 0 };

	packet[99] = mark;
	return ntm_held_add(held, family, virt(n), &vnet, packet, sizeof(packet), now);
}

static bool add(uint32_t n, uint8_t mark)
{
	return add_as(AF_INET, n, mark);
}

static void test_release(void **state)
{
	(void)state;
	assert_true(add(1, 1));
	assert_false(add(1, 2));
	assert_false(add(1, 3));
	ntm_held_release(held, AF_INET, virt(2)); /* another */
	assert_int_equal(sent, 0);
	ntm_held_release(held, AF_INET, virt(1));
	assert_int_equal(sent, 3);
	assert_int_equal(first_sent, 1);
	assert_int_equal(last_sent, 3);
	assert_int_equal(last_vnet.gso_size, 3);
	ntm_held_release(held, AF_INET, virt(1));
	assert_int_equal(sent, 3);
	assert_false(ntm_held_expire(held, now));
	assert_true(add(1, 4)); /* told of anew */
}

static void test_families(void **state)
{
	(void)state;
	assert_true(add_as(AF_INET, 7, 1));
	assert_true(add_as(AF_INET6, 7, 2));
	ntm_held_release(held, AF_INET6, virt(7));
	assert_int_equal(sent, 1);
	assert_int_equal(last_sent, 2);
}

/* 4 MB in all, whatever the addresses; what is let go of makes room */
static void test_bounded_bytes(void **state)
{
	static const uint8_t large[65000];
	const struct virtio_net_hdr vnet = { 0 };
	unsigned int fit = (4u << 20) / sizeof(large);

	(void)state;
	expected_len = sizeof(large);
	for (unsigned int i = 0; i < fit + 3; i++)
		ntm_held_add(held, AF_INET, virt(i % ADDRS), &vnet, large, sizeof(large), now);
	assert_int_equal(ntm_held_lost(held), 3);
	ntm_held_release(held, AF_INET, virt(0));
	assert_int_equal(sent, 1);
	ntm_held_add(held, AF_INET, virt(1), &vnet, large, sizeof(large), now);
	assert_int_equal(ntm_held_lost(held), 3);
	ntm_held_add(held, AF_INET, virt(1), &vnet, large, sizeof(large), now);
	assert_int_equal(ntm_held_lost(held), 4);
}

static void test_told_each_second(void **state)
{
	(void)state;
	assert_true(add(1, 0));
	now += 999;
	assert_false(add(1, 0));
	now++;
	assert_true(add(1, 0));
	assert_false(add(1, 0));
}

static void test_bounded(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < PACKETS + 5; i++)
		add(1, (uint8_t)i);
	assert_int_equal(ntm_held_lost(held), 5);
	ntm_held_release(held, AF_INET, virt(1));
	assert_int_equal(sent, PACKETS); /* the first ones: they open connections */
	assert_int_equal(last_sent, PACKETS - 1);
	for (unsigned int i = 0; i < ADDRS; i++, now++)
		assert_true(add(i, 0));
	assert_true(add(ADDRS, 0)); /* in the place of the oldest */
	assert_int_equal(ntm_held_lost(held), 6);
	ntm_held_release(held, AF_INET, virt(0));
	assert_int_equal(sent, PACKETS);
	ntm_held_release(held, AF_INET, virt(1));
	assert_int_equal(sent, PACKETS + 1);
}

static void test_fail(void **state)
{
	(void)state;
	ntm_held_fail(held, AF_INET, virt(1), now); /* nobody waits */
	assert_false(ntm_held_expire(held, now));
	add(1, 1);
	add(1, 2);
	ntm_held_fail(held, AF_INET, virt(1), now);
	assert_int_equal(refused, 2);
	assert_int_equal(last_sent, 2);
	now += 999;
	assert_false(add(1, 3)); /* at once, for a second */
	assert_int_equal(refused, 3);
	ntm_held_release(held, AF_INET, virt(2));
	now++;
	assert_true(add(1, 4));
	assert_int_equal(refused, 3);
	ntm_held_release(held, AF_INET, virt(1));
	assert_int_equal(sent, 1);
	assert_int_equal(last_sent, 4);
}

static void test_expire(void **state)
{
	(void)state;
	add(1, 1);
	now += 5000;
	add(1, 2); /* does not live longer for it */
	now += 4999;
	assert_true(ntm_held_expire(held, now));
	assert_int_equal(refused, 0);
	now++;
	assert_true(ntm_held_expire(held, now)); /* the failure is remembered */
	assert_int_equal(refused, 2);
	now += 1000;
	assert_false(ntm_held_expire(held, now));
	assert_int_equal(refused, 2);
}

/* Nobody called expire: what is too old does not come back to life */
static void test_stale(void **state)
{
	(void)state;
	add(1, 1);
	now += 10000;
	assert_true(add(1, 2));
	ntm_held_release(held, AF_INET, virt(1));
	assert_int_equal(sent, 1);
	assert_int_equal(last_sent, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_release), TEST(test_families),      TEST(test_told_each_second),
		TEST(test_bounded), TEST(test_bounded_bytes), TEST(test_fail),
		TEST(test_expire),  TEST(test_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
