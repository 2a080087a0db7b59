// SPDX-License-Identifier: GPL-2.0
// with: ntmd/pipe/*.c
/* wrap: readv writev sendmsg sendmmsg getsockopt clock_gettime */
/*
 * Kernels that offer an offload and then refuse it: said once, and the plain way goes on. No packet is lost, but for those that the
 * kernel itself throws away.
 */
#include "pipe_world.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#define FLOWS 6u
#define RUN 8u /* segments of a flow, one after the other */

static atomic_int
	refuse_gso; /* errno of sending with UDP_SEGMENT; -1: the kernel does not know it and sends one datagram */
static atomic_int refuse_send;		     /* errno of all sending */
static atomic_uint asked;		     /* how often it was tried meanwhile */
static atomic_int refuse_merged, refuse_all; /* errno of a write of a GSO packet, of any write */
static atomic_uint refuse_reads;	     /* so many packets cannot be read */
static atomic_int later_s;		     /* by so much the coarse clock is fast */

ssize_t __real_readv(int fd, const struct iovec *iov, int n);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int n);
ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	const int err = __real_clock_gettime(clock, now);

	if (!err && clock == CLOCK_MONOTONIC_COARSE)
		now->tv_sec += later_s;
	return err;
}

static bool is_gso(const struct iovec *iov)
{
	return iov->iov_len == sizeof(struct virtio_net_hdr) &&
	       ((const struct virtio_net_hdr *)iov->iov_base)->gso_type;
}

/* As the kernel does: the packet is gone */
ssize_t __wrap_readv(int fd, const struct iovec *iov, int n)
{
	const ssize_t len = __real_readv(fd, iov, n);

	if (fd == w.host || len <= 0 || !refuse_reads)
		return len;
	refuse_reads--;
	errno = EINVAL;
	return -1;
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	const bool host = fd == w.host;

	if (!host && (refuse_all || (refuse_merged && is_gso(iov)))) {
		errno = refuse_all ? refuse_all : refuse_merged;
		return -1;
	}
	return __real_writev(fd, iov, n);
}

static atomic_bool
	refuse_large; /* what is sent with DF does not fit; without, it goes in fragments */

static bool has_df(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return !__real_getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len) &&
	       value == IP_PMTUDISC_DO;
}

static bool has_segment(const struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr plain = *msg;

	if (fd == w.fd4 && refuse_send) {
		asked++;
		errno = refuse_send;
		return -1;
	}
	if (fd == w.fd4 && refuse_gso > 0 && has_segment(msg)) {
		errno = refuse_gso;
		return -1;
	}
	if (fd == w.fd4 && refuse_gso < 0)
		plain.msg_controllen = 0;
	if (fd == w.fd4 && refuse_large && has_df(fd)) {
		errno = EMSGSIZE;
		return -1;
	}
	return __real_sendmsg(fd, &plain, flags);
}

int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	if (!refuse_gso && !refuse_send)
		return __real_sendmmsg(fd, msgs, n, flags);
	return __wrap_sendmsg(fd, &msgs->msg_hdr, flags) < 0 ? -1 : 1;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (refuse_gso < 0 && level == IPPROTO_UDP && name == UDP_SEGMENT) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return __real_getsockopt(fd, level, name, value, len);
}

static unsigned int notes(void)
{
	struct ntm_pipe_event *event;
	unsigned int n = 0;

	while ((event = ntm_pipe_take(&w.pipe.events))) {
		n += event->type == NTM_PIPE_NOTE;
		free(event);
	}
	return n;
}

/* FLOWS runs of RUN segments each, in one aggregate; the last one of a run has PSH set */
static void peer_runs(struct test_packet *t, uint64_t ctr)
{
	size_t at = 0, len = 0;

	t->payload = 1000;
	for (unsigned int i = 0; i < FLOWS * RUN; i++) {
		if (i % RUN == 0)
			t->seq = i * 100000;
		t->flags = TEST_ACK | (i % RUN == RUN - 1 ? TEST_PSH : 0);
		t->id = (uint16_t)(100 + i);
		len = seal_to(outer + at, 0, ctr + i, inner, from_peer(t, inner));
		at += len;
		t->seq += 1000;
	}
	peer_gso((uint16_t)len, outer, at);
}

/* What comes out is what went in, byte for byte, in order */
static void all_come(struct test_packet *t)
{
	struct virtio_net_hdr vnet;

	for (unsigned int i = 0; i < FLOWS * RUN; i++) {
		if (i % RUN == 0)
			t->seq = i * 100000;
		t->flags = TEST_ACK | (i % RUN == RUN - 1 ? TEST_PSH : 0);
		t->id = (uint16_t)(100 + i);
		assert_int_equal(host_read(&vnet, 3000), from_peer(t, inner));
		assert_int_equal(vnet.gso_type, 0);
		assert_memory_equal(buf, inner, from_peer(t, inner));
		t->seq += 1000;
	}
	assert_int_equal(host_read(&vnet, 20), 0);
}

