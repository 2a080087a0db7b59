// SPDX-License-Identifier: GPL-2.0
/* Generic netlink: family look-up and message headers. */
#include "common/genl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

struct lookup {
	struct ntm_genl_family *family;
	const char *group;
};

static bool attr_is(const struct nlattr *attr, const char *text)
{
	size_t len = strlen(text) + 1;

	return attr && mnl_attr_get_payload_len(attr) == len &&
	       !memcmp(mnl_attr_get_payload(attr), text, len);
}

static int lookup_group(struct lookup *l, const struct nlattr *groups)
{
	static const struct ntm_nl_rule rules[CTRL_ATTR_MCAST_GRP_MAX + 1] = {
		[CTRL_ATTR_MCAST_GRP_NAME] = { 1, GENL_NAMSIZ },
		[CTRL_ATTR_MCAST_GRP_ID] = { 4, 4 },
	};
	const struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1], *group;

	mnl_attr_for_each_nested(group, groups) {
		if (ntm_nl_parse(mnl_attr_get_payload(group), mnl_attr_get_payload_len(group),
				 rules, tb, CTRL_ATTR_MCAST_GRP_MAX + 1))
			return -EBADMSG;
		if (tb[CTRL_ATTR_MCAST_GRP_ID] && attr_is(tb[CTRL_ATTR_MCAST_GRP_NAME], l->group))
			l->family->group = mnl_attr_get_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
	}
	return 0;
}

static int lookup_answer(void *ctx, const struct nlmsghdr *nlh)
{
	static const struct ntm_nl_rule rules[CTRL_ATTR_MAX + 1] = {
		[CTRL_ATTR_FAMILY_ID] = { 2, 2 },
		[CTRL_ATTR_MCAST_GROUPS] = { 0, UINT16_MAX },
	};
	static const struct ntm_genl_family ctrl = { .id = GENL_ID_CTRL };
	const struct nlattr *tb[CTRL_ATTR_MAX + 1];
	struct lookup *l = ctx;
	int cmd;

	cmd = ntm_genl_attrs(nlh, &ctrl, rules, tb, CTRL_ATTR_MAX + 1);
	if (cmd < 0 || !tb[CTRL_ATTR_FAMILY_ID])
		return -EBADMSG;
	l->family->id = mnl_attr_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	return tb[CTRL_ATTR_MCAST_GROUPS] ? lookup_group(l, tb[CTRL_ATTR_MCAST_GROUPS]) : 0;
}

int ntm_genl_lookup(struct ntm_nl *nl, const char *name, const char *group,
		    struct ntm_genl_family *family)
{
	static const struct ntm_genl_family ctrl = { .id = GENL_ID_CTRL };
	struct lookup l = { .family = family, .group = group };
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh;
	int err;

	memset(family, 0, sizeof(*family));
	nlh = ntm_genl_start(&buf, &ctrl, CTRL_CMD_GETFAMILY, 1, 0);
	if (!ntm_nl_put(nlh, CTRL_ATTR_FAMILY_NAME, strlen(name) + 1, name))
		return -EMSGSIZE;
	err = ntm_nl_call(nl, nlh, lookup_answer, &l);
	if (err)
		return err;
	return family->id && family->group ? 0 : -ENOENT;
}

struct nlmsghdr *ntm_genl_start(union ntm_nl_buf *buf, const struct ntm_genl_family *family,
				uint8_t cmd, uint8_t version, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *gh = mnl_nlmsg_put_extra_header(nlh, sizeof(*gh));

	nlh->nlmsg_type = family->id;
	nlh->nlmsg_flags = flags;
	gh->cmd = cmd;
	gh->version = version;
	return nlh;
}

int ntm_genl_attrs(const struct nlmsghdr *nlh, const struct ntm_genl_family *family,
		   const struct ntm_nl_rule *rules, const struct nlattr **tb, unsigned int count)
{
	const struct genlmsghdr *gh = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (nlh->nlmsg_type != family->id || len < GENL_HDRLEN)
		return -EBADMSG;
	if (ntm_nl_parse((const uint8_t *)gh + GENL_HDRLEN, len - GENL_HDRLEN, rules, tb, count))
		return -EBADMSG;
	return gh->cmd;
}
