# shellcheck shell=bash
# An IPv6-only node whose NAT64 gives another IPv4 port to each destination, and one behind a port-restricted NAT: by a port that the
# search has found, with sockets of IPv6.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# packages: tayga unbound
# timeout: 240
# shellcheck source=tests/e2e/lib/networks
. /mnt/lab/src/tests/e2e/lib/networks

networks_begin
networks_place nat64 a
networks_place port-restricted b
nat gw11 internet --kind symmetric # the one behind nat64-a's translator
networks_end nat64-a port-restricted-b

symmetric() {
	ctl nat64-a netcheck | grep 'mapping  *endpoint-dependent'
}
check "nat64-a has IPv4 by a symmetric NAT" eventually 10 symmetric
check "they reach each other at once" on nat64-a ping -c 2 -i 0.2 -W 2 port-restricted-b.example.net
is "by the relay" "$(networks_path nat64-a port-restricted-b)" relay
bg nat64-a keep ping -q -i 0.2 port-restricted-b.example.net
check "within 15 s it is direct" eventually 15 networks_direct nat64-a port-restricted-b
check "on the other side, too" eventually 2 networks_direct port-restricted-b nat64-a
iperf_server port-restricted-b
check "TCP" on nat64-a iperf3 -c port-restricted-b.example.net -t 2 -i 0
iperf_server port-restricted-b
check "TCP, the other way" on nat64-a iperf3 -c port-restricted-b.example.net -t 2 -i 0 -R
is "still direct" "$(networks_path nat64-a port-restricted-b)" direct
stop nat64-a keep
