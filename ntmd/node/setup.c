// SPDX-License-Identifier: GPL-2.0
#include "setup.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "lease.h"
#include "lookup.h"
#include "admin.h"
#include "carry.h"
#include "reach.h"

#define DIRECTION_FOR_MS 5000u

static struct ntm_node *node_of(struct ntm_peer *peer)
{
	return (struct ntm_node *)((char *)peer->all - offsetof(struct ntm_node, peers));
}

static bool received(void *ctx, uint32_t path_id, uint64_t *packets)
{
	struct ntm_node *node = ctx;
	struct ntm_dp_stats stats;

	if (!node->dp || node->dp_ops->stats(node->dp, path_id, &stats))
		return false;
	*packets = stats.rx_packets;
	return true;
}

static struct ntm_tunnel_env env_of(struct ntm_node *node, const struct ntm_slot *slot)
{
	return (struct ntm_tunnel_env){
		.now_us = ntm_node_now_us(),
		.self = &node->self,
		.suites = ntm_node_suites(node),
		.idle_ms = ntm_ways_idle_ms(&slot->ways, node->config.idle_s * 1000),
		.rekey_ms = node->config.rekey_s * 1000,
		.session_id = ntm_node_session_id,
		.received = received,
		.ctx = node,
	};
}

/* Slots: a tunnel with its timer */

static void slot_tick(uv_timer_t *timer);

static void timer_closed(uv_handle_t *handle)
{
	free(handle);
}

static void slot_free(struct ntm_node *node, struct ntm_slot *slot)
{
	ntm_ports_done(node, slot);
	if (slot->in_datapath && node->dp)
		(void)node->dp_ops->path_del(node->dp, slot->tunnel.path_id);
	if (slot->timer)
		uv_close((uv_handle_t *)slot->timer, timer_closed);
	ntm_peers_slot_free(&node->peers, slot);
}

static struct ntm_slot *slot_new(struct ntm_node *node, struct ntm_peer *peer, uint32_t path_id)
{
	uv_timer_t *timer = calloc(1, sizeof(*timer));
	struct ntm_slot *slot;

	if (!timer)
		return NULL;
	slot = ntm_peers_slot_new(&node->peers, peer, path_id);
	if (!slot) {
		free(timer);
		return NULL;
	}
	uv_timer_init(&node->loop, timer);
	timer->data = slot;
	slot->timer = timer;
	return slot;
}

/* What a tunnel wants done */

/* The data path has one path for a virtual address: an old one goes right before the new one comes */
static void make_room(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_slot *old = slot->peer->cur;

	if (old && old != slot)
		slot_free(node, old);
}

/* The peer's endpoint, and the addresses that are no word on it, go in with the first keys */
static int make_path(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_tunnel_act *act)
{
	const struct ntm_peer *peer = slot->peer;
	int err;

	ntm_ways_at(&slot->ways, ntm_node_now_us(), &act->addr);
	ntm_ways_still(&slot->ways, ntm_node_now_us(), slot->still);
	make_room(node, slot);
	err = ntm_reach_path_set(node, &(struct ntm_dp_path){
					       .path_id = slot->tunnel.path_id,
					       .virtual4 = peer->has4 ? &peer->virtual4 : NULL,
					       .virtual6 = peer->has6 ? &peer->virtual6 : NULL,
					       .peer = &act->addr,
					       .relays = slot->still,
					       .keys = &act->keys,
				       });
	slot->in_datapath = !err;
	return err;
}

static int do_keys(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_tunnel_act *act)
{
	const union ntm_addr *addr = act->addr.sa.sa_family ? &act->addr : NULL;
	int err;

	if (!node->dp)
		return -ENODEV;
	if (!slot->in_datapath)
		return make_path(node, slot, act);
	if (addr) /* an initiator that restarted in between */
		ntm_ways_at(&slot->ways, ntm_node_now_us(), addr);
	err = ntm_reach_path_set(node, &(struct ntm_dp_path){
					       .path_id = slot->tunnel.path_id,
					       .peer = addr,
					       .by_socket = addr && ntm_ports_by(slot, addr),
					       .keys = &act->keys,
				       });
	/* Confirmed twice: by a data packet, whose event is on its way, and by a Sealed one */
	return err == -EEXIST && act->keys.confirmed ? 0 : err;
}

