# shellcheck shell=bash
# A node that has only IPv4 and one that has only IPv6: no direct path can be, so a relay server carries it.
# on: uml/mixed host
# on-long: qemu-6.12 qemu-6.12/tun qemu-6.12/mixed
# timeout: 300
#
#   mn 192.0.2.10 ---- v4 ---- dc, rs1, rs2 ---- v6 ---- 2001:db8::20 cn

net v4 v6
host dc rs1 rs2 mn cn
link dc v4 192.0.2.1/24
link dc v6 2001:db8::1/64
link rs1 v4 192.0.2.2/24 --delay 5ms
link rs1 v6 2001:db8::2/64 --delay 5ms
link rs2 v4 192.0.2.3/24 --delay 5ms
link rs2 v6 2001:db8::3/64 --delay 5ms
link mn v4 192.0.2.10/24
link cn v6 2001:db8::20/64
dns dc
resolver mn 192.0.2.1
resolver cn 2001:db8::1
dc dc
rs rs1 one dc
rs rs2 two dc
node mn mn dc
node cn cn dc

at_most "a name is answered within two seconds" "$(took on mn getent ahostsv4 cn.example.net)" 2000
check "ping" on mn ping -c 5 -i 0.2 -W 2 cn.example.net
check "the other way" on cn ping -c 5 -i 0.2 -W 2 mn.example.net
iperf_server cn
check "iperf3" on mn iperf3 -c cn.example.net -t 2
iperf_server cn
check "iperf3, the other way" on mn iperf3 -c cn.example.net -t 2 -R

like "status says relay, and which" "$(ctl mn)" 'cn\.example\.net.* up .*relay (one|two)\.example\.net '
like "on the other side too" "$(ctl cn)" 'mn\.example\.net.* up .*relay (one|two)\.example\.net '
like "as JSON" "$(ctl mn status --json | tr -d ' \n')" '"way":\{"kind":"relay","addr":"192\.0\.2\.[23]:4330","relay":"(one|two)'
exits "ntmctl ping ends with 4" 4 ctl mn ping cn -c 2
like "and says relay" "$(ctl mn ping cn -c 1)" 'cn\.example\.net: relay (one|two)\.example\.net, [0-9.]+ ms'

capture mn v4 outside
on mn ping -c 5 -i 0.2 "$(virtual4 cn)"
capture_stop outside
at_least "packets there and back" "$(packets outside 'udp and (host 192.0.2.2 or host 192.0.2.3)')" 10
is "all goes to the relay server, and to the DC" \
	"$(packets outside 'udp and not host 192.0.2.1 and not host 192.0.2.2 and not host 192.0.2.3')" 0
is "nothing of it is readable" "$(packets outside icmp)" 0

# Both ends were idle for longer than a relay keeps them: a packet sets it up again
no_tunnel() {
	! ctl "$1" | grep -q ' up '
}
check "idle, the tunnel is closed: nothing keeps the way by a relay open" eventually 45 no_tunnel mn
check "on both sides" eventually 5 no_tunnel cn
check "the next packet opens it again" on mn ping -c 1 -W 2 "$(virtual4 cn)"
