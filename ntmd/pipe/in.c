// SPDX-License-Identifier: GPL-2.0
/*
 * The in-lane: from the peers to the TUN device. A packet's tag is checked before anything in it means anything; then its counter
 * (in drain(), which one thread at a time runs, so that the replay window needs no lock), then its inner source.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "ntmobile/ecn.h"
#include "common/clock.h"
#include "pipe/merge.h"
#include "pipe/pipe.h"

#define SEGS 1024u
#define BURST 100u /* forged packets in a second: an event */
#define FORGED_BITS 20
#define FORGED_MAX ((1u << FORGED_BITS) - 1)
#define NAP_NS 10000000

/** struct in_seg - an authentic datagram; @drop: why it goes no further than the replay window, or NTM_PIPE_DROPS */
struct in_seg {
	struct ntm_seg seg;
	uint8_t meta;
	enum ntm_pipe_drop drop;
	struct ntm_path *path;
	struct ntm_pipe_key *key;
	uint64_t ctr;
};

struct ntm_in_vec {
	struct ntm_sock_in read;
	uint32_t port; /* where it was read, 0: our own sockets */
	struct ntm_sock_meta meta[NTM_SOCK_BATCH];
	unsigned int count;
	struct in_seg segs[SEGS];
	struct ntm_merge merge;
	uint8_t buf[NTM_SOCK_BATCH * (size_t)NTM_SOCK_SIZE] __attribute__((aligned(64)));
};

size_t ntm_pipe_in_size(void)
{
	return sizeof(struct ntm_in_vec);
}

/* Reading */

/* Our own sockets and the paths' come first in turn */
static int read_some(struct ntm_pipe *pipe, struct ntm_in_vec *vec)
{
	const bool any = ntm_pipe_ports_any(&pipe->ports);
	const bool first = pipe->ports_first = any && !pipe->ports_first;
	int n = first ? ntm_pipe_ports_read(&pipe->ports, &vec->read, vec->buf, &vec->port) : 0;

	if (n)
		return n;
	vec->port = 0;
	n = ntm_sock_read_ready(&pipe->sock, &pipe->ready, &vec->read, vec->buf);
	return n || !any || first ?
		       n :
		       ntm_pipe_ports_read(&pipe->ports, &vec->read, vec->buf, &vec->port);
}

/*
 * An error is one that waited on the socket (ICMP), taken away by reading it. One that stays must not become a busy loop: then
 * this thread rests.
 */
static enum ntm_lane_fill fill(void *ctx, void *v)
{
	struct ntm_pipe *pipe = ctx;
	struct ntm_in_vec *vec = v;
	const int n = read_some(pipe, vec);

	if (n > 0)
		return n == NTM_SOCK_BATCH ? NTM_LANE_MORE : NTM_LANE_SOME;
	if (n < 0)
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	return NTM_LANE_EMPTY;
}

/* Opening */

/*
 * A second begins with the first of them after the last one's end, and anew when it is told, with its number past the bound: no two
 * are told within one second, wherever bursts fall. One that is cut by a second's end may have up to twice the bound, less two, and
 * not be told. The number stays at its greatest rather than reach into the time.
 */
static void count_forged(struct ntm_pipe *pipe, const struct ntm_path *path)
{
	const uint64_t now = ntm_clock_ms();
	uint64_t old = atomic_load(&pipe->forged), new;

	do {
		if ((int64_t)(now - (old >> FORGED_BITS)) >= 1000)
			new = now << FORGED_BITS | 1;
		else if ((old & FORGED_MAX) == BURST - 1)
			new = now << FORGED_BITS | BURST;
		else if ((old & FORGED_MAX) == FORGED_MAX)
			return;
		else
			new = old + 1;
	} while (!atomic_compare_exchange_weak(&pipe->forged, &old, new));
	if ((new &FORGED_MAX) == BURST)
		ntm_pipe_tell(&pipe->events, NTM_PIPE_AUTH_BURST, path->id, BURST);
}

