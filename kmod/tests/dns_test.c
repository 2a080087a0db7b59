// SPDX-License-Identifier: GPL-2.0
/* Zones and questions; at the end of dns.c, since all of it is static there. */
#include <kunit/test.h>

static struct ntm_zones *ntm_dns_test_zones(struct kunit *test, const char *a, const char *b)
{
	struct ntm_zones *zones = ntm_zones_new(NTM_ZONE_COUNT);

	KUNIT_ASSERT_NOT_NULL(test, zones);
	KUNIT_ASSERT_EQ(test, ntm_zones_add(zones, a, NULL), 0);
	KUNIT_ASSERT_EQ(test, ntm_zones_add(zones, b, NULL), 0);
	return zones;
}

static void ntm_dns_test_zone(struct kunit *test)
{
	static const char *const bad[] = { ".", "a.", ".a", "a..b", "A", "a b", "a\xc3", "a/b" };
	struct ntm_zones *zones = ntm_dns_test_zones(test, "", "a.example-1.net");
	char label[NTM_DNS_LABEL_MAX + 2], name[NTM_ZONE_MAX + 1];
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, ntm_zones_add(zones, bad[i], NULL), -EINVAL, "%s", bad[i]);
	KUNIT_EXPECT_TRUE(test, ntm_zones_name(zones, 0, name));
	KUNIT_EXPECT_STREQ(test, name, "a.example-1.net");
	KUNIT_EXPECT_TRUE(test, ntm_zones_match(zones, "\1a\11example-1\3net", 17));
	KUNIT_EXPECT_FALSE(test, ntm_zones_name(zones, 1, name));
	KUNIT_EXPECT_STREQ(test, name, "");
	KUNIT_EXPECT_FALSE(test, ntm_zones_name(NULL, 0, name));

	memset(label, 'x', sizeof(label));
	label[NTM_DNS_LABEL_MAX + 1] = 0;
	KUNIT_EXPECT_EQ(test, ntm_zones_add(zones, label, NULL), -EINVAL);
	label[NTM_DNS_LABEL_MAX] = 0;
	KUNIT_EXPECT_EQ(test, ntm_zones_add(zones, label, NULL), 0);
	KUNIT_EXPECT_TRUE(test, ntm_zones_name(zones, 1, name));
	KUNIT_EXPECT_STREQ(test, name, label);

	for (i = 2; i < NTM_ZONE_COUNT; i++)
		KUNIT_EXPECT_EQ(test, ntm_zones_add(zones, "b", NULL), 0);
	KUNIT_EXPECT_EQ(test, ntm_zones_add(zones, "b", NULL), -EINVAL);
	ntm_zones_free(zones);
	ntm_zones_free(NULL);
}

/* A query of @len bytes in memory that ends with it, so that KASAN sees a byte too many. */
static bool ntm_dns_test_ask(struct kunit *test, const struct ntm_zones *zone,
			     const void *msg, size_t len)
{
	u8 *copy = kmemdup(msg, len, GFP_KERNEL);
	bool in;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	in = ntm_dns_in_zones(zone, copy, len);
	kfree(copy);
	return in;
}

#define HEAD "\x12\x34\1\0\0\1\0\0\0\0\0\0"
#define TAIL "\0\0\1\0\1"
#define ASK(name) ntm_dns_test_ask(test, zone, HEAD name TAIL, sizeof(HEAD name TAIL) - 1)

static void ntm_dns_test_question(struct kunit *test)
{
	struct ntm_zones *zone = ntm_dns_test_zones(test, "example.net", "other.example.org");
	static const u8 whole[] = HEAD "\3bob\7example\3net" TAIL;
	u8 msg[sizeof(whole) - 1];
	size_t len;

	KUNIT_EXPECT_TRUE(test, ASK("\3bob\7example\3net"));
	KUNIT_EXPECT_TRUE(test, ASK("\3bOb\7eXample\3NET"));
	KUNIT_EXPECT_TRUE(test, ASK("\7example\3net"));
	KUNIT_EXPECT_TRUE(test, ASK("\1a\1b\1c\7example\3net"));
	KUNIT_EXPECT_FALSE(test, ASK("\12notexample\3net"));
	KUNIT_EXPECT_FALSE(test, ASK("\3net"));
	KUNIT_EXPECT_FALSE(test, ASK(""));
	KUNIT_EXPECT_FALSE(test, ASK("\3bob\7example\3org"));
	/* Another zone, and one that is as long as the first */
	KUNIT_EXPECT_TRUE(test, ASK("\5other\7example\3org"));
	KUNIT_EXPECT_TRUE(test, ASK("\3BOB\5Other\7example\3org"));
	KUNIT_EXPECT_FALSE(test, ASK("\5otter\7example\3org"));
	KUNIT_EXPECT_FALSE(test, ASK("\7example\3org"));
	/* The zone's labels inside one label. */
	KUNIT_EXPECT_FALSE(test, ASK("\14\7example\3net"));
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
	ntm_zones_free(zone);
	KUNIT_EXPECT_FALSE(test, ntm_dns_test_ask(test, NULL, whole, sizeof(whole) - 1));
}

/* Zones one inside the other, and sixteen of them */
static void ntm_dns_test_many(struct kunit *test)
{
	struct ntm_zones *zone = ntm_dns_test_zones(test, "b.example.net", "net");
	char name[] = "zone-a.example.org";
	int i;

	for (i = 2; i < NTM_ZONE_COUNT; i++, name[5]++)
		KUNIT_EXPECT_EQ(test, ntm_zones_add(zone, name, NULL), 0);
	KUNIT_EXPECT_TRUE(test, ASK("\1a\1b\7example\3net"));
	KUNIT_EXPECT_TRUE(test, ASK("\1a\1c\7example\3net"));
	KUNIT_EXPECT_TRUE(test, ASK("\3net"));
	KUNIT_EXPECT_TRUE(test, ASK("\6zone-a\7example\3org"));
	KUNIT_EXPECT_TRUE(test, ASK("\1x\6zone-n\7example\3org"));
	KUNIT_EXPECT_FALSE(test, ASK("\1x\6zone-o\7example\3org"));
	KUNIT_EXPECT_FALSE(test, ASK("\3org"));
	ntm_zones_free(zone);
}

/* Anything at all: nothing is read that is not there. */
static void ntm_dns_test_garbage(struct kunit *test)
{
	struct ntm_zones *zone = ntm_dns_test_zones(test, "b", "c.d");
	u8 msg[NTM_DNS_QUESTION_MAX];
	int i;

	for (i = 0; i < 50000; i++) {
		size_t len = get_random_u32_below(sizeof(msg)) + 1, j;

		get_random_bytes(msg, len);
		memcpy(msg, HEAD, min_t(size_t, len, NTM_DNS_HDR_LEN));
		/* Mostly short labels, so that names go on for long. */
		for (j = NTM_DNS_HDR_LEN; j < len; j++)
			msg[j] %= 1 + i % 70;
		ntm_dns_test_ask(test, zone, msg, len);
	}
	ntm_zones_free(zone);
}

static struct kunit_case ntm_dns_cases[] = {
	KUNIT_CASE(ntm_dns_test_zone),
	KUNIT_CASE(ntm_dns_test_question),
	KUNIT_CASE(ntm_dns_test_many),
	KUNIT_CASE(ntm_dns_test_garbage),
	{}
};

static struct kunit_suite ntm_dns_suite = {
	.name = "ntmobile-dns",
	.test_cases = ntm_dns_cases,
};

kunit_test_suite(ntm_dns_suite);
