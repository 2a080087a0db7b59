// SPDX-License-Identifier: GPL-2.0
/*
 * The store in one SQLite file, write-ahead log, synchronous=FULL: a COMMIT that returned is on the disk. Every change is
 * one transaction; whatever fails in it is rolled back, so a full disk costs the one request and nothing else.
 */
#include "dc/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * From one version of the schema to the next; a new file takes all the steps. Each is one transaction with its version
 * number, so that a step that was interrupted has not begun. Never change one that was released: add another.
 */
static const char *const steps[] = {
	"CREATE TABLE IF NOT EXISTS node ("
	" name TEXT PRIMARY KEY NOT NULL,"
	" state INTEGER NOT NULL,"
	" key BLOB UNIQUE,"
	" v4 BLOB UNIQUE,"
	" v6 BLOB UNIQUE,"
	" token BLOB UNIQUE,"
	" expires INTEGER NOT NULL DEFAULT 0,"
	" created INTEGER NOT NULL,"
	" seen INTEGER NOT NULL DEFAULT 0"
	") WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS revoked_key ("
	" key BLOB PRIMARY KEY NOT NULL,"
	" name TEXT NOT NULL"
	") WITHOUT ROWID;",

	/* 2: relay servers */
	"ALTER TABLE node ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;",

	/* 3: the keys of other zones' coordinators */
	"CREATE TABLE zone ("
	" name TEXT PRIMARY KEY NOT NULL,"
	" key BLOB NOT NULL,"
	" met INTEGER NOT NULL"
	") WITHOUT ROWID;",
};

#define SCHEMA_VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	LIST,
	LOAD,
	GET,
	INVITE_NEW,
	INVITE_AGAIN,
	FIND_TOKEN,
	OLD_KEY,
	FORGET_KEY,
	UNREVOKE_KEY,
	BIND,
	SET_ADDRESSES,
	REVOKE_ACTIVE,
	REVOKE_INVITE,
	KEY_REVOKED,
	SET_SEEN,
	LOAD_ZONES,
	PIN_ZONE,
	FORGET_ZONE,
	STATEMENTS,
};

#define COLUMNS "name, state, key, v4, v6, token IS NOT NULL, expires, seen, kind"

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[LIST] = "SELECT " COLUMNS
		 " FROM node WHERE name > ?1 AND kind = ?3 ORDER BY name LIMIT ?2",
	[LOAD] = "SELECT " COLUMNS
		 " FROM node WHERE key IS NOT NULL OR v4 IS NOT NULL OR v6 IS NOT NULL",
	[GET] = "SELECT " COLUMNS " FROM node WHERE name = ?1",
	[INVITE_NEW] =
		"INSERT INTO node (name, state, token, expires, created, kind) VALUES (?1, 0, ?2, ?3, ?4, ?5)"
		" ON CONFLICT (name) DO NOTHING",
	[INVITE_AGAIN] = "UPDATE node SET token = ?2, expires = ?3, kind = ?5 WHERE name = ?1 AND"
			 " ((state = 2 AND kind = ?5) OR state = 0)"
			 " AND (token IS NULL OR expires <= ?4)",
	[FIND_TOKEN] = "SELECT " COLUMNS " FROM node WHERE token = ?1 AND expires > ?2",
	[OLD_KEY] = "INSERT OR REPLACE INTO revoked_key SELECT key, name FROM node"
		    " WHERE name = ?1 AND key IS NOT NULL AND key <> ?2",
	[FORGET_KEY] = "UPDATE node SET key = NULL WHERE key = ?1 AND state = 2",
	[UNREVOKE_KEY] = "DELETE FROM revoked_key WHERE key = ?1",
	[BIND] =
		"UPDATE node SET state = 1, key = ?2, v4 = ?3, v6 = ?4, seen = ?5, token = NULL, expires = 0"
		" WHERE name = ?1 AND token = ?6",
	[SET_ADDRESSES] = "UPDATE node SET v4 = ?2, v6 = ?3 WHERE name = ?1",
	[REVOKE_ACTIVE] = "UPDATE node SET state = 2, token = NULL, expires = 0"
			  " WHERE name = ?1 AND (state = 1 OR token IS NOT NULL)",
	[REVOKE_INVITE] = "DELETE FROM node WHERE name = ?1 AND state = 0",
	[KEY_REVOKED] = "SELECT 1 FROM revoked_key WHERE key = ?1",
	[SET_SEEN] = "UPDATE node SET seen = ?2 WHERE name = ?1",
	[LOAD_ZONES] = "SELECT name, key FROM zone",
	[PIN_ZONE] = "INSERT INTO zone (name, key, met) VALUES (?1, ?2, ?3)",
	[FORGET_ZONE] = "DELETE FROM zone WHERE name = ?1",
};

