// SPDX-License-Identifier: GPL-2.0
/* rtnetlink: our interface and its addresses, and the machine's real addresses. */
#include "common/netif.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "common/nl.h"
#include "common/log.h"
#include "ntmobile/uapi.h"

#define IFACES_MAX 1024
#define DUMP_TRIES 8

/* Send one request on a socket of its own; these are rare */
/* @what: for the log, NULL where the caller tells people itself; as all do of what the kernel does not know */
static int netif_call(const char *what, struct nlmsghdr *nlh, ntm_nl_fn *fn, void *ctx)
{
	struct ntm_nl nl;
	int err;

	err = ntm_nl_open(&nl, NETLINK_ROUTE);
	if (err)
		return err;
	err = ntm_nl_call(&nl, nlh, fn, ctx);
	if (err && err != -EOPNOTSUPP && what && nl.why[0])
		ntm_warn("%s: %s", what, nl.why);
	ntm_nl_close(&nl);
	return err;
}

static struct nlmsghdr *link_start(union ntm_nl_buf *buf, uint16_t type, uint16_t flags,
				   unsigned int ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return nlh;
}

/** struct link_info - what is looked at of a link */
struct link_info {
	unsigned int index, flags;
	bool ours; /* of kind "ntm" */
};

static bool is_our_kind(const struct nlattr *info)
{
	static const struct ntm_nl_rule rules[IFLA_INFO_KIND + 1] = { [IFLA_INFO_KIND] = {
									      1, IFNAMSIZ } };
	const struct nlattr *tb[IFLA_INFO_KIND + 1];
	const size_t len = strlen(NTM_LINK_KIND);

	if (ntm_nl_parse(mnl_attr_get_payload(info), mnl_attr_get_payload_len(info), rules, tb,
			 IFLA_INFO_KIND + 1) ||
	    !tb[IFLA_INFO_KIND])
		return false;
	/* With or without a final NUL, depending on the kernel */
	return strnlen(mnl_attr_get_payload(tb[IFLA_INFO_KIND]),
		       mnl_attr_get_payload_len(tb[IFLA_INFO_KIND])) == len &&
	       !memcmp(mnl_attr_get_payload(tb[IFLA_INFO_KIND]), NTM_LINK_KIND, len);
}

static int link_read(const struct nlmsghdr *nlh, struct link_info *link)
{
	static const struct ntm_nl_rule rules[IFLA_LINKINFO + 1] = { [IFLA_LINKINFO] = {
									     0, UINT16_MAX } };
	const struct nlattr *tb[IFLA_LINKINFO + 1];
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (nlh->nlmsg_type != RTM_NEWLINK || len < sizeof(*ifi) ||
	    ntm_nl_parse((const uint8_t *)ifi + MNL_ALIGN(sizeof(*ifi)), len - sizeof(*ifi), rules,
			 tb, IFLA_LINKINFO + 1))
		return -EBADMSG;
	link->index = (unsigned int)ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->ours = tb[IFLA_LINKINFO] && is_our_kind(tb[IFLA_LINKINFO]);
	return 0;
}

static int one_link(void *ctx, const struct nlmsghdr *nlh)
{
	return link_read(nlh, ctx);
}

static int link_get(const char *name, struct link_info *link)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = link_start(&buf, RTM_GETLINK, 0, 0);

	memset(link, 0, sizeof(*link));
	if (!ntm_nl_put(nlh, IFLA_IFNAME, strlen(name) + 1, name))
		return -EMSGSIZE;
	return netif_call("look for the interface", nlh, one_link, link);
}

int ntm_netif_delete_old(const char *name)
{
	struct link_info link;
	int err;

	if (!if_nametoindex(name))
		return 0;
	err = link_get(name, &link);
	if (err)
		return err == -ENODEV ? 0 : err;
	return link.ours ? ntm_netif_delete(link.index) : -EEXIST;
}

int ntm_netif_create(const char *name, unsigned int *ifindex)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	int err;

	if (!*name || strlen(name) >= IFNAMSIZ)
		return -EINVAL;
	err = ntm_netif_delete_old(name);
	if (err == -EEXIST)
		ntm_err("there is an interface %s that is not of NTMobile", name);
	if (err)
		return err;
	nlh = link_start(&buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, NTM_LINK_KIND);
	mnl_attr_nest_end(nlh, nest);
	err = netif_call("create the interface", nlh, NULL, NULL);
	if (err)
		return err;
	*ifindex = if_nametoindex(name);
	return *ifindex ? 0 : -ENODEV;
}

