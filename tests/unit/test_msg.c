// SPDX-License-Identifier: GPL-2.0
/*
 * The codec: every message there and back, bytes as PROTOCOL.md has them, and
 * everything that is malformed refused.
 */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "common/msg.h"

#define NAME252 /* 4 labels of 62 and their dots: 251 bytes, and two more */ \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."    \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."    \
	"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc."    \
	"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd."    \
	"e"

static const uint8_t types[] = {
	NTM_MSG_REGISTRATION_REQUEST, NTM_MSG_REGISTRATION_RESPONSE,
	NTM_MSG_KEEP_ALIVE,	      NTM_MSG_KEEP_ALIVE_RESPONSE,
	NTM_MSG_DIRECTION_REQUEST,    NTM_MSG_REFUSAL,
	NTM_MSG_ROUTE_DIRECTION,      NTM_MSG_ROUTE_DIRECTION_CONFIRMATION,
	NTM_MSG_INFORMATION_REQUEST,  NTM_MSG_INFORMATION_RESPONSE,
	NTM_MSG_RELAY_DIRECTION,      NTM_MSG_RELAY_RESPONSE,
	NTM_MSG_TUNNEL_CLOSE,	      NTM_MSG_PATH_PROBE,
	NTM_MSG_PATH_PROBE_RESPONSE,  NTM_MSG_ZONE_REQUEST,
	NTM_MSG_ZONE_RESPONSE,	      NTM_MSG_PORT_SEARCH,
};

/* Every TLV with a value of its own; TARGET is left out, as NAME is there. */
static void fill(struct ntm_msg *m, uint8_t type)
{
	memset(m, 0, sizeof(*m));
	m->type = type;
	m->request_id = 0x01020304;
	m->has = (1u << NTM_TLV_MAX) - 2;
	m->has &= ~(1u << NTM_TLV_TARGET);
	strcpy(m->name, "n1.example.net");
	strcpy(m->zone, "example.net");
	memset(m->token, 0x11, sizeof(m->token));
	inet_pton(AF_INET, "100.64.0.1", &m->virtual4);
	m->prefix4 = 10;
	inet_pton(AF_INET6, "fd00::1", &m->virtual6);
	m->prefix6 = 64;
	m->lifetime = 7200;
	m->keepalive = 25;
	m->observed.kind = NTM_CAND_REFLEXIVE;
	m->observed.addr = test_addr("192.0.2.1:9");
	m->candidates[0].addr = test_addr("10.0.0.1:4330");
	m->candidates[1].addr = test_addr("[2001:db8::1]:4330");
	m->candidates[1].kind = NTM_CAND_RELAYED;
	m->candidate_count = 2;
	strcpy(m->text, "gr\xc3\xbc\xc3\x9f");
	m->path_id = 0xdeadbeef;
	m->role = NTM_ROLE_RESPONDER;
	memset(m->peer_key, 0x22, 32);
	memset(m->path_psk, 0x33, 32);
	m->suites = 6;
	m->suite = 2;
	m->epoch = 5;
	m->session_id = 77;
	m->timestamp = 0x1122334455667788ULL;
	for (unsigned int i = 0; i < 2; i++) {
		memset(m->relays[i].key, (int)(0x44 + i), 32);
		m->relays[i].at_once = i;
		m->relays[i].addrs[0] = test_addr("192.0.2.9:4330");
		strcpy(m->relays[i].name, "rs1.example.net");
		m->ends[i].role = (uint8_t)(NTM_ROLE_INITIATOR + i);
		memset(m->ends[i].key, (int)(0x55 + i), 32);
		memset(m->ends[i].node, (int)(0x66 + i), 8);
		memset(m->rtts[i].relay, (int)(0x77 + i), 8);
		m->rtts[i].rtt_us = 20000 + i;
	}
	m->relays[1].addrs[1] = test_addr("[2001:db8::9]:4330");
	m->relay_count = m->end_count = m->rtt_count = 2;
	m->load = 250;
	m->peer_zones[0].virtual4 = m->virtual4;
	m->peer_zones[0].prefix4 = 16;
	m->peer_zones[0].prefix6 = NTM_NO_PREFIX;
	strcpy(m->peer_zones[0].name, "example.org");
	m->peer_zone_count = 1;
	strcpy(m->peer_name, "n2.example.org");
	m->nat = NTM_NAT_DEPENDENT;
	m->padding = 13;
	m->received = 0x99aabbccddeeff00ULL;
}

