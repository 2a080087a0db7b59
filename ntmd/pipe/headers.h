/* SPDX-License-Identifier: GPL-2.0 */
/* Of the headers of IP, TCP and UDP: what more than one part of the pipe needs. */
#ifndef NTM_PIPE_HEADERS_H
#define NTM_PIPE_HEADERS_H

#include <linux/virtio_net.h>

#define NTM_IP4_LEN 20u /* without options */
#define NTM_IP6_LEN 40u
#define NTM_TCP_LEN 20u
#define NTM_UDP_LEN 8u
#define NTM_ICMP_LEN 8u
#define NTM_IP6_MTU_MIN 1280u
#define NTM_IP_TTL 64u

#define NTM_IP_DF 0x4000u
#define NTM_IP_MF 0x2000u
#define NTM_IP_OFFSET 0x1fffu

#define NTM_TCP_FIN 0x01u
#define NTM_TCP_SYN 0x02u
#define NTM_TCP_RST 0x04u
#define NTM_TCP_PSH 0x08u
#define NTM_TCP_ACK 0x10u
#define NTM_TCP_URG 0x20u
#define NTM_TCP_CWR 0x80u

/* Since Linux 6.2 */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#endif
