// SPDX-License-Identifier: GPL-2.0
#include "pipe/merge.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "common/bytes.h"
#include "pipe/csum.h"
#include "pipe/headers.h"

#define IP_FRAGMENT 0x3fffu
#define PACKET_MAX 65535u

static bool is_v6(const struct ntm_seg *seg)
{
	return *seg->p >> 4 == 6;
}

/* Segments */

/* Options and extension headers are left alone: who uses them wants the packet as it is */
static uint8_t transport_of(struct ntm_seg *seg)
{
	if (is_v6(seg)) {
		seg->l4 = NTM_IP6_LEN;
		return seg->p[6];
	}
	if ((*seg->p & 0xfu) * 4u != NTM_IP4_LEN || (ntm_get16(seg->p + 6) & IP_FRAGMENT))
		return 0;
	seg->l4 = NTM_IP4_LEN;
	return seg->p[9];
}

static bool tcp_mergeable(struct ntm_seg *seg)
{
	const uint8_t *tcp = seg->p + seg->l4;

	if (seg->len < seg->l4 + NTM_TCP_LEN)
		return false;
	seg->hdr_len = (uint16_t)(seg->l4 + (tcp[12] >> 4) * 4u);
	return seg->hdr_len >= seg->l4 + NTM_TCP_LEN && seg->len > seg->hdr_len &&
	       !(tcp[13] & (NTM_TCP_SYN | NTM_TCP_RST | NTM_TCP_URG));
}

static bool udp_mergeable(struct ntm_seg *seg)
{
	const uint8_t *udp = seg->p + seg->l4;

	seg->hdr_len = (uint16_t)(seg->l4 + NTM_UDP_LEN);
	return seg->len > seg->hdr_len && ntm_get16(udp + 4) == seg->len - seg->l4 &&
	       ntm_get16(udp + 6);
}

static bool checksums_right(const struct ntm_seg *seg, uint8_t proto)
{
	const size_t len = seg->len - seg->l4;

	if (!is_v6(seg) && ntm_csum_fold(ntm_csum_add(0, seg->p, NTM_IP4_LEN)) != 0xffff)
		return false;
	return ntm_csum_fold(ntm_csum_add(ntm_csum_pseudo(seg->p, proto, len), seg->p + seg->l4,
					  len)) == 0xffff;
}

void ntm_seg_parse(struct ntm_seg *seg, bool udp)
{
	const uint8_t proto = transport_of(seg);

	seg->proto = 0;
	if (!(proto == IPPROTO_TCP && tcp_mergeable(seg)) &&
	    !(proto == IPPROTO_UDP && udp && udp_mergeable(seg)))
		return;
	if (checksums_right(seg, proto))
		seg->proto = proto;
}

/* Does it follow? */

static bool same_ip4(const struct ntm_merge *merge, const uint8_t *a, const uint8_t *b)
{
	const uint16_t step = (uint16_t)(ntm_get16(b + 4) - ntm_get16(a + 4));

	/* Version and length, TOS; flags; NTM_IP_TTL, protocol; addresses */
	if (memcmp(a, b, 2) || memcmp(a + 6, b + 6, 4) || memcmp(a + 12, b + 12, 8))
		return false;
	if (merge->count == 1 && !step)
		return ntm_get16(a + 6) & NTM_IP_DF;
	return step == (merge->fixed_id ? 0 : merge->count);
}

/* Version, class, label; next header, hop limit; addresses */
static bool same_ip6(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, 4) && !memcmp(a + 6, b + 6, 2 + 32);
}

/* Ports, acknowledgement, flags and window, options as in the first; sequence where it ended. Flags that may differ do. */
static bool same_tcp(const struct ntm_merge *merge, const uint8_t *a, const uint8_t *b, size_t len)
{
	const uint8_t loose = NTM_TCP_CWR | NTM_TCP_FIN | NTM_TCP_PSH;

	return !memcmp(a, b, 4) &&
	       ntm_get32(b + 4) == ntm_get32(a + 4) + (uint32_t)merge->payload &&
	       !memcmp(a + 8, b + 8, 5) && !((a[13] ^ b[13]) & ~loose) && !(b[13] & NTM_TCP_CWR) &&
	       !memcmp(a + 14, b + 14, 2) && !memcmp(a + 18, b + 18, len - 18);
}

static bool follows(const struct ntm_merge *merge, const struct ntm_seg *seg)
{
	const struct ntm_seg *head = &merge->head;
	const size_t payload = seg->len - seg->hdr_len;

	if (!merge->open || seg->proto != head->proto || seg->hdr_len != head->hdr_len ||
	    is_v6(seg) != is_v6(head) || merge->count == NTM_MERGE_MAX || payload > merge->size ||
	    head->hdr_len + merge->payload + payload > PACKET_MAX)
		return false;
	if (is_v6(seg) ? !same_ip6(head->p, seg->p) : !same_ip4(merge, head->p, seg->p))
		return false;
	if (seg->proto == IPPROTO_UDP)
		return !memcmp(head->p + head->l4, seg->p + seg->l4, 4);
	return same_tcp(merge, head->p + head->l4, seg->p + seg->l4, seg->hdr_len - seg->l4);
}

