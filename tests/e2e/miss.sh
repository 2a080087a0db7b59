# on: qemu-6.12
# on-long: uml-debug qemu-6.1
# without: tun mixed: the module by itself
# timeout: 150
# Packets to addresses without a path, with ntm-cfg in ntmd's place.
#
#   a 192.0.2.1 ---- net ---- 192.0.2.2 b
#   ntm0 10.9.0.1             ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

# ping1 ADDRESS SECONDS: one packet, its answer or error on stdout
ping1() {
	on a ping -c 1 -W "$2" "$1" 2>&1 || true
}
misses() {
	logged a owner "^miss .*$1\$"
}
missed() {
	eventually 5 logged_more a owner "^miss .*$1\$" 0
}

fixed_pair
like "IPv4: refused by who holds it" "$(
	bg a ping4 ping -c 1 -W 9 10.9.0.77
	missed v4=10.9.0.77
	on a ntm-cfg miss done ntm0 10.9.0.77 113
	wait_for a ping4 5 || true
	logs a ping4
)" 'Destination Host Unreachable'
like "IPv6: the same" "$(
	bg a ping6 ping -c 1 -W 9 fd09::77
	missed v6=fd09::77
	on a ntm-cfg miss done ntm0 fd09::77 113
	wait_for a ping6 5 || true
	logs a ping6
)" 'Destination unreachable: Address unreachable'
is "one event for it" "$(misses v4=10.9.0.77)" 1
is "one for IPv6" "$(misses v6=fd09::77)" 1

# To many: those of this host among them, and none of a path
on a sysctl -q net.ipv4.icmp_echo_ignore_broadcasts=0
check "IPv4 multicast reaches local listeners" on a ping -c 1 -W 2 -I ntm0 224.0.0.1
check "so does IPv6 multicast" on a ping -c 1 -W 2 -I ntm0 ff02::1
check "and the network's broadcast" on a ping -b -c 1 -W 2 10.9.0.255
is "which nobody is asked for" "$(misses v4=10.9.0.255)" 0

# 20 packets in 2 s: at most one event a second
started=$(now_ms)
on a ping -c 20 -i 0.1 -W 1 10.9.0.78 >/dev/null || true
at_most "at most one event a second" "$(misses v4=10.9.0.78)" $((($(now_ms) - started) / 1000 + 1))
at_least "and a second one later" "$(misses v4=10.9.0.78)" 2
on a ntm-cfg miss done ntm0 10.9.0.78 113

# A path that comes in time: nothing is lost.
on a ntm-cfg path del ntm0 7
bg a ping ping -c 3 -i 0.2 -W 9 10.9.0.2
sleep 1.5
is "no path: told once or twice" "$(misses v4=10.9.0.2 | sed 's/2/1/')" 1
KEY="key 1 1 $FIXED_A $FIXED_B"
# shellcheck disable=SC2086
on a ntm-cfg path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 192.0.2.2 4330
sleep 0.5
like "a path without a key holds on" "$(on a ntm-cfg dev get ntm0)" 'drop_no_key=0 '
# shellcheck disable=SC2086
on a ntm-cfg path set ntm0 7 key 1 1 "$(printf 'a3%.0s' {1..32})" "$(printf 'b3%.0s' {1..32})" pending
on b ntm-cfg path del ntm0 7
on b ntm-cfg path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 192.0.2.1 4330 key 1 1 "$(printf 'b3%.0s' {1..32})" "$(printf 'a3%.0s' {1..32})"
wait_for a ping 9
like "packets held leave when the peer confirms the key" "$(logs a ping)" '3 packets transmitted, 3 received'
check "ntmd hears of it" eventually 5 logged_more a owner '^key_confirmed if=[0-9]+ id=7 epoch=1' 0

# Nobody listens: no waiting.
stop a owner
ms=$(took ping1 10.9.0.79 9)
at_most "nobody listens: refused at once" "$ms" 2000
like "by ICMP" "$(ping1 10.9.0.79 9)" 'Destination Host Unreachable'

# Nobody answers: refused after 10 s.
fixed_owner a
ms=$(took ping1 10.9.0.80 20)
at_least "nobody answers: held for 10 s" "$ms" 9500
at_most "and not much longer" "$ms" 13000

# More addresses and packets than can be held; the interface goes with them.
on a sh -c 'for i in $(seq 1 100); do ping -c 20 -i 0.05 -W 1 10.9.0.$((100 + i)) >/dev/null 2>&1 & done; sleep 1'
check "the interface goes with packets held" on a ip link del ntm0
