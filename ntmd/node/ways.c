// SPDX-License-Identifier: GPL-2.0
#include "ways.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define BURST 5u
#define BURST_FOR_MS 2500u
#define RELAYS_AFTER_MS 300u
#define REQUEST_GAP_MS 100u /* by a relay that was just bound: the peer may be a moment later */
#define REQUEST_GAP_MAX_MS 1000u
#define ACTIVE_MS 2000u
#define POLL_MS 250u
#define POLL_IDLE_MS 1000u
#define CLOCKS_MS 100u
#define SENT_AFTER_MS 10u
#define SILENT_MS 500u /* a packet left, and nothing came for so long */
#define BIND_AFTER_MS 250u
#define QUIET_MS 1000u /* packets came, and then none for so long; SILENT_MS if they came densely */
#define DENSE 4u       /* so many since we last looked, and half of those before */
#define TRAFFIC_MS 5000u
#define ASLEEP_MS 3000u
#define CALM_EVERY_MS 25000u
#define LOOK_EVERY_MS 5000u
#define LOOK_MAX_MS 60000u
#define LOOK_NEVER_MS 3600000u /* the same for an address that never answered */
#define LOOK_STEADY 6u	       /* so often every 5 s after the burst; then at doubled times */
#define DEAD_EVERY_MS 1000u
#define HOLD_MS 2000u
#define DOUBT_MS 400u
#define WARY_MS 3000u
#define ASK_MS 5000u
#define LEAVE_MS 2000u /* an RS drains: so long another one that we know has time to answer */
#define EATEN 4u
#define EATEN_TWICE 2u
#define ASK_MAX_MS 60000u
#define RELAY_IDLE_MS 25000u
#define RELAY_MARGIN_MS 5000u
#define INDEX_BITS 5 /* of a probe's timestamp */

static const uint32_t burst_at_ms[BURST] = { 0, 250, 500, 1000, 2000 };

_Static_assert(NTM_WAYS_MAX <= NTM_WAYS_NOBODY && NTM_WAYS_NOBODY < 1 << INDEX_BITS,
	       "a timestamp holds the way's number");

static uint64_t ms(uint64_t us)
{
	return us / 1000;
}

/* Actions */

static struct ntm_ways_act *act(struct ntm_ways_acts *acts, enum ntm_ways_act_type type,
				const union ntm_addr *addr)
{
	/* Too many for one event would be a bug; the last is then lost, as a packet may be */
	struct ntm_ways_act *a =
		&acts->act[acts->count < NTM_WAYS_ACTS ? acts->count++ : NTM_WAYS_ACTS - 1];

	memset(a, 0, sizeof(*a));
	a->type = type;
	if (addr)
		a->addr = *addr;
	return a;
}

static void probe(struct ntm_ways *w, int i, uint64_t now_us, struct ntm_ways_acts *acts)
{
	struct ntm_way *way = &w->way[i];

	ntm_way_probed(way, now_us);
	way->sent = w->seen_tx;
	act(acts, NTM_WAYS_PROBE, &way->addr)->timestamp = now_us << INDEX_BITS | (unsigned int)i;
}

/* The set */

static bool is_relay(const struct ntm_way *way)
{
	return way->kind == NTM_WAY_RELAY;
}

/* A relay has an address only while it is bound */
bool ntm_ways_open(const struct ntm_way *way)
{
	return way->addr.sa.sa_family != 0;
}

const struct ntm_way *ntm_ways_current(const struct ntm_ways *w)
{
	return w->current >= 0 ? &w->way[w->current] : NULL;
}

static bool on_relay(const struct ntm_ways *w)
{
	return w->current >= 0 && is_relay(&w->way[w->current]);
}

/* A relay is known by all its addresses until one of them has answered */
static bool is_at(const struct ntm_ways *w, unsigned int i, const union ntm_addr *addr)
{
	const struct ntm_bind *b;

	if (i >= w->relay_count)
		return ntm_addr_equal(&w->way[i].addr, addr);
	b = &w->bind[i];
	if (b->addr.sa.sa_family)
		return ntm_addr_equal(&b->addr, addr);
	return ntm_addr_equal(&b->addrs[0], addr) || ntm_addr_equal(&b->addrs[1], addr);
}

static int find(const struct ntm_ways *w, const union ntm_addr *addr)
{
	for (unsigned int i = 0; i < w->count; i++)
		if (is_at(w, i, addr))
			return (int)i;
	return -1;
}

