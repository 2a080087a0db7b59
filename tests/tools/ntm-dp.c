// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/datapath*.c ntmd/node/held.c ntmd/node/resolver.c ntmd/node/stubnet.c ntmd/pipe/*.c
/*
 * ntm-dp: the node's data paths and resolver with a script instead of a daemon, for tests.
 *
 *   ntm-dp [--tun] [--orders FILE] IF ADDRESS4 ADDRESS6 ZONE PATH-ID PEER4 PEER6 REAL-ADDRESS TXHEX RXHEX
 *
 * Makes the interface, gives it its addresses and a path with the two keys, and prints each event
 * in a line. Names that begin with "cn." are answered with the peer's addresses, "slow." after a
 * second, "pass." is let go, all others are NXDOMAIN; misses fail. SIGUSR1 prints counters;
 * SIGUSR2 does what stands in FILE, line by line; SIGTERM ends.
 *
 *   path [peer ADDRESS] [relays ADDRESS|- ADDRESS|-] [mtu N]     changes the path
 *   zone NAME [NETWORK4|- NETWORK6|-]    another zone, with its networks as ADDRESS/BITS
 *   zones                        none but our own
 *   send|probe ADDRESS LENGTH     a datagram of signalling; probe: with DF, whatever the route's MTU. What comes is printed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "node/datapath.h"
#include "node/resolver.h"
#include "ntmobile/wire.h"

#define PREFIX4 24
#define PREFIX6 64

static const struct ntm_datapath_ops *ops = &ntm_datapath_kernel;
static const char *orders;
static struct ntm_datapath *dp;
static uv_loop_t *loop;
static struct ntm_udp *udp;
static struct ntm_dp_lease lease;
static uint32_t path;
static struct in_addr peer4;
static struct in6_addr peer6;
static uv_signal_t on_usr1, on_usr2, on_term;

/** struct slow - an answer that waits */
struct slow {
	uv_timer_t timer;
	uint64_t tag;
	uint8_t msg[NTM_DNS_ANSWER_MAX];
	int len;
};

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void slow_answer(uv_timer_t *timer)
{
	struct slow *slow = timer->data;

	printf("answered %d\n", ops->dns_reply(dp, slow->tag, slow->msg, (size_t)slow->len));
	uv_close((uv_handle_t *)timer, closed);
}

static void answer(struct ntm_dns_query *q, uint64_t tag, bool later)
{
	bool known = !strncmp(q->name, "cn.", 3) || later;
	struct slow *slow = calloc(1, sizeof(*slow));

	if (!slow)
		abort();
	slow->tag = tag;
	slow->len = ntm_dns_answer(q, known ? NTM_DNS_NOERROR : NTM_DNS_NXDOMAIN, lease.zone,
				   &peer4, &peer6, NULL, 1, slow->msg, sizeof(slow->msg));
	uv_timer_init(loop, &slow->timer);
	slow->timer.data = slow;
	uv_timer_start(&slow->timer, slow_answer, later ? 1000 : 0, 0);
}

static void ev_dns(void *ctx, uint64_t tag, const uint8_t *msg, size_t len)
{
	struct ntm_dns_query q;

	(void)ctx;
	if (ntm_dns_parse(&q, msg, len)) {
		printf("dns malformed, passed %d\n", ops->dns_pass(dp, tag));
		return;
	}
	printf("dns %s type %u\n", q.name, q.qtype);
	if (!strncmp(q.name, "pass.", 5))
		printf("passed %d\n", ops->dns_pass ? ops->dns_pass(dp, tag) : -EOPNOTSUPP);
	else
		answer(&q, tag, !strncmp(q.name, "slow.", 5));
}

static void ev_miss(void *ctx, int family, const void *virt)
{
	char text[INET6_ADDRSTRLEN];

	(void)ctx;
	inet_ntop(family, virt, text, sizeof(text));
	printf("miss %s, done %d\n", text, ops->miss_done(dp, family, virt, EHOSTUNREACH));
}

static void ev_peer_moved(void *ctx, uint32_t id, const union ntm_addr *addr)
{
	char text[NTM_ADDR_STR];

	(void)ctx;
	printf("moved %u %s\n", id, ntm_addr_str(addr, text));
}

static void ev_rekey(void *ctx, uint32_t id, uint32_t epoch)
{
	(void)ctx;
	printf("rekey %u epoch %u\n", id, epoch);
}

static void ev_key_confirmed(void *ctx, uint32_t id, uint32_t epoch)
{
	(void)ctx;
	printf("confirmed %u epoch %u\n", id, epoch);
}

static void ev_auth_burst(void *ctx, uint32_t id, uint32_t drops)
{
	(void)ctx;
	printf("burst %u drops %u\n", id, drops);
}

static void ev_mtu(void *ctx, uint32_t id, uint32_t mtu)
{
	(void)ctx;
	printf("mtu %u %u\n", id, mtu);
}

