// SPDX-License-Identifier: GPL-2.0
#include "rs/admin.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "common/keyfile.h"

/* join */

static void joined(void *who, const struct ntm_rs_dc *d, int code, const char *text)
{
	if (code)
		ntm_control_fail(who, code, "%s", text);
	else
		ntm_control_answer(who, json_pack("{s:b,s:s,s:s}", "ok", 1, "name", d->name, "zone",
						  d->zone));
}

static void cmd_join(struct ntm_rs *rs, const json_t *request, struct ntm_control_reply *reply)
{
	const char *text = json_string_value(json_object_get(request, "string"));
	struct ntm_join where;
	const char *reason;
	int err;

	reason = text ? ntm_join_parse(&where, text) : "no join string";
	if (reason) {
		ntm_control_fail(reply, NTM_EXIT_USAGE, "join string: %s", reason);
		return;
	}
	err = ntm_rs_dcs_join(&rs->core, &where, joined, reply);
	sodium_memzero(&where, sizeof(where));
	if (err == -EBUSY)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "joining or leaving this DC is under way");
	else if (err == -ENOSPC)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "%d DCs are joined already",
				 NTM_RS_DCS_MAX);
	else if (err)
		ntm_control_fail(reply, NTM_EXIT_ERROR, "%s", strerror(-err));
}

static void cmd_leave(struct ntm_rs *rs, const json_t *request, struct ntm_control_reply *reply)
{
	const char *zone = json_string_value(json_object_get(request, "zone"));

	if (!zone || ntm_rs_dcs_leave(&rs->core, zone))
		ntm_control_fail(reply, NTM_EXIT_ERROR, "%s is not joined", zone ? zone : "that");
	else
		ntm_control_answer(reply, json_pack("{s:b}", "ok", 1));
}

/* status */

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

static json_t *addr_json(const union ntm_addr *addr)
{
	char text[NTM_ADDR_STR];

	return addr->sa.sa_family ? json_string(ntm_addr_str(addr, text)) : json_null();
}

static json_t *dc_json(const struct ntm_rs_dc *d, uint64_t now_ms)
{
	const struct ntm_dc *dc = &d->dc;
	json_t *o = json_object();
	char key[NTM_KEY_STR];

	ntm_key_str(dc->where.dc_key, key);
	json_object_set_new(o, "zone", text_or_null(d->zone));
	json_object_set_new(o, "name", text_or_null(d->name));
	json_object_set_new(o, "key", json_string(key));
	json_object_set_new(o, "state",
			    json_string(d->leaving ? "leaving" : ntm_dc_state_name(dc, now_ms)));
	json_object_set_new(o, "address", addr_json(&dc->addr));
	json_object_set_new(o, "observed", addr_json(&dc->observed));
	json_object_set_new(o, "directions", json_integer((json_int_t)d->directions));
	json_object_set_new(o, "paths", json_integer((json_int_t)d->owner.paths));
	json_object_set_new(o, "load", json_integer(ntm_rs_dcs_load_of(d)));
	if (dc->status)
		json_object_set_new(o, "refusal", json_string(ntm_status_name(dc->status)));
	if (dc->text[0])
		json_object_set_new(o, "text", json_string(dc->text));
	return o;
}

static json_t *dcs_json(const struct ntm_rs_core *core, uint64_t now_ms)
{
	json_t *list = json_array();
	const struct ntm_rs_dc *d;

	for (d = core->dcs.first; d; d = d->next)
		json_array_append_new(list, dc_json(d, now_ms));
	return list;
}

static json_t *numbers_json(const char *const *names, const uint64_t *numbers, unsigned int count)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < count; i++)
		json_object_set_new(o, names[i], json_integer((json_int_t)numbers[i]));
	return o;
}

static json_t *drops_json(const struct ntm_rs_core *core)
{
	uint64_t data[NTM_RS_PLANE_DROPS] = { 0 };

	if (core->plane)
		(void)core->plane_ops->drops(core->plane, data);
	return json_pack("{s:o,s:o}", "data",
			 numbers_json(ntm_rs_plane_drop_names, data, NTM_RS_PLANE_DROPS),
			 "signalling", numbers_json(ntm_rs_drop_names, core->drops, NTM_RS_DROPS));
}

static void cmd_status(struct ntm_rs *rs, struct ntm_control_reply *reply)
{
	const struct ntm_rs_core *core = &rs->core;
	const uint64_t now_ms = ntm_rs_now_ms();
	uint64_t packets, bytes;
	char key[NTM_KEY_STR];
	json_t *o;

	ntm_rs_core_totals(core, &packets, &bytes);
	ntm_key_str(core->self.public, key);
	o = json_pack("{s:b,s:i,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "ok", 1, "version",
		      NTM_RS_STATUS_VERSION, "key", key, "state",
		      core->drain_ms ? "draining" : "serving", "datapath",
		      core->plane ? core->plane_ops->name : "none", "uptime",
		      (json_int_t)((now_ms - core->started_ms) / 1000), "paths",
		      (json_int_t)ntm_rs_paths_count(&core->paths), "bound",
		      (json_int_t)core->paths.carried, "nodes", (json_int_t)core->paths.nodes.count,
		      "packets", (json_int_t)packets, "bytes", (json_int_t)bytes);
	json_object_set_new(o, "load",
			    json_integer(ntm_rs_core_load(core, core->paths.limits.paths)));
	json_object_set_new(o, "dcs", dcs_json(core, now_ms));
	json_object_set_new(o, "counters",
			    numbers_json(ntm_rs_counter_names, core->counters, NTM_RS_COUNTERS));
	json_object_set_new(o, "drops", drops_json(core));
	ntm_control_answer(reply, o);
}

void ntm_rs_admin(void *ctx, json_t *request, struct ntm_control_reply *reply)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	struct ntm_rs *rs = ctx;

	rs->core.now_ms = ntm_rs_now_ms();
	if (command && !strcmp(command, "status")) {
		cmd_status(rs, reply);
	} else if (command && !strcmp(command, "drain")) {
		ntm_control_answer(reply, json_pack("{s:b}", "ok", 1));
		if (!rs->core.drain_ms)
			ntm_rs_leave(rs);
	} else if (rs->core.drain_ms) {
		ntm_control_fail(reply, NTM_EXIT_NOT_RUNNING, "ntm-rs is going away");
	} else if (command && !strcmp(command, "join")) {
		cmd_join(rs, request, reply);
	} else if (command && !strcmp(command, "leave")) {
		cmd_leave(rs, request, reply);
	} else {
		ntm_control_fail(reply, NTM_EXIT_USAGE, "unknown command");
	}
	ntm_rs_arm(rs);
}
