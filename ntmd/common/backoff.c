// SPDX-License-Identifier: GPL-2.0
#include "common/backoff.h"

#include <sodium.h>

uint32_t ntm_backoff_next(struct ntm_backoff *b)
{
	uint32_t now = b->next_ms;
	uint32_t spread = now / 10;

	b->next_ms = now < b->max_ms / 2 ? now * 2 : b->max_ms;
	return now - spread + randombytes_uniform(2 * spread + 1);
}
