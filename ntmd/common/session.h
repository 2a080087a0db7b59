/* SPDX-License-Identifier: GPL-2.0 */
/* Sealed packets (docs/PROTOCOL.md section 4): keys, counters and replay window of one session. */
#ifndef NTM_SESSION_H
#define NTM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/msg.h"

#define NTM_SEALED_OVERHEAD 32
#define NTM_SEALED_MAX \
	9216 /* bytes of a packet; only a Path Probe is larger than NTM_DATAGRAM_MAX */

/**
 * struct ntm_session - small on purpose: a DC holds a million
 * @local_id:	ID that packets to us carry
 * @remote_id:	ID that packets to the peer carry
 */
struct ntm_session {
	uint32_t local_id;
	uint32_t remote_id;
	uint8_t tx_key[32];
	uint8_t rx_key[32];
	uint64_t tx_ctr;
	uint64_t rx_highest;
	bool rx_any;
	uint64_t rx_seen[16]; /* 1024 counters */
};

/** ntm_session_id_of() - receiver's session ID of a Sealed packet, or 0 if it is none (length, type, version) */
uint32_t ntm_session_id_of(const uint8_t *packet, size_t len);
/** ntm_session_seal() - encode and encrypt; returns the packet's length or a negative errno of ntm_msg_encode() */
int ntm_session_seal(struct ntm_session *s, const struct ntm_msg *m, uint8_t *out, size_t size);
/**
 * ntm_session_open() - authenticate, check for replay, decode
 * @newest:	out: newer than all before: its source may become the session's address
 *
 * Returns 0; -EBADMSG not authentic; -EALREADY a replay; -EPROTO authentic but malformed.
 */
int ntm_session_open(struct ntm_session *s, const uint8_t *packet, size_t len, struct ntm_msg *m,
		     bool *newest);
void ntm_session_wipe(struct ntm_session *s);

#endif
