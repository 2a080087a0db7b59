# on: host
# module: no
# without: kernel mixed: the path in user space by itself
# timeout: 120
# timeout-long: 1500
# Packets of all kinds through the user-space path, through many rekeys: neither memory nor descriptors nor threads of ntmd grow.
# 200,000 of them; with TEST_LONG 24 million.
#
#   dc, a --- internet --- b

. /mnt/lab/src/tests/e2e/lib/process

PACKETS=200000
[ -z "${TEST_LONG:-}" ] || PACKETS=24000000

# Packets that a has received and sent
carried() {
	ctl a status --json | tr ',' '\n' | awk -F': ' '/"[rt]x_packets"/ { sum += $2 } END { print sum + 0 }'
}

epoch() {
	ctl a status --json | tr ',' '\n' | awk -F': ' '/"epoch"/ { print $2 + 0; exit }'
}

# A second of each kind, one way and the other: TCP in large pieces, small ones, UDP, IPv6, fragments
one_of_each() {
	on a iperf3 -c "$(virtual4 b)" -t 1 "$@"
	on a iperf3 -c "$(virtual6 b)" -t 1 "$@"
	on a iperf3 -c "$(virtual4 b)" -t 1 -N -M 200 -l 500 "$@"
	on a iperf3 -c "$(virtual4 b)" -t 1 -u -l 64 -b 40M "$@"
	on a iperf3 -c "$(virtual6 b)" -t 1 -u -l 1000 -b 400M "$@"
	on a ping -q -f -c 100 -s 20000 "$(virtual4 b)"
}

load() {
	one_of_each
	one_of_each -R
}

carry_all() {
	local until=$(($(carried) + PACKETS))
	while [ "$(carried)" -lt "$until" ]; do
		load || return 1
	done
}

# held HOST: what must not grow
held() {
	local pid
	pid=$(pid_of "$1" ntmd)
	echo "$(threads_of "$pid") threads, $(descriptors_of "$pid") descriptors"
}

net internet
host dc a b
link dc internet 192.0.2.1/24 2001:db8::1/64
link a internet 192.0.2.10/24 2001:db8::10/64
link b internet 192.0.2.20/24 2001:db8::20/64
dc dc
node a alice dc rekey-after=10
node b bob dc rekey-after=10
bg b iperf3 iperf3 -s
eventually 5 listens b tcp 5201

check "once, so that all is in memory that will be" load
declare -A rss held before
for host in a b; do
	rss[$host]=$(rss_of "$(pid_of $host ntmd)")
	held[$host]=$(held $host)
done
before=$(carried)
first=$(epoch)
start=$SECONDS
check "packets pass" carry_all
# Every 10 s, and what a rekey takes beside such a load
at_least "through rekeys" $(($(epoch) - first)) $(((SECONDS - start) / 15 > 1 ? (SECONDS - start) / 15 : 1))
at_least "so many that it counts" $(($(carried) - before)) "$PACKETS"
for host in a b; do
	now=$(rss_of "$(pid_of $host ntmd)")
	say "$host: $((now - rss[$host])) kB more than ${rss[$host]} kB"
	at_most "$host: its memory has not grown by 1 MB" $((now - rss[$host])) 1024
	is "$host: nor has what else it holds" "$(held $host)" "${held[$host]}"
	is "$host: nothing was forged, repeated or malformed" \
		"$(ctl $host status --drops | grep -cE 'data (auth|replay|inner|short|source) [1-9]' || true)" 0
done
