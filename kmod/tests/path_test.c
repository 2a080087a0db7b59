// SPDX-License-Identifier: GPL-2.0
/* The path table: lookups, conflicts, order, and the life of keys in their slots. */
#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include "../dev.h"
#include "../key.h"
#include "../path.h"

/* A device that is never registered: paths only count their references to it. */
static int ntm_path_test_init(struct kunit *test)
{
	struct ntm_dev *ndev = kunit_kzalloc(test, sizeof(*ndev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ndev);
	ndev->dev = alloc_netdev(0, "ntmtest%d", NET_NAME_UNKNOWN, ether_setup);
	KUNIT_ASSERT_NOT_NULL(test, ndev->dev);
	KUNIT_ASSERT_EQ(test, ntm_path_tables_init(&ndev->paths), 0);
	test->priv = ndev;
	return 0;
}

static void ntm_path_test_exit(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;

	ntm_path_remove_all(ndev);
	ntm_path_tables_destroy(&ndev->paths);
	rcu_barrier();
	free_netdev(ndev->dev);
}

static struct ntm_path *ntm_test_path(struct kunit *test, u32 id, u32 v4, u32 v6)
{
	struct ntm_path *path = ntm_path_new(test->priv, cpu_to_be32(id));

	KUNIT_ASSERT_NOT_NULL(test, path);
	*(__be32 *)path->peer.v4 = cpu_to_be32(v4);
	path->peer.has_v4 = v4;
	*(__be32 *)path->peer.v6 = cpu_to_be32(0xfd000000);
	*(__be32 *)(path->peer.v6 + 12) = cpu_to_be32(v6);
	path->peer.has_v6 = v6;
	return path;
}

static struct ntm_path *ntm_test_insert(struct kunit *test, u32 id, u32 v4, u32 v6)
{
	struct ntm_path *path = ntm_test_path(test, id, v4, v6);

	KUNIT_ASSERT_EQ(test, ntm_path_insert(path, NULL), 0);
	return path;
}

static struct ntm_path *ntm_test_find6(struct ntm_dev *ndev, u32 v6)
{
	struct in6_addr addr = { .s6_addr32 = { cpu_to_be32(0xfd000000), 0, 0, cpu_to_be32(v6) } };

	return ntm_path_by_v6(&ndev->paths, &addr);
}

static void ntm_path_lookup(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;
	struct ntm_path *both = ntm_test_insert(test, 1, 0x0a000001, 1);
	struct ntm_path *only4 = ntm_test_insert(test, 2, 0x0a000002, 0);
	struct ntm_path *only6 = ntm_test_insert(test, 3, 0, 3);

	rcu_read_lock();
	KUNIT_EXPECT_PTR_EQ(test, ntm_path_by_id(&ndev->paths, cpu_to_be32(1)), both);
	KUNIT_EXPECT_PTR_EQ(test, ntm_path_by_v4(&ndev->paths, cpu_to_be32(0x0a000001)), both);
	KUNIT_EXPECT_PTR_EQ(test, ntm_test_find6(ndev, 1), both);
	KUNIT_EXPECT_PTR_EQ(test, ntm_path_by_v4(&ndev->paths, cpu_to_be32(0x0a000002)), only4);
	KUNIT_EXPECT_NULL(test, ntm_test_find6(ndev, 0));
	KUNIT_EXPECT_PTR_EQ(test, ntm_test_find6(ndev, 3), only6);
	KUNIT_EXPECT_NULL(test, ntm_path_by_v4(&ndev->paths, 0));
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, ndev->paths.count, 3);

	ntm_path_remove(both);
	rcu_read_lock();
	KUNIT_EXPECT_NULL(test, ntm_path_by_id(&ndev->paths, cpu_to_be32(1)));
	KUNIT_EXPECT_NULL(test, ntm_path_by_v4(&ndev->paths, cpu_to_be32(0x0a000001)));
	KUNIT_EXPECT_NULL(test, ntm_test_find6(ndev, 1));
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, ndev->paths.count, 2);
}

