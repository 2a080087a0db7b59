#!/bin/bash
# The Wireshark dissector, on a capture of running daemons (tests/dissector/capture.sh made it) and on bytes that nobody sends.
# tap: yes
set -uo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
PCAP=$ROOT/tests/dissector/all.pcap
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
N=0

dissect() {
	tshark -X "lua_script:$ROOT/scripts/ntmobile.lua" "$@" 2>"$TMP/stderr"
}

point() {
	N=$((N + 1))
	if [ "$1" = 0 ]; then
		echo "ok $N - dissector: $2"
	else
		echo "not ok $N - dissector: $2"
		printf '# %s\n' "$3"
	fi
}

# is TEXT GOT WANT
is() {
	local rc=0
	[ "$2" = "$3" ] || rc=1
	point $rc "$1" "got '$2', wanted '$3'"
}

# some TEXT FILTER: the capture has packets that match
some() {
	local n
	n=$(dissect -2 -r "$PCAP" -Y "$2" | wc -l)
	point $((n == 0)) "$1 ($n)" "no packet matches: $2"
}

none() {
	local found
	found=$(dissect -2 -r "$PCAP" -Y "$2" | head -n 3)
	point "$([ -z "$found" ]; echo $?)" "$1" "$found"
}

# fields FILTER FIELD...: of the first packet that matches
fields() {
	local filter=$1 args=()
	shift
	for f in "$@"; do args+=(-e "$f"); done
	dissect -2 -r "$PCAP" -Y "$filter" -T fields -E separator=, "${args[@]}" | head -n 1
}

hexdump_of() {
	echo "0000 $(fold -w 2 <<<"$1" | paste -sd' ')"
}

# packet HEX [PORT]: a capture of one datagram with these bytes
packet() {
	hexdump_of "$1" | text2pcap -q -u "40000,${2:-4330}" - "$TMP/one.pcap" 2>/dev/null
}

one() {
	dissect -r "$TMP/one.pcap" "$@"
}

zeros() {
	printf '%0*d' $(($1 * 2)) 0
}

is "the script loads without a word" "$(dissect -r "$PCAP" -c 1 >/dev/null; grep -vi 'running as user' "$TMP/stderr" || true)" ""
none "every packet on port 4330 is taken" "udp.port == 4330 and not ntmobile and not icmp"
none "none is malformed" "_ws.expert.group == \"Malformed\" and ntmobile"
some "Session Requests" "ntmobile.type == 1"
some "Session Responses" "ntmobile.type == 2"
some "Cookie Replies" "ntmobile.type == 3"
some "Sealed packets" "ntmobile.type == 4"
some "Tunnel Requests" "ntmobile.type == 5"
some "Tunnel Responses" "ntmobile.type == 6"
some "Hole Punching" "ntmobile.type == 7"
some "Data" "ntmobile.type == 128 and ntmobile.data.inner_len > 0"
some "Data that is a keep-alive" "ntmobile.data.keepalive"
some "a Session Request with a cookie" "ntmobile.type == 1 and ntmobile.has_cookie == 1"
some "a Session Response finds its request" "ntmobile.type == 2 and ntmobile.request_in and ntmobile.response_time"
some "a Tunnel Request finds its response" "ntmobile.type == 5 and ntmobile.response_in"

some "Relay Binds" "ntmobile.type == 8"
some "Relay Bounds with the first one's cookie" "ntmobile.type == 9 and ntmobile.relay.status == 1 and ntmobile.request_in"
some "and with where it came from, over IPv4" "ntmobile.type == 9 and ntmobile.relay.status == 0 and ntmobile.relay.observed4"
some "and over IPv6" "ntmobile.type == 9 and ntmobile.relay.lifetime == 60 and ntmobile.relay.observed6"
some "Relayed signalling, with what is inside" "ntmobile.type == 10 and ntmobile.type == 4 and ntmobile.receiver_id"
some "Relay Probes" "ntmobile.type == 11 and ntmobile.response_in"
some "their answers, from the other port, too" "ntmobile.type == 12 and ntmobile.probe.other_port == 1 and udp.srcport == 4331"

