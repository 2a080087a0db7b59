// SPDX-License-Identifier: GPL-2.0
#include "pipe/aead.h"

#include <stdlib.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "pipe/aead_backend.h"

struct ntm_aead {
	const struct ntm_aead_backend *backend;
	void *key;
};

const struct ntm_aead_backend *const ntm_aead_backends[] = {
#ifdef NTM_HAVE_IPSEC_MB
	&ntm_aead_mb,
#endif
	&ntm_aead_crypto,
	NULL,
};

static bool has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	return (getauxval(AT_HWCAP) & (HWCAP_AES | HWCAP_PMULL)) == (HWCAP_AES | HWCAP_PMULL);
#else
	return false;
#endif
}

uint32_t ntm_aead_suites(void)
{
	uint32_t suites = 1u << NTM_SUITE_CHACHA20_POLY1305;

	if (has_aes())
		suites |= 1u << NTM_SUITE_AES_256_GCM;
	return suites;
}

static const struct ntm_aead_backend *best(void)
{
	const struct ntm_aead_backend *const *backend = ntm_aead_backends;

	while (backend[1] && !(*backend)->fits())
		backend++;
	return *backend; /* the last one always does */
}

const char *ntm_aead_library(void)
{
	return best()->name;
}

struct ntm_aead *ntm_aead_new_by(const struct ntm_aead_backend *backend, uint8_t suite, bool seal,
				 const uint8_t *key, unsigned int threads)
{
	struct ntm_aead *aead = calloc(1, sizeof(*aead));

	if (!aead)
		return NULL;
	aead->backend = backend;
	aead->key = backend->make(suite, seal, key, threads);
	if (aead->key)
		return aead;
	free(aead);
	return NULL;
}

struct ntm_aead *ntm_aead_new(uint8_t suite, bool seal, const uint8_t *key, unsigned int threads)
{
	return ntm_aead_new_by(best(), suite, seal, key, threads);
}

void ntm_aead_free(struct ntm_aead *aead)
{
	if (!aead)
		return;
	aead->backend->destroy(aead->key);
	free(aead);
}

bool ntm_aead_seal(struct ntm_aead *aead, unsigned int thread, uint64_t ctr, const uint8_t *in,
		   size_t len, uint8_t *out)
{
	uint8_t nonce[NTM_WIRE_NONCE_LEN];

	ntm_wire_nonce(nonce, ctr);
	return aead->backend->seal(aead->key, thread, nonce, in, len, out);
}

bool ntm_aead_open(struct ntm_aead *aead, unsigned int thread, uint64_t ctr, const uint8_t *in,
		   size_t len, uint8_t *out)
{
	uint8_t nonce[NTM_WIRE_NONCE_LEN];

	ntm_wire_nonce(nonce, ctr);
	return aead->backend->open(aead->key, thread, nonce, in, len, out);
}
