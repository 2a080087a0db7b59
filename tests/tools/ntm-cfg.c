// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-cfg: drives the netlink family of ntmobile.ko by hand, for tests.
 *
 *   ntm-cfg COMMAND...        one command
 *   ntm-cfg [-b] -            commands from stdin, one a line, # for comments;
 *                             -b: stay in the background behind the last one
 *
 * A device's sockets and its owner are those of one netlink socket: they are
 * let go of when ntm-cfg ends, so set them in a script that stays (-b).
 *
 *   dev set IF [device IF] [mark N] [port4 N] [port6 N] [socket4 FD] [socket6 FD] [unbound4] [zone NAME] [zones [NAME,...]]
 *       portN: open a UDP socket on this port, with UDP_GRO, and give it away
 *       device, mark: of the sockets behind it (SO_BINDTODEVICE, SO_MARK)
 *   close                     close the UDP socket that was opened last
 *   dev get IF
 *   dev dump
 *   path set IF ID [create] [excl] [v4 ADDR] [v6 ADDR] [peer ADDR PORT] [mtu N]
 *            [relay0 ADDR PORT|none] [relay1 ADDR PORT|none] [key EPOCH SUITE TXHEX RXHEX] [pending]
 *            [port4 N] [port6 N] [socket FD|last] [device-port]
 *       portN: open a UDP socket as above, for this path alone; last: the one that was opened last
 *       a key of fewer than 32 bytes is filled up by repeating it
 *   path many IF FIRST COUNT BASE4     COUNT paths with consecutive IDs and addresses
 *   path del IF ID
 *   path get IF ID
 *   path dump IF
 *   relay set IF ID [end0 ADDR PORT [local ADDR]] [end1 ...] [end0|end1 unbound] [rate N]
 *   relay many IF FIRST COUNT ADDR PORT ADDR PORT     COUNT entries with consecutive IDs and these ends
 *   relay del IF ID
 *   relay get IF ID
 *   relay dump IF
 *   link add IF               an interface of kind ntm
 *   miss done IF ADDR STATUS
 *   dns pass IF TAG
 *   dns reply IF TAG HEX
 *   listen SECONDS            print "listening", and events; -b goes on with it in the background
 *   serve SECONDS ADDR...     as listen, and answer caught A and AAAA queries with ADDRs
 *   ask SERVER NAME [marked] [device IF]  a DNS query for A by a socket that is not connected
 *   raw CMD FLAGS [HEX]       a request with these attributes as they are
 *   alg add NAME [PRIORITY]   have the kernel make the AEAD of this name, "cryptd(...)" for example
 *   alg del NAME              and take it away, once nobody uses it
 *   hex-ifindex IF            print the attribute IFINDEX for "raw"
 *   unprivileged COMMAND...   the command as user and group 65534
 *   fail-nth N COMMAND...     the command, while the kernel fails the Nth allocation for it
 *                             (CONFIG_FAULT_INJECTION); exit status 3 if it needs fewer
 * and some words that make a wrong request: key-without-suite EPOCH TXHEX RXHEX,
 * peer-hex HEX, relay-hex HEX, dns nothing IF TAG.
 *   sleep SECONDS
 *
 * Exit: 0 (3: see fail-nth), or 1 with "error: NAME: extack text (attribute N)" on stderr.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/cryptouser.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <ntmobile/uapi.h>
#include <ntmobile/wire.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BUF_SIZE (64 * 1024)
#define BATCH_SIZE 32768

/* linux/crypto.h has them for the kernel alone. */
#define CRYPTO_AEAD 0x03
#define CRYPTO_TYPE_MASK 0x0f

static struct mnl_socket *nl; /* commands; the owner of devices */
static struct mnl_socket *ev; /* multicast events */
static uint16_t family;
static uint32_t group;
static uint32_t seq;
static char buf[BUF_SIZE];
static char **words; /* the command being run */

/* For "fail-nth": which allocation fails, and whether the request got that far. */
static unsigned int fail_nth;
static bool failed_nth;

/* What "serve" answers with. */
static char **serve_addrs;

static void fail(const char *what)
{
	fprintf(stderr, "error: %s\n", what);
	exit(1);
}

static void fail_errno(const char *what)
{
	fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- Words of a command ---- */

static const char *next_word(void)
{
	if (!*words)
		fail("a word is missing; see the head of tests/tools/ntm-cfg.c");
	return *words++;
}

static bool have_word(const char *word)
{
	if (!*words || strcmp(*words, word))
		return false;
	words++;
	return true;
}

static uint64_t next_number(void)
{
	const char *word = next_word();
	char *end;
	uint64_t n = strtoull(word, &end, 0);

	if (*end || end == word)
		fail("not a number");
	return n;
}

static uint32_t next_ifindex(void)
{
	const char *word = next_word();
	uint32_t index = if_nametoindex(word);

	return index ? index : (uint32_t)strtoul(word, NULL, 0);
}

static size_t hex_bytes(const char *hex, uint8_t *out, size_t max)
{
	size_t n = 0;
	unsigned int byte;

	for (; *hex && n < max; hex += 2)
		if (sscanf(hex, "%2x", &byte) != 1 || !isxdigit((unsigned char)hex[1]))
			fail("not hexadecimal");
		else
			out[n++] = byte;
	return n;
}

/* ---- Requests ---- */

static struct nlmsghdr *request(uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *gh;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++seq;
	gh = mnl_nlmsg_put_extra_header(nlh, sizeof(*gh));
	gh->cmd = cmd;
	gh->version = NTM_GENL_VERSION;
	return nlh;
}

static void report_error(const struct nlmsghdr *nlh, int err)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t off = sizeof(*e);
	const struct nlattr *a;
	const char *text = "";
	int offset = -1, missing = -1;

	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		off += mnl_nlmsg_get_payload_len(&e->msg);
	if (nlh->nlmsg_type == NLMSG_DONE)
		off = sizeof(int);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		mnl_attr_for_each(a, nlh, off) {
			if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
				text = mnl_attr_get_str(a);
			else if (mnl_attr_get_type(a) == NLMSGERR_ATTR_OFFS)
				offset = mnl_attr_get_u32(a);
			else if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MISS_TYPE)
				missing = mnl_attr_get_u32(a);
		}
	}
	fprintf(stderr, "error: %s: %s", strerrorname_np(err), text);
	if (offset >= 0)
		fprintf(stderr, " (at %d)", offset);
	if (missing >= 0)
		fprintf(stderr, " (missing %d)", missing);
	fputc('\n', stderr);
}

