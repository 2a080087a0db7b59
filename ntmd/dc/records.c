// SPDX-License-Identifier: GPL-2.0
#include "dc/records.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "common/bytes.h"
#include "common/keyfile.h"

#define TXT_MAX 255
#define SRV_FIXED 6

/* The character-strings of a TXT record one after the other; false: malformed, too long, or with a NUL in it. */
static bool txt_text(const struct ntm_rdata *r, char out[TXT_MAX + 1])
{
	size_t at = 0, used = 0;

	while (at < r->len) {
		const size_t len = r->data[at++];

		if (len > r->len - at || len > TXT_MAX - used)
			return false;
		memcpy(out + used, r->data + at, len);
		at += len;
		used += len;
	}
	out[used] = '\0';
	return r->len > 0 && strlen(out) == used;
}

/* "v=ntm1 k=KEY"; further words are for versions to come. False: not of this protocol at all. */
static bool is_ours(char *text, const char **key)
{
	char *word = strsep(&text, " ");

	*key = NULL;
	if (strcmp(word, NTM_TXT_TAG) != 0)
		return false;
	while ((word = strsep(&text, " ")) != NULL) {
		if (!strncmp(word, "k=", 2) && !*key)
			*key = word + 2;
	}
	return true;
}

const char *ntm_records_txt(const struct ntm_rdata *records, size_t count, uint8_t key[32])
{
	char text[TXT_MAX + 1];
	bool have = false;

	if (count > NTM_RECORDS_MAX)
		return "too many TXT records";
	for (size_t i = 0; i < count; i++) {
		const char *word;
		uint8_t got[32];

		if (!txt_text(&records[i], text) || !is_ours(text, &word))
			continue;
		if (!word || ntm_key_parse(word, got))
			return "a TXT record " NTM_TXT_TAG " without a key";
		if (have && memcmp(got, key, sizeof(got)) != 0)
			return "TXT records with different keys";
		memcpy(key, got, sizeof(got));
		have = true;
	}
	return have ? NULL : "no TXT record " NTM_TXT_TAG;
}

/* A name of labels as text, lower case; false: the root, malformed, or no host's name. */
static bool wire_name(const uint8_t *in, size_t left, char out[NTM_NAME_MAX + 1])
{
	size_t used = 0, len;

	for (; left && (len = *in) != 0; in += 1 + len, left -= 1 + len) {
		if (len > 63 || len + 1 > left || used + len + 1 > NTM_NAME_MAX)
			return false;
		if (used)
			out[used++] = '.';
		for (size_t i = 0; i < len; i++)
			out[used++] = (char)tolower(in[1 + i]);
	}
	out[used] = '\0';
	return left == 1 && strlen(out) == used && ntm_name_valid(out);
}

static int better_first(const void *a, const void *b)
{
	const struct ntm_srv *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return strcmp(x->target, y->target);
}

unsigned int ntm_records_srv(const struct ntm_rdata *records, size_t count,
			     struct ntm_srv out[NTM_SRV_MAX])
{
	struct ntm_srv all[NTM_RECORDS_MAX];
	unsigned int good = 0, kept;

	for (size_t i = 0; i < count && good < NTM_RECORDS_MAX; i++) {
		const struct ntm_rdata *r = &records[i];
		struct ntm_srv *srv = &all[good];

		if (r->len <= SRV_FIXED ||
		    !wire_name(r->data + SRV_FIXED, r->len - SRV_FIXED, srv->target))
			continue;
		srv->priority = ntm_get16(r->data);
		srv->weight = ntm_get16(r->data + 2);
		srv->port = ntm_get16(r->data + 4);
		good += srv->port != 0;
	}
	if (!good)
		return 0;
	qsort(all, good, sizeof(all[0]), better_first);
	kept = good < NTM_SRV_MAX ? good : NTM_SRV_MAX;
	memcpy(out, all, kept * sizeof(all[0]));
	return kept;
}

static bool known(const struct ntm_found *found, const union ntm_addr *addr)
{
	for (unsigned int i = 0; i < found->addr_count; i++) {
		if (ntm_addr_equal(&found->addrs[i], addr))
			return true;
	}
	return false;
}

void ntm_records_addresses(struct ntm_found *found, int family, const struct ntm_rdata *records,
			   size_t count, uint16_t port)
{
	for (size_t i = 0; i < count && found->addr_count < NTM_JOIN_ADDRS; i++) {
		union ntm_addr addr = { .sa = { .sa_family = (sa_family_t)family } };

		if (records[i].len != (family == AF_INET ? 4 : 16))
			continue;
		if (family == AF_INET) {
			memcpy(&addr.v4.sin_addr, records[i].data, 4);
			addr.v4.sin_port = htons(port);
		} else {
			memcpy(&addr.v6.sin6_addr, records[i].data, 16);
			addr.v6.sin6_port = htons(port);
		}
		if (IN6_IS_ADDR_V4MAPPED(&addr.v6.sin6_addr) && family == AF_INET6)
			continue;
		if (ntm_addr_usable(&addr) && !known(found, &addr))
			found->addrs[found->addr_count++] = addr;
	}
}
