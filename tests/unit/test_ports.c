// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/[a-m]*.c ntmd/node/n[a-np-z]*.c ntmd/node/[o-z]*.c ntmd/pipe/*.c
// wrap: sendto recvfrom recvmmsg
/*
 * The sockets of a search, with a whole node. The peer is at 203.0.113.1, and what goes there and comes from there is looped back, so
 * that it can be read here.
 */
#include <sys/resource.h>

#include "ntm_test.h"
#include "node_test.h"

#define HEARD_MAX 1024

static struct ntm_session bob;
static struct ntm_slot *slot;
static int far = -1;			/* the peer's socket */
static union ntm_addr far_addr;		/* as the DC names it */
static union ntm_addr heard[HEARD_MAX]; /* where probes came from */
static unsigned int heard_count;
static unsigned int calls, probes_sent;
static struct ntm_udp *far_by; /* by which socket something was last sent to the peer */
static uint16_t probed_ports[4096];

ssize_t __real_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len);
ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len);
ssize_t __real_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from_addr,
			socklen_t *from_len);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from_addr,
			socklen_t *from_len);
int __real_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags,
		    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags,
		    struct timespec *timeout);

static void swap(struct sockaddr_in *addr, uint32_t this, uint32_t by)
{
	if (addr->sin_family == AF_INET && addr->sin_addr.s_addr == htonl(this))
		addr->sin_addr.s_addr = htonl(by);
}
#define PEER 0xcb007101 /* 203.0.113.1 */

ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len)
{
	union ntm_addr real = { 0 };

	memcpy(&real, to, to_len < sizeof(real) ? to_len : sizeof(real));
	swap(&real.v4, PEER, INADDR_LOOPBACK);
	return __real_sendto(fd, buf, len, flags, &real.sa, to_len);
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from_addr,
			socklen_t *from_len)
{
	const ssize_t n = __real_recvfrom(fd, buf, len, flags, from_addr, from_len);

	if (n > 0 && from_addr)
		swap((struct sockaddr_in *)from_addr, INADDR_LOOPBACK, PEER);
	return n;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags,
		    struct timespec *timeout)
{
	const int n = __real_recvmmsg(fd, msgs, count, flags, timeout);

	for (int i = 0; i < n; i++)
		swap(msgs[i].msg_hdr.msg_name, INADDR_LOOPBACK, PEER);
	return n;
}

/* What goes by the relay, or to many ports: those of sockets of a search do not come here */
static void test_node_sent(const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	uint32_t path_id;
	struct ntm_msg m;
	bool newest;

	if (packet[0] == NTM_PKT_RELAYED && (packet = ntm_relay_unwrap(packet, &len, &path_id)) &&
	    packet[0] == NTM_PKT_SEALED && bob.local_id &&
	    !ntm_session_open(&bob, packet, len, &m, &newest))
		calls += m.type == NTM_MSG_PORT_SEARCH;
	if (ntm_addr_equal(to, &far_addr))
		far_by = sent_by;
	if (to->v4.sin_addr.s_addr == htonl(PEER) && to->v4.sin_port != far_addr.v4.sin_port)
		probed_ports[probes_sent++ % 4096] = ntohs(to->v4.sin_port);
}

/* Two who see us: at one port, or at different ones */
static void seen(bool differently)
{
	struct ntm_survey *s = &node.survey;

	s->count = 1;
	s->dc_at = from;
	s->dc = test_addr("198.51.100.1:4330");
	s->relays[0].ways[0].addr = rs_addr;
	s->relays[0].ways[0].observed =
		test_addr(differently ? "198.51.100.1:4331" : "198.51.100.1:4330");
	assert_int_equal(ntm_survey_nat(s), differently ? NTM_NAT_DEPENDENT : NTM_NAT_INDEPENDENT);
}

static int open_far(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 1 << 20;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	far_addr = test_addr("203.0.113.1");
	far_addr.v4.sin_port = addr.sin_port;
	return fd;
}

/* Relay bound, handshake by it: as a responder's answer comes */
static uint8_t request[NTM_TUNNEL_PACKET];

