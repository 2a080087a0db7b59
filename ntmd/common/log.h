/* SPDX-License-Identifier: GPL-2.0 */
/* Log lines to stderr, with <N> priorities where stderr is the journal. */
#ifndef NTM_LOG_H
#define NTM_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum ntm_log_level { NTM_LOG_ERROR, NTM_LOG_WARNING, NTM_LOG_INFO, NTM_LOG_DEBUG };

void ntm_log_init(const char *program, enum ntm_log_level max);
void ntm_log_set_level(enum ntm_log_level max);
int ntm_log_parse_level(const char *text); /* level or -EINVAL */
void ntm_log(enum ntm_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ntm_err(...) ntm_log(NTM_LOG_ERROR, __VA_ARGS__)
#define ntm_warn(...) ntm_log(NTM_LOG_WARNING, __VA_ARGS__)
#define ntm_info(...) ntm_log(NTM_LOG_INFO, __VA_ARGS__)
#define ntm_debug(...) ntm_log(NTM_LOG_DEBUG, __VA_ARGS__)

/**
 * struct ntm_log_limit - at most 10 lines in 10 s for what others can cause
 *
 * Each kind of others has one of its own: whoever fills one takes no lines of those that cannot be caused by them.
 */
struct ntm_log_limit {
	uint64_t since_ms;
	unsigned int count, suppressed;
};
/** ntm_log_allowed() - @now_ms may be a little older than the last one: as with a clock that was read before something else */
bool ntm_log_allowed(struct ntm_log_limit *limit, uint64_t now_ms);

#endif
