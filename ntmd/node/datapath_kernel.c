// SPDX-License-Identifier: GPL-2.0
/*
 * The data path "kernel": ntmobile.ko, by generic netlink.
 *
 * Three sockets. Requests go by @req and are answered at once. @ev gets the events. @dns gets
 * caught queries, apart from them, so that a flood of events loses no query; it is the one that
 * sends DEV_SET, since the kernel sends queries to the port that did, and lets DNS go its own way
 * when that port closes. Queries that come in while a DEV_SET waits for its answer are put aside
 * and handed out from the loop: nothing above is called from within an operation.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "datapath.h"
#include "common/genl.h"
#include "common/netif.h"
#include "ntmobile/uapi.h"
#include "ntmobile/wire.h"

#define DEFERRED_MAX 256
#define IFACE_MTU \
	(1500 - 20 - 8 - NTM_WIRE_OVERHEAD) /* over IPv4; the module knows what IPv6 leaves */
#define DUMP_TRIES 8
#define NO_CHANGE (-2) /* of a socket in dev_set() */

/* Every attribute that the kernel may send us */
static const struct ntm_nl_rule attr_rules[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX] = { 4, 4 },
	[NTM_A_PATH_ID] = { 4, 4 },
	[NTM_A_VIRTUAL4] = { 4, 4 },
	[NTM_A_VIRTUAL6] = { 16, 16 },
	[NTM_A_PEER_ADDR] = { sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6) },
	[NTM_A_MTU] = { 4, 4 },
	[NTM_A_STATS] = { 0, UINT16_MAX },
	[NTM_A_DNS_TAG] = { 8, 8 },
	[NTM_A_DNS_PACKET] = { 1, NTM_DNS_MAX },
	[NTM_A_EPOCH] = { 4, 4 },
	[NTM_A_DROPS] = { 4, 4 },
	[NTM_A_RELAY0] = { sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6) },
	[NTM_A_RELAY1] = { sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6) },
};

static const struct ntm_nl_rule stats_rules[NTM_STATS_MAX + 1] = {
	[NTM_STATS_TX_PACKETS... NTM_STATS_MAX] = { 8, 8 },
};

/** struct deferred - an event that came at a bad moment */
struct deferred {
	struct deferred *next;
	struct nlmsghdr nlh[];
};

/**
 * struct ntm_datapath - one interface of kind "ntm"
 * @handles:	libuv handles that are not closed yet; the last one frees all this
 * @later: runs at once from the loop: deferred events, recovery from lost ones, the
 *		loss of the interface
 * @told_lost:	events->lost() was called; nothing more is
 */
struct ntm_datapath {
	struct ntm_nl req;
	struct ntm_nl ev;
	struct ntm_nl dns;
	struct ntm_genl_family family;
	uv_poll_t poll;
	uv_poll_t dns_poll;
	uv_timer_t later;
	unsigned int handles;
	struct ntm_netif_watch *watch;
	const struct ntm_dp_events *events;
	void *ctx;
	char ifname[IFNAMSIZ];
	unsigned int ifindex;
	uint32_t suites;
	struct ntm_dp_lease lease;
	struct deferred *deferred, **deferred_tail;
	unsigned int deferred_count;
	bool closing, told_lost;
};

/* Requests */

static struct nlmsghdr *start(struct ntm_datapath *dp, union ntm_nl_buf *buf, uint8_t cmd,
			      uint16_t flags)
{
	struct nlmsghdr *nlh = ntm_genl_start(buf, &dp->family, cmd, NTM_GENL_VERSION, flags);

	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, dp->ifindex);
	return nlh;
}

static int call(struct ntm_datapath *dp, const char *what, struct nlmsghdr *nlh, ntm_nl_fn *fn,
		void *ctx)
{
	int err = ntm_nl_call(&dp->req, nlh, fn, ctx);

	if (err && dp->req.why[0])
		ntm_warn("%s: kernel: %s", what, dp->req.why);
	return err;
}

