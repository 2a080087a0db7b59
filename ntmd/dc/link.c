// SPDX-License-Identifier: GPL-2.0
#include "dc/link.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "common/keyfile.h"
#include "dc/inform.h"
#include "dc/send.h"

/* The other DC made a new session: it has started again, perhaps, and forgotten ours if that is older than this. Not if it is younger,
 * else two would answer each other's new sessions with new sessions. */
#define SUSPECT_MS 10000u

static void settle(struct ntm_core *core)
{
	ntm_zones_settle(&core->zones, &core->pool4.spec, &core->pool6.spec);
}

static void put_own_networks(const struct ntm_core *core, struct ntm_msg *m)
{
	snprintf(m->zone, sizeof(m->zone), "%s", core->config.zone);
	NTM_SET(m, ZONE);
	if (core->pool4.spec.family) {
		memcpy(&m->virtual4, core->pool4.spec.base, sizeof(m->virtual4));
		m->prefix4 = core->pool4.spec.prefix;
		NTM_SET(m, VIRTUAL4);
	}
	if (core->pool6.spec.family) {
		memcpy(&m->virtual6, core->pool6.spec.base, sizeof(m->virtual6));
		m->prefix6 = core->pool6.spec.prefix;
		NTM_SET(m, VIRTUAL6);
	}
}

/* Who was met once is known: from now on no DNS record brings another key in. */
static void pin(struct ntm_core *core, struct ntm_zone *zone, const uint8_t key[32])
{
	char text[NTM_KEY_STR];
	int err;

	if (zone->has_pin)
		return;
	err = core->store->ops->pin_zone(core->store, zone->name, key, core->wall());
	if (err)
		ntm_core_storage_failed(core, "store the key of a zone", err, core->now_ms);
	memcpy(zone->pin, key, sizeof(zone->pin));
	zone->has_pin = true;
	ntm_key_str(key, text);
	ntm_info("zone %s: met its coordinator for the first time, key %s", zone->name, text);
}

static void take_networks(struct ntm_core *core, struct ntm_zone *zone, const struct ntm_msg *msg)
{
	const struct ntm_zone_info before = zone->networks;
	const bool fresh = !zone->introduced;

	ntm_zone_set_networks(zone, msg);
	settle(core);
	if (!fresh && !memcmp(&before, &zone->networks, sizeof(before)))
		return;
	if (!ntm_log_allowed(&zone->log, core->now_ms))
		return;
	ntm_info("zone %s: %s", zone->name,
		 zone->use4 && zone->use6 ? "virtual IPv4 and IPv6 addresses" :
		 zone->use4		  ? "virtual IPv4 addresses alone" :
		 zone->use6		  ? "virtual IPv6 addresses alone" :
					    "its virtual networks cannot be used beside ours");
}

/* The session that this DC made */

static int link_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	const struct ntm_zone *zone = ctx;
	struct ntm_core *core = zone->owner;

	return core->send(core->send_ctx, to, packet, len);
}

static bool id_taken(void *ctx, uint32_t id)
{
	const struct ntm_core *core = ctx;
	bool in;

	return ntm_zones_by_id(&core->zones, id, &in) != NULL;
}

static uint32_t link_id(void *ctx)
{
	const struct ntm_zone *zone = ctx;
	struct ntm_core *core = zone->owner;
	uint32_t id;

	do {
		id = randombytes_random();
	} while (!id || ntm_sessions_knows(&core->sessions, id) || id_taken(core, id));
	return id;
}

static void link_introduction(void *ctx, struct ntm_msg *m)
{
	const struct ntm_zone *zone = ctx;

	put_own_networks(zone->owner, m);
}

static void link_refused(void *ctx, uint16_t status, const char *text)
{
	struct ntm_zone *zone = ctx;
	const struct ntm_core *core = zone->owner;

	snprintf(zone->why, sizeof(zone->why), "%.100s", text[0] ? text : ntm_status_name(status));
	if (ntm_log_allowed(&zone->log, core->now_ms))
		ntm_warn("zone %s refuses us: %s", zone->name, zone->why);
}

static void link_ready(void *ctx, const struct ntm_msg *m)
{
	struct ntm_zone *zone = ctx;
	struct ntm_core *core = zone->owner;

	if (strcmp(m->zone, zone->name) != 0) {
		/* The key is right and the DNS sent us here: a coordinator of something else */
		zone->link.state = NTM_DC_REFUSED;
		link_refused(zone, NTM_ST_REFUSED, "its coordinator serves another zone");
		return;
	}
	zone->why[0] = '\0';
	pin(core, zone, zone->link.where.dc_key);
	take_networks(core, zone, m);
	ntm_inform_flush(core, zone, core->now_ms);
}

