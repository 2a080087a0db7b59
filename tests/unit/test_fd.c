// SPDX-License-Identifier: GPL-2.0
/* wrap: close_range opendir */
/* All descriptors from one on are closed, by whatever means the kernel gives. */
#include "ntm_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"

#define FIRST 20
#define LAST 300

static bool no_call, no_proc;

int __real_close_range(unsigned int first, unsigned int last, int flags);
int __wrap_close_range(unsigned int first, unsigned int last, int flags);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);

int __wrap_close_range(unsigned int first, unsigned int last, int flags)
{
	if (!no_call)
		return __real_close_range(first, last, flags);
	errno = ENOSYS;
	return -1;
}

DIR *__wrap_opendir(const char *path)
{
	return no_proc ? NULL : __real_opendir(path);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* In a child: the exit status is 0 if the right ones are closed */
static int close_some(void)
{
	for (int fd = FIRST - 2; fd <= LAST; fd++)
		if (dup2(STDOUT_FILENO, fd) < 0)
			return 1;
	ntm_fd_close_from(FIRST);
	for (int fd = FIRST; fd <= LAST + 10; fd++)
		if (is_open(fd))
			return 2;
	return is_open(FIRST - 1) && is_open(FIRST - 2) ? 0 : 3;
}

static void closes(void)
{
	const pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(close_some());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_close_from(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		no_call = i > 0;
		no_proc = i > 1;
		closes();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_close_from) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
