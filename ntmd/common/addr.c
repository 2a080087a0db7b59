// SPDX-License-Identifier: GPL-2.0
#include "common/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits and nothing else, which strtoul() alone does not ask for. */
static int parse_number(const char *text, unsigned long max, unsigned long *out)
{
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 9 || text[digits])
		return -EINVAL;
	*out = strtoul(text, NULL, 10);
	return *out > max ? -EINVAL : 0;
}

static int parse_port(const char *text, uint16_t *port)
{
	unsigned long value;

	if (parse_number(text, UINT16_MAX, &value))
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

/* Splits off "%scope"; a scope is an interface's name or number. */
static int parse_scope(char *host, uint32_t *scope)
{
	char *percent = strchr(host, '%');
	unsigned long number;

	*scope = 0;
	if (!percent)
		return 0;
	*percent++ = '\0';
	*scope = if_nametoindex(percent);
	if (*scope)
		return 0;
	if (parse_number(percent, UINT32_MAX, &number) || !number)
		return -EINVAL;
	*scope = (uint32_t)number;
	return 0;
}

static int parse_host(union ntm_addr *addr, char *host, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, host, &addr->v4.sin_addr) == 1) {
		addr->v4.sin_family = AF_INET;
		addr->v4.sin_port = htons(port);
		return 0;
	}
	if (parse_scope(host, &v6.sin6_scope_id) || inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
		return -EINVAL;
	return ntm_addr_from_sockaddr(addr, (const struct sockaddr *)&v6);
}

int ntm_addr_parse(union ntm_addr *addr, const char *text, uint16_t default_port)
{
	char host[NTM_ADDR_STR + IFNAMSIZ];
	const char *start = text;
	const char *port_text = NULL;
	uint16_t port = default_port;
	size_t len;

	addr->sa.sa_family = 0;
	if (*text == '[') {
		start = text + 1;
		len = strcspn(start, "]");
		if (!start[len])
			return -EINVAL;
		if (start[len + 1] == ':')
			port_text = start + len + 2;
		else if (start[len + 1])
			return -EINVAL;
	} else {
		const char *colon = strchr(text, ':');

		/* Two colons or more: an IPv6 address without port. */
		if (colon && !strchr(colon + 1, ':'))
			port_text = colon + 1;
		len = port_text ? (size_t)(colon - text) : strlen(text);
	}
	if (len == 0 || len >= sizeof(host))
		return -EINVAL;
	memcpy(host, start, len);
	host[len] = '\0';
	/* Brackets are for IPv6 alone. */
	if (start != text && !strchr(host, ':'))
		return -EINVAL;
	if (port_text && parse_port(port_text, &port))
		return -EINVAL;
	if (parse_host(addr, host, port)) {
		addr->sa.sa_family = 0;
		return -EINVAL;
	}
	return 0;
}

const char *ntm_addr_str(const union ntm_addr *addr, char *buf)
{
	char host[INET6_ADDRSTRLEN];

	switch (addr->sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host));
		snprintf(buf, NTM_ADDR_STR, "%.15s:%u", host, ntohs(addr->v4.sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &addr->v6.sin6_addr, host, sizeof(host));
		if (IN6_IS_ADDR_LINKLOCAL(&addr->v6.sin6_addr) && addr->v6.sin6_scope_id)
			snprintf(buf, NTM_ADDR_STR, "[%s%%%u]:%u", host, addr->v6.sin6_scope_id,
				 ntohs(addr->v6.sin6_port));
		else
			snprintf(buf, NTM_ADDR_STR, "[%s]:%u", host, ntohs(addr->v6.sin6_port));
		break;
	default:
		snprintf(buf, NTM_ADDR_STR, "none");
	}
	return buf;
}

static bool equal6(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	if (a->sin6_port != b->sin6_port || !IN6_ARE_ADDR_EQUAL(&a->sin6_addr, &b->sin6_addr))
		return false;
	return !IN6_IS_ADDR_LINKLOCAL(&a->sin6_addr) || a->sin6_scope_id == b->sin6_scope_id;
}

bool ntm_addr_equal(const union ntm_addr *a, const union ntm_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	switch (a->sa.sa_family) {
	case AF_INET:
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	case AF_INET6:
		return equal6(&a->v6, &b->v6);
	default:
		return true;
	}
}

socklen_t ntm_addr_len(const union ntm_addr *addr)
{
	return addr->sa.sa_family == AF_INET ? sizeof(addr->v4) : sizeof(addr->v6);
}

void ntm_addr_map(const union ntm_addr *addr, uint8_t out[18])
{
	memset(out, 0, 18);
	if (addr->sa.sa_family == AF_INET) {
		out[10] = 0xff;
		out[11] = 0xff;
		memcpy(out + 12, &addr->v4.sin_addr, 4);
		memcpy(out + 16, &addr->v4.sin_port, 2);
	} else if (addr->sa.sa_family == AF_INET6) {
		memcpy(out, &addr->v6.sin6_addr, 16);
		memcpy(out + 16, &addr->v6.sin6_port, 2);
	}
}

int ntm_addr_from_sockaddr(union ntm_addr *addr, const struct sockaddr *sa)
{
	struct sockaddr_in6 v6;

	memset(addr, 0, sizeof(*addr));
	if (sa->sa_family == AF_INET) {
		memcpy(&addr->v4, sa, sizeof(addr->v4));
		return 0;
	}
	if (sa->sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(&v6, sa, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
		addr->v4.sin_family = AF_INET;
		addr->v4.sin_port = v6.sin6_port;
		memcpy(&addr->v4.sin_addr, &v6.sin6_addr.s6_addr[12], 4);
		return 0;
	}
	addr->v6 = v6;
	return 0;
}

bool ntm_addr_usable(const union ntm_addr *addr)
{
	uint32_t v4;

	switch (addr->sa.sa_family) {
	case AF_INET:
		v4 = ntohl(addr->v4.sin_addr.s_addr);
		/* 0.0.0.0/8 names no host; 224.0.0.0/4 and 240.0.0.0/4 no single one. */
		return addr->v4.sin_port && v4 >> 24 != 0 && v4 >> 29 != 7;
	case AF_INET6:
		return addr->v6.sin6_port && !IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr) &&
		       !IN6_IS_ADDR_MULTICAST(&addr->v6.sin6_addr) &&
		       !IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr);
	default:
		return false;
	}
}
