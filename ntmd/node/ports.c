// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets of a search are many and short-lived, so they stand in one epoll, of which the loop knows. Its memory stays until the loop has
 * closed that handle: what is read here may end the search, or the tunnel.
 */
#include "ports.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "carry.h"
#include "common/log.h"
#include "reach.h"
#include "setup.h"

#define READ_AT_ONCE 16
#define LOST_MS 12000u	 /* the path is on a relay, and nothing comes by the way of its own */
#define UNUSED_MS 60000u /* it is on another direct way, and these are probed every 25 s */

/**
 * struct ntm_port_set - the sockets of a search
 * @slot:	whose; NULL: the search is over
 * @epoll:	of all of @fd, of which @open are not -1
 * @reading:	the one that is being read, -1: none
 */
struct ntm_port_set {
	struct ntm_node *node;
	struct ntm_slot *slot;
	uv_poll_t poll;
	int epoll;
	int fd[NTM_SEARCH_SOCKETS];
	unsigned int open;
	int reading;
};

/* What is known */

static struct ntm_search_facts facts_of(const struct ntm_node *node, const struct ntm_slot *slot)
{
	struct ntm_search_facts facts = {
		.own = ntm_survey_nat(&node->survey),
		.peer = slot->ports.peer_nat,
		.seen = ntm_survey_observed4(&node->survey),
		.named = slot->ports.named,
	};

	facts.renumbered = facts.seen.sa.sa_family == AF_INET && node->udp &&
			   ntohs(facts.seen.v4.sin_port) != ntm_udp_port(node->udp);
	return facts;
}

void ntm_ports_start(struct ntm_slot *slot, const struct ntm_msg *direction)
{
	struct ntm_slot_ports *p = &slot->ports;

	memset(p, 0, sizeof(*p));
	if (NTM_HAS(direction, NAT))
		p->peer_nat = direction->nat;
	for (unsigned int i = 0; i < direction->candidate_count; i++) {
		const struct ntm_candidate *c = &direction->candidates[i];

		/* What a peer says of itself may be anybody's address; this one its DC has heard it from */
		if (c->kind == NTM_CAND_REFLEXIVE && c->addr.sa.sa_family == AF_INET) {
			p->named = c->addr;
			return;
		}
	}
}

/* Sockets */

static void set_closed(uv_handle_t *handle)
{
	struct ntm_port_set *set = handle->data;

	close(set->epoll);
	free(set);
}

static void close_one(struct ntm_port_set *set, unsigned int i)
{
	if (set->fd[i] < 0)
		return;
	close(set->fd[i]); /* which takes it out of the epoll */
	set->fd[i] = -1;
	set->open--;
	set->node->ports.open--;
}

static void set_close(struct ntm_port_set *set)
{
	set->slot = NULL;
	for (unsigned int i = 0; i < NTM_SEARCH_SOCKETS; i++)
		close_one(set, i);
	uv_close((uv_handle_t *)&set->poll, set_closed);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static struct ntm_port_set *set_new(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_port_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->node = node;
	set->slot = slot;
	set->reading = -1;
	memset(set->fd, 0xff, sizeof(set->fd));
	set->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (set->epoll < 0 || uv_poll_init(&node->loop, &set->poll, set->epoll)) {
		if (set->epoll >= 0)
			close(set->epoll);
		free(set);
		return NULL;
	}
	set->poll.data = set;
	if (uv_poll_start(&set->poll, UV_READABLE, on_readable)) {
		set_close(set);
		return NULL;
	}
	return set;
}

/* Half of what this process may open is left to everything else */
static bool is_room(const struct ntm_node *node)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) || node->ports.open < limit.rlim_cur / 2;
}

static int open_socket(int family)
{
	static const int one = 1;
	union ntm_addr any = { .sa.sa_family = (sa_family_t)family };
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))
		err = -errno;
	if (!err && bind(fd, &any.sa, ntm_addr_len(&any)))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int add_socket(struct ntm_port_set *set, unsigned int i, int family)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
	int fd = is_room(set->node) ? open_socket(family) : -EMFILE;
	int err;

	if (fd < 0)
		return fd;
	if (epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, &event)) {
		err = -errno;
		close(fd);
		return err;
	}
	set->fd[i] = fd;
	set->open++;
	set->node->ports.open++;
	return 0;
}

