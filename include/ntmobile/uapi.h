/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * NTMobile: the generic netlink family between ntmd and ntmobile.ko.
 * kmod/ntmobile.yaml is the specification; a test proves that this header and
 * the module's policy agree with it.
 *
 * One netlink socket of ntmd drives one network namespace. Every command
 * needs CAP_NET_ADMIN in the user namespace that owns it. A device is named by
 * NTM_A_IFINDEX; it must be of kind "ntm" and in the caller's namespace.
 */
#ifndef NTMOBILE_UAPI_H
#define NTMOBILE_UAPI_H

#include <linux/types.h>

#define NTM_GENL_NAME		"ntmobile"
#define NTM_GENL_VERSION	1
#define NTM_GENL_MCGRP_EVENTS	"events"

#define NTM_LINK_KIND		"ntm"	/* IFLA_INFO_KIND of the interface */
#define NTM_ZONE_MAX		253	/* bytes of a DNS zone, no final dot, no NUL */
#define NTM_ZONE_COUNT		16	/* zones of a device */
#define NTM_DNS_MAX		512	/* bytes of a caught DNS query */
#define NTM_PATH_SOCKETS	64	/* paths of a device with a socket of their own */

/*
 * SO_MARK of a socket whose DNS queries are never caught: ntmd's own, when it
 * asks the DNS itself. Caught are UDP queries of local sockets only; a name
 * asked for over TCP goes its way.
 */
#define NTM_DNS_MARK		0x4e544d

/**
 * enum ntm_cmd - commands and events
 * @NTM_CMD_DEV_SET: bind a device: IFINDEX; SOCKET4 and/or SOCKET6 (file
 *	descriptors of bound UDP sockets of the caller; the kernel holds a
 *	reference, data packets that arrive for them are taken by the module;
 *	-1 lets go), ZONES (nest of DNS zones whose queries are caught, in place of
 *	those before; empty for none) or ZONE (a single one, "" for none),
 *	PORTID is taken from the sender: unicast events go to it. All optional
 *	but IFINDEX.
 * @NTM_CMD_DEV_GET: IFINDEX -> IFINDEX, LOCAL_PORT, ZONE (the first), ZONES, PATHS,
 *	RELAYS, nested STATS. Also a dump.
 * @NTM_CMD_PATH_SET: create or change a path: IFINDEX, PATH_ID; on creation
 *	VIRTUAL4 and/or VIRTUAL6 (the peer's) are needed; they cannot change
 *	later. MTU is the largest inner packet that may pass, whatever the route
 *	to the peer's endpoint says (which says less where it knows less); it is the
 *	device's if not given, and 65535 leaves it to the route alone. PEER_ADDR (a struct
 *	sockaddr_in or sockaddr_in6) moves the peer's endpoint. RELAY0 and RELAY1
 *	are the path's relays: a packet from there never moves the endpoint. If one
 *	of the two is given, both take the place of what was; one that is empty or
 *	not given is none. PATH_SOCKET is the file descriptor of a bound UDP socket
 *	of the caller: the path's outer packets leave by its port, those that arrive
 *	there are taken as those of the device's sockets are, signalling reaches it,
 *	and the kernel holds a reference; -1 lets go. At most NTM_PATH_SOCKETS (ENOSPC),
 *	each for one path (EBUSY), of a device with an owner (ENOTCONN). Endpoints of
 *	the other family, and one from which the path's newest packet came to the
 *	device's port, are reached by the device's; so is the endpoint, new or present,
 *	of a request with DEVICE_PORT.
 *	Any of MTU, KEY (nest) may be given. NLM_F_EXCL refuses an existing path,
 *	NLM_F_CREATE allows a new one, as in rtnetlink.
 * @NTM_CMD_PATH_DEL: IFINDEX, PATH_ID. Keys are wiped, counters are gone.
 * @NTM_CMD_PATH_GET: IFINDEX, PATH_ID -> the path; dump: all of a device.
 *	Keys are never read back.
 * @NTM_CMD_DNS_REPLY: IFINDEX, DNS_TAG, DNS_PACKET: gives the answer to a
 *	caught query back to the application; or DNS_TAG with DNS_PASS: let the
 *	held query go on its way unanswered.
 * @NTM_CMD_MISS_DONE: IFINDEX, VIRTUAL4 or VIRTUAL6, STATUS: what became of a miss. 0: a path
 *	stands, held packets leave by it; else an errno: held packets are
 *	dropped, their senders get ICMP host unreachable.
 * @NTM_CMD_RELAY_SET: create or change a relay entry: IFINDEX, PATH_ID; END0
 *	and END1 (nests) bind or move the initiator's and the responder's end, or
 *	unbind it if they are empty; RATE. All optional but IFINDEX and PATH_ID; what
 *	is not given stays. A Path ID is that of a path or of a relay entry, never
 *	of both.
 * @NTM_CMD_RELAY_DEL: IFINDEX, PATH_ID.
 * @NTM_CMD_RELAY_GET: IFINDEX, PATH_ID -> the entry; dump: all of a device.
 * @NTM_EV_MISS: event: IFINDEX, VIRTUAL4 or VIRTUAL6: a packet to an address
 *	without a path. At most one per address and second.
 * @NTM_EV_PEER_MOVED: event: PATH_ID, PEER_ADDR: an authenticated packet, newer
 *	than any before, came from a new source that is none of the path's relays;
 *	the path already uses it.
 * @NTM_EV_REKEY: event: PATH_ID, EPOCH: the sending key passed 2^31 packets or
 *	180 s, or a packet wants to leave and there is no key (EPOCH 0). At most one
 *	a second and path, as long as it is so and packets leave.
 * @NTM_EV_KEY_CONFIRMED: event: PATH_ID, EPOCH: first authenticated packet
 *	under a pending key; it is now the sending key.
 * @NTM_EV_AUTH_BURST: event: IFINDEX, DROPS (number within the last second).
 *	PATH_ID: of the packet that made the number full; others may have been for
 *	other paths.
 * @NTM_EV_MTU: event: PATH_ID, MTU: path MTU (inner bytes) changed.
 * @NTM_EV_DNS: event, to the bound port only: IFINDEX, DNS_TAG, DNS_PACKET
 *	(the DNS message alone), DNS_SRC (sockaddr of the asking socket).
 *
 * @NTM_EV_DNS is unicast to the socket that sent DEV_SET. If that socket
 * closes, or no answer comes within 5 s, a held query goes on its way: ntmd
 * ending never breaks DNS. With that socket the UDP sockets of the device and of
 * its paths are let go of, too; the paths stay, for an ntmd that is started
 * again. The other events go to the multicast group, which CAP_NET_ADMIN may join.
 */
