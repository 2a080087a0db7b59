// SPDX-License-Identifier: GPL-2.0
#include "order.h"

void ntm_order_init(struct ntm_order *order, bool async)
{
	spin_lock_init(&order->lock);
	INIT_LIST_HEAD(&order->jobs);
	order->busy = false;
	order->async = async;
}

void ntm_order_enter(struct ntm_order *order, struct ntm_job *job)
{
	job->done = false;
	if (!order->async)
		return;
	spin_lock(&order->lock);
	list_add_tail(&job->list, &order->jobs);
	spin_unlock(&order->lock);
}

static struct ntm_job *ntm_order_next(struct ntm_order *order)
{
	struct ntm_job *job;

	job = list_first_entry_or_null(&order->jobs, struct ntm_job, list);
	if (!job || !job->done)
		return NULL;
	list_del(&job->list);
	return job;
}

void ntm_order_done(struct ntm_order *order, struct ntm_job *job)
{
	if (!order->async) {
		job->deliver(job);
		return;
	}

	spin_lock(&order->lock);
	job->done = true;
	if (!order->busy) {
		order->busy = true;
		while ((job = ntm_order_next(order))) {
			spin_unlock(&order->lock);
			job->deliver(job);
			spin_lock(&order->lock);
		}
		order->busy = false;
	}
	spin_unlock(&order->lock);
}

#ifdef CONFIG_NTMOBILE_KUNIT
#include "tests/order_test.c"
#endif
