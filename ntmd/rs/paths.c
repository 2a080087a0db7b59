// SPDX-License-Identifier: GPL-2.0
#include "rs/paths.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LIFETIME_MAX_S 3600u

void ntm_rs_paths_init(struct ntm_rs_paths *paths, const struct ntm_rs_limits *limits,
		       const struct ntm_rs_paths_ops *ops, void *ctx, uint64_t now_ms)
{
	memset(paths, 0, sizeof(*paths));
	paths->limits = *limits;
	paths->ops = ops;
	paths->ctx = ctx;
	paths->wheel_s = now_ms / 1000;
	ntm_table_init(&paths->by_id);
	ntm_table_init(&paths->nodes);
}

/* DCs */

static struct ntm_rs_owner *owner_of(const struct ntm_rs_paths *paths, uint32_t dc)
{
	struct ntm_rs_owner *owner = paths->owners;

	while (owner && owner->dc != dc)
		owner = owner->next;
	return owner;
}

void ntm_rs_paths_join(struct ntm_rs_paths *paths, struct ntm_rs_owner *owner, uint32_t dc)
{
	owner->dc = dc;
	owner->paths = 0;
	owner->next = paths->owners;
	paths->owners = owner;
}

void ntm_rs_paths_leave(struct ntm_rs_paths *paths, const struct ntm_rs_owner *owner)
{
	struct ntm_rs_owner **at = &paths->owners;

	while (*at != owner)
		at = &(*at)->next;
	*at = owner->next;
}

static unsigned long share_of_dc(const struct ntm_rs_paths *paths)
{
	const struct ntm_rs_owner *owner;
	unsigned long owners = 0;

	for (owner = paths->owners; owner; owner = owner->next)
		owners++;
	return owners ? paths->limits.paths / 2 / owners : 0;
}

unsigned long ntm_rs_paths_room(const struct ntm_rs_paths *paths, uint32_t dc)
{
	const unsigned long share = share_of_dc(paths);
	unsigned long room = paths->limits.paths;
	const struct ntm_rs_owner *owner;

	for (owner = paths->owners; owner; owner = owner->next)
		if (owner->dc != dc && owner->paths < share)
			room -= share - owner->paths;
	return room;
}

static void count_owned(struct ntm_rs_paths *paths, uint32_t dc, bool more)
{
	struct ntm_rs_owner *owner = owner_of(paths, dc);

	if (owner)
		owner->paths += more ? 1 : -1ul;
}

/* Nodes: there as long as they have a path */

static uint64_t node_hash(uint32_t dc, const uint8_t id[8])
{
	uint8_t key[12];

	memcpy(key, &dc, 4);
	memcpy(key + 4, id, 8);
	return ntm_table_hash(key, sizeof(key));
}

static struct ntm_rs_node *node_find(const struct ntm_rs_paths *paths, uint32_t dc,
				     const uint8_t id[8])
{
	struct ntm_link *link = ntm_table_first(&paths->nodes, node_hash(dc, id));

	for (; link; link = ntm_table_next(link)) {
		struct ntm_rs_node *node = link->object;

		if (node->dc == dc && !memcmp(node->id, id, sizeof(node->id)))
			return node;
	}
	return NULL;
}

static struct ntm_rs_node *node_get(struct ntm_rs_paths *paths, uint32_t dc, const uint8_t id[8])
{
	struct ntm_rs_node *node = node_find(paths, dc, id);

	if (node)
		return node;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->dc = dc;
	memcpy(node->id, id, sizeof(node->id));
	ntm_table_add(&paths->nodes, &node->link, node_hash(dc, id), node);
	return node;
}

static void node_list(struct ntm_rs_paths *paths, struct ntm_rs_node *node)
{
	if (node->changed)
		return;
	node->changed = true;
	node->next_changed = paths->changed;
	paths->changed = node;
}

static void node_unlist(struct ntm_rs_paths *paths, struct ntm_rs_node *node)
{
	struct ntm_rs_node **at = &paths->changed;

	if (!node->changed)
		return;
	while (*at != node)
		at = &(*at)->next_changed;
	*at = node->next_changed;
}

static void node_put(struct ntm_rs_paths *paths, struct ntm_rs_node *node)
{
	if (node->paths)
		return;
	node_unlist(paths, node);
	ntm_table_remove(&paths->nodes, &node->link);
	free(node);
}

static void end_join(struct ntm_rs_end *end, struct ntm_rs_path *path, struct ntm_rs_node *node)
{
	end->path = path;
	end->node = node;
	node->paths++;
	end->next = node->ends;
	end->prev = &node->ends;
	if (end->next)
		end->next->prev = &end->next;
	node->ends = end;
}

