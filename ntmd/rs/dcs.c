// SPDX-License-Identifier: GPL-2.0
#include "rs/dcs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/control.h"
#include "common/keyfile.h"
#include "common/state.h"
#include "ntmobile/wire.h"
#include "rs/core.h"

#define FILE_PREFIX "dc-"
#define JOIN_MS 15000u
#define GOODBYE_MS 100u
#define GOODBYES 3u
#define LOAD_STEP 50u
#define LOAD_PAUSE_MS 2000u /* a load that goes up and down is no news each second */

/* Files: one for each DC, named by its key */

static void file_of(const struct ntm_rs_dc *d, char path[PATH_MAX])
{
	char key[NTM_KEY_STR];

	ntm_key_str(d->dc.where.dc_key, key);
	snprintf(path, PATH_MAX, "%s/" FILE_PREFIX "%s", d->core->config.state, key);
}

/* The zone is for people: to say which DC to leave, also while it cannot be reached */
static int keep_zone(const char *path, const char *zone)
{
	json_t *object = NULL;
	int err = ntm_state_read(path, &object);

	if (err)
		return err;
	err = json_object_set_new(object, "zone", json_string(zone)) ?
		      -ENOMEM :
		      ntm_state_write(path, object);
	json_decref(object);
	return err;
}

static void keep(struct ntm_rs_dc *d, bool has_token)
{
	char path[PATH_MAX];
	int err;

	file_of(d, path);
	err = ntm_state_write_dc(path, &d->dc.where, has_token);
	if (!err && d->zone[0])
		err = keep_zone(path, d->zone);
	if (err)
		ntm_err("cannot write %s: %s", path, strerror(-err));
	else
		d->token_kept = has_token;
}

static void read_zone(struct ntm_rs_dc *d, const char *path)
{
	json_t *object = NULL;
	const char *zone;

	if (ntm_state_read(path, &object))
		return;
	zone = json_string_value(json_object_get(object, "zone"));
	if (zone && strlen(zone) <= NTM_NAME_MAX && ntm_name_valid(zone)) {
		strcpy(d->zone, zone);
		d->known = true;
	}
	json_decref(object);
}

/* What a DC tells */

static int op_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	const struct ntm_rs_dc *d = ctx;

	return d->core->io->send(d->core->io_ctx, to, packet, len, false);
}

static bool owns_id(const struct ntm_rs_dcs *dcs, uint32_t id)
{
	const struct ntm_rs_dc *d;

	for (d = dcs->first; d; d = d->next)
		if (ntm_dc_owns_id(&d->dc, id))
			return true;
	return false;
}

static uint32_t op_session_id(void *ctx)
{
	const struct ntm_rs_dc *d = ctx;
	uint32_t id;

	do {
		id = randombytes_random();
	} while (!id || owns_id(&d->core->dcs, id));
	return id;
}

/* SUITES is needed in every Registration Request; a relay server has no part in a tunnel's, and names those that it passes on */
static void op_registration(void *ctx, struct ntm_msg *m)
{
	struct ntm_rs_dc *d = ctx;
	struct ntm_rs_core *core = d->core;

	m->role = NTM_ROLE_RELAY;
	m->suites = 1u << NTM_SUITE_CHACHA20_POLY1305 | 1u << NTM_SUITE_AES_256_GCM;
	m->load = ntm_rs_dcs_load_of(d);
	m->candidate_count = core->io->candidates(core->io_ctx, m->candidates, NTM_CANDIDATES_MAX);
	NTM_SET(m, ROLE);
	NTM_SET(m, SUITES);
	NTM_SET(m, LOAD);
	if (m->candidate_count)
		NTM_SET(m, CANDIDATE);
	d->told_load = m->load;
	d->told_ms = core->now_ms;
}

static void tell_joined(struct ntm_rs_dc *d, int code, const char *text)
{
	ntm_rs_joined_fn *joined = d->joined;

	d->joined = NULL;
	if (joined)
		joined(d->who, d, code, text);
}

