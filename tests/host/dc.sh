#!/bin/bash
# ntm-dc as it is run: its command line, hundreds of nodes on loopback, and kill -9 in the midst of their registration.
# tap: yes
# shellcheck disable=SC2016,SC2317 # what check() runs
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
make -s build/bin/ntm-dc build/bin/ntm-rs build/tests/dc-load || exit 1

DIR=$(mktemp -d)
CONF=$DIR/dc.conf
DC=build/bin/ntm-dc
NODES=${NODES:-400}
PID=
RS_PID=
WHAT=ntm-dc
# shellcheck source=tests/host/lib/tap
. tests/host/lib/tap
trap '[ -z "${LOOKS:-}" ] || kill "$LOOKS" 2>/dev/null; stop KILL; stop_rs KILL; rm -rf "$DIR"' EXIT

dc() {
	"$DC" -c "$CONF" "$@"
}

configure() {
	{
		echo '[dc]'
		printf '%s\n' zone=example.net "listen=127.0.0.1:$PORT" listen6=none pool4=100.64.0.0/16 \
			pool6=fd00:4e54::/64 "state=$DIR/state" "control=$DIR/control.sock"
	} >"$CONF"
}

running() {
	dc status >"$DIR/status" 2>&1
}

start() {
	local _
	"$DC" serve -c "$CONF" 2>>"$DIR/log" &
	PID=$!
	for _ in $(seq 100); do
		running && return 0
		kill -0 "$PID" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

stop() {
	[ -n "$PID" ] || return 0
	kill "-$1" "$PID" 2>/dev/null
	wait "$PID" 2>/dev/null
	PID=
}

rs() {
	build/bin/ntm-rs -c "$DIR/rs.conf" "$@"
}

start_rs() {
	local _
	{
		echo '[rs]'
		printf '%s\n' "listen=127.0.0.1:$((PORT + 1))" listen6=none "other-port=$((PORT + 2))" datapath=user \
			"state=$DIR/rs" "control=$DIR/rs.sock"
	} >"$DIR/rs.conf"
	build/bin/ntm-rs serve -c "$DIR/rs.conf" 2>>"$DIR/rs.log" &
	RS_PID=$!
	for _ in $(seq 100); do
		rs status >"$DIR/rs.status" 2>&1 && return 0
		kill -0 "$RS_PID" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

stop_rs() {
	[ -n "$RS_PID" ] || return 0
	kill "-$1" "$RS_PID" 2>/dev/null
	wait "$RS_PID" 2>/dev/null
	RS_PID=
}

# eventually CMD...: within 5 s
eventually() {
	local _
	for _ in $(seq 50); do
		"$@" >"$DIR/eventually" 2>&1 && return 0
		sleep 0.1
	done
	cat "$DIR/eventually"
	return 1
}

PORT=$((20000 + RANDOM % 10000))

# --- the command line

configure
check "help" says '^usage' "$DC" help
check "no command is wrong usage" exits 2 "$DC"
check "an unknown command is wrong usage" exits 2 "$DC" frobnicate
check "invite without a name is wrong usage" exits 2 dc invite
check "a missing configuration" exits 2 "$DC" serve -c "$DIR/nothing"
printf '[dc]\nzone = example.net\npool4 = 100.64.0.0/99\n' >"$DIR/bad.conf"
check "a bad configuration names file, line and reason" says "$DIR/bad.conf:3: .*prefix length" "$DC" serve -c "$DIR/bad.conf"
check "and starts nothing" exits 2 "$DC" serve -c "$DIR/bad.conf"
check "status without a coordinator" exits 3 dc status
check "invite without a coordinator" says '^ntm://127.0.0.1:' dc invite first
check "the same name again" exits 1 dc invite first.example.net
check "a name of another zone" exits 2 dc invite a.example.org
check "nodes without a coordinator" says '^first.example.net .* invited' dc nodes
# Other zones, as far as they need no DNS: a running coordinator would ask that of this machine
check "key prints the DNS records" says '^_ntmobile._udp.example.net. 3600 IN TXT "v=ntm1 k=[A-Za-z0-9_-]{43}"$' dc key
check "with the port" says "^_ntmobile._udp.example.net. 3600 IN SRV 0 0 $PORT dc.example.net.\$" dc key
check "and the address" says '^dc.example.net. 3600 IN A 127.0.0.1$' dc key
echo 'peer-zones = b.example, c.example' >>"$CONF"
check "zones" says '^c.example +unknown ' dc zones
check "zones --json" says '"name": "b.example"' dc zones --json
check "a zone that was never met cannot be forgotten" says "never met" dc forget d.example
check "forget without a zone is wrong usage" exits 2 dc forget
for zones in example.net sub.example.net net "b.example, a.b.example" "b.example, b.example" "B.example" \
	"a.x, b.x, c.x, d.x, e.x, f.x, g.x, h.x, i.x"; do
	{
		cat "$CONF"
		echo "peer-zones = $zones"
	} | sed '/b.example, c.example/d' >"$DIR/bad.conf"
	check "peer-zones = $zones makes no sense" exits 2 "$DC" -c "$DIR/bad.conf" zones
	check "and its line is named" says "$DIR/bad.conf:$(grep -c . "$DIR/bad.conf"): peer-zones: " "$DC" -c "$DIR/bad.conf" zones
done
configure
# Commands without a coordinator have the store to themselves for a moment
while :; do dc nodes; done >"$DIR/looks" 2>&1 &
LOOKS=$!
check "serve, while others look at the store" start
kill "$LOOKS"
wait "$LOOKS" 2>/dev/null
check "a second coordinator on the same state" exits 1 "$DC" serve -c "$CONF"
check "invite" says '^ntm://127.0.0.1:' dc invite second
check "nodes" says '^second.example.net .* invited' dc nodes
check "nodes --json" says '"version": 1' dc nodes --json
check "revoke" dc revoke second
check "revoke what is not there" exits 1 dc revoke second
kill -HUP "$PID"
check "SIGHUP" eventually grep -q "configuration reloaded" "$DIR/log"
echo nonsense >>"$CONF"
kill -HUP "$PID"
check "SIGHUP with a bad configuration changes nothing" eval 'eventually grep -q "not reloaded" "$DIR/log" && kill -0 "$PID"'
configure
# --- relay servers

echo keepalive=1 >>"$CONF" # so that one notices soon that the coordinator was killed
kill -HUP "$PID"
check "invite --relay" says '^ntm://127.0.0.1:' dc invite --relay first-relay
check "relays" says '^first-relay.example.net +invited' dc relays
check "relays --json" says '"version": 1' dc relays --json
check "a relay is not among the nodes" eval '! says relay dc nodes'
check "nor a node among the relays" eval '! says first.example.net dc relays'
check "a relay's name is no node's" says "is a relay's name" dc invite first-relay
check "a node's name is no relay's" exits 1 dc invite --relay first
check "a relay's name has 63 bytes at most" exits 2 dc invite --relay "$(printf 'a%.0s' $(seq 52))"
check "and may have 63" says '^ntm://' dc invite --relay "$(printf 'a%.0s' $(seq 51))"
check "--relay belongs to invite" exits 2 dc nodes --relay
check "an invitation of a relay can be taken back" dc revoke first-relay
dc invite --relay rs >"$DIR/rs.join"
check "a relay server joins" eval 'start_rs && rs join "$(cat "$DIR/rs.join")"'
check "and is online, where nodes reach it" \
	eventually says "^rs.example.net +online +127.0.0.1:$((PORT + 1)) +[0-9]+ +0 " dc relays
printf '%s\n' third fourth >"$DIR/names"
dc invite --batch "$DIR/names" >"$DIR/joins"
check "nodes are directed" build/tests/dc-load --joins "$DIR/joins" --ask 1 --timeout 20 --seed relays
check "with the relay" says '^relay_directions: [1-9]' dc status
check "which confirms" eventually says '^relay_responses: [1-9]' dc status
check "and is shown with the path" says '^rs.example.net +online +[^ ]+ +[0-9]+ +[1-9]' dc relays
stop KILL
start
check "after a kill -9 of the coordinator it is there again" \
	eventually says '^rs.example.net +online' dc relays
check "revoke shuts it out" eval 'dc revoke rs && says "^rs.example.net +revoked" dc relays'
stop_rs TERM
configure
stop TERM
check "SIGTERM ends it cleanly" says 'going away' tail -n 3 "$DIR/log"

# --- many nodes, and kill -9 while they register

seq -f 'node%.0f' "$NODES" >"$DIR/names"
dc invite --batch "$DIR/names" >"$DIR/joins"
check "invite --batch" test "$(wc -l <"$DIR/joins")" = "$NODES"
build/tests/dc-load --joins "$DIR/joins" --window 16 --timeout 100 --save "$DIR/leases" >"$DIR/load" 2>&1 &
LOAD=$!
KILLS=0
while kill -0 "$LOAD" 2>/dev/null && [ $KILLS -lt 25 ]; do
	start || break
	sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
	stop KILL
	KILLS=$((KILLS + 1))
done
start
check "nodes register though it is killed all the time ($KILLS times)" wait "$LOAD"
sed 's/^/# /' "$DIR/load"
check "every node got addresses of its own" test "$(cut -d' ' -f2,3 "$DIR/leases" | tr ' ' '\n' | sort -u | wc -l)" = $((2 * NODES))
stop KILL
check "it starts after a kill -9" start
check "nodes keep names and addresses, and are directed to each other" \
	build/tests/dc-load --joins "$DIR/joins" --pid "$PID" --ask 50 --timeout 100 --compare "$DIR/leases"
sed 's/^/# /' "$DIR/output"
check "all of them are online" says "^online: $NODES\$" dc status
stop TERM
check "nothing is left of it" test ! -e "$DIR/control.sock"

echo "1..$N"
exit $FAILED
