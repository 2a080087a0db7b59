# shellcheck shell=bash
# What bad input gets: configuration, packets, refusals.
# on: qemu-6.12 host
# on-long: uml/mixed qemu-6.1 qemu-6.12/mixed
# timeout: 300
#
#   dc ---- internet ---- mn, cn, evil

net internet
host dc mn cn evil
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
link evil internet 192.0.2.66/24
resolver mn 192.0.2.1
dc dc

# Configuration
bad_conf() {
	printf '%s\n' "$@" >"$LAB_OUT/bad.conf"
	ntmd -c "$LAB_OUT/bad.conf"
}
said() {
	cat "$LAB_STATE/output"
}
exits "an unknown option: exit 2" 2 bad_conf '[node]' '' 'colour = blue'
like "with file, line and reason" "$(said)" 'bad\.conf:3: .'
exits "a bad value" 2 bad_conf '[node]' 'port = 99999'
like "with file, line and reason" "$(said)" 'bad\.conf:2: .'
exits "a value out of its bounds" 2 bad_conf '[node]' 'rekey-after = 5'
exits "a file that is not there" 2 ntmd -c /nowhere.conf
exits "a bad flag" 2 ntmd --colour
check "--version" ntmd --version
check "--help" ntmd --help

node mn mn dc
node cn cn dc
check "a tunnel stands" on mn ping -c 1 -W 2 cn.example.net
exits "the port is in use" 1 on mn ntmd -c /etc/ntmobile/ntmd.conf
like "in words" "$(said)" 'port 4330 is in use'

# Packets of a stranger
send_udp() {
	printf '%b' "$2" | on evil timeout 20 bash -c "cat >/dev/udp/$1/4330"
}
drops() {
	ctl mn status --drops | awk -v c="$1 $2" '$1 " " $2 == c { print $3 }'
}
counted() {
	[ "$(drops "$1" "$2")" -ge "$3" ]
}
send_udp 192.0.2.10 '\x01'
check "short: counted" eventually 5 counted signalling short 1
send_udp 192.0.2.10 '\x05\x02\0\0'
check "of another version: counted" eventually 5 counted signalling version 1
send_udp 192.0.2.10 '\x0d\x01\0\0'
check "of no known type: counted" eventually 5 counted signalling version 2
junk=$(printf '\\x41%.0s' {1..152})
send_udp 192.0.2.10 "\\x05\\x01\\0\\0$junk"
check "a Tunnel Request with a wrong mac: counted" eventually 5 counted signalling mac 1
send_udp 192.0.2.10 "\\x04\\x01\\0\\0$junk"
check "Sealed, of no session: counted" eventually 5 counted signalling session 1
send_udp 192.0.2.10 "\\x80\\0\\0\\0$junk"
check "data of no path: counted" eventually 5 counted data path 1
capture evil internet answers src 192.0.2.10 and udp
for i in 1 5 9 31 200; do
	on evil timeout 20 bash -c "head -c $i /dev/urandom >/dev/udp/192.0.2.10/4330"
done
capture_stop answers
is "nothing of this is answered" "$(packets answers)" 0
check "and nothing is harmed" on mn ping -c 2 -i 0.2 -W 2 cn.example.net
like "garbage to the control socket is refused" "$(on mn sh -c 'printf "{]\n" | ntm-stream talk /run/ntmd.sock')" '"ok":false'
check "and harms nothing" ctl mn

# Refusals
string=$(dc_ctl dc invite eve)
node_start evil
check "a token is good once" on evil ntmctl join "$string"
stop evil ntmd
on evil rm -rf /var/lib/ntmd
again evil ntmd
eventually 10 test -S "$(file_of evil /run/ntmd.sock)"
exits "and not twice" 1 on evil ntmctl join "$string"
like "in words" "$(said)" 'refuses'
dc_ctl dc revoke cn
refused() {
	ctl "$1" | grep -q 'DC: refused: revoked'
}
check "a revoked node shows it" eventually 60 refused cn
