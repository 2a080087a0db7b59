// SPDX-License-Identifier: GPL-2.0
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "admin.h"
#include "common/clock.h"
#include "common/keyfile.h"
#include "common/log.h"
#include "common/notify.h"
#include "dns.h"
#include "lease.h"
#include "lookup.h"
#include "netcheck.h"
#include "common/netif.h"
#include "ntmobile/wire.h"
#include "carry.h"
#include "reach.h"
#include "setup.h"
#include "common/state.h"

#define HANDSHAKE_RATE 100 /* Tunnel Requests per second from which cookies are asked for */
#define DP_RETRY_MS 5000
#define GOODBYE_MS 100
#define GOODBYES 3
#define PINS_MS 1000 /* whoever makes many tunnels at once makes one file */
#define PINS_RETRY_MS 30000

const char *const ntm_node_drop_names[NTM_NODE_DROPS] = {
	"short",     "version", "mac",	"auth",	 "replay",
	"malformed", "session", "path", "state", "rate",
};

/* Time and timers. Not uv_now(): RTTs are wanted in microseconds, and a round of the loop may have taken long. */

uint64_t ntm_node_now_us(void)
{
	return ntm_clock_us();
}

uint64_t ntm_node_now_ms(void)
{
	return ntm_node_now_us() / 1000;
}

void ntm_node_arm(struct ntm_node *node, uv_timer_t *timer, uv_timer_cb fn, uint64_t at_ms)
{
	const uint64_t now = ntm_node_now_ms();

	if (at_ms == UINT64_MAX) {
		uv_timer_stop(timer);
		return;
	}
	uv_update_time(&node->loop);
	uv_timer_start(timer, fn, at_ms > now ? at_ms - now : 0, 0);
}

static void dc_tick(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;

	ntm_dc_tick(&node->dc, ntm_node_now_ms());
	ntm_node_arm_dc(node);
}

void ntm_node_arm_dc(struct ntm_node *node)
{
	ntm_node_arm(node, &node->dc_timer, dc_tick, ntm_dc_deadline(&node->dc));
}

/* Small services for the rest */

void ntm_node_drop(struct ntm_node *node, enum ntm_node_drop why)
{
	node->drops[why]++;
}

void ntm_node_drop_errno(struct ntm_node *node, int err)
{
	switch (err) {
	case -EBADMSG:
		ntm_node_drop(node, NTM_NODE_DROP_AUTH);
		break;
	case -EALREADY:
		ntm_node_drop(node, NTM_NODE_DROP_REPLAY);
		break;
	case -EPROTO:
		ntm_node_drop(node, NTM_NODE_DROP_MALFORMED);
		break;
	default:
		ntm_node_drop(node, NTM_NODE_DROP_STATE);
	}
}

bool ntm_node_zone_log(struct ntm_node *node, const char *name)
{
	const int other = ntm_lease_other(&node->lease, name);

	return ntm_log_allowed(&node->zone_log[other < 0 ? NTM_PEER_ZONES_MAX : other],
			       ntm_node_now_ms());
}

bool ntm_node_tunnel_log(struct ntm_node *node, const struct ntm_peer *peer)
{
	return peer->zone < 0 || ntm_log_allowed(&node->tunnel_log[peer->zone], ntm_node_now_ms());
}

int ntm_node_send_by(struct ntm_node *node, struct ntm_udp *by, const union ntm_addr *to,
		     const uint8_t *packet, size_t len)
{
	union ntm_addr where;
	int err = ntm_reach_out(node, to, &where);

	return err ? err : ntm_udp_send(by ? by : node->udp, &where, packet, len);
}

int ntm_node_send(struct ntm_node *node, const union ntm_addr *to, const uint8_t *packet,
		  size_t len)
{
	return ntm_node_send_by(node, NULL, to, packet, len);
}

int ntm_node_send_df(struct ntm_node *node, struct ntm_udp *by, const union ntm_addr *to,
		     const uint8_t *packet, size_t len)
{
	union ntm_addr where;
	int err = ntm_reach_out(node, to, &where);

	return err ? err : ntm_udp_send_df(by ? by : node->udp, &where, packet, len);
}

uint32_t ntm_node_session_id(void *ctx)
{
	struct ntm_node *node = ctx;
	uint32_t id;

	do {
		id = randombytes_random();
	} while (!id || ntm_dc_owns_id(&node->dc, id) || ntm_peers_by_id(&node->peers, id));
	return id;
}

/* Before the data path is there: what every data path can do */
uint32_t ntm_node_suites(void *ctx)
{
	struct ntm_node *node = ctx;
	const uint32_t known = 1u << NTM_SUITE_CHACHA20_POLY1305 | 1u << NTM_SUITE_AES_256_GCM;

	if (!node->dp)
		return 1u << NTM_SUITE_CHACHA20_POLY1305;
	return node->dp_ops->suites(node->dp) & known;
}

void ntm_node_path(const struct ntm_node *node, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", node->config.state, name);
}

/* Keys of peers */

