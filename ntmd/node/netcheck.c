// SPDX-License-Identifier: GPL-2.0
/*
 * A check has a list of questions: a probe that left by one socket, and a nonce whose answer is awaited at one (the same, or another).
 * Each is asked up to three times. Two rounds, since the second needs what the first has found; and lifetimes, in their own time.
 */
#include "netcheck.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define TICK_MS 50u
#define TRIES 3u
#define RETRY_MS 300u
#define ROUND_MS 1200u /* three tries, and a round trip of 600 ms */
#define QUESTIONS 64u

/* Sockets of a check; OWN is the node's */
enum socket { OWN, MAPPING, FILTER, LIVES, SOCKETS = LIVES + NTM_NETCHECK_LIVES };

/** struct question - @at: the socket that the answer comes to; @result: set when it has; @observed: where the RS says it was asked from */
struct question {
	uint8_t nonce[16];
	uint8_t relay_key[32];
	enum socket by, at;
	union ntm_addr to;
	bool other_port,
		response; /* a probe, or (to ourselves) something that looks like an answer */
	uint16_t to_port;
	unsigned int size;
	unsigned int tries;
	uint64_t next_ms;
	bool answered;
	bool *result;
	union ntm_addr *observed;
};

/** struct own_socket - one of the check's own; @check is for its callback */
struct own_socket {
	struct ntm_netcheck *check;
	enum socket number;
	struct ntm_udp *udp;
};

struct ntm_netcheck {
	struct ntm_node *node;
	struct ntm_control_reply *reply;
	uv_timer_t timer;
	bool lifetime;
	uint64_t start_ms;
	unsigned int round;
	struct own_socket sockets[SOCKETS];
	union ntm_addr filter_at; /* where relay A sees the filter's socket */
	union ntm_addr life_at[NTM_NETCHECK_LIVES];
	struct question questions[QUESTIONS];
	unsigned int count;
	struct ntm_netcheck_results results;
};

/* Relays that can be asked by IPv4; NULL: there is none (more) */
static const struct ntm_survey_relay *relay4(const struct ntm_node *node, unsigned int nth,
					     union ntm_addr *addr)
{
	for (unsigned int i = 0; i < node->survey.count; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			const struct ntm_survey_way *way = &node->survey.relays[i].ways[j];

			if (way->addr.sa.sa_family != AF_INET || nth--)
				continue;
			*addr = way->addr;
			return &node->survey.relays[i];
		}
	}
	return NULL;
}

/* Questions */

static int send_by(struct ntm_netcheck *check, const struct question *q, const uint8_t *packet,
		   size_t len)
{
	struct ntm_udp *udp = q->by == OWN ? check->node->udp : check->sockets[q->by].udp;

	if (!udp)
		return -1;
	return q->size ? ntm_udp_send_df(udp, &q->to, packet, len) :
			 ntm_udp_send(udp, &q->to, packet, len);
}

static void ask_again(struct ntm_netcheck *check, struct question *q, uint64_t now_ms)
{
	static uint8_t packet[NTM_RELAY_PROBE_MAX]; /* one thread; zeros behind the probe */
	struct ntm_relay_probe probe = { .other_port = q->other_port, .to_port = q->to_port };

	memcpy(probe.nonce, q->nonce, sizeof(probe.nonce));
	ntm_relay_put_probe(packet, &probe, q->response, q->relay_key);
	q->tries++;
	q->next_ms = now_ms + RETRY_MS;
	/* Too large for the link, or no way by this family: no answer is an answer */
	if (send_by(check, q, packet, q->size ? q->size : NTM_RELAY_PROBE_LEN))
		q->tries = TRIES;
}

static struct question *ask(struct ntm_netcheck *check, const uint8_t relay_key[32],
			    const struct question *what)
{
	struct question *q;

	if (check->count == QUESTIONS)
		return NULL;
	q = &check->questions[check->count++];
	*q = *what;
	randombytes_buf(q->nonce, sizeof(q->nonce));
	memcpy(q->relay_key, relay_key, sizeof(q->relay_key));
	ask_again(check, q, ntm_node_now_ms());
	return q;
}

static bool answered(struct ntm_netcheck *check, enum socket at, const uint8_t *packet, size_t len)
{
	struct ntm_relay_probe got;

	for (unsigned int i = 0; i < check->count; i++) {
		struct question *q = &check->questions[i];

		if (q->at != at || !ntm_relay_get_probe(&got, packet, len, q->relay_key) ||
		    sodium_memcmp(got.nonce, q->nonce, sizeof(got.nonce)) != 0)
			continue;
		q->answered = true;
		if (q->result)
			*q->result = true;
		if (q->observed)
			*q->observed = got.observed;
		return true;
	}
	return false;
}

