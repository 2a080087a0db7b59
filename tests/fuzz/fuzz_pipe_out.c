// SPDX-License-Identifier: GPL-2.0
// with: ntmd/pipe/*.c
/*
 * What the TUN device, or who else may write to a descriptor, gives to the out-lane: a byte of flags, a vnet header, a packet; by the
 * owner's hand (ntm_pipe_inject()), or several in a vector, through the lane's own fill, work and drain. Each packet that leaves
 * must be authentic, fit the path, and have a counter of its own.
 */
#include <poll.h>
#include <sched.h>
#include "fuzz_pipe.h"

#define TO_PEER 1
#define SMALL 2
#define NO_DF 4
#define RIGHT_START 8
#define LARGE 16 /* up to the largest there are, with lengths to match */
#define LANE 32
#define LANE_PACKETS 5
#define SETTLE_MS 1000

static uint64_t next; /* counters grow, and none comes twice */

/* What is there; then what comes until an empty datagram behind it: a busy kernel delivers later, which must not be within the next input */
static ssize_t receive(uint8_t *buf, size_t size, bool *asked)
{
	struct pollfd pfd = { .fd = fuzz_far, .events = POLLIN };
	ssize_t n = *asked ? -1 : recv(fuzz_far, buf, size, 0);

	if (n > 0)
		return n;
	if (!*asked)
		(void)sendto(fuzz_near, "", 0, 0, &fuzz_far_addr.sa, sizeof(fuzz_far_addr.v4));
	*asked = true;
	return poll(&pfd, 1, SETTLE_MS) > 0 ? recv(fuzz_far, buf, size, 0) : 0;
}

static void check_sent(unsigned int mtu)
{
	static const uint8_t tx[NTM_WIRE_KEY_LEN] = { 1 };
	static struct ntm_aead *open;
	static uint8_t buf[1 << 16];
	struct ntm_wire_hdr header = { 0 };
	bool asked = false;
	uint64_t ctr;
	ssize_t n;

	if (!open)
		open = ntm_aead_new(NTM_SUITE_CHACHA20_POLY1305, false, tx, 1);
	while ((n = receive(buf, sizeof(buf), &asked)) > 0) {
		if (n < NTM_WIRE_OVERHEAD)
			abort();
		memcpy(&header, buf, sizeof(header));
		ctr = ntm_wire_ctr(&header, 0);
		if (header.path_id != htonl(FUZZ_PATH) || ctr < next ||
		    !ntm_aead_open(open, 0, ctr, buf + NTM_WIRE_HDR_LEN,
				   (size_t)n - NTM_WIRE_OVERHEAD, buf))
			abort();
		next = ctr + 1;
		n -= NTM_WIRE_OVERHEAD;
		if (n > (ssize_t)(*buf >> 4 == 6 && mtu < 1280 ? 1280 : mtu))
			abort();
	}
}

static void aim(uint8_t flags, struct virtio_net_hdr *vnet, uint8_t *p, size_t len)
{
	static const uint8_t peer4[4] = { 100, 64, 0, 2 };

	if (len < 40)
		return;
	if (flags & RIGHT_START) {
		vnet->flags |= VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet->csum_start = *p >> 4 == 6 ? 40 : (*p & 15) * 4;
	}
	if (flags & NO_DF && *p >> 4 == 4)
		p[6] &= 0x3f;
	if (flags & TO_PEER && *p >> 4 == 4)
		memcpy(p + 16, peer4, sizeof(peer4));
	if (flags & TO_PEER && *p >> 4 == 6) {
		memset(p + 24, 0, 16);
		p[24] = 0xfd;
		p[39] = 2;
	}
}

/* A payload that goes on: the input's bytes over and over */
static size_t enlarge(uint8_t *packet, size_t len)
{
	const size_t want = 20000 + len * 37 % 45000;

	if (len < 40)
		return len;
	for (size_t at = len; at < want; at++)
		packet[at] = packet[at - len];
	if (*packet >> 4 == 6)
		fuzz_put16(packet + 4, want - 40);
	else
		fuzz_put16(packet + 2, want);
	return want;
}

/* The lane's reader has a device of its own, where nothing ever comes: this one is read, and written to, by the fuzzer alone */
static int lane_host, lane_tun;

static void open_lane(void)
{
	int pair[2], big = 4 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair))
		abort();
	for (int i = 0; i < 2; i++)
		(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	lane_host = pair[0];
	lane_tun = pair[1];
}

static void by_lane(struct virtio_net_hdr *vnet, uint8_t *packet, size_t size, unsigned int mtu)
{
	static void *vec;
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { packet, size } };
	const int tun = fuzz_pipe.tun.fd;

	if (!vec)
		vec = calloc(1, ntm_pipe_out_size());
	if (!vec)
		abort();
	for (int i = 0; i < LANE_PACKETS; i++)
		(void)!writev(lane_host, iov, 2);
	fuzz_pipe.tun.fd = lane_tun;
	while (ntm_pipe_out_ops.fill(&fuzz_pipe, vec) != NTM_LANE_EMPTY) {
		ntm_pipe_out_ops.work(&fuzz_pipe, vec, fuzz_pipe.threads - 1);
		ntm_pipe_out_ops.drain(&fuzz_pipe, vec, fuzz_pipe.threads - 1);
		check_sent(mtu);
	}
	fuzz_pipe.tun.fd = tun;
}

/* On one processor packets by loopback keep their order */
static void stay(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t packet[1 << 17], rest[1 << 12];
	static bool started;
	struct virtio_net_hdr vnet;
	unsigned int mtu;

	if (!started) {
		stay();
		fuzz_pipe_start();
		open_lane();
	}
	started = true;
	if (size < 1 + sizeof(vnet))
		return 0;
	memcpy(&vnet, data + 1, sizeof(vnet));
	size -= 1 + sizeof(vnet);
	if (size > sizeof(packet) / 2)
		return 0;
	memcpy(packet, data + 1 + sizeof(vnet), size);
	if (data[0] & LARGE)
		size = enlarge(packet, size);
	mtu = data[0] & SMALL ? 68u + data[0] : 1400;
	aim(data[0], &vnet, packet, size);
	fuzz_path_new(mtu);
	fuzz_pipe.sock.fd4 = fuzz_near;
	next = 0;
	if (data[0] & LANE)
		by_lane(&vnet, packet, size, mtu);
	else
		ntm_pipe_inject(&fuzz_pipe, &vnet, packet, size);
	fuzz_pipe.sock.fd4 = -1;
	check_sent(mtu);
	while (read(fuzz_host, rest, sizeof(rest)) > 0)
		;
	fuzz_path_end();
	return 0;
}
