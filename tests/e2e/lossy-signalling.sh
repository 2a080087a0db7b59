# shellcheck shell=bash
# Every path between two hosts loses 20 % of its packets, doubles 10 % and changes their order: nodes and a relay server register, names are
# found, direct and relayed tunnels stand, and no packet reaches an application twice.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 300
#
#   mn 192.0.2.10, cn 192.0.2.20 ---- v4 ---- dc, rs ---- v6 ---- 2001:db8::30 six
#
# Outcome: registered within 60 s; half of the direct set-ups within 2 s, of the relayed ones within 3 s, and each name found by the fourth
# query, as resolvers repeat them. A direct set-up needs six datagrams to arrive, a relayed one sixteen, of which the network takes every
# fifth: hence no shorter time for the slowest.

BAD=(--delay 10ms --jitter 8ms --loss 10.6% --duplicate 5%) # of a link; a path has two
ROUNDS=7

net v4 v6
host dc rs mn cn six
link dc v4 192.0.2.1/24 "${BAD[@]}"
link dc v6 2001:db8::1/64 "${BAD[@]}"
link rs v4 192.0.2.2/24 "${BAD[@]}"
link rs v6 2001:db8::2/64 "${BAD[@]}"
link mn v4 192.0.2.10/24 "${BAD[@]}"
link cn v4 192.0.2.20/24 "${BAD[@]}"
link six v6 2001:db8::30/64 "${BAD[@]}"
for h in mn cn six; do
	resolver $h 127.0.0.1 # nobody is there: names come from ntmd, or not at all
done

# Registration. join may give up before it is through; the daemon does not.
rs_registered() {
	rs_ctl rs status | grep -q ' registered '
}
dc dc
rs_start rs
rs_ctl rs join "$(dc_ctl dc invite --relay rs)" || true
check "a relay server registers" eventually 60 rs_registered
for h in mn cn six; do
	node_start $h
	ctl $h join "$(dc_ctl dc invite $h)" || true
	check "$h registers" eventually 60 registered $h
done

# find HOST NAME: milliseconds until it is found, by at most four queries
find() {
	local t0 i
	t0=$(now_ms)
	for i in 1 2 3 4; do
		if on "$1" dig +short +tries=1 +time=5 "$2.example.net" A | grep -q '^100\.64\.'; then
			echo $(($(now_ms) - t0))
			return
		fi
	done
	echo none
}
forgotten() {
	! ctl mn | grep -q "^$1\.example\.net .* up "
}
# rounds PEER: as many set-ups, each from nothing
rounds() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		ctl mn forget "$1.example.net" >/dev/null 2>&1 || true
		ctl "$1" forget mn.example.net >/dev/null 2>&1 || true
		eventually 5 forgotten "$1"
		find mn "$1"
	done
}
median() {
	printf '%s\n' "$@" | sort -n | sed -n $(($# / 2 + 1))p
}

declare -A WITHIN=([cn]=2 [six]=3)
declare -A PASS=([cn]=40 [six]=20) # of 100, there and back: 64 by two paths, 41 by four
for peer in cn six; do
	mapfile -t times < <(rounds $peer)
	say "set-ups with $peer: ${times[*]} ms"
	unlike "$peer: each time it is found" "${times[*]}" none
	is "$peer: so often" ${#times[@]} $ROUNDS
	at_most "$peer: half of them within ${WITHIN[$peer]} s" "$(median "${times[@]}")" $((WITHIN[$peer] * 1000))
	on mn ping -i 0.05 -c 100 -W 2 "$(virtual4 $peer)" >"$LAB_OUT/ping" || true
	received=$(grep -c 'bytes from' "$LAB_OUT/ping")
	say "$peer: $received of 100 pings are answered"
	at_least "$peer: packets pass, as many as the network lets" "$received" "${PASS[$peer]}"
	unlike "$peer: none comes twice" "$(<"$LAB_OUT/ping")" 'DUP!'
done

# The losses may have put the direct one on a relay for a while. Direct ways are probed every 5 s while packets pass
ways() {
	ctl mn | grep ' up ' | grep -oE 'direct|relay' | sort | paste -sd,
}
one_of_each() {
	[ "$(ways)" != direct,relay ] || return 0
	on mn ping -i 0.05 -c 120 -W 1 "$(virtual4 cn)" >/dev/null || true
	on mn ping -i 0.05 -c 20 -W 1 "$(virtual4 six)" >/dev/null || true
	[ "$(ways)" = direct,relay ]
}
check "one is direct, one relayed" eventually 40 one_of_each

# What comes twice is seen, and refused. Perhaps nothing did until now: then more is sent
counted() {
	ctl "$1" status --drops | awk -v where="$2" '$1 == where && $2 == "replay" { print $3 }'
}
data_refused() {
	[ "$(counted "$1" data)" -gt 0 ] && return
	on mn ping -i 0.05 -c 40 -W 1 "$(virtual4 cn)" || true
	on mn ping -i 0.05 -c 40 -W 1 "$(virtual4 six)" || true
	return 1
}
signalling_refused() {
	[ $(($(counted mn signalling) + $(counted cn signalling) + $(counted six signalling))) -gt 0 ] && return
	set_up_again
}
at_coordinator_refused() {
	[ "$(dc_ctl dc status --json | sed -nE 's/.*"drop_replay": ([0-9]+).*/\1/p')" -gt 0 ] && return
	set_up_again
}
set_up_again() {
	ctl mn forget cn.example.net || true
	ctl cn forget mn.example.net || true
	find mn cn
	return 1
}
for h in mn cn six; do
	check "$h: data that came twice is refused" eventually 20 data_refused $h
done
check "signalling, too" eventually 30 signalling_refused
check "and at the coordinator" eventually 30 at_coordinator_refused

for l in dc@v4 dc@v6 rs@v4 rs@v6 mn@v4 cn@v4 six@v6; do
	link_set "${l%@*}" "${l#*@}" --loss none --duplicate none --jitter none --rate none
done
for peer in cn six; do
	iperf_server $peer
	check "$peer: when the network is well again, TCP is too" on mn iperf3 -c "$(virtual4 $peer)" -t 1 --connect-timeout 3000
done