/* A name whose key is not kept is one that its DC may give to somebody else later; a tunnel it has all the same */
static void keep_key(struct ntm_node *node, const struct ntm_slot *slot)
{
	const char *name = slot->peer->name;
	const int err = ntm_pins_learn(&node->pins, &node->lease, name, slot->tunnel.peer_key);

	if (err && ntm_node_zone_log(node, name))
		ntm_warn("the key of %s is not kept: %s", name,
			 err == -EDQUOT ? "too many of its zone are" : strerror(-err));
	ntm_node_write_pins(node);
}

static void do_stands(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_ways_acts acts = { 0 };
	struct ntm_peer *peer = slot->peer;
	char text[NTM_CARRY_TEXT];

	if (peer->next == slot) {
		make_room(node, slot);
		peer->cur = slot;
		peer->next = NULL;
	}
	if (ntm_node_tunnel_log(node, peer))
		ntm_info("%s: tunnel stands, %s", peer->name, ntm_carry_text(&slot->ways, text));
	ntm_ways_stands(&slot->ways, ntm_node_now_us(), &acts);
	ntm_carry_run(node, slot, &acts);
	keep_key(node, slot);
	ntm_lookup_finish(node, peer, NTM_OUTCOME_STANDS);
}

static void do_heard(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_tunnel_act *act)
{
	const uint64_t now_us = ntm_node_now_us();
	struct ntm_ways_acts acts = { 0 };

	ntm_ports_heard(node, slot, &act->addr);
	ntm_ways_heard(&slot->ways, now_us, &act->addr, &acts);
	if (act->is_probe)
		ntm_ways_probed(&slot->ways, now_us, &act->addr, &acts);
	if (act->moves)
		ntm_ways_follow(&slot->ways, now_us, &act->addr, &acts);
	ntm_carry_run(node, slot, &acts);
}

static void do_answered(struct ntm_node *node, struct ntm_slot *slot,
			const struct ntm_tunnel_act *act)
{
	struct ntm_ways_acts acts = { 0 };

	if (ntm_width_answered(node, slot, act->timestamp))
		return;
	if (!ntm_ways_answered(&slot->ways, ntm_node_now_us(), act->timestamp,
			       act->has_received ? &act->received : NULL, &acts))
		ntm_node_drop(node, NTM_NODE_DROP_STATE);
	ntm_carry_run(node, slot, &acts);
}

static void do_rtt(struct ntm_node *node, struct ntm_peer *peer)
{
	struct ntm_query *query;

	while ((query = ntm_queries_pop(&peer->pings))) {
		ntm_admin_pong(node, query->ping, peer, NTM_OUTCOME_STANDS);
		ntm_query_free(query);
	}
}

static void do_over(struct ntm_node *node, struct ntm_slot *slot, const char *why)
{
	struct ntm_peer *peer = slot->peer;

	if (ntm_node_tunnel_log(node, peer))
		ntm_info("%s: tunnel over: %s", peer->name, why);
	slot_free(node, slot);
	if (!peer->cur && !peer->next && !peer->request)
		ntm_lookup_finish(node, peer, NTM_OUTCOME_FAILED);
	ntm_peers_tidy(&node->peers, peer);
}

/* Carries actions out; false: the tunnel is gone, and perhaps its peer */
static bool run_act(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_tunnel_act *act)
{
	int err;

	switch (act->type) {
	case NTM_TUNNEL_SEND:
		ntm_carry_act(node, slot, act);
		return true;
	case NTM_TUNNEL_KEYS:
		err = do_keys(node, slot, act);
		if (!err)
			return true;
		if (ntm_node_tunnel_log(node, slot->peer))
			ntm_err("%s: data path: %s", slot->peer->name, strerror(-err));
		do_over(node, slot, "the data path does not take its keys");
		return false;
	case NTM_TUNNEL_HEARD:
		do_heard(node, slot, act);
		return true;
	case NTM_TUNNEL_ANSWERED:
		do_answered(node, slot, act);
		return true;
	case NTM_TUNNEL_SEARCHED:
		ntm_ports_called(node, slot);
		return true;
	case NTM_TUNNEL_STANDS:
		do_stands(node, slot);
		return true;
	case NTM_TUNNEL_RTT:
		do_rtt(node, slot->peer);
		return true;
	case NTM_TUNNEL_REDIRECT:
		if (ntm_node_tunnel_log(node, slot->peer))
			ntm_info("%s: nothing comes back, asking the DC", slot->peer->name);
		ntm_setup_again(node, slot->peer);
		return true;
	case NTM_TUNNEL_OVER:
		do_over(node, slot, act->why);
		return false;
	}
	return true;
}