/* Searches */

static void stop(struct ntm_node *node, struct ntm_slot *slot, bool found)
{
	struct ntm_slot_ports *p = &slot->ports;

	if (p->search.side == NTM_SEARCH_NONE)
		return;
	ntm_search_stop(&p->search);
	ntm_gate_leave(&node->ports.gate, &p->named, found);
	if (p->set)
		set_close(p->set);
	p->set = NULL;
}

static bool begin(struct ntm_node *node, struct ntm_slot *slot, enum ntm_search_side side)
{
	struct ntm_slot_ports *p = &slot->ports;
	const uint64_t now = ntm_node_now_ms();

	if (!ntm_gate_enter(&node->ports.gate, &p->named, slot->peer->zone, now))
		return false;
	ntm_search_start(&p->search, side, &p->named, randombytes_random(), now);
	ntm_debug("%s: looking for a port, %s", slot->peer->name,
		  side == NTM_SEARCH_OPENS ? "by many of ours" : "among the peer's");
	return true;
}

/* Path Probes that nobody waits for: whoever is heard is a way */
static void probe(struct ntm_slot *slot, const union ntm_addr *to, struct ntm_tunnel_acts *acts)
{
	acts->count = 0;
	ntm_tunnel_probe(&slot->tunnel, to, ntm_ways_stray(ntm_node_now_us()), acts);
}

static void probe_by(struct ntm_node *node, struct ntm_slot *slot, int fd)
{
	struct ntm_tunnel_acts acts;
	union ntm_addr where;

	if (fd < 0 || ntm_reach_out(node, &slot->ports.named, &where))
		return;
	probe(slot, &slot->ports.named, &acts);
	/* One that does not leave is lost, as one on the way is */
	if (acts.count)
		(void)!sendto(fd, acts.act[0].packet, acts.act[0].len, MSG_DONTWAIT | MSG_NOSIGNAL,
			      &where.sa, ntm_addr_len(&where));
	ntm_tunnel_acts_wipe(&acts);
}

static void probe_to(struct ntm_node *node, struct ntm_slot *slot, const union ntm_addr *to)
{
	struct ntm_tunnel_acts acts;

	probe(slot, to, &acts);
	if (acts.count)
		ntm_carry_act(node, slot, &acts.act[0]);
	ntm_tunnel_acts_wipe(&acts);
}

static void call_peer(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_tunnel_acts acts = { 0 };

	ntm_tunnel_search(&slot->tunnel, &acts);
	if (acts.count)
		ntm_carry_act(node, slot, &acts.act[0]);
	ntm_tunnel_acts_wipe(&acts);
}

static void full(struct ntm_node *node, struct ntm_slot *slot, unsigned int open, int err)
{
	if (!node->ports.told_full)
		ntm_warn("no more sockets to look for ports with: %s", strerror(-err));
	node->ports.told_full = true;
	ntm_search_full(&slot->ports.search, open);
}

static void open_next(struct ntm_node *node, struct ntm_slot *slot, unsigned int number)
{
	struct ntm_slot_ports *p = &slot->ports;
	union ntm_addr where;
	int err = 0;

	if (number >= p->search.sockets)
		return; /* there were to be more of this tick */
	if (!p->set)
		p->set = set_new(node, slot);
	if (!p->set)
		err = -ENOMEM;
	else if (ntm_reach_out(node, &p->named, &where))
		err = -ENETUNREACH;
	else
		err = add_socket(p->set, number, where.sa.sa_family);
	if (err)
		full(node, slot, number, err);
	else
		probe_by(node, slot, p->set->fd[number]);
}

static void run_act(struct ntm_node *node, struct ntm_slot *slot, const struct ntm_search_act *act)
{
	struct ntm_slot_ports *p = &slot->ports;

	switch (act->type) {
	case NTM_SEARCH_OPEN:
		open_next(node, slot, act->number);
		break;
	case NTM_SEARCH_AGAIN:
		if (p->set)
			probe_by(node, slot, p->set->fd[act->number]);
		break;
	case NTM_SEARCH_CALL:
		call_peer(node, slot);
		break;
	case NTM_SEARCH_PROBE:
		probe_to(node, slot, &act->addr);
		break;
	case NTM_SEARCH_END:
		ntm_debug("%s: no port was found", slot->peer->name);
		break;
	}
}

