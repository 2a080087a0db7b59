/* SPDX-License-Identifier: GPL-2.0 */
/* The lists of nodes and of relay servers, in JSON and by pages: what the store has, and what is known of them now. */
#ifndef NTM_DC_LISTING_H
#define NTM_DC_LISTING_H

#include <jansson.h>
#include "dc/core.h"

/** ntm_listing() - up to @limit of @kind with names after @after; NULL and *@err, a negative errno. @live: as of ntm_admin_run() */
json_t *ntm_listing(const struct ntm_core *core, enum ntm_kind kind, const char *after,
		    unsigned int limit, bool live, uint64_t now_ms, int *err);

#endif
