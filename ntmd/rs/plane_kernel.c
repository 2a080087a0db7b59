// SPDX-License-Identifier: GPL-2.0
/*
 * The data plane "kernel": the relay table of ntmobile.ko, by generic netlink.
 *
 * Two sockets. Requests go by @req and are answered at once; it has also introduced our UDP sockets to the module, which lets them
 * go when it closes. @dump reads the counters of all entries, a few at a time from the loop: with a million of them that takes a
 * second or so, in which Binds must not wait.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/genl.h"
#include "common/log.h"
#include "common/netif.h"
#include "ntmobile/uapi.h"
#include "rs/plane.h"

#define DUMP_PAUSE_MS 1000u
#define DUMP_SHARE 10u /* so many times as long as a dump took nothing is counted */
#define DUMP_LOST_MS 10000u
#define DUMP_AT_ONCE 4u /* reads, of some 150 entries each */

/* Every attribute that is read */
static const struct ntm_nl_rule attr_rules[NTM_A_MAX + 1] = {
	[NTM_A_STATS] = { 0, UINT16_MAX },
	[NTM_A_END0] = { 0, UINT16_MAX },
	[NTM_A_END1] = { 0, UINT16_MAX },
};

static const struct ntm_nl_rule stats_rules[NTM_STATS_MAX + 1] = {
	[NTM_STATS_TX_PACKETS... NTM_STATS_MAX] = { 8, 8 },
};

static const struct ntm_nl_rule end_rules[NTM_END_MAX + 1] = {
	[NTM_END_PACKETS] = { 8, 8 },
	[NTM_END_BYTES] = { 8, 8 },
};

struct sums {
	uint64_t packets, bytes;
};

/**
 * struct ntm_rs_plane - one interface of kind "ntm"
 * @local:	the addresses of our sockets, where they are bound to one
 * @counted:	sums of the entries as of the last dump, which began at @counted_ms (0: there was none); @gone: of those that were deleted
 * @counting:	of the dump that is under way, which began at @dump_ms
 * @mark:	packets, as the last dump had them, which may be less than @counted
 * @refusals:	of requests, in the log: each may be one of as many as there are paths
 * @handles:	of libuv, that are not closed yet; the last one frees all this
 */
struct ntm_rs_plane {
	struct ntm_nl req, dump;
	struct ntm_genl_family family;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int handles;
	struct ntm_netif_watch *watch;
	const struct ntm_rs_plane_events *events;
	void *ctx;
	char ifname[IFNAMSIZ];
	unsigned int ifindex;
	union ntm_addr local[2];
	struct sums counted, gone, counting;
	bool dumping, closing, told_lost;
	struct ntm_log_limit refusals;
	uint64_t dump_ms, counted_ms, mark;
};

static void tell_lost(struct ntm_rs_plane *plane, int err)
{
	if (plane->told_lost || plane->closing)
		return;
	plane->told_lost = true;
	plane->events->lost(plane->ctx, err);
}

/* Requests */

static struct nlmsghdr *start(struct ntm_rs_plane *plane, union ntm_nl_buf *buf, uint8_t cmd,
			      uint16_t flags)
{
	struct nlmsghdr *nlh = ntm_genl_start(buf, &plane->family, cmd, NTM_GENL_VERSION, flags);

	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, plane->ifindex);
	return nlh;
}

/* That the interface or the module is gone is told from the loop, by the watch on links */
static int call(struct ntm_rs_plane *plane, const char *what, struct nlmsghdr *nlh, ntm_nl_fn *fn,
		void *ctx)
{
	int err = ntm_nl_call(&plane->req, nlh, fn, ctx);

	if (err && plane->req.why[0] && !plane->told_lost &&
	    ntm_log_allowed(&plane->refusals, uv_now(plane->timer.loop)))
		ntm_warn("%s: kernel: %s", what, plane->req.why);
	return err;
}

