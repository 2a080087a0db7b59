// SPDX-License-Identifier: GPL-2.0
/*
 * Events of the netlink family.
 *
 * All go to the multicast group "events", but NTM_EV_DNS, which goes to the
 * socket of the device's owner alone: what applications look up is nobody
 * else's business. Events are hints: one that finds no memory or a full socket
 * is lost, and ntmd's timers make up for it.
 */
#include <net/genetlink.h>
#include <net/sock.h>
#include <ntmobile/uapi.h>
#include "dev.h"
#include "event.h"

static struct sk_buff *ntm_event_new(const struct ntm_dev *ndev, size_t room,
				     u8 cmd, void **hdr)
{
	struct sk_buff *msg = genlmsg_new(nla_total_size(sizeof(u32)) + room, GFP_ATOMIC);

	if (!msg)
		return NULL;
	*hdr = genlmsg_put(msg, 0, 0, &ntm_genl_family, 0, cmd);
	if (!*hdr || nla_put_u32(msg, NTM_A_IFINDEX, ndev->dev->ifindex)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int ntm_event_send(const struct ntm_dev *ndev, struct sk_buff *msg, void *hdr)
{
	genlmsg_end(msg, hdr);
	return genlmsg_multicast_netns(&ntm_genl_family, ndev->net, msg, 0, 0, GFP_ATOMIC);
}

static bool ntm_event_wanted(const struct ntm_dev *ndev)
{
	return genl_has_listeners(&ntm_genl_family, ndev->net, 0);
}

int ntm_event_put_addr(struct sk_buff *msg, int attr, const union ntm_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return nla_put(msg, attr, sizeof(addr->v4), &addr->v4);
	return nla_put(msg, attr, sizeof(addr->v6), &addr->v6);
}

int ntm_event_miss(struct ntm_dev *ndev, sa_family_t family, const void *virt)
{
	struct sk_buff *msg;
	void *hdr;
	int err;

	if (!ntm_event_wanted(ndev))
		return -ESRCH;
	msg = ntm_event_new(ndev, nla_total_size(sizeof(struct in6_addr)), NTM_EV_MISS, &hdr);
	if (!msg)
		return -ENOMEM;
	if (family == AF_INET)
		err = nla_put(msg, NTM_A_VIRTUAL4, sizeof(struct in_addr), virt);
	else
		err = nla_put(msg, NTM_A_VIRTUAL6, sizeof(struct in6_addr), virt);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return ntm_event_send(ndev, msg, hdr);
}

void ntm_event_peer_moved(struct ntm_path *path, const union ntm_addr *addr)
{
	struct sk_buff *msg;
	void *hdr;

	if (!ntm_event_wanted(path->ndev))
		return;
	msg = ntm_event_new(path->ndev, nla_total_size(sizeof(u32)) +
			    nla_total_size(sizeof(*addr)), NTM_EV_PEER_MOVED, &hdr);
	if (!msg)
		return;
	if (nla_put_u32(msg, NTM_A_PATH_ID, be32_to_cpu(path->id)) ||
	    ntm_event_put_addr(msg, NTM_A_PEER_ADDR, addr))
		nlmsg_free(msg);
	else
		ntm_event_send(path->ndev, msg, hdr);
}

/* An event of a path with one number. */
static void ntm_event_number(struct ntm_path *path, u8 cmd, int attr, u32 number)
{
	struct sk_buff *msg;
	void *hdr;

	if (!ntm_event_wanted(path->ndev))
		return;
	msg = ntm_event_new(path->ndev, 2 * nla_total_size(sizeof(u32)), cmd, &hdr);
	if (!msg)
		return;
	if (nla_put_u32(msg, NTM_A_PATH_ID, be32_to_cpu(path->id)) ||
	    nla_put_u32(msg, attr, number))
		nlmsg_free(msg);
	else
		ntm_event_send(path->ndev, msg, hdr);
}

void ntm_event_rekey(struct ntm_path *path, u32 epoch)
{
	ntm_event_number(path, NTM_EV_REKEY, NTM_A_EPOCH, epoch);
}

void ntm_event_key_confirmed(struct ntm_path *path, u32 epoch)
{
	ntm_event_number(path, NTM_EV_KEY_CONFIRMED, NTM_A_EPOCH, epoch);
}

void ntm_event_mtu(struct ntm_path *path, u32 mtu)
{
	ntm_event_number(path, NTM_EV_MTU, NTM_A_MTU, mtu);
}

void ntm_event_auth_burst(struct ntm_dev *ndev, struct ntm_path *path, u32 drops)
{
	struct sk_buff *msg;
	void *hdr;

	if (!ntm_event_wanted(ndev))
		return;
	msg = ntm_event_new(ndev, 2 * nla_total_size(sizeof(u32)), NTM_EV_AUTH_BURST, &hdr);
	if (!msg)
		return;
	if ((path && nla_put_u32(msg, NTM_A_PATH_ID, be32_to_cpu(path->id))) ||
	    nla_put_u32(msg, NTM_A_DROPS, drops))
		nlmsg_free(msg);
	else
		ntm_event_send(ndev, msg, hdr);
}

int ntm_event_dns(struct ntm_dev *ndev, u64 tag, const void *query, size_t len,
		  const union ntm_addr *src)
{
	u32 portid = READ_ONCE(ndev->portid);
	struct sk_buff *msg;
	void *hdr;

	if (!portid)
		return -ESRCH;
	msg = ntm_event_new(ndev, nla_total_size_64bit(sizeof(tag)) + nla_total_size(len) +
			    nla_total_size(sizeof(*src)), NTM_EV_DNS, &hdr);
	if (!msg)
		return -ENOMEM;
	if (nla_put_u64_64bit(msg, NTM_A_DNS_TAG, tag, NTM_A_PAD) ||
	    nla_put(msg, NTM_A_DNS_PACKET, len, query) ||
	    ntm_event_put_addr(msg, NTM_A_DNS_SRC, src)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_unicast(ndev->net, msg, portid);
}
