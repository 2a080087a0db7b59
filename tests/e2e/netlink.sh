# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 240
# What the netlink family refuses, with which words, and that a refused request has changed nothing.

. /mnt/lab/src/tests/e2e/lib/fixed-keys

A=$(printf 'aa%.0s' {1..32})
C=$(printf 'cc%.0s' {1..32})

state() {
	on a ntm-cfg dev dump | sed 's/ drop_.*//'
	on a ntm-cfg path dump ntm0 | sed 's/ tx_packets.*//'
}

# refused TEXT REGEX COMMAND...: ntm-cfg on a fails with these words, and changes nothing
refused() {
	local text=$1 regex=$2 out
	shift 2
	if out=$(on a ntm-cfg "$@" 2>&1); then
		out="not refused: $out"
	fi
	like "$text" "$out" "^error: $regex"
	[ "$(state)" = "$before" ] || is "$text: nothing has changed" "$(state)" "$before"
}

fixed_pair
before=$(state)
on a ip link add dummy0 type veth peer name dummy1

# The MTU of a path that was given none
mtu() {
	on a ntm-cfg path get ntm0 "$1" | grep -oE '\bmtu=[0-9]+' | cut -d= -f2
}
on a ntm-cfg path set ntm0 6 create v4 10.9.0.6 mtu 1350
is "a path's MTU is its device's" "$(mtu 7)" 1428
on a ip link set ntm0 mtu 1300
is "and changes with it" "$(mtu 7)" 1300
is "but not if it was given one" "$(mtu 6)" 1350
on a ip link set ntm0 mtu 1428
on a ntm-cfg path del ntm0 6
before=$(state)

refused "no such interface" 'ENODEV: no such interface' dev get 999
refused "an interface of another kind" 'EOPNOTSUPP: interface is not of kind ntm' dev get dummy0
refused "no IFINDEX" 'EINVAL: IFINDEX is missing.*missing 2' raw 2 0
refused "IFINDEX too short" '(EINVAL|ERANGE): .*' raw 2 0 0600020001000000
refused "an attribute of another command" '(EINVAL|ERANGE): Unsupported attribute' raw 2 0 080002000100000008000c0000050000
refused "an unknown attribute" '(EINVAL|ERANGE): Unknown attribute type' raw 2 0 080002000100000008007f0000000000
refused "data behind the attributes" 'EINVAL: .*bytes leftover' raw 2 0 0800020001000000ffff
refused "an unknown flag" 'EINVAL: unknown flag' raw 2 0x100 0800020001000000
refused "an unknown command" 'EOPNOTSUPP' raw 99 0
refused "an event as a command" 'EOPNOTSUPP' raw 8 0

refused "socket: not a descriptor" 'EBADF: not a file descriptor of a socket' dev set ntm0 socket4 99
refused "socket: not a socket" 'ENOTSOCK: not a file descriptor of a socket' dev set ntm0 socket4 0
refused "socket: below -1" '(EINVAL|ERANGE): integer out of range' dev set ntm0 socket4 -2
refused "socket: of the other family" 'EINVAL: not a UDP socket of this family' dev set ntm0 socket6 3
refused "socket: not bound" 'EINVAL: socket is not bound' dev set ntm0 unbound4
refused "zone: capitals" 'EINVAL: ZONE is not a lower-case DNS name.*at' dev set ntm0 zone Example.net
refused "zone: final dot" 'EINVAL: ZONE is not' dev set ntm0 zone example.net.
refused "zone: empty label" 'EINVAL: ZONE is not' dev set ntm0 zone a..b
refused "zone: label of 64" 'EINVAL: ZONE is not' dev set ntm0 zone "$(printf 'x%.0s' {1..64}).net"
refused "zone: 254 bytes" '(EINVAL|ERANGE): ' dev set ntm0 zone "$(printf 'abc.%.0s' {1..63})ab"
refused "a good zone with a bad socket" 'EBADF' dev set ntm0 zone example.org socket4 99
refused "a good socket with a bad zone" 'EINVAL: ZONE' dev set ntm0 port4 4444 zone .

refused "zones: one with capitals" 'EINVAL: ZONE is not.*at' dev set ntm0 zones example.org,Example.net
refused "zones: seventeen" 'EINVAL: ZONE is too long, or one too many.*at' dev set ntm0 zones "$(seq -s, 17)"
refused "zone and zones" 'EINVAL: either ZONE or ZONES' dev set ntm0 zone example.org zones example.net
refused "zones: 254 bytes" '(EINVAL|ERANGE): ' dev set ntm0 zones "$(printf 'abc.%.0s' {1..63})ab"
refused "zones: an attribute that there is not" '(EINVAL|ERANGE): ' raw 1 0 "$(on a ntm-cfg hex-ifindex ntm0)0c001c80080002006e657400"