static void end(void)
{
	ops->close(dp);
	ntm_udp_close(udp);
	uv_close((uv_handle_t *)&on_usr1, NULL);
	uv_close((uv_handle_t *)&on_usr2, NULL);
	uv_close((uv_handle_t *)&on_term, NULL);
}

static void ev_lost(void *ctx, int err)
{
	(void)ctx;
	printf("lost %d\n", err);
	end();
}

static const struct ntm_dp_events events = {
	.miss = ev_miss,
	.peer_moved = ev_peer_moved,
	.rekey = ev_rekey,
	.key_confirmed = ev_key_confirmed,
	.auth_burst = ev_auth_burst,
	.mtu = ev_mtu,
	.dns = ev_dns,
	.lost = ev_lost,
};

static void show(uv_signal_t *handle, int signum)
{
	uint64_t drops[NTM_DP_DROPS];
	char text[NTM_ADDR_STR];
	struct ntm_dp_stats s;
	int err;

	(void)handle;
	(void)signum;
	err = ops->stats(dp, path, &s);
	printf("path %d: tx %" PRIu64 " rx %" PRIu64 " peer %s\n", err, s.tx_packets, s.rx_packets,
	       ntm_addr_str(&s.peer, text));
	err = ops->drops(dp, drops);
	printf("drops %d:", err);
	for (int i = 0; i < NTM_DP_DROPS; i++)
		printf(" %s=%" PRIu64, ntm_dp_drop_names[i], drops[i]);
	printf("\nno such path: %d\n", ops->stats(dp, path + 1, &s));
}

static void terminate(uv_signal_t *handle, int signum)
{
	(void)handle;
	(void)signum;
	end();
}

/* Orders */

static void fail(const char *what, int err);

static const char *word(char **rest)
{
	const char *w = strtok_r(NULL, " \n", rest);

	if (!w)
		fail("an order lacks a word", -EINVAL);
	return w;
}

static void address(union ntm_addr *addr, char **rest)
{
	const char *w = word(rest);

	memset(addr, 0, sizeof(*addr));
	if (strcmp(w, "-") && ntm_addr_parse(addr, w, NTM_WIRE_PORT))
		fail("an order's address", -EINVAL);
}

static void order_path(char **rest)
{
	union ntm_addr peer, relays[NTM_DP_RELAYS];
	struct ntm_dp_path set = { .path_id = path };
	const char *w;

	while ((w = strtok_r(NULL, " \n", rest))) {
		if (!strcmp(w, "peer")) {
			address(&peer, rest);
			set.peer = &peer;
		} else if (!strcmp(w, "relays")) {
			for (int i = 0; i < NTM_DP_RELAYS; i++)
				address(&relays[i], rest);
			set.relays = relays;
		} else if (!strcmp(w, "mtu")) {
			set.mtu = (uint32_t)strtoul(word(rest), NULL, 10);
		} else {
			fail("an order of path", -EINVAL);
		}
	}
	printf("ordered: %d\n", ops->path_set(dp, &set));
}

static uint8_t network(int family, void *addr, const char *text)
{
	char copy[INET6_ADDRSTRLEN + 4], *slash;

	if (!text || !strcmp(text, "-"))
		return NTM_NO_PREFIX;
	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (!slash)
		fail("an order's network", -EINVAL);
	*slash++ = 0;
	if (inet_pton(family, copy, addr) != 1)
		fail("an order's network", -EINVAL);
	return (uint8_t)strtoul(slash, NULL, 10);
}

static void order_zone(char **rest)
{
	struct ntm_zone_info *zone = &lease.zones[lease.zone_count];

	if (lease.zone_count == NTM_PEER_ZONES_MAX)
		fail("an order of one zone too many", -EINVAL);
	memset(zone, 0, sizeof(*zone));
	snprintf(zone->name, sizeof(zone->name), "%s", word(rest));
	zone->prefix4 = network(AF_INET, &zone->virtual4, strtok_r(NULL, " \n", rest));
	zone->prefix6 = network(AF_INET6, &zone->virtual6, strtok_r(NULL, " \n", rest));
	lease.zone_count++;
	printf("ordered: %d\n", ops->configure(dp, &lease));
}

static void order_zones(void)
{
	lease.zone_count = 0;
	printf("ordered: %d\n", ops->configure(dp, &lease));
}

static void order_send(char **rest, bool df)
{
	static const uint8_t packet[UINT16_MAX] = { 1 };
	union ntm_addr to;
	size_t len;

	address(&to, rest);
	len = strtoul(word(rest), NULL, 10);
	printf("sent %zu: %d\n", len,
	       df ? ntm_udp_send_df(udp, &to, packet, len) : ntm_udp_send(udp, &to, packet, len));
}

