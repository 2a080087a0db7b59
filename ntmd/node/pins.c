// SPDX-License-Identifier: GPL-2.0
#include "pins.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/keyfile.h"
#include "common/state.h"
#include "lease.h"

int ntm_pins_open(struct ntm_pins *pins, const char *path)
{
	int err;

	snprintf(pins->path, sizeof(pins->path), "%s", path);
	pins->keys = NULL;
	pins->refused = json_object();
	pins->unwritten = false;
	memset(pins->of_zone, 0, sizeof(pins->of_zone));
	err = ntm_state_read(path, &pins->keys);
	if (err == -ENOENT) {
		pins->keys = json_object();
		err = 0;
	}
	if (!err && (!pins->keys || !pins->refused))
		err = -ENOMEM;
	if (err)
		ntm_pins_close(pins);
	return err;
}

void ntm_pins_close(struct ntm_pins *pins)
{
	json_decref(pins->refused);
	json_decref(pins->keys);
	pins->refused = NULL;
	pins->keys = NULL;
}

bool ntm_pins_check(struct ntm_pins *pins, const char *name, const uint8_t key[32])
{
	const char *known = json_string_value(json_object_get(pins->keys, name));
	char text[NTM_KEY_STR];

	ntm_key_str(key, text);
	if (!known || !strcmp(known, text))
		return true;
	json_object_set_new(pins->refused, name, json_string(text));
	return false;
}

void ntm_pins_zones(struct ntm_pins *pins, const struct ntm_msg *lease)
{
	const char *name;
	json_t *key;

	memset(pins->of_zone, 0, sizeof(pins->of_zone));
	json_object_foreach(pins->keys, name, key) {
		const int zone = ntm_lease_other(lease, name);

		if (zone >= 0)
			pins->of_zone[zone]++;
	}
}

int ntm_pins_learn(struct ntm_pins *pins, const struct ntm_msg *lease, const char *name,
		   const uint8_t key[32])
{
	const int zone = ntm_lease_other(lease, name);
	char text[NTM_KEY_STR];

	if (json_object_get(pins->keys, name))
		return 0;
	if (zone >= 0 && pins->of_zone[zone] >= NTM_PINS_OF_ZONE)
		return -EDQUOT;
	ntm_key_str(key, text);
	if (json_object_set_new(pins->keys, name, json_string(text)))
		return -ENOMEM;
	if (zone >= 0)
		pins->of_zone[zone]++;
	pins->unwritten = true;
	return 0;
}

int ntm_pins_write(struct ntm_pins *pins)
{
	const int err = pins->unwritten ? ntm_state_write(pins->path, pins->keys) : 0;

	pins->unwritten = err;
	return err;
}

int ntm_pins_forget(struct ntm_pins *pins, const struct ntm_msg *lease, const char *name)
{
	json_object_del(pins->refused, name);
	if (json_object_del(pins->keys, name))
		return -ENOENT;
	ntm_pins_zones(pins, lease);
	pins->unwritten = true;
	return ntm_pins_write(pins);
}

json_t *ntm_pins_refused(const struct ntm_pins *pins)
{
	return pins->refused;
}