static void pins_tick(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;
	const int err = ntm_pins_write(&node->pins);

	if (!err)
		return;
	ntm_err("cannot write %s: %s", node->pins.path, strerror(-err));
	ntm_node_arm(node, timer, pins_tick, ntm_node_now_ms() + PINS_RETRY_MS);
}

void ntm_node_write_pins(struct ntm_node *node)
{
	if (node->pins.unwritten && !node->leaving &&
	    !uv_is_active((uv_handle_t *)&node->pins_timer))
		ntm_node_arm(node, &node->pins_timer, pins_tick, ntm_node_now_ms() + PINS_MS);
}

static void write_last_pins(struct ntm_node *node)
{
	const int err = ntm_pins_write(&node->pins);

	if (err)
		ntm_err("cannot write %s: %s", node->pins.path, strerror(-err));
}

/* Packets */

static bool is_signalling(struct ntm_node *node, const uint8_t *packet, size_t len)
{
	if (len < 4) {
		ntm_node_drop(node, NTM_NODE_DROP_SHORT);
		return false;
	}
	if (packet[1] != NTM_PROTOCOL_VERSION || packet[2] || packet[3]) {
		ntm_node_drop(node, NTM_NODE_DROP_VERSION);
		return false;
	}
	return true;
}

/* @via: of the path that a relay brought it for; NULL: it came directly */

static void on_tunnel_request(struct ntm_node *node, const uint8_t *packet, size_t len,
			      const union ntm_addr *from, struct ntm_slot *via)
{
	uint8_t reply[64];
	size_t reply_len = 0;

	switch (ntm_hs_check(&node->guard, packet, len, from, ntm_node_now_ms(), reply,
			     &reply_len)) {
	case NTM_HS_GO:
		if (via && ntm_setup_request_path(packet) != via->tunnel.path_id)
			ntm_node_drop(node, NTM_NODE_DROP_PATH);
		else
			ntm_setup_request(node, packet, len, from);
		break;
	case NTM_HS_COOKIE:
		ntm_node_drop(node, NTM_NODE_DROP_RATE);
		if (via)
			ntm_carry_send(node, via, from, reply, reply_len);
		else
			(void)ntm_node_send(node, from, reply, reply_len);
		break;
	case NTM_HS_BUSY:
		ntm_node_drop(node, NTM_NODE_DROP_RATE);
		break;
	case NTM_HS_DROP:
		ntm_node_drop(node, NTM_NODE_DROP_MAC);
		break;
	}
}

static void on_dc_reply(struct ntm_node *node, const uint8_t *packet, size_t len,
			const union ntm_addr *from)
{
	int err;

	if (packet[0] == NTM_PKT_COOKIE_REPLY)
		err = ntm_dc_cookie(&node->dc, packet, len, ntm_node_now_ms());
	else
		err = ntm_dc_response(&node->dc, packet, len, from, ntm_node_now_ms());
	if (err)
		ntm_node_drop_errno(node, err);
	ntm_node_arm_dc(node);
}

/* Session Response, Tunnel Response, Cookie Reply: they carry the initiator's session ID */
static void on_reply(struct ntm_node *node, const uint8_t *packet, size_t len,
		     const union ntm_addr *from, const struct ntm_slot *via)
{
	const uint32_t id = ntm_hs_reply_id(packet, len);
	struct ntm_slot *slot = ntm_peers_by_id(&node->peers, id);

	if (!id)
		ntm_node_drop(node, NTM_NODE_DROP_MALFORMED);
	else if (!via && ntm_dc_owns_id(&node->dc, id) && packet[0] != NTM_PKT_TUNNEL_RESPONSE)
		on_dc_reply(node, packet, len, from);
	else if (!slot || (via && via != slot))
		ntm_node_drop(node, NTM_NODE_DROP_SESSION);
	else if (packet[0] == NTM_PKT_COOKIE_REPLY)
		ntm_setup_cookie(node, slot, packet, len);
	else if (packet[0] == NTM_PKT_TUNNEL_RESPONSE)
		ntm_setup_response(node, slot, packet, len, from);
	else
		ntm_node_drop(node, NTM_NODE_DROP_SESSION);
}

static void on_sealed(struct ntm_node *node, const uint8_t *packet, size_t len,
		      const union ntm_addr *from, const struct ntm_slot *via)
{
	const uint32_t id = ntm_session_id_of(packet, len);
	struct ntm_slot *slot;
	int err;

	if (!id) {
		ntm_node_drop(node, NTM_NODE_DROP_SHORT);
		return;
	}
	if (!via && ntm_dc_owns_id(&node->dc, id)) {
		err = ntm_dc_sealed(&node->dc, packet, len, from, ntm_node_now_ms());
		if (err)
			ntm_node_drop_errno(node, err);
		ntm_node_arm_dc(node);
		return;
	}
	slot = ntm_peers_by_id(&node->peers, id);
	if (slot && (!via || via == slot))
		ntm_setup_sealed(node, slot, packet, len, from);
	else
		ntm_node_drop(node, NTM_NODE_DROP_SESSION);
}