static int add(struct ntm_ways *w, const union ntm_addr *addr, enum ntm_way_kind kind)
{
	unsigned int at = w->count;

	if (at < NTM_WAYS_MAX)
		w->count++;
	else /* the one of the peer's other addresses that was heard of least lately */
		for (unsigned int i = 0; i < NTM_WAYS_MAX; i++)
			if (w->way[i].kind == NTM_WAY_PEER && (int)i != w->current &&
			    (at == NTM_WAYS_MAX || w->way[i].heard_ms < w->way[at].heard_ms))
				at = i;
	memset(&w->way[at], 0, sizeof(w->way[at]));
	w->way[at].kind = kind;
	w->way[at].addr = *addr;
	return (int)at;
}

static int find_or_add(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr)
{
	int i = find(w, addr);

	if (i < 0)
		i = add(w, addr, NTM_WAY_PEER);
	w->way[i].heard_ms = ms(now_us);
	return i;
}

/* The path is there from now on. If by a relay that we had let go, we are bound to it again. */
static int arrive(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr)
{
	const int i = find_or_add(w, now_us, addr);

	if (!ntm_ways_open(&w->way[i])) {
		w->way[i].addr = *addr;
		ntm_bind_start(&w->bind[i], ms(now_us));
	}
	return i;
}

static unsigned int directs(const struct ntm_ways *w)
{
	return w->count - w->relay_count;
}

/* Relays */

static void start_binds(struct ntm_ways *w, uint64_t now_us)
{
	w->relays_ms = UINT64_MAX;
	for (unsigned int i = 0; i < w->relay_count; i++)
		ntm_bind_start(&w->bind[i], ms(now_us));
}

/* The RS that the path is on drains: it goes on forwarding, but wants us to go. Or it forwards signalling alone. */
static bool is_leaving(const struct ntm_ways *w)
{
	return on_relay(w) &&
	       (w->bind[w->current].state == NTM_BIND_LEAVING || w->way[w->current].eats);
}

static bool is_wanted(const struct ntm_ways *w, unsigned int i, uint64_t now_us)
{
	return !w->stands || w->current == (int)i || w->suspect || w->lost || is_leaving(w) ||
	       ms(now_us) < w->wary_until_ms;
}

/* The way by a relay is open while it is bound */
static void follow_bind(struct ntm_ways *w, unsigned int i)
{
	const bool bound = ntm_bind_open(&w->bind[i]);
	struct ntm_way *way = &w->way[i];

	if (bound && !ntm_ways_open(way)) {
		ntm_way_alive(way);
		way->burst = 0;
		way->last_ms = 0;
		way->addr = w->bind[i].addr;
	} else if (!bound && (int)i != w->current) {
		memset(&way->addr, 0, sizeof(way->addr));
	}
}

static void tick_bind(struct ntm_ways *w, unsigned int i, uint64_t now_us,
		      struct ntm_ways_acts *acts)
{
	struct ntm_bind *b = &w->bind[i];
	uint8_t packet[NTM_RELAY_BIND_LEN];

	if (!is_wanted(w, i, now_us))
		ntm_bind_stop(b);
	ntm_bind_keep(b, !w->stands || (w->current == (int)i && (w->active || w->alarm)));
	while (ntm_bind_tick(b, ms(now_us), packet)) {
		for (unsigned int n = 0; n < 2; n++) {
			const union ntm_addr *to = b->addr.sa.sa_family ? &b->addr : &b->addrs[n];

			if (to->sa.sa_family && !(n && to == &b->addr))
				memcpy(act(acts, NTM_WAYS_BIND, to)->packet, packet,
				       sizeof(packet));
		}
	}
	follow_bind(w, i);
}

static void tick_binds(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	for (unsigned int i = 0; i < w->relay_count; i++)
		tick_bind(w, i, now_us, acts);
}

/* The RS that the path is on has left a Bind without an answer */
static bool bind_is_late(const struct ntm_ways *w)
{
	return on_relay(w) && w->bind[w->current].trying && w->bind[w->current].tries >= 2;
}

/* Alarm and calm */

static void calm(struct ntm_ways *w, uint64_t heard_ms)
{
	if (heard_ms > w->heard_ms)
		w->heard_ms = heard_ms;
	w->silent_ms = 0;
	w->alarm = w->trial = w->lost = w->asleep = false;
	/* Or its standby would be let go, and bound anew, with each packet that comes */
	w->suspect = w->suspect && bind_is_late(w);
	w->ask_wait_ms = 0;
	if (w->current >= 0)
		ntm_way_alive(&w->way[w->current]);
}

