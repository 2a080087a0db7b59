# shellcheck shell=bash
# A path that begins on a relay moves to the direct way when there is one, and loses no packet.
# on: uml/mixed host
# on-long: qemu-6.12 qemu-6.12/tun qemu-6.12/mixed
# timeout: 300
#
# The network: lib/two-sides

# shellcheck source=tests/e2e/lib/two-sides
. /mnt/lab/src/tests/e2e/lib/two-sides
two_sides

cut
check "cut off from each other, they reach each other" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
like "by a relay" "$(ctl mn)" 'cn\.example\.net.* up .*relay (one|two)\.example\.net '
exits "ntmctl ping ends with 4" 4 ctl mn ping cn -c 1

# A stream in both directions, counted by sequence numbers. Its sockets have room for what comes while a busy guest has no
# time for the programs: that is no loss of the path's.
room=()
[ "$LAB_TARGET" = host ] || { sysctl -qw net.core.rmem_max=8388608 net.core.wmem_max=8388608 && room=(-w 4M); }
iperf_server cn
bg mn stream iperf3 -c cn.example.net -u -b 2M -l 500 -t 18 --bidir "${room[@]}"
sleep 4
check "while packets pass it is still relayed" is_relayed mn
mend
check "mended, it moves to the direct way" eventually 7 is_direct mn
check "on the other side, too" eventually 1 is_direct cn
wait_for mn stream 30
lost=$(logs mn stream | awk '/receiver/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\/[0-9]+$/) { split($i, n, "/"); lost += n[1]; all += n[2] } } END { print (all > 10000 ? lost : "nothing") }')
is "and not one packet was lost on the way" "$lost" 0
like "status says direct" "$(ctl mn)" 'cn\.example\.net.* up .*direct 192\.0\.2\.20:4330'
exits "ntmctl ping ends with 0" 0 ctl mn ping cn -c 1
moves=$(grep -c 'now direct' "$LAB_OUT/mn/ntmd.log")
is "it moved once" "$moves" 1

# The same under TCP: no interval in which it stands still
cut
check "cut again, it is relayed again" eventually 8 on mn ping -c 1 -W 1 cn.example.net
bg mn keep ping -i 0.2 cn.example.net
check "and says so" eventually 5 is_relayed mn
stop mn keep
iperf_server cn
bg mn tcp iperf3 -c cn.example.net -t 12 -i 0.5 -b 5M
sleep 2
mend
check "mended under TCP, it moves" eventually 7 is_direct mn
wait_for mn tcp 30
unlike "TCP does not stand still for half a second" "$(logs mn tcp)" ' 0\.00 bits/sec'