int ntm_netif_delete(unsigned int ifindex)
{
	union ntm_nl_buf buf;

	return netif_call("delete the interface", link_start(&buf, RTM_DELLINK, 0, ifindex), NULL,
			  NULL);
}

int ntm_netif_up(unsigned int ifindex, unsigned int mtu)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = link_start(&buf, RTM_NEWLINK, 0, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return netif_call("set the interface up", nlh, NULL, NULL);
}

int ntm_netif_queue(unsigned int ifindex, unsigned int gso, unsigned int packets)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = link_start(&buf, RTM_NEWLINK, 0, ifindex);

	mnl_attr_put_u32(nlh, IFLA_GSO_MAX_SIZE, gso);
	mnl_attr_put_u32(nlh, IFLA_TXQLEN, packets);
	return netif_call("set the queue of the interface", nlh, NULL, NULL);
}

static int change_addr(unsigned int ifindex, int family, const void *addr, uint8_t prefix, bool add,
		       uint32_t preferred)
{
	const struct ifa_cacheinfo life = { .ifa_prefered = preferred, .ifa_valid = UINT32_MAX };
	size_t len = family == AF_INET ? 4 : 16;
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	if (prefix > len * 8)
		return -EINVAL;
	nlh->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	nlh->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	ifa->ifa_family = (uint8_t)family;
	ifa->ifa_prefixlen = prefix;
	ifa->ifa_index = ifindex;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	ifa->ifa_flags =
		IFA_F_NODAD; /* the DC gives each address to one node; waiting for a duplicate is for links */
	mnl_attr_put(nlh, IFA_LOCAL, len, addr);
	mnl_attr_put(nlh, IFA_ADDRESS, len, addr);
	mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(life), &life);
	return netif_call(add ? "add an address" : "take an address away", nlh, NULL, NULL);
}

/* Open to processes without any privilege, as getifaddrs() is. The link's entry of a TUN device has no address. */
uint64_t ntm_netif_tx_dropped(const char *name)
{
	struct ifaddrs *all, *one;
	uint64_t dropped = 0;

	if (!*name || getifaddrs(&all))
		return 0;
	for (one = all; one; one = one->ifa_next)
		if (one->ifa_data && !strcmp(one->ifa_name, name) &&
		    (!one->ifa_addr || one->ifa_addr->sa_family == AF_PACKET))
			dropped = ((const struct rtnl_link_stats *)one->ifa_data)->tx_dropped;
	freeifaddrs(all);
	return dropped;
}

int ntm_netif_addr(unsigned int ifindex, int family, const void *addr, uint8_t prefix, bool add)
{
	return change_addr(ifindex, family, addr, prefix, add, UINT32_MAX);
}

static bool is_address(const struct ifaddrs *one, int family, const void *addr)
{
	const union ntm_addr *have = (const union ntm_addr *)one->ifa_addr;

	if (!have || have->sa.sa_family != family)
		return false;
	return family == AF_INET ? !memcmp(&have->v4.sin_addr, addr, 4) :
				   !memcmp(&have->v6.sin6_addr, addr, 16);
}

bool ntm_netif_lacks(unsigned int ifindex, int family, const void *addr)
{
	struct ifaddrs *all, *one;
	char name[IFNAMSIZ];
	bool up = false, has = false;

	if (!if_indextoname(ifindex, name) || getifaddrs(&all))
		return false;
	for (one = all; one; one = one->ifa_next) {
		if (strcmp(one->ifa_name, name) != 0)
			continue;
		up = up || one->ifa_flags & IFF_UP;
		has = has || is_address(one, family, addr);
	}
	freeifaddrs(all);
	return up && !has;
}

int ntm_netif_serve_addr(unsigned int ifindex, int family, const void *addr)
{
	return change_addr(ifindex, family, addr, family == AF_INET ? 32 : 128, true, 0);
}

