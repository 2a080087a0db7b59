// SPDX-License-Identifier: GPL-2.0
/* The relay server's configuration: what is taken, what is refused and why. */
/* with: ntmd/rs/config.c */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rs/config.h"

static struct ntm_rs_config config;
static char error[512];

static int load(const char *text)
{
	char path[] = "/tmp/ntm-rs-conf-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	error[0] = '\0';
	err = ntm_rs_config_load(&config, path, error, sizeof(error));
	unlink(path);
	return err;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(load("[rs]\n"), 0);
	assert_int_equal(ntohs(config.listen4.v4.sin_port), 4330);
	assert_int_equal(ntohs(config.listen6.v6.sin6_port), 4330);
	assert_int_equal(config.other_port, 4331);
	assert_int_equal(config.datapath, NTM_RS_AUTO);
	assert_string_equal(config.interface, "ntmr0");
	assert_string_equal(config.state, "/var/lib/ntm-rs");
	assert_int_equal(config.limits.paths, 1000000);
	assert_int_equal(config.limits.node_paths, 4096);
	assert_int_equal(config.limits.path_rate, 0);
}

static void test_all_of_it(void **state)
{
	const union ntm_addr advertised = test_addr("[2001:db8::9]:99");

	(void)state;
	assert_int_equal(load("[rs]\nlisten = 192.0.2.9:1000\nlisten6 = none\nother-port = 2000\n"
			      "advertise = 192.0.2.9, [2001:db8::9]:99\nstate = /s\ncontrol = /c\n"
			      "datapath = kernel\ninterface = r1\nthreads = 3\npaths = 10\n"
			      "node-paths = 5\npath-rate = 1000\nnode-rate = 2000\n"
			      "bandwidth = 3000\nlog-level = debug\n"),
			 0);
	assert_int_equal(config.listen6.sa.sa_family, 0);
	assert_int_equal(config.other_port, 2000);
	assert_int_equal(config.advertise_count, 2);
	assert_true(ntm_addr_equal(&config.advertise[1], &advertised));
	assert_int_equal(config.datapath, NTM_RS_KERNEL);
	assert_int_equal(config.limits.node_paths, 5);
	assert_int_equal(config.limits.node_rate, 2000);
	assert_int_equal(config.bandwidth, 3000);
	/* The other port follows the one that is there */
	assert_int_equal(load("[rs]\nlisten = none\nlisten6 = [::]:7000\n"), 0);
	assert_int_equal(config.other_port, 7001);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"[rs]\nlisten = 2001:db8::1\n",
		"[rs]\nlisten = none\nlisten6 = none\n",
		"[rs]\nother-port = 4330\n",
		"[rs]\nlisten = 0.0.0.0:65535\nlisten6 = none\n",
		"[rs]\nother-port = 0\n",
		"[rs]\nadvertise = 0.0.0.0\n",
		"[rs]\nadvertise = 192.0.2.1,,192.0.2.2\n",
		"[rs]\nstate = here\n",
		"[rs]\ncontrol = there\n",
		"[rs]\ndatapath = tun\n",
		"[rs]\ninterface = a-name-that-is-too-long\n",
		"[rs]\ninterface = a/b\n",
		"[rs]\nthreads = 17\n",
		"[rs]\npaths = 0\n",
		"[rs]\nnode-paths = 0\n",
		"[rs]\npath-rate = -1\n",
		"[rs]\nbandwidth = much\n",
		"[rs]\nlog-level = loud\n",
		"[rs]\ncolour = blue\n",
		"[node]\nport = 1\n",
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (load(bad[i]) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(strlen(error) > 0);
	}
	assert_int_equal(load("[rs]\n\npaths = x\n"), -EINVAL);
	assert_non_null(strstr(error, ":3: "));
	/* What is wrong with two lines names one */
	assert_int_equal(load("[rs]\nlisten = none\nlisten6=none\n"), -EINVAL);
	assert_non_null(strstr(error, ":3: listen6: "));
	assert_int_equal(load("[rs]\nother-port = 4330\n"), -EINVAL);
	assert_non_null(strstr(error, ":2: other-port: "));
	assert_int_equal(load("[rs]\nlisten6 = none\nlisten = 0.0.0.0:65535\n"), -EINVAL);
	assert_non_null(strstr(error, ":3: listen: "));
	assert_int_equal(ntm_rs_config_load(&config, "/nowhere.conf", error, sizeof(error)),
			 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
