// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/queries.c ntmd/node/lease.c */
/* What waits: queries for a tunnel, requests for the DC. */
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "node/queries.h"
#include "common/requests.h"

static void test_order_and_kinds(void **state)
{
	const uint8_t virt[4] = { 100, 64, 0, 9 };
	const struct ntm_dns_query dns = { .id = 77, .name = "cn.example.net" };
	struct ntm_queries list;
	struct ntm_query *q;
	int ping;

	(void)state;
	ntm_queries_init(&list);
	assert_null(ntm_queries_pop(&list));
	assert_true(ntm_queries_deadline(&list) == UINT64_MAX);
	assert_non_null(ntm_queries_dns(&list, 1000, 5, &dns));
	assert_non_null(ntm_queries_miss(&list, 1100, AF_INET, virt));
	assert_non_null(ntm_queries_ping(&list, 1200, 10, &ping));
	assert_int_equal(ntm_queries_held(), 3);
	assert_int_equal(ntm_queries_deadline(&list), 1210);

	q = ntm_queries_pop(&list);
	assert_int_equal(q->kind, NTM_QUERY_DNS);
	assert_int_equal(q->tag, 5);
	assert_int_equal(q->dns->id, 77);
	assert_int_equal(q->deadline_ms, 1000 + NTM_QUERY_HOLD_MS);
	ntm_query_free(q);
	q = ntm_queries_pop(&list);
	assert_int_equal(q->kind, NTM_QUERY_MISS);
	assert_memory_equal(q->virt, virt, sizeof(virt));
	ntm_query_free(q);
	q = ntm_queries_pop(&list);
	assert_ptr_equal(q->ping, &ping);
	ntm_query_free(q);
	assert_null(ntm_queries_pop(&list));
	assert_int_equal(ntm_queries_held(), 0);
}

static void test_late(void **state)
{
	const struct ntm_dns_query dns = { .id = 1 };
	struct ntm_queries list;
	struct ntm_query *q;

	(void)state;
	ntm_queries_init(&list);
	ntm_queries_ping(&list, 0, 5000, NULL);
	ntm_queries_dns(&list, 0, 1, &dns);
	ntm_queries_dns(&list, 100, 2, &dns);
	assert_null(ntm_queries_pop_late(&list, NTM_QUERY_HOLD_MS - 1));
	q = ntm_queries_pop_late(&list, NTM_QUERY_HOLD_MS);
	assert_int_equal(q->tag, 1);
	ntm_query_free(q);
	assert_null(ntm_queries_pop_late(&list, NTM_QUERY_HOLD_MS));
	q = ntm_queries_pop_late(&list, NTM_QUERY_HOLD_MS + 100);
	assert_int_equal(q->tag, 2);
	ntm_query_free(q);
	/* The last was taken from the end: the list must still be able to grow */
	ntm_queries_dns(&list, 0, 3, &dns);
	ntm_query_free(ntm_queries_pop(&list));
	q = ntm_queries_pop(&list);
	assert_int_equal(q->tag, 3);
	ntm_query_free(q);
}

static void test_move_and_append(void **state)
{
	struct ntm_queries a, b;
	struct ntm_query *q;

	(void)state;
	ntm_queries_init(&a);
	ntm_queries_init(&b);
	ntm_queries_move(&a, &b);
	assert_null(a.first);
	ntm_queries_ping(&a, 0, 1, NULL);
	ntm_queries_ping(&b, 0, 2, NULL);
	ntm_queries_ping(&b, 0, 3, NULL);
	ntm_queries_move(&a, &b);
	assert_null(b.first);
	q = ntm_queries_pop(&a);
	ntm_queries_append(&b, q);
	ntm_queries_move(&a, &b);
	for (uint64_t i = 2; i <= 4; i++) {
		q = ntm_queries_pop(&a);
		assert_int_equal(q->deadline_ms, i == 4 ? 1 : i);
		ntm_query_free(q);
	}
	assert_null(ntm_queries_pop(&a));
}

