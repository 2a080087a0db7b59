# shellcheck shell=bash
# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 150
# Packets that a filter queued to user space come back in process context: outer ones of the raw table at a relay and at
# their end, inner ones on their way out. Fixed keys, no daemon.
#
#   a 192.0.2.1 ---- west ---- r 192.0.2.9, 198.51.100.9 ---- east ---- b 198.51.100.2
#   ntm0 10.9.0.1              ntm0, relays path 7                     ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

net west east
host a b r
link a west 192.0.2.1/24
link r west 192.0.2.9/24
link r east 198.51.100.9/24
link b east 198.51.100.2/24
fixed_dev a 10.9.0.1 fd09::1
fixed_dev b 10.9.0.2 fd09::2
on r ip link add ntm0 type ntm
on r ip link set ntm0 up
fixed_owner a "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 192.0.2.9 4330 key 1 1 $FIXED_A $FIXED_B"
fixed_owner b "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 198.51.100.9 4330 key 1 1 $FIXED_B $FIXED_A"
fixed_owner r "dev set ntm0 port4 4330" \
	"relay set ntm0 7 end0 192.0.2.1 4330 end1 198.51.100.2 4330"
eventually 5 fixed_ready a
eventually 5 fixed_ready b
eventually 5 on r ntm-cfg relay get ntm0 7

passes() {
	on a ping -c 2 -i 0.2 -W 1 10.9.0.2
}
# queue HOST: and nobody takes them yet
queue() {
	on "$1" nft -f - <<-NFT
		table inet t {
			chain raw { type filter hook prerouting priority -300; udp dport 4330 queue num 0; }
			chain out { type filter hook postrouting priority 0; oifname ntm0 queue num 0; }
		}
	NFT
}
take() {
	bg "$1" queue ntm-queue 0 120
	eventually 5 eval "logs $1 queue | grep -q ready"
}

check "packets pass" passes
for h in r b a; do
	queue "$h"
	check_not "$h: queued, they do not" passes
	take "$h"
	check "$h: taken, they do" passes
done
check "IPv6 inside" on a ping -c 2 -i 0.2 -W 1 fd09::2
iperf_server b
check "TCP" on a iperf3 -c 10.9.0.2 -t 2 -i 0
iperf_server b
check "TCP, the other way" on a iperf3 -c 10.9.0.2 -t 2 -i 0 -R
on a ping -c 1 -W 1 10.9.0.77 || true
missed() {
	logs a owner | grep -q '^miss .*v4=10\.9\.0\.77$'
}
check "to an address without a path" eventually 5 missed
