/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interface type "ntm": netdev operations, rtnl link operations, and what
 * belongs to one device and one network namespace.
 */
#ifndef NTM_DEV_H
#define NTM_DEV_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <net/gro_cells.h>
#include "path.h"
#include "port.h"
#include "relay.h"
#include "stats.h"

#define NTM_DEV_MTU		1428	/* 1500 less IPv6, UDP, header and tag */
#define NTM_DEV_MTU_MIN		1280
#define NTM_DEV_MTU_MAX		(65535 - 72)
#define NTM_DEV_GSO_MAX		61440	/* what fits one outer packet of 64 KB, cut and encrypted */

/**
 * struct ntm_sockets - the UDP sockets of a device; immutable, RCU
 * @sk4, @sk6:	ntmd's sockets, referenced (sock_hold), or NULL. Their
 *		sk_bound ports are read under RCU by the receive hook
 * @port4, @port6: local ports, network order, 0 without a socket
 */
struct ntm_sockets {
	struct sock *sk4;
	struct sock *sk6;
	__be16 port4;
	__be16 port6;
	struct rcu_head rcu;
};

struct ntm_dns;
struct ntm_miss;

/**
 * struct ntm_dev - an interface of kind "ntm" (netdev_priv)
 * @dev:	the net_device; its per-CPU tstats are counted by send and receive
 *		(dev_sw_netstats_tx_add(), dev_sw_netstats_rx_add())
 * @net:	namespace of creation: sockets, hooks and netlink live here. The
 *		device is NETNS_LOCAL, so dev_net(dev) is the same
 * @list:	in ntm_net's list of devices, RCU
 * @lock:	serialises netlink changes of this device. Taken inside RTNL, never
 *		the other way round
 * @dead:	under @lock: the device is being removed, nothing may be added
 * @paths:	path tables
 * @relays:	relay table
 * @sockets:	RCU, NULL until DEV_SET
 * @ports:	those of paths that have their own
 * @portid:	netlink port of ntmd, 0 if none; READ_ONCE
 * @dns:	zone and held queries (dns.c)
 * @miss:	held packets (miss.c)
 * @drops:	per-CPU drop counters
 * @gro:	entry of decrypted packets into the stack
 * @auth_drops, @auth_since: forged packets in the second that began then
 */
struct ntm_dev {
	struct net_device *dev;
	struct net *net;
	struct list_head list;
	struct mutex lock;
	bool dead;
	struct ntm_path_tables paths;
	struct ntm_relay_table relays;
	struct ntm_sockets __rcu *sockets;
	struct ntm_ports ports;
	u32 portid;
	struct ntm_dns *dns;
	struct ntm_miss *miss;
	struct ntm_drops __percpu *drops;
	struct gro_cells gro;
	atomic_t auth_drops;
	unsigned long auth_since;
};

/** struct ntm_net - per network namespace: the devices in it */
struct ntm_net {
	struct list_head devs;
};

extern unsigned int ntm_net_id;

/* What belongs to a namespace, for all of them; devices and netlink use it. */
int ntm_net_register(void);
void ntm_net_unregister(void);

/* The interface type. Unregistering it removes every device, and waits until it is gone. */
int ntm_link_register(void);
void ntm_link_unregister(void);

/* The devices of a namespace: a list under RCU, changed under RTNL. */
struct ntm_net *ntm_net(const struct net *net);

/* Under RTNL or RCU. NULL if @dev is not of our kind. */
struct ntm_dev *ntm_dev_from(struct net_device *dev);

/**
 * ntm_dev_set_sockets() - change the sockets of a device
 * @fd4, @fd6: file descriptors of the calling process; -1 lets go, -2 leaves
 *
 * Process context, ndev->lock held. Checks family, protocol, namespace and
 * that the socket is bound. A socket is let go of when the device goes.
 */
int ntm_dev_set_sockets(struct ntm_dev *ndev, int fd4, int fd6,
			struct netlink_ext_ack *extack);
#define NTM_FD_NONE	(-1)
#define NTM_FD_KEEP	(-2)

/**
 * ntm_dev_socket() - the UDP socket behind a file descriptor
 * @fd:		of the calling process
 * @family:	AF_INET or AF_INET6, or AF_UNSPEC for either
 *
 * Returns it with a reference (sock_put()), or an ERR_PTR() if it is not of the
 * device's namespace, or not bound. Process context.
 */
struct sock *ntm_dev_socket(struct ntm_dev *ndev, int fd, int family,
			    struct netlink_ext_ack *extack);

/**
 * ntm_dev_set_owner() - the netlink socket that events and sockets belong to
 * @portid:	its port
 *
 * ndev->lock held. Another owner's paths have no sockets of their own any more.
 */
void ntm_dev_set_owner(struct ntm_dev *ndev, u32 portid);

/* The netlink socket @portid closed: no device in @net belongs to it any more. */
void ntm_dev_owner_gone(struct net *net, u32 portid);

#endif
