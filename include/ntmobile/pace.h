/* SPDX-License-Identifier: GPL-2.0 */
/* How often what a peer's packets cause may happen. */
#ifndef NTMOBILE_PACE_H
#define NTMOBILE_PACE_H

#include <ntmobile/compat.h>

#define NTM_PACE_BURST	8	/* at once */
#define NTM_PACE_MS	250	/* and then one in so many milliseconds */

/**
 * ntm_pace_take() - may it happen now?
 * @full_ms:	when NTM_PACE_BURST may happen at once again; 0 at first. One
 *		writer at a time
 * @now_ms:	a clock that does not go back
 */
static inline bool ntm_pace_take(__u64 *full_ms, __u64 now_ms)
{
	__u64 full = *full_ms > now_ms ? *full_ms : now_ms;

	if (full - now_ms > (NTM_PACE_BURST - 1) * NTM_PACE_MS)
		return false;
	*full_ms = full + NTM_PACE_MS;
	return true;
}

#endif /* NTMOBILE_PACE_H */
