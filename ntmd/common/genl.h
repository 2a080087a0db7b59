/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink over nl.h: the number of a family and of its multicast group, and the message
 * header.
 */
#ifndef NTM_GENL_H
#define NTM_GENL_H

#include "common/nl.h"

/**
 * struct ntm_genl_family - what the kernel calls a family at the moment; it changes when the
 * module is loaded anew
 */
struct ntm_genl_family {
	uint16_t id;
	uint32_t group;
};

/**
 * ntm_genl_lookup() - 0, or -ENOENT if there is no such family (no module) or no such group in it
 */
int ntm_genl_lookup(struct ntm_nl *nl, const char *name, const char *group,
		    struct ntm_genl_family *family);
/** ntm_genl_start() - begin a request in @buf; attributes follow by ntm_nl_put() */
struct nlmsghdr *ntm_genl_start(union ntm_nl_buf *buf, const struct ntm_genl_family *family,
				uint8_t cmd, uint8_t version, uint16_t flags);
/**
 * ntm_genl_attrs() - command and attributes of a received message; the command, or -EBADMSG if it
 * is no message of @family
 */
int ntm_genl_attrs(const struct nlmsghdr *nlh, const struct ntm_genl_family *family,
		   const struct ntm_nl_rule *rules, const struct nlattr **tb, unsigned int count);

#endif
