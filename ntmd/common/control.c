// SPDX-License-Identifier: GPL-2.0
/*
 * A connection does one thing at a time: it reads a line, waits for its answer,
 * waits until the answer is written, and only then looks at the next line. So
 * memory is bounded by the number of connections, whatever a client does.
 *
 * Lifetime: a reply and its connection may each go first. They point at each
 * other, and whichever goes clears the other's pointer. The control itself
 * lives until its listener and its last connection are closed.
 */
#include "common/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536
#define CONNECTIONS_MAX 16
#define RESPONSE_MAX (64u << 20) /* client: a status of very many peers */
#define BACKLOG 16

struct connection {
	uv_pipe_t pipe;
	uv_write_t write;
	struct ntm_control *control;
	struct connection *next;
	struct ntm_control_reply *pending;
	char *out;   /* being written */
	size_t used; /* of line */
	bool writing;
	bool last; /* nothing more is read: close when all is answered */
	bool closing;
	bool scanning; /* take_lines() is on the stack */
	char line[LINE_MAX_BYTES];
};

struct ntm_control_reply {
	struct connection *conn; /* NULL: gone */
};

struct ntm_control {
	uv_pipe_t listener;
	struct connection *connections;
	unsigned int count;
	unsigned int handles; /* open: the listener and the connections */
	bool closing;
	char *path;
	ntm_control_fn *fn;
	void *ctx;
};

static void take_lines(struct connection *c);

static void drop_handle(struct ntm_control *control)
{
	if (--control->handles)
		return;
	free(control->path);
	free(control);
}

/* --- connections */

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct ntm_control *control = c->control;
	struct connection **p;

	for (p = &control->connections; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	control->count--;
	free(c->out);
	free(c);
	drop_handle(control);
}

static void close_connection(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	if (c->pending)
		c->pending->conn = NULL;
	c->pending = NULL;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static bool busy(const struct connection *c)
{
	return c->pending || c->writing || c->closing;
}

static void on_written(uv_write_t *req, int status)
{
	struct connection *c = req->handle->data;

	free(c->out);
	c->out = NULL;
	c->writing = false;
	if (status < 0)
		close_connection(c);
	else
		take_lines(c);
}

/* Steals @response. */
static void respond(struct connection *c, json_t *response)
{
	char *text = json_dumps(response, JSON_COMPACT | JSON_PRESERVE_ORDER);
	uv_buf_t bufs[2];

	json_decref(response);
	if (!text) {
		close_connection(c);
		return;
	}
	c->out = text;
	c->writing = true;
	bufs[0] = uv_buf_init(text, (unsigned int)strlen(text));
	bufs[1] = uv_buf_init("\n", 1);
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, bufs, 2, on_written)) {
		c->writing = false;
		close_connection(c);
	}
}

static json_t *failure(int code, const char *text)
{
	return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", text, "code", code);
}

static void handle_line(struct connection *c, const char *line, size_t len)
{
	struct ntm_control *control = c->control;
	struct ntm_control_reply *reply;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(request)) {
		json_decref(request);
		respond(c, failure(NTM_EXIT_USAGE, "not a JSON object"));
		return;
	}
	reply = calloc(1, sizeof(*reply));
	if (!reply) {
		json_decref(request);
		close_connection(c);
		return;
	}
	reply->conn = c;
	c->pending = reply;
	control->fn(control->ctx, request, reply);
	json_decref(request);
}

static bool take_line(struct connection *c)
{
	char *end = memchr(c->line, '\n', c->used);
	size_t len;

	if (!end)
		return false;
	len = (size_t)(end - c->line);
	handle_line(c, c->line, len);
	c->used -= len + 1;
	memmove(c->line, end + 1, c->used);
	return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	(void)suggested;
	buf->base = c->line + c->used;
	buf->len = sizeof(c->line) - c->used;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;

	(void)buf;
	if (n == UV_ENOBUFS) { /* the buffer is full, its line not yet done with */
		uv_read_stop(stream);
		return;
	}
	if (n < 0) {
		/* The client may have closed its sending side alone and wait for the answer. */
		c->last = true;
		uv_read_stop(stream);
		if (n != UV_EOF)
			close_connection(c);
	} else {
		c->used += (size_t)n;
	}
	if (!c->closing)
		take_lines(c);
}

static void start_reading(struct connection *c)
{
	int err = uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);

	if (err && err != UV_EALREADY)
		close_connection(c);
}

static void take_lines(struct connection *c)
{
	/* An answer given at once comes back here; the loop below goes on with it. */
	if (c->scanning)
		return;
	c->scanning = true;
	while (!busy(c) && take_line(c))
		;
	c->scanning = false;
	if (busy(c))
		return;
	if (c->last) {
		close_connection(c);
	} else if (c->used == sizeof(c->line)) {
		uv_read_stop((uv_stream_t *)&c->pipe);
		c->last = true;
		respond(c, failure(NTM_EXIT_USAGE, "request too long"));
	} else {
		start_reading(c); /* it stopped if the line was full */
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct ntm_control *control = listener->data;
	struct connection *c;

	if (status < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	if (uv_pipe_init(listener->loop, &c->pipe, 0)) {
		free(c);
		return;
	}
	c->pipe.data = c;
	c->control = control;
	c->next = control->connections;
	control->connections = c;
	control->count++;
	control->handles++;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe)) {
		close_connection(c);
	} else if (control->count > CONNECTIONS_MAX) {
		c->last = true;
		respond(c, failure(NTM_EXIT_ERROR, "too many connections"));
	} else {
		start_reading(c);
	}
}

/* --- the socket */

