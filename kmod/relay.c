// SPDX-License-Identifier: GPL-2.0
#include <linux/math64.h>
#include <linux/prefetch.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/ipv6.h>
#include "dev.h"
#include "relay.h"

#define NTM_RELAY_BURST_NS	(NSEC_PER_SEC / 4)
#define NTM_RELAY_AGGREGATE	65535

static const struct rhashtable_params ntm_relay_params = {
	.key_len = sizeof_field(struct ntm_relay, id),
	.key_offset = offsetof(struct ntm_relay, id),
	.head_offset = offsetof(struct ntm_relay, by_id),
	.automatic_shrinking = true,
};

int ntm_relay_table_init(struct ntm_relay_table *t)
{
	t->order = RB_ROOT;
	t->count = 0;
	t->gen = 1;
	return rhashtable_init(&t->by_id, &ntm_relay_params);
}

void ntm_relay_table_destroy(struct ntm_relay_table *t)
{
	WARN_ON_ONCE(t->count);
	rhashtable_destroy(&t->by_id);
}

/* ---- Readers ---- */

/*
 * Among a million entries nothing is in the cache: both ends are fetched at
 * once, and not one after the other as their turn comes.
 */
static void ntm_relay_prefetch(const struct ntm_relay *relay)
{
	const struct ntm_relay_end *end;
	int i;

	for (i = 0; i < ARRAY_SIZE(relay->sides); i++) {
		end = rcu_dereference(relay->sides[i].end);
		prefetch(end);
		prefetch((const u8 *)end + sizeof(*end) - 1);
	}
}

struct ntm_relay *ntm_relay_by_id(struct ntm_relay_table *t, __be32 id)
{
	struct ntm_relay *relay;

	relay = rhashtable_lookup(&t->by_id, &id, ntm_relay_params);
	if (relay)
		ntm_relay_prefetch(relay);
	return relay;
}

int ntm_relay_side_of(const struct ntm_relay *relay, const union ntm_addr *addr)
{
	const struct ntm_relay_end *end;
	int i;

	for (i = 0; i < ARRAY_SIZE(relay->sides); i++) {
		end = rcu_dereference(relay->sides[i].end);
		if (end && ntm_addr_equal(&end->addr, addr))
			return i;
	}
	return -1;
}

/* How long it takes to fill a bucket. */
static u64 ntm_relay_depth(u64 rate)
{
	return max_t(u64, NTM_RELAY_BURST_NS,
		     div64_u64((u64)NTM_RELAY_AGGREGATE * NSEC_PER_SEC, rate));
}

bool ntm_relay_admit(struct ntm_relay *relay, unsigned int len, u64 now)
{
	u64 rate = max_t(u64, READ_ONCE(relay->rate), 1);
	u64 cost, depth;
	s64 used, from;

	cost = div64_u64((u64)len * NSEC_PER_SEC, rate);
	depth = ntm_relay_depth(rate);
	used = atomic64_read(&relay->used_until);
	do {
		from = max_t(s64, used, now);
		if (from + cost > now + depth)
			return false;
	} while (!atomic64_try_cmpxchg(&relay->used_until, &used, from + cost));
	return true;
}

void ntm_relay_count(struct ntm_relay_side *side, u32 packets, u64 bytes)
{
	atomic64_add(packets, &side->packets);
	atomic64_add(bytes, &side->bytes);
	WRITE_ONCE(side->last, ktime_get_coarse_boottime_ns());
}

/* ---- Writers ---- */

static bool ntm_relay_less(struct rb_node *a, const struct rb_node *b)
{
	return be32_to_cpu(rb_entry(a, struct ntm_relay, order)->id) <
	       be32_to_cpu(rb_entry(b, struct ntm_relay, order)->id);
}

struct ntm_relay *ntm_relay_from(struct ntm_relay_table *t, u32 id)
{
	struct rb_node *node = t->order.rb_node;
	struct ntm_relay *found = NULL;

	while (node) {
		struct ntm_relay *relay = rb_entry(node, struct ntm_relay, order);

		if (be32_to_cpu(relay->id) < id) {
			node = node->rb_right;
		} else {
			found = relay;
			node = node->rb_left;
		}
	}
	return found;
}

static void ntm_relay_changed(struct ntm_relay_table *t, int by)
{
	WRITE_ONCE(t->count, t->count + by);
	if (!++t->gen)
		t->gen = 1;
}

struct ntm_relay *ntm_relay_new(__be32 id)
{
	struct ntm_relay *relay = kzalloc(sizeof(*relay), GFP_KERNEL);

	if (relay)
		relay->id = id;
	return relay;
}

/* Nobody else sees it: not yet, or not any more. */
void ntm_relay_free(struct ntm_relay *relay)
{
	struct ntm_relay_end *end;
	int i;

	for (i = 0; i < ARRAY_SIZE(relay->sides); i++) {
		end = rcu_dereference_protected(relay->sides[i].end, true);
		if (end)
			ntm_relay_end_free(end);
	}
	kfree(relay);
}

static void ntm_relay_free_rcu(struct rcu_head *rcu)
{
	ntm_relay_free(container_of(rcu, struct ntm_relay, rcu));
}

int ntm_relay_insert(struct ntm_relay_table *t, struct ntm_relay *relay)
{
	int err;

	err = rhashtable_lookup_insert_fast(&t->by_id, &relay->by_id, ntm_relay_params);
	if (err)
		return err;
	rb_add(&relay->order, &t->order, ntm_relay_less);
	ntm_relay_changed(t, 1);
	return 0;
}

void ntm_relay_remove(struct ntm_relay_table *t, struct ntm_relay *relay)
{
	rhashtable_remove_fast(&t->by_id, &relay->by_id, ntm_relay_params);
	rb_erase(&relay->order, &t->order);
	ntm_relay_changed(t, -1);
	call_rcu(&relay->rcu, ntm_relay_free_rcu);
}

/*
 * The device is on no list any more, but a packet that found it there may still
 * be on its way; unregister_netdevice() waits for it before the table goes.
 */
void ntm_relay_remove_all(struct ntm_dev *ndev)
{
	struct rb_node *node;

	lockdep_assert_held(&ndev->lock);
	while ((node = rb_first(&ndev->relays.order))) {
		ntm_relay_remove(&ndev->relays, rb_entry(node, struct ntm_relay, order));
		cond_resched();
	}
}

void ntm_relay_bind(struct ntm_relay *relay, int side, struct ntm_relay_end *end)
{
	ntm_relay_end_set(&relay->sides[side].end, end);
}

/*
 * What was used stays used: ends that move, which sets the rate anew, get no
 * fresh bucket by it. But a faster rate need not wait for what a slow one owes.
 */
void ntm_relay_set_rate(struct ntm_relay *relay, u64 rate, u64 now)
{
	s64 used, empty;

	if (rate == relay->rate)
		return;
	WRITE_ONCE(relay->rate, rate);
	if (!rate)
		return;
	empty = now + ntm_relay_depth(rate);
	used = atomic64_read(&relay->used_until);
	do {
		if (used <= empty)
			return;
	} while (!atomic64_try_cmpxchg(&relay->used_until, &used, empty));
}
