/* SPDX-License-Identifier: GPL-2.0 */
/* The relay server's configuration file: ntm-rs.conf(5). */
#ifndef NTM_RS_CONFIG_H
#define NTM_RS_CONFIG_H

#include <net/if.h>
#include <sys/un.h>
#include "common/log.h"
#include "rs/paths.h"

#define NTM_RS_CONFIG_FILE "/etc/ntmobile/ntm-rs.conf"
#define NTM_RS_ADVERTISE 8

enum ntm_rs_datapath { NTM_RS_AUTO, NTM_RS_KERNEL, NTM_RS_USER };

/**
 * struct ntm_rs_config
 * @listen4, @listen6: family 0: none
 * @other_port:	0: the one after that of @listen4 (or @listen6)
 * @bandwidth:	bytes a second that are called a full load, 0: not known
 * @threads:	of the user plane, 0: as there are processors
 */
struct ntm_rs_config {
	union ntm_addr listen4, listen6;
	unsigned long other_port;
	union ntm_addr advertise[NTM_RS_ADVERTISE];
	unsigned int advertise_count;
	char state[200];
	char control[sizeof(((struct sockaddr_un *)0)->sun_path)];
	enum ntm_rs_datapath datapath;
	char interface[IFNAMSIZ];
	unsigned long threads;
	struct ntm_rs_limits limits;
	unsigned long bandwidth;
	enum ntm_log_level log_level;
};

/** ntm_rs_config_load() - 0, or a negative errno with "FILE:LINE: reason" in @error. No file at the default place: defaults */
int ntm_rs_config_load(struct ntm_rs_config *config, const char *path, char *error, size_t size);

#endif
