# shellcheck shell=bash
# The direct way dies under traffic, in both directions or in one: the relay within 2 s, and back when it answers again.
# on: uml/mixed
# on-long: host qemu-6.12 qemu-6.12/tun qemu-6.12/mixed
# timeout: 600
#
# The network: lib/two-sides

# shellcheck source=tests/e2e/lib/two-sides
. /mnt/lab/src/tests/e2e/lib/two-sides
two_sides

check "the path stands" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
check "directly" is_direct mn

both_direct() {
	on mn ping -c 3 -i 0.2 -W 2 cn.example.net && is_direct mn && is_direct cn
}

# dies WAY: the product takes up to 1.7 s of the 2, so that half of what is left is the margin
dies() {
	local way=$1 from to gap
	check "before it is cut ($way), it is direct" eventually 20 both_direct
	iperf_server cn
	bg_anew mn "tcp-$way" iperf3 -c cn.example.net -t 14 -b 5M
	bg_anew mn "pings-$way" ping -D -i 0.05 -w 15 cn.example.net
	sleep 3
	from=$(wall_ms)
	cut "$way"
	check "cut ($way), it is relayed" eventually 4 is_relayed mn
	check "for cn too ($way)" eventually 1 is_relayed cn
	sleep 1
	mend
	check "mended ($way), it is direct again" eventually 8 is_direct mn
	check "and for cn ($way)" eventually 1 is_direct cn
	to=$(wall_ms)
	wait_for mn "pings-$way" 30
	gap=$(longest_gap mn "pings-$way" "$from" "$to")
	say "longest time without an answer, cut $way: $gap ms"
	at_most "packets pass again within 2 s ($way)" "$gap" 2000
	wait_for mn "tcp-$way" 30
	like "TCP lives ($way)" "$(logs mn "tcp-$way")" 'iperf Done'
}
for way in both to-mn to-cn; do
	steadily 150 dies $way
done

# One that only receives: nothing of it would tell it
iperf_server cn
bg mn oneway iperf3 -c cn.example.net -u -b 1M -l 500 -t 10
sleep 3
cut
check "under a flow in one direction, too" eventually 5 is_relayed cn
mend
wait_for mn oneway 30
check "back again, as long as packets pass" on mn ping -i 0.2 -c 40 -q cn.example.net
check "it is direct" is_direct mn
