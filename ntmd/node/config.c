// SPDX-License-Identifier: GPL-2.0
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/conf.h"
#include "common/keyfile.h"
#include "ntmobile/wire.h"

static const char *parse_number(const char *value, unsigned long min, unsigned long max,
				unsigned int *out)
{
	unsigned long number = 0;
	const char *reason = ntm_conf_uint(value, min, max, &number);

	*out = (unsigned int)number;
	return reason;
}

static bool is_one_of(const char *value, const char *const *words)
{
	while (*words && strcmp(value, *words) != 0)
		words++;
	return *words;
}

static const char *parse_state(void *target, const char *value)
{
	struct ntm_node_config *config = target;

	return ntm_conf_path(value, config->state, sizeof(config->state));
}

static const char *parse_control(void *target, const char *value)
{
	struct ntm_node_config *config = target;

	return ntm_conf_path(value, config->control, sizeof(config->control));
}

static const char *parse_port(void *target, const char *value)
{
	struct ntm_node_config *config = target;
	unsigned int port;
	const char *reason = parse_number(value, 1, 65535, &port);

	config->port = (uint16_t)port;
	return reason;
}

static const char *parse_datapath(void *target, const char *value)
{
	static const char *const words[] = { "auto", "kernel", "tun", NULL };
	struct ntm_node_config *config = target;

	if (!is_one_of(value, words))
		return "must be auto, kernel or tun";
	return ntm_conf_string(value, config->datapath, sizeof(config->datapath));
}

static const char *parse_threads(void *target, const char *value)
{
	return parse_number(value, 0, 64, &((struct ntm_node_config *)target)->threads);
}

static const char *parse_dns(void *target, const char *value)
{
	static const char *const words[] = { "auto",	   "hook", "resolved", "networkmanager",
					     "resolvconf", "file", "off",      NULL };
	struct ntm_node_config *config = target;

	if (!is_one_of(value, words))
		return "must be auto, hook, resolved, networkmanager, resolvconf, file or off";
	return ntm_conf_string(value, config->dns, sizeof(config->dns));
}

static const char *parse_server(union ntm_addr *server, const char *text)
{
	if (ntm_addr_parse(server, text, NTM_DNS_PORT) || !ntm_addr_usable(server))
		return "must be ADDRESS or ADDRESS:PORT, with spaces between several";
	return NULL;
}

static const char *parse_dns_upstream(void *target, const char *value)
{
	struct ntm_node_config *config = target;
	char words[NTM_DNS_UPSTREAMS * NTM_ADDR_STR];
	const char *reason = ntm_conf_string(value, words, sizeof(words));
	char *rest = NULL;

	if (reason)
		return reason;
	for (char *word = strtok_r(words, " \t", &rest); !reason && word;
	     word = strtok_r(NULL, " \t", &rest)) {
		if (config->upstream_count == NTM_DNS_UPSTREAMS)
			return "at most 4 addresses";
		reason = parse_server(&config->upstream[config->upstream_count++], word);
	}
	return reason;
}

static const char *parse_interface(void *target, const char *value)
{
	struct ntm_node_config *config = target;

	if (!value[0] || strlen(value) >= IFNAMSIZ || strpbrk(value, "/ \t:%") ||
	    !strcmp(value, ".") || !strcmp(value, ".."))
		return "must be an interface name of 1 to 15 characters";
	return ntm_conf_string(value, config->interface, sizeof(config->interface));
}

static const char *parse_log_level(void *target, const char *value)
{
	return ntm_conf_log_level(value, &((struct ntm_node_config *)target)->log_level);
}

static const char *parse_idle(void *target, const char *value)
{
	return parse_number(value, 5, 86400, &((struct ntm_node_config *)target)->idle_s);
}

static const char *parse_rekey(void *target, const char *value)
{
	return parse_number(value, 10, 120, &((struct ntm_node_config *)target)->rekey_s);
}