/* Building */

static uint8_t ends_flow(const struct ntm_seg *seg)
{
	return seg->proto == IPPROTO_TCP ? seg->p[seg->l4 + 13] & (NTM_TCP_FIN | NTM_TCP_PSH) : 0;
}

bool ntm_merge_add(struct ntm_merge *merge, const struct ntm_seg *seg)
{
	const size_t payload = seg->len - seg->hdr_len;

	if (!seg->proto || !follows(merge, seg))
		return false;
	if (merge->count == 1 && !is_v6(seg))
		merge->fixed_id = !memcmp(seg->p + 4, merge->head.p + 4, 2);
	if (seg->proto == IPPROTO_TCP)
		merge->head.p[merge->head.l4 + 13] |= ends_flow(seg);
	merge->iov[merge->iov_count++] = (struct iovec){ seg->p + seg->hdr_len, payload };
	merge->count++;
	merge->payload += payload;
	merge->open = payload == merge->size && !ends_flow(seg);
	return true;
}

void ntm_merge_begin(struct ntm_merge *merge, const struct ntm_seg *seg)
{
	merge->head = *seg;
	merge->count = 1;
	merge->fixed_id = false;
	merge->iov[1] = (struct iovec){ seg->p, seg->len };
	merge->iov_count = 2;
	memset(&merge->vnet, 0, sizeof(merge->vnet));
	merge->open = seg->proto && !ends_flow(seg);
	merge->size = merge->payload = seg->proto ? (size_t)(seg->len - seg->hdr_len) : 0;
}

static void finish_ip(struct ntm_merge *merge, size_t len)
{
	uint8_t *p = merge->head.p;
	uint16_t sum;

	if (is_v6(&merge->head)) {
		ntm_put16(p + 4, len - NTM_IP6_LEN);
		return;
	}
	ntm_put16(p + 2, len);
	ntm_put16(p + 10, 0);
	sum = (uint16_t)~ntm_csum_fold(ntm_csum_add(0, p, NTM_IP4_LEN));
	memcpy(p + 10, &sum, sizeof(sum));
}

/* What the kernel expects of CHECKSUM_PARTIAL: the pseudo-header's sum in the field */
static void finish_transport(struct ntm_merge *merge, size_t len)
{
	uint8_t *l4 = merge->head.p + merge->head.l4;
	const bool tcp = merge->head.proto == IPPROTO_TCP;
	const uint16_t sum = ntm_csum_fold(ntm_csum_pseudo(merge->head.p, merge->head.proto, len));

	if (!tcp)
		ntm_put16(l4 + 4, len);
	memcpy(l4 + (tcp ? 16 : 6), &sum, sizeof(sum));
	merge->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	merge->vnet.csum_start = merge->head.l4;
	merge->vnet.csum_offset = tcp ? 16 : 6;
	merge->vnet.hdr_len = merge->head.hdr_len;
	merge->vnet.gso_size = (uint16_t)merge->size;
	merge->vnet.gso_type = !tcp		   ? VIRTIO_NET_HDR_GSO_UDP_L4 :
			       is_v6(&merge->head) ? VIRTIO_NET_HDR_GSO_TCPV6 :
						     VIRTIO_NET_HDR_GSO_TCPV4;
	if (tcp && l4[13] & NTM_TCP_CWR)
		merge->vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

void ntm_merge_finish(struct ntm_merge *merge)
{
	const size_t len = merge->head.hdr_len + merge->payload;

	if (merge->count > 1) {
		finish_ip(merge, len);
		finish_transport(merge, len - merge->head.l4);
	}
	merge->iov[0] = (struct iovec){ &merge->vnet, sizeof(merge->vnet) };
}

/* Only the headers of the first one were changed. It was open for more, so it had none of the flags that the others added. */
void ntm_merge_undo(struct ntm_merge *merge)
{
	uint8_t *l4 = merge->head.p + merge->head.l4;
	const bool tcp = merge->head.proto == IPPROTO_TCP;
	const size_t len = merge->head.len - merge->head.l4;
	uint8_t *sum = l4 + (tcp ? 16 : 6);

	if (merge->count < 2)
		return;
	finish_ip(merge, merge->head.len);
	if (tcp)
		l4[13] &= (uint8_t) ~(NTM_TCP_FIN | NTM_TCP_PSH);
	else
		ntm_put16(l4 + 4, len);
	ntm_put16(sum, 0);
	ntm_csum_put(sum,
		     ntm_csum_add(ntm_csum_pseudo(merge->head.p, merge->head.proto, len), l4, len));
	if (!tcp && !ntm_get16(sum))
		ntm_put16(sum, 0xffff);
}

/* Its payload stands in an iovec; its headers are where they came, in front of that */
struct iovec ntm_merge_segment(const struct ntm_merge *merge, unsigned int i)
{
	const struct iovec *payload = &merge->iov[i + 1];
	const size_t headers = i ? merge->head.hdr_len : 0;

	return (struct iovec){ (uint8_t *)payload->iov_base - headers, payload->iov_len + headers };
}
