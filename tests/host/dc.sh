#!/bin/bash
# ntm-dc as it is run: its command line, hundreds of nodes on loopback, and kill -9 in the midst of their registration.
# tap: yes
# shellcheck disable=SC2016,SC2317 # what check() runs
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
make -s build/bin/ntm-dc build/tests/dc-load || exit 1

DIR=$(mktemp -d)
CONF=$DIR/dc.conf
DC=build/bin/ntm-dc
NODES=${NODES:-400}
PID=
N=0
FAILED=0
trap 'stop KILL; rm -rf "$DIR"' EXIT

# check TEXT CMD...: one TAP point
check() {
	local text=$1
	shift
	N=$((N + 1))
	if "$@" >"$DIR/output" 2>&1; then
		echo "ok $N - ntm-dc: $text"
	else
		echo "not ok $N - ntm-dc: $text"
		FAILED=1
		sed 's/^/# /' "$DIR/output"
	fi
}

# exits STATUS CMD...
exits() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" = "$want" ] || { echo "exit status $got, not $want"; return 1; }
}

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

says() {
	local pattern=$1
	shift
	"$@" >"$DIR/said" 2>&1
	grep -qE -- "$pattern" "$DIR/said" || { cat "$DIR/said"; return 1; }
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
check "serve" start
check "a second coordinator on the same state" exits 1 "$DC" serve -c "$CONF"
check "invite" says '^ntm://127.0.0.1:' dc invite second
check "nodes" says '^second.example.net .* invited' dc nodes
check "nodes --json" says '"version": 1' dc nodes --json
check "revoke" dc revoke second
check "revoke what is not there" exits 1 dc revoke second
kill -HUP "$PID"
check "SIGHUP" eval 'sleep 0.3; grep -q "configuration reloaded" "$DIR/log"'
echo nonsense >>"$CONF"
kill -HUP "$PID"
check "SIGHUP with a bad configuration changes nothing" eval 'sleep 0.3; grep -q "not reloaded" "$DIR/log" && kill -0 "$PID"'
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
