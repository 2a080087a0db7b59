// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/[a-m]*.c ntmd/node/n[a-np-z]*.c ntmd/node/[o-z]*.c ntmd/pipe/*.c
/*
 * All signalling that comes to a node's port, from strangers, from its DC and from a peer, both with keys. The input is a list: a
 * byte that says who sends what, a byte for its length in units of 5, and its bytes; of what is sealed they are the plaintext,
 * of a handshake its payload. A request ID of 0xffffffff from the DC stands for that of the node's newest request. The data path does nothing,
 * and what the node sends stays here.
 */
#include "node_test.h"

#include "common/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAW, FROM_DC, FROM_PEER, DIRECTED, REQUEST, PUNCH, BOUND, RELAYED }; /* kind & 7 */
#define OTHER \
	8 /* another path, or a wrong psk; of a Bound a wrong nonce; of what is relayed another source; of what the peer sends: later */
#define OTHER_PATH 0x10
#define OWN_PAYLOAD 0x20
#define OTHER_NAME 0x40
/* Of FROM_DC: the node connects anew, and this is the payload of the response (COOKIE: after a Cookie Reply), or a lease that names the relay */
#define NEW_SESSION 0x10
#define LEASE 0x20
#define COOKIE 0x40
/* Of PUNCH: instead of it a Tunnel Response to the node's request, a Cookie Reply (both bits); or it is time for the node to rekey */
#define ANSWER 0x20
#define REKEY 0x40
#define PROBE 0x20    /* of BOUND: the response to the node's last Relay Probe instead */
#define RELAY 0x20    /* of a direction: it names a relay, and where the DC sees the peer */
#define BY_RELAY 0x80 /* what the peer sends comes by the relay; of a direction: at once */
#define UNIT 5

static struct ntm_session peer_side;
static struct ntm_hs_cookie_jar jar;
static struct ntm_hs_init request;
static bool requested;
static uint8_t how; /* the kind that is being done */
static struct ntm_noise_keypair dc_key;
static struct ntm_hs_guard dc_guard, peer_guard; /* always under load */
static struct sent {
	uint8_t packet[NTM_DATAGRAM_MAX];
	size_t len;
} to_dc, to_peer, to_relay; /* the node's last Session Request, Tunnel Request, Relay Probe */

static void keep(struct sent *sent, const uint8_t *packet, size_t len)
{
	if (len > sizeof(sent->packet))
		return;
	memcpy(sent->packet, packet, len);
	sent->len = len;
}

