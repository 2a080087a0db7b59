// SPDX-License-Identifier: GPL-2.0
#include "pipe/lane.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { FREE, READY, BUSY, DONE };

#define RING_ALONE 4u
#define NAP_NS 200000 /* while others finish the whole ring */

static struct ntm_lane_slot *slot_of(struct ntm_lane *lane, uint64_t n)
{
	return &lane->slot[n & (lane->size - 1)];
}

/* Draining */

static bool done_at_tail(struct ntm_lane *lane)
{
	const uint64_t tail = atomic_load(&lane->tail);

	return atomic_load(&slot_of(lane, tail)->state) == DONE;
}

static void drain_done(struct ntm_lane *lane, unsigned int thread)
{
	while (done_at_tail(lane)) {
		const uint64_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
		struct ntm_lane_slot *slot = slot_of(lane, tail);

		lane->ops->drain(lane->ctx, slot->vec, thread);
		atomic_store(&slot->state, FREE);
		atomic_store(&lane->tail, tail + 1);
	}
}

/*
 * A thread that finds another one draining leaves its vector to it: either that one still sees it DONE, or it has let go of
 * @draining and sees it when it looks again. All of this is sequentially consistent for that reason.
 */
static void drain(struct ntm_lane *lane, unsigned int thread)
{
	do {
		if (atomic_exchange(&lane->draining, true))
			return;
		drain_done(lane, thread);
		atomic_store(&lane->draining, false);
	} while (done_at_tail(lane));
}

/* Working */

static bool claim(struct ntm_lane *lane, struct ntm_lane_slot **slot)
{
	uint64_t n = atomic_load(&lane->claim);

	while (n != atomic_load(&lane->head)) {
		if (atomic_compare_exchange_weak(&lane->claim, &n, n + 1)) {
			*slot = slot_of(lane, n);
			return true;
		}
	}
	return false;
}

static bool work_one(struct ntm_lane *lane, unsigned int thread)
{
	struct ntm_lane_slot *slot;

	if (!claim(lane, &slot))
		return false;
	atomic_store_explicit(&slot->state, BUSY, memory_order_relaxed);
	lane->ops->work(lane->ctx, slot->vec, thread);
	atomic_store(&slot->state, DONE);
	drain(lane, thread);
	return true;
}

/* The crew */

static bool crew_work(struct ntm_crew *crew, unsigned int thread)
{
	bool any = false;

	for (unsigned int i = 0; i < crew->lane_count; i++)
		any = work_one(crew->lanes[i], thread) || any;
	return any;
}

static bool work_waits(const struct ntm_crew *crew)
{
	for (unsigned int i = 0; i < crew->lane_count; i++)
		if (atomic_load(&crew->lanes[i]->claim) != atomic_load(&crew->lanes[i]->head))
			return true;
	return false;
}

static void crew_sleep(struct ntm_crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	atomic_fetch_add(&crew->asleep, 1);
	while (!atomic_load(&crew->stop) && !work_waits(crew))
		pthread_cond_wait(&crew->work, &crew->lock);
	atomic_fetch_sub(&crew->asleep, 1);
	pthread_mutex_unlock(&crew->lock);
}

static void crew_wake(struct ntm_crew *crew)
{
	if (!atomic_load(&crew->asleep))
		return;
	pthread_mutex_lock(&crew->lock);
	pthread_cond_signal(&crew->work);
	pthread_mutex_unlock(&crew->lock);
}

static void *crew_main(void *arg)
{
	struct ntm_crew *crew = arg;
	unsigned int thread;

	pthread_mutex_lock(&crew->lock);
	thread = crew->first_thread++;
	pthread_mutex_unlock(&crew->lock);
	while (!atomic_load(&crew->stop))
		if (!crew_work(crew, thread))
			crew_sleep(crew);
	return NULL;
}

