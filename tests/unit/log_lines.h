/* SPDX-License-Identifier: GPL-2.0 */
/* What is logged, for a test that counts lines. Between begin and end a test that fails does not say why: stderr is taken. */
#ifndef NTM_LOG_LINES_H
#define NTM_LOG_LINES_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ntm_test.h"
#include "common/log.h"

#define LOG_LINES_BYTES 65536

struct log_lines {
	int file, saved;
	char text[LOG_LINES_BYTES];
};

static inline void log_lines_begin(struct log_lines *lines)
{
	lines->file = memfd_create("log", MFD_CLOEXEC);
	lines->saved = dup(STDERR_FILENO);
	assert_true(lines->file >= 0 && lines->saved >= 0);
	assert_true(dup2(lines->file, STDERR_FILENO) >= 0);
	ntm_log_set_level(NTM_LOG_WARNING);
}

static inline void log_lines_end(struct log_lines *lines)
{
	ssize_t len;

	ntm_log_set_level(NTM_LOG_ERROR);
	dup2(lines->saved, STDERR_FILENO);
	len = pread(lines->file, lines->text, sizeof(lines->text) - 1, 0);
	close(lines->saved);
	close(lines->file);
	assert_true(len >= 0);
	lines->text[len] = '\0';
}

/** log_lines_with() - how many have @what in them, after log_lines_end() */
static inline unsigned int log_lines_with(const struct log_lines *lines, const char *what)
{
	unsigned int count = 0;

	for (const char *at = lines->text; (at = strstr(at, what)); at += strlen(what))
		count++;
	return count;
}

#endif
