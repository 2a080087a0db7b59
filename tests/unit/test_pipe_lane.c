// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/lane.c */
/* tsan: yes */
/* Lanes: every vector is worked on once and drained in order, by none, one or four more threads; full rings, and ends. */
#include "ntm_test.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pipe/lane.h"

#define RING 8u
#define VECTORS 20000u
#define LANES 2

/** struct vec - @number: which one it is; plain fields, so that TSan sees who does not wait for whom */
struct vec {
	uint64_t number, worked;
	unsigned int thread;
};

/** struct source - what a lane reads from: @end vectors, of which @ready are there */
struct source {
	uint64_t filled, end;
	uint64_t drained; /* the drainer's */
	atomic_bool draining, hold;
	atomic_uint working, most, waits, kicks;
	atomic_uint by_thread[8];
	pthread_mutex_t lock;
	pthread_cond_t kicked;
	uint64_t ready;
	bool woken;
	unsigned int work_us, drain_us, burst;
	enum ntm_lane_fill last;
};

static struct source sources[LANES];
static struct ntm_lane lanes[LANES];
static struct ntm_crew crew;
static struct vec vecs[LANES][RING];

static void nap(unsigned int us)
{
	if (us)
		usleep(us);
}

static enum ntm_lane_fill fill(void *ctx, void *v)
{
	struct source *s = ctx;
	struct vec *vec = v;
	bool there;

	if (s->filled == s->end)
		return s->last;
	pthread_mutex_lock(&s->lock);
	there = s->filled < s->ready;
	pthread_mutex_unlock(&s->lock);
	if (!there)
		return NTM_LANE_EMPTY;
	vec->number = s->filled++;
	vec->worked = 0;
	return s->burst && s->filled % s->burst ? NTM_LANE_MORE : NTM_LANE_SOME;
}

static void work(void *ctx, void *v, unsigned int thread)
{
	struct source *s = ctx;
	struct vec *vec = v;
	unsigned int now = atomic_fetch_add(&s->working, 1) + 1, most = atomic_load(&s->most);

	while (now > most && !atomic_compare_exchange_weak(&s->most, &most, now))
		;
	nap(s->work_us);
	vec->worked++;
	vec->thread = thread;
	atomic_fetch_add(&s->by_thread[thread], 1);
	atomic_fetch_sub(&s->working, 1);
}

static void drain(void *ctx, void *v, unsigned int thread)
{
	struct source *s = ctx;
	struct vec *vec = v;

	(void)thread;
	if (atomic_exchange(&s->draining, true))
		abort(); /* two at once */
	if (vec->number != s->drained || vec->worked != 1)
		abort(); /* out of order, or not once */
	while (atomic_load(&s->hold))
		nap(100);
	nap(s->drain_us);
	s->drained++;
	atomic_store(&s->draining, false);
}

static void wait_for(void *ctx)
{
	struct source *s = ctx;

	atomic_fetch_add(&s->waits, 1);
	pthread_mutex_lock(&s->lock);
	while (!s->woken && s->filled >= s->ready)
		pthread_cond_wait(&s->kicked, &s->lock);
	s->woken = false;
	pthread_mutex_unlock(&s->lock);
}

static void kick(void *ctx)
{
	struct source *s = ctx;

	atomic_fetch_add(&s->kicks, 1);
	pthread_mutex_lock(&s->lock);
	s->woken = true;
	pthread_cond_signal(&s->kicked);
	pthread_mutex_unlock(&s->lock);
}

static const struct ntm_lane_ops ops = { .fill = fill,
					 .work = work,
					 .drain = drain,
					 .wait = wait_for,
					 .kick = kick };

static void give(struct source *s, uint64_t count)
{
	pthread_mutex_lock(&s->lock);
	s->ready += count;
	pthread_cond_signal(&s->kicked);
	pthread_mutex_unlock(&s->lock);
}

