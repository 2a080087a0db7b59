// SPDX-License-Identifier: GPL-2.0
/*
 * The commands of the netlink family; ntmobile.yaml is its specification.
 *
 * Every command reads and checks its whole request first and changes things
 * only when nothing can fail any more. A device is looked up by its index in
 * the caller's namespace and worked on under ndev->lock, without RTNL.
 */
#include <linux/math64.h>
#include <linux/netlink.h>
#include <linux/timekeeping.h>
#include <crypto/algapi.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include <ntmobile/uapi.h>
#include "dev.h"
#include "dns.h"
#include "event.h"
#include "key.h"
#include "miss.h"
#include "netlink.h"
#include "path.h"
#include "policy.h"
#include "port.h"
#include "send.h"
#include "zone.h"

int ntm_no_memory(struct genl_info *info)
{
	NL_SET_ERR_MSG(info->extack, "no memory");
	return -ENOMEM;
}

struct nlattr *ntm_need(struct genl_info *info, int attr, const char *msg)
{
	if (!info->attrs[attr]) {
		info->extack->_msg = msg;
		NL_SET_ERR_ATTR_MISS(info->extack, NULL, attr);
	}
	return info->attrs[attr];
}

/*
 * PATH_SET uses NLM_F_CREATE and NLM_F_EXCL, which genetlink refuses for all
 * commands from resv_start_op on. Those below do its checks themselves.
 */
static int ntm_check_header(const struct nlmsghdr *nlh, const struct genlmsghdr *gh,
			    u16 allowed, struct netlink_ext_ack *extack)
{
	if (gh->reserved) {
		NL_SET_ERR_MSG(extack, "reserved field of the header is not 0");
		return -EINVAL;
	}
	if (nlh->nlmsg_flags & ~(NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO | allowed)) {
		NL_SET_ERR_MSG(extack, "unknown flag in nlmsg_flags");
		return -EINVAL;
	}
	return 0;
}

/* ---- Devices ---- */

struct ntm_dev *ntm_lock_dev(struct net *net, int ifindex,
			     struct netlink_ext_ack *extack)
{
	struct net_device *dev = dev_get_by_index(net, ifindex);
	struct ntm_dev *ndev;

	if (!dev) {
		NL_SET_ERR_MSG(extack, "no such interface");
		return ERR_PTR(-ENODEV);
	}
	ndev = ntm_dev_from(dev);
	if (!ndev) {
		NL_SET_ERR_MSG(extack, "interface is not of kind ntm");
		dev_put(dev);
		return ERR_PTR(-EOPNOTSUPP);
	}
	mutex_lock(&ndev->lock);
	if (ndev->dead) {
		mutex_unlock(&ndev->lock);
		NL_SET_ERR_MSG(extack, "interface is being removed");
		dev_put(dev);
		return ERR_PTR(-ENODEV);
	}
	return ndev;
}

struct ntm_dev *ntm_lock_dev_of(struct genl_info *info)
{
	struct nlattr *nla = ntm_need(info, NTM_A_IFINDEX, "IFINDEX is missing");
	struct ntm_dev *ndev;

	if (!nla)
		return ERR_PTR(-EINVAL);
	ndev = ntm_lock_dev(genl_info_net(info), nla_get_u32(nla), info->extack);
	if (IS_ERR(ndev))
		NL_SET_BAD_ATTR(info->extack, nla);
	return ndev;
}

void ntm_unlock_dev(struct ntm_dev *ndev)
{
	mutex_unlock(&ndev->lock);
	dev_put(ndev->dev);
}

static int ntm_fd_of(const struct nlattr *nla)
{
	return nla ? nla_get_s32(nla) : NTM_FD_KEEP;
}

/* A set of the zones that are given, one way or the other; NULL if neither is. */
static int ntm_get_zones(struct genl_info *info, struct ntm_zones **out)
{
	struct nlattr *one = info->attrs[NTM_A_ZONE], *nest = info->attrs[NTM_A_ZONES];
	struct ntm_zones *zones;
	struct nlattr *nla;
	int rem, err = 0;

	if (one && nest)
		return ntm_refuse(info, nest, "either ZONE or ZONES");
	if (!one && !nest)
		return 0;
	zones = ntm_zones_new(NTM_ZONE_COUNT);
	if (!zones)
		return ntm_no_memory(info);
	if (one) {
		err = ntm_zones_add(zones, nla_data(one), info->extack);
		if (err)
			NL_SET_BAD_ATTR(info->extack, one);
	} else {
		nla_for_each_nested(nla, nest, rem) {
			err = ntm_zones_add(zones, nla_data(nla), info->extack);
			if (err) {
				NL_SET_BAD_ATTR(info->extack, nla);
				break;
			}
		}
	}
	if (err)
		ntm_zones_free(zones);
	else
		*out = zones;
	return err;
}

