/* SPDX-License-Identifier: GPL-2.0 */
/* <net/gso.h> was split from <linux/netdevice.h> in 6.5. */
#ifndef NTM_COMPAT_NET_GSO_H
#define NTM_COMPAT_NET_GSO_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include_next <net/gso.h>
#else
#include <linux/netdevice.h>
#endif

#endif
