// SPDX-License-Identifier: GPL-2.0
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_WINDOW_MS 10000
#define LIMIT_BURST 10
#define LINE_MAX_BYTES 1024

static struct {
	const char *program;
	enum ntm_log_level max;
	bool journal;
} logger = { .program = "ntmobile", .max = NTM_LOG_INFO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

/* JOURNAL_STREAM names the device and inode of the stream that systemd gave us. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 || fstat(STDERR_FILENO, &st))
		return false;
	return st.st_dev == dev && st.st_ino == ino;
}

void ntm_log_init(const char *program, enum ntm_log_level max)
{
	logger.program = program;
	logger.max = max;
	logger.journal = stderr_is_journal();
}

void ntm_log_set_level(enum ntm_log_level max)
{
	logger.max = max;
}

int ntm_log_parse_level(const char *text)
{
	for (int i = NTM_LOG_ERROR; i <= NTM_LOG_DEBUG; i++) {
		if (!strcmp(text, level_names[i]))
			return i;
	}
	return -EINVAL;
}

static size_t prefix(enum ntm_log_level level, char *line, size_t size)
{
	static const int priority[] = { 3, 4, 6, 7 }; /* syslog's */
	int len;

	if (logger.journal)
		len = snprintf(line, size, "<%d>", priority[level]);
	else
		len = snprintf(line, size, "%s: %s: ", logger.program, level_names[level]);
	return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

/* A stranger's text must neither forge a second line nor drive a terminal. */
static void defuse(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

void ntm_log(enum ntm_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	size_t len;
	va_list ap;

	if (level > logger.max)
		return;
	len = prefix(level, line, sizeof(line) - 1);
	va_start(ap, fmt);
	if (vsnprintf(line + len, sizeof(line) - 1 - len, fmt, ap) < 0)
		line[len] = '\0';
	va_end(ap);
	defuse(line + len);
	len = strlen(line);
	line[len++] = '\n';
	/* One write, so that lines of several programs do not mix. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = 0; /* nobody is left to tell */
	errno = saved;
}

bool ntm_log_allowed(struct ntm_log_limit *limit, uint64_t now_ms)
{
	if (now_ms >= limit->since_ms + LIMIT_WINDOW_MS) {
		if (limit->suppressed)
			ntm_info("%u like lines suppressed", limit->suppressed);
		limit->since_ms = now_ms;
		limit->count = 0;
		limit->suppressed = 0;
	}
	if (limit->count < LIMIT_BURST) {
		limit->count++;
		return true;
	}
	limit->suppressed++;
	return false;
}
