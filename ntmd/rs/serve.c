// SPDX-License-Identifier: GPL-2.0
#include "rs/serve.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include "common/clock.h"
#include "common/keyfile.h"
#include "common/notify.h"
#include "rs/admin.h"

/* Not uv_now(): a request to the kernel may have taken longer than a round of the loop should. */
uint64_t ntm_rs_now_ms(void)
{
	return ntm_clock_ms();
}

/* Time */

static void on_timer(uv_timer_t *timer);

void ntm_rs_arm(struct ntm_rs *rs)
{
	const uint64_t next = ntm_rs_core_deadline(&rs->core), now = ntm_rs_now_ms();

	if (next == rs->timer_ms)
		return;
	rs->timer_ms = next;
	uv_update_time(&rs->loop);
	uv_timer_start(&rs->timer, on_timer, next > now ? next - now : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct ntm_rs *rs = timer->data;

	rs->timer_ms = 0;
	ntm_rs_core_tick(&rs->core, ntm_rs_now_ms());
	if (ntm_rs_core_drained(&rs->core, ntm_rs_now_ms()))
		uv_stop(&rs->loop);
	else
		ntm_rs_arm(rs);
}

/* Packets */

static void on_packet(void *ctx, const uint8_t *packet, size_t len, const union ntm_addr *from)
{
	struct ntm_rs *rs = ctx;

	ntm_rs_core_packet(&rs->core, packet, len, from, false, ntm_rs_now_ms());
	ntm_rs_arm(rs);
}

static void on_other_packet(void *ctx, const uint8_t *packet, size_t len,
			    const union ntm_addr *from)
{
	struct ntm_rs *rs = ctx;

	ntm_rs_core_packet(&rs->core, packet, len, from, true, ntm_rs_now_ms());
	ntm_rs_arm(rs);
}

static int io_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len,
		   bool other)
{
	struct ntm_rs *rs = ctx;

	/* So large is but a probe of how wide a way is: in fragments it would lie */
	if (len > NTM_DATAGRAM_MAX + NTM_RELAY_HDR_LEN)
		return ntm_udp_send_df(rs->udp, to, packet, len);
	return ntm_udp_send(other ? rs->other : rs->udp, to, packet, len);
}

/* Addresses: one of a family, as configured, or as listened at, or as this host has them */

static bool wildcard(const union ntm_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return addr->v4.sin_addr.s_addr == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr);
}

static unsigned int add_candidate(struct ntm_candidate *out, unsigned int count, unsigned int max,
				  const union ntm_addr *addr)
{
	for (unsigned int i = 0; i < count; i++)
		if (out[i].addr.sa.sa_family == addr->sa.sa_family)
			return count;
	if (count < max)
		out[count++] = (struct ntm_candidate){ .kind = NTM_CAND_HOST, .addr = *addr };
	return count;
}

static unsigned int add_of_host(struct ntm_candidate *out, unsigned int count, unsigned int max,
				const union ntm_addr *listen)
{
	union ntm_addr addrs[NTM_CANDIDATES_MAX];
	unsigned int found;

	if (!listen->sa.sa_family)
		return count;
	if (!wildcard(listen))
		return add_candidate(out, count, max, listen);
	/* The port is at the same place in both families */
	found = ntm_netif_addresses(addrs, NTM_CANDIDATES_MAX, 0, ntohs(listen->v4.sin_port));
	for (unsigned int i = 0; i < found; i++)
		if (addrs[i].sa.sa_family == listen->sa.sa_family)
			return add_candidate(out, count, max, &addrs[i]);
	return count;
}

static unsigned int find_candidates(const struct ntm_rs *rs, struct ntm_candidate *out,
				    unsigned int max)
{
	const struct ntm_rs_config *c = &rs->core.config;
	unsigned int count = 0;

	for (unsigned int i = 0; i < c->advertise_count; i++)
		count = add_candidate(out, count, max, &c->advertise[i]);
	if (c->advertise_count)
		return count;
	count = add_of_host(out, count, max, &c->listen4);
	return add_of_host(out, count, max, &c->listen6);
}

