/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the DNS says of a zone's DC (docs/PROTOCOL.md section 9), out of the bytes of its records: pure, bounded, and
 * distrustful, since whoever holds the other zone wrote them.
 */
#ifndef NTM_DC_RECORDS_H
#define NTM_DC_RECORDS_H

#include "common/join.h"
#include "common/msg.h"

#define NTM_RECORDS_MAX 32 /* of one type that are looked at; more than any sane zone has */
#define NTM_SRV_MAX 4	   /* targets that are resolved */
#define NTM_TXT_TAG "v=ntm1"

/** struct ntm_rdata - the RDATA of one record, uncompressed */
struct ntm_rdata {
	const uint8_t *data;
	size_t len;
};

struct ntm_srv {
	uint16_t priority, weight, port;
	char target[NTM_NAME_MAX + 1];
};

/**
 * struct ntm_found - where a zone's DC is, and who it must be
 * @ttl:	seconds that this may be believed: the least of all records
 */
struct ntm_found {
	uint8_t key[32];
	union ntm_addr addrs[NTM_JOIN_ADDRS];
	unsigned int addr_count;
	uint32_t ttl;
};

/** ntm_records_txt() - the key in the TXT records, those of others are passed over; NULL or a reason */
const char *ntm_records_txt(const struct ntm_rdata *records, size_t count, uint8_t key[32]);
/** ntm_records_srv() - the targets to try, best first (RFC 2782); returns how many, malformed ones are left out */
unsigned int ntm_records_srv(const struct ntm_rdata *records, size_t count,
			     struct ntm_srv out[NTM_SRV_MAX]);
/** ntm_records_addresses() - add the A (@family AF_INET) or AAAA records of a target, as far as there is room */
void ntm_records_addresses(struct ntm_found *found, int family, const struct ntm_rdata *records,
			   size_t count, uint16_t port);

#endif
