// SPDX-License-Identifier: GPL-2.0
#include "rs/config.h"

#include <errno.h>
#include <ntmobile/wire.h>
#include <stdio.h>
#include <string.h>
#include "common/conf.h"

#define RATE_MAX 1000000000000ul /* bytes a second */

static const char *parse_listen(void *target, const char *value)
{
	return ntm_conf_listen(value, AF_INET, &((struct ntm_rs_config *)target)->listen4);
}

static const char *parse_listen6(void *target, const char *value)
{
	return ntm_conf_listen(value, AF_INET6, &((struct ntm_rs_config *)target)->listen6);
}

static const char *parse_other_port(void *target, const char *value)
{
	return ntm_conf_uint(value, 1, 65535, &((struct ntm_rs_config *)target)->other_port);
}

static const char *parse_advertise(void *target, const char *value)
{
	struct ntm_rs_config *c = target;

	_Static_assert(NTM_RS_ADVERTISE == NTM_CONF_ADDRESSES, "as many addresses");
	return ntm_conf_addresses(value, c->advertise, &c->advertise_count);
}

static const char *parse_state(void *target, const char *value)
{
	struct ntm_rs_config *c = target;

	return ntm_conf_path(value, c->state, sizeof(c->state));
}

static const char *parse_control(void *target, const char *value)
{
	struct ntm_rs_config *c = target;

	return ntm_conf_path(value, c->control, sizeof(c->control));
}

static const char *parse_datapath(void *target, const char *value)
{
	static const char *const names[] = { "auto", "kernel", "user" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) != 0)
			continue;
		((struct ntm_rs_config *)target)->datapath = (enum ntm_rs_datapath)i;
		return NULL;
	}
	return "not one of auto, kernel, user";
}

static const char *parse_interface(void *target, const char *value)
{
	struct ntm_rs_config *c = target;

	if (strchr(value, '/') || !strcmp(value, ".") || !strcmp(value, ".."))
		return "not a name of an interface";
	return ntm_conf_string(value, c->interface, sizeof(c->interface));
}

static const char *parse_threads(void *target, const char *value)
{
	return ntm_conf_uint(value, 0, 16, &((struct ntm_rs_config *)target)->threads);
}

static const char *parse_paths(void *target, const char *value)
{
	return ntm_conf_uint(value, 1, 16000000, &((struct ntm_rs_config *)target)->limits.paths);
}

static const char *parse_node_paths(void *target, const char *value)
{
	return ntm_conf_uint(value, 1, 16000000,
			     &((struct ntm_rs_config *)target)->limits.node_paths);
}

static const char *parse_path_rate(void *target, const char *value)
{
	return ntm_conf_uint(value, 0, RATE_MAX,
			     &((struct ntm_rs_config *)target)->limits.path_rate);
}

static const char *parse_node_rate(void *target, const char *value)
{
	return ntm_conf_uint(value, 0, RATE_MAX,
			     &((struct ntm_rs_config *)target)->limits.node_rate);
}

static const char *parse_bandwidth(void *target, const char *value)
{
	return ntm_conf_uint(value, 0, RATE_MAX, &((struct ntm_rs_config *)target)->bandwidth);
}

static const char *parse_log_level(void *target, const char *value)
{
	return ntm_conf_log_level(value, &((struct ntm_rs_config *)target)->log_level);
}

static const struct ntm_conf_option options[] = {
	{ "rs", "listen", parse_listen },	  { "rs", "listen6", parse_listen6 },
	{ "rs", "other-port", parse_other_port }, { "rs", "advertise", parse_advertise },
	{ "rs", "state", parse_state },		  { "rs", "control", parse_control },
	{ "rs", "datapath", parse_datapath },	  { "rs", "interface", parse_interface },
	{ "rs", "threads", parse_threads },	  { "rs", "paths", parse_paths },
	{ "rs", "node-paths", parse_node_paths }, { "rs", "path-rate", parse_path_rate },
	{ "rs", "node-rate", parse_node_rate },	  { "rs", "bandwidth", parse_bandwidth },
	{ "rs", "log-level", parse_log_level },	  { NULL, NULL, NULL },
};

static void defaults(struct ntm_rs_config *c)
{
	memset(c, 0, sizeof(*c));
	c->listen4.v4.sin_family = AF_INET;
	c->listen4.v4.sin_port = htons(NTM_WIRE_PORT);
	c->listen6.v6.sin6_family = AF_INET6;
	c->listen6.v6.sin6_port = htons(NTM_WIRE_PORT);
	strcpy(c->state, "/var/lib/ntm-rs");
	strcpy(c->control, "/run/ntm-rs.sock");
	strcpy(c->interface, "ntmr0");
	c->limits.paths = 1000000;
	c->limits.node_paths = 4096;
	c->log_level = NTM_LOG_INFO;
}

/* What no single line is to blame for; @option: the one to name. */
static const char *contradiction(struct ntm_rs_config *c, const char **option)
{
	const uint16_t port4 = c->listen4.sa.sa_family ? ntohs(c->listen4.v4.sin_port) : 0;
	const uint16_t port6 = c->listen6.sa.sa_family ? ntohs(c->listen6.v6.sin6_port) : 0;

	*option = "listen6";
	if (!port4 && !port6)
		return "none, and listen is none, too";
	*option = c->other_port ? "other-port" : port4 ? "listen" : "listen6";
	if (!c->other_port)
		c->other_port = (port4 ? port4 : port6) + 1ul;
	if (c->other_port == port4 || c->other_port == port6 || c->other_port > 65535)
		return "other-port must be a port of its own";
	return NULL;
}

int ntm_rs_config_load(struct ntm_rs_config *config, const char *path, char *error, size_t size)
{
	const char *reason, *option;
	int err;

	defaults(config);
	err = ntm_conf_load(path, options, config, error, size);
	if (err && (err != -ENOENT || strcmp(path, NTM_RS_CONFIG_FILE) != 0))
		return err;
	reason = contradiction(config, &option);
	return reason ? ntm_conf_blame(path, option, reason, error, size) : 0;
}
