/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The static public keys of the names that this node had tunnels with (docs/PROTOCOL.md 7.5): a DC that
 * names another key later is not believed until the user forgets the old one. Kept in one file, of which the caller says when.
 *
 * Of each of the other zones so many are kept and no more: names cost the DC there nothing. None is given up for another, or who
 * lies could make us forget.
 */
#ifndef NTM_PINS_H
#define NTM_PINS_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/msg.h"

#define NTM_PINS_OF_ZONE 4096u

struct ntm_pins {
	char path[PATH_MAX];
	json_t *keys;	 /* name: key */
	json_t *refused; /* name: the other key that a DC named; not kept in the file */
	bool unwritten;	 /* @keys has changed since the file was written */
	unsigned int of_zone[NTM_PEER_ZONES_MAX];
};

/** ntm_pins_open() - read the file, which may not be there; 0 or a negative errno (-EINVAL: damaged) */
int ntm_pins_open(struct ntm_pins *pins, const char *path);
void ntm_pins_close(struct ntm_pins *pins);
/** ntm_pins_check() - may the name have this key? False is remembered until ntm_pins_forget() */
bool ntm_pins_check(struct ntm_pins *pins, const char *name, const uint8_t key[32]);
/** ntm_pins_zones() - count what is known of each of the other zones: after ntm_pins_open(), and when the lease names others */
void ntm_pins_zones(struct ntm_pins *pins, const struct ntm_msg *lease);
/** ntm_pins_learn() - the name has shown that it has this key; 0, -ENOMEM, or -EDQUOT if too many of its zone are known */
int ntm_pins_learn(struct ntm_pins *pins, const struct ntm_msg *lease, const char *name,
		   const uint8_t key[32]);
/** ntm_pins_write() - the file, if there is something unwritten; 0 or a negative errno, and then it is still */
int ntm_pins_write(struct ntm_pins *pins);
/** ntm_pins_forget() - also in the file; 0, -ENOENT if nothing is known of the name, or a negative errno */
int ntm_pins_forget(struct ntm_pins *pins, const struct ntm_msg *lease, const char *name);
/** ntm_pins_refused() - object of the names that were refused; borrowed */
json_t *ntm_pins_refused(const struct ntm_pins *pins);

#endif
