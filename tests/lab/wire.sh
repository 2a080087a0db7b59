# Links at 200 Mbit/s, jitter, loss of some packets, a short queue, and a link that is changed while it carries.
# module: no
# on: host
#
#   a --- internet --- b

net internet
host a b
link a internet 192.0.2.10/24 2001:db8::10/64 --rate 200mbit --delay 2ms
link b internet 192.0.2.20/24 2001:db8::20/64

# carried [OPTION...]: bits per second of one TCP flow, as the receiver counts them
carried() {
	iperf_server b
	on a iperf3 -c 192.0.2.20 -O 1 -t 3 --json "$@" |
		sed -nE '/"end"/,$ { /"sum_received"/,/}/ s/.*"bits_per_second":[^0-9]*([0-9]+).*/\1/p }'
}

# echoes N: of so many, how many come back
echoes() {
	on a ping -q -i 0.01 -c "$1" -W 1 192.0.2.20 | sed -nE 's/.* ([0-9]+) received.*/\1/p'
}

# The times of 100 round trips, in ms, the shortest first
times() {
	on a ping -i 0.01 -c 100 -W 1 192.0.2.20 | sed -nE 's/.*time=([0-9.]+) ms/\1/p' | sort -n
}

# percentile N: of such times. The longest ones tell how busy the machine is
percentile() {
	awk -v p="$1" '{ t[NR] = $1 } END { print t[int(NR * p / 100) + 1] }'
}

reached() {
	[ "$(carried "$@")" -ge 160000000 ]
}

check "large packets pass whole, IPv4" on a ping -c 1 -W 2 -s 20000 192.0.2.20
check "large packets pass whole, IPv6" on a ping -c 1 -W 2 -s 20000 2001:db8::20
# Not every emulated machine is fast enough for it
[ "$LAB_TARGET" != host ] || check "200 Mbit/s are reached" eventually 20 reached
[ "$LAB_TARGET" != host ] || check "the other way too" eventually 20 reached -R

# at_most_carried TEXT BITS [OPTION...]: a receiver that is late when it begins to count counts what waited for it, too
at_most_carried() {
	at_most "$1" "$(carried "${@:3}")" "$2"
}
steadily 60 at_most_carried "and not passed" 200000000
steadily 60 at_most_carried "nor the other way" 200000000 -R

link_set a internet --rate 10mbit --queue 20ms
slower() {
	times >"$LAB_OUT/times" &
	at_most_carried "a rate can be changed" 10000000
	wait
	# netem keeps what waits for the rate too, however long that is
	[ "$LAB_TARGET" != host ] || at_most "a short queue is soon full" "$(percentile 80 <"$LAB_OUT/times")" 40
}
steadily 60 slower

link_set a internet --rate none --queue none --delay 10ms --jitter 5ms
times >"$LAB_OUT/times"
at_least "a delay with jitter is the delay in the middle" "$(percentile 50 <"$LAB_OUT/times")" 15
at_most "or not much more" "$(percentile 50 <"$LAB_OUT/times")" 30
at_most "some are faster" "$(percentile 10 <"$LAB_OUT/times")" 18.5
at_least "some are slower" "$(percentile 85 <"$LAB_OUT/times")" 21.5
link_set a internet --jitter none --loss 20%
received=$(echoes 300)
at_least "a loss of 20 % each way loses some" "$received" 140
at_most "and keeps some" "$received" 240

link_set a internet --loss none --delay 1ms
bg a ping ping -i 0.01 -c 200 -W 1 192.0.2.20
for i in 3 0.5 2 none 1; do
	link_set a internet --delay "${i/#[0-9]*/${i}ms}"
	sleep 0.3
done
wait_for a ping
at_least "changes lose next to nothing" "$(logs a ping | sed -nE 's/.* ([0-9]+) received.*/\1/p')" 190
unplug a internet
is "a wire without its plug loses all" "$(echoes 10)" 0
plug a internet
check "and with it nothing" eventually 5 on a ping -c 1 -W 1 192.0.2.20

on a ip neigh flush to 192.0.2.20
mac=$(on b cat "/sys/class/net/$(if_of b internet)/address")
link_set a internet --delay none --corrupt 100%
on a ping -q -c 1 -W 1 192.0.2.20 || true
like "bits are spoilt of IP packets, not of ARP" "$(on a ip neigh show to 192.0.2.20)" "lladdr $mac"
is "of each one" "$(on a ping -q -c 50 -i 0.01 -W 1 -p 00 192.0.2.20 | sed -nE 's/.* ([0-9]+) received.*/\1/p')" 0