static void test_bounded(void **state)
{
	struct ntm_queries list;
	unsigned int n;

	(void)state;
	ntm_queries_init(&list);
	for (n = 0; ntm_queries_ping(&list, 0, 1, NULL); n++)
		;
	assert_int_equal(n, NTM_QUERIES_MAX);
	while (list.first)
		ntm_query_free(ntm_queries_pop(&list));
	assert_non_null(ntm_queries_ping(&list, 0, 1, NULL));
	ntm_query_free(ntm_queries_pop(&list));
}

static void test_outcomes(void **state)
{
	(void)state;
	assert_int_equal(ntm_queries_rcode(NTM_OUTCOME_STANDS), NTM_DNS_NOERROR);
	assert_int_equal(ntm_queries_rcode(NTM_OUTCOME_UNKNOWN), NTM_DNS_NXDOMAIN);
	assert_int_equal(ntm_queries_rcode(NTM_OUTCOME_FAILED), NTM_DNS_SERVFAIL);
	assert_int_equal(ntm_queries_errno(NTM_OUTCOME_STANDS), 0);
	assert_int_equal(ntm_queries_errno(NTM_OUTCOME_UNKNOWN), EHOSTUNREACH);
	assert_int_equal(ntm_queries_errno(NTM_OUTCOME_FAILED), EHOSTUNREACH);
}

static enum ntm_dns_place place(const char *name)
{
	struct ntm_msg lease = { .zone = "example.net",
				 .name = "mn.example.net",
				 .peer_zones = { { .name = "b.example" }, { .name = "c.example" } },
				 .peer_zone_count = 2 };

	return ntm_queries_place(&lease, name);
}

static void test_place(void **state)
{
	const struct ntm_msg none = { .zone = "" };

	(void)state;
	assert_int_equal(place("www.example.org"), NTM_DNS_OUTSIDE);
	assert_int_equal(place("badexample.net"), NTM_DNS_OUTSIDE);
	assert_int_equal(place("net"), NTM_DNS_OUTSIDE);
	assert_int_equal(place(""), NTM_DNS_OUTSIDE);
	assert_int_equal(ntm_queries_place(&none, "example.net"), NTM_DNS_OUTSIDE);
	assert_int_equal(place("example.net"), NTM_DNS_APEX);
	assert_int_equal(place("mn.example.net"), NTM_DNS_SELF);
	assert_int_equal(place("cn.example.net"), NTM_DNS_PEER);
	assert_int_equal(place("a.mn.example.net"), NTM_DNS_PEER);
	assert_int_equal(place("_x.example.net"), NTM_DNS_PEER);
	/* Another zone is in the DNS, too: what is no node's is asked there */
	assert_int_equal(place("cn.b.example"), NTM_DNS_PEER);
	assert_int_equal(place("x.y.c.example"), NTM_DNS_PEER);
	assert_int_equal(place("b.example"), NTM_DNS_OUTSIDE);
	assert_int_equal(place("_ntmobile._udp.c.example"), NTM_DNS_OUTSIDE);
	assert_int_equal(place("xb.example"), NTM_DNS_OUTSIDE);
	assert_int_equal(place("d.example"), NTM_DNS_OUTSIDE);
}

/* Requests */

struct seen {
	unsigned int sent, done, ended;
	uint32_t last_id;
	struct ntm_requests *list;
};

static void on_send(void *ctx, const struct ntm_msg *m)
{
	struct seen *seen = ctx;

	seen->sent++;
	seen->last_id = m->request_id;
}

static void on_done(void *ctx, uint32_t id, const struct ntm_msg *response)
{
	struct seen *seen = ctx;

	(void)id;
	if (response)
		seen->done++;
	else
		seen->ended++;
}

