// SPDX-License-Identifier: GPL-2.0
/*
 * One table says what each TLV looks like and where it lives in struct
 * ntm_msg, another what each message needs; encoder and decoder walk them.
 */
#include "common/msg.h"

#include <errno.h>
#include <string.h>

#include "common/bytes.h"

#define HDR_LEN 8
#define TLV_HDR_LEN 4
#define TLV_OPTIONAL 0x8000 /* unknown with this bit: passed over */
#define VALUE_MAX 275	    /* of a PEER_ZONE */
#define RELAY_LEN 36
#define END_LEN 44
#define RTT_LEN 12
#define ZONE_LEN 22

#define BIT(tlv) (1u << NTM_TLV_##tlv)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum shape {
	NONE,
	U8,
	U32,
	U64,
	BYTES,
	NAME,
	PREFIX4,
	PREFIX6,
	ADDRESS,
	STATUS,
	TARGET,
	RELAY,
	END,
	RTT,
	ZONE,
	PADDING,
};

/* struct tlv_spec - @len: of the value, 0 if it varies; @max: how often it may come (0: once), @count: where that is told */
struct tlv_spec {
	enum shape shape;
	uint8_t len;
	size_t at;
	unsigned int max;
	size_t count;
};

#define AT(field) offsetof(struct ntm_msg, field)

static const struct tlv_spec specs[NTM_TLV_MAX] = {
	[NTM_TLV_NAME] = { NAME, 0, AT(name) },
	[NTM_TLV_TOKEN] = { BYTES, 16, AT(token) },
	[NTM_TLV_VIRTUAL4] = { PREFIX4, 5, 0 },
	[NTM_TLV_VIRTUAL6] = { PREFIX6, 17, 0 },
	[NTM_TLV_LIFETIME] = { U32, 4, AT(lifetime) },
	[NTM_TLV_OBSERVED] = { ADDRESS, 0, AT(observed) },
	[NTM_TLV_CANDIDATE] = { ADDRESS, 0, AT(candidates), NTM_CANDIDATES_MAX,
				AT(candidate_count) },
	[NTM_TLV_STATUS] = { STATUS, 0, 0 },
	[NTM_TLV_PATH_ID] = { U32, 4, AT(path_id) },
	[NTM_TLV_ROLE] = { U8, 1, AT(role) },
	[NTM_TLV_PEER_KEY] = { BYTES, 32, AT(peer_key) },
	[NTM_TLV_PATH_PSK] = { BYTES, 32, AT(path_psk) },
	[NTM_TLV_SUITES] = { U32, 4, AT(suites) },
	[NTM_TLV_SUITE] = { U8, 1, AT(suite) },
	[NTM_TLV_EPOCH] = { U32, 4, AT(epoch) },
	[NTM_TLV_SESSION_ID] = { U32, 4, AT(session_id) },
	[NTM_TLV_ZONE] = { NAME, 0, AT(zone) },
	[NTM_TLV_KEEPALIVE] = { U32, 4, AT(keepalive) },
	[NTM_TLV_TARGET] = { TARGET, 0, 0 },
	[NTM_TLV_TIMESTAMP] = { U64, 8, AT(timestamp) },
	[NTM_TLV_RELAY] = { RELAY, 0, AT(relays), NTM_RELAYS_MAX, AT(relay_count) },
	[NTM_TLV_END] = { END, END_LEN, AT(ends), NTM_ENDS, AT(end_count) },
	[NTM_TLV_LOAD] = { U32, 4, AT(load) },
	[NTM_TLV_RELAY_RTT] = { RTT, RTT_LEN, AT(rtts), NTM_RELAYS_MAX, AT(rtt_count) },
	[NTM_TLV_PEER_ZONE] = { ZONE, 0, AT(peer_zones), NTM_PEER_ZONES_MAX, AT(peer_zone_count) },
	[NTM_TLV_PEER_NAME] = { NAME, 0, AT(peer_name) },
	[NTM_TLV_NAT] = { U8, 1, AT(nat) },
	[NTM_TLV_PADDING] = { PADDING, 0, AT(padding) },
	[NTM_TLV_RECEIVED] = { U64, 8, AT(received) },
};

