// SPDX-License-Identifier: GPL-2.0
#include "pipe/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "common/clock.h"
#include "ntmobile/wire.h"

#define RUNS 256u
#define BURST_MS 250u /* of a path's rate may pass at once, */
#define BURST 65535u  /* and so many bytes at least, as in the module: any aggregate fits */
#define FULL (UINT64_MAX / 2)
#define ELAPSED_MS 1000000u
#define NAP_NS 10000000

/** struct run - consecutive datagrams of one path in one direction, where they were read */
struct run {
	struct ntm_relay_path *path;
	const struct ntm_relay_end *to;
	const uint8_t *data;
	uint32_t len, size, count;
	uint8_t tos;
};

struct vec {
	struct ntm_sock_in read;
	struct ntm_sock_meta meta[NTM_SOCK_BATCH];
	unsigned int run_count;
	struct run runs[RUNS];
	uint8_t buf[NTM_SOCK_BATCH * (size_t)NTM_SOCK_SIZE] __attribute__((aligned(64)));
};

static void drop(struct ntm_relay *relay, enum ntm_relay_drop why, uint64_t n)
{
	atomic_fetch_add_explicit(&relay->drops[why], n, memory_order_relaxed);
}

/* Reading */

/* An error that stays must not become a busy loop */
static enum ntm_lane_fill fill(void *ctx, void *v)
{
	struct ntm_relay *relay = ctx;
	struct vec *vec = v;
	const int n = ntm_sock_read_ready(&relay->sock, &relay->ready, &vec->read, vec->buf);

	if (n > 0)
		return n == NTM_SOCK_BATCH ? NTM_LANE_MORE : NTM_LANE_SOME;
	if (n < 0)
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	return NTM_LANE_EMPTY;
}

/* Looking up */

/* Which end sent it; -1: neither */
static int end_of(const struct ntm_relay_path *path, const union ntm_addr *from)
{
	for (int i = 0; i < 2; i++) {
		const struct ntm_relay_end *end = atomic_load(&path->ends[i]);

		if (end && ntm_addr_equal(&end->addr, from))
			return i;
	}
	return -1;
}

/* The end that a packet from @from goes to; NULL: dropped and counted */
static const struct ntm_relay_end *way(struct ntm_relay *relay, const struct ntm_relay_path *path,
				       const union ntm_addr *from)
{
	const struct ntm_relay_end *to;
	int end = end_of(path, from);

	if (end < 0) {
		drop(relay, NTM_RELAY_DROP_SOURCE, 1);
		return NULL;
	}
	to = atomic_load(&path->ends[!end]);
	if (!to)
		drop(relay, NTM_RELAY_DROP_UNBOUND, 1);
	return to;
}

/* A datagram goes into the run before it, if it belongs there: the same path, right behind, and none shorter before it */
static bool follows(const struct run *run, const struct ntm_relay_path *path, const uint8_t *p,
		    uint32_t len)
{
	return run->path == path && run->data + run->len == p && run->len % run->size == 0 &&
	       len <= run->size && run->count < NTM_SOCK_SEGS && run->len + len <= NTM_SOCK_LEN;
}

static void take_data(struct ntm_relay *relay, struct vec *vec, const struct ntm_sock_meta *meta,
		      const uint8_t *p, uint32_t len)
{
	struct run *run = vec->run_count ? &vec->runs[vec->run_count - 1] : NULL;
	const struct ntm_relay_end *to;
	struct ntm_relay_path *path;
	struct ntm_wire_hdr header;

	if (len < NTM_WIRE_OVERHEAD) {
		drop(relay, NTM_RELAY_DROP_SHORT, 1);
		return;
	}
	memcpy(&header, p, sizeof(header));
	if (run && run->path->id == header.path_id && follows(run, run->path, p, len)) {
		run->len += len;
		run->count++;
		return;
	}
	path = ntm_index_find(&relay->paths, &header.path_id);
	if (!path) {
		drop(relay, NTM_RELAY_DROP_PATH, 1);
		return;
	}
	to = way(relay, path, &meta->from);
	if (!to)
		return;
	if (vec->run_count == RUNS) {
		drop(relay, NTM_RELAY_DROP_NO_MEM, 1);
		return;
	}
	vec->runs[vec->run_count++] = (struct run){ .path = path,
						    .to = to,
						    .data = p,
						    .len = len,
						    .size = len,
						    .count = 1,
						    .tos = meta->tos };
}

