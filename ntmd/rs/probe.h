/* SPDX-License-Identifier: GPL-2.0 */
/* Relay Probes (docs/PROTOCOL.md 8.3): answered at once or later, from either port. */
#ifndef NTM_RS_PROBE_H
#define NTM_RS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/addr.h"

struct ntm_rs_core;

#define NTM_RS_PROBES_WAITING 4096u
#define NTM_RS_PROBES_RATE 1000u /* answers a second */

/** struct ntm_rs_waiting - an answer that waits for its time; @from_other: it leaves by the other port */
struct ntm_rs_waiting {
	uint64_t at_ms;
	union ntm_addr to;
	uint8_t nonce[16];
	uint8_t delay_s;
	bool other_asked, from_other;
};

/** struct ntm_rs_probes - @heap: the earliest first; @sent: within the second since @since_ms */
struct ntm_rs_probes {
	struct ntm_rs_waiting *heap;
	unsigned int count;
	uint64_t since_ms;
	unsigned int sent;
};

int ntm_rs_probes_init(struct ntm_rs_probes *probes); /* 0 or -ENOMEM */
void ntm_rs_probes_done(struct ntm_rs_probes *probes);
/** ntm_rs_probe() - a Relay Probe; @other: it came to the other port */
void ntm_rs_probe(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		  const union ntm_addr *from, bool other);
void ntm_rs_probes_tick(struct ntm_rs_core *core);
uint64_t ntm_rs_probes_deadline(const struct ntm_rs_probes *probes);

#endif
