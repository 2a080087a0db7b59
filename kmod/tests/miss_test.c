// SPDX-License-Identifier: GPL-2.0
/* How many addresses ntmd is told of. Read by miss.c. */
#include <kunit/test.h>

static bool ntm_miss_test_tell(struct ntm_miss *m)
{
	struct ntm_miss_addr a = { .told = jiffies - NTM_MISS_QUIET };
	bool may;

	spin_lock_bh(&m->lock);
	may = ntm_miss_may_tell(m, &a);
	spin_unlock_bh(&m->lock);
	return may;
}

/* A second that was used up ends, also where the next packet comes when jiffies have half come around. */
static void ntm_miss_window(struct kunit *test)
{
	struct ntm_dev *ndev = kunit_kzalloc(test, sizeof(*ndev), GFP_KERNEL);
	struct ntm_miss *m;

	KUNIT_ASSERT_NOT_NULL(test, ndev);
	KUNIT_ASSERT_EQ(test, ntm_miss_init(ndev), 0);
	m = ndev->miss;
	m->events = NTM_MISS_EVENTS - 1;
	m->window = jiffies;
	KUNIT_EXPECT_TRUE(test, ntm_miss_test_tell(m));
	m->window = jiffies;
	KUNIT_EXPECT_FALSE(test, ntm_miss_test_tell(m));
	m->window = jiffies - HZ;
	KUNIT_EXPECT_TRUE(test, ntm_miss_test_tell(m));
	m->events = NTM_MISS_EVENTS;
	m->window = jiffies - ULONG_MAX / 2 - 10 * HZ;
	KUNIT_EXPECT_TRUE(test, ntm_miss_test_tell(m));
	KUNIT_EXPECT_EQ(test, m->events, 1);
	ntm_miss_free(ndev);
}

static struct kunit_case ntm_miss_cases[] = {
	KUNIT_CASE(ntm_miss_window),
	{}
};

static struct kunit_suite ntm_miss_suite = {
	.name = "ntmobile-miss",
	.test_cases = ntm_miss_cases,
};

kunit_test_suite(ntm_miss_suite);
