/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A netlink socket (libmnl) with synchronous requests: a request goes out, its answer is read up to
 * the acknowledgement, and the kernel's reason for an error (extack) is kept as text. Messages that
 * belong
 * to no request (events) are handed to whoever wants them.
 */
#ifndef NTM_NL_H
#define NTM_NL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTM_NL_SEND_MAX 4096  /* bytes of a request */
#define NTM_NL_RECV_MAX 32768 /* bytes of one read; the kernel fills dumps up to this */
#define NTM_NL_WHY 160

/** typedef ntm_nl_fn - one message; returns 0, or a negative errno that ends a request's reading */
typedef int ntm_nl_fn(void *ctx, const struct nlmsghdr *nlh);

/**
 * struct ntm_nl - one socket
 * @events:        gets messages that answer no request (may be NULL); also during a
 *		request, so it must
 *		not start another one on the same socket
 * @overrun:	the kernel had to drop events during a request; ntm_nl_read_events() reports it
 * @why:	extack text of the last failed request, "" if there was none
 */
struct ntm_nl {
	struct mnl_socket *sock;
	uint32_t portid;
	uint32_t seq;
	ntm_nl_fn *events;
	void *ctx;
	bool overrun;
	char why[NTM_NL_WHY];
};

/** union ntm_nl_buf - room for a request, aligned; ntm_nl_wipe() it if it held keys */
union ntm_nl_buf {
	struct nlmsghdr nlh;
	uint8_t bytes[NTM_NL_SEND_MAX];
};

/* All: 0 or a negative errno. */
int ntm_nl_open(struct ntm_nl *nl, int bus);
void ntm_nl_close(struct ntm_nl *nl);
int ntm_nl_join(struct ntm_nl *nl, unsigned int group);
int ntm_nl_fd(const struct ntm_nl *nl);

/**
 * ntm_nl_call() - send a request, wait for its end
 * @nlh:   the request; sequence number, port, and NLM_F_REQUEST | NLM_F_ACK (a dump:
 *		no ACK) are set here
 * @fn:		called for each message of the answer but the last; may be NULL
 *
 * Returns -EINTR for a dump that changed while it ran: the caller asks again.
 */
int ntm_nl_call(struct ntm_nl *nl, struct nlmsghdr *nlh, ntm_nl_fn *fn, void *ctx);
/**
 * ntm_nl_read_events() - read what stands in the socket, without waiting
 *
 * Each message goes to @nl->events. Returns 0 when there is no more; -ENOBUFS: some were lost.
 */
int ntm_nl_read_events(struct ntm_nl *nl);

/**
 * struct ntm_nl_rule - what the payload of an attribute must be like
 * @min, @max:	bytes; a @max of 0 means that the attribute is not looked at
 */
struct ntm_nl_rule {
	uint16_t min, max;
};

/**
 * ntm_nl_parse() - attributes by type
 * @first, @len: where they stand
 * @rules, @tb:	arrays of @count entries, by type; types from @count on are passed over
 *
 * Returns 0, or -EBADMSG if one does not keep its rule (@tb is not to be used then).
 */
int ntm_nl_parse(const void *first, size_t len, const struct ntm_nl_rule *rules,
		 const struct nlattr **tb, unsigned int count);
/** ntm_nl_put() - mnl_attr_put() within the bounds of a union ntm_nl_buf; false: no room */
bool ntm_nl_put(struct nlmsghdr *nlh, uint16_t type, size_t len, const void *data);
void ntm_nl_wipe(union ntm_nl_buf *buf);

#endif
