// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink commands of the relay table. As in netlink.c, a request is read
 * and checked whole before anything changes.
 */
#include <linux/ktime.h>
#include <ntmobile/uapi.h>
#include "dev.h"
#include "event.h"
#include "netlink.h"
#include "policy.h"
#include "relay.h"

/**
 * struct ntm_relay_req - a RELAY_SET request, checked
 * @id:		Path ID, network order
 * @given:	which ends change
 * @ends:	what they become; NULL unbinds
 * @has_rate:	@rate is given
 * @rate:	bytes a second, 0 for any
 */
struct ntm_relay_req {
	__be32 id;
	bool given[2];
	struct ntm_relay_end *ends[2];
	bool has_rate;
	u64 rate;
};

/* ---- RELAY_SET ---- */

/* Our own address as the end knows it, or none. */
static int ntm_get_local(struct genl_info *info, struct nlattr **tb,
			 const union ntm_addr *addr, union ntm_addr *local)
{
	struct nlattr *nla4 = tb[NTM_END_LOCAL4], *nla6 = tb[NTM_END_LOCAL6];
	bool v4 = addr->sa.sa_family == AF_INET;

	if (v4 ? nla6 : nla4)
		return ntm_refuse(info, v4 ? nla6 : nla4, "local address is of another family than ADDR");
	memset(local, 0, sizeof(*local));
	local->sa.sa_family = addr->sa.sa_family;
	if (nla4)
		local->v4.sin_addr.s_addr = nla_get_in_addr(nla4);
	if (nla6)
		local->v6.sin6_addr = nla_get_in6_addr(nla6);
	return 0;
}

static int ntm_get_end(struct genl_info *info, struct nlattr *nest, struct ntm_relay_end **end)
{
	struct nlattr *tb[NTM_END_MAX + 1];
	union ntm_addr addr, local;
	int err;

	err = nla_parse_nested(tb, NTM_END_MAX, nest, ntm_end_policy, info->extack);
	if (err)
		return err;
	if (!tb[NTM_END_ADDR]) {
		if (tb[NTM_END_LOCAL4] || tb[NTM_END_LOCAL6])
			return ntm_refuse(info, nest, "a local address needs ADDR");
		return 0;
	}
	err = ntm_get_addr(info, tb[NTM_END_ADDR], &addr);
	if (err)
		return err;
	err = ntm_get_local(info, tb, &addr, &local);
	if (err)
		return err;
	*end = ntm_relay_end_new(&addr, &local, GFP_KERNEL);
	return *end ? 0 : ntm_no_memory(info);
}

static int ntm_relay_req_parse(struct genl_info *info, struct ntm_relay_req *req)
{
	struct nlattr *rate = info->attrs[NTM_A_RATE];
	int err, i;

	err = ntm_get_path_id(info, &req->id);
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(req->ends); i++) {
		struct nlattr *nest = info->attrs[NTM_A_END0 + i];

		req->given[i] = nest;
		err = nest ? ntm_get_end(info, nest, &req->ends[i]) : 0;
		if (err)
			return err;
	}
	req->has_rate = rate;
	if (rate)
		req->rate = nla_get_u64(rate);
	return 0;
}

/* What of a request has not been handed on. */
static void ntm_relay_req_release(struct ntm_relay_req *req)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(req->ends); i++)
		if (req->ends[i])
			ntm_relay_end_free(req->ends[i]);
}

static void ntm_relay_apply(struct ntm_relay *relay, struct ntm_relay_req *req)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(req->ends); i++) {
		if (!req->given[i])
			continue;
		ntm_relay_bind(relay, i, req->ends[i]);
		req->ends[i] = NULL;
	}
	if (req->has_rate)
		ntm_relay_set_rate(relay, req->rate, ktime_get_ns());
}

/* An entry is complete before a packet can find it. */
static int ntm_relay_create(struct ntm_dev *ndev, struct ntm_relay_req *req,
			    struct genl_info *info)
{
	struct ntm_relay *relay;
	struct ntm_path *path;
	int err;

	rcu_read_lock();
	path = ntm_path_by_id(&ndev->paths, req->id);
	rcu_read_unlock();
	if (path) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[NTM_A_PATH_ID],
				    "a path has this ID");
		return -EEXIST;
	}
	relay = ntm_relay_new(req->id);
	if (!relay)
		return ntm_no_memory(info);
	ntm_relay_apply(relay, req);
	err = ntm_relay_insert(&ndev->relays, relay);
	if (err) {
		NL_SET_ERR_MSG(info->extack, "no memory for the relay table");
		ntm_relay_free(relay);
	}
	return err;
}

/* The lock keeps what is found from being removed. */
static struct ntm_relay *ntm_relay_find(struct ntm_dev *ndev, __be32 id)
{
	struct ntm_relay *relay;

	rcu_read_lock();
	relay = ntm_relay_by_id(&ndev->relays, id);
	rcu_read_unlock();
	return relay;
}

int ntm_relay_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_relay_req req = {};
	struct ntm_relay *relay;
	struct ntm_dev *ndev;
	int err;

	err = ntm_relay_req_parse(info, &req);
	if (err)
		goto out_release;
	ndev = ntm_lock_dev_of(info);
	if (IS_ERR(ndev)) {
		err = PTR_ERR(ndev);
		goto out_release;
	}
	relay = ntm_relay_find(ndev, req.id);
	if (relay)
		ntm_relay_apply(relay, &req);
	else
		err = ntm_relay_create(ndev, &req, info);
	ntm_unlock_dev(ndev);
