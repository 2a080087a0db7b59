/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ways of one tunnel: where its peer can be reached, how well, and which way the path takes (docs/PROTOCOL.md 7.3a, 8.1). Pure,
 * as tunnel.h: an event and the time go in, actions come out, and ntm_ways_tick() is to be called when ntm_ways_deadline() is
 * reached. Keys are the tunnel's; what is sent here as a probe is sealed there.
 *
 * Roles: the path's initiator decides, the responder follows, and each takes another way when the one it is on is dead.
 *
 *	 set-up		all direct ways at once; relays after 300 ms, or at once if the DC says so
 *	 burst		0, 250, 500, 1000 and 2000 ms: punches, or probes once there is a session
 *	 on a relay	direct ways are probed every 5 s while packets pass; one that answers, three times in 250 ms each: it is taken
 *	 direct		the way, and others that are alive, every 25 s while packets pass
 *	 alarm		a packet left and nothing came for 500 ms, or packets came and then none for 1 s (500 ms if they were many): the way is probed every 250 ms.
 *			After two without an answer the others are probed too, and relays bound (suspect); after four it is dead
 *	 leaving	the RS drains, or passes probes on and no data: another way is taken as soon as it answers
 *	 lost		no way is left: the DC is asked, and the first way that answers is taken
 */
#ifndef NTM_WAYS_H
#define NTM_WAYS_H

#include "bind.h"
#include "datapath.h"
#include "way.h"

#define NTM_WAYS_RELAYS 2
#define NTM_WAYS_MAX (NTM_WAYS_RELAYS + NTM_CANDIDATES_MAX + 6)
#define NTM_WAYS_ACTS 48
#define NTM_WAYS_NOBODY 31u /* the number of no way, in the timestamps of probes that are others' */

enum ntm_ways_act_type {
	NTM_WAYS_PUNCH,	  /* Hole Punching to @addr */
	NTM_WAYS_REQUEST, /* the Tunnel Request, by the relay at @addr */
	NTM_WAYS_PROBE,	  /* a Path Probe with @timestamp to @addr */
	NTM_WAYS_BIND,	  /* @packet, NTM_RELAY_BIND_LEN bytes, to @addr */
	NTM_WAYS_MOVE, /* the path is on @addr from now on; @say: show the peer by a Keep Alive */
	NTM_WAYS_LOST, /* ask the DC for a new direction */
};

struct ntm_ways_act {
	enum ntm_ways_act_type type;
	bool say;
	union ntm_addr addr;
	uint64_t timestamp;
	uint8_t packet[NTM_RELAY_BIND_LEN];
};

struct ntm_ways_acts {
	unsigned int count;
	struct ntm_ways_act act[NTM_WAYS_ACTS];
};

/**
 * struct ntm_ways
 * @way:	first the relays, in the DC's order; then candidates; then others, which come and go
 * @current:	the one the path is on, -1: none yet
 * @session:	probes can be sealed; @stands: the data path has keys of both
 * @relays_ms:	when relays are bound; UINT64_MAX: they were, or it was not needed
 * @active:	packets pass; @sending: some leave
 * @seen_ms:	when the data path was last looked at
 * @heard_ms:	last authentic packet by the current way
 * @silent_ms:	since when packets leave and nothing comes; 0: it does
 * @quiet_ms:	packets came: if none comes for so long, it is to be looked into; 0: it was
 * @seen_tx:	data packets that had left then
 * @dry:	some data packets have left since the last one came, when @dry_tx had left, at @dry_ms
 * @told:	by answers that came by the current way: the peer has had @told_rx data packets, as it said for the first time when
 *		@told_tx of ours had left, and has said @told_same times since
 * @leave_ms:	since when the current way is to be left; 0: it is not
 * @trial:	the current way must answer a probe, traffic or not
 * @held:	the way that was left: what still comes by it moves nothing until @held_until_ms; @held_own: we left it, not the peer
 * @probed_ms:	when the peer last probed the current way; @wary_until_ms: it doubts it, relays are bound so long
 * @asked_ms:	when the DC was last asked, and for how long it is not to be asked again
 */
struct ntm_ways {
	uint8_t role;
	struct ntm_way way[NTM_WAYS_MAX];
	unsigned int count;
	struct ntm_bind bind[NTM_WAYS_RELAYS];
	char relay_name[NTM_WAYS_RELAYS][NTM_RELAY_NAME_MAX + 1];
	unsigned int relay_count;
	int current;
	bool session, stands;
	uint64_t burst_ms;
	uint64_t relays_ms;

