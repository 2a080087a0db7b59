/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzers of the pipe share: one pipe, its threads asleep, a TUN device that is a socket pair, sockets on loopback. */
#ifndef NTM_FUZZ_PIPE_H
#define NTM_FUZZ_PIPE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pipe/csum.h"
#include "pipe/cut.h"
#include "pipe/pipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_PATH 0x11223344u

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static struct ntm_pipe fuzz_pipe;
static struct ntm_path *fuzz_path;
static int fuzz_host, fuzz_near, fuzz_far;
static union ntm_addr fuzz_near_addr, fuzz_far_addr;

static inline void fuzz_put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void fuzz_put_sum(uint8_t *at, uint64_t sum, const uint8_t *p, size_t len)
{
	uint16_t folded;

	fuzz_put16(at, 0);
	folded = (uint16_t)~ntm_csum_fold(ntm_csum_add(sum, p, len));
	memcpy(at, &folded, sizeof(folded));
}

static inline int fuzz_udp(union ntm_addr *addr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*addr);

	memset(addr, 0, sizeof(*addr));
	addr->v4 = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, &addr->sa, sizeof(addr->v4)) || getsockname(fd, &addr->sa, &len))
		abort();
	return fd;
}

static inline void fuzz_wake(void *ctx)
{
	(void)ctx;
}

/* The threads have no sockets and nothing to read: all is done by the fuzzer's own calls */
static inline void fuzz_pipe_start(void)
{
	struct ntm_pipe_net net = { .has4 = true, .has6 = true, .prefix4 = 16, .prefix6 = 64 };
	struct ntm_tun tun = { .vnet = true };
	struct ntm_sock sock;
	char why[100];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair))
		abort();
	fuzz_host = pair[0];
	tun.fd = pair[1];
	atomic_store(&tun.merge_tcp, true);
	atomic_store(&tun.merge_udp, true);
	fuzz_near = fuzz_udp(&fuzz_near_addr);
	fuzz_far = fuzz_udp(&fuzz_far_addr);
	ntm_sock_init(&sock, fuzz_near, -1);
	if (ntm_pipe_open(&fuzz_pipe, &tun, -1, -1, 0, fuzz_wake, NULL, why, sizeof(why)))
		abort();
	net.net4.s_addr = net.stub4.s_addr = htonl(0x64400000);
	net.stub4.s_addr |= htonl(1);
	net.net6.s6_addr[0] = net.stub6.s6_addr[0] = 0xfd;
	net.stub6.s6_addr[15] = 1;
	if (ntm_pipe_net(&fuzz_pipe, &net))
		abort();
}

static inline void fuzz_key(uint32_t epoch, bool confirmed)
{
	static const uint8_t tx[NTM_WIRE_KEY_LEN] = { 1 }, rx[NTM_WIRE_KEY_LEN] = { 2 };
	struct ntm_pipe_key *key =
		ntm_pipe_key_new(NTM_SUITE_CHACHA20_POLY1305, epoch, tx, rx, fuzz_pipe.threads);

	if (!key || ntm_path_key(&fuzz_pipe.paths, fuzz_path, key, confirmed))
		abort();
}

/* A path like new for each input: 100.64.0.2 and fd00::2, epoch 0 is the sending key's, epoch 1 pending */
static inline void fuzz_path_new(unsigned int mtu)
{
	struct ntm_inner_peer peer = {
		.v4 = { 100, 64, 0, 2 }, .v6 = { 0xfd, [15] = 2 }, .has_v4 = true, .has_v6 = true
	};

	if (ntm_paths_add(&fuzz_pipe.paths, htonl(FUZZ_PATH), &peer, mtu, &fuzz_path) ||
	    ntm_path_move(&fuzz_pipe.paths, fuzz_path, &fuzz_far_addr, NULL, true))
		abort();
	fuzz_key(0, true);
	fuzz_key(1, false);
}

static inline void fuzz_path_end(void)
{
	struct ntm_pipe_event *event;

	while ((event = ntm_pipe_take(&fuzz_pipe.events)))
		free(event);
	ntm_paths_remove(&fuzz_pipe.paths, fuzz_path);
	if (ntm_paths_collect(&fuzz_pipe.paths))
		abort();
}

/* To the pipe; @size: of the datagrams in it, 0: it is one. A kernel that refuses it sends nothing. */
static inline void fuzz_send(const uint8_t *p, size_t len, size_t size, int tos)
{
	const uint16_t segment = (uint16_t)size;
	uint8_t control[CMSG_SPACE(sizeof(segment)) + CMSG_SPACE(sizeof(tos))]
		__attribute__((aligned(16))) = { 0 };
	struct iovec iov = { (void *)p, len };
	struct msghdr msg = { .msg_name = &fuzz_near_addr,
			      .msg_namelen = sizeof(fuzz_near_addr.v4),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control };
	struct cmsghdr *c = (struct cmsghdr *)control;

	if (size && size < len) {
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
		msg.msg_controllen = CMSG_SPACE(sizeof(segment));
	} else {
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_TOS;
		c->cmsg_len = CMSG_LEN(sizeof(tos));
		memcpy(CMSG_DATA(c), &tos, sizeof(tos));
		msg.msg_controllen = CMSG_SPACE(sizeof(tos));
	}
	(void)!sendmsg(fuzz_far, &msg, 0);
}

#endif
