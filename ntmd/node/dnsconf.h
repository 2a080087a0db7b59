/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tells this host's resolver that names of our zones are asked of us: systemd-resolved, NetworkManager, resolvconf,
 * or /etc/resolv.conf itself.
 *
 * All of it is done by a guard, a child process that takes everything back when ntmd says so or is no more. What it did is
 * noted in NTM_DNSCONF_STATE, for the case that the guard does not live either.
 */
#ifndef NTM_DNSCONF_H
#define NTM_DNSCONF_H

#include <stdbool.h>
#include <uv.h>
#include "common/addr.h"

#define NTM_DNSCONF_STATE "/run/ntmd.dns"
#define NTM_DNSCONF_SERVERS 4
#define NTM_DNSCONF_ZONES 16

struct ntm_dnsconf;

/**
 * struct ntm_dnsconf_later - what becomes of ntm_dnsconf_set() after it has returned
 * @wait:	it waits for the outcome, 2 s at most; if not, it stops the loop for nothing
 * @done:	the outcome that it did not wait for, as it would have returned it; or the guard has ended, and nobody looks after
 *		what was told. After an error nothing comes any more, and ntm_dnsconf_undo() is due, though not from here.
 */
struct ntm_dnsconf_later {
	bool wait;
	void (*done)(void *ctx, int err, const char *why);
	void *ctx;
};

/**
 * ntm_dnsconf_set() - tell the host's resolver of the zones
 * @how:	auto, resolved, networkmanager, resolvconf, file; with hook and off nothing is told
 * @ifname, @ifindex: the interface that the stub address is reached by; it must be up, with its addresses
 * @zones:	@count names, NTM_DNSCONF_ZONES at most
 * @stub4, @stub6: where we answer queries; one may be NULL. Port 53.
 * @tcp:	there by TCP, too
 * @later:	copied
 * @why, @size:	what was told, as in "systemd-resolved (D-Bus)", or the reason of the failure
 *
 * Only one ntmd of a host can do this at a time (-EBUSY). Returns 0 or a negative errno; on failure *@conf is NULL and the
 * host's DNS is as it was.
 */
int ntm_dnsconf_set(struct ntm_dnsconf **conf, uv_loop_t *loop, const char *how, const char *ifname,
		    unsigned int ifindex, const char *const *zones, unsigned int count,
		    const union ntm_addr *stub4, const union ntm_addr *stub6, bool tcp,
		    const struct ntm_dnsconf_later *later, char *why, size_t size);
/**
 * ntm_dnsconf_upstream() - the name servers of this host besides us; returns how many
 *
 * They change as the host moves: ask when they are needed. NULL: none.
 */
unsigned int ntm_dnsconf_upstream(const struct ntm_dnsconf *conf, union ntm_addr *out,
				  unsigned int max);
/** ntm_dnsconf_host_servers() - those that this host asks, where it was told nothing of us; returns how many */
unsigned int ntm_dnsconf_host_servers(union ntm_addr *out, unsigned int max);
/** ntm_dnsconf_undo() - take it back; waits 2 s at most. NULL: nothing. The loop must run on to free memory. */
void ntm_dnsconf_undo(struct ntm_dnsconf *conf);
/** ntm_dnsconf_undo_stale() - take back what an ntmd and its guard left that were both killed, or a power cut; waits 3 s at most */
void ntm_dnsconf_undo_stale(void);

#endif
