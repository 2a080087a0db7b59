// SPDX-License-Identifier: GPL-2.0
#include "common/clock.h"
#include "pipe/out.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pipe/cut.h"
#include "pipe/headers.h"
#include "pipe/icmp.h"

#define PACKETS 64u
#define FULL (64u << 10)	   /* a vector with that much in it is worth sealing */
#define IN_SIZE (2 * FULL + 4096u) /* and one packet more fits */
#define OUT_SIZE (512u << 10)	   /* short segments grow by their headers */
#define MSGS 256u
#define UNREADABLE 2048u /* packets in a row: more than wait in the device */

/** struct packet - as it was read; @at: offset in @in */
struct packet {
	struct virtio_net_hdr vnet;
	uint32_t at, len;
};

/** struct msg - datagrams for one sendmsg() */
struct msg {
	struct ntm_path *path;
	struct ntm_endpoint *endpoint;
	uint32_t at, len, size;
	uint16_t segs;
	uint8_t tos;
	bool cut; /* larger than its path's MTU */
	bool closed;
};

struct ntm_out_vec {
	unsigned int count, msg_count;
	uint32_t used, sealed;
	bool injected;
	uint64_t now_ms; /* read once for all its packets */
	struct packet packets[PACKETS];
	struct msg msgs[MSGS];
	uint8_t in[IN_SIZE] __attribute__((aligned(64)));
	uint8_t out[OUT_SIZE] __attribute__((aligned(64)));
};

size_t ntm_pipe_out_size(void)
{
	return sizeof(struct ntm_out_vec);
}

/* Reading */

static uint32_t aligned(uint32_t n)
{
	return (n + 15) & ~15u;
}

/*
 * The kernel has no vnet header for this packet, and has dropped it. Offloads bring forth such packets: the device gives plain ones
 * from now on, but for those that wait in it. False: it is no single packet that is to blame.
 */
static bool is_unreadable(struct ntm_pipe *pipe, int err)
{
	if (err != -EINVAL || !pipe->tun.vnet || ++pipe->unreadable > UNREADABLE)
		return false;
	ntm_pipe_drop(pipe, NTM_PIPE_DROP_INNER, 1);
	if (pipe->told_plain)
		return true;
	pipe->told_plain = true;
	ntm_tun_plain(&pipe->tun);
	ntm_pipe_note(
		&pipe->events,
		"the TUN device gives a packet that cannot be read: its offloads are switched off");
	return true;
}

static enum ntm_lane_fill fill(void *ctx, void *v)
{
	struct ntm_pipe *pipe = ctx;
	struct ntm_out_vec *vec = v;
	int n = -EAGAIN;

	vec->count = 0;
	vec->used = 0;
	vec->injected = false;
	while (vec->count < PACKETS && vec->used < FULL) {
		struct packet *packet = &vec->packets[vec->count];

		n = ntm_tun_read(&pipe->tun, &packet->vnet, vec->in + vec->used,
				 IN_SIZE - vec->used);
		if (n == -EINTR || n == -ENOMSG || is_unreadable(pipe, n))
			continue;
		if (n < 0)
			break;
		pipe->unreadable = 0;
		packet->at = vec->used;
		packet->len = (uint32_t)n;
		vec->used += aligned((uint32_t)n);
		vec->count++;
	}
	if (vec->count)
		return vec->used < FULL && vec->count < PACKETS ? NTM_LANE_SOME : NTM_LANE_MORE;
	if (n == -EAGAIN)
		return NTM_LANE_EMPTY;
	ntm_pipe_lose(pipe, n);
	return NTM_LANE_END;
}

/* Sealing */

static const uint8_t *destination(const uint8_t *packet, int *family)
{
	*family = *packet >> 4 == 6 ? AF_INET6 : AF_INET;
	return packet + (*family == AF_INET6 ? 24 : 16);
}

static uint8_t tos_of(const uint8_t *packet)
{
	return *packet >> 4 == 4 ? packet[1] : (uint8_t)((packet[0] << 4 | packet[1] >> 4) & 0xff);
}

/* The message that takes a datagram of @len bytes, after the last one or new; NULL: no room left */
static struct msg *msg_for(struct ntm_out_vec *vec, struct ntm_path *path,
			   struct ntm_endpoint *endpoint, uint8_t tos, bool cut, size_t len)
{
	struct msg *msg = vec->msg_count ? &vec->msgs[vec->msg_count - 1] : NULL;