static void on_punch(struct ntm_node *node, const uint8_t *packet, size_t len)
{
	uint32_t path_id;
	const struct ntm_slot *slot;

	if (len != NTM_HS_PUNCH_LEN) {
		ntm_node_drop(node, NTM_NODE_DROP_SHORT);
		return;
	}
	memcpy(&path_id, packet + 4, sizeof(path_id));
	slot = ntm_peers_by_path(&node->peers, ntohl(path_id));
	if (!slot)
		ntm_node_drop(node, NTM_NODE_DROP_PATH);
	else if (!ntm_hs_punch_check(packet, len, slot->tunnel.path_id, slot->tunnel.psk,
				     NTM_ROLE_RESPONDER))
		ntm_node_drop(node, NTM_NODE_DROP_MAC);
}

static void survey_arm(struct ntm_node *node);

/* Nothing that it says is believed without the nonce of a probe of ours */
static void on_probe_response(struct ntm_node *node, const uint8_t *packet, size_t len,
			      const union ntm_addr *from)
{
	if (!ntm_survey_response(&node->survey, packet, len, from, ntm_node_now_us()) &&
	    !ntm_netcheck_packet(node, packet, len))
		ntm_node_drop(node, NTM_NODE_DROP_AUTH);
	survey_arm(node);
}

static void on_bound(struct ntm_node *node, const uint8_t *packet, size_t len,
		     const union ntm_addr *from)
{
	struct ntm_relay_bind bound;
	struct ntm_slot *slot;

	if (!ntm_relay_get(&bound, packet, len)) {
		ntm_node_drop(node, NTM_NODE_DROP_MALFORMED);
		return;
	}
	slot = ntm_peers_by_path(&node->peers, bound.path_id);
	if (slot)
		ntm_setup_bound(node, slot, packet, len, from);
	else
		ntm_node_drop(node, NTM_NODE_DROP_PATH);
}

static bool on_peer_packet(struct ntm_node *node, const uint8_t *packet, size_t len,
			   const union ntm_addr *from, struct ntm_slot *via)
{
	switch (packet[0]) {
	case NTM_PKT_TUNNEL_RESPONSE:
	case NTM_PKT_COOKIE_REPLY:
		on_reply(node, packet, len, from, via);
		return true;
	case NTM_PKT_SEALED:
		on_sealed(node, packet, len, from, via);
		return true;
	case NTM_PKT_TUNNEL_REQUEST:
		on_tunnel_request(node, packet, len, from, via);
		return true;
	default:
		return false;
	}
}

static void on_relayed(struct ntm_node *node, const uint8_t *packet, size_t len,
		       const union ntm_addr *from)
{
	struct ntm_slot *via;
	const uint8_t *inner = ntm_carry_unwrap(node, packet, &len, from, &via);

	if (inner && is_signalling(node, inner, len))
		(void)on_peer_packet(node, inner, len, from, via);
}

void ntm_node_received(void *ctx, const uint8_t *packet, size_t len, const union ntm_addr *source)
{
	struct ntm_node *node = ctx;
	union ntm_addr who;
	const union ntm_addr *from = &who;

	if (node->leaving && node->goodbyes == 0)
		return;
	if (len && ntm_wire_is_data(packet[0])) {
		ntm_node_drop(node, NTM_NODE_DROP_PATH); /* a data path takes its own before */
		return;
	}
	if (!is_signalling(node, packet, len))
		return;
	ntm_reach_in(node, source, &who);
	if (on_peer_packet(node, packet, len, from, NULL))
		return;
	switch (packet[0]) {
	case NTM_PKT_SESSION_RESPONSE:
		on_reply(node, packet, len, from, NULL);
		break;
	case NTM_PKT_HOLE_PUNCHING:
		on_punch(node, packet, len);
		break;
	case NTM_PKT_RELAY_PROBE_RESPONSE:
		on_probe_response(node, packet, len, from);
		break;
	case NTM_PKT_RELAY_BOUND:
		on_bound(node, packet, len, from);
		break;
	case NTM_PKT_RELAYED:
		on_relayed(node, packet, len, from);
		break;
	default:
		ntm_node_drop(node, NTM_NODE_DROP_VERSION);
	}
}

/* Events of the data path */

static void ev_miss(void *ctx, int family, const void *virt)
{
	ntm_lookup_miss(ctx, family, virt);
}

static void ev_peer_moved(void *ctx, uint32_t path_id, const union ntm_addr *addr)
{
	union ntm_addr who;

	ntm_reach_in(ctx, addr, &who);
	ntm_setup_moved(ctx, path_id, &who);
}

static void ev_rekey(void *ctx, uint32_t path_id, uint32_t epoch)
{
	ntm_setup_rekey(ctx, path_id, epoch);
}

static void ev_key_confirmed(void *ctx, uint32_t path_id, uint32_t epoch)
{
	ntm_setup_confirmed(ctx, path_id, epoch);
}

static void ev_auth_burst(void *ctx, uint32_t path_id, uint32_t drops)
{
	struct ntm_node *node = ctx;

	if (ntm_log_allowed(&node->forged_log, ntm_node_now_ms()))
		ntm_warn("%u forged data packets within a second, path %08x", drops, path_id);
}

