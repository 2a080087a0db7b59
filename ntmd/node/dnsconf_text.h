/* SPDX-License-Identifier: GPL-2.0 */
/* resolv.conf(5) as text: whose it is, which servers it names, how it reads with us in it. Pure. */
#ifndef NTM_DNSCONF_TEXT_H
#define NTM_DNSCONF_TEXT_H

#include <stdbool.h>
#include "common/addr.h"

#define NTM_RESOLV_MAX 16384 /* bytes of a resolv.conf that we work on */
#define NTM_RESOLV_SERVERS 4

/* Options of the C library with which queries pass us by */
#define NTM_RESOLV_ROTATE 1u /* each server in its turn */
#define NTM_RESOLV_USE_VC 2u /* by TCP alone */

enum ntm_resolv_owner {
	NTM_RESOLV_UNKNOWN,
	NTM_RESOLV_OURS,
	NTM_RESOLV_RESOLVED,
	NTM_RESOLV_NM,
	NTM_RESOLV_RESOLVCONF
};

/** struct ntm_resolv - what a resolv.conf says; @owner by the comment at its head; @options: NTM_RESOLV_ROTATE and the like */
struct ntm_resolv {
	enum ntm_resolv_owner owner;
	unsigned int options;
	unsigned int count;
	union ntm_addr servers[NTM_RESOLV_SERVERS];
};

void ntm_resolv_parse(struct ntm_resolv *resolv, const char *text);
/** ntm_resolv_default() - the server that the C library asks where a resolv.conf names none, or is none: this host */
union ntm_addr ntm_resolv_default(void);
/** ntm_resolv_write() - @old less @options, with @stub as its first server, and a mark that it is ours; 0 or -E2BIG */
int ntm_resolv_write(const char *old, const char *stub, unsigned int options, char *out,
		     size_t size);
/** ntm_resolv_strip() - take out, in place, what ntm_resolv_write() put in; options that it left out do not come back */
void ntm_resolv_strip(char *text);
/** ntm_resolv_nss() - does an nsswitch.conf(5) send host names to systemd-resolved */
bool ntm_resolv_nss(const char *text);

#endif
