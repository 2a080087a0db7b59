# shellcheck shell=bash
# A relay server that drains (ntm-rs drain, SIGTERM) hands its tunnels on, TCP lives, and then it ends. The other one carries them within 3 s
# if it knows them, or within 6 s if it was started later, and the coordinator has to direct them to it. Where there is no other one, it
# goes on forwarding for as long as it said it would.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 300
#
# The network: lib/two-sides; mn and cn are cut off from each other

# shellcheck source=tests/e2e/lib/two-sides
. /mnt/lab/src/tests/e2e/lib/two-sides
two_sides

cut
check "cut off from each other, they reach each other" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
relay_of() {
	ctl "$1" | sed -nE 's/.* relay ([a-z]+)\.example\.net .*/\1/p'
}
on_relay() {
	[ "$(relay_of mn)" = "$1" ] && [ "$(relay_of cn)" = "$1" ]
}
offline() {
	dc_ctl dc relays | grep -q "^$1\.example\.net *offline"
}
online() {
	dc_ctl dc relays | grep -q "^$1\.example\.net *online"
}

# drained HOW SECONDS COMMAND...: under TCP and pings; the relay server that carries them is in FROM, the other one in TO
drained() {
	local how=$1 within=$2 from gap
	shift 2
	FROM=$(relay_of mn) TO=two
	[ "$FROM" = one ] || TO=one
	iperf_server cn
	bg mn "tcp-$how" iperf3 -c cn.example.net -t 9 -b 5M
	bg mn "pings-$how" ping -D -i 0.05 -w 9 "$(virtual4 cn)"
	sleep 2
	from=$(wall_ms)
	"$@" "$FROM"
	check "$how: the other one carries them within $within s" eventually "$within" on_relay "$TO"
	check "$how: the coordinator knows" eventually 2 offline "$FROM"
	wait_for mn "pings-$how" 30
	gap=$(longest_gap mn "pings-$how" "$from")
	say "$how: longest time without an answer: $gap ms"
	at_most "$how: packets stop for 2 s at most" "$gap" 2000
	wait_for mn "tcp-$how" 30
	like "$how: TCP lives" "$(logs mn "tcp-$how")" 'iperf Done'
	check "$how: nobody needs it any more, and it ends" eventually 10 ended "$FROM" ntm-rs
	exits "$how: they are relayed" 4 ctl mn ping cn -c 1
}
by_command() {
	rs_ctl "$1" drain
}
by_signal() {
	send_signal "$1" ntm-rs TERM
}

drained drain 3 by_command
again "$FROM" ntm-rs
check "started again, it is there" eventually 20 online "$FROM"
is "and knows nothing of what it carried before" "$(rs_ctl "$FROM" status --json | sed -nE 's/^  "paths": ([0-9]+),/\1/p')" 0
drained SIGTERM 6 by_signal

# The other one is alone now, and there is nobody to hand on to
bg mn alone ping -D -i 0.05 -w 14 "$(virtual4 cn)"
sleep 2
from=$(wall_ms)
rs_ctl "$TO" drain
check "alone, it says goodbye as well" eventually 3 offline "$TO"
wait_for mn alone 30
gap=$(longest_gap mn alone "$from")
say "alone: longest time without an answer: $gap ms"
at_most "and goes on, for the time that it gives" "$gap" 2000
check "it is still there" running "$TO" ntm-rs
check "and ends when nothing passes" eventually 20 ended "$TO" ntm-rs
