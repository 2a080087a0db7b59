// SPDX-License-Identifier: GPL-2.0
#include "admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "lookup.h"
#include "netcheck.h"
#include "setup.h"
#include "common/state.h"

#define JOIN_MS 15000
#define PING_MS 2500u /* with the set-up, if there is one to be made */

/** struct ntm_node_join - a "join" that waits for the DC */
struct ntm_node_join {
	struct ntm_control_reply *reply;
	uv_timer_t timer;
};

/* Texts of things */

static json_t *addr_json(int family, const void *addr)
{
	char text[INET6_ADDRSTRLEN];

	return json_string(inet_ntop(family, addr, text, sizeof(text)));
}

static json_t *endpoint_json(const union ntm_addr *addr)
{
	char text[NTM_ADDR_STR];

	return addr->sa.sa_family ? json_string(ntm_addr_str(addr, text)) : json_null();
}

/* The names alone: their networks are routes, and seen there */
static json_t *zones_json(const struct ntm_msg *lease)
{
	json_t *zones = json_array();

	for (unsigned int i = 0; i < lease->peer_zone_count; i++)
		json_array_append_new(zones, json_string(lease->peer_zones[i].name));
	return zones;
}

static json_t *own_json(const struct ntm_node *node)
{
	json_t *object = json_object();

	if (!node->has_lease)
		return object;
	json_object_set_new(object, "name", json_string(node->lease.name));
	json_object_set_new(object, "zone", json_string(node->lease.zone));
	if (NTM_HAS(&node->lease, VIRTUAL4)) {
		json_object_set_new(object, "virtual4", addr_json(AF_INET, &node->lease.virtual4));
		json_object_set_new(object, "prefix4", json_integer(node->lease.prefix4));
	}
	if (NTM_HAS(&node->lease, VIRTUAL6)) {
		json_object_set_new(object, "virtual6", addr_json(AF_INET6, &node->lease.virtual6));
		json_object_set_new(object, "prefix6", json_integer(node->lease.prefix6));
	}
	json_object_set_new(object, "peer_zones", zones_json(&node->lease));
	return object;
}

/* join */

static void join_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* The caller answers first */
static void join_end(struct ntm_node *node)
{
	struct ntm_node_join *join = node->join;

	node->join = NULL;
	join->timer.data = join;
	uv_close((uv_handle_t *)&join->timer, join_closed);
}

static void join_late(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;

	ntm_control_fail(node->join->reply, NTM_EXIT_UNREACHABLE,
			 "the DC does not answer; ntmd goes on trying, see `ntmctl status`");
	join_end(node);
}

static bool join_start(struct ntm_node *node, struct ntm_control_reply *reply)
{
	struct ntm_node_join *join = calloc(1, sizeof(*join));

	if (!join)
		return false;
	join->reply = reply;
	uv_timer_init(&node->loop, &join->timer);
	join->timer.data = node;
	uv_timer_start(&join->timer, join_late, JOIN_MS, 0);
	node->join = join;
	return true;
}

/* What there is to lose: the DC whose member we are, and not one that we only tried to join */
static bool has_membership(const struct ntm_node *node)
{
	return node->has_before ||
	       (node->has_lease && node->dc.where.addr_count && !node->dc.has_token);
}

static void use_new_dc(struct ntm_node *node, const struct ntm_join *where)
{
	if (!node->has_before && has_membership(node)) {
		node->before = node->dc.where;
		node->has_before = true;
	}
	ntm_info("joining");
	ntm_node_use_dc(node, where, true);
}

static void cmd_join(struct ntm_node *node, const json_t *request, struct ntm_control_reply *reply)
{
	const char *text = json_string_value(json_object_get(request, "string"));
	struct ntm_join where;
	char path[PATH_MAX];
	const char *reason;
	int err;

	reason = text ? ntm_join_parse(&where, text) : "no join string";
	if (reason) {
		ntm_control_fail(reply, NTM_EXIT_USAGE, "join string: %s", reason);
		return;
	}
	if (node->join) {
		ntm_control_fail(reply, NTM_EXIT_ERROR, "another join is under way");
		goto wipe;
	}
	ntm_node_path(node, "dc", path);
	err = has_membership(node) ? 0 : ntm_state_write_dc(path, &where, true);
	if (err)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "%s: %s", path, strerror(-err));
	else if (!join_start(node, reply))
		ntm_control_fail(reply, NTM_EXIT_ERROR, "no memory");
	else
		use_new_dc(node, &where);
