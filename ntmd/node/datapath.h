/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The data path as the rest of ntmd sees it: a struct of operations with two
 * implementations, "kernel" (ntmobile.ko by generic netlink) and "tun" (this process).
 * Nothing above it knows which one runs. One thread, one libuv loop.
 */
#ifndef NTM_DATAPATH_H
#define NTM_DATAPATH_H

#include <uv.h>
#include "common/addr.h"
#include "common/msg.h"
#include "common/udp.h"

struct ntm_datapath;

/** struct ntm_dp_keys - one epoch's keys; the implementation copies, the caller wipes */
struct ntm_dp_keys {
	uint32_t epoch;
	uint8_t suite; /* enum ntm_suite */
	uint8_t tx[32];
	uint8_t rx[32];
	bool confirmed; /* sending key at once; else pending until the first packet under it */
};

#define NTM_DP_RELAYS 2
#define NTM_DP_SOCKETS 64u /* paths with a socket of their own, in any data path */

/**
 * struct ntm_dp_path - a path to make, or what is to change of one; what is NULL or 0 stays as it was
 * @virtual4, @virtual6: the peer's; on creation at least one of them, and never again
 * @peer:	where packets go from now on; @by_socket: they leave by the path's own socket, else by the node's
 * @socket:	it gets a socket of its own, bound, of one family: data that comes there is taken from now on, signalling is still its owner's
 *		(as with the node's sockets, ntm_udp_pause()); until @peer says otherwise, what is sent leaves by the node's
 * @no_socket:	it has none any more; the owner closes it
 * @relays:	NTM_DP_RELAYS addresses of relay servers, family 0 for none: a packet that comes from one of them never moves the
 *		path's endpoint. Any other authentic packet that is newer than all before does, also from a relay to its source
 * @mtu:	largest inner packet, in bytes, that may pass whatever the route says; NTM_DP_MTU_ANY: the route decides
 */
struct ntm_dp_path {
	uint32_t path_id;
	const struct in_addr *virtual4;
	const struct in6_addr *virtual6;
	const union ntm_addr *peer;
	bool by_socket, no_socket;
	struct ntm_udp *socket;
	const union ntm_addr *relays;
	uint32_t mtu;
	const struct ntm_dp_keys *keys;
};
#define NTM_DP_MTU_ANY 65535u

/** struct ntm_dp_stats - of one path, or (drops) of the whole data path */
struct ntm_dp_stats {
	uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
	uint64_t last_rx_ms, last_tx_ms; /* ages; UINT64_MAX: never */
	union ntm_addr peer;
};
#define NTM_DP_DROPS 13
extern const char *const ntm_dp_drop_names[NTM_DP_DROPS]; /* "short", "path", ..., order of uapi.h */

/**
 * struct ntm_dp_events - what the data path tells; called from the loop, never from within an operation
 * @miss:	a packet to a virtual address without a path; answer by miss_done()
 * @dns:	a caught DNS query; answer by dns_reply() or dns_pass()
 */
struct ntm_dp_events {
	void (*miss)(void *ctx, int family, const void *virt);
	void (*peer_moved)(void *ctx, uint32_t path_id, const union ntm_addr *addr);
	void (*rekey)(void *ctx, uint32_t path_id, uint32_t epoch);
	void (*key_confirmed)(void *ctx, uint32_t path_id, uint32_t epoch);
	void (*auth_burst)(void *ctx, uint32_t path_id, uint32_t drops);
	void (*mtu)(void *ctx, uint32_t path_id, uint32_t mtu);
	void (*dns)(void *ctx, uint64_t tag, const uint8_t *msg, size_t len);
	void (*lost)(void *ctx,
		     int err); /* the data path is gone (interface deleted, module unloaded) */
};

/**
 * struct ntm_dp_lease - own addresses on the interface, and what lies behind it
 * @zone:	whose names are caught; empty: none are, nor those below @zones
 * @zones:	other zones: names below them are caught as well, though not the zones' own names; their networks are routed
 *		to the interface
 */
struct ntm_dp_lease {
	bool has4, has6;
	struct in_addr virtual4;
	struct in6_addr virtual6;
	uint8_t prefix4, prefix6;
	char zone[NTM_NAME_MAX + 1];
	struct ntm_zone_info zones[NTM_PEER_ZONES_MAX];
	unsigned int zone_count;
};

