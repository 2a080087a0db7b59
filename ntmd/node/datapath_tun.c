// SPDX-License-Identifier: GPL-2.0
/*
 * The data path "tun": packets pass through this process (pipe/), by a TUN device that it makes, or that was handed in.
 *
 * The pipe's threads read the UDP sockets; what is signalling comes back as an event, and is given to the owner of the sockets as
 * if they had been read here. All of this file runs in the loop's thread, but wake().
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "datapath.h"
#include "held.h"
#include "common/netif.h"
#include "ntmobile/wire.h"
#include "pipe/icmp.h"
#include "pipe/pipe.h"
#include "stubnet.h"

#define ASKERS 256u /* DNS queries whose answers are awaited */
#define TICK_MS 200u
#define MTU_MS 60000u
#define EVENTS_AT_ONCE 256u /* others on the loop get their turn */
#define CREW_MAX 14u
#define QUEUE 1000u /* packets that wait in the TUN device, as in an Ethernet device */
/* A TCP GSO packet of this size is cut into one UDP GSO packet: 44 segments. The kernel takes 321 bytes off for headers. */
#define GSO_MAX (44u * (NTM_PIPE_MTU4 - 52u) + 321u)

/** struct asker - who waits for the answer to a query */
struct asker {
	uint64_t tag; /* 0: free */
	struct ntm_stubnet_asker who;
};

struct ntm_datapath {
	struct ntm_pipe pipe;
	struct ntm_udp *udp;
	const struct ntm_dp_events *events;
	void *ctx;
	uv_async_t wake;
	uv_timer_t tick, mtu_timer;
	unsigned int handles;
	struct ntm_netif_watch *watch, *routes;
	struct ntm_held *held;
	struct ntm_dp_lease lease;
	unsigned int ifindex; /* 0: handed in, and not ours to configure */
	struct asker askers[ASKERS];
	uint64_t next_tag;
	bool open, closing, told_lost;
	uint8_t answer[NTM_STUBNET_ANSWER_MAX];
};

/* Paths */

static struct ntm_path *path_of(struct ntm_datapath *dp, uint32_t path_id)
{
	return ntm_paths_by_id(&dp->pipe.paths, htonl(path_id));
}

/* The headers that an inner packet of a path gets */
static unsigned int headers_to(const union ntm_addr *peer)
{
	return (peer->sa.sa_family == AF_INET ? 20u : 40u) + 8u + NTM_WIRE_OVERHEAD;
}

static void find_mtu(struct ntm_path *path)
{
	const struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);
	unsigned int outer, mtu, headers;

	if (!endpoint)
		return;
	headers = headers_to(&endpoint->peer);
	outer = ntm_netif_route_mtu(&endpoint->peer);
	if (outer <
	    NTM_PIPE_MTU_MIN + headers) /* no route yet, or one that no packet fits: fragments */
		mtu = outer ? NTM_PIPE_MTU_MIN : 1500 - headers;
	else
		mtu = outer - headers;
	atomic_store(&path->mtu, mtu < path->mtu_max ? mtu : path->mtu_max);
}

/* From the loop, never from within an operation */
static void learn_mtu(struct ntm_datapath *dp, struct ntm_path *path)
{
	unsigned int mtu;

	find_mtu(path);
	mtu = atomic_load(&path->mtu);
	if (path->mtu_told == mtu)
		return;
	path->mtu_told = mtu;
	dp->events->mtu(dp->ctx, ntohl(path->id), mtu);
}

/* From within an operation: in force at once, and told later */
static void learn_mtu_quietly(struct ntm_datapath *dp, struct ntm_path *path)
{
	find_mtu(path);
	if (path->mtu_told != atomic_load(&path->mtu))
		ntm_pipe_tell(&dp->pipe.events, NTM_PIPE_MTU, path->id, 0);
}

static void learn_again(void *ctx, struct ntm_path *path)
{
	learn_mtu(ctx, path);
}

