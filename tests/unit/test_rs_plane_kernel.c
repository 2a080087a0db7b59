// SPDX-License-Identifier: GPL-2.0
/* The relay server's data plane in the kernel, and a kernel that fails. */
/* with: ntmd/rs/plane_kernel.c */
/* wrap: ntm_nl_call ntm_nl_fd ntm_genl_lookup ntm_netif_create ntm_netif_delete ntm_netif_up ntm_netif_watch_open ntm_udp_fd */
/* wrap: mnl_socket_sendto */
#include "ntm_test.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/genl.h"
#include "common/log.h"
#include "common/netif.h"
#include "ntmobile/uapi.h"
#include "rs/plane.h"

static const struct ntm_rs_plane_ops *const ops = &ntm_rs_plane_kernel;

/*
 * What requests of each command get, and how many there were. @carried: packets of the entry that is asked for; @kernel: where dumps
 * come from, and @dump the request of the last one
 */
static struct {
	uv_loop_t loop;
	struct ntm_rs_config config;
	struct ntm_rs_plane *plane;
	struct ntm_rs_path path;
	int result[NTM_CMD_MAX + 1];
	unsigned int calls[NTM_CMD_MAX + 1];
	uint64_t carried;
	int kernel, ours;
	struct nlmsghdr dump;
	unsigned int dumps;
} w;

int __wrap_ntm_nl_call(struct ntm_nl *nl, struct nlmsghdr *nlh, ntm_nl_fn *fn, void *ctx);
int __wrap_ntm_genl_lookup(struct ntm_nl *nl, const char *name, const char *group,
			   struct ntm_genl_family *found);
int __wrap_ntm_netif_create(const char *name, unsigned int *ifindex);
int __wrap_ntm_netif_delete(unsigned int ifindex);
int __wrap_ntm_netif_up(unsigned int ifindex, unsigned int mtu);
int __wrap_ntm_netif_watch_open(struct ntm_netif_watch **out, uv_loop_t *loop,
				ntm_netif_changed_fn *changed, void *ctx);
int __wrap_ntm_udp_fd(const struct ntm_udp *udp, int family);

int __wrap_ntm_nl_fd(const struct ntm_nl *nl);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t len);

static const struct ntm_genl_family module = { .id = 33 };

static struct nlmsghdr *entry(union ntm_nl_buf *buf, uint64_t packets)
{
	struct nlmsghdr *nlh = ntm_genl_start(buf, &module, NTM_CMD_RELAY_GET, 1, NLM_F_MULTI);
	struct nlattr *nest = mnl_attr_nest_start(nlh, NTM_A_END0);

	mnl_attr_put_u64(nlh, NTM_END_PACKETS, packets);
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}

int __wrap_ntm_nl_call(struct ntm_nl *nl, struct nlmsghdr *nlh, ntm_nl_fn *fn, void *ctx)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	union ntm_nl_buf buf;

	if (genl->cmd == NTM_CMD_RELAY_GET && !w.result[NTM_CMD_RELAY_GET])
		assert_int_equal(fn(ctx, entry(&buf, w.carried)), 0);
	assert_in_range(genl->cmd, 0, NTM_CMD_MAX);
	nl->why[0] = '\0';
	w.calls[genl->cmd]++;
	return w.result[genl->cmd];
}

int __wrap_ntm_genl_lookup(struct ntm_nl *nl, const char *name, const char *group,
			   struct ntm_genl_family *found)
{
	(void)nl;
	(void)name;
	(void)group;
	*found = module;
	return 0;
}

int __wrap_ntm_nl_fd(const struct ntm_nl *nl)
{
	(void)nl;
	return w.ours;
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t len)
{
	(void)sock;
	memcpy(&w.dump, buf, sizeof(w.dump));
	w.dumps++;
	return (ssize_t)len;
}

int __wrap_ntm_netif_create(const char *name, unsigned int *ifindex)
{
	(void)name;
	*ifindex = 1;
	return 0;
}

int __wrap_ntm_netif_delete(unsigned int ifindex)
{
	(void)ifindex;
	return 0;
}

int __wrap_ntm_netif_up(unsigned int ifindex, unsigned int mtu)
{
	(void)ifindex;
	(void)mtu;
	return 0;
}

int __wrap_ntm_netif_watch_open(struct ntm_netif_watch **out, uv_loop_t *loop,
				ntm_netif_changed_fn *changed, void *ctx)
{
	(void)loop;
	(void)changed;
	(void)ctx;
	*out = NULL;
	return 0;
}

int __wrap_ntm_udp_fd(const struct ntm_udp *udp, int family)
{
	(void)udp;
	(void)family;
	return -1;
}

static void nothing_lost(void *ctx, int err)
{
	(void)ctx;
	fail_msg("the plane is lost: %d", err);
}

static int begin(void **state)
{
	static const struct ntm_rs_plane_events events = { .lost = nothing_lost };
	const struct ntm_rs_plane_open how = { .loop = &w.loop,
					       .config = &w.config,
					       .events = &events };
	char why[160];
	int pair[2];

	(void)state;
	memset(&w, 0, sizeof(w));
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	w.kernel = pair[0];
	w.ours = pair[1];
	ntm_log_init("test", NTM_LOG_ERROR);
	strcpy(w.config.interface, "ntmr0");
	w.path.id = 7;
	assert_int_equal(uv_loop_init(&w.loop), 0);
	if (ops->open(&w.plane, &how, why, sizeof(why)))
		fail_msg("%s", why);
	memset(w.calls, 0, sizeof(w.calls));
	return 0;
}

