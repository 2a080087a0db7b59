// SPDX-License-Identifier: GPL-2.0
#include "dc/sessions.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONE NTM_HASH_NONE
#define GUEST 0x80000000u /* marks a guest in by_id; registries stay below 2^31 nodes */
#define MACS 32		  /* mac1 and mac2 at the end of a request */
/* What a guest asks costs look-ups in the store: one Registration Request a second, four at once (it repeats those that get lost) */
#define TRY_MS 1000u
#define TRIES_OWED_MS 4000u

static bool id_eq(const void *ctx, uint32_t value, const void *key)
{
	const struct ntm_sessions *s = ctx;
	const struct ntm_session *keys;

	if (value & GUEST)
		keys = &s->guests[value & ~GUEST].keys;
	else
		keys = &ntm_registry_get(s->registry, value)->session->keys;
	return !memcmp(&keys->local_id, key, sizeof(keys->local_id));
}

static bool request_eq(const void *ctx, uint32_t value, const void *key)
{
	const struct ntm_sessions *s = ctx;

	return !memcmp(s->guests[value].request, key, sizeof(s->guests[value].request));
}

static uint32_t find_id(const struct ntm_sessions *s, uint32_t id)
{
	return ntm_hash_find(&s->by_id, &id, sizeof(id), id_eq, s);
}

static void remove_id(struct ntm_sessions *s, uint32_t id, uint32_t value)
{
	ntm_hash_remove(&s->by_id, &id, sizeof(id), value);
}

int ntm_sessions_init(struct ntm_sessions *s, struct ntm_registry *registry,
		      const struct ntm_noise_keypair *self, unsigned int rate, uint64_t now_ms)
{
	uint32_t i;

	memset(s, 0, sizeof(*s));
	s->registry = registry;
	s->oldest = s->newest = NONE;
	s->guests = calloc(NTM_GUESTS, sizeof(*s->guests));
	if (!s->guests || ntm_hash_init(&s->by_id, NTM_GUESTS) ||
	    ntm_hash_init(&s->by_request, NTM_GUESTS)) {
		ntm_sessions_free(s);
		return -ENOMEM;
	}
	for (i = 0; i < NTM_GUESTS; i++)
		s->guests[i].next = i + 1 < NTM_GUESTS ? i + 1 : NONE;
	s->free = 0;
	s->self = *self;
	ntm_hs_guard_init(&s->guard, self->public, rate, now_ms);
	return 0;
}

void ntm_sessions_free(struct ntm_sessions *s)
{
	if (s->guests)
		sodium_memzero(s->guests, NTM_GUESTS * sizeof(*s->guests));
	free(s->guests);
	ntm_hash_free(&s->by_request);
	ntm_hash_free(&s->by_id);
	sodium_memzero(s, sizeof(*s));
}

static void unlink_guest(struct ntm_sessions *s, uint32_t i)
{
	struct ntm_guest *g = &s->guests[i];

	if (g->prev == NONE)
		s->oldest = g->next;
	else
		s->guests[g->prev].next = g->next;
	if (g->next == NONE)
		s->newest = g->prev;
	else
		s->guests[g->next].prev = g->prev;
}

static void link_newest(struct ntm_sessions *s, uint32_t i, uint64_t now_ms)
{
	struct ntm_guest *g = &s->guests[i];

	g->used_ms = now_ms;
	g->next = NONE;
	g->prev = s->newest;
	if (s->newest == NONE)
		s->oldest = i;
	else
		s->guests[s->newest].next = i;
	s->newest = i;
}

static void touch_guest(struct ntm_sessions *s, uint32_t i, uint64_t now_ms)
{
	unlink_guest(s, i);
	link_newest(s, i, now_ms);
}

static void drop_guest(struct ntm_sessions *s, uint32_t i)
{
	struct ntm_guest *g = &s->guests[i];

	unlink_guest(s, i);
	remove_id(s, g->keys.local_id, i | GUEST);
	ntm_hash_remove(&s->by_request, g->request, sizeof(g->request), i);
	sodium_memzero(g, sizeof(*g));
	g->next = s->free;
	s->free = i;
	s->guest_count--;
}

bool ntm_sessions_knows(const struct ntm_sessions *s, uint32_t id)
{
	return find_id(s, id) != NONE;
}

static uint32_t new_id(const struct ntm_sessions *s)
{
	uint32_t id;

	do {
		id = randombytes_random();
	} while (!id || ntm_sessions_knows(s, id) || (s->taken && s->taken(s->taken_ctx, id)));
	return id;
}

