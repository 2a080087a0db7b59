/* SPDX-License-Identifier: GPL-2.0 */
/* ntmd.conf(5): section [node]. */
#ifndef NTM_NODE_CONFIG_H
#define NTM_NODE_CONFIG_H

#include <limits.h>
#include <net/if.h>
#include "common/join.h"
#include "common/log.h"

#define NTM_NODE_CONF "/etc/ntmobile/ntmd.conf"
#define NTM_NODE_CONTROL "/run/ntmd.sock"
#define NTM_DNS_PORT 53
#define NTM_DNS_UPSTREAMS 4

struct ntm_node_config {
	char state[PATH_MAX - 32];
	char control[108]; /* sun_path */
	uint16_t port;
	char datapath[16];    /* auto, kernel, tun */
	unsigned int threads; /* 0: as many as pay off */
	char interface[IFNAMSIZ];
	enum ntm_log_level log_level;
	unsigned int idle_s;
	unsigned int rekey_s;
	char dns[16]; /* auto, hook, resolved, networkmanager, resolvconf, file, off */
	union ntm_addr upstream[NTM_DNS_UPSTREAMS];
	unsigned int upstream_count; /* 0: the servers that the host used before */
	bool has_dc, has_dc_key;
	struct ntm_join dc; /* one address and the key, where the file gives them */
};

/** ntm_node_config_load() - defaults, then the file, which need not be there if it is NTM_NODE_CONF; 0, or a negative errno and "FILE:LINE: reason" */
int ntm_node_config_load(struct ntm_node_config *config, const char *path, char *error,
			 size_t size);
/** ntm_node_config_fixed() - options in which the two differ that a running ntmd does not change, with commas; false: none */
bool ntm_node_config_fixed(const struct ntm_node_config *running,
			   const struct ntm_node_config *wanted, char *out, size_t size);

#endif
