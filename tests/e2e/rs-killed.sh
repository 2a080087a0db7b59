# shellcheck shell=bash
# A relay server is killed while it relays: the second one takes over within 2 s, and TCP lives.
# on: host
# on-long: qemu-6.12 qemu-6.12/tun uml/mixed qemu-6.12/mixed
# timeout: 300
#
# The network: lib/two-sides; mn and cn are cut off from each other

# shellcheck source=tests/e2e/lib/two-sides
. /mnt/lab/src/tests/e2e/lib/two-sides
two_sides

cut
relay_of() {
	ctl "$1" | sed -nE 's/.* relay ([a-z]+)\.example\.net .*/\1/p'
}
on_other() {
	[ "$(relay_of mn)" = "$other" ] && [ "$(relay_of cn)" = "$other" ]
}

# revived HOST: its relay server, which a run before this one has killed; and nothing is left of the tunnel. The DC does not choose one
# for 10 s that has not answered it, as the dead one may not have until now.
revived() {
	local before
	before=$(logged "$1" ntm-rs 'registered as')
	again "$1" ntm-rs
	eventually 10 logged_more "$1" ntm-rs 'registered as' "$before" || lab_die "ntm-rs on $1 does not come back"
	ctl mn forget cn.example.net || true
	ctl cn forget mn.example.net || true
	sleep 11.5
}

# killed: under TCP and pings, the one that relays
killed() {
	local from gap
	[ -z "$first" ] || revived "$first"
	check "cut off from each other, they reach each other" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
	first=$(relay_of mn)
	other=$([ "$first" = one ] && echo two || echo one)
	like "by one of the relay servers" "$first" '^(one|two)$'
	iperf_server cn
	bg_anew mn tcp iperf3 -c cn.example.net -t 12 -b 5M
	bg_anew mn pings ping -D -i 0.05 -w 12 cn.example.net
	sleep 3
	from=$(wall_ms)
	kill9 "$first" ntm-rs
	check "killed, the other one takes over" eventually 3 on_other
	wait_for mn pings 30
	gap=$(longest_gap mn pings "$from")
	say "longest time without an answer: $gap ms"
	at_most "within 2 s" "$gap" 2000
	wait_for mn tcp 30
	like "TCP lives" "$(logs mn tcp)" 'iperf Done'
	exits "it is relayed only" 4 ctl mn ping cn -c 1
}
first=''
steadily 350 killed

# The other one too: nothing is left, until the first comes back
kill9 "$other" ntm-rs
bg mn wait ping -i 0.5 -c 120 -W 1 cn.example.net
sleep 4
again "$first" ntm-rs
answered() {
	[ "$(relay_of mn)" = "$first" ] && on mn ping -c 1 -W 1 "$(virtual4 cn)"
}
check "both killed and the first started again, it carries them again" eventually 30 answered