static void stand(enum ntm_cand_kind kind, enum ntm_nat nat)
{
	struct ntm_msg direction = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);
	struct ntm_msg payload = { .suite = NTM_SUITE_CHACHA20_POLY1305 };
	uint8_t answer[NTM_TUNNEL_PACKET];
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	int n;

	direction.candidates[direction.candidate_count++] =
		(struct ntm_candidate){ .kind = kind, .addr = far_addr };
	direction.nat = nat;
	NTM_SET(&direction, NAT);
	add_relay(&direction, true);
	assert_true(ntm_setup_direction(&node, &direction));
	slot = ntm_peers_by_path(&node.peers, 1);
	assert_non_null(slot);
	memcpy(request, slot->tunnel.ask.packet, slot->tunnel.ask.len);
	give_bound(1, NTM_RELAY_BOUND, true);
	assert_int_equal(ntm_hs_accept(&hs, &peer_key, request, slot->tunnel.ask.len), 0);
	NTM_SET(&payload, EPOCH);
	NTM_SET(&payload, SUITE);
	n = ntm_hs_answer(&hs, psk, 77, &payload, &keys, answer, sizeof(answer));
	assert_true(n > 0);
	bob = keys.session;
	give_relayed(1, answer, (size_t)n, &rs_addr);
	assert_int_equal(slot->tunnel.state, NTM_TUNNEL_STANDING);
	/* Packets pass, and the burst is over */
	slot->ways.active = true;
	slot->ways.burst_ms = 0;
	for (unsigned int i = slot->ways.relay_count; i < slot->ways.count; i++)
		slot->ways.way[i].burst = 8;
	assert_true(ntm_ways_stuck(&slot->ways, ntm_node_now_us()));
}

/* What the peer hears, and from where */
static unsigned int listen_far(void)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	union ntm_addr source = { 0 };
	socklen_t size = sizeof(source);
	struct ntm_msg m;
	bool newest;
	ssize_t n;

	while ((n = recvfrom(far, packet, sizeof(packet), 0, &source.sa, &size)) > 0) {
		assert_int_equal(ntm_session_open(&bob, packet, (size_t)n, &m, &newest), 0);
		assert_int_equal(m.type, NTM_MSG_PATH_PROBE);
		assert_true(heard_count < HEARD_MAX);
		heard[heard_count++] = source;
		size = sizeof(source);
	}
	return heard_count;
}

static void live(unsigned int for_ms)
{
	const uint64_t until = ntm_node_now_ms() + for_ms;

	while (slot && ntm_node_now_ms() < until) {
		slot->ways.active = true;
		if (ntm_ports_deadline(slot) <= ntm_node_now_ms())
			ntm_ports_tick(&node, slot);
		uv_run(&node.loop, UV_RUN_NOWAIT);
		(void)listen_far();
		usleep(1000);
	}
}

static unsigned int different(void);

/* Until so many sockets have been heard, however busy this machine is */
static void live_until_heard(unsigned int sockets)
{
	for (int i = 0; i < 500 && different() < sockets; i++)
		live(20);
	assert_true(different() >= sockets);
}

static unsigned int different(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < heard_count; i++) {
		unsigned int j = 0;

		while (j < i && !ntm_addr_equal(&heard[i], &heard[j]))
			j++;
		count += j == i;
	}
	return count;
}

static void say(int fd, uint8_t type, const union ntm_addr *to)
{
	struct ntm_msg m = { .type = type, .timestamp = 5 };
	uint8_t packet[NTM_TUNNEL_PACKET];
	int n;

	if (type != NTM_MSG_PORT_SEARCH)
		NTM_SET(&m, TIMESTAMP);
	n = ntm_session_seal(&bob, &m, packet, sizeof(packet));
	assert_true(n > 0);
	if (to)
		assert_int_equal(sendto(fd, packet, (size_t)n, 0, &to->sa, ntm_addr_len(to)), n);
	else
		give_relayed(1, packet, (size_t)n, &rs_addr);
}

