// SPDX-License-Identifier: GPL-2.0
/* ntm-rs, the relay server: options and subcommands. */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/control.h"
#include "rs/cli.h"
#include "ntmobile/version.h"
#include "rs/serve.h"

static const char help[] =
	"usage: ntm-rs [-c FILE] COMMAND\n"
	"\n"
	"  serve                       run the relay server in the foreground\n"
	"  join STRING                 relay for the DC that this string is of (ntm-dc invite --relay)\n"
	"  leave ZONE                  not any more for the DC of this zone\n"
	"  status [--json | --drops]   what it does; packets that were dropped, by cause\n"
	"  drain                       no new paths; end when nobody needs it any more, in 60 s at most\n"
	"  help                        this text\n"
	"\n"
	"  -c, --config FILE           configuration, " NTM_RS_CONFIG_FILE " if not given\n"
	"  -v, --verbose               log everything\n"
	"  -V, --version               print the version\n"
	"  -h, --help                  this text\n"
	"\n"
	"Exit codes: 0 ok, 1 error, 2 wrong usage or configuration, 3 ntm-rs is not running, 5 the DC does not answer.\n";

struct options {
	const char *config_file;
	const char *command;
	const char *argument;
	bool verbose, json, drops, help, version;
};

static int usage(const char *reason)
{
	fprintf(stderr, "ntm-rs: %s; see ntm-rs help\n", reason);
	return NTM_EXIT_USAGE;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "drops", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:vVh", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config_file = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			o->help = true;
			break;
		case 'V':
			o->version = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'd':
			o->drops = true;
			break;
		default:
			return usage("wrong option");
		}
	}
	o->command = optind < argc ? argv[optind++] : NULL;
	o->argument = optind < argc ? argv[optind++] : NULL;
	if (optind < argc)
		return usage("too many arguments");
	return NTM_EXIT_OK;
}

static bool is(const struct options *o, const char *command)
{
	return !strcmp(o->command, command);
}

/* Does the command line fit the command? NULL or a reason. */
static const char *misfit(const struct options *o)
{
	const bool argued = is(o, "join") || is(o, "leave");

	if (!argued && !is(o, "serve") && !is(o, "status") && !is(o, "drain"))
		return "unknown command";
	if (argued && !o->argument)
		return is(o, "join") ? "the join string is missing" : "the zone is missing";
	if (!argued && o->argument)
		return "too many arguments";
	if ((o->json || o->drops) && !is(o, "status"))
		return "--json and --drops belong to status";
	return NULL;
}

static int run(const struct options *o, const struct ntm_rs_config *config)
{
	const bool serve = is(o, "serve");

	ntm_log_init("ntm-rs", o->verbose ? NTM_LOG_DEBUG :
			       serve	  ? config->log_level :
					    NTM_LOG_WARNING);
	if (serve)
		return ntm_rs_serve(o->config_file, config, o->verbose);
	if (is(o, "join"))
		return ntm_rs_cli_join(config, o->argument);
	if (is(o, "leave"))
		return ntm_rs_cli_leave(config, o->argument);
	if (is(o, "drain"))
		return ntm_rs_cli_drain(config);
	return ntm_rs_cli_status(config, o->json, o->drops);
}

int main(int argc, char **argv)
{
	struct options o = { .config_file = NTM_RS_CONFIG_FILE };
	struct ntm_rs_config config;
	const char *reason;
	char error[512];
	int code = parse(&o, argc, argv);

	if (code != NTM_EXIT_OK)
		return code;
	if (o.help || (o.command && is(&o, "help"))) {
		fputs(help, stdout);
		return ntm_rs_cli_finish(NTM_EXIT_OK);
	}
	if (o.version) {
		puts("ntm-rs " NTM_VERSION);
		return ntm_rs_cli_finish(NTM_EXIT_OK);
	}
	if (!o.command)
		return usage("a command is missing");
	reason = misfit(&o);
	if (reason)
		return usage(reason);
	umask(0077);
	if (sodium_init() < 0) {
		fputs("ntm-rs: cannot initialise libsodium\n", stderr);
		return NTM_EXIT_ERROR;
	}
	if (ntm_rs_config_load(&config, o.config_file, error, sizeof(error))) {
		fprintf(stderr, "ntm-rs: %s\n", error);
		return NTM_EXIT_USAGE;
	}
	return run(&o, &config);
}
