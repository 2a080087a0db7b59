// SPDX-License-Identifier: GPL-2.0
/*
 * A query is a slot of a table until it is answered or 10 s old; its tag is
 * the slot's number and generation. A TCP connection has one query at a time:
 * the next is read when the answer has been written.
 *
 * Lifetime: every libuv handle counts as one reference to the struct ntm_stub,
 * which is freed with the last of them. ntm_stub_close() closes them all;
 * from then on nothing is read and no tag is good.
 */
#include "stub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/netif.h"

#define HEADER 12
#define EXPIRE_MS 10000 /* of a query, and of a connection on which nothing happens */
#define BACKLOG 16
#define BATCH 32 /* datagrams read before others have their turn */
#define STREAM_TAG (1ULL << 63)
#define SLOT_BITS 16

struct stream;

struct slot {
	uint64_t expires_ms; /* 0: free */
	uint32_t generation;
	unsigned int listener;
	union ntm_addr from;
	struct stream *stream;
};

struct listener {
	struct ntm_stub *stub;
	uv_poll_t udp;
	uv_tcp_t tcp;
	int fd;
};

struct stream {
	uv_tcp_t tcp;
	uv_timer_t timer;
	struct ntm_stub *stub;
	struct stream *next, **link;
	struct slot *slot; /* its query that waits for an answer */
	unsigned int handles;
	size_t have;
	uint8_t buf[2 + NTM_STUB_QUERY_MAX];
};

struct written {
	uv_write_t req;
	struct stream *stream;
	uint8_t bytes[];
};

struct ntm_stub {
	uv_loop_t *loop;
	ntm_stub_query_fn *query;
	void *ctx;
	unsigned int handles;
	bool closing;
	unsigned int listeners;
	struct listener listener[NTM_STUB_ADDRS];
	struct stream *streams;
	unsigned int stream_count;
	unsigned int cursor;
	struct slot slots[NTM_STUB_QUERIES];
	uint8_t buf[NTM_STUB_QUERY_MAX];
};

static void put(struct ntm_stub *stub)
{
	if (!--stub->handles)
		free(stub);
}

/* Slots */

static void free_slot(struct slot *slot)
{
	if (slot->stream)
		slot->stream->slot = NULL;
	slot->stream = NULL;
	slot->expires_ms = 0;
	slot->generation++;
}

static struct slot *new_slot(struct ntm_stub *stub)
{
	uint64_t now = uv_now(stub->loop);

	for (unsigned int i = 0; i < NTM_STUB_QUERIES; i++) {
		struct slot *slot = &stub->slots[stub->cursor++ % NTM_STUB_QUERIES];

		if (slot->expires_ms > now)
			continue;
		free_slot(slot);
		slot->expires_ms = now + EXPIRE_MS;
		return slot;
	}
	return NULL;
}

static uint64_t tag_of(const struct ntm_stub *stub, const struct slot *slot)
{
	uint64_t tag = ((uint64_t)slot->generation << SLOT_BITS) | (uint64_t)(slot - stub->slots);

	return slot->stream ? tag | STREAM_TAG : tag;
}

static struct slot *slot_of(struct ntm_stub *stub, uint64_t tag)
{
	uint64_t number = tag & ((1U << SLOT_BITS) - 1);
	struct slot *slot;

	if (stub->closing || number >= NTM_STUB_QUERIES)
		return NULL;
	slot = &stub->slots[number];
	return slot->expires_ms && tag_of(stub, slot) == tag ? slot : NULL;
}

/* Sockets */

/* For UDP, SO_REUSEADDR would let two have the port */
static int set_options(int fd, int family, int type)
{
	const int on = 1;

	if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	if (family == AF_INET)
		return setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) ? -errno : 0;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
		return -errno;
	return 0;
}

