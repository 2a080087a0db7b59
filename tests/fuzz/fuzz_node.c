// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/[a-m]*.c ntmd/node/n[a-np-z]*.c ntmd/node/[o-z]*.c ntmd/pipe/*.c
/*
 * All signalling that comes to a node's port, from strangers, from its DC and from a peer, both with keys. The input is a list: a
 * byte that says who sends what, a byte for its length in units of 5, and its bytes; of what is sealed they are the plaintext,
 * of a Tunnel Request its payload. The data path does nothing, and what the node sends stays here.
 */
#include "common/udp.h"

#define ntm_udp_send fuzz_udp_send
static int fuzz_udp_send(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet,
			 size_t len);
#include "node/node.c" /* NOLINT(bugprone-suspicious-include): its entry is not public */

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAW, FROM_DC, FROM_PEER, DIRECTED, REQUEST, PUNCH }; /* kind & 7 */
#define OTHER 8						    /* another path, or a wrong psk */
#define OTHER_PATH 0x10
#define OWN_PAYLOAD 0x20
#define UNIT 5

static struct ntm_node node;
static struct ntm_session dc_side, peer_side;
static struct ntm_noise_keypair peer_key;
static struct ntm_hs_cookie_jar jar;
static struct ntm_hs_init request;
static union ntm_addr from;
static bool requested;
static char directory[] = "/tmp/ntm-fuzz-XXXXXX";
static const uint8_t psk[32] = { 9 };

/* A Tunnel Response to our request completes the peer's session */
static int fuzz_udp_send(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet,
			 size_t len)
{
	struct ntm_hs_keys keys;
	struct ntm_msg payload;

	(void)udp;
	if (!len || len > NTM_DATAGRAM_MAX || !to->sa.sa_family)
		abort();
	if (requested && packet[0] == NTM_PKT_TUNNEL_RESPONSE &&
	    !ntm_hs_response(&request, packet, len, &keys, &payload)) {
		peer_side = keys.session;
		requested = false;
	}
	return 0;
}

/* A data path that takes everything */

static uint32_t dp_suites(struct ntm_datapath *dp)
{
	(void)dp;
	return 1u << NTM_SUITE_CHACHA20_POLY1305;
}

