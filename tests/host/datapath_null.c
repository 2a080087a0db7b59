// SPDX-License-Identifier: GPL-2.0
/*
 * A data path that moves no packets, for tests of ntmd on a machine without the module. It stands in for the kernel's:
 * keys are "proved" by their first bytes, DNS queries come to 127.0.0.1:5353, misses to 127.0.0.1:5354 as the
 * bytes of an address, answered by the errno that the miss was settled with.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/datapath.h"
#include "ntmobile/wire.h"

#define PATHS 16
#define ASKS 64

const char *const ntm_dp_drop_names[NTM_DP_DROPS] = {
	"short",   "path",   "key",	"auth", "replay",    "source",	 "inner",
	"no-path", "no-key", "too-big", "loop", "no-memory", "no-route",
};

struct path {
	uint32_t id; /* 0: free */
	union ntm_addr peer;
	struct in_addr virtual4;
	struct ntm_dp_keys keys[NTM_WIRE_EPOCHS];
	bool has[NTM_WIRE_EPOCHS];
	int64_t sending;
	uint64_t rx_ms;
};

struct ntm_datapath {
	const struct ntm_dp_events *events;
	void *ctx;
	struct ntm_udp *udp;
	uv_udp_t dns, miss;
	unsigned int handles;
	struct path paths[PATHS];
	struct sockaddr_in asks[ASKS];
	uint64_t tag;
	struct sockaddr_in misser;
	char buf[2048];
};

static void closed(uv_handle_t *handle)
{
	struct ntm_datapath *dp = handle->data;

	if (!--dp->handles)
		free(dp);
}

static void give_buf(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct ntm_datapath *dp = handle->data;

	(void)size;
	*buf = uv_buf_init(dp->buf, sizeof(dp->buf));
}

static void on_dns(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
		   unsigned int flags)
{
	struct ntm_datapath *dp = udp->data;

	(void)flags;
	if (len <= 0 || !from)
		return;
	memcpy(&dp->asks[++dp->tag % ASKS], from, sizeof(struct sockaddr_in));
	dp->events->dns(dp->ctx, dp->tag, (const uint8_t *)buf->base, (size_t)len);
}

static void on_miss(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
		    unsigned int flags)
{
	struct ntm_datapath *dp = udp->data;

	(void)flags;
	if ((len != 4 && len != 16) || !from)
		return;
	memcpy(&dp->misser, from, sizeof(dp->misser));
	dp->events->miss(dp->ctx, len == 4 ? AF_INET : AF_INET6, buf->base);
}

static int listen_at(struct ntm_datapath *dp, uv_loop_t *loop, uv_udp_t *udp, int port,
		     uv_udp_recv_cb fn)
{
	struct sockaddr_in addr;
	int err;

	uv_ip4_addr("127.0.0.1", port, &addr);
	uv_udp_init(loop, udp);
	udp->data = dp;
	dp->handles++;
	err = uv_udp_bind(udp, (const struct sockaddr *)&addr, 0);
	return err ? err : uv_udp_recv_start(udp, give_buf, fn);
}

static void null_close(struct ntm_datapath *dp)
{
	uv_close((uv_handle_t *)&dp->dns, closed);
	uv_close((uv_handle_t *)&dp->miss, closed);
}

static int null_open(struct ntm_datapath **out, uv_loop_t *loop, const char *ifname,
		     struct ntm_udp *udp, const struct ntm_dp_events *events, void *ctx, char *why,
		     size_t size)
{
	struct ntm_datapath *dp = calloc(1, sizeof(*dp));
	int err;

	(void)ifname;
	if (!dp)
		return -ENOMEM;
	dp->events = events;
	dp->ctx = ctx;
	dp->udp = udp;
	err = listen_at(dp, loop, &dp->dns, 5353, on_dns);
	if (!err)
		err = listen_at(dp, loop, &dp->miss, 5354, on_miss);
	*out = dp;
	snprintf(why, size, "%s", err ? uv_strerror(err) : "");
	return err;
}

static uint32_t null_suites(struct ntm_datapath *dp)
{
	(void)dp;
	return 1u << NTM_SUITE_CHACHA20_POLY1305;
}

static int null_configure(struct ntm_datapath *dp, const struct ntm_dp_lease *lease)
{
	(void)dp;
	return lease->zone[0] ? 0 : -EINVAL;
}

static struct path *find(struct ntm_datapath *dp, uint32_t id)
{
	for (int i = 0; i < PATHS; i++)
		if (dp->paths[i].id == id)
			return &dp->paths[i];
	return NULL;
}

static struct path *create(struct ntm_datapath *dp, uint32_t id, const struct in_addr *virtual4)
{
	struct path *path;

