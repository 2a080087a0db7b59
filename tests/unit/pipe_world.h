/* SPDX-License-Identifier: GPL-2.0 */
/* A whole pipe for tests, whose TUN device is a socket pair: the test is the host on one side and the peer on the other. */
#ifndef NTM_PIPE_WORLD_H
#define NTM_PIPE_WORLD_H

#include "pipe_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "ntmobile/ecn.h"
#include "pipe/pipe.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define PATH 0x11223344u
#define MTU 1400u

/** struct world - @host: the other end of the TUN device; @far: the peer's socket; @near: where the pipe listens */
static struct world {
	struct ntm_pipe pipe;
	int host, fd4, fd6, far4, far6;
	union ntm_addr near4, near6, far4_addr, far6_addr;
	struct ntm_path *path;
	struct ntm_aead *seal, *open;
	atomic_uint wakes;
} w;

static uint8_t buf[1 << 17], inner[1 << 17], outer[1 << 17];
static const uint8_t tx_key[NTM_WIRE_KEY_LEN] = { 1 }, rx_key[NTM_WIRE_KEY_LEN] = { 2 };
static const struct test_packet to_peer = { .proto = IPPROTO_UDP,
					    .frag = 0x4000,
					    .ttl = 64,
					    .payload = 100 };

static inline void on_wake(void *ctx)
{
	struct world *world = ctx;

	atomic_fetch_add(&world->wakes, 1);
}

static inline int udp(int family, const char *text, union ntm_addr *addr)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0), big = 8 << 20;
	socklen_t len = sizeof(*addr);

	*addr = test_addr(text);
	assert_int_equal(bind(fd, &addr->sa, ntm_addr_len(addr)), 0);
	assert_int_equal(getsockname(fd, &addr->sa, &len), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	return fd;
}

static inline void open_pipe(unsigned int crew)
{
	char why[100] = "";
	struct ntm_tun tun = { .vnet = true };
	int pair[2], big = 4 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	for (int i = 0; i < 2; i++)
		(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	w.host = pair[0];
	tun.fd = pair[1];
	atomic_store(&tun.merge_tcp, true);
	atomic_store(&tun.merge_udp, true);
	assert_int_equal(
		ntm_pipe_open(&w.pipe, &tun, w.fd4, w.fd6, crew, on_wake, &w, why, sizeof(why)), 0);
}

static inline void add_path(const union ntm_addr *endpoint)
{
	struct ntm_inner_peer peer = { .has_v4 = true, .has_v6 = true };

	/* of the packets that test_build() makes for the peer */
	memcpy(peer.v4, "\x64\x40\x00\x02", 4);
	peer.v6[0] = 0xfd;
	peer.v6[15] = 2;
	assert_int_equal(ntm_paths_add(&w.pipe.paths, htonl(PATH), &peer, MTU, &w.path), 0);
	if (endpoint)
		assert_int_equal(ntm_path_move(&w.pipe.paths, w.path, endpoint, NULL, true), 0);
}

static inline void add_key(uint32_t epoch, bool confirmed)
{
	struct ntm_pipe_key *key = ntm_pipe_key_new(NTM_SUITE_CHACHA20_POLY1305, epoch, tx_key,
						    rx_key, w.pipe.threads);

	assert_int_equal(ntm_path_key(&w.pipe.paths, w.path, key, confirmed), 0);
}

static inline void add_net(void)
{
	struct ntm_pipe_net net = { .has4 = true, .has6 = true, .prefix4 = 16, .prefix6 = 64 };

	inet_pton(AF_INET, "100.64.0.0", &net.net4);
	inet_pton(AF_INET, "100.64.0.1", &net.stub4);
	inet_pton(AF_INET, "100.64.0.1", &net.own4); /* of the packets that test_build() makes */
	inet_pton(AF_INET6, "fd00::", &net.net6);
	inet_pton(AF_INET6, "fd00::1", &net.stub6);
	inet_pton(AF_INET6, "fd00::1", &net.own6);
	assert_int_equal(ntm_pipe_net(&w.pipe, &net), 0);
}

static inline void open_sockets(void)
{
	memset(&w, 0, sizeof(w));
	w.fd4 = udp(AF_INET, "127.0.0.1:0", &w.near4);
	w.fd6 = udp(AF_INET6, "[::1]:0", &w.near6);
	w.far4 = udp(AF_INET, "127.0.0.1:0", &w.far4_addr);
	w.far6 = udp(AF_INET6, "[::1]:0", &w.far6_addr);
	w.seal = ntm_aead_new(NTM_SUITE_CHACHA20_POLY1305, true, rx_key, 1);
	w.open = ntm_aead_new(NTM_SUITE_CHACHA20_POLY1305, false, tx_key, 1);
}

static inline int setup(void **state)
{
	open_sockets();
	open_pipe(*(unsigned int *)*state);
	add_net();
	add_path(&w.far4_addr);
	add_key(0, true);
	return 0;
}

static inline void close_sockets(void)
{
	close(w.fd4);
	close(w.fd6);
	close(w.far4);
	close(w.far6);
	ntm_aead_free(w.seal);
	ntm_aead_free(w.open);
}

static inline int teardown(void **state)
{
	(void)state;
	ntm_pipe_close(&w.pipe);
	close(w.host);
	close_sockets();
	return 0;
}

static inline bool readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1;
}

