// SPDX-License-Identifier: GPL-2.0
/*
 * Which Binds count. An end shows its key (mac) and that it is where it says (cookie). A Bind that was seen on its way can be sent
 * again by anybody: from another source its cookie is wrong; and with its old source feigned, its cookie is one of before the end
 * moved on. What is left is that the end stays bound to where it is, for as long as the cookie lasts.
 */
#include "rs/bind.h"

#include <string.h>

/* Relayed signalling: so much for each packet, and so much may be owed. 50 a second, 200 at once: a set-up is a handful. */
#define SIGNAL_MS 20u
#define SIGNAL_OWED_MS 4000u

/* Made for where the end is now, or for the move that brought it there */
static bool cookie_good(const struct ntm_rs_core *core, const struct ntm_rs_end *end,
			const struct ntm_relay_bind *bind, const union ntm_addr *from)
{
	const bool here = end->addr.sa.sa_family && ntm_addr_equal(&end->addr, from);

	return ntm_relay_cookie_good(&core->secret, bind, from, end->moves) ||
	       (here && ntm_relay_cookie_good(&core->secret, bind, from, end->moves - 1));
}

static void answer(struct ntm_rs_core *core, const struct ntm_rs_end *end,
		   struct ntm_relay_bind *bind, const union ntm_addr *from,
		   enum ntm_relay_status status)
{
	uint8_t packet[NTM_RELAY_BIND_LEN];

	bind->status = (uint8_t)status;
	bind->observed = *from;
	/* With Bound too: it is the one for the next Bind, when the secret has changed meanwhile */
	ntm_relay_cookie(&core->secret, bind, from, end->moves, bind->cookie);
	if (status == NTM_RELAY_BOUND)
		bind->lifetime = (uint16_t)ntm_rs_path_bound_s(end->path);
	ntm_relay_put_bound(packet, bind, end->key);
	ntm_rs_send(core, from, packet, sizeof(packet), false);
}

static void take(struct ntm_rs_core *core, struct ntm_rs_path *path, unsigned int side,
		 struct ntm_relay_bind *bind, const union ntm_addr *from)
{
	const struct ntm_rs_end *end = &path->ends[side];

	if (!cookie_good(core, end, bind, from)) {
		core->counters[NTM_RS_COOKIES]++;
		answer(core, end, bind, from, NTM_RELAY_COOKIE);
	} else if (core->drain_ms) {
		/* It is forwarded for as before: the end has another relay, and its time to bind there */
		core->counters[NTM_RS_BUSY]++;
		answer(core, end, bind, from, NTM_RELAY_BUSY);
	} else if (ntm_rs_paths_bind(&core->paths, path, side, from, core->now_ms)) {
		core->counters[NTM_RS_BUSY]++;
		answer(core, end, bind, from, NTM_RELAY_BUSY);
	} else {
		core->counters[NTM_RS_BINDS]++;
		answer(core, end, bind, from, NTM_RELAY_BOUND);
	}
}

void ntm_rs_bind(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		 const union ntm_addr *from)
{
	struct ntm_relay_bind bind;
	struct ntm_rs_path *path;

	if (!ntm_relay_get(&bind, packet, len) || bind.status || bind.lifetime ||
	    bind.observed.sa.sa_family) {
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		return;
	}
	path = ntm_rs_paths_find(&core->paths, bind.path_id);
	if (!path) {
		ntm_rs_drop(core, NTM_RS_DROP_PATH);
		return;
	}
	if (!ntm_relay_authentic(packet, path->ends[bind.role - 1].key)) {
		ntm_rs_drop(core, NTM_RS_DROP_MAC);
		return;
	}
	take(core, path, bind.role - 1u, &bind, from);
}

static bool admit(struct ntm_rs_core *core, struct ntm_rs_path *path)
{
	if (path->signal_ms < core->now_ms)
		path->signal_ms = core->now_ms;
	if (path->signal_ms - core->now_ms + SIGNAL_MS > SIGNAL_OWED_MS)
		return false;
	path->signal_ms += SIGNAL_MS;
	return true;
}

void ntm_rs_forward(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		    const union ntm_addr *from)
{
	const struct ntm_rs_end *to;
	struct ntm_rs_path *path;
	size_t inner = len;
	uint32_t id;
	int side;

	if (!ntm_relay_unwrap(packet, &inner, &id)) {
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		return;
	}
	path = ntm_rs_paths_find(&core->paths, id);
	if (!path) {
		ntm_rs_drop(core, NTM_RS_DROP_PATH);
		return;
	}
	side = ntm_rs_path_side(path, from);
	if (side < 0) {
		ntm_rs_drop(core, NTM_RS_DROP_SOURCE);
		return;
	}
	to = &path->ends[!side];
	if (!to->addr.sa.sa_family) {
		ntm_rs_drop(core, NTM_RS_DROP_UNBOUND);
		return;
	}
	if (!admit(core, path)) {
		ntm_rs_drop(core, NTM_RS_DROP_RATE);
		return;
	}
	core->counters[NTM_RS_RELAYED]++;
	ntm_rs_send(core, &to->addr, packet, len, false);
}
