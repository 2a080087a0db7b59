// SPDX-License-Identifier: GPL-2.0
#include "nat64.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

#define ANSWERS_MAX 16
#define ZERO_BYTE 8 /* bits 64 to 71 are zero in all forms (RFC 6052 2.2) */

static const uint8_t lengths[] = { 96, 64, 56, 48, 40, 32 };
static const uint8_t well_known[12] = { 0, 0x64, 0xff, 0x9b };

/* What ipv4only.arpa is in IPv4: 192.0.0.170 and .171 (RFC 7050 2.2) */
static bool is_known_host(const uint8_t v4[4])
{
	return v4[0] == 192 && v4[1] == 0 && v4[2] == 0 && (v4[3] == 170 || v4[3] == 171);
}

bool ntm_nat64_equal(const struct ntm_nat64 *a, const struct ntm_nat64 *b)
{
	return a->len == b->len &&
	       (!a->len || !memcmp(a->addr.s6_addr, b->addr.s6_addr, sizeof(a->addr.s6_addr)));
}

/* The IPv4 address stands behind the prefix, around the zero byte */
static void put_v4(uint8_t v6[16], unsigned int len, const uint8_t v4[4])
{
	unsigned int at = len / 8;

	for (unsigned int i = 0; i < 4; i++, at++) {
		if (at == ZERO_BYTE)
			at++;
		v6[at] = v4[i];
	}
}

static void get_v4(const uint8_t v6[16], unsigned int len, uint8_t v4[4])
{
	unsigned int at = len / 8;

	for (unsigned int i = 0; i < 4; i++, at++) {
		if (at == ZERO_BYTE)
			at++;
		v4[i] = v6[at];
	}
}

/* Of a host, a link, many, or nobody */
static bool is_local(uint32_t v4)
{
	return v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 16 == 0xa9fe || v4 >> 28 >= 0xe;
}

static bool is_private(uint32_t v4)
{
	return v4 >> 24 == 10 || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8 ||
	       v4 >> 22 == 0x64400000u >> 22;
}

static bool is_well_known(const struct ntm_nat64 *nat64)
{
	return nat64->len == 96 && !memcmp(nat64->addr.s6_addr, well_known, sizeof(well_known));
}

int ntm_nat64_embed(const struct ntm_nat64 *nat64, const struct in_addr *v4, struct in6_addr *out)
{
	const uint32_t number = ntohl(v4->s_addr);

	if (!nat64->len)
		return -ENOENT;
	if (is_local(number) || (is_well_known(nat64) && is_private(number)))
		return -ENETUNREACH;
	memset(out, 0, sizeof(*out));
	memcpy(out->s6_addr, nat64->addr.s6_addr, nat64->len / 8);
	put_v4(out->s6_addr, nat64->len, (const uint8_t *)&v4->s_addr);
	return 0;
}

bool ntm_nat64_extract(const struct ntm_nat64 *nat64, const struct in6_addr *v6,
		       struct in_addr *out)
{
	if (!nat64->len || memcmp(v6->s6_addr, nat64->addr.s6_addr, nat64->len / 8) != 0)
		return false;
	if (nat64->len < 96 && v6->s6_addr[ZERO_BYTE])
		return false;
	get_v4(v6->s6_addr, nat64->len, (uint8_t *)&out->s_addr);
	return true;
}

/* Of a link, of many, or below 0::/8, where of all prefixes two are for translation (64:ff9b::/96, and RFC 8215) */
static bool is_no_network(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_MULTICAST(addr) || IN6_IS_ADDR_LINKLOCAL(addr) ||
	       (!addr->s6_addr[0] && memcmp(addr->s6_addr, well_known, 4) != 0);
}

/* Where the known address stands in this one; 0: nowhere, or in more than one place (RFC 7050 3) */
static uint8_t place_in(const struct in6_addr *addr)
{
	uint8_t found = 0, v4[4];

	if (is_no_network(addr))
		return 0;
	for (size_t i = 0; i < sizeof(lengths); i++) {
		get_v4(addr->s6_addr, lengths[i], v4);
		if (!is_known_host(v4) || (lengths[i] < 96 && addr->s6_addr[ZERO_BYTE]))
			continue;
		if (found)
			return 0;
		found = lengths[i];
	}
	return found;
}

bool ntm_nat64_learn(const struct in6_addr *addrs, size_t count, struct ntm_nat64 *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < count; i++) {
		const uint8_t len = place_in(&addrs[i]);

		if (!len)
			continue;
		memcpy(out->addr.s6_addr, addrs[i].s6_addr, len / 8);
		out->len = len;
		return true;
	}
	return false;
}

void ntm_nat64_query(uint16_t id, uint8_t out[NTM_NAT64_QUERY])
{
	/* RD; one question: ipv4only.arpa AAAA IN */
	static const uint8_t query[NTM_NAT64_QUERY] = "\0\0\1\0\0\1\0\0\0\0\0\0"
						      "\x08ipv4only\4arpa\0\0\x1c\0\1";

	memcpy(out, query, sizeof(query));
	out[0] = (uint8_t)(id >> 8);
	out[1] = (uint8_t)id;
}

static size_t addresses_of(const ldns_pkt *pkt, struct in6_addr out[ANSWERS_MAX])
{
	const ldns_rr_list *list = ldns_pkt_answer(pkt);
	size_t count = 0;

	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && count < ANSWERS_MAX; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		const ldns_rdf *rdf = ldns_rr_rdf(rr, 0);

		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_AAAA || !rdf || ldns_rdf_size(rdf) != 16)
			continue;
		memcpy(&out[count++], ldns_rdf_data(rdf), 16);
	}
	return count;
}

int ntm_nat64_answer(const uint8_t *msg, size_t len, struct ntm_nat64 *out)
{
	struct in6_addr addrs[ANSWERS_MAX];
	ldns_pkt_rcode rcode;
	ldns_pkt *pkt = NULL;
	size_t count;

	memset(out, 0, sizeof(*out));
	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return -EBADMSG;
	rcode = ldns_pkt_get_rcode(pkt);
	count = addresses_of(pkt, addrs);
	ldns_pkt_free(pkt);
	if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN)
		return -EAGAIN;
	return ntm_nat64_learn(addrs, count, out) ? 0 : -ENOENT;
}

int ntm_nat64_out(const struct ntm_nat64 *nat64, const union ntm_addr *to, union ntm_addr *out)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	int err;

	if (to->sa.sa_family != AF_INET) {
		*out = *to;
		return 0;
	}
	err = ntm_nat64_embed(nat64, &to->v4.sin_addr, &v6.sin6_addr);
	v6.sin6_port = to->v4.sin_port;
	if (!err)
		out->v6 = v6;
	return err;
}

void ntm_nat64_in(const struct ntm_nat64 *nat64, const union ntm_addr *from, union ntm_addr *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	*out = *from;
	if (from->sa.sa_family != AF_INET6 ||
	    !ntm_nat64_extract(nat64, &from->v6.sin6_addr, &v4.sin_addr))
		return;
	v4.sin_port = from->v6.sin6_port;
	memset(out, 0, sizeof(*out));
	out->v4 = v4;
}