static void op_lease(void *ctx, const struct ntm_msg *lease)
{
	struct ntm_rs_dc *d = ctx;

	if (lease->role != NTM_ROLE_RELAY) {
		d->registered = false;
		if (ntm_log_allowed(&d->core->dcs.limit, d->core->now_ms))
			ntm_warn("the DC of %s takes this relay server for a node", lease->zone);
		tell_joined(
			d, NTM_EXIT_ERROR,
			"this name was not invited as a relay server's; see ntm-dc invite --relay");
		return;
	}
	if (!d->registered || strcmp(d->name, lease->name) != 0)
		ntm_info("registered as %s with the DC of %s", lease->name, lease->zone);
	d->registered = true;
	strcpy(d->name, lease->name);
	if (!d->known || d->token_kept || strcmp(d->zone, lease->zone) != 0) {
		strcpy(d->zone, lease->zone);
		d->known = true;
		keep(d, false);
	}
	tell_joined(d, NTM_EXIT_OK, "");
}

/* Whoever is refused at the first try has not joined */
static void op_refused(void *ctx, uint16_t status, const char *text)
{
	struct ntm_rs_dc *d = ctx;
	char why[NTM_TEXT_MAX + 128];

	snprintf(why, sizeof(why), "the DC refuses: %s%s%s", ntm_status_name(status),
		 text[0] ? ": " : "", text);
	d->registered = false;
	if (ntm_log_allowed(&d->core->dcs.limit, d->core->now_ms))
		ntm_warn("%s%s%s", d->zone, d->zone[0] ? ": " : "", why);
	d->forget = d->joined && !d->known;
	tell_joined(d, NTM_EXIT_ERROR, why);
}

static int op_message(void *ctx, const struct ntm_msg *m)
{
	struct ntm_rs_dc *d = ctx;
	struct ntm_rs_core *core = d->core;
	struct ntm_msg response = { .type = NTM_MSG_RELAY_RESPONSE,
				    .request_id = m->request_id,
				    .path_id = m->path_id,
				    .status = NTM_ST_GOING_AWAY };

	if (m->type != NTM_MSG_RELAY_DIRECTION)
		return -EPROTO;
	if (!core->drain_ms && !d->leaving)
		response.status = ntm_rs_paths_direct(&core->paths, d->number, m, core->now_ms);
	d->directions += response.status == NTM_ST_OK;
	core->counters[response.status == NTM_ST_OK ? NTM_RS_DIRECTIONS :
						      NTM_RS_DIRECTIONS_REFUSED]++;
	NTM_SET(&response, PATH_ID);
	NTM_SET(&response, STATUS);
	ntm_dc_send(&d->dc, &response, core->now_ms);
	return 0;
}

static const struct ntm_dc_ops dc_ops = {
	.send = op_send,
	.session_id = op_session_id,
	.registration = op_registration,
	.lease = op_lease,
	.refused = op_refused,
	.message = op_message,
};

/* The list */

static struct ntm_rs_dc *by_key(const struct ntm_rs_dcs *dcs, const uint8_t key[32])
{
	struct ntm_rs_dc *d = dcs->first;

	while (d && memcmp(d->dc.where.dc_key, key, 32) != 0)
		d = d->next;
	return d;
}

static struct ntm_rs_dc *dc_new(struct ntm_rs_core *core)
{
	struct ntm_rs_dc *d;

	if (core->dcs.count >= NTM_RS_DCS_MAX)
		return NULL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->core = core;
	d->number = ++core->dcs.last_number;
	ntm_dc_init(&d->dc, &dc_ops, d, &core->self);
	d->next = core->dcs.first;
	core->dcs.first = d;
	core->dcs.count++;
	ntm_rs_paths_join(&core->paths, &d->owner, d->number);
	return d;
}

static void dc_free(struct ntm_rs_dc *d)
{
	tell_joined(d, NTM_EXIT_NOT_RUNNING, "ntm-rs is going away");
	ntm_rs_paths_leave(&d->core->paths, &d->owner);
	ntm_dc_done(&d->dc);
	free(d);
}

static void remove_file(const struct ntm_rs_dc *d)
{
	char path[PATH_MAX];

	file_of(d, path);
	if (unlink(path) && errno != ENOENT)
		ntm_err("%s: %s", path, strerror(errno));
}

/* Those that are to be forgotten. Not from within a callback of theirs. */
static void sweep(struct ntm_rs_dcs *dcs)
{
	struct ntm_rs_dc **at = &dcs->first, *d;

	while ((d = *at)) {
		if (!d->forget) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		dcs->count--;
		remove_file(d);
		dc_free(d);
	}
}

