/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet path in user space: TUN device - cut, seal - UDP sockets, and back. It knows paths and keys, and no role: a relay
 * will use the same lanes.
 *
 *	out-lane: read the TUN device | look the path up, cut, seal   | send by UDP
 *	in-lane:  read the sockets    | look the path up, open, check | replay window, merge, write to the TUN device
 *	          its reader            any thread                      one thread at a time, in order (lane.h)
 *
 * The owner is one thread. It changes paths, and takes events (event.h); everything below belongs to it unless another is named.
 */
#ifndef NTM_PIPE_H
#define NTM_PIPE_H

#include <stddef.h>
#include <stdint.h>
#include "pipe/event.h"
#include "pipe/lane.h"
#include "pipe/path.h"
#include "pipe/port.h"
#include "pipe/sock.h"
#include "pipe/tun.h"

#define NTM_PIPE_MTU4 \
	(1500 - 20 - 8 - NTM_WIRE_OVERHEAD) /* inner bytes over IPv4 on a link of 1500 */
#define NTM_PIPE_MTU_MIN 576u

/* Why a packet was dropped; in the order of enum ntm_stats_attr (uapi.h) */
enum ntm_pipe_drop {
	NTM_PIPE_DROP_SHORT,
	NTM_PIPE_DROP_PATH,
	NTM_PIPE_DROP_KEY,
	NTM_PIPE_DROP_AUTH,
	NTM_PIPE_DROP_REPLAY,
	NTM_PIPE_DROP_SOURCE,
	NTM_PIPE_DROP_INNER,
	NTM_PIPE_DROP_NO_PATH,
	NTM_PIPE_DROP_NO_KEY,
	NTM_PIPE_DROP_TOO_BIG,
	NTM_PIPE_DROP_LOOP,
	NTM_PIPE_DROP_NO_MEM, /* or no room in a queue of the kernel's */
	NTM_PIPE_DROP_NO_ROUTE,
	NTM_PIPE_DROPS,
};

#define NTM_PIPE_NETS 16

/** struct ntm_pipe_prefix - a network beside the virtual one that is virtual, too; @addr: the first 4 bytes for AF_INET */
struct ntm_pipe_prefix {
	int family;
	uint8_t addr[16];
	uint8_t bits;
};

/** struct ntm_pipe_net - the virtual network as the lease gives it, and the others; immutable. Only packets from @own reach @stub */
struct ntm_pipe_net {
	struct ntm_garbage garbage;
	bool has4, has6;
	struct in_addr net4, stub4, own4;
	struct in6_addr net6, stub6, own6;
	uint8_t prefix4, prefix6;
	struct ntm_pipe_prefix others[NTM_PIPE_NETS];
	unsigned int other_count;
};

struct ntm_out_vec;

/** typedef ntm_pipe_source_fn - any thread: may packets to @to leave with our address @from, as routes are now? */
typedef bool ntm_pipe_source_fn(const union ntm_addr *from, const union ntm_addr *to);

/** struct ntm_pipe - the whole; read-only for the threads but where it says otherwise */
struct ntm_pipe {
	struct ntm_tun tun;
	struct ntm_sock sock;
	struct ntm_pipe_ports ports;
	struct ntm_paths paths;
	struct ntm_lane in, out;
	struct ntm_crew crew;
	struct ntm_pipe_queue events;
	struct ntm_pipe_net *_Atomic net; /* NULL: no lease yet */
	ntm_pipe_source_fn *source;	  /* NULL: they always may */
	_Atomic uint32_t routes;	  /* changes with them; even, and never 0 */
	_Atomic uint64_t drops[NTM_PIPE_DROPS];
	_Atomic uint64_t forged; /* ms at which a second of them began << 20 | number */
	_Atomic uint64_t icmp_ms;
	atomic_bool hints_later;
	atomic_int lost;      /* negative errno: the TUN device is gone */
	unsigned int threads; /* numbers of threads; the owner's is the last */
	int kick[2];	      /* eventfds that wake the readers */
	bool running;
	void *vecs[2][NTM_LANE_MAX];
	void *own;	 /* the owner's, for what it sends itself */
	bool told_plain; /* the out-lane's reader, as is */
	unsigned int unreadable;
	struct ntm_sock_ready ready; /* the in-lane's reader, as is */
	bool ports_first;
};