static void raise_alarm(struct ntm_ways *w, uint64_t now_us)
{
	if (w->alarm)
		return;
	w->alarm = true;
	w->alarm_ms = ms(now_us);
	w->asleep = w->alarm_ms - w->heard_ms > ASLEEP_MS;
}

/* Only an end that has something to send asks: if both are lost, the other one may not care */
static void ask(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	if (!w->sending || (w->ask_wait_ms && ms(now_us) - w->asked_ms < w->ask_wait_ms))
		return;
	w->asked_ms = ms(now_us);
	w->ask_wait_ms = w->ask_wait_ms ? w->ask_wait_ms * 2 : ASK_MS;
	if (w->ask_wait_ms > ASK_MAX_MS)
		w->ask_wait_ms = ASK_MAX_MS;
	start_binds(w, now_us);
	act(acts, NTM_WAYS_LOST, NULL);
}

static void suspect(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	if (w->suspect)
		return;
	w->suspect = true;
	start_binds(w, now_us);
	/* A peer that has nothing to send notices nothing: it will not be at a relay, but the DC can tell it */
	if (w->asleep)
		ask(w, now_us, acts);
}

/* Moves */

/* What still comes by the old way was sent before the path left it, and must not take it back; @own: nor may what the peer says there */
static void hold(struct ntm_ways *w, uint64_t now_us, bool own)
{
	memset(&w->held, 0, sizeof(w->held));
	w->held_own = own;
	if (w->current < 0)
		return;
	w->held = w->way[w->current].addr;
	w->held_until_ms = ms(now_us) + HOLD_MS;
}

static bool is_held(const struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr)
{
	return w->held.sa.sa_family && ms(now_us) < w->held_until_ms &&
	       ntm_addr_equal(&w->held, addr);
}

static void set_current(struct ntm_ways *w, int i, uint64_t now_us)
{
	w->current = i;
	w->told = w->way[i].eats = false;
	w->told_same = 0;
	w->leave_ms = 0;
	for (unsigned int n = 0; n < w->count; n++)
		w->way[n].better = 0;
	calm(w, ms(now_us));
}

/* By our own decision: the peer is told, and the way has to prove itself */
static void take(struct ntm_ways *w, int i, uint64_t now_us, struct ntm_ways_acts *acts)
{
	const uint32_t ask_wait = w->ask_wait_ms;
	const bool asleep = w->asleep;

	hold(w, now_us, true);
	if (i < (int)w->relay_count && ntm_bind_open(&w->bind[i]))
		w->way[i].addr = w->bind[i].addr;
	set_current(w, i, now_us);
	w->trial = true;
	raise_alarm(w, now_us);
	w->asleep = asleep; /* nothing was heard yet */
	w->ask_wait_ms = ask_wait;
	act(acts, NTM_WAYS_MOVE, &w->way[i].addr)->say = true;
}

/* Of those that answered since the alarm the fastest; a relay if there is none, and rather one that answered */
static int best_other(const struct ntm_ways *w)
{
	int best = -1;

	for (unsigned int i = w->relay_count; i < w->count; i++) {
		const struct ntm_way *way = &w->way[i];

		if ((int)i == w->current || way->dead || !way->answered_ms ||
		    way->answered_ms < w->alarm_ms)
			continue;
		if (best < 0 || way->srtt_us < w->way[best].srtt_us)
			best = (int)i;
	}
	for (unsigned int i = 0; best < 0 && i < w->relay_count; i++)
		if ((int)i != w->current && ntm_ways_open(&w->way[i]) && !w->way[i].dead &&
		    !w->way[i].eats && w->way[i].answered_ms &&
		    w->way[i].answered_ms >= w->alarm_ms)
			best = (int)i;
	for (unsigned int i = 0; best < 0 && i < w->relay_count; i++)
		if ((int)i != w->current && ntm_ways_open(&w->way[i]) && !w->way[i].dead)
			best = (int)i;
	return best;
}

static void die(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	struct ntm_way *way = &w->way[w->current];
	int other;

	way->dead = true;
	way->died_ms = ms(now_us);
	raise_alarm(w, now_us);
	other = best_other(w);
	if (other >= 0) {
		take(w, other, now_us, acts);
		return;
	}
	suspect(w, now_us, acts);
	w->lost = true;
	ask(w, now_us, acts);
}

