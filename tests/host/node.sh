#!/bin/bash
# Two ntmd and a ntm-dc in network namespaces of this machine, with the user-space data path: ntmd is built with sanitizers, for
# addresses and undefined behaviour, or (SANITIZER=tsan) for races.
# tap: yes
# shellcheck disable=SC2016,SC2317 # what inner shells expand, what check() runs
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1

unshare -n true 2>/dev/null || { echo "ok 1 - node: # SKIP no network namespaces here"; echo 1..1; exit 0; }

DIR=$(mktemp -d)
WHAT=node
# shellcheck source=tests/host/lib/tap
. tests/host/lib/tap
declare -A NS PID
trap 'kill "${PID[@]}" "${NS[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$DIR"' EXIT

NTMD=build/${SANITIZER:-san}/bin/ntmd
make -s build/bin/ntm-dc build/bin/ntmctl build/tests/tools/ntm-stream "$NTMD" >"$DIR/build" 2>&1 || { cat "$DIR/build"; echo "not ok 1 - node: it builds"; exit 1; }

eventually() {
	local began=$SECONDS end=$((SECONDS + $1 + 1)) # the first of them may be over in a moment
	shift
	until "$@"; do
		[ "$began" -lt "$end" ] || return 1
		sleep 0.1
		began=$SECONDS
	done
}

