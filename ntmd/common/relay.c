// SPDX-License-Identifier: GPL-2.0
#include "common/relay.h"

#include <sodium.h>
#include <string.h>
#include "common/bytes.h"
#include "common/handshake.h"

#define SECRET_MS 120000u
#define MAC_AT 68
#define PROBE_MAC_AT 48
#define MAC_LEN 16
#define ADDR_LEN 18

/* Cookies */

void ntm_relay_secret_init(struct ntm_relay_secret *secret, uint64_t now_ms)
{
	randombytes_buf(secret->key, sizeof(secret->key));
	randombytes_buf(secret->old, sizeof(secret->old));
	secret->since_ms = now_ms;
}

void ntm_relay_secret_tick(struct ntm_relay_secret *secret, uint64_t now_ms)
{
	if (now_ms - secret->since_ms < SECRET_MS)
		return;
	memcpy(secret->old, secret->key, sizeof(secret->old));
	randombytes_buf(secret->key, sizeof(secret->key));
	secret->since_ms = now_ms;
}

/* Bound to the end of the path as well as to the address: a cookie is of no use for another */
static void cookie_of(const uint8_t key[32], const struct ntm_relay_bind *bind,
		      const union ntm_addr *from, uint32_t moves, uint8_t cookie[16])
{
	uint8_t data[ADDR_LEN + 4 + 1 + 4];

	ntm_addr_map(from, data);
	ntm_put32(data + ADDR_LEN, bind->path_id);
	data[ADDR_LEN + 4] = bind->role;
	ntm_put32(data + ADDR_LEN + 5, moves);
	crypto_generichash(cookie, 16, data, sizeof(data), key, 32);
}

void ntm_relay_cookie(const struct ntm_relay_secret *secret, const struct ntm_relay_bind *bind,
		      const union ntm_addr *from, uint32_t moves, uint8_t cookie[16])
{
	cookie_of(secret->key, bind, from, moves, cookie);
}

bool ntm_relay_cookie_good(const struct ntm_relay_secret *secret, const struct ntm_relay_bind *bind,
			   const union ntm_addr *from, uint32_t moves)
{
	uint8_t cookie[16];
	bool good;

	cookie_of(secret->key, bind, from, moves, cookie);
	good = !sodium_memcmp(cookie, bind->cookie, sizeof(cookie));
	cookie_of(secret->old, bind, from, moves, cookie);
	return good | !sodium_memcmp(cookie, bind->cookie, sizeof(cookie));
}

/* Addresses as in a cookie; zeros: none */

static void put_addr(uint8_t out[ADDR_LEN], const union ntm_addr *addr)
{
	if (addr->sa.sa_family)
		ntm_addr_map(addr, out);
}

static void get_addr(union ntm_addr *addr, const uint8_t in[ADDR_LEN])
{
	static const uint8_t zeros[ADDR_LEN], mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(addr, 0, sizeof(*addr));
	if (!memcmp(in, zeros, sizeof(zeros)))
		return;
	if (!memcmp(in, mapped, sizeof(mapped))) {
		addr->v4.sin_family = AF_INET;
		memcpy(&addr->v4.sin_addr, in + 12, 4);
		memcpy(&addr->v4.sin_port, in + 16, 2);
	} else {
		addr->v6.sin6_family = AF_INET6;
		memcpy(&addr->v6.sin6_addr, in, 16);
		memcpy(&addr->v6.sin6_port, in + 16, 2);
	}
}

/* Bind and Bound */

void ntm_relay_end_key(uint8_t key[NTM_RELAY_KEY], const uint8_t path_psk[32],
		       const uint8_t rs_public[32], uint8_t role)
{
	static const char label[] = "ntm relay";
	crypto_generichash_state state;

	crypto_generichash_init(&state, path_psk, 32, NTM_RELAY_KEY);
	crypto_generichash_update(&state, (const uint8_t *)label, sizeof(label) - 1);
	crypto_generichash_update(&state, rs_public, 32);
	crypto_generichash_update(&state, &role, 1);
	crypto_generichash_final(&state, key, NTM_RELAY_KEY);
	sodium_memzero(&state, sizeof(state));
}

static void mac_of(const uint8_t *packet, const uint8_t key[NTM_RELAY_KEY], uint8_t mac[MAC_LEN])
{
	crypto_generichash(mac, MAC_LEN, packet, MAC_AT, key, NTM_RELAY_KEY);
}

static void put(uint8_t *out, uint8_t type, const struct ntm_relay_bind *bind,
		const uint8_t key[NTM_RELAY_KEY])
{
	memset(out, 0, NTM_RELAY_BIND_LEN);
	out[0] = type;
	out[1] = NTM_PROTOCOL_VERSION;
	ntm_put32(out + 4, bind->path_id);
	out[8] = bind->role;
	out[9] = bind->status;
	ntm_put16(out + 10, bind->lifetime);
	memcpy(out + 16, bind->cookie, sizeof(bind->cookie));
	memcpy(out + 32, bind->nonce, sizeof(bind->nonce));
	put_addr(out + 48, &bind->observed);
	mac_of(out, key, out + MAC_AT);
}

void ntm_relay_put_bind(uint8_t out[NTM_RELAY_BIND_LEN], const struct ntm_relay_bind *bind,
			const uint8_t key[NTM_RELAY_KEY])
{
	put(out, NTM_PKT_RELAY_BIND, bind, key);
}