static void end_leave(struct ntm_rs_paths *paths, struct ntm_rs_end *end)
{
	*end->prev = end->next;
	if (end->next)
		end->next->prev = end->prev;
	end->node->paths--;
	node_put(paths, end->node);
}

/* Rates: a node's is shared by those of its paths that are carried */

static uint64_t less_of(uint64_t rate, uint64_t other)
{
	if (!rate || !other)
		return rate + other;
	return rate < other ? rate : other;
}

static uint64_t share_of(const struct ntm_rs_paths *paths, const struct ntm_rs_node *node)
{
	const uint64_t rate = paths->limits.node_rate;

	if (!rate || node->carried < 2)
		return rate;
	return rate / node->carried ? rate / node->carried : 1;
}

static uint64_t rate_of(const struct ntm_rs_paths *paths, const struct ntm_rs_path *path)
{
	uint64_t rate = paths->limits.path_rate;

	rate = less_of(rate, share_of(paths, path->ends[0].node));
	return less_of(rate, share_of(paths, path->ends[1].node));
}

/*
 * A share is set to within an eighth: or each path that comes would cost a request for each that is there. What a path may carry by
 * itself is no share.
 */
static bool near_enough(const struct ntm_rs_paths *paths, uint64_t rate, uint64_t before)
{
	const uint64_t most = paths->limits.path_rate, eighth = before / 8;

	if (!rate || !before || rate == most || (most && before > most))
		return false;
	return rate >= before - eighth && rate <= before + eighth;
}

static void set_rate(struct ntm_rs_paths *paths, struct ntm_rs_path *path)
{
	const uint64_t rate = rate_of(paths, path), before = path->rate;

	if (!path->carried || rate == before || near_enough(paths, rate, before))
		return;
	path->rate = rate;
	if (!paths->ops->rate(paths->ctx, path))
		return;
	path->rate = before;
	node_list(paths, path->ends[0].node); /* for another try */
}

void ntm_rs_paths_share(struct ntm_rs_paths *paths)
{
	struct ntm_rs_node *node = paths->changed, *next;
	struct ntm_rs_end *end;

	/* Those that fail stand in the list again, and wait for the next call */
	paths->changed = NULL;
	for (; node; node = next) {
		next = node->next_changed;
		node->changed = false;
		for (end = node->ends; end; end = end->next)
			set_rate(paths, end->path);
	}
}

/* The wheel: a path stands in the slot of a second at which there may be something to do */

uint32_t ntm_rs_path_bound_s(const struct ntm_rs_path *path)
{
	const uint32_t s = path->lifetime_ms / 1000;

	return s < NTM_RS_BOUND_S ? s : NTM_RS_BOUND_S;
}