/* A way that has become wider, or that the kernel has forgotten (RFC 1191 6.3), is noticed by asking again */
static void on_mtu_timer(uv_timer_t *timer)
{
	struct ntm_datapath *dp = timer->data;

	ntm_paths_each(&dp->pipe.paths, learn_again, dp);
}

/* @made: it is a new one */
static int path_find(struct ntm_datapath *dp, uint32_t path_id, const struct in_addr *virtual4,
		     const struct in6_addr *virtual6, struct ntm_path **path, bool *made)
{
	struct ntm_inner_peer peer = { .has_v4 = virtual4, .has_v6 = virtual6 };

	*path = path_of(dp, path_id);
	*made = !*path;
	if (*path)
		return 0;
	if (!virtual4 && !virtual6)
		return -ENOENT;
	if (virtual4)
		memcpy(peer.v4, virtual4, sizeof(peer.v4));
	if (virtual6)
		memcpy(peer.v6, virtual6, sizeof(peer.v6));
	return ntm_paths_add(&dp->pipe.paths, htonl(path_id), &peer, NTM_PIPE_MTU4, path);
}

static int path_peer(struct ntm_datapath *dp, struct ntm_path *path, const union ntm_addr *peer,
		     bool by_socket)
{
	const struct ntm_pipe_net *net = atomic_load(&dp->pipe.net);
	const struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);
	int err;

	if (net && ntm_pipe_is_virtual(net, peer)) { /* the tunnel in itself */
		ntm_pipe_drop(&dp->pipe, NTM_PIPE_DROP_LOOP, 1);
		return -EADDRNOTAVAIL;
	}
	if (endpoint && ntm_addr_equal(&endpoint->peer, peer) &&
	    atomic_load(&endpoint->own_port) == by_socket)
		return 0;
	err = ntm_path_move(&dp->pipe.paths, path, peer, NULL, by_socket);
	if (!err)
		learn_mtu_quietly(dp, path);
	return err;
}

/* Its signalling comes by an event, as that of the node's sockets */
static int path_socket(struct ntm_datapath *dp, struct ntm_path *path, struct ntm_udp *udp)
{
	const int fd4 = ntm_udp_fd(udp, AF_INET);
	uint32_t id;
	int err;

	err = ntm_pipe_port_give(&dp->pipe, path, fd4 >= 0 ? fd4 : ntm_udp_fd(udp, AF_INET6), &id);
	if (!err)
		ntm_udp_pause(udp);
	return err;
}

/* Within the module's bounds */
static int path_mtu(struct ntm_datapath *dp, struct ntm_path *path, unsigned int mtu)
{
	if (mtu < NTM_PIPE_MTU_MIN || mtu > NTM_DP_MTU_ANY)
		return -ERANGE;
	path->mtu_max = path->mtu_told = mtu;
	learn_mtu_quietly(dp, path);
	return 0;
}

static void release(struct ntm_datapath *dp, const struct ntm_path *path)
{
	if (path->peer.has_v4)
		ntm_held_release(dp->held, AF_INET, path->peer.v4);
	if (path->peer.has_v6)
		ntm_held_release(dp->held, AF_INET6, path->peer.v6);
}

/* The first packet under a confirmed key shows it to the peer: one that waits, or an empty one */
static int path_keys(struct ntm_datapath *dp, struct ntm_path *path, const struct ntm_dp_keys *keys)
{
	struct ntm_pipe_key *key =
		ntm_pipe_key_new(keys->suite, keys->epoch, keys->tx, keys->rx, dp->pipe.threads);
	uint64_t sent;
	int err;

	if (!key)
		return ntm_aead_suites() & 1u << (keys->suite & 31) ? -ENOMEM : -EOPNOTSUPP;
	err = ntm_path_key(&dp->pipe.paths, path, key, keys->confirmed);
	if (err) {
		ntm_pipe_key_free(key);
		return err;
	}
	if (!keys->confirmed)
		return 0;
	sent = atomic_load(&key->tx_ctr);
	release(dp, path);
	if (atomic_load(&key->tx_ctr) == sent)
		ntm_pipe_confirm(&dp->pipe, path);
	return 0;
}

