/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must outlive the coordinator: names, keys, virtual addresses and open invitations, and the keys of other coordinators. An operation that returned
 * 0 survives a kill -9 and a power cut; one that failed changed nothing.
 *
 * A name's row: invited (token), then active (key, addresses), then perhaps revoked (key and addresses stay), then
 * perhaps invited again, which shows as a revoked row with a token until the token is used.
 */
#ifndef NTM_DC_STORE_H
#define NTM_DC_STORE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/msg.h"

#define NTM_STORE_TOKEN 32 /* bytes of a hashed token */

/* Of a name, from its invitation on, for good. The numbers stand in the store. */
enum ntm_kind { NTM_KIND_NODE, NTM_KIND_RELAY };
enum ntm_store_state { NTM_STORE_INVITED, NTM_STORE_ACTIVE, NTM_STORE_REVOKED };

/**
 * struct ntm_store_node - one row
 * @seen:	wall clock, seconds; 0: never
 * @expires:	of the token, wall clock, if @has_token
 */
struct ntm_store_node {
	char name[NTM_NAME_MAX + 1];
	enum ntm_kind kind;
	enum ntm_store_state state;
	bool has_key, has4, has6, has_token;
	uint8_t key[32];
	struct in_addr v4;
	struct in6_addr v6;
	int64_t seen;
	int64_t expires;
};

struct ntm_store_invite {
	char name[NTM_NAME_MAX + 1];
	enum ntm_kind kind;
	uint8_t token[NTM_STORE_TOKEN];
	int64_t expires;
};

struct ntm_store_seen {
	const char *name;
	int64_t seen;
};

/** typedef ntm_store_row_fn - a row of load() or list(); anything but 0 ends the walk and is returned */
typedef int ntm_store_row_fn(void *ctx, const struct ntm_store_node *node);

/** typedef ntm_store_zone_fn - another zone whose coordinator was met, and its key; as ntm_store_row_fn */
typedef int ntm_store_zone_fn(void *ctx, const char *name, const uint8_t key[32]);

struct ntm_store; /* starts with its ops */

/**
 * struct ntm_store_ops - one implementation; all return 0 or a negative errno
 * (-ENOSPC disk full, -EBUSY locked by another, -EUCLEAN damaged, -EIO)
 * @list:	up to @limit rows of @kind with names after @after, in the order of names
 * @get:	-ENOENT: no such name
 * @invite:	all of them or none. -EEXIST: a name is active, its invitation still open, or it was once of the other kind;
 *		its index is in @failed
 * @find_token:	-ENOENT: unknown, used or expired at @now
 * @bind:	uses the token up: the row of @node->name becomes active with the key and the addresses of @node. A revoked
 *		row that had the key before loses it. -ENOENT: the token is gone meanwhile
 * @set_addresses: of an active row that lacked one of a family
 * @revoke:	-ENOENT: no such name; -EALREADY: revoked and not invited. An open invitation ends with it
 * @key_revoked: was the key ever bound to a name that has another one now? 1, 0 or a negative errno
 * @set_seen:	when nodes were heard last; losing this is harmless
 * @pin_zone:	-EEXIST: the zone has a key already
 * @forget_zone: -ENOENT: it has none
 */
struct ntm_store_ops {
	int (*open)(struct ntm_store **store, const char *path, char *error, size_t size);
	int (*list)(struct ntm_store *store, enum ntm_kind kind, const char *after,
		    unsigned int limit, ntm_store_row_fn *fn, void *ctx);
	int (*load)(struct ntm_store *store, ntm_store_row_fn *fn, void *ctx);
	int (*get)(struct ntm_store *store, const char *name, struct ntm_store_node *node);
	int (*invite)(struct ntm_store *store, const struct ntm_store_invite *invites, size_t count,
		      int64_t now, size_t *failed);
	int (*find_token)(struct ntm_store *store, const uint8_t token[NTM_STORE_TOKEN],
			  int64_t now, struct ntm_store_node *node);
	int (*bind)(struct ntm_store *store, const struct ntm_store_node *node,
		    const uint8_t token[NTM_STORE_TOKEN], int64_t now);
	int (*set_addresses)(struct ntm_store *store, const struct ntm_store_node *node);
	int (*revoke)(struct ntm_store *store, const char *name);
	int (*key_revoked)(struct ntm_store *store, const uint8_t key[32]);
	int (*set_seen)(struct ntm_store *store, const struct ntm_store_seen *seen, size_t count);
	int (*load_zones)(struct ntm_store *store, ntm_store_zone_fn *fn, void *ctx);
	int (*pin_zone)(struct ntm_store *store, const char *name, const uint8_t key[32],
			int64_t now);
	int (*forget_zone)(struct ntm_store *store, const char *name);
	void (*close)(struct ntm_store *store);
};

struct ntm_store {
	const struct ntm_store_ops *ops;
};

extern const struct ntm_store_ops ntm_store_sqlite;

/** ntm_store_hash_token() - the store never sees a token that could be used */
void ntm_store_hash_token(const uint8_t token[16], uint8_t out[NTM_STORE_TOKEN]);
/**
 * ntm_store_lock() - be the only one to use a state directory; it is made if it is missing
 *
 * Returns a descriptor (close it to unlock) or a negative errno; -EWOULDBLOCK: another process has it.
 */
int ntm_store_lock(const char *directory);

#endif
