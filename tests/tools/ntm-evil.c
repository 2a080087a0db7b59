// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-evil: catches one outgoing NTMobile data packet on an interface (IPv4,
 * not an aggregate) and sends spoilt copies of it the same way, for tests.
 *
 *   ntm-evil IF flip      one bit changed, in each byte of the UDP payload in turn
 *   ntm-evil IF replay    the packet as it was, ten times
 *   ntm-evil IF cut       cut to each length from 1 to 23 bytes
 *   ntm-evil IF moved     one bit of the tag changed, from another source port
 *   ntm-evil IF late FILE PORT TO
 *                         as it was, once FILE is there, from PORT to TO by a UDP socket
 *   ntm-evil IF port FILE PORT
 *                         as it was, once FILE is there, but for its source port, which no longer is what the
 *                         UDP checksum says
 *   ntm-evil IF junk      on the tunnel's device: IP headers of all versions and lengths, true
 *                         ones and not, to 10.9.0.2 and fd09::2; nothing is caught for it
 *   ntm-evil IF forge FROM PORT TO ID LEN COUNT TTL
 *                         data packets made up from nothing: IPv4, FROM:PORT to TO's port of
 *                         NTMobile, LEN bytes with this Path ID in front; IF does not matter
 *   ntm-evil IF mixed PORT TO SIZE ID...
 *                         one aggregate (UDP_SEGMENT) from PORT, a segment of SIZE bytes for
 *                         each Path ID; 0: signalling; IF does not matter. TO is
 *                         an address, or ADDRESS#PORT
 *   ntm-evil IF probing PORT TO SIZE COUNT
 *                         datagrams over IPv6 from PORT to TO, by a socket that takes no advice of how much a
 *                         route has room for (IPV6_PMTUDISC_PROBE); IF does not matter
 *
 * Prints how many packets, or segments, it sent; before, if it is to catch one, "ready". Exit: 0, 1 if no packet came within 10 s.
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <ntmobile/wire.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define HEADERS (sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define WAIT_MS 10000

struct packet {
	union {
		struct {
			uint8_t pad[2];
			struct ether_header eth;
			struct iphdr ip;
			struct udphdr udp;
			uint8_t payload[2048];
		} __attribute__((packed)) f;
		uint8_t bytes[4096];
	};
	size_t len; /* of the payload */
};

static int sock;
static unsigned int sent;

static bool is_data(const struct packet *p, ssize_t got)
{
	return got > (ssize_t)(HEADERS + NTM_WIRE_OVERHEAD) && got < 1600 &&
	       p->f.eth.ether_type == htons(ETHERTYPE_IP) && p->f.ip.protocol == IPPROTO_UDP &&
	       p->f.ip.ihl == 5 && p->f.udp.dest == htons(NTM_WIRE_PORT) &&
	       ntm_wire_is_data(p->f.payload[0]);
}

static bool catch_one(struct packet *p)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	struct sockaddr_ll from = { 0 };
	time_t end = time(NULL) + WAIT_MS / 1000;

	while (time(NULL) <= end && poll(&pfd, 1, WAIT_MS) > 0) {
		socklen_t from_len = sizeof(from);
		ssize_t got = recvfrom(sock, &p->f.eth, sizeof(p->f) - sizeof(p->f.pad), 0,
				       (struct sockaddr *)&from, &from_len);

		if (got > 0 && from.sll_pkttype == PACKET_OUTGOING && is_data(p, got)) {
			p->len = (size_t)got - HEADERS;
			return true;
		}
	}
	return false;
}

