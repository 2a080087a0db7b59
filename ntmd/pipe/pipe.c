// SPDX-License-Identifier: GPL-2.0
#include "pipe/pipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "pipe/out.h"

void ntm_pipe_drop(struct ntm_pipe *pipe, enum ntm_pipe_drop why, uint64_t n)
{
	atomic_fetch_add_explicit(&pipe->drops[why], n, memory_order_relaxed);
}

void ntm_pipe_lose(struct ntm_pipe *pipe, int err)
{
	atomic_store(&pipe->lost, err);
	pipe->events.wake(pipe->events.ctx);
}

int ntm_pipe_lost(struct ntm_pipe *pipe)
{
	return atomic_load(&pipe->lost);
}

/* The virtual network */

static bool in_prefix(const void *addr, const void *net, unsigned int bits)
{
	const uint8_t *a = addr, *n = net;
	const uint8_t mask = (uint8_t)(0xff00u >> (bits & 7));

	return !memcmp(a, n, bits / 8) && (!(bits & 7) || !((a[bits / 8] ^ n[bits / 8]) & mask));
}

bool ntm_pipe_is_virtual(const struct ntm_pipe_net *net, const union ntm_addr *addr)
{
	const int family = addr->sa.sa_family;
	const void *host = family == AF_INET ? (const void *)&addr->v4.sin_addr :
					       &addr->v6.sin6_addr;

	if (family == AF_INET ? net->has4 && in_prefix(host, &net->net4, net->prefix4) :
				net->has6 && in_prefix(host, &net->net6, net->prefix6))
		return true;
	for (unsigned int i = 0; i < net->other_count; i++)
		if (net->others[i].family == family &&
		    in_prefix(host, net->others[i].addr, net->others[i].bits))
			return true;
	return false;
}

int ntm_pipe_net(struct ntm_pipe *pipe, const struct ntm_pipe_net *net)
{
	struct ntm_pipe_net *copy = malloc(sizeof(*copy)), *old;

	if (!copy)
		return -ENOMEM;
	*copy = *net;
	old = atomic_exchange(&pipe->net, copy);
	if (old)
		ntm_garbage_discard(&pipe->paths.bin, &old->garbage, ntm_garbage_free);
	return 0;
}

/* Paths with a port of their own */

static void set_port(struct ntm_pipe *pipe, struct ntm_path *path, struct ntm_pipe_port *port)
{
	struct ntm_pipe_port *old = atomic_exchange(&path->port, port);

	if (old)
		ntm_pipe_ports_remove(&pipe->ports, old);
}

int ntm_pipe_port_give(struct ntm_pipe *pipe, struct ntm_path *path, int fd, uint32_t *id)
{
	struct ntm_pipe_port *port;
	int err = ntm_pipe_ports_add(&pipe->ports, fd, atomic_load(&path->port), &port);

	if (err)
		return err;
	*id = port->id;
	set_port(pipe, path, port);
	return 0;
}

/* In place: a packet may be moving the endpoint, which is not to be undone */
void ntm_pipe_port_use(struct ntm_path *path)
{
	struct ntm_endpoint *endpoint = atomic_load(&path->endpoint);

	if (endpoint)
		atomic_store_explicit(&endpoint->own_port, true, memory_order_relaxed);
}

void ntm_pipe_port_take(struct ntm_pipe *pipe, struct ntm_path *path)
{
	set_port(pipe, path, NULL);
}

/* Our own addresses */

void ntm_pipe_sources(struct ntm_pipe *pipe, ntm_pipe_source_fn *source)
{
	pipe->source = source;
}

/* An endpoint that was never looked at knows 0 */
void ntm_pipe_routes(struct ntm_pipe *pipe)
{
	const uint32_t next = atomic_load(&pipe->routes) + 2;

	atomic_store(&pipe->routes, next ? next : 2);
}

/* What the owner sends */

void ntm_pipe_inject(struct ntm_pipe *pipe, const struct virtio_net_hdr *vnet,
		     const uint8_t *packet, size_t len)
{
	ntm_out_one(pipe, pipe->own, vnet, packet, len);
}

void ntm_pipe_confirm(struct ntm_pipe *pipe, struct ntm_path *path)
{
	ntm_out_empty(pipe, pipe->own, path);
}

void ntm_pipe_deliver(struct ntm_pipe *pipe, const uint8_t *packet, size_t len)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { (void *)packet, len } };

	ntm_pipe_written(pipe, ntm_tun_write(&pipe->tun, iov, 2), 1);
}