static void arm(struct ntm_node *node, struct ntm_slot *slot)
{
	const uint64_t tunnel = ntm_tunnel_deadline(&slot->tunnel);
	const uint64_t ways = ntm_ways_deadline(&slot->ways);
	const uint64_t ports = ntm_ports_deadline(slot);
	uint64_t at = ntm_width_deadline(slot);

	at = tunnel < at ? tunnel : at;
	at = ports < at ? ports : at;
	ntm_node_arm(node, slot->timer, slot_tick, ways < at ? ways : at);
}

static void run_ways(struct ntm_node *node, struct ntm_slot *slot, struct ntm_ways_acts *acts)
{
	ntm_carry_run(node, slot, acts);
	ntm_width_follow(node, slot);
	arm(node, slot);
}

static bool run(struct ntm_node *node, struct ntm_slot *slot, struct ntm_tunnel_acts *acts)
{
	bool there = true;

	/* IDs first: an answer to what is sent here must find its tunnel */
	ntm_peers_reindex(&node->peers, slot);
	for (unsigned int i = 0; i < acts->count && there; i++)
		there = run_act(node, slot, &acts->act[i]);
	if (there) {
		ntm_width_follow(node, slot);
		arm(node, slot);
	}
	ntm_tunnel_acts_wipe(acts);
	return there;
}

/* What both want to know of the data path, if either does now */
static const struct ntm_dp_stats *stats_of(struct ntm_node *node, const struct ntm_slot *slot,
					   uint64_t now_ms, struct ntm_dp_stats *stats)
{
	if (!node->dp || !slot->in_datapath ||
	    (now_ms < slot->tunnel.poll_ms && now_ms < slot->ways.poll_ms))
		return NULL;
	return node->dp_ops->stats(node->dp, slot->tunnel.path_id, stats) ? NULL : stats;
}

/*
 * The data path follows a peer by itself. Its word on that may get lost, or have been on its way while we put the path elsewhere, so
 * that we are where it is not: where it says that it is counts, as if it had just moved there.
 */
static void check_place(struct ntm_node *node, struct ntm_slot *slot,
			const struct ntm_dp_stats *stats)
{
	const struct ntm_way *way = ntm_ways_current(&slot->ways);
	union ntm_addr where;

	if (!stats || !stats->peer.sa.sa_family || !way || !ntm_ways_open(way) ||
	    ntm_reach_out(node, &way->addr, &where) || ntm_addr_equal(&where, &stats->peer))
		return;
	ntm_reach_in(node, &stats->peer, &where);
	ntm_setup_moved(node, slot->tunnel.path_id, &where);
}

static void slot_tick(uv_timer_t *timer)
{
	struct ntm_slot *slot = timer->data;
	struct ntm_node *node = node_of(slot->peer);
	struct ntm_tunnel_env env = env_of(node, slot);
	struct ntm_tunnel_acts acts = { 0 };
	struct ntm_ways_acts ways_acts = { 0 };
	struct ntm_dp_stats buf;
	const struct ntm_dp_stats *stats = stats_of(node, slot, env.now_us / 1000, &buf);

	check_place(node, slot, stats);
	ntm_tunnel_tick(&slot->tunnel, &env, stats, &acts);
	if (!run(node, slot, &acts))
		return;
	ntm_ways_tick(&slot->ways, env.now_us, stats, &ways_acts);
	ntm_width_tick(node, slot);
	ntm_carry_run(node, slot, &ways_acts);
	ntm_ports_tick(node, slot);
	run_ways(node, slot, &ways_acts);
}

/* Directions */