static bool is_dead(const struct ntm_ways *w, uint64_t now_us)
{
	const struct ntm_way *way = &w->way[w->current];

	if (is_relay(way) && w->bind[w->current].state == NTM_BIND_DEAD)
		return true;
	return w->alarm && (way->dead || (way->unanswered >= NTM_WAY_DEAD &&
					  ms(now_us) >= way->last_ms + ntm_way_gap_ms(way)));
}

static void check_death(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	if (w->stands && !w->lost && is_dead(w, now_us) && (w->alarm || !w->way[w->current].dead))
		die(w, now_us, acts);
}

/* One that answered until now may be there again, or at its other address. Once: what is lost is asked for by who sends. */
static void check_lapse(struct ntm_ways *w, uint64_t now_us)
{
	if (on_relay(w) && w->bind[w->current].lapsed)
		ntm_bind_start(&w->bind[w->current], ms(now_us));
}

static void check_doubt(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	const struct ntm_way *way = ntm_ways_current(w);

	if (!way)
		return;
	if (!is_leaving(w))
		w->leave_ms = 0;
	else if (!w->leave_ms)
		w->leave_ms = ms(now_us);
	if ((is_leaving(w) && w->active) || bind_is_late(w) ||
	    (w->stands && w->alarm && way->unanswered &&
	     ms(now_us) >= way->last_ms + ntm_way_gap_ms(way)))
		suspect(w, now_us, acts);
}

/* How often a way is probed */

/* For one that does not answer, while the path is on a relay: it may yet, but its address may be somebody's who never asked */
static uint32_t patience_ms(const struct ntm_way *way)
{
	const uint32_t max = way->answered_ms || way->heard_ms ? LOOK_MAX_MS : LOOK_NEVER_MS;
	uint32_t every = LOOK_EVERY_MS;

	for (unsigned int n = BURST + LOOK_STEADY; n < way->unanswered && every < max; n++)
		every *= 2;
	return every < max ? every : max;
}

static uint32_t request_gap_ms(const struct ntm_way *way)
{
	const uint32_t gap = REQUEST_GAP_MS << (way->burst < 8 ? way->burst : 8);

	return way->burst == 0 ? 1 : gap / 2 < REQUEST_GAP_MAX_MS ? gap / 2 : REQUEST_GAP_MAX_MS;
}

static uint32_t current_interval_ms(const struct ntm_ways *w, const struct ntm_way *way)
{
	if (w->alarm || (w->active && (w->told_same || way->eats)))
		return way->dead ? DEAD_EVERY_MS : ntm_way_gap_ms(way);
	if (w->dry && is_relay(way))
		return SILENT_MS;
	return w->active ? CALM_EVERY_MS : 0;
}

static uint32_t other_interval_ms(const struct ntm_ways *w, const struct ntm_way *way)
{
	if (w->suspect && (is_relay(way) || way->answered_ms))
		return way->dead ? DEAD_EVERY_MS : ntm_way_gap_ms(way);
	if (way->better)
		return ntm_way_gap_ms(way);
	if (is_relay(way) || !w->active)
		return 0;
	if (on_relay(w) || w->lost)
		return patience_ms(way);
	return w->role == NTM_ROLE_INITIATOR && way->answered_ms && !way->dead ? CALM_EVERY_MS : 0;
}

/* 0: not by itself */
static uint32_t interval_ms(const struct ntm_ways *w, int i)
{
	const struct ntm_way *way = &w->way[i];

	if (!ntm_ways_open(way))
		return 0;
	if (!w->session)
		return is_relay(way) && w->role == NTM_ROLE_INITIATOR ? request_gap_ms(way) : 0;
	return i == w->current ? current_interval_ms(w, way) : other_interval_ms(w, way);
}

static uint64_t burst_ms(const struct ntm_ways *w, const struct ntm_way *way)
{
	if (is_relay(way) || way->burst >= BURST)
		return UINT64_MAX;
	return w->burst_ms + burst_at_ms[way->burst];
}

static uint64_t interval_end_ms(const struct ntm_ways *w, int i)
{
	const uint32_t every = interval_ms(w, i);

	return every ? w->way[i].last_ms + every : UINT64_MAX;
}