static void check_same(const struct ntm_msg *a, const struct ntm_msg *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->request_id, b->request_id);
	assert_int_equal(a->has, b->has);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->zone, b->zone);
	assert_memory_equal(a->token, b->token, 16);
	assert_memory_equal(&a->virtual4, &b->virtual4, 4);
	assert_memory_equal(&a->virtual6, &b->virtual6, 16);
	assert_int_equal(a->prefix4, b->prefix4);
	assert_int_equal(a->prefix6, b->prefix6);
	assert_int_equal(a->lifetime, b->lifetime);
	assert_int_equal(a->keepalive, b->keepalive);
	assert_int_equal(a->observed.kind, b->observed.kind);
	assert_true(ntm_addr_equal(&a->observed.addr, &b->observed.addr));
	assert_int_equal(a->candidate_count, b->candidate_count);
	for (unsigned int i = 0; i < a->candidate_count; i++) {
		assert_int_equal(a->candidates[i].kind, b->candidates[i].kind);
		assert_true(ntm_addr_equal(&a->candidates[i].addr, &b->candidates[i].addr));
	}
	assert_int_equal(a->status, b->status);
	assert_string_equal(a->text, b->text);
	assert_int_equal(a->path_id, b->path_id);
	assert_int_equal(a->role, b->role);
	assert_memory_equal(a->peer_key, b->peer_key, 32);
	assert_memory_equal(a->path_psk, b->path_psk, 32);
	assert_int_equal(a->suites, b->suites);
	assert_int_equal(a->suite, b->suite);
	assert_int_equal(a->epoch, b->epoch);
	assert_int_equal(a->session_id, b->session_id);
	assert_int_equal(a->timestamp, b->timestamp);
	assert_int_equal(a->relay_count, b->relay_count);
	assert_memory_equal(a->relays, b->relays, a->relay_count * sizeof(a->relays[0]));
	assert_int_equal(a->end_count, b->end_count);
	assert_memory_equal(a->ends, b->ends, a->end_count * sizeof(a->ends[0]));
	assert_int_equal(a->load, b->load);
	assert_int_equal(a->rtt_count, b->rtt_count);
	assert_memory_equal(a->rtts, b->rtts, a->rtt_count * sizeof(a->rtts[0]));
	assert_int_equal(a->peer_zone_count, b->peer_zone_count);
	assert_memory_equal(a->peer_zones, b->peer_zones,
			    a->peer_zone_count * sizeof(a->peer_zones[0]));
	assert_string_equal(a->peer_name, b->peer_name);
	assert_int_equal(a->nat, b->nat);
	assert_int_equal(a->padding, b->padding);
}

static void test_round_trip(void **state)
{
	uint8_t buf[NTM_DATAGRAM_MAX];
	struct ntm_msg in, out;
	int len;

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		fill(&in, types[i]);
		len = ntm_msg_encode(&in, buf, sizeof(buf));
		assert_in_range(len, 8, sizeof(buf));
		assert_int_equal(ntm_msg_decode(&out, buf, (size_t)len), 0);
		check_same(&in, &out);
		assert_string_not_equal(ntm_msg_name(types[i]), "unknown message");
	}
	fill(&in, 0);
	len = ntm_msg_encode_payload(&in, buf, sizeof(buf));
	assert_int_equal(ntm_msg_decode_payload(&out, buf, (size_t)len), 0);
	in.request_id = 0;
	check_same(&in, &out);
}

static void test_bytes(void **state)
{
	static const uint8_t expected[] = {
		4, 0,  0, 24, 0, 0, 0,	  9, /* Keep Alive Response, 24 bytes of TLVs, ID 9 */
		0, 6,  0, 8,  1, 4, 0x10, 0xea, 192, 0, 2, 1, /* OBSERVED */
		0, 20, 0, 8,  1, 2, 3,	  4,	5,   6, 7, 8, /* TIMESTAMP */
	};
	static const uint8_t padded[] = { 0, 14, 0, 1, 2, 0, 0, 0 }; /* SUITE 2 */
	struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE, .request_id = 9 };
	struct ntm_msg p = { .suite = 2 };
	uint8_t buf[64];

	(void)state;
	m.observed.kind = NTM_CAND_REFLEXIVE;
	m.observed.addr = test_addr("192.0.2.1:4330");
	m.timestamp = 0x0102030405060708ULL;
	NTM_SET(&m, OBSERVED);
	NTM_SET(&m, TIMESTAMP);
	assert_int_equal(ntm_msg_encode(&m, buf, sizeof(buf)), sizeof(expected));
	assert_memory_equal(buf, expected, sizeof(expected));
	NTM_SET(&p, SUITE);
	assert_int_equal(ntm_msg_encode_payload(&p, buf, sizeof(buf)), sizeof(padded));
	assert_memory_equal(buf, padded, sizeof(padded));
}

