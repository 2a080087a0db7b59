// SPDX-License-Identifier: GPL-2.0
/* What both data paths do by one header each: ECN as RFC 6040's table has it, replays as RFC 6479, inner packets, paces. */
#include "ntm_test.h"

#include <stdlib.h>

#include "ntmobile/ecn.h"
#include "ntmobile/inner.h"
#include "ntmobile/pace.h"
#include "ntmobile/replay.h"

/* RFC 6040 Figure 4, row by row: inner Not-ECT, ECT(0), ECT(1), CE; outer Not-ECT, ECT(0), ECT(1), CE; -1: <drop> */
static void test_ecn(void **state)
{
	enum { NOT = 0, ECT1 = 1, ECT0 = 2, CE = 3, DROP = -1 };
	static const int order[4] = { NOT, ECT0, ECT1, CE };
	static const int table[4][4] = {
		{ NOT, NOT, NOT, DROP },
		{ ECT0, ECT0, ECT1, CE },
		{ ECT1, ECT1, ECT1, CE },
		{ CE, CE, CE, CE },
	};

	(void)state;
	for (unsigned int in = 0; in < 4; in++)
		for (unsigned int out = 0; out < 4; out++)
			for (unsigned int dscp = 0; dscp < 256; dscp += 4)
				assert_int_equal(
					ntm_ecn_decap((uint8_t)(order[out] | dscp),
						      (uint8_t)(order[in] | (dscp ^ 0xfc))),
					table[in][out]);
}

static struct ntm_replay_window window;

static enum ntm_replay_verdict heard(uint64_t ctr)
{
	return ntm_replay_window_accept(&window, ctr);
}

static void test_replay_edges(void **state)
{
	static const uint64_t bases[] = { 0, 1, 63, 64, 8191, 8192, 1ull << 32, 1ull << 60 };

	(void)state;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		const uint64_t base = bases[i];

		memset(&window, 0, sizeof(window));
		assert_int_equal(heard(base), NTM_REPLAY_NEWEST);
		assert_int_equal(heard(base), NTM_REPLAY_REFUSED);
		assert_int_equal(heard(base + NTM_REPLAY_WINDOW), NTM_REPLAY_NEWEST);
		assert_int_equal(heard(base), NTM_REPLAY_REFUSED); /* seen, and too old */
		assert_int_equal(heard(base + 1), NTM_REPLAY_OLD); /* the oldest that may come */
		assert_int_equal(heard(base + 1), NTM_REPLAY_REFUSED);
		assert_int_equal(heard(base + 2 + NTM_REPLAY_WINDOW), NTM_REPLAY_NEWEST);
		assert_int_equal(heard(base + 2), NTM_REPLAY_REFUSED); /* never seen, too old */
		assert_int_equal(heard(base + 3), NTM_REPLAY_OLD);
		assert_int_equal(heard(base + (1ull << 40)), NTM_REPLAY_NEWEST);
		assert_int_equal(heard(base + (1ull << 40) - NTM_REPLAY_WINDOW + 1),
				 NTM_REPLAY_OLD);
	}
}

/* Against a list of all that was accepted, for jumps and disorder of every size */
static void test_replay_model(void **state)
{
	static uint8_t seen[1 << 21];
	uint64_t highest = 0, ctr;
	bool any = false;

	(void)state;
	memset(&window, 0, sizeof(window));
	srand(7);
	for (unsigned int i = 0; i < 300000; i++) {
		enum ntm_replay_verdict want;

		ctr = highest + (uint64_t)(rand() % (i % 1000 ? 20 : 12000));
		if (i % 3)
			ctr -= (uint64_t)(rand() % 9000) < ctr ? (uint64_t)(rand() % 9000) : ctr;
		if (ctr >= sizeof(seen))
			break;
		if (!any || (ctr > highest && ctr < UINT64_MAX / 2))
			want = NTM_REPLAY_NEWEST;
		else if (highest - ctr >= NTM_REPLAY_WINDOW || seen[ctr])
			want = NTM_REPLAY_REFUSED;
		else
			want = NTM_REPLAY_OLD;
		assert_int_equal(heard(ctr), want);
		if (want == NTM_REPLAY_REFUSED)
			continue;
		seen[ctr] = 1;
		highest = ctr > highest || !any ? ctr : highest;
		any = true;
	}
	assert_true(highest > 100000);
}

