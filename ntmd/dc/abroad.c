// SPDX-License-Identifier: GPL-2.0
#include "dc/abroad.h"

#include <arpa/inet.h>
#include <stdio.h>
#include "common/keyfile.h"
#include "dc/advertise.h"

static json_t *key_text(bool has, const uint8_t key[32])
{
	char text[NTM_KEY_STR];

	if (!has)
		return json_null();
	ntm_key_str(key, text);
	return json_string(text);
}

static json_t *network(int family, const void *addr, uint8_t prefix)
{
	char text[INET6_ADDRSTRLEN], net[INET6_ADDRSTRLEN + 4];

	if (prefix == NTM_NO_PREFIX)
		return json_null();
	snprintf(net, sizeof(net), "%s/%u", inet_ntop(family, addr, text, sizeof(text)), prefix);
	return json_string(net);
}

static json_t *addresses(const union ntm_addr *addrs, unsigned int count)
{
	json_t *list = json_array();
	char text[NTM_ADDR_STR];

	for (unsigned int i = 0; i < count; i++)
		json_array_append_new(list, json_string(ntm_addr_str(&addrs[i], text)));
	return list;
}

static json_t *rtt(const struct ntm_zone *zone, bool live)
{
	if (!live || zone->link.state != NTM_DC_REGISTERED || zone->link.rtt_ms == UINT64_MAX)
		return json_null();
	return json_integer((json_int_t)zone->link.rtt_ms);
}

static json_t *zone_object(const struct ntm_zone *zone, bool live, uint64_t now_ms)
{
	const struct ntm_zone_info *n = &zone->networks;
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(zone->name));
	json_object_set_new(o, "state",
			    json_string(live ? ntm_zone_state(zone, now_ms) : "unknown"));
	json_object_set_new(o, "why", zone->why[0] ? json_string(zone->why) : json_null());
	json_object_set_new(o, "key", key_text(zone->has_pin, zone->pin));
	json_object_set_new(o, "key_in_dns", key_text(zone->has_found, zone->found.key));
	json_object_set_new(o, "addresses", addresses(zone->found.addrs, zone->found.addr_count));
	json_object_set_new(o, "connected_from_there", json_boolean(zone->has_in));
	json_object_set_new(o, "network4", network(AF_INET, &n->virtual4, n->prefix4));
	json_object_set_new(o, "network6", network(AF_INET6, &n->virtual6, n->prefix6));
	json_object_set_new(o, "use4", json_boolean(zone->use4));
	json_object_set_new(o, "use6", json_boolean(zone->use6));
	json_object_set_new(o, "rtt_ms", rtt(zone, live));
	json_object_set_new(o, "requests_out", json_integer((json_int_t)zone->asked));
	json_object_set_new(o, "requests_in", json_integer((json_int_t)zone->answered));
	return o;
}

json_t *ntm_abroad_zones(const struct ntm_core *core, bool live, uint64_t now_ms)
{
	json_t *zones = json_array();

	for (unsigned int i = 0; i < core->zones.count; i++) {
		if (json_array_append_new(zones, zone_object(core->zones.all[i], live, now_ms))) {
			json_decref(zones);
			return NULL;
		}
	}
	return zones;
}

static uint16_t port_of(const union ntm_addr *addr)
{
	return ntohs(addr->sa.sa_family == AF_INET ? addr->v4.sin_port : addr->v6.sin6_port);
}

/* One SRV record has one port: the first address's; addresses with another one are left out. */
json_t *ntm_abroad_key(const struct ntm_core *core)
{
	struct ntm_join join = { .addr_count = 0 };
	json_t *list = json_array();
	uint16_t port = port_of(core->config.listen4.sa.sa_family ? &core->config.listen4 :
								    &core->config.listen6);
	char text[INET6_ADDRSTRLEN];

	if (!ntm_advertise(&core->config, &join))
		port = port_of(&join.addrs[0]);
	for (unsigned int i = 0; i < join.addr_count; i++) {
		const union ntm_addr *a = &join.addrs[i];

		if (port_of(a) != port)
			continue;
		if (a->sa.sa_family == AF_INET)
			inet_ntop(AF_INET, &a->v4.sin_addr, text, sizeof(text));
		else
			inet_ntop(AF_INET6, &a->v6.sin6_addr, text, sizeof(text));
		json_array_append_new(list, json_string(text));
	}
	return json_pack("{s:s,s:o,s:i,s:o}", "zone", core->config.zone, "key",
			 key_text(true, core->self.public), "port", (int)port, "addresses", list);
}
