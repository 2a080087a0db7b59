// SPDX-License-Identifier: GPL-2.0
/* Merging: payload stays what it was, and packets are charged for the memory they hold. Read by merge.c. */
#include <kunit/test.h>
#include <linux/etherdevice.h>

/*
 * struct ntm_merge_test - segments and what becomes of them
 * @m:		a merge in work
 * @dev:	never registered
 * @in:		payload of all segments, one behind the other
 * @seq:	bytes of it so far
 */
struct ntm_merge_test {
	struct ntm_merge m;
	struct net_device *dev;
	u8 in[65536];
	unsigned int seq;
};

static int ntm_merge_test_init(struct kunit *test)
{
	struct ntm_merge_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->dev = alloc_netdev(0, "ntmtest%d", NET_NAME_UNKNOWN, ether_setup);
	KUNIT_ASSERT_NOT_NULL(test, t->dev);
	get_random_bytes(t->in, sizeof(t->in));
	ntm_pack_get();
	test->priv = t;
	return 0;
}

static void ntm_merge_test_exit(struct kunit *test)
{
	struct ntm_merge_test *t = test->priv;

	__skb_queue_purge(&t->m.done);
	free_netdev(t->dev);
	ntm_pack_put();
}

static void ntm_test_begin(struct ntm_merge_test *t, unsigned int want)
{
	t->seq = 0;
	local_bh_disable();
	ntm_merge_begin(&t->m, t->dev, true, want);
}

static void ntm_test_end(struct ntm_merge_test *t)
{
	ntm_merge_end(&t->m);
	local_bh_enable();
}

/* The next @payload bytes, in a packet of flow @port. */
static void ntm_test_segment(struct kunit *test, u8 proto, u16 port, unsigned int payload)
{
	unsigned int l4 = proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	unsigned int len = sizeof(struct iphdr) + l4 + payload;
	struct ntm_merge_test *t = test->priv;
	struct iphdr *iph = (struct iphdr *)ntm_merge_room(&t->m, len);
	struct tcphdr *th = (struct tcphdr *)(iph + 1);

	KUNIT_ASSERT_NOT_NULL(test, iph);
	memset(iph, 0, sizeof(*iph) + l4);
	iph->version = 4;
	iph->ihl = 5;
	iph->tot_len = htons(len);
	iph->frag_off = htons(IP_DF);
	iph->ttl = 64;
	iph->protocol = proto;
	iph->saddr = htonl(0x0a090001);
	iph->daddr = htonl(0x0a090002);
	ip_send_check(iph);
	memcpy((u8 *)th + l4, t->in + t->seq, payload);
	th->source = htons(port);
	if (proto == IPPROTO_TCP) {
		th->seq = htonl(t->seq);
		th->doff = sizeof(*th) / 4;
		th->ack = 1;
		th->check = csum_tcpudp_magic(iph->saddr, iph->daddr, l4 + payload, proto,
					      csum_partial(th, l4 + payload, 0));
	}
	t->seq += payload;
	KUNIT_EXPECT_TRUE(test, ntm_merge_add(&t->m, len));
}

/* Bytes of memory that cannot be used by others while @skb waits. */
static unsigned int ntm_test_held(const struct sk_buff *skb)
{
	unsigned int held = skb_end_offset(skb);
	struct page *last = NULL;
	int i;

	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		struct page *page = compound_head(skb_frag_page(&skb_shinfo(skb)->frags[i]));

		if (page != last)
			held += page_size(page);
		last = page;
	}
	return held;
}

/* Takes the next packet: @segs segments, and the payload that began at @at. */
static void ntm_test_packet(struct kunit *test, unsigned int segs, unsigned int hdr_len,
			    unsigned int at, unsigned int payload)
{
	struct ntm_merge_test *t = test->priv;
	struct sk_buff *skb = __skb_dequeue(&t->m.done);
	u8 *got = kunit_kzalloc(test, payload, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_NOT_NULL(test, got);
	KUNIT_EXPECT_EQ(test, max_t(unsigned int, skb_shinfo(skb)->gso_segs, 1), segs);
	KUNIT_EXPECT_EQ(test, skb->len, hdr_len + payload);
	KUNIT_EXPECT_EQ(test, skb_copy_bits(skb, hdr_len, got, payload), 0);
	KUNIT_EXPECT_MEMEQ(test, got, t->in + at, payload);
	KUNIT_EXPECT_GE(test, skb->truesize, ntm_test_held(skb));
	KUNIT_EXPECT_LE(test, skb->truesize, 5 * skb->len + 2 * SKB_TRUESIZE(256));
	kfree_skb(skb);
}

#define NTM_TEST_TCP	(sizeof(struct iphdr) + sizeof(struct tcphdr))
#define NTM_TEST_UDP	(sizeof(struct iphdr) + sizeof(struct udphdr))

static void ntm_merge_one_flow(struct kunit *test)
{
	struct ntm_merge_test *t = test->priv;
	int i;

	ntm_test_begin(t, 45 * 1448);
	for (i = 0; i < 45; i++)
		ntm_test_segment(test, IPPROTO_TCP, 1000, 1400);
	ntm_test_end(t);
	ntm_test_packet(test, 45, NTM_TEST_TCP, 0, 45 * 1400);
	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&t->m.done));
}

