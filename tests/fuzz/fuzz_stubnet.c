// SPDX-License-Identifier: GPL-2.0
// with: ntmd/node/stubnet.c ntmd/pipe/csum.c
/* Packets to the stub resolver's address: what goes back is a packet from there, with right lengths and checksums. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "node/stubnet.h"
#include "pipe/csum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(const uint8_t *p, size_t len, const uint8_t *asked)
{
	const bool v6 = *p >> 4 == 6;
	const size_t ip = v6 ? 40 : 20;
	const uint8_t proto = p[v6 ? 6 : 9];
	uint64_t sum = proto == IPPROTO_ICMP ? 0 : ntm_csum_pseudo(p, proto, len - ip);

	if (len <= ip ||
	    len != (v6 ? 40u + (size_t)(p[4] << 8 | p[5]) : (size_t)(p[2] << 8 | p[3])))
		abort();
	if (*p >> 4 != *asked >> 4 ||
	    memcmp(p + (v6 ? 8 : 12), asked + (v6 ? 24 : 16), v6 ? 16 : 4) ||
	    memcmp(p + (v6 ? 24 : 16), asked + (v6 ? 8 : 12), v6 ? 16 : 4))
		abort();
	if (!v6 && ntm_csum_fold(ntm_csum_add(0, p, 20)) != 0xffff)
		abort();
	if (ntm_csum_fold(ntm_csum_add(sum, p + ip, len - ip)) != 0xffff)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ntm_stubnet_packet out;
	uint8_t answer[NTM_STUBNET_REPLY_MAX];
	size_t len;

	ntm_stubnet_input(&out, data, size);
	switch (out.verdict) {
	case NTM_STUBNET_REPLY:
		if (out.reply_len > sizeof(out.reply))
			abort();
		check_packet(out.reply, out.reply_len, data);
		break;
	case NTM_STUBNET_QUERY:
		if (out.query < data || out.query + out.query_len > data + size ||
		    out.query_len > NTM_STUBNET_QUERY_MAX)
			abort();
		len = ntm_stubnet_answer(&out.asker, out.query, out.query_len, answer,
					 sizeof(answer));
		check_packet(answer, len, data);
		break;
	case NTM_STUBNET_DROP:
		break;
	}
	return 0;
}