	if (!virtual4)
		return NULL;
	for (int i = 0; i < PATHS; i++) /* as the kernel: one path for an address */
		if (dp->paths[i].id && dp->paths[i].virtual4.s_addr == virtual4->s_addr)
			return NULL;
	path = find(dp, 0);
	if (!path)
		return NULL;
	path->id = id;
	path->sending = -1;
	path->virtual4 = *virtual4;
	return path;
}

static int set_keys(struct ntm_datapath *dp, struct path *path, const struct ntm_dp_keys *keys)
{
	uint8_t packet[NTM_WIRE_OVERHEAD];

	if (path->sending >= 0 && keys->epoch != (uint32_t)path->sending + 1)
		return -EEXIST;
	path->keys[keys->epoch % NTM_WIRE_EPOCHS] = *keys;
	path->has[keys->epoch % NTM_WIRE_EPOCHS] = true;
	if (!keys->confirmed)
		return 0;
	path->sending = keys->epoch;
	ntm_wire_build((struct ntm_wire_hdr *)packet, keys->epoch, 0, htonl(path->id));
	memcpy(packet + NTM_WIRE_HDR_LEN, keys->tx, NTM_WIRE_TAG_LEN);
	return ntm_udp_send(dp->udp, &path->peer, packet, sizeof(packet));
}

static int null_path_set(struct ntm_datapath *dp, uint32_t id, const struct in_addr *virtual4,
			 const struct in6_addr *virtual6, const union ntm_addr *peer,
			 const struct ntm_dp_keys *keys)
{
	struct path *path = find(dp, id);

	(void)virtual6;
	if (!path)
		path = create(dp, id, virtual4);
	if (!path)
		return -EEXIST;
	if (peer)
		path->peer = *peer;
	return keys ? set_keys(dp, path, keys) : 0;
}

static int null_path_del(struct ntm_datapath *dp, uint32_t id)
{
	struct path *path = find(dp, id);

	if (!path)
		return -ENOENT;
	memset(path, 0, sizeof(*path));
	return 0;
}

static int null_stats(struct ntm_datapath *dp, uint32_t id, struct ntm_dp_stats *stats)
{
	const struct path *path = find(dp, id);

	if (!path)
		return -ENOENT;
	memset(stats, 0, sizeof(*stats));
	stats->peer = path->peer;
	return 0;
}

static int null_drops(struct ntm_datapath *dp, uint64_t drops[NTM_DP_DROPS])
{
	(void)dp;
	memset(drops, 0, NTM_DP_DROPS * sizeof(*drops));
	return 0;
}

static void reply(uv_udp_t *udp, const struct sockaddr_in *to, const void *bytes, size_t len)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned int)len);

	(void)uv_udp_try_send(udp, &buf, 1, (const struct sockaddr *)to);
}

static int null_miss_done(struct ntm_datapath *dp, int family, const void *virt, int err)
{
	char text[16];

	(void)family;
	(void)virt;
	reply(&dp->miss, &dp->misser, text, (size_t)snprintf(text, sizeof(text), "%d\n", err));
	return 0;
}

static int null_dns_reply(struct ntm_datapath *dp, uint64_t tag, const uint8_t *msg, size_t len)
{
	reply(&dp->dns, &dp->asks[tag % ASKS], msg, len);
	return 0;
}

static int null_dns_pass(struct ntm_datapath *dp, uint64_t tag)
{
	(void)dp;
	(void)tag;
	return 0;
}

static void null_input(struct ntm_datapath *dp, const uint8_t *packet, size_t len,
		       const union ntm_addr *from)
{
	struct ntm_wire_hdr hdr;
	struct path *path;
	unsigned int slot;
	uint32_t epoch;

	if (len < NTM_WIRE_OVERHEAD)
		return;
	memcpy(&hdr, packet, sizeof(hdr));
	path = find(dp, ntohl(hdr.path_id));
	slot = ntm_wire_epoch(&hdr);
	if (!path || !path->has[slot] ||
	    memcmp(path->keys[slot].rx, packet + NTM_WIRE_HDR_LEN, NTM_WIRE_TAG_LEN) != 0)
		return;
	epoch = path->keys[slot].epoch;
	path->peer = *from;
	if (path->sending < 0 || (int32_t)(epoch - (uint32_t)path->sending) > 0) {
		path->sending = epoch;
		dp->events->key_confirmed(dp->ctx, path->id, epoch);
	}
}

const struct ntm_datapath_ops ntm_datapath_kernel = {
	.name = "null",
	.open = null_open,
	.suites = null_suites,
	.configure = null_configure,
	.path_set = null_path_set,
	.path_del = null_path_del,
	.stats = null_stats,
	.drops = null_drops,
	.miss_done = null_miss_done,
	.dns_reply = null_dns_reply,
	.dns_pass = null_dns_pass,
	.input = null_input,
	.close = null_close,
};