/* A Tunnel Response to our request completes the peer's session */
static void test_node_sent(const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct ntm_hs_keys keys;
	struct ntm_msg payload;
	uint32_t path_id;

	(void)to;
	if (packet[0] == NTM_PKT_RELAYED && !(packet = ntm_relay_unwrap(packet, &len, &path_id)))
		abort();
	if (packet[0] == NTM_PKT_SESSION_REQUEST)
		keep(&to_dc, packet, len);
	else if (packet[0] == NTM_PKT_TUNNEL_REQUEST)
		keep(&to_peer, packet, len);
	else if (packet[0] == NTM_PKT_RELAY_PROBE)
		keep(&to_relay, packet, len);
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
	uint8_t plain[NTM_DATAGRAM_MAX];
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	unsigned long long n;

	if (len > sizeof(packet) - NTM_SEALED_OVERHEAD)
		len = sizeof(packet) - NTM_SEALED_OVERHEAD;
	memcpy(plain, data, len);
	if (session == &dc_side && len >= 8 && ntm_get32(plain + 4) == UINT32_MAX)
		ntm_put32(plain + 4, node.dc.requests.next_id);
	ntm_wire_nonce(nonce, session->tx_ctr++);
	memcpy(packet + 4, &id, sizeof(id));
	memcpy(packet + 8, nonce + 4, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(packet + 16, &n, plain, len, packet, 16, NULL,
						  nonce, session->tx_key);
	if (session == &dc_side)
		give(packet, 16 + n);
	else
		put(packet, 16 + n);
}

/* The bytes as a payload, if they can be one */
static void payload_of(struct ntm_msg *payload, const uint8_t *data, size_t len)
{
	if (!len || ntm_msg_decode_payload(payload, data, len)) {
		memset(payload, 0, sizeof(*payload));
		payload->suite = NTM_SUITE_CHACHA20_POLY1305;
		NTM_SET(payload, SUITE);
		NTM_SET(payload, EPOCH);
	}
	payload->has &= ~(1u << NTM_TLV_SESSION_ID); /* put in by the responder */
}

static void cookie_for(struct ntm_hs_guard *guard, const struct sent *sent, bool by_peer)
{
	uint8_t reply[64];
	size_t reply_len = 0;

	if (ntm_hs_check(guard, sent->packet, sent->len, &from, ntm_node_now_ms(), reply,
			 &reply_len) != NTM_HS_COOKIE)
		return;
	if (by_peer)
		put(reply, reply_len);
	else
		give(reply, reply_len);
}

/* @psk_of: NULL for a session */
static bool answered(const struct sent *sent, const struct ntm_noise_keypair *self,
		     const uint8_t *psk_of, const uint8_t *data, size_t len,
		     struct ntm_session *session)
{
	uint8_t out[NTM_DATAGRAM_MAX];
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	struct ntm_msg payload;
	int n;

	if (!sent->len || ntm_hs_accept(&hs, self, sent->packet, sent->len))
		return false;
	payload_of(&payload, data, len);
	n = ntm_hs_answer(&hs, psk_of, 78, &payload, &keys, out, sizeof(out));
	if (n < 0)
		return false;
	*session = keys.session;
	if (psk_of)
		put(out, (size_t)n);
	else
		give(out, (size_t)n);
	return true;
}

static void new_session(uint8_t kind, const uint8_t *data, size_t len)
{
	ntm_dc_reconnect(&node.dc, ntm_node_now_ms());
	if (kind & COOKIE)
		cookie_for(&dc_guard, &to_dc, false);
	(void)answered(&to_dc, &dc_key, NULL, data, len, &dc_side);
	to_dc.len = 0;
}

static void lease(void)
{
	struct ntm_msg msg = node.lease;

	msg.type = NTM_MSG_REGISTRATION_RESPONSE;
	msg.request_id = node.dc.registration;
	msg.lifetime = 7200;
	msg.keepalive = 25;
	msg.observed = (struct ntm_candidate){ .kind = NTM_CAND_REFLEXIVE, .addr = from };
	msg.relay_count = 0;
	add_relay(&msg, false);
	NTM_SET(&msg, STATUS);
	NTM_SET(&msg, LIFETIME);
	NTM_SET(&msg, KEEPALIVE);
	NTM_SET(&msg, OBSERVED);
	give_message(&msg);
}

/* Bytes: where it saw us, from which kind of address */
static void probe_response(const uint8_t *data, size_t len)
{
	uint8_t packet[NTM_RELAY_PROBE_LEN];
	struct ntm_relay_probe probe;

	if (!ntm_relay_get_probe(&probe, to_relay.packet, to_relay.len, rs_key))
		return;
	probe.observed = from;
	probe.to_port = 0;
	probe.other_port = len && data[0] & 1;
	if (len > 6)
		memcpy(&probe.observed.v4.sin_port, data + 1, 2);
	if (len > 6)
		memcpy(&probe.observed.v4.sin_addr, data + 3, 4);
	ntm_relay_put_probe(packet, &probe, true, rs_key);
	ntm_node_received(&node, packet, sizeof(packet), &rs_addr);
}

/* Whom somebody asks for, and so a request whose answer this is. A node that did not ask is no initiator. */
static uint32_t asked_for(const char *name)
{
	struct ntm_peer *peer = ntm_peers_get(&node.peers, name);

	if (!peer)
		return 0;
	ntm_setup_want(&node, peer);
	if (peer->request)
		return peer->request;
	ntm_peers_tidy(&node.peers, peer);
	return 0;
}

static void directed(uint8_t kind, const uint8_t *data, size_t len)
{
	struct ntm_msg msg = test_direction(
		kind & OTHER_NAME ? "carol.example.net" : "bob.example.net", kind & OTHER ? 2 : 1,
		kind & 0x10 ? NTM_ROLE_INITIATOR : NTM_ROLE_RESPONDER);

	msg.request_id = len ? data[0] : 0;
	if (msg.role == NTM_ROLE_INITIATOR)
		msg.request_id = asked_for(msg.name);
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
		if (kind & NEW_SESSION)
			new_session(kind, data, len);
		else if (kind & LEASE)
			lease();
		else
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
		if ((kind & (ANSWER | REKEY)) == (ANSWER | REKEY)) {
			cookie_for(&peer_guard, &to_peer, true);
			break;
		}
		if (kind & ANSWER) {
			(void)answered(&to_peer, &peer_key, psk, data, len, &peer_side);
			break;
		}
		if (kind & REKEY) {
			ntm_setup_rekey(&node, path_of(kind), 0);
			break;
		}
		ntm_hs_punch(punch, kind & OTHER ? 2 : 1, psk, NTM_ROLE_RESPONDER);
		give(punch, sizeof(punch));
		break;
	case BOUND:
		if (kind & PROBE) {
			probe_response(data, len);
			break;
		}
		give_bound(path_of(kind), len ? data[0] : 0, !(kind & OTHER));
		break;
	case RELAYED:
		give_relayed(path_of(kind), data, len, kind & OTHER ? &from : &rs_addr);
		break;
	default:
		give(data, len);
	}
}

/* A DC whose handshakes can be answered here */
static void start_all(void)
{
	struct ntm_join where = { .addr_count = 1 };

	start_node();
	ntm_survey_init(&node.survey, &survey_ops, &node);
	ntm_noise_generate(&dc_key);
	memcpy(where.dc_key, dc_key.public, sizeof(where.dc_key));
	where.addrs[0] = from;
	ntm_dc_set(&node.dc, &where, false, ntm_node_now_ms());
	ntm_hs_guard_init(&dc_guard, dc_key.public, 0, ntm_node_now_ms());
	ntm_hs_guard_init(&peer_guard, peer_key.public, 0, ntm_node_now_ms());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	size_t len;

	if (!started)
		start_all();
	started = true;
	give_lease();
	share_session();
	memset(&node.dc.hs, 0, sizeof(node.dc.hs));
	to_dc.len = to_peer.len = to_relay.len = 0;
	memset(&peer_side, 0, sizeof(peer_side));
	requested = false;
	for (; size >= 2; data += 2 + len, size -= 2 + len) {
		len = data[1] * (size_t)UNIT;
		len = len < size - 2 ? len : size - 2;
		one(data[0], data + 2, len);
	}
	ntm_lookup_fail_all(&node);
	ntm_requests_cancel_all(&node.dc.requests);
	ntm_setup_close_all(&node, "the input ends");
	memset(node.early, 0, sizeof(node.early));
	if (node.ports.open || node.ports.own || node.ports.gate.running)
		abort();
	memset(&node.ports.gate, 0, sizeof(node.ports.gate));
	for (int i = 0; i < 3; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
	return 0;
}