/* One without a family is put as an empty attribute */
static void put_addr(struct nlmsghdr *nlh, uint16_t attr, const union ntm_addr *addr)
{
	mnl_attr_put(nlh, attr, addr->sa.sa_family ? ntm_addr_len(addr) : 0, addr);
}

static void put_keys(struct nlmsghdr *nlh, const struct ntm_dp_keys *keys)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NTM_A_KEY);

	mnl_attr_put_u32(nlh, NTM_KEY_EPOCH, keys->epoch);
	mnl_attr_put_u8(nlh, NTM_KEY_SUITE, keys->suite);
	mnl_attr_put(nlh, NTM_KEY_TX, sizeof(keys->tx), keys->tx);
	mnl_attr_put(nlh, NTM_KEY_RX, sizeof(keys->rx), keys->rx);
	if (keys->confirmed)
		mnl_attr_put(nlh, NTM_KEY_CONFIRMED, 0, NULL);
	mnl_attr_nest_end(nlh, nest);
}

/* Its signalling reaches it, as it reaches the node's sockets */
static void put_socket(struct nlmsghdr *nlh, const struct ntm_dp_path *path)
{
	int fd = -1;

	if (path->socket) {
		fd = ntm_udp_fd(path->socket, AF_INET);
		fd = fd >= 0 ? fd : ntm_udp_fd(path->socket, AF_INET6);
	}
	if (path->socket || path->no_socket)
		mnl_attr_put_u32(nlh, NTM_A_PATH_SOCKET, (uint32_t)fd);
	if ((path->socket || path->peer) && !path->by_socket)
		mnl_attr_put(nlh, NTM_A_DEVICE_PORT, 0, NULL);
}

static int kernel_path_set(struct ntm_datapath *dp, const struct ntm_dp_path *path)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh;
	int err;

	/* Virtual addresses are what a new path needs and an old one has */
	nlh = start(dp, &buf, NTM_CMD_PATH_SET,
		    path->virtual4 || path->virtual6 ? NLM_F_CREATE : 0);
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, path->path_id);
	if (path->virtual4)
		mnl_attr_put(nlh, NTM_A_VIRTUAL4, sizeof(*path->virtual4), path->virtual4);
	if (path->virtual6)
		mnl_attr_put(nlh, NTM_A_VIRTUAL6, sizeof(*path->virtual6), path->virtual6);
	if (path->peer && path->peer->sa.sa_family)
		put_addr(nlh, NTM_A_PEER_ADDR, path->peer);
	put_socket(nlh, path);
	for (uint16_t i = 0; path->relays && i < NTM_DP_RELAYS; i++)
		put_addr(nlh, NTM_A_RELAY0 + i, &path->relays[i]);
	if (path->mtu)
		mnl_attr_put_u32(nlh, NTM_A_MTU, path->mtu);
	if (path->keys)
		put_keys(nlh, path->keys);
	err = call(dp, "set a path", nlh, NULL, NULL);
	ntm_nl_wipe(&buf);
	return err;
}

static int kernel_path_del(struct ntm_datapath *dp, uint32_t path_id)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(dp, &buf, NTM_CMD_PATH_DEL, 0);

	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, path_id);
	return call(dp, "delete a path", nlh, NULL, NULL);
}

static uint64_t get_stat(const struct nlattr *const *tb, unsigned int type, uint64_t missing)
{
	return tb[type] ? mnl_attr_get_u64(tb[type]) : missing;
}

/* The nest of counters of an answer; -EBADMSG if there is none */
static int parse_stats(struct ntm_datapath *dp, const struct nlmsghdr *nlh,
		       const struct nlattr **tb, const struct nlattr **stats)
{
	int cmd = ntm_genl_attrs(nlh, &dp->family, attr_rules, tb, NTM_A_MAX + 1);

	if (cmd < 0 || !tb[NTM_A_STATS])
		return -EBADMSG;
	return ntm_nl_parse(mnl_attr_get_payload(tb[NTM_A_STATS]),
			    mnl_attr_get_payload_len(tb[NTM_A_STATS]), stats_rules, stats,
			    NTM_STATS_MAX + 1);
}

