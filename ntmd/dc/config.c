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

static const char *parse_address(union ntm_addr *addr, int family, const char *value)
{
	if (!strcmp(value, "none")) {
		memset(addr, 0, sizeof(*addr));
		return NULL;
	}
	if (ntm_addr_parse(addr, value, NTM_WIRE_PORT) || addr->sa.sa_family != family)
		return family == AF_INET ? "not an IPv4 address (ADDRESS[:PORT], or none)" :
					   "not an IPv6 address ([ADDRESS][:PORT], or none)";
	return NULL;
}

static const char *parse_listen(void *target, const char *value)
{
	return parse_address(&((struct ntm_dc_config *)target)->listen4, AF_INET, value);
}

static const char *parse_listen6(void *target, const char *value)
{
	return parse_address(&((struct ntm_dc_config *)target)->listen6, AF_INET6, value);
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

	if (value[0] != '/')
		return "not an absolute path";
	return ntm_conf_string(value, c->state, sizeof(c->state));
}

static const char *parse_control(void *target, const char *value)
{
	struct ntm_dc_config *c = target;

	if (value[0] != '/')
		return "not an absolute path";
	return ntm_conf_string(value, c->control, sizeof(c->control));
}

static const char *parse_advertise(void *target, const char *value)
{
	struct ntm_dc_config *c = target;
	char list[1024], *item, *rest = list;

	if (snprintf(list, sizeof(list), "%s", value) >= (int)sizeof(list))
		return "too long";
	c->advertise_count = 0;
	while ((item = strsep(&rest, ",")) != NULL) {
		union ntm_addr *addr = &c->advertise[c->advertise_count];
		char *end;

		item += strspn(item, " \t");
		end = item + strcspn(item, " \t");
		*end = '\0';
		if (c->advertise_count == NTM_JOIN_ADDRS)
			return "more than 8 addresses";
		if (ntm_addr_parse(addr, item, NTM_WIRE_PORT) || !ntm_addr_usable(addr))
			return "not a list of addresses (ADDRESS[:PORT],...)";
		c->advertise_count++;
	}
	return NULL;
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
	int level = ntm_log_parse_level(value);

	if (level < 0)
		return "not one of error, warning, info, debug";
	((struct ntm_dc_config *)target)->log_level = level;
	return NULL;
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

/* What no single line is to blame for. */
static const char *contradiction(const struct ntm_dc_config *c)
{
	if (!c->zone[0])
		return "[dc] zone is missing";
	if (!c->pool4.family && !c->pool6.family)
		return "[dc] has neither pool4 nor pool6";
	if (!c->listen4.sa.sa_family && !c->listen6.sa.sa_family)
		return "[dc] listen and listen6 are both none";
	return NULL;
}

int ntm_dc_config_load(struct ntm_dc_config *config, const char *path, char *error, size_t size)
{
	const char *reason;
	int err;

	defaults(config);
	err = ntm_conf_load(path, options, config, error, size);
	if (err)
		return err;
	reason = contradiction(config);
	if (reason) {
		snprintf(error, size, "%s: %s", path, reason);
		return -EINVAL;
	}
	return 0;
}