static void ev_mtu(void *ctx, uint32_t path_id, uint32_t mtu)
{
	(void)ctx;
	ntm_debug("path %08x: MTU %u", path_id, mtu);
}

static void ev_dns(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	ntm_lookup_dns(ctx, tag, msg, len);
}

static void dp_tick(uv_timer_t *timer);

/* Not closed from within its own callback, but from the timer */
static void ev_lost(void *ctx, int err)
{
	struct ntm_node *node = ctx;

	ntm_err("the data path is gone: %s", strerror(err < 0 ? -err : err));
	ntm_node_arm(node, &node->dp_timer, dp_tick, ntm_node_now_ms());
}

static const struct ntm_dp_events dp_events = {
	.miss = ev_miss,
	.peer_moved = ev_peer_moved,
	.rekey = ev_rekey,
	.key_confirmed = ev_key_confirmed,
	.auth_burst = ev_auth_burst,
	.mtu = ev_mtu,
	.dns = ev_dns,
	.lost = ev_lost,
};

/* The data path */

static void dp_close(struct ntm_node *node)
{
	struct ntm_datapath *dp = node->dp;

	if (!dp)
		return;
	ntm_lookup_fail_all(node);
	ntm_dns_down(node);
	node->dp = NULL;
	ntm_setup_close_all(node, "no data path");
	node->dp_ops->close(dp);
}

static int dp_try(struct ntm_node *node, const struct ntm_datapath_ops *ops, char *why, size_t size)
{
	const struct ntm_dp_open how = {
		.loop = &node->loop,
		.ifname = node->config.interface,
		.udp = node->udp,
		.events = &dp_events,
		.ctx = node,
		.tun_fd = node->fds.tun,
		.threads = node->config.threads,
	};
	int err;

	why[0] = '\0';
	err = ops->open(&node->dp, &how, why, size);
	if (!err) {
		node->dp_ops = ops;
		return 0;
	}
	node->dp = NULL;
	if (!why[0])
		snprintf(why, size, "%s", strerror(-err));
	return err;
}

/* The module if it is loaded or can be, else the user-space path; the log says which and why */
static int dp_auto(struct ntm_node *node)
{
	char why[128];
	int err;

	if (!dp_try(node, &ntm_datapath_kernel, why, sizeof(why))) {
		ntm_info("data path: kernel module");
		return 0;
	}
	err = dp_try(node, &ntm_datapath_tun, node->dp_why, sizeof(node->dp_why));
	if (!err)
		ntm_info("data path: user space, by a TUN device, since %s", why);
	return err;
}

static int dp_open(struct ntm_node *node)
{
	if (node->fds.tun >= 0 || !strcmp(node->config.datapath, "tun"))
		return dp_try(node, &ntm_datapath_tun, node->dp_why, sizeof(node->dp_why));
	if (!strcmp(node->config.datapath, "kernel"))
		return dp_try(node, &ntm_datapath_kernel, node->dp_why, sizeof(node->dp_why));
	return dp_auto(node);
}

static int dp_give_lease(struct ntm_node *node)
{
	struct ntm_dp_lease lease = ntm_lease_datapath(&node->lease);
	int err;

	if (!ntm_dns_hooked(node))
		lease.zone[0] = '\0';
	err = node->dp_ops->configure(node->dp, &lease);
	if (err) {
		snprintf(node->dp_why, sizeof(node->dp_why), "%s does not take the lease: %s",
			 node->config.interface, strerror(-err));
		return err;
	}
	node->dp_why[0] = '\0';
	lease = ntm_lease_datapath(&node->lease);
	ntm_dns_up(node, &lease);
	return 0;
}

/* Makes the interface if there is none, and gives it the lease. On failure there is none any more, nor any peer. */
static int dp_up(struct ntm_node *node)
{
	const bool fresh = !node->dp;
	int err = fresh ? dp_open(node) : 0;

	if (err)
		return err;
	err = dp_give_lease(node);
	if (err) {
		dp_close(node);
		return err;
	}
	if (fresh) {
		uv_timer_stop(&node->dp_timer); /* it would try to get back what is here again */
		ntm_dc_register(&node->dc, ntm_node_now_ms()); /* its suites are known now */
		ntm_node_arm_dc(node);
	}
	return 0;
}

static void dp_tick(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;

	dp_close(node);
	if (node->leaving || !node->has_lease || !dp_up(node))
		return;
	if (ntm_log_allowed(&node->own_log, ntm_node_now_ms()))
		ntm_err("no data path: %s", node->dp_why);
	ntm_node_arm(node, &node->dp_timer, dp_tick, ntm_node_now_ms() + DP_RETRY_MS);
}

/* What the DC tells */

static int dc_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	return ntm_node_send(ctx, to, packet, len);
}

