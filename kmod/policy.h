/* SPDX-License-Identifier: GPL-2.0 */
/* What each netlink command may carry; policy.c agrees with ntmobile.yaml. */
#ifndef NTM_POLICY_H
#define NTM_POLICY_H

#include <net/netlink.h>
#include <ntmobile/uapi.h>

extern const struct nla_policy ntm_key_policy[NTM_KEY_MAX + 1];
extern const struct nla_policy ntm_end_policy[NTM_END_MAX + 1];
extern const struct nla_policy ntm_zones_policy[NTM_ZONES_MAX + 1];
extern const struct nla_policy ntm_dev_set_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_dev_get_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_path_set_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_path_del_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_path_get_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_dns_reply_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_miss_done_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_relay_set_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_relay_del_policy[NTM_A_MAX + 1];
extern const struct nla_policy ntm_relay_get_policy[NTM_A_MAX + 1];

#endif