#define VIRTUAL (BIT(VIRTUAL4) | BIT(VIRTUAL6))

/* struct msg_spec - what a message must carry: all of @all, and some of @any if there is one */
struct msg_spec {
	const char *name;
	uint32_t all;
	uint32_t any;
};

static const struct msg_spec messages[] = {
	[NTM_MSG_REGISTRATION_REQUEST] = { "Registration Request", BIT(LIFETIME) | BIT(SUITES), 0 },
	[NTM_MSG_REGISTRATION_RESPONSE] = { "Registration Response", BIT(STATUS), 0 },
	[NTM_MSG_KEEP_ALIVE] = { "Keep Alive", BIT(TIMESTAMP), 0 },
	[NTM_MSG_KEEP_ALIVE_RESPONSE] = { "Keep Alive Response", BIT(TIMESTAMP) | BIT(OBSERVED),
					  0 },
	[NTM_MSG_DIRECTION_REQUEST] = { "Direction Request", 0, BIT(NAME) | BIT(TARGET) },
	[NTM_MSG_REFUSAL] = { "Refusal", BIT(STATUS), 0 },
	[NTM_MSG_ROUTE_DIRECTION] = { "Route Direction",
				      BIT(PATH_ID) | BIT(ROLE) | BIT(PATH_PSK) | BIT(NAME) |
					      BIT(PEER_KEY) | BIT(SUITES) | BIT(CANDIDATE),
				      VIRTUAL },
	[NTM_MSG_ROUTE_DIRECTION_CONFIRMATION] = { "Route Direction Confirmation",
						   BIT(PATH_ID) | BIT(STATUS), 0 },
	[NTM_MSG_INFORMATION_REQUEST] = { "Information Request",
					  BIT(PATH_ID) | BIT(PATH_PSK) | BIT(PEER_NAME) |
						  BIT(PEER_KEY) | BIT(SUITES) | BIT(CANDIDATE),
					  VIRTUAL },
	[NTM_MSG_INFORMATION_RESPONSE] = { "Information Response", BIT(STATUS), 0 },
	[NTM_MSG_RELAY_DIRECTION] = { "Relay Direction", BIT(PATH_ID) | BIT(END) | BIT(LIFETIME),
				      0 },
	[NTM_MSG_RELAY_RESPONSE] = { "Relay Response", BIT(PATH_ID) | BIT(STATUS), 0 },
	[NTM_MSG_TUNNEL_CLOSE] = { "Tunnel Close", BIT(STATUS), 0 },
	[NTM_MSG_PATH_PROBE] = { "Path Probe", BIT(TIMESTAMP), 0 },
	[NTM_MSG_PATH_PROBE_RESPONSE] = { "Path Probe Response", BIT(TIMESTAMP) | BIT(OBSERVED),
					  0 },
	[NTM_MSG_ZONE_REQUEST] = { "Zone Request", BIT(ZONE), VIRTUAL },
	[NTM_MSG_ZONE_RESPONSE] = { "Zone Response", BIT(STATUS), 0 },
	[NTM_MSG_PORT_SEARCH] = { "Port Search", 0, 0 },
};

/* A Registration Response that says yes. */
static const struct msg_spec lease = {
	NULL,
	BIT(NAME) | BIT(ZONE) | BIT(LIFETIME) | BIT(KEEPALIVE) | BIT(OBSERVED),
	VIRTUAL,
};

/* One to a relay server, which has no virtual address */
static const struct msg_spec relay_lease = {
	NULL,
	BIT(NAME) | BIT(ZONE) | BIT(LIFETIME) | BIT(KEEPALIVE) | BIT(OBSERVED),
	0,
};

