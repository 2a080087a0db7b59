// SPDX-License-Identifier: GPL-2.0
/* ntmctl: asks ntmd over its control socket. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/control.h"
#include "ctl.h"
#include "ntmobile/version.h"

#define DEFAULT_SOCKET "/run/ntmd.sock"
#define TIMEOUT_MS 20000
#define LIFETIME_TIMEOUT_MS 200000 /* a netcheck that watches mappings for three minutes */
#define PING_EVERY_US 1000000

enum given { JSON = 1, DROPS = 2, LIFETIME = 4, COUNT = 8 };

struct options {
	const char *socket;
	unsigned int given; /* enum given */
	unsigned long count;
	char **args; /* the verb's */
	int arg_count;
};

static void usage(FILE *out)
{
	fputs("usage: ntmctl [--socket PATH] [VERB]\n"
	      "\n"
	      "  status [--json] [--drops]  this node, its DC, and a line for each peer (the default)\n"
	      "  join STRING                register with what `ntm-dc invite NAME` printed\n"
	      "  ping NAME [-c N]           set a tunnel up if there is none, measure its RTT\n"
	      "  netcheck [--json] [--lifetime]  what this network allows: families, NAT, path MTU, relays\n"
	      "  forget NAME                forget the key that NAME is known by\n"
	      "  help                       print this\n"
	      "\n"
	      "  --socket PATH  ntmd's control socket (" DEFAULT_SOCKET ")\n"
	      "  --json         for programs; \"schema\" is the version\n"
	      "  --drops        dropped packets, by cause\n"
	      "  --lifetime     also how long the NAT keeps a mapping, which takes three minutes\n"
	      "  -c, --count N  this many pings (4)\n"
	      "  -V, --version  print the version\n"
	      "  -h, --help     print this\n"
	      "\n"
	      "Exit codes: 0 ok, 1 error, 2 usage, 3 ntmd is not running, 4 relayed only, 5 unreachable.\n",
	      out);
}

static int usage_error(const char *reason)
{
	fprintf(stderr, "ntmctl: %s; see `ntmctl help`\n", reason);
	return NTM_EXIT_USAGE;
}

/* Calls */

static int cannot_call(const struct options *o)
{
	const int err = errno;

	if (err == ECONNREFUSED || err == ENOENT) {
		fprintf(stderr, "ntmctl: ntmd is not running (nobody listens at %s)\n", o->socket);
		return NTM_EXIT_NOT_RUNNING;
	}
	fprintf(stderr, "ntmctl: %s: %s\n", o->socket, strerror(err));
	return NTM_EXIT_ERROR;
}

/* Prints the reason of a failure; the response is only there with NTM_EXIT_OK */
static int call_for(const struct options *o, json_t *request, json_t **response, int timeout_ms)
{
	json_int_t code;
	const char *error;

	*response = NULL;
	if (!request)
		return usage_error("the argument is not UTF-8");
	*response = ntm_control_call(o->socket, request, timeout_ms);
	json_decref(request);
	if (!*response)
		return cannot_call(o);
	if (json_is_true(json_object_get(*response, "ok")))
		return NTM_EXIT_OK;
	error = json_string_value(json_object_get(*response, "error"));
	code = json_integer_value(json_object_get(*response, "code"));
	fprintf(stderr, "ntmctl: %s\n", error ? error : "failed");
	json_decref(*response);
	*response = NULL;
	return code > NTM_EXIT_OK && code <= NTM_EXIT_UNREACHABLE ? (int)code : NTM_EXIT_ERROR;
}

static int call(const struct options *o, json_t *request, json_t **response)
{
	return call_for(o, request, response, TIMEOUT_MS);
}

/* Verbs */

