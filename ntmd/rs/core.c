// SPDX-License-Identifier: GPL-2.0
#include "rs/core.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "common/handshake.h"
#include "ntmobile/wire.h"
#include "rs/bind.h"

#define SECOND_MS 1000u
#define DRAIN_MS 60000u
#define QUIET_MS 5000u /* without a packet: nobody needs us any more */

const char *const ntm_rs_drop_names[NTM_RS_DROPS] = {
	"short", "version", "malformed", "mac",	  "auth", "replay", "session",
	"path",	 "source",  "unbound",	 "state", "rate", "send",
};

const char *const ntm_rs_counter_names[NTM_RS_COUNTERS] = {
	"directions", "directions_refused", "cookies", "binds", "busy", "relayed", "probes",
};

void ntm_rs_drop(struct ntm_rs_core *core, enum ntm_rs_drop why)
{
	core->drops[why]++;
}

void ntm_rs_send(struct ntm_rs_core *core, const union ntm_addr *to, const uint8_t *packet,
		 size_t len, bool other)
{
	if (core->io->send(core->io_ctx, to, packet, len, other))
		ntm_rs_drop(core, NTM_RS_DROP_SEND);
}

/* The data plane, for paths.c */

static int plane_bind(void *ctx, const struct ntm_rs_path *path, unsigned int end,
		      const union ntm_addr *addr)
{
	struct ntm_rs_core *core = ctx;

	if (!core->plane)
		return addr ? -ENODEV : 0;
	return core->plane_ops->bind(core->plane, path, end, addr);
}

static int plane_rate(void *ctx, const struct ntm_rs_path *path)
{
	struct ntm_rs_core *core = ctx;

	return core->plane ? core->plane_ops->rate(core->plane, path) : 0;
}

static int plane_del(void *ctx, const struct ntm_rs_path *path)
{
	struct ntm_rs_core *core = ctx;

	return core->plane ? core->plane_ops->del(core->plane, path) : 0;
}

static const struct ntm_rs_paths_ops paths_ops = { .bind = plane_bind,
						   .rate = plane_rate,
						   .del = plane_del };

static struct ntm_rs_totals totals_of(const struct ntm_rs_core *core)
{
	struct ntm_rs_totals totals = { .age_ms = 0 };

	if (core->plane)
		core->plane_ops->totals(core->plane, &totals);
	totals.packets += core->past_packets;
	totals.bytes += core->past_bytes;
	return totals;
}

void ntm_rs_core_totals(const struct ntm_rs_core *core, uint64_t *packets, uint64_t *bytes)
{
	const struct ntm_rs_totals totals = totals_of(core);

	*packets = totals.packets;
	*bytes = totals.bytes;
}

int ntm_rs_core_plane(struct ntm_rs_core *core, const struct ntm_rs_plane_ops *ops,
		      struct ntm_rs_plane *plane)
{
	ntm_rs_core_totals(core, &core->past_packets, &core->past_bytes);
	core->plane_ops = ops;
	core->plane = plane;
	return plane ? ntm_rs_paths_refill(&core->paths) : 0;
}

/* Packets */

static bool is_signalling(struct ntm_rs_core *core, const uint8_t *packet, size_t len)
{
	if (len && ntm_wire_is_data(packet[0])) {
		ntm_rs_drop(core, NTM_RS_DROP_PATH); /* the data plane takes its own before */
		return false;
	}
	if (len < 4) {
		ntm_rs_drop(core, NTM_RS_DROP_SHORT);
		return false;
	}
	if (packet[1] != NTM_PROTOCOL_VERSION || packet[2] || packet[3]) {
		ntm_rs_drop(core, NTM_RS_DROP_VERSION);
		return false;
	}
	return true;
}

