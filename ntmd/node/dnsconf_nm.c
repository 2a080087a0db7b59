// SPDX-License-Identifier: GPL-2.0
/*
 * NetworkManager, by D-Bus, where it writes resolv.conf. Our interface is one
 * that it did not make; it takes name servers for it all the same: the applied
 * settings are read, changed in what is DNS, and applied again. They are
 * forgotten with the interface.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "dnsconf_bus.h"
#include "dnsconf_method.h"

/* Below 50 (VPNs) and 100 (others) we come first; a negative one would shut all others out */
#define PRIORITY 10
#define PRESERVE_EXTERNAL_IP 1U
#define NO_STUB_CONF "/run/NetworkManager/no-stub-resolv.conf"

static const struct ntm_bus_peer manager = {
	.name = "org.freedesktop.NetworkManager",
	.path = "/org/freedesktop/NetworkManager",
	.interface = "org.freedesktop.NetworkManager",
};

struct device {
	char path[256];
	struct ntm_bus_peer peer;
};

static int find_device(struct ntm_bus *bus, const char *ifname, struct device *device)
{
	sd_bus_message *m = NULL, *reply = NULL;
	const char *path = NULL;
	int err = ntm_bus_new_call(bus, &manager, "GetDeviceByIpIface", &m);

	if (!err)
		err = sd_bus_message_append(m, "s", ifname);
	if (err >= 0)
		err = ntm_bus_call(bus, m, &reply);
	if (!err)
		err = sd_bus_message_read(reply, "o", &path);
	if (err >= 0 && path) {
		snprintf(device->path, sizeof(device->path), "%s", path);
		device->peer = manager;
		device->peer.path = device->path;
		device->peer.interface = "org.freedesktop.NetworkManager.Device";
		err = 0;
	}
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return err;
}

static int applied_settings(struct ntm_bus *bus, const struct device *device,
			    sd_bus_message **reply)
{
	sd_bus_message *m = NULL;
	int err = ntm_bus_new_call(bus, &device->peer, "GetAppliedConnection", &m);

	if (!err)
		err = sd_bus_message_append(m, "u", 0);
	if (err >= 0)
		err = ntm_bus_call(bus, m, reply);
	sd_bus_message_unref(m);
	return err;
}

/* Settings: a dictionary of sections, each a dictionary of variants */

static bool is_ip(const char *section)
{
	return !strcmp(section, "ipv4") || !strcmp(section, "ipv6");
}

/* The old forms of addresses and routes would win over the new ones that stand beside them */
static bool is_replaced(const char *key)
{
	static const char *const keys[] = { "dns",	    "dns-data",	 "dns-search",
					    "dns-priority", "addresses", "routes" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strcmp(key, keys[i]))
			return true;
	}
	return false;
}

static int copy_value(sd_bus_message *to, sd_bus_message *from, const char *key)
{
	int err = sd_bus_message_open_container(to, 'e', "sv");

	if (err >= 0)
		err = sd_bus_message_append(to, "s", key);
	if (err >= 0)
		err = sd_bus_message_copy(to, from, false);
	return err < 0 ? err : sd_bus_message_close_container(to);
}

static int copy_values(sd_bus_message *to, sd_bus_message *from, bool is_ip_section)
{
	const char *key;
	int err = sd_bus_message_enter_container(from, 'a', "{sv}");

	while (err >= 0 && (err = sd_bus_message_enter_container(from, 'e', "sv")) > 0) {
		err = sd_bus_message_read(from, "s", &key);
		if (err >= 0 && is_ip_section && is_replaced(key))
			err = sd_bus_message_skip(from, "v");
		else if (err >= 0)
			err = copy_value(to, from, key);
		if (err >= 0)
			err = sd_bus_message_exit_container(from);
	}
	return err < 0 ? err : sd_bus_message_exit_container(from);
}

static int append_stub6(sd_bus_message *to, const union ntm_addr *stub)
{
	int err = sd_bus_message_open_container(to, 'e', "sv");

	if (err >= 0)
		err = sd_bus_message_append(to, "s", "dns");
	if (err >= 0)
		err = sd_bus_message_open_container(to, 'v', "aay");
	if (err >= 0)
		err = sd_bus_message_open_container(to, 'a', "ay");
	if (err >= 0)
		err = sd_bus_message_append_array(to, 'y', &stub->v6.sin6_addr, 16);
	for (int i = 0; err >= 0 && i < 3; i++)
		err = sd_bus_message_close_container(to);
	return err;
}

static int append_stub(sd_bus_message *to, const union ntm_addr *stub)
{
	if (stub->sa.sa_family == AF_INET)
		return sd_bus_message_append(to, "{sv}", "dns", "au", 1, stub->v4.sin_addr.s_addr);
	return append_stub6(to, stub);
}

/* Routing domains: "~zone" */
static int append_domains(sd_bus_message *to, const struct ntm_dnsconf_job *job)
{
	char domain[260];
	int err = sd_bus_message_open_container(to, 'e', "sv");

	if (err >= 0)
		err = sd_bus_message_append(to, "s", "dns-search");
	if (err >= 0)
		err = sd_bus_message_open_container(to, 'v', "as");
	if (err >= 0)
		err = sd_bus_message_open_container(to, 'a', "s");
	for (unsigned int i = 0; err >= 0 && i < job->zone_count; i++) {
		snprintf(domain, sizeof(domain), "~%s", job->zones[i]);
		err = sd_bus_message_append(to, "s", domain);
	}
	for (int i = 0; err >= 0 && i < 3; i++)
		err = sd_bus_message_close_container(to);
	return err;
}