static void merging_refused(int err, uint8_t proto, bool v6)
{
	struct test_packet t = { .proto = proto, .v6 = v6, .frag = 0x4000, .ttl = 64 };

	atomic_store(&refuse_merged, err);
	for (unsigned int round = 0; round < 2; round++) {
		peer_runs(&t, round * 1000u);
		all_come(&t);
	}
	received(2u * FLOWS * RUN);
	assert_int_equal(notes(), 1);
	assert_int_equal(atomic_load(&w.pipe.tun.merge_tcp), proto != IPPROTO_TCP);
	assert_int_equal(atomic_load(&w.pipe.tun.merge_udp), proto != IPPROTO_UDP);
	assert_int_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_NO_MEM]), 0);
	assert_int_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_NO_ROUTE]), 0);
}

static void test_merging_einval(void **state)
{
	(void)state;
	merging_refused(EINVAL, IPPROTO_TCP, false);
}

static void test_merging_eio(void **state)
{
	(void)state;
	merging_refused(EIO, IPPROTO_TCP, true);
}

static void test_merging_udp(void **state)
{
	(void)state;
	merging_refused(EINVAL, IPPROTO_UDP, false);
}

/* A device that is down refuses everything: that says nothing of its offloads */
static void test_device_down(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .frag = 0x4000, .ttl = 64 };
	struct virtio_net_hdr vnet;

	(void)state;
	atomic_store(&refuse_all, EIO);
	peer_runs(&t, 0);
	drops_reach(NTM_PIPE_DROP_NO_ROUTE, FLOWS * RUN);
	assert_int_equal(notes(), 0);
	atomic_store(&refuse_all, 0);
	peer_runs(&t, 1000);
	assert_int_equal(host_read(&vnet, 3000), 40 + RUN * 1000);
	assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
}

/* A GSO packet of the host's, whose segments all come to the peer */
static void host_gso(uint32_t seq)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .frag = 0x4000, .ttl = 64 };
	struct virtio_net_hdr vnet;
	struct ntm_wire_hdr header = { 0 };
	size_t len;

	t.flags = TEST_ACK;
	t.seq = seq;
	t.payload = 20000;
	len = test_build(&t, buf);
	vnet = test_gso(buf, len, 1000);
	host_send(&vnet, buf, len);
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(peer_read(w.far4, &header, 3000), 1040);
		assert_int_equal(test_get32(inner + 24), seq + i * 1000);
	}
	assert_int_equal(peer_read(w.far4, &header, 20), -1);
}

static void cutting_refused(void)
{
	for (uint32_t i = 0; i < 5; i++)
		host_gso(i * 20000);
	assert_false(atomic_load(&w.pipe.sock.gso));
	assert_int_equal(notes(), 1);
	assert_int_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_TOO_BIG]), 0);
	assert_int_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_NO_ROUTE]), 0);
}

/* No checksum offload below */
static void test_cutting_eio(void **state)
{
	(void)state;
	atomic_store(&refuse_gso, EIO);
	cutting_refused();
}

static void test_cutting_einval(void **state)
{
	(void)state;
	atomic_store(&refuse_gso, EINVAL);
	cutting_refused();
}

/* EINVAL is said of segments larger than the MTU as well: they go singly, and the next smaller ones together */
static void test_cutting_too_large(void **state)
{
	(void)state;
	atomic_store(&refuse_gso, EINVAL);
	atomic_store(&refuse_large, true);
	host_gso(0);
	assert_true(atomic_load(&w.pipe.sock.gso));
	assert_int_equal(notes(), 0);
}

/* Whether it is on or off once the host has sent, and how many notes that made */
static void cutting_is(bool on, unsigned int noted)
{
	unsigned int n = 0;

	host_gso(0);
	for (unsigned int ms = 0; ms < 3000 && (n += notes()) < noted; ms++)
		usleep(1000);
	assert_int_equal(n, noted);
	assert_int_equal(atomic_load(&w.pipe.sock.gso), on);
}

/* What one device refuses another may do: it is tried again, each time later, and said when it turned out otherwise */
static void test_cutting_again(void **state)
{
	(void)state;
	atomic_store(&refuse_gso, EIO);
	cutting_is(false, 1);
	atomic_store(&refuse_gso, 0);
	later_s += 28;
	cutting_is(false, 0);
	later_s += 3;
	cutting_is(true, 1);
	atomic_store(&refuse_gso, EIO);
	cutting_is(false, 1);
	later_s += 31;
	atomic_store(&refuse_gso, 0);
	cutting_is(false, 0);
	later_s += 30;
	cutting_is(true, 1);
	atomic_store(&refuse_gso, EIO);
	cutting_is(false, 1);
	for (unsigned int i = 0; i < 10; i++) {
		later_s += 601;
		cutting_is(false, 0);
	}
	atomic_store(&refuse_gso, 0);
	later_s += 590;
	cutting_is(false, 0);
	ntm_sock_links_changed(&w.pipe.sock);
	cutting_is(true, 1);
	/* It worked for long: what fails now is no more of the same */
	later_s += 3600;
	atomic_store(&refuse_gso, EIO);
	cutting_is(false, 1);
	atomic_store(&refuse_gso, 0);
	later_s += 31;
	cutting_is(true, 1);
}

