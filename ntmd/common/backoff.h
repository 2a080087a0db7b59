/* SPDX-License-Identifier: GPL-2.0 */
/* When to send a request again: doubled times with jitter (docs/PROTOCOL.md section 6). Pure but for the dice. */
#ifndef NTM_BACKOFF_H
#define NTM_BACKOFF_H

#include <stdint.h>

/** struct ntm_backoff - the next pause, and where doubling ends; all in ms */
struct ntm_backoff {
	uint32_t next_ms;
	uint32_t max_ms;
};

#define NTM_BACKOFF_REQUEST ((struct ntm_backoff){ 250, 4000 })
#define NTM_BACKOFF_SESSION ((struct ntm_backoff){ 500, 30000 })
#define NTM_BACKOFF_TUNNEL ((struct ntm_backoff){ 250, 2000 })

/** ntm_backoff_next() - pause before the next attempt, -10 % to +10 %; doubles the one after it */
uint32_t ntm_backoff_next(struct ntm_backoff *b);

#endif
