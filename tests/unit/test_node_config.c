// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/config.c ntmd/node/pins.c ntmd/node/lease.c */
/* ntmd.conf, and the files of the state directory. */
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "node/config.h"
#include "node/pins.h"
#include "common/state.h"

static char dir[] = "/tmp/ntm-test-XXXXXX";
static char file[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/file", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int load(const char *text, struct ntm_node_config *config, char error[512])
{
	write_file(text);
	error[0] = '\0';
	return ntm_node_config_load(config, file, error, 512);
}

static void test_defaults(void **state)
{
	struct ntm_node_config config;
	char error[512];

	(void)state;
	assert_int_equal(load("[node]\n", &config, error), 0);
	assert_string_equal(config.state, "/var/lib/ntmd");
	assert_string_equal(config.control, "/run/ntmd.sock");
	assert_string_equal(config.interface, "ntm0");
	assert_string_equal(config.datapath, "auto");
	assert_int_equal(config.threads, 0);
	assert_string_equal(config.dns, "auto");
	assert_int_equal(config.upstream_count, 0);
	assert_int_equal(config.port, 4330);
	assert_int_equal(config.idle_s, 300);
	assert_int_equal(config.rekey_s, 120);
	assert_int_equal(config.log_level, NTM_LOG_INFO);
	assert_false(config.has_dc);
}

static void test_all_options(void **state)
{
	struct ntm_node_config config;
	char error[512];

	(void)state;
	assert_int_equal(
		load("[node]\nstate = /s\ncontrol = /c.sock\nport = 5000\ndatapath = kernel\ninterface = ntm7\n"
		     "threads = 64\ndns = resolvconf\ndns-upstream = 192.0.2.53  [2001:db8::53]:5353\t2001:db8::54\n"
		     "log-level = debug\nidle-timeout = 60\nrekey-after = 10\ndc = [2001:db8::1]:99\n"
		     "dc-key = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
		     &config, error),
		0);
	assert_string_equal(config.state, "/s");
	assert_string_equal(config.control, "/c.sock");
	assert_string_equal(config.interface, "ntm7");
	assert_string_equal(config.datapath, "kernel");
	assert_int_equal(config.threads, 64);
	assert_string_equal(config.dns, "resolvconf");
	assert_int_equal(config.upstream_count, 3);
	assert_int_equal(ntohs(config.upstream[0].v4.sin_port), 53);
	assert_int_equal(ntohs(config.upstream[1].v6.sin6_port), 5353);
	assert_int_equal(config.upstream[2].v6.sin6_addr.s6_addr[15], 0x54);
	assert_int_equal(config.port, 5000);
	assert_int_equal(config.idle_s, 60);
	assert_int_equal(config.rekey_s, 10);
	assert_int_equal(config.log_level, NTM_LOG_DEBUG);
	assert_true(config.has_dc);
	assert_int_equal(config.dc.addr_count, 1);
	assert_int_equal(ntohs(config.dc.addrs[0].v6.sin6_port), 99);
}

static void test_words(void **state)
{
	static const char *const datapaths[] = { "auto", "kernel", "tun" };
	static const char *const dns[] = { "auto",	 "hook", "resolved", "networkmanager",
					   "resolvconf", "file", "off" };
	struct ntm_node_config config;
	char text[64], error[512];

	(void)state;
	for (size_t i = 0; i < sizeof(datapaths) / sizeof(datapaths[0]); i++) {
		snprintf(text, sizeof(text), "[node]\ndatapath = %s\n", datapaths[i]);
		assert_int_equal(load(text, &config, error), 0);
		assert_string_equal(config.datapath, datapaths[i]);
	}
	for (size_t i = 0; i < sizeof(dns) / sizeof(dns[0]); i++) {
		snprintf(text, sizeof(text), "[node]\ndns = %s\n", dns[i]);
		assert_int_equal(load(text, &config, error), 0);
		assert_string_equal(config.dns, dns[i]);
	}
}

static void test_bad_options(void **state)
{
	static const char *const bad[] = {
		"[node]\nport = 0\n",
		"[node]\nport = 65536\n",
		"[node]\nport = x\n",
		"[node]\nport = -1\n",
		"[node]\nstate = relative\n",
		"[node]\ncontrol =\n",
		"[node]\ndatapath = magic\n",
		"[node]\ndatapath =\n",
		"[node]\nthreads = 65\n",
		"[node]\nthreads = many\n",
		"[node]\ndns = magic\n",
		"[node]\ndns = Auto\n",
		"[node]\ndns-upstream =\n",
		"[node]\ndns-upstream = ns.example.net\n",
		"[node]\ndns-upstream = 192.0.2.1,192.0.2.2\n",
		"[node]\ndns-upstream = 0.0.0.0\n",
		"[node]\ndns-upstream = 192.0.2.1:0\n",
		"[node]\ndns-upstream = 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5\n",
		"[node]\ninterface = a/b\n",
		"[node]\ninterface = much-too-long-name\n",
		"[node]\ninterface = ..\n",
		"[node]\nlog-level = loud\n",
		"[node]\nidle-timeout = 4\n",
		"[node]\nrekey-after = 9\n",
		"[node]\nrekey-after = 121\n",
		"[node]\ndc = nonsense\n",
		"[node]\ndc-key = short\n",
		"[node]\ncolour = blue\n",
		"[dc]\nport = 1\n",
		"[node]\nport = 1\nport = 2\n",
		"[node\nport = 1\n",
	};
	struct ntm_node_config config;
	char error[512], where[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(load(bad[i], &config, error), -EINVAL);
		snprintf(where, sizeof(where), "%s:", file);
		assert_int_equal(strncmp(error, where, strlen(where)), 0);
		assert_true(strtol(error + strlen(where), NULL, 10) > 0); /* FILE:LINE: reason */
	}
	assert_int_equal(load("[node]\ndc = 192.0.2.1:4330\n", &config, error),
			 -EINVAL); /* without its key */
	assert_non_null(strstr(error, "/file:2: dc: "));
	assert_int_equal(
		load("[node]\n# dc =\n\n dc-key = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
		     &config, error),
		-EINVAL);
	assert_non_null(strstr(error, "/file:4: dc-key: "));
	assert_int_equal(ntm_node_config_load(&config, "/nowhere/ntmd.conf", error, sizeof(error)),
			 -ENOENT);
}

/* A node needs no file; one that somebody asked for by its name must be there, see above */
static void test_no_file(void **state)
{
	struct ntm_node_config config;
	char error[512];

	(void)state;
	if (!access(NTM_NODE_CONF, F_OK))
		skip();
	assert_int_equal(ntm_node_config_load(&config, NTM_NODE_CONF, error, sizeof(error)), 0);
	assert_int_equal(config.port, 4330);
	assert_string_equal(config.control, NTM_NODE_CONTROL);
}

static void test_fixed(void **state)
{
	const char *key = "dc-key = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";
	struct ntm_node_config running, wanted;
	char error[512], text[256], fixed[128];

	(void)state;
	assert_int_equal(load("[node]\n", &running, error), 0);
	assert_int_equal(load("[node]\nlog-level = debug\nidle-timeout = 9\nrekey-after = 99\n",
			      &wanted, error),
			 0);
	assert_false(ntm_node_config_fixed(&running, &wanted, fixed, sizeof(fixed)));
	assert_int_equal(load("[node]\ndns = off\nthreads = 2\n", &wanted, error), 0);
	assert_true(ntm_node_config_fixed(&running, &wanted, fixed, sizeof(fixed)));
	assert_string_equal(fixed, "threads, dns");
	snprintf(text, sizeof(text),
		 "[node]\nstate = /s\ncontrol = /c\nport = 1\ninterface = i\ndatapath = tun\n"
		 "threads = 1\ndns = off\ndns-upstream = 192.0.2.1\ndc = 192.0.2.1\n%s",
		 key);
	assert_int_equal(load(text, &wanted, error), 0);
	assert_true(ntm_node_config_fixed(&running, &wanted, fixed, sizeof(fixed)));
	assert_string_equal(
		fixed,
		"state, control, port, interface, datapath, threads, dns, dns-upstream, dc and dc-key");
	snprintf(text, sizeof(text), "[node]\ndns-upstream = 192.0.2.1\ndc = 192.0.2.1\n%s", key);
	assert_int_equal(load(text, &running, error), 0);
	snprintf(text, sizeof(text), "[node]\ndns-upstream = 192.0.2.2\ndc = 192.0.2.2\n%s", key);
	assert_int_equal(load(text, &wanted, error), 0);
	assert_true(ntm_node_config_fixed(&running, &wanted, fixed, sizeof(fixed)));
	assert_string_equal(fixed, "dns-upstream, dc and dc-key");
}

static void test_dc_file(void **state)
{
	struct ntm_join dc = { .addr_count = 2 }, back;
	bool has_token = false;
	struct stat st;

	(void)state;
	assert_int_equal(ntm_addr_parse(&dc.addrs[0], "192.0.2.1:4330", 1), 0);
	assert_int_equal(ntm_addr_parse(&dc.addrs[1], "[2001:db8::1]:77", 1), 0);
	randombytes_buf(dc.dc_key, sizeof(dc.dc_key));
	randombytes_buf(dc.token, sizeof(dc.token));
	unlink(file);
	assert_int_equal(ntm_state_read_dc(file, &back, &has_token), -ENOENT);
	assert_int_equal(ntm_state_write_dc(file, &dc, true), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ntm_state_read_dc(file, &back, &has_token), 0);
	assert_true(has_token);
	assert_int_equal(back.addr_count, 2);
	assert_true(ntm_addr_equal(&back.addrs[1], &dc.addrs[1]));
	assert_memory_equal(back.dc_key, dc.dc_key, sizeof(dc.dc_key));
	assert_memory_equal(back.token, dc.token, sizeof(dc.token));
	assert_int_equal(ntm_state_write_dc(file, &dc, false), 0);
	assert_int_equal(ntm_state_read_dc(file, &back, &has_token), 0);
	assert_false(has_token);
}

static void test_damaged_files(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{}",
		"{\"addresses\": []}",
		"{\"addresses\": [\"x\"], \"key\": \"y\"}",
		"{\"addresses\": [\"192.0.2.1:1\"], \"key\": 7}",
		"{\"name\": \"a.b\", \"zone\": \"b\"}",
		"{\"name\": \"a.b\", \"zone\": \"b\", \"virtual4\": \"10.0.0.1\"}",
		"{\"name\": \"a.b\", \"zone\": \"b\", \"virtual4\": \"10.0.0.1/33\"}",
		"{\"name\": \"A B\", \"zone\": \"b\", \"virtual4\": \"10.0.0.1/8\"}",
	};
	struct ntm_msg lease;
	struct ntm_join dc;
	bool has_token;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(bad[i]);
		assert_int_equal(ntm_state_read_dc(file, &dc, &has_token), -EINVAL);
		assert_int_equal(ntm_state_read_lease(file, &lease), -EINVAL);
	}
}