static int ntm_dev_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_zones *zones = NULL;
	struct ntm_dev *ndev;
	int err;

	err = ntm_check_header(info->nlhdr, info->genlhdr, 0, info->extack);
	if (err)
		return err;
	err = ntm_get_zones(info, &zones);
	if (err)
		return err;
	ndev = ntm_lock_dev_of(info);
	if (IS_ERR(ndev)) {
		ntm_zones_free(zones);
		return PTR_ERR(ndev);
	}
	err = ntm_dev_set_sockets(ndev, ntm_fd_of(info->attrs[NTM_A_SOCKET4]),
				  ntm_fd_of(info->attrs[NTM_A_SOCKET6]), info->extack);
	if (err) {
		ntm_zones_free(zones);
	} else {
		ntm_dev_set_owner(ndev, info->snd_portid);
		if (zones)
			ntm_dns_set_zones(ndev, zones);
	}
	ntm_unlock_dev(ndev);
	return err;
}

static int ntm_put_stat(struct sk_buff *msg, int attr, u64 value)
{
	return nla_put_u64_64bit(msg, attr, value, NTM_STATS_PAD);
}

static int ntm_put_dev_stats(struct sk_buff *msg, struct ntm_dev *ndev)
{
	struct nlattr *nest = nla_nest_start(msg, NTM_A_STATS);
	u64 drops[NTM_DROP_MAX];
	int i;

	if (!nest)
		return -EMSGSIZE;
	ntm_drops_sum(ndev->drops, drops);
	for (i = 0; i < NTM_DROP_MAX; i++)
		if (ntm_put_stat(msg, NTM_STATS_DROP_SHORT + i, drops[i]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static u16 ntm_local_port(struct ntm_dev *ndev)
{
	const struct ntm_sockets *s;
	u16 port = 0;

	rcu_read_lock();
	s = rcu_dereference(ndev->sockets);
	if (s)
		port = ntohs(s->port4 ? s->port4 : s->port6);
	rcu_read_unlock();
	return port;
}

/* The first one, and all: while they are changed they may be of two sets. */
static int ntm_put_zones(struct sk_buff *msg, struct ntm_dev *ndev)
{
	char zone[NTM_ZONE_MAX + 1];
	struct nlattr *nest;
	unsigned int i;

	ntm_dns_get_zone(ndev, 0, zone);
	if (nla_put_string(msg, NTM_A_ZONE, zone))
		return -EMSGSIZE;
	nest = nla_nest_start(msg, NTM_A_ZONES);
	if (!nest)
		return -EMSGSIZE;
	for (i = 0; ntm_dns_get_zone(ndev, i, zone); i++)
		if (nla_put_string(msg, NTM_ZONES_ZONE, zone))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* Under ndev->lock or RCU. */
static int ntm_put_dev(struct sk_buff *msg, struct ntm_dev *ndev)
{
	if (nla_put_u32(msg, NTM_A_IFINDEX, ndev->dev->ifindex) ||
	    nla_put_u16(msg, NTM_A_LOCAL_PORT, ntm_local_port(ndev)) ||
	    ntm_put_zones(msg, ndev) ||
	    nla_put_u32(msg, NTM_A_PATHS, READ_ONCE(ndev->paths.count)) ||
	    nla_put_u32(msg, NTM_A_RELAYS, READ_ONCE(ndev->relays.count)))
		return -EMSGSIZE;
	return ntm_put_dev_stats(msg, ndev);
}

/* What a device's message may need, all its zones included. */
#define NTM_DEV_SIZE	(NLMSG_DEFAULT_SIZE + \
			 (NTM_ZONE_COUNT + 1) * (NLA_HDRLEN + NTM_ZONE_MAX + 3))

static int ntm_dev_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_dev *ndev;
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = ntm_check_header(info->nlhdr, info->genlhdr, 0, info->extack);
	if (err)
		return err;
	ndev = ntm_lock_dev_of(info);
	if (IS_ERR(ndev))
		return PTR_ERR(ndev);
	msg = genlmsg_new(NTM_DEV_SIZE, GFP_KERNEL);
	if (!msg) {
		err = ntm_no_memory(info);
		goto out;
	}
	hdr = genlmsg_put_reply(msg, info, &ntm_genl_family, 0, NTM_CMD_DEV_GET);
	err = -EMSGSIZE;
	if (!hdr || ntm_put_dev(msg, ndev)) {
		nlmsg_free(msg);
		goto out;
	}
	genlmsg_end(msg, hdr);
	err = genlmsg_reply(msg, info);
out:
	ntm_unlock_dev(ndev);
	return err;
}

static int ntm_dev_get_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = NTM_DEV_SIZE;
	return 0;
}

/* A namespace has few devices: each call starts anew and skips those shown. */
static int ntm_dev_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ntm_net *nn = ntm_net(sock_net(skb->sk));
	struct ntm_dev *ndev;
	long shown = 0;
	void *hdr;

	rcu_read_lock();
	list_for_each_entry_rcu(ndev, &nn->devs, list) {
		if (shown++ < cb->args[0])
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  &ntm_genl_family, NLM_F_MULTI, NTM_CMD_DEV_GET);
		if (!hdr)
			break;
		if (ntm_put_dev(skb, ndev)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		cb->args[0] = shown;
	}
	rcu_read_unlock();
	return skb->len;
}

