/* SPDX-License-Identifier: GPL-2.0 */
/* The daemon: the core on a libuv loop, with its sockets, control socket, data plane, timer and signals. */
#ifndef NTM_RS_SERVE_H
#define NTM_RS_SERVE_H

#include <uv.h>
#include "common/control.h"
#include "common/netif.h"
#include "common/udp.h"
#include "rs/core.h"

enum { NTM_RS_SIGNALS = 3 };

/**
 * struct ntm_rs - owner of everything
 * @plane_timer: replaces a data plane that is lost, from the loop
 * @candidates:	as last told to the DCs
 * @timer_ms:	when @timer fires
 */
struct ntm_rs {
	uv_loop_t loop;
	uv_timer_t timer, plane_timer;
	uv_signal_t signals[NTM_RS_SIGNALS];
	struct ntm_udp *udp, *other;
	struct ntm_netif_watch *watch;
	struct ntm_control *control;
	struct ntm_rs_core core;
	struct ntm_rs_cpu cpu;
	struct ntm_candidate candidates[2];
	unsigned int candidate_count;
	const char *config_file;
	bool verbose;
	bool has_timers, has_core;
	int signal_count;
	uint64_t timer_ms;
};

/** ntm_rs_serve() - until SIGTERM or SIGINT; returns an exit code. @verbose: log-level debug, whatever the file says */
int ntm_rs_serve(const char *config_file, const struct ntm_rs_config *config, bool verbose);

uint64_t ntm_rs_now_ms(void);
/** ntm_rs_arm() - the core's deadline may have changed */
void ntm_rs_arm(struct ntm_rs *rs);
/** ntm_rs_leave() - drain, and then end; asked twice: at once */
void ntm_rs_leave(struct ntm_rs *rs);

#endif
