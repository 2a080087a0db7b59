// SPDX-License-Identifier: GPL-2.0
/* ntmd, the node daemon: flags, then node.c. */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/log.h"
#include "dnsconf.h"
#include "node.h"
#include "ntmobile/version.h"

static void usage(FILE *out)
{
	fputs("usage: ntmd [-c FILE] [-v] [--tun-fd N] [--udp-fd N [--udp-fd N]]\n"
	      "\n"
	      "  -c, --config FILE  configuration (" NTM_NODE_CONF ")\n"
	      "      --tun-fd N     a TUN device that the parent process opened and configures\n"
	      "      --udp-fd N     a bound UDP socket of the parent's: one of both families, or one of each\n"
	      "  -v, --verbose      log all there is to say\n"
	      "      --undo-dns     take back what a killed ntmd did to this host's DNS, and end\n"
	      "  -V, --version      print the version\n"
	      "  -h, --help         print this\n"
	      "\n"
	      "SIGHUP reads the configuration again, SIGTERM and SIGINT end with a goodbye.\n"
	      "Exit codes: 0 ok, 1 error, 2 bad flags or configuration.\n"
	      "See ntmd(8), ntmd.conf(5), ntmctl(1).\n",
	      out);
}

struct flags {
	const char *config;
	bool verbose;
	struct ntm_node_fds fds;
	int exit_code; /* -1: go on */
};

/* An open descriptor, by its number */
static bool parse_fd(const char *text, int *fd)
{
	char *end;
	const long n = strtol(text, &end, 10);

	if (!*text || *end || n < 0 || n > INT_MAX || fcntl((int)n, F_GETFD) < 0) {
		fprintf(stderr, "ntmd: '%s' is not the number of an open descriptor\n", text);
		return false;
	}
	*fd = (int)n;
	return true;
}

static bool add_udp_fd(struct ntm_node_fds *fds, const char *text)
{
	if (fds->udp_count < sizeof(fds->udp) / sizeof(fds->udp[0]))
		return parse_fd(text, &fds->udp[fds->udp_count++]);
	fputs("ntmd: there are two families, and --udp-fd is good for two sockets\n", stderr);
	return false;
}

static struct flags parse_flags(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "tun-fd", required_argument, NULL, 'T' },
		{ "udp-fd", required_argument, NULL, 'U' },
		{ "undo-dns", no_argument, NULL, 'D' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct flags flags = { .config = NTM_NODE_CONF, .fds.tun = -1, .exit_code = -1 };
	bool good = true;
	int c;

	while ((c = getopt_long(argc, argv, "c:vVh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			flags.config = optarg;
			break;
		case 'v':
			flags.verbose = true;
			break;
		case 'T':
			good = good && parse_fd(optarg, &flags.fds.tun);
			break;
		case 'U':
			good = good && add_udp_fd(&flags.fds, optarg);
			break;
		case 'D':
			ntm_dnsconf_undo_stale();
			flags.exit_code = NTM_EXIT_OK;
			return flags;
		case 'V':
			puts("ntmd " NTM_VERSION);
			flags.exit_code = NTM_EXIT_OK;
			return flags;
		case 'h':
			usage(stdout);
			flags.exit_code = NTM_EXIT_OK;
			return flags;
		default:
			usage(stderr);
			flags.exit_code = NTM_EXIT_USAGE;
			return flags;
		}
	}
	if (optind < argc)
		usage(stderr);
	if (optind < argc || !good)
		flags.exit_code = NTM_EXIT_USAGE;
	return flags;
}

int main(int argc, char **argv)
{
	const struct flags flags = parse_flags(argc, argv);
	struct ntm_node_config config;
	char error[512];

	if (flags.exit_code >= 0)
		return flags.exit_code;
	umask(0077);
	ntm_log_init("ntmd", flags.verbose ? NTM_LOG_DEBUG : NTM_LOG_INFO);
	if (ntm_node_config_load(&config, flags.config, error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		return NTM_EXIT_USAGE;
	}
	if (!flags.verbose)
		ntm_log_set_level(config.log_level);
	if (sodium_init() < 0) {
		ntm_err("libsodium does not start");
		return NTM_EXIT_ERROR;
	}
	return ntm_node_run(&config, &flags.fds, flags.config, flags.verbose);
}
