/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NTM_COMPAT_NET_ROUTE_H
#define NTM_COMPAT_NET_ROUTE_H

#include_next <net/route.h>

#ifndef dst_rtable	/* since 6.10 */
#define dst_rtable(ptr)	container_of(ptr, struct rtable, dst)
#endif

#endif
