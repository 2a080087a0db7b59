// SPDX-License-Identifier: GPL-2.0
/* ntm-dc, the direction coordinator: options and subcommands. */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/control.h"
#include "dc/cli.h"
#include "dc/cli_line.h"
#include "dc/cli_zones.h"
#include "dc/serve.h"
#include "ntmobile/version.h"

static const char help[] =
	"usage: ntm-dc [-c FILE] COMMAND\n"
	"\n"
	"  serve               run the coordinator in the foreground\n"
	"  invite NAME         let a node join under NAME: prints the join string for it\n"
	"  invite --batch FILE the same for each line of FILE (-: standard input)\n"
	"  invite --relay ...  the same for relay servers\n"
	"  nodes [--json]      list the nodes\n"
	"  relays [--json]     list the relay servers\n"
	"  revoke NAME         shut a node or relay out, or take an invitation back\n"
	"  key                 print this coordinator's DNS records, for those of other zones\n"
	"  zones [--json]      list the other zones\n"
	"  forget ZONE         let another key be that zone's coordinator\n"
	"  status [--json]     counters of the running coordinator\n"
	"  help                this text\n"
	"\n"
	"  -c, --config FILE   configuration, " NTM_DC_CONFIG_FILE " if not given\n"
	"  -v, --verbose       log everything\n"
	"  -V, --version       print the version\n"
	"  -h, --help          this text\n"
	"\n"
	"Exit codes: 0 ok, 1 error, 2 wrong usage or configuration, 3 ntm-dc is not running.\n";

struct options {
	const char *config_file;
	const char *batch;
	const char *command;
	const char *name;
	bool verbose, json, relay, help, version;
};

static int usage(const char *reason)
{
	fprintf(stderr, "ntm-dc: %s; see ntm-dc help\n", reason);
	return NTM_EXIT_USAGE;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },	    { "version", no_argument, NULL, 'V' },
		{ "json", no_argument, NULL, 'j' },	    { "relay", no_argument, NULL, 'r' },
		{ "batch", required_argument, NULL, 'b' },  { NULL, 0, NULL, 0 },
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
		case 'r':
			o->relay = true;
			break;
		case 'b':
			o->batch = optarg;
			break;
		default:
			return usage("wrong option");
		}
	}
	o->command = optind < argc ? argv[optind++] : NULL;
	o->name = optind < argc ? argv[optind++] : NULL;
	if (optind < argc)
		return usage("too many arguments");
	return NTM_EXIT_OK;
}

/* Does the command line fit the command? NULL or a reason. */
static const char *misfit(const struct options *o)
{
	bool named = !strcmp(o->command, "revoke") || !strcmp(o->command, "forget") ||
		     (!strcmp(o->command, "invite") && !o->batch);

	if (named && !o->name)
		return "a name is missing";
	if (!named && o->name)
		return "too many arguments";
	if (o->batch && strcmp(o->command, "invite") != 0)
		return "--batch belongs to invite";
	if (o->relay && strcmp(o->command, "invite") != 0)
		return "--relay belongs to invite";
	if (o->json && strcmp(o->command, "nodes") != 0 && strcmp(o->command, "relays") != 0 &&
	    strcmp(o->command, "zones") != 0 && strcmp(o->command, "status") != 0)
		return "--json belongs to nodes, relays, zones and status";
	return NULL;
}

static int run(const struct options *o, const struct ntm_dc_config *config)
{
	bool serve = !strcmp(o->command, "serve");
	enum ntm_log_level level = serve ? config->log_level : NTM_LOG_WARNING;

	ntm_log_init("ntm-dc", o->verbose ? NTM_LOG_DEBUG : level);
	if (serve)
		return ntm_serve(o->config_file, config, o->verbose);
	if (!strcmp(o->command, "invite"))
		return o->batch ? ntm_cli_invite_batch(config, o->batch, o->relay) :
				  ntm_cli_invite(config, o->name, o->relay);
	if (!strcmp(o->command, "nodes"))
		return ntm_cli_nodes(config, o->json);
	if (!strcmp(o->command, "relays"))
		return ntm_cli_relays(config, o->json);
	if (!strcmp(o->command, "revoke"))
		return ntm_cli_revoke(config, o->name);
	if (!strcmp(o->command, "key"))
		return ntm_cli_key(config);
	if (!strcmp(o->command, "zones"))
		return ntm_cli_zones(config, o->json);
	if (!strcmp(o->command, "forget"))
		return ntm_cli_forget(config, o->name);
	return ntm_cli_status(config, o->json);
}

static bool known(const char *command)
{
	static const char *const commands[] = { "serve", "invite", "nodes",  "relays", "revoke",
						"key",	 "zones",  "forget", "status" };
	unsigned int i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(command, commands[i]))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct options o = { .config_file = NTM_DC_CONFIG_FILE };
	struct ntm_dc_config config;
	const char *reason;
	char error[512];
	int code = parse(&o, argc, argv);

	if (code != NTM_EXIT_OK)
		return code;
	if (o.help || (o.command && !strcmp(o.command, "help"))) {
		fputs(help, stdout);
		return ntm_cli_finish(NTM_EXIT_OK);
	}
	if (o.version) {
		puts("ntm-dc " NTM_VERSION);
		return ntm_cli_finish(NTM_EXIT_OK);
	}
	if (!o.command)
		return usage("a command is missing");
	reason = known(o.command) ? misfit(&o) : "unknown command";
	if (reason)
		return usage(reason);
	umask(0077);
	if (sodium_init() < 0) {
		fputs("ntm-dc: cannot initialise libsodium\n", stderr);
		return NTM_EXIT_ERROR;
	}
	if (ntm_dc_config_load(&config, o.config_file, error, sizeof(error))) {
		fprintf(stderr, "ntm-dc: %s\n", error);
		return NTM_EXIT_USAGE;
	}
	return run(&o, &config);
}