/* ---- Paths ---- */

/**
 * struct ntm_path_req - a PATH_SET request, checked
 * @id:		Path ID, network order
 * @v4:		virtual IPv4 address, NULL if not given
 * @v6:		virtual IPv6 address, NULL if not given
 * @mtu:	0 if not given
 * @ep:		new endpoint or NULL
 * @relays:	new relays, or NULL for none
 * @has_relays:	@relays is given
 * @port:	new port, or NULL for none
 * @has_port:	@port is given
 * @by_device:	the endpoint is reached by the device's port
 * @key:	new key or NULL
 * @confirmed:	@key is the sending key at once
 */
struct ntm_path_req {
	__be32 id;
	const struct in_addr *v4;
	const struct in6_addr *v6;
	u32 mtu;
	struct ntm_endpoint *ep;
	struct ntm_relays *relays;
	bool has_relays;
	struct ntm_port *port;
	bool has_port;
	bool by_device;
	struct ntm_key *key;
	bool confirmed;
};

int ntm_get_path_id(struct genl_info *info, __be32 *id)
{
	struct nlattr *nla = ntm_need(info, NTM_A_PATH_ID, "PATH_ID is missing");

	if (!nla)
		return -EINVAL;
	*id = cpu_to_be32(nla_get_u32(nla));
	return 0;
}

static int ntm_get_virtual(struct genl_info *info, const struct in_addr **v4,
			   const struct in6_addr **v6)
{
	struct nlattr *nla4 = info->attrs[NTM_A_VIRTUAL4];
	struct nlattr *nla6 = info->attrs[NTM_A_VIRTUAL6];

	*v4 = nla4 ? nla_data(nla4) : NULL;
	*v6 = nla6 ? nla_data(nla6) : NULL;
	if (*v4 && (ipv4_is_zeronet((*v4)->s_addr) || ipv4_is_loopback((*v4)->s_addr) ||
		    ipv4_is_multicast((*v4)->s_addr) || ipv4_is_lbcast((*v4)->s_addr)))
		return ntm_refuse(info, nla4, "VIRTUAL4 is not a unicast address");
	if (*v6 && (ipv6_addr_any(*v6) || ipv6_addr_loopback(*v6) ||
		    ipv6_addr_is_multicast(*v6) || ipv6_addr_v4mapped(*v6)))
		return ntm_refuse(info, nla6, "VIRTUAL6 is not a unicast address");
	return 0;
}

static int ntm_check_addr4(struct genl_info *info, struct nlattr *nla,
			   const struct sockaddr_in *sin)
{
	__be32 a = sin->sin_addr.s_addr;

	if (nla_len(nla) != sizeof(*sin))
		return ntm_refuse(info, nla, "address: length does not fit AF_INET");
	if (!sin->sin_port)
		return ntm_refuse(info, nla, "address: port is 0");
	if (ipv4_is_zeronet(a) || ipv4_is_multicast(a) || ipv4_is_lbcast(a))
		return ntm_refuse(info, nla, "address: not a unicast address");
	return 0;
}

static int ntm_check_addr6(struct genl_info *info, struct nlattr *nla,
			   const struct sockaddr_in6 *sin6)
{
	const struct in6_addr *a = &sin6->sin6_addr;

	if (nla_len(nla) != sizeof(*sin6))
		return ntm_refuse(info, nla, "address: length does not fit AF_INET6");
	if (!sin6->sin6_port)
		return ntm_refuse(info, nla, "address: port is 0");
	if (ipv6_addr_any(a) || ipv6_addr_is_multicast(a))
		return ntm_refuse(info, nla, "address: not a unicast address");
	if (ipv6_addr_v4mapped(a))
		return ntm_refuse(info, nla, "address: IPv4-mapped, use AF_INET");
	if (!(ipv6_addr_type(a) & IPV6_ADDR_LINKLOCAL) != !sin6->sin6_scope_id)
		return ntm_refuse(info, nla,
				  "address: a scope goes with link-local addresses only");
	return 0;
}

int ntm_get_addr(struct genl_info *info, struct nlattr *nla, union ntm_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	nla_memcpy(addr, nla, sizeof(*addr));
	if (addr->sa.sa_family == AF_INET)
		return ntm_check_addr4(info, nla, &addr->v4);
	if (addr->sa.sa_family == AF_INET6)
		return ntm_check_addr6(info, nla, &addr->v6);
	return ntm_refuse(info, nla, "address: family is neither AF_INET nor AF_INET6");
}

