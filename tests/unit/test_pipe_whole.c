// SPDX-License-Identifier: GPL-2.0
// with: ntmd/pipe/*.c
/* tsan: yes */
/* A whole pipe, on its host's side and its peer's (pipe_world.h). */
#include "common/clock.h"
#include "pipe_world.h"

#include <errno.h>

#include "common/relay.h"

static void test_out(void **state)
{
	struct ntm_wire_hdr header = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		struct test_packet t = to_peer;
		struct virtio_net_hdr vnet;
		size_t len;

		t.v6 = i & 1;
		t.proto = i & 2 ? IPPROTO_TCP : IPPROTO_UDP;
		len = test_build(&t, buf);
		memcpy(outer, buf, len);
		vnet = test_partial(outer, len);
		host_send(&vnet, outer, len);
		assert_int_equal(peer_read(w.far4, &header, 3000), len);
		assert_memory_equal(inner, buf, len);
		assert_int_equal(ntm_wire_ctr(&header, 0), i);
	}
	assert_int_equal(atomic_load(&w.path->tx_packets), 8);
}

static void test_out_gso(void **state)
{
	struct test_packet t = to_peer;
	struct virtio_net_hdr vnet;
	struct ntm_wire_hdr header = { 0 };
	size_t len, got = 0;

	(void)state;
	t.proto = IPPROTO_TCP;
	t.flags = TEST_ACK;
	t.payload = 60000;
	len = test_build(&t, buf);
	vnet = test_gso(buf, len, 1348);
	host_send(&vnet, buf, len);
	for (unsigned int n = 0; got < t.payload; n++) {
		const int inner_len = peer_read(w.far4, &header, 3000);

		assert_true(inner_len > 40 && inner_len <= (int)MTU);
		test_verify(inner, (size_t)inner_len);
		assert_int_equal(ntm_wire_ctr(&header, 0), n);
		assert_int_equal(test_get32(inner + 24), got);
		got += (size_t)inner_len - 40;
	}
	assert_int_equal(got, t.payload);
	assert_int_equal(peer_read(w.far4, &header, 20), -1);
}

