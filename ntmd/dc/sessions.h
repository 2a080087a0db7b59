/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions with nodes. Two kinds:
 *  - confirmed ones of known nodes, held by their struct ntm_node, one each;
 *  - guests: sessions not confirmed yet, or of keys that are no node's. At most NTM_GUESTS, the least recently used
 *    goes first, and none outlives NTM_GUEST_MS without a packet: so strangers can take only that much.
 * A guest becomes its node's session with its first authentic packet; until then the node's old session serves. One that turns out
 * to be another zone's DC is given away (link.c).
 */
#ifndef NTM_DC_SESSIONS_H
#define NTM_DC_SESSIONS_H

#include "common/handshake.h"
#include "dc/registry.h"

#define NTM_GUESTS 4096u
#define NTM_GUEST_MS 10000
#define NTM_GUEST_RESPONSE 128

/**
 * struct ntm_guest
 * @addr:	where the request came from, then where the newest packet did
 * @alone:	the response, without which nobody has the keys, went to @addr and nowhere else
 * @tries_paid_ms: the Registration Requests of before are paid for at this time
 */
struct ntm_guest {
	struct ntm_session keys;
	union ntm_addr addr;
	bool alone;
	uint8_t peer[32];
	uint8_t request[32]; /* hash of the request, to answer a repeated one alike */
	uint8_t response[NTM_GUEST_RESPONSE];
	uint16_t response_len;
	uint64_t used_ms;
	uint64_t tries_paid_ms;
	uint32_t prev, next; /* LRU, or free list */
};

/** struct ntm_sessions - @taken: is an ID somebody else's (sessions with other DCs)? NULL: there are no others */
struct ntm_sessions {
	bool (*taken)(void *ctx, uint32_t id);
	void *taken_ctx;
	struct ntm_noise_keypair self;
	struct ntm_hs_guard guard;
	struct ntm_registry *registry;
	struct ntm_hash by_id;	    /* node id, or GUEST | index */
	struct ntm_hash by_request; /* index of a guest */
	struct ntm_guest *guests;
	uint32_t oldest, newest, free;
	uint32_t guest_count;
};

/**
 * struct ntm_peer - who sent a packet, and how to answer
 * @node:	NULL: the key is no node's
 * @key:	authenticated static key
 * @keys, @addr: of the session; good until the next call of ntm_sessions_*
 * @from:	where this packet came from: not @addr if it was late
 * @guest:	index, or NTM_HASH_NONE
 */
struct ntm_peer {
	struct ntm_node *node;
	const uint8_t *key;
	struct ntm_session *keys;
	union ntm_addr *addr;
	union ntm_addr from;
	uint32_t guest;
};

enum ntm_sessions_verdict {
	NTM_SESSIONS_REPLY,  /* send what is in the reply buffer */
	NTM_SESSIONS_COOKIE, /* the same, a Cookie Reply */
	NTM_SESSIONS_BAD,    /* malformed or not authentic */
	NTM_SESSIONS_BUSY,   /* too many from there */
	NTM_SESSIONS_NO_MEMORY,
};

/** ntm_sessions_init() - @self is copied; 0 or -ENOMEM */
int ntm_sessions_init(struct ntm_sessions *s, struct ntm_registry *registry,
		      const struct ntm_noise_keypair *self, unsigned int rate, uint64_t now_ms);
void ntm_sessions_free(struct ntm_sessions *s); /* before ntm_registry_free() */

/** ntm_sessions_request() - a Session Request; @reply has NTM_DATAGRAM_MAX bytes */
enum ntm_sessions_verdict ntm_sessions_request(struct ntm_sessions *s, const uint8_t *packet,
					       size_t len, const union ntm_addr *from,
					       uint64_t now_ms, uint8_t *reply, size_t *reply_len);
/**
 * ntm_sessions_open() - a Sealed packet
 *
 * Returns 0; -ENOENT no such session; -ENOMEM; or as ntm_session_open(). On 0 the session is confirmed, a known
 * node's one is in the node, and its address is up to date.
 */
int ntm_sessions_open(struct ntm_sessions *s, const uint8_t *packet, size_t len,
		      const union ntm_addr *from, uint64_t now_ms, struct ntm_msg *msg,
		      struct ntm_peer *peer);
/** ntm_sessions_may_try() - a guest may ask to be registered, now; to be asked once for each request */
bool ntm_sessions_may_try(struct ntm_sessions *s, uint32_t guest, uint64_t now_ms);
/** ntm_sessions_adopt() - make the session of @peer that of @node (a new registration); 0 or -ENOMEM */
int ntm_sessions_adopt(struct ntm_sessions *s, struct ntm_peer *peer, struct ntm_node *node);
void ntm_sessions_drop(struct ntm_sessions *s, struct ntm_node *node); /* end a node's session */
/** ntm_sessions_release() - the session of a guest is the caller's from now on; the guest is gone */
void ntm_sessions_release(struct ntm_sessions *s, uint32_t guest, struct ntm_session *keys,
			  union ntm_addr *addr);
bool ntm_sessions_knows(const struct ntm_sessions *s, uint32_t id);
void ntm_sessions_expire(struct ntm_sessions *s,
			 uint64_t now_ms); /* guests that were silent too long */

#endif
