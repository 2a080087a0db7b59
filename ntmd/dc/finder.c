// SPDX-License-Identifier: GPL-2.0
#include "dc/finder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>
#include "common/log.h"

#define LABELS "_ntmobile._udp."
#define FIND_MS 5000 /* the resolver itself would try for longer than anybody waits */
#define QUERIES (2 + 2 * NTM_SRV_MAX)
#define TYPE_A 1
#define TYPE_TXT 16
#define TYPE_AAAA 28
#define TYPE_SRV 33
#define CLASS_IN 1

struct find;

/* struct query - one that is out; @family, @port: of an address query */
struct query {
	struct find *find;
	bool out;
	int id;
	int type;
	uint16_t port;
};

/*
 * struct find - the look-up of one zone; @used: of @queries, from the first on; @srv are resolved in their order
 * @why:	what is wrong with TXT or SRV; @why_no_address: what matters if there is no address in the end
 */
struct find {
	struct find *next;
	struct ntm_finder *finder;
	char zone[NTM_NAME_MAX + 1];
	struct query queries[QUERIES];
	unsigned int used, outstanding;
	uint64_t end_ms;
	bool has_key;
	struct ntm_srv srv[NTM_SRV_MAX];
	unsigned int srv_count;
	struct ntm_found found;
	char why[NTM_TEXT_MAX + 1], why_no_address[NTM_TEXT_MAX + 1];
};

/**
 * struct ntm_finder - @ub is made anew when it is stale and nothing is out
 * @poll:	watches the descriptor of @ub
 * @processing:	@ub is calling us, and must stay
 */
struct ntm_finder {
	uv_loop_t *loop;
	struct ub_ctx *ub;
	uv_poll_t *poll;
	uv_timer_t *timer;
	bool stale, processing;
	char trust_anchor[200];
	bool required;
	ntm_finder_fn *fn;
	void *ctx;
	struct find *first;
};

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

/* --- the resolver */

static void drop_resolver(struct ntm_finder *f)
{
	if (f->poll)
		uv_close((uv_handle_t *)f->poll, free_handle);
	f->poll = NULL;
	if (f->ub)
		ub_ctx_delete(f->ub);
	f->ub = NULL;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct ntm_finder *f = poll->data;

	(void)events;
	if (status || !f->ub)
		return;
	f->processing = true;
	ub_process(f->ub);
	f->processing = false;
}

static int set_up(struct ntm_finder *f)
{
	int err;

	ub_ctx_async(f->ub, 1);
	err = ub_ctx_resolvconf(f->ub, NULL);
	if (err) {
		ntm_warn("/etc/resolv.conf: %s", ub_strerror(err));
		return -ENOENT;
	}
	if (f->trust_anchor[0]) {
		err = ub_ctx_add_ta_file(f->ub, f->trust_anchor);
		if (err) {
			ntm_err("%s: %s", f->trust_anchor, ub_strerror(err));
			return -EINVAL;
		}
	}
	return 0;
}

static int watch(struct ntm_finder *f)
{
	int err;

	f->poll = calloc(1, sizeof(*f->poll));
	if (!f->poll)
		return -ENOMEM;
	err = uv_poll_init(f->loop, f->poll, ub_fd(f->ub));
	if (err) {
		free(f->poll);
		f->poll = NULL;
		return err;
	}
	f->poll->data = f;
	return uv_poll_start(f->poll, UV_READABLE, on_readable);
}

static int make_resolver(struct ntm_finder *f)
{
	int err;

	if (f->stale && !f->first && !f->processing)
		drop_resolver(f);
	if (f->ub)
		return 0;
	f->stale = false;
	f->ub = ub_ctx_create();
	if (!f->ub)
		return -ENOMEM;
	err = set_up(f);
	if (!err)
		err = watch(f);
	if (err)
		drop_resolver(f);
	return err;
}

/* --- one look-up */

static void arm(struct ntm_finder *f);

static struct find **place_of(const struct find *find)
{
	struct find **at = &find->finder->first;

	while (*at != find)
		at = &(*at)->next;
	return at;
}