static int link_message(void *ctx, const struct ntm_msg *m)
{
	(void)ctx;
	(void)m;
	return -EPROTO; /* requests come by the session that the other DC made */
}

static const struct ntm_dc_ops link_ops = {
	.introduction = NTM_MSG_ZONE_REQUEST,
	.send = link_send,
	.session_id = link_id,
	.registration = link_introduction,
	.lease = link_ready,
	.refused = link_refused,
	.message = link_message,
};

/* Look-ups */

static void start_look(struct ntm_core *core, struct ntm_zone *zone, uint64_t now_ms)
{
	int err;

	if (!core->find || zone->look == NTM_LOOK_ASKED)
		return;
	ntm_zone_asked(zone, now_ms);
	err = core->find(core->find_ctx, zone->name);
	if (err)
		ntm_zone_looked(zone, NULL, strerror(-err), now_ms);
}

static void unlink_dc(struct ntm_core *core, struct ntm_zone *zone)
{
	ntm_dc_done(&zone->link);
	ntm_dc_init(&zone->link, &link_ops, zone, &core->self);
}

static bool same_place(const struct ntm_join *where, const struct ntm_found *found)
{
	if (memcmp(where->dc_key, found->key, 32) != 0 || where->addr_count != found->addr_count)
		return false;
	for (unsigned int i = 0; i < found->addr_count; i++) {
		if (!ntm_addr_equal(&where->addrs[i], &found->addrs[i]))
			return false;
	}
	return true;
}

static void connect_dc(struct ntm_core *core, struct ntm_zone *zone, uint64_t now_ms)
{
	struct ntm_join where = { .addr_count = zone->found.addr_count };
	const struct ntm_dc *link = &zone->link;

	/* What stands is not touched; a handshake with the same end goes on as it is */
	if (link->state == NTM_DC_REGISTERED && !link->hs.active)
		return;
	if (link->state != NTM_DC_OFF && same_place(&link->where, &zone->found))
		return;
	memcpy(where.addrs, zone->found.addrs, sizeof(where.addrs));
	memcpy(where.dc_key, zone->found.key, sizeof(where.dc_key));
	ntm_dc_set(&zone->link, &where, false, now_ms);
	ntm_inform_flush(core, zone, now_ms);
}

void ntm_link_found(struct ntm_core *core, const char *name, const struct ntm_found *found,
		    const char *why, uint64_t now_ms)
{
	struct ntm_zone *zone = ntm_zones_get(&core->zones, name);
	const char *distrust;

	core->now_ms = now_ms;
	if (!zone || zone->look != NTM_LOOK_ASKED)
		return; /* gone meanwhile */
	ntm_zone_looked(zone, found, why, now_ms);
	if (!found) {
		if (zone->failures == 1)
			ntm_warn("zone %s: %s", zone->name, zone->why);
		return;
	}
	distrust = ntm_zone_distrust(zone, core->self.public);
	if (!distrust) {
		connect_dc(core, zone, now_ms);
		return;
	}
	snprintf(zone->why, sizeof(zone->why), "%s", distrust);
	ntm_warn("zone %s: %s", zone->name, distrust); /* once in 5 s at most: it was looked up */
	/* Who holds the DNS must not be able to part us from the one whom we know */
	if (!zone->has_pin || memcmp(zone->link.where.dc_key, zone->pin, 32) != 0)
		unlink_dc(core, zone);
}

void ntm_link_hurry(struct ntm_core *core, struct ntm_zone *zone, uint64_t now_ms)
{
	if (ntm_zone_wants_look(zone, true, now_ms))
		start_look(core, zone, now_ms);
}

/* Zone Requests of others */

static void answer_zone(struct ntm_core *core, const struct ntm_peer *peer,
			const struct ntm_msg *request, uint16_t status, const char *text)
{
	struct ntm_msg m = { .type = NTM_MSG_ZONE_RESPONSE, .status = status };

	NTM_SET(&m, STATUS);
	snprintf(m.text, sizeof(m.text), "%s", text);
	if (status == NTM_ST_OK)
		put_own_networks(core, &m);
	else
		core->counters[NTM_COUNT_REFUSALS]++;
	ntm_send_answer(core, peer, request, &m);
}

static struct ntm_peer in_peer(struct ntm_zone *zone)
{
	return (struct ntm_peer){
		.key = zone->pin,
		.keys = &zone->in,
		.addr = &zone->in_addr,
		.guest = NTM_HASH_NONE,
	};
}