int ntm_netif_route(unsigned int ifindex, int family, const void *net, uint8_t prefix,
		    const struct in_addr *src, bool add)
{
	const size_t len = family == AF_INET ? 4 : 16;
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	if (prefix > len * 8)
		return -EINVAL;
	nlh->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	nlh->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
	rtm->rtm_family = (uint8_t)family;
	rtm->rtm_dst_len = prefix;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_LINK;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put(nlh, RTA_DST, len, net);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	if (src && family == AF_INET)
		mnl_attr_put(nlh, RTA_PREFSRC, sizeof(*src), src);
	return netif_call(NULL, nlh, NULL, NULL);
}

static const void *ip_of(const union ntm_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? (const void *)&addr->v4.sin_addr :
					       (const void *)&addr->v6.sin6_addr;
}

/* The route that packets to an address take, as a request */
static struct nlmsghdr *route_to(union ntm_nl_buf *buf, const union ntm_addr *to)
{
	const bool v4 = to->sa.sa_family == AF_INET;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = RTM_GETROUTE;
	rtm->rtm_family = (unsigned char)to->sa.sa_family;
	rtm->rtm_dst_len = v4 ? 32 : 128;
	mnl_attr_put(nlh, RTA_DST, v4 ? 4 : 16, ip_of(to));
	if (!v4 && to->v6.sin6_scope_id)
		mnl_attr_put_u32(nlh, RTA_OIF, to->v6.sin6_scope_id);
	return nlh;
}

static int route_type(void *ctx, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return -EBADMSG;
	*(unsigned char *)ctx = rtm->rtm_type;
	return 0;
}

/* An address of a link is only one together with the link */
bool ntm_netif_is_local(const union ntm_addr *addr)
{
	unsigned char type = RTN_UNSPEC;
	union ntm_nl_buf buf;

	return !netif_call(NULL, route_to(&buf, addr), route_type, &type) && type == RTN_LOCAL;
}

static int route_link(void *ctx, const struct nlmsghdr *nlh)
{
	static const struct ntm_nl_rule rules[RTA_OIF + 1] = { [RTA_OIF] = { 4, 4 } };
	const struct nlattr *tb[RTA_OIF + 1];
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (nlh->nlmsg_type != RTM_NEWROUTE || len < sizeof(*rtm) ||
	    ntm_nl_parse((const uint8_t *)rtm + MNL_ALIGN(sizeof(*rtm)), len - sizeof(*rtm), rules,
			 tb, RTA_OIF + 1) ||
	    !tb[RTA_OIF])
		return -EBADMSG;
	*(unsigned int *)ctx = mnl_attr_get_u32(tb[RTA_OIF]);
	return 0;
}

/* @from: NULL for any. 0: none, or the kernel does not tell */
static unsigned int link_to(const union ntm_addr *to, const union ntm_addr *from)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = route_to(&buf, to);
	struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	unsigned int link = 0;

	if (from) {
		rtm->rtm_src_len = rtm->rtm_dst_len;
		mnl_attr_put(nlh, RTA_SRC, rtm->rtm_src_len / 8, ip_of(from));
	}
	return netif_call(NULL, nlh, route_link, &link) ? 0 : link;
}

/* An IPv4 address may have a label: eth0:1 */
static bool is_of_link(const struct ifaddrs *one, const char *link)
{
	const size_t len = strcspn(one->ifa_name, ":");

	return strlen(link) == len && !strncmp(one->ifa_name, link, len);
}

/* Or of lo, whose addresses are the whole host's */
static bool link_has(unsigned int ifindex, const union ntm_addr *addr)
{
	struct ifaddrs *all, *one;
	char link[IFNAMSIZ];
	bool has = false;

	if (!if_indextoname(ifindex, link) || getifaddrs(&all))
		return true;
	for (one = all; one && !has; one = one->ifa_next)
		has = is_address(one, addr->sa.sa_family, ip_of(addr)) &&
		      (one->ifa_flags & IFF_LOOPBACK || is_of_link(one, link));
	freeifaddrs(all);
	return has;
}

bool ntm_netif_may_send(const union ntm_addr *from, const union ntm_addr *to)
{
	const unsigned int link = link_to(to, from);

	return !link || link_has(link, from) || link_to(to, NULL) != link;
}

/* The interfaces whose addresses count, as a set of indices */
struct usable {
	unsigned int index[IFACES_MAX];
	unsigned int count;
	unsigned int skip;
};

