# What a link does to packets: delay, rate, loss, MTU, and what can be done to it while it is used.
# module: no
# on: host
# on-long: uml qemu-6.12

net internet
host a b
link a internet 192.0.2.10/24 2001:db8::10/64 --rate 20mbit --delay 20ms
link b internet 192.0.2.20/24 2001:db8::20/64

# rtt HOST ADDRESS: the smallest of three round trips, in whole milliseconds
rtt() {
	on "$1" ping -q -i 0.2 -c 3 -W 2 "$2" | sed -nE 's#.*= ([0-9]+)[^/]*/.*#\1#p'
}

rate_of() {
	iperf_server b
	on a iperf3 -c 192.0.2.20 -O 1 -t 4 --json "$@" | sed -nE '/"end"/,$ { /"sum_received"/,/}/ s/.*"bits_per_second":[^0-9]*([0-9]+).*/\1/p }'
}

lacks_carrier() {
	ip -n a link show dev eth0 | grep -q NO-CARRIER
}

# The longest packet that b sees, without its Ethernet header
longest() {
	tcpdump -Z root -nner "$(captured "$1")" 2>/dev/null | sed -nE 's/.* length ([0-9]+): .*/\1/p' | sort -n | tail -n 1
}

is "the interface of a link is eth0" "$(if_of a internet)" eth0
rtt=$(rtt a 192.0.2.20)
at_least "a delay counts in each direction" "$rtt" 40
at_most "and there only" "$rtt" 60

# rate DIRECTION [OPTION...]: a receiver that is late when it begins to count counts what waited for it, too
rate() {
	local got
	got=$(rate_of "${@:2}")
	at_most "a rate holds $1" "$got" 20000000
	at_least "a rate is reached $1" "$got" 10000000
}
capture b internet wire tcp
steadily 60 rate up
capture_stop wire
at_most "a rate carries single packets, not aggregates" "$(longest wire)" 1514
steadily 60 rate down -R
stop b iperf3

link_set a internet --delay 5ms --rate none
rtt=$(rtt a 192.0.2.20)
at_least "a delay can be changed" "$rtt" 10
at_most "a changed delay is the new one" "$rtt" 30
link_set a internet --delay none
at_most "a delay can be taken away" "$(rtt a 192.0.2.20)" 8

link_set a internet --loss 100%
check_not "a link can lose everything" on a ping -c 2 -i 0.2 -W 1 192.0.2.20
link_set a internet --loss none --rate none
check "and be well again" on a ping -c 1 -W 2 192.0.2.20

# Each echo passes this link twice, and each passage may double it
duplicates() {
	on a ping -c 100 -i 0.01 -W 1 192.0.2.20 | grep -c 'DUP!'
}
link_set a internet --delay 5ms --duplicate 20%
doubled=$(duplicates)
at_least "a link can give packets twice" "$doubled" 15
at_most "some of them" "$doubled" 90
link_set a internet --delay none --duplicate none --rate none
is "and once again" "$(duplicates || true)" 0

link_set a internet --corrupt 100%
capture b internet spoilt icmp
check_not "a link can spoil every packet" on a ping -c 10 -i 0.1 -W 1 192.0.2.20
capture_stop spoilt
at_least "and yet carries them" "$(packets spoilt)" 1
link_set a internet --corrupt none
check "and not one" on a ping -c 3 -i 0.1 -W 2 192.0.2.20

unplug a internet
check "without its cable an interface has no carrier" eventually 5 lacks_carrier
check_not "an unplugged host is away" on b ping -c 1 -W 1 192.0.2.10
plug a internet
check "a plugged host is back, IPv4" eventually 5 on b ping -c 1 -W 1 192.0.2.10
check "a plugged host is back, IPv6" eventually 5 on b ping -c 1 -W 1 2001:db8::10

link_down a internet
check_not "an interface that is down is away" on b ping -c 1 -W 1 192.0.2.10
link_up a internet
check "an interface that is up is back" eventually 5 on b ping -c 1 -W 1 192.0.2.10

addr_add a internet 192.0.2.11/24
check "an address can be added" on b ping -c 1 -W 2 192.0.2.11
addr_del a internet 192.0.2.11/24
check_not "an address can be taken away" on b ping -c 1 -W 1 192.0.2.11

unlink a internet
check_not "a link can be taken away" on a ip link show eth0
link a internet 192.0.2.12/24 --mtu 1280
is "the next interface has the next name" "$(if_of a internet)" eth1
check "a host can be linked again" eventually 5 on b ping -c 1 -W 1 192.0.2.12
check_not "an MTU holds" on a ping -c 1 -W 1 -M do -s 1400 192.0.2.20
check_not "a link without an IPv6 address has no IPv6" sh -c "ip -n a -6 addr show dev eth1 | grep inet6"