static void test_inner(void **state)
{
	struct ntm_inner_peer peer = { .v4 = { 100, 64, 0, 2 }, .has_v4 = true };
	uint8_t p[64] = { 0x45, 0, 0, 40, [12] = 100, 64, 0, 2 };
	unsigned int len;

	(void)state;
	for (unsigned int n = 1; n <= sizeof(p); n++) {
		len = n;
		assert_int_equal(ntm_inner_verify(&peer, p, &len),
				 n < 40 ? NTM_INNER_MALFORMED : NTM_INNER_OK);
		assert_int_equal(len, n < 40 ? n : 40); /* padding is cut off */
	}
	p[3] = 19;
	assert_int_equal(ntm_inner_verify(&peer, p, &len), NTM_INNER_MALFORMED);
	p[3] = 40;
	for (unsigned int bit = 0; bit < 32; bit++) {
		p[12 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(ntm_inner_verify(&peer, p, &len), NTM_INNER_SOURCE);
		p[12 + bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	peer.has_v4 = false;
	assert_int_equal(ntm_inner_verify(&peer, p, &len), NTM_INNER_SOURCE);
	for (unsigned int first = 0; first < 256; first++) {
		p[0] = (uint8_t)first;
		len = 40;
		p[4] = p[5] = 0;
		assert_int_equal(ntm_inner_verify(&peer, p, &len) == NTM_INNER_MALFORMED,
				 first >> 4 != 6 && (first >> 4 != 4 || (first & 15) < 5 ||
						     (first & 15) > 10));
	}
	p[0] = 0x60;
	len = 39;
	assert_int_equal(ntm_inner_verify(&peer, p, &len), NTM_INNER_MALFORMED);
	p[5] = 25;
	len = 64;
	assert_int_equal(ntm_inner_verify(&peer, p, &len), NTM_INNER_MALFORMED);
	p[5] = 24;
	assert_int_equal(ntm_inner_verify(&peer, p, &len), NTM_INNER_SOURCE);
	peer.has_v6 = true;
	memcpy(peer.v6, p + 8, 16);
	assert_int_equal(ntm_inner_verify(&peer, p, &len), NTM_INNER_OK);
}

/* How many of @n tries, @ms apart, may happen */
static unsigned int paced(__u64 *full, __u64 *now, unsigned int n, unsigned int ms)
{
	unsigned int taken = 0;

	for (; n; n--, *now += ms)
		taken += ntm_pace_take(full, *now);
	return taken;
}

static void test_pace(void **state)
{
	__u64 full = 0, now = 0;

	(void)state;
	assert_int_equal(paced(&full, &now, 1000, 0), NTM_PACE_BURST);
	now += NTM_PACE_MS - 1;
	assert_int_equal(paced(&full, &now, 10, 0), 0);
	now++;
	assert_int_equal(paced(&full, &now, 10, 0), 1);
	/* In the long run one in so many milliseconds, and it does not save up more than a burst. */
	assert_int_equal(paced(&full, &now, 100 * NTM_PACE_MS, 1), 99);
	now += 1000000;
	assert_int_equal(paced(&full, &now, 1000, 0), NTM_PACE_BURST);
	assert_int_equal(paced(&full, &now, 100, NTM_PACE_MS), 99);
	/* A clock near its end */
	full = now = UINT64_MAX - 100000;
	assert_int_equal(paced(&full, &now, 1000, 0), NTM_PACE_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecn),	     cmocka_unit_test(test_replay_edges),
		cmocka_unit_test(test_replay_model), cmocka_unit_test(test_inner),
		cmocka_unit_test(test_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
