// SPDX-License-Identifier: GPL-2.0
/* Sealed packets: the bytes as they come, and as the plaintext of a packet that is authentic. */
#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <ntmobile/wire.h>
#include "common/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ntm_session fresh = { .local_id = 0x01010101, .rx_key = { 1 } };

static void raw(const uint8_t *data, size_t size)
{
	struct ntm_session s = fresh;
	struct ntm_msg m;
	bool newest;

	if (ntm_session_open(&s, data, size, &m, &newest) != -EBADMSG || newest)
		abort(); /* a forgery */
}

static void authentic(const uint8_t *data, size_t size)
{
	uint8_t packet[NTM_DATAGRAM_MAX] = { 4, 1, 0, 0, 1, 1, 1, 1 };
	struct ntm_session s = fresh;
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	struct ntm_msg m;
	bool newest;
	int err;

	if (size < 1 || size - 1 > sizeof(packet) - NTM_SEALED_OVERHEAD)
		return;
	packet[15] = data[0];
	ntm_wire_nonce(nonce, data[0]);
	crypto_aead_chacha20poly1305_ietf_encrypt(packet + 16, NULL, data + 1, size - 1, packet, 16,
						  NULL, nonce, s.rx_key);
	err = ntm_session_open(&s, packet, size - 1 + NTM_SEALED_OVERHEAD, &m, &newest);
	if ((err && err != -EPROTO) || !newest)
		abort();
	if (ntm_session_open(&s, packet, size - 1 + NTM_SEALED_OVERHEAD, &m, &newest) != -EALREADY)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	raw(data, size);
	authentic(data, size);
	return 0;
}
