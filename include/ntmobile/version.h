/* SPDX-License-Identifier: GPL-2.0 */
/* The version of the release: what the programs' --version and modinfo say. */
#ifndef NTMOBILE_VERSION_H
#define NTMOBILE_VERSION_H

#define NTM_VERSION "0.1.0"

#endif
