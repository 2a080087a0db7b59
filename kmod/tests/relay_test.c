// SPDX-License-Identifier: GPL-2.0
/* The relay table: lookups, order, ends, and the rate. */
#include <kunit/test.h>
#include "../dev.h"
#include "../relay.h"

static int ntm_relay_test_init(struct kunit *test)
{
	struct ntm_dev *ndev = kunit_kzalloc(test, sizeof(*ndev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ndev);
	mutex_init(&ndev->lock);
	KUNIT_ASSERT_EQ(test, ntm_relay_table_init(&ndev->relays), 0);
	test->priv = ndev;
	return 0;
}

static void ntm_relay_test_exit(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;

	mutex_lock(&ndev->lock);
	ntm_relay_remove_all(ndev);
	mutex_unlock(&ndev->lock);
	ntm_relay_table_destroy(&ndev->relays);
	rcu_barrier();
}

static struct ntm_relay *ntm_test_relay(struct kunit *test, u32 id)
{
	struct ntm_dev *ndev = test->priv;
	struct ntm_relay *relay = ntm_relay_new(cpu_to_be32(id));

	KUNIT_ASSERT_NOT_NULL(test, relay);
	KUNIT_ASSERT_EQ(test, ntm_relay_insert(&ndev->relays, relay), 0);
	return relay;
}

static struct ntm_relay *ntm_test_find(struct ntm_dev *ndev, u32 id)
{
	struct ntm_relay *relay;

	rcu_read_lock();
	relay = ntm_relay_by_id(&ndev->relays, cpu_to_be32(id));
	rcu_read_unlock();
	return relay;
}

static union ntm_addr ntm_test_addr(u32 addr, u16 port)
{
	union ntm_addr a = {};

	a.v4.sin_family = AF_INET;
	a.v4.sin_addr.s_addr = cpu_to_be32(addr);
	a.v4.sin_port = cpu_to_be16(port);
	return a;
}

static void ntm_test_bind(struct kunit *test, struct ntm_relay *relay, int side,
			  const union ntm_addr *addr)
{
	struct ntm_relay_end *end = NULL;

	if (addr) {
		end = ntm_relay_end_new(addr, NULL, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, end);
	}
	ntm_relay_bind(relay, side, end);
}

static int ntm_test_side(struct ntm_relay *relay, u32 addr, u16 port)
{
	union ntm_addr a = ntm_test_addr(addr, port);
	int side;

	rcu_read_lock();
	side = ntm_relay_side_of(relay, &a);
	rcu_read_unlock();
	return side;
}

static void ntm_relay_lookup(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;
	struct ntm_relay *one = ntm_test_relay(test, 1);
	struct ntm_relay *two = ntm_test_relay(test, 0x80000002);
	struct ntm_relay *again = ntm_relay_new(cpu_to_be32(1));
	u32 gen = ndev->relays.gen;

	KUNIT_ASSERT_NOT_NULL(test, again);
	KUNIT_EXPECT_EQ(test, ntm_relay_insert(&ndev->relays, again), -EEXIST);
	ntm_relay_free(again);
	KUNIT_EXPECT_EQ(test, ndev->relays.gen, gen);
	KUNIT_EXPECT_EQ(test, ndev->relays.count, 2);
	KUNIT_EXPECT_PTR_EQ(test, ntm_test_find(ndev, 1), one);
	KUNIT_EXPECT_PTR_EQ(test, ntm_test_find(ndev, 0x80000002), two);
	KUNIT_EXPECT_NULL(test, ntm_test_find(ndev, 0));
	KUNIT_EXPECT_NULL(test, ntm_test_find(ndev, 2));

	ntm_relay_remove(&ndev->relays, one);
	KUNIT_EXPECT_NULL(test, ntm_test_find(ndev, 1));
	KUNIT_EXPECT_EQ(test, ndev->relays.count, 1);
	KUNIT_EXPECT_NE(test, ndev->relays.gen, gen);
}

static void ntm_relay_order(struct kunit *test)
{
	static const u32 ids[] = { 0x80000001, 7, U32_MAX, 1, 0x7fffffff, 256 };
	static const u32 want[] = { 1, 7, 256, 0x7fffffff, 0x80000001, U32_MAX };
	struct ntm_dev *ndev = test->priv;
	struct ntm_relay *relay;
	u32 from = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		ntm_test_relay(test, ids[i]);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		relay = ntm_relay_from(&ndev->relays, from);
		KUNIT_ASSERT_NOT_NULL(test, relay);
		KUNIT_EXPECT_EQ(test, be32_to_cpu(relay->id), want[i]);
		from = want[i] + 1;
	}
	ntm_relay_remove(&ndev->relays, ntm_test_find(ndev, U32_MAX));
	KUNIT_EXPECT_NULL(test, ntm_relay_from(&ndev->relays, 0x80000002));
}