static int get_peer(const struct nlattr *attr, union ntm_addr *addr)
{
	size_t len = mnl_attr_get_payload_len(attr);
	union ntm_addr raw = { 0 };

	memcpy(&raw, mnl_attr_get_payload(attr), len < sizeof(raw) ? len : sizeof(raw));
	if (raw.sa.sa_family == AF_INET6 && len < sizeof(raw.v6))
		return -EBADMSG;
	return ntm_addr_from_sockaddr(addr, &raw.sa);
}

struct stats_call {
	struct ntm_datapath *dp;
	struct ntm_dp_stats *path;
	uint64_t *drops;
};

static int path_answer(void *ctx, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NTM_A_MAX + 1], *stats[NTM_STATS_MAX + 1];
	struct stats_call *sc = ctx;
	struct ntm_dp_stats *s = sc->path;
	int err;

	err = parse_stats(sc->dp, nlh, tb, stats);
	if (err)
		return err;
	s->tx_packets = get_stat(stats, NTM_STATS_TX_PACKETS, 0);
	s->tx_bytes = get_stat(stats, NTM_STATS_TX_BYTES, 0);
	s->rx_packets = get_stat(stats, NTM_STATS_RX_PACKETS, 0);
	s->rx_bytes = get_stat(stats, NTM_STATS_RX_BYTES, 0);
	s->last_rx_ms = get_stat(stats, NTM_STATS_LAST_RX_MS, UINT64_MAX);
	s->last_tx_ms = get_stat(stats, NTM_STATS_LAST_TX_MS, UINT64_MAX);
	return tb[NTM_A_PEER_ADDR] ? get_peer(tb[NTM_A_PEER_ADDR], &s->peer) : 0;
}

static int kernel_stats(struct ntm_datapath *dp, uint32_t path_id, struct ntm_dp_stats *stats)
{
	struct stats_call sc = { .dp = dp, .path = stats };
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(dp, &buf, NTM_CMD_PATH_GET, 0);

	memset(stats, 0, sizeof(*stats));
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, path_id);
	return call(dp, "read a path's counters", nlh, path_answer, &sc);
}

static int dev_answer(void *ctx, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NTM_A_MAX + 1], *stats[NTM_STATS_MAX + 1];
	struct stats_call *sc = ctx;
	int err;

	err = parse_stats(sc->dp, nlh, tb, stats);
	if (err)
		return err;
	for (unsigned int i = 0; i < NTM_DP_DROPS; i++)
		sc->drops[i] = get_stat(stats, NTM_STATS_DROP_SHORT + i, 0);
	return 0;
}

static int kernel_drops(struct ntm_datapath *dp, uint64_t drops[NTM_DP_DROPS])
{
	struct stats_call sc = { .dp = dp, .drops = drops };
	union ntm_nl_buf buf;

	_Static_assert(NTM_STATS_DROP_NO_ROUTE - NTM_STATS_DROP_SHORT + 1 == NTM_DP_DROPS,
		       "as many names as counters");
	memset(drops, 0, NTM_DP_DROPS * sizeof(*drops));
	return call(dp, "read the drop counters", start(dp, &buf, NTM_CMD_DEV_GET, 0), dev_answer,
		    &sc);
}

static int kernel_miss_done(struct ntm_datapath *dp, int family, const void *virt, int err)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(dp, &buf, NTM_CMD_MISS_DONE, 0);

	if (family == AF_INET)
		mnl_attr_put(nlh, NTM_A_VIRTUAL4, 4, virt);
	else
		mnl_attr_put(nlh, NTM_A_VIRTUAL6, 16, virt);
	mnl_attr_put_u32(nlh, NTM_A_STATUS, err < 0 ? (uint32_t)-err : (uint32_t)err);
	return call(dp, "settle a miss", nlh, NULL, NULL);
}

