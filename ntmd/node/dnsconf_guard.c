// SPDX-License-Identifier: GPL-2.0
/*
 * The guard: a child of ntmd that does what there is to do about the host's
 * DNS, waits for the end of its socket, which ntmd alone holds the other end
 * of, and undoes it. So it makes no difference whether ntmd stops or is
 * killed. Signals do not end it: systemd sends them to the whole control group
 * and gives it TimeoutStopSec= then.
 *
 * The state file is locked as long as a guard lives, and holds the method and
 * the interface as long as there is something to undo. It is emptied, never
 * removed: who waits for its lock must get that of the file all others lock.
 *
 * It allocates memory and logs although ntmd may have had threads when it
 * forked: glibc's fork() leaves both usable in the child.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "dnsconf_method.h"

#define SOCK 3
#define LOCK_MS 1500
#define STEP_MS 20
#define SETTLE_MS 300 /* from a change of a file to our look at it */

struct guard {
	int lock;
	int watch;
	char source[PATH_MAX]; /* read last */
	const struct ntm_dnsconf_job *job;
	const struct ntm_dnsconf_method *method;
	struct ntm_dnsconf_report report;
	unsigned int against; /* options that were complained of */
};

/* In the order they are tried */
static const struct ntm_dnsconf_method *const methods[] = { &ntm_dnsconf_resolved, &ntm_dnsconf_nm,
							    &ntm_dnsconf_resolvconf,
							    &ntm_dnsconf_file };

#define METHODS (sizeof(methods) / sizeof(methods[0]))

int ntm_dnsconf_read(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t len;
	int err;

	if (!f)
		return -errno;
	len = fread(text, 1, size - 1, f);
	err = ferror(f) ? -EIO : 0;
	fclose(f);
	text[len] = '\0';
	return !err && len == size - 1 ? -EFBIG : err;
}

const char *ntm_dnsconf_host_str(const union ntm_addr *addr, char buf[INET6_ADDRSTRLEN])
{
	const void *host = &addr->v4.sin_addr;

	if (addr->sa.sa_family == AF_INET6)
		host = &addr->v6.sin6_addr;
	return inet_ntop(addr->sa.sa_family, host, buf, INET6_ADDRSTRLEN);
}

const union ntm_addr *ntm_dnsconf_stub(const struct ntm_dnsconf_job *job)
{
	return job->stub4.sa.sa_family ? &job->stub4 : &job->stub6;
}

unsigned int ntm_dnsconf_against(const struct ntm_dnsconf_job *job)
{
	return NTM_RESOLV_ROTATE | (job->tcp ? 0 : NTM_RESOLV_USE_VC);
}

/* The process */

static void drop_capabilities(bool keep_net_admin)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (keep_net_admin)
		data[0].permitted = data[0].effective = 1U << CAP_NET_ADMIN;
	/* Without root there is none to drop */
	(void)syscall(SYS_capset, &header, data);
}

static void ignore_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };
	sigset_t none;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What came from ntmd with the fork and is not needed: files, capabilities, the terminal; and no core that holds its keys */
static void become_guard(unsigned int first_fd)
{
	const struct rlimit no_core = { 0, 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	ntm_fd_close_from(first_fd);
	setsid();
	if (chdir("/"))
		_exit(1);
	umask(0022);
	prctl(PR_SET_NAME, "ntmd-dns");
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	drop_capabilities(true);
	ignore_signals();
}

/* The state file */

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* An ntmd that ends at this moment, or has been killed, has a guard that is still at work */
static int lock_state(void)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	const uint64_t end = now_ms() + LOCK_MS;
	int fd = open(NTM_DNSCONF_STATE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (now_ms() >= end) {
			close(fd);
			return -EBUSY;
		}
		nanosleep(&step, NULL);
	}
	return fd;
}

static void note_state(int fd, const char *method, const char *ifname)
{
	if (ftruncate(fd, 0) || (method && dprintf(fd, "%s %s\n", method, ifname) < 0))
		ntm_warn(NTM_DNSCONF_STATE ": %s", strerror(errno));
}

static const struct ntm_dnsconf_method *find_method(const char *name)
{
	for (size_t i = 0; i < METHODS; i++) {
		if (!strcmp(methods[i]->name, name))
			return methods[i];
	}
	return NULL;
}

/* A file with our mark outlives a power cut, when /run does not */
static void undo_stale(int fd)
{
	const struct ntm_dnsconf_method *method = NULL;
	char text[64] = "", name[17] = "", ifname[IFNAMSIZ] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) > 0 &&
	    sscanf(text, "%16s %15s", name, ifname) == 2)
		method = find_method(name);
	if (method)
		method->undo(ifname);
	if (method != &ntm_dnsconf_file)
		ntm_dnsconf_file.undo("");
	note_state(fd, NULL, NULL);
}

