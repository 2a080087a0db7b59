// SPDX-License-Identifier: GPL-2.0
/*
 * Intel's multi-buffer library (libipsec-mb), by its direct calls: with VAES and AVX-512 three times as fast as libcrypto, half of
 * which is that it has no parameters to look up by name for each packet.
 *
 * Its manager is a table of functions here, chosen for this processor; the calls keep their state in what they are given. So a key
 * serves all threads.
 */
#ifdef NTM_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ntmobile/wire.h"
#include "pipe/aead_backend.h"

/** struct mb_key - @gcm: the key's schedule and its powers of H */
struct mb_key {
	struct gcm_key_data gcm;
	uint8_t suite;
	uint8_t chacha[NTM_WIRE_KEY_LEN];
};

static IMB_MGR *mgr;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	IMB_ARCH arch = IMB_ARCH_NONE;
	IMB_MGR *m = alloc_mb_mgr(0);

	if (!m)
		return;
	init_mb_mgr_auto(m, &arch);
	if (imb_get_errno(m) || arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI)
		free_mb_mgr(m);
	else
		mgr = m;
}

/* Without the processor's AES it emulates: libcrypto does better then */
static bool mb_fits(void)
{
	pthread_once(&once, choose);
	return mgr;
}

static void *mb_make(uint8_t suite, bool seal, const uint8_t *key, unsigned int threads)
{
	struct mb_key *k;

	(void)seal;
	(void)threads;
	if ((suite != NTM_SUITE_CHACHA20_POLY1305 && suite != NTM_SUITE_AES_256_GCM) ||
	    posix_memalign((void **)&k, 64, sizeof(*k)))
		return NULL;
	memset(k, 0, sizeof(*k));
	k->suite = suite;
	if (suite == NTM_SUITE_AES_256_GCM)
		IMB_AES256_GCM_PRE(mgr, key, &k->gcm);
	else
		memcpy(k->chacha, key, sizeof(k->chacha));
	return k;
}

static void mb_destroy(void *key)
{
	sodium_memzero(key, sizeof(struct mb_key));
	free(key);
}

static bool mb_seal(void *key, unsigned int thread, const uint8_t *nonce, const uint8_t *in,
		    size_t len, uint8_t *out)
{
	const struct mb_key *k = key;
	struct gcm_context_data gcm;
	struct chacha20_poly1305_context_data chacha;

	(void)thread;
	in = len ? in : out; /* it refuses NULL */
	if (k->suite == NTM_SUITE_AES_256_GCM) {
		IMB_AES256_GCM_ENC(mgr, &k->gcm, &gcm, out, in, len, nonce, NULL, 0, out + len,
				   NTM_WIRE_TAG_LEN);
		return true;
	}
	IMB_CHACHA20_POLY1305_INIT(mgr, k->chacha, &chacha, nonce, NULL, 0);
	IMB_CHACHA20_POLY1305_ENC_UPDATE(mgr, k->chacha, &chacha, out, in, len);
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(mgr, &chacha, out + len, NTM_WIRE_TAG_LEN);
	return true;
}

static bool mb_open(void *key, unsigned int thread, const uint8_t *nonce, const uint8_t *in,
		    size_t len, uint8_t *out)
{
	const struct mb_key *k = key;
	struct gcm_context_data gcm;
	struct chacha20_poly1305_context_data chacha;
	uint8_t tag[NTM_WIRE_TAG_LEN];

	(void)thread;
	if (k->suite == NTM_SUITE_AES_256_GCM) {
		IMB_AES256_GCM_DEC(mgr, &k->gcm, &gcm, out, in, len, nonce, NULL, 0, tag,
				   sizeof(tag));
	} else {
		IMB_CHACHA20_POLY1305_INIT(mgr, k->chacha, &chacha, nonce, NULL, 0);
		IMB_CHACHA20_POLY1305_DEC_UPDATE(mgr, k->chacha, &chacha, out, in, len);
		IMB_CHACHA20_POLY1305_DEC_FINALIZE(mgr, &chacha, tag, sizeof(tag));
	}
	return !sodium_memcmp(tag, in + len, sizeof(tag));
}

const struct ntm_aead_backend ntm_aead_mb = {
	.name = "libipsec-mb",
	.fits = mb_fits,
	.make = mb_make,
	.seal = mb_seal,
	.open = mb_open,
	.destroy = mb_destroy,
};
#endif
