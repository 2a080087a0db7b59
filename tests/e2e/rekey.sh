# shellcheck shell=bash
# Keys are replaced every 10 s under load, and no packet is lost by it.
# on: uml/mixed
# on-long: host qemu-6.12 qemu-6.1 qemu-6.12/mixed
# timeout: 300
#
# The network: lib/one-net

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net
dc dc
node mn mn dc rekey-after=10
node cn cn dc rekey-after=10
check "a tunnel stands" on mn ping -c 1 -W 2 cn.example.net

path_id() {
	ctl "$1" status --json | sed -nE 's/.*"path_id": "([0-9a-f]+)".*/\1/p'
}
path=$(path_id mn)
is "both ends call the path the same" "$(path_id cn)" "$path"
is "its keys are the first" "$(epoch mn)" 0
bg mn ping ping -i 0.02 -c 1500 -W 2 "$(virtual4 cn)"
wait_for mn ping 60
like "1500 pings over 30 s: none is lost" "$(logs mn ping)" ' 1500 received, 0% packet loss'
at_least "the keys were replaced at least twice" "$(epoch mn)" 2
# Not while they are being replaced
same_epoch() {
	local before
	before=$(epoch mn)
	[ "$(epoch cn)" = "$before" ] && [ "$(epoch mn)" = "$before" ]
}
check "at both ends" eventually 5 same_epoch
is "the path is the same" "$(path_id mn)" "$path"
bg cn iperf3 iperf3 -s
eventually 5 listens cn tcp 5201
check "iperf3 over two more" on mn iperf3 -c "$(virtual4 cn)" -t 22
at_least "they happened" "$(epoch mn)" 4
like "no packet failed its authentication" "$(ctl cn status --drops)" 'data auth 0'
like "none came for a key that is gone" "$(ctl cn status --drops)" 'data key 0'