static struct nlmsghdr *start_dns(struct ntm_datapath *dp, union ntm_nl_buf *buf, uint64_t tag)
{
	struct nlmsghdr *nlh = start(dp, buf, NTM_CMD_DNS_REPLY, 0);

	mnl_attr_put_u64(nlh, NTM_A_DNS_TAG, tag);
	return nlh;
}

/*
 * A query that is not held any more (its asker gave up, or the kernel let it go after its 5 s) is
 * no news
 */
static int call_dns(struct ntm_datapath *dp, struct nlmsghdr *nlh)
{
	return ntm_nl_call(&dp->req, nlh, NULL, NULL);
}

static int kernel_dns_reply(struct ntm_datapath *dp, uint64_t tag, const uint8_t *msg, size_t len)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start_dns(dp, &buf, tag);

	if (!ntm_nl_put(nlh, NTM_A_DNS_PACKET, len, msg))
		return -EMSGSIZE;
	return call_dns(dp, nlh);
}

static int kernel_dns_pass(struct ntm_datapath *dp, uint64_t tag)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start_dns(dp, &buf, tag);

	mnl_attr_put(nlh, NTM_A_DNS_PASS, 0, NULL);
	return call_dns(dp, nlh);
}

/* Events */

static void event_miss(struct ntm_datapath *dp, const struct nlattr *const *tb)
{
	if (tb[NTM_A_VIRTUAL4])
		dp->events->miss(dp->ctx, AF_INET, mnl_attr_get_payload(tb[NTM_A_VIRTUAL4]));
	else if (tb[NTM_A_VIRTUAL6])
		dp->events->miss(dp->ctx, AF_INET6, mnl_attr_get_payload(tb[NTM_A_VIRTUAL6]));
}

static void event_peer_moved(struct ntm_datapath *dp, const struct nlattr *const *tb)
{
	union ntm_addr addr;

	if (tb[NTM_A_PATH_ID] && tb[NTM_A_PEER_ADDR] && !get_peer(tb[NTM_A_PEER_ADDR], &addr))
		dp->events->peer_moved(dp->ctx, mnl_attr_get_u32(tb[NTM_A_PATH_ID]), &addr);
}

static void event_key(struct ntm_datapath *dp, const struct nlattr *const *tb,
		      void (*fn)(void *ctx, uint32_t path_id, uint32_t epoch))
{
	if (tb[NTM_A_PATH_ID] && tb[NTM_A_EPOCH])
		fn(dp->ctx, mnl_attr_get_u32(tb[NTM_A_PATH_ID]), mnl_attr_get_u32(tb[NTM_A_EPOCH]));
}

static void event_auth_burst(struct ntm_datapath *dp, const struct nlattr *const *tb)
{
	if (tb[NTM_A_DROPS])
		dp->events->auth_burst(dp->ctx,
				       tb[NTM_A_PATH_ID] ? mnl_attr_get_u32(tb[NTM_A_PATH_ID]) : 0,
				       mnl_attr_get_u32(tb[NTM_A_DROPS]));
}

static void event_mtu(struct ntm_datapath *dp, const struct nlattr *const *tb)
{
	if (tb[NTM_A_PATH_ID] && tb[NTM_A_MTU])
		dp->events->mtu(dp->ctx, mnl_attr_get_u32(tb[NTM_A_PATH_ID]),
				mnl_attr_get_u32(tb[NTM_A_MTU]));
}

static void event_dns(struct ntm_datapath *dp, const struct nlattr *const *tb)
{
	if (tb[NTM_A_DNS_TAG] && tb[NTM_A_DNS_PACKET])
		dp->events->dns(dp->ctx, mnl_attr_get_u64(tb[NTM_A_DNS_TAG]),
				mnl_attr_get_payload(tb[NTM_A_DNS_PACKET]),
				mnl_attr_get_payload_len(tb[NTM_A_DNS_PACKET]));
}

/*
 * No event, but a path of the dump after lost events: where its peer is, and its key, as if just
 * learnt
 */
