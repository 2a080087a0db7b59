# shellcheck shell=bash
# Two zones, each with its coordinator, which find each other in the DNS: nodes of both reach each other by name. A coordinator
# that starts again, one that is dead, one that has another key than before, one that nobody's DNS names.
# on: host
# on-long: qemu-6.12 uml/mixed qemu-6.12/mixed
# timeout: 360
# packages: nsd unbound
#
#   ns 192.0.2.53 (root, a.example, b.example), res 192.0.2.54 ---- internet ---- dca, a        (zone a.example)
#                                                                        \--- dcb, b        (zone b.example)

net internet
host ns res dca dcb a b
link ns internet 192.0.2.53/24
link res internet 192.0.2.54/24
link dca internet 192.0.2.1/24 2001:db8::1/64
link dcb internet 192.0.2.2/24 2001:db8::2/64
link a internet 192.0.2.10/24
link b internet 192.0.2.20/24
nsd ns . <<-ZONE
	a.example.	NS ns.a.example.
	ns.a.example.	A 192.0.2.53
	b.example.	NS ns.b.example.
	ns.b.example.	A 192.0.2.53
ZONE
unbound res --root 192.0.2.53
for h in dca dcb a b; do
	resolver $h 192.0.2.54
done

# publish DC ZONE: what "ntm-dc key" prints is what the zone wants, but that nobody shall remember it for an hour here
publish() {
	dc_ctl "$1" key | sed 's/ 3600 / 2 /' | nsd ns "$2"
}
# zone_is DC STATE: how the other zone is with this DC
zone_is() {
	dc_ctl "$1" zones --json | grep -q "\"state\": \"$2\""
}
zone_field() {
	dc_ctl "$1" zones --json | sed -nE "s/.*\"$2\": \"?([^\",]*).*/\1/p"
}
# status HOST NAME: of one query
status() {
	on "$1" dig +tries=1 +time=5 "$2" A >"$LAB_OUT/dig" || true
	sed -nE 's/.*status: ([A-Z]+).*/\1/p' "$LAB_OUT/dig"
}
pings() {
	on "$1" ping -c 1 -W 2 "$2" >/dev/null
}

dc dca zone=a.example pool4=100.64.0.0/16 pool6=fd00:a::/64 peer-zones=b.example keepalive=5
dc dcb zone=b.example pool4=100.65.0.0/16 pool6=fd00:b::/64 peer-zones=a.example keepalive=5
check "without a word in the DNS nobody is found" eventually 15 zone_is dca "not found"
node a a dca
node b b dcb
is "and a name of the other zone is SERVFAIL" "$(status a b.b.example)" SERVFAIL
publish dca a.example
publish dcb b.example
key_found() {
	on a dig +short +tries=1 +time=2 _ntmobile._udp.b.example TXT | grep -qE '^"v=ntm1 k=.{43}"$'
}
check "the key is there as the DC prints it" eventually 10 key_found
check "then the one finds the other" eventually 40 zone_is dca ready
check "and the other the one" eventually 40 zone_is dcb ready
show dc_ctl dca zones
is "its network is known" "$(zone_field dca network4)" 100.65.0.0/16
like "and its IPv6 one" "$(zone_field dca network6)" '^fd00:b::/64$'

require "a name of the other zone resolves" eventually 10 pings a b.b.example
is "to the node's own address" "$(on a getent ahostsv4 b.b.example | awk '{ print $1; exit }')" "$(virtual4 b)"
is "and its IPv6 one" "$(on a getent ahostsv6 b.b.example | awk '{ print $1; exit }')" "$(virtual6 b)"
check "and carries packets" on a ping -c 3 -i 0.2 -W 2 b.b.example
check "over IPv6" on a ping -6 -c 3 -i 0.2 -W 2 b.b.example
check "and back, by name" on b ping -c 3 -i 0.2 -W 2 a.a.example
iperf_server b
check "TCP" on a iperf3 -c b.b.example -t 2 -O 0
like "ntmctl ping knows the name" "$(ctl a ping -c 1 b.b.example)" 'b\.b\.example'
capture a internet outside not udp port 4330 and not arp and not port 53
on a ping -c 3 -i 0.2 b.b.example >/dev/null
capture_stop outside
is "nothing of it is to be seen outside" "$(packets outside 'host 100.65.0.2 or icmp')" 0