static void ntm_path_conflict(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;
	struct ntm_path *path;
	u32 gen;

	ntm_test_insert(test, 1, 0x0a000001, 1);
	gen = ndev->paths.gen;

	path = ntm_test_path(test, 2, 0x0a000001, 2);
	KUNIT_EXPECT_EQ(test, ntm_path_insert(path, NULL), -EEXIST);
	ntm_path_put(path);
	path = ntm_test_path(test, 2, 0x0a000002, 1);
	KUNIT_EXPECT_EQ(test, ntm_path_insert(path, NULL), -EEXIST);
	ntm_path_put(path);
	path = ntm_test_path(test, 1, 0x0a000002, 2);
	KUNIT_EXPECT_EQ(test, ntm_path_insert(path, NULL), -EEXIST);
	ntm_path_put(path);

	rcu_read_lock();
	KUNIT_EXPECT_NULL(test, ntm_path_by_id(&ndev->paths, cpu_to_be32(2)));
	KUNIT_EXPECT_NULL(test, ntm_path_by_v4(&ndev->paths, cpu_to_be32(0x0a000002)));
	KUNIT_EXPECT_NULL(test, ntm_test_find6(ndev, 2));
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, ndev->paths.gen, gen);
	KUNIT_EXPECT_EQ(test, ndev->paths.count, 1);
}

static void ntm_path_order(struct kunit *test)
{
	static const u32 ids[] = { 0x80000001, 7, U32_MAX, 1, 0x7fffffff, 256 };
	static const u32 want[] = { 1, 7, 256, 0x7fffffff, 0x80000001, U32_MAX };
	struct ntm_dev *ndev = test->priv;
	struct ntm_path *path;
	u64 from = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		ntm_test_insert(test, ids[i], i + 1, 0);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		path = ntm_path_from(&ndev->paths, from);
		KUNIT_ASSERT_NOT_NULL(test, path);
		KUNIT_EXPECT_EQ(test, be32_to_cpu(path->id), want[i]);
		from = (u64)want[i] + 1;
	}
	KUNIT_EXPECT_PTR_EQ(test, ntm_path_from(&ndev->paths, U32_MAX), path);
}

static void ntm_path_many(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;
	u32 i;

	for (i = 1; i <= 20000; i++)
		ntm_test_insert(test, i * 2654435761u, i, i);
	KUNIT_EXPECT_EQ(test, ndev->paths.count, 20000);
	for (i = 1; i <= 20000; i++) {
		struct ntm_path *path;

		rcu_read_lock();
		path = ntm_path_by_v4(&ndev->paths, cpu_to_be32(i));
		KUNIT_ASSERT_NOT_NULL(test, path);
		KUNIT_ASSERT_EQ(test, be32_to_cpu(path->id), i * 2654435761u);
		rcu_read_unlock();
	}
	ntm_path_remove_all(ndev);
	KUNIT_EXPECT_EQ(test, ndev->paths.count, 0);
}

static struct ntm_key *ntm_test_key_of(struct kunit *test, u32 epoch, u8 bytes)
{
	u8 tx[NTM_WIRE_KEY_LEN] = { 1, bytes }, rx[NTM_WIRE_KEY_LEN] = { 2, bytes };
	struct ntm_key *key = ntm_key_new(NTM_SUITE_CHACHA20_POLY1305, epoch, tx, rx, NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(key));
	return key;
}

/* None that there was before. */
static struct ntm_key *ntm_test_key(struct kunit *test, u32 epoch)
{
	static u8 bytes;

	return ntm_test_key_of(test, epoch, bytes++);
}

static struct ntm_key *ntm_test_add(struct kunit *test, struct ntm_path *path, u32 epoch,
				    bool confirmed)
{
	struct ntm_key *key = ntm_test_key(test, epoch);

	KUNIT_ASSERT_EQ(test, ntm_path_add_key(path, key, confirmed, NULL), 0);
	return key;
}

static void ntm_test_refused(struct kunit *test, struct ntm_path *path, u32 epoch)
{
	struct ntm_key *key = ntm_test_key(test, epoch);

	KUNIT_EXPECT_EQ(test, ntm_path_add_key(path, key, true, NULL), -EEXIST);
	KUNIT_EXPECT_EQ(test, ntm_path_add_key(path, key, false, NULL), -EEXIST);
	ntm_key_put(key);
}

