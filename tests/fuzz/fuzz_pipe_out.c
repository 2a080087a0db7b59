// SPDX-License-Identifier: GPL-2.0
// with: ntmd/pipe/*.c
/*
 * What the TUN device, or who else may write to a descriptor, gives to the out-lane: a byte of flags, a vnet header, a packet.
 * Each packet that leaves must be authentic, fit the path, and have a counter of its own.
 */
#include "fuzz_pipe.h"

#define TO_PEER 1
#define SMALL 2
#define NO_DF 4
#define RIGHT_START 8

static void check_sent(unsigned int mtu)
{
	static const uint8_t tx[NTM_WIRE_KEY_LEN] = { 1 };
	static struct ntm_aead *open;
	static uint8_t buf[1 << 16];
	struct ntm_wire_hdr header = { 0 };
	uint64_t ctr, next = 0;
	ssize_t n;

	if (!open)
		open = ntm_aead_new(NTM_SUITE_CHACHA20_POLY1305, false, tx, 1);
	while ((n = recv(fuzz_far, buf, sizeof(buf), 0)) > 0) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t packet[1 << 16], rest[1 << 12];
	static bool started;
	struct virtio_net_hdr vnet;
	unsigned int mtu;

	if (!started)
		fuzz_pipe_start();
	started = true;
	if (size < 1 + sizeof(vnet))
		return 0;
	memcpy(&vnet, data + 1, sizeof(vnet));
	size -= 1 + sizeof(vnet);
	memcpy(packet, data + 1 + sizeof(vnet), size);
	mtu = data[0] & SMALL ? 68u + data[0] : 1400;
	aim(data[0], &vnet, packet, size);
	fuzz_path_new(mtu);
	fuzz_pipe.sock.fd4 = fuzz_near;
	ntm_pipe_inject(&fuzz_pipe, &vnet, packet, size);
	fuzz_pipe.sock.fd4 = -1;
	check_sent(mtu);
	while (read(fuzz_host, rest, sizeof(rest)) > 0)
		;
	fuzz_path_end();
	return 0;
}