/**
 * ntm_pipe_open() - start
 * @pipe:	zeroed, and in place until ntm_pipe_close()
 * @tun:	taken over, also on failure
 * @crew:	threads beside the two readers
 * @wake:	called from any thread when there are events, or something for ntm_paths_collect()
 *
 * 0 or a negative errno, with a sentence in @why.
 */
int ntm_pipe_open(struct ntm_pipe *pipe, const struct ntm_tun *tun, int fd4, int fd6,
		  unsigned int crew, ntm_pipe_wake_fn *wake, void *ctx, char *why, size_t size);
/** ntm_pipe_close() - ends the threads, frees all. The sockets stay as they are. */
void ntm_pipe_close(struct ntm_pipe *pipe);

/**
 * ntm_pipe_lost() - a negative errno once the TUN device is gone, else 0; the owner is woken when that happens
 *
 * No event, since those may be lost, and this comes once.
 */
int ntm_pipe_lost(struct ntm_pipe *pipe);

/**
 * ntm_pipe_hints() - post what lanes had to tell of paths, and was held back
 *
 * True if there is more, for later: to be called every NTM_HINT_MS or so until it is not. The owner is woken when that begins.
 */
bool ntm_pipe_hints(struct ntm_pipe *pipe);

/**
 * ntm_pipe_port_give() - a path gets a socket of its own in place of any before
 * @fd:		bound, of one family; duplicated. It may be read by nobody else
 * @id:		what events of signalling call it
 *
 * The present endpoint's packets leave by it if they did by the one before; see ntm_pipe_port_use(). 0, -ENOSPC if NTM_PIPE_PORTS
 * paths have one, or another negative errno.
 */
int ntm_pipe_port_give(struct ntm_pipe *pipe, struct ntm_path *path, int fd, uint32_t *id);
/** ntm_pipe_port_use() - packets to the present endpoint leave by the path's port */
void ntm_pipe_port_use(struct ntm_path *path);
/** ntm_pipe_port_take() - it has none any more */
void ntm_pipe_port_take(struct ntm_pipe *pipe, struct ntm_path *path);

/** ntm_pipe_net() - the virtual networks; copied. 0 or -ENOMEM */
int ntm_pipe_net(struct ntm_pipe *pipe, const struct ntm_pipe_net *net);
/** ntm_pipe_is_virtual() - any thread: does this address lie in one of the virtual networks? */
bool ntm_pipe_is_virtual(const struct ntm_pipe_net *net, const union ntm_addr *addr);

/**
 * ntm_pipe_sources() - our address that a peer last sent to is kept as the source of what it is sent only where @source says so
 *
 * Before the first path. It is asked when a packet leaves for an endpoint for the first time, or since ntm_pipe_routes().
 */
void ntm_pipe_sources(struct ntm_pipe *pipe, ntm_pipe_source_fn *source);
/** ntm_pipe_routes() - routes may have changed */
void ntm_pipe_routes(struct ntm_pipe *pipe);

/** ntm_pipe_inject() - send a packet as if it had been read from the TUN device (to which it is no answer: a miss of it is a drop) */
void ntm_pipe_inject(struct ntm_pipe *pipe, const struct virtio_net_hdr *vnet,
		     const uint8_t *packet, size_t len);
/** ntm_pipe_confirm() - send an empty packet: it shows the peer the newest key */
void ntm_pipe_confirm(struct ntm_pipe *pipe, struct ntm_path *path);
/** ntm_pipe_deliver() - any thread: write a packet of our own making to the TUN device */
void ntm_pipe_deliver(struct ntm_pipe *pipe, const uint8_t *packet, size_t len);

/* For the lanes */
/** ntm_pipe_hint() - any thread: tell the owner of @path, now or later */
void ntm_pipe_hint(struct ntm_pipe *pipe, struct ntm_path *path, enum ntm_hint_type what);
void ntm_pipe_drop(struct ntm_pipe *pipe, enum ntm_pipe_drop why, uint64_t n);
/** ntm_pipe_written() - what became of a write of @n packets to the TUN device: 0 or a negative errno, which is counted */
void ntm_pipe_written(struct ntm_pipe *pipe, int err, uint64_t n);
void ntm_pipe_lose(struct ntm_pipe *pipe, int err); /* the TUN device is gone */

extern const struct ntm_lane_ops ntm_pipe_in_ops, ntm_pipe_out_ops;
size_t ntm_pipe_in_size(void);
size_t ntm_pipe_out_size(void);

#endif
