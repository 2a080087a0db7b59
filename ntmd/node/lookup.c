// SPDX-License-Identifier: GPL-2.0
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "admin.h"
#include "dns.h"
#include "lease.h"
#include "setup.h"

#define HOLD_TICK_MS 100u
#define TTL_S 1u /* an answer is only as good as the tunnel that stands now */
#define TARGET_FOR_MS 5000u

/** struct ntm_targets - a virtual address whose peer is asked of the DC */
struct ntm_targets {
	struct ntm_targets *next;
	struct ntm_node *node;
	uint32_t request;
	struct ntm_queries waiting;
};

/* Time */

static void hold_tick(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;

	if (!ntm_lookup_late(node))
		uv_timer_stop(timer);
}

void ntm_lookup_hold(struct ntm_node *node)
{
	if (!uv_is_active((uv_handle_t *)&node->hold_timer))
		uv_timer_start(&node->hold_timer, hold_tick, HOLD_TICK_MS, HOLD_TICK_MS);
}

/* DNS answers */

static void reply_dns(struct ntm_node *node, uint64_t tag, const struct ntm_dns_query *q,
		      enum ntm_dns_rcode rcode, const struct in_addr *v4, const struct in6_addr *v6)
{
	uint8_t answer[NTM_DNS_ANSWER_MAX];
	int len = ntm_dns_answer(q, rcode, ntm_lease_zone(&node->lease, q->name), v4, v6, NULL,
				 TTL_S, answer, sizeof(answer));

	if (!node->dp)
		return;
	if (len < 0)
		ntm_dns_pass(node, tag, q->raw, q->raw_len);
	else
		ntm_dns_reply(node, tag, answer, (size_t)len);
}

static void reply_peer(struct ntm_node *node, uint64_t tag, const struct ntm_dns_query *q,
		       const struct ntm_peer *peer)
{
	reply_dns(node, tag, q, NTM_DNS_NOERROR, peer->has4 ? &peer->virtual4 : NULL,
		  peer->has6 ? &peer->virtual6 : NULL);
}

static void reply_self(struct ntm_node *node, uint64_t tag, const struct ntm_dns_query *q)
{
	reply_dns(node, tag, q, NTM_DNS_NOERROR,
		  NTM_HAS(&node->lease, VIRTUAL4) ? &node->lease.virtual4 : NULL,
		  NTM_HAS(&node->lease, VIRTUAL6) ? &node->lease.virtual6 : NULL);
}

/* Outcomes */

static void settle(struct ntm_node *node, struct ntm_query *query, struct ntm_peer *peer,
		   enum ntm_outcome outcome)
{
	switch (query->kind) {
	case NTM_QUERY_DNS:
		if (outcome == NTM_OUTCOME_STANDS && peer)
			reply_peer(node, query->tag, query->dns, peer);
		else
			reply_dns(node, query->tag, query->dns, ntm_queries_rcode(outcome), NULL,
				  NULL);
		break;
	case NTM_QUERY_MISS:
		if (node->dp)
			(void)node->dp_ops->miss_done(node->dp, query->family, query->virt,
						      ntm_queries_errno(outcome));
		break;
	case NTM_QUERY_PING:
		ntm_admin_pong(node, query->ping, peer, outcome);
		break;
	}
	ntm_query_free(query);
}

static void settle_all(struct ntm_node *node, struct ntm_queries *list, struct ntm_peer *peer,
		       enum ntm_outcome outcome)
{
	struct ntm_query *query;

	while ((query = ntm_queries_pop(list)))
		settle(node, query, peer, outcome);
}

/* A ping that waited for the tunnel now waits for its Keep Alive */
static void start_pings(struct ntm_node *node, struct ntm_peer *peer)
{
	struct ntm_queries others;
	struct ntm_query *query;

	ntm_queries_init(&others);
	while ((query = ntm_queries_pop(&peer->waiting)))
		ntm_queries_append(query->kind == NTM_QUERY_PING ? &peer->pings : &others, query);
	ntm_queries_move(&peer->waiting, &others);
	if (peer->pings.first)
		ntm_setup_ping(node, peer);
}

void ntm_lookup_finish(struct ntm_node *node, struct ntm_peer *peer, enum ntm_outcome outcome)
{
	if (outcome == NTM_OUTCOME_STANDS)
		start_pings(node, peer);
	else
		settle_all(node, &peer->pings, peer, outcome);
	settle_all(node, &peer->waiting, peer, outcome);
}

static void settle_late(struct ntm_node *node, struct ntm_queries *list, struct ntm_peer *peer)
{
	struct ntm_query *query;

	while ((query = ntm_queries_pop_late(list, ntm_node_now_ms())))
		settle(node, query, peer, NTM_OUTCOME_FAILED);
}

static void target_free(struct ntm_node *node, struct ntm_targets *target)
{
	struct ntm_targets **at = &node->targets;

	while (*at != target)
		at = &(*at)->next;
	*at = target->next;
	free(target);
}

bool ntm_lookup_late(struct ntm_node *node)
{
	struct ntm_peer *peer, *older;

	for (struct ntm_targets *target = node->targets; target; target = target->next)
		settle_late(node, &target->waiting, NULL);
	for (peer = node->peers.newest; peer; peer = older) {
		older = peer->older;
		settle_late(node, &peer->waiting, peer);
		settle_late(node, &peer->pings, peer);
		ntm_peers_tidy(&node->peers, peer);
	}
	return ntm_queries_held() > 0;
}

