/* SPDX-License-Identifier: GPL-2.0 */
/* What a decrypted packet must be before anything else reads it. */
#ifndef NTMOBILE_INNER_H
#define NTMOBILE_INNER_H

#include <ntmobile/compat.h>

/**
 * struct ntm_inner_peer - the addresses that a peer may send from
 * @v4, @v6:	virtual addresses, network order
 * @has_v4, @has_v6: which of them it has
 */
struct ntm_inner_peer {
	__u8 v4[4];
	__u8 v6[16];
	bool has_v4, has_v6;
};

enum ntm_inner_verdict {
	NTM_INNER_OK,
	NTM_INNER_MALFORMED,
	NTM_INNER_SOURCE,	/* another source address than the peer's */
};

static inline unsigned int ntm_inner_be16(const __u8 *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static inline enum ntm_inner_verdict ntm_inner_check4(const struct ntm_inner_peer *peer,
						      const __u8 *p, unsigned int *len)
{
	unsigned int ihl = (*p & 0xf) * 4u, total;

	if (*len < 20 || ihl < 20)
		return NTM_INNER_MALFORMED;
	total = ntm_inner_be16(p + 2);
	if (total > *len || total < ihl)
		return NTM_INNER_MALFORMED;
	if (!peer->has_v4 || memcmp(p + 12, peer->v4, sizeof(peer->v4)))
		return NTM_INNER_SOURCE;
	*len = total;
	return NTM_INNER_OK;
}

static inline enum ntm_inner_verdict ntm_inner_check6(const struct ntm_inner_peer *peer,
						      const __u8 *p, unsigned int *len)
{
	unsigned int total;

	if (*len < 40)
		return NTM_INNER_MALFORMED;
	total = 40 + ntm_inner_be16(p + 4);
	if (total > *len)
		return NTM_INNER_MALFORMED;
	if (!peer->has_v6 || memcmp(p + 8, peer->v6, sizeof(peer->v6)))
		return NTM_INNER_SOURCE;
	*len = total;
	return NTM_INNER_OK;
}

/**
 * ntm_inner_verify() - is this a packet that the peer may send?
 * @peer:	whose path it came by
 * @p:		the whole plaintext
 * @len:	its bytes, not 0; out: bytes of the packet, without padding
 */
static inline enum ntm_inner_verdict ntm_inner_verify(const struct ntm_inner_peer *peer,
						      const __u8 *p, unsigned int *len)
{
	switch (*p >> 4) {
	case 4:
		return ntm_inner_check4(peer, p, len);
	case 6:
		return ntm_inner_check6(peer, p, len);
	default:
		return NTM_INNER_MALFORMED;
	}
}

#endif /* NTMOBILE_INNER_H */