	bool active, sending;
	uint64_t poll_ms, seen_ms, seen_rx, seen_tx, flow;
	bool dry;
	uint64_t dry_ms, dry_tx;
	bool told;
	unsigned int told_same;
	uint64_t told_rx, told_tx;
	uint64_t leave_ms;
	uint64_t heard_ms, silent_ms;
	uint32_t quiet_ms;
	bool alarm, trial, suspect, lost, asleep;
	uint64_t alarm_ms;
	union ntm_addr held;
	bool held_own;
	uint64_t held_until_ms;
	uint64_t probed_ms, wary_until_ms;
	uint64_t asked_ms;
	uint32_t ask_wait_ms;
};

/** ntm_ways_start() - by a Route Direction, whose candidates the caller has freed of those that nothing may be sent to */
void ntm_ways_start(struct ntm_ways *w, uint64_t now_us, const struct ntm_msg *direction,
		    struct ntm_ways_acts *acts);

/* What the tunnel tells. */
/** ntm_ways_at() - the handshake went by this way: the path begins on it */
void ntm_ways_at(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr);
/** ntm_ways_stands() - there is a session, and the data path has its keys */
void ntm_ways_stands(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts);
/** ntm_ways_heard() - an authentic packet of signalling came from there */
void ntm_ways_heard(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *from,
		    struct ntm_ways_acts *acts);
/** ntm_ways_probed() - and it was a Path Probe */
void ntm_ways_probed(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *from,
		     struct ntm_ways_acts *acts);
/** ntm_ways_follow() - the newest Sealed message came from there, and was no probe: the peer has moved the path */
void ntm_ways_follow(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *from,
		     struct ntm_ways_acts *acts);
/** ntm_ways_answered() - a Path Probe Response, @received: data packets the peer has had of us, NULL: it does not say; false: to none of these probes */
bool ntm_ways_answered(struct ntm_ways *w, uint64_t now_us, uint64_t timestamp,
		       const uint64_t *received, struct ntm_ways_acts *acts);

/** ntm_ways_moved() - the data path followed a packet to there */
void ntm_ways_moved(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr,
		    struct ntm_ways_acts *acts);
/** ntm_ways_bound() - a Relay Bound; as ntm_bind_take() */
int ntm_ways_bound(struct ntm_ways *w, uint64_t now_us, const uint8_t *packet, size_t len,
		   const union ntm_addr *from, struct ntm_ways_acts *acts);
/** ntm_ways_shaken() - our own addresses changed: all over again */
void ntm_ways_shaken(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts);

/** ntm_ways_tick() - the deadline is reached; @stats: of the data path, needed from @poll_ms on, or NULL if it has none */
void ntm_ways_tick(struct ntm_ways *w, uint64_t now_us, const struct ntm_dp_stats *stats,
		   struct ntm_ways_acts *acts);
uint64_t ntm_ways_deadline(const struct ntm_ways *w);

/** ntm_ways_found() - the peer has shown that it can be reached at this address now: it is tried at once */
void ntm_ways_found(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr,
		    struct ntm_ways_acts *acts);

/* Questions. */
/** ntm_ways_stuck() - the path is on a relay that carries packets, and no direct way has answered its burst */
bool ntm_ways_stuck(const struct ntm_ways *w, uint64_t now_us);
/** ntm_ways_stray() - the timestamp of a probe that is no way's: its answer says nothing but that the peer is there */
uint64_t ntm_ways_stray(uint64_t now_us);
/** ntm_ways_current() - NULL: none yet */
const struct ntm_way *ntm_ways_current(const struct ntm_ways *w);
/** ntm_ways_relay() - the name of the relay at this address; NULL: it is none of ours */
const char *ntm_ways_relay(const struct ntm_ways *w, const union ntm_addr *addr);
/** ntm_ways_open() - may a packet go by this way now? Not by a relay that is not bound */
bool ntm_ways_open(const struct ntm_way *way);
/** ntm_ways_still() - the addresses that must not move the data path's endpoint */
void ntm_ways_still(const struct ntm_ways *w, uint64_t now_us, union ntm_addr out[NTM_DP_RELAYS]);
/** ntm_ways_idle_ms() - after how long without packets the tunnel is closed: by a relay nothing keeps the way open */
uint32_t ntm_ways_idle_ms(const struct ntm_ways *w, uint32_t direct_ms);
void ntm_ways_wipe(struct ntm_ways *w);

#endif