static int open_one(struct ntm_rs_core *core, const char *name)
{
	char path[PATH_MAX];
	struct ntm_join where;
	struct ntm_rs_dc *d;
	bool has_token;
	int err;

	snprintf(path, sizeof(path), "%s/%s", core->config.state, name);
	err = ntm_state_read_dc(path, &where, &has_token);
	if (err) {
		ntm_err("%s: %s", path, err == -EINVAL ? "damaged" : strerror(-err));
		return err;
	}
	d = dc_new(core);
	if (d) {
		d->token_kept = has_token;
		read_zone(d, path);
		ntm_dc_set(&d->dc, &where, has_token, core->now_ms);
	}
	sodium_memzero(&where, sizeof(where));
	return d ? 0 : -ENOMEM;
}

/* A name as file_of() makes them; what a crash left half written is not one */
static bool is_dc_file(const char *name)
{
	const size_t prefix = strlen(FILE_PREFIX);

	return !strncmp(name, FILE_PREFIX, prefix) && strlen(name) == prefix + NTM_KEY_STR - 1;
}

int ntm_rs_dcs_open(struct ntm_rs_core *core)
{
	DIR *dir = opendir(core->config.state);
	const struct dirent *entry;
	int err = 0;

	if (!dir) {
		ntm_err("%s: %s", core->config.state, strerror(errno));
		return -errno;
	}
	while (!err && (entry = readdir(dir)))
		if (is_dc_file(entry->d_name))
			err = open_one(core, entry->d_name);
	closedir(dir);
	if (!err && !core->dcs.count)
		ntm_info(
			"not joined yet: `ntm-rs join STRING` with what `ntm-dc invite --relay NAME` prints");
	return err;
}

void ntm_rs_dcs_done(struct ntm_rs_core *core)
{
	struct ntm_rs_dc *d;

	while ((d = core->dcs.first)) {
		core->dcs.first = d->next;
		dc_free(d);
	}
	core->dcs.count = 0;
}

int ntm_rs_dcs_join(struct ntm_rs_core *core, const struct ntm_join *where,
		    ntm_rs_joined_fn *joined, void *who)
{
	struct ntm_rs_dc *d = by_key(&core->dcs, where->dc_key);

	if (d && (d->joined || d->leaving || d->forget))
		return -EBUSY;
	if (!d)
		d = dc_new(core);
	if (!d)
		return core->dcs.count >= NTM_RS_DCS_MAX ? -ENOSPC : -ENOMEM;
	d->joined = joined;
	d->who = who;
	d->join_until_ms = core->now_ms + JOIN_MS;
	ntm_dc_set(&d->dc, where, true, core->now_ms);
	keep(d, true);
	return 0;
}

int ntm_rs_dcs_leave(struct ntm_rs_core *core, const char *zone)
{
	struct ntm_rs_dc *d = core->dcs.first;

	while (d && (d->leaving || strcmp(d->zone, zone) != 0))
		d = d->next;
	if (!d)
		return -ENOENT;
	ntm_info("leaving %s", zone);
	d->leaving = true;
	d->goodbye_ms = core->now_ms;
	tell_joined(d, NTM_EXIT_ERROR, "left");
	return 0;
}

/* Packets */

static void drop_errno(struct ntm_rs_core *core, int err)
{
	switch (err) {
	case 0:
		break;
	case -EBADMSG:
		ntm_rs_drop(core, NTM_RS_DROP_AUTH);
		break;
	case -EALREADY:
		ntm_rs_drop(core, NTM_RS_DROP_REPLAY);
		break;
	case -EPROTO:
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		break;
	default:
		ntm_rs_drop(core, NTM_RS_DROP_STATE);
	}
}