/* What there is to tell */

static void look_at_host(struct ntm_dnsconf_host *host)
{
	char text[NTM_RESOLV_MAX];

	if (!realpath(NTM_RESOLV_CONF, host->resolv_conf))
		host->resolv_conf[0] = '\0';
	if (ntm_dnsconf_read(NTM_RESOLV_CONF, text, sizeof(text)))
		text[0] = '\0';
	ntm_resolv_parse(&host->resolv, text);
	host->nss_resolve = !ntm_dnsconf_read("/etc/nsswitch.conf", text, sizeof(text)) &&
			    ntm_resolv_nss(text);
}

static bool is_stub(const struct ntm_dnsconf_job *job, const union ntm_addr *addr)
{
	return ntm_addr_equal(addr, &job->stub4) || ntm_addr_equal(addr, &job->stub6);
}

static void take_source(struct guard *guard)
{
	char buf[PATH_MAX];
	const char *source = guard->method->source ? guard->method->source(buf) : NTM_RESOLV_CONF;

	snprintf(guard->source, sizeof(guard->source), "%s", source);
}

static void read_source(struct guard *guard)
{
	struct ntm_dnsconf_report *report = &guard->report;
	char text[NTM_RESOLV_MAX];
	struct ntm_resolv resolv;

	take_source(guard);
	if (ntm_dnsconf_read(guard->source, text, sizeof(text)))
		return;
	ntm_resolv_parse(&resolv, text);
	report->count = 0;
	for (unsigned int i = 0; i < resolv.count; i++) {
		if (!is_stub(guard->job, &resolv.servers[i]))
			report->servers[report->count++] = resolv.servers[i];
	}
}

/* The servers of the host besides us; true: others than before. Of a manager that names none there is none, at the moment. */
static bool find_servers(struct guard *guard)
{
	const struct ntm_dnsconf_report old = guard->report;

	read_source(guard);
	if (!guard->report.count && guard->method->is_file)
		guard->report.servers[guard->report.count++] = ntm_resolv_default();
	return old.count != guard->report.count ||
	       memcmp(old.servers, guard->report.servers, old.count * sizeof(old.servers[0])) != 0;
}

static void tell(const struct guard *guard)
{
	(void)send(SOCK, &guard->report, sizeof(guard->report), MSG_NOSIGNAL);
}

static int try_method(struct guard *guard, const struct ntm_dnsconf_method *method)
{
	struct ntm_dnsconf_report *report = &guard->report;

	note_state(guard->lock, method->name, guard->job->ifname);
	guard->method = method;
	find_servers(guard);
	report->err = method->set(guard->job, report->why, sizeof(report->why));
	if (report->err) {
		method->undo(guard->job->ifname);
		note_state(guard->lock, NULL, NULL);
		return report->err;
	}
	snprintf(report->why, sizeof(report->why), "%s", method->title);
	find_servers(guard);
	return 0;
}

static int choose(struct guard *guard)
{
	struct ntm_dnsconf_host host = { 0 };
	const struct ntm_dnsconf_method *method = find_method(guard->job->how);
	int err = -ENOENT;

	if (method)
		return try_method(guard, method);
	look_at_host(&host);
	for (size_t i = 0; err && i < METHODS; i++) {
		if (methods[i]->fits(&host))
			err = try_method(guard, methods[i]);
	}
	return err;
}

/* Watching */

