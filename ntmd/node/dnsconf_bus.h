/* SPDX-License-Identifier: GPL-2.0 */
/* The system's D-Bus, as far as dnsconf needs it. It blocks, 2 s a call: for the guard alone. */
#ifndef NTM_DNSCONF_BUS_H
#define NTM_DNSCONF_BUS_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

struct ntm_bus {
	sd_bus *bus;
	sd_bus_error error; /* of the last call */
};

struct ntm_bus_peer {
	const char *name, *path, *interface;
};

/** ntm_bus_open() - 0 or a negative errno; ntm_bus_close() is due in either case */
int ntm_bus_open(struct ntm_bus *bus);
void ntm_bus_close(struct ntm_bus *bus);
/** ntm_bus_new_call() - a call that starts no service; 0 or a negative errno */
int ntm_bus_new_call(struct ntm_bus *bus, const struct ntm_bus_peer *peer, const char *method,
		     sd_bus_message **m);
/** ntm_bus_call() - send it, and wait for the @reply (NULL: of no interest); 0 or a negative errno */
int ntm_bus_call(struct ntm_bus *bus, sd_bus_message *m, sd_bus_message **reply);
/** ntm_bus_simple() - a call with arguments as sd_bus_message_append() takes them; 0 or a negative errno */
int ntm_bus_simple(struct ntm_bus *bus, const struct ntm_bus_peer *peer, const char *method,
		   const char *types, ...);
/** ntm_bus_why() - the reason of the last failure */
const char *ntm_bus_why(const struct ntm_bus *bus, int err);
/** ntm_bus_has() - is somebody of this name on the bus now */
bool ntm_bus_has(const char *name);

#endif