static void run_search(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_slot_ports *p = &slot->ports;
	const enum ntm_search_side side = p->search.side;
	struct ntm_search_acts acts;

	ntm_search_tick(&p->search, ntm_node_now_ms(), &acts);
	for (unsigned int i = 0; i < acts.count; i++)
		run_act(node, slot, &acts.act[i]);
	if (side == NTM_SEARCH_NONE || p->search.side != NTM_SEARCH_NONE)
		return;
	p->search.side = side; /* as it was, for stop() */
	stop(node, slot, false);
}

/* Not one whose socket the path has already: it may come back to life */
static void consider(struct ntm_node *node, struct ntm_slot *slot)
{
	const bool stuck = ntm_ways_stuck(&slot->ways, ntm_node_now_us());
	const struct ntm_way *way = ntm_ways_current(&slot->ways);
	struct ntm_search_facts facts;

	if (slot->ports.search.side != NTM_SEARCH_NONE) {
		if (!stuck)
			stop(node, slot, way && way->kind != NTM_WAY_RELAY);
		return;
	}
	if (!stuck || slot->ports.own || node->ports.own >= NTM_DP_SOCKETS || !node->dp ||
	    !slot->in_datapath)
		return;
	facts = facts_of(node, slot);
	if (ntm_search_opens(&facts))
		(void)begin(node, slot, NTM_SEARCH_OPENS);
}

void ntm_ports_called(struct ntm_node *node, struct ntm_slot *slot)
{
	const struct ntm_search_facts facts = facts_of(node, slot);

	if (slot->ports.search.side == NTM_SEARCH_NONE && ntm_search_answers(&facts) &&
	    ntm_ways_stuck(&slot->ways, ntm_node_now_us()))
		(void)begin(node, slot, NTM_SEARCH_SENDS);
}

/* The socket that was found */

static void drop_own(struct ntm_node *node, struct ntm_slot *slot)
{
	struct ntm_slot_ports *p = &slot->ports;

	if (!p->own)
		return;
	if (node->dp && slot->in_datapath)
		(void)ntm_reach_path_set(node,
					 &(struct ntm_dp_path){ .path_id = slot->tunnel.path_id,
								.no_socket = true });
	ntm_udp_close(p->own);
	p->own = NULL;
	node->ports.own--;
}

static void check_own(struct ntm_node *node, struct ntm_slot *slot)
{
	const struct ntm_way *way = ntm_ways_current(&slot->ways);
	struct ntm_slot_ports *p = &slot->ports;
	uint64_t silent;

	if (!p->own || !way || ntm_addr_equal(&way->addr, &p->own_to))
		return;
	silent = ntm_node_now_ms() - p->heard_ms;
	if (silent < (way->kind == NTM_WAY_RELAY ? LOST_MS : UNUSED_MS))
		return;
	ntm_debug("%s: its port leads nowhere any more", slot->peer->name);
	drop_own(node, slot);
}

static int own_open(struct ntm_node *node, struct ntm_slot *slot, int fd)
{
	struct ntm_slot_ports *p = &slot->ports;
	union ntm_addr name = { 0 };
	socklen_t len = sizeof(name);
	const bool v4 = !getsockname(fd, &name.sa, &len) && name.sa.sa_family == AF_INET;

	return ntm_udp_adopt(&p->own, &node->loop, v4 ? fd : -1, v4 ? -1 : fd, true,
			     ntm_node_received, node);
}

