// SPDX-License-Identifier: GPL-2.0
/*
 * The data plane "user": pipe/relay.h, in threads of its own. They read the UDP sockets; what is signalling comes back as an event,
 * and is given to the owner of the sockets as if it had been read there. All of this file runs in the loop's thread, but wake().
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "pipe/relay.h"
#include "rs/plane.h"

#define TICK_MS 200u
#define EVENTS_AT_ONCE 256u /* others on the loop get their turn */
#define CREW_MAX 14u

/** struct ntm_rs_plane - @handles: of libuv, that are not closed yet; the last one frees all this */
struct ntm_rs_plane {
	struct ntm_relay relay;
	struct ntm_udp *udp;
	uv_async_t wake;
	uv_timer_t tick;
	unsigned int handles;
	bool open, closing;
};

/* Garbage is looked after while there is any */

static void on_tick(uv_timer_t *timer)
{
	struct ntm_rs_plane *plane = timer->data;

	if (!ntm_relay_collect(&plane->relay))
		uv_timer_stop(timer);
}

static void collect(struct ntm_rs_plane *plane)
{
	if (ntm_relay_collect(&plane->relay) && !uv_is_active((uv_handle_t *)&plane->tick))
		uv_timer_start(&plane->tick, on_tick, TICK_MS, TICK_MS);
}

/* Paths */

static int user_bind(struct ntm_rs_plane *plane, const struct ntm_rs_path *path, unsigned int end,
		     const union ntm_addr *addr)
{
	struct ntm_relay_path *entry = ntm_relay_find(&plane->relay, path->id);
	const bool fresh = !entry;
	int err;

	if (fresh) {
		if (!addr)
			return 0;
		entry = ntm_relay_add(&plane->relay, path->id);
		if (!entry)
			return -ENOMEM;
		ntm_relay_set_rate(entry, path->rate);
	}
	err = ntm_relay_bind_end(&plane->relay, entry, end, addr);
	if (err && fresh)
		ntm_relay_remove(&plane->relay, entry);
	collect(plane);
	return err;
}

static int user_rate(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	struct ntm_relay_path *entry = ntm_relay_find(&plane->relay, path->id);

	if (entry)
		ntm_relay_set_rate(entry, path->rate);
	return 0;
}

static int user_del(struct ntm_rs_plane *plane, const struct ntm_rs_path *path)
{
	struct ntm_relay_path *entry = ntm_relay_find(&plane->relay, path->id);

	if (!entry)
		return 0;
	ntm_relay_remove(&plane->relay, entry);
	collect(plane);
	return 0;
}

static void user_totals(struct ntm_rs_plane *plane, struct ntm_rs_totals *totals)
{
	totals->packets = totals->mark = atomic_load(&plane->relay.packets);
	totals->bytes = atomic_load(&plane->relay.bytes);
	totals->age_ms = 0;
}

static int user_drops(struct ntm_rs_plane *plane, uint64_t drops[NTM_RS_PLANE_DROPS])
{
	static const enum ntm_rs_plane_drop as[NTM_RELAY_DROPS] = {
		[NTM_RELAY_DROP_SHORT] = NTM_RS_PLANE_SHORT,
		[NTM_RELAY_DROP_PATH] = NTM_RS_PLANE_PATH,
		[NTM_RELAY_DROP_SOURCE] = NTM_RS_PLANE_SOURCE,
		[NTM_RELAY_DROP_UNBOUND] = NTM_RS_PLANE_UNBOUND,
		[NTM_RELAY_DROP_RATE] = NTM_RS_PLANE_RATE,
		[NTM_RELAY_DROP_SEND] = NTM_RS_PLANE_SEND,
		[NTM_RELAY_DROP_NO_MEM] = NTM_RS_PLANE_NO_MEM,
	};

	memset(drops, 0, NTM_RS_PLANE_DROPS * sizeof(*drops));
	for (unsigned int i = 0; i < NTM_RELAY_DROPS; i++)
		drops[as[i]] += atomic_load(&plane->relay.drops[i]);
	return 0;
}

