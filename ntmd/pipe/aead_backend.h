/* SPDX-License-Identifier: GPL-2.0 */
/* Between aead.c and the libraries that do the work. */
#ifndef NTM_PIPE_AEAD_BACKEND_H
#define NTM_PIPE_AEAD_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct ntm_aead_backend - one library
 * @fits:	can it be used on this processor?
 * @make:	a key, as ntm_aead_new(); NULL without memory or for a suite it has not
 * @seal, @open: as ntm_aead_seal() and ntm_aead_open(), with the nonce made
 */
struct ntm_aead_backend {
	const char *name;
	bool (*fits)(void);
	void *(*make)(uint8_t suite, bool seal, const uint8_t *key, unsigned int threads);
	bool (*seal)(void *key, unsigned int thread, const uint8_t *nonce, const uint8_t *in,
		     size_t len, uint8_t *out);
	bool (*open)(void *key, unsigned int thread, const uint8_t *nonce, const uint8_t *in,
		     size_t len, uint8_t *out);
	void (*destroy)(void *key);
};

/* The best one first; NULL ends it */
extern const struct ntm_aead_backend *const ntm_aead_backends[];
extern const struct ntm_aead_backend ntm_aead_crypto; /* libcrypto: everywhere */
extern const struct ntm_aead_backend ntm_aead_mb;     /* Intel's multi-buffer library: x86-64 */

/** ntm_aead_new_by() - ntm_aead_new() by a library of choice, for tests */
struct ntm_aead *ntm_aead_new_by(const struct ntm_aead_backend *backend, uint8_t suite, bool seal,
				 const uint8_t *key, unsigned int threads);

#endif