/* Our own interface is no way to anywhere: that of the data path; before there is one, what may be left of another run */
static unsigned int own_interface(struct ntm_node *node)
{
	if (node->dp && node->dp_ops->ifindex)
		return node->dp_ops->ifindex(node->dp);
	return if_nametoindex(node->config.interface);
}

static bool is_own_virtual(const struct ntm_node *node, const union ntm_addr *addr)
{
	const struct ntm_msg *lease = &node->lease;

	if (!node->has_lease)
		return false;
	if (addr->sa.sa_family == AF_INET)
		return NTM_HAS(lease, VIRTUAL4) &&
		       addr->v4.sin_addr.s_addr == lease->virtual4.s_addr;
	return NTM_HAS(lease, VIRTUAL6) &&
	       IN6_ARE_ADDR_EQUAL(&addr->v6.sin6_addr, &lease->virtual6);
}

static unsigned int own_candidates(struct ntm_node *node, struct ntm_candidate *out,
				   unsigned int max)
{
	union ntm_addr addrs[NTM_CANDIDATES_MAX];
	const unsigned int found = ntm_netif_addresses(
		addrs, NTM_CANDIDATES_MAX, own_interface(node), ntm_udp_port(node->udp));
	unsigned int count = 0;

	/* A TUN device handed in may not tell its name, and be configured at any time */
	for (unsigned int i = 0; i < found && count < max; i++)
		if (!is_own_virtual(node, &addrs[i]))
			out[count++] =
				(struct ntm_candidate){ .kind = NTM_CAND_HOST, .addr = addrs[i] };
	return count;
}

/* False: these are the ones that we had when we last looked */
static bool keep_candidates(struct ntm_node *node, const struct ntm_candidate *now,
			    unsigned int count)
{
	unsigned int i = 0;

	while (i < count && i < node->candidate_count &&
	       ntm_addr_equal(&now[i].addr, &node->candidates[i].addr))
		i++;
	if (i == count && count == node->candidate_count)
		return false;
	memcpy(node->candidates, now, count * sizeof(*now));
	node->candidate_count = count;
	return true;
}

static void dc_registration(void *ctx, struct ntm_msg *m)
{
	struct ntm_node *node = ctx;

	m->suites = ntm_node_suites(node);
	NTM_SET(m, SUITES);
	m->candidate_count = own_candidates(node, m->candidates, NTM_CANDIDATES_MAX);
	if (m->candidate_count)
		NTM_SET(m, CANDIDATE);
	(void)keep_candidates(node, m->candidates, m->candidate_count);
	ntm_survey_own(&node->survey, node->candidates, node->candidate_count, ntm_node_now_us());
	ntm_survey_dc(&node->survey, &node->dc.addr, &node->dc.observed);
	ntm_survey_fill(&node->survey, m);
	survey_arm(node);
}

/* Relays and the NAT */

static void survey_tick(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;

	ntm_survey_tick(&node->survey, ntm_node_now_us());
	survey_arm(node);
}

static void survey_arm(struct ntm_node *node)
{
	ntm_node_arm(node, &node->survey_timer, survey_tick, ntm_survey_deadline(&node->survey));
}

void ntm_node_survey(struct ntm_node *node)
{
	ntm_survey_start(&node->survey, ntm_node_now_us());
	survey_arm(node);
}

static void survey_done(void *ctx)
{
	struct ntm_node *node = ctx;

	if (node->dc.state != NTM_DC_REGISTERED)
		return;
	ntm_dc_register(&node->dc, ntm_node_now_ms());
	ntm_node_arm_dc(node);
}

static void keep_lease(struct ntm_node *node)
{
	char path[PATH_MAX];
	int err;

	ntm_node_path(node, "lease", path);
	err = ntm_state_write_lease(path, &node->lease);
	if (err)
		ntm_err("cannot write %s: %s", path, strerror(-err));
}

/* From now on this is the DC whose member we are */
static void keep_membership(struct ntm_node *node)
{
	char path[PATH_MAX];
	int err;

	node->has_before = false;
	memset(&node->before, 0, sizeof(node->before));
	ntm_node_path(node, "dc", path);
	err = ntm_state_write_dc(path, &node->dc.where, false);
	node->dc_unwritten = err;
	if (err)
		ntm_err("cannot write %s: %s", path, strerror(-err));
	else
		keep_lease(node);
}

static void dc_lease(void *ctx, const struct ntm_msg *lease)
{
	struct ntm_node *node = ctx;
	struct ntm_msg next = *lease;
	bool changed;

	if (node->has_lease)
		ntm_lease_keep(&next, &node->lease);
	changed = !node->has_lease || !ntm_lease_same(&node->lease, &next);
	if (changed || !node->told_registered)
		ntm_info("registered as %s", lease->name);
	node->told_registered = true;
	if (changed || node->dc_unwritten) {
		node->lease = next;
		node->has_lease = true;
		keep_membership(node);
		ntm_pins_zones(&node->pins, &node->lease);
		ntm_peers_zones(&node->peers);
		ntm_setup_close_strays(node);
	}
	if ((changed || !node->dp) && dp_up(node)) {
		ntm_err("no data path: %s", node->dp_why);
		ntm_node_arm(node, &node->dp_timer, dp_tick, ntm_node_now_ms() + DP_RETRY_MS);
	}
	ntm_reach_dc(node);
	ntm_survey_dc(&node->survey, &node->dc.addr, &node->dc.observed);
	ntm_survey_relays(&node->survey, lease->relays, lease->relay_count, ntm_node_now_us());
	survey_arm(node);
	ntm_admin_registered(node);
}

