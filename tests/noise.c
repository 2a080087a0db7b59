// SPDX-License-Identifier: GPL-2.0
/*
 * noise FILE.json...: runs Noise test vectors against ntmd/common/noise.c, each
 * once as initiator and once as responder, transport messages and handshake
 * hash too. A line for each run; exit status 0 only if all passed and there was
 * one, 1 if not, 2 if a file cannot be understood.
 *
 * Form: {"vectors": [{"protocol_name", "init_prologue", "init_static",
 * "init_ephemeral", "init_remote_static", "init_psks": [...], the same for
 * "resp_", "handshake_hash", "messages": [{"payload", "ciphertext"}]}]},
 * everything in hexadecimal. Messages alternate, the initiator's first.
 */
#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/noise.h"

#define MESSAGE_MAX 65535
#define MESSAGES_MAX 1024

struct bytes {
	uint8_t *data;
	size_t len;
};

struct message {
	struct bytes payload;
	struct bytes ciphertext;
};

struct vector {
	const char *name;
	enum ntm_noise_pattern pattern;
	struct bytes init_prologue, resp_prologue;
	uint8_t init_static[32], init_ephemeral[32], init_remote_static[32], init_psk[32];
	uint8_t resp_static[32], resp_ephemeral[32], resp_psk[32];
	bool has_hash;
	struct bytes hash;
	struct message *messages;
	size_t count;
};

/* A failure to understand the file; the text says what. */
static char malformed[256];

#define MALFORMED(...) (snprintf(malformed, sizeof(malformed), __VA_ARGS__), false)

/* --- reading */

static bool get_bytes(const json_t *object, const char *key, struct bytes *out)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	size_t used, len = json_string_length(value);
	uint8_t *data;

	if (!text)
		return MALFORMED("%s: missing, or no string", key);
	if (len % 2 || len / 2 > MESSAGE_MAX)
		return MALFORMED("%s: no bytes in hexadecimal", key);
	data = malloc(len / 2 + 1);
	if (!data)
		return MALFORMED("out of memory");
	if (sodium_hex2bin(data, len / 2 + 1, text, len, NULL, &used, NULL) || used != len / 2) {
		free(data);
		return MALFORMED("%s: no bytes in hexadecimal", key);
	}
	out->data = data;
	out->len = used;
	return true;
}

static bool get_key(const json_t *object, const char *key, uint8_t out[32])
{
	struct bytes b = { NULL, 0 };
	bool ok = get_bytes(object, key, &b);

	if (ok && b.len != 32)
		ok = MALFORMED("%s: not 32 bytes", key);
	if (ok)
		memcpy(out, b.data, 32);
	free(b.data);
	return ok;
}

static bool get_prologue(const json_t *object, const char *key, struct bytes *out)
{
	return !json_object_get(object, key) || get_bytes(object, key, out);
}

/* The one psk of psk2; none where the pattern has none. */
static bool get_psk(const json_t *object, const char *key, enum ntm_noise_pattern pattern,
		    uint8_t out[32])
{
	const json_t *list = json_object_get(object, key);
	size_t expected = pattern == NTM_NOISE_IKPSK2 ? 1 : 0;
	struct bytes psk = { NULL, 0 };
	json_t *one;
	bool ok;

	if ((list && !json_is_array(list)) || json_array_size(list) != expected)
		return MALFORMED("%s: %zu psks needed", key, expected);
	if (!expected)
		return true;
	one = json_pack("{s:O}", key, json_array_get(list, 0));
	ok = get_bytes(one, key, &psk);
	json_decref(one);
	if (ok && psk.len != 32)
		ok = MALFORMED("%s: not 32 bytes", key);
	if (ok)
		memcpy(out, psk.data, 32);
	free(psk.data);
	return ok;
}

static bool get_messages(const json_t *object, struct vector *v)
{
	const json_t *list = json_object_get(object, "messages");
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n < 2 || n > MESSAGES_MAX)
		return MALFORMED("messages: not 2 to %d of them", MESSAGES_MAX);
	v->messages = calloc(n, sizeof(*v->messages));
	if (!v->messages)
		return MALFORMED("out of memory");
	for (v->count = 0; v->count < n; v->count++) {
		const json_t *m = json_array_get(list, v->count);
		struct message *out = &v->messages[v->count];

		if (!get_bytes(m, "payload", &out->payload) ||
		    !get_bytes(m, "ciphertext", &out->ciphertext)) {
			v->count++;
			return false;
		}
	}
	return true;
}