static uint64_t next_ms(const struct ntm_ways *w, int i)
{
	const uint64_t a = burst_ms(w, &w->way[i]), b = interval_end_ms(w, i);

	return a < b ? a : b;
}

/* A single way needs no comparison: it is left to the Keep Alives */
static bool is_alone(const struct ntm_ways *w, int i)
{
	return i == w->current && directs(w) == 1;
}

static void send_one(struct ntm_ways *w, int i, uint64_t now_us, struct ntm_ways_acts *acts)
{
	struct ntm_way *way = &w->way[i];

	if (w->session) {
		if (way->unanswered > 1)
			way->better = 0;
		probe(w, i, now_us, acts);
		return;
	}
	way->last_ms = ms(now_us);
	if (w->role == NTM_ROLE_RESPONDER) {
		act(acts, NTM_WAYS_PUNCH, &way->addr);
	} else if (is_relay(way)) { /* by direct ways it is sent by the tunnel's clock */
		way->burst++;
		act(acts, NTM_WAYS_REQUEST, &way->addr);
	}
}

static void tick_way(struct ntm_ways *w, int i, uint64_t now_us, struct ntm_ways_acts *acts)
{
	struct ntm_way *way = &w->way[i];
	bool due = ms(now_us) >= interval_end_ms(w, i);

	for (; ms(now_us) >= burst_ms(w, way); way->burst++)
		due = due || !is_alone(w, i);
	if (due)
		send_one(w, i, now_us, acts);
}

/* The data path's traffic */

static uint64_t time_of(uint64_t now_ms, uint64_t age_ms)
{
	return age_ms > now_ms ? 0 : now_ms - age_ms;
}

static void check_silence(struct ntm_ways *w, uint64_t now_us, uint64_t sent_ms, uint64_t seen_ms)
{
	const uint64_t now = ms(now_us);

	if (sent_ms <= w->heard_ms + SENT_AFTER_MS || now - sent_ms >= TRAFFIC_MS) {
		w->silent_ms = 0;
		return;
	}
	/* The first one of these left after what was heard, and since we last looked */
	if (!w->silent_ms)
		w->silent_ms = seen_ms > w->heard_ms ? seen_ms : w->heard_ms;
	if (on_relay(w) && now - w->silent_ms >= BIND_AFTER_MS)
		ntm_bind_again(&w->bind[w->current], now);
	if (now - w->silent_ms >= SILENT_MS)
		raise_alarm(w, now_us);
}

static void check_quiet(struct ntm_ways *w, uint64_t now_us)
{
	if (!w->quiet_ms || ms(now_us) - w->heard_ms < w->quiet_ms)
		return;
	w->quiet_ms = 0;
	w->trial = true;
	raise_alarm(w, now_us);
}

/* Whatever signalling is heard meanwhile: an RS that passes it on may lose the data */
static void check_dry(struct ntm_ways *w, uint64_t now, const struct ntm_dp_stats *stats)
{
	if (stats->rx_packets != w->seen_rx) {
		w->dry_ms = now;
		w->dry_tx = stats->tx_packets;
	}
	w->dry = w->active && stats->tx_packets >= w->dry_tx + EATEN &&
		 now - w->dry_ms >= SILENT_MS;
}

static void look(struct ntm_ways *w, uint64_t now_us, const struct ntm_dp_stats *stats)
{
	const uint64_t now = ms(now_us), seen = w->seen_ms;
	const uint64_t got = time_of(now, stats->last_rx_ms);

	w->active = stats->last_tx_ms < ACTIVE_MS || stats->last_rx_ms < ACTIVE_MS;
	w->sending = stats->last_tx_ms < TRAFFIC_MS;
	w->seen_tx = stats->tx_packets;
	check_dry(w, now, stats);
	w->seen_ms = now;
	/* Packets are counted, since ages of one and the same packet differ by what clocks and we need: it would seem to be a new one */
	if (stats->rx_packets != w->seen_rx || got > w->heard_ms + CLOCKS_MS) {
		w->flow = w->flow / 2 + (stats->rx_packets - w->seen_rx);
		w->quiet_ms = w->flow >= DENSE ? SILENT_MS : QUIET_MS;
		calm(w, got);
	}
	w->seen_rx = stats->rx_packets;
	check_silence(w, now_us, time_of(now, stats->last_tx_ms), seen);
	check_quiet(w, now_us);
	if (w->lost && !w->sending)
		w->trial = false;
	if (!w->silent_ms && !w->trial && !bind_is_late(w))
		w->alarm = w->suspect = w->lost = false;
}