static int ntm_get_endpoint(struct genl_info *info, struct ntm_endpoint **ep)
{
	struct nlattr *nla = info->attrs[NTM_A_PEER_ADDR];
	union ntm_addr addr;
	int err;

	if (!nla)
		return 0;
	err = ntm_get_addr(info, nla, &addr);
	if (err)
		return err;
	*ep = ntm_endpoint_new(&addr, NULL, GFP_KERNEL);
	return *ep ? 0 : ntm_no_memory(info);
}

/* Those that are given and not empty, in their places; NULL if there is none. */
static int ntm_get_relays(struct genl_info *info, struct ntm_path_req *req)
{
	union ntm_addr addr[NTM_RELAYS] = {};
	bool any = false;
	int err, i;

	for (i = 0; i < NTM_RELAYS; i++) {
		struct nlattr *nla = info->attrs[NTM_A_RELAY0 + i];

		if (!nla)
			continue;
		req->has_relays = true;
		if (!nla_len(nla))
			continue;
		any = true;
		err = ntm_get_addr(info, nla, &addr[i]);
		if (err)
			return err;
	}
	if (!any)
		return 0;
	req->relays = kzalloc(sizeof(*req->relays), GFP_KERNEL);
	if (!req->relays)
		return ntm_no_memory(info);
	memcpy(req->relays->addr, addr, sizeof(addr));
	return 0;
}

static int ntm_parse_key(struct genl_info *info, struct nlattr *nest,
			 struct ntm_path_req *req)
{
	struct nlattr *tb[NTM_KEY_MAX + 1];
	struct ntm_key *key;
	int attr, err;

	err = nla_parse_nested(tb, NTM_KEY_MAX, nest, ntm_key_policy, info->extack);
	if (err)
		return err;
	for (attr = NTM_KEY_EPOCH; attr <= NTM_KEY_RX; attr++) {
		if (tb[attr])
			continue;
		NL_SET_ERR_MSG(info->extack, "KEY needs EPOCH, SUITE, TX and RX");
		NL_SET_ERR_ATTR_MISS(info->extack, nest, attr);
		return -EINVAL;
	}
	if (!crypto_memneq(nla_data(tb[NTM_KEY_TX]), nla_data(tb[NTM_KEY_RX]),
			   NTM_WIRE_KEY_LEN))
		return ntm_refuse(info, tb[NTM_KEY_RX], "KEY: TX and RX are the same");
	key = ntm_key_new(nla_get_u8(tb[NTM_KEY_SUITE]), nla_get_u32(tb[NTM_KEY_EPOCH]),
			  nla_data(tb[NTM_KEY_TX]), nla_data(tb[NTM_KEY_RX]), info->extack);
	if (IS_ERR(key))
		return PTR_ERR(key);
	req->key = key;
	req->confirmed = nla_get_flag(tb[NTM_KEY_CONFIRMED]);
	return 0;
}

/*
 * Whatever happens, no secret is left in the request; the last one given counts, but each is wiped.
 * (One that the policy refuses never gets here: netlink frees it as it is.)
 */
static int ntm_get_key(struct genl_info *info, struct ntm_path_req *req)
{
	struct nlattr *nest = info->attrs[NTM_A_KEY];
	int err = nest ? ntm_parse_key(info, nest, req) : 0;
	int left;

	nlmsg_for_each_attr(nest, info->nlhdr, GENL_HDRLEN, left)
		if (nla_type(nest) == NTM_A_KEY)
			memzero_explicit(nla_data(nest), nla_len(nest));
	return err;
}

/* What of a request has not been handed on. */
static void ntm_path_req_release(struct ntm_path_req *req)
{
	if (req->ep)
		ntm_endpoint_free(req->ep);
	kfree(req->relays);
	if (req->port)
		ntm_port_free(req->port);
	if (req->key)
		ntm_key_put(req->key);
}

static int ntm_path_req_parse(struct genl_info *info, struct ntm_path_req *req)
{
	int err;

	/* First, so that the keys are wiped whatever else is wrong. */
	err = ntm_get_key(info, req);
	if (!err)
		err = ntm_check_header(info->nlhdr, info->genlhdr,
				       NLM_F_CREATE | NLM_F_EXCL, info->extack);
	if (!err)
		err = ntm_get_path_id(info, &req->id);
	if (!err)
		err = ntm_get_virtual(info, &req->v4, &req->v6);
	if (!err)
		err = ntm_get_endpoint(info, &req->ep);
	if (!err)
		err = ntm_get_relays(info, req);
	if (!err && info->attrs[NTM_A_MTU])
		req->mtu = nla_get_u32(info->attrs[NTM_A_MTU]);
	req->by_device = nla_get_flag(info->attrs[NTM_A_DEVICE_PORT]);
	return err;
}