static void test_out_tos(void **state)
{
	struct test_packet t = to_peer;
	const struct virtio_net_hdr vnet = { 0 };
	struct ntm_wire_hdr header = { 0 };
	int on = 1;

	(void)state;
	assert_int_equal(setsockopt(w.far4, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
	for (unsigned int tos = 0; tos < 256; tos += 37) {
		uint8_t control[64] __attribute__((aligned(16)));
		struct iovec iov = { outer, sizeof(outer) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };

		t.tos = (uint8_t)tos;
		host_send(&vnet, buf, test_build(&t, buf));
		assert_true(readable(w.far4, 3000));
		assert_true(recvmsg(w.far4, &msg, 0) > 0);
		assert_true(msg.msg_controllen > sizeof(struct cmsghdr));
		assert_int_equal(*CMSG_DATA((struct cmsghdr *)control), tos);
	}
	host_send(&vnet, buf, test_build(&to_peer, buf));
	assert_true(peer_read(w.far4, &header, 3000) > 0);
}

static atomic_uint sources_asked;
static atomic_bool source_is_good;

static bool count_source(const union ntm_addr *from, const union ntm_addr *to)
{
	const bool right = ntm_addr_equal(to, &w.far4_addr) &&
			   from->v4.sin_addr.s_addr == htonl(0x7f000002);

	atomic_fetch_add(&sources_asked, right ? 1 : 100);
	return atomic_load(&source_is_good);
}

/* The last byte of the address that a packet leaves with */
static unsigned int leaves_as(void)
{
	const struct virtio_net_hdr vnet = { 0 };
	union ntm_addr from = { 0 };
	socklen_t len = sizeof(from);

	host_send(&vnet, buf, test_build(&to_peer, buf));
	assert_true(readable(w.far4, 3000));
	assert_true(recvfrom(w.far4, outer, sizeof(outer), 0, &from.sa, &len) > 0);
	return ntohl(from.v4.sin_addr.s_addr) & 0xff;
}

/* Our address that the peer knows is the source, where it may be. That is asked once, and again when routes have changed. */
static void test_sources(void **state)
{
	const union ntm_addr local = test_addr("127.0.0.2:0");

	(void)state;
	atomic_store(&sources_asked, 0);
	atomic_store(&source_is_good, true);
	ntm_pipe_sources(&w.pipe, count_source);
	assert_int_equal(ntm_path_move(&w.pipe.paths, w.path, &w.far4_addr, &local, false), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(leaves_as(), 2);
	assert_int_equal(atomic_load(&sources_asked), 1);
	atomic_store(&source_is_good, false);
	assert_int_equal(leaves_as(), 2);
	ntm_pipe_routes(&w.pipe);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(leaves_as(), 1);
	assert_int_equal(atomic_load(&sources_asked), 2);
	atomic_store(&source_is_good, true);
	ntm_pipe_routes(&w.pipe);
	assert_int_equal(leaves_as(), 2);
	assert_int_equal(atomic_load(&sources_asked), 3);
}

static void test_fragments(void **state)
{
	struct test_packet t = to_peer;
	const struct virtio_net_hdr vnet = { 0 };
	struct ntm_wire_hdr header = { 0 };
	size_t got = 0;

	(void)state;
	t.frag = 0;
	t.payload = 5000;
	host_send(&vnet, buf, test_build(&t, buf));
	while (got < 5008) {
		const int n = peer_read(w.far4, &header, 3000);

		assert_true(n > 20 && n <= (int)MTU);
		assert_int_equal(test_get16(inner + 6) & 0x1fff, got / 8);
		got += (size_t)n - 20;
	}
	assert_int_equal(got, 5008);
}

/* A sender that allows fragments would not heed what it is told of too large a segment */
static void test_fragments_of_gso(void **state)
{
	struct test_packet t = to_peer;
	const size_t whole = 10 * (20 + 1348);
	struct ntm_wire_hdr header = { 0 };
	struct virtio_net_hdr vnet;
	size_t len, got = 0;

	(void)state;
	t.frag = 0;
	t.proto = IPPROTO_TCP;
	t.flags = TEST_ACK;
	t.payload = 10 * 1348;
	len = test_build(&t, buf);
	vnet = test_gso(buf, len, 1348);
	atomic_store(&w.path->mtu, 1000);
	host_send(&vnet, buf, len);
	for (unsigned int i = 0; got < whole; i++) {
		const int n = peer_read(w.far4, &header, 3000);

		assert_true(n > 20 && n <= 1000);
		assert_int_equal(ntm_wire_ctr(&header, 0), i);
		assert_int_equal(test_get16(inner + 6), i & 1 ? 976 / 8 : 0x2000);
		assert_int_equal(test_get16(inner + 4), t.id + i / 2);
		got += (size_t)n - 20;
	}
	assert_int_equal(got, whole);
	assert_int_equal(host_read(&vnet, 30), 0);
	drops_reach(NTM_PIPE_DROP_TOO_BIG, 0);
}

static void test_too_big(void **state)
{
	struct test_packet t = to_peer;
	struct virtio_net_hdr vnet = { 0 };
	size_t len, n;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (unsigned int mtu = 1000; mtu <= MTU; mtu += 400) {
			atomic_store(&w.path->mtu, mtu);
			t.v6 = v6;
			t.payload = 1500;
			len = test_build(&t, inner);
			usleep(10000); /* one answer in some milliseconds */
			vnet = (struct virtio_net_hdr){ 0 };
			host_send(&vnet, inner, len);
			n = host_read(&vnet, 3000);
			assert_int_equal(vnet.gso_type, 0);
			if (v6) {
				assert_int_equal(n, 1280);
				assert_int_equal(buf[40], 2);
				assert_int_equal(test_get32(buf + 44), mtu < 1280 ? 1280 : mtu);
				assert_memory_equal(buf + 48, inner, 1280 - 48);
				assert_int_equal(test_sum(test_pseudo(buf, IPPROTO_ICMPV6, n - 40),
							  buf + 40, n - 40),
						 0xffff);
			} else {
				assert_int_equal(n, 576);
				assert_int_equal(test_get16(buf + 20), 3 << 8 | 4);
				assert_int_equal(test_get16(buf + 26), mtu);
				assert_memory_equal(buf + 28, inner, 576 - 28);
				assert_int_equal(test_sum(0, buf, 20), 0xffff);
				assert_int_equal(test_sum(0, buf + 20, n - 20), 0xffff);
			}
		}
	}
	drops_reach(NTM_PIPE_DROP_TOO_BIG, 4);
}

/* Not told: of ICMP errors, later fragments, groups. Of many, one at a time. */
static void test_no_icmp(void **state)
{
	struct test_packet t = to_peer;
	const struct virtio_net_hdr vnet = { 0 };
	struct virtio_net_hdr got;
	uint64_t too_big = 0;

	(void)state;
	t.payload = 1500;
	for (int i = 0; i < 3; i++) {
		test_build(&t, inner);
		inner[6] = 0x40;
		if (i == 0)
			inner[7] = 9; /* a fragment that is not the first */
		inner[9] = i == 1 ? IPPROTO_ICMP : IPPROTO_UDP;
		inner[20] = 3;
		if (i == 2)
			inner[16] = 224;
		usleep(10000);
		host_send(&vnet, inner, 1528);
		if (i == 2)
			drops_reach(NTM_PIPE_DROP_NO_PATH, 1);
		else
			drops_reach(NTM_PIPE_DROP_TOO_BIG, ++too_big);
		assert_int_equal(host_read(&got, 30), 0);
	}
	t.v6 = true;
	for (int i = 0; i < 2; i++) {
		test_build(&t, inner);
		inner[6] = i == 0 ? IPPROTO_ICMPV6 : IPPROTO_UDP;
		inner[40] = 1;
		if (i == 1)
			inner[24] = 0xff;
		usleep(10000);
		host_send(&vnet, inner, 1548);
		if (i == 1)
			drops_reach(NTM_PIPE_DROP_NO_PATH, 2);
		else
			drops_reach(NTM_PIPE_DROP_TOO_BIG, ++too_big);
		assert_int_equal(host_read(&got, 30), 0);
	}
}

static void test_in(void **state)
{
	struct virtio_net_hdr vnet;
	size_t len, n;

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		struct test_packet t = to_peer;

		t.v6 = i & 1;
		t.proto = i & 2 ? IPPROTO_TCP : IPPROTO_UDP;
		t.ip_options = i == 4 ? 4 : 0;
		len = from_peer(&t, inner);
		peer_send(w.far4, i, inner, len);
		n = host_read(&vnet, 3000);
		assert_int_equal(n, len);
		assert_memory_equal(buf, inner, len);
	}
	peer_send(w.far4, 8, NULL, 0); /* a keep-alive */
	peer_send(w.far4, 9, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	received(9);
	assert_int_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_REPLAY]), 0);
}

/* An aggregate of a TCP flow comes out as one GSO packet */
static void test_in_gro(void **state)
{
	struct test_packet t = to_peer;
	struct virtio_net_hdr vnet;
	size_t at = 0, len = 0;

	(void)state;
	t.proto = IPPROTO_TCP;
	t.flags = TEST_ACK;
	t.payload = 1000;
	for (uint64_t ctr = 0; ctr < 40; ctr++) {
		len = seal_to(outer + at, 0, ctr, inner, from_peer(&t, inner));
		at += len;
		t.seq += 1000;
		t.id++;
	}
	peer_gso((uint16_t)len, outer, at);
	assert_int_equal(host_read(&vnet, 3000), 40 + 40000);
	assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(vnet.gso_size, 1000);
	received(40);
}

