# DNS with zones of several servers, from the root on, and a resolver that asks them.
# module: no
# on: host
# on-long: qemu-6.12 uml
# packages: nsd unbound
#
#   root, ns, ns6, resolver, a --- internet

net internet
host root ns ns6 resolver a
link root internet 192.0.2.1/24 2001:db8::1/64
link ns internet 192.0.2.53/24 192.0.2.54/24
link ns6 internet 2001:db8::53/64
link resolver internet 192.0.2.3/24 2001:db8::3/64
link a internet 192.0.2.10/24 2001:db8::10/64

nsd root . <<-ZONE
	net.example.	NS ns.net.example.
	ns.net.example.	A 192.0.2.53
	org.example.	NS ns.org.example.
	ns.org.example.	AAAA 2001:db8::53
ZONE
nsd ns net.example <<-ZONE
	www	A 192.0.2.80
	_ntmobile._udp	SRV 0 0 4330 dc
	_ntmobile._udp	TXT "v=ntm1 k=abc"
	dc	A 192.0.2.90
	dc	AAAA 2001:db8::90
ZONE
nsd ns6 org.example <<-ZONE
	www	AAAA 2001:db8::81
ZONE
unbound resolver --root 192.0.2.1 --root 2001:db8::1
resolver a 192.0.2.3

# answer NAME TYPE
answer() {
	on a dig +short +tries=1 +time=5 "$1" "$2" | sort | paste -sd' '
}
is "a name is found from the root on" "$(answer www.net.example A)" 192.0.2.80
is "and one whose server has IPv6 only" "$(answer www.org.example AAAA)" 2001:db8::81
is "SRV" "$(answer _ntmobile._udp.net.example SRV)" "0 0 4330 dc.net.example."
is "TXT" "$(answer _ntmobile._udp.net.example TXT)" '"v=ntm1 k=abc"'
is "a server's second address answers" "$(on a dig +short +norecurse @192.0.2.54 dc.net.example A)" 192.0.2.90
like "getent finds a name" "$(on a getent ahostsv6 dc.net.example)" '^2001:db8::90 '
like "what is not there is NXDOMAIN" "$(on a dig none.net.example A)" NXDOMAIN
like "so is a zone that nobody has" "$(on a dig www.com.example A)" NXDOMAIN
resolver a 2001:db8::3
is "the resolver answers over IPv6" "$(answer www.net.example A)" 192.0.2.80

nsd ns net.example <<-ZONE
	www	A 192.0.2.82
	new	A 192.0.2.83
ZONE
is "a zone can be changed" "$(answer new.net.example A)" 192.0.2.83
nsd ns sub.net.example <<-ZONE
	www	A 192.0.2.84
ZONE
is "a server can have a second zone" "$(on a dig +short +norecurse @192.0.2.53 www.sub.net.example A)" 192.0.2.84
is "and keeps its first" "$(on a dig +short +norecurse @192.0.2.53 www.net.example A)" 192.0.2.82
stop ns6 nsd
check_not "a server that is gone gives no answer" on a dig +tries=1 +time=1 new.org.example AAAA
again ns6 nsd
check "and back: an answer" eventually 15 on a getent ahostsv6 www.org.example
