// SPDX-License-Identifier: GPL-2.0
/*
 * systemd-resolved, by D-Bus: our link's servers are asked for names of our
 * zones (routing domains, "~zone"), and for nothing else. It forgets a link's
 * settings with the link.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "dnsconf_bus.h"
#include "dnsconf_method.h"

static const struct ntm_bus_peer manager = {
	.name = "org.freedesktop.resolve1",
	.path = "/org/freedesktop/resolve1",
	.interface = "org.freedesktop.resolve1.Manager",
};

static int append_server(sd_bus_message *m, const union ntm_addr *stub)
{
	int err = sd_bus_message_open_container(m, 'r', "iay");

	if (err >= 0)
		err = sd_bus_message_append(m, "i", (int)stub->sa.sa_family);
	if (err >= 0 && stub->sa.sa_family == AF_INET)
		err = sd_bus_message_append_array(m, 'y', &stub->v4.sin_addr, 4);
	else if (err >= 0)
		err = sd_bus_message_append_array(m, 'y', &stub->v6.sin6_addr, 16);
	return err < 0 ? err : sd_bus_message_close_container(m);
}

static int append_servers(sd_bus_message *m, const struct ntm_dnsconf_job *job)
{
	int err = sd_bus_message_append(m, "i", (int)job->ifindex);

	if (err >= 0)
		err = sd_bus_message_open_container(m, 'a', "(iay)");
	if (err >= 0 && job->stub4.sa.sa_family)
		err = append_server(m, &job->stub4);
	if (err >= 0 && job->stub6.sa.sa_family)
		err = append_server(m, &job->stub6);
	return err < 0 ? err : sd_bus_message_close_container(m);
}

static int set_servers(struct ntm_bus *bus, const struct ntm_dnsconf_job *job)
{
	sd_bus_message *m = NULL;
	int err = ntm_bus_new_call(bus, &manager, "SetLinkDNS", &m);

	if (!err) {
		err = append_servers(m, job);
		err = err < 0 ? err : ntm_bus_call(bus, m, NULL);
	}
	sd_bus_message_unref(m);
	return err;
}

static int append_domains(sd_bus_message *m, const struct ntm_dnsconf_job *job)
{
	int err = sd_bus_message_append(m, "i", (int)job->ifindex);

	if (err >= 0)
		err = sd_bus_message_open_container(m, 'a', "(sb)");
	for (unsigned int i = 0; err >= 0 && i < job->zone_count; i++)
		err = sd_bus_message_append(m, "(sb)", job->zones[i], true);
	return err < 0 ? err : sd_bus_message_close_container(m);
}

static int set_domains(struct ntm_bus *bus, const struct ntm_dnsconf_job *job)
{
	sd_bus_message *m = NULL;
	int err = ntm_bus_new_call(bus, &manager, "SetLinkDomains", &m);

	if (!err) {
		err = append_domains(m, job);
		err = err < 0 ? err : ntm_bus_call(bus, m, NULL);
	}
	sd_bus_message_unref(m);
	return err;
}

/* Names of the zone are private: no DNSSEC chain leads to them, and no server but us takes them, over TLS or by multicast */
static int set_modes(struct ntm_bus *bus, int link)
{
	static const char *const calls[] = { "SetLinkDNSSEC", "SetLinkDNSOverTLS", "SetLinkLLMNR",
					     "SetLinkMulticastDNS" };
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(calls) / sizeof(calls[0]); i++)
		err = ntm_bus_simple(bus, &manager, calls[i], "is", link, "no");
	return err;
}

static int set_link(struct ntm_bus *bus, const struct ntm_dnsconf_job *job)
{
	int link = (int)job->ifindex;
	int err = set_servers(bus, job);

	if (!err)
		err = set_domains(bus, job);
	if (!err)
		err = ntm_bus_simple(bus, &manager, "SetLinkDefaultRoute", "ib", link, false);
	if (!err)
		err = set_modes(bus, link);
	/* What was asked before, and answered NXDOMAIN, is asked anew */
	if (!err)
		err = ntm_bus_simple(bus, &manager, "FlushCaches", "");
	return err;
}

static int resolved_set(const struct ntm_dnsconf_job *job, char *why, size_t size)
{
	struct ntm_bus bus;
	int err = ntm_bus_open(&bus);

	if (!err)
		err = set_link(&bus, job);
	if (err)
		snprintf(why, size, "systemd-resolved: %s", ntm_bus_why(&bus, err));
	ntm_bus_close(&bus);
	return err;
}

static void resolved_undo(const char *ifname)
{
	int link = (int)if_nametoindex(ifname);
	struct ntm_bus bus;

	if (!link)
		return;
	if (!ntm_bus_open(&bus))
		(void)ntm_bus_simple(&bus, &manager, "RevertLink", "i", link);
	ntm_bus_close(&bus);
}

static bool asks_resolved(const struct ntm_dnsconf_host *host)
{
	struct ntm_resolv stub;

	if (host->nss_resolve)
		return true;
	ntm_resolv_parse(&stub, "nameserver 127.0.0.53\nnameserver 127.0.0.54\n");
	for (unsigned int i = 0; i < stub.count; i++) {
		if (host->resolv.count &&
		    ntm_addr_equal(&host->resolv.servers[0], &stub.servers[i]))
			return true;
	}
	return false;
}

/* That it runs is not enough: somebody must ask it */
static bool resolved_fits(const struct ntm_dnsconf_host *host)
{
	return asks_resolved(host) && ntm_bus_has(manager.name);
}

static const char *resolved_source(char buf[PATH_MAX])
{
	(void)buf;
	return NTM_RESOLVED_CONF;
}

const struct ntm_dnsconf_method ntm_dnsconf_resolved = {
	.name = "resolved",
	.title = "systemd-resolved (D-Bus)",
	.source = resolved_source,
	.by_bus = true,
	.fits = resolved_fits,
	.set = resolved_set,
	.undo = resolved_undo,
};
