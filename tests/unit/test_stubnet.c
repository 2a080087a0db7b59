// SPDX-License-Identifier: GPL-2.0
/* with: ntmd/node/stubnet.c ntmd/pipe/csum.c */
/* The host at the stub resolver's address: DNS queries taken, pings answered, all else refused so that nobody waits. */
#include "pipe_test.h"

#include <stdlib.h>

#include "node/stubnet.h"

static uint8_t packet[4096];
static struct ntm_stubnet_packet out;

/* From exactly as many bytes as there are, so that ASan sees what is read beyond */
static enum ntm_stubnet_verdict input(size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	memcpy(exact, packet, len);
	ntm_stubnet_input(&out, exact, len);
	if (out.verdict == NTM_STUBNET_QUERY) {
		assert_true(out.query >= exact && out.query + out.query_len <= exact + len);
		out.query = packet + (out.query - exact);
	}
	free(exact);
	return out.verdict;
}

static size_t udp(bool v6, uint16_t port, size_t payload)
{
	struct test_packet t = { .v6 = v6, .proto = IPPROTO_UDP, .payload = payload };
	const size_t len = test_build(&t, packet);

	test_put16(packet + (v6 ? 42 : 22), port);
	return len;
}

/* Right sums; from where the packet went, to where it came from */
static void reply_is_right(bool v6, uint8_t proto)
{
	const size_t ip = v6 ? 40 : 20;
	const uint8_t *p = out.reply;

	assert_int_equal(*p >> 4, v6 ? 6 : 4);
	assert_int_equal(p[v6 ? 6 : 9], proto);
	assert_memory_equal(p + (v6 ? 8 : 12), packet + (v6 ? 24 : 16), v6 ? 16 : 4);
	assert_memory_equal(p + (v6 ? 24 : 16), packet + (v6 ? 8 : 12), v6 ? 16 : 4);
	if (v6 || proto != IPPROTO_ICMP)
		test_verify(p, out.reply_len);
	else
		assert_int_equal(test_sum(0, p + ip, out.reply_len - ip), 0xffff);
}

static void test_query(void **state)
{
	uint8_t answer[NTM_STUBNET_REPLY_MAX];
	size_t n;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		const size_t len = udp(v6, 53, 100), at = v6 ? 48 : 28;

		assert_int_equal(input(len), NTM_STUBNET_QUERY);
		assert_ptr_equal(out.query, packet + at);
		assert_int_equal(out.query_len, 100);
		assert_int_equal(out.asker.family, v6 ? AF_INET6 : AF_INET);
		assert_int_equal(ntohs(out.asker.port), 1000);
		n = ntm_stubnet_answer(&out.asker, (const uint8_t *)"answer", 6, answer,
				       sizeof(answer));
		assert_int_equal(n, at + 6);
		test_verify(answer, n);
		assert_int_equal(test_get16(answer + at - 8), 53);
		assert_int_equal(test_get16(answer + at - 6), 1000);
		assert_memory_equal(answer + at, "answer", 6);
		assert_int_equal(ntm_stubnet_answer(&out.asker, packet, 6, answer, n - 1), 0);
		assert_int_equal(ntm_stubnet_answer(&out.asker, packet, 6, answer, n), n);
	}
}

/* Who takes long answers by UDP gets them, as long as a packet can be */
static void test_long_answer(void **state)
{
	static uint8_t msg[NTM_STUBNET_ANSWER_MAX], answer[NTM_STUBNET_ANSWER_MAX];

	(void)state;
	memset(msg, 0xa5, sizeof(msg));
	for (int v6 = 0; v6 < 2; v6++) {
		const size_t at = v6 ? 48 : 28, most = sizeof(answer) - at;

		assert_int_equal(input(udp(v6, 53, 100)), NTM_STUBNET_QUERY);
		assert_int_equal(ntm_stubnet_answer(&out.asker, msg, most, answer, sizeof(answer)),
				 sizeof(answer));
		test_verify(answer, sizeof(answer));
		assert_memory_equal(answer + at, msg, most);
		assert_int_equal(ntm_stubnet_answer(&out.asker, msg, most + 1, answer, 1u << 20),
				 0);
	}
}

/* A checksum of an answer that comes out as 0 must not be sent: it would mean none */
static void test_answer_checksum(void **state)
{
	uint8_t answer[64];
	unsigned int hits = 0;

	(void)state;
	assert_int_equal(input(udp(false, 53, 20)), NTM_STUBNET_QUERY);
	for (unsigned int i = 0; i < 65536; i++) {
		const uint8_t msg[2] = { (uint8_t)(i >> 8), (uint8_t)i };

		assert_int_equal(ntm_stubnet_answer(&out.asker, msg, 2, answer, 64), 30);
		assert_int_not_equal(test_get16(answer + 26), 0);
		hits += test_get16(answer + 26) == 0xffff;
		test_verify(answer, 30);
	}
	assert_true(hits > 0);
}