static void make(unsigned int i, uint64_t end, unsigned int burst)
{
	void *ring[RING];

	memset(&sources[i], 0, sizeof(sources[i]));
	pthread_mutex_init(&sources[i].lock, NULL);
	pthread_cond_init(&sources[i].kicked, NULL);
	sources[i].end = end;
	sources[i].burst = burst;
	sources[i].last = NTM_LANE_END;
	for (unsigned int j = 0; j < RING; j++)
		ring[j] = &vecs[i][j];
	ntm_lane_init(&lanes[i], &ops, &sources[i], ring, RING, i);
}

static void start(unsigned int count, unsigned int threads)
{
	struct ntm_lane *const all[LANES] = { &lanes[0], &lanes[1] };

	assert_int_equal(ntm_crew_start(&crew, all, count, threads, LANES), 0);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(ntm_lane_start(&lanes[i], &crew), 0);
}

static void stop(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		ntm_lane_stop(&lanes[i]);
	ntm_crew_stop(&crew);
	for (unsigned int i = 0; i < count; i++) {
		assert_true(atomic_load(&lanes[i].ended));
		assert_int_equal(atomic_load(&lanes[i].head), sources[i].filled);
		assert_int_equal(atomic_load(&lanes[i].tail), sources[i].filled);
		assert_int_equal(sources[i].drained,
				 sources[i].filled); /* what was read is drained */
		pthread_cond_destroy(&sources[i].kicked);
		pthread_mutex_destroy(&sources[i].lock);
	}
}

static void until_ended(unsigned int i)
{
	for (unsigned int ms = 0; ms < 20000 && !atomic_load(&lanes[i].ended); ms++)
		nap(1000);
	assert_true(atomic_load(&lanes[i].ended));
}

static void run(unsigned int threads, unsigned int burst)
{
	for (unsigned int i = 0; i < LANES; i++) {
		make(i, VECTORS, burst);
		give(&sources[i], VECTORS);
	}
	start(LANES, threads);
	for (unsigned int i = 0; i < LANES; i++)
		until_ended(i);
	stop(LANES);
	for (unsigned int i = 0; i < LANES; i++) {
		assert_int_equal(sources[i].drained, VECTORS);
		assert_true(atomic_load(&sources[i].most) <= threads + 1);
	}
}

static void test_order(void **state)
{
	static const unsigned int threads[] = { 0, 1, 4 }, bursts[] = { 0, 3, VECTORS + 1 };

	(void)state;
	for (unsigned int t = 0; t < 3; t++)
		for (unsigned int b = 0; b < 3; b++)
			run(threads[t], bursts[b]);
}

/* Without a crew the reader does all; alone standing vectors it does itself anyway */
static void test_who(void **state)
{
	(void)state;
	make(0, 100, 101);
	give(&sources[0], 100);
	start(1, 0);
	until_ended(0);
	stop(1);
	assert_int_equal(atomic_load(&sources[0].by_thread[0]), 100);

	make(0, 100, 101);
	give(&sources[0], 100);
	sources[0].work_us = 1000;
	start(1, 4);
	until_ended(0);
	stop(1);
	assert_true(atomic_load(&sources[0].by_thread[0]) < 100); /* the crew had its share */
	assert_true(atomic_load(&sources[0].most) > 1);
}

/* A drain that takes long: the ring fills up, the reader waits and is not lost */
static void test_full(void **state)
{
	(void)state;
	for (unsigned int threads = 0; threads < 3; threads++) {
		make(0, 100, 101);
		give(&sources[0], 100);
		atomic_store(&sources[0].hold, true);
		start(1, threads);
		nap(50000);
		assert_true(atomic_load(&lanes[0].head) <= RING);
		assert_int_equal(atomic_load(&lanes[0].tail), 0);
		atomic_store(&sources[0].hold, false);
		until_ended(0);
		stop(1);
		assert_int_equal(sources[0].drained, 100);
	}
}

static uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Percent of a processor that this process takes */
static uint64_t busy(void)
{
	const uint64_t wall = clock_us(CLOCK_MONOTONIC), cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t took;

	nap(200000);
	took = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	return took * 100 / (clock_us(CLOCK_MONOTONIC) - wall);
}

