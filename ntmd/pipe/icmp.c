// SPDX-License-Identifier: GPL-2.0
#include "common/clock.h"
#include "pipe/icmp.h"

#include <netinet/in.h>
#include <string.h>
#include "common/bytes.h"
#include "pipe/csum.h"
#include "pipe/headers.h"
#include "pipe/pipe.h"

#define QUOTE4 548u  /* of the packet, so that all is no longer than 576 (RFC 1812 4.3.2.3) */
#define QUOTE6 1232u /* 1280 (RFC 4443 2.4 c) */

enum {
	ICMP4_UNREACHABLE = 3,
	ICMP4_HOST = 1,
	ICMP4_FRAG_NEEDED = 4,
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_ADDRESS = 3
};

/* One in a millisecond, all kinds together: more would not be heeded */
static bool allowed(struct ntm_pipe *pipe)
{
	const uint64_t now = ntm_clock_ms();

	return atomic_exchange(&pipe->icmp_ms, now) != now;
}

/* Errors are answered by nothing: neither an ICMP error, nor a later fragment, nor what went to a group */
static bool may_answer4(const uint8_t *p, size_t len)
{
	const size_t header = (*p & 0xfu) * 4u;

	if (len < NTM_IP4_LEN || header < NTM_IP4_LEN || len < header || ((p[6] & 0x1f) | p[7]) ||
	    p[16] >= 224)
		return false;
	return p[9] != IPPROTO_ICMP || (len > header && (p[header] == 8 || p[header] == 0));
}

static bool may_answer6(const uint8_t *p, size_t len)
{
	if (len < NTM_IP6_LEN || p[24] == 0xff)
		return false;
	return p[6] != IPPROTO_ICMPV6 || (len > NTM_IP6_LEN && p[NTM_IP6_LEN] >= 128);
}

/* From the address that could not be reached: the only one that a router in its place can have */
static void reply4(struct ntm_pipe *pipe, const uint8_t *packet, size_t len, uint8_t code,
		   unsigned int mtu)
{
	uint8_t out[NTM_IP4_LEN + NTM_ICMP_LEN + QUOTE4] = { 0x45, 0xc0 };
	uint8_t *icmp = out + NTM_IP4_LEN;
	const size_t quote = len < QUOTE4 ? len : QUOTE4;
	const size_t total = NTM_IP4_LEN + NTM_ICMP_LEN + quote;

	ntm_put16(out + 2, total);
	out[8] = NTM_IP_TTL;
	out[9] = IPPROTO_ICMP;
	memcpy(out + 12, packet + 16, 4);
	memcpy(out + 16, packet + 12, 4);
	ntm_csum_put(out + 10, ntm_csum_add(0, out, NTM_IP4_LEN));
	icmp[0] = ICMP4_UNREACHABLE;
	icmp[1] = code;
	ntm_put16(icmp + 6, mtu);
	memcpy(icmp + NTM_ICMP_LEN, packet, quote);
	ntm_csum_put(icmp + 2, ntm_csum_add(0, icmp, total - NTM_IP4_LEN));
	ntm_pipe_deliver(pipe, out, total);
}

static void reply6(struct ntm_pipe *pipe, const uint8_t *packet, size_t len, uint8_t type,
		   uint8_t code, unsigned int mtu)
{
	uint8_t out[NTM_IP6_LEN + NTM_ICMP_LEN + QUOTE6] = { 0x60 };
	uint8_t *icmp = out + NTM_IP6_LEN;
	const size_t quote = len < QUOTE6 ? len : QUOTE6;
	const size_t total = NTM_ICMP_LEN + quote;

	ntm_put16(out + 4, total);
	out[6] = IPPROTO_ICMPV6;
	out[7] = NTM_IP_TTL;
	memcpy(out + 8, packet + 24, 16);
	memcpy(out + 24, packet + 8, 16);
	icmp[0] = type;
	icmp[1] = code;
	ntm_put16(icmp + 6, mtu);
	memcpy(icmp + NTM_ICMP_LEN, packet, quote);
	ntm_csum_put(icmp + 2,
		     ntm_csum_add(ntm_csum_pseudo(out, IPPROTO_ICMPV6, total), icmp, total));
	ntm_pipe_deliver(pipe, out, NTM_IP6_LEN + total);
}

void ntm_icmp_too_big(struct ntm_pipe *pipe, const uint8_t *packet, size_t len, unsigned int mtu)
{
	if (*packet >> 4 == 4 && may_answer4(packet, len) && allowed(pipe))
		reply4(pipe, packet, len, ICMP4_FRAG_NEEDED, mtu);
	else if (*packet >> 4 == 6 && may_answer6(packet, len) && allowed(pipe))
		reply6(pipe, packet, len, ICMP6_TOO_BIG, 0,
		       mtu > NTM_IP6_MTU_MIN ? mtu : NTM_IP6_MTU_MIN);
}

void ntm_icmp_unreachable(struct ntm_pipe *pipe, const uint8_t *packet, size_t len)
{
	if (*packet >> 4 == 4 && may_answer4(packet, len) && allowed(pipe))
		reply4(pipe, packet, len, ICMP4_HOST, 0);
	else if (*packet >> 4 == 6 && may_answer6(packet, len) && allowed(pipe))
		reply6(pipe, packet, len, ICMP6_UNREACHABLE, ICMP6_ADDRESS, 0);
}
