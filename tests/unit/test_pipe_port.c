// SPDX-License-Identifier: GPL-2.0
// with: ntmd/pipe/*.c
/* tsan: yes */
/* Paths of a pipe with a socket of their own, which come and go while packets flow (pipe_world.h). */
#include "pipe_world.h"

#include <errno.h>

/* A socket of the owner's, where it is bound, and what the pipe calls it */
static int port_fd;
static union ntm_addr port_addr;
static uint32_t port_id;

/* What was taken has its place until the reader has let go of it, which it does when it gets a processor */
static void give(void)
{
	int err = -ENOSPC;

	port_fd = udp(AF_INET, "127.0.0.1:0", &port_addr);
	for (int i = 0; err == -ENOSPC && i < 500; i++) {
		err = ntm_pipe_port_give(&w.pipe, w.path, port_fd, &port_id);
		if (err)
			usleep(10000);
	}
	assert_int_equal(err, 0);
	assert_true(port_id);
	ntm_pipe_port_use(w.path);
}

static void take(void)
{
	ntm_pipe_port_take(&w.pipe, w.path);
	close(port_fd);
}

/* The port of ours that a packet from the host leaves by */
static uint16_t leaves_by(int fd)
{
	struct virtio_net_hdr vnet = { 0 };
	const size_t len = test_build(&to_peer, buf);
	union ntm_addr from = { 0 };
	socklen_t from_len = sizeof(from);

	host_send(&vnet, buf, len);
	assert_true(readable(fd, 3000));
	assert_int_equal(recvfrom(fd, outer, sizeof(outer), 0, &from.sa, &from_len),
			 len + NTM_WIRE_OVERHEAD);
	return from.sa.sa_family == AF_INET ? from.v4.sin_port : from.v6.sin6_port;
}

static void arrives(int fd, uint64_t ctr, const union ntm_addr *at)
{
	const size_t len = from_peer(&to_peer, inner);
	struct virtio_net_hdr vnet;

	seal_to(outer, 0, ctr, inner, len);
	assert_int_equal(sendto(fd, outer, len + NTM_WIRE_OVERHEAD, 0, &at->sa, ntm_addr_len(at)),
			 len + NTM_WIRE_OVERHEAD);
	assert_int_equal(host_read(&vnet, 3000), len);
	assert_memory_equal(buf, inner, len);
}

static void test_way(void **state)
{
	(void)state;
	assert_int_equal(leaves_by(w.far4), w.near4.v4.sin_port);
	give();
	assert_int_equal(leaves_by(w.far4), port_addr.v4.sin_port);
	arrives(w.far4, 0, &port_addr);
	assert_int_equal(leaves_by(w.far4), port_addr.v4.sin_port);
	assert_null(ntm_pipe_take(&w.pipe.events)); /* the peer is where it was */

	/* What the peer can reach is what answers */
	arrives(w.far4, 1, &w.near4);
	assert_int_equal(leaves_by(w.far4), w.near4.v4.sin_port);
	arrives(w.far4, 2, &port_addr);
	assert_int_equal(leaves_by(w.far4), port_addr.v4.sin_port);

	/* Another family is the pipe's, and the port is there when the path comes back */
	arrives(w.far6, 3, &w.near6);
	free(next_event(NTM_PIPE_MOVED));
	ntm_pipe_port_use(w.path);
	assert_int_equal(leaves_by(w.far6), w.near6.v6.sin6_port);
	arrives(w.far4, 4, &port_addr);
	assert_int_equal(leaves_by(w.far4), port_addr.v4.sin_port);

	take();
	assert_int_equal(leaves_by(w.far4), w.near4.v4.sin_port);
	ntm_paths_collect(&w.pipe.paths);
}