static void watch_dir(int fd, const char *dir)
{
	(void)inotify_add_watch(fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
}

/* A directory that is watched already stays so; where the source is a link, its target is what somebody writes */
static void watch_source(const struct guard *guard)
{
	char path[PATH_MAX];
	const char *slash;

	if (!realpath(guard->source, path))
		snprintf(path, sizeof(path), "%s", guard->source);
	slash = strrchr(path, '/');
	if (!slash)
		return;
	path[slash - path] = '\0';
	watch_dir(guard->watch, *path ? path : "/");
}

/* Without it, ntmd goes on with the servers that it knows */
static void watch_files(struct guard *guard)
{
	static const char *const dirs[] = { "/etc", "/run/systemd/resolve", "/run/NetworkManager",
					    "/run/resolvconf" };

	guard->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	for (size_t i = 0; guard->watch >= 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		watch_dir(guard->watch, dirs[i]);
	if (guard->watch >= 0)
		watch_source(guard);
}

static bool is_name_of(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, name);
}

/* Directories as busy as /run are among those that are watched */
static bool matters(const struct guard *guard, const struct inotify_event *event)
{
	char path[PATH_MAX];

	if (!event->len)
		return false;
	return is_name_of(NTM_RESOLV_CONF, event->name) || is_name_of(guard->source, event->name) ||
	       (realpath(guard->source, path) && is_name_of(path, event->name));
}

static bool drain(const struct guard *guard)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool found = false;
	ssize_t len;

	while ((len = read(guard->watch, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + len;) {
			const struct inotify_event *event = (const struct inotify_event *)at;

			found |= matters(guard, event);
			at += sizeof(*event) + event->len;
		}
	}
	return found;
}

/* Options in the file of a manager, where the C library asks us first: not ours to take out */
static unsigned int options_against(const struct guard *guard)
{
	char text[NTM_RESOLV_MAX];
	struct ntm_resolv resolv;
	unsigned int options;

	if (ntm_dnsconf_read(NTM_RESOLV_CONF, text, sizeof(text)))
		return 0;
	ntm_resolv_parse(&resolv, text);
	if (!resolv.count || !is_stub(guard->job, &resolv.servers[0]))
		return 0;
	options = resolv.options & ntm_dnsconf_against(guard->job);
	return resolv.count > 1 ? options : options & ~NTM_RESOLV_ROTATE;
}

static void look_at_options(struct guard *guard)
{
	const unsigned int now = options_against(guard), added = now & ~guard->against;

	if (added & NTM_RESOLV_ROTATE)
		ntm_warn("dns: with \"rotate\" in " NTM_RESOLV_CONF
			 ", other servers are asked for names of the zones, too");
	if (added & NTM_RESOLV_USE_VC)
		ntm_warn("dns: with \"use-vc\" in " NTM_RESOLV_CONF
			 ", names of the zones are not found: ntmd is asked by UDP alone");
	guard->against = now;
}

/* Somebody wrote the file anew, without us: as the host moves to another network, say */
static void set_again(struct guard *guard)
{
	char why[160];

	if (!access(NTM_RESOLV_CONF, R_OK) && guard->method->set(guard->job, why, sizeof(why)))
		ntm_warn("dns: %s", why);
}

static void files_changed(struct guard *guard)
{
	if (guard->method->is_file)
		set_again(guard);
	look_at_options(guard);
	if (find_servers(guard))
		tell(guard);
	watch_source(guard);
}

/* @due_ms: 0: never */
static int left_ms(uint64_t due_ms)
{
	const uint64_t now = now_ms();

	if (!due_ms)
		return -1;
	return due_ms > now ? (int)(due_ms - now) : 0;
}

/* Until ntmd closes its end of the socket, in one way or another. It never sends anything. */
static void stand_guard(struct guard *guard)
{
	struct pollfd fds[2] = { { .fd = SOCK, .events = POLLIN }, { .events = POLLIN } };
	uint64_t due_ms =
		now_ms() + SETTLE_MS; /* something changed while nobody watched, perhaps */

	watch_files(guard);
	fds[1].fd = guard->watch;
	for (;;) {
		int ready = poll(fds, 2, left_ms(due_ms));

		if (ready < 0 && errno != EINTR)
			return;
		if (ready > 0 && fds[0].revents)
			return;
		if (ready > 0 && fds[1].revents && drain(guard) && !due_ms)
			due_ms = now_ms() + SETTLE_MS;
		if (due_ms && now_ms() >= due_ms) {
			due_ms = 0;
			files_changed(guard);
		}
	}
}

static int begin(struct guard *guard)
{
	struct ntm_dnsconf_report *report = &guard->report;

	guard->lock = lock_state();
	if (guard->lock >= 0) {
		undo_stale(guard->lock);
		return choose(guard);
	}
	if (guard->lock == -EBUSY)
		snprintf(report->why, sizeof(report->why),
			 "another ntmd looks after this host's DNS");
	else
		snprintf(report->why, sizeof(report->why), NTM_DNSCONF_STATE ": %s",
			 strerror(-guard->lock));
	return guard->lock;
}

void ntm_dnsconf_guard(int sock, const struct ntm_dnsconf_job *job)
{
	struct guard guard = { .job = job };

	if (sock != SOCK && dup3(sock, SOCK, O_CLOEXEC) < 0)
		_exit(1);
	become_guard(SOCK + 1);
	guard.report.err = begin(&guard);
	tell(&guard);
	if (guard.report.err)
		_exit(0);
	drop_capabilities(guard.method->by_bus);
	stand_guard(&guard);
	guard.method->undo(job->ifname);
	note_state(guard.lock, NULL, NULL);
	_exit(0);
}

void ntm_dnsconf_guard_stale(void)
{
	int lock;

	become_guard(STDERR_FILENO + 1);
	lock = lock_state();
	if (lock >= 0)
		undo_stale(lock);
	_exit(0);
}
