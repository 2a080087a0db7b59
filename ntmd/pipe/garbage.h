/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that lanes may still be using. What was made unreachable is freed when every vector that was filled before has been
 * drained (lane.h): the lanes' counters are the grace period.
 */
#ifndef NTM_PIPE_GARBAGE_H
#define NTM_PIPE_GARBAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "pipe/lane.h"

#define NTM_GARBAGE_LANES 2

/** struct ntm_garbage - stands first in what is freed later */
struct ntm_garbage {
	struct ntm_garbage *next;
	void (*destroy)(struct ntm_garbage *garbage);
	uint64_t marks[NTM_GARBAGE_LANES];
};

/**
 * struct ntm_garbage_bin - @fresh: any thread pushes; the rest is the owner's
 * @lanes:	whose vectors see it, NULL: none
 * @wake:	called from any thread when there is garbage (and there was none): the owner is to collect it; NULL: it looks by itself
 */
struct ntm_garbage_bin {
	struct ntm_lane *lanes[NTM_GARBAGE_LANES];
	void (*wake)(void *ctx);
	void *ctx;
	struct ntm_garbage *_Atomic fresh;
	struct ntm_garbage *waiting;
};

/** ntm_garbage_discard() - any thread: @garbage is no longer reachable. @destroy may be ntm_garbage_free() */
void ntm_garbage_discard(struct ntm_garbage_bin *bin, struct ntm_garbage *garbage,
			 void (*destroy)(struct ntm_garbage *));
void ntm_garbage_free(struct ntm_garbage *garbage);
/** ntm_garbage_collect() - the owner: free what can be freed. True if something still waits. */
bool ntm_garbage_collect(struct ntm_garbage_bin *bin);
/** ntm_garbage_empty() - the lanes have ended: free all */
void ntm_garbage_empty(struct ntm_garbage_bin *bin);

#endif
