/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A lane: one direction of the pipe. Vectors of packets go round a ring: the lane's reader fills one, any thread works
 * on it (that is where the cryptography is), and they are drained in the order in which they were filled, so that no packet
 * overtakes another.
 *
 *	FREE --reader fills--> READY --a thread claims--> BUSY --its work is done--> DONE --drained--> FREE
 *
 * Who finishes a vector drains all that are done from the ring's tail on, unless another thread is at it: that one looks again
 * before it goes. There is no lock. The reader works itself when there is no crew, when the crew has fallen behind, and on what
 * stands alone: waking another thread for a single packet would cost more than the packet.
 *
 * Memory that other threads may read is freed when ntm_lane_passed() says that every vector claimed before has been drained.
 */
#ifndef NTM_PIPE_LANE_H
#define NTM_PIPE_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTM_LANE_MAX 64 /* vectors */

enum ntm_lane_fill {
	NTM_LANE_EMPTY, /* nothing to read */
	NTM_LANE_SOME,	/* that was all */
	NTM_LANE_MORE,	/* the vector is full */
	NTM_LANE_END,	/* the source is gone for good */
};

/**
 * struct ntm_lane_ops - what a lane does
 * @fill:	reader only: read packets into @vec without waiting
 * @work:	any thread, several at once; @thread is the calling thread's number
 * @drain:	one thread at a time, in the order of the fills
 * @wait:	reader only: sleep until there is something to read, or @kick
 * @kick:	any thread: make @wait return
 */
struct ntm_lane_ops {
	enum ntm_lane_fill (*fill)(void *ctx, void *vec);
	void (*work)(void *ctx, void *vec, unsigned int thread);
	void (*drain)(void *ctx, void *vec, unsigned int thread);
	void (*wait)(void *ctx);
	void (*kick)(void *ctx);
};

struct ntm_crew;

struct ntm_lane_slot {
	_Atomic int state;
	void *vec;
};

/**
 * struct ntm_lane - a ring and its reader
 * @size:	vectors in the ring, a power of two
 * @thread:	number of the reader
 * @head:	vectors filled so far; the reader writes it
 * @claim:	vectors claimed so far
 * @tail:	vectors drained so far; who holds @draining writes it
 */
struct ntm_lane {
	const struct ntm_lane_ops *ops;
	void *ctx;
	struct ntm_crew *crew;
	unsigned int size, thread;
	pthread_t reader;
	bool started;
	atomic_bool stop, ended;
	struct ntm_lane_slot slot[NTM_LANE_MAX];
	_Atomic uint64_t head __attribute__((aligned(64)));
	_Atomic uint64_t claim __attribute__((aligned(64)));
	_Atomic uint64_t tail __attribute__((aligned(64)));
	atomic_bool draining;
};

/**
 * struct ntm_crew - threads that work for several lanes
 * @asleep:	how many wait; READY vectors beyond that need nobody woken
 */
struct ntm_crew {
	pthread_mutex_t lock;
	pthread_cond_t work;
	atomic_uint asleep;
	atomic_bool stop;
	struct ntm_lane *lanes[4];
	unsigned int lane_count, count, first_thread;
	pthread_t threads[64];
};

/** ntm_lane_ring() - how many vectors pay off beside a crew: enough that nobody waits for them, few enough to stay in the cache */
unsigned int ntm_lane_ring(unsigned int crew);
/** ntm_lane_vecs() - make @count vectors of @size bytes, whose pages are there once they are used; 0 or -ENOMEM */
int ntm_lane_vecs(void *vecs[], unsigned int count, size_t size);
void ntm_lane_vecs_free(void *vecs[], unsigned int count, size_t size); /* up to the first NULL */
/** ntm_lane_init() - @vecs: @size buffers, owned by the caller, power of two */
void ntm_lane_init(struct ntm_lane *lane, const struct ntm_lane_ops *ops, void *ctx,
		   void *const *vecs, unsigned int size, unsigned int thread);
int ntm_lane_start(struct ntm_lane *lane, struct ntm_crew *crew);
/** ntm_lane_stop() - the reader ends; what it left to the crew is drained when that stops */
void ntm_lane_stop(struct ntm_lane *lane);

/** ntm_lane_mark() - after making something unreachable: no later vector can meet it */
uint64_t ntm_lane_mark(struct ntm_lane *lane);
/** ntm_lane_passed() - and no earlier one still uses it */
bool ntm_lane_passed(struct ntm_lane *lane, uint64_t mark);

/** ntm_crew_start() - @count threads, numbered from @first_thread; none is fine. Before the lanes start. */
int ntm_crew_start(struct ntm_crew *crew, struct ntm_lane *const *lanes, unsigned int lane_count,
		   unsigned int count, unsigned int first_thread);
/** ntm_crew_stop() - after all lanes: their readers wake the crew. Then all that was read is drained. */
void ntm_crew_stop(struct ntm_crew *crew);

#endif
