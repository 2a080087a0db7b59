/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pipe's threads tell its owner: a bounded queue. Nothing of it happens for an ordinary packet. Events are hints, as on
 * the kernel path: one that finds its share of the queue full is lost, and timers make up for it.
 */
#ifndef NTM_PIPE_EVENT_H
#define NTM_PIPE_EVENT_H

#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/addr.h"

enum ntm_pipe_event_type {
	NTM_PIPE_MISS, /* packet in data: a virtual address (family, virt) without a path */
	NTM_PIPE_MOVED, /* path_id, addr: an authentic, newer packet came from there; the path uses it */
	NTM_PIPE_REKEY,	     /* path_id, number: epoch that needs a successor */
	NTM_PIPE_CONFIRMED,  /* path_id, number: epoch whose pending key is the sending key now */
	NTM_PIPE_AUTH_BURST, /* path_id, number: forged packets within a second */
	NTM_PIPE_MTU,	     /* path_id: what the way to its endpoint carries may have changed */
	NTM_PIPE_STUB,	     /* packet in data: to the stub resolver's address */
	NTM_PIPE_SIGNAL, /* datagram in data, from addr: signalling; number: the port it came to, 0: the pipe's own */
	NTM_PIPE_NOTE, /* text in data: for the log */
};

/** struct ntm_pipe_event - the fields that the type names; the owner frees it */
struct ntm_pipe_event {
	struct ntm_pipe_event *next;
	enum ntm_pipe_event_type type;
	uint32_t path_id; /* host order */
	uint32_t number;
	int family;
	uint8_t virt[16];
	union ntm_addr addr;
	struct virtio_net_hdr vnet;
	size_t len;
	uint8_t data[];
};

/** typedef ntm_pipe_wake_fn - any thread: there are events (and there were none) */
typedef void ntm_pipe_wake_fn(void *ctx);

/** struct ntm_pipe_share - of the queue's room, for events of one origin */
struct ntm_pipe_share {
	size_t count, bytes;
};

/**
 * struct ntm_pipe_queue
 * @strangers:	signalling: whoever sends some
 * @host:	what this host's own programs send, and the pipe has no answer to
 * @own:	all else: what the owner must know
 */
struct ntm_pipe_queue {
	pthread_mutex_t lock;
	struct ntm_pipe_event *first, **last;
	struct ntm_pipe_share strangers, host, own;
	ntm_pipe_wake_fn *wake;
	void *ctx;
};

void ntm_pipe_queue_init(struct ntm_pipe_queue *queue, ntm_pipe_wake_fn *wake, void *ctx);
void ntm_pipe_queue_done(struct ntm_pipe_queue *queue);
/** ntm_pipe_event() - a new one with room for @len bytes; NULL: no memory, or its share of the queue is full */
struct ntm_pipe_event *ntm_pipe_event(struct ntm_pipe_queue *queue, enum ntm_pipe_event_type type,
				      uint32_t path_id, const void *data, size_t len);
void ntm_pipe_post(struct ntm_pipe_queue *queue, struct ntm_pipe_event *event);
/** ntm_pipe_tell() - an event of a path and a number; @path_id in network order */
void ntm_pipe_tell(struct ntm_pipe_queue *queue, enum ntm_pipe_event_type type, uint32_t path_id,
		   uint32_t number);
void ntm_pipe_note(struct ntm_pipe_queue *queue, const char *text);
/**
 * ntm_pipe_signal() - a datagram of signalling, which came to @port (0: none of a path's)
 *
 * False: it is lost, since their share of the queue is full or it is longer than any message.
 */
bool ntm_pipe_signal(struct ntm_pipe_queue *queue, const union ntm_addr *from, uint32_t port,
		     const uint8_t *packet, size_t len);
/** ntm_pipe_take() - the owner: the oldest one, NULL: none */
struct ntm_pipe_event *ntm_pipe_take(struct ntm_pipe_queue *queue);

#endif