/* An Information Response, and a Zone Response, that say yes */
static const struct msg_spec information = {
	NULL,
	BIT(NAME) | BIT(PEER_KEY) | BIT(SUITES) | BIT(CANDIDATE),
	VIRTUAL,
};
static const struct msg_spec zone = { NULL, BIT(ZONE), VIRTUAL };

static const struct msg_spec *message(uint8_t type)
{
	return type < ARRAY_SIZE(messages) && messages[type].name ? &messages[type] : NULL;
}

static bool meets(const struct ntm_msg *m, const struct msg_spec *spec)
{
	return (m->has & spec->all) == spec->all && (!spec->any || (m->has & spec->any));
}

static bool one_of(const struct ntm_msg *m, uint32_t two)
{
	return (m->has & two) && (m->has & two) != two;
}

static bool complete(const struct ntm_msg *m)
{
	const struct msg_spec *spec = message(m->type);

	if (!spec || !meets(m, spec))
		return false;
	switch (m->type) {
	case NTM_MSG_REGISTRATION_RESPONSE:
		return m->status != NTM_ST_OK ||
		       meets(m, m->role == NTM_ROLE_RELAY ? &relay_lease : &lease);
	case NTM_MSG_DIRECTION_REQUEST:
		return one_of(m, BIT(NAME) | BIT(TARGET));
	case NTM_MSG_ROUTE_DIRECTION:
		return m->candidate_count > 0 && m->role != NTM_ROLE_RELAY;
	case NTM_MSG_INFORMATION_REQUEST:
		return m->candidate_count > 0 && one_of(m, BIT(NAME) | BIT(TARGET));
	case NTM_MSG_INFORMATION_RESPONSE:
		return m->status != NTM_ST_OK || (meets(m, &information) && m->candidate_count > 0);
	case NTM_MSG_ZONE_RESPONSE:
		return m->status != NTM_ST_OK || meets(m, &zone);
	case NTM_MSG_RELAY_DIRECTION:
		return m->end_count == NTM_ENDS && m->ends[0].role != m->ends[1].role;
	default:
		return true;
	}
}

/* --- values */

static bool all_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	while (len--)
		any |= *p++;
	return !any;
}

/* Address form: kind, family, port, address. */
static int put_address(const struct ntm_candidate *c, uint8_t *out)
{
	out[0] = (uint8_t)c->kind;
	switch (c->addr.sa.sa_family) {
	case AF_INET:
		out[1] = 4;
		memcpy(out + 2, &c->addr.v4.sin_port, 2);
		memcpy(out + 4, &c->addr.v4.sin_addr, 4);
		return 8;
	case AF_INET6:
		out[1] = 6;
		memcpy(out + 2, &c->addr.v6.sin6_port, 2);
		memcpy(out + 4, &c->addr.v6.sin6_addr, 16);
		return 20;
	default:
		return -EINVAL;
	}
}

static int get_address(struct ntm_candidate *c, const uint8_t *in, size_t len)
{
	if (len < 8 || in[0] > NTM_CAND_RELAYED)
		return -EBADMSG;
	c->kind = in[0];
	memset(&c->addr, 0, sizeof(c->addr));
	if (in[1] == 4 && len == 8) {
		c->addr.v4.sin_family = AF_INET;
		memcpy(&c->addr.v4.sin_port, in + 2, 2);
		memcpy(&c->addr.v4.sin_addr, in + 4, 4);
		return 0;
	}
	if (in[1] != 6 || len != 20)
		return -EBADMSG;
	c->addr.v6.sin6_family = AF_INET6;
	memcpy(&c->addr.v6.sin6_port, in + 2, 2);
	memcpy(&c->addr.v6.sin6_addr, in + 4, 16);
	/* One address, one form: an IPv4 address in IPv6's clothes is refused. */
	return IN6_IS_ADDR_V4MAPPED(&c->addr.v6.sin6_addr) ? -EBADMSG : 0;
}