static unsigned int io_candidates(void *ctx, struct ntm_candidate *out, unsigned int max)
{
	struct ntm_rs *rs = ctx;

	rs->candidate_count = find_candidates(rs, rs->candidates, 2);
	for (unsigned int i = 0; i < rs->candidate_count && i < max; i++)
		out[i] = rs->candidates[i];
	return rs->candidate_count < max ? rs->candidate_count : max;
}

static void addresses_changed(void *ctx)
{
	struct ntm_rs *rs = ctx;
	struct ntm_candidate now[2];
	const unsigned int count = find_candidates(rs, now, 2);
	unsigned int i;

	for (i = 0; i < count && i < rs->candidate_count; i++)
		if (!ntm_addr_equal(&now[i].addr, &rs->candidates[i].addr))
			break;
	if (i == count && count == rs->candidate_count)
		return;
	rs->core.now_ms = ntm_rs_now_ms();
	ntm_rs_dcs_register(&rs->core);
	ntm_rs_arm(rs);
}

static uint32_t io_cpu(void *ctx, uint64_t now_ms)
{
	return ntm_rs_cpu_share(&((struct ntm_rs *)ctx)->cpu, now_ms);
}

static const struct ntm_rs_io io = { .send = io_send, .candidates = io_candidates, .cpu = io_cpu };

/* The data plane */

static void plane_lost(void *ctx, int err);

static const struct ntm_rs_plane_events plane_events = { .lost = plane_lost };

static int plane_try(struct ntm_rs *rs, const struct ntm_rs_plane_ops *ops, char *why, size_t size)
{
	const struct ntm_rs_plane_open how = { .loop = &rs->loop,
					       .udp = rs->udp,
					       .config = &rs->core.config,
					       .events = &plane_events,
					       .ctx = rs };
	struct ntm_rs_plane *plane;
	int err = ops->open(&plane, &how, why, size);

	if (err)
		return err;
	err = ntm_rs_core_plane(&rs->core, ops, plane);
	if (err)
		ntm_err("not all paths could be moved: %s", strerror(-err));
	return 0;
}

static void plane_close(struct ntm_rs *rs)
{
	struct ntm_rs_plane *plane = rs->core.plane;
	const struct ntm_rs_plane_ops *ops = rs->core.plane_ops;

	if (!plane)
		return;
	(void)ntm_rs_core_plane(&rs->core, NULL, NULL);
	ops->close(plane);
}

/* The module if it is loaded or can be, else user space; the log says which and why */
static int plane_open(struct ntm_rs *rs, char *why, size_t size)
{
	const enum ntm_rs_datapath want = rs->core.config.datapath;
	int err;

	if (want != NTM_RS_USER) {
		err = plane_try(rs, &ntm_rs_plane_kernel, why, size);
		if (!err)
			ntm_info("data plane: kernel module");
		if (!err || want == NTM_RS_KERNEL)
			return err;
		ntm_info("data plane: user space, since %s", why);
	}
	err = plane_try(rs, &ntm_rs_plane_user, why, size);
	if (!err && want == NTM_RS_USER)
		ntm_info("data plane: user space");
	return err;
}

/* Whatever the configuration prefers: nodes are in the midst of something */
static void plane_replace(uv_timer_t *timer)
{
	struct ntm_rs *rs = timer->data;
	char why[256];

	plane_close(rs);
	if (plane_try(rs, &ntm_rs_plane_user, why, sizeof(why)))
		ntm_err("no data plane: %s", why);
	else
		ntm_warn("data plane: user space from now on, %lu paths moved",
			 rs->core.paths.carried);
}

/* Not closed from within its own callback, but from the timer */
static void plane_lost(void *ctx, int err)
{
	struct ntm_rs *rs = ctx;

	ntm_err("the kernel's data plane is gone: %s", strerror(-err));
	uv_timer_start(&rs->plane_timer, plane_replace, 0, 0);
}

/* Signals */