/* In a block of its own size, so that ASan sees a byte too far. */
static int decode_copy(const uint8_t *bytes, size_t len)
{
	struct ntm_msg m;
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, bytes, len);
	err = ntm_msg_decode(&m, copy, len);
	free(copy);
	return err;
}

static void test_truncated(void **state)
{
	uint8_t buf[NTM_DATAGRAM_MAX];
	struct ntm_msg m;
	int len;

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		fill(&m, types[i]);
		len = ntm_msg_encode(&m, buf, sizeof(buf));
		for (int cut = 0; cut < len; cut++) {
			assert_int_equal(decode_copy(buf, (size_t)cut), -EBADMSG);
			/* The same with a header that agrees: only whole TLVs may pass. */
			if (cut >= 8) {
				uint8_t was[2] = { buf[2], buf[3] };

				buf[2] = (uint8_t)((cut - 8) >> 8);
				buf[3] = (uint8_t)(cut - 8);
				if (cut % 4)
					assert_int_equal(decode_copy(buf, (size_t)cut), -EBADMSG);
				else
					decode_copy(buf, (size_t)cut);
				memcpy(buf + 2, was, 2);
			}
		}
		assert_int_equal(decode_copy(buf, (size_t)len), 0);
		buf[len] = 0;
		assert_int_equal(decode_copy(buf, (size_t)len + 1), -EBADMSG);
	}
}

/* Whatever a changed byte makes of it: refused, or the same bytes again when encoded. */
static void test_flipped(void **state)
{
	uint8_t buf[NTM_DATAGRAM_MAX], again[NTM_DATAGRAM_MAX];
	struct ntm_msg m;
	int len, other;

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		fill(&m, types[i]);
		len = ntm_msg_encode(&m, buf, sizeof(buf));
		for (int at = 0; at < len; at++) {
			for (int v = 1; v < 256; v++) {
				buf[at] ^= (uint8_t)v;
				if (!ntm_msg_decode(&m, buf, (size_t)len)) {
					other = ntm_msg_encode(&m, again, sizeof(again));
					assert_true(other == len || other < len);
					assert_true(other > 0);
				}
				buf[at] ^= (uint8_t)v;
			}
		}
	}
}

static void test_no_room(void **state)
{
	uint8_t buf[NTM_DATAGRAM_MAX];
	struct ntm_msg m;
	int len;

	(void)state;
	fill(&m, NTM_MSG_ROUTE_DIRECTION);
	len = ntm_msg_encode(&m, buf, sizeof(buf));
	for (int size = 0; size < len; size++) {
		uint8_t *exact = malloc(size ? (size_t)size : 1);

		assert_int_equal(ntm_msg_encode(&m, exact, (size_t)size), -EMSGSIZE);
		free(exact);
	}
	assert_int_equal(ntm_msg_encode(&m, buf, (size_t)len), len);
}

/* Each TLV that a type needs, taken away alone. */
static void check_needs(uint8_t type, uint32_t needed)
{
	uint8_t buf[NTM_DATAGRAM_MAX];
	struct ntm_msg m;
	int len;

	for (unsigned int tlv = 1; tlv < NTM_TLV_MAX; tlv++) {
		fill(&m, type);
		m.has &= ~(1u << tlv);
		if (tlv == NTM_TLV_CANDIDATE)
			m.candidate_count = 0;
		if (tlv == NTM_TLV_RELAY)
			m.relay_count = 0;
		if (tlv == NTM_TLV_END)
			m.end_count = 0;
		if (tlv == NTM_TLV_RELAY_RTT)
			m.rtt_count = 0;
		if (tlv == NTM_TLV_PEER_ZONE)
			m.peer_zone_count = 0;
		len = ntm_msg_encode(&m, buf, sizeof(buf));
		assert_int_equal(len == -EINVAL, needed >> tlv & 1);
		/* The decoder must see it too: the TLVs without the encoder's check. */
		len = ntm_msg_encode_payload(&m, buf + 8, sizeof(buf) - 8);
		memset(buf, 0, 8);
		buf[0] = type;
		buf[2] = (uint8_t)(len >> 8);
		buf[3] = (uint8_t)len;
		assert_int_equal(ntm_msg_decode(&m, buf, 8 + (size_t)len) == -EBADMSG,
				 needed >> tlv & 1);
	}
}

