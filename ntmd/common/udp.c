// SPDX-License-Identifier: GPL-2.0
/*
 * One socket a family, in batches. Signalling leaves without DF: its messages
 * fit IPv6's least MTU, and over IPv4 a fragment is better than a set-up that
 * hangs where ICMP is filtered. (The data path builds its own packets, with DF.)
 *
 * Lifetime: ntm_udp_close() closes the descriptors at once and asks libuv to
 * close the handles; the memory goes with the last handle's callback, so that a
 * callback of ours that is still on the stack finds everything in place.
 */
#include "common/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/relay.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BATCH 16
#define BATCHES 8 /* a callback: others on the loop get their turn */
#define PLAIN_SIZE NTM_RELAYED_MAX
#define GRO_SIZE 65535
#define SOCKET_BUFFER (4 << 20)
#define PORT_TRIES 16
#define REARM_MS 100

struct family {
	struct ntm_udp *udp;
	uv_poll_t poll;
	int fd;
	bool polled; /* the handle is initialised */
};

/* @discover4, @discover6: IP_MTU_DISCOVER of the sockets, while nobody else uses them */
struct ntm_udp {
	struct family v4, v6;
	int discover4, discover6;
	bool mapped; /* the IPv6 socket serves IPv4, too */
	bool paused;
	uv_timer_t rearm;
	unsigned int handles; /* open ones */
	bool closing;
	ntm_udp_recv_fn *recv;
	void *ctx;
	uint64_t dropped;
	struct ntm_log_limit limit;
	size_t size; /* of one buffer */
	uint8_t *buffers;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in6 from[BATCH]; /* room for either family */
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control[BATCH];
};

/* --- receiving */

static void prepare_batch(struct ntm_udp *udp)
{
	for (unsigned int i = 0; i < BATCH; i++) {
		udp->iov[i].iov_base = udp->buffers + i * udp->size;
		udp->iov[i].iov_len = udp->size;
		udp->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &udp->from[i],
			.msg_namelen = sizeof(udp->from[i]),
			.msg_iov = &udp->iov[i],
			.msg_iovlen = 1,
			.msg_control = &udp->control[i],
			.msg_controllen = sizeof(udp->control[i].bytes),
		};
		udp->msgs[i].msg_len = 0;
	}
}

/* Size of an aggregate's segments; @len if it is none. */
static size_t segment_size(struct msghdr *msg, size_t len)
{
	struct cmsghdr *c;
	int size;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO ||
		    c->cmsg_len < CMSG_LEN(sizeof(size)))
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		return size > 0 && (size_t)size < len ? (size_t)size : len;
	}
	return len;
}

static void deliver(struct ntm_udp *udp, struct mmsghdr *m)
{
	const uint8_t *at = m->msg_hdr.msg_iov->iov_base;
	size_t left = m->msg_len;
	size_t size, segment = segment_size(&m->msg_hdr, left);
	union ntm_addr from;

	if (m->msg_hdr.msg_flags & MSG_TRUNC)
		return;
	if (ntm_addr_from_sockaddr(&from, m->msg_hdr.msg_name))
		return;
	for (; left && !udp->closing; at += size, left -= size) {
		size = left < segment ? left : segment;
		udp->recv(udp->ctx, at, size, &from);
	}
}

