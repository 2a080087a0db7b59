# shellcheck shell=bash
# What README says to do by hand, as it says it: no configuration but the coordinator's, every program as it comes.
# on: host
# on-long: qemu-6.12 qemu-6.1 qemu-6.12/tun
# without: mixed: nodes have auto, and so the module where it is
# timeout: 180
#
#   dc 192.0.2.1, with a DNS server ---- internet ---- mn, cn (IPv4), rs (both)

net internet
host dc mn cn rs
link dc internet 192.0.2.1/24 2001:db8::1/64
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
link rs internet 192.0.2.9/24 2001:db8::9/64
dns dc www.example.org=192.0.2.80
resolver mn 192.0.2.1
resolver cn 192.0.2.1
[ "$LAB_DATAPATH" = tun ] || load_module

# start HOST PROGRAM SOCKET ARGUMENT...
start() {
	local host=$1 program=$2 socket=$3
	shift 3
	bg "$host" "$program" "$program" "$@"
	eventually 15 test -S "$(file_of "$host" "$socket")"
}
# says TEXT CMD...
says() {
	local text=$1
	shift
	"$@" >"$LAB_OUT/said" 2>&1 || return 1
	grep -qE -- "$text" "$LAB_OUT/said"
}

# Start a coordinator
mkdir -p "$(file_of dc /etc/ntmobile)"
cat >"$(file_of dc /etc/ntmobile/ntm-dc.conf)" <<-END
	[dc]
	zone = example.net
	listen = 0.0.0.0:4330
	listen6 = [::]:4330
	pool4 = 100.64.0.0/16
	pool6 = fd00:4e54::/64
	advertise = 192.0.2.1:4330,[2001:db8::1]:4330
END
require "a coordinator starts" start dc ntm-dc /run/ntm-dc.sock serve

# Invite a node
string=$(on dc ntm-dc invite mn)
like "a node is invited" "$string" '^ntm://192\.0\.2\.1:4330,\[2001:db8::1\]:4330/[A-Za-z0-9_-]{43}/[A-Za-z0-9_-]{22}$'

# Join
require "ntmd starts, without a configuration" start mn ntmd /run/ntmd.sock
check "and joins" on mn ntmctl join "$string"
is "with the data path that there is" "$(ctl mn status --json | sed -nE 's/.*"datapath": "([a-z]+)".*/\1/p')" "$LAB_DATAPATH"
require "so does the other node" start cn ntmd /run/ntmd.sock
check "and joins, too" on cn ntmctl join "$(on dc ntm-dc invite cn)"
again mn ntmd
check "once is enough" eventually 15 says 'DC: registered' ctl mn

# Resolve
is "getent" "$(on mn getent ahostsv4 cn.example.net | awk '{ print $1; exit }')" "$(virtual4 cn)"
check "ping" on mn ping -c 2 -i 0.2 -W 2 cn.example.net
is "other names take their way as ever" "$(on mn dig +short www.example.org A)" 192.0.2.80

# A relay server
require "ntm-rs starts, without a configuration" start rs ntm-rs /run/ntm-rs.sock serve
check "and joins" on rs ntm-rs join "$(on dc ntm-dc invite --relay rs1)"
check "the coordinator shows it" eventually 10 says '^rs1\.example\.net +online' on dc ntm-dc relays
check "and it shows what it carries" says '^relayed: ' on rs ntm-rs status

# The status
check "ntmctl" says '^cn\.example\.net .* up ' on mn ntmctl
check "ntmctl status --json" says '"schema": [0-9]' on mn ntmctl status --json
check "ntmctl status --drops" says '^data auth 0' on mn ntmctl status --drops
check "ntmctl ping" says 'direct 192\.0\.2\.20:4330' on mn ntmctl ping cn
check "ntmctl netcheck" says '^IPv4 ' on mn ntmctl netcheck
for who in "mn ntmd" "cn ntmd" "dc ntm-dc" "rs ntm-rs"; do
	# shellcheck disable=SC2086 # host and program
	unlike "nothing so far was worth a warning to $who" "$(logs $who)" '(warning|error): '
done
check "ntm-dc nodes" says '^cn\.example\.net .* online' on dc ntm-dc nodes

# Shut a node out
check "ntm-dc revoke" on dc ntm-dc revoke cn
on cn getent hosts nobody.example.net || true
check "the node hears of it as soon as it asks for something" eventually 10 says 'DC: refused: revoked' ctl cn

# A lost key means a new invitation, and others refuse it until they are told to forget the old one
stop cn ntmd
on cn rm -rf /var/lib/ntmd
again cn ntmd
eventually 15 test -S "$(file_of cn /run/ntmd.sock)"
check "with a new key it joins again" on cn ntmctl join "$(on dc ntm-dc invite cn)"
exits "but is refused by those who knew it" 5 on mn ntmctl ping cn -c 2
check "who say so" says '^cn\.example\.net: REFUSED' ctl mn
check "until they are told" on mn ntmctl forget cn
check "ntmctl forget was all it took" eventually 10 on mn ping -c 1 -W 3 cn.example.net