wipe:
	sodium_memzero(&where, sizeof(where));
}

void ntm_admin_registered(struct ntm_node *node)
{
	json_t *response;

	if (!node->join)
		return;
	if (!node->dp) {
		ntm_control_fail(node->join->reply, NTM_EXIT_ERROR,
				 "registered as %s, but there is no data path: %s",
				 node->lease.name, node->dp_why);
	} else {
		response = own_json(node);
		json_object_set_new(response, "ok", json_true());
		ntm_control_answer(node->join->reply, response);
	}
	join_end(node);
}

/* A bad join string must not cost the membership that there was; the state file has it still */
static void take_back(struct ntm_node *node)
{
	ntm_info("back to the DC before");
	node->has_before = false;
	ntm_node_use_dc(node, &node->before, false);
	memset(&node->before, 0, sizeof(node->before));
}

void ntm_admin_refused(struct ntm_node *node, uint16_t status, const char *text)
{
	if (node->join) {
		ntm_control_fail(node->join->reply, NTM_EXIT_ERROR, "the DC refuses: %s%s%s",
				 ntm_status_name(status), text[0] ? ": " : "", text);
		join_end(node);
	}
	if (node->has_before)
		take_back(node);
}

/* status */

static const char *peer_state(const struct ntm_peer *peer)
{
	if (ntm_peer_stands(peer))
		return "up";
	return peer->next || peer->cur || peer->request ? "setting up" : "down";
}

static const char *kind_name(enum ntm_way_kind kind)
{
	static const char *const names[] = { "host", "reflexive", "peer-reflexive", "relay" };

	return (unsigned int)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}

/* Where the path is: "path" and "address" for a glance, "way" with all */
static void put_way(json_t *object, const struct ntm_ways *ways)
{
	const struct ntm_way *way = ntm_ways_current(ways);
	const char *relay;
	json_t *full;

	if (!way)
		return;
	relay = ntm_ways_relay(ways, &way->addr);
	json_object_set_new(object, "path", json_string(relay ? "relay" : "direct"));
	json_object_set_new(object, "address", endpoint_json(&way->addr));
	full = json_pack("{s:s, s:o}", "kind", kind_name(way->kind), "addr",
			 endpoint_json(&way->addr));
	if (relay) {
		json_object_set_new(object, "relay", json_string(relay));
		json_object_set_new(full, "relay", json_string(relay));
	}
	if (way->srtt_us)
		json_object_set_new(full, "rtt_us", json_integer((json_int_t)way->srtt_us));
	json_object_set_new(object, "way", full);
}

static void put_tunnel(struct ntm_node *node, json_t *object, const struct ntm_slot *slot)
{
	const struct ntm_tunnel *t = &slot->tunnel;
	const uint64_t age_ms = ntm_node_now_ms() - t->keys_ms;
	struct ntm_dp_stats stats;

	put_way(object, &slot->ways);
	json_object_set_new(object, "path_id", json_sprintf("%08x", t->path_id));
	json_object_set_new(object, "epoch", json_integer(t->cur.epoch));
	json_object_set_new(object, "suite", json_integer(t->suite));
	json_object_set_new(object, "keys_age_s", json_integer((json_int_t)(age_ms / 1000)));
	if (t->rtt_ms)
		json_object_set_new(object, "rtt_us", json_integer((json_int_t)t->rtt_us));
	if (!node->dp || !slot->in_datapath || node->dp_ops->stats(node->dp, t->path_id, &stats))
		return;
	json_object_set_new(object, "tx_packets", json_integer((json_int_t)stats.tx_packets));
	json_object_set_new(object, "tx_bytes", json_integer((json_int_t)stats.tx_bytes));
	json_object_set_new(object, "rx_packets", json_integer((json_int_t)stats.rx_packets));
	json_object_set_new(object, "rx_bytes", json_integer((json_int_t)stats.rx_bytes));
}

static json_t *peer_json(struct ntm_node *node, const struct ntm_peer *peer)
{
	json_t *object = json_object();

	json_object_set_new(object, "name", json_string(peer->name));
	json_object_set_new(object, "state", json_string(peer_state(peer)));
	if (peer->has4)
		json_object_set_new(object, "virtual4", addr_json(AF_INET, &peer->virtual4));
	if (peer->has6)
		json_object_set_new(object, "virtual6", addr_json(AF_INET6, &peer->virtual6));
	if (peer->cur)
		put_tunnel(node, object, peer->cur);
	return object;
}