/* Number of datagrams, 0 if there is none left, or a negative errno. */
static int receive_batch(struct ntm_udp *udp, int fd)
{
	int n;

	prepare_batch(udp);
	n = recvmmsg(fd, udp->msgs, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (int i = 0; i < n && !udp->closing; i++)
		deliver(udp, &udp->msgs[i]);
	return n;
}

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(struct family *f)
{
	int err;

	if (f->udp->paused)
		return;
	err = uv_poll_start(&f->poll, UV_READABLE, on_event);

	if (err)
		ntm_err("UDP socket cannot be watched: %s", uv_strerror(err));
}

static void on_rearm(uv_timer_t *timer)
{
	struct ntm_udp *udp = timer->data;

	if (udp->v4.polled)
		watch(&udp->v4);
	if (udp->v6.polled)
		watch(&udp->v6);
}

/*
 * An error that waits on the socket (ICMP, interface gone) is told once and
 * taken away by reading it. One that stays must not turn into a busy loop: the
 * sockets rest a little.
 */
static void rest(struct ntm_udp *udp, struct family *f, int err)
{
	if (ntm_log_allowed(&udp->limit, uv_now(f->poll.loop)))
		ntm_warn("receiving UDP: %s", strerror(-err));
	uv_poll_stop(&f->poll);
	uv_timer_start(&udp->rearm, on_rearm, REARM_MS, 0);
}

static int take_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct family *f = poll->data;
	struct ntm_udp *udp = f->udp;
	int n = 0;

	(void)events;
	if (status < 0) { /* POLLERR: libuv has stopped the handle */
		n = take_error(f->fd);
		if (n)
			watch(f);
		else
			rest(udp, f, status);
		return;
	}
	for (int i = 0; i < BATCHES && !udp->closing; i++) {
		n = receive_batch(udp, f->fd);
		if (n < BATCH)
			break;
	}
	/* Interrupted or an ICMP error, now taken: the next event is a new one. */
	if (n < 0 && n != -EINTR && n != -ECONNREFUSED && n != -EHOSTUNREACH && n != -ENETUNREACH)
		rest(udp, f, n);
}

/* --- opening */

static void set_int(int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		ntm_warn("UDP socket: %s: %s", what, strerror(errno));
}

static void set_buffer(int fd, int force, int plain)
{
	int size = SOCKET_BUFFER;

	/* Beyond the system's limit only with CAP_NET_ADMIN; up to it without. */
	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

/* A socket handed in may keep a queue of errors, which nobody reads here: it would be ready at all times */
static void drop_errors(int fd, int family)
{
	static const int off;

	(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &off, sizeof(off));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &off, sizeof(off));
}

static void tune(int fd, int family, bool gro)
{
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (family == AF_INET)
		set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
	drop_errors(fd, family);
	if (gro)
		set_int(fd, SOL_UDP, UDP_GRO, 1, "UDP_GRO");
}

static int discover_now(int fd, int level, int name)
{
	int value = IP_PMTUDISC_WANT;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) ? IP_PMTUDISC_WANT : value;
}

static bool is_wildcard(const union ntm_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? addr->v4.sin_addr.s_addr == INADDR_ANY :
					       IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr);
}

static int port_of(int fd, uint16_t *port)
{
	struct sockaddr_in6 addr = { .sin6_port = 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		return -errno;
	*port = ntohs(addr.sin6_port); /* at the same place in both families */
	return 0;
}

static int bind_socket(int fd, const union ntm_addr *addr)
{
	static const int one = 1;

	if (addr->sa.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))
		return -errno;
	return bind(fd, &addr->sa, ntm_addr_len(addr)) ? -errno : 0;
}

/* @fd: the bound socket; -1 with 0 if there is to be none or the host lacks the family. */
static int open_family(const union ntm_addr *addr, int *fd)
{
	char text[NTM_ADDR_STR];
	int err;

	*fd = -1;
	if (!addr || !addr->sa.sa_family)
		return 0;
	*fd = socket(addr->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = *fd < 0 ? -errno : bind_socket(*fd, addr);
	if (!err)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	if (err == -EAFNOSUPPORT || (err == -EADDRNOTAVAIL && is_wildcard(addr))) {
		ntm_warn("%s: %s: left out", ntm_addr_str(addr, text), strerror(-err));
		return 0;
	}
	return err;
}

/* IPv6 takes the port that IPv4 got, if it may have any. */
static int open_both(const union ntm_addr *listen4, const union ntm_addr *listen6, int fd[2])
{
	union ntm_addr addr6;
	uint16_t port = 0;
	int err;

	err = open_family(listen4, &fd[0]);
	if (err)
		return err;
	memset(&addr6, 0, sizeof(addr6));
	if (listen6)
		addr6 = *listen6;
	if (fd[0] >= 0 && addr6.sa.sa_family && !addr6.v6.sin6_port && !port_of(fd[0], &port))
		addr6.v6.sin6_port = htons(port);
	err = open_family(&addr6, &fd[1]);
	if (err && fd[0] >= 0)
		close(fd[0]);
	return err;
}

int ntm_udp_open(struct ntm_udp **udp, uv_loop_t *loop, const union ntm_addr *listen4,
		 const union ntm_addr *listen6, bool gro, ntm_udp_recv_fn *recv, void *ctx)
{
	bool any_port = listen4 && listen4->sa.sa_family && !listen4->v4.sin_port;
	int fd[2];
	int err;

	*udp = NULL;
	/* The port that IPv4 gets may be somebody's on IPv6: then another one. */
	for (int i = 0; i < PORT_TRIES; i++) {
		err = open_both(listen4, listen6, fd);
		if (err != -EADDRINUSE || !any_port)
			break;
	}
	if (err)
		return err;
	if (fd[0] < 0 && fd[1] < 0)
		return -EAFNOSUPPORT;
	return ntm_udp_adopt(udp, loop, fd[0], fd[1], gro, recv, ctx);
}

static bool is_mapped(int fd)
{
	int only = 1;
	socklen_t len = sizeof(only);

	return fd >= 0 && !getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) && !only;
}