static uint64_t end_due(const struct ntm_rs_end *end)
{
	if (!end->addr.sa.sa_family)
		return UINT64_MAX;
	return end->bound_ms + 1000 * (uint64_t)ntm_rs_path_bound_s(end->path);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t forget_at(const struct ntm_rs_path *path)
{
	const uint64_t last = later(path->ends[0].bound_ms, path->ends[1].bound_ms);

	return later(last, path->directed_ms) + path->lifetime_ms;
}

static uint64_t due(const struct ntm_rs_path *path)
{
	uint64_t at = forget_at(path);

	for (unsigned int i = 0; i < 2; i++)
		at = end_due(&path->ends[i]) < at ? end_due(&path->ends[i]) : at;
	return at;
}

/* Never in the slot that is being done; what is due beyond the wheel is looked at on its way */
static void wheel_put(struct ntm_rs_paths *paths, struct ntm_rs_path *path)
{
	uint64_t s = due(path) / 1000 + 1;
	struct ntm_rs_path **slot;

	if (s <= paths->wheel_s)
		s = paths->wheel_s + 1;
	if (s > paths->wheel_s + NTM_RS_WHEEL - 1)
		s = paths->wheel_s + NTM_RS_WHEEL - 1;
	slot = &paths->wheel[s % NTM_RS_WHEEL];
	path->next = *slot;
	path->prev = slot;
	if (path->next)
		path->next->prev = &path->next;
	*slot = path;
}

static void wheel_take(struct ntm_rs_path *path)
{
	*path->prev = path->next;
	if (path->next)
		path->next->prev = path->prev;
}

/* Paths */

static uint64_t id_hash(uint32_t id)
{
	return ntm_table_hash(&id, sizeof(id));
}

struct ntm_rs_path *ntm_rs_paths_find(const struct ntm_rs_paths *paths, uint32_t id)
{
	struct ntm_link *link = ntm_table_first(&paths->by_id, id_hash(id));

	for (; link; link = ntm_table_next(link)) {
		struct ntm_rs_path *path = link->object;

		if (path->id == id)
			return path;
	}
	return NULL;
}

static void count_carried(struct ntm_rs_paths *paths, struct ntm_rs_path *path, bool carried)
{
	if (path->carried == carried)
		return;
	path->carried = carried;
	paths->carried += carried ? 1 : -1ul;
	for (unsigned int i = 0; i < 2; i++) {
		path->ends[i].node->carried += carried ? 1 : -1u;
		if (paths->limits.node_rate)
			node_list(paths, path->ends[i].node);
	}
}

static void path_free(struct ntm_rs_path *path)
{
	sodium_memzero(path, sizeof(*path));
	free(path);
}

static void forget(struct ntm_rs_paths *paths, struct ntm_rs_path *path)
{
	ntm_table_remove(&paths->by_id, &path->link);
	count_owned(paths, path->dc, false);
	for (unsigned int i = 0; i < 2; i++)
		end_leave(paths, &path->ends[i]);
	path_free(path);
}

static const struct ntm_end_info *end_of(const struct ntm_msg *direction, uint8_t role)
{
	return &direction->ends[direction->ends[0].role == role ? 0 : 1];
}

static bool same_end(const struct ntm_rs_end *end, const struct ntm_end_info *info)
{
	return !sodium_memcmp(end->key, info->key, sizeof(end->key)) &&
	       !memcmp(end->node->id, info->node, sizeof(end->node->id));
}

static uint32_t lifetime_ms(const struct ntm_msg *direction)
{
	const uint32_t s = direction->lifetime ? direction->lifetime : 1;

	return 1000 * (s < LIFETIME_MAX_S ? s : LIFETIME_MAX_S);
}

static enum ntm_status direct_again(struct ntm_rs_path *path, uint32_t dc,
				    const struct ntm_msg *direction, uint64_t now_ms)
{
	if (path->dc != dc)
		return NTM_ST_REFUSED;
	for (unsigned int i = 0; i < 2; i++)
		if (!same_end(&path->ends[i], end_of(direction, (uint8_t)(i + 1))))
			return NTM_ST_REFUSED;
	path->directed_ms = now_ms;
	path->lifetime_ms = lifetime_ms(direction);
	return NTM_ST_OK;
}

/* The nodes of both ends, if they may have one path more */
static bool admit(struct ntm_rs_paths *paths, uint32_t dc, const struct ntm_msg *direction,
		  struct ntm_rs_node *nodes[2])
{
	if (ntm_rs_paths_count(paths) >= ntm_rs_paths_room(paths, dc))
		return false;
	for (unsigned int i = 0; i < 2; i++) {
		nodes[i] = node_get(paths, dc, end_of(direction, (uint8_t)(i + 1))->node);
		if (!nodes[i] || nodes[i]->paths >= paths->limits.node_paths)
			return false;
	}
	return true;
}

static struct ntm_rs_path *path_new(struct ntm_rs_paths *paths, uint32_t dc,
				    const struct ntm_msg *direction, struct ntm_rs_node *nodes[2])
{
	struct ntm_rs_path *path = calloc(1, sizeof(*path));

	if (!path)
		return NULL;
	path->id = direction->path_id;
	path->dc = dc;
	for (unsigned int i = 0; i < 2; i++) {
		const struct ntm_end_info *info = end_of(direction, (uint8_t)(i + 1));

		memcpy(path->ends[i].key, info->key, sizeof(path->ends[i].key));
		end_join(&path->ends[i], path, nodes[i]);
	}
	ntm_table_add(&paths->by_id, &path->link, id_hash(path->id), path);
	count_owned(paths, dc, true);
	return path;
}

static enum ntm_status direct_new(struct ntm_rs_paths *paths, uint32_t dc,
				  const struct ntm_msg *direction, uint64_t now_ms)
{
	struct ntm_rs_node *nodes[2] = { NULL, NULL };
	struct ntm_rs_path *path = NULL;

	if (admit(paths, dc, direction, nodes))
		path = path_new(paths, dc, direction, nodes);
	if (!path) {
		if (nodes[0] == nodes[1])
			nodes[1] = NULL;
		for (unsigned int i = 0; i < 2; i++)
			if (nodes[i])
				node_put(paths, nodes[i]);
		return NTM_ST_BUSY;
	}
	path->directed_ms = now_ms;
	path->lifetime_ms = lifetime_ms(direction);
	wheel_put(paths, path);
	return NTM_ST_OK;
}

enum ntm_status ntm_rs_paths_direct(struct ntm_rs_paths *paths, uint32_t dc,
				    const struct ntm_msg *direction, uint64_t now_ms)
{
	struct ntm_rs_path *path = ntm_rs_paths_find(paths, direction->path_id);

	return path ? direct_again(path, dc, direction, now_ms) :
		      direct_new(paths, dc, direction, now_ms);
}

int ntm_rs_path_side(const struct ntm_rs_path *path, const union ntm_addr *from)
{
	for (int i = 0; i < 2; i++)
		if (path->ends[i].addr.sa.sa_family && ntm_addr_equal(&path->ends[i].addr, from))
			return i;
	return -1;
}

int ntm_rs_paths_bind(struct ntm_rs_paths *paths, struct ntm_rs_path *path, unsigned int end,
		      const union ntm_addr *addr, uint64_t now_ms)
{
	struct ntm_rs_end *e = &path->ends[end];
	int err;

	if (e->addr.sa.sa_family && ntm_addr_equal(&e->addr, addr)) {
		e->bound_ms = now_ms;
		return 0;
	}
	if (!path->carried)
		path->rate = rate_of(paths, path);
	err = paths->ops->bind(paths->ctx, path, end, addr);
	if (err)
		return err;
	e->addr = *addr;
	e->moves++;
	e->bound_ms = now_ms;
	count_carried(paths, path, true);
	/* A binding may end before the slot comes in which the path stands */
	wheel_take(path);
	wheel_put(paths, path);
	return 0;
}

/* Time */

static bool is_bound(const struct ntm_rs_end *end, uint64_t now_ms)
{
	return end->addr.sa.sa_family && now_ms < end_due(end);
}

/* What the data plane still forwards is not called unbound: if it fails to let go, the path stands in the next slot of the wheel */
static void unbind(struct ntm_rs_paths *paths, struct ntm_rs_path *path, uint64_t now_ms)
{
	const bool gone = !is_bound(&path->ends[0], now_ms) && !is_bound(&path->ends[1], now_ms);

	if (!path->carried || (gone && paths->ops->del(paths->ctx, path)))
		return;
	for (unsigned int i = 0; i < 2; i++) {
		struct ntm_rs_end *end = &path->ends[i];

		if (end->addr.sa.sa_family && !is_bound(end, now_ms) &&
		    (gone || !paths->ops->bind(paths->ctx, path, i, NULL)))
			memset(&end->addr, 0, sizeof(end->addr));
	}
	if (gone)
		count_carried(paths, path, false);
}

static void look(struct ntm_rs_paths *paths, struct ntm_rs_path *path, uint64_t now_ms)
{
	unbind(paths, path, now_ms);
	if (path->carried || now_ms < forget_at(path))
		wheel_put(paths, path);
	else
		forget(paths, path);
}

void ntm_rs_paths_expire(struct ntm_rs_paths *paths, uint64_t now_ms)
{
	const uint64_t now_s = now_ms / 1000;

	/* After a long sleep each slot once: then all has been looked at */
	if (now_s > paths->wheel_s + NTM_RS_WHEEL)
		paths->wheel_s = now_s - NTM_RS_WHEEL;
	while (paths->wheel_s < now_s) {
		struct ntm_rs_path *path = paths->wheel[++paths->wheel_s % NTM_RS_WHEEL], *next;

		paths->wheel[paths->wheel_s % NTM_RS_WHEEL] = NULL;
		for (; path; path = next) {
			next = path->next;
			look(paths, path, now_ms);
		}
	}
}

/* All of them stand in the wheel */

void ntm_rs_paths_limit(struct ntm_rs_paths *paths, const struct ntm_rs_limits *limits)
{
	paths->limits = *limits;
	for (unsigned int i = 0; i < NTM_RS_WHEEL; i++)
		for (struct ntm_rs_path *path = paths->wheel[i]; path; path = path->next)
			set_rate(paths, path);
}

static int refill(struct ntm_rs_paths *paths, const struct ntm_rs_path *path)
{
	int err = 0, failed;

	for (unsigned int i = 0; i < 2; i++) {
		const struct ntm_rs_end *end = &path->ends[i];

		if (!end->addr.sa.sa_family)
			continue;
		failed = paths->ops->bind(paths->ctx, path, i, &end->addr);
		err = err ? err : failed;
	}
	return err;
}

int ntm_rs_paths_refill(struct ntm_rs_paths *paths)
{
	int err = 0, failed;

	for (unsigned int i = 0; i < NTM_RS_WHEEL; i++) {
		for (struct ntm_rs_path *path = paths->wheel[i]; path; path = path->next) {
			failed = refill(paths, path);
			err = err ? err : failed;
		}
	}
	return err;
}

void ntm_rs_paths_done(struct ntm_rs_paths *paths)
{
	for (unsigned int i = 0; i < NTM_RS_WHEEL; i++) {
		struct ntm_rs_path *path = paths->wheel[i], *next;

		paths->wheel[i] = NULL;
		for (; path; path = next) {
			next = path->next;
			forget(paths, path);
		}
	}
	ntm_table_done(&paths->by_id);
	ntm_table_done(&paths->nodes);
}
