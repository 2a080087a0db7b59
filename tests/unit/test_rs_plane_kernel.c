// SPDX-License-Identifier: GPL-2.0
/* The relay server's data plane in the kernel, and a kernel that fails. */
/* with: ntmd/rs/plane_kernel.c */
/* wrap: ntm_nl_call ntm_genl_lookup ntm_netif_create ntm_netif_delete ntm_netif_up ntm_udp_fd */
#include "ntm_test.h"

#include <errno.h>
#include <linux/genetlink.h>

#include "common/genl.h"
#include "common/log.h"
#include "common/netif.h"
#include "ntmobile/uapi.h"
#include "rs/plane.h"

static const struct ntm_rs_plane_ops *const ops = &ntm_rs_plane_kernel;

/* What requests of each command get, and how many there were */
static struct {
	uv_loop_t loop;
	struct ntm_rs_config config;
	struct ntm_rs_plane *plane;
	struct ntm_rs_path path;
	int result[NTM_CMD_MAX + 1];
	unsigned int calls[NTM_CMD_MAX + 1];
} w;

int __wrap_ntm_nl_call(struct ntm_nl *nl, struct nlmsghdr *nlh, ntm_nl_fn *fn, void *ctx);
int __wrap_ntm_genl_lookup(struct ntm_nl *nl, const char *name, const char *group,
			   struct ntm_genl_family *family);
int __wrap_ntm_netif_create(const char *name, unsigned int *ifindex);
int __wrap_ntm_netif_delete(unsigned int ifindex);
int __wrap_ntm_netif_up(unsigned int ifindex, unsigned int mtu);
int __wrap_ntm_udp_fd(const struct ntm_udp *udp, int family);

int __wrap_ntm_nl_call(struct ntm_nl *nl, struct nlmsghdr *nlh, ntm_nl_fn *fn, void *ctx)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	(void)fn;
	(void)ctx;
	assert_in_range(genl->cmd, 0, NTM_CMD_MAX);
	nl->why[0] = '\0';
	w.calls[genl->cmd]++;
	return w.result[genl->cmd];
}

int __wrap_ntm_genl_lookup(struct ntm_nl *nl, const char *name, const char *group,
			   struct ntm_genl_family *family)
{
	(void)nl;
	(void)name;
	(void)group;
	memset(family, 0, sizeof(*family));
	return 0;
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

	(void)state;
	memset(&w, 0, sizeof(w));
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
	return 0;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deleted_though_its_counters_cannot_be_read,
						begin, end),
		cmocka_unit_test_setup_teardown(test_not_deleted, begin, end),
		cmocka_unit_test_setup_teardown(test_was_not_there, begin, end),
		cmocka_unit_test_setup_teardown(test_rate_not_set, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
