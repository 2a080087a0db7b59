// SPDX-License-Identifier: GPL-2.0
/* NTMobile: init and exit of ntmobile.ko. */
#include <linux/module.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>
#include <ntmobile/uapi.h>
#include <ntmobile/version.h>
#include "dev.h"
#include "event.h"
#include "key.h"

static int __init ntm_init(void)
{
	int err;

	err = ntm_net_register();
	if (err)
		return err;
	err = ntm_netlink_register();
	if (err)
		goto err_net;
	err = ntm_link_register();
	if (err)
		goto err_netlink;
	return 0;

err_netlink:
	ntm_netlink_unregister();
err_net:
	ntm_net_unregister();
	return err;
}

/*
 * The devices first, with all that belongs to them: they send events as long as
 * they are there, and to a multicast group that is still ours. Then netlink, which
 * finds no device any more. What they gave to call_rcu() must have run before our
 * code goes, and the keys it put must be freed.
 */
static void __exit ntm_exit(void)
{
	ntm_link_unregister();
	ntm_netlink_unregister();
	ntm_net_unregister();
	rcu_barrier();
	ntm_key_barrier();
}

module_init(ntm_init);
module_exit(ntm_exit);
MODULE_LICENSE("GPL");
MODULE_VERSION(NTM_VERSION);
MODULE_DESCRIPTION("NTMobile: encrypted tunnels between nodes that move");
MODULE_ALIAS_RTNL_LINK(NTM_LINK_KIND);
MODULE_ALIAS_GENL_FAMILY(NTM_GENL_NAME);
