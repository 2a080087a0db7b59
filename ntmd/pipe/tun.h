/* SPDX-License-Identifier: GPL-2.0 */
/* The TUN device: one of our own, or a descriptor that a parent process handed in (as Android's VpnService does). */
#ifndef NTM_PIPE_TUN_H
#define NTM_PIPE_TUN_H

#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/**
 * struct ntm_tun - an open TUN device; any thread may read and write
 * @vnet:	a struct virtio_net_hdr stands in front of each packet; without, there are no offloads
 * @merge_tcp, @merge_udp: the kernel takes GSO packets; switched off when it turns out not to
 * @name:	of the interface; "" if the descriptor does not tell
 */
struct ntm_tun {
	int fd;
	bool vnet;
	atomic_bool merge_tcp, merge_udp;
	char name[IFNAMSIZ];
};

/** ntm_tun_create() - make the interface; 0 or a negative errno, with a sentence in @why */
int ntm_tun_create(struct ntm_tun *tun, const char *name, char *why, size_t size);
/** ntm_tun_adopt() - use @fd, which is owned from now on (also on failure) */
int ntm_tun_adopt(struct ntm_tun *tun, int fd, char *why, size_t size);
void ntm_tun_close(struct ntm_tun *tun);
/** ntm_tun_plain() - from now on the device gives packets as they are on a wire: no GSO, checksums done */
void ntm_tun_plain(struct ntm_tun *tun);

/** ntm_tun_read() - one packet to @buf, without waiting; its length, or a negative errno */
int ntm_tun_read(struct ntm_tun *tun, struct virtio_net_hdr *vnet, uint8_t *buf, size_t size);
/** ntm_tun_write() - one packet; @iov[0] is its vnet header, left out where the device has none. 0 or a negative errno */
int ntm_tun_write(struct ntm_tun *tun, struct iovec *iov, unsigned int count);

#endif