void ntm_rs_dcs_packet(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		       const union ntm_addr *from)
{
	const bool sealed = packet[0] == NTM_PKT_SEALED;
	const uint32_t id = sealed ? ntm_session_id_of(packet, len) : ntm_hs_reply_id(packet, len);
	struct ntm_rs_dc *d = core->dcs.first;
	int err;

	if (!id) {
		ntm_rs_drop(core, NTM_RS_DROP_MALFORMED);
		return;
	}
	while (d && !ntm_dc_owns_id(&d->dc, id))
		d = d->next;
	if (!d) {
		ntm_rs_drop(core, NTM_RS_DROP_SESSION);
		return;
	}
	if (sealed)
		err = ntm_dc_sealed(&d->dc, packet, len, from, core->now_ms);
	else if (packet[0] == NTM_PKT_COOKIE_REPLY)
		err = ntm_dc_cookie(&d->dc, packet, len, core->now_ms);
	else
		err = ntm_dc_response(&d->dc, packet, len, from, core->now_ms);
	drop_errno(core, err);
	sweep(&core->dcs);
}

/* Time */

uint32_t ntm_rs_dcs_load_of(const struct ntm_rs_dc *dc)
{
	return ntm_rs_core_load(dc->core, ntm_rs_paths_room(&dc->core->paths, dc->number));
}

void ntm_rs_dcs_load(struct ntm_rs_core *core)
{
	struct ntm_rs_dc *d;

	for (d = core->dcs.first; d; d = d->next) {
		const uint32_t load = ntm_rs_dcs_load_of(d);
		const uint32_t by = load > d->told_load ? load - d->told_load : d->told_load - load;

		if (d->registered && !d->leaving && by >= LOAD_STEP &&
		    core->now_ms - d->told_ms >= LOAD_PAUSE_MS)
			ntm_dc_register(&d->dc, core->now_ms);
	}
}

void ntm_rs_dcs_register(struct ntm_rs_core *core)
{
	struct ntm_rs_dc *d;

	for (d = core->dcs.first; d; d = d->next) {
		ntm_dc_hurry(&d->dc, core->now_ms);
		ntm_dc_register(&d->dc, core->now_ms);
	}
}

void ntm_rs_dcs_goodbye(struct ntm_rs_core *core)
{
	struct ntm_rs_dc *d;

	for (d = core->dcs.first; d; d = d->next) {
		tell_joined(d, NTM_EXIT_NOT_RUNNING, "ntm-rs is going away");
		d->goodbye_ms = core->now_ms;
		d->goodbyes = 0;
	}
	ntm_rs_dcs_tick(core);
}

/* True: all has been said */
static bool say_goodbye(struct ntm_rs_dc *d, uint64_t now_ms)
{
	if (now_ms < d->goodbye_ms || d->goodbye_ms == UINT64_MAX)
		return d->goodbye_ms == UINT64_MAX;
	d->goodbye_ms = now_ms + GOODBYE_MS;
	if (d->goodbyes++ >= GOODBYES || ntm_dc_goodbye(&d->dc, now_ms))
		d->goodbye_ms = UINT64_MAX;
	return d->goodbye_ms == UINT64_MAX;
}

static void tick_one(struct ntm_rs_dc *d, uint64_t now_ms)
{
	ntm_dc_tick(&d->dc, now_ms);
	if (d->joined && now_ms >= d->join_until_ms)
		tell_joined(d, NTM_EXIT_UNREACHABLE,
			    "the DC does not answer; ntm-rs goes on trying, see ntm-rs status");
	if ((d->leaving || d->core->drain_ms) && say_goodbye(d, now_ms))
		d->forget = d->forget || d->leaving;
}

void ntm_rs_dcs_tick(struct ntm_rs_core *core)
{
	struct ntm_rs_dc *d;

	for (d = core->dcs.first; d; d = d->next)
		tick_one(d, core->now_ms);
	sweep(&core->dcs);
}

bool ntm_rs_dcs_gone(const struct ntm_rs_dcs *dcs)
{
	const struct ntm_rs_dc *d;

	for (d = dcs->first; d; d = d->next)
		if (d->goodbye_ms != UINT64_MAX)
			return false;
	return true;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ntm_rs_dcs_deadline(const struct ntm_rs_dcs *dcs)
{
	const struct ntm_rs_dc *d;
	uint64_t at = UINT64_MAX;

	for (d = dcs->first; d; d = d->next) {
		at = earlier(at, ntm_dc_deadline(&d->dc));
		if (d->joined)
			at = earlier(at, d->join_until_ms);
		if (d->leaving || d->core->drain_ms)
			at = earlier(at, d->goodbye_ms);
	}
	return at;
}