static void put_end(const struct ntm_rs_plane *plane, struct nlmsghdr *nlh, unsigned int end,
		    const union ntm_addr *addr)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, (uint16_t)(NTM_A_END0 + end));
	const union ntm_addr *local;

	if (addr) {
		local = &plane->local[addr->sa.sa_family == AF_INET6];
		mnl_attr_put(nlh, NTM_END_ADDR, ntm_addr_len(addr), addr);
		if (local->sa.sa_family == AF_INET)
			mnl_attr_put(nlh, NTM_END_LOCAL4, 4, &local->v4.sin_addr);
		else if (local->sa.sa_family == AF_INET6)
			mnl_attr_put(nlh, NTM_END_LOCAL6, 16, &local->v6.sin6_addr);
	}
	mnl_attr_nest_end(nlh, nest);
}

static int kernel_bind(struct ntm_rs_plane *plane, const struct ntm_rs_path *path, unsigned int end,
		       const union ntm_addr *addr)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(plane, &buf, NTM_CMD_RELAY_SET, 0);

	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, path->id);
	put_end(plane, nlh, end, addr);
	mnl_attr_put_u64(nlh, NTM_A_RATE, path->rate);
	return call(plane, "bind an end", nlh, NULL, NULL);
}

static int kernel_rate(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(plane, &buf, NTM_CMD_RELAY_SET, 0);

	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, path->id);
	mnl_attr_put_u64(nlh, NTM_A_RATE, path->rate);
	return call(plane, "set a rate", nlh, NULL, NULL);
}

/* Counters of an entry */

static void add_end(const struct nlattr *nest, struct sums *sums)
{
	const struct nlattr *tb[NTM_END_MAX + 1];

	if (!nest || ntm_nl_parse(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest),
				  end_rules, tb, NTM_END_MAX + 1))
		return;
	if (tb[NTM_END_PACKETS])
		sums->packets += mnl_attr_get_u64(tb[NTM_END_PACKETS]);
	if (tb[NTM_END_BYTES])
		sums->bytes += mnl_attr_get_u64(tb[NTM_END_BYTES]);
}

static int add_entry(const struct ntm_rs_plane *plane, const struct nlmsghdr *nlh,
		     struct sums *sums)
{
	const struct nlattr *tb[NTM_A_MAX + 1];

	if (ntm_genl_attrs(nlh, &plane->family, attr_rules, tb, NTM_A_MAX + 1) < 0)
		return -EBADMSG;
	add_end(tb[NTM_A_END0], sums);
	add_end(tb[NTM_A_END1], sums);
	return 0;
}

struct entry_call {
	const struct ntm_rs_plane *plane;
	struct sums sums;
};

static int entry_answer(void *ctx, const struct nlmsghdr *nlh)
{
	struct entry_call *ec = ctx;

	return add_entry(ec->plane, nlh, &ec->sums);
}

/* What it carried stays in the totals, if it can be read: an entry that stayed would go on forwarding */
static int kernel_del(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	struct entry_call ec = { .plane = plane };
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(plane, &buf, NTM_CMD_RELAY_GET, 0);
	int err;

	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, path->id);
	err = call(plane, "read an entry", nlh, entry_answer, &ec);
	if (err == -ENOENT)
		return 0;
	nlh = start(plane, &buf, NTM_CMD_RELAY_DEL, 0);
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, path->id);
	err = call(plane, "delete an entry", nlh, NULL, NULL);
	if (err)
		return err;
	plane->gone.packets += ec.sums.packets;
	plane->gone.bytes += ec.sums.bytes;
	return 0;
}

/* Counters of all: a dump, read from the loop */

/* Not uv_now(), which stands still while a callback works; and a machine that sleeps relays nothing */
static uint64_t awake_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void dump_start(struct ntm_rs_plane *plane)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(plane, &buf, NTM_CMD_RELAY_GET, NLM_F_REQUEST | NLM_F_DUMP);

	plane->dump.seq++;
	nlh->nlmsg_seq = plane->dump.seq;
	nlh->nlmsg_pid = plane->dump.portid;
	plane->counting = plane->gone; /* what is deleted from now on may be read before */
	plane->dump_ms = awake_ms();
	plane->dumping = mnl_socket_sendto(plane->dump.sock, nlh, nlh->nlmsg_len) >= 0;
}