/* Signalling may come in one aggregate with data, and short rests may be anything */
static void test_aggregate_mixed(void **state)
{
	struct ntm_pipe_event *event;
	struct virtio_net_hdr vnet;
	uint8_t *p = outer;
	size_t len;

	(void)state;
	len = seal_to(p, 0, 0, inner, from_peer(&to_peer, inner));
	memset(p + len, 7, len); /* a signalling message */
	seal_to(p + 2 * len, 0, 1, inner, len - NTM_WIRE_OVERHEAD);
	memset(p + 3 * len, 0xff, 5);
	peer_gso((uint16_t)len, outer, 3 * len + 5);
	assert_int_equal(host_read(&vnet, 3000), 2 * (len - NTM_WIRE_OVERHEAD) - 28);
	assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
	event = next_event(NTM_PIPE_SIGNAL);
	assert_int_equal(event->len, len);
	assert_int_equal(event->data[len - 1], 7);
	assert_true(ntm_addr_equal(&event->addr, &w.far4_addr));
	free(event);
	drops_reach(NTM_PIPE_DROP_SHORT, 1);
}

static void test_refused(void **state)
{
	struct virtio_net_hdr vnet;
	size_t len = from_peer(&to_peer, inner);
	uint64_t ctr = 0;

	(void)state;
	peer_raw(w.far4, (const uint8_t *)"\xff", 1);
	drops_reach(NTM_PIPE_DROP_SHORT, 1);
	seal_to(outer, 0, 0, inner, len);
	outer[7] ^= 1;
	peer_raw(w.far4, outer, len + NTM_WIRE_OVERHEAD);
	drops_reach(NTM_PIPE_DROP_PATH, 1);
	peer_raw(w.far4, outer, seal_to(outer, 1, 0, inner, len));
	drops_reach(NTM_PIPE_DROP_KEY, 1);
	for (size_t i = 0; i < len + NTM_WIRE_TAG_LEN + 4; i++) {
		seal_to(outer, 0, 0, inner, len);
		outer[i < 4 ? i : i + 4] ^= i ? 1 : 4; /* all but the data bit, epoch and Path ID */
		peer_raw(w.far4, outer, len + NTM_WIRE_OVERHEAD);
	}
	drops_reach(NTM_PIPE_DROP_AUTH, len + NTM_WIRE_TAG_LEN + 4);
	free(next_event(NTM_PIPE_AUTH_BURST));
	assert_int_equal(atomic_load(&w.path->last_rx), 0);
	inner[15] = 9;
	peer_send(w.far4, ctr++, inner, len);
	drops_reach(NTM_PIPE_DROP_SOURCE, 1);
	for (unsigned int i = 0; i < 4; i++) {
		len = from_peer(&to_peer, inner);
		inner[0] = (uint8_t[]){ 0x44, 0x55, 0x60, 0x45 }[i];
		if (i == 3)
			inner[3]++;
		peer_send(w.far4, ctr++, inner, i == 2 ? 39 : len);
	}
	drops_reach(NTM_PIPE_DROP_INNER, 4);
	assert_int_equal(host_read(&vnet, 20), 0);
	assert_int_equal(atomic_load(&w.path->rx_packets), 0);
}

/* @n forged packets; when they have all been counted */
static void forge(unsigned int n)
{
	const uint64_t before = atomic_load(&w.pipe.drops[NTM_PIPE_DROP_AUTH]);
	const size_t len = seal_to(outer, 0, 0, inner, from_peer(&to_peer, inner));

	outer[len - 1] ^= 1;
	for (unsigned int i = 0; i < n; i++)
		peer_raw(w.far4, outer, len);
	drops_reach(NTM_PIPE_DROP_AUTH, before + n);
}

static unsigned int bursts_told(void)
{
	struct ntm_pipe_event *event;
	unsigned int n = 0;

	while ((event = ntm_pipe_take(&w.pipe.events))) {
		n += event->type == NTM_PIPE_AUTH_BURST;
		free(event);
	}
	return n;
}

/* How often @n forged packets on each side of a second's turn are told, if they were all counted within one second */
static unsigned int told_at_turn(unsigned int n)
{
	for (unsigned int try = 0; try < 10; try++) {
		uint64_t started;

		usleep(1100000); /* nothing of before is in this second */
		(void)bursts_told();
		while (ntm_clock_ms() % 1000 < 900)
			usleep(1000);
		started = ntm_clock_ms();
		forge(n);
		while (ntm_clock_ms() / 1000 == started / 1000)
			usleep(1000);
		forge(n);
		if (ntm_clock_ms() - started < 1000)
			return bursts_told();
	}
	fail_msg("this machine does not forge %u packets in a second", 2 * n);
	return 0;
}

static void sleep_until(uint64_t ms)
{
	while (ntm_clock_ms() < ms)
		usleep(1000);
}

/* How often two bursts within a second are told, the first at the end of the second that a stray packet opened, the other after it */
static unsigned int told_after_stray(void)
{
	for (unsigned int try = 0; try < 10; try++) {
		uint64_t before, opened, started, told;

		usleep(1100000);
		(void)bursts_told();
		before = ntm_clock_ms();
		forge(1);
		opened = ntm_clock_ms();
		sleep_until(before + 850);
		started = ntm_clock_ms();
		forge(110);
		told = ntm_clock_ms();
		sleep_until(opened + 1001);
		forge(120);
		if (told - before < 1000 && ntm_clock_ms() - started < 1000)
			return bursts_told();
	}
	fail_msg("this machine does not forge 110 packets in a tenth of a second");
	return 0;
}

/* A burst is told once, wherever in the clock's second it falls, and none within a second of another */
static void test_burst_at_turn(void **state)
{
	(void)state;
	assert_int_equal(told_at_turn(60), 1);
	assert_int_equal(told_at_turn(120), 1);
	assert_int_equal(told_at_turn(40), 0);
	assert_int_equal(told_after_stray(), 1);
	usleep(1100000); /* the second is no longer than that */
	forge(110);
	free(next_event(NTM_PIPE_AUTH_BURST));
}