static void test_lease_file(void **state)
{
	struct ntm_msg lease = { .name = "mn.example.net",
				 .zone = "example.net",
				 .prefix4 = 16,
				 .prefix6 = 64 },
		       back;

	(void)state;
	NTM_SET(&lease, NAME);
	NTM_SET(&lease, ZONE);
	lease.virtual4.s_addr = htonl(0x64400002);
	NTM_SET(&lease, VIRTUAL4);
	assert_int_equal(ntm_state_write_lease(file, &lease), 0);
	assert_int_equal(ntm_state_read_lease(file, &back), 0);
	assert_string_equal(back.name, lease.name);
	assert_string_equal(back.zone, lease.zone);
	assert_int_equal(back.virtual4.s_addr, lease.virtual4.s_addr);
	assert_int_equal(back.prefix4, 16);
	assert_int_equal(back.has, lease.has);
	lease.virtual6.s6_addr[0] = 0xfd;
	NTM_SET(&lease, VIRTUAL6);
	assert_int_equal(ntm_state_write_lease(file, &lease), 0);
	assert_int_equal(ntm_state_read_lease(file, &back), 0);
	assert_memory_equal(&back.virtual6, &lease.virtual6, sizeof(lease.virtual6));
	assert_int_equal(back.prefix6, 64);
	strcpy(lease.peer_zones[0].name, "b.example");
	lease.peer_zones[0].virtual4.s_addr = htonl(0x64410000);
	lease.peer_zones[0].prefix4 = 16;
	lease.peer_zones[0].prefix6 = NTM_NO_PREFIX;
	lease.peer_zone_count = 1;
	NTM_SET(&lease, PEER_ZONE);
	assert_int_equal(ntm_state_write_lease(file, &lease), 0);
	assert_int_equal(ntm_state_read_lease(file, &back), 0);
	assert_int_equal(back.has, lease.has);
	assert_int_equal(back.peer_zone_count, 1);
	assert_string_equal(back.peer_zones[0].name, "b.example");
	assert_int_equal(back.peer_zones[0].virtual4.s_addr, htonl(0x64410000));
	assert_int_equal(back.peer_zones[0].prefix4, 16);
	assert_int_equal(back.peer_zones[0].prefix6, NTM_NO_PREFIX);
}

