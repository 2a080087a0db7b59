/* SPDX-License-Identifier: GPL-2.0 */
/* File descriptors. */
#ifndef NTM_FD_H
#define NTM_FD_H

/** ntm_fd_close_from() - close all descriptors from @first on; also on kernels without close_range() (before 5.9) */
void ntm_fd_close_from(unsigned int first);

#endif