/* With the device locked. @path: what the request is about, NULL if it is new. */
static int ntm_get_port(struct genl_info *info, struct ntm_dev *ndev,
			const struct ntm_path *path, struct ntm_path_req *req)
{
	struct nlattr *nla = info->attrs[NTM_A_PATH_SOCKET];
	struct ntm_port *port;
	struct sock *sk;

	if (!nla)
		return 0;
	req->has_port = true;
	if (nla_get_s32(nla) < 0)
		return 0;
	NL_SET_BAD_ATTR(info->extack, nla);
	sk = ntm_dev_socket(ndev, nla_get_s32(nla), AF_UNSPEC, info->extack);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	port = ntm_port_new(ndev, path, sk, info->extack);
	sock_put(sk);
	if (IS_ERR(port))
		return PTR_ERR(port);
	NL_SET_BAD_ATTR(info->extack, NULL);
	req->port = port;
	return 0;
}

/*
 * Endpoint and port change such that no packet goes to the new endpoint by the
 * port of before: a port comes before the endpoint that uses it, and goes after
 * the one that does not. One that comes to a path whose endpoint does not use it
 * changes nothing of what is sent.
 */
static void ntm_path_apply_way(struct ntm_path *path, struct ntm_path_req *req)
{
	bool lose = req->has_port && !req->port;

	if (req->port)
		ntm_port_set(path, req->port);
	if (req->ep) {
		req->ep->own_port = !lose && !req->by_device;
		ntm_path_set_endpoint(path, req->ep);
	} else if (req->port || req->by_device) {
		ntm_path_use_port(path, !req->by_device);
	}
	if (lose)
		ntm_port_set(path, NULL);
	req->port = NULL;
	req->ep = NULL;
}

/* The part of a request that may fail comes first; @path may be in the tables. */
static int ntm_path_apply(struct ntm_path *path, struct ntm_path_req *req,
			  struct netlink_ext_ack *extack)
{
	int err;

	if (req->key) {
		err = ntm_path_add_key(path, req->key, req->confirmed, extack);
		if (err)
			return err;
		req->key = NULL;
	}
	if (req->has_relays) {
		ntm_path_set_relays(path, req->relays);
		req->relays = NULL;
	}
	ntm_path_apply_way(path, req);
	if (req->mtu)
		ntm_path_set_mtu(path, req->mtu);
	return 0;
}

static bool ntm_relayed(struct ntm_dev *ndev, __be32 id)
{
	bool found;

	rcu_read_lock();
	found = ntm_relay_by_id(&ndev->relays, id);
	rcu_read_unlock();
	return found;
}

static int ntm_path_create(struct ntm_dev *ndev, struct ntm_path_req *req,
			   struct genl_info *info, struct ntm_path **created)
{
	struct ntm_path *path;
	int err;

	if (!(info->nlhdr->nlmsg_flags & NLM_F_CREATE)) {
		NL_SET_ERR_MSG(info->extack, "no such path");
		return -ENOENT;
	}
	if (!req->v4 && !req->v6) {
		NL_SET_ERR_MSG(info->extack, "a new path needs VIRTUAL4 or VIRTUAL6");
		return -EINVAL;
	}
	if (ntm_relayed(ndev, req->id)) {
		NL_SET_ERR_MSG(info->extack, "a relay entry has this ID");
		return -EEXIST;
	}
	path = ntm_path_new(ndev, req->id);
	if (!path)
		return ntm_no_memory(info);
	if (req->v4) {
		memcpy(path->peer.v4, req->v4, sizeof(path->peer.v4));
		path->peer.has_v4 = true;
	}
	if (req->v6) {
		memcpy(path->peer.v6, req->v6, sizeof(path->peer.v6));
		path->peer.has_v6 = true;
	}
	err = ntm_path_apply(path, req, info->extack);
	if (!err)
		err = ntm_path_insert(path, info->extack);
	if (err) {
		ntm_port_set(path, NULL);
		ntm_path_put(path);
		return err;
	}
	*created = path;
	return 0;
}

static int ntm_path_change(struct ntm_path *path, struct ntm_path_req *req,
			   struct genl_info *info)
{
	if (info->nlhdr->nlmsg_flags & NLM_F_EXCL) {
		NL_SET_ERR_MSG(info->extack, "path exists");
		return -EEXIST;
	}
	if (req->v4 && (!path->peer.has_v4 || ntm_path_v4(path)->s_addr != req->v4->s_addr))
		return ntm_refuse(info, info->attrs[NTM_A_VIRTUAL4],
				  "virtual addresses of a path cannot change");
	if (req->v6 && (!path->peer.has_v6 || !ipv6_addr_equal(ntm_path_v6(path), req->v6)))
		return ntm_refuse(info, info->attrs[NTM_A_VIRTUAL6],
				  "virtual addresses of a path cannot change");
	return ntm_path_apply(path, req, info->extack);
}

/* Held packets leave now; if there are none, an empty one confirms a new key. */
static void ntm_path_start(struct ntm_path *path, bool new_key)
{
	if (!rcu_access_pointer(path->tx) || !rcu_access_pointer(path->endpoint))
		return;
	if (!ntm_miss_release(path) && new_key)
		ntm_send_keepalive(path);
}

