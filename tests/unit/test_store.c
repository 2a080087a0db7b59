// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/store.c ntmd/dc/store_sqlite.c
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "dc/store.h"

#define NOW 1700000000

struct fixture {
	char directory[64];
	char path[96];
	struct ntm_store *store;
};

static struct ntm_store *open_store(const struct fixture *f)
{
	struct ntm_store *store;
	char error[256] = "";

	if (ntm_store_sqlite.open(&store, f->path, error, sizeof(error)))
		fail_msg("%s", error);
	return store;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/ntm-store-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/store.db", f->directory);
	f->store = open_store(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm", "lock" };
	struct fixture *f = *state;
	char path[128];
	unsigned int i;

	f->store->ops->close(f->store);
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", f->directory, files[i]);
		unlink(path);
	}
	rmdir(f->directory);
	free(f);
	return 0;
}

static int invite(struct ntm_store *store, const char *name, uint8_t token)
{
	struct ntm_store_invite i = { .expires = NOW + 100 };
	size_t failed;

	snprintf(i.name, sizeof(i.name), "%s", name);
	memset(i.token, token, sizeof(i.token));
	return store->ops->invite(store, &i, 1, NOW, &failed);
}

static int bind_node(struct ntm_store *store, const char *name, uint8_t key, uint8_t token,
		     uint32_t v4)
{
	uint8_t bytes[NTM_STORE_TOKEN];
	struct ntm_store_node node = { .has_key = true, .has4 = true, .v4.s_addr = htonl(v4) };

	snprintf(node.name, sizeof(node.name), "%s", name);
	memset(node.key, key, sizeof(node.key));
	memset(bytes, token, sizeof(bytes));
	return store->ops->bind(store, &node, bytes, NOW);
}

static int find(struct ntm_store *store, uint8_t token, int64_t now, struct ntm_store_node *node)
{
	uint8_t bytes[NTM_STORE_TOKEN];

	memset(bytes, token, sizeof(bytes));
	return store->ops->find_token(store, bytes, now, node);
}

static int key_revoked(struct ntm_store *store, uint8_t key)
{
	uint8_t bytes[32];

	memset(bytes, key, sizeof(bytes));
	return store->ops->key_revoked(store, bytes);
}

static void a_token_works_once(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_node node;

	assert_int_equal(invite(f->store, "a.example.net", 1), 0);
	assert_int_equal(find(f->store, 2, NOW, &node), -ENOENT);
	assert_int_equal(find(f->store, 1, NOW + 100, &node), -ENOENT); /* expired */
	assert_int_equal(find(f->store, 1, NOW, &node), 0);
	assert_string_equal(node.name, "a.example.net");
	assert_int_equal(bind_node(f->store, "a.example.net", 9, 1, 1), 0);
	assert_int_equal(find(f->store, 1, NOW, &node), -ENOENT);
	assert_int_equal(bind_node(f->store, "a.example.net", 8, 1, 2), -ENOENT);
	assert_int_equal(f->store->ops->get(f->store, "a.example.net", &node), 0);
	assert_int_equal(node.state, NTM_STORE_ACTIVE);
	assert_int_equal(node.key[0], 9);
	assert_int_equal(node.v4.s_addr, htonl(1));
}

static void names_are_invited_once(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_invite two[2] = { { "b.example.net", { 3 }, NOW + 9 },
					   { "a.example.net", { 4 }, NOW + 9 } };
	struct ntm_store_node node;
	size_t failed;

	assert_int_equal(invite(f->store, "a.example.net", 1), 0);
	assert_int_equal(invite(f->store, "a.example.net", 2), -EEXIST);
	/* All or none. */
	assert_int_equal(f->store->ops->invite(f->store, two, 2, NOW, &failed), -EEXIST);
	assert_int_equal(failed, 1);
	assert_int_equal(f->store->ops->get(f->store, "b.example.net", &node), -ENOENT);
	/* An expired invitation can be renewed. */
	two[1].expires = NOW + 999;
	assert_int_equal(f->store->ops->invite(f->store, &two[1], 1, NOW + 100, &failed), 0);
	assert_int_equal(bind_node(f->store, "a.example.net", 9, 1, 1), -ENOENT);
}

