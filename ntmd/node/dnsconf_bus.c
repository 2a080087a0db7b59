// SPDX-License-Identifier: GPL-2.0
#include "dnsconf_bus.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define CALL_US 2000000

static const struct ntm_bus_peer driver = {
	.name = "org.freedesktop.DBus",
	.path = "/org/freedesktop/DBus",
	.interface = "org.freedesktop.DBus",
};

int ntm_bus_open(struct ntm_bus *bus)
{
	int err;

	*bus = (struct ntm_bus){ .error = SD_BUS_ERROR_NULL };
	err = sd_bus_open_system(&bus->bus);
	if (err < 0)
		return err;
	err = sd_bus_set_method_call_timeout(bus->bus, CALL_US);
	return err < 0 ? err : 0;
}

void ntm_bus_close(struct ntm_bus *bus)
{
	sd_bus_error_free(&bus->error);
	sd_bus_flush_close_unref(bus->bus);
}

int ntm_bus_new_call(struct ntm_bus *bus, const struct ntm_bus_peer *peer, const char *method,
		     sd_bus_message **m)
{
	int err = sd_bus_message_new_method_call(bus->bus, m, peer->name, peer->path,
						 peer->interface, method);

	if (err >= 0)
		err = sd_bus_message_set_auto_start(*m, false);
	return err < 0 ? err : 0;
}

int ntm_bus_call(struct ntm_bus *bus, sd_bus_message *m, sd_bus_message **reply)
{
	int err;

	sd_bus_error_free(&bus->error);
	err = sd_bus_call(bus->bus, m, 0, &bus->error, reply);
	return err < 0 ? err : 0;
}

int ntm_bus_simple(struct ntm_bus *bus, const struct ntm_bus_peer *peer, const char *method,
		   const char *types, ...)
{
	sd_bus_message *m = NULL;
	va_list args;
	int err = ntm_bus_new_call(bus, peer, method, &m);

	if (!err) {
		va_start(args, types);
		err = sd_bus_message_appendv(m, types, args);
		va_end(args);
	}
	if (err >= 0)
		err = ntm_bus_call(bus, m, NULL);
	sd_bus_message_unref(m);
	return err;
}

const char *ntm_bus_why(const struct ntm_bus *bus, int err)
{
	if (!bus->bus)
		return "there is no D-Bus";
	return bus->error.message ? bus->error.message : strerror(-err);
}

static int ask_owner(struct ntm_bus *bus, const char *name, int *has)
{
	sd_bus_message *m = NULL, *reply = NULL;
	int err = ntm_bus_new_call(bus, &driver, "NameHasOwner", &m);

	if (!err)
		err = sd_bus_message_append(m, "s", name);
	if (err >= 0)
		err = ntm_bus_call(bus, m, &reply);
	if (!err)
		err = sd_bus_message_read(reply, "b", has);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return err < 0 ? err : 0;
}

bool ntm_bus_has(const char *name)
{
	struct ntm_bus bus;
	int has = 0;

	if (ntm_bus_open(&bus) || ask_owner(&bus, name, &has))
		has = 0;
	ntm_bus_close(&bus);
	return has;
}