static int end(void **state)
{
	(void)state;
	ops->close(w.plane);
	assert_int_equal(uv_run(&w.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	close(w.kernel);
	close(w.ours);
	return 0;
}

/* A message of the dump that is under way */
static void dump_says(struct nlmsghdr *nlh)
{
	nlh->nlmsg_seq = w.dump.nlmsg_seq;
	assert_int_equal(send(w.kernel, nlh, nlh->nlmsg_len, 0), nlh->nlmsg_len);
	assert_int_equal(uv_run(&w.loop, UV_RUN_NOWAIT), 1);
}

static void dump_entry(uint64_t packets)
{
	union ntm_nl_buf buf;

	dump_says(entry(&buf, packets));
}

/* @type: NLMSG_DONE or NLMSG_ERROR */
static void dump_ends(uint16_t type)
{
	union ntm_nl_buf buf;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&buf);

	nlh->nlmsg_type = type;
	*(int *)mnl_nlmsg_put_extra_header(nlh, sizeof(int)) = 0;
	dump_says(nlh);
}

static void next_dump(void)
{
	const unsigned int before = w.dumps;

	while (w.dumps == before)
		assert_int_equal(uv_run(&w.loop, UV_RUN_ONCE), 1);
}

static struct ntm_rs_totals totals(void)
{
	struct ntm_rs_totals t;

	ops->totals(w.plane, &t);
	return t;
}

/* It would go on forwarding */
static void test_deleted_though_its_counters_cannot_be_read(void **state)
{
	(void)state;
	w.result[NTM_CMD_RELAY_GET] = -ENOMEM;
	assert_int_equal(ops->del(w.plane, &w.path), 0);
	assert_int_equal(w.calls[NTM_CMD_RELAY_DEL], 1);
}

static void test_not_deleted(void **state)
{
	(void)state;
	w.result[NTM_CMD_RELAY_DEL] = -ENOBUFS;
	assert_int_equal(ops->del(w.plane, &w.path), -ENOBUFS);
	w.result[NTM_CMD_RELAY_DEL] = 0;
	assert_int_equal(ops->del(w.plane, &w.path), 0);
}

static void test_was_not_there(void **state)
{
	(void)state;
	w.result[NTM_CMD_RELAY_GET] = w.result[NTM_CMD_RELAY_DEL] = -ENOENT;
	assert_int_equal(ops->del(w.plane, &w.path), 0);
}

static void test_rate_not_set(void **state)
{
	(void)state;
	w.result[NTM_CMD_RELAY_SET] = -ENOBUFS;
	assert_int_equal(ops->rate(w.plane, &w.path), -ENOBUFS);
	assert_int_equal(ops->bind(w.plane, &w.path, 0, NULL), -ENOBUFS);
}

/* It counts from when reading began, and not at all if that failed */
static void test_totals_are_as_old_as_their_reading(void **state)
{
	(void)state;
	assert_true(totals().age_ms == UINT64_MAX);
	dump_entry(5);
	usleep(20000);
	dump_entry(6);
	assert_int_equal(totals().packets, 0);
	dump_ends(NLMSG_DONE);
	assert_int_equal(totals().packets, 11);
	assert_int_equal(totals().mark, 11);
	assert_in_range(totals().age_ms, 20, 10000);
	next_dump();
	dump_entry(7);
	dump_ends(NLMSG_ERROR);
	assert_int_equal(totals().packets, 11);
	assert_in_range(totals().age_ms, 1020, 20000);
}

/* An entry that is deleted while all are read is in no sum twice: what passes after that would seem not to */
static void test_deleted_while_counting(void **state)
{
	uint64_t before;

	(void)state;
	dump_entry(1000);
	w.carried = 1000;
	assert_int_equal(ops->del(w.plane, &w.path), 0);
	dump_entry(5);
	dump_ends(NLMSG_DONE);
	assert_int_equal(totals().packets, 1005);
	next_dump();
	before = totals().mark;
	w.carried = 5; /* which has not been read yet */
	assert_int_equal(ops->del(w.plane, &w.path), 0);
	dump_ends(NLMSG_DONE);
	assert_int_equal(totals().packets, 1005);
	assert_int_not_equal(totals().mark, before);
	next_dump();
	dump_entry(1);
	dump_ends(NLMSG_DONE);
	assert_int_equal(totals().packets, 1006);
	assert_int_equal(totals().mark, 1006);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deleted_though_its_counters_cannot_be_read,
						begin, end),
		cmocka_unit_test_setup_teardown(test_not_deleted, begin, end),
		cmocka_unit_test_setup_teardown(test_was_not_there, begin, end),
		cmocka_unit_test_setup_teardown(test_rate_not_set, begin, end),
		cmocka_unit_test_setup_teardown(test_totals_are_as_old_as_their_reading, begin,
						end),
		cmocka_unit_test_setup_teardown(test_deleted_while_counting, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
