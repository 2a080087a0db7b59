/* SPDX-License-Identifier: GPL-2.0 */
/* What dnsconf, its guard and the methods for each manager of DNS share. All of this runs in the guard alone. */
#ifndef NTM_DNSCONF_METHOD_H
#define NTM_DNSCONF_METHOD_H

#include <limits.h>
#include <net/if.h>
#include "dnsconf.h"
#include "dnsconf_text.h"

#define NTM_RESOLV_CONF "/etc/resolv.conf"
#define NTM_RESOLVED_CONF "/run/systemd/resolve/resolv.conf"

/** struct ntm_dnsconf_job - what is to be told; a stub of family 0 is none */
struct ntm_dnsconf_job {
	char how[16];
	char ifname[IFNAMSIZ];
	unsigned int ifindex;
	char zones[NTM_DNSCONF_ZONES][256];
	unsigned int zone_count;
	union ntm_addr stub4, stub6;
	bool tcp; /* answered by TCP, too */
};

/** struct ntm_dnsconf_host - what is known of the host */
struct ntm_dnsconf_host {
	char resolv_conf[PATH_MAX]; /* what /etc/resolv.conf is in the end */
	struct ntm_resolv resolv;
	bool nss_resolve; /* the C library asks systemd-resolved without resolv.conf */
};

/**
 * struct ntm_dnsconf_method - one manager of DNS
 * @name:	as in ntmd.conf
 * @title:	as told to people
 * @source:	the file that lists the servers besides us, as things stand; NULL: NTM_RESOLV_CONF. It may return @buf
 * @is_file:	NTM_RESOLV_CONF is what was changed, so that set() is due again when somebody else writes it, or what it was made of.
 *		It has no effect where nothing is to be changed
 * @by_bus:	CAP_NET_ADMIN is what the manager wants to see
 * @fits:	does it look after DNS on this host
 * @set:	0, or a negative errno with the reason; what failed halfway is undone by undo()
 * @undo:	needs no memory of set(): may be called by another process, without effect if nothing is to be undone
 */
struct ntm_dnsconf_method {
	const char *name;
	const char *title;
	const char *(*source)(char buf[PATH_MAX]);
	bool is_file;
	bool by_bus;
	bool (*fits)(const struct ntm_dnsconf_host *host);
	int (*set)(const struct ntm_dnsconf_job *job, char *why, size_t size);
	void (*undo)(const char *ifname);
};

extern const struct ntm_dnsconf_method ntm_dnsconf_resolved;
extern const struct ntm_dnsconf_method ntm_dnsconf_nm;
extern const struct ntm_dnsconf_method ntm_dnsconf_resolvconf;
extern const struct ntm_dnsconf_method ntm_dnsconf_file;

/** struct ntm_dnsconf_report - from the guard to ntmd: how it went, and each time the servers change */
struct ntm_dnsconf_report {
	int err;
	unsigned int count;
	union ntm_addr servers[NTM_DNSCONF_SERVERS];
	char why[160];
};

/** ntm_dnsconf_guard() - the life of the guard; @sock ends when ntmd wants it undone, or has died */
void ntm_dnsconf_guard(int sock, const struct ntm_dnsconf_job *job) __attribute__((noreturn));
/** ntm_dnsconf_guard_stale() - the life of a child that does ntm_dnsconf_undo_stale() */
void ntm_dnsconf_guard_stale(void) __attribute__((noreturn));

/** ntm_dnsconf_read() - a small file as text; 0 or a negative errno, -EFBIG with as much of it as there is room for */
int ntm_dnsconf_read(const char *path, char *text, size_t size);
/** ntm_dnsconf_host() - the address alone; returns @buf */
const char *ntm_dnsconf_host_str(const union ntm_addr *addr, char buf[INET6_ADDRSTRLEN]);
/** ntm_dnsconf_against() - options of resolv.conf with which queries for the zones pass the stub by */
unsigned int ntm_dnsconf_against(const struct ntm_dnsconf_job *job);
/** ntm_dnsconf_stub() - the stub address to be named where one is enough */
const union ntm_addr *ntm_dnsconf_stub(const struct ntm_dnsconf_job *job);

#endif
