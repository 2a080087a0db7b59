// SPDX-License-Identifier: GPL-2.0
#include <linux/llist.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <crypto/algapi.h>
#include "key.h"

/*
 * A key dies in three steps. The last reference goes in any context; after a
 * grace period nobody can find it; a work item frees it, since freeing an AEAD
 * may sleep. There is one work item for all keys, so that module exit can wait
 * for it: rcu_barrier() for the second step, flush_work() for the third.
 */
static LLIST_HEAD(ntm_key_dead);

static void ntm_key_free(struct ntm_key *key)
{
	ntm_order_end(&key->tx_order);
	ntm_order_end(&key->rx_order);
	if (!IS_ERR_OR_NULL(key->tx))
		crypto_free_aead(key->tx);
	if (!IS_ERR_OR_NULL(key->rx))
		crypto_free_aead(key->rx);
	kfree_sensitive(key);
}

static void ntm_key_reap(struct work_struct *work)
{
	struct ntm_key *key, *next;

	llist_for_each_entry_safe(key, next, llist_del_all(&ntm_key_dead), dead)
		ntm_key_free(key);
}

static DECLARE_WORK(ntm_key_reaper, ntm_key_reap);

static void ntm_key_bury(struct rcu_head *rcu)
{
	struct ntm_key *key = container_of(rcu, struct ntm_key, rcu);

	llist_add(&key->dead, &ntm_key_dead);
	schedule_work(&ntm_key_reaper);
}

static void ntm_key_release(struct kref *ref)
{
	struct ntm_key *key = container_of(ref, struct ntm_key, ref);

	call_rcu(&key->rcu, ntm_key_bury);
}

void ntm_key_put(struct ntm_key *key)
{
	kref_put(&key->ref, ntm_key_release);
}

void ntm_key_barrier(void)
{
	rcu_barrier();
	flush_work(&ntm_key_reaper);
}

static const char *ntm_key_alg(u8 suite)
{
	switch (suite) {
	case NTM_SUITE_CHACHA20_POLY1305:
		return "rfc7539(chacha20,poly1305)";
	case NTM_SUITE_AES_256_GCM:
		return "gcm(aes)";
	default:
		return NULL;
	}
}

static struct crypto_aead *ntm_key_aead(const char *alg, const u8 *raw)
{
	struct crypto_aead *aead = crypto_alloc_aead(alg, 0, 0);
	int err;

	if (IS_ERR(aead))
		return aead;

	err = crypto_aead_setauthsize(aead, NTM_WIRE_TAG_LEN);
	if (!err)
		err = crypto_aead_setkey(aead, raw, NTM_WIRE_KEY_LEN);
	if (!err && crypto_aead_ivsize(aead) != NTM_WIRE_NONCE_LEN)
		err = -EINVAL;
	if (err) {
		crypto_free_aead(aead);
		return ERR_PTR(err);
	}
	return aead;
}

static bool ntm_key_is_async(struct crypto_aead *aead)
{
	return crypto_aead_tfm(aead)->__crt_alg->cra_flags & CRYPTO_ALG_ASYNC;
}

struct ntm_key *ntm_key_new(u8 suite, u32 epoch, const u8 *tx_key,
			    const u8 *rx_key, struct netlink_ext_ack *extack)
{
	const char *alg = ntm_key_alg(suite);
	struct ntm_key *key;
	int err;

	if (!alg) {
		NL_SET_ERR_MSG(extack, "unknown cipher suite");
		return ERR_PTR(-EINVAL);
	}

	key = kzalloc(sizeof(*key), GFP_KERNEL);
	if (!key) {
		NL_SET_ERR_MSG(extack, "no memory for the key");
		return ERR_PTR(-ENOMEM);
	}

	key->tx = ntm_key_aead(alg, tx_key);
	key->rx = ntm_key_aead(alg, rx_key);
	if (IS_ERR(key->tx) || IS_ERR(key->rx)) {
		err = IS_ERR(key->tx) ? PTR_ERR(key->tx) : PTR_ERR(key->rx);
		if (err == -ENOMEM)
			NL_SET_ERR_MSG(extack, "no memory for the cipher");
		else
			NL_SET_ERR_MSG(extack, "the kernel has no such cipher");
		ntm_key_free(key);
		return ERR_PTR(err);
	}

	ntm_replay_init(&key->replay);
	ntm_order_init(&key->tx_order, ntm_key_is_async(key->tx));
	ntm_order_init(&key->rx_order, ntm_key_is_async(key->rx));
	atomic64_set(&key->tx_ctr, 0);
	key->epoch = epoch;
	key->suite = suite;
	memcpy(key->raw[0], tx_key, NTM_WIRE_KEY_LEN);
	memcpy(key->raw[1], rx_key, NTM_WIRE_KEY_LEN);
	key->born = ktime_get_coarse_boottime_ns();
	kref_init(&key->ref);
	return key;
}

bool ntm_key_same(const struct ntm_key *a, const struct ntm_key *b)
{
	return a->epoch == b->epoch && a->suite == b->suite &&
	       !crypto_memneq(a->raw, b->raw, sizeof(a->raw));
}

bool ntm_key_expired(const struct ntm_key *key)
{
	return ktime_get_coarse_boottime_ns() - key->born >=
	       NTM_WIRE_REJECT_AFTER_S * (u64)NSEC_PER_SEC;
}
