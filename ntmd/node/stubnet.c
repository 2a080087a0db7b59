// SPDX-License-Identifier: GPL-2.0
#include "stubnet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "common/bytes.h"
#include "pipe/csum.h"
#include "pipe/headers.h"

#define DNS_PORT 53u
#define QUOTE_MAX 512u

enum {
	ECHO4 = 8,
	ECHO6 = 128,
	ECHO6_REPLY = 129,
	UNREACHABLE4 = 3,
	PORT4 = 3,
	UNREACHABLE6 = 1,
	PORT6 = 4
};

/** struct in - a packet that was taken apart */
struct in {
	const uint8_t *packet, *l4;
	size_t len, l4_len;
	int family;
	uint8_t proto;
};

static bool take_apart4(struct in *in)
{
	const size_t header = (*in->packet & 0xfu) * 4u;

	if (in->len < NTM_IP4_LEN || header < NTM_IP4_LEN || in->len < header ||
	    (ntm_get16(in->packet + 6) & 0x3fff))
		return false;
	in->family = AF_INET;
	in->proto = in->packet[9];
	in->l4 = in->packet + header;
	in->l4_len = in->len - header;
	return true;
}

static bool take_apart6(struct in *in)
{
	if (in->len < NTM_IP6_LEN)
		return false;
	in->family = AF_INET6;
	in->proto = in->packet[6];
	in->l4 = in->packet + NTM_IP6_LEN;
	in->l4_len = in->len - NTM_IP6_LEN;
	return true;
}

static bool take_apart(struct in *in, const uint8_t *packet, size_t len)
{
	*in = (struct in){ .packet = packet, .len = len };
	if (!len)
		return false;
	return *packet >> 4 == 4 ? take_apart4(in) : *packet >> 4 == 6 && take_apart6(in);
}

static size_t ip_len(int family)
{
	return family == AF_INET ? NTM_IP4_LEN : NTM_IP6_LEN;
}

static void put_ip(uint8_t *out, int family, uint8_t proto, const uint8_t *from, const uint8_t *to,
		   size_t payload)
{
	memset(out, 0, ip_len(family));
	if (family == AF_INET) {
		out[0] = 0x45;
		ntm_put16(out + 2, NTM_IP4_LEN + payload);
		out[6] = 0x40; /* DF */
		out[8] = NTM_IP_TTL;
		out[9] = proto;
		memcpy(out + 12, from, 4);
		memcpy(out + 16, to, 4);
		ntm_csum_put(out + 10, ntm_csum_add(0, out, NTM_IP4_LEN));
	} else {
		out[0] = 0x60;
		ntm_put16(out + 4, payload);
		out[6] = proto;
		out[7] = NTM_IP_TTL;
		memcpy(out + 8, from, 16);
		memcpy(out + 24, to, 16);
	}
}

/* The header of a reply to @in, whose transport part stands in @out already; @csum: where its checksum is */
static void reply(struct ntm_stubnet_packet *out, const struct in *in, uint8_t proto,
		  size_t payload, size_t csum)
{
	const size_t at = ip_len(in->family);
	const uint8_t *from = in->packet + (in->family == AF_INET ? 16 : 24);
	const uint8_t *to = in->packet + (in->family == AF_INET ? 12 : 8);
	uint8_t *l4 = out->reply + at;
	uint64_t sum = 0;

	put_ip(out->reply, in->family, proto, from, to, payload);
	ntm_put16(l4 + csum, 0);
	if (proto != IPPROTO_ICMP)
		sum = ntm_csum_pseudo(out->reply, proto, payload);
	ntm_csum_put(l4 + csum, ntm_csum_add(sum, l4, payload));
	out->reply_len = at + payload;
	out->verdict = NTM_STUBNET_REPLY;
}

static void refuse(struct ntm_stubnet_packet *out, const struct in *in)
{
	const bool v4 = in->family == AF_INET;
	const size_t quote = in->len < QUOTE_MAX ? in->len : QUOTE_MAX;
	uint8_t *icmp = out->reply + ip_len(in->family);

	memset(icmp, 0, NTM_ICMP_LEN);
	icmp[0] = v4 ? UNREACHABLE4 : UNREACHABLE6;
	icmp[1] = v4 ? PORT4 : PORT6;
	memcpy(icmp + NTM_ICMP_LEN, in->packet, quote);
	reply(out, in, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, NTM_ICMP_LEN + quote, 2);
}