static void work(void *ctx, void *v, unsigned int thread)
{
	struct ntm_relay *relay = ctx;
	struct vec *vec = v;

	(void)thread;
	vec->run_count = 0;
	for (unsigned int i = 0; i < vec->read.count; i++) {
		const uint8_t *p = vec->buf + i * (size_t)NTM_SOCK_SIZE;
		uint32_t left = vec->read.msgs[i].msg_len, len;

		if (!ntm_sock_meta(&vec->read, i, &vec->meta[i]))
			continue;
		for (; left; p += len, left -= len) {
			len = left < vec->meta[i].size ? left : vec->meta[i].size;
			if (ntm_wire_is_data(*p))
				take_data(relay, vec, &vec->meta[i], p, len);
			else if (!ntm_pipe_signal(&relay->events, &vec->meta[i].from, 0, p, len))
				drop(relay, NTM_RELAY_DROP_NO_MEM, 1);
		}
	}
}

/* Sending */

/* Time that makes no whole byte yet goes on counting */
static void refill(struct ntm_relay_path *path, uint64_t rate, uint64_t now)
{
	const uint64_t elapsed = now - path->tokens_ms;
	const uint64_t more = (elapsed < ELAPSED_MS ? elapsed : ELAPSED_MS) * rate / 1000;

	if (!more)
		return;
	path->tokens += more;
	path->tokens_ms = now;
}

/* How many of a run's datagrams the rate of its path lets pass now */
static uint32_t admit(struct ntm_relay_path *path, const struct run *run, uint64_t now)
{
	const uint64_t rate = atomic_load_explicit(&path->rate, memory_order_relaxed);
	const uint64_t burst = rate * BURST_MS / 1000, most = burst < BURST ? BURST : burst;
	uint32_t count = run->count;

	if (!rate)
		return count;
	refill(path, rate, now);
	if (path->tokens > most)
		path->tokens = most;
	if (path->tokens < run->len)
		count = (uint32_t)(path->tokens / run->size);
	path->tokens -= count == run->count ? run->len : (uint64_t)count * run->size;
	return count;
}

static void count(struct ntm_relay *relay, const struct run *run, uint64_t now)
{
	struct ntm_relay_path *path = run->path;

	atomic_fetch_add_explicit(&path->packets, run->count, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->bytes, run->len, memory_order_relaxed);
	atomic_store_explicit(&path->last_ms, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&relay->packets, run->count, memory_order_relaxed);
	atomic_fetch_add_explicit(&relay->bytes, run->len, memory_order_relaxed);
}

/* False: nothing is left of it */
static bool shorten(struct ntm_relay *relay, struct run *run, uint64_t now)
{
	const uint32_t pass = admit(run->path, run, now);

	if (pass == run->count)
		return true;
	drop(relay, NTM_RELAY_DROP_RATE, run->count - pass);
	run->count = pass;
	run->len = pass * run->size;
	return pass;
}

/* Each is either counted as relayed or as a drop */
static void send_all(struct ntm_relay *relay, const struct ntm_sock_out *outs,
		     const struct run *runs, unsigned int n, uint64_t now)
{
	unsigned int done = 0, good, next;
	int err;

	while (done < n) {
		next = done + ntm_sock_send_some(&relay->sock, outs + done, n - done, &err);
		good = err ? next - 1 : next;
		for (; done < good; done++)
			count(relay, &runs[done], now);
		for (; done < next; done++)
			drop(relay, NTM_RELAY_DROP_SEND, runs[done].count);
	}
}

static void drain(void *ctx, void *v, unsigned int thread)
{
	struct ntm_relay *relay = ctx;
	struct vec *vec = v;
	struct ntm_sock_out outs[RUNS];
	const uint64_t now = ntm_clock_ms();
	unsigned int n = 0;
	const char *news;

	(void)thread;
	for (unsigned int i = 0; i < vec->run_count; i++) {
		struct run *run = &vec->runs[n];

		*run = vec->runs[i]; /* those that pass stand in front */
		if (!shorten(relay, run, now))
			continue;
		outs[n++] = (struct ntm_sock_out){ .to = &run->to->addr,
						   .data = run->data,
						   .len = run->len,
						   .size = run->size,
						   .tos = run->tos,
						   .patient = true };
	}
	send_all(relay, outs, vec->runs, n, now);
	news = ntm_sock_news(&relay->sock);
	if (news)
		ntm_pipe_note(&relay->events, news);
}

static void wait_udp(void *ctx)
{
	struct ntm_relay *relay = ctx;

	ntm_sock_wait(&relay->sock, &relay->ready, relay->kick);
}

static void kick(void *ctx)
{
	struct ntm_relay *relay = ctx;
	const uint64_t one = 1;

	(void)!write(relay->kick, &one, sizeof(one));
}

static const struct ntm_lane_ops ops = { .fill = fill,
					 .work = work,
					 .drain = drain,
					 .wait = wait_udp,
					 .kick = kick };

