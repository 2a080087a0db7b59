/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The data plane of a relay server: forwards data packets by Path ID between bound ends. One struct of operations, two
 * implementations: "kernel" (ntmobile.ko) and "user" (pipe/relay.h). Nothing above knows which one runs.
 */
#ifndef NTM_RS_PLANE_H
#define NTM_RS_PLANE_H

#include <uv.h>
#include "common/udp.h"
#include "rs/config.h"

struct ntm_rs_plane;

/* Why a data packet was dropped */
enum ntm_rs_plane_drop {
	NTM_RS_PLANE_SHORT,
	NTM_RS_PLANE_PATH,    /* unknown Path ID */
	NTM_RS_PLANE_SOURCE,  /* from neither end */
	NTM_RS_PLANE_UNBOUND, /* the other end is not bound */
	NTM_RS_PLANE_RATE,
	NTM_RS_PLANE_TOO_BIG, /* kernel: behind the other family's header, or the route's MTU */
	NTM_RS_PLANE_HOPS,    /* kernel: hop limit used up */
	NTM_RS_PLANE_SEND,    /* no route, or it could not be sent */
	NTM_RS_PLANE_NO_MEM,
	NTM_RS_PLANE_DROPS,
};
extern const char *const ntm_rs_plane_drop_names[NTM_RS_PLANE_DROPS];

/**
 * struct ntm_rs_totals - what a plane has sent on since it was opened
 * @packets, @bytes: never less than before
 * @mark:	another number than before if anything was sent on between two readings of the counters
 * @age_ms:	since the last reading began: what passed meanwhile may not be in it; UINT64_MAX: there was none
 */
struct ntm_rs_totals {
	uint64_t packets, bytes;
	uint64_t mark;
	uint64_t age_ms;
};

/** struct ntm_rs_plane_events - called from the loop, never from within an operation; @err: negative errno */
struct ntm_rs_plane_events {
	void (*lost)(void *ctx, int err);
};

/** struct ntm_rs_plane_open - what a plane needs; all of it outlives the plane */
struct ntm_rs_plane_open {
	uv_loop_t *loop;
	struct ntm_udp *udp;
	const struct ntm_rs_config *config;
	const struct ntm_rs_plane_events *events;
	void *ctx;
};

/**
 * struct ntm_rs_plane_ops
 * @open:	0, or a negative errno with a sentence in @why
 * @bind, @rate, @del: as in struct ntm_rs_paths_ops; done already is done
 * @totals:	as of some seconds ago, where counting costs
 */
struct ntm_rs_plane_ops {
	const char *name;
	int (*open)(struct ntm_rs_plane **plane, const struct ntm_rs_plane_open *how, char *why,
		    size_t size);
	int (*bind)(struct ntm_rs_plane *plane, const struct ntm_rs_path *path, unsigned int end,
		    const union ntm_addr *addr);
	int (*rate)(struct ntm_rs_plane *plane, const struct ntm_rs_path *path);
	int (*del)(struct ntm_rs_plane *plane, const struct ntm_rs_path *path);
	void (*totals)(struct ntm_rs_plane *plane, struct ntm_rs_totals *totals);
	int (*drops)(struct ntm_rs_plane *plane, uint64_t drops[NTM_RS_PLANE_DROPS]);
	void (*close)(struct ntm_rs_plane *plane);
};

extern const struct ntm_rs_plane_ops ntm_rs_plane_kernel, ntm_rs_plane_user;

#endif
