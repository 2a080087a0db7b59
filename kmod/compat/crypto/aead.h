/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Completion callbacks get the caller's data since 6.3, the request before.
 * Written against crypto_completion_data_t they do on both.
 */
#ifndef NTM_COMPAT_CRYPTO_AEAD_H
#define NTM_COMPAT_CRYPTO_AEAD_H

#include_next <crypto/aead.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define crypto_completion_data_t		void
#define crypto_get_completion_data(data)	(data)
#endif

#endif
