/* SPDX-License-Identifier: GPL-2.0 */
/* How busy a relay server is (LOAD of a Registration Request): the fullest of its paths, its bandwidth, its processors. */
#ifndef NTM_RS_LOAD_H
#define NTM_RS_LOAD_H

#include <stdint.h>

#define NTM_RS_LOAD_CPUS 256u

/** struct ntm_rs_cpu - what the processors had done when they were looked at last */
struct ntm_rs_cpu {
	uint64_t at_ms, own_us;
	uint64_t soft[NTM_RS_LOAD_CPUS], total[NTM_RS_LOAD_CPUS];
};

/**
 * ntm_rs_cpu_share() - since the last look, per thousand
 *
 * Of this process, or of the processor that is busiest with packets (softirq): the larger. @cpu: zeroed at first.
 */
uint32_t ntm_rs_cpu_share(struct ntm_rs_cpu *cpu, uint64_t now_ms);

/**
 * struct ntm_rs_load - smoothed over some seconds
 * @read_ms, @bytes: when the counters of the data plane were read, and what they said
 * @cpu:	per thousand
 * @rate:	bytes a second
 */
struct ntm_rs_load {
	uint64_t read_ms, bytes;
	uint32_t cpu;
	uint64_t rate;
};

void ntm_rs_load_init(struct ntm_rs_load *load, uint64_t now_ms);
/**
 * ntm_rs_load_update() - every second; @cpu: as above, @bytes: carried so far, as of @read_ms
 *
 * Counters are read a second after the last time or, if they are many, later. Of one reading @read_ms may differ by some ms each time
 * that it is told: it is the age by one clock, taken from the time by another.
 */
void ntm_rs_load_update(struct ntm_rs_load *load, uint32_t cpu, uint64_t bytes, uint64_t read_ms);
/** ntm_rs_load_of() - 0 idle to 1000 full */
uint32_t ntm_rs_load_of(const struct ntm_rs_load *load, unsigned long paths,
			unsigned long paths_max, unsigned long bandwidth);

#endif
