/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The paths of a pipe, found by Path ID (packets in) or by the peer's virtual address (packets out).
 *
 * One thread, the owner's, changes the table; the pipe's threads read it without a lock. What the owner takes away, and what a
 * pipe's thread replaces (endpoints), becomes garbage: freed by ntm_paths_collect() when no vector in flight can see it.
 * Every published pointer is loaded and stored with sequential consistency (lane.c says why).
 */
#ifndef NTM_PIPE_PATH_H
#define NTM_PIPE_PATH_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/addr.h"
#include "ntmobile/inner.h"
#include "ntmobile/replay.h"
#include "pipe/aead.h"
#include "pipe/garbage.h"
#include "pipe/index.h"

/**
 * struct ntm_pipe_key - one epoch's pair of keys
 * @tx_ctr:	counter of the next packet
 * @replay:	the in-lane's drain marks; @replay.highest may be read by anyone
 * @born:	when it was made, in seconds: a key ages while the machine sleeps (common/clock.h)
 */
struct ntm_pipe_key {
	struct ntm_garbage garbage;
	struct ntm_aead *tx, *rx;
	_Atomic uint64_t tx_ctr;
	struct ntm_replay_window replay;
	uint32_t epoch;
	uint8_t suite;
	int64_t born;
};

struct ntm_pipe_port;

/**
 * struct ntm_endpoint - where outer packets go: the peer's real address, and our own that it last sent to (or none); immutable but
 * @own_port:	they leave by the path's own port, if it has one of this family, else by the pipe's
 * @known:	whether they may leave with @local (1), and by which routes that was found (ntm_pipe_routes())
 */
struct ntm_endpoint {
	struct ntm_garbage garbage;
	union ntm_addr peer, local;
	_Atomic uint32_t known;
	atomic_bool own_port;
};

#define NTM_PIPE_RELAYS 2

/** struct ntm_relays - where a path's relay servers are, family 0: none; immutable */
struct ntm_relays {
	struct ntm_garbage garbage;
	union ntm_addr addr[NTM_PIPE_RELAYS];
};

#define NTM_HINT_MS 100 /* ten times a second is enough for anybody */

/** enum ntm_hint_type - what is told of a path at most every NTM_HINT_MS; the last of a burst always is */
enum ntm_hint_type {
	NTM_HINT_MOVED,
	NTM_HINT_MTU,
	NTM_HINTS,
};

/** struct ntm_hint - @told_ms: when last; @later: there is something new since */
struct ntm_hint {
	_Atomic uint64_t told_ms;
	atomic_bool later;
};

/**
 * struct ntm_path - one tunnel
 * @id:		Path ID, network order; @peer: virtual addresses; both never change
 * @relays:	a packet from one of them does not move the path; NULL: none
 * @port:	its own; the owner's to change (ntm_pipe_port_give()), NULL: none
 * @mtu:	largest inner packet in bytes
 * @mtu_max:	what @mtu may be at most, whatever the route says; the owner's, as
 * @mtu_told:	the last that was told of it
 * @tx:		sending key; NULL until one is confirmed
 * @rx:		receiving keys by epoch modulo NTM_WIRE_EPOCHS
 * @lock:	around changes of @tx and @rx; packets do not take it
 * @last_rx, @last_tx: monotonic ms, 0: never
 * @asked_ms:	when a key was last asked for
 * @heard:	highest epoch that an authentic packet came under; one less than the first key's before there was one
 */
struct ntm_path {
	struct ntm_garbage garbage;
	uint32_t id;
	struct ntm_inner_peer peer;
	atomic_uint mtu;
	unsigned int mtu_max, mtu_told;
	pthread_mutex_t lock;
	struct ntm_endpoint *_Atomic endpoint;
	struct ntm_relays *_Atomic relays;
	struct ntm_pipe_port *_Atomic port;
	struct ntm_pipe_key *_Atomic tx;
	struct ntm_pipe_key *_Atomic rx[NTM_WIRE_EPOCHS];
	_Atomic uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
	_Atomic uint64_t last_rx, last_tx, asked_ms;
	struct ntm_hint hints[NTM_HINTS];
	_Atomic uint32_t heard;
};