/* From the host into the pipe */
static inline void host_send(const struct virtio_net_hdr *vnet, const uint8_t *p, size_t len)
{
	struct iovec iov[2] = { { (void *)vnet, sizeof(*vnet) }, { (void *)p, len } };

	assert_int_equal(writev(w.host, iov, 2), sizeof(*vnet) + len);
}

/* From the pipe to the host: the length of the packet in @buf, 0: none */
static inline size_t host_read(struct virtio_net_hdr *vnet, int ms)
{
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { buf, sizeof(buf) } };
	ssize_t n;

	memset(vnet, 0, sizeof(*vnet));
	if (!readable(w.host, ms))
		return 0;
	n = readv(w.host, iov, 2);
	assert_true(n > (ssize_t)sizeof(*vnet));
	return (size_t)n - sizeof(*vnet);
}

/* From the pipe to the peer: the inner packet in @inner; -1: none */
static inline int peer_read(int fd, struct ntm_wire_hdr *header, int ms)
{
	ssize_t n;

	if (!readable(fd, ms))
		return -1;
	n = recv(fd, outer, sizeof(outer), 0);
	assert_true(n >= NTM_WIRE_OVERHEAD);
	memcpy(header, outer, sizeof(*header));
	assert_int_equal(header->path_id, htonl(PATH));
	n -= NTM_WIRE_OVERHEAD;
	assert_true(ntm_aead_open(w.open, 0, ntm_wire_ctr(header, 0), outer + NTM_WIRE_HDR_LEN,
				  (size_t)n, inner));
	return (int)n;
}

static inline size_t seal_to(uint8_t *out, uint32_t epoch, uint64_t ctr, const uint8_t *p,
			     size_t len)
{
	struct ntm_wire_hdr header = { 0 };

	ntm_wire_build(&header, epoch, ctr, htonl(PATH));
	memcpy(out, &header, sizeof(header));
	assert_true(ntm_aead_seal(w.seal, 0, ctr, p, len, out + sizeof(header)));
	return len + NTM_WIRE_OVERHEAD;
}

static inline void peer_raw(int fd, const uint8_t *p, size_t len)
{
	const union ntm_addr *to = fd == w.far6 ? &w.near6 : &w.near4;

	assert_int_equal(sendto(fd, p, len, 0, &to->sa, ntm_addr_len(to)), len);
}

static inline void peer_send(int fd, uint64_t ctr, const uint8_t *p, size_t len)
{
	peer_raw(fd, outer, seal_to(outer, 0, ctr, p, len));
}

/* What the peer sends: the same packet with the addresses exchanged, which leaves the checksums as they are */
static inline size_t from_peer(const struct test_packet *t, uint8_t *p)
{
	const size_t len = test_build(t, p);

	if (t->v6) {
		p[23] = 2;
		p[39] = 1;
	} else {
		p[15] = 2;
		p[19] = 1;
	}
	return len;
}

static inline struct ntm_pipe_event *next_event(enum ntm_pipe_event_type type)
{
	struct ntm_pipe_event *event;

	for (unsigned int ms = 0; ms < 3000; ms++) {
		event = ntm_pipe_take(&w.pipe.events);
		if (event && event->type == type)
			return event;
		free(event);
		(void)ntm_pipe_hints(&w.pipe);
		if (!event)
			usleep(1000);
	}
	fail_msg("no event of type %d", type);
	return NULL;
}

static inline void drops_reach(enum ntm_pipe_drop why, uint64_t n)
{
	for (unsigned int ms = 0; ms < 3000 && atomic_load(&w.pipe.drops[why]) < n; ms++)
		usleep(1000);
	assert_int_equal(atomic_load(&w.pipe.drops[why]), n);
}

static inline void received(uint64_t n)
{
	for (unsigned int ms = 0; ms < 3000 && atomic_load(&w.path->rx_packets) < n; ms++)
		usleep(1000);
	assert_int_equal(atomic_load(&w.path->rx_packets), n);
}

static inline long cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void peer_gso(uint16_t size, const uint8_t *p, size_t len)
{
	uint8_t control[CMSG_SPACE(sizeof(size))] __attribute__((aligned(16))) = { 0 };
	struct iovec iov = { (void *)p, len };
	struct msghdr msg = { .msg_name = &w.near4,
			      .msg_namelen = ntm_addr_len(&w.near4),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	assert_int_equal(sendmsg(w.far4, &msg, 0), len);
}

#endif