/* Endpoint and port change at once: the new endpoint is never reached by the port of before */
static void test_both(void **state)
{
	(void)state;
	give();
	assert_int_equal(ntm_path_move(&w.pipe.paths, w.path, &w.far4_addr, NULL, false), 0);
	assert_int_equal(leaves_by(w.far4), w.near4.v4.sin_port);
	ntm_pipe_port_use(w.path);
	assert_int_equal(leaves_by(w.far4), port_addr.v4.sin_port);
	take();
}

/* An aggregate from the host leaves by it as one */
static void test_aggregate(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .frag = 0x4000, .ttl = 64, .payload = 50000 };
	const size_t len = test_build(&t, buf);
	const struct virtio_net_hdr vnet = test_gso(buf, len, 1000);
	struct ntm_wire_hdr header;
	union ntm_addr from = { 0 };
	socklen_t from_len = sizeof(from);
	int total = 0, n;

	(void)state;
	give();
	host_send(&vnet, buf, len);
	assert_true(readable(w.far4, 3000));
	assert_true(recvfrom(w.far4, outer, sizeof(outer), MSG_PEEK, &from.sa, &from_len) > 0);
	assert_int_equal(from.v4.sin_port, port_addr.v4.sin_port);
	while (total < 50000 && (n = peer_read(w.far4, &header, 3000)) > 0)
		total += n - 40;
	assert_int_equal(total, 50000);
	take();
}

static void signal_comes(const union ntm_addr *at, uint32_t port)
{
	struct ntm_pipe_event *event;

	assert_int_equal(sendto(w.far4, "\1hello", 6, 0, &at->sa, ntm_addr_len(at)), 6);
	event = next_event(NTM_PIPE_SIGNAL);
	assert_int_equal(event->number, port);
	assert_int_equal(event->len, 6);
	assert_true(ntm_addr_equal(&event->addr, &w.far4_addr));
	free(event);
}

static void test_signal(void **state)
{
	static uint8_t both[200];
	const union ntm_addr near4 = w.near4;
	struct ntm_pipe_event *event;
	uint32_t first;

	(void)state;
	give();
	first = port_id;
	signal_comes(&port_addr, first);
	signal_comes(&w.near4, 0);

	/* Among data, in an aggregate: nobody's path, signalling */
	memset(both, 0, sizeof(both));
	both[0] = 0x80;
	w.near4 = port_addr;
	peer_gso(100, both, sizeof(both));
	w.near4 = near4;
	event = next_event(NTM_PIPE_SIGNAL);
	assert_int_equal(event->number, first);
	assert_int_equal(event->len, 100);
	free(event);
	drops_reach(NTM_PIPE_DROP_PATH, 1);

	take();
	give();
	assert_true(port_id != first);
	signal_comes(&port_addr, port_id);
	take();
}

static bool can_bind(const union ntm_addr *addr)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	const bool can = !bind(fd, &addr->sa, ntm_addr_len(addr));

	close(fd);
	return can;
}

/* Once it is taken nobody reads it, and its descriptor goes as soon as the owner collects */
static void test_taken(void **state)
{
	int fd;

	(void)state;
	give();
	fd = dup(port_fd);
	arrives(w.far4, 0, &port_addr);
	take();
	for (unsigned int ms = 0; ms < 3000; ms++) {
		uint8_t one;

		ntm_paths_collect(&w.pipe.paths);
		assert_int_equal(
			sendto(w.far4, "\1", 1, 0, &port_addr.sa, ntm_addr_len(&port_addr)), 1);
		if (recv(fd, &one, 1, MSG_DONTWAIT) == 1)
			break;
		assert_true(ms < 2999);
		usleep(1000);
	}
	assert_false(can_bind(&port_addr));
	close(fd);
	for (unsigned int ms = 0; ms < 3000 && !can_bind(&port_addr); ms++) {
		ntm_paths_collect(&w.pipe.paths);
		usleep(1000);
	}
	assert_true(can_bind(&port_addr));
}

