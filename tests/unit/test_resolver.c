// SPDX-License-Identifier: GPL-2.0
/*
 * DNS messages: what is taken for a query, and what an answer looks like byte for byte where that
 * matters.
 *
 * with: ntmd/node/resolver.c
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/resolver.h"

#define TTL 1

static const char zone[] = "example.net";
static struct in_addr v4;
static struct in6_addr v6;

/** struct wire - a message under construction */
struct wire {
	uint8_t bytes[1400];
	size_t len;
};

static void put(struct wire *w, const void *data, size_t len)
{
	memcpy(w->bytes + w->len, data, len);
	w->len += len;
}

static void put16(struct wire *w, uint16_t value)
{
	uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };

	put(w, bytes, 2);
}

static void put_name(struct wire *w, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");
		uint8_t byte = (uint8_t)len;

		put(w, &byte, 1);
		put(w, name, len);
		name += len + (name[len] == '.');
	}
	put(w, "", 1);
}

/* Header with RD, one question */
static struct wire query(const char *name, uint16_t type, uint16_t class)
{
	struct wire w = { .len = 0 };

	put16(&w, 0x1234);
	put16(&w, 0x0100);
	put16(&w, 1);
	put16(&w, 0);
	put16(&w, 0);
	put16(&w, 0);
	put_name(&w, name);
	put16(&w, type);
	put16(&w, class);
	return w;
}

static void put_edns(struct wire *w, uint16_t size, uint8_t version, uint16_t flags)
{
	uint8_t ext[2] = { 0, version };

	w->bytes[11]++;
	put(w, "", 1);
	put16(w, LDNS_RR_TYPE_OPT);
	put16(w, size);
	put(w, ext, 2);
	put16(w, flags);
	put16(w, 0);
}

/* A buffer of its own for each length, so that ASan sees one byte too far */
static int parse(struct ntm_dns_query *q, const uint8_t *msg, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, msg, len);
	err = ntm_dns_parse(q, copy, len);
	free(copy);
	return err;
}

static void parse_ok(struct ntm_dns_query *q, const struct wire *w)
{
	assert_int_equal(parse(q, w->bytes, w->len), 0);
}

/** struct reply - an answer, read back by ldns */
struct reply {
	uint8_t bytes[NTM_DNS_ANSWER_MAX];
	int len;
	ldns_pkt *pkt;
};

static void answer(struct reply *r, const struct ntm_dns_query *q, enum ntm_dns_rcode rcode,
		   const char *ptr)
{
	r->len = ntm_dns_answer(q, rcode, zone, &v4, &v6, ptr, TTL, r->bytes, sizeof(r->bytes));
	assert_true(r->len > 12);
	assert_int_equal(ldns_wire2pkt(&r->pkt, r->bytes, (size_t)r->len), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_id(r->pkt), q->id);
	assert_true(ldns_pkt_qr(r->pkt));
	assert_int_equal(ldns_pkt_qdcount(r->pkt), 1);
}

static void ask(struct reply *r, const char *name, uint16_t type, enum ntm_dns_rcode rcode,
		const char *ptr)
{
	struct wire w = query(name, type, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;

	parse_ok(&q, &w);
	answer(r, &q, rcode, ptr);
}

static const uint8_t *record_data(const struct reply *r, unsigned int i, ldns_rr_type type)
{
	const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(r->pkt), i);

	assert_non_null(rr);
	assert_int_equal(ldns_rr_get_type(rr), type);
	assert_int_equal(ldns_rr_ttl(rr), TTL);
	return ldns_rdf_data(ldns_rr_rdf(rr, 0));
}

static void test_parse(void **state)
{
	struct wire w = query("cn.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;

	(void)state;
	parse_ok(&q, &w);
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.qtype, LDNS_RR_TYPE_A);
	assert_int_equal(q.qclass, LDNS_RR_CLASS_IN);
	assert_true(q.rd);
	assert_false(q.has_edns);
	assert_string_equal(q.name, "cn.example.net");
	assert_int_equal(q.raw_len, w.len);
}