static int start_family(struct ntm_udp *udp, uv_loop_t *loop, struct family *f)
{
	int err;

	if (f->fd < 0)
		return 0;
	err = uv_poll_init(loop, &f->poll, f->fd);
	if (err)
		return err;
	f->poll.data = f;
	f->polled = true;
	udp->handles++;
	return uv_poll_start(&f->poll, UV_READABLE, on_event);
}

static int start(struct ntm_udp *udp, uv_loop_t *loop)
{
	int err = uv_timer_init(loop, &udp->rearm);

	if (err)
		return err;
	udp->rearm.data = udp;
	udp->handles++;
	err = start_family(udp, loop, &udp->v4);
	return err ? err : start_family(udp, loop, &udp->v6);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int ntm_udp_adopt(struct ntm_udp **udp, uv_loop_t *loop, int fd4, int fd6, bool gro,
		  ntm_udp_recv_fn *recv, void *ctx)
{
	struct ntm_udp *u = calloc(1, sizeof(*u));
	size_t size = gro ? GRO_SIZE : PLAIN_SIZE;
	uint8_t *buffers = calloc(BATCH, size);
	int err;

	*udp = NULL;
	if (!u || !buffers) {
		free(u);
		free(buffers);
		close_fd(fd4);
		close_fd(fd6);
		return -ENOMEM;
	}
	u->size = size;
	u->buffers = buffers;
	u->recv = recv;
	u->ctx = ctx;
	u->mapped = fd4 < 0 && is_mapped(fd6);
	u->v4 = (struct family){ .udp = u, .fd = fd4 };
	u->v6 = (struct family){ .udp = u, .fd = fd6 };
	if (fd4 >= 0)
		tune(fd4, AF_INET, gro);
	if (fd6 >= 0)
		tune(fd6, AF_INET6, gro);
	u->discover4 = discover_now(fd4 >= 0 ? fd4 : fd6, IPPROTO_IP, IP_MTU_DISCOVER);
	u->discover6 = discover_now(fd6, IPPROTO_IPV6, IPV6_MTU_DISCOVER);
	err = start(u, loop);
	if (err) {
		ntm_udp_close(u);
		return err;
	}
	*udp = u;
	return 0;
}

/* --- the rest */

/* The socket that reaches @to, and @to as it is said there */
static int way_to(const struct ntm_udp *udp, const union ntm_addr *to, union ntm_addr *said)
{
	*said = *to;
	if (to->sa.sa_family != AF_INET || !udp->mapped)
		return ntm_udp_fd(udp, to->sa.sa_family);
	memset(said, 0, sizeof(*said));
	said->v6.sin6_family = AF_INET6;
	said->v6.sin6_port = to->v4.sin_port;
	said->v6.sin6_addr.s6_addr[10] = said->v6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&said->v6.sin6_addr.s6_addr[12], &to->v4.sin_addr, 4);
	return udp->v6.fd;
}

