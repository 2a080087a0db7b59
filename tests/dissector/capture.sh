# shellcheck shell=bash
# Makes the capture that tests/host/dissector.sh reads: every kind of packet, from running daemons. Not run by `make test`;
# after a change of the protocol: scripts/lab run --on uml tests/dissector/capture.sh && cp build/lab/uml/capture/all.pcap tests/dissector/

net internet
host dc mn cn
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
dns dc
resolver mn 192.0.2.1
# So low a limit that the second handshake within a second is asked for a cookie
dc dc handshake-rate=1
on dc ethtool -K eth0 gro off
on mn ethtool -K eth0 tx-udp-segmentation off gro off >/dev/null
on cn ethtool -K eth0 tx-udp-segmentation off gro off >/dev/null
node mn mn dc
node cn cn dc
ip -n net.internet link set br0 promisc on
for h in mn cn; do stop $h ntmd; done
# On the switch, where every packet passes once
ip netns exec net.internet tcpdump -i br0 -U -s 0 -w "$(captured all)" udp port 4330 &
tcpdump=$!
sleep 3
again mn ntmd
again cn ntmd
check "mn is registered again" eventually 15 has_lease mn
check "cn is registered again" eventually 15 has_lease cn
check "the tunnel comes" eventually 10 on mn ping -c 1 -W 2 cn.example.net
on mn ping -c 1 -s 1300 cn.example.net
sleep 1
stop cn ntmd
sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
