/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nodes of other zones, as their DCs described them: kept as long as one of our directions may need them. Each has a number that no
 * node of ours has and that is never given twice, so that directions can name either kind. No I/O, no clock.
 */
#ifndef NTM_DC_FOREIGNERS_H
#define NTM_DC_FOREIGNERS_H

#include "dc/director.h"
#include "dc/hash.h"

#define NTM_FOREIGN 0x80000000u /* set in a foreigner's number; registries stay below 2^31 nodes */
#define NTM_FOREIGNERS_MAX \
	20480u /* more than eight zones can ask for in the time below (zones.h: their rate) */
/* Longer than a direction is remembered (directions.h): 1.4 s of sending it again and 5 s more */
#define NTM_FOREIGNER_MS 10000

struct ntm_foreigner {
	uint32_t id;
	char name[NTM_NAME_MAX + 1];
	uint8_t key[32];
	bool has4, has6;
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t prefix4, prefix6;
	uint32_t suites;
	uint8_t nat;
	struct ntm_candidate candidates[NTM_CANDIDATES_MAX];
	unsigned int candidate_count;
	uint64_t used_ms;
	uint32_t prev, next; /* in the order of use, or free list */
};

struct ntm_foreigners {
	struct ntm_foreigner *all; /* NTM_FOREIGNERS_MAX; memory that was never used costs none */
	uint32_t used, count, free;
	uint32_t oldest, newest;
	uint32_t next_id;
	struct ntm_hash by_id, by_name;
};

int ntm_foreigners_init(struct ntm_foreigners *f); /* 0 or -ENOMEM */
void ntm_foreigners_free(struct ntm_foreigners *f);
/**
 * ntm_foreigners_put() - remember a node, or what is new of it
 *
 * @node->name, key, addresses, suites and candidates count. NULL: no memory, or there are too many. Good until it is expired.
 */
struct ntm_foreigner *ntm_foreigners_put(struct ntm_foreigners *f, const struct ntm_foreigner *node,
					 uint64_t now_ms);
struct ntm_foreigner *ntm_foreigners_get(const struct ntm_foreigners *f, uint32_t id);
struct ntm_foreigner *ntm_foreigners_by_name(const struct ntm_foreigners *f, const char *name);
/** ntm_foreigners_by_address() - the same by virtual address (@len 4 or 16), among those that were put since then: a few */
struct ntm_foreigner *ntm_foreigners_by_address(const struct ntm_foreigners *f, const uint8_t *addr,
						size_t len, uint64_t since_ms);
void ntm_foreigners_expire(struct ntm_foreigners *f, uint64_t now_ms);
/** ntm_foreigner_view() - as the director sees it; good as long as @node */
void ntm_foreigner_view(const struct ntm_foreigner *node, struct ntm_director_node *out);

#endif
