// SPDX-License-Identifier: GPL-2.0
#include "pipe/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include "ntmobile/wire.h"
#include "pipe/headers.h"
#include "pipe/port.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define FRAGMENT_UP_TO (NTM_IP6_MTU_MIN + NTM_WIRE_OVERHEAD)
#define BATCH 16u
#define FULL_MS 20 /* to wait for room in a socket's buffer */
#define ERRORS 64  /* to take from a queue of errors at once */
/* Until cutting is tried again; doubled from the first to the last while it goes on failing */
#define GSO_FIRST_MS 30000u
#define GSO_LAST_MS 600000u

/* Options */

static bool set_int(int fd, int level, int name, int value)
{
	return !setsockopt(fd, level, name, &value, sizeof(value));
}

static bool is_mapped(int fd)
{
	int only = 1;
	socklen_t len = sizeof(only);

	return fd >= 0 && !getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) && !only;
}

static void prepare4(int fd)
{
	set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
	set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	set_int(fd, IPPROTO_IP, IP_RECVERR, 0); /* a queue that nobody reads */
}

static void prepare6(int fd)
{
	set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 0);
}

void ntm_sock_prepare(int fd, int family)
{
	if (family == AF_INET)
		prepare4(fd);
	else
		prepare6(fd);
	set_int(fd, SOL_UDP, UDP_GRO, 1);
}

/* Kernels before 4.18 do not, and would send a GSO packet as one datagram without a word */
static bool knows_gso(int fd)
{
	int size;
	socklen_t len = sizeof(size);

	return fd < 0 || !getsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, &len);
}

void ntm_sock_init(struct ntm_sock *sock, int fd4, int fd6)
{
	sock->fd4 = fd4;
	sock->fd6 = fd6;
	sock->mapped = is_mapped(fd6);
	if (fd4 >= 0 || sock->mapped)
		prepare4(fd4 >= 0 ? fd4 : fd6);
	if (fd6 >= 0)
		prepare6(fd6);
	for (int i = 0; i < 2; i++)
		if ((i ? fd6 : fd4) >= 0)
			set_int(i ? fd6 : fd4, SOL_UDP, UDP_GRO, 1);
	atomic_store(&sock->gso, knows_gso(fd4) && knows_gso(fd6));
	atomic_store(&sock->gso_again_ms, atomic_load(&sock->gso));
	atomic_store(&sock->gso_wait_ms, 0);
	sock->gso_told = false;
}

/* Reading */

int ntm_sock_read(int fd, struct ntm_sock_in *in, uint8_t *bufs)
{
	int n;

	for (unsigned int i = 0; i < NTM_SOCK_BATCH; i++) {
		in->iov[i] = (struct iovec){ bufs + i * (size_t)NTM_SOCK_SIZE, NTM_SOCK_SIZE };
		in->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &in->from[i],
			.msg_namelen = sizeof(in->from[i]),
			.msg_iov = &in->iov[i],
			.msg_iovlen = 1,
			.msg_control = in->control[i],
			.msg_controllen = sizeof(in->control[i]),
		};
	}
	n = recvmmsg(fd, in->msgs, NTM_SOCK_BATCH, MSG_DONTWAIT, NULL);
	in->count = n > 0 ? (unsigned int)n : 0;
	return n < 0 ? -errno : n;
}

int ntm_sock_read_ready(const struct ntm_sock *sock, struct ntm_sock_ready *ready,
			struct ntm_sock_in *in, uint8_t *bufs)
{
	const bool said = ready->said;

	ready->said = false;
	for (int i = 0; i < 2; i++) {
		const bool six = ready->six = !ready->six;
		bool *may = six ? &ready->v6 : &ready->v4;
		const int fd = six ? sock->fd6 : sock->fd4;
		int n;

		if (fd < 0 || !*may)
			continue;
		n = ntm_sock_read(fd, in, bufs);
		*may = n == NTM_SOCK_BATCH;
		if (n != -EAGAIN)
			return n;
	}
	return said ? -EAGAIN : 0;
}