static void test_parse_edns(void **state)
{
	struct wire w = query("cn.example.net", LDNS_RR_TYPE_AAAA, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;

	(void)state;
	put_edns(&w, 1400, 0, 0x8000);
	parse_ok(&q, &w);
	assert_true(q.has_edns);
	assert_true(q.dnssec_ok);
	assert_int_equal(q.edns_size, 1400);
	assert_int_equal(q.edns_version, 0);
}

static void test_names(void **state)
{
	char label[64], name[256];
	struct ntm_dns_query q;
	struct wire w;

	(void)state;
	w = query("", LDNS_RR_TYPE_NS, LDNS_RR_CLASS_IN);
	parse_ok(&q, &w);
	assert_string_equal(q.name, "");
	memset(label, 'x', 63);
	label[63] = 0;
	snprintf(name, sizeof(name), "%s.%s.%s.%.61s", label, label, label, label);
	assert_int_equal(strlen(name), 253);
	w = query(name, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	parse_ok(&q, &w);
	assert_string_equal(q.name, name);
	/* Bytes that would need an escape; a dot inside a label must not make two of it */
	w = query("a.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	w.bytes[13] = '.';
	parse_ok(&q, &w);
	assert_string_equal(q.name, "?.example.net");
	w.bytes[13] = 0;
	parse_ok(&q, &w);
	assert_string_equal(q.name, "?.example.net");
}

static void test_truncated(void **state)
{
	struct wire w = query("cn.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;

	(void)state;
	put_edns(&w, 1232, 0, 0);
	for (size_t len = 0; len < w.len; len++)
		assert_int_equal(parse(&q, w.bytes, len), -EBADMSG);
	parse_ok(&q, &w);
}

static void expect_refused(struct wire w, size_t offset, uint8_t value)
{
	struct ntm_dns_query q;

	w.bytes[offset] = value;
	assert_int_equal(parse(&q, w.bytes, w.len), -EBADMSG);
}

static void test_malformed(void **state)
{
	struct wire w = query("cn.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;

	(void)state;
	expect_refused(w, 2, 0x81); /* a response */
	expect_refused(w, 2, 0x21); /* opcode 4 */
	expect_refused(w, 2, 0x03); /* truncated */
	expect_refused(w, 5, 0);    /* no question */
	expect_refused(w, 5, 2);    /* two, one of them missing */
	expect_refused(w, 7, 1);    /* an answer in a query */
	expect_refused(w, 9, 1);
	expect_refused(w, 11, 1);    /* an additional record that is not there */
	expect_refused(w, 12, 0x40); /* reserved label type */
	expect_refused(w, 12, 63);   /* a label past the end */
	w.bytes[12] = 0xc0;	     /* a name that points at itself */
	w.bytes[13] = 12;
	assert_int_equal(parse(&q, w.bytes, w.len), -EBADMSG);
	memset(&w, 0, sizeof(w));
	w = query("cn.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	assert_int_equal(parse(&q, w.bytes, 513), -EBADMSG);
}

/*
 * Whatever is made of a query, neither parser nor answer may step out of bounds (ASan and UBSan
 * look on)
 */
static void test_random(void **state)
{
	uint8_t out[NTM_DNS_ANSWER_MAX];
	struct ntm_dns_query q;
	unsigned int seed = 4330;

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		struct wire w = query("cn.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);

		put_edns(&w, 1232, 0, 0);
		for (int flips = rand_r(&seed) % 4; flips >= 0; flips--)
			w.bytes[(unsigned int)rand_r(&seed) % w.len] = (uint8_t)rand_r(&seed);
		if (!parse(&q, w.bytes, w.len - (unsigned int)rand_r(&seed) % 8))
			assert_true(ntm_dns_answer(&q, NTM_DNS_NOERROR, zone, &v4, &v6, NULL, TTL,
						   out, sizeof(out)) <= (int)sizeof(out));
	}
}

static void test_a(void **state)
{
	struct reply r;

	(void)state;
	ask(&r, "cn.example.net", LDNS_RR_TYPE_A, NTM_DNS_NOERROR, NULL);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), NTM_DNS_NOERROR);
	assert_true(ldns_pkt_aa(r.pkt));
	assert_true(ldns_pkt_rd(r.pkt));
	assert_true(ldns_pkt_ra(r.pkt));
	assert_int_equal(ldns_pkt_ancount(r.pkt), 1);
	assert_int_equal(ldns_pkt_nscount(r.pkt), 0);
	assert_memory_equal(record_data(&r, 0, LDNS_RR_TYPE_A), &v4, 4);
	ldns_pkt_free(r.pkt);
}

static void test_aaaa(void **state)
{
	struct reply r;

	(void)state;
	ask(&r, "cn.example.net", LDNS_RR_TYPE_AAAA, NTM_DNS_NOERROR, NULL);
	assert_int_equal(ldns_pkt_ancount(r.pkt), 1);
	assert_memory_equal(record_data(&r, 0, LDNS_RR_TYPE_AAAA), &v6, 16);
	ldns_pkt_free(r.pkt);
}

static void test_any(void **state)
{
	struct reply r;

	(void)state;
	ask(&r, "cn.example.net", LDNS_RR_TYPE_ANY, NTM_DNS_NOERROR, NULL);
	assert_int_equal(ldns_pkt_ancount(r.pkt), 2);
	assert_memory_equal(record_data(&r, 0, LDNS_RR_TYPE_A), &v4, 4);
	assert_memory_equal(record_data(&r, 1, LDNS_RR_TYPE_AAAA), &v6, 16);
	ldns_pkt_free(r.pkt);
}

/* The question goes back as it came: some resolvers hide a nonce in the case of its letters */
static void test_case(void **state)
{
	struct wire w = query("cN.ExAmPle.NET", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;
	struct reply r;

	(void)state;
	parse_ok(&q, &w);
	assert_string_equal(q.name, "cn.example.net");
	answer(&r, &q, NTM_DNS_NOERROR, NULL);
	assert_memory_equal(r.bytes + 12, w.bytes + 12, w.len - 12);
	ldns_pkt_free(r.pkt);
}

static void expect_soa(const struct reply *r)
{
	const ldns_rr *soa = ldns_rr_list_rr(ldns_pkt_authority(r->pkt), 0);
	char *owner;

	assert_int_equal(ldns_pkt_ancount(r->pkt), 0);
	assert_int_equal(ldns_pkt_nscount(r->pkt), 1);
	assert_int_equal(ldns_rr_get_type(soa), LDNS_RR_TYPE_SOA);
	assert_int_equal(ldns_rr_rd_count(soa), 7);
	assert_int_equal(ldns_rdf2native_int32(ldns_rr_rdf(soa, 6)), TTL);
	owner = ldns_rdf2str(ldns_rr_owner(soa));
	assert_string_equal(owner, "example.net.");
	free(owner);
}

static void test_nodata(void **state)
{
	struct reply r;

	(void)state;
	ask(&r, "cn.example.net", LDNS_RR_TYPE_MX, NTM_DNS_NOERROR, NULL);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), NTM_DNS_NOERROR);
	expect_soa(&r);
	ldns_pkt_free(r.pkt);
}

static void test_nxdomain(void **state)
{
	struct reply r;

	(void)state;
	ask(&r, "nobody.example.net", LDNS_RR_TYPE_A, NTM_DNS_NXDOMAIN, NULL);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), NTM_DNS_NXDOMAIN);
	expect_soa(&r);
	ldns_pkt_free(r.pkt);
}

static void test_servfail(void **state)
{
	struct reply r;

	(void)state;
	ask(&r, "cn.example.net", LDNS_RR_TYPE_A, NTM_DNS_SERVFAIL, NULL);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), NTM_DNS_SERVFAIL);
	assert_int_equal(ldns_pkt_ancount(r.pkt) + ldns_pkt_nscount(r.pkt), 0);
	assert_false(ldns_pkt_aa(r.pkt));
	ldns_pkt_free(r.pkt);
}

