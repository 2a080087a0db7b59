// SPDX-License-Identifier: GPL-2.0
/* How forged packets are counted for ntmd. Read by recv.c. */
#include <kunit/test.h>

/* A second of theirs ends, also where the next one comes when jiffies have half come around. */
static void ntm_recv_forged_second(struct kunit *test)
{
	struct ntm_dev *ndev = kunit_kzalloc(test, sizeof(*ndev), GFP_KERNEL);
	struct ntm_rx *rx = kunit_kzalloc(test, sizeof(*rx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ndev);
	KUNIT_ASSERT_NOT_NULL(test, rx);
	ndev->drops = netdev_alloc_pcpu_stats(struct ntm_drops);
	KUNIT_ASSERT_NOT_NULL(test, ndev->drops);
	rx->ndev = ndev;
	local_bh_disable();
	ndev->auth_since = jiffies;
	ntm_recv_forged(rx);
	ntm_recv_forged(rx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ndev->auth_drops), 2);
	ndev->auth_since = jiffies - ULONG_MAX / 2 - 10 * HZ;
	ntm_recv_forged(rx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ndev->auth_drops), 1);
	local_bh_enable();
	free_percpu(ndev->drops);
}

static struct kunit_case ntm_recv_cases[] = {
	KUNIT_CASE(ntm_recv_forged_second),
	{}
};

static struct kunit_suite ntm_recv_suite = {
	.name = "ntmobile-recv",
	.test_cases = ntm_recv_cases,
};

kunit_test_suite(ntm_recv_suite);
