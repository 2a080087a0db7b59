// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/datapath.c ntmd/node/held.c ntmd/node/stubnet.c ntmd/pipe/*.c
/* The paths of the user-space data path, without a device and without threads. */
#include "ntm_test.h"

#include "node/datapath_tun.c" /* NOLINT(bugprone-suspicious-include): a whole one needs a TUN device */

static struct ntm_datapath dp;
static uv_loop_t loop;

static void no_wake(void *ctx)
{
	(void)ctx;
}

static int begin(void **state)
{
	struct ntm_pipe_net net = { .has4 = true, .prefix4 = 16 };

	(void)state;
	memset(&dp, 0, sizeof(dp));
	net.net4.s_addr = htonl(0x64400000);
	ntm_pipe_queue_init(&dp.pipe.events, no_wake, NULL);
	dp.held = ntm_held_new(&held_ops, &dp);
	assert_non_null(dp.held);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(uv_timer_init(&loop, &dp.tick), 0);
	dp.tick.data = &dp;
	assert_int_equal(ntm_paths_init(&dp.pipe.paths), 0);
	return ntm_pipe_net(&dp.pipe, &net);
}

static int end(void **state)
{
	(void)state;
	free(atomic_load(&dp.pipe.net));
	ntm_paths_done(&dp.pipe.paths);
	ntm_pipe_queue_done(&dp.pipe.events);
	ntm_held_free(dp.held);
	uv_close((uv_handle_t *)&dp.tick, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static const struct in_addr virt = { .s_addr = 0x02004064 }; /* 100.64.0.2 */

static int set_path(uint32_t id, const char *peer, uint8_t suite)
{
	const union ntm_addr addr = test_addr(peer);
	const struct ntm_dp_keys keys = { .suite = suite };

	return tun_path_set(
		&dp, &(struct ntm_dp_path){
			     .path_id = id, .virtual4 = &virt, .peer = &addr, .keys = &keys });
}

/* One that is refused, whatever for, is not there, and is in nobody's way */
static void test_a_path_that_is_refused(void **state)
{
	(void)state;
	assert_int_equal(set_path(1, "100.64.0.9:4330", NTM_SUITE_CHACHA20_POLY1305),
			 -EADDRNOTAVAIL);
	assert_null(path_of(&dp, 1));
	assert_int_equal(set_path(1, "192.0.2.1:4330", 31), -EOPNOTSUPP);
	assert_null(path_of(&dp, 1));
	assert_int_equal(set_path(2, "192.0.2.1:4330", NTM_SUITE_CHACHA20_POLY1305), 0);
	/* Its addresses are another's: that one stays */
	assert_int_equal(set_path(3, "192.0.2.2:4330", NTM_SUITE_CHACHA20_POLY1305), -EEXIST);
	assert_non_null(path_of(&dp, 2));
}

/* What a path has already is not lost by a change that is refused */
static void test_a_change_that_is_refused(void **state)
{
	(void)state;
	assert_int_equal(set_path(2, "192.0.2.1:4330", NTM_SUITE_CHACHA20_POLY1305), 0);
	assert_int_equal(set_path(2, "100.64.0.9:4330", NTM_SUITE_CHACHA20_POLY1305),
			 -EADDRNOTAVAIL);
	assert_non_null(path_of(&dp, 2));
	assert_int_equal(tun_path_del(&dp, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_path_that_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_a_change_that_is_refused, begin, end),
	};

	if (sodium_init() < 0)
		return 1;
	ntm_log_init("test", NTM_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