/* The kernel counts down the allocations of this thread: the one at 0 fails. */
static unsigned int set_fail_nth(unsigned int n)
{
	char text[16] = "0";
	int fd = open("/proc/thread-self/fail-nth", O_RDWR);

	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) < 0 || dprintf(fd, "%u", n) < 0)
		fail_errno("fail-nth");
	close(fd);
	return strtoul(text, NULL, 10);
}

/* The kernel works on a request before this returns. */
static bool send_request(const struct nlmsghdr *req)
{
	ssize_t sent;

	if (!fail_nth)
		return mnl_socket_sendto(nl, req, req->nlmsg_len) >= 0;
	set_fail_nth(fail_nth);
	sent = mnl_socket_sendto(nl, req, req->nlmsg_len);
	failed_nth = set_fail_nth(0) == 0;
	return sent >= 0;
}

/* Sends a request and reads its answers. Returns 0 or an errno. */
static int talk(const struct nlmsghdr *req, mnl_cb_t cb, void *data)
{
	static char in[BUF_SIZE];
	uint32_t my_seq = req->nlmsg_seq;

	if (!send_request(req))
		fail_errno("sendto");
	for (;;) {
		ssize_t len = mnl_socket_recvfrom(nl, in, sizeof(in));
		struct nlmsghdr *nlh = (struct nlmsghdr *)in;
		int left = len;

		if (len < 0)
			fail_errno("recvfrom");
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != my_seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				fprintf(stderr, "dump interrupted\n");
			if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
				int err = -*(int *)mnl_nlmsg_get_payload(nlh);

				if (err)
					report_error(nlh, err);
				return err;
			}
			if (cb)
				cb(nlh, data);
		}
	}
}

/* ---- Printing ---- */

static void print_addr(const char *name, const struct nlattr *a)
{
	const struct sockaddr *sa = mnl_attr_get_payload(a);
	char text[INET6_ADDRSTRLEN];

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *sin = (const void *)sa;

		inet_ntop(AF_INET, &sin->sin_addr, text, sizeof(text));
		printf(" %s=%s:%u", name, text, ntohs(sin->sin_port));
	} else {
		const struct sockaddr_in6 *sin6 = (const void *)sa;

		inet_ntop(AF_INET6, &sin6->sin6_addr, text, sizeof(text));
		printf(" %s=[%s]:%u", name, text, ntohs(sin6->sin6_port));
	}
}

static void print_hex(const char *name, const struct nlattr *a)
{
	const uint8_t *p = mnl_attr_get_payload(a);

	printf(" %s=", name);
	for (unsigned int i = 0; i < mnl_attr_get_payload_len(a); i++)
		printf("%02x", p[i]);
}

static void print_stats(const struct nlattr *nest)
{
	static const char *const names[NTM_STATS_MAX + 1] = {
		[NTM_STATS_TX_PACKETS] = "tx_packets",
		[NTM_STATS_TX_BYTES] = "tx_bytes",
		[NTM_STATS_RX_PACKETS] = "rx_packets",
		[NTM_STATS_RX_BYTES] = "rx_bytes",
		[NTM_STATS_LAST_RX_MS] = "last_rx_ms",
		[NTM_STATS_LAST_TX_MS] = "last_tx_ms",
		[NTM_STATS_DROP_SHORT] = "drop_short",
		[NTM_STATS_DROP_PATH] = "drop_path",
		[NTM_STATS_DROP_KEY] = "drop_key",
		[NTM_STATS_DROP_AUTH] = "drop_auth",
		[NTM_STATS_DROP_REPLAY] = "drop_replay",
		[NTM_STATS_DROP_SOURCE] = "drop_source",
		[NTM_STATS_DROP_INNER] = "drop_inner",
		[NTM_STATS_DROP_NO_PATH] = "drop_no_path",
		[NTM_STATS_DROP_NO_KEY] = "drop_no_key",
		[NTM_STATS_DROP_TOO_BIG] = "drop_too_big",
		[NTM_STATS_DROP_LOOP] = "drop_loop",
		[NTM_STATS_DROP_NO_MEM] = "drop_no_mem",
		[NTM_STATS_DROP_NO_ROUTE] = "drop_no_route",
		[NTM_STATS_DROP_RELAY_SOURCE] = "drop_relay_source",
		[NTM_STATS_DROP_RELAY_UNBOUND] = "drop_relay_unbound",
		[NTM_STATS_DROP_RELAY_RATE] = "drop_relay_rate",
		[NTM_STATS_DROP_RELAY_HOPS] = "drop_relay_hops",
	};
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		unsigned int type = mnl_attr_get_type(a);

		if (type <= NTM_STATS_MAX && names[type])
			printf(" %s=%" PRIu64, names[type], mnl_attr_get_u64(a));
	}
}

