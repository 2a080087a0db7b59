/* SPDX-License-Identifier: GPL-2.0 */
/* How busy a relay server is (LOAD of a Registration Request): the fullest of its paths, its bandwidth, its processors. */
#ifndef NTM_RS_LOAD_H
#define NTM_RS_LOAD_H

#include <stdint.h>

#define NTM_RS_LOAD_CPUS 256u

/**
 * struct ntm_rs_load - smoothed over some seconds
 * @cpu:	per thousand: of the process, or of the processor that is busiest with packets (softirq)
 * @rate:	bytes a second
 */
struct ntm_rs_load {
	uint64_t at_ms, bytes, cpu_us;
	uint64_t soft[NTM_RS_LOAD_CPUS], total[NTM_RS_LOAD_CPUS];
	uint32_t cpu;
	uint64_t rate;
};

void ntm_rs_load_init(struct ntm_rs_load *load, uint64_t now_ms);
/** ntm_rs_load_update() - measure; to be called every second. @bytes: carried so far */
void ntm_rs_load_update(struct ntm_rs_load *load, uint64_t bytes, uint64_t now_ms);
/** ntm_rs_load_of() - 0 idle to 1000 full; pure */
uint32_t ntm_rs_load_of(const struct ntm_rs_load *load, unsigned long paths,
			unsigned long paths_max, unsigned long bandwidth);

#endif
