// SPDX-License-Identifier: GPL-2.0
#include "dc/candidates.h"

#include <string.h>

static bool loopback(const union ntm_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return ntohl(addr->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&addr->v6.sin6_addr);
}

static bool link_local(const union ntm_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return ntohl(addr->v4.sin_addr.s_addr) >> 16 == 0xa9fe; /* 169.254.0.0/16 */
	return IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr);
}

static bool virtual(const struct ntm_candidates_rule *rule, const union ntm_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return ntm_pool_contains(rule->pool4, &addr->v4.sin_addr);
	return ntm_pool_contains(rule->pool6, &addr->v6.sin6_addr);
}

static bool good(const struct ntm_candidates_rule *rule, const union ntm_addr *addr)
{
	if (!ntm_addr_usable(addr) || link_local(addr) || virtual(rule, addr))
		return false;
	return !loopback(addr) || loopback(rule->observed);
}

unsigned int ntm_candidates_keep(const struct ntm_candidates_rule *rule,
				 const struct ntm_candidate *in, unsigned int count,
				 struct ntm_candidate out[NTM_CANDIDATES_MAX], unsigned int *bad)
{
	unsigned int kept = 0, i, j;

	*bad = 0;

	for (i = 0; i < count && kept < NTM_CANDIDATES_MAX; i++) {
		if (in[i].kind == NTM_CAND_RELAYED || !good(rule, &in[i].addr)) {
			(*bad)++;
			continue;
		}
		for (j = 0; j < kept && !ntm_addr_equal(&out[j].addr, &in[i].addr); j++)
			;
		if (j == kept)
			out[kept++] = in[i];
	}
	return kept;
}

unsigned int ntm_candidates_relay(const struct ntm_candidates_rule *rule,
				  const struct ntm_candidate *in, unsigned int count,
				  union ntm_addr out[2])
{
	unsigned int kept = 0, i;

	memset(out, 0, 2 * sizeof(*out));
	for (i = 0; i < count && kept < 2; i++) {
		if (good(rule, &in[i].addr) &&
		    !(kept && out[0].sa.sa_family == in[i].addr.sa.sa_family))
			out[kept++] = in[i].addr;
	}
	return kept;
}
