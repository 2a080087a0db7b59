// SPDX-License-Identifier: GPL-2.0
#include "dc/serve.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>
#include "common/clock.h"
#include "common/control.h"
#include "common/udp.h"
#include "dc/admin.h"
#include "dc/finder.h"
#include "dc/link.h"
#include "common/notify.h"

enum { SIGNALS = 3 };

#define LOCK_TRIES 100 /* times LOCK_MS */
#define LOCK_MS 20

struct serve {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_signal_t signals[SIGNALS];
	struct ntm_udp *udp;
	struct ntm_control *control;
	struct ntm_finder *finder;
	struct ntm_core core;
	const char *config_file;
	bool verbose;
	bool has_loop, has_timer, has_core;
	int signal_count;
	uint64_t timer_ms; /* when the timer fires; UINT64_MAX: it does not run */
};

/* Not uv_now(): a commit may have taken longer than a round of the loop should. */
static uint64_t now(void)
{
	return ntm_clock_ms();
}

static void on_timer(uv_timer_t *timer);

static void arm(struct serve *s)
{
	uint64_t next = ntm_core_next_ms(&s->core), t = now();

	if (next == s->timer_ms)
		return;
	s->timer_ms = next;
	uv_update_time(&s->loop);
	uv_timer_start(&s->timer, on_timer, next > t ? next - t : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct serve *s = timer->data;

	s->timer_ms = UINT64_MAX;
	ntm_core_tick(&s->core, now());
	arm(s);
}

static void on_packet(void *ctx, const uint8_t *packet, size_t len, const union ntm_addr *from)
{
	struct serve *s = ctx;

	ntm_core_packet(&s->core, packet, len, from, now());
	if (ntm_core_next_ms(&s->core) < s->timer_ms)
		arm(s);
}

static int on_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	return ntm_udp_send(((struct serve *)ctx)->udp, to, packet, len);
}

/* Only if there are zones to be found: else nothing here speaks DNS */
static int on_find(void *ctx, const char *zone)
{
	struct serve *s = ctx;

	return ntm_finder_find(s->finder, zone);
}

static void on_found(void *ctx, const char *zone, const struct ntm_found *found, const char *why)
{
	struct serve *s = ctx;

	ntm_link_found(&s->core, zone, found, why, now());
	arm(s);
}

static void on_control(void *ctx, json_t *request, struct ntm_control_reply *reply)
{
	json_t *response = ntm_admin_run(&((struct serve *)ctx)->core, request, true, now());

	if (response)
		ntm_control_answer(reply, response);
	else
		ntm_control_fail(reply, NTM_EXIT_ERROR, "out of memory");
	/* What was forgotten is to be looked up, and not where answers are remembered */
	ntm_finder_refresh(((struct serve *)ctx)->finder);
	arm(ctx);
}

static void warn_fixed(const struct ntm_dc_config *old, const struct ntm_dc_config *new)
{
	if (strcmp(old->zone, new->zone) != 0 || strcmp(old->state, new->state) != 0 ||
	    strcmp(old->control, new->control) != 0 ||
	    old->dnssec_required != new->dnssec_required ||
	    strcmp(old->trust_anchor, new->trust_anchor) != 0 ||
	    !ntm_addr_equal(&old->listen4, &new->listen4) ||
	    !ntm_addr_equal(&old->listen6, &new->listen6))
		ntm_warn(
			"zone, listen, listen6, state, control, dnssec and trust-anchor change with a restart only");
}

static void reload(struct serve *s)
{
	struct ntm_dc_config config;
	char error[512];

	ntm_notify_reloading();
	if (ntm_dc_config_load(&config, s->config_file, error, sizeof(error)) ||
	    ntm_core_reload(&s->core, &config, error, sizeof(error))) {
		ntm_err("not reloaded: %s", error);
	} else {
		warn_fixed(&s->core.config, &config);
		ntm_finder_refresh(s->finder);
		arm(s);
		if (!s->verbose)
			ntm_log_set_level(config.log_level);
		ntm_info("configuration reloaded");
	}
	ntm_notify("READY=1");
}

static void on_signal(uv_signal_t *handle, int signum)
{
	if (signum == SIGHUP)
		reload(handle->data);
	else
		uv_stop(handle->loop);
}