static void test_refused_udp(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		const size_t ip = v6 ? 40 : 20;
		size_t len = udp(v6, 54, 10);

		assert_int_equal(input(len), NTM_STUBNET_REPLY);
		reply_is_right(v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		assert_int_equal(out.reply[ip], v6 ? 1 : 3);
		assert_int_equal(out.reply[ip + 1], v6 ? 4 : 3);
		assert_memory_equal(out.reply + ip + 8, packet, len);
		len = udp(v6, 53, NTM_STUBNET_QUERY_MAX);
		assert_int_equal(input(len), NTM_STUBNET_QUERY);
		len = udp(v6, 53, NTM_STUBNET_QUERY_MAX + 1);
		assert_int_equal(input(len), NTM_STUBNET_REPLY);
		assert_int_equal(out.reply_len, ip + 8 + 512);
		reply_is_right(v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	}
}

/* RFC 9293 3.10.7.1 */
static void test_tcp(void **state)
{
	struct test_packet t = { .proto = IPPROTO_TCP, .seq = 0xfffffffe, .payload = 0 };

	(void)state;
	for (unsigned int flags = 0; flags < 64; flags++) {
		for (t.payload = 0; t.payload < 9; t.payload += 4) {
			const size_t ip = t.v6 ? 40 : 20;
			const uint8_t *tcp = out.reply + ip;
			size_t len;

			t.flags = (uint8_t)flags;
			t.tcp_options = flags & 1 ? 12 : 0;
			len = test_build(&t, packet);
			if (flags & TEST_RST) {
				assert_int_equal(input(len), NTM_STUBNET_DROP);
				continue;
			}
			assert_int_equal(input(len), NTM_STUBNET_REPLY);
			reply_is_right(t.v6, IPPROTO_TCP);
			assert_int_equal(test_get16(tcp), 2000);
			assert_int_equal(test_get16(tcp + 2), 1000);
			if (flags & TEST_ACK) {
				assert_int_equal(tcp[13], TEST_RST);
				assert_int_equal(test_get32(tcp + 4), 0x12340000);
			} else {
				assert_int_equal(tcp[13], TEST_RST | TEST_ACK);
				assert_int_equal(test_get32(tcp + 4), 0);
				assert_int_equal(test_get32(tcp + 8),
						 (uint32_t)(t.seq + t.payload +
							    !!(flags & TEST_SYN) +
							    !!(flags & TEST_FIN)));
			}
			t.v6 = !t.v6;
		}
	}
}

static void test_ping(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		const size_t ip = v6 ? 40 : 20;
		const uint8_t proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

		for (size_t data = 0; ip + 8 + data <= NTM_STUBNET_REPLY_MAX + 1;
		     data += 1 + data / 3) {
			udp(v6, 1, data);
			packet[v6 ? 6 : 9] = proto;
			packet[ip] = v6 ? 128 : 8;
			packet[ip + 1] = 0;
			assert_int_equal(input(ip + 8 + data), NTM_STUBNET_REPLY);
			reply_is_right(v6, proto);
			assert_int_equal(out.reply[ip], v6 ? 129 : 0);
			assert_int_equal(out.reply_len, ip + 8 + data);
			assert_memory_equal(out.reply + ip + 4, packet + ip + 4, 4 + data);
		}
		udp(v6, 1, NTM_STUBNET_REPLY_MAX);
		packet[v6 ? 6 : 9] = proto;
		packet[ip] = v6 ? 128 : 8;
		assert_int_equal(input(NTM_STUBNET_REPLY_MAX), NTM_STUBNET_REPLY);
		assert_int_equal(input(NTM_STUBNET_REPLY_MAX + 1), NTM_STUBNET_DROP);
		for (unsigned int type = 0; type < 256; type++) {
			packet[ip] = (uint8_t)type;
			assert_int_equal(input(ip + 8), type == (v6 ? 128 : 8) ? NTM_STUBNET_REPLY :
										 NTM_STUBNET_DROP);
		}
	}
}

static void test_dropped(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(input(0), NTM_STUBNET_DROP);
	for (int v6 = 0; v6 < 2; v6++) {
		const size_t ip = v6 ? 40 : 20;

		len = udp(v6, 53, 20);
		for (size_t i = 1; i < len; i++) /* shorter than its UDP header says */
			assert_int_equal(input(i), NTM_STUBNET_DROP);
		packet[ip + 5] = 7;
		assert_int_equal(input(len), NTM_STUBNET_DROP);
		udp(v6, 53, 20);
		packet[v6 ? 6 : 9] = IPPROTO_TCP;
		for (unsigned int offset = 0; offset < 16; offset++) {
			packet[ip + 12] = (uint8_t)(offset << 4);
			packet[ip + 13] = 0;
			assert_int_equal(input(ip + 28), offset < 5 || offset > 7 ?
								 NTM_STUBNET_DROP :
								 NTM_STUBNET_REPLY);
		}
		assert_int_equal(input(ip + 19), NTM_STUBNET_DROP);
		packet[v6 ? 6 : 9] = 132;
		assert_int_equal(input(len), NTM_STUBNET_DROP);
	}
	len = udp(false, 53, 20);
	packet[6] = 0x20; /* a fragment */
	assert_int_equal(input(len), NTM_STUBNET_DROP);
	packet[6] = 0x40;
	packet[7] = 1;
	assert_int_equal(input(len), NTM_STUBNET_DROP);
	packet[7] = 0;
	packet[0] = 0x44;
	assert_int_equal(input(len), NTM_STUBNET_DROP);
	packet[0] = 0x55;
	assert_int_equal(input(len), NTM_STUBNET_DROP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_long_answer),
		cmocka_unit_test(test_answer_checksum),
		cmocka_unit_test(test_refused_udp),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