/* Not later than then, if that is to come */
static void look_at(struct ntm_ways *w, uint64_t at_ms)
{
	if (at_ms > w->seen_ms && at_ms < w->poll_ms)
		w->poll_ms = at_ms;
}

/* None of the other ways has answered: the DC may know another RS. The path is calm meanwhile, so @ask_wait_ms does not tell. */
static bool leaves_for_nowhere(const struct ntm_ways *w, uint64_t now)
{
	return w->leave_ms && now - w->leave_ms >= LEAVE_MS && now - w->asked_ms >= ASK_MS;
}

static void poll_traffic(struct ntm_ways *w, uint64_t now_us, const struct ntm_dp_stats *stats,
			 struct ntm_ways_acts *acts)
{
	const uint64_t now = ms(now_us);

	if (!w->stands || now < w->poll_ms)
		return;
	if (stats)
		look(w, now_us, stats);
	if (w->lost || leaves_for_nowhere(w, now))
		ask(w, now_us, acts);
	w->poll_ms = now + (w->active || w->alarm ? POLL_MS : POLL_IDLE_MS);
	look_at(w, w->silent_ms ? w->silent_ms + SILENT_MS : 0);
	look_at(w, w->quiet_ms ? w->heard_ms + w->quiet_ms : 0);
}

/* Events */

/* What is due but a look at the data path: events must not put that off */
static void turn(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	if (ms(now_us) >= w->relays_ms)
		start_binds(w, now_us);
	tick_binds(w, now_us, acts);
	check_doubt(w, now_us, acts);
	check_death(w, now_us, acts);
	check_lapse(w, now_us);
	for (unsigned int i = 0; i < w->count; i++)
		tick_way(w, (int)i, now_us, acts);
	tick_binds(w, now_us, acts); /* what the last two may have started */
	if (ms(now_us) >= w->held_until_ms)
		memset(&w->held, 0, sizeof(w->held));
}

void ntm_ways_start(struct ntm_ways *w, uint64_t now_us, const struct ntm_msg *direction,
		    struct ntm_ways_acts *acts)
{
	bool at_once = false;

	memset(w, 0, sizeof(*w));
	w->role = direction->role;
	w->current = -1;
	w->burst_ms = ms(now_us);
	for (unsigned int i = 0; i < direction->relay_count && i < NTM_WAYS_RELAYS; i++) {
		const struct ntm_relay_info *relay = &direction->relays[i];

		ntm_bind_init(&w->bind[i], direction->path_id, w->role, direction->path_psk, relay);
		memcpy(w->relay_name[i], relay->name, sizeof(w->relay_name[i]));
		w->way[i].kind = NTM_WAY_RELAY;
		at_once = at_once || relay->at_once;
		w->relay_count = w->count = i + 1;
	}
	w->relays_ms = w->relay_count ? ms(now_us) + (at_once ? 0 : RELAYS_AFTER_MS) : UINT64_MAX;
	for (unsigned int i = 0; i < direction->candidate_count; i++) {
		const struct ntm_candidate *c = &direction->candidates[i];

		if (c->kind != NTM_CAND_RELAYED && find(w, &c->addr) < 0)
			(void)add(w, &c->addr,
				  c->kind == NTM_CAND_HOST ? NTM_WAY_HOST : NTM_WAY_REFLEXIVE);
	}
	turn(w, now_us, acts);
}

void ntm_ways_at(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr)
{
	w->current = arrive(w, now_us, addr);
}

void ntm_ways_stands(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	if (w->stands || w->current < 0)
		return;
	w->session = w->stands = w->active = true;
	w->heard_ms = w->seen_ms = w->dry_ms = ms(now_us);
	w->poll_ms = ms(now_us) + POLL_MS;
	w->way[w->current].last_ms = ms(now_us);
	if (!on_relay(w))
		w->relays_ms = UINT64_MAX;
	turn(w, now_us, acts);
}

void ntm_ways_heard(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *from,
		    struct ntm_ways_acts *acts)
{
	if (find_or_add(w, now_us, from) != w->current)
		return;
	calm(w, ms(now_us));
	turn(w, now_us, acts);
}

/* Probes in quick succession: the peer doubts this way, though its packets come. It may be at a relay soon. */
void ntm_ways_probed(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *from,
		     struct ntm_ways_acts *acts)
{
	const uint64_t before = w->probed_ms;