static void direction_answered(void *ctx, uint32_t id, const struct ntm_msg *response)
{
	struct ntm_peer *peer = ctx;
	struct ntm_node *node = node_of(peer);
	enum ntm_outcome outcome = NTM_OUTCOME_FAILED;

	if (peer->request == id)
		peer->request = 0;
	if (response && response->type == NTM_MSG_ROUTE_DIRECTION &&
	    !strcmp(response->name, peer->name)) {
		if (ntm_setup_direction(node, response))
			return;
	} else if (response && response->type == NTM_MSG_REFUSAL) {
		if (ntm_node_tunnel_log(node, peer))
			ntm_info("%s: %s", peer->name, ntm_status_name(response->status));
		if (response->status == NTM_ST_UNKNOWN_NAME)
			outcome = NTM_OUTCOME_UNKNOWN;
	}
	if (!peer->next)
		ntm_lookup_finish(node, peer, outcome);
	ntm_peers_tidy(&node->peers, peer);
}

static void ask_dc(struct ntm_node *node, struct ntm_peer *peer)
{
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST };

	if (peer->request)
		return;
	memcpy(m.name, peer->name, sizeof(m.name));
	NTM_SET(&m, NAME);
	peer->request = ntm_dc_request(&node->dc, &m, ntm_node_now_ms(), DIRECTION_FOR_MS,
				       direction_answered, peer);
	ntm_node_arm_dc(node);
}

void ntm_setup_again(struct ntm_node *node, struct ntm_peer *peer)
{
	if (!peer->next)
		ask_dc(node, peer);
}

void ntm_setup_want(struct ntm_node *node, struct ntm_peer *peer)
{
	if (ntm_peer_stands(peer) || peer->next || peer->request)
		return;
	ask_dc(node, peer);
	if (!peer->request)
		ntm_lookup_finish(node, peer, NTM_OUTCOME_FAILED);
}

static void confirm(struct ntm_node *node, const struct ntm_msg *direction, uint16_t status)
{
	struct ntm_msg m = {
		.type = NTM_MSG_ROUTE_DIRECTION_CONFIRMATION,
		.request_id = direction->request_id,
		.path_id = direction->path_id,
		.status = status,
	};

	if (direction->role != NTM_ROLE_RESPONDER)
		return;
	NTM_SET(&m, PATH_ID);
	NTM_SET(&m, STATUS);
	ntm_dc_send(&node->dc, &m, ntm_node_now_ms());
}

/* What a DC must not make us do, whoever runs it */
static uint16_t objection(struct ntm_node *node, const struct ntm_msg *direction)
{
	if (direction->role != NTM_ROLE_INITIATOR && direction->role != NTM_ROLE_RESPONDER)
		return NTM_ST_UNSUPPORTED;
	if (!node->dp)
		return NTM_ST_BUSY;
	if (!sodium_memcmp(direction->peer_key, node->self.public, sizeof(node->self.public)))
		return NTM_ST_REFUSED;
	if (ntm_queries_place(&node->lease, direction->name) == NTM_DNS_SELF)
		return NTM_ST_REFUSED;
	if (!ntm_peers_by_name(&node->peers, direction->name) &&
	    ntm_peers_full(&node->peers, direction->name))
		return NTM_ST_BUSY;
	if (!ntm_pins_check(&node->pins, direction->name, direction->peer_key)) {
		if (ntm_node_zone_log(node, direction->name))
			ntm_warn(
				"%s: the DC names a key that is not the known one; refused until `ntmctl forget %s`",
				direction->name, direction->name);
		return NTM_ST_REFUSED;
	}
	return NTM_ST_OK;
}

static void feed_early(struct ntm_node *node, uint32_t path_id)
{
	for (unsigned int i = 0; i < NTM_NODE_EARLY; i++) {
		struct ntm_node_early *early = &node->early[i];

		if (!early->until_ms || early->path_id != path_id)
			continue;
		if (ntm_node_now_ms() < early->until_ms)
			ntm_setup_request(node, early->packet, early->len, &early->from);
		early->until_ms = 0;
	}
}