/* While a socket has queued errors it never waits; whoever shares it with us may have asked for them (IP_RECVERR, time stamps) */
static void drop_errors(int fd)
{
	struct msghdr msg = { 0 };

	for (int i = 0; i < ERRORS; i++)
		if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
}

void ntm_sock_poll(const struct ntm_sock *sock, struct ntm_sock_ready *ready, struct pollfd *pfd,
		   unsigned int count)
{
	pfd[0] = (struct pollfd){ .fd = sock->fd4, .events = POLLIN };
	pfd[1] = (struct pollfd){ .fd = sock->fd6, .events = POLLIN };
	(void)poll(pfd, count, -1);
	for (unsigned int i = 0; i < count; i++)
		if (pfd[i].revents & POLLERR)
			drop_errors(pfd[i].fd);
	ready->v4 = pfd[0].revents;
	ready->v6 = pfd[1].revents;
	ready->said = ready->v4 || ready->v6;
}

void ntm_sock_wait(const struct ntm_sock *sock, struct ntm_sock_ready *ready, int kick)
{
	struct pollfd pfd[3];

	pfd[2] = (struct pollfd){ .fd = kick, .events = POLLIN };
	ntm_sock_poll(sock, ready, pfd, 3);
}

static void read_pktinfo4(const struct cmsghdr *c, union ntm_addr *local)
{
	struct in_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	local->v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = info.ipi_addr };
}

static void read_pktinfo6(const struct cmsghdr *c, union ntm_addr *local)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	sin6.sin6_addr = info.ipi6_addr;
	if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
		sin6.sin6_scope_id = info.ipi6_ifindex;
	if (ntm_addr_from_sockaddr(local, (const struct sockaddr *)&sin6))
		local->sa.sa_family = AF_UNSPEC;
}

static void read_control(const struct cmsghdr *c, struct ntm_sock_meta *meta)
{
	int number = 0;

	if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
		memcpy(&number, CMSG_DATA(c), sizeof(number));
		meta->size = number > 0 ? (unsigned int)number : 0;
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
		meta->tos = *CMSG_DATA(c);
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
		memcpy(&number, CMSG_DATA(c), sizeof(number));
		meta->tos = (uint8_t)number;
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		read_pktinfo4(c, &meta->local);
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		read_pktinfo6(c, &meta->local);
	}
}

bool ntm_sock_meta(const struct ntm_sock_in *in, unsigned int i, struct ntm_sock_meta *meta)
{
	struct msghdr *msg = (struct msghdr *)&in->msgs[i].msg_hdr;
	struct cmsghdr *c;

	memset(meta, 0, sizeof(*meta));
	if (msg->msg_flags & MSG_TRUNC || ntm_addr_from_sockaddr(&meta->from, msg->msg_name))
		return false;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		read_control(c, meta);
	if (!meta->size)
		meta->size = in->msgs[i].msg_len;
	return true;
}

/* Sending */

/** struct packet - a struct msghdr and what it points to */
struct packet {
	struct msghdr msg;
	struct iovec iov;
	union ntm_addr to;
	uint8_t control[NTM_SOCK_CONTROL] __attribute__((aligned(16)));
};

static void put_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

