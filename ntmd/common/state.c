// SPDX-License-Identifier: GPL-2.0
#include "common/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/keyfile.h"
#include "ntmobile/wire.h"

int ntm_state_read(const char *path, json_t **object)
{
	FILE *file = fopen(path, "re");
	json_error_t error;

	if (!file)
		return -errno;
	*object = json_loadf(file, 0, &error);
	fclose(file);
	if (json_is_object(*object))
		return 0;
	json_decref(*object);
	*object = NULL;
	return -EINVAL;
}

int ntm_state_write(const char *path, const json_t *object)
{
	char *text = json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS);
	int err;

	if (!text)
		return -ENOMEM;
	err = ntm_keyfile_write(path, text, strlen(text));
	sodium_memzero(text, strlen(text));
	free(text);
	return err;
}

/* The DC */

static int parse_dc(const json_t *object, struct ntm_join *dc, bool *has_token)
{
	const json_t *addresses = json_object_get(object, "addresses"), *address;
	const char *token = json_string_value(json_object_get(object, "token"));
	const char *key = json_string_value(json_object_get(object, "key"));
	uint8_t token_bytes[32];
	size_t i;

	memset(dc, 0, sizeof(*dc));
	json_array_foreach(addresses, i, address) {
		const char *text = json_string_value(address);

		if (i >= NTM_JOIN_ADDRS || !text ||
		    ntm_addr_parse(&dc->addrs[i], text, NTM_WIRE_PORT))
			return -EINVAL;
		dc->addr_count++;
	}
	if (!dc->addr_count || !key || ntm_key_parse(key, dc->dc_key))
		return -EINVAL;
	*has_token = token != NULL;
	if (!token)
		return 0;
	/* Kept as a key is, with the other half zero */
	if (ntm_key_parse(token, token_bytes))
		return -EINVAL;
	memcpy(dc->token, token_bytes, sizeof(dc->token));
	return 0;
}

int ntm_state_read_dc(const char *path, struct ntm_join *dc, bool *has_token)
{
	json_t *object = NULL;
	int err = ntm_state_read(path, &object);

	if (err)
		return err;
	err = parse_dc(object, dc, has_token);
	json_decref(object);
	return err;
}

static json_t *format_dc(const struct ntm_join *dc, bool has_token)
{
	uint8_t token[32] = { 0 };
	char text[NTM_ADDR_STR];
	char key[NTM_KEY_STR];
	json_t *addresses = json_array();
	json_t *object;

	for (unsigned int i = 0; i < dc->addr_count; i++)
		json_array_append_new(addresses, json_string(ntm_addr_str(&dc->addrs[i], text)));
	ntm_key_str(dc->dc_key, key);
	object = json_pack("{s:o, s:s}", "addresses", addresses, "key", key);
	if (object && has_token) {
		memcpy(token, dc->token, sizeof(dc->token));
		ntm_key_str(token, key);
		json_object_set_new(object, "token", json_string(key));
	}
	sodium_memzero(token, sizeof(token));
	sodium_memzero(key, sizeof(key));
	return object;
}

int ntm_state_write_dc(const char *path, const struct ntm_join *dc, bool has_token)
{
	json_t *object = format_dc(dc, has_token);
	int err = object ? ntm_state_write(path, object) : -ENOMEM;

	json_decref(object);
	return err;
}

/* The lease */

static int parse_prefix(const json_t *value, int family, void *addr, uint8_t *prefix)
{
	char text[INET6_ADDRSTRLEN + 4];
	unsigned long bits;
	char *slash, *end;

	if (!json_is_string(value) || json_string_length(value) >= sizeof(text))
		return -EINVAL;
	strcpy(text, json_string_value(value));
	slash = strchr(text, '/');
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	bits = strtoul(slash + 1, &end, 10);
	if (*end || end == slash + 1 || bits > (family == AF_INET ? 32 : 128) ||
	    inet_pton(family, text, addr) != 1)
		return -EINVAL;
	*prefix = (uint8_t)bits;
	return 0;
}

static int parse_name(const json_t *value, char name[NTM_NAME_MAX + 1])
{
	if (!json_is_string(value) || json_string_length(value) > NTM_NAME_MAX ||
	    !ntm_name_valid(json_string_value(value)))
		return -EINVAL;
	strcpy(name, json_string_value(value));
	return 0;
}

