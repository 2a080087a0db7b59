// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/dnsconf*.c ntmd/node/stub.c ntmd/node/upstream*.c ntmd/node/resolver.c */
/*
 * ntm-dns: a zone on this host as ntmd makes it, without a tunnel, for tests.
 *
 *   ntm-dns serve HOW IFNAME ZONE[,ZONE...] STUB4|- STUB6|- ANSWER4 ANSWER6
 *       answers on the stub addresses: every name of a zone has the addresses
 *       ANSWER4 and ANSWER6, but that "none." below it is NXDOMAIN; other
 *       queries are passed on. Tells the host's resolver, and prints
 *       "told: WHAT", or "error: REASON" and ends with 1; what takes longer than
 *       ntmd waits, it prints when it is known, and stays. Stays until SIGTERM
 *       and takes it back. On SIGUSR1: prints "upstream: ADDRESS..."
 *   ntm-dns undo
 *       takes back what a killed one left
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "node/dnsconf.h"
#include "node/resolver.h"
#include "node/stub.h"
#include "node/upstream.h"

static uv_loop_t loop;
static struct ntm_dnsconf *conf;
static struct ntm_stub *stub;
static struct ntm_upstream *up;
static uv_signal_t signals[3];
static const char *zones[NTM_DNSCONF_ZONES];
static unsigned int zone_count;
static struct in_addr answer4;
static struct in6_addr answer6;

static void print_upstream(void)
{
	union ntm_addr servers[NTM_DNSCONF_SERVERS];
	unsigned int count = ntm_dnsconf_upstream(conf, servers, NTM_DNSCONF_SERVERS);
	char text[NTM_ADDR_STR];

	printf("upstream:");
	for (unsigned int i = 0; i < count; i++)
		printf(" %s", ntm_addr_str(&servers[i], text));
	printf("\n");
	fflush(stdout);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	if (number == SIGUSR1) {
		print_upstream();
		return;
	}
	ntm_dnsconf_undo(conf);
	ntm_stub_close(stub);
	ntm_upstream_close(up);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		uv_close((uv_handle_t *)&signals[i], NULL);
}

static void watch_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGUSR1 };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		uv_signal_init(&loop, &signals[i]);
		uv_signal_start(&signals[i], on_signal, numbers[i]);
	}
}

static bool in_zone(const char *name, const char *zone)
{
	size_t len = strlen(name), zone_len = strlen(zone);

	if (len < zone_len || strcmp(name + len - zone_len, zone) != 0)
		return false;
	return len == zone_len || name[len - zone_len - 1] == '.';
}

/* NULL: none of ours */
static const char *zone_of(const char *name)
{
	for (unsigned int i = 0; i < zone_count; i++)
		if (in_zone(name, zones[i]))
			return zones[i];
	return NULL;
}

static void parse_zones(char *text)
{
	char *save, *name;

	for (name = strtok_r(text, ",", &save); name && zone_count < NTM_DNSCONF_ZONES;
	     name = strtok_r(NULL, ",", &save))
		zones[zone_count++] = name;
}

static void on_upstream(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	(void)ctx;
	(void)ntm_stub_reply(stub, tag, msg, len);
}

static void pass_on(uint64_t tag, const uint8_t *msg, size_t len)
{
	union ntm_addr servers[NTM_DNSCONF_SERVERS];
	unsigned int count = ntm_dnsconf_upstream(conf, servers, NTM_DNSCONF_SERVERS);

	ntm_upstream_servers(up, servers, count);
	if (ntm_upstream_ask(up, tag, ntm_stub_is_stream(tag), msg, len, on_upstream, NULL))
		(void)ntm_stub_reply(stub, tag, NULL, 0);
}

static void on_query(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	uint8_t answer[NTM_DNS_ANSWER_MAX];
	struct ntm_dns_query q;
	enum ntm_dns_rcode rcode = NTM_DNS_NOERROR;
	int answer_len;

	(void)ctx;
	if (ntm_dns_parse(&q, msg, len) || !zone_of(q.name)) {
		pass_on(tag, msg, len);
		return;
	}
	printf("query: %s\n", q.name);
	fflush(stdout);
	if (!strncmp(q.name, "none.", 5))
		rcode = NTM_DNS_NXDOMAIN;
	answer_len = ntm_dns_answer(&q, rcode, zone_of(q.name), &answer4, &answer6, NULL, 1, answer,
				    sizeof(answer));
	(void)ntm_stub_reply(stub, tag, answer, answer_len > 0 ? (size_t)answer_len : 0);
}

static unsigned int parse_stub(const char *text, union ntm_addr *addr)
{
	addr->sa.sa_family = 0;
	if (!strcmp(text, "-"))
		return 0;
	if (!ntm_addr_parse(addr, text, 53))
		return 1;
	fprintf(stderr, "ntm-dns: %s is no address\n", text);
	exit(2);
}

static void print_told(void *ctx, int err, const char *why)
{
	(void)ctx;
	printf("%s: %s\n", err ? "error" : "told", why);
	fflush(stdout);
}

static int open_all(char **args)
{
	const struct ntm_dnsconf_later later = { .wait = true, .done = print_told };
	const char *how = args[0], *ifname = args[1];
	union ntm_addr stubs[2], *stub4, *stub6;
	unsigned int count = parse_stub(args[3], &stubs[0]);
	char why[200];
	int err;

	stub4 = count ? &stubs[0] : NULL;
	stub6 = parse_stub(args[4], &stubs[count]) ? &stubs[count++] : NULL;
	err = ntm_upstream_open(&up, &loop);
	if (!err)
		err = ntm_stub_open(&stub, &loop, stubs, count, on_query, NULL);
	snprintf(why, sizeof(why), "stub: %s", strerror(-err));
	if (!err)
		err = ntm_dnsconf_set(&conf, &loop, how, ifname, if_nametoindex(ifname), zones,
				      zone_count, stub4, stub6, true, &later, why, sizeof(why));
	print_told(NULL, err, why);
	return err;
}

static int serve(char **args)
{
	parse_zones(args[2]);
	if (inet_pton(AF_INET, args[5], &answer4) != 1 ||
	    inet_pton(AF_INET6, args[6], &answer6) != 1) {
		fprintf(stderr, "ntm-dns: no addresses to answer\n");
		return 2;
	}
	uv_loop_init(&loop);
	watch_signals();
	if (open_all(args))
		return 1;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) ? 1 : 0;
}

int main(int argc, char **argv)
{
	ntm_log_init("ntm-dns", NTM_LOG_INFO);
	if (sodium_init() < 0)
		return 1;
	if (argc == 9 && !strcmp(argv[1], "serve"))
		return serve(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "undo")) {
		ntm_dnsconf_undo_stale();
		return 0;
	}
	fprintf(stderr,
		"usage: ntm-dns serve HOW IFNAME ZONE STUB4|- STUB6|- ANSWER4 ANSWER6 | undo\n");
	return 2;
}
