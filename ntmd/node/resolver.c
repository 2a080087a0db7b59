// SPDX-License-Identifier: GPL-2.0
/*
 * DNS messages of the zone, by ldns. A query is parsed again for its answer: the question goes
 * back letter by letter.
 */
#include "resolver.h"

#include <ctype.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

#define HEADER_LEN 12
#define PLAIN_MAX 512	    /* an answer to a query without EDNS */
#define EXT_RCODE_BADVERS 1 /* upper bits of rcode 16 */
#define SOA_REFRESH 3600
#define SOA_RETRY 600
#define SOA_EXPIRE 86400

/* What a plain query looks like, before a library is asked to read the rest */
static bool is_plain_query(const uint8_t *msg, size_t len)
{
	if (len < HEADER_LEN || len > sizeof(((struct ntm_dns_query *)NULL)->raw))
		return false;
	return !LDNS_QR_WIRE(msg) && !LDNS_TC_WIRE(msg) &&
	       LDNS_OPCODE_WIRE(msg) == LDNS_PACKET_QUERY && LDNS_QDCOUNT(msg) == 1 &&
	       LDNS_ANCOUNT(msg) == 0 && LDNS_NSCOUNT(msg) == 0 && LDNS_ARCOUNT(msg) <= 2;
}

/* The only question of a query */
static const ldns_rr *question_of(const ldns_pkt *pkt)
{
	return ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
}

/*
 * A name as text. Same length as on the wire, so it fits: what no host name may have becomes a
 * '?', never an escape.
 */
static int name_to_text(const ldns_rdf *dname, char out[254])
{
	const uint8_t *wire = ldns_rdf_data(dname);
	size_t size = ldns_rdf_size(dname), n = 0;

	if (size < 1 || size > 255)
		return -EBADMSG;
	for (size_t i = 0; i < size && wire[i];) {
		size_t label = wire[i++];

		if (label > 63 || i + label >= size)
			return -EBADMSG;
		if (n)
			out[n++] = '.';
		for (; label; label--, i++)
			out[n++] = isalnum(wire[i]) || wire[i] == '-' || wire[i] == '_' ?
					   (char)tolower(wire[i]) :
					   '?';
	}
	out[n] = 0;
	return 0;
}

static void read_edns(struct ntm_dns_query *q, const ldns_pkt *pkt)
{
	q->has_edns = ldns_pkt_edns(pkt);
	if (!q->has_edns)
		return;
	q->edns_size = ldns_pkt_edns_udp_size(pkt);
	q->edns_version = ldns_pkt_edns_version(pkt);
	q->dnssec_ok = ldns_pkt_edns_do(pkt);
}

int ntm_dns_parse(struct ntm_dns_query *q, const uint8_t *msg, size_t len)
{
	ldns_pkt *pkt = NULL;
	const ldns_rr *question;
	int err;

	memset(q, 0, sizeof(*q));
	if (!is_plain_query(msg, len) || ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return -EBADMSG;
	question = question_of(pkt);
	q->id = ldns_pkt_id(pkt);
	q->rd = ldns_pkt_rd(pkt);
	q->checking_disabled = ldns_pkt_cd(pkt);
	q->qtype = (uint16_t)ldns_rr_get_type(question);
	q->qclass = (uint16_t)ldns_rr_get_class(question);
	read_edns(q, pkt);
	memcpy(q->raw, msg, len);
	q->raw_len = len;
	err = name_to_text(ldns_rr_owner(question), q->name);
	ldns_pkt_free(pkt);
	return err;
}

/**
 * struct answer - one answer in the making; @failed: memory ran out on the way, the whole is worth
 * nothing
 */
struct answer {
	const struct ntm_dns_query *q;
	ldns_pkt *pkt;
	const ldns_rdf *qname;
	uint32_t ttl;
	bool failed;
};

static void add_rdf(struct answer *a, ldns_rr *rr, ldns_rdf *rdf)
{
	if (!rdf || !ldns_rr_push_rdf(rr, rdf)) {
		ldns_rdf_deep_free(rdf);
		a->failed = true;
	}
}

/* A record without data yet, owned by the answer's section; NULL if memory ran out */
static ldns_rr *add_rr(struct answer *a, ldns_pkt_section section, const ldns_rdf *owner,
		       ldns_rr_type type)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *name = ldns_rdf_clone(owner);

	if (!rr || !name || !ldns_pkt_push_rr(a->pkt, section, rr)) {
		ldns_rdf_deep_free(name);
		ldns_rr_free(rr);
		a->failed = true;
		return NULL;
	}
	ldns_rr_set_owner(rr, name);
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, a->ttl);
	return rr;
}

