// SPDX-License-Identifier: GPL-2.0
/*
 * The path table.
 *
 * A path is made by netlink, completed (endpoint, keys) while nobody else sees
 * it, and then inserted into the tables. Packets find it there under RCU. To
 * remove it, it is unlinked from every table and its keys are given back at
 * once; the structure itself goes with its last reference and a grace period
 * after that, so a reader that found it may use it until rcu_read_unlock().
 *
 * Each path holds a reference to its device, given back when the path is freed.
 * A packet inside an asynchronous AEAD holds the path, and so
 * unregister_netdevice() waits for it, and for the routes that the path has: those
 * of IPv6 must go before the namespace.
 */
#include <linux/slab.h>
#include <linux/netdevice.h>
#include <net/ipv6.h>
#include <ntmobile/pace.h>
#include "dev.h"
#include "key.h"
#include "path.h"
#include "port.h"

static const struct rhashtable_params ntm_by_id = {
	.key_len = sizeof_field(struct ntm_path, id),
	.key_offset = offsetof(struct ntm_path, id),
	.head_offset = offsetof(struct ntm_path, by_id),
	.automatic_shrinking = true,
};

static const struct rhashtable_params ntm_by_v4 = {
	.key_len = sizeof_field(struct ntm_path, peer.v4),
	.key_offset = offsetof(struct ntm_path, peer.v4),
	.head_offset = offsetof(struct ntm_path, by_v4),
	.automatic_shrinking = true,
};

static const struct rhashtable_params ntm_by_v6 = {
	.key_len = sizeof_field(struct ntm_path, peer.v6),
	.key_offset = offsetof(struct ntm_path, peer.v6),
	.head_offset = offsetof(struct ntm_path, by_v6),
	.automatic_shrinking = true,
};

int ntm_path_tables_init(struct ntm_path_tables *t)
{
	int err;

	t->order = RB_ROOT;
	t->count = 0;
	t->gen = 1;
	err = rhashtable_init(&t->by_id, &ntm_by_id);
	if (err)
		return err;
	err = rhashtable_init(&t->by_v4, &ntm_by_v4);
	if (err)
		goto err_id;
	err = rhashtable_init(&t->by_v6, &ntm_by_v6);
	if (err)
		goto err_v4;
	return 0;

err_v4:
	rhashtable_destroy(&t->by_v4);
err_id:
	rhashtable_destroy(&t->by_id);
	return err;
}

void ntm_path_tables_destroy(struct ntm_path_tables *t)
{
	WARN_ON_ONCE(t->count);
	rhashtable_destroy(&t->by_v6);
	rhashtable_destroy(&t->by_v4);
	rhashtable_destroy(&t->by_id);
}

struct ntm_path *ntm_path_by_id(struct ntm_path_tables *t, __be32 id)
{
	return rhashtable_lookup(&t->by_id, &id, ntm_by_id);
}

struct ntm_path *ntm_path_by_v4(struct ntm_path_tables *t, __be32 virt)
{
	return rhashtable_lookup(&t->by_v4, &virt, ntm_by_v4);
}

struct ntm_path *ntm_path_by_v6(struct ntm_path_tables *t, const struct in6_addr *virt)
{
	return rhashtable_lookup(&t->by_v6, virt, ntm_by_v6);
}

struct ntm_path *ntm_path_from(struct ntm_path_tables *t, u32 id)
{
	struct rb_node *node = t->order.rb_node;
	struct ntm_path *found = NULL;

	while (node) {
		struct ntm_path *path = rb_entry(node, struct ntm_path, order);

		if (be32_to_cpu(path->id) < id) {
			node = node->rb_right;
		} else {
			found = path;
			node = node->rb_left;
		}
	}
	return found;
}

static bool ntm_path_less(struct rb_node *a, const struct rb_node *b)
{
	return be32_to_cpu(rb_entry(a, struct ntm_path, order)->id) <
	       be32_to_cpu(rb_entry(b, struct ntm_path, order)->id);
}

static void ntm_path_changed(struct ntm_path_tables *t, int by)
{
	WRITE_ONCE(t->count, t->count + by);
	if (!++t->gen)
		t->gen = 1;
}

struct ntm_path *ntm_path_new(struct ntm_dev *ndev, __be32 id)
{
	struct ntm_path *path = kzalloc(sizeof(*path), GFP_KERNEL);

	if (!path)
		return NULL;
	path->stats = netdev_alloc_pcpu_stats(struct ntm_stats);
	if (!path->stats) {
		kfree(path);
		return NULL;
	}
	path->id = id;
	path->mtu_told = READ_ONCE(ndev->dev->mtu);
	path->ndev = ndev;
	dev_hold(ndev->dev);
	spin_lock_init(&path->lock);
	kref_init(&path->ref);
	return path;
}

