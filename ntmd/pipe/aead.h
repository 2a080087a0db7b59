/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The data packet's AEAD, by the fastest library that there is for the processor: on x86-64 Intel's libipsec-mb, elsewhere
 * libcrypto, which uses ARMv8's instructions. (libsodium 1.0.18 has AES-GCM on x86 only, at a fifth of the speed.)
 */
#ifndef NTM_PIPE_AEAD_H
#define NTM_PIPE_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ntmobile/wire.h"

/** struct ntm_aead - one key in one direction, with a context for each thread that may use it */
struct ntm_aead;

const char *ntm_aead_library(void); /* the one that is used */
/** ntm_aead_suites() - mask of 1 << enum ntm_suite; AES-GCM only with the processor's own instructions */
uint32_t ntm_aead_suites(void);

/**
 * ntm_aead_new() - a key
 * @suite:	enum ntm_suite
 * @seal:	for sealing, else for opening
 * @key:	NTM_WIRE_KEY_LEN bytes; the caller wipes them
 * @threads:	contexts to make
 *
 * NULL without memory or for an unknown suite.
 */
struct ntm_aead *ntm_aead_new(uint8_t suite, bool seal, const uint8_t *key, unsigned int threads);
void ntm_aead_free(struct ntm_aead *aead); /* wipes; NULL: nothing */

/**
 * ntm_aead_seal() - encrypt @len bytes from @in to @out, the tag behind them
 * @thread:	number of the calling thread, below the threads of ntm_aead_new()
 *
 * @in and @out do not overlap, or are the same. False: libcrypto failed.
 */
bool ntm_aead_seal(struct ntm_aead *aead, unsigned int thread, uint64_t ctr, const uint8_t *in,
		   size_t len, uint8_t *out);
/** ntm_aead_open() - the reverse; @len without the tag. False: not authentic, and @out is worthless */
bool ntm_aead_open(struct ntm_aead *aead, unsigned int thread, uint64_t ctr, const uint8_t *in,
		   size_t len, uint8_t *out);

#endif