struct sqlite_store {
	struct ntm_store base;
	sqlite3 *db;
	sqlite3_stmt *stmt[STATEMENTS];
};

static int errno_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

static void bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
	sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *stmt, int index, const void *data, size_t len)
{
	if (data)
		sqlite3_bind_blob(stmt, index, data, len, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, index);
}

/* Run a statement that gives no rows. */
static int run(struct sqlite_store *s, enum statement which)
{
	int rc = sqlite3_step(s->stmt[which]);

	sqlite3_reset(s->stmt[which]);
	sqlite3_clear_bindings(s->stmt[which]);
	return errno_of(rc);
}

static int commit(struct sqlite_store *s, int err)
{
	if (!err)
		err = run(s, COMMIT);
	/* SQLite may have rolled back by itself; then this says so and does nothing. */
	if (err && !sqlite3_get_autocommit(s->db))
		run(s, ROLLBACK);
	return err;
}

/*
 * Where the disk is full, the log may be what fills it: move it into the database, and cut it off. Worth another try of
 * what failed, if it helps.
 */
static bool made_room(struct sqlite_store *s, int err)
{
	return err == -ENOSPC && sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
							   NULL, NULL) == SQLITE_OK;
}

static bool column_blob(sqlite3_stmt *stmt, int column, void *out, int len)
{
	const void *data = sqlite3_column_blob(stmt, column);

	if (!data || sqlite3_column_bytes(stmt, column) != len)
		return false;
	memcpy(out, data, len);
	return true;
}

static void read_row(sqlite3_stmt *stmt, struct ntm_store_node *node)
{
	const char *name = (const char *)sqlite3_column_text(stmt, 0);

	memset(node, 0, sizeof(*node));
	snprintf(node->name, sizeof(node->name), "%s", name ? name : "");
	node->state = sqlite3_column_int(stmt, 1);
	node->has_key = column_blob(stmt, 2, node->key, sizeof(node->key));
	node->has4 = column_blob(stmt, 3, &node->v4, sizeof(node->v4));
	node->has6 = column_blob(stmt, 4, &node->v6, sizeof(node->v6));
	node->has_token = sqlite3_column_int(stmt, 5);
	node->expires = sqlite3_column_int64(stmt, 6);
	node->seen = sqlite3_column_int64(stmt, 7);
	node->kind = sqlite3_column_int(stmt, 8);
}

/* Run a statement with rows, and hand them on. */
static int walk(struct sqlite_store *s, enum statement which, ntm_store_row_fn *fn, void *ctx)
{
	sqlite3_stmt *stmt = s->stmt[which];
	struct ntm_store_node node;
	int err = 0, rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		read_row(stmt, &node);
		err = fn(ctx, &node);
		if (err)
			break;
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return err ? err : errno_of(rc);
}

static int copy_row(void *ctx, const struct ntm_store_node *node)
{
	memcpy(ctx, node, sizeof(*node));
	return 0;
}

/* The one row of a statement, or -ENOENT. */
static int one(struct sqlite_store *s, enum statement which, struct ntm_store_node *node)
{
	int err;

	memset(node, 0, sizeof(*node));
	err = walk(s, which, copy_row, node);
	return err || node->name[0] ? err : -ENOENT;
}

static int op_list(struct ntm_store *store, enum ntm_kind kind, const char *after,
		   unsigned int limit, ntm_store_row_fn *fn, void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)store;

	bind_text(s->stmt[LIST], 1, after);
	sqlite3_bind_int64(s->stmt[LIST], 2, limit);
	sqlite3_bind_int(s->stmt[LIST], 3, kind);
	return walk(s, LIST, fn, ctx);
}

static int op_load(struct ntm_store *store, ntm_store_row_fn *fn, void *ctx)
{
	return walk((struct sqlite_store *)store, LOAD, fn, ctx);
}

static int op_get(struct ntm_store *store, const char *name, struct ntm_store_node *node)
{
	struct sqlite_store *s = (struct sqlite_store *)store;

	bind_text(s->stmt[GET], 1, name);
	return one(s, GET, node);
}

static int invite_one(struct sqlite_store *s, const struct ntm_store_invite *invite, int64_t now)
{
	enum statement tries[] = { INVITE_NEW, INVITE_AGAIN };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		sqlite3_stmt *stmt = s->stmt[tries[i]];
		int err;

		bind_text(stmt, 1, invite->name);
		bind_blob(stmt, 2, invite->token, sizeof(invite->token));
		sqlite3_bind_int64(stmt, 3, invite->expires);
		sqlite3_bind_int64(stmt, 4, now);
		sqlite3_bind_int(stmt, 5, invite->kind);
		err = run(s, tries[i]);
		if (err || sqlite3_changes(s->db))
			return err;
	}
	return -EEXIST;
}