/* The outer ECN field goes inward; the header's checksum follows */
static bool carry_ecn(uint8_t *p, uint8_t outer)
{
	const bool v6 = *p >> 4 == 6;
	const uint8_t inner = v6 ? p[1] >> 4 : p[1];
	const int ecn = ntm_ecn_decap(outer, inner);
	uint32_t sum;

	if (ecn < 0)
		return false;
	if (ecn == (inner & NTM_ECN_MASK))
		return true;
	if (v6) {
		p[1] = (uint8_t)((p[1] & ~(NTM_ECN_MASK << 4)) | ecn << 4);
		return true;
	}
	/* RFC 1624: HC' = ~(~HC + ~m + m'), with m the first 16 bits */
	sum = (uint16_t) ~(p[10] << 8 | p[11]) + (uint32_t)(uint16_t) ~(p[0] << 8 | p[1]);
	p[1] = (uint8_t)((p[1] & ~NTM_ECN_MASK) | ecn);
	sum += (uint32_t)(p[0] << 8 | p[1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	p[10] = (uint8_t)(sum >> 8);
	p[11] = (uint8_t)sum;
	return true;
}

static enum ntm_pipe_drop check_inner(const struct ntm_path *path, uint8_t *p, unsigned int *len,
				      uint8_t tos)
{
	switch (ntm_inner_verify(&path->peer, p, len)) {
	case NTM_INNER_MALFORMED:
		return NTM_PIPE_DROP_INNER;
	case NTM_INNER_SOURCE:
		return NTM_PIPE_DROP_SOURCE;
	default:
		return carry_ecn(p, tos) ? NTM_PIPE_DROPS : NTM_PIPE_DROP_INNER;
	}
}

static void keep(struct ntm_pipe *pipe, struct ntm_in_vec *vec, struct in_seg *seg, uint8_t *p,
		 unsigned int len)
{
	seg->drop = NTM_PIPE_DROPS;
	if (len)
		seg->drop = check_inner(seg->path, p, &len, vec->meta[seg->meta].tos);
	seg->seg = (struct ntm_seg){ .p = p, .len = (uint16_t)len };
	if (len && seg->drop == NTM_PIPE_DROPS &&
	    atomic_load_explicit(&pipe->tun.merge_tcp, memory_order_relaxed))
		ntm_seg_parse(&seg->seg,
			      atomic_load_explicit(&pipe->tun.merge_udp, memory_order_relaxed));
	vec->count++;
}

static void open_data(struct ntm_pipe *pipe, struct ntm_in_vec *vec, uint8_t meta, uint8_t *p,
		      unsigned int len, unsigned int thread)
{
	struct in_seg *seg = &vec->segs[vec->count];
	struct ntm_wire_hdr header;

	if (len < NTM_WIRE_OVERHEAD) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_SHORT, 1);
		return;
	}
	if (vec->count == SEGS) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_NO_MEM, 1);
		return;
	}
	memcpy(&header, p, sizeof(header));
	/* Most often that of the packet before */
	seg->path = vec->count && seg[-1].path->id == header.path_id ?
			    seg[-1].path :
			    ntm_paths_by_id(&pipe->paths, header.path_id);
	if (!seg->path) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_PATH, 1);
		return;
	}
	seg->key = atomic_load(&seg->path->rx[ntm_wire_epoch(&header)]);
	if (!seg->key) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_KEY, 1);
		return;
	}
	seg->meta = meta;
	seg->ctr = ntm_wire_ctr(&header, NTM_READ_ONCE(seg->key->replay.highest));
	p += NTM_WIRE_HDR_LEN;
	len -= NTM_WIRE_OVERHEAD;
	if (ntm_aead_open(seg->key->rx, thread, seg->ctr, p, len, p)) {
		keep(pipe, vec, seg, p, len);
		return;
	}
	ntm_pipe_drop(pipe, NTM_PIPE_DROP_AUTH, 1);
	count_forged(pipe, seg->path);
}

