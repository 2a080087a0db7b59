/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A hash table that any thread reads without a lock while its owner changes it. Open addressing; replaced as a whole when it is
 * half full, and readers of the old one still find all that was there.
 */
#ifndef NTM_PIPE_INDEX_H
#define NTM_PIPE_INDEX_H

#include "pipe/garbage.h"

/** struct ntm_index_ops - @key: of an object (then its length is @len); for IDs, addresses */
struct ntm_index_ops {
	const void *(*key)(const void *object);
	size_t len;
};

struct ntm_index_slots;

/** struct ntm_index - zeroed, then ntm_index_init(); @bin: where replaced tables go */
struct ntm_index {
	const struct ntm_index_ops *ops;
	struct ntm_garbage_bin *bin;
	struct ntm_index_slots *_Atomic slots;
	uint8_t hash_key[16]; /* nobody outside can make it collide */
};

int ntm_index_init(struct ntm_index *index, const struct ntm_index_ops *ops,
		   struct ntm_garbage_bin *bin); /* 0 or -ENOMEM */
void ntm_index_done(struct ntm_index *index);	 /* the objects stay */
/** ntm_index_reserve() - room for one more: then ntm_index_add() cannot fail. 0 or -ENOMEM */
int ntm_index_reserve(struct ntm_index *index);
void ntm_index_add(struct ntm_index *index, void *object);
void ntm_index_remove(struct ntm_index *index, void *object); /* which is in it */
/** ntm_index_find() - any thread; NULL: none */
void *ntm_index_find(struct ntm_index *index, const void *key);
/** ntm_index_each() - the owner; @fn may remove the object it is given */
void ntm_index_each(struct ntm_index *index, void (*fn)(void *ctx, void *object), void *ctx);
size_t ntm_index_count(const struct ntm_index *index);

#endif
