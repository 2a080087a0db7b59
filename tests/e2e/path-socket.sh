# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 300
# Paths with a socket of their own in the kernel path: fixed keys, no daemon.
#
#   a 192.0.2.1 -------- internet -------- 192.0.2.2 b
#   ntm0 10.9.0.1                          ntm0 10.9.0.2
#
#   s 10.1.0.2 --- homes --- ns --- internet --- np --- homep --- p 10.2.0.2
#   ntm0 10.9.0.3      symmetric    ports     port-restricted     ntm0 10.9.0.4
#
# s and p reach each other only if p knows the port that ns gives to one of s's sockets towards np, and s leaves by that one.

. /mnt/lab/src/tests/e2e/lib/fixed-keys

net internet homes homep
host a b s p
router ns np
link a internet 192.0.2.1/24 2001:db8::1/64
link b internet 192.0.2.2/24 2001:db8::2/64
fixed_dev a 10.9.0.1 fd09::1
fixed_dev b 10.9.0.2 fd09::2

# own HOST: its owner, which does what it is told from then on
declare -A OWN
own() {
	rm -f "/tmp/own.$1"
	mkfifo "/tmp/own.$1"
	bg "$1" owner sh -c "exec ntm-cfg - <'/tmp/own.$1'"
	exec {fd}>"/tmp/own.$1"
	OWN[$1]=$fd
}
tell() {
	printf '%s\n' "${@:2}" >&"${OWN[$1]}"
}
of_path() {
	on "$1" ntm-cfg path get ntm0 7 2>/dev/null | grep -oE "\b$2=[^ ]+" | cut -d= -f2-
}
# port_is HOST PORT: path 7 has this port of its own; "" for none
port_is() {
	[ "$(of_path "$1" port)" = "$2" ]
}
drop() {
	on "$1" ntm-cfg dev get ntm0 | grep -oE "\bdrop_$2=[0-9]+" | cut -d= -f2
}
# queued HOST PORT: bytes that wait at this socket to be read
queued() {
	on "$1" ss -Hulpn sport = ":$2" | awk '{ n += $2 } END { print n + 0 }'
}

own a
tell a "dev set ntm0 port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.2 v6 fd09::2 peer 192.0.2.2 4330 key 1 1 $FIXED_A $FIXED_B"
own b
tell b "dev set ntm0 port4 4330 port6 4330" \
	"path set ntm0 7 create v4 10.9.0.1 v6 fd09::1 peer 192.0.2.1 4330 key 1 1 $FIXED_B $FIXED_A"
eventually 5 fixed_ready a
eventually 5 fixed_ready b

# leaves_by TEXT PORT [ADDRESS]: what a sends leaves by this port and no other
leaves_by() {
	local from=${3:-192.0.2.1}
	on a ping -c 1 -W 2 10.9.0.2
	capture b internet by "udp and host $from"
	check "$1: ping" on a ping -c 5 -i 0.2 -W 2 10.9.0.2
	${TCP:+tcp "$1"}
	sleep 0.5
	capture_stop by
	at_least "$1: by this port" "$(packets by "src host $from and src port $2")" 1
	is "$1: by no other" "$(packets by "src host $from and not src port $2")" 0
	at_least "$1: the peer answers there" "$(packets by "dst host $from and dst port $2")" 1
}
tcp() {
	iperf_server b
	check "$1: TCP" on a iperf3 -c 10.9.0.2 -t 1 -i 0
	iperf_server b
	check "$1: TCP, the other way" on a iperf3 -c 10.9.0.2 -t 1 -i 0 -R
}
# aggregates TEXT PORT [ADDRESS]: as above; TCP in aggregates leaves by it, and comes there
aggregates() {
	TCP=yes leaves_by "$@"
	at_least "$1: aggregates leave" "$(packets by "src port $2 and greater 10000")" 5
	at_least "$1: and arrive" "$(packets by "dst port $2 and greater 10000")" 5
}
leaves_by "the device's port" 4330
is "a path has no port of its own at first" "$(of_path a port)" ""

tell a "path set ntm0 7 port4 5000"
check "it gets one" eventually 5 port_is a 5000
aggregates "a port of its own" 5000
is "the peer has followed" "$(of_path b peer)" 192.0.2.1:5000
like "the device's is what it was" "$(on a ntm-cfg dev get ntm0)" ' port=4330 '
tell a "path set ntm0 7 port4 5001"
check "another one takes its place" eventually 5 port_is a 5001
leaves_by "another one" 5001

