/* SPDX-License-Identifier: GPL-2.0 */
/* Per-CPU counters of a path and of a device. */
#ifndef NTM_STATS_H
#define NTM_STATS_H

#include <linux/u64_stats_sync.h>
#include <linux/percpu.h>

enum ntm_drop {
	NTM_DROP_SHORT,
	NTM_DROP_PATH,
	NTM_DROP_KEY,
	NTM_DROP_AUTH,
	NTM_DROP_REPLAY,
	NTM_DROP_SOURCE,
	NTM_DROP_INNER,
	NTM_DROP_NO_PATH,
	NTM_DROP_NO_KEY,
	NTM_DROP_TOO_BIG,
	NTM_DROP_LOOP,
	NTM_DROP_NO_MEM,
	NTM_DROP_NO_ROUTE,
	NTM_DROP_RELAY_SOURCE,
	NTM_DROP_RELAY_UNBOUND,
	NTM_DROP_RELAY_RATE,
	NTM_DROP_RELAY_HOPS,
	NTM_DROP_MAX,		/* in the order of enum ntm_stats_attr */
};

/**
 * struct ntm_stats - traffic of one path on one CPU
 * @tx_packets:	inner packets sent, each segment of a GSO packet counts
 * @tx_bytes:	inner bytes sent
 * @rx_packets:	inner packets received
 * @rx_bytes:	inner bytes received
 * @syncp:	for 64-bit reads on 32-bit machines
 */
struct ntm_stats {
	u64_stats_t tx_packets;
	u64_stats_t tx_bytes;
	u64_stats_t rx_packets;
	u64_stats_t rx_bytes;
	struct u64_stats_sync syncp;
};

/** struct ntm_drops - drops of one device on one CPU, by cause */
struct ntm_drops {
	u64_stats_t n[NTM_DROP_MAX];
	struct u64_stats_sync syncp;
};

/* Softirq context or BH disabled. @n packets or segments. */
void ntm_stats_tx(struct ntm_stats __percpu *stats, u32 packets, u64 bytes);
void ntm_stats_rx(struct ntm_stats __percpu *stats, u32 packets, u64 bytes);
void ntm_stats_drop(struct ntm_drops __percpu *drops, enum ntm_drop why, u32 n);

/* Sums over all CPUs; any context. */
void ntm_stats_sum(struct ntm_stats __percpu *stats, u64 tx_rx[4]);
void ntm_drops_sum(struct ntm_drops __percpu *drops, u64 n[NTM_DROP_MAX]);

#endif