/* Bytes of the UTF-8 character at @s, 0 if it is none or a control character. */
static size_t utf8_len(const uint8_t *s, size_t left)
{
	size_t n = s[0] < 0x80	   ? 1 :
		   s[0] >> 5 == 6  ? 2 :
		   s[0] >> 4 == 14 ? 3 :
		   s[0] >> 3 == 30 ? 4 :
				     0;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;

	if (!n || n > left)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return c < ' ' || (c >= 0x7f && c < 0xa0) ? 0 : n;
}

static bool text_valid(const uint8_t *text, size_t len)
{
	size_t n;

	for (; len; text += n, len -= n) {
		n = utf8_len(text, len);
		if (!n)
			return false;
	}
	return true;
}

static int put_status(const struct ntm_msg *m, uint8_t *out)
{
	size_t len = strnlen(m->text, sizeof(m->text));

	if (len > NTM_TEXT_MAX || !text_valid((const uint8_t *)m->text, len))
		return -EINVAL;
	ntm_put16(out, m->status);
	memcpy(out + 2, m->text, len);
	return (int)(2 + len);
}

static int get_status(struct ntm_msg *m, const uint8_t *in, size_t len)
{
	if (len < 2 || len > 2 + NTM_TEXT_MAX || !text_valid(in + 2, len - 2))
		return -EBADMSG;
	m->status = ntm_get16(in);
	memcpy(m->text, in + 2, len - 2);
	m->text[len - 2] = '\0';
	return 0;
}

static int put_name(const char *name, uint8_t *out)
{
	size_t len;

	if (!ntm_name_valid(name))
		return -EINVAL;
	len = strlen(name);
	memcpy(out, name, len);
	return (int)len;
}

static int get_name(char *name, const uint8_t *in, size_t len)
{
	if (len < 1 || len > NTM_NAME_MAX)
		return -EBADMSG;
	memcpy(name, in, len);
	name[len] = '\0';
	return strlen(name) == len && ntm_name_valid(name) ? 0 : -EBADMSG;
}

/* A relay server: key (32), flags (1), addresses (1), bytes of the name (1), 0 (1), addresses, name */
static int put_relay(const struct ntm_relay_info *r, uint8_t out[VALUE_MAX])
{
	const size_t name_len = strnlen(r->name, sizeof(r->name));
	int used = RELAY_LEN, len;

	if (name_len > NTM_RELAY_NAME_MAX || !ntm_name_valid(r->name))
		return -EINVAL;
	memcpy(out, r->key, sizeof(r->key));
	memset(out + 32, 0, RELAY_LEN - 32);
	out[32] = r->at_once;
	out[34] = (uint8_t)name_len;
	for (unsigned int i = 0; i < 2; i++) {
		const struct ntm_candidate c = { .kind = NTM_CAND_RELAYED, .addr = r->addrs[i] };

		if (!c.addr.sa.sa_family)
			continue;
		len = put_address(&c, out + used);
		if (len < 0)
			return len;
		used += len;
		out[33]++;
	}
	if (!out[33] || (out[33] == 2 && r->addrs[0].sa.sa_family == r->addrs[1].sa.sa_family))
		return -EINVAL;
	memcpy(out + used, r->name, name_len);
	return used + (int)name_len;
}

