/* SPDX-License-Identifier: GPL-2.0 */
/* Explicit congestion notification across the tunnel (RFC 6040). */
#ifndef NTMOBILE_ECN_H
#define NTMOBILE_ECN_H

#include <ntmobile/compat.h>

#define NTM_ECN_MASK	3
#define NTM_ECN_NOT_ECT	0
#define NTM_ECN_ECT_1	1
#define NTM_ECN_ECT_0	2
#define NTM_ECN_CE	3

/**
 * ntm_ecn_decap() - what the inner packet carries on, RFC 6040 4.2, Figure 4
 * @outer:	outer TOS or traffic class byte
 * @inner:	the same of the inner packet
 *
 * Outward the field is copied (normal mode, 4.1). Returns the inner packet's
 * two bits, or -1 if it must be dropped: congestion was met, and its sender
 * would not understand.
 */
static inline int ntm_ecn_decap(__u8 outer, __u8 inner)
{
	outer &= NTM_ECN_MASK;
	inner &= NTM_ECN_MASK;
	if (inner == NTM_ECN_NOT_ECT)
		return outer == NTM_ECN_CE ? -1 : NTM_ECN_NOT_ECT;
	if (outer == NTM_ECN_CE)
		return NTM_ECN_CE;
	if (outer == NTM_ECN_ECT_1 && inner == NTM_ECN_ECT_0)
		return NTM_ECN_ECT_1;
	return inner;
}

#endif /* NTMOBILE_ECN_H */
