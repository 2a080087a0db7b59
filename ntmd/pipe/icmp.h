/* SPDX-License-Identifier: GPL-2.0 */
/* What senders on this host are told of packets that cannot be sent. Any thread; rate-limited. */
#ifndef NTM_PIPE_ICMP_H
#define NTM_PIPE_ICMP_H

#include <stddef.h>
#include <stdint.h>

struct ntm_pipe;

/** ntm_icmp_too_big() - Fragmentation Needed (RFC 1191) or Packet Too Big (RFC 4443) */
void ntm_icmp_too_big(struct ntm_pipe *pipe, const uint8_t *packet, size_t len, unsigned int mtu);
/** ntm_icmp_unreachable() - host or address unreachable */
void ntm_icmp_unreachable(struct ntm_pipe *pipe, const uint8_t *packet, size_t len);

#endif