	if (vec->sealed + len > OUT_SIZE)
		return NULL;
	if (msg && msg->path == path && msg->endpoint == endpoint && msg->tos == tos &&
	    msg->cut == cut && !msg->closed && len <= msg->size && msg->segs < NTM_SOCK_SEGS &&
	    msg->len + len <= NTM_SOCK_LEN)
		return msg;
	if (vec->msg_count == MSGS)
		return NULL;
	msg = &vec->msgs[vec->msg_count++];
	*msg = (struct msg){ .path = path,
			     .endpoint = endpoint,
			     .at = vec->sealed,
			     .size = (uint32_t)len,
			     .tos = tos,
			     .cut = cut };
	return msg;
}

static bool seal(struct ntm_out_vec *vec, struct msg *msg, struct ntm_pipe_key *key,
		 unsigned int thread, uint64_t ctr, const uint8_t *p, size_t len)
{
	uint8_t *out = vec->out + msg->at + msg->len;
	struct ntm_wire_hdr header;

	ntm_wire_build(&header, key->epoch, ctr, msg->path->id);
	memcpy(out, &header, sizeof(header));
	if (!ntm_aead_seal(key->tx, thread, ctr, p, len, out + NTM_WIRE_HDR_LEN))
		return false;
	len += NTM_WIRE_OVERHEAD;
	msg->len += (uint32_t)len;
	msg->segs++;
	msg->closed = len < msg->size;
	vec->sealed += (uint32_t)len;
	return true;
}

/* Told once a second as long as it is so; another thread may have told since this one has looked at the clock */
static void ask_key(struct ntm_pipe *pipe, struct ntm_path *path, uint32_t epoch)
{
	const uint64_t now = ntm_clock_ms();
	uint64_t asked = atomic_load(&path->asked_ms);

	if ((int64_t)(now - asked) >= 1000 &&
	    atomic_compare_exchange_strong(&path->asked_ms, &asked, now))
		ntm_pipe_tell(&pipe->events, NTM_PIPE_REKEY, path->id, epoch);
}

/* The counters of @n packets. False: the key is used up, or too old */
static bool take_counters(struct ntm_pipe *pipe, struct ntm_path *path, struct ntm_pipe_key *key,
			  uint64_t now_ms, uint64_t n, uint64_t *first)
{
	const bool expired = ntm_pipe_key_expired(key, now_ms);

	*first = atomic_fetch_add(&key->tx_ctr, n);
	if (*first + n < NTM_WIRE_REKEY_AFTER && !expired)
		return true;
	ask_key(pipe, path, key->epoch);
	return *first + n < NTM_WIRE_REJECT_AFTER && !expired;
}

static void count_sent(struct ntm_path *path, uint64_t now_ms, uint64_t packets, uint64_t bytes)
{
	atomic_fetch_add_explicit(&path->tx_packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->tx_bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&path->last_tx, now_ms, memory_order_relaxed);
}

static enum ntm_pipe_drop seal_all(struct ntm_out_vec *vec, struct ntm_path *path,
				   struct ntm_pipe_key *key, unsigned int thread,
				   struct ntm_cut *cut, uint64_t ctr, uint8_t tos)
{
	struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);
	const unsigned int mtu = atomic_load_explicit(&path->mtu, memory_order_relaxed);
	uint64_t packets = 0, bytes = 0;
	struct msg *msg;
	uint8_t *p;
	size_t len;

	if (!endpoint)
		return NTM_PIPE_DROP_NO_ROUTE;
	while ((p = ntm_cut_next(cut, &len))) {
		msg = msg_for(vec, path, endpoint, tos, len > mtu, len + NTM_WIRE_OVERHEAD);
		if (!msg || !seal(vec, msg, key, thread, ctr++, p, len))
			return NTM_PIPE_DROP_NO_MEM;
		packets++;
		bytes += len;
	}
	count_sent(path, vec->now_ms, packets, bytes);
	return NTM_PIPE_DROPS;
}

/* Does it fit the path? If not it is cut, or its sender told */
static bool fits(struct ntm_pipe *pipe, struct ntm_cut *cut, const struct ntm_path *path)
{
	unsigned int mtu = atomic_load_explicit(&path->mtu, memory_order_relaxed);

	if (cut->v6 && mtu < NTM_IP6_MTU_MIN)
		mtu = NTM_IP6_MTU_MIN;

	if (ntm_cut_largest(cut) <= mtu || ntm_cut_fragment(cut, mtu))
		return true;
	ntm_pipe_drop(pipe, NTM_PIPE_DROP_TOO_BIG, 1);
	ntm_icmp_too_big(pipe, cut->packet, cut->len, mtu);
	return false;
}

static void send_by(struct ntm_pipe *pipe, struct ntm_out_vec *vec, struct ntm_path *path,
		    struct ntm_pipe_key *key, struct ntm_cut *cut, unsigned int thread)
{
	enum ntm_pipe_drop why;
	uint64_t ctr;