	if (find(w, from) != w->current)
		return;
	w->probed_ms = ms(now_us);
	if (!w->stands || !before || ms(now_us) - before >= DOUBT_MS ||
	    ms(now_us) < w->burst_ms + BURST_FOR_MS)
		return;
	w->wary_until_ms = ms(now_us) + WARY_MS;
	start_binds(w, now_us);
	turn(w, now_us, acts);
}

void ntm_ways_follow(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *from,
		     struct ntm_ways_acts *acts)
{
	if (find(w, from) == w->current || (w->held_own && is_held(w, now_us, from)))
		return;
	hold(w, now_us, false);
	set_current(w, arrive(w, now_us, from), now_us);
	act(acts, NTM_WAYS_MOVE, from);
	turn(w, now_us, acts);
}

static void weigh(struct ntm_ways *w, int i, uint64_t now_us, struct ntm_ways_acts *acts)
{
	struct ntm_way *way = &w->way[i];

	if (w->role != NTM_ROLE_INITIATOR || !w->stands)
		return;
	if (!ntm_way_is_better(way, &w->way[w->current], now_us))
		way->better = 0;
	else if (++way->better >= NTM_WAY_BETTER)
		take(w, i, now_us, acts);
}

/* It answers: does it carry data, too? A few that left before the probe, and of which none has come, twice, are no accident. */
static void check_eaten(struct ntm_ways *w, uint64_t received)
{
	struct ntm_way *way = &w->way[w->current];

	if (!w->told || received != w->told_rx) {
		w->told = true;
		w->told_rx = received;
		w->told_tx = w->seen_tx;
		w->told_same = 0;
		way->eats = false;
	} else if (way->sent >= w->told_tx + EATEN) {
		way->eats = ++w->told_same >= EATEN_TWICE;
	}
}

bool ntm_ways_answered(struct ntm_ways *w, uint64_t now_us, uint64_t timestamp,
		       const uint64_t *received, struct ntm_ways_acts *acts)
{
	const int i = (int)(timestamp & ((1u << INDEX_BITS) - 1));

	if (i >= (int)w->count || !ntm_ways_open(&w->way[i]) ||
	    !ntm_way_answered(&w->way[i], now_us, timestamp >> INDEX_BITS))
		return false;
	if (i == w->current && received && on_relay(w))
		check_eaten(w, *received);
	if (i == w->current)
		calm(w, ms(now_us));
	else if (w->lost ||
		 (is_leaving(w) && !w->way[i].eats)) /* an RS: both ends are bound to it */
		take(w, i, now_us, acts);
	else
		weigh(w, i, now_us, acts);
	turn(w, now_us, acts);
	return true;
}

void ntm_ways_moved(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr,
		    struct ntm_ways_acts *acts)
{
	int i = find(w, addr);

	if (w->current < 0 || i == w->current)
		return;
	/* Data by a relay moves nothing. The data path knows that of NTM_DP_RELAYS addresses, and of no relay that is not bound. */
	if (i >= 0 && is_relay(&w->way[i])) {
		act(acts, NTM_WAYS_MOVE, &w->way[w->current].addr);
		return;
	}
	/* Sent before the peer knew that we left this way: the data path goes back to where we are */
	if (is_held(w, now_us, addr) ||
	    (i >= 0 && w->way[i].dead && ms(now_us) - w->way[i].died_ms < HOLD_MS)) {
		act(acts, NTM_WAYS_MOVE, &w->way[w->current].addr)->say = w->held_own;
		return;
	}
	set_current(w, arrive(w, now_us, addr), now_us);
	turn(w, now_us, acts);
}

void ntm_ways_found(struct ntm_ways *w, uint64_t now_us, const union ntm_addr *addr,
		    struct ntm_ways_acts *acts)
{
	struct ntm_way *way = &w->way[find_or_add(w, now_us, addr)];

	ntm_way_alive(way);
	way->last_ms = 0;
	turn(w, now_us, acts);
}

/* Bound again, and at the RS's other address */
static bool is_elsewhere(const struct ntm_ways *w, unsigned int i)
{
	return ntm_bind_open(&w->bind[i]) && !ntm_addr_equal(&w->way[i].addr, &w->bind[i].addr);
}