/* RFC 6040, each pair of outer and inner */
static void test_ecn(void **state)
{
	struct virtio_net_hdr vnet;
	uint64_t ctr = 0, dropped = 0;

	(void)state;
	for (int outer_ecn = 0; outer_ecn < 4; outer_ecn++) {
		assert_int_equal(
			setsockopt(w.far4, IPPROTO_IP, IP_TOS, &outer_ecn, sizeof(outer_ecn)), 0);
		for (unsigned int i = 0; i < 8; i++) {
			struct test_packet t = to_peer;
			const int want = ntm_ecn_decap((uint8_t)outer_ecn, (uint8_t)(i & 3));
			size_t len;

			t.v6 = i & 4;
			t.tos = (uint8_t)(0xa8 | (i & 3));
			len = from_peer(&t, inner);
			peer_send(w.far4, ctr++, inner, len);
			if (want < 0) {
				drops_reach(NTM_PIPE_DROP_INNER, ++dropped);
				continue;
			}
			assert_int_equal(host_read(&vnet, 3000), len);
			t.tos = (uint8_t)(0xa8 | want);
			from_peer(&t, inner);
			assert_memory_equal(buf, inner, len); /* its checksum, too */
		}
	}
	assert_int_equal(dropped, 2);
}

static void test_replay(void **state)
{
	struct virtio_net_hdr vnet;
	const size_t len = from_peer(&to_peer, inner);

	(void)state;
	peer_send(w.far4, 9000, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	assert_int_not_equal(atomic_load(&w.path->last_rx), 0);
	atomic_store(&w.path->last_rx, 0);
	peer_send(w.far4, 9000, inner, len);
	peer_send(w.far6, 9000, inner, len);
	peer_send(w.far4, 100, inner, len); /* older than the window */
	drops_reach(NTM_PIPE_DROP_REPLAY, 3);
	assert_int_equal(host_read(&vnet, 20), 0);
	/* A dead peer stays dead, and a path stays where it is, whatever is played again */
	assert_int_equal(atomic_load(&w.path->last_rx), 0);
	assert_true(ntm_addr_equal(&atomic_load(&w.path->endpoint)->peer, &w.far4_addr));
	peer_send(w.far4, 8999, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	assert_int_not_equal(atomic_load(&w.path->last_rx), 0);
}

/* The path follows the newest packet, and only that; from another family, too */
static void test_moves(void **state)
{
	const size_t len = from_peer(&to_peer, inner);
	const struct virtio_net_hdr plain = { 0 };
	struct ntm_pipe_event *event;
	struct virtio_net_hdr vnet;
	struct ntm_wire_hdr header = { 0 };

	(void)state;
	peer_send(w.far4, 5, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	peer_send(w.far6, 4, inner, len); /* late */
	assert_int_equal(host_read(&vnet, 3000), len);
	assert_true(ntm_addr_equal(&atomic_load(&w.path->endpoint)->peer, &w.far4_addr));
	peer_send(w.far6, 6, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	event = next_event(NTM_PIPE_MOVED);
	assert_true(ntm_addr_equal(&event->addr, &w.far6_addr));
	assert_int_equal(event->path_id, PATH);
	free(event);
	host_send(&plain, buf, test_build(&to_peer, buf));
	assert_true(peer_read(w.far6, &header, 3000) > 0);
	ntm_paths_collect(&w.pipe.paths);
}

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* MOVED events so far; @last: where to, if there was one */
static unsigned int moves_told(union ntm_addr *last)
{
	struct ntm_pipe_event *event;
	unsigned int n = 0;

	while ((event = ntm_pipe_take(&w.pipe.events))) {
		assert_int_equal(event->type, NTM_PIPE_MOVED);
		*last = event->addr;
		free(event);
		n++;
	}
	return n;
}

/* A peer that moves with each packet is followed with each, but its path's owner is not kept busy; it learns where that ends */
static void test_restless(void **state)
{
	const size_t len = from_peer(&to_peer, inner);
	const uint64_t start = clock_ms();
	struct virtio_net_hdr vnet;
	union ntm_addr last = { 0 };
	unsigned int n = 0;

	(void)state;
	for (uint64_t ctr = 0; ctr < 301; ctr++) {
		const bool six = ctr & 1;

		peer_send(six ? w.far6 : w.far4, ctr, inner, len);
		assert_int_equal(host_read(&vnet, 3000), len);
		assert_true(ntm_addr_equal(&atomic_load(&w.path->endpoint)->peer,
					   six ? &w.far6_addr : &w.far4_addr));
		ntm_paths_collect(&w.pipe.paths);
		n += moves_told(&last);
	}
	while (ntm_pipe_hints(&w.pipe))
		usleep(10000);
	n += moves_told(&last);
	assert_in_range(n, 2, (clock_ms() - start) / NTM_HINT_MS + 2);
	assert_true(ntm_addr_equal(&last, &w.far4_addr));
}

/* Another thread may have told at a later time than the one that this thread has read: it is not told again for that */
static void test_told_later(void **state)
{
	const struct virtio_net_hdr vnet = { 0 };
	struct ntm_hint *hint = &w.path->hints[NTM_HINT_MOVED];
	const uint64_t later = ntm_clock_ms() + 60000;

	(void)state;
	atomic_store(&hint->told_ms, later);
	ntm_pipe_hint(&w.pipe, w.path, NTM_HINT_MOVED);
	assert_null(ntm_pipe_take(&w.pipe.events));
	atomic_store(&hint->told_ms, 0);
	free(next_event(NTM_PIPE_MOVED));

	atomic_store(&w.path->asked_ms, later);
	atomic_load(&w.path->tx)->born -= 180;
	host_send(&vnet, buf, test_build(&to_peer, buf));
	drops_reach(NTM_PIPE_DROP_NO_KEY, 1);
	assert_null(ntm_pipe_take(&w.pipe.events));
	atomic_store(&w.path->asked_ms, 0);
	host_send(&vnet, buf, test_build(&to_peer, buf));
	free(next_event(NTM_PIPE_REKEY));
}

static bool has_garbage(void)
{
	return atomic_load(&w.pipe.paths.bin.fresh) || w.pipe.paths.bin.waiting;
}

/* A peer that sends to another address of ours each time: what that leaves behind is collected by an owner who does so when woken */
static void test_flapping(void **state)
{
	const size_t len = from_peer(&to_peer, inner);
	struct virtio_net_hdr vnet;

	(void)state;
	open_sockets();
	close(w.fd4);
	w.fd4 = udp(AF_INET, "0.0.0.0:0", &w.near4);
	open_pipe(0);
	add_net();
	add_path(&w.far4_addr);
	add_key(0, true);
	for (uint64_t ctr = 0; ctr < 200; ctr++) {
		w.near4.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (ctr & 1));
		peer_send(w.far4, ctr, inner, len);
		assert_int_equal(host_read(&vnet, 3000), len);
		assert_int_equal(atomic_load(&w.path->endpoint)->local.v4.sin_addr.s_addr,
				 w.near4.v4.sin_addr.s_addr);
	}
	assert_true(has_garbage());
	for (unsigned int ms = 0; ms < 3000 && has_garbage(); ms++) {
		if (atomic_load(&w.wakes))
			ntm_paths_collect(&w.pipe.paths);
		usleep(1000);
	}
	assert_false(has_garbage());
	assert_null(ntm_pipe_take(&w.pipe.events)); /* the peer is where it was */
	teardown(state);
}

static const union ntm_addr *endpoint(void)
{
	return &atomic_load(&w.path->endpoint)->peer;
}

/* What comes by a relay is heard, and moves nothing; from anywhere else it moves the path, away from a relay too */
static void test_relays(void **state)
{
	const size_t len = from_peer(&to_peer, inner);
	union ntm_addr relays[NTM_PIPE_RELAYS] = { [1] = w.far6_addr };
	struct virtio_net_hdr vnet;

	(void)state;
	assert_int_equal(ntm_path_relays(&w.pipe.paths, w.path, relays), 0);
	peer_send(w.far6, 5, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	assert_true(ntm_addr_equal(endpoint(), &w.far4_addr));
	assert_null(ntm_pipe_take(&w.pipe.events));

	assert_int_equal(ntm_path_move(&w.pipe.paths, w.path, &w.far6_addr, NULL, true), 0);
	peer_send(w.far6, 6, inner, len); /* on the relay: our own address is learnt, as ever */
	assert_int_equal(host_read(&vnet, 3000), len);
	assert_true(ntm_addr_equal(endpoint(), &w.far6_addr));
	assert_int_equal(atomic_load(&w.path->endpoint)->local.sa.sa_family, AF_INET6);
	peer_send(w.far4, 7, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	free(next_event(NTM_PIPE_MOVED));
	assert_true(ntm_addr_equal(endpoint(), &w.far4_addr));

	relays[1] = w.far4_addr;
	assert_int_equal(ntm_path_relays(&w.pipe.paths, w.path, relays), 0);
	peer_send(w.far6, 8, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	free(next_event(NTM_PIPE_MOVED));
	assert_true(ntm_addr_equal(endpoint(), &w.far6_addr));
	ntm_paths_collect(&w.pipe.paths);
}

/* A packet of the key before the newest one heard is taken, and says nothing of where the peer is */
static void test_older_key(void **state)
{
	const size_t len = from_peer(&to_peer, inner);
	struct virtio_net_hdr vnet;

	(void)state;
	peer_send(w.far4, 5, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	add_key(1, true);
	/* Nothing came under the new key yet: the peer may not have it */
	peer_send(w.far6, 6, inner, len);
	assert_int_equal(host_read(&vnet, 3000), len);
	free(next_event(NTM_PIPE_MOVED));
	assert_true(ntm_addr_equal(endpoint(), &w.far6_addr));

	peer_raw(w.far6, outer, seal_to(outer, 1, 0, inner, len));
	assert_int_equal(host_read(&vnet, 3000), len);
	for (uint64_t ctr = 7; ctr < 20; ctr++) {
		peer_send(w.far4, ctr, inner, len);
		assert_int_equal(host_read(&vnet, 3000), len);
		assert_true(ntm_addr_equal(endpoint(), &w.far6_addr));
	}
	assert_null(ntm_pipe_take(&w.pipe.events));

	peer_raw(w.far4, outer, seal_to(outer, 1, 1, inner, len));
	assert_int_equal(host_read(&vnet, 3000), len);
	free(next_event(NTM_PIPE_MOVED));
	assert_true(ntm_addr_equal(endpoint(), &w.far4_addr));
	ntm_paths_collect(&w.pipe.paths);
}

static void test_confirm(void **state)
{
	const size_t len = from_peer(&to_peer, inner);
	struct ntm_pipe_event *event;
	struct virtio_net_hdr vnet;
	struct ntm_wire_hdr header = { 0 };

	(void)state;
	add_key(1, false);
	ntm_pipe_confirm(&w.pipe, w.path);
	assert_int_equal(peer_read(w.far4, &header, 3000), 0);
	assert_int_equal(ntm_wire_epoch(&header), 0); /* it is pending */
	peer_raw(w.far4, outer, seal_to(outer, 1, 0, inner, len));
	assert_int_equal(host_read(&vnet, 3000), len);
	event = next_event(NTM_PIPE_CONFIRMED);
	assert_int_equal(event->path_id, PATH);
	assert_int_equal(event->number, 1);
	free(event);
	ntm_pipe_confirm(&w.pipe, w.path);
	assert_int_equal(peer_read(w.far4, &header, 3000), 0);
	assert_int_equal(ntm_wire_epoch(&header), 1);
}

/* A packet that waited is the same when it leaves at last; without a key it waits as well as without a path */
static void test_held(void **state)
{
	struct test_packet t = to_peer;
	struct ntm_pipe_event *event;
	struct virtio_net_hdr vnet;
	struct ntm_wire_hdr header = { 0 };
	size_t len;

	(void)state;
	ntm_paths_remove(&w.pipe.paths, w.path);
	for (int keyless = 0; keyless < 2; keyless++) {
		t.proto = IPPROTO_TCP;
		t.flags = TEST_SYN;
		t.payload = 0;
		len = test_build(&t, outer);
		memcpy(buf, outer, len);
		vnet = test_partial(buf, len);
		host_send(&vnet, buf, len);
		if (keyless) {
			event = next_event(NTM_PIPE_REKEY);
			assert_int_equal(event->path_id, PATH);
			free(event);
		}
		event = next_event(NTM_PIPE_MISS);
		assert_int_equal(event->family, AF_INET);
		assert_memory_equal(event->virt, "\x64\x40\x00\x02", 4);
		assert_int_equal(event->len, len);
		assert_memory_equal(event->data, outer, len);
		if (!keyless) /* again without: it is dropped now, and no event */
			ntm_pipe_inject(&w.pipe, &event->vnet, event->data, event->len);
		if (!keyless)
			add_path(&w.far4_addr);
		if (keyless) {
			ntm_pipe_inject(&w.pipe, &event->vnet, event->data, event->len);
			add_key(0, true);
			ntm_pipe_inject(&w.pipe, &event->vnet, event->data, event->len);
			assert_int_equal(peer_read(w.far4, &header, 3000), len);
			assert_memory_equal(inner, buf + 0, 20 + 16);
			test_verify(inner, len);
		}
		free(event);
	}
	assert_int_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_NO_PATH]), 1);
	assert_int_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_NO_KEY]), 1);
	assert_null(ntm_pipe_take(&w.pipe.events));
}

static void test_no_path(void **state)
{
	static const uint8_t last[] = { 1, 9 };
	struct test_packet t = to_peer;
	const struct virtio_net_hdr vnet = { 0 };
	struct ntm_pipe_event *event;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (int i = 0; i < 2; i++) {
			t.v6 = v6;
			test_build(&t, buf);
			buf[v6 ? 39 : 19] = last[i];
			host_send(&vnet, buf, (v6 ? 40 : 20) + 108);
			event = next_event(i ? NTM_PIPE_MISS : NTM_PIPE_STUB);
			assert_int_equal(event->family, v6 ? AF_INET6 : AF_INET);
			free(event);
		}
		/* Who asks the stub with an address that is not ours is not heard */
		buf[v6 ? 39 : 19] = 1;
		buf[v6 ? 23 : 15] ^= 8;
		host_send(&vnet, buf, (v6 ? 40 : 20) + 108);
		drops_reach(NTM_PIPE_DROP_SOURCE, 1u + (unsigned int)v6);
		buf[v6 ? 24 : 16] = v6 ? 0xff : 224;
		host_send(&vnet, buf, (v6 ? 40 : 20) + 108);
		drops_reach(NTM_PIPE_DROP_NO_PATH, 1u + (unsigned int)v6);
	}
	host_send(&vnet, (const uint8_t *)"\x55junk", 5);
	drops_reach(NTM_PIPE_DROP_INNER, 1);
	assert_null(ntm_pipe_take(&w.pipe.events));
}

