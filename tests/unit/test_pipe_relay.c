// SPDX-License-Identifier: GPL-2.0
/* The relay in user space, with real sockets on loopback. */
/* tsan: yes */
/* with: ntmd/pipe/relay.c ntmd/pipe/index.c ntmd/pipe/garbage.c ntmd/pipe/lane.c ntmd/pipe/event.c ntmd/pipe/sock.c */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ntmobile/wire.h"
#include "pipe/relay.h"

#define PATH 0x01020304u
#define WAIT_MS 2000
#define LONGEST (65536 - 40 - 8) /* bytes of a datagram over IPv6 on loopback */

/* Two nodes, a stranger, and the relay between them */
struct world {
	int rs4, rs6, a, b, stranger;
	union ntm_addr rs_addr4, rs_addr6, a_addr, b_addr;
	struct ntm_relay relay;
};

static int open_socket(int family, union ntm_addr *addr)
{
	int fd = socket(family, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*addr);

	memset(addr, 0, sizeof(*addr));
	addr->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		addr->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else {
		const int one = 1;

		addr->v6.sin6_addr = in6addr_loopback;
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	}
	assert_int_equal(bind(fd, &addr->sa, ntm_addr_len(addr)), 0);
	assert_int_equal(getsockname(fd, &addr->sa, &len), 0);
	return fd;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static int begin(void **state, unsigned int crew, uint64_t rate)
{
	struct world *w = aligned_alloc(_Alignof(struct world), sizeof(*w));
	union ntm_addr addr;

	assert_non_null(w);
	memset(w, 0, sizeof(*w));

	w->rs4 = open_socket(AF_INET, &w->rs_addr4);
	w->rs6 = open_socket(AF_INET6, &w->rs_addr6);
	w->a = open_socket(AF_INET, &w->a_addr);
	w->b = open_socket(AF_INET6, &w->b_addr);
	w->stranger = open_socket(AF_INET, &addr);
	assert_int_equal(ntm_relay_open(&w->relay, w->rs4, w->rs6, crew, rate, nothing, NULL), 0);
	*state = w;
	return 0;
}

static int alone(void **state)
{
	return begin(state, 0, 0);
}

static int with_crew(void **state)
{
	return begin(state, 2, 0);
}

static int limited(void **state)
{
	return begin(state, 0, 400000);
}

static int end(void **state)
{
	struct world *w = *state;

	ntm_relay_close(&w->relay);
	close(w->rs4);
	close(w->rs6);
	close(w->a);
	close(w->b);
	close(w->stranger);
	free(w);
	return 0;
}

static struct ntm_relay_path *directed(struct world *w)
{
	struct ntm_relay_path *path = ntm_relay_add(&w->relay, PATH);

	assert_non_null(path);
	assert_int_equal(ntm_relay_bind_end(&w->relay, path, 0, &w->a_addr), 0);
	assert_int_equal(ntm_relay_bind_end(&w->relay, path, 1, &w->b_addr), 0);
	return path;
}

static void send_data(int fd, const union ntm_addr *to, uint32_t path_id, uint8_t mark, size_t len)
{
	uint8_t packet[LONGEST];
	struct ntm_wire_hdr header;

	ntm_wire_build(&header, 0, mark, htonl(path_id));
	memset(packet, mark, sizeof(packet));
	memcpy(packet, &header, sizeof(header));
	assert_int_equal(sendto(fd, packet, len, 0, &to->sa, ntm_addr_len(to)), len);
}

/* The mark of the next packet; -1: none came */
static int receive(int fd, size_t len, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t packet[LONGEST];

	if (poll(&pfd, 1, wait_ms) != 1)
		return -1;
	assert_int_equal(recv(fd, packet, sizeof(packet), 0), len);
	return packet[len - 1];
}

static void wait_for_drop(struct world *w, enum ntm_relay_drop why, uint64_t n)
{
	for (int i = 0; i < WAIT_MS && atomic_load(&w->relay.drops[why]) < n; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&w->relay.drops[why]), n);
}

