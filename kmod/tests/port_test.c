// SPDX-License-Identifier: GPL-2.0
/* Paths with a port of their own: whose a socket is, how many, and that it is let go of. */
#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <ntmobile/uapi.h>
#include "../dev.h"
#include "../path.h"
#include "../port.h"

/* A device that is never registered, as in path_test.c, with an owner. */
static int ntm_port_test_init(struct kunit *test)
{
	struct ntm_dev *ndev = kunit_kzalloc(test, sizeof(*ndev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ndev);
	ndev->dev = alloc_netdev(0, "ntmtest%d", NET_NAME_UNKNOWN, ether_setup);
	KUNIT_ASSERT_NOT_NULL(test, ndev->dev);
	ndev->net = &init_net;
	ndev->portid = 1;
	mutex_init(&ndev->lock);
	KUNIT_ASSERT_EQ(test, ntm_path_tables_init(&ndev->paths), 0);
	test->priv = ndev;
	return 0;
}

static void ntm_port_test_exit(struct kunit *test)
{
	struct ntm_dev *ndev = test->priv;

	mutex_lock(&ndev->lock);
	ntm_path_remove_all(ndev);
	mutex_unlock(&ndev->lock);
	KUNIT_EXPECT_EQ(test, ndev->ports.count, 0);
	ntm_path_tables_destroy(&ndev->paths);
	rcu_barrier();
	free_netdev(ndev->dev);
}

static struct ntm_path *ntm_test_path(struct kunit *test, u32 id)
{
	struct ntm_path *path = ntm_path_new(test->priv, cpu_to_be32(id));

	KUNIT_ASSERT_NOT_NULL(test, path);
	*(__be32 *)path->peer.v4 = cpu_to_be32(id);
	path->peer.has_v4 = true;
	KUNIT_ASSERT_EQ(test, ntm_path_insert(path, NULL), 0);
	return path;
}

static struct socket *ntm_test_socket(struct kunit *test, int family)
{
	struct sockaddr_in6 any = { .sin6_family = family };
	struct socket *sock;

	KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, family, SOCK_DGRAM,
					       IPPROTO_UDP, &sock), 0);
	KUNIT_ASSERT_EQ(test, kernel_bind(sock, (struct sockaddr *)&any, sizeof(any)), 0);
	return sock;
}

/* As PATH_SET does; 0 or an errno. */
static int ntm_test_give(struct kunit *test, struct ntm_path *path, struct socket *sock)
{
	struct ntm_dev *ndev = test->priv;
	struct ntm_port *port = NULL;

	mutex_lock(&ndev->lock);
	if (sock)
		port = ntm_port_new(ndev, path, sock->sk, NULL);
	if (!IS_ERR(port))
		ntm_port_set(path, port);
	mutex_unlock(&ndev->lock);
	return PTR_ERR_OR_ZERO(port);
}

/* How many ports in the device's table are this socket's. */
static int ntm_test_found(struct kunit *test, const struct socket *sock)
{
	struct ntm_dev *ndev = test->priv;
	__be16 num = inet_sk(sock->sk)->inet_sport;
	const struct ntm_port *port;
	int n = 0;

	rcu_read_lock();
	hlist_for_each_entry_rcu(port, ntm_ports_bucket(&ndev->ports, num), node)
		n += port->num == num && port->sk == sock->sk;
	rcu_read_unlock();
	return n;
}