	if (!fits(pipe, cut, path))
		return;
	if (!take_counters(pipe, path, key, vec->now_ms, ntm_cut_segments(cut), &ctr)) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_NO_KEY, 1);
		return;
	}
	why = seal_all(vec, path, key, thread, cut, ctr, tos_of(cut->packet));
	if (why != NTM_PIPE_DROPS)
		ntm_pipe_drop(pipe, why, 1);
}

/* Packets without a path */

static void post_packet(struct ntm_pipe *pipe, enum ntm_pipe_event_type type,
			const struct packet *packet, const uint8_t *p)
{
	struct ntm_pipe_event *event = ntm_pipe_event(&pipe->events, type, 0, p, packet->len);

	if (!event) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_NO_PATH, 1);
		return;
	}
	memcpy(event->virt, destination(p, &event->family), *p >> 4 == 6 ? 16 : 4);
	event->vnet = packet->vnet;
	ntm_pipe_post(&pipe->events, event);
}

static union ntm_addr address_of(int family, const uint8_t *addr)
{
	union ntm_addr out = { 0 };

	out.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		memcpy(&out.v4.sin_addr, addr, 4);
	else
		memcpy(&out.v6.sin6_addr, addr, 16);
	return out;
}

static bool is_stub(const struct ntm_pipe_net *net, int family, const uint8_t *addr)
{
	return family == AF_INET ? net->has4 && !memcmp(&net->stub4, addr, 4) :
				   net->has6 && !memcmp(&net->stub6, addr, 16);
}

/* The stub is this host's alone, and its packets have the addresses of the lease */
static bool is_own(const struct ntm_pipe_net *net, int family, const uint8_t *packet)
{
	return family == AF_INET ? !memcmp(&net->own4, packet + 12, 4) :
				   !memcmp(&net->own6, packet + 8, 16);
}

static void to_stub(struct ntm_pipe *pipe, const struct ntm_pipe_net *net, int family,
		    const struct packet *packet, const uint8_t *p)
{
	if (is_own(net, family, p))
		post_packet(pipe, NTM_PIPE_STUB, packet, p);
	else
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_SOURCE, 1);
}

/* What a host sends to all on its link (multicast, link-local) is nobody's here */
static void no_path(struct ntm_pipe *pipe, const struct ntm_out_vec *vec,
		    const struct packet *packet, const uint8_t *p)
{
	const struct ntm_pipe_net *net = atomic_load(&pipe->net);
	int family;
	const uint8_t *addr = destination(p, &family);
	const union ntm_addr to = address_of(family, addr);

	if (net && is_stub(net, family, addr))
		to_stub(pipe, net, family, packet, p);
	else if (net && !vec->injected && ntm_pipe_is_virtual(net, &to))
		post_packet(pipe, NTM_PIPE_MISS, packet, p);
	else
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_NO_PATH, 1);
}

/* No key or no endpoint yet: one is asked for, and the packet waits */
static void no_key(struct ntm_pipe *pipe, const struct ntm_out_vec *vec, struct ntm_path *path,
		   const struct packet *packet, const uint8_t *p)
{
	ask_key(pipe, path, 0);
	if (vec->injected)
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_NO_KEY, 1);
	else
		post_packet(pipe, NTM_PIPE_MISS, packet, p);
}

static void work_packet(struct ntm_pipe *pipe, struct ntm_out_vec *vec, struct packet *packet,
			unsigned int thread)
{
	uint8_t *p = vec->in + packet->at;
	struct ntm_pipe_key *key;
	struct ntm_path *path;
	struct ntm_cut cut;
	const uint8_t *to;
	int family;

	if (!ntm_cut_begin(&cut, &packet->vnet, p, packet->len)) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_INNER, 1);
		return;
	}
	to = destination(p, &family);
	path = ntm_paths_by_virtual(&pipe->paths, family, to);
	key = path ? atomic_load(&path->tx) : NULL;
	if (!path)
		no_path(pipe, vec, packet, p);
	else if (!key || !atomic_load(&path->endpoint))
		no_key(pipe, vec, path, packet, p);
	else
		send_by(pipe, vec, path, key, &cut, thread);
}

static void work(void *ctx, void *v, unsigned int thread)
{
	struct ntm_pipe *pipe = ctx;
	struct ntm_out_vec *vec = v;

	vec->msg_count = 0;
	vec->sealed = 0;
	vec->now_ms = ntm_clock_ms();
	for (unsigned int i = 0; i < vec->count; i++)
		work_packet(pipe, vec, &vec->packets[i], thread);
}

/* Sending */