/* Takes the path out of the address tables, as far as it is in them. */
static void ntm_path_unhash_virtual(struct ntm_path *path, bool v4, bool v6)
{
	struct ntm_path_tables *t = &path->ndev->paths;

	if (v4)
		rhashtable_remove_fast(&t->by_v4, &path->by_v4, ntm_by_v4);
	if (v6)
		rhashtable_remove_fast(&t->by_v6, &path->by_v6, ntm_by_v6);
}

/* Why a table did not take a path: @exists, or no memory to grow. */
static void ntm_path_refused(int err, struct netlink_ext_ack *extack, const char *exists)
{
	if (extack)
		extack->_msg = err == -EEXIST ? exists : "no memory for the path tables";
}

/*
 * The table by ID comes last: a packet in finds the path by it, and its inner
 * source is checked against addresses that must be in the tables by then.
 */
int ntm_path_insert(struct ntm_path *path, struct netlink_ext_ack *extack)
{
	struct ntm_path_tables *t = &path->ndev->paths;
	int err;

	if (path->peer.has_v4) {
		err = rhashtable_lookup_insert_fast(&t->by_v4, &path->by_v4, ntm_by_v4);
		if (err) {
			ntm_path_refused(err, extack,
					 "another path has this virtual IPv4 address");
			return err;
		}
	}
	if (path->peer.has_v6) {
		err = rhashtable_lookup_insert_fast(&t->by_v6, &path->by_v6, ntm_by_v6);
		if (err) {
			ntm_path_refused(err, extack,
					 "another path has this virtual IPv6 address");
			goto err_v4;
		}
	}
	err = rhashtable_lookup_insert_fast(&t->by_id, &path->by_id, ntm_by_id);
	if (err) {
		ntm_path_refused(err, extack, "a path with this ID exists");
		goto err_v6;
	}
	rb_add(&path->order, &t->order, ntm_path_less);
	ntm_path_changed(t, 1);
	return 0;

err_v6:
	ntm_path_unhash_virtual(path, false, path->peer.has_v6);
err_v4:
	ntm_path_unhash_virtual(path, path->peer.has_v4, false);
	return err;
}

/* Gives every key back; each is wiped with its last reference. */
static void ntm_path_drop_keys(struct ntm_path *path)
{
	struct ntm_key *old[NTM_WIRE_EPOCHS];
	int i;

	spin_lock_bh(&path->lock);
	RCU_INIT_POINTER(path->tx, NULL);
	for (i = 0; i < NTM_WIRE_EPOCHS; i++)
		old[i] = rcu_replace_pointer(path->rx[i], NULL,
					     lockdep_is_held(&path->lock));
	spin_unlock_bh(&path->lock);
	for (i = 0; i < NTM_WIRE_EPOCHS; i++)
		if (old[i])
			ntm_key_put(old[i]);
}

void ntm_path_remove(struct ntm_path *path)
{
	struct ntm_path_tables *t = &path->ndev->paths;

	rhashtable_remove_fast(&t->by_id, &path->by_id, ntm_by_id);
	ntm_path_unhash_virtual(path, path->peer.has_v4, path->peer.has_v6);
	rb_erase(&path->order, &t->order);
	ntm_path_changed(t, -1);
	if (rcu_access_pointer(path->port))
		ntm_port_set(path, NULL);
	ntm_path_drop_keys(path);
	ntm_path_put(path);
}

void ntm_path_remove_all(struct ntm_dev *ndev)
{
	struct rb_node *node;

	while ((node = rb_first(&ndev->paths.order))) {
		ntm_path_remove(rb_entry(node, struct ntm_path, order));
		cond_resched();
	}
}

static void ntm_path_free_rcu(struct rcu_head *rcu)
{
	struct ntm_path *path = container_of(rcu, struct ntm_path, rcu);
	struct ntm_endpoint *ep = rcu_dereference_protected(path->endpoint, true);

	if (ep)
		ntm_endpoint_free(ep);
	kfree(rcu_dereference_protected(path->relays, true));
	free_percpu(path->stats);
	dev_put(path->ndev->dev);
	kfree(path);
}

/*
 * Readers that found the path before it was unlinked may still look at it and
 * at path->ndev, which it holds until they are done.
 */
static void ntm_path_release(struct kref *ref)
{
	struct ntm_path *path = container_of(ref, struct ntm_path, ref);

	WARN_ON_ONCE(rcu_access_pointer(path->port));
	ntm_path_drop_keys(path);
	call_rcu(&path->rcu, ntm_path_free_rcu);
}

void ntm_path_put(struct ntm_path *path)
{
	kref_put(&path->ref, ntm_path_release);
}