static void collect(struct ntm_datapath *dp);

_Static_assert(NTM_PIPE_RELAYS == NTM_DP_RELAYS, "as many relays");
_Static_assert(NTM_PIPE_PORTS == NTM_DP_SOCKETS, "as many paths with a socket");

/* A new path that cannot be all that it should is none: nobody would ever take it away, nor could another have its addresses */
static int tun_path_set(struct ntm_datapath *dp, const struct ntm_dp_path *set)
{
	struct ntm_path *path = NULL;
	bool made;
	int err = path_find(dp, set->path_id, set->virtual4, set->virtual6, &path, &made);

	if (!err && set->socket)
		err = path_socket(dp, path, set->socket);
	if (!err && set->peer && set->peer->sa.sa_family)
		err = path_peer(dp, path, set->peer, set->by_socket);
	if (!err && set->no_socket)
		ntm_pipe_port_take(&dp->pipe, path);
	if (!err && set->relays)
		err = ntm_path_relays(&dp->pipe.paths, path, set->relays);
	if (!err && set->mtu)
		err = path_mtu(dp, path, set->mtu);
	if (!err && set->keys)
		err = path_keys(dp, path, set->keys);
	if (err && made && path)
		ntm_paths_remove(&dp->pipe.paths, path);
	collect(dp);
	return err;
}

static int tun_path_del(struct ntm_datapath *dp, uint32_t path_id)
{
	struct ntm_path *path = path_of(dp, path_id);

	if (!path)
		return -ENOENT;
	ntm_pipe_port_take(&dp->pipe, path);
	ntm_paths_remove(&dp->pipe.paths, path);
	collect(dp);
	return 0;
}

static uint64_t age(uint64_t at_ms)
{
	const uint64_t now = ntm_clock_ms();

	return !at_ms ? UINT64_MAX : now > at_ms ? now - at_ms : 0;
}

static int tun_stats(struct ntm_datapath *dp, uint32_t path_id, struct ntm_dp_stats *stats)
{
	const struct ntm_path *path = path_of(dp, path_id);
	const struct ntm_endpoint *endpoint;

	memset(stats, 0, sizeof(*stats));
	if (!path)
		return -ENOENT;
	stats->tx_packets = atomic_load(&path->tx_packets);
	stats->tx_bytes = atomic_load(&path->tx_bytes);
	stats->rx_packets = atomic_load(&path->rx_packets);
	stats->rx_bytes = atomic_load(&path->rx_bytes);
	stats->last_rx_ms = age(atomic_load(&path->last_rx));
	stats->last_tx_ms = age(atomic_load(&path->last_tx));
	endpoint = atomic_load(&path->endpoint);
	if (endpoint)
		stats->peer = endpoint->peer;
	return 0;
}

static int tun_drops(struct ntm_datapath *dp, uint64_t drops[NTM_DP_DROPS])
{
	_Static_assert((int)NTM_PIPE_DROPS == NTM_DP_DROPS, "the same counters");
	for (unsigned int i = 0; i < NTM_DP_DROPS; i++)
		drops[i] = atomic_load(&dp->pipe.drops[i]);
	drops[NTM_PIPE_DROP_NO_PATH] += ntm_held_lost(dp->held);
	/* What the kernel could not put into the device's queue never came here */
	drops[NTM_PIPE_DROP_NO_MEM] += ntm_netif_tx_dropped(dp->pipe.tun.name);
	return 0;
}

static int tun_miss_done(struct ntm_datapath *dp, int family, const void *virt, int err)
{
	if (err)
		ntm_held_fail(dp->held, family, virt, ntm_clock_ms());
	else
		ntm_held_release(dp->held, family, virt);
	return 0;
}

