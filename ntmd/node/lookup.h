/* SPDX-License-Identifier: GPL-2.0 */
/* What asks for a tunnel and waits for it: DNS queries, packets without a path, pings. */
#ifndef NTM_LOOKUP_H
#define NTM_LOOKUP_H

#include "node.h"

/** ntm_lookup_dns() - a caught query */
void ntm_lookup_dns(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len);
/** ntm_lookup_miss() - a packet to a virtual address without a path */
void ntm_lookup_miss(struct ntm_node *node, int family, const void *virt);
/** ntm_lookup_finish() - what became of a peer's set-up: answers all that waits for it */
void ntm_lookup_finish(struct ntm_node *node, struct ntm_peer *peer, enum ntm_outcome outcome);
/** ntm_lookup_late() - end what waited too long; true: something goes on waiting */
bool ntm_lookup_late(struct ntm_node *node);
/** ntm_lookup_hold() - something waits now: see to it that ntm_lookup_late() is called */
void ntm_lookup_hold(struct ntm_node *node);
/** ntm_lookup_fail_all() - the node ends, or lost its data path */
void ntm_lookup_fail_all(struct ntm_node *node);

#endif