static bool get_vector(const json_t *object, struct vector *v)
{
	v->has_hash = json_object_get(object, "handshake_hash") != NULL;
	return get_prologue(object, "init_prologue", &v->init_prologue) &&
	       get_prologue(object, "resp_prologue", &v->resp_prologue) &&
	       get_key(object, "init_static", v->init_static) &&
	       get_key(object, "init_ephemeral", v->init_ephemeral) &&
	       get_key(object, "init_remote_static", v->init_remote_static) &&
	       get_key(object, "resp_static", v->resp_static) &&
	       get_key(object, "resp_ephemeral", v->resp_ephemeral) &&
	       get_psk(object, "init_psks", v->pattern, v->init_psk) &&
	       get_psk(object, "resp_psks", v->pattern, v->resp_psk) &&
	       (!v->has_hash || get_bytes(object, "handshake_hash", &v->hash)) &&
	       get_messages(object, v);
}

static void free_vector(struct vector *v)
{
	for (size_t i = 0; i < v->count; i++) {
		free(v->messages[i].payload.data);
		free(v->messages[i].ciphertext.data);
	}
	free(v->messages);
	free(v->init_prologue.data);
	free(v->resp_prologue.data);
	free(v->hash.data);
}

/* --- running: NULL, or what went wrong */

static bool same(const uint8_t *data, size_t len, const struct bytes *expected)
{
	return len == expected->len && (!len || !memcmp(data, expected->data, len));
}

static void begin(struct ntm_noise *n, const struct vector *v, bool initiator)
{
	const struct bytes *prologue = initiator ? &v->init_prologue : &v->resp_prologue;
	struct ntm_noise_keypair s;

	memcpy(s.secret, initiator ? v->init_static : v->resp_static, 32);
	ntm_noise_public(&s);
	ntm_noise_init(n, v->pattern, initiator, prologue->data, prologue->len, &s,
		       initiator ? v->init_remote_static : NULL,
		       initiator ? v->init_psk : v->resp_psk);
	ntm_noise_set_ephemeral(n, initiator ? v->init_ephemeral : v->resp_ephemeral);
}

static const char *write_step(struct ntm_noise *n, const struct message *m, bool first,
			      uint8_t *buf)
{
	int len = first ? ntm_noise_write1(n, m->payload.data, m->payload.len, buf) :
			  ntm_noise_write2(n, m->payload.data, m->payload.len, buf);

	if (len < 0)
		return "cannot be written";
	return same(buf, (size_t)len, &m->ciphertext) ? NULL : "other bytes written";
}

static const char *read_step(struct ntm_noise *n, const struct message *m, bool first, uint8_t *buf)
{
	int len = first ? ntm_noise_read1(n, m->ciphertext.data, m->ciphertext.len, buf) :
			  ntm_noise_read2(n, m->ciphertext.data, m->ciphertext.len, buf);

	if (len < 0)
		return "refused";
	return same(buf, (size_t)len, &m->payload) ? NULL : "other payload read";
}

static void put_nonce(uint8_t nonce[12], uint64_t n)
{
	memset(nonce, 0, 12);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n >> (8 * i));
}

static const char *transport(const struct message *m, const uint8_t key[32], uint64_t n, bool write,
			     uint8_t *buf)
{
	uint8_t nonce[12];
	unsigned long long len;

	put_nonce(nonce, n);
	if (write) {
		crypto_aead_chacha20poly1305_ietf_encrypt(
			buf, &len, m->payload.data, m->payload.len, NULL, 0, NULL, nonce, key);
		return same(buf, len, &m->ciphertext) ? NULL : "other bytes written";
	}
	if (crypto_aead_chacha20poly1305_ietf_decrypt(buf, &len, NULL, m->ciphertext.data,
						      m->ciphertext.len, NULL, 0, nonce, key))
		return "refused";
	return same(buf, len, &m->payload) ? NULL : "other payload read";
}