# One that is there for what comes, and not yet for what is sent
tell a "path set ntm0 7 port4 5004 device-port"
check "a third one, by which nothing leaves" eventually 5 port_is a 5004
leaves_by "nothing does" 4330
tell b "path set ntm0 7 peer 192.0.2.1 5004"
eventually 5 eval '[ "$(of_path b peer)" = 192.0.2.1:5004 ]'
check "what comes there is taken" on b ping -c 1 -W 2 10.9.0.1
leaves_by "and answered there from then on" 5004
tell a "path set ntm0 7 peer 192.0.2.2 4330 device-port"
eventually 5 eval 'on a ping -c 1 -W 1 10.9.0.2 && [ "$(of_path b peer)" = 192.0.2.1:4330 ]'
leaves_by "an endpoint of the device's" 4330
is "leaves the path its port" "$(of_path a port)" 5004
tell a "path set ntm0 7 peer 192.0.2.2 4330"
eventually 5 eval 'on a ping -c 1 -W 1 10.9.0.2 && [ "$(of_path b peer)" = 192.0.2.1:5004 ]'
leaves_by "one of the path's" 5004

# The other family
tell b "path set ntm0 7 peer 2001:db8::1 4330"
tell a "path set ntm0 7 peer 2001:db8::2 4330"
eventually 5 eval '[ "$(of_path a peer)" = "[2001:db8::2]:4330" ]'
leaves_by "IPv6, the socket being of IPv4" 4330 2001:db8::1
tell a "path set ntm0 7 port6 5006"
check "a socket of IPv6" eventually 5 port_is a 5006
aggregates "IPv6" 5006 2001:db8::1
tell a "path set ntm0 7 peer 192.0.2.2 4330 port4 5003"
tell b "path set ntm0 7 peer 192.0.2.1 5003"
check "endpoint and socket at once" eventually 5 port_is a 5003
aggregates "back on IPv4" 5003

# What the peer can reach is what answers
tell b "path set ntm0 7 peer 192.0.2.1 4330"
eventually 5 eval '[ "$(of_path b peer)" = 192.0.2.1:4330 ]'
on b ping -c 1 -W 2 10.9.0.1
leaves_by "a peer that sends to the device's port" 4330
is "the port stays the path's" "$(of_path a port)" 5003
tell b "path set ntm0 7 peer 192.0.2.1 5003"
eventually 5 eval '[ "$(of_path b peer)" = 192.0.2.1:5003 ]'
on b ping -c 1 -W 2 10.9.0.1
leaves_by "one that sends to the path's again" 5003

# Signalling reaches the socket that it was sent to, alone and in an aggregate; what is nobody's path is dropped as ever
path=$(drop a path) before=$(queued a 5003)
on b ntm-evil lo mixed 6000 192.0.2.1#5003 100 8 0 0 8
check "signalling in an aggregate reaches the path's socket" eventually 5 eval '[ "$(queued a 5003)" -gt "$before" ]'
is "data in it is taken" "$(($(drop a path) - path))" 2
is "none of it reaches the device's" "$(queued a 4330)" 0
before=$(queued a 5003)
on b ntm-evil lo mixed 6000 192.0.2.1#5003 100 0
check "signalling alone, too" eventually 5 eval '[ "$(queued a 5003)" -gt "$before" ]'

# Let go
tell a "path set ntm0 7 peer 192.0.2.2 4330 socket -1"
check "it is let go of" eventually 5 port_is a ""
on a ping -c 1 -W 2 10.9.0.2
leaves_by "the device's port again" 4330
path=$(drop a path) before=$(queued a 5003)
on b ntm-evil lo mixed 6000 192.0.2.1#5003 100 8
check "data for the socket is its own now" eventually 5 eval '[ "$(queued a 5003)" -gt "$before" ]'
is "and not ours" "$(drop a path)" "$path"

# A socket that was closed: its port is nobody's, or somebody else's
tell a "path set ntm0 7 port4 5002"
eventually 5 port_is a 5002
tell a close
eventually 5 eval '! listens a udp 5002'
path=$(drop a path)
on b ntm-evil lo mixed 6000 192.0.2.1#5002 100 8
sleep 0.3
is "data for a port that was closed is not taken" "$(drop a path)" "$path"
tell a "path set ntm0 7 socket -1"
eventually 5 port_is a ""
on a ping -c 1 -W 2 10.9.0.2

# Refused
refused() {
	like "refused: $1" "$(on a ntm-cfg - 2>&1)" "$2"
}
refused "no file descriptor" 'EBADF: not a file descriptor of a socket' <<<"path set ntm0 7 socket 99"
refused "no socket" 'ENOTSOCK: not a file descriptor of a socket' <<<"path set ntm0 7 socket 0"
refused "a socket of another path" "EBUSY: socket is another path's" <<-END
	path set ntm0 8 create v4 10.9.1.1 port4 5008
	path set ntm0 9 create v4 10.9.1.2 socket last
