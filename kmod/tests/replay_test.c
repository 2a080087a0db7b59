// SPDX-License-Identifier: GPL-2.0
/* The replay window: its edges, and a long walk beside a model of it. */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/random.h>
#include <linux/vmalloc.h>
#include "../replay.h"

static enum ntm_replay_verdict ntm_try(struct ntm_replay *r, u64 ctr)
{
	enum ntm_replay_verdict v;

	local_bh_disable();
	v = ntm_replay_accept(r, ctr);
	local_bh_enable();
	return v;
}

static struct ntm_replay *ntm_replay_of(struct kunit *test)
{
	struct ntm_replay *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	ntm_replay_init(r);
	return r;
}

static void ntm_replay_first(struct kunit *test)
{
	struct ntm_replay *r = ntm_replay_of(test);

	KUNIT_EXPECT_EQ(test, ntm_try(r, 0), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 0), NTM_REPLAY_REFUSED);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 1), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 1), NTM_REPLAY_REFUSED);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 9), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 8), NTM_REPLAY_OLD);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 8), NTM_REPLAY_REFUSED);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 0), NTM_REPLAY_REFUSED);
}

static void ntm_replay_first_is_high(struct kunit *test)
{
	struct ntm_replay *r = ntm_replay_of(test);

	KUNIT_EXPECT_EQ(test, ntm_try(r, 1000000), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 999999), NTM_REPLAY_OLD);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 0), NTM_REPLAY_REFUSED);
}

static void ntm_replay_edge(struct kunit *test)
{
	struct ntm_replay *r = ntm_replay_of(test);
	u64 high = 5 * NTM_REPLAY_BITS + 17;

	KUNIT_EXPECT_EQ(test, ntm_try(r, high), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, high - NTM_REPLAY_WINDOW), NTM_REPLAY_REFUSED);
	KUNIT_EXPECT_EQ(test, ntm_try(r, high - NTM_REPLAY_WINDOW + 1), NTM_REPLAY_OLD);
	KUNIT_EXPECT_EQ(test, ntm_try(r, high - NTM_REPLAY_WINDOW + 1), NTM_REPLAY_REFUSED);
}

/* A jump over the whole ring must leave no old bit standing. */
static void ntm_replay_jump(struct kunit *test)
{
	struct ntm_replay *r = ntm_replay_of(test);
	u64 high = 10 * NTM_REPLAY_BITS;
	u64 i;

	for (i = 0; i < 2 * NTM_REPLAY_BITS; i++)
		KUNIT_ASSERT_EQ(test, ntm_try(r, i), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, high), NTM_REPLAY_NEWEST);
	for (i = high - 1; i > high - NTM_REPLAY_WINDOW; i--)
		KUNIT_ASSERT_EQ(test, ntm_try(r, i), NTM_REPLAY_OLD);
	for (i = high; i > high - NTM_REPLAY_WINDOW; i--)
		KUNIT_ASSERT_EQ(test, ntm_try(r, i), NTM_REPLAY_REFUSED);
}

static void ntm_replay_end(struct kunit *test)
{
	struct ntm_replay *r = ntm_replay_of(test);

	KUNIT_EXPECT_EQ(test, ntm_try(r, U64_MAX - 1), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, U64_MAX), NTM_REPLAY_NEWEST);
	KUNIT_EXPECT_EQ(test, ntm_try(r, U64_MAX), NTM_REPLAY_REFUSED);
	KUNIT_EXPECT_EQ(test, ntm_try(r, U64_MAX - 1), NTM_REPLAY_REFUSED);
	KUNIT_EXPECT_EQ(test, ntm_try(r, U64_MAX - 2), NTM_REPLAY_OLD);
	KUNIT_EXPECT_EQ(test, ntm_try(r, 0), NTM_REPLAY_REFUSED);
}

#define MODEL_MAX (1 << 18)

/* What RFC 6479 promises, without its ring: every counter has a bit of its own. */
static enum ntm_replay_verdict ntm_model(unsigned long *seen, u64 *highest, bool *any, u64 ctr)
{
	if (*any && ctr <= *highest && *highest - ctr >= NTM_REPLAY_WINDOW)
		return NTM_REPLAY_REFUSED;
	if (test_and_set_bit(ctr, seen))
		return NTM_REPLAY_REFUSED;
	if (*any && ctr < *highest)
		return NTM_REPLAY_OLD;
	*any = true;
	*highest = ctr;
	return NTM_REPLAY_NEWEST;
}

static void ntm_replay_model(struct kunit *test)
{
	unsigned long *seen = vzalloc(BITS_TO_LONGS(MODEL_MAX) * sizeof(long));
	struct ntm_replay *r = ntm_replay_of(test);
	u64 highest = 0, wrong = 0, i;
	bool any = false;

	KUNIT_ASSERT_NOT_NULL(test, seen);
	for (i = 0; i < 500000; i++) {
		u64 back = get_random_u32() % (NTM_REPLAY_BITS + 500);
		u64 ctr = highest;

		if (get_random_u32() % 4 == 0)
			ctr += get_random_u32() % (i % 1000 == 0 ? 3000 : 3);
		else
			ctr = ctr > back ? ctr - back : 0;
		if (ctr >= MODEL_MAX)
			break;
		if (ntm_try(r, ctr) != ntm_model(seen, &highest, &any, ctr))
			wrong++;
	}
	vfree(seen);
	KUNIT_EXPECT_EQ(test, wrong, (u64)0);
	KUNIT_EXPECT_GT(test, i, (u64)100000);
}

static struct kunit_case ntm_replay_cases[] = {
	KUNIT_CASE(ntm_replay_first),
	KUNIT_CASE(ntm_replay_first_is_high),
	KUNIT_CASE(ntm_replay_edge),
	KUNIT_CASE(ntm_replay_jump),
	KUNIT_CASE(ntm_replay_end),
	KUNIT_CASE(ntm_replay_model),
	{}
};

static struct kunit_suite ntm_replay_suite = {
	.name = "ntmobile-replay",
	.test_cases = ntm_replay_cases,
};

kunit_test_suite(ntm_replay_suite);
