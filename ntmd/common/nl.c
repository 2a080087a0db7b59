// SPDX-License-Identifier: GPL-2.0
/* A netlink socket with synchronous requests and extack. */
#include "common/nl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/*
 * The kernel answers at once. The time-out is for one that does not (a bug, a lock held for long):
 * the daemon
 * must not hang with it.
 */
#define NL_TIMEOUT_S 5
#define NL_RCVBUF (1 << 20)

static void set_option(struct ntm_nl *nl, int option)
{
	int one = 1;

	/* Kernels that lack one of these only tell less */
	(void)mnl_socket_setsockopt(nl->sock, option, &one, sizeof(one));
}

int ntm_nl_open(struct ntm_nl *nl, int bus)
{
	struct timeval timeout = { .tv_sec = NL_TIMEOUT_S };
	int size = NL_RCVBUF, err;

	memset(nl, 0, sizeof(*nl));
	nl->sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!nl->sock)
		return -errno;
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		ntm_nl_close(nl);
		return err;
	}
	nl->portid = mnl_socket_get_portid(nl->sock);
	set_option(nl, NETLINK_EXT_ACK);
	set_option(nl, NETLINK_CAP_ACK);
	(void)setsockopt(ntm_nl_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (setsockopt(ntm_nl_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(ntm_nl_fd(nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

void ntm_nl_close(struct ntm_nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

int ntm_nl_join(struct ntm_nl *nl, unsigned int group)
{
	int value = (int)group;

	return mnl_socket_setsockopt(nl->sock, NETLINK_ADD_MEMBERSHIP, &value, sizeof(value)) < 0 ?
		       -errno :
		       0;
}

int ntm_nl_fd(const struct ntm_nl *nl)
{
	return mnl_socket_get_fd(nl->sock);
}

/*
 * One datagram from the kernel. Returns its length, or a negative errno; 0: it came from somebody
 * else.
 */
static int nl_recv(struct ntm_nl *nl, void *buf, size_t size, int flags)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t len;

	do
		len = recvmsg(ntm_nl_fd(nl), &msg, flags);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	/* Root in this namespace could send to our port as well: only the kernel is believed */
	if (msg.msg_namelen != sizeof(from) || from.nl_pid)
		return 0;
	return (int)len;
}

/*
 * The text of an extended acknowledgement, which stands behind the error (and the request, unless
 * capped)
 */
static void keep_why(struct ntm_nl *nl, const struct nlmsghdr *nlh)
{
	static const struct ntm_nl_rule rules[NLMSGERR_ATTR_MSG + 1] = {
		[NLMSGERR_ATTR_MSG] = { 1, 4096 },
	};
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh), skip = sizeof(*err);

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		if (err->msg.nlmsg_len < sizeof(err->msg) || err->msg.nlmsg_len > len)
			return;
		skip += MNL_ALIGN(err->msg.nlmsg_len) - sizeof(err->msg);
	}
	if (skip > len ||
	    ntm_nl_parse((const uint8_t *)err + skip, len - skip, rules, tb, NLMSGERR_ATTR_MSG + 1))
		return;
	if (tb[NLMSGERR_ATTR_MSG])
		snprintf(nl->why, sizeof(nl->why), "%.*s",
			 mnl_attr_get_payload_len(tb[NLMSGERR_ATTR_MSG]),
			 (const char *)mnl_attr_get_payload(tb[NLMSGERR_ATTR_MSG]));
}

/* 1: the request has ended, well; a negative errno: it failed */
static int read_error(struct ntm_nl *nl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err))
		return -EBADMSG;
	if (!err->error)
		return 1;
	keep_why(nl, nlh);
	return err->error < 0 ? err->error : -err->error;
}

/* The last message of a dump carries its result */
static int read_done(const struct nlmsghdr *nlh)
{
	int result = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(result))
		memcpy(&result, mnl_nlmsg_get_payload(nlh), sizeof(result));
	return result < 0 ? result : 1;
}

/*
 * What a request waits for; @failed: the first error of its callback, kept while the rest is read
 */
struct call {
	ntm_nl_fn *fn;
	void *ctx;
	int failed;
	bool changed;
};