refused "path: no PATH_ID" 'EINVAL: PATH_ID is missing' raw 3 0x400 "$(on a ntm-cfg hex-ifindex ntm0)"
refused "path: ID 0" '(EINVAL|ERANGE): integer out of range' path set ntm0 0 create v4 10.9.0.9
refused "path: no such" 'ENOENT: no such path' path set ntm0 8 v4 10.9.0.9
refused "path: no such to get" 'ENOENT: no such path' path get ntm0 8
refused "path: no such to delete" 'ENOENT: no such path' path del ntm0 8
refused "path: without virtual address" 'EINVAL: a new path needs VIRTUAL4 or VIRTUAL6' path set ntm0 8 create peer 192.0.2.9 1
for relay in "relay0 192.0.2.9 0" "relay1 192.0.2.9 0"; do
	# shellcheck disable=SC2086
	refused "path: a relay with port 0" 'EINVAL: address: port is 0.*at' path set ntm0 7 $relay
done
refused "path: a relay of no family" 'EINVAL: address: family is neither.*at' path set ntm0 7 relay-hex "$(printf '00%.0s' {1..16})"
refused "path: a relay cut short" 'EINVAL: address: length does not fit.*at' path set ntm0 7 relay-hex 020010ea
refused "path: a relay too long" '(EINVAL|ERANGE): ' path set ntm0 7 relay-hex "02$(printf '00%.0s' {1..28})"
refused "path: a good relay and a bad one" 'EINVAL: address: not a unicast' path set ntm0 7 relay0 192.0.2.9 4330 relay1 224.0.0.1 4330
refused "path: exists" 'EEXIST: path exists' path set ntm0 7 create excl v4 10.9.0.2
refused "path: another virtual IPv4" 'EINVAL: virtual addresses of a path cannot change' path set ntm0 7 v4 10.9.0.3
refused "path: another virtual IPv6" 'EINVAL: virtual addresses of a path cannot change' path set ntm0 7 v6 fd09::3
refused "path: IPv4 address taken" 'EEXIST: another path has this virtual IPv4' path set ntm0 8 create v4 10.9.0.2
refused "path: IPv6 address taken" 'EEXIST: another path has this virtual IPv6' path set ntm0 8 create v4 10.9.0.8 v6 fd09::2
for address in 0.0.0.0 127.0.0.1 224.0.0.1 255.255.255.255; do
	refused "path: virtual $address" 'EINVAL: VIRTUAL4 is not a unicast' path set ntm0 8 create v4 "$address"
done
for address in :: ::1 ff02::1 ::ffff:10.0.0.1; do
	refused "path: virtual $address" 'EINVAL: VIRTUAL6 is not a unicast' path set ntm0 8 create v6 "$address"
done
refused "path: MTU 575" '(EINVAL|ERANGE): integer out of range' path set ntm0 7 mtu 575
refused "path: MTU 65536" '(EINVAL|ERANGE): integer out of range' path set ntm0 7 mtu 65536
refused "peer: port 0" 'EINVAL: address: port is 0' path set ntm0 7 peer 192.0.2.9 0
refused "peer: port 0, IPv6" 'EINVAL: address: port is 0' path set ntm0 7 peer 2001:db8::9 0
for address in 0.0.0.0 224.0.0.5 255.255.255.255 :: ff02::5; do
	refused "peer: $address" 'EINVAL: address: not a unicast' path set ntm0 7 peer "$address" 4330
done
refused "peer: IPv4-mapped" 'EINVAL: address: IPv4-mapped' path set ntm0 7 peer ::ffff:192.0.2.1 4330
refused "peer: link-local without scope" 'EINVAL: address: a scope' path set ntm0 7 peer fe80::1 4330
refused "peer: family and length" 'EINVAL: address: length does not fit' path set ntm0 7 peer-hex 0200000000000000000000000000000000000000
refused "peer: unknown family" 'EINVAL: address: family' path set ntm0 7 peer-hex 01000000000000000000000000000000
refused "peer: too short" '(EINVAL|ERANGE): ' path set ntm0 7 peer-hex 020010ea
refused "key: repeated epoch" 'EEXIST: epoch is not the one after' path set ntm0 7 key 1 1 "$A" "$C"
refused "key: epoch 3 after 1" 'EEXIST: epoch is not the one after' path set ntm0 7 key 3 1 "$A" "$C"
refused "key: epoch 0 after 1" 'EEXIST: epoch is not the one after' path set ntm0 7 key 0 1 "$A" "$C"
refused "key: both the same" 'EINVAL: KEY: TX and RX are the same' path set ntm0 7 key 2 1 "$A" "$A"
refused "key: suite 0" '(EINVAL|ERANGE): integer out of range' path set ntm0 7 key 2 0 "$A" "$C"
refused "key: suite 3" '(EINVAL|ERANGE): integer out of range' path set ntm0 7 key 2 3 "$A" "$C"
refused "key: incomplete" 'EINVAL: KEY needs EPOCH, SUITE, TX and RX' path set ntm0 7 key-without-suite 2 "$A" "$C"
refused "key: with a bad peer" 'EINVAL: address' path set ntm0 7 key 2 1 "$A" "$C" peer 192.0.2.9 0
refused "a bad key with a good MTU and peer" 'EEXIST' path set ntm0 7 mtu 1300 peer 192.0.2.9 4330 key 5 1 "$A" "$C"
refused "a new path with a taken address" 'EEXIST' path set ntm0 8 create v4 10.9.0.2 key 1 1 "$A" "$C" peer 192.0.2.9 4330

