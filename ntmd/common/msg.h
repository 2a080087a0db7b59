/* SPDX-License-Identifier: GPL-2.0 */
/* Signalling messages: docs/PROTOCOL.md section 5. Bounded, no allocation, no I/O. */
#ifndef NTM_MSG_H
#define NTM_MSG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/addr.h"

#define NTM_DATAGRAM_MAX 1232
#define NTM_NAME_MAX 253
#define NTM_CANDIDATES_MAX 16
#define NTM_TEXT_MAX 128
#define NTM_RELAYS_MAX 4
#define NTM_RELAY_NAME_MAX 63
#define NTM_ENDS 2
#define NTM_PEER_ZONES_MAX 8

enum ntm_msg_type {
	NTM_MSG_REGISTRATION_REQUEST = 1,
	NTM_MSG_REGISTRATION_RESPONSE,
	NTM_MSG_KEEP_ALIVE,
	NTM_MSG_KEEP_ALIVE_RESPONSE,
	NTM_MSG_DIRECTION_REQUEST,
	NTM_MSG_REFUSAL,
	NTM_MSG_ROUTE_DIRECTION,
	NTM_MSG_ROUTE_DIRECTION_CONFIRMATION,
	NTM_MSG_INFORMATION_REQUEST,
	NTM_MSG_INFORMATION_RESPONSE,
	NTM_MSG_RELAY_DIRECTION,
	NTM_MSG_RELAY_RESPONSE,
	NTM_MSG_TUNNEL_CLOSE,
	NTM_MSG_PATH_PROBE,
	NTM_MSG_PATH_PROBE_RESPONSE,
	NTM_MSG_ZONE_REQUEST,
	NTM_MSG_ZONE_RESPONSE,
	NTM_MSG_PORT_SEARCH,
};

enum ntm_tlv {
	NTM_TLV_NAME = 1,
	NTM_TLV_TOKEN,
	NTM_TLV_VIRTUAL4,
	NTM_TLV_VIRTUAL6,
	NTM_TLV_LIFETIME,
	NTM_TLV_OBSERVED,
	NTM_TLV_CANDIDATE,
	NTM_TLV_STATUS,
	NTM_TLV_PATH_ID,
	NTM_TLV_ROLE,
	NTM_TLV_PEER_KEY,
	NTM_TLV_PATH_PSK,
	NTM_TLV_SUITES,
	NTM_TLV_SUITE,
	NTM_TLV_EPOCH,
	NTM_TLV_SESSION_ID,
	NTM_TLV_ZONE,
	NTM_TLV_KEEPALIVE,
	NTM_TLV_TARGET,
	NTM_TLV_TIMESTAMP,
	NTM_TLV_RELAY,
	NTM_TLV_END,
	NTM_TLV_LOAD,
	NTM_TLV_RELAY_RTT,
	NTM_TLV_PEER_ZONE,
	NTM_TLV_PEER_NAME,
	NTM_TLV_NAT,
	NTM_TLV_PADDING,
	NTM_TLV_RECEIVED,
	NTM_TLV_MAX,
};

enum ntm_status {
	NTM_ST_OK,
	NTM_ST_UNKNOWN_NODE,
	NTM_ST_REVOKED,
	NTM_ST_TOKEN,
	NTM_ST_NAME_TAKEN,
	NTM_ST_POOL_EMPTY,
	NTM_ST_UNKNOWN_NAME,
	NTM_ST_OFFLINE,
	NTM_ST_REFUSED,
	NTM_ST_BUSY,
	NTM_ST_UNSUPPORTED,
	NTM_ST_STORAGE,
	NTM_ST_GOING_AWAY,
};

/* NTM_ROLE_RELAY: in Registration Request and Response alone */
enum ntm_role { NTM_ROLE_INITIATOR = 1, NTM_ROLE_RESPONDER = 2, NTM_ROLE_RELAY = 3 };
/* How a NAT in front of a node maps its port (RFC 4787 4.1), as the node found out */
enum ntm_nat {
	NTM_NAT_UNKNOWN,
	NTM_NAT_NONE,
	NTM_NAT_INDEPENDENT, /* one outer port for all destinations: "cone" */
	NTM_NAT_DEPENDENT,   /* one for each: "symmetric" */
};
enum ntm_cand_kind { NTM_CAND_HOST, NTM_CAND_REFLEXIVE, NTM_CAND_RELAYED };

/** struct ntm_candidate - a real address at which a node may be reached */
struct ntm_candidate {
	enum ntm_cand_kind kind;
	union ntm_addr addr;
};

/**
 * struct ntm_relay_info - a relay server that a node may use
 * @at_once:	of a Route Direction: no direct path is to be hoped for, bind without waiting
 * @addrs:	one of a family at most, family 0: none; at least one is there
 */
