// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/[a-m]*.c ntmd/node/n[a-np-z]*.c ntmd/node/[o-z]*.c ntmd/pipe/*.c
// wrap: clock_gettime timerfd_create timerfd_settime
/* A whole node on a machine that sleeps: CLOCK_BOOTTIME goes on then, and CLOCK_MONOTONIC does not. */
#include "ntm_test.h"
#include "node_test.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "common/clock.h"
#include "pipe/pipe.h"

static uint64_t slept_s;
static int timer_fd = -1; /* an eventfd; -1: the kernel's own timers */
static unsigned int registrations;
static uint8_t request[NTM_SEALED_MAX];
static size_t request_len;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __real_timerfd_create(int id, int flags);
int __wrap_timerfd_create(int id, int flags);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	const int err = __real_clock_gettime(id, now);

	if (id == CLOCK_BOOTTIME)
		now->tv_sec += (time_t)slept_s;
	return err;
}

int __wrap_timerfd_create(int id, int flags)
{
	return timer_fd >= 0 ? timer_fd : __real_timerfd_create(id, flags);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	return fd == timer_fd ? 0 : __real_timerfd_settime(fd, flags, new, old);
}

static void test_node_sent(const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct ntm_msg m;
	bool newest;

	(void)to;
	if (packet[0] == NTM_PKT_TUNNEL_REQUEST) {
		memcpy(request, packet, len);
		request_len = len;
	}
	if (packet[0] == NTM_PKT_SEALED && !ntm_session_open(&dc_side, packet, len, &m, &newest))
		registrations += m.type == NTM_MSG_REGISTRATION_REQUEST;
}

static void turn(void)
{
	for (int i = 0; i < 5; i++)
		uv_run(&node.loop, UV_RUN_NOWAIT);
}

static int begin(void **state)
{
	(void)state;
	give_lease();
	share_session();
	slept_s = 0;
	registrations = 0;
	timer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(timer_fd >= 0);
	assert_int_equal(ntm_clock_watch(&node.clock_watch, &node.loop, slept, &node), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ntm_setup_close_all(&node, "the test ends");
	ntm_clock_unwatch(node.clock_watch);
	turn();
	return 0;
}

/* Or the time of day was set; the kernel says the same of both */
static void wake_up(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(timer_fd, &one, sizeof(one)), sizeof(one));
	turn();
}

static void bring_up_bob(void)
{
	const struct ntm_msg bob = test_direction("bob.example.net", 1, NTM_ROLE_INITIATOR);
	struct ntm_msg payload = { .suite = NTM_SUITE_CHACHA20_POLY1305 };
	uint8_t answer[NTM_TUNNEL_PACKET];
	struct ntm_hs_keys keys;
	struct ntm_hs_resp hs;
	int n;

	assert_true(ntm_setup_direction(&node, &bob));
	assert_int_equal(ntm_hs_accept(&hs, &peer_key, request, request_len), 0);
	NTM_SET(&payload, EPOCH);
	NTM_SET(&payload, SUITE);
	n = ntm_hs_answer(&hs, psk, 77, &payload, &keys, answer, sizeof(answer));
	assert_true(n > 0);
	give(answer, (size_t)n);
	assert_int_equal(ntm_peers_by_path(&node.peers, 1)->tunnel.state, NTM_TUNNEL_STANDING);
}

/* What the data path refuses to send, the tunnel must not call alive */
static void test_one_clock(void **state)
{
	static const uint8_t bytes[32];
	struct ntm_pipe_key *key =
		ntm_pipe_key_new(NTM_SUITE_CHACHA20_POLY1305, 0, bytes, bytes, 1);
	const uint64_t before = ntm_node_now_ms();

	(void)state;
	assert_non_null(key);
	assert_false(ntm_pipe_key_expired(key, ntm_clock_ms()));
	slept_s = NTM_TUNNEL_EXPIRE_MS / 1000;
	assert_in_range(ntm_node_now_ms() - before, NTM_TUNNEL_EXPIRE_MS,
			NTM_TUNNEL_EXPIRE_MS + 5000);
	assert_in_range(ntm_clock_ms() - before, NTM_TUNNEL_EXPIRE_MS, NTM_TUNNEL_EXPIRE_MS + 5000);
	assert_true(ntm_pipe_key_expired(key, ntm_clock_ms()));
	ntm_pipe_key_free(key);
}

static void test_awake_again(void **state)
{
	(void)state;
	bring_up_bob();
	slept_s = NTM_TUNNEL_EXPIRE_MS / 1000;
	wake_up();
	assert_null(ntm_peers_by_path(&node.peers, 1)); /* the next packet brings a new one */
	assert_int_equal(registrations, 1);
	wake_up();
	assert_int_equal(registrations, 1);
}

static void test_time_of_day_is_set(void **state)
{
	(void)state;
	bring_up_bob();
	wake_up();
	assert_non_null(ntm_peers_by_path(&node.peers, 1));
	assert_int_equal(registrations, 0);
}

/* The kernel has such timers */
static void test_kernel_tells(void **state)
{
	struct ntm_clock_watch *watch = NULL;

	(void)state;
	timer_fd = -1; /* closed with its watch */
	assert_int_equal(ntm_clock_watch(&watch, &node.loop, slept, &node), 0);
	ntm_clock_unwatch(watch);
	turn();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_clock, begin, end),
		cmocka_unit_test_setup_teardown(test_awake_again, begin, end),
		cmocka_unit_test_setup_teardown(test_time_of_day_is_set, begin, end),
	};
	const struct CMUnitTest with_kernel[] = { cmocka_unit_test(test_kernel_tells) };

	if (sodium_init() < 0)
		return 1;
	start_node();
	return cmocka_run_group_tests(tests, NULL, NULL) ||
	       cmocka_run_group_tests(with_kernel, NULL, NULL);
}