/* The keys in the slots of epochs base to base + 3. */
static void ntm_test_slots(struct kunit *test, struct ntm_path *path, u32 base,
			   const struct ntm_key *a, const struct ntm_key *b,
			   const struct ntm_key *c, const struct ntm_key *d)
{
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->rx[base % 4]), a);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->rx[(base + 1) % 4]), b);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->rx[(base + 2) % 4]), c);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->rx[(base + 3) % 4]), d);
}

static void ntm_path_keys_confirmed(struct kunit *test)
{
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);
	struct ntm_key *k5, *k6, *k7;

	k5 = ntm_test_add(test, path, 5, true);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->tx), k5);
	ntm_test_refused(test, path, 5);
	ntm_test_refused(test, path, 4);
	ntm_test_refused(test, path, 7);
	ntm_test_refused(test, path, 9);
	k6 = ntm_test_add(test, path, 6, true);
	ntm_test_slots(test, path, 5, k5, k6, NULL, NULL);
	k7 = ntm_test_add(test, path, 7, true);
	ntm_test_slots(test, path, 5, NULL, k6, k7, NULL);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->tx), k7);
	/* The older of two valid keys does not become the sending key again. */
	KUNIT_EXPECT_FALSE(test, ntm_path_confirm(path, k6));
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->tx), k7);
}

static void ntm_path_keys_pending(struct kunit *test)
{
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);
	struct ntm_key *k1, *k2, *k3, *k4;

	k1 = ntm_test_add(test, path, 1, false);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(path->tx));
	ntm_test_slots(test, path, 1, k1, NULL, NULL, NULL);
	/* Never used, so another may take its place, of any epoch. */
	k1 = ntm_test_add(test, path, 1, false);
	ntm_test_slots(test, path, 1, k1, NULL, NULL, NULL);
	k3 = ntm_test_add(test, path, 3, false);
	ntm_test_slots(test, path, 1, NULL, NULL, k3, NULL);
	k1 = ntm_test_add(test, path, 1, false);
	KUNIT_EXPECT_TRUE(test, ntm_path_confirm(path, k1));
	KUNIT_EXPECT_FALSE(test, ntm_path_confirm(path, k1));
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->tx), k1);

	k2 = ntm_test_add(test, path, 2, false);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->tx), k1);
	ntm_test_slots(test, path, 1, k1, k2, NULL, NULL);
	k2 = ntm_test_add(test, path, 2, false);
	ntm_test_slots(test, path, 1, k1, k2, NULL, NULL);
	KUNIT_EXPECT_TRUE(test, ntm_path_confirm(path, k2));
	k3 = ntm_test_add(test, path, 3, false);
	ntm_test_slots(test, path, 1, k1, k2, k3, NULL);
	KUNIT_EXPECT_TRUE(test, ntm_path_confirm(path, k3));
	ntm_test_slots(test, path, 1, NULL, k2, k3, NULL);
	k4 = ntm_test_add(test, path, 4, true);
	ntm_test_slots(test, path, 1, NULL, NULL, k3, k4);
}

/* As ntmd does when a Sealed packet confirms what a data packet is just about to. */
static void ntm_test_again(struct kunit *test, struct ntm_path *path, u32 epoch, bool confirmed)
{
	struct ntm_key *key = ntm_test_key_of(test, epoch, 77);

	KUNIT_ASSERT_EQ(test, ntm_path_add_key(path, key, confirmed, NULL), 0);
}

static enum ntm_replay_verdict ntm_test_came(struct ntm_key *key, u64 ctr)
{
	enum ntm_replay_verdict verdict;

	local_bh_disable();
	verdict = ntm_replay_accept(&key->replay, ctr);
	local_bh_enable();
	return verdict;
}