static int get_relay(struct ntm_relay_info *r, const uint8_t *in, size_t len)
{
	const size_t name_len = len >= RELAY_LEN ? in[34] : 0;
	size_t at = RELAY_LEN;

	if (len < RELAY_LEN || in[32] > 1 || in[33] < 1 || in[33] > 2 || in[35] ||
	    name_len > NTM_RELAY_NAME_MAX)
		return -EBADMSG;
	memset(r, 0, sizeof(*r));
	memcpy(r->key, in, sizeof(r->key));
	r->at_once = in[32];
	for (unsigned int i = 0; i < in[33]; i++) {
		const size_t addr_len = len - at >= 2 && in[at + 1] == 6 ? 20 : 8;
		struct ntm_candidate c;

		if (len - at < addr_len || get_address(&c, in + at, addr_len) ||
		    c.kind != NTM_CAND_RELAYED)
			return -EBADMSG;
		r->addrs[i] = c.addr;
		at += addr_len;
	}
	if (r->addrs[0].sa.sa_family == r->addrs[1].sa.sa_family || len - at != name_len)
		return -EBADMSG;
	return get_name(r->name, in + at, name_len);
}

/* An end of a path: role (1), 0 (3), key (32), node (8) */
static int put_end(const struct ntm_end_info *e, uint8_t *out)
{
	memset(out, 0, 4);
	out[0] = e->role;
	memcpy(out + 4, e->key, sizeof(e->key));
	memcpy(out + 36, e->node, sizeof(e->node));
	return e->role == NTM_ROLE_INITIATOR || e->role == NTM_ROLE_RESPONDER ? END_LEN : -EINVAL;
}

static int get_end(struct ntm_end_info *e, const uint8_t *in)
{
	e->role = in[0];
	memcpy(e->key, in + 4, sizeof(e->key));
	memcpy(e->node, in + 36, sizeof(e->node));
	return (e->role == NTM_ROLE_INITIATOR || e->role == NTM_ROLE_RESPONDER) && !in[1] &&
			       !in[2] && !in[3] ?
		       0 :
		       -EBADMSG;
}

/* Another zone: virtual IPv4 network (5), virtual IPv6 network (17), name */
static int put_zone(const struct ntm_zone_info *z, uint8_t *out)
{
	memcpy(out, &z->virtual4, 4);
	out[4] = z->prefix4;
	memcpy(out + 5, &z->virtual6, 16);
	out[21] = z->prefix6;
	if ((z->prefix4 > 32 && z->prefix4 != NTM_NO_PREFIX) ||
	    (z->prefix6 > 128 && z->prefix6 != NTM_NO_PREFIX) || !ntm_name_valid(z->name))
		return -EINVAL;
	return ZONE_LEN + put_name(z->name, out + ZONE_LEN);
}

static int get_zone(struct ntm_zone_info *z, const uint8_t *in, size_t len)
{
	if (len < ZONE_LEN)
		return -EBADMSG;
	memcpy(&z->virtual4, in, 4);
	z->prefix4 = in[4];
	memcpy(&z->virtual6, in + 5, 16);
	z->prefix6 = in[21];
	if ((z->prefix4 > 32 && z->prefix4 != NTM_NO_PREFIX) ||
	    (z->prefix6 > 128 && z->prefix6 != NTM_NO_PREFIX))
		return -EBADMSG;
	return get_name(z->name, in + ZONE_LEN, len - ZONE_LEN);
}

static int put_rtt(const struct ntm_relay_rtt *r, uint8_t *out)
{
	memcpy(out, r->relay, sizeof(r->relay));
	ntm_put32(out + 8, r->rtt_us);
	return RTT_LEN;
}

static int get_rtt(struct ntm_relay_rtt *r, const uint8_t *in)
{
	memcpy(r->relay, in, sizeof(r->relay));
	r->rtt_us = ntm_get32(in + 8);
	return 0;
}