static void held_send(void *ctx, const struct virtio_net_hdr *vnet, const uint8_t *packet,
		      size_t len)
{
	struct ntm_datapath *dp = ctx;

	ntm_pipe_inject(&dp->pipe, vnet, packet, len);
}

static void held_refuse(void *ctx, const uint8_t *packet, size_t len)
{
	struct ntm_datapath *dp = ctx;

	ntm_pipe_drop(&dp->pipe, NTM_PIPE_DROP_NO_PATH, 1);
	ntm_icmp_unreachable(&dp->pipe, packet, len);
}

static const struct ntm_held_ops held_ops = { .send = held_send, .refuse = held_refuse };

/* The stub resolver */

static struct asker *asker_of(struct ntm_datapath *dp, uint64_t tag)
{
	struct asker *asker = &dp->askers[tag % ASKERS];

	return asker->tag == tag ? asker : NULL;
}

static void answer(struct ntm_datapath *dp, struct asker *asker, const uint8_t *msg, size_t len)
{
	const size_t n = ntm_stubnet_answer(&asker->who, msg, len, dp->answer, sizeof(dp->answer));

	if (n)
		ntm_pipe_deliver(&dp->pipe, dp->answer, n);
	memset(asker, 0, sizeof(*asker));
}

static int tun_dns_reply(struct ntm_datapath *dp, uint64_t tag, const uint8_t *msg, size_t len)
{
	struct asker *asker = asker_of(dp, tag);

	if (!asker)
		return -ENOENT;
	answer(dp, asker, msg, len);
	return 0;
}

static void event_stub(struct ntm_datapath *dp, const struct ntm_pipe_event *event)
{
	struct ntm_stubnet_packet out;
	struct asker *asker;

	ntm_stubnet_input(&out, event->data, event->len);
	if (out.verdict == NTM_STUBNET_REPLY)
		ntm_pipe_deliver(&dp->pipe, out.reply, out.reply_len);
	if (out.verdict != NTM_STUBNET_QUERY)
		return;
	asker = &dp->askers[++dp->next_tag % ASKERS];
	asker->tag = dp->next_tag;
	asker->who = out.asker;
	dp->events->dns(dp->ctx, asker->tag, out.query, out.query_len);
}

/* Events of the pipe */

static void event_miss(struct ntm_datapath *dp, const struct ntm_pipe_event *event)
{
	/* A packet that was on its way here when the path came */
	const struct ntm_path *path =
		ntm_paths_by_virtual(&dp->pipe.paths, event->family, event->virt);

	if (path && atomic_load(&path->tx))
		ntm_pipe_inject(&dp->pipe, &event->vnet, event->data, event->len);
	else if (ntm_held_add(dp->held, event->family, event->virt, &event->vnet, event->data,
			      event->len, ntm_clock_ms()))
		dp->events->miss(dp->ctx, event->family, event->virt);
}

static void event_moved(struct ntm_datapath *dp, const struct ntm_pipe_event *event)
{
	struct ntm_path *path = path_of(dp, event->path_id);

	if (!path)
		return;
	learn_mtu(dp, path);
	dp->events->peer_moved(dp->ctx, event->path_id, &event->addr);
}

static void event_confirmed(struct ntm_datapath *dp, const struct ntm_pipe_event *event)
{
	const struct ntm_path *path = path_of(dp, event->path_id);

	if (path)
		release(dp, path);
	dp->events->key_confirmed(dp->ctx, event->path_id, event->number);
}

static void event_mtu(struct ntm_datapath *dp, const struct ntm_pipe_event *event)
{
	struct ntm_path *path = path_of(dp, event->path_id);

	if (path)
		learn_mtu(dp, path);
}

static void tell_lost(struct ntm_datapath *dp, int err)
{
	if (dp->told_lost || dp->closing)
		return;
	dp->told_lost = true;
	dp->events->lost(dp->ctx, err);
}

