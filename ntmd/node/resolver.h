/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DNS messages of the zone (ldns): parses a caught query, holds it until the tunnel
 * stands, makes the answer. Pure but for the table of waiting queries; the node tells it the outcome.
 */
#ifndef NTM_RESOLVER_H
#define NTM_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTM_DNS_ANSWER_MAX 1232

/** struct ntm_dns_query - what a caught query asks */
struct ntm_dns_query {
	uint16_t id;
	uint16_t qtype;
	uint16_t qclass;
	bool rd, has_edns, checking_disabled, dnssec_ok;
	uint8_t edns_version;
	uint16_t edns_size;
	char name[254]; /* lower case, no final dot; a byte that no host name has is a '?' */
	uint8_t raw[512];
	size_t raw_len;
};

enum ntm_dns_rcode {
	NTM_DNS_NOERROR = 0,
	NTM_DNS_FORMERR = 1,
	NTM_DNS_SERVFAIL = 2,
	NTM_DNS_NXDOMAIN = 3,
	NTM_DNS_NOTIMP = 4,
	NTM_DNS_REFUSED = 5
};

/** ntm_dns_parse() - 0, or -EBADMSG if it is no well-formed query with one question (let it pass then) */
int ntm_dns_parse(struct ntm_dns_query *q, const uint8_t *msg, size_t len);
/**
 * ntm_dns_answer() - make the answer
 * @v4, @v6:	addresses, or NULL; with NOERROR an A query gets @v4, AAAA @v6, any other type no record (NODATA, with
 *		an SOA of @zone). PTR queries: @ptr is the name, or NULL.
 * @ttl:	seconds; short, e.g. 1: the held answer is what starts a tunnel
 *
 * The question is repeated with its own letter case; AA set, RA as the query's RD. What does not fit into
 * what the asker takes (512 bytes without EDNS) is left out, with TC set. Queries of another class than IN and ANY, and zone
 * transfers, are refused; an EDNS version we do not know gets BADVERS. Returns the length or a negative errno.
 */
int ntm_dns_answer(const struct ntm_dns_query *q, enum ntm_dns_rcode rcode, const char *zone,
		   const struct in_addr *v4, const struct in6_addr *v6, const char *ptr,
		   uint32_t ttl, uint8_t *out, size_t size);

#endif
