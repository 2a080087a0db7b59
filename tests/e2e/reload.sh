# shellcheck shell=bash
# What a configuration that is read again changes, in ntmd and in ntm-dc, and that a bad one changes nothing; a tunnel that is
# closed because nobody used it; what a line of the status says.
# on: host
# on-long: qemu-6.12 qemu-6.12/mixed qemu-6.1
# timeout: 180
#
# The network: lib/one-net

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net
dc dc
node mn mn dc
node cn cn dc
conf=$(file_of mn /etc/ntmobile/ntmd.conf)
dc_conf=$(file_of dc /etc/ntmobile/ntm-dc.conf)

# says HOST PROGRAM TEXT: it has said so, after the first $before lines
says() {
	logs "$1" "$2" | tail -n "+$((before + 1))" | grep -qE "$3"
}

# reload HOST PROGRAM TEXT: what it says of it
reload() {
	before=$(logs "$1" "$2" | wc -l)
	send_signal "$1" "$2" HUP
	eventually 5 says "$1" "$2" "$3"
}

tunnels() {
	ctl "$1" status --json | grep -c '"state": "up"' || true
}
gone() {
	[ "$(tunnels mn)$(tunnels cn)" = 00 ]
}

# A line of the status: name, virtual addresses, state, path, RTT, age of the keys, sent, received
check "a tunnel stands" on mn ping -c 3 -i 0.2 -W 2 cn.example.net
check "its round-trip time is measured" on mn ntmctl ping -c 1 cn
size='[0-9]+(\.[0-9]+)? ?[KMG]?i?B?'
like "a line for each peer: name, addresses, state, path, RTT, age of the keys, sent, received" "$(ctl mn | grep '^cn\.')" \
	"^cn\\.example\\.net +$(virtual4 cn) +$(virtual6 cn) +up +direct 192\\.0\\.2\\.20:4330 +[0-9.]+ ?m?s +[0-9]+ ?s +$size +$size\$"
is "one line for each peer" "$(ctl mn | grep -c '^cn\.')" 1
like "the same in JSON, of a schema with a number" "$(ctl mn status --json | tr -d '\n')" '"schema": [0-9]+,.*"name": "cn\.example\.net"'

# ntmd: a bad file
echo 'idle-timeout = 4' >>"$conf"
check "a bad file is reported, with its line" reload mn ntmd 'ntmd\.conf:[0-9]+: idle-timeout: .*the old configuration stays'
# and a good one: what nobody uses is closed, keys are replaced sooner, more is said
sed -i '$d' "$conf"
printf '%s\n' 'rekey-after = 10' 'log-level = debug' 'idle-timeout = 5' >>"$conf"
check "a good one is taken" reload mn ntmd 'configuration reloaded'
check "idle-timeout: a tunnel that nobody uses is closed, at both ends" eventually 20 gone
check "the next packet sets it up again" on mn ping -c 1 -W 3 "$(virtual4 cn)"
is "at both ends" "$(tunnels mn)$(tunnels cn)" 11
check "log-level: more is said" says mn ntmd 'debug: .*Route Direction'
bg mn ping ping -i 0.05 -c 300 -W 2 "$(virtual4 cn)"
wait_for mn ping 60
like "rekey-after: packets pass" "$(logs mn ping)" ' 300 received, 0% packet loss'
at_least "while keys are replaced" "$(epoch mn)" 1
bg mn slow ping -i 2 -c 5 -W 2 "$(virtual4 cn)"
wait_for mn slow 30
like "a tunnel that is used now and then stays" "$(logs mn slow)" ' 5 received, 0% packet loss'
at_least "and is the same one" "$(epoch mn)" 2
sed -i 's/^port = .*/port = 4444/' "$conf"
check "what cannot change without a restart is said" reload mn ntmd 'change only with a restart'
check "and has not" listens mn udp 4330
sed -i 's/^port = .*/port = 4330/' "$conf"

# ntm-dc
echo nonsense >>"$dc_conf"
check "ntm-dc reports a bad file" reload dc ntm-dc 'not reloaded: .*ntm-dc\.conf:'
like "and goes on" "$(on mn dig +tries=1 +time=4 nobody.example.net A)" NXDOMAIN
sed -i '$d' "$dc_conf"
sed -i '/^advertise/d' "$dc_conf"
printf '%s\n' 'keepalive = 2' 'advertise = 192.0.2.77' >>"$dc_conf"
check "it takes a good one" reload dc ntm-dc 'configuration reloaded'
like "nodes are online as before" "$(dc_ctl dc nodes)" 'mn\.example\.net .* online'
like "advertise: join strings name the new address" "$(dc_ctl dc invite new)" '^ntm://192\.0\.2\.77'
capture mn internet alive udp port 4330 and src 192.0.2.10 and dst 192.0.2.1
check "keepalive: nodes hear of it within the 25 s of before, and send one every 2 s" eventually 35 eval '[ "$(packets alive)" -ge 5 ]'
capture_stop alive
