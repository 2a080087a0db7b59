// SPDX-License-Identifier: GPL-2.0
#include "dc/proof.h"

#include <sodium.h>
#include "dc/send.h"

#define AGAIN_MS 200

void ntm_proof_ask(struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms)
{
	struct ntm_msg msg = { .type = NTM_MSG_KEEP_ALIVE };
	struct ntm_dc_session *s = node->session;

	if (node->kind != NTM_KIND_NODE || !node->registered || !s || s->proven)
		return;
	if (s->proof && now_ms - s->asked_ms < AGAIN_MS)
		return;
	while (!s->proof)
		randombytes_buf(&s->proof, sizeof(s->proof));
	s->asked_ms = now_ms;
	msg.request_id = core->request_id++;
	msg.timestamp = s->proof;
	NTM_SET(&msg, TIMESTAMP);
	core->counters[NTM_COUNT_PROOFS]++;
	ntm_send_message(core, node, &msg);
}

void ntm_proof_answer(struct ntm_core *core, const struct ntm_peer *peer,
		      const struct ntm_msg *answer)
{
	struct ntm_dc_session *s = peer->node->session;

	/* One that was overtaken may come from where the node was before */
	if (!s->proof || answer->timestamp != s->proof || !ntm_addr_equal(&peer->from, &s->addr)) {
		core->counters[NTM_DROP_UNEXPECTED]++;
		return;
	}
	s->proven = true; /* and the number stays: it may have been asked twice */
}
