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
#include "dc_files.h"

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
	struct fixture *f = *state;

	f->store->ops->close(f->store);
	assert_int_equal(remove_dc_files(f->directory), 0);
	free(f);
	return 0;
}

static int invite_as(struct ntm_store *store, const char *name, enum ntm_kind kind, uint8_t token)
{
	struct ntm_store_invite i = { .kind = kind, .expires = NOW + 100 };
	size_t failed;

	snprintf(i.name, sizeof(i.name), "%s", name);
	memset(i.token, token, sizeof(i.token));
	return store->ops->invite(store, &i, 1, NOW, &failed);
}

static int invite(struct ntm_store *store, const char *name, uint8_t token)
{
	return invite_as(store, name, NTM_KIND_NODE, token);
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
	struct ntm_store_invite two[2] = { { "b.example.net", NTM_KIND_NODE, { 3 }, NOW + 9 },
					   { "a.example.net", NTM_KIND_NODE, { 4 }, NOW + 9 } };
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
	assert_int_equal(f->store->ops->list(f->store, NTM_KIND_NODE, "", 2, count_row, &count), 0);
	assert_int_equal(count, 2);
	count = 0;
	assert_int_equal(f->store->ops->list(f->store, NTM_KIND_NODE, "b.example.net", 2, count_row,
					     &count),
			 0);
	assert_int_equal(count, 1);
	count = 0;
	assert_int_equal(f->store->ops->load(f->store, count_row, &count), 0);
	assert_int_equal(count, 0); /* invitations are no nodes yet */
}

static void a_name_is_of_one_kind_for_good(void **state)
{
	struct fixture *f = *state;
	struct ntm_store_node node;
	unsigned int count = 0;

	assert_int_equal(invite_as(f->store, "r.example.net", NTM_KIND_RELAY, 1), 0);
	assert_int_equal(invite(f->store, "a.example.net", 2), 0);
	assert_int_equal(find(f->store, 1, NOW, &node), 0);
	assert_int_equal(node.kind, NTM_KIND_RELAY);
	assert_int_equal(find(f->store, 2, NOW, &node), 0);
	assert_int_equal(node.kind, NTM_KIND_NODE);
	assert_int_equal(bind_node(f->store, "r.example.net", 9, 1, 1), 0);
	assert_int_equal(f->store->ops->revoke(f->store, "r.example.net"), 0);
	assert_int_equal(invite_as(f->store, "r.example.net", NTM_KIND_NODE, 3), -EEXIST);
	assert_int_equal(invite_as(f->store, "r.example.net", NTM_KIND_RELAY, 3), 0);
	assert_int_equal(f->store->ops->list(f->store, NTM_KIND_RELAY, "", 9, count_row, &count),
			 0);
	assert_int_equal(count, 1);
	count = 0;
	assert_int_equal(f->store->ops->list(f->store, NTM_KIND_NODE, "", 9, count_row, &count), 0);
	assert_int_equal(count, 1);
	/* An invitation that nobody used is not for good. */
	assert_int_equal(f->store->ops->revoke(f->store, "a.example.net"), 0);
	assert_int_equal(invite_as(f->store, "a.example.net", NTM_KIND_RELAY, 4), 0);
}