struct ntm_relay_info {
	uint8_t key[32];
	bool at_once;
	union ntm_addr addrs[2];
	char name[NTM_RELAY_NAME_MAX + 1];
};

/**
 * struct ntm_end_info - an end of a path, as an RS needs to know it
 * @role:	initiator or responder
 * @key:	of its Relay Binds
 * @node:	what is counted by, for limits: the same for all paths of a node
 */
struct ntm_end_info {
	uint8_t role;
	uint8_t key[32];
	uint8_t node[8];
};

/** struct ntm_relay_rtt - @relay: the first bytes of its public key */
struct ntm_relay_rtt {
	uint8_t relay[8];
	uint32_t rtt_us;
};

/** struct ntm_zone_info - another DC's zone and virtual networks; prefix NTM_NO_PREFIX: none of that family */
#define NTM_NO_PREFIX 0xff
struct ntm_zone_info {
	struct in_addr virtual4;
	struct in6_addr virtual6;
	uint8_t prefix4, prefix6;
	char name[NTM_NAME_MAX + 1];
};

/**
 * struct ntm_msg - a message, decoded; also a handshake's payload (type 0 then)
 * @has:	bit (1u << enum ntm_tlv) for each TLV that is there
 *
 * Strings are NUL-terminated. path_id, session_id etc. are in host order.
 */
struct ntm_msg {
	uint8_t type;
	uint32_t request_id;
	uint32_t has;
	char name[NTM_NAME_MAX + 1];
	char zone[NTM_NAME_MAX + 1];
	uint8_t token[16];
	struct in_addr virtual4;
	uint8_t prefix4;
	struct in6_addr virtual6;
	uint8_t prefix6;
	uint32_t lifetime;
	uint32_t keepalive;
	struct ntm_candidate observed;
	struct ntm_candidate candidates[NTM_CANDIDATES_MAX];
	unsigned int candidate_count;
	uint16_t status;
	char text[NTM_TEXT_MAX + 1];
	uint32_t path_id;
	uint8_t role;
	uint8_t peer_key[32];
	uint8_t path_psk[32];
	uint32_t suites;
	uint8_t suite;
	uint32_t epoch;
	uint32_t session_id;
	uint8_t target[16];
	uint8_t target_len; /* 4 or 16 */
	uint64_t timestamp;
	struct ntm_relay_info relays[NTM_RELAYS_MAX];
	unsigned int relay_count;
	struct ntm_end_info ends[NTM_ENDS];
	unsigned int end_count;
	uint32_t load; /* of an RS: 0 idle to 1000 full */
	struct ntm_relay_rtt rtts[NTM_RELAYS_MAX];
	unsigned int rtt_count;
	struct ntm_zone_info peer_zones[NTM_PEER_ZONES_MAX];
	unsigned int peer_zone_count;
	char peer_name[NTM_NAME_MAX + 1];
	uint8_t nat;	  /* enum ntm_nat */
	uint16_t padding; /* bytes */
	uint64_t received;
};

#define NTM_HAS(m, tlv) (((m)->has >> (NTM_TLV_##tlv)) & 1u)
#define NTM_SET(m, tlv) ((m)->has |= 1u << (NTM_TLV_##tlv))

/**
 * ntm_msg_encode() - write a message: header and the TLVs of @has, in ascending type
 *
 * Returns the length, or -EMSGSIZE if @size is too small, -EINVAL if the type's needed TLVs are not all there or a
 * value is one that ntm_msg_decode() would refuse (also: a count, as candidate_count, without NTM_SET(m, CANDIDATE)).
 */
int ntm_msg_encode(const struct ntm_msg *m, uint8_t *out, size_t size);
/** ntm_msg_decode() - 0 or -EBADMSG; @m is only valid on 0. Checks the TLVs each type needs. */
int ntm_msg_decode(struct ntm_msg *m, const uint8_t *in, size_t len);
/** ntm_msg_encode_payload() / _decode_payload() - TLVs alone: the payload of a handshake */
int ntm_msg_encode_payload(const struct ntm_msg *m, uint8_t *out, size_t size);
int ntm_msg_decode_payload(struct ntm_msg *m, const uint8_t *in, size_t len);

const char *ntm_msg_name(uint8_t type);
const char *ntm_status_name(uint16_t status); /* for people: "peer offline" */
/** ntm_name_valid() - a lower-case domain name of letters, digits, hyphens and dots (RFC 1123) */
bool ntm_name_valid(const char *name);
/** ntm_name_below() - is @name a name below the domain @above, and not that itself? */
bool ntm_name_below(const char *name, const char *above);

#endif
