/* SPDX-License-Identifier: GPL-2.0 */
/*
 * NAT64 (RFC 6146): in an IPv6-only network IPv4 hosts are reached at IPv6 addresses below a prefix of the network.
 * Pure: how an IPv4 address stands in an IPv6 one (RFC 6052), and how the prefix shows in the addresses that DNS gives for
 * ipv4only.arpa (RFC 7050).
 */
#ifndef NTM_NAT64_H
#define NTM_NAT64_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/addr.h"

/** struct ntm_nat64 - a prefix of 32, 40, 48, 56, 64 or 96 bits; @len 0: there is none */
struct ntm_nat64 {
	struct in6_addr addr;
	uint8_t len;
};

bool ntm_nat64_equal(const struct ntm_nat64 *a, const struct ntm_nat64 *b);

/**
 * ntm_nat64_embed() - the IPv6 address of an IPv4 one
 *
 * 0; -ENOENT without a prefix; -ENETUNREACH for an address that is not global, below the well-known prefix 64:ff9b::/96 (RFC 6052
 * 3.1), and for those that never leave a host or link.
 */
int ntm_nat64_embed(const struct ntm_nat64 *nat64, const struct in_addr *v4, struct in6_addr *out);
/** ntm_nat64_extract() - the reverse; false: it is not below the prefix */
bool ntm_nat64_extract(const struct ntm_nat64 *nat64, const struct in6_addr *v6,
		       struct in_addr *out);

/** ntm_nat64_learn() - the prefix that these addresses of ipv4only.arpa show; false, and none: no single one */
bool ntm_nat64_learn(const struct in6_addr *addrs, size_t count, struct ntm_nat64 *out);

#define NTM_NAT64_QUERY 31
/** ntm_nat64_query() - a DNS query for them */
void ntm_nat64_query(uint16_t id, uint8_t out[NTM_NAT64_QUERY]);
/** ntm_nat64_answer() - what the answer shows: 0; -ENOENT no prefix, for certain; -EAGAIN no answer; -EBADMSG no DNS message */
int ntm_nat64_answer(const uint8_t *msg, size_t len, struct ntm_nat64 *out);

/** ntm_nat64_out() - where to send what is for @to: as ntm_nat64_embed(), with the port; an IPv6 address stays as it is */
int ntm_nat64_out(const struct ntm_nat64 *nat64, const union ntm_addr *to, union ntm_addr *out);
/** ntm_nat64_in() - whom that came from: the IPv4 address, if it is one below the prefix; else as it is */
void ntm_nat64_in(const struct ntm_nat64 *nat64, const union ntm_addr *from, union ntm_addr *out);

#endif