static int ntm_path_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_path_req req = {};
	struct ntm_path *path;
	struct ntm_dev *ndev;
	bool new_key;
	int err;

	err = ntm_path_req_parse(info, &req);
	if (err)
		goto out_release;
	new_key = req.key && req.confirmed;
	ndev = ntm_lock_dev_of(info);
	if (IS_ERR(ndev)) {
		err = PTR_ERR(ndev);
		goto out_release;
	}
	/* The lock keeps what is found from being removed. */
	rcu_read_lock();
	path = ntm_path_by_id(&ndev->paths, req.id);
	rcu_read_unlock();
	err = ntm_get_port(info, ndev, path, &req);
	if (err)
		goto out_unlock;
	if (path)
		err = ntm_path_change(path, &req, info);
	else
		err = ntm_path_create(ndev, &req, info, &path);
	if (!err)
		ntm_path_start(path, new_key);
out_unlock:
	ntm_unlock_dev(ndev);
out_release:
	ntm_path_req_release(&req);
	return err;
}

/* Device locked and path found, or an errno with extack. */
static int ntm_lock_path_of(struct genl_info *info, struct ntm_dev **ndev,
			    struct ntm_path **path)
{
	__be32 id;
	int err;

	err = ntm_get_path_id(info, &id);
	if (err)
		return err;
	*ndev = ntm_lock_dev_of(info);
	if (IS_ERR(*ndev))
		return PTR_ERR(*ndev);
	rcu_read_lock();
	*path = ntm_path_by_id(&(*ndev)->paths, id);
	rcu_read_unlock();
	if (*path)
		return 0;
	ntm_unlock_dev(*ndev);
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[NTM_A_PATH_ID], "no such path");
	return -ENOENT;
}

static int ntm_path_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_path *path;
	struct ntm_dev *ndev;
	int err;

	err = ntm_lock_path_of(info, &ndev, &path);
	if (err)
		return err;
	ntm_path_remove(path);
	ntm_unlock_dev(ndev);
	return 0;
}

u64 ntm_age_ms(u64 when)
{
	u64 now = ktime_get_coarse_boottime_ns();

	return now > when ? div_u64(now - when, NSEC_PER_MSEC) : 0;
}

/* Nothing is put for a time stamp that never was. */
static int ntm_put_age(struct sk_buff *msg, int attr, u64 when)
{
	return when ? ntm_put_stat(msg, attr, ntm_age_ms(when)) : 0;
}

static int ntm_put_path_stats(struct sk_buff *msg, struct ntm_path *path)
{
	struct nlattr *nest = nla_nest_start(msg, NTM_A_STATS);
	u64 n[4];
	int i;

	if (!nest)
		return -EMSGSIZE;
	ntm_stats_sum(path->stats, n);
	for (i = 0; i < ARRAY_SIZE(n); i++)
		if (ntm_put_stat(msg, NTM_STATS_TX_PACKETS + i, n[i]))
			return -EMSGSIZE;
	if (ntm_put_age(msg, NTM_STATS_LAST_RX_MS, READ_ONCE(path->last_rx)) ||
	    ntm_put_age(msg, NTM_STATS_LAST_TX_MS, READ_ONCE(path->last_tx)))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int ntm_put_relays(struct sk_buff *msg, const struct ntm_relays *relays)
{
	int err = 0, i;

	for (i = 0; !err && relays && i < NTM_RELAYS; i++)
		if (relays->addr[i].sa.sa_family)
			err = ntm_event_put_addr(msg, NTM_A_RELAY0 + i, &relays->addr[i]);
	return err;
}

/* What changes under RCU: endpoint, port, relays, and the sending key's epoch. */
static int ntm_put_path_state(struct sk_buff *msg, struct ntm_path *path)
{
	const struct ntm_endpoint *ep;
	const struct ntm_port *port;
	const struct ntm_key *tx;
	int err = 0;

	rcu_read_lock();
	ep = rcu_dereference(path->endpoint);
	if (ep)
		err = ntm_event_put_addr(msg, NTM_A_PEER_ADDR, &ep->addr);
	if (!err)
		err = ntm_put_relays(msg, rcu_dereference(path->relays));
	port = rcu_dereference(path->port);
	if (!err && port)
		err = nla_put_u16(msg, NTM_A_LOCAL_PORT, ntohs(port->num));
	tx = rcu_dereference(path->tx);
	if (!err && tx)
		err = nla_put_u32(msg, NTM_A_EPOCH, tx->epoch);
	rcu_read_unlock();
	return err;
}

static int ntm_put_path(struct sk_buff *msg, struct ntm_path *path)
{
	if (nla_put_u32(msg, NTM_A_IFINDEX, path->ndev->dev->ifindex) ||
	    nla_put_u32(msg, NTM_A_PATH_ID, be32_to_cpu(path->id)) ||
	    nla_put_u32(msg, NTM_A_MTU, ntm_path_mtu(path)))
		return -EMSGSIZE;
	if (path->peer.has_v4 &&
	    nla_put(msg, NTM_A_VIRTUAL4, sizeof(path->peer.v4), path->peer.v4))
		return -EMSGSIZE;
	if (path->peer.has_v6 &&
	    nla_put(msg, NTM_A_VIRTUAL6, sizeof(path->peer.v6), path->peer.v6))
		return -EMSGSIZE;
	if (ntm_put_path_state(msg, path))
		return -EMSGSIZE;
	return ntm_put_path_stats(msg, path);
}

static int ntm_path_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_path *path;
	struct ntm_dev *ndev;
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = ntm_lock_path_of(info, &ndev, &path);
	if (err)
		return err;
	msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg) {
		err = ntm_no_memory(info);
		goto out;
	}
	hdr = genlmsg_put_reply(msg, info, &ntm_genl_family, 0, NTM_CMD_PATH_GET);
	err = -EMSGSIZE;
	if (!hdr || ntm_put_path(msg, path)) {
		nlmsg_free(msg);
		goto out;
	}
	genlmsg_end(msg, hdr);
	err = genlmsg_reply(msg, info);
