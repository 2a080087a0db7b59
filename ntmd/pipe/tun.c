// SPDX-License-Identifier: GPL-2.0
#include "pipe/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Since Linux 6.2 */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define TSO (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define USO (TUN_F_USO4 | TUN_F_USO6)

static int fail(struct ntm_tun *tun, const char *what, char *why, size_t size)
{
	const int err = -errno;

	snprintf(why, size, "%s: %s", what, strerror(-err));
	ntm_tun_close(tun);
	return err;
}

static int set_header(struct ntm_tun *tun, char *why, size_t size)
{
	int len = sizeof(struct virtio_net_hdr);

	if (ioctl(tun->fd, TUNSETVNETHDRSZ, &len))
		return fail(tun, "the TUN device does not take the size of its header", why, size);
	return 0;
}

/* What the device reads and writes may be GSO packets; a kernel without USO, or without any, is served as well */
static void set_offloads(struct ntm_tun *tun)
{
	if (!ioctl(tun->fd, TUNSETOFFLOAD, TSO | USO)) {
		atomic_store(&tun->merge_tcp, true);
		atomic_store(&tun->merge_udp, true);
	} else if (!ioctl(tun->fd, TUNSETOFFLOAD, TSO)) {
		atomic_store(&tun->merge_tcp, true);
	}
}

static int set_nonblocking(struct ntm_tun *tun, char *why, size_t size)
{
	const int flags = fcntl(tun->fd, F_GETFL);

	if (flags < 0 || fcntl(tun->fd, F_SETFL, flags | O_NONBLOCK) ||
	    fcntl(tun->fd, F_SETFD, FD_CLOEXEC))
		return fail(tun, "the TUN descriptor cannot be used", why, size);
	return 0;
}

static int prepare(struct ntm_tun *tun, char *why, size_t size)
{
	int err = set_nonblocking(tun, why, size);

	if (!err && tun->vnet)
		err = set_header(tun, why, size);
	if (!err && tun->vnet)
		set_offloads(tun);
	return err;
}

int ntm_tun_create(struct ntm_tun *tun, const char *name, char *why, size_t size)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };

	memset(tun, 0, sizeof(*tun));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	tun->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tun->fd < 0)
		return fail(tun, "/dev/net/tun cannot be opened", why, size);
	if (ioctl(tun->fd, TUNSETIFF, &ifr)) {
		const char *what = errno == EPERM ?
					   "making a TUN interface needs root, or CAP_NET_ADMIN" :
					   "the TUN interface cannot be made";

		return fail(tun, what, why, size);
	}
	snprintf(tun->name, sizeof(tun->name), "%s", ifr.ifr_name);
	tun->vnet = true;
	return prepare(tun, why, size);
}

int ntm_tun_adopt(struct ntm_tun *tun, int fd, char *why, size_t size)
{
	struct ifreq ifr = { 0 };
	const bool told = !ioctl(fd, TUNGETIFF, &ifr);

	memset(tun, 0, sizeof(*tun));
	tun->fd = fd;
	if (!told && errno == EBADFD)
		return fail(tun, "the TUN device handed in is gone", why, size);
	/* Where the parent's policy forbids the question it is a plain device: there is no other kind on Android */
	if (told) {
		snprintf(tun->name, sizeof(tun->name), "%s", ifr.ifr_name);
		tun->vnet = ifr.ifr_flags & IFF_VNET_HDR;
		if (!(ifr.ifr_flags & IFF_TUN) || !(ifr.ifr_flags & IFF_NO_PI)) {
			errno = EINVAL;
			return fail(tun, "the descriptor handed in is no TUN device with IFF_NO_PI",
				    why, size);
		}
	}
	return prepare(tun, why, size);
}

void ntm_tun_close(struct ntm_tun *tun)
{
	if (tun->fd >= 0)
		close(tun->fd);
	tun->fd = -1;
}

/* A descriptor whose parent's policy forbids it goes on as it is */
void ntm_tun_plain(struct ntm_tun *tun)
{
	(void)ioctl(tun->fd, TUNSETOFFLOAD, 0);
}

int ntm_tun_read(struct ntm_tun *tun, struct virtio_net_hdr *vnet, uint8_t *buf, size_t size)
{
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { buf, size } };
	const size_t header = tun->vnet ? sizeof(*vnet) : 0;
	ssize_t n;

	if (!tun->vnet)
		memset(vnet, 0, sizeof(*vnet));
	n = tun->vnet ? readv(tun->fd, iov, 2) : read(tun->fd, buf, size);
	if (n < 0)
		return -errno;
	if (!n) /* no device does this: it is something else, and its other end is closed */
		return -ENODEV;
	return (size_t)n > header ? (int)((size_t)n - header) : -ENOMSG;
}

int ntm_tun_write(struct ntm_tun *tun, struct iovec *iov, unsigned int count)
{
	const unsigned int skip = tun->vnet ? 0 : 1;
	ssize_t n;

	do
		n = writev(tun->fd, iov + skip, (int)(count - skip));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}
