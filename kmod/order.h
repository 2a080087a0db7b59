/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets of one key leave the AEAD in the order they entered it, also where
 * the AEAD completes them later and out of order.
 */
#ifndef NTM_ORDER_H
#define NTM_ORDER_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#define NTM_ORDER_MAX	1024	/* jobs that may wait for one */

/**
 * struct ntm_job - a packet on its way through the AEAD. It keeps its ntm_order alive
 * @list:	in its ntm_order
 * @done:	the AEAD is done with it
 * @deliver:	called in order, BH disabled, under RCU; frees the job
 */
struct ntm_job {
	struct list_head list;
	bool done;
	void (*deliver)(struct ntm_job *job);
};

/**
 * struct ntm_order - jobs of one key and direction, oldest first
 * @lock:	BH spinlock around the rest
 * @jobs:	jobs that have entered and not been delivered
 * @count:	their number
 * @work:	delivers what nobody else did; pending only while there are jobs, or because
 *		somebody was faster
 * @busy:	somebody delivers; who completes a job meanwhile leaves it to him
 * @async:	the AEAD may complete later. Otherwise nothing is queued at all
 */
struct ntm_order {
	spinlock_t lock;
	struct list_head jobs;
	unsigned int count;
	struct work_struct work;
	bool busy;
	bool async;
};

void ntm_order_init(struct ntm_order *order, bool async);

/* There are no jobs, and will be none; nor may anybody still be in ntm_order_done(). May sleep. */
void ntm_order_end(struct ntm_order *order);

/*
 * BH disabled, under RCU, which is also what keeps @order alive over deliver().
 * enter: false if too many wait already; the job has not entered then, and its owner
 * gives it up.
 */
bool ntm_order_enter(struct ntm_order *order, struct ntm_job *job);
void ntm_order_done(struct ntm_order *order, struct ntm_job *job);

#endif
