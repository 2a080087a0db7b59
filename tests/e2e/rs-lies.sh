# shellcheck shell=bash
# A relay server that lies: it binds the ends and answers them, and loses what it should forward, or the data alone, sends it elsewhere,
# spoils it, or sends it twice. The other relay server takes over within 3 s (5 s where processors are emulated), TCP lives, and nothing
# false reaches anybody.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 420
#
# The network: lib/two-sides; mn and cn are cut off from each other, and other (192.0.2.30) is a third node. What a relay server sends
# is changed in the switch that it is plugged into, so that it seems to do it.

# shellcheck source=tests/e2e/lib/two-sides
. /mnt/lab/src/tests/e2e/lib/two-sides
# shellcheck source=tests/e2e/lib/pair
. /mnt/lab/src/tests/e2e/lib/pair
# shellcheck source=tests/e2e/lib/evil
. /mnt/lab/src/tests/e2e/lib/evil
WITHIN=3
[ "$LAB_TARGET" = host ] || WITHIN=5
two_sides
host other
link other right 192.0.2.30/24
resolver other 192.0.2.1
node other other dc
cut

# lie HOST RULE...: for what this relay server sends
DATA='udp sport 4330 @th,64,1 1' RELAYED='udp sport 4330 @th,64,8 0x0a'
lie() {
	local host=$1
	shift
	nsenter --net=/run/netns/net.right nft -f - <<-END
		table netdev lie {
			chain lie {
				type filter hook ingress device "$(port_of "$host" right)" priority 0
				$(printf '%s\n' "$@")
			}
		}
	END
}
honest() {
	nsenter --net=/run/netns/net.right nft delete table netdev lie
}
lied() { # how many packets
	nsenter --net=/run/netns/net.right nft list table netdev lie | sed -nE 's/.*counter packets ([0-9]+).*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}
relay_of() {
	ctl "$1" | sed -nE 's/^(mn|cn)\.example\.net .* relay ([a-z]+)\.example\.net .*/\2/p'
}
on_relay() {
	[ "$(relay_of mn)" = "$1" ] && [ "$(relay_of cn)" = "$1" ]
}
mac_of() {
	ip -n "$1" -o link show dev eth0 | sed -E 's/.*link\/ether ([0-9a-f:]+).*/\1/'
}

# liar NAME RULE...: under TCP and pings, until the other one has taken over. The product takes half of the 3 s, and more if a probe of it comes late
liar() {
	local name=$1 log=${1// /-} first second from gap
	shift
	check "$name: they reach each other" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
	first=$(relay_of mn) second=two
	[ "$first" = one ] || second=one
	like "$name: by a relay server" "$first" '^(one|two)$'
	iperf_server cn
	bg_anew mn "tcp-$log" iperf3 -c "$(virtual4 cn)" -t 7 -b 5M
	bg_anew mn "pings-$log" ping -D -i 0.05 -w 7 "$(virtual4 cn)"
	sleep 1.5
	from=$(wall_ms)
	lie "$first" "$@"
	check "$name: the other one takes over within $WITHIN s" eventually $WITHIN on_relay "$second"
	wait_for mn "pings-$log" 20
	gap=$(longest_gap mn "pings-$log" "$from")
	say "$name: longest time without an answer: $gap ms"
	at_most "$name: packets pass again within $WITHIN s" "$gap" $((WITHIN * 1000))
	wait_for mn "tcp-$log" 20
	like "$name: TCP lives" "$(logs mn "tcp-$log")" 'iperf Done'
	unlike "$name: nothing comes twice" "$(logs mn "pings-$log")" 'DUP!'
	check "$name: and in the end they do" on mn ping -c 1 -W 1 "$(virtual4 cn)"
	at_least "$name: it did lie" "$(lied)" 1
	honest
	ctl mn forget cn.example.net >/dev/null
	ctl cn forget mn.example.net >/dev/null || true
	sleep 1.2 # for 1 s the DC takes who asks for one that crossed what either may have asked for last
}

steadily 150 liar "loses all" "$DATA counter drop" "$RELAYED counter drop"
steadily 150 liar "loses the data" "$DATA counter drop"

before=$(drops other path) got=$(received cn)
steadily 150 liar "sends elsewhere" "$DATA ip daddr 192.0.2.20 ip daddr set 192.0.2.30 ether daddr set $(mac_of other) counter" "$DATA ip daddr 198.51.100.10 counter drop"
at_least "there it is dropped, and counted" $(($(drops other path) - before)) 1

before=$(drops cn auth key path)
steadily 150 liar "spoils" "$DATA @th,160,32 set 0xdeadbeef counter"
at_least "what is spoilt is dropped, and counted" $(($(drops cn auth key path) - before)) 1

# Copies of what it forwards, sent again, and cut short: the tunnel stays where it is, and takes none of them
check "they reach each other" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
first=$(relay_of mn)
for mode in replay flip cut; do
	before=$(drops cn replay auth key path short) got=$(received cn)
	evil_start "$first" right "$mode"
	on mn ping -c 1 -W 2 "$(virtual4 cn)" >"$LAB_OUT/ping-$mode"
	sent=$(evil_sent "$first")
	at_least "$mode: it sends more than it got" "$sent" 10
	eventually 5 eval "[ \$(drops cn replay auth key path short) -ge $((before + sent)) ]" || true
	is "$mode: each is dropped, and counted" $(($(drops cn replay auth key path short) - before)) "$sent"
	is "$mode: only the ping itself arrives" $(($(received cn) - got)) 1
	unlike "$mode: nothing comes twice" "$(<"$LAB_OUT/ping-$mode")" 'DUP!'
done
check "and all is well" on mn ping -c 3 -i 0.2 -W 2 "$(virtual4 cn)"