/* A device that is down, or full, loses packets as any device does */
void ntm_pipe_written(struct ntm_pipe *pipe, int err, uint64_t n)
{
	if (err)
		ntm_pipe_drop(pipe,
			      err == -EIO || err == -EBADFD || err == -EBADF ?
				      NTM_PIPE_DROP_NO_ROUTE :
				      NTM_PIPE_DROP_NO_MEM,
			      n);
}

/* Opening and closing */

static int make_lanes(struct ntm_pipe *pipe, unsigned int crew)
{
	const unsigned int size = ntm_lane_ring(crew);
	int err = ntm_lane_vecs(pipe->vecs[0], size, ntm_pipe_in_size());

	if (!err)
		err = ntm_lane_vecs(pipe->vecs[1], size, ntm_pipe_out_size());
	if (err)
		return err;
	ntm_lane_init(&pipe->in, &ntm_pipe_in_ops, pipe, pipe->vecs[0], size, 0);
	ntm_lane_init(&pipe->out, &ntm_pipe_out_ops, pipe, pipe->vecs[1], size, 1);
	pipe->paths.bin.lanes[0] = &pipe->in;
	pipe->paths.bin.lanes[1] = &pipe->out;
	return 0;
}

static int make_parts(struct ntm_pipe *pipe, unsigned int crew)
{
	int err = ntm_paths_init(&pipe->paths);

	if (!err)
		err = make_lanes(pipe, crew);
	if (err)
		return err;
	err = ntm_lane_vecs(&pipe->own, 1, ntm_pipe_out_size());
	if (err)
		return err;
	for (int i = 0; i < 2; i++) {
		pipe->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (pipe->kick[i] < 0)
			return -errno;
	}
	pipe->ports.kick = pipe->kick[0];
	pipe->ports.bin = &pipe->paths.bin;
	return 0;
}

static int start_threads(struct ntm_pipe *pipe, unsigned int crew)
{
	struct ntm_lane *const lanes[] = { &pipe->in, &pipe->out };
	int err = ntm_crew_start(&pipe->crew, lanes, 2, crew, 2);

	if (err)
		return err;
	pipe->running = true;
	err = ntm_lane_start(&pipe->in, &pipe->crew);
	return err ? err : ntm_lane_start(&pipe->out, &pipe->crew);
}

int ntm_pipe_open(struct ntm_pipe *pipe, const struct ntm_tun *tun, int fd4, int fd6,
		  unsigned int crew, ntm_pipe_wake_fn *wake, void *ctx, char *why, size_t size)
{
	int err;

	memset(pipe, 0, sizeof(*pipe));
	pipe->tun = *tun;
	pipe->kick[0] = pipe->kick[1] = -1;
	pipe->threads = crew + 3;
	pipe->ready.v4 = pipe->ready.v6 = true;
	ntm_pipe_routes(pipe);
	ntm_pipe_queue_init(&pipe->events, wake, ctx);
	ntm_sock_init(&pipe->sock, fd4, fd6);
	err = make_parts(pipe, crew);
	pipe->paths.bin.wake = wake;
	pipe->paths.bin.ctx = ctx;
	if (!err)
		err = start_threads(pipe, crew);
	if (!err)
		return 0;
	snprintf(why, size, "the user-space path cannot start: %s", strerror(-err));
	ntm_pipe_close(pipe);
	return err;
}

/* First the readers, which wake the crew; that finishes what is under way, so that nothing is in flight when memory goes */
void ntm_pipe_close(struct ntm_pipe *pipe)
{
	if (pipe->running) {
		ntm_lane_stop(&pipe->out);
		ntm_lane_stop(&pipe->in);
		ntm_crew_stop(&pipe->crew);
	}
	ntm_tun_close(&pipe->tun);
	for (int i = 0; i < 2; i++)
		if (pipe->kick[i] >= 0)
			close(pipe->kick[i]);
	free(atomic_load(&pipe->net));
	ntm_pipe_ports_done(&pipe->ports);
	ntm_paths_done(&pipe->paths);
	ntm_pipe_queue_done(&pipe->events);
	ntm_lane_vecs_free(pipe->vecs[0], NTM_LANE_MAX, ntm_pipe_in_size());
	ntm_lane_vecs_free(pipe->vecs[1], NTM_LANE_MAX, ntm_pipe_out_size());
	ntm_lane_vecs_free(&pipe->own, 1, ntm_pipe_out_size());
}
