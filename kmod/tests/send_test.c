// SPDX-License-Identifier: GPL-2.0
/* The limits of a key: when ntmd is asked for another, and what becomes of packets without one. Read by send.c. */
#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <net/ip6_fib.h>
#include <net/net_namespace.h>

struct ntm_send_test {
	struct ntm_dev *ndev;
	struct ntm_path *path;
	struct ntm_key *key;
};

/* A path of a device that is never registered, with one key. */
static int ntm_send_test_init(struct kunit *test)
{
	struct ntm_send_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	u8 tx[NTM_WIRE_KEY_LEN] = { 1 }, rx[NTM_WIRE_KEY_LEN] = { 2 };

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->ndev = kunit_kzalloc(test, sizeof(*t->ndev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->ndev);
	t->ndev->net = &init_net;
	t->ndev->dev = alloc_netdev(0, "ntmtest%d", NET_NAME_UNKNOWN, ether_setup);
	KUNIT_ASSERT_NOT_NULL(test, t->ndev->dev);
	t->ndev->drops = netdev_alloc_pcpu_stats(struct ntm_drops);
	KUNIT_ASSERT_NOT_NULL(test, t->ndev->drops);
	t->path = ntm_path_new(t->ndev, cpu_to_be32(7));
	KUNIT_ASSERT_NOT_NULL(test, t->path);
	t->key = ntm_key_new(NTM_SUITE_CHACHA20_POLY1305, 3, tx, rx, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->key));
	test->priv = t;
	return 0;
}

static void ntm_send_test_exit(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;

	ntm_key_put(t->key);
	ntm_path_put(t->path);
	rcu_barrier();
	free_percpu(t->ndev->drops);
	free_netdev(t->ndev->dev);
}

static bool ntm_test_take(struct ntm_send_test *t, unsigned int n, u64 *first)
{
	return ntm_tx_counters(t->path, t->key, n, first);
}

static void ntm_send_counters(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;
	u64 first;

	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 3, &first));
	KUNIT_EXPECT_EQ(test, first, 0ULL);
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 64, &first));
	KUNIT_EXPECT_EQ(test, first, 3ULL);
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 1, &first));
	KUNIT_EXPECT_EQ(test, first, 67ULL);
	KUNIT_EXPECT_EQ(test, t->path->key_asked, 0UL);
}

static void ntm_send_rekey_after(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;
	unsigned long asked;
	u64 first;

	atomic64_set(&t->key->tx_ctr, NTM_WIRE_REKEY_AFTER - 9);
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 8, &first));
	KUNIT_EXPECT_EQ(test, t->path->key_asked, 0UL);
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 1, &first));
	KUNIT_EXPECT_EQ(test, first, NTM_WIRE_REKEY_AFTER - 1);
	asked = t->path->key_asked;
	KUNIT_EXPECT_NE(test, asked, 0UL);
	/* Asked for once a second; meanwhile the key goes on. */
	t->path->key_asked = asked - HZ / 2;
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 64, &first));
	KUNIT_EXPECT_EQ(test, first, NTM_WIRE_REKEY_AFTER);
	KUNIT_EXPECT_EQ(test, t->path->key_asked, asked - HZ / 2);
	t->path->key_asked = asked - HZ - 1;
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 1, &first));
	KUNIT_EXPECT_TRUE(test, time_after_eq(t->path->key_asked, asked));
}

/* Nor does a path that asked long ago wait until jiffies have come around. */
static void ntm_send_asked_long_ago(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;
	unsigned long asked = (jiffies - ULONG_MAX / 2 - 10 * HZ) | 1;

	t->path->key_asked = asked;
	ntm_send_ask_key(t->path, 0);
	KUNIT_EXPECT_NE(test, t->path->key_asked, asked);
	/* And what it wrote holds for a second, beginning with this very tick. */
	asked = t->path->key_asked - HZ / 2;
	t->path->key_asked = asked;
	ntm_send_ask_key(t->path, 0);
	KUNIT_EXPECT_EQ(test, t->path->key_asked, asked);
}

/* However few packets it sent: a key of 180 s is not used, and another is asked for. */
static void ntm_send_too_old(struct kunit *test)
{
	const u64 limit = 180 * (u64)NSEC_PER_SEC;
	struct ntm_send_test *t = test->priv;
	u64 first;

	t->key->born -= limit - 60 * (u64)NSEC_PER_SEC;
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 1, &first));
	KUNIT_EXPECT_EQ(test, t->path->key_asked, 0UL);
	t->key->born -= 60 * (u64)NSEC_PER_SEC;
	KUNIT_EXPECT_FALSE(test, ntm_test_take(t, 1, &first));
	KUNIT_EXPECT_NE(test, t->path->key_asked, 0UL);
}

