// SPDX-License-Identifier: GPL-2.0
/*
 * The names follow the Noise specification: ck, h, k, n; MixKey, MixHash.
 * Patterns:
 *
 *	IK, IKpsk2:
 *	  <- s
 *	  ...
 *	  -> e, es, s, ss
 *	  <- e, ee, se [, psk]
 */
#include "common/noise.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define BLOCK 128 /* of BLAKE2b, for HMAC */

static const char *const protocol_names[] = {
	[NTM_NOISE_IK] = "Noise_IK_25519_ChaChaPoly_BLAKE2b",
	[NTM_NOISE_IKPSK2] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b",
};

typedef crypto_generichash_blake2b_state hash_state;

static void hash_init(hash_state *st)
{
	crypto_generichash_blake2b_init(st, NULL, 0, NTM_NOISE_HASH);
}

static void hash_update(hash_state *st, const void *data, size_t len)
{
	crypto_generichash_blake2b_update(st, data, len);
}

static void hash_final(hash_state *st, uint8_t out[NTM_NOISE_HASH])
{
	crypto_generichash_blake2b_final(st, out, NTM_NOISE_HASH);
}

/* HMAC (RFC 2104), as Noise asks for, and not BLAKE2's own keyed mode. */
static void hmac(uint8_t out[NTM_NOISE_HASH], const uint8_t key[NTM_NOISE_HASH], const uint8_t *a,
		 size_t a_len, const uint8_t *b, size_t b_len)
{
	uint8_t pad[BLOCK], inner[NTM_NOISE_HASH];
	hash_state st;

	memset(pad, 0x36, sizeof(pad));
	for (size_t i = 0; i < NTM_NOISE_HASH; i++)
		pad[i] ^= key[i];
	hash_init(&st);
	hash_update(&st, pad, sizeof(pad));
	hash_update(&st, a, a_len);
	hash_update(&st, b, b_len);
	hash_final(&st, inner);

	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	hash_init(&st);
	hash_update(&st, pad, sizeof(pad));
	hash_update(&st, inner, sizeof(inner));
	hash_final(&st, out);

	sodium_memzero(pad, sizeof(pad));
	sodium_memzero(inner, sizeof(inner));
	sodium_memzero(&st, sizeof(st));
}

/* HKDF(ck, ikm) with two or three outputs (@out3 NULL: two); @out1 may be @ck. */
static void hkdf(const uint8_t ck[NTM_NOISE_HASH], const uint8_t *ikm, size_t ikm_len,
		 uint8_t out1[NTM_NOISE_HASH], uint8_t out2[NTM_NOISE_HASH],
		 uint8_t out3[NTM_NOISE_HASH])
{
	static const uint8_t one = 1, two = 2, three = 3;
	uint8_t temp[NTM_NOISE_HASH];

	hmac(temp, ck, ikm, ikm_len, NULL, 0);
	hmac(out1, temp, &one, 1, NULL, 0);
	hmac(out2, temp, out1, NTM_NOISE_HASH, &two, 1);
	if (out3)
		hmac(out3, temp, out2, NTM_NOISE_HASH, &three, 1);
	sodium_memzero(temp, sizeof(temp));
}

static void set_key(struct ntm_noise *n, const uint8_t temp_k[NTM_NOISE_HASH])
{
	memcpy(n->k, temp_k, NTM_NOISE_KEY);
	n->n = 0;
}

static void mix_key(struct ntm_noise *n, const uint8_t ikm[NTM_NOISE_KEY])
{
	uint8_t temp_k[NTM_NOISE_HASH];

	hkdf(n->ck, ikm, NTM_NOISE_KEY, n->ck, temp_k, NULL);
	set_key(n, temp_k);
	sodium_memzero(temp_k, sizeof(temp_k));
}

static void mix_hash(struct ntm_noise *n, const uint8_t *data, size_t len)
{
	hash_state st;

	hash_init(&st);
	hash_update(&st, n->h, sizeof(n->h));
	hash_update(&st, data, len);
	hash_final(&st, n->h);
}

