// SPDX-License-Identifier: GPL-2.0
#include "queries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lease.h"

static unsigned int queries_held;

void ntm_queries_init(struct ntm_queries *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void ntm_queries_append(struct ntm_queries *list, struct ntm_query *query)
{
	*list->last = query;
	list->last = &query->next;
}

static struct ntm_query *add(struct ntm_queries *list, enum ntm_query_kind kind,
			     uint64_t deadline_ms)
{
	struct ntm_query *query;

	if (queries_held >= NTM_QUERIES_MAX)
		return NULL;
	query = calloc(1, sizeof(*query));
	if (!query)
		return NULL;
	queries_held++;
	query->kind = kind;
	query->deadline_ms = deadline_ms;
	ntm_queries_append(list, query);
	return query;
}

struct ntm_query *ntm_queries_dns(struct ntm_queries *list, uint64_t now_ms, uint64_t tag,
				  const struct ntm_dns_query *dns)
{
	struct ntm_dns_query *copy = malloc(sizeof(*copy));
	struct ntm_query *query = copy ? add(list, NTM_QUERY_DNS, now_ms + NTM_QUERY_HOLD_MS) :
					 NULL;

	if (!query) {
		free(copy);
		return NULL;
	}
	*copy = *dns;
	query->dns = copy;
	query->tag = tag;
	return query;
}

struct ntm_query *ntm_queries_miss(struct ntm_queries *list, uint64_t now_ms, int family,
				   const void *virt)
{
	struct ntm_query *query = add(list, NTM_QUERY_MISS, now_ms + NTM_QUERY_HOLD_MS);

	if (!query)
		return NULL;
	query->family = family;
	memcpy(query->virt, virt, family == AF_INET ? 4 : 16);
	return query;
}

struct ntm_query *ntm_queries_ping(struct ntm_queries *list, uint64_t now_ms, uint32_t wait_ms,
				   void *ping)
{
	struct ntm_query *query = add(list, NTM_QUERY_PING, now_ms + wait_ms);

	if (query)
		query->ping = ping;
	return query;
}

static struct ntm_query *take(struct ntm_queries *list, struct ntm_query **at)
{
	struct ntm_query *query = *at;

	*at = query->next;
	if (list->last == &query->next)
		list->last = at;
	query->next = NULL;
	return query;
}

struct ntm_query *ntm_queries_pop(struct ntm_queries *list)
{
	return list->first ? take(list, &list->first) : NULL;
}

struct ntm_query *ntm_queries_pop_late(struct ntm_queries *list, uint64_t now_ms)
{
	for (struct ntm_query **at = &list->first; *at; at = &(*at)->next)
		if (now_ms >= (*at)->deadline_ms)
			return take(list, at);
	return NULL;
}

void ntm_queries_move(struct ntm_queries *to, struct ntm_queries *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	ntm_queries_init(from);
}

uint64_t ntm_queries_deadline(const struct ntm_queries *list)
{
	uint64_t at = UINT64_MAX;

	for (const struct ntm_query *query = list->first; query; query = query->next)
		if (query->deadline_ms < at)
			at = query->deadline_ms;
	return at;
}

void ntm_query_free(struct ntm_query *query)
{
	if (!query)
		return;
	queries_held--;
	free(query->dns);
	free(query);
}

unsigned int ntm_queries_held(void)
{
	return queries_held;
}

enum ntm_dns_rcode ntm_queries_rcode(enum ntm_outcome outcome)
{
	switch (outcome) {
	case NTM_OUTCOME_STANDS:
		return NTM_DNS_NOERROR;
	case NTM_OUTCOME_UNKNOWN:
		return NTM_DNS_NXDOMAIN;
	default:
		return NTM_DNS_SERVFAIL;
	}
}

int ntm_queries_errno(enum ntm_outcome outcome)
{
	return outcome == NTM_OUTCOME_STANDS ? 0 : EHOSTUNREACH;
}

enum ntm_dns_place ntm_queries_place(const struct ntm_msg *lease, const char *name)
{
	const char *zone = lease->zone[0] ? ntm_lease_zone(lease, name) : NULL;

	if (!zone)
		return NTM_DNS_OUTSIDE;
	if (zone != lease->zone)
		return strcmp(name, zone) != 0 && ntm_name_valid(name) ? NTM_DNS_PEER :
									 NTM_DNS_OUTSIDE;
	if (!strcmp(name, zone))
		return NTM_DNS_APEX;
	return strcmp(name, lease->name) ? NTM_DNS_PEER : NTM_DNS_SELF;
}
