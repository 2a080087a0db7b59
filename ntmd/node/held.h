/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user-space path's packets to virtual addresses without a path. They wait here while the tunnel is set up, by the same rules
 * and numbers as in the kernel module (kmod/miss.c).
 */
#ifndef NTM_HELD_H
#define NTM_HELD_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ntm_held;

/** struct ntm_held_ops - @send: the path came; @refuse: there is none, tell the packet's sender */
struct ntm_held_ops {
	void (*send)(void *ctx, const struct virtio_net_hdr *vnet, const uint8_t *packet,
		     size_t len);
	void (*refuse)(void *ctx, const uint8_t *packet, size_t len);
};

struct ntm_held *ntm_held_new(const struct ntm_held_ops *ops, void *ctx); /* NULL: no memory */
void ntm_held_free(struct ntm_held *held);

/** ntm_held_add() - a packet to @virt (4 or 16 bytes); copied. True: tell of the miss */
bool ntm_held_add(struct ntm_held *held, int family, const uint8_t *virt,
		  const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t len,
		  uint64_t now_ms);
/** ntm_held_release() - the path stands */
void ntm_held_release(struct ntm_held *held, int family, const uint8_t *virt);
/** ntm_held_fail() - there is no path; packets of the next second are refused at once */
void ntm_held_fail(struct ntm_held *held, int family, const uint8_t *virt, uint64_t now_ms);
/** ntm_held_expire() - forget what is too old. True: something is left, call again within a second */
bool ntm_held_expire(struct ntm_held *held, uint64_t now_ms);
uint64_t ntm_held_lost(const struct ntm_held *held); /* packets that found no room */

#endif
