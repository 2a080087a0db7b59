// SPDX-License-Identifier: GPL-2.0
/* Messages and payloads from hostile bytes; what decodes must encode, and decode to the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct ntm_msg *m)
{
	uint8_t first[2048], second[2048];
	struct ntm_msg back;
	int len = ntm_msg_encode(m, first, sizeof(first));

	if (len < 0 || ntm_msg_decode(&back, first, (size_t)len))
		abort();
	if (ntm_msg_encode(&back, second, sizeof(second)) != len ||
	    memcmp(first, second, (size_t)len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ntm_msg m;

	if (size <= NTM_DATAGRAM_MAX && !ntm_msg_decode(&m, data, size))
		again(&m);
	ntm_msg_decode_payload(&m, data, size);
	return 0;
}