static void print_end(int end, const struct nlattr *nest)
{
	char text[INET6_ADDRSTRLEN];
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		const void *p = mnl_attr_get_payload(a);

		switch (mnl_attr_get_type(a)) {
		case NTM_END_ADDR:
			print_addr(end ? "end1" : "end0", a);
			break;
		case NTM_END_LOCAL4:
			printf(" local%d=%s", end, inet_ntop(AF_INET, p, text, sizeof(text)));
			break;
		case NTM_END_LOCAL6:
			printf(" local%d=%s", end, inet_ntop(AF_INET6, p, text, sizeof(text)));
			break;
		case NTM_END_PACKETS:
			printf(" packets%d=%" PRIu64, end, mnl_attr_get_u64(a));
			break;
		case NTM_END_BYTES:
			printf(" bytes%d=%" PRIu64, end, mnl_attr_get_u64(a));
			break;
		case NTM_END_LAST_MS:
			printf(" last_ms%d=%" PRIu64, end, mnl_attr_get_u64(a));
			break;
		}
	}
}

static void print_zones(const struct nlattr *nest)
{
	const struct nlattr *a;
	char before = '=';

	printf(" zones");
	mnl_attr_for_each_nested(a, nest) {
		printf("%c%s", before, mnl_attr_get_str(a));
		before = ',';
	}
}

static void print_attr(const struct nlattr *a)
{
	char text[INET6_ADDRSTRLEN];

	switch (mnl_attr_get_type(a)) {
	case NTM_A_IFINDEX:
		printf(" if=%u", mnl_attr_get_u32(a));
		break;
	case NTM_A_ZONE:
		printf(" zone=%s", mnl_attr_get_str(a));
		break;
	case NTM_A_ZONES:
		print_zones(a);
		break;
	case NTM_A_LOCAL_PORT:
		printf(" port=%u", mnl_attr_get_u16(a));
		break;
	case NTM_A_PATHS:
		printf(" paths=%u", mnl_attr_get_u32(a));
		break;
	case NTM_A_PATH_ID:
		printf(" id=%u", mnl_attr_get_u32(a));
		break;
	case NTM_A_VIRTUAL4:
		printf(" v4=%s", inet_ntop(AF_INET, mnl_attr_get_payload(a), text, sizeof(text)));
		break;
	case NTM_A_VIRTUAL6:
		printf(" v6=%s", inet_ntop(AF_INET6, mnl_attr_get_payload(a), text, sizeof(text)));
		break;
	case NTM_A_PEER_ADDR:
		print_addr("peer", a);
		break;
	case NTM_A_DNS_SRC:
		print_addr("src", a);
		break;
	case NTM_A_MTU:
		printf(" mtu=%u", mnl_attr_get_u32(a));
		break;
	case NTM_A_EPOCH:
		printf(" epoch=%u", mnl_attr_get_u32(a));
		break;
	case NTM_A_DROPS:
		printf(" drops=%u", mnl_attr_get_u32(a));
		break;
	case NTM_A_DNS_TAG:
		printf(" tag=0x%" PRIx64, mnl_attr_get_u64(a));
		break;
	case NTM_A_DNS_PACKET:
		print_hex("packet", a);
		break;
	case NTM_A_END0:
	case NTM_A_END1:
		print_end(mnl_attr_get_type(a) - NTM_A_END0, a);
		break;
	case NTM_A_RATE:
		printf(" rate=%" PRIu64, mnl_attr_get_u64(a));
		break;
	case NTM_A_RELAYS:
		printf(" relays=%u", mnl_attr_get_u32(a));
		break;
	case NTM_A_RELAY0:
		print_addr("relay0", a);
		break;
	case NTM_A_RELAY1:
		print_addr("relay1", a);
		break;
	case NTM_A_STATS:
		print_stats(a);
		break;
	case NTM_A_PAD:
		break;
	default:
		printf(" attr%u", mnl_attr_get_type(a));
	}
}

static int print_message(const struct nlmsghdr *nlh, void *data)
{
	static const char *const names[NTM_CMD_MAX + 1] = {
		[NTM_CMD_DEV_GET] = "dev",
		[NTM_CMD_PATH_GET] = "path",
		[NTM_CMD_RELAY_GET] = "relay",
		[NTM_EV_MISS] = "miss",
		[NTM_EV_PEER_MOVED] = "peer_moved",
		[NTM_EV_REKEY] = "rekey",
		[NTM_EV_KEY_CONFIRMED] = "key_confirmed",
		[NTM_EV_AUTH_BURST] = "auth_burst",
		[NTM_EV_MTU] = "mtu",
		[NTM_EV_DNS] = "dns",
	};
	const struct genlmsghdr *gh = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;

	(void)data;
	printf("%s", gh->cmd <= NTM_CMD_MAX && names[gh->cmd] ? names[gh->cmd] : "?");
	mnl_attr_for_each(a, nlh, sizeof(*gh))
		print_attr(a);
	putchar('\n');
	fflush(stdout);
	return MNL_CB_OK;
}