static const struct ntm_msg no_zones = { .zone = "example.net" };

static void test_pins(void **state)
{
	const uint8_t good[32] = { 1 }, evil[32] = { 2 };
	struct ntm_pins pins;

	(void)state;
	unlink(file);
	assert_int_equal(ntm_pins_open(&pins, file), 0);
	assert_true(ntm_pins_check(&pins, "cn.example.net", good));
	assert_true(ntm_pins_check(&pins, "cn.example.net", evil)); /* nothing is known yet */
	assert_int_equal(ntm_pins_learn(&pins, &no_zones, "cn.example.net", good), 0);
	assert_false(ntm_pins_check(&pins, "cn.example.net", evil));
	assert_int_equal(ntm_pins_learn(&pins, &no_zones, "cn.example.net", evil),
			 0); /* no change */
	assert_int_not_equal(access(file, F_OK), 0);
	assert_int_equal(ntm_pins_write(&pins), 0);
	ntm_pins_close(&pins);

	assert_int_equal(ntm_pins_open(&pins, file), 0);
	assert_true(ntm_pins_check(&pins, "cn.example.net", good));
	assert_int_equal(json_object_size(ntm_pins_refused(&pins)), 0);
	assert_false(ntm_pins_check(&pins, "cn.example.net", evil));
	assert_int_equal(json_object_size(ntm_pins_refused(&pins)), 1);
	assert_int_equal(ntm_pins_forget(&pins, &no_zones, "cn.example.net"), 0);
	assert_int_equal(json_object_size(ntm_pins_refused(&pins)), 0);
	assert_true(ntm_pins_check(&pins, "cn.example.net", evil));
	assert_int_equal(ntm_pins_forget(&pins, &no_zones, "cn.example.net"), -ENOENT);
	ntm_pins_close(&pins);

	write_file("nonsense");
	assert_int_equal(ntm_pins_open(&pins, file), -EINVAL);
}