/* No reader that spins, with a port and after it */
static void test_quiet(void **state)
{
	long before;

	(void)state;
	give();
	arrives(w.far4, 0, &port_addr);
	before = cpu_ms();
	usleep(300000);
	assert_true(cpu_ms() - before < 100);
	take();
	usleep(10000);
	before = cpu_ms();
	usleep(300000);
	assert_true(cpu_ms() - before < 100);
}

static struct ntm_path *another_path(uint32_t id)
{
	struct ntm_inner_peer peer = { .has_v4 = true, .v4 = { 100, 65, 0, (uint8_t)id } };
	struct ntm_path *path;

	assert_int_equal(ntm_paths_add(&w.pipe.paths, htonl(id), &peer, MTU, &path), 0);
	return path;
}

static void test_limit(void **state)
{
	struct ntm_path *paths[NTM_PIPE_PORTS + 1];
	int fds[NTM_PIPE_PORTS + 1];
	union ntm_addr addrs[NTM_PIPE_PORTS + 1];
	uint32_t ids[NTM_PIPE_PORTS + 1];

	(void)state;
	for (unsigned int i = 0; i <= NTM_PIPE_PORTS; i++) {
		paths[i] = another_path(i + 1);
		fds[i] = udp(AF_INET, "127.0.0.1:0", &addrs[i]);
		assert_int_equal(ntm_pipe_port_give(&w.pipe, paths[i], fds[i], &ids[i]),
				 i < NTM_PIPE_PORTS ? 0 : -ENOSPC);
	}
	for (unsigned int i = 0; i < NTM_PIPE_PORTS; i++)
		signal_comes(&addrs[i], ids[i]);
	/* One that takes the place of another does not count */
	assert_int_equal(ntm_pipe_port_give(&w.pipe, paths[0], fds[NTM_PIPE_PORTS], &ids[0]), 0);
	signal_comes(&addrs[NTM_PIPE_PORTS], ids[0]);
	for (unsigned int i = 0; i < NTM_PIPE_PORTS; i++) {
		ntm_pipe_port_take(&w.pipe, paths[i]);
		ntm_paths_remove(&w.pipe.paths, paths[i]);
	}
	for (unsigned int i = 0; i <= NTM_PIPE_PORTS; i++)
		close(fds[i]);
	give();
	signal_comes(&port_addr, port_id);
	take();
}

/* A reader that the pipe's own sockets never let wait looks at the ports all the same, now and then */
static void test_unasked(void **state)
{
	static struct ntm_sock_in in;
	static uint8_t bufs[NTM_SOCK_BATCH * (size_t)NTM_SOCK_SIZE];
	struct ntm_garbage_bin bin = { 0 };
	struct ntm_pipe_ports ports = { .bin = &bin, .kick = -1 };
	struct ntm_pipe_port *port;
	unsigned int reads = 0;
	uint32_t id = 0;

	(void)state;
	open_sockets();
	port_fd = udp(AF_INET, "127.0.0.1:0", &port_addr);
	assert_false(ntm_pipe_ports_any(&ports));
	assert_int_equal(ntm_pipe_ports_add(&ports, port_fd, false, &port), 0);
	assert_true(ntm_pipe_ports_any(&ports));
	assert_int_equal(ntm_pipe_ports_read(&ports, &in, bufs, &id), 0);
	assert_int_equal(sendto(w.far4, "x", 1, 0, &port_addr.sa, ntm_addr_len(&port_addr)), 1);
	while (!ntm_pipe_ports_read(&ports, &in, bufs, &id))
		assert_true(++reads < 100);
	assert_true(reads > 0); /* most reads cost nothing */
	assert_int_equal(in.count, 1);
	assert_int_equal(id, port->id);
	ntm_pipe_ports_remove(&ports, port);
	assert_false(ntm_pipe_ports_any(&ports));
	assert_false(ntm_garbage_collect(&bin));
	close(port_fd);
	assert_true(can_bind(&port_addr));
	ntm_pipe_ports_done(&ports);
	close_sockets();
}

