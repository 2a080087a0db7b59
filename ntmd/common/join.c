// SPDX-License-Identifier: GPL-2.0
#include "common/join.h"

#include <errno.h>
#include <ntmobile/wire.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/keyfile.h"

#define SCHEME "ntm://"
#define TOKEN_STR 23 /* base64url of 16 bytes, NUL */

/* Appends to @out at *@used; false: no room. */
static bool append(char *out, size_t size, size_t *used, const char *text)
{
	size_t len = strlen(text);

	if (len >= size - *used)
		return false;
	memcpy(out + *used, text, len + 1);
	*used += len;
	return true;
}

static bool append_addrs(const struct ntm_join *join, char *out, size_t size, size_t *used)
{
	char text[NTM_ADDR_STR];

	for (unsigned int i = 0; i < join->addr_count; i++) {
		if (i && !append(out, size, used, ","))
			return false;
		if (!append(out, size, used, ntm_addr_str(&join->addrs[i], text)))
			return false;
	}
	return true;
}

int ntm_join_format(const struct ntm_join *join, char *out, size_t size)
{
	char key[NTM_KEY_STR], token[TOKEN_STR];
	size_t used = 0;

	if (!size)
		return -EMSGSIZE;
	ntm_key_str(join->dc_key, key);
	sodium_bin2base64(token, sizeof(token), join->token, sizeof(join->token),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	if (append(out, size, &used, SCHEME) && append_addrs(join, out, size, &used) &&
	    append(out, size, &used, "/") && append(out, size, &used, key) &&
	    append(out, size, &used, "/") && append(out, size, &used, token))
		return 0;
	out[0] = '\0';
	return -EMSGSIZE;
}

static const char *parse_addrs(struct ntm_join *join, char *list)
{
	char *save, *item;

	join->addr_count = 0;
	for (item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		if (join->addr_count == NTM_JOIN_ADDRS)
			return "too many addresses";
		if (ntm_addr_parse(&join->addrs[join->addr_count], item, NTM_WIRE_PORT))
			return "not an address";
		if (!ntm_addr_usable(&join->addrs[join->addr_count]))
			return "an address that nothing can be sent to";
		join->addr_count++;
	}
	return join->addr_count ? NULL : "no address";
}

static const char *parse_token(struct ntm_join *join, const char *text)
{
	size_t len;

	if (strlen(text) != TOKEN_STR - 1 ||
	    sodium_base642bin(join->token, sizeof(join->token), text, TOKEN_STR - 1, NULL, &len,
			      NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
	    len != sizeof(join->token))
		return "the token is damaged";
	return NULL;
}

static const char *parse_parts(struct ntm_join *join, char *text)
{
	char *key, *token;
	const char *reason;

	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return "does not begin with " SCHEME;
	text += strlen(SCHEME);
	key = strchr(text, '/');
	token = key ? strchr(key + 1, '/') : NULL;
	if (!token)
		return "cut short";
	*key++ = '\0';
	*token++ = '\0';
	reason = parse_addrs(join, text);
	if (reason)
		return reason;
	if (ntm_key_parse(key, join->dc_key) || sodium_is_zero(join->dc_key, 32))
		return "the public key is damaged";
	return parse_token(join, token);
}

const char *ntm_join_parse(struct ntm_join *join, const char *text)
{
	static const char space[] = " \t\r\n";
	char copy[NTM_JOIN_STR];
	const char *reason;
	size_t len;

	memset(join, 0, sizeof(*join));
	text += strspn(text, space); /* as it comes from a clipboard */
	len = strlen(text);
	while (len && strchr(space, text[len - 1]))
		len--;
	if (len >= sizeof(copy))
		return "too long";
	memcpy(copy, text, len);
	copy[len] = '\0';
	reason = parse_parts(join, copy);
	sodium_memzero(copy, sizeof(copy)); /* the token is a secret */
	if (reason)
		sodium_memzero(join, sizeof(*join));
	return reason;
}
