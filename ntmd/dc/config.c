// SPDX-License-Identifier: GPL-2.0
#include "dc/config.h"

#include <errno.h>
#include <ntmobile/wire.h>
#include <stdio.h>
#include <string.h>
#include "common/conf.h"

static const char *parse_zone(void *target, const char *value)
{
	struct ntm_dc_config *c = target;

	if (!ntm_name_valid(value))
		return "not a lower-case domain name";
	return ntm_conf_string(value, c->zone, sizeof(c->zone));
}

static const char *parse_listen(void *target, const char *value)
{
	return ntm_conf_listen(value, AF_INET, &((struct ntm_dc_config *)target)->listen4);
}

static const char *parse_listen6(void *target, const char *value)
{
	return ntm_conf_listen(value, AF_INET6, &((struct ntm_dc_config *)target)->listen6);
}

static const char *parse_pool4(void *target, const char *value)
{
	return ntm_pool_parse(&((struct ntm_dc_config *)target)->pool4, AF_INET, value);
}

static const char *parse_pool6(void *target, const char *value)
{
	return ntm_pool_parse(&((struct ntm_dc_config *)target)->pool6, AF_INET6, value);
}

static const char *parse_state(void *target, const char *value)
{
	struct ntm_dc_config *c = target;

	return ntm_conf_path(value, c->state, sizeof(c->state));
}

static const char *parse_control(void *target, const char *value)
{
	struct ntm_dc_config *c = target;

	return ntm_conf_path(value, c->control, sizeof(c->control));
}

static const char *parse_advertise(void *target, const char *value)
{
	struct ntm_dc_config *c = target;

	_Static_assert(NTM_JOIN_ADDRS == NTM_CONF_ADDRESSES, "as many addresses");
	return ntm_conf_addresses(value, c->advertise, &c->advertise_count);
}

static const char *parse_peer_zones(void *target, const char *value)
{
	struct ntm_dc_config *c = target;
	char list[2560], *item, *rest = list;

	if (snprintf(list, sizeof(list), "%s", value) >= (int)sizeof(list))
		return "too long";
	c->peer_zone_count = 0;
	while ((item = strsep(&rest, ",")) != NULL) {
		item += strspn(item, " \t");
		item[strcspn(item, " \t")] = '\0';
		if (c->peer_zone_count == NTM_PEER_ZONES_MAX)
			return "more than 8 zones";
		if (!ntm_name_valid(item))
			return "not a list of lower-case domain names";
		snprintf(c->peer_zones[c->peer_zone_count++], sizeof(c->peer_zones[0]), "%s", item);
	}
	return NULL;
}

static const char *parse_dnssec(void *target, const char *value)
{
	struct ntm_dc_config *c = target;

	c->dnssec_required = !strcmp(value, "require");
	return c->dnssec_required || !strcmp(value, "allow") ? NULL : "neither allow nor require";
}

static const char *parse_trust_anchor(void *target, const char *value)
{
	struct ntm_dc_config *c = target;

	return ntm_conf_path(value, c->trust_anchor, sizeof(c->trust_anchor));
}

static const char *parse_lease(void *target, const char *value)
{
	return ntm_conf_uint(value, 60, 7 * 86400, &((struct ntm_dc_config *)target)->lease);
}

static const char *parse_keepalive(void *target, const char *value)
{
	return ntm_conf_uint(value, 1, 3600, &((struct ntm_dc_config *)target)->keepalive);
}

static const char *parse_handshake_rate(void *target, const char *value)
{
	return ntm_conf_uint(value, 1, 1000000, &((struct ntm_dc_config *)target)->handshake_rate);
}

static const char *parse_invite_lifetime(void *target, const char *value)
{
	return ntm_conf_uint(value, 60, 366UL * 86400,
			     &((struct ntm_dc_config *)target)->invite_lifetime);
}

static const char *parse_log_level(void *target, const char *value)
{
	return ntm_conf_log_level(value, &((struct ntm_dc_config *)target)->log_level);
}

static const struct ntm_conf_option options[] = {
	{ "dc", "zone", parse_zone },
	{ "dc", "listen", parse_listen },
	{ "dc", "listen6", parse_listen6 },
	{ "dc", "pool4", parse_pool4 },
	{ "dc", "pool6", parse_pool6 },
	{ "dc", "state", parse_state },
	{ "dc", "control", parse_control },
	{ "dc", "advertise", parse_advertise },
	{ "dc", "peer-zones", parse_peer_zones },
	{ "dc", "dnssec", parse_dnssec },
	{ "dc", "trust-anchor", parse_trust_anchor },
	{ "dc", "lease", parse_lease },
	{ "dc", "keepalive", parse_keepalive },
	{ "dc", "handshake-rate", parse_handshake_rate },
	{ "dc", "invite-lifetime", parse_invite_lifetime },
	{ "dc", "log-level", parse_log_level },
	{ NULL, NULL, NULL },
};

static void defaults(struct ntm_dc_config *c)
{
	memset(c, 0, sizeof(*c));
	c->listen4.v4.sin_family = AF_INET;
	c->listen4.v4.sin_port = htons(NTM_WIRE_PORT);
	c->listen6.v6.sin6_family = AF_INET6;
	c->listen6.v6.sin6_port = htons(NTM_WIRE_PORT);
	strcpy(c->state, "/var/lib/ntm-dc");
	strcpy(c->control, "/run/ntm-dc.sock");
	c->lease = 7200;
	c->keepalive = 25;
	c->handshake_rate = 100;
	c->invite_lifetime = 86400;
	c->log_level = NTM_LOG_INFO;
}

static bool nested(const char *a, const char *b)
{
	return !strcmp(a, b) || ntm_name_below(a, b) || ntm_name_below(b, a);
}

/* A name must be in one zone alone. */
static const char *bad_zones(const struct ntm_dc_config *c, const char **option)
{
	*option = "peer-zones";
	for (unsigned int i = 0; i < c->peer_zone_count; i++) {
		if (nested(c->peer_zones[i], c->zone))
			return "has the coordinator's own zone, or one above or below it";
		for (unsigned int j = 0; j < i; j++) {
			if (nested(c->peer_zones[i], c->peer_zones[j]))
				return "has a zone twice, or one below another";
		}
	}
	*option = "dnssec";
	if (c->dnssec_required && !c->trust_anchor[0])
		return "require needs trust-anchor";
	return NULL;
}

/* What no single line is to blame for; @option: the one to name, NULL if it is missing. */
static const char *contradiction(const struct ntm_dc_config *c, const char **option)
{
	*option = NULL;
	if (!c->zone[0])
		return "[dc] zone is missing";
	if (!c->pool4.family && !c->pool6.family)
		return "[dc] has neither pool4 nor pool6";
	*option = "listen6";
	if (!c->listen4.sa.sa_family && !c->listen6.sa.sa_family)
		return "none, and listen is none, too";
	return bad_zones(c, option);
}

int ntm_dc_config_load(struct ntm_dc_config *config, const char *path, char *error, size_t size)
{
	const char *reason, *option;
	int err;

	defaults(config);
	err = ntm_conf_load(path, options, config, error, size);
	if (err)
		return err;
	reason = contradiction(config, &option);
	return reason ? ntm_conf_blame(path, option, reason, error, size) : 0;
}