static int socket_address(struct sockaddr_un *addr, const char *path)
{
	size_t len = strlen(path);

	if (!len || len >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, len);
	return 0;
}

/* Removes the socket of a daemon that died; -EADDRINUSE: it lives. */
static int remove_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int err = 0;
	int fd;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: its backlog is full, so there is somebody. */
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno == EAGAIN)
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		err = -errno;
	else if (unlink(addr->sun_path))
		err = -errno;
	close(fd);
	return err;
}

/* A bound socket, or a negative errno. Nobody can connect before listen(), so chmod() comes in time. */
static int bind_path(const char *path)
{
	struct sockaddr_un addr;
	int err = socket_address(&addr, path);
	int fd;

	if (!err)
		err = remove_stale(&addr);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
	} else if (chmod(path, 0660)) {
		err = -errno;
		unlink(path);
	}
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static void on_listener_closed(uv_handle_t *handle)
{
	drop_handle(handle->data);
}

/* A client that goes away while an answer is written must not end the daemon. */
static void ignore_sigpipe(void)
{
	struct sigaction old;

	if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

int ntm_control_open(struct ntm_control **control, uv_loop_t *loop, const char *path,
		     ntm_control_fn *fn, void *ctx)
{
	struct ntm_control *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;
	int fd;

	*control = NULL;
	if (!c)
		return err;
	c->path = strdup(path);
	if (!c->path)
		goto err_free;
	c->fn = fn;
	c->ctx = ctx;
	fd = bind_path(path);
	if (fd < 0) {
		err = fd;
		goto err_free;
	}
	err = uv_pipe_init(loop, &c->listener, 0);
	if (err) {
		unlink(path);
		close(fd);
		goto err_free;
	}
	c->listener.data = c;
	c->handles = 1;
	err = uv_pipe_open(&c->listener, fd);
	if (err)
		close(fd);
	if (!err)
		err = uv_listen((uv_stream_t *)&c->listener, BACKLOG, on_connection);
	if (err) {
		ntm_control_close(c);
		return err;
	}
	ignore_sigpipe();
	*control = c;
	return 0;

err_free:
	free(c->path);
	free(c);
	return err;
}

void ntm_control_close(struct ntm_control *control)
{
	if (!control || control->closing)
		return;
	control->closing = true;
	unlink(control->path);
	for (struct connection *c = control->connections; c; c = c->next)
		close_connection(c);
	uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}

void ntm_control_answer(struct ntm_control_reply *reply, json_t *response)
{
	struct connection *c = reply->conn;

	free(reply);
	if (!c) {
		json_decref(response);
		return;
	}
	c->pending = NULL;
	respond(c, response);
}

void ntm_control_fail(struct ntm_control_reply *reply, int code, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	json_t *response;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	response = failure(code, text);
	/* Text that is not UTF-8 cannot be told; that it failed can. */
	if (!response)
		response = failure(code, "failed");
	ntm_control_answer(reply, response);
}

/* --- client */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0 when @fd is ready for @events, or a positive errno. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n;

	for (;;) {
		left = deadline - now_ms();
		if (left <= 0)
			return ETIMEDOUT;
		n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return errno;
	}
}

static int connect_to(const char *path, int *out)
{
	struct sockaddr_un addr;
	int err = -socket_address(&addr, path);
	int fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = errno;
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

static int send_all(int fd, const char *text, size_t len, int64_t deadline)
{
	ssize_t n;
	int err;

	while (len) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n >= 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		/* The answer may say why it does not listen any more. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		err = wait_for(fd, POLLOUT, deadline);
		if (err)
			return err;
	}
	return 0;
}

static int send_request(int fd, const json_t *request, int64_t deadline)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len;
	int err;

	if (!text)
		return EINVAL;
	len = strlen(text);
	text[len] = '\n'; /* in the place of NUL */
	err = send_all(fd, text, len + 1, deadline);
	free(text);
	return err;
}

/* Doubles @buf when it is full. */
static int make_room(char **buf, size_t *size, size_t used)
{
	size_t bigger = *size ? *size * 2 : 4096;
	char *p;

	if (used < *size)
		return 0;
	if (bigger > RESPONSE_MAX)
		return EPROTO;
	p = realloc(*buf, bigger);
	if (!p)
		return ENOMEM;
	*buf = p;
	*size = bigger;
	return 0;
}

/* @buf: the caller frees it, error or not. */
static int read_response(int fd, char **buf, size_t *len, int64_t deadline)
{
	size_t size = 0, used = 0;
	ssize_t n;
	char *end;
	int err;

	for (;;) {
		err = make_room(buf, &size, used);
		if (!err)
			err = wait_for(fd, POLLIN, deadline);
		if (err)
			return err;
		n = read(fd, *buf + used, size - used);
		if (n == 0)
			return EPROTO;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET ? EPROTO : errno;
		if (n < 0)
			continue;
		end = memchr(*buf + used, '\n', (size_t)n);
		used += (size_t)n;
		if (end) {
			*len = (size_t)(end - *buf);
			return 0;
		}
	}
}

json_t *ntm_control_call(const char *path, json_t *request, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	json_t *response = NULL;
	char *buf = NULL;
	size_t len = 0;
	int fd = -1;
	int err;

	err = connect_to(path, &fd);
	if (err) {
		errno = err;
		return NULL;
	}
	err = send_request(fd, request, deadline);
	if (!err)
		err = read_response(fd, &buf, &len, deadline);
	close(fd);
	if (!err) {
		response = json_loadb(buf, len, 0, NULL);
		if (!json_is_object(response)) {
			json_decref(response);
			response = NULL;
			err = EPROTO;
		}
	}
	free(buf);
	errno = err;
	return response;
}