static enum ntm_pipe_drop drop_of(int err)
{
	switch (err) {
	case -EMSGSIZE:
		return NTM_PIPE_DROP_TOO_BIG;
	case -ENOBUFS:
	case -ENOMEM:
	case -EAGAIN:
		return NTM_PIPE_DROP_NO_MEM;
	default:
		return NTM_PIPE_DROP_NO_ROUTE;
	}
}

/* What became of a message */
static void sent(struct ntm_pipe *pipe, const struct msg *msg, int err)
{
	if (!err)
		return;
	ntm_pipe_drop(pipe, drop_of(err), msg->segs);
	if (err == -EMSGSIZE)
		ntm_pipe_hint(pipe, msg->path, NTM_HINT_MTU);
}

/* As what packets to an endpoint leave; NULL: as routing chooses. Two threads that ask at once are told the same. */
static const union ntm_addr *source_of(const struct ntm_pipe *pipe, struct ntm_endpoint *endpoint)
{
	const uint32_t routes = atomic_load_explicit(&pipe->routes, memory_order_relaxed);
	uint32_t known = atomic_load_explicit(&endpoint->known, memory_order_relaxed);

	if (!pipe->source || !endpoint->local.sa.sa_family)
		return &endpoint->local;
	if ((known & ~1u) != routes) {
		known = routes | pipe->source(&endpoint->local, &endpoint->peer);
		atomic_store_explicit(&endpoint->known, known, memory_order_relaxed);
	}
	return known & 1 ? &endpoint->local : NULL;
}

static void send_all(struct ntm_pipe *pipe, const struct ntm_out_vec *vec)
{
	struct ntm_sock_out outs[MSGS];
	unsigned int done = 0;
	int err;

	for (unsigned int i = 0; i < vec->msg_count; i++) {
		const struct msg *msg = &vec->msgs[i];

		outs[i] = (struct ntm_sock_out){
			.to = &msg->endpoint->peer,
			.local = source_of(pipe, msg->endpoint),
			.data = vec->out + msg->at,
			.len = msg->len,
			.size = msg->size,
			.tos = msg->tos,
			.cut = msg->cut,
			.port = ntm_path_port(msg->path, msg->endpoint),
			.patient = !vec->injected,
		};
	}
	while (done < vec->msg_count) {
		done += ntm_sock_send_some(&pipe->sock, outs + done, vec->msg_count - done, &err);
		sent(pipe, &vec->msgs[done - 1], err);
	}
}

static void drain(void *ctx, void *v, unsigned int thread)
{
	struct ntm_pipe *pipe = ctx;
	const struct ntm_out_vec *vec = v;
	const char *news;

	(void)thread;
	send_all(pipe, vec);
	news = ntm_sock_news(&pipe->sock);
	if (news)
		ntm_pipe_note(&pipe->events, news);
}

static void wait_tun(void *ctx)
{
	struct ntm_pipe *pipe = ctx;
	struct pollfd pfd[2] = { { .fd = pipe->tun.fd, .events = POLLIN },
				 { .fd = pipe->kick[1], .events = POLLIN } };

	(void)poll(pfd, 2, -1);
}

static void kick(void *ctx)
{
	struct ntm_pipe *pipe = ctx;
	const uint64_t one = 1;

	(void)!write(pipe->kick[1], &one, sizeof(one));
}

const struct ntm_lane_ops ntm_pipe_out_ops = { .fill = fill,
					       .work = work,
					       .drain = drain,
					       .wait = wait_tun,
					       .kick = kick };

/* The owner's */

void ntm_out_one(struct ntm_pipe *pipe, struct ntm_out_vec *vec, const struct virtio_net_hdr *vnet,
		 const uint8_t *packet, size_t len)
{
	if (len > IN_SIZE)
		return;
	vec->count = 1;
	vec->injected = true;
	vec->packets[0] = (struct packet){ .vnet = *vnet, .len = (uint32_t)len };
	memcpy(vec->in, packet, len);
	work(pipe, vec, pipe->threads - 1);
	send_all(pipe, vec);
}

void ntm_out_empty(struct ntm_pipe *pipe, struct ntm_out_vec *vec, struct ntm_path *path)
{
	struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);
	struct ntm_pipe_key *key = atomic_load(&path->tx);
	struct msg *msg;
	uint64_t ctr;

	vec->msg_count = 0;
	vec->sealed = 0;
	vec->injected = true;
	if (!endpoint || !key || !take_counters(pipe, path, key, ntm_clock_ms(), 1, &ctr))
		return;
	msg = msg_for(vec, path, endpoint, 0, false, NTM_WIRE_OVERHEAD);
	if (msg && seal(vec, msg, key, pipe->threads - 1, ctr, NULL, 0))
		send_all(pipe, vec);
}