void ntm_rs_leave(struct ntm_rs *rs)
{
	if (rs->core.drain_ms) {
		uv_stop(&rs->loop);
		return;
	}
	(void)ntm_notify("STOPPING=1");
	ntm_info("going away: no new paths; those that are used have 60 s to find another way");
	ntm_rs_core_drain(&rs->core, ntm_rs_now_ms());
	ntm_rs_arm(rs);
}

static bool same_listen(const struct ntm_rs_config *a, const struct ntm_rs_config *b)
{
	return ntm_addr_equal(&a->listen4, &b->listen4) &&
	       ntm_addr_equal(&a->listen6, &b->listen6) && a->other_port == b->other_port;
}

static void warn_fixed(const struct ntm_rs_config *old, const struct ntm_rs_config *new)
{
	if (!same_listen(old, new) || old->datapath != new->datapath ||
	    old->threads != new->threads || strcmp(old->state, new->state) != 0 ||
	    strcmp(old->control, new->control) != 0 || strcmp(old->interface, new->interface) != 0)
		ntm_warn("listen, listen6, other-port, datapath, interface, threads, state and "
			 "control change with a restart only");
}

static void take_config(struct ntm_rs *rs, const struct ntm_rs_config *new)
{
	struct ntm_rs_config *config = &rs->core.config;

	warn_fixed(config, new);
	memcpy(config->advertise, new->advertise, sizeof(config->advertise));
	config->advertise_count = new->advertise_count;
	config->limits = new->limits;
	config->bandwidth = new->bandwidth;
	config->log_level = new->log_level;
	if (!rs->verbose)
		ntm_log_set_level(config->log_level);
	ntm_rs_paths_limit(&rs->core.paths, &config->limits);
	addresses_changed(rs);
}

static void reload(struct ntm_rs *rs)
{
	struct ntm_rs_config config;
	char error[512];

	(void)ntm_notify_reloading();
	if (ntm_rs_config_load(&config, rs->config_file, error, sizeof(error))) {
		ntm_err("not reloaded: %s", error);
	} else {
		take_config(rs, &config);
		ntm_info("configuration reloaded");
	}
	(void)ntm_notify("READY=1");
}

static void on_signal(uv_signal_t *handle, int signum)
{
	if (signum == SIGHUP)
		reload(handle->data);
	else
		ntm_rs_leave(handle->data);
}

static int catch_signals(struct ntm_rs *rs)
{
	static const int numbers[NTM_RS_SIGNALS] = { SIGHUP, SIGTERM, SIGINT };

	for (; rs->signal_count < NTM_RS_SIGNALS; rs->signal_count++) {
		uv_signal_t *handle = &rs->signals[rs->signal_count];
		int err = uv_signal_init(&rs->loop, handle);

		if (err)
			return err;
		handle->data = rs;
		err = uv_signal_start(handle, on_signal, numbers[rs->signal_count]);
		if (err) {
			uv_close((uv_handle_t *)handle, NULL);
			return err;
		}
	}
	return 0;
}

/* Start and stop */

static int load_key(struct ntm_rs *rs)
{
	const char *state = rs->core.config.state;
	char path[sizeof(rs->core.config.state) + 8];
	int err;

	if (mkdir(state, 0700) && errno != EEXIST) {
		err = -errno;
		ntm_err("%s: %s", state, strerror(errno));
		return err;
	}
	snprintf(path, sizeof(path), "%s/key", state);
	err = ntm_keyfile_load(path, &rs->core.self);
	if (err)
		ntm_err("%s: %s", path, err == -EPERM ? "others can read it" : strerror(-err));
	return err;
}

static int open_port(struct ntm_rs *rs, struct ntm_udp **udp, unsigned long port, bool gro,
		     ntm_udp_recv_fn *recv)
{
	union ntm_addr v4 = rs->core.config.listen4, v6 = rs->core.config.listen6;
	int err;

	if (port) {
		v4.v4.sin_port = htons((uint16_t)port);
		v6.v6.sin6_port = htons((uint16_t)port);
	}
	err = ntm_udp_open(udp, &rs->loop, &v4, &v6, gro, recv, rs);
	if (err)
		ntm_err("cannot listen%s: %s", port ? " at the other port" : "", strerror(-err));
	return err;
}

