// SPDX-License-Identifier: GPL-2.0
/* The look-up of another zone's coordinator, and a DNS that answers some of the questions. */
/* with: ntmd/dc/finder.c ntmd/dc/records.c */
/* wrap: ub_ctx_create ub_ctx_delete ub_ctx_async ub_ctx_resolvconf ub_fd ub_process ub_resolve_async ub_cancel ub_resolve_free */
/* wrap: uv_now uv_timer_start uv_timer_stop */
#include "ntm_test.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/keyfile.h"
#include "dc/finder.h"

#define QUESTIONS 16
#define ZONE "_ntmobile._udp.b.example"
#define TYPE_A 1
#define TYPE_TXT 16
#define TYPE_AAAA 28
#define TYPE_SRV 33
#define SERVFAIL 2
#define TTL 3600

static const uint8_t key[32] = { 1, 2, 3 };

struct question {
	char name[NTM_NAME_MAX + 20];
	int type;
	void *ctx;
	ub_callback_type fn;
	bool out;
};

/* @over: how many times the finder was told an end; @found, @why: which */
static struct {
	uv_loop_t loop;
	struct ntm_finder *finder;
	int fd;
	struct question questions[QUESTIONS];
	int asked;
	unsigned int cancelled;
	uint64_t now_ms, timer_ms;
	uv_timer_t *timer;
	uv_timer_cb on_timer;
	unsigned int over;
	bool is_found;
	struct ntm_found found;
	char why[100];
} w;

struct ub_ctx *__wrap_ub_ctx_create(void);
void __wrap_ub_ctx_delete(struct ub_ctx *ctx);
int __wrap_ub_ctx_async(struct ub_ctx *ctx, int dothread);
int __wrap_ub_ctx_resolvconf(struct ub_ctx *ctx, const char *file);
int __wrap_ub_fd(struct ub_ctx *ctx);
int __wrap_ub_process(struct ub_ctx *ctx);
int __wrap_ub_resolve_async(struct ub_ctx *ctx, const char *name, int type, int class, void *mine,
			    ub_callback_type fn, int *id);
int __wrap_ub_cancel(struct ub_ctx *ctx, int id);
void __wrap_ub_resolve_free(struct ub_result *result);
uint64_t __wrap_uv_now(const uv_loop_t *loop);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t timeout, uint64_t repeat);
int __wrap_uv_timer_stop(uv_timer_t *timer);

struct ub_ctx *__wrap_ub_ctx_create(void)
{
	return (struct ub_ctx *)&w;
}

void __wrap_ub_ctx_delete(struct ub_ctx *ctx)
{
	(void)ctx;
}

int __wrap_ub_ctx_async(struct ub_ctx *ctx, int dothread)
{
	(void)ctx;
	(void)dothread;
	return 0;
}

int __wrap_ub_ctx_resolvconf(struct ub_ctx *ctx, const char *file)
{
	(void)ctx;
	(void)file;
	return 0;
}

int __wrap_ub_fd(struct ub_ctx *ctx)
{
	(void)ctx;
	return w.fd;
}

int __wrap_ub_process(struct ub_ctx *ctx)
{
	(void)ctx;
	return 0;
}

int __wrap_ub_resolve_async(struct ub_ctx *ctx, const char *name, int type, int class, void *mine,
			    ub_callback_type fn, int *id)
{
	struct question *q = &w.questions[w.asked];

	(void)ctx;
	(void)class;
	assert_in_range(w.asked, 0, QUESTIONS - 1);
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->type = type;
	q->ctx = mine;
	q->fn = fn;
	q->out = true;
	*id = w.asked++;
	return 0;
}

int __wrap_ub_cancel(struct ub_ctx *ctx, int id)
{
	(void)ctx;
	assert_true(w.questions[id].out);
	w.questions[id].out = false;
	w.cancelled++;
	return 0;
}

void __wrap_ub_resolve_free(struct ub_result *result)
{
	(void)result;
}

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return w.now_ms;
}

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb fn, uint64_t timeout, uint64_t repeat)
{
	(void)repeat;
	w.timer = timer;
	w.on_timer = fn;
	w.timer_ms = w.now_ms + timeout;
	return 0;
}

int __wrap_uv_timer_stop(uv_timer_t *timer)
{
	(void)timer;
	w.on_timer = NULL;
	return 0;
}

