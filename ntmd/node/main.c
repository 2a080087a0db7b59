// SPDX-License-Identifier: GPL-2.0
/* ntmd, the node daemon: flags, then node.c. */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/log.h"
#include "node.h"

#define VERSION "0.1.0"

static void usage(FILE *out)
{
	fputs("usage: ntmd [-c FILE] [-v]\n"
	      "\n"
	      "  -c, --config FILE  configuration (" NTM_NODE_CONF ")\n"
	      "  -v, --verbose      log all there is to say\n"
	      "      --version      print the version\n"
	      "      --help         print this\n"
	      "\n"
	      "SIGHUP reads the configuration again, SIGTERM and SIGINT end with a goodbye.\n"
	      "Exit codes: 0 ok, 1 error, 2 bad flags or configuration.\n"
	      "See ntmd(8), ntmd.conf(5), ntmctl(1).\n",
	      out);
}

struct flags {
	const char *config;
	bool verbose;
	int exit_code; /* -1: go on */
};

static struct flags parse_flags(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct flags flags = { .config = NTM_NODE_CONF, .exit_code = -1 };
	int c;

	while ((c = getopt_long(argc, argv, "c:vh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			flags.config = optarg;
			break;
		case 'v':
			flags.verbose = true;
			break;
		case 'V':
			puts("ntmd " VERSION);
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
	if (optind < argc) {
		usage(stderr);
		flags.exit_code = NTM_EXIT_USAGE;
	}
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
	return ntm_node_run(&config, flags.config, flags.verbose);
}
