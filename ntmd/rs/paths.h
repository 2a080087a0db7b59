/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The paths that DCs directed, and where their ends are: binding state, limits, expiry (docs/PROTOCOL.md section 8). No I/O and no
 * clock; what the data plane has to do is told by callbacks.
 *
 *	directed --first Bind--> carried (in the data plane) --no Bind of either end for 60 s--> directed
 *	   \--no Bind for LIFETIME--> forgotten
 *
 * No DC can use up all: half of the paths that there may be are shared out among the DCs, and what one has left of its share is kept
 * for it. The rest is for whoever comes first.
 */
#ifndef NTM_RS_PATHS_H
#define NTM_RS_PATHS_H

#include "common/msg.h"
#include "common/table.h"

#define NTM_RS_BOUND_S 60 /* how long an end is believed to be where it was, at most */
#define NTM_RS_WHEEL 128  /* slots of a second */

/** struct ntm_rs_limits - 0 for rates: any number; bytes a second */
struct ntm_rs_limits {
	unsigned long paths;	  /* in all */
	unsigned long node_paths; /* of a node */
	unsigned long path_rate;
	unsigned long node_rate;
};

struct ntm_rs_path;

/** struct ntm_rs_owner - a DC that has a share; memory is the caller's */
struct ntm_rs_owner {
	uint32_t dc;
	unsigned long paths;
	struct ntm_rs_owner *next;
};

/** struct ntm_rs_node - a node as a DC tells nodes apart (END): what limits are counted by */
struct ntm_rs_node {
	struct ntm_link link;
	uint32_t dc;
	uint8_t id[8];
	uint32_t paths, carried;
	struct ntm_rs_end *ends;
	struct ntm_rs_node *next_changed;
	bool changed; /* @carried did: rates are to be set anew */
};

/**
 * struct ntm_rs_end - @addr: family 0 while it is not bound; @moves: how often it was bound to another address than before;
 * @bound_ms: the last Bind, 0: none
 */
struct ntm_rs_end {
	uint8_t key[32];
	union ntm_addr addr;
	uint32_t moves;
	uint64_t bound_ms;
	struct ntm_rs_path *path;
	struct ntm_rs_node *node;
	struct ntm_rs_end *next, **prev; /* of its node */
};

/**
 * struct ntm_rs_path
 * @dc:		who directed it: a number that is no other DC's
 * @rate:	bytes a second that it may carry now, 0: any number
 * @signal_ms:	relayed signalling is paid for until then (bind.c)
 */
struct ntm_rs_path {
	struct ntm_link link;
	uint32_t id, dc;
	uint32_t lifetime_ms;
	bool carried;
	uint64_t directed_ms;
	uint64_t signal_ms;
	uint64_t rate;
	struct ntm_rs_end ends[2];	  /* initiator, responder */
	struct ntm_rs_path *next, **prev; /* of its slot in the wheel */
};

/** struct ntm_rs_paths_ops - the data plane */
struct ntm_rs_paths_ops {
	/*
	 * All: 0 or a negative errno; then it is as before, and what has to happen all the same is tried again in a second.
	 * An end is at @addr now, NULL: nowhere; the first one makes the path (with @path->rate).
	 */
	int (*bind)(void *ctx, const struct ntm_rs_path *path, unsigned int end,
		    const union ntm_addr *addr);
	int (*rate)(void *ctx, const struct ntm_rs_path *path);
	int (*del)(void *ctx, const struct ntm_rs_path *path);
};

struct ntm_rs_paths {
	const struct ntm_rs_paths_ops *ops;
	void *ctx;
	struct ntm_rs_limits limits;
	struct ntm_rs_owner *owners;
	struct ntm_table by_id, nodes;
	struct ntm_rs_path *wheel[NTM_RS_WHEEL];
	uint64_t wheel_s; /* slots before are done */
	struct ntm_rs_node *changed;
	unsigned long carried;
};

void ntm_rs_paths_init(struct ntm_rs_paths *paths, const struct ntm_rs_limits *limits,
		       const struct ntm_rs_paths_ops *ops, void *ctx, uint64_t now_ms);
/** ntm_rs_paths_done() - forget all; the data plane is not told */
void ntm_rs_paths_done(struct ntm_rs_paths *paths);

/** ntm_rs_paths_join() - this DC has a share from now on: the same as any other's */
void ntm_rs_paths_join(struct ntm_rs_paths *paths, struct ntm_rs_owner *owner, uint32_t dc);
/** ntm_rs_paths_leave() - no more; its paths stay until they end */
void ntm_rs_paths_leave(struct ntm_rs_paths *paths, const struct ntm_rs_owner *owner);
/** ntm_rs_paths_room() - how many paths there may be, of all DCs, when this one directs another */
unsigned long ntm_rs_paths_room(const struct ntm_rs_paths *paths, uint32_t dc);

/**
 * ntm_rs_paths_direct() - a Relay Direction
 *
 * The status of the Relay Response. A path is its first DC's: to another one, and for other keys, it is REFUSED.
 */
enum ntm_status ntm_rs_paths_direct(struct ntm_rs_paths *paths, uint32_t dc,
				    const struct ntm_msg *direction, uint64_t now_ms);
struct ntm_rs_path *ntm_rs_paths_find(const struct ntm_rs_paths *paths, uint32_t id);
/** ntm_rs_path_side() - which end is bound to this very address: 0, 1; -1: neither */
int ntm_rs_path_side(const struct ntm_rs_path *path, const union ntm_addr *from);
/** ntm_rs_path_bound_s() - seconds that a binding of this path is kept without another Bind */
uint32_t ntm_rs_path_bound_s(const struct ntm_rs_path *path);
/** ntm_rs_paths_bind() - an end has proved that it is at @addr; 0, or the data plane's errno: then all is as before */
int ntm_rs_paths_bind(struct ntm_rs_paths *paths, struct ntm_rs_path *path, unsigned int end,
		      const union ntm_addr *addr, uint64_t now_ms);
/** ntm_rs_paths_expire() - let go of what is too old; to be called every second */
void ntm_rs_paths_expire(struct ntm_rs_paths *paths, uint64_t now_ms);
/** ntm_rs_paths_share() - set the rates anew of nodes that have more, or fewer, paths to share theirs among */
void ntm_rs_paths_share(struct ntm_rs_paths *paths);
/** ntm_rs_paths_limit() - other limits from now on; what is above them stays */
void ntm_rs_paths_limit(struct ntm_rs_paths *paths, const struct ntm_rs_limits *limits);
/** ntm_rs_paths_refill() - tell a new data plane of all that is carried; the first errno, after all was tried */
int ntm_rs_paths_refill(struct ntm_rs_paths *paths);

static inline unsigned long ntm_rs_paths_count(const struct ntm_rs_paths *paths)
{
	return paths->by_id.count;
}

#endif