/* Writes the value of the TLV @type (@index: which of a repeated one); its length or -EINVAL. */
static int put_value(const struct ntm_msg *m, unsigned int type, unsigned int index,
		     uint8_t out[VALUE_MAX])
{
	const struct tlv_spec *spec = &specs[type];
	const uint8_t *at = (const uint8_t *)m + spec->at;

	switch (spec->shape) {
	case U8:
		out[0] = *at;
		return 1;
	case U32:
		ntm_put32(out, *(const uint32_t *)(const void *)at);
		return 4;
	case U64:
		ntm_put64(out, *(const uint64_t *)(const void *)at);
		return 8;
	case BYTES:
		memcpy(out, at, spec->len);
		return spec->len;
	case NAME:
		return put_name((const char *)at, out);
	case PREFIX4:
		memcpy(out, &m->virtual4, 4);
		out[4] = m->prefix4;
		return m->prefix4 <= 32 ? 5 : -EINVAL;
	case PREFIX6:
		memcpy(out, &m->virtual6, 16);
		out[16] = m->prefix6;
		return m->prefix6 <= 128 ? 17 : -EINVAL;
	case ADDRESS:
		return put_address((const struct ntm_candidate *)(const void *)at + index, out);
	case STATUS:
		return put_status(m, out);
	case TARGET:
		memcpy(out, m->target, sizeof(m->target));
		return m->target_len == 4 || m->target_len == 16 ? m->target_len : -EINVAL;
	case RELAY:
		return put_relay((const struct ntm_relay_info *)(const void *)at + index, out);
	case END:
		return put_end((const struct ntm_end_info *)(const void *)at + index, out);
	case RTT:
		return put_rtt((const struct ntm_relay_rtt *)(const void *)at + index, out);
	case ZONE:
		return put_zone((const struct ntm_zone_info *)(const void *)at + index, out);
	case PADDING:
		return m->padding;
	case NONE:
		break;
	}
	return -EINVAL;
}

static int get_value(struct ntm_msg *m, unsigned int type, unsigned int index, const uint8_t *in,
		     size_t len)
{
	const struct tlv_spec *spec = &specs[type];
	uint8_t *at = (uint8_t *)m + spec->at;

	if (spec->len && spec->len != len)
		return -EBADMSG;
	switch (spec->shape) {
	case U8:
		*at = in[0];
		return 0;
	case U32:
		*(uint32_t *)(void *)at = ntm_get32(in);
		return 0;
	case U64:
		*(uint64_t *)(void *)at = ntm_get64(in);
		return 0;
	case BYTES:
		memcpy(at, in, len);
		return 0;
	case NAME:
		return get_name((char *)at, in, len);
	case PREFIX4:
		memcpy(&m->virtual4, in, 4);
		m->prefix4 = in[4];
		return m->prefix4 <= 32 ? 0 : -EBADMSG;
	case PREFIX6:
		memcpy(&m->virtual6, in, 16);
		m->prefix6 = in[16];
		return m->prefix6 <= 128 ? 0 : -EBADMSG;
	case ADDRESS:
		return get_address((struct ntm_candidate *)(void *)at + index, in, len);
	case STATUS:
		return get_status(m, in, len);
	case TARGET:
		if (len != 4 && len != 16)
			return -EBADMSG;
		memcpy(m->target, in, len);
		m->target_len = (uint8_t)len;
		return 0;
	case RELAY:
		return get_relay((struct ntm_relay_info *)(void *)at + index, in, len);
	case END:
		return get_end((struct ntm_end_info *)(void *)at + index, in);
	case RTT:
		return get_rtt((struct ntm_relay_rtt *)(void *)at + index, in);
	case ZONE:
		return get_zone((struct ntm_zone_info *)(void *)at + index, in, len);
	case PADDING:
		m->padding = (uint16_t)len;
		return all_zero(in, len) ? 0 : -EBADMSG;
	case NONE:
		break;
	}
	return -EBADMSG;
}

/* Values that no message may carry, whoever made it. */
static bool values_valid(const struct ntm_msg *m)
{
	if (NTM_HAS(m, PATH_ID) && !m->path_id)
		return false;
	if (NTM_HAS(m, SESSION_ID) && !m->session_id)
		return false;
	if (NTM_HAS(m, NAT) && m->nat > NTM_NAT_DEPENDENT)
		return false;
	return !NTM_HAS(m, ROLE) || m->role == NTM_ROLE_INITIATOR ||
	       m->role == NTM_ROLE_RESPONDER || m->role == NTM_ROLE_RELAY;
}