/* A peer of another zone, or in a new part of our network, of which our lease does not say all */
bool ntm_node_learn(struct ntm_node *node, const struct ntm_msg *direction)
{
	switch (ntm_lease_learn(&node->lease, direction)) {
	case NTM_LEASE_KNOWN:
		return true;
	case NTM_LEASE_LEARNT:
		keep_lease(node);
		if (!dp_give_lease(node))
			return true;
		/* Peers go with the data path, and one of them is being worked on: from the loop, as when it is lost */
		ntm_err("no data path: %s", node->dp_why);
		ntm_node_arm(node, &node->dp_timer, dp_tick, ntm_node_now_ms());
		return true;
	case NTM_LEASE_STALE:
		ntm_dc_register(&node->dc, ntm_node_now_ms());
		ntm_node_arm_dc(node);
		return false;
	}
	return true;
}

static void dc_refused(void *ctx, uint16_t status, const char *text)
{
	struct ntm_node *node = ctx;

	node->told_registered = false;
	if (ntm_log_allowed(&node->own_log, ntm_node_now_ms()))
		ntm_warn("the DC refuses this node: %s%s%s", ntm_status_name(status),
			 text[0] ? ": " : "", text);
	ntm_admin_refused(node, status, text);
}

static int dc_message(void *ctx, const struct ntm_msg *m)
{
	if (m->type != NTM_MSG_ROUTE_DIRECTION)
		return -EPROTO;
	(void)ntm_setup_direction(ctx, m);
	return 0;
}

static const struct ntm_survey_ops survey_ops = { .send = dc_send, .done = survey_done };

static const struct ntm_dc_ops dc_ops = {
	.send = dc_send,
	.session_id = ntm_node_session_id,
	.registration = dc_registration,
	.lease = dc_lease,
	.refused = dc_refused,
	.message = dc_message,
};

void ntm_node_use_dc(struct ntm_node *node, const struct ntm_join *where, bool has_token)
{
	node->dc_unwritten = has_token;
	ntm_dc_set(&node->dc, where, has_token, ntm_node_now_ms());
	ntm_node_arm_dc(node);
}

/* The DC and every live peer learn at once where we are */
static void show_ourselves(struct ntm_node *node)
{
	ntm_dc_hurry(&node->dc, ntm_node_now_ms());
	ntm_dc_register(&node->dc, ntm_node_now_ms());
	ntm_reach_dc(node);
	ntm_setup_shake_all(node);
	ntm_node_arm_dc(node);
}

void ntm_node_reachable(struct ntm_node *node)
{
	if (node->leaving)
		return;
	show_ourselves(node);
	ntm_node_survey(node);
}

/* Real addresses came or went */
static void addresses_changed(void *ctx)
{
	struct ntm_node *node = ctx;
	struct ntm_candidate now[NTM_CANDIDATES_MAX];
	const struct ntm_dp_lease lease = ntm_lease_datapath(&node->lease);
	unsigned int count;

	ntm_dns_again(node, &lease);
	if (node->leaving)
		return;
	count = own_candidates(node, now, NTM_CANDIDATES_MAX);
	ntm_reach_addresses(node, now, count);
	if (!keep_candidates(node, now, count))
		return;
	ntm_info("real addresses changed, %u now", count);
	show_ourselves(node);
}

/* NATs may have forgotten us, the DC calls us offline, peers have closed: and deadlines have passed that no timer knows of */
static void slept(void *ctx, uint64_t slept_ms)
{
	struct ntm_node *node = ctx;

	ntm_info("this host slept for %llu s", (unsigned long long)(slept_ms / 1000));
	ntm_node_reachable(node);
}

/* Signals */

static void stop(struct ntm_node *node);

static void leave_tick(uv_timer_t *timer)
{
	struct ntm_node *node = timer->data;

	if (node->goodbyes++ >= GOODBYES || ntm_dc_goodbye(&node->dc, ntm_node_now_ms()))
		stop(node);
}

/* Peers first, then the DC, then ourselves */
static void leave(struct ntm_node *node)
{
	if (node->leaving) { /* asked twice: at once */
		stop(node);
		return;
	}
	node->leaving = true;
	(void)ntm_notify("STOPPING=1");
	ntm_info("going away");
	ntm_lookup_fail_all(node);
	ntm_setup_close_all(node, "ntmd ends");
	uv_timer_start(&node->leave_timer, leave_tick, 0, GOODBYE_MS);
}

