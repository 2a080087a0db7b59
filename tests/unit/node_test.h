/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole node without sockets, for unit tests and fuzzers: node.c is part of the program, its data path does nothing, and what it
 * sends goes to test_node_sent(). It is registered, and has a peer (bob) whose keys are known here, as those of the DC are.
 */
#ifndef NTM_NODE_TEST_H
#define NTM_NODE_TEST_H

#include "common/udp.h"

#define ntm_udp_send test_udp_send
#define ntm_udp_send_df test_udp_send
#define ntm_udp_port test_udp_port
static int test_udp_send(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet,
			 size_t len);
static uint16_t test_udp_port(const struct ntm_udp *udp)
{
	(void)udp; /* there is none */
	return 4330;
}
#include "node/datapath.h"
static const struct ntm_datapath_ops test_ops;
#define ntm_datapath_tun test_ops
#include "node/node.c" /* NOLINT(bugprone-suspicious-include): its entry is not public */
#undef ntm_datapath_tun
#undef ntm_udp_port

#include <unistd.h>

static struct ntm_node node;
static struct ntm_session dc_side;
static struct ntm_noise_keypair peer_key;
static union ntm_addr from;
static union ntm_addr rs_addr; /* of the relay server that add_relay() names */
static const uint8_t rs_key[32] = { 5 };
static char directory[] = "/tmp/ntm-node-XXXXXX";
static const uint8_t psk[32] = { 9 };
static int dp_refuses;		  /* what it says to a lease */
static union ntm_addr dp_peer;	  /* where the data path was last told that a peer is, */
static union ntm_addr dp_at;	  /* where it says that every peer is, family 0: it does not */
static bool dp_by_socket;	  /* and by which socket */
static struct ntm_udp *dp_socket; /* that of a path that it was given last */
static bool dp_no_sockets;	  /* it takes none */
static struct ntm_udp *sent_by;	  /* the last packet */

/** test_node_sent() - what the node sends; the includer's */
static void test_node_sent(const union ntm_addr *to, const uint8_t *packet, size_t len);

static int test_udp_send(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet,
			 size_t len)
{
	sent_by = udp;
	if (!len || len > NTM_SEALED_MAX || !to->sa.sa_family)
		abort();
	test_node_sent(to, packet, len);
	return 0;
}

/* A data path that takes everything */

static int dp_opened(struct ntm_datapath **dp, const struct ntm_dp_open *how, char *why,
		     size_t size)
{
	(void)how;
	(void)why;
	(void)size;
	*dp = (struct ntm_datapath *)&node; /* never looked into */
	return 0;
}

static uint32_t dp_suites(struct ntm_datapath *dp)
{
	(void)dp;
	return 1u << NTM_SUITE_CHACHA20_POLY1305;
}

static int dp_configure(struct ntm_datapath *dp, const struct ntm_dp_lease *lease)
{
	(void)dp;
	return lease->prefix4 > 32 || lease->prefix6 > 128 ? abort(), 0 : dp_refuses;
}

static void dp_closed(struct ntm_datapath *dp)
{
	(void)dp;
}

static int dp_path_set(struct ntm_datapath *dp, const struct ntm_dp_path *path)
{
	const union ntm_addr *peer = path->peer;

	(void)dp;
	if (!path->path_id ||
	    (peer && peer->sa.sa_family != AF_INET && peer->sa.sa_family != AF_INET6))
		abort();
	if (path->keys && path->keys->suite != NTM_SUITE_CHACHA20_POLY1305)
		abort(); /* none that we did not offer */
	if (path->socket && dp_no_sockets)
		return -ENOSPC;
	if (path->socket || path->no_socket)
		dp_socket = path->socket;
	if (!peer)
		return 0;
	dp_peer = *peer;
	dp_by_socket = path->by_socket;
	return 0;
}

static int dp_path_del(struct ntm_datapath *dp, uint32_t path_id)
{
	(void)dp;
	(void)path_id;
	return 0;
}

static int dp_stats(struct ntm_datapath *dp, uint32_t path_id, struct ntm_dp_stats *stats)
{
	(void)dp;
	(void)path_id;
	memset(stats, 0, sizeof(*stats));
	stats->peer = dp_at;
	return 0;
}

static int dp_miss_done(struct ntm_datapath *dp, int family, const void *virt, int err)
{
	(void)dp;
	(void)family;
	(void)virt;
	(void)err;
	return 0;
}

static const struct ntm_datapath_ops test_ops = {
	.name = "test",
	.open = dp_opened,
	.suites = dp_suites,
	.configure = dp_configure,
	.path_set = dp_path_set,
	.path_del = dp_path_del,
	.stats = dp_stats,
	.miss_done = dp_miss_done,
	.close = dp_closed,
};

/* A node that is registered, and whose DC's keys are known here */

static void share_session(void)
{
	struct ntm_session *s = &node.dc.cur;

	memset(s, 0, sizeof(*s));
	s->local_id = 0x01010101;
	s->remote_id = 0x02020202;
	s->tx_key[0] = 1;
	s->rx_key[0] = 2;
	node.dc.has_cur = true;
	node.dc.has_prev = false;
	node.dc.state = NTM_DC_REGISTERED;
	node.dc.addr = from;
	node.dc.session_ms = ntm_node_now_ms();
	memset(&dc_side, 0, sizeof(dc_side));
	dc_side.remote_id = s->local_id;
	dc_side.local_id = s->remote_id;
	dc_side.tx_key[0] = 2;
	dc_side.rx_key[0] = 1;
}