static void add_address(struct answer *a, ldns_rr_type type, ldns_rdf_type rdf_type,
			const void *addr, size_t len)
{
	ldns_rr *rr = add_rr(a, LDNS_SECTION_ANSWER, a->qname, type);

	if (rr)
		add_rdf(a, rr, ldns_rdf_new_frm_data(rdf_type, len, addr));
}

static void add_ptr(struct answer *a, const char *name)
{
	ldns_rr *rr = add_rr(a, LDNS_SECTION_ANSWER, a->qname, LDNS_RR_TYPE_PTR);

	if (rr)
		add_rdf(a, rr, ldns_dname_new_frm_str(name));
}

/* The mailbox that an SOA wants: hostmaster.ZONE, or the zone where that is too long */
static ldns_rdf *soa_mailbox(const ldns_rdf *zone)
{
	ldns_rdf *label = ldns_dname_new_frm_str("hostmaster"), *name;

	name = label && ldns_rdf_size(zone) + 11 <= 255 ? ldns_dname_cat_clone(label, zone) :
							  ldns_rdf_clone(zone);
	ldns_rdf_deep_free(label);
	return name;
}

/* The SOA of a negative answer (RFC 2308), if the question is in the zone at all */
static void add_soa(struct answer *a, const char *zone_text)
{
	const uint32_t numbers[] = { 1, SOA_REFRESH, SOA_RETRY, SOA_EXPIRE, a->ttl };
	ldns_rdf *zone;
	ldns_rr *rr;

	if (!zone_text || !*zone_text)
		return;
	zone = ldns_dname_new_frm_str(zone_text);
	if (!zone)
		return;
	if (ldns_dname_compare(a->qname, zone) == 0 || ldns_dname_is_subdomain(a->qname, zone)) {
		rr = add_rr(a, LDNS_SECTION_AUTHORITY, zone, LDNS_RR_TYPE_SOA);
		if (rr) {
			add_rdf(a, rr, ldns_rdf_clone(zone));
			add_rdf(a, rr, soa_mailbox(zone));
			for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
				add_rdf(a, rr,
					ldns_native2rdf_int32(i ? LDNS_RDF_TYPE_PERIOD :
								  LDNS_RDF_TYPE_INT32,
							      numbers[i]));
		}
	}
	ldns_rdf_deep_free(zone);
}

static void set_header(struct answer *a, uint8_t rcode)
{
	const struct ntm_dns_query *q = a->q;
	ldns_pkt *pkt = a->pkt;

	ldns_pkt_set_id(pkt, q->id);
	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_opcode(pkt, LDNS_PACKET_QUERY);
	ldns_pkt_set_aa(pkt, rcode == NTM_DNS_NOERROR || rcode == NTM_DNS_NXDOMAIN);
	ldns_pkt_set_rd(pkt, q->rd);
	ldns_pkt_set_ra(pkt, q->rd);
	ldns_pkt_set_cd(pkt, q->checking_disabled);
	ldns_pkt_set_rcode(pkt, rcode);
	if (q->has_edns) {
		ldns_pkt_set_edns_udp_size(pkt, NTM_DNS_ANSWER_MAX);
		ldns_pkt_set_edns_do(pkt, q->dnssec_ok);
		if (q->edns_version)
			ldns_pkt_set_edns_extended_rcode(pkt, EXT_RCODE_BADVERS);
	}
}

/* What the caller decided, unless the query itself is one that we do not serve */
static enum ntm_dns_rcode rcode_for(const struct ntm_dns_query *q, enum ntm_dns_rcode rcode)
{
	if (q->edns_version)
		return NTM_DNS_NOERROR; /* the lower bits of BADVERS */
	if (q->qclass != LDNS_RR_CLASS_IN && q->qclass != LDNS_RR_CLASS_ANY)
		return NTM_DNS_REFUSED;
	if (q->qtype >= LDNS_RR_TYPE_IXFR && q->qtype <= LDNS_RR_TYPE_MAILA)
		return NTM_DNS_REFUSED;
	return rcode;
}

