/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a node knows of the network around it (docs/PROTOCOL.md 8.3): how far each relay server is that its DC named, and how the NAT in
 * front of it maps its port. Three Relay Probes to each address of each relay, each once the one before is answered, or after 500 ms and 1 s;
 * what comes back says both. The DC is told with the next registration, which the owner makes at once if something changed. No I/O, and no clock.
 */
#ifndef NTM_SURVEY_H
#define NTM_SURVEY_H

#include "common/msg.h"
#include "common/relay.h"

#define NTM_SURVEY_TRIES 3u

/**
 * struct ntm_survey_way - a relay by one family
 * @nonce:	of a round, but its last byte, which says the try
 * @sent_us:	when each of the @tries left; 0: it was answered
 * @waiting:	the round goes on; @answered: one of its probes was
 * @observed:	where it sees us; @rtt_us: the least of the last round; 0: it has not answered
 */
struct ntm_survey_way {
	union ntm_addr addr;
	uint8_t nonce[16];
	unsigned int tries;
	uint64_t sent_us[NTM_SURVEY_TRIES], next_ms;
	bool waiting, answered;
	uint32_t rtt_us;
	union ntm_addr observed;
};

struct ntm_survey_relay {
	struct ntm_relay_info info;
	struct ntm_survey_way ways[2];
};

/** struct ntm_survey_ops - @done: a round is over, and something that the DC should know is new */
struct ntm_survey_ops {
	int (*send)(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len);
	void (*done)(void *ctx);
};

/**
 * struct ntm_survey
 * @own:	our real addresses, @dc: where the DC hears us
 * @told:	what the last registration said
 */
struct ntm_survey {
	const struct ntm_survey_ops *ops;
	void *ctx;
	struct ntm_survey_relay relays[NTM_RELAYS_MAX];
	unsigned int count;
	struct ntm_candidate own[NTM_CANDIDATES_MAX];
	unsigned int own_count;
	union ntm_addr dc, dc_at;
	uint64_t again_ms;
	bool running;
	struct {
		bool any;
		uint8_t nat;
		struct ntm_relay_rtt rtts[NTM_RELAYS_MAX];
		unsigned int count;
	} told;
};

void ntm_survey_init(struct ntm_survey *s, const struct ntm_survey_ops *ops, void *ctx);
/** ntm_survey_relays() - a lease named these, in any order; starts a round if they are others than before */
void ntm_survey_relays(struct ntm_survey *s, const struct ntm_relay_info *relays,
		       unsigned int count, uint64_t now_us);
/** ntm_survey_dc() - the DC at @at sees us as @observed */
void ntm_survey_dc(struct ntm_survey *s, const union ntm_addr *at, const union ntm_addr *observed);
/** ntm_survey_own() - our real addresses; starts a round if they are others than before */
void ntm_survey_own(struct ntm_survey *s, const struct ntm_candidate *own, unsigned int count,
		    uint64_t now_us);
/** ntm_survey_start() - a round now */
void ntm_survey_start(struct ntm_survey *s, uint64_t now_us);
/** ntm_survey_response() - a Relay Probe Response; false: none that is awaited */
bool ntm_survey_response(struct ntm_survey *s, const uint8_t *packet, size_t len,
			 const union ntm_addr *from, uint64_t now_us);
void ntm_survey_tick(struct ntm_survey *s, uint64_t now_us);
uint64_t ntm_survey_deadline(const struct ntm_survey *s); /* monotonic ms */
/** ntm_survey_nat() - how the NAT maps, from all who told where they see us */
enum ntm_nat ntm_survey_nat(const struct ntm_survey *s);
/** ntm_survey_observed4() - our IPv4 address and port as others see it; family 0: nobody told */
union ntm_addr ntm_survey_observed4(const struct ntm_survey *s);
/** ntm_survey_fill() - NAT and RELAY_RTT of a Registration Request */
void ntm_survey_fill(struct ntm_survey *s, struct ntm_msg *m);

#endif