static void on_timer(uv_timer_t *timer);

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* An entry that was deleted before it was read is in the next dump's sums only: what was told once is never told smaller */
static void dump_done(struct ntm_rs_plane *plane, bool good)
{
	const uint64_t took = awake_ms() - plane->dump_ms;

	plane->dumping = false;
	if (good) {
		plane->counted.packets = larger(plane->counting.packets, plane->counted.packets);
		plane->counted.bytes = larger(plane->counting.bytes, plane->counted.bytes);
		plane->counted_ms = plane->dump_ms;
		plane->mark = plane->counting.packets;
	}
	uv_timer_start(&plane->timer, on_timer, DUMP_PAUSE_MS + DUMP_SHARE * took, 0);
}

/* Entries that come and go meanwhile (NLM_F_DUMP_INTR) do no harm to a sum */
static bool dump_message(struct ntm_rs_plane *plane, const struct nlmsghdr *nlh)
{
	if (!plane->dumping || nlh->nlmsg_seq != plane->dump.seq)
		return true;
	if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
		dump_done(plane, nlh->nlmsg_type == NLMSG_DONE);
		return false;
	}
	(void)add_entry(plane, nlh, &plane->counting);
	return true;
}

/* Bytes read; 0: there are none */
static int dump_read(struct ntm_rs_plane *plane)
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[NTM_NL_RECV_MAX];
	} buf;
	struct sockaddr_nl from = { 0 };
	socklen_t len = sizeof(from);
	const struct nlmsghdr *nlh;
	int n = (int)recvfrom(ntm_nl_fd(&plane->dump), &buf, sizeof(buf), MSG_DONTWAIT,
			      (struct sockaddr *)&from, &len);
	int left = n;

	if (n <= 0 || from.nl_pid)
		return n < 0 ? 0 : n;
	for (nlh = &buf.nlh; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (!dump_message(plane, nlh))
			break;
	return n;
}

static void dump_readable(uv_poll_t *poll, int status, int events)
{
	struct ntm_rs_plane *plane = poll->data;

	(void)events;
	for (unsigned int i = 0; i < DUMP_AT_ONCE && dump_read(plane); i++)
		;
	/* libuv stops a handle whose socket has an error pending; reading took it away */
	if (status < 0 && !plane->closing)
		(void)uv_poll_start(poll, UV_READABLE, dump_readable);
}

/* Also where the end of a dump was lost */
static void on_timer(uv_timer_t *timer)
{
	struct ntm_rs_plane *plane = timer->data;

	dump_start(plane);
	uv_timer_start(timer, on_timer, DUMP_LOST_MS, 0);
}

static void kernel_totals(struct ntm_rs_plane *plane, struct ntm_rs_totals *totals)
{
	totals->packets = plane->counted.packets;
	totals->bytes = plane->counted.bytes;
	totals->mark = plane->mark;
	totals->age_ms = plane->counted_ms ? awake_ms() - plane->counted_ms : UINT64_MAX;
}

/* Drops of the device */

struct drops_call {
	struct ntm_rs_plane *plane;
	uint64_t *drops;
};

static const uint16_t drop_attrs[] = {
	NTM_STATS_DROP_SHORT,	      NTM_STATS_DROP_PATH,	 NTM_STATS_DROP_RELAY_SOURCE,
	NTM_STATS_DROP_RELAY_UNBOUND, NTM_STATS_DROP_RELAY_RATE, NTM_STATS_DROP_TOO_BIG,
	NTM_STATS_DROP_RELAY_HOPS,    NTM_STATS_DROP_NO_ROUTE,	 NTM_STATS_DROP_NO_MEM,
};

