# An IPv6-only network whose router translates: its hosts reach IPv4 hosts by address, and by name with DNS64.
# module: no
# on: host
# on-long: qemu-6.12 uml
# packages: tayga unbound
#
#   a, b, resolver --- six --- gw --- internet --- s, ns

net six internet
host a b resolver s ns
router gw
link a six 2001:db8:6::2/64
link b six 2001:db8:6::3/64
link resolver six 2001:db8:6::53/64
link gw six 2001:db8:6::1/64
link gw internet 198.51.100.1/24
link s internet 198.51.100.8/24
link ns internet 198.51.100.53/24
for h in a b resolver; do
	gateway $h 2001:db8:6::1
done
P=2001:db8:64::

check_not "without NAT64 there is no way" on a ping -c 1 -W 1 ${P}198.51.100.8
nat64 gw internet
check "an IPv6-only host reaches an IPv4-only one" on a ping -c 1 -W 2 ${P}198.51.100.8
is "it has no IPv4 address" "$(ip -n a -4 -o addr show scope global)" ""
bg s stun ntm-stun serve 198.51.100.8:1000 198.51.100.8:1001
eventually 5 listens s udp 1000
# seen HOST PORT: what the server's two ports see of HOST's PORT
seen() {
	for port in 1000 1001; do
		on "$1" ntm-stun ask "$2" "[${P}198.51.100.8]:$port"
	done | paste -sd' '
}
is "a UDP packet comes from the router, and keeps its port" "$(seen a 4330)" "198.51.100.1:4330 198.51.100.1:4330"
OTHER=$(seen b 4330)
is "a second host with the same port has one for all destinations" "${OTHER% *}" "${OTHER#* }"
isnt "which is another one" "${OTHER% *}" 198.51.100.1:4330
iperf_server s
check "TCP passes" on a iperf3 -c ${P}198.51.100.8 -n 1M

dns ns four.example.org=198.51.100.8 six.example.org=2001:db8:6::3 both.example.org=198.51.100.8,2001:db8:6::3 \
	ipv4only.arpa=192.0.0.170
unbound resolver --forward ${P}198.51.100.53 --dns64 ${P}/96
resolver a 2001:db8:6::53
# address NAME: as the C library finds it
address() {
	on a getent ahostsv6 "$1" | awk '{ print $1; exit }'
}
is "an IPv4-only name has an address below the prefix" "$(address four.example.org)" ${P}c633:6408
is "an IPv6-only one its own" "$(address six.example.org)" 2001:db8:6::3
is "and so has one with both" "$(address both.example.org)" 2001:db8:6::3
is "ipv4only.arpa tells the prefix" "$(address ipv4only.arpa)" ${P}c000:aa
exits "what is not there is not there" 2 on a getent hosts none.example.org
check "a host is reached by its name" on a ping -c 1 -W 2 four.example.org
