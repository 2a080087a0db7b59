/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The peers that something is known of or waited for, found by name, virtual address, Path ID and session ID.
 *
 * A peer has at most two tunnels: @cur, which carries packets, and @next, which is being set up and takes
 * its place once it stands. A peer without tunnels, queries and request is freed by ntm_peers_tidy().
 *
 * The peers of each of the other zones are counted: the DC there can make up as many as it likes, and must not take the room of all.
 */
#ifndef NTM_PEERS_H
#define NTM_PEERS_H

#include "ports.h"
#include "queries.h"
#include "common/table.h"
#include "tunnel.h"
#include "ways.h"
#include "width.h"

#define NTM_PEERS_MAX 65536u
#define NTM_PEERS_OF_ZONE 4096u /* of another one than ours */

struct ntm_peer;

/**
 * struct ntm_slot - a tunnel of a peer
 * @in_datapath: a path of its ID is there; @still: the addresses that do not move it, as it knows them
 * @timer:	belongs to the node, which frees it before the slot
 */
struct ntm_slot {
	struct ntm_tunnel tunnel;
	struct ntm_ways ways;
	struct ntm_width width;
	struct ntm_slot_ports ports;
	struct ntm_peer *peer;
	bool in_datapath;
	union ntm_addr still[NTM_DP_RELAYS];
	void *timer;
	struct ntm_link by_path;
	struct ntm_link by_id[NTM_TUNNEL_IDS];
	uint32_t ids[NTM_TUNNEL_IDS];
};

/**
 * struct ntm_peer
 * @zone:	place of the other zone that it is counted for, -1: none
 * @request:	outstanding Direction Request, 0: none
 * @waiting:	for a tunnel to stand
 * @pings:	for a Keep Alive Response
 */
struct ntm_peer {
	char name[NTM_NAME_MAX + 1];
	int zone;
	bool has4, has6;
	struct in_addr virtual4;
	struct in6_addr virtual6;
	struct ntm_slot *cur, *next;
	uint32_t request;
	struct ntm_queries waiting;
	struct ntm_queries pings;
	struct ntm_link by_name, by_virtual4, by_virtual6;
	struct ntm_peers *all;
	struct ntm_peer *newer, *older; /* all peers */
};

struct ntm_peers {
	struct ntm_table names, virtuals, paths, ids;
	struct ntm_peer *newest;
	unsigned int count;
	const struct ntm_msg *lease; /* the node's; its zones are those of ntm_peers_zones() */
	unsigned int of_zone[NTM_PEER_ZONES_MAX];
};

void ntm_peers_init(struct ntm_peers *peers, const struct ntm_msg *lease);
void ntm_peers_done(struct ntm_peers *peers); /* all peers must be gone */

struct ntm_peer *ntm_peers_by_name(const struct ntm_peers *peers, const char *name);
struct ntm_peer *ntm_peers_by_virtual(const struct ntm_peers *peers, int family, const void *virt);
struct ntm_slot *ntm_peers_by_path(const struct ntm_peers *peers, uint32_t path_id);
struct ntm_slot *ntm_peers_by_id(const struct ntm_peers *peers, uint32_t session_id);

/** ntm_peers_zones() - the lease may name other zones than before */
void ntm_peers_zones(struct ntm_peers *peers);
/** ntm_peers_full() - there is no room for a peer of this name, which is not there yet */
bool ntm_peers_full(const struct ntm_peers *peers, const char *name);
/** ntm_peers_get() - find by name or make; NULL: no memory */
struct ntm_peer *ntm_peers_get(struct ntm_peers *peers, const char *name);
/**
 * ntm_peers_address() - the peer's virtual addresses, from a Route Direction
 *
 * An address that another peer had is this one's from now on: the DC gives each only once.
 */
void ntm_peers_address(struct ntm_peers *peers, struct ntm_peer *peer,
		       const struct ntm_msg *direction);
/** ntm_peers_slot_new() - a tunnel for the peer as its @next, which must be free; NULL: no memory */
struct ntm_slot *ntm_peers_slot_new(struct ntm_peers *peers, struct ntm_peer *peer,
				    uint32_t path_id);
/** ntm_peers_reindex() - the tunnel's session IDs may have changed */
void ntm_peers_reindex(struct ntm_peers *peers, struct ntm_slot *slot);
/** ntm_peers_slot_free() - take a tunnel off its peer, and wipe it */
void ntm_peers_slot_free(struct ntm_peers *peers, struct ntm_slot *slot);
/** ntm_peers_tidy() - free the peer if nothing keeps it; true: it is gone */
bool ntm_peers_tidy(struct ntm_peers *peers, struct ntm_peer *peer);
bool ntm_peer_stands(const struct ntm_peer *peer);

#endif
