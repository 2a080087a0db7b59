/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Paths with a local port of their own. A node behind a NAT whose mappings
 * depend on the destination finds by trial which of many sockets a peer can
 * reach; the one that it is belongs to the path from then on.
 *
 * Writers hold ndev->lock, readers RCU: a port is taken out of its path and of
 * the device's table first, and lets go of its socket after a grace period.
 */
#ifndef NTM_PORT_H
#define NTM_PORT_H

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/socket.h>
#include <linux/types.h>

struct net;
struct netlink_ext_ack;
struct ntm_dev;
struct ntm_path;
struct sock;

#define NTM_PORTS_BITS	6	/* a bucket for each: NTM_PATH_SOCKETS */

/**
 * struct ntm_port - a UDP socket of a path; does not change once published
 * @node:	in struct ntm_ports, RCU
 * @path:	whose it is, under ndev->lock
 * @sk:		ntmd's socket, referenced (sock_hold)
 * @family:	AF_INET or AF_INET6
 * @num:	its local port, network order
 */
struct ntm_port {
	struct hlist_node node;
	struct ntm_path *path;
	struct sock *sk;
	sa_family_t family;
	__be16 num;
	struct rcu_head rcu;
};

/**
 * struct ntm_ports - the ports of a device's paths
 * @count:	how many; READ_ONCE. 0 spares received packets the look-up
 * @hash:	by port number
 */
struct ntm_ports {
	unsigned int count;
	struct hlist_head hash[1 << NTM_PORTS_BITS];
};

static inline struct hlist_head *ntm_ports_bucket(struct ntm_ports *ports, __be16 num)
{
	return &ports->hash[hash_32((__force u16)num, NTM_PORTS_BITS)];
}

/**
 * ntm_port_new() - make a socket ready to be a path's
 * @ndev:	device; ndev->lock held
 * @path:	the path, or NULL if it is only being made
 * @sk:		the socket, of @ndev's namespace and bound; gets a reference
 * @extack:	reason of a failure
 *
 * Process context. Returns an ERR_PTR() if the device has no owner (with whom
 * the socket would go), for too many, and for a socket that is another's.
 */
struct ntm_port *ntm_port_new(struct ntm_dev *ndev, const struct ntm_path *path,
			      struct sock *sk, struct netlink_ext_ack *extack);
/* One that was never published. */
void ntm_port_free(struct ntm_port *port);

/* The path's port from now on, which it owns; NULL for none. ndev->lock held. */
void ntm_port_set(struct ntm_path *path, struct ntm_port *port);
/* No path of the device has one any more. ndev->lock held. */
void ntm_port_drop_all(struct ntm_dev *ndev);

#endif
