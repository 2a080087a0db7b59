// SPDX-License-Identifier: GPL-2.0
#include "bind.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define FIRST_MS 100u
#define MAX_MS 1000u
#define ASK_FOR_MS 5000u
#define EVERY_MS 1000u
#define DEAD_TRIES 3u /* Binds without Bound, of one that was bound */

void ntm_bind_init(struct ntm_bind *b, uint32_t path_id, uint8_t role, const uint8_t psk[32],
		   const struct ntm_relay_info *relay)
{
	memset(b, 0, sizeof(*b));
	b->path_id = path_id;
	b->role = role;
	memcpy(b->addrs, relay->addrs, sizeof(b->addrs));
	ntm_relay_end_key(b->key, psk, relay->key, role);
}

/* A new nonce: an old Bound, sent again by somebody, says nothing of now */
static void try_now(struct ntm_bind *b, uint64_t now_ms)
{
	randombytes_buf(b->nonce, sizeof(b->nonce));
	b->trying = true;
	b->tries = 0;
	b->wait_ms = FIRST_MS;
	b->since_ms = now_ms;
	b->next_ms = now_ms;
}

void ntm_bind_start(struct ntm_bind *b, uint64_t now_ms)
{
	if (b->state == NTM_BIND_ASKING || ntm_bind_open(b))
		return;
	b->state = NTM_BIND_ASKING;
	b->lapsed = false;
	memset(&b->addr, 0, sizeof(b->addr));
	try_now(b, now_ms);
}

void ntm_bind_again(struct ntm_bind *b, uint64_t now_ms)
{
	if (b->state == NTM_BIND_BOUND && !b->trying)
		try_now(b, now_ms);
}

void ntm_bind_keep(struct ntm_bind *b, bool kept)
{
	b->kept = kept;
}

bool ntm_bind_open(const struct ntm_bind *b)
{
	return b->state == NTM_BIND_BOUND || b->state == NTM_BIND_LEAVING;
}

static void leave(struct ntm_bind *b, enum ntm_bind_state state)
{
	b->state = state;
	b->trying = false;
	b->now = false;
}

void ntm_bind_stop(struct ntm_bind *b)
{
	leave(b, NTM_BIND_IDLE);
}

static bool given_up(const struct ntm_bind *b, uint64_t now_ms)
{
	if (b->state == NTM_BIND_ASKING)
		return now_ms - b->since_ms >= ASK_FOR_MS;
	return b->tries >= DEAD_TRIES;
}

static void put(struct ntm_bind *b, uint8_t packet[NTM_RELAY_BIND_LEN])
{
	struct ntm_relay_bind bind = { .path_id = b->path_id, .role = b->role };

	memcpy(bind.cookie, b->cookie, sizeof(bind.cookie));
	memcpy(bind.nonce, b->nonce, sizeof(bind.nonce));
	ntm_relay_put_bind(packet, &bind, b->key);
}

bool ntm_bind_tick(struct ntm_bind *b, uint64_t now_ms, uint8_t packet[NTM_RELAY_BIND_LEN])
{
	if (b->state == NTM_BIND_BOUND && !b->trying) {
		if (b->kept && now_ms >= b->bound_ms + EVERY_MS)
			try_now(b, now_ms);
		else if (now_ms >= b->until_ms)
			leave(b, NTM_BIND_IDLE);
	}
	if (b->state == NTM_BIND_LEAVING && now_ms >= b->until_ms)
		leave(b, NTM_BIND_DEAD);
	if (b->now) {
		b->now = false;
		put(b, packet);
		return true;
	}
	if (!b->trying || now_ms < b->next_ms)
		return false;
	if (given_up(b, now_ms)) {
		b->lapsed = b->state == NTM_BIND_BOUND;
		leave(b, NTM_BIND_DEAD);
		return false;
	}
	b->tries++;
	b->answered = false;
	b->next_ms = now_ms + b->wait_ms;
	b->wait_ms = b->wait_ms * 2 < MAX_MS ? b->wait_ms * 2 : MAX_MS;
	put(b, packet);
	return true;
}

uint64_t ntm_bind_deadline(const struct ntm_bind *b)
{
	if (b->now)
		return 0;
	if (b->trying)
		return b->next_ms;
	if (b->state == NTM_BIND_LEAVING)
		return b->until_ms;
	if (b->state != NTM_BIND_BOUND)
		return UINT64_MAX;
	return b->kept && b->bound_ms + EVERY_MS < b->until_ms ? b->bound_ms + EVERY_MS :
								 b->until_ms;
}

static bool is_from_rs(const struct ntm_bind *b, const union ntm_addr *from)
{
	if (b->addr.sa.sa_family)
		return ntm_addr_equal(&b->addr, from);
	return (b->addrs[0].sa.sa_family && ntm_addr_equal(&b->addrs[0], from)) ||
	       (b->addrs[1].sa.sa_family && ntm_addr_equal(&b->addrs[1], from));
}

/* With the cookie for the next Bind: one that is kept is not asked for another when the RS's secret changes */
static void take_bound(struct ntm_bind *b, const uint8_t cookie[16], uint16_t lifetime_s,
		       uint64_t now_ms)
{
	leave(b, NTM_BIND_BOUND);
	memcpy(b->cookie, cookie, sizeof(b->cookie));
	b->bound_ms = now_ms;
	b->until_ms = now_ms + lifetime_s * UINT64_C(1000);
}

/* One that is bound already changes nothing by a Bind that is refused */
static void take_busy(struct ntm_bind *b, uint64_t now_ms)
{
	leave(b, b->state == NTM_BIND_BOUND ? NTM_BIND_LEAVING : NTM_BIND_DEAD);
	b->since_ms = now_ms;
}

/* The cookie is for this source: an RS's other address may see another one, so this is the address from now on */
static void take_cookie(struct ntm_bind *b, const uint8_t cookie[16])
{
	if (b->answered)
		return;
	memcpy(b->cookie, cookie, sizeof(b->cookie));
	b->answered = true;
	b->now = true;
}

int ntm_bind_take(struct ntm_bind *b, const uint8_t *packet, size_t len, const union ntm_addr *from,
		  uint64_t now_ms)
{
	struct ntm_relay_bind bound;

	if (!is_from_rs(b, from) || !b->trying)
		return -EPERM;
	if (!ntm_relay_get(&bound, packet, len) || bound.path_id != b->path_id ||
	    bound.role != b->role)
		return -EPROTO;
	if (!ntm_relay_authentic(packet, b->key))
		return -EBADMSG;
	if (sodium_memcmp(bound.nonce, b->nonce, sizeof(b->nonce)))
		return -EPERM;
	b->addr = *from;
	switch (bound.status) {
	case NTM_RELAY_BOUND:
		take_bound(b, bound.cookie, bound.lifetime, now_ms);
		return 0;
	case NTM_RELAY_COOKIE:
		take_cookie(b, bound.cookie);
		return 0;
	case NTM_RELAY_BUSY:
		take_busy(b, now_ms);
		return 0;
	default:
		return -EPROTO;
	}
}
