// SPDX-License-Identifier: GPL-2.0
/* The pages that are kept for the next packets. Read by pack.c. */
#include <kunit/test.h>

static unsigned int ntm_test_kept(void)
{
	unsigned int n = 0;
	int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < NTM_PACK_RING; i++)
			n += !!per_cpu_ptr(&ntm_pack_rings, cpu)->pages[i];
	return n;
}

static void ntm_test_take_pages(struct kunit *test, int n)
{
	unsigned int len;
	struct page *page;

	local_bh_disable();
	while (n--) {
		page = ntm_pack_page(1500, 60000, &len);
		KUNIT_EXPECT_NOT_NULL(test, page);
		if (page)
			put_page(page);
	}
	local_bh_enable();
}

/* They go with the last device. */
static void ntm_pack_kept(struct kunit *test)
{
	ntm_pack_get();
	ntm_pack_get();
	ntm_test_take_pages(test, 5);
	KUNIT_EXPECT_EQ(test, ntm_test_kept(), 5u);
	ntm_pack_put();
	KUNIT_EXPECT_EQ(test, ntm_test_kept(), 5u);
	ntm_pack_put();
	KUNIT_EXPECT_EQ(test, ntm_test_kept(), 0u);

	ntm_pack_get();
	ntm_test_take_pages(test, 3 * NTM_PACK_RING);
	KUNIT_EXPECT_EQ(test, ntm_test_kept(), (unsigned int)NTM_PACK_RING);
	ntm_pack_put();
	KUNIT_EXPECT_EQ(test, ntm_test_kept(), 0u);
}

static struct kunit_case ntm_pack_cases[] = {
	KUNIT_CASE(ntm_pack_kept),
	{}
};

static struct kunit_suite ntm_pack_suite = {
	.name = "ntmobile-pack",
	.test_cases = ntm_pack_cases,
};

kunit_test_suite(ntm_pack_suite);