/* Packets are counted once they were sent: the receiver may be faster */
static void wait_for_count(const _Atomic uint64_t *count, uint64_t n)
{
	for (int i = 0; i < WAIT_MS && atomic_load(count) < n; i++)
		usleep(1000);
	assert_int_equal(atomic_load(count), n);
}

/* Each packet that was sent is relayed, or dropped for the rate; how many were dropped */
static uint64_t wait_for_rate(struct world *w, uint64_t sent)
{
	uint64_t drops = 0, relayed = 0;

	for (int i = 0; i < WAIT_MS && drops + relayed < sent; i++) {
		usleep(1000);
		drops = atomic_load(&w->relay.drops[NTM_RELAY_DROP_RATE]);
		relayed = atomic_load(&w->relay.packets);
	}
	assert_int_equal(drops + relayed, sent);
	return drops;
}

static void test_between_families_both_ways_in_order(void **state)
{
	struct world *w = *state;
	struct ntm_relay_path *path = directed(w);

	for (int i = 0; i < 50; i++)
		send_data(w->a, &w->rs_addr4, PATH, (uint8_t)i, 1200);
	for (int i = 0; i < 50; i++)
		assert_int_equal(receive(w->b, 1200, WAIT_MS), i);
	for (int i = 0; i < 50; i++)
		send_data(w->b, &w->rs_addr6, PATH, (uint8_t)i, 100 + (size_t)i);
	for (int i = 0; i < 50; i++)
		assert_int_equal(receive(w->a, 100 + (size_t)i, WAIT_MS), i);
	wait_for_count(&path->packets, 100);
}

static void test_drops(void **state)
{
	struct world *w = *state;
	struct ntm_relay_path *path = ntm_relay_add(&w->relay, PATH);

	assert_null(ntm_relay_add(&w->relay, PATH));
	send_data(w->a, &w->rs_addr4, PATH, 1, 100);
	wait_for_drop(w, NTM_RELAY_DROP_SOURCE, 1);
	assert_int_equal(ntm_relay_bind_end(&w->relay, path, 0, &w->a_addr), 0);
	send_data(w->a, &w->rs_addr4, PATH, 1, 100);
	wait_for_drop(w, NTM_RELAY_DROP_UNBOUND, 1);
	assert_int_equal(ntm_relay_bind_end(&w->relay, path, 1, &w->b_addr), 0);
	send_data(w->stranger, &w->rs_addr4, PATH, 1, 100);
	wait_for_drop(w, NTM_RELAY_DROP_SOURCE, 2);
	send_data(w->a, &w->rs_addr4, PATH + 1, 1, 100);
	wait_for_drop(w, NTM_RELAY_DROP_PATH, 1);
	send_data(w->a, &w->rs_addr4, PATH, 1, NTM_WIRE_OVERHEAD - 1);
	wait_for_drop(w, NTM_RELAY_DROP_SHORT, 1);
	assert_int_equal(receive(w->b, 0, 50), -1);
	assert_int_equal(receive(w->a, 0, 0), -1);
}

/* What could not be sent on is a drop, and no packet that was relayed */
static void test_failed_sends(void **state)
{
	struct world *w = *state;
	struct ntm_relay_path *path = directed(w);
	union ntm_addr nowhere = w->b_addr;

	nowhere.v6.sin6_port = 0; /* EINVAL */
	assert_int_equal(ntm_relay_bind_end(&w->relay, path, 1, &nowhere), 0);
	for (int i = 0; i < 20; i++)
		send_data(w->a, &w->rs_addr4, PATH, (uint8_t)i, 200);
	wait_for_drop(w, NTM_RELAY_DROP_SEND, 20);
	assert_int_equal(ntm_relay_bind_end(&w->relay, path, 1, &w->b_addr), 0);
	send_data(w->a, &w->rs_addr4, PATH, 77, 300);
	assert_int_equal(receive(w->b, 300, WAIT_MS), 77);
	wait_for_count(&path->bytes, 300);
	wait_for_count(&path->packets, 1);
	wait_for_count(&w->relay.packets, 1);
	wait_for_count(&w->relay.bytes, 300);
}

