# shellcheck shell=bash
# Applications that kept an address: packets to virtual addresses without a tunnel set one up, or are refused with a reason.
# on: qemu-6.12 uml/mixed host
# on-long: qemu-6.12/mixed
# timeout: 150
#
#   dc ---- internet ---- mn, cn

net internet
host dc mn cn
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
dc dc
node mn mn dc
node cn cn dc

tunnels() {
	ctl mn status --json | grep -c '"state": "up"' || true
}
unreachable() {
	{ on mn ping -n -c 1 -W 8 "$1" || true; } | grep -iE '(Host|Address) unreachable'
}

is "no tunnel stands" "$(tunnels)" 0
is "packets to an address set one up, and none is lost" \
	"$(on mn ping -n -c 5 -i 0.2 -W 3 "$(virtual4 cn)" | sed -nE 's/.* ([0-9]+) received.*/\1/p')" 5
is "a tunnel stands" "$(tunnels)" 1
check "it carries IPv6, too" on mn ping -n -c 1 -W 2 "$(virtual6 cn)"
check "the other way" on cn ping -n -c 1 -W 2 "$(virtual4 mn)"
check "an address of nobody is refused with a reason, IPv4" unreachable 100.64.200.200
check "and IPv6" unreachable fd00:4e54::200:200
at_most "soon" "$(took unreachable 100.64.200.201)" 4000

stop cn ntmd
none_stands() {
	[ "$(tunnels)" = 0 ]
}
check "a node that goes says so: no tunnel stands" eventually 5 none_stands
check "and its address is refused, too" unreachable 100.64.0.3
again cn ntmd
check "back again, packets find it without a name" eventually 20 on mn ping -n -c 1 -W 2 100.64.0.3

# The kernel takes IPv6 addresses away with an interface that is set down
address=$(virtual6 mn)
ip -n mn link set ntm0 down
ip -n mn link set ntm0 up
check "an interface that was down has its IPv6 address again" eventually 5 on mn ping -n -c 1 -W 1 -I "$address" "$(virtual6 cn)"
check "and its IPv4 address" on mn ping -n -c 1 -W 2 100.64.0.3

kill9 dc ntm-dc
check "with the DC gone a tunnel that stands carries on" on mn ping -n -c 2 -i 0.2 -W 2 100.64.0.3
check "and an address without one is refused" unreachable 100.64.200.202
