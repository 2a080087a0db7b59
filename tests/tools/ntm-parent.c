// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-parent: what Android's VpnService and the app around it do for ntmd, for tests.
 *
 *   ntm-parent [OPTION...] -- NTMD [ARGUMENT...]
 *       --tun IF         name of the TUN device (tun0)
 *       --vnet           with IFF_VNET_HDR; Android's have none, and so no offloads
 *       --dual           one IPv6 UDP socket for both families instead of one of each
 *       --port N         of the UDP sockets (4330)
 *       --mtu N          of the TUN device (1420)
 *       --user N         user and group of ntmd (65534)
 *       --socket PATH    control socket of ntmd (/run/ntmd/ntmd.sock)
 *       --resolv FILE    is told of the stub resolver (/etc/resolv.conf)
 *
 * As root it opens the device and the sockets, and starts NTMD with them (--tun-fd, --udp-fd) as that user, without a capability
 * and without a way to get one. It keeps none of the descriptors: the device lives as long as ntmd holds it. When ntmd has its
 * lease (ntmctl status), the device gets addresses, MTU and the routes of the virtual prefixes, and FILE the first address of each
 * prefix as name server. Prints "configured" then.
 *
 * SIGTERM, SIGINT and SIGHUP are passed on. It ends when ntmd does, with its exit status (128 + N for signal N).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <jansson.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKETS 2
#define ARGS_MAX 32

static struct {
	const char *tun, *mtu, *socket, *resolv;
	bool vnet, dual;
	uint16_t port;
	uid_t user;
} options = {
	.tun = "tun0",
	.mtu = "1420",
	.socket = "/run/ntmd/ntmd.sock",
	.resolv = "/etc/resolv.conf",
	.port = 4330,
	.user = 65534,
};

static pid_t child;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list args;

	fputs("ntm-parent: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	if (child > 0)
		kill(child, SIGTERM);
	exit(1);
}

/* Descriptors */

static int open_tun(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	const int fd = open("/dev/net/tun", O_RDWR);

	if (options.vnet)
		ifr.ifr_flags |= IFF_VNET_HDR;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", options.tun);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		die("cannot make the TUN device %s: %s", options.tun, strerror(errno));
	return fd;
}

static int open_udp(int family)
{
	const int only = !options.dual, fd = socket(family, SOCK_DGRAM, 0);
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(options.port) };
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(options.port) };

	if (fd < 0)
		die("cannot make a UDP socket: %s", strerror(errno));
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)))
		die("cannot set IPV6_V6ONLY: %s", strerror(errno));
	if (family == AF_INET ? bind(fd, (struct sockaddr *)&any4, sizeof(any4)) :
				bind(fd, (struct sockaddr *)&any6, sizeof(any6)))
		die("cannot bind UDP port %u: %s", options.port, strerror(errno));
	return fd;
}

/* Starting ntmd */

/* The bounding set first: that takes a capability */
static void drop_privileges(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap))
			die("cannot drop capability %d: %s", cap, strerror(errno));
	if (setgroups(0, NULL) || setresgid(options.user, options.user, options.user) ||
	    setresuid(options.user, options.user, options.user))
		die("cannot become user %u: %s", options.user, strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGTERM))
		die("cannot give up privileges: %s", strerror(errno));
}

/* NTMD ARGUMENT... and the descriptors' numbers */
static void exec_ntmd(char **command, int tun, const int *udp, int sockets)
{
	char numbers[1 + SOCKETS][12];
	char *args[ARGS_MAX];
	int n = 0;

	for (; command[n]; n++) {
		if (n >= ARGS_MAX - 3 - 2 * SOCKETS)
			die("too many arguments");
		args[n] = command[n];
	}
	snprintf(numbers[SOCKETS], sizeof(numbers[SOCKETS]), "%d", tun);
	args[n++] = "--tun-fd";
	args[n++] = numbers[SOCKETS];
	for (int i = 0; i < sockets; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%d", udp[i]);
		args[n++] = "--udp-fd";
		args[n++] = numbers[i];
	}
	args[n] = NULL;
	execvp(args[0], args);
	die("cannot run %s: %s", args[0], strerror(errno));
}

static void start(char **command, const sigset_t *handled)
{
	const int tun = open_tun();
	const int sockets = options.dual ? 1 : SOCKETS;
	const int udp[SOCKETS] = { open_udp(AF_INET6), options.dual ? -1 : open_udp(AF_INET) };

	child = fork();
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (!child) {
		sigprocmask(SIG_UNBLOCK, handled, NULL);
		drop_privileges();
		exec_ntmd(command, tun, udp, sockets);
	}
	close(tun);
	for (int i = 0; i < sockets; i++)
		close(udp[i]);
}

/* Configuring the device, as VpnService.Builder does */