static void a_revoked_name_keeps_its_address_for_a_new_key(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_node node;

	assert_int_equal(invite(f->store, "a.example.net", 1), 0);
	assert_int_equal(bind_node(f->store, "a.example.net", 9, 1, 7), 0);
	assert_int_equal(invite(f->store, "a.example.net", 2), -EEXIST);
	assert_int_equal(f->store->ops->revoke(f->store, "a.example.net"), 0);
	assert_int_equal(f->store->ops->revoke(f->store, "a.example.net"), -EALREADY);
	assert_int_equal(f->store->ops->revoke(f->store, "b.example.net"), -ENOENT);
	assert_int_equal(invite(f->store, "a.example.net", 2), 0);
	assert_int_equal(find(f->store, 2, NOW, &node), 0);
	assert_int_equal(node.v4.s_addr, htonl(7));
	assert_int_equal(node.key[0], 9);
	assert_int_equal(key_revoked(f->store, 9), 0); /* its row says so itself */
	assert_int_equal(bind_node(f->store, "a.example.net", 8, 2, 7), 0);
	assert_int_equal(key_revoked(f->store, 9), 1);
	assert_int_equal(key_revoked(f->store, 8), 0);
	/* The old key comes back under another name. */
	assert_int_equal(invite(f->store, "c.example.net", 3), 0);
	assert_int_equal(bind_node(f->store, "c.example.net", 9, 3, 8), 0);
	assert_int_equal(key_revoked(f->store, 9), 0);
}

static void a_revoked_key_may_move_to_another_name(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_node node;

	assert_int_equal(invite(f->store, "a.example.net", 1), 0);
	assert_int_equal(invite(f->store, "b.example.net", 2), 0);
	assert_int_equal(bind_node(f->store, "a.example.net", 9, 1, 7), 0);
	assert_int_equal(bind_node(f->store, "b.example.net", 9, 2, 8),
			 -EEXIST); /* while it is active */
	assert_int_equal(f->store->ops->revoke(f->store, "a.example.net"), 0);
	assert_int_equal(bind_node(f->store, "b.example.net", 9, 2, 8), 0);
	assert_int_equal(f->store->ops->get(f->store, "a.example.net", &node), 0);
	assert_false(node.has_key);
	assert_int_equal(node.v4.s_addr, htonl(7));
}

static void an_invitation_can_be_taken_back(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_node node;

	assert_int_equal(invite(f->store, "a.example.net", 1), 0);
	assert_int_equal(f->store->ops->revoke(f->store, "a.example.net"), 0);
	assert_int_equal(f->store->ops->get(f->store, "a.example.net", &node), -ENOENT);
	assert_int_equal(bind_node(f->store, "a.example.net", 9, 1, 7), -ENOENT);
}

static void addresses_are_unique(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_node node;

	assert_int_equal(invite(f->store, "a.example.net", 1), 0);
	assert_int_equal(invite(f->store, "b.example.net", 2), 0);
	assert_int_equal(bind_node(f->store, "a.example.net", 9, 1, 7), 0);
	assert_int_equal(bind_node(f->store, "b.example.net", 8, 2, 7), -EEXIST);
	assert_int_equal(find(f->store, 2, NOW, &node), 0); /* rolled back: the token is good */
	assert_int_equal(bind_node(f->store, "b.example.net", 8, 2, 8), 0);
}

static int count_row(void *ctx, const struct ntm_store_node *node)
{
	unsigned int *count = ctx;

	assert_true(node->name[0]);
	(*count)++;
	return 0;
}

static void a_full_disk_costs_the_request_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_node node;
	unsigned int before = 0, after = 0;
	char name[64];
	int i, err = 0;

	/* What SQLite says when write() says ENOSPC. */
	f->store->ops->close(f->store);
	f->store = open_store(f);
	assert_int_equal(sqlite3_exec(((sqlite3 **)(f->store + 1))[0], "PRAGMA max_page_count = 16",
				      NULL, NULL, NULL),
			 0);
	for (i = 0; !err && i < 100000; i++) {
		snprintf(name, sizeof(name), "n%06d.example.net", i);
		err = invite(f->store, name, i);
		if (i > 255)
			fail();
		if (!err) {
			err = bind_node(f->store, name, i, i, i);
			before += !err;
			if (err == -ENOSPC) /* the invitation stands */
				assert_int_equal(find(f->store, i, NOW, &node), 0);
		}
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(f->store->ops->load(f->store, count_row, &after), 0);
	assert_int_equal(before, after);
	assert_int_equal(sqlite3_exec(((sqlite3 **)(f->store + 1))[0],
				      "PRAGMA max_page_count = 1600", NULL, NULL, NULL),
			 0);
	assert_int_equal(invite(f->store, "later.example.net", 254), 0);
}