static void test_says_that_nobody_cuts(void **state)
{
	struct world *w = *state;
	struct ntm_pipe_event *event = NULL;

	directed(w);
	atomic_store(&w->relay.sock.gso, false);
	send_data(w->a, &w->rs_addr4, PATH, 1, 200);
	assert_int_equal(receive(w->b, 200, WAIT_MS), 1);
	for (int i = 0; i < WAIT_MS && !(event = ntm_pipe_take(&w->relay.events)); i++)
		usleep(1000);
	assert_non_null(event);
	assert_int_equal(event->type, NTM_PIPE_NOTE);
	free(event);
}

/* An end that moves: the old address is nobody's at once; and what was replaced is freed while packets flow */
static void test_moves_and_removal(void **state)
{
	struct world *w = *state;
	struct ntm_relay_path *path = directed(w);
	union ntm_addr elsewhere;
	int moved = open_socket(AF_INET, &elsewhere);

	for (int i = 0; i < 200; i++) {
		const bool home = i % 2;

		assert_int_equal(
			ntm_relay_bind_end(&w->relay, path, 0, home ? &w->a_addr : &elsewhere), 0);
		send_data(home ? w->a : moved, &w->rs_addr4, PATH, (uint8_t)i, 200);
		assert_int_equal(receive(w->b, 200, WAIT_MS), i);
		(void)ntm_relay_collect(&w->relay);
	}
	send_data(moved, &w->rs_addr4, PATH, 1, 200);
	wait_for_drop(w, NTM_RELAY_DROP_SOURCE, 1);
	ntm_relay_remove(&w->relay, path);
	send_data(w->a, &w->rs_addr4, PATH, 1, 200);
	wait_for_drop(w, NTM_RELAY_DROP_PATH, 1);
	while (ntm_relay_collect(&w->relay))
		usleep(1000);
	close(moved);
}

static void test_signalling_goes_to_the_owner(void **state)
{
	struct world *w = *state;
	const uint8_t signal[] = { 1, 2, 3, 4 };
	struct ntm_pipe_event *event = NULL;

	sendto(w->a, signal, sizeof(signal), 0, &w->rs_addr4.sa, ntm_addr_len(&w->rs_addr4));
	for (int i = 0; i < WAIT_MS && !(event = ntm_pipe_take(&w->relay.events)); i++)
		usleep(1000);
	assert_non_null(event);
	assert_int_equal(event->type, NTM_PIPE_SIGNAL);
	assert_int_equal(event->len, sizeof(signal));
	assert_memory_equal(event->data, signal, sizeof(signal));
	assert_true(ntm_addr_equal(&event->addr, &w->a_addr));
	free(event);
}

/* @count packets of 1000 bytes, few enough at a time for the sockets; how many were too much for the rate */
static uint64_t send_many(struct world *w, unsigned int count)
{
	uint64_t drops = 0;

	for (unsigned int i = 1; i <= count; i++) {
		send_data(w->a, &w->rs_addr4, PATH, (uint8_t)i, 1000);
		if (i % 20)
			continue;
		drops = wait_for_rate(w, i);
		while (receive(w->b, 1000, 0) >= 0)
			;
	}
	return drops;
}

/* 400000 bytes a second, of which a quarter may come at once */
static void test_rate(void **state)
{
	struct world *w = *state;
	const uint64_t began = ntm_clock_ms();
	uint64_t drops, most;

	directed(w);
	drops = send_many(w, 400);
	most = 100 + (ntm_clock_ms() - began) * 400 / 1000 + 1;
	assert_in_range(drops, most < 400 ? 400 - most : 0, 300);
	usleep(20000);
	send_data(w->a, &w->rs_addr4, PATH, 77, 1000);
	assert_int_equal(receive(w->b, 1000, WAIT_MS), 77);
}

