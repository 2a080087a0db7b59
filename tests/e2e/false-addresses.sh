# shellcheck shell=bash
# A node that registers the addresses of a victim: what its peers send there is little, and less and less.
# on: host
# on-long: uml/mixed qemu-6.12
# timeout: 240
#
#   mn 192.0.2.10, victim 192.0.2.66 --- v4 --- dc, rs --- v6 --- 2001:db8::20 liar, with 192.0.2.66 on an interface of its own
#
# mn has a relayed path to the liar, which is the worst case: then the addresses that do not answer are tried for as long as packets
# pass. Bounds, each for a path, an end and an address: 5 Tunnel Requests or punches and 5 probes for the set-up, 6 probes every 5 s,
# then at doubled times, up to once an hour.

net v4 v6
host dc rs mn victim liar
link dc v4 192.0.2.1/24
link dc v6 2001:db8::1/64
link rs v4 192.0.2.2/24
link rs v6 2001:db8::2/64
link mn v4 192.0.2.10/24
link victim v4 192.0.2.66/24
link liar v6 2001:db8::20/64
on liar ip link add lie type veth peer name truth
on liar sysctl -qw net.ipv6.conf.lie.disable_ipv6=1
on liar ip link set truth up
on liar ip link set lie up
on liar ip addr add 192.0.2.66/32 dev lie
dns dc
resolver mn 192.0.2.1
resolver liar 2001:db8::1
dc dc
rs rs rs dc
node mn mn dc
node liar liar dc

capture victim v4 hits udp and dst host 192.0.2.66
check "the liar is reached, by the relay" on mn ping -c 5 -i 0.2 -W 2 liar.example.net
like "indeed by the relay" "$(ctl mn)" 'liar\.example\.net.* up .*relay rs\.example\.net '
at_most "the victim got at most 10 packets for the set-up" "$(packets hits)" 10
at_least "it was named, and tried" "$(packets hits)" 1
on mn ping -c 45 -i 1 -q liar.example.net >/dev/null
at_most "and at most 16 in the first 45 s" "$(packets hits)" 16
before=$(packets hits)
on mn ping -c 30 -i 1 -q liar.example.net >/dev/null
at_most "then at most 2 more in 30 s" $(($(packets hits) - before)) 2
say "in 80 s: $(packets hits) packets"
capture_stop hits
