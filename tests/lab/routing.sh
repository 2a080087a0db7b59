# A host behind a router, and behind a NAT.
# module: no
# on: host
# on-long: qemu-6.12
#
#   a --- home --- gw --- internet --- b

net home internet
host a b
router gw
link a home 10.0.0.2/24 2001:db8:1::2/64
link gw home 10.0.0.1/24 2001:db8:1::1/64
link gw internet 198.51.100.1/24 2001:db8::1/64
link b internet 198.51.100.2/24 2001:db8::2/64
gateway a 10.0.0.1 2001:db8:1::1
on b ip route add 2001:db8:1::/64 via 2001:db8::1

check "a router forwards IPv6" on a ping -c 1 -W 2 2001:db8::2
check_not "a private address gets no answer" on a ping -c 1 -W 1 198.51.100.2

nat gw internet
check "behind a NAT it does" on a ping -c 1 -W 2 198.51.100.2
check_not "a NAT lets nobody in" on b ping -c 1 -W 1 10.0.0.2

capture b internet seen icmp
on a ping -c 1 -W 2 198.51.100.2
capture_stop seen
is "the NAT's address is what the other side sees" "$(packets seen src 198.51.100.1)" 1
is "a capture has both directions" "$(packets seen)" 2
like "a capture can be read with tcpdump" "$(tcpdump -nr "$(captured seen)" 2>&1)" 'ICMP echo reply'

capture b internet behind icmp
send_signal b capture-behind STOP
on a ping -c 1 -W 2 198.51.100.2
(sleep 1 && send_signal b capture-behind CONT) &
capture_stop behind
is "what came before it was stopped is in it, too" "$(packets behind)" 2