#define B(tlv) (1u << NTM_TLV_##tlv)

static void test_needed(void **state)
{
	(void)state;
	check_needs(NTM_MSG_REGISTRATION_REQUEST, B(LIFETIME) | B(SUITES));
	check_needs(NTM_MSG_REGISTRATION_RESPONSE,
		    B(STATUS) | B(NAME) | B(ZONE) | B(LIFETIME) | B(KEEPALIVE) | B(OBSERVED));
	check_needs(NTM_MSG_KEEP_ALIVE, B(TIMESTAMP));
	check_needs(NTM_MSG_KEEP_ALIVE_RESPONSE, B(TIMESTAMP) | B(OBSERVED));
	check_needs(NTM_MSG_DIRECTION_REQUEST, B(NAME));
	check_needs(NTM_MSG_REFUSAL, B(STATUS));
	check_needs(NTM_MSG_ROUTE_DIRECTION, B(PATH_ID) | B(ROLE) | B(PATH_PSK) | B(NAME) |
						     B(PEER_KEY) | B(SUITES) | B(CANDIDATE));
	check_needs(NTM_MSG_ROUTE_DIRECTION_CONFIRMATION, B(PATH_ID) | B(STATUS));
	check_needs(NTM_MSG_TUNNEL_CLOSE, B(STATUS));
	check_needs(NTM_MSG_INFORMATION_REQUEST, B(NAME) | B(PATH_ID) | B(PATH_PSK) | B(PEER_NAME) |
							 B(PEER_KEY) | B(SUITES) | B(CANDIDATE));
	check_needs(NTM_MSG_INFORMATION_RESPONSE,
		    B(STATUS) | B(NAME) | B(PEER_KEY) | B(SUITES) | B(CANDIDATE));
	check_needs(NTM_MSG_RELAY_DIRECTION, B(PATH_ID) | B(END) | B(LIFETIME));
	check_needs(NTM_MSG_RELAY_RESPONSE, B(PATH_ID) | B(STATUS));
	check_needs(NTM_MSG_PATH_PROBE, B(TIMESTAMP));
	check_needs(NTM_MSG_PATH_PROBE_RESPONSE, B(TIMESTAMP) | B(OBSERVED));
	check_needs(NTM_MSG_ZONE_REQUEST, B(ZONE));
	check_needs(NTM_MSG_ZONE_RESPONSE, B(STATUS) | B(ZONE));
	check_needs(NTM_MSG_PORT_SEARCH, 0);
}

static int encodes(const struct ntm_msg *m)
{
	uint8_t buf[NTM_DATAGRAM_MAX];

	return ntm_msg_encode(m, buf, sizeof(buf));
}

static void test_needed_together(void **state)
{
	struct ntm_msg m;

	(void)state;
	fill(&m, NTM_MSG_ROUTE_DIRECTION);
	m.has &= ~(B(VIRTUAL4) | B(VIRTUAL6));
	assert_int_equal(encodes(&m), -EINVAL);
	/* A refused registration needs no lease. */
	fill(&m, NTM_MSG_REGISTRATION_RESPONSE);
	memset(&m, 0, sizeof(m));
	m.type = NTM_MSG_REGISTRATION_RESPONSE;
	m.has = B(STATUS);
	assert_int_equal(encodes(&m), -EINVAL);
	m.status = NTM_ST_TOKEN;
	assert_true(encodes(&m) > 0);
	/* A relay server has no virtual addresses; a Relay Direction has both ends. */
	fill(&m, NTM_MSG_REGISTRATION_RESPONSE);
	m.has &= ~(B(VIRTUAL4) | B(VIRTUAL6));
	assert_int_equal(encodes(&m), -EINVAL);
	m.role = NTM_ROLE_RELAY;
	assert_true(encodes(&m) > 0);
	fill(&m, NTM_MSG_RELAY_DIRECTION);
	m.ends[1].role = m.ends[0].role;
	assert_int_equal(encodes(&m), -EINVAL);
	fill(&m, NTM_MSG_RELAY_DIRECTION);
	m.end_count = 1;
	assert_int_equal(encodes(&m), -EINVAL);
	fill(&m, NTM_MSG_ROUTE_DIRECTION);
	m.role = NTM_ROLE_RELAY;
	assert_int_equal(encodes(&m), -EINVAL);
	/* By name or by address, not both. */
	fill(&m, NTM_MSG_DIRECTION_REQUEST);
	m.target_len = 4;
	NTM_SET(&m, TARGET);
	assert_int_equal(encodes(&m), -EINVAL);
	m.has &= ~B(NAME);
	assert_true(encodes(&m) > 0);
	m.target_len = 5;
	assert_int_equal(encodes(&m), -EINVAL);
	/* Types that are nobody's. */
	for (unsigned int type = 0; type < 256; type++) {
		fill(&m, (uint8_t)type);
		if (!memchr(types, (int)type, sizeof(types))) {
			assert_int_equal(encodes(&m), -EINVAL);
			assert_string_equal(ntm_msg_name((uint8_t)type), "unknown message");
		}
	}
}