static int invite_once(struct ntm_store *store, const struct ntm_store_invite *invites,
		       size_t count, int64_t now, size_t *failed)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int err = run(s, BEGIN);
	size_t i;

	*failed = 0;
	for (i = 0; !err && i < count; i++) {
		*failed = i;
		err = invite_one(s, &invites[i], now);
	}
	return commit(s, err);
}

static int op_invite(struct ntm_store *store, const struct ntm_store_invite *invites, size_t count,
		     int64_t now, size_t *failed)
{
	int err = invite_once(store, invites, count, now, failed);

	if (made_room((struct sqlite_store *)store, err))
		err = invite_once(store, invites, count, now, failed);
	return err;
}

static int op_find_token(struct ntm_store *store, const uint8_t token[NTM_STORE_TOKEN], int64_t now,
			 struct ntm_store_node *node)
{
	struct sqlite_store *s = (struct sqlite_store *)store;

	bind_blob(s->stmt[FIND_TOKEN], 1, token, NTM_STORE_TOKEN);
	sqlite3_bind_int64(s->stmt[FIND_TOKEN], 2, now);
	return one(s, FIND_TOKEN, node);
}

static int run_on_key(struct sqlite_store *s, enum statement which, const uint8_t key[32])
{
	bind_blob(s->stmt[which], 1, key, 32);
	return run(s, which);
}

static int bind_row(struct sqlite_store *s, const struct ntm_store_node *node,
		    const uint8_t token[NTM_STORE_TOKEN], int64_t now)
{
	sqlite3_stmt *stmt = s->stmt[BIND];
	int err;

	bind_text(stmt, 1, node->name);
	bind_blob(stmt, 2, node->key, sizeof(node->key));
	bind_blob(stmt, 3, node->has4 ? &node->v4 : NULL, sizeof(node->v4));
	bind_blob(stmt, 4, node->has6 ? &node->v6 : NULL, sizeof(node->v6));
	sqlite3_bind_int64(stmt, 5, now);
	bind_blob(stmt, 6, token, NTM_STORE_TOKEN);
	err = run(s, BIND);
	if (!err && !sqlite3_changes(s->db))
		err = -ENOENT;
	return err;
}

static int bind_once(struct ntm_store *store, const struct ntm_store_node *node,
		     const uint8_t token[NTM_STORE_TOKEN], int64_t now)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int err = run(s, BEGIN);

	if (!err) {
		bind_text(s->stmt[OLD_KEY], 1, node->name);
		bind_blob(s->stmt[OLD_KEY], 2, node->key, sizeof(node->key));
		err = run(s, OLD_KEY);
	}
	if (!err)
		err = run_on_key(s, FORGET_KEY, node->key);
	if (!err)
		err = run_on_key(s, UNREVOKE_KEY, node->key);
	if (!err)
		err = bind_row(s, node, token, now);
	return commit(s, err);
}

static int op_bind(struct ntm_store *store, const struct ntm_store_node *node,
		   const uint8_t token[NTM_STORE_TOKEN], int64_t now)
{
	int err = bind_once(store, node, token, now);

	if (made_room((struct sqlite_store *)store, err))
		err = bind_once(store, node, token, now);
	return err;
}

static int set_addresses_once(struct ntm_store *store, const struct ntm_store_node *node)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	sqlite3_stmt *stmt = s->stmt[SET_ADDRESSES];

	bind_text(stmt, 1, node->name);
	bind_blob(stmt, 2, node->has4 ? &node->v4 : NULL, sizeof(node->v4));
	bind_blob(stmt, 3, node->has6 ? &node->v6 : NULL, sizeof(node->v6));
	return run(s, SET_ADDRESSES);
}

static int op_set_addresses(struct ntm_store *store, const struct ntm_store_node *node)
{
	int err = set_addresses_once(store, node);

	if (made_room((struct sqlite_store *)store, err))
		err = set_addresses_once(store, node);
	return err;
}

static int revoke_once(struct ntm_store *store, const char *name)
{
	enum statement tries[] = { REVOKE_INVITE, REVOKE_ACTIVE };
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct ntm_store_node node;
	unsigned int i;
	int err;

	for (i = 0; i < 2; i++) {
		bind_text(s->stmt[tries[i]], 1, name);
		err = run(s, tries[i]);
		if (err || sqlite3_changes(s->db))
			return err;
	}
	err = op_get(store, name, &node);
	return err ? err : -EALREADY;
}

static int op_revoke(struct ntm_store *store, const char *name)
{
	int err = revoke_once(store, name);

	if (made_room((struct sqlite_store *)store, err))
		err = revoke_once(store, name);
	return err;
}

