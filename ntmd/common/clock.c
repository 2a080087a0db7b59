// SPDX-License-Identifier: GPL-2.0
#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SLEPT_MS 500 /* less is none: the two clocks are read one after the other */

struct ntm_clock_watch {
	uv_poll_t poll;
	int fd;
	uint64_t asleep_ms;
	ntm_clock_slept_fn *slept;
	void *ctx;
};

static uint64_t read_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t ntm_clock_us(void)
{
	return read_us(CLOCK_BOOTTIME);
}

uint64_t ntm_clock_ms(void)
{
	return ntm_clock_us() / 1000;
}

/* Since the machine was started */
static uint64_t asleep_ms(void)
{
	const uint64_t awake_us = read_us(CLOCK_MONOTONIC), all_us = read_us(CLOCK_BOOTTIME);

	return (all_us - awake_us) / 1000;
}

/* Somebody set the time of day, or the machine woke up */
static void on_clock_set(uv_poll_t *poll, int status, int events)
{
	struct ntm_clock_watch *watch = poll->data;
	const uint64_t before = watch->asleep_ms, now = asleep_ms();
	uint64_t times;

	(void)status;
	(void)events;
	(void)!read(watch->fd, &times,
		    sizeof(times)); /* ECANCELED, and the next one is waited for */
	if (now < before + SLEPT_MS)
		return;
	watch->asleep_ms = now;
	watch->slept(watch->ctx, now - before);
}

/*
 * A timer that never fires, but is cancelled when CLOCK_REALTIME jumps; and it has when the kernel's other clocks go on after a
 * sleep. Nobody has to wake up for it.
 */
static int open_timer(void)
{
	const struct itimerspec never = { .it_value.tv_sec = INT32_MAX };
	const int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL)) {
		const int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int ntm_clock_watch(struct ntm_clock_watch **out, uv_loop_t *loop, ntm_clock_slept_fn *slept,
		    void *ctx)
{
	struct ntm_clock_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->slept = slept;
	watch->ctx = ctx;
	watch->asleep_ms = asleep_ms();
	watch->fd = open_timer();
	err = watch->fd < 0 ? watch->fd : uv_poll_init(loop, &watch->poll, watch->fd);
	if (err) {
		if (watch->fd >= 0)
			close(watch->fd);
		free(watch);
		return err;
	}
	watch->poll.data = watch;
	uv_poll_start(&watch->poll, UV_READABLE, on_clock_set);
	*out = watch;
	return 0;
}

static void free_watch(uv_handle_t *handle)
{
	struct ntm_clock_watch *watch = handle->data;

	close(watch->fd);
	free(watch);
}

void ntm_clock_unwatch(struct ntm_clock_watch *watch)
{
	if (watch)
		uv_close((uv_handle_t *)&watch->poll, free_watch);
}
