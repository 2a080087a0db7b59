/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The nodes in memory, found by static key, name or virtual address in O(1). A node is never removed: its name and
 * its virtual addresses are its own for good. Under 1 KB each, hash tables, session and candidates included.
 */
#ifndef NTM_DC_REGISTRY_H
#define NTM_DC_REGISTRY_H

#include "common/session.h"
#include "dc/choice.h"
#include "dc/hash.h"

enum ntm_node_state { NTM_NODE_ACTIVE, NTM_NODE_REVOKED };

/**
 * struct ntm_dc_session - a confirmed session and where its node was heard last
 * @addr:	moved by ntm_sessions_open() alone
 * @proven:	what was sent to @addr has reached the node (dc/proof.h)
 * @proof:	what was sent there to find out; 0: nothing yet
 * @asked_ms:	when, the last time
 */
struct ntm_dc_session {
	struct ntm_session keys;
	union ntm_addr addr;
	bool proven;
	uint64_t proof;
	uint64_t asked_ms;
};

/**
 * struct ntm_node - one node
 * @id:		index in the registry
 * @kind:	enum ntm_kind. A relay server is held as a node is, and has no virtual addresses
 * @state:	enum ntm_node_state
 * @has_key:	no key: the name was revoked and its key was bound elsewhere since
 * @registered:	sent a Registration Request since the DC started, and no goodbye
 * @was_online:	what the last sweep saw, to notice who went offline
 * @nat:	enum ntm_nat, of the node's last registration
 * @rtts:	to relay servers, of the node's last registration, @rtt_count of them
 * @keepalive:	seconds, as its last lease said
 * @told_relays, @told_zones: what its last lease said of them: how many, and a hash of names and networks
 * @told_prefix4, @told_prefix6: lengths of the virtual networks when it was made, 0: none
 * @tokens:	Direction and Registration Requests it may send now, in thousandths (token bucket)
 * @tokens_ms:	when @tokens was brought up to date
 * @asking:	Direction Requests for nodes of other zones that wait
 * @heard_ms:	monotonic: last authentic packet; 0: none since the DC started
 * @lease_ms:	monotonic: end of the lease
 * @seen:	wall clock, seconds: as the store has it; 0: never
 * @session:	NULL: none
 */
struct ntm_node {
	uint32_t id;
	uint8_t kind;
	uint8_t state;
	bool has_key, has4, has6;
	bool registered;
	bool was_online;
	uint8_t candidate_count;
	uint8_t nat;
	uint8_t rtt_count;
	uint8_t told_relays;
	uint8_t told_prefix4, told_prefix6;
	uint16_t keepalive;
	uint16_t asking;
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t key[32];
	uint32_t suites;
	uint32_t tokens;
	uint64_t tokens_ms;
	uint64_t told_zones;
	uint64_t heard_ms;
	uint64_t lease_ms;
	int64_t seen;
	char *name;
	struct ntm_node_rtt rtts[NTM_RELAYS_MAX];
	struct ntm_candidate *candidates;
	struct ntm_dc_session *session;
};

struct ntm_registry {
	struct ntm_node **chunks;
	uint32_t chunk_count;
	uint32_t count;
	struct ntm_hash by_key, by_name, by_v4, by_v6;
};

int ntm_registry_init(struct ntm_registry *r);	/* 0 or -ENOMEM */
void ntm_registry_free(struct ntm_registry *r); /* wipes the sessions' keys */

/** ntm_registry_reserve() - make room for one more node, so that the next ntm_registry_add() cannot fail */
int ntm_registry_reserve(struct ntm_registry *r);
/** ntm_registry_add() - @name is stolen, and is in no node yet; NULL only without ntm_registry_reserve() */
struct ntm_node *ntm_registry_add(struct ntm_registry *r, char *name);
/* These three cannot fail after ntm_registry_reserve(); the key or address must not be another node's. */
int ntm_registry_set_key(struct ntm_registry *r, struct ntm_node *node, const uint8_t key[32]);
int ntm_registry_set_v4(struct ntm_registry *r, struct ntm_node *node, struct in_addr v4);
int ntm_registry_set_v6(struct ntm_registry *r, struct ntm_node *node, const struct in6_addr *v6);
void ntm_registry_clear_key(struct ntm_registry *r, struct ntm_node *node);
/** ntm_registry_set_candidates() - a copy; on -ENOMEM the old ones stay */
int ntm_registry_set_candidates(struct ntm_node *node, const struct ntm_candidate *candidates,
				unsigned int count);

struct ntm_node *ntm_registry_get(const struct ntm_registry *r, uint32_t id);
struct ntm_node *ntm_registry_by_key(const struct ntm_registry *r, const uint8_t key[32]);
struct ntm_node *ntm_registry_by_name(const struct ntm_registry *r, const char *name);
struct ntm_node *ntm_registry_by_v4(const struct ntm_registry *r, const void *v4);
struct ntm_node *ntm_registry_by_v6(const struct ntm_registry *r, const void *v6);

/** ntm_registry_online() - registered, lease running, and heard within 3 times its keepalive and 5 s */
bool ntm_registry_online(const struct ntm_node *node, uint64_t now_ms);

#endif