/*
 * A reader that naps at a full ring does not spin, while it is the crew that drains (the first vector, for which there is no other
 * one to do). A nap may take longer than it should, and then there are more of the reader's. Where a machine stands still while a
 * thread runs, that counts as its processor time; one that spins does so each time.
 */
static void test_full_is_idle(void **state)
{
	uint64_t least = UINT64_MAX;

	(void)state;
	make(0, 100, 101);
	give(&sources[0], 1);
	atomic_store(&sources[0].hold, true);
	start(1, 1);
	while (!atomic_load(&sources[0].draining))
		nap(1000);
	give(&sources[0], 99);
	nap(20000);
	for (unsigned int i = 0; i < 3 && least > 60; i++) {
		const uint64_t percent = busy();

		least = percent < least ? percent : least;
	}
	assert_in_range(least, 0, 60);
	atomic_store(&sources[0].hold, false);
	until_ended(0);
	stop(1);
}

static void test_stop_busy(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		for (unsigned int lane = 0; lane < LANES; lane++) {
			make(lane, UINT64_MAX, i % 5);
			give(&sources[lane], UINT64_MAX / 2);
			sources[lane].work_us = i % 3;
			sources[lane].drain_us = i % 7 == 0;
		}
		start(LANES, i % 4);
		nap(i * 7 % 1000);
		stop(LANES);
	}
}

/* Stopping what never had anything to do; and what was never started */
static void test_stop_idle(void **state)
{
	(void)state;
	for (unsigned int threads = 0; threads < 5; threads += 2) {
		make(0, UINT64_MAX, 0);
		start(1, threads);
		nap(1000);
		stop(1);
		assert_int_equal(atomic_load(&sources[0].kicks), 1);
	}
	make(0, 1, 0);
	ntm_lane_stop(&lanes[0]);
	assert_int_equal(atomic_load(&sources[0].kicks), 0);
}

/* One at a time: what came is drained although nothing follows it */
static void test_trickle(void **state)
{
	(void)state;
	for (unsigned int threads = 0; threads < 5; threads += 2) {
		make(0, UINT64_MAX, 2);
		start(1, threads);
		for (unsigned int n = 1; n <= 200; n++) {
			give(&sources[0], 1);
			for (unsigned int ms = 0; atomic_load(&lanes[0].tail) < n && ms < 5000;
			     ms++)
				nap(100);
			assert_int_equal(atomic_load(&lanes[0].tail), n);
		}
		stop(1);
	}
}

/* The mark counts what was read before, and is passed when the last of these is drained */
static void test_mark(void **state)
{
	uint64_t mark;

	(void)state;
	make(0, 3, 4);
	assert_true(ntm_lane_passed(&lanes[0], ntm_lane_mark(&lanes[0])));
	give(&sources[0], 2);
	atomic_store(&sources[0].hold, true);
	start(1, 1);
	for (unsigned int ms = 0; ms < 5000 && atomic_load(&lanes[0].head) < 2; ms++)
		nap(1000);
	mark = ntm_lane_mark(&lanes[0]);
	assert_int_equal(mark, 2);
	nap(5000);
	assert_false(ntm_lane_passed(&lanes[0], mark));
	atomic_store(&sources[0].hold, false);
	for (unsigned int ms = 0; ms < 5000 && !ntm_lane_passed(&lanes[0], mark); ms++)
		nap(1000);
	assert_true(ntm_lane_passed(&lanes[0], mark));
	assert_false(ntm_lane_passed(&lanes[0], mark + 1));
	give(&sources[0], 1);
	until_ended(0);
	stop(1);
	assert_true(ntm_lane_passed(&lanes[0], mark + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	  cmocka_unit_test(test_who),
		cmocka_unit_test(test_full),	  cmocka_unit_test(test_full_is_idle),
		cmocka_unit_test(test_stop_busy), cmocka_unit_test(test_stop_idle),
		cmocka_unit_test(test_trickle),	  cmocka_unit_test(test_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
