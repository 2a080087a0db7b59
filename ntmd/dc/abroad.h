/* SPDX-License-Identifier: GPL-2.0 */
/* Other zones as an operator sees them, in JSON; commands of admin.h. */
#ifndef NTM_DC_ABROAD_H
#define NTM_DC_ABROAD_H

#include <jansson.h>
#include "dc/core.h"

/** ntm_abroad_zones() - an array, one object a zone; NULL without memory. @live: sessions and look-ups mean something */
json_t *ntm_abroad_zones(const struct ntm_core *core, bool live, uint64_t now_ms);
/** ntm_abroad_key() - {"zone", "key", "port", "addresses"}: what others must find in the DNS */
json_t *ntm_abroad_key(const struct ntm_core *core);

#endif
