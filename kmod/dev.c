// SPDX-License-Identifier: GPL-2.0
/*
 * The interface type "ntm".
 *
 * Life of a device: ntm_init_dev() allocates everything and links the device
 * into its namespace; the first one there brings the netfilter hooks. Removal
 * has two phases. ntm_uninit_dev() makes it unreachable: it leaves the list,
 * sockets, held packets and paths are let go of, the last device takes the
 * hooks along. Then the core waits for a grace period and for all references
 * (each path holds one, and packets in an asynchronous AEAD hold paths), and
 * ntm_destruct() frees the memory.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/file.h>
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>
#include <net/dst_metadata.h>
#include <net/ip_tunnels.h>
#include <net/netns/generic.h>
#include <net/rtnetlink.h>
#include <net/sock.h>
#include <ntmobile/uapi.h>
#include "dev.h"
#include "dns.h"
#include "miss.h"
#include "pack.h"
#include "recv.h"
#include "send.h"

unsigned int ntm_net_id __read_mostly;

struct ntm_net *ntm_net(const struct net *net)
{
	return net_generic(net, ntm_net_id);
}

/* ---- Hooks: in a namespace as long as it has a device ---- */

static int ntm_hooks_get(struct net *net)
{
	int err;

	err = ntm_recv_hooks_get(net);
	if (err)
		return err;
	err = ntm_send_hooks_get(net);
	if (err)
		goto err_recv;
	err = ntm_dns_hooks_get(net);
	if (err)
		goto err_send;
	return 0;

err_send:
	ntm_send_hooks_put(net);
err_recv:
	ntm_recv_hooks_put(net);
	return err;
}

static void ntm_hooks_put(struct net *net)
{
	ntm_dns_hooks_put(net);
	ntm_send_hooks_put(net);
	ntm_recv_hooks_put(net);
}

/* ---- Sockets ---- */

static void ntm_sockets_free_rcu(struct rcu_head *rcu)
{
	struct ntm_sockets *s = container_of(rcu, struct ntm_sockets, rcu);

	if (s->sk4)
		sock_put(s->sk4);
	if (s->sk6)
		sock_put(s->sk6);
	kfree(s);
}

static void ntm_sockets_swap(struct ntm_dev *ndev, struct ntm_sockets *s)
{
	struct ntm_sockets *old;

	old = rcu_replace_pointer(ndev->sockets, s, lockdep_is_held(&ndev->lock));
	if (old)
		call_rcu(&old->rcu, ntm_sockets_free_rcu);
}

static bool ntm_socket_is(const struct sock *sk, int family)
{
	return sk->sk_type == SOCK_DGRAM && sk->sk_protocol == IPPROTO_UDP &&
	       (sk->sk_family == AF_INET || sk->sk_family == AF_INET6) &&
	       (family == AF_UNSPEC || sk->sk_family == family);
}

struct sock *ntm_dev_socket(struct ntm_dev *ndev, int fd, int family,
			    struct netlink_ext_ack *extack)
{
	struct socket *sock;
	struct sock *sk;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock) {
		NL_SET_ERR_MSG(extack, "not a file descriptor of a socket");
		return ERR_PTR(err);
	}
	sk = sock->sk;
	err = -EINVAL;
	if (!ntm_socket_is(sk, family))
		NL_SET_ERR_MSG(extack, "not a UDP socket of this family");
	else if (!net_eq(sock_net(sk), ndev->net))
		NL_SET_ERR_MSG(extack, "socket is of another network namespace");
	else if (!inet_sk(sk)->inet_num)
		NL_SET_ERR_MSG(extack, "socket is not bound to a port");
	else
		err = 0;
	if (!err)
		sock_hold(sk);
	sockfd_put(sock);
	return err ? ERR_PTR(err) : sk;
}

/* The socket that @fd asks for: a new one, none, or @old with a reference more. */
static struct sock *ntm_socket_choose(struct ntm_dev *ndev, int fd, int family,
				      struct sock *old, struct netlink_ext_ack *extack)
{
	if (fd == NTM_FD_NONE)
		return NULL;
	if (fd != NTM_FD_KEEP)
		return ntm_dev_socket(ndev, fd, family, extack);
	if (old)
		sock_hold(old);
	return old;
}

