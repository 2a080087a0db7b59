/* SPDX-License-Identifier: GPL-2.0 */
/* The UDP sockets of a pipe: GRO aggregates in, GSO packets out, in batches. They belong to somebody else. */
#ifndef NTM_PIPE_SOCK_H
#define NTM_PIPE_SOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "common/addr.h"

#define NTM_SOCK_BATCH 8     /* aggregates read at once */
#define NTM_SOCK_SIZE 65536u /* bytes of one */
#define NTM_SOCK_SEGS 64u    /* datagrams in a GSO packet, the kernel's limit before 6.9 */
#define NTM_SOCK_LEN 65000u  /* bytes of one, headers and a margin off the 64 KB */
#define NTM_SOCK_CONTROL 128

struct ntm_pipe_port;
struct pollfd;

/**
 * struct ntm_sock - the sockets
 * @fd4, @fd6:	-1: none; @fd6 also serves IPv4 where @mapped
 * @gso:	the kernel cuts datagrams; switched off when it turns out not to
 * @gso_again_ms: when that is tried again, or was last; 0: never
 * @gso_wait_ms: how long it was left alone before
 * @gso_told:	ntm_sock_news() said that it is off
 */
struct ntm_sock {
	int fd4, fd6;
	bool mapped;
	atomic_bool gso;
	_Atomic uint64_t gso_again_ms, gso_wait_ms;
	bool gso_told;
};

/** struct ntm_sock_in - a batch as it was read; @size: of a datagram in an aggregate */
struct ntm_sock_in {
	unsigned int count;
	struct mmsghdr msgs[NTM_SOCK_BATCH];
	struct iovec iov[NTM_SOCK_BATCH];
	struct sockaddr_in6 from[NTM_SOCK_BATCH];
	uint8_t control[NTM_SOCK_BATCH][NTM_SOCK_CONTROL] __attribute__((aligned(16)));
};

/** struct ntm_sock_meta - what came with an aggregate */
struct ntm_sock_meta {
	union ntm_addr from, local; /* local: family 0 if not told */
	unsigned int size;
	uint8_t tos;
};

/**
 * struct ntm_sock_out - datagrams of @size bytes, the last may be shorter, to one address
 * @cut:	known to be larger than the way carries: without DF, whatever the route says
 * @port:	the socket that it leaves by, of @to's family; NULL: one of our own
 * @patient:	wait a moment where the socket is full: in threads that do nothing else
 */
struct ntm_sock_out {
	const union ntm_addr *to, *local;
	const uint8_t *data;
	unsigned int len, size;
	uint8_t tos;
	bool cut;
	bool patient;
	const struct ntm_pipe_port *port;
};

/**
 * struct ntm_sock_ready - what a reader knows of its sockets; @v4 and @v6 true at first
 * @six:	whose turn it was: each family comes first in turn, so that a flood on one does not silence the other
 * @said:	a socket said that it can be read, and was not read since
 */
struct ntm_sock_ready {
	bool v4, v6;
	bool six, said;
};

/** ntm_sock_init() - set the options that the pipe needs: GRO, TOS, DF, the address a packet was sent to, no queue of errors */
void ntm_sock_init(struct ntm_sock *sock, int fd4, int fd6);

/** ntm_sock_prepare() - the same for a socket of one family alone, which is no struct ntm_sock's */
void ntm_sock_prepare(int fd, int family);

/** ntm_sock_read() - a batch from @fd to @bufs (NTM_SOCK_SIZE bytes each); messages, or a negative errno */
int ntm_sock_read(int fd, struct ntm_sock_in *in, uint8_t *bufs);
/**
 * ntm_sock_read_ready() - a batch from a socket that may have one
 *
 * Messages; 0: none is there, wait; a negative errno: an error that waited on a socket, and is taken away, or (-EAGAIN) a socket
 * that said it can be read, and cannot: rest a little, then wait. A socket that gave less than a batch is not asked again before
 * ntm_sock_wait(): that would most often be for nothing.
 */
int ntm_sock_read_ready(const struct ntm_sock *sock, struct ntm_sock_ready *ready,
			struct ntm_sock_in *in, uint8_t *bufs);
/** ntm_sock_wait() - until a socket can be read, or the eventfd @kick */
void ntm_sock_wait(const struct ntm_sock *sock, struct ntm_sock_ready *ready, int kick);
/** ntm_sock_poll() - the same with more to wait for: the caller's, from @pfd[2] on, of @count in all */
void ntm_sock_poll(const struct ntm_sock *sock, struct ntm_sock_ready *ready, struct pollfd *pfd,
		   unsigned int count);
/** ntm_sock_meta() - of message @i. False: to be dropped */
bool ntm_sock_meta(const struct ntm_sock_in *in, unsigned int i, struct ntm_sock_meta *meta);

/**
 * ntm_sock_send() - send one
 *
 * 0 or a negative errno; -EMSGSIZE: larger than the path MTU. A source address that is no longer ours is left out.
 */
int ntm_sock_send(struct ntm_sock *sock, const struct ntm_sock_out *out);
/**
 * ntm_sock_send_some() - send the first ones of @count, with as few system calls as can be
 *
 * Returns how many are done with, at least 1; @err is what became of the last of them, the others were sent.
 */
unsigned int ntm_sock_send_some(struct ntm_sock *sock, const struct ntm_sock_out *outs,
				unsigned int count, int *err);
/** ntm_sock_links_changed() - any thread: what could not cut may be another device's matter now */
void ntm_sock_links_changed(struct ntm_sock *sock);
/** ntm_sock_news() - one thread alone: what the log is to say of cutting that it does not yet; NULL: nothing */
const char *ntm_sock_news(struct ntm_sock *sock);

#endif