/* A key given again keeps its window: what came under it is no news. */
static void ntm_path_keys_again(struct kunit *test)
{
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);
	struct ntm_key *first, *second;

	ntm_test_again(test, path, 1, false);
	first = rcu_dereference_raw(path->rx[1]);
	KUNIT_ASSERT_EQ(test, ntm_test_came(first, 5), NTM_REPLAY_NEWEST);
	ntm_test_again(test, path, 1, false);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(path->tx));
	ntm_test_slots(test, path, 1, first, NULL, NULL, NULL);
	ntm_test_again(test, path, 1, true);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->tx), first);
	ntm_test_slots(test, path, 1, first, NULL, NULL, NULL);
	KUNIT_EXPECT_EQ(test, ntm_test_came(first, 5), NTM_REPLAY_REFUSED);
	KUNIT_EXPECT_EQ(test, kref_read(&first->ref), 1u);
	KUNIT_EXPECT_FALSE(test, ntm_path_confirm(path, first));

	ntm_test_again(test, path, 2, false);
	second = rcu_dereference_raw(path->rx[2]);
	ntm_test_again(test, path, 2, true);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(path->tx), second);
	ntm_test_slots(test, path, 1, first, second, NULL, NULL);
	/* The same bytes of another epoch are another key. */
	ntm_test_again(test, path, 3, true);
	KUNIT_EXPECT_PTR_NE(test, rcu_access_pointer(path->tx), second);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(path->rx[1]));
}

static void ntm_path_keys_wrap(struct kunit *test)
{
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);
	struct ntm_key *last, *zero, *one;

	last = ntm_test_add(test, path, U32_MAX, true);
	zero = ntm_test_add(test, path, 0, false);
	KUNIT_EXPECT_TRUE(test, ntm_path_confirm(path, zero));
	ntm_test_slots(test, path, U32_MAX, last, zero, NULL, NULL);
	ntm_test_refused(test, path, U32_MAX);
	one = ntm_test_add(test, path, 1, true);
	ntm_test_slots(test, path, U32_MAX, NULL, zero, one, NULL);
}

/* A path that is removed gives its keys back at once, though a packet holds it. */
static void ntm_path_keys_removed(struct kunit *test)
{
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);
	struct ntm_key *key = ntm_test_add(test, path, 1, true);

	kref_get(&path->ref);
	kref_get(&key->ref);
	ntm_path_remove(path);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(path->tx));
	ntm_test_slots(test, path, 0, NULL, NULL, NULL, NULL);
	KUNIT_EXPECT_FALSE(test, ntm_path_confirm(path, key));
	KUNIT_EXPECT_EQ(test, kref_read(&key->ref), 1u);
	ntm_key_put(key);
	ntm_path_put(path);
}

/* The device waits for what a path has, which is freed a grace period after the last reference. */
static void ntm_path_holds_device(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;
	int before = netdev_refcnt_read(ndev->dev);
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);

	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(ndev->dev), before + 1);
	rcu_read_lock();
	ntm_path_remove(path);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(ndev->dev), before + 1);
	rcu_read_unlock();
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(ndev->dev), before);
}

static struct ntm_relays *ntm_test_relays(struct kunit *test, u32 addr0, u32 addr1)
{
	struct ntm_relays *relays = kzalloc(sizeof(*relays), GFP_KERNEL);
	const u32 addr[NTM_RELAYS] = { addr0, addr1 };
	int i;

	KUNIT_ASSERT_NOT_NULL(test, relays);
	for (i = 0; i < NTM_RELAYS; i++) {
		if (!addr[i])
			continue;
		relays->addr[i].v4.sin_family = AF_INET;
		relays->addr[i].v4.sin_port = htons(4330);
		relays->addr[i].v4.sin_addr.s_addr = cpu_to_be32(addr[i]);
	}
	return relays;
}

static bool ntm_test_is_relay(struct ntm_path *path, u32 addr, u16 port)
{
	union ntm_addr from = { .v4 = { AF_INET, htons(port), { cpu_to_be32(addr) } } };
	bool is;

	rcu_read_lock();
	is = ntm_path_is_relay(path, &from);
	rcu_read_unlock();
	return is;
}

