/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The DCs that a relay server is registered with: a session with each (common/dc.h), a file for each below the state directory.
 * What a DC says concerns its own paths alone.
 */
#ifndef NTM_RS_DCS_H
#define NTM_RS_DCS_H

#include "common/dc.h"
#include "common/log.h"
#include "rs/paths.h"

struct ntm_rs_core;
struct ntm_rs_dc;

#define NTM_RS_DCS_MAX 16

/** typedef ntm_rs_joined_fn - what became of a join; @code: enum ntm_exit, @text: for people */
typedef void ntm_rs_joined_fn(void *who, const struct ntm_rs_dc *dc, int code, const char *text);

/**
 * struct ntm_rs_dc
 * @number:	the owner of its paths; @owner: its share of them
 * @zone:	"" until it is known; kept in the file
 * @told_load, @told_ms: what was said last of our load, and when
 * @leaving:	goodbyes are said, then it is gone
 * @forget:	gone at the next tick, file and all
 */
struct ntm_rs_dc {
	struct ntm_rs_dc *next;
	struct ntm_rs_core *core;
	struct ntm_dc dc;
	uint32_t number;
	struct ntm_rs_owner owner;
	char zone[NTM_NAME_MAX + 1], name[NTM_NAME_MAX + 1];
	bool registered; /* the log says so */
	bool known;	 /* it has had a lease for us */
	bool token_kept;
	uint32_t told_load;
	uint64_t told_ms;
	uint64_t directions;
	ntm_rs_joined_fn *joined;
	void *who;
	uint64_t join_until_ms;
	bool leaving, forget;
	unsigned int goodbyes;
	uint64_t goodbye_ms;
};

/** struct ntm_rs_dcs - @last_number: of the DC that came last */
struct ntm_rs_dcs {
	struct ntm_rs_dc *first;
	unsigned int count;
	uint32_t last_number;
	struct ntm_log_limit limit;
};

/** ntm_rs_dcs_open() - those of the state directory; 0 or a negative errno, logged */
int ntm_rs_dcs_open(struct ntm_rs_core *core);
void ntm_rs_dcs_done(struct ntm_rs_core *core);
/** ntm_rs_dcs_join() - one more, or again; @joined is called once, but not if this fails. 0 or a negative errno */
int ntm_rs_dcs_join(struct ntm_rs_core *core, const struct ntm_join *where,
		    ntm_rs_joined_fn *joined, void *who);
/** ntm_rs_dcs_leave() - say goodbye to the DC of this zone for good; 0, or -ENOENT */
int ntm_rs_dcs_leave(struct ntm_rs_core *core, const char *zone);
/** ntm_rs_dcs_packet() - a Session Response, Cookie Reply or Sealed packet */
void ntm_rs_dcs_packet(struct ntm_rs_core *core, const uint8_t *packet, size_t len,
		       const union ntm_addr *from);
/** ntm_rs_dcs_load() - a DC that was told of another load by 50 or more hears of it */
void ntm_rs_dcs_load(struct ntm_rs_core *core);
/** ntm_rs_dcs_load_of() - our load for this DC: of the paths that it may use */
uint32_t ntm_rs_dcs_load_of(const struct ntm_rs_dc *dc);
/** ntm_rs_dcs_register() - our addresses have changed */
void ntm_rs_dcs_register(struct ntm_rs_core *core);
/** ntm_rs_dcs_goodbye() - to all; ntm_rs_dcs_gone(): all has been said */
void ntm_rs_dcs_goodbye(struct ntm_rs_core *core);
bool ntm_rs_dcs_gone(const struct ntm_rs_dcs *dcs);
void ntm_rs_dcs_tick(struct ntm_rs_core *core);
uint64_t ntm_rs_dcs_deadline(const struct ntm_rs_dcs *dcs);

#endif