/* Before Linux 4.18: asked before it is used, since the kernel would not refuse it but send one datagram */
static void test_cutting_unknown(void **state)
{
	unsigned int alone = 0;
	void *crew = &alone;

	teardown(state);
	atomic_store(&refuse_gso, -1);
	setup(&crew);
	cutting_refused();
	later_s += 3600;
	ntm_sock_links_changed(&w.pipe.sock);
	cutting_is(false, 0);
}

static void host_singles(unsigned int n)
{
	const struct virtio_net_hdr plain = { 0 };

	for (unsigned int i = 0; i < n; i++)
		host_send(&plain, buf, test_build(&to_peer, buf));
}

/* What the device has no header for is lost, counted, and said once; the path stands, and all else passes */
static void test_reading_einval(void **state)
{
	struct ntm_wire_hdr header = { 0 };

	(void)state;
	atomic_store(&refuse_reads, 3);
	host_singles(5);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(peer_read(w.far4, &header, 3000), 128);
	drops_reach(NTM_PIPE_DROP_INNER, 3);
	host_gso(0);
	assert_int_equal(ntm_pipe_lost(&w.pipe), 0);
	assert_int_equal(notes(), 1);
}

/* Where nothing is ever read it is not the packets: the owner is told, instead of a loop without end */
static void test_reading_never(void **state)
{
	(void)state;
	atomic_store(&refuse_reads, UINT_MAX);
	for (unsigned int ms = 0; ms < 10000 && !ntm_pipe_lost(&w.pipe); ms++) {
		host_singles(10);
		usleep(1000);
	}
	assert_int_equal(ntm_pipe_lost(&w.pipe), -EINVAL);
	assert_int_equal(notes(), 1);
}

/* Errors below that are no matter of offloads: each packet is tried, counted by its cause, and the next one goes when it is over. */
static void test_send_errors(void **state)
{
	static const struct {
		int err;
		enum ntm_pipe_drop why;
	} cases[] = {
		{ ENOBUFS, NTM_PIPE_DROP_NO_MEM },	  { ENOMEM, NTM_PIPE_DROP_NO_MEM },
		{ ENETUNREACH, NTM_PIPE_DROP_NO_ROUTE },  { EHOSTUNREACH, NTM_PIPE_DROP_NO_ROUTE },
		{ ECONNREFUSED, NTM_PIPE_DROP_NO_ROUTE }, { EPERM, NTM_PIPE_DROP_NO_ROUTE }
	};
	struct test_packet t = {
		.proto = IPPROTO_TCP, .frag = 0x4000, .ttl = 64, .flags = TEST_ACK
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t before = atomic_load(&w.pipe.drops[cases[i].why]);
		struct virtio_net_hdr vnet = { 0 };
		size_t len;

		atomic_store(&asked, 0);
		atomic_store(&refuse_send, cases[i].err);
		t.payload = 20000;
		len = test_build(&t, buf);
		vnet = test_gso(buf, len, 1000);
		host_send(&vnet, buf, len);
		drops_reach(cases[i].why, before + 20);
		/* Once, and without its source address, which may be what is wrong */
		assert_in_range(atomic_load(&asked), 1, 4);
		usleep(20000);
		assert_in_range(atomic_load(&asked), 1, 4);
		atomic_store(&refuse_send, 0);
		host_gso(i * 20000);
		assert_int_equal(atomic_load(&w.pipe.drops[cases[i].why]), before + 20);
		assert_true(atomic_load(&w.pipe.sock.gso));
	}
}

static int reset(void **state)
{
	atomic_store(&refuse_send, 0);
	atomic_store(&refuse_merged, 0);
	atomic_store(&refuse_reads, 0);
	atomic_store(&refuse_all, 0);
	atomic_store(&refuse_gso, 0);
	atomic_store(&refuse_large, false);
	atomic_store(&later_s, 0);
	return setup(state);
}

int main(void)
{
	static unsigned int alone;
#define TEST(f) cmocka_unit_test_prestate_setup_teardown(f, reset, teardown, &alone)
	const struct CMUnitTest tests[] = {
		TEST(test_merging_einval),    TEST(test_merging_eio),	  TEST(test_merging_udp),
		TEST(test_device_down),	      TEST(test_cutting_eio),	  TEST(test_cutting_einval),
		TEST(test_cutting_too_large), TEST(test_cutting_unknown), TEST(test_reading_einval),
		TEST(test_reading_never),     TEST(test_send_errors),	  TEST(test_cutting_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