static void on_packet(void *ctx, const uint8_t *packet, size_t len, const union ntm_addr *from)
{
	const struct own_socket *s = ctx;

	(void)from;
	if (len && packet[0] == NTM_PKT_RELAY_PROBE_RESPONSE)
		(void)answered(s->check, s->number, packet, len);
}

bool ntm_netcheck_packet(struct ntm_node *node, const uint8_t *packet, size_t len)
{
	return node->netcheck && answered(node->netcheck, OWN, packet, len);
}

/* The first round: what needs nothing */

static void ask_mapping(struct ntm_netcheck *check)
{
	const struct ntm_survey_relay *relay;
	union ntm_addr to;

	for (unsigned int i = 0; i < 2; i++) {
		relay = relay4(check->node, i, &to);
		if (!relay)
			return;
		check->results.relays4++;
		(void)ask(check, relay->info.key,
			  &(struct question){ .by = MAPPING,
					      .at = MAPPING,
					      .to = to,
					      .observed = &check->results.mapping[i] });
	}
}

static void ask_filter_mapping(struct ntm_netcheck *check)
{
	union ntm_addr to;
	const struct ntm_survey_relay *relay = relay4(check->node, 0, &to);

	if (relay)
		(void)ask(check, relay->info.key,
			  &(struct question){ .by = FILTER,
					      .at = FILTER,
					      .to = to,
					      .observed = &check->filter_at });
}

/* Bytes of UDP payload that make an IP packet of this size */
static unsigned int payload(unsigned int mtu, int family)
{
	return mtu - 8 - (family == AF_INET ? 20 : 40);
}

static void ask_mtu(struct ntm_netcheck *check, const struct ntm_survey_relay *relay,
		    const union ntm_addr *to)
{
	const unsigned int f = to->sa.sa_family == AF_INET6;

	for (unsigned int i = 0; i < NTM_NETCHECK_MTUS; i++) {
		check->results.mtu_asked[f][i] = true;
		(void)ask(
			check, relay->info.key,
			&(struct question){ .by = MAPPING,
					    .at = MAPPING,
					    .to = *to,
					    .size = payload(ntm_netcheck_mtus[i], to->sa.sa_family),
					    .result = &check->results.mtu[f][i] });
	}
}

/* One relay for each family: how wide a way to it is says what the own links and those next to them carry */
static void ask_mtus(struct ntm_netcheck *check)
{
	const struct ntm_survey *s = &check->node->survey;

	for (unsigned int i = 0; i < s->count; i++) {
		for (unsigned int j = 0; j < 2; j++) {
			const union ntm_addr *to = &s->relays[i].ways[j].addr;
			const unsigned int f = to->sa.sa_family == AF_INET6;

			if (to->sa.sa_family && !check->results.mtu_asked[f][0])
				ask_mtu(check, &s->relays[i], to);
		}
	}
}

static void ask_life_mappings(struct ntm_netcheck *check)
{
	union ntm_addr to;
	const struct ntm_survey_relay *relay = relay4(check->node, 0, &to);

	for (unsigned int i = 0; relay && i < NTM_NETCHECK_LIVES; i++)
		(void)ask(check, relay->info.key,
			  &(struct question){ .by = LIVES + i,
					      .at = LIVES + i,
					      .to = to,
					      .observed = &check->life_at[i] });
}

static void first_round(struct ntm_netcheck *check)
{
	ntm_node_survey(check->node);
	ask_mapping(check);
	ask_filter_mapping(check);
	ask_mtus(check);
	if (check->lifetime)
		ask_life_mappings(check);
}

/* The second one: others are asked to send to what the first has found */

/* From the own socket, which no answer comes back to; the relay sends to the same address, so that has to be one and the same */
static void ask_to_port(struct ntm_netcheck *check, const struct ntm_survey_relay *relay,
			const union ntm_addr *to, enum socket at, const union ntm_addr *mapped,
			bool other_port, bool *result)
{
	(void)ask(check, relay->info.key,
		  &(struct question){ .by = OWN,
				      .at = at,
				      .to = *to,
				      .other_port = other_port,
				      .to_port = ntohs(mapped->v4.sin_port),
				      .result = result });
}