static void add_records(struct answer *a, const char *zone, const struct in_addr *v4,
			const struct in6_addr *v6, const char *ptr)
{
	const uint16_t type = a->q->qtype;
	const bool any = type == LDNS_RR_TYPE_ANY;

	if (v4 && (any || type == LDNS_RR_TYPE_A))
		add_address(a, LDNS_RR_TYPE_A, LDNS_RDF_TYPE_A, v4, sizeof(*v4));
	if (v6 && (any || type == LDNS_RR_TYPE_AAAA))
		add_address(a, LDNS_RR_TYPE_AAAA, LDNS_RDF_TYPE_AAAA, v6, sizeof(*v6));
	if (ptr && (any || type == LDNS_RR_TYPE_PTR))
		add_ptr(a, ptr);
	if (!ldns_pkt_ancount(a->pkt))
		add_soa(a, zone);
}

/* The most that the asker and the caller's buffer take */
static size_t size_limit(const struct ntm_dns_query *q, size_t size)
{
	size_t limit = PLAIN_MAX;

	if (q->has_edns && q->edns_size > PLAIN_MAX)
		limit = q->edns_size < NTM_DNS_ANSWER_MAX ? q->edns_size : NTM_DNS_ANSWER_MAX;
	return limit < size ? limit : size;
}

static int to_wire(ldns_pkt *pkt, uint8_t *out, size_t limit)
{
	uint8_t *wire = NULL;
	size_t len = 0;

	if (ldns_pkt2wire(&wire, pkt, &len) != LDNS_STATUS_OK)
		return -ENOMEM;
	if (len <= limit)
		memcpy(out, wire, len);
	free(wire);
	return len <= limit ? (int)len : -EMSGSIZE;
}

/* Question and header alone, with TC */
static int to_wire_truncated(ldns_pkt *pkt, uint8_t *out, size_t limit)
{
	ldns_rr_list_deep_free(ldns_pkt_answer(pkt));
	ldns_rr_list_deep_free(ldns_pkt_authority(pkt));
	ldns_pkt_set_answer(pkt, ldns_rr_list_new());
	ldns_pkt_set_authority(pkt, ldns_rr_list_new());
	ldns_pkt_set_ancount(pkt, 0);
	ldns_pkt_set_nscount(pkt, 0);
	ldns_pkt_set_tc(pkt, true);
	return to_wire(pkt, out, limit);
}

static int build(struct answer *a, const ldns_rr *question, size_t size, uint8_t *out)
{
	ldns_rr *copy = ldns_rr_clone(question);
	int len;

	if (!copy || !ldns_pkt_push_rr(a->pkt, LDNS_SECTION_QUESTION, copy)) {
		ldns_rr_free(copy);
		return -ENOMEM;
	}
	if (a->failed)
		return -ENOMEM;
	len = to_wire(a->pkt, out, size_limit(a->q, size));
	return len == -EMSGSIZE ? to_wire_truncated(a->pkt, out, size_limit(a->q, size)) : len;
}

int ntm_dns_answer(const struct ntm_dns_query *q, enum ntm_dns_rcode rcode, const char *zone,
		   const struct in_addr *v4, const struct in6_addr *v6, const char *ptr,
		   uint32_t ttl, uint8_t *out, size_t size)
{
	struct answer a = { .q = q, .ttl = ttl };
	ldns_pkt *query = NULL;
	int len = -ENOMEM;

	if (ldns_wire2pkt(&query, q->raw, q->raw_len) != LDNS_STATUS_OK)
		return -EBADMSG;
	a.pkt = ldns_pkt_new();
	if (a.pkt) {
		a.qname = ldns_rr_owner(question_of(query));
		rcode = rcode_for(q, rcode);
		set_header(&a, (uint8_t)rcode);
		if (rcode == NTM_DNS_NOERROR && !q->edns_version)
			add_records(&a, zone, v4, v6, ptr);
		else if (rcode == NTM_DNS_NXDOMAIN)
			add_soa(&a, zone);
		len = build(&a, question_of(query), size, out);
		ldns_pkt_free(a.pkt);
	}
	ldns_pkt_free(query);
	return len;
}
