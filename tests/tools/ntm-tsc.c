// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-tsc: prints how many kHz this machine's time stamp counter has; nothing where there is none.
 *
 * For guests without KVM, whose counter it is, too: left to find out by themselves while they start, on a busy machine they may
 * be wrong by a factor, and their clock is from then on.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

#define SPAN_NS 100000000ull
#define TRIES 20

struct reading {
	uint64_t ns, ticks;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* The one of several that took the shortest time: nobody interrupted it */
static struct reading take_reading(void)
{
	struct reading best = { 0 };
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		const uint64_t before = now_ns(), ticks = __rdtsc(), after = now_ns();

		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best = (struct reading){ before + shortest / 2, ticks };
	}
	return best;
}

int main(void)
{
	const struct timespec span = { .tv_nsec = (long)SPAN_NS };
	struct reading first, last;

	first = take_reading();
	nanosleep(&span, NULL);
	last = take_reading();
	if (last.ns <= first.ns || last.ticks <= first.ticks)
		return 1;
	printf("%.0f\n", (double)(last.ticks - first.ticks) * 1e6 / (double)(last.ns - first.ns));
	return 0;
}

#else

int main(void)
{
	return 0;
}

#endif
