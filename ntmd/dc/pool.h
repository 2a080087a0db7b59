/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pool of virtual addresses of one family. Addresses are counted from the prefix; 0 (network), 1 (where
 * nodes have their stub resolver) and, in IPv4, the last (broadcast) are never given out. At most 2^24 addresses of a pool are used.
 */
#ifndef NTM_DC_POOL_H
#define NTM_DC_POOL_H

#include <stdbool.h>
#include <stdint.h>

/** struct ntm_pool_spec - a prefix as configured; family 0: no pool */
struct ntm_pool_spec {
	int family;
	uint8_t base[16];
	uint8_t prefix;
};

struct ntm_pool {
	struct ntm_pool_spec spec;
	uint64_t size;	 /* addresses that the bitmap knows */
	uint64_t used;	 /* given out or claimed, of these */
	uint64_t cursor; /* word of the bitmap below which nothing is free */
	uint64_t *bits;
};

/** ntm_pool_parse() - "100.64.0.0/16" of @family; NULL or a reason */
const char *ntm_pool_parse(struct ntm_pool_spec *spec, int family, const char *text);
int ntm_pool_init(struct ntm_pool *pool,
		  const struct ntm_pool_spec *spec); /* 0 or -ENOMEM; family 0 is an empty pool */
void ntm_pool_free(struct ntm_pool *pool);
/** ntm_pool_take() - a free address; 0 or -ENOSPC */
int ntm_pool_take(struct ntm_pool *pool, void *addr);
/** ntm_pool_claim() - mark one as taken; 0, -ERANGE if it is outside of the pool, -EEXIST if it is taken */
int ntm_pool_claim(struct ntm_pool *pool, const void *addr);
/** ntm_pool_release() - give back what was taken and then not used */
void ntm_pool_release(struct ntm_pool *pool, const void *addr);
bool ntm_pool_contains(const struct ntm_pool_spec *spec, const void *addr);
/** ntm_pool_room() - addresses that can be given out in all */
uint64_t ntm_pool_room(const struct ntm_pool *pool);

#endif
