// SPDX-License-Identifier: GPL-2.0
/*
 * /etc/resolv.conf itself, where nothing looks after it. The file of before
 * is kept beside ntmd's own (a symbolic link as such), and is put back only in
 * the place of a file that bears our mark: what somebody else wrote since
 * stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "dnsconf_method.h"

#define TEMPORARY "/etc/.resolv.conf.ntmd"
#define KEPT_DIR "/var/lib/ntmd"
#define KEPT KEPT_DIR "/resolv.conf"
#define KEPT_TEMPORARY KEPT ".new"

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		len -= (size_t)done;
	}
	return fsync(fd) && errno != EINVAL ? -errno : 0;
}

static int write_file(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
	int err;

	if (fd < 0)
		return -errno;
	err = fchmod(fd, 0644) ? -errno : write_all(fd, text);
	close(fd);
	return err;
}

static int replace(const char *path, const char *temporary, const char *text)
{
	int err;

	unlink(temporary);
	err = write_file(temporary, O_CREAT | O_EXCL | O_NOFOLLOW, text);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	return err;
}

/* In one step; or in place, where the file is a mount of its own or its directory cannot be written */
static int replace_resolv_conf(const char *text)
{
	int err = replace(NTM_RESOLV_CONF, TEMPORARY, text);

	if (err == -EBUSY || err == -EROFS || err == -EACCES || err == -EPERM)
		err = write_file(NTM_RESOLV_CONF, O_TRUNC, text);
	return err;
}

static int replace_by_link(const char *path, const char *temporary, const char *target)
{
	int err = 0;

	unlink(temporary);
	if (symlink(target, temporary) || rename(temporary, path)) {
		err = -errno;
		unlink(temporary);
	}
	return err;
}

static ssize_t read_link(const char *path, char target[PATH_MAX])
{
	ssize_t len = readlink(path, target, PATH_MAX - 1);

	if (len >= 0)
		target[len] = '\0';
	return len;
}

/* Where only the file can be written, a link stays, and its target's text is what has to be kept */
static int keep(const char *text)
{
	char target[PATH_MAX];

	if (mkdir(KEPT_DIR, 0700) && errno != EEXIST)
		return -errno;
	if (!access("/etc", W_OK) && read_link(NTM_RESOLV_CONF, target) > 0)
		return replace_by_link(KEPT, KEPT_TEMPORARY, target);
	return replace(KEPT, KEPT_TEMPORARY, text);
}

/* Without the file of before, its text is what is left of ours */
static int put_back(char *text)
{
	char target[PATH_MAX];
	int err;

	if (read_link(KEPT, target) > 0)
		return replace_by_link(NTM_RESOLV_CONF, TEMPORARY, target);
	ntm_resolv_strip(text);
	err = ntm_dnsconf_read(KEPT, text, NTM_RESOLV_MAX);
	return err && err != -ENOENT ? err : replace_resolv_conf(text);
}

static bool is_ours(const char *text)
{
	struct ntm_resolv resolv;

	ntm_resolv_parse(&resolv, text);
	return resolv.owner == NTM_RESOLV_OURS;
}

static void file_undo(const char *ifname)
{
	char text[NTM_RESOLV_MAX];
	int err = 0;

	(void)ifname;
	if (!ntm_dnsconf_read(NTM_RESOLV_CONF, text, sizeof(text)) && is_ours(text))
		err = put_back(text);
	if (err)
		ntm_err(NTM_RESOLV_CONF ": cannot put back what was there before: %s",
			strerror(-err));
	else
		unlink(KEPT);
}

static int write_ours(char *old, const struct ntm_dnsconf_job *job)
{
	char text[NTM_RESOLV_MAX + 256], stub[INET6_ADDRSTRLEN];
	int err;

	ntm_resolv_strip(old);
	ntm_dnsconf_host_str(ntm_dnsconf_stub(job), stub);
	err = ntm_resolv_write(old, stub, text, sizeof(text));
	return err ? err : replace_resolv_conf(text);
}

static int file_set(const struct ntm_dnsconf_job *job, char *why, size_t size)
{
	char old[NTM_RESOLV_MAX];
	const char *path = NTM_RESOLV_CONF;
	int err = ntm_dnsconf_read(path, old, sizeof(old));

	if (err == -ENOENT) {
		old[0] = '\0';
		err = 0;
	}
	if (!err && !is_ours(old)) {
		path = KEPT;
		err = keep(old);
	}
	if (!err) {
		path = NTM_RESOLV_CONF;
		err = write_ours(old, job);
	}
	if (err)
		snprintf(why, size, "%s: %s", path, strerror(-err));
	return err;
}

static bool file_fits(const struct ntm_dnsconf_host *host)
{
	(void)host;
	return true;
}

const struct ntm_dnsconf_method ntm_dnsconf_file = {
	.name = "file",
	.title = NTM_RESOLV_CONF,
	.source = NTM_RESOLV_CONF,
	.is_file = true,
	.fits = file_fits,
	.set = file_set,
	.undo = file_undo,
};