static int begin(void **state)
{
	(void)state;
	give_lease();
	share_session();
	far = open_far();
	memset(&node.ports, 0, sizeof(node.ports));
	memset(node.drops, 0, sizeof(node.drops));
	memset(&bob, 0, sizeof(bob));
	dp_socket = far_by = NULL;
	heard_count = calls = probes_sent = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	ntm_setup_close_all(&node, "the test ends");
	slot = NULL;
	assert_int_equal(node.ports.open, 0);
	assert_int_equal(node.ports.own, 0);
	assert_int_equal(node.ports.gate.running, 0);
	for (int i = 0; i < 5; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
	close(far);
	memset(&node.survey, 0, sizeof(node.survey));
	return 0;
}

static void test_opens(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_OPENS);
	live_until_heard(NTM_SEARCH_SOCKETS);
	assert_int_equal(node.ports.open, NTM_SEARCH_SOCKETS);
	for (int i = 0; i < 500 && !calls; i++)
		live(20);
	assert_in_range(calls, 1, 3);
	assert_null(dp_socket);
}

static void test_found(void **state)
{
	union ntm_addr chosen;
	uint64_t before;
	int stranger;

	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	ntm_ports_tick(&node, slot);
	live_until_heard(NTM_SEARCH_SOCKETS);
	chosen = heard[100];
	/* Not from where the DC sees the peer */
	stranger = open_far();
	far_addr = slot->ports.named;
	say(stranger, NTM_MSG_PATH_PROBE, &chosen);
	close(stranger);
	live(50);
	assert_int_equal(node.drops[NTM_NODE_DROP_SESSION], 1);
	assert_null(slot->ports.own);
	/* Nor what nobody has sealed */
	assert_int_equal(sendto(far, "\4\1\0\0nonsense", 12, 0, &chosen.sa, ntm_addr_len(&chosen)),
			 12);
	live(50);
	assert_int_equal(node.drops[NTM_NODE_DROP_SESSION], 2);
	assert_null(slot->ports.own);

	say(far, NTM_MSG_PATH_PROBE, &chosen);
	live(50);
	assert_non_null(slot->ports.own);
	assert_ptr_equal(dp_socket, slot->ports.own);
	assert_false(dp_by_socket); /* the relay knows the node's */
	assert_int_equal(ntm_udp_port(slot->ports.own), ntohs(chosen.v4.sin_port));
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
	assert_int_equal(node.ports.open, 0);
	assert_ptr_equal(ntm_ports_by(slot, &far_addr), slot->ports.own);
	assert_null(ntm_ports_by(slot, &rs_addr));
	assert_ptr_equal(far_by, slot->ports.own); /* the answer left by it */

	/* It is read on, and goes when nothing comes any more */
	slot->ports.heard_ms -= 5000;
	before = slot->ports.heard_ms;
	say(far, NTM_MSG_PATH_PROBE, &chosen);
	live(50);
	assert_non_null(slot->ports.own);
	assert_true(slot->ports.heard_ms > before);
	slot->ports.heard_ms -= 60000;
	ntm_ports_tick(&node, slot);
	assert_null(slot->ports.own);
	assert_null(dp_socket);
}

/* While the path is on it nothing takes it away; to put it there is the peer's word, too */
static void test_kept_while_used(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	ntm_ports_tick(&node, slot);
	live_until_heard(16);
	say(far, NTM_MSG_KEEP_ALIVE, &heard[0]);
	live(50);
	assert_non_null(slot->ports.own);
	assert_true(ntm_addr_equal(&ntm_ways_current(&slot->ways)->addr, &far_addr));
	assert_true(dp_by_socket);
	slot->ports.heard_ms -= 3600000;
	ntm_ports_tick(&node, slot);
	assert_non_null(slot->ports.own);
}

static void test_data_path_refuses(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	ntm_ports_tick(&node, slot);
	live_until_heard(16);
	dp_no_sockets = true;
	say(far, NTM_MSG_PATH_PROBE, &heard[0]);
	live(50);
	dp_no_sockets = false;
	assert_null(slot->ports.own);
	assert_int_equal(slot->tunnel.state, NTM_TUNNEL_STANDING);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
}