enum ntm_cmd {
	NTM_CMD_UNSPEC,
	NTM_CMD_DEV_SET,
	NTM_CMD_DEV_GET,
	NTM_CMD_PATH_SET,
	NTM_CMD_PATH_DEL,
	NTM_CMD_PATH_GET,
	NTM_CMD_DNS_REPLY,
	NTM_CMD_MISS_DONE,
	NTM_EV_MISS,
	NTM_EV_PEER_MOVED,
	NTM_EV_REKEY,
	NTM_EV_KEY_CONFIRMED,
	NTM_EV_AUTH_BURST,
	NTM_EV_MTU,
	NTM_EV_DNS,
	NTM_CMD_RELAY_SET,
	NTM_CMD_RELAY_DEL,
	NTM_CMD_RELAY_GET,
	__NTM_CMD_MAX,
};
#define NTM_CMD_MAX (__NTM_CMD_MAX - 1)

/** enum ntm_attr - attributes; addresses in network order, numbers in host order */
enum ntm_attr {
	NTM_A_UNSPEC,
	NTM_A_PAD,
	NTM_A_IFINDEX,		/* u32 */
	NTM_A_SOCKET4,		/* s32, file descriptor or -1 */
	NTM_A_SOCKET6,		/* s32, file descriptor or -1 */
	NTM_A_ZONE,		/* NUL-terminated string, lower case, at most NTM_ZONE_MAX */
	NTM_A_LOCAL_PORT,	/* u16, out only: a device's, or a path's own */
	NTM_A_PATHS,		/* u32, number of paths, out only */
	NTM_A_PATH_ID,		/* u32, host order, not 0 */
	NTM_A_VIRTUAL4,		/* binary, 4 bytes: the peer's virtual IPv4 */
	NTM_A_VIRTUAL6,		/* binary, 16 bytes: the peer's virtual IPv6 */
	NTM_A_PEER_ADDR,	/* binary, struct sockaddr_in or sockaddr_in6 */
	NTM_A_MTU,		/* u32, inner bytes, 576 to 65535 */
	NTM_A_KEY,		/* nest of enum ntm_key_attr */
	NTM_A_STATS,		/* nest of enum ntm_stats_attr, out only */
	NTM_A_DNS_TAG,		/* u64 */
	NTM_A_DNS_PACKET,	/* binary, at most NTM_DNS_MAX in events, 1232 in replies */
	NTM_A_DNS_PASS,		/* flag */
	NTM_A_DNS_SRC,		/* binary, sockaddr */
	NTM_A_STATUS,		/* u32, 0 or a positive errno */
	NTM_A_EPOCH,		/* u32 */
	NTM_A_DROPS,		/* u32 */
	NTM_A_END0,		/* nest of enum ntm_end_attr: a relay entry's initiator */
	NTM_A_END1,		/* nest of enum ntm_end_attr: its responder */
	NTM_A_RATE,		/* u64, bytes a second through a relay entry, 0 for any */
	NTM_A_RELAYS,		/* u32, number of relay entries, out only */
	NTM_A_RELAY0,		/* binary, as PEER_ADDR, or empty: a relay of a path */
	NTM_A_RELAY1,		/* the same: another one */
	NTM_A_ZONES,		/* nest of enum ntm_zones_attr */
	NTM_A_PATH_SOCKET,	/* s32, file descriptor or -1 */
	NTM_A_DEVICE_PORT,	/* flag */
	__NTM_A_MAX,
};
#define NTM_A_MAX (__NTM_A_MAX - 1)

