# shellcheck shell=bash
# A relay between two hosts: the kernel's relay table against coturn, and with 1 entry against 1,000,000.
# on: uml
# timeout: 900
# datapath: kernel
# mem: 3072
# packages: coturn libevent-core-2.1-7 libevent-extra-2.1-7 libevent-openssl-2.1-7 libevent-pthreads-2.1-7 libhiredis0.14 libmariadb3 libpq5
# kinds: forwarded relay coturn
# metric: gso_pps = 200-byte datagrams in aggregates, packets a second
# metric: gso_mbyte_per_s = 1400-byte datagrams in aggregates, MB/s
# metric: single_pps = 200-byte datagrams one by one, packets a second
# metric: ns_per_packet_one = one by one, one entry, ns for each packet (sender, relay and receiver)
# metric: ns_per_packet_million = the same, drawn from 1,000,000 entries
# ratio: kernel_relay_vs_coturn_pps = gso_pps: relay / coturn
# ratio: kernel_relay_vs_coturn_bytes = gso_mbyte_per_s: relay / coturn
# ratio: kernel_relay_vs_coturn_single_pps = single_pps: relay / coturn
# ratio: kernel_relay_vs_forwarded_single_pps = single_pps: relay / forwarded
# ratio: relay_million_entries_cost = ns_per_packet_million / ns_per_packet_one: relay
# hold: kernel_relay_vs_coturn_pps >= 5
# hold: relay_million_entries_cost <= 1.3
#
#   a 192.0.2.1 ---- 192.0.2.9 r 198.51.100.9 ---- 198.51.100.2 b
#
# The sender and the receiver are one program (ntm-blast), the same for all, which keeps a window of packets on their way. So on the
# one processor of user-mode Linux the relay gets all the time that the two ends leave it. "forwarded" is r as a plain router:
# what the ends and the network cost. coturn gets its leanest work: ChannelData, no authentication, no TLS, no logging.

ROUNDS=${BENCH_ROUNDS:-3}
EACH=${BENCH_SECONDS:-5}
KINDS="forwarded relay coturn"
ENTRIES=1000000
WINDOW=256 # datagrams on their way: what a socket holds of small ones
PATH_ONE=1
PATH_FIRST=1000
COTURN_PORT=3478
LIBS=$(printf '%s:' /mnt/lab/packages/*/usr/lib/"$(uname -m)"-linux-gnu)

cable() {
	ip -n "$1" link add "$2" type veth peer name "$4" netns r
	ip -n "$1" addr add "$3/24" dev "$2"
	ip -n r addr add "$5/24" dev "$4"
	ip -n "$1" link set "$2" up
	ip -n r link set "$4" up
}

network() {
	host a b
	router r
	bg b idle sleep infinity # whose network namespace is b's
	cable a east 192.0.2.1 west 192.0.2.9
	cable b west 198.51.100.2 east 198.51.100.9
	on a ip route add default via 192.0.2.9
	on b ip route add default via 198.51.100.9
	eventually 5 on a ping -c 1 -W 1 198.51.100.2 >/dev/null
}

kernel_relay() {
	load_module
	on r ip link add ntm0 type ntm
	on r ip link set ntm0 up
	echo "dev set ntm0 port4 4330
relay set ntm0 $PATH_ONE end0 192.0.2.1 5000 end1 198.51.100.2 5001
relay many ntm0 $PATH_FIRST $ENTRIES 192.0.2.1 5000 198.51.100.2 5001
listen 100000" >/tmp/owner
	bg r owner sh -c 'exec ntm-cfg - </tmp/owner'
	eventually 120 entries_there >/dev/null
}

entries_there() {
	on r ntm-cfg dev get ntm0 | grep -q " relays=$((ENTRIES + 1)) "
}

coturn() {
	bg r coturn env LD_LIBRARY_PATH="$LIBS" /mnt/lab/packages/coturn/usr/bin/turnserver -c /dev/null -n \
		--listening-ip 192.0.2.9 --listening-port $COTURN_PORT --relay-ip 198.51.100.9 --no-auth --no-tls --no-dtls --no-tcp \
		--no-tcp-relay --no-cli --log-file /dev/null --simple-log --relay-threads 1 --no-rfc5780 --no-stun-backward-compatibility \
		--pidfile /tmp/turnserver.pid --db /tmp/turndb
	eventually 20 listens r udp $COTURN_PORT >/dev/null
}

# blast KIND SIZE SEGMENTS SECONDS [FIRST COUNT]
blast() {
	local kind=$1 to=$2
	case $kind in
	forwarded) to="198.51.100.2:5001 198.51.100.2:5001 plain" ;;
	relay) to="192.0.2.9:4330 198.51.100.2:5001 path" ;;
	coturn) to="192.0.2.9:$COTURN_PORT 198.51.100.2:5001 turn" ;;
	esac
	# shellcheck disable=SC2086
	on a ntm-blast "/proc/$(pid_of b idle)/ns/net" $to "$2" "$3" $WINDOW "${@:4}"
}

# value NAME TEXT: what ntm-blast printed behind NAME
value() {
	grep -oE "\b$1 [0-9.]+" <<<"$2" | cut -d' ' -f2
}

record() {
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$LAB_OUT/runs.tsv"
}

# measure KIND ROUND
measure() {
	local kind=$1 round=$2 paths=() out
	[ "$kind" != relay ] || paths=("$PATH_ONE" 1)
	out=$(blast "$kind" 200 32 "$EACH" "${paths[@]}") || return 1
	record "$kind" "$round" gso_pps "$(value pps "$out")"
	say "round $round: $kind, 200 bytes in aggregates: $(value pps "$out") packets a second"
	out=$(blast "$kind" 1400 32 "$EACH" "${paths[@]}") || return 1
	record "$kind" "$round" gso_mbyte_per_s "$(value mbyte_per_s "$out")"
	say "round $round: $kind, 1400 bytes in aggregates: $(value mbyte_per_s "$out") MB/s"
	out=$(blast "$kind" 200 1 "$EACH" "${paths[@]}") || return 1
	record "$kind" "$round" single_pps "$(value pps "$out")"
	say "round $round: $kind, 200 bytes one by one: $(value pps "$out") packets a second"
}

# entries ROUND NAME FIRST COUNT
entries() {
	local out
	out=$(blast relay 200 1 "$EACH" "$3" "$4") || return 1
	record relay "$1" "ns_per_packet_$2" "$(awk '{ printf "%.1f", 1e9 / $1 }' <<<"$(value pps "$out")")"
	say "round $1: relay, $4 entries: $(value pps "$out") packets a second"
}

setting() {
	printf '%s\t%s\n' "$1" "$2" >>"$LAB_OUT/settings.tsv"
}

network
setting kernel "$(uname -r)"
setting rounds "$ROUNDS"
setting seconds_each "$EACH"
setting entries "$ENTRIES"
before=$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)
kernel_relay
setting bytes_per_entry "$(((before - $(awk '/MemAvailable/ { print $2 }' /proc/meminfo)) * 1024 / ENTRIES))"
coturn
say "a million entries: $(awk '$1 == "bytes_per_entry" { print $2 }' "$LAB_OUT/settings.tsv") bytes each"
# Every entry finds its route once before it is measured
check "each entry is used once" blast relay 200 1 10 $PATH_FIRST $ENTRIES

for round in $(seq "$ROUNDS"); do
	for kind in $KINDS; do
		check "round $round: $kind" measure "$kind" "$round"
	done
	check "round $round: one entry" entries "$round" one $PATH_ONE 1
	check "round $round: a million entries" entries "$round" million $PATH_FIRST $ENTRIES
done