/* Only as many as leave half of what may be open to others */
static void test_few_descriptors(void **state)
{
	struct rlimit then, few;

	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &then), 0);
	few = (struct rlimit){ .rlim_cur = 100, .rlim_max = then.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	ntm_ports_tick(&node, slot);
	live_until_heard(50);
	live(100);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &then), 0);
	assert_int_equal(different(), 50);
	assert_int_equal(node.ports.open, 50);
	assert_true(node.ports.told_full);
}

static void test_tunnel_ends(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	ntm_ports_tick(&node, slot);
	live_until_heard(16);
	say(far, NTM_MSG_PATH_PROBE, &heard[3]);
	/* With packets that wait */
	ntm_setup_close_all(&node, "it ends");
	slot = NULL;
	assert_int_equal(node.ports.open, 0);
	uv_run(&node.loop, UV_RUN_NOWAIT);
}

static void test_no_search(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_HOST, NTM_NAT_INDEPENDENT); /* the peer itself says that it is there */
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
	say(-1, NTM_MSG_PORT_SEARCH, NULL);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
}

static void test_no_search_of_two(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_DEPENDENT);
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
	say(-1, NTM_MSG_PORT_SEARCH, NULL);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
}

static void test_idle(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	slot->ways.active = false;
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
	slot->ways.active = true;
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_OPENS);
	slot->ways.active = false;
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
	assert_int_equal(node.ports.open, 0);
}

/* As many as the data path takes */
static void test_no_room(void **state)
{
	(void)state;
	seen(true);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_INDEPENDENT);
	node.ports.own = NTM_DP_SOCKETS;
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
	node.ports.own = 0;
}

static void test_sends(void **state)
{
	const uint64_t begun = ntm_node_now_ms();

	(void)state;
	seen(false);
	stand(NTM_CAND_REFLEXIVE, NTM_NAT_DEPENDENT);
	ntm_ports_tick(&node, slot);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE); /* not before the peer calls */
	say(-1, NTM_MSG_PORT_SEARCH, NULL);
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_SENDS);
	live(300);
	say(-1, NTM_MSG_PORT_SEARCH, NULL); /* again, while it runs */
	for (int i = 0; i < 500 && probes_sent < 40; i++)
		live(20);
	assert_in_range(probes_sent, 40, 4 + (ntm_node_now_ms() - begun) / 5); /* 200 a second */
	assert_int_equal(node.ports.gate.running, 1);
	/* The peer is heard at one of its ports */
	say(far, NTM_MSG_PATH_PROBE, NULL);
	assert_int_equal(slot->ports.search.side,
			 NTM_SEARCH_SENDS); /* by the relay that is no news */
	far_addr.v4.sin_port = htons(probed_ports[7]);
	{
		struct ntm_msg m = { .type = NTM_MSG_PATH_PROBE, .timestamp = 5 };
		uint8_t packet[NTM_TUNNEL_PACKET];
		int n;

		NTM_SET(&m, TIMESTAMP);
		n = ntm_session_seal(&bob, &m, packet, sizeof(packet));
		assert_true(n > 0);
		ntm_node_received(&node, packet, (size_t)n, &far_addr);
	}
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
	say(-1, NTM_MSG_PORT_SEARCH, NULL); /* not again so soon */
	assert_int_equal(slot->ports.search.side, NTM_SEARCH_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_opens, begin, end),
		cmocka_unit_test_setup_teardown(test_found, begin, end),
		cmocka_unit_test_setup_teardown(test_kept_while_used, begin, end),
		cmocka_unit_test_setup_teardown(test_data_path_refuses, begin, end),
		cmocka_unit_test_setup_teardown(test_few_descriptors, begin, end),
		cmocka_unit_test_setup_teardown(test_tunnel_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_no_search, begin, end),
		cmocka_unit_test_setup_teardown(test_no_search_of_two, begin, end),
		cmocka_unit_test_setup_teardown(test_idle, begin, end),
		cmocka_unit_test_setup_teardown(test_no_room, begin, end),
		cmocka_unit_test_setup_teardown(test_sends, begin, end),
	};

	start_node();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