void ntm_lookup_fail_all(struct ntm_node *node)
{
	struct ntm_peer *peer, *older;

	for (struct ntm_targets *target = node->targets; target; target = target->next)
		settle_all(node, &target->waiting, NULL, NTM_OUTCOME_FAILED);
	for (peer = node->peers.newest; peer; peer = older) {
		older = peer->older;
		ntm_lookup_finish(node, peer, NTM_OUTCOME_FAILED);
		ntm_peers_tidy(&node->peers, peer);
	}
}

/* Queries */

static struct ntm_query *hold_query(struct ntm_node *node, struct ntm_peer *peer, uint64_t tag,
				    const struct ntm_dns_query *q)
{
	const uint64_t now = ntm_node_now_ms();
	struct ntm_query *query = ntm_queries_dns(&peer->waiting, now, tag, q);

	if (query && ntm_dc_down(&node->dc, now))
		query->deadline_ms = now + NTM_QUERY_HOLD_DOWN_MS;
	return query;
}

static void hold_dns(struct ntm_node *node, uint64_t tag, const struct ntm_dns_query *q)
{
	struct ntm_peer *peer = ntm_peers_get(&node->peers, q->name);

	if (peer && ntm_peer_stands(peer)) {
		reply_peer(node, tag, q, peer);
		return;
	}
	if (!peer || !hold_query(node, peer, tag, q)) {
		reply_dns(node, tag, q, NTM_DNS_SERVFAIL, NULL, NULL);
	} else {
		ntm_lookup_hold(node);
		ntm_setup_want(node, peer);
	}
	if (peer)
		ntm_peers_tidy(&node->peers, peer);
}

void ntm_lookup_dns(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len)
{
	struct ntm_dns_query q;

	if (!node->has_lease || ntm_dns_parse(&q, msg, len)) {
		ntm_dns_pass(node, tag, msg, len);
		return;
	}
	switch (ntm_queries_place(&node->lease, q.name)) {
	case NTM_DNS_OUTSIDE:
		ntm_dns_pass(node, tag, msg, len);
		break;
	case NTM_DNS_APEX:
		reply_dns(node, tag, &q, NTM_DNS_NOERROR, NULL, NULL);
		break;
	case NTM_DNS_SELF:
		reply_self(node, tag, &q);
		break;
	case NTM_DNS_PEER:
		if (ntm_name_valid(q.name))
			hold_dns(node, tag, &q);
		else /* no node can have such a name */
			reply_dns(node, tag, &q, NTM_DNS_NXDOMAIN, NULL, NULL);
		break;
	}
}

/* Misses */

static void target_answered(void *ctx, uint32_t id, const struct ntm_msg *response)
{
	struct ntm_targets *target = ctx;
	struct ntm_node *node = target->node;
	struct ntm_peer *peer = NULL;

	(void)id;
	if (response && response->type == NTM_MSG_ROUTE_DIRECTION) {
		peer = ntm_peers_get(&node->peers, response->name);
		if (peer)
			ntm_queries_move(&peer->waiting, &target->waiting);
		if (!ntm_setup_direction(node, response) && peer) {
			ntm_lookup_finish(node, peer, NTM_OUTCOME_FAILED);
			ntm_peers_tidy(&node->peers, peer);
		}
	}
	settle_all(node, &target->waiting, NULL, NTM_OUTCOME_FAILED);
	target_free(node, target);
}

static bool ask_target(struct ntm_node *node, int family, const void *virt)
{
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST,
			     .target_len = family == AF_INET ? 4 : 16 };
	struct ntm_targets *target = calloc(1, sizeof(*target));

	if (!target)
		return false;
	target->node = node;
	ntm_queries_init(&target->waiting);
	target->next = node->targets;
	node->targets = target;
	memcpy(m.target, virt, m.target_len);
	NTM_SET(&m, TARGET);
	if (ntm_queries_miss(&target->waiting, ntm_node_now_ms(), family, virt))
		target->request = ntm_dc_request(&node->dc, &m, ntm_node_now_ms(), TARGET_FOR_MS,
						 target_answered, target);
	if (target->request) {
		ntm_lookup_hold(node);
		ntm_node_arm_dc(node);
		return true;
	}
	settle_all(node, &target->waiting, NULL, NTM_OUTCOME_FAILED);
	target_free(node, target);
	return true;
}

static bool asked_target(const struct ntm_node *node, int family, const void *virt)
{
	for (const struct ntm_targets *target = node->targets; target; target = target->next) {
		const struct ntm_query *query = target->waiting.first;

		if (query && query->family == family &&
		    !memcmp(query->virt, virt, family == AF_INET ? 4 : 16))
			return true;
	}
	return false;
}

void ntm_lookup_miss(struct ntm_node *node, int family, const void *virt)
{
	struct ntm_peer *peer = ntm_peers_by_virtual(&node->peers, family, virt);

	if (!peer) {
		if (!asked_target(node, family, virt) && !ask_target(node, family, virt))
			(void)node->dp_ops->miss_done(node->dp, family, virt,
						      ntm_queries_errno(NTM_OUTCOME_FAILED));
		return;
	}
	if (ntm_peer_stands(peer)) { /* a packet that passed by the event of its path */
		(void)node->dp_ops->miss_done(node->dp, family, virt, 0);
		return;
	}
	if (!ntm_queries_miss(&peer->waiting, ntm_node_now_ms(), family, virt))
		return; /* the kernel forgets a miss by itself */
	ntm_lookup_hold(node);
	ntm_setup_want(node, peer);
	ntm_peers_tidy(&node->peers, peer);
}
