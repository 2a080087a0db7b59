# shellcheck shell=bash
# What an operator does with ntm-dc: lists, revokes, invites again, kills it, works while it is down.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 170
#
# The network: lib/one-net

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net new
dc dc keepalive=5
node mn mn dc
node cn cn dc
check "a tunnel stands" on mn ping -c 1 -W 2 cn.example.net
row() {
	dc_ctl dc nodes | grep "^$1\."
}
like "nodes lists mn with its addresses" "$(row mn)" "^mn\.example\.net +$(virtual4 mn) +$(virtual6 mn) +online +192\.0\.2\.10:4330"
like "and cn" "$(row cn)" "^cn\.example\.net +$(virtual4 cn) .*online"
exits "a name that is a node's is not invited" 1 dc_ctl dc invite cn
v4=$(virtual4 cn) v6=$(virtual6 cn)

# The answer to a query tells whether mn has a tunnel, or gets one
answer() {
	on mn dig +tries=1 +time=4 "$1" A
}

# Kill it, again and again, in the midst of its work
for _ in 1 2 3; do
	kill9 dc ntm-dc
	again dc ntm-dc
	sleep 0.5
done
all_online() {
	[ "$(dc_ctl dc nodes | grep -c ' online ')" = 2 ]
}
check "killed again and again, it gets its nodes back" eventually 40 all_online
like "mn has the addresses it had" "$(row mn)" "^mn\.example\.net +$(virtual4 mn) +$(virtual6 mn) "
like "cn too" "$(row cn)" "^cn\.example\.net +$v4 +$v6 "

# Invite while it is down
kill9 dc ntm-dc
string=$(dc_ctl dc invite new)
like "an invitation while it is down" "$string" '^ntm://192\.0\.2\.1:4330/'
like "and a list" "$(row new)" '^new\.example\.net .* invited'
again dc ntm-dc
node_start new
eventually 15 ctl new join "$string" || true
check "is good when it is up" eventually 15 has_lease new

# Revoke, and invite again
stop cn ntmd
dc_ctl dc revoke cn
like "a revoked node is listed as that" "$(row cn)" '^cn\.example\.net .* revoked'
unknown() {
	answer "$1" | grep -q NXDOMAIN
}
check "and is unknown to others" eventually 20 unknown cn.example.net
exits "a node cannot be revoked twice" 1 dc_ctl dc revoke cn
on cn rm -rf /var/lib/ntmd
again cn ntmd
eventually 10 test -S "$(file_of cn /run/ntmd.sock)"
ctl cn join "$(dc_ctl dc invite cn)"
check "invited again, it joins with a new key" eventually 15 has_lease cn
is "under its old IPv4" "$(virtual4 cn)" "$v4"
is "and its old IPv6" "$(virtual6 cn)" "$v6"
stop dc ntm-dc
like "told to go, it goes" "$(logs dc ntm-dc)" 'going away'
