/* SPDX-License-Identifier: GPL-2.0 */
/* Real addresses: one union for both families. */
#ifndef NTM_ADDR_H
#define NTM_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/** union ntm_addr - an IPv4 or IPv6 address with port, never a mapped one; family 0: none */
union ntm_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

#define NTM_ADDR_STR 68 /* "[IPv6%scope]:port" with NUL */

/** ntm_addr_parse() - "192.0.2.1:4330", "192.0.2.1", "[2001:db8::1]:4330", "2001:db8::1"; 0 or -EINVAL */
int ntm_addr_parse(union ntm_addr *addr, const char *text, uint16_t default_port);
/** ntm_addr_str() - format with port into @buf (NTM_ADDR_STR bytes); returns @buf */
const char *ntm_addr_str(const union ntm_addr *addr, char *buf);
/** ntm_addr_equal() - same family, address and port (scope ids ignored unless link-local) */
bool ntm_addr_equal(const union ntm_addr *a, const union ntm_addr *b);
/** ntm_addr_len() - length for sendto() */
socklen_t ntm_addr_len(const union ntm_addr *addr);
/** ntm_addr_map() - the 18 bytes a cookie is made of: address (IPv4 as mapped) and port */
void ntm_addr_map(const union ntm_addr *addr, uint8_t out[18]);
/** ntm_addr_from_sockaddr() - copy, turning ::ffff:a.b.c.d into IPv4; 0 or -EAFNOSUPPORT */
int ntm_addr_from_sockaddr(union ntm_addr *addr, const struct sockaddr *sa);
/** ntm_addr_usable() - may a packet be sent there: not unspecified, multicast, broadcast; port not 0 */
bool ntm_addr_usable(const union ntm_addr *addr);

#endif
