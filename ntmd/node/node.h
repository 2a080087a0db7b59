/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The node: owner of everything, and the edge where I/O happens. One thread, one libuv loop.
 *
 *	packets		node.c -> dc.c, or setup.c -> tunnel.c
 *	names, misses	lookup.c: what waits; asks setup.c for a tunnel
 *	set-ups		setup.c: Direction Requests, Route Directions, what tunnels want done
 *	many sockets	ports.c, where a NAT gives a port to each destination
 *	commands	admin.c
 *	IPv4 by NAT64	reach.c
 */
#ifndef NTM_NODE_H
#define NTM_NODE_H

#include <uv.h>
#include "common/backoff.h"
#include "common/control.h"
#include "common/udp.h"
#include "config.h"
#include "datapath.h"
#include "common/dc.h"
#include "nat64.h"
#include "peers.h"
#include "pins.h"
#include "survey.h"

/* Why a packet of signalling was dropped. */
enum ntm_node_drop {
	NTM_NODE_DROP_SHORT,
	NTM_NODE_DROP_VERSION, /* or of a type that is not for a node */
	NTM_NODE_DROP_MAC,
	NTM_NODE_DROP_AUTH,
	NTM_NODE_DROP_REPLAY,
	NTM_NODE_DROP_MALFORMED,
	NTM_NODE_DROP_SESSION, /* unknown session ID */
	NTM_NODE_DROP_PATH,    /* unknown Path ID */
	NTM_NODE_DROP_STATE,   /* authentic, but not now */
	NTM_NODE_DROP_RATE,    /* under load, or too many wait */
	NTM_NODE_DROPS,
};
extern const char *const ntm_node_drop_names[NTM_NODE_DROPS];

#define NTM_NODE_EARLY 16
#define NTM_NODE_EARLY_MS 1000u

/** struct ntm_node_early - a Tunnel Request that came before its Route Direction */
struct ntm_node_early {
	uint64_t until_ms; /* 0: free */
	uint32_t path_id;
	union ntm_addr from;
	uint8_t packet[NTM_TUNNEL_PACKET];
	size_t len;
};

struct ntm_node_join; /* a "join" of ntmctl that waits, admin.c */

/** struct ntm_node_fds - descriptors that a parent process handed in; @tun: -1 for none */
struct ntm_node_fds {
	int tun;
	int udp[2];
	unsigned int udp_count;
};

struct ntm_node {
	uv_loop_t loop;
	uv_timer_t dc_timer;	/* deadlines of dc */
	uv_timer_t hold_timer;	/* runs while something waits in lookup.c */
	uv_timer_t dp_timer;	/* tries to get the data path back */
	uv_timer_t leave_timer; /* goodbyes */
	uv_timer_t pins_timer;	/* runs while there are keys to be written */
	uv_timer_t survey_timer;
	uv_timer_t dns_timer; /* runs while this host's resolver could not be told */
	uv_signal_t signals[3];
	struct ntm_node_config config;
	struct ntm_node_fds fds;
	const char *config_path;
	bool verbose;

	struct ntm_noise_keypair self;
	struct ntm_udp *udp;
	struct ntm_netif_watch *watch;
	struct ntm_clock_watch *clock_watch;
	struct ntm_nat64_find *nat64_find; /* these four are reach.c's */
	struct ntm_nat64 nat64;
	bool has_ipv4;	    /* of its own */
	bool tried_dc_ipv4; /* since the addresses changed */
	struct ntm_control *control;
	const struct ntm_datapath_ops *dp_ops; /* NULL until there was one */
	struct ntm_datapath *dp;	       /* NULL: no lease yet, or lost */
	struct ntm_upstream *upstream;	       /* these five are dns.c's */
	struct ntm_dnsconf *dnsconf;
	struct ntm_stub *stub;
	struct ntm_dp_lease dns_lease; /* what dns.c told of or is to */
	struct ntm_backoff dns_backoff;
	uint64_t dns_told_ms;
	char dp_why[256]; /* why there is none, for people */

	struct ntm_dc dc;
	struct ntm_survey survey;
	struct ntm_netcheck *netcheck; /* NULL: none runs */
	struct ntm_hs_guard guard;
	struct ntm_peers peers;
	struct ntm_ports ports;
	struct ntm_pins pins;
	struct ntm_targets *targets; /* lookup.c: misses of addresses whose peer is not known */
	struct ntm_node_early early[NTM_NODE_EARLY];

