// SPDX-License-Identifier: GPL-2.0
/* What people and files hand in: addresses, join strings, keys, names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/join.h"
#include "common/keyfile.h"
#include "common/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void address(const char *text)
{
	char str[NTM_ADDR_STR];
	union ntm_addr a, b;

	if (ntm_addr_parse(&a, text, 1))
		return;
	if (ntm_addr_parse(&b, ntm_addr_str(&a, str), 1) || !ntm_addr_equal(&a, &b))
		abort();
}

static void join_string(const char *text)
{
	char str[NTM_JOIN_STR];
	struct ntm_join a, b;

	if (ntm_join_parse(&a, text))
		return;
	if (ntm_join_format(&a, str, sizeof(str)) || ntm_join_parse(&b, str))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint8_t key[32];

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	address(text);
	join_string(text);
	ntm_key_parse(text, key);
	ntm_name_valid(text);
	free(text);
	return 0;
}
