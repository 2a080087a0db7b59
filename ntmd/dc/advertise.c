// SPDX-License-Identifier: GPL-2.0
#include "dc/advertise.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

static void add(struct ntm_join *join, const union ntm_addr *addr)
{
	unsigned int i;

	for (i = 0; i < join->addr_count; i++) {
		if (ntm_addr_equal(&join->addrs[i], addr))
			return;
	}
	if (join->addr_count < NTM_JOIN_ADDRS)
		join->addrs[join->addr_count++] = *addr;
}

static bool wildcard(const union ntm_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return addr->v4.sin_addr.s_addr == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr);
}

static bool global(const union ntm_addr *addr)
{
	if (!ntm_addr_usable(addr))
		return false;
	if (addr->sa.sa_family == AF_INET)
		return ntohl(addr->v4.sin_addr.s_addr) >> 16 != 0xa9fe; /* 169.254.0.0/16 */
	return !IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr);
}

static void add_interface(struct ntm_join *join, const struct ifaddrs *ifa,
			  const union ntm_addr *listen)
{
	union ntm_addr addr;

	if (!ifa->ifa_addr || ifa->ifa_addr->sa_family != listen->sa.sa_family ||
	    !(ifa->ifa_flags & IFF_UP) || ifa->ifa_flags & IFF_LOOPBACK ||
	    ntm_addr_from_sockaddr(&addr, ifa->ifa_addr))
		return;
	if (addr.sa.sa_family == AF_INET)
		addr.v4.sin_port = listen->v4.sin_port;
	else
		addr.v6.sin6_port = listen->v6.sin6_port;
	if (global(&addr))
		add(join, &addr);
}

static int add_listening(struct ntm_join *join, const union ntm_addr *listen)
{
	struct ifaddrs *all, *ifa;

	if (!listen->sa.sa_family)
		return 0;
	if (!wildcard(listen)) {
		add(join, listen);
		return 0;
	}
	if (getifaddrs(&all))
		return -errno;
	for (ifa = all; ifa; ifa = ifa->ifa_next)
		add_interface(join, ifa, listen);
	freeifaddrs(all);
	return 0;
}

int ntm_advertise(const struct ntm_dc_config *config, struct ntm_join *join)
{
	unsigned int i;
	int err = 0;

	join->addr_count = 0;
	for (i = 0; i < config->advertise_count; i++)
		add(join, &config->advertise[i]);
	if (!join->addr_count)
		err = add_listening(join, &config->listen4);
	if (!err && !config->advertise_count)
		err = add_listening(join, &config->listen6);
	if (!err && !join->addr_count)
		err = -EADDRNOTAVAIL;
	return err;
}