static void accept_zone(struct ntm_core *core, struct ntm_zone *zone, struct ntm_peer *peer,
			const struct ntm_msg *msg, uint64_t now_ms)
{
	struct ntm_dc *link = &zone->link;

	pin(core, zone, peer->key);
	ntm_session_wipe(&zone->in);
	ntm_sessions_release(&core->sessions, peer->guest, &zone->in, &zone->in_addr);
	zone->has_in = true;
	zone->in_ms = now_ms;
	*peer = in_peer(zone);
	take_networks(core, zone, msg);
	answer_zone(core, peer, msg, NTM_ST_OK, "");
	if (link->state == NTM_DC_REFUSED)
		ntm_dc_register(link, now_ms); /* its operator has thought better of it */
	else if (now_ms - link->session_ms >= SUSPECT_MS)
		ntm_dc_reconnect(link, now_ms);
	ntm_link_hurry(core, zone, now_ms);
}

void ntm_link_introduced(struct ntm_core *core, struct ntm_peer *peer, const struct ntm_msg *msg,
			 uint64_t now_ms)
{
	struct ntm_zone *zone = ntm_zones_get(&core->zones, msg->zone);
	const char *why = "your zone is none that is known here";
	enum ntm_judgement judgement = NTM_JUDGE_NO;

	core->now_ms = now_ms;
	if (zone && !peer->node)
		judgement = ntm_zone_judge(zone, peer->key, now_ms, &why);
	switch (judgement) {
	case NTM_JUDGE_YES:
		accept_zone(core, zone, peer, msg, now_ms);
		break;
	case NTM_JUDGE_LOOK:
		start_look(core, zone, now_ms); /* the answer is to the request that comes again */
		break;
	case NTM_JUDGE_LATER:
		answer_zone(core, peer, msg, NTM_ST_BUSY, why);
		break;
	case NTM_JUDGE_NO:
		/* Perhaps the DNS says so, too: then the operator should see it */
		if (zone && ntm_zone_may_check(zone, now_ms))
			start_look(core, zone, now_ms);
		answer_zone(core, peer, msg, NTM_ST_REFUSED, why);
		if (ntm_log_allowed(&core->stranger_log, now_ms))
			ntm_warn("zone %s is refused: %s", msg->zone, why);
		break;
	}
}

/* Packets */

static void keep_alive(struct ntm_core *core, const struct ntm_peer *peer, const struct ntm_msg *m)
{
	struct ntm_msg answer = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE, .timestamp = m->timestamp };

	answer.observed.kind = NTM_CAND_REFLEXIVE;
	answer.observed.addr = *peer->addr;
	NTM_SET(&answer, TIMESTAMP);
	NTM_SET(&answer, OBSERVED);
	ntm_send_answer(core, peer, m, &answer);
}

static void from_zone(struct ntm_core *core, struct ntm_zone *zone, const struct ntm_msg *m,
		      uint64_t now_ms)
{
	struct ntm_peer peer = in_peer(zone);

	switch (m->type) {
	case NTM_MSG_ZONE_REQUEST:
		if (strcmp(m->zone, zone->name) != 0) {
			answer_zone(core, &peer, m, NTM_ST_REFUSED, "you were another zone before");
			break;
		}
		take_networks(core, zone, m);
		answer_zone(core, &peer, m, NTM_ST_OK, "");
		break;
	case NTM_MSG_KEEP_ALIVE:
		keep_alive(core, &peer, m);
		break;
	case NTM_MSG_INFORMATION_REQUEST:
		ntm_inform_request(core, zone, &peer, m, now_ms);
		break;
	default:
		core->counters[NTM_DROP_UNEXPECTED]++;
	}
}

static int in_sealed(struct ntm_core *core, struct ntm_zone *zone, const uint8_t *packet,
		     size_t len, const union ntm_addr *from, uint64_t now_ms)
{
	struct ntm_msg m;
	bool newest;
	int err = ntm_session_open(&zone->in, packet, len, &m, &newest);

	if (err && err != -EPROTO)
		return err;
	if (newest)
		zone->in_addr = *from;
	zone->in_ms = now_ms;
	if (!err)
		from_zone(core, zone, &m, now_ms);
	sodium_memzero(&m, sizeof(m)); /* a path's psk may be in it */
	return err;
}

static void count(struct ntm_core *core, int err)
{
	switch (err) {
	case 0:
		break;
	case -EALREADY:
		core->counters[NTM_DROP_REPLAY]++;
		break;
	case -EPROTO:
		core->counters[NTM_DROP_MALFORMED]++;
		break;
	case -EPERM:
		core->counters[NTM_DROP_UNEXPECTED]++;
		break;
	default:
		core->counters[NTM_DROP_FORGED]++;
	}
}