static void test_limits(void **state)
{
	const struct virtio_net_hdr vnet = { 0 };
	struct ntm_pipe_key *key = atomic_load(&w.path->tx);
	struct ntm_pipe_event *event;
	struct ntm_wire_hdr header = { 0 };

	(void)state;
	test_build(&to_peer, buf);
	atomic_store(&key->tx_ctr, NTM_WIRE_REKEY_AFTER - 2);
	for (int i = 0; i < 4; i++) {
		host_send(&vnet, buf, 128);
		assert_true(readable(w.far4, 3000));
		assert_int_equal(recv(w.far4, outer, sizeof(outer), 0), 128 + NTM_WIRE_OVERHEAD);
		memcpy(&header, outer, sizeof(header));
		assert_int_equal(ntm_wire_ctr(&header, NTM_WIRE_REKEY_AFTER),
				 NTM_WIRE_REKEY_AFTER - 2 + (unsigned int)i);
	}
	event = next_event(NTM_PIPE_REKEY);
	assert_int_equal(event->number, 0);
	free(event);
	assert_null(ntm_pipe_take(&w.pipe.events)); /* told once a second */
	usleep(1000000);
	host_send(&vnet, buf, 128);
	assert_true(readable(w.far4, 3000));
	assert_true(recv(w.far4, outer, sizeof(outer), 0) > 0);
	free(next_event(NTM_PIPE_REKEY));
	atomic_store(&key->tx_ctr, NTM_WIRE_REJECT_AFTER - 2);
	for (int i = 0; i < 3; i++)
		host_send(&vnet, buf, 128);
	drops_reach(NTM_PIPE_DROP_NO_KEY, 2);
	assert_true(readable(w.far4, 1000));
	assert_true(recv(w.far4, outer, sizeof(outer), 0) > 0);
	assert_int_equal(peer_read(w.far4, &header, 20), -1);
	ntm_pipe_confirm(&w.pipe, w.path);
	assert_int_equal(peer_read(w.far4, &header, 20), -1);
}

