/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The other zones that the configuration names, and what is known of each. Pure: no I/O, no clock.
 *
 *	UNKNOWN --looked up (DNS: key, addresses)--> CONNECTING --session--> INTRODUCING --Zone Response--> READY
 *	   ^                                             |                                   |
 *	   +---- too old while there is no session ------+        key not the pinned one, or refused: REFUSED
 *
 * A zone has two sessions: @link, which this DC made and asks on, and @in, which the other one made and asks on. Each end
 * so knows who asks whom, and two that connect at the same time do not meet.
 */
#ifndef NTM_DC_ZONES_H
#define NTM_DC_ZONES_H

#include "common/dc.h"
#include "common/log.h"
#include "dc/pool.h"
#include "dc/records.h"

enum ntm_look { NTM_LOOK_NEVER, NTM_LOOK_ASKED, NTM_LOOK_FOUND, NTM_LOOK_FAILED };

/** enum ntm_judgement - may who has this key speak for a zone? */
enum ntm_judgement {
	NTM_JUDGE_YES,
	NTM_JUDGE_NO,
	NTM_JUDGE_LOOK, /* look it up first, and ask again */
	NTM_JUDGE_LATER /* it cannot be looked up now */
};

/**
 * struct ntm_zone - another zone
 * @owner:	the core; for callbacks of @link
 * @has_pin, @pin: the key of the DC that was met; only `ntm-dc forget` lets another one in
 * @look:	how far the look-up is; @found is good from FOUND on, also while it is asked anew or has failed since
 * @asked_ms:	when it was asked last; 0: never
 * @again_ms:	when it may be asked again after a failure
 * @stale_ms:	until when @found is believed
 * @failures:	in a row
 * @why:	what is wrong, for people; empty: nothing
 * @link:	the session that this DC made
 * @in, @in_addr, @in_ms: the one that the other made, if @has_in
 * @introduced:	@networks are known
 * @networks:	as the other DC said; prefix NTM_NO_PREFIX: none of the family
 * @use4, @use6: the family is used with this zone
 * @log:	of what its coordinator does
 * @tokens, @tokens_ms: Information Requests that it may make (token bucket)
 */
struct ntm_zone {
	void *owner;
	char name[NTM_NAME_MAX + 1];
	bool has_pin;
	uint8_t pin[32];
	enum ntm_look look;
	bool has_found;
	struct ntm_found found;
	uint64_t asked_ms, again_ms, stale_ms;
	unsigned int failures;
	char why[NTM_TEXT_MAX + 1];
	struct ntm_dc link;
	bool has_in;
	struct ntm_session in;
	union ntm_addr in_addr;
	uint64_t in_ms;
	bool introduced;
	struct ntm_zone_info networks;
	bool use4, use6;
	struct ntm_log_limit log;
	uint32_t tokens;
	uint64_t tokens_ms;
	uint64_t asked, answered; /* Information Requests that went out and came in */
};

struct ntm_zones {
	struct ntm_zone *all[NTM_PEER_ZONES_MAX];
	unsigned int count;
};

/** ntm_zones_add() - NULL: no memory, too many, or it is there */
struct ntm_zone *ntm_zones_add(struct ntm_zones *zones, const char *name);
/** ntm_zones_remove() - wipes and frees; its link must be done with */
void ntm_zones_remove(struct ntm_zones *zones, struct ntm_zone *zone);
struct ntm_zone *ntm_zones_get(const struct ntm_zones *zones, const char *name);
/** ntm_zones_of_name() - the zone that a node's name is below, or NULL */
struct ntm_zone *ntm_zones_of_name(const struct ntm_zones *zones, const char *name);
/** ntm_zones_of_address() - the zone in whose network a virtual address is, if that family is used */
struct ntm_zone *ntm_zones_of_address(const struct ntm_zones *zones, int family, const void *addr);
/** ntm_zones_by_id() - whose session packets with this ID belong to; @in: it is the one that the other DC made */
struct ntm_zone *ntm_zones_by_id(const struct ntm_zones *zones, uint32_t id, bool *in);

/* Look-ups */

/** ntm_zone_wants_look() - should it be looked up now? @hurry: somebody waits */
bool ntm_zone_wants_look(const struct ntm_zone *zone, bool hurry, uint64_t now_ms);
/** ntm_zone_look_ms() - when ntm_zone_wants_look() turns true by itself; UINT64_MAX: never */
uint64_t ntm_zone_look_ms(const struct ntm_zone *zone);
/** ntm_zone_may_check() - was it looked up long enough ago to do so again because a stranger says something new? */
bool ntm_zone_may_check(const struct ntm_zone *zone, uint64_t now_ms);
void ntm_zone_asked(struct ntm_zone *zone, uint64_t now_ms);
/** ntm_zone_looked() - the answer; @found NULL: none, for the reason @why */
void ntm_zone_looked(struct ntm_zone *zone, const struct ntm_found *found, const char *why,
		     uint64_t now_ms);
/** ntm_zone_distrust() - why not to connect to what was found, or NULL; @self: this DC's key */
const char *ntm_zone_distrust(const struct ntm_zone *zone, const uint8_t self[32]);
/** ntm_zone_other_key() - its DNS names another key than the pinned one, and there is no session under that */
bool ntm_zone_other_key(const struct ntm_zone *zone);
/** ntm_zone_judge() - somebody with a session under @key says that it is this zone's DC; @why: a reason for NO and LATER */
enum ntm_judgement ntm_zone_judge(const struct ntm_zone *zone, const uint8_t key[32],
				  uint64_t now_ms, const char **why);

/* Networks */

/** ntm_zone_set_networks() - from a Zone Request or Response, for ntm_zones_settle() to judge */
void ntm_zone_set_networks(struct ntm_zone *zone, const struct ntm_msg *msg);
/**
 * ntm_zones_settle() - which families are used with which zone, anew
 *
 * One is not used if the other zone has no network of it, or one that is not private (RFC 1918, 6598, 2544, 4193), or larger than
 * pools may be, or that overlaps ours or that of a zone before it: otherwise another zone could draw to itself what is not its own.
 */
void ntm_zones_settle(struct ntm_zones *zones, const struct ntm_pool_spec *own4,
		      const struct ntm_pool_spec *own6);
/** ntm_zone_contains() - is a virtual address of the zone, in a family that is used? */
bool ntm_zone_contains(const struct ntm_zone *zone, int family, const void *addr);

/** ntm_zone_may_ask() - its rate of Information Requests allows one more */
bool ntm_zone_may_ask(struct ntm_zone *zone, uint64_t now_ms);
/** ntm_zone_state() - for people: "ready", "connecting"... */
const char *ntm_zone_state(const struct ntm_zone *zone, uint64_t now_ms);

#endif