static void mix_psk(struct ntm_noise *n)
{
	uint8_t temp_h[NTM_NOISE_HASH], temp_k[NTM_NOISE_HASH];

	hkdf(n->ck, n->psk, NTM_NOISE_KEY, n->ck, temp_h, temp_k);
	mix_hash(n, temp_h, sizeof(temp_h));
	set_key(n, temp_k);
	sodium_memzero(temp_h, sizeof(temp_h));
	sodium_memzero(temp_k, sizeof(temp_k));
}

static int mix_dh(struct ntm_noise *n, const uint8_t secret[NTM_NOISE_KEY],
		  const uint8_t public[NTM_NOISE_KEY])
{
	uint8_t shared[NTM_NOISE_KEY];
	int err = 0;

	/* Fails where the result is all zero: the peer gave a point of small order. */
	if (crypto_scalarmult(shared, secret, public))
		err = -EBADMSG;
	else
		mix_key(n, shared);
	sodium_memzero(shared, sizeof(shared));
	return err;
}

/* An ephemeral key enters the chaining key too where a psk is in the pattern. */
static void mix_ephemeral(struct ntm_noise *n, const uint8_t public[NTM_NOISE_KEY])
{
	mix_hash(n, public, NTM_NOISE_KEY);
	if (n->pattern == NTM_NOISE_IKPSK2)
		mix_key(n, public);
}

/* Noise's nonce: 32 zero bits, then the counter, little-endian. */
static void next_nonce(struct ntm_noise *n, uint8_t nonce[12])
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n->n >> (8 * i));
	n->n++;
}

static void encrypt_and_hash(struct ntm_noise *n, const uint8_t *plain, size_t len, uint8_t *out)
{
	uint8_t nonce[12];

	next_nonce(n, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, n->h, sizeof(n->h), NULL,
						  nonce, n->k);
	mix_hash(n, out, len + NTM_NOISE_TAG);
}

/* @len counts the tag. */
static int decrypt_and_hash(struct ntm_noise *n, const uint8_t *in, size_t len, uint8_t *plain)
{
	uint8_t nonce[12];

	next_nonce(n, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, in, len, n->h,
						      sizeof(n->h), nonce, n->k))
		return -EBADMSG;
	mix_hash(n, in, len);
	return 0;
}

void ntm_noise_generate(struct ntm_noise_keypair *pair)
{
	randombytes_buf(pair->secret, sizeof(pair->secret));
	ntm_noise_public(pair);
}

void ntm_noise_public(struct ntm_noise_keypair *pair)
{
	crypto_scalarmult_base(pair->public, pair->secret);
}

void ntm_noise_init(struct ntm_noise *n, enum ntm_noise_pattern pattern, bool initiator,
		    const uint8_t *prologue, size_t prologue_len, const struct ntm_noise_keypair *s,
		    const uint8_t *rs, const uint8_t *psk)
{
	const char *name = protocol_names[pattern];

	memset(n, 0, sizeof(*n));
	n->pattern = pattern;
	n->initiator = initiator;
	n->s = *s;
	if (psk)
		ntm_noise_set_psk(n, psk);
	/* Both names are shorter than a hash: padded with zeros, not hashed. */
	memcpy(n->h, name, strlen(name));
	memcpy(n->ck, n->h, sizeof(n->ck));
	mix_hash(n, prologue, prologue_len);
	if (initiator)
		memcpy(n->rs, rs, sizeof(n->rs));
	mix_hash(n, initiator ? n->rs : n->s.public, NTM_NOISE_KEY);
}

void ntm_noise_set_psk(struct ntm_noise *n, const uint8_t psk[NTM_NOISE_KEY])
{
	memcpy(n->psk, psk, sizeof(n->psk));
}

