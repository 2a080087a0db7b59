/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host at the stub resolver's address, inside the TUN device: it takes DNS queries by UDP, answers pings, and refuses the
 * rest, so that nobody who tries it waits. Pure: packets in, packets out.
 */
#ifndef NTM_STUBNET_H
#define NTM_STUBNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTM_STUBNET_REPLY_MAX 1500u
#define NTM_STUBNET_QUERY_MAX 512u
#define NTM_STUBNET_ANSWER_MAX \
	65535u /* of an answer's packet: the host takes one of any size from a TUN device */

/** struct ntm_stubnet_asker - who asked, and of which of our addresses */
struct ntm_stubnet_asker {
	int family;
	uint8_t from[16], to[16];
	uint16_t port; /* network order */
};

enum ntm_stubnet_verdict {
	NTM_STUBNET_QUERY, /* @asker and @query are set */
	NTM_STUBNET_REPLY, /* @reply of @reply_len bytes goes back */
	NTM_STUBNET_DROP,
};

/** struct ntm_stubnet_packet - what became of a packet; @query points into it */
struct ntm_stubnet_packet {
	enum ntm_stubnet_verdict verdict;
	struct ntm_stubnet_asker asker;
	const uint8_t *query;
	size_t query_len;
	uint8_t reply[NTM_STUBNET_REPLY_MAX];
	size_t reply_len;
};

/** ntm_stubnet_input() - a packet to the stub's address */
void ntm_stubnet_input(struct ntm_stubnet_packet *out, const uint8_t *packet, size_t len);
/**
 * ntm_stubnet_answer() - the IP packet of a DNS answer
 *
 * Its length, at most NTM_STUBNET_ANSWER_MAX, or 0 if @size is too small. (Over IPv4 and IPv6 a message of 65487 bytes fits.)
 */
size_t ntm_stubnet_answer(const struct ntm_stubnet_asker *asker, const uint8_t *msg, size_t len,
			  uint8_t *out, size_t size);

#endif