/* However few packets it sent */
static void test_old_key(void **state)
{
	const struct virtio_net_hdr vnet = { 0 };
	struct ntm_pipe_key *key = atomic_load(&w.path->tx);
	struct ntm_wire_hdr header = { 0 };
	struct ntm_pipe_event *event;

	(void)state;
	test_build(&to_peer, buf);
	key->born -= 170;
	host_send(&vnet, buf, 128);
	assert_int_equal(peer_read(w.far4, &header, 3000), 128);
	assert_null(ntm_pipe_take(&w.pipe.events));
	key->born -= 10;
	host_send(&vnet, buf, 128);
	drops_reach(NTM_PIPE_DROP_NO_KEY, 1);
	assert_int_equal(peer_read(w.far4, &header, 20), -1);
	event = next_event(NTM_PIPE_REKEY);
	assert_int_equal(event->number, key->epoch);
	free(event);
	ntm_pipe_confirm(&w.pipe, w.path);
	assert_int_equal(peer_read(w.far4, &header, 20), -1);

	add_key(1, true);
	host_send(&vnet, buf, 128);
	assert_true(readable(w.far4, 3000));
}

/* So that the kernel's buffer does not lose them: until the pipe has all @n */
static void taken_up(uint64_t n)
{
	for (unsigned int ms = 0; ms < 3000; ms++) {
		size_t queued;

		pthread_mutex_lock(&w.pipe.events.lock);
		queued = w.pipe.events.strangers.count;
		pthread_mutex_unlock(&w.pipe.events.lock);
		if (queued + atomic_load(&w.pipe.drops[NTM_PIPE_DROP_NO_MEM]) >= n)
			return;
		usleep(1000);
	}
	fail_msg("%llu datagrams did not arrive", (unsigned long long)n);
}