static void event_recovered(struct ntm_datapath *dp, const struct nlattr *const *tb)
{
	event_peer_moved(dp, tb);
	event_key(dp, tb, dp->events->key_confirmed);
	event_mtu(dp, tb);
}

static void event_one(struct ntm_datapath *dp, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NTM_A_MAX + 1];
	int cmd = ntm_genl_attrs(nlh, &dp->family, attr_rules, tb, NTM_A_MAX + 1);

	/* Events of another interface in this namespace come by the same group */
	if (cmd < 0 || (tb[NTM_A_IFINDEX] && mnl_attr_get_u32(tb[NTM_A_IFINDEX]) != dp->ifindex))
		return;
	switch (cmd) {
	case NTM_EV_MISS:
		event_miss(dp, tb);
		break;
	case NTM_EV_PEER_MOVED:
		event_peer_moved(dp, tb);
		break;
	case NTM_EV_REKEY:
		event_key(dp, tb, dp->events->rekey);
		break;
	case NTM_EV_KEY_CONFIRMED:
		event_key(dp, tb, dp->events->key_confirmed);
		break;
	case NTM_EV_AUTH_BURST:
		event_auth_burst(dp, tb);
		break;
	case NTM_EV_MTU:
		event_mtu(dp, tb);
		break;
	case NTM_EV_DNS:
		event_dns(dp, tb);
		break;
	case NTM_CMD_PATH_GET:
	case NTM_CMD_PATH_SET:
		event_recovered(dp, tb);
		break;
	}
}

static int event_now(void *ctx, const struct nlmsghdr *nlh)
{
	struct ntm_datapath *dp = ctx;

	if (dp->closing)
		return -ECANCELED;
	event_one(dp, nlh);
	return 0;
}

static void run_later(uv_timer_t *timer);

static int defer(struct ntm_datapath *dp, const struct nlmsghdr *nlh)
{
	struct deferred *d = malloc(sizeof(*d) + nlh->nlmsg_len);

	if (!d)
		return -ENOMEM;
	d->next = NULL;
	memcpy(d->nlh, nlh, nlh->nlmsg_len);
	*dp->deferred_tail = d;
	dp->deferred_tail = &d->next;
	dp->deferred_count++;
	uv_timer_start(&dp->later, run_later, 0, 0);
	return 0;
}

/* One too many: the kernel lets that query go by itself */
static int query_defer(void *ctx, const struct nlmsghdr *nlh)
{
	struct ntm_datapath *dp = ctx;

	if (dp->deferred_count < DEFERRED_MAX)
		(void)defer(dp, nlh);
	return 0;
}

static void flush_deferred(struct ntm_datapath *dp)
{
	struct deferred *d = dp->deferred, *next;

	dp->deferred = NULL;
	dp->deferred_tail = &dp->deferred;
	dp->deferred_count = 0;
	for (; d; d = next) {
		next = d->next;
		if (!dp->closing)
			event_one(dp, d->nlh);
		free(d);
	}
}

/* Put aside: whoever is told may make a request, and the dump still stands in that socket */
static int recover_path(void *ctx, const struct nlmsghdr *nlh)
{
	return defer(ctx, nlh);
}

/*
 * The kernel could not deliver events. Misses, rekeys and held queries come again by themselves
 * (once a
 * second, with the next packet, with the application's next try); what a path became does not.
 */
static void recover(struct ntm_datapath *dp)
{
	union ntm_nl_buf buf;
	int err = -EINTR;

	ntm_warn("the kernel had to drop events; reading the paths anew");
	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++)
		err = call(dp, "read the paths", start(dp, &buf, NTM_CMD_PATH_GET, NLM_F_DUMP),
			   recover_path, dp);
	if (err)
		ntm_err("cannot read the paths: %s", strerror(-err));
}

static void tell_lost(struct ntm_datapath *dp, int err)
{
	if (dp->told_lost || dp->closing)
		return;
	dp->told_lost = true;
	dp->events->lost(dp->ctx, err);
}