/* What a path may carry is its own; and an end that is gone gets nothing */
static void test_rate_of_one_path_and_unbinding(void **state)
{
	struct world *w = *state;
	struct ntm_relay_path *path = directed(w);

	ntm_relay_set_rate(path, 1);
	assert_int_equal(send_many(w, 100), 100 - 65);
	ntm_relay_set_rate(path, 0);
	send_data(w->a, &w->rs_addr4, PATH, 77, 1000);
	assert_int_equal(receive(w->b, 1000, WAIT_MS), 77);
	assert_int_equal(ntm_relay_bind_end(&w->relay, path, 1, NULL), 0);
	send_data(w->a, &w->rs_addr4, PATH, 78, 1000);
	wait_for_drop(w, NTM_RELAY_DROP_UNBOUND, 1);
	assert_int_equal(receive(w->b, 1000, 50), -1);
}

/* The slowest rate lets the longest datagram pass, and no other soon */
static void test_rate_of_long_datagrams(void **state)
{
	struct world *w = *state;

	ntm_relay_set_rate(directed(w), 1);
	send_data(w->a, &w->rs_addr4, PATH, 77, LONGEST);
	assert_int_equal(receive(w->b, LONGEST, WAIT_MS), 77);
	send_data(w->a, &w->rs_addr4, PATH, 78, 1000);
	wait_for_drop(w, NTM_RELAY_DROP_RATE, 1);
}

static void test_many_paths(void **state)
{
	struct world *w = *state;

	for (uint32_t id = 1; id <= 20000; id++) {
		struct ntm_relay_path *path = ntm_relay_add(&w->relay, id);

		assert_non_null(path);
		assert_int_equal(ntm_relay_bind_end(&w->relay, path, 0, &w->a_addr), 0);
		assert_int_equal(ntm_relay_bind_end(&w->relay, path, 1, &w->b_addr), 0);
	}
	assert_int_equal(ntm_index_count(&w->relay.paths), 20000);
	for (uint32_t id = 1; id <= 20000; id += 997) {
		send_data(w->a, &w->rs_addr4, id, (uint8_t)id, 300);
		assert_int_equal(receive(w->b, 300, WAIT_MS), (uint8_t)id);
	}
	for (uint32_t id = 2; id <= 20000; id += 2)
		ntm_relay_remove(&w->relay, ntm_relay_find(&w->relay, id));
	assert_int_equal(ntm_index_count(&w->relay.paths), 10000);
	assert_null(ntm_relay_find(&w->relay, 2));
	assert_non_null(ntm_relay_find(&w->relay, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_between_families_both_ways_in_order, alone,
						end),
		cmocka_unit_test_setup_teardown(test_between_families_both_ways_in_order, with_crew,
						end),
		cmocka_unit_test_setup_teardown(test_drops, alone, end),
		cmocka_unit_test_setup_teardown(test_failed_sends, alone, end),
		cmocka_unit_test_setup_teardown(test_failed_sends, with_crew, end),
		cmocka_unit_test_setup_teardown(test_says_that_nobody_cuts, alone, end),
		cmocka_unit_test_setup_teardown(test_moves_and_removal, alone, end),
		cmocka_unit_test_setup_teardown(test_moves_and_removal, with_crew, end),
		cmocka_unit_test_setup_teardown(test_signalling_goes_to_the_owner, alone, end),
		cmocka_unit_test_setup_teardown(test_rate, limited, end),
		cmocka_unit_test_setup_teardown(test_rate_of_one_path_and_unbinding, alone, end),
		cmocka_unit_test_setup_teardown(test_rate_of_long_datagrams, alone, end),
		cmocka_unit_test_setup_teardown(test_many_paths, alone, end),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