static json_t *peers_json(struct ntm_node *node)
{
	json_t *array = json_array();

	for (const struct ntm_peer *peer = node->peers.newest; peer; peer = peer->older)
		json_array_append_new(array, peer_json(node, peer));
	return array;
}

static json_t *dc_json(struct ntm_node *node)
{
	const struct ntm_dc *dc = &node->dc;
	json_t *object = json_object();

	json_object_set_new(object, "state", json_string(ntm_dc_state_name(dc, ntm_node_now_ms())));
	if (dc->has_cur)
		json_object_set_new(object, "address", endpoint_json(&dc->addr));
	if (dc->observed.sa.sa_family)
		json_object_set_new(object, "observed", endpoint_json(&dc->observed));
	if (dc->state == NTM_DC_REFUSED) {
		json_object_set_new(object, "refusal", json_string(ntm_status_name(dc->status)));
		json_object_set_new(object, "text", json_string(dc->text));
	}
	return object;
}

static json_t *drops_json(struct ntm_node *node)
{
	uint64_t data[NTM_DP_DROPS];
	json_t *signalling = json_object(), *kernel = json_object();

	for (unsigned int i = 0; i < NTM_NODE_DROPS; i++)
		json_object_set_new(signalling, ntm_node_drop_names[i],
				    json_integer((json_int_t)node->drops[i]));
	if (node->dp && !node->dp_ops->drops(node->dp, data))
		for (unsigned int i = 0; i < NTM_DP_DROPS; i++)
			json_object_set_new(kernel, ntm_dp_drop_names[i],
					    json_integer((json_int_t)data[i]));
	return json_pack("{s:o, s:o}", "signalling", signalling, "data", kernel);
}

static void cmd_status(struct ntm_node *node, struct ntm_control_reply *reply)
{
	json_t *response = own_json(node);

	json_object_set_new(response, "ok", json_true());
	json_object_set_new(response, "schema", json_integer(NTM_ADMIN_SCHEMA));
	json_object_set_new(response, "dc", dc_json(node));
	json_object_set_new(response, "peers", peers_json(node));
	json_object_set(response, "refused_keys", ntm_pins_refused(&node->pins));
	json_object_set_new(response, "drops", drops_json(node));
	if (node->dp)
		json_object_set_new(response, "datapath", json_string(node->dp_ops->name));
	else if (node->dp_why[0])
		json_object_set_new(response, "datapath_error", json_string(node->dp_why));
	ntm_control_answer(reply, response);
}

/* ping */

/* "cn" is short for "cn.ZONE" */
static const char *full_name(const struct ntm_node *node, const json_t *request,
			     char out[NTM_NAME_MAX + 1])
{
	const char *text = json_string_value(json_object_get(request, "name"));
	size_t len = 0;

	if (!text)
		return NULL;
	for (; len < NTM_NAME_MAX && text[len]; len++)
		out[len] = text[len] >= 'A' && text[len] <= 'Z' ? (char)(text[len] + 'a' - 'A') :
								  text[len];
	if (text[len])
		return NULL;
	out[len] = '\0';
	if (len && out[len - 1] == '.')
		out[len - 1] = '\0';
	else if (!strchr(out, '.') && node->has_lease &&
		 len + strlen(node->lease.zone) + 1 <= NTM_NAME_MAX)
		strcat(strcat(out, "."), node->lease.zone);
	return ntm_name_valid(out) ? out : NULL;
}

static void start_ping(struct ntm_node *node, struct ntm_peer *peer,
		       struct ntm_control_reply *reply)
{
	const bool stands = ntm_peer_stands(peer);

	if (!ntm_queries_ping(stands ? &peer->pings : &peer->waiting, ntm_node_now_ms(), PING_MS,
			      reply)) {
		ntm_control_fail(reply, NTM_EXIT_ERROR, "too many wait already");
		return;
	}
	ntm_lookup_hold(node);
	if (stands)
		ntm_setup_ping(node, peer);
	else
		ntm_setup_want(node, peer);
}

