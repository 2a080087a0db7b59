# shellcheck shell=bash
# on: qemu-6.12 qemu-6.12/tun
# on-long: qemu-6.1 uml/mixed uml-debug
# timeout: 120
# Other zones on a node's data path: queries for names below them are caught, and their networks lie behind the interface. Fixed
# keys, no daemon.
#
#   a 192.0.2.1 ------------ net ------------ 192.0.2.2 b         ns: a name server that knows www.example.org
#   example.net                               b.example.org
#   ntm0 10.9.0.5/24                          ntm0 10.8.0.5/24

. /mnt/lab/src/tests/e2e/lib/fixed-keys
. /mnt/lab/src/tests/e2e/lib/data-path

net net
host a b ns
link a net 192.0.2.1/24
link b net 192.0.2.2/24
link ns net 192.0.2.53/24
dns ns www.example.org=192.0.2.80
resolver a 192.0.2.53
dp_start a 10.9.0.5 fd09::5 10.8.0.5 fd08::5 192.0.2.2 "$FIXED_A" "$FIXED_B"
dp_start b 10.8.0.5 fd08::5 10.9.0.5 fd09::5 192.0.2.1 "$FIXED_B" "$FIXED_A"
require "both are there" eventually 30 eval "dp_ready a && dp_ready b"
routes() {
	{
		ip -n a -4 route show dev ntm0 proto static
		ip -n a -6 route show dev ntm0 proto static
	} | awk '{ print $1 }' | paste -sd' '
}

is "no routes but to our own network" "$(routes)" ""
check_not "another's node is nowhere" on a ping -c 1 -W 1 10.8.0.5
order a zone b.example.org 10.8.0.0/24 fd08::/64
order b zone example.net 10.9.0.0/24 fd09::/64
is "its networks are behind the interface" "$(routes)" "10.8.0.0/24 fd08::/64"
check "its node is reached" on a ping -c 2 -i 0.2 -W 2 10.8.0.5
check "by IPv6, too" on a ping -c 2 -i 0.2 -W 2 fd08::5
like "from our address" "$(on a ip route get 10.8.0.5)" 'src 10\.9\.0\.5 '
like "and IPv6 address" "$(on a ip route get fd08::5)" 'src fd09::5 '
exits "a node without a path is a miss" 1 on a ping -c 1 -W 3 10.8.0.99
check "of which the daemon is told" eventually 5 eval 'logs a dp | grep -q "^miss 10.8.0.99, done 0"'
exits "by IPv6, too" 1 on a ping -c 1 -W 3 fd08::99
check "of which it is told" eventually 5 eval 'logs a dp | grep -q "^miss fd08::99, done 0"'

# What cannot be used is left out, and the rest of it goes on
order a zone c.example.org 10.9.0.0/16 fd0c::/64
order a zone d.example.org 10.8.0.128/25 -
order a zone e.example.org 192.0.2.0/24 fd0e::/64
is "overlapping networks, and one that this host is in" "$(routes)" "10.8.0.0/24 fd08::/64 fd0c::/64 fd0e::/64"
like "which is told" "$(logs a dp)" 'no route to 192\.0\.2\.0/24.*elsewhere'
check "this host's network is as it was" on a ping -c 1 -W 2 192.0.2.53
check "the other zone as well" on a ping -c 1 -W 2 10.8.0.5

# Names: caught on the kernel path, asked of the stub on the other
server=()
[ "$(dp_way a)" = kernel ] || server=(@10.9.0.1)
lookup() { on a dig +short +tries=1 +time=4 "${server[@]}" "$1" A; }
is "a name of our zone" "$(lookup cn.example.net)" 10.8.0.5
is "a name of another" "$(lookup cn.b.example.org)" 10.8.0.5
is "of the last one" "$(lookup cn.E.example.org)" 10.8.0.5
if [ "$(dp_way a)" = kernel ]; then
	like "the module has them all" "$(on a ntm-cfg dev get ntm0)" ' zones=example\.net,b\.example\.org,c\.example\.org,d\.example\.org,e\.example\.org '
	is "a name of none is not caught" "$(lookup www.example.org)" 192.0.2.80
	is "none of these went out" "$(logs ns dnsmasq | grep -cE 'query.*(cn\.|example\.net)' || true)" 0
fi

order a zones
is "with the zones go their networks" "$(routes)" ""
check_not "and the way" on a ping -c 1 -W 1 10.8.0.5
if [ "$(dp_way a)" = kernel ]; then
	lookup cn.b.example.org >/dev/null
	is "and the names" "$(logs ns dnsmasq | grep -c 'query.*cn\.b\.example\.org')" 1
	is "ours stay" "$(lookup cn.example.net)" 10.8.0.5
fi
