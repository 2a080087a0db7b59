// SPDX-License-Identifier: GPL-2.0
/*
 * resolvconf(8), of which there are two with little in common but the name:
 * Debian's orders its records by their names (interface-order(5)), where
 * "tun*" comes before all but loopback; openresolv orders them by a metric.
 * A third, systemd's, is resolvectl in disguise, and not for us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dnsconf_method.h"

#define PROGRAM_MS 10000
#define STEP_MS 10

enum kind { NONE, DEBIAN, OPENRESOLV };

static const char *const programs[] = { "/sbin/resolvconf", "/usr/sbin/resolvconf" };

static enum kind kind_of(const char *path)
{
	char target[PATH_MAX], text[NTM_RESOLV_MAX];

	if (!realpath(path, target) || strstr(target, "resolvectl"))
		return NONE;
	/* Both are shell scripts that say what they are */
	if (ntm_dnsconf_read(path, text, sizeof(text)))
		return NONE;
	if (strstr(text, "Debian resolvconf"))
		return DEBIAN;
	return strstr(text, "openresolv") ? OPENRESOLV : NONE;
}

static enum kind find(const char **program)
{
	enum kind kind = NONE;

	for (size_t i = 0; !kind && i < sizeof(programs) / sizeof(programs[0]); i++) {
		*program = programs[i];
		kind = kind_of(programs[i]);
	}
	return kind;
}

static void become(const char *program, const char *const *args, int input)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	signal(SIGPIPE, SIG_DFL);
	if (dup2(input, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
		execve(program, (char *const *)args, (char *const *)env);
	_exit(127);
}

static int wait_for(pid_t pid)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	int status;

	for (int ms = 0; ms < PROGRAM_MS; ms += STEP_MS) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended < 0 && errno != EINTR)
			return -errno;
		if (ended == pid)
			return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
		nanosleep(&step, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -ETIMEDOUT;
}

/* @text fits into a pipe, so that nobody has to read while it is written */
static int run(const char *program, const char *const *args, const char *text)
{
	int fds[2];
	pid_t pid;
	int err = 0;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid)
		become(program, args, fds[0]);
	if (pid < 0)
		err = -errno;
	close(fds[0]);
	if (!err && write(fds[1], text, strlen(text)) < 0)
		err = -errno;
	close(fds[1]);
	if (pid > 0) {
		int status = wait_for(pid);

		err = err ? err : status;
	}
	return err;
}

static int add(enum kind kind, const char *program, const char *record, const char *text)
{
	const char *const debian[] = { "resolvconf", "-a", record, NULL };
	const char *const openresolv[] = { "resolvconf", "-m", "0", "-a", record, NULL };

	return run(program, kind == DEBIAN ? debian : openresolv, text);
}

static void record_of(enum kind kind, const char *ifname, char record[32])
{
	snprintf(record, 32, kind == DEBIAN ? "tun-%s.ntmd" : "%s.ntmd", ifname);
}

static bool is_first(const union ntm_addr *stub)
{
	char text[NTM_RESOLV_MAX];
	struct ntm_resolv resolv;

	if (ntm_dnsconf_read(NTM_RESOLV_CONF, text, sizeof(text)))
		return false;
	ntm_resolv_parse(&resolv, text);
	return resolv.count && ntm_addr_equal(&resolv.servers[0], stub);
}

static int resolvconf_set(const struct ntm_dnsconf_job *job, char *why, size_t size)
{
	const union ntm_addr *stub = ntm_dnsconf_stub(job);
	char record[32], text[80], address[INET6_ADDRSTRLEN];
	const char *program;
	enum kind kind = find(&program);
	int err;

	if (!kind) {
		snprintf(why, size, "there is no resolvconf program");
		return -ENOENT;
	}
	record_of(kind, job->ifname, record);
	snprintf(text, sizeof(text), "nameserver %s\n", ntm_dnsconf_host_str(stub, address));
	err = add(kind, program, record, text);
	if (err) {
		snprintf(why, size, "%s -a %s: %s", program, record,
			 err == -EIO ? "it failed" : strerror(-err));
	} else if (!is_first(stub)) {
		snprintf(why, size, "%s did not make us the first server of " NTM_RESOLV_CONF,
			 program);
		err = -EADDRNOTAVAIL;
	}
	return err;
}

static void resolvconf_undo(const char *ifname)
{
	char record[32];
	const char *program;
	enum kind kind = find(&program);
	const char *const args[] = { "resolvconf", "-d", record, NULL };

	if (!kind)
		return;
	record_of(kind, ifname, record);
	(void)run(program, args, ""); /* what else could be done */
}

static bool resolvconf_fits(const struct ntm_dnsconf_host *host)
{
	const char *program;

	if (host->resolv.owner != NTM_RESOLV_RESOLVCONF &&
	    !strstr(host->resolv_conf, "/resolvconf/"))
		return false;
	return find(&program) != NONE;
}

const struct ntm_dnsconf_method ntm_dnsconf_resolvconf = {
	.name = "resolvconf",
	.title = "resolvconf",
	.source = NTM_RESOLV_CONF,
	.fits = resolvconf_fits,
	.set = resolvconf_set,
	.undo = resolvconf_undo,
};