/* One address of us is enough: the C library looks at no more than three servers */
static int append_dns(sd_bus_message *to, int family, const struct ntm_dnsconf_job *job)
{
	const union ntm_addr *stub = ntm_dnsconf_stub(job);
	int err;

	if (stub->sa.sa_family != family)
		return 0;
	err = append_stub(to, stub);
	if (err >= 0)
		err = append_domains(to, job);
	return err < 0 ? err : sd_bus_message_append(to, "{sv}", "dns-priority", "i", PRIORITY);
}

static int copy_section(sd_bus_message *to, sd_bus_message *from, const struct ntm_dnsconf_job *job)
{
	const char *section;
	int err = sd_bus_message_read(from, "s", &section);

	if (err >= 0)
		err = sd_bus_message_open_container(to, 'e', "sa{sv}");
	if (err >= 0)
		err = sd_bus_message_append(to, "s", section);
	if (err >= 0)
		err = sd_bus_message_open_container(to, 'a', "{sv}");
	if (err >= 0)
		err = copy_values(to, from, is_ip(section));
	if (err >= 0 && is_ip(section))
		err = append_dns(to, section[3] == '4' ? AF_INET : AF_INET6, job);
	for (int i = 0; err >= 0 && i < 2; i++)
		err = sd_bus_message_close_container(to);
	return err;
}

static int copy_settings(sd_bus_message *to, sd_bus_message *from,
			 const struct ntm_dnsconf_job *job)
{
	int err = sd_bus_message_open_container(to, 'a', "{sa{sv}}");

	if (err >= 0)
		err = sd_bus_message_enter_container(from, 'a', "{sa{sv}}");
	while (err >= 0 && (err = sd_bus_message_enter_container(from, 'e', "sa{sv}")) > 0) {
		err = copy_section(to, from, job);
		if (err >= 0)
			err = sd_bus_message_exit_container(from);
	}
	if (err >= 0)
		err = sd_bus_message_exit_container(from);
	return err < 0 ? err : sd_bus_message_close_container(to);
}

/* @flags: an older NetworkManager knows none, and refuses them */
static int reapply(struct ntm_bus *bus, const struct device *device,
		   const struct ntm_dnsconf_job *job, uint32_t flags)
{
	sd_bus_message *settings = NULL, *m = NULL;
	uint64_t version;
	int err = applied_settings(bus, device, &settings);

	if (!err)
		err = ntm_bus_new_call(bus, &device->peer, "Reapply", &m);
	if (!err)
		err = copy_settings(m, settings, job);
	if (err >= 0)
		err = sd_bus_message_read(settings, "t", &version);
	if (err >= 0)
		err = sd_bus_message_append(m, "tu", version, flags);
	if (err >= 0)
		err = ntm_bus_call(bus, m, NULL);
	sd_bus_message_unref(m);
	sd_bus_message_unref(settings);
	return err < 0 ? err : 0;
}

static int set_device(struct ntm_bus *bus, const struct ntm_dnsconf_job *job)
{
	struct device device;
	int err = find_device(bus, job->ifname, &device);

	if (!err)
		err = reapply(bus, &device, job, PRESERVE_EXTERNAL_IP);
	if (err == -EINVAL)
		err = reapply(bus, &device, job, 0);
	return err;
}

static int nm_set(const struct ntm_dnsconf_job *job, char *why, size_t size)
{
	struct ntm_bus bus;
	int err = ntm_bus_open(&bus);

	if (!err)
		err = set_device(&bus, job);
	if (err)
		snprintf(why, size, "NetworkManager: %s", ntm_bus_why(&bus, err));
	ntm_bus_close(&bus);
	return err;
}

/* The same without a server. The stored settings would not do: they may be of a time when the interface had other addresses. */
static void nm_undo(const char *ifname)
{
	struct ntm_dnsconf_job none = { 0 };
	struct ntm_bus bus;

	snprintf(none.ifname, sizeof(none.ifname), "%s", ifname);
	if (!ntm_bus_open(&bus))
		(void)set_device(&bus, &none);
	ntm_bus_close(&bus);
}

static bool nm_fits(const struct ntm_dnsconf_host *host)
{
	if (host->resolv.owner != NTM_RESOLV_NM && !strstr(host->resolv_conf, "/NetworkManager/"))
		return false;
	return ntm_bus_has(manager.name);
}

/*
 * With a cache of its own (dns=dnsmasq), resolv.conf names that cache alone; and it asks us for names of the zones, so that what
 * we passed on to it would come back. An older NetworkManager does not write the other file.
 */
static const char *nm_source(char buf[PATH_MAX])
{
	(void)buf;
	return access(NO_STUB_CONF, R_OK) ? NTM_RESOLV_CONF : NO_STUB_CONF;
}

const struct ntm_dnsconf_method ntm_dnsconf_nm = {
	.name = "networkmanager",
	.title = "NetworkManager (D-Bus)",
	.source = nm_source,
	.by_bus = true,
	.fits = nm_fits,
	.set = nm_set,
	.undo = nm_undo,
};