/* --- TLVs */

static int put_tlv(const struct ntm_msg *m, unsigned int type, unsigned int index, uint8_t *out,
		   size_t size)
{
	uint8_t value[VALUE_MAX];
	int len = put_value(m, type, index, value);
	size_t padded;

	if (len < 0)
		return len;
	padded = ((size_t)len + 3) & ~(size_t)3;
	if (size < TLV_HDR_LEN + padded)
		return -EMSGSIZE;
	ntm_put16(out, (uint16_t)type);
	ntm_put16(out + 2, (uint16_t)len);
	memset(out + TLV_HDR_LEN, 0, padded);
	if (type != NTM_TLV_PADDING)
		memcpy(out + TLV_HDR_LEN, value, (size_t)len);
	return (int)(TLV_HDR_LEN + padded);
}

static unsigned int *count_of(struct ntm_msg *m, const struct tlv_spec *spec)
{
	return (unsigned int *)(void *)((uint8_t *)m + spec->count);
}

static unsigned int repeats(const struct ntm_msg *m, unsigned int type)
{
	const struct tlv_spec *spec = &specs[type];

	if (!(m->has >> type & 1u))
		return 0;
	return spec->max ? *count_of((struct ntm_msg *)m, spec) : 1;
}

/* Somebody forgot NTM_SET(): better a loud error than lost candidates. */
static bool counts_valid(const struct ntm_msg *m)
{
	for (unsigned int type = 1; type < NTM_TLV_MAX; type++) {
		const struct tlv_spec *spec = &specs[type];
		unsigned int count;

		if (!spec->max)
			continue;
		count = *count_of((struct ntm_msg *)m, spec);
		if (count > spec->max || (count && !(m->has >> type & 1u)))
			return false;
	}
	return true;
}

int ntm_msg_encode_payload(const struct ntm_msg *m, uint8_t *out, size_t size)
{
	size_t used = 0;
	int len;

	if (!values_valid(m) || !counts_valid(m))
		return -EINVAL;
	for (unsigned int type = 1; type < NTM_TLV_MAX; type++) {
		for (unsigned int i = 0; i < repeats(m, type); i++) {
			len = put_tlv(m, type, i, out + used, size - used);
			if (len < 0)
				return len;
			used += (size_t)len;
		}
	}
	return (int)used;
}

static int take_tlv(struct ntm_msg *m, unsigned int type, const uint8_t *value, size_t len)
{
	const struct tlv_spec *spec;
	unsigned int index = 0;

	if (type == 0 || type >= NTM_TLV_MAX)
		return type & TLV_OPTIONAL ? 0 : -EBADMSG;
	spec = &specs[type];
	if (spec->max) {
		unsigned int *count = count_of(m, spec);

		if (*count == spec->max)
			return -EBADMSG;
		index = (*count)++;
	} else if (m->has >> type & 1u) {
		return -EBADMSG;
	}
	m->has |= 1u << type;
	return get_value(m, type, index, value, len);
}

static int take_tlvs(struct ntm_msg *m, const uint8_t *in, size_t left)
{
	size_t len, padded;

	for (; left; in += TLV_HDR_LEN + padded, left -= TLV_HDR_LEN + padded) {
		if (left < TLV_HDR_LEN)
			return -EBADMSG;
		len = ntm_get16(in + 2);
		padded = (len + 3) & ~(size_t)3;
		if (padded > left - TLV_HDR_LEN)
			return -EBADMSG;
		if (!all_zero(in + TLV_HDR_LEN + len, padded - len))
			return -EBADMSG;
		if (take_tlv(m, ntm_get16(in), in + TLV_HDR_LEN, len))
			return -EBADMSG;
	}
	return values_valid(m) ? 0 : -EBADMSG;
}