/* One message of a datagram: 0 to go on, 1 or a negative errno at the request's end */
static int read_message(struct ntm_nl *nl, const struct nlmsghdr *nlh, struct call *call)
{
	if (nlh->nlmsg_seq != nl->seq || nlh->nlmsg_pid != nl->portid) {
		if (!nlh->nlmsg_seq && nl->events)
			(void)nl->events(nl->ctx, nlh);
		return 0; /* else the late answer of a request that timed out */
	}
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		call->changed = true;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return read_error(nl, nlh);
	if (nlh->nlmsg_type == NLMSG_DONE)
		return read_done(nlh);
	if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && call->fn && !call->failed)
		call->failed = call->fn(call->ctx, nlh);
	return 0;
}

static int read_answer(struct ntm_nl *nl, struct call *call)
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[NTM_NL_RECV_MAX];
	} buf;
	const struct nlmsghdr *nlh;
	int left, ret = 0;

	while (!ret) {
		left = nl_recv(nl, &buf, sizeof(buf), 0);
		if (left == -ENOBUFS && nl->events) {
			nl->overrun = true; /* events were lost; the answer is still to come */
			continue;
		}
		if (left < 0)
			return left == -EAGAIN ? -ETIMEDOUT : left;
		for (nlh = &buf.nlh; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			if (!ret)
				ret = read_message(nl, nlh, call);
			else if (!nlh->nlmsg_seq && nl->events)
				(void)nl->events(nl->ctx, nlh);
	}
	if (ret < 0)
		return ret;
	return call->failed ? call->failed : call->changed ? -EINTR : 0;
}

int ntm_nl_call(struct ntm_nl *nl, struct nlmsghdr *nlh, ntm_nl_fn *fn, void *ctx)
{
	struct call call = { .fn = fn, .ctx = ctx };

	nl->why[0] = 0;
	nl->seq++;
	if (!nl->seq)
		nl->seq = 1; /* 0 marks events */
	nlh->nlmsg_seq = nl->seq;
	nlh->nlmsg_pid = nl->portid;
	nlh->nlmsg_flags |= NLM_F_REQUEST;
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	return read_answer(nl, &call);
}

int ntm_nl_read_events(struct ntm_nl *nl)
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[NTM_NL_RECV_MAX];
	} buf;
	const struct nlmsghdr *nlh;
	int left, err;

	if (nl->overrun) {
		nl->overrun = false;
		return -ENOBUFS;
	}
	/*
	 * Bounded, so that a flood of events leaves time for everything else; poll comes back for
	 * the rest
	 */
	for (int i = 0; i < 64; i++) {
		left = nl_recv(nl, &buf, sizeof(buf), MSG_DONTWAIT);
		if (left == -EAGAIN)
			return 0;
		if (left < 0)
			return left;
		for (nlh = &buf.nlh; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			err = nlh->nlmsg_type >= NLMSG_MIN_TYPE ? nl->events(nl->ctx, nlh) : 0;
			if (err)
				return err;
		}
	}
	return 0;
}

int ntm_nl_parse(const void *first, size_t len, const struct ntm_nl_rule *rules,
		 const struct nlattr **tb, unsigned int count)
{
	const struct nlattr *attr = first;
	uint16_t type, size;
	size_t step;

	memset(tb, 0, count * sizeof(*tb));
	while (mnl_attr_ok(attr, (int)len)) {
		type = mnl_attr_get_type(attr);
		size = mnl_attr_get_payload_len(attr);
		if (type < count && rules[type].max) {
			if (size < rules[type].min || size > rules[type].max)
				return -EBADMSG;
			tb[type] = attr;
		}
		step = MNL_ALIGN(attr->nla_len);
		if (step >= len)
			break;
		len -= step;
		attr = mnl_attr_next(attr);
	}
	return 0;
}

bool ntm_nl_put(struct nlmsghdr *nlh, uint16_t type, size_t len, const void *data)
{
	return mnl_attr_put_check(nlh, NTM_NL_SEND_MAX, type, len, data);
}

void ntm_nl_wipe(union ntm_nl_buf *buf)
{
	sodium_memzero(buf, sizeof(*buf));
}
