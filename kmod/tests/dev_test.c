// SPDX-License-Identifier: GPL-2.0
/* A device that cannot be registered. Read by dev.c. */
#include <kunit/test.h>
#include <net/net_namespace.h>

/*
 * register_netdevice() undoes ndo_init() and the memory goes at once: whoever
 * saw the device in its namespace's list meanwhile must be done with it by then.
 */
static void ntm_dev_refused(struct kunit *test)
{
	struct ntm_net *nn = ntm_net(&init_net);
	unsigned long grace;
	struct net_device *dev;

	dev = alloc_netdev(sizeof(struct ntm_dev), "ntmtest%d", NET_NAME_UNKNOWN, ntm_setup);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->ifindex = init_net.loopback_dev->ifindex;
	rtnl_lock();
	grace = get_state_synchronize_rcu();
	KUNIT_EXPECT_EQ(test, register_netdevice(dev), -EBUSY);
	KUNIT_EXPECT_TRUE(test, poll_state_synchronize_rcu(grace));
	KUNIT_EXPECT_TRUE(test, list_empty(&nn->devs));
	rtnl_unlock();
	free_netdev(dev);
}

static struct kunit_case ntm_dev_cases[] = {
	KUNIT_CASE(ntm_dev_refused),
	{}
};

static struct kunit_suite ntm_dev_suite = {
	.name = "ntmobile-dev",
	.test_cases = ntm_dev_cases,
};

kunit_test_suite(ntm_dev_suite);
