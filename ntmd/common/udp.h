/* SPDX-License-Identifier: GPL-2.0 */
/* The one UDP port, on both families, on a libuv loop. */
#ifndef NTM_UDP_H
#define NTM_UDP_H

#include <uv.h>
#include "common/addr.h"

struct ntm_udp;

/** typedef ntm_udp_recv_fn - one datagram (a GRO aggregate is split before); bytes are good during the call */
typedef void ntm_udp_recv_fn(void *ctx, const uint8_t *packet, size_t len,
			     const union ntm_addr *from);

/**
 * ntm_udp_open() - bind sockets and start to receive
 * @listen4, @listen6: addresses, family 0 for none of that family; port 0 for any
 * @gro:	switch UDP_GRO on (needed by the kernel data path)
 *
 * Returns 0 or a negative errno; on failure *@udp is NULL. At least one family must bind; a family that
 * the host does not have is left out with a warning.
 */
int ntm_udp_open(struct ntm_udp **udp, uv_loop_t *loop, const union ntm_addr *listen4,
		 const union ntm_addr *listen6, bool gro, ntm_udp_recv_fn *recv, void *ctx);
/**
 * ntm_udp_adopt() - the same with sockets from a parent process (-1: none); they are owned from then on
 *
 * An IPv6 socket without IPV6_V6ONLY serves both families if there is no IPv4 socket.
 */
int ntm_udp_adopt(struct ntm_udp **udp, uv_loop_t *loop, int fd4, int fd6, bool gro,
		  ntm_udp_recv_fn *recv, void *ctx);
/** ntm_udp_send() - 0 or a negative errno; a full socket buffer drops (0 all the same: this is UDP), counted */
int ntm_udp_send(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet, size_t len);
/**
 * ntm_udp_send_df() - the same for a datagram that may not be fragmented, here or on its way, to find out what a way carries
 *
 * It leaves whatever the kernel has learnt of the route's MTU. -EMSGSIZE: the link that it would leave by is smaller. It costs two
 * system calls more.
 */
int ntm_udp_send_df(struct ntm_udp *udp, const union ntm_addr *to, const uint8_t *packet,
		    size_t len);
/**
 * ntm_udp_pause() / _resume() - somebody else reads the sockets (the user-space data path, in threads of its own), and gives
 * the owner what is signalling by ntm_udp_deliver()
 */
void ntm_udp_pause(struct ntm_udp *udp);
void ntm_udp_resume(struct ntm_udp *udp);
void ntm_udp_deliver(struct ntm_udp *udp, const uint8_t *packet, size_t len,
		     const union ntm_addr *from);
uint64_t ntm_udp_dropped(const struct ntm_udp *udp);   /* packets that found a full socket buffer */
int ntm_udp_fd(const struct ntm_udp *udp, int family); /* -1: none */
uint16_t ntm_udp_port(const struct ntm_udp *udp);
/** ntm_udp_close() - closes the sockets at once (the loop must run on to free memory); NULL: nothing. Also from the callback. */
void ntm_udp_close(struct ntm_udp *udp);

#endif
