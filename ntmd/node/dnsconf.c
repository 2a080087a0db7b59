// SPDX-License-Identifier: GPL-2.0
#include "dnsconf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "dnsconf_method.h"

#define WAIT_MS 2000
#define STALE_MS 3000
#define STEP_MS 10
#define LATE 8 /* guards that nobody waits for any more; with more the oldest is forgotten */

struct ntm_dnsconf {
	uv_poll_t poll;
	int sock; /* to the guard; -1: there is none, since nothing was told */
	pid_t guard;
	bool told;
	struct ntm_dnsconf_later later;
	union ntm_addr stub4, stub6;
	unsigned int count;
	union ntm_addr servers[NTM_DNSCONF_SERVERS];
};

/*
 * In the child all signals stay blocked until it has handlers of its own: libuv's
 * write into a pipe that is its parent's.
 */
static pid_t fork_quietly(void)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid)
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

/* 0: it ended by itself, having done its work */
static int wait_for(pid_t pid, int max_ms)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	const uint64_t end = uv_hrtime() + (uint64_t)max_ms * 1000000;
	int status;

	while (uv_hrtime() < end) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended < 0 && errno != EINTR)
			return -errno;
		if (ended == pid)
			return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ECHILD;
		nanosleep(&step, NULL);
	}
	return -ETIMEDOUT;
}

/*
 * Guards that took longer than we wait. They end some time, and their parent has to take note (there is no handler for that: no
 * child of ours tells anything by its end that could not wait).
 */
static pid_t late[LATE];

static void remember_late(pid_t pid)
{
	memmove(late + 1, late, (LATE - 1) * sizeof(*late));
	late[0] = pid;
}

static void reap_late(void)
{
	for (unsigned int i = 0; i < LATE; i++)
		if (late[i] && waitpid(late[i], NULL, WNOHANG))
			late[i] = 0;
}

static void take_servers(struct ntm_dnsconf *conf, const struct ntm_dnsconf_report *report)
{
	conf->count = report->count;
	memcpy(conf->servers, report->servers, sizeof(conf->servers));
}

