// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/[a-m]*.c ntmd/node/n[a-np-z]*.c ntmd/node/[o-z]*.c ntmd/pipe/*.c
/*
 * All signalling that comes to a node's port, from strangers, from its DC and from a peer, both with keys. The input is a list: a
 * byte that says who sends what, a byte for its length in units of 5, and its bytes; of what is sealed they are the plaintext,
 * of a Tunnel Request its payload. The data path does nothing, and what the node sends stays here.
 */
#include "node_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAW, FROM_DC, FROM_PEER, DIRECTED, REQUEST, PUNCH, BOUND, RELAYED }; /* kind & 7 */
#define OTHER \
	8 /* another path, or a wrong psk; of a Bound a wrong nonce; of what is relayed another source; of what the peer sends: later */
#define OTHER_PATH 0x10
#define OWN_PAYLOAD 0x20
#define OTHER_NAME 0x40
#define RELAY 0x20    /* of a direction: it names a relay, and where the DC sees the peer */
#define BY_RELAY 0x80 /* what the peer sends comes by the relay; of a direction: at once */
#define UNIT 5

static struct ntm_session peer_side;
static struct ntm_hs_cookie_jar jar;
static struct ntm_hs_init request;
static bool requested;
static uint8_t how; /* the kind that is being done */

/* A Tunnel Response to our request completes the peer's session */
static void test_node_sent(const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct ntm_hs_keys keys;
	struct ntm_msg payload;
	uint32_t path_id;

	(void)to;
	if (packet[0] == NTM_PKT_RELAYED && !(packet = ntm_relay_unwrap(packet, &len, &path_id)))
		abort();
	if (requested && packet[0] == NTM_PKT_TUNNEL_RESPONSE &&
	    !ntm_hs_response(&request, packet, len, &keys, &payload)) {
		peer_side = keys.session;
		requested = false;
	}
}

static uint32_t path_of(uint8_t kind)
{
	return kind & OTHER_PATH ? 2 : 1;
}

/* From the peer: directly, or as its relay brings it */
static void put(const uint8_t *packet, size_t len)
{
	if (how & BY_RELAY)
		give_relayed(path_of(how), packet, len, &rs_addr);
	else
		give(packet, len);
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
	if (session == &dc_side)
		give(packet, 16 + n);
	else
		put(packet, 16 + n);
}

static void directed(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ntm_msg msg = test_direction(
		kind & OTHER_NAME ? "carol.example.net" : "bob.example.net", kind & OTHER ? 2 : 1,
		kind & 0x10 ? NTM_ROLE_INITIATOR : NTM_ROLE_RESPONDER);

	msg.request_id = len ? data[0] : 0;
	if (kind & RELAY) {
		add_relay(&msg, kind & BY_RELAY);
		msg.candidates[msg.candidate_count++] =
			(struct ntm_candidate){ .kind = NTM_CAND_REFLEXIVE, .addr = rs_addr };
		msg.candidates[1].addr.v4.sin_addr.s_addr = htonl(0xcb007101);
	}
	give_message(&msg);
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
			   kind & OTHER ? wrong : psk, 77, path_of(kind), &payload, &jar,
			   ntm_node_now_ms(), packet, sizeof(packet));
	requested = n > 0;
	if (n > 0)
		put(packet, (size_t)n);
}

/* Packets have passed by then, and no direct way has answered: ports are searched for */
static void later(uint32_t path_id)
{
	struct ntm_slot *slot = ntm_peers_by_path(&node.peers, path_id);

	if (!slot)
		return;
	slot->ways.burst_ms = 0;
	slot->ways.active = true;
}

static void one(uint8_t kind, const uint8_t *data, size_t len)
{
	uint8_t punch[NTM_HS_PUNCH_LEN];

	how = kind;
	switch (kind & 7) {
	case FROM_DC:
		sealed(&dc_side, data, len);
		break;
	case FROM_PEER:
		if (kind & OTHER)
			later(path_of(kind));
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
	case BOUND:
		give_bound(path_of(kind), len ? data[0] : 0, !(kind & OTHER));
		break;
	case RELAYED:
		give_relayed(path_of(kind), data, len, kind & OTHER ? &from : &rs_addr);
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
	if (node.ports.open || node.ports.own || node.ports.gate.running)
		abort();
	memset(&node.ports.gate, 0, sizeof(node.ports.gate));
	for (int i = 0; i < 3; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
	return 0;
}
