/* SPDX-License-Identifier: GPL-2.0 */
/* The coordinator's configuration file: ntm-dc.conf(5). */
#ifndef NTM_DC_CONFIG_H
#define NTM_DC_CONFIG_H

#include <sys/un.h>
#include "common/join.h"
#include "common/log.h"
#include "common/msg.h"
#include "dc/pool.h"

#define NTM_DC_CONFIG_FILE "/etc/ntmobile/ntm-dc.conf"

struct ntm_dc_config {
	char zone[NTM_NAME_MAX + 1];
	union ntm_addr listen4, listen6; /* family 0: none */
	struct ntm_pool_spec pool4, pool6;
	char state[200];
	char control[sizeof(((struct sockaddr_un *)0)->sun_path)];
	union ntm_addr advertise[NTM_JOIN_ADDRS];
	unsigned int advertise_count;
	char peer_zones[NTM_PEER_ZONES_MAX][NTM_NAME_MAX + 1];
	unsigned int peer_zone_count;
	bool dnssec_required;
	char trust_anchor[200]; /* empty: none */
	unsigned long lease, keepalive, handshake_rate, invite_lifetime;
	enum ntm_log_level log_level;
};

/** ntm_dc_config_load() - 0, or a negative errno with "FILE:LINE: reason" in @error; @config is only valid on 0 */
int ntm_dc_config_load(struct ntm_dc_config *config, const char *path, char *error, size_t size);

#endif
