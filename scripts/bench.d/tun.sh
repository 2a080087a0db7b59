# shellcheck shell=bash
# NTMobile's user-space path against other tunnels in user space, natively: one TCP flow, and UDP of 1000 bytes.
# on: host
# timeout: 1500
# datapath: tun
# module: no
# packages: wireguard-go tinc openvpn fastd libcap-ng0 libjson-c5 liblz4-1 liblzo2-2 libnl-3-200 libnl-genl-3-200 libpkcs11-helper1 libuecc0
# kinds: plain ntmobile wireguard-go tinc openvpn fastd
# metric: tcp_mbit_per_s = one TCP flow, Mbit/s
# metric: tcp_cpu_s_per_gb = one TCP flow, CPU seconds per GB
# metric: udp_mbit_per_s = UDP of 1000 bytes at the best rate, Mbit/s that arrive
# metric: udp_cpu_s_per_gb = the same, CPU seconds per GB that arrives
# metric: udp_lost_percent = the same, percent lost
# ratio: tun_vs_best_peer_tcp = tcp_mbit_per_s: ntmobile / max(wireguard-go tinc openvpn fastd)
# ratio: tun_vs_best_peer_udp = udp_mbit_per_s: ntmobile / max(wireguard-go tinc openvpn fastd)
# ratio: tun_vs_plain_tcp = tcp_mbit_per_s: ntmobile / plain
# ratio: tun_vs_plain_cpu = tcp_cpu_s_per_gb: ntmobile / plain
# ratio: tun_cpu_vs_best_peer_cpu = tcp_cpu_s_per_gb: ntmobile / min(wireguard-go tinc openvpn fastd)
# hold: tun_vs_best_peer_tcp >= 5
#
#   a 192.0.2.1 ---- veth, MTU 1500 ---- 192.0.2.2 b
#
# All tunnels stand at once over the same cable; one is used at a time, and the others are idle. Every one encrypts and authenticates,
# has the same inner MTU, and the settings that are its fastest. Tunnel n has the addresses 10.98.n.1 and 10.98.n.2.
#
# UDP: of some rates that iperf3 offers, the one at which most arrives; 0 is as fast as it can. Its socket buffers are of 4 MB, or as
# large as the machine allows, so that its own are not what overflows. CPU: the time, user and system, of every process of this bench, that is
# both ends of the tunnel and both iperf3; and not what the kernel does in threads of its own.

# shellcheck source=scripts/bench.d/lib/peers.sh
. /mnt/lab/src/scripts/bench.d/lib/peers.sh

ROUNDS=${BENCH_ROUNDS:-3}
EACH=${BENCH_SECONDS:-5}
MTU=1420
OFFERED="250 500 750 1000 1300 1600 2000 0"
KINDS="plain ntmobile wireguard-go tinc openvpn fastd"

cable() {
	ip -n a link add veth0 type veth peer name veth0 netns b
	ip -n a addr add 192.0.2.1/24 dev veth0
	ip -n b addr add 192.0.2.2/24 dev veth0
	ip -n a link set veth0 up
	ip -n b link set veth0 up
}

ntmobile() {
	dc a
	node a a a port=4331
	node b b a
	on a ip link set ntm0 mtu "$MTU"
	on b ip link set ntm0 mtu "$MTU"
	NTM_PEER=$(virtual4 b)
}

address_of() {
	case $1 in
	plain) echo 192.0.2.2 ;;
	ntmobile) echo "$NTM_PEER" ;;
	*) peer_address "$1" ;;
	esac
}

# Hundredths of a second of processor that the processes of this bench have used, and those they have waited for
cpu_ticks() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk '{ sub(/.*\) /, ""); sum += $12 + $13 + $14 + $15 } END { print sum }'
}

# iperf KIND SECONDS OPTION...: one run from a to b; its output is in $LAB_OUT/iperf3
iperf() {
	local kind=$1 seconds=$2
	shift 2
	on a timeout $((seconds + 20)) iperf3 -c "$(address_of "$kind")" -t "$seconds" -f k "$@" >"$LAB_OUT/iperf3" 2>&1 ||
		{ show cat "$LAB_OUT/iperf3"; return 1; }
}