static int op_key_revoked(struct ntm_store *store, const uint8_t key[32])
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	sqlite3_stmt *stmt = s->stmt[KEY_REVOKED];
	int rc;

	bind_blob(stmt, 1, key, 32);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_ROW ? 1 : errno_of(rc);
}

static int op_set_seen(struct ntm_store *store, const struct ntm_store_seen *seen, size_t count)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int err = run(s, BEGIN);
	size_t i;

	for (i = 0; !err && i < count; i++) {
		bind_text(s->stmt[SET_SEEN], 1, seen[i].name);
		sqlite3_bind_int64(s->stmt[SET_SEEN], 2, seen[i].seen);
		err = run(s, SET_SEEN);
	}
	return commit(s, err);
}

static int op_load_zones(struct ntm_store *store, ntm_store_zone_fn *fn, void *ctx)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	sqlite3_stmt *stmt = s->stmt[LOAD_ZONES];
	uint8_t key[32];
	int err = 0, rc;

	while (!err && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		if (name && column_blob(stmt, 1, key, sizeof(key)))
			err = fn(ctx, name, key);
	}
	sqlite3_reset(stmt);
	return err ? err : errno_of(rc);
}

static int pin_once(struct sqlite_store *s, const char *name, const uint8_t key[32], int64_t now)
{
	bind_text(s->stmt[PIN_ZONE], 1, name);
	bind_blob(s->stmt[PIN_ZONE], 2, key, 32);
	sqlite3_bind_int64(s->stmt[PIN_ZONE], 3, now);
	return run(s, PIN_ZONE);
}

static int op_pin_zone(struct ntm_store *store, const char *name, const uint8_t key[32],
		       int64_t now)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int err = pin_once(s, name, key, now);

	if (made_room(s, err))
		err = pin_once(s, name, key, now);
	return err;
}

static int op_forget_zone(struct ntm_store *store, const char *name)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int err;

	bind_text(s->stmt[FORGET_ZONE], 1, name);
	err = run(s, FORGET_ZONE);
	return err || sqlite3_changes(s->db) ? err : -ENOENT;
}

static void op_close(struct ntm_store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	unsigned int i;

	if (!s)
		return;
	for (i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	free(s);
}

static int user_version(sqlite3 *db, int *version)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*version = rc == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : -1;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int take_step(sqlite3 *db, int to)
{
	char text[1024];

	/* After an error the file is closed, and with it the transaction. */
	if (snprintf(text, sizeof(text), "BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;",
		     steps[to - 1], to) >= (int)sizeof(text))
		return SQLITE_TOOBIG;
	return sqlite3_exec(db, text, NULL, NULL, NULL);
}

static int set_up(struct sqlite_store *s)
{
	int version = 0, rc;
	unsigned int i;

	sqlite3_busy_timeout(s->db, 2000);
	rc = sqlite3_exec(
		s->db,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint=256;",
		NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = user_version(s->db, &version);
	if (rc == SQLITE_OK && version > SCHEMA_VERSION)
		return -EPROTONOSUPPORT;
	if (rc == SQLITE_OK && version < 0)
		return -EUCLEAN; /* some other program's */
	while (rc == SQLITE_OK && version < SCHEMA_VERSION)
		rc = take_step(s->db, ++version);
	for (i = 0; rc == SQLITE_OK && i < STATEMENTS; i++)
		rc = sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i],
					NULL);
	return errno_of(rc);
}

static const char *why(sqlite3 *db, int err)
{
	if (err == -EPROTONOSUPPORT)
		return "made by a newer version of ntm-dc";
	return sqlite3_errcode(db) & 0xff ? sqlite3_errmsg(db) : "not a store of ntm-dc";
}

static int op_open(struct ntm_store **store, const char *path, char *error, size_t size)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	struct sqlite_store *s = calloc(1, sizeof(*s));
	int err;

	*store = NULL;
	if (!s) {
		snprintf(error, size, "%s: out of memory", path);
		return -ENOMEM;
	}
	s->base.ops = &ntm_store_sqlite;
	err = errno_of(sqlite3_open_v2(path, &s->db, flags, NULL));
	if (!err)
		err = set_up(s);
	if (err) {
		snprintf(error, size, "%s: %s", path, why(s->db, err));
		op_close(&s->base);
		return err;
	}
	*store = &s->base;
	return 0;
}

const struct ntm_store_ops ntm_store_sqlite = {
	.open = op_open,
	.list = op_list,
	.load = op_load,
	.get = op_get,
	.invite = op_invite,
	.find_token = op_find_token,
	.bind = op_bind,
	.set_addresses = op_set_addresses,
	.revoke = op_revoke,
	.key_revoked = op_key_revoked,
	.set_seen = op_set_seen,
	.load_zones = op_load_zones,
	.pin_zone = op_pin_zone,
	.forget_zone = op_forget_zone,
	.close = op_close,
};
