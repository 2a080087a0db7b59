// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a port: made by a PATH_SET, published in its path and in its
 * device's table at once, taken out again by another PATH_SET, with its path,
 * when the device's owner closes his netlink socket, or with the device.
 *
 * A reference to the sock keeps it in memory, and its network namespace, too.
 * So no port may outlive who opened the socket; that is why a device without
 * an owner takes none. The file descriptor may be closed before: the receive
 * hook then leaves the port alone, which may belong to somebody else.
 */
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <ntmobile/uapi.h>
#include "dev.h"
#include "port.h"

static_assert(NTM_PATH_SOCKETS <= 1 << NTM_PORTS_BITS);

#define ntm_port_of(path) \
	rcu_dereference_protected((path)->port, lockdep_is_held(&(path)->ndev->lock))

/* Whose the socket is already: another port of the device, or NULL. */
static const struct ntm_port *ntm_port_by_sk(struct ntm_dev *ndev, const struct sock *sk)
{
	const struct ntm_port *port;

	hlist_for_each_entry(port, ntm_ports_bucket(&ndev->ports, inet_sk(sk)->inet_sport),
			     node)
		if (port->sk == sk)
			return port;
	return NULL;
}

static int ntm_port_check(struct ntm_dev *ndev, const struct ntm_path *path,
			  const struct sock *sk, struct netlink_ext_ack *extack)
{
	const struct ntm_sockets *socks =
		rcu_dereference_protected(ndev->sockets, lockdep_is_held(&ndev->lock));
	const struct ntm_port *other = ntm_port_by_sk(ndev, sk);

	if (!ndev->portid) {
		NL_SET_ERR_MSG(extack, "the device has no owner");
		return -ENOTCONN;
	}
	if (socks && (sk == socks->sk4 || sk == socks->sk6)) {
		NL_SET_ERR_MSG(extack, "socket is the device's own");
		return -EBUSY;
	}
	if (other && other->path != path) {
		NL_SET_ERR_MSG(extack, "socket is another path's");
		return -EBUSY;
	}
	if (ndev->ports.count >= NTM_PATH_SOCKETS && !(path && ntm_port_of(path))) {
		NL_SET_ERR_MSG(extack, "too many paths with a socket of their own");
		return -ENOSPC;
	}
	return 0;
}

struct ntm_port *ntm_port_new(struct ntm_dev *ndev, const struct ntm_path *path,
			      struct sock *sk, struct netlink_ext_ack *extack)
{
	struct ntm_port *port;
	int err;

	lockdep_assert_held(&ndev->lock);
	err = ntm_port_check(ndev, path, sk, extack);
	if (err)
		return ERR_PTR(err);
	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port) {
		NL_SET_ERR_MSG(extack, "no memory");
		return ERR_PTR(-ENOMEM);
	}
	sock_hold(sk);
	port->sk = sk;
	port->family = sk->sk_family;
	port->num = inet_sk(sk)->inet_sport;
	return port;
}

void ntm_port_free(struct ntm_port *port)
{
	sock_put(port->sk);
	kfree(port);
}

static void ntm_port_free_rcu(struct rcu_head *rcu)
{
	ntm_port_free(container_of(rcu, struct ntm_port, rcu));
}

/* The new one comes in before the old one goes, which may be the same socket's. */
void ntm_port_set(struct ntm_path *path, struct ntm_port *port)
{
	struct ntm_ports *ports = &path->ndev->ports;
	struct ntm_port *old = ntm_port_of(path);

	if (port) {
		port->path = path;
		hlist_add_head_rcu(&port->node, ntm_ports_bucket(ports, port->num));
		WRITE_ONCE(ports->count, ports->count + 1);
	}
	rcu_assign_pointer(path->port, port);
	if (old) {
		hlist_del_rcu(&old->node);
		WRITE_ONCE(ports->count, ports->count - 1);
		call_rcu(&old->rcu, ntm_port_free_rcu);
	}
}

void ntm_port_drop_all(struct ntm_dev *ndev)
{
	struct hlist_node *next;
	struct ntm_port *port;
	int i;

	lockdep_assert_held(&ndev->lock);
	for (i = 0; i < ARRAY_SIZE(ndev->ports.hash); i++)
		hlist_for_each_entry_safe(port, next, &ndev->ports.hash[i], node)
			ntm_port_set(port->path, NULL);
}
