// SPDX-License-Identifier: GPL-2.0
// with: ntmd/dc/records.c
#include <arpa/inet.h>

#include "ntm_test.h"

#include "common/keyfile.h"
#include "dc/records.h"

/* A TXT record of one string, or two */
static struct ntm_rdata txt(uint8_t *room, const char *a, const char *b)
{
	size_t len = 0;

	for (const char *s = a; s; s = s == a ? b : NULL) {
		room[len++] = (uint8_t)strlen(s);
		memcpy(room + len, s, strlen(s));
		len += strlen(s);
	}
	return (struct ntm_rdata){ room, len };
}

static const char key_text[] = "v=ntm1 k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

static void a_key_is_found_among_other_records(void **state)
{
	uint8_t room[4][300], key[32] = { 0 };
	struct ntm_rdata r[4] = { txt(room[0], "v=spf1 -all", NULL), txt(room[1], key_text, NULL),
				  txt(room[2], "", NULL), txt(room[3], "v=ntm2 k=x", NULL) };

	(void)state;
	assert_null(ntm_records_txt(r, 4, key));
	for (int i = 0; i < 32; i++)
		assert_int_equal(key[i], i);
	/* In two strings, and with words that a later version may have */
	r[0] = txt(room[0], "v=ntm1 x=1 k=AAECAwQFBgcICQoL", "DA0ODxAREhMUFRYXGBkaGxwdHh8 y");
	assert_null(ntm_records_txt(r, 1, key));
	assert_int_equal(key[31], 31);
	r[1] = txt(room[1], key_text, NULL);
	assert_null(ntm_records_txt(r, 2, key)); /* twice the same */
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const bad[] = { "v=ntm1", "v=ntm1 k=", "v=ntm1 k=abc", "v=ntm1 key=x",
					   "v=ntm1 k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" };
	uint8_t room[2][300], many[2 * NTM_RECORDS_MAX][2] = { 0 }, key[32];
	struct ntm_rdata r[2 * NTM_RECORDS_MAX] = { { room[0], 0 } };

	(void)state;
	assert_non_null(ntm_records_txt(r, 0, key));
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r[0] = txt(room[0], bad[i], NULL);
		assert_non_null(ntm_records_txt(r, 1, key));
	}
	/* Two that do not agree: neither counts */
	r[0] = txt(room[0], key_text, NULL);
	r[1] = txt(room[1], "v=ntm1 k=BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", NULL);
	assert_non_null(ntm_records_txt(r, 2, key));
	/* Malformed ones are none */
	room[0][0] = 200; /* longer than the record */
	assert_non_null(ntm_records_txt(r, 1, key));
	r[0] = (struct ntm_rdata){ room[0], 0 };
	assert_non_null(ntm_records_txt(r, 1, key));
	r[0] = txt(room[0], key_text, NULL);
	room[0][3] = '\0';
	assert_non_null(ntm_records_txt(r, 1, key));
	for (unsigned int i = 0; i < NTM_RECORDS_MAX + 1; i++)
		r[i] = (struct ntm_rdata){ many[i], 2 };
	assert_non_null(ntm_records_txt(r, NTM_RECORDS_MAX + 1, key));
}

static struct ntm_rdata srv(uint8_t *room, uint8_t priority, uint8_t weight, uint16_t port,
			    const char *name)
{
	size_t len = 6;

	memcpy(room, (uint8_t[]){ 0, priority, 0, weight, port >> 8, port & 0xff }, 6);
	while (*name) {
		size_t label = strcspn(name, ".");

		room[len++] = (uint8_t)label;
		memcpy(room + len, name, label);
		len += label;
		name += label + (name[label] == '.');
	}
	room[len++] = 0;
	return (struct ntm_rdata){ room, len };
}

static void targets_are_in_order(void **state)
{
	uint8_t room[8][300];
	struct ntm_srv out[NTM_SRV_MAX];
	struct ntm_rdata r[8] = {
		srv(room[0], 20, 0, 4330, "later.example"),
		srv(room[1], 10, 1, 4331, "second.example"),
		srv(room[2], 10, 9, 4332, "First.Example"),
		srv(room[3], 10, 0, 0, "noport.example"),
		srv(room[4], 0, 0, 4330, ""), /* "not here" */
		srv(room[5], 0, 0, 4330, "under_score.example"),
		srv(room[6], 30, 0, 4330, "d.example"),
		srv(room[7], 40, 0, 4330, "e.example"),
	};

	(void)state;
	assert_int_equal(ntm_records_srv(r, 8, out), 4);
	assert_string_equal(out[0].target, "first.example");
	assert_int_equal(out[0].port, 4332);
	assert_string_equal(out[1].target, "second.example");
	assert_string_equal(out[2].target, "later.example");
	assert_string_equal(out[3].target, "d.example");
	for (size_t len = 0; len < r[0].len; len++) {
		struct ntm_rdata cut = { r[0].data, len };

		assert_int_equal(ntm_records_srv(&cut, 1, out), 0);
	}
	room[0][6] = 0xc0; /* a pointer, which RDATA that was unpacked does not have */
	assert_int_equal(ntm_records_srv(r, 1, out), 0);
}

static void addresses_are_taken_as_far_as_there_is_room(void **state)
{
	struct ntm_found found = { .addr_count = 0 };
	uint8_t v4[12][4], v6[16];
	struct ntm_rdata r[12], six = { v6, sizeof(v6) };
	char text[NTM_ADDR_STR];

	(void)state;
	for (int i = 0; i < 12; i++) {
		memcpy(v4[i], (uint8_t[]){ 192, 0, 2, i < 2 ? 1 : i }, 4);
		r[i] = (struct ntm_rdata){ v4[i], 4 };
	}
	inet_pton(AF_INET6, "2001:db8::1", v6);
	ntm_records_addresses(&found, AF_INET6, &six, 1, 4330);
	ntm_records_addresses(&found, AF_INET, r, 2, 4330);
	assert_int_equal(found.addr_count, 2); /* one of them twice */
	assert_string_equal(ntm_addr_str(&found.addrs[0], text), "[2001:db8::1]:4330");
	assert_string_equal(ntm_addr_str(&found.addrs[1], text), "192.0.2.1:4330");
	ntm_records_addresses(&found, AF_INET, r, 12, 4330);
	assert_int_equal(found.addr_count, NTM_JOIN_ADDRS);

	found.addr_count = 0;
	r[0].len = 3;
	inet_pton(AF_INET, "224.0.0.1", v4[1]);
	inet_pton(AF_INET, "0.0.0.0", v4[2]);
	inet_pton(AF_INET6, "::ffff:192.0.2.1", v6);
	ntm_records_addresses(&found, AF_INET, r, 3, 4330);
	ntm_records_addresses(&found, AF_INET6, &six, 1, 4330);
	ntm_records_addresses(&found, AF_INET, &six, 1, 4330);
	assert_int_equal(found.addr_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_found_among_other_records),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(targets_are_in_order),
		cmocka_unit_test(addresses_are_taken_as_far_as_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
