// SPDX-License-Identifier: GPL-2.0
#include "pipe/event.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "common/relay.h"

#define EVENTS_MAX 1024u
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

/* What the daemon must know is never crowded out by what strangers send: they get half of the room */
static bool has_room(struct ntm_pipe_queue *queue, enum ntm_pipe_event_type type, size_t len)
{
	const bool stranger = type == NTM_PIPE_SIGNAL || type == NTM_PIPE_MISS ||
			      type == NTM_PIPE_STUB;
	bool room;

	pthread_mutex_lock(&queue->lock);
	room = queue->count < (stranger ? EVENTS_MAX / 2 : EVENTS_MAX) &&
	       queue->bytes + len <= BYTES_MAX;
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
	bool wake;

	pthread_mutex_lock(&queue->lock);
	wake = !queue->first;
	*queue->last = event;
	queue->last = &event->next;
	queue->count++;
	queue->bytes += event->len;
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
	struct ntm_pipe_event *event;

	pthread_mutex_lock(&queue->lock);
	event = queue->first;
	if (event) {
		queue->first = event->next;
		if (!queue->first)
			queue->last = &queue->first;
		queue->count--;
		queue->bytes -= event->len;
	}
	pthread_mutex_unlock(&queue->lock);
	return event;
}
