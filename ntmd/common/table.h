/* SPDX-License-Identifier: GPL-2.0 */
/* A hash table of links that stand inside their objects. Grows, never fails: without memory its chains get longer. */
#ifndef NTM_TABLE_H
#define NTM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ntm_link {
	struct ntm_link *next;
	uint64_t hash;
	void *object;
	bool linked;
};

struct ntm_table {
	struct ntm_link **buckets;
	struct ntm_link *few[1]; /* the buckets before the first growth */
	size_t size, count;
};

void ntm_table_init(struct ntm_table *table);
void ntm_table_done(struct ntm_table *table); /* links are left as they are */
uint64_t ntm_table_hash(const void *key,
			size_t len); /* keyed: nobody outside can make it collide */
void ntm_table_add(struct ntm_table *table, struct ntm_link *link, uint64_t hash, void *object);
void ntm_table_remove(struct ntm_table *table,
		      struct ntm_link *link); /* nothing if it is not linked */
/** ntm_table_first() / _next() - links of this hash; the caller compares the key */
struct ntm_link *ntm_table_first(const struct ntm_table *table, uint64_t hash);
struct ntm_link *ntm_table_next(const struct ntm_link *link);

#endif
