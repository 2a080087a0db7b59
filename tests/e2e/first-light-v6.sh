# shellcheck shell=bash
# The same on IPv6 alone: two nodes and a DC without any IPv4 address.
# on: qemu-6.12 host
# on-long: qemu-6.1 uml/mixed qemu-6.12/mixed
# timeout: 300
#
#   dc 2001:db8::1, with a DNS server ---- internet ---- 2001:db8::10 mn, 2001:db8::20 cn

net internet
host dc mn cn
link dc internet 2001:db8::1/64
link mn internet 2001:db8::10/64
link cn internet 2001:db8::20/64
dns dc www.example.org=2001:db8::80
resolver mn 2001:db8::1
resolver cn 2001:db8::1
dc dc
node mn mn dc
node cn cn dc

is "mn finds cn's virtual IPv4" "$(on mn getent ahostsv4 cn.example.net | awk '{ print $1; exit }')" "$(virtual4 cn)"
is "and its virtual IPv6" "$(on mn getent ahostsv6 cn.example.net | awk '{ print $1; exit }')" "$(virtual6 cn)"
check "ping, IPv4 over IPv6" on mn ping -c 3 -i 0.2 -W 2 "$(virtual4 cn)"
check "ping, IPv6 over IPv6" on mn ping -c 3 -i 0.2 -W 2 "$(virtual6 cn)"
check "by name, the other way" on cn ping -c 3 -i 0.2 -W 2 mn.example.net
bg cn iperf3 iperf3 -s
eventually 5 listens cn tcp 5201
check "iperf3" on mn iperf3 -c cn.example.net -t 3
is "names outside the zone resolve as before" "$(on mn dig +short www.example.org AAAA)" 2001:db8::80
like "status" "$(ctl mn)" 'cn\.example\.net.* up .*direct \[2001:db8::20\]:4330'
like "ntmctl ping" "$(ctl mn ping cn -c 1)" 'cn\.example\.net: direct \[2001:db8::20\]:4330, [0-9.]+ ms'
