/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The relay table: an entry forwards the data packets of one Path ID, as they
 * are, between the two ends that are bound to it.
 *
 * Writers (netlink, device removal) hold ndev->lock. Readers are in softirq or
 * hold rcu_read_lock(). An entry is unlinked first and freed after a grace
 * period; nothing holds one longer than that.
 */
#ifndef NTM_RELAY_H
#define NTM_RELAY_H

#include <linux/atomic.h>
#include <linux/rbtree.h>
#include <linux/rhashtable.h>
#include "relay_end.h"

struct ntm_dev;

/**
 * struct ntm_relay_side - one of the two ends of an entry
 * @end:	its address, and the route to it; RCU, NULL while it is unbound.
 *		Packets may replace it, as relay_end.h says
 * @packets, @bytes: datagrams and their payload that came from it and went on.
 *		They are the entry's: an end that moves takes them along
 * @last:	ns of CLOCK_BOOTTIME at the last one, 0 for never
 */
struct ntm_relay_side {
	struct ntm_relay_end __rcu *end;
	atomic64_t packets;
	atomic64_t bytes;
	u64 last;
};

/**
 * struct ntm_relay - one entry; a million of them must fit
 * @by_id:	node of the device's table
 * @id:		Path ID, network order
 * @rate:	bytes a second that may pass, both ways together, 0 for any; READ_ONCE
 * @used_until:	time (ns) until which the rate is used up, see ntm_relay_admit()
 * @sides:	initiator, responder
 * @order:	node in the order of Path IDs, for dumps
 * @rcu:	takes its place when the entry is gone from there
 */
struct ntm_relay {
	struct rhash_head by_id;
	__be32 id;
	u64 rate;
	atomic64_t used_until;
	struct ntm_relay_side sides[2];
	union {
		struct rb_node order;
		struct rcu_head rcu;
	};
};

/**
 * struct ntm_relay_table - the entries of one device
 * @by_id:	hash table, read under RCU
 * @order:	all entries by ID (host order). Only under ndev->lock
 * @count:	number of entries; READ_ONCE
 * @gen:	changes with each entry inserted or removed, never 0
 */
struct ntm_relay_table {
	struct rhashtable by_id;
	struct rb_root order;
	u32 count;
	u32 gen;
};

int ntm_relay_table_init(struct ntm_relay_table *t);
/* All entries must have been removed. May sleep. */
void ntm_relay_table_destroy(struct ntm_relay_table *t);

/* Under rcu_read_lock(); the result is good until it ends. */
struct ntm_relay *ntm_relay_by_id(struct ntm_relay_table *t, __be32 id);
/* Which side has this very address, or -1. Under rcu_read_lock(). */
int ntm_relay_side_of(const struct ntm_relay *relay, const union ntm_addr *addr);

/**
 * ntm_relay_admit() - does the rate, which is not 0, let @len bytes pass?
 * @now:	ktime_get_ns()
 *
 * A bucket that holds a quarter of a second of the rate, but never less than one
 * aggregate, kept as the time at which it will be full again.
 */
bool ntm_relay_admit(struct ntm_relay *relay, unsigned int len, u64 now);

/* Softirq: @packets went on from @side. */
void ntm_relay_count(struct ntm_relay_side *side, u32 packets, u64 bytes);

/*
 * Changes: process context, ndev->lock held.
 * insert: -EEXIST if the ID is taken.
 * bind: takes @end over; NULL unbinds.
 */
struct ntm_relay *ntm_relay_new(__be32 id);
void ntm_relay_free(struct ntm_relay *relay);	/* one that was never inserted */
int ntm_relay_insert(struct ntm_relay_table *t, struct ntm_relay *relay);
void ntm_relay_remove(struct ntm_relay_table *t, struct ntm_relay *relay);
void ntm_relay_remove_all(struct ntm_dev *ndev);
void ntm_relay_bind(struct ntm_relay *relay, int side, struct ntm_relay_end *end);
/* @now: ktime_get_ns() */
void ntm_relay_set_rate(struct ntm_relay *relay, u64 rate, u64 now);
/* The entry of the smallest ID that is not less than @id (host order), or NULL. */
struct ntm_relay *ntm_relay_from(struct ntm_relay_table *t, u32 id);

#endif