int ntm_ways_bound(struct ntm_ways *w, uint64_t now_us, const uint8_t *packet, size_t len,
		   const union ntm_addr *from, struct ntm_ways_acts *acts)
{
	int err = -EPERM;

	for (unsigned int i = 0; err == -EPERM && i < w->relay_count; i++) {
		err = ntm_bind_take(&w->bind[i], packet, len, from, ms(now_us));
		if (err)
			continue;
		follow_bind(w, i);
		if ((int)i == w->current ? is_elsewhere(w, i) :
					   w->lost && ntm_ways_open(&w->way[i]))
			take(w, (int)i, now_us, acts);
		turn(w, now_us, acts);
	}
	return err;
}

void ntm_ways_shaken(struct ntm_ways *w, uint64_t now_us, struct ntm_ways_acts *acts)
{
	w->burst_ms = ms(now_us);
	for (unsigned int i = 0; i < w->relay_count; i++)
		ntm_bind_again(&w->bind[i], ms(now_us));
	for (unsigned int i = w->relay_count; i < w->count; i++)
		w->way[i].burst = 0;
	if (w->stands) {
		w->trial = true;
		raise_alarm(w, now_us);
	}
	turn(w, now_us, acts);
}

void ntm_ways_tick(struct ntm_ways *w, uint64_t now_us, const struct ntm_dp_stats *stats,
		   struct ntm_ways_acts *acts)
{
	poll_traffic(w, now_us, stats, acts);
	turn(w, now_us, acts);
}

uint64_t ntm_ways_deadline(const struct ntm_ways *w)
{
	uint64_t at = w->relays_ms;

	for (unsigned int i = 0; i < w->relay_count; i++) {
		const uint64_t bind = ntm_bind_deadline(&w->bind[i]);

		at = bind < at ? bind : at;
	}
	for (unsigned int i = 0; i < w->count; i++) {
		const uint64_t way = next_ms(w, (int)i);

		at = way < at ? way : at;
	}
	if (w->stands && w->poll_ms < at)
		at = w->poll_ms;
	if (w->held.sa.sa_family && w->held_until_ms < at)
		at = w->held_until_ms;
	return at;
}

/* Questions */

bool ntm_ways_stuck(const struct ntm_ways *w, uint64_t now_us)
{
	if (!w->stands || !on_relay(w) || w->lost || !w->active ||
	    ms(now_us) < w->burst_ms + BURST_FOR_MS)
		return false;
	for (unsigned int i = w->relay_count; i < w->count; i++)
		if (w->way[i].better)
			return false;
	return true;
}

uint64_t ntm_ways_stray(uint64_t now_us)
{
	return now_us << INDEX_BITS | NTM_WAYS_NOBODY;
}

const char *ntm_ways_relay(const struct ntm_ways *w, const union ntm_addr *addr)
{
	for (unsigned int i = 0; i < w->relay_count; i++)
		if (is_at(w, i, addr))
			return w->relay_name[i];
	return NULL;
}

void ntm_ways_still(const struct ntm_ways *w, uint64_t now_us, union ntm_addr out[NTM_DP_RELAYS])
{
	unsigned int count = 0;

	memset(out, 0, NTM_DP_RELAYS * sizeof(*out));
	if (w->held.sa.sa_family && ms(now_us) < w->held_until_ms)
		out[count++] = w->held;
	if (on_relay(w))
		out[count++] = w->way[w->current].addr;
	for (unsigned int i = 0; i < w->relay_count && count < NTM_DP_RELAYS; i++)
		if ((int)i != w->current && ntm_ways_open(&w->way[i]) &&
		    !(count && ntm_addr_equal(&out[0], &w->way[i].addr)))
			out[count++] = w->way[i].addr;
}

uint32_t ntm_ways_idle_ms(const struct ntm_ways *w, uint32_t direct_ms)
{
	uint64_t kept;

	if (!on_relay(w))
		return direct_ms;
	kept = w->bind[w->current].until_ms - w->bind[w->current].bound_ms;
	kept = kept > 2 * RELAY_MARGIN_MS ? kept - RELAY_MARGIN_MS : RELAY_MARGIN_MS;
	kept = kept < RELAY_IDLE_MS ? kept : RELAY_IDLE_MS;
	return kept < direct_ms ? (uint32_t)kept : direct_ms;
}

void ntm_ways_wipe(struct ntm_ways *w)
{
	sodium_memzero(w, sizeof(*w));
	w->current = -1;
}
