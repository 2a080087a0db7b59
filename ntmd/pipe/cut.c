// SPDX-License-Identifier: GPL-2.0
#include "pipe/cut.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "common/bytes.h"
#include "pipe/csum.h"
#include "pipe/headers.h"

#define OPTION_COPIED 0x80u

static void seal_ip4(uint8_t *ip, size_t len, size_t header)
{
	ntm_put16(ip + 2, len);
	ntm_put16(ip + 10, 0);
	ntm_csum_put(ip + 10, ntm_csum_add(0, ip, header));
}

/* CHECKSUM_PARTIAL: the sum of the pseudo-header stands in the field already */
static bool complete_checksum(struct virtio_net_hdr *vnet, uint8_t *packet, size_t len)
{
	const size_t start = vnet->csum_start, offset = vnet->csum_offset;
	uint16_t folded;

	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (start + offset + 2 > len || start < NTM_IP4_LEN)
		return false;
	folded = (uint16_t)~ntm_csum_fold(ntm_csum_add(0, packet + start, len - start));
	if (!folded && offset == 6) /* UDP: 0 means none */
		folded = 0xffff;
	memcpy(packet + start + offset, &folded, sizeof(folded));
	vnet->flags &= (uint8_t)~VIRTIO_NET_HDR_F_NEEDS_CSUM;
	return true;
}

static bool ip_header(struct ntm_cut *cut)
{
	const uint8_t *p = cut->packet;

	if (!cut->len)
		return false;
	cut->v6 = *p >> 4 == 6;
	if (cut->v6)
		return cut->len >= NTM_IP6_LEN;
	return *p >> 4 == 4 && cut->len >= NTM_IP4_LEN && (*p & 0xfu) * 4u >= NTM_IP4_LEN &&
	       cut->len >= (*p & 0xfu) * 4u;
}

static bool gso_headers(struct ntm_cut *cut, const struct virtio_net_hdr *vnet)
{
	const uint8_t *p = cut->packet;
	const size_t least = cut->v6 ? NTM_IP6_LEN : (*p & 0xfu) * 4u;

	cut->l4 = vnet->csum_start;
	cut->size = vnet->gso_size;
	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !cut->size || cut->l4 < least)
		return false;
	cut->hdr_len = cut->l4 + NTM_UDP_LEN;
	if (cut->proto == IPPROTO_TCP) {
		if (cut->len < cut->l4 + NTM_TCP_LEN)
			return false;
		cut->hdr_len = cut->l4 + (p[cut->l4 + 12] >> 4) * 4u;
		if (cut->hdr_len < cut->l4 + NTM_TCP_LEN)
			return false;
	}
	if (cut->hdr_len > sizeof(cut->hdr) || cut->len <= cut->hdr_len)
		return false;
	memcpy(cut->hdr, p, cut->hdr_len);
	cut->at = cut->hdr_len;
	return true;
}

bool ntm_cut_begin(struct ntm_cut *cut, struct virtio_net_hdr *vnet, uint8_t *packet, size_t len)
{
	cut->packet = packet;
	cut->len = len;
	cut->size = cut->hdr_len = 0;
	cut->at = 0;
	cut->first = true;
	cut->frag.mtu = cut->frag.len = cut->frag.at = 0;
	if (!ip_header(cut))
		return false;
	switch (vnet->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return complete_checksum(vnet, packet, len);
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		cut->proto = IPPROTO_TCP;
		return gso_headers(cut, vnet);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		cut->proto = IPPROTO_UDP;
		return gso_headers(cut, vnet);
	default:
		return false;
	}
}

/* Bytes of a segment's payload that go into each fragment but the last */
static size_t fragment_size(const struct ntm_cut_frag *frag)
{
	return (frag->mtu - frag->hdr_len) & ~(size_t)7;
}

static bool is_too_long(const struct ntm_cut *cut, size_t len)
{
	return cut->frag.mtu && len > cut->frag.mtu;
}

size_t ntm_cut_largest(const struct ntm_cut *cut)
{
	const size_t payload = cut->len - cut->hdr_len;
	size_t len = cut->len;

	if (cut->size)
		len = cut->hdr_len + (payload < cut->size ? payload : cut->size);
	return is_too_long(cut, len) ? cut->frag.mtu : len;
}

/* As how many packets a segment leaves */
static size_t parts(const struct ntm_cut *cut, size_t len)
{
	size_t size;

	if (!is_too_long(cut, len))
		return 1;
	size = fragment_size(&cut->frag);
	return (len - cut->frag.hdr_len + size - 1) / size;
}

size_t ntm_cut_segments(const struct ntm_cut *cut)
{
	const size_t payload = cut->len - cut->hdr_len;
	size_t rest;

	if (!cut->size)
		return parts(cut, cut->len);
	rest = payload % cut->size;
	return payload / cut->size * parts(cut, cut->hdr_len + cut->size) +
	       (rest ? parts(cut, cut->hdr_len + rest) : 0);
}

bool ntm_cut_fragment(struct ntm_cut *cut, size_t mtu)
{
	const size_t header = (*cut->packet & 0xfu) * 4u;

	if (cut->v6 || (ntm_get16(cut->packet + 6) & NTM_IP_DF) || mtu < header + 8 ||
	    cut->len <= header)
		return false;
	cut->frag.mtu = mtu;
	cut->frag.hdr_len = header;
	return true;
}

