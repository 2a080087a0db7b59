// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/event.c */
/* The queue to the owner: in order, bounded, woken once; strangers, the host and the pipe itself have a share each. */
#include "ntm_test.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "pipe/event.h"

static struct ntm_pipe_queue queue;
static unsigned int wakes;

static void on_wake(void *ctx)
{
	assert_ptr_equal(ctx, &wakes);
	wakes++;
}

static int setup(void **state)
{
	(void)state;
	wakes = 0;
	ntm_pipe_queue_init(&queue, on_wake, &wakes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ntm_pipe_queue_done(&queue); /* frees what was not taken */
	return 0;
}

static bool post(enum ntm_pipe_event_type type, size_t len)
{
	static const uint8_t data[1 << 16];
	struct ntm_pipe_event *event = ntm_pipe_event(&queue, type, htonl(7), data, len);

	if (event)
		ntm_pipe_post(&queue, event);
	return event;
}

static unsigned int fill(enum ntm_pipe_event_type type, size_t len)
{
	unsigned int n = 0;

	while (n < 5000 && post(type, len))
		n++;
	return n;
}

static void test_order(void **state)
{
	struct ntm_pipe_event *event;

	(void)state;
	assert_null(ntm_pipe_take(&queue));
	for (uint32_t i = 0; i < 10; i++)
		ntm_pipe_tell(&queue, NTM_PIPE_MOVED, htonl(100 + i), i);
	assert_int_equal(wakes, 1);
	for (uint32_t i = 0; i < 10; i++) {
		event = ntm_pipe_take(&queue);
		assert_int_equal(event->path_id, 100 + i);
		assert_int_equal(event->number, i);
		free(event);
	}
	assert_null(ntm_pipe_take(&queue));
	ntm_pipe_note(&queue, "text");
	assert_int_equal(wakes, 2);
	event = ntm_pipe_take(&queue);
	assert_string_equal(event->data, "text");
	assert_int_equal(event->len, 5);
	free(event);
}

/* One of each origin; whichever floods the queue, the others' events find room, and there is an end to all of them */
static void test_shares(void **state)
{
	static const enum ntm_pipe_event_type of[] = { NTM_PIPE_SIGNAL, NTM_PIPE_STUB,
						       NTM_PIPE_MOVED };
	struct ntm_pipe_event *event;
	unsigned int count = 0;

	for (int first = 0; first < 3; first++, count = 0) {
		assert_int_equal(fill(of[first], 100), 512);
		assert_int_equal(fill(of[(first + 1) % 3], 100), 512);
		assert_int_equal(fill(of[(first + 2) % 3], 100), 512);
		assert_false(post(NTM_PIPE_MISS, 1));
		ntm_pipe_tell(&queue, NTM_PIPE_REKEY, 1, 1); /* lost, and no harm */
		ntm_pipe_note(&queue, "lost");
		while ((event = ntm_pipe_take(&queue))) {
			free(event);
			count++;
		}
		assert_int_equal(count, 3 * 512);
		assert_true(post(of[first], 100));
		teardown(state);
		setup(state);
	}
}

static void test_bytes(void **state)
{
	(void)state;
	assert_int_equal(fill(NTM_PIPE_MISS, 1 << 16), 64); /* 4 MB */
	assert_false(post(NTM_PIPE_MISS, 1));
	assert_true(post(NTM_PIPE_MOVED, 0));
	assert_true(post(NTM_PIPE_SIGNAL, 1000));
	free(ntm_pipe_take(&queue));
	assert_true(post(NTM_PIPE_MISS, 1 << 16));
	assert_false(post(NTM_PIPE_MISS, 1));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(test_order), TEST(test_shares), TEST(test_bytes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