static void clean_up(void)
{
	static const char *const files[] = { "pins",	 "dc",	   "lease",
					     "pins.new", "dc.new", "lease.new" };
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		unlink(path);
	}
	rmdir(directory);
}

static void give_lease(void)
{
	memset(&node.lease, 0, sizeof(node.lease));
	strcpy(node.lease.name, "alice.example.net");
	strcpy(node.lease.zone, "example.net");
	node.lease.virtual4.s_addr = htonl(0x64400001);
	node.lease.prefix4 = 16;
	NTM_SET(&node.lease, NAME);
	NTM_SET(&node.lease, ZONE);
	NTM_SET(&node.lease, VIRTUAL4);
	node.has_lease = true;
}

static void start_node(void)
{
	struct ntm_node_config test_config = { .idle_s = 180, .rekey_s = 120 };
	const struct ntm_node_fds none = { .tun = -1 };
	const struct ntm_join where = { .dc_key = { 9 } };
	char path[PATH_MAX];

	if (!mkdtemp(directory) || ntm_addr_parse(&from, "192.0.2.1", 4330) ||
	    ntm_addr_parse(&rs_addr, "192.0.2.9", 4330))
		abort();
	atexit(clean_up);
	ntm_log_init("test", NTM_LOG_ERROR);
	strcpy(test_config.state, directory);
	strcpy(test_config.interface, "ntm-test");
	strcpy(test_config.dns, "off");
	node_init(&node, &test_config, &none, "", false);
	if (uv_loop_init(&node.loop))
		abort();
	start_timers(&node);
	ntm_noise_generate(&node.self);
	ntm_noise_generate(&peer_key);
	ntm_node_path(&node, "pins", path);
	if (ntm_pins_open(&node.pins, path))
		abort();
	ntm_hs_guard_init(&node.guard, node.self.public, UINT32_MAX, ntm_node_now_ms());
	ntm_dc_init(&node.dc, &dc_ops, &node, &node.self);
	ntm_dc_set(&node.dc, &where, false, ntm_node_now_ms());
	node.dp_ops = &test_ops;
	(void)dp_opened(&node.dp, NULL, NULL, 0);
}

/* Packets */

static void give(const uint8_t *packet, size_t len)
{
	ntm_node_received(&node, packet, len, &from);
}

/* The same, as a relay brings it; @where: its address, or that of somebody who says so */
__attribute__((unused)) static void give_relayed(uint32_t path_id, const uint8_t *packet,
						 size_t len, const union ntm_addr *where)
{
	uint8_t wrapped[NTM_SEALED_MAX + NTM_RELAY_HDR_LEN];

	len = ntm_relay_wrap(path_id, packet, len, wrapped, sizeof(wrapped));
	if (len)
		ntm_node_received(&node, wrapped, len, where);
}

__attribute__((unused)) static void add_relay(struct ntm_msg *direction, bool at_once)
{
	struct ntm_relay_info *relay = &direction->relays[direction->relay_count++];

	memset(relay, 0, sizeof(*relay));
	memcpy(relay->key, rs_key, sizeof(relay->key));
	relay->addrs[0] = rs_addr;
	relay->at_once = at_once;
	strcpy(relay->name, "one");
	NTM_SET(direction, RELAY);
}

/* What the RS says to the last Bind of this path, if there is one that waits; @status: enum ntm_relay_status */
__attribute__((unused)) static void give_bound(uint32_t path_id, uint8_t status, bool right_nonce)
{
	const struct ntm_slot *slot = ntm_peers_by_path(&node.peers, path_id);
	struct ntm_relay_bind bound = { .path_id = path_id, .status = status, .lifetime = 30 };
	uint8_t packet[NTM_RELAY_BIND_LEN];

	if (!slot)
		return;
	bound.role = slot->tunnel.role;
	if (right_nonce)
		memcpy(bound.nonce, slot->ways.bind[0].nonce, sizeof(bound.nonce));
	ntm_relay_put_bound(packet, &bound, slot->ways.bind[0].key);
	ntm_node_received(&node, packet, sizeof(packet), &rs_addr);
}

/* What the DC says */
__attribute__((unused)) static void give_message(const struct ntm_msg *msg)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int n = ntm_session_seal(&dc_side, msg, packet, sizeof(packet));

	if (n < 0)
		abort();
	give(packet, (size_t)n);
}

/* A direction to the peer whose keys are known here, who is at @from */
static struct ntm_msg test_direction(const char *name, uint32_t path_id, uint8_t role)
{
	struct ntm_msg msg = {
		.type = NTM_MSG_ROUTE_DIRECTION,
		.path_id = path_id,
		.role = role,
		.suites = 1u << NTM_SUITE_CHACHA20_POLY1305,
		.virtual4.s_addr = htonl(0x64400002),
		.prefix4 = 16,
		.candidate_count = 1,
		.candidates[0] = { .kind = NTM_CAND_HOST, .addr = from },
	};

	strcpy(msg.name, name);
	memcpy(msg.peer_key, peer_key.public, sizeof(msg.peer_key));
	memcpy(msg.path_psk, psk, sizeof(msg.path_psk));
	NTM_SET(&msg, PATH_ID);
	NTM_SET(&msg, ROLE);
	NTM_SET(&msg, SUITES);
	NTM_SET(&msg, NAME);
	NTM_SET(&msg, PEER_KEY);
	NTM_SET(&msg, PATH_PSK);
	NTM_SET(&msg, VIRTUAL4);
	NTM_SET(&msg, CANDIDATE);
	return msg;
}

#endif