static void start_tunnel(struct ntm_node *node, struct ntm_peer *peer,
			 const struct ntm_msg *direction)
{
	struct ntm_tunnel_acts acts = { 0 };
	struct ntm_ways_acts ways_acts = { 0 };
	struct ntm_msg chosen = *direction;
	struct ntm_tunnel_env env;
	struct ntm_slot *slot;

	if (peer->next)
		slot_free(node, peer->next); /* the newer direction is the one both ends have */
	slot = slot_new(node, peer, direction->path_id);
	if (!slot) {
		ntm_lookup_finish(node, peer, NTM_OUTCOME_FAILED);
		return;
	}
	ntm_carry_choose(node, &chosen);
	env = env_of(node, slot);
	ntm_ports_start(slot, &chosen);
	ntm_ways_start(&slot->ways, env.now_us, &chosen, &ways_acts);
	ntm_tunnel_start(&slot->tunnel, &env, &chosen, &acts);
	sodium_memzero(&chosen, sizeof(chosen));
	run_ways(node, slot, &ways_acts);
	run(node, slot, &acts);
	if (direction->role == NTM_ROLE_RESPONDER)
		feed_early(node, direction->path_id);
}

static bool is_of_peer(const struct ntm_node *node, const union ntm_addr *addr)
{
	const struct ntm_msg *lease = &node->lease;

	if (!ntm_lease_virtual(lease, addr))
		return false;
	if (addr->sa.sa_family == AF_INET)
		return !NTM_HAS(lease, VIRTUAL4) ||
		       addr->v4.sin_addr.s_addr != lease->virtual4.s_addr;
	return !NTM_HAS(lease, VIRTUAL6) ||
	       !IN6_ARE_ADDR_EQUAL(&addr->v6.sin6_addr, &lease->virtual6);
}

/*
 * A name is answered with what the DC says are the peer's virtual addresses, and what the peer sends may have them as its source. So
 * none is taken that does not lead into the tunnel: else a DC that lies would read what is meant for the peer.
 */
static bool keep_virtual(const struct ntm_node *node, struct ntm_msg *direction)
{
	const union ntm_addr v4 = { .v4 = { .sin_family = AF_INET,
					    .sin_addr = direction->virtual4 } };
	const union ntm_addr v6 = { .v6 = { .sin6_family = AF_INET6,
					    .sin6_addr = direction->virtual6 } };

	if (!is_of_peer(node, &v4))
		direction->has &= ~(1u << NTM_TLV_VIRTUAL4);
	if (!is_of_peer(node, &v6))
		direction->has &= ~(1u << NTM_TLV_VIRTUAL6);
	return NTM_HAS(direction, VIRTUAL4) || NTM_HAS(direction, VIRTUAL6);
}

/* What is new in @direction: NTM_ST_OK, or why it is refused; @later: it is to come again, after the new lease */
static uint16_t admit(struct ntm_node *node, struct ntm_msg *direction, bool *later)
{
	const bool fresh = ntm_node_learn(node, direction);

	if (keep_virtual(node, direction))
		return NTM_ST_OK;
	*later = !fresh;
	if (ntm_node_zone_log(node, direction->name))
		ntm_warn("%s: the DC names a virtual address that is in no network of ours",
			 direction->name);
	return NTM_ST_REFUSED;
}

static bool take_direction(struct ntm_node *node, struct ntm_msg *direction)
{
	const struct ntm_slot *known = ntm_peers_by_path(&node->peers, direction->path_id);
	uint16_t status = objection(node, direction);
	struct ntm_peer *peer;
	bool later = false;

	if (!status && known && strcmp(known->peer->name, direction->name) != 0)
		status = NTM_ST_REFUSED; /* a path has one peer */
	if (!status && !known)
		status = admit(node, direction, &later);
	if (!later) /* else the DC says it again in a moment */
		confirm(node, direction, status);
	if (status)
		return false;
	peer = ntm_peers_get(&node->peers, direction->name);
	if (!peer)
		return false;
	if (known) { /* said again, or both ends asked at once */
		if (ntm_peer_stands(peer) && known == peer->cur)
			ntm_lookup_finish(node, peer, NTM_OUTCOME_STANDS);
		return true;
	}
	ntm_debug("%s: Route Direction, path %08x, %s", peer->name, direction->path_id,
		  direction->role == NTM_ROLE_INITIATOR ? "initiator" : "responder");
	ntm_peers_address(&node->peers, peer, direction);
	start_tunnel(node, peer, direction);
	return true;
}

bool ntm_setup_direction(struct ntm_node *node, const struct ntm_msg *direction)
{
	struct ntm_msg own = *direction;
	const bool taken = take_direction(node, &own);

	sodium_memzero(&own, sizeof(own)); /* the psk */
	return taken;
}