static void ntm_relay_ends(struct kunit *test)
{
	struct ntm_relay *relay = ntm_test_relay(test, 1);
	union ntm_addr a = ntm_test_addr(0xc0000201, 4330);
	union ntm_addr b = ntm_test_addr(0xc0000202, 4331);
	union ntm_addr c = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(4330),
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	int side;

	KUNIT_EXPECT_EQ(test, ntm_test_side(relay, 0xc0000201, 4330), -1);
	ntm_test_bind(test, relay, 0, &a);
	KUNIT_EXPECT_EQ(test, ntm_test_side(relay, 0xc0000201, 4330), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_side(relay, 0xc0000201, 4331), -1);
	ntm_test_bind(test, relay, 1, &b);
	KUNIT_EXPECT_EQ(test, ntm_test_side(relay, 0xc0000202, 4331), 1);

	ntm_test_bind(test, relay, 0, &c);
	KUNIT_EXPECT_EQ(test, ntm_test_side(relay, 0xc0000201, 4330), -1);
	rcu_read_lock();
	side = ntm_relay_side_of(relay, &c);
	KUNIT_EXPECT_EQ(test, side, 0);
	c.v6.sin6_scope_id = 1;
	side = ntm_relay_side_of(relay, &c);
	KUNIT_EXPECT_EQ(test, side, -1);
	rcu_read_unlock();

	ntm_test_bind(test, relay, 1, NULL);
	KUNIT_EXPECT_EQ(test, ntm_test_side(relay, 0xc0000202, 4331), -1);
}

/* Bytes that pass from @now on, @step at a time. */
static u64 ntm_test_admitted(struct ntm_relay *relay, unsigned int step, u64 now)
{
	u64 sum = 0;

	while (sum < 1 << 30 && ntm_relay_admit(relay, step, now))
		sum += step;
	return sum;
}

static void ntm_relay_rate(struct kunit *test)
{
	struct ntm_relay *relay = ntm_test_relay(test, 1);
	u64 now = 5 * NSEC_PER_SEC;

	/* A quarter of a second's worth at once, then as time goes by. */
	ntm_relay_set_rate(relay, 4000000, now);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now), 1000000);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now + NSEC_PER_MSEC), 4000);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now + 100 * NSEC_PER_SEC), 1000000);

	ntm_relay_set_rate(relay, U64_MAX, now);
	KUNIT_EXPECT_GE(test, ntm_test_admitted(relay, 65535, now), 1 << 30);
}

/* The slowest rate lets a whole aggregate pass, and no other soon. */
static void ntm_relay_slowest(struct kunit *test)
{
	struct ntm_relay *relay = ntm_test_relay(test, 1);
	u64 now = 5 * NSEC_PER_SEC;

	ntm_relay_set_rate(relay, 1, now);
	KUNIT_EXPECT_TRUE(test, ntm_relay_admit(relay, 65535, now));
	KUNIT_EXPECT_FALSE(test, ntm_relay_admit(relay, 2, now + NSEC_PER_SEC));
	KUNIT_EXPECT_TRUE(test, ntm_relay_admit(relay, 1, now + NSEC_PER_SEC));
}

/* A rate that is set gives no more than one that stays; what a slow one owes is no other's debt. */
static void ntm_relay_rate_again(struct kunit *test)
{
	struct ntm_relay *relay = ntm_test_relay(test, 1);
	u64 now = 5 * NSEC_PER_SEC;

	ntm_relay_set_rate(relay, 4000000, now);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now), 1000000);
	ntm_relay_set_rate(relay, 4000000, now);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now), 0);
	ntm_relay_set_rate(relay, 8000000, now);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now), 0);
	ntm_relay_set_rate(relay, 0, now);
	ntm_relay_set_rate(relay, 4000000, now);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now), 0);

	now += NSEC_PER_SEC;
	ntm_relay_set_rate(relay, 1, now);
	KUNIT_EXPECT_TRUE(test, ntm_relay_admit(relay, 65535, now));
	ntm_relay_set_rate(relay, 4000000, now);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_admitted(relay, 1000, now + NSEC_PER_MSEC), 4000);
}

static void ntm_relay_many(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;
	u32 i;

	for (i = 1; i <= 20000; i++)
		ntm_test_relay(test, i * 2654435761u);
	KUNIT_EXPECT_EQ(test, ndev->relays.count, 20000);
	for (i = 1; i <= 20000; i++)
		KUNIT_ASSERT_NOT_NULL(test, ntm_test_find(ndev, i * 2654435761u));
	mutex_lock(&ndev->lock);
	ntm_relay_remove_all(ndev);
	mutex_unlock(&ndev->lock);
	KUNIT_EXPECT_EQ(test, ndev->relays.count, 0);
	KUNIT_EXPECT_NULL(test, ntm_test_find(ndev, 2654435761u));
}

/* What a million of them cost: a slab object of 128 bytes each, and 96 for an end. */
static void ntm_relay_size(struct kunit *test)
{
	KUNIT_EXPECT_LE(test, sizeof(struct ntm_relay), 128);
	KUNIT_EXPECT_LE(test, sizeof(struct ntm_relay_end), 96);
}

static struct kunit_case ntm_relay_cases[] = {
	KUNIT_CASE(ntm_relay_lookup),
	KUNIT_CASE(ntm_relay_order),
	KUNIT_CASE(ntm_relay_ends),
	KUNIT_CASE(ntm_relay_rate),
	KUNIT_CASE(ntm_relay_slowest),
	KUNIT_CASE(ntm_relay_rate_again),
	KUNIT_CASE(ntm_relay_many),
	KUNIT_CASE(ntm_relay_size),
	{}
};

static struct kunit_suite ntm_relay_suite = {
	.name = "ntm-relay",
	.init = ntm_relay_test_init,
	.exit = ntm_relay_test_exit,
	.test_cases = ntm_relay_cases,
};

kunit_test_suite(ntm_relay_suite);