/* Signals are the main thread's */
static int spawn(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int ntm_crew_start(struct ntm_crew *crew, struct ntm_lane *const *lanes, unsigned int lane_count,
		   unsigned int count, unsigned int first_thread)
{
	int err;

	memset(crew, 0, sizeof(*crew));
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->work, NULL);
	memcpy(crew->lanes, lanes, lane_count * sizeof(*lanes));
	crew->lane_count = lane_count;
	crew->first_thread = first_thread;
	for (; crew->count < count; crew->count++) {
		err = spawn(&crew->threads[crew->count], crew_main, crew);
		if (err) {
			ntm_crew_stop(crew);
			return err;
		}
	}
	return 0;
}

void ntm_crew_stop(struct ntm_crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	atomic_store(&crew->stop, true);
	pthread_cond_broadcast(&crew->work);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned int i = 0; i < crew->count; i++)
		pthread_join(crew->threads[i], NULL);
	crew->count = 0;
	pthread_cond_destroy(&crew->work);
	pthread_mutex_destroy(&crew->lock);
}

/* The reader */

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}

/* Until the reader has a vector to fill */
static void make_room(struct ntm_lane *lane, const struct ntm_lane_slot *slot)
{
	while (atomic_load(&slot->state) != FREE)
		if (!work_one(lane, lane->thread))
			nap();
}

static void *reader_main(void *arg)
{
	struct ntm_lane *lane = arg;
	enum ntm_lane_fill got;

	while (!atomic_load(&lane->stop)) {
		const uint64_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
		struct ntm_lane_slot *slot = slot_of(lane, head);

		make_room(lane, slot);
		got = lane->ops->fill(lane->ctx, slot->vec);
		if (got == NTM_LANE_END)
			break;
		if (got == NTM_LANE_EMPTY) {
			lane->ops->wait(lane->ctx);
			continue;
		}
		atomic_store(&slot->state, READY);
		atomic_store(&lane->head, head + 1);
		if (got == NTM_LANE_MORE && lane->crew->count)
			crew_wake(lane->crew);
		else
			while (work_one(lane, lane->thread))
				;
	}
	while (work_one(lane, lane->thread))
		;
	atomic_store(&lane->ended, true);
	return NULL;
}

unsigned int ntm_lane_ring(unsigned int crew)
{
	unsigned int size = RING_ALONE;

	while (size < RING_ALONE * (crew + 1) && size < NTM_LANE_MAX)
		size *= 2;
	return size;
}

int ntm_lane_vecs(void *vecs[], unsigned int count, size_t size)
{
	for (unsigned int i = 0; i < count; i++) {
		void *vec = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);

		if (vec == MAP_FAILED)
			return -ENOMEM;
		vecs[i] = vec;
	}
	return 0;
}

void ntm_lane_vecs_free(void *vecs[], unsigned int count, size_t size)
{
	for (unsigned int i = 0; i < count && vecs[i]; i++)
		munmap(vecs[i], size);
}

void ntm_lane_init(struct ntm_lane *lane, const struct ntm_lane_ops *ops, void *ctx,
		   void *const *vecs, unsigned int size, unsigned int thread)
{
	memset(lane, 0, sizeof(*lane));
	lane->ops = ops;
	lane->ctx = ctx;
	lane->size = size;
	lane->thread = thread;
	for (unsigned int i = 0; i < size; i++)
		lane->slot[i].vec = vecs[i];
}

int ntm_lane_start(struct ntm_lane *lane, struct ntm_crew *crew)
{
	int err;

	lane->crew = crew;
	err = spawn(&lane->reader, reader_main, lane);
	lane->started = !err;
	return err;
}

void ntm_lane_stop(struct ntm_lane *lane)
{
	if (!lane->started)
		return;
	atomic_store(&lane->stop, true);
	lane->ops->kick(lane->ctx);
	pthread_join(lane->reader, NULL);
	lane->started = false;
}

/*
 * Grace periods. Published pointers are stored and loaded with sequential consistency, and so is @head: a vector that this does
 * not count was filled later, and whoever works on it finds the pointer gone.
 */

uint64_t ntm_lane_mark(struct ntm_lane *lane)
{
	return atomic_load(&lane->head);
}

bool ntm_lane_passed(struct ntm_lane *lane, uint64_t mark)
{
	return atomic_load(&lane->tail) >= mark;
}