/* Another zone: {"name", "network4", "network6"}, each network only if it is known */
static int parse_zone(const json_t *object, struct ntm_zone_info *zone)
{
	const json_t *network4 = json_object_get(object, "network4");
	const json_t *network6 = json_object_get(object, "network6");

	zone->prefix4 = zone->prefix6 = NTM_NO_PREFIX;
	if (parse_name(json_object_get(object, "name"), zone->name) ||
	    (network4 && parse_prefix(network4, AF_INET, &zone->virtual4, &zone->prefix4)) ||
	    (network6 && parse_prefix(network6, AF_INET6, &zone->virtual6, &zone->prefix6)))
		return -EINVAL;
	return 0;
}

static int parse_zones(const json_t *zones, struct ntm_msg *lease)
{
	const size_t count = json_array_size(zones);

	if (count > NTM_PEER_ZONES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (parse_zone(json_array_get(zones, i), &lease->peer_zones[i]))
			return -EINVAL;
	}
	lease->peer_zone_count = (unsigned int)count;
	if (count)
		NTM_SET(lease, PEER_ZONE);
	return 0;
}

static int parse_lease(const json_t *object, struct ntm_msg *lease)
{
	const json_t *virtual4 = json_object_get(object, "virtual4");
	const json_t *virtual6 = json_object_get(object, "virtual6");

	memset(lease, 0, sizeof(*lease));
	if (parse_name(json_object_get(object, "name"), lease->name) ||
	    parse_name(json_object_get(object, "zone"), lease->zone))
		return -EINVAL;
	NTM_SET(lease, NAME);
	NTM_SET(lease, ZONE);
	if (virtual4) {
		if (parse_prefix(virtual4, AF_INET, &lease->virtual4, &lease->prefix4))
			return -EINVAL;
		NTM_SET(lease, VIRTUAL4);
	}
	if (virtual6) {
		if (parse_prefix(virtual6, AF_INET6, &lease->virtual6, &lease->prefix6))
			return -EINVAL;
		NTM_SET(lease, VIRTUAL6);
	}
	if (parse_zones(json_object_get(object, "zones"), lease))
		return -EINVAL;
	return virtual4 || virtual6 ? 0 : -EINVAL;
}

int ntm_state_read_lease(const char *path, struct ntm_msg *lease)
{
	json_t *object = NULL;
	int err = ntm_state_read(path, &object);

	if (err)
		return err;
	err = parse_lease(object, lease);
	json_decref(object);
	return err;
}

static void put_prefix(json_t *object, const char *key, int family, const void *addr,
		       uint8_t prefix)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, addr, text, sizeof(text));
	json_object_set_new(object, key, json_sprintf("%s/%u", text, prefix));
}

static void put_zones(json_t *object, const struct ntm_msg *lease)
{
	json_t *zones = json_array();

	for (unsigned int i = 0; i < lease->peer_zone_count; i++) {
		const struct ntm_zone_info *zone = &lease->peer_zones[i];
		json_t *entry = json_pack("{s:s}", "name", zone->name);

		if (zone->prefix4 != NTM_NO_PREFIX)
			put_prefix(entry, "network4", AF_INET, &zone->virtual4, zone->prefix4);
		if (zone->prefix6 != NTM_NO_PREFIX)
			put_prefix(entry, "network6", AF_INET6, &zone->virtual6, zone->prefix6);
		json_array_append_new(zones, entry);
	}
	json_object_set_new(object, "zones", zones);
}

int ntm_state_write_lease(const char *path, const struct ntm_msg *lease)
{
	json_t *object = json_pack("{s:s, s:s}", "name", lease->name, "zone", lease->zone);
	int err;

	if (!object)
		return -ENOMEM;
	if (NTM_HAS(lease, VIRTUAL4))
		put_prefix(object, "virtual4", AF_INET, &lease->virtual4, lease->prefix4);
	if (NTM_HAS(lease, VIRTUAL6))
		put_prefix(object, "virtual6", AF_INET6, &lease->virtual6, lease->prefix6);
	if (lease->peer_zone_count)
		put_zones(object, lease);
	err = ntm_state_write(path, object);
	json_decref(object);
	return err;
}
