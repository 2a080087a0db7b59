/* SPDX-License-Identifier: GPL-2.0 */
/* What a coordinator leaves in its directory, for tests and fuzzers. */
#ifndef NTM_DC_FILES_H
#define NTM_DC_FILES_H

#include <stdio.h>
#include <unistd.h>

/** remove_dc_files() - and the directory; 0, or -1 if there is something else in it */
static inline int remove_dc_files(const char *directory)
{
	static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm", "lock",
					     "key" };
	char path[128];

	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		unlink(path);
	}
	return rmdir(directory);
}

#endif