/* No counter from the limit on is ever used, whatever is asked for. */
static void ntm_send_reject_after(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;
	u64 first = 0;

	atomic64_set(&t->key->tx_ctr, NTM_WIRE_REJECT_AFTER - 5);
	KUNIT_EXPECT_TRUE(test, ntm_test_take(t, 4, &first));
	KUNIT_EXPECT_EQ(test, first, NTM_WIRE_REJECT_AFTER - 5);
	KUNIT_EXPECT_FALSE(test, ntm_test_take(t, 1, &first));
	KUNIT_EXPECT_FALSE(test, ntm_test_take(t, 64, &first));
	KUNIT_EXPECT_EQ(test, first, NTM_WIRE_REJECT_AFTER - 5);

	atomic64_set(&t->key->tx_ctr, NTM_WIRE_REJECT_AFTER - 5);
	KUNIT_EXPECT_FALSE(test, ntm_test_take(t, 64, &first));
}

static u64 ntm_test_drops(struct ntm_send_test *t, enum ntm_drop why)
{
	u64 drops[NTM_DROP_MAX];

	ntm_drops_sum(t->ndev->drops, drops);
	return drops[why];
}

/* Sends a packet of two segments, by a route that nobody will look at. */
static void ntm_test_start(struct kunit *test)
{
	struct ntm_route rt = { .dst = &init_net.ipv6.ip6_null_entry->dst, .family = AF_INET6 };
	struct ntm_send_test *t = test->priv;
	struct sk_buff *skb = alloc_skb(64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put_zero(skb, 64);
	skb_shinfo(skb)->gso_size = 32;
	skb_shinfo(skb)->gso_segs = 2;
	rcu_read_lock();
	local_bh_disable();
	ntm_tx_start(t->path, t->key, &rt, skb, 0);
	local_bh_enable();
	rcu_read_unlock();
}

/* A packet costs what its cipher needs. */
static void ntm_send_alloc(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;
	size_t need = sizeof(struct ntm_tx) + crypto_aead_reqsize(t->key->tx);
	struct ntm_tx *tx = ntm_tx_new(t->path, t->key);

	KUNIT_ASSERT_NOT_NULL(test, tx);
	KUNIT_EXPECT_EQ(test, ksize(tx), kmalloc_size_roundup(need));
	ntm_key_put(tx->key);
	ntm_path_put(tx->path);
	kfree(tx);
}

static void ntm_send_used_up(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;

	atomic64_set(&t->key->tx_ctr, NTM_WIRE_REJECT_AFTER - 2);
	ntm_test_start(test);
	KUNIT_EXPECT_EQ(test, ntm_test_drops(t, NTM_DROP_NO_KEY), 2ULL);
	KUNIT_EXPECT_EQ(test, ntm_test_drops(t, NTM_DROP_NO_MEM), 0ULL);
	KUNIT_EXPECT_NE(test, t->path->key_asked, 0UL);
	KUNIT_EXPECT_EQ(test, kref_read(&t->key->ref), 1u);
	KUNIT_EXPECT_EQ(test, kref_read(&t->path->ref), 1u);
}

/* As many as may are waiting for the cipher: one more is given up, and costs no counter. */
static void ntm_send_full(struct kunit *test)
{
	struct ntm_send_test *t = test->priv;

	t->key->tx_order.async = true;
	t->key->tx_order.count = NTM_ORDER_MAX;
	ntm_test_start(test);
	KUNIT_EXPECT_EQ(test, ntm_test_drops(t, NTM_DROP_NO_MEM), 2ULL);
	KUNIT_EXPECT_EQ(test, ntm_test_drops(t, NTM_DROP_NO_KEY), 0ULL);
	KUNIT_EXPECT_EQ(test, atomic64_read(&t->key->tx_ctr), 0LL);
	KUNIT_EXPECT_EQ(test, kref_read(&t->key->ref), 1u);
	KUNIT_EXPECT_EQ(test, kref_read(&t->path->ref), 1u);
}

static struct kunit_case ntm_send_cases[] = {
	KUNIT_CASE(ntm_send_counters),
	KUNIT_CASE(ntm_send_rekey_after),
	KUNIT_CASE(ntm_send_reject_after),
	KUNIT_CASE(ntm_send_asked_long_ago),
	KUNIT_CASE(ntm_send_too_old),
	KUNIT_CASE(ntm_send_alloc),
	KUNIT_CASE(ntm_send_used_up),
	KUNIT_CASE(ntm_send_full),
	{}
};

static struct kunit_suite ntm_send_suite = {
	.name = "ntmobile-send",
	.init = ntm_send_test_init,
	.exit = ntm_send_test_exit,
	.test_cases = ntm_send_cases,
};

kunit_test_suite(ntm_send_suite);