bool ntm_link_packet(struct ntm_core *core, const uint8_t *packet, size_t len,
		     const union ntm_addr *from, uint64_t now_ms)
{
	const bool sealed = packet[0] == NTM_PKT_SEALED;
	const uint32_t id = sealed ? ntm_session_id_of(packet, len) : ntm_hs_reply_id(packet, len);
	bool in = false;
	struct ntm_zone *zone = id ? ntm_zones_by_id(&core->zones, id, &in) : NULL;

	if (!zone || (in && !sealed))
		return false;
	core->now_ms = now_ms;
	if (in)
		count(core, in_sealed(core, zone, packet, len, from, now_ms));
	else if (sealed)
		count(core, ntm_dc_sealed(&zone->link, packet, len, from, now_ms));
	else if (packet[0] == NTM_PKT_SESSION_RESPONSE)
		count(core, ntm_dc_response(&zone->link, packet, len, from, now_ms));
	else
		count(core, ntm_dc_cookie(&zone->link, packet, len, now_ms));
	return true;
}

/* Time */

void ntm_link_tick(struct ntm_core *core, uint64_t now_ms)
{
	core->now_ms = now_ms;
	for (unsigned int i = 0; i < core->zones.count; i++) {
		struct ntm_zone *zone = core->zones.all[i];

		if (ntm_zone_wants_look(zone, false, now_ms))
			start_look(core, zone, now_ms);
		ntm_dc_tick(&zone->link, now_ms);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ntm_link_next_ms(const struct ntm_core *core)
{
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < core->zones.count; i++) {
		const struct ntm_zone *zone = core->zones.all[i];

		next = earlier(next, ntm_dc_deadline(&zone->link));
		if (core->find)
			next = earlier(next, ntm_zone_look_ms(zone));
	}
	return next;
}

/* Coming and going */

static int load_pin(void *ctx, const char *name, const uint8_t key[32])
{
	struct ntm_core *core = ctx;
	struct ntm_zone *zone = ntm_zones_get(&core->zones, name);

	if (zone) {
		memcpy(zone->pin, key, sizeof(zone->pin));
		zone->has_pin = true;
	}
	return 0;
}

static int add_zones(struct ntm_core *core, const struct ntm_dc_config *config)
{
	for (unsigned int i = 0; i < config->peer_zone_count; i++) {
		struct ntm_zone *zone;

		if (ntm_zones_get(&core->zones, config->peer_zones[i]))
			continue;
		zone = ntm_zones_add(&core->zones, config->peer_zones[i]);
		if (!zone)
			return -ENOMEM;
		zone->owner = core;
		ntm_dc_init(&zone->link, &link_ops, zone, &core->self);
	}
	return core->store->ops->load_zones(core->store, load_pin, core);
}

int ntm_link_open(struct ntm_core *core, char *error, size_t size)
{
	int err;

	core->sessions.taken = id_taken;
	core->sessions.taken_ctx = core;
	err = add_zones(core, &core->config);
	if (err)
		snprintf(error, size, "cannot read the keys of other zones: %s", strerror(-err));
	return err;
}

static void remove_zone(struct ntm_core *core, struct ntm_zone *zone)
{
	ntm_dc_done(&zone->link);
	ntm_inform_abandon(core, zone, core->now_ms);
	ntm_zones_remove(&core->zones, zone);
}

void ntm_link_close(struct ntm_core *core)
{
	while (core->zones.count)
		remove_zone(core, core->zones.all[0]);
}

static bool configured(const struct ntm_dc_config *config, const char *name)
{
	for (unsigned int i = 0; i < config->peer_zone_count; i++) {
		if (!strcmp(config->peer_zones[i], name))
			return true;
	}
	return false;
}

int ntm_link_reload(struct ntm_core *core, const struct ntm_dc_config *config)
{
	int err;

	for (unsigned int i = core->zones.count; i-- > 0;) {
		if (!configured(config, core->zones.all[i]->name))
			remove_zone(core, core->zones.all[i]);
	}
	err = add_zones(core, config);
	settle(core);
	/* Those that did not want us may have been told by their operators, and our networks may be others */
	for (unsigned int i = 0; i < core->zones.count; i++)
		ntm_dc_register(&core->zones.all[i]->link, core->now_ms);
	return err;
}

int ntm_link_forget(struct ntm_core *core, const char *name, uint64_t now_ms)
{
	struct ntm_zone *zone = ntm_zones_get(&core->zones, name);
	int err = core->store->ops->forget_zone(core->store, name);

	core->now_ms = now_ms;
	if (err && !(err == -ENOENT && zone))
		return err;
	if (!zone)
		return 0;
	unlink_dc(core, zone);
	ntm_session_wipe(&zone->in);
	zone->has_in = false;
	zone->has_pin = false;
	zone->has_found = false;
	zone->introduced = false;
	zone->look = zone->look == NTM_LOOK_ASKED ? NTM_LOOK_ASKED : NTM_LOOK_NEVER;
	zone->stale_ms = 0;
	zone->failures = 0;
	zone->why[0] = '\0';
	settle(core);
	ntm_info("zone %s: its key is forgotten", name);
	return 0;
}