static void read_events(struct ntm_datapath *dp)
{
	int err;

	err = ntm_nl_read_events(&dp->ev);
	if (err == -ENOBUFS && !dp->closing)
		recover(dp);
	else if (err && err != -ECANCELED)
		tell_lost(dp, err);
}

static void ev_readable(uv_poll_t *poll, int status, int events)
{
	struct ntm_datapath *dp = poll->data;

	(void)events;
	read_events(dp);
	/*
	 * libuv stops a handle whose socket has an error pending: netlink's way to tell of lost
	 * events, read above
	 */
	if (status < 0 && !dp->closing)
		(void)uv_poll_start(poll, UV_READABLE, ev_readable);
}

/* What the kernel could not deliver it has let go on its way already */
static void dns_readable(uv_poll_t *poll, int status, int events)
{
	struct ntm_datapath *dp = poll->data;
	int err;

	(void)events;
	dp->dns.events = event_now;
	err = ntm_nl_read_events(&dp->dns);
	dp->dns.events = query_defer;
	if (err && err != -ECANCELED && err != -ENOBUFS)
		tell_lost(dp, err);
	if (status < 0 && !dp->closing)
		(void)uv_poll_start(poll, UV_READABLE, dns_readable);
}

static void run_later(uv_timer_t *timer)
{
	flush_deferred(timer->data);
}

/* Addresses or links changed: is our interface still there, under its number? */
static void links_changed(void *ctx)
{
	struct ntm_datapath *dp = ctx;
	char name[IFNAMSIZ];

	if (!if_indextoname(dp->ifindex, name))
		tell_lost(dp, -ENODEV);
	else
		ntm_dp_addresses_again(dp->ifindex, &dp->lease);
}

/* Opening and closing */

/* Our zone and the others, in the order in which names are looked for; without ours none */
static bool put_zones(struct nlmsghdr *nlh, const struct ntm_dp_lease *lease)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NTM_A_ZONES);
	bool room = true;

	if (lease->zone[0]) {
		room = ntm_nl_put(nlh, NTM_ZONES_ZONE, strlen(lease->zone) + 1, lease->zone);
		for (unsigned int i = 0; room && i < lease->zone_count; i++)
			room = ntm_nl_put(nlh, NTM_ZONES_ZONE, strlen(lease->zones[i].name) + 1,
					  lease->zones[i].name);
	}
	mnl_attr_nest_end(nlh, nest);
	return room;
}

_Static_assert(NTM_PATH_SOCKETS == NTM_DP_SOCKETS, "as many as the module takes");
_Static_assert(1 + NTM_PEER_ZONES_MAX <= NTM_ZONE_COUNT, "as many as the module takes");

static int dev_set(struct ntm_datapath *dp, int fd4, int fd6, const struct ntm_dp_lease *lease)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = start(dp, &buf, NTM_CMD_DEV_SET, 0);
	int err;

	if (fd4 != NO_CHANGE)
		mnl_attr_put_u32(nlh, NTM_A_SOCKET4, (uint32_t)fd4);
	if (fd6 != NO_CHANGE)
		mnl_attr_put_u32(nlh, NTM_A_SOCKET6, (uint32_t)fd6);
	if (lease && !put_zones(nlh, lease))
		return -EMSGSIZE;
	err = ntm_nl_call(&dp->dns, nlh, NULL, NULL);
	if (err && dp->dns.why[0])
		ntm_warn("configure %s: kernel: %s", dp->ifname, dp->dns.why);
	return err;
}

/*
 * Does gcm(aes) run on the processor's own AES instructions? In plain C it is slower than the other
 * suite, and its tables tell the key to who shares the cache.
 */
static bool gcm_is_fast(void)
{
	static const char *const drivers[] = { "aesni", "vaes", "aes-ce" };
	FILE *f = fopen("/proc/crypto", "re");
	char line[256], name[128] = "";
	bool fast = false;

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "name : %127s", name) == 1 || strcmp(name, "gcm(aes)") != 0 ||
		    strncmp(line, "driver", 6) != 0)
			continue;
		for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
			fast = fast || strstr(line, drivers[i]);
	}
	fclose(f);
	return fast;
}

