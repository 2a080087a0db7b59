# on: host
# module: no
# without: kernel mixed: the path in user space by itself
# timeout: 150
# ntmd as Android runs it: without any privilege, on a TUN device and UDP sockets that its parent hands in and configures.
#
#   dc, a --- internet --- b: a plain device, a socket for each family (as Android's VpnService)
#                     \--- c: a device with offloads and another name, one socket for both families

. /mnt/lab/src/tests/e2e/lib/process

SOCKET=/run/ntmd/ntmd.sock
declare -A DEVICE=([b]=ntm0 [c]=tun7)

# handed_in HOST NAME OPTION...: ntm-parent with these options, and ntmd below it
handed_in() {
	local host=$1 name=$2 conf
	conf=$(file_of "$host" /etc/ntmobile/ntmd.conf)
	shift 2
	install -d -o 65534 -g 65534 "$(file_of "$host" /run/ntmd)" "$(file_of "$host" /var/lib/ntmd)"
	write_conf "$conf" node state=/var/lib/ntmd control=$SOCKET rekey-after=10
	chmod 755 "$(dirname "$conf")"
	chmod 644 "$conf"
	bg "$host" parent ntm-parent --tun "${DEVICE[$host]}" "$@" -- ntmd -c /etc/ntmobile/ntmd.conf
	eventually 15 asked "$host" status
	asked "$host" join "$(dc_ctl dc invite "$name")"
	eventually 15 grep -q '^configured' "$LAB_OUT/$host/parent.log"
}

# own_of HOST 4|6: its virtual address, as its parent gave it to the device
own_of() {
	ip -n "$1" -o "-$2" addr show dev "${DEVICE[$1]}" scope global | awk '{ sub("/.*", "", $4); print $4 }'
}

asked() {
	on "$1" ntmctl --socket $SOCKET "${@:2}"
}

# The process below ntm-parent
ntmd_of() {
	local parent
	parent=$(pid_of "$1" parent)
	cat /proc/[0-9]*/stat 2>/dev/null | sed 's/(.*)/x/' | awk -v p="$parent" '$4 == p { print $1 }'
}

# Fields of /proc/PID/status, as NAME=VALUE
status_of() {
	awk '/^(Uid|Gid|NoNewPrivs|Cap...):/ { sub(":", "="); print $1 $2 }' "/proc/$(ntmd_of "$1")/status" | paste -sd' '
}

# A transfer during which the cable is out for two seconds
transfer_without_cable() {
	iperf_server "$1"
	bg a "transfer-$1" iperf3 -c "$(own_of "$1" 4)" -t 8
	sleep 2
	unplug "$1" internet
	sleep 2
	plug "$1" internet
	wait_for a "transfer-$1" 30
	logs a "transfer-$1" | grep -qE ' [1-9][0-9.]* [KMG]bits/sec .*receiver'
}

# node_checks HOST NAME: what each of them must do
node_checks() {
	local host=$1 name=$2
	is "$host: ntmd is an ordinary user without any capability" "$(status_of "$host")" \
		"Uid=65534 Gid=65534 CapInh=0000000000000000 CapPrm=0000000000000000 CapEff=0000000000000000 CapBnd=0000000000000000 CapAmb=0000000000000000 NoNewPrivs=1"
	is "$host: the stub resolver knows a" "$(on "$host" dig +short +time=5 +tries=1 alice.example.net A)" "$(virtual4 a)"
	is "$host: and its IPv6 address" "$(on "$host" dig +short +time=5 +tries=1 alice.example.net AAAA)" "$(virtual6 a)"
	check "$host: reaches a by name" on "$host" ping -c 3 -i 0.2 -W 2 alice.example.net
	check "$host: over IPv6, too" on "$host" ping -6 -c 3 -i 0.2 -W 2 alice.example.net
	check "$host: a reaches it" on a ping -c 3 -i 0.2 -W 2 "$(own_of "$host" 4)"
	iperf_server "$host"
	check "$host: TCP to it" on a iperf3 -c "$(own_of "$host" 4)" -t 2
	iperf_server "$host"
	check "$host: TCP from it, over IPv6" on a iperf3 -c "$(own_of "$host" 6)" -t 2 -R
	check "$host: large pings" on a ping -q -c 3 -i 0.2 -s 30000 "$(own_of "$host" 4)"
	check "$host: a TCP connection survives a lost cable" transfer_without_cable "$host"
	at_most "$host: idle, it rests" "$(busy "$(ntmd_of "$host")")" 29
	send_signal "$host" parent HUP
	check "$host: SIGHUP is passed on" eventually 5 grep -q 'configuration reloaded' "$LAB_OUT/$host/parent.log"
	say "$host is $name: $(asked "$host" status | head -n 1)"
}

net internet
host dc a b c
link dc internet 192.0.2.1/24 2001:db8::1/64
link a internet 192.0.2.10/24 2001:db8::10/64
link b internet 192.0.2.20/24
link c internet 192.0.2.30/24 2001:db8::30/64
dc dc
node a alice dc
handed_in b bob
handed_in c carol --vnet --dual --mtu 1400

for host in b c; do
	check "$host: the device has the virtual addresses" on $host sh -c "ip -o addr | grep -q 'inet 100[.]64'"
	sleep 0.5
	check_not "$host: they are not taken for real ones" grep 'real addresses changed' "$LAB_OUT/$host/parent.log"
done
node_checks b bob
node_checks c carol

# The parent takes the device away: nothing is left to do but to say so, and rest.
ip -n b link del ntm0
check "without its device ntmd says so" eventually 5 grep -q 'the TUN device handed in is gone' "$LAB_OUT/b/parent.log"
like "and ntmctl, too" "$(asked b status 2>&1)" 'the TUN device handed in is gone'
at_most "it does not turn in circles" "$(busy "$(ntmd_of b)")" 29

pid=$(ntmd_of c)
send_signal c parent TERM
check "SIGTERM ends both" eventually 10 ended c parent
check_not "ntmd, too" test -d "/proc/$pid"
check "its peer hears of it" eventually 5 sh -c "! ip netns exec a ntmctl | grep -q 'carol.* up '"
