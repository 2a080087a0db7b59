/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What waits for one tunnel: held DNS queries, packets that missed a path (they are held in the data
 * path), and pings of ntmctl. In the order they came. No I/O: who takes one off the list answers it.
 */
#ifndef NTM_QUERIES_H
#define NTM_QUERIES_H

#include "common/msg.h"
#include "resolver.h"

#define NTM_QUERY_HOLD_MS 2500u /* SERVFAIL within 3 s, on a busy machine too */
#define NTM_QUERY_HOLD_DOWN_MS \
	1000u		     /* where the DC is known to be down: a chance to have come back */
#define NTM_QUERIES_MAX 1024 /* of all peers together */

enum ntm_query_kind { NTM_QUERY_DNS, NTM_QUERY_MISS, NTM_QUERY_PING };

/** enum ntm_outcome - what became of a set-up */
enum ntm_outcome {
	NTM_OUTCOME_STANDS,
	NTM_OUTCOME_UNKNOWN, /* no such name */
	NTM_OUTCOME_FAILED,  /* offline, refused, DC down, too slow */
};

struct ntm_query {
	struct ntm_query *next;
	enum ntm_query_kind kind;
	uint64_t deadline_ms;
	uint64_t tag;		   /* DNS */
	struct ntm_dns_query *dns; /* DNS; owned */
	int family;		   /* miss */
	uint8_t virt[16];	   /* miss */
	void *ping;		   /* ping; borrowed */
};

struct ntm_queries {
	struct ntm_query *first, **last;
};

void ntm_queries_init(struct ntm_queries *list);
/* All: the new query, or NULL: too many wait, or no memory. The caller answers at once then. */
struct ntm_query *ntm_queries_dns(struct ntm_queries *list, uint64_t now_ms, uint64_t tag,
				  const struct ntm_dns_query *dns);
struct ntm_query *ntm_queries_miss(struct ntm_queries *list, uint64_t now_ms, int family,
				   const void *virt);
struct ntm_query *ntm_queries_ping(struct ntm_queries *list, uint64_t now_ms, uint32_t wait_ms,
				   void *ping);

/** ntm_queries_pop() - take the first off, or NULL; ntm_query_free() it */
struct ntm_query *ntm_queries_pop(struct ntm_queries *list);
/** ntm_queries_pop_late() - take one off whose deadline is over, or NULL */
struct ntm_query *ntm_queries_pop_late(struct ntm_queries *list, uint64_t now_ms);
void ntm_queries_append(struct ntm_queries *list, struct ntm_query *query);
/** ntm_queries_move() - all of @from to the end of @to */
void ntm_queries_move(struct ntm_queries *to, struct ntm_queries *from);
uint64_t ntm_queries_deadline(const struct ntm_queries *list); /* UINT64_MAX: none */
void ntm_query_free(struct ntm_query *query);
unsigned int ntm_queries_held(void); /* of all lists together */

/** ntm_queries_rcode() / _errno() - an outcome as DNS and as the data path say it */
enum ntm_dns_rcode ntm_queries_rcode(enum ntm_outcome outcome);
int ntm_queries_errno(enum ntm_outcome outcome);

/**
 * enum ntm_dns_place - where a name stands with respect to the zones of our lease
 *
 * Another zone is in the DNS as well, to be found there: what no node of it can be called, its own name and those with
 * underscores in them, is OUTSIDE.
 */
enum ntm_dns_place { NTM_DNS_OUTSIDE, NTM_DNS_APEX, NTM_DNS_SELF, NTM_DNS_PEER };
enum ntm_dns_place ntm_queries_place(const struct ntm_msg *lease, const char *name);

#endif