/* Datagrams are not merged: each waits alone. */
static void ntm_merge_datagrams(struct kunit *test)
{
	static const unsigned int sizes[] = { 1400, 500, 257, 100 };
	struct ntm_merge_test *t = test->priv;
	int i, s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		ntm_test_begin(t, 45 * 1448);
		for (i = 0; i < 45; i++)
			ntm_test_segment(test, IPPROTO_UDP, 1000, sizes[s]);
		ntm_test_end(t);
		for (i = 0; i < 45; i++)
			ntm_test_packet(test, 1, NTM_TEST_UDP, i * sizes[s], sizes[s]);
		KUNIT_EXPECT_TRUE(test, skb_queue_empty(&t->m.done));
	}
}

/* Segments of two flows by turns, in runs of @run. */
static void ntm_test_two_flows(struct kunit *test, int run)
{
	struct ntm_merge_test *t = test->priv;
	int i, at;

	ntm_test_begin(t, 40 * 1448);
	for (i = 0; i < 40; i++)
		ntm_test_segment(test, IPPROTO_TCP, 1000 + i / run % 2, 1400);
	ntm_test_end(t);
	for (at = 0; at < 40; at += run)
		ntm_test_packet(test, run, NTM_TEST_TCP, at * 1400, run * 1400);
	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&t->m.done));
}

static void ntm_merge_flows(struct kunit *test)
{
	ntm_test_two_flows(test, 1);
	ntm_test_two_flows(test, 2);
	ntm_test_two_flows(test, 5);
	ntm_test_two_flows(test, 10);
}

/* A flow that begins behind a datagram, and ends in front of one. */
static void ntm_merge_between(struct kunit *test)
{
	struct ntm_merge_test *t = test->priv;
	int i;

	ntm_test_begin(t, 45 * 1448);
	ntm_test_segment(test, IPPROTO_UDP, 1000, 1000);
	for (i = 0; i < 20; i++)
		ntm_test_segment(test, IPPROTO_TCP, 1000, 1400);
	ntm_test_segment(test, IPPROTO_UDP, 1000, 1000);
	ntm_test_segment(test, IPPROTO_TCP, 1000, 1400);
	ntm_test_end(t);
	ntm_test_packet(test, 1, NTM_TEST_UDP, 0, 1000);
	ntm_test_packet(test, 20, NTM_TEST_TCP, 1000, 28000);
	ntm_test_packet(test, 1, NTM_TEST_UDP, 29000, 1000);
	ntm_test_packet(test, 1, NTM_TEST_TCP, 30000, 1400);
	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&t->m.done));
}

/* A keep-alive between segments of a flow, of which there is no page yet, or one. */
static void ntm_merge_empty(struct kunit *test)
{
	struct ntm_merge_test *t = test->priv;
	u8 *room;
	int i;

	ntm_test_begin(t, 3 * 148);
	for (i = 0; i < 3; i++) {
		ntm_test_segment(test, IPPROTO_TCP, 1000, 100);
		room = ntm_merge_room(&t->m, 0);
		KUNIT_ASSERT_NOT_NULL(test, room);
		KUNIT_EXPECT_TRUE(test, virt_addr_valid(room));
		ntm_merge_drop(&t->m);
	}
	ntm_test_end(t);
	ntm_test_packet(test, 3, NTM_TEST_TCP, 0, 300);
	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&t->m.done));
}

static struct kunit_case ntm_merge_cases[] = {
	KUNIT_CASE(ntm_merge_one_flow),
	KUNIT_CASE(ntm_merge_datagrams),
	KUNIT_CASE(ntm_merge_flows),
	KUNIT_CASE(ntm_merge_between),
	KUNIT_CASE(ntm_merge_empty),
	{}
};

static struct kunit_suite ntm_merge_suite = {
	.name = "ntmobile-merge",
	.init = ntm_merge_test_init,
	.exit = ntm_merge_test_exit,
	.test_cases = ntm_merge_cases,
};

kunit_test_suite(ntm_merge_suite);