static int open_timers(struct ntm_rs *rs)
{
	int err = uv_timer_init(&rs->loop, &rs->timer);

	if (err)
		return err;
	rs->timer.data = rs;
	err = uv_timer_init(&rs->loop, &rs->plane_timer);
	if (err) {
		uv_close((uv_handle_t *)&rs->timer, NULL);
		return err;
	}
	rs->plane_timer.data = rs;
	rs->has_timers = true;
	return 0;
}

static int open_network(struct ntm_rs *rs)
{
	char why[256] = "";
	int err = open_port(rs, &rs->udp, 0, true, on_packet);

	if (!err)
		err = open_port(rs, &rs->other, rs->core.config.other_port, false, on_other_packet);
	if (err)
		return err;
	err = plane_open(rs, why, sizeof(why));
	if (err) {
		ntm_err("no data plane: %s", why);
		return err;
	}
	err = ntm_netif_watch_open(&rs->watch, &rs->loop, addresses_changed, rs);
	if (err)
		ntm_err("cannot watch the addresses of this host: %s", strerror(-err));
	return err;
}

static int open_control(struct ntm_rs *rs)
{
	const char *path = rs->core.config.control;
	int err = ntm_control_open(&rs->control, &rs->loop, path, ntm_rs_admin, rs);

	if (err == -EADDRINUSE)
		ntm_err("%s: another ntm-rs is running", path);
	else if (err)
		ntm_err("%s: %s", path, strerror(-err));
	return err;
}

static int open_all(struct ntm_rs *rs, const struct ntm_rs_config *config)
{
	int err = open_timers(rs);

	if (err)
		return err;
	ntm_rs_core_init(&rs->core, config, &io, rs, ntm_rs_now_ms());
	rs->has_core = true;
	err = load_key(rs);
	if (!err)
		err = open_network(rs);
	if (!err)
		err = ntm_rs_dcs_open(&rs->core);
	if (!err)
		err = catch_signals(rs);
	return err ? err : open_control(rs);
}

static void close_all(struct ntm_rs *rs)
{
	if (rs->has_core)
		ntm_rs_core_done(&rs->core);
	ntm_control_close(rs->control);
	while (rs->signal_count)
		uv_close((uv_handle_t *)&rs->signals[--rs->signal_count], NULL);
	ntm_netif_watch_close(rs->watch);
	plane_close(rs);
	ntm_udp_close(rs->other);
	ntm_udp_close(rs->udp);
	if (rs->has_timers) {
		uv_close((uv_handle_t *)&rs->plane_timer, NULL);
		uv_close((uv_handle_t *)&rs->timer, NULL);
	}
	uv_run(&rs->loop, UV_RUN_DEFAULT); /* the close callbacks */
	uv_loop_close(&rs->loop);
}

/* Keys must not end up in a core dump, and nothing we start may gain rights. */
static void confine(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		ntm_warn("cannot confine the process: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
}

int ntm_rs_serve(const char *config_file, const struct ntm_rs_config *config, bool verbose)
{
	static struct ntm_rs rs; /* too large for a stack, and there is only one */
	int code = NTM_EXIT_OK;

	rs.config_file = config_file;
	rs.verbose = verbose;
	confine();
	if (uv_loop_init(&rs.loop)) {
		ntm_err("cannot start the event loop");
		return NTM_EXIT_ERROR;
	}
	if (open_all(&rs, config)) {
		code = NTM_EXIT_ERROR;
	} else {
		ntm_info("running, UDP ports %u and %u", ntm_udp_port(rs.udp),
			 ntm_udp_port(rs.other));
		(void)ntm_notify("READY=1");
		ntm_rs_arm(&rs);
		uv_run(&rs.loop, UV_RUN_DEFAULT);
		ntm_info("gone");
	}
	close_all(&rs);
	return code;
}
