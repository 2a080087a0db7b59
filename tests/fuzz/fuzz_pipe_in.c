// SPDX-License-Identifier: GPL-2.0
// with: ntmd/pipe/*.c
/*
 * What the network sends to the in-lane, by sockets on loopback. The input is a list of datagrams: a byte that says what is done
 * with it, a byte for its length in units of 6, and its bytes. Some are made authentic, so that inner packets are reached; of
 * those, some get a right source address, length and checksums, so that merging is reached. What comes out of the TUN device is checked.
 */
#include "fuzz_pipe.h"

enum { RAW, HEADER, AUTHENTIC }; /* kind & 3 */
#define RIGHT_IP 4
#define RIGHT_SUMS 8
#define JUMP 0x10
#define PENDING 0x20
#define CONGESTED 0x40
#define UNIT 6

static uint64_t ctr;
static struct ntm_aead *seal;

static void right_ip(uint8_t *p, size_t len)
{
	static const uint8_t peer4[4] = { 100, 64, 0, 2 };

	if (len < 20)
		return;
	if (*p >> 4 == 6 && len >= 40) {
		fuzz_put16(p + 4, len - 40);
		memset(p + 8, 0, 16);
		p[8] = 0xfd;
		p[23] = 2;
		return;
	}
	*p = 0x45;
	fuzz_put16(p + 2, len);
	memcpy(p + 12, peer4, sizeof(peer4));
}

static void right_sums(uint8_t *p, size_t len)
{
	const bool v6 = *p >> 4 == 6;
	const size_t ip = v6 ? 40 : 20;
	const uint8_t proto = p[v6 ? 6 : 9];
	const size_t at = ip + (proto == IPPROTO_TCP ? 16 : 6);

	if (len < ip + 20)
		return;
	if (!v6)
		fuzz_put_sum(p + 10, 0, p, 20);
	if (proto == IPPROTO_UDP)
		fuzz_put16(p + ip + 4, len - ip);
	fuzz_put_sum(p + at, ntm_csum_pseudo(p, proto, len - ip), p + ip, len - ip);
}

static size_t datagram(uint8_t kind, const uint8_t *data, size_t len, uint8_t *out)
{
	struct ntm_wire_hdr header = { 0 };
	uint8_t inner[256 * UNIT];

	if ((kind & 3) == RAW) {
		memcpy(out, data, len);
		return len;
	}
	ctr += kind & JUMP ? (uint64_t)(kind >> 1) << 7 : 1;
	ntm_wire_build(&header, kind & PENDING ? 1 : 0, ctr, htonl(FUZZ_PATH));
	memcpy(out, &header, sizeof(header));
	if ((kind & 3) == HEADER) {
		memcpy(out + sizeof(header), data, len);
		return sizeof(header) + len;
	}
	memcpy(inner, data, len);
	if (kind & RIGHT_IP && len)
		right_ip(inner, len);
	if (kind & RIGHT_SUMS && len)
		right_sums(inner, len);
	if (!ntm_aead_seal(seal, 0, ctr, inner, len, out + sizeof(header)))
		abort();
	return len + NTM_WIRE_OVERHEAD;
}

/* What the kernel gets must be whole packets of the peer, and GSO packets that cut into equal parts */
static void check_out(struct virtio_net_hdr *vnet, uint8_t *p, size_t len)
{
	struct ntm_cut cut;
	size_t got, size = 0;

	if (len < 20 || (*p >> 4 == 4 ? p[12] != 100 || p[15] != 2 : p[8] != 0xfd || p[23] != 2))
		abort();
	if (len != (*p >> 4 == 4 ? (size_t)(p[2] << 8 | p[3]) : 40u + (size_t)(p[4] << 8 | p[5])))
		abort();
	if (!ntm_cut_begin(&cut, vnet, p, len))
		abort();
	while (ntm_cut_next(&cut, &got)) {
		if (size && got > size)
			abort();
		size = got;
	}
}

static void empty_tun(void)
{
	static uint8_t buf[1 << 17];
	struct virtio_net_hdr vnet;
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { buf, sizeof(buf) } };
	ssize_t n;

	while ((n = readv(fuzz_host, iov, 2)) > 0)
		check_out(&vnet, buf, (size_t)n - sizeof(vnet));
}

static void start(void)
{
	static const uint8_t rx[NTM_WIRE_KEY_LEN] = { 2 };

	fuzz_pipe_start();
	seal = ntm_aead_new(NTM_SUITE_CHACHA20_POLY1305, true, rx, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[1 << 16];
	static void *vec;
	size_t at = 0, first = 0, len, made;
	bool even = true;

	if (!vec) {
		vec = calloc(1, ntm_pipe_in_size());
		start();
	}
	fuzz_path_new(1400);
	ctr = 0;
	while (size >= 2 && at < 32768) {
		const uint8_t kind = data[0];

		len = data[1] * (size_t)UNIT;
		len = len < size - 2 ? len : size - 2;
		made = datagram(kind, data + 2, len, out + at);
		data += 2 + len;
		size -= 2 + len;
		if (!first)
			first = made;
		even = even && at % (first ? first : 1) == 0 && made <= first && made;
		if (!even || kind & CONGESTED) {
			fuzz_send(out + at, made, 0, kind & CONGESTED ? 3 : 0);
			continue;
		}
		at += made;
		even = made == first && at / made < 60;
	}
	if (at)
		fuzz_send(out, at, first, 0);
	fuzz_pipe.sock.fd4 = fuzz_near;
	while (ntm_pipe_in_ops.fill(&fuzz_pipe, vec) >= NTM_LANE_SOME) {
		ntm_pipe_in_ops.work(&fuzz_pipe, vec, fuzz_pipe.threads - 1);
		ntm_pipe_in_ops.drain(&fuzz_pipe, vec, fuzz_pipe.threads - 1);
	}
	fuzz_pipe.sock.fd4 = -1;
	empty_tun();
	fuzz_path_end();
	return 0;
}