/*
 * A reference to the sock keeps it in memory, not open: once its owner has
 * closed it, it is SOCK_DEAD and its port may belong to somebody else. It also
 * keeps the namespace, so it must not outlive its owner: ntm_dev_owner_gone().
 */
int ntm_dev_set_sockets(struct ntm_dev *ndev, int fd4, int fd6,
			struct netlink_ext_ack *extack)
{
	struct ntm_sockets *old, *s;
	int err;

	lockdep_assert_held(&ndev->lock);
	if (fd4 == NTM_FD_KEEP && fd6 == NTM_FD_KEEP)
		return 0;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s) {
		NL_SET_ERR_MSG(extack, "no memory for the sockets");
		return -ENOMEM;
	}
	old = rcu_dereference_protected(ndev->sockets, lockdep_is_held(&ndev->lock));

	s->sk4 = ntm_socket_choose(ndev, fd4, AF_INET, old ? old->sk4 : NULL, extack);
	if (IS_ERR(s->sk4)) {
		err = PTR_ERR(s->sk4);
		goto err_free;
	}
	s->sk6 = ntm_socket_choose(ndev, fd6, AF_INET6, old ? old->sk6 : NULL, extack);
	if (IS_ERR(s->sk6)) {
		err = PTR_ERR(s->sk6);
		goto err_sk4;
	}
	if (!s->sk4 && !s->sk6) {
		kfree(s);
		s = NULL;
	} else {
		s->port4 = s->sk4 ? inet_sk(s->sk4)->inet_sport : 0;
		s->port6 = s->sk6 ? inet_sk(s->sk6)->inet_sport : 0;
	}
	ntm_sockets_swap(ndev, s);
	return 0;

err_sk4:
	if (s->sk4)
		sock_put(s->sk4);
err_free:
	kfree(s);
	return err;
}

void ntm_dev_set_owner(struct ntm_dev *ndev, u32 portid)
{
	if (ndev->portid && ndev->portid != portid)
		ntm_port_drop_all(ndev);
	WRITE_ONCE(ndev->portid, portid);
}

/* Returns the device in @net that belongs to @portid, with a reference. */
static struct ntm_dev *ntm_dev_owned_by(struct net *net, u32 portid)
{
	struct ntm_dev *ndev;

	rcu_read_lock();
	list_for_each_entry_rcu(ndev, &ntm_net(net)->devs, list) {
		if (READ_ONCE(ndev->portid) == portid) {
			dev_hold(ndev->dev);
			rcu_read_unlock();
			return ndev;
		}
	}
	rcu_read_unlock();
	return NULL;
}

/* Paths stay: an ntmd that is started again may take them over or delete them. */
void ntm_dev_owner_gone(struct net *net, u32 portid)
{
	struct ntm_dev *ndev;

	while ((ndev = ntm_dev_owned_by(net, portid))) {
		mutex_lock(&ndev->lock);
		if (ndev->portid == portid) {
			WRITE_ONCE(ndev->portid, 0);
			ntm_sockets_swap(ndev, NULL);
			ntm_port_drop_all(ndev);
			ntm_dns_owner_gone(ndev);
		}
		mutex_unlock(&ndev->lock);
		dev_put(ndev->dev);
	}
}

/* ---- Network device ---- */