static int send_datagram(int fd, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	ssize_t n;

	do
		n = sendto(fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL, &to->sa, ntm_addr_len(to));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* What the socket is left with: the user-space data path, in whose hands it is while we are paused, has DF set */
static int discover_of(const struct ntm_udp *udp, bool v4)
{
	if (udp->paused)
		return IP_PMTUDISC_DO;
	return v4 ? udp->discover4 : udp->discover6;
}

/*
 * One datagram with another IP_MTU_DISCOVER than the socket's. There is one socket only, because there is one port: what another
 * thread of the user-space data path, or the kernel module, sends by it meanwhile goes the same way, which does no harm. Such a
 * packet is no bigger than its path's MTU. Without DF it may be cut on its way once; with IP_PMTUDISC_PROBE one that is too big for
 * what the kernel has just learnt of a route is lost on its way, and not here, and its sender hears of it by ICMP all the same.
 */
static int send_as(const struct ntm_udp *udp, int fd, const union ntm_addr *to,
		   const uint8_t *packet, size_t len, int how)
{
	const bool v4 = to->sa.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&to->v6.sin6_addr);
	const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6,
		  name = v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER;
	const int then = discover_of(udp, v4);
	int err;

	if (setsockopt(fd, level, name, &how, sizeof(how)))
		return -errno;
	err = send_datagram(fd, to, packet, len);
	if (setsockopt(fd, level, name, &then, sizeof(then)))
		return -errno;
	return err;
}

/* A full socket buffer is a loss, as one on the way is */
static int settle(struct ntm_udp *udp, int err)
{
	if (err != -EAGAIN && err != -ENOBUFS)
		return err;
	udp->dropped++;
	return 0;
}

int ntm_udp_send(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	union ntm_addr said;
	int fd = way_to(udp, to, &said);
	int err;

	if (fd < 0)
		return -EAFNOSUPPORT;
	err = send_datagram(fd, &said, packet, len);
	if (err == -EMSGSIZE) /* the user-space data path has DF set: in fragments, then */
		err = send_as(udp, fd, &said, packet, len, IP_PMTUDISC_DONT);
	return settle(udp, err);
}

_Static_assert(IPV6_PMTUDISC_DONT == IP_PMTUDISC_DONT && IPV6_PMTUDISC_PROBE == IP_PMTUDISC_PROBE,
	       "the same in both families");

int ntm_udp_send_df(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet,
		    size_t len)
{
	union ntm_addr said;
	int fd = way_to(udp, to, &said);

	if (fd < 0)
		return -EAFNOSUPPORT;
	return settle(udp, send_as(udp, fd, &said, packet, len, IP_PMTUDISC_PROBE));
}

void ntm_udp_pause(struct ntm_udp *udp)
{
	udp->paused = true;
	if (udp->v4.polled)
		uv_poll_stop(&udp->v4.poll);
	if (udp->v6.polled)
		uv_poll_stop(&udp->v6.poll);
	uv_timer_stop(&udp->rearm);
}

void ntm_udp_resume(struct ntm_udp *udp)
{
	if (udp->closing)
		return;
	udp->paused = false;
	on_rearm(&udp->rearm);
}

void ntm_udp_deliver(struct ntm_udp *udp, const uint8_t *packet, size_t len,
		     const union ntm_addr *from)
{
	if (!udp->closing)
		udp->recv(udp->ctx, packet, len, from);
}

uint64_t ntm_udp_dropped(const struct ntm_udp *udp)
{
	return udp->dropped;
}

int ntm_udp_fd(const struct ntm_udp *udp, int family)
{
	return family == AF_INET ? udp->v4.fd : family == AF_INET6 ? udp->v6.fd : -1;
}

uint16_t ntm_udp_port(const struct ntm_udp *udp)
{
	uint16_t port = 0;
	int fd = udp->v4.fd >= 0 ? udp->v4.fd : udp->v6.fd;

	return fd >= 0 && !port_of(fd, &port) ? port : 0;
}

static void free_udp(struct ntm_udp *udp)
{
	free(udp->buffers);
	free(udp);
}

static void drop_handle(struct ntm_udp *udp)
{
	if (--udp->handles == 0)
		free_udp(udp);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct family *f = handle->data;

	drop_handle(f->udp);
}

static void on_timer_closed(uv_handle_t *handle)
{
	drop_handle(handle->data);
}

static void close_family(struct family *f)
{
	if (f->polled)
		uv_close((uv_handle_t *)&f->poll, on_poll_closed);
	close_fd(f->fd);
	f->fd = -1;
}

void ntm_udp_close(struct ntm_udp *udp)
{
	if (!udp || udp->closing)
		return;
	udp->closing = true;
	close_family(&udp->v4);
	close_family(&udp->v6);
	if (udp->handles)
		uv_close((uv_handle_t *)&udp->rearm, on_timer_closed);
	else
		free_udp(udp);
}
