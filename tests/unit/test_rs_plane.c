// SPDX-License-Identifier: GPL-2.0
/* The relay server's data plane in user space, on a loop, with real sockets on loopback. */
/* tsan: yes */
/* with: ntmd/rs/plane.c ntmd/rs/plane_user.c ntmd/pipe/relay.c ntmd/pipe/index.c ntmd/pipe/garbage.c ntmd/pipe/lane.c ntmd/pipe/event.c ntmd/pipe/sock.c */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <unistd.h>

#include "ntmobile/wire.h"
#include "rs/plane.h"

#define ID 0x01020304u
#define WAIT_MS 2000

static const struct ntm_rs_plane_ops *const ops = &ntm_rs_plane_user;

static struct {
	uv_loop_t loop;
	struct ntm_udp *udp;
	struct ntm_rs_plane *plane;
	struct ntm_rs_config config;
	struct ntm_rs_path path;
	union ntm_addr rs, a_addr, b_addr;
	int a, b;
	unsigned int signals;
	union ntm_addr signal_from;
} w;

static void on_packet(void *ctx, const uint8_t *packet, size_t len, const union ntm_addr *from)
{
	(void)ctx;
	assert_int_equal(len, 4);
	assert_int_equal(packet[0], 8);
	w.signal_from = *from;
	w.signals++;
}

static int open_socket(union ntm_addr *addr)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*addr);

	*addr = test_addr("127.0.0.1");
	addr->v4.sin_port = 0;
	assert_int_equal(bind(fd, &addr->sa, ntm_addr_len(addr)), 0);
	assert_int_equal(getsockname(fd, &addr->sa, &len), 0);
	return fd;
}