/* ---- Commands ---- */

static int last_socket = -1;
static const char *socket_device = "";
static uint32_t socket_mark;

static int udp_socket(int af, uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(af, SOCK_DGRAM, 0), on = 1;

	if (fd < 0)
		fail_errno("socket");
	if (af == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, socket_device, strlen(socket_device)) ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &socket_mark, sizeof(socket_mark)))
		fail_errno("device, mark");
	if (bind(fd, af == AF_INET ? (void *)&sin : (void *)&sin6,
		 af == AF_INET ? sizeof(sin) : sizeof(sin6)))
		fail_errno("bind");
	last_socket = fd;
	return fd;
}

/* Another family of netlink; the socket of commands goes with it. */
static int cmd_link(void)
{
	struct nlattr *info;
	struct nlmsghdr *nlh;

	if (!have_word("add"))
		fail("link: add");
	mnl_socket_close(nl);
	nl = mnl_socket_open(NETLINK_ROUTE);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		fail_errno("netlink");
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	nlh->nlmsg_seq = ++seq;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, next_word());
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, NTM_LINK_KIND);
	mnl_attr_nest_end(nlh, info);
	return talk(nlh, NULL, NULL);
}

static void put_zones(struct nlmsghdr *nlh, const char *names)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NTM_A_ZONES);
	char text[4096], *save, *name;

	snprintf(text, sizeof(text), "%s", names);
	for (name = strtok_r(text, ",", &save); name; name = strtok_r(NULL, ",", &save))
		mnl_attr_put_strz(nlh, NTM_ZONES_ZONE, name);
	mnl_attr_nest_end(nlh, nest);
}

static int cmd_dev(void)
{
	struct nlmsghdr *nlh;

	if (have_word("dump"))
		return talk(request(NTM_CMD_DEV_GET, NLM_F_DUMP), print_message, NULL);
	if (have_word("get")) {
		nlh = request(NTM_CMD_DEV_GET, 0);
		mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
		return talk(nlh, print_message, NULL);
	}
	if (!have_word("set"))
		fail("dev: set, get or dump");
	nlh = request(NTM_CMD_DEV_SET, 0);
	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
	while (*words) {
		if (have_word("device"))
			socket_device = next_word();
		else if (have_word("mark"))
			socket_mark = (uint32_t)next_number();
		else if (have_word("port4"))
			mnl_attr_put_u32(nlh, NTM_A_SOCKET4, udp_socket(AF_INET, next_number()));
		else if (have_word("port6"))
			mnl_attr_put_u32(nlh, NTM_A_SOCKET6, udp_socket(AF_INET6, next_number()));
		else if (have_word("socket4"))
			mnl_attr_put_u32(nlh, NTM_A_SOCKET4, atoi(next_word()));
		else if (have_word("socket6"))
			mnl_attr_put_u32(nlh, NTM_A_SOCKET6, atoi(next_word()));
		else if (have_word("unbound4"))
			mnl_attr_put_u32(nlh, NTM_A_SOCKET4, socket(AF_INET, SOCK_DGRAM, 0));
		else if (have_word("zone"))
			mnl_attr_put_strz(nlh, NTM_A_ZONE, *words ? *words++ : "");
		else if (have_word("zones"))
			put_zones(nlh, *words ? *words++ : "");
		else
			fail("dev set: unknown word");
	}
	return talk(nlh, NULL, NULL);
}

/* Puts ADDR as one of these attributes, by its family. */
static void put_ip(struct nlmsghdr *nlh, int attr4, int attr6, const char *text)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (inet_pton(AF_INET, text, &a4) == 1)
		mnl_attr_put(nlh, attr4, sizeof(a4), &a4);
	else if (inet_pton(AF_INET6, text, &a6) == 1)
		mnl_attr_put(nlh, attr6, sizeof(a6), &a6);
	else
		fail("not an address");
}

static void put_virtual(struct nlmsghdr *nlh, const char *text)
{
	put_ip(nlh, NTM_A_VIRTUAL4, NTM_A_VIRTUAL6, text);
}

static void put_addr(struct nlmsghdr *nlh, int attr)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1], *scope;

	snprintf(text, sizeof(text), "%s", next_word());
	scope = strchr(text, '%');
	if (scope) {
		*scope++ = 0;
		sin6.sin6_scope_id = if_nametoindex(scope);
	}
	sin.sin_port = sin6.sin6_port = htons(next_number());
	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1)
		mnl_attr_put(nlh, attr, sizeof(sin), &sin);
	else if (inet_pton(AF_INET6, text, &sin6.sin6_addr) == 1)
		mnl_attr_put(nlh, attr, sizeof(sin6), &sin6);
	else
		fail("not an address");
}

/* As it is, right or wrong. */
static void put_hex(struct nlmsghdr *nlh, int attr)
{
	uint8_t bytes[1500];

	mnl_attr_put(nlh, attr, hex_bytes(next_word(), bytes, sizeof(bytes)), bytes);
}

static void put_secret(struct nlmsghdr *nlh, int attr)
{
	uint8_t key[NTM_WIRE_KEY_LEN];
	size_t n = hex_bytes(next_word(), key, sizeof(key));

	if (!n)
		fail("key: no bytes");
	for (size_t i = n; i < sizeof(key); i++)
		key[i] = key[i - n];
	mnl_attr_put(nlh, attr, sizeof(key), key);
}

