/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets between a node and a relay server (docs/PROTOCOL.md section 8): how an end of a path shows the RS where it is, and how
 * signalling passes through it. (Data packets pass as they are.) Pure.
 *
 * A Relay Bind proves by its mac that it comes from the end of a path that a DC directed, and by its cookie that it comes from
 * where it says: without, the RS answers with the cookie for that address, and remembers nothing. No answer is longer than what
 * it answers.
 */
#ifndef NTM_RELAY_H
#define NTM_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/addr.h"
#include "common/session.h"

#define NTM_RELAY_KEY 32
#define NTM_RELAY_BIND_LEN 84
#define NTM_RELAY_PROBE_LEN 64
#define NTM_RELAY_PROBE_MAX 9216 /* with padding: what way a large packet finds */
#define NTM_RELAY_HDR_LEN 8	 /* of a relayed signalling packet */
#define NTM_RELAYED_MAX \
	(NTM_SEALED_MAX + NTM_RELAY_HDR_LEN) /* no datagram of signalling is longer */

enum ntm_relay_status {
	NTM_RELAY_BOUND,  /* this address is the end of the path now */
	NTM_RELAY_COOKIE, /* bind again, with this cookie */
	NTM_RELAY_BUSY,	  /* a limit is reached: try another RS */
};

/** struct ntm_relay_bind - a Relay Bind, or (with @status and @lifetime) a Relay Bound */
struct ntm_relay_bind {
	uint32_t path_id;
	uint8_t role; /* enum ntm_role, of the end */
	uint8_t status;
	uint16_t lifetime; /* seconds that the binding is kept without another Bind */
	uint8_t cookie[16];
	uint8_t nonce[16];	 /* the node's, repeated in the answer */
	union ntm_addr observed; /* Bound: where the Bind came from; family 0 in a Bind */
};

/** ntm_relay_end_key() - the key of one end's Binds at one RS, from the psk that a DC gave both ends of a path */
void ntm_relay_end_key(uint8_t key[NTM_RELAY_KEY], const uint8_t path_psk[32],
		       const uint8_t rs_public[32], uint8_t role);

/** struct ntm_relay_secret - what an RS makes cookies with; @old stays good for one change more */
struct ntm_relay_secret {
	uint8_t key[32], old[32];
	uint64_t since_ms;
};

void ntm_relay_secret_init(struct ntm_relay_secret *secret, uint64_t now_ms);
/** ntm_relay_secret_tick() - a new one every 120 s */
void ntm_relay_secret_tick(struct ntm_relay_secret *secret, uint64_t now_ms);
/**
 * ntm_relay_cookie() - the cookie for this source, end and path
 * @moves:	how often this end has changed its address: a Bind of before, sent again by whoever saw it, is no good after
 */
void ntm_relay_cookie(const struct ntm_relay_secret *secret, const struct ntm_relay_bind *bind,
		      const union ntm_addr *from, uint32_t moves, uint8_t cookie[16]);
bool ntm_relay_cookie_good(const struct ntm_relay_secret *secret, const struct ntm_relay_bind *bind,
			   const union ntm_addr *from, uint32_t moves);

/** ntm_relay_put_bind() / _put_bound() - NTM_RELAY_BIND_LEN bytes, authenticated with the key of the path's end */
void ntm_relay_put_bind(uint8_t out[NTM_RELAY_BIND_LEN], const struct ntm_relay_bind *bind,
			const uint8_t key[NTM_RELAY_KEY]);
void ntm_relay_put_bound(uint8_t out[NTM_RELAY_BIND_LEN], const struct ntm_relay_bind *bind,
			 const uint8_t key[NTM_RELAY_KEY]);
/** ntm_relay_get() - read either, without believing it. False: malformed */
bool ntm_relay_get(struct ntm_relay_bind *bind, const uint8_t *packet, size_t len);
/** ntm_relay_authentic() - is the mac right? Constant time. */
bool ntm_relay_authentic(const uint8_t packet[NTM_RELAY_BIND_LEN],
			 const uint8_t key[NTM_RELAY_KEY]);

/**
 * struct ntm_relay_probe - a Relay Probe, or its response (section 8.3): what a NAT does, and how far an RS is
 * @other_port:	answer from the RS's other port
 * @to_port:	answer to this port of the address that the probe came from, host order; 0: to where it came from
 * @observed:	response: where the probe came from; family 0 in a probe
 */
struct ntm_relay_probe {
	uint8_t nonce[16];
	bool other_port;
	uint16_t to_port;
	union ntm_addr observed;
};

/** ntm_relay_put_probe() - NTM_RELAY_PROBE_LEN bytes; @response: it is one. Only who knows the RS's key can make either. */
void ntm_relay_put_probe(uint8_t out[NTM_RELAY_PROBE_LEN], const struct ntm_relay_probe *probe,
			 bool response, const uint8_t rs_public[32]);
/** ntm_relay_get_probe() - read either, if its mac is right (constant time); a probe may have padding behind it. False: malformed or not authentic */
bool ntm_relay_get_probe(struct ntm_relay_probe *probe, const uint8_t *packet, size_t len,
			 const uint8_t rs_public[32]);

/** ntm_relay_wrap() - a signalling packet for the other end of a path; its length, 0 if @size is too small */
size_t ntm_relay_wrap(uint32_t path_id, const uint8_t *packet, size_t len, uint8_t *out,
		      size_t size);
/** ntm_relay_front() - the header alone, in front of what is there already */
void ntm_relay_front(uint32_t path_id, uint8_t out[NTM_RELAY_HDR_LEN]);
/** ntm_relay_unwrap() - the packet inside, with @len; NULL: malformed, or not one that may be relayed */
const uint8_t *ntm_relay_unwrap(const uint8_t *packet, size_t *len, uint32_t *path_id);

#endif
