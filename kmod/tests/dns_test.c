// SPDX-License-Identifier: GPL-2.0
/* Zones and questions; at the end of dns.c, since all of it is static there. */
#include <kunit/test.h>

static void ntm_dns_test_zone(struct kunit *test)
{
	static const char *const bad[] = { ".", "a.", ".a", "a..b", "A", "a b", "a\xc3", "a/b" };
	char label[NTM_DNS_LABEL_MAX + 2];
	struct ntm_zone *zone;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_TRUE_MSG(test, IS_ERR(ntm_zone_new(bad[i], NULL)), "%s", bad[i]);
	KUNIT_EXPECT_NULL(test, ntm_zone_new("", NULL));

	zone = ntm_zone_new("a.example-1.net", NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(zone));
	KUNIT_EXPECT_EQ(test, zone->len, 17);
	KUNIT_EXPECT_EQ(test, memcmp(zone->wire, "\1a\11example-1\3net", 17), 0);
	ntm_zone_free(zone);

	memset(label, 'x', sizeof(label));
	label[NTM_DNS_LABEL_MAX + 1] = 0;
	KUNIT_EXPECT_TRUE(test, IS_ERR(ntm_zone_new(label, NULL)));
	label[NTM_DNS_LABEL_MAX] = 0;
	zone = ntm_zone_new(label, NULL);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(zone));
	ntm_zone_free(zone);
}

/* A query of @len bytes in memory that ends with it, so that KASAN sees a byte too many. */
static bool ntm_dns_test_ask(struct kunit *test, const struct ntm_zone *zone,
			     const void *msg, size_t len)
{
	u8 *copy = kmemdup(msg, len, GFP_KERNEL);
	bool in;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	in = ntm_dns_in_zone(zone, copy, len);
	kfree(copy);
	return in;
}

#define HEAD "\x12\x34\1\0\0\1\0\0\0\0\0\0"
#define TAIL "\0\0\1\0\1"
#define ASK(name) ntm_dns_test_ask(test, zone, HEAD name TAIL, sizeof(HEAD name TAIL) - 1)

static void ntm_dns_test_question(struct kunit *test)
{
	struct ntm_zone *zone = ntm_zone_new("example.net", NULL);
	static const u8 whole[] = HEAD "\3bob\7example\3net" TAIL;
	u8 msg[sizeof(whole) - 1];
	size_t len;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(zone));
	KUNIT_EXPECT_TRUE(test, ASK("\3bob\7example\3net"));
	KUNIT_EXPECT_TRUE(test, ASK("\3bOb\7eXample\3NET"));
	KUNIT_EXPECT_TRUE(test, ASK("\7example\3net"));
	KUNIT_EXPECT_TRUE(test, ASK("\1a\1b\1c\7example\3net"));
	KUNIT_EXPECT_FALSE(test, ASK("\12notexample\3net"));
	KUNIT_EXPECT_FALSE(test, ASK("\3net"));
	KUNIT_EXPECT_FALSE(test, ASK(""));
	KUNIT_EXPECT_FALSE(test, ASK("\3bob\7example\3org"));
	/* The zone's labels inside one label. */
	KUNIT_EXPECT_FALSE(test, ASK("\14" "\7example\3net"));
	KUNIT_EXPECT_FALSE(test, ASK("\3bob\xc0\x0c"));

	for (len = 0; len < sizeof(msg); len++)
		KUNIT_EXPECT_FALSE(test, ntm_dns_test_ask(test, zone, whole, len));
	memcpy(msg, whole, sizeof(msg));
	msg[2] = 0x81;		/* an answer */
	KUNIT_EXPECT_FALSE(test, ntm_dns_test_ask(test, zone, msg, sizeof(msg)));
	msg[2] = 0x29;		/* opcode UPDATE */
	KUNIT_EXPECT_FALSE(test, ntm_dns_test_ask(test, zone, msg, sizeof(msg)));
	msg[2] = 1;
	msg[5] = 2;		/* two questions */
	KUNIT_EXPECT_FALSE(test, ntm_dns_test_ask(test, zone, msg, sizeof(msg)));
	ntm_zone_free(zone);
}

/* Anything at all: nothing is read that is not there. */
static void ntm_dns_test_garbage(struct kunit *test)
{
	struct ntm_zone *zone = ntm_zone_new("b", NULL);
	u8 msg[NTM_DNS_QUESTION_MAX];
	int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(zone));
	for (i = 0; i < 50000; i++) {
		size_t len = get_random_u32_below(sizeof(msg)) + 1, j;

		get_random_bytes(msg, len);
		memcpy(msg, HEAD, min_t(size_t, len, NTM_DNS_HDR_LEN));
		/* Mostly short labels, so that names go on for long. */
		for (j = NTM_DNS_HDR_LEN; j < len; j++)
			msg[j] %= 1 + i % 70;
		ntm_dns_test_ask(test, zone, msg, len);
	}
	ntm_zone_free(zone);
}

static struct kunit_case ntm_dns_cases[] = {
	KUNIT_CASE(ntm_dns_test_zone),
	KUNIT_CASE(ntm_dns_test_question),
	KUNIT_CASE(ntm_dns_test_garbage),
	{}
};

static struct kunit_suite ntm_dns_suite = {
	.name = "ntmobile-dns",
	.test_cases = ntm_dns_cases,
};

kunit_test_suite(ntm_dns_suite);
