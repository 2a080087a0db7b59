# shellcheck shell=bash
# Two nodes on public IPv4: name to tunnel to data, by programs that know nothing of NTMobile, and ntmctl's exit codes.
# on: qemu-6.12 uml/mixed qemu-6.1 qemu-6.1/tun host
# on-long: qemu-6.12/mixed
# timeout: 300
#
#   dc 192.0.2.1, with a DNS server ---- internet ---- 192.0.2.10 mn, 192.0.2.20 cn

net internet
host dc mn cn
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24 --delay 5ms
link cn internet 192.0.2.20/24 --delay 5ms
dns dc www.example.org=192.0.2.80
resolver mn 192.0.2.1
resolver cn 192.0.2.1

exits "without ntmd, ntmctl says so" 3 ctl mn status
dc dc
node_start mn
like "not joined, ntmd runs and says so" "$(ctl mn status)" 'DC: not joined'
exits "a bad join string is refused" 2 ctl mn join nonsense
node_join mn mn dc
node cn cn dc

# The tunnel is set up by the query, and the answer comes when it stands
is "mn finds cn's virtual IPv4" "$(on mn getent ahostsv4 cn.example.net | awk '{ print $1; exit }')" "$(virtual4 cn)"
is "and its virtual IPv6" "$(on mn getent ahostsv6 cn.example.net | awk '{ print $1; exit }')" "$(virtual6 cn)"
is "its own name is answered" "$(on mn dig +short mn.example.net A)" "$(virtual4 mn)"
like "an unknown name is NXDOMAIN" "$(on mn dig nobody.example.net A)" NXDOMAIN
like "another type is NODATA" "$(on mn dig cn.example.net MX | tr '\n' ' ')" 'status: NOERROR.* ANSWER: 0,'
is "names outside the zone resolve as before" "$(on mn dig +short www.example.org A)" 192.0.2.80

check "ping, IPv4" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
check "ping, IPv6" on mn ping -6 -c 3 -i 0.2 -W 2 cn.example.net
check "the other way" on cn ping -c 3 -i 0.2 -W 2 mn.example.net
iperf_server cn
check "iperf3, a few seconds" on mn iperf3 -c cn.example.net -t 3
iperf_server cn
check "iperf3, the other way" on mn iperf3 -c cn.example.net -t 2 -R

capture cn internet outside ip
on mn ping -c 3 -i 0.2 cn.example.net
capture_stop outside
at_least "the tunnel carries it" "$(packets outside udp port 4330)" 6
is "and nothing else does" "$(packets outside icmp)" 0

like "status shows the peer" "$(ctl mn)" "cn\.example\.net.* up .*direct 192\.0\.2\.20:4330"
like "and this node" "$(ctl mn)" "^mn\.example\.net $(virtual4 mn) "
like "and what moves its packets" "$(ctl mn | tr '\n' ' ')" " data path: $(datapath_of mn) "
like "and the DC" "$(ctl mn)" 'DC: registered \(192\.0\.2\.1:4330\)'
like "as JSON too" "$(ctl mn status --json)" '"schema": 2'
like "drops are counted by cause" "$(ctl mn status --drops)" 'data auth 0'
like "ntmctl ping" "$(ctl mn ping cn -c 2)" 'cn\.example\.net: direct 192\.0\.2\.20:4330, [0-9.]+ ms'
exits "ntmctl ping of an unknown name" 5 ctl mn ping nobody -c 1
exits "wrong usage" 2 ctl mn dance
exits "no such node to forget" 1 ctl mn forget nobody

# The second peer to look up the first finds the tunnel there
is "one tunnel serves both ways" "$(ctl cn status --json | grep -c '"path_id"')" 1

stop cn ntmd
no_tunnel() {
	! ctl "$1" | grep -q ' up '
}
check "told that its peer goes away, mn ends the tunnel" eventually 3 no_tunnel mn
check_not "and the interface of a node that ended is gone" on cn ip link show ntm0
like "an offline peer is SERVFAIL" "$(on mn dig +tries=1 +time=4 cn.example.net A)" SERVFAIL
exits "and unreachable to ping" 5 ctl mn ping cn -c 1
again cn ntmd
check "back again, it is found again" eventually 10 on mn ping -c 1 -W 2 cn.example.net