/* Paths */

static const void *id_of(const void *object)
{
	return &((const struct ntm_relay_path *)object)->id;
}

static const struct ntm_index_ops by_id = { id_of, sizeof(uint32_t) };

static void destroy_path(struct ntm_garbage *garbage)
{
	struct ntm_relay_path *path = (struct ntm_relay_path *)garbage;

	free(atomic_load(&path->ends[0]));
	free(atomic_load(&path->ends[1]));
	free(path);
}

struct ntm_relay_path *ntm_relay_find(struct ntm_relay *relay, uint32_t id)
{
	id = htonl(id);
	return ntm_index_find(&relay->paths, &id);
}

struct ntm_relay_path *ntm_relay_add(struct ntm_relay *relay, uint32_t id)
{
	struct ntm_relay_path *path;

	if (ntm_relay_find(relay, id) || ntm_index_reserve(&relay->paths))
		return NULL;
	path = calloc(1, sizeof(*path));
	if (!path)
		return NULL;
	path->id = htonl(id);
	path->tokens_ms = ntm_clock_ms();
	atomic_store(&path->rate, relay->rate);
	path->tokens = FULL; /* as much as the rate of its first packet allows */
	ntm_index_add(&relay->paths, path);
	return path;
}

int ntm_relay_bind_end(struct ntm_relay *relay, struct ntm_relay_path *path, unsigned int end,
		       const union ntm_addr *addr)
{
	struct ntm_relay_end *old = atomic_load(&path->ends[end]), *new = NULL;

	if (addr && old && ntm_addr_equal(&old->addr, addr))
		return 0;
	if (addr) {
		new = calloc(1, sizeof(*new));
		if (!new)
			return -ENOMEM;
		new->addr = *addr;
	}
	atomic_store(&path->ends[end], new);
	if (old)
		ntm_garbage_discard(&relay->bin, &old->garbage, ntm_garbage_free);
	return 0;
}

void ntm_relay_set_rate(struct ntm_relay_path *path, uint64_t rate)
{
	atomic_store_explicit(&path->rate, rate, memory_order_relaxed);
}

void ntm_relay_remove(struct ntm_relay *relay, struct ntm_relay_path *path)
{
	ntm_index_remove(&relay->paths, path);
	ntm_garbage_discard(&relay->bin, &path->garbage, destroy_path);
}

bool ntm_relay_collect(struct ntm_relay *relay)
{
	return ntm_garbage_collect(&relay->bin);
}

/* Opening and closing */

static int start(struct ntm_relay *relay, unsigned int crew)
{
	struct ntm_lane *const lanes[] = { &relay->lane };
	int err = ntm_index_init(&relay->paths, &by_id, &relay->bin);

	if (!err)
		err = ntm_lane_vecs(relay->vecs, ntm_lane_ring(crew), sizeof(struct vec));
	if (err)
		return err;
	relay->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (relay->kick < 0)
		return -errno;
	ntm_lane_init(&relay->lane, &ops, relay, relay->vecs, ntm_lane_ring(crew), 0);
	relay->bin.lanes[0] = &relay->lane;
	err = ntm_crew_start(&relay->crew, lanes, 1, crew, 1);
	if (err)
		return err;
	relay->running = true;
	return ntm_lane_start(&relay->lane, &relay->crew);
}

int ntm_relay_open(struct ntm_relay *relay, int fd4, int fd6, unsigned int crew, uint64_t rate,
		   ntm_pipe_wake_fn *wake, void *ctx)
{
	int err;

	memset(relay, 0, sizeof(*relay));
	relay->kick = -1;
	relay->ready.v4 = relay->ready.v6 = true;
	relay->rate = rate;
	ntm_pipe_queue_init(&relay->events, wake, ctx);
	ntm_sock_init(&relay->sock, fd4, fd6);
	err = start(relay, crew);
	if (err)
		ntm_relay_close(relay);
	return err;
}

static void free_path(void *ctx, void *path)
{
	(void)ctx;
	destroy_path(path);
}

void ntm_relay_close(struct ntm_relay *relay)
{
	if (relay->running) {
		ntm_lane_stop(&relay->lane);
		ntm_crew_stop(&relay->crew);
	}
	if (relay->kick >= 0)
		close(relay->kick);
	if (atomic_load(&relay->paths.slots))
		ntm_index_each(&relay->paths, free_path, NULL);
	ntm_garbage_empty(&relay->bin);
	ntm_index_done(&relay->paths);
	ntm_pipe_queue_done(&relay->events);
	ntm_lane_vecs_free(relay->vecs, NTM_LANE_MAX, sizeof(struct vec));
}