static int dp_configure(struct ntm_datapath *dp, const struct ntm_dp_lease *lease)
{
	(void)dp;
	return lease->prefix4 > 32 || lease->prefix6 > 128 ? abort(), 0 : 0;
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

static const struct ntm_datapath_ops fuzz_ops = {
	.name = "fuzz",
	.suites = dp_suites,
	.configure = dp_configure,
	.path_set = dp_path_set,
	.path_del = dp_path_del,
	.stats = dp_stats,
	.miss_done = dp_miss_done,
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
	dc_side.tx_key[0] = 2;
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
	struct ntm_node_config fuzz_config = { .idle_s = 180, .rekey_s = 120 };
	const struct ntm_node_fds none = { .tun = -1 };
	const struct ntm_join where = { .dc_key = { 9 } };
	char path[PATH_MAX];

	if (!mkdtemp(directory) || ntm_addr_parse(&from, "192.0.2.1", 4330))
		abort();
	atexit(clean_up);
	ntm_log_init("fuzz", NTM_LOG_ERROR);
	strcpy(fuzz_config.state, directory);
	strcpy(fuzz_config.interface, "ntm-fuzz");
	strcpy(fuzz_config.dns, "off");
	node_init(&node, &fuzz_config, &none, "", false);
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
	node.dp_ops = &fuzz_ops;
	node.dp = (struct ntm_datapath *)&node; /* never looked into */
}

/* Packets */

static void give(const uint8_t *packet, size_t len)
{
	on_packet(&node, packet, len, &from);
}

static void sealed(struct ntm_session *session, const uint8_t *data, size_t len)
{
	const uint32_t id = htonl(session->remote_id);
	uint8_t packet[NTM_DATAGRAM_MAX] = { NTM_PKT_SEALED, NTM_PROTOCOL_VERSION };
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	unsigned long long n;

	if (len > sizeof(packet) - NTM_SEALED_OVERHEAD)
		len = sizeof(packet) - NTM_SEALED_OVERHEAD;
	ntm_wire_nonce(nonce, session->tx_ctr++);
	memcpy(packet + 4, &id, sizeof(id));
	memcpy(packet + 8, nonce + 4, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(packet + 16, &n, data, len, packet, 16, NULL,
						  nonce, session->tx_key);
	give(packet, 16 + n);
}

/* A direction to the peer whose keys are known here */
static void directed(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ntm_msg msg = { .type = NTM_MSG_ROUTE_DIRECTION, .request_id = len ? data[0] : 0 };
	uint8_t packet[NTM_DATAGRAM_MAX];
	int n;

	msg.path_id = kind & OTHER ? 2 : 1;
	msg.role = kind & 0x10 ? NTM_ROLE_INITIATOR : NTM_ROLE_RESPONDER;
	msg.suites = 1u << NTM_SUITE_CHACHA20_POLY1305;
	strcpy(msg.name, "bob.example.net");
	memcpy(msg.peer_key, peer_key.public, sizeof(msg.peer_key));
	memcpy(msg.path_psk, psk, sizeof(msg.path_psk));
	msg.virtual4.s_addr = htonl(0x64400002);
	msg.prefix4 = 16;
	msg.candidate_count = 1;
	msg.candidates[0] = (struct ntm_candidate){ .kind = NTM_CAND_HOST, .addr = from };
	NTM_SET(&msg, PATH_ID);
	NTM_SET(&msg, ROLE);
	NTM_SET(&msg, SUITES);
	NTM_SET(&msg, NAME);
	NTM_SET(&msg, PEER_KEY);
	NTM_SET(&msg, PATH_PSK);
	NTM_SET(&msg, VIRTUAL4);
	NTM_SET(&msg, CANDIDATE);
	n = ntm_session_seal(&dc_side, &msg, packet, sizeof(packet));
	if (n < 0)
		abort();
	give(packet, (size_t)n);
}

static void tunnel_request(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ntm_msg payload;
	uint8_t packet[NTM_DATAGRAM_MAX], wrong[32] = { 8 };
	int n;

	if (!(kind & OWN_PAYLOAD) || ntm_msg_decode_payload(&payload, data, len)) {
		memset(&payload, 0, sizeof(payload));
		payload.suites = 1u << NTM_SUITE_CHACHA20_POLY1305;
		payload.epoch = len ? data[0] : 0;
		NTM_SET(&payload, SUITES);
		NTM_SET(&payload, EPOCH);
	}
	n = ntm_hs_request(&request, NTM_PKT_TUNNEL_REQUEST, &peer_key, node.self.public,
			   kind & OTHER ? wrong : psk, 77, kind & OTHER_PATH ? 2 : 1, &payload,
			   &jar, ntm_node_now_ms(), packet, sizeof(packet));
	requested = n > 0;
	if (n > 0)
		give(packet, (size_t)n);
}

static void one(uint8_t kind, const uint8_t *data, size_t len)
{
	uint8_t punch[NTM_HS_PUNCH_LEN];

	switch (kind & 7) {
	case FROM_DC:
		sealed(&dc_side, data, len);
		break;
	case FROM_PEER:
		sealed(&peer_side, data, len);
		break;
	case DIRECTED:
		directed(kind, data, len);
		break;
	case REQUEST:
		tunnel_request(kind, data, len);
		break;
	case PUNCH:
		ntm_hs_punch(punch, kind & OTHER ? 2 : 1, psk, NTM_ROLE_RESPONDER);
		give(punch, sizeof(punch));
		break;
	default:
		give(data, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	size_t len;

	if (!started)
		start_node();
	started = true;
	give_lease();
	share_session();
	memset(&peer_side, 0, sizeof(peer_side));
	requested = false;
	for (; size >= 2; data += 2 + len, size -= 2 + len) {
		len = data[1] * (size_t)UNIT;
		len = len < size - 2 ? len : size - 2;
		one(data[0], data + 2, len);
	}
	ntm_lookup_fail_all(&node);
	ntm_setup_close_all(&node, "the input ends");
	memset(node.early, 0, sizeof(node.early));
	for (int i = 0; i < 3; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
	return 0;
}