static void put_key(struct nlmsghdr *nlh, bool suite)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NTM_A_KEY);

	mnl_attr_put_u32(nlh, NTM_KEY_EPOCH, next_number());
	if (suite)
		mnl_attr_put_u8(nlh, NTM_KEY_SUITE, next_number());
	put_secret(nlh, NTM_KEY_TX);
	put_secret(nlh, NTM_KEY_RX);
	if (!have_word("pending"))
		mnl_attr_put(nlh, NTM_KEY_CONFIRMED, 0, NULL);
	mnl_attr_nest_end(nlh, nest);
}

static void put_relay(struct nlmsghdr *nlh, int attr)
{
	if (have_word("none"))
		mnl_attr_put(nlh, attr, 0, NULL);
	else
		put_addr(nlh, attr);
}

static int cmd_path_set(void)
{
	struct nlmsghdr *nlh = request(NTM_CMD_PATH_SET, 0);

	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, next_number());
	while (*words) {
		if (have_word("create"))
			nlh->nlmsg_flags |= NLM_F_CREATE;
		else if (have_word("excl"))
			nlh->nlmsg_flags |= NLM_F_EXCL;
		else if (have_word("v4") || have_word("v6"))
			put_virtual(nlh, next_word());
		else if (have_word("peer"))
			put_addr(nlh, NTM_A_PEER_ADDR);
		else if (have_word("mtu"))
			mnl_attr_put_u32(nlh, NTM_A_MTU, next_number());
		else if (have_word("key"))
			put_key(nlh, true);
		else if (have_word("key-without-suite"))
			put_key(nlh, false);
		else if (have_word("relay0"))
			put_relay(nlh, NTM_A_RELAY0);
		else if (have_word("relay1"))
			put_relay(nlh, NTM_A_RELAY1);
		else if (have_word("port4"))
			mnl_attr_put_u32(nlh, NTM_A_PATH_SOCKET,
					 udp_socket(AF_INET, next_number()));
		else if (have_word("port6"))
			mnl_attr_put_u32(nlh, NTM_A_PATH_SOCKET,
					 udp_socket(AF_INET6, next_number()));
		else if (have_word("socket"))
			mnl_attr_put_u32(nlh, NTM_A_PATH_SOCKET,
					 have_word("last") ? last_socket : atoi(next_word()));
		else if (have_word("device-port"))
			mnl_attr_put(nlh, NTM_A_DEVICE_PORT, 0, NULL);
		else if (have_word("peer-hex"))
			put_hex(nlh, NTM_A_PEER_ADDR);
		else if (have_word("relay-hex"))
			put_hex(nlh, NTM_A_RELAY0);
		else
			fail("path set: unknown word");
	}
	return talk(nlh, NULL, NULL);
}

static int cmd_path_many(void)
{
	uint32_t index = next_ifindex(), id = next_number(), count = next_number();
	struct in_addr base, a;
	int err = 0;

	if (inet_pton(AF_INET, next_word(), &base) != 1)
		fail("not an IPv4 address");
	for (uint32_t i = 0; i < count && !err; i++) {
		struct nlmsghdr *nlh = request(NTM_CMD_PATH_SET, NLM_F_CREATE | NLM_F_EXCL);

		a.s_addr = htonl(ntohl(base.s_addr) + i);
		mnl_attr_put_u32(nlh, NTM_A_IFINDEX, index);
		mnl_attr_put_u32(nlh, NTM_A_PATH_ID, id + i);
		mnl_attr_put(nlh, NTM_A_VIRTUAL4, sizeof(a), &a);
		err = talk(nlh, NULL, NULL);
	}
	return err;
}

static int cmd_path(void)
{
	struct nlmsghdr *nlh;

	if (have_word("set"))
		return cmd_path_set();
	if (have_word("many"))
		return cmd_path_many();
	if (have_word("dump")) {
		nlh = request(NTM_CMD_PATH_GET, NLM_F_DUMP);
		mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
		return talk(nlh, print_message, NULL);
	}
	if (have_word("get"))
		nlh = request(NTM_CMD_PATH_GET, 0);
	else if (have_word("del"))
		nlh = request(NTM_CMD_PATH_DEL, 0);
	else
		fail("path: set, many, get, del or dump");
	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, next_number());
	return talk(nlh, print_message, NULL);
}

static void put_end(struct nlmsghdr *nlh, int attr)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, attr);

	if (!have_word("unbound"))
		put_addr(nlh, NTM_END_ADDR);
	if (have_word("local"))
		put_ip(nlh, NTM_END_LOCAL4, NTM_END_LOCAL6, next_word());
	mnl_attr_nest_end(nlh, nest);
}

static int cmd_relay_set(void)
{
	struct nlmsghdr *nlh = request(NTM_CMD_RELAY_SET, 0);

	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, next_number());
	while (*words) {
		if (have_word("end0"))
			put_end(nlh, NTM_A_END0);
		else if (have_word("end1"))
			put_end(nlh, NTM_A_END1);
		else if (have_word("rate"))
			mnl_attr_put_u64(nlh, NTM_A_RATE, next_number());
		else
			fail("relay set: unknown word");
	}
	return talk(nlh, NULL, NULL);
}