out:
	ntm_unlock_dev(ndev);
	return err;
}

/* Not a .start function: before 6.3 those cannot say what is wrong. */
int ntm_id_dump_begin(struct netlink_callback *cb, struct ntm_id_dump *ctx)
{
	struct nlattr *nla;

	BUILD_BUG_ON(sizeof(*ctx) > sizeof(cb->ctx));
	nla = nlmsg_find_attr(cb->nlh, GENL_HDRLEN, NTM_A_IFINDEX);
	if (!nla) {
		NL_SET_ERR_MSG(cb->extack, "IFINDEX is missing");
		NL_SET_ERR_ATTR_MISS(cb->extack, NULL, NTM_A_IFINDEX);
		return -EINVAL;
	}
	if (nlmsg_find_attr(cb->nlh, GENL_HDRLEN, NTM_A_PATH_ID)) {
		NL_SET_ERR_MSG(cb->extack, "a dump shows all of a device: no PATH_ID");
		return -EINVAL;
	}
	ctx->ifindex = nla_get_u32(nla);
	ctx->next = 1;
	return 0;
}

/*
 * In the order of Path IDs, so that a dump of a million paths takes up where it
 * stopped, however the tables were rebuilt. Paths that came or went in between
 * make it NLM_F_DUMP_INTR.
 */
static int ntm_path_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ntm_id_dump *ctx = (struct ntm_id_dump *)cb->ctx;
	struct ntm_path *path;
	struct ntm_dev *ndev;
	void *hdr;
	int err;

	if (!ctx->ifindex) {
		err = ntm_id_dump_begin(cb, ctx);
		if (err)
			return err;
	}
	if (ctx->next > U32_MAX)
		return 0;
	ndev = ntm_lock_dev(sock_net(skb->sk), ctx->ifindex, cb->extack);
	if (IS_ERR(ndev))
		return PTR_ERR(ndev);
	cb->seq = ndev->paths.gen;
	while ((path = ntm_path_from(&ndev->paths, ctx->next))) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  &ntm_genl_family, NLM_F_MULTI, NTM_CMD_PATH_GET);
		if (!hdr)
			break;
		if (ntm_put_path(skb, path)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		ctx->next = (u64)be32_to_cpu(path->id) + 1;
		if (ctx->next > U32_MAX)
			break;
	}
	ntm_unlock_dev(ndev);
	return skb->len;
}

/* ---- Answers to events ---- */

static int ntm_dns_reply_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *tag = ntm_need(info, NTM_A_DNS_TAG, "DNS_TAG is missing");
	struct nlattr *packet = info->attrs[NTM_A_DNS_PACKET];
	bool pass = nla_get_flag(info->attrs[NTM_A_DNS_PASS]);
	struct ntm_dev *ndev;
	int err;

	if (!tag)
		return -EINVAL;
	if (!packet == !pass)
		return ntm_refuse(info, packet, "exactly one of DNS_PACKET and DNS_PASS is needed");
	ndev = ntm_lock_dev_of(info);
	if (IS_ERR(ndev))
		return PTR_ERR(ndev);
	if (pass)
		err = ntm_dns_pass(ndev, nla_get_u64(tag));
	else
		err = ntm_dns_reply(ndev, nla_get_u64(tag), nla_data(packet), nla_len(packet));
	ntm_unlock_dev(ndev);
	if (err == -ENOENT)
		NL_SET_ERR_MSG_ATTR(info->extack, tag, "no held query has this tag");
	else if (err == -ENOMEM)
		ntm_no_memory(info);
	else if (err)
		NL_SET_ERR_MSG(info->extack, "no local route back to the asking socket");
	return err;
}