static const char *verdict(const struct find *find)
{
	if (find->why[0])
		return find->why;
	if (!find->has_key)
		return "no TXT record " NTM_TXT_TAG;
	if (!find->srv_count)
		return "no SRV record";
	if (!find->found.addr_count && find->why_no_address[0])
		return find->why_no_address;
	if (!find->found.addr_count)
		return "the SRV record's target has no address";
	return NULL;
}

static void finish(struct find **at)
{
	struct find *find = *at;
	struct ntm_finder *f = find->finder;
	const char *why = verdict(find);

	for (unsigned int i = 0; i < find->used; i++) {
		if (find->queries[i].out)
			ub_cancel(f->ub, find->queries[i].id);
	}
	*at = find->next;
	/* The servers may be others by now, and what is remembered is no help */
	f->stale |= why || find->why_no_address[0];
	f->fn(f->ctx, find->zone, why ? NULL : &find->found, why);
	free(find);
	arm(f);
}

static bool is_address(const struct query *q)
{
	return q->type == TYPE_A || q->type == TYPE_AAAA;
}

static void keep_first(char why[NTM_TEXT_MAX + 1], const char *text)
{
	if (!why[0])
		snprintf(why, NTM_TEXT_MAX + 1, "%s", text);
}

/* One address is as good as another: those that there are serve until the look-up is repeated, which is soon */
static void fail(struct find *find, const struct query *q, const char *why)
{
	if (!is_address(q)) {
		keep_first(find->why, why);
		return;
	}
	keep_first(find->why_no_address, why);
	find->found.ttl = 0;
}

static void on_answer(void *ctx, int err, struct ub_result *result);

static void ask(struct find *find, const char *name, int type, uint16_t port)
{
	struct query *q = &find->queries[find->used];
	sigset_t all, before;
	int err;

	if (find->used == QUERIES)
		return;
	find->used++;
	*q = (struct query){ .find = find, .type = type, .port = port };
	/* The thread that libunbound may start now takes no signals of ours */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = ub_resolve_async(find->finder->ub, name, type, CLASS_IN, q, on_answer, &q->id);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		fail(find, q, ub_strerror(err));
		return;
	}
	q->out = true;
	find->outstanding++;
}

static size_t rdata_of(const struct ub_result *r, struct ntm_rdata out[NTM_RECORDS_MAX + 1])
{
	size_t count = 0;

	while (count <= NTM_RECORDS_MAX && r->data[count]) {
		out[count].data = (const uint8_t *)r->data[count];
		out[count].len = (size_t)r->len[count];
		count++;
	}
	return count;
}

static void take_srv(struct find *find, const struct ntm_rdata *records, size_t count)
{
	find->srv_count = ntm_records_srv(records, count, find->srv);
	for (unsigned int i = 0; i < find->srv_count; i++) {
		ask(find, find->srv[i].target, TYPE_AAAA, find->srv[i].port);
		ask(find, find->srv[i].target, TYPE_A, find->srv[i].port);
	}
}

static void take_records(struct find *find, const struct query *q, const struct ub_result *result)
{
	struct ntm_rdata records[NTM_RECORDS_MAX + 1];
	const size_t count = rdata_of(result, records);
	const char *why;

	if ((uint32_t)result->ttl < find->found.ttl)
		find->found.ttl = (uint32_t)result->ttl;
	switch (q->type) {
	case TYPE_TXT:
		why = ntm_records_txt(records, count, find->found.key);
		find->has_key = !why;
		if (why)
			fail(find, q, why);
		break;
	case TYPE_SRV:
		take_srv(find, records, count);
		break;
	default:
		ntm_records_addresses(&find->found, q->type == TYPE_A ? AF_INET : AF_INET6, records,
				      count, q->port);
	}
}

/* NULL, or why an answer is none */
static const char *objection(const struct ntm_finder *f, const struct query *q, int err,
			     const struct ub_result *result)
{
	if (err)
		return ub_strerror(err);
	if (result->bogus)
		return "DNSSEC: bogus";
	if (result->rcode == 2 || result->rcode == 5)
		return "the DNS does not answer";
	if (!result->havedata)
		return is_address(q)	   ? "" :
		       q->type == TYPE_TXT ? "no TXT record " NTM_TXT_TAG :
					     "no SRV record";
	if (f->required && !is_address(q) && !result->secure)
		return "DNSSEC: not signed";
	return NULL;
}

