# shellcheck shell=bash
# The NAT in front of a node forgets its mappings, and gives others, in mid-transfer; or a mapping ends while a connection is idle. On a
# direct path and on a relayed one, with data in either direction.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 420
#
#   mn 10.0.0.2 --- home --- n (symmetric NAT: each mapping has a new port) --- v4 --- dc, rs, cn 192.0.2.20
#                                                                                      dc, rs --- v6 --- six 2001:db8::30
#
# Outcome: the path is at the new port within 2 s, whoever has something to send, TCP lives on and stands still for 4 s at most (it waits
# longer after each packet that it repeats in vain). After a mapping has ended of itself the peer's next packet arrives within 4 s.

IDLE=4 # seconds that the NAT keeps a mapping

net home v4 v6
host dc rs mn cn six
router n
link n v4 192.0.2.5/24
link n home 10.0.0.1/24
link mn home 10.0.0.2/24 --delay 5ms
link dc v4 192.0.2.1/24
link dc v6 2001:db8::1/64
link rs v4 192.0.2.2/24
link rs v6 2001:db8::2/64
link cn v4 192.0.2.20/24
link six v6 2001:db8::30/64
gateway mn 10.0.0.1
nat n v4 --kind symmetric
for h in mn cn six; do
	resolver $h 127.0.0.1 # nobody is there: names come from ntmd, or not at all
done
dc dc keepalive=2
rs rs rs dc
for h in mn cn six; do
	node $h $h dc
done

# outer PEER: the port at which the NAT has mn, as the peer (or for six the relay server) is sent packets from there
outer() {
	on n conntrack -L -p udp 2>/dev/null | grep -E "src=10\.0\.0\.2 dst=192\.0\.2\.$1 " | sed -E 's/.* dport=([0-9]+) .*/\1/' | sort | paste -sd,
}
seen_at() {
	ctl cn | sed -nE 's/^mn\.example\.net .* up .*direct 192\.0\.2\.5:([0-9]+).*/\1/p'
}
follows() { # the peer is where the NAT has it
	[ -n "$(seen_at)" ] && [ "$(seen_at)" != "$1" ] && [ "$(seen_at)" = "$(outer 20)" ]
}
# The longest time without data of an `iperf3 -i 0.5`, in ms
stood_still() {
	logs "$1" "$2" | grep -vE 'sender|receiver' | awk '/sec/ && /bits/ {
		if ($0 ~ / 0\.00 bits/) n++; else n = 0
		if (n > most) most = n
		all++ } END { print all ? most * 500 : 999999 }'
}

# transfer PEER DIRECTION: two resets under TCP. The product finds out within a second of the two that it has
transfer() {
	local peer=$1 direction=$2 name="tcp-$1-$2" before option=()
	check "$peer is reached" on mn ping -c 2 -i 0.2 -W 2 "$peer.example.net"
	like "$peer: the way is as it should be" "$(ctl mn)" \
		"$peer\.example\.net.* up .*$([ "$peer" = cn ] && echo direct || echo relay) "
	[ "$direction" = up ] || option=(-R)
	iperf_server "$peer"
	bg_anew mn "$name" iperf3 -c "$(virtual4 "$peer")" -t 8 -i 0.5 -b 5M "${option[@]}"
	sleep 2
	before=$(seen_at)
	nat_reset n v4
	[ "$peer" != cn ] || check "$peer, $direction: the path follows within 2 s" eventually 2 follows "$before"
	sleep 2.5
	nat_reset n v4
	wait_for mn "$name" 20
	like "$peer, $direction: TCP lives" "$(logs mn "$name")" 'iperf Done'
	say "$peer, $direction: stands still for $(stood_still mn "$name") ms"
	at_most "$peer, $direction: and stands still for 4 s at most" "$(stood_still mn "$name")" 4000
}

for peer in cn six; do
	steadily 400 transfer $peer up
	steadily 400 transfer $peer down
done
exits "the relayed one is still relayed" 4 ctl mn ping six -c 1
exits "the direct one is direct" 0 ctl mn ping cn -c 1

# Idle for longer than the NAT keeps a mapping: what held the way open is gone, and it is the other side that has something to say
nat n v4 --kind symmetric --timeout $IDLE
heard() {
	grep -q . "$LAB_OUT/mn/hear-$1.log"
}
none_left() {
	[ -z "$(outer 20)$(outer 2)" ]
}
idle() {
	local peer ms
	for peer in cn six; do # of a run before
		eventually 40 ended mn hear-$peer
		eventually 40 ended $peer talk
	done
	for peer in cn six; do
		on mn ping -c 2 -i 0.2 -W 2 "$(virtual4 $peer)" # by a mapping with the new time
		bg $peer talk bash -c "{ sleep $((IDLE + 8)); echo \${EPOCHREALTIME/./}; sleep 20; } | busybox nc -l -p 7000"
		eventually 5 listens $peer tcp 7000
		bg_anew mn hear-$peer bash -c "sleep 25 | busybox nc $(virtual4 $peer) 7000 | while read -r t; do echo \$t \${EPOCHREALTIME/./}; done"
	done
	check "no mapping is left, but the one to the coordinator" eventually $((IDLE + 5)) none_left
	for peer in cn six; do
		check "$peer: what it says after the pause arrives" eventually 12 heard $peer
		ms=$(awk '{ print int(($2 - $1) / 1000) }' "$LAB_OUT/mn/hear-$peer.log")
		say "$peer: after $ms ms"
		at_most "$peer: within 4 s" "$ms" 4000
	done
}
steadily 200 idle
