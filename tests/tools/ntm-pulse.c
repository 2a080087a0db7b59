// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-pulse: whether the machine stood still, for tests that take times.
 *
 *   ntm-pulse
 *
 * One thread on each processor that it may use sleeps for 10 ms again and again, and keeps how late it woke at worst. It prints
 * "ready" when each has slept once, and on SIGTERM or SIGINT ends with the worst of all, in whole milliseconds. It ends with
 * the program that started it, too.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ll
#define PERIOD (10 * MS)

/** struct pulse - of one processor; its thread alone writes @due and @worst, which are ns */
struct pulse {
	_Atomic int64_t due, worst;
	atomic_bool beats;
};

static struct pulse pulses[CPU_SETSIZE];
static int count;

static void die(const char *what, int error)
{
	fprintf(stderr, "ntm-pulse: %s: %s\n", what, strerror(error));
	exit(1);
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void *beat(void *arg)
{
	struct pulse *p = arg;

	for (;;) {
		const int64_t due = now() + PERIOD;
		const struct timespec until = { .tv_sec = due / (1000 * MS),
						.tv_nsec = due % (1000 * MS) };

		atomic_store(&p->due, due);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
		atomic_store(&p->worst, longer(p->worst, now() - due));
		atomic_store(&p->beats, true);
	}
	return NULL;
}

static void start(struct pulse *p, int cpu)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	atomic_store(&p->due, now() + PERIOD);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	error = pthread_create(&thread, &attr, beat, p);
	if (error)
		die("thread", error);
	pthread_attr_destroy(&attr);
}

/* One that has not woken yet is late by now */
static int64_t worst(void)
{
	int64_t most = 0;

	for (int i = 0; i < count; i++)
		most = longer(most, longer(pulses[i].worst, now() - pulses[i].due));
	return most;
}

int main(void)
{
	sigset_t end;
	cpu_set_t set;
	int number;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	pthread_sigmask(SIG_BLOCK, &end, NULL); /* for the threads, too */
	if (sched_getaffinity(0, sizeof(set), &set))
		die("processors", errno);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			start(&pulses[count++], cpu);
	for (int i = 0; i < count; i++)
		while (!atomic_load(&pulses[i].beats))
			usleep(PERIOD / 1000);
	puts("ready");
	fflush(stdout);
	sigwait(&end, &number);
	printf("%lld\n", (long long)(worst() / MS));
	return 0;
}