static void pass(uint64_t ms)
{
	w.now_ms += ms;
	while (w.on_timer && w.now_ms >= w.timer_ms) {
		uv_timer_cb fn = w.on_timer;

		w.on_timer = NULL;
		fn(w.timer);
	}
}

/* The DNS */

static void reply(const char *name, int type, struct ub_result *result)
{
	for (int i = 0; i < w.asked; i++) {
		struct question *q = &w.questions[i];

		if (!q->out || q->type != type || strcmp(q->name, name) != 0)
			continue;
		q->out = false;
		q->fn(q->ctx, 0, result);
		return;
	}
	fail_msg("%s, type %d, was not asked for", name, type);
}

static void reply_with(const char *name, int type, const void *data, size_t len, bool bogus)
{
	char *records[] = { (char *)(uintptr_t)data, NULL };
	int lens[] = { (int)len };
	struct ub_result result = {
		.data = records, .len = lens, .havedata = 1, .bogus = bogus, .ttl = TTL
	};

	reply(name, type, &result);
}

static void reply_fails(const char *name, int type)
{
	struct ub_result result = { .rcode = SERVFAIL };

	reply(name, type, &result);
}

static void reply_nothing(const char *name, int type)
{
	struct ub_result result = { .rcode = 0 };

	reply(name, type, &result);
}

static void reply_key(void)
{
	char text[NTM_KEY_STR], record[100];
	int len;

	ntm_key_str(key, text);
	len = snprintf(record + 1, sizeof(record) - 1, "v=ntm1 k=%s", text);
	record[0] = (char)len;
	reply_with(ZONE, TYPE_TXT, record, (size_t)len + 1, false);
}

/* Targets of one label each, as many as there are letters */
static void reply_targets(const char *letters)
{
	uint8_t rdata[4][9];
	char *records[5] = { NULL };
	int lens[4];
	struct ub_result result = { .data = records, .len = lens, .havedata = 1, .ttl = TTL };

	for (unsigned int i = 0; letters[i]; i++) {
		memset(rdata[i], 0, sizeof(rdata[i]));
		rdata[i][1] = (uint8_t)i; /* priority */
		ntm_put16(rdata[i] + 4, 4330);
		rdata[i][6] = 1;
		rdata[i][7] = (uint8_t)letters[i];
		records[i] = (char *)rdata[i];
		lens[i] = sizeof(rdata[i]);
	}
	reply(ZONE, TYPE_SRV, &result);
}

static void reply_address(const char *target, const char *text, bool bogus)
{
	const union ntm_addr addr = test_addr(text);

	if (addr.sa.sa_family == AF_INET)
		reply_with(target, TYPE_A, &addr.v4.sin_addr, 4, bogus);
	else
		reply_with(target, TYPE_AAAA, &addr.v6.sin6_addr, 16, bogus);
}

/* The finder */

static void on_found(void *ctx, const char *zone, const struct ntm_found *found, const char *why)
{
	assert_ptr_equal(ctx, &w);
	assert_string_equal(zone, "b.example");
	w.over++;
	w.is_found = found != NULL;
	if (found)
		w.found = *found;
	else
		snprintf(w.why, sizeof(w.why), "%s", why);
}

static int begin(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now_ms = 1000;
	w.fd = eventfd(0, 0);
	assert_true(w.fd >= 0);
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(ntm_finder_open(&w.finder, &w.loop, "", false, on_found, &w), 0);
	assert_int_equal(ntm_finder_find(w.finder, "b.example"), 0);
	assert_int_equal(w.asked, 2);
	return 0;
}