/* The data path gets it at once, for what the peer sends there; what is sent goes the way of before until the path moves */
static void take_own(struct ntm_node *node, struct ntm_slot *slot, int fd)
{
	struct ntm_slot_ports *p = &slot->ports;
	struct ntm_ways_acts acts = { 0 };
	int err = own_open(node, slot, fd);

	p->own_to = p->named;
	p->heard_ms = ntm_node_now_ms();
	if (!err)
		err = ntm_reach_path_set(node,
					 &(struct ntm_dp_path){ .path_id = slot->tunnel.path_id,
								.socket = p->own });
	if (err) {
		if (ntm_node_tunnel_log(node, slot->peer))
			ntm_warn("%s: the data path takes no socket for it: %s", slot->peer->name,
				 strerror(-err));
		ntm_udp_close(p->own);
		p->own = NULL;
		return;
	}
	node->ports.own++;
	if (ntm_node_tunnel_log(node, slot->peer))
		ntm_info("%s: the peer has found a port", slot->peer->name);
	ntm_ways_found(&slot->ways, ntm_node_now_us(), &p->own_to, &acts);
	ntm_carry_run(node, slot, &acts);
}

void ntm_ports_heard(struct ntm_node *node, struct ntm_slot *slot, const union ntm_addr *from)
{
	struct ntm_slot_ports *p = &slot->ports;
	int fd;

	if (p->own && ntm_addr_equal(from, &p->own_to))
		p->heard_ms = ntm_node_now_ms();
	if (p->set && p->set->reading >= 0) {
		fd = p->set->fd[p->set->reading];
		p->set->fd[p->set->reading] = -1;
		p->set->open--;
		node->ports.open--;
		(void)epoll_ctl(p->set->epoll, EPOLL_CTL_DEL, fd, NULL);
		stop(node, slot, true);
		take_own(node, slot, fd);
	} else if (p->search.side == NTM_SEARCH_SENDS && from->sa.sa_family == AF_INET &&
		   from->v4.sin_addr.s_addr == p->named.v4.sin_addr.s_addr) {
		stop(node, slot, true);
	}
}

struct ntm_udp *ntm_ports_by(const struct ntm_slot *slot, const union ntm_addr *to)
{
	return slot->ports.own && ntm_addr_equal(to, &slot->ports.own_to) ? slot->ports.own : NULL;
}

/* Reading. Only what the peer has sealed, from where the DC sees it, is of interest */
static void received(struct ntm_port_set *set, const uint8_t *packet, size_t len,
		     const struct sockaddr *source)
{
	struct ntm_node *node = set->node;
	struct ntm_slot *slot = set->slot;
	union ntm_addr raw, from;

	if (ntm_addr_from_sockaddr(&raw, source))
		return;
	ntm_reach_in(node, &raw, &from);
	if (len < 4 || packet[0] != NTM_PKT_SEALED || !ntm_addr_equal(&from, &slot->ports.named) ||
	    ntm_peers_by_id(&node->peers, ntm_session_id_of(packet, len)) != slot) {
		ntm_node_drop(node, NTM_NODE_DROP_SESSION);
		return;
	}
	ntm_setup_sealed(node, slot, packet, len, &from);
}

static void read_one(struct ntm_port_set *set, unsigned int i)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	union ntm_addr source = { 0 };
	socklen_t size = sizeof(source);
	ssize_t n;

	if (set->fd[i] < 0)
		return;
	/* An error that waits (ICMP) is taken away by reading it */
	n = recvfrom(set->fd[i], packet, sizeof(packet), MSG_DONTWAIT, &source.sa, &size);
	if (n <= 0)
		return;
	set->reading = (int)i;
	received(set, packet, (size_t)n, &source.sa);
	set->reading = -1;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct ntm_port_set *set = poll->data;
	struct epoll_event ready[READ_AT_ONCE];
	int n;

	(void)events;
	n = status < 0 ? 0 : epoll_wait(set->epoll, ready, READ_AT_ONCE, 0);
	for (int i = 0; i < n && set->slot; i++)
		read_one(set, ready[i].data.u32);
}

/* Time, and the end */

void ntm_ports_tick(struct ntm_node *node, struct ntm_slot *slot)
{
	consider(node, slot);
	run_search(node, slot);
	check_own(node, slot);
}

uint64_t ntm_ports_deadline(const struct ntm_slot *slot)
{
	return ntm_search_deadline(&slot->ports.search);
}

void ntm_ports_done(struct ntm_node *node, struct ntm_slot *slot)
{
	stop(node, slot, false);
	drop_own(node, slot);
}