static int usable_link(void *ctx, const struct nlmsghdr *nlh)
{
	const unsigned int want = IFF_UP | IFF_RUNNING;
	struct usable *u = ctx;
	struct link_info link;
	int err;

	err = link_read(nlh, &link);
	if (err)
		return err;
	if ((link.flags & (want | IFF_LOOPBACK)) == want && !link.ours && link.index != u->skip &&
	    u->count < IFACES_MAX)
		u->index[u->count++] = link.index;
	return 0;
}

static bool is_usable_link(const struct usable *u, unsigned int index)
{
	for (unsigned int i = 0; i < u->count; i++)
		if (u->index[i] == index)
			return true;
	return false;
}

struct collect {
	union ntm_addr *out;
	unsigned int max, count;
	const struct usable *links;
	uint16_t port;
};

/*
 * The machine's own end of an address: IFA_LOCAL, where that differs from IFA_ADDRESS (point to
 * point)
 */
static const void *own_address(const struct nlattr *const *tb, size_t len)
{
	const struct nlattr *attr = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];

	return attr && mnl_attr_get_payload_len(attr) == len ? mnl_attr_get_payload(attr) : NULL;
}

static bool usable_flags(uint32_t flags)
{
	if (flags & (IFA_F_DADFAILED | IFA_F_DEPRECATED))
		return false;
	return !(flags & IFA_F_TENTATIVE) || (flags & IFA_F_OPTIMISTIC);
}

static void collect_put(struct collect *c, int family, const void *own)
{
	union ntm_addr addr = { 0 };

	addr.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&addr.v4.sin_addr, own, 4);
		addr.v4.sin_port = htons(c->port);
	} else {
		memcpy(&addr.v6.sin6_addr, own, 16);
		addr.v6.sin6_port = htons(c->port);
	}
	c->out[c->count++] = addr;
}

static int collect_addr(void *ctx, const struct nlmsghdr *nlh)
{
	static const struct ntm_nl_rule rules[IFA_FLAGS + 1] = {
		[IFA_ADDRESS] = { 4, 16 },
		[IFA_LOCAL] = { 4, 16 },
		[IFA_FLAGS] = { 4, 4 },
	};
	const struct nlattr *tb[IFA_FLAGS + 1];
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	struct collect *c = ctx;
	const void *own;

	if (nlh->nlmsg_type != RTM_NEWADDR || len < sizeof(*ifa) ||
	    ntm_nl_parse((const uint8_t *)ifa + MNL_ALIGN(sizeof(*ifa)), len - sizeof(*ifa), rules,
			 tb, IFA_FLAGS + 1))
		return -EBADMSG;
	if (ifa->ifa_scope != RT_SCOPE_UNIVERSE || !is_usable_link(c->links, ifa->ifa_index) ||
	    c->count >= c->max)
		return 0;
	if (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)
		return 0;
	if (!usable_flags(tb[IFA_FLAGS] ? mnl_attr_get_u32(tb[IFA_FLAGS]) : ifa->ifa_flags))
		return 0;
	own = own_address(tb, ifa->ifa_family == AF_INET ? 4 : 16);
	if (own)
		collect_put(c, ifa->ifa_family, own);
	return 0;
}

static int dump_links(struct ntm_nl *nl, struct usable *links)
{
	union ntm_nl_buf buf;

	links->count = 0;
	return ntm_nl_call(nl, link_start(&buf, RTM_GETLINK, NLM_F_DUMP, 0), usable_link, links);
}

static int dump_addrs(struct ntm_nl *nl, struct collect *c)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&buf);

	c->count = 0;
	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return ntm_nl_call(nl, nlh, collect_addr, c);
}

static int collect_addrs(struct ntm_nl *nl, struct usable *links, struct collect *c)
{
	int err = -EINTR;

	/*
	 * A dump that was overtaken by a change is asked for again; the change has its event
	 * besides
	 */
	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		err = dump_links(nl, links);
		if (!err)
			err = dump_addrs(nl, c);
	}
	return err;
}