void ntm_relay_put_bound(uint8_t out[NTM_RELAY_BIND_LEN], const struct ntm_relay_bind *bind,
			 const uint8_t key[NTM_RELAY_KEY])
{
	put(out, NTM_PKT_RELAY_BOUND, bind, key);
}

bool ntm_relay_get(struct ntm_relay_bind *bind, const uint8_t *packet, size_t len)
{
	if (len != NTM_RELAY_BIND_LEN)
		return false;
	bind->path_id = ntm_get32(packet + 4);
	bind->role = packet[8];
	bind->status = packet[9];
	bind->lifetime = ntm_get16(packet + 10);
	memcpy(bind->cookie, packet + 16, sizeof(bind->cookie));
	memcpy(bind->nonce, packet + 32, sizeof(bind->nonce));
	get_addr(&bind->observed, packet + 48);
	return bind->path_id &&
	       (bind->role == NTM_ROLE_INITIATOR || bind->role == NTM_ROLE_RESPONDER) &&
	       !packet[12] && !packet[13] && !packet[14] && !packet[15] && !packet[66] &&
	       !packet[67];
}

bool ntm_relay_authentic(const uint8_t packet[NTM_RELAY_BIND_LEN], const uint8_t key[NTM_RELAY_KEY])
{
	uint8_t mac[MAC_LEN];

	mac_of(packet, key, mac);
	return !sodium_memcmp(mac, packet + MAC_AT, sizeof(mac));
}

/* Probes */

static void probe_mac(const uint8_t *packet, const uint8_t rs_public[32], uint8_t mac[MAC_LEN])
{
	static const char label[] = "ntm probe";
	crypto_generichash_state state;
	uint8_t key[32];

	crypto_generichash_init(&state, NULL, 0, sizeof(key));
	crypto_generichash_update(&state, (const uint8_t *)label, sizeof(label) - 1);
	crypto_generichash_update(&state, rs_public, 32);
	crypto_generichash_final(&state, key, sizeof(key));
	crypto_generichash(mac, MAC_LEN, packet, PROBE_MAC_AT, key, sizeof(key));
}

void ntm_relay_put_probe(uint8_t out[NTM_RELAY_PROBE_LEN], const struct ntm_relay_probe *probe,
			 bool response, const uint8_t rs_public[32])
{
	memset(out, 0, NTM_RELAY_PROBE_LEN);
	out[0] = response ? NTM_PKT_RELAY_PROBE_RESPONSE : NTM_PKT_RELAY_PROBE;
	out[1] = NTM_PROTOCOL_VERSION;
	memcpy(out + 4, probe->nonce, sizeof(probe->nonce));
	put_addr(out + 20, &probe->observed);
	out[38] = probe->other_port;
	ntm_put16(out + 40, probe->to_port);
	probe_mac(out, rs_public, out + PROBE_MAC_AT);
}

bool ntm_relay_get_probe(struct ntm_relay_probe *probe, const uint8_t *packet, size_t len,
			 const uint8_t rs_public[32])
{
	static const uint8_t zeros[6];
	uint8_t mac[MAC_LEN];

	if (len < NTM_RELAY_PROBE_LEN || packet[38] > 1 || packet[39] ||
	    memcmp(packet + 42, zeros, sizeof(zeros)) != 0)
		return false;
	if (len > NTM_RELAY_PROBE_LEN &&
	    (packet[0] != NTM_PKT_RELAY_PROBE || len > NTM_RELAY_PROBE_MAX))
		return false;
	memcpy(probe->nonce, packet + 4, sizeof(probe->nonce));
	get_addr(&probe->observed, packet + 20);
	probe->other_port = packet[38];
	probe->to_port = ntm_get16(packet + 40);
	probe_mac(packet, rs_public, mac);
	return !sodium_memcmp(mac, packet + PROBE_MAC_AT, sizeof(mac));
}

/* Relayed signalling */

/* Only what nodes say to each other: a relayed packet inside another would be a way to make the RS work for nothing */
static bool may_be_relayed(uint8_t type)
{
	return type == NTM_PKT_TUNNEL_REQUEST || type == NTM_PKT_TUNNEL_RESPONSE ||
	       type == NTM_PKT_COOKIE_REPLY || type == NTM_PKT_SEALED;
}

void ntm_relay_front(uint32_t path_id, uint8_t out[NTM_RELAY_HDR_LEN])
{
	memset(out, 0, NTM_RELAY_HDR_LEN);
	out[0] = NTM_PKT_RELAYED;
	out[1] = NTM_PROTOCOL_VERSION;
	ntm_put32(out + 4, path_id);
}

size_t ntm_relay_wrap(uint32_t path_id, const uint8_t *packet, size_t len, uint8_t *out,
		      size_t size)
{
	if (len + NTM_RELAY_HDR_LEN > size)
		return 0;
	ntm_relay_front(path_id, out);
	memcpy(out + NTM_RELAY_HDR_LEN, packet, len);
	return len + NTM_RELAY_HDR_LEN;
}

const uint8_t *ntm_relay_unwrap(const uint8_t *packet, size_t *len, uint32_t *path_id)
{
	if (*len < NTM_RELAY_HDR_LEN + 4 || !may_be_relayed(packet[NTM_RELAY_HDR_LEN]))
		return NULL;
	*path_id = ntm_get32(packet + 4);
	*len -= NTM_RELAY_HDR_LEN;
	return packet + NTM_RELAY_HDR_LEN;
}
