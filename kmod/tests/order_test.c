// SPDX-License-Identifier: GPL-2.0
/* Jobs leave in the order in which they came, in whatever order an AEAD completes them. Read by order.c. */
#include <kunit/test.h>
#include <linux/delay.h>

#define NTM_TEST_JOBS	5

struct ntm_order_test;

/*
 * struct ntm_test_job - a job with a number
 * @job:	in @test's order
 * @test:	where it is delivered
 * @number:	its place, from 0
 * @ends:	job that completes while this one is being delivered, or NULL
 */
struct ntm_test_job {
	struct ntm_job job;
	struct ntm_order_test *test;
	int number;
	struct ntm_test_job *ends;
};

/*
 * struct ntm_order_test - jobs, and what became of them
 * @order:	theirs
 * @jobs:	in the order in which they enter
 * @out:	numbers, as they were delivered
 * @count:	of them
 * @within:	a job is being delivered
 * @nested:	another one was delivered meanwhile
 */
struct ntm_order_test {
	struct ntm_order order;
	struct ntm_test_job jobs[NTM_TEST_JOBS];
	int out[NTM_TEST_JOBS];
	int count;
	bool within;
	bool nested;
};

static void ntm_test_deliver(struct ntm_job *job)
{
	struct ntm_test_job *j = container_of(job, struct ntm_test_job, job);
	struct ntm_order_test *t = j->test;

	t->nested |= t->within;
	t->within = true;
	t->out[t->count++] = j->number;
	if (j->ends)
		ntm_order_done(&t->order, &j->ends->job);
	t->within = false;
}

static void ntm_test_reset(struct ntm_order_test *t, bool async)
{
	int i;

	memset(t, 0, sizeof(*t));
	ntm_order_init(&t->order, async);
	for (i = 0; i < NTM_TEST_JOBS; i++) {
		t->jobs[i].test = t;
		t->jobs[i].number = i;
		t->jobs[i].job.deliver = ntm_test_deliver;
	}
}

static void ntm_test_enter(struct ntm_order_test *t, int number)
{
	local_bh_disable();
	ntm_order_enter(&t->order, &t->jobs[number].job);
	local_bh_enable();
}

static void ntm_test_done(struct ntm_order_test *t, int number)
{
	local_bh_disable();
	ntm_order_done(&t->order, &t->jobs[number].job);
	local_bh_enable();
}

static struct ntm_order_test *ntm_order_of(struct kunit *test, bool async)
{
	struct ntm_order_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	ntm_test_reset(t, async);
	return t;
}

static void ntm_test_in_order(struct kunit *test, struct ntm_order_test *t, int count)
{
	int i;

	KUNIT_ASSERT_EQ(test, t->count, count);
	for (i = 0; i < count; i++)
		KUNIT_EXPECT_EQ(test, t->out[i], i);
	KUNIT_EXPECT_FALSE(test, t->nested);
}

/* An AEAD that is done at once: nothing waits for anything. */
static void ntm_order_sync(struct kunit *test)
{
	struct ntm_order_test *t = ntm_order_of(test, false);

	ntm_test_enter(t, 0);
	ntm_test_enter(t, 1);
	ntm_test_done(t, 1);
	KUNIT_EXPECT_EQ(test, t->count, 1);
	KUNIT_EXPECT_EQ(test, t->out[0], 1);
	ntm_test_done(t, 0);
	KUNIT_EXPECT_EQ(test, t->count, 2);
	KUNIT_EXPECT_TRUE(test, list_empty(&t->order.jobs));
}

static void ntm_order_waits(struct kunit *test)
{
	struct ntm_order_test *t = ntm_order_of(test, true);

	ntm_test_enter(t, 0);
	ntm_test_enter(t, 1);
	ntm_test_enter(t, 2);
	ntm_test_done(t, 2);
	ntm_test_done(t, 1);
	KUNIT_EXPECT_EQ(test, t->count, 0);
	ntm_test_done(t, 0);
	ntm_test_in_order(test, t, 3);
	/* Those that come later wait for none of them. */
	ntm_test_enter(t, 3);
	ntm_test_done(t, 3);
	ntm_test_in_order(test, t, 4);
	KUNIT_EXPECT_TRUE(test, list_empty(&t->order.jobs));
}

/* The @n-th of all orders in which the jobs may be completed. */
static void ntm_test_permutation(int n, int *out)
{
	int left[NTM_TEST_JOBS], i, k;

	for (i = 0; i < NTM_TEST_JOBS; i++)
		left[i] = i;
	for (i = 0; i < NTM_TEST_JOBS; i++) {
		k = n % (NTM_TEST_JOBS - i);
		n /= NTM_TEST_JOBS - i;
		out[i] = left[k];
		memmove(&left[k], &left[k + 1], (NTM_TEST_JOBS - 1 - k) * sizeof(*left));
	}
}

static void ntm_order_any(struct kunit *test)
{
	struct ntm_order_test *t = ntm_order_of(test, true);
	int completes[NTM_TEST_JOBS], n, i;

	for (n = 0; n < 120; n++) {
		ntm_test_reset(t, true);
		ntm_test_permutation(n, completes);
		for (i = 0; i < NTM_TEST_JOBS; i++)
			ntm_test_enter(t, i);
		for (i = 0; i < NTM_TEST_JOBS; i++)
			ntm_test_done(t, completes[i]);
		ntm_test_in_order(test, t, NTM_TEST_JOBS);
	}
}