static void test_ptr(void **state)
{
	struct reply r;
	char *name;

	(void)state;
	ask(&r, "2.0.64.100.in-addr.arpa", LDNS_RR_TYPE_PTR, NTM_DNS_NOERROR, "cn.example.net");
	record_data(&r, 0, LDNS_RR_TYPE_PTR);
	name = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(r.pkt), 0), 0));
	assert_string_equal(name, "cn.example.net.");
	free(name);
	ldns_pkt_free(r.pkt);
	/* No SOA of a zone that the question is not in */
	ask(&r, "2.0.64.100.in-addr.arpa", LDNS_RR_TYPE_PTR, NTM_DNS_NXDOMAIN, NULL);
	assert_int_equal(ldns_pkt_nscount(r.pkt), 0);
	ldns_pkt_free(r.pkt);
}

static void expect_refusal(uint16_t type, uint16_t class)
{
	struct wire w = query("cn.example.net", type, class);
	struct ntm_dns_query q;
	struct reply r;

	parse_ok(&q, &w);
	answer(&r, &q, NTM_DNS_NOERROR, NULL);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), NTM_DNS_REFUSED);
	assert_int_equal(ldns_pkt_ancount(r.pkt), 0);
	ldns_pkt_free(r.pkt);
}

static void test_refused(void **state)
{
	(void)state;
	expect_refusal(LDNS_RR_TYPE_TXT, LDNS_RR_CLASS_CH);
	expect_refusal(LDNS_RR_TYPE_A, LDNS_RR_CLASS_HS);
	expect_refusal(LDNS_RR_TYPE_AXFR, LDNS_RR_CLASS_IN);
	expect_refusal(LDNS_RR_TYPE_IXFR, LDNS_RR_CLASS_IN);
}

