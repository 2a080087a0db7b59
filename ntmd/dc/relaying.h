/* SPDX-License-Identifier: GPL-2.0 */
/* Which relays are there for whom: the table of relays, the registry and the choice brought together. */
#ifndef NTM_DC_RELAYING_H
#define NTM_DC_RELAYING_H

#include "dc/core.h"

/** ntm_relaying_choose() - for a new path between two nodes; @seed: spreads paths over relays that are equally good */
void ntm_relaying_choose(const struct ntm_core *core, const struct ntm_director_node *a,
			 const struct ntm_director_node *b, uint32_t seed, uint64_t now_ms,
			 struct ntm_director_relays *out);
/** ntm_relaying_recall() - those that a direction was made with; not one that was revoked since */
void ntm_relaying_recall(const struct ntm_core *core, const struct ntm_direction *direction,
			 struct ntm_director_relays *out);
/** ntm_relaying_tell() - put into @response the relays that a node shall measure: two that it told of, and two others */
void ntm_relaying_tell(const struct ntm_core *core, const struct ntm_node *node, uint64_t now_ms,
		       struct ntm_msg *response);
/** ntm_relaying_count() - relays that could be named now, @max at most */
unsigned int ntm_relaying_count(const struct ntm_core *core, unsigned int max, uint64_t now_ms);
/** ntm_relaying_measured() - keep what a node's registration tells of relays */
void ntm_relaying_measured(const struct ntm_core *core, struct ntm_node *node,
			   const struct ntm_msg *request);
/** ntm_relaying_end() - what relays count a node by: the same for all its paths, another with each start, no relay knows whose it is */
void ntm_relaying_end(const struct ntm_core *core, const uint8_t key[32], uint8_t end[8]);

#endif
