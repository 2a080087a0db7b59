// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever arrives as a handshake packet. The first byte chooses what is done:
 * raw bytes to every entry; a request made well but for its payload, so that
 * the fuzzer gets behind the AEAD; a valid mac1 over the fuzzer's bytes.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t psk[32] = { 1 };
static struct ntm_noise_keypair alice, bob;
static struct ntm_hs_guard guard;
static union ntm_addr from;

static void start(void)
{
	static int started;

	if (started++)
		return;
	if (sodium_init() < 0)
		abort();
	memset(alice.secret, 1, 32);
	memset(bob.secret, 2, 32);
	ntm_noise_public(&alice);
	ntm_noise_public(&bob);
	ntm_hs_guard_init(&guard, bob.public, 0, 0);
	from.v4.sin_family = AF_INET;
}

static void responder(const uint8_t *packet, size_t len)
{
	uint8_t reply[64], out[NTM_DATAGRAM_MAX];
	struct ntm_msg m = { 0 };
	struct ntm_hs_resp hs;
	struct ntm_hs_keys keys;
	size_t reply_len;

	ntm_hs_check(&guard, packet, len, &from, 5000, reply, &reply_len);
	if (reply_len > len)
		abort();
	if (ntm_hs_accept(&hs, &bob, packet, len))
		return;
	if (ntm_hs_answer(&hs, packet[0] == 5 ? psk : NULL, 7, &m, &keys, out, sizeof(out)) < 0)
		abort();
}

static void initiator(const uint8_t *packet, size_t len)
{
	uint8_t request[NTM_DATAGRAM_MAX];
	struct ntm_hs_cookie_jar jar = { 0 };
	struct ntm_hs_init init;
	struct ntm_hs_keys keys;
	struct ntm_msg m;

	ntm_hs_request(&init, NTM_PKT_SESSION_REQUEST, &alice, bob.public, NULL, 1, 0, NULL, &jar,
		       0, request, sizeof(request));
	ntm_hs_reply_id(packet, len);
	ntm_hs_cookie_reply(&jar, bob.public, packet, len, 0);
	ntm_hs_response(&init, packet, len, &keys, &m);
	ntm_hs_punch_check(packet, len, 1, psk, 1);
}

/* The fuzzer's bytes as a payload behind a good AEAD. */
static void sealed_payload(const uint8_t *data, size_t size)
{
	static const char label[] = "NTMobile 1 session";
	uint8_t packet[NTM_DATAGRAM_MAX] = { 1, 1, 0, 0, 0, 0, 0, 9 };
	uint8_t prologue[sizeof(label) - 1 + 12];
	struct ntm_noise noise;
	int len;

	if (size > NTM_DATAGRAM_MAX - 140)
		return;
	memcpy(prologue, label, sizeof(label) - 1);
	memcpy(prologue + sizeof(label) - 1, packet, 12);
	ntm_noise_init(&noise, NTM_NOISE_IK, true, prologue, sizeof(prologue), &alice, bob.public,
		       NULL);
	len = ntm_noise_write1(&noise, data, size, packet + 12);
	responder(packet, (size_t)len + 12 + 32);
}

static void good_mac1(const uint8_t *data, size_t size)
{
	uint8_t packet[NTM_DATAGRAM_MAX];

	if (size < 140 || size > sizeof(packet))
		return;
	memcpy(packet, data, size);
	packet[0] = packet[0] & 1 ? 1 : 5;
	packet[1] = 1;
	packet[2] = packet[3] = 0;
	crypto_generichash(packet + size - 32, 16, packet, size - 32, guard.mac1_key, 32);
	responder(packet, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	if (!size)
		return 0;
	switch (data[0] % 3) {
	case 0:
		responder(data + 1, size - 1);
		initiator(data + 1, size - 1);
		break;
	case 1:
		sealed_payload(data + 1, size - 1);
		break;
	case 2:
		good_mac1(data + 1, size - 1);
		break;
	}
	return 0;
}
