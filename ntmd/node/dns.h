/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How queries for the zones come to us, and where the others go.
 *
 *	the module's hook	catches them on their way (kernel path)
 *	a stub in the TUN	an address of the virtual network that answers queries (user-space path)
 *	a stub on the interface	the same address, and a socket (kernel path without the hook)
 *
 * A stub has to be made known to this host's resolver (dnsconf.h), and passes on what is for none of them (upstream.h).
 */
#ifndef NTM_DNS_H
#define NTM_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ntm_node;
struct ntm_dp_lease;
union ntm_addr;

/** ntm_dns_open() - once, before the data path; 0 or a negative errno */
int ntm_dns_open(struct ntm_node *node);
/** ntm_dns_close() - after the data path */
void ntm_dns_close(struct ntm_node *node);

/** ntm_dns_hooked() - is the zone caught by the kernel module? */
bool ntm_dns_hooked(const struct ntm_node *node);
/**
 * ntm_dns_up() - the data path has this lease; ntm_dns_down() - it goes, or gets another one
 *
 * Where the host's resolver cannot be told, or what was told is looked after no more, that is tried again from time to time.
 */
void ntm_dns_up(struct ntm_node *node, const struct ntm_dp_lease *lease);
void ntm_dns_down(struct ntm_node *node);
/** ntm_dns_again() - addresses changed; ours may have gone: with the lease of ntm_dns_up() */
void ntm_dns_again(struct ntm_node *node, const struct ntm_dp_lease *lease);

/** ntm_dns_servers() - the name servers for questions of our own: how many of at most @max */
unsigned int ntm_dns_servers(struct ntm_node *node, union ntm_addr *out, unsigned int max);

/** ntm_dns_reply() - answer a query; ntm_dns_pass() - it is none of ours: let it go its way */
void ntm_dns_reply(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len);
void ntm_dns_pass(struct ntm_node *node, uint64_t tag, const uint8_t *msg, size_t len);

#endif