static void run(const char *const *args)
{
	const pid_t pid = fork();
	int status;

	if (!pid) {
		execvp(args[0], (char *const *)args);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("%s %s %s failed", args[0], args[2], args[3]);
}

static void *address(const json_t *lease, const char *key, int family, void *out)
{
	const char *text = json_string_value(json_object_get(lease, key));

	return text && inet_pton(family, text, out) == 1 ? out : NULL;
}

/* The prefix and the stub, its first address, of an address; @bytes: of an address of this family */
static void prefix_of(const uint8_t *addr, int family, json_int_t length, char *prefix, char *stub)
{
	const unsigned int bytes = family == AF_INET ? 4 : 16;
	char text[INET6_ADDRSTRLEN];
	uint8_t net[16] = { 0 };

	for (unsigned int i = 0; i < bytes; i++) {
		const json_int_t bits = length - 8 * (json_int_t)i;

		net[i] = bits >= 8 ? addr[i] : bits > 0 ? addr[i] & (0xff00u >> bits) : 0;
	}
	snprintf(prefix, 64, "%s/%" JSON_INTEGER_FORMAT, inet_ntop(family, net, text, sizeof(text)),
		 length);
	net[bytes - 1] |= 1;
	inet_ntop(family, net, stub, INET6_ADDRSTRLEN);
}

static void configure_family(const json_t *lease, int family, FILE *resolv)
{
	const bool v4 = family == AF_INET;
	const json_t *length = json_object_get(lease, v4 ? "prefix4" : "prefix6");
	char own[INET6_ADDRSTRLEN], prefix[64], stub[INET6_ADDRSTRLEN];
	uint8_t addr[16];

	if (!address(lease, v4 ? "virtual4" : "virtual6", family, addr))
		return;
	inet_ntop(family, addr, own, sizeof(own));
	prefix_of(addr, family, json_integer_value(length), prefix, stub);
	run((const char *const[]){ "ip", v4 ? "-4" : "-6", "addr", "add", own, "dev", options.tun,
				   v4 ? NULL : "nodad", NULL });
	run((const char *const[]){ "ip", v4 ? "-4" : "-6", "route", "add", prefix, "dev",
				   options.tun, NULL });
	fprintf(resolv, "nameserver %s\n", stub);
}

static void configure(const json_t *lease)
{
	FILE *resolv = fopen(options.resolv, "w");

	if (!resolv)
		die("%s: %s", options.resolv, strerror(errno));
	run((const char *const[]){ "ip", "link", "set", options.tun, "mtu", options.mtu, "up",
				   NULL });
	configure_family(lease, AF_INET, resolv);
	configure_family(lease, AF_INET6, resolv);
	if (fclose(resolv))
		die("%s: %s", options.resolv, strerror(errno));
	puts("configured");
	fflush(stdout);
}

/* The answer to "ntmctl status" if ntmd has its lease, else NULL */
static json_t *ask_lease(void)
{
	char command[256];
	json_t *status;
	FILE *pipe;

	snprintf(command, sizeof(command), "ntmctl --socket '%s' status --json 2>/dev/null",
		 options.socket);
	pipe = popen(command, "r");
	if (!pipe)
		die("cannot run ntmctl: %s", strerror(errno));
	status = json_loadf(pipe, 0, NULL);
	pclose(pipe);
	if (status && !json_object_get(status, "virtual4") &&
	    !json_object_get(status, "virtual6")) {
		json_decref(status);
		status = NULL;
	}
	return status;
}

/* Until ntmd ends */

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int follow(const sigset_t *handled)
{
	const struct timespec moment = { .tv_nsec = 100000000 };
	bool configured = false;
	int status, sig;

	for (;;) {
		sig = configured ? sigwaitinfo(handled, NULL) :
				   sigtimedwait(handled, NULL, &moment);
		if (sig > 0 && sig != SIGCHLD)
			kill(child, sig);
		if (waitpid(child, &status, WNOHANG) == child)
			return exit_status(status);
		if (!configured) {
			json_t *lease = ask_lease();

			configured = lease;
			if (lease)
				configure(lease);
			json_decref(lease);
		}
	}
}

static void usage(void)
{
	fputs("usage: ntm-parent [--tun IF] [--vnet] [--dual] [--port N] [--mtu N] [--user N]\n"
	      "                  [--socket PATH] [--resolv FILE] -- NTMD [ARGUMENT...]\n",
	      stderr);
	exit(2);
}

static char **parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "tun", required_argument, NULL, 't' },
		{ "vnet", no_argument, NULL, 'v' },
		{ "dual", no_argument, NULL, 'd' },
		{ "port", required_argument, NULL, 'p' },
		{ "mtu", required_argument, NULL, 'm' },
		{ "user", required_argument, NULL, 'u' },
		{ "socket", required_argument, NULL, 's' },
		{ "resolv", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 't':
			options.tun = optarg;
			break;
		case 'v':
			options.vnet = true;
			break;
		case 'd':
			options.dual = true;
			break;
		case 'p':
			options.port = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			options.mtu = optarg;
			break;
		case 'u':
			options.user = (uid_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			options.socket = optarg;
			break;
		case 'r':
			options.resolv = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind == argc)
		usage();
	return argv + optind;
}

int main(int argc, char **argv)
{
	char **command = parse(argc, argv);
	sigset_t handled;

	sigemptyset(&handled);
	sigaddset(&handled, SIGCHLD);
	sigaddset(&handled, SIGTERM);
	sigaddset(&handled, SIGINT);
	sigaddset(&handled, SIGHUP);
	sigprocmask(SIG_BLOCK, &handled, NULL);
	start(command, &handled);
	return follow(&handled);
}