/**
 * struct ntm_dp_open - what a data path starts with
 * @tun_fd:	a TUN device handed in by the parent process; -1: make the interface @ifname
 * @threads:	of the user-space path; 0: as many as pay off
 */
struct ntm_dp_open {
	uv_loop_t *loop;
	const char *ifname;
	struct ntm_udp *udp;
	const struct ntm_dp_events *events;
	void *ctx;
	int tun_fd;
	unsigned int threads;
};

/**
 * struct ntm_datapath_ops - all return 0 or a negative errno
 * @open:	make the interface and take the sockets; @why gets a sentence for people on failure
 * @ifindex:	of its interface, whatever its name; 0: not known
 * @configure:	addresses, routes of the virtual prefixes, zones to catch; again on a changed lease. (A TUN device that was
 *		handed in has what its parent gave it: routes to other zones' networks are the parent's to make.)
 * @path_set:	create a path or change it
 * @stats:	of a path
 * @drops:	of the device
 * @dns_pass:	a query is none of ours: let it go its way; NULL where it has come to its end
 * @close:	removes the interface; all paths go with it
 */
struct ntm_datapath_ops {
	const char *name;
	int (*open)(struct ntm_datapath **dp, const struct ntm_dp_open *how, char *why,
		    size_t size);
	unsigned int (*ifindex)(struct ntm_datapath *dp);
	uint32_t (*suites)(struct ntm_datapath *dp); /* mask of 1 << suite it can do */
	int (*configure)(struct ntm_datapath *dp, const struct ntm_dp_lease *lease);
	int (*path_set)(struct ntm_datapath *dp, const struct ntm_dp_path *path);
	int (*path_del)(struct ntm_datapath *dp, uint32_t path_id);
	int (*stats)(struct ntm_datapath *dp, uint32_t path_id, struct ntm_dp_stats *stats);
	int (*drops)(struct ntm_datapath *dp, uint64_t drops[NTM_DP_DROPS]);
	int (*miss_done)(struct ntm_datapath *dp, int family, const void *virt, int err);
	int (*dns_reply)(struct ntm_datapath *dp, uint64_t tag, const uint8_t *msg, size_t len);
	int (*dns_pass)(struct ntm_datapath *dp, uint64_t tag);
	void (*close)(struct ntm_datapath *dp);
};

extern const struct ntm_datapath_ops ntm_datapath_kernel, ntm_datapath_tun;

/** ntm_dp_stub4() / _stub6() - where a stub resolver has its address: the first of the network, which no DC gives to a node */
struct in_addr ntm_dp_stub4(const struct ntm_dp_lease *lease);
struct in6_addr ntm_dp_stub6(const struct ntm_dp_lease *lease);

/** struct ntm_dp_net - a network of another zone; @addr: its address, 4 bytes of it for AF_INET */
struct ntm_dp_net {
	int family;
	uint8_t addr[16];
	uint8_t prefix;
};

/** struct ntm_dp_nets - what ntm_dp_networks() found */
struct ntm_dp_nets {
	struct ntm_dp_net net[2 * NTM_PEER_ZONES_MAX];
	unsigned int count;
};

/**
 * ntm_dp_networks() - the networks of a lease's other zones that can be used: of families that we have an address of, no larger
 * than a /8, and overlapping neither our own network nor that of a zone before
 */
void ntm_dp_networks(const struct ntm_dp_lease *lease, struct ntm_dp_nets *nets);

/**
 * ntm_dp_addresses() - change an interface's addresses, and its routes to other zones' networks, from those of one lease to
 * another's
 *
 * A network that this host has a route to elsewhere stays there, and is logged: its own come first.
 */
int ntm_dp_addresses(unsigned int ifindex, const struct ntm_dp_lease *old,
		     const struct ntm_dp_lease *lease);
/** ntm_dp_addresses_again() - put back what the kernel took away: IPv6 addresses and routes go with an interface that is set down */
void ntm_dp_addresses_again(unsigned int ifindex, const struct ntm_dp_lease *lease);

#endif