refused "dump: no IFINDEX" 'EINVAL: IFINDEX is missing' raw 5 0x300
refused "dns: no such query" 'ENOENT: no held query' dns pass ntm0 1
refused "dns: neither answer nor pass" 'EINVAL: exactly one of DNS_PACKET and DNS_PASS' dns nothing ntm0 1
refused "dns: an answer of 11 bytes" '(EINVAL|ERANGE): ' dns reply ntm0 1 0011223344556677889900
refused "dns: an answer of 1233 bytes" '(EINVAL|ERANGE): ' dns reply ntm0 1 "$(printf '00%.0s' {1..1233})"
refused "miss: no path to it" 'ENOENT: no path' miss done ntm0 10.9.0.77 0
refused "miss: status 4096" '(EINVAL|ERANGE): integer out of range' miss done ntm0 10.9.0.77 4096

# What is missing, and what does not go together
ifindex=$(on a ntm-cfg hex-ifindex ntm0)
path7=0800080007000000 v4=080009000a09004d v6=14000a00fd09$(printf '00%.0s' {1..12})004d status=0800130000000000
tag=0c000f000100000000000000 packet=10001000$(printf '00%.0s' {1..12}) pass=04001100
refused "dump: one path of it" 'EINVAL: a dump shows all of a device' raw 5 0x300 "$ifindex$path7"
refused "dns: no tag" 'EINVAL: DNS_TAG is missing.*missing 15' raw 6 0 "$ifindex$pass"
refused "dns: an answer and pass" 'EINVAL: exactly one of DNS_PACKET and DNS_PASS' raw 6 0 "$ifindex$tag$packet$pass"
refused "dns: no IFINDEX" 'EINVAL: IFINDEX is missing' raw 6 0 "$tag$pass"
refused "miss: no status" 'EINVAL: STATUS is missing.*missing 19' raw 7 0 "$ifindex$v4"
refused "miss: no address" 'EINVAL: exactly one of VIRTUAL4 and VIRTUAL6' raw 7 0 "$ifindex$status"
refused "miss: two addresses" 'EINVAL: exactly one of VIRTUAL4 and VIRTUAL6' raw 7 0 "$ifindex$v4$v6$status"
refused "key: no nest" '(EINVAL|ERANGE): NLA_F_NESTED is missing' raw 3 0 "$ifindex${path7}08000d0000000000"
refused "key: an attribute that there is not" '(EINVAL|ERANGE): Unknown attribute type' raw 3 0 "$ifindex${path7}0c000d800800090000000000"
refused "key: an empty nest" 'EINVAL: KEY needs EPOCH, SUITE, TX and RX' raw 3 0 "$ifindex${path7}04000d80"
refused "path: one byte too short" '(EINVAL|ERANGE): ' raw 3 0 "$ifindex${path7}070009000a090000"
refused "path: no IFINDEX" 'EINVAL: IFINDEX is missing' raw 3 0 "$path7"

refused "without CAP_NET_ADMIN" 'EPERM' unprivileged dev get ntm0

is "a path is deleted" "$(on a ntm-cfg path del ntm0 7; on a ntm-cfg path dump ntm0)" ""
check "a thousand paths" on a ntm-cfg path many ntm0 100 1000 10.9.1.0
is "a dump shows them all" "$(on a ntm-cfg path dump ntm0 | wc -l)" 1000
is "each once" "$(on a ntm-cfg path dump ntm0 | grep -o 'id=[0-9]*' | sort -u | wc -l)" 1000
like "and the device counts them" "$(on a ntm-cfg dev get ntm0)" 'paths=1000 '

# A dump takes many messages, between which others may change what it shows
on a ntm-cfg path many ntm0 10000 3000 10.9.16.0
on a ntm-cfg relay many ntm0 20000 3000 192.0.2.1 5000 192.0.2.2 5000
dump() {
	on a ntm-cfg "$1" dump ntm0 2>&1 >/dev/null
}
is "a dump that nothing came between does not say so" "$(dump path)$(dump relay)" ""
bg a churn sh -c 'while ntm-cfg path set ntm0 9 create v4 10.9.0.9 && ntm-cfg path del ntm0 9; do :; done'
bg a churn2 sh -c 'while ntm-cfg relay set ntm0 10 end0 192.0.2.1 5000 && ntm-cfg relay del ntm0 10; do :; done'
check "one of paths that come and go meanwhile is marked" eventually 20 eval '[ "$(dump path | sort -u)" = "dump interrupted" ]'
check "so is one of relays" eventually 20 eval '[ "$(dump relay | sort -u)" = "dump interrupted" ]'
stop a churn
stop a churn2
check "the interface takes them along" on a ip link del ntm0
