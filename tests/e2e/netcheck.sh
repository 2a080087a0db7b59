# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/tun
# timeout: 240
# `ntmctl netcheck` finds out what each kind of network allows.
#
#   dc, rs1, rs2 --- internet --- nat (of each kind) --- home --- a
#                            \---- b (public, dual stack)

net internet home
host dc rs1 rs2 a b
router nat
link dc internet 192.0.2.1/24 2001:db8::1/64
link rs1 internet 192.0.2.9/24 2001:db8::9/64
link rs2 internet 192.0.2.10/24 2001:db8::10/64 --delay 20ms
link b internet 192.0.2.20/24 2001:db8::20/64
link nat internet 192.0.2.77/24
link nat home 10.0.0.1/24
link a home 10.0.0.5/24
gateway a 10.0.0.1

dc dc
rs rs1 relay-one dc
rs rs2 relay-two dc

# netcheck HOST: what it finds, in one line
netcheck() {
	ctl "$1" netcheck --json "${@:2}" | tr -d ' \n' >"/tmp/check.$1"
}
# of HOST KEY: what stands behind a key, up to the end of it
of() {
	grep -oE "\"$2\":(\[[^]]*\]|\{[^}]*\}|[^,}]+)" "/tmp/check.$1" | head -n 1 | cut -d: -f2-
}
surveyed() {
	netcheck "$1" && isnt_empty "$(of "$1" relays)" && ! of "$1" relays | grep -q 'rtt4_us":null'
}
isnt_empty() {
	[ "$1" != '[]' ]
}

# A public host, of both families
node b bob dc
check "a check on a public host" eventually 10 surveyed b
is "the schema" "$(of b schema)" 1
is "IPv4 works" "$(of b ipv4)" '{"address":"192.0.2.20:4330","observed":"192.0.2.20:4330","works":true}'
is "IPv6 works" "$(of b ipv6)" '{"address":"[2001:db8::20]:4330","observed":"[2001:db8::20]:4330","works":true}'
is "there is no NAT" "$(of b mapping)" '"none"'
is "the path MTU" "$(of b path_mtu)" '{"ipv4":1500,"ipv6":1500}'
is "two relays" "$(of b relays | grep -o name | wc -l)" 2
on b ip link set "$(if_of b internet)" mtu 1400
on b ip -6 route flush cache
netcheck b
is "a narrower link" "$(of b path_mtu)" '{"ipv4":1400,"ipv6":1400}'
on b ip link set "$(if_of b internet)" mtu 1500
ctl b netcheck >/tmp/text
like "for people" "$(cat /tmp/text)" 'relay-two\.example\.net +[0-9.]+ ms over IPv4 +[0-9.]+ ms over IPv6'
rtt() { of b relays | grep -oE "\"$1\.example\.net\",\"rtt4_us\":[0-9]+" | grep -oE '[0-9]+$'; }
farther() {
	local one two
	netcheck b && one=$(rtt relay-one) && two=$(rtt relay-two) && [ $((two - one)) -ge 15000 ]
}
check "the farther relay is farther" eventually 15 farther

# Behind each kind of NAT
nat nat internet
node a alice dc
behind() {
	nat nat internet --kind "$1" "${@:4}"
	again a ntmd
	eventually 10 has_lease a
	check "$1: the check ends" eventually 15 surveyed a
	is "$1: mapping" "$(of a mapping)" "\"$2\""
	is "$1: filtering" "$(of a filtering)" "\"$3\""
}
behind full-cone endpoint-independent endpoint-independent
is "without hairpin" "$(of a hairpin)" false
like "seen by the NAT's address" "$(of a ipv4)" '"observed":"192\.0\.2\.77:'
like "no IPv6" "$(of a ipv6)" '"works":false'
behind address-restricted endpoint-independent address-dependent
behind port-restricted endpoint-independent address-and-port-dependent
behind full-cone endpoint-independent endpoint-independent --hairpin
is "with hairpin" "$(of a hairpin)" true
behind symmetric endpoint-dependent address-and-port-dependent

# Two at once; no relays; not registered
both() {
	local name
	for name in first second; do
		bg a $name sh -c 'ntmctl netcheck; echo "exit status $?"'
	done
	for name in first second; do
		wait_for a $name 10
		logs a $name | tail -n 1
	done | sort | paste -sd' ' >/tmp/both
	[ "$(cat /tmp/both)" = "exit status 0 exit status 1" ]
}
check "of two checks at the same time one is refused" eventually 20 both
exits "with an argument" 2 ctl a netcheck nonsense
stop rs1 ntm-rs
stop rs2 ntm-rs
again a ntmd
eventually 10 has_lease a
check "without relays" netcheck a
is "the NAT is not known" "$(of a mapping)" '"unknown"'