#define REFUSED(change)                                 \
	do {                                            \
		fill(&m, NTM_MSG_REGISTRATION_REQUEST); \
		change;                                 \
		assert_int_equal(encodes(&m), -EINVAL); \
	} while (0)

static void test_unencodable_number(void **state)
{
	struct ntm_msg m;

	(void)state;
	REFUSED(m.nat = NTM_NAT_DEPENDENT + 1);
	REFUSED(m.relay_count = NTM_RELAYS_MAX + 1);
	REFUSED(m.relays[0].addrs[0].sa.sa_family = 0);
	REFUSED(m.relays[1].addrs[0] = m.relays[1].addrs[1]);
	REFUSED(m.ends[1].role = NTM_ROLE_RELAY);
	REFUSED(m.peer_zones[0].prefix4 = 33);
	REFUSED(m.peer_zones[0].prefix6 = 129);
	REFUSED(m.path_id = 0);
	REFUSED(m.session_id = 0);
	REFUSED(m.role = 0);
	REFUSED(m.role = 4);
	REFUSED(m.prefix4 = 33);
	REFUSED(m.prefix6 = 129);
	REFUSED(m.observed.addr.sa.sa_family = 0);
	REFUSED(m.candidate_count = 17);
	REFUSED(m.has &= ~B(CANDIDATE));
}

static void test_unencodable_text(void **state)
{
	struct ntm_msg m;

	(void)state;
	REFUSED(m.relays[1].name[0] = '\0');
	REFUSED(m.name[0] = '\0');
	REFUSED(m.name[0] = 'A');
	REFUSED(m.zone[0] = '.');
	REFUSED(strcpy(m.text, "a\nb"));
	REFUSED(strcpy(m.text, "\xff"));
	REFUSED(memset(m.text, 'x', sizeof(m.text)));
	REFUSED(memset(m.name, 'x', sizeof(m.name)));
}

/* --- TLVs by hand, in a handshake's payload */

static int payload(struct ntm_msg *m, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, bytes, len);
	err = ntm_msg_decode_payload(m, copy, len);
	free(copy);
	return err;
}

#define PAYLOAD(m, ...) \
	payload(m, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void test_tlvs(void **state)
{
	struct ntm_msg m;

	(void)state;
	assert_int_equal(payload(&m, (const uint8_t *)"", 0), 0);
	assert_int_equal(PAYLOAD(&m, 0, 15, 0, 4, 0, 0, 0, 1), 0);
	assert_int_equal(m.epoch, 1);
	/* twice */
	assert_int_equal(PAYLOAD(&m, 0, 14, 0, 1, 2, 0, 0, 0, 0, 14, 0, 1, 2, 0, 0, 0), -EBADMSG);
	/* wrong length, both ways */
	assert_int_equal(PAYLOAD(&m, 0, 15, 0, 3, 0, 0, 1, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 15, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 14, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 16, 0, 0), -EBADMSG);
	/* longer than what is there */
	assert_int_equal(PAYLOAD(&m, 0, 15, 0xff, 0xff, 0, 0, 0, 1), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 15, 0, 4, 0, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 15, 0), -EBADMSG);
	/* padding cut off, padding that is not zero */
	assert_int_equal(PAYLOAD(&m, 0, 14, 0, 1, 2), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 14, 0, 1, 2, 0, 0, 1), -EBADMSG);
	/* unknown: needed, optional, optional twice, optional with bad padding or length */
	assert_int_equal(PAYLOAD(&m, 0, 0, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 29, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0x7f, 0xff, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0x80, 1, 0, 1, 9, 0, 0, 0, 0, 14, 0, 1, 2, 0, 0, 0), 0);
	assert_int_equal(m.has, B(SUITE));
	assert_int_equal(PAYLOAD(&m, 0x80, 1, 0, 0, 0x80, 1, 0, 0), 0);
	assert_int_equal(m.has, 0);
	assert_int_equal(PAYLOAD(&m, 0x80, 1, 0, 1, 9, 0, 0, 1), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0x80, 1, 0, 9, 9, 0, 0, 1), -EBADMSG);
	/* bit 15 does not make a known one unknown */
	assert_int_equal(PAYLOAD(&m, 0x80, 15, 0, 4, 0, 0, 0, 1), 0);
	assert_int_equal(m.has, 0);
}