static int open_socket(const union ntm_addr *addr, int type)
{
	int fd = socket(addr->sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = set_options(fd, addr->sa.sa_family, type);
	if (!err && bind(fd, &addr->sa, ntm_addr_len(addr)))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* UDP */

static void take_datagram(struct listener *listener, const union ntm_addr *from, size_t len)
{
	struct ntm_stub *stub = listener->stub;
	struct slot *slot;

	/* A peer's packets reach our interface, too */
	if (len < HEADER || !ntm_netif_is_local(from))
		return;
	slot = new_slot(stub);
	if (!slot)
		return; /* it will be sent again */
	slot->from = *from;
	slot->listener = (unsigned int)(listener - stub->listener);
	stub->query(stub->ctx, tag_of(stub, slot), stub->buf, len);
}

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	struct ntm_stub *stub = listener->stub;

	(void)status;
	(void)events;
	for (int i = 0; i < BATCH && !stub->closing; i++) {
		union ntm_addr from;
		socklen_t size = sizeof(from);
		ssize_t len = recvfrom(listener->fd, stub->buf, sizeof(stub->buf), MSG_TRUNC,
				       &from.sa, &size);

		if (len < 0 && errno == EAGAIN)
			return;
		if (len >= 0 && (size_t)len <= sizeof(stub->buf))
			take_datagram(listener, &from, (size_t)len);
	}
}

/* TCP */

static void on_stream_closed(uv_handle_t *handle)
{
	struct stream *stream = handle->data;
	struct ntm_stub *stub = stream->stub;

	if (!--stream->handles)
		free(stream);
	put(stub);
}

static void close_stream(struct stream *stream)
{
	if (uv_is_closing((uv_handle_t *)&stream->tcp))
		return;
	if (stream->slot)
		free_slot(stream->slot);
	*stream->link = stream->next;
	if (stream->next)
		stream->next->link = stream->link;
	stream->stub->stream_count--;
	uv_close((uv_handle_t *)&stream->timer, on_stream_closed);
	uv_close((uv_handle_t *)&stream->tcp, on_stream_closed);
}

static void on_stream_timer(uv_timer_t *timer)
{
	close_stream(timer->data);
}

/* From now on something has to happen on it within that time: the next query, or the answer */
static void restart_timer(struct stream *stream)
{
	uv_timer_start(&stream->timer, on_stream_timer, EXPIRE_MS, 0);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct stream *stream = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)stream->buf + stream->have,
			   (unsigned int)(sizeof(stream->buf) - stream->have));
}

/* Length and message, as in RFC 1035 4.2.2; 0: more is to come */
static size_t whole_query(const struct stream *stream)
{
	size_t len;

	if (stream->have < 2)
		return 0;
	len = 2 + ((size_t)stream->buf[0] << 8 | stream->buf[1]);
	return stream->have < len && len <= sizeof(stream->buf) ? 0 : len;
}

static void take_query(struct stream *stream, size_t len)
{
	struct ntm_stub *stub = stream->stub;
	struct slot *slot = NULL;

	if (len >= 2 + HEADER && len <= sizeof(stream->buf))
		slot = new_slot(stub);
	if (!slot) {
		close_stream(stream);
		return;
	}
	uv_read_stop((uv_stream_t *)&stream->tcp);
	restart_timer(stream);
	slot->stream = stream;
	stream->slot = slot;
	memcpy(stub->buf, stream->buf + 2, len - 2);
	stream->have -= len;
	memmove(stream->buf, stream->buf + len, stream->have);
	stub->query(stub->ctx, tag_of(stub, slot), stub->buf, len - 2);
}

static void on_bytes(uv_stream_t *handle, ssize_t len, const uv_buf_t *buf);

static void read_on(struct stream *stream)
{
	size_t len = whole_query(stream);

	restart_timer(stream);
	if (len)
		take_query(stream, len);
	else if (uv_read_start((uv_stream_t *)&stream->tcp, on_room, on_bytes))
		close_stream(stream);
}

/* Time is given for a whole query, not for each of its bytes */
static void on_bytes(uv_stream_t *handle, ssize_t len, const uv_buf_t *buf)
{
	struct stream *stream = handle->data;

	(void)buf;
	if (len < 0) {
		close_stream(stream);
		return;
	}
	stream->have += (size_t)len;
	len = (ssize_t)whole_query(stream);
	if (len)
		take_query(stream, (size_t)len);
}

static struct stream *new_stream(struct ntm_stub *stub)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->stub = stub;
	stream->tcp.data = stream->timer.data = stream;
	uv_tcp_init(stub->loop, &stream->tcp);
	uv_timer_init(stub->loop, &stream->timer);
	stream->handles = 2;
	stub->handles += 2;
	stream->next = stub->streams;
	if (stream->next)
		stream->next->link = &stream->next;
	stream->link = &stub->streams;
	stub->streams = stream;
	stub->stream_count++;
	return stream;
}

static bool is_local_stream(const struct stream *stream)
{
	struct sockaddr_storage name;
	int size = sizeof(name);
	union ntm_addr from;

	return !uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&name, &size) &&
	       !ntm_addr_from_sockaddr(&from, (struct sockaddr *)&name) &&
	       ntm_netif_is_local(&from);
}

/* One too many is taken all the same, and closed: libuv asks no more until it was accepted */
static void on_connection(uv_stream_t *handle, int status)
{
	struct listener *listener = handle->data;
	struct stream *stream = status ? NULL : new_stream(listener->stub);

	if (!stream)
		return;
	if (!uv_accept(handle, (uv_stream_t *)&stream->tcp) &&
	    listener->stub->stream_count <= NTM_STUB_STREAMS && is_local_stream(stream))
		read_on(stream);
	else
		close_stream(stream);
}

/* The reply */

static void on_written(uv_write_t *req, int status)
{
	struct written *written = req->data;
	struct stream *stream = written->stream;

	free(written);
	if (uv_is_closing((uv_handle_t *)&stream->tcp))
		return;
	if (status)
		close_stream(stream);
	else
		read_on(stream);
}