static void check_lost(struct ntm_datapath *dp)
{
	const int err = dp->closing ? 0 : ntm_pipe_lost(&dp->pipe);

	if (err)
		tell_lost(dp, err);
}

static void event_one(struct ntm_datapath *dp, const struct ntm_pipe_event *event)
{
	switch (event->type) {
	case NTM_PIPE_MISS:
		event_miss(dp, event);
		break;
	case NTM_PIPE_MOVED:
		event_moved(dp, event);
		break;
	case NTM_PIPE_REKEY:
		dp->events->rekey(dp->ctx, event->path_id, event->number);
		break;
	case NTM_PIPE_CONFIRMED:
		event_confirmed(dp, event);
		break;
	case NTM_PIPE_AUTH_BURST:
		dp->events->auth_burst(dp->ctx, event->path_id, event->number);
		break;
	case NTM_PIPE_MTU:
		event_mtu(dp, event);
		break;
	case NTM_PIPE_STUB:
		event_stub(dp, event);
		break;
	case NTM_PIPE_SIGNAL:
		ntm_udp_deliver(dp->udp, event->data, event->len, &event->addr);
		break;
	case NTM_PIPE_NOTE:
		ntm_info("%s", (const char *)event->data);
		break;
	}
}

static void take_events(struct ntm_datapath *dp)
{
	struct ntm_pipe_event *event;
	unsigned int n = 0;

	while (!dp->closing && n++ < EVENTS_AT_ONCE && (event = ntm_pipe_take(&dp->pipe.events))) {
		event_one(dp, event);
		free(event);
	}
	if (!dp->closing && n > EVENTS_AT_ONCE)
		uv_async_send(&dp->wake);
}

static void on_wake(uv_async_t *async)
{
	struct ntm_datapath *dp = async->data;

	take_events(dp);
	check_lost(dp);
	if (!dp->closing)
		collect(dp);
}

static void wake(void *ctx)
{
	struct ntm_datapath *dp = ctx;

	uv_async_send(&dp->wake);
}

/* Garbage, packets that are held, and hints that were held back, are looked after while there are any */
static bool look_after(struct ntm_datapath *dp)
{
	const bool held = ntm_held_expire(dp->held, ntm_clock_ms());
	const bool garbage = ntm_paths_collect(&dp->pipe.paths);

	return ntm_pipe_hints(&dp->pipe) || held || garbage;
}

static void on_tick(uv_timer_t *timer)
{
	if (!look_after(timer->data))
		uv_timer_stop(timer);
}

static void collect(struct ntm_datapath *dp)
{
	if (look_after(dp) && !uv_is_active((uv_handle_t *)&dp->tick))
		uv_timer_start(&dp->tick, on_tick, TICK_MS, TICK_MS);
}

static void routes_changed(void *ctx)
{
	struct ntm_datapath *dp = ctx;

	ntm_pipe_routes(&dp->pipe);
}

/* The interface goes with another's hand: the reader of its descriptor may not hear of it before a packet comes */
static void links_changed(void *ctx)
{
	struct ntm_datapath *dp = ctx;
	char name[IFNAMSIZ];

	ntm_sock_links_changed(&dp->pipe.sock);
	routes_changed(dp);
	if (dp->ifindex && !if_indextoname(dp->ifindex, name))
		tell_lost(dp, -ENODEV);
	else if (dp->ifindex)
		ntm_dp_addresses_again(dp->ifindex, &dp->lease);
}

/* Opening and closing */

/*
 * Two processors are busy with the two readers and what is above and below them; more threads only where there are more. One
 * that is allowed to run on few of them counts those.
 */
static unsigned int crew_of(unsigned int threads)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	if (threads)
		return threads > 2 ? threads - 2 : 0;
	n -= 2;
	return n < 0 ? 0 : n > (int)CREW_MAX ? CREW_MAX : (unsigned int)n;
}