static void test_values(void **state)
{
	struct ntm_msg m;

	(void)state;
	assert_int_equal(PAYLOAD(&m, 0, 9, 0, 4, 0, 0, 0, 0), -EBADMSG);  /* PATH_ID 0 */
	assert_int_equal(PAYLOAD(&m, 0, 16, 0, 4, 0, 0, 0, 0), -EBADMSG); /* SESSION_ID 0 */
	assert_int_equal(PAYLOAD(&m, 0, 10, 0, 1, 0, 0, 0, 0), -EBADMSG); /* ROLE */
	assert_int_equal(PAYLOAD(&m, 0, 10, 0, 1, 4, 0, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 10, 0, 1, 2, 0, 0, 0), 0);
	assert_int_equal(PAYLOAD(&m, 0, 3, 0, 5, 10, 0, 0, 1, 33, 0, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 3, 0, 5, 10, 0, 0, 1, 32, 0, 0, 0), 0);
	/* NAME: upper case, NUL inside, final dot, empty */
	assert_int_equal(PAYLOAD(&m, 0, 1, 0, 1, 'A', 0, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 1, 0, 3, 'a', 0, 'b', 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 1, 0, 2, 'a', '.', 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 1, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 1, 0, 3, 'a', '.', 'b', 0), 0);
	assert_string_equal(m.name, "a.b");
	/* STATUS: short, with text, with control characters */
	assert_int_equal(PAYLOAD(&m, 0, 8, 0, 1, 0, 0, 0, 0), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 8, 0, 4, 0, 2, 'n', 'o'), 0);
	assert_int_equal(m.status, 2);
	assert_string_equal(m.text, "no");
	assert_int_equal(PAYLOAD(&m, 0, 8, 0, 4, 0, 2, 'n', 27), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 8, 0, 4, 0, 2, 'n', 0), -EBADMSG);
	/* TARGET: 4 or 16 */
	assert_int_equal(PAYLOAD(&m, 0, 19, 0, 4, 1, 2, 3, 4), 0);
	assert_int_equal(m.target_len, 4);
	assert_int_equal(PAYLOAD(&m, 0, 19, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8), -EBADMSG);
	/* address form: kind, family, length, mapped */
	assert_int_equal(PAYLOAD(&m, 0, 6, 0, 8, 2, 4, 0, 1, 10, 0, 0, 1), 0);
	assert_int_equal(PAYLOAD(&m, 0, 6, 0, 8, 3, 4, 0, 1, 10, 0, 0, 1), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 6, 0, 8, 0, 5, 0, 1, 10, 0, 0, 1), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 6, 0, 8, 0, 6, 0, 1, 10, 0, 0, 1), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 6, 0, 4, 0, 4, 0, 1), -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 6, 0, 20, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				 10, 0, 0, 1),
			 -EBADMSG);
	assert_int_equal(PAYLOAD(&m, 0, 6, 0, 20, 0, 6, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
				 0xff, 10, 0, 0, 1),
			 -EBADMSG);
}

static void test_candidates(void **state)
{
	static const uint8_t one[12] = { 0, 7, 0, 8, 0, 4, 0, 1, 10, 0, 0, 1 };
	uint8_t many[17 * 12];
	struct ntm_msg m;

	(void)state;
	for (int i = 0; i < 17; i++)
		memcpy(many + (size_t)i * 12, one, 12);
	assert_int_equal(payload(&m, many, 16 * 12), 0);
	assert_int_equal(m.candidate_count, 16);
	assert_int_equal(payload(&m, many, 17 * 12), -EBADMSG);
}