/* Sends @len bytes of requests, of which the last one wants an answer; the others answer only if they fail */
static int talk_batch(const char *batch, size_t len, uint32_t last)
{
	static char in[BUF_SIZE];

	if (mnl_socket_sendto(nl, batch, len) < 0)
		fail_errno("sendto");
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nl, in, sizeof(in));
		struct nlmsghdr *nlh = (struct nlmsghdr *)in;
		int left = got;

		if (got < 0)
			fail_errno("recvfrom");
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			int err = nlh->nlmsg_type == NLMSG_ERROR ?
					  -*(int *)mnl_nlmsg_get_payload(nlh) :
					  0;

			if (err) {
				report_error(nlh, err);
				return err;
			}
			if (nlh->nlmsg_seq == last)
				return 0;
		}
	}
}

/* Many at once, for there may be a million */
static int cmd_relay_many(void)
{
	uint32_t index = next_ifindex(), id = next_number(), count = next_number();
	static char batch[BATCH_SIZE];
	char **ends = words;
	size_t used = 0;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		struct nlmsghdr *nlh = request(NTM_CMD_RELAY_SET, 0);
		bool full;

		words = ends;
		mnl_attr_put_u32(nlh, NTM_A_IFINDEX, index);
		mnl_attr_put_u32(nlh, NTM_A_PATH_ID, id + i);
		put_end(nlh, NTM_A_END0);
		put_end(nlh, NTM_A_END1);
		full = i + 1 == count || used + 2 * nlh->nlmsg_len > sizeof(batch);
		if (!full)
			nlh->nlmsg_flags &= ~NLM_F_ACK;
		memcpy(batch + used, nlh,
		       nlh->nlmsg_len); /* a multiple of four, as all attributes are */
		used += nlh->nlmsg_len;
		if (!full)
			continue;
		err = talk_batch(batch, used, nlh->nlmsg_seq);
		used = 0;
	}
	return err;
}

static int cmd_relay(void)
{
	struct nlmsghdr *nlh;

	if (have_word("set"))
		return cmd_relay_set();
	if (have_word("many"))
		return cmd_relay_many();
	if (have_word("dump")) {
		nlh = request(NTM_CMD_RELAY_GET, NLM_F_DUMP);
		mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
		return talk(nlh, print_message, NULL);
	}
	if (have_word("get"))
		nlh = request(NTM_CMD_RELAY_GET, 0);
	else if (have_word("del"))
		nlh = request(NTM_CMD_RELAY_DEL, 0);
	else
		fail("relay: set, many, get, del or dump");
	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
	mnl_attr_put_u32(nlh, NTM_A_PATH_ID, next_number());
	return talk(nlh, print_message, NULL);
}

static int cmd_miss(void)
{
	struct nlmsghdr *nlh = request(NTM_CMD_MISS_DONE, 0);

	if (!have_word("done"))
		fail("miss: done");
	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
	put_virtual(nlh, next_word());
	mnl_attr_put_u32(nlh, NTM_A_STATUS, next_number());
	return talk(nlh, NULL, NULL);
}

static int cmd_dns(void)
{
	struct nlmsghdr *nlh = request(NTM_CMD_DNS_REPLY, 0);
	bool pass = have_word("pass"), nothing = have_word("nothing");

	if (!pass && !nothing && !have_word("reply"))
		fail("dns: pass, reply or nothing");
	mnl_attr_put_u32(nlh, NTM_A_IFINDEX, next_ifindex());
	mnl_attr_put_u64(nlh, NTM_A_DNS_TAG, next_number());
	if (pass)
		mnl_attr_put(nlh, NTM_A_DNS_PASS, 0, NULL);
	else if (!nothing)
		put_hex(nlh, NTM_A_DNS_PACKET);
	return talk(nlh, NULL, NULL);
}

/* Writes a query for the A record of @name. */
static size_t dns_query(const char *name, uint8_t *out)
{
	uint8_t head[12] = { 0x12, 0x34, 1, 0, 0, 1 };
	size_t pos = 12;

	memcpy(out, head, sizeof(head));
	while (*name) {
		size_t n = strcspn(name, ".");

		out[pos++] = n;
		memcpy(out + pos, name, n);
		pos += n;
		name += n + (name[n] == '.');
	}
	memcpy(out + pos, (uint8_t[]){ 0, 0, 1, 0, 1 }, 5);
	return pos + 5;
}

static int cmd_ask(void)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to = { 0 }, from = { 0 };
	socklen_t to_len = sizeof(to.v4), from_len = sizeof(from);
	struct timeval patience = { .tv_sec = 3 };
	const char *server = next_word(), *device;
	unsigned int mark = NTM_DNS_MARK;
	uint8_t msg[1500];
	ssize_t n;
	int fd;

	if (inet_pton(AF_INET, server, &to.v4.sin_addr) == 1) {
		to.v4.sin_family = AF_INET;
		to.v4.sin_port = htons(53);
	} else if (inet_pton(AF_INET6, server, &to.v6.sin6_addr) == 1) {
		to.v6.sin6_family = AF_INET6;
		to.v6.sin6_port = htons(53);
		to_len = sizeof(to.v6);
	} else {
		fail("not an address");
	}
	n = dns_query(next_word(), msg);
	fd = socket(to.sa.sa_family, SOCK_DGRAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		fail_errno("socket");
	if (have_word("marked") && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		fail_errno("SO_MARK");
	if (have_word("device")) {
		device = next_word();
		if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device)))
			fail_errno("SO_BINDTODEVICE");
	}
	if (sendto(fd, msg, n, 0, &to.sa, to_len) != n)
		fail_errno("sendto");
	n = recvfrom(fd, msg, sizeof(msg), 0, &from.sa, &from_len);
	if (n < 12)
		fail_errno("recvfrom");
	if (memcmp(&to, &from, to_len))
		fail("the answer is from somebody else");
	printf("rcode=%u answers=%u\n", msg[3] & 15, msg[7]);
	close(fd);
	return 0;
}