static int ntm_init_dev(struct net_device *dev)
{
	struct ntm_dev *ndev = netdev_priv(dev);
	struct ntm_net *nn = ntm_net(dev_net(dev));
	int err = -ENOMEM;

	ndev->dev = dev;
	ndev->net = dev_net(dev);
	mutex_init(&ndev->lock);
	ndev->auth_since = jiffies;
	INIT_LIST_HEAD(&ndev->list);
	ntm_pack_get();
	ndev->drops = netdev_alloc_pcpu_stats(struct ntm_drops);
	if (!ndev->drops)
		goto err_pack;
	err = ntm_path_tables_init(&ndev->paths);
	if (err)
		goto err_drops;
	err = ntm_relay_table_init(&ndev->relays);
	if (err)
		goto err_paths;
	err = ntm_miss_init(ndev);
	if (err)
		goto err_relays;
	err = ntm_dns_init(ndev);
	if (err)
		goto err_miss;
	err = gro_cells_init(&ndev->gro, dev);
	if (err)
		goto err_dns;
	if (list_empty(&nn->devs)) {
		err = ntm_hooks_get(ndev->net);
		if (err)
			goto err_gro;
	}
	list_add_tail_rcu(&ndev->list, &nn->devs);
	return 0;

err_gro:
	gro_cells_destroy(&ndev->gro);
err_dns:
	ntm_dns_stop(ndev);
	ntm_dns_free(ndev);
err_miss:
	ntm_miss_stop(ndev);
	ntm_miss_free(ndev);
err_relays:
	ntm_relay_table_destroy(&ndev->relays);
err_paths:
	ntm_path_tables_destroy(&ndev->paths);
err_drops:
	free_percpu(ndev->drops);
err_pack:
	ntm_pack_put();
	return err;
}

/*
 * By now the device is down and a grace period has passed since, so nothing is
 * received on it; packets may still be on their way out through it, and find
 * no path.
 *
 * A device that is unregistered gets another grace period before its memory
 * goes; one that could not be registered gets none.
 */
static void ntm_uninit_dev(struct net_device *dev)
{
	struct ntm_dev *ndev = netdev_priv(dev);

	list_del_rcu(&ndev->list);
	if (dev->reg_state != NETREG_UNREGISTERING)
		synchronize_net();
	if (list_empty(&ntm_net(ndev->net)->devs))
		ntm_hooks_put(ndev->net);

	mutex_lock(&ndev->lock);
	ndev->dead = true;
	WRITE_ONCE(ndev->portid, 0);
	ntm_dns_stop(ndev);
	ntm_sockets_swap(ndev, NULL);
	ntm_miss_stop(ndev);
	ntm_path_remove_all(ndev);
	ntm_relay_remove_all(ndev);
	mutex_unlock(&ndev->lock);
	gro_cells_destroy(&ndev->gro);
}

static void ntm_destruct(struct net_device *dev)
{
	struct ntm_dev *ndev = netdev_priv(dev);

	ntm_dns_free(ndev);
	ntm_miss_free(ndev);
	ntm_relay_table_destroy(&ndev->relays);
	ntm_path_tables_destroy(&ndev->paths);
	free_percpu(ndev->drops);
	ntm_pack_put();
	mutex_destroy(&ndev->lock);
}

/* Link-local addresses and redirects make no sense on a tunnel of many peers. */
static int ntm_open(struct net_device *dev)
{
	struct in_device *in4 = __in_dev_get_rtnl(dev);
	struct inet6_dev *in6 = __in6_dev_get(dev);

	if (in4)
		IN_DEV_CONF_SET(in4, SEND_REDIRECTS, false);
	if (in6)
		in6->cnf.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	return 0;
}

static netdev_tx_t ntm_xmit(struct sk_buff *skb, struct net_device *dev)
{
	/* A packet socket may have written anything. */
	if (unlikely(!pskb_inet_may_pull(skb) ||
		     ip_tunnel_parse_protocol(skb) != skb->protocol)) {
		DEV_STATS_INC(dev, tx_errors);
		kfree_skb(skb);
		return NETDEV_TX_OK;
	}
	/* What a tunnel left there when tc redirected its packet to us is no route. */
	if (!skb_valid_dst(skb))
		skb_dst_drop(skb);
	/* A packet socket that bypasses the queue brings no RCU with it. */
	rcu_read_lock();
	ntm_send(netdev_priv(dev), skb);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

static void ntm_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct ntm_dev *ndev = netdev_priv(dev);
	u64 drops[NTM_DROP_MAX];
	int i;

	dev_get_tstats64(dev, stats);
	ntm_drops_sum(ndev->drops, drops);
	for (i = 0; i < NTM_DROP_NO_PATH; i++)
		stats->rx_dropped += drops[i];
	for (; i < NTM_DROP_RELAY_SOURCE; i++)
		stats->tx_dropped += drops[i];
	for (; i < NTM_DROP_MAX; i++)
		stats->rx_dropped += drops[i];
}