/* Strangers fill their part of the queue and no more, and no message is longer than one may be */
static void test_flood(void **state)
{
	unsigned int n = 0;
	struct ntm_pipe_event *event;

	(void)state;
	memset(buf, 1, sizeof(buf));
	for (unsigned int i = 0; i < 2000; i++) {
		peer_raw(w.far4, buf, 100);
		if (i % 100 == 0)
			taken_up(i + 1);
	}
	drops_reach(NTM_PIPE_DROP_NO_MEM, 2000 - 512);
	ntm_pipe_tell(&w.pipe.events, NTM_PIPE_MOVED, 1, 2);
	while ((event = ntm_pipe_take(&w.pipe.events))) {
		assert_int_equal(event->type, n < 512 ? NTM_PIPE_SIGNAL : NTM_PIPE_MOVED);
		free(event);
		n++;
	}
	assert_int_equal(n, 513);
	peer_raw(w.far4, buf, NTM_RELAYED_MAX + 1);
	drops_reach(NTM_PIPE_DROP_NO_MEM, 2001 - 512);
	buf[NTM_RELAYED_MAX - 1] = 2;
	peer_raw(w.far4, buf, NTM_RELAYED_MAX);
	event = next_event(NTM_PIPE_SIGNAL);
	assert_int_equal(event->len, 9216 + 8);
	assert_int_equal(event->data[NTM_RELAYED_MAX - 1], 2);
	free(event);
}

/* A flood on one family does not silence the other */
static void test_fair(void **state)
{
	struct ntm_pipe_event *event;
	unsigned int n = 0;

	(void)state;
	open_sockets();
	for (int i = 0; i < 150; i++)
		peer_raw(w.far4, (const uint8_t *)"\1\1\1\1", 4);
	peer_raw(w.far6, (const uint8_t *)"\2\2\2\2", 4);
	open_pipe(0);
	do {
		event = next_event(NTM_PIPE_SIGNAL);
		n++;
		if (event->data[0] == 2)
			break;
		free(event);
	} while (event);
	free(event);
	assert_in_range(n, 1, 2 * NTM_SOCK_BATCH);
	teardown(state);
}

static void sent(uint64_t n)
{
	for (unsigned int ms = 0; ms < 3000 && atomic_load(&w.path->tx_packets) < n; ms++)
		usleep(1000);
	assert_int_equal(atomic_load(&w.path->tx_packets), n);
}

/* The peer's machine refuses, on a connected socket and on one whose parent keeps a queue of errors: nothing spins, nothing ends */
static void test_peer_refuses(void **state)
{
	const struct virtio_net_hdr plain = { 0 };
	const size_t len = from_peer(&to_peer, inner);
	struct virtio_net_hdr vnet;
	long cpu;

	(void)state;
	open_sockets();
	assert_int_equal(connect(w.fd4, &w.far4_addr.sa, sizeof(w.far4_addr.v4)), 0);
	open_pipe(0);
	add_net();
	add_path(&w.far4_addr);
	add_key(0, true);
	for (int queue = 0; queue < 2; queue++) {
		assert_int_equal(setsockopt(w.fd4, IPPROTO_IP, IP_RECVERR, &queue, sizeof(queue)),
				 0);
		close(w.far4);
		for (unsigned int i = 1; i <= 10; i++) {
			host_send(&plain, buf, test_build(&to_peer, buf));
			sent((unsigned int)queue * 10 + i);
		}
		cpu = cpu_ms();
		usleep(500000);
		assert_in_range(cpu_ms() - cpu, 0, 50);
		w.far4 = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		assert_int_equal(bind(w.far4, &w.far4_addr.sa, sizeof(w.far4_addr.v4)), 0);
		peer_send(w.far4, (uint64_t)queue, inner, len);
		assert_int_equal(host_read(&vnet, 3000), len);
	}
	assert_int_not_equal(atomic_load(&w.pipe.drops[NTM_PIPE_DROP_NO_ROUTE]), 0);
	teardown(state);
}

/* A descriptor handed in whose other end is closed: no busy loop, but the end, which the owner is told */
static void test_lost(void **state)
{
	long cpu;

	(void)state;
	assert_int_equal(ntm_pipe_lost(&w.pipe), 0);
	for (unsigned int i = 0; i < 5000; i++) /* its queue may be full then */
		ntm_pipe_tell(&w.pipe.events, NTM_PIPE_CONFIRMED, 1, 2);
	atomic_store(&w.wakes, 0);
	close(w.host);
	w.host = -1;
	for (unsigned int ms = 0; ms < 3000 && !atomic_load(&w.wakes); ms++)
		usleep(1000);
	assert_int_equal(ntm_pipe_lost(&w.pipe), -ENODEV);
	cpu = cpu_ms();
	usleep(100000);
	assert_in_range(cpu_ms() - cpu, 0, 50);
	peer_send(w.far4, 0, inner, from_peer(&to_peer, inner)); /* the in-lane lives on */
	for (unsigned int ms = 0; ms < 3000 && !atomic_load(&w.path->last_rx); ms++)
		usleep(1000);
	assert_int_not_equal(atomic_load(&w.path->last_rx), 0);
}

