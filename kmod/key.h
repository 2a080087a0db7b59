/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One epoch's pair of keys, and the AEAD behind them.
 *
 * A key is made by netlink (process context), published by RCU in its path's
 * slots, and freed through call_rcu and then a work item, since freeing a
 * crypto_aead sleeps. Packets in flight through an asynchronous AEAD hold a
 * reference.
 */
#ifndef NTM_KEY_H
#define NTM_KEY_H

#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/rcupdate.h>
#include <crypto/aead.h>
#include <ntmobile/wire.h>
#include "order.h"
#include "replay.h"

struct netlink_ext_ack;

/**
 * struct ntm_key - the keys of one epoch
 * @tx:		AEAD for sending
 * @rx:		AEAD for receiving
 * @tx_ctr:	counter of the next packet to send; atomic64_fetch_add() takes
 *		as many as a packet has segments
 * @replay:	window of received counters
 * @tx_order:	packets being encrypted
 * @rx_order:	packets being decrypted
 * @epoch:	full epoch; the wire carries it modulo NTM_WIRE_EPOCHS
 * @suite:	enum ntm_suite
 * @raw:	what @tx and @rx were made of, for ntm_key_same()
 * @born:	ns of CLOCK_BOOTTIME at creation: a key ages while the machine sleeps
 * @ref:	one by the path's slots, one by each packet in an asynchronous AEAD
 */
struct ntm_key {
	struct crypto_aead *tx;
	struct crypto_aead *rx;
	atomic64_t tx_ctr;
	struct ntm_replay replay;
	struct ntm_order tx_order;
	struct ntm_order rx_order;
	u32 epoch;
	u8 suite;
	u8 raw[2][NTM_WIRE_KEY_LEN];
	u64 born;
	struct kref ref;
	union {
		struct rcu_head rcu;
		struct llist_node dead;
	};
};

/**
 * ntm_key_new() - make a key pair
 * @suite:	enum ntm_suite
 * @epoch:	full epoch
 * @tx_key:	NTM_WIRE_KEY_LEN bytes, the caller wipes them
 * @rx_key:	NTM_WIRE_KEY_LEN bytes, the caller wipes them
 * @extack:	reason of a failure
 *
 * May sleep. Returns the key with one reference, or an ERR_PTR().
 */
struct ntm_key *ntm_key_new(u8 suite, u32 epoch, const u8 *tx_key,
			    const u8 *rx_key, struct netlink_ext_ack *extack);

/* Any context. Are they of the same epoch, suite and bytes? In constant time, as far as the bytes go. */
bool ntm_key_same(const struct ntm_key *a, const struct ntm_key *b);

/* Any context. Is the key too old to send with? */
bool ntm_key_expired(const struct ntm_key *key);

/* Any context. The last put frees after a grace period, in a work item. */
void ntm_key_put(struct ntm_key *key);

/* Module exit: waits until every key that was put is freed. */
void ntm_key_barrier(void);

#endif
