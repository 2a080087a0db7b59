# shellcheck shell=bash
# Two nodes behind the same NAT, with hairpin and without: they find each other in their own network.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 240
#
#   mn 10.0.0.10, cn 10.0.0.20 --- lan --- r (NAT 192.0.2.254) --- internet --- dc 192.0.2.1, rs 192.0.2.2

net lan internet
router r
host dc rs mn cn
link r lan 10.0.0.1/24
link r internet 192.0.2.254/24 --delay 10ms
link dc internet 192.0.2.1/24
link rs internet 192.0.2.2/24
link mn lan 10.0.0.10/24 --delay 1ms
link cn lan 10.0.0.20/24 --delay 1ms
gateway mn 10.0.0.1
gateway cn 10.0.0.1
nat r internet
dns dc
resolver mn 192.0.2.1
resolver cn 192.0.2.1
dc dc
rs rs rs dc
node mn mn dc
node cn cn dc

on_lan() {
	ctl "$1" | grep -q "up .* direct 10\.0\.0\.$2:4330"
}

# finds TEXT: from nothing, and directly, if the set-up does not take so long that a relay server is asked as well (RELAYS_AFTER_MS, 300).
# With hairpin the two ways are as long as each other but for the router: of a machine that stands still for some ms either may be first.
finds() {
	local asked
	ctl mn forget cn.example.net || true
	ctl cn forget mn.example.net || true
	asked=$(grep -c relay "$LAB_OUT/mn/ntmd.log" || true)
	check "$1: ping" on mn ping -c 10 -i 0.2 -W 2 cn.example.net
	check "$1: by the LAN, from the start" on_lan mn 20
	check "$1: both ways" on_lan cn 10
	is "$1: no relay server was asked for anything" $(($(grep -c relay "$LAB_OUT/mn/ntmd.log") - asked)) 0
}

steadily 20 finds "without hairpin"
rtt=$(on mn ping -c 5 -i 0.2 -q cn.example.net | awk -F'[/ ]+' '/^(rtt|round-trip)/ { print $7 }')
at_most "and as fast as it is" "$rtt" 15

nat r internet --kind full-cone --hairpin
stop mn ntmd
stop cn ntmd
again mn ntmd
again cn ntmd
check "the nodes are back" eventually 15 registered mn
check "both of them" eventually 15 registered cn
steadily 20 finds "with hairpin"
