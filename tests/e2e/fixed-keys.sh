# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 120
# The kernel path alone: two devices with fixed keys, no daemon.
#
#   a 192.0.2.1 ---- net ---- 192.0.2.2 b
#   ntm0 10.9.0.1             ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

fixed_pair
check "ping" on a ping -c 3 -i 0.2 -W 2 10.9.0.2
check "ping, IPv6 inside" on a ping -c 3 -i 0.2 -W 2 fd09::2
check "a full-size packet of 1428 bytes" on a ping -c 1 -W 2 -s 1400 -M do 10.9.0.2
iperf_server b
check "TCP" on a iperf3 -c 10.9.0.2 -t 2 -i 0
iperf_server b
check "TCP, the other way" on a iperf3 -c 10.9.0.2 -t 2 -i 0 -R
iperf_server b
check "UDP" on a iperf3 -c 10.9.0.2 -t 1 -i 0 -u -b 20M
show on a ntm-cfg path get ntm0 7
show on b ntm-cfg dev get ntm0

like "packets are counted" "$(on a ntm-cfg path get ntm0 7)" 'tx_packets=[1-9][0-9]+ .* rx_packets=[1-9][0-9]+'
show on a ip -s link show ntm0
