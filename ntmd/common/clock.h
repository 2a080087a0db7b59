/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one clock of ntmd, ntm-dc and ntm-rs: CLOCK_BOOTTIME, monotonic and going on while the machine sleeps, as it does for everybody
 * else. Leases, bindings and keys are over when their time has passed for the other end, too; the module ages keys by it as well.
 * Where one time is compared with another, or an interval begins that others count, the time is of this clock; what comes as a
 * parameter ("monotonic ms") is.
 *
 * libuv's timers, and what has only to do with this process (a child, a socket to try again, a reader that does not read), go by
 * CLOCK_MONOTONIC, and stand still meanwhile. So a timer whose deadline has passed in its sleep fires late by as long as the machine
 * slept, unless ntm_clock_watch() has it set anew.
 */
#ifndef NTM_CLOCK_H
#define NTM_CLOCK_H

#include <stdint.h>
#include <uv.h>

uint64_t ntm_clock_us(void);
uint64_t ntm_clock_ms(void);

struct ntm_clock_watch;
/** typedef ntm_clock_slept_fn - the machine has slept */
typedef void ntm_clock_slept_fn(void *ctx, uint64_t slept_ms);
int ntm_clock_watch(struct ntm_clock_watch **watch, uv_loop_t *loop, ntm_clock_slept_fn *slept,
		    void *ctx);			       /* 0 or a negative errno */
void ntm_clock_unwatch(struct ntm_clock_watch *watch); /* NULL: nothing to do */

#endif
