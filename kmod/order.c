// SPDX-License-Identifier: GPL-2.0
#include "order.h"

/*
 * Others want the processor, too. A job may be an aggregate of 64 packets, and what is
 * received goes to a gro_cell, which nobody empties meanwhile and which holds
 * netdev_max_backlog (1000).
 */
#define NTM_ORDER_RUN	8

static bool ntm_order_ready(struct ntm_order *order)
{
	const struct ntm_job *job;

	job = list_first_entry_or_null(&order->jobs, struct ntm_job, list);
	return job && job->done;
}

static struct ntm_job *ntm_order_take(struct ntm_order *order)
{
	struct ntm_job *job = list_first_entry(&order->jobs, struct ntm_job, list);

	list_del(&job->list);
	order->count--;
	return job;
}

/*
 * Whoever comes here while another delivers leaves it to him. He looks once more
 * before he gives up the lock, so nothing that is ready stays behind: what is too
 * much for him is delivered by who completes the next job, or by @work, whichever
 * is first.
 */
static void ntm_order_run(struct ntm_order *order)
	__must_hold(&order->lock)
{
	struct ntm_job *job;
	int n;

	if (order->busy)
		return;
	order->busy = true;
	for (n = 0; n < NTM_ORDER_RUN && ntm_order_ready(order); n++) {
		job = ntm_order_take(order);
		spin_unlock(&order->lock);
		job->deliver(job);
		spin_lock(&order->lock);
	}
	order->busy = false;
	/* By this processor: the queues behind deliver() are each processor's own */
	if (ntm_order_ready(order))
		queue_work_on(smp_processor_id(), system_wq, &order->work);
}

static void ntm_order_work(struct work_struct *work)
{
	struct ntm_order *order = container_of(work, struct ntm_order, work);

	rcu_read_lock();
	spin_lock_bh(&order->lock);
	ntm_order_run(order);
	spin_unlock_bh(&order->lock);
	rcu_read_unlock();
}

void ntm_order_init(struct ntm_order *order, bool async)
{
	spin_lock_init(&order->lock);
	INIT_LIST_HEAD(&order->jobs);
	INIT_WORK(&order->work, ntm_order_work);
	order->count = 0;
	order->busy = false;
	order->async = async;
}

void ntm_order_end(struct ntm_order *order)
{
	if (order->async)
		cancel_work_sync(&order->work);
}

bool ntm_order_enter(struct ntm_order *order, struct ntm_job *job)
{
	bool room;

	job->done = false;
	if (!order->async)
		return true;
	spin_lock(&order->lock);
	room = order->count < NTM_ORDER_MAX;
	if (likely(room)) {
		list_add_tail(&job->list, &order->jobs);
		order->count++;
	}
	spin_unlock(&order->lock);
	return room;
}

void ntm_order_done(struct ntm_order *order, struct ntm_job *job)
{
	if (!order->async) {
		job->deliver(job);
		return;
	}

	spin_lock(&order->lock);
	job->done = true;
	ntm_order_run(order);
	spin_unlock(&order->lock);
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/order_test.c"
#endif
