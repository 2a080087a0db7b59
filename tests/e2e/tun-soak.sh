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

# flow ADDRESS OPTION...: for a second
flow() {
	iperf_server b && on a iperf3 -t 1 -c "$@"
}

# A second of each kind, one way and the other: TCP in large pieces, small ones, UDP, IPv6, fragments
one_of_each() {
	flow "$(virtual4 b)" "$@" &&
		flow "$(virtual6 b)" "$@" &&
		flow "$(virtual4 b)" -N -M 200 -l 500 "$@" &&
		flow "$(virtual4 b)" -u -l 64 -b 40M "$@" &&
		flow "$(virtual6 b)" -u -l 1000 -b 400M "$@" &&
		on a ping -q -f -c 100 -s 20000 "$(virtual4 b)"
}

load() {
	one_of_each && one_of_each -R
}

# Until all has passed, and the keys were replaced meanwhile; which they were within 30 s, or this is not the check that finds out
carry_all() {
	local until=$(($(carried) + PACKETS))
	while [ "$(carried)" -lt "$until" ] || { [ "$(epoch)" = "$first" ] && [ $((SECONDS - start)) -lt 30 ]; }; do
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