static const char *parse_dc(void *target, const char *value)
{
	struct ntm_node_config *config = target;

	if (ntm_addr_parse(&config->dc.addrs[0], value, NTM_WIRE_PORT) ||
	    !ntm_addr_usable(&config->dc.addrs[0]))
		return "must be ADDRESS:PORT";
	config->dc.addr_count = 1;
	config->has_dc = true;
	return NULL;
}

static const char *parse_dc_key(void *target, const char *value)
{
	struct ntm_node_config *config = target;

	if (ntm_key_parse(value, config->dc.dc_key))
		return "must be a public key: 43 characters of base64url";
	config->has_dc_key = true;
	return NULL;
}

static const struct ntm_conf_option options[] = {
	{ "node", "state", parse_state },
	{ "node", "control", parse_control },
	{ "node", "port", parse_port },
	{ "node", "datapath", parse_datapath },
	{ "node", "threads", parse_threads },
	{ "node", "interface", parse_interface },
	{ "node", "log-level", parse_log_level },
	{ "node", "idle-timeout", parse_idle },
	{ "node", "rekey-after", parse_rekey },
	{ "node", "dns", parse_dns },
	{ "node", "dns-upstream", parse_dns_upstream },
	{ "node", "dc", parse_dc },
	{ "node", "dc-key", parse_dc_key },
	{ NULL, NULL, NULL },
};

static void set_defaults(struct ntm_node_config *config)
{
	*config = (struct ntm_node_config){
		.state = "/var/lib/ntmd",
		.control = NTM_NODE_CONTROL,
		.port = NTM_WIRE_PORT,
		.datapath = "auto",
		.dns = "auto",
		.interface = "ntm0",
		.log_level = NTM_LOG_INFO,
		.idle_s = 300,
		.rekey_s = 120,
	};
}

int ntm_node_config_load(struct ntm_node_config *config, const char *path, char *error, size_t size)
{
	int err;

	set_defaults(config);
	err = ntm_conf_load(path, options, config, error, size);
	if (err && (err != -ENOENT || strcmp(path, NTM_NODE_CONF) != 0))
		return err;
	if (config->has_dc == config->has_dc_key)
		return 0;
	return ntm_conf_blame(path, config->has_dc ? "dc" : "dc-key",
			      "dc and dc-key are only good together", error, size);
}

static bool same_dc(const struct ntm_node_config *a, const struct ntm_node_config *b)
{
	if (a->has_dc != b->has_dc)
		return false;
	return !a->has_dc || (ntm_addr_equal(&a->dc.addrs[0], &b->dc.addrs[0]) &&
			      !memcmp(a->dc.dc_key, b->dc.dc_key, sizeof(a->dc.dc_key)));
}

static bool same_upstream(const struct ntm_node_config *a, const struct ntm_node_config *b)
{
	if (a->upstream_count != b->upstream_count)
		return false;
	for (unsigned int i = 0; i < a->upstream_count; i++)
		if (!ntm_addr_equal(&a->upstream[i], &b->upstream[i]))
			return false;
	return true;
}

bool ntm_node_config_fixed(const struct ntm_node_config *running,
			   const struct ntm_node_config *wanted, char *out, size_t size)
{
	const struct {
		const char *name;
		bool same;
	} fixed[] = {
		{ "state", !strcmp(running->state, wanted->state) },
		{ "control", !strcmp(running->control, wanted->control) },
		{ "port", running->port == wanted->port },
		{ "interface", !strcmp(running->interface, wanted->interface) },
		{ "datapath", !strcmp(running->datapath, wanted->datapath) },
		{ "threads", running->threads == wanted->threads },
		{ "dns", !strcmp(running->dns, wanted->dns) },
		{ "dns-upstream", same_upstream(running, wanted) },
		{ "dc and dc-key", same_dc(running, wanted) },
	};
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && used < size; i++)
		if (!fixed[i].same)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 fixed[i].name);
	return used;
}