on() {
	nsenter -t "${NS[$1]}" -n -- "${@:2}"
}
# The same for the background: $! is the program itself
inside() {
	exec nsenter -t "${NS[$1]}" -n -- "${@:2}"
}
host() {
	unshare -n sleep 10000 &
	NS[$1]=$!
	until [ "$(readlink "/proc/${NS[$1]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
	on "$1" ip link set dev lo up
}
# wire HOST ADDRESS: a cable from HOST into the DC's bridge
wire() {
	on dc ip link add name "to-$1" type veth peer name eth0 netns "${NS[$1]}"
	on dc ip link set dev "to-$1" master bridge0 up
	on "$1" ip addr add "$2" dev eth0
	on "$1" ip link set dev eth0 up
}
start_dc() {
	inside dc build/bin/ntm-dc serve -c "$DIR/dc.conf" 2>>"$DIR/dc.log" &
	PID[dc]=$!
	eventually 10 test -S "$DIR/dc.sock"
}
start_node() {
	printf '[node]\nstate = %s\ncontrol = %s\ndatapath = tun\nthreads = 4\ndns = off\nrekey-after = 10\nlog-level = debug\n' \
		"$DIR/$1" "$DIR/$1.sock" >"$DIR/$1.conf"
	inside "$1" "$NTMD" -c "$DIR/$1.conf" 2>>"$DIR/$1.log" &
	PID[$1]=$!
	eventually 10 test -S "$DIR/$1.sock"
}
# end NAME [SIGNAL]: stop it, its exit status is ours
end() {
	kill "-${2:-TERM}" "${PID[$1]}"
	wait "${PID[$1]}"
}
ctl() {
	on "$1" build/bin/ntmctl --socket "$DIR/$1.sock" "${@:2}"
}
invite() {
	on dc build/bin/ntm-dc -c "$DIR/dc.conf" invite "$1"
}
ask() {
	on "$1" dig +tries=1 +time=6 @100.64.0.1 "${@:2}"
}
# Packets to an address without a tunnel; pings of one that nobody has, or that is offline, hear so
miss() {
	on "$1" ping -n -c 1 -W 6 "$2"
}

host dc && host a && host b
on dc ip link add name bridge0 type bridge
on dc ip addr add 192.0.2.1/24 dev bridge0
on dc ip link set dev bridge0 up
wire a 192.0.2.10/24
wire b 192.0.2.20/24
cat >"$DIR/dc.conf" <<END
[dc]
zone = example.net
listen = 0.0.0.0:4330
listen6 = none
pool4 = 100.64.0.0/16
pool6 = fd00:4e54::/64
state = $DIR/dc.state
control = $DIR/dc.sock
advertise = 192.0.2.1
END

check "the DC starts" start_dc
check "ntmctl says that ntmd is not running" exits 3 ctl a status
check "a starts, not joined" start_node a
check "and says so" says "not joined" ctl a
check "a bad join string is refused" exits 2 ctl a join "ntm://nonsense"
check "ping before joining is refused" exits 1 ctl a ping b
string=$(invite x)
on dc build/bin/ntm-dc -c "$DIR/dc.conf" revoke x >/dev/null
check "an invitation taken back is refused" exits 1 ctl a join "$string"
check "status says so" says "DC: refused" ctl a
check "a joins" says "^a.example.net 100.64" ctl a join "$(invite a)"
check "b starts" start_node b
check "b joins" says "^b.example.net 100.64" ctl b join "$(invite b)"

check "A of b is held and answered" says "status: NOERROR" ask a b.example.net A
check "with b's address" says "^100.64" ask a +short b.example.net A
check "AAAA too" says "^fd00:4e54" ask a +short b.example.net AAAA
check "its own name" says "^100.64" ask a +short a.example.net A
check "an unknown one is NXDOMAIN" says "NXDOMAIN" ask a c.example.net A
check "a name no node can have, too" says "NXDOMAIN" ask a _sip._udp.example.net SRV
check "the zone itself has no address" says "ANSWER: 0" ask a example.net A
check "status shows the tunnel" says "b.example.net .* up .*direct 192.0.2.20:4330" ctl a
check "at the other end too" says "a.example.net .* up .*direct 192.0.2.10:4330" ctl b
check "as JSON" says '"schema": 2' ctl a status --json
check "drops" says "signalling mac 0" ctl a status --drops
check "ping" says "direct 192.0.2.20:4330, [0-9.]+ ms" ctl a ping b -c 2
check "ping of nobody" exits 5 ctl a ping nobody -c 1
check "ping of itself" exits 2 ctl a ping a -c 1
check "a miss of an address nobody has fails" says "Host Unreachable" miss a 100.64.0.119

check "forget ends the tunnel" ctl a forget b
check "and it is set up again" says "direct" ctl a ping b -c 3
check "forget of nobody" exits 1 ctl a forget nobody

# Traffic, through crews of threads
serves() {
	on "$1" ss -Hltn sport = :5201 | grep -q .
}
# to_server TEXT ARG...: an iperf3 from a to a new server on b. Between two clients one refuses connections for a moment.
to_server() {
	local text=$1
	shift
	inside b iperf3 -s -1 >"$DIR/iperf.log" 2>&1 &
	PID[iperf]=$!
	eventually 5 serves b
	check "$text" on a iperf3 "$@"
	kill "${PID[iperf]}" 2>/dev/null
	wait "${PID[iperf]}" 2>/dev/null
	unset "PID[iperf]"
}
to_server "TCP to b" -c 100.64.0.3 -t 3
to_server "TCP from b, over IPv6" -c fd00:4e54::3 -t 3 -R
to_server "UDP to b" -c 100.64.0.3 -u -b 50M -l 1000 -t 2
check "large pings" on a ping -q -c 3 -i 0.2 -s 60000 100.64.0.3
nothing_bad() {
	ctl b status --drops >"$DIR/drops"
	[ "$(grep -cE '^data (auth|replay|inner) 0$' "$DIR/drops")" = 3 ] || { cat "$DIR/drops"; return 1; }
}
check "no packet was forged, repeated or malformed" nothing_bad
check "the stub answers pings" on a ping -q -c 1 -W 2 100.64.0.1
check "and refuses TCP at once" exits 9 on a dig +tcp +tries=1 +time=5 @100.64.0.1 b.example.net
rekeyed() {
	ctl a status --json | grep -qE '"epoch": [2-9]'
}
check "keys are replaced" eventually 30 rekeyed

# Garbage to the port
for i in $(seq 60); do
	on b bash -c "head -c $((i * 5)) /dev/urandom >/dev/udp/192.0.2.10/4330" 2>/dev/null
	on b bash -c "{ printf '\\x0$((i % 8))\\x01\\0\\0'; head -c $((i * 5)) /dev/urandom; } >/dev/udp/192.0.2.10/4330" 2>/dev/null
done
check "garbage is counted" says "signalling (mac|session|malformed|short) [1-9]" ctl a status --drops
check "and harms nothing" says "direct" ctl a ping b -c 1
garbage_refused() {
	printf '{"command": 7}\n[]\n{]\n\n{"command": "status"' | build/tests/tools/ntm-stream talk "$DIR/a.sock" >"$DIR/said"
	cat "$DIR/said"
	[ "$(grep -c '"ok":false' "$DIR/said")" = 4 ] && [ "$(wc -l <"$DIR/said")" = 4 ]
}
check "garbage to the control socket: each line is refused" garbage_refused
check "a line without an end: the connection ends" eval \
	'[ "$(head -c 3000000 /dev/zero | tr "\0" x | build/tests/tools/ntm-stream talk "$DIR/a.sock" | wc -l)" -le 1 ]'
check "and harms nothing" says '"state": "registered"' ctl a status --json
check "a bad command" exits 2 ctl a dance

# The peer goes, comes, is killed
check "b ends with a goodbye" end b
no_tunnel() {
	! ctl a | grep -q ' up '
}
check "its peer is told" eventually 5 no_tunnel
check "an offline peer is SERVFAIL" says SERVFAIL ask a b.example.net A
check "a miss of it fails" says "Host Unreachable" miss a 100.64.0.3
check "b starts again" start_node b
sleep 5
check "and is found by a miss of its address" miss a 100.64.0.3
end dc KILL 2>/dev/null
rm -f "$DIR/dc.sock"
check "without a DC: SERVFAIL" says SERVFAIL ask a c.example.net A
check "status says so" eventually 10 says "DC: unreachable" ctl a
check "a killed DC comes back" start_dc
check "and is found" eventually 20 says NXDOMAIN ask a c.example.net A
kill -HUP "${PID[a]}"
check "SIGHUP" eventually 3 grep -q "configuration reloaded" "$DIR/a.log"
on dc build/bin/ntm-dc -c "$DIR/dc.conf" revoke b
check "a revoked node says so" eventually 60 says "DC: refused: revoked" ctl b
check "and its names fail" says SERVFAIL ask b c.example.net A
check "a ends" end a
check "b ends" end b
check "no sanitizer had anything to say" bash -c "! grep -hE 'ERROR: |WARNING: ThreadSanitizer|runtime error|SUMMARY' '$DIR'/*.log"
echo "1..$N"
[ $FAILED = 0 ] || tail -n 15 "$DIR"/*.log | sed 's/^/# /'
exit $FAILED