/** struct ntm_paths - the table */
struct ntm_paths {
	struct ntm_garbage_bin bin;
	struct ntm_index by_id, by_v4, by_v6;
};

int ntm_paths_init(struct ntm_paths *paths);
/** ntm_paths_done() - frees all; no thread may use it any more */
void ntm_paths_done(struct ntm_paths *paths);

/* Lookups: any thread that works on or drains a vector (good until it is drained), or the owner */
struct ntm_path *ntm_paths_by_id(struct ntm_paths *paths, uint32_t id);
struct ntm_path *ntm_paths_by_virtual(struct ntm_paths *paths, int family, const uint8_t *virt);

/* Changes: the owner only */
/** ntm_paths_add() - a new path; -EEXIST if the ID or a virtual address is taken, -ENOMEM */
int ntm_paths_add(struct ntm_paths *paths, uint32_t id, const struct ntm_inner_peer *peer,
		  unsigned int mtu, struct ntm_path **path);
void ntm_paths_remove(struct ntm_paths *paths, struct ntm_path *path);
/** ntm_paths_each() - @fn for every path; it changes nothing in the table */
void ntm_paths_each(struct ntm_paths *paths, void (*fn)(void *ctx, struct ntm_path *path),
		    void *ctx);
/**
 * ntm_path_key() - give a path the keys of its next epoch
 * @confirmed:	it is the sending key at once; else the first packet under it makes it so
 *
 * -EEXIST if the epoch is not the one after the sending key's. A pending key that nobody has confirmed gives way. Takes @key.
 */
int ntm_path_key(struct ntm_paths *paths, struct ntm_path *path, struct ntm_pipe_key *key,
		 bool confirmed);

/** ntm_path_relays() - NTM_PIPE_RELAYS addresses that take the place of those before; copied. 0 or -ENOMEM */
int ntm_path_relays(struct ntm_paths *paths, struct ntm_path *path, const union ntm_addr *addr);
/** ntm_path_is_relay() - as for lookups: is it the address of one of the path's relays? */
bool ntm_path_is_relay(const struct ntm_path *path, const union ntm_addr *addr);

struct ntm_pipe_key *ntm_pipe_key_new(uint8_t suite, uint32_t epoch, const uint8_t *tx,
				      const uint8_t *rx, unsigned int threads);
void ntm_pipe_key_free(struct ntm_pipe_key *key);
/** ntm_pipe_key_expired() - is it too old to send with? */
bool ntm_pipe_key_expired(const struct ntm_pipe_key *key, uint64_t now_ms);

/** ntm_path_confirm() - any thread: an authentic packet came under @key. True if it was pending, and is the sending key now. */
bool ntm_path_confirm(struct ntm_paths *paths, struct ntm_path *path, struct ntm_pipe_key *key);
/**
 * ntm_path_heard() - the in-lane's drain: an authentic packet came under a key of @epoch
 *
 * False if one of a later epoch came before. The key before the current one is still valid, but says nothing any more of where the
 * peer is: who held back packets of it could else move the path with each of them.
 */
bool ntm_path_heard(struct ntm_path *path, uint32_t epoch);
/**
 * ntm_path_move() - any thread: a new endpoint
 * @local:	NULL: none
 * @own_port:	to be reached by the path's own port
 *
 * 0 or -ENOMEM.
 */
int ntm_path_move(struct ntm_paths *paths, struct ntm_path *path, const union ntm_addr *peer,
		  const union ntm_addr *local, bool own_port);
/** ntm_path_port() - as for lookups: the port that packets to @endpoint leave by; NULL: the pipe's */
const struct ntm_pipe_port *ntm_path_port(const struct ntm_path *path,
					  const struct ntm_endpoint *endpoint);

/** ntm_paths_collect() - the owner: free what can be freed. True if something still waits. */
bool ntm_paths_collect(struct ntm_paths *paths);

#endif
