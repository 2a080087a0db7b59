# shellcheck shell=bash
# Names of the zone, and all others.
# on: qemu-6.12 uml/mixed qemu-6.1 host
# on-long: qemu-6.12/mixed
# timeout: 150
#
#   dc --- internet --- mn
#   ns -/          \--- cn

net internet
host dc ns mn cn
link dc internet 192.0.2.1/24 2001:db8::1/64
link ns internet 192.0.2.53/24 2001:db8::53/64
link mn internet 192.0.2.10/24 2001:db8::10/64
link cn internet 192.0.2.20/24 2001:db8::20/64
dns ns --edns-packet-max=4096 "--txt-record=large.example.org$(printf ",$(printf 'x%.0s' {1..200})%.0s" {1..15})" \
	www.example.org=192.0.2.80,2001:db8::80 4.3.2.1.in-addr.arpa=192.0.2.99
for h in mn cn; do resolver $h 192.0.2.53 2001:db8::53; done
dc dc
node mn mn dc
node cn cn dc

# status_of ARG...: the rcode of a dig
status_of() {
	on mn dig +tries=1 +time=5 "$@" | sed -nE 's/.*status: ([A-Z]+).*/\1/p'
}

# query_ms NAME: how long an answer took, by dig's own clock: its start is slow in an emulator
query_ms() {
	on mn dig +tries=1 +time=5 "$1" A | sed -nE 's/^;; Query time: ([0-9]+) msec.*/\1/p'
}

servfail() {
	[ "$(status_of "$1" A)" = SERVFAIL ]
}

# tunnel_requests NAME: the session IDs of the Tunnel Requests (first byte 5) in a capture, IPv4 and IPv6
tunnel_requests() {
	tcpdump -nx -r "$(captured "$1")" 2>/dev/null | awk '
		function flush() { udp = substr(hex, 1, 1) == 6 ? 81 : 41; if (substr(hex, udp + 16, 2) == "05") print substr(hex, udp + 24, 8) }
		/^\t0x/ { for (i = 2; i <= NF; i++) hex = hex $i; next }
		{ flush(); hex = "" }
		END { flush() }'
}

# A name's two addresses, asked for at once as getaddrinfo() does: one set-up
capture mn internet setup udp port 4330
is "getent finds both virtual addresses" "$(on mn getent ahosts cn.example.net | awk '{ print $1 }' | sort -u | paste -sd' ')" \
	"$(printf '%s\n' "$(virtual4 cn)" "$(virtual6 cn)" | sort | paste -sd' ')"
capture_stop setup
is "A and AAAA share one set-up" "$(tunnel_requests setup | sort -u | wc -l)" 1
is "dig finds the IPv4 address" "$(on mn dig +short cn.example.net A)" "$(virtual4 cn)"
is "dig finds the IPv6 address" "$(on mn dig +short cn.example.net AAAA)" "$(virtual6 cn)"
# Whatever server a program asks, the module catches the query; in user space ntmd is the host's name server
[ "$(datapath_of mn)" != kernel ] ||
	is "over an IPv6 name server too" "$(on mn dig +short @2001:db8::53 cn.example.net A)" "$(virtual4 cn)"
like "a question in odd letters gets them back" "$(on mn dig +qr cN.eXample.NET A)" 'cN\.eXample\.NET\.'
is "and its answer" "$(on mn dig +short cN.eXample.NET A)" "$(virtual4 cn)"
is "another type of a known name has no data" "$(status_of cn.example.net MX)" NOERROR
like "and says so with an SOA" "$(on mn dig cn.example.net MX)" 'SOA'
is "an unknown name of the zone is NXDOMAIN" "$(status_of nobody.example.net A)" NXDOMAIN
is "a node finds itself" "$(on mn dig +short mn.example.net A)" "$(virtual4 mn)"
is "no query of the zone left the machine" "$(grep -c example.net "$LAB_OUT/ns/dnsmasq.log" || true)" 0

like "a name outside the zone resolves as before" "$(on mn getent ahostsv4 www.example.org)" '192\.0\.2\.80'
is "an unknown name outside is the name server's NXDOMAIN" "$(status_of nowhere.example.org A)" NXDOMAIN
is "a name that only ends like the zone is not of it" "$(status_of cn.anexample.net A)" NXDOMAIN
at_least "those two were asked of the name server" "$(grep -c 'nowhere.example.org\|cn.anexample.net' "$LAB_OUT/ns/dnsmasq.log")" 2

is "an answer larger than a packet comes whole to who takes one" \
	"$(on mn dig +bufsize=4096 +tries=1 +time=5 +ignore +short large.example.org TXT | tr -d '" \n' | wc -c)" 3000
like "and is marked as cut for who does not" \
	"$(on mn dig +noedns +tries=1 +time=5 +ignore large.example.org TXT)" 'flags:[a-z ]* tc'

# A PTR query leads outside the zone and must find whoever answers it
check "the name server still gets PTR queries" on mn dig +short -x 192.0.2.80
at_least "it has seen it" "$(grep -c 'in-addr.arpa' "$LAB_OUT/ns/dnsmasq.log")" 1

# Known but offline
stop cn ntmd
check "a node that said goodbye is SERVFAIL" eventually 5 servfail cn.example.net
soon() {
	at_most "within 3 s" "$(query_ms "$1")" 3000
}
steadily 200 soon cn.example.net

# The coordinator is gone
kill9 dc ntm-dc
is "without the coordinator names of the zone are SERVFAIL" "$(status_of other.example.net A)" SERVFAIL
steadily 200 soon third.example.net
is "and other names resolve" "$(on mn dig +short www.example.org A)" 192.0.2.80

# The daemon is gone: DNS goes on
kill9 mn ntmd
is "with ntmd killed the zone's names are the name server's" "$(status_of cn.example.net A)" NXDOMAIN
is "and other names resolve as ever" "$(on mn dig +short www.example.org A)" 192.0.2.80