static int catch_signals(struct serve *s)
{
	static const int numbers[SIGNALS] = { SIGHUP, SIGTERM, SIGINT };

	for (; s->signal_count < SIGNALS; s->signal_count++) {
		uv_signal_t *handle = &s->signals[s->signal_count];
		int err = uv_signal_init(&s->loop, handle);

		if (err)
			return err;
		handle->data = s;
		err = uv_signal_start(handle, on_signal, numbers[s->signal_count]);
		if (err) {
			uv_close((uv_handle_t *)handle, NULL);
			return err;
		}
	}
	return 0;
}

static int open_network(struct serve *s, char *error, size_t size)
{
	const struct ntm_dc_config *c = &s->core.config;
	int err = ntm_udp_open(&s->udp, &s->loop, &c->listen4, &c->listen6, false, on_packet, s);

	if (err) {
		snprintf(error, size, "cannot listen at UDP port %u: %s",
			 ntohs(c->listen4.sa.sa_family ? c->listen4.v4.sin_port :
							 c->listen6.v6.sin6_port),
			 strerror(-err));
		return err;
	}
	s->core.send = on_send;
	s->core.send_ctx = s;
	s->core.find = on_find;
	s->core.find_ctx = s;
	err = ntm_finder_open(&s->finder, &s->loop, c->trust_anchor, c->dnssec_required, on_found,
			      s);
	if (err) {
		snprintf(error, size, "out of memory");
		return err;
	}
	err = ntm_control_open(&s->control, &s->loop, c->control, on_control, s);
	if (err)
		snprintf(error, size, "%s: %s", c->control, strerror(-err));
	return err;
}

/* A command that found no coordinator has the store to itself for a moment. */
static int open_core(struct serve *s, const struct ntm_dc_config *config, char *error, size_t size)
{
	const struct timespec pause = { 0, LOCK_MS * 1000000 };
	int err = ntm_core_open(&s->core, config, now(), error, size);

	for (int i = 0; err == -EWOULDBLOCK && i < LOCK_TRIES; i++) {
		nanosleep(&pause, NULL);
		err = ntm_core_open(&s->core, config, now(), error, size);
	}
	return err;
}

static int open_all(struct serve *s, const struct ntm_dc_config *config, char *error, size_t size)
{
	int err = uv_loop_init(&s->loop);

	snprintf(error, size, "cannot start the event loop");
	if (err)
		return err;
	s->has_loop = true;
	err = uv_timer_init(&s->loop, &s->timer);
	if (err)
		return err;
	s->timer.data = s;
	s->has_timer = true;
	err = catch_signals(s);
	if (err)
		return err;
	err = open_core(s, config, error, size);
	if (err)
		return err;
	s->has_core = true;
	return open_network(s, error, size);
}

static void close_all(struct serve *s)
{
	if (s->control)
		ntm_control_close(s->control);
	ntm_finder_close(s->finder);
	/* Before the sockets: those who wait for another zone's coordinator are told */
	if (s->has_core)
		ntm_core_close(&s->core, now());
	if (s->udp)
		ntm_udp_close(s->udp);
	while (s->signal_count)
		uv_close((uv_handle_t *)&s->signals[--s->signal_count], NULL);
	if (s->has_timer)
		uv_close((uv_handle_t *)&s->timer, NULL);
	if (s->has_loop) {
		uv_run(&s->loop, UV_RUN_DEFAULT); /* the close callbacks */
		uv_loop_close(&s->loop);
	}
}

/* Keys must not end up in a core dump, and nothing we start may gain rights. */
static void confine(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		ntm_warn("cannot confine the process: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
}

static void announce(const struct serve *s)
{
	ntm_info("zone %s, port %u, %u nodes known", s->core.config.zone, ntm_udp_port(s->udp),
		 s->core.registry.count);
	ntm_notify("READY=1");
}

int ntm_serve(const char *config_file, const struct ntm_dc_config *config, bool verbose)
{
	struct serve s = { .config_file = config_file, .verbose = verbose, .timer_ms = UINT64_MAX };
	char error[512];
	int err;

	confine();
	err = open_all(&s, config, error, sizeof(error));
	if (err) {
		ntm_err("%s", error);
		close_all(&s);
		return err == -ERANGE ? NTM_EXIT_USAGE : NTM_EXIT_ERROR;
	}
	announce(&s);
	arm(&s);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	ntm_notify("STOPPING=1");
	ntm_info("going away");
	close_all(&s);
	return NTM_EXIT_OK;
}
