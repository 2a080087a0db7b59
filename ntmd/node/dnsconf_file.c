// SPDX-License-Identifier: GPL-2.0
/*
 * /etc/resolv.conf itself, where nothing looks after it. The file of before
 * is kept beside ntmd's own (a symbolic link as such), and is put back only in
 * the place of a file that bears our mark: what somebody else wrote since
 * stays. While the kept one is a link, its target is what its owner goes on
 * writing, and what ours is made of.
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

/* What the link that was in our place leads to; NULL: there was none */
static const char *kept_target(char buf[PATH_MAX])
{
	char target[PATH_MAX];
	int len;

	if (read_link(KEPT, target) <= 0)
		return NULL;
	len = snprintf(buf, PATH_MAX, "%s%s", *target == '/' ? "" : "/etc/", target);
	return len < PATH_MAX ? buf : NULL;
}

static const char *file_source(char buf[PATH_MAX])
{
	const char *target = kept_target(buf);

	return target ? target : NTM_RESOLV_CONF;
}

/* @text: resolv.conf as it stands; into what ours is to be made of. A target that is not there at the moment changes nothing. */
static int take_base(char *text)
{
	char path[PATH_MAX], target[NTM_RESOLV_MAX];
	int err = 0;

	if (is_ours(text) && kept_target(path) && !ntm_dnsconf_read(path, target, sizeof(target)))
		memcpy(text, target, strlen(target) + 1);
	else if (!is_ours(text))
		err = keep(text);
	ntm_resolv_strip(text);
	return err;
}

/* @have: resolv.conf as it stands */
static int write_ours(const char *base, const char *have, const struct ntm_dnsconf_job *job)
{
	char text[NTM_RESOLV_MAX + 256], stub[INET6_ADDRSTRLEN];
	int err;

	ntm_dnsconf_host_str(ntm_dnsconf_stub(job), stub);
	err = ntm_resolv_write(base, stub, ntm_dnsconf_against(job), text, sizeof(text));
	if (err || !strcmp(text, have))
		return err;
	return replace_resolv_conf(text);
}

static int file_set(const struct ntm_dnsconf_job *job, char *why, size_t size)
{
	char have[NTM_RESOLV_MAX], base[NTM_RESOLV_MAX];
	const char *path = NTM_RESOLV_CONF;
	int err = ntm_dnsconf_read(path, have, sizeof(have));

	if (err == -ENOENT) {
		have[0] = '\0';
		err = 0;
	}
	if (!err) {
		path = KEPT;
		memcpy(base, have, strlen(have) + 1);
		err = take_base(base);
	}
	if (!err) {
		path = NTM_RESOLV_CONF;
		err = write_ours(base, have, job);
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
	.source = file_source,
	.is_file = true,
	.fits = file_fits,
	.set = file_set,
	.undo = file_undo,
};
