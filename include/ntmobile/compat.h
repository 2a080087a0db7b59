/* SPDX-License-Identifier: GPL-2.0 */
/* What the shared headers need of either side of the kernel border. */
#ifndef NTMOBILE_COMPAT_H
#define NTMOBILE_COMPAT_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/string.h>
#include <linux/compiler.h>
#define NTM_READ_ONCE(x)	READ_ONCE(x)
#define NTM_WRITE_ONCE(x, v)	WRITE_ONCE(x, v)
#else
#include <stdbool.h>
#include <string.h>
#include <linux/types.h>
#define NTM_READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define NTM_WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#endif

#endif /* NTMOBILE_COMPAT_H */