/* Room for one more: the tables keep space for all guests, so that inserting a guest never fails. */
static int reserve_guest(struct ntm_sessions *s)
{
	int err = ntm_hash_reserve(&s->by_id, 1);

	if (err)
		return err;
	if (s->free == NONE)
		drop_guest(s, s->oldest);
	return ntm_hash_reserve(&s->by_request, 1);
}

static void add_guest(struct ntm_sessions *s, const struct ntm_guest *guest, uint64_t now_ms)
{
	uint32_t i = s->free;

	s->free = s->guests[i].next;
	s->guests[i] = *guest;
	link_newest(s, i, now_ms);
	ntm_hash_insert(&s->by_id, &guest->keys.local_id, sizeof(guest->keys.local_id), i | GUEST);
	ntm_hash_insert(&s->by_request, guest->request, sizeof(guest->request), i);
	s->guest_count++;
}

/* Everything of a request but its macs: a repeated request is the same, whatever its cookie. */
static void hash_request(const uint8_t *packet, size_t len, uint8_t hash[32])
{
	crypto_generichash(hash, 32, packet, len - MACS, NULL, 0);
}

static bool answer_again(struct ntm_sessions *s, const uint8_t hash[32], const union ntm_addr *from,
			 uint64_t now_ms, uint8_t *reply, size_t *reply_len)
{
	uint32_t i = ntm_hash_find(&s->by_request, hash, 32, request_eq, s);

	if (i == NONE)
		return false;
	touch_guest(s, i, now_ms);
	s->guests[i].alone &= ntm_addr_equal(&s->guests[i].addr, from);
	memcpy(reply, s->guests[i].response, s->guests[i].response_len);
	*reply_len = s->guests[i].response_len;
	return true;
}

static enum ntm_sessions_verdict shake_hands(struct ntm_sessions *s, struct ntm_guest *guest,
					     const uint8_t *packet, size_t len, uint64_t now_ms,
					     uint8_t *reply, size_t *reply_len)
{
	struct ntm_msg payload = { .has = 0 };
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	int got;

	if (ntm_hs_accept(&hs, &s->self, packet, len))
		return NTM_SESSIONS_BAD;
	memcpy(guest->peer, hs.initiator, sizeof(guest->peer));
	got = ntm_hs_answer(&hs, NULL, new_id(s), &payload, &keys, guest->response,
			    sizeof(guest->response));
	if (got < 0)
		return NTM_SESSIONS_BAD;
	guest->response_len = got;
	guest->keys = keys.session;
	sodium_memzero(&keys, sizeof(keys));
	add_guest(s, guest, now_ms);
	memcpy(reply, guest->response, got);
	*reply_len = got;
	return NTM_SESSIONS_REPLY;
}

enum ntm_sessions_verdict ntm_sessions_request(struct ntm_sessions *s, const uint8_t *packet,
					       size_t len, const union ntm_addr *from,
					       uint64_t now_ms, uint8_t *reply, size_t *reply_len)
{
	struct ntm_guest guest = { .addr = *from, .alone = true };
	enum ntm_sessions_verdict verdict;

	switch (ntm_hs_check(&s->guard, packet, len, from, now_ms, reply, reply_len)) {
	case NTM_HS_COOKIE:
		return NTM_SESSIONS_COOKIE;
	case NTM_HS_BUSY:
		return NTM_SESSIONS_BUSY;
	case NTM_HS_GO:
		break;
	default:
		return NTM_SESSIONS_BAD;
	}
	hash_request(packet, len, guest.request);
	if (answer_again(s, guest.request, from, now_ms, reply, reply_len))
		return NTM_SESSIONS_REPLY;
	if (reserve_guest(s))
		return NTM_SESSIONS_NO_MEMORY;
	verdict = shake_hands(s, &guest, packet, len, now_ms, reply, reply_len);
	sodium_memzero(&guest, sizeof(guest));
	return verdict;
}

void ntm_sessions_drop(struct ntm_sessions *s, struct ntm_node *node)
{
	if (!node->session)
		return;
	remove_id(s, node->session->keys.local_id, node->id);
	ntm_session_wipe(&node->session->keys);
	free(node->session);
	node->session = NULL;
}

void ntm_sessions_release(struct ntm_sessions *s, uint32_t guest, struct ntm_session *keys,
			  union ntm_addr *addr)
{
	*keys = s->guests[guest].keys;
	*addr = s->guests[guest].addr;
	drop_guest(s, guest);
}

