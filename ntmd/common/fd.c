// SPDX-License-Identifier: GPL-2.0
#include "common/fd.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Closing while reading makes a directory skip entries: so once more, until none is left */
static bool close_listed(DIR *dir, unsigned int first)
{
	const struct dirent *entry;
	bool any = false;

	while ((entry = readdir(dir))) {
		char *end;
		const unsigned long fd = strtoul(entry->d_name, &end, 10);

		if (end == entry->d_name || *end || fd < first || fd == (unsigned long)dirfd(dir))
			continue;
		close((int)fd);
		any = true;
	}
	return any;
}

static bool close_by_proc(unsigned int first)
{
	DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		return false;
	while (close_listed(dir, first))
		rewinddir(dir);
	closedir(dir); /* it is the last one */
	return true;
}

void ntm_fd_close_from(unsigned int first)
{
	const long max = sysconf(_SC_OPEN_MAX);

	if (!close_range(first, ~0U, 0) || close_by_proc(first))
		return;
	for (long fd = first; fd < (max > 0 ? max : 1024); fd++)
		close((int)fd);
}
