# shellcheck shell=bash
# The lab of the paper's Fig. 2 and its three cases: public IPv4 to public IPv4, IPv6 to IPv6, and private IPv4 behind a NAT to IPv6, which no
# packet can cross without a relay server.
# Nothing but plain programs is used: getent, ping, iperf3. scripts/demo runs this and makes a table of results.tsv.
# timeout: 240
#
#          dc, rs  (dual stack)        ns  (a DNS server that knows nothing of NTMobile)
#             |                         |
#     ------- core --- router --- core --
#                     /  |  \  \
#   mn --- 198.51.100.0/24  203.0.113.0/24 --- cn          (IPv4 only)
#   mnp -- 10.0.0.0/24 -- nat -- 198.51.100.0/24           (private IPv4)
#   mn6 -- 2001:db8:6::/64  2001:db8:7::/64 -- cn6         (IPv6 only)

SECONDS_EACH=${DEMO_SECONDS:-2}

topology() {
	net core mn cn mn6 cn6 home
	router internet nat
	host dc rs ns mn cn mn6 cn6 mnp
	link internet core 192.0.2.1/24 2001:db8::1/64
	link internet mn 198.51.100.1/24
	link internet cn 203.0.113.1/24
	link internet mn6 2001:db8:6::1/64
	link internet cn6 2001:db8:7::1/64
	link dc core 192.0.2.10/24 2001:db8::10/64
	link rs core 192.0.2.20/24 2001:db8::20/64
	link ns core 192.0.2.53/24 2001:db8::53/64
	link mn mn 198.51.100.10/24
	link cn cn 203.0.113.20/24
	link mn6 mn6 2001:db8:6::10/64
	link cn6 cn6 2001:db8:7::20/64
	link nat mn 198.51.100.20/24
	link nat home 10.0.0.1/24
	link mnp home 10.0.0.10/24
	gateway dc 192.0.2.1 2001:db8::1
	gateway rs 192.0.2.1 2001:db8::1
	gateway ns 192.0.2.1 2001:db8::1
	gateway mn 198.51.100.1
	gateway cn 203.0.113.1
	gateway mn6 2001:db8:6::1
	gateway cn6 2001:db8:7::1
	gateway nat 198.51.100.1
	gateway mnp 10.0.0.1
	nat nat mn
	dns ns www.example.org=192.0.2.80,2001:db8::80
	resolver mn 192.0.2.53
	resolver cn 192.0.2.53
	resolver mnp 192.0.2.53
	resolver mn6 2001:db8::53
	resolver cn6 2001:db8::53
}

# run HOST CMD...: show a plain command of a user, and what it says
run() {
	say "$1\$ ${*:2}"
	show on "$@"
}

# mbits HOST ADDRESS: what one TCP flow of iperf3 carries, in Mbit/s
mbits() {
	on "$1" iperf3 -c "$2" -t "$SECONDS_EACH" -f m >"$LAB_OUT/iperf3" 2>&1 || { show cat "$LAB_OUT/iperf3" && return 1; }
	awk '$NF == "receiver" { print $7 }' "$LAB_OUT/iperf3"
}

# rtt HOST ADDRESS: the mean of ten echoes, in ms
rtt() {
	on "$1" ping -c 10 -i 0.05 -q "$2" | awk -F'[/ ]+' '/^(rtt|round-trip)/ { print $8 }'
}

# compare CASE CLIENT SERVER NAME [REAL-ADDRESS]: with the tunnel beside without, if there is a way without
compare() {
	local case=$1 client=$2 server=$3 name=$4 real=${5:-} plain=- tunnel plain_rtt=- tunnel_rtt
	say ""
	say "$case: $client talks to $name"
	check "$case: getent finds $name" run "$client" getent hosts "$name"
	check "$case: ping reaches $name" run "$client" ping -c 3 -i 0.2 "$name"
	[ -z "$real" ] || without "$case" "$client" "$server" "$real"
	iperf_server "$server"
	say "$client: iperf3, $SECONDS_EACH s through the tunnel, to $name"
	tunnel=$(mbits "$client" "$name")
	tunnel_rtt=$(rtt "$client" "$name")
	at_least "$case: iperf3 runs through the tunnel (${tunnel:-no} Mbit/s)" "${tunnel:-0}" 1
	printf '%s\t%s\t%s\t%s\t%s\n' "$case" "$plain" "$tunnel" "$plain_rtt" "$tunnel_rtt" >>"$LAB_OUT/results.tsv"
}

# without CASE CLIENT SERVER REAL-ADDRESS: sets plain and plain_rtt of its caller
without() {
	iperf_server "$3"
	say "$2: iperf3, $SECONDS_EACH s without NTMobile, to $4"
	plain=$(mbits "$2" "$4")
	plain_rtt=$(rtt "$2" "$4")
	at_least "$1: iperf3 runs without NTMobile (${plain:-no} Mbit/s)" "${plain:-0}" 1
}

# Without this the numbers of "through the tunnel" could be those of the plain path
encrypted() {
	local client=$1 server=$2 address=$3 net=${4:-$1}
	capture "$client" "$net" "$client"
	on "$client" ping -c 3 -i 0.1 -q "$address"
	capture_stop "$client"
	at_least "$client to $server: the wire shows NTMobile's data packets" "$(packets "$client" udp port 4330)" 6
	is "$client to $server: and no echo request in the clear" "$(packets "$client" 'icmp or (icmp6 and ip6[40] == 128)')" 0
}

if [ "$LAB_DATAPATH" = tun ]; then
	say "kernel $(uname -r); packets pass through ntmd, by a TUN device"
else
	say "kernel $(uname -r); loading ntmobile.ko by insmod"
	require "the module loads" load_module
fi
say "making the networks: a dual-stack core with the coordinator (dc) and the relay server (rs), two public IPv4 networks, two IPv6"
say "networks, and a private IPv4 network behind a NAT"
topology
say "starting the coordinator, the relay server, then five nodes; each joins with a string that the coordinator made for it"
dc dc
rs rs rs dc
node mn mn dc
node cn cn dc
node mn6 mn6 dc
node cn6 cn6 dc
node mnp mnp dc
run dc ntm-dc -c "$DC_CONF" nodes

compare "IPv4 to IPv4" mn cn cn.example.net 203.0.113.20
encrypted mn cn cn.example.net
compare "IPv6 to IPv6" mn6 cn6 cn6.example.net 2001:db8:7::20
encrypted mn6 cn6 cn6.example.net
compare "private 4 to 6" mnp cn6 cn6.example.net
encrypted mnp cn6 cn6.example.net home
like "private 4 to 6: by the relay server, for there is no other way" "$(ctl mnp)" 'cn6\.example\.net.* up .*relay rs\.example\.net '

say ""
check "a name outside the zone resolves as before" run mn getent ahostsv4 www.example.org
check "the node shows its tunnels" run mn ntmctl status
check "and the one behind the NAT" run mnp ntmctl status
