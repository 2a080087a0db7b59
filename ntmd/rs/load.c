// SPDX-License-Identifier: GPL-2.0
#include "rs/load.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FULL 1000u
#define TICKS_MIN 20u /* of the kernel's clock: less tells nothing */
#define SMOOTH 4      /* one part new, three parts old */
#define SMOOTHED_S 30 /* nothing is left of what was before */
#define SAME_MS 500u  /* readings that are no farther apart are one */

static uint64_t process_cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Threads that packets keep busy: one processor is left to the kernel, where there are several (plane_user.c) */
static uint64_t processors(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 1 ? (uint64_t)n - 1 : 1;
}

static uint32_t share(uint64_t part, uint64_t whole)
{
	return !whole ? 0 : part >= whole ? FULL : (uint32_t)(part * FULL / whole);
}

/* One line of /proc/stat; what the processor spent in interrupts since the last look */
static uint32_t one_cpu(struct ntm_rs_cpu *cpu, const char *line)
{
	unsigned long long user, nice, system, idle, wait, irq, softirq, steal;
	uint64_t soft, total, soft_before, total_before;
	unsigned int n;

	if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &n, &user, &nice, &system,
		   &idle, &wait, &irq, &softirq, &steal) != 9 ||
	    n >= NTM_RS_LOAD_CPUS)
		return 0;
	soft = irq + softirq;
	total = user + nice + system + idle + wait + soft + steal;
	soft_before = cpu->soft[n];
	total_before = cpu->total[n];
	if (total >= total_before && total - total_before < TICKS_MIN)
		return 0;
	cpu->soft[n] = soft;
	cpu->total[n] = total;
	return soft < soft_before || total < total_before ?
		       0 : /* a processor that was taken out meanwhile */
		       share(soft - soft_before, total - total_before);
}

static uint32_t busiest_cpu(struct ntm_rs_cpu *cpu)
{
	FILE *file = fopen("/proc/stat", "re");
	uint32_t most = 0;
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) && !strncmp(line, "cpu", 3)) {
		const uint32_t one = one_cpu(cpu, line);

		most = one > most ? one : most;
	}
	fclose(file);
	return most;
}

uint32_t ntm_rs_cpu_share(struct ntm_rs_cpu *cpu, uint64_t now_ms)
{
	const uint64_t own_us = process_cpu_us(), elapsed_ms = now_ms - cpu->at_ms;
	const uint32_t own = share(own_us - cpu->own_us, elapsed_ms * 1000 * processors());
	const uint32_t soft = busiest_cpu(cpu);
	const bool first = !cpu->at_ms;

	cpu->at_ms = now_ms;
	cpu->own_us = own_us;
	if (first)
		return 0;
	return own > soft ? own : soft;
}

void ntm_rs_load_init(struct ntm_rs_load *load, uint64_t now_ms)
{
	memset(load, 0, sizeof(*load));
	load->read_ms = now_ms;
}

static uint64_t smooth(uint64_t old, uint64_t new)
{
	return (old * (SMOOTH - 1) + new) / SMOOTH;
}

/* A reading is the mean of all seconds since the one before, and counts for each of them */
static void take_reading(struct ntm_rs_load *load, uint64_t bytes, uint64_t elapsed_ms)
{
	const uint64_t more = bytes > load->bytes ? bytes - load->bytes : 0;
	const uint64_t rate = more * 1000 / elapsed_ms, seconds = (elapsed_ms + 500) / 1000;

	for (uint64_t i = 0; i < seconds && i < SMOOTHED_S; i++)
		load->rate = smooth(load->rate, rate);
}

void ntm_rs_load_update(struct ntm_rs_load *load, uint32_t cpu, uint64_t bytes, uint64_t read_ms)
{
	load->cpu = (uint32_t)smooth(load->cpu, cpu);
	if (read_ms < load->read_ms + SAME_MS)
		return;
	take_reading(load, bytes, read_ms - load->read_ms);
	load->read_ms = read_ms;
	load->bytes = bytes;
}

uint32_t ntm_rs_load_of(const struct ntm_rs_load *load, unsigned long paths,
			unsigned long paths_max, unsigned long bandwidth)
{
	const uint32_t full = share(paths, paths_max);
	const uint32_t fast = bandwidth ? share(load->rate, bandwidth) : 0;
	const uint32_t most = full > fast ? full : fast;

	return most > load->cpu ? most : load->cpu;
}