static int cmd_raw(void)
{
	struct nlmsghdr *nlh;
	uint8_t attrs[4096];
	uint8_t cmd = next_number();
	size_t n;

	nlh = request(cmd, next_number());
	n = *words ? hex_bytes(next_word(), attrs, sizeof(attrs)) : 0;
	memcpy(mnl_nlmsg_get_payload_tail(nlh), attrs, n);
	nlh->nlmsg_len += n;
	return talk(nlh, print_message, NULL);
}

/* ---- Events ---- */

/* Writes an answer to @query with the addresses of the type asked for. */
static size_t dns_answer(const uint8_t *query, size_t len, uint8_t *out)
{
	size_t pos = 12, n;
	uint16_t type;

	while (pos < len && query[pos])
		pos += 1 + query[pos];
	pos += 5;
	type = query[pos - 4] << 8 | query[pos - 3];
	memcpy(out, query, pos);
	out[2] = 0x84 | (query[2] & 1); /* QR, AA */
	out[3] = 0x80;			/* RA */
	memset(out + 6, 0, 6);
	for (char **a = serve_addrs; *a; a++) {
		uint8_t addr[16];

		if (type == 1 && inet_pton(AF_INET, *a, addr) == 1)
			n = 4;
		else if (type == 28 && inet_pton(AF_INET6, *a, addr) == 1)
			n = 16;
		else
			continue;
		out[7]++;
		memcpy(out + pos, (uint8_t[]){ 0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, n }, 12);
		memcpy(out + pos + 12, addr, n);
		pos += 12 + n;
	}
	return pos;
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *gh = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *packet = NULL;
	uint32_t index = 0;
	uint64_t tag = 0;
	uint8_t out[1500];
	struct nlmsghdr *req;
	size_t n;

	if (nlh->nlmsg_type != family)
		return MNL_CB_OK;
	print_message(nlh, data);
	if (gh->cmd != NTM_EV_DNS || !serve_addrs)
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*gh)) {
		if (mnl_attr_get_type(a) == NTM_A_IFINDEX)
			index = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == NTM_A_DNS_TAG)
			tag = mnl_attr_get_u64(a);
		else if (mnl_attr_get_type(a) == NTM_A_DNS_PACKET)
			packet = a;
	}
	n = dns_answer(mnl_attr_get_payload(packet), mnl_attr_get_payload_len(packet), out);
	/* No ACK: its answer would mix with the events that are read here. */
	req = request(NTM_CMD_DNS_REPLY, 0);
	req->nlmsg_flags &= ~NLM_F_ACK;
	mnl_attr_put_u32(req, NTM_A_IFINDEX, index);
	mnl_attr_put_u64(req, NTM_A_DNS_TAG, tag);
	mnl_attr_put(req, NTM_A_DNS_PACKET, n, out);
	if (mnl_socket_sendto(nl, req, req->nlmsg_len) < 0)
		fail_errno("sendto");
	return MNL_CB_OK;
}