path=$(fields "ntmobile.type == 5" ntmobile.path_id)
some "Data of the path that the Tunnel Request names" "ntmobile.type == 128 and ntmobile.path_id == $path"
some "Hole Punching of the same path" "ntmobile.type == 7 and ntmobile.path_id == $path"
is "the first data packet has epoch 0 and counter 0" \
	"$(fields "ntmobile.type == 128" ntmobile.data.epoch ntmobile.data.counter)" 0,0
is "an inner packet of 1348 bytes shows as such (ping -s 1300 over IPv6)" \
	"$(fields "ntmobile.data.inner_len == 1348" udp.length)" 1380
is "a Session Request has no Path ID" "$(fields "ntmobile.type == 1" ntmobile.path_id)" 0x00000000
is "its mac1 is 16 bytes" "$(fields "ntmobile.type == 1" ntmobile.mac1 | tr -d ':\n' | wc -c)" 32

packet 80000001deadbeef"$(zeros 16)"
is "the smallest data packet" "$(one -Y ntmobile.data.keepalive==1 -T fields -e ntmobile.path_id -e ntmobile.data.counter -E separator=,)" \
	0xdeadbeef,1
packet ffffffffdeadbeef"$(zeros 17)"
is "epoch and counter at their largest" "$(one -T fields -e ntmobile.data.epoch -e ntmobile.data.counter -e ntmobile.data.inner_len -E separator=,)" \
	3,536870911,1
packet 80000001deadbeef"$(zeros 15)"
is "one byte less is malformed" "$(one -Y ntmobile.short | wc -l)" 1
packet 0401000011223344"$(zeros 31)"
is "a Sealed packet without room for a message is malformed" "$(one -Y ntmobile.short | wc -l)" 1
packet 0301000011223344"$(zeros 57)"
is "a Cookie Reply that is too long is malformed" "$(one -Y ntmobile.long | wc -l)" 1
packet 0402000011223344"$(zeros 60)"
is "another version is told of" "$(one -Y ntmobile.header | wc -l)" 1
packet 0d00
is "so is an unknown type" "$(one -Y ntmobile.unknown | wc -l)" 1
packet 0a01000011223344080100001122334400"$(zeros 60)"
is "a Relay Bind in a relayed packet is malformed" "$(one -Y ntmobile.relayed.type | wc -l)" 1
packet 0a010000112233440401000055667788"$(zeros 32)"
is "a relayed Sealed packet is looked into" "$(one -T fields -e ntmobile.path_id -e ntmobile.receiver_id -E separator=,)" 0x11223344,0x55667788
packet 0801000011223344"$(zeros 75)"
is "a Relay Bind that is cut is malformed" "$(one -Y ntmobile.short | wc -l)" 1
packet 0b010000"$(printf 'ab%.0s' {1..16})$(zeros 144)" 5555
is "a Relay Probe with padding, on any port" "$(one -T fields -e ntmobile.relay.nonce -e ntmobile.probe.padding | tr -d ':\n' | wc -c)" $((32 + 1 + 200))
packet 0701000011223344"$(zeros 16)" 5555
is "signalling is recognised on any port" "$(one -Y 'ntmobile.type == 7' | wc -l)" 1
packet 80000001deadbeef"$(zeros 40)" 5555 # as noise looks, too
is "data on another port is not, by itself" "$(one -Y ntmobile | wc -l)" 0
for len in 1 2 3 4 7 8 11 12 23; do
	for type in 01 02 03 04 05 06 07 08 09 0a 0b 0c 80; do
		hexdump_of "$(printf '%s01000011223344%s' "$type" "$(zeros 20)" | cut -c1-$((len * 2)))"
	done
done | text2pcap -q -u 40000,4330 - "$TMP/one.pcap" 2>/dev/null
is "short packets of every type are shown" "$(one -Y ntmobile | wc -l)" 117
one -V | grep -i 'lua error' >"$TMP/errors"
grep -vi 'running as user' "$TMP/stderr" >>"$TMP/errors"
is "no length makes the script fail" "$(head -n 3 "$TMP/errors" 2>/dev/null)" ""
echo "1..$N"