/* Events of the pipe */

static void event_one(struct ntm_rs_plane *plane, const struct ntm_pipe_event *event)
{
	if (event->type == NTM_PIPE_SIGNAL)
		ntm_udp_deliver(plane->udp, event->data, event->len, &event->addr);
	else if (event->type == NTM_PIPE_NOTE)
		ntm_info("%s", (const char *)event->data);
}

static void on_wake(uv_async_t *async)
{
	struct ntm_rs_plane *plane = async->data;
	struct ntm_pipe_event *event;
	unsigned int n = 0;

	while (!plane->closing && n++ < EVENTS_AT_ONCE &&
	       (event = ntm_pipe_take(&plane->relay.events))) {
		event_one(plane, event);
		free(event);
	}
	if (!plane->closing && n > EVENTS_AT_ONCE)
		uv_async_send(&plane->wake);
}

static void wake(void *ctx)
{
	struct ntm_rs_plane *plane = ctx;

	uv_async_send(&plane->wake);
}

/* Opening and closing */

/* Beside the reader, and leaving one processor to the kernel */
static unsigned int crew_of(unsigned long threads)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	if (threads)
		return (unsigned int)threads - 1;
	n -= 2;
	return n < 0 ? 0 : n > (int)CREW_MAX ? CREW_MAX : (unsigned int)n;
}

static int open_loop(struct ntm_rs_plane *plane, uv_loop_t *loop)
{
	int err = uv_async_init(loop, &plane->wake, on_wake);

	if (err)
		return err;
	plane->wake.data = plane;
	plane->handles++;
	err = uv_timer_init(loop, &plane->tick);
	if (err)
		return err;
	plane->tick.data = plane;
	plane->handles++;
	return 0;
}

static void handle_closed(uv_handle_t *handle)
{
	struct ntm_rs_plane *plane = handle->data;

	if (!--plane->handles)
		free(plane);
}

/* The memory stays until the loop has closed the handles: a callback of ours may be below us on the stack */
static void user_close(struct ntm_rs_plane *plane)
{
	if (plane->closing)
		return;
	plane->closing = true;
	if (plane->open) {
		ntm_relay_close(&plane->relay);
		ntm_udp_resume(plane->udp);
	}
	if (!plane->handles) {
		free(plane);
		return;
	}
	if (plane->handles > 1)
		uv_close((uv_handle_t *)&plane->tick, handle_closed);
	uv_close((uv_handle_t *)&plane->wake, handle_closed);
}

static int user_open(struct ntm_rs_plane **out, const struct ntm_rs_plane_open *how, char *why,
		     size_t size)
{
	struct ntm_rs_plane *plane = aligned_alloc(64, (sizeof(*plane) + 63) / 64 * 64);
	int err;

	*out = NULL;
	snprintf(why, size, "out of memory");
	if (!plane)
		return -ENOMEM;
	memset(plane, 0, sizeof(*plane));
	plane->udp = how->udp;
	err = open_loop(plane, how->loop);
	if (!err) {
		ntm_udp_pause(how->udp);
		err = ntm_relay_open(&plane->relay, ntm_udp_fd(how->udp, AF_INET),
				     ntm_udp_fd(how->udp, AF_INET6), crew_of(how->config->threads),
				     0, wake, plane);
		plane->open = !err;
		if (err)
			ntm_udp_resume(how->udp);
	}
	if (err) {
		snprintf(why, size, "cannot start the relay's threads: %s", strerror(-err));
		user_close(plane);
		return err;
	}
	*out = plane;
	return 0;
}

const struct ntm_rs_plane_ops ntm_rs_plane_user = {
	.name = "user",
	.open = user_open,
	.bind = user_bind,
	.rate = user_rate,
	.del = user_del,
	.totals = user_totals,
	.drops = user_drops,
	.close = user_close,
};