/* 0, -EAGAIN, or -EPIPE if the guard is no more */
static int receive(const struct ntm_dnsconf *conf, struct ntm_dnsconf_report *report)
{
	ssize_t len = recv(conf->sock, report, sizeof(*report), MSG_DONTWAIT);

	if (len < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (len != sizeof(*report) || report->count > NTM_DNSCONF_SERVERS)
		return -EPIPE;
	report->why[sizeof(report->why) - 1] = '\0';
	return 0;
}

static void take_report(struct ntm_dnsconf *conf, const struct ntm_dnsconf_report *report)
{
	const bool first = !conf->told;

	conf->told = true;
	take_servers(conf, report);
	if (first)
		conf->later.done(conf->later.ctx, 0, report->why);
}

static void on_report(uv_poll_t *poll, int status, int events)
{
	struct ntm_dnsconf *conf = poll->data;
	struct ntm_dnsconf_report report;
	int err = receive(conf, &report);

	(void)status; /* recv() tells the reason */
	(void)events;
	if (err == -EAGAIN)
		return;
	if (!err && !report.err) {
		take_report(conf, &report);
		return;
	}
	uv_poll_stop(poll);
	if (err)
		conf->later.done(conf->later.ctx, err, "the guard of its settings has ended");
	else
		conf->later.done(conf->later.ctx, report.err, report.why);
}

/* False: nothing came within that time, whatever signals did */
static bool is_readable(int sock, unsigned int max_ms)
{
	struct pollfd fd = { .fd = sock, .events = POLLIN };
	const uint64_t end = uv_hrtime() + max_ms * 1000000ULL;
	uint64_t now;
	int ready;

	do {
		now = uv_hrtime();
		ready = poll(&fd, 1, now < end ? (int)((end - now + 999999) / 1000000) : 0);
	} while (ready < 0 && errno == EINTR);
	return ready != 0;
}

/* The first report, where the caller waits for it */
static int await_report(struct ntm_dnsconf *conf, char *why, size_t size)
{
	struct ntm_dnsconf_report report;
	int err;

	if (!conf->later.wait || !is_readable(conf->sock, WAIT_MS)) {
		snprintf(why, size, "a manager that is still being told");
		return 0;
	}
	err = receive(conf, &report);
	if (err) {
		snprintf(why, size, "the guard: %s", strerror(-err));
		return err;
	}
	snprintf(why, size, "%s", report.why);
	if (!report.err) {
		conf->told = true;
		take_servers(conf, &report);
	}
	return report.err;
}

static int start_guard(struct ntm_dnsconf *conf, const struct ntm_dnsconf_job *job)
{
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	conf->guard = fork_quietly();
	if (!conf->guard) {
		close(socks[0]); /* else the guard would keep itself from seeing the end */
		ntm_dnsconf_guard(socks[1], job);
	}
	close(socks[1]);
	conf->sock = socks[0];
	return conf->guard < 0 ? -errno : 0;
}

static int watch_guard(struct ntm_dnsconf *conf, uv_loop_t *loop)
{
	int err = uv_poll_init(loop, &conf->poll, conf->sock);

	if (err)
		return err;
	conf->poll.data = conf;
	err = uv_poll_start(&conf->poll, UV_READABLE, on_report);
	uv_unref((uv_handle_t *)&conf->poll);
	return err;
}

static int make_job(struct ntm_dnsconf_job *job, const char *how, const char *ifname,
		    unsigned int ifindex, const char *const *zones, unsigned int count)
{
	job->ifindex = ifindex;
	job->zone_count = count;
	for (unsigned int i = 0; i < count; i++)
		if (i >= NTM_DNSCONF_ZONES || snprintf(job->zones[i], sizeof(job->zones[i]), "%s",
						       zones[i]) >= (int)sizeof(job->zones[i]))
			return -EINVAL;
	if (snprintf(job->how, sizeof(job->how), "%s", how) >= (int)sizeof(job->how) ||
	    snprintf(job->ifname, sizeof(job->ifname), "%s", ifname) >= (int)sizeof(job->ifname))
		return -EINVAL;
	return 0;
}

static void free_conf(uv_handle_t *handle)
{
	free(handle->data);
}

/* The guard sees the end of the socket, and is given the time to undo what it did */
static int end_guard(struct ntm_dnsconf *conf, int max_ms)
{
	int err;

	close(conf->sock);
	err = conf->guard > 0 ? wait_for(conf->guard, max_ms) : 0;
	if (err == -ETIMEDOUT)
		remember_late(conf->guard);
	return err;
}

static int tell_host(struct ntm_dnsconf *conf, uv_loop_t *loop, const struct ntm_dnsconf_job *job,
		     char *why, size_t size)
{
	int err = start_guard(conf, job);

	if (err) {
		snprintf(why, size, "cannot start a guard: %s", strerror(-err));
		return err;
	}
	err = await_report(conf, why, size);
	if (!err) {
		err = watch_guard(conf, loop);
		if (!err)
			return 0;
		snprintf(why, size, "%s", strerror(-err));
	}
	/* One that was killed before it told of anything may have done something */
	if (end_guard(conf, WAIT_MS) == -ECHILD && err == -EPIPE)
		ntm_dnsconf_undo_stale();
	return err;
}

static bool tells_nobody(const char *how)
{
	return !strcmp(how, "off") || !strcmp(how, "hook");
}

int ntm_dnsconf_set(struct ntm_dnsconf **out, uv_loop_t *loop, const char *how, const char *ifname,
		    unsigned int ifindex, const char *const *zones, unsigned int count,
		    const union ntm_addr *stub4, const union ntm_addr *stub6, bool tcp,
		    const struct ntm_dnsconf_later *later, char *why, size_t size)
{
	struct ntm_dnsconf *conf = calloc(1, sizeof(*conf));
	struct ntm_dnsconf_job job = { 0 };
	int err = conf ? make_job(&job, how, ifname, ifindex, zones, count) : -ENOMEM;

	reap_late();
	*out = NULL;
	snprintf(why, size, "%s", err ? strerror(-err) : how);
	if (!err) {
		conf->sock = -1;
		conf->later = *later;
		if (stub4)
			job.stub4 = conf->stub4 = *stub4;
		if (stub6)
			job.stub6 = conf->stub6 = *stub6;
		job.tcp = tcp;
		if (!tells_nobody(how))
			err = tell_host(conf, loop, &job, why, size);
	}
	if (err)
		free(conf);
	else
		*out = conf;
	return err;
}

static bool is_stub(const struct ntm_dnsconf *conf, const union ntm_addr *addr)
{
	return conf && (ntm_addr_equal(addr, &conf->stub4) || ntm_addr_equal(addr, &conf->stub6));
}

/* Without a guard that has told of them, the file is read when they are asked for */
static unsigned int read_servers(const struct ntm_dnsconf *conf, union ntm_addr *out,
				 unsigned int max)
{
	char text[NTM_RESOLV_MAX];
	struct ntm_resolv resolv;
	unsigned int count = 0;
	int err = ntm_dnsconf_read(NTM_RESOLV_CONF, text, sizeof(text));

	if (err && err != -ENOENT)
		return 0;
	ntm_resolv_parse(&resolv, err ? "" : text);
	if (!resolv.count)
		resolv.servers[resolv.count++] = ntm_resolv_default();
	for (unsigned int i = 0; i < resolv.count && count < max; i++) {
		if (!is_stub(conf, &resolv.servers[i]))
			out[count++] = resolv.servers[i];
	}
	return count;
}

unsigned int ntm_dnsconf_upstream(const struct ntm_dnsconf *conf, union ntm_addr *out,
				  unsigned int max)
{
	unsigned int count;

	if (!conf)
		return 0;
	if (!conf->told)
		return read_servers(conf, out, max);
	count = conf->count < max ? conf->count : max;
	memcpy(out, conf->servers, count * sizeof(*out));
	return count;
}

unsigned int ntm_dnsconf_host_servers(union ntm_addr *out, unsigned int max)
{
	return read_servers(NULL, out, max);
}

void ntm_dnsconf_undo(struct ntm_dnsconf *conf)
{
	reap_late();
	if (!conf)
		return;
	if (conf->sock < 0) {
		free(conf);
		return;
	}
	uv_close((uv_handle_t *)&conf->poll, free_conf);
	/* One that is killed, or hangs, has not done its work */
	if (end_guard(conf, WAIT_MS) == -ECHILD)
		ntm_dnsconf_undo_stale();
}

void ntm_dnsconf_undo_stale(void)
{
	pid_t pid = fork_quietly();
	int err;

	if (!pid)
		ntm_dnsconf_guard_stale();
	err = pid < 0 ? -errno : wait_for(pid, STALE_MS);
	if (err == -ETIMEDOUT)
		remember_late(pid);
	if (err)
		ntm_warn("dns: what is left of an ntmd before may not all be undone");
}