static void join_events(void)
{
	if (ev)
		return;
	ev = mnl_socket_open(NETLINK_GENERIC);
	if (!ev || mnl_socket_bind(ev, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(ev, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		fail_errno("events");
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void read_events(struct mnl_socket *s)
{
	static char in[BUF_SIZE];
	ssize_t len = mnl_socket_recvfrom(s, in, sizeof(in));

	if (len > 0)
		mnl_cb_run(in, len, 0, 0, on_event, NULL);
}

static int listen_ms(int64_t ms)
{
	int64_t end = now_ms() + ms, left;

	while ((left = end - now_ms()) > 0) {
		struct pollfd p[2] = {
			{ .fd = mnl_socket_get_fd(nl), .events = POLLIN },
			{ .fd = mnl_socket_get_fd(ev), .events = POLLIN },
		};

		if (poll(p, 2, left > 1000 ? 1000 : left) < 0)
			fail_errno("poll");
		for (int i = 0; i < 2; i++)
			if (p[i].revents & POLLIN)
				read_events(i ? ev : nl);
	}
	return 0;
}

/* In the background it is done there, for as long as the process lives. */
static bool background;
static bool listening;

static int cmd_listen(bool serve)
{
	int64_t ms = strtod(next_word(), NULL) * 1000;
	size_t n = 0;

	join_events();
	if (serve) {
		for (char **w = words; *w; w++)
			n++;
		serve_addrs = calloc(n + 1, sizeof(*serve_addrs));
		for (size_t i = 0; i < n; i++)
			serve_addrs[i] = strdup(*words++);
	}
	listening = true;
	puts("listening");
	fflush(stdout);
	return background ? 0 : listen_ms(ms);
}

/* The kernel's own table of algorithms, where a template's instance is chosen by its name. */
static int cmd_alg(void)
{
	uint16_t type = have_word("add") ? CRYPTO_MSG_NEWALG : 0;
	struct crypto_user_alg *alg;
	struct mnl_socket *crypto;
	struct nlmsghdr *nlh;
	ssize_t len;
	int err;

	if (!type && !have_word("del"))
		fail("alg: add or del");
	crypto = mnl_socket_open(NETLINK_CRYPTO);
	if (!crypto || mnl_socket_bind(crypto, 0, MNL_SOCKET_AUTOPID))
		fail_errno("NETLINK_CRYPTO");
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type ? type : CRYPTO_MSG_DELALG;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	alg = mnl_nlmsg_put_extra_header(nlh, sizeof(*alg));
	alg->cru_type = CRYPTO_AEAD;
	alg->cru_mask = CRYPTO_TYPE_MASK;
	snprintf(alg->cru_driver_name, sizeof(alg->cru_driver_name), "%s", next_word());
	if (*words)
		mnl_attr_put_u32(nlh, CRYPTOCFGA_PRIORITY_VAL, (uint32_t)next_number());
	if (mnl_socket_sendto(crypto, nlh, nlh->nlmsg_len) < 0)
		fail_errno("sendto");
	len = mnl_socket_recvfrom(crypto, buf, sizeof(buf));
	if (len < (ssize_t)(sizeof(*nlh) + sizeof(struct nlmsgerr)) ||
	    nlh->nlmsg_type != NLMSG_ERROR)
		fail("no answer");
	err = -*(int *)mnl_nlmsg_get_payload(nlh);
	if (err)
		report_error(nlh, err);
	mnl_socket_close(crypto);
	return err;
}

static int run(char **argv)
{
	words = argv;
	if (have_word("dev"))
		return cmd_dev();
	if (have_word("path"))
		return cmd_path();
	if (have_word("relay"))
		return cmd_relay();
	if (have_word("link"))
		return cmd_link();
	if (have_word("miss"))
		return cmd_miss();
	if (have_word("dns"))
		return cmd_dns();
	if (have_word("ask"))
		return cmd_ask();
	if (have_word("raw"))
		return cmd_raw();
	if (have_word("alg"))
		return cmd_alg();
	if (have_word("hex-ifindex"))
		return printf("08000200%08x\n", htonl(next_ifindex())) < 0;
	if (have_word("unprivileged")) {
		if (setgid(65534) || setuid(65534))
			fail_errno("setuid");
		return run(words);
	}
	if (have_word("close"))
		return close(last_socket);
	if (have_word("fail-nth")) {
		fail_nth = next_number();
		return run(words);
	}
	if (have_word("listen"))
		return cmd_listen(false);
	if (have_word("serve"))
		return cmd_listen(true);
	if (have_word("sleep"))
		return usleep(strtod(next_word(), NULL) * 1e6);
	fail("unknown command; see the head of tests/tools/ntm-cfg.c");
	return 1;
}

static int run_stdin(void)
{
	char line[4096], *argv[64];
	int err = 0, n;

	while (!err && fgets(line, sizeof(line), stdin)) {
		char *save, *word;

		line[strcspn(line, "#\n")] = 0;
		n = 0;
		for (word = strtok_r(line, " \t", &save); word && n < 63;
		     word = strtok_r(NULL, " \t", &save))
			argv[n++] = word;
		argv[n] = NULL;
		if (n)
			err = run(argv);
		words = NULL;
	}
	return err;
}

/* The parent ends once all commands have worked; the child keeps the sockets. */
static void stay(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail_errno("fork");
	if (pid) {
		fprintf(stderr, "%d\n", pid);
		exit(0);
	}
	setsid();
	for (;;) {
		if (listening)
			listen_ms(3600 * 1000);
		else
			pause();
	}
}

/* ---- The family ---- */

static int on_group(const struct nlattr *groups)
{
	const struct nlattr *g, *a;

	mnl_attr_for_each_nested(g, groups) {
		const char *name = "";
		uint32_t id = 0;

		mnl_attr_for_each_nested(a, g) {
			if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_ID)
				id = mnl_attr_get_u32(a);
			else if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_NAME)
				name = mnl_attr_get_str(a);
		}
		if (!strcmp(name, NTM_GENL_MCGRP_EVENTS))
			group = id;
	}
	return MNL_CB_OK;
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *a;

	(void)data;
	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			family = mnl_attr_get_u16(a);
		else if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GROUPS)
			on_group(a);
	}
	return MNL_CB_OK;
}

static void open_netlink(void)
{
	struct genlmsghdr *gh;
	struct nlmsghdr *nlh;
	int on = 1;

	nl = mnl_socket_open(NETLINK_GENERIC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		fail_errno("netlink");
	mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &on, sizeof(on));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = GENL_ID_CTRL;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++seq;
	gh = mnl_nlmsg_put_extra_header(nlh, sizeof(*gh));
	gh->cmd = CTRL_CMD_GETFAMILY;
	gh->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, NTM_GENL_NAME);
	if (talk(nlh, on_family, NULL))
		exit(1);
}

int main(int argc, char **argv)
{
	int arg = 1, err;

	if (arg < argc && !strcmp(argv[arg], "-b")) {
		background = true;
		arg++;
	}
	if (arg >= argc) {
		fprintf(stderr, "usage: ntm-cfg [-b] - | ntm-cfg COMMAND...\n");
		return 2;
	}
	open_netlink();
	err = strcmp(argv[arg], "-") ? run(argv + arg) : run_stdin();
	if (err)
		return 1;
	if (background)
		stay();
	return fail_nth && !failed_nth ? 3 : 0;
}