static int end(void **state)
{
	(void)state;
	ntm_finder_close(w.finder);
	assert_int_equal(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	close(w.fd);
	return 0;
}

static void assert_found(unsigned int count, const char *first)
{
	const union ntm_addr addr = test_addr(first);

	assert_int_equal(w.over, 1);
	if (!w.is_found)
		fail_msg("%s", w.why);
	assert_memory_equal(w.found.key, key, sizeof(key));
	assert_int_equal(w.found.addr_count, count);
	assert_true(ntm_addr_equal(&w.found.addrs[0], &addr));
}

static void assert_not_found(const char *why)
{
	assert_int_equal(w.over, 1);
	assert_false(w.is_found);
	assert_string_equal(w.why, why);
}

static void all_is_there(void **state)
{
	(void)state;
	reply_key();
	reply_targets("x");
	assert_int_equal(w.asked, 4);
	reply_address("x", "[2001:db8::1]", false);
	assert_int_equal(w.over, 0);
	reply_address("x", "192.0.2.1", false);
	assert_found(2, "[2001:db8::1]");
	assert_int_equal(w.found.ttl, TTL);
}

static void one_family_is_enough(void **state)
{
	(void)state;
	reply_targets("x");
	reply_nothing("x", TYPE_AAAA);
	reply_address("x", "192.0.2.1", false);
	reply_key();
	assert_found(1, "192.0.2.1");
	assert_int_equal(w.found.ttl, TTL);
}

/* Name servers do that which know nothing of AAAA (RFC 4074). It may have been for a moment only: the rest is soon old */
static void an_address_that_is_refused_spoils_no_other(void **state)
{
	(void)state;
	reply_key();
	reply_targets("x");
	reply_fails("x", TYPE_AAAA);
	reply_address("x", "192.0.2.1", false);
	assert_found(1, "192.0.2.1");
	assert_int_equal(w.found.ttl, 0);
}

static void a_bogus_address_spoils_no_other(void **state)
{
	(void)state;
	reply_key();
	reply_targets("x");
	reply_address("x", "[2001:db8::66]", true);
	reply_address("x", "192.0.2.1", false);
	assert_found(1, "192.0.2.1");
}

static void a_target_that_nobody_answers_for_spoils_no_other(void **state)
{
	(void)state;
	reply_key();
	reply_targets("xy");
	reply_address("x", "192.0.2.1", false);
	reply_nothing("x", TYPE_AAAA);
	pass(4900);
	assert_int_equal(w.over, 0);
	pass(100);
	assert_found(1, "192.0.2.1");
	assert_int_equal(w.found.ttl, 0);
	assert_int_equal(w.cancelled, 2);
	pass(10000);
	assert_int_equal(w.over, 1);
}

static void without_an_address_it_is_told_why(void **state)
{
	(void)state;
	reply_key();
	reply_targets("x");
	reply_address("x", "[2001:db8::66]", true);
	reply_address("x", "192.0.2.66", true);
	assert_not_found("DNSSEC: bogus");
}

static void without_any_address_there_is_nothing_to_find(void **state)
{
	(void)state;
	reply_key();
	reply_targets("x");
	reply_nothing("x", TYPE_AAAA);
	reply_nothing("x", TYPE_A);
	assert_not_found("the SRV record's target has no address");
}

static void nobody_answers_for_the_only_target(void **state)
{
	(void)state;
	reply_key();
	reply_targets("x");
	pass(5000);
	assert_not_found("the DNS does not answer");
}

/* Of the records of the zone itself none is dispensable */
static void without_the_key_there_is_nothing_to_find(void **state)
{
	(void)state;
	reply_targets("x");
	reply_address("x", "[2001:db8::1]", false);
	reply_address("x", "192.0.2.1", false);
	pass(5000);
	assert_not_found("the DNS does not answer");
}

static void a_key_that_is_refused(void **state)
{
	(void)state;
	reply_targets("x");
	reply_address("x", "[2001:db8::1]", false);
	reply_address("x", "192.0.2.1", false);
	reply_fails(ZONE, TYPE_TXT);
	assert_not_found("the DNS does not answer");
}

static void without_a_target_there_is_nothing_to_find(void **state)
{
	(void)state;
	reply_key();
	reply_nothing(ZONE, TYPE_SRV);
	assert_not_found("no SRV record");
}

#define FINDS(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FINDS(all_is_there),
		FINDS(one_family_is_enough),
		FINDS(an_address_that_is_refused_spoils_no_other),
		FINDS(a_bogus_address_spoils_no_other),
		FINDS(a_target_that_nobody_answers_for_spoils_no_other),
		FINDS(without_an_address_it_is_told_why),
		FINDS(without_any_address_there_is_nothing_to_find),
		FINDS(nobody_answers_for_the_only_target),
		FINDS(without_the_key_there_is_nothing_to_find),
		FINDS(a_key_that_is_refused),
		FINDS(without_a_target_there_is_nothing_to_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