unsigned int ntm_netif_addresses(union ntm_addr *out, unsigned int max, unsigned int skip_ifindex,
				 uint16_t port)
{
	struct usable links = { .skip = skip_ifindex };
	struct collect c = { .out = out, .max = max, .links = &links, .port = port };
	struct ntm_nl nl;
	int err;

	err = ntm_nl_open(&nl, NETLINK_ROUTE);
	if (!err)
		err = collect_addrs(&nl, &links, &c);
	if (err)
		ntm_warn("cannot list this machine's addresses: %s", strerror(-err));
	ntm_nl_close(&nl);
	return c.count;
}

struct ntm_netif_watch {
	struct ntm_nl nl;
	uv_poll_t poll;
	ntm_netif_changed_fn *changed;
	void *ctx;
	bool seen;
};

static int watch_message(void *ctx, const struct nlmsghdr *nlh)
{
	struct ntm_netif_watch *watch = ctx;

	(void)nlh;
	watch->seen = true;
	return 0;
}

static void watch_readable(uv_poll_t *poll, int status, int events)
{
	struct ntm_netif_watch *watch = poll->data;
	int err;

	(void)events;
	watch->seen = false;
	err = ntm_nl_read_events(&watch->nl);
	/*
	 * libuv stops a handle whose socket has an error pending: netlink's way to tell of lost
	 * events, read above
	 */
	if (status < 0)
		(void)uv_poll_start(poll, UV_READABLE, watch_readable);
	/*
	 * Any failure, lost events above all, may hide a change: looking once too often does no
	 * harm
	 */
	if (watch->seen || err)
		watch->changed(watch->ctx);
}

static void watch_closed(uv_handle_t *handle)
{
	struct ntm_netif_watch *watch = handle->data;

	ntm_nl_close(&watch->nl);
	free(watch);
}

static int watch_subscribe(struct ntm_netif_watch *watch, const unsigned int *groups)
{
	int err;

	err = ntm_nl_open(&watch->nl, NETLINK_ROUTE);
	if (err)
		return err;
	watch->nl.events = watch_message;
	watch->nl.ctx = watch;
	for (; *groups && !err; groups++)
		err = ntm_nl_join(&watch->nl, *groups);
	return err;
}

/* @groups: up to RTNLGRP_NONE */
static int watch_groups(struct ntm_netif_watch **out, uv_loop_t *loop, const unsigned int *groups,
			ntm_netif_changed_fn *changed, void *ctx)
{
	struct ntm_netif_watch *watch = calloc(1, sizeof(*watch));
	int err;

	*out = NULL;
	if (!watch)
		return -ENOMEM;
	watch->changed = changed;
	watch->ctx = ctx;
	err = watch_subscribe(watch, groups);
	if (!err)
		err = uv_poll_init(loop, &watch->poll, ntm_nl_fd(&watch->nl));
	if (err) {
		ntm_nl_close(&watch->nl);
		free(watch);
		return err;
	}
	watch->poll.data = watch;
	err = uv_poll_start(&watch->poll, UV_READABLE, watch_readable);
	if (err) {
		ntm_netif_watch_close(watch);
		return err;
	}
	*out = watch;
	return 0;
}

int ntm_netif_watch_open(struct ntm_netif_watch **out, uv_loop_t *loop,
			 ntm_netif_changed_fn *changed, void *ctx)
{
	static const unsigned int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
					       RTNLGRP_IPV6_IFADDR, RTNLGRP_NONE };

	return watch_groups(out, loop, groups, changed, ctx);
}

int ntm_netif_watch_routes(struct ntm_netif_watch **out, uv_loop_t *loop,
			   ntm_netif_changed_fn *changed, void *ctx)
{
	static const unsigned int groups[] = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
					       RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NONE };

	return watch_groups(out, loop, groups, changed, ctx);
}

void ntm_netif_watch_close(struct ntm_netif_watch *watch)
{
	if (watch && !uv_is_closing((uv_handle_t *)&watch->poll))
		uv_close((uv_handle_t *)&watch->poll, watch_closed);
}

unsigned int ntm_netif_route_mtu(const union ntm_addr *to)
{
	const bool v4 = to->sa.sa_family == AF_INET;
	int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (fd < 0)
		return 0;
	if (connect(fd, &to->sa, ntm_addr_len(to)) ||
	    getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &len))
		mtu = 0;
	close(fd);
	return mtu > 0 ? (unsigned int)mtu : 0;
}
