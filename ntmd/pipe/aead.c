// SPDX-License-Identifier: GPL-2.0
#include "pipe/aead.h"

#include <openssl/evp.h>
#include <stdlib.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

struct ntm_aead {
	unsigned int threads;
	EVP_CIPHER_CTX *ctx[];
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

static const EVP_CIPHER *cipher_of(uint8_t suite)
{
	switch (suite) {
	case NTM_SUITE_CHACHA20_POLY1305:
		return EVP_chacha20_poly1305();
	case NTM_SUITE_AES_256_GCM:
		return EVP_aes_256_gcm();
	default:
		return NULL;
	}
}

static EVP_CIPHER_CTX *context(const EVP_CIPHER *cipher, bool seal, const uint8_t *key)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx && EVP_CipherInit_ex(ctx, cipher, NULL, key, NULL, seal) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

struct ntm_aead *ntm_aead_new(uint8_t suite, bool seal, const uint8_t *key, unsigned int threads)
{
	const EVP_CIPHER *cipher = cipher_of(suite);
	struct ntm_aead *aead;

	if (!cipher)
		return NULL;
	aead = calloc(1, sizeof(*aead) + threads * sizeof(aead->ctx[0]));
	if (!aead)
		return NULL;
	for (; aead->threads < threads; aead->threads++) {
		aead->ctx[aead->threads] = context(cipher, seal, key);
		if (!aead->ctx[aead->threads]) {
			ntm_aead_free(aead);
			return NULL;
		}
	}
	return aead;
}

void ntm_aead_free(struct ntm_aead *aead)
{
	if (!aead)
		return;
	for (unsigned int i = 0; i < aead->threads; i++)
		EVP_CIPHER_CTX_free(aead->ctx[i]);
	free(aead);
}

bool ntm_aead_seal(struct ntm_aead *aead, unsigned int thread, uint64_t ctr, const uint8_t *in,
		   size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = aead->ctx[thread];
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	int n = 0;

	ntm_wire_nonce(nonce, ctr);
	if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
		return false;
	if (len && EVP_EncryptUpdate(ctx, out, &n, in, (int)len) != 1)
		return false;
	if (EVP_EncryptFinal_ex(ctx, out + n, &n) != 1)
		return false;
	return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, NTM_WIRE_TAG_LEN, out + len) == 1;
}

bool ntm_aead_open(struct ntm_aead *aead, unsigned int thread, uint64_t ctr, const uint8_t *in,
		   size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = aead->ctx[thread];
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	int n = 0;

	ntm_wire_nonce(nonce, ctr);
	if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
		return false;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, NTM_WIRE_TAG_LEN, (void *)(in + len)) !=
	    1)
		return false;
	if (len && EVP_DecryptUpdate(ctx, out, &n, in, (int)len) != 1)
		return false;
	return EVP_DecryptFinal_ex(ctx, out + n, &n) == 1;
}