/*
 * A path nobody uses, with a key of the suite: proves that this kernel, this module and this code
 * understand each other
 * before anything depends on it, and that the cipher is there. The address is in the discard prefix
 * (RFC 6666).
 */
static int probe_suite(struct ntm_datapath *dp, uint8_t suite)
{
	static const struct in6_addr nowhere = { .s6_addr = { 0x01, [15] = 0x01 } };
	struct ntm_dp_keys keys = { .suite = suite };
	int err;

	randombytes_buf(keys.tx, sizeof(keys.tx));
	randombytes_buf(keys.rx, sizeof(keys.rx));
	err = kernel_path_set(
		dp, &(struct ntm_dp_path){ .path_id = suite, .virtual6 = &nowhere, .keys = &keys });
	sodium_memzero(&keys, sizeof(keys));
	return err ? err : kernel_path_del(dp, suite);
}

static int probe(struct ntm_datapath *dp)
{
	int err = probe_suite(dp, NTM_SUITE_CHACHA20_POLY1305);

	if (err)
		return err;
	dp->suites = 1u << NTM_SUITE_CHACHA20_POLY1305;
	if (!probe_suite(dp, NTM_SUITE_AES_256_GCM) && gcm_is_fast())
		dp->suites |= 1u << NTM_SUITE_AES_256_GCM;
	return 0;
}

static int open_sockets(struct ntm_datapath *dp, char *why, size_t size)
{
	int err = ntm_nl_open(&dp->req, NETLINK_GENERIC);

	if (!err)
		err = ntm_nl_open(&dp->ev, NETLINK_GENERIC);
	if (!err)
		err = ntm_nl_open(&dp->dns, NETLINK_GENERIC);
	if (err) {
		snprintf(why, size, "cannot open a netlink socket: %s", strerror(-err));
		return err;
	}
	dp->ev.events = event_now;
	dp->ev.ctx = dp;
	dp->dns.events = query_defer;
	dp->dns.ctx = dp;
	return 0;
}

static int open_interface(struct ntm_datapath *dp, char *why, size_t size)
{
	int err = ntm_netif_create(dp->ifname, &dp->ifindex);

	if (err == -EOPNOTSUPP)
		snprintf(why, size,
			 "the kernel knows no interfaces of kind " NTM_LINK_KIND
			 ": load the module (insmod ntmobile.ko, or modprobe ntmobile)");
	else if (err == -EPERM)
		snprintf(why, size, "making an interface needs root, or CAP_NET_ADMIN");
	else if (err)
		snprintf(why, size, "cannot create the interface %s: %s", dp->ifname,
			 strerror(-err));
	return err;
}

/* The family is looked for after the interface is made: that may have loaded the module */
static int open_module(struct ntm_datapath *dp, struct ntm_udp *udp, char *why, size_t size)
{
	const char *step = "find the kernel module's netlink family";
	int err = ntm_genl_lookup(&dp->req, NTM_GENL_NAME, NTM_GENL_MCGRP_EVENTS, &dp->family);

	if (!err) {
		step = "join the kernel module's events";
		err = ntm_nl_join(&dp->ev, dp->family.group);
	}
	if (!err) {
		step = "agree with the kernel module on a path (is it of this version?)";
		err = probe(dp);
	}
	if (!err) {
		step = "hand the UDP sockets to the kernel module";
		err = dev_set(dp, ntm_udp_fd(udp, AF_INET), ntm_udp_fd(udp, AF_INET6), NULL);
	}
	if (!err) {
		step = "set the interface up";
		err = ntm_netif_up(dp->ifindex, IFACE_MTU);
	}
	if (err)
		snprintf(why, size, "cannot %s: %s", step, strerror(-err));
	return err;
}

