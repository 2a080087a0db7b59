/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The path table: a path is one tunnel to one correspondent node, found by its
 * Path ID (packets in) or by the peer's virtual address (packets out).
 *
 * Writers (netlink, device removal) hold ndev->lock (mutex). Readers are in softirq or
 * hold rcu_read_lock(). A path is unlinked from all tables first and freed
 * after a grace period; packets in an asynchronous AEAD hold a reference.
 */
#ifndef NTM_PATH_H
#define NTM_PATH_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/kref.h>
#include <linux/rbtree.h>
#include <linux/rhashtable.h>
#include <net/dst_cache.h>
#include <ntmobile/inner.h>
#include <ntmobile/wire.h>
#include "stats.h"

struct ntm_dev;
struct ntm_key;
struct ntm_port;

union ntm_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

bool ntm_addr_equal(const union ntm_addr *a, const union ntm_addr *b);

/**
 * struct ntm_endpoint - where a path's outer packets go; RCU, immutable but @own_port
 * @addr:	the peer's real address and port
 * @src4, @src6: local address the peer last sent to, or any: what packets leave with,
 *		while the route is one of its link
 * @own_port:	they leave by the path's own port, if it has one of this family,
 *		else by the device's; READ_ONCE
 * @cache:	route to @addr, per CPU
 * @rcu:	for kfree
 */
struct ntm_endpoint {
	union ntm_addr addr;
	union {
		struct in_addr src4;
		struct in6_addr src6;
	};
	bool own_port;
	struct dst_cache cache;
	struct rcu_head rcu;
};

#define NTM_RELAYS 2

/**
 * struct ntm_relays - where a path's relay servers are; immutable, RCU
 * @addr:	real addresses, family 0 for none
 * @rcu:	for kfree_rcu()
 */
struct ntm_relays {
	union ntm_addr addr[NTM_RELAYS];
	struct rcu_head rcu;
};

/** struct ntm_moment - when the peer sent a packet: order of its epochs, then of its counters */
struct ntm_moment {
	u32 epoch;
	u64 ctr;
};

/**
 * struct ntm_path - one tunnel
 * @by_id, @by_v4, @by_v6: nodes of the device's tables
 * @order:	node in the order of Path IDs, for dumps
 * @ndev:	the device; it outlives its paths, since each holds a reference
 * @id:		Path ID, network order
 * @peer:	the peer's virtual addresses, those it has in the tables; inner
 *		packets of the peer must carry one of them as source. Aligned,
 *		since they are hashed by words
 * @mtu:	largest inner packet in bytes; 0: what the device has
 * @endpoint:	RCU; NULL until the first PEER_ADDR
 * @relays:	RCU; NULL for none
 * @port:	RCU; NULL for none. Changed under ndev->lock (port.c)
 * @tx:		sending key, RCU, NULL until one is confirmed
 * @rx:		receiving keys by epoch modulo NTM_WIRE_EPOCHS, RCU; holds the
 *		references (a key stands in rx as long as it is valid; tx borrows)
 * @lock:	BH spinlock around changes of @endpoint, @relays, @tx and @rx
 * @last_rx, @last_tx: ns of CLOCK_BOOTTIME at the newest authenticated packet received
 *		and at the last inner packet sent, 0 for never
 * @mtu_told:	what ntmd knows to fit: @mtu as it was set, or of the last NTM_EV_MTU
 * @key_asked:	jiffies of the last NTM_EV_REKEY, never 0 since
 * @heard:	highest epoch that an authenticated packet came under; one less than
 *		the first key's before there was one
 * @moved:	of the packet that @endpoint followed last; under @lock
 * @moves:	how often it did (ntm_pace_take()); under @lock
 * @stats:	per-CPU counters
 * @ref:	tables hold one; packets in flight hold one each
 */
struct ntm_path {
	struct rhash_head by_id;
	struct rhash_head by_v4;
	struct rhash_head by_v6;
	struct rb_node order;
	struct ntm_dev *ndev;
	__be32 id;
	struct ntm_inner_peer peer __aligned(4);
	u32 mtu;
	struct ntm_endpoint __rcu *endpoint;
	struct ntm_relays __rcu *relays;
	struct ntm_port __rcu *port;
	struct ntm_key __rcu *tx;
	struct ntm_key __rcu *rx[NTM_WIRE_EPOCHS];
	spinlock_t lock;
	u64 last_rx, last_tx;
	u32 mtu_told;
	unsigned long key_asked;
	u32 heard;
	struct ntm_moment moved;
	u64 moves;
	struct ntm_stats __percpu *stats;
	struct kref ref;
	struct rcu_head rcu;
};

static inline const struct in_addr *ntm_path_v4(const struct ntm_path *path)
{
	return (const struct in_addr *)path->peer.v4;
}

static inline const struct in6_addr *ntm_path_v6(const struct ntm_path *path)
{
	return (const struct in6_addr *)path->peer.v6;
}