static void point_at_node(struct ntm_peer *peer, struct ntm_node *node)
{
	peer->node = node;
	peer->key = node->key;
	peer->keys = &node->session->keys;
	peer->addr = &node->session->addr;
	peer->guest = NONE;
}

/* A guest's session becomes the node's; the old one ends here, and not before. */
static int adopt_guest(struct ntm_sessions *s, uint32_t i, struct ntm_node *node)
{
	struct ntm_dc_session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->keys = s->guests[i].keys;
	session->addr = s->guests[i].addr;
	session->proven = s->guests[i].alone;
	drop_guest(s, i);
	ntm_sessions_drop(s, node);
	node->session = session;
	/* Cannot fail: the guest's slot has just become free. */
	return ntm_hash_insert(&s->by_id, &session->keys.local_id, sizeof(session->keys.local_id),
			       node->id);
}

/* A revoked node that was invited under another name takes its session along. */
static int adopt_session(struct ntm_sessions *s, struct ntm_node *from, struct ntm_node *to)
{
	struct ntm_dc_session *session = from->session;

	remove_id(s, session->keys.local_id, from->id);
	from->session = NULL;
	ntm_sessions_drop(s, to);
	to->session = session;
	return ntm_hash_insert(&s->by_id, &session->keys.local_id, sizeof(session->keys.local_id),
			       to->id);
}

int ntm_sessions_adopt(struct ntm_sessions *s, struct ntm_peer *peer, struct ntm_node *node)
{
	int err = 0;

	if (peer->guest != NONE)
		err = adopt_guest(s, peer->guest, node);
	else if (peer->node != node)
		err = adopt_session(s, peer->node, node);
	if (!err)
		point_at_node(peer, node);
	return err;
}

static void point_at_guest(struct ntm_sessions *s, struct ntm_peer *peer, uint32_t i)
{
	peer->node = NULL;
	peer->key = s->guests[i].peer;
	peer->keys = &s->guests[i].keys;
	peer->addr = &s->guests[i].addr;
	peer->guest = i;
}

/* The first authentic packet of a guest: it is nobody's, or takes its place in its node. */
static int confirm_guest(struct ntm_sessions *s, struct ntm_peer *peer, uint64_t now_ms)
{
	struct ntm_node *node = ntm_registry_by_key(s->registry, peer->key);

	if (node)
		return ntm_sessions_adopt(s, peer, node);
	touch_guest(s, peer->guest, now_ms);
	return 0;
}

/* What was known of another address says nothing of this one. */
static void move(struct ntm_sessions *s, struct ntm_peer *peer)
{
	if (ntm_addr_equal(peer->addr, &peer->from))
		return;
	*peer->addr = peer->from;
	if (peer->guest != NONE) {
		s->guests[peer->guest].alone = false;
		return;
	}
	peer->node->session->proven = false;
	peer->node->session->proof = 0;
}

int ntm_sessions_open(struct ntm_sessions *s, const uint8_t *packet, size_t len,
		      const union ntm_addr *from, uint64_t now_ms, struct ntm_msg *msg,
		      struct ntm_peer *peer)
{
	uint32_t id = ntm_session_id_of(packet, len);
	uint32_t value = find_id(s, id);
	bool newest = false;
	int err;

	if (!id)
		return -EPROTO;
	if (value == NONE)
		return -ENOENT;
	if (value & GUEST)
		point_at_guest(s, peer, value & ~GUEST);
	else
		point_at_node(peer, ntm_registry_get(s->registry, value));
	peer->from = *from;
	err = ntm_session_open(peer->keys, packet, len, msg, &newest);
	if (err && err != -EPROTO)
		return err;
	/* Malformed, yet authentic: it still says where the node is. */
	if (newest)
		move(s, peer);
	if (peer->guest != NONE && confirm_guest(s, peer, now_ms))
		return -ENOMEM;
	if (peer->node)
		peer->node->heard_ms = now_ms;
	return err;
}

bool ntm_sessions_may_try(struct ntm_sessions *s, uint32_t guest, uint64_t now_ms)
{
	uint64_t *paid = &s->guests[guest].tries_paid_ms;

	if (*paid < now_ms)
		*paid = now_ms;
	if (*paid + TRY_MS - now_ms > TRIES_OWED_MS)
		return false;
	*paid += TRY_MS;
	return true;
}

void ntm_sessions_expire(struct ntm_sessions *s, uint64_t now_ms)
{
	while (s->oldest != NONE && now_ms - s->guests[s->oldest].used_ms >= NTM_GUEST_MS)
		drop_guest(s, s->oldest);
}
