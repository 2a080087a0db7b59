// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/dnsconf*.c */
/*
 * ntm-dns: tells the host's resolver of a zone as ntmd does, for tests.
 *
 *   ntm-dns tell HOW IFNAME ZONE STUB4|- STUB6|-
 *       prints "told: WHAT", or "error: REASON" and ends with 1; stays until
 *       SIGTERM and takes it back. On SIGUSR1: prints "upstream: ADDRESS..."
 *   ntm-dns undo
 *       takes back what a killed one left
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "node/dnsconf.h"

static uv_loop_t loop;
static struct ntm_dnsconf *conf;
static uv_signal_t signals[3];

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

static const union ntm_addr *stub_of(const char *text, union ntm_addr *addr)
{
	if (!strcmp(text, "-"))
		return NULL;
	if (ntm_addr_parse(addr, text, 53)) {
		fprintf(stderr, "ntm-dns: %s is no address\n", text);
		exit(2);
	}
	return addr;
}

static int tell(char **args)
{
	union ntm_addr stub4, stub6;
	char why[200];
	int err;

	uv_loop_init(&loop);
	watch_signals();
	err = ntm_dnsconf_set(&conf, &loop, args[0], args[1], if_nametoindex(args[1]), args[2],
			      stub_of(args[3], &stub4), stub_of(args[4], &stub6), why, sizeof(why));
	printf("%s: %s\n", err ? "error" : "told", why);
	fflush(stdout);
	if (err)
		return 1;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) ? 1 : 0;
}

int main(int argc, char **argv)
{
	ntm_log_init("ntm-dns", NTM_LOG_INFO);
	if (argc == 7 && !strcmp(argv[1], "tell"))
		return tell(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "undo")) {
		ntm_dnsconf_undo_stale();
		return 0;
	}
	fprintf(stderr, "usage: ntm-dns tell HOW IFNAME ZONE STUB4|- STUB6|- | undo\n");
	return 2;
}