/* The largest Route Direction must fit a datagram with the seal around it. */
static void test_largest(void **state)
{
	struct ntm_msg m;

	(void)state;
	fill(&m, NTM_MSG_ROUTE_DIRECTION);
	m.has = B(PATH_ID) | B(ROLE) | B(PATH_PSK) | B(NAME) | B(PEER_KEY) | B(SUITES) |
		B(VIRTUAL4) | B(VIRTUAL6) | B(CANDIDATE) | B(RELAY) | B(NAT);
	m.end_count = m.rtt_count = m.peer_zone_count = 0;
	for (unsigned int i = 0; i < 2; i++) {
		memset(m.relays[i].name, 'r', NTM_RELAY_NAME_MAX);
		m.relays[i].addrs[1] = test_addr("2001:db8::9");
	}
	strcpy(m.name, NAME252);
	m.candidate_count = NTM_CANDIDATES_MAX;
	for (int i = 0; i < NTM_CANDIDATES_MAX; i++)
		m.candidates[i].addr = test_addr("2001:db8::1");
	assert_in_range(encodes(&m), 1, NTM_DATAGRAM_MAX - 32);
}

static void test_header(void **state)
{
	struct ntm_msg m = { .type = NTM_MSG_TUNNEL_CLOSE };
	uint8_t buf[64];
	int len;

	(void)state;
	NTM_SET(&m, STATUS);
	len = ntm_msg_encode(&m, buf, sizeof(buf));
	buf[1] = 1; /* flags */
	assert_int_equal(decode_copy(buf, (size_t)len), -EBADMSG);
	buf[1] = 0;
	buf[3] -= 4;
	assert_int_equal(decode_copy(buf, (size_t)len), -EBADMSG);
	buf[3] += 4;
	assert_int_equal(decode_copy(buf, (size_t)len), 0);
}

static void test_names(void **state)
{
	static const char *const good[] = {
		"a",
		"a.b",
		"n-1.example.net",
		"0.1",
		"xn--bcher-kva.example",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b",
		NAME252
	};
	static const char *const bad[] = {
		"",
		".",
		"a.",
		".a",
		"a..b",
		"A",
		"-a",
		"a-",
		"a.-b",
		"a_b",
		"a b",
		"a/b",
		"\xc3\xbc",
		"a\n",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b",
		NAME252 "ee"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(ntm_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ntm_name_valid(bad[i]));
}

static void test_text(void **state)
{
	static const char *const bad[] = { "\x80",
					   "\xc0\x80",
					   "\xc3",
					   "\xe2\x82",
					   "\xed\xa0\x80",
					   "\xf4\x90\x80\x80",
					   "\xf8\x80\x80\x80",
					   "\x7f",
					   "\xc2\x9b",
					   "\xe0\x80\x80",
					   "\xc3x" };
	static const char *const good[] = { "", "no", "\xc3\xbc", "\xe2\x82\xac",
					    "\xf0\x9f\x98\x80" };
	struct ntm_msg m = { .type = NTM_MSG_REFUSAL, .status = 1 };

	(void)state;
	NTM_SET(&m, STATUS);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		strcpy(m.text, good[i]);
		assert_true(encodes(&m) > 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(m.text, bad[i]);
		assert_int_equal(encodes(&m), -EINVAL);
	}
	for (unsigned int s = 0; s <= NTM_ST_GOING_AWAY; s++)
		assert_string_not_equal(ntm_status_name((uint16_t)s), "unknown status");
	assert_string_equal(ntm_status_name(13), "unknown status");
}

static void test_noise_bytes(void **state)
{
	uint8_t buf[96];
	struct ntm_msg m;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint32_t len = randombytes_uniform(sizeof(buf));

		randombytes_buf(buf, sizeof(buf));
		for (uint32_t at = 0; at + 4 <= len; at += 4) {
			buf[at] &= 0x80;
			buf[at + 1] &= 31;
			buf[at + 2] = 0;
			buf[at + 3] &= 31;
		}
		payload(&m, buf, len);
		decode_copy(buf, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_needed_together),
		cmocka_unit_test(test_unencodable_number),
		cmocka_unit_test(test_unencodable_text),
		cmocka_unit_test(test_tlvs),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_noise_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