/**
 * struct ntm_path_tables - the tables of one device
 * @by_id, @by_v4, @by_v6: hash tables, read under RCU
 * @order:	all paths by ID (host order). Only under ndev->lock: a dump takes up
 *		behind the last ID it showed, whatever changed meanwhile
 * @count:	number of paths; READ_ONCE
 * @gen:	changes with each path inserted or removed, never 0
 */
struct ntm_path_tables {
	struct rhashtable by_id;
	struct rhashtable by_v4;
	struct rhashtable by_v6;
	struct rb_root order;
	u32 count;
	u32 gen;
};

int ntm_path_tables_init(struct ntm_path_tables *t);
/* All paths must have been removed. May sleep. */
void ntm_path_tables_destroy(struct ntm_path_tables *t);

/* Lookups: under rcu_read_lock(); the result is good until it ends. */
struct ntm_path *ntm_path_by_id(struct ntm_path_tables *t, __be32 id);
struct ntm_path *ntm_path_by_v4(struct ntm_path_tables *t, __be32 virt);
struct ntm_path *ntm_path_by_v6(struct ntm_path_tables *t, const struct in6_addr *virt);

/*
 * Changes: process context, ndev->lock held. new: not yet in a table.
 * insert: -EEXIST with extack if the ID or a virtual address is taken.
 * remove: unlinks, drops the tables' reference.
 */
struct ntm_path *ntm_path_new(struct ntm_dev *ndev, __be32 id);
int ntm_path_insert(struct ntm_path *path, struct netlink_ext_ack *extack);
void ntm_path_remove(struct ntm_path *path);
void ntm_path_remove_all(struct ntm_dev *ndev);
/* The path of the smallest ID that is not less than @id (host order), or NULL. */
struct ntm_path *ntm_path_from(struct ntm_path_tables *t, u32 id);

/* The largest inner packet. Any context. */
u32 ntm_path_mtu(const struct ntm_path *path);

/* The same as ntmd gives it. ndev->lock held. */
void ntm_path_set_mtu(struct ntm_path *path, u32 mtu);

/* Any context; the last put frees after a grace period. */
void ntm_path_put(struct ntm_path *path);

/**
 * ntm_path_move() - point a path at where a packet came from
 * @path:	the path
 * @addr:	the peer's real address
 * @local:	local address the peer sent to
 * @own_port:	the peer sent to the path's own port
 * @when:	the packet's
 *
 * Softirq. Returns 0; -ESTALE if another processor was faster with a later packet;
 * -EBUSY if it moved too often, since each time costs memory and an event; or
 * -ENOMEM. No event is sent.
 */
int ntm_path_move(struct ntm_path *path, const union ntm_addr *addr,
		  const union ntm_addr *local, bool own_port,
		  const struct ntm_moment *when);

/*
 * For a caller that must not fail between them: make an endpoint (not yet
 * published: ntm_endpoint_free() is for that case only), and publish it.
 */
struct ntm_endpoint *ntm_endpoint_new(const union ntm_addr *addr,
				      const union ntm_addr *local, gfp_t gfp);
void ntm_endpoint_free(struct ntm_endpoint *ep);
void ntm_endpoint_free_rcu(struct ntm_endpoint *ep);	/* one that was published */
void ntm_path_set_endpoint(struct ntm_path *path, struct ntm_endpoint *ep);

/* The present endpoint is to be reached by the path's port, or by the device's. */
void ntm_path_use_port(struct ntm_path *path, bool own_port);

/* The path's own port for outer packets of this family, or NULL. Under RCU. */
const struct ntm_port *ntm_path_port(const struct ntm_path *path, sa_family_t family);

/* The path's relays from now on, which it owns; NULL for none. ndev->lock held. */
void ntm_path_set_relays(struct ntm_path *path, struct ntm_relays *relays);

/* Is it the address of one of the path's relays? Under RCU. */
bool ntm_path_is_relay(const struct ntm_path *path, const union ntm_addr *addr);

/**
 * ntm_path_add_key() - give a path the keys of its next epoch
 * @path:	the path
 * @key:	reference is taken over on success
 * @confirmed:	make it the sending key now
 * @extack:	reason of a failure
 *
 * Keys older than the one before the current are dropped. -EEXIST if the epoch is
 * not the next one after the sending key's. A pending key that nobody has
 * confirmed has never been used, so another may take its place; the same one, given
 * again, leaves it as it is but for @confirmed. Process context.
 */
int ntm_path_add_key(struct ntm_path *path, struct ntm_key *key, bool confirmed,
		     struct netlink_ext_ack *extack);

/**
 * ntm_path_confirm() - an authenticated packet came under @key
 *
 * Softirq. Makes a pending key the sending key. Returns true if it was
 * pending (the caller sends NTM_EV_KEY_CONFIRMED).
 */
bool ntm_path_confirm(struct ntm_path *path, struct ntm_key *key);

/**
 * ntm_path_heard() - an authenticated packet came under a key of @epoch
 *
 * Any context. False if one of a later epoch came before. The key before the
 * current one is still valid, but says nothing any more of where the peer is:
 * who held back packets of it could else move the path with each of them.
 */
bool ntm_path_heard(struct ntm_path *path, u32 epoch);

#endif
