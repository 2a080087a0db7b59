/* SPDX-License-Identifier: GPL-2.0 */
/* The addresses that join strings tell. */
#ifndef NTM_DC_ADVERTISE_H
#define NTM_DC_ADVERTISE_H

#include "dc/config.h"

/** ntm_advertise() - as configured, or those listened at, or the host's global ones; -EADDRNOTAVAIL: there are none */
int ntm_advertise(const struct ntm_dc_config *config, struct ntm_join *join);

#endif