static int verb_status(const struct options *o)
{
	json_t *response;
	int code;

	if (o->arg_count)
		return usage_error("status takes no argument");
	code = call(o, json_pack("{s:s}", "command", "status"), &response);
	if (code)
		return code;
	if (o->given & JSON) {
		json_dumpf(response, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		code = ctl_status(response, o->given & DROPS);
	}
	json_decref(response);
	return code;
}

static int verb_join(const struct options *o)
{
	const char *v4, *v6;
	json_t *response;
	int code;

	if (o->arg_count != 1)
		return usage_error("join takes one join string");
	code = call(o, json_pack("{s:s, s:s}", "command", "join", "string", o->args[0]), &response);
	if (code)
		return code;
	v4 = json_string_value(json_object_get(response, "virtual4"));
	v6 = json_string_value(json_object_get(response, "virtual6"));
	printf("%s%s%s%s%s\n", json_string_value(json_object_get(response, "name")), v4 ? " " : "",
	       v4 ? v4 : "", v6 ? " " : "", v6 ? v6 : "");
	json_decref(response);
	return NTM_EXIT_OK;
}

static bool relayed(const char *path)
{
	return path && !strcmp(path, "relay");
}

static int ping_once(const struct options *o)
{
	const char *name, *path, *where;
	json_t *response;
	char rtt[32];
	int code;

	code = call(o, json_pack("{s:s, s:s}", "command", "ping", "name", o->args[0]), &response);
	if (code)
		return code;
	name = json_string_value(json_object_get(response, "name"));
	path = json_string_value(json_object_get(response, "path"));
	where = json_string_value(json_object_get(response, relayed(path) ? "relay" : "address"));
	ctl_ms(json_integer_value(json_object_get(response, "rtt_us")), rtt, sizeof(rtt));
	printf("%s: %s %s, %s\n", name, path ? path : "", where ? where : "", rtt);
	fflush(stdout);
	code = relayed(path) ? NTM_EXIT_RELAYED : NTM_EXIT_OK;
	json_decref(response);
	return code;
}

/* The best answer counts: a direct one, one by a relay, none. A daemon that is not there, or a name that is none, ends it at once. */
static int verb_ping(const struct options *o)
{
	int result = NTM_EXIT_UNREACHABLE;

	if (o->arg_count != 1)
		return usage_error("ping takes one name");
	for (unsigned long i = 0; i < o->count; i++) {
		int code;

		if (i)
			usleep(PING_EVERY_US);
		code = ping_once(o);
		if (code != NTM_EXIT_OK && code != NTM_EXIT_RELAYED && code != NTM_EXIT_UNREACHABLE)
			return code;
		if (code < result)
			result = code;
	}
	return result;
}

static int verb_forget(const struct options *o)
{
	json_t *response;
	int code;

	if (o->arg_count != 1)
		return usage_error("forget takes one name");
	code = call(o, json_pack("{s:s, s:s}", "command", "forget", "name", o->args[0]), &response);
	json_decref(response);
	return code;
}

static int verb_netcheck(const struct options *o)
{
	const bool lifetime = o->given & LIFETIME;
	json_t *response;
	int code;

	if (o->arg_count)
		return usage_error("netcheck takes no argument");
	code = call_for(o, json_pack("{s:s, s:b}", "command", "netcheck", "lifetime", lifetime),
			&response, lifetime ? LIFETIME_TIMEOUT_MS : TIMEOUT_MS);
	if (code)
		return code;
	if (o->given & JSON) {
		json_dumpf(response, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		ctl_netcheck(response);
	}
	json_decref(response);
	return NTM_EXIT_OK;
}

static int verb_help(const struct options *o)
{
	(void)o;
	usage(stdout);
	return NTM_EXIT_OK;
}

/* Options */

/* -1: go on */
static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "drops", no_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'c' },
		{ "lifetime", no_argument, NULL, 'l' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "c:Vh", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->socket = optarg;
			break;
		case 'j':
			o->given |= JSON;
			break;
		case 'd':
			o->given |= DROPS;
			break;
		case 'c':
			o->given |= COUNT;
			o->count = strtoul(optarg, &end, 10);
			if (*end || !o->count || o->count > 1000000 || optarg[0] == '-')
				return usage_error("-c takes a number from 1");
			break;
		case 'l':
			o->given |= LIFETIME;
			break;
		case 'V':
			puts("ntmctl " NTM_VERSION);
			return NTM_EXIT_OK;
		case 'h':
			return verb_help(o);
		default:
			usage(stderr);
			return NTM_EXIT_USAGE;
		}
	}
	return -1;
}

/* The verb, once its options fit */
static int run(const struct options *o, const char *verb)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *o);
		unsigned int takes;
	} verbs[] = {
		{ "status", verb_status, JSON | DROPS },
		{ "join", verb_join, 0 },
		{ "ping", verb_ping, COUNT },
		{ "forget", verb_forget, 0 },
		{ "netcheck", verb_netcheck, JSON | LIFETIME },
		{ "help", verb_help, 0 },
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) != 0)
			continue;
		if (o->given & ~verbs[i].takes)
			return usage_error("an option that this verb does not take");
		return verbs[i].run(o);
	}
	return usage_error("unknown verb");
}

static int finish_output(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	fputs("ntmctl: cannot write to standard output\n", stderr);
	return code ? code : NTM_EXIT_ERROR;
}

int main(int argc, char **argv)
{
	struct options o = { .socket = DEFAULT_SOCKET, .count = 4 };
	int code = parse(&o, argc, argv);

	if (code >= 0)
		return finish_output(code);
	o.args = argv + optind + (optind < argc);
	o.arg_count = optind < argc ? argc - optind - 1 : 0;
	return finish_output(run(&o, optind < argc ? argv[optind] : "status"));
}
