// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-queue: lets pass what a packet filter queues to user space, for tests.
 *
 *   ntm-queue NUMBER SECONDS
 *
 * Prints "ready", and ends after SECONDS. Aggregates come whole.
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mnl_socket *nl;
static uint16_t queue;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct nlmsghdr *start(void *buf, uint16_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(queue);
	return nlh;
}

static void bind_queue(void)
{
	const struct nfqnl_msg_config_cmd cmd = { .command = NFQNL_CFG_CMD_BIND };
	const struct nfqnl_msg_config_params params = { .copy_mode = NFQNL_COPY_META };
	char buf[8192];
	struct nlmsghdr *nlh = start(buf, NFQNL_MSG_CONFIG);

	nlh->nlmsg_flags |= NLM_F_ACK;
	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		fail("send");
	if (mnl_cb_run(buf, (size_t)mnl_socket_recvfrom(nl, buf, sizeof(buf)), 0,
		       mnl_socket_get_portid(nl), NULL, NULL) < 0)
		fail("bind");
}

static int accept_packet(const struct nlmsghdr *packet, void *ctx)
{
	struct nfqnl_msg_verdict_hdr verdict = { .verdict = htonl(NF_ACCEPT) };
	const struct nfqnl_msg_packet_hdr *hdr;
	const struct nlattr *attr;
	char buf[256];
	struct nlmsghdr *nlh;

	(void)ctx;
	mnl_attr_for_each(attr, packet, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFQA_PACKET_HDR)
			continue;
		hdr = mnl_attr_get_payload(attr);
		verdict.id = hdr->packet_id;
		nlh = start(buf, NFQNL_MSG_VERDICT);
		mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(verdict), &verdict);
		if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
			fail("verdict");
	}
	return MNL_CB_OK;
}

int main(int argc, char **argv)
{
	char buf[0xffff];
	ssize_t len;

	if (argc != 3)
		return 2;
	queue = (uint16_t)atoi(argv[1]);
	alarm((unsigned int)atoi(argv[2]));
	nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		fail("netlink");
	bind_queue();
	puts("ready");
	fflush(stdout);
	for (;;) {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0 || mnl_cb_run(buf, (size_t)len, 0, 0, accept_packet, NULL) < 0)
			fail("receive");
	}
}
