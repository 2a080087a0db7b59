/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The relay server but for its sockets, its loop and its data plane: what comes to its ports is taken apart and answered here.
 * Packets and time come in as parameters, so that tests drive it without either.
 *
 *	Relay Bind, Relayed	bind.c -> paths.c, which tells the data plane
 *	Relay Probe		probe.c
 *	Session Response, Cookie Reply, Sealed	dcs.c -> common/dc.c
 */
#ifndef NTM_RS_CORE_H
#define NTM_RS_CORE_H

#include "common/noise.h"
#include "common/relay.h"
#include "rs/config.h"
#include "rs/dcs.h"
#include "rs/load.h"
#include "rs/paths.h"
#include "rs/plane.h"
#include "rs/probe.h"

/* Why a packet of signalling was dropped */
enum ntm_rs_drop {
	NTM_RS_DROP_SHORT,
	NTM_RS_DROP_VERSION, /* or of a type that is not for a relay server */
	NTM_RS_DROP_MALFORMED,
	NTM_RS_DROP_MAC,
	NTM_RS_DROP_AUTH,
	NTM_RS_DROP_REPLAY,
	NTM_RS_DROP_SESSION, /* unknown session ID */
	NTM_RS_DROP_PATH,    /* unknown Path ID */
	NTM_RS_DROP_SOURCE,  /* Relayed: from neither end of the path */
	NTM_RS_DROP_UNBOUND, /* Relayed: the other end is not bound */
	NTM_RS_DROP_STATE,   /* authentic, but not now */
	NTM_RS_DROP_RATE,
	NTM_RS_DROP_SEND,
	NTM_RS_DROPS,
};
extern const char *const ntm_rs_drop_names[NTM_RS_DROPS];

enum ntm_rs_counter {
	NTM_RS_DIRECTIONS,	   /* Relay Directions that were taken */
	NTM_RS_DIRECTIONS_REFUSED, /* that were not: going away, a limit, other keys */
	NTM_RS_COOKIES,		   /* Binds answered with a cookie */
	NTM_RS_BINDS,		   /* answered with Bound */
	NTM_RS_BUSY,		   /* answered with busy */
	NTM_RS_RELAYED,		   /* packets of signalling sent on */
	NTM_RS_PROBES,		   /* answered */
	NTM_RS_COUNTERS,
};
extern const char *const ntm_rs_counter_names[NTM_RS_COUNTERS];

/**
 * struct ntm_rs_io - the world outside
 * @send:	0 or a negative errno; @other: from the other port
 * @candidates:	the addresses at which nodes reach this relay, best first; how many
 * @cpu:	as ntm_rs_cpu_share()
 */
struct ntm_rs_io {
	int (*send)(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len,
		    bool other);
	unsigned int (*candidates)(void *ctx, struct ntm_candidate *out, unsigned int max);
	uint32_t (*cpu)(void *ctx, uint64_t now_ms);
};

/**
 * struct ntm_rs_core
 * @plane:	NULL: none, Binds are answered "busy"
 * @now_ms:	of the call that is under way, for callbacks
 * @past_packets, @past_bytes: what planes before this one carried
 * @active_ms:	when counters were found to have changed, 0: never. The packets may have passed any time before
 * @looked_ms:	when the last reading of the counters began: of what passed since nothing is known
 * @mark:	what tells whether they changed
 * @drain_ms:	when draining began, 0: it has not
 */
struct ntm_rs_core {
	struct ntm_rs_config config;
	struct ntm_noise_keypair self;
	struct ntm_rs_paths paths;
	struct ntm_relay_secret secret;
	struct ntm_rs_probes probes;
	struct ntm_rs_dcs dcs;
	struct ntm_rs_load load;
	const struct ntm_rs_plane_ops *plane_ops;
	struct ntm_rs_plane *plane;
	const struct ntm_rs_io *io;
	void *io_ctx;
	uint64_t now_ms, started_ms, second_ms;
	uint64_t past_packets, past_bytes;
	uint64_t mark, active_ms, looked_ms;
	uint64_t drain_ms;
	uint64_t drops[NTM_RS_DROPS];
	uint64_t counters[NTM_RS_COUNTERS];
};

/** ntm_rs_core_init() - @core->self is set by the caller before */
void ntm_rs_core_init(struct ntm_rs_core *core, const struct ntm_rs_config *config,
		      const struct ntm_rs_io *io, void *io_ctx, uint64_t now_ms);
void ntm_rs_core_done(struct ntm_rs_core *core);
/** ntm_rs_core_packet() - a datagram; @other: at the other port */
void ntm_rs_core_packet(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
			const union ntm_addr *from, bool other, uint64_t now_ms);
void ntm_rs_core_tick(struct ntm_rs_core *core, uint64_t now_ms);
uint64_t ntm_rs_core_deadline(const struct ntm_rs_core *core);

/** ntm_rs_core_plane() - this plane carries the packets from now on (NULL: none does); it gets all that is bound. 0 or a negative errno */
int ntm_rs_core_plane(struct ntm_rs_core *core, const struct ntm_rs_plane_ops *ops,
		      struct ntm_rs_plane *plane);
/** ntm_rs_core_totals() - data packets and bytes sent on so far */
void ntm_rs_core_totals(const struct ntm_rs_core *core, uint64_t *packets, uint64_t *bytes);
/** ntm_rs_core_load() - how busy it is, 0 to 1000; @room: paths that there may be */
uint32_t ntm_rs_core_load(const struct ntm_rs_core *core, unsigned long room);
/** ntm_rs_core_drain() - goodbye to all DCs, no new paths */
void ntm_rs_core_drain(struct ntm_rs_core *core, uint64_t now_ms);
/** ntm_rs_core_drained() - DCs have been told, and nothing passes any more, or for long enough */
bool ntm_rs_core_drained(const struct ntm_rs_core *core, uint64_t now_ms);

/* For its parts */
void ntm_rs_drop(struct ntm_rs_core *core, enum ntm_rs_drop why);
void ntm_rs_send(struct ntm_rs_core *core, const union ntm_addr *to, const uint8_t *packet,
		 size_t len, bool other);

#endif
