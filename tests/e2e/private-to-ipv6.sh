# shellcheck shell=bash
# The third case of the paper's Fig. 2: a node with a private IPv4 address behind a NAT, and one with IPv6 alone. They reach each other by
# name, whoever asks first, by way of the relay server, and keep their connection when mn gets IPv6.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 180
#
#   mn 10.0.0.2 --- home --- n (NAT) 192.0.2.5 --- v4 --- dc, rs --- v6 --- mn (later)
#                                                                      \--- 2001:db8::20 cn

net home v4 v6
host dc rs mn cn
router n
link n v4 192.0.2.5/24
link n home 10.0.0.1/24
link mn home 10.0.0.2/24
link dc v4 192.0.2.1/24
link dc v6 2001:db8::1/64
link rs v4 192.0.2.2/24
link rs v6 2001:db8::2/64
link cn v6 2001:db8::20/64
gateway mn 10.0.0.1
nat n v4
dns dc
resolver mn 192.0.2.1
resolver cn 2001:db8::1
dc dc
rs rs rs dc
node mn mn dc
node cn cn dc

check_not "without NTMobile there is no way" on mn ping -c 1 -W 1 2001:db8::20
for who in "mn cn" "cn mn"; do
	read -r from to <<<"$who"
	at_most "$from finds $to within two seconds" "$(took on "$from" getent ahostsv4 "$to.example.net")" 2000
	check "$from reaches $to over IPv4 inside" on "$from" ping -4 -c 3 -i 0.2 -W 2 "$to.example.net"
	check "and over IPv6" on "$from" ping -6 -c 3 -i 0.2 -W 2 "$to.example.net"
	iperf_server "$to"
	check "TCP from $from" on "$from" iperf3 -c "$to.example.net" -t 1
	iperf_server "$to"
	check "TCP to $from" on "$from" iperf3 -c "$to.example.net" -t 1 -R
	exits "it is relayed" 4 ctl "$from" ping "$to" -c 1
	ctl mn forget cn.example.net >/dev/null
	ctl cn forget mn.example.net >/dev/null || true
done

# IPv6 comes to the home, and the connection moves to it
check "a connection" on mn ping -c 1 -W 2 cn.example.net
iperf_server cn
bg mn tcp iperf3 -c "$(virtual4 cn)" -t 8 -i 0.5 -b 5M
sleep 2
link mn v6 2001:db8::10/64
is_direct() {
	ctl mn | grep -qE "^cn\.example\.net .* up .*direct \[?2001:db8::20"
}
check "where both have IPv6, it goes the direct way" eventually 8 is_direct
wait_for mn tcp 30
like "under the same connection" "$(logs mn tcp)" 'iperf Done'