static uint32_t sum_of(uint32_t sum, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

static uint16_t checksum_of(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return htons((uint16_t)~sum);
}

static uint16_t ip_checksum(const void *ip)
{
	return checksum_of(sum_of(0, ip, sizeof(struct iphdr)));
}

/* RFC 768. What was caught may have none yet: it is the device's to compute */
static void udp_checksum(struct packet *p)
{
	const uint8_t *ip = (uint8_t *)&p->f.eth + sizeof(p->f.eth), *udp = ip + sizeof(p->f.ip);
	size_t len = sizeof(p->f.udp) + p->len;
	uint32_t sum = sum_of(IPPROTO_UDP + (uint32_t)len, ip + 12, 8);

	p->f.udp.check = 0;
	p->f.udp.check = checksum_of(sum_of(sum, udp, len));
}

static void send_packet(const struct packet *orig, size_t len)
{
	struct packet p = *orig;

	p.f.ip.tot_len = htons((uint16_t)(sizeof(p.f.ip) + sizeof(p.f.udp) + len));
	p.f.ip.check = 0;
	p.f.ip.check = ip_checksum((uint8_t *)&p.f.eth + sizeof(p.f.eth));
	p.f.udp.len = htons((uint16_t)(sizeof(p.f.udp) + len));
	p.f.udp.check = 0;
	if (send(sock, &p.f.eth, HEADERS + len, 0) > 0)
		sent++;
	nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
}

static void flip(struct packet *p)
{
	/* Never bit 7 of the first byte: that is signalling. */
	for (size_t i = 0; i < p->len; i++) {
		p->f.payload[i] ^= (uint8_t)(1u << i % 7);
		send_packet(p, p->len);
		p->f.payload[i] ^= (uint8_t)(1u << i % 7);
	}
}

/* Past the queue, so that the device gets them as they are. */
static void junk(void)
{
	static const uint8_t to4[4] = { 10, 9, 0, 2 };
	static const uint8_t to6[16] = { 0xfd, 9, [15] = 2 };
	static const size_t lens[] = { 1, 19, 20, 39, 40, 60, 1280, 1428 };
	uint8_t packet[2048];
	int on = 1;

	if (setsockopt(sock, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)))
		perror("PACKET_QDISC_BYPASS");
	for (unsigned int i = 0; i < 256 * sizeof(lens) / sizeof(*lens); i++) {
		memset(packet, (int)(i & 0xff), sizeof(packet));
		packet[0] = (uint8_t)i;
		packet[6] &= (uint8_t)~0x40; /* DF: let IPv4 be fragmented */
		if (packet[0] >> 4 == 6)
			memcpy(packet + 24, to6, sizeof(to6));
		else
			memcpy(packet + 16, to4, sizeof(to4));
		if (send(sock, packet, lens[i / 256], 0) > 0)
			sent++;
	}
}

/* By a raw socket: the kernel fills in what is left zero. */
static void forge(char **arg)
{
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct ntm_wire_hdr header;
	struct packet p;
	size_t len;

	memset(&p, 0, sizeof(p));
	len = strtoul(arg[4], NULL, 0);
	p.f.ip = (struct iphdr){ .version = 4, .ihl = 5, .protocol = IPPROTO_UDP };
	p.f.ip.frag_off = htons(IP_DF);
	p.f.ip.ttl = (uint8_t)atoi(arg[6]);
	p.f.ip.saddr = inet_addr(arg[0]);
	p.f.ip.daddr = to.sin_addr.s_addr = inet_addr(arg[2]);
	p.f.udp.source = htons((uint16_t)atoi(arg[1]));
	p.f.udp.dest = htons(NTM_WIRE_PORT);
	p.f.udp.len = htons((uint16_t)(sizeof(p.f.udp) + len));
	ntm_wire_build(&header, 1, 1, htonl((uint32_t)strtoul(arg[3], NULL, 0)));
	memcpy(p.f.payload, &header, sizeof(header));
	for (int i = atoi(arg[5]); i > 0; i--) {
		if (sendto(raw, (uint8_t *)&p.f.eth + sizeof(p.f.eth),
			   sizeof(p.f.ip) + sizeof(p.f.udp) + len, 0, (struct sockaddr *)&to,
			   sizeof(to)) < 0)
			break;
		sent++;
	}
}

static int bound_socket(const char *to, uint16_t port, struct sockaddr_in6 *sin6)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	const char *number = strchr(to, '#');
	char mapped[64];

	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(number ? (uint16_t)atoi(number + 1) : NTM_WIRE_PORT);
	snprintf(mapped, sizeof(mapped), "%s%.*s",
		 strchr(to, ':') ? "" : "::ffff:", (int)strcspn(to, "#"), to);
	if (inet_pton(AF_INET6, mapped, &sin6->sin6_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from))) {
		perror(to);
		exit(1);
	}
	return fd;
}