void ntm_noise_set_ephemeral(struct ntm_noise *n, const uint8_t secret[NTM_NOISE_KEY])
{
	memcpy(n->e.secret, secret, sizeof(n->e.secret));
	ntm_noise_public(&n->e);
}

static void write_ephemeral(struct ntm_noise *n, uint8_t *out)
{
	if (sodium_is_zero(n->e.secret, sizeof(n->e.secret)))
		ntm_noise_generate(&n->e);
	memcpy(out, n->e.public, NTM_NOISE_KEY);
	mix_ephemeral(n, n->e.public);
}

static void read_ephemeral(struct ntm_noise *n, const uint8_t *msg)
{
	memcpy(n->re, msg, NTM_NOISE_KEY);
	mix_ephemeral(n, n->re);
}

static int refuse(struct ntm_noise *n)
{
	ntm_noise_wipe(n);
	return -EBADMSG;
}

int ntm_noise_write1(struct ntm_noise *n, const uint8_t *payload, size_t len, uint8_t *out)
{
	write_ephemeral(n, out);
	if (mix_dh(n, n->e.secret, n->rs))
		return refuse(n);
	encrypt_and_hash(n, n->s.public, NTM_NOISE_KEY, out + 32);
	if (mix_dh(n, n->s.secret, n->rs))
		return refuse(n);
	encrypt_and_hash(n, payload, len, out + 80);
	return (int)(NTM_NOISE_MSG1 + len);
}

int ntm_noise_read1(struct ntm_noise *n, const uint8_t *msg, size_t len, uint8_t *payload)
{
	if (len < NTM_NOISE_MSG1)
		return refuse(n);
	read_ephemeral(n, msg);
	if (mix_dh(n, n->s.secret, n->re))
		return refuse(n);
	if (decrypt_and_hash(n, msg + 32, 48, n->rs))
		return refuse(n);
	if (mix_dh(n, n->s.secret, n->rs))
		return refuse(n);
	if (decrypt_and_hash(n, msg + 80, len - 80, payload))
		return refuse(n);
	return (int)(len - NTM_NOISE_MSG1);
}

int ntm_noise_write2(struct ntm_noise *n, const uint8_t *payload, size_t len, uint8_t *out)
{
	write_ephemeral(n, out);
	if (mix_dh(n, n->e.secret, n->re) || mix_dh(n, n->e.secret, n->rs))
		return refuse(n);
	if (n->pattern == NTM_NOISE_IKPSK2)
		mix_psk(n);
	encrypt_and_hash(n, payload, len, out + 32);
	return (int)(NTM_NOISE_MSG2 + len);
}

int ntm_noise_read2(struct ntm_noise *n, const uint8_t *msg, size_t len, uint8_t *payload)
{
	if (len < NTM_NOISE_MSG2)
		return refuse(n);
	read_ephemeral(n, msg);
	if (mix_dh(n, n->e.secret, n->re) || mix_dh(n, n->s.secret, n->re))
		return refuse(n);
	if (n->pattern == NTM_NOISE_IKPSK2)
		mix_psk(n);
	if (decrypt_and_hash(n, msg + 32, len - 32, payload))
		return refuse(n);
	return (int)(len - NTM_NOISE_MSG2);
}

void ntm_noise_split(struct ntm_noise *n, uint8_t i2r[NTM_NOISE_KEY], uint8_t r2i[NTM_NOISE_KEY])
{
	uint8_t k1[NTM_NOISE_HASH], k2[NTM_NOISE_HASH];

	hkdf(n->ck, NULL, 0, k1, k2, NULL);
	memcpy(i2r, k1, NTM_NOISE_KEY);
	memcpy(r2i, k2, NTM_NOISE_KEY);
	sodium_memzero(k1, sizeof(k1));
	sodium_memzero(k2, sizeof(k2));
	ntm_noise_wipe(n);
}

void ntm_noise_wipe(struct ntm_noise *n)
{
	sodium_memzero(n, sizeof(*n));
}