static void ntm_port_life(struct kunit *test)
{
	struct ntm_path *path = ntm_test_path(test, 1);
	struct socket *first = ntm_test_socket(test, AF_INET);
	struct socket *second = ntm_test_socket(test, AF_INET6);
	int refs = refcount_read(&first->sk->sk_refcnt);
	struct ntm_dev *ndev = test->priv;

	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, first), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, first), 1);
	rcu_read_lock();
	KUNIT_ASSERT_NOT_NULL(test, ntm_path_port(path, AF_INET));
	KUNIT_EXPECT_EQ(test, ntm_path_port(path, AF_INET)->num, inet_sk(first->sk)->inet_sport);
	KUNIT_EXPECT_NULL(test, ntm_path_port(path, AF_INET6));
	rcu_read_unlock();

	/* The same one again: nothing changes. */
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, first), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, first), 1);
	KUNIT_EXPECT_EQ(test, ndev->ports.count, 1);

	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, second), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, first), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, second), 1);
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, refcount_read(&first->sk->sk_refcnt), refs);

	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, NULL), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, second), 0);
	KUNIT_EXPECT_EQ(test, ndev->ports.count, 0);

	/* It goes with its path, and with the owner. */
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, first), 0);
	mutex_lock(&ndev->lock);
	ntm_path_remove(path);
	mutex_unlock(&ndev->lock);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, first), 0);
	path = ntm_test_path(test, 2);
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, first), 0);
	mutex_lock(&ndev->lock);
	ntm_dev_set_owner(ndev, 1);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, first), 1);
	ntm_dev_set_owner(ndev, 2);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, first), 0);
	mutex_unlock(&ndev->lock);
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, refcount_read(&first->sk->sk_refcnt), refs);

	sock_release(first);
	sock_release(second);
}

static void ntm_port_whose(struct kunit *test)
{
	struct ntm_path *path = ntm_test_path(test, 1), *other = ntm_test_path(test, 2);
	struct socket *sock = ntm_test_socket(test, AF_INET);
	struct ntm_dev *ndev = test->priv;
	struct ntm_sockets socks = { .sk4 = sock->sk };

	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, sock), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, other, sock), -EBUSY);
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, NULL), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, other, sock), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, other, NULL), 0);

	rcu_assign_pointer(ndev->sockets, &socks);
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, sock), -EBUSY);
	RCU_INIT_POINTER(ndev->sockets, NULL);
	ndev->portid = 0;
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, sock), -ENOTCONN);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, sock), 0);
	rcu_barrier();
	sock_release(sock);
}

static void ntm_port_limit(struct kunit *test)
{
	struct socket **socks;
	struct ntm_path *path;
	int i;

	socks = kunit_kcalloc(test, NTM_PATH_SOCKETS + 1, sizeof(*socks), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, socks);
	for (i = 0; i <= NTM_PATH_SOCKETS; i++) {
		socks[i] = ntm_test_socket(test, AF_INET);
		path = ntm_test_path(test, i + 1);
		KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, socks[i]),
				i < NTM_PATH_SOCKETS ? 0 : -ENOSPC);
	}
	for (i = 0; i < NTM_PATH_SOCKETS; i++)
		KUNIT_EXPECT_EQ(test, ntm_test_found(test, socks[i]), 1);

	/* One that takes the place of another does not count. */
	rcu_read_lock();
	path = ntm_path_by_id(&((struct ntm_dev *)test->priv)->paths, cpu_to_be32(1));
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, ntm_test_give(test, path, socks[NTM_PATH_SOCKETS]), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, socks[0]), 0);
	KUNIT_EXPECT_EQ(test, ntm_test_found(test, socks[NTM_PATH_SOCKETS]), 1);

	mutex_lock(&((struct ntm_dev *)test->priv)->lock);
	ntm_port_drop_all(test->priv);
	mutex_unlock(&((struct ntm_dev *)test->priv)->lock);
	for (i = 0; i <= NTM_PATH_SOCKETS; i++) {
		KUNIT_EXPECT_EQ(test, ntm_test_found(test, socks[i]), 0);
		sock_release(socks[i]);
	}
}

static struct kunit_case ntm_port_cases[] = {
	KUNIT_CASE(ntm_port_life),
	KUNIT_CASE(ntm_port_whose),
	KUNIT_CASE(ntm_port_limit),
	{}
};

static struct kunit_suite ntm_port_suite = {
	.name = "ntmobile-port",
	.init = ntm_port_test_init,
	.exit = ntm_port_test_exit,
	.test_cases = ntm_port_cases,
};

kunit_test_suite(ntm_port_suite);
