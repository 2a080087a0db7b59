# shellcheck shell=bash
# A path that begins on a relay moves to the direct way when there is one, and loses no packet.
# on: uml/mixed host
# on-long: qemu-6.12 qemu-6.12/tun qemu-6.12/mixed
# timeout: 420
#
# The network: lib/two-sides

# shellcheck source=tests/e2e/lib/two-sides
. /mnt/lab/src/tests/e2e/lib/two-sides
two_sides

# Datagrams in both directions, 500 a second for 18 s, with room at the receivers for seconds of them. In half a second without the
# machine what lies before them, the queues of the devices and the daemons' own sockets, may be full.
RATE=500 COUNT=9000 SIZE=500
flow() { # FROM TO
	bg_anew "$2" stream-in ntm-stream receive paced 7000
	eventually 5 listens "$2" udp 7000
	bg_anew "$1" stream-out ntm-stream send paced "$(virtual4 "$2")" 7000 $((COUNT * SIZE)) $SIZE $RATE
}
moves() {
	grep -c 'now direct' "$LAB_OUT/mn/ntmd.log" || true
}

datagrams() {
	local before
	ctl mn forget cn.example.net || true
	ctl cn forget mn.example.net || true
	cut
	check "cut off from each other, they reach each other" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
	like "by a relay" "$(ctl mn)" 'cn\.example\.net.* up .*relay (one|two)\.example\.net '
	exits "ntmctl ping ends with 4" 4 ctl mn ping cn -c 1
	before=$(moves)
	flow mn cn
	flow cn mn
	sleep 4
	check "while packets pass it is still relayed" is_relayed mn
	mend
	check "mended, it moves to the direct way" eventually 7 is_direct mn
	check "on the other side, too" eventually 1 is_direct cn
	wait_for mn stream-in 40
	wait_for cn stream-in 40
	like "and not one packet was lost on the way" "$(logs cn stream-in)" "wrong 0 datagrams $COUNT lost 0 "
	like "nor on the way back" "$(logs mn stream-in)" "wrong 0 datagrams $COUNT lost 0 "
	like "status says direct" "$(ctl mn)" 'cn\.example\.net.* up .*direct 192\.0\.2\.20:4330'
	exits "ntmctl ping ends with 0" 0 ctl mn ping cn -c 1
	is "it moved once" $(($(moves) - before)) 1
}
steadily 250 datagrams

# The same under TCP: no interval in which it stands still
under_tcp() {
	cut
	check "cut again, it is relayed again" eventually 8 on mn ping -c 1 -W 1 cn.example.net
	bg_anew mn keep ping -i 0.2 cn.example.net
	check "and says so" eventually 5 is_relayed mn
	stop mn keep
	iperf_server cn
	bg_anew mn tcp iperf3 -c cn.example.net -t 12 -i 0.5 -b 5M
	sleep 2
	mend
	check "mended under TCP, it moves" eventually 7 is_direct mn
	wait_for mn tcp 30
	like "TCP runs to its end" "$(logs mn tcp)" 'iperf Done'
	unlike "and does not stand still for half a second" "$(logs mn tcp)" ' 0\.00 bits/sec'
}
steadily 250 under_tcp
