/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One end of a path at one relay server: Relay Binds and what they bring (docs/PROTOCOL.md 8.1). Pure: time comes in, packets go
 * out, and whoever owns it looks at @state after each event.
 *
 *	IDLE --start--> ASKING --Bound--> BOUND --kept: again every 1 s--> BOUND
 *	  ^                |                |  three Binds without Bound
 *	  |                +-- 5 s, busy ---+----------------------------> DEAD --start--> ASKING
 *	  +---- not kept, and the RS's time for it is over (or stopped) --+
 *
 *	BOUND --busy: the RS drains--> LEAVING --the time of its last Bound is over--> DEAD
 *
 * An RS has up to two addresses. Until one of them has answered, each Bind goes to both: the first to answer is its address.
 */
#ifndef NTM_BIND_H
#define NTM_BIND_H

#include "common/msg.h"
#include "common/relay.h"

/* LEAVING: the RS goes on forwarding, but wants us to go elsewhere */
enum ntm_bind_state {
	NTM_BIND_IDLE,
	NTM_BIND_ASKING,
	NTM_BIND_BOUND,
	NTM_BIND_LEAVING,
	NTM_BIND_DEAD
};

/**
 * struct ntm_bind
 * @addrs:	of the RS, family 0: none
 * @addr:	the one that answers; family 0 while none has
 * @kept:	packets pass: bind again every second
 * @trying:	Binds are on their way, and no Bound came yet; @tries so many
 * @answered:	a cookie was taken since the clock last sent a Bind: a lying RS must not have us send without end
 * @now:	send at once, whatever the clock says
 * @lapsed:	DEAD, and was bound before
 * @since_ms:	of the first of these Binds, or of what made us leave
 * @bound_ms:	of the last Bound; @until_ms: so long the RS keeps the binding
 */
struct ntm_bind {
	enum ntm_bind_state state;
	uint32_t path_id;
	uint8_t role;
	uint8_t key[NTM_RELAY_KEY];
	union ntm_addr addrs[2];
	union ntm_addr addr;
	uint8_t cookie[16];
	uint8_t nonce[16];
	bool kept, trying, answered, now, lapsed;
	unsigned int tries;
	uint32_t wait_ms;
	uint64_t since_ms, next_ms, bound_ms, until_ms;
};

/** ntm_bind_init() - @relay: as a Route Direction names it, @psk: the path's */
void ntm_bind_init(struct ntm_bind *b, uint32_t path_id, uint8_t role, const uint8_t psk[32],
		   const struct ntm_relay_info *relay);
/** ntm_bind_start() - bind, unless it is bound or asking already, or leaving */
void ntm_bind_start(struct ntm_bind *b, uint64_t now_ms);
/** ntm_bind_again() - bound: show the RS at once where we are, and see if it is alive */
void ntm_bind_again(struct ntm_bind *b, uint64_t now_ms);
void ntm_bind_keep(struct ntm_bind *b, bool kept);
/** ntm_bind_open() - the RS forwards for us */
bool ntm_bind_open(const struct ntm_bind *b);
/** ntm_bind_stop() - it is not needed any more; the RS forgets it by itself */
void ntm_bind_stop(struct ntm_bind *b);

/** ntm_bind_tick() - true: send @packet to @addr, or to all @addrs while @addr is not known. Call until false. */
bool ntm_bind_tick(struct ntm_bind *b, uint64_t now_ms, uint8_t packet[NTM_RELAY_BIND_LEN]);
/** ntm_bind_deadline() - when to call it, in monotonic ms; UINT64_MAX: not by itself */
uint64_t ntm_bind_deadline(const struct ntm_bind *b);
/** ntm_bind_take() - a Relay Bound. 0, or why it was dropped: -EPROTO malformed, -EBADMSG not authentic, -EPERM not from there or not now */
int ntm_bind_take(struct ntm_bind *b, const uint8_t *packet, size_t len, const union ntm_addr *from,
		  uint64_t now_ms);

#endif
