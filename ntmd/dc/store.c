// SPDX-License-Identifier: GPL-2.0
#include "dc/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void ntm_store_hash_token(const uint8_t token[16], uint8_t out[NTM_STORE_TOKEN])
{
	static const char label[] = "ntm token";

	crypto_generichash(out, NTM_STORE_TOKEN, token, 16, (const uint8_t *)label,
			   sizeof(label) - 1);
}

int ntm_store_lock(const char *directory)
{
	char path[256];
	int fd, err;

	if (snprintf(path, sizeof(path), "%s/lock", directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = -errno;
	close(fd);
	return err;
}