/**
 * enum ntm_key_attr - one epoch's pair of keys, all needed but CONFIRMED
 *
 * The epoch must be that of the sending key plus one (or any for a path without
 * a sending key): a repeated or older one gets EEXIST. A pending key has never
 * been used, so another of the same epoch takes its place. TX and RX must
 * differ. Two epochs stay valid for
 * receiving: the current and the one before (and the pending one, if any).
 * Without CONFIRMED the key is pending: packets under it are accepted, and
 * the first one makes it the sending key (NTM_EV_KEY_CONFIRMED). With CONFIRMED it is the
 * sending key at once, and if nothing is waiting to be sent an empty packet is
 * sent to confirm it to the peer.
 */
enum ntm_key_attr {
	NTM_KEY_UNSPEC,
	NTM_KEY_EPOCH,		/* u32 */
	NTM_KEY_SUITE,		/* u8, enum ntm_suite */
	NTM_KEY_TX,		/* binary, 32 bytes, never read back */
	NTM_KEY_RX,		/* binary, 32 bytes, never read back */
	NTM_KEY_CONFIRMED,	/* flag */
	__NTM_KEY_MAX,
};
#define NTM_KEY_MAX (__NTM_KEY_MAX - 1)

/** enum ntm_zones_attr - DNS zones, each as NTM_A_ZONE; at most NTM_ZONE_COUNT */
enum ntm_zones_attr {
	NTM_ZONES_UNSPEC,
	NTM_ZONES_ZONE,		/* repeated */
	__NTM_ZONES_MAX,
};
#define NTM_ZONES_MAX (__NTM_ZONES_MAX - 1)

/**
 * enum ntm_end_attr - an end of a relay entry
 *
 * PACKETS and BYTES count the datagrams, and the bytes of UDP payload, that came
 * from this end and were sent on; an end that moves goes on counting.
 */
enum ntm_end_attr {
	NTM_END_UNSPEC,
	NTM_END_PAD,
	NTM_END_ADDR,		/* binary, struct sockaddr_in or sockaddr_in6 */
	NTM_END_LOCAL4,		/* binary, 4 bytes: our address that an IPv4 end knows */
	NTM_END_LOCAL6,		/* binary, 16 bytes: the same of an IPv6 end */
	NTM_END_PACKETS,	/* u64, out only */
	NTM_END_BYTES,		/* u64, out only */
	NTM_END_LAST_MS,	/* u64, age in ms of the last one, out only */
	__NTM_END_MAX,
};
#define NTM_END_MAX (__NTM_END_MAX - 1)

/**
 * enum ntm_stats_attr - counters, all u64, of a path or (drops) of a device
 *
 * TX/RX count inner packets and inner bytes, a segment of a GSO packet being
 * one packet. The drop counters each name one cause.
 */
enum ntm_stats_attr {
	NTM_STATS_UNSPEC,
	NTM_STATS_PAD,
	NTM_STATS_TX_PACKETS,
	NTM_STATS_TX_BYTES,
	NTM_STATS_RX_PACKETS,
	NTM_STATS_RX_BYTES,
	NTM_STATS_LAST_RX_MS,	/* age in ms of the newest authenticated packet */
	NTM_STATS_LAST_TX_MS,	/* age in ms of the last inner packet sent */
	NTM_STATS_DROP_SHORT,	/* truncated or with impossible lengths */
	NTM_STATS_DROP_PATH,	/* unknown Path ID */
	NTM_STATS_DROP_KEY,	/* no key of that epoch */
	NTM_STATS_DROP_AUTH,	/* tag wrong */
	NTM_STATS_DROP_REPLAY,	/* counter seen before or too old */
	NTM_STATS_DROP_SOURCE,	/* inner source is not the path's */
	NTM_STATS_DROP_INNER,	/* inner packet malformed */
	NTM_STATS_DROP_NO_PATH,	/* to send: no path, nothing could be held */
	NTM_STATS_DROP_NO_KEY,	/* to send: no valid key */
	NTM_STATS_DROP_TOO_BIG,	/* to send: larger than the path's MTU */
	NTM_STATS_DROP_LOOP,	/* to send: the tunnel is routed into itself */
	NTM_STATS_DROP_NO_MEM,
	NTM_STATS_DROP_NO_ROUTE, /* to send: no route to the peer's address */
	NTM_STATS_DROP_RELAY_SOURCE, /* to relay: from neither end of the entry */
	NTM_STATS_DROP_RELAY_UNBOUND, /* to relay: the other end is not bound */
	NTM_STATS_DROP_RELAY_RATE, /* to relay: above the entry's rate */
	NTM_STATS_DROP_RELAY_HOPS, /* to relay: TTL or hop limit used up */
	__NTM_STATS_MAX,
};
#define NTM_STATS_MAX (__NTM_STATS_MAX - 1)

#endif /* NTMOBILE_UAPI_H */