static void on_answer(void *ctx, int err, struct ub_result *result)
{
	struct query *q = ctx;
	struct find *find = q->find;
	const char *why = objection(find->finder, q, err, result);

	q->out = false;
	find->outstanding--;
	if (!why)
		take_records(find, q, result);
	else if (why[0])
		fail(find, q, why);
	ub_resolve_free(result);
	if (!find->outstanding)
		finish(place_of(find));
}

/* --- time */

static struct find **late(struct ntm_finder *f)
{
	struct find **at = &f->first;

	while (*at && uv_now(f->loop) < (*at)->end_ms)
		at = &(*at)->next;
	return at;
}

static void give_up(struct find *find)
{
	for (unsigned int i = 0; i < find->used; i++) {
		if (find->queries[i].out)
			fail(find, &find->queries[i], "the DNS does not answer");
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct ntm_finder *f = timer->data;
	struct find **at;

	/* From the start each time: the callback may have started another */
	while (*(at = late(f)) != NULL) {
		give_up(*at);
		finish(at);
	}
	arm(f);
}

static void arm(struct ntm_finder *f)
{
	uint64_t next = UINT64_MAX;

	for (const struct find *find = f->first; find; find = find->next)
		next = find->end_ms < next ? find->end_ms : next;
	if (next == UINT64_MAX)
		uv_timer_stop(f->timer);
	else
		uv_timer_start(f->timer, on_timer,
			       next > uv_now(f->loop) ? next - uv_now(f->loop) : 0, 0);
}

int ntm_finder_find(struct ntm_finder *f, const char *zone)
{
	char name[sizeof(LABELS) + NTM_NAME_MAX];
	int err = make_resolver(f);
	struct find *find;

	if (err)
		return err;
	find = calloc(1, sizeof(*find));
	if (!find)
		return -ENOMEM;
	find->finder = f;
	snprintf(find->zone, sizeof(find->zone), "%s", zone);
	find->found.ttl = UINT32_MAX;
	uv_update_time(f->loop);
	find->end_ms = uv_now(f->loop) + FIND_MS;
	find->next = f->first;
	f->first = find;
	snprintf(name, sizeof(name), LABELS "%s", zone);
	ask(find, name, TYPE_TXT, 0);
	ask(find, name, TYPE_SRV, 0);
	if (!find->outstanding)
		find->end_ms = 0; /* the timer says so, not we */
	arm(f);
	return 0;
}

/* --- coming and going */

int ntm_finder_open(struct ntm_finder **finder, uv_loop_t *loop, const char *trust_anchor,
		    bool required, ntm_finder_fn *fn, void *ctx)
{
	struct ntm_finder *f = calloc(1, sizeof(*f));

	*finder = NULL;
	if (!f)
		return -ENOMEM;
	f->timer = calloc(1, sizeof(*f->timer));
	if (!f->timer) {
		free(f);
		return -ENOMEM;
	}
	uv_timer_init(loop, f->timer);
	f->timer->data = f;
	f->loop = loop;
	snprintf(f->trust_anchor, sizeof(f->trust_anchor), "%s", trust_anchor);
	f->required = required;
	f->fn = fn;
	f->ctx = ctx;
	*finder = f;
	return 0;
}

void ntm_finder_refresh(struct ntm_finder *f)
{
	f->stale = true;
}

void ntm_finder_close(struct ntm_finder *f)
{
	struct find *find;

	if (!f)
		return;
	while ((find = f->first) != NULL) {
		f->first = find->next;
		for (unsigned int i = 0; i < find->used; i++) {
			if (find->queries[i].out)
				ub_cancel(f->ub, find->queries[i].id);
		}
		free(find);
	}
	drop_resolver(f);
	uv_close((uv_handle_t *)f->timer, free_handle);
	free(f);
}