/* @at: the message at which it went wrong */
static const char *run(const struct vector *v, bool initiator, uint8_t *buf, size_t *at)
{
	struct ntm_noise n;
	uint8_t keys[2][32];
	const char *wrong;

	begin(&n, v, initiator);
	for (*at = 0; *at < 2; ++*at) {
		bool writes = (*at == 0) == initiator;

		wrong = (writes ? write_step : read_step)(&n, &v->messages[*at], *at == 0, buf);
		if (wrong)
			return wrong;
	}
	if (v->has_hash && !same(n.h, sizeof(n.h), &v->hash))
		return "other handshake hash";
	ntm_noise_split(&n, keys[0], keys[1]);
	for (; *at < v->count; ++*at) {
		size_t sender = *at % 2;

		wrong = transport(&v->messages[*at], keys[sender], (*at - 2) / 2,
				  (sender == 0) == initiator, buf);
		if (wrong)
			return wrong;
	}
	return NULL;
}

struct tally {
	unsigned int passed, failed;
};

static void run_both(const struct vector *v, const char *file, size_t index, struct tally *tally)
{
	/* Reading and writing add or take at most the fixed parts. */
	uint8_t *buf = malloc(MESSAGE_MAX + NTM_NOISE_MSG1);
	const char *wrong;
	size_t at;

	if (!buf)
		exit(2);
	for (int initiator = 1; initiator >= 0; initiator--) {
		const char *role = initiator ? "initiator" : "responder";

		wrong = run(v, initiator, buf, &at);
		if (wrong)
			printf("not ok - %s #%zu %s as %s: message %zu: %s\n", file, index, v->name,
			       role, at, wrong);
		else
			printf("ok - %s #%zu %s as %s\n", file, index, v->name, role);
		if (wrong)
			tally->failed++;
		else
			tally->passed++;
	}
	free(buf);
}

static bool pattern_of(const char *name, enum ntm_noise_pattern *out)
{
	if (!strcmp(name, "Noise_IK_25519_ChaChaPoly_BLAKE2b"))
		*out = NTM_NOISE_IK;
	else if (!strcmp(name, "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b"))
		*out = NTM_NOISE_IKPSK2;
	else
		return false;
	return true;
}

/* false: malformed */
static bool run_vector(const json_t *object, const char *file, size_t index, struct tally *tally)
{
	struct vector v = { .name = json_string_value(json_object_get(object, "protocol_name")) };
	bool ok;

	if (!v.name)
		return MALFORMED("vector #%zu: no protocol_name", index);
	if (!pattern_of(v.name, &v.pattern)) {
		printf("not ok - %s #%zu %s: protocol not supported\n", file, index, v.name);
		tally->failed++;
		return true;
	}
	ok = get_vector(object, &v);
	if (ok)
		run_both(&v, file, index, tally);
	free_vector(&v);
	return ok;
}

static bool run_file(const char *file, struct tally *tally)
{
	json_error_t error;
	json_t *root = json_load_file(file, 0, &error);
	json_t *list = json_object_get(root, "vectors");
	bool ok = true;

	if (!root)
		ok = MALFORMED("line %d: %s", error.line, error.text);
	else if (!json_is_array(list))
		ok = MALFORMED("no array \"vectors\"");
	for (size_t i = 0; ok && i < json_array_size(list); i++)
		ok = run_vector(json_array_get(list, i), file, i, tally);
	json_decref(root);
	if (!ok)
		fprintf(stderr, "noise: %s: %s\n", file, malformed);
	return ok;
}

int main(int argc, char **argv)
{
	struct tally tally = { 0, 0 };
	bool understood = true;

	if (argc < 2) {
		fprintf(stderr, "usage: noise FILE.json...\n");
		return 2;
	}
	if (sodium_init() < 0)
		return 2;
	for (int i = 1; i < argc; i++)
		understood = run_file(argv[i], &tally) && understood;
	printf("%u passed, %u failed\n", tally.passed, tally.failed);
	if (!understood)
		return 2;
	return tally.failed || !tally.passed ? 1 : 0;
}