is "a name that no node there has is NXDOMAIN" "$(status a nobody.b.example)" NXDOMAIN
is "a zone that is none of ours resolves as ever" "$(status a www.c.example)" NXDOMAIN
is "the other zone's own records are in the DNS" "$(on a dig +short b.example SOA | awk '{ print $1 }')" ns.b.example.
like "SRV, too" "$(on a dig +short _ntmobile._udp.b.example SRV)" '^0 0 4330 dc\.b\.example\.$'

# By address alone, after the tunnel is gone on one side: a miss is asked of the own DC, which asks the other one
kill9 a ntmd
again a ntmd
check "a node that starts again has its lease" eventually 10 has_lease a
check "and finds the other by its address" eventually 10 on a ping -c 1 -W 2 "$(virtual4 b)"

# A DC that starts again
kill9 dcb ntm-dc
again dcb ntm-dc
check "a DC that was killed is met again" eventually 20 zone_is dcb ready
check "its node registers anew" eventually 40 pings b a.a.example
kill9 a ntmd
again a ntmd
check "nodes find each other as before" eventually 30 pings a b.b.example
is "under the same key" "$(zone_field dca state)" ready

# A DC that is dead
kill9 dcb ntm-dc
check "a tunnel needs no DC" on a ping -c 2 -i 0.2 -W 2 b.b.example
shaken() {
	dc_ctl dca status | sed -n "s/^handshakes: //p"
}
# met_and_killed: a name of a zone that is known to be unreachable is refused at once, with nothing to wait for
met_and_killed() {
	again dcb ntm-dc
	eventually 20 zone_is dcb ready || lab_die "the DC that was killed does not meet the other one"
	eventually 20 zone_is dca ready || lab_die "the DC that was killed is not met again"
	kill9 dcb ntm-dc
}
dead_zone() {
	local before
	[ $asked = 0 ] || met_and_killed
	asked=$((asked + 1))
	before=$(shaken)
	is "a name of a zone whose DC is dead is SERVFAIL" "$(status a "other$asked.b.example")" SERVFAIL
	at_most "within 3 s" "$(sed -nE 's/^;; Query time: ([0-9]+) msec.*/\1/p' "$LAB_OUT/dig")" 3000
	is "the node waits for it in the session that it has" "$(shaken)" "$before"
}
asked=0
steadily 200 dead_zone
is "one of our own zone is not touched by it" "$(status a other.a.example)" NXDOMAIN
check "and the DC says that it is" eventually 20 zone_is dca unreachable

# Another key: whoever holds the zone b.example now is not whom we met
on dcb rm /var/lib/ntm-dc/key
again dcb ntm-dc
check "the DC is there with another key" eventually 10 dc_ctl dcb status
publish dcb b.example
check "it is not taken for the old one" eventually 60 zone_is dca "other key"
like "and the operator is told why" "$(dc_ctl dca zones)" 'another key'
is "its names are SERVFAIL" "$(status a other.b.example)" SERVFAIL
exits "forgetting a zone that was never met fails" 1 dc_ctl dca forget c.example
check "until the operator says so" dc_ctl dca forget b.example
check "then it is met anew" eventually 40 zone_is dca ready

# The DNS lies, or is gone, for a zone that was met: sessions go on
stop ns nsd
check "without DNS what stands goes on" zone_is dca ready
sleep 3 # what the resolver remembers is old then
again dca ntm-dc
check "and a DC that starts again waits for it" eventually 20 zone_is dca "not found"
again ns nsd
check "until it is back" eventually 60 zone_is dca ready

# An operator who takes the zone out
sed -i '/^peer-zones/d' "$(file_of dcb /etc/ntmobile/ntm-dc.conf)"
send_signal dcb ntm-dc HUP
check "a zone that is not named any more is refused" eventually 60 zone_is dca refused