int ntm_msg_decode_payload(struct ntm_msg *m, const uint8_t *in, size_t len)
{
	memset(m, 0, sizeof(*m));
	return take_tlvs(m, in, len);
}

/* --- messages */

int ntm_msg_encode(const struct ntm_msg *m, uint8_t *out, size_t size)
{
	int len;

	if (!complete(m) ||
	    (NTM_HAS(m, CANDIDATE) && !m->candidate_count && m->type == NTM_MSG_ROUTE_DIRECTION))
		return -EINVAL;
	if (size < HDR_LEN)
		return -EMSGSIZE;
	len = ntm_msg_encode_payload(m, out + HDR_LEN, size - HDR_LEN);
	if (len < 0)
		return len;
	if (len > UINT16_MAX || (len > NTM_DATAGRAM_MAX && m->type != NTM_MSG_PATH_PROBE))
		return -EMSGSIZE;
	out[0] = m->type;
	out[1] = 0;
	ntm_put16(out + 2, (uint16_t)len);
	ntm_put32(out + 4, m->request_id);
	return HDR_LEN + len;
}

int ntm_msg_decode(struct ntm_msg *m, const uint8_t *in, size_t len)
{
	memset(m, 0, sizeof(*m));
	if (len < HDR_LEN || in[1] != 0 || ntm_get16(in + 2) != len - HDR_LEN)
		return -EBADMSG;
	if (len > NTM_DATAGRAM_MAX && in[0] != NTM_MSG_PATH_PROBE)
		return -EBADMSG;
	m->type = in[0];
	m->request_id = ntm_get32(in + 4);
	if (!message(m->type) || take_tlvs(m, in + HDR_LEN, len - HDR_LEN))
		return -EBADMSG;
	return complete(m) ? 0 : -EBADMSG;
}

const char *ntm_msg_name(uint8_t type)
{
	const struct msg_spec *spec = message(type);

	return spec ? spec->name : "unknown message";
}

const char *ntm_status_name(uint16_t status)
{
	static const char *const names[] = {
		[NTM_ST_OK] = "ok",
		[NTM_ST_UNKNOWN_NODE] = "unknown node",
		[NTM_ST_REVOKED] = "revoked",
		[NTM_ST_TOKEN] = "token unknown, used or expired",
		[NTM_ST_NAME_TAKEN] = "name belongs to another node",
		[NTM_ST_POOL_EMPTY] = "address pool empty",
		[NTM_ST_UNKNOWN_NAME] = "unknown name",
		[NTM_ST_OFFLINE] = "peer offline",
		[NTM_ST_REFUSED] = "refused",
		[NTM_ST_BUSY] = "busy, try later",
		[NTM_ST_UNSUPPORTED] = "unsupported",
		[NTM_ST_STORAGE] = "storage failed",
		[NTM_ST_GOING_AWAY] = "going away",
	};

	return status < ARRAY_SIZE(names) ? names[status] : "unknown status";
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool label_valid(const char *label, size_t len)
{
	if (len < 1 || len > 63 || !is_alnum(label[0]) || !is_alnum(label[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(label[i]) && label[i] != '-')
			return false;
	}
	return true;
}

bool ntm_name_valid(const char *name)
{
	size_t total = strnlen(name, NTM_NAME_MAX + 1);
	size_t len;

	if (total < 1 || total > NTM_NAME_MAX)
		return false;
	for (;;) {
		len = strcspn(name, ".");
		if (!label_valid(name, len))
			return false;
		if (!name[len])
			return true;
		name += len + 1;
	}
}

bool ntm_name_below(const char *name, const char *above)
{
	const size_t len = strlen(name), above_len = strlen(above);

	return above_len && len > above_len + 1 && name[len - above_len - 1] == '.' &&
	       !strcmp(name + len - above_len, above);
}