/* Of the options only those with the copied flag stand in every fragment (RFC 791); the others become no-operations */
static void drop_options(struct ntm_cut_frag *frag)
{
	size_t at = NTM_IP4_LEN, len;

	while (at < frag->hdr_len && frag->hdr[at]) {
		len = frag->hdr[at] == 1 ? 1 : at + 1 < frag->hdr_len ? frag->hdr[at + 1] : 0;
		if (!len || at + len > frag->hdr_len)
			return;
		if (!(frag->hdr[at] & OPTION_COPIED))
			memset(frag->hdr + at, 1, len);
		at += len;
	}
}

static void seal_fragment(const struct ntm_cut_frag *frag, uint8_t *p, size_t len, bool last)
{
	const uint16_t whole = ntm_get16(frag->hdr + 6);
	const size_t offset = (whole & NTM_IP_OFFSET) + (frag->at - frag->hdr_len) / 8;

	memcpy(p, frag->hdr, frag->hdr_len);
	ntm_put16(p + 6, offset | (last ? whole & NTM_IP_MF : NTM_IP_MF));
	seal_ip4(p, len, frag->hdr_len);
}

static void begin_fragments(struct ntm_cut_frag *frag, uint8_t *packet, size_t len)
{
	frag->packet = packet;
	frag->len = len;
	frag->at = frag->hdr_len;
	memcpy(frag->hdr, packet, frag->hdr_len);
}

static uint8_t *next_fragment(struct ntm_cut_frag *frag, size_t *len)
{
	const size_t left = frag->len - frag->at, size = fragment_size(frag);
	const size_t payload = left < size ? left : size;
	uint8_t *p = frag->packet + frag->at - frag->hdr_len;

	*len = frag->hdr_len + payload;
	seal_fragment(frag, p, *len, payload == left);
	if (p == frag->packet)
		drop_options(frag);
	frag->at += payload;
	return p;
}

static void seal_tcp(const struct ntm_cut *cut, uint8_t *p, size_t len, bool last)
{
	uint8_t *tcp = p + cut->l4;

	if (!cut->first)
		tcp[13] &= (uint8_t)~NTM_TCP_CWR;
	if (!last)
		tcp[13] &= (uint8_t) ~(NTM_TCP_FIN | NTM_TCP_PSH);
	ntm_put16(tcp + 16, 0);
	ntm_csum_put(tcp + 16, ntm_csum_add(ntm_csum_pseudo(p, IPPROTO_TCP, len - cut->l4), tcp,
					    len - cut->l4));
}

static void seal_udp(const struct ntm_cut *cut, uint8_t *p, size_t len)
{
	uint8_t *udp = p + cut->l4;

	ntm_put16(udp + 4, len - cut->l4);
	ntm_put16(udp + 6, 0);
	ntm_csum_put(udp + 6, ntm_csum_add(ntm_csum_pseudo(p, IPPROTO_UDP, len - cut->l4), udp,
					   len - cut->l4));
	if (!ntm_get16(udp + 6))
		ntm_put16(udp + 6, 0xffff);
}

static void seal_segment(struct ntm_cut *cut, uint8_t *p, size_t len, bool last)
{
	memcpy(p, cut->hdr, cut->hdr_len);
	if (cut->v6)
		ntm_put16(p + 4, len - NTM_IP6_LEN);
	else
		seal_ip4(p, len, (*p & 0xfu) * 4u);
	if (cut->proto == IPPROTO_TCP)
		seal_tcp(cut, p, len, last);
	else
		seal_udp(cut, p, len);
}

static void advance(struct ntm_cut *cut, size_t payload)
{
	uint32_t seq;

	cut->at += payload;
	cut->first = false;
	if (!cut->v6)
		ntm_put16(cut->hdr + 4, ntm_get16(cut->hdr + 4) + 1u);
	if (cut->proto == IPPROTO_TCP) {
		memcpy(&seq, cut->hdr + cut->l4 + 4, sizeof(seq));
		seq = htonl(ntohl(seq) + (uint32_t)payload);
		memcpy(cut->hdr + cut->l4 + 4, &seq, sizeof(seq));
	}
}

static uint8_t *next_segment(struct ntm_cut *cut, size_t *len)
{
	const size_t left = cut->len - cut->at;
	const size_t payload = left < cut->size ? left : cut->size;
	uint8_t *p;

	if (!left)
		return NULL;
	if (!cut->size) {
		cut->at = *len = cut->len;
		return cut->packet;
	}
	p = cut->packet + cut->at - cut->hdr_len;
	*len = cut->hdr_len + payload;
	seal_segment(cut, p, *len, payload == left);
	advance(cut, payload);
	return p;
}

uint8_t *ntm_cut_next(struct ntm_cut *cut, size_t *len)
{
	uint8_t *p;

	if (cut->frag.at < cut->frag.len)
		return next_fragment(&cut->frag, len);
	p = next_segment(cut, len);
	if (!p || !is_too_long(cut, *len))
		return p;
	begin_fragments(&cut->frag, p, *len);
	return next_fragment(&cut->frag, len);
}