END
check_not "and the other path is not made" on a ntm-cfg path get ntm0 9
on a ntm-cfg path del ntm0 8
on a ip link add ntm1 type ntm
refused "the device's socket" "EBUSY: socket is the device's own" <<-END
	dev set ntm1 port4 5010
	path set ntm1 1 create v4 10.9.2.1 socket last
END
refused "a device without an owner" 'ENOTCONN: the device has no owner' <<<"path set ntm1 1 create v4 10.9.2.1 port4 5009"
on a ip link del ntm1
many() {
	local i
	for ((i = 0; i < $1; i++)); do
		echo "path set ntm0 $((100 + i)) create v4 10.9.3.$i port4 $((7000 + i))"
	done
}
refused "one too many" 'ENOSPC: too many paths with a socket of their own' < <(many 65)
is "all before it were taken" "$(on a ntm-cfg path dump ntm0 | grep -c ' port=7')" 64
for ((i = 0; i < 64; i++)); do echo "path del ntm0 $((100 + i))"; done | on a ntm-cfg -
check "deleted paths make room" on a ntm-cfg path set ntm0 8 create v4 10.9.1.1 port4 5008
on a ntm-cfg path del ntm0 8

# Changed and removed under traffic
iperf_server b
on a iperf3 -c 10.9.0.2 -t 60 --bidir -i 0 >/dev/null 2>&1 &
traffic=$!
for i in {1..30}; do
	tell a "path set ntm0 7 port4 $((8000 + i))" close "path set ntm0 7 socket -1"
done
tell a "path set ntm0 7 port4 8100"
check "taken and given 30 times under traffic" eventually 10 port_is a 8100
received=$(of_path a rx_bytes)
flows() {
	[ "$(of_path a rx_bytes)" -gt $((received + 100000)) ]
}
check "which flows" eventually 10 flows
kill9 a owner
check "the owner's end takes the socket along" eventually 5 port_is a ""
own a
tell a "dev set ntm0 port4 4330 port6 4330" "path set ntm0 7 port4 8100"
check "another owner gives his" eventually 5 port_is a 8100
check "and packets pass" eventually 5 on a ping -c 1 -W 1 10.9.0.2
tell a "path set ntm0 8 create v4 10.9.1.1 port4 8101"
eventually 5 on a ntm-cfg path get ntm0 8
on a ntm-cfg path del ntm0 7
on a ip link del ntm0
kill $traffic 2>/dev/null || true
is "the device is gone with its paths" "$(on a ip -o link show type ntm | wc -l)" 0

# Behind a symmetric NAT, to a peer behind a port-restricted one
link s homes 10.1.0.2/24
link ns homes 10.1.0.1/24
link ns internet 192.0.2.8/24
link np internet 192.0.2.9/24
link np homep 10.2.0.1/24
link p homep 10.2.0.2/24
gateway s 10.1.0.1
gateway p 10.2.0.1
nat ns internet --kind symmetric
nat np internet --kind port-restricted
fixed_dev s 10.9.0.3 fd09::3
fixed_dev p 10.9.0.4 fd09::4
own s
tell s "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.4 peer 192.0.2.9 4330 key 1 1 $FIXED_A $FIXED_B"
own p
tell p "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.3 peer 192.0.2.8 4330 key 1 1 $FIXED_B $FIXED_A"
eventually 5 fixed_ready s
eventually 5 fixed_ready p
reaches() {
	on s ping -c 1 -W 1 10.9.0.4
}
check_not "no way from socket to socket" eventually 3 reaches

# outer PORT: that which ns gives to s's PORT towards p
outer() {
	on ns conntrack -L -p udp --orig-port-src "$1" --orig-dst 192.0.2.9 2>/dev/null |
		sed -nE 's/.* dst=192\.0\.2\.8 sport=[0-9]+ dport=([0-9]+).*/\1/p'
}
tell s "path set ntm0 7 port4 5000"
eventually 5 port_is s 5000
check "packets leave by the path's socket, and are mapped" eventually 5 eval 'reaches || [ "$(outer 5000)" ]'
tell p "path set ntm0 7 peer 192.0.2.8 $(outer 5000)"
check "once p knows the port, there is a way" eventually 5 on p ping -c 1 -W 1 10.9.0.3
check "from s as well" on s ping -c 3 -i 0.2 -W 2 10.9.0.4
iperf_server p
check "TCP" on s iperf3 -c 10.9.0.4 -t 1 -i 0
iperf_server p
check "TCP, the other way" on s iperf3 -c 10.9.0.4 -t 1 -i 0 -R
like "by that port" "$(of_path p peer)" "^192\.0\.2\.8:$(outer 5000)\$"
isnt "which is another than that of the device's" "$(outer 5000)" "$(outer 4330)"
tell s "path set ntm0 7 socket -1"
eventually 5 port_is s ""
check_not "without it there is no way again" reaches
