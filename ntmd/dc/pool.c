// SPDX-License-Identifier: GPL-2.0
#include "dc/pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BITS 24u /* a bitmap of 2 MB */
#define RESERVED 2u  /* network, first */

static unsigned int width(const struct ntm_pool_spec *spec)
{
	return spec->family == AF_INET ? 32 : 128;
}

static bool host_bits_zero(const struct ntm_pool_spec *spec)
{
	unsigned int bit;

	for (bit = spec->prefix; bit < width(spec); bit++) {
		if (spec->base[bit / 8] & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

const char *ntm_pool_parse(struct ntm_pool_spec *spec, int family, const char *text)
{
	unsigned int longest = family == AF_INET ? 30 : 126;
	char addr[64], *slash, *end;
	unsigned long prefix;

	memset(spec, 0, sizeof(*spec));
	if (snprintf(addr, sizeof(addr), "%s", text) >= (int)sizeof(addr))
		return "too long for a prefix";
	slash = strchr(addr, '/');
	if (!slash || slash[1] < '0' || slash[1] > '9')
		return "not of the form ADDRESS/LENGTH";
	*slash = '\0';
	prefix = strtoul(slash + 1, &end, 10);
	if (*end || inet_pton(family, addr, spec->base) != 1)
		return family == AF_INET ? "not an IPv4 prefix" : "not an IPv6 prefix";
	if (prefix < 8 || prefix > longest)
		return family == AF_INET ? "the prefix length must be 8 to 30" :
					   "the prefix length must be 8 to 126";
	spec->prefix = prefix;
	spec->family = family;
	if (host_bits_zero(spec))
		return NULL;
	spec->family = 0;
	return "there are bits set behind the prefix length";
}

int ntm_pool_init(struct ntm_pool *pool, const struct ntm_pool_spec *spec)
{
	unsigned int host;

	memset(pool, 0, sizeof(*pool));
	pool->spec = *spec;
	if (!spec->family)
		return 0;
	host = width(spec) - spec->prefix;
	pool->size = (uint64_t)1 << (host < MAX_BITS ? host : MAX_BITS);
	pool->bits = calloc((pool->size + 63) / 64, sizeof(*pool->bits));
	if (!pool->bits)
		return -ENOMEM;
	pool->bits[0] = 3; /* RESERVED */
	if (spec->family == AF_INET)
		pool->bits[(pool->size - 1) / 64] |= (uint64_t)1 << (pool->size - 1) % 64;
	return 0;
}

void ntm_pool_free(struct ntm_pool *pool)
{
	free(pool->bits);
	memset(pool, 0, sizeof(*pool));
}

static void address_of(const struct ntm_pool *pool, uint64_t index, uint8_t *addr)
{
	unsigned int bytes = width(&pool->spec) / 8;
	unsigned int i;

	memcpy(addr, pool->spec.base, bytes);
	for (i = 1; i <= 4; i++) /* an index has 24 bits at most */
		addr[bytes - i] |= index >> 8 * (i - 1);
}

/* The bitmap's index of an address in the pool, or UINT64_MAX if it lies behind the bitmap. */
static uint64_t index_of(const struct ntm_pool *pool, const uint8_t *addr)
{
	unsigned int bytes = width(&pool->spec) / 8;
	uint64_t index = 0;
	unsigned int i;

	for (i = 0; i < bytes; i++) {
		uint8_t host = addr[i] ^ pool->spec.base[i];

		if (index >> 56)
			return UINT64_MAX;
		index = index << 8 | host;
	}
	return index < pool->size ? index : UINT64_MAX;
}

bool ntm_pool_contains(const struct ntm_pool_spec *spec, const void *addr)
{
	const uint8_t *a = addr;
	unsigned int bytes = spec->prefix / 8, rest = spec->prefix % 8;

	if (!spec->family || memcmp(a, spec->base, bytes) != 0)
		return false;
	return !rest || !((a[bytes] ^ spec->base[bytes]) >> (8 - rest));
}

int ntm_pool_take(struct ntm_pool *pool, void *addr)
{
	uint64_t words = (pool->size + 63) / 64;

	for (; pool->cursor < words; pool->cursor++) {
		uint64_t free_bits = ~pool->bits[pool->cursor];
		uint64_t index;

		if (!free_bits)
			continue;
		index = pool->cursor * 64 + __builtin_ctzll(free_bits);
		if (index >= pool->size) /* a pool smaller than a word */
			break;
		pool->bits[pool->cursor] |= free_bits & -free_bits;
		pool->used++;
		address_of(pool, index, addr);
		return 0;
	}
	return -ENOSPC;
}

int ntm_pool_claim(struct ntm_pool *pool, const void *addr)
{
	uint64_t index, bit;

	if (!ntm_pool_contains(&pool->spec, addr))
		return -ERANGE;
	index = index_of(pool, addr);
	if (index ==
	    UINT64_MAX) /* out of the bitmap's sight: never given out again, which is all a claim asks */
		return 0;
	bit = (uint64_t)1 << index % 64;
	if (pool->bits[index / 64] & bit)
		return -EEXIST;
	pool->bits[index / 64] |= bit;
	pool->used++;
	return 0;
}

void ntm_pool_release(struct ntm_pool *pool, const void *addr)
{
	uint64_t index = index_of(pool, addr);

	if (index == UINT64_MAX)
		return;
	pool->bits[index / 64] &= ~((uint64_t)1 << index % 64);
	pool->used--;
	if (index / 64 < pool->cursor)
		pool->cursor = index / 64;
}

uint64_t ntm_pool_room(const struct ntm_pool *pool)
{
	if (!pool->spec.family)
		return 0;
	return pool->size - RESERVED - (pool->spec.family == AF_INET);
}