out_release:
	ntm_relay_req_release(&req);
	return err;
}

/* ---- RELAY_DEL ---- */

/* Device locked and entry found, or an errno with extack. */
static int ntm_lock_relay_of(struct genl_info *info, struct ntm_dev **ndev,
			     struct ntm_relay **relay)
{
	__be32 id;
	int err;

	err = ntm_get_path_id(info, &id);
	if (err)
		return err;
	*ndev = ntm_lock_dev_of(info);
	if (IS_ERR(*ndev))
		return PTR_ERR(*ndev);
	*relay = ntm_relay_find(*ndev, id);
	if (*relay)
		return 0;
	ntm_unlock_dev(*ndev);
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[NTM_A_PATH_ID], "no such relay entry");
	return -ENOENT;
}

int ntm_relay_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_relay *relay;
	struct ntm_dev *ndev;
	int err;

	err = ntm_lock_relay_of(info, &ndev, &relay);
	if (err)
		return err;
	ntm_relay_remove(&ndev->relays, relay);
	ntm_unlock_dev(ndev);
	return 0;
}

/* ---- RELAY_GET ---- */

static int ntm_put_end_addr(struct sk_buff *msg, const struct ntm_relay_end *end)
{
	if (ntm_event_put_addr(msg, NTM_END_ADDR, &end->addr))
		return -EMSGSIZE;
	if (end->addr.sa.sa_family == AF_INET)
		return end->src4.s_addr ?
			nla_put_in_addr(msg, NTM_END_LOCAL4, end->src4.s_addr) : 0;
	return ipv6_addr_any(&end->src6) ? 0 :
		nla_put_in6_addr(msg, NTM_END_LOCAL6, &end->src6);
}

/* Where it is: packets may replace it meanwhile. */
static int ntm_put_end_of(struct sk_buff *msg, struct ntm_relay_side *side)
{
	const struct ntm_relay_end *end;
	int err;

	rcu_read_lock();
	end = rcu_dereference(side->end);
	err = end ? ntm_put_end_addr(msg, end) : 0;
	rcu_read_unlock();
	return err;
}

static int ntm_put_end(struct sk_buff *msg, int attr, struct ntm_relay_side *side)
{
	struct nlattr *nest = nla_nest_start(msg, attr);
	u64 last = READ_ONCE(side->last);

	if (!nest || ntm_put_end_of(msg, side) ||
	    nla_put_u64_64bit(msg, NTM_END_PACKETS, atomic64_read(&side->packets), NTM_END_PAD) ||
	    nla_put_u64_64bit(msg, NTM_END_BYTES, atomic64_read(&side->bytes), NTM_END_PAD) ||
	    (last && nla_put_u64_64bit(msg, NTM_END_LAST_MS, ntm_age_ms(last), NTM_END_PAD)))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int ntm_put_relay(struct sk_buff *msg, struct ntm_dev *ndev, struct ntm_relay *relay)
{
	if (nla_put_u32(msg, NTM_A_IFINDEX, ndev->dev->ifindex) ||
	    nla_put_u32(msg, NTM_A_PATH_ID, be32_to_cpu(relay->id)) ||
	    nla_put_u64_64bit(msg, NTM_A_RATE, relay->rate, NTM_A_PAD) ||
	    ntm_put_end(msg, NTM_A_END0, &relay->sides[0]))
		return -EMSGSIZE;
	return ntm_put_end(msg, NTM_A_END1, &relay->sides[1]);
}

int ntm_relay_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ntm_relay *relay;
	struct ntm_dev *ndev;
	struct sk_buff *msg;
	void *hdr;
	int err;

	err = ntm_lock_relay_of(info, &ndev, &relay);
	if (err)
		return err;
	msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg) {
		err = ntm_no_memory(info);
		goto out;
	}
	hdr = genlmsg_put_reply(msg, info, &ntm_genl_family, 0, NTM_CMD_RELAY_GET);
	err = -EMSGSIZE;
	if (!hdr || ntm_put_relay(msg, ndev, relay)) {
		nlmsg_free(msg);
		goto out;
	}
	genlmsg_end(msg, hdr);
	err = genlmsg_reply(msg, info);
out:
	ntm_unlock_dev(ndev);
	return err;
}

/* As the dump of paths: by rising ID, NLM_F_DUMP_INTR if the table changed meanwhile. */
int ntm_relay_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct ntm_id_dump *ctx = (struct ntm_id_dump *)cb->ctx;
	struct ntm_relay *relay;
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
	cb->seq = ndev->relays.gen;
	while ((relay = ntm_relay_from(&ndev->relays, ctx->next))) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  &ntm_genl_family, NLM_F_MULTI, NTM_CMD_RELAY_GET);
		if (!hdr)
			break;
		if (ntm_put_relay(skb, ndev, relay)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		ctx->next = (u64)be32_to_cpu(relay->id) + 1;
		if (ctx->next > U32_MAX)
			break;
	}
	ntm_unlock_dev(ndev);
	return skb->len;
}
