/* SPDX-License-Identifier: GPL-2.0 */
/* Join strings: ntm://ADDR:PORT[,ADDR:PORT...]/DC-PUBLIC-KEY/TOKEN, base64url without padding; one line. */
#ifndef NTM_JOIN_H
#define NTM_JOIN_H

#include "common/addr.h"

#define NTM_JOIN_ADDRS 8
#define NTM_JOIN_STR 768

struct ntm_join {
	union ntm_addr addrs[NTM_JOIN_ADDRS];
	unsigned int addr_count;
	uint8_t dc_key[32];
	uint8_t token[16];
};

int ntm_join_format(const struct ntm_join *join, char *out, size_t size); /* 0 or -EMSGSIZE */
const char *ntm_join_parse(struct ntm_join *join, const char *text);	  /* NULL or a reason */

#endif
