// SPDX-License-Identifier: GPL-2.0
#include "common/session.h"

#include <errno.h>
#include <ntmobile/wire.h>
#include <sodium.h>
#include <string.h>

#include "common/bytes.h"
#include "common/handshake.h"

#define HDR_LEN 16
#define TAG_LEN 16
#define WINDOW 1024

static void put_header(uint8_t *out, uint32_t session_id, uint64_t ctr)
{
	const uint8_t first[4] = { NTM_PKT_SEALED, NTM_PROTOCOL_VERSION, 0, 0 };

	memcpy(out, first, 4);
	ntm_put32(out + 4, session_id);
	ntm_put64(out + 8, ctr);
}

uint32_t ntm_session_id_of(const uint8_t *packet, size_t len)
{
	const uint8_t first[4] = { NTM_PKT_SEALED, NTM_PROTOCOL_VERSION, 0, 0 };

	if (len < NTM_SEALED_OVERHEAD || len > NTM_SEALED_MAX || memcmp(packet, first, 4) != 0)
		return 0;
	return ntm_get32(packet + 4);
}

int ntm_session_seal(struct ntm_session *s, const struct ntm_msg *m, uint8_t *out, size_t size)
{
	uint8_t plain[NTM_SEALED_MAX - NTM_SEALED_OVERHEAD];
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	int len;

	if (size < NTM_SEALED_OVERHEAD)
		return -EMSGSIZE;
	if (s->tx_ctr == UINT64_MAX)
		return -EOVERFLOW;
	size -= NTM_SEALED_OVERHEAD;
	len = ntm_msg_encode(m, plain, size < sizeof(plain) ? size : sizeof(plain));
	if (len < 0)
		goto out;
	put_header(out, s->remote_id, s->tx_ctr);
	ntm_wire_nonce(nonce, s->tx_ctr++);
	crypto_aead_chacha20poly1305_ietf_encrypt(out + HDR_LEN, NULL, plain, (size_t)len, out,
						  HDR_LEN, NULL, nonce, s->tx_key);
	len += NTM_SEALED_OVERHEAD;
out:
	if (len > 0) /* a Route Direction has the psk in it */
		sodium_memzero(plain, (size_t)len - NTM_SEALED_OVERHEAD);
	return len;
}

static bool seen(const struct ntm_session *s, uint64_t ctr)
{
	return s->rx_seen[ctr % WINDOW / 64] >> (ctr % 64) & 1;
}

static void mark(struct ntm_session *s, uint64_t ctr, bool on)
{
	uint64_t bit = 1ULL << (ctr % 64);

	if (on)
		s->rx_seen[ctr % WINDOW / 64] |= bit;
	else
		s->rx_seen[ctr % WINDOW / 64] &= ~bit;
}

static bool replayed(const struct ntm_session *s, uint64_t ctr)
{
	if (!s->rx_any || ctr > s->rx_highest)
		return false;
	return s->rx_highest - ctr >= WINDOW || seen(s, ctr);
}

/* Takes an authentic counter into the window; says whether it is the newest. */
static bool advance(struct ntm_session *s, uint64_t ctr)
{
	bool newest = !s->rx_any || ctr > s->rx_highest;

	if (newest) {
		if (!s->rx_any || ctr - s->rx_highest >= WINDOW)
			memset(s->rx_seen, 0, sizeof(s->rx_seen));
		else
			for (uint64_t skipped = s->rx_highest + 1; skipped < ctr; skipped++)
				mark(s, skipped, false);
		s->rx_highest = ctr;
		s->rx_any = true;
	}
	mark(s, ctr, true);
	return newest;
}

int ntm_session_open(struct ntm_session *s, const uint8_t *packet, size_t len, struct ntm_msg *m,
		     bool *newest)
{
	uint8_t plain[NTM_SEALED_MAX - NTM_SEALED_OVERHEAD];
	uint8_t nonce[NTM_WIRE_NONCE_LEN];
	uint32_t id = ntm_session_id_of(packet, len);
	uint64_t ctr;
	int err;

	*newest = false;
	if (!id || id != s->local_id)
		return -EBADMSG;
	ctr = ntm_get64(packet + 8);
	ntm_wire_nonce(nonce, ctr);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, packet + HDR_LEN,
						      len - HDR_LEN, packet, HDR_LEN, nonce,
						      s->rx_key))
		return -EBADMSG;
	if (replayed(s, ctr)) {
		err = -EALREADY;
	} else {
		*newest = advance(s, ctr);
		err = ntm_msg_decode(m, plain, len - NTM_SEALED_OVERHEAD) ? -EPROTO : 0;
	}
	sodium_memzero(plain, len - NTM_SEALED_OVERHEAD);
	return err;
}

void ntm_session_wipe(struct ntm_session *s)
{
	sodium_memzero(s, sizeof(*s));
}
