// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "ctl.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* "yes, 203.0.113.7:4330 (here 10.0.0.5:4330)", "no" */
static void print_family(const char *label, const json_t *family)
{
	const char *own = text_of(family, "address"), *seen = text_of(family, "observed");

	printf("%-10s", label);
	if (!json_is_true(json_object_get(family, "works")))
		printf("%s\n", own[0] ? "an address, but no way out" : "no");
	else if (own[0] && strcmp(own, seen) != 0)
		printf("yes, %s, here %s\n", seen, own);
	else
		printf("yes, %s\n", seen);
}

static void print_lifetime(const json_t *range)
{
	const json_t *most = json_array_get(range, 1);

	if (!json_is_array(range))
		return;
	printf("%-10s", "lifetime");
	if (json_is_integer(most))
		printf("between %d and %d s\n", (int)json_integer_value(json_array_get(range, 0)),
		       (int)json_integer_value(most));
	else
		printf("%d s or more\n", (int)json_integer_value(json_array_get(range, 0)));
}

static void print_nat(const json_t *nat)
{
	const json_t *hairpin = json_object_get(nat, "hairpin");

	printf("%-10s%s\n", "mapping", text_of(nat, "mapping"));
	printf("%-10s%s\n", "filtering", text_of(nat, "filtering"));
	printf("%-10s%s\n", "hairpin",
	       json_is_true(hairpin)  ? "yes" :
	       json_is_false(hairpin) ? "no" :
					"unknown");
	print_lifetime(json_object_get(nat, "lifetime_s"));
}

static void print_mtu(const json_t *mtu)
{
	const json_t *v4 = json_object_get(mtu, "ipv4"), *v6 = json_object_get(mtu, "ipv6");

	printf("%-10s", "path MTU");
	if (!json_is_integer(v4) && !json_is_integer(v6))
		printf("unknown");
	if (json_is_integer(v4))
		printf("%d over IPv4", (int)json_integer_value(v4));
	if (json_is_integer(v6))
		printf("%s%d over IPv6", json_is_integer(v4) ? ", " : "",
		       (int)json_integer_value(v6));
	putchar('\n');
}

/* Silence says nothing of a relay where the family does not work at all */
static void print_rtt(const json_t *response, const json_t *relay, bool six)
{
	const json_t *rtt = json_object_get(relay, six ? "rtt6_us" : "rtt4_us");
	const json_t *way = json_object_get(response, six ? "ipv6" : "ipv4");
	const char *family = six ? "IPv6" : "IPv4";
	char text[32];

	if (!rtt || !json_is_true(json_object_get(way, "works")))
		return;
	if (!json_is_integer(rtt)) {
		printf("  silent over %s", family);
		return;
	}
	ctl_ms(json_integer_value(rtt), text, sizeof(text));
	printf("  %s over %s", text, family);
}

void ctl_netcheck(const json_t *response)
{
	const json_t *relays = json_object_get(response, "relays"), *relay;
	size_t i;

	print_family("IPv4", json_object_get(response, "ipv4"));
	print_family("IPv6", json_object_get(response, "ipv6"));
	print_nat(json_object_get(response, "nat"));
	print_mtu(json_object_get(response, "path_mtu"));
	if (!json_array_size(relays))
		printf("%-10snone known: NAT and path MTU cannot be found out\n", "relays");
	json_array_foreach(relays, i, relay) {
		printf("%-10s%s", i ? "" : "relays", text_of(relay, "name"));
		print_rtt(response, relay, false);
		print_rtt(response, relay, true);
		putchar('\n');
	}
}
