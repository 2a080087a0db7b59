// SPDX-License-Identifier: GPL-2.0
/*
 * resolvconf(8), Debian's or openresolv. Both order records by their names;
 * one that begins with "tun0" comes before those of all real interfaces, in
 * interface-order(5) of the one and dynamic_order of the other. A metric would
 * be of no use: openresolv puts records without any first. A third resolvconf,
 * systemd's, is resolvectl in disguise, and not for us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dnsconf_method.h"

#define PROGRAM_MS 10000
#define STEP_MS 10

static const char *const programs[] = { "/sbin/resolvconf", "/usr/sbin/resolvconf" };

static bool is_resolvconf(const char *path)
{
	char target[PATH_MAX], text[NTM_RESOLV_MAX];
	int err;

	if (!realpath(path, target) || strstr(target, "resolvectl"))
		return false;
	/* Both are shell scripts that say what they are, in their first lines */
	err = ntm_dnsconf_read(path, text, sizeof(text));
	if (err && err != -EFBIG)
		return false;
	return strstr(text, "Debian resolvconf") || strstr(text, "openresolv");
}

/* NULL: there is none */
static const char *find(void)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (is_resolvconf(programs[i]))
			return programs[i];
	}
	return NULL;
}

/* No fork(): libuv's handler for the child would close files that it takes for its own */
static int spawn(pid_t *pid, const char *program, const char *const *args, int input)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int err;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	err = posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	if (!err)
		err = posix_spawn(pid, program, &files, &attr, (char *const *)args,
				  (char *const *)env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -err;
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
	pid_t pid = 0;
	int err;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	err = write(fds[1], text, strlen(text)) < 0 ? -errno : 0;
	close(fds[1]);
	if (!err)
		err = spawn(&pid, program, args, fds[0]);
	close(fds[0]);
	return err ? err : wait_for(pid);
}

static void record_of(const char *ifname, char record[32])
{
	snprintf(record, 32, "tun0-%s.ntmd", ifname);
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

static int add(const char *program, const char *record, const union ntm_addr *stub)
{
	const char *const args[] = { "resolvconf", "-a", record, NULL };
	char text[80], address[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), "nameserver %s\n", ntm_dnsconf_host_str(stub, address));
	return run(program, args, text);
}

static int resolvconf_set(const struct ntm_dnsconf_job *job, char *why, size_t size)
{
	const union ntm_addr *stub = ntm_dnsconf_stub(job);
	const char *program = find();
	char record[32];
	int err;

	if (!program) {
		snprintf(why, size, "there is no resolvconf program");
		return -ENOENT;
	}
	record_of(job->ifname, record);
	err = add(program, record, stub);
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
	const char *program = find();
	char record[32];
	const char *const args[] = { "resolvconf", "-d", record, NULL };

	record_of(ifname, record);
	if (program)
		(void)run(program, args, ""); /* there is nothing else to be done */
}

static bool resolvconf_fits(const struct ntm_dnsconf_host *host)
{
	if (host->resolv.owner != NTM_RESOLV_RESOLVCONF &&
	    !strstr(host->resolv_conf, "/resolvconf/"))
		return false;
	return find();
}

const struct ntm_dnsconf_method ntm_dnsconf_resolvconf = {
	.name = "resolvconf",
	.title = "resolvconf",
	.fits = resolvconf_fits,
	.set = resolvconf_set,
	.undo = resolvconf_undo,
};
