// SPDX-License-Identifier: GPL-2.0
#include "held.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRS 64u	 /* addresses waited for */
#define PACKETS 16u	 /* held for each */
#define BYTES (4u << 20) /* of all of them */
#define HOLD_MS 10000u	 /* how long */
#define QUIET_MS 1000u	 /* between two events of an address; and a failure's life */

struct packet {
	struct virtio_net_hdr vnet;
	size_t len;
	uint8_t *data;
};

/** struct addr - one that packets wait for; @since_ms: first packet, or failure */
struct addr {
	int family; /* 0: free */
	uint8_t virt[16];
	bool failed;
	uint64_t since_ms, told_ms;
	unsigned int count;
	struct packet packets[PACKETS];
};

struct ntm_held {
	const struct ntm_held_ops *ops;
	void *ctx;
	uint64_t lost;
	size_t bytes;
	struct addr addrs[ADDRS];
};

static size_t size_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

static struct addr *find(struct ntm_held *held, int family, const uint8_t *virt)
{
	for (unsigned int i = 0; i < ADDRS; i++)
		if (held->addrs[i].family == family &&
		    !memcmp(held->addrs[i].virt, virt, size_of(family)))
			return &held->addrs[i];
	return NULL;
}

static void forget_packets(struct ntm_held *held, struct addr *addr)
{
	for (unsigned int i = 0; i < addr->count; i++) {
		held->bytes -= addr->packets[i].len;
		free(addr->packets[i].data);
	}
	addr->count = 0;
}

static void forget(struct ntm_held *held, struct addr *addr)
{
	forget_packets(held, addr);
	memset(addr, 0, sizeof(*addr));
}

/* A free place, or that of the address that has waited longest */
static struct addr *place(struct ntm_held *held)
{
	struct addr *oldest = &held->addrs[0];

	for (unsigned int i = 0; i < ADDRS; i++) {
		if (!held->addrs[i].family)
			return &held->addrs[i];
		if (held->addrs[i].since_ms < oldest->since_ms)
			oldest = &held->addrs[i];
	}
	held->lost += oldest->count;
	forget(held, oldest);
	return oldest;
}

static struct addr *begin(struct ntm_held *held, int family, const uint8_t *virt, uint64_t now_ms)
{
	struct addr *addr = place(held);

	addr->family = family;
	memcpy(addr->virt, virt, size_of(family));
	addr->since_ms = now_ms;
	return addr;
}

static void keep(struct ntm_held *held, struct addr *addr, const struct virtio_net_hdr *vnet,
		 const uint8_t *data, size_t len)
{
	struct packet *packet = &addr->packets[addr->count];
	const bool room = addr->count < PACKETS && held->bytes + len <= BYTES;

	if (room)
		packet->data = malloc(len);
	if (!room || !packet->data) {
		held->lost++;
		return;
	}
	memcpy(packet->data, data, len);
	packet->len = len;
	packet->vnet = *vnet;
	addr->count++;
	held->bytes += len;
}

bool ntm_held_add(struct ntm_held *held, int family, const uint8_t *virt,
		  const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t len,
		  uint64_t now_ms)
{
	struct addr *addr = find(held, family, virt);

	if (addr && addr->failed && now_ms - addr->since_ms < QUIET_MS) {
		held->ops->refuse(held->ctx, packet, len);
		return false;
	}
	if (addr && (addr->failed || now_ms - addr->since_ms >= HOLD_MS)) {
		forget(held, addr);
		addr = NULL;
	}
	if (!addr)
		addr = begin(held, family, virt, now_ms);
	keep(held, addr, vnet, packet, len);
	if (addr->told_ms && now_ms - addr->told_ms < QUIET_MS)
		return false;
	addr->told_ms = now_ms;
	return true;
}

void ntm_held_release(struct ntm_held *held, int family, const uint8_t *virt)
{
	struct addr *addr = find(held, family, virt);

	if (!addr)
		return;
	for (unsigned int i = 0; i < addr->count; i++)
		held->ops->send(held->ctx, &addr->packets[i].vnet, addr->packets[i].data,
				addr->packets[i].len);
	forget(held, addr);
}

static void refuse_all(struct ntm_held *held, struct addr *addr, uint64_t now_ms)
{
	for (unsigned int i = 0; i < addr->count; i++)
		held->ops->refuse(held->ctx, addr->packets[i].data, addr->packets[i].len);
	forget_packets(held, addr);
	addr->failed = true;
	addr->since_ms = now_ms;
}

void ntm_held_fail(struct ntm_held *held, int family, const uint8_t *virt, uint64_t now_ms)
{
	struct addr *addr = find(held, family, virt);

	if (addr)
		refuse_all(held, addr, now_ms);
}

bool ntm_held_expire(struct ntm_held *held, uint64_t now_ms)
{
	bool left = false;

	for (unsigned int i = 0; i < ADDRS; i++) {
		struct addr *addr = &held->addrs[i];

		if (addr->family && addr->failed && now_ms - addr->since_ms >= QUIET_MS)
			forget(held, addr);
		else if (addr->family && !addr->failed && now_ms - addr->since_ms >= HOLD_MS)
			refuse_all(held, addr, now_ms);
		left = left || addr->family;
	}
	return left;
}

uint64_t ntm_held_lost(const struct ntm_held *held)
{
	return held->lost;
}

struct ntm_held *ntm_held_new(const struct ntm_held_ops *ops, void *ctx)
{
	struct ntm_held *held = calloc(1, sizeof(*held));

	if (held) {
		held->ops = ops;
		held->ctx = ctx;
	}
	return held;
}

void ntm_held_free(struct ntm_held *held)
{
	if (!held)
		return;
	for (unsigned int i = 0; i < ADDRS; i++)
		forget(held, &held->addrs[i]);
	free(held);
}
