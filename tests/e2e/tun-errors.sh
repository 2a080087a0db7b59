# on: host
# module: no
# without: kernel mixed: the path in user space by itself
# timeout: 180
# What can go wrong below and above the user-space path: each is counted, ends when its cause ends, and never keeps ntmd busy.
#
#   dc --- internet --- a, b

. /mnt/lab/src/tests/e2e/lib/process

# drops HOST CAUSE
drops() {
	ctl "$1" status --drops | awk -v cause="$2" '$1 == "data" && $2 == cause { print $3 }'
}

reach() {
	on a ping -c 1 -W 1 "$@" "$(virtual4 b)"
}

# A few packets, whatever becomes of them
try() {
	on a ping -q -c 20 -i 0.05 -W 1 "$@" "$(virtual4 b)" || true
}

# says TEXT: ntmd of a has said so, after the first $before lines
says() {
	logs a ntmd | tail -n "+$((before + 1))" | grep -q "$1"
}

rests() {
	at_most "$1: ntmd rests" "$(busy "$(pid_of a ntmd)")" 29
}

recovers() {
	check "$1: over, packets pass again" eventually 30 reach
}

net internet
host dc a b
link dc internet 192.0.2.1/24
link a internet 192.0.2.10/24
link b internet 192.0.2.20/24
dc dc
node a alice dc
node b bob dc
require "packets pass" eventually 10 reach
dev=$(if_of a internet)

# No route to the peer: ENETUNREACH
before=$(drops a no-route)
ip -n a route del 192.0.2.0/24
try
at_least "no route: counted" $(($(drops a no-route) - before)) 20
rests "no route"
ip -n a route add 192.0.2.0/24 dev "$dev" src 192.0.2.10
recovers "no route"

# A link that carries less than before: EMSGSIZE
before=$(drops a too-big)
for host in a b; do
	ip -n "$host" link set "$(if_of "$host" internet)" mtu 1400
done
try -s 1400 -M do
at_least "smaller link: counted" $(($(drops a too-big) - before)) 1
check "smaller link: senders are told" on a sh -c "ping -c 2 -s 1400 -M do $(virtual4 b) 2>&1 | grep -qE 'Frag needed|too long'"
check "smaller link: what may be cut passes" eventually 5 reach -s 1400
rests "smaller link"
for host in a b; do
	ip -n "$host" link set "$(if_of "$host" internet)" mtu 1500
done
recovers "smaller link"

# A link that takes next to nothing
iperf_server b
tc -n a qdisc add dev "$dev" root tbf rate 100kbit burst 2000 limit 4000
on a iperf3 -c "$(virtual4 b)" -u -b 100M -t 2 || true
rests "full link"
tc -n a qdisc del dev "$dev" root
recovers "full link"

# A link that holds a lot, slowly: the socket's buffer fills
iperf_server b
before=$(drops a no-memory)
tc -n a qdisc add dev "$dev" root tbf rate 1mbit burst 2000 limit 100000000
on a timeout 20 iperf3 -c "$(virtual4 b)" -u -b 400M -l 1000 -t 3 || true
at_least "slow link: counted" $(($(drops a no-memory) - before)) 1
rests "slow link"
tc -n a qdisc del dev "$dev" root
recovers "slow link"

# Nobody at the peer's port: ECONNREFUSED, by ICMP
kill9 b ntmd
try
rests "closed port"
again b ntmd
recovers "closed port"

# Nobody reads the TUN device: the kernel's queue fills, and it counts
tx_dropped() {
	ip -n a -s -j link show dev ntm0 | tr ',{' '\n\n' | awk -F: '/"tx"/ { tx = 1 } tx && /"dropped"/ { print $2; exit }'
}
before=$(tx_dropped) before_told=$(drops a no-memory)
send_signal a ntmd STOP
on a ping -q -l 5000 -c 5000 -w 2 "$(virtual4 b)" || true
at_least "unread device: the kernel counts" $(($(tx_dropped) - before)) 1000
send_signal a ntmd CONT
recovers "unread device"
at_least "unread device: ntmctl tells of it" $(($(drops a no-memory) - before_told)) $(($(tx_dropped) - before))
rests "unread device"

# The device is down at the receiver: what arrives cannot be delivered
before=$(drops b no-route)
to6=$(virtual6 b)
ip -n b link set ntm0 down
try
at_least "receiver's device down: counted" $(($(drops b no-route) - before)) 20
at_most "receiver's device down: ntmd rests" "$(busy "$(pid_of b ntmd)")" 29
ip -n b link set ntm0 up
recovers "receiver's device down"
check "receiver's device down: over, IPv6 passes again" eventually 5 on a ping -6 -c 1 -W 1 "$to6"

# Somebody else's interface has the name for a while. The path that stands at last is left alone by what tried to get it back.
# (ntmd must not be the faster one.)
name_taken() {
	eventually 30 reach || true
	before=$(logs a ntmd | wc -l)
	send_signal a ntmd STOP
	ip -n a link del ntm0
	ip -n a link add ntm0 type veth peer name not-ours
	send_signal a ntmd CONT
	check "name taken: ntmd says so" eventually 5 says 'no data path: the TUN interface cannot be made'
	ip -n a link del ntm0
	addr_add a internet "192.0.2.$((++address))/24"
	check "name taken: over, packets pass again before ntmd would have tried" eventually 3 reach
}
address=10
steadily 1000 name_taken
before=$(logs a ntmd | wc -l)
like "name taken: and go on" "$(on a ping -q -c 35 -i 0.2 -W 2 "$(virtual4 b)")" ' 0% packet loss'
check_not "name taken: no tunnel was torn down" says 'tunnel over'