static void work_message(struct ntm_pipe *pipe, struct ntm_in_vec *vec, uint8_t i,
			 unsigned int thread)
{
	const struct ntm_sock_meta *meta = &vec->meta[i];
	uint8_t *p = vec->buf + i * (size_t)NTM_SOCK_SIZE;
	unsigned int left = vec->read.msgs[i].msg_len, len;

	for (; left; p += len, left -= len) {
		len = left < meta->size ? left : meta->size;
		if (ntm_wire_is_data(*p))
			open_data(pipe, vec, i, p, len, thread);
		else if (!ntm_pipe_signal(&pipe->events, &meta->from, vec->port, p, len))
			ntm_pipe_drop(pipe, NTM_PIPE_DROP_NO_MEM, 1);
	}
}

static void work(void *ctx, void *v, unsigned int thread)
{
	struct ntm_in_vec *vec = v;

	vec->count = 0;
	for (unsigned int i = 0; i < vec->read.count; i++)
		if (ntm_sock_meta(&vec->read, i, &vec->meta[i]))
			work_message(ctx, vec, (uint8_t)i, thread);
}

/* Delivering */

static atomic_bool *offload_for(struct ntm_pipe *pipe, uint8_t proto)
{
	return proto == IPPROTO_UDP ? &pipe->tun.merge_udp : &pipe->tun.merge_tcp;
}

/* It may have been switched off since the segment was parsed */
static bool may_merge(struct ntm_pipe *pipe, const struct ntm_seg *seg)
{
	return seg->proto &&
	       atomic_load_explicit(offload_for(pipe, seg->proto), memory_order_relaxed);
}

static int write_segment(struct ntm_pipe *pipe, const struct ntm_merge *merge, unsigned int i)
{
	struct virtio_net_hdr none = { 0 };
	struct iovec iov[2] = { { &none, sizeof(none) }, ntm_merge_segment(merge, i) };

	return ntm_tun_write(&pipe->tun, iov, 2);
}

/*
 * The device took no GSO packet. If it takes a single segment of it, merging is to blame, and is over; if not, the device is down,
 * or whatever it is.
 */
static void write_each(struct ntm_pipe *pipe, struct ntm_merge *merge)
{
	int err;

	ntm_merge_undo(merge);
	err = write_segment(pipe, merge, 0);
	if (err) {
		ntm_pipe_written(pipe, err, merge->count);
		return;
	}
	if (atomic_exchange(offload_for(pipe, merge->head.proto), false))
		ntm_pipe_note(
			&pipe->events,
			"the TUN device refuses a packet of merged segments: writing them one by one");
	for (unsigned int i = 1; i < merge->count; i++)
		ntm_pipe_written(pipe, write_segment(pipe, merge, i), 1);
}

static void flush(struct ntm_pipe *pipe, struct ntm_merge *merge)
{
	int err;

	if (!merge->count)
		return;
	ntm_merge_finish(merge);
	err = ntm_tun_write(&pipe->tun, merge->iov, merge->iov_count);
	if ((err == -EINVAL || err == -EIO) && merge->count > 1)
		write_each(pipe, merge);
	else
		ntm_pipe_written(pipe, err, merge->count);
	merge->count = 0;
}

static void count_received(const struct in_seg *seg, uint64_t packets, uint64_t bytes)
{
	if (!packets)
		return;
	atomic_fetch_add_explicit(&seg->path->rx_packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&seg->path->rx_bytes, bytes, memory_order_relaxed);
}

/*
 * The port that answers is the one that a packet came to, the path's own or the pipe's: that is what its sender can reach. True if
 * packets to @endpoint leave by the other one.
 */
static bool other_port(const struct ntm_path *path, const struct ntm_endpoint *endpoint,
		       const union ntm_addr *from, bool own_port)
{
	const struct ntm_pipe_port *port = atomic_load(&path->port);

	return port && port->family == from->sa.sa_family &&
	       atomic_load_explicit(&endpoint->own_port, memory_order_relaxed) != own_port;
}

static bool is_own_port(const struct ntm_path *path, uint32_t port)
{
	const struct ntm_pipe_port *own = atomic_load(&path->port);

	return own && own->id == port;
}