static int begin(void **state)
{
	const struct ntm_rs_plane_open how = { .loop = &w.loop, .config = &w.config, .udp = NULL };
	struct ntm_rs_plane_open with = how;
	char why[128];

	(void)state;
	memset(&w, 0, sizeof(w));
	w.path.id = ID;
	w.rs = test_addr("127.0.0.1");
	w.rs.v4.sin_port = 0;
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(ntm_udp_open(&w.udp, &w.loop, &w.rs, NULL, true, on_packet, NULL), 0);
	w.rs.v4.sin_port = htons(ntm_udp_port(w.udp));
	w.a = open_socket(&w.a_addr);
	w.b = open_socket(&w.b_addr);
	with.udp = w.udp;
	assert_int_equal(ops->open(&w.plane, &with, why, sizeof(why)), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (w.plane)
		ops->close(w.plane);
	ntm_udp_close(w.udp);
	assert_int_equal(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	close(w.a);
	close(w.b);
	return 0;
}

static void send_data(int fd, uint8_t mark)
{
	uint8_t packet[200];
	struct ntm_wire_hdr header;

	ntm_wire_build(&header, 0, mark, htonl(ID));
	memset(packet, mark, sizeof(packet));
	memcpy(packet, &header, sizeof(header));
	assert_int_equal(sendto(fd, packet, sizeof(packet), 0, &w.rs.sa, ntm_addr_len(&w.rs)),
			 sizeof(packet));
}

static void send_signal(int fd)
{
	static const uint8_t packet[4] = { 8, 1 };

	assert_int_equal(sendto(fd, packet, sizeof(packet), 0, &w.rs.sa, ntm_addr_len(&w.rs)), 4);
}

static int receive(int fd, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t packet[2000];

	if (poll(&pfd, 1, wait_ms) != 1)
		return -1;
	assert_int_equal(recv(fd, packet, sizeof(packet), 0), 200);
	return packet[199];
}

static void wait_for_drop(enum ntm_rs_plane_drop why, uint64_t n)
{
	uint64_t drops[NTM_RS_PLANE_DROPS] = { 0 };

	for (int i = 0; i < WAIT_MS && drops[why] < n; i++) {
		usleep(1000);
		assert_int_equal(ops->drops(w.plane, drops), 0);
	}
	assert_int_equal(drops[why], n);
}

/* They are counted once they have been sent on: whoever got one may be faster */
static void wait_for_totals(uint64_t packets, uint64_t bytes)
{
	struct ntm_rs_totals got = { .packets = 0 };

	for (int i = 0; i < WAIT_MS && (got.packets < packets || got.bytes < bytes); i++) {
		usleep(1000);
		ops->totals(w.plane, &got);
	}
	assert_int_equal(got.packets, packets);
	assert_int_equal(got.bytes, bytes);
	assert_int_equal(got.mark, packets);
	assert_int_equal(got.age_ms, 0);
}

static void wait_for_signals(unsigned int n)
{
	for (int i = 0; i < WAIT_MS && w.signals < n; i++) {
		uv_run(&w.loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(w.signals, n);
}

static void test_forwards_what_is_bound(void **state)
{
	(void)state;
	send_data(w.a, 1);
	wait_for_drop(NTM_RS_PLANE_PATH, 1);
	assert_int_equal(ops->bind(w.plane, &w.path, 0, &w.a_addr), 0);
	send_data(w.a, 2);
	wait_for_drop(NTM_RS_PLANE_UNBOUND, 1);
	send_data(w.b, 3);
	wait_for_drop(NTM_RS_PLANE_SOURCE, 1);
	assert_int_equal(ops->bind(w.plane, &w.path, 1, &w.b_addr), 0);
	send_data(w.a, 4);
	assert_int_equal(receive(w.b, WAIT_MS), 4);
	send_data(w.b, 5);
	assert_int_equal(receive(w.a, WAIT_MS), 5);
	wait_for_totals(2, 400);
	assert_int_equal(ops->bind(w.plane, &w.path, 1, NULL), 0);
	send_data(w.a, 6);
	wait_for_drop(NTM_RS_PLANE_UNBOUND, 2);
	assert_int_equal(ops->del(w.plane, &w.path), 0);
	assert_int_equal(ops->del(w.plane, &w.path), 0); /* nothing to do */
	assert_int_equal(ops->bind(w.plane, &w.path, 0, NULL), 0);
	send_data(w.a, 7);
	wait_for_drop(NTM_RS_PLANE_PATH, 2);
	assert_int_equal(receive(w.b, 20), -1);
	uv_run(&w.loop, UV_RUN_NOWAIT);
}

/* Of the slowest, too, 64 KB pass at once, as in the kernel */
static void test_a_new_entry_has_its_rate(void **state)
{
	(void)state;
	w.path.rate = 1;
	ops->bind(w.plane, &w.path, 0, &w.a_addr);
	ops->bind(w.plane, &w.path, 1, &w.b_addr);
	for (unsigned int i = 0; i < 65535 / 200; i++) {
		send_data(w.a, (uint8_t)i);
		assert_int_equal(receive(w.b, WAIT_MS), (uint8_t)i);
	}
	for (uint8_t i = 0; i < 10; i++)
		send_data(w.a, i);
	wait_for_drop(NTM_RS_PLANE_RATE, 10);
	w.path.rate = 0;
	assert_int_equal(ops->rate(w.plane, &w.path), 0);
	send_data(w.a, 11);
	assert_int_equal(receive(w.b, WAIT_MS), 11);
}

/* By the threads while there are some, and by the loop when they have ended */
static void test_signalling_reaches_the_owner(void **state)
{
	(void)state;
	send_signal(w.a);
	wait_for_signals(1);
	assert_true(ntm_addr_equal(&w.signal_from, &w.a_addr));
	for (unsigned int i = 0; i < 500; i++)
		send_signal(w.b);
	wait_for_signals(501);
	ops->close(w.plane);
	w.plane = NULL;
	send_signal(w.a);
	wait_for_signals(502);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forwards_what_is_bound, begin, end),
		cmocka_unit_test_setup_teardown(test_a_new_entry_has_its_rate, begin, end),
		cmocka_unit_test_setup_teardown(test_signalling_reaches_the_owner, begin, end),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