static void obey(uv_signal_t *handle, int signum)
{
	FILE *f = fopen(orders, "re");
	char line[512], *rest;
	const char *w;

	(void)handle;
	(void)signum;
	if (!f)
		fail("open the orders", -errno);
	while (fgets(line, sizeof(line), f)) {
		w = strtok_r(line, " \n", &rest);
		if (w && !strcmp(w, "path"))
			order_path(&rest);
		else if (w && !strcmp(w, "zone"))
			order_zone(&rest);
		else if (w && !strcmp(w, "zones"))
			order_zones();
		else if (w && (!strcmp(w, "send") || !strcmp(w, "probe")))
			order_send(&rest, *w == 'p');
		else
			fail("an unknown order", -EINVAL);
	}
	fclose(f);
}

static void show_packet(void *ctx, const uint8_t *packet, size_t len, const union ntm_addr *from)
{
	char text[NTM_ADDR_STR];

	(void)ctx;
	(void)packet;
	printf("signal %zu from %s\n", len, ntm_addr_str(from, text));
}

static void fail(const char *what, int err)
{
	fprintf(stderr, "ntm-dp: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void open_udp(void)
{
	union ntm_addr any4 = { .v4.sin_family = AF_INET, .v4.sin_port = htons(NTM_WIRE_PORT) };
	union ntm_addr any6 = { .v6.sin6_family = AF_INET6, .v6.sin6_port = htons(NTM_WIRE_PORT) };
	int err = ntm_udp_open(&udp, loop, &any4, &any6, true, show_packet, NULL);

	if (err)
		fail("open the UDP port", err);
}

static void set_path(char **argv)
{
	struct ntm_dp_keys keys = { .epoch = 1,
				    .suite = NTM_SUITE_CHACHA20_POLY1305,
				    .confirmed = true };
	union ntm_addr real;
	int err;

	path = (uint32_t)strtoul(argv[5], NULL, 0);
	if (inet_pton(AF_INET, argv[6], &peer4) != 1 || inet_pton(AF_INET6, argv[7], &peer6) != 1 ||
	    ntm_addr_parse(&real, argv[8], NTM_WIRE_PORT) ||
	    sodium_hex2bin(keys.tx, 32, argv[9], 64, NULL, NULL, NULL) ||
	    sodium_hex2bin(keys.rx, 32, argv[10], 64, NULL, NULL, NULL))
		fail("arguments", -EINVAL);
	err = ops->path_set(dp, &(struct ntm_dp_path){ .path_id = path,
						       .virtual4 = &peer4,
						       .virtual6 = &peer6,
						       .peer = &real,
						       .keys = &keys });
	if (err)
		fail("set the path", err);
	/* The same epoch again must be refused, and nothing changed by it */
	printf("same epoch: %d\n",
	       ops->path_set(dp, &(struct ntm_dp_path){ .path_id = path, .keys = &keys }));
	printf("no such path: %d\n",
	       ops->path_set(dp, &(struct ntm_dp_path){ .path_id = path + 1, .peer = &real }));
}

/* The options; what follows them as if there were none */
static char **options(int *argc, char **argv)
{
	for (; *argc > 1 && argv[1][0] == '-'; argv++, --*argc) {
		if (!strcmp(argv[1], "--tun")) {
			ops = &ntm_datapath_tun;
		} else if (!strcmp(argv[1], "--orders") && *argc > 2) {
			orders = argv[2];
			argv++, --*argc;
		} else {
			break;
		}
	}
	return argv;
}

int main(int argc, char **argv)
{
	char why[256];
	int err;

	argv = options(&argc, argv);
	if (argc != 11)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	ntm_log_init("ntm-dp", NTM_LOG_DEBUG);
	loop = uv_default_loop();
	open_udp();
	err = ops->open(&dp,
			&(struct ntm_dp_open){ .loop = loop,
					       .ifname = argv[1],
					       .udp = udp,
					       .events = &events,
					       .tun_fd = -1 },
			why, sizeof(why));
	if (err) {
		fprintf(stderr, "ntm-dp: %s\n", why);
		return 1;
	}
	printf("suites 0x%x\n", ops->suites(dp));
	lease = (struct ntm_dp_lease){
		.has4 = true, .has6 = true, .prefix4 = PREFIX4, .prefix6 = PREFIX6
	};
	inet_pton(AF_INET, argv[2], &lease.virtual4);
	inet_pton(AF_INET6, argv[3], &lease.virtual6);
	snprintf(lease.zone, sizeof(lease.zone), "%s", argv[4]);
	err = ops->configure(dp, &lease);
	if (!err)
		err = ops->configure(dp, &lease); /* again: no change is no error */
	if (err)
		fail("configure", err);
	set_path(argv);
	uv_signal_init(loop, &on_usr1);
	uv_signal_start(&on_usr1, show, SIGUSR1);
	uv_signal_init(loop, &on_usr2);
	if (orders)
		uv_signal_start(&on_usr2, obey, SIGUSR2);
	uv_signal_init(loop, &on_term);
	uv_signal_start(&on_term, terminate, SIGTERM);
	puts("ready");
	uv_run(loop, UV_RUN_DEFAULT);
	return uv_loop_close(loop) ? 1 : 0;
}