/* Packets */

/* The tag says who sent it, but nothing of the address that it seems to come from, which would become a way */
static bool is_from_somewhere(struct ntm_node *node, const union ntm_addr *from)
{
	if (ntm_carry_allowed(node, from))
		return true;
	ntm_node_drop(node, NTM_NODE_DROP_STATE);
	return false;
}

uint32_t ntm_setup_request_path(const uint8_t *packet)
{
	return (uint32_t)packet[8] << 24 | (uint32_t)packet[9] << 16 | (uint32_t)packet[10] << 8 |
	       packet[11];
}

static void keep_early(struct ntm_node *node, uint32_t path_id, const uint8_t *packet, size_t len,
		       const union ntm_addr *from)
{
	struct ntm_node_early *room = NULL;
	const uint64_t now = ntm_node_now_ms();

	for (unsigned int i = 0; i < NTM_NODE_EARLY; i++) {
		struct ntm_node_early *early = &node->early[i];

		if (early->until_ms > now && early->len == len &&
		    !memcmp(early->packet, packet, len))
			return; /* the same by another way, or again */
		if (early->until_ms <= now)
			room = early;
	}
	if (!room || len > sizeof(room->packet)) {
		ntm_node_drop(node, NTM_NODE_DROP_RATE);
		return;
	}
	room->until_ms = now + NTM_NODE_EARLY_MS;
	room->path_id = path_id;
	room->from = *from;
	room->len = len;
	memcpy(room->packet, packet, len);
	ntm_node_drop(node, NTM_NODE_DROP_PATH); /* counted now; it may get lucky yet */
}

void ntm_setup_request(struct ntm_node *node, const uint8_t *packet, size_t len,
		       const union ntm_addr *from)
{
	const uint32_t path_id = ntm_setup_request_path(packet);
	struct ntm_slot *slot = ntm_peers_by_path(&node->peers, path_id);
	struct ntm_tunnel_acts acts = { 0 };
	struct ntm_tunnel_env env;
	struct ntm_hs_resp hs;
	int err;

	if (!is_from_somewhere(node, from))
		return;
	if (!slot) {
		keep_early(node, path_id, packet, len, from);
		return;
	}
	env = env_of(node, slot);
	err = ntm_hs_accept(&hs, &node->self, packet, len);
	if (!err)
		err = ntm_tunnel_request(&slot->tunnel, &env, &hs, from, &acts);
	if (err)
		ntm_node_drop_errno(node, err);
	run(node, slot, &acts);
}

void ntm_setup_response(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
			size_t len, const union ntm_addr *from)
{
	struct ntm_tunnel_env env = env_of(node, slot);
	struct ntm_tunnel_acts acts = { 0 };
	int err;

	if (!is_from_somewhere(node, from))
		return;
	err = ntm_tunnel_response(&slot->tunnel, &env, packet, len, from, &acts);
	if (err)
		ntm_node_drop_errno(node, err);
	run(node, slot, &acts);
}

void ntm_setup_cookie(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
		      size_t len)
{
	struct ntm_tunnel_env env = env_of(node, slot);
	struct ntm_tunnel_acts acts = { 0 };
	int err = ntm_tunnel_cookie(&slot->tunnel, &env, packet, len, &acts);

	if (err)
		ntm_node_drop_errno(node, err);
	run(node, slot, &acts);
}

void ntm_setup_sealed(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
		      size_t len, const union ntm_addr *from)
{
	struct ntm_tunnel_env env = env_of(node, slot);
	struct ntm_tunnel_acts acts = { 0 };
	int err;

	if (!is_from_somewhere(node, from))
		return;
	err = ntm_tunnel_sealed(&slot->tunnel, &env, packet, len, from, &acts);
	if (err)
		ntm_node_drop_errno(node, err);
	run(node, slot, &acts);
}

void ntm_setup_bound(struct ntm_node *node, struct ntm_slot *slot, const uint8_t *packet,
		     size_t len, const union ntm_addr *from)
{
	struct ntm_ways_acts acts = { 0 };
	int err = ntm_ways_bound(&slot->ways, ntm_node_now_us(), packet, len, from, &acts);

	if (err)
		ntm_node_drop_errno(node, err);
	run_ways(node, slot, &acts);
}

