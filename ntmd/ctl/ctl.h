/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NTM_CTL_H
#define NTM_CTL_H

#include <jansson.h>
#include <stdbool.h>

/** ctl_status() - print what "status" answered; @drops: the counters of dropped packets instead */
int ctl_status(const json_t *status, bool drops);
/** ctl_netcheck() - print what "netcheck" answered */
void ctl_netcheck(const json_t *response);
/** ctl_ms() - "12.3 ms" of microseconds */
void ctl_ms(long long us, char *out, size_t size);

#endif
