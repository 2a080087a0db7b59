# shellcheck shell=bash
# Makes the capture that tests/host/dissector.sh reads: every kind of packet, from running daemons. Not run by `make test`;
# after a change of the protocol: scripts/lab run tests/dissector/capture.sh && cp build/lab/qemu-6.12/capture/all.pcap tests/dissector/

net internet
host dc mn cn fake r e
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
link fake internet 192.0.2.2/24
link r internet 192.0.2.9/24 2001:db8::9/64
link e internet 2001:db8::20/64
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
ip netns exec net.internet tcpdump -i br0 -U -s 0 -w "$(captured all)" udp port 4330 or udp port 4331 &
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
stop mn ntmd
# A relay server, and two ends of its own kind
rs_start r
bg fake dc ntm-bind dc 192.0.2.2:4330 "$LAB_OUT/fifo"
eventually 5 grep -q '^ntm://' "$LAB_OUT/fake/dc.log"
rs_ctl r join "$(grep -m 1 '^ntm://' "$LAB_OUT/fake/dc.log")"
key=$(rs_ctl r status --json | sed -nE 's/^  "key": "(.*)",/\1/p')
echo "direct 7 1" >"$LAB_OUT/fifo"
eventually 5 grep -q 'status 0' "$LAB_OUT/fake/dc.log"
bg e echo ntm-bind echo '[2001:db8::9]:4330' "$key" 7 2 1 4330
sleep 1
check "data and signalling pass the relay" on mn ntm-bind ping 192.0.2.9:4330 "$key" 7 1 1 4330 3
check "a probe is answered" on mn ntm-bind probe 192.0.2.9:4330 "$key" 4330
check "from the other port, too" on mn ntm-bind probe 192.0.2.9:4330 "$key" 4330 other
stop r ntm-rs
sleep 1
kill "$tcpdump"
wait "$tcpdump" || true
