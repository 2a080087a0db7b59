/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a lease says of zones: our own and the other ones that the DC knows (docs/PROTOCOL.md section 9), whose nodes are peers like
 * those of our own. Pure.
 */
#ifndef NTM_LEASE_H
#define NTM_LEASE_H

#include "datapath.h"

/** ntm_lease_zone() - the zone that a name is in (or is), NULL: none that we know */
const char *ntm_lease_zone(const struct ntm_msg *lease, const char *name);
/** ntm_lease_other() - the place of that zone among the other ones; -1: our own, or none that we know */
int ntm_lease_other(const struct ntm_msg *lease, const char *name);
/** ntm_lease_virtual() - is an address one of the virtual networks? */
bool ntm_lease_virtual(const struct ntm_msg *lease, const union ntm_addr *addr);
/** ntm_lease_datapath() - what the data path is to do by it */
struct ntm_dp_lease ntm_lease_datapath(const struct ntm_msg *lease);
/** ntm_lease_same() - do both mean the same to the data path, under the same name? */
bool ntm_lease_same(const struct ntm_msg *a, const struct ntm_msg *b);
/**
 * ntm_lease_keep() - networks of other zones that @old knows and @lease does not (yet)
 *
 * A DC that has just started does not know them before it has met the other DCs again; tunnels stand meanwhile.
 */
void ntm_lease_keep(struct ntm_msg *lease, const struct ntm_msg *old);

/** enum ntm_lease_news - what a Route Direction says beyond the lease */
enum ntm_lease_news {
	NTM_LEASE_KNOWN,
	NTM_LEASE_LEARNT, /* the network of a zone, or more of our own, which is in the lease now */
	NTM_LEASE_STALE, /* the peer is of a zone, or in a network, that only a new lease can name */
};
enum ntm_lease_news ntm_lease_learn(struct ntm_msg *lease, const struct ntm_msg *direction);

#endif
