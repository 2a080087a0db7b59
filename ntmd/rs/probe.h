/* SPDX-License-Identifier: GPL-2.0 */
/* Relay Probes (docs/PROTOCOL.md 8.3): answered at once, from either port; nothing is remembered. */
#ifndef NTM_RS_PROBE_H
#define NTM_RS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/addr.h"

struct ntm_rs_core;

#define NTM_RS_PROBES_RATE 1000u /* answers a second */

/** struct ntm_rs_probes - @sent: within the second since @since_ms */
struct ntm_rs_probes {
	uint64_t since_ms;
	unsigned int sent;
};

/** ntm_rs_probe() - a Relay Probe; @other: it came to the other port */
void ntm_rs_probe(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		  const union ntm_addr *from, bool other);

#endif
