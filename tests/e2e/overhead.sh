# shellcheck shell=bash
# What a tunnel costs on the wire: on links of 1500 bytes a full-size inner packet is 1448 bytes over IPv4 and 1428 over IPv6,
# and its outer packet fills the link.
# on: qemu-6.12 uml/mixed host
# on-long: qemu-6.12/mixed
# timeout: 120
#
#   mn --- four --- cn        IPv4 only
#   mn6 -- six ---- cn6       IPv6 only; dc is on both

net four six
host dc mn cn mn6 cn6
link dc four 192.0.2.1/24
link dc six 2001:db8::1/64
link mn four 192.0.2.10/24
link cn four 192.0.2.20/24
link mn6 six 2001:db8::10/64
link cn6 six 2001:db8::20/64
dns dc
for h in mn cn; do resolver $h 192.0.2.1; done
for h in mn6 cn6; do resolver $h 2001:db8::1; done
dc dc
for h in mn cn mn6 cn6; do node $h $h dc; done

# largest NAME FIELD FILTER...: the largest packet of a capture, by one of the lengths that tcpdump -v shows
largest4() {
	tcpdump -nv -r "$(captured "$1")" "${@:2}" 2>/dev/null | sed -nE 's/.*, length ([0-9]+)\)$/\1/p' | sort -n | tail -n 1
}

# The payload length of IPv6 leaves out the header of 40 bytes
largest6() {
	tcpdump -nv -r "$(captured "$1")" "${@:2}" 2>/dev/null | sed -nE 's/.*payload length: ([0-9]+)\).*/\1/p' |
		sort -n | tail -n 1 | awk '{ print $1 + 40 }'
}

# transfer CLIENT SERVER NET ADDRESS: TCP that fills its packets, recorded inside and outside.
# Segments are cut before they reach the wire, so that the capture shows packets and not aggregates.
transfer() {
	local client=$1 server=$2 net=$3 address=$4
	on "$client" ethtool -K "$(if_of "$client" "$net")" tx-udp-segmentation off gro off >/dev/null
	on "$client" ethtool -K ntm0 tso off gso off gro off >/dev/null
	iperf_server "$server"
	capture "$client" "$net" "outside-$client" udp port 4330
	capture "$client" ntm0 "inside-$client"
	check "$client talks to $server" on "$client" iperf3 -c "$address" -n 2M
	capture_stop "outside-$client"
	capture_stop "inside-$client"
}

# A name first: its answer is what sets the tunnel up
check "mn finds cn" on mn getent hosts cn.example.net
transfer mn cn four "$(virtual4 cn)"
is "over IPv4 a full-size inner packet is 1448 bytes" "$(largest4 inside-mn src "$(virtual4 mn)")" 1448
is "over IPv4 the outer packet is 1500 bytes" "$(largest4 outside-mn src 192.0.2.10)" 1500

check "mn6 finds cn6" on mn6 getent hosts cn6.example.net
on mn6 ping -M 'do' -c 1 -W 2 -s 1420 "$(virtual4 cn6)" || true # whoever is first learns the path's MTU
transfer mn6 cn6 six "$(virtual4 cn6)"
is "over IPv6 a full-size inner packet is 1428 bytes" "$(largest4 inside-mn6 src "$(virtual4 mn6)")" 1428
is "over IPv6 the outer packet is 1500 bytes" "$(largest6 outside-mn6 src 2001:db8::10)" 1500

check "no outer packet is fragmented" test "$(packets outside-mn 'ip[6:2] & 0x3fff != 0')" = 0
check "data packets carry DF" test "$(packets outside-mn 'udp[8] & 0x80 != 0 and ip[6] & 0x40 = 0')" = 0
check "a packet of 1448 bytes passes over IPv4" on mn ping -M 'do' -c 1 -W 2 -s 1420 "$(virtual4 cn)"
check_not "one of 1449 bytes does not" on mn ping -M 'do' -c 1 -W 2 -s 1421 "$(virtual4 cn)"
check "a packet of 1428 bytes passes over IPv6" on mn6 ping -M 'do' -c 1 -W 2 -s 1400 "$(virtual4 cn6)"
check_not "one of 1429 bytes does not" on mn6 ping -M 'do' -c 1 -W 2 -s 1401 "$(virtual4 cn6)"
check "a larger one that may be fragmented passes" on mn6 ping -M dont -c 1 -W 2 -s 3000 "$(virtual4 cn6)"
