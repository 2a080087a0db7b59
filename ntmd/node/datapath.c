// SPDX-License-Identifier: GPL-2.0
/* What both data paths need. */
#include "datapath.h"

#include <errno.h>
#include <string.h>

#include "common/netif.h"

const char *const ntm_dp_drop_names[NTM_DP_DROPS] = {
	"short",   "path",   "key",	"auth", "replay",    "source",	 "inner",
	"no-path", "no-key", "too-big", "loop", "no-memory", "no-route",
};

/* Take away what the old lease had and the new one has not, add what is new */
static int change_addr(unsigned int ifindex, int family, bool had, const void *old,
		       uint8_t old_prefix, bool has, const void *new, uint8_t new_prefix)
{
	size_t len = family == AF_INET ? 4 : 16;
	int err;

	if (had && has && old_prefix == new_prefix && !memcmp(old, new, len))
		return 0;
	if (had) {
		err = ntm_netif_addr(ifindex, family, old, old_prefix, false);
		if (err && err != -EADDRNOTAVAIL)
			return err;
	}
	return has ? ntm_netif_addr(ifindex, family, new, new_prefix, true) : 0;
}

int ntm_dp_addresses(unsigned int ifindex, const struct ntm_dp_lease *old,
		     const struct ntm_dp_lease *lease)
{
	int err = change_addr(ifindex, AF_INET, old->has4, &old->virtual4, old->prefix4,
			      lease->has4, &lease->virtual4, lease->prefix4);

	if (!err)
		err = change_addr(ifindex, AF_INET6, old->has6, &old->virtual6, old->prefix6,
				  lease->has6, &lease->virtual6, lease->prefix6);
	return err;
}

void ntm_dp_addresses_again(unsigned int ifindex, const struct ntm_dp_lease *lease)
{
	if (lease->has4 && ntm_netif_lacks(ifindex, AF_INET, &lease->virtual4))
		(void)ntm_netif_addr(ifindex, AF_INET, &lease->virtual4, lease->prefix4, true);
	if (lease->has6 && ntm_netif_lacks(ifindex, AF_INET6, &lease->virtual6))
		(void)ntm_netif_addr(ifindex, AF_INET6, &lease->virtual6, lease->prefix6, true);
}

static void first_of(uint8_t *addr, size_t len, unsigned int prefix)
{
	for (unsigned int bit = prefix; bit < len * 8; bit++)
		addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	addr[len - 1] |= 1;
}

struct in_addr ntm_dp_stub4(const struct ntm_dp_lease *lease)
{
	struct in_addr stub = lease->virtual4;

	first_of((uint8_t *)&stub, sizeof(stub), lease->prefix4);
	return stub;
}

struct in6_addr ntm_dp_stub6(const struct ntm_dp_lease *lease)
{
	struct in6_addr stub = lease->virtual6;

	first_of(stub.s6_addr, sizeof(stub), lease->prefix6);
	return stub;
}