static int write_stream(struct stream *stream, const uint8_t *msg, size_t len)
{
	struct written *written = malloc(sizeof(*written) + 2 + len);
	uv_buf_t buf;
	int err;

	if (!written)
		return -ENOMEM;
	written->req.data = written;
	written->stream = stream;
	written->bytes[0] = (uint8_t)(len >> 8);
	written->bytes[1] = (uint8_t)len;
	memcpy(written->bytes + 2, msg, len);
	buf = uv_buf_init((char *)written->bytes, (unsigned int)(2 + len));
	err = uv_write(&written->req, (uv_stream_t *)&stream->tcp, &buf, 1, on_written);
	if (err)
		free(written);
	return err;
}

static int reply_stream(struct slot *slot, const uint8_t *msg, size_t len)
{
	struct stream *stream = slot->stream;
	int err = 0;

	free_slot(slot);
	if (len)
		err = write_stream(stream, msg, len);
	if (!len || err)
		close_stream(stream);
	return err;
}

static int reply_datagram(struct ntm_stub *stub, struct slot *slot, const uint8_t *msg, size_t len)
{
	union ntm_addr to = slot->from;
	int fd = stub->listener[slot->listener].fd;

	free_slot(slot);
	if (len && sendto(fd, msg, len, 0, &to.sa, ntm_addr_len(&to)) < 0)
		return -errno;
	return 0;
}

int ntm_stub_reply(struct ntm_stub *stub, uint64_t tag, const uint8_t *msg, size_t len)
{
	struct slot *slot = slot_of(stub, tag);

	if (!slot)
		return -ENOENT;
	if (len > UINT16_MAX)
		return -EMSGSIZE;
	return slot->stream ? reply_stream(slot, msg, len) : reply_datagram(stub, slot, msg, len);
}

bool ntm_stub_is_stream(uint64_t tag)
{
	return tag & STREAM_TAG;
}

/* Open and close */

static int open_udp(struct listener *listener, const union ntm_addr *addr)
{
	struct ntm_stub *stub = listener->stub;
	int err;

	listener->fd = open_socket(addr, SOCK_DGRAM);
	if (listener->fd < 0)
		return listener->fd;
	err = uv_poll_init(stub->loop, &listener->udp, listener->fd);
	if (err) {
		close(listener->fd);
		return err;
	}
	stub->handles++;
	return uv_poll_start(&listener->udp, UV_READABLE, on_datagrams);
}

static int open_tcp(struct listener *listener, const union ntm_addr *addr)
{
	struct ntm_stub *stub = listener->stub;
	int fd, err = uv_tcp_init(stub->loop, &listener->tcp);

	if (err)
		return err;
	stub->handles++;
	fd = open_socket(addr, SOCK_STREAM);
	if (fd < 0)
		return fd;
	err = uv_tcp_open(&listener->tcp, fd);
	if (err)
		close(fd);
	return err ? err : uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
}

static int open_listener(struct ntm_stub *stub, const union ntm_addr *addr)
{
	struct listener *listener = &stub->listener[stub->listeners++];
	int err;

	listener->stub = stub;
	listener->udp.data = listener->tcp.data = listener;
	err = open_udp(listener, addr);
	return err ? err : open_tcp(listener, addr);
}

int ntm_stub_open(struct ntm_stub **out, uv_loop_t *loop, const union ntm_addr *addrs,
		  unsigned int count, ntm_stub_query_fn *query, void *ctx)
{
	struct ntm_stub *stub;
	int err = 0;

	*out = NULL;
	if (!count || count > NTM_STUB_ADDRS)
		return -EINVAL;
	stub = calloc(1, sizeof(*stub));
	if (!stub)
		return -ENOMEM;
	stub->loop = loop;
	stub->query = query;
	stub->ctx = ctx;
	stub->handles = 1; /* ours, until ntm_stub_close() */
	for (unsigned int i = 0; !err && i < count; i++)
		err = open_listener(stub, &addrs[i]);
	if (err)
		ntm_stub_close(stub);
	else
		*out = stub;
	return err;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	put(listener->stub);
}

/* A handle that was never initialised has no type */
static void close_listener(struct listener *listener)
{
	if (listener->udp.type == UV_POLL) {
		uv_close((uv_handle_t *)&listener->udp, on_listener_closed);
		close(listener->fd);
	}
	if (listener->tcp.type == UV_TCP)
		uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
}

void ntm_stub_close(struct ntm_stub *stub)
{
	if (!stub || stub->closing)
		return;
	stub->closing = true;
	while (stub->streams)
		close_stream(stub->streams);
	for (unsigned int i = 0; i < stub->listeners; i++)
		close_listener(&stub->listener[i]);
	put(stub);
}
