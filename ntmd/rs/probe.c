// SPDX-License-Identifier: GPL-2.0
#include "rs/probe.h"

#include <arpa/inet.h>
#include <string.h>
#include "rs/core.h"

#define SECOND_MS 1000u

static bool admit(struct ntm_rs_probes *probes, uint64_t now_ms)
{
	if (now_ms - probes->since_ms >= SECOND_MS) {
		probes->since_ms = now_ms;
		probes->sent = 0;
	}
	if (probes->sent >= NTM_RS_PROBES_RATE)
		return false;
	probes->sent++;
	return true;
}

/* Another port, never another address: an answer goes to nobody who has not, as far as anyone can tell, asked */
static union ntm_addr answer_to(const union ntm_addr *from, uint16_t port)
{
	union ntm_addr to = *from;

	if (port && to.sa.sa_family == AF_INET)
		to.v4.sin_port = htons(port);
	else if (port)
		to.v6.sin6_port = htons(port);
	return to;
}

void ntm_rs_probe(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		  const union ntm_addr *from, bool other)
{
	uint8_t answer[NTM_RELAY_PROBE_LEN];
	struct ntm_relay_probe probe;
	union ntm_addr to;

	if (len < NTM_RELAY_PROBE_LEN || len > NTM_RELAY_PROBE_MAX) {
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		return;
	}
	if (!ntm_relay_get_probe(&probe, packet, len, core->self.public)) {
		ntm_rs_drop(core, NTM_RS_DROP_MAC);
		return;
	}
	if (probe.observed.sa.sa_family) {
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		return;
	}
	if (!admit(&core->probes, core->now_ms)) {
		ntm_rs_drop(core, NTM_RS_DROP_RATE);
		return;
	}
	probe.observed = *from;
	ntm_relay_put_probe(answer, &probe, true, core->self.public);
	core->counters[NTM_RS_PROBES]++;
	to = answer_to(from, probe.to_port);
	ntm_rs_send(core, &to, answer, sizeof(answer), probe.other_port != other);
}
