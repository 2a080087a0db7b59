// SPDX-License-Identifier: GPL-2.0
#include "rs/load.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FULL 1000u
#define SMOOTH 4 /* one part new, three parts old */

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

/* One line of /proc/stat; what the processor spent in interrupts since the last look, per thousand */
static uint32_t one_cpu(struct ntm_rs_load *load, const char *line)
{
	unsigned long long user, nice, system, idle, wait, irq, softirq, steal;
	uint64_t soft, total, soft_before, total_before;
	unsigned int cpu;

	if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &user, &nice,
		   &system, &idle, &wait, &irq, &softirq, &steal) != 9 ||
	    cpu >= NTM_RS_LOAD_CPUS)
		return 0;
	soft = irq + softirq;
	total = user + nice + system + idle + wait + soft + steal;
	soft_before = load->soft[cpu];
	total_before = load->total[cpu];
	load->soft[cpu] = soft;
	load->total[cpu] = total;
	return soft < soft_before || total < total_before ?
		       0 :
		       share(soft - soft_before, total - total_before);
}

static uint32_t busiest_cpu(struct ntm_rs_load *load)
{
	FILE *file = fopen("/proc/stat", "re");
	uint32_t most = 0;
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) && !strncmp(line, "cpu", 3)) {
		const uint32_t one = one_cpu(load, line);

		most = one > most ? one : most;
	}
	fclose(file);
	return most;
}

void ntm_rs_load_init(struct ntm_rs_load *load, uint64_t now_ms)
{
	memset(load, 0, sizeof(*load));
	load->at_ms = now_ms;
	load->cpu_us = process_cpu_us();
	(void)busiest_cpu(load);
}

static uint64_t smooth(uint64_t old, uint64_t new)
{
	return (old * (SMOOTH - 1) + new) / SMOOTH;
}

void ntm_rs_load_update(struct ntm_rs_load *load, uint64_t bytes, uint64_t now_ms)
{
	const uint64_t elapsed_ms = now_ms - load->at_ms, cpu_us = process_cpu_us();
	uint32_t own, soft;

	if (!elapsed_ms)
		return;
	own = share(cpu_us - load->cpu_us, elapsed_ms * 1000 * processors());
	soft = busiest_cpu(load);
	load->cpu = (uint32_t)smooth(load->cpu, own > soft ? own : soft);
	load->rate = smooth(load->rate,
			    bytes > load->bytes ? (bytes - load->bytes) * 1000 / elapsed_ms : 0);
	load->at_ms = now_ms;
	load->cpu_us = cpu_us;
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