/* IPv4 on a socket of IPv6 is none of a port of IPv4 */
static void test_mapped(void **state)
{
	int off = 0;

	(void)state;
	open_sockets();
	close(w.fd4);
	close(w.fd6);
	w.fd4 = -1;
	w.fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(setsockopt(w.fd6, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	open_pipe(0);
	add_net();
	add_path(&w.far4_addr);
	add_key(0, true);
	(void)leaves_by(w.far4);
	give();
	assert_int_equal(leaves_by(w.far4), port_addr.v4.sin_port);
	take();
	(void)leaves_by(w.far4);
	teardown(NULL);
}

/* Behind all that was sent before, in both directions; it is longer, so that nothing is merged with it */
static const struct test_packet last_one = { .proto = IPPROTO_UDP,
					     .frag = 0x4000,
					     .ttl = 64,
					     .payload = 101 };

static void last_arrives(int fd, uint64_t ctr, const union ntm_addr *at)
{
	const size_t len = from_peer(&last_one, inner);
	struct virtio_net_hdr vnet;
	size_t n;

	seal_to(outer, 0, ctr, inner, len);
	assert_int_equal(sendto(fd, outer, len + NTM_WIRE_OVERHEAD, 0, &at->sa, ntm_addr_len(at)),
			 len + NTM_WIRE_OVERHEAD);
	do {
		n = host_read(&vnet, 3000);
		assert_true(n);
	} while (n != len);
	assert_memory_equal(buf, inner, len);
}

static uint16_t last_leaves_by(int fd)
{
	struct virtio_net_hdr vnet = { 0 };
	const size_t len = test_build(&last_one, buf);
	union ntm_addr from = { 0 };
	socklen_t from_len;
	ssize_t n;

	host_send(&vnet, buf, len);
	do {
		from_len = sizeof(from);
		assert_true(readable(fd, 3000));
		n = recvfrom(fd, outer, sizeof(outer), 0, &from.sa, &from_len);
		assert_true(n > 0);
	} while ((size_t)n != len + NTM_WIRE_OVERHEAD);
	return from.v4.sin_port;
}

/* Given, replaced and taken under traffic both ways, with descriptors closed at once */
static void test_churn(void **state)
{
	struct virtio_net_hdr vnet = { 0 }, got;
	const size_t len = from_peer(&to_peer, inner);
	uint64_t sent = 0;

	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		const int old = port_fd;

		give();
		if (i % 3)
			close(old);
		for (unsigned int n = 0; n < 4; n++) {
			union ntm_addr *at = n & 1 ? &w.near4 : &port_addr;

			seal_to(outer, 0, sent++, inner, len);
			(void)sendto(w.far4, outer, len + NTM_WIRE_OVERHEAD, 0, &at->sa,
				     ntm_addr_len(at));
			host_send(&vnet, buf, test_build(&to_peer, buf));
		}
		if (i % 3 == 2)
			take();
		if (i % 8 == 0)
			ntm_paths_collect(&w.pipe.paths);
		while (host_read(&got, 0))
			;
		while (recv(w.far4, outer, sizeof(outer), MSG_DONTWAIT) > 0)
			;
	}
	give();
	last_arrives(w.far4, sent, &port_addr);
	assert_int_equal(last_leaves_by(w.far4), port_addr.v4.sin_port);
	take();
}

int main(void)
{
	static unsigned int alone, crew = 2;
#define ALONE(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &alone)
#define CREW(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &crew)
	const struct CMUnitTest tests[] = {
		ALONE(test_way),
		CREW(test_way),
		ALONE(test_both),
		ALONE(test_aggregate),
		ALONE(test_signal),
		CREW(test_aggregate),
		ALONE(test_taken),
		ALONE(test_quiet),
		ALONE(test_limit),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_mapped),
		ALONE(test_churn),
		CREW(test_churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
