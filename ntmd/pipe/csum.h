/* SPDX-License-Identifier: GPL-2.0 */
/* The Internet checksum (RFC 1071). Sums are of 16-bit words in network order as they lie in memory, folded late. */
#ifndef NTM_PIPE_CSUM_H
#define NTM_PIPE_CSUM_H

#include <stddef.h>
#include <stdint.h>

/** ntm_csum_add() - @sum and the sum of @len bytes; @len may be odd only in the last part that is added */
uint64_t ntm_csum_add(uint64_t sum, const void *data, size_t len);
/** ntm_csum_pseudo() - of the pseudo-header of a whole IP packet; @len of the transport's header and payload */
uint64_t ntm_csum_pseudo(const uint8_t *ip, uint8_t proto, size_t len);
/** ntm_csum_fold() - 16 bits, as they go into memory, not complemented */
uint16_t ntm_csum_fold(uint64_t sum);
/** ntm_csum_put() - fold, complement, and write it at @p */
void ntm_csum_put(uint8_t *p, uint64_t sum);

#endif