	bool has_lease;
	bool dc_unwritten; /* the state file does not say yet that this DC gave a lease: it has its token, or @before */
	bool has_before;
	struct ntm_join before; /* the DC until now, while a new one has given no lease yet */
	struct ntm_msg lease;
	struct ntm_candidate candidates[NTM_CANDIDATES_MAX]; /* as last registered, or seen since */
	unsigned int candidate_count;
	bool told_registered; /* the log says so */

	struct ntm_node_join *join;
	uint64_t drops[NTM_NODE_DROPS];
	struct ntm_log_limit own_log, forged_log;
	struct ntm_log_limit
		zone_log[NTM_PEER_ZONES_MAX + 1]; /* as in the lease; the last is our own */
	struct ntm_log_limit tunnel_log[NTM_PEER_ZONES_MAX]; /* of those others alone */
	unsigned int goodbyes;
	bool leaving;
	int exit_code;
};

/** ntm_node_run() - start, run until SIGTERM or SIGINT, stop; returns the exit code */
int ntm_node_run(const struct ntm_node_config *config, const struct ntm_node_fds *fds,
		 const char *config_path, bool verbose);

uint64_t ntm_node_now_us(void); /* of common/clock.h */
uint64_t ntm_node_now_ms(void);
void ntm_node_drop(struct ntm_node *node, enum ntm_node_drop why);
/** ntm_node_drop_errno() - the same for what the state machines return */
void ntm_node_drop_errno(struct ntm_node *node, int err);
/** ntm_node_zone_log() - may another line be logged of what the DC of this name's zone can cause? Each zone's has its own */
bool ntm_node_zone_log(struct ntm_node *node, const char *name);
/** ntm_node_tunnel_log() - may another line be logged of how a tunnel with this peer fares? Of our own zone's all are */
bool ntm_node_tunnel_log(struct ntm_node *node, const struct ntm_peer *peer);
int ntm_node_send(struct ntm_node *node, const union ntm_addr *to, const uint8_t *packet,
		  size_t len);
/** ntm_node_send_by() - the same by another socket; NULL: by the node's own */
int ntm_node_send_by(struct ntm_node *node, struct ntm_udp *by, const union ntm_addr *to,
		     const uint8_t *packet, size_t len);
/** ntm_node_send_df() - the same with DF: -EMSGSIZE if our own link does not take it */
int ntm_node_send_df(struct ntm_node *node, struct ntm_udp *by, const union ntm_addr *to,
		     const uint8_t *packet, size_t len);
/** ntm_node_received() - a datagram of signalling, by whatever socket; @node: a struct ntm_node */
void ntm_node_received(void *node, const uint8_t *packet, size_t len, const union ntm_addr *source);
/** ntm_node_reachable() - there are other ways to send than before: the DC and every live peer are to learn of it */
void ntm_node_reachable(struct ntm_node *node);
/** ntm_node_survey() - ask the relays again, now */
void ntm_node_survey(struct ntm_node *node);
/** ntm_node_session_id() - random, not 0, not in use */
uint32_t ntm_node_session_id(void *node);
uint32_t ntm_node_suites(void *node);
/** ntm_node_arm_dc() - the DC's deadline may have changed */
void ntm_node_arm_dc(struct ntm_node *node);
/** ntm_node_arm() - start a timer for a monotonic ms; UINT64_MAX stops it */
void ntm_node_arm(struct ntm_node *node, uv_timer_t *timer, uv_timer_cb fn, uint64_t at_ms);
/** ntm_node_write_pins() - if there are keys of peers that the file does not have, in a moment it will */
void ntm_node_write_pins(struct ntm_node *node);
/** ntm_node_path() - a file below the state directory */
void ntm_node_path(const struct ntm_node *node, const char *name, char out[PATH_MAX]);
/** ntm_node_learn() - a virtual network, from a Route Direction of a peer there; false: only a new lease can tell, and was asked for */
bool ntm_node_learn(struct ntm_node *node, const struct ntm_msg *direction);
/** ntm_node_use_dc() - a DC from a join string, from the state, or from the configuration */
void ntm_node_use_dc(struct ntm_node *node, const struct ntm_join *where, bool has_token);

#endif