static void put_local(struct msghdr *msg, const union ntm_addr *local)
{
	if (local->sa.sa_family == AF_INET) {
		const struct in_pktinfo info = { .ipi_spec_dst = local->v4.sin_addr };

		put_control(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (local->sa.sa_family == AF_INET6) {
		const struct in6_pktinfo info = { .ipi6_addr = local->v6.sin6_addr,
						  .ipi6_ifindex = local->v6.sin6_scope_id };

		put_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void put_tos(struct msghdr *msg, int family, uint8_t tos)
{
	const int value = tos;

	if (!tos)
		return;
	if (family == AF_INET)
		put_control(msg, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	else
		put_control(msg, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
}

/* On a socket of both families IPv4 is spoken by mapped addresses */
static void put_address(const struct ntm_sock *sock, struct packet *p,
			const struct ntm_sock_out *out)
{
	const union ntm_addr *to = out->to;

	p->to = *to;
	if (to->sa.sa_family == AF_INET && sock->fd4 < 0 && !out->port) {
		p->to.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						  .sin6_port = to->v4.sin_port };
		p->to.v6.sin6_addr.s6_addr[10] = p->to.v6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&p->to.v6.sin6_addr.s6_addr[12], &to->v4.sin_addr, 4);
	}
	p->msg.msg_name = &p->to;
	p->msg.msg_namelen = ntm_addr_len(&p->to);
}

static void build(const struct ntm_sock *sock, struct packet *p, const struct ntm_sock_out *out,
		  bool local)
{
	const uint16_t size = (uint16_t)out->size;

	p->msg = (struct msghdr){ .msg_iov = &p->iov, .msg_iovlen = 1, .msg_control = p->control };
	p->iov = (struct iovec){ (void *)out->data, out->len };
	put_address(sock, p, out);
	if (local && out->local)
		put_local(&p->msg, out->local);
	put_tos(&p->msg, out->to->sa.sa_family, out->tos);
	if (out->len > out->size)
		put_control(&p->msg, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
	if (!p->msg.msg_controllen)
		p->msg.msg_control = NULL;
}

static int send_packet(int fd, const struct msghdr *msg, bool patient)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	bool waited = !patient;

	for (;;) {
		if (sendmsg(fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || waited)
			return -errno;
		waited = true;
		(void)poll(&pfd, 1, FULL_MS);
	}
}

/*
 * What IPv6 promises its users, 1280 bytes, is sent in fragments over a path that carries less (RFC 2473 7.1): the kernel cuts what
 * is larger than the route's MTU, and over IPv4 routers cut the rest. Over IPv6 nobody does where the route does not know, and
 * sockets have no way to ask for it. Other threads' packets may meanwhile go without DF, which does no harm.
 */
static int send_fragments(int fd, const struct packet *p)
{
	const bool v4 = p->to.sa.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&p->to.v6.sin6_addr);
	const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6,
		  name = v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER;
	int err;

	if (p->iov.iov_len > FRAGMENT_UP_TO || !set_int(fd, level, name, IP_PMTUDISC_DONT))
		return -EMSGSIZE;
	err = send_packet(fd, &p->msg, false);
	set_int(fd, level, name, IP_PMTUDISC_DO);
	return err;
}

/* The socket that something leaves by, -1: none */
static int fd_for(const struct ntm_sock *sock, const struct ntm_sock_out *out)
{
	const union ntm_addr *to = out->to;

	if (out->port)
		return out->port->fd;
	if (to->sa.sa_family == AF_INET)
		return sock->fd4 >= 0 ? sock->fd4 : sock->mapped ? sock->fd6 : -1;
	return sock->fd6;
}

/* @p is what was sent last */
static int send_whole(struct ntm_sock *sock, const struct ntm_sock_out *out, int fd,
		      struct packet *p)
{
	int err;

	build(sock, p, out, true);
	err = send_packet(fd, &p->msg, out->patient);
	if (out->local && out->local->sa.sa_family &&
	    (err == -EINVAL || err == -EADDRNOTAVAIL || err == -ENETUNREACH)) {
		/* an address of ours that is gone: let routing choose */
		build(sock, p, out, false);
		err = send_packet(fd, &p->msg, out->patient);
	}
	return err;
}

/* @fits: cleared if it was larger than the MTU, though it may have gone in fragments */
static int send_once(struct ntm_sock *sock, const struct ntm_sock_out *out, bool *fits)
{
	const int fd = fd_for(sock, out);
	struct packet p;
	int err;

	if (fd < 0)
		return -EAFNOSUPPORT;
	if (out->cut) {
		build(sock, &p, out, true);
		return send_fragments(fd, &p);
	}
	err = send_whole(sock, out, fd, &p);
	if (err != -EMSGSIZE)
		return err;
	*fits = false;
	return send_fragments(fd, &p);
}

static int send_each(struct ntm_sock *sock, const struct ntm_sock_out *out, bool *fits)
{
	struct ntm_sock_out one = *out;
	unsigned int left = out->len;
	int err = 0, e;

	for (; left; left -= one.len, one.data += one.len) {
		one.len = left < out->size ? left : out->size;
		e = send_once(sock, &one, fits);
		err = err ? err : e;
	}
	return err;
}

/*
 * EIO: this device cannot cut (it has no checksum offload). EINVAL: also said of segments that exceed the MTU; one by one it turns
 * out.
 */
static bool cannot_cut(int err, int err_each, bool fits)
{
	return err == -EIO || (err == -EINVAL && !err_each && fits);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Another destination may be another device, which can: so it is off for a time, and not for good */
static bool may_cut(struct ntm_sock *sock)
{
	uint64_t again;

	if (atomic_load_explicit(&sock->gso, memory_order_relaxed))
		return true;
	again = atomic_load_explicit(&sock->gso_again_ms, memory_order_relaxed);
	return again && now_ms() >= again;
}

/* What worked for long since it was tried last starts from the first again */
static void leave_cutting(struct ntm_sock *sock)
{
	const uint64_t now = now_ms(), before = atomic_load(&sock->gso_again_ms);
	const bool worked = atomic_load(&sock->gso);
	uint64_t wait = 2 * atomic_load(&sock->gso_wait_ms);

	if (!wait || (worked && now - before > GSO_LAST_MS))
		wait = GSO_FIRST_MS;
	if (wait > GSO_LAST_MS)
		wait = GSO_LAST_MS;
	if (before <= now) { /* or another thread has just seen the same */
		atomic_store(&sock->gso_wait_ms, wait);
		atomic_store(&sock->gso_again_ms, now + wait);
	}
	atomic_store(&sock->gso, false);
}

int ntm_sock_send(struct ntm_sock *sock, const struct ntm_sock_out *out)
{
	bool fits = true;
	int err, err_each;

	if (out->len <= out->size)
		return send_once(sock, out, &fits);
	if (out->cut || !may_cut(sock))
		return send_each(sock, out, &fits);
	err = send_once(sock, out, &fits);
	if (!err && !atomic_load_explicit(&sock->gso, memory_order_relaxed))
		atomic_store(&sock->gso, true);
	if (err != -EIO && err != -EINVAL && err != -EMSGSIZE)
		return err;
	fits = true;
	err_each = send_each(sock, out, &fits);
	if (cannot_cut(err, err_each, fits))
		leave_cutting(sock);
	return err_each;
}

void ntm_sock_links_changed(struct ntm_sock *sock)
{
	if (atomic_load(&sock->gso_again_ms))
		atomic_store(&sock->gso_again_ms, 1);
}

const char *ntm_sock_news(struct ntm_sock *sock)
{
	const bool off = !atomic_load_explicit(&sock->gso, memory_order_relaxed);

	if (off == sock->gso_told)
		return NULL;
	sock->gso_told = off;
	return off ? "neither kernel nor network device cuts UDP packets: sending them one by one" :
		     "UDP packets are cut by kernel or network device again";
}

/* How many of the first ones, to one socket, went at once */
static unsigned int send_batch(struct ntm_sock *sock, const struct ntm_sock_out *outs,
			       unsigned int count)
{
	const int fd = fd_for(sock, &outs[0]);
	struct packet packets[BATCH];
	struct mmsghdr msgs[BATCH];
	unsigned int n = 0;
	int sent;

	if (fd < 0 || !atomic_load_explicit(&sock->gso, memory_order_relaxed))
		return 0;
	for (; n < count && n < BATCH && !outs[n].cut && fd_for(sock, &outs[n]) == fd; n++) {
		build(sock, &packets[n], &outs[n], true);
		msgs[n].msg_hdr = packets[n].msg;
	}
	if (!n)
		return 0;
	sent = sendmmsg(fd, msgs, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent > 0 ? (unsigned int)sent : 0;
}

unsigned int ntm_sock_send_some(struct ntm_sock *sock, const struct ntm_sock_out *outs,
				unsigned int count, int *err)
{
	const unsigned int sent = count > 1 ? send_batch(sock, outs, count) : 0;

	*err = 0;
	if (sent)
		return sent;
	*err = ntm_sock_send(sock, outs);
	return 1;
}
