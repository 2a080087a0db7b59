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

check "without hairpin: ping" on mn ping -c 10 -i 0.2 -W 2 cn.example.net
check "by the LAN, from the start" on_lan mn 20
check "both ways" on_lan cn 10
is "no relay server was asked for anything" "$(grep -c relay "$LAB_OUT/mn/ntmd.log")" 0
rtt=$(on mn ping -c 5 -i 0.2 -q cn.example.net | awk -F'[/ ]+' '/^(rtt|round-trip)/ { print $7 }')
at_most "and as fast as it is" "$rtt" 15

nat r internet --kind full-cone --hairpin
stop mn ntmd
stop cn ntmd
again mn ntmd
again cn ntmd
check "with hairpin: ping" eventually 15 on mn ping -c 1 -W 2 cn.example.net
on mn ping -c 10 -i 0.2 -q cn.example.net >/dev/null
check "by the LAN, too" on_lan mn 20
check "both ways, too" on_lan cn 10
