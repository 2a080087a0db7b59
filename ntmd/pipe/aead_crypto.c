// SPDX-License-Identifier: GPL-2.0
/* libcrypto. Its contexts hold what a call is working on, so each thread has one of its own. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "ntmobile/wire.h"
#include "pipe/aead_backend.h"

struct contexts {
	unsigned int threads;
	EVP_CIPHER_CTX *ctx[];
};

static bool crypto_fits(void)
{
	return true;
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

static void crypto_destroy(void *key)
{
	struct contexts *c = key;

	for (unsigned int i = 0; i < c->threads; i++)
		EVP_CIPHER_CTX_free(c->ctx[i]);
	free(c);
}

static void *crypto_make(uint8_t suite, bool seal, const uint8_t *key, unsigned int threads)
{
	const EVP_CIPHER *cipher = cipher_of(suite);
	struct contexts *c;

	if (!cipher)
		return NULL;
	c = calloc(1, sizeof(*c) + threads * sizeof(c->ctx[0]));
	if (!c)
		return NULL;
	for (; c->threads < threads; c->threads++) {
		c->ctx[c->threads] = context(cipher, seal, key);
		if (!c->ctx[c->threads]) {
			crypto_destroy(c);
			return NULL;
		}
	}
	return c;
}

static bool crypto_seal(void *key, unsigned int thread, const uint8_t *nonce, const uint8_t *in,
			size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = ((struct contexts *)key)->ctx[thread];
	int n = 0;

	if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
		return false;
	if (len && EVP_EncryptUpdate(ctx, out, &n, in, (int)len) != 1)
		return false;
	if (EVP_EncryptFinal_ex(ctx, out + n, &n) != 1)
		return false;
	return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, NTM_WIRE_TAG_LEN, out + len) == 1;
}

static bool crypto_open(void *key, unsigned int thread, const uint8_t *nonce, const uint8_t *in,
			size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = ((struct contexts *)key)->ctx[thread];
	int n = 0;

	if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1)
		return false;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, NTM_WIRE_TAG_LEN, (void *)(in + len)) !=
	    1)
		return false;
	if (len && EVP_DecryptUpdate(ctx, out, &n, in, (int)len) != 1)
		return false;
	return EVP_DecryptFinal_ex(ctx, out + n, &n) == 1;
}

const struct ntm_aead_backend ntm_aead_crypto = {
	.name = "libcrypto",
	.fits = crypto_fits,
	.make = crypto_make,
	.seal = crypto_seal,
	.open = crypto_open,
	.destroy = crypto_destroy,
};
