/* SPDX-License-Identifier: GPL-2.0 */
/*
 * `ntmctl netcheck`: what the network around a node allows. By sockets of its own, so that their NAT mappings are new, and the relay
 * servers that the DC named (docs/PROTOCOL.md 8.3):
 *
 *	mapping		one socket asks two relays where it is seen: alike, or not
 *	filtering	a socket asks relay A. The node's own socket then asks relay B, and A's other port, to answer to that socket's outer
 *			port: what comes in shows what the NAT lets through (RFC 4787 5)
 *	hairpin		that socket sends to where the node's own is seen
 *	path MTU	probes with padding and DF, by both families
 *	lifetime	(on request, it takes three minutes) sockets rest for a while each, then a relay is asked to send to them
 *
 * netcheck.c sends and waits, netcheck_report.c draws the conclusions.
 */
#ifndef NTM_NETCHECK_H
#define NTM_NETCHECK_H

#include <jansson.h>
#include "node.h"

#define NTM_NETCHECK_MTUS 11
#define NTM_NETCHECK_LIVES 7

extern const unsigned int ntm_netcheck_mtus[NTM_NETCHECK_MTUS]; /* bytes of the IP packet, rising */
extern const unsigned int ntm_netcheck_lives[NTM_NETCHECK_LIVES]; /* seconds, rising */

/** struct ntm_netcheck_results - @asked and what came of it; indices of families: 0 IPv4, 1 IPv6 */
struct ntm_netcheck_results {
	unsigned int relays4;	   /* relays that have an IPv4 address */
	union ntm_addr mapping[2]; /* where two relays see one socket; family 0: no answer */
	bool filter_asked;	   /* there is a mapping to send to */
	bool from_address, from_port;
	bool hairpin_asked, hairpin;
	bool mtu_asked[2][NTM_NETCHECK_MTUS], mtu[2][NTM_NETCHECK_MTUS];
	bool life_asked[NTM_NETCHECK_LIVES], life[NTM_NETCHECK_LIVES];
};

/** ntm_netcheck_start() - begin; @reply is answered when it is over. False: no memory, or one runs already (@reply is not touched) */
bool ntm_netcheck_start(struct ntm_node *node, bool lifetime, struct ntm_control_reply *reply);
/** ntm_netcheck_packet() - a Relay Probe Response at the node's own socket; false: none of the check's */
bool ntm_netcheck_packet(struct ntm_node *node, const uint8_t *packet, size_t len);
/** ntm_netcheck_stop() - the node ends */
void ntm_netcheck_stop(struct ntm_node *node);

/** ntm_netcheck_report() - the answer to "netcheck"; a new reference */
json_t *ntm_netcheck_report(const struct ntm_survey *survey,
			    const struct ntm_netcheck_results *results);

#endif
