/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The relay in user space: one lane from the UDP sockets to the UDP sockets. Data packets are forwarded by Path ID, as they are,
 * between the two ends that are bound to the path; an aggregate leaves as it came, from the buffer it was read into. Everything
 * else on the port goes to the owner as an event.
 *
 * The owner is one thread: it adds, binds and removes paths. Times are monotonic milliseconds.
 */
#ifndef NTM_PIPE_RELAY_H
#define NTM_PIPE_RELAY_H

#include "pipe/event.h"
#include "pipe/garbage.h"
#include "pipe/index.h"
#include "pipe/lane.h"
#include "pipe/sock.h"

enum ntm_relay_drop {
	NTM_RELAY_DROP_SHORT,
	NTM_RELAY_DROP_PATH,	/* unknown Path ID */
	NTM_RELAY_DROP_SOURCE,	/* not from an end of the path */
	NTM_RELAY_DROP_UNBOUND, /* the other end has not come yet */
	NTM_RELAY_DROP_RATE,
	NTM_RELAY_DROP_SEND,
	NTM_RELAY_DROP_NO_MEM,
	NTM_RELAY_DROPS,
};

/** struct ntm_relay_end - the address of an end; immutable */
struct ntm_relay_end {
	struct ntm_garbage garbage;
	union ntm_addr addr;
};

/**
 * struct ntm_relay_path - a path that a DC directed
 * @id:		network order
 * @ends:	initiator, responder; NULL: not bound
 * @rate:	bytes a second that it may carry, 0: any number
 * @tokens, @tokens_ms: bytes that may pass now; the drain's
 */
struct ntm_relay_path {
	struct ntm_garbage garbage;
	uint32_t id;
	struct ntm_relay_end *_Atomic ends[2];
	_Atomic uint64_t packets, bytes, last_ms;
	_Atomic uint64_t rate;
	uint64_t tokens, tokens_ms;
};

/** struct ntm_relay - the whole; @packets, @bytes: all that was sent on; @rate: of a new path */
struct ntm_relay {
	struct ntm_sock sock;
	struct ntm_lane lane;
	struct ntm_crew crew;
	struct ntm_pipe_queue events;
	struct ntm_garbage_bin bin;
	struct ntm_index paths;
	uint64_t rate;
	_Atomic uint64_t packets, bytes;
	_Atomic uint64_t drops[NTM_RELAY_DROPS];
	int kick;
	bool running;
	struct ntm_sock_ready ready; /* the reader's */
	void *vecs[NTM_LANE_MAX];
};

/** ntm_relay_open() - @relay: zeroed, stays in place. The sockets stay somebody else's. 0 or a negative errno */
int ntm_relay_open(struct ntm_relay *relay, int fd4, int fd6, unsigned int crew, uint64_t rate,
		   ntm_pipe_wake_fn *wake, void *ctx);
void ntm_relay_close(struct ntm_relay *relay);

/** ntm_relay_find() - the owner; @id in host order */
struct ntm_relay_path *ntm_relay_find(struct ntm_relay *relay, uint32_t id);
/** ntm_relay_add() - NULL: no memory, or the ID is taken */
struct ntm_relay_path *ntm_relay_add(struct ntm_relay *relay, uint32_t id);
/** ntm_relay_bind_end() - an end (0 initiator, 1 responder) is at @addr now, NULL: nowhere; 0 or -ENOMEM */
int ntm_relay_bind_end(struct ntm_relay *relay, struct ntm_relay_path *path, unsigned int end,
		       const union ntm_addr *addr);
/** ntm_relay_set_rate() - bytes a second that the path may carry from now on, 0: any number */
void ntm_relay_set_rate(struct ntm_relay_path *path, uint64_t rate);
void ntm_relay_remove(struct ntm_relay *relay, struct ntm_relay_path *path);
/** ntm_relay_collect() - free what nobody uses any more; true: call again soon */
bool ntm_relay_collect(struct ntm_relay *relay);

#endif
