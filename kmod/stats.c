// SPDX-License-Identifier: GPL-2.0
#include <linux/string.h>
#include "stats.h"

void ntm_stats_tx(struct ntm_stats __percpu *stats, u32 packets, u64 bytes)
{
	struct ntm_stats *s = this_cpu_ptr(stats);

	u64_stats_update_begin(&s->syncp);
	u64_stats_add(&s->tx_packets, packets);
	u64_stats_add(&s->tx_bytes, bytes);
	u64_stats_update_end(&s->syncp);
}

void ntm_stats_rx(struct ntm_stats __percpu *stats, u32 packets, u64 bytes)
{
	struct ntm_stats *s = this_cpu_ptr(stats);

	u64_stats_update_begin(&s->syncp);
	u64_stats_add(&s->rx_packets, packets);
	u64_stats_add(&s->rx_bytes, bytes);
	u64_stats_update_end(&s->syncp);
}

void ntm_stats_drop(struct ntm_drops __percpu *drops, enum ntm_drop why, u32 n)
{
	struct ntm_drops *d = this_cpu_ptr(drops);

	u64_stats_update_begin(&d->syncp);
	u64_stats_add(&d->n[why], n);
	u64_stats_update_end(&d->syncp);
}

void ntm_stats_sum(struct ntm_stats __percpu *stats, u64 tx_rx[4])
{
	int cpu;

	memset(tx_rx, 0, 4 * sizeof(*tx_rx));
	for_each_possible_cpu(cpu) {
		const struct ntm_stats *s = per_cpu_ptr(stats, cpu);
		unsigned int start;
		u64 v[4];
		int i;

		do {
			start = u64_stats_fetch_begin(&s->syncp);
			v[0] = u64_stats_read(&s->tx_packets);
			v[1] = u64_stats_read(&s->tx_bytes);
			v[2] = u64_stats_read(&s->rx_packets);
			v[3] = u64_stats_read(&s->rx_bytes);
		} while (u64_stats_fetch_retry(&s->syncp, start));
		for (i = 0; i < 4; i++)
			tx_rx[i] += v[i];
	}
}

void ntm_drops_sum(struct ntm_drops __percpu *drops, u64 n[NTM_DROP_MAX])
{
	int cpu;

	memset(n, 0, NTM_DROP_MAX * sizeof(*n));
	for_each_possible_cpu(cpu) {
		const struct ntm_drops *d = per_cpu_ptr(drops, cpu);
		u64 v[NTM_DROP_MAX];
		unsigned int start;
		int i;

		do {
			start = u64_stats_fetch_begin(&d->syncp);
			for (i = 0; i < NTM_DROP_MAX; i++)
				v[i] = u64_stats_read(&d->n[i]);
		} while (u64_stats_fetch_retry(&d->syncp, start));
		for (i = 0; i < NTM_DROP_MAX; i++)
			n[i] += v[i];
	}
}
