// SPDX-License-Identifier: GPL-2.0
#include "pipe/csum.h"

#include <arpa/inet.h>
#include <string.h>

/* Vectors, so that the compiler uses what the processor has; lanes of 64 bits cannot overflow */
typedef uint64_t sums_t __attribute__((vector_size(16)));

static uint64_t add_vectors(uint64_t sum, const uint8_t **at, size_t *len)
{
	const sums_t low = { UINT32_MAX, UINT32_MAX };
	sums_t even = { 0, 0 }, odd = { 0, 0 }, a, b;

	for (; *len >= 32; *at += 32, *len -= 32) {
		memcpy(&a, *at, sizeof(a));
		memcpy(&b, *at + 16, sizeof(b));
		even += (a & low) + (b & low);
		odd += (a >> 32) + (b >> 32);
	}
	even += odd;
	return sum + (even[0] & UINT32_MAX) + (even[0] >> 32) + (even[1] & UINT32_MAX) +
	       (even[1] >> 32);
}

uint64_t ntm_csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t word;
	uint16_t half = 0;

	sum = add_vectors(sum, &at, &len);
	for (; len >= 4; at += 4, len -= 4) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (len >= 2) {
		memcpy(&half, at, sizeof(half));
		sum += half;
		at += 2;
		len -= 2;
	}
	if (len) {
		half = 0;
		memcpy(&half, at, 1);
		sum += half;
	}
	return sum;
}

uint64_t ntm_csum_pseudo(const uint8_t *ip, uint8_t proto, size_t len)
{
	const uint32_t tail[2] = { htonl((uint32_t)len), htonl(proto) };
	const uint64_t sum = ntm_csum_add(0, tail, sizeof(tail));

	return *ip >> 4 == 4 ? ntm_csum_add(sum, ip + 12, 8) : ntm_csum_add(sum, ip + 8, 32);
}

uint16_t ntm_csum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void ntm_csum_put(uint8_t *p, uint64_t sum)
{
	const uint16_t folded = (uint16_t)~ntm_csum_fold(sum);

	memcpy(p, &folded, sizeof(folded));
}
