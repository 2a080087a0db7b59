// SPDX-License-Identifier: GPL-2.0
/* Key files: made once, read back, private, whole or not at all. */
#include "ntm_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/keyfile.h"

static char dir[] = "/tmp/ntm-test-keyfile-XXXXXX";
static char path[64], other[64];

static int setup_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/key", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return sodium_init() < 0;
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	rmdir(other);
	return 0;
}

static int teardown_dir(void **state)
{
	(void)state;
	return rmdir(dir); /* fails if a temporary file was left behind */
}

static void put(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_made_once(void **state)
{
	struct ntm_noise_keypair first, second;
	uint8_t public[32];
	struct stat st;

	(void)state;
	assert_int_equal(ntm_keyfile_load(path, &first), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, NTM_KEY_STR);
	assert_int_equal(ntm_keyfile_load(path, &second), 0);
	assert_memory_equal(&first, &second, sizeof(first));
	crypto_scalarmult_base(public, first.secret);
	assert_memory_equal(public, first.public, 32);
}

static void test_others_can_read(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0601, 0660, 0666 };
	struct ntm_noise_keypair pair;

	(void)state;
	assert_int_equal(ntm_keyfile_load(path, &pair), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(ntm_keyfile_load(path, &pair), -EPERM);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(ntm_keyfile_load(path, &pair), 0);
}

static void test_damaged(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ\n",
		"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEA\n",
		"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=\n",
		"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF\n",
		"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\nx",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
		"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEAQEBAQEBAQEBAQEBAQEBAQEBAQ\n",
	};
	struct ntm_noise_keypair pair;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(bad[i], 0600);
		assert_int_equal(ntm_keyfile_load(path, &pair), -EINVAL);
		assert_true(sodium_is_zero((uint8_t *)&pair, sizeof(pair)));
	}
	put("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", 0600);
	assert_int_equal(ntm_keyfile_load(path, &pair), 0);
}

static void test_no_file(void **state)
{
	struct ntm_noise_keypair pair;
	char deep[128];

	(void)state;
	snprintf(deep, sizeof(deep), "%s/none/key", dir);
	assert_int_equal(ntm_keyfile_load(deep, &pair), -ENOENT);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(ntm_keyfile_load(other, &pair), -EINVAL);
	/* A write that fails leaves the old file and no temporary one. */
	assert_int_equal(ntm_keyfile_write(other, "x", 1), -EISDIR);
}

static void test_write(void **state)
{
	char back[8] = { 0 };
	struct stat st;
	int fd;

	(void)state;
	put("old", 0644);
	assert_int_equal(ntm_keyfile_write(path, "new", 3), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), 3);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	assert_string_equal(back, "new");
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_text(void **state)
{
	uint8_t key[32], back[32];
	char text[NTM_KEY_STR];

	(void)state;
	for (int i = 0; i < 100; i++) {
		randombytes_buf(key, 32);
		ntm_key_str(key, text);
		assert_int_equal(strlen(text), NTM_KEY_STR - 1);
		assert_int_equal(ntm_key_parse(text, back), 0);
		assert_memory_equal(key, back, 32);
	}
	text[5] = '+';
	assert_int_equal(ntm_key_parse(text, back), -EINVAL);
	assert_int_equal(ntm_key_parse("", back), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_made_once, clean),
		cmocka_unit_test_teardown(test_others_can_read, clean),
		cmocka_unit_test_teardown(test_damaged, clean),
		cmocka_unit_test_teardown(test_no_file, clean),
		cmocka_unit_test_teardown(test_write, clean),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