/* A relay is an address and a port, of one family; both are replaced together. */
static void ntm_path_relays(struct kunit *test)
{
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);
	union ntm_addr from6 = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(4330) } };

	KUNIT_EXPECT_FALSE(test, ntm_test_is_relay(path, 1, 4330));
	ntm_path_set_relays(path, ntm_test_relays(test, 1, 2));
	KUNIT_EXPECT_TRUE(test, ntm_test_is_relay(path, 1, 4330));
	KUNIT_EXPECT_TRUE(test, ntm_test_is_relay(path, 2, 4330));
	KUNIT_EXPECT_FALSE(test, ntm_test_is_relay(path, 3, 4330));
	KUNIT_EXPECT_FALSE(test, ntm_test_is_relay(path, 1, 4331));

	ntm_path_set_relays(path, ntm_test_relays(test, 0, 3));
	KUNIT_EXPECT_FALSE(test, ntm_test_is_relay(path, 1, 4330));
	KUNIT_EXPECT_TRUE(test, ntm_test_is_relay(path, 3, 4330));
	/* A place where none is stands for no address of either family. */
	KUNIT_EXPECT_FALSE(test, ntm_test_is_relay(path, 0, 0));
	rcu_read_lock();
	KUNIT_EXPECT_FALSE(test, ntm_path_is_relay(path, &from6));
	rcu_read_unlock();

	ntm_path_set_relays(path, NULL);
	KUNIT_EXPECT_FALSE(test, ntm_test_is_relay(path, 3, 4330));
	/* Those it has when it goes are freed with it. */
	ntm_path_set_relays(path, ntm_test_relays(test, 1, 0));
}

static int ntm_test_move(struct ntm_path *path, u32 addr, u32 epoch, u64 ctr)
{
	union ntm_addr from = { .v4 = { AF_INET, htons(4330), { cpu_to_be32(addr) } } };
	const struct ntm_moment when = { epoch, ctr };
	int err;

	path->moves = 0;
	local_bh_disable();
	err = ntm_path_move(path, &from, &from, false, &when);
	local_bh_enable();
	return err;
}

static u32 ntm_test_where(struct ntm_path *path)
{
	const struct ntm_endpoint *ep;
	u32 addr;

	rcu_read_lock();
	ep = rcu_dereference(path->endpoint);
	addr = ep ? be32_to_cpu(ep->addr.v4.sin_addr.s_addr) : 0;
	rcu_read_unlock();
	return addr;
}

/* A packet that was the newest, and whose processor comes late, does not move the peer back. */
static void ntm_path_moves(struct kunit *test)
{
	struct ntm_path *path = ntm_test_insert(test, 1, 1, 1);

	ntm_test_add(test, path, U32_MAX, true);
	KUNIT_EXPECT_EQ(test, ntm_test_move(path, 1, U32_MAX, 0), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_where(path), 1u);
	KUNIT_EXPECT_EQ(test, ntm_test_move(path, 2, U32_MAX, 7), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_move(path, 1, U32_MAX, 6), -ESTALE);
	KUNIT_EXPECT_EQ(test, ntm_test_where(path), 2u);
	KUNIT_EXPECT_EQ(test, ntm_test_move(path, 3, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_move(path, 2, U32_MAX, 8), -ESTALE);
	KUNIT_EXPECT_EQ(test, ntm_test_where(path), 3u);
}

static struct kunit_case ntm_path_cases[] = {
	KUNIT_CASE(ntm_path_lookup),
	KUNIT_CASE(ntm_path_conflict),
	KUNIT_CASE(ntm_path_order),
	KUNIT_CASE(ntm_path_many),
	KUNIT_CASE(ntm_path_keys_confirmed),
	KUNIT_CASE(ntm_path_keys_pending),
	KUNIT_CASE(ntm_path_keys_again),
	KUNIT_CASE(ntm_path_keys_wrap),
	KUNIT_CASE(ntm_path_keys_removed),
	KUNIT_CASE(ntm_path_holds_device),
	KUNIT_CASE(ntm_path_relays),
	KUNIT_CASE(ntm_path_moves),
	{}
};

static struct kunit_suite ntm_path_suite = {
	.name = "ntmobile-path",
	.init = ntm_path_test_init,
	.exit = ntm_path_test_exit,
	.test_cases = ntm_path_cases,
};

kunit_test_suite(ntm_path_suite);
