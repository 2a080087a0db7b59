// SPDX-License-Identifier: GPL-2.0
#include "dc/dispatch.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "dc/direct.h"
#include "dc/link.h"
#include "dc/proof.h"
#include "dc/register.h"
#include "dc/send.h"

void ntm_dispatch_handshake(struct ntm_core *core, const uint8_t *packet, size_t len,
			    const union ntm_addr *from, uint64_t now_ms)
{
	uint8_t reply[NTM_DATAGRAM_MAX];
	size_t reply_len;

	switch (ntm_sessions_request(&core->sessions, packet, len, from, now_ms, reply,
				     &reply_len)) {
	case NTM_SESSIONS_REPLY:
		core->counters[NTM_COUNT_HANDSHAKES]++;
		ntm_send_packet(core, from, reply, reply_len);
		break;
	case NTM_SESSIONS_COOKIE:
		core->counters[NTM_COUNT_COOKIES]++;
		ntm_send_packet(core, from, reply, reply_len);
		break;
	case NTM_SESSIONS_NO_MEMORY:
		core->counters[NTM_DROP_MEMORY]++;
		break;
	case NTM_SESSIONS_BAD:
		core->counters[NTM_DROP_HANDSHAKE]++;
		break;
	case NTM_SESSIONS_BUSY:
		core->counters[NTM_DROP_RATE]++;
		break;
	}
}

static void on_registration(struct ntm_core *core, struct ntm_peer *peer,
			    const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_msg response;

	ntm_register(core, peer, request, &response, now_ms);
	ntm_send_answer(core, peer, request, &response);
}

/* Its answer is many times as long, and goes wherever the request seems to come from; a stranger's costs look-ups in the store */
static void try_registration(struct ntm_core *core, struct ntm_peer *peer,
			     const struct ntm_msg *request, uint64_t now_ms)
{
	if (peer->node ? ntm_direct_may_ask(peer->node, now_ms) :
			 ntm_sessions_may_try(&core->sessions, peer->guest, now_ms))
		on_registration(core, peer, request, now_ms);
	else
		ntm_send_refusal(core, peer, request, NTM_ST_BUSY);
}

static void on_keep_alive(struct ntm_core *core, const struct ntm_peer *peer,
			  const struct ntm_msg *request, uint64_t now_ms)
{
	struct ntm_msg msg = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE,
			       .timestamp = request->timestamp };

	msg.observed.kind = NTM_CAND_REFLEXIVE;
	msg.observed.addr = *peer->addr;
	NTM_SET(&msg, TIMESTAMP);
	NTM_SET(&msg, OBSERVED);
	if (peer->node->kind == NTM_KIND_NODE && ntm_register_news(core, peer->node, now_ms))
		NTM_SET(&msg, LIFETIME); /* 0: the lease is out of date */
	core->counters[NTM_COUNT_KEEP_ALIVES]++;
	ntm_send_answer(core, peer, request, &msg);
}

/* The sender is no active node. It may try to become one, or be another zone's DC; whatever else it says, it is told. */
static void from_outsider(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *msg,
			  uint64_t now_ms)
{
	if (msg->type == NTM_MSG_REGISTRATION_REQUEST)
		try_registration(core, peer, msg, now_ms);
	else if (msg->type == NTM_MSG_ZONE_REQUEST)
		ntm_link_introduced(core, peer, msg, now_ms);
	else
		ntm_send_refusal(core, peer, msg,
				 peer->node ? NTM_ST_REVOKED : NTM_ST_UNKNOWN_NODE);
}

/* A relay server: nothing of what a node may ask for. */
static void from_relay(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *msg,
		       uint64_t now_ms)
{
	switch (msg->type) {
	case NTM_MSG_REGISTRATION_REQUEST:
		on_registration(core, peer, msg, now_ms);
		break;
	case NTM_MSG_KEEP_ALIVE:
		on_keep_alive(core, peer, msg, now_ms);
		break;
	case NTM_MSG_RELAY_RESPONSE:
		ntm_direct_relay_response(core, peer, msg, now_ms);
		break;
	default:
		core->counters[NTM_DROP_UNEXPECTED]++;
	}
}

static void from_node(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *msg,
		      uint64_t now_ms)
{
	switch (msg->type) {
	case NTM_MSG_REGISTRATION_REQUEST:
		try_registration(core, peer, msg, now_ms);
		break;
	case NTM_MSG_KEEP_ALIVE:
		on_keep_alive(core, peer, msg, now_ms);
		break;
	case NTM_MSG_KEEP_ALIVE_RESPONSE:
		ntm_proof_answer(core, peer, msg);
		break;
	case NTM_MSG_DIRECTION_REQUEST:
		ntm_direct_request(core, peer, msg, now_ms);
		break;
	case NTM_MSG_ROUTE_DIRECTION_CONFIRMATION:
		ntm_direct_confirmed(core, peer, msg);
		break;
	default: /* a DC's own messages, or a node's to another node */
		core->counters[NTM_DROP_UNEXPECTED]++;
	}
}

void ntm_dispatch_sealed(struct ntm_core *core, const uint8_t *packet, size_t len,
			 const union ntm_addr *from, uint64_t now_ms)
{
	struct ntm_peer peer;
	struct ntm_msg msg;

	switch (ntm_sessions_open(&core->sessions, packet, len, from, now_ms, &msg, &peer)) {
	case 0:
		break;
	case -ENOENT:
		core->counters[NTM_DROP_SESSION]++;
		return;
	case -EALREADY:
		core->counters[NTM_DROP_REPLAY]++;
		return;
	case -EPROTO:
		core->counters[NTM_DROP_MALFORMED]++;
		return;
	case -ENOMEM:
		core->counters[NTM_DROP_MEMORY]++;
		return;
	default:
		core->counters[NTM_DROP_FORGED]++;
		return;
	}
	if (peer.node && peer.node->state == NTM_NODE_ACTIVE && peer.node->kind == NTM_KIND_RELAY)
		from_relay(core, &peer, &msg, now_ms);
	else if (peer.node && peer.node->state == NTM_NODE_ACTIVE)
		from_node(core, &peer, &msg, now_ms);
	else
		from_outsider(core, &peer, &msg, now_ms);
	if (peer.node && peer.node->state == NTM_NODE_ACTIVE)
		ntm_proof_ask(core, peer.node, now_ms);
	sodium_memzero(msg.token, sizeof(msg.token));
}
