/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Noise_IK and Noise_IKpsk2 with 25519, ChaChaPoly and BLAKE2b (Noise Protocol
 * Framework, revision 34) from libsodium's primitives. No I/O, no allocation.
 */
#ifndef NTM_NOISE_H
#define NTM_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTM_NOISE_KEY 32
#define NTM_NOISE_HASH 64
#define NTM_NOISE_TAG 16
#define NTM_NOISE_MSG1 (32 + 48 + 16) /* without payload */
#define NTM_NOISE_MSG2 (32 + 16)

/** struct ntm_noise_keypair - an X25519 key pair */
struct ntm_noise_keypair {
	uint8_t secret[NTM_NOISE_KEY];
	uint8_t public[NTM_NOISE_KEY];
};

enum ntm_noise_pattern { NTM_NOISE_IK, NTM_NOISE_IKPSK2 };

/**
 * struct ntm_noise - one handshake in progress
 *
 * All secrets in it are wiped by ntm_noise_split() and ntm_noise_wipe().
 */
struct ntm_noise {
	enum ntm_noise_pattern pattern;
	bool initiator;
	uint8_t ck[NTM_NOISE_HASH];
	uint8_t h[NTM_NOISE_HASH];
	uint8_t k[NTM_NOISE_KEY];
	uint64_t n;
	struct ntm_noise_keypair s; /* own static */
	struct ntm_noise_keypair e; /* own ephemeral */
	uint8_t rs[NTM_NOISE_KEY];
	uint8_t re[NTM_NOISE_KEY];
	uint8_t psk[NTM_NOISE_KEY];
};

void ntm_noise_generate(struct ntm_noise_keypair *pair);
void ntm_noise_public(struct ntm_noise_keypair *pair); /* from its secret */

/**
 * ntm_noise_init() - start a handshake
 * @psk:	for IKpsk2: may be NULL for a responder, which sets it by ntm_noise_set_psk()
 *		after it has read message 1 and knows who asks
 * @rs:		responder's public key; NULL for the responder
 */
void ntm_noise_init(struct ntm_noise *n, enum ntm_noise_pattern pattern, bool initiator,
		    const uint8_t *prologue, size_t prologue_len, const struct ntm_noise_keypair *s,
		    const uint8_t *rs, const uint8_t *psk);
void ntm_noise_set_psk(struct ntm_noise *n, const uint8_t psk[NTM_NOISE_KEY]);
/** ntm_noise_set_ephemeral() - for test vectors only; else one is made by the write functions */
void ntm_noise_set_ephemeral(struct ntm_noise *n, const uint8_t secret[NTM_NOISE_KEY]);

/*
 * The four steps. write: @out has room for the fixed part plus @len; returns the length. read:
 * @payload has room for @len minus the fixed part; returns the payload's length, or -EBADMSG (the
 * handshake is then wiped: nothing of the message was believed). All-zero Diffie-Hellman results are refused.
 */
int ntm_noise_write1(struct ntm_noise *n, const uint8_t *payload, size_t len, uint8_t *out);
int ntm_noise_read1(struct ntm_noise *n, const uint8_t *msg, size_t len, uint8_t *payload);
int ntm_noise_write2(struct ntm_noise *n, const uint8_t *payload, size_t len, uint8_t *out);
int ntm_noise_read2(struct ntm_noise *n, const uint8_t *msg, size_t len, uint8_t *payload);

/** ntm_noise_split() - initiator-to-responder and responder-to-initiator keys; wipes @n */
void ntm_noise_split(struct ntm_noise *n, uint8_t i2r[NTM_NOISE_KEY], uint8_t r2i[NTM_NOISE_KEY]);
void ntm_noise_wipe(struct ntm_noise *n);

#endif