static void mixed(char **arg)
{
	static uint8_t payload[65536] __attribute__((aligned(4)));
	int size = atoi(arg[2]);
	struct sockaddr_in6 to = { 0 };
	int fd = bound_socket(arg[1], (uint16_t)atoi(arg[0]), &to);
	size_t len = 0;

	for (char **id = arg + 3; *id && len + (size_t)size <= sizeof(payload); id++) {
		struct ntm_wire_hdr header = { 0 };

		if (strcmp(*id, "0") != 0)
			ntm_wire_build(&header, 1, 1, htonl((uint32_t)strtoul(*id, NULL, 0)));
		memcpy(payload + len, &header, sizeof(header));
		len += (size_t)size;
		sent++;
	}
	if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) ||
	    sendto(fd, payload, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("mixed");
		exit(1);
	}
}

static void probing(char **arg)
{
	static const uint8_t payload[1500];
	const int discover = IPV6_PMTUDISC_PROBE;
	const size_t len = strtoul(arg[2], NULL, 0);
	struct sockaddr_in6 to = { 0 };
	int fd = bound_socket(arg[1], (uint16_t)atoi(arg[0]), &to);

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover))) {
		perror("probing");
		exit(1);
	}
	for (int left = atoi(arg[3]); left > 0 && len <= sizeof(payload); left--)
		if (sendto(fd, payload, len, 0, (struct sockaddr *)&to, sizeof(to)) > 0)
			sent++;
}

static void wait_for(const char *file)
{
	while (access(file, F_OK))
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

static void late(const struct packet *p, char **arg)
{
	struct sockaddr_in6 to = { 0 };
	int fd = bound_socket(arg[2], (uint16_t)atoi(arg[1]), &to);

	wait_for(arg[0]);
	if (sendto(fd, p->f.payload, p->len, 0, (struct sockaddr *)&to, sizeof(to)) > 0)
		sent++;
}

static void port(struct packet *p, char **arg)
{
	udp_checksum(p);
	p->f.udp.source = htons((uint16_t)atoi(arg[1]));
	wait_for(arg[0]);
	if (send(sock, &p->f.eth, HEADERS + p->len, 0) > 0)
		sent++;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet p;

	if (argc == 10 && !strcmp(argv[2], "forge")) {
		forge(argv + 3);
		printf("%u\n", sent);
		return 0;
	}
	if (argc > 6 && !strcmp(argv[2], "mixed")) {
		mixed(argv + 3);
		printf("%u\n", sent);
		return 0;
	}
	if (argc == 7 && !strcmp(argv[2], "probing")) {
		probing(argv + 3);
		printf("%u\n", sent);
		return 0;
	}
	if (argc != 3 && !(argc == 6 && !strcmp(argv[2], "late")) &&
	    !(argc == 5 && !strcmp(argv[2], "port"))) {
		fprintf(stderr,
			"usage: ntm-evil IF flip|replay|cut|moved|late|port|junk|forge|mixed|probing ...\n");
		return 2;
	}
	memset(&p, 0, sizeof(p));
	addr.sll_ifindex = (int)if_nametoindex(argv[1]);
	sock = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr))) {
		perror(argv[1]);
		return 1;
	}
	if (!strcmp(argv[2], "junk")) {
		junk();
		printf("%u\n", sent);
		return 0;
	}
	puts("ready");
	fflush(stdout);
	if (!catch_one(&p))
		return 1;
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);

	if (!strcmp(argv[2], "late")) {
		late(&p, argv + 3);
	} else if (!strcmp(argv[2], "port")) {
		port(&p, argv + 3);
	} else if (!strcmp(argv[2], "flip")) {
		flip(&p);
	} else if (!strcmp(argv[2], "replay")) {
		for (int i = 0; i < 10; i++)
			send_packet(&p, p.len);
	} else if (!strcmp(argv[2], "cut")) {
		for (size_t len = 1; len < NTM_WIRE_OVERHEAD; len++)
			send_packet(&p, len);
	} else {
		p.f.payload[p.len - 1] ^= 1;
		p.f.udp.source = htons(4444);
		send_packet(&p, p.len);
	}
	printf("%u\n", sent);
	return 0;
}