/* The path to a virtual address, or NULL. */
static struct ntm_path *ntm_path_to(struct ntm_dev *ndev, const struct in_addr *v4,
				    const struct in6_addr *v6)
{
	struct ntm_path *path;

	rcu_read_lock();
	path = v4 ? ntm_path_by_v4(&ndev->paths, v4->s_addr) :
		    ntm_path_by_v6(&ndev->paths, v6);
	rcu_read_unlock();
	return path;
}

static int ntm_miss_done_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *status = ntm_need(info, NTM_A_STATUS, "STATUS is missing");
	const struct in6_addr *v6;
	const struct in_addr *v4;
	struct ntm_path *path;
	struct ntm_dev *ndev;
	int err;

	if (!status)
		return -EINVAL;
	err = ntm_get_virtual(info, &v4, &v6);
	if (err)
		return err;
	if (!v4 == !v6)
		return ntm_refuse(info, info->attrs[NTM_A_VIRTUAL4],
				  "exactly one of VIRTUAL4 and VIRTUAL6 is needed");
	ndev = ntm_lock_dev_of(info);
	if (IS_ERR(ndev))
		return PTR_ERR(ndev);
	if (nla_get_u32(status)) {
		ntm_miss_fail(ndev, v4 ? AF_INET : AF_INET6,
			      v4 ? (const void *)v4 : v6);
	} else {
		path = ntm_path_to(ndev, v4, v6);
		if (path) {
			ntm_path_start(path, false);
		} else {
			NL_SET_ERR_MSG(info->extack, "no path to this address");
			err = -ENOENT;
		}
	}
	ntm_unlock_dev(ndev);
	return err;
}

/* ---- The family ---- */

#define NTM_OP(c, pol)					\
	.cmd = NTM_CMD_##c, .flags = GENL_UNS_ADMIN_PERM,	\
	.policy = pol, .maxattr = NTM_A_MAX

static const struct genl_ops ntm_genl_ops[] = {
	{ NTM_OP(DEV_SET, ntm_dev_set_policy), .doit = ntm_dev_set_doit },
	{ NTM_OP(DEV_GET, ntm_dev_get_policy), .doit = ntm_dev_get_doit,
	  .start = ntm_dev_get_start, .dumpit = ntm_dev_get_dumpit },
	{ NTM_OP(PATH_SET, ntm_path_set_policy), .doit = ntm_path_set_doit },
	{ NTM_OP(PATH_DEL, ntm_path_del_policy), .doit = ntm_path_del_doit },
	{ NTM_OP(PATH_GET, ntm_path_get_policy), .doit = ntm_path_get_doit,
	  .dumpit = ntm_path_get_dumpit },
	{ NTM_OP(DNS_REPLY, ntm_dns_reply_policy), .doit = ntm_dns_reply_doit },
	{ NTM_OP(MISS_DONE, ntm_miss_done_policy), .doit = ntm_miss_done_doit },
	{ NTM_OP(RELAY_SET, ntm_relay_set_policy), .doit = ntm_relay_set_doit },
	{ NTM_OP(RELAY_DEL, ntm_relay_del_policy), .doit = ntm_relay_del_doit },
	{ NTM_OP(RELAY_GET, ntm_relay_get_policy), .doit = ntm_relay_get_doit,
	  .dumpit = ntm_relay_get_dumpit },
};

static const struct genl_multicast_group ntm_genl_groups[] = {
	{ .name = NTM_GENL_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

struct genl_family ntm_genl_family __ro_after_init = {
	.name		= NTM_GENL_NAME,
	.version	= NTM_GENL_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.ops		= ntm_genl_ops,
	.n_ops		= ARRAY_SIZE(ntm_genl_ops),
	.resv_start_op	= NTM_CMD_PATH_SET + 1,
	.mcgrps		= ntm_genl_groups,
	.n_mcgrps	= ARRAY_SIZE(ntm_genl_groups),
};

/* ntmd's socket closed, because it ended or because it crashed. */
static int ntm_netlink_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct netlink_notify *notify = ptr;

	if (event == NETLINK_URELEASE && notify->protocol == NETLINK_GENERIC)
		ntm_dev_owner_gone(notify->net, notify->portid);
	return NOTIFY_DONE;
}

static struct notifier_block ntm_netlink_notifier = {
	.notifier_call = ntm_netlink_event,
};

int __init ntm_netlink_register(void)
{
	int err;

	err = netlink_register_notifier(&ntm_netlink_notifier);
	if (err)
		return err;
	err = genl_register_family(&ntm_genl_family);
	if (err)
		netlink_unregister_notifier(&ntm_netlink_notifier);
	return err;
}

void ntm_netlink_unregister(void)
{
	genl_unregister_family(&ntm_genl_family);
	netlink_unregister_notifier(&ntm_netlink_notifier);
}