void ntm_rs_core_packet(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
			const union ntm_addr *from, bool other, uint64_t now_ms)
{
	core->now_ms = now_ms;
	if (!is_signalling(core, packet, len))
		return;
	if (packet[0] == NTM_PKT_RELAY_PROBE) {
		ntm_rs_probe(core, packet, len, from, other);
		return;
	}
	if (other) { /* it is there for probes alone */
		ntm_rs_drop(core, NTM_RS_DROP_VERSION);
		return;
	}
	switch (packet[0]) {
	case NTM_PKT_RELAY_BIND:
		ntm_rs_bind(core, packet, len, from);
		break;
	case NTM_PKT_RELAYED:
		ntm_rs_forward(core, packet, len, from);
		break;
	case NTM_PKT_SESSION_RESPONSE:
	case NTM_PKT_COOKIE_REPLY:
	case NTM_PKT_SEALED:
		ntm_rs_dcs_packet(core, packet, len, from);
		break;
	default:
		ntm_rs_drop(core, NTM_RS_DROP_VERSION);
	}
}

/* Time */

static void watch_traffic(struct ntm_rs_core *core)
{
	const struct ntm_rs_totals totals = totals_of(core);
	const uint64_t mark = totals.mark + core->counters[NTM_RS_RELAYED];

	if (mark != core->mark)
		core->active_ms = core->now_ms;
	core->mark = mark;
	core->looked_ms = totals.age_ms < core->now_ms ? core->now_ms - totals.age_ms : 0;
	ntm_rs_load_update(&core->load, core->io->cpu(core->io_ctx, core->now_ms), totals.bytes,
			   core->looked_ms);
}

uint32_t ntm_rs_core_load(const struct ntm_rs_core *core, unsigned long room)
{
	return ntm_rs_load_of(&core->load, ntm_rs_paths_count(&core->paths), room,
			      core->config.bandwidth);
}

static void every_second(struct ntm_rs_core *core)
{
	if (core->now_ms < core->second_ms)
		return;
	core->second_ms = core->now_ms + SECOND_MS;
	ntm_relay_secret_tick(&core->secret, core->now_ms);
	ntm_rs_paths_expire(&core->paths, core->now_ms);
	ntm_rs_paths_share(&core->paths);
	watch_traffic(core);
	ntm_rs_dcs_load(core);
}

void ntm_rs_core_tick(struct ntm_rs_core *core, uint64_t now_ms)
{
	core->now_ms = now_ms;
	every_second(core);
	ntm_rs_dcs_tick(core);
}

uint64_t ntm_rs_core_deadline(const struct ntm_rs_core *core)
{
	const uint64_t dcs = ntm_rs_dcs_deadline(&core->dcs);

	return dcs < core->second_ms ? dcs : core->second_ms;
}

void ntm_rs_core_drain(struct ntm_rs_core *core, uint64_t now_ms)
{
	core->now_ms = now_ms;
	if (core->drain_ms)
		return;
	core->drain_ms = now_ms;
	ntm_rs_dcs_goodbye(core);
}

bool ntm_rs_core_drained(const struct ntm_rs_core *core, uint64_t now_ms)
{
	if (!core->drain_ms || !ntm_rs_dcs_gone(&core->dcs))
		return false;
	if (now_ms - core->drain_ms >= DRAIN_MS)
		return true;
	/* By counters that may be old: they have to tell of all that passed before draining began, and of quiet after the last packet */
	return core->looked_ms >= core->drain_ms &&
	       (!core->active_ms || core->looked_ms >= core->active_ms + QUIET_MS);
}

void ntm_rs_core_init(struct ntm_rs_core *core, const struct ntm_rs_config *config,
		      const struct ntm_rs_io *io, void *io_ctx, uint64_t now_ms)
{
	core->config = *config;
	core->io = io;
	core->io_ctx = io_ctx;
	core->now_ms = core->started_ms = core->second_ms = now_ms;
	ntm_relay_secret_init(&core->secret, now_ms);
	ntm_rs_paths_init(&core->paths, &config->limits, &paths_ops, core, now_ms);
	ntm_rs_load_init(&core->load, now_ms);
}

void ntm_rs_core_done(struct ntm_rs_core *core)
{
	ntm_rs_dcs_done(core);
	ntm_rs_paths_done(&core->paths);
	sodium_memzero(&core->secret, sizeof(core->secret));
	sodium_memzero(&core->self, sizeof(core->self));
}
