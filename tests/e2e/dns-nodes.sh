# shellcheck shell=bash
# Nodes whose hosts' resolvers are told of the zone: mn has systemd-resolved, cn nothing but resolv.conf.
# on: qemu-6.12 qemu-6.12/mixed qemu-6.12/tun
# timeout: 200
# packages: systemd-resolved libsystemd-shared libip4tc2 dbus-daemon dbus-bin dbus-system-bus-common
#
#   dc, with a DNS server --- internet --- mn, cn

. /mnt/lab/src/tests/e2e/lib/managers

finds() {
	[ "$(on "$1" getent ahostsv4 "$2" | awk '{ print $1; exit }')" = "$3" ]
}
file_as_before() {
	cmp "$(file_of cn /etc/resolv.conf)" /tmp/before
}
told_of() {
	on mn resolvectl dns ntm0 | grep -q 100.64.0.1
}

net internet
host dc mn cn
link dc internet 192.0.2.1/24 2001:db8::1/64
link mn internet 192.0.2.10/24 2001:db8::10/64
link cn internet 192.0.2.20/24 2001:db8::20/64
dns dc www.example.org=192.0.2.80
resolver mn 127.0.0.53
resolver cn 192.0.2.1
echo "options use-vc" >>"$(file_of cn /etc/resolv.conf)" # stays where our stub takes TCP
cp "$(file_of cn /etc/resolv.conf)" /tmp/before
package mn systemd-resolved libsystemd-shared libip4tc2 dbus-daemon dbus-bin dbus-system-bus-common
bus mn
resolved mn 192.0.2.1
check "mn resolves names by itself" eventually 10 finds mn www.example.org 192.0.2.80

dc dc
node mn mn dc dns=resolved
node cn cn dc dns=file
check "resolved is told of the zone" eventually 5 told_of
check "resolv.conf names us" eventually 5 grep -q 'nameserver 100\.64\.0\.1$' "$(file_of cn /etc/resolv.conf)"

kept=1
[ "$(datapath_of cn)" != tun ] || kept=0
is "by TCP alone, where we are asked by TCP" "$(grep -c use-vc "$(file_of cn /etc/resolv.conf)" || true)" $kept

check "mn finds cn" finds mn cn.example.net "$(virtual4 cn)"
check "cn finds mn" finds cn mn.example.net "$(virtual4 mn)"
is "IPv6" "$(on mn getent ahostsv6 cn.example.net | awk '{ print $1; exit }')" "$(virtual6 cn)"
check "mn reaches cn by name" on mn ping -c 2 -i 0.2 -W 2 cn.example.net
check "cn reaches mn by name" on cn ping -c 2 -i 0.2 -W 2 mn.example.net
check_not "an unknown name is not found, on mn" on mn getent ahostsv4 nobody.example.net
like "nor on cn" "$(on cn dig nobody.example.net A)" NXDOMAIN
check "mn finds others" finds mn www.example.org 192.0.2.80
check "cn finds others" finds cn www.example.org 192.0.2.80
is "over the IPv6 stub" "$(on cn dig +short @fd00:4e54::1 www.example.org A)" 192.0.2.80
ip -n cn link set ntm0 down
ip -n cn link set ntm0 up
stub6_answers() {
	[ "$(on cn dig +short +time=1 +tries=1 @fd00:4e54::1 www.example.org A)" = 192.0.2.80 ]
}
check "also after the interface was down" eventually 5 stub6_answers
is "of the zone the name server hears nothing" \
	"$(logs dc dnsmasq | grep -cE 'query.* [a-z]*\.example\.net from' || true)" 0

stop mn ntmd
unlike "the end leaves nothing in resolved" "$(on mn resolvectl dns)" '100\.64'
check "mn finds others" finds mn www.example.org 192.0.2.80
kill9 cn ntmd
check "killed: the file is as before" eventually 5 file_as_before
check "cn finds others" finds cn www.example.org 192.0.2.80
again cn ntmd
check "started again, it is told again" eventually 10 grep -q 'nameserver 100\.64\.0\.1$' "$(file_of cn /etc/resolv.conf)"
# What its guard told, nobody looks after any more
old=$(guard)
has_new_guard() {
	local new
	new=$(guard)
	[ -n "$new" ] && [ "$new" != "$old" ]
}
kill -9 "$old"
check "its guard killed, there is another soon" eventually 10 has_new_guard
check "which tells it again" eventually 5 grep -q 'nameserver 100\.64\.0\.1$' "$(file_of cn /etc/resolv.conf)"
check "cn finds others" eventually 5 finds cn www.example.org 192.0.2.80
stop cn ntmd
check "and undone" file_as_before