/*
 * The peer sends from elsewhere, or to another address of ours: the path follows at once (its owner is told), but never to a relay:
 * whether it goes by one is the owner's to decide.
 */
static void follow(struct ntm_pipe *pipe, struct ntm_path *path, const struct ntm_sock_meta *meta,
		   uint32_t port)
{
	const struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);
	const bool moved = !endpoint || !ntm_addr_equal(&endpoint->peer, &meta->from);
	const struct ntm_pipe_net *net = atomic_load(&pipe->net);
	const bool own_port = is_own_port(path, port);

	if (!moved && !other_port(path, endpoint, &meta->from, own_port) &&
	    (!meta->local.sa.sa_family || ntm_addr_equal(&endpoint->local, &meta->local)))
		return;
	if (moved && ntm_path_is_relay(path, &meta->from))
		return;
	if ((net && ntm_pipe_is_virtual(net, &meta->from)) ||
	    ntm_path_move(&pipe->paths, path, &meta->from, &meta->local, own_port) || !moved)
		return;
	ntm_pipe_hint(pipe, path, NTM_HINT_MOVED);
}

/* False: it goes no further. A packet that was heard before is no sign of life. */
static bool let_in(struct ntm_pipe *pipe, struct ntm_in_vec *vec, struct in_seg *seg, uint64_t now)
{
	const enum ntm_replay_verdict verdict =
		ntm_replay_window_accept(&seg->key->replay, seg->ctr);

	if (verdict == NTM_REPLAY_REFUSED) {
		ntm_pipe_drop(pipe, NTM_PIPE_DROP_REPLAY, 1);
		return false;
	}
	atomic_store_explicit(&seg->path->last_rx, now, memory_order_relaxed);
	if (ntm_path_confirm(&pipe->paths, seg->path, seg->key))
		ntm_pipe_tell(&pipe->events, NTM_PIPE_CONFIRMED, seg->path->id, seg->key->epoch);
	if (ntm_path_heard(seg->path, seg->key->epoch) && verdict == NTM_REPLAY_NEWEST)
		follow(pipe, seg->path, &vec->meta[seg->meta], vec->port);
	if (seg->drop != NTM_PIPE_DROPS) {
		ntm_pipe_drop(pipe, seg->drop, 1);
		return false;
	}
	return seg->seg.len;
}

static void drain(void *ctx, void *v, unsigned int thread)
{
	struct ntm_pipe *pipe = ctx;
	struct ntm_in_vec *vec = v;
	const uint64_t now = ntm_clock_ms();
	uint64_t packets = 0, bytes = 0;

	(void)thread;
	vec->merge.count = 0;
	for (unsigned int i = 0; i < vec->count; i++) {
		struct in_seg *seg = &vec->segs[i];

		if (i && seg->path != seg[-1].path) {
			count_received(seg - 1, packets, bytes);
			packets = bytes = 0;
		}
		if (!let_in(pipe, vec, seg, now))
			continue;
		packets++;
		bytes += seg->seg.len;
		if (vec->merge.count && may_merge(pipe, &seg->seg) &&
		    ntm_merge_add(&vec->merge, &seg->seg))
			continue;
		flush(pipe, &vec->merge);
		ntm_merge_begin(&vec->merge, &seg->seg);
	}
	flush(pipe, &vec->merge);
	if (vec->count)
		count_received(&vec->segs[vec->count - 1], packets, bytes);
}

static void wait_udp(void *ctx)
{
	struct ntm_pipe *pipe = ctx;

	ntm_pipe_ports_wait(&pipe->ports, &pipe->sock, &pipe->ready);
}

static void kick(void *ctx)
{
	struct ntm_pipe *pipe = ctx;
	const uint64_t one = 1;

	(void)!write(pipe->kick[0], &one, sizeof(one));
}

const struct ntm_lane_ops ntm_pipe_in_ops = { .fill = fill,
					      .work = work,
					      .drain = drain,
					      .wait = wait_udp,
					      .kick = kick };