/* One that completes while another is being delivered, as on another processor, is left to whoever delivers that. */
static void ntm_order_within(struct kunit *test)
{
	struct ntm_order_test *t = ntm_order_of(test, true);
	int i;

	for (i = 0; i < NTM_TEST_JOBS; i++)
		ntm_test_enter(t, i);
	t->jobs[0].ends = &t->jobs[2];
	t->jobs[1].ends = &t->jobs[4];
	ntm_test_done(t, 1);
	ntm_test_done(t, 0);
	ntm_test_in_order(test, t, 3);
	ntm_test_done(t, 3);
	ntm_test_in_order(test, t, 5);
	KUNIT_EXPECT_FALSE(test, t->order.busy);
}

/*
 * struct ntm_crowd - more jobs than are delivered at one go
 * @order:	theirs
 * @jobs:	in the order in which they enter
 * @task:	the test
 * @next:	the one to be delivered next
 * @wrong:	another one was
 * @here:	how many the test delivered itself
 */
struct ntm_crowd {
	struct ntm_order order;
	struct ntm_job jobs[NTM_ORDER_MAX + 1];
	struct task_struct *task;
	int next;
	bool wrong;
	int here;
};

/* The order's jobs are one crowd's: there is no room in a job for whose it is. */
static struct ntm_crowd *ntm_crowd;

static void ntm_crowd_deliver(struct ntm_job *job)
{
	struct ntm_crowd *c = ntm_crowd;

	c->wrong |= job != &c->jobs[c->next];
	c->here += current == c->task;
	WRITE_ONCE(c->next, c->next + 1);
}

/* @count jobs that wait for the first of them alone. */
static struct ntm_crowd *ntm_crowd_of(struct kunit *test, int count)
{
	struct ntm_crowd *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, c);
	ntm_crowd = c;
	c->task = current;
	ntm_order_init(&c->order, true);
	local_bh_disable();
	for (i = 0; i < count; i++) {
		c->jobs[i].deliver = ntm_crowd_deliver;
		KUNIT_EXPECT_TRUE(test, ntm_order_enter(&c->order, &c->jobs[i]));
	}
	for (i = 1; i < count; i++)
		ntm_order_done(&c->order, &c->jobs[i]);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, c->next, 0);
	return c;
}

static void ntm_crowd_goes(struct ntm_crowd *c)
{
	local_bh_disable();
	ntm_order_done(&c->order, &c->jobs[0]);
	local_bh_enable();
}

/* All of them leave, though nobody completes another. */
static void ntm_crowd_leaves(struct kunit *test, struct ntm_crowd *c, int count)
{
	int tries = 100;

	while (READ_ONCE(c->next) < count && --tries)
		msleep(20);
	ntm_order_end(&c->order);
	KUNIT_EXPECT_EQ(test, c->next, count);
	KUNIT_EXPECT_FALSE(test, c->wrong);
	KUNIT_EXPECT_EQ(test, c->order.count, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&c->order.jobs));
}

/* Whoever completes the one that many wait for delivers some of them; the rest goes without him. */
static void ntm_order_many(struct kunit *test)
{
	struct ntm_crowd *c = ntm_crowd_of(test, 10 * NTM_ORDER_RUN);

	ntm_crowd_goes(c);
	KUNIT_EXPECT_EQ(test, c->here, NTM_ORDER_RUN);
	ntm_crowd_leaves(test, c, 10 * NTM_ORDER_RUN);
	KUNIT_EXPECT_EQ(test, c->here, NTM_ORDER_RUN);
}

/* And no more than so many may wait. */
static void ntm_order_full(struct kunit *test)
{
	struct ntm_crowd *c = ntm_crowd_of(test, NTM_ORDER_MAX);
	struct ntm_job *more = &c->jobs[NTM_ORDER_MAX];
	bool entered;

	more->deliver = ntm_crowd_deliver;
	local_bh_disable();
	entered = ntm_order_enter(&c->order, more);
	local_bh_enable();
	KUNIT_ASSERT_FALSE(test, entered);
	ntm_crowd_goes(c);
	ntm_crowd_leaves(test, c, NTM_ORDER_MAX);
	local_bh_disable();
	KUNIT_EXPECT_TRUE(test, ntm_order_enter(&c->order, more));
	ntm_order_done(&c->order, more);
	local_bh_enable();
	ntm_crowd_leaves(test, c, NTM_ORDER_MAX + 1);
}

static struct kunit_case ntm_order_cases[] = {
	KUNIT_CASE(ntm_order_sync),
	KUNIT_CASE(ntm_order_waits),
	KUNIT_CASE(ntm_order_any),
	KUNIT_CASE(ntm_order_within),
	KUNIT_CASE(ntm_order_many),
	KUNIT_CASE(ntm_order_full),
	{}
};

static struct kunit_suite ntm_order_suite = {
	.name = "ntmobile-order",
	.test_cases = ntm_order_cases,
};

kunit_test_suite(ntm_order_suite);