/* Events of the data path */

void ntm_setup_confirmed(struct ntm_node *node, uint32_t path_id, uint32_t epoch)
{
	struct ntm_slot *slot = ntm_peers_by_path(&node->peers, path_id);
	struct ntm_tunnel_acts acts = { 0 };
	struct ntm_tunnel_env env;

	if (!slot)
		return;
	env = env_of(node, slot);
	ntm_tunnel_confirmed(&slot->tunnel, &env, epoch, &acts);
	run(node, slot, &acts);
}

void ntm_setup_rekey(struct ntm_node *node, uint32_t path_id, uint32_t epoch)
{
	struct ntm_slot *slot = ntm_peers_by_path(&node->peers, path_id);
	struct ntm_tunnel_acts acts = { 0 };
	struct ntm_tunnel_env env;

	if (!slot)
		return;
	env = env_of(node, slot);
	ntm_tunnel_rekey(&slot->tunnel, &env, epoch, &acts);
	run(node, slot, &acts);
}

void ntm_setup_moved(struct ntm_node *node, uint32_t path_id, const union ntm_addr *addr)
{
	struct ntm_slot *slot = ntm_peers_by_path(&node->peers, path_id);
	struct ntm_ways_acts acts = { 0 };

	if (!slot)
		return;
	if (!is_from_somewhere(node, addr)) {
		ntm_reach_again(node, slot);
		return;
	}
	ntm_ways_moved(&slot->ways, ntm_node_now_us(), addr, &acts);
	run_ways(node, slot, &acts);
}

/* On demand */

void ntm_setup_ping(struct ntm_node *node, struct ntm_peer *peer)
{
	struct ntm_tunnel_acts acts = { 0 };
	struct ntm_tunnel_env env;

	if (!peer->cur)
		return;
	env = env_of(node, peer->cur);
	ntm_tunnel_ping(&peer->cur->tunnel, &env, &acts);
	run(node, peer->cur, &acts);
}

static void shake(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_ways_acts acts = { 0 };

	if (!slot)
		return;
	ntm_width_shaken(slot);
	ntm_ways_shaken(&slot->ways, ntm_node_now_us(), &acts);
	run_ways(node, slot, &acts);
}

void ntm_setup_shake_all(struct ntm_node *node)
{
	for (struct ntm_peer *peer = node->peers.newest; peer; peer = peer->older) {
		ntm_setup_ping(node, peer);
		shake(node, peer->cur);
		shake(node, peer->next);
	}
}

static void close_slot(struct ntm_node *node, struct ntm_slot *slot, const char *why)
{
	struct ntm_tunnel_acts acts = { 0 };

	if (!slot)
		return;
	ntm_tunnel_close(&slot->tunnel, NTM_ST_GOING_AWAY, why, &acts);
	run(node, slot, &acts);
}

void ntm_setup_close_peer(struct ntm_node *node, struct ntm_peer *peer, const char *why)
{
	struct ntm_slot *cur = peer->cur, *next = peer->next;

	/* The last one to close may take the peer along */
	close_slot(node, next, why);
	close_slot(node, cur, why);
}

static bool is_stray(const struct ntm_node *node, const struct ntm_peer *peer)
{
	const union ntm_addr v4 = { .v4 = { .sin_family = AF_INET, .sin_addr = peer->virtual4 } };
	const union ntm_addr v6 = { .v6 = { .sin6_family = AF_INET6,
					    .sin6_addr = peer->virtual6 } };

	return (peer->has4 && !is_of_peer(node, &v4)) || (peer->has6 && !is_of_peer(node, &v6));
}

void ntm_setup_close_strays(struct ntm_node *node)
{
	struct ntm_peer *peer, *older;

	for (peer = node->peers.newest; peer; peer = older) {
		older = peer->older;
		if (is_stray(node, peer))
			ntm_setup_close_peer(node, peer, "its network is none of ours any more");
	}
}

void ntm_setup_close_all(struct ntm_node *node, const char *why)
{
	struct ntm_peer *peer, *older;

	for (peer = node->peers.newest; peer; peer = older) {
		older = peer->older;
		ntm_setup_close_peer(node, peer, why);
	}
}
