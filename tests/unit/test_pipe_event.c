// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/pipe/event.c */
/* The queue to the owner: in order, bounded, woken once; strangers get half of it. */
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

static void test_strangers(void **state)
{
	static const enum ntm_pipe_event_type strangers[] = { NTM_PIPE_SIGNAL, NTM_PIPE_MISS,
							      NTM_PIPE_STUB };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fill(strangers[i], 100), 512);
		assert_false(post(strangers[(i + 1) % 3], 1));
		assert_int_equal(fill(NTM_PIPE_MOVED, 0), 512);
		ntm_pipe_tell(&queue, NTM_PIPE_REKEY, 1, 1); /* lost, and no harm */
		ntm_pipe_note(&queue, "lost");
		assert_int_equal(queue.count, 1024);
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
	free(ntm_pipe_take(&queue));
	assert_true(post(NTM_PIPE_MISS, 1 << 16));
	assert_false(post(NTM_PIPE_MISS, 1));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(test_order), TEST(test_strangers),
					    TEST(test_bytes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
