# shellcheck shell=bash
# No virtual address is left: the next node is told so, those that are there go on, and nothing is lost: with a larger pool the same
# invitation is good.
# on: host
# on-long: uml/mixed qemu-6.12
# timeout: 90
#
#   dc ---- internet ---- mn, cn, late

net internet
host dc mn cn late
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
link late internet 192.0.2.30/24
dns dc
for h in mn cn late; do
	resolver $h 192.0.2.1
done
said() {
	cat "$LAB_STATE/output"
}
pool() {
	dc_ctl dc status | grep "^$1: "
}

# Of a prefix the first two addresses are no node's, nor is the last of an IPv4 one
dc dc pool4=100.64.0.0/29 pool6=fd00:4e54::/126
node mn mn dc
node cn cn dc
is "every address is given out" "$(pool pool6)" "pool6: fd00:4e54::/126, 2 of 2 given out"
node_start late
string=$(dc_ctl dc invite late)
exits "a node more cannot join" 1 on late ntmctl join "$string"
like "and is told why" "$(said)" 'the DC refuses: address pool empty: no virtual IPv6 address left'
like "its status says so" "$(ctl late)" 'DC: refused: address pool empty'
like "and the coordinator's log" "$(logs dc ntm-dc)" 'error: pool6 is used up: 2 addresses given out'
is "it has kept no address of the other pool" "$(pool pool4)" "pool4: 100.64.0.0/29, 2 of 5 given out"
check "those that are there find each other" on mn ping -c 1 -W 3 cn.example.net

conf=$(file_of dc /etc/ntmobile/ntm-dc.conf)
sed -i 's,^pool6 = .*,pool6 = fd00:4e55::/64,' "$conf"
send_signal dc ntm-dc HUP
refused() {
	logs dc ntm-dc | grep -q 'not reloaded: .*outside'
}
check "a pool that is another one is refused" eventually 5 refused
sed -i 's,^pool6 = .*,pool6 = fd00:4e54::/64,' "$conf"
send_signal dc ntm-dc HUP
reloaded() {
	logs dc ntm-dc | grep -q 'configuration reloaded'
}
check "a larger one is taken" eventually 5 reloaded
check "the same invitation is good now" on late ntmctl join "$string"
# An IPv6 address that changes its prefix is tentative for a moment, in which the kernel does not answer
check "and the node is found, by its address in the part that is new" eventually 5 on mn ping -6 -c 1 -W 1 late.example.net
like "since its peer knows of that" "$(on mn ip -6 route)" '^fd00:4e54::/64 dev ntm0'
check "it finds those that were there" eventually 5 on late ping -6 -c 1 -W 1 cn.example.net
like "which know of it, too" "$(on cn ip -6 route)" '^fd00:4e54::/64 dev ntm0'