static void list_goes_by_pages(void **state)
{
	struct fixture *f = *state;
	unsigned int count = 0;

	assert_int_equal(invite(f->store, "c.example.net", 1), 0);
	assert_int_equal(invite(f->store, "a.example.net", 2), 0);
	assert_int_equal(invite(f->store, "b.example.net", 3), 0);
	assert_int_equal(f->store->ops->list(f->store, "", 2, count_row, &count), 0);
	assert_int_equal(count, 2);
	count = 0;
	assert_int_equal(f->store->ops->list(f->store, "b.example.net", 2, count_row, &count), 0);
	assert_int_equal(count, 1);
	count = 0;
	assert_int_equal(f->store->ops->load(f->store, count_row, &count), 0);
	assert_int_equal(count, 0); /* invitations are no nodes yet */
}

/* A child binds nodes, tells each one that is done, and is killed in the midst of it. */
static void bind_until_killed(const struct fixture *f, int first, int pipe_fd)
{
	struct ntm_store *store = open_store(f);
	int i;

	for (i = first;; i++) {
		struct ntm_store_invite inv = { .expires = NOW + 100 };
		struct ntm_store_node node = { .has_key = true,
					       .has4 = true,
					       .v4.s_addr = htonl(i + 1) };
		size_t failed;

		snprintf(inv.name, sizeof(inv.name), "n%d.example.net", i);
		memcpy(inv.token, &i, sizeof(i));
		memcpy(node.name, inv.name, sizeof(node.name));
		memcpy(node.key, &i, sizeof(i));
		if (store->ops->invite(store, &inv, 1, NOW, &failed) ||
		    store->ops->bind(store, &node, inv.token, NOW) ||
		    write(pipe_fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

static void kill_minus_nine_loses_nothing(void **state)
{
	struct fixture *f = *state;
	int round, done = -1, i;

	for (round = 0; round < 20; round++) {
		int fds[2], value, before = done;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (!pid)
			bind_until_killed(f, before + 1 + round, fds[1]);
		close(fds[1]);
		while (done < before + 5 + round &&
		       read(fds[0], &value, sizeof(value)) == sizeof(value))
			done = value;
		usleep(rand() % 3000);
		kill(pid, SIGKILL);
		while (read(fds[0], &value, sizeof(value)) == sizeof(value))
			done = value;
		close(fds[0]);
		waitpid(pid, NULL, 0);
		for (i = before + 1 + round; i <= done; i++) {
			struct ntm_store_node node;
			char name[64];

			snprintf(name, sizeof(name), "n%d.example.net", i);
			assert_int_equal(f->store->ops->get(f->store, name, &node), 0);
			assert_int_equal(node.state, NTM_STORE_ACTIVE);
			assert_int_equal(node.v4.s_addr, htonl(i + 1));
			assert_memory_equal(node.key, &i, sizeof(i));
		}
		done += 1; /* one more may be in the store without having been told */
	}
}

static void only_one_may_have_the_directory(void **state)
{
	struct fixture *f = *state;
	int fd = ntm_store_lock(f->directory);

	assert_true(fd >= 0);
	assert_int_equal(ntm_store_lock(f->directory), -EWOULDBLOCK);
	close(fd);
	fd = ntm_store_lock(f->directory);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ntm_store_lock("/proc/nowhere"), -ENOENT);
}

static void garbage_is_not_opened(void **state)
{
	struct fixture *f = *state;
	struct ntm_store *store;
	char path[128], error[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/lock", f->directory);
	file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", file);
	fclose(file);
	assert_int_equal(ntm_store_sqlite.open(&store, path, error, sizeof(error)), -EUCLEAN);
	assert_null(store);
	assert_non_null(strstr(error, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_token_works_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_are_invited_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_revoked_name_keeps_its_address_for_a_new_key,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_revoked_key_may_move_to_another_name, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_invitation_can_be_taken_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(addresses_are_unique, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_costs_the_request_and_nothing_else,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_goes_by_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kill_minus_nine_loses_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_one_may_have_the_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(garbage_is_not_opened, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