static void reload(struct ntm_node *node)
{
	struct ntm_node_config config;
	char error[512], fixed[128];

	if (ntm_node_config_load(&config, node->config_path, error, sizeof(error))) {
		ntm_err("%s; the old configuration stays", error);
		return;
	}
	node->config.idle_s = config.idle_s;
	node->config.rekey_s = config.rekey_s;
	node->config.log_level = config.log_level;
	ntm_log_set_level(node->verbose ? NTM_LOG_DEBUG : config.log_level);
	if (ntm_node_config_fixed(&node->config, &config, fixed, sizeof(fixed)))
		ntm_warn("%s: %s: change only with a restart", node->config_path, fixed);
	ntm_info("configuration reloaded");
}

static void on_signal(uv_signal_t *handle, int signum)
{
	if (signum == SIGHUP)
		reload(handle->data);
	else
		leave(handle->data);
}

/* Start and stop */

static void close_handle(uv_handle_t *handle)
{
	if (handle->type != UV_UNKNOWN_HANDLE && !uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* The reverse of the start. The loop ends when all handles are closed. */
static void stop(struct ntm_node *node)
{
	node->leaving = true;
	node->goodbyes = 0;
	ntm_lookup_fail_all(node);
	for (unsigned int i = 0; i < sizeof(node->signals) / sizeof(node->signals[0]); i++)
		close_handle((uv_handle_t *)&node->signals[i]);
	ntm_netcheck_stop(node);
	ntm_admin_close(node);
	ntm_netif_watch_close(node->watch);
	node->watch = NULL;
	ntm_clock_unwatch(node->clock_watch);
	node->clock_watch = NULL;
	ntm_reach_close(node);
	dp_close(node);
	ntm_dns_close(node);
	ntm_dc_done(&node->dc);
	ntm_setup_close_all(node, "ntmd ends");
	ntm_udp_close(node->udp);
	node->udp = NULL;
	write_last_pins(node);
	close_handle((uv_handle_t *)&node->pins_timer);
	close_handle((uv_handle_t *)&node->dns_timer);
	close_handle((uv_handle_t *)&node->survey_timer);
	close_handle((uv_handle_t *)&node->leave_timer);
	close_handle((uv_handle_t *)&node->dp_timer);
	close_handle((uv_handle_t *)&node->hold_timer);
	close_handle((uv_handle_t *)&node->dc_timer);
}

static int make_state_dir(const struct ntm_node *node)
{
	if (!mkdir(node->config.state, 0700) || errno == EEXIST)
		return 0;
	ntm_err("%s: %s", node->config.state, strerror(errno));
	return -errno;
}

static int load_key(struct ntm_node *node)
{
	char path[PATH_MAX];
	int err;

	ntm_node_path(node, "key", path);
	err = ntm_keyfile_load(path, &node->self);
	if (err)
		ntm_err("%s: %s", path, err == -EPERM ? "others can read it" : strerror(-err));
	return err;
}

static int load_pins(struct ntm_node *node)
{
	char path[PATH_MAX];
	int err;

	ntm_node_path(node, "pins", path);
	err = ntm_pins_open(&node->pins, path);
	if (err)
		ntm_err("%s: %s", path, err == -EINVAL ? "damaged" : strerror(-err));
	return err;
}

/* Sockets of the parent process; one that serves both families is an IPv6 one */
static int adopt_udp(struct ntm_node *node)
{
	int fd[2] = { -1, -1 };

	for (unsigned int i = 0; i < node->fds.udp_count; i++) {
		union ntm_addr addr = { 0 };
		socklen_t len = sizeof(addr);
		int at;

		if (getsockname(node->fds.udp[i], &addr.sa, &len))
			return -errno;
		at = addr.sa.sa_family == AF_INET6;
		if ((addr.sa.sa_family != AF_INET && !at) || fd[at] >= 0)
			return -EINVAL;
		fd[at] = node->fds.udp[i];
		if (fcntl(fd[at], F_SETFL, O_NONBLOCK) || fcntl(fd[at], F_SETFD, FD_CLOEXEC))
			return -errno;
	}
	return ntm_udp_adopt(&node->udp, &node->loop, fd[0], fd[1], true, ntm_node_received, node);
}

static int open_udp(struct ntm_node *node)
{
	union ntm_addr any4 = { .v4 = { .sin_family = AF_INET,
					.sin_port = htons(node->config.port) } };
	union ntm_addr any6 = { .v6 = { .sin6_family = AF_INET6,
					.sin6_port = htons(node->config.port) } };
	int err;

	if (node->fds.udp_count) {
		err = adopt_udp(node);
		if (err)
			ntm_err("the UDP sockets handed in cannot be used: %s", strerror(-err));
		return err;
	}
	err = ntm_udp_open(&node->udp, &node->loop, &any4, &any6, true, ntm_node_received, node);
	if (err == -EADDRINUSE)
		ntm_err("UDP port %u is in use: is another ntmd running?", node->config.port);
	else if (err)
		ntm_err("UDP port %u: %s", node->config.port, strerror(-err));
	return err;
}

static int open_watch(struct ntm_node *node)
{
	int err = ntm_netif_watch_open(&node->watch, &node->loop, addresses_changed, node);

	if (err)
		ntm_err("cannot watch the addresses of this host: %s", strerror(-err));
	if (ntm_clock_watch(&node->clock_watch, &node->loop, slept, node))
		ntm_warn(
			"cannot see when this host has slept: that it is back will be known later");
	return err;
}

/* The last lease: the zone's names are ours even while the DC cannot be reached */
static int use_last_lease(struct ntm_node *node)
{
	char path[PATH_MAX];
	int err;

	ntm_node_path(node, "lease", path);
	err = ntm_state_read_lease(path, &node->lease);
	if (err == -ENOENT)
		return 0;
	if (err) { /* the DC gives it again */
		ntm_warn("%s: %s", path, err == -EINVAL ? "damaged" : strerror(-err));
		return 0;
	}
	node->has_lease = true;
	ntm_pins_zones(&node->pins, &node->lease);
	err = dp_up(node);
	if (err)
		ntm_err("no data path: %s", node->dp_why);
	return err;
}

static int use_known_dc(struct ntm_node *node)
{
	struct ntm_join dc;
	bool has_token = false;
	char path[PATH_MAX];
	int err;

	ntm_node_path(node, "dc", path);
	err = ntm_state_read_dc(path, &dc, &has_token);
	if (node->config.has_dc) {
		if (err)
			has_token = false;
		else
			memcpy(node->config.dc.token, dc.token, sizeof(dc.token));
		dc = node->config.dc;
		err = 0;
	}
	if (err == -ENOENT) {
		ntm_info(
			"not joined yet: `ntmctl join STRING` with what `ntm-dc invite NAME` prints");
		return 0;
	}
	if (err) {
		ntm_err("%s: %s", path, err == -EINVAL ? "damaged" : strerror(-err));
		return err;
	}
	err = use_last_lease(node);
	if (!err)
		ntm_node_use_dc(node, &dc, has_token);
	sodium_memzero(&dc, sizeof(dc));
	return err;
}

static int start_signals(struct ntm_node *node)
{
	static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };
	int err = 0;

	for (unsigned int i = 0; !err && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		err = uv_signal_init(&node->loop, &node->signals[i]);
		node->signals[i].data = node;
		if (!err)
			err = uv_signal_start(&node->signals[i], on_signal, numbers[i]);
	}
	return err;
}

static void start_timers(struct ntm_node *node)
{
	uv_timer_t *const timers[] = { &node->dc_timer,	   &node->hold_timer,	&node->dp_timer,
				       &node->leave_timer, &node->survey_timer, &node->pins_timer,
				       &node->dns_timer };

	for (unsigned int i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		uv_timer_init(&node->loop, timers[i]);
		timers[i]->data = node;
	}
}

static int start(struct ntm_node *node)
{
	struct ntm_candidate own[NTM_CANDIDATES_MAX];
	unsigned int count;
	int err;

	start_timers(node);
	err = make_state_dir(node);
	if (!err)
		err = load_key(node);
	if (!err)
		err = load_pins(node);
	if (!err)
		err = open_udp(node);
	if (!err)
		err = open_watch(node);
	if (!err)
		err = ntm_dns_open(node);
	if (!err)
		err = ntm_reach_open(node);
	if (err)
		return err;
	ntm_hs_guard_init(&node->guard, node->self.public, HANDSHAKE_RATE, ntm_node_now_ms());
	ntm_dc_init(&node->dc, &dc_ops, node, &node->self);
	ntm_survey_init(&node->survey, &survey_ops, node);
	err = use_known_dc(node);
	count = own_candidates(node, own, NTM_CANDIDATES_MAX);
	(void)keep_candidates(node, own, count);
	ntm_reach_addresses(node, own, count);
	if (!err)
		err = start_signals(node);
	if (!err)
		err = ntm_admin_open(node);
	return err;
}

static void node_init(struct ntm_node *node, const struct ntm_node_config *config,
		      const struct ntm_node_fds *fds, const char *config_path, bool verbose)
{
	memset(node, 0, sizeof(*node));
	node->config = *config;
	node->fds = *fds;
	node->config_path = config_path;
	node->verbose = verbose;
	ntm_peers_init(&node->peers, &node->lease);
}

int ntm_node_run(const struct ntm_node_config *config, const struct ntm_node_fds *fds,
		 const char *config_path, bool verbose)
{
	static struct ntm_node node; /* too large for a stack, and there is only one */
	int err;

	node_init(&node, config, fds, config_path, verbose);
	err = uv_loop_init(&node.loop);
	if (err)
		return NTM_EXIT_ERROR;
	if (start(&node)) {
		node.exit_code = NTM_EXIT_ERROR;
		stop(&node);
	} else {
		ntm_info("running, UDP port %u", ntm_udp_port(node.udp));
		(void)ntm_notify("READY=1");
	}
	uv_run(&node.loop, UV_RUN_DEFAULT);
	uv_loop_close(&node.loop);
	ntm_peers_done(&node.peers);
	ntm_pins_close(&node.pins);
	sodium_memzero(&node.self, sizeof(node.self));
	return node.exit_code;
}