# What arrived, in Mbit/s
arrived() {
	awk '$NF == "receiver" { printf "%.1f", $7 / 1000 }' "$LAB_OUT/iperf3"
}

# What of UDP was lost, in percent
lost() {
	sed -nE '/receiver$/s/.*\(([0-9.e+-]+)%\).*/\1/p' "$LAB_OUT/iperf3"
}

# udp KIND SECONDS MBIT
udp() {
	iperf "$1" "$2" -u -l 1000 -b "$3M" -w "$BUFFER"
}

# What both rmem_max and wmem_max allow; where they cannot be read, what every socket has
socket_buffer() {
	cat /proc/sys/net/core/{r,w}mem_max 2>/dev/null | awk 'BEGIN { n = 4194304 } { seen++; if ($1 < n) n = $1 } END { print seen == 2 ? n : 212992 }'
}

# udp_rate KIND: the rate, of those offered, at which most arrives
udp_rate() {
	local kind=$1 rate got best=0 most=0
	for rate in $OFFERED; do
		udp "$kind" 1 "$rate" || return 1
		got=$(arrived)
		[ "${got%.*}" -le "$most" ] || best=$rate most=${got%.*}
	done
	echo "$best"
}

# record KIND ROUND METRIC VALUE
record() {
	printf '%s\t%s\t%s\t%s\n' "$@" >>"$LAB_OUT/runs.tsv"
}

# measured KIND ROUND PREFIX COMMAND...: a run of $EACH seconds, and its CPU
measured() {
	local kind=$1 round=$2 prefix=$3 before mbits cpu
	shift 3
	before=$(cpu_ticks)
	"$@" || return 1
	mbits=$(arrived)
	cpu=$(awk -v t=$(($(cpu_ticks) - before)) -v m="$mbits" -v s="$EACH" 'BEGIN { if (m > 0) printf "%.3f", t / 100 / (m * s / 8000) }')
	[ -n "$cpu" ] || return 1
	say "round $round: $kind, $prefix: $mbits Mbit/s, $cpu CPU seconds per GB"
	record "$kind" "$round" "${prefix}_mbit_per_s" "$mbits"
	record "$kind" "$round" "${prefix}_cpu_s_per_gb" "$cpu"
}

tcp_round() {
	measured "$1" "$2" tcp iperf "$1" "$EACH"
}

udp_round() {
	local rate
	rate=$(udp_rate "$1") || return 1
	measured "$1" "$2" udp udp "$1" "$EACH" "$rate" || return 1
	record "$1" "$2" udp_lost_percent "$(lost)"
}

setting() {
	printf '%s\t%s\n' "$1" "$2" >>"$LAB_OUT/settings.tsv"
}

settings() {
	setting kernel "$(uname -r)"
	setting cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
	setting link_mtu 1500
	setting inner_mtu "$MTU"
	setting udp_payload 1000
	setting udp_socket_buffer "$BUFFER"
	setting iperf3 "$(iperf3 --version | head -n 1)"
	setting udp_mbit_offered "$OFFERED"
	setting seconds_each "$EACH"
	setting rounds "$ROUNDS"
	setting ntmobile "$(ntmd --version), AES-256-GCM where the processor has instructions for it, else ChaCha20-Poly1305"
	peer_settings
}

reaches() {
	on a ping -c 1 -W 1 "$(address_of "$1")"
}

host a b
cable
BUFFER=$(socket_buffer)
peers_start
ntmobile
settings
bg b iperf3 iperf3 -s
eventually 5 listens b tcp 5201
for kind in $KINDS; do
	require "$kind: b is reached" eventually 20 reaches "$kind"
	require "$kind: warm" iperf "$kind" 2
done
for round in $(seq "$ROUNDS"); do
	for kind in $KINDS; do
		check "round $round: $kind, TCP" tcp_round "$kind" "$round"
		check "round $round: $kind, UDP" udp_round "$kind" "$round"
	done
done