static int drops_answer(void *ctx, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NTM_A_MAX + 1], *stats[NTM_STATS_MAX + 1];
	struct drops_call *dc = ctx;

	_Static_assert(sizeof(drop_attrs) / sizeof(drop_attrs[0]) == NTM_RS_PLANE_DROPS,
		       "a counter for each cause");
	if (ntm_genl_attrs(nlh, &dc->plane->family, attr_rules, tb, NTM_A_MAX + 1) < 0 ||
	    !tb[NTM_A_STATS] ||
	    ntm_nl_parse(mnl_attr_get_payload(tb[NTM_A_STATS]),
			 mnl_attr_get_payload_len(tb[NTM_A_STATS]), stats_rules, stats,
			 NTM_STATS_MAX + 1))
		return -EBADMSG;
	for (unsigned int i = 0; i < NTM_RS_PLANE_DROPS; i++)
		if (stats[drop_attrs[i]])
			dc->drops[i] = mnl_attr_get_u64(stats[drop_attrs[i]]);
	return 0;
}

static int kernel_drops(struct ntm_rs_plane *plane, uint64_t drops[NTM_RS_PLANE_DROPS])
{
	struct drops_call dc = { plane, drops };
	union ntm_nl_buf buf;

	memset(drops, 0, NTM_RS_PLANE_DROPS * sizeof(*drops));
	return call(plane, "read the drop counters", start(plane, &buf, NTM_CMD_DEV_GET, 0),
		    drops_answer, &dc);
}

/* Opening and closing */

/* Links changed: is our interface still there, under its number? */
static void links_changed(void *ctx)
{
	struct ntm_rs_plane *plane = ctx;
	char name[IFNAMSIZ];

	if (!if_indextoname(plane->ifindex, name))
		tell_lost(plane, -ENODEV);
}

static int open_sockets(struct ntm_rs_plane *plane, char *why, size_t size)
{
	int err = ntm_nl_open(&plane->req, NETLINK_GENERIC);

	if (!err)
		err = ntm_nl_open(&plane->dump, NETLINK_GENERIC);
	if (err)
		snprintf(why, size, "cannot open a netlink socket: %s", strerror(-err));
	return err;
}

static int open_loop(struct ntm_rs_plane *plane, uv_loop_t *loop)
{
	int err = uv_poll_init(loop, &plane->poll, ntm_nl_fd(&plane->dump));

	if (err)
		return err;
	plane->poll.data = plane;
	plane->handles++;
	err = uv_timer_init(loop, &plane->timer);
	if (err)
		return err;
	plane->timer.data = plane;
	plane->handles++;
	err = uv_poll_start(&plane->poll, UV_READABLE, dump_readable);
	return err ? err : ntm_netif_watch_open(&plane->watch, loop, links_changed, plane);
}

static int open_interface(struct ntm_rs_plane *plane, char *why, size_t size)
{
	int err = ntm_netif_create(plane->ifname, &plane->ifindex);

	if (err == -EOPNOTSUPP)
		snprintf(why, size,
			 "the kernel knows no interfaces of kind " NTM_LINK_KIND
			 ": load the module (insmod ntmobile.ko, or modprobe ntmobile)");
	else if (err == -EPERM)
		snprintf(why, size, "making an interface needs root, or CAP_NET_ADMIN");
	else if (err)
		snprintf(why, size, "cannot create the interface %s: %s", plane->ifname,
			 strerror(-err));
	return err;
}

static int hand_over(struct ntm_rs_plane *plane, struct ntm_udp *udp)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(plane, &buf, NTM_CMD_DEV_SET, 0);

	mnl_attr_put_u32(nlh, NTM_A_SOCKET4, (uint32_t)ntm_udp_fd(udp, AF_INET));
	mnl_attr_put_u32(nlh, NTM_A_SOCKET6, (uint32_t)ntm_udp_fd(udp, AF_INET6));
	return call(plane, "hand the sockets over", nlh, NULL, NULL);
}