static void test_edns_answer(void **state)
{
	struct wire w = query("cn.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;
	struct reply r;

	(void)state;
	put_edns(&w, 4096, 0, 0x8000);
	parse_ok(&q, &w);
	answer(&r, &q, NTM_DNS_NOERROR, NULL);
	assert_true(ldns_pkt_edns(r.pkt));
	assert_true(ldns_pkt_edns_do(r.pkt));
	assert_int_equal(ldns_pkt_edns_udp_size(r.pkt), NTM_DNS_ANSWER_MAX);
	assert_int_equal(ldns_pkt_ancount(r.pkt), 1);
	ldns_pkt_free(r.pkt);
}

static void test_edns_version(void **state)
{
	struct wire w = query("cn.example.net", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	struct ntm_dns_query q;
	struct reply r;

	(void)state;
	put_edns(&w, 1232, 1, 0);
	parse_ok(&q, &w);
	answer(&r, &q, NTM_DNS_NOERROR, NULL);
	assert_int_equal(ldns_pkt_edns_extended_rcode(r.pkt), 1);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), 0);
	assert_int_equal(ldns_pkt_edns_version(r.pkt), 0);
	assert_int_equal(ldns_pkt_ancount(r.pkt), 0);
	ldns_pkt_free(r.pkt);
}

/* Two names of 253 bytes do not fit into 512; with EDNS they do */
static void test_size(void **state)
{
	char label[64], name[256], target[256];
	struct ntm_dns_query q;
	struct reply r;
	struct wire w;

	(void)state;
	memset(label, 'x', 63);
	label[63] = 0;
	snprintf(name, sizeof(name), "%s.%s.%s.%.61s", label, label, label, label);
	memset(label, 'y', 63); /* another one, or compression makes it short */
	snprintf(target, sizeof(target), "%s.%s.%s.%.61s", label, label, label, label);
	w = query(name, LDNS_RR_TYPE_PTR, LDNS_RR_CLASS_IN);
	parse_ok(&q, &w);
	answer(&r, &q, NTM_DNS_NOERROR, target);
	assert_true(r.len <= 512);
	assert_true(ldns_pkt_tc(r.pkt));
	assert_int_equal(ldns_pkt_ancount(r.pkt), 0);
	ldns_pkt_free(r.pkt);
	put_edns(&w, 1232, 0, 0);
	parse_ok(&q, &w);
	answer(&r, &q, NTM_DNS_NOERROR, target);
	assert_false(ldns_pkt_tc(r.pkt));
	assert_int_equal(ldns_pkt_ancount(r.pkt), 1);
	ldns_pkt_free(r.pkt);
	assert_int_equal(ntm_dns_answer(&q, NTM_DNS_NOERROR, zone, &v4, &v6, target, TTL, r.bytes,
					20),
			 -EMSGSIZE);
}

/* A zone as long as a name may be leaves no room for the mailbox's label */
static void test_long_zone(void **state)
{
	char label[64], name[256];
	struct ntm_dns_query q;
	uint8_t out[NTM_DNS_ANSWER_MAX];
	struct wire w;

	(void)state;
	memset(label, 'x', 63);
	label[63] = 0;
	snprintf(name, sizeof(name), "%s.%s.%s.%.61s", label, label, label, label);
	w = query(name, LDNS_RR_TYPE_MX, LDNS_RR_CLASS_IN);
	parse_ok(&q, &w);
	assert_true(ntm_dns_answer(&q, NTM_DNS_NOERROR, name, NULL, NULL, NULL, TTL, out,
				   sizeof(out)) > 0);
}

static int setup(void **state)
{
	(void)state;
	inet_pton(AF_INET, "100.64.0.2", &v4);
	inet_pton(AF_INET6, "fd00:4e54::2", &v6);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_edns),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_a),
		cmocka_unit_test(test_aaaa),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_case),
		cmocka_unit_test(test_nodata),
		cmocka_unit_test(test_nxdomain),
		cmocka_unit_test(test_servfail),
		cmocka_unit_test(test_ptr),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_edns_answer),
		cmocka_unit_test(test_edns_version),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_long_zone),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