/* A store as the first version of ntm-dc made it: a node, a revoked one and an invitation. */
static void write_version_1(const char *path)
{
	static const char text[] =
		"PRAGMA journal_mode=WAL;"
		"CREATE TABLE node (name TEXT PRIMARY KEY NOT NULL, state INTEGER NOT NULL, key BLOB UNIQUE,"
		" v4 BLOB UNIQUE, v6 BLOB UNIQUE, token BLOB UNIQUE, expires INTEGER NOT NULL DEFAULT 0,"
		" created INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
		"CREATE TABLE revoked_key (key BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;"
		"INSERT INTO node VALUES ('a.example.net', 1, zeroblob(32), x'64400002', NULL, NULL, 0, 1, 5);"
		"INSERT INTO node VALUES ('b.example.net', 2, NULL, x'64400003', NULL, NULL, 0, 1, 6);"
		"INSERT INTO node VALUES ('c.example.net', 0, NULL, NULL, NULL,"
		" x'0707070707070707070707070707070707070707070707070707070707070707', 1700000099, 1, 0);"
		"INSERT INTO revoked_key VALUES"
		" (x'0909090909090909090909090909090909090909090909090909090909090909', 'b.example.net');"
		"PRAGMA user_version = 1;";
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void check_version_1(struct ntm_store *store)
{
	struct ntm_store_node node;
	unsigned int count = 0;

	assert_int_equal(store->ops->list(store, NTM_KIND_NODE, "", 9, count_row, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(store->ops->get(store, "a.example.net", &node), 0);
	assert_int_equal(node.kind, NTM_KIND_NODE);
	assert_int_equal(node.state, NTM_STORE_ACTIVE);
	assert_true(node.has_key && node.has4 && !node.has6 && !node.has_token);
	assert_int_equal(node.v4.s_addr, htonl(0x64400002));
	assert_int_equal(node.seen, 5);
	assert_int_equal(store->ops->get(store, "b.example.net", &node), 0);
	assert_int_equal(node.state, NTM_STORE_REVOKED);
	assert_int_equal(find(store, 7, NOW, &node), 0);
	assert_string_equal(node.name, "c.example.net");
	assert_int_equal(key_revoked(store, 9), 1);
}

static void fresh_file(struct fixture *f)
{
	char path[128];
	int i;

	f->store->ops->close(f->store);
	f->store = NULL;
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, i ? i > 1 ? "-shm" : "-wal" : "");
		unlink(path);
	}
	write_version_1(f->path);
}

static void an_old_store_opens_and_keeps_everything(void **state)
{
	struct fixture *f = *state;
	int i;

	fresh_file(f);
	for (i = 0; i < 3; i++) {
		f->store = open_store(f);
		check_version_1(f->store);
		if (i < 2)
			f->store->ops->close(f->store);
	}
	assert_int_equal(invite_as(f->store, "r.example.net", NTM_KIND_RELAY, 3), 0);
}

struct seen_zones {
	unsigned int count;
	char names[8][NTM_NAME_MAX + 1];
	uint8_t keys[8][32];
};

static int see_zone(void *ctx, const char *name, const uint8_t key[32])
{
	struct seen_zones *seen = ctx;

	strcpy(seen->names[seen->count], name);
	memcpy(seen->keys[seen->count++], key, 32);
	return 0;
}

static void keys_of_zones_are_kept_until_they_are_forgotten(void **state)
{
	struct fixture *f = *state;
	uint8_t key[32] = { 1 }, other[32] = { 2 };
	struct seen_zones seen = { .count = 0 };

	assert_int_equal(f->store->ops->pin_zone(f->store, "b.example", key, NOW), 0);
	assert_int_equal(f->store->ops->pin_zone(f->store, "c.example", other, NOW), 0);
	assert_int_equal(f->store->ops->pin_zone(f->store, "b.example", other, NOW), -EEXIST);
	f->store->ops->close(f->store);
	f->store = open_store(f);
	assert_int_equal(f->store->ops->load_zones(f->store, see_zone, &seen), 0);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.names[0], "b.example");
	assert_memory_equal(seen.keys[0], key, 32);
	assert_memory_equal(seen.keys[1], other, 32);
	assert_int_equal(f->store->ops->forget_zone(f->store, "b.example"), 0);
	assert_int_equal(f->store->ops->forget_zone(f->store, "b.example"), -ENOENT);
	assert_int_equal(f->store->ops->pin_zone(f->store, "b.example", other, NOW), 0);
	seen.count = 0;
	assert_int_equal(f->store->ops->load_zones(f->store, see_zone, &seen), 0);
	assert_int_equal(seen.count, 2);
	assert_memory_equal(seen.keys[0], other, 32);
}

/* Killed at any moment of the migration: the next start finishes it. */
static void a_migration_survives_kill_minus_nine(void **state)
{
	struct fixture *f = *state;
	int round;

	for (round = 0; round < 30; round++) {
		pid_t pid;

		fresh_file(f);
		pid = fork();
		if (!pid) {
			open_store(f);
			_exit(0);
		}
		usleep(rand() % 4000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		f->store = open_store(f);
		check_version_1(f->store);
	}
}

static void a_newer_store_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct ntm_store *store;
	char error[256] = "";

	assert_int_equal(sqlite3_exec(((sqlite3 **)(f->store + 1))[0], "PRAGMA user_version = 99",
				      NULL, NULL, NULL),
			 0);
	assert_int_equal(ntm_store_sqlite.open(&store, f->path, error, sizeof(error)),
			 -EPROTONOSUPPORT);
	assert_non_null(strstr(error, "newer version"));
	assert_int_equal(sqlite3_exec(((sqlite3 **)(f->store + 1))[0], "PRAGMA user_version = -3",
				      NULL, NULL, NULL),
			 0);
	assert_int_equal(ntm_store_sqlite.open(&store, f->path, error, sizeof(error)), -EUCLEAN);
	assert_non_null(strstr(error, "not a store"));
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
		cmocka_unit_test_setup_teardown(a_name_is_of_one_kind_for_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keys_of_zones_are_kept_until_they_are_forgotten,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_old_store_opens_and_keeps_everything, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_migration_survives_kill_minus_nine, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_newer_store_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kill_minus_nine_loses_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_one_may_have_the_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(garbage_is_not_opened, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