static const struct net_device_ops ntm_netdev_ops = {
	.ndo_init		= ntm_init_dev,
	.ndo_uninit		= ntm_uninit_dev,
	.ndo_open		= ntm_open,
	.ndo_start_xmit		= ntm_xmit,
	.ndo_get_stats64	= ntm_get_stats64,
};

static void ntm_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
}

static const struct ethtool_ops ntm_ethtool_ops = {
	.get_drvinfo	= ntm_get_drvinfo,
	.get_link	= ethtool_op_get_link,
};

static const struct device_type ntm_device_type = { .name = NTM_LINK_KIND };

static void ntm_setup(struct net_device *dev)
{
	enum { NTM_FEATURES = NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_SG |
			      NETIF_F_GSO | NETIF_F_GSO_SOFTWARE |
			      NETIF_F_HIGHDMA };

	dev->netdev_ops = &ntm_netdev_ops;
	dev->ethtool_ops = &ntm_ethtool_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->hard_header_len = 0;
	dev->addr_len = 0;
	dev->needed_headroom = LL_MAX_HEADER + sizeof(struct ipv6hdr) +
			       sizeof(struct udphdr) + NTM_WIRE_HDR_LEN;
	dev->needed_tailroom = NTM_WIRE_TAG_LEN;
	dev->mtu = NTM_DEV_MTU;
	dev->min_mtu = NTM_DEV_MTU_MIN;
	dev->max_mtu = NTM_DEV_MTU_MAX;
	dev->features |= NTM_FEATURES | NETIF_F_GRO;
	dev->hw_features |= NTM_FEATURES | NETIF_F_GRO;
	dev->hw_enc_features |= NTM_FEATURES;
	netif_set_tso_max_size(dev, NTM_DEV_GSO_MAX);
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	netdev_set_lltx(dev);
	netdev_set_netns_immutable(dev);
	SET_NETDEV_DEVTYPE(dev, &ntm_device_type);

	/* ICMP errors are sent by way of the packet's route. */
	netif_keep_dst(dev);

	dev->priv_destructor = ntm_destruct;
	dev->needs_free_netdev = true;
}

struct ntm_dev *ntm_dev_from(struct net_device *dev)
{
	return dev && dev->netdev_ops == &ntm_netdev_ops ? netdev_priv(dev) : NULL;
}

static struct rtnl_link_ops ntm_link_ops __read_mostly = {
	.kind		= NTM_LINK_KIND,
	.priv_size	= sizeof(struct ntm_dev),
	.setup		= ntm_setup,
};

/* ---- Namespaces ---- */

static int __net_init ntm_net_init(struct net *net)
{
	INIT_LIST_HEAD(&ntm_net(net)->devs);
	return 0;
}

/*
 * A namespace's devices go with it by way of ndo_uninit, in the core's own
 * exit_batch; this is a subsystem, so its exit comes after that.
 */
static void __net_exit ntm_net_exit(struct net *net)
{
	WARN_ON_ONCE(!list_empty(&ntm_net(net)->devs));
}

static struct pernet_operations ntm_net_ops = {
	.init	= ntm_net_init,
	.exit	= ntm_net_exit,
	.id	= &ntm_net_id,
	.size	= sizeof(struct ntm_net),
};

int ntm_net_register(void)
{
	return register_pernet_subsys(&ntm_net_ops);
}

void ntm_net_unregister(void)
{
	unregister_pernet_subsys(&ntm_net_ops);
}

int ntm_link_register(void)
{
	return rtnl_link_register(&ntm_link_ops);
}

void ntm_link_unregister(void)
{
	rtnl_link_unregister(&ntm_link_ops);
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/dev_test.c"
#endif
