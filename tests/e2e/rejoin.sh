# shellcheck shell=bash
# A node that has a coordinator is to join another one, which refuses, does not answer, refuses late, or is never there: what it was
# a member of, it stays; until the other one has given it a lease.
# on-long: host qemu-6.12
# without: mixed: one node is looked at
# timeout: 240
#
#   dc (example.net), other (other.example) ---- internet ---- mn, cn

net internet
host dc other mn cn
link dc internet 192.0.2.1/24
link other internet 192.0.2.2/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
dc dc
dc other zone=other.example pool4=100.65.0.0/16 pool6=fd00:b::/64
node mn mn dc
node cn cn dc

# is_member NAME: does mn's coordinator know it by this name?
is_member() {
	registered mn && ctl mn status --json | grep -qF "\"name\": \"$1\""
}
joins_nobody() {
	exits "a join that is not answered ends" 5 ctl mn join "$1"
}

good=$(dc_ctl other invite mn)
bad=$(dc_ctl other invite bad)
dc_ctl other revoke bad
exits "a join that is refused fails" 1 ctl mn join "$bad"
check "and mn is with its coordinator again" eventually 10 is_member mn.example.net
check "reached by name" eventually 10 on cn ping -c 1 -W 2 mn.example.net

kill9 other ntm-dc
joins_nobody "$bad"
again other ntm-dc
check "refused after that, it is with its own again" eventually 40 is_member mn.example.net
again mn ntmd
check "and after a start" eventually 10 is_member mn.example.net

kill9 other ntm-dc
joins_nobody "$good"
kill9 mn ntmd
again mn ntmd
check "killed meanwhile, it is with its own" eventually 10 is_member mn.example.net

joins_nobody "$bad"
joins_nobody "$good"
again other ntm-dc
check "the last one that it was to join takes it late" eventually 40 is_member mn.other.example
kill9 mn ntmd
again mn ntmd
check "which counts from now on" eventually 10 is_member mn.other.example
dc_ctl other revoke mn
refused() {
	ctl mn | grep -q 'DC: refused'
}
check "also if it is put out there" eventually 60 refused
sleep 3
check "what was before does not come back" refused
