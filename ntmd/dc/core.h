/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The coordinator without sockets, loop and clock: packets and the time come in, packets go out by a function. serve.c
 * puts it on a libuv loop; the command line opens it without a network to work on the store alone; tests drive it.
 */
#ifndef NTM_DC_CORE_H
#define NTM_DC_CORE_H

#include "dc/asks.h"
#include "dc/config.h"
#include "dc/directions.h"
#include "dc/foreigners.h"
#include "dc/relays.h"
#include "dc/sessions.h"
#include "dc/store.h"
#include "dc/zones.h"

/* What happened to packets, by cause. ntm_counter_names[] has the names that status shows. */
enum ntm_counter {
	NTM_COUNT_RECEIVED,
	NTM_COUNT_HANDSHAKES,
	NTM_COUNT_COOKIES,
	NTM_COUNT_REGISTRATIONS,
	NTM_COUNT_KEEP_ALIVES,
	NTM_COUNT_PROOFS,
	NTM_COUNT_DIRECTIONS,
	NTM_COUNT_REFUSALS,
	NTM_COUNT_RESENT,
	NTM_COUNT_UNCONFIRMED,
	NTM_COUNT_RELAY_DIRECTIONS,
	NTM_COUNT_RELAY_RESENT,
	NTM_COUNT_RELAY_RESPONSES,
	NTM_COUNT_RELAY_REFUSED,
	NTM_COUNT_RELAY_SILENT,
	NTM_DROP_TYPE,
	NTM_DROP_HANDSHAKE,
	NTM_DROP_RATE, /* handshakes of a source that asks for too many */
	NTM_DROP_SESSION,
	NTM_DROP_FORGED,
	NTM_DROP_REPLAY,
	NTM_DROP_MALFORMED,
	NTM_DROP_CANDIDATE, /* addresses, not packets */
	NTM_DROP_UNEXPECTED,
	NTM_DROP_SEND,
	NTM_DROP_MEMORY,
	NTM_COUNTERS,
};
extern const char *const ntm_counter_names[NTM_COUNTERS];

typedef int ntm_core_send_fn(void *ctx, const union ntm_addr *to, const uint8_t *packet,
			     size_t len);
/** typedef ntm_core_find_fn - start to look a zone's DC up; ntm_link_found() has the result, later. 0 or a negative errno */
typedef int ntm_core_find_fn(void *ctx, const char *zone);

/**
 * struct ntm_core
 * @now_ms:	of the call that is under way, for callbacks that are told no time
 * @node_log:	of what our nodes do; @stranger_log: of what anybody can. Zones have their own
 */
struct ntm_core {
	struct ntm_dc_config config;
	struct ntm_noise_keypair self;
	int lock_fd;
	struct ntm_store *store;
	struct ntm_registry registry;
	struct ntm_pool pool4, pool6;
	struct ntm_sessions sessions;
	struct ntm_directions directions;
	struct ntm_relays relays;
	uint8_t end_key[32]; /* what relays are told of a node is made with it; new with each start */
	ntm_core_send_fn *send;
	void *send_ctx;
	struct ntm_zones zones;
	struct ntm_asks asks;
	struct ntm_foreigners foreigners;
	ntm_core_find_fn *find; /* NULL: nobody looks anything up */
	void *find_ctx;
	uint64_t now_ms;
	int64_t (*wall)(void); /* seconds */
	uint32_t request_id;
	uint64_t started_ms;
	uint64_t swept_ms;
	uint32_t sweep_next; /* node id */
	uint32_t online;     /* as of the last sweep */
	uint64_t counters[NTM_COUNTERS];
	struct ntm_log_limit storage_log, pool_log, relay_log, node_log, stranger_log;
};

/**
 * ntm_core_open() - lock the state directory, load or make the key, open the store, load the nodes
 *
 * Returns 0, or a negative errno with a sentence in @error: -EWOULDBLOCK: another process works on this state directory;
 * -ERANGE: configuration and store contradict each other.
 */
int ntm_core_open(struct ntm_core *core, const struct ntm_dc_config *config, uint64_t now_ms,
		  char *error, size_t size);
void ntm_core_close(struct ntm_core *core, uint64_t now_ms);
/** ntm_core_reload() - take what may change at run time; 0 or a negative errno with a sentence, then nothing changed */
int ntm_core_reload(struct ntm_core *core, const struct ntm_dc_config *config, char *error,
		    size_t size);

void ntm_core_packet(struct ntm_core *core, const uint8_t *packet, size_t len,
		     const union ntm_addr *from, uint64_t now_ms);
void ntm_core_tick(struct ntm_core *core, uint64_t now_ms);
uint64_t ntm_core_next_ms(const struct ntm_core *core); /* when to call ntm_core_tick() next */

/* For the parts of the coordinator. */
/** ntm_core_seen() - wall clock, seconds, of the last packet of a node; 0: never */
int64_t ntm_core_seen(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms);
/** ntm_core_storage_failed() - log, within limits; returns a sentence for the node */
const char *ntm_core_storage_failed(struct ntm_core *core, const char *what, int err,
				    uint64_t now_ms);

#endif