u32 ntm_path_mtu(const struct ntm_path *path)
{
	return READ_ONCE(path->mtu) ?: READ_ONCE(path->ndev->dev->mtu);
}

void ntm_path_set_mtu(struct ntm_path *path, u32 mtu)
{
	WRITE_ONCE(path->mtu, mtu);
	WRITE_ONCE(path->mtu_told, mtu);
}

bool ntm_addr_equal(const union ntm_addr *a, const union ntm_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr &&
		       a->v4.sin_port == b->v4.sin_port;
	return ipv6_addr_equal(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
	       a->v6.sin6_port == b->v6.sin6_port &&
	       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

struct ntm_endpoint *ntm_endpoint_new(const union ntm_addr *addr,
				      const union ntm_addr *local, gfp_t gfp)
{
	struct ntm_endpoint *ep = kzalloc(sizeof(*ep), gfp);

	if (!ep)
		return NULL;
	if (dst_cache_init(&ep->cache, gfp)) {
		kfree(ep);
		return NULL;
	}
	if (addr->sa.sa_family == AF_INET) {
		ep->addr.v4 = addr->v4;
		if (local && local->sa.sa_family == AF_INET)
			ep->src4 = local->v4.sin_addr;
	} else {
		ep->addr.v6 = addr->v6;
		if (local && local->sa.sa_family == AF_INET6)
			ep->src6 = local->v6.sin6_addr;
	}
	return ep;
}

void ntm_endpoint_free(struct ntm_endpoint *ep)
{
	dst_cache_destroy(&ep->cache);
	kfree(ep);
}

static void ntm_endpoint_reclaim(struct rcu_head *rcu)
{
	ntm_endpoint_free(container_of(rcu, struct ntm_endpoint, rcu));
}

void ntm_endpoint_free_rcu(struct ntm_endpoint *ep)
{
	call_rcu(&ep->rcu, ntm_endpoint_reclaim);
}

void ntm_path_set_endpoint(struct ntm_path *path, struct ntm_endpoint *ep)
{
	struct ntm_endpoint *old;

	spin_lock_bh(&path->lock);
	old = rcu_replace_pointer(path->endpoint, ep, lockdep_is_held(&path->lock));
	spin_unlock_bh(&path->lock);
	if (old)
		ntm_endpoint_free_rcu(old);
}

/* A route may depend on the local port. */
void ntm_path_use_port(struct ntm_path *path, bool own_port)
{
	struct ntm_endpoint *ep;

	spin_lock_bh(&path->lock);
	ep = rcu_dereference_protected(path->endpoint, lockdep_is_held(&path->lock));
	if (ep) {
		WRITE_ONCE(ep->own_port, own_port);
		dst_cache_reset(&ep->cache);
	}
	spin_unlock_bh(&path->lock);
}

const struct ntm_port *ntm_path_port(const struct ntm_path *path, sa_family_t family)
{
	const struct ntm_port *port = rcu_dereference(path->port);

	return port && port->family == family ? port : NULL;
}

static bool ntm_moment_after(const struct ntm_moment *a, const struct ntm_moment *b)
{
	if (a->epoch == b->epoch)
		return a->ctr > b->ctr;
	return (s32)(a->epoch - b->epoch) > 0;
}

int ntm_path_move(struct ntm_path *path, const union ntm_addr *addr,
		  const union ntm_addr *local, bool own_port,
		  const struct ntm_moment *when)
{
	struct ntm_endpoint *old = NULL, *ep;
	int err = 0;

	spin_lock(&path->lock);
	if (!ntm_moment_after(when, &path->moved)) {
		err = -ESTALE;
		goto out_unlock;
	}
	if (!ntm_pace_take(&path->moves, jiffies64_to_msecs(get_jiffies_64()))) {
		err = -EBUSY;
		goto out_unlock;
	}
	ep = ntm_endpoint_new(addr, local, GFP_ATOMIC);
	if (!ep) {
		err = -ENOMEM;
		goto out_unlock;
	}
	ep->own_port = own_port;
	path->moved = *when;
	old = rcu_replace_pointer(path->endpoint, ep, lockdep_is_held(&path->lock));
out_unlock:
	spin_unlock(&path->lock);
	if (old)
		ntm_endpoint_free_rcu(old);
	return err;
}

void ntm_path_set_relays(struct ntm_path *path, struct ntm_relays *relays)
{
	struct ntm_relays *old;

	spin_lock_bh(&path->lock);
	old = rcu_replace_pointer(path->relays, relays, lockdep_is_held(&path->lock));
	spin_unlock_bh(&path->lock);
	if (old)
		kfree_rcu(old, rcu);
}

bool ntm_path_is_relay(const struct ntm_path *path, const union ntm_addr *addr)
{
	const struct ntm_relays *relays = rcu_dereference(path->relays);
	int i;

	for (i = 0; relays && i < NTM_RELAYS; i++)
		if (ntm_addr_equal(&relays->addr[i], addr))
			return true;
	return false;
}

#define ntm_path_slot(path, i) \
	rcu_dereference_protected((path)->rx[i], lockdep_is_held(&(path)->lock))
#define ntm_path_tx(path) \
	rcu_dereference_protected((path)->tx, lockdep_is_held(&(path)->lock))

/*
 * Empties the slots of all keys that are no longer valid beside @tx: valid are
 * @tx itself, the one before it, and the one after it, which is pending. The
 * emptied keys go to @old, to be put once the lock is released.
 */
static void ntm_path_prune(struct ntm_path *path, const struct ntm_key *tx,
			   struct ntm_key *old[NTM_WIRE_EPOCHS])
{
	int i;

	lockdep_assert_held(&path->lock);
	for (i = 0; i < NTM_WIRE_EPOCHS; i++) {
		struct ntm_key *key = ntm_path_slot(path, i);

		old[i] = NULL;
		if (!key || (tx && key->epoch - tx->epoch + 1 <= 2))
			continue;
		RCU_INIT_POINTER(path->rx[i], NULL);
		old[i] = key;
	}
}

static void ntm_path_put_keys(struct ntm_key *old[NTM_WIRE_EPOCHS])
{
	int i;

	for (i = 0; i < NTM_WIRE_EPOCHS; i++)
		if (old[i])
			ntm_key_put(old[i]);
}

/*
 * The pending key is given again: one that a data packet has shown to be the peer's,
 * and is just about to confirm, knows that packet. It stays, with its window.
 */
static bool ntm_path_pending_again(struct ntm_path *path, const struct ntm_key *key,
				   bool confirmed, struct ntm_key *old[NTM_WIRE_EPOCHS])
{
	struct ntm_key *pending = ntm_path_slot(path, key->epoch % NTM_WIRE_EPOCHS);

	if (!pending || !ntm_key_same(pending, key))
		return false;
	if (confirmed) {
		rcu_assign_pointer(path->tx, pending);
		ntm_path_prune(path, pending, old);
	}
	return true;
}

int ntm_path_add_key(struct ntm_path *path, struct ntm_key *key, bool confirmed,
		     struct netlink_ext_ack *extack)
{
	u32 slot = key->epoch % NTM_WIRE_EPOCHS;
	struct ntm_key *old[NTM_WIRE_EPOCHS] = {};
	struct ntm_key *tx, *gone;

	spin_lock_bh(&path->lock);
	tx = ntm_path_tx(path);
	if (tx && key->epoch != tx->epoch + 1) {
		spin_unlock_bh(&path->lock);
		NL_SET_ERR_MSG(extack, "epoch is not the one after the current key's");
		return -EEXIST;
	}
	if (ntm_path_pending_again(path, key, confirmed, old)) {
		gone = key;
		goto out_unlock;
	}
	if (!tx) {
		WRITE_ONCE(path->heard, key->epoch - 1);
		path->moved.epoch = key->epoch - 1;
	}
	/* Without a sending key all there can be is pending, and falls. */
	ntm_path_prune(path, tx && confirmed ? key : tx, old);
	gone = ntm_path_slot(path, slot);
	rcu_assign_pointer(path->rx[slot], key);
	if (confirmed)
		rcu_assign_pointer(path->tx, key);
out_unlock:
	spin_unlock_bh(&path->lock);

	if (gone)
		ntm_key_put(gone);
	ntm_path_put_keys(old);
	return 0;
}

bool ntm_path_confirm(struct ntm_path *path, struct ntm_key *key)
{
	struct ntm_key *old[NTM_WIRE_EPOCHS] = {};
	bool was_pending = false;
	struct ntm_key *tx;

	/* The usual case, without the lock: the key is the sending key. */
	if (likely(rcu_access_pointer(path->tx) == key))
		return false;

	spin_lock_bh(&path->lock);
	tx = ntm_path_tx(path);
	if (tx != key &&
	    ntm_path_slot(path, key->epoch % NTM_WIRE_EPOCHS) == key &&
	    (!tx || (s32)(key->epoch - tx->epoch) > 0)) {
		was_pending = true;
		rcu_assign_pointer(path->tx, key);
		ntm_path_prune(path, key, old);
	}
	spin_unlock_bh(&path->lock);

	ntm_path_put_keys(old);
	return was_pending;
}

bool ntm_path_heard(struct ntm_path *path, u32 epoch)
{
	u32 heard = READ_ONCE(path->heard);

	while (unlikely((s32)(epoch - heard) > 0))
		if (try_cmpxchg(&path->heard, &heard, epoch))
			return true;
	return epoch == heard;
}