static void ask_filter(struct ntm_netcheck *check)
{
	const union ntm_addr own = ntm_survey_observed4(&check->node->survey);
	struct ntm_netcheck_results *r = &check->results;
	const struct ntm_survey_relay *a, *b;
	union ntm_addr to_a, to_b;

	a = relay4(check->node, 0, &to_a);
	b = relay4(check->node, 1, &to_b);
	if (!a || check->filter_at.sa.sa_family != AF_INET || own.sa.sa_family != AF_INET ||
	    own.v4.sin_addr.s_addr != check->filter_at.v4.sin_addr.s_addr)
		return;
	r->filter_asked = true;
	ask_to_port(check, a, &to_a, FILTER, &check->filter_at, true, &r->from_port);
	if (b && to_b.v4.sin_addr.s_addr != to_a.v4.sin_addr.s_addr)
		ask_to_port(check, b, &to_b, FILTER, &check->filter_at, false, &r->from_address);
	else
		r->relays4 = 1;
	r->hairpin_asked = true;
	(void)ask(check, a->info.key,
		  &(struct question){ .by = FILTER,
				      .at = OWN,
				      .to = own,
				      .response = true,
				      .result = &r->hairpin });
}

/* Lifetimes */

static void ask_life(struct ntm_netcheck *check, unsigned int i)
{
	union ntm_addr to;
	const struct ntm_survey_relay *relay = relay4(check->node, 0, &to);

	check->results.life_asked[i] = true;
	if (relay && check->life_at[i].sa.sa_family == AF_INET)
		ask_to_port(check, relay, &to, LIVES + i, &check->life_at[i], false,
			    &check->results.life[i]);
}

static bool lives_over(struct ntm_netcheck *check, uint64_t age_ms)
{
	bool over = true;

	if (!check->lifetime || !check->results.relays4)
		return true;
	for (unsigned int i = 0; i < NTM_NETCHECK_LIVES; i++) {
		const uint64_t at = (uint64_t)ntm_netcheck_lives[i] * 1000;

		if (age_ms >= at && !check->results.life_asked[i])
			ask_life(check, i);
		over &= age_ms >= at + ROUND_MS;
	}
	return over;
}

/* Beginning and end */

static void closed(uv_handle_t *timer)
{
	free(timer->data);
}

static void end(struct ntm_netcheck *check)
{
	for (unsigned int i = 0; i < SOCKETS; i++)
		ntm_udp_close(check->sockets[i].udp);
	check->node->netcheck = NULL;
	uv_close((uv_handle_t *)&check->timer, closed);
}

static void retry(struct ntm_netcheck *check, uint64_t now_ms)
{
	for (unsigned int i = 0; i < check->count; i++) {
		struct question *q = &check->questions[i];

		if (!q->answered && q->tries < TRIES && now_ms >= q->next_ms)
			ask_again(check, q, now_ms);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct ntm_netcheck *check = timer->data;
	const uint64_t now = ntm_node_now_ms(), age = now - check->start_ms;

	retry(check, now);
	if (check->round == 1 && age >= ROUND_MS) {
		check->round = 2;
		ask_filter(check);
	}
	if (age < 2 * ROUND_MS || !lives_over(check, age))
		return;
	ntm_control_answer(check->reply,
			   ntm_netcheck_report(&check->node->survey, &check->results));
	end(check);
}

static bool wanted(const struct ntm_netcheck *check, unsigned int number)
{
	return number != OWN && (number < LIVES || check->lifetime);
}

/* One that cannot be opened is not asked by; what it would have told stays unknown */
static void open_sockets(struct ntm_netcheck *check)
{
	union ntm_addr any4 = { .v4 = { .sin_family = AF_INET } };
	union ntm_addr any6 = { .v6 = { .sin6_family = AF_INET6 } };

	for (unsigned int i = 0; i < SOCKETS; i++) {
		struct own_socket *s = &check->sockets[i];

		s->check = check;
		s->number = i;
		if (wanted(check, i) &&
		    ntm_udp_open(&s->udp, &check->node->loop, &any4, &any6, false, on_packet, s))
			ntm_warn("netcheck: cannot open a socket");
	}
}

bool ntm_netcheck_start(struct ntm_node *node, bool lifetime, struct ntm_control_reply *reply)
{
	struct ntm_netcheck *check;

	if (node->netcheck)
		return false;
	check = calloc(1, sizeof(*check));
	if (!check)
		return false;
	check->node = node;
	check->reply = reply;
	check->lifetime = lifetime;
	check->start_ms = ntm_node_now_ms();
	check->round = 1;
	node->netcheck = check;
	open_sockets(check);
	uv_timer_init(&node->loop, &check->timer);
	check->timer.data = check;
	first_round(check);
	uv_timer_start(&check->timer, on_timer, TICK_MS, TICK_MS);
	return true;
}

void ntm_netcheck_stop(struct ntm_node *node)
{
	if (!node->netcheck)
		return;
	ntm_control_fail(node->netcheck->reply, NTM_EXIT_NOT_RUNNING, "ntmd is going away");
	end(node->netcheck);
}