static int open_loop(struct ntm_datapath *dp, uv_loop_t *loop)
{
	int err = uv_async_init(loop, &dp->wake, on_wake);

	if (err)
		return err;
	dp->wake.data = dp;
	dp->handles++;
	err = uv_timer_init(loop, &dp->tick);
	if (err)
		return err;
	dp->tick.data = dp;
	dp->handles++;
	err = uv_timer_init(loop, &dp->mtu_timer);
	if (err)
		return err;
	dp->mtu_timer.data = dp;
	dp->handles++;
	uv_timer_start(&dp->mtu_timer, on_mtu_timer, MTU_MS, MTU_MS);
	err = ntm_netif_watch_open(&dp->watch, loop, links_changed, dp);
	return err ? err : ntm_netif_watch_routes(&dp->routes, loop, routes_changed, dp);
}

static int open_tun(struct ntm_datapath *dp, const struct ntm_dp_open *how, struct ntm_tun *tun,
		    char *why, size_t size)
{
	int err;

	if (how->tun_fd >= 0) {
		int fd = dup(how->tun_fd); /* ours stays, to be opened again */

		if (fd < 0) {
			snprintf(why, size, "the TUN descriptor handed in: %s", strerror(errno));
			return -errno;
		}
		return ntm_tun_adopt(tun, fd, why, size);
	}
	/* One that a killed ntmd left on the kernel path. A TUN device that somebody made for us in advance is used. */
	(void)ntm_netif_delete_old(how->ifname);
	err = ntm_tun_create(tun, how->ifname, why, size);
	if (err)
		return err;
	dp->ifindex = if_nametoindex(tun->name);
	err = ntm_netif_queue(dp->ifindex, GSO_MAX, QUEUE);
	if (err)
		ntm_debug("%s: its queue stays as it is: %s", tun->name, strerror(-err));
	err = ntm_netif_up(dp->ifindex, NTM_PIPE_MTU4);
	if (err) {
		snprintf(why, size, "cannot set the interface %s up: %s", tun->name,
			 strerror(-err));
		ntm_tun_close(tun);
	}
	return err;
}

static void dp_free(struct ntm_datapath *dp)
{
	ntm_held_free(dp->held);
	free(dp);
}

static void handle_closed(uv_handle_t *handle)
{
	struct ntm_datapath *dp = handle->data;

	if (!--dp->handles)
		dp_free(dp);
}

/* The memory stays until the loop has closed the handles: callers may be below us on the stack */
static void tun_close(struct ntm_datapath *dp)
{
	if (dp->closing)
		return;
	dp->closing = true;
	ntm_netif_watch_close(dp->watch);
	ntm_netif_watch_close(dp->routes);
	if (dp->open) {
		ntm_pipe_close(&dp->pipe); /* the interface of our own goes with its descriptor */
		ntm_udp_resume(dp->udp);
	}
	if (!dp->handles) {
		dp_free(dp);
		return;
	}
	if (dp->handles > 2)
		uv_close((uv_handle_t *)&dp->mtu_timer, handle_closed);
	if (dp->handles > 1)
		uv_close((uv_handle_t *)&dp->tick, handle_closed);
	uv_close((uv_handle_t *)&dp->wake, handle_closed);
}

/* To a link or a VRF (ip vrf exec): the routes that it has are not those that we would be told */
static bool is_bound(const struct ntm_udp *udp)
{
	const int fd4 = ntm_udp_fd(udp, AF_INET);
	const int fd = fd4 < 0 ? ntm_udp_fd(udp, AF_INET6) : fd4;
	int link = 0;
	socklen_t len = sizeof(link);

	return !getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &link, &len) && link;
}