/* What could not be written, as the disk was full, is written when there is an occasion; else a restart would believe any key */
static void test_pins_written_later(void **state)
{
	const uint8_t good[32] = { 1 }, evil[32] = { 2 };
	char late[80], path[96];
	struct ntm_pins pins;

	(void)state;
	snprintf(late, sizeof(late), "%s/late", dir);
	snprintf(path, sizeof(path), "%s/pins", late);
	assert_int_equal(ntm_pins_open(&pins, path), 0);
	assert_int_equal(ntm_pins_learn(&pins, &no_zones, "cn.example.net", good), 0);
	assert_int_equal(ntm_pins_write(&pins), -ENOENT);
	assert_int_equal(ntm_pins_write(&pins), -ENOENT);
	assert_int_equal(mkdir(late, 0700), 0);
	assert_int_equal(ntm_pins_write(&pins), 0);
	ntm_pins_close(&pins);

	assert_int_equal(ntm_pins_open(&pins, path), 0);
	assert_false(ntm_pins_check(&pins, "cn.example.net", evil));
	ntm_pins_close(&pins);
	unlink(path);
	rmdir(late);
}

/* Names of another zone cost its DC nothing. What is known stays known, or a DC could make us forget before it lies. */
static void test_pins_of_another_zone(void **state)
{
	const uint8_t good[32] = { 1 }, evil[32] = { 2 };
	struct ntm_msg lease = { .zone = "example.net",
				 .peer_zone_count = 2,
				 .peer_zones = { { .name = "b.example" },
						 { .name = "c.example" } } };
	struct ntm_pins pins;
	char name[32];

	(void)state;
	unlink(file);
	assert_int_equal(ntm_pins_open(&pins, file), 0);
	ntm_pins_zones(&pins, &lease);
	for (unsigned int i = 0; i < NTM_PINS_OF_ZONE; i++) {
		snprintf(name, sizeof(name), "n%u.b.example", i);
		assert_int_equal(ntm_pins_learn(&pins, &lease, name, good), 0);
	}
	assert_int_equal(ntm_pins_learn(&pins, &lease, "more.b.example", good), -EDQUOT);
	assert_int_equal(ntm_pins_learn(&pins, &lease, "n0.b.example", good), 0);
	assert_false(ntm_pins_check(&pins, "n0.b.example", evil));
	assert_int_equal(ntm_pins_learn(&pins, &lease, "n0.c.example", good), 0);
	assert_int_equal(ntm_pins_learn(&pins, &lease, "cn.example.net", good), 0);
	assert_int_equal(ntm_pins_write(&pins), 0);
	ntm_pins_close(&pins);

	assert_int_equal(ntm_pins_open(&pins, file), 0);
	ntm_pins_zones(&pins, &lease);
	assert_int_equal(ntm_pins_learn(&pins, &lease, "more.b.example", good), -EDQUOT);
	assert_int_equal(ntm_pins_forget(&pins, &lease, "n0.b.example"), 0);
	assert_int_equal(ntm_pins_learn(&pins, &lease, "more.b.example", good), 0);
	ntm_pins_close(&pins);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_options),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_dc_file),
		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_lease_file),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_pins_written_later),
		cmocka_unit_test(test_pins_of_another_zone),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
