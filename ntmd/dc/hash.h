/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An open-addressing hash of 32-bit values (indices into somebody's array), 8 bytes a slot. The keys stay where they
 * are: the owner compares them. SipHash with a random key, so that no stranger can choose collisions.
 */
#ifndef NTM_DC_HASH_H
#define NTM_DC_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTM_HASH_NONE UINT32_MAX

struct ntm_hash_slot {
	uint32_t hash;
	uint32_t value; /* NTM_HASH_NONE: free */
};

struct ntm_hash {
	struct ntm_hash_slot *slots;
	uint32_t mask;
	uint32_t count;
	uint8_t key[16];
};

/** typedef ntm_hash_eq_fn - is @key that of @value? */
typedef bool ntm_hash_eq_fn(const void *ctx, uint32_t value, const void *key);

int ntm_hash_init(struct ntm_hash *h, uint32_t expected); /* 0 or -ENOMEM */
void ntm_hash_free(struct ntm_hash *h);
/** ntm_hash_reserve() - make room for @more inserts, which then cannot fail; 0 or -ENOMEM */
int ntm_hash_reserve(struct ntm_hash *h, uint32_t more);
/** ntm_hash_insert() - the caller has made sure that the key is not there; 0 or -ENOMEM */
int ntm_hash_insert(struct ntm_hash *h, const void *key, size_t len, uint32_t value);
uint32_t ntm_hash_find(const struct ntm_hash *h, const void *key, size_t len, ntm_hash_eq_fn *eq,
		       const void *ctx);
/** ntm_hash_remove() - take out @value, stored under this key; false: it was not there */
bool ntm_hash_remove(struct ntm_hash *h, const void *key, size_t len, uint32_t value);

#endif
