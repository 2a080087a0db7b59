// SPDX-License-Identifier: GPL-2.0
#include "dc/relaying.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define KNOWN \
	2u /* of the relays that a node shall measure, those that were best when it did last */

void ntm_relaying_end(const struct ntm_core *core, const uint8_t key[32], uint8_t end[8])
{
	uint8_t hash[16];

	crypto_generichash(hash, sizeof(hash), key, 32, core->end_key, sizeof(core->end_key));
	memcpy(end, hash, 8);
}

static uint8_t families(const struct ntm_relay *relay)
{
	uint8_t all = 0;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (relay->addrs[i].sa.sa_family == AF_INET)
			all |= NTM_FAMILY_4;
		else if (relay->addrs[i].sa.sa_family == AF_INET6)
			all |= NTM_FAMILY_6;
	}
	return all;
}

static struct ntm_choice_end end_of(const struct ntm_director_node *node, uint32_t relay)
{
	struct ntm_choice_end end = { ntm_director_families(node), NTM_CHOICE_UNKNOWN_US };
	unsigned int i;

	for (i = 0; i < node->rtt_count; i++) {
		if (node->rtts[i].relay == relay)
			end.rtt_us = node->rtts[i].us;
	}
	return end;
}

/* May it be chosen? With what the choice has to know of it. */
static bool on_offer(const struct ntm_core *core, const struct ntm_relay *relay, uint64_t now_ms,
		     struct ntm_choice_relay *out)
{
	const struct ntm_node *node = ntm_registry_get(&core->registry, relay->node);

	if (!ntm_registry_online(node, now_ms) || now_ms < relay->silent_ms)
		return false;
	*out = (struct ntm_choice_relay){ relay->node, node->key, families(relay), relay->load };
	return true;
}

static bool describe(const struct ntm_core *core, uint32_t id, struct ntm_relay_info *info)
{
	const struct ntm_relay *relay = ntm_relays_find(&core->relays, id);
	const struct ntm_node *node = ntm_registry_get(&core->registry, id);

	memset(info, 0, sizeof(*info));
	if (!relay || node->state != NTM_NODE_ACTIVE)
		return false;
	memcpy(info->key, node->key, sizeof(info->key));
	memcpy(info->addrs, relay->addrs, sizeof(info->addrs));
	snprintf(info->name, sizeof(info->name), "%s", node->name);
	return true;
}

static void add(const struct ntm_core *core, uint32_t id, struct ntm_director_relays *out)
{
	if (!describe(core, id, &out->info[out->count]))
		return;
	out->id[out->count++] = id;
}

void ntm_relaying_choose(const struct ntm_core *core, const struct ntm_director_node *a,
			 const struct ntm_director_node *b, uint32_t seed, uint64_t now_ms,
			 struct ntm_director_relays *out)
{
	struct ntm_choice_relay relay;
	struct ntm_choice choice;
	uint32_t i;

	memset(out, 0, sizeof(*out));
	ntm_choice_init(&choice, NTM_DIRECTOR_RELAYS, seed);
	for (i = 0; i < core->relays.count; i++) {
		if (on_offer(core, &core->relays.all[i], now_ms, &relay)) {
			struct ntm_choice_end ends[2] = { end_of(a, relay.id),
							  end_of(b, relay.id) };

			ntm_choice_offer(&choice, &relay, &ends[0], &ends[1]);
		}
	}
	for (i = 0; i < choice.count; i++)
		add(core, choice.best[i].id, out);
}

void ntm_relaying_recall(const struct ntm_core *core, const struct ntm_direction *direction,
			 struct ntm_director_relays *out)
{
	unsigned int i;

	memset(out, 0, sizeof(*out));
	out->at_once = direction->at_once;
	for (i = 0; i < direction->relay_count; i++)
		add(core, direction->relays[i], out);
}

unsigned int ntm_relaying_count(const struct ntm_core *core, unsigned int max, uint64_t now_ms)
{
	struct ntm_choice_relay relay;
	unsigned int count = 0;
	uint32_t i;

	for (i = 0; i < core->relays.count && count < max; i++)
		count += on_offer(core, &core->relays.all[i], now_ms, &relay);
	return count;
}

static bool told_of(const struct ntm_node *node, uint32_t relay, uint32_t *us)
{
	unsigned int i;

	for (i = 0; i < node->rtt_count; i++) {
		if (node->rtts[i].relay == relay) {
			*us = node->rtts[i].us;
			return true;
		}
	}
	return false;
}

static void put(const struct ntm_core *core, const struct ntm_choice *choice, unsigned int want,
		struct ntm_msg *response)
{
	unsigned int i, j;

	for (i = 0; i < choice->count && response->relay_count < want; i++) {
		struct ntm_relay_info *info = &response->relays[response->relay_count];

		if (!describe(core, choice->best[i].id, info))
			continue;
		for (j = 0; memcmp(response->relays[j].key, info->key, 32) != 0; j++)
			;
		response->relay_count += j == response->relay_count;
	}
}

/*
 * All of them, if there are no more than a message holds. Else the two nearest of those that the node measured before, and
 * others, which the seed makes different ones each time: so it gets to know all of them, and keeps the best.
 */
void ntm_relaying_tell(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms,
		       struct ntm_msg *response)
{
	const uint32_t seed = node->id + (uint32_t)(now_ms / (core->config.lease * 500 + 1));
	const uint8_t both = NTM_FAMILY_4 | NTM_FAMILY_6;
	struct ntm_choice known, rest;
	struct ntm_choice_relay relay;
	uint32_t i;

	ntm_choice_init(&known, KNOWN, seed);
	ntm_choice_init(&rest, NTM_RELAYS_MAX, seed);
	for (i = 0; i < core->relays.count; i++) {
		struct ntm_choice_end end = { both, 0 };

		if (!on_offer(core, &core->relays.all[i], now_ms, &relay))
			continue;
		relay.load = 0; /* which may be another one by the time it is needed */
		ntm_choice_offer(&rest, &relay, &end, &end);
		if (told_of(node, relay.id, &end.rtt_us))
			ntm_choice_offer(&known, &relay, &end, &end);
	}
	put(core, &known, KNOWN, response);
	put(core, &rest, NTM_RELAYS_MAX, response);
	if (response->relay_count)
		NTM_SET(response, RELAY);
}

void ntm_relaying_measured(const struct ntm_core *core, struct ntm_node *node,
			   const struct ntm_msg *request)
{
	unsigned int i;
	uint32_t j;

	node->nat = request->nat;
	node->rtt_count = 0;
	for (i = 0; i < request->rtt_count; i++) {
		for (j = 0; j < core->relays.count; j++) {
			const struct ntm_node *relay =
				ntm_registry_get(&core->registry, core->relays.all[j].node);

			if (memcmp(relay->key, request->rtts[i].relay,
				   sizeof(request->rtts[i].relay)) == 0)
				break;
		}
		if (j < core->relays.count)
			node->rtts[node->rtt_count++] =
				(struct ntm_node_rtt){ core->relays.all[j].node,
						       request->rtts[i].rtt_us };
	}
}