static void cmd_ping(struct ntm_node *node, const json_t *request, struct ntm_control_reply *reply)
{
	char buf[NTM_NAME_MAX + 1];
	const char *name = full_name(node, request, buf);
	struct ntm_peer *peer;

	if (!name) {
		ntm_control_fail(reply, NTM_EXIT_USAGE, "that is no name of a node");
		return;
	}
	if (!node->has_lease || !node->dp) {
		ntm_control_fail(reply, NTM_EXIT_ERROR, "this node is not registered");
		return;
	}
	if (ntm_queries_place(&node->lease, name) != NTM_DNS_PEER) {
		ntm_control_fail(reply, NTM_EXIT_USAGE, "%s is no other node of %s%s", name,
				 node->lease.zone,
				 node->lease.peer_zone_count ? " or the zones beside it" : "");
		return;
	}
	peer = ntm_peers_get(&node->peers, name);
	if (!peer) {
		ntm_control_fail(reply, NTM_EXIT_ERROR, "no memory");
		return;
	}
	start_ping(node, peer, reply);
	ntm_peers_tidy(&node->peers, peer);
}

void ntm_admin_pong(struct ntm_node *node, void *ping, const struct ntm_peer *peer,
		    enum ntm_outcome outcome)
{
	json_t *response;

	(void)node;
	if (outcome == NTM_OUTCOME_UNKNOWN) {
		ntm_control_fail(ping, NTM_EXIT_UNREACHABLE, "no node has this name");
		return;
	}
	if (outcome != NTM_OUTCOME_STANDS || !peer || !peer->cur) {
		ntm_control_fail(ping, NTM_EXIT_UNREACHABLE, "unreachable");
		return;
	}
	response = json_pack("{s:b, s:s, s:I}", "ok", 1, "name", peer->name, "rtt_us",
			     (json_int_t)peer->cur->tunnel.rtt_us);
	put_way(response, &peer->cur->ways);
	ntm_control_answer(ping, response);
}

/* forget */

static void cmd_forget(struct ntm_node *node, const json_t *request,
		       struct ntm_control_reply *reply)
{
	char buf[NTM_NAME_MAX + 1];
	const char *name = full_name(node, request, buf);
	struct ntm_peer *peer;
	int err;

	if (!name) {
		ntm_control_fail(reply, NTM_EXIT_USAGE, "that is no name of a node");
		return;
	}
	peer = ntm_peers_by_name(&node->peers, name);
	if (peer)
		ntm_setup_close_peer(node, peer, "forgotten");
	err = ntm_pins_forget(&node->pins, &node->lease, name);
	if (err == -ENOENT)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "%s is not known", name);
	else if (err)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "%s", strerror(-err));
	else
		ntm_control_answer(reply, json_pack("{s:b, s:s}", "ok", 1, "name", name));
}

/* netcheck */

static void cmd_netcheck(struct ntm_node *node, const json_t *request,
			 struct ntm_control_reply *reply)
{
	const bool lifetime = json_is_true(json_object_get(request, "lifetime"));

	if (!node->has_lease)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "this node is not registered");
	else if (node->netcheck)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "another check is under way");
	else if (!ntm_netcheck_start(node, lifetime, reply))
		ntm_control_fail(reply, NTM_EXIT_ERROR, "no memory");
}

static void on_command(void *ctx, json_t *request, struct ntm_control_reply *reply)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	struct ntm_node *node = ctx;

	if (node->leaving)
		ntm_control_fail(reply, NTM_EXIT_NOT_RUNNING, "ntmd is going away");
	else if (!command)
		ntm_control_fail(reply, NTM_EXIT_USAGE, "no command");
	else if (!strcmp(command, "join"))
		cmd_join(node, request, reply);
	else if (!strcmp(command, "status"))
		cmd_status(node, reply);
	else if (!strcmp(command, "ping"))
		cmd_ping(node, request, reply);
	else if (!strcmp(command, "forget"))
		cmd_forget(node, request, reply);
	else if (!strcmp(command, "netcheck"))
		cmd_netcheck(node, request, reply);
	else
		ntm_control_fail(reply, NTM_EXIT_USAGE, "unknown command");
}

int ntm_admin_open(struct ntm_node *node)
{
	int err = ntm_control_open(&node->control, &node->loop, node->config.control, on_command,
				   node);

	if (err == -EADDRINUSE)
		ntm_err("%s: another ntmd is running", node->config.control);
	else if (err)
		ntm_err("%s: %s", node->config.control, strerror(-err));
	return err;
}

void ntm_admin_close(struct ntm_node *node)
{
	if (node->join) {
		ntm_control_fail(node->join->reply, NTM_EXIT_NOT_RUNNING, "ntmd is going away");
		join_end(node);
	}
	ntm_control_close(node->control);
	node->control = NULL;
}
