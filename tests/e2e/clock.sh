# shellcheck shell=bash
# The clock jumps, a year on and then years back, under nodes and their coordinator: nobody notices but invitations, which hold
# until a time of day.
# on: qemu-6.12/mixed
# on-long: qemu-6.12 qemu-6.12/tun qemu-6.1
# timeout: 180
#
# The network: lib/one-net

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net late
dc dc keepalive=2
node mn mn dc rekey-after=10
node cn cn dc rekey-after=10
check "a tunnel stands" on mn ping -c 1 -W 2 cn.example.net
v4=$(virtual4 mn)

# What the clock says when it is left alone: this, and how long the machine runs
ZERO=$(($(date +%s) - $(cut -d. -f1 /proc/uptime)))
clock() {
	date -s "@$((ZERO + $(cut -d. -f1 /proc/uptime) + $1))" >/dev/null
}
online() {
	dc_ctl dc nodes | grep -c " online "
}

# jump TEXT SECONDS PEER: from where the clock would be
jump() {
	local text=$1 seconds=$2 before
	before=$(epoch mn)
	bg mn ping ping -i 0.05 -c 240 -W 2 "$(virtual4 cn)"
	sleep 1
	clock "$seconds"
	at_most "$text: the clock is where it was set" $((($(date +%s) - $(cut -d. -f1 /proc/uptime) - ZERO - seconds) ** 2)) 9
	wait_for mn ping 60
	like "$text: no packet is lost" "$(logs mn ping)" ' 240 received, 0% packet loss'
	at_least "$text: keys are replaced when it is time, and not before" "$(epoch mn)" $((before + 1))
	at_most "$text: nor later" "$(epoch mn)" $((before + 3))
	is "$text: nodes are online" "$(online)" 2
	check "$text: mn is registered" registered mn
	like "$text: names that there are not are NXDOMAIN" "$(on mn dig +tries=1 +time=4 nobody.example.net A)" NXDOMAIN
}

old=$(dc_ctl dc invite late)
jump "a year on" 31536000
node_start late rekey-after=10
exits "an invitation of last year is too old" 1 on late ntmctl join "$old"
like "and the node is told so" "$(cat "$LAB_STATE/output")" 'token|invit|expired'
dc_ctl dc revoke late
node_join late late dc
check "a new one is not" on late ping -c 1 -W 3 cn.example.net
stop late ntmd

jump "ten years back" -315360000
kill9 dc ntm-dc
again dc ntm-dc
check "a coordinator that starts in the past has its nodes" eventually 30 eval '[ "$(online)" -ge 2 ]'
is "with their addresses" "$(virtual4 mn)" "$v4"
again mn ntmd
check "and so has a node that does" eventually 20 on mn ping -c 1 -W 2 cn.example.net
is "with its address" "$(virtual4 mn)" "$v4"

clock 0
check "and right again" on mn ping -c 2 -i 0.2 -W 2 cn.example.net
