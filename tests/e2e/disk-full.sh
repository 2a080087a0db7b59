# shellcheck shell=bash
# The coordinator's disk is full, and then a node's: who needs it is told so, all others go on, and nothing is lost.
# on: host
# on-long: uml uml/mixed
# timeout: 120
#
# The network: lib/one-net

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net late

# small HOST DIRECTORY: it gets a disk of its own, of 1 MB
small() {
	on "$1" mkdir -p "$2"
	nsenter --mount="$LAB_STATE/ns/$1.mnt" mount -t tmpfs -o size=1m,mode=0700 none "$2"
}
fill() {
	on "$1" sh -c "cat /dev/zero >$2/fill 2>/dev/null; [ -s $2/fill ]"
}
said() {
	cat "$LAB_STATE/output"
}
rows() {
	dc_ctl dc nodes | awk '{ print $1, $2, $3 }' | sort
}

small dc /var/lib/ntm-dc
small late /var/lib/ntmd
dc dc
node mn mn dc
node cn cn dc
node_start late
string=$(dc_ctl dc invite late)
before=$(rows)
check "the disk is full" fill dc /var/lib/ntm-dc

exits "invite: an error" 1 dc_ctl dc invite more
like "that says why" "$(said)" '(disk|database).* full|[Nn]o space'
exits "a node cannot join" 1 on late ntmctl join "$string"
like "and is told why" "$(said)" 'stor(e|age)'
check "those that are there find each other" on mn ping -c 1 -W 3 cn.example.net
again mn ntmd
check "also after a start" eventually 15 on mn ping -c 1 -W 3 cn.example.net
is "nothing is lost" "$(rows)" "$before"

# Killed with a full disk
kill9 dc ntm-dc
again dc ntm-dc
check "it starts with a full disk" eventually 10 dc_ctl dc status
is "and has lost nothing" "$(rows)" "$before"
check "nodes find each other" eventually 40 on mn ping -c 1 -W 3 cn.example.net
on dc rm /var/lib/ntm-dc/fill
check "with room again, invite works" dc_ctl dc invite more

# A node's
check "a node's disk is full" fill late /var/lib/ntmd
exits "it cannot join" 1 on late ntmctl join "$string"
like "and says why" "$(said)" '[Nn]o space'
on late rm /var/lib/ntmd/fill
check "with room again, the same invitation is good" on late ntmctl join "$string"
check "and it is there" eventually 15 on mn ping -c 1 -W 3 late.example.net