/* An entry to nobody: proves that this module knows the relay table before anything depends on it */
static int probe(struct ntm_rs_plane *plane)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(plane, &buf, NTM_CMD_RELAY_SET, 0);
	int err;

	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, 1);
	err = call(plane, "make an entry", nlh, NULL, NULL);
	if (err)
		return err;
	nlh = start(plane, &buf, NTM_CMD_RELAY_DEL, 0);
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, 1);
	return call(plane, "delete an entry", nlh, NULL, NULL);
}

/* The family is looked for after the interface is made: that may have loaded the module */
static int open_module(struct ntm_rs_plane *plane, struct ntm_udp *udp, char *why, size_t size)
{
	const char *step = "find the kernel module's netlink family";
	int err =
		ntm_genl_lookup(&plane->req, NTM_GENL_NAME, NTM_GENL_MCGRP_EVENTS, &plane->family);

	if (!err) {
		step = "agree with the kernel module on a relay entry (is it of this version?)";
		err = probe(plane);
	}
	if (!err) {
		step = "hand the UDP sockets to the kernel module";
		err = hand_over(plane, udp);
	}
	if (!err) {
		step = "set the interface up";
		err = ntm_netif_up(plane->ifindex, 0);
	}
	if (err)
		snprintf(why, size, "cannot %s: %s", step, strerror(-err));
	return err;
}

static void plane_free(struct ntm_rs_plane *plane)
{
	ntm_nl_close(&plane->dump);
	ntm_nl_close(&plane->req);
	free(plane);
}

static void handle_closed(uv_handle_t *handle)
{
	struct ntm_rs_plane *plane = handle->data;

	if (!--plane->handles)
		plane_free(plane);
}

/* The memory stays until the loop has closed the handles: callers may be below us on the stack */
static void kernel_close(struct ntm_rs_plane *plane)
{
	if (plane->closing)
		return;
	plane->closing = true;
	ntm_netif_watch_close(plane->watch);
	if (plane->ifindex && !plane->told_lost)
		(void)ntm_netif_delete(plane->ifindex);
	if (!plane->handles) {
		plane_free(plane);
		return;
	}
	if (plane->handles > 1)
		uv_close((uv_handle_t *)&plane->timer, handle_closed);
	uv_close((uv_handle_t *)&plane->poll, handle_closed);
}

/* Sockets that are bound to one address: what is relayed leaves from there as well */
static void keep_local(struct ntm_rs_plane *plane, const struct ntm_rs_config *config)
{
	if (config->listen4.sa.sa_family && config->listen4.v4.sin_addr.s_addr != INADDR_ANY)
		plane->local[0] = config->listen4;
	if (config->listen6.sa.sa_family && !IN6_IS_ADDR_UNSPECIFIED(&config->listen6.v6.sin6_addr))
		plane->local[1] = config->listen6;
}

static int kernel_open(struct ntm_rs_plane **out, const struct ntm_rs_plane_open *how, char *why,
		       size_t size)
{
	struct ntm_rs_plane *plane = calloc(1, sizeof(*plane));
	int err;

	*out = NULL;
	snprintf(why, size, "out of memory");
	if (!plane)
		return -ENOMEM;
	plane->events = how->events;
	plane->ctx = how->ctx;
	snprintf(plane->ifname, sizeof(plane->ifname), "%s", how->config->interface);
	keep_local(plane, how->config);
	err = open_sockets(plane, why, size);
	if (!err) {
		err = open_loop(plane, how->loop);
		if (err)
			snprintf(why, size, "cannot wait for the kernel: %s", strerror(-err));
	}
	if (!err)
		err = open_interface(plane, why, size);
	if (!err)
		err = open_module(plane, how->udp, why, size);
	if (err) {
		kernel_close(plane);
		return err;
	}
	on_timer(&plane->timer);
	*out = plane;
	return 0;
}

const struct ntm_rs_plane_ops ntm_rs_plane_kernel = {
	.name = "kernel",
	.open = kernel_open,
	.bind = kernel_bind,
	.rate = kernel_rate,
	.del = kernel_del,
	.totals = kernel_totals,
	.drops = kernel_drops,
	.close = kernel_close,
};