static void test_retransmission(void **state)
{
	const struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE };
	struct ntm_msg response = { .type = NTM_MSG_KEEP_ALIVE_RESPONSE };
	struct seen seen = { 0 };
	struct ntm_requests list;
	uint64_t last = 0, now;
	uint32_t id;

	(void)state;
	ntm_requests_init(&list);
	assert_true(ntm_requests_sent_since(&list) == UINT64_MAX);
	id = ntm_requests_add(&list, &m, 1000, 60000, on_done, &seen);
	assert_int_not_equal(id, 0);
	assert_int_equal(ntm_requests_deadline(&list, true, 0), 1000);
	assert_int_equal(ntm_requests_deadline(&list, false, 0), 61000);
	ntm_requests_send(&list, 1000, NTM_MSG_DIRECTION_REQUEST, on_send, &seen);
	assert_int_equal(seen.sent, 0); /* of another type */
	for (unsigned int i = 0; i < 8; i++) {
		now = ntm_requests_deadline(&list, true, 0);
		if (i) {
			const uint64_t before = 250u << (i - 1 < 4 ? i - 1 : 4);

			assert_true(now - last >= before * 9 / 10 &&
				    now - last <= before * 11 / 10);
		}
		last = now;
		ntm_requests_send(&list, now, 0, on_send, &seen);
		assert_int_equal(seen.sent, i + 1);
		assert_int_equal(seen.last_id, id);
	}
	assert_int_equal(ntm_requests_sent_since(&list), 1000);
	response.request_id = id + 1;
	assert_false(ntm_requests_answer(&list, &response));
	response.request_id = id;
	assert_true(ntm_requests_answer(&list, &response));
	assert_false(ntm_requests_answer(&list, &response));
	assert_int_equal(seen.done, 1);
	assert_int_equal(list.count, 0);
}

static void test_requests_end(void **state)
{
	const struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE };
	struct seen seen = { 0 };
	struct ntm_requests list;
	unsigned int n;

	(void)state;
	ntm_requests_init(&list);
	ntm_requests_add(&list, &m, 0, 100, on_done, &seen);
	ntm_requests_add(&list, &m, 0, 200, on_done, &seen);
	ntm_requests_expire(&list, 99);
	assert_int_equal(seen.ended, 0);
	ntm_requests_expire(&list, 100);
	assert_int_equal(seen.ended, 1);
	ntm_requests_send(&list, 150, 0, on_send, &seen);
	ntm_requests_due(&list, 160);
	assert_true(ntm_requests_sent_since(&list) == UINT64_MAX);
	assert_int_equal(ntm_requests_deadline(&list, true, 0), 160);
	ntm_requests_cancel_all(&list);
	assert_int_equal(seen.ended, 2);
	for (n = 0; ntm_requests_add(&list, &m, 0, 100, on_done, &seen); n++)
		;
	assert_int_equal(n, NTM_REQUESTS_MAX);
	ntm_requests_cancel_all(&list);
	assert_int_equal(list.count, 0);
}

/* A callback that asks again, as the DC's side does */
static void ask_again(void *ctx, uint32_t id, const struct ntm_msg *response)
{
	const struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE };
	struct seen *seen = ctx;

	(void)id;
	(void)response;
	if (++seen->done < 3)
		ntm_requests_add(seen->list, &m, 100, 100, ask_again, seen);
}

static void test_callback_may_add(void **state)
{
	const struct ntm_msg m = { .type = NTM_MSG_KEEP_ALIVE };
	struct ntm_requests list;
	struct seen seen = { .list = &list };

	(void)state;
	ntm_requests_init(&list);
	ntm_requests_add(&list, &m, 0, 100, ask_again, &seen);
	ntm_requests_expire(&list, 100);
	assert_int_equal(seen.done, 1);
	assert_int_equal(list.count, 1);
	ntm_requests_cancel_all(&list);
	assert_int_equal(seen.done, 3);
	assert_int_equal(list.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_kinds),	 cmocka_unit_test(test_late),
		cmocka_unit_test(test_move_and_append),	 cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_outcomes),	 cmocka_unit_test(test_place),
		cmocka_unit_test(test_retransmission),	 cmocka_unit_test(test_requests_end),
		cmocka_unit_test(test_callback_may_add),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
