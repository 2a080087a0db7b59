// SPDX-License-Identifier: GPL-2.0
/*
 * What each netlink command may carry. An attribute that a command does not
 * name here is refused, as is one outside its bounds. tests/spec proves that
 * this file, ntmobile.yaml and uapi.h say the same.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <ntmobile/wire.h>
#include "policy.h"

/* Not const, since policies before 6.8 do not point at const. */
static struct netlink_range_validation ntm_mtu_range = {
	.min = 576, .max = 65535,
};

#define NTM_P_IFINDEX	NLA_POLICY_MIN(NLA_U32, 1)
#define NTM_P_SOCKET	NLA_POLICY_MIN(NLA_S32, -1)
#define NTM_P_ZONE	{ .type = NLA_NUL_STRING, .len = NTM_ZONE_MAX }
#define NTM_P_PATH_ID	NLA_POLICY_MIN(NLA_U32, 1)
#define NTM_P_VIRTUAL4	NLA_POLICY_EXACT_LEN(sizeof(struct in_addr))
#define NTM_P_VIRTUAL6	NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr))
#define NTM_P_SOCKADDR	NLA_POLICY_RANGE(NLA_BINARY, sizeof(struct sockaddr_in), \
					 sizeof(struct sockaddr_in6))
#define NTM_P_RELAY	{ .type = NLA_BINARY, .len = sizeof(struct sockaddr_in6) }
#define NTM_P_MTU	NLA_POLICY_FULL_RANGE(NLA_U32, &ntm_mtu_range)
#define NTM_P_DNS	NLA_POLICY_RANGE(NLA_BINARY, 12, 1232)

const struct nla_policy ntm_key_policy[NTM_KEY_MAX + 1] = {
	[NTM_KEY_EPOCH]		= { .type = NLA_U32 },
	[NTM_KEY_SUITE]		= NLA_POLICY_RANGE(NLA_U8, NTM_SUITE_CHACHA20_POLY1305,
						   NTM_SUITE_AES_256_GCM),
	[NTM_KEY_TX]		= NLA_POLICY_EXACT_LEN(NTM_WIRE_KEY_LEN),
	[NTM_KEY_RX]		= NLA_POLICY_EXACT_LEN(NTM_WIRE_KEY_LEN),
	[NTM_KEY_CONFIRMED]	= { .type = NLA_FLAG },
};

const struct nla_policy ntm_end_policy[NTM_END_MAX + 1] = {
	[NTM_END_ADDR]		= NTM_P_SOCKADDR,
	[NTM_END_LOCAL4]	= NLA_POLICY_EXACT_LEN(sizeof(struct in_addr)),
	[NTM_END_LOCAL6]	= NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
};

const struct nla_policy ntm_zones_policy[NTM_ZONES_MAX + 1] = {
	[NTM_ZONES_ZONE]	= NTM_P_ZONE,
};

const struct nla_policy ntm_dev_set_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_SOCKET4]		= NTM_P_SOCKET,
	[NTM_A_SOCKET6]		= NTM_P_SOCKET,
	[NTM_A_ZONE]		= NTM_P_ZONE,
	[NTM_A_ZONES]		= NLA_POLICY_NESTED(ntm_zones_policy),
};

const struct nla_policy ntm_dev_get_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
};

const struct nla_policy ntm_path_set_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_PATH_ID]		= NTM_P_PATH_ID,
	[NTM_A_VIRTUAL4]	= NTM_P_VIRTUAL4,
	[NTM_A_VIRTUAL6]	= NTM_P_VIRTUAL6,
	[NTM_A_PEER_ADDR]	= NTM_P_SOCKADDR,
	[NTM_A_MTU]		= NTM_P_MTU,
	[NTM_A_KEY]		= NLA_POLICY_NESTED(ntm_key_policy),
	[NTM_A_RELAY0]		= NTM_P_RELAY,
	[NTM_A_RELAY1]		= NTM_P_RELAY,
	[NTM_A_PATH_SOCKET]	= NTM_P_SOCKET,
	[NTM_A_DEVICE_PORT]	= { .type = NLA_FLAG },
};

const struct nla_policy ntm_path_del_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_PATH_ID]		= NTM_P_PATH_ID,
};

const struct nla_policy ntm_path_get_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_PATH_ID]		= NTM_P_PATH_ID,
};

const struct nla_policy ntm_dns_reply_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_DNS_TAG]		= { .type = NLA_U64 },
	[NTM_A_DNS_PACKET]	= NTM_P_DNS,
	[NTM_A_DNS_PASS]	= { .type = NLA_FLAG },
};

const struct nla_policy ntm_miss_done_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_VIRTUAL4]	= NTM_P_VIRTUAL4,
	[NTM_A_VIRTUAL6]	= NTM_P_VIRTUAL6,
	[NTM_A_STATUS]		= NLA_POLICY_MAX(NLA_U32, 4095),
};

const struct nla_policy ntm_relay_set_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_PATH_ID]		= NTM_P_PATH_ID,
	[NTM_A_END0]		= NLA_POLICY_NESTED(ntm_end_policy),
	[NTM_A_END1]		= NLA_POLICY_NESTED(ntm_end_policy),
	[NTM_A_RATE]		= { .type = NLA_U64 },
};

const struct nla_policy ntm_relay_del_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_PATH_ID]		= NTM_P_PATH_ID,
};

const struct nla_policy ntm_relay_get_policy[NTM_A_MAX + 1] = {
	[NTM_A_IFINDEX]		= NTM_P_IFINDEX,
	[NTM_A_PATH_ID]		= NTM_P_PATH_ID,
};