/* Both lanes full, the owner changing everything: nothing is lost under it, and the end comes */
static void test_storm(void **state)
{
	struct test_packet t = to_peer;
	const size_t len = from_peer(&t, inner);
	struct virtio_net_hdr vnet;

	(void)state;
	for (unsigned int i = 0; i < 600; i++) {
		struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { buf, 0 } };

		t.payload = i % 5 ? 1000 : 20000;
		t.proto = IPPROTO_TCP;
		iov[1].iov_len = test_build(&t, buf);
		vnet = test_gso(buf, iov[1].iov_len, 999);
		(void)!writev(w.host, iov, 2);
		seal_to(outer, w.path ? (uint32_t)(i & 3) : 0, i, inner, len);
		(void)!sendto(i & 1 ? w.far4 : w.far6, outer, len + NTM_WIRE_OVERHEAD, 0,
			      i & 1 ? &w.near4.sa : &w.near6.sa,
			      i & 1 ? sizeof(w.near4.v4) : sizeof(w.near6.v6));
		if (i % 7 == 0) {
			ntm_paths_remove(&w.pipe.paths, w.path);
			add_path(i & 1 ? &w.far4_addr : &w.far6_addr);
			add_key(i, true);
		}
		if (i % 11 == 0)
			add_net();
		if (i % 3 == 0)
			ntm_pipe_confirm(&w.pipe, w.path);
		ntm_paths_collect(&w.pipe.paths);
		while (recv(w.far4, buf, sizeof(buf), 0) > 0 ||
		       recv(w.far6, buf, sizeof(buf), 0) > 0 || read(w.host, buf, sizeof(buf)) > 0)
			;
	}
	/* and it still works; packets of before may come late */
	ntm_paths_remove(&w.pipe.paths, w.path);
	add_path(&w.far4_addr);
	add_key(0, true);
	peer_send(w.far4, 600, inner, len);
	for (unsigned int ms = 0; ms < 3000 && !atomic_load(&w.path->rx_packets); ms++)
		usleep(1000);
	assert_true(atomic_load(&w.path->rx_packets) > 0);
}

static void test_prefixes(void **state)
{
	struct ntm_pipe_net net = { .has4 = true, .has6 = true };
	union ntm_addr a = test_addr("100.79.255.255"), b = test_addr("[fd00:0:0:7fff::1]");

	(void)state;
	inet_pton(AF_INET, "100.64.0.0", &net.net4);
	inet_pton(AF_INET6, "fd00::", &net.net6);
	for (unsigned int bits = 0; bits <= 31; bits++) {
		net.prefix4 = (uint8_t)bits;
		assert_int_equal(ntm_pipe_is_virtual(&net, &a), bits <= 12);
	}
	for (unsigned int bits = 0; bits <= 127; bits++) {
		net.prefix6 = (uint8_t)bits;
		assert_int_equal(ntm_pipe_is_virtual(&net, &b), bits <= 49);
	}
	net.has4 = net.has6 = false;
	net.prefix4 = net.prefix6 = 0;
	assert_false(ntm_pipe_is_virtual(&net, &a));
	assert_false(ntm_pipe_is_virtual(&net, &b));
}

/* What other zones have is virtual as well, each network of one family */
static void test_other_nets(void **state)
{
	struct ntm_pipe_net net = { .has4 = true,
				    .prefix4 = 16,
				    .others = { { AF_INET6, { 0xfd, 0 }, 64 },
						{ AF_INET, { 100, 80 }, 12 } },
				    .other_count = 2 };
	const char *in[] = { "100.64.9.9", "100.80.0.1", "100.95.255.255", "[fd00::ff]" };
	const char *out[] = { "100.65.0.1", "100.96.0.0", "[fd00:0:0:1::]" };

	(void)state;
	inet_pton(AF_INET, "100.64.0.0", &net.net4);
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		union ntm_addr addr = test_addr(in[i]);

		assert_true(ntm_pipe_is_virtual(&net, &addr));
	}
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		union ntm_addr addr = test_addr(out[i]);

		assert_false(ntm_pipe_is_virtual(&net, &addr));
	}
	net.other_count = 1;
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		union ntm_addr addr = test_addr(in[i]);

		assert_int_equal(ntm_pipe_is_virtual(&net, &addr), i == 0 || i == 3);
	}
}

int main(void)
{
	static unsigned int alone, crew = 2;
#define ALONE(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &alone)
#define CREW(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &crew)
	const struct CMUnitTest tests[] = {
		ALONE(test_out),
		CREW(test_out),
		ALONE(test_out_gso),
		CREW(test_out_gso),
		ALONE(test_out_tos),
		ALONE(test_sources),
		ALONE(test_fragments),
		ALONE(test_fragments_of_gso),
		ALONE(test_too_big),
		ALONE(test_no_icmp),
		ALONE(test_in),
		CREW(test_in),
		ALONE(test_in_gro),
		ALONE(test_aggregate_mixed),
		ALONE(test_refused),
		ALONE(test_burst_at_turn),
		ALONE(test_ecn),
		ALONE(test_replay),
		ALONE(test_moves),
		ALONE(test_restless),
		ALONE(test_told_later),
		cmocka_unit_test(test_flapping),
		ALONE(test_relays),
		ALONE(test_older_key),
		ALONE(test_confirm),
		ALONE(test_held),
		ALONE(test_no_path),
		ALONE(test_limits),
		ALONE(test_old_key),
		ALONE(test_flood),
		cmocka_unit_test(test_fair),
		cmocka_unit_test(test_peer_refuses),
		ALONE(test_lost),
		ALONE(test_storm),
		CREW(test_storm),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_other_nets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
