// SPDX-License-Identifier: GPL-2.0
/*
 * Lifetime: libuv gives a handle back some time after uv_close(). From
 * ntm_try_end() on a try calls nobody, and it is freed when its handle is; so
 * a message in its own buffer outlives the call that ends it.
 */
#include "upstream_try.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bytes.h"
#include "ntmobile/uapi.h"

#define ID_LEN 2
#define PREFIX_LEN 2 /* of a message by TCP: its length (RFC 1035 4.2.2) */
#define BATCH 16     /* datagrams read before others have their turn */

struct ntm_try {
	uv_poll_t poll;
	int fd;
	bool stream;
	ntm_try_fn *fn;
	void *ctx;
	uint8_t *buf; /* of all; by TCP our own, once the length is known */
	size_t size;
	size_t have; /* of the answer by TCP, with its prefix */
	uint8_t prefix[PREFIX_LEN];
	size_t sent, len; /* of the query by TCP, with its prefix */
	uint8_t query[];
};

static const uint8_t *id_of(const struct ntm_try *try)
{
	return try->query + PREFIX_LEN;
}

static void free_try(uv_handle_t *handle)
{
	struct ntm_try *try = handle->data;

	if (try->stream)
		free(try->buf);
	free(try);
}

void ntm_try_end(struct ntm_try *try)
{
	if (!try)
		return;
	uv_close((uv_handle_t *)&try->poll, free_try);
	close(try->fd);
}

/* True: another message is waited for */
static bool take(struct ntm_try *try, uint8_t *msg, size_t len)
{
	if (len < ID_LEN || memcmp(msg, id_of(try), ID_LEN) != 0)
		return true;
	return try->fn(try->ctx, msg, (ssize_t)len);
}

static void fail(struct ntm_try *try, int err)
{
	(void)uv_poll_stop(&try->poll);
	(void)try->fn(try->ctx, NULL, err);
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* UDP: what is no answer to this query is passed over. ECONNREFUSED, EHOSTUNREACH: an ICMP error came back. */

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
	struct ntm_try *try = poll->data;
	ssize_t len;

	(void)status; /* recv() tells the reason */
	(void)events;
	for (int i = 0; i < BATCH; i++) {
		len = recv(try->fd, try->buf, try->size, 0);
		if (len < 0) {
			if (!is_passing(errno))
				fail(try, -errno);
			return;
		}
		if (!take(try, try->buf, (size_t)len))
			return;
	}
}

/* TCP: one message each way */

static ssize_t receive(struct ntm_try *try, uint8_t *to, size_t len)
{
	ssize_t done = recv(try->fd, to, len, 0);

	if (done < 0)
		return -errno;
	if (!done)
		return -ECONNRESET;
	try->have += (size_t)done;
	return done;
}

static int make_room(struct ntm_try *try)
{
	try->size = ntm_get16(try->prefix);
	try->buf = try->size ? malloc(try->size) : NULL;
	if (try->buf)
		return 0;
	return try->size ? -ENOMEM : -EBADMSG;
}

/* 0, or a negative errno; all is there when @have says so */
static int read_some(struct ntm_try *try)
{
	ssize_t done;

	if (try->have < PREFIX_LEN) {
		done = receive(try, try->prefix + try->have, PREFIX_LEN - try->have);
		if (done < 0 || try->have < PREFIX_LEN)
			return done < 0 ? (int)done : 0;
		return make_room(try);
	}
	done = receive(try, try->buf + try->have - PREFIX_LEN, PREFIX_LEN + try->size - try->have);
	return done < 0 ? (int)done : 0;
}

static bool is_whole(const struct ntm_try *try)
{
	return try->have >= PREFIX_LEN && try->have == PREFIX_LEN + try->size;
}

/* A server that answers another question than ours, over a connection of ours, is out of its mind */
static void on_bytes(uv_poll_t *poll, int status, int events)
{
	struct ntm_try *try = poll->data;
	int err = 0;

	(void)status; /* recv() tells the reason */
	(void)events;
	while (!err && !is_whole(try))
		err = read_some(try);
	if (is_passing(-err))
		return;
	if (err)
		fail(try, err);
	else if (take(try, try->buf, try->size))
		fail(try, -EBADMSG);
}

/* The connection stands, or was refused */
static void on_room(uv_poll_t *poll, int status, int events)
{
	struct ntm_try *try = poll->data;
	ssize_t done = send(try->fd, try->query + try->sent, try->len - try->sent, MSG_NOSIGNAL);
	int err = done < 0 ? -errno : 0;

	(void)status; /* send() tells the reason */
	(void)events;
	if (is_passing(-err))
		return;
	if (!err) {
		try->sent += (size_t)done;
		if (try->sent == try->len)
			err = uv_poll_start(poll, UV_READABLE, on_bytes);
	}
	if (err)
		fail(try, err);
}

/* Start */

/* The kernel draws a random port for a socket that is connected without being bound */
static int connect_to(const union ntm_addr *server, bool stream)
{
	const unsigned int mark = NTM_DNS_MARK;
	const int type = stream ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(server->sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* Needs CAP_NET_ADMIN; without it, there is no module to catch the query either */
	(void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (connect(fd, &server->sa, ntm_addr_len(server)) && errno != EINPROGRESS) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static struct ntm_try *new_try(const struct ntm_try_how *how)
{
	struct ntm_try *try = calloc(1, sizeof(*try) + PREFIX_LEN + how->len);

	if (!try)
		return NULL;
	try->stream = how->stream;
	try->fn = how->fn;
	try->ctx = how->ctx;
	try->len = PREFIX_LEN + how->len;
	if (!how->stream) {
		try->buf = how->buf;
		try->size = how->size;
	}
	ntm_put16(try->query, how->len);
	memcpy(try->query + PREFIX_LEN, how->msg, how->len);
	randombytes_buf(try->query + PREFIX_LEN, ID_LEN);
	return try;
}

static int send_datagram(const struct ntm_try *try)
{
	return send(try->fd, try->query + PREFIX_LEN, try->len - PREFIX_LEN, 0) < 0 ? -errno : 0;
}

/* 0: the handle is there, and ntm_try_end() has to close it */
static int open_try(struct ntm_try *try, const struct ntm_try_how *how)
{
	int err;

	try->fd = connect_to(how->server, how->stream);
	if (try->fd < 0)
		return try->fd;
	err = how->stream ? 0 : send_datagram(try);
	if (!err)
		err = uv_poll_init(how->loop, &try->poll, try->fd);
	if (err)
		close(try->fd);
	return err;
}

int ntm_try_start(struct ntm_try **out, const struct ntm_try_how *how)
{
	struct ntm_try *try = new_try(how);
	int err = try ? open_try(try, how) : -ENOMEM;

	*out = NULL;
	if (err) {
		free(try);
		return err;
	}
	try->poll.data = try;
	err = uv_poll_start(&try->poll, how->stream ? UV_WRITABLE : UV_READABLE,
			    how->stream ? on_room : on_datagrams);
	if (err)
		ntm_try_end(try);
	else
		*out = try;
	return err;
}