static void input_udp(struct ntm_stubnet_packet *out, const struct in *in)
{
	size_t len;

	if (in->l4_len < NTM_UDP_LEN)
		return;
	len = ntm_get16(in->l4 + 4);
	if (len < NTM_UDP_LEN || len > in->l4_len)
		return;
	if (ntm_get16(in->l4 + 2) != DNS_PORT || len - NTM_UDP_LEN > NTM_STUBNET_QUERY_MAX) {
		refuse(out, in);
		return;
	}
	out->verdict = NTM_STUBNET_QUERY;
	out->query = in->l4 + NTM_UDP_LEN;
	out->query_len = len - NTM_UDP_LEN;
	out->asker.family = in->family;
	memcpy(&out->asker.port, in->l4, sizeof(out->asker.port));
	memcpy(out->asker.from, in->packet + (in->family == AF_INET ? 12 : 8),
	       in->family == AF_INET ? 4 : 16);
	memcpy(out->asker.to, in->packet + (in->family == AF_INET ? 16 : 24),
	       in->family == AF_INET ? 4 : 16);
}

/* RFC 9293 3.10.7.1: a reset with the sequence number that the segment acknowledges, or one that acknowledges it all */
static void input_tcp(struct ntm_stubnet_packet *out, const struct in *in)
{
	uint8_t *tcp = out->reply + ip_len(in->family);
	size_t data;
	uint32_t seq;

	if (in->l4_len < NTM_TCP_LEN || (in->l4[12] >> 4) * 4u < NTM_TCP_LEN ||
	    (in->l4[12] >> 4) * 4u > in->l4_len || in->l4[13] & NTM_TCP_RST)
		return;
	data = in->l4_len - (in->l4[12] >> 4) * 4u;
	memset(tcp, 0, NTM_TCP_LEN);
	memcpy(tcp, in->l4 + 2, 2);
	memcpy(tcp + 2, in->l4, 2);
	tcp[12] = NTM_TCP_LEN / 4 << 4;
	if (in->l4[13] & NTM_TCP_ACK) {
		memcpy(tcp + 4, in->l4 + 8, 4);
		tcp[13] = NTM_TCP_RST;
	} else {
		memcpy(&seq, in->l4 + 4, sizeof(seq));
		seq = htonl(ntohl(seq) + (uint32_t)data + !!(in->l4[13] & NTM_TCP_SYN) +
			    !!(in->l4[13] & NTM_TCP_FIN));
		memcpy(tcp + 8, &seq, sizeof(seq));
		tcp[13] = NTM_TCP_RST | NTM_TCP_ACK;
	}
	reply(out, in, IPPROTO_TCP, NTM_TCP_LEN, 16);
}

static void input_icmp(struct ntm_stubnet_packet *out, const struct in *in)
{
	const bool v4 = in->family == AF_INET;
	uint8_t *icmp = out->reply + ip_len(in->family);

	if (in->l4_len < NTM_ICMP_LEN || in->l4[0] != (v4 ? ECHO4 : ECHO6) ||
	    ip_len(in->family) + in->l4_len > sizeof(out->reply))
		return;
	memcpy(icmp, in->l4, in->l4_len);
	icmp[0] = v4 ? 0 : ECHO6_REPLY;
	reply(out, in, in->proto, in->l4_len, 2);
}

void ntm_stubnet_input(struct ntm_stubnet_packet *out, const uint8_t *packet, size_t len)
{
	struct in in;

	out->verdict = NTM_STUBNET_DROP;
	if (!take_apart(&in, packet, len))
		return;
	if (in.proto == IPPROTO_UDP)
		input_udp(out, &in);
	else if (in.proto == IPPROTO_TCP)
		input_tcp(out, &in);
	else if (in.proto == (in.family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		input_icmp(out, &in);
}

size_t ntm_stubnet_answer(const struct ntm_stubnet_asker *asker, const uint8_t *msg, size_t len,
			  uint8_t *out, size_t size)
{
	const size_t at = ip_len(asker->family), payload = NTM_UDP_LEN + len;
	uint8_t *udp = out + at;

	if (at + payload > size || at + payload > NTM_STUBNET_ANSWER_MAX)
		return 0;
	put_ip(out, asker->family, IPPROTO_UDP, asker->to, asker->from, payload);
	ntm_put16(udp, DNS_PORT);
	memcpy(udp + 2, &asker->port, 2);
	ntm_put16(udp + 4, payload);
	ntm_put16(udp + 6, 0);
	memcpy(udp + NTM_UDP_LEN, msg, len);
	ntm_csum_put(udp + 6,
		     ntm_csum_add(ntm_csum_pseudo(out, IPPROTO_UDP, payload), udp, payload));
	if (!ntm_get16(udp + 6))
		ntm_put16(udp + 6, 0xffff);
	return at + payload;
}
