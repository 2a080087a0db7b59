// SPDX-License-Identifier: GPL-2.0
#include "peers.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lease.h"

void ntm_peers_init(struct ntm_peers *peers, const struct ntm_msg *lease)
{
	memset(peers, 0, sizeof(*peers));
	peers->lease = lease;
	ntm_table_init(&peers->names);
	ntm_table_init(&peers->virtuals);
	ntm_table_init(&peers->paths);
	ntm_table_init(&peers->ids);
}

void ntm_peers_done(struct ntm_peers *peers)
{
	ntm_table_done(&peers->ids);
	ntm_table_done(&peers->paths);
	ntm_table_done(&peers->virtuals);
	ntm_table_done(&peers->names);
}

/* Finding */

static size_t virtual_len(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

struct ntm_peer *ntm_peers_by_name(const struct ntm_peers *peers, const char *name)
{
	struct ntm_link *link = ntm_table_first(&peers->names, ntm_table_hash(name, strlen(name)));

	for (; link; link = ntm_table_next(link)) {
		struct ntm_peer *peer = link->object;

		if (!strcmp(peer->name, name))
			return peer;
	}
	return NULL;
}

static bool has_virtual(const struct ntm_peer *peer, int family, const void *virt)
{
	if (family == AF_INET)
		return peer->has4 && !memcmp(&peer->virtual4, virt, sizeof(peer->virtual4));
	return peer->has6 && !memcmp(&peer->virtual6, virt, sizeof(peer->virtual6));
}

struct ntm_peer *ntm_peers_by_virtual(const struct ntm_peers *peers, int family, const void *virt)
{
	struct ntm_link *link =
		ntm_table_first(&peers->virtuals, ntm_table_hash(virt, virtual_len(family)));

	for (; link; link = ntm_table_next(link))
		if (has_virtual(link->object, family, virt))
			return link->object;
	return NULL;
}

struct ntm_slot *ntm_peers_by_path(const struct ntm_peers *peers, uint32_t path_id)
{
	struct ntm_link *link =
		ntm_table_first(&peers->paths, ntm_table_hash(&path_id, sizeof(path_id)));

	for (; link; link = ntm_table_next(link)) {
		struct ntm_slot *slot = link->object;

		if (slot->tunnel.path_id == path_id)
			return slot;
	}
	return NULL;
}

struct ntm_slot *ntm_peers_by_id(const struct ntm_peers *peers, uint32_t session_id)
{
	struct ntm_link *link;

	if (!session_id)
		return NULL;
	link = ntm_table_first(&peers->ids, ntm_table_hash(&session_id, sizeof(session_id)));
	for (; link; link = ntm_table_next(link)) {
		struct ntm_slot *slot = link->object;

		for (int i = 0; i < NTM_TUNNEL_IDS; i++)
			if (slot->ids[i] == session_id)
				return slot;
	}
	return NULL;
}

/* Peers */

static void count_in(struct ntm_peers *peers, struct ntm_peer *peer)
{
	peer->zone = ntm_lease_other(peers->lease, peer->name);
	if (peer->zone >= 0)
		peers->of_zone[peer->zone]++;
}

void ntm_peers_zones(struct ntm_peers *peers)
{
	memset(peers->of_zone, 0, sizeof(peers->of_zone));
	for (struct ntm_peer *peer = peers->newest; peer; peer = peer->older)
		count_in(peers, peer);
}

bool ntm_peers_full(const struct ntm_peers *peers, const char *name)
{
	const int zone = ntm_lease_other(peers->lease, name);

	return peers->count >= NTM_PEERS_MAX ||
	       (zone >= 0 && peers->of_zone[zone] >= NTM_PEERS_OF_ZONE);
}

struct ntm_peer *ntm_peers_get(struct ntm_peers *peers, const char *name)
{
	struct ntm_peer *peer = ntm_peers_by_name(peers, name);

	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	strncpy(peer->name, name, sizeof(peer->name) - 1);
	ntm_queries_init(&peer->waiting);
	ntm_queries_init(&peer->pings);
	ntm_table_add(&peers->names, &peer->by_name, ntm_table_hash(peer->name, strlen(peer->name)),
		      peer);
	peer->all = peers;
	peer->older = peers->newest;
	if (peer->older)
		peer->older->newer = peer;
	peers->newest = peer;
	peers->count++;
	count_in(peers, peer);
	return peer;
}

static void drop_virtual(struct ntm_peers *peers, struct ntm_peer *peer, int family)
{
	if (family == AF_INET) {
		ntm_table_remove(&peers->virtuals, &peer->by_virtual4);
		peer->has4 = false;
	} else {
		ntm_table_remove(&peers->virtuals, &peer->by_virtual6);
		peer->has6 = false;
	}
}

static void set_virtual(struct ntm_peers *peers, struct ntm_peer *peer, int family,
			const void *virt)
{
	struct ntm_link *link = family == AF_INET ? &peer->by_virtual4 : &peer->by_virtual6;
	struct ntm_peer *other = ntm_peers_by_virtual(peers, family, virt);

	if (other == peer)
		return;
	if (other)
		drop_virtual(peers, other, family);
	drop_virtual(peers, peer, family);
	if (family == AF_INET) {
		memcpy(&peer->virtual4, virt, sizeof(peer->virtual4));
		peer->has4 = true;
	} else {
		memcpy(&peer->virtual6, virt, sizeof(peer->virtual6));
		peer->has6 = true;
	}
	ntm_table_add(&peers->virtuals, link, ntm_table_hash(virt, virtual_len(family)), peer);
}

void ntm_peers_address(struct ntm_peers *peers, struct ntm_peer *peer,
		       const struct ntm_msg *direction)
{
	if (NTM_HAS(direction, VIRTUAL4))
		set_virtual(peers, peer, AF_INET, &direction->virtual4);
	else
		drop_virtual(peers, peer, AF_INET);
	if (NTM_HAS(direction, VIRTUAL6))
		set_virtual(peers, peer, AF_INET6, &direction->virtual6);
	else
		drop_virtual(peers, peer, AF_INET6);
}

static void unlink_peer(struct ntm_peers *peers, struct ntm_peer *peer)
{
	if (peer->newer)
		peer->newer->older = peer->older;
	else
		peers->newest = peer->older;
	if (peer->older)
		peer->older->newer = peer->newer;
	peers->count--;
	if (peer->zone >= 0)
		peers->of_zone[peer->zone]--;
}

bool ntm_peers_tidy(struct ntm_peers *peers, struct ntm_peer *peer)
{
	if (peer->cur || peer->next || peer->request || peer->waiting.first || peer->pings.first)
		return false;
	drop_virtual(peers, peer, AF_INET6);
	drop_virtual(peers, peer, AF_INET);
	unlink_peer(peers, peer);
	ntm_table_remove(&peers->names, &peer->by_name);
	free(peer);
	return true;
}

bool ntm_peer_stands(const struct ntm_peer *peer)
{
	return peer->cur && peer->cur->tunnel.state == NTM_TUNNEL_STANDING;
}

/* Tunnels */

struct ntm_slot *ntm_peers_slot_new(struct ntm_peers *peers, struct ntm_peer *peer,
				    uint32_t path_id)
{
	struct ntm_slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->peer = peer;
	slot->ways.current = -1;
	slot->tunnel.path_id = path_id;
	peer->next = slot;
	ntm_table_add(&peers->paths, &slot->by_path, ntm_table_hash(&path_id, sizeof(path_id)),
		      slot);
	return slot;
}

void ntm_peers_reindex(struct ntm_peers *peers, struct ntm_slot *slot)
{
	uint32_t ids[NTM_TUNNEL_IDS];

	ntm_tunnel_ids(&slot->tunnel, ids);
	if (!memcmp(ids, slot->ids, sizeof(ids)))
		return;
	for (int i = 0; i < NTM_TUNNEL_IDS; i++) {
		ntm_table_remove(&peers->ids, &slot->by_id[i]);
		slot->ids[i] = ids[i];
		if (ids[i])
			ntm_table_add(&peers->ids, &slot->by_id[i],
				      ntm_table_hash(&ids[i], sizeof(ids[i])), slot);
	}
}

void ntm_peers_slot_free(struct ntm_peers *peers, struct ntm_slot *slot)
{
	struct ntm_peer *peer = slot->peer;

	for (int i = 0; i < NTM_TUNNEL_IDS; i++)
		ntm_table_remove(&peers->ids, &slot->by_id[i]);
	ntm_table_remove(&peers->paths, &slot->by_path);
	if (peer->cur == slot)
		peer->cur = NULL;
	if (peer->next == slot)
		peer->next = NULL;
	ntm_ways_wipe(&slot->ways);
	ntm_tunnel_wipe(&slot->tunnel);
	free(slot);
}