static int open_poll(struct ntm_datapath *dp, uv_loop_t *loop, uv_poll_t *poll,
		     const struct ntm_nl *nl, uv_poll_cb fn)
{
	int err = uv_poll_init(loop, poll, ntm_nl_fd(nl));

	if (err)
		return err;
	poll->data = dp;
	dp->handles++;
	return uv_poll_start(poll, UV_READABLE, fn);
}

static int open_loop(struct ntm_datapath *dp, uv_loop_t *loop)
{
	int err = open_poll(dp, loop, &dp->poll, &dp->ev, ev_readable);

	if (!err)
		err = open_poll(dp, loop, &dp->dns_poll, &dp->dns, dns_readable);
	if (!err)
		err = uv_timer_init(loop, &dp->later);
	if (err)
		return err;
	dp->later.data = dp;
	dp->handles++;
	return ntm_netif_watch_open(&dp->watch, loop, links_changed, dp);
}

static void dp_free(struct ntm_datapath *dp)
{
	flush_deferred(dp);
	ntm_nl_close(&dp->dns);
	ntm_nl_close(&dp->ev);
	ntm_nl_close(&dp->req);
	free(dp);
}

static void handle_closed(uv_handle_t *handle)
{
	struct ntm_datapath *dp = handle->data;

	if (!--dp->handles)
		dp_free(dp);
}

/* The memory stays until the loop has closed the handles: callers may be below us on the stack */
static void kernel_close(struct ntm_datapath *dp)
{
	if (dp->closing)
		return;
	dp->closing = true;
	ntm_netif_watch_close(dp->watch);
	if (dp->ifindex)
		(void)ntm_netif_delete(dp->ifindex);
	if (!dp->handles) {
		dp_free(dp);
		return;
	}
	if (dp->handles > 2)
		uv_close((uv_handle_t *)&dp->later, handle_closed);
	if (dp->handles > 1)
		uv_close((uv_handle_t *)&dp->dns_poll, handle_closed);
	uv_close((uv_handle_t *)&dp->poll, handle_closed);
}

static int kernel_open(struct ntm_datapath **out, const struct ntm_dp_open *how, char *why,
		       size_t size)
{
	struct ntm_datapath *dp;
	int err;

	*out = NULL;
	snprintf(why, size, "out of memory");
	dp = calloc(1, sizeof(*dp));
	if (!dp)
		return -ENOMEM;
	dp->events = how->events;
	dp->ctx = how->ctx;
	dp->deferred_tail = &dp->deferred;
	snprintf(dp->ifname, sizeof(dp->ifname), "%s", how->ifname);
	err = open_sockets(dp, why, size);
	if (!err) {
		err = open_loop(dp, how->loop);
		if (err)
			snprintf(why, size, "cannot wait for the kernel's events: %s",
				 strerror(-err));
	}
	if (!err)
		err = open_interface(dp, why, size);
	if (!err)
		err = open_module(dp, how->udp, why, size);
	if (err) {
		kernel_close(dp);
		return err;
	}
	*out = dp;
	return 0;
}

static unsigned int kernel_ifindex(struct ntm_datapath *dp)
{
	return dp->ifindex;
}

static uint32_t kernel_suites(struct ntm_datapath *dp)
{
	return dp->suites;
}

static int kernel_configure(struct ntm_datapath *dp, const struct ntm_dp_lease *lease)
{
	int err = ntm_dp_addresses(dp->ifindex, &dp->lease, lease);

	if (!err)
		err = dev_set(dp, NO_CHANGE, NO_CHANGE, lease);
	if (!err)
		dp->lease = *lease;
	return err;
}

const struct ntm_datapath_ops ntm_datapath_kernel = {
	.name = "kernel",
	.open = kernel_open,
	.ifindex = kernel_ifindex,
	.suites = kernel_suites,
	.configure = kernel_configure,
	.path_set = kernel_path_set,
	.path_del = kernel_path_del,
	.stats = kernel_stats,
	.drops = kernel_drops,
	.miss_done = kernel_miss_done,
	.dns_reply = kernel_dns_reply,
	.dns_pass = kernel_dns_pass,
	.close = kernel_close,
};
