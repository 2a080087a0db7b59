// SPDX-License-Identifier: GPL-2.0
#include "pipe/event.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "common/relay.h"

/* Of each share */
#define EVENTS_MAX 512u
#define BYTES_MAX (4u << 20)

void ntm_pipe_queue_init(struct ntm_pipe_queue *queue, ntm_pipe_wake_fn *wake, void *ctx)
{
	memset(queue, 0, sizeof(*queue));
	pthread_mutex_init(&queue->lock, NULL);
	queue->last = &queue->first;
	queue->wake = wake;
	queue->ctx = ctx;
}

void ntm_pipe_queue_done(struct ntm_pipe_queue *queue)
{
	struct ntm_pipe_event *event;

	while ((event = ntm_pipe_take(queue)))
		free(event);
	pthread_mutex_destroy(&queue->lock);
}

/* None is crowded out by another: not the host's name queries by strangers, nor by either of them what the owner must know */
static struct ntm_pipe_share *share_of(struct ntm_pipe_queue *queue, enum ntm_pipe_event_type type)
{
	switch (type) {
	case NTM_PIPE_SIGNAL:
		return &queue->strangers;
	case NTM_PIPE_MISS:
	case NTM_PIPE_STUB:
		return &queue->host;
	default:
		return &queue->own;
	}
}

static bool has_room(struct ntm_pipe_queue *queue, enum ntm_pipe_event_type type, size_t len)
{
	const struct ntm_pipe_share *share = share_of(queue, type);
	bool room;

	pthread_mutex_lock(&queue->lock);
	room = share->count < EVENTS_MAX && share->bytes + len <= BYTES_MAX;
	pthread_mutex_unlock(&queue->lock);
	return room;
}

struct ntm_pipe_event *ntm_pipe_event(struct ntm_pipe_queue *queue, enum ntm_pipe_event_type type,
				      uint32_t path_id, const void *data, size_t len)
{
	struct ntm_pipe_event *event;

	if (!has_room(queue, type, len))
		return NULL;
	event = calloc(1, sizeof(*event) + len);
	if (!event)
		return NULL;
	event->type = type;
	event->path_id = ntohl(path_id);
	event->len = len;
	if (len)
		memcpy(event->data, data, len);
	return event;
}

void ntm_pipe_post(struct ntm_pipe_queue *queue, struct ntm_pipe_event *event)
{
	struct ntm_pipe_share *share = share_of(queue, event->type);
	bool wake;

	pthread_mutex_lock(&queue->lock);
	wake = !queue->first;
	*queue->last = event;
	queue->last = &event->next;
	share->count++;
	share->bytes += event->len;
	pthread_mutex_unlock(&queue->lock);
	if (wake)
		queue->wake(queue->ctx);
}

void ntm_pipe_tell(struct ntm_pipe_queue *queue, enum ntm_pipe_event_type type, uint32_t path_id,
		   uint32_t number)
{
	struct ntm_pipe_event *event = ntm_pipe_event(queue, type, path_id, NULL, 0);

	if (!event)
		return;
	event->number = number;
	ntm_pipe_post(queue, event);
}

void ntm_pipe_note(struct ntm_pipe_queue *queue, const char *text)
{
	struct ntm_pipe_event *event =
		ntm_pipe_event(queue, NTM_PIPE_NOTE, 0, text, strlen(text) + 1);

	if (event)
		ntm_pipe_post(queue, event);
}

bool ntm_pipe_signal(struct ntm_pipe_queue *queue, const union ntm_addr *from, uint32_t port,
		     const uint8_t *packet, size_t len)
{
	struct ntm_pipe_event *event = NULL;

	if (len <= NTM_RELAYED_MAX)
		event = ntm_pipe_event(queue, NTM_PIPE_SIGNAL, 0, packet, len);
	if (!event)
		return false;
	event->addr = *from;
	event->number = port;
	ntm_pipe_post(queue, event);
	return true;
}

struct ntm_pipe_event *ntm_pipe_take(struct ntm_pipe_queue *queue)
{
	struct ntm_pipe_share *share;
	struct ntm_pipe_event *event;

	pthread_mutex_lock(&queue->lock);
	event = queue->first;
	if (event) {
		queue->first = event->next;
		if (!queue->first)
			queue->last = &queue->first;
		share = share_of(queue, event->type);
		share->count--;
		share->bytes -= event->len;
	}
	pthread_mutex_unlock(&queue->lock);
	return event;
}
