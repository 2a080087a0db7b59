// SPDX-License-Identifier: GPL-2.0
#include "common/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const uint8_t *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

/* The new name of a file is only on the disk when its directory is. */
static int sync_directory(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int err = 0;
	int fd;

	if (!slash)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash == path ? 1 : slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) && errno != EINVAL && errno != EROFS) /* some file systems cannot */
		err = -errno;
	close(fd);
	return err;
}

int ntm_keyfile_write(const char *path, const void *data, size_t len)
{
	char temp[PATH_MAX];
	int err;
	int fd;

	if ((size_t)snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(temp, path))
		err = -errno;
	if (err) {
		unlink(temp);
		return err;
	}
	return sync_directory(path);
}

/* Reads at most @size - 1 bytes of a file that is its owner's alone; length or a negative errno. */
static ssize_t read_private(const char *path, char *out, size_t size)
{
	struct stat st;
	ssize_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		len = -errno;
	else if (!S_ISREG(st.st_mode))
		len = -EINVAL;
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		len = -EPERM;
	else if ((len = read(fd, out, size - 1)) < 0)
		len = -errno;
	else
		out[len] = '\0';
	close(fd);
	return len;
}

static int make_key(const char *path, struct ntm_noise_keypair *pair)
{
	char text[NTM_KEY_STR + 1];
	int err;

	ntm_noise_generate(pair);
	ntm_key_str(pair->secret, text);
	strcat(text, "\n");
	err = ntm_keyfile_write(path, text, strlen(text));
	sodium_memzero(text, sizeof(text));
	if (err)
		sodium_memzero(pair, sizeof(*pair));
	return err;
}

int ntm_keyfile_load(const char *path, struct ntm_noise_keypair *pair)
{
	char text[NTM_KEY_STR + 8];
	ssize_t len = read_private(path, text, sizeof(text));
	int err = 0;

	if (len == -ENOENT)
		return make_key(path, pair);
	if (len < 0)
		return (int)len;
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = '\0';
	/* A secret that is all zero can only be a damaged file. */
	if (strlen(text) != (size_t)len || ntm_key_parse(text, pair->secret) ||
	    sodium_is_zero(pair->secret, sizeof(pair->secret)))
		err = -EINVAL;
	else
		ntm_noise_public(pair);
	sodium_memzero(text, sizeof(text));
	if (err)
		sodium_memzero(pair, sizeof(*pair));
	return err;
}

void ntm_key_str(const uint8_t key[32], char out[NTM_KEY_STR])
{
	sodium_bin2base64(out, NTM_KEY_STR, key, 32, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int ntm_key_parse(const char *text, uint8_t key[32])
{
	size_t len;

	if (strlen(text) != NTM_KEY_STR - 1)
		return -EINVAL;
	if (sodium_base642bin(key, 32, text, NTM_KEY_STR - 1, NULL, &len, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    len != 32)
		return -EINVAL;
	return 0;
}
