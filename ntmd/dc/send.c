// SPDX-License-Identifier: GPL-2.0
#include "dc/send.h"

void ntm_send_packet(struct ntm_core *core, const union ntm_addr *to, const uint8_t *packet,
		     size_t len)
{
	if (core->send(core->send_ctx, to, packet, len))
		core->counters[NTM_DROP_SEND]++;
}

static void seal(struct ntm_core *core, struct ntm_session *keys, const union ntm_addr *to,
		 const struct ntm_msg *msg)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(keys, msg, packet, sizeof(packet));

	if (len < 0)
		core->counters[NTM_DROP_SEND]++;
	else
		ntm_send_packet(core, to, packet, len);
}

void ntm_send_message(struct ntm_core *core, const struct ntm_node *to, const struct ntm_msg *msg)
{
	seal(core, &to->session->keys, &to->session->addr, msg);
}

void ntm_send_answer(struct ntm_core *core, const struct ntm_peer *peer,
		     const struct ntm_msg *request, struct ntm_msg *msg)
{
	msg->request_id = request->request_id;
	seal(core, peer->keys, peer->addr, msg);
}

void ntm_send_refusal(struct ntm_core *core, const struct ntm_peer *peer,
		      const struct ntm_msg *request, uint16_t status)
{
	struct ntm_msg msg = { .type = NTM_MSG_REFUSAL, .status = status };

	NTM_SET(&msg, STATUS);
	core->counters[NTM_COUNT_REFUSALS]++;
	ntm_send_answer(core, peer, request, &msg);
}
