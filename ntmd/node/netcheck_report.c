// SPDX-License-Identifier: GPL-2.0
#include "netcheck.h"

#define SCHEMA 1

const unsigned int ntm_netcheck_mtus[NTM_NETCHECK_MTUS] = {
	1280, 1360, 1400, 1420, 1440, 1460, 1472, 1480, 1492, 1500, 9000,
};
const unsigned int ntm_netcheck_lives[NTM_NETCHECK_LIVES] = { 15, 30, 45, 60, 90, 120, 180 };

static json_t *endpoint(const union ntm_addr *addr)
{
	char text[NTM_ADDR_STR];

	return addr->sa.sa_family ? json_string(ntm_addr_str(addr, text)) : json_null();
}

/* Families: an address of our own, and somebody who has heard us by it */
static json_t *family_json(const struct ntm_survey *s, int family)
{
	union ntm_addr own = { .sa.sa_family = 0 }, seen = { .sa.sa_family = 0 };
	json_t *object = json_object();

	for (unsigned int i = 0; i < s->own_count && !own.sa.sa_family; i++)
		if (s->own[i].addr.sa.sa_family == family)
			own = s->own[i].addr;
	if (s->dc.sa.sa_family == family)
		seen = s->dc;
	for (unsigned int i = 0; i < s->count && !seen.sa.sa_family; i++)
		for (unsigned int j = 0; j < 2; j++)
			if (s->relays[i].ways[j].observed.sa.sa_family == family)
				seen = s->relays[i].ways[j].observed;
	json_object_set_new(object, "address", endpoint(&own));
	json_object_set_new(object, "observed", endpoint(&seen));
	json_object_set_new(object, "works", json_boolean(seen.sa.sa_family != 0));
	return object;
}

/* Two views of a new socket say more than all of the node's own, whose mapping may be an old one */
static enum ntm_nat mapping(const struct ntm_survey *s, const struct ntm_netcheck_results *r)
{
	const enum ntm_nat nat = ntm_survey_nat(s);

	if (!r->mapping[0].sa.sa_family || !r->mapping[1].sa.sa_family)
		return nat;
	if (!ntm_addr_equal(&r->mapping[0], &r->mapping[1]))
		return NTM_NAT_DEPENDENT;
	return nat == NTM_NAT_UNKNOWN ? NTM_NAT_INDEPENDENT : nat;
}

static const char *mapping_name(enum ntm_nat nat)
{
	static const char *const names[] = { "unknown", "none", "endpoint-independent",
					     "endpoint-dependent" };

	return names[nat];
}

static const char *filtering_name(const struct ntm_netcheck_results *r)
{
	if (!r->filter_asked)
		return "unknown";
	if (r->from_address)
		return "endpoint-independent";
	if (!r->from_port)
		return "address-and-port-dependent";
	/* With one relay nobody could send from an address that was never sent to */
	return r->relays4 > 1 ? "address-dependent" : "address-dependent or less";
}

/* [at least, less than]; null: as long as was looked */
static json_t *lifetime_json(const struct ntm_netcheck_results *r)
{
	unsigned int least = 0, most = 0;
	bool asked = false;

	for (unsigned int i = 0; i < NTM_NETCHECK_LIVES; i++) {
		if (!r->life_asked[i])
			continue;
		asked = true;
		if (r->life[i])
			least = ntm_netcheck_lives[i];
		else if (!most)
			most = ntm_netcheck_lives[i];
	}
	if (!asked)
		return json_null();
	if (most && most < least) /* one was lost on the way */
		most = 0;
	return most ? json_pack("[i, i]", least, most) : json_pack("[i, n]", least);
}

static json_t *nat_json(const struct ntm_survey *s, const struct ntm_netcheck_results *r)
{
	json_t *object = json_object();

	json_object_set_new(object, "mapping", json_string(mapping_name(mapping(s, r))));
	json_object_set_new(object, "filtering", json_string(filtering_name(r)));
	json_object_set_new(object, "hairpin",
			    r->hairpin_asked ? json_boolean(r->hairpin) : json_null());
	json_object_set_new(object, "lifetime_s", lifetime_json(r));
	return object;
}

static json_t *mtu_json(const struct ntm_netcheck_results *r, unsigned int family)
{
	unsigned int best = 0;

	for (unsigned int i = 0; i < NTM_NETCHECK_MTUS; i++)
		if (r->mtu[family][i])
			best = ntm_netcheck_mtus[i];
	return best ? json_integer(best) : json_null();
}

static json_t *relays_json(const struct ntm_survey *s)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < s->count; i++) {
		const struct ntm_survey_relay *relay = &s->relays[i];
		json_t *object = json_pack("{s:s}", "name", relay->info.name);

		for (unsigned int j = 0; j < 2; j++) {
			const struct ntm_survey_way *way = &relay->ways[j];

			if (!way->addr.sa.sa_family)
				continue;
			json_object_set_new(
				object, way->addr.sa.sa_family == AF_INET ? "rtt4_us" : "rtt6_us",
				way->rtt_us ? json_integer(way->rtt_us) : json_null());
		}
		json_array_append_new(list, object);
	}
	return list;
}

json_t *ntm_netcheck_report(const struct ntm_survey *s, const struct ntm_netcheck_results *r)
{
	json_t *object = json_pack("{s:b, s:i}", "ok", 1, "schema", SCHEMA);

	json_object_set_new(object, "ipv4", family_json(s, AF_INET));
	json_object_set_new(object, "ipv6", family_json(s, AF_INET6));
	json_object_set_new(object, "nat", nat_json(s, r));
	json_object_set_new(object, "path_mtu",
			    json_pack("{s:o, s:o}", "ipv4", mtu_json(r, 0), "ipv6",
				      mtu_json(r, 1)));
	json_object_set_new(object, "relays", relays_json(s));
	return object;
}