static int open_pipe(struct ntm_datapath *dp, const struct ntm_dp_open *how, char *why, size_t size)
{
	struct ntm_tun tun;
	int err = open_tun(dp, how, &tun, why, size);

	if (err)
		return err;
	ntm_udp_pause(how->udp);
	err = ntm_pipe_open(&dp->pipe, &tun, ntm_udp_fd(how->udp, AF_INET),
			    ntm_udp_fd(how->udp, AF_INET6), crew_of(how->threads), wake, dp, why,
			    size);
	dp->open = !err;
	if (!is_bound(how->udp))
		ntm_pipe_sources(&dp->pipe, ntm_netif_may_send);
	if (err)
		ntm_udp_resume(how->udp);
	return err;
}

static int tun_open(struct ntm_datapath **out, const struct ntm_dp_open *how, char *why,
		    size_t size)
{
	struct ntm_datapath *dp = aligned_alloc(_Alignof(struct ntm_datapath), sizeof(*dp));
	int err = -ENOMEM;

	*out = NULL;
	snprintf(why, size, "out of memory");
	if (!dp)
		return err;
	memset(dp, 0, sizeof(*dp));
	dp->udp = how->udp;
	dp->events = how->events;
	dp->ctx = how->ctx;
	randombytes_buf(&dp->next_tag, sizeof(dp->next_tag) / 2); /* 0 is never reached */
	dp->held = ntm_held_new(&held_ops, dp);
	if (dp->held) {
		err = open_loop(dp, how->loop);
		if (err)
			snprintf(why, size, "cannot wait for events: %s", strerror(-err));
	}
	if (!err)
		err = open_pipe(dp, how, why, size);
	if (err) {
		tun_close(dp);
		return err;
	}
	ntm_debug("user-space path: %u threads", dp->pipe.threads - 1);
	*out = dp;
	return 0;
}

static unsigned int tun_ifindex(struct ntm_datapath *dp)
{
	return dp->ifindex ? dp->ifindex : if_nametoindex(dp->pipe.tun.name);
}

static uint32_t tun_suites(struct ntm_datapath *dp)
{
	(void)dp;
	return ntm_aead_suites();
}

_Static_assert(NTM_PIPE_NETS >= 2 * NTM_PEER_ZONES_MAX, "room for all networks");

static struct ntm_pipe_net net_of(const struct ntm_dp_lease *lease)
{
	struct ntm_dp_nets nets;
	struct ntm_pipe_net net = {
		.has4 = lease->has4,
		.has6 = lease->has6,
		.own4 = lease->virtual4,
		.own6 = lease->virtual6,
		.net4 = lease->virtual4,
		.net6 = lease->virtual6,
		.stub4 = ntm_dp_stub4(lease),
		.stub6 = ntm_dp_stub6(lease),
		.prefix4 = lease->prefix4,
		.prefix6 = lease->prefix6,
	};

	ntm_dp_networks(lease, &nets);
	for (unsigned int i = 0; i < nets.count; i++) {
		struct ntm_pipe_prefix *other = &net.others[net.other_count++];

		other->family = nets.net[i].family;
		other->bits = nets.net[i].prefix;
		memcpy(other->addr, nets.net[i].addr, sizeof(other->addr));
	}
	return net;
}

static int tun_configure(struct ntm_datapath *dp, const struct ntm_dp_lease *lease)
{
	const struct ntm_pipe_net net = net_of(lease);
	int err = 0;

	if (lease->prefix4 > 31 || lease->prefix6 > 127)
		return -EINVAL;
	if (dp->ifindex)
		err = ntm_dp_addresses(dp->ifindex, &dp->lease, lease);
	if (!err)
		err = ntm_pipe_net(&dp->pipe, &net);
	if (!err)
		dp->lease = *lease;
	collect(dp);
	return err;
}

const struct ntm_datapath_ops ntm_datapath_tun = {
	.name = "tun",
	.open = tun_open,
	.ifindex = tun_ifindex,
	.suites = tun_suites,
	.configure = tun_configure,
	.path_set = tun_path_set,
	.path_del = tun_path_del,
	.stats = tun_stats,
	.drops = tun_drops,
	.miss_done = tun_miss_done,
	.dns_reply = tun_dns_reply,
	.close = tun_close,
};
