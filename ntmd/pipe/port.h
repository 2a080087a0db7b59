/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sockets of single paths, beside those of the pipe: paths whose packets leave by a port of their own.
 *
 * The owner adds and removes them while the in-lane's reader reads them. A port that is added or removed stands in a slot; the
 * reader, which is woken, goes through the slots when one has changed, and keeps a list that nobody else sees. It is also the
 * reader that gives a removed one away to be freed: a reader that waits holds sockets without holding a vector, so the lanes'
 * counters alone would let a descriptor be closed below it.
 */
#ifndef NTM_PIPE_PORT_H
#define NTM_PIPE_PORT_H

#include "pipe/garbage.h"
#include "pipe/sock.h"

#define NTM_PIPE_PORTS 64
#define NTM_PIPE_PORT_SLOTS (2 * NTM_PIPE_PORTS) /* some may wait for the reader to give them up */

/**
 * struct ntm_pipe_port - a UDP socket of a path; immutable but @gone
 * @fd:		a duplicate of its owner's descriptor, who may close that when the port was removed
 * @id:		never 0, which is the pipe's own sockets, and of no other port before
 */
struct ntm_pipe_port {
	struct ntm_garbage garbage;
	int fd, family;
	uint32_t id;
	atomic_bool gone;
};

/**
 * struct ntm_pipe_ports - all of a pipe
 * @kick:	eventfd that wakes the reader; the pipe's
 * @count, @last_id: the owner's
 * @mine, @mine_count, @may, @next, @unasked: the reader's: ports, which of them may have something, whose turn it is, and how often
 *		it has read without asking the kernel which have
 */
struct ntm_pipe_ports {
	struct ntm_garbage_bin *bin;
	int kick;
	struct ntm_pipe_port *_Atomic slots[NTM_PIPE_PORT_SLOTS];
	atomic_bool changed;
	unsigned int count;
	uint32_t last_id;
	struct ntm_pipe_port *mine[NTM_PIPE_PORTS];
	bool may[NTM_PIPE_PORTS];
	unsigned int mine_count, next, unasked;
};

/* The owner's */
/**
 * ntm_pipe_ports_add() - a bound UDP socket of one family
 * @replaces:	one is removed next, and does not count
 *
 * 0, -ENOSPC if there are NTM_PIPE_PORTS, or another negative errno.
 */
int ntm_pipe_ports_add(struct ntm_pipe_ports *ports, int fd, bool replaces,
		       struct ntm_pipe_port **port);
/** ntm_pipe_ports_remove() - no path leads to it any more; it is freed later */
void ntm_pipe_ports_remove(struct ntm_pipe_ports *ports, struct ntm_pipe_port *port);
/** ntm_pipe_ports_done() - the lanes have ended: free all that are left */
void ntm_pipe_ports_done(struct ntm_pipe_ports *ports);

/* The reader's */
/** ntm_pipe_ports_any() - are there any? Looks at changes first, so it is to be called before each read */
bool ntm_pipe_ports_any(struct ntm_pipe_ports *ports);
/** ntm_pipe_ports_read() - as ntm_sock_read_ready(), from one of the ports, which is @id */
int ntm_pipe_ports_read(struct ntm_pipe_ports *ports, struct ntm_sock_in *in, uint8_t *bufs,
			uint32_t *id);
/** ntm_pipe_ports_wait() - as ntm_sock_wait(), for the pipe's sockets and the ports */
void ntm_pipe_ports_wait(struct ntm_pipe_ports *ports, const struct ntm_sock *sock,
			 struct ntm_sock_ready *ready);

#endif
